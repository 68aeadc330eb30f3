// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/views/ladder_model.hpp"

#include <QTreeView>

namespace loupe::app {

/// The ladder's rows. One delegate paints names and the small pictures; rows that could not run are
/// low, grey, and say why across all columns.
class LadderTable : public QTreeView {
    Q_OBJECT

public:
    LadderTable(LadderModel& model, QWidget* parent = nullptr);

    /// Height of a row that ran, in logical pixels: 48, 56 or 72.
    void setRowHeight(int height);
    void setOutputShown(bool shown);
    /// The row under the pointer, here or in the plot; empty: none.
    void setHovered(const QString& scheme);
    [[nodiscard]] const QString& hovered() const { return m_hovered; }
    [[nodiscard]] int rowHeight() const { return m_rowHeight; }
    /// Where "Run" stands in a row that waits to be asked for, in coordinates of the viewport.
    [[nodiscard]] QRect runRect(const QModelIndex& index) const;

signals:
    void hoveredChanged(const QString& scheme);
    /// Double click or Enter.
    void chosen(const QString& scheme);
    /// The pin of a row was clicked.
    void pinClicked(const QString& scheme);
    /// "Run" of a row that does not run by itself, or Enter on it.
    void runClicked(const QString& scheme);

protected:
    void drawRow(QPainter* painter,
                 const QStyleOptionViewItem& option,
                 const QModelIndex& index) const override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void fitColumns();
    [[nodiscard]] QString schemeAt(const QPoint& position) const;
    [[nodiscard]] QRect pinRect(const QModelIndex& index) const;

    LadderModel& m_model;
    QString m_hovered;
    int m_rowHeight = 56;
    bool m_outputShown = false;
};

}  // namespace loupe::app
