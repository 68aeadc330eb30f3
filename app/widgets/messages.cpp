// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/messages.hpp"

#include <QAction>
#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPainterPath>
#include <QPushButton>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

#include "app/widgets/loupe_style.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/error.hpp"

namespace loupe::app {

namespace {

constexpr int kNarrow = 420;

QColor roleColour(MessageBar::Role role) {
    const Theme& t = Theme::current();
    return role == MessageBar::Role::Error ? t.error : role == MessageBar::Role::Warning ? t.warning : t.text2;
}

/// An icon of ours in any colour.
QPixmap tinted(const QString& name, const QColor& colour, int side, double ratio) {
    QPixmap pixmap = themedIcon(name).pixmap(QSize(side, side), ratio);
    QPainter painter(&pixmap);
    painter.setCompositionMode(QPainter::CompositionMode_SourceIn);
    painter.fillRect(QRect(0, 0, side, side), colour);
    return pixmap;
}

QString sentence(QString text) {
    if (!text.isEmpty() && !text.endsWith(QLatin1Char('.')) && !text.endsWith(QLatin1Char('?')) && !text.endsWith(QLatin1Char('!'))) {
        text += QLatin1Char('.');
    }
    if (!text.isEmpty()) {
        text[0] = text[0].toUpper();
    }
    return text;
}

}  // namespace

MessageBar::MessageBar(QWidget* parent) : QWidget(parent) {
    m_icon = new QLabel(this);
    m_text = new QLabel(this);
    m_text->setWordWrap(true);
    m_text->setTextFormat(Qt::RichText);
    m_text->setTextInteractionFlags(Qt::TextSelectableByMouse);
    // The words take what icon and buttons leave: a stretch alone gave each of the three its share.
    m_text->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    m_icon->setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Preferred);
    setTextRole(m_text, TextRole::Small);
    m_layout = new QHBoxLayout(this);
    m_layout->setContentsMargins(Theme::px(14), Theme::px(6), Theme::px(8), Theme::px(6));
    m_layout->setSpacing(Theme::px(10));
    m_layout->addWidget(m_icon, 0, Qt::AlignTop);
    auto* column = new QVBoxLayout;
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(Theme::px(4));
    column->addWidget(m_text, 1);
    m_below = new QHBoxLayout;
    m_below->setContentsMargins(0, 0, 0, 0);
    m_below->setSpacing(Theme::px(8));
    column->addLayout(m_below);
    m_layout->addLayout(column, 1);
    setMinimumHeight(Theme::px(32));
    setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Minimum);
    hide();
}

void MessageBar::showMessage(Role role, const QString& what, const QString& why) {
    m_count = role == m_role && what == m_what && why == m_why ? m_count + 1 : 1;
    m_role = role;
    m_what = what;
    m_why = why;
    rebuild();
    show();
}

void MessageBar::showError(const Error& error) {
    QString why = error.where.empty() ? QString() : QString::fromStdString(error.where) + QStringLiteral(". ");
    why += sentence(QString::fromStdString(error.hint));
    showMessage(Role::Error, sentence(QString::fromStdString(error.what)), why.trimmed());
}

void MessageBar::clear() {
    m_what.clear();
    m_why.clear();
    m_count = 0;
    hide();
}

void MessageBar::setActions(const std::vector<QAction*>& actions) {
    for (QWidget* button : m_buttons) {
        m_layout->removeWidget(button);
        m_below->removeWidget(button);
        button->deleteLater();
    }
    m_buttons.clear();
    for (QAction* action : actions) {
        auto* button = new QPushButton(action->text(), this);
        button->setProperty("loupeSmall", true);
        button->setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
        button->setToolTip(action->toolTip());
        button->setAccessibleName(action->text());
        setTextRole(button, TextRole::Small);
        connect(button, &QPushButton::clicked, action, &QAction::trigger);
        m_buttons.push_back(button);
    }
    placeButtons();
}

/// A button beside the text of a narrow bar would leave it two words wide.
void MessageBar::placeButtons() {
    m_narrow = width() < Theme::px(kNarrow);
    for (QWidget* button : m_buttons) {
        m_layout->removeWidget(button);
        m_below->removeWidget(button);
        if (m_narrow) {
            m_below->addWidget(button, 0, Qt::AlignLeft);
        } else {
            m_layout->addWidget(button);
        }
        button->show();
    }
}

void MessageBar::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    if ((width() < Theme::px(kNarrow)) != m_narrow && !m_buttons.empty()) {
        placeButtons();
    }
}

void MessageBar::rebuild() {
    const Theme& t = Theme::current();
    const QString icon = m_role == Role::Error     ? QStringLiteral("error")
                         : m_role == Role::Warning ? QStringLiteral("warning")
                                                   : QStringLiteral("info");
    m_icon->setPixmap(tinted(icon, roleColour(m_role), Theme::px(16), devicePixelRatioF()));
    QString html = QStringLiteral("<span style='font-weight:600;color:%1'>%2</span>").arg(t.text.name(), m_what.toHtmlEscaped());
    if (!m_why.isEmpty()) {
        html += QStringLiteral(" <span style='color:%1'>%2</span>").arg(t.text2.name(), m_why.toHtmlEscaped());
    }
    if (m_count > 1) {
        html += QStringLiteral(" <span style='color:%1'>%2%3</span>").arg(t.text3.name(), QString(QChar(0xD7))).arg(m_count);
    }
    m_text->setText(html);
    const QString word = m_role == Role::Error ? tr("Error") : m_role == Role::Warning ? tr("Warning") : tr("Note");
    setAccessibleName(QStringLiteral("%1: %2 %3").arg(word, m_what, m_why).trimmed());
    m_text->setAccessibleName(accessibleName());
    update();
}

void MessageBar::paintEvent(QPaintEvent*) {
    const Theme& t = Theme::current();
    QPainter painter(this);
    drawBox(painter, rect(), 6, t.raised, t.line);
    // The bar follows the rounded corner.
    QPainterPath corner;
    corner.addRoundedRect(rect(), 6, 6);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setClipPath(corner);
    painter.fillRect(QRect(0, 0, 3, height()), roleColour(m_role));
}

void MessageBar::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::StyleChange) {
        m_layout->setContentsMargins(Theme::px(14), Theme::px(6), Theme::px(8), Theme::px(6));
        setMinimumHeight(Theme::px(32));
        if (isShowing()) {
            rebuild();
        }
    }
}

EmptyState::EmptyState(QWidget* parent) : QWidget(parent) {
    m_icon = new QLabel(this);
    m_icon->setAlignment(Qt::AlignCenter);
    m_title = new QLabel(this);
    m_title->setAlignment(Qt::AlignCenter);
    m_title->setWordWrap(true);
    setTextRole(m_title, TextRole::Heading);
    m_line = new QLabel(this);
    m_line->setAlignment(Qt::AlignCenter);
    m_line->setWordWrap(true);
    setTextRole(m_line, TextRole::Small);
    setTone(m_line, Tone::Secondary);
    m_button = new QPushButton(this);
    m_button->setProperty("loupeSmall", true);
    setTextRole(m_button, TextRole::Small);
    m_button->hide();
    auto* layout = new QVBoxLayout(this);
    layout->setSpacing(Theme::px(8));
    layout->addStretch(1);
    layout->addWidget(m_icon);
    layout->addWidget(m_title);
    layout->addWidget(m_line);
    layout->addWidget(m_button, 0, Qt::AlignHCenter);
    layout->addStretch(1);
    connect(m_button, &QPushButton::clicked, this, &EmptyState::activated);
}

void EmptyState::setContent(const QString& icon, const QString& title, const QString& line) {
    m_iconName = icon;
    m_icon->setPixmap(themedIcon(icon).pixmap(QSize(Theme::px(22), Theme::px(22)), devicePixelRatioF()));
    m_title->setText(title);
    m_line->setText(line);
    setAccessibleName(title);
    setAccessibleDescription(line);
}

void EmptyState::setButton(const QString& text) {
    m_button->setText(text);
    m_button->setAccessibleName(text);
    m_button->setVisible(!text.isEmpty());
}

void EmptyState::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (!m_iconName.isEmpty() && (event->type() == QEvent::PaletteChange || event->type() == QEvent::StyleChange)) {
        m_icon->setPixmap(themedIcon(m_iconName).pixmap(QSize(Theme::px(22), Theme::px(22)), devicePixelRatioF()));
    }
}

ProgressLine::ProgressLine(QWidget* parent) : QWidget(parent) {
    setFixedHeight(2);
    setAttribute(Qt::WA_TransparentForMouseEvents);
    setAccessibleName(tr("Progress"));
}

void ProgressLine::setProgress(std::optional<double> fraction) {
    if (fraction != m_fraction) {
        m_fraction = fraction;
        setAccessibleDescription(!fraction       ? QString()
                                 : *fraction < 0 ? tr("Computing")
                                                 : tr("%1 %").arg(qRound(*fraction * 100)));
        update();
    }
}

void ProgressLine::paintEvent(QPaintEvent*) {
    if (!m_fraction) {
        return;
    }
    const Theme& t = Theme::current();
    QPainter painter(this);
    painter.fillRect(rect(), t.pressed);
    if (*m_fraction >= 0) {
        painter.fillRect(QRectF(0, 0, width() * std::min(1.0, *m_fraction), height()), t.text2);
    } else {
        painter.fillRect(rect(), hatchBrush(t.text2, 8, 4));
    }
}

}  // namespace loupe::app
