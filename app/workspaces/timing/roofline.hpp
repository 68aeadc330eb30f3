// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/timing/case_table.hpp"

#include <QWidget>

#include <vector>

class QPainter;

namespace loupe::app {

class TimingModel;

/// Rate over intensity, both logarithmic: what the memory and the arithmetic allow, and where the
/// cases are. Measured roofs are solid, a data sheet's dashed; measured points filled, counted
/// hatched, a model's hollow. Arrows walk the points.
class Roofline : public QWidget {
    Q_OBJECT

public:
    explicit Roofline(TimingModel& model, QWidget* parent = nullptr);

    /// Draws without focus and pointer into `target`, in the colours of the theme in force.
    void paintTo(QPainter& painter, const QRectF& target);
    /// Index into the points, -1: none.
    [[nodiscard]] int current() const { return m_current; }
    /// Where a point was drawn last, in this widget.
    [[nodiscard]] QPointF positionOf(int point) const;
    [[nodiscard]] QString sentence() const;
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

signals:
    /// Enter on a point.
    void activated();

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    struct Frame {
        QRectF area;                            ///< of the plot proper
        QRectF figures;                         ///< of the selected point's numbers; may be empty
        double x0 = 0, x1 = 1, y0 = 0, y1 = 1;  ///< log10
        [[nodiscard]] double x(double intensity) const;
        [[nodiscard]] double y(double rate) const;
    };
    [[nodiscard]] Frame layoutFrame(const QRectF& whole) const;
    void paintAll(QPainter& painter, const QRectF& target, bool interactive);
    void paintAxes(QPainter& painter, const Frame& frame) const;
    void paintRoofs(QPainter& painter, const Frame& frame, std::vector<QRectF>& taken) const;
    void paintRoofSet(QPainter& painter,
                      const Frame& frame,
                      const RoofSet& set,
                      std::vector<QRectF>& taken) const;
    void namePeaks(QPainter& painter,
                   const Frame& frame,
                   const RoofSet& set,
                   std::vector<QRectF>& taken) const;
    void markRidge(QPainter& painter,
                   const Frame& frame,
                   const RoofSet& set,
                   std::vector<QRectF>& taken) const;
    void nameSlope(QPainter& painter,
                   const Frame& frame,
                   const RoofSet& set,
                   std::vector<QRectF>& taken) const;
    /// Where a slope enters the picture, and where it meets its highest peak.
    [[nodiscard]] static std::pair<QPointF, QPointF> slopeOf(const Frame& frame,
                                                             const RoofSet& set);
    [[nodiscard]] std::vector<std::pair<QString, QString>> figuresOf(const CaseRow& shown,
                                                                     const RoofPoint& point) const;
    void paintPoints(QPainter& painter,
                     const Frame& frame,
                     bool interactive,
                     std::vector<QRectF>& taken);
    void paintFigures(QPainter& painter, const Frame& frame) const;
    void takeSelection();
    void walk(int step);
    void choose(int point);
    [[nodiscard]] int pointAt(QPointF position) const;

    TimingModel& m_model;
    std::vector<QPointF> m_positions;
    int m_current = -1;
    int m_hover = -1;
};

/// A point in the shape of its kind.
void drawKindPoint(
    QPainter& painter, gpu::FigureKind kind, QPointF centre, double radius, const QColor& color);
/// A bar in the fill of its kind: solid, hatched, outlined.
void drawKindBar(QPainter& painter, gpu::FigureKind kind, const QRectF& bar, const QColor& color);

}  // namespace loupe::app
