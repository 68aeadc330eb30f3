// SPDX-License-Identifier: GPL-3.0-or-later
// Metrics, hints and sizes of the style; the drawing is in loupe_style_draw.cpp.
#include "app/widgets/loupe_style.hpp"

#include <QAbstractButton>
#include <QAbstractItemView>
#include <QAbstractSpinBox>
#include <QApplication>
#include <QComboBox>
#include <QEvent>
#include <QLineEdit>
#include <QMenu>
#include <QScrollBar>
#include <QSlider>
#include <QStyleOption>
#include <QTabBar>

#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

/// The wheel changes a control's value only when it has the focus; else it scrolls what is around it.
class WheelGuard : public QObject {
public:
    using QObject::QObject;

protected:
    bool eventFilter(QObject* watched, QEvent* event) override {
        if (event->type() == QEvent::Wheel) {
            const auto* widget = qobject_cast<QWidget*>(watched);
            if (widget != nullptr && !widget->hasFocus()) {
                event->ignore();
                return true;
            }
        }
        return QObject::eventFilter(watched, event);
    }
};

QObject* wheelGuard() {
    static QObject* guard = new WheelGuard(qApp);
    return guard;
}

bool takesWheel(const QWidget* widget) {
    return qobject_cast<const QSlider*>(widget) != nullptr || qobject_cast<const QAbstractSpinBox*>(widget) != nullptr ||
           qobject_cast<const QComboBox*>(widget) != nullptr;
}

bool hovers(const QWidget* widget) {
    return takesWheel(widget) || qobject_cast<const QAbstractButton*>(widget) != nullptr ||
           qobject_cast<const QScrollBar*>(widget) != nullptr || qobject_cast<const QTabBar*>(widget) != nullptr ||
           qobject_cast<const QLineEdit*>(widget) != nullptr;
}

}  // namespace

LoupeStyle::LoupeStyle() : QProxyStyle(QStringLiteral("Fusion")) { setObjectName(QStringLiteral("loupe")); }

void LoupeStyle::polish(QWidget* widget) {
    QProxyStyle::polish(widget);
    if (hovers(widget)) {
        widget->setAttribute(Qt::WA_Hover);
    }
    if (takesWheel(widget)) {
        widget->setFocusPolicy(Qt::StrongFocus);
        widget->installEventFilter(wheelGuard());
    }
}

void LoupeStyle::unpolish(QWidget* widget) {
    if (takesWheel(widget)) {
        widget->removeEventFilter(wheelGuard());
    }
    QProxyStyle::unpolish(widget);
}

int LoupeStyle::pixelMetric(PixelMetric metric, const QStyleOption* option, const QWidget* widget) const {
    switch (metric) {
        case PM_SliderThickness:
        case PM_SliderControlThickness: return Theme::px(20);
        case PM_SliderLength: return Theme::px(16);
        case PM_SliderTickmarkOffset: return 0;
        case PM_ScrollBarExtent: return 10;
        case PM_ScrollBarSliderMin: return 28;
        case PM_SmallIconSize:
        case PM_ButtonIconSize:
        case PM_TabBarIconSize:
        case PM_ToolBarIconSize:
        case PM_ListViewIconSize: return Theme::px(16);
        case PM_IndicatorWidth:
        case PM_IndicatorHeight:
        case PM_ExclusiveIndicatorWidth:
        case PM_ExclusiveIndicatorHeight: return Theme::px(16);
        case PM_SplitterWidth: return 7;
        case PM_DockWidgetSeparatorExtent: return 5;
        case PM_DockWidgetFrameWidth: return 0;
        case PM_DockWidgetTitleMargin: return Theme::px(7);
        case PM_TabBarTabHSpace: return Theme::px(24);
        case PM_TabBarTabVSpace: return Theme::px(12);
        case PM_TabBarBaseOverlap:
        case PM_TabBarBaseHeight: return 0;
        case PM_TabBarTabShiftHorizontal:
        case PM_TabBarTabShiftVertical:
        case PM_ButtonShiftHorizontal:
        case PM_ButtonShiftVertical: return 0;
        case PM_TabBarTabOverlap: return 0;
        case PM_HeaderMargin: return Theme::px(6);
        case PM_MenuPanelWidth: return 1;
        case PM_MenuHMargin: return 0;
        case PM_MenuVMargin: return Theme::px(5);
        case PM_MenuBarItemSpacing: return 0;
        case PM_MenuBarPanelWidth: return 0;
        case PM_ToolTipLabelFrameWidth: return Theme::px(7);
        case PM_TreeViewIndentation: return Theme::px(16);
        case PM_DefaultFrameWidth: return 1;
        case PM_ButtonMargin: return Theme::px(10);
        case PM_LayoutLeftMargin:
        case PM_LayoutRightMargin:
        case PM_LayoutTopMargin:
        case PM_LayoutBottomMargin: return Theme::px(12);
        case PM_LayoutHorizontalSpacing:
        case PM_LayoutVerticalSpacing: return Theme::px(8);
        default: return QProxyStyle::pixelMetric(metric, option, widget);
    }
}

int LoupeStyle::styleHint(StyleHint hint, const QStyleOption* option, const QWidget* widget, QStyleHintReturn* data) const {
    switch (hint) {
        case SH_EtchDisabledText:
        case SH_DitherDisabledText:
        case SH_Widget_Animate:
        case SH_Widget_Animation_Duration:
        case SH_ScrollBar_Transient:
        case SH_ComboBox_Popup:
        case SH_DialogButtonBox_ButtonsHaveIcons:
        case SH_Menu_SloppySubMenus: return 0;
        case SH_ItemView_ShowDecorationSelected: return 1;
        case SH_Slider_AbsoluteSetButtons: return static_cast<int>(Qt::LeftButton);
        case SH_Slider_PageSetButtons: return 0;
        case SH_TabBar_ElideMode: return Qt::ElideMiddle;
        case SH_ToolTip_WakeUpDelay: return 400;
        case SH_Table_GridLineColor: return static_cast<int>(Theme::current().line.rgba());
        case SH_Header_ArrowAlignment: return static_cast<int>(Qt::AlignRight | Qt::AlignVCenter);
        case SH_FormLayoutLabelAlignment: return static_cast<int>(Qt::AlignLeft | Qt::AlignVCenter);
        case SH_FormLayoutFieldGrowthPolicy: return 2;  // QFormLayout::AllNonFixedFieldsGrow
        default: return QProxyStyle::styleHint(hint, option, widget, data);
    }
}

QSize LoupeStyle::sizeFromContents(ContentsType type, const QStyleOption* option, const QSize& size, const QWidget* widget) const {
    QSize result = QProxyStyle::sizeFromContents(type, option, size, widget);
    switch (type) {
        case CT_PushButton: {
            const auto* button = qstyleoption_cast<const QStyleOptionButton*>(option);
            const bool iconOnly = button != nullptr && button->text.isEmpty();
            const bool small = widget != nullptr && widget->property("loupeSmall").toBool();
            const int height = Theme::px(small ? 24 : 28);
            result = QSize(iconOnly ? height : size.width() + Theme::px(small ? 18 : 24), height);
            break;
        }
        case CT_ToolButton: {
            const auto* tool = qstyleoption_cast<const QStyleOptionToolButton*>(option);
            const bool text = tool != nullptr && tool->toolButtonStyle != Qt::ToolButtonIconOnly && !tool->text.isEmpty();
            result = QSize(size.width() + Theme::px(text ? 14 : 8), qMax(Theme::px(24), size.height() + Theme::px(6)));
            if (text) {
                result.setHeight(qMax(Theme::px(26), result.height() - Theme::px(2)));
            } else {
                result.setWidth(qMax(Theme::px(26), result.width()));
            }
            break;
        }
        case CT_ComboBox:
            result = QSize(size.width() + Theme::px(10 + 28), qMax(Theme::px(26), size.height() + Theme::px(8)));
            break;
        case CT_LineEdit: result.setHeight(qMax(Theme::px(26), size.height() + Theme::px(6))); break;
        case CT_SpinBox: result = QSize(size.width() + Theme::px(28), qMax(Theme::px(26), size.height() + Theme::px(6))); break;
        case CT_ItemViewItem: result.setHeight(qMax(result.height(), Theme::px(24))); break;
        case CT_HeaderSection: result.setHeight(qMax(result.height(), Theme::px(26))); break;
        case CT_MenuBarItem: result = size + QSize(Theme::px(20), Theme::px(12)); break;
        case CT_MenuItem: {
            const auto* item = qstyleoption_cast<const QStyleOptionMenuItem*>(option);
            if (item != nullptr && item->menuItemType != QStyleOptionMenuItem::Separator) {
                result = QSize(result.width() + Theme::px(24), qMax(result.height(), Theme::px(26)));
            } else {
                result.setHeight(Theme::px(9));
            }
            break;
        }
        case CT_TabBarTab: result.setHeight(qMax(result.height(), Theme::px(30))); break;
        default: break;
    }
    return result;
}

QRect LoupeStyle::subElementRect(SubElement element, const QStyleOption* option, const QWidget* widget) const {
    switch (element) {
        case SE_LineEditContents: {
            if (widget != nullptr && (widget->property("loupeBare").toBool() ||
                                      qobject_cast<const QAbstractSpinBox*>(widget->parentWidget()) != nullptr)) {
                return option->rect.adjusted(1, 0, -1, 0);
            }
            return option->rect.adjusted(Theme::px(8), 1, -Theme::px(6), -1);
        }
        case SE_PushButtonFocusRect:
        case SE_ToolBoxTabContents: return option->rect;
        case SE_ComboBoxFocusRect: return option->rect;
        default: return QProxyStyle::subElementRect(element, option, widget);
    }
}

QRect LoupeStyle::subControlRect(ComplexControl control,
                                 const QStyleOptionComplex* option,
                                 SubControl sub,
                                 const QWidget* widget) const {
    const QRect r = option->rect;
    if (control == CC_SpinBox) {
        const bool buttons = qstyleoption_cast<const QStyleOptionSpinBox*>(option)->buttonSymbols != QAbstractSpinBox::NoButtons;
        const int w = buttons ? Theme::px(20) : 0;
        const QRect column(r.right() - w, r.top(), w, r.height());
        switch (sub) {
            case SC_SpinBoxUp: return visualRect(option->direction, r, QRect(column.left(), r.top() + 2, w - 1, r.height() / 2 - 2));
            case SC_SpinBoxDown:
                return visualRect(option->direction, r, QRect(column.left(), r.top() + r.height() / 2, w - 1, r.height() / 2 - 2));
            case SC_SpinBoxEditField: return visualRect(option->direction, r, r.adjusted(Theme::px(8), 1, -w - 1, -1));
            case SC_SpinBoxFrame: return r;
            default: break;
        }
    }
    if (control == CC_ComboBox) {
        const int w = Theme::px(26);
        switch (sub) {
            case SC_ComboBoxArrow: return visualRect(option->direction, r, QRect(r.right() - w, r.top(), w, r.height()));
            case SC_ComboBoxEditField: return visualRect(option->direction, r, r.adjusted(Theme::px(10), 1, -w, -1));
            case SC_ComboBoxListBoxPopup:
            case SC_ComboBoxFrame: return r;
            default: break;
        }
    }
    if (control == CC_ScrollBar) {
        const auto* bar = qstyleoption_cast<const QStyleOptionSlider*>(option);
        const bool horizontal = bar->orientation == Qt::Horizontal;
        const int length = horizontal ? r.width() : r.height();
        const qint64 range = qint64{bar->maximum} - bar->minimum;
        const qint64 page = qMax<qint64>(1, bar->pageStep);
        int handle = range > 0 ? static_cast<int>(qint64{length} * page / (range + page)) : length;
        handle = qBound(qMin(pixelMetric(PM_ScrollBarSliderMin, option, widget), length), handle, length);
        const int at = sliderPositionFromValue(bar->minimum, bar->maximum, bar->sliderPosition, length - handle, bar->upsideDown);
        const auto part = [&](int from, int size) {
            return horizontal ? QRect(r.left() + from, r.top(), size, r.height()) : QRect(r.left(), r.top() + from, r.width(), size);
        };
        switch (sub) {
            case SC_ScrollBarAddLine:
            case SC_ScrollBarSubLine: return {};
            case SC_ScrollBarGroove: return r;
            case SC_ScrollBarSlider: return part(at, handle);
            case SC_ScrollBarSubPage: return part(0, at);
            case SC_ScrollBarAddPage: return part(at + handle, length - at - handle);
            default: break;
        }
    }
    return QProxyStyle::subControlRect(control, option, sub, widget);
}

QIcon LoupeStyle::standardIcon(StandardPixmap icon, const QStyleOption* option, const QWidget* widget) const {
    switch (icon) {
        case SP_LineEditClearButton:
        case SP_DockWidgetCloseButton:
        case SP_TitleBarCloseButton: return themedIcon(QStringLiteral("close"));
        case SP_TitleBarNormalButton: return themedIcon(QStringLiteral("external"));
        case SP_ToolBarHorizontalExtensionButton: return themedIcon(QStringLiteral("next"));
        default: return QProxyStyle::standardIcon(icon, option, widget);
    }
}

}  // namespace loupe::app
