// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/theatre/panel_layout.hpp"

class QPainter;

namespace loupe::app {

/// What of a state is drawn beside its panels.
struct PanelMarks {
    TraceCell cell;        ///< the cell that is explained, of the first panel
    bool showCell = true;  ///< false while there is nothing to explain
};

/// Draws the panels of a state where placePanels() put them.
void paintPanels(QPainter& painter,
                 const TraceState& state,
                 const PanelPage& page,
                 const PanelMarks& marks);

}  // namespace loupe::app
