// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/sweep_runs.hpp"

#include "app/jobs/job_manager.hpp"

#include <algorithm>

namespace loupe::app {

namespace {

constexpr std::size_t kKept = 24;

}  // namespace

struct SweepRuns::Mail {
    struct Item {
        std::size_t series = 0;
        std::optional<SweepPoint> point;
        std::optional<SweepError> error;
    };
    std::mutex mutex;
    std::vector<Item> items;
};

SweepRuns::SweepRuns(Document& document, QObject* parent) : QObject(parent), m_document(document) {
    JobManager& jobs = document.jobs();
    connect(&jobs, &JobManager::progressed, this, &SweepRuns::drain);
    connect(&jobs, &JobManager::jobEnded, this, [this](const QString& slot) {
        if (slot == QLatin1String(kSlot) && m_mail != nullptr) {
            drain();  // cancelled, here or in the job bar
            m_mail.reset();
            emit changed();
        }
    });
    connect(&jobs,
            &JobManager::jobFailed,
            this,
            [this](const QString& slot, const QString&, const QString& what) {
                if (slot == QLatin1String(kSlot)) {
                    finished(Error{ErrorCode::OutOfMemory, what.toStdString(), {}, {}});
                }
            });
}

SweepRuns::~SweepRuns() {
    blockSignals(true);  // the view that listens is half gone
    abandon();
}

double SweepRuns::fraction() const {
    return m_document.jobs().fraction(QLatin1String(kSlot));
}

void SweepRuns::abandon() {
    if (m_mail != nullptr) {
        drain();
        m_mail.reset();  // first: the end of this job is no news
        m_document.jobs().cancel(QLatin1String(kSlot));
    }
}

void SweepRuns::clear() {
    abandon();
    m_state.reset();
    emit changed();
}

void SweepRuns::want(const SweepRequest& request, bool run) {
    if (m_state == nullptr || !m_state->request.sameAs(request)) {
        abandon();
        const auto kept = std::find_if(m_kept.begin(), m_kept.end(), [&](const auto& state) {
            return state->request.sameAs(request);
        });
        if (kept != m_kept.end()) {
            m_state = *kept;
        } else {
            m_state = std::make_shared<SweepState>();
            m_state->request = request;
            for (const std::string& scheme : request.schemes) {
                const Result<Scheme> parsed = parseScheme(scheme);
                m_state->series.push_back(
                    {scheme, parsed ? sweepTitle(*parsed, request.axis.key) : scheme, {}, {}});
            }
            m_kept.push_back(m_state);
            if (m_kept.size() > kKept) {
                m_kept.pop_front();
            }
        }
    }
    if (run && !m_state->done && !running()) {
        start();
    }
    emit changed();
}

void SweepRuns::stop() {
    if (running()) {
        m_document.jobs().cancel(QLatin1String(kSlot));
    }
}

void SweepRuns::start() {
    m_mail = std::make_shared<Mail>();
    m_state->error.reset();
    for (SweepSeries& series : m_state->series) {
        series.points.clear();
        series.errors.clear();
    }
    auto work = [request = m_state->request,
                 mail = m_mail](const JobContext& ctx) -> std::optional<Error> {
        std::vector<Scheme> schemes;
        for (const std::string& scheme : request.schemes) {
            Result<Scheme> parsed = parseScheme(scheme);
            if (!parsed) {
                return parsed.error();
            }
            schemes.push_back(*std::move(parsed));
        }
        const SweepObserver observer =
            [&](std::size_t series, const SweepPoint* point, const SweepError* error) {
                const std::scoped_lock lock(mail->mutex);
                mail->items.push_back({series,
                                       point != nullptr ? std::optional(*point) : std::nullopt,
                                       error != nullptr ? std::optional(*error) : std::nullopt});
            };
        const Result<SweepResult> result =
            runSweep(schemes, request.axis, request.of.open(), observer, ctx);
        return result ? std::nullopt : std::optional<Error>(result.error());
    };
    m_document.jobs().start(QLatin1String(kSlot),
                            tr("Curves"),
                            std::move(work),
                            this,
                            [this](const std::optional<Error>& error) { finished(error); });
}

void SweepRuns::drain() {
    if (m_mail == nullptr || m_state == nullptr) {
        return;
    }
    std::vector<Mail::Item> items;
    {
        const std::scoped_lock lock(m_mail->mutex);
        items.swap(m_mail->items);
    }
    if (items.empty()) {
        return;
    }
    for (Mail::Item& item : items) {
        SweepSeries& series = m_state->series[item.series];
        if (item.point) {
            series.points.push_back(*std::move(item.point));
        }
        if (item.error) {
            series.errors.push_back(*std::move(item.error));
        }
    }
    emit changed();
}

void SweepRuns::finished(const std::optional<Error>& error) {
    drain();
    m_mail.reset();
    if (m_state != nullptr) {
        m_state->done = !error.has_value();
        m_state->error = error;
    }
    emit changed();
}

}  // namespace loupe::app
