// SPDX-License-Identifier: GPL-3.0-or-later
// Where the cells of the atlas are, and what keys and the pointer do; the painting is in
// atlas_paint.cpp.
#include "app/workspaces/atlas/atlas_picture.hpp"

#include "app/document/analyses.hpp"
#include "app/plot/plot_style.hpp"
#include "app/views/tensor_filter.hpp"
#include "app/widgets/describe.hpp"
#include "app/widgets/theme.hpp"

#include <QFocusEvent>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QScrollBar>
#include <QToolTip>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr double kMargin = 12;
constexpr double kHead = 26;
constexpr double kAxis = 18;
constexpr double kGap = 14;
constexpr double kLeastCell = 9;
constexpr double kMostCell = 96;
constexpr double kLeastRow = 18;
constexpr double kMostRow = 48;
constexpr double kListLabel = 168;
constexpr double kListCell = 56;
constexpr double kSmallCell = 14;
constexpr std::size_t kMostLabelled = 400;
constexpr double kLabelShare = 0.28;
constexpr double kFarAbove = 4;
constexpr double kMostCells = 0.95;

}  // namespace

ColorSetting atlasColors(const AtlasMetric& metric, const AtlasValues& values, QString* mode) {
    ColorSetting made;
    made.magnitude = false;
    made.low = values.least;
    made.high = values.most;
    QString told = AtlasPicture::tr("all values");
    if (metric.pool == AtlasMetric::Pool::Magnitude) {
        made.map = ColorMapId::Signed;
        made.high = std::max(std::fabs(values.least), std::fabs(values.most));
        made.low = -made.high;
    } else if (metric.logarithmic && values.leastPositive > 0 &&
               values.most > values.leastPositive * 1.5) {
        made.magnitude = true;
        made.logarithmic = true;
        made.low = values.leastPositive;
    } else {
        std::vector<double> all;
        for (std::size_t c = 0; c < values.cell.size(); ++c) {
            if (AtlasValues::hasValue(values.cellState[c]) && std::isfinite(values.cell[c])) {
                all.push_back(values.cell[c]);
            }
        }
        if (!all.empty()) {
            const auto at = [&all](double share) {
                const auto place = all.begin() +
                                   static_cast<std::ptrdiff_t>(
                                       share * static_cast<double>(all.size() - 1));
                std::nth_element(all.begin(), place, all.end());
                return *place;
            };
            const double middle = at(0.5);
            if (metric.pool != AtlasMetric::Pool::Low && at(kMostCells) > middle &&
                made.high - middle > kFarAbove * (at(kMostCells) - middle)) {
                made.high = at(kMostCells);
                told = AtlasPicture::tr("up to 95 %");
            } else if (metric.pool == AtlasMetric::Pool::Low && at(1 - kMostCells) < middle &&
                       middle - made.low > kFarAbove * (middle - at(1 - kMostCells))) {
                made.low = at(1 - kMostCells);
                told = AtlasPicture::tr("from 5 %");
            }
        }
    }
    if (!(made.high > made.low)) {
        made.high = made.low + std::max(1e-12, std::fabs(made.low) * 1e-3);
        if (values.known + values.sampled == 0) {
            made.low = 0;
            made.high = 1;
        }
    }
    if (mode != nullptr) {
        *mode = told;
    }
    return made;
}

AtlasPicture::AtlasPicture(AtlasModel& model, QWidget* parent)
    : QAbstractScrollArea(parent), m_model(model) {
    setObjectName(QStringLiteral("atlasPicture"));
    setAccessibleName(tr("Layers and roles"));
    setFrameShape(QFrame::NoFrame);
    setFocusPolicy(Qt::StrongFocus);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    viewport()->setMouseTracking(true);
    viewport()->setBackgroundRole(QPalette::Base);
    connect(&model, &AtlasModel::layoutChanged, this, [this] {
        m_hover.reset();
        verticalScrollBar()->setValue(0);
        relayout();
    });
    connect(&model, &AtlasModel::valuesChanged, this, [this] {
        if (m_geometry.blocks.empty()) {
            relayout();
        }
        viewport()->update();
        announce();
    });
    connect(&model, &AtlasModel::thresholdChanged, this, [this] { viewport()->update(); });
    connect(&model, &AtlasModel::selectionChanged, this, [this] {
        viewport()->update();
        const std::optional<std::size_t> tensor = m_model.selected();
        if (tensor && m_model.layout()) {
            const QRectF rect =
                contentRect(static_cast<std::size_t>(m_model.layout()->cellOf[*tensor]));
            QScrollBar* bar = verticalScrollBar();
            if (rect.top() < bar->value()) {
                bar->setValue(static_cast<int>(rect.top()) - Theme::px(kHead));
            } else if (rect.bottom() > bar->value() + viewport()->height()) {
                bar->setValue(static_cast<int>(rect.bottom()) - viewport()->height() +
                              Theme::px(kGap));
            }
        }
        announce();
    });
    announce();
}

void AtlasPicture::setColors(const ColorSetting& colors) {
    if (!(colors == m_colors)) {
        m_colors = colors;
        viewport()->update();
    }
}

// --- where things are

void AtlasPicture::addGrid(Geometry& made,
                           std::size_t index,
                           double width,
                           double rowHeight) const {
    const AtlasSection& section = m_model.layout()->sections[index];
    const double left = Theme::px(kMargin) + made.labelWidth + Theme::px(8);
    const double room = std::max(width - left - Theme::px(kMargin), 40.0);
    const auto layers = static_cast<double>(section.layers.size());
    const double cell = std::floor(std::clamp(room / layers,
                                              static_cast<double>(Theme::px(kLeastCell)),
                                              static_cast<double>(Theme::px(kMostCell))));
    const auto perLine = std::max<std::size_t>(1, static_cast<std::size_t>(room / cell));
    // As many layers in each line, so that the last one is no stump.
    const std::size_t lines = (section.layers.size() + perLine - 1) / perLine;
    const std::size_t each = (section.layers.size() + lines - 1) / lines;
    for (std::size_t first = 0; first < section.layers.size(); first += each) {
        Block block;
        block.section = index;
        block.firstLayer = first;
        block.columns = std::min(each, section.layers.size() - first);
        block.rows = section.roles.size();
        block.left = left;
        block.cellWidth = block.pitch = cell;
        block.cellHeight = rowHeight;
        block.head = first == 0 ? made.height : -1;
        block.axis = made.height + (first == 0 ? Theme::px(kHead) : 0);
        block.top = block.axis + Theme::px(kAxis);
        made.blocks.push_back(block);
        made.height = block.bottom() + Theme::px(kGap);
    }
}

void AtlasPicture::addList(Geometry& made,
                           std::size_t index,
                           double width,
                           double rowHeight) const {
    const AtlasSection& section = m_model.layout()->sections[index];
    Block block;
    block.section = index;
    block.labels = section.roles.size() <= kMostLabelled;
    block.left = Theme::px(kMargin);
    block.cellWidth = Theme::px(block.labels ? kListCell : kSmallCell);
    block.cellHeight = block.labels ? rowHeight + Theme::px(2) : Theme::px(kSmallCell);
    block.pitch = block.labels ? block.cellWidth + Theme::px(kListLabel) : block.cellWidth;
    const double room = std::max(width - 2 * Theme::px(kMargin), block.pitch);
    block.columns = std::clamp<std::size_t>(static_cast<std::size_t>(room / block.pitch),
                                            1,
                                            std::max<std::size_t>(1, section.roles.size()));
    block.rows = (section.roles.size() + block.columns - 1) / block.columns;
    block.head = made.height;
    block.axis = -1;
    block.top = made.height + Theme::px(kHead);
    made.blocks.push_back(block);
    made.height = block.bottom() + Theme::px(kGap);
}

AtlasPicture::Geometry AtlasPicture::layOut(double width, double height) const {
    Geometry made;
    made.height = Theme::px(4);
    if (m_model.layout() == nullptr) {
        return made;
    }
    double rows = 0;
    double fixed = made.height;
    for (const AtlasSection& section : m_model.layout()->sections) {
        fixed += Theme::px(kHead + kGap);
        if (section.outer) {
            const double columns =
                std::max(1.0, std::floor(width / Theme::px(kListCell + kListLabel)));
            rows += std::ceil(static_cast<double>(section.roles.size()) / columns);
            continue;
        }
        fixed += Theme::px(kAxis);
        rows += static_cast<double>(section.roles.size());
        for (const QString& role : section.roles) {
            made.labelWidth = std::max(made.labelWidth, textWidth(role, TextRole::Small));
        }
    }
    made.labelWidth = std::ceil(std::min(made.labelWidth, width * kLabelShare));
    const double rowHeight = std::floor(std::clamp((height - fixed) / std::max(rows, 1.0),
                                                   static_cast<double>(Theme::px(kLeastRow)),
                                                   static_cast<double>(Theme::px(kMostRow))));
    for (std::size_t s = 0; s < m_model.layout()->sections.size(); ++s) {
        if (m_model.layout()->sections[s].outer) {
            addList(made, s, width, rowHeight);
        } else {
            addGrid(made, s, width, rowHeight);
        }
    }
    return made;
}

void AtlasPicture::relayout() {
    m_geometry = layOut(viewport()->width(), viewport()->height());
    QScrollBar* bar = verticalScrollBar();
    bar->setPageStep(viewport()->height());
    bar->setSingleStep(Theme::px(24));
    bar->setRange(
        0, std::max(0, static_cast<int>(std::ceil(m_geometry.height)) - viewport()->height()));
    viewport()->update();
}

std::int32_t AtlasPicture::cellOf(const Block& block, std::size_t row, std::size_t col) const {
    const AtlasSection& section = m_model.layout()->sections[block.section];
    if (section.outer) {
        const std::size_t index = row * block.columns + col;
        return index < section.grid.size() ? section.grid[index] : -1;
    }
    return section.cell(row, block.firstLayer + col);
}

QRectF AtlasPicture::rectOf(const Block& block, std::size_t row, std::size_t col) const {
    return {block.left + static_cast<double>(col) * block.pitch,
            block.top + static_cast<double>(row) * block.cellHeight,
            block.cellWidth,
            block.cellHeight};
}

std::optional<std::size_t> AtlasPicture::cellIn(const Geometry& geometry, QPointF point) const {
    for (const Block& block : geometry.blocks) {
        const double right = block.left + static_cast<double>(block.columns) * block.pitch;
        if (point.y() < block.top || point.y() >= block.bottom() || point.x() < block.left ||
            point.x() >= right) {
            continue;
        }
        const auto row = static_cast<std::size_t>((point.y() - block.top) / block.cellHeight);
        const auto col = static_cast<std::size_t>((point.x() - block.left) / block.pitch);
        const std::int32_t cell =
            row < block.rows && col < block.columns ? cellOf(block, row, col) : -1;
        return cell < 0 ? std::nullopt : std::optional(static_cast<std::size_t>(cell));
    }
    return std::nullopt;
}

QRectF AtlasPicture::contentRect(std::size_t cell) const {
    for (const Block& block : m_geometry.blocks) {
        const AtlasSection& section = m_model.layout()->sections[block.section];
        const auto found =
            std::find(section.grid.begin(), section.grid.end(), static_cast<std::int32_t>(cell));
        if (found == section.grid.end()) {
            continue;
        }
        const auto index = static_cast<std::size_t>(found - section.grid.begin());
        if (section.outer) {
            return rectOf(block, index / block.columns, index % block.columns);
        }
        const std::size_t layer = index % section.layers.size();
        if (layer >= block.firstLayer && layer < block.firstLayer + block.columns) {
            return rectOf(block, index / section.layers.size(), layer - block.firstLayer);
        }
    }
    return {};
}

QRectF AtlasPicture::cellRect(std::size_t cell) const {
    const QRectF rect = contentRect(cell);
    return rect.isEmpty() ? rect : rect.translated(0, -verticalScrollBar()->value());
}

std::optional<std::size_t> AtlasPicture::cellAt(QPointF viewportPoint) const {
    return m_model.layout() == nullptr
               ? std::nullopt
               : cellIn(m_geometry, viewportPoint + QPointF(0, verticalScrollBar()->value()));
}

// --- what is said of a cell

QString AtlasPicture::sentence(std::size_t cell) const {
    const AtlasValues& values = m_model.values();
    if (m_model.layout() == nullptr || cell >= values.cellTensor.size() ||
        values.cellTensor[cell] < 0) {
        return {};
    }
    const auto tensor = static_cast<std::size_t>(values.cellTensor[cell]);
    const TensorInfo& info = m_model.source()->tensors()[tensor];
    const AtlasMetric& metric = m_model.metric();
    const std::uint8_t state = values.cellState[cell];
    QString value;
    if (AtlasValues::hasValue(state)) {
        value = metricText(metric, values.cell[cell]);
        if ((state & AtlasValues::kSampled) != 0) {
            const QString some = m_model.sampleText(tensor);
            value = QString(estimateSign(metric)) + QChar(0xa0) + value +
                    (some.isEmpty() ? tr(", partly estimated") : tr(", from %1").arg(some));
        }
    } else if ((state & AtlasValues::kFailed) != 0) {
        value = m_model.failure(tensor);
    } else if ((state & AtlasValues::kPending) != 0) {
        value = m_model.paused() ? tr("paused") : tr("pending");
    } else {
        value = tr("not for this tensor");
    }
    const std::size_t count = m_model.layout()->in(cell).size();
    QString many;
    if (count > 1) {
        many = metric.pool == AtlasMetric::Pool::Sum
                   ? tr(" (sum of %1 tensors)").arg(formatCount(static_cast<qint64>(count)))
               : metric.pool == AtlasMetric::Pool::Low
                   ? tr(" (least of %1 tensors)").arg(formatCount(static_cast<qint64>(count)))
                   : tr(" (largest of %1 tensors)").arg(formatCount(static_cast<qint64>(count)));
    }
    QString text = tr("%1 · %2: %3%4 · %5, %6 %7")
                       .arg(placeText(m_model.layout()->places[tensor]),
                            metric.title,
                            value,
                            many,
                            QString::fromStdString(info.name),
                            QString::fromStdString(shapeText(info, " × ")),
                            QString::fromStdString(info.dtypeName));
    text += m_model.flagText(tensor);
    return text;
}

void AtlasPicture::announce() {
    QString text;
    if (m_model.layout() == nullptr) {
        text = tr("No checkpoint");
    } else if (m_model.selected()) {
        text = sentence(static_cast<std::size_t>(m_model.layout()->cellOf[*m_model.selected()]));
    } else {
        text = tr("%1, %2 cells; no cell selected")
                   .arg(m_model.metric().title)
                   .arg(m_model.layout()->cells());
    }
    describeWidget(*this, text);
}

// --- pointer and keys

void AtlasPicture::hover(std::optional<std::size_t> cell) {
    if (cell != m_hover) {
        m_hover = cell;
        viewport()->update();
        emit hovered(cell);
    }
}

void AtlasPicture::select(std::optional<std::size_t> cell) {
    if (!cell) {
        m_model.select(std::nullopt);
        return;
    }
    const std::vector<std::int32_t>& shown = m_model.values().cellTensor;
    const std::int32_t tensor = *cell < shown.size() ? shown[*cell] : -1;
    if (tensor >= 0) {
        m_model.select(static_cast<std::size_t>(tensor));
    }
}

bool AtlasPicture::viewportEvent(QEvent* event) {
    switch (event->type()) {
        case QEvent::MouseMove:
            hover(cellAt(static_cast<QMouseEvent*>(event)->position()));
            return true;
        case QEvent::Leave:
            hover(std::nullopt);
            break;
        case QEvent::MouseButtonPress: {
            const auto* mouse = static_cast<QMouseEvent*>(event);
            if (mouse->button() == Qt::LeftButton) {
                m_ring = false;
                select(cellAt(mouse->position()));
            }
            return true;
        }
        case QEvent::MouseButtonDblClick:
            if (cellAt(static_cast<QMouseEvent*>(event)->position()) && m_model.selected()) {
                emit opened(*m_model.selected());
            }
            return true;
        case QEvent::ToolTip: {
            const auto* help = static_cast<QHelpEvent*>(event);
            const std::optional<std::size_t> cell = cellAt(help->pos());
            QToolTip::showText(
                help->globalPos(), cell ? sentence(*cell).toHtmlEscaped() : QString(), viewport());
            return true;
        }
        default:
            break;
    }
    return QAbstractScrollArea::viewportEvent(event);
}

/// From the selected cell in a direction until another one is met; empty places are passed over.
void AtlasPicture::step(int dx, int dy) {
    if (m_model.layout() == nullptr || m_geometry.blocks.empty()) {
        return;
    }
    QRectF from;
    if (m_model.selected()) {
        from = contentRect(static_cast<std::size_t>(m_model.layout()->cellOf[*m_model.selected()]));
    }
    if (from.isEmpty()) {
        select(cellIn(m_geometry, rectOf(m_geometry.blocks.front(), 0, 0).center()));
        return;
    }
    constexpr double kProbe = 4;
    QPointF at = from.center() + QPointF(dx * from.width() / 2, dy * from.height() / 2);
    while (at.x() > 0 && at.y() > 0 && at.x() < viewport()->width() && at.y() < m_geometry.height) {
        at += QPointF(dx * kProbe, dy * kProbe);
        if (const std::optional<std::size_t> cell = cellIn(m_geometry, at)) {
            if (!contentRect(*cell).contains(from.center())) {
                select(cell);
                return;
            }
        }
    }
}

void AtlasPicture::keyPressEvent(QKeyEvent* event) {
    if (const std::optional<QPoint> way = arrowOf(*event)) {
        step(way->x(), way->y());
    } else if (event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter) {
        if (m_model.selected()) {
            emit opened(*m_model.selected());
        }
    } else if (event->key() == Qt::Key_Escape && m_model.selected()) {
        select(std::nullopt);
    } else {
        QAbstractScrollArea::keyPressEvent(event);
    }
}

void AtlasPicture::focusInEvent(QFocusEvent* event) {
    m_ring = event->reason() == Qt::TabFocusReason || event->reason() == Qt::BacktabFocusReason;
    QAbstractScrollArea::focusInEvent(event);
    viewport()->update();
}

void AtlasPicture::resizeEvent(QResizeEvent* event) {
    QAbstractScrollArea::resizeEvent(event);
    relayout();
}

void AtlasPicture::changeEvent(QEvent* event) {
    QAbstractScrollArea::changeEvent(event);
    if (event->type() == QEvent::FontChange || event->type() == QEvent::PaletteChange ||
        event->type() == QEvent::StyleChange) {
        relayout();
    }
}

}  // namespace loupe::app
