// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/matrix_actions.hpp"

#include "app/widgets/theme.hpp"

namespace loupe::app {

MatrixActions::MatrixActions(QWidget* parent) : QObject(parent) {
    makeChoices();
    makeCommands();
    makeMenus(parent);
}

QActionGroup* MatrixActions::group(const QString& name) {
    auto* made = new QActionGroup(this);
    made->setObjectName(name);
    made->setExclusive(true);
    return made;
}

QAction* MatrixActions::add(QActionGroup* group, const QString& text, int value, const QString& tip) {
    auto* action = new QAction(text, group);
    action->setCheckable(true);
    action->setData(value);
    action->setToolTip(tip);
    action->setChecked(group->actions().size() == 1);
    return action;
}

QAction* MatrixActions::add(const QString& text, const QString& tip, const QString& icon, bool checkable) {
    auto* action = new QAction(text, this);
    action->setToolTip(tip);
    action->setCheckable(checkable);
    if (!icon.isEmpty()) {
        action->setIcon(themedIcon(icon));
    }
    return action;
}

QAction* MatrixActions::actionFor(const QActionGroup* group, int value) {
    for (QAction* action : group->actions()) {
        if (action->data().toInt() == value) {
            return action;
        }
    }
    return nullptr;
}

void MatrixActions::makeChoices() {
    quantity = group("quantity");
    add(quantity, "Original", static_cast<int>(Quantity::Original), "The weights as stored");
    add(quantity, "Scheme", static_cast<int>(Quantity::Scheme), "What the weights become under the scheme");
    add(quantity, "Error", static_cast<int>(Quantity::Error), "Scheme − original");
    add(quantity, "Codes", static_cast<int>(Quantity::Codes), "The integer code of each weight");
    add(quantity, "Difference", static_cast<int>(Quantity::Difference), "Which scheme is closer: |error B| − |error A|");
    add(quantity, "A − B", static_cast<int>(Quantity::SchemesDiffer), "Weights under scheme A − weights under scheme B");
    side = group("side");
    add(side, "A", static_cast<int>(Side::A), "Show scheme A");
    add(side, "B", static_cast<int>(Side::B), "Show scheme B");
    map = group("map");
    add(map, "Magnitude", 0, "Colour by |x|: viridis or cividis");
    add(map, "Signed", 1, "Colour by x: blue below 0, orange above");
    palette = group("palette");
    add(palette, "Viridis", static_cast<int>(ColorMapId::Viridis), "Viridis");
    add(palette, "Cividis", static_cast<int>(ColorMapId::Cividis), "Cividis: made for all forms of colour-vision deficiency");
    aspect = group("aspect");
    add(aspect, "Fill", static_cast<int>(Aspect::Fill), "The matrix fills the picture; cells need not be square");
    add(aspect, "Square", static_cast<int>(Aspect::Square), "Square cells");
    add(aspect, "1:1", static_cast<int>(Aspect::OneToOne), "A cell is a pixel of the screen (1)");
    pooling = group("pooling");
    add(pooling, "Max |x|", static_cast<int>(Pooling::AbsMax), "The value of largest magnitude: never hides an outlier");
    add(pooling, "Mean", static_cast<int>(Pooling::Mean), "The mean: hides outliers");
    add(pooling, "Smallest value", static_cast<int>(Pooling::Min), "The smallest value: hides large positive outliers");
    cellText = group("cellText");
    add(cellText, "Value", static_cast<int>(CellTextMode::Value), "The value shown, in cells from 48 px width");
    add(cellText, "Code", static_cast<int>(CellTextMode::Code), "The scheme's integer code");
    add(cellText, "Error", static_cast<int>(CellTextMode::Error), "Scheme − original");
    add(cellText, "Bits", static_cast<int>(CellTextMode::Bits), "The stored code in hex");
    add(cellText, "Off", static_cast<int>(CellTextMode::Off), "No text in cells");
}

void MatrixActions::makeCommands() {
    rangeFit = add("Fit to all values", "From the smallest to the largest value of the whole tensor");
    rangeSymmetric = add("Symmetric about 0", "From −m to m, m the largest magnitude");
    rangePercentile = add("99.9 % of values", "Leaves out the 0.1 % of largest magnitude: they get the end-cap colour");
    rangeReset = add("Reset range", "The range that this picture opens with", "reset");
    rangeLog = add("Logarithmic", "Logarithm of |x|", {}, true);
    lock = add("Lock range", "Keep the colour range when another tensor or scheme is shown", "lock", true);
    compare = add("Compare", "Original and the chosen quantity side by side", "compare", true);
    link = add("Link zoom", "Both pictures pan and zoom together", "link", true);
    link->setChecked(true);
    boxZoom = add("Zoom to box", "Drag a box to zoom into (or drag with the right button)", "box-zoom", true);
    fit = add("Fit", "Show the whole matrix (F)", "fit");
    goTo = add("Go to row, column…", "Ctrl+G");
    goTo->setShortcut(QKeySequence("Ctrl+G"));
    goTo->setShortcutContext(Qt::WidgetShortcut);
    swap = add("Swap A and B", "Scheme A becomes B and B becomes A (X)", "swap");
}

void MatrixActions::makeMenus(QWidget* parent) {
    m_rangeMenu = new QMenu("Range", parent);
    m_rangeMenu->addActions({rangeFit, rangeSymmetric, rangePercentile, rangeReset});
    m_rangeMenu->addSeparator();
    m_rangeMenu->addActions({rangeLog, lock});
    m_poolingMenu = new QMenu("Each pixel", parent);
    m_poolingMenu->setToolTipsVisible(true);
    m_poolingMenu->addActions(pooling->actions());

    m_menu = new QMenu(parent);
    m_menu->setToolTipsVisible(true);
    const auto sub = [this](const QString& title, const QActionGroup* actions) {
        QMenu* menu = m_menu->addMenu(title);
        menu->addActions(actions->actions());
        return menu;
    };
    sub("Quantity", quantity);
    sub("Scheme", side);
    QMenu* colours = sub("Colours", map);
    colours->addSeparator();
    colours->addActions(palette->actions());
    sub("Proportions", aspect);
    m_menu->addMenu(m_poolingMenu);
    sub("Text in cells", cellText);
    m_menu->addMenu(m_rangeMenu);
    m_menu->addSeparator();
    m_menu->addActions({fit, boxZoom, goTo, compare, link});
    m_menu->addSeparator();
    m_menu->addAction(swap);
}

}  // namespace loupe::app
