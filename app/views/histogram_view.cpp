// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/histogram_view.hpp"

#include "app/document/cursor.hpp"
#include "app/jobs/job_manager.hpp"
#include "app/views/cell_access.hpp"

#include <QAction>
#include <QActionGroup>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QTimer>
#include <QVBoxLayout>
#include <QWheelEvent>

#include <algorithm>
#include <cmath>
#include <limits>

namespace loupe::app {

namespace {

constexpr const char* kJobSlot = "histogram";
constexpr int kExactDelayMs = 150;

CountScale scaleFromName(const QString& name) {
    return name == "linear" ? CountScale::Linear
           : name == "sqrt" ? CountScale::Sqrt
                            : CountScale::Log;
}

QString scaleName(CountScale scale) {
    return scale == CountScale::Linear ? "linear" : scale == CountScale::Sqrt ? "sqrt" : "log";
}

/// Whether one scale serves the whole tensor, so that the grid is everybody's.
bool isTensorWide(const QuantizedMatrix& quantized) {
    const ScaleGrid* scales = quantized.scales();
    return scales == nullptr || scales->values.size() <= 1;
}

}  // namespace

HistogramView::HistogramView(Document& document, QWidget* parent) : View(document, parent) {
    setObjectName("histogram");
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Histogram"));
    m_plot = new Plot(this);
    m_xTicker.reset(new FixedTicker);
    m_yTicker.reset(new FixedTicker);
    m_plot->xAxis->setTicker(m_xTicker);
    m_plot->yAxis->setTicker(m_yTicker);
    m_plot->setInteractions(QCP::Interactions(QCP::iRangeDrag) | QCP::iRangeZoom);
    m_plot->axisRect()->setRangeDrag(Qt::Horizontal);
    m_plot->axisRect()->setRangeZoom(Qt::Horizontal);
    m_plot->axisRect()->setAutoMargins(QCP::msLeft);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_plot);
    m_plot->setPrepare([this](QSize size) { prepare(size); });
    new PaintLayer(m_plot, "main", [this](QPainter& painter) { paintBars(painter); });
    new PaintLayer(m_plot, "main", [this](QPainter& painter) { paintClips(painter); });
    new PaintLayer(m_plot, "main", [this](QPainter& painter) { paintGridB(painter); });
    new PaintLayer(m_plot, "main", [this](QPainter& painter) { paintGridA(painter); });
    new PaintLayer(m_plot, "axes", [this](QPainter& painter) { paintFrame(painter); });
    new PaintLayer(m_plot, "overlay", [this](QPainter& painter) { paintOverlay(painter); });
    m_exactTimer = new QTimer(this);
    m_exactTimer->setSingleShot(true);
    m_exactTimer->setInterval(kExactDelayMs);
    connect(m_exactTimer, &QTimer::timeout, this, &HistogramView::countExactly);
    makeActions();
    connectMouse();
    Cursor& cursor = document.cursor();
    connect(&cursor, &Cursor::selectionChanged, this, [this] {
        if (isVisible()) {
            updateGrids();
            updateMarkers();
            m_plot->replot(QCustomPlot::rpQueuedReplot);
        }
    });
    connect(&cursor, &Cursor::hoverChanged, this, [this] {
        if (isVisible()) {
            updateMarkers();
            m_plot->replotOverlay();
        }
    });
    connect(&cursor, &Cursor::brushedChanged, this, [this] {
        if (isVisible()) {
            updateReadout(m_hoverX);
            m_plot->replotOverlay();
        }
    });
}

void HistogramView::makeActions() {
    m_lockAction = new QAction(themedIcon("lock"), tr("Lock range"), this);
    m_lockAction->setCheckable(true);
    m_lockAction->setToolTip(tr("Keep the range when another tensor is selected (L)"));
    connect(m_lockAction, &QAction::toggled, this, &HistogramView::setLocked);
    auto* fitAction = new QAction(themedIcon("fit"), tr("Fit to data"), this);
    fitAction->setToolTip(tr("Show every weight (F)"));
    connect(fitAction, &QAction::triggered, this, &HistogramView::fit);
    m_actions = {m_lockAction, fitAction};
    auto* group = new QActionGroup(this);
    const std::array<QString, 3> names{
        tr("Logarithmic count"), tr("Linear count"), tr("Square root of count")};
    for (std::size_t i = 0; i < names.size(); ++i) {
        auto* action = new QAction(names[i], this);
        action->setCheckable(true);
        group->addAction(action);
        connect(action, &QAction::triggered, this, [this, i] {
            setCountScale(static_cast<CountScale>(i));
        });
        m_scaleActions[i] = action;
        m_actions.push_back(action);
    }
    m_scaleActions[0]->setChecked(true);
    auto* clear = new QAction(tr("Clear brush"), this);
    connect(clear, &QAction::triggered, this, [this] {
        this->document().cursor().setBrushed(std::nullopt);
    });
    m_actions.push_back(clear);
}

void HistogramView::connectMouse() {
    connect(m_plot->xAxis,
            qOverload<const QCPRange&>(&QCPAxis::rangeChanged),
            this,
            [this](const QCPRange& range) {
                if (m_settingRange || !m_stats) {
                    return;
                }
                setWindow(range.lower, range.upper);
            });
    connect(m_plot, &QCustomPlot::mousePress, this, [this](QMouseEvent* event) {
        const bool brush = event->modifiers() & Qt::ShiftModifier;
        m_plot->setInteraction(QCP::iRangeDrag, !brush && event->button() == Qt::LeftButton);
        if (brush && event->button() == Qt::LeftButton && m_stats) {
            m_brushStart = m_plot->xAxis->pixelToCoord(event->position().x());
        }
    });
    connect(m_plot, &QCustomPlot::mouseMove, this, [this](QMouseEvent* event) {
        const double x = m_plot->xAxis->pixelToCoord(event->position().x());
        if (m_brushStart) {
            setBrush(*m_brushStart, x);
        }
        updateReadout(axisRect().contains(event->position()) ? std::optional(x) : std::nullopt);
        m_plot->replotOverlay();
    });
    connect(m_plot, &QCustomPlot::mouseRelease, this, [this](QMouseEvent* event) {
        if (m_brushStart) {
            const double end = m_plot->xAxis->pixelToCoord(event->position().x());
            const double pixel =
                (m_plot->xAxis->range().size()) / std::max(1.0, axisRect().width());
            if (std::abs(end - *m_brushStart) < 2 * pixel) {
                document().cursor().setBrushed(std::nullopt);
            }
            m_brushStart.reset();
        }
        m_plot->setInteraction(QCP::iRangeDrag, true);
    });
    connect(m_plot, &QCustomPlot::mouseDoubleClick, this, [this](QMouseEvent*) { fit(); });
}

void HistogramView::refresh(Changes what) {
    Analyses& analyses = document().analyses();
    if (what & (Change::Source | Change::Tensor | Change::Results)) {
        const Lookup<TensorStats> stats =
            document().tensor() != nullptr ? analyses.stats() : Lookup<TensorStats>();
        const std::shared_ptr<const TensorStats> best = stats.value ? stats.value : stats.stale;
        if (best != m_stats) {
            m_exact = {};
        }
        m_stats = best;
        m_stale = stats.pending;
        m_fraction = stats.fraction;
        m_error = stats.error;
        const std::string key = document().spec().source + '\n' + document().spec().tensor;
        if (stats.value && m_fitted != key) {
            if (!m_locked || m_fitted.empty()) {
                fit();
            }
            m_fitted = key;
        }
    }
    if (what & (Change::Source | Change::Tensor | Change::SchemeA | Change::SchemeB |
                Change::Inputs | Change::Results)) {
        updateGrids();
        updateMarkers();
    }
    updateSubtitle();
    updateReadout(m_hoverX);
    updateAccessible();
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void HistogramView::updateGrids() {
    Analyses& analyses = document().analyses();
    const Cell cell = selectedCell(document()).value_or(Cell{});
    for (const Side side : {Side::A, Side::B}) {
        Grid& grid = m_grids[side == Side::A ? 0 : 1];
        grid = {};
        if (document().tensor() == nullptr || document().scheme(side).isEmpty()) {
            continue;
        }
        const Lookup<SchemeResult> lookup = analyses.scheme(side);
        grid.result = lookup.value ? lookup.value : lookup.stale;
        if (!grid.result || !grid.result->quantized || cell.row >= grid.result->quantized->rows() ||
            cell.col >= grid.result->quantized->cols()) {
            grid.result.reset();
            continue;
        }
        const QuantizedMatrix& quantized = *grid.result->quantized;
        grid.levels = quantized.levels(cell.row, cell.col);
        grid.clip = quantized.clipInterval(cell.row, cell.col);
        grid.ofGroup = !isTensorWide(quantized);
    }
    updateSubtitle();
}

void HistogramView::updateSubtitle() {
    if (!m_stats) {
        setSubtitle({});
        return;
    }
    QStringList parts{m_scale == CountScale::Log      ? tr("log count")
                      : m_scale == CountScale::Linear ? tr("count")
                                                      : tr("√ count")};
    const bool ofGroup = m_grids[0].ofGroup || m_grids[1].ofGroup;
    if (ofGroup) {
        const std::optional<Cell> selected = selectedCell(document());
        const Cell cell = selected.value_or(Cell{});
        parts << (selected ? tr("grid of the selected weight's group, %1").arg(cellName(cell))
                           : tr("grid of the first group, %1").arg(cellName(cell)));
    }
    setSubtitle(parts.join(" · "));
}

void HistogramView::updateMarkers() {
    const std::optional<Cell> selected = selectedCell(document());
    m_selectedValue = selected ? cellValue(document(), *selected) : std::nullopt;
    const std::optional<Cell> hover = document().cursor().hover();
    m_hoverValue = hover ? cellValue(document(), *hover) : std::nullopt;
}

void HistogramView::updateReadout(std::optional<double> x) {
    m_hoverX = x;
    m_readout.clear();
    if (!m_stats) {
        return;
    }
    const double all = double(std::max<std::uint64_t>(1, m_stats->finite()));
    const auto share = [all](std::uint64_t count) {
        return formatNumber(100.0 * double(count) / all, 3) + " %";
    };
    if (x && !m_shown.counts.empty() && m_shown.max > m_shown.min) {
        const double width = (m_shown.max - m_shown.min) / double(m_shown.counts.size());
        const auto bin = std::int64_t(std::floor((*x - m_shown.min) / width));
        if (bin >= 0 && bin < std::int64_t(m_shown.counts.size())) {
            const std::uint64_t count = m_shown.counts[std::size_t(bin)];
            m_readout = tr("%1 … %2   %3   %4")
                            .arg(formatNumber(m_shown.min + double(bin) * width),
                                 formatNumber(m_shown.min + double(bin + 1) * width),
                                 formatCount(qint64(count)),
                                 share(count));
            return;
        }
    }
    if (const auto brushed = document().cursor().brushed()) {
        const Histogram inside = m_stats->values.rebin(brushed->first, brushed->second, 1);
        const std::uint64_t count = inside.counts.empty() ? 0 : inside.counts.front();
        m_readout = tr("brushed %1 … %2   %3   %4")
                        .arg(formatNumber(brushed->first),
                             formatNumber(brushed->second),
                             formatCount(qint64(count)),
                             share(count));
    }
}

void HistogramView::updateAccessible() {
    if (!m_stats) {
        setAccessibleDescription(tr("No tensor selected"));
        return;
    }
    setAccessibleDescription(tr("%1 weights from %2 to %3, standard deviation %4")
                                 .arg(formatCount(qint64(m_stats->count)),
                                      formatNumber(m_stats->min),
                                      formatNumber(m_stats->max),
                                      formatNumber(m_stats->std)));
}

std::pair<double, double> HistogramView::dataRange() const {
    double low = m_stats ? m_stats->min : 0;
    double high = m_stats ? m_stats->max : 0;
    if (!(high >= low) || !std::isfinite(high - low)) {
        return {-1, 1};
    }
    if (high == low) {
        const double pad = low == 0 ? 1 : std::abs(low) * 0.5;
        return {low - pad, high + pad};
    }
    const double pad = (high - low) * 0.02;
    return {low - pad, high + pad};
}

std::pair<double, double> HistogramView::window() const {
    return {m_plot->xAxis->range().lower, m_plot->xAxis->range().upper};
}

void HistogramView::setWindow(double low, double high) {
    if (!std::isfinite(low) || !std::isfinite(high) || !(high > low)) {
        return;
    }
    // Not so far in that neighbouring doubles meet, not so far out that the data become a line.
    const auto [dataLow, dataHigh] = dataRange();
    const double most = std::max(std::abs(dataLow), std::abs(dataHigh));
    const double leastSpan = std::max(most, std::numeric_limits<double>::min()) * 1e-9;
    const double mostSpan =
        m_locked ? std::numeric_limits<double>::max() / 4 : (dataHigh - dataLow) * 4;
    const double span = std::clamp(high - low, leastSpan, std::max(leastSpan, mostSpan));
    double centre = (low + high) / 2;
    if (!m_locked) {
        centre = std::clamp(centre, dataLow, dataHigh);
    }
    m_settingRange = true;
    m_plot->xAxis->setRange(centre - span / 2, centre + span / 2);
    m_settingRange = false;
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void HistogramView::fit() {
    const auto [low, high] = dataRange();
    m_settingRange = true;
    m_plot->xAxis->setRange(low, high);
    m_settingRange = false;
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void HistogramView::setLocked(bool locked) {
    m_locked = locked;
    m_lockAction->setChecked(locked);
}

void HistogramView::setCountScale(CountScale scale) {
    m_scale = scale;
    m_scaleActions[std::size_t(scale)]->setChecked(true);
    updateSubtitle();
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void HistogramView::setBrush(double a, double b) {
    document().cursor().setBrushed(std::pair(std::min(a, b), std::max(a, b)));
}

void HistogramView::zoomBy(double factor, double centre) {
    const auto [low, high] = window();
    setWindow(centre - (centre - low) * factor, centre + (high - centre) * factor);
}

void HistogramView::panBy(double fraction) {
    const auto [low, high] = window();
    const double shift = (high - low) * fraction;
    setWindow(low + shift, high + shift);
}

QRectF HistogramView::axisRect() const {
    return m_plot->axisRect()->rect();
}

void HistogramView::prepare(QSize size) {
    const bool codes = !m_grids[0].levels.empty();
    const double top = Theme::px(6) + lineHeight(TextRole::Caption) + Theme::px(6) +
                       (codes ? lineHeight(TextRole::NumberAxis) : 0.0);
    const double bottom =
        Theme::px(14) + lineHeight(TextRole::NumberAxis) + lineHeight(TextRole::Caption);
    double left = textWidth(QStringLiteral("10⁸"), TextRole::NumberAxis);
    for (const QString& label : m_yTicker->labels) {
        left = std::max(left, textWidth(label, TextRole::NumberAxis));
    }
    left += Theme::px(16);
    m_plot->axisRect()->setAutoMargins(QCP::msNone);
    m_plot->axisRect()->setMargins(QMargins(int(left), int(top), Theme::px(12), int(bottom)));
    const double pixels = std::max(8.0, size.width() - left - Theme::px(12));
    m_plot->xAxis->setTickLabels(m_stats != nullptr);
    m_plot->yAxis->setTickLabels(m_stats != nullptr);
    m_plot->xAxis->setVisible(m_stats != nullptr);
    m_plot->yAxis->setVisible(m_stats != nullptr);
    if (!m_stats) {
        return;
    }
    rebin(pixels);
    const auto [low, high] = window();
    setNiceTicks(*m_xTicker, low, high, pixels, true);
    setCountTicks(*m_yTicker, m_scale, m_most);
    m_plot->yAxis->setRange(0, countPosition(m_scale, m_most) * 1.06 + 1e-9);
}

void HistogramView::rebin(double pixels) {
    const auto [low, high] = window();
    // One bin for each pixel and a half; few weights get few bins, else they would be hairs.
    const double n = double(std::max<std::uint64_t>(1, m_stats->finite()));
    const double most = std::clamp(6 * std::sqrt(n), 24.0, std::max(24.0, pixels / 1.5));
    const double width = (high - low) / std::floor(most);
    // Edges on multiples of the width: a pan moves bars and does not reshape them.
    const double first = std::floor(low / width) * width;
    const int bins = int(std::ceil((high - first) / width - 1e-9));
    const double last = first + width * bins;
    const bool counted = !m_stats->values.exact && m_exact.min == first && m_exact.max == last &&
                         int(m_exact.counts.size()) == bins;
    m_shownExactly = m_stats->values.exact || counted;
    if (counted) {
        m_shown = m_exact;
    } else {
        m_shown = m_stats->values.rebin(first, last, bins);
        constexpr std::uint64_t kAtOnce = 32768;  // counted within a frame
        const auto weights = document().weights();
        if (!m_stats->values.exact && !m_stale && weights && m_stats->count <= kAtOnce) {
            if (auto exact = exactHistogram(*weights, first, last, bins, m_stats.get())) {
                m_exact = std::move(*exact);
                m_shown = m_exact;
                m_shownExactly = true;
            }
        } else if (!m_stats->values.exact && !m_stale) {
            m_exactTimer->start();
        }
    }
    m_most = 1;
    for (const std::uint64_t count : m_shown.counts) {
        m_most = std::max(m_most, double(count));
    }
}

void HistogramView::countExactly() {
    const auto weights = document().weights();
    if (!weights || !m_stats || m_stats->values.exact || m_shown.counts.empty()) {
        return;
    }
    const double low = m_shown.min;
    const double high = m_shown.max;
    const int bins = int(m_shown.counts.size());
    document().jobs().start(
        kJobSlot,
        tr("Counting weights"),
        [weights, low, high, bins, stats = m_stats](const JobContext& ctx) {
            return exactHistogram(*weights, low, high, bins, stats.get(), ctx);
        },
        this,
        [this, stats = m_stats](Result<Histogram> result) {
            if (result && stats == m_stats) {
                m_exact = std::move(*result);
                m_plot->replot(QCustomPlot::rpQueuedReplot);
            }
        });
}

std::vector<Level> HistogramView::gridLines(Side side) const {
    const Grid& grid = m_grids[side == Side::A ? 0 : 1];
    const auto [low, high] = window();
    std::vector<Level> inside;
    for (const Level& level : grid.levels) {
        if (level.value >= low && level.value <= high) {
            inside.push_back(level);
        }
    }
    return inside;
}

QString HistogramView::copyText() const {
    if (!m_stats) {
        return {};
    }
    QString text = "low\thigh\tcount\n";
    const double width =
        (m_shown.max - m_shown.min) / double(std::max<std::size_t>(1, m_shown.counts.size()));
    for (std::size_t i = 0; i < m_shown.counts.size(); ++i) {
        text += plainNumber(m_shown.min + double(i) * width) + '\t' +
                plainNumber(m_shown.min + double(i + 1) * width) + '\t' +
                QString::number(m_shown.counts[i]) + '\n';
    }
    return text;
}

void HistogramView::paintExport(QPainter& painter, const QRectF& target) {
    m_exporting = true;
    m_plot->paintTo(painter, target);
    m_exporting = false;
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

QJsonObject HistogramView::save() const {
    QJsonObject state{{"count", scaleName(m_scale)}, {"locked", m_locked}};
    const auto [low, high] = window();
    state["low"] = low;
    state["high"] = high;
    state["of"] = QString::fromStdString(m_fitted);
    return state;
}

void HistogramView::restore(const QJsonObject& state) {
    setCountScale(scaleFromName(state["count"].toString()));
    setLocked(state["locked"].toBool());
    if (state.contains("low") && state.contains("high")) {
        m_fitted = state["of"].toString().toStdString();
        m_settingRange = true;
        m_plot->xAxis->setRange(state["low"].toDouble(), state["high"].toDouble());
        m_settingRange = false;
    } else {
        fit();
    }
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void HistogramView::resizeEvent(QResizeEvent* event) {
    View::resizeEvent(event);
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void HistogramView::keyPressEvent(QKeyEvent* event) {
    const auto [low, high] = window();
    const double bin = m_shown.counts.empty()
                           ? (high - low) / 64
                           : (m_shown.max - m_shown.min) / double(m_shown.counts.size());
    if (event->modifiers() & Qt::ShiftModifier &&
        (event->key() == Qt::Key_Left || event->key() == Qt::Key_Right)) {
        const double step = event->key() == Qt::Key_Right ? bin : -bin;
        const double start = m_selectedValue.value_or((low + high) / 2);
        const auto brushed = document().cursor().brushed().value_or(std::pair(start, start));
        setBrush(brushed.first, std::max(brushed.first, brushed.second + step));
        return;
    }
    switch (event->key()) {
        case Qt::Key_Left:
            panBy(-0.1);
            return;
        case Qt::Key_Right:
            panBy(0.1);
            return;
        case Qt::Key_Plus:
        case Qt::Key_Equal:
            zoomBy(0.8, (low + high) / 2);
            return;
        case Qt::Key_Minus:
            zoomBy(1.25, (low + high) / 2);
            return;
        case Qt::Key_F:
        case Qt::Key_Home:
            fit();
            return;
        case Qt::Key_L:
            setLocked(!m_locked);
            return;
        case Qt::Key_Escape:
            if (document().cursor().brushed()) {
                document().cursor().setBrushed(std::nullopt);
                return;
            }
            break;
        default:
            break;
    }
    View::keyPressEvent(event);
}

void HistogramView::focusInEvent(QFocusEvent* event) {
    View::focusInEvent(event);
    m_ring = isKeyboardFocus(*event);
    m_plot->replotOverlay();
}

void HistogramView::focusOutEvent(QFocusEvent* event) {
    View::focusOutEvent(event);
    m_plot->replotOverlay();
}

extern const ViewDefinition kView_histogram;
const ViewDefinition kView_histogram{
    "histogram", "Histogram", Area::Bottom, [](Document& document, QWidget* parent) -> View* {
        return new HistogramView(document, parent);
    }};

}  // namespace loupe::app
