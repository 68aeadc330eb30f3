// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"

#include <QJsonObject>
#include <QString>
#include <QWidget>

#include <functional>

class QStackedWidget;

namespace loupe::app {

class Actions;
class SegmentedControl;
class View;

/// The centre of Inspect: picture, ladder or curves, one at a time, with the choice above them. The
/// docks stay as they are.
class CentreStack : public QWidget {
    Q_OBJECT

public:
    explicit CentreStack(Actions& actions, QWidget* parent = nullptr);

    /// `title` is the word of the choice.
    void add(View* view, const QString& title);
    [[nodiscard]] View* view(const QString& id) const;
    [[nodiscard]] View* current() const;
    [[nodiscard]] QString currentId() const;
    /// Shows a view by its id; nothing where there is none.
    void showView(const QString& id);
    /// The picture with the error of a side.
    void showError(Side side);

    [[nodiscard]] QJsonObject save() const;
    void restore(const QJsonObject& state);

    /// The id that a word of the command line means ("picture", "ladder", "curves"); empty: none.
    [[nodiscard]] static QString idOf(const QString& word);

signals:
    /// An action asked for one of the views: it should be seen.
    void asked();

protected:
    void changeEvent(QEvent* event) override;

private:
    void ask(const QString& id);
    void scale();
    void updateChoice();

    SegmentedControl* m_choice = nullptr;
    QWidget* m_bar = nullptr;
    QStackedWidget* m_stack = nullptr;
    QStringList m_titles;
};

}  // namespace loupe::app
