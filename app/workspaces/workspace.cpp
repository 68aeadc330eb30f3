// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/workspace.hpp"

namespace loupe::app {

#define LOUPE_WORKSPACE(id) extern const WorkspaceDefinition kWorkspace_##id;
#include "app/workspaces/workspaces.def"
#undef LOUPE_WORKSPACE

const std::vector<const WorkspaceDefinition*>& allWorkspaces() {
    static const std::vector<const WorkspaceDefinition*> workspaces{
#define LOUPE_WORKSPACE(id) &kWorkspace_##id,
#include "app/workspaces/workspaces.def"
#undef LOUPE_WORKSPACE
    };
    return workspaces;
}

void WorkspacePage::setReadout(const QString& html) {
    if (html != m_readout) {
        m_readout = html;
        emit readoutChanged();
    }
}

}  // namespace loupe::app
