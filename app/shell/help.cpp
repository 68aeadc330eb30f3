// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/help.hpp"

#include "app/jobs/job_manager.hpp"
#include "app/shell/actions.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/cpu_dispatch.hpp"
#include "core/base/version.hpp"
#include "core/base/worker_pool.hpp"
#include "gpu/gpu.hpp"

#include <QCoreApplication>
#include <QDialog>
#include <QDialogButtonBox>
#include <QDockWidget>
#include <QFile>
#include <QLabel>
#include <QPushButton>
#include <QTextBrowser>
#include <QUrl>
#include <QVBoxLayout>

namespace loupe::app {

namespace {

QString tr(const char* text) {
    return QCoreApplication::translate("Help", text);
}

QString readResource(const QString& path) {
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? QString::fromUtf8(file.readAll()) : QString();
}

/// A window with text beside the main one: not modal, so that one can read and try.
QTextBrowser* page(const QString& title, QWidget* parent) {
    auto* dialog = new QDialog(parent);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setWindowTitle(title);
    dialog->resize(Theme::px(620), Theme::px(640));
    auto* layout = new QVBoxLayout(dialog);
    auto* text = new QTextBrowser(dialog);
    text->setFrameShape(QFrame::NoFrame);
    text->setOpenExternalLinks(false);
    text->setAccessibleName(title);
    text->document()->setDocumentMargin(Theme::px(12));
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, dialog);
    QObject::connect(buttons, &QDialogButtonBox::rejected, dialog, &QDialog::reject);
    layout->addWidget(text, 1);
    layout->addWidget(buttons);
    dialog->show();
    return text;
}

}  // namespace

namespace {

/// The page of that name, as helpText() finds it; empty if there is none.
QString helpPath(const QString& name) {
    for (const char* folder : {"views/", ""}) {
        const QString path =
            QStringLiteral(":/tensorloupe/help/%1%2.md").arg(QLatin1String(folder), name);
        if (QFile::exists(path)) {
            return path;
        }
    }
    return {};
}

}  // namespace

QString helpText(const QString& name) {
    return readResource(helpPath(name));
}

void showHelp(const QString& name, QWidget* parent) {
    const QString path = helpPath(name);
    const QString start = helpPath(QStringLiteral("start"));
    QTextBrowser* text = page(tr("Help"), parent);
    // As a source, so that links lead from page to page, and back.
    const auto show = [text](const QString& resource) {
        text->setSource(QUrl(QStringLiteral("qrc") + resource), QTextDocument::MarkdownResource);
    };
    auto* buttons = text->window()->findChild<QDialogButtonBox*>();
    auto* back = buttons->addButton(tr("Back"), QDialogButtonBox::ActionRole);
    back->setEnabled(false);
    QObject::connect(back, &QPushButton::clicked, text, &QTextBrowser::backward);
    QObject::connect(text, &QTextBrowser::backwardAvailable, back, &QPushButton::setEnabled);
    QObject::connect(buttons->addButton(tr("All pages"), QDialogButtonBox::ActionRole),
                     &QPushButton::clicked,
                     text,
                     [show, start] { show(start); });
    show(path.isEmpty() ? start : path);
}

void showShortcuts(Actions& actions, QWidget* window) {
    const QString headings[] = {tr("File"), tr("Edit"), tr("View"), tr("Window"), tr("Help")};
    const QString mono = Theme::font(TextRole::Number).family();
    QString text;
    const auto row = [&](const QString& what, const QKeySequence& keys) {
        text += QStringLiteral(
                    "<tr><td width=\"340\">%1</td><td style=\"font-family:'%2'\">%3</td></tr>")
                    .arg(what.toHtmlEscaped(),
                         mono,
                         keys.toString(QKeySequence::NativeText).toHtmlEscaped());
    };
    for (int menu = 0; menu < kMenuCount; ++menu) {
        text += QStringLiteral("<p style=\"font-weight:600\">%1</p><table cellpadding=\"3\">")
                    .arg(headings[menu]);
        for (const ActionInfo& info : allActions()) {
            const QAction* action = actions[info.id];
            if (static_cast<int>(info.menu) == menu && !action->shortcut().isEmpty()) {
                row(tr(info.text), action->shortcut());
            }
        }
        if (static_cast<MenuId>(menu) == MenuId::Window) {
            for (const QDockWidget* dock : window->findChildren<QDockWidget*>()) {
                if (!dock->toggleViewAction()->shortcut().isEmpty()) {
                    row(tr("Show or hide: %1").arg(dock->windowTitle()),
                        dock->toggleViewAction()->shortcut());
                }
            }
        }
        text += QStringLiteral("</table>");
    }
    page(tr("All shortcuts"), window)->setHtml(text);
}

void showAbout(QWidget* parent) {
    auto* dialog = new QDialog(parent);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setWindowTitle(tr("About Tensorloupe"));
    auto* layout = new QVBoxLayout(dialog);
    auto* name = new QLabel(QStringLiteral("Tensorloupe %1").arg(QLatin1String(kVersion)), dialog);
    setTextRole(name, TextRole::Title);
    auto* facts = new QLabel(dialog);
    facts->setTextInteractionFlags(Qt::TextSelectableByMouse);
    const QString text =
        tr("The application is free software under GPL-3.0-or-later, its compute core under "
           "Apache-2.0.\n\n"
           "Compute threads: %1\nCPU kernels: %2\nGPU: %3");
    const std::string_view target = cpuTargetName(cpuTarget());
    const QString cpu = QString::fromUtf8(target.data(), static_cast<qsizetype>(target.size()));
    const auto show = [facts, text, cpu](const QString& gpu) {
        facts->setText(text.arg(computeThreads()).arg(cpu, gpu));
    };
    show(tr("asking the driver…"));
    // Asking may take a second where a driver is present. The manager belongs to the dialog and
    // waits for the answer.
    auto* jobs = new JobManager(dialog);
    jobs->start(
        QStringLiteral("gpu"),
        tr("Looking for a GPU"),
        [](const JobContext&) { return gpu::probe(); },
        facts,
        [show](const gpu::Availability& gpu) {
            show(gpu.available ? QString::fromStdString(gpu.devices.front().name)
                               : QString::fromStdString(gpu.reason));
        });
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, dialog);
    QObject::connect(
        buttons->addButton(tr("Licence"), QDialogButtonBox::HelpRole),
        &QPushButton::clicked,
        dialog,
        [dialog] {
            page(tr("Licence"), dialog->parentWidget())
                ->setMarkdown(readResource(QStringLiteral(":/tensorloupe/LICENSE.md")));
        });
    QObject::connect(buttons, &QDialogButtonBox::rejected, dialog, &QDialog::reject);
    layout->addWidget(name);
    layout->addWidget(facts);
    layout->addWidget(buttons);
    dialog->show();
}

}  // namespace loupe::app
