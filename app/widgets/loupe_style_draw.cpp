// SPDX-License-Identifier: GPL-3.0-or-later
// The style's drawing: one small function per kind of control.
#include <QAbstractItemView>
#include <QComboBox>
#include <QLineEdit>
#include <QPainter>
#include <QPainterPath>
#include <QPixmapCache>
#include <QPushButton>
#include <QStyleOption>
#include <QTreeView>

#include <cmath>

#include "app/widgets/loupe_style.hpp"
#include "app/widgets/theme.hpp"

namespace loupe::app {

QColor controlColour(const QWidget* widget, const QColor& neutral) {
    const Theme& theme = Theme::current();
    for (const QWidget* w = widget; w != nullptr; w = w->parentWidget()) {
        const QString side = w->property("loupeColor").toString();
        if (side == QLatin1String("A")) {
            return theme.schemeA;
        }
        if (side == QLatin1String("B")) {
            return theme.schemeB;
        }
        if (w->isWindow()) {
            break;
        }
    }
    return neutral;
}

void drawBox(QPainter& painter, const QRectF& rect, double radius, const QColor& fill, const QColor& border, double width) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(border.isValid() && width > 0 ? QPen(border, width) : QPen(Qt::NoPen));
    painter.setBrush(fill.isValid() ? QBrush(fill) : QBrush(Qt::NoBrush));
    const double inset = border.isValid() ? width / 2 : 0;
    painter.drawRoundedRect(rect.adjusted(inset, inset, -inset, -inset), radius - inset, radius - inset);
    painter.restore();
}

void drawFocusRing(QPainter& painter, const QRectF& rect, double radius) {
    drawBox(painter, rect, radius, QColor(), Theme::current().focus, 2);
}

void drawChevron(QPainter& painter, const QRectF& rect, Qt::ArrowType direction, const QColor& colour, double size) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(colour, 1.5, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
    painter.translate(rect.center());
    painter.rotate(direction == Qt::UpArrow ? 180 : direction == Qt::LeftArrow ? 90 : direction == Qt::RightArrow ? -90 : 0);
    const double h = size / 2;
    const QPointF points[] = {{-h, -h / 2}, {0, h / 2}, {h, -h / 2}};
    painter.drawPolyline(points, 3);
    painter.restore();
}

QBrush hatchBrush(const QColor& colour, double pitch, double width, bool falling) {
    // A tile whose diagonal repeats seamlessly: lines through the corners and the middle of its neighbours.
    const QString key = QStringLiteral("loupe-hatch/%1/%2/%3/%4").arg(colour.name(QColor::HexArgb)).arg(pitch).arg(width).arg(falling);
    constexpr int kScale = 4;  // drawn finer, so that it stays sharp at 200 %
    QPixmap tile;
    if (!QPixmapCache::find(key, &tile)) {
        const int side = qMax(1, qRound(pitch * kScale));
        tile = QPixmap(side, side);
        tile.fill(Qt::transparent);
        QPainter painter(&tile);
        painter.setRenderHint(QPainter::Antialiasing);
        // The distance between lines across is pitch / sqrt 2; a pen of `width` is measured across too.
        painter.setPen(QPen(colour, width * kScale * 0.7071, Qt::SolidLine, Qt::FlatCap));
        for (int k = -1; k <= 1; ++k) {
            const double shift = k * side;
            if (falling) {
                painter.drawLine(QPointF(shift - side, -side), QPointF(shift + 2 * side, 2 * side));
            } else {
                painter.drawLine(QPointF(shift - side, 2 * side), QPointF(shift + 2 * side, -side));
            }
        }
        painter.end();
        QPixmapCache::insert(key, tile);
    }
    QBrush brush(tile);
    brush.setTransform(QTransform::fromScale(1.0 / kScale, 1.0 / kScale));
    return brush;
}

namespace {

constexpr double kRadius = 6;

bool hasKeyboardFocus(const QStyleOption& option) {
    return option.state.testFlag(QStyle::State_HasFocus) && option.state.testFlag(QStyle::State_KeyboardFocusChange);
}

void drawField(QPainter& p, const QStyleOption& option, bool focused) {
    const Theme& t = Theme::current();
    const bool enabled = option.state.testFlag(QStyle::State_Enabled);
    const bool hovered = enabled && option.state.testFlag(QStyle::State_MouseOver);
    if (focused) {
        drawBox(p, option.rect, kRadius, t.canvas, t.focus, 2);
    } else {
        drawBox(p, option.rect, kRadius, enabled ? t.canvas : t.panel, !enabled ? t.line : hovered ? t.text3 : t.border);
    }
}

void drawButton(QPainter& p, const QStyleOption& option, const QWidget* widget) {
    const Theme& t = Theme::current();
    const bool enabled = option.state.testFlag(QStyle::State_Enabled);
    const bool down = option.state.testFlag(QStyle::State_Sunken) || option.state.testFlag(QStyle::State_On);
    const bool hovered = enabled && option.state.testFlag(QStyle::State_MouseOver);
    const auto* button = qstyleoption_cast<const QStyleOptionButton*>(&option);
    if (button != nullptr && button->features.testFlag(QStyleOptionButton::Flat) && !down && !hovered) {
        // nothing: a flat button is its text
    } else if (widget != nullptr && widget->property("loupePrimary").toBool() && enabled) {
        drawBox(p, option.rect, kRadius, down || hovered ? t.text2 : t.text, QColor());
    } else {
        drawBox(p, option.rect, kRadius, !enabled ? t.panel : down || hovered ? t.pressed : t.raised, enabled ? t.border : t.line);
    }
    if (hasKeyboardFocus(option)) {
        drawFocusRing(p, option.rect, kRadius);
    }
}

void drawToolButtonPanel(QPainter& p, const QStyleOption& option) {
    const Theme& t = Theme::current();
    const bool enabled = option.state.testFlag(QStyle::State_Enabled);
    if (enabled && (option.state.testFlag(QStyle::State_Sunken) || option.state.testFlag(QStyle::State_On))) {
        drawBox(p, option.rect, kRadius, t.pressed, QColor());
    } else if (enabled && option.state.testFlag(QStyle::State_MouseOver)) {
        drawBox(p, option.rect, kRadius, t.raised, QColor());
    }
    if (hasKeyboardFocus(option)) {
        drawFocusRing(p, option.rect, kRadius);
    }
}

void drawCheckBox(QPainter& p, const QStyleOption& option) {
    const Theme& t = Theme::current();
    const bool enabled = option.state.testFlag(QStyle::State_Enabled);
    const bool on = option.state.testFlag(QStyle::State_On);
    const bool partly = option.state.testFlag(QStyle::State_NoChange);
    const QRectF box = QRectF(option.rect).adjusted(1, 1, -1, -1);
    if (on || partly) {
        drawBox(p, box, 4, enabled ? t.text : t.text3, QColor());
    } else {
        drawBox(p, box, 4, t.canvas, enabled && option.state.testFlag(QStyle::State_MouseOver) ? t.text2 : t.border);
    }
    p.save();
    p.setRenderHint(QPainter::Antialiasing);
    p.setPen(QPen(t.canvas, 1.75, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
    const double s = box.width() / 14;
    p.translate(box.topLeft());
    if (on) {
        const QPointF points[] = {{3.2 * s, 7.4 * s}, {5.9 * s, 10.1 * s}, {10.9 * s, 4.2 * s}};
        p.drawPolyline(points, 3);
    } else if (partly) {
        p.drawLine(QPointF(3.5 * s, 7 * s), QPointF(10.5 * s, 7 * s));
    }
    p.restore();
    if (hasKeyboardFocus(option)) {
        drawFocusRing(p, option.rect, 5);
    }
}

void drawRadio(QPainter& p, const QStyleOption& option) {
    const Theme& t = Theme::current();
    const QRectF box = QRectF(option.rect).adjusted(1, 1, -1, -1);
    const bool enabled = option.state.testFlag(QStyle::State_Enabled);
    const bool on = option.state.testFlag(QStyle::State_On);
    drawBox(p, box, box.width() / 2, t.canvas, on ? (enabled ? t.text : t.text3) : t.border, on ? box.width() * 0.3 : 1);
    if (hasKeyboardFocus(option)) {
        drawFocusRing(p, option.rect, option.rect.width() / 2.0);
    }
}

void drawItemBackground(QPainter& p, const QStyleOptionViewItem& option, const QWidget* widget, bool row) {
    const Theme& t = Theme::current();
    const bool tree = qobject_cast<const QTreeView*>(widget) != nullptr;
    if (option.backgroundBrush.style() != Qt::NoBrush && !row) {
        p.fillRect(option.rect, option.backgroundBrush);
    }
    if (option.state.testFlag(QStyle::State_Selected)) {
        p.fillRect(option.rect, t.selected);
        const bool first = tree ? row && option.rect.left() <= 0
                                : option.viewItemPosition == QStyleOptionViewItem::Beginning ||
                                      option.viewItemPosition == QStyleOptionViewItem::OnlyOne || option.rect.left() <= 0;
        if (first) {
            p.fillRect(QRect(option.rect.left(), option.rect.top(), 3, option.rect.height()), t.text);
        }
    } else if (!row && option.state.testFlag(QStyle::State_MouseOver) && option.state.testFlag(QStyle::State_Enabled)) {
        QColor tint = t.raised;
        tint.setAlphaF(0.6F);
        p.fillRect(option.rect, tint);
    }
}

void drawSlider(QPainter& p, const QStyleOptionSlider& option, const QRect& handleRect, const QWidget* widget) {
    const Theme& t = Theme::current();
    const bool enabled = option.state.testFlag(QStyle::State_Enabled);
    const QColor colour = enabled ? controlColour(widget, t.text2) : t.text3;
    const bool horizontal = option.orientation == Qt::Horizontal;
    const QPointF centre = QRectF(handleRect).center();
    const double groove = Theme::px(4);
    p.save();
    p.setRenderHint(QPainter::Antialiasing);
    p.setPen(Qt::NoPen);
    QRectF all = option.rect;
    QRectF filled;
    if (horizontal) {
        all = QRectF(all.left() + 1, centre.y() - groove / 2, all.width() - 2, groove);
        filled = all;
        if (option.upsideDown) {
            filled.setLeft(centre.x());
        } else {
            filled.setRight(centre.x());
        }
    } else {
        all = QRectF(centre.x() - groove / 2, all.top() + 1, groove, all.height() - 2);
        filled = all;
        if (option.upsideDown) {
            filled.setTop(centre.y());
        } else {
            filled.setBottom(centre.y());
        }
    }
    p.setBrush(t.pressed);
    p.drawRoundedRect(all, groove / 2, groove / 2);
    p.setBrush(colour);
    p.drawRoundedRect(filled, groove / 2, groove / 2);
    const double radius = Theme::px(14) / 2.0;
    const bool ring = option.state.testFlag(QStyle::State_HasFocus) && option.state.testFlag(QStyle::State_KeyboardFocusChange);
    // Core, a gap of panel colour, a 1 px ring in the scheme's colour.
    p.setBrush(t.panel);
    p.setPen(ring ? QPen(t.focus, 2) : QPen(colour, 1.25));
    p.drawEllipse(centre, radius, radius);
    p.setPen(Qt::NoPen);
    const bool hot = option.state.testFlag(QStyle::State_MouseOver) || option.state.testFlag(QStyle::State_Sunken);
    p.setBrush(!enabled ? t.text3 : t.text);
    const double core = radius - (hot ? 1.5 : 2);
    p.drawEllipse(centre, core, core);
    p.restore();
}

void drawScrollBar(QPainter& p, const QStyleOptionSlider& option, QRectF handle) {
    const Theme& t = Theme::current();
    if (option.maximum <= option.minimum) {
        return;
    }
    const bool horizontal = option.orientation == Qt::Horizontal;
    handle = horizontal ? handle.adjusted(2, 3, -2, -2) : handle.adjusted(3, 2, -2, -2);
    const bool hot = option.state.testFlag(QStyle::State_MouseOver) || option.state.testFlag(QStyle::State_Sunken);
    drawBox(p, handle, 2.5, hot ? t.text3 : t.border, QColor());
}

void drawProgress(QPainter& p, const QStyleOptionProgressBar& option) {
    const Theme& t = Theme::current();
    const double h = qMin<double>(Theme::px(4), option.rect.height());
    const QRectF groove(option.rect.left(), option.rect.center().y() + 0.5 - h / 2, option.rect.width(), h);
    drawBox(p, groove, h / 2, t.pressed, QColor());
    if (option.maximum > option.minimum) {
        const double fraction = double(option.progress - option.minimum) / double(option.maximum - option.minimum);
        drawBox(p, QRectF(groove.topLeft(), QSizeF(groove.width() * qBound(0.0, fraction, 1.0), h)), h / 2, t.text2, QColor());
    } else {
        p.fillRect(groove, hatchBrush(t.text2, 8, 3));
    }
}

void drawTab(QPainter& p, const QStyleOptionTab& option) {
    const Theme& t = Theme::current();
    const bool selected = option.state.testFlag(QStyle::State_Selected);
    const bool hovered = option.state.testFlag(QStyle::State_MouseOver) && option.state.testFlag(QStyle::State_Enabled);
    const bool below = option.shape == QTabBar::RoundedNorth || option.shape == QTabBar::TriangularNorth;
    const QRect r = option.rect;
    if (selected || hovered) {
        const QRect line = below ? QRect(r.left(), r.bottom() - 1, r.width(), 2) : QRect(r.left(), r.top(), r.width(), 2);
        p.fillRect(line, selected ? t.text : t.border);
    }
    if (hasKeyboardFocus(option) && selected) {
        drawFocusRing(p, QRectF(r).adjusted(2, 2, -2, -4), kRadius);
    }
}

void drawTabLabel(QPainter& p, const QStyleOptionTab& option) {
    const Theme& t = Theme::current();
    const bool selected = option.state.testFlag(QStyle::State_Selected);
    const bool hot = selected || option.state.testFlag(QStyle::State_MouseOver);
    const bool enabled = option.state.testFlag(QStyle::State_Enabled);
    p.save();
    QFont font = p.font();
    font.setWeight(selected ? QFont::DemiBold : QFont::Normal);
    p.setFont(font);
    p.setPen(!enabled ? t.text3 : hot ? t.text : t.text2);
    QRect rect = option.rect.adjusted(0, 0, 0, -1);
    if (!option.icon.isNull()) {
        const QSize size(Theme::px(16), Theme::px(16));
        const QRect icon(QPoint(rect.left() + Theme::px(8), rect.center().y() - size.height() / 2), size);
        option.icon.paint(&p, icon, Qt::AlignCenter, hot ? QIcon::Active : QIcon::Normal);
        rect.setLeft(icon.right());
    }
    if (!option.rightButtonSize.isEmpty()) {
        rect.setRight(rect.right() - option.rightButtonSize.width());
    }
    p.drawText(rect, Qt::AlignCenter | Qt::TextShowMnemonic, option.text);
    p.restore();
}

void drawHeaderSection(QPainter& p, const QStyleOption& option) {
    const Theme& t = Theme::current();
    const auto* header = qstyleoption_cast<const QStyleOptionHeader*>(&option);
    const bool vertical = header != nullptr && header->orientation == Qt::Vertical;
    p.fillRect(option.rect, option.state.testFlag(QStyle::State_MouseOver) ? t.raised : option.palette.color(QPalette::Window));
    if (!vertical) {
        p.fillRect(QRect(option.rect.left(), option.rect.bottom(), option.rect.width(), 1), t.line);
    }
}

void drawDockTitle(QPainter& p, const QStyleOptionDockWidget& option, const QRect& textRect) {
    const Theme& t = Theme::current();
    p.save();
    p.fillRect(option.rect, t.panel);
    p.setFont(Theme::font(TextRole::Heading));
    p.setPen(t.text);
    const QString text = p.fontMetrics().elidedText(option.title, Qt::ElideMiddle, textRect.width());
    p.drawText(textRect.adjusted(Theme::px(6), 0, 0, 0), Qt::AlignVCenter | Qt::AlignLeft, text);
    p.restore();
}

void drawBranch(QPainter& p, const QStyleOption& option) {
    if (!option.state.testFlag(QStyle::State_Children)) {
        return;
    }
    const Theme& t = Theme::current();
    const bool open = option.state.testFlag(QStyle::State_Open);
    drawChevron(p, option.rect, open ? Qt::DownArrow : Qt::RightArrow, t.text2, Theme::px(7));
}

}  // namespace

void LoupeStyle::drawPrimitive(PrimitiveElement element,
                               const QStyleOption* option,
                               QPainter* painter,
                               const QWidget* widget) const {
    const Theme& t = Theme::current();
    const auto* item = qstyleoption_cast<const QStyleOptionViewItem*>(option);
    switch (element) {
        case PE_PanelButtonCommand: drawButton(*painter, *option, widget); return;
        case PE_FrameDefaultButton: return;
        case PE_PanelButtonTool: drawToolButtonPanel(*painter, *option); return;
        case PE_PanelLineEdit: {
            const bool bare = widget != nullptr && (widget->property("loupeBare").toBool() ||
                                                    qobject_cast<const QAbstractSpinBox*>(widget->parentWidget()) != nullptr ||
                                                    qobject_cast<const QComboBox*>(widget->parentWidget()) != nullptr);
            if (!bare) {
                drawField(*painter, *option, option->state.testFlag(State_HasFocus));
            }
            return;
        }
        case PE_FrameLineEdit: return;
        case PE_IndicatorCheckBox:
        case PE_IndicatorItemViewItemCheck: drawCheckBox(*painter, *option); return;
        case PE_IndicatorRadioButton: drawRadio(*painter, *option); return;
        case PE_PanelItemViewRow:
            if (item != nullptr) {
                drawItemBackground(*painter, *item, widget, true);
                return;
            }
            break;
        case PE_PanelItemViewItem:
            if (item != nullptr) {
                drawItemBackground(*painter, *item, widget, false);
                return;
            }
            break;
        case PE_FrameFocusRect: {
            // Views show the current item by its row; everything else gets the ring.
            if (qobject_cast<const QAbstractItemView*>(widget) != nullptr) {
                if (hasKeyboardFocus(*option) && !option->state.testFlag(State_Selected)) {
                    drawFocusRing(*painter, option->rect, 3);
                }
            } else if (option->state.testFlag(State_KeyboardFocusChange)) {
                drawFocusRing(*painter, option->rect, kRadius);
            }
            return;
        }
        case PE_IndicatorBranch: drawBranch(*painter, *option); return;
        case PE_IndicatorArrowUp: drawChevron(*painter, option->rect, Qt::UpArrow, t.text2, Theme::px(7)); return;
        case PE_IndicatorArrowDown: drawChevron(*painter, option->rect, Qt::DownArrow, t.text2, Theme::px(7)); return;
        case PE_IndicatorArrowLeft: drawChevron(*painter, option->rect, Qt::LeftArrow, t.text2, Theme::px(7)); return;
        case PE_IndicatorArrowRight: drawChevron(*painter, option->rect, Qt::RightArrow, t.text2, Theme::px(7)); return;
        case PE_IndicatorHeaderArrow: {
            const auto* header = qstyleoption_cast<const QStyleOptionHeader*>(option);
            if (header != nullptr && header->sortIndicator != QStyleOptionHeader::None) {
                const bool up = header->sortIndicator == QStyleOptionHeader::SortUp;
                drawChevron(*painter, option->rect, up ? Qt::UpArrow : Qt::DownArrow, t.text3, Theme::px(6));
            }
            return;
        }
        case PE_FrameMenu: drawBox(*painter, option->rect, 0, QColor(), t.border); return;
        case PE_PanelMenu: painter->fillRect(option->rect, t.panel); return;
        case PE_PanelTipLabel: drawBox(*painter, option->rect, 0, t.raised, t.border); return;
        case PE_PanelStatusBar: painter->fillRect(QRect(option->rect.topLeft(), QSize(option->rect.width(), 1)), t.line); return;
        case PE_FrameStatusBarItem:
        case PE_FrameTabBarBase:
        case PE_FrameTabWidget:
        case PE_FrameDockWidget: return;
        case PE_Frame:
            if (widget != nullptr && qobject_cast<const QAbstractItemView*>(widget) != nullptr) {
                drawBox(*painter, option->rect, 0, QColor(), t.line);
                return;
            }
            break;
        case PE_IndicatorDockWidgetResizeHandle: {
            const QRect r = option->rect;
            const bool tall = r.height() > r.width();
            painter->fillRect(tall ? QRect(r.center().x(), r.top(), 1, r.height()) : QRect(r.left(), r.center().y(), r.width(), 1),
                              option->state.testFlag(State_MouseOver) ? t.text3 : t.line);
            return;
        }
        default: break;
    }
    QProxyStyle::drawPrimitive(element, option, painter, widget);
}

void LoupeStyle::drawControl(ControlElement element, const QStyleOption* option, QPainter* painter, const QWidget* widget) const {
    const Theme& t = Theme::current();
    switch (element) {
        case CE_PushButtonLabel: {
            const auto* button = qstyleoption_cast<const QStyleOptionButton*>(option);
            if (button == nullptr) {
                break;
            }
            QStyleOptionButton copy(*button);
            const bool primary =
                widget != nullptr && widget->property("loupePrimary").toBool() && button->state.testFlag(State_Enabled);
            if (primary) {
                copy.palette.setColor(QPalette::Normal, QPalette::ButtonText, t.canvas);
                copy.palette.setColor(QPalette::Active, QPalette::ButtonText, t.canvas);
                copy.palette.setColor(QPalette::Inactive, QPalette::ButtonText, t.canvas);
                if (!copy.icon.isNull()) {
                    const double ratio = painter->device()->devicePixelRatioF();
                    QPixmap picture = copy.icon.pixmap(copy.iconSize, ratio);
                    QPainter tint(&picture);
                    tint.setCompositionMode(QPainter::CompositionMode_SourceIn);
                    tint.fillRect(picture.rect(), t.canvas);
                    tint.end();
                    copy.icon = QIcon(picture);
                }
            }
            painter->save();
            QFont font = painter->font();
            font.setWeight(QFont::Medium);
            painter->setFont(font);
            QProxyStyle::drawControl(element, &copy, painter, widget);
            painter->restore();
            return;
        }
        case CE_ComboBoxLabel:
            if (const auto* combo = qstyleoption_cast<const QStyleOptionComboBox*>(option)) {
                QStyleOptionComboBox copy(*combo);
                const QRect field = proxy()->subControlRect(CC_ComboBox, &copy, SC_ComboBoxEditField, widget);
                const int icon = copy.currentIcon.isNull() ? 0 : copy.iconSize.width() + 4;
                copy.currentText = copy.fontMetrics.elidedText(copy.currentText, Qt::ElideMiddle, field.width() - icon - 2);
                QProxyStyle::drawControl(element, &copy, painter, widget);
                return;
            }
            break;
        case CE_TabBarTabShape:
            if (const auto* tab = qstyleoption_cast<const QStyleOptionTab*>(option)) {
                drawTab(*painter, *tab);
                return;
            }
            break;
        case CE_TabBarTabLabel:
            if (const auto* tab = qstyleoption_cast<const QStyleOptionTab*>(option)) {
                drawTabLabel(*painter, *tab);
                return;
            }
            break;
        case CE_HeaderSection: drawHeaderSection(*painter, *option); return;
        case CE_HeaderEmptyArea:
            painter->fillRect(option->rect, option->palette.color(QPalette::Window));
            painter->fillRect(QRect(option->rect.left(), option->rect.bottom(), option->rect.width(), 1), t.line);
            return;
        case CE_HeaderLabel:
            if (const auto* header = qstyleoption_cast<const QStyleOptionHeader*>(option)) {
                QStyleOptionHeaderV2 copy;
                static_cast<QStyleOptionHeader&>(copy) = *header;
                copy.state &= ~State_On;  // no bold for the sections of selected cells
                if (copy.palette.color(QPalette::ButtonText) == t.text) {  // no colour of the model's own
                    copy.palette.setColor(QPalette::ButtonText, t.text3);
                }
                QProxyStyle::drawControl(element, &copy, painter, widget);
                return;
            }
            break;
        case CE_DockWidgetTitle:
            if (const auto* dock = qstyleoption_cast<const QStyleOptionDockWidget*>(option)) {
                drawDockTitle(*painter, *dock, subElementRect(SE_DockWidgetTitleBarText, option, widget));
                return;
            }
            break;
        case CE_ProgressBarGroove: return;
        case CE_ProgressBarLabel: return;
        case CE_ProgressBarContents:
            if (const auto* bar = qstyleoption_cast<const QStyleOptionProgressBar*>(option)) {
                drawProgress(*painter, *bar);
                return;
            }
            break;
        case CE_Splitter: {
            const QRect r = option->rect;
            painter->fillRect(r, t.panel);
            painter->fillRect(option->state.testFlag(State_Horizontal) ? QRect(r.center().x(), r.top(), 1, r.height())
                                                                       : QRect(r.left(), r.center().y(), r.width(), 1),
                              option->state.testFlag(State_MouseOver) ? t.text3 : t.line);
            return;
        }
        case CE_MenuBarEmptyArea: painter->fillRect(option->rect, t.panel); return;
        case CE_MenuBarItem:
            if (const auto* item = qstyleoption_cast<const QStyleOptionMenuItem*>(option)) {
                painter->fillRect(option->rect, t.panel);
                if (item->state.testFlag(State_Selected) && item->state.testFlag(State_Enabled)) {
                    drawBox(*painter, QRectF(option->rect).adjusted(1, 2, -1, -2), kRadius, t.pressed, QColor());
                }
                drawItemText(painter,
                             option->rect,
                             Qt::AlignCenter | Qt::TextShowMnemonic | Qt::TextSingleLine,
                             item->palette,
                             item->state.testFlag(State_Enabled),
                             item->text,
                             QPalette::WindowText);
                return;
            }
            break;
        case CE_ShapedFrame:
            if (const auto* frame = qstyleoption_cast<const QStyleOptionFrame*>(option)) {
                if (frame->frameShape == QFrame::HLine || frame->frameShape == QFrame::VLine) {
                    const QRect r = option->rect;
                    painter->fillRect(frame->frameShape == QFrame::HLine ? QRect(r.left(), r.center().y(), r.width(), 1)
                                                                         : QRect(r.center().x(), r.top(), 1, r.height()),
                                      t.line);
                    return;
                }
            }
            break;
        case CE_RubberBand: {
            QColor tint = t.focus;
            tint.setAlphaF(0.12F);
            drawBox(*painter, option->rect, 0, tint, t.focus);
            return;
        }
        default: break;
    }
    QProxyStyle::drawControl(element, option, painter, widget);
}

void LoupeStyle::drawComplexControl(ComplexControl control,
                                    const QStyleOptionComplex* option,
                                    QPainter* painter,
                                    const QWidget* widget) const {
    const Theme& t = Theme::current();
    const bool enabled = option->state.testFlag(State_Enabled);
    switch (control) {
        case CC_Slider:
            if (const auto* slider = qstyleoption_cast<const QStyleOptionSlider*>(option)) {
                drawSlider(*painter, *slider, proxy()->subControlRect(CC_Slider, option, SC_SliderHandle, widget), widget);
                return;
            }
            break;
        case CC_ScrollBar:
            if (const auto* bar = qstyleoption_cast<const QStyleOptionSlider*>(option)) {
                drawScrollBar(*painter, *bar, subControlRect(CC_ScrollBar, option, SC_ScrollBarSlider, widget));
                return;
            }
            break;
        case CC_SpinBox: {
            const auto* spin = qstyleoption_cast<const QStyleOptionSpinBox*>(option);
            if (spin->frame) {
                drawField(*painter, *option, option->state.testFlag(State_HasFocus));
            }
            if (spin->buttonSymbols != QAbstractSpinBox::NoButtons) {
                const auto arrow = [&](SubControl sub, Qt::ArrowType direction, QAbstractSpinBox::StepEnabledFlag step) {
                    const bool can = enabled && spin->stepEnabled.testFlag(step);
                    const bool hot = can && option->activeSubControls == sub && option->state.testFlag(State_MouseOver);
                    QRectF rect = subControlRect(CC_SpinBox, option, sub, widget);
                    rect.translate(-Theme::px(2), direction == Qt::UpArrow ? 1 : -1);
                    drawChevron(*painter, rect, direction, hot ? t.text : can ? t.text3 : t.line, Theme::px(6));
                };
                arrow(SC_SpinBoxUp, Qt::UpArrow, QAbstractSpinBox::StepUpEnabled);
                arrow(SC_SpinBoxDown, Qt::DownArrow, QAbstractSpinBox::StepDownEnabled);
            }
            return;
        }
        case CC_ComboBox: {
            const auto* combo = qstyleoption_cast<const QStyleOptionComboBox*>(option);
            if (combo->frame) {
                const bool ring = combo->editable ? option->state.testFlag(State_HasFocus) : hasKeyboardFocus(*option);
                drawField(*painter, *option, ring);
            }
            QRectF arrow = subControlRect(CC_ComboBox, option, SC_ComboBoxArrow, widget);
            arrow.translate(-Theme::px(2), 0.5);
            drawChevron(*painter, arrow, Qt::DownArrow, enabled ? t.text2 : t.text3, Theme::px(8));
            return;
        }
        case CC_ToolButton: {
            // Fusion would draw a menu indicator over a lone icon; ours says "menu" by its picture.
            const auto* tool = qstyleoption_cast<const QStyleOptionToolButton*>(option);
            QStyleOptionToolButton copy(*tool);
            copy.features &= ~QStyleOptionToolButton::HasMenu;
            if (copy.state.testFlag(State_MouseOver) && enabled) {
                copy.state |= State_AutoRaise;
            }
            QProxyStyle::drawComplexControl(control, &copy, painter, widget);
            return;
        }
        default: break;
    }
    QProxyStyle::drawComplexControl(control, option, painter, widget);
}

}  // namespace loupe::app
