// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/treemap_view.hpp"

#include "app/jobs/job_manager.hpp"
#include "app/plot/plot_style.hpp"
#include "app/views/tensor_filter.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/units.hpp"

#include <QAccessible>
#include <QHBoxLayout>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QLabel>
#include <QMouseEvent>
#include <QPainter>
#include <QPushButton>
#include <QToolTip>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr auto kSlot = "atlas.treemap";
constexpr int kLaterMs = 60;
constexpr double kHead = 20;

TreemapGroup groupOf(const QString& id) {
    return id == QLatin1String("layer")  ? TreemapGroup::Layer
           : id == QLatin1String("none") ? TreemapGroup::None
                                         : TreemapGroup::Role;
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
        m_later.start();
    });
    connect(&model, &AtlasModel::selectionChanged, this, [this] {
        update();
        announce();
    });
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
    const auto tensor = static_cast<std::size_t>(tile.tensor);
    const TensorInfo& info = m_model.source()->tensors()[tensor];
    return tr("%1 · %2, %3 of all · %4, %5 %6")
        .arg(placeText(m_model.layout()->places[tensor]),
             size,
             share,
             QString::fromStdString(info.name),
             QString::fromStdString(shapeText(info, " × ")),
             QString::fromStdString(info.dtypeName));
}

void TreemapPicture::announce() {
    const std::optional<std::size_t> tile = selectedTile();
    const QString text = tile               ? sentence(*tile)
                         : m_map != nullptr ? tr("%1 in %2 rectangles; no tensor selected")
                                                  .arg(sizeText(m_map->total))
                                                  .arg(m_map->tiles.size())
                                            : QString();
    if (text != accessibleDescription()) {
        setAccessibleDescription(text);
        QAccessibleEvent event(this, QAccessible::DescriptionChanged);
        QAccessible::updateAccessibility(&event);
    }
}

QString TreemapPicture::copyText() const {
    if (m_model.layout() == nullptr) {
        return {};
    }
    QString text = QStringLiteral("tensor\tstack\tlayer\trole\tbytes\tparameters\n");
    const std::span<const TensorInfo> tensors = m_model.source()->tensors();
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const TensorPlace& place = m_model.layout()->places[i];
        text += QStringLiteral("%1\t%2\t%3\t%4\t%5\t%6\n")
                    .arg(QString::fromStdString(tensors[i].name),
                         QString::fromStdString(place.stack),
                         place.layer < 0 ? QString() : QString::number(place.layer),
                         QString::fromStdString(place.role))
                    .arg(tensors[i].bytes)
                    .arg(tensors[i].parameters);
    }
    return text;
}

// --- painting

/// The name, and the size where there is room for a second line or beside it. Nothing that does
/// not fit.
void TreemapPicture::paintLabel(QPainter& painter, const TreemapTile& tile) const {
    const Theme& theme = Theme::current();
    const QRectF box = tile.rect.adjusted(Theme::px(6), Theme::px(2), -Theme::px(6), -Theme::px(2));
    const double line = lineHeight(TextRole::Small);
    if (box.height() < line - Theme::px(2) || box.width() < Theme::px(12)) {
        return;
    }
    const QString size = sizeText(tile.size);
    const double nameWidth = textWidth(tile.label, TextRole::Small);
    const double sizeWidth = textWidth(size, TextRole::NumberAxis);
    if (tile.isGroup) {
        const QRectF head(box.left(), tile.rect.top() + 1, box.width(), m_shown.head);
        if (nameWidth <= head.width()) {
            drawTextLine(painter,
                         head,
                         Qt::AlignLeft | Qt::AlignVCenter,
                         tile.label,
                         TextRole::Small,
                         theme.text);
        }
        if (nameWidth + sizeWidth + Theme::px(12) <= head.width()) {
            drawTextLine(painter,
                         head,
                         Qt::AlignRight | Qt::AlignVCenter,
                         size,
                         TextRole::NumberAxis,
                         theme.text2);
        }
        return;
    }
    const bool two = box.height() >= 2 * line && sizeWidth <= box.width();
    if (nameWidth <= box.width()) {
        drawTextLine(painter,
                     two ? QRectF(box.left(), box.center().y() - line, box.width(), line) : box,
                     Qt::AlignCenter,
                     tile.label,
                     TextRole::Small,
                     theme.text);
        if (two) {
            drawTextLine(painter,
                         QRectF(box.left(), box.center().y(), box.width(), line),
                         Qt::AlignCenter,
                         size,
                         TextRole::NumberAxis,
                         theme.text2);
        }
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
        } else if (tile.tensor < 0) {
            painter.save();
            painter.setRenderHint(QPainter::Antialiasing);
            painter.fillRect(rect, theme.panel);
            fillHatched(painter, rect, theme.border, Theme::px(6), 1);
            painter.restore();
        } else {
            painter.fillRect(rect, theme.raised);
        }
        if (tile.tensor >= 0 || tile.isGroup) {
            paintLabel(painter, tile);
        }
    }
    if (!interactive) {
        return;
    }
    const auto ring = [&](const QRectF& rect, double width) {
        painter.setBrush(Qt::NoBrush);
        painter.setPen(QPen(Qt::black, width + 2));
        painter.drawRect(rect.adjusted(1, 1, -2, -2));
        painter.setPen(QPen(Qt::white, width));
        painter.drawRect(rect.adjusted(1, 1, -2, -2));
    };
    if (m_hover && *m_hover < map.tiles.size()) {
        painter.setBrush(Qt::NoBrush);
        painter.setPen(QPen(theme.text, 1));
        painter.drawRect(map.tiles[*m_hover].rect.adjusted(0.5, 0.5, -1.5, -1.5));
    }
    if (const std::optional<std::size_t> tile = selectedTile()) {
        ring(map.tiles[*tile].rect, 2);
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
        emit hovered(tile ? sentence(*tile) : QString());
    }
}

void TreemapPicture::leaveEvent(QEvent* event) {
    QWidget::leaveEvent(event);
    m_hover.reset();
    update();
    emit hovered({});
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
    switch (event->key()) {
        case Qt::Key_Left:
            step(-1, 0);
            return;
        case Qt::Key_Right:
            step(1, 0);
            return;
        case Qt::Key_Up:
            step(0, -1);
            return;
        case Qt::Key_Down:
            step(0, 1);
            return;
        case Qt::Key_Return:
        case Qt::Key_Enter:
            if (m_model.selected()) {
                emit opened(*m_model.selected());
            }
            return;
        default:
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

// --- pane

TreemapPane::TreemapPane(AtlasModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    auto* head = new QHBoxLayout;
    head->setContentsMargins(Theme::px(12), Theme::px(8), Theme::px(12), Theme::px(8));
    head->setSpacing(Theme::px(12));
    m_size = new SegmentedControl(this);
    m_size->setCompact(true);
    m_size->setAccessibleName(tr("What an area stands for"));
    m_size->setOptions({{QStringLiteral("bytes"), tr("Bytes"), tr("Bytes in the file")},
                        {QStringLiteral("parameters"), tr("Parameters"), tr("Number of weights")}});
    m_group = new SegmentedControl(this);
    m_group->setCompact(true);
    m_group->setAccessibleName(tr("How tensors are grouped"));
    m_group->setOptions({{QStringLiteral("role"), tr("By role"), {}},
                         {QStringLiteral("layer"), tr("By layer"), {}},
                         {QStringLiteral("none"), tr("Tensors"), tr("No groups")}});
    m_total = new QLabel(this);
    setTextRole(m_total, TextRole::Small);
    setTone(m_total, Tone::Secondary);
    m_total->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    head->addWidget(m_size);
    head->addWidget(m_group);
    head->addWidget(m_total, 1);
    column->addLayout(head);
    m_picture = new TreemapPicture(model, this);
    column->addWidget(m_picture, 1);
    auto* foot = new QHBoxLayout;
    foot->setContentsMargins(Theme::px(12), Theme::px(6), Theme::px(12), Theme::px(8));
    m_detail = new QLabel(this);
    m_detail->setWordWrap(true);
    m_detail->setTextInteractionFlags(Qt::TextSelectableByMouse);
    setTextRole(m_detail, TextRole::Small);
    m_open = new QPushButton(tr("Open in Inspect"), this);
    foot->addWidget(m_detail, 1);
    foot->addWidget(m_open);
    column->addLayout(foot);
    connect(m_size, &SegmentedControl::chosen, this, &TreemapPane::choose);
    connect(m_group, &SegmentedControl::chosen, this, &TreemapPane::choose);
    connect(m_picture, &TreemapPicture::hovered, this, [this](const QString& sentence) {
        emit readoutChanged(sentence.toHtmlEscaped());
    });
    connect(m_picture, &TreemapPicture::opened, this, [this](std::size_t tensor) {
        m_model.open(tensor, this);
    });
    connect(m_open, &QPushButton::clicked, this, [this] {
        if (m_model.selected()) {
            m_model.open(*m_model.selected(), this);
        }
    });
    connect(&model, &AtlasModel::selectionChanged, this, &TreemapPane::showSelection);
    connect(&model, &AtlasModel::layoutChanged, this, &TreemapPane::showSelection);
    m_size->setCurrent(QStringLiteral("bytes"));
    m_group->setCurrent(QStringLiteral("role"));
    showSelection();
}

void TreemapPane::choose() {
    m_picture->choose(groupOf(m_group->current()),
                      m_size->current() == QLatin1String("parameters") ? TreemapSize::Parameters
                                                                       : TreemapSize::Bytes);
}

void TreemapPane::showSelection() {
    const std::shared_ptr<const TensorSource>& source = m_model.source();
    m_total->setText(source ? tr("%1 · %2 parameters")
                                  .arg(QString::fromStdString(
                                           decimalBytes(static_cast<double>(source->info().bytes))),
                                       formatCount(static_cast<qint64>(source->info().parameters)))
                            : QString());
    const bool shown = m_model.selected() && m_model.layout() != nullptr;
    if (shown) {
        const TensorInfo& info = source->tensors()[*m_model.selected()];
        m_detail->setText(
            tr("%1 · %2, %3 parameters · %4, %5 %6")
                .arg(placeText(m_model.layout()->places[*m_model.selected()]),
                     QString::fromStdString(decimalBytes(static_cast<double>(info.bytes))),
                     formatCount(static_cast<qint64>(info.parameters)),
                     QString::fromStdString(info.name),
                     QString::fromStdString(shapeText(info, " × ")),
                     QString::fromStdString(info.dtypeName)));
    } else {
        m_detail->setText(
            source ? tr("Click a rectangle, or walk with the arrow keys; Enter opens the tensor.")
                   : QString());
    }
    setTone(m_detail, shown ? Tone::Normal : Tone::Tertiary);
    m_open->setVisible(source != nullptr);
    m_open->setEnabled(shown);
}

QJsonObject TreemapPane::save() const {
    return {{QStringLiteral("group"), m_group->current()},
            {QStringLiteral("size"), m_size->current()}};
}

void TreemapPane::restore(const QJsonObject& state) {
    m_group->setCurrent(state[QStringLiteral("group")].toString(QStringLiteral("role")));
    m_size->setCurrent(state[QStringLiteral("size")].toString(QStringLiteral("bytes")));
    choose();
}

}  // namespace loupe::app
