// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/theatre/trace_plot.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/elided_label.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/theatre/panel_layout.hpp"
#include "app/workspaces/theatre/theatre_model.hpp"
#include "core/quant/board_numbers.hpp"

#include <QComboBox>
#include <QEvent>
#include <QFontMetricsF>
#include <QHBoxLayout>
#include <QLabel>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>
#include <limits>

namespace loupe::app {

namespace {

constexpr std::size_t kMostLabels = 5;

QString toQ(const std::string& text) {
    return QString::fromStdString(text);
}

bool isReference(const TraceSeries& series) {
    return series.name.rfind("RTN", 0) == 0 || series.name.rfind("round", 0) == 0;
}

QColor colorOf(const TraceCurve& curve, std::size_t index) {
    const Theme& theme = Theme::current();
    if (curve.series.size() > kMostLabels) {
        return theme.text3;
    }
    if (isReference(curve.series[index])) {
        return theme.original;
    }
    std::size_t place = 0;
    for (std::size_t i = 0; i < index; ++i) {
        place += isReference(curve.series[i]) ? 0U : 1U;
    }
    const QColor colors[] = {theme.schemeA, theme.schemeB, theme.text, theme.outlier, theme.text3};
    return colors[std::min<std::size_t>(place, 4)];
}

QPen penOf(const TraceCurve& curve, std::size_t index) {
    if (isReference(curve.series[index])) {
        return originalPen();
    }
    const QColor color = colorOf(curve, index);
    return curve.series.size() > kMostLabels
               ? QPen(color, 1)
               : QPen(color, 2, color == Theme::current().schemeB ? Qt::DashLine : Qt::SolidLine);
}

/// Name and last value; a long name gives way to the value.
QString endLabel(const TraceSeries& series, double room = 1e6) {
    const QString value = series.y.empty() ? QString() : formatNumber(series.y.back(), 4);
    const QFontMetricsF metrics(Theme::font(TextRole::Small));
    const double left = room - metrics.horizontalAdvance(QLatin1Char(' ') + value);
    return metrics.elidedText(toQ(series.name), Qt::ElideRight, left) + QLatin1Char(' ') + value;
}

/// y of a series at x, straight between its points.
std::optional<double> valueAt(const TraceSeries& series, double x) {
    const std::size_t count = std::min(series.x.size(), series.y.size());
    for (std::size_t i = 0; i < count; ++i) {
        if (series.x[i] == x) {
            return series.y[i];
        }
    }
    for (std::size_t i = 1; i < count; ++i) {
        if (series.x[i - 1] < x && x < series.x[i]) {
            const double share = (x - series.x[i - 1]) / (series.x[i] - series.x[i - 1]);
            return series.y[i - 1] + share * (series.y[i] - series.y[i - 1]);
        }
    }
    return std::nullopt;
}

}  // namespace

TracePlot::TracePlot(TheatreModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("curve"));
    setAccessibleName(tr("Curve over all steps"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(Theme::px(14), Theme::px(8), Theme::px(12), Theme::px(8));
    layout->setSpacing(Theme::px(4));
    auto* head = new QHBoxLayout;
    head->setSpacing(Theme::px(8));
    m_title = new ElidedLabel(this, Qt::ElideRight);
    setTextRole(m_title, TextRole::Heading);
    m_title->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    m_choice = new QComboBox(this);
    m_choice->setAccessibleName(tr("Which curve"));
    m_choice->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    head->addWidget(m_title, 1);
    head->addWidget(m_choice, 1);
    layout->addLayout(head);
    m_plot = new Plot(this);
    m_plot->setMinimumHeight(Theme::px(96));
    m_plot->axisRect()->setAutoMargins(QCP::msNone);
    m_plot->setPrepare([this](QSize size) { prepare(size); });
    new PaintLayer(m_plot, QStringLiteral("main"), [this](QPainter& painter) { paint(painter); });
    layout->addWidget(m_plot, 1);
    m_loss = new QLabel(this);
    m_loss->setWordWrap(true);
    setTextRole(m_loss, TextRole::Small);
    setTone(m_loss, Tone::Secondary);
    layout->addWidget(m_loss);
    connect(m_choice, &QComboBox::activated, this, [this] {
        m_plot->replot(QCustomPlot::rpQueuedReplot);
    });
    connect(&model, &TheatreModel::traceChanged, this, &TracePlot::takeTrace);
    connect(&model, &TheatreModel::stateChanged, this, [this] {
        m_plot->replot(QCustomPlot::rpQueuedReplot);
    });
    takeTrace();
}

bool TracePlot::hasContent() const {
    return m_model.trace() != nullptr &&
           (!m_model.trace()->curves.empty() || m_model.trace()->loss.has_value());
}

const TraceCurve* TracePlot::curve() const {
    const std::shared_ptr<const Trace>& trace = m_model.trace();
    if (trace == nullptr || trace->curves.empty()) {
        return nullptr;
    }
    const auto index = static_cast<std::size_t>(std::max(0, m_choice->currentIndex()));
    return &trace->curves[std::min(index, trace->curves.size() - 1)];
}

QString TracePlot::lossText() const {
    const std::shared_ptr<const Trace>& trace = m_model.trace();
    if (trace == nullptr || !trace->loss) {
        return {};
    }
    const TraceLoss& loss = *trace->loss;
    const double size = std::max(std::fabs(loss.summed), std::fabs(loss.direct));
    // The two are summed in another order: alike to nine digits is equal.
    const bool equal = std::fabs(loss.summed - loss.direct) <= 1e-9 * size;
    const auto number = [](double value) { return toQ(BoardNumbers::text(value, 6)); };
    return equal ? tr("At the end %1, equal to ½ tr(D·H·D') computed directly.")
                       .arg(number(loss.summed))
                 : tr("At the end %1; ½ tr(D·H·D') computed directly is %2, a difference of %3.")
                       .arg(number(loss.summed),
                            number(loss.direct),
                            toQ(BoardNumbers::text(loss.summed - loss.direct, 3)));
}

void TracePlot::takeTrace() {
    const QString before = m_choice->currentText();
    m_choice->clear();
    if (m_model.trace() != nullptr) {
        for (const TraceCurve& each : m_model.trace()->curves) {
            m_choice->addItem(toQ(each.title));
        }
    }
    m_choice->setCurrentIndex(std::max(0, m_choice->findText(before)));
    m_choice->setVisible(m_choice->count() > 1);
    m_title->setVisible(m_choice->count() <= 1);
    m_title->setText(m_choice->count() > 0 ? m_choice->itemText(0) : tr("Loss"));
    m_plot->setVisible(m_choice->count() > 0);
    m_loss->setText(lossText());
    m_loss->setVisible(!m_loss->text().isEmpty());
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

double TracePlot::toAxis(double y) const {
    return curve() != nullptr && curve()->logY ? std::log10(std::max(y, 1e-300)) : y;
}

void TracePlot::prepare(QSize size) {
    m_plot->setBackground(QBrush(Theme::current().panel));
    const TraceCurve* shown = curve();
    if (shown == nullptr) {
        return;
    }
    double left = std::numeric_limits<double>::max();
    double right = std::numeric_limits<double>::lowest();
    double low = shown->logY ? std::numeric_limits<double>::max() : 0;
    double high = shown->logY ? std::numeric_limits<double>::lowest() : 0;
    double labels = 0;
    for (const TraceSeries& series : shown->series) {
        for (const double x : series.x) {
            left = std::min(left, x);
            right = std::max(right, x);
        }
        for (const double y : series.y) {
            if (std::isfinite(y) && (!shown->logY || y > 0)) {
                low = std::min(low, toAxis(y));
                high = std::max(high, toAxis(y));
            }
        }
        if (shown->series.size() <= kMostLabels) {
            labels = std::max(labels, textWidth(endLabel(series), TextRole::Small));
        }
    }
    if (!(right > left)) {
        right = left = left > right ? 0 : left;
        left -= 0.5;
        right += 0.5;
    }
    if (!(high > low)) {
        high = low + 1;
    }
    high += (high - low) * 0.06;
    const double marginLeft = Theme::px(46);
    const double marginRight = std::min(labels + Theme::px(10), size.width() * 0.4);
    const double bottom = Theme::px(22) + lineHeight(TextRole::Caption);
    m_plot->axisRect()->setMargins(
        QMargins(static_cast<int>(marginLeft),
                 static_cast<int>(lineHeight(TextRole::Caption) + Theme::px(4)),
                 static_cast<int>(marginRight),
                 static_cast<int>(bottom)));
    m_plot->xAxis->setRange(left, right);
    m_plot->yAxis->setRange(low, high);
    auto* xTicks = static_cast<FixedTicker*>(m_plot->xAxis->ticker().data());
    auto* yTicks = static_cast<FixedTicker*>(m_plot->yAxis->ticker().data());
    setNiceTicks(*xTicks, left, right, size.width() - marginLeft - marginRight, true);
    if (shown->logY) {
        setLogTicks(*yTicks, low, high);
    } else {
        setNiceTicks(*yTicks, low, high, size.height() - bottom, false);
    }
}

void TracePlot::paintSeries(QPainter& painter, const TraceSeries& series, std::size_t index) {
    const TraceCurve& shown = *curve();
    QPolygonF line;
    const std::size_t count = std::min(series.x.size(), series.y.size());
    std::vector<std::size_t> order(count);
    for (std::size_t i = 0; i < count; ++i) {
        order[i] = i;
    }
    // A search reports its trials in its own order; a line goes from left to right.
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return series.x[a] < series.x[b];
    });
    for (const std::size_t i : order) {
        if (std::isfinite(series.y[i]) && (!shown.logY || series.y[i] > 0)) {
            line << QPointF(m_plot->xAxis->coordToPixel(series.x[i]),
                            m_plot->yAxis->coordToPixel(toAxis(series.y[i])));
        }
    }
    const TraceState* state = m_model.state();
    const bool progress = index == 0 && state != nullptr && state->marker.has_value() &&
                          !isReference(series) && shown.series.size() <= kMostLabels;
    QPen pen = penOf(shown, index);
    if (progress) {
        // What is still to come is thin.
        const double at = m_plot->xAxis->coordToPixel(*state->marker);
        pen.setWidthF(1);
        painter.setPen(pen);
        painter.drawPolyline(line);
        const QRectF area = m_plot->axisRect()->rect();
        painter.save();
        painter.setClipRect(
            QRectF(area.left() - 4, 0, std::max(0.0, at - area.left() + 4), m_plot->height()));
        pen.setWidthF(2.5);
        painter.setPen(pen);
        painter.drawPolyline(line);
        painter.restore();
    } else {
        painter.setPen(pen);
        painter.drawPolyline(line);
    }
    if (line.size() == 1) {
        painter.setPen(QPen(Theme::current().canvas, 1));
        painter.setBrush(colorOf(shown, index));
        painter.drawEllipse(line.front(), 4, 4);
    }
}

void TracePlot::paint(QPainter& painter) {
    const TraceCurve* shown = curve();
    if (shown == nullptr) {
        return;
    }
    const Theme& theme = Theme::current();
    const QRectF area = m_plot->axisRect()->rect();
    painter.setRenderHint(QPainter::Antialiasing);
    std::vector<double> taken;
    for (std::size_t i = 0; i < shown->series.size(); ++i) {
        paintSeries(painter, shown->series[i], i);
    }
    if (shown->series.size() <= kMostLabels) {
        const double line = lineHeight(TextRole::Small);
        for (std::size_t i = 0; i < shown->series.size(); ++i) {
            const TraceSeries& series = shown->series[i];
            if (series.y.empty()) {
                continue;
            }
            double y = clampTo(
                m_plot->yAxis->coordToPixel(toAxis(series.y.back())), area.top(), area.bottom());
            for (const double other : taken) {
                if (std::fabs(other - y) < line) {
                    y = other - line;
                }
            }
            taken.push_back(y);
            const QString text =
                shown->series.size() == 1 && series.name.empty()
                    ? formatNumber(series.y.back(), 4)
                    : endLabel(series, m_plot->width() - area.right() - Theme::px(8));
            drawTextLine(painter,
                         QRectF(area.right() + Theme::px(6),
                                y - line / 2,
                                m_plot->width() - area.right(),
                                line),
                         Qt::AlignLeft,
                         text,
                         TextRole::Small,
                         colorOf(*shown, i));
        }
    }
    const TraceState* state = m_model.state();
    if (state != nullptr && state->marker) {
        const double x =
            clampTo(m_plot->xAxis->coordToPixel(*state->marker), area.left(), area.right());
        painter.setPen(QPen(theme.text, 1, Qt::DotLine));
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()));
        for (std::size_t i = 0; i < shown->series.size() && shown->series.size() <= kMostLabels;
             ++i) {
            if (const std::optional<double> y = valueAt(shown->series[i], *state->marker);
                y && !isReference(shown->series[i])) {
                painter.setPen(QPen(theme.canvas, 2));
                painter.setBrush(colorOf(*shown, i));
                painter.drawEllipse(QPointF(x, m_plot->yAxis->coordToPixel(toAxis(*y))), 5, 5);
            }
        }
    }
    drawBoardLine(&painter,
                  QRectF(0, 0, m_plot->width(), lineHeight(TextRole::Caption)),
                  boardText(shown->yAxis),
                  TextRole::Caption,
                  theme.text3);
    drawTextLine(painter,
                 QRectF(0,
                        m_plot->height() - lineHeight(TextRole::Caption),
                        area.right(),
                        lineHeight(TextRole::Caption)),
                 Qt::AlignRight,
                 boardText(shown->xAxis),
                 TextRole::Caption,
                 theme.text3);
}

void TracePlot::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        m_plot->replot(QCustomPlot::rpQueuedReplot);
    }
}

}  // namespace loupe::app
