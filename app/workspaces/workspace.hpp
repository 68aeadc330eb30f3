// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/views/view.hpp"

#include <vector>

namespace loupe::app {

/// What a workspace other than Inspect puts into the window: one page in place of the picture and
/// its docks, and a row of its own in place of the tensor's context bar. It arranges its panels by
/// itself and keeps their sizes in save().
class WorkspacePage : public View {
    Q_OBJECT

public:
    using View::View;

    /// The row under the top bar; made once, owned by the window from then on.
    [[nodiscard]] virtual QWidget* contextBar() = 0;
    /// True while something that is visible is still being computed.
    [[nodiscard]] virtual bool busy() const = 0;
    /// The built-in sizes.
    virtual void resetLayout() = 0;
    /// What the status bar says while the page is shown; HTML.
    [[nodiscard]] QString readout() const { return m_readout; }

signals:
    void readoutChanged();

protected:
    void setReadout(const QString& html);

private:
    QString m_readout;
};

struct WorkspaceDefinition {
    const char* id;     ///< "algorithms": options, sessions
    const char* title;  ///< of the tab
    /// Null: the window's own picture and docks (Inspect).
    WorkspacePage* (*create)(Document& document, QWidget* parent);
};

/// A workspace is app/workspaces/<id>.cpp defining kWorkspace_<id>, and one line in
/// workspaces.def. The first one is where the program starts.
[[nodiscard]] const std::vector<const WorkspaceDefinition*>& allWorkspaces();

}  // namespace loupe::app
