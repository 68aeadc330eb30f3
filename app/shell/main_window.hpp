// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"
#include "app/shell/options.hpp"
#include "app/views/view.hpp"

#include <QJsonObject>
#include <QMainWindow>

#include <memory>
#include <vector>

class QStackedWidget;
class QVBoxLayout;

namespace loupe::app {

class Actions;
class Appearance;
class CentreStack;
class DockLayout;
class FileCommands;
class History;
class NoticeBar;
class SessionKeeper;
class StatusBar;
class TopBar;
class ViewDock;
class Workspaces;

/// The one window: composes top bar, context bar, docks, centre and status bar, and connects the
/// actions.
class MainWindow : public QMainWindow {
    Q_OBJECT

public:
    /// `sessionFolder`: where the running session is written aside; empty: the application's data
    /// folder.
    explicit MainWindow(Appearance& appearance, const QString& sessionFolder = {});
    ~MainWindow() override;

    /// Opens what the command line asks for. Only a window without --screenshot and --size uses and
    /// keeps saved layouts.
    void start(const Options& options);

    [[nodiscard]] Document& document() { return *m_document; }
    [[nodiscard]] Actions& actions() { return *m_actions; }
    [[nodiscard]] DockLayout& layouts() { return *m_layout; }
    [[nodiscard]] FileCommands& files() { return *m_files; }
    [[nodiscard]] SessionKeeper& sessions() { return *m_sessions; }
    [[nodiscard]] Workspaces& workspaces() { return *m_workspaces; }
    [[nodiscard]] StatusBar& status() { return *m_status; }
    [[nodiscard]] const std::vector<ViewDock*>& docks() const { return m_docks; }
    /// The view of that id, made if necessary; null if there is none.
    [[nodiscard]] View* view(const QString& id);
    /// A message under the context bar: problem, sentence, and an optional button. A repeated one
    /// counts.
    NoticeBar& notices() { return *m_notices; }

    /// Zoom, colour maps and so on of all views, for sessions.
    [[nodiscard]] QJsonObject saveViews() const;
    void restoreViews(const QJsonObject& state);
    /// Leaves the program when the window has been painted with its checkpoint listed.
    void quitAfterPaint();

protected:
    bool event(QEvent* event) override;
    void closeEvent(QCloseEvent* event) override;
    void showEvent(QShowEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    void buildBars();
    void buildCentre();
    void buildDocks();
    void bindActions();
    void bindEditActions();
    void bindViewActions();
    void onChanged(Changes what);
    void updateTitle();
    void updateActions();
    void tellActivations();
    void showPage();
    [[nodiscard]] View* focusView();
    void copyNumbers(View* view);
    void exportView(View* view);
    void help(View* view);
    void goToCell();
    void findTensor();
    void openPalette();
    void overrideSession(const Options& options);
    void saveSettings();
    [[nodiscard]] QString layoutKey() const;

    Appearance& m_appearance;
    std::unique_ptr<Document> m_document;
    Actions* m_actions = nullptr;
    TopBar* m_topBar = nullptr;
    StatusBar* m_status = nullptr;
    NoticeBar* m_notices = nullptr;
    QString m_toldInput;  ///< what m_notices said of the activations
    QStackedWidget* m_pages = nullptr;
    Workspaces* m_workspaces = nullptr;
    QWidget* m_startPage = nullptr;
    QWidget* m_work = nullptr;
    CentreStack* m_centreStack = nullptr;
    std::vector<std::pair<const ViewDefinition*, View*>> m_centre;
    std::vector<ViewDock*> m_docks;
    DockLayout* m_layout = nullptr;
    FileCommands* m_files = nullptr;
    SessionKeeper* m_sessions = nullptr;
    History* m_history = nullptr;
    bool m_keepsSettings = true;
    bool m_quitAfterPaint = false;
};

}  // namespace loupe::app
