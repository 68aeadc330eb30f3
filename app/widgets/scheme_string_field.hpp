// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/quiet_end.hpp"

#include <QString>
#include <QWidget>

class QLabel;
class QLineEdit;

namespace loupe::app {

/// A scheme string as text: the other face of a form. Mono, with a copy button; checked while typing, taken over with Enter
/// or when the field is left, Esc goes back.
class SchemeStringField : public QWidget {
    Q_OBJECT

public:
    explicit SchemeStringField(QWidget* parent = nullptr);
    /// Sets without a signal; does not disturb what is being typed.
    void setText(const QString& text);
    [[nodiscard]] QString text() const;
    [[nodiscard]] QLineEdit* edit() const { return m_edit; }
    /// Why what is typed is not a scheme; empty while it is one.
    [[nodiscard]] QString problem() const;
    void setNames(const QString& name);

signals:
    /// A valid scheme string, canonical.
    void submitted(const QString& text);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void check();
    void submit();

    QLineEdit* m_edit = nullptr;
    QLabel* m_problem = nullptr;
    QString m_accepted;
    QuietEnd m_end{this};
};

}  // namespace loupe::app
