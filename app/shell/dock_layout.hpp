// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/shell/view_dock.hpp"

#include <QObject>
#include <QSet>

#include <vector>

class QMainWindow;

namespace loupe::app {

/// The sizes of window that decide about the layout (mockups/layout.md). A font of twice the size
/// counts as half the width.
enum class WindowClass { S, M, L };

/// Where the docks of the workspace go, how large they are and what folds first. Restores what the
/// user arranged.
class DockLayout : public QObject {
    Q_OBJECT

public:
    DockLayout(QMainWindow& window, std::vector<ViewDock*> docks);

    /// Shows or hides all docks together (start page); what each was is kept.
    void setActive(bool active);
    [[nodiscard]] bool isActive() const { return m_active; }
    /// The built-in layout for the present size of the window.
    void reset();
    /// Tree on its rail and only the block microscope below: room for two pictures.
    void compare();
    /// Call when the window was shown: sizes given while it was hidden do not hold.
    void shown();
    /// Call when the window's size changed: folds and unfolds.
    void resized();
    /// Unfolds or shows a dock and gives its view the focus.
    void reveal(ViewDock* dock);
    [[nodiscard]] WindowClass windowClass() const;

    [[nodiscard]] QByteArray save() const;
    /// False where the state is of another version.
    bool restore(const QByteArray& state);

private:
    [[nodiscard]] std::vector<ViewDock*> of(Area area) const;
    void arrange(WindowClass size);
    void applySizes(WindowClass size);
    void setFolded(ViewDock* dock, bool folded);
    void pairUp(const char* front, const char* behind);
    void buildRail();
    void updateRail();

    QMainWindow& m_window;
    std::vector<ViewDock*> m_docks;
    QDockWidget* m_rail = nullptr;
    QSet<QDockWidget*> m_folded;  ///< hidden by us, not by the user
    QByteArray m_parked;          ///< state while inactive
    WindowClass m_class = WindowClass::M;
    bool m_active = false;
    bool m_arranged = false;
    bool m_builtIn = false;  ///< the layout is ours and nobody changed it yet
};

}  // namespace loupe::app
