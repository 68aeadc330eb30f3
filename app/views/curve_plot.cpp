// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/curve_plot.hpp"

#include "app/plot/category.hpp"

#include <QFontMetricsF>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>
#include <limits>

namespace loupe::app {

namespace {

QString text(std::string_view view) {
    return QString::fromUtf8(view.data(), static_cast<qsizetype>(view.size()));
}

}  // namespace

CurvePlot::CurvePlot(QWidget* parent) : QWidget(parent) {
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Curves"));
    m_plot = new Plot(this);
    m_xTicker.reset(new FixedTicker);
    m_yTicker.reset(new FixedTicker);
    m_plot->xAxis->setTicker(m_xTicker);
    m_plot->yAxis->setTicker(m_yTicker);
    m_plot->axisRect()->setAutoMargins(QCP::msLeft);
    m_plot->setMouseTracking(true);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_plot);
    m_plot->setPrepare([this](QSize size) { prepare(size); });
    new PaintLayer(m_plot, "main", [this](QPainter& painter) { paintNow(painter); });
    new PaintLayer(m_plot, "main", [this](QPainter& painter) { paintLines(painter); });
    new PaintLayer(m_plot, "main", [this](QPainter& painter) { paintLabels(painter); });
    new PaintLayer(m_plot, "axes", [this](QPainter& painter) { paintTitles(painter); });
    new PaintLayer(m_plot, "overlay", [this](QPainter& painter) { paintChosen(painter); });
    connect(m_plot, &QCustomPlot::mouseMove, this, [this](QMouseEvent* event) {
        std::optional<int> nearest;
        double best = std::numeric_limits<double>::infinity();
        for (std::size_t i = 0; i < m_data.axis.values.size(); ++i) {
            if (const auto x = xOf(text(m_data.axis.values[i]))) {
                const double away =
                    std::abs(m_plot->xAxis->coordToPixel(*x) - event->position().x());
                if (away < best) {
                    best = away;
                    nearest = static_cast<int>(i);
                }
            }
        }
        setChosen(nearest);
    });
    connect(m_plot, &QCustomPlot::mousePress, this, [this] { setFocus(); });
}

void CurvePlot::setData(CurveData curves) {
    m_data = std::move(curves);
    if (m_chosen && *m_chosen >= static_cast<int>(m_data.axis.values.size())) {
        m_chosen.reset();
    }
    m_plot->replot(QCustomPlot::rpQueuedReplot);
    emit readoutChanged();
}

std::optional<double> CurvePlot::xOf(const QString& value) const {
    const std::string wanted = value.toStdString();
    if (!m_data.axis.numeric) {
        const auto& values = m_data.axis.values;
        const auto found = std::find(values.begin(), values.end(), wanted);
        return found == values.end()
                   ? std::nullopt
                   : std::optional<double>(static_cast<double>(found - values.begin()));
    }
    bool isNumber = false;
    const double number = value.toDouble(&isNumber);
    if (!isNumber || !std::isfinite(number) || (logX() && number <= 0)) {
        return std::nullopt;
    }
    return logX() ? std::log10(number) : number;
}

std::optional<double> CurvePlot::yOf(const Figures& figures) const {
    if (m_data.figure == nullptr) {
        return std::nullopt;
    }
    const std::optional<double> value = m_data.figure->value(figures);
    if (!value || !std::isfinite(*value) || (m_data.logY && *value <= 0)) {
        return std::nullopt;
    }
    return m_data.logY ? std::log10(*value) : *value;
}

double CurvePlot::labelRoom() const {
    double widest = 0;
    for (const SweepSeries& series : m_data.series) {
        widest = std::max(widest, textWidth(text(series.title), TextRole::Small));
    }
    return std::min(widest + Theme::px(14), m_plot->viewport().width() * 0.3);
}

void CurvePlot::prepareX(double low, double high, double pixels) {
    if (!m_data.axis.numeric) {
        m_xTicker->positions.clear();
        m_xTicker->labels.clear();
        for (std::size_t i = 0; i < m_data.axis.values.size(); ++i) {
            m_xTicker->positions.push_back(static_cast<double>(i));
            m_xTicker->labels.push_back(text(m_data.axis.values[i]));
        }
        return;
    }
    // The values themselves where they fit: the axis then says what was computed.
    double needed = 0;
    std::vector<double> positions;
    std::vector<QString> labels;
    for (const std::string& value : m_data.axis.values) {
        if (const auto x = xOf(text(value))) {
            QString label = text(value);
            label.replace(QLatin1Char('-'), QChar(0x2212));
            needed += textWidth(label, TextRole::NumberAxis) + Theme::px(12);
            positions.push_back(*x);
            labels.push_back(label);
        }
    }
    if (needed <= pixels) {
        m_xTicker->positions = positions;
        m_xTicker->labels = labels;
    } else if (logX()) {
        setLogTicks(*m_xTicker, std::pow(10, low), std::pow(10, high));
    } else {
        setNiceTicks(*m_xTicker, low, high, pixels, true);
    }
}

void CurvePlot::prepare(QSize size) {
    const double room = labelRoom();
    m_plot->axisRect()->setMargins(
        QMargins(0, Theme::px(26), static_cast<int>(room) + Theme::px(8), Theme::px(44)));
    double left = std::numeric_limits<double>::infinity();
    double right = -left;
    double low = left;
    double high = -left;
    for (const std::string& value : m_data.axis.values) {
        if (const auto x = xOf(text(value))) {
            left = std::min(left, *x);
            right = std::max(right, *x);
        }
    }
    for (const SweepSeries& series : m_data.series) {
        for (const SweepPoint& point : series.points) {
            if (const auto y = yOf(point.figures)) {
                low = std::min(low, *y);
                high = std::max(high, *y);
            }
        }
    }
    if (!(left <= right)) {
        left = 0;
        right = 1;
    }
    if (!(low <= high)) {
        low = m_data.logY ? -3 : 0;
        high = m_data.logY ? 0 : 1;
    }
    const double pad = right > left ? (right - left) * 0.03 : 0.5;
    const double margin = high > low ? (high - low) * 0.08 : (m_data.logY ? 0.3 : 0.5);
    // Errors and times start at zero: half the height is half the error.
    const bool fromZero =
        !m_data.logY && m_data.figure != nullptr && m_data.figure->lowerIsBetter && low >= 0;
    const double bottom = fromZero ? 0 : low - margin;
    m_plot->xAxis->setRange(left - pad, right + pad);
    m_plot->yAxis->setRange(bottom, high + margin);
    prepareX(left - pad, right + pad, size.width() - room - Theme::px(70));
    if (m_data.logY) {
        setLogTicks(*m_yTicker, std::pow(10, bottom), std::pow(10, high + margin));
    } else {
        setNiceTicks(*m_yTicker, bottom, high + margin, size.height() - Theme::px(70), false);
    }
}

void CurvePlot::paintNow(QPainter& painter) {
    const QRectF area = m_plot->axisRect()->rect();
    for (const Side side : {Side::A, Side::B}) {
        const std::optional<QString>& now = side == Side::A ? m_data.nowA : m_data.nowB;
        const std::optional<double> x = now ? xOf(*now) : std::nullopt;
        if (!x || !m_plot->xAxis->range().contains(*x)) {
            continue;
        }
        const double at = m_plot->xAxis->coordToPixel(*x);
        QPen pen(sideColor(side), 1);
        pen.setDashPattern({2, 2});
        painter.setPen(pen);
        painter.drawLine(QPointF(at, area.top()), QPointF(at, area.bottom()));
        const double size = Theme::px(16);
        const double shift = side == Side::A ? -size - 1 : 1;
        painter.setRenderHint(QPainter::Antialiasing);
        drawSideBadge(painter, QRectF(at + shift, area.top() - size - 2, size, size), side);
    }
}

void CurvePlot::paintLines(QPainter& painter) {
    painter.setRenderHint(QPainter::Antialiasing);
    for (std::size_t s = 0; s < m_data.series.size(); ++s) {
        const int category = m_data.categories[s];
        std::vector<QPointF> line;
        for (const SweepPoint& point : m_data.series[s].points) {
            const auto x = xOf(text(point.value));
            const auto y = yOf(point.figures);
            if (x && y) {
                line.emplace_back(m_plot->xAxis->coordToPixel(*x), m_plot->yAxis->coordToPixel(*y));
            }
        }
        if (m_data.axis.numeric) {
            std::sort(line.begin(), line.end(), [](const QPointF& a, const QPointF& b) {
                return a.x() < b.x();
            });
            painter.setPen(QPen(categoryColor(category), 2));
            painter.drawPolyline(line.data(), static_cast<int>(line.size()));
        }
        for (const QPointF& at : line) {
            drawCategoryMark(painter, category, at, Theme::px(4));
        }
    }
}

void CurvePlot::paintLabels(QPainter& painter) {
    struct Label {
        double y;
        QString words;
        QColor color;
    };
    std::vector<Label> labels;
    const QRectF area = m_plot->axisRect()->rect();
    for (std::size_t s = 0; s < m_data.series.size(); ++s) {
        double right = -std::numeric_limits<double>::infinity();
        std::optional<double> y;
        for (const SweepPoint& point : m_data.series[s].points) {
            const auto x = xOf(text(point.value));
            const auto value = yOf(point.figures);
            if (x && value && *x >= right) {
                right = *x;
                y = value;
            }
        }
        if (y) {
            labels.push_back({m_plot->yAxis->coordToPixel(*y),
                              text(m_data.series[s].title),
                              categoryColor(m_data.categories[s])});
        }
    }
    std::sort(
        labels.begin(), labels.end(), [](const Label& a, const Label& b) { return a.y < b.y; });
    const double line = lineHeight(TextRole::Small);
    // Down from the top, then up from the bottom: no two on one line.
    for (std::size_t i = 1; i < labels.size(); ++i) {
        labels[i].y = std::max(labels[i].y, labels[i - 1].y + line);
    }
    for (std::size_t i = labels.size(); i-- > 0;) {
        const double most =
            i + 1 < labels.size() ? labels[i + 1].y - line : area.bottom() - line / 2;
        labels[i].y = std::min(labels[i].y, most);
    }
    const double left = area.right() + Theme::px(10);
    const double room = m_plot->viewport().right() - left;
    const QFontMetricsF metrics(Theme::font(TextRole::Small));
    for (const Label& label : labels) {
        // A line in the colour, words in the colour of text: pale colours are no colours for words.
        painter.setPen(QPen(label.color, 3));
        painter.drawLine(QPointF(left - Theme::px(7), label.y - line / 3),
                         QPointF(left - Theme::px(7), label.y + line / 3));
        drawTextLine(painter,
                     QRectF(left, label.y - line / 2, room, line),
                     Qt::AlignLeft | Qt::AlignVCenter,
                     metrics.elidedText(label.words, Qt::ElideMiddle, room),
                     TextRole::Small,
                     Theme::current().text2);
    }
}

void CurvePlot::paintTitles(QPainter& painter) {
    const Theme& theme = Theme::current();
    const QRectF view = m_plot->viewport();
    if (m_data.figure == nullptr) {
        return;
    }
    QString title = text(m_data.figure->title);
    if (!m_data.figure->unit.empty()) {
        title += QStringLiteral(" (") + text(m_data.figure->unit) + QLatin1Char(')');
    }
    drawTextLine(painter,
                 QRectF(view.left() + Theme::px(8),
                        view.top() + Theme::px(4),
                        view.width() - Theme::px(16),
                        Theme::px(16)),
                 Qt::AlignLeft | Qt::AlignVCenter,
                 title,
                 TextRole::Caption,
                 theme.text3);
    drawTextLine(painter,
                 QRectF(view.left(),
                        view.bottom() - Theme::px(17),
                        m_plot->axisRect()->rect().right() - view.left(),
                        Theme::px(16)),
                 Qt::AlignRight | Qt::AlignVCenter,
                 text(m_data.axis.key),
                 TextRole::Caption,
                 theme.text3);
}

void CurvePlot::paintChosen(QPainter& painter) {
    if (hasFocus()) {
        drawFocusRing(painter, QRectF(m_plot->viewport()));
    }
    if (!m_chosen) {
        return;
    }
    const auto x = xOf(text(m_data.axis.values[static_cast<std::size_t>(*m_chosen)]));
    if (!x) {
        return;
    }
    const double at = m_plot->xAxis->coordToPixel(*x);
    const QRectF area = m_plot->axisRect()->rect();
    painter.setPen(QPen(Theme::current().text2, 1));
    painter.drawLine(QPointF(at, area.top()), QPointF(at, area.bottom()));
}

QString CurvePlot::readout() const {
    if (!m_chosen || m_data.figure == nullptr) {
        return {};
    }
    const std::string& value = m_data.axis.values[static_cast<std::size_t>(*m_chosen)];
    QString words = text(m_data.axis.key) + QLatin1Char(' ') + text(value);
    for (const SweepSeries& series : m_data.series) {
        const auto point = std::find_if(
            series.points.begin(), series.points.end(), [&](const SweepPoint& candidate) {
                return candidate.value == value;
            });
        const std::optional<double> figure =
            point == series.points.end() ? std::nullopt : m_data.figure->value(point->figures);
        words += QStringLiteral("  ·  ") + text(series.title) + QLatin1Char(' ') +
                 (figure ? formatNumber(*figure) : QStringLiteral("–"));
    }
    return words;
}

void CurvePlot::setChosen(std::optional<int> value) {
    if (value != m_chosen) {
        m_chosen = value;
        m_plot->replotOverlay();
        emit readoutChanged();
    }
}

void CurvePlot::keyPressEvent(QKeyEvent* event) {
    const int count = static_cast<int>(m_data.axis.values.size());
    if (count > 0 && (event->key() == Qt::Key_Left || event->key() == Qt::Key_Right)) {
        const int step = event->key() == Qt::Key_Left ? -1 : 1;
        setChosen(m_chosen ? std::clamp(*m_chosen + step, 0, count - 1)
                           : (step > 0 ? 0 : count - 1));
        return;
    }
    QWidget::keyPressEvent(event);
}

void CurvePlot::focusInEvent(QFocusEvent* event) {
    QWidget::focusInEvent(event);
    m_plot->replotOverlay();
}

void CurvePlot::focusOutEvent(QFocusEvent* event) {
    QWidget::focusOutEvent(event);
    m_plot->replotOverlay();
}

void CurvePlot::leaveEvent(QEvent* event) {
    QWidget::leaveEvent(event);
    setChosen(std::nullopt);
}

}  // namespace loupe::app
