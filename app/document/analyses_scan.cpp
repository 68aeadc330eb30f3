// SPDX-License-Identifier: GPL-3.0-or-later
// The scan of a whole checkpoint: samples of large tensors first, then every tensor whole.
#include "app/document/analyses_private.hpp"
#include "app/document/row_sample.hpp"
#include "app/jobs/job_manager.hpp"

#include <QElapsedTimer>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <set>
#include <thread>

namespace loupe::app {

namespace {

constexpr int kCompactBins = 96;
constexpr double kCompactSigmas = 4;
/// A scan of many small tensors brings thousands at once: what is painted and typed goes first.
constexpr qint64 kTakeMs = 3;

/// What a scan costs of a tensor, in the unit of its progress.
std::uint64_t costOf(const TensorInfo& tensor) {
    return std::max<std::uint64_t>(tensor.parameters, 1);
}

ScanFound sampleTensor(const TensorSource& source, std::size_t index, const JobContext& ctx) {
    ScanFound found{.tensor = index, .stats = nullptr, .flags = {}, .contentHash = {}};
    found.sampled = true;
    const Result<std::shared_ptr<const RowSource>> matrix = source.matrix(index);
    if (!matrix) {
        return found;
    }
    const Result<std::shared_ptr<const RowSource>> rows =
        sampleRows(**matrix, source.tensors()[index].transposed, ctx);
    if (!rows) {
        return found;
    }
    if (const Result<TensorStats> stats = computeStats(**rows, ctx)) {
        found.stats = compacted(*stats);
    }
    return found;
}

ScanFound scanTensor(const TensorSource& source, std::size_t index, const JobContext& ctx) {
    ScanFound found{.tensor = index, .stats = nullptr, .flags = {}, .contentHash = {}};
    const Result<std::shared_ptr<const RowSource>> matrix = source.matrix(index);
    if (!matrix) {
        found.error = matrix.error();
        return found;
    }
    const Result<TensorStats> stats = computeStats(**matrix, ctx);
    if (!stats) {
        found.error = stats.error();
        return found;
    }
    const Result<TensorMarks> marks = computeMarks(**matrix, ctx);
    if (!marks) {
        found.error = marks.error();
        return found;
    }
    found.flags = raiseFlags(*stats, *marks);
    found.contentHash = marks->contentHash;
    found.stats = compacted(*stats);
    return found;
}

/// The scan gives way to what a person waits for.
void giveWay(const ScanShared& shared, const JobContext& ctx) {
    while (shared.busy.load(std::memory_order_relaxed) > 0) {
        ctx.checkpoint();
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ctx.checkpoint();
}

void post(ScanShared& shared, ScanFound found) {
    const std::scoped_lock lock(shared.mutex);
    shared.found.push_back(std::move(found));
}

/// What is quickly done: samples of the large tensors, and the small ones whole.
bool runScan(const TensorSource& source,
             const std::vector<std::size_t>& quick,
             std::uint64_t total,
             ScanShared& shared,
             const JobContext& ctx) {
    const std::span<const TensorInfo> tensors = source.tensors();
    ctx.setTotal(total);
    const JobContext part = ctx.withoutProgress();
    const auto scan = [&](std::size_t index) {
        giveWay(shared, ctx);
        ScanFound found = scanTensor(source, index, part);
        ctx.checkpoint();
        post(shared, std::move(found));
        ctx.advance(costOf(tensors[index]));
    };
    for (const std::size_t index : quick) {
        if (isWorthSampling(tensors[index])) {
            giveWay(shared, ctx);
            post(shared, sampleTensor(source, index, part));
            ctx.advance(static_cast<std::uint64_t>(kSampledWeights));
        } else {
            scan(index);
        }
    }
    while (const std::optional<std::size_t> index = shared.queue.next()) {
        scan(*index);
    }
    return true;
}

}  // namespace

std::shared_ptr<const TensorStats> compacted(const TensorStats& stats) {
    auto small = std::make_shared<TensorStats>();
    *small = stats;
    small->values = {};
    const double low = std::max(stats.min, stats.mean - kCompactSigmas * stats.std);
    const double high = std::min(stats.max, stats.mean + kCompactSigmas * stats.std);
    if (stats.finite() > 0 && high > low) {
        const Histogram histogram = stats.values.rebin(low, high, kCompactBins);
        const double step = (histogram.max - histogram.min) / kCompactBins;
        for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
            small->values.values.push_back(histogram.min + (static_cast<double>(i) + 0.5) * step);
            small->values.counts.push_back(histogram.counts[i]);
        }
    }
    for (ChannelRanges* ranges : {&small->rowRanges, &small->colRanges}) {
        ranges->min = {};
        ranges->max = {};
        ranges->sumSquares = {};
    }
    return small;
}

std::shared_ptr<const std::vector<RaisedFlag>> Analyses::knownFlags(std::size_t tensor) const {
    return tensor < m_private->flags.size() ? m_private->flags[tensor] : nullptr;
}

const Error* Analyses::scanError(std::size_t tensor) const {
    const auto found = m_private->scanErrors.find(tensor);
    return found == m_private->scanErrors.end() ? nullptr : &found->second;
}

std::shared_ptr<const TensorStats> Analyses::knownStats(std::size_t tensorIndex) const {
    return tensorIndex < m_private->known.size() ? m_private->known[tensorIndex] : nullptr;
}

std::shared_ptr<const TensorStats> Analyses::sampledStats(std::size_t tensorIndex) const {
    return tensorIndex < m_private->sampled.size() ? m_private->sampled[tensorIndex] : nullptr;
}

void Analyses::scanAll() {
    Private& p = *m_private;
    const std::shared_ptr<const TensorSource> source = p.document.source();
    if (!source) {
        return;
    }
    p.jobs().cancel(QLatin1String(kScanSlot));
    p.collectScan();
    std::set<std::size_t> taken;
    for (const ScanFound& found : p.scanBacklog) {
        if (!found.sampled) {
            taken.insert(found.tensor);
        }
    }
    std::vector<std::size_t> quick;
    std::vector<std::size_t> whole;
    std::uint64_t total = 0;
    const std::span<const TensorInfo> tensors = source->tensors();
    for (std::size_t i = 0; i < p.known.size(); ++i) {
        if ((p.known[i] && p.flags[i]) || tensors[i].problem || p.scanErrors.count(i) != 0 ||
            taken.count(i) != 0) {
            continue;
        }
        total += costOf(tensors[i]);
        if (isSmall(tensors[i])) {
            quick.push_back(i);
            continue;
        }
        whole.push_back(i);
        if (!p.known[i] && !p.sampled[i] && isWorthSampling(tensors[i])) {
            quick.push_back(i);
            total += static_cast<std::uint64_t>(kSampledWeights);
        }
    }
    if (quick.empty() && whole.empty()) {
        return;
    }
    p.scan = std::make_shared<ScanShared>();
    p.scan->queue.assign(std::move(whole));
    p.updateBusy();
    p.scanTimer.start();
    p.jobs().start(
        QLatin1String(kScanSlot),
        tr("Scanning checkpoint"),
        [source, quick, total, shared = p.scan](const JobContext& ctx) {
            return runScan(*source, quick, total, *shared, ctx);
        },
        this,
        [this](bool) { m_private->drainScan(); });
}

void Analyses::scanFirst(std::span<const std::size_t> tensors) {
    m_private->scan->queue.prefer(tensors);
}

bool Analyses::scanning() const {
    return m_private->scanTimer.isActive();
}

const std::vector<std::size_t>& Analyses::scanned() const {
    return m_private->scanLog;
}

void Analyses::Private::collectScan() {
    const std::scoped_lock lock(scan->mutex);
    std::move(scan->found.begin(), scan->found.end(), std::back_inserter(scanBacklog));
    scan->found.clear();
}

/// Some milliseconds at a time; the timer goes on until all is taken.
void Analyses::Private::drainScan() {
    collectScan();
    bool any = !scanBacklog.empty();
    QElapsedTimer timer;
    timer.start();
    while (!scanBacklog.empty() && timer.elapsed() < kTakeMs) {
        takeFound(scanBacklog.front());
        scanBacklog.pop_front();
    }
    scanTimer.setInterval(scanBacklog.empty() ? kScanDrainMs : kScanHurryMs);
    if (!jobs().isRunning(QLatin1String(Analyses::kScanSlot)) && scanBacklog.empty()) {
        scanTimer.stop();
        any = true;  // that it came to its end
    }
    if (any) {
        announceResults();
    }
}

void Analyses::Private::takeFound(ScanFound& found) {
    if (found.tensor >= known.size()) {
        return;
    }
    scanLog.push_back(found.tensor);
    if (found.sampled) {
        sampled[found.tensor] = known[found.tensor] ? nullptr : std::move(found.stats);
        return;
    }
    sampled[found.tensor] = nullptr;
    if (found.error) {
        scanErrors[found.tensor] = *found.error;
        return;
    }
    known[found.tensor] = std::move(found.stats);
    takeFlags(found);
}

/// Equal tensors: the first is none, nor are constant ones (zero biases are many and say nothing).
void Analyses::Private::takeFlags(ScanFound& found) {
    const bool constant =
        std::any_of(found.flags.begin(), found.flags.end(), [](const RaisedFlag& flag) {
            return flag.flag == TensorFlag::Constant || flag.flag == TensorFlag::AllZero;
        });
    const std::shared_ptr<const TensorSource> now = source.lock();
    if (!constant && now) {
        const auto [at, added] = firstContent.try_emplace(found.contentHash, found.tensor);
        if (!added && at->second != found.tensor) {
            const RaisedFlag duplicate{TensorFlag::Duplicate,
                                       "the same as '" + now->tensors()[at->second].name + "'"};
            const auto place = std::find_if(
                found.flags.begin(), found.flags.end(), [](const RaisedFlag& flag) {
                    return flag.flag > TensorFlag::Duplicate;
                });
            found.flags.insert(place, duplicate);
        }
    }
    flags[found.tensor] = std::make_shared<const std::vector<RaisedFlag>>(std::move(found.flags));
}

}  // namespace loupe::app
