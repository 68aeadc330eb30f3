// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QProxyStyle>

namespace loupe::app {

/// Fusion with our metrics and our drawing of controls. Dynamic properties that it understands:
/// "loupeColor" (QString, slider and toggle): "A", "B" or empty: the control wears the colour of the scheme that it changes;
/// "loupePrimary" (bool, push button): inverted text, one per panel at most;
/// "loupeBare" (bool, line edit, combo box): no frame, for use inside another field.
class LoupeStyle : public QProxyStyle {
    Q_OBJECT

public:
    LoupeStyle();

    using QProxyStyle::polish;
    using QProxyStyle::unpolish;
    void polish(QWidget* widget) override;
    void unpolish(QWidget* widget) override;

    [[nodiscard]] int pixelMetric(PixelMetric metric, const QStyleOption* option, const QWidget* widget) const override;
    [[nodiscard]] int styleHint(StyleHint hint,
                                const QStyleOption* option,
                                const QWidget* widget,
                                QStyleHintReturn* data) const override;
    [[nodiscard]] QSize sizeFromContents(ContentsType type,
                                         const QStyleOption* option,
                                         const QSize& size,
                                         const QWidget* widget) const override;
    [[nodiscard]] QRect subElementRect(SubElement element, const QStyleOption* option, const QWidget* widget) const override;
    [[nodiscard]] QRect subControlRect(ComplexControl control,
                                       const QStyleOptionComplex* option,
                                       SubControl sub,
                                       const QWidget* widget) const override;
    [[nodiscard]] QIcon standardIcon(StandardPixmap icon, const QStyleOption* option, const QWidget* widget) const override;
    void drawPrimitive(PrimitiveElement element,
                       const QStyleOption* option,
                       QPainter* painter,
                       const QWidget* widget) const override;
    void drawControl(ControlElement element, const QStyleOption* option, QPainter* painter, const QWidget* widget) const override;
    void drawComplexControl(ComplexControl control,
                            const QStyleOptionComplex* option,
                            QPainter* painter,
                            const QWidget* widget) const override;
};

/// The colour a control wears: property "loupeColor" of the widget or its nearest ancestor, else `neutral`.
[[nodiscard]] QColor controlColour(const QWidget* widget, const QColor& neutral);

/// A rounded box whose border lies on device pixels.
void drawBox(QPainter& painter, const QRectF& rect, double radius, const QColor& fill, const QColor& border, double width = 1);
/// The 2 px keyboard ring inside `rect`.
void drawFocusRing(QPainter& painter, const QRectF& rect, double radius);
/// A chevron, 1.5 px stroke, centred in `rect`.
void drawChevron(QPainter& painter, const QRectF& rect, Qt::ArrowType direction, const QColor& colour, double size = 8);
/// A brush of 45 degree lines, `pitch` apart and `width` thick.
[[nodiscard]] QBrush hatchBrush(const QColor& colour, double pitch = 6, double width = 2, bool falling = false);

}  // namespace loupe::app
