// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/ladder_runs.hpp"

#include "app/jobs/job_manager.hpp"

#include <algorithm>
#include <chrono>
#include <set>

namespace loupe::app {

namespace {

constexpr std::size_t kKept = 12;

/// The plan with those that a person wants nevertheless, last.
LadderPlan withAsked(LadderPlan plan,
                     const SchemeInput& input,
                     const std::vector<std::string>& asked) {
    std::erase_if(plan.skipped, [&](const LadderSkip& skip) {
        return skip.expectedSeconds > 0 &&
               std::find(asked.begin(), asked.end(), skip.entry.scheme) != asked.end();
    });
    if (const Result<LadderPlan> more = planLadder(input, asked)) {
        plan.entries.insert(plan.entries.end(), more->entries.begin(), more->entries.end());
    }
    return plan;
}

}  // namespace

/// What the job leaves for the UI thread.
struct LadderRuns::Mail {
    std::mutex mutex;
    std::vector<std::shared_ptr<const LadderRow>> rows;
    std::vector<LadderSkip> skipped;
    bool hasOutput = false;
    std::string now;  ///< title of the entry being measured
    std::chrono::steady_clock::time_point since;
};

LadderRuns::LadderRuns(Document& document, QObject* parent)
    : QObject(parent), m_document(document) {
    JobManager& jobs = document.jobs();
    connect(&jobs, &JobManager::progressed, this, [this] {
        if (running()) {
            drain();
        }
    });
    connect(&jobs, &JobManager::jobEnded, this, [this](const QString& slot) {
        if (slot == QLatin1String(kSlot) && m_mail != nullptr) {
            // Not through finished(): somebody cancelled it, here or in the job bar.
            drain();
            m_mail.reset();
            m_stopped = true;
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

LadderRuns::~LadderRuns() {
    blockSignals(true);  // the view that listens is half gone
    m_mail.reset();
    m_document.jobs().cancel(QLatin1String(kSlot));
}

const LadderState* LadderRuns::state() const {
    return m_state.get();
}

bool LadderRuns::running() const {
    return m_mail != nullptr;
}

double LadderRuns::fraction() const {
    return m_document.jobs().fraction(QLatin1String(kSlot));
}

LadderRuns::Now LadderRuns::now() const {
    if (m_mail == nullptr) {
        return {};
    }
    const std::scoped_lock lock(m_mail->mutex);
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - m_mail->since;
    return m_mail->now.empty() ? Now{} : Now{m_mail->now, passed.count()};
}

const LadderState* LadderRuns::want() {
    const ComparisonInput input = comparisonInput(m_document);
    if (input.empty()) {
        if (running()) {
            m_mail.reset();
            m_document.jobs().cancel(QLatin1String(kSlot));
        }
        m_state.reset();
        return nullptr;
    }
    if (m_state != nullptr && m_state->of.sameAs(input)) {
        return m_state.get();
    }
    if (running()) {
        drain();
        m_mail.reset();  // first: the end of this job is no stop
        m_document.jobs().cancel(QLatin1String(kSlot));
    }
    const auto kept = std::find_if(
        m_kept.begin(), m_kept.end(), [&](const auto& state) { return state->of.sameAs(input); });
    if (kept != m_kept.end()) {
        m_state = *kept;
    } else {
        m_state = std::make_shared<LadderState>();
        m_state->of = input;
        m_kept.push_back(m_state);
        if (m_kept.size() > kKept) {
            m_kept.pop_front();
        }
    }
    m_stopped = false;
    if (!m_state->done && !m_state->error) {
        start();
    }
    return m_state.get();
}

void LadderRuns::stop() {
    if (running()) {
        m_document.jobs().cancel(QLatin1String(kSlot));
    }
}

void LadderRuns::resume() {
    if (m_state != nullptr && !running() && !m_state->done) {
        m_state->error.reset();
        start();
    }
}

void LadderRuns::runNow(const std::string& scheme) {
    if (m_state == nullptr ||
        std::find(m_state->asked.begin(), m_state->asked.end(), scheme) != m_state->asked.end()) {
        return;
    }
    m_state->asked.push_back(scheme);
    m_state->done = false;
    m_state->error.reset();
    if (running()) {
        drain();
        m_mail.reset();  // first: the end of this job is no stop
        m_document.jobs().cancel(QLatin1String(kSlot));
    }
    start();
}

void LadderRuns::start() {
    m_stopped = false;
    m_mail = std::make_shared<Mail>();
    std::set<std::string> known;
    for (const auto& row : m_state->rows) {
        known.insert(row->entry.scheme);
    }
    m_state->skipped.clear();  // told again, quickly
    auto work = [input = m_state->of,
                 mail = m_mail,
                 known = std::move(known),
                 asked = m_state->asked](const JobContext& ctx) -> std::optional<Error> {
        const SchemeInput opened = input.open();
        LadderPlan plan = withAsked(planLadder(opened), opened, asked);
        plan.entries.erase(
            std::remove_if(plan.entries.begin(),
                           plan.entries.end(),
                           [&](const LadderEntry& entry) { return known.count(entry.scheme) > 0; }),
            plan.entries.end());
        {
            const std::scoped_lock lock(mail->mutex);
            mail->skipped = plan.skipped;
            mail->hasOutput = opened.activations != nullptr;
        }
        LadderObserver observer;
        observer.onStart = [&](const LadderEntry& entry) {
            const std::scoped_lock lock(mail->mutex);
            mail->now = entry.title;
            mail->since = std::chrono::steady_clock::now();
        };
        observer.onRow = [&](const LadderRow& row) {
            auto shared = std::make_shared<const LadderRow>(row);
            const std::scoped_lock lock(mail->mutex);
            mail->rows.push_back(std::move(shared));
        };
        observer.onSkip = [&](const LadderSkip& skip) {
            const std::scoped_lock lock(mail->mutex);
            mail->skipped.push_back(skip);
        };
        const Result<LadderResult> result = runLadder(plan, opened, observer, ctx);
        return result ? std::nullopt : std::optional<Error>(result.error());
    };
    m_document.jobs().start(QLatin1String(kSlot),
                            tr("Format ladder"),
                            std::move(work),
                            this,
                            [this](const std::optional<Error>& error) { finished(error); });
    emit changed();
}

void LadderRuns::drain() {
    if (m_mail == nullptr || m_state == nullptr) {
        return;
    }
    std::vector<std::shared_ptr<const LadderRow>> rows;
    std::vector<LadderSkip> skipped;
    {
        const std::scoped_lock lock(m_mail->mutex);
        rows.swap(m_mail->rows);
        skipped.swap(m_mail->skipped);
        m_state->hasOutput = m_mail->hasOutput;
    }
    if (rows.empty() && skipped.empty()) {
        return;
    }
    m_state->rows.insert(m_state->rows.end(), rows.begin(), rows.end());
    m_state->skipped.insert(m_state->skipped.end(), skipped.begin(), skipped.end());
    emit changed();
}

void LadderRuns::finished(const std::optional<Error>& error) {
    drain();
    m_mail.reset();
    if (m_state != nullptr) {
        m_state->done = !error.has_value();
        m_state->error = error;
    }
    emit changed();
}

}  // namespace loupe::app
