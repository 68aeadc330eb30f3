// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/number_table.hpp"

#include <QApplication>
#include <QClipboard>
#include <QHeaderView>
#include <QKeyEvent>
#include <QPainter>
#include <QStyledItemDelegate>

#include <algorithm>

#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

class NumberDelegate : public QStyledItemDelegate {
public:
    explicit NumberDelegate(NumberTable* table) : QStyledItemDelegate(table), m_table(table) {}

    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override {
        const Theme& t = Theme::current();
        QStyleOptionViewItem opt(option);
        initStyleOption(&opt, index);
        const QString text = opt.text;
        opt.text.clear();
        m_table->style()->drawControl(QStyle::CE_ItemViewItem, &opt, painter, m_table);
        painter->save();
        painter->setRenderHint(QPainter::Antialiasing);
        if (m_table->isStale() && index.column() > 0) {
            painter->setOpacity(0.6);
        }
        const bool selected = option.state.testFlag(QStyle::State_Selected);
        QRect room = option.rect.adjusted(Theme::px(8), 0, -Theme::px(6), 0);
        if (m_table->isText(index.column())) {
            painter->setFont(Theme::font(TextRole::Small));
            painter->setPen(selected ? t.text : t.text2);
            const QFontMetrics metrics(painter->font());
            const QString unit = index.data(NumberTable::kUnitRole).toString();
            const int unitWidth = unit.isEmpty() ? 0 : metrics.horizontalAdvance(unit) + Theme::px(5);
            const QString shown = metrics.elidedText(text, Qt::ElideMiddle, room.width() - unitWidth);
            painter->drawText(room, Qt::AlignVCenter | Qt::AlignLeft, shown);
            if (!unit.isEmpty()) {
                painter->setPen(selected ? t.text2 : t.text3);
                room.setLeft(room.left() + metrics.horizontalAdvance(shown) + Theme::px(5));
                painter->drawText(room, Qt::AlignVCenter | Qt::AlignLeft, unit);
            }
        } else {
            if (m_table->hasDots()) {
                room.setRight(option.rect.right() - Theme::px(18));
                if (index.data(NumberTable::kDotRole).toBool()) {
                    painter->setPen(Qt::NoPen);
                    painter->setBrush(t.text);
                    const double r = Theme::px(6) / 2.0;
                    painter->drawEllipse(QPointF(room.right() + Theme::px(8), option.rect.center().y() + 0.5), r, r);
                }
            }
            painter->setFont(Theme::font(TextRole::Number));
            painter->setPen(t.text);
            painter->drawText(room, Qt::AlignVCenter | Qt::AlignRight, text);
        }
        painter->restore();
    }

    [[nodiscard]] QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override {
        const bool words = m_table->isText(index.column());
        const QFontMetrics metrics(Theme::font(words ? TextRole::Small : TextRole::Number));
        const QString unit = index.data(NumberTable::kUnitRole).toString();
        int width = metrics.horizontalAdvance(index.data().toString()) + Theme::px(16);
        if (words) {
            width = std::min(width, Theme::px(160)) + (unit.isEmpty() ? 0 : metrics.horizontalAdvance(unit) + Theme::px(6));
        } else if (m_table->hasDots()) {
            width += Theme::px(14);
        }
        return {width, std::max(Theme::px(24), option.fontMetrics.height())};
    }

private:
    NumberTable* m_table;
};

}  // namespace

NumberTable::NumberTable(const QStringList& headers, QWidget* parent) : QTableWidget(parent) {
    setColumnCount(static_cast<int>(headers.size()));
    setHorizontalHeaderLabels(headers);
    setItemDelegate(new NumberDelegate(this));
    setShowGrid(false);
    setFrameShape(QFrame::NoFrame);
    setEditTriggers(NoEditTriggers);
    setSelectionBehavior(SelectRows);
    setSelectionMode(ExtendedSelection);
    setWordWrap(false);
    setHorizontalScrollMode(ScrollPerPixel);
    setVerticalScrollMode(ScrollPerPixel);
    setTabKeyNavigation(false);
    verticalHeader()->hide();
    horizontalHeader()->setHighlightSections(false);
    horizontalHeader()->setSectionsClickable(false);
    horizontalHeader()->setMinimumSectionSize(Theme::px(24));
    horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    horizontalHeader()->setSectionResizeMode(0, QHeaderView::Stretch);
    horizontalHeader()->setDefaultAlignment(Qt::AlignRight | Qt::AlignVCenter);
    horizontalHeaderItem(0)->setTextAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    // Tables lie on the panel, not on canvas.
    setBackgroundRole(QPalette::Window);
    viewport()->setBackgroundRole(QPalette::Window);
    restyle();
}

void NumberTable::setTextColumns(const std::vector<int>& columns) {
    m_textColumns = columns;
    for (const int column : columns) {
        horizontalHeaderItem(column)->setTextAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    }
}

void NumberTable::setDots(bool dots) {
    m_dots = dots;
    viewport()->update();
}

bool NumberTable::isText(int column) const {
    return std::find(m_textColumns.begin(), m_textColumns.end(), column) != m_textColumns.end();
}

void NumberTable::setCell(int row, int column, const QString& text, const QString& toolTip) {
    QTableWidgetItem* cell = item(row, column);
    if (cell == nullptr) {
        cell = new QTableWidgetItem;
        cell->setFlags(Qt::ItemIsEnabled | Qt::ItemIsSelectable);
        setItem(row, column, cell);
    }
    if (cell->text() != text) {
        cell->setText(text);
    }
    if (!toolTip.isEmpty() && cell->toolTip() != toolTip) {
        cell->setToolTip(toolTip);
    }
}

void NumberTable::setDot(int row, int column, bool on) {
    QTableWidgetItem* cell = item(row, column);
    if (cell != nullptr && cell->data(kDotRole).toBool() != on) {
        cell->setData(kDotRole, on);
        cell->setData(Qt::AccessibleTextRole, on ? cell->text() + tr(", the better one") : cell->text());
    }
}

void NumberTable::setUnit(int row, const QString& unit) {
    if (QTableWidgetItem* cell = item(row, 0)) {
        cell->setData(kUnitRole, unit);
    }
}

void NumberTable::setHeaderSide(int column, const QString& side) {
    m_sides.emplace_back(column, side);
    restyle();
}

void NumberTable::setStale(bool stale) {
    if (stale != m_stale) {
        m_stale = stale;
        viewport()->update();
    }
}

QString NumberTable::copyText(bool selectedOnly) const {
    QStringList lines;
    QStringList cells;
    for (int column = 0; column < columnCount(); ++column) {
        cells << horizontalHeaderItem(column)->text();
    }
    lines << cells.join(QLatin1Char('\t'));
    const bool some = selectedOnly && !selectedIndexes().isEmpty();
    for (int row = 0; row < rowCount(); ++row) {
        if (isRowHidden(row) || (some && !selectionModel()->isRowSelected(row))) {
            continue;
        }
        cells.clear();
        for (int column = 0; column < columnCount(); ++column) {
            const QTableWidgetItem* cell = item(row, column);
            QString text = cell != nullptr ? cell->text() : QString();
            if (!isText(column)) {
                text = toAscii(text);
                text.remove(QLatin1Char('%'));
            } else if (cell != nullptr && !cell->data(kUnitRole).toString().isEmpty()) {
                text += QLatin1Char(' ') + cell->data(kUnitRole).toString();
            }
            cells << text;
        }
        lines << cells.join(QLatin1Char('\t'));
    }
    return lines.join(QLatin1Char('\n')) + QLatin1Char('\n');
}

int NumberTable::fullHeight() const {
    int height = horizontalHeader()->isHidden() ? 0 : horizontalHeader()->sizeHint().height();
    for (int row = 0; row < rowCount(); ++row) {
        height += isRowHidden(row) ? 0 : rowHeight(row);
    }
    return height + 2;
}

void NumberTable::restyle() {
    const Theme& t = Theme::current();
    verticalHeader()->setMinimumSectionSize(Theme::px(20));
    verticalHeader()->setDefaultSectionSize(Theme::px(24));
    for (const auto& [column, side] : m_sides) {
        QTableWidgetItem* header = horizontalHeaderItem(column);
        header->setForeground(side == QLatin1String("A") ? t.schemeA : t.schemeB);
        QFont face = Theme::font(TextRole::Caption);
        face.setWeight(QFont::DemiBold);
        header->setFont(face);
    }
}

void NumberTable::keyPressEvent(QKeyEvent* event) {
    if (event->matches(QKeySequence::Copy)) {
        QApplication::clipboard()->setText(copyText(true));
        return;
    }
    QTableWidget::keyPressEvent(event);
}

void NumberTable::changeEvent(QEvent* event) {
    QTableWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::StyleChange) {
        restyle();
    }
}

}  // namespace loupe::app
