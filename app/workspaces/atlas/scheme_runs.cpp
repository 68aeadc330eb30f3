// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/scheme_runs.hpp"

#include "app/jobs/job_manager.hpp"
#include "core/experiment/selection_run.hpp"

#include <algorithm>
#include <array>
#include <mutex>

namespace loupe::app {

namespace {

constexpr std::size_t kKept = 8;
constexpr int kUnknownBits = 32;

struct Found {
    std::size_t tensor = 0;
    Result<Figures> figures;
};

Result<Figures> measure(const TensorSource& source,
                        std::size_t tensor,
                        const Scheme& scheme,
                        const JobContext& ctx) {
    const Result<std::shared_ptr<const RowSource>> rows = source.matrix(tensor);
    if (!rows) {
        return fail(rows.error());
    }
    const TensorInfo& info = source.tensors()[tensor];
    SchemeInput input;
    input.weights = *rows;
    input.storedBits = info.type != nullptr ? info.type->bits : kUnknownBits;
    const Result<std::shared_ptr<const SchemeResult>> result = applyScheme(scheme, input, ctx);
    if (!result) {
        return fail(result.error());
    }
    (*rows)->release(0, (*rows)->rows());
    return figuresOf(**result);
}

}  // namespace

/// What the job leaves for the UI thread.
struct SchemeRuns::Mail {
    std::mutex mutex;
    std::vector<Found> found;
    std::optional<std::vector<std::size_t>> matrices;
};

SchemeRuns::SchemeRuns(Document& document, QObject* parent)
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
            m_paused = true;
            emit changed();
        }
    });
    connect(&jobs,
            &JobManager::jobFailed,
            this,
            [this](const QString& slot, const QString&, const QString&) {
                if (slot == QLatin1String(kSlot)) {  // the window tells why
                    drain();
                    m_mail.reset();
                    m_paused = true;
                    emit changed();
                }
            });
}

SchemeRuns::~SchemeRuns() {
    blockSignals(true);
    stop();
}

double SchemeRuns::fraction() const {
    return m_document.jobs().fraction(QLatin1String(kSlot));
}

const SchemeColumn* SchemeRuns::known(const std::string& scheme) const {
    const std::shared_ptr<const TensorSource> source = m_document.source();
    const auto found = std::find_if(m_kept.begin(), m_kept.end(), [&](const auto& column) {
        return column->scheme == scheme && column->source.lock() == source;
    });
    return source != nullptr && found != m_kept.end() ? found->get() : nullptr;
}

const SchemeColumn* SchemeRuns::want(const std::string& scheme) {
    const std::shared_ptr<const TensorSource> source = m_document.source();
    if (source == nullptr || scheme.empty()) {
        leave();
        return nullptr;
    }
    if (m_now != nullptr && m_now->scheme == scheme && m_now->source.lock() == source) {
        return m_now.get();
    }
    stop();
    std::erase_if(m_kept, [&](const auto& column) { return column->source.expired(); });
    const auto kept = std::find_if(m_kept.begin(), m_kept.end(), [&](const auto& column) {
        return column->scheme == scheme && column->source.lock() == source;
    });
    if (kept != m_kept.end()) {
        m_now = *kept;
    } else {
        m_now = std::make_shared<SchemeColumn>();
        m_now->source = source;
        m_now->scheme = scheme;
        m_now->state.assign(source->tensors().size(), SchemeColumn::State::Pending);
        m_now->figures.resize(source->tensors().size());
        m_kept.push_back(m_now);
        if (m_kept.size() > kKept) {
            m_kept.pop_front();
        }
    }
    m_paused = false;
    if (!m_now->done()) {
        start();
    }
    return m_now.get();
}

void SchemeRuns::stop() {
    if (running()) {
        drain();
        m_mail.reset();  // first: the end of this job is no pause
        m_document.jobs().cancel(QLatin1String(kSlot));
    }
}

void SchemeRuns::leave() {
    stop();
    m_now.reset();
    m_paused = false;
}

void SchemeRuns::pause() {
    if (running()) {
        m_document.jobs().cancel(QLatin1String(kSlot));
    }
}

void SchemeRuns::resume() {
    if (m_now != nullptr && !running() && !m_now->done()) {
        start();
    }
}

void SchemeRuns::start() {
    const std::shared_ptr<const TensorSource> source = m_now->source.lock();
    const Result<Scheme> scheme = parseScheme(m_now->scheme);
    if (source == nullptr || !scheme) {
        return;
    }
    m_paused = false;
    m_mail = std::make_shared<Mail>();
    auto work =
        [source, scheme = *scheme, mail = m_mail, state = m_now->state](const JobContext& ctx) {
            static const std::array<std::string, 1> kAll{"*"};
            std::vector<std::size_t> matrices = selectTensors(*source, kAll);
            {
                const std::scoped_lock lock(mail->mutex);
                mail->matrices = matrices;
            }
            std::erase_if(matrices, [&](std::size_t tensor) {
                return state[tensor] != SchemeColumn::State::Pending;
            });
            const std::span<const TensorInfo> tensors = source->tensors();
            // Small ones first: the picture fills quickly, and the large ones take what they take.
            std::stable_sort(matrices.begin(), matrices.end(), [&](std::size_t a, std::size_t b) {
                return tensors[a].parameters < tensors[b].parameters;
            });
            std::uint64_t total = 0;
            for (const std::size_t tensor : matrices) {
                total += tensors[tensor].parameters;
            }
            ctx.setTotal(total);
            const JobContext part = ctx.withoutProgress();
            for (const std::size_t tensor : matrices) {
                ctx.checkpoint();
                Found found{tensor, measure(*source, tensor, scheme, part)};
                {
                    const std::scoped_lock lock(mail->mutex);
                    mail->found.push_back(std::move(found));
                }
                ctx.advance(tensors[tensor].parameters);
            }
            return true;
        };
    m_document.jobs().start(QLatin1String(kSlot),
                            tr("Atlas: %1").arg(QString::fromStdString(m_now->scheme)),
                            std::move(work),
                            this,
                            [this](bool) { finished(); });
    emit changed();
}

void SchemeRuns::drain() {
    if (m_mail == nullptr || m_now == nullptr) {
        return;
    }
    std::vector<Found> found;
    std::optional<std::vector<std::size_t>> matrices;
    {
        const std::scoped_lock lock(m_mail->mutex);
        found.swap(m_mail->found);
        matrices.swap(m_mail->matrices);
    }
    using State = SchemeColumn::State;
    if (matrices && !m_now->listed) {
        m_now->listed = true;
        m_now->state.assign(m_now->state.size(), State::None);
        for (const std::size_t tensor : *matrices) {
            m_now->state[tensor] = State::Pending;
        }
        m_now->left = matrices->size();
    }
    for (Found& one : found) {
        if (one.figures) {
            m_now->state[one.tensor] = State::Known;
            m_now->figures[one.tensor] = *one.figures;
        } else {
            m_now->state[one.tensor] = State::Failed;
            m_now->errors[one.tensor] = std::move(one.figures.error());
        }
        --m_now->left;
    }
    if (matrices || !found.empty()) {
        emit changed();
    }
}

void SchemeRuns::finished() {
    drain();
    m_mail.reset();
    emit changed();
}

}  // namespace loupe::app
