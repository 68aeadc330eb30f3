// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/treemap_view.hpp"

#include "app/jobs/job_manager.hpp"
#include "app/plot/plot_style.hpp"
#include "app/views/tensor_filter.hpp"
#include "app/widgets/describe.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/atlas/value_paint.hpp"
#include "core/base/units.hpp"

#include <QFontMetricsF>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

namespace loupe::app {

namespace {

constexpr auto kSlot = "atlas.treemap";
constexpr int kLaterMs = 60;
constexpr double kHead = 20;
constexpr double kLeastWords = 44;

/// A label as it fits into a width: whole, cut where some letters are left, or none.
QString fitted(const QString& label, double width) {
    if (textWidth(label, TextRole::Small) <= width) {
        return label;
    }
    return width < Theme::px(kLeastWords)
               ? QString()
               : QFontMetricsF(Theme::font(TextRole::Small))
                     .elidedText(label, Qt::ElideRight, width);
}

}  // namespace

TreemapPicture::TreemapPicture(AtlasModel& model, QWidget* parent)
    : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("treemap"));
    setAccessibleName(tr("Where the bytes go"));
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
    m_later.setSingleShot(true);
    m_later.setInterval(kLaterMs);
    connect(&m_later, &QTimer::timeout, this, &TreemapPicture::layOut);
    connect(&model, &AtlasModel::layoutChanged, this, [this] {
        m_hover.reset();
        if (m_model.layout() == nullptr) {
            m_map.reset();
            update();
        }
        countTypes();
        m_later.start();
    });
    for (const auto signal : {&AtlasModel::valuesChanged, &AtlasModel::thresholdChanged}) {
        connect(&model, signal, this, qOverload<>(&QWidget::update));
    }
    connect(&model, &AtlasModel::valuesChanged, this, &TreemapPicture::announce);
    connect(&model, &AtlasModel::selectionChanged, this, [this] {
        update();
        announce();
    });
}

void TreemapPicture::countTypes() {
    m_types.clear();
    m_typeOf.clear();
    if (m_model.source() == nullptr) {
        return;
    }
    const std::span<const TensorInfo> tensors = m_model.source()->tensors();
    std::map<std::string, StoredType> byName;
    for (const TensorInfo& tensor : tensors) {
        StoredType& type = byName[tensor.dtypeName];
        type.bytes += tensor.bytes;
        ++type.tensors;
    }
    for (auto& [name, type] : byName) {
        type.name = QString::fromStdString(name);
        m_types.push_back(type);
    }
    std::stable_sort(m_types.begin(), m_types.end(), [](const auto& a, const auto& b) {
        return a.bytes > b.bytes;
    });
    std::map<QString, std::uint16_t> places;
    for (std::size_t i = 0; i < m_types.size(); ++i) {
        places[m_types[i].name] = static_cast<std::uint16_t>(i);
    }
    m_typeOf.reserve(tensors.size());
    for (const TensorInfo& tensor : tensors) {
        m_typeOf.push_back(places[QString::fromStdString(tensor.dtypeName)]);
    }
}

QColor TreemapPicture::typeColor(std::size_t rank) {
    const Theme& theme = Theme::current();
    const std::array<QColor, 6> colors{theme.bitFraction,
                                       theme.bitExponent,
                                       theme.bitSign,
                                       theme.bitScale,
                                       theme.bitZeroPoint,
                                       theme.bitPadding};
    return rank < colors.size() ? colors[rank] : theme.raised;
}

void TreemapPicture::setColors(const ColorSetting& colors) {
    if (!(colors == m_colors)) {
        m_colors = colors;
        update();
    }
}

void TreemapPicture::setByType(bool byType) {
    if (byType != m_byType) {
        m_byType = byType;
        update();
    }
}

TreemapPicture::~TreemapPicture() {
    m_model.document().jobs().cancel(QLatin1String(kSlot));
}

void TreemapPicture::choose(TreemapGroup group, TreemapSize size) {
    if (group != m_group || size != m_size) {
        m_group = group;
        m_size = size;
        layOut();
    }
}

TreemapRequest TreemapPicture::wanted() const {
    const double margin = Theme::px(12);
    return {.group = m_group,
            .size = m_size,
            .area = QSizeF(std::max(1.0, width() - 2 * margin), std::max(1.0, height() - margin)),
            .head = static_cast<double>(Theme::px(kHead))};
}

/// In a job: 100,000 tensors take some ten milliseconds.
void TreemapPicture::layOut() {
    const std::shared_ptr<const AtlasLayout> layout = m_model.layout();
    const std::shared_ptr<const TensorSource> source = m_model.source();
    const TreemapRequest request = wanted();
    if (layout == nullptr || source == nullptr || !isVisible() ||
        (m_map != nullptr && request == m_shown && m_shownLayout.lock() == layout)) {
        return;
    }
    m_busy = true;
    m_model.document().jobs().start(
        QLatin1String(kSlot),
        tr("Laying out the bytes"),
        [layout, source, request](const JobContext&) {
            return std::make_shared<const Treemap>(
                makeTreemap(source->tensors(), *layout, request));
        },
        this,
        [this, layout, request](const std::shared_ptr<const Treemap>& map) {
            m_busy = false;
            m_map = map;
            m_shown = request;
            m_shownLayout = layout;
            m_hover.reset();
            update();
            announce();
        });
}

QString TreemapPicture::sizeText(std::uint64_t size) const {
    return m_shown.size == TreemapSize::Bytes
               ? QString::fromStdString(decimalBytes(static_cast<double>(size)))
               : formatCount(static_cast<qint64>(size));
}

std::optional<std::size_t> TreemapPicture::tileAt(QPointF point) const {
    if (m_map == nullptr) {
        return std::nullopt;
    }
    point -= QPointF(Theme::px(12), 0);
    for (std::size_t i = m_map->tiles.size(); i-- > 0;) {  // what is inside stands behind
        if (m_map->tiles[i].rect.contains(point)) {
            return i;
        }
    }
    return std::nullopt;
}

std::optional<std::size_t> TreemapPicture::selectedTile() const {
    if (m_map == nullptr || !m_model.selected()) {
        return std::nullopt;
    }
    const auto tensor = static_cast<std::int64_t>(*m_model.selected());
    const auto found = std::find_if(m_map->tiles.begin(),
                                    m_map->tiles.end(),
                                    [&](const TreemapTile& tile) { return tile.tensor == tensor; });
    return found == m_map->tiles.end()
               ? std::nullopt
               : std::optional(static_cast<std::size_t>(found - m_map->tiles.begin()));
}

QString TreemapPicture::sentence(std::size_t index) const {
    const TreemapTile& tile = m_map->tiles[index];
    const QString share =
        formatPercent(static_cast<double>(tile.size) / static_cast<double>(m_map->total), 2);
    const QString size = m_shown.size == TreemapSize::Bytes
                             ? sizeText(tile.size)
                             : tr("%1 parameters").arg(sizeText(tile.size));
    if (tile.tensor < 0) {
        return tr("%1 · %2, %3 of all · %4 tensors")
            .arg(tile.label, size, share, formatCount(tile.count));
    }
    return tensorSentence(static_cast<std::size_t>(tile.tensor));
}

QString TreemapPicture::tensorSentence(std::size_t tensor) const {
    if (m_map == nullptr || m_model.layout() == nullptr) {
        return {};
    }
    const TensorInfo& info = m_model.source()->tensors()[tensor];
    const std::uint64_t size = m_shown.size == TreemapSize::Bytes ? info.bytes : info.parameters;
    const AtlasMetric& metric = m_model.metric();
    const std::uint8_t state = m_model.values().tensorState[tensor];
    QString value;
    if (metric.id != QLatin1String("bytes") && AtlasValues::hasValue(state)) {
        value = QStringLiteral(" · %1: %2").arg(metric.title, m_model.valueText(tensor));
        if (const QString some = m_model.sampleText(tensor); !some.isEmpty()) {
            value += tr(", from %1").arg(some);
        }
    } else if (const QString why = m_model.failure(tensor); !why.isEmpty()) {
        value = QStringLiteral(" · ") + why;
    }
    return tr("%1%2 · %3, %4 of all · %5, %6 %7")
               .arg(placeText(m_model.layout()->places[tensor]),
                    value,
                    m_shown.size == TreemapSize::Bytes
                        ? sizeText(size)
                        : tr("%1 parameters").arg(sizeText(size)),
                    formatPercent(static_cast<double>(size) / static_cast<double>(m_map->total), 2),
                    QString::fromStdString(info.name),
                    QString::fromStdString(shapeText(info, " × ")),
                    QString::fromStdString(info.dtypeName)) +
           m_model.flagText(tensor);
}

void TreemapPicture::announce() {
    if (!isVisible()) {
        return;
    }
    const std::optional<std::size_t> tile = selectedTile();
    describeWidget(*this,
                   tile                ? sentence(*tile)
                   : m_map != nullptr  ? tr("%1 in %2 rectangles; no tensor selected")
                                            .arg(sizeText(m_map->total))
                                            .arg(m_map->tiles.size())
                                       : QString());
}

// --- painting

/// The title of a group, and its size where there is room beside it.
void TreemapPicture::paintHead(QPainter& painter, const TreemapTile& tile) const {
    const Theme& theme = Theme::current();
    const QRectF head(tile.rect.left() + Theme::px(6),
                      tile.rect.top() + 1,
                      tile.rect.width() - 2 * Theme::px(6),
                      m_shown.head);
    if (tile.rect.height() < lineHeight(TextRole::Small)) {
        return;
    }
    const QString size = sizeText(tile.size);
    const QString label = fitted(tile.label, head.width());
    const double name = textWidth(label, TextRole::Small);
    drawTextLine(painter,
                 head,
                 Qt::AlignLeft | Qt::AlignVCenter,
                 label,
                 TextRole::Small,
                 theme.text);
    if (name + textWidth(size, TextRole::NumberAxis) + Theme::px(12) <= head.width()) {
        drawTextLine(painter,
                     head,
                     Qt::AlignRight | Qt::AlignVCenter,
                     size,
                     TextRole::NumberAxis,
                     theme.text2);
    }
}

/// The tensor's name, its size and its value, as many of these lines as fit.
void TreemapPicture::paintLabel(QPainter& painter,
                                const TreemapTile& tile,
                                const QColor& ink) const {
    const QRectF box = tile.rect.adjusted(Theme::px(4), Theme::px(2), -Theme::px(4), -Theme::px(2));
    const double line = lineHeight(TextRole::Small);
    const QString label = fitted(tile.label, box.width());
    std::vector<std::pair<QString, TextRole>> lines{{label, TextRole::Small},
                                                    {sizeText(tile.size), TextRole::NumberAxis}};
    const auto tensor = static_cast<std::size_t>(tile.tensor);
    const AtlasValues& values = m_model.values();
    const AtlasMetric& metric = m_model.metric();
    if (!m_byType && !metric.isBytes && tensor < values.tensorState.size() &&
        AtlasValues::hasValue(values.tensorState[tensor])) {
        lines.emplace_back(m_model.valueText(tensor), TextRole::NumberAxis);
    }
    std::erase_if(lines, [&](const auto& each) {
        return each.first.isEmpty() || textWidth(each.first, each.second) > box.width();
    });
    const auto room = static_cast<std::size_t>(std::max(0.0, (box.height() + 3) / line));
    if (lines.empty() || lines.front().first != label || room == 0) {
        return;
    }
    if (lines.size() > room) {
        lines.resize(room);
    }
    double top = box.center().y() - static_cast<double>(lines.size()) * line / 2;
    for (const auto& [text, role] : lines) {
        drawTextLine(
            painter, QRectF(box.left(), top, box.width(), line), Qt::AlignCenter, text, role, ink);
        top += line;
    }
}

void TreemapPicture::paintTile(QPainter& painter,
                               const QRectF& rect,
                               const TreemapTile& tile) const {
    const Theme& theme = Theme::current();
    const auto tensor = static_cast<std::size_t>(tile.tensor);
    const AtlasValues& values = m_model.values();
    if (m_byType) {
        const std::size_t rank = tensor < m_typeOf.size() ? m_typeOf[tensor] : m_types.size();
        const QColor color = typeColor(rank);
        painter.fillRect(rect, color);
        paintLabel(painter, tile, color == theme.raised ? theme.text : theme.bitText);
        return;
    }
    if (tensor >= values.tensor.size()) {
        painter.fillRect(rect, theme.raised);
        paintLabel(painter, tile, theme.text);
        return;
    }
    const std::uint8_t state = values.tensorState[tensor];
    const QColor ink =
        paintValue(painter, rect, m_colors, values.tensor[tensor], state, theme.raised);
    paintLabel(painter, tile, ink);
    if ((state & AtlasValues::kSampled) != 0) {
        // A dot where the sign would stand on the label.
        const double side = Theme::px(7);
        const bool low = rect.height() < 2 * lineHeight(TextRole::Small);
        paintEstimate(painter, low ? QRectF(rect.topLeft(), QSizeF(side, side)) : rect, ink);
    }
    if (AtlasValues::hasValue(state) && m_model.isFlagged(values.tensor[tensor])) {
        paintFlag(painter, rect);
    }
}

void TreemapPicture::paintMap(QPainter& painter, const Treemap& map, bool interactive) const {
    const Theme& theme = Theme::current();
    for (const TreemapTile& tile : map.tiles) {
        const bool small = tile.rect.width() < 3 || tile.rect.height() < 3;
        const QRectF rect = small ? tile.rect : tile.rect.adjusted(0, 0, -1, -1);
        if (tile.isGroup) {
            painter.fillRect(rect, theme.panel);
            painter.setPen(QPen(theme.border, 1));
            painter.setBrush(Qt::NoBrush);
            painter.drawRect(rect.adjusted(0.5, 0.5, -0.5, -0.5));
            paintHead(painter, tile);
        } else if (tile.tensor < 0) {
            painter.save();
            painter.setRenderHint(QPainter::Antialiasing);
            painter.fillRect(rect, theme.panel);
            fillHatched(painter, rect, theme.border, Theme::px(6), 1);
            painter.restore();
        } else {
            paintTile(painter, rect, tile);
        }
    }
    if (!interactive) {
        return;
    }
    if (m_hover && *m_hover < map.tiles.size()) {
        paintRing(painter, map.tiles[*m_hover].rect.adjusted(1, 1, -2, -2), 1);
    }
    if (const std::optional<std::size_t> tile = selectedTile()) {
        paintRing(painter, map.tiles[*tile].rect.adjusted(1, 1, -2, -2), 2);
    }
}

void TreemapPicture::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    if (m_map == nullptr) {
        if (m_model.source() == nullptr) {
            drawEmpty(painter,
                      rect(),
                      QStringLiteral("matrix"),
                      tr("No checkpoint open"),
                      tr("Its bytes appear here, one rectangle for each tensor."));
        }
        return;
    }
    painter.translate(Theme::px(12), 0);
    // While another size is laid out, the last one is stretched.
    const TreemapRequest now = wanted();
    painter.save();
    if (now.area != m_map->size && !m_map->size.isEmpty()) {
        painter.scale(now.area.width() / m_map->size.width(),
                      now.area.height() / m_map->size.height());
        painter.setOpacity(0.6);
    }
    paintMap(painter, *m_map, true);
    painter.restore();
    painter.translate(-Theme::px(12), 0);
    if (hasFocus() && m_ring) {
        drawFocusRing(painter, QRectF(rect()).adjusted(1, 1, -1, -1));
    }
}

void TreemapPicture::paintExport(QPainter& painter, const QRectF& target) const {
    if (m_model.layout() == nullptr) {
        return;
    }
    TreemapRequest request = wanted();
    request.area = target.size();
    painter.save();
    painter.translate(target.topLeft());
    paintMap(painter, makeTreemap(m_model.source()->tensors(), *m_model.layout(), request), false);
    painter.restore();
}

// --- pointer and keys

void TreemapPicture::mouseMoveEvent(QMouseEvent* event) {
    const std::optional<std::size_t> tile = tileAt(event->position());
    if (tile != m_hover) {
        m_hover = tile;
        update();
        emit hovered(tile ? m_map->tiles[*tile].tensor : -1, tile ? sentence(*tile) : QString());
    }
}

void TreemapPicture::leaveEvent(QEvent* event) {
    QWidget::leaveEvent(event);
    m_hover.reset();
    update();
    emit hovered(-1, {});
}

void TreemapPicture::mousePressEvent(QMouseEvent* event) {
    m_ring = false;
    const std::optional<std::size_t> tile = tileAt(event->position());
    if (event->button() == Qt::LeftButton && tile && m_map->tiles[*tile].tensor >= 0) {
        m_model.select(static_cast<std::size_t>(m_map->tiles[*tile].tensor));
    }
}

void TreemapPicture::mouseDoubleClickEvent(QMouseEvent* event) {
    const std::optional<std::size_t> tile = tileAt(event->position());
    if (tile && m_map->tiles[*tile].tensor >= 0) {
        emit opened(static_cast<std::size_t>(m_map->tiles[*tile].tensor));
    }
}

/// The nearest tensor in a direction: whose centre lies that way, straight ones preferred.
void TreemapPicture::step(int dx, int dy) {
    if (m_map == nullptr) {
        return;
    }
    const std::optional<std::size_t> from = selectedTile();
    std::optional<std::size_t> best;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < m_map->tiles.size(); ++i) {
        const TreemapTile& tile = m_map->tiles[i];
        if (tile.tensor < 0 || (from && i == *from)) {
            continue;
        }
        if (!from) {
            best = i;  // the first one: the largest of the largest group
            break;
        }
        const QPointF way = tile.rect.center() - m_map->tiles[*from].rect.center();
        const double along = dx != 0 ? way.x() * dx : way.y() * dy;
        const double across = std::fabs(dx != 0 ? way.y() : way.x());
        if (along > 0.5 && along + 3 * across < least) {
            least = along + 3 * across;
            best = i;
        }
    }
    if (best) {
        m_model.select(static_cast<std::size_t>(m_map->tiles[*best].tensor));
    }
}

void TreemapPicture::keyPressEvent(QKeyEvent* event) {
    if (const std::optional<QPoint> way = arrowOf(*event)) {
        step(way->x(), way->y());
    } else if (event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter) {
        if (m_model.selected()) {
            emit opened(*m_model.selected());
        }
    } else if (event->key() == Qt::Key_Escape && m_model.selected()) {
        m_model.select(std::nullopt);
    } else {
        QWidget::keyPressEvent(event);
    }
}

void TreemapPicture::focusInEvent(QFocusEvent* event) {
    m_ring = event->reason() == Qt::TabFocusReason || event->reason() == Qt::BacktabFocusReason;
    QWidget::focusInEvent(event);
    update();
}

bool TreemapPicture::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const std::optional<std::size_t> tile = tileAt(help->pos());
        QToolTip::showText(
            help->globalPos(), tile ? sentence(*tile).toHtmlEscaped() : QString(), this);
        return true;
    }
    return QWidget::event(event);
}

void TreemapPicture::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    m_later.start();
}

void TreemapPicture::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    m_later.start();
}

void TreemapPicture::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::FontChange) {
        m_later.start();
    }
}

}  // namespace loupe::app
