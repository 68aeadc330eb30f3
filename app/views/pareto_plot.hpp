// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/plot/plot_style.hpp"
#include "app/views/ladder_model.hpp"

#include <QSharedPointer>

namespace loupe::app {

/// Bits against error of the ladder's rows, with the line of the Pareto front. Hover and click
/// speak of rows.
class ParetoPlot : public QWidget {
    Q_OBJECT

public:
    explicit ParetoPlot(LadderModel& model, QWidget* parent = nullptr);

    void setHovered(const QString& scheme);
    void setSelected(const QString& scheme);
    void paintTo(QPainter& painter, const QRectF& target) { m_plot->paintTo(painter, target); }
    [[nodiscard]] Plot& plot() { return *m_plot; }
    /// Where a scheme's point is, in coordinates of the plot; empty where it has none.
    [[nodiscard]] std::optional<QPointF> pointOf(const QString& scheme) const;

signals:
    void hoveredChanged(const QString& scheme);
    void clicked(const QString& scheme);
    void chosen(const QString& scheme);

protected:
    void leaveEvent(QEvent* event) override;

private:
    struct Point {
        double x = 0;  ///< bits
        double y = 0;  ///< the error, or its log10
        int item = 0;
    };
    void rebuild();
    void prepare(QSize size);
    void paintFront(QPainter& painter);
    void paintPoints(QPainter& painter);
    void paintLabels(QPainter& painter);
    [[nodiscard]] QPointF place(const Point& point) const;
    [[nodiscard]] QString nearest(const QPointF& position) const;
    [[nodiscard]] const LadderModel::Item& itemOf(const Point& point) const;

    LadderModel& m_model;
    Plot* m_plot = nullptr;
    QSharedPointer<FixedTicker> m_xTicker;
    QSharedPointer<FixedTicker> m_yTicker;
    std::vector<Point> m_points;
    bool m_log = true;
    QString m_hovered;
    QString m_selected;
};

}  // namespace loupe::app
