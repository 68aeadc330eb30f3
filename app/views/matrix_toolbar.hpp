// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QToolButton>
#include <QWidget>

#include <vector>

#include "app/views/matrix_actions.hpp"

namespace loupe::app {

/// One of several exclusive words that share borders; shows its default action.
class SegmentButton : public QToolButton {
    Q_OBJECT

public:
    enum Place { First = 1, Last = 2 };
    SegmentButton(QAction* action, int place, QWidget* parent);
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    int m_place;
};

/// A segmented control over an action group.
class SegmentRow : public QWidget {
    Q_OBJECT

public:
    SegmentRow(QActionGroup* group, const QString& accessibleName, QWidget* parent);
};

/// A fact that is not editable in itself; a click opens its menu.
class ChipButton : public QToolButton {
    Q_OBJECT

public:
    explicit ChipButton(QWidget* parent);
    [[nodiscard]] QSize sizeHint() const override;
    /// Dashed outline in the warning colour: the picture may hide outliers.
    void setDoubtful(bool doubtful);

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    bool m_doubtful = false;
};

/// The row above the picture. Folds its less important parts into the menu when it gets narrow.
class MatrixToolbar : public QWidget {
    Q_OBJECT

public:
    MatrixToolbar(MatrixActions& actions, QWidget* parent);

    /// `text` empty: exact cells.
    void setPooling(const QString& text, bool hidesOutliers);
    [[nodiscard]] ChipButton* chip() const { return m_chip; }
    [[nodiscard]] QToolButton* peekButton() const { return m_peek; }
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

protected:
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    QToolButton* iconButton(QAction* action);
    void arrange();

    struct Item {
        QWidget* widget;
        int importance;  ///< the least important folds first
        bool right;      ///< stands at the right end
    };
    std::vector<Item> m_items;
    ChipButton* m_chip = nullptr;
    QToolButton* m_peek = nullptr;
};

}  // namespace loupe::app
