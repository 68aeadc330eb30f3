// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/timing/run_process.hpp"
#include "gpu/timing/case.hpp"

#include <QObject>
#include <QString>

#include <vector>

namespace loupe::app {

struct QueuedRun {
    enum class State { Waiting, Running, Cancelling, Finished, Cancelled, Failed };
    QString id;  ///< of its records too
    gpu::TimingRequest request;
    State state = State::Waiting;
    double fraction = -1;
    QString doing;  ///< what it does now
    int records = 0;
    int refused = 0;  ///< records with a reason instead of figures
    int malformed = 0;
    QString problem;
    [[nodiscard]] bool active() const {
        return state == State::Waiting || state == State::Running || state == State::Cancelling;
    }
};

/// Runs one after another: two at once would time each other.
class RunQueue : public QObject {
    Q_OBJECT

public:
    explicit RunQueue(QObject* parent = nullptr);

    /// Adds a run and starts it when its turn comes; returns its id.
    QString add(const gpu::TimingRequest& request);
    /// The same request again, as a new run.
    QString repeat(const QString& id);
    void cancel(const QString& id);
    /// Takes a run that is over off the list.
    void dismiss(const QString& id);
    [[nodiscard]] const std::vector<QueuedRun>& runs() const { return m_runs; }
    [[nodiscard]] const QueuedRun* find(const QString& id) const;
    [[nodiscard]] const QueuedRun* current() const;
    [[nodiscard]] bool busy() const;
    /// How long a run may say nothing, in seconds; 0: for ever.
    void setPatience(int seconds);
    [[nodiscard]] int patience() const { return m_patience; }
    [[nodiscard]] RunProcess& process() { return m_process; }

signals:
    void changed();
    void recordArrived(const QString& run, const loupe::gpu::RunRecord& record);
    /// Nothing came for so long.
    void silent(const QString& run, int seconds);
    /// It speaks again, or is over.
    void spoke(const QString& run);
    void runEnded(const QString& run);

private:
    void startNext();
    QueuedRun* mutableRun(const QString& id);
    QueuedRun* running();
    void onEnd(RunProcess::End end, const QString& what, const QString& why);

    RunProcess m_process;
    std::vector<QueuedRun> m_runs;
    QString m_current;
    int m_patience = 60;
    bool m_silent = false;
};

}  // namespace loupe::app
