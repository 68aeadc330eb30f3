// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/start_page.hpp"

#include "app/shell/actions.hpp"
#include "app/shell/file_commands.hpp"
#include "app/widgets/loupe_style.hpp"
#include "app/widgets/theme.hpp"

#include <QAbstractButton>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QVBoxLayout>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr int kColumnWidth = 1262;
constexpr int kSideBySide = 800;

QLabel* label(const QString& text, TextRole role, Tone tone, QWidget* parent) {
    auto* label = new QLabel(text, parent);
    setTextRole(label, role);
    setTone(label, tone);
    return label;
}

void drawKey(QPainter& painter, const QRect& area, const QString& keys) {
    painter.setFont(Theme::font(TextRole::NumberAxis));
    const int width = painter.fontMetrics().horizontalAdvance(keys) + Theme::px(12);
    const QRectF key(area.right() - width, area.center().y() - Theme::px(9), width, Theme::px(19));
    drawBox(painter, key, 3, Theme::current().raised, Theme::current().border);
    painter.setPen(Theme::current().text2);
    painter.drawText(key, Qt::AlignCenter, keys);
}

/// A large button: icon, title, one sentence, and at its end a shortcut or a date.
class Card : public QAbstractButton {
public:
    Card(const QString& icon,
         const QString& title,
         const QString& detail,
         const QString& end,
         bool keys,
         int height,
         QWidget* parent)
        : QAbstractButton(parent),
          m_icon(icon),
          m_detail(detail),
          m_end(end),
          m_keys(keys),
          m_height(height) {
        setText(title);
        setAccessibleName(title);
        setAccessibleDescription(detail);
        setFocusPolicy(Qt::StrongFocus);
        setAttribute(Qt::WA_Hover);
        setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    }
    void setBoxed(bool boxed) { m_boxed = boxed; }
    [[nodiscard]] QSize sizeHint() const override { return {Theme::px(400), Theme::px(m_height)}; }

protected:
    void keyPressEvent(QKeyEvent* event) override {
        if (event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter) {
            click();
        } else {
            QAbstractButton::keyPressEvent(event);
        }
    }
    void paintEvent(QPaintEvent*) override {
        const Theme& theme = Theme::current();
        QPainter painter(this);
        painter.setRenderHint(QPainter::Antialiasing);
        if (m_boxed) {
            drawBox(painter,
                    rect(),
                    Theme::px(8),
                    underMouse() ? theme.raised : theme.canvas,
                    theme.line);
        } else {
            painter.fillRect(rect().adjusted(1, 0, -1, 0),
                             underMouse() ? theme.raised : theme.canvas);
            painter.setPen(theme.line);
            painter.drawLine(1, 0, width() - 2, 0);
        }
        const int icon = Theme::px(m_boxed ? 20 : 16);
        int left = Theme::px(m_boxed ? 20 : 16);
        if (m_boxed) {
            const QRectF tile(left, (height() - Theme::px(36)) / 2, Theme::px(36), Theme::px(36));
            drawBox(painter, tile, Theme::px(6), theme.raised, theme.raised);
            themedIcon(m_icon).paint(&painter,
                                     QRect(left + Theme::px(8), (height() - icon) / 2, icon, icon),
                                     Qt::AlignCenter,
                                     QIcon::Active);
            left += Theme::px(52);
        } else {
            themedIcon(m_icon).paint(&painter, QRect(left, (height() - icon) / 2, icon, icon));
            left += Theme::px(30);
        }
        const QRect words(left, 0, width() - left - Theme::px(96), height());
        painter.setPen(theme.text);
        painter.setFont(Theme::font(m_boxed ? TextRole::Title : TextRole::Body));
        const int middle = height() / 2;
        const int gap = Theme::px(2);
        painter.drawText(QRect(words.left(), 0, words.width(), middle - gap / 2),
                         Qt::AlignLeft | Qt::AlignBottom,
                         painter.fontMetrics().elidedText(text(), Qt::ElideMiddle, words.width()));
        painter.setPen(theme.text2);
        painter.setFont(Theme::font(TextRole::Small));
        painter.drawText(
            QRect(words.left(), middle + gap, words.width(), middle),
            Qt::AlignLeft | Qt::AlignTop,
            painter.fontMetrics().elidedText(m_detail, Qt::ElideMiddle, words.width()));
        const QRect end = rect().adjusted(0, 0, -Theme::px(16), 0);
        if (m_keys) {
            drawKey(painter, end, m_end);
        } else {
            painter.setPen(theme.text3);
            painter.drawText(end, Qt::AlignRight | Qt::AlignVCenter, m_end);
        }
        if (hasFocus()) {
            drawFocusRing(painter, rect(), Theme::px(8));
        }
    }

private:
    QString m_icon;
    QString m_detail;
    QString m_end;
    bool m_keys;
    bool m_boxed = true;
    int m_height;
};

/// A box with a dashed border: drop a file here (or anywhere).
class DropZone : public QLabel {
public:
    explicit DropZone(QWidget* parent)
        : QLabel(StartPage::tr("or drop a file or a folder anywhere on this window"), parent) {
        setAlignment(Qt::AlignCenter);
        setFixedHeight(Theme::px(60));
        setTone(this, Tone::Secondary);
    }

protected:
    void paintEvent(QPaintEvent* event) override {
        QPainter painter(this);
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(QPen(Theme::current().border, 1, Qt::DashLine));
        painter.drawRoundedRect(
            QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5), Theme::px(8), Theme::px(8));
        painter.end();
        QLabel::paintEvent(event);
    }
};

/// A bordered box for the recent list.
class Panel : public QWidget {
public:
    using QWidget::QWidget;

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        painter.setRenderHint(QPainter::Antialiasing);
        drawBox(painter, rect(), Theme::px(8), Theme::current().canvas, Theme::current().line);
    }
};

QString ago(const QDateTime& when) {
    const qint64 days = when.date().daysTo(QDate::currentDate());
    if (!when.isValid()) {
        return {};
    }
    if (days <= 0) {
        return StartPage::tr("today");
    }
    if (days == 1) {
        return StartPage::tr("yesterday");
    }
    return days < 7 ? QLocale().dayName(when.date().dayOfWeek())
                    : QLocale().toString(when.date(), QLocale::ShortFormat);
}

}  // namespace

StartPage::StartPage(Actions& actions, FileCommands& files, QWidget* parent)
    : QWidget(parent), m_actions(actions), m_files(files) {
    setAccessibleName(tr("Start"));
    auto* outer = new QHBoxLayout(this);
    outer->setContentsMargins(Theme::px(24), 0, Theme::px(24), 0);
    m_column = new QWidget(this);
    outer->addWidget(m_column, 0, Qt::AlignHCenter);
    auto* column = new QVBoxLayout(m_column);
    column->setContentsMargins(0, 0, 0, Theme::px(24));
    column->addStretch(2);
    column->addWidget(buildHead());
    column->addSpacing(Theme::px(32));
    m_halves = new QBoxLayout(QBoxLayout::LeftToRight);
    m_halves->setSpacing(Theme::px(24));
    m_halves->addWidget(buildWays(), 1, Qt::AlignTop);
    m_halves->addWidget(buildRecent(), 1, Qt::AlignTop);
    column->addLayout(m_halves);
    column->addStretch(3);
    column->addWidget(buildFoot());
    connect(&files, &FileCommands::recentChanged, this, &StartPage::fillRecent);
}

QWidget* StartPage::buildHead() {
    auto* head = new QWidget(m_column);
    auto* layout = new QHBoxLayout(head);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(Theme::px(18));
    auto* logo = new QLabel(head);
    logo->setPixmap(
        themedIcon(QStringLiteral("logo")).pixmap(Theme::px(52), Theme::px(52), QIcon::Active));
    layout->addWidget(logo);
    auto* words = new QVBoxLayout;
    words->setSpacing(Theme::px(2));
    words->addWidget(label(tr("Tensorloupe"), TextRole::Display, Tone::Normal, head));
    QLabel* line = label(tr("Point at one weight. See its bits, its error, and what another scheme "
                            "would have done."),
                         TextRole::Body,
                         Tone::Secondary,
                         head);
    line->setWordWrap(true);
    words->addWidget(line);
    layout->addLayout(words, 1);
    return head;
}

QWidget* StartPage::buildWays() {
    auto* ways = new QWidget(m_column);
    auto* layout = new QVBoxLayout(ways);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(Theme::px(12));
    const auto add =
        [&](ActionId id, const char* icon, const QString& title, const QString& detail) {
            QAction* action = m_actions[id];
            auto* card = new Card(QLatin1String(icon),
                                  title,
                                  detail,
                                  action->shortcut().toString(QKeySequence::NativeText),
                                  true,
                                  76,
                                  ways);
            connect(card, &QAbstractButton::clicked, action, &QAction::trigger);
            layout->addWidget(card);
        };
    add(ActionId::open,
        "open",
        tr("Open a checkpoint"),
        tr("safetensors, GGUF, PyTorch, ONNX, NumPy, CSV, or a folder"));
    add(ActionId::makeUp,
        "matrix",
        tr("Make up a matrix"),
        tr("Gaussian, heavy-tailed, outlier channels; a seed makes it repeatable"));
    add(ActionId::openSample,
        "module",
        tr("Open the bundled sample"),
        tr("A small transformer's shapes, made up, with outlier channels and activations"));
    layout->addWidget(new DropZone(ways));
    return ways;
}

QWidget* StartPage::buildRecent() {
    m_recent = new Panel(m_column);
    auto* layout = new QVBoxLayout(m_recent);
    layout->setContentsMargins(1, 0, 1, 1);
    layout->setSpacing(0);
    auto* head = new QHBoxLayout;
    head->setContentsMargins(Theme::px(16), Theme::px(14), Theme::px(16), Theme::px(14));
    head->addWidget(label(tr("Recent"), TextRole::Heading, Tone::Normal, m_recent), 1);
    head->addWidget(label(tr("sessions and files"), TextRole::Small, Tone::Tertiary, m_recent));
    layout->addLayout(head);
    m_recentRows = new QVBoxLayout;
    m_recentRows->setSpacing(0);
    layout->addLayout(m_recentRows);
    return m_recent;
}

QWidget* StartPage::buildFoot() {
    auto* foot = new QWidget(m_column);
    auto* layout = new QHBoxLayout(foot);
    layout->setContentsMargins(0, 0, 0, 0);
    auto* lock = new QLabel(foot);
    lock->setPixmap(themedIcon(QStringLiteral("lock")).pixmap(Theme::px(16), Theme::px(16)));
    layout->addWidget(lock);
    layout->addWidget(
        label(tr("Your files never leave this machine."), TextRole::Small, Tone::Secondary, foot));
    layout->addStretch(1);
    layout->addWidget(label(tr("?  all shortcuts"), TextRole::Small, Tone::Secondary, foot));
    return foot;
}

void StartPage::fillRecent() {
    while (QLayoutItem* item = m_recentRows->takeAt(0)) {
        delete item->widget();
        delete item;
    }
    int shown = 0;
    for (const RecentFile& file : FileCommands::recent()) {
        if (++shown > 6) {
            break;
        }
        const QString path = file.path;
        if (file.exists()) {
            const QString icon =
                file.isSession() ? QStringLiteral("file") : QStringLiteral("matrix");
            auto* row = new Card(icon,
                                 file.title(),
                                 file.detail.isEmpty() ? file.path : file.detail,
                                 ago(file.when),
                                 false,
                                 52,
                                 m_recent);
            row->setBoxed(false);
            row->setToolTip(path);
            connect(row, &QAbstractButton::clicked, this, [this, path] { m_files.openPath(path); });
            m_recentRows->addWidget(row);
            continue;
        }
        auto* row = new QWidget(m_recent);
        auto* layout = new QHBoxLayout(row);
        layout->setContentsMargins(Theme::px(16), Theme::px(10), Theme::px(16), Theme::px(10));
        auto* icon = new QLabel(row);
        icon->setPixmap(themedIcon(QStringLiteral("warning")).pixmap(Theme::px(16), Theme::px(16)));
        auto* words =
            label(tr("<b>Not found:</b> %1 was moved or renamed").arg(file.title().toHtmlEscaped()),
                  TextRole::Small,
                  Tone::Normal,
                  row);
        words->setToolTip(path);
        auto* locate = new QPushButton(tr("Locate…"), row);
        locate->setProperty("loupeSmall", true);
        connect(locate, &QPushButton::clicked, this, [this, path] { m_files.locate(path); });
        layout->addWidget(icon);
        layout->addWidget(words, 1);
        layout->addWidget(locate);
        m_recentRows->addWidget(row);
    }
    if (shown == 0) {
        auto* none = new QWidget(m_recent);
        auto* margins = new QHBoxLayout(none);
        margins->setContentsMargins(Theme::px(16), 0, Theme::px(16), Theme::px(16));
        margins->addWidget(
            label(tr("What you open will be listed here."), TextRole::Small, Tone::Tertiary, none));
        m_recentRows->addWidget(none);
    }
}

void StartPage::showEvent(QShowEvent* event) {
    fillRecent();
    QWidget::showEvent(event);
}

void StartPage::resizeEvent(QResizeEvent* event) {
    m_column->setFixedWidth(
        std::min(Theme::px(kColumnWidth), std::max(Theme::px(320), width() - 2 * Theme::px(24))));
    m_halves->setDirection(width() < Theme::px(kSideBySide) ? QBoxLayout::TopToBottom
                                                            : QBoxLayout::LeftToRight);
    QWidget::resizeEvent(event);
}

}  // namespace loupe::app
