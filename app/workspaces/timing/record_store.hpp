// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/timing/timing_text.hpp"
#include "core/base/result.hpp"

#include <QByteArray>
#include <QHash>
#include <QObject>
#include <QString>
#include <QStringList>

#include <optional>
#include <vector>

namespace loupe::app {

/// What one start of `loupe time` gave.
struct StoredRun {
    QString id;
    std::vector<RecordPtr> records;
    std::optional<gpu::TimingRequest> request;  ///< of runs that were started here
};

/// A file of records as it was read.
struct ReadRecords {
    struct Line {
        QByteArray raw;
        QString run;
        RecordPtr record;  ///< null: not a record
    };
    std::vector<Line> lines;
    QHash<QString, gpu::TimingRequest> requests;
    int unreadable = 0;
    QString firstProblem;  ///< "line 12: …"
};

/// Lines of JSON, one record each; a field "run" says which belong together, and without one lines
/// in a row of one machine and shape do.
[[nodiscard]] ReadRecords readRecords(const QByteArray& text);

/// The records that are kept, in one file of the user's data folder. Several windows and programs
/// may use it at once: whole lines are appended under a lock, and what cannot be read stays where
/// it is.
class RecordStore : public QObject {
    Q_OBJECT

public:
    explicit RecordStore(QString path, QObject* parent = nullptr);

    /// <data folder>/timing/records.jsonl, or what tests set.
    [[nodiscard]] static QString defaultPath();
    static void setDefaultPath(const QString& path);
    [[nodiscard]] const QString& path() const { return m_path; }

    /// The file's text; empty where there is none yet. Any thread.
    [[nodiscard]] static Result<QByteArray> readFile(const QString& path);
    /// Takes what was read; runs of this session that were added meanwhile stay as they are.
    void take(const ReadRecords& read);
    [[nodiscard]] bool isLoaded() const { return m_loaded; }

    /// Newest first.
    [[nodiscard]] const std::vector<StoredRun>& runs() const { return m_runs; }
    [[nodiscard]] const StoredRun* find(const QString& run) const;
    [[nodiscard]] int recordCount() const;

    /// Keeps a record: in memory always, and in the file unless an error says why not.
    [[nodiscard]] Result<void> append(const QString& run,
                                      const gpu::RunRecord& record,
                                      const gpu::TimingRequest& request);
    [[nodiscard]] Result<void> remove(const QStringList& runs);
    struct Imported {
        int added = 0;
        int known = 0;
        int unreadable = 0;
        QString firstProblem;
        QStringList runs;
    };
    /// A file of records from elsewhere, read. Any thread.
    [[nodiscard]] static Result<ReadRecords> readImport(const QString& path);
    /// Keeps what is not here yet.
    [[nodiscard]] Result<Imported> import(const ReadRecords& read);

signals:
    void changed();

private:
    StoredRun& runOf(const QString& id);

    QString m_path;
    bool m_loaded = false;
    std::vector<StoredRun> m_runs;
};

}  // namespace loupe::app
