// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/job.hpp"
#include "core/base/worker_pool.hpp"

#include <QHash>
#include <QObject>
#include <QPointer>
#include <QString>

#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

class QTimer;

namespace loupe::app {

/// What the job bar shows of a running job.
struct JobView {
    QString slot;
    QString title;
    double fraction = -1;  ///< 0 to 1; -1: not known
    std::uint64_t done = 0;
    std::uint64_t total = 0;
    double seconds = 0;       ///< since the start
    double secondsLeft = -1;  ///< -1: not known
};

/// Runs long work off the UI thread. A job belongs to a slot ("stats:A", "open"): starting another
/// in the same slot cancels the previous one and drops its result. Results come back on the UI
/// thread through a mutex-guarded mailbox (the Qt event carries no data). UI thread only.
class JobManager : public QObject {
    Q_OBJECT

public:
    explicit JobManager(QObject* parent = nullptr);
    ~JobManager() override;

    /// Runs work(ctx) on the pool, then done(result) on the UI thread if the job is still current
    /// and `receiver` alive. An exception other than Cancelled ends in jobFailed().
    template <class Work, class Done>
    void start(const QString& slot, const QString& title, Work work, QObject* receiver, Done done) {
        using Value = std::invoke_result_t<Work&, const JobContext&>;
        auto deliver = [target = QPointer<QObject>(receiver), done](void* value) mutable {
            if (target) {
                done(std::move(*static_cast<Value*>(value)));
            }
        };
        auto run = [work =
                        std::move(work)](const JobContext& ctx) mutable -> std::shared_ptr<void> {
            return std::make_shared<Value>(work(ctx));
        };
        startErased(slot, title, std::move(run), std::move(deliver));
    }

    /// Holds back jobs that start from now on, except in slot `except`, until release(): the window
    /// is painted before the heavy work begins. They count as running.
    void hold(const QString& except);
    void release();

    void cancel(const QString& slot);
    /// Cancels every job whose slot begins with `prefix`.
    void cancelPrefix(const QString& prefix);
    [[nodiscard]] bool isRunning(const QString& slot) const { return m_running.contains(slot); }
    [[nodiscard]] std::vector<JobView> running() const;
    /// Fraction of one slot, -1 if unknown or not running.
    [[nodiscard]] double fraction(const QString& slot) const;

signals:
    void jobStarted(const QString& slot);
    void jobEnded(const QString& slot);
    void jobFailed(const QString& slot, const QString& title, const QString& what);
    /// At most 10 times a second while jobs run.
    void progressed();

private:
    struct Running {
        quint64 id = 0;
        QString title;
        std::stop_source stop;
        std::shared_ptr<Progress> progress;
        std::function<void(void*)> deliver;
        qint64 startedMs = 0;
    };
    struct Finished {
        quint64 id = 0;
        std::shared_ptr<void> value;
        std::string error;
    };
    void startErased(const QString& slot,
                     const QString& title,
                     std::function<std::shared_ptr<void>(const JobContext&)> work,
                     std::function<void(void*)> deliver);
    void drain();

    QHash<QString, Running> m_running;
    bool m_holding = false;
    QString m_notHeld;
    std::vector<std::function<void()>> m_held;
    quint64 m_lastId = 0;
    QTimer* m_ticker = nullptr;
    std::mutex m_mailMutex;
    std::vector<Finished> m_mail;
    std::unique_ptr<WorkerPool> m_pool;  // last: joins while the members it touches are alive
};

}  // namespace loupe::app
