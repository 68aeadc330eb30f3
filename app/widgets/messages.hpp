// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QWidget>

#include <functional>
#include <optional>
#include <vector>

class QAction;
class QHBoxLayout;
class QLabel;
class QPushButton;

namespace loupe {
struct Error;
}

namespace loupe::app {

/// A message inside the view concerned, in the layout and not over it: what failed in bold, why, and what to do. The same
/// message again counts (×7) instead of piling up. Hidden until shown.
class MessageBar : public QWidget {
    Q_OBJECT

public:
    enum class Role { Neutral, Warning, Error };
    explicit MessageBar(QWidget* parent = nullptr);

    /// `what` one bold sentence, `why` the rest (cause, and what to do next).
    void showMessage(Role role, const QString& what, const QString& why = {});
    /// An error value: what, where and hint; *Details* copies it whole.
    void showError(const Error& error);
    /// Hides and forgets the count.
    void clear();
    /// Buttons on the right, below the text where the bar is narrow; replaces the earlier ones. The actions stay the caller's.
    void setActions(const std::vector<QAction*>& actions);
    [[nodiscard]] bool isShowing() const { return !m_what.isEmpty(); }
    [[nodiscard]] QString what() const { return m_what; }
    [[nodiscard]] QString why() const { return m_why; }
    /// How often the message came in a row.
    [[nodiscard]] int count() const { return m_count; }

protected:
    void paintEvent(QPaintEvent* event) override;
    void changeEvent(QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    void rebuild();
    void placeButtons();

    Role m_role = Role::Neutral;
    QString m_what;
    QString m_why;
    int m_count = 0;
    QLabel* m_icon = nullptr;
    QLabel* m_text = nullptr;
    QHBoxLayout* m_layout = nullptr;
    QHBoxLayout* m_below = nullptr;  ///< a row under the text
    std::vector<QWidget*> m_buttons;
    bool m_narrow = false;
};

/// An empty view: icon, what is missing, what would appear, one small button.
class EmptyState : public QWidget {
    Q_OBJECT

public:
    explicit EmptyState(QWidget* parent = nullptr);
    void setContent(const QString& icon, const QString& title, const QString& line);
    /// Text of the button; empty: none.
    void setButton(const QString& text);
    [[nodiscard]] QPushButton* button() const { return m_button; }

signals:
    void activated();

protected:
    void changeEvent(QEvent* event) override;

private:
    QString m_iconName;
    QLabel* m_icon = nullptr;
    QLabel* m_title = nullptr;
    QLabel* m_line = nullptr;
    QPushButton* m_button = nullptr;
};

/// The 2 px line along a view's top edge while it computes. Takes its room always, so that nothing moves.
class ProgressLine : public QWidget {
    Q_OBJECT

public:
    explicit ProgressLine(QWidget* parent = nullptr);
    /// 0 to 1; -1: at work, share unknown; empty: idle.
    void setProgress(std::optional<double> fraction);

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    std::optional<double> m_fraction;
};

}  // namespace loupe::app
