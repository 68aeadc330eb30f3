// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/notice_bar.hpp"

#include "app/widgets/theme.hpp"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QToolButton>

namespace loupe::app {

NoticeBar::NoticeBar(QWidget* parent) : QWidget(parent) {
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(Theme::px(14), Theme::px(4), Theme::px(8), Theme::px(4));
    layout->setSpacing(Theme::px(8));
    m_icon = new QLabel(this);
    m_text = new QLabel(this);
    m_text->setWordWrap(true);
    m_text->setTextFormat(Qt::RichText);
    m_text->setTextInteractionFlags(Qt::TextSelectableByMouse);
    setTextRole(m_text, TextRole::Small);
    m_button = new QPushButton(this);
    m_button->setProperty("loupeSmall", true);
    m_close = new QToolButton(this);
    m_close->setAutoRaise(true);
    m_close->setIcon(themedIcon(QStringLiteral("close")));
    m_close->setToolTip(tr("Dismiss"));
    m_close->setAccessibleName(tr("Dismiss this message"));
    layout->addWidget(m_icon);
    layout->addWidget(m_text, 1);
    layout->addWidget(m_button);
    layout->addWidget(m_close);
    setMinimumHeight(Theme::px(32));
    connect(m_button, &QPushButton::clicked, this, &NoticeBar::act);
    connect(m_close, &QToolButton::clicked, this, &NoticeBar::dismiss);
    hide();
}

void NoticeBar::show(Kind kind,
                     const QString& bold,
                     const QString& rest,
                     const QString& button,
                     const std::function<void()>& act) {
    const QString plain = bold + QLatin1Char(' ') + rest;
    m_count = isVisible() && plain == m_plain ? m_count + 1 : 1;
    m_plain = plain;
    m_kind = kind;
    m_act = act;
    const QString icon = kind == Kind::Error     ? QStringLiteral("error")
                         : kind == Kind::Warning ? QStringLiteral("warning")
                                                 : QStringLiteral("info");
    m_icon->setPixmap(themedIcon(icon).pixmap(Theme::px(16), Theme::px(16)));
    const QString count = m_count > 1 ? QStringLiteral(" (×%1)").arg(m_count) : QString();
    m_text->setText(QStringLiteral("<span style=\"font-weight:600\">%1</span> %2%3")
                        .arg(bold.toHtmlEscaped(), rest.toHtmlEscaped(), count));
    m_button->setText(button);
    m_button->setVisible(!button.isEmpty());
    setAccessibleName(plain);
    QWidget::show();
    update();
}

void NoticeBar::showError(const Error& error,
                          const QString& button,
                          const std::function<void()>& act) {
    QString what = QString::fromStdString(error.message());
    if (!what.isEmpty()) {
        what[0] = what[0].toUpper();
    }
    show(Kind::Error, what + QLatin1Char('.'), QString::fromStdString(error.hint), button, act);
}

void NoticeBar::dismiss() {
    m_act = nullptr;
    hide();
}

QString NoticeBar::text() const {
    return isHidden() ? QString() : m_plain;
}

void NoticeBar::act() {
    const std::function<void()> action = std::exchange(m_act, nullptr);
    hide();
    if (action) {
        action();
    }
}

void NoticeBar::paintEvent(QPaintEvent*) {
    const Theme& theme = Theme::current();
    QPainter painter(this);
    painter.fillRect(rect(), theme.raised);
    painter.fillRect(0,
                     0,
                     Theme::px(3),
                     height(),
                     m_kind == Kind::Error     ? theme.error
                     : m_kind == Kind::Warning ? theme.warning
                                               : theme.text2);
}

}  // namespace loupe::app
