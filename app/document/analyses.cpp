// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/document/analyses.hpp"

#include <QtGlobal>

#include <algorithm>

#ifdef Q_OS_UNIX
#include <unistd.h>
#endif

#include "app/document/analyses_private.hpp"
#include "app/document/inputs.hpp"
#include "app/jobs/job_manager.hpp"
#include "core/experiment/column_norms.hpp"

namespace loupe::app {

namespace {

constexpr int kDebounceMs = 30;
const char* const kStatsSlot = "stats";
const char* const kActivationsSlot = "activations";

QString schemeSlot(Side side) {
    return side == Side::A ? QStringLiteral("scheme:A") : QStringLiteral("scheme:B");
}

/// min(a quarter of the memory, 4 GiB).
std::size_t cacheLimit() {
    constexpr std::size_t kMost = std::size_t{4} << 30;
#ifdef Q_OS_UNIX
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long pageSize = sysconf(_SC_PAGE_SIZE);
    if (pages > 0 && pageSize > 0) {
        return std::min(kMost,
                        static_cast<std::size_t>(pages) * static_cast<std::size_t>(pageSize) / 4);
    }
#endif
    return kMost / 4;
}

std::size_t statsBytes(const TensorStats& stats) {
    const auto range = [](const ChannelRanges& ranges) {
        return (ranges.min.size() + ranges.max.size() + ranges.absmax.size()) * sizeof(float) +
               ranges.sumSquares.size() * sizeof(double);
    };
    return sizeof stats + range(stats.rowRanges) + range(stats.colRanges) +
           stats.values.values.size() * sizeof(double) +
           stats.values.counts.size() * sizeof(std::uint64_t);
}

std::size_t schemeBytes(const SchemeResult& result) {
    const auto grid = [](const ScaleGrid* scales) {
        return scales == nullptr ? 0 : scales->values.size() * sizeof(double);
    };
    return sizeof result +
           (result.rowMse.size() + result.colMse.size() + result.outputChannelError.size() +
            result.outputTokenError.size()) *
               sizeof(double) +
           result.codeUsage.size() * sizeof(result.codeUsage[0]) +
           grid(result.quantized->scales()) + grid(result.quantized->zeroPoints());
}

void describe(const Result<std::shared_ptr<const RowSource>>& opened, LayerInput& input) {
    input.pending = false;
    if (!opened) {
        input.error = opened.error();
        return;
    }
    input.rows = (*opened)->rows();
    input.cols = (*opened)->cols();
    input.columnNorms = isColumnNorms(opened->get());
}

Result<std::shared_ptr<const SchemeResult>> runScheme(const std::string& text,
                                                      SchemeInput input,
                                                      const InputReferences& references,
                                                      const JobContext& ctx) {
    const Result<Scheme> scheme = parseScheme(text);
    if (!scheme) {
        return fail(scheme.error());
    }
    openInputs(references, input);
    return applyScheme(*scheme, input, ctx);
}

}  // namespace

Analyses::Private::Private(Analyses& owner, Document& theDocument)
    : q(owner), document(theDocument), cache(cacheLimit()) {
    scanTimer.setInterval(kScanDrainMs);
    QObject::connect(&scanTimer, &QTimer::timeout, &q, [this] { drainScan(); });
    QObject::connect(&jobs(),
                     &JobManager::jobFailed,
                     &q,
                     [this](const QString& slot, const QString&, const QString& what) {
                         onJobFailed(slot, what);
                     });
    QObject::connect(
        &jobs(), &JobManager::jobEnded, &q, [this](const QString& slot) { onJobEnded(slot); });
    QObject::connect(&jobs(), &JobManager::progressed, &q, [this] { onProgress(); });
}

Analyses::Analyses(Document& document) : m_private(std::make_unique<Private>(*this, document)) {}

Analyses::~Analyses() = default;

// --- keys
// -------------------------------------------------------------------------------------------------------------

std::string Analyses::Private::tensorId() const {
    return std::to_string(generation) + '\n' + document.spec().tensor;
}

std::string Analyses::Private::tensorKey() const {
    std::string key = tensorId();
    for (const Edit& edit : document.spec().edits) {
        if (edit.tensor == document.spec().tensor) {
            key += '\n' + std::to_string(edit.index) + '=' + std::to_string(edit.code);
        }
    }
    return key;
}

std::string Analyses::Private::schemeKey(Side side) const {
    const ExperimentSpec& spec = document.spec();
    const std::string& scheme = side == Side::A ? spec.schemeA : spec.schemeB;
    return scheme + '\n' + inputReferences(document).key() + '\n' + tensorKey();
}

// --- looking up
// -------------------------------------------------------------------------------------------------------

template <class T>
Lookup<T> Analyses::Private::pending(const QString& name) {
    Lookup<T> lookup;
    const Slot& slot = places[name];
    lookup.pending = true;
    lookup.fraction = jobs().fraction(name);
    if (slot.last && slot.tensor == tensorId()) {
        lookup.stale = std::static_pointer_cast<const T>(slot.last);
    }
    return lookup;
}

template <class T>
Lookup<T> Analyses::Private::look(const QString& name,
                                  const std::string& key,
                                  bool debounced,
                                  const std::function<void()>& start) {
    Slot& slot = places[name];
    const bool moved = !slot.running.empty() && slot.running != key;
    if (moved) {
        slot.running.clear();
        jobs().cancel(name);
    }
    const AnalysisCache::Entry* entry = cache.find(key);
    if (entry != nullptr) {
        if (slot.debounce) {
            slot.debounce->stop();
        }
        Lookup<T> lookup;
        lookup.error = entry->error;
        lookup.value = std::static_pointer_cast<const T>(entry->value);
        if (lookup.value) {
            slot.last = entry->value;
            slot.tensor = tensorId();
        }
        updateBusy();
        return lookup;
    }
    if (slot.running.empty()) {
        const bool held = slot.debounce && slot.debounce->isActive();
        if (debounced && (moved || held)) {
            if (!slot.debounce) {
                slot.debounce = std::make_unique<QTimer>();
                slot.debounce->setSingleShot(true);
                slot.debounce->setInterval(kDebounceMs);
                QObject::connect(slot.debounce.get(), &QTimer::timeout, &q, [this, name] {
                    if (const auto begin = std::exchange(places[name].begin, nullptr)) {
                        begin();
                    }
                });
            }
            // Views that ask for the same key meanwhile do not push the start back.
            if (moved || slot.wanted != key) {
                slot.debounce->start();
            }
            slot.wanted = key;
            slot.begin = [this, name, key, start] {
                places[name].running = key;
                start();
                updateBusy();
            };
        } else {
            slot.running = key;
            start();
        }
        updateBusy();
    }
    return pending<T>(name);
}

template <class T>
void Analyses::Private::finish(const QString& name,
                               const std::string& key,
                               const Result<std::shared_ptr<const T>>& result,
                               std::size_t bytes) {
    Slot& slot = places[name];
    if (slot.running == key) {
        slot.running.clear();
    }
    AnalysisCache::Entry entry;
    if (result) {
        entry.value = *result;
        entry.bytes = bytes;
    } else {
        entry.error = result.error();
    }
    cache.put(key, std::move(entry));
    updateBusy();
}

template <class T>
bool Analyses::Private::ready(Lookup<T>& lookup) const {
    if (document.weights()) {
        return true;
    }
    lookup.error = document.openError() ? document.openError() : document.tensorError();
    lookup.pending = document.opening();
    return false;
}

Lookup<TensorStats> Analyses::stats() {
    Lookup<TensorStats> lookup;
    if (!m_private->ready(lookup)) {
        return lookup;
    }
    const std::string key = "stats\n" + m_private->tensorKey();
    return m_private->look<TensorStats>(
        QLatin1String(kStatsSlot), key, false, [this, key] { m_private->startStats(key); });
}

Lookup<SchemeResult> Analyses::scheme(Side side) {
    Lookup<SchemeResult> lookup;
    const ExperimentSpec& spec = m_private->document.spec();
    if ((side == Side::A ? spec.schemeA : spec.schemeB).empty() || !m_private->ready(lookup)) {
        return lookup;
    }
    // One key for both sides: swapping A and B computes nothing.
    const std::string key = "scheme\n" + m_private->schemeKey(side);
    return m_private->look<SchemeResult>(
        schemeSlot(side), key, true, [this, side, key] { m_private->startScheme(side, key); });
}

Lookup<PlaneData> Analyses::plane(Quantity quantity, Side side) {
    Private& p = *m_private;
    Lookup<PlaneData> lookup;
    if (!p.ready(lookup)) {
        return lookup;
    }
    const bool both = quantity == Quantity::Difference || quantity == Quantity::SchemesDiffer;
    const bool original = quantity == Quantity::Original;
    const Side first = both ? Side::A : side;
    const QString name = QStringLiteral("plane:%1:%2")
                             .arg(static_cast<int>(quantity))
                             .arg(original ? 0 : static_cast<int>(first));
    PlaneInputs inputs;
    inputs.weights = p.document.weights();
    std::string key = "plane\n" + std::to_string(static_cast<int>(quantity)) + '\n' + p.tensorKey();
    for (const Side needed : {first, Side::B}) {
        if (original || (needed == Side::B && !both && first != Side::B)) {
            continue;
        }
        const Lookup<SchemeResult> applied = scheme(needed);
        if (applied.error || (!applied.pending && !applied.value)) {
            lookup.error = applied.error;
            p.waiting.erase(name);
            return lookup;
        }
        if (!applied.value) {
            p.waiting[name] = {quantity, side};
            return p.pending<PlaneData>(name);
        }
        (needed == first ? inputs.a : inputs.b) = applied.value;
        key += '\n' + p.schemeKey(needed);
    }
    p.waiting.erase(name);
    return p.look<PlaneData>(name, key, false, [&p, name, key, quantity, inputs] {
        p.startPlane(name, key, quantity, inputs);
    });
}

Lookup<StorageReport> Analyses::storage(Side side) {
    Private& p = *m_private;
    const Lookup<SchemeResult> applied = scheme(side);
    const QString name =
        side == Side::A ? QStringLiteral("storage:A") : QStringLiteral("storage:B");
    Lookup<StorageReport> lookup;
    if (!applied.value) {
        lookup = applied.pending ? p.pending<StorageReport>(name) : lookup;
        lookup.pending = applied.pending;
        lookup.fraction = applied.fraction;
        lookup.error = applied.error;
        return lookup;
    }
    const std::string key = "storage\n" + p.schemeKey(side);
    return p.look<StorageReport>(name, key, false, [&p, name, key, result = applied.value] {
        p.startStorage(name, key, result);
    });
}

// --- work
// -------------------------------------------------------------------------------------------------------------

void Analyses::Private::startStats(const std::string& key) {
    using Value = Result<std::shared_ptr<const TensorStats>>;
    const std::optional<std::size_t> index = document.tensorIndex();
    const bool edited = tensorKey() != tensorId();
    jobs().start(
        QLatin1String(kStatsSlot),
        tr("Statistics"),
        [weights = document.weights()](const JobContext& ctx) -> Value {
            Result<TensorStats> stats = computeStats(*weights, ctx);
            if (!stats) {
                return fail(stats.error());
            }
            return std::make_shared<const TensorStats>(std::move(*stats));
        },
        &q,
        [this, key, index, edited](const Value& value) {
            finish<TensorStats>(
                QLatin1String(kStatsSlot), key, value, value ? statsBytes(**value) : 0);
            if (value && index && !edited && *index < known.size() && !known[*index]) {
                known[*index] = compacted(**value);
                scanLog.push_back(*index);
            }
            announceResults();
        });
}

void Analyses::Private::startScheme(Side side, const std::string& key) {
    using Value = Result<std::shared_ptr<const SchemeResult>>;
    const ExperimentSpec& spec = document.spec();
    const TensorInfo* info = document.tensor();
    SchemeInput input;
    input.weights = document.weights();
    input.storedBits = info != nullptr && info->type != nullptr ? info->type->bits : 32;
    const QString title = side == Side::A ? tr("Scheme A") : tr("Scheme B");
    jobs().start(
        schemeSlot(side),
        title,
        [text = side == Side::A ? spec.schemeA : spec.schemeB,
         input,
         references = inputReferences(document)](const JobContext& ctx) -> Value {
            return runScheme(text, input, references, ctx);
        },
        &q,
        [this, side, key](const Value& value) {
            finish<SchemeResult>(schemeSlot(side), key, value, value ? schemeBytes(**value) : 0);
            resumeWaiting();
            announceResults();
        });
}

void Analyses::Private::startPlane(const QString& name,
                                   const std::string& key,
                                   Quantity quantity,
                                   PlaneInputs inputs) {
    using Value = Result<std::shared_ptr<const PlaneData>>;
    jobs().start(
        name,
        tr("Picture"),
        [quantity, inputs = std::move(inputs)](const JobContext& ctx) -> Value {
            return buildPlane(quantity, inputs, ctx);
        },
        &q,
        [this, name, key](const Value& value) {
            finish<PlaneData>(name, key, value, value ? (*value)->pyramid->bytes() : 0);
            announceResults();
        });
}

void Analyses::Private::startStorage(const QString& name,
                                     const std::string& key,
                                     const std::shared_ptr<const SchemeResult>& result) {
    using Value = Result<std::shared_ptr<const StorageReport>>;
    const TensorInfo* info = document.tensor();
    const int storedBits = info != nullptr && info->type != nullptr ? info->type->bits : 32;
    jobs().start(
        name,
        tr("Storage"),
        [result, storedBits](const JobContext& ctx) -> Value {
            Result<std::optional<StorageTable>> table =
                storageTable(*result->quantized, storedBits, ctx);
            if (!table) {
                return fail(table.error());
            }
            return std::make_shared<const StorageReport>(
                StorageReport{result, storedBits, *std::move(table)});
        },
        &q,
        [this, name, key](const Value& value) {
            finish<StorageReport>(name, key, value, sizeof(StorageReport) + 1024);
            announceResults();
        });
}

void Analyses::Private::resumeWaiting() {
    const auto planes = waiting;
    for (const auto& [name, what] : planes) {
        static_cast<void>(q.plane(what.first, what.second));
    }
}

void Analyses::Private::checkInputs() {
    const InputReferences references = inputReferences(document);
    activations = {};
    gradients = {};
    activations.reference = references.activations;
    activations.own = references.ownActivations;
    gradients.reference = references.gradients;
    gradients.own = references.ownGradients;
    jobs().cancel(QLatin1String(kActivationsSlot));
    if ((references.activations.empty() && references.gradients.empty()) || !document.weights()) {
        return;
    }
    activations.pending = !references.activations.empty();
    gradients.pending = !references.gradients.empty();
    using Value = std::pair<LayerInput, LayerInput>;
    jobs().start(
        QLatin1String(kActivationsSlot),
        tr("Opening activations"),
        [references, weights = document.weights(), found = Value{activations, gradients}](
            const JobContext&) mutable -> Value {
            if (!references.activations.empty()) {
                describe(
                    openActivations(references.activations, references.tensor, weights->cols()),
                    found.first);
            }
            if (!references.gradients.empty()) {
                describe(openGradients(
                             references.gradients, references.tensor, *weights, references.options),
                         found.second);
            }
            return found;
        },
        &q,
        [this](const Value& found) {
            activations = found.first;
            gradients = found.second;
            announceResults();
        });
}

// --- what happens around
// ----------------------------------------------------------------------------------------------

void Analyses::documentChanged(Changes what) {
    Private& p = *m_private;
    if (what & (Changes(Change::Source) | Change::Tensor | Change::SchemeA | Change::SchemeB |
                Change::Inputs)) {
        for (const std::string& key : p.stopped) {
            p.cache.erase(key);
        }
        p.stopped.clear();
    }
    if (what & Change::Source) {
        p.sourceChanged();
    }
    if (what & (Changes(Change::Source) | Change::Tensor)) {
        p.stopAll();
    }
    if (what & (Changes(Change::Source) | Change::Tensor | Change::Inputs)) {
        p.checkInputs();
    }
}

void Analyses::Private::sourceChanged() {
    const std::shared_ptr<const TensorSource> now = document.source();
    if (now && now == source.lock()) {
        return;
    }
    jobs().cancel(QLatin1String(Analyses::kScanSlot));
    scanTimer.stop();
    scan = std::make_shared<ScanShared>();  // a scan that is ending leaves its mail in the old one
    source = now;
    scanBacklog.clear();
    scanLog.clear();
    known.assign(now ? now->tensors().size() : 0, nullptr);
    sampled.assign(known.size(), nullptr);
    flags.assign(known.size(), nullptr);
    scanErrors.clear();
    firstContent.clear();
    if (!now) {
        return;
    }
    std::erase_if(generations, [](const auto& entry) { return entry.first.expired(); });
    const auto same = std::find_if(generations.begin(), generations.end(), [&](const auto& entry) {
        return entry.first.lock() == now;
    });
    if (same != generations.end()) {
        generation = same->second;
        return;
    }
    static int last = 0;
    generation = ++last;
    generations.emplace_back(now, generation);
}

void Analyses::Private::stopAll() {
    waiting.clear();
    for (auto& [name, slot] : places) {
        if (slot.debounce) {
            slot.debounce->stop();
        }
        slot.begin = nullptr;
        if (!slot.running.empty()) {
            slot.running.clear();
            jobs().cancel(name);
        }
    }
    updateBusy();
}

void Analyses::Private::onJobFailed(const QString& name, const QString& what) {
    const auto found = places.find(name);
    if (found == places.end() || found->second.running.empty()) {
        return;
    }
    const std::string key = std::exchange(found->second.running, {});
    const bool memory = what == QLatin1String("out of memory");
    AnalysisCache::Entry entry;
    entry.error = memory
                      ? Error{ErrorCode::OutOfMemory,
                              "there is not enough memory for this",
                              {},
                              "Close other programs and try again"}
                      : Error{ErrorCode::Invalid, "internal error: " + what.toStdString(), {}, {}};
    cache.put(key, std::move(entry));
    updateBusy();
    resumeWaiting();
    announceResults();
}

/// A job that ended while we still wait for it was cancelled in the job bar: remembered until the
/// experiment changes.
void Analyses::Private::onJobEnded(const QString& name) {
    const auto found = places.find(name);
    if (found == places.end() || found->second.running.empty() || jobs().isRunning(name)) {
        return;
    }
    const std::string key = std::exchange(found->second.running, {});
    AnalysisCache::Entry entry;
    entry.error = Error{ErrorCode::Invalid,
                        "stopped by you",
                        {},
                        "It starts again when the tensor or a scheme changes"};
    cache.put(key, std::move(entry));
    stopped.push_back(key);
    updateBusy();
    resumeWaiting();
    announceResults();
}

void Analyses::Private::onProgress() {
    const bool any = std::any_of(places.begin(), places.end(), [](const auto& place) {
        return !place.second.running.empty();
    });
    if (any && ++ticks % 2 == 0) {
        announceResults();
    }
}

void Analyses::Private::updateBusy() {
    const auto running = std::count_if(places.begin(), places.end(), [](const auto& place) {
        return !place.second.running.empty() ||
               (place.second.debounce && place.second.debounce->isActive());
    });
    scan->busy.store(static_cast<int>(running), std::memory_order_relaxed);
}

const std::optional<Error>& Analyses::activationsError() const {
    return m_private->activations.error;
}

const LayerInput& Analyses::activations() const {
    return m_private->activations;
}

const LayerInput& Analyses::gradients() const {
    return m_private->gradients;
}

bool Analyses::idle() const {
    const Private& p = *m_private;
    return !p.document.opening() && p.waiting.empty() &&
           !p.jobs().isRunning(QLatin1String(kActivationsSlot)) &&
           std::none_of(p.places.begin(), p.places.end(), [](const auto& place) {
               return !place.second.running.empty() ||
                      (place.second.debounce && place.second.debounce->isActive());
           });
}

}  // namespace loupe::app
