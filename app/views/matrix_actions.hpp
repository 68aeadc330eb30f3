// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAction>
#include <QActionGroup>
#include <QMenu>
#include <QObject>

#include "app/document/analyses.hpp"
#include "app/plot/picture_transform.hpp"
#include "core/stats/colormaps.hpp"
#include "core/stats/pyramid.hpp"

namespace loupe::app {

/// What stands in a large cell.
enum class CellTextMode { Value, Code, Error, Bits, Off };

/// Every choice of the matrix picture as an action: the toolbar, the menu and the keys share them.
class MatrixActions : public QObject {
    Q_OBJECT

public:
    explicit MatrixActions(QWidget* parent);

    QActionGroup* quantity;
    QActionGroup* side;
    QActionGroup* map;      ///< data: bool, signed
    QActionGroup* palette;  ///< data: ColorMapId
    QActionGroup* aspect;
    QActionGroup* pooling;
    QActionGroup* cellText;
    QAction* rangeFit;
    QAction* rangeSymmetric;
    QAction* rangePercentile;
    QAction* rangeReset;
    QAction* rangeLog;
    QAction* lock;
    QAction* compare;
    QAction* link;
    QAction* boxZoom;
    QAction* fit;
    QAction* goTo;
    QAction* swap;

    [[nodiscard]] QMenu* menu() const { return m_menu; }
    [[nodiscard]] QMenu* rangeMenu() const { return m_rangeMenu; }
    [[nodiscard]] QMenu* poolingMenu() const { return m_poolingMenu; }

    template <class T>
    [[nodiscard]] static T chosen(const QActionGroup* group) {
        return static_cast<T>(group->checkedAction()->data().toInt());
    }
    template <class T>
    static void choose(QActionGroup* group, T value) {
        for (QAction* action : group->actions()) {
            if (action->data().toInt() == static_cast<int>(value)) {
                action->setChecked(true);
            }
        }
    }
    [[nodiscard]] static QAction* actionFor(const QActionGroup* group, int value);

private:
    QActionGroup* group(const QString& name);
    QAction* add(QActionGroup* group, const QString& text, int value, const QString& tip);
    QAction* add(const QString& text, const QString& tip, const QString& icon = {}, bool checkable = false);
    void makeChoices();
    void makeCommands();
    void makeMenus(QWidget* parent);

    QMenu* m_menu = nullptr;
    QMenu* m_rangeMenu = nullptr;
    QMenu* m_poolingMenu = nullptr;
};

}  // namespace loupe::app
