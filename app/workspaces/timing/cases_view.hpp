// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/timing/case_table.hpp"

#include <QWidget>

class QPainter;

namespace loupe::app {

class TimingModel;

/// The cases as bars in three columns that share no axis: measured times with every single run,
/// quartiles and floor; counted bytes; a model's times.
class CasesView : public QWidget {
    Q_OBJECT

public:
    explicit CasesView(TimingModel& model, QWidget* parent = nullptr);

    void paintTo(QPainter& painter, const QRectF& target);
    /// Height that shows every row.
    [[nodiscard]] double fullHeight() const;
    [[nodiscard]] QRectF rowRect(int row) const;
    [[nodiscard]] QString sentence(int row) const;
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

signals:
    void hovered(const QString& html);
    void activated();
    void rowShown(const QRectF& rect);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    struct Columns {
        double name = 0;
        QRectF measured;  ///< of the bars, x extent
        QRectF counted;
        QRectF model;
        double pitch = 0;
        double top = 0;
        double room = 0;       ///< width of the longest measured bar
        double longestUs = 0;  ///< what it stands for
    };
    [[nodiscard]] Columns layoutColumns(const QRectF& target) const;
    /// @param seen  rows outside of it are left out
    void paintAll(QPainter& painter, const QRectF& target, const QRectF& seen, bool interactive);
    void paintHeader(QPainter& painter, const Columns& columns, const QRectF& target) const;
    void paintName(
        QPainter& painter, const Columns& c, int row, double y, const QRectF& target) const;
    void paintMeasured(QPainter& painter, const Columns& columns, int row, double y) const;
    void paintCounted(QPainter& painter, const Columns& columns, int row, double y) const;
    void paintModel(QPainter& painter, const Columns& columns, int row, double y) const;
    void paintAxis(QPainter& painter, const Columns& columns, double bottom) const;
    void walk(int step);
    [[nodiscard]] int rowAt(QPointF position) const;
    [[nodiscard]] double largestMeasured() const;
    /// The first line of words behind a bar, without the median.
    [[nodiscard]] static QString wordsOf(const CaseRow& row);
    /// The second: against the baseline.
    [[nodiscard]] QString secondLine(const CaseRow& row) const;
    /// Width of the bars alone: what the longest words leave.
    [[nodiscard]] double barRoom(const Columns& columns) const;

    TimingModel& m_model;
    int m_hover = -1;
};

}  // namespace loupe::app
