// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/session_keeper.hpp"

#include "app/document/analyses.hpp"
#include "app/document/cursor.hpp"
#include "app/shell/dock_layout.hpp"
#include "app/shell/file_commands.hpp"
#include "app/shell/main_window.hpp"
#include "app/shell/notice_bar.hpp"

#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QSaveFile>
#include <QStandardPaths>
#include <QUuid>

namespace loupe::app {

namespace {

constexpr int kAutosaveMs = 5000;

QString fileFilter() {
    return SessionKeeper::tr("Sessions (*.loupe)");
}

}  // namespace

SessionKeeper::SessionKeeper(MainWindow& window, const QString& folder)
    : QObject(&window),
      m_window(window),
      m_folder(folder.isEmpty()
                   ? QStandardPaths::writableLocation(QStandardPaths::AppDataLocation) +
                         QStringLiteral("/running")
                   : folder) {
    m_timer.setInterval(kAutosaveMs);
    connect(&m_timer, &QTimer::timeout, this, &SessionKeeper::autosave);
}

SessionKeeper::~SessionKeeper() = default;

Session SessionKeeper::current() const {
    Session session;
    session.spec = m_window.document().spec();
    session.pins = m_window.document().cursor().pins();
    session.selected = m_window.document().cursor().selected();
    session.layout = m_window.layouts().save();
    session.viewState = m_window.saveViews();
    stampSource(session);
    return session;
}

void SessionKeeper::apply(const Session& session) {
    Document& document = m_window.document();
    document.reset(session.spec);
    document.cursor().setPins(session.pins);
    m_window.restoreViews(session.viewState);
    if (session.selected) {
        document.cursor().select(*session.selected);
    }
    m_window.layouts().restore(session.layout);
    if (const QString change = sourceChange(session); !change.isEmpty()) {
        m_window.notices().show(NoticeBar::Kind::Warning,
                                tr("The checkpoint has changed since this session was saved."),
                                change);
    }
}

void SessionKeeper::save() {
    if (m_path.isEmpty()) {
        saveAs();
    } else {
        saveTo(m_path);
    }
}

void SessionKeeper::saveAs() {
    QString path =
        QFileDialog::getSaveFileName(&m_window, tr("Save session"), m_path, fileFilter());
    if (path.isEmpty()) {
        return;
    }
    if (!path.endsWith(QLatin1String(".loupe"))) {
        path += QStringLiteral(".loupe");
    }
    saveTo(path);
}

bool SessionKeeper::saveTo(const QString& path) {
    if (const Result<void> saved = saveSession(current(), path); !saved) {
        m_window.notices().showError(saved.error(), tr("Save elsewhere…"), [this] { saveAs(); });
        return false;
    }
    m_path = path;
    m_window.files().remember(path, QString::fromStdString(m_window.document().spec().tensor));
    m_window.notices().show(
        NoticeBar::Kind::Info, tr("Session saved."), QFileInfo(path).fileName());
    return true;
}

bool SessionKeeper::open(const QString& path) {
    const Result<Session> session = loadSession(path);
    if (!session) {
        m_window.notices().showError(session.error());
        return false;
    }
    m_path = path;
    apply(*session);
    m_window.files().remember(path, QString::fromStdString(session->spec.tensor));
    return true;
}

void SessionKeeper::startAutosave(bool offerRestore) {
    if (!QDir().mkpath(m_folder)) {
        return;  // a read-only home: nothing to be done, and nothing lost that could be kept
    }
    const QStringList left = offerRestore ? crashed() : QStringList();
    m_asideFile = m_folder + QLatin1Char('/') + QUuid::createUuid().toString(QUuid::WithoutBraces) +
                  QStringLiteral(".loupe");
    m_lock = std::make_unique<QLockFile>(m_asideFile + QStringLiteral(".lock"));
    m_lock->setStaleLockTime(0);
    m_lock->tryLock(0);
    m_timer.start();
    if (!left.isEmpty()) {
        const QString file = left.front();
        const Result<Session> session = loadSession(file);
        const QString name =
            session ? QFileInfo(QString::fromStdString(session->spec.source)).fileName()
                    : QString();
        if (!session || session->spec.source.empty()) {
            QFile::remove(file);
            return;
        }
        m_window.notices().show(NoticeBar::Kind::Info,
                                tr("Tensorloupe did not end by itself last time."),
                                tr("Restore the session of %1?").arg(name),
                                tr("Restore"),
                                [this, file] { restoreCrashed(file); });
    }
}

void SessionKeeper::restoreCrashed(const QString& file) {
    const Result<Session> session = loadSession(file);
    if (session) {
        apply(*session);
    } else {
        m_window.notices().showError(session.error());
    }
    QFile::remove(file);
    QFile::remove(file + QStringLiteral(".lock"));
}

QStringList SessionKeeper::crashed() const {
    QStringList files;
    const QDir folder(m_folder);
    for (const QFileInfo& info :
         folder.entryInfoList({QStringLiteral("*.loupe")}, QDir::Files, QDir::Time)) {
        QLockFile lock(info.absoluteFilePath() + QStringLiteral(".lock"));
        lock.setStaleLockTime(0);
        if (info.absoluteFilePath() != m_asideFile && lock.tryLock(0)) {
            files << info.absoluteFilePath();
        }
    }
    return files;
}

void SessionKeeper::autosave() {
    if (m_asideFile.isEmpty()) {
        return;
    }
    if (m_window.document().spec().source.empty()) {
        QFile::remove(m_asideFile);
        m_written.clear();
        return;
    }
    const QByteArray json = toJson(current());
    if (json == m_written) {
        return;
    }
    QSaveFile file(m_asideFile);
    if (file.open(QIODevice::WriteOnly) && file.write(json) >= 0 && file.commit()) {
        m_written = json;
    }
}

void SessionKeeper::finish() {
    m_timer.stop();
    if (!m_asideFile.isEmpty()) {
        QFile::remove(m_asideFile);
    }
    m_lock.reset();
    m_asideFile.clear();
}

}  // namespace loupe::app
