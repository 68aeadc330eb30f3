// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/workspace.hpp"

namespace loupe::app {

extern const WorkspaceDefinition kWorkspace_inspect;
const WorkspaceDefinition kWorkspace_inspect{
    "inspect", QT_TRANSLATE_NOOP("Workspace", "Inspect"), nullptr};

}  // namespace loupe::app
