// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/run_queue.hpp"

#include <QUuid>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr std::size_t kKept = 20;  // runs that are over and not dismissed

QStringList argumentsOf(const gpu::TimingRequest& request) {
    QStringList arguments;
    for (const std::string& each : gpu::toArguments(request)) {
        arguments << QString::fromStdString(each);
    }
    arguments << QStringLiteral("--json");
    return arguments;
}

}  // namespace

RunQueue::RunQueue(QObject* parent) : QObject(parent) {
    const auto spokeUp = [this] {
        if (m_silent) {
            m_silent = false;
            emit spoke(m_current);
        }
    };
    connect(&m_process,
            &RunProcess::recordArrived,
            this,
            [this, spokeUp](const gpu::RunRecord& record) {
                spokeUp();
                if (QueuedRun* run = running()) {
                    ++run->records;
                    run->refused += record.reason.empty() ? 0 : 1;
                    emit recordArrived(run->id, record);
                    emit changed();
                }
            });
    connect(&m_process,
            &RunProcess::progressed,
            this,
            [this, spokeUp](double fraction, const QString& what) {
                spokeUp();
                if (QueuedRun* run = running()) {
                    run->fraction = fraction;
                    run->doing = what;
                    emit changed();
                }
            });
    connect(&m_process, &RunProcess::malformed, this, [this](const QString& why) {
        if (QueuedRun* run = running()) {
            ++run->malformed;
            run->problem = tr("A line of its output is no record: %1").arg(why);
            emit changed();
        }
    });
    connect(&m_process, &RunProcess::silent, this, [this](int seconds) {
        m_silent = true;
        emit silent(m_current, seconds);
    });
    connect(&m_process, &RunProcess::ended, this, &RunQueue::onEnd);
}

QString RunQueue::add(const gpu::TimingRequest& request) {
    QueuedRun run;
    run.id = QUuid::createUuid().toString(QUuid::WithoutBraces);
    run.request = request;
    QString id = run.id;
    m_runs.push_back(std::move(run));
    std::size_t over = static_cast<std::size_t>(std::count_if(
        m_runs.begin(), m_runs.end(), [](const QueuedRun& each) { return !each.active(); }));
    for (auto each = m_runs.begin(); each != m_runs.end() && over > kKept;) {
        if (each->active()) {
            ++each;
        } else {
            each = m_runs.erase(each);
            --over;
        }
    }
    startNext();
    emit changed();
    return id;
}

QString RunQueue::repeat(const QString& id) {
    const QueuedRun* run = find(id);
    return run != nullptr ? add(gpu::TimingRequest(run->request)) : QString();
}

void RunQueue::cancel(const QString& id) {
    QueuedRun* run = mutableRun(id);
    if (run == nullptr) {
        return;
    }
    if (run->state == QueuedRun::State::Waiting) {
        run->state = QueuedRun::State::Cancelled;
        emit runEnded(id);
    } else if (run->state == QueuedRun::State::Running) {
        run->state = QueuedRun::State::Cancelling;
        m_process.cancel();
    }
    emit changed();
}

void RunQueue::dismiss(const QString& id) {
    m_runs.erase(
        std::remove_if(m_runs.begin(),
                       m_runs.end(),
                       [&](const QueuedRun& run) { return run.id == id && !run.active(); }),
        m_runs.end());
    emit changed();
}

QueuedRun* RunQueue::mutableRun(const QString& id) {
    for (QueuedRun& run : m_runs) {
        if (run.id == id) {
            return &run;
        }
    }
    return nullptr;
}

const QueuedRun* RunQueue::find(const QString& id) const {
    for (const QueuedRun& run : m_runs) {
        if (run.id == id) {
            return &run;
        }
    }
    return nullptr;
}

QueuedRun* RunQueue::running() {
    return m_current.isEmpty() ? nullptr : mutableRun(m_current);
}

const QueuedRun* RunQueue::current() const {
    return m_current.isEmpty() ? nullptr : find(m_current);
}

bool RunQueue::busy() const {
    return std::any_of(
        m_runs.begin(), m_runs.end(), [](const QueuedRun& run) { return run.active(); });
}

void RunQueue::setPatience(int seconds) {
    m_patience = seconds;
    m_process.setPatience(seconds * 1000);
}

void RunQueue::startNext() {
    if (m_process.isRunning()) {
        return;
    }
    for (QueuedRun& run : m_runs) {
        if (run.state == QueuedRun::State::Waiting) {
            run.state = QueuedRun::State::Running;
            m_current = run.id;
            m_silent = false;
            m_process.setPatience(m_patience * 1000);
            m_process.start(argumentsOf(run.request));
            return;
        }
    }
}

void RunQueue::onEnd(RunProcess::End end, const QString& what, const QString& why) {
    const QString id = m_current;
    if (QueuedRun* run = running()) {
        run->state = end == RunProcess::End::Finished    ? QueuedRun::State::Finished
                     : end == RunProcess::End::Cancelled ? QueuedRun::State::Cancelled
                                                         : QueuedRun::State::Failed;
        if (end == RunProcess::End::Failed) {
            run->problem =
                why.trimmed().isEmpty() ? what : what + QLatin1Char('\n') + why.trimmed();
        }
        run->fraction = -1;
        run->doing.clear();
    }
    m_current.clear();
    if (m_silent) {
        m_silent = false;
        emit spoke(id);
    }
    emit runEnded(id);
    // Not from within the process' own signal: it may be about to go.
    QMetaObject::invokeMethod(
        this,
        [this] {
            startNext();
            emit changed();
        },
        Qt::QueuedConnection);
    emit changed();
}

}  // namespace loupe::app
