// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/top_bar.hpp"

#include "app/shell/actions.hpp"
#include "app/widgets/theme.hpp"

#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QMenuBar>
#include <QPainter>
#include <QTabBar>
#include <QToolButton>

namespace loupe::app {

namespace {

/// Looks like a field, is a button: opens the command palette.
class CommandField : public QToolButton {
public:
    explicit CommandField(QWidget* parent) : QToolButton(parent) {
        setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    }
    void setNarrow(bool narrow) {
        m_narrow = narrow;
        updateGeometry();
    }
    [[nodiscard]] QSize sizeHint() const override {
        return {Theme::px(m_narrow ? 32 : 212), Theme::px(28)};
    }

protected:
    void paintEvent(QPaintEvent*) override {
        const Theme& theme = Theme::current();
        QPainter painter(this);
        painter.setRenderHint(QPainter::Antialiasing);
        const QRectF box = QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5);
        painter.setPen(QPen(hasFocus() ? theme.focus : theme.border, hasFocus() ? 2 : 1));
        painter.setBrush(theme.canvas);
        painter.drawRoundedRect(box, Theme::px(6), Theme::px(6));
        const int icon = Theme::px(14);
        themedIcon(QStringLiteral("search"))
            .paint(&painter, QRect(Theme::px(9), (height() - icon) / 2, icon, icon));
        if (m_narrow) {
            return;
        }
        painter.setFont(Theme::font(TextRole::Small));
        painter.setPen(theme.text3);
        painter.drawText(rect().adjusted(Theme::px(30), 0, 0, 0),
                         Qt::AlignLeft | Qt::AlignVCenter,
                         tr("Go to or run…"));
        const QString keys = defaultAction()->shortcut().toString(QKeySequence::NativeText);
        painter.setFont(Theme::font(TextRole::NumberAxis));
        const int width = painter.fontMetrics().horizontalAdvance(keys) + Theme::px(10);
        const QRectF key(box.right() - width - Theme::px(5),
                         box.top() + Theme::px(5),
                         width,
                         box.height() - Theme::px(10));
        painter.setPen(QPen(theme.border, 1));
        painter.setBrush(theme.raised);
        painter.drawRoundedRect(key, 3, 3);
        painter.setPen(theme.text2);
        painter.drawText(key, Qt::AlignCenter, keys);
    }

private:
    bool m_narrow = false;
};

}  // namespace

TopBar::TopBar(Actions& actions, QWidget* parent) : QWidget(parent) {
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(Theme::px(12), 0, Theme::px(12), 0);
    layout->setSpacing(Theme::px(8));
    auto* logo = new QLabel(this);
    logo->setPixmap(themedIcon(QStringLiteral("logo")).pixmap(Theme::px(20), Theme::px(20)));
    logo->setAccessibleName(tr("Tensorloupe"));
    layout->addWidget(logo);
    m_menus = new QMenuBar(this);
    m_menus->setNativeMenuBar(false);
    m_menus->setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Preferred);
    m_menus->setAccessibleName(tr("Menus"));
    actions.buildMenus(m_menus);
    layout->addWidget(m_menus, 0, Qt::AlignVCenter);
    m_folded = new QToolButton(this);
    m_folded->setIcon(themedIcon(QStringLiteral("menu")));
    m_folded->setAutoRaise(true);
    m_folded->setAccessibleName(tr("Menus"));
    m_folded->setToolTip(tr("Menus"));
    m_folded->setPopupMode(QToolButton::InstantPopup);
    auto* all = new QMenu(m_folded);
    for (QAction* menu : m_menus->actions()) {
        all->addAction(menu);
    }
    m_folded->setMenu(all);
    m_folded->hide();
    layout->addWidget(m_folded, 0, Qt::AlignVCenter);
    layout->addStretch(1);
    m_tabs = new QTabBar(this);
    m_tabs->setDocumentMode(true);
    m_tabs->setDrawBase(false);
    m_tabs->setExpanding(false);
    m_tabs->setElideMode(Qt::ElideNone);
    m_tabs->setAccessibleName(tr("Workspaces"));
    layout->addWidget(m_tabs, 0, Qt::AlignBottom);
    layout->addStretch(1);
    m_command = new CommandField(this);
    m_command->setDefaultAction(actions[ActionId::palette]);
    m_command->setAccessibleName(tr("Go to or run a command"));
    layout->addWidget(m_command);
}

QSize TopBar::sizeHint() const {
    return {Theme::px(600), Theme::px(40)};
}

void TopBar::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), Theme::current().panel);
    painter.setPen(Theme::current().line);
    painter.drawLine(0, height() - 1, width(), height() - 1);
}

void TopBar::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    static_cast<CommandField*>(m_command)->setNarrow(width() / Theme::fontScale() < 900);
    fold();
}

bool TopBar::event(QEvent* event) {
    const bool done = QWidget::event(event);
    if (event->type() == QEvent::LayoutRequest || event->type() == QEvent::FontChange) {
        fold();  // another tab, larger type
    }
    return done;
}

/// The menus fold before a tab's name is cut short.
void TopBar::fold() {
    int tabs = 0;
    for (int index = 0; index < m_tabs->count(); ++index) {
        tabs += m_tabs->fontMetrics().horizontalAdvance(m_tabs->tabText(index)) + Theme::px(28);
    }
    const int rest = Theme::px(20) + m_command->sizeHint().width() + Theme::px(24) + Theme::px(40);
    const bool folded = m_menus->sizeHint().width() + tabs + rest > width();
    if (folded == m_menus->isHidden()) {
        return;
    }
    m_menus->setVisible(!folded);
    m_folded->setVisible(folded);
}

}  // namespace loupe::app
