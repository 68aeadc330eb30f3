// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/session.hpp"

#include <QLockFile>
#include <QObject>
#include <QString>
#include <QTimer>

#include <memory>

namespace loupe::app {

class MainWindow;

/// Saves and opens sessions, and writes the running one aside every few seconds, so that a crash
/// loses nothing.
class SessionKeeper : public QObject {
    Q_OBJECT

public:
    /// `folder` is where running sessions are written aside; empty: the application's data folder.
    explicit SessionKeeper(MainWindow& window, const QString& folder = {});
    ~SessionKeeper() override;

    void save();
    void saveAs();
    bool saveTo(const QString& path);
    bool open(const QString& path);
    /// Name of the session file; empty: none yet.
    [[nodiscard]] const QString& path() const { return m_path; }
    void forgetPath() { m_path.clear(); }

    /// Begins to write aside, and offers the session of a run that did not end by itself. False for
    /// runs that make pictures.
    void startAutosave(bool offerRestore);
    /// Writes aside now, if something changed.
    void autosave();
    /// Takes the written-aside session away: this run ends in order.
    void finish();
    /// Sessions of runs that ended without finish() and are not running.
    [[nodiscard]] QStringList crashed() const;

    [[nodiscard]] Session current() const;
    void apply(const Session& session);

private:
    void restoreCrashed(const QString& file);

    MainWindow& m_window;
    QString m_folder;
    QString m_path;
    QString m_asideFile;
    std::unique_ptr<QLockFile> m_lock;
    QByteArray m_written;
    QTimer m_timer;
};

}  // namespace loupe::app
