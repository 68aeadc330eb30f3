// SPDX-License-Identifier: GPL-3.0-or-later
// What the actions do; the window itself is in main_window.cpp.
#include "app/document/analyses.hpp"
#include "app/document/cursor.hpp"
#include "app/document/history.hpp"
#include "app/plot/export.hpp"
#include "app/shell/actions.hpp"
#include "app/shell/appearance.hpp"
#include "app/shell/centre_stack.hpp"
#include "app/shell/command_palette.hpp"
#include "app/shell/dock_layout.hpp"
#include "app/shell/file_commands.hpp"
#include "app/shell/help.hpp"
#include "app/shell/main_window.hpp"
#include "app/shell/notice_bar.hpp"
#include "app/shell/selftest_dialog.hpp"
#include "app/shell/session_keeper.hpp"
#include "app/shell/view_dock.hpp"
#include "app/shell/workspaces.hpp"

#include <QApplication>
#include <QClipboard>
#include <QInputDialog>
#include <QLineEdit>
#include <QMenu>
#include <QRegularExpression>

#include <algorithm>

namespace loupe::app {

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
            spec.gradients.clear();
            spec.edits.clear();
        });
    });
    a.bind(ActionId::quit, this, &QWidget::close);
    a.bind(ActionId::scan, this, [this] { m_document->analyses().scanAll(); });
    m_files->fillRecentMenu(a.addSubmenu(MenuId::File, ActionId::makeUp, tr("Open recent")));
    a.bind(ActionId::saveSession, m_sessions, &SessionKeeper::save);
    a.bind(ActionId::saveSessionAs, m_sessions, &SessionKeeper::saveAs);
    a.bind(ActionId::shortcuts, this, [this] { showShortcuts(*m_actions, this); });
    a.bind(ActionId::selfTest, this, [this] { showSelfTest(this); });
    a.bind(ActionId::about, this, [this] { showAbout(this); });
    a.bind(ActionId::palette, this, &MainWindow::openPalette);
    a.bind(ActionId::exportPicture, this, [this] { exportView(focusView()); });
    a.bind(ActionId::help, this, [this] { help(focusView()); });
}

void MainWindow::bindEditActions() {
    Actions& a = *m_actions;
    QUndoStack& stack = m_document->undoStack();
    const auto follow = [&](ActionId id, const QString& verb, auto changed, auto can) {
        QAction* action = a[id];
        action->setEnabled(false);
        connect(&stack, can, action, &QAction::setEnabled);
        connect(&stack, changed, action, [action, verb](const QString& what) {
            action->setText(what.isEmpty()
                                ? verb
                                : tr("%1: %2").arg(verb, what.left(1).toLower() + what.mid(1)));
        });
    };
    follow(ActionId::undo, tr("Undo"), &QUndoStack::undoTextChanged, &QUndoStack::canUndoChanged);
    follow(ActionId::redo, tr("Redo"), &QUndoStack::redoTextChanged, &QUndoStack::canRedoChanged);
    a.bind(ActionId::undo, &stack, &QUndoStack::undo);
    a.bind(ActionId::redo, &stack, &QUndoStack::redo);
    a.bind(ActionId::copyNumbers, this, [this] { copyNumbers(focusView()); });
    a.bind(ActionId::copyPicture, this, [this] {
        if (View* view = focusView(); view != nullptr && view->canExport()) {
            loupe::app::copyPicture(*view);
        }
    });
    a.bind(ActionId::copySchemeA, this, [this] {
        QApplication::clipboard()->setText(m_document->scheme(Side::A));
    });
    a.bind(ActionId::copySchemeB, this, [this] {
        QApplication::clipboard()->setText(m_document->scheme(Side::B));
    });
    a.bind(ActionId::swapSchemes, this, [this] {
        m_document->edit(tr("Swap schemes"),
                         [](ExperimentSpec& spec) { std::swap(spec.schemeA, spec.schemeB); });
    });
    a.bind(ActionId::unflip, this, [this] {
        m_document->edit(tr("Put back all flipped bits"),
                         [](ExperimentSpec& spec) { spec.edits.clear(); });
    });
    a.bind(ActionId::clearPins, this, [this] {
        const std::vector<Pin> pins = m_document->cursor().pins();
        m_document->cursor().setPins({});
        if (!pins.empty()) {
            m_notices->show(NoticeBar::Kind::Info,
                            tr("%1 pins removed.").arg(pins.size()),
                            {},
                            tr("Undo"),
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
    a.bind(ActionId::fullScreen, this, [this] {
        setWindowState(windowState() ^ Qt::WindowFullScreen);
    });
    a.bind(ActionId::resetLayout, this, [this] {
        if (WorkspacePage* page = m_workspaces->page()) {
            page->resetLayout();
        } else {
            m_layout->reset();
        }
    });
    a.bind(ActionId::layoutCompare, m_layout, &DockLayout::compare);
    m_appearance.fillMenu(a.addSubmenu(MenuId::View, ActionId::fontLarger, tr("Theme")));
}

View* MainWindow::focusView() {
    for (QWidget* widget = QApplication::focusWidget(); widget != nullptr;
         widget = widget->parentWidget()) {
        if (auto* view = qobject_cast<View*>(widget)) {
            return view;
        }
    }
    if (WorkspacePage* page = m_workspaces->page()) {
        return page;
    }
    return m_centreStack->current();
}

void MainWindow::copyNumbers(View* view) {
    const QString text = view != nullptr ? view->copyText() : QString();
    if (text.isEmpty()) {
        m_notices->show(
            NoticeBar::Kind::Info, tr("Nothing to copy."), tr("Click a panel with numbers first."));
        return;
    }
    QApplication::clipboard()->setText(text);
}

void MainWindow::exportView(View* view) {
    if (view == nullptr || !view->canExport()) {
        m_notices->show(NoticeBar::Kind::Info,
                        tr("This panel is not a picture."),
                        tr("Click the panel to export first."));
        return;
    }
    ExportDialog(*view, this).exec();
}

void MainWindow::help(View* view) {
    const bool working = m_document->source() != nullptr || m_workspaces->page() != nullptr;
    showHelp(working && view != nullptr ? view->helpAnchor() : QStringLiteral("start"), this);
}

void MainWindow::openPalette() {
    std::vector<PaletteItem> items;
    for (const ActionInfo& info : allActions()) {
        QAction* action = (*m_actions)[info.id];
        if (action->isEnabled() && info.id != ActionId::palette) {
            items.push_back({action->text(),
                             action->shortcut().toString(QKeySequence::NativeText),
                             [action] { action->trigger(); }});
        }
    }
    for (QAction* workspace : m_workspaces->actions()) {
        items.push_back({workspace->text(),
                         workspace->shortcut().toString(QKeySequence::NativeText),
                         [workspace] { workspace->trigger(); }});
    }
    for (ViewDock* dock : m_docks) {
        if (m_layout->isActive()) {
            items.push_back(
                {tr("Panel: %1").arg(dock->windowTitle()),
                 dock->toggleViewAction()->shortcut().toString(QKeySequence::NativeText),
                 [this, dock] { m_layout->reveal(dock); }});
        }
    }
    if (const std::shared_ptr<const TensorSource> source = m_document->source()) {
        for (const TensorInfo& tensor : source->tensors()) {
            items.push_back(
                {QString::fromStdString(tensor.name), tr("tensor"), [this, name = tensor.name] {
                     m_document->edit(tr("Select %1").arg(QString::fromStdString(name)),
                                      [&](ExperimentSpec& spec) { spec.tensor = name; });
                 }});
        }
    }
    for (const RecentFile& file : FileCommands::recent()) {
        if (file.exists()) {
            items.push_back({file.title(), tr("recent"), [this, path = file.path] {
                                 m_files->openPath(path);
                             }});
        }
    }
    auto* palette = new CommandPalette(std::move(items), this);
    palette->setAttribute(Qt::WA_DeleteOnClose);
    palette->show();
}

void MainWindow::goToCell() {
    const std::shared_ptr<const RowSource> weights = m_document->weights();
    if (!weights) {
        return;
    }
    bool accepted = false;
    const QString text = QInputDialog::getText(
        this, tr("Go to"), tr("Row, column (from 0):"), QLineEdit::Normal, {}, &accepted);
    const QStringList parts =
        text.split(QRegularExpression(QStringLiteral("[,;\\s]+")), Qt::SkipEmptyParts);
    if (!accepted) {
        return;
    }
    bool rowOk = false;
    bool colOk = false;
    const Cell cell{parts.value(0).toLongLong(&rowOk), parts.value(1).toLongLong(&colOk)};
    if (!rowOk || !colOk || cell.row < 0 || cell.col < 0 || cell.row >= weights->rows() ||
        cell.col >= weights->cols()) {
        m_notices->show(NoticeBar::Kind::Warning,
                        tr("There is no cell \"%1\".").arg(text),
                        tr("Rows are 0 to %1, columns 0 to %2.")
                            .arg(weights->rows() - 1)
                            .arg(weights->cols() - 1));
        return;
    }
    m_workspaces->select(QStringLiteral("inspect"));
    m_document->cursor().select(cell);
    m_document->cursor().reveal(cell);
}

void MainWindow::findTensor() {
    m_workspaces->select(QStringLiteral("inspect"));
    const auto tree = std::find_if(m_docks.begin(), m_docks.end(), [](const ViewDock* dock) {
        return qstrcmp(dock->definition().id, "tensor_tree") == 0;
    });
    if (tree != m_docks.end()) {
        m_layout->reveal(*tree);
        if (auto* filter = (*tree)->view().findChild<QLineEdit*>()) {
            filter->setFocus();
            filter->selectAll();
        }
    }
}

}  // namespace loupe::app
