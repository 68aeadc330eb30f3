// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/main_window.hpp"

#include <QApplication>
#include <QClipboard>
#include <QCloseEvent>
#include <QDropEvent>
#include <QFileInfo>
#include <QInputDialog>
#include <QLineEdit>
#include <QMenu>
#include <QMenuBar>
#include <QMimeData>
#include <QRegularExpression>
#include <QSettings>
#include <QStackedWidget>
#include <QTabBar>
#include <QTimer>
#include <QVBoxLayout>

#include <algorithm>

#include "app/document/analyses.hpp"
#include "app/document/cursor.hpp"
#include "app/document/history.hpp"
#include "app/jobs/job_manager.hpp"
#include "app/shell/actions.hpp"
#include "app/shell/appearance.hpp"
#include "app/shell/context_bar.hpp"
#include "app/shell/dock_layout.hpp"
#include "app/shell/file_commands.hpp"
#include "app/shell/notice_bar.hpp"
#include "app/shell/start_page.hpp"
#include "app/shell/status_bar.hpp"
#include "app/shell/top_bar.hpp"
#include "app/shell/view_dock.hpp"
#include "app/widgets/theme.hpp"
#include "core/scheme/scheme.hpp"

namespace loupe::app {

namespace {

constexpr int kDockActions = 9;  // Ctrl+1 … Ctrl+9
const char* const kFirstSchemeA = "absmax:bits=4,group=128";
const char* const kFirstSchemeB = "cast:format=nf4,scale=group,group=64";

QString canonical(const char* scheme) {
    const Result<Scheme> parsed = parseScheme(scheme);
    return parsed ? QString::fromStdString(toString(*parsed)) : QString();
}

}  // namespace

MainWindow::MainWindow(Appearance& appearance, QWidget* parent)
    : QMainWindow(parent), m_appearance(appearance), m_document(std::make_unique<Document>()) {
    setObjectName(QStringLiteral("window"));
    setAcceptDrops(true);
    setMinimumSize(1024, 640);
    setWindowIcon(themedIcon(QStringLiteral("tensorloupe")));
    m_actions = new Actions(this);
    m_files = new FileCommands(*this);
    m_history = new History(*m_document);
    buildBars();
    buildCentre();
    buildDocks();
    bindActions();
    bindEditActions();
    bindViewActions();
    connect(m_document.get(), &Document::changed, this, &MainWindow::onChanged);
    connect(&m_document->jobs(), &JobManager::jobFailed, this, [this](const QString&, const QString& title, const QString& what) {
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
    m_topBar->workspaces()->addTab(tr("Inspect"));
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
    m_startPage = new StartPage(*m_actions, *m_files, m_pages);
    m_work = new QWidget(m_pages);
    auto* layout = new QHBoxLayout(m_work);
    layout->setContentsMargins(0, 0, 0, 0);
    m_pages->addWidget(m_startPage);
    m_pages->addWidget(m_work);
    setCentralWidget(m_pages);
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
    for (ViewDock* dock : m_docks) {
        window->insertAction((*m_actions)[ActionId::resetLayout], dock->toggleViewAction());
    }
    window->insertSeparator((*m_actions)[ActionId::resetLayout]);
}

View* MainWindow::view(const QString& id) {
    for (auto& [definition, view] : m_centre) {
        if (id == QLatin1String(definition->id)) {
            if (view == nullptr) {
                view = definition->create(*m_document, m_work);
                view->setObjectName(id);
                view->setAccessibleName(view->accessibleName().isEmpty() ? tr(definition->title) : view->accessibleName());
                m_work->layout()->addWidget(view);
            }
            return view;
        }
    }
    const auto found = std::find_if(m_docks.begin(), m_docks.end(),
                                    [&](const ViewDock* dock) { return id == QLatin1String(dock->definition().id); });
    return found == m_docks.end() ? nullptr : &(*found)->view();
}

void MainWindow::start(const Options& options) {
    m_keepsSettings = options.screenshot.isEmpty() && !options.quitAfterPaint;
    m_files->setRemembering(m_keepsSettings);
    const QSettings settings;
    if (!m_keepsSettings || !restoreGeometry(settings.value(QStringLiteral("geometry")).toByteArray())) {
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
    if (!options.paths.isEmpty()) {
        const QString path = options.paths.front();
        spec.source = (path.startsWith(QLatin1String("synthetic:")) ? path : QFileInfo(path).absoluteFilePath()).toStdString();
        spec.tensor = options.tensor.toStdString();
    }
    m_document->reset(spec);
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
    if (what & (Changes(Change::Source) | Change::Tensor | Change::Inputs | Change::SchemeA | Change::SchemeB)) {
        updateActions();
    }
    if ((what & Change::Results) && m_document->analyses().activationsError()) {
        m_notices->showError(*m_document->analyses().activationsError(), tr("Remove activations"), [this] { m_files->setActivations({}); });
    }
}

void MainWindow::showPage() {
    const bool working = !m_document->spec().source.empty() && !m_document->openError();
    if (working) {
        for (auto& [definition, made] : m_centre) {
            static_cast<void>(view(QLatin1String(definition->id)));
        }
    }
    m_pages->setCurrentWidget(working ? m_work : static_cast<QWidget*>(m_startPage));
    findChild<ContextBar*>()->setVisible(working);
    m_status->setVisible(working);
    m_layout->setActive(working);
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
    for (const ActionId id : {ActionId::closeCheckpoint, ActionId::reload, ActionId::addActivations, ActionId::exportPicture,
                              ActionId::goToCell, ActionId::filterTensors, ActionId::scan, ActionId::saveSession,
                              ActionId::saveSessionAs, ActionId::copyNumbers, ActionId::resetLayout, ActionId::layoutCompare}) {
        enable(id, open);
    }
    enable(ActionId::removeActivations, !spec.activations.empty());
    enable(ActionId::copySchemeA, !spec.schemeA.empty());
    enable(ActionId::copySchemeB, !spec.schemeB.empty());
    enable(ActionId::swapSchemes, spec.schemeA != spec.schemeB);
    enable(ActionId::unflip, !spec.edits.empty());
    enable(ActionId::openSample, !FileCommands::samplePath().isEmpty());
}

void MainWindow::bindActions() {
    Actions& a = *m_actions;
    a.bind(ActionId::open, m_files, &FileCommands::openDialog);
    a.bind(ActionId::openFolder, m_files, &FileCommands::openFolderDialog);
    a.bind(ActionId::makeUp, m_files, &FileCommands::makeUpDialog);
    a.bind(ActionId::openSample, m_files, &FileCommands::openSample);
    a.bind(ActionId::reload, this, [this] { m_document->reload(); });
    a.bind(ActionId::addActivations, m_files, &FileCommands::addActivationsDialog);
    a.bind(ActionId::removeActivations, this, [this] { m_files->setActivations({}); });
    a.bind(ActionId::closeCheckpoint, this, [this] {
        m_document->edit(tr("Close checkpoint"), [](ExperimentSpec& spec) {
            spec.source.clear();
            spec.tensor.clear();
            spec.activations.clear();
            spec.edits.clear();
        });
    });
    a.bind(ActionId::quit, this, &QWidget::close);
    a.bind(ActionId::scan, this, [this] { m_document->analyses().scanAll(); });
    m_files->fillRecentMenu(a.addSubmenu(MenuId::File, ActionId::makeUp, tr("Open recent")));
    a.bind(ActionId::exportPicture, this, [this] { exportView(focusView()); });
    a.bind(ActionId::help, this, [this] { help(focusView()); });
}

void MainWindow::bindEditActions() {
    Actions& a = *m_actions;
    QUndoStack& stack = m_document->undoStack();
    const auto follow = [&](ActionId id, const QString& verb, auto text, auto changed, auto can) {
        QAction* action = a[id];
        action->setEnabled(false);
        connect(&stack, can, action, &QAction::setEnabled);
        connect(&stack, changed, action, [action, verb](const QString& what) { action->setText(what.isEmpty() ? verb : verb + QLatin1Char(' ') + what.left(1).toLower() + what.mid(1)); });
        static_cast<void>(text);
    };
    follow(ActionId::undo, tr("Undo"), 0, &QUndoStack::undoTextChanged, &QUndoStack::canUndoChanged);
    follow(ActionId::redo, tr("Redo"), 0, &QUndoStack::redoTextChanged, &QUndoStack::canRedoChanged);
    a.bind(ActionId::undo, &stack, &QUndoStack::undo);
    a.bind(ActionId::redo, &stack, &QUndoStack::redo);
    a.bind(ActionId::copyNumbers, this, [this] { copyNumbers(focusView()); });
    a.bind(ActionId::copySchemeA, this, [this] { QApplication::clipboard()->setText(m_document->scheme(Side::A)); });
    a.bind(ActionId::copySchemeB, this, [this] { QApplication::clipboard()->setText(m_document->scheme(Side::B)); });
    a.bind(ActionId::swapSchemes, this, [this] {
        m_document->edit(tr("Swap schemes"), [](ExperimentSpec& spec) { std::swap(spec.schemeA, spec.schemeB); });
    });
    a.bind(ActionId::unflip, this, [this] {
        m_document->edit(tr("Put back all flipped bits"), [](ExperimentSpec& spec) { spec.edits.clear(); });
    });
    a.bind(ActionId::clearPins, this, [this] {
        const std::vector<Pin> pins = m_document->cursor().pins();
        m_document->cursor().setPins({});
        if (!pins.empty()) {
            m_notices->show(NoticeBar::Kind::Info, tr("%1 pins removed.").arg(pins.size()), {}, tr("Undo"),
                            [this, pins] { m_document->cursor().setPins(pins); });
        }
    });
}

void MainWindow::bindViewActions() {
    Actions& a = *m_actions;
    a.bind(ActionId::goToCell, this, &MainWindow::goToCell);
    a.bind(ActionId::filterTensors, this, &MainWindow::findTensor);
    a.bind(ActionId::back, m_history, &History::back);
    a.bind(ActionId::forward, m_history, &History::forward);
    const auto update = [this] {
        (*m_actions)[ActionId::back]->setEnabled(m_history->canGoBack());
        (*m_actions)[ActionId::forward]->setEnabled(m_history->canGoForward());
    };
    connect(m_history, &History::changed, this, update);
    update();
    a.bind(ActionId::fontLarger, &m_appearance, &Appearance::larger);
    a.bind(ActionId::fontSmaller, &m_appearance, &Appearance::smaller);
    a.bind(ActionId::fontReset, &m_appearance, &Appearance::resetFont);
    a.bind(ActionId::fullScreen, this, [this] { setWindowState(windowState() ^ Qt::WindowFullScreen); });
    a.bind(ActionId::resetLayout, m_layout, &DockLayout::reset);
    a.bind(ActionId::layoutCompare, m_layout, &DockLayout::compare);
    m_appearance.fillMenu(a.addSubmenu(MenuId::View, ActionId::fontLarger, tr("Theme")));
}

View* MainWindow::focusView() {
    for (QWidget* widget = QApplication::focusWidget(); widget != nullptr; widget = widget->parentWidget()) {
        if (auto* view = qobject_cast<View*>(widget)) {
            return view;
        }
    }
    return m_centre.empty() ? nullptr : m_centre.front().second;
}

void MainWindow::copyNumbers(View* view) {
    const QString text = view != nullptr ? view->copyText() : QString();
    if (text.isEmpty()) {
        m_notices->show(NoticeBar::Kind::Info, tr("Nothing to copy."), tr("Click a panel with numbers first."));
        return;
    }
    QApplication::clipboard()->setText(text);
}

void MainWindow::exportView(View*) {}

void MainWindow::help(View*) {}

void MainWindow::goToCell() {
    const std::shared_ptr<const RowSource> weights = m_document->weights();
    if (!weights) {
        return;
    }
    bool accepted = false;
    const QString text = QInputDialog::getText(this, tr("Go to"), tr("Row, column (from 0):"), QLineEdit::Normal, {}, &accepted);
    const QStringList parts = text.split(QRegularExpression(QStringLiteral("[,;\\s]+")), Qt::SkipEmptyParts);
    if (!accepted) {
        return;
    }
    bool rowOk = false;
    bool colOk = false;
    const Cell cell{parts.value(0).toLongLong(&rowOk), parts.value(1).toLongLong(&colOk)};
    if (!rowOk || !colOk || cell.row < 0 || cell.col < 0 || cell.row >= weights->rows() || cell.col >= weights->cols()) {
        m_notices->show(NoticeBar::Kind::Warning, tr("There is no cell \"%1\".").arg(text),
                        tr("Rows are 0 to %1, columns 0 to %2.").arg(weights->rows() - 1).arg(weights->cols() - 1));
        return;
    }
    m_document->cursor().select(cell);
    m_document->cursor().reveal(cell);
}

void MainWindow::findTensor() {
    const auto tree = std::find_if(m_docks.begin(), m_docks.end(),
                                   [](const ViewDock* dock) { return qstrcmp(dock->definition().id, "tensor_tree") == 0; });
    if (tree != m_docks.end()) {
        m_layout->reveal(*tree);
        if (auto* filter = (*tree)->view().findChild<QLineEdit*>()) {
            filter->setFocus();
            filter->selectAll();
        }
    }
}

QJsonObject MainWindow::saveViews() const {
    QJsonObject state;
    for (const auto& [definition, view] : m_centre) {
        if (view != nullptr) {
            state[QLatin1String(definition->id)] = view->save();
        }
    }
    for (const ViewDock* dock : m_docks) {
        state[QLatin1String(dock->definition().id)] = dock->saveView();
    }
    return state;
}

void MainWindow::restoreViews(const QJsonObject& state) {
    for (const auto& [definition, made] : m_centre) {
        view(QLatin1String(definition->id))->restore(state[QLatin1String(definition->id)].toObject());
    }
    for (ViewDock* dock : m_docks) {
        dock->restoreView(state[QLatin1String(dock->definition().id)].toObject());
    }
}

QString MainWindow::layoutKey() const {
    return QStringLiteral("layout/inspect/%1").arg(QLatin1Char("SML"[static_cast<int>(m_layout->windowClass())]));
}

void MainWindow::saveSettings() {
    if (m_keepsSettings) {
        QSettings settings;
        settings.setValue(QStringLiteral("geometry"), saveGeometry());
        settings.setValue(layoutKey(), m_layout->save());
    }
}

void MainWindow::quitAfterPaint() {
    m_quitAfterPaint = true;
}

void MainWindow::closeEvent(QCloseEvent* event) {
    saveSettings();
    event->accept();
}

void MainWindow::resizeEvent(QResizeEvent* event) {
    QMainWindow::resizeEvent(event);
    if (isVisible()) {
        m_layout->resized();
    }
}

bool MainWindow::event(QEvent* event) {
    const bool handled = QMainWindow::event(event);
    if (m_quitAfterPaint && event->type() == QEvent::UpdateRequest && m_document->source()) {
        QTimer::singleShot(0, qApp, &QCoreApplication::quit);
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
