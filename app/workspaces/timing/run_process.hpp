// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "gpu/timing/record.hpp"

#include <QByteArray>
#include <QElapsedTimer>
#include <QObject>
#include <QProcess>
#include <QString>
#include <QStringList>
#include <QTimer>

#include <memory>

namespace loupe::app {

/// One `loupe time` as a child process: records from its output, progress from its error stream.
/// Whatever the child does, this object only reports it.
class RunProcess : public QObject {
    Q_OBJECT
    Q_DISABLE_COPY(RunProcess)

public:
    enum class End { Finished, Cancelled, Failed };

    explicit RunProcess(QObject* parent = nullptr);
    ~RunProcess() override;

    /// The `loupe` beside this program, or what tests set.
    [[nodiscard]] static QString program();
    static void setProgram(const QString& path);

    void start(const QStringList& arguments);
    /// Asks the child to end, and ends it after two seconds.
    void cancel();
    [[nodiscard]] bool isRunning() const { return m_process != nullptr; }
    /// silent() after this long without a line, and again each time that it passes; 0: never.
    void setPatience(int milliseconds);
    /// Records that this process gave.
    [[nodiscard]] int recordCount() const { return m_records; }
    [[nodiscard]] qint64 processId() const;

signals:
    void recordArrived(const loupe::gpu::RunRecord& record);
    void progressed(double fraction, const QString& what);
    /// A line that is no record; the run goes on.
    void malformed(const QString& why);
    void silent(int seconds);
    /// Once per start(). `what` and `why` are empty unless it failed.
    void ended(loupe::app::RunProcess::End end, const QString& what, const QString& why);

private:
    void readOutput();
    void readMessages();
    void takeLine(const QByteArray& line);
    void takeMessage(const QString& line);
    void signOfLife();
    void onFinished(int code, QProcess::ExitStatus status);
    void onError(QProcess::ProcessError error);
    void finish(End end, const QString& what = {}, const QString& why = {});
    void signalGroup(int number);

    QProcess* m_process = nullptr;
    QByteArray m_output;
    QByteArray m_messages;
    QStringList m_said;  ///< last lines of the error stream that are no progress
    QString m_hint;      ///< the child's own "loupe: hint:" line
    QString m_error;     ///< and its "loupe: error:" line
    QTimer m_silence;
    QTimer m_kill;
    QElapsedTimer m_lastLine;
    int m_patience = 60000;
    int m_records = 0;
    bool m_cancelled = false;
};

}  // namespace loupe::app
