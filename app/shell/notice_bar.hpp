// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/error.hpp"

#include <QWidget>

#include <functional>

class QLabel;
class QPushButton;
class QToolButton;

namespace loupe::app {

/// One message inside the window's layout: what happened, why, and what to do about it. The next
/// message replaces it; the same again counts (×7).
class NoticeBar : public QWidget {
    Q_OBJECT

public:
    enum class Kind { Info, Warning, Error };
    explicit NoticeBar(QWidget* parent = nullptr);

    /// `bold` is the short fact, `rest` why and what to do. The button, if any, hides the message
    /// and calls `act`.
    void show(Kind kind,
              const QString& bold,
              const QString& rest,
              const QString& button = {},
              const std::function<void()>& act = {});
    void showError(const Error& error,
                   const QString& button = {},
                   const std::function<void()>& act = {});
    void dismiss();
    [[nodiscard]] QString text() const;
    /// Presses the button, if there is one.
    void act();

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    Kind m_kind = Kind::Info;
    QString m_plain;
    int m_count = 1;
    QLabel* m_icon = nullptr;
    QLabel* m_text = nullptr;
    QPushButton* m_button = nullptr;
    QToolButton* m_close = nullptr;
    std::function<void()> m_act;
};

}  // namespace loupe::app
