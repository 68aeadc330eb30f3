// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/outliers_view.hpp"

#include "app/document/cursor.hpp"
#include "app/plot/plot_style.hpp"
#include "app/views/cell_access.hpp"

#include <QAction>
#include <QButtonGroup>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr std::size_t kMostRows = 1000;
constexpr int kThresholdMerge = 0x0471;
constexpr double kLeastThreshold = 1.1;
constexpr double kMostThreshold = 1000;

}  // namespace

OutlierList::OutlierList(OutliersView& view) : QAbstractScrollArea(&view), m_view(view) {
    setFrameShape(QFrame::NoFrame);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setFocusPolicy(Qt::NoFocus);
    viewport()->setMouseTracking(true);
    viewport()->setAccessibleName(OutliersView::tr("Outlier channels"));
}

void OutlierList::layoutRows() {
    const double page = viewport()->height() - m_view.headHeight() - m_view.footHeight();
    const double all = m_view.rowHeight() * double(m_view.rows().size());
    verticalScrollBar()->setRange(0, std::max(0, int(std::ceil(all - page))));
    verticalScrollBar()->setPageStep(std::max(1, int(page)));
    verticalScrollBar()->setSingleStep(int(m_view.rowHeight()));
    viewport()->update();
}

std::size_t OutlierList::rowsPerPage() const {
    return std::size_t(std::max(
        1.0,
        (viewport()->height() - m_view.headHeight() - m_view.footHeight()) / m_view.rowHeight()));
}

void OutlierList::scrollTo(std::size_t row) {
    const double top = m_view.rowHeight() * double(row);
    const double page = viewport()->height() - m_view.headHeight() - m_view.footHeight();
    if (top < verticalScrollBar()->value()) {
        verticalScrollBar()->setValue(int(top));
    } else if (top + m_view.rowHeight() > verticalScrollBar()->value() + page) {
        verticalScrollBar()->setValue(int(std::ceil(top + m_view.rowHeight() - page)));
    }
}

void OutlierList::paintEvent(QPaintEvent*) {
    QPainter painter(viewport());
    painter.fillRect(viewport()->rect(), Theme::current().canvas);
    m_view.paintList(painter, QRectF(viewport()->rect()), verticalScrollBar()->value());
}

void OutlierList::resizeEvent(QResizeEvent* event) {
    QAbstractScrollArea::resizeEvent(event);
    layoutRows();
}

std::optional<std::size_t> OutlierList::rowAt(double y) const {
    const double inside = y - m_view.headHeight();
    if (inside < 0 || y >= viewport()->height() - m_view.footHeight()) {
        return std::nullopt;
    }
    const auto row = std::size_t((inside + verticalScrollBar()->value()) / m_view.rowHeight());
    return row < m_view.rows().size() ? std::optional(row) : std::nullopt;
}

void OutlierList::mousePressEvent(QMouseEvent* event) {
    const double x = event->position().x();
    if (event->button() != Qt::LeftButton || m_view.rows().empty()) {
        return;
    }
    if (std::abs(x - m_view.thresholdX(viewport()->width())) <= Theme::px(6)) {
        m_dragging = true;
        return;
    }
    if (const auto row = rowAt(event->position().y())) {
        m_view.selectRow(*row, true);
    }
}

void OutlierList::mouseMoveEvent(QMouseEvent* event) {
    const double x = event->position().x();
    const double width = viewport()->width();
    if (m_dragging) {
        m_view.setThreshold(m_view.thresholdAt(x, width));
        return;
    }
    const bool near =
        !m_view.rows().empty() && std::abs(x - m_view.thresholdX(width)) <= Theme::px(6);
    viewport()->setCursor(near ? Qt::SplitHCursor : Qt::ArrowCursor);
    m_view.setHoverRow(rowAt(event->position().y()));
}

void OutlierList::mouseReleaseEvent(QMouseEvent*) {
    if (m_dragging) {
        m_dragging = false;
        m_view.endDrag();
    }
}

void OutlierList::leaveEvent(QEvent*) {
    m_view.setHoverRow(std::nullopt);
}

OutliersView::OutliersView(Document& document, QWidget* parent) : View(document, parent) {
    setObjectName("outliers");
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Outlier channels"));
    setBackgroundRole(QPalette::Base);
    setAutoFillBackground(true);
    m_list = new OutlierList(*this);
    auto* group = new QButtonGroup(this);
    const auto button = [&](const QString& text, const QString& tip) {
        auto* result = new QToolButton;
        result->setText(text);
        setTextRole(result, TextRole::Small);
        result->setToolTip(tip);
        result->setCheckable(true);
        result->setProperty("segment", true);
        group->addButton(result);
        return result;
    };
    m_inputButton = button(tr("Input"), tr("Channels are columns: one for each input feature (I)"));
    m_outputButton = button(tr("Output"), tr("Channels are rows: one for each output feature (O)"));
    m_inputButton->setChecked(true);
    connect(m_inputButton, &QToolButton::clicked, this, [this] { setInputs(true); });
    connect(m_outputButton, &QToolButton::clicked, this, [this] { setInputs(false); });
    m_count = new QLabel;
    setTextRole(m_count, TextRole::Small);
    m_count->setObjectName("count");
    auto* head = new QHBoxLayout;
    head->setContentsMargins(Theme::px(12), Theme::px(4), Theme::px(12), Theme::px(2));
    head->setSpacing(0);
    head->addWidget(m_inputButton);
    head->addWidget(m_outputButton);
    head->addStretch();
    head->addWidget(m_count);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addLayout(head);
    layout->addWidget(m_list, 1);
    m_byChannelAction = new QAction(tr("Sort by channel number"), this);
    m_byChannelAction->setCheckable(true);
    connect(m_byChannelAction, &QAction::toggled, this, &OutliersView::setByChannel);
    auto* reset = new QAction(themedIcon("reset"), tr("Reset threshold to 3 ×"), this);
    connect(reset, &QAction::triggered, this, [this] {
        setThreshold(3);
        endDrag();
    });
    auto* swap = new QAction(themedIcon("swap"), tr("Input or output channels"), this);
    connect(swap, &QAction::triggered, this, [this] { setInputs(!m_inputs); });
    m_actions = {swap, reset, m_byChannelAction};
    connect(&document.cursor(), &Cursor::selectionChanged, this, [this] {
        if (isVisible()) {
            m_list->viewport()->update();
        }
    });
}

void OutliersView::refresh(Changes what) {
    if (what & (Change::Source | Change::Tensor | Change::Results)) {
        const Lookup<TensorStats> stats =
            document().tensor() != nullptr ? document().analyses().stats() : Lookup<TensorStats>();
        const std::shared_ptr<const TensorStats> best = stats.value ? stats.value : stats.stale;
        m_stale = stats.pending;
        m_fraction = stats.fraction;
        m_error = stats.error;
        if (best != m_stats) {
            m_stats = best;
            rebuild();
        }
    }
    updateTexts();
    m_list->viewport()->update();
}

void OutliersView::rebuild() {
    m_rows.clear();
    m_median = 0;
    if (m_stats) {
        m_median = m_stats->medianChannelAbsmax(m_inputs);
        m_rows = m_stats->outliers(m_inputs, kMostRows);
        if (m_byChannel) {
            std::sort(
                m_rows.begin(), m_rows.end(), [](const OutlierChannel& a, const OutlierChannel& b) {
                    return a.index < b.index;
                });
        }
    }
    m_list->layoutRows();
    updateTexts();
}

void OutliersView::setInputs(bool inputs) {
    m_inputs = inputs;
    m_inputButton->setChecked(inputs);
    m_outputButton->setChecked(!inputs);
    rebuild();
}

void OutliersView::setByChannel(bool byChannel) {
    m_byChannel = byChannel;
    m_byChannelAction->setChecked(byChannel);
    rebuild();
}

std::int64_t OutliersView::outlierCount() const {
    if (!m_stats || !(m_median > 0)) {
        return 0;
    }
    const std::vector<float>& absmax =
        m_inputs ? m_stats->colRanges.absmax : m_stats->rowRanges.absmax;
    const std::vector<float>& low = m_inputs ? m_stats->colRanges.min : m_stats->rowRanges.min;
    const std::vector<float>& high = m_inputs ? m_stats->colRanges.max : m_stats->rowRanges.max;
    const double threshold = document().spec().outlierThreshold;
    std::int64_t count = 0;
    for (std::size_t i = 0; i < absmax.size(); ++i) {
        count += low[i] <= high[i] && double(absmax[i]) / m_median > threshold ? 1 : 0;
    }
    return count;
}

QString OutliersView::summary() const {
    const std::int64_t count = outlierCount();
    const QString threshold = QString::number(document().spec().outlierThreshold);
    return (count == 1 ? tr("%1 outlier channel (> %2 × median)")
                       : tr("%1 outlier channels (> %2 × median)"))
        .arg(formatCount(count), threshold);
}

void OutliersView::updateTexts() {
    if (!m_stats) {
        m_count->clear();
        setSubtitle({});
        setAccessibleDescription(tr("No tensor selected"));
        return;
    }
    const std::int64_t count = outlierCount();
    const QColor ink = count > 0 ? Theme::current().outlier : Theme::current().text3;
    m_count->setText(QStringLiteral("<span style='color:%1'>\u25C6 %2 &gt; %3 ×</span>")
                         .arg(ink.name(),
                              formatCount(count),
                              QString::number(document().spec().outlierThreshold)));
    m_count->setToolTip(summary());
    setSubtitle(m_inputs ? tr("input") : tr("output"));
    setAccessibleDescription(summary());
}

std::optional<std::size_t> OutliersView::selectedRow() const {
    const std::optional<Cell> cell = document().cursor().selected();
    if (!cell) {
        return std::nullopt;
    }
    const std::int64_t channel = m_inputs ? cell->col : cell->row;
    for (std::size_t i = 0; i < m_rows.size(); ++i) {
        if (m_rows[i].index == channel) {
            return i;
        }
    }
    return std::nullopt;
}

void OutliersView::selectRow(std::size_t row, bool reveal) {
    if (row >= m_rows.size()) {
        return;
    }
    const OutlierChannel& channel = m_rows[row];
    Cell cell = document().cursor().selected().value_or(Cell{});
    (m_inputs ? cell.col : cell.row) = channel.index;
    // The weight that makes the channel an outlier, where it can be found quickly.
    cell = largestInChannel(document(), m_inputs, channel.index, channel.absmax).value_or(cell);
    document().cursor().select(cell);
    if (reveal) {
        document().cursor().reveal(cell);
    }
    m_list->scrollTo(row);
    m_list->viewport()->update();
}

void OutliersView::setThreshold(double threshold) {
    const double rounded =
        std::clamp(std::round(threshold * 10) / 10, kLeastThreshold, kMostThreshold);
    document().edit(
        tr("Outlier threshold"),
        [rounded](ExperimentSpec& spec) { spec.outlierThreshold = rounded; },
        kThresholdMerge);
    updateTexts();
    m_list->viewport()->update();
}

void OutliersView::endDrag() {
    document().endMerge();
}

void OutliersView::setHoverRow(std::optional<std::size_t> row) {
    if (row != m_hoverRow) {
        m_hoverRow = row;
        m_list->viewport()->update();
    }
}

double OutliersView::rowHeight() const {
    return Theme::px(24);
}
double OutliersView::headHeight() const {
    return m_stats ? Theme::px(22) : 0;
}
double OutliersView::footHeight() const {
    return m_stats ? Theme::px(18) : 0;
}

OutliersView::Columns OutliersView::columns(double width) const {
    Columns columns;
    columns.channelRight = Theme::px(12) + std::max(textWidth("88888", TextRole::Number),
                                                    textWidth(tr("channel"), TextRole::Caption));
    columns.barLeft = columns.channelRight + Theme::px(10);
    columns.ratioRight = width - Theme::px(12);
    columns.valueRight = columns.ratioRight -
                         std::max(textWidth("888.8 ×", TextRole::Number),
                                  textWidth(tr("× median"), TextRole::Caption)) -
                         Theme::px(6);
    columns.barRight = columns.valueRight - textWidth("888.8888", TextRole::Number) - Theme::px(6);
    // Where the bars would have no room, the ratio alone stands beside them.
    if (columns.barRight - columns.barLeft < Theme::px(48)) {
        columns.barRight = columns.valueRight - Theme::px(6);
        columns.showValue = false;
    }
    columns.barRight = std::max(columns.barRight, columns.barLeft + Theme::px(16));
    return columns;
}

double OutliersView::barScale() const {
    double most = document().spec().outlierThreshold * 1.15;
    for (const OutlierChannel& channel : m_rows) {
        if (std::isfinite(channel.ratio)) {
            most = std::max(most, channel.ratio);
        }
    }
    return most;
}

double OutliersView::thresholdX(double width) const {
    const Columns at = columns(width);
    return at.barLeft +
           (at.barRight - at.barLeft) * document().spec().outlierThreshold / barScale();
}

double OutliersView::thresholdAt(double x, double width) const {
    const Columns at = columns(width);
    return (x - at.barLeft) / (at.barRight - at.barLeft) * barScale();
}

void OutliersView::paintRow(QPainter& painter,
                            const QRectF& rect,
                            std::size_t index,
                            const Columns& at) {
    const Theme& theme = Theme::current();
    const OutlierChannel& channel = m_rows[index];
    const bool selected = selectedRow() == index;
    const bool outlier = channel.ratio > document().spec().outlierThreshold;
    if (selected) {
        painter.fillRect(rect, theme.selected);
        painter.fillRect(QRectF(rect.left(), rect.top(), 3, rect.height()), theme.text);
    } else if (m_hoverRow == index && !m_exporting) {
        painter.fillRect(rect, theme.raised);
    }
    const double share = std::isfinite(channel.ratio) ? channel.ratio / barScale() : 1;
    const double height = std::min(12.0 * Theme::fontScale(), rect.height() - 8);
    painter.fillRect(QRectF(at.barLeft,
                            std::round(rect.center().y() - height / 2),
                            std::max(1.0, (at.barRight - at.barLeft) * share),
                            height),
                     outlier ? theme.outlier : theme.fill);
    const QColor ink = selected ? theme.text : theme.text2;
    drawTextLine(painter,
                 QRectF(0, rect.top(), at.channelRight, rect.height()),
                 Qt::AlignRight,
                 QString::number(channel.index),
                 TextRole::Number,
                 theme.text);
    const QString value = channel.absmax >= 1e-3 && channel.absmax < 1e4
                              ? QString::number(channel.absmax, 'f', channel.absmax < 100 ? 4 : 2)
                              : formatNumber(channel.absmax, 4);
    if (at.showValue) {
        drawTextLine(painter,
                     QRectF(at.barRight, rect.top(), at.valueRight - at.barRight, rect.height()),
                     Qt::AlignRight,
                     value,
                     TextRole::Number,
                     theme.text);
    }
    const QString ratio = std::isfinite(channel.ratio) ? QString::number(channel.ratio, 'f', 1)
                                                       : formatNumber(channel.ratio);
    drawTextLine(painter,
                 QRectF(at.valueRight, rect.top(), at.ratioRight - at.valueRight, rect.height()),
                 Qt::AlignRight,
                 ratio + " ×",
                 TextRole::Number,
                 ink);
}

void OutliersView::paintList(QPainter& painter, const QRectF& rect, double scroll) {
    const Theme& theme = Theme::current();
    if (!m_stats || m_rows.empty()) {
        if (m_error) {
            drawEmpty(painter,
                      rect,
                      "error",
                      tr("This tensor cannot be measured"),
                      QString::fromStdString(m_error->message()));
        } else if (m_stale) {
            drawEmpty(painter, rect, "outlier", tr("Measuring channels"), {});
        } else {
            drawEmpty(painter,
                      rect,
                      "outlier",
                      m_stats ? tr("No channel has a finite weight") : tr("No tensor selected"),
                      tr("Its channels by largest magnitude appear here."));
        }
    } else {
        painter.save();
        painter.translate(rect.topLeft());
        const double width = rect.width();
        const Columns at = columns(width);
        const double bottom = rect.height() - footHeight();
        painter.setOpacity(m_stale ? 0.6 : 1);
        painter.save();
        painter.setClipRect(QRectF(0, headHeight(), width, bottom - headHeight()));
        const auto first = std::size_t(scroll / rowHeight());
        for (std::size_t i = first; i < m_rows.size(); ++i) {
            const double y = headHeight() + rowHeight() * double(i) - scroll;
            // SVG does not clip: an export shows whole rows only.
            if (y >= bottom || (m_exporting && y + rowHeight() > bottom)) {
                break;
            }
            paintRow(painter, QRectF(0, y, width, rowHeight()), i, at);
        }
        painter.restore();
        const double head = headHeight();
        drawTextLine(painter,
                     QRectF(0, 0, at.channelRight, head),
                     Qt::AlignRight,
                     tr("channel"),
                     TextRole::Caption,
                     theme.text3);
        if (at.showValue) {
            drawTextLine(painter,
                         QRectF(0, 0, at.valueRight, head),
                         Qt::AlignRight,
                         tr("max |w|"),
                         TextRole::Caption,
                         theme.text3);
        }
        drawTextLine(painter,
                     QRectF(0, 0, at.ratioRight, head),
                     Qt::AlignRight,
                     tr("× median"),
                     TextRole::Caption,
                     theme.text3);
        const double x = std::floor(thresholdX(width)) + 0.5;
        painter.setPen(referencePen());
        const double end = std::min(bottom, head + rowHeight() * double(m_rows.size()) + 4);
        painter.drawLine(QPointF(x, head), QPointF(x, end));
        const QString label = QString::number(document().spec().outlierThreshold) + " ×";
        const double half = textWidth(label, TextRole::NumberAxis) / 2 + 2;
        drawTextLine(painter,
                     QRectF(x - half, end, 2 * half, footHeight()),
                     Qt::AlignHCenter,
                     label,
                     TextRole::NumberAxis,
                     theme.text2);
        const std::size_t all = std::size_t(m_inputs ? m_stats->cols : m_stats->rows);
        const QString rest = tr("largest %1 of %2")
                                 .arg(formatCount(qint64(m_rows.size())), formatCount(qint64(all)));
        if (all > m_rows.size() &&
            x + half + Theme::px(8) + textWidth(rest, TextRole::Caption) < at.ratioRight) {
            drawTextLine(painter,
                         QRectF(0, bottom, at.ratioRight, footHeight()),
                         Qt::AlignRight,
                         rest,
                         TextRole::Caption,
                         theme.text3);
        }
        painter.restore();
    }
    if (m_stale) {
        drawProgressLine(painter, rect, m_fraction);
    }
    if (m_ring && hasFocus() && !m_exporting) {
        drawFocusRing(painter, rect);
    }
}

QString OutliersView::copyText() const {
    if (!m_stats) {
        return {};
    }
    QString text = QString("%1_channel\tabsmax\tratio\n").arg(m_inputs ? "input" : "output");
    for (const OutlierChannel& channel : m_rows) {
        text += QString::number(channel.index) + '\t' + plainNumber(channel.absmax) + '\t' +
                plainNumber(channel.ratio) + '\n';
    }
    return text;
}

void OutliersView::paintExport(QPainter& painter, const QRectF& target) {
    m_exporting = true;
    painter.fillRect(target, Theme::current().canvas);
    paintList(painter,
              target,
              std::floor(m_list->verticalScrollBar()->value() / rowHeight()) * rowHeight());
    m_exporting = false;
}

QJsonObject OutliersView::save() const {
    return {{"inputs", m_inputs}, {"byChannel", m_byChannel}};
}

void OutliersView::restore(const QJsonObject& state) {
    m_byChannel = state["byChannel"].toBool();
    m_byChannelAction->setChecked(m_byChannel);
    setInputs(state["inputs"].toBool(true));
}

void OutliersView::keyPressEvent(QKeyEvent* event) {
    const auto current = selectedRow();
    const auto move = [&](std::int64_t by) {
        const std::int64_t last = std::int64_t(m_rows.size()) - 1;
        const std::int64_t next =
            current ? std::clamp<std::int64_t>(std::int64_t(*current) + by, 0, last) : 0;
        if (last >= 0) {
            selectRow(std::size_t(next), false);
        }
    };
    switch (event->key()) {
        case Qt::Key_Down:
            move(1);
            return;
        case Qt::Key_Up:
            move(-1);
            return;
        case Qt::Key_PageDown:
            move(std::int64_t(m_list->rowsPerPage()));
            return;
        case Qt::Key_PageUp:
            move(-std::int64_t(m_list->rowsPerPage()));
            return;
        case Qt::Key_Home:
            move(-std::int64_t(m_rows.size()));
            return;
        case Qt::Key_End:
            move(std::int64_t(m_rows.size()));
            return;
        case Qt::Key_Return:
        case Qt::Key_Enter:
            if (current) {
                selectRow(*current, true);
            }
            return;
        case Qt::Key_Left:
            setThreshold(document().spec().outlierThreshold - 0.1);
            return;
        case Qt::Key_Right:
            setThreshold(document().spec().outlierThreshold + 0.1);
            return;
        case Qt::Key_I:
            setInputs(true);
            return;
        case Qt::Key_O:
            setInputs(false);
            return;
        default:
            break;
    }
    View::keyPressEvent(event);
}

void OutliersView::changeEvent(QEvent* event) {
    View::changeEvent(event);
    if (m_count == nullptr) {
        return;
    }
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange ||
        event->type() == QEvent::StyleChange) {
        updateTexts();
        m_list->layoutRows();
    }
}

void OutliersView::focusInEvent(QFocusEvent* event) {
    View::focusInEvent(event);
    m_ring = isKeyboardFocus(*event);
    m_list->viewport()->update();
}

void OutliersView::focusOutEvent(QFocusEvent* event) {
    View::focusOutEvent(event);
    m_list->viewport()->update();
}

extern const ViewDefinition kView_outliers;
const ViewDefinition kView_outliers{
    "outliers", "Outlier channels", Area::Bottom, [](Document& document, QWidget* parent) -> View* {
        return new OutliersView(document, parent);
    }};

}  // namespace loupe::app
