// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/category.hpp"

#include "app/widgets/theme.hpp"

#include <QPainterPath>
#include <QPolygonF>

#include <cmath>

namespace loupe::app {

namespace {

constexpr int kCount = 8;
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

QColor categoryColor(int index) {
    // Black and yellow are replaced per theme: they must show on dark and on light.
    const bool dark = Theme::current().dark;
    switch (((index % kCount) + kCount) % kCount) {
        case 0:
            return dark ? QColor(0x56, 0xB4, 0xE9) : QColor(0x00, 0x72, 0xB2);
        case 1:
            return QColor(0xE6, 0x9F, 0x00);
        case 2:
            return QColor(0x00, 0x9E, 0x73);
        case 3:
            return QColor(0xCC, 0x79, 0xA7);
        case 4:
            return QColor(0xD5, 0x5E, 0x00);
        case 5:
            return dark ? QColor(0x4C, 0x8F, 0xD6) : QColor(0x3A, 0x9B, 0xD9);
        case 6:
            return dark ? QColor(0xF0, 0xE4, 0x42) : QColor(0x9A, 0x8A, 0x00);
        default:
            return Theme::current().text3;
    }
}

void drawCategoryMark(QPainter& painter, int index, QPointF centre, double radius) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    const QPainterPath path = shape(((index % kCount) + kCount) % kCount, centre, radius);
    QPen halo(Theme::current().canvas, 3);
    halo.setJoinStyle(Qt::RoundJoin);
    painter.strokePath(path, halo);
    painter.fillPath(path, categoryColor(index));
    painter.restore();
}

}  // namespace loupe::app
