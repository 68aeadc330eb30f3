// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobs/job_manager.hpp"

#include <QDateTime>
#include <QElapsedTimer>
#include <QTimer>

#include <algorithm>
#include <exception>
#include <new>

namespace loupe::app {

namespace {

constexpr int kJobThreads =
    3;  // one may be taken by a long scan; the heavy loops inside use the compute pool
constexpr int kTickMs = 100;

qint64 nowMs() {
    static const QElapsedTimer clock = [] {
        QElapsedTimer timer;
        timer.start();
        return timer;
    }();
    return clock.elapsed();
}

}  // namespace

JobManager::JobManager(QObject* parent)
    : QObject(parent),
      m_ticker(new QTimer(this)),
      m_pool(std::make_unique<WorkerPool>(kJobThreads)) {
    m_ticker->setInterval(kTickMs);
    connect(m_ticker, &QTimer::timeout, this, &JobManager::progressed);
}

JobManager::~JobManager() {
    for (Running& running : m_running) {
        running.stop.request_stop();
    }
    m_pool.reset();
}

void JobManager::startErased(const QString& slot,
                             const QString& title,
                             std::function<std::shared_ptr<void>(const JobContext&)> work,
                             std::function<void(void*)> deliver) {
    cancel(slot);
    const quint64 id = ++m_lastId;
    Running running;
    running.id = id;
    running.title = title;
    running.progress = std::make_shared<Progress>();
    running.deliver = std::move(deliver);
    running.startedMs = nowMs();
    const JobContext context(running.stop.get_token(), running.progress);
    m_running.insert(slot, std::move(running));
    auto task = [this, id, context, work = std::move(work)] {
        Finished finished;
        finished.id = id;
        try {
            context.checkpoint();
            finished.value = work(context);
        } catch (const Cancelled&) {
            return;
        } catch (const std::bad_alloc&) {
            finished.error = "out of memory";
        } catch (const std::exception& error) {
            finished.error = error.what();
        }
        {
            const std::scoped_lock lock(m_mailMutex);
            m_mail.push_back(std::move(finished));
        }
        QMetaObject::invokeMethod(
            this, [this] { drain(); }, Qt::QueuedConnection);
    };
    if (m_holding && slot != m_notHeld) {
        m_held.emplace_back(std::move(task));
    } else {
        m_pool->post(std::move(task));
    }
    m_ticker->start();
    emit jobStarted(slot);
}

void JobManager::hold(const QString& except) {
    m_holding = true;
    m_notHeld = except;
}

void JobManager::release() {
    m_holding = false;
    for (std::function<void()>& task : std::exchange(m_held, {})) {
        m_pool->post(std::move(task));
    }
}

void JobManager::drain() {
    std::vector<Finished> mail;
    {
        const std::scoped_lock lock(m_mailMutex);
        mail.swap(m_mail);
    }
    const QPointer<JobManager> self(this);
    for (Finished& finished : mail) {
        const auto found =
            std::find_if(m_running.begin(), m_running.end(), [&](const Running& running) {
                return running.id == finished.id;
            });
        if (found == m_running.end()) {
            continue;  // superseded
        }
        const QString slot = found.key();
        const Running running = std::move(found.value());
        m_running.erase(found);
        if (m_running.isEmpty()) {
            m_ticker->stop();
        }
        if (finished.value) {
            running.deliver(finished.value.get());
        } else {
            emit jobFailed(slot, running.title, QString::fromStdString(finished.error));
        }
        if (!self) {
            return;  // a receiver deleted us
        }
        emit jobEnded(slot);
    }
}

void JobManager::cancel(const QString& slot) {
    const auto found = m_running.find(slot);
    if (found == m_running.end()) {
        return;
    }
    found->stop.request_stop();
    m_running.erase(found);
    if (m_running.isEmpty()) {
        m_ticker->stop();
    }
    emit jobEnded(slot);
}

void JobManager::cancelPrefix(const QString& prefix) {
    for (const QString& slot : m_running.keys()) {
        if (slot.startsWith(prefix)) {
            cancel(slot);
        }
    }
}

std::vector<JobView> JobManager::running() const {
    std::vector<JobView> views;
    const qint64 now = nowMs();
    for (auto it = m_running.begin(); it != m_running.end(); ++it) {
        JobView view;
        view.slot = it.key();
        view.title = it->title;
        view.done = it->progress->done.load(std::memory_order_relaxed);
        view.total = it->progress->total.load(std::memory_order_relaxed);
        view.seconds = static_cast<double>(now - it->startedMs) / 1000.0;
        if (view.total > 0) {
            view.fraction =
                std::min(1.0, static_cast<double>(view.done) / static_cast<double>(view.total));
            if (view.fraction > 0.01) {
                view.secondsLeft = view.seconds * (1 - view.fraction) / view.fraction;
            }
        }
        views.push_back(std::move(view));
    }
    std::sort(views.begin(), views.end(), [](const JobView& a, const JobView& b) {
        return a.seconds > b.seconds;
    });
    return views;
}

double JobManager::fraction(const QString& slot) const {
    const auto found = m_running.find(slot);
    if (found == m_running.end()) {
        return -1;
    }
    const std::uint64_t total = found->progress->total.load(std::memory_order_relaxed);
    const std::uint64_t done = found->progress->done.load(std::memory_order_relaxed);
    return total == 0 ? -1 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
}

}  // namespace loupe::app
