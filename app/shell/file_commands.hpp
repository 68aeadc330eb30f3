// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDateTime>
#include <QObject>
#include <QString>

#include <vector>

class QMenu;
class QMimeData;

namespace loupe::app {

class MainWindow;

/// A checkpoint, made-up matrix or session that was open before.
struct RecentFile {
    QString path;
    QString detail;  ///< "291 tensors · 13.48 GB"
    QDateTime when;
    [[nodiscard]] bool exists() const;
    [[nodiscard]] bool isSession() const { return path.endsWith(QLatin1String(".loupe")); }
    [[nodiscard]] bool isSynthetic() const { return path.startsWith(QLatin1String("synthetic:")); }
    [[nodiscard]] QString title() const;
};

/// What the File menu does: opening, recent files, activations, sessions.
class FileCommands : public QObject {
    Q_OBJECT

public:
    explicit FileCommands(MainWindow& window);

    /// Opens a checkpoint or a session, whatever the path names.
    void openPath(const QString& path, const QString& tensor = {});
    void openDialog();
    void openFolderDialog();
    void makeUpDialog();
    void openSample();
    void addActivationsDialog();
    void setActivations(const QString& reference);
    /// Asks where a file that moved is now, and opens it (the session or recent entry goes on with
    /// the new path).
    void locate(const QString& missing);
    void dropped(const QMimeData* data);
    [[nodiscard]] static bool accepts(const QMimeData* data);

    [[nodiscard]] static std::vector<RecentFile> recent();
    /// Remembers the open checkpoint at the top of the list.
    void remember();
    void remember(const QString& path, const QString& detail);
    void forget(const QString& path);
    void fillRecentMenu(QMenu* menu);
    /// Where the bundled example lies; empty if this copy has none.
    [[nodiscard]] static QString samplePath();
    /// Command line runs for pictures leave the user's lists alone.
    void setRemembering(bool on) { m_remembering = on; }

signals:
    void recentChanged();

private:
    MainWindow& m_window;
    bool m_remembering = true;
};

}  // namespace loupe::app
