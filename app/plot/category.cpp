// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/category.hpp"

#include "app/widgets/theme.hpp"

#include <QPainterPath>
#include <QPolygonF>

#include <cmath>

namespace loupe::app {

namespace {

constexpr double kPi = 3.14159265358979323846;

QPainterPath polygon(QPointF centre, double radius, int corners, double turn) {
    QPolygonF points;
    for (int i = 0; i < corners; ++i) {
        const double angle = turn + 2 * kPi * i / corners;
        points << centre + QPointF(radius * std::sin(angle), -radius * std::cos(angle));
    }
    QPainterPath path;
    path.addPolygon(points);
    path.closeSubpath();
    return path;
}

QPainterPath cross(QPointF centre, double radius, double turn) {
    QPainterPath path;
    const double arm = radius * 0.38;
    path.addRect(QRectF(-radius, -arm, 2 * radius, 2 * arm));
    QPainterPath upright;
    upright.addRect(QRectF(-arm, -radius, 2 * arm, 2 * radius));
    QTransform place;
    place.translate(centre.x(), centre.y());
    place.rotateRadians(turn);
    return place.map(path.united(upright));
}

QPainterPath shape(int index, QPointF centre, double radius) {
    switch (index) {
        case 0: {
            QPainterPath circle;
            circle.addEllipse(centre, radius, radius);
            return circle;
        }
        case 1:
            return polygon(centre, radius * 1.2, 4, kPi / 4);  // square
        case 2:
            return polygon(centre, radius * 1.25, 3, 0);  // triangle
        case 3:
            return polygon(centre, radius * 1.25, 4, 0);  // diamond
        case 4:
            return polygon(centre, radius * 1.25, 3, kPi);  // triangle on its tip
        case 5:
            return cross(centre, radius * 1.1, 0);
        case 6:
            return polygon(centre, radius * 1.15, 5, 0);
        default:
            return cross(centre, radius * 1.1, kPi / 4);
    }
}

}  // namespace

void drawCategoryMark(QPainter& painter, int index, QPointF centre, double radius) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    const QPainterPath path = shape(((index % kCategoryCount) + kCategoryCount) % kCategoryCount, centre, radius);
    QPen halo(Theme::current().canvas, 3);
    halo.setJoinStyle(Qt::RoundJoin);
    painter.strokePath(path, halo);
    painter.fillPath(path, categoryColor(index));
    painter.restore();
}

}  // namespace loupe::app
