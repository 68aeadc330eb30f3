// SPDX-License-Identifier: GPL-3.0-or-later
// What the window keeps: states of views for sessions, sizes in the settings.
#include "app/document/analyses.hpp"
#include "app/shell/centre_stack.hpp"
#include "app/shell/dock_layout.hpp"
#include "app/shell/file_commands.hpp"
#include "app/shell/main_window.hpp"
#include "app/shell/notice_bar.hpp"
#include "app/shell/view_dock.hpp"
#include "app/shell/workspaces.hpp"

#include <QSettings>

namespace loupe::app {

QJsonObject MainWindow::saveViews() const {
    QJsonObject state;
    state[QStringLiteral("centre")] = m_centreStack->save();
    for (const auto& [definition, view] : m_centre) {
        if (view != nullptr) {
            state[QLatin1String(definition->id)] = view->save();
        }
    }
    for (const ViewDock* dock : m_docks) {
        state[QLatin1String(dock->definition().id)] = dock->saveView();
    }
    state[QStringLiteral("workspaces")] = m_workspaces->save();
    return state;
}

void MainWindow::restoreViews(const QJsonObject& state) {
    for (const auto& [definition, made] : m_centre) {
        view(QLatin1String(definition->id))
            ->restore(state[QLatin1String(definition->id)].toObject());
    }
    m_centreStack->restore(state[QStringLiteral("centre")].toObject());
    for (ViewDock* dock : m_docks) {
        dock->restoreView(state[QLatin1String(dock->definition().id)].toObject());
    }
    m_workspaces->restore(state[QStringLiteral("workspaces")].toObject());
}

QString MainWindow::layoutKey() const {
    return QStringLiteral("layout/inspect/%1")
        .arg(QLatin1Char("SML"[static_cast<int>(m_layout->windowClass())]));
}

void MainWindow::saveSettings() {
    if (m_keepsSettings) {
        QSettings settings;
        settings.setValue(QStringLiteral("geometry"), saveGeometry());
        settings.setValue(layoutKey(), m_layout->save());
    }
}

/// Once for each error, whatever results come meanwhile; gone when the error is.
void MainWindow::tellActivations() {
    const std::optional<Error>& error = m_document->analyses().activationsError();
    const QString what = error ? QString::fromStdString(error->what) : QString();
    if (what == m_toldInput) {
        return;
    }
    if (error) {
        m_notices->showError(
            *error, tr("Remove activations"), [this] { m_files->setActivations({}); });
    } else if (m_notices->text().contains(m_toldInput, Qt::CaseInsensitive)) {
        m_notices->dismiss();
    }
    m_toldInput = what;
}

}  // namespace loupe::app
