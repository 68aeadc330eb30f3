// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/channel_error_view.hpp"

#include "app/document/cursor.hpp"
#include "app/views/cell_access.hpp"
#include "app/widgets/controls.hpp"

#include <QAction>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QRegularExpression>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace loupe::app {

namespace {

/// Up to so many channels each value gets a point.
constexpr std::size_t kMostPoints = 40;

std::vector<double> roots(const std::vector<double>& squares) {
    std::vector<double> result(squares.size());
    std::transform(squares.begin(), squares.end(), result.begin(), [](double square) {
        return std::sqrt(square);
    });
    return result;
}

}  // namespace

ChannelErrorView::ChannelErrorView(Document& document, QWidget* parent) : View(document, parent) {
    setObjectName("channel_error");
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Error of each channel"));
    m_plot = new Plot(this);
    m_xTicker.reset(new FixedTicker);
    m_yTicker.reset(new FixedTicker);
    m_plot->xAxis->setTicker(m_xTicker);
    m_plot->yAxis->setTicker(m_yTicker);
    m_plot->setInteractions(QCP::Interactions());
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    makeSwitch();
    layout->addWidget(m_switch, 0, Qt::AlignLeft);
    layout->addWidget(m_plot, 1);
    m_plot->setPrepare([this](QSize size) { prepare(size); });
    new PaintLayer(m_plot, "main", [this](QPainter& painter) { paintMain(painter); });
    new PaintLayer(m_plot, "axes", [this](QPainter& painter) { paintLabels(painter); });
    new PaintLayer(m_plot, "overlay", [this](QPainter& painter) { paintOverlay(painter); });
    makeActions();
    connectMouse();
    connect(&document.cursor(), &Cursor::selectionChanged, this, [this] {
        if (isVisible()) {
            m_plot->replotOverlay();
        }
    });
}

void ChannelErrorView::makeSwitch() {
    m_switch = new SegmentedControl(this);
    m_switch->setCompact(true);
    m_switch->setAccessibleName(tr("What is measured"));
    m_switch->setContentsMargins(Theme::px(8), Theme::px(4), 0, 0);
    m_switch->setOptions({{"weights", tr("Weights"), tr("RMSE of the weights of each channel")},
                          {"channels",
                           tr("Output channels"),
                           tr("|y − ŷ| / |y| of each output channel over all tokens")},
                          {"tokens", tr("Tokens"), tr("|y − ŷ| / |y| of each token")}});
    m_switch->setCurrent("weights");
    m_switch->hide();
    connect(m_switch, &SegmentedControl::chosen, this, [this](const QString& id) {
        setMeasure(id == "channels" ? ChannelMeasure::OutputChannels
                   : id == "tokens" ? ChannelMeasure::Tokens
                                    : ChannelMeasure::Weights);
    });
}

void ChannelErrorView::makeActions() {
    m_inputAction = new QAction(themedIcon("swap"), tr("Input channels"), this);
    m_inputAction->setCheckable(true);
    m_inputAction->setToolTip(tr("Columns instead of rows (I, O)"));
    connect(m_inputAction, &QAction::toggled, this, &ChannelErrorView::setInputs);
    m_sortAction = new QAction(themedIcon("sort"), tr("Largest error first"), this);
    m_sortAction->setCheckable(true);
    m_sortAction->setToolTip(tr("Sort the channels by their error (S)"));
    connect(m_sortAction, &QAction::toggled, this, &ChannelErrorView::setSorted);
    m_logAction = new QAction(tr("Logarithmic error"), this);
    m_logAction->setCheckable(true);
    connect(m_logAction, &QAction::toggled, this, &ChannelErrorView::setLogarithmic);
    m_referenceAction = new QAction(tr("RMS of the original weights"), this);
    m_referenceAction->setCheckable(true);
    connect(m_referenceAction, &QAction::toggled, this, &ChannelErrorView::setReference);
    m_actions = {m_inputAction, m_sortAction, m_logAction, m_referenceAction};
}

void ChannelErrorView::connectMouse() {
    const auto placeAt = [this](QPointF pos) -> std::optional<std::int64_t> {
        if (!hasData() || !axisRect().contains(pos)) {
            return std::nullopt;
        }
        const double place = m_plot->xAxis->pixelToCoord(pos.x());
        return std::clamp<std::int64_t>(std::llround(place), 0, std::int64_t(channels()) - 1);
    };
    connect(m_plot, &QCustomPlot::mouseMove, this, [this, placeAt](QMouseEvent* event) {
        setHoverPlace(placeAt(event->position()));
    });
    connect(m_plot, &QCustomPlot::mousePress, this, [this, placeAt](QMouseEvent* event) {
        if (const auto place = placeAt(event->position());
            place && event->button() == Qt::LeftButton) {
            selectPlace(*place);
        }
    });
}

std::size_t ChannelErrorView::channels() const {
    return std::max(m_rmse[0].size(), m_rmse[1].size());
}

std::int64_t ChannelErrorView::channelAt(std::size_t place) const {
    return m_order.empty() ? std::int64_t(place) : m_order[place];
}

std::optional<std::int64_t> ChannelErrorView::placeOf(std::int64_t channel) const {
    if (channel < 0 || channel >= std::int64_t(channels())) {
        return std::nullopt;
    }
    return m_places.empty() ? channel : m_places[std::size_t(channel)];
}

std::optional<std::int64_t> ChannelErrorView::selectedPlace() const {
    const std::optional<Cell> cell = selectedCell(document());
    if (m_measure == ChannelMeasure::Tokens) {
        return std::nullopt;  // a token is no row of the matrix
    }
    const bool column = m_inputs && m_measure == ChannelMeasure::Weights;
    return cell ? placeOf(column ? cell->col : cell->row) : std::nullopt;
}

void ChannelErrorView::refresh(Changes what) {
    if (what & (Change::Source | Change::Tensor | Change::SchemeA | Change::SchemeB |
                Change::Inputs | Change::Results)) {
        const bool open = document().tensor() != nullptr;
        const Lookup<TensorStats> stats =
            open ? document().analyses().stats() : Lookup<TensorStats>();
        m_stats = stats.value ? stats.value : stats.stale;
        m_stale = false;
        m_fraction = -1;
        m_error.reset();
        for (const Side side : {Side::A, Side::B}) {
            const std::size_t i = side == Side::A ? 0 : 1;
            m_wanted[i] = open && !document().scheme(side).isEmpty();
            const Lookup<SchemeResult> lookup =
                m_wanted[i] ? document().analyses().scheme(side) : Lookup<SchemeResult>();
            m_results[i] = lookup.value ? lookup.value : lookup.stale;
            if (lookup.pending) {
                m_stale = true;
                m_fraction = lookup.fraction;
            }
            if (lookup.error) {
                m_error = lookup.error;
            }
        }
        rebuild();
    }
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void ChannelErrorView::rebuild() {
    for (std::size_t i = 0; i < 2; ++i) {
        m_rmse[i].clear();
        if (m_results[i]) {
            m_rmse[i] = m_measure == ChannelMeasure::Weights ? roots(measured(*m_results[i]))
                                                             : measured(*m_results[i]);
        }
    }
    const bool given = std::any_of(m_results.begin(), m_results.end(), [](const auto& result) {
        return result != nullptr && !result->outputChannelError.empty();
    });
    m_switch->setVisible(given || m_measure != ChannelMeasure::Weights);
    m_rms.clear();
    if (m_stats && m_measure == ChannelMeasure::Weights) {
        const ChannelRanges& ranges = m_inputs ? m_stats->colRanges : m_stats->rowRanges;
        const double count =
            double(std::max<std::int64_t>(1, m_inputs ? m_stats->rows : m_stats->cols));
        for (const double squares : ranges.sumSquares) {
            m_rms.push_back(std::sqrt(squares / count));
        }
    }
    m_order.clear();
    m_places.clear();
    const std::vector<double>& key = m_rmse[0].empty() ? m_rmse[1] : m_rmse[0];
    if (m_sorted && !key.empty()) {
        m_order.resize(key.size());
        std::iota(m_order.begin(), m_order.end(), 0);
        std::stable_sort(m_order.begin(), m_order.end(), [&](std::int64_t a, std::int64_t b) {
            const double left = key[std::size_t(a)];
            const double right = key[std::size_t(b)];
            return std::isnan(right) ? !std::isnan(left) : left > right;
        });
        m_places.resize(key.size());
        for (std::size_t place = 0; place < m_order.size(); ++place) {
            m_places[std::size_t(m_order[place])] = std::int64_t(place);
        }
    }
    setHoverPlace(m_hoverPlace);
    setSubtitle(hasData() ? QStringList({what(),
                                         m_sorted ? tr("sorted") : QString(),
                                         m_logarithmic ? tr("log") : QString()})
                                .filter(QRegularExpression("."))
                                .join(" · ")
                          : QString());
}

const std::vector<double>& ChannelErrorView::measured(const SchemeResult& result) const {
    switch (m_measure) {
        case ChannelMeasure::OutputChannels:
            return result.outputChannelError;
        case ChannelMeasure::Tokens:
            return result.outputTokenError;
        case ChannelMeasure::Weights:
            break;
    }
    return m_inputs ? result.colMse : result.rowMse;
}

QString ChannelErrorView::what() const {
    switch (m_measure) {
        case ChannelMeasure::OutputChannels:
            return tr("Relative output error of each output channel");
        case ChannelMeasure::Tokens:
            return tr("Relative output error of each token");
        case ChannelMeasure::Weights:
            break;
    }
    return m_inputs ? tr("RMSE of each input channel") : tr("RMSE of each output channel");
}

QString ChannelErrorView::axisName() const {
    if (m_sorted) {
        return tr("place by error");
    }
    if (m_measure == ChannelMeasure::Tokens) {
        return tr("token");
    }
    return m_inputs && m_measure == ChannelMeasure::Weights ? tr("input channel")
                                                            : tr("output channel");
}

QString ChannelErrorView::channelName(std::int64_t channel) const {
    if (m_measure == ChannelMeasure::Tokens) {
        return tr("token %1").arg(channel);
    }
    return (m_inputs && m_measure == ChannelMeasure::Weights ? tr("column %1") : tr("row %1"))
        .arg(channel);
}

double ChannelErrorView::yOf(double value) const {
    return m_plot->yAxis->coordToPixel(m_logarithmic ? std::log10(std::max(value, m_low)) : value);
}

void ChannelErrorView::prepare(QSize size) {
    const bool shown = hasData();
    m_plot->xAxis->setVisible(shown);
    m_plot->yAxis->setVisible(shown);
    const double top = Theme::px(6) + lineHeight(TextRole::Caption) + Theme::px(8);
    const double bottom =
        Theme::px(14) + lineHeight(TextRole::NumberAxis) + lineHeight(TextRole::Caption);
    const double right = Theme::px(24);
    double left = textWidth("0.0001", TextRole::NumberAxis);
    for (const QString& label : m_yTicker->labels) {
        left = std::max(left, textWidth(label, TextRole::NumberAxis));
    }
    left += Theme::px(14);
    m_plot->axisRect()->setAutoMargins(QCP::msNone);
    m_plot->axisRect()->setMargins(QMargins(int(left), int(top), int(right), int(bottom)));
    if (!shown) {
        return;
    }
    double least = 1e300;
    double most = 0;
    const auto look = [&](const std::vector<double>& values) {
        for (const double value : values) {
            if (std::isfinite(value)) {
                most = std::max(most, value);
                least = value > 0 ? std::min(least, value) : least;
            }
        }
    };
    look(m_rmse[0]);
    look(m_rmse[1]);
    if (m_reference) {
        look(m_rms);
    }
    m_high = most > 0 ? most * 1.06 : 1;
    m_low = m_logarithmic ? std::min(least, m_high / 10) * 0.8 : 0;
    const double height = std::max(8.0, size.height() - top - bottom);
    const double pixels = std::max(8.0, size.width() - left - right);
    const double last = double(channels()) - 1;
    m_channelsPerPixel = double(channels()) / pixels;
    m_plot->xAxis->setRange(-0.5, last + 0.5);
    setNiceTicks(*m_xTicker, 0, std::max(last, 1.0), pixels, true);
    if (last < 4) {
        // Channels have whole numbers.
        m_xTicker->positions.clear();
        m_xTicker->labels.clear();
        for (int channel = 0; channel <= int(last); ++channel) {
            m_xTicker->positions.push_back(channel);
            m_xTicker->labels.push_back(QString::number(channel));
        }
    }
    if (m_logarithmic) {
        m_plot->yAxis->setRange(std::log10(m_low), std::log10(m_high));
        setLogTicks(*m_yTicker, m_low, m_high);
    } else {
        m_plot->yAxis->setRange(0, m_high);
        setNiceTicks(*m_yTicker, 0, m_high, height, false);
    }
}

void ChannelErrorView::paintLine(QPainter& painter,
                                 const std::vector<double>& values,
                                 const QPen& pen) {
    if (values.empty()) {
        return;
    }
    // Where channels share a pixel the largest error stands for them: it must not vanish.
    QPolygonF line;
    double pixel = -1e9;
    double most = 0;
    const auto flush = [&] {
        if (pixel > -1e8) {
            line << QPointF(pixel + 0.5, yOf(most));
        }
    };
    for (std::size_t place = 0; place < values.size(); ++place) {
        const double value = values[std::size_t(channelAt(place))];
        if (!std::isfinite(value)) {
            continue;
        }
        const double x = std::floor(m_plot->xAxis->coordToPixel(double(place)));
        if (x != pixel) {
            flush();
            pixel = x;
            most = value;
        } else {
            most = std::max(most, value);
        }
    }
    flush();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(pen);
    painter.setBrush(Qt::NoBrush);
    painter.drawPolyline(line);
    // Few channels are points: A filled, B hollow.
    if (values.size() <= kMostPoints) {
        const double radius = Theme::px(4);
        const bool filled = pen.style() == Qt::SolidLine;
        painter.setPen(QPen(pen.color(), 1.5));
        painter.setBrush(filled ? pen.color() : Theme::current().canvas);
        for (const QPointF& point : line) {
            painter.drawEllipse(point, radius, radius);
        }
    }
}

void ChannelErrorView::paintMain(QPainter& painter) {
    if (!hasData()) {
        return;
    }
    painter.setOpacity(m_stale ? 0.6 : 1);
    const double width = m_channelsPerPixel > 0.5 ? 1.25 : 2;
    if (m_reference) {
        paintLine(painter, m_rms, originalPen());
    }
    paintLine(painter, m_rmse[1], sidePen(Side::B, width));
    paintLine(painter, m_rmse[0], sidePen(Side::A, width));
}

void ChannelErrorView::paintEmpty(QPainter& painter, const QRectF& all) {
    if (m_error) {
        drawEmpty(painter,
                  all,
                  "error",
                  tr("The scheme cannot be applied"),
                  QString::fromStdString(m_error->message()));
    } else if (m_stale) {
        drawEmpty(painter, all, "wave", tr("Measuring channels"), {});
    } else if (document().tensor() == nullptr) {
        drawEmpty(painter,
                  all,
                  "wave",
                  tr("No tensor selected"),
                  tr("The error of each of its channels appears here."));
    } else if (m_measure != ChannelMeasure::Weights && (m_wanted[0] || m_wanted[1])) {
        drawEmpty(painter,
                  all,
                  "wave",
                  tr("The output error needs activations"),
                  tr("Add activations, [tokens, in], below a scheme."));
    } else {
        drawEmpty(painter,
                  all,
                  "wave",
                  tr("No scheme"),
                  tr("Choose a scheme under A or B: the error of each channel appears here."));
    }
}

/// Direct labels at the lines' ends, moved apart where they would touch.
void ChannelErrorView::paintEnds(QPainter& painter, const QRectF& area) {
    std::vector<std::pair<double, int>> ends;
    for (int i = 0; i < 2; ++i) {
        const std::vector<double>& values = m_rmse[std::size_t(i)];
        for (std::size_t place = values.size(); place > 0; --place) {
            const double value = values[std::size_t(channelAt(place - 1))];
            if (std::isfinite(value)) {
                ends.emplace_back(yOf(value), i);
                break;
            }
        }
    }
    const double height = lineHeight(TextRole::Heading);
    std::sort(ends.begin(), ends.end());
    if (ends.size() == 2 && ends[1].first - ends[0].first < height) {
        const double middle = (ends[0].first + ends[1].first) / 2;
        ends[0].first = middle - height / 2;
        ends[1].first = middle + height / 2;
    }
    for (const auto& [y, i] : ends) {
        const double at = clampTo(y, area.top() + height / 2, area.bottom() - height / 2);
        drawTextLine(painter,
                     QRectF(area.right() + 5, at - height / 2, Theme::px(18), height),
                     Qt::AlignLeft,
                     i == 0 ? "A" : "B",
                     TextRole::Heading,
                     sideColor(i == 0 ? Side::A : Side::B));
    }
}

void ChannelErrorView::paintLabels(QPainter& painter) {
    const Theme& theme = Theme::current();
    const QRectF all = m_plot->viewport();
    if (!hasData()) {
        paintEmpty(painter, all);
    } else {
        const QRectF area = axisRect();
        drawTextLine(painter,
                     QRectF(area.left(),
                            area.bottom() + lineHeight(TextRole::NumberAxis) + Theme::px(13),
                            area.width(),
                            lineHeight(TextRole::Caption)),
                     Qt::AlignRight,
                     axisName(),
                     TextRole::Caption,
                     theme.text3);
        paintEnds(painter, area);
    }
    if (m_stale) {
        drawProgressLine(painter, all, m_fraction);
    }
}

void ChannelErrorView::paintOverlay(QPainter& painter) {
    const Theme& theme = Theme::current();
    const QRectF all = m_plot->viewport();
    if (hasData()) {
        const QRectF area = axisRect();
        const auto vertical = [&](std::int64_t place, const QPen& pen) {
            const double x = std::floor(m_plot->xAxis->coordToPixel(double(place))) + 0.5;
            painter.setPen(pen);
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()));
        };
        if (const auto place = selectedPlace()) {
            vertical(*place, QPen(theme.text, 1));
            const double x = std::floor(m_plot->xAxis->coordToPixel(double(*place))) + 0.5;
            painter.setRenderHint(QPainter::Antialiasing);
            painter.setPen(Qt::NoPen);
            painter.setBrush(theme.text);
            painter.drawPolygon(QPolygonF({QPointF(x, area.bottom() + 2),
                                           QPointF(x + 5, area.bottom() + 10),
                                           QPointF(x - 5, area.bottom() + 10)}));
        }
        if (m_hoverPlace && !m_exporting) {
            vertical(*m_hoverPlace, QPen(theme.text2, 1, Qt::DotLine));
        }
        const double left = Theme::px(12);
        const double top = Theme::px(6);
        double right = all.width() - Theme::px(12);
        if (!m_readout.isEmpty() && !m_exporting) {
            const double width = textWidth(m_readout, TextRole::NumberAxis) + 2;
            drawTextLine(painter,
                         QRectF(right - width, top, width, lineHeight(TextRole::Caption)),
                         Qt::AlignRight,
                         m_readout,
                         TextRole::NumberAxis,
                         theme.text);
            right -= width + Theme::px(10);
        }
        std::vector<LegendEntry> entries;
        if (!m_rmse[0].empty()) {
            entries.push_back({LegendEntry::Mark::LineA, tr("A"), {}});
        }
        if (!m_rmse[1].empty()) {
            entries.push_back({LegendEntry::Mark::LineB, tr("B"), {}});
        }
        if (m_reference && !m_rms.empty()) {
            entries.push_back({LegendEntry::Mark::Original, tr("RMS of the original"), {}});
        }
        if (m_channelsPerPixel > 1) {
            entries.push_back(
                {LegendEntry::Mark::Text,
                 tr("each pixel: largest of %1").arg(int(std::ceil(m_channelsPerPixel))),
                 theme.text3});
        }
        drawLegend(painter, QPointF(left, top), right - left, entries);
    }
    if (m_ring && hasFocus() && !m_exporting) {
        drawFocusRing(painter, all);
    }
}

void ChannelErrorView::setHoverPlace(std::optional<std::int64_t> place) {
    m_hoverPlace = place && *place < std::int64_t(channels()) ? place : std::nullopt;
    m_readout.clear();
    if (m_hoverPlace) {
        const std::int64_t channel = channelAt(std::size_t(*m_hoverPlace));
        QStringList parts{channelName(channel)};
        for (std::size_t i = 0; i < 2; ++i) {
            if (channel < std::int64_t(m_rmse[i].size())) {
                parts << (i == 0 ? "A " : "B ") + formatNumber(m_rmse[i][std::size_t(channel)]);
            }
        }
        m_readout = parts.join("   ");
    }
    m_plot->replotOverlay();
}

void ChannelErrorView::selectPlace(std::int64_t place) {
    if (m_measure == ChannelMeasure::Tokens) {
        setHoverPlace(place);
        return;
    }
    const std::int64_t channel = channelAt(std::size_t(place));
    Cell cell = document().cursor().selected().value_or(Cell{});
    (m_inputs && m_measure == ChannelMeasure::Weights ? cell.col : cell.row) = channel;
    document().cursor().select(cell);
    document().cursor().reveal(cell);
    setHoverPlace(place);
}

void ChannelErrorView::setMeasure(ChannelMeasure measure) {
    if (m_measure == measure) {
        return;
    }
    m_measure = measure;
    m_switch->setCurrent(measure == ChannelMeasure::OutputChannels ? "channels"
                         : measure == ChannelMeasure::Tokens       ? "tokens"
                                                                   : "weights");
    m_inputAction->setEnabled(measure == ChannelMeasure::Weights);
    m_referenceAction->setEnabled(measure == ChannelMeasure::Weights);
    m_hoverPlace.reset();
    rebuild();
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void ChannelErrorView::setInputs(bool inputs) {
    if (m_inputs != inputs) {
        m_inputs = inputs;
        m_inputAction->setChecked(inputs);
        m_hoverPlace.reset();
        rebuild();
        m_plot->replot(QCustomPlot::rpQueuedReplot);
    }
}

void ChannelErrorView::setSorted(bool sorted) {
    if (m_sorted != sorted) {
        m_sorted = sorted;
        m_sortAction->setChecked(sorted);
        rebuild();
        m_plot->replot(QCustomPlot::rpQueuedReplot);
    }
}

void ChannelErrorView::setReference(bool shown) {
    m_reference = shown;
    m_referenceAction->setChecked(shown);
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void ChannelErrorView::setLogarithmic(bool logarithmic) {
    m_logarithmic = logarithmic;
    m_logAction->setChecked(logarithmic);
    rebuild();
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

QString ChannelErrorView::copyText() const {
    if (!hasData()) {
        return {};
    }
    const bool weights = m_measure == ChannelMeasure::Weights;
    const QString name = weights ? QString("rmse") : QString("output_error");
    QString text = m_measure == ChannelMeasure::Tokens ? "token"
                   : m_inputs && weights               ? "input_channel"
                                                       : "output_channel";
    for (std::size_t i = 0; i < 2; ++i) {
        text += m_rmse[i].empty() ? QString() : '\t' + name + (i == 0 ? "_a" : "_b");
    }
    text += weights ? "\toriginal_rms\n" : "\n";
    for (std::size_t place = 0; place < channels(); ++place) {
        const auto channel = std::size_t(channelAt(place));
        text += QString::number(channel);
        for (const std::vector<double>& values : m_rmse) {
            text += values.empty() ? QString() : '\t' + plainNumber(values[channel]);
        }
        if (weights) {
            text += '\t' + (channel < m_rms.size() ? plainNumber(m_rms[channel]) : QString());
        }
        text += '\n';
    }
    return text;
}

void ChannelErrorView::paintExport(QPainter& painter, const QRectF& target) {
    m_exporting = true;
    m_plot->paintTo(painter, target);
    m_exporting = false;
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

QJsonObject ChannelErrorView::save() const {
    return {{"measure", int(m_measure)},
            {"inputs", m_inputs},
            {"sorted", m_sorted},
            {"reference", m_reference},
            {"log", m_logarithmic}};
}

void ChannelErrorView::restore(const QJsonObject& state) {
    setMeasure(ChannelMeasure(std::clamp(state["measure"].toInt(), 0, 2)));
    setInputs(state["inputs"].toBool());
    setSorted(state["sorted"].toBool());
    setReference(state["reference"].toBool());
    setLogarithmic(state["log"].toBool());
}

void ChannelErrorView::keyPressEvent(QKeyEvent* event) {
    const std::int64_t last = std::int64_t(channels()) - 1;
    const std::int64_t place = selectedPlace().value_or(0);
    if (last >= 0) {
        switch (event->key()) {
            case Qt::Key_Left:
                selectPlace(std::max<std::int64_t>(0, place - 1));
                return;
            case Qt::Key_Right:
                selectPlace(std::min(last, place + 1));
                return;
            case Qt::Key_Home:
                selectPlace(0);
                return;
            case Qt::Key_End:
                selectPlace(last);
                return;
            case Qt::Key_I:
                setInputs(true);
                return;
            case Qt::Key_O:
                setInputs(false);
                return;
            case Qt::Key_S:
                setSorted(!m_sorted);
                return;
            default:
                break;
        }
    }
    View::keyPressEvent(event);
}

void ChannelErrorView::resizeEvent(QResizeEvent* event) {
    View::resizeEvent(event);
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void ChannelErrorView::focusInEvent(QFocusEvent* event) {
    View::focusInEvent(event);
    m_ring = isKeyboardFocus(*event);
    m_plot->replotOverlay();
}

void ChannelErrorView::focusOutEvent(QFocusEvent* event) {
    View::focusOutEvent(event);
    m_plot->replotOverlay();
}

extern const ViewDefinition kView_channel_error;
const ViewDefinition kView_channel_error{"channel_error",
                                         "Channel error",
                                         Area::Bottom,
                                         [](Document& document, QWidget* parent) -> View* {
                                             return new ChannelErrorView(document, parent);
                                         }};

}  // namespace loupe::app
