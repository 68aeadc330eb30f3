// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/scheme_runs.hpp"

#include "app/document/row_sample.hpp"
#include "app/document/tensor_queue.hpp"
#include "app/jobs/job_manager.hpp"
#include "core/experiment/selection_run.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <mutex>

namespace loupe::app {

namespace {

constexpr std::size_t kKept = 8;
constexpr int kUnknownBits = 32;

struct Found {
    std::size_t tensor = 0;
    Result<Figures> figures;
    std::int64_t sampledRows = 0;  ///< 0: of all rows
};

Result<Figures> measure(const TensorSource& source,
                        std::size_t tensor,
                        const std::shared_ptr<const RowSource>& rows,
                        const Scheme& scheme,
                        const JobContext& ctx) {
    const TensorInfo& info = source.tensors()[tensor];
    SchemeInput input;
    input.weights = rows;
    input.storedBits = info.type != nullptr ? info.type->bits : kUnknownBits;
    const Result<std::shared_ptr<const SchemeResult>> result = applyScheme(scheme, input, ctx);
    if (!result) {
        return fail(result.error());
    }
    return figuresOf(**result);
}

Found measureWhole(const TensorSource& source,
                   std::size_t tensor,
                   const Scheme& scheme,
                   const JobContext& ctx) {
    const Result<std::shared_ptr<const RowSource>> rows = source.matrix(tensor);
    if (!rows) {
        return {tensor, fail(rows.error())};
    }
    Found found{tensor, measure(source, tensor, *rows, scheme, ctx)};
    (*rows)->release(0, (*rows)->rows());
    return found;
}

/// Empty: what went wrong is left to the whole tensor, which says it better.
std::optional<Found> measureSample(const TensorSource& source,
                                   std::size_t tensor,
                                   const Scheme& scheme,
                                   const JobContext& ctx) {
    const Result<std::shared_ptr<const RowSource>> rows = source.matrix(tensor);
    if (!rows) {
        return std::nullopt;
    }
    const Result<std::shared_ptr<const RowSource>> some =
        sampleRows(**rows, source.tensors()[tensor].transposed, ctx);
    if (!some) {
        return std::nullopt;
    }
    Found found{tensor, measure(source, tensor, *some, scheme, ctx), (*some)->rows()};
    return found.figures ? std::optional(std::move(found)) : std::nullopt;
}

}  // namespace

/// What the job leaves for the UI thread.
struct SchemeRuns::Mail {
    std::mutex mutex;
    std::vector<Found> found;
    std::optional<std::vector<std::size_t>> matrices;
    TensorQueue queue;
    void post(Found one) {
        const std::scoped_lock lock(mutex);
        found.push_back(std::move(one));
    }
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
        m_now->sampledRows.resize(source->tensors().size());
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

void SchemeRuns::prefer(std::span<const std::size_t> tensors) {
    if (m_mail != nullptr) {
        m_mail->queue.prefer(tensors);
    }
}

/// In the job: what is still pending, samples of the large ones first.
void SchemeRuns::work(const TensorSource& source,
                      const Scheme& scheme,
                      const std::vector<SchemeColumn::State>& state,
                      Mail& mail,
                      const JobContext& ctx) {
    using State = SchemeColumn::State;
    static const std::array<std::string, 1> kAll{"*"};
    std::vector<std::size_t> matrices = selectTensors(source, kAll);
    {
        const std::scoped_lock lock(mail.mutex);
        mail.matrices = matrices;
    }
    std::erase_if(matrices, [&](std::size_t tensor) {
        return state[tensor] == State::Known || state[tensor] == State::Failed;
    });
    const std::span<const TensorInfo> tensors = source.tensors();
    // What is quickly done: samples of the large ones, and the small ones whole.
    std::vector<std::size_t> quick;
    std::uint64_t total = 0;
    for (const std::size_t tensor : matrices) {
        total += tensors[tensor].parameters;
        if (isSmall(tensors[tensor])) {
            quick.push_back(tensor);
        } else if (state[tensor] == State::Pending && isWorthSampling(tensors[tensor])) {
            quick.push_back(tensor);
            total += static_cast<std::uint64_t>(kSampledWeights);
        }
    }
    std::erase_if(matrices, [&](std::size_t tensor) { return isSmall(tensors[tensor]); });
    // Then small ones first: the large ones take what they take.
    std::stable_sort(matrices.begin(), matrices.end(), [&](std::size_t a, std::size_t b) {
        return tensors[a].parameters < tensors[b].parameters;
    });
    ctx.setTotal(total);
    mail.queue.assign(std::move(matrices));
    const JobContext part = ctx.withoutProgress();
    const auto whole = [&](std::size_t tensor) {
        ctx.checkpoint();
        mail.post(measureWhole(source, tensor, scheme, part));
        ctx.advance(tensors[tensor].parameters);
    };
    for (const std::size_t tensor : quick) {
        if (isSmall(tensors[tensor])) {
            whole(tensor);
            continue;
        }
        ctx.checkpoint();
        if (std::optional<Found> found = measureSample(source, tensor, scheme, part)) {
            mail.post(std::move(*found));
        }
        ctx.advance(static_cast<std::uint64_t>(kSampledWeights));
    }
    while (const std::optional<std::size_t> tensor = mail.queue.next()) {
        whole(*tensor);
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
            SchemeRuns::work(*source, scheme, state, *mail, ctx);
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
        State& state = m_now->state[one.tensor];
        if (one.sampledRows > 0) {
            if (state == State::Pending) {
                state = State::Sampled;
                m_now->figures[one.tensor] = *one.figures;
                m_now->sampledRows[one.tensor] = one.sampledRows;
            }
            continue;
        }
        if (one.figures) {
            state = State::Known;
            m_now->figures[one.tensor] = *one.figures;
        } else {
            state = State::Failed;
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
