// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/main_window.hpp"

#include "app/document/analyses.hpp"
#include "app/document/cursor.hpp"
#include "app/document/history.hpp"
#include "app/jobs/job_manager.hpp"
#include "app/shell/actions.hpp"
#include "app/shell/appearance.hpp"
#include "app/shell/centre_stack.hpp"
#include "app/shell/context_bar.hpp"
#include "app/shell/dock_layout.hpp"
#include "app/shell/file_commands.hpp"
#include "app/shell/notice_bar.hpp"
#include "app/shell/session_keeper.hpp"
#include "app/shell/start_page.hpp"
#include "app/shell/status_bar.hpp"
#include "app/shell/top_bar.hpp"
#include "app/shell/view_dock.hpp"
#include "app/shell/workspaces.hpp"
#include "app/widgets/theme.hpp"
#include "core/scheme/scheme.hpp"

#include <QApplication>
#include <QCloseEvent>
#include <QDropEvent>
#include <QFileInfo>
#include <QMenu>
#include <QMenuBar>
#include <QMimeData>
#include <QScrollArea>
#include <QSettings>
#include <QStackedWidget>
#include <QTabBar>
#include <QTimer>
#include <QVBoxLayout>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr int kHoldMs = 300;
constexpr int kDockActions = 9;  // Ctrl+1 … Ctrl+9
const char* const kFirstSchemeA = "absmax:bits=4,group=128";
const char* const kFirstSchemeB = "cast:format=nf4,scale=group,group=64";

QString canonical(const char* scheme) {
    const Result<Scheme> parsed = parseScheme(scheme);
    return parsed ? QString::fromStdString(toString(*parsed)) : QString();
}

bool isSession(const QString& path) {
    return path.endsWith(QLatin1String(".loupe"));
}

}  // namespace

MainWindow::MainWindow(Appearance& appearance, const QString& sessionFolder)
    : QMainWindow(nullptr), m_appearance(appearance), m_document(std::make_unique<Document>()) {
    setObjectName(QStringLiteral("window"));
    setAcceptDrops(true);
    setMinimumSize(1024, 640);
    setWindowIcon(themedIcon(QStringLiteral("tensorloupe")));
    m_actions = new Actions(this);
    m_files = new FileCommands(*this);
    m_history = new History(*m_document);
    m_sessions = new SessionKeeper(*this, sessionFolder);
    buildBars();
    buildCentre();
    buildDocks();
    bindActions();
    bindEditActions();
    bindViewActions();
    connect(m_document.get(), &Document::changed, this, &MainWindow::onChanged);
    connect(&m_document->jobs(),
            &JobManager::jobFailed,
            this,
            [this](const QString&, const QString& title, const QString& what) {
                m_notices->show(NoticeBar::Kind::Error, tr("%1 failed.").arg(title), what);
            });
    connect(&appearance, &Appearance::changed, m_document.get(), &Document::announceDisplay);
    onChanged(Change::All);
}

MainWindow::~MainWindow() {
    // Views refer to the document: they go first.
    disconnect(m_document.get(), nullptr, this, nullptr);
    for (ViewDock* dock : m_docks) {
        delete dock;
    }
    delete takeCentralWidget();
    delete m_status;
    delete menuWidget();
}

void MainWindow::buildBars() {
    auto* bars = new QWidget(this);
    auto* layout = new QVBoxLayout(bars);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    m_topBar = new TopBar(*m_actions, bars);
    layout->addWidget(m_topBar);
    auto* context = new ContextBar(*m_document, *m_actions, bars);
    context->setObjectName(QStringLiteral("context"));
    layout->addWidget(context);
    m_notices = new NoticeBar(bars);
    layout->addWidget(m_notices);
    setMenuWidget(bars);
    m_status = new StatusBar(*m_document, this);
    setStatusBar(m_status);
}

void MainWindow::buildCentre() {
    m_pages = new QStackedWidget(this);
    auto* scroll = new QScrollArea(m_pages);  // a small window with large text scrolls
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidgetResizable(true);
    scroll->setFocusPolicy(Qt::NoFocus);
    scroll->setWidget(new StartPage(*m_actions, *m_files, scroll));
    m_startPage = scroll;
    m_work = new QWidget(m_pages);
    auto* layout = new QHBoxLayout(m_work);
    layout->setContentsMargins(0, 0, 0, 0);
    m_centreStack = new CentreStack(*m_actions, m_work);
    layout->addWidget(m_centreStack);
    m_pages->addWidget(m_startPage);
    m_pages->addWidget(m_work);
    setCentralWidget(m_pages);
    m_workspaces = new Workspaces(*this,
                                  *m_document,
                                  *m_topBar->workspaces(),
                                  *static_cast<QBoxLayout*>(menuWidget()->layout()),
                                  *m_pages);
    connect(m_workspaces, &Workspaces::changed, this, &MainWindow::showPage);
    connect(m_centreStack, &CentreStack::asked, m_workspaces, [this] {
        m_workspaces->select(QStringLiteral("inspect"));
    });
}

void MainWindow::buildDocks() {
    int digit = 0;
    for (const ViewDefinition* definition : allViews()) {
        if (definition->area == Area::Centre) {
            m_centre.emplace_back(definition, nullptr);
            continue;
        }
        auto* dock = new ViewDock(*definition, *m_document, this);
        connect(dock, &ViewDock::copyRequested, this, &MainWindow::copyNumbers);
        connect(dock, &ViewDock::exportRequested, this, &MainWindow::exportView);
        connect(dock, &ViewDock::helpRequested, this, &MainWindow::help);
        m_docks.push_back(dock);
        QAction* toggle = dock->toggleViewAction();
        if (++digit <= kDockActions) {
            toggle->setShortcut(QKeySequence(Qt::CTRL | static_cast<Qt::Key>(Qt::Key_0 + digit)));
        }
        addAction(toggle);
    }
    m_layout = new DockLayout(*this, m_docks);
    QMenu* window = m_actions->menu(MenuId::Window);
    for (QAction* workspace : m_workspaces->actions()) {
        window->insertAction((*m_actions)[ActionId::resetLayout], workspace);
    }
    window->insertSeparator((*m_actions)[ActionId::resetLayout]);
    for (ViewDock* dock : m_docks) {
        window->insertAction((*m_actions)[ActionId::resetLayout], dock->toggleViewAction());
    }
    window->insertSeparator((*m_actions)[ActionId::resetLayout]);
}

View* MainWindow::view(const QString& id) {
    for (auto& [definition, view] : m_centre) {
        if (id == QLatin1String(definition->id)) {
            if (view == nullptr) {
                view = definition->create(*m_document, m_centreStack);
                view->setObjectName(id);
                view->setAccessibleName(view->accessibleName().isEmpty() ? tr(definition->title)
                                                                         : view->accessibleName());
                m_centreStack->add(
                    view, id == QLatin1String("matrix") ? tr("Picture") : tr(definition->title));
            }
            return view;
        }
    }
    const auto found = std::find_if(m_docks.begin(), m_docks.end(), [&](const ViewDock* dock) {
        return id == QLatin1String(dock->definition().id);
    });
    return found == m_docks.end() ? nullptr : &(*found)->view();
}

void MainWindow::start(const Options& options) {
    m_keepsSettings = options.screenshot.isEmpty() && !options.quitAfterPaint;
    // First the window with the list of tensors, then the work; the timer is for windows that are
    // never painted.
    m_document->jobs().hold(QStringLiteral("open"));
    QTimer::singleShot(kHoldMs, this, [this] { m_document->jobs().release(); });
    m_files->setRemembering(m_keepsSettings);
    const QSettings settings;
    if (!m_keepsSettings ||
        !restoreGeometry(settings.value(QStringLiteral("geometry")).toByteArray())) {
        resize(1440, 900);
    }
    if (options.size.isValid()) {
        setMinimumSize(0, 0);
        resize(options.size);
    }
    if (m_keepsSettings) {
        m_layout->restore(settings.value(layoutKey()).toByteArray());
    }
    const bool chosen = !options.schemeA.isEmpty() || !options.schemeB.isEmpty();
    ExperimentSpec spec;
    spec.schemeA = (chosen ? options.schemeA : canonical(kFirstSchemeA)).toStdString();
    spec.schemeB = (chosen ? options.schemeB : canonical(kFirstSchemeB)).toStdString();
    if (!options.paths.isEmpty() && !isSession(options.paths.front())) {
        const QString path = options.paths.front();
        spec.source =
            (path.startsWith(QLatin1String("synthetic:")) ? path
                                                          : QFileInfo(path).absoluteFilePath())
                .toStdString();
        spec.tensor = options.tensor.toStdString();
    }
    const QString session = !options.session.isEmpty()          ? options.session
                            : isSession(options.paths.value(0)) ? options.paths.front()
                                                                : QString();
    if (session.isEmpty() || !m_sessions->open(session)) {
        m_document->reset(spec);
    }
    if (!session.isEmpty() && (chosen || !options.tensor.isEmpty())) {
        overrideSession(options);
    }
    if (!options.workspace.isEmpty()) {
        m_workspaces->select(options.workspace);
    }
    if (const QString centre = CentreStack::idOf(options.workspace); !centre.isEmpty()) {
        for (const auto& [definition, made] : m_centre) {
            static_cast<void>(view(QLatin1String(definition->id)));
        }
        m_centreStack->showView(centre);
    }
    if (m_keepsSettings) {
        m_sessions->startAutosave(spec.source.empty() && session.isEmpty());
    }
}

/// What the command line says beside a session wins.
void MainWindow::overrideSession(const Options& options) {
    m_document->edit(tr("Options of the command line"), [&](ExperimentSpec& spec) {
        spec.tensor = options.tensor.isEmpty() ? spec.tensor : options.tensor.toStdString();
        spec.schemeA = options.schemeA.isEmpty() ? spec.schemeA : options.schemeA.toStdString();
        spec.schemeB = options.schemeB.isEmpty() ? spec.schemeB : options.schemeB.toStdString();
    });
}

void MainWindow::onChanged(Changes what) {
    if (what & (Changes(Change::Source) | Change::Tensor)) {
        updateTitle();
        showPage();
    }
    if (what & Change::Source) {
        if (m_document->source()) {
            m_notices->dismiss();
            m_files->remember();
        } else if (const std::optional<Error>& error = m_document->openError()) {
            const QString path = QString::fromStdString(m_document->spec().source);
            m_notices->showError(*error, tr("Locate…"), [this, path] { m_files->locate(path); });
        }
    }
    if (what & (Changes(Change::Source) | Change::Tensor | Change::Inputs | Change::SchemeA |
                Change::SchemeB)) {
        updateActions();
    }
    if (what & Change::Results) {
        tellActivations();
    }
}

void MainWindow::showPage() {
    const bool working = !m_document->spec().source.empty() && !m_document->openError();
    if (working) {
        for (auto& [definition, made] : m_centre) {
            static_cast<void>(view(QLatin1String(definition->id)));
        }
    }
    WorkspacePage* page = m_workspaces->page();
    findChild<ContextBar*>()->setVisible(working && page == nullptr);
    m_layout->setActive(working && page == nullptr);
    m_pages->setCurrentWidget(page != nullptr ? page : working ? m_work : m_startPage);
    m_status->setVisible(working || page != nullptr);
    m_status->follow(page);
    updateActions();
}

void MainWindow::updateTitle() {
    const std::shared_ptr<const TensorSource> source = m_document->source();
    QStringList parts;
    if (source) {
        if (m_document->tensor() != nullptr && source->tensors().size() > 1) {
            parts << QString::fromStdString(m_document->tensor()->name);
        }
        parts << QString::fromStdString(source->info().title);
    }
    parts << tr("Tensorloupe");
    setWindowTitle(parts.join(QStringLiteral(" · ")));
}

void MainWindow::updateActions() {
    const auto enable = [this](ActionId id, bool on) { (*m_actions)[id]->setEnabled(on); };
    const ExperimentSpec& spec = m_document->spec();
    const bool open = m_document->source() != nullptr;
    for (const ActionId id : {ActionId::closeCheckpoint,
                              ActionId::reload,
                              ActionId::addActivations,
                              ActionId::goToCell,
                              ActionId::showPicture,
                              ActionId::showLadder,
                              ActionId::showCurves,
                              ActionId::showErrorA,
                              ActionId::showErrorB,
                              ActionId::filterTensors,
                              ActionId::scan,
                              ActionId::saveSession,
                              ActionId::saveSessionAs}) {
        enable(id, open);
    }
    const bool page = m_workspaces->page() != nullptr;
    for (const ActionId id : {ActionId::exportPicture,
                              ActionId::copyNumbers,
                              ActionId::copyPicture,
                              ActionId::resetLayout}) {
        enable(id, open || page);
    }
    enable(ActionId::layoutCompare, open && !page);
    enable(ActionId::removeActivations, !m_document->analyses().activations().reference.empty());
    enable(ActionId::copySchemeA, !spec.schemeA.empty());
    enable(ActionId::copySchemeB, !spec.schemeB.empty());
    enable(ActionId::swapSchemes, spec.schemeA != spec.schemeB);
    enable(ActionId::unflip, !spec.edits.empty());
    enable(ActionId::openSample, !FileCommands::samplePath().isEmpty());
}

void MainWindow::quitAfterPaint() {
    m_quitAfterPaint = true;
}

void MainWindow::closeEvent(QCloseEvent* event) {
    saveSettings();
    m_sessions->finish();
    event->accept();
}

void MainWindow::showEvent(QShowEvent* event) {
    QMainWindow::showEvent(event);
    // After the layout has taken the size that the window really got.
    QMetaObject::invokeMethod(m_layout, &DockLayout::shown, Qt::QueuedConnection);
}

void MainWindow::resizeEvent(QResizeEvent* event) {
    QMainWindow::resizeEvent(event);
    if (isVisible()) {
        m_layout->resized();
    }
}

bool MainWindow::event(QEvent* event) {
    const bool handled = QMainWindow::event(event);
    if (event->type() == QEvent::UpdateRequest &&
        (m_document->source() || !m_document->opening())) {
        if (m_quitAfterPaint) {
            QTimer::singleShot(0, qApp, &QCoreApplication::quit);
        } else {
            m_document->jobs().release();
        }
    }
    return handled;
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
    if (FileCommands::accepts(event->mimeData())) {
        event->acceptProposedAction();
    }
}

void MainWindow::dropEvent(QDropEvent* event) {
    m_files->dropped(event->mimeData());
    event->acceptProposedAction();
}

}  // namespace loupe::app
