// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/ladder_table.hpp"

#include "app/plot/category.hpp"
#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"

#include <QHeaderView>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QStyledItemDelegate>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr int kSkippedHeight = 32;

/// Heights of bars: a root, so that a rare code is seen beside a frequent one.
double height(std::uint64_t count, std::uint64_t most) {
    return most == 0 ? 0 : std::sqrt(static_cast<double>(count) / static_cast<double>(most));
}

std::uint64_t largest(const std::vector<std::uint64_t>& counts) {
    return counts.empty() ? 0 : *std::max_element(counts.begin(), counts.end());
}

/// A filled outline of a histogram, as one path.
void fillHistogram(QPainter& painter,
                   const QRectF& area,
                   const std::vector<std::uint64_t>& counts,
                   const QColor& color) {
    const std::uint64_t most = largest(counts);
    if (most == 0) {
        return;
    }
    QPolygonF outline;
    outline << area.bottomLeft();
    const double step = area.width() / static_cast<double>(counts.size());
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const double y = area.bottom() - area.height() * height(counts[i], most);
        outline << QPointF(area.left() + step * static_cast<double>(i), y)
                << QPointF(area.left() + step * static_cast<double>(i + 1), y);
    }
    outline << area.bottomRight();
    painter.setPen(Qt::NoPen);
    painter.setBrush(color);
    painter.drawPolygon(outline);
}

void baseLine(QPainter& painter, const QRectF& area) {
    painter.setPen(QPen(Theme::current().border, 1));
    painter.drawLine(area.bottomLeft(), area.bottomRight());
}

/// Weights as a grey area, the grid as lines from the top; where there is no common grid, what the
/// weights become as a line.
void paintGrid(QPainter& painter, const QRectF& area, const LadderPictures& pictures) {
    const Theme& theme = Theme::current();
    const QRectF plot = area.adjusted(0, Theme::px(7), 0, 0);
    fillHistogram(painter, plot, pictures.before.counts, theme.fill);
    const double span = pictures.before.max - pictures.before.min;
    const auto levels = static_cast<double>(pictures.levels.size());
    if (!pictures.levels.empty() && levels * 2 <= area.width()) {
        painter.setPen(QPen(theme.text, 1));
        for (const double level : pictures.levels) {
            const double x =
                std::round(area.left() + area.width() * (level - pictures.before.min) / span) + 0.5;
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.top() + Theme::px(6)));
        }
    } else if (pictures.levels.empty()) {
        const std::uint64_t most = largest(pictures.after.counts);
        QPolygonF line;
        const double step = plot.width() / static_cast<double>(pictures.after.counts.size());
        for (std::size_t i = 0; i < pictures.after.counts.size(); ++i) {
            line << QPointF(plot.left() + step * (static_cast<double>(i) + 0.5),
                            plot.bottom() - plot.height() * height(pictures.after.counts[i], most));
        }
        painter.setPen(QPen(theme.text, 1));
        painter.drawPolyline(line);
    } else {
        painter.setPen(Qt::NoPen);  // closer than the eye tells apart
        painter.setBrush(theme.text3);
        painter.drawRect(QRectF(area.left(), area.top(), area.width(), Theme::px(3)));
    }
    baseLine(painter, plot);
    if (pictures.below + pictures.above > 0) {
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme.warning);
        const double w = Theme::px(3);
        if (pictures.below > 0) {
            painter.drawRect(QRectF(plot.left(), plot.top(), w, plot.height()));
        }
        if (pictures.above > 0) {
            painter.drawRect(QRectF(plot.right() - w, plot.top(), w, plot.height()));
        }
    }
}

void paintErrors(QPainter& painter, const QRectF& area, const LadderPictures& pictures) {
    const Theme& theme = Theme::current();
    fillHistogram(painter, area, pictures.errors.counts, theme.fill);
    painter.setPen(QPen(theme.text3, 1, Qt::DotLine));
    painter.drawLine(QPointF(area.center().x(), area.top()),
                     QPointF(area.center().x(), area.bottom()));
    baseLine(painter, area);
}

void paintCodes(QPainter& painter, const QRectF& area, const LadderRow& row) {
    const Theme& theme = Theme::current();
    const auto [low, high] = row.codeRange;
    if (row.codeUsage.empty() || high < low) {
        drawTextLine(
            painter, area, Qt::AlignCenter, QStringLiteral("–"), TextRole::Number, theme.text3);
        return;
    }
    // One bar for each code, or for each pixel where there are more codes than pixels.
    const auto columns = std::clamp<std::int64_t>(
        high - low + 1, 1, std::max<std::int64_t>(static_cast<std::int64_t>(area.width()), 1));
    std::vector<std::uint64_t> counts(static_cast<std::size_t>(columns), 0);
    for (const auto& [code, count] : row.codeUsage) {
        counts[static_cast<std::size_t>((code - low) * columns / (high - low + 1))] += count;
    }
    const std::uint64_t most = largest(counts);
    const double step = area.width() / static_cast<double>(columns);
    const double gap = step >= 4 ? 1 : 0;
    painter.setPen(Qt::NoPen);
    painter.setBrush(theme.fill);
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const double h = area.height() * height(counts[i], most);
        if (counts[i] > 0) {
            painter.drawRect(QRectF(area.left() + step * static_cast<double>(i),
                                    area.bottom() - std::max(h, 1.0),
                                    step - gap,
                                    std::max(h, 1.0)));
        }
    }
    baseLine(painter, area);
}

class LadderDelegate : public QStyledItemDelegate {
public:
    LadderDelegate(const LadderModel& model, LadderTable& table)
        : QStyledItemDelegate(&table), m_model(model), m_table(table) {}

    void paint(QPainter* painter,
               const QStyleOptionViewItem& option,
               const QModelIndex& index) const override {
        const LadderModel::Item& item = m_model.item(index.row());
        if (!item.row) {
            return;  // drawRow() did it
        }
        painter->save();
        painter->setRenderHint(QPainter::Antialiasing);
        const int pad = Theme::px(8);
        const QRectF area = QRectF(option.rect).adjusted(pad, Theme::px(8), -pad, -Theme::px(8));
        switch (index.column()) {
            case LadderModel::Name:
                paintName(*painter, option, item);
                break;
            case LadderModel::Grid:
                paintGrid(*painter, area, item.row->pictures);
                break;
            case LadderModel::Errors:
                paintErrors(*painter, area, item.row->pictures);
                break;
            case LadderModel::Codes:
                paintCodes(*painter, area, *item.row);
                break;
            default:
                drawTextLine(*painter,
                             QRectF(option.rect).adjusted(0, 0, -pad, 0),
                             Qt::AlignRight | Qt::AlignVCenter,
                             index.data().toString(),
                             TextRole::Number,
                             Theme::current().text);
        }
        painter->restore();
    }

    [[nodiscard]] QSize sizeHint(const QStyleOptionViewItem&,
                                 const QModelIndex& index) const override {
        return {Theme::px(60),
                Theme::px(m_model.item(index.row()).row ? m_table.rowHeight() : kSkippedHeight)};
    }

private:
    void paintName(QPainter& painter,
                   const QStyleOptionViewItem& option,
                   const LadderModel::Item& item) const {
        const Theme& theme = Theme::current();
        const QRectF rect(option.rect);
        const LadderEntry& entry = item.entry();
        drawCategoryMark(painter,
                         familyCategory(entry.family),
                         QPointF(rect.left() + Theme::px(17), rect.center().y()),
                         Theme::px(5));
        double right = rect.right() - Theme::px(26);
        const QString scheme = QString::fromStdString(entry.scheme);
        const double badge = Theme::px(18);
        for (const Side side : {Side::B, Side::A}) {
            if (scheme == (side == Side::A ? m_model.schemeA() : m_model.schemeB())) {
                drawSideBadge(painter,
                              QRectF(right - badge, rect.center().y() - badge / 2, badge, badge),
                              side);
                right -= badge + Theme::px(4);
            }
        }
        const bool selected = option.state & QStyle::State_Selected;
        if (item.pinned || scheme == m_table.hovered() || selected) {
            const QRect pin(option.rect.right() - Theme::px(22),
                            option.rect.center().y() - Theme::px(7),
                            Theme::px(14),
                            Theme::px(14));
            themedIcon(QStringLiteral("pin"))
                .paint(
                    &painter, pin, Qt::AlignCenter, item.pinned ? QIcon::Active : QIcon::Disabled);
        }
        const double left = rect.left() + Theme::px(30);
        const double width = right - left - Theme::px(2);
        const auto line =
            [&](double top, const QString& words, TextRole role, const QColor& color) {
                const QFontMetricsF metrics(Theme::font(role));
                drawTextLine(painter,
                             QRectF(left, top, width, lineHeight(role)),
                             Qt::AlignLeft | Qt::AlignVCenter,
                             metrics.elidedText(words, Qt::ElideMiddle, width),
                             role,
                             color);
            };
        const double total = lineHeight(TextRole::Small) + lineHeight(TextRole::NumberAxis) +
                             (item.pareto ? lineHeight(TextRole::Caption) : 0);
        double top = rect.center().y() - total / 2;
        line(top, QString::fromStdString(entry.title), TextRole::Small, theme.text);
        top += lineHeight(TextRole::Small);
        line(top, scheme, TextRole::NumberAxis, selected ? theme.text2 : theme.text3);
        if (item.pareto) {
            top += lineHeight(TextRole::NumberAxis);
            line(top, LadderModel::tr("on the front"), TextRole::Caption, theme.text2);
        }
    }

    const LadderModel& m_model;
    LadderTable& m_table;
};

}  // namespace

LadderTable::LadderTable(LadderModel& model, QWidget* parent) : QTreeView(parent), m_model(model) {
    setModel(&model);
    setItemDelegate(new LadderDelegate(model, *this));
    setRootIsDecorated(false);
    setIndentation(0);
    setItemsExpandable(false);
    setUniformRowHeights(false);
    setSelectionBehavior(SelectRows);
    setSelectionMode(SingleSelection);
    setEditTriggers(NoEditTriggers);
    setAllColumnsShowFocus(true);
    setMouseTracking(true);
    setFrameShape(QFrame::NoFrame);
    setVerticalScrollMode(ScrollPerPixel);
    setHorizontalScrollMode(ScrollPerPixel);
    setAccessibleName(tr("Schemes of the ladder"));
    header()->setSectionsMovable(false);
    header()->setSectionsClickable(true);
    header()->setStretchLastSection(false);
    header()->setSortIndicatorShown(true);
    header()->setSortIndicator(model.sortColumn(), model.sortOrder());
    header()->setMinimumSectionSize(Theme::px(40));
    setColumnHidden(LadderModel::Output, true);
    connect(header(), &QHeaderView::sectionClicked, this, [this](int column) {
        const FigureDefinition* figure = LadderModel::figureOf(column);
        if (figure == nullptr && column != LadderModel::Name) {
            header()->setSortIndicator(m_model.sortColumn(), m_model.sortOrder());
            return;
        }
        // The first click puts the best on top, the second the worst.
        const Qt::SortOrder best =
            figure != nullptr && !figure->lowerIsBetter ? Qt::DescendingOrder : Qt::AscendingOrder;
        const bool again = m_model.sortColumn() == column && m_model.sortOrder() == best;
        const Qt::SortOrder order =
            !again ? best : (best == Qt::AscendingOrder ? Qt::DescendingOrder : Qt::AscendingOrder);
        m_model.sort(column, order);
        header()->setSortIndicator(column, order);
    });
    connect(this, &QTreeView::doubleClicked, this, [this](const QModelIndex& index) {
        if (m_model.item(index.row()).row) {
            emit chosen(QString::fromStdString(m_model.item(index.row()).entry().scheme));
        }
    });
    fitColumns();
}

void LadderTable::setRowHeight(int height) {
    if (height != m_rowHeight) {
        m_rowHeight = height;
        scheduleDelayedItemsLayout();
    }
}

void LadderTable::setOutputShown(bool shown) {
    if (shown != m_outputShown) {
        m_outputShown = shown;
        setColumnHidden(LadderModel::Output, !shown);
        fitColumns();
    }
}

void LadderTable::fitColumns() {
    struct Width {
        int column, width;
    };
    static constexpr Width kWidths[] = {{LadderModel::Grid, 104},
                                        {LadderModel::Errors, 74},
                                        {LadderModel::Codes, 74},
                                        {LadderModel::Bits, 58},
                                        {LadderModel::Sqnr, 88},
                                        {LadderModel::Rel, 80},
                                        {LadderModel::Output, 110},
                                        {LadderModel::Time, 66},
                                        {LadderModel::Largest, 80},
                                        {LadderModel::Zeros, 64}};
    int used = 0;
    for (const Width& width : kWidths) {
        header()->resizeSection(width.column, Theme::px(width.width));
        used += isColumnHidden(width.column) ? 0 : Theme::px(width.width);
    }
    header()->resizeSection(LadderModel::Name,
                            std::max(Theme::px(196), viewport()->width() - used));
}

void LadderTable::setHovered(const QString& scheme) {
    if (scheme != m_hovered) {
        m_hovered = scheme;
        viewport()->update();
    }
}

QString LadderTable::schemeAt(const QPoint& position) const {
    const QModelIndex index = indexAt(position);
    return index.isValid() && m_model.item(index.row()).row
               ? QString::fromStdString(m_model.item(index.row()).entry().scheme)
               : QString();
}

QRect LadderTable::pinRect(const QModelIndex& index) const {
    const QRect rect = visualRect(index.siblingAtColumn(LadderModel::Name));
    return {rect.right() - Theme::px(26), rect.top(), Theme::px(26), rect.height()};
}

QRect LadderTable::runRect(const QModelIndex& index) const {
    const QRect rect = visualRect(index.siblingAtColumn(LadderModel::Name));
    const int width = static_cast<int>(textWidth(tr("Run"), TextRole::Small)) + Theme::px(20);
    const int height = std::min(rect.height() - Theme::px(4), Theme::px(24));
    return {
        viewport()->width() - width - Theme::px(8), rect.center().y() - height / 2, width, height};
}

void LadderTable::drawRow(QPainter* painter,
                          const QStyleOptionViewItem& option,
                          const QModelIndex& index) const {
    const Theme& theme = Theme::current();
    const LadderModel::Item& item = m_model.item(index.row());
    const QRect row(0, option.rect.top(), viewport()->width(), option.rect.height());
    if (item.row && QString::fromStdString(item.entry().scheme) == m_hovered) {
        painter->fillRect(row, theme.raised);
    } else if (item.pinned) {
        painter->fillRect(row, theme.panel);
    }
    QTreeView::drawRow(painter, option, index);
    painter->setPen(QPen(theme.grid, 1));
    painter->drawLine(row.bottomLeft(), row.bottomRight());
    if (item.row) {
        return;
    }
    const int left = row.left() + Theme::px(30);
    const double name = std::min<double>(columnWidth(LadderModel::Name), row.width() * 0.45);
    drawCategoryMark(*painter,
                     familyCategory(item.entry().family),
                     QPointF(row.left() + Theme::px(17), row.center().y()),
                     Theme::px(3.5));
    const QFontMetricsF metrics(Theme::font(TextRole::Small));
    drawTextLine(
        *painter,
        QRectF(left, row.top(), name - Theme::px(38), row.height()),
        Qt::AlignLeft | Qt::AlignVCenter,
        metrics.elidedText(
            QString::fromStdString(item.entry().title), Qt::ElideMiddle, name - Theme::px(38)),
        TextRole::Small,
        theme.text3);
    double room = row.width() - name - Theme::px(8);
    if (item.skip.expectedSeconds > 0) {
        const QRect button = runRect(index);
        painter->setRenderHint(QPainter::Antialiasing);
        painter->setPen(QPen(theme.border, 1));
        painter->setBrush(theme.raised);
        painter->drawRoundedRect(QRectF(button).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4);
        drawTextLine(*painter, button, Qt::AlignCenter, tr("Run"), TextRole::Small, theme.text);
        room = button.left() - name - Theme::px(8);
    }
    drawTextLine(*painter,
                 QRectF(name, row.top(), room, row.height()),
                 Qt::AlignLeft | Qt::AlignVCenter,
                 metrics.elidedText(QString::fromStdString(item.skip.reason), Qt::ElideRight, room),
                 TextRole::Small,
                 theme.text3);
}

void LadderTable::mouseMoveEvent(QMouseEvent* event) {
    QTreeView::mouseMoveEvent(event);
    const QString scheme = schemeAt(event->pos());
    if (scheme != m_hovered) {
        setHovered(scheme);
        emit hoveredChanged(scheme);
    }
}

void LadderTable::mousePressEvent(QMouseEvent* event) {
    const QModelIndex index = indexAt(event->pos());
    if (event->button() == Qt::LeftButton && index.isValid() &&
        m_model.item(index.row()).skip.expectedSeconds > 0 &&
        runRect(index).contains(event->pos())) {
        emit runClicked(QString::fromStdString(m_model.item(index.row()).entry().scheme));
        return;
    }
    if (event->button() == Qt::LeftButton && index.isValid() && m_model.item(index.row()).row &&
        pinRect(index).contains(event->pos())) {
        emit pinClicked(schemeAt(event->pos()));
        return;
    }
    QTreeView::mousePressEvent(event);
}

void LadderTable::leaveEvent(QEvent* event) {
    QTreeView::leaveEvent(event);
    setHovered({});
    emit hoveredChanged({});
}

void LadderTable::keyPressEvent(QKeyEvent* event) {
    const QModelIndex index = currentIndex();
    const bool enter = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
    if (enter && index.isValid() && m_model.item(index.row()).skip.expectedSeconds > 0) {
        emit runClicked(QString::fromStdString(m_model.item(index.row()).entry().scheme));
        return;
    }
    if (index.isValid() && m_model.item(index.row()).row) {
        const QString scheme = QString::fromStdString(m_model.item(index.row()).entry().scheme);
        if (enter) {
            emit chosen(scheme);
            return;
        }
        if (event->key() == Qt::Key_Space) {
            emit pinClicked(scheme);
            return;
        }
    }
    QTreeView::keyPressEvent(event);
}

void LadderTable::resizeEvent(QResizeEvent* event) {
    QTreeView::resizeEvent(event);
    fitColumns();
}

void LadderTable::changeEvent(QEvent* event) {
    QTreeView::changeEvent(event);
    if (event->type() == QEvent::StyleChange || event->type() == QEvent::FontChange) {
        fitColumns();
        scheduleDelayedItemsLayout();
    }
}

}  // namespace loupe::app
