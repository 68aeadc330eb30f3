// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/file_commands.hpp"

#include "app/document/document.hpp"
#include "app/document/inputs.hpp"
#include "app/shell/main_window.hpp"
#include "app/shell/notice_bar.hpp"
#include "app/shell/session_keeper.hpp"
#include "app/shell/synthetic_dialog.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/units.hpp"

#include <QCoreApplication>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QMenu>
#include <QMimeData>
#include <QSettings>
#include <QUrl>

namespace loupe::app {

namespace {

constexpr int kMostRecent = 10;
const QString kRecentKey = QStringLiteral("recent");

QString lastFolder() {
    return QSettings().value(QStringLiteral("folder"), QDir::homePath()).toString();
}

void rememberFolder(const QString& path) {
    QSettings().setValue(QStringLiteral("folder"), QFileInfo(path).absolutePath());
}

}  // namespace

bool RecentFile::exists() const {
    return isSynthetic() || QFileInfo::exists(path);
}

QString RecentFile::title() const {
    return isSynthetic() ? FileCommands::tr("Made up: %1").arg(path.mid(10))
                         : QFileInfo(path).fileName();
}

FileCommands::FileCommands(MainWindow& window) : QObject(&window), m_window(window) {}

void FileCommands::openPath(const QString& path, const QString& tensor) {
    m_window.notices().dismiss();
    if (path.endsWith(QLatin1String(".loupe"))) {
        m_window.sessions().open(path);
        return;
    }
    const bool synthetic = path.startsWith(QLatin1String("synthetic:"));
    m_window.document().open(synthetic ? path : QFileInfo(path).absoluteFilePath(), tensor);
}

void FileCommands::openDialog() {
    const QString path =
        QFileDialog::getOpenFileName(&m_window,
                                     tr("Open a checkpoint"),
                                     lastFolder(),
                                     tr("Checkpoints and sessions (*.safetensors *.index.json "
                                        "*.gguf *.pt *.pth *.bin *.ckpt *.onnx *.npy *.npz *.csv "
                                        "*.tsv *.loupe);;All files (*)"));
    if (!path.isEmpty()) {
        rememberFolder(path);
        openPath(path);
    }
}

void FileCommands::openFolderDialog() {
    const QString path =
        QFileDialog::getExistingDirectory(&m_window, tr("Open a model folder"), lastFolder());
    if (!path.isEmpty()) {
        rememberFolder(path);
        openPath(path);
    }
}

void FileCommands::makeUpDialog() {
    SyntheticDialog dialog(&m_window);
    if (dialog.exec() == QDialog::Accepted) {
        openPath(dialog.path());
    }
}

QString FileCommands::samplePath() {
    const QDir bin(QCoreApplication::applicationDirPath());
    const QFileInfo file(
        bin.filePath(QStringLiteral("../share/tensorloupe/sample/model.safetensors")));
    return file.exists() ? QDir::cleanPath(file.absoluteFilePath()) : QString();
}

void FileCommands::openSample() {
    const QString path = samplePath();
    if (path.isEmpty()) {
        m_window.notices().show(NoticeBar::Kind::Warning,
                                tr("The bundled sample is not installed."),
                                tr("A made-up matrix shows the same."),
                                tr("Make up a matrix…"),
                                [this] { makeUpDialog(); });
        return;
    }
    const QString activations =
        QFileInfo(path).absolutePath() + QStringLiteral("/activations.safetensors");
    m_window.notices().dismiss();
    m_window.document().edit(tr("Open the bundled sample"), [&](ExperimentSpec& spec) {
        spec.source = path.toStdString();
        spec.tensor.clear();
        spec.gradients.clear();
        spec.edits.clear();
        spec.activations =
            QFileInfo::exists(activations) ? activations.toStdString() : std::string();
    });
}

void FileCommands::addActivationsDialog() {
    const QString path =
        QFileDialog::getOpenFileName(&m_window,
                                     tr("Activations of this layer, [tokens, in]"),
                                     lastFolder(),
                                     tr("Tensors (*.safetensors *.npy *.npz *.csv *.tsv *.gguf "
                                        "*.dat *.imatrix);;All files (*)"));
    if (!path.isEmpty()) {
        rememberFolder(path);
        setActivations(path);
    }
}

void FileCommands::setActivations(const QString& reference) {
    loupe::app::setActivations(m_window.document(), reference);
}

void FileCommands::locate(const QString& missing) {
    const QString path = QFileDialog::getOpenFileName(
        &m_window, tr("Where is %1 now?").arg(QFileInfo(missing).fileName()), lastFolder());
    if (path.isEmpty()) {
        return;
    }
    rememberFolder(path);
    forget(missing);
    Document& document = m_window.document();
    if (QString::fromStdString(document.spec().source) == missing) {
        document.edit(tr("Locate %1").arg(QFileInfo(path).fileName()),
                      [&](ExperimentSpec& spec) { spec.source = path.toStdString(); });
    } else {
        openPath(path);
    }
}

bool FileCommands::accepts(const QMimeData* data) {
    return data->hasUrls() && data->urls().size() == 1 && data->urls().front().isLocalFile();
}

void FileCommands::dropped(const QMimeData* data) {
    if (accepts(data)) {
        openPath(data->urls().front().toLocalFile());
    }
}

std::vector<RecentFile> FileCommands::recent() {
    std::vector<RecentFile> files;
    QSettings settings;
    const int count = settings.beginReadArray(kRecentKey);
    for (int i = 0; i < count; ++i) {
        settings.setArrayIndex(i);
        files.push_back({settings.value(QStringLiteral("path")).toString(),
                         settings.value(QStringLiteral("detail")).toString(),
                         settings.value(QStringLiteral("when")).toDateTime()});
    }
    settings.endArray();
    return files;
}

namespace {

void writeRecent(const std::vector<RecentFile>& files) {
    QSettings settings;
    settings.beginWriteArray(kRecentKey, static_cast<int>(files.size()));
    for (std::size_t i = 0; i < files.size(); ++i) {
        settings.setArrayIndex(static_cast<int>(i));
        settings.setValue(QStringLiteral("path"), files[i].path);
        settings.setValue(QStringLiteral("detail"), files[i].detail);
        settings.setValue(QStringLiteral("when"), files[i].when);
    }
    settings.endArray();
}

}  // namespace

void FileCommands::remember(const QString& path, const QString& detail) {
    if (!m_remembering) {
        return;
    }
    std::vector<RecentFile> files = recent();
    std::erase_if(files, [&](const RecentFile& file) { return file.path == path; });
    files.insert(files.begin(), {path, detail, QDateTime::currentDateTime()});
    if (files.size() > kMostRecent) {
        files.resize(kMostRecent);
    }
    writeRecent(files);
    emit recentChanged();
}

void FileCommands::remember() {
    const std::shared_ptr<const TensorSource> source = m_window.document().source();
    if (!source) {
        return;
    }
    const SourceInfo& info = source->info();
    const qint64 count = static_cast<qint64>(source->tensors().size());
    QStringList detail;
    if (info.files.size() > 1) {
        detail << tr("%1 files").arg(info.files.size());
    }
    detail << (count == 1 ? tr("1 tensor") : tr("%1 tensors").arg(formatCount(count)))
           << QString::fromStdString(decimalBytes(static_cast<double>(info.bytes)));
    remember(QString::fromStdString(m_window.document().spec().source),
             detail.join(QStringLiteral(" · ")));
}

void FileCommands::forget(const QString& path) {
    std::vector<RecentFile> files = recent();
    if (std::erase_if(files, [&](const RecentFile& file) { return file.path == path; }) > 0) {
        writeRecent(files);
        emit recentChanged();
    }
}

void FileCommands::fillRecentMenu(QMenu* menu) {
    connect(menu, &QMenu::aboutToShow, this, [this, menu] {
        menu->clear();
        for (const RecentFile& file : recent()) {
            QAction* action = menu->addAction(file.title());
            action->setToolTip(file.path);
            action->setEnabled(file.exists());
            connect(
                action, &QAction::triggered, this, [this, path = file.path] { openPath(path); });
        }
        if (menu->isEmpty()) {
            menu->addAction(tr("Nothing yet"))->setEnabled(false);
        }
    });
}

}  // namespace loupe::app
