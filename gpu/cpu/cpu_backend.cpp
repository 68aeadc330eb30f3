// SPDX-License-Identifier: Apache-2.0
#include "core/base/cpu_dispatch.hpp"
#include "core/base/text.hpp"
#include "core/base/worker_pool.hpp"
#include "gpu/cpu/cpu_cases.hpp"
#include "gpu/cpu/machine.hpp"
#include "gpu/timing/backend.hpp"
#include "gpu/timing/method.hpp"
#include "gpu/timing/problem.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <optional>

namespace loupe::gpu {

namespace {

using Clock = std::chrono::steady_clock;

/// The compute threads that a request asks for, as long as it lives.
class ThreadSetting {
public:
    explicit ThreadSetting(int threads) : before_(computeThreads()) {
        if (threads > 0) {
            setComputeThreads(threads);
        }
    }
    ~ThreadSetting() {
        if (computeThreads() != before_) {
            setComputeThreads(before_);
        }
    }
    ThreadSetting(const ThreadSetting&) = delete;
    ThreadSetting& operator=(const ThreadSetting&) = delete;

private:
    int before_;
};

/// What all cases of one request share.
struct CpuRun {
    const TimingRequest& request;
    const JobContext& ctx;
    DeviceRecord device;
    CpuCeilings ceilings;
    std::optional<CacheFlush> flush;
};

RunRecord recordOf(const CpuRun& run, const CpuCaseTitle& title) {
    RunRecord record = recordFor(run.request, "cpu");
    record.derived.flops = 0;  // the case says what it does
    record.device = run.device;
    record.kernel.id = title.kernel;
    record.kernel.family = title.library.empty() ? "cpu" : "";
    record.kernel.source = title.library.empty() ? "cpu" : "library";
    record.kernel.arch =
        title.library.empty() ? "x86-64-" + std::string(cpuTargetName(cpuTarget())) : std::string();
    if (!title.library.empty()) {
        record.device.libraries.emplace_back(title.library, title.version);
    }
    CaseRecord& what = record.what;
    what.format = title.format;
    what.a = title.a;
    what.b = title.b;
    what.accumulator = title.accumulator;
    what.output = title.output;
    return record;
}

/// ‖out − ref‖_F / ‖ref‖_F over the rows of the check, and the largest difference.
struct Difference {
    double relative = 0;
    double largest = 0;
};
Difference compare(std::span<const float> output,
                   std::int64_t width,
                   std::span<const std::int64_t> rows,
                   std::span<const double> reference) {
    double error = 0;
    double norm = 0;
    Difference found;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        for (std::int64_t c = 0; c < width; ++c) {
            const double expected =
                reference[r * static_cast<std::size_t>(width) + static_cast<std::size_t>(c)];
            const double got =
                static_cast<double>(output[static_cast<std::size_t>(rows[r] * width + c)]);
            error += (got - expected) * (got - expected);
            norm += expected * expected;
            found.largest = std::max(found.largest, std::fabs(got - expected));
        }
    }
    found.relative = norm > 0 ? std::sqrt(error / norm) : std::sqrt(error);
    return found;
}

/// Rows spread over the output, as many as the FP64 reference does in about a second.
std::vector<std::int64_t> rowsToCheck(std::int64_t rows, double costOfRow) {
    constexpr double kMost = 5e8;
    const auto wanted = static_cast<std::int64_t>(std::max(1.0, kMost / std::max(costOfRow, 1.0)));
    const std::int64_t count = std::min(rows, wanted);
    std::vector<std::int64_t> chosen;
    for (std::int64_t i = 0; i < count; ++i) {
        // First, last, and evenly between.
        chosen.push_back(count == 1 ? rows - 1 : i * (rows - 1) / (count - 1));
    }
    return chosen;
}

CheckRecord check(CpuCase& cpuCase, const JobContext& ctx) {
    CheckRecord record;
    const std::span<float> output = cpuCase.output();
    std::fill(output.begin(), output.end(), std::numeric_limits<float>::quiet_NaN());
    cpuCase.run(ctx);
    const std::int64_t width = cpuCase.width();
    const auto rows = static_cast<std::int64_t>(output.size()) / width;
    const std::vector<std::int64_t> chosen = rowsToCheck(rows, cpuCase.referenceCost());
    const std::vector<double> own = cpuCase.reference(true, chosen, ctx);
    const Difference difference = compare(output, width, chosen, own);
    record.reference =
        static_cast<std::int64_t>(chosen.size()) == rows ? "f64-cpu" : "f64-cpu-sampled";
    record.relFro = difference.relative;
    record.maxAbs = difference.largest;
    record.tolerance = cpuCase.tolerance();
    record.compared = static_cast<std::int64_t>(chosen.size()) * width;
    record.formatError =
        cpuCase.holdsOwnOperands()
            ? compare(output, width, chosen, cpuCase.reference(false, chosen, ctx)).relative
            : difference.relative;
    record.passed = record.relFro <= record.tolerance;  // false for NaN
    return record;
}

void setCeilings(CpuRun& run, std::string_view arithmetic, DerivedRecord& derived) {
    run.ceilings.refresh(run.ctx);
    derived.ceilingSource = "measured";
    derived.peakTflops = run.ceilings.peak(arithmetic);
    derived.bandwidthGbps = run.ceilings.readGbps();
}

/// A case on its way to a record.
struct Prepared {
    RunRecord record;
    std::unique_ptr<CpuCase> cpuCase;  ///< null: it is not timed
    std::string arithmetic;
};

/// Makes the case and checks its output; the record says why it is not timed.
Prepared prepare(CpuRun& run, CpuMaker& maker) {
    Prepared prepared{recordOf(run, maker.title()), nullptr, {}};
    RunRecord& record = prepared.record;
    record.reason = maker.refuses();
    if (!record.reason.empty()) {
        return prepared;
    }
    try {
        std::unique_ptr<CpuCase> cpuCase = maker.make(run.ctx);
        if (cpuCase == nullptr) {
            record.reason = maker.refuses();
            return prepared;
        }
        record.kernel.id = cpuCase->kernel();
        const KernelCost cost = cpuCase->cost();
        record.derived.flops = cost.flops;
        record.derived.bytesMin = cost.bytes;
        prepared.arithmetic = cost.arithmetic;
        setCeilings(run, cost.arithmetic, record.derived);
        record.check = check(*cpuCase, run.ctx);
        if (record.check->passed) {
            prepared.cpuCase = std::move(cpuCase);
        } else {
            record.reason = "its result was wrong, so it was not timed";
            derive(record.derived, 0);
        }
    } catch (const std::bad_alloc&) {
        record = recordOf(run, maker.title());
        record.reason = "out of memory";
    }
    return prepared;
}

/// Times what is ready, in turn, and hands the records out in order.
void finish(CpuRun& run, std::vector<Prepared> all, bool inTurn, const RunSink& sink) {
    std::vector<Prepared*> ready;
    std::vector<std::function<double()>> operations;
    for (Prepared& each : all) {
        if (each.cpuCase == nullptr) {
            continue;
        }
        ready.push_back(&each);
        operations.emplace_back([&run, &cpuCase = *each.cpuCase] {
            if (run.flush) {
                run.flush->run(run.ctx);
            }
            const Clock::time_point start = Clock::now();
            cpuCase.run(run.ctx);
            return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
        });
    }
    const ForeignLoad load;
    std::vector<TimingRecord> timings;
    try {
        timings = sampleInTurn(limitsOf(run.request), run.ctx, operations);
    } catch (const std::bad_alloc&) {
        for (Prepared* each : ready) {
            each->record.reason = "out of memory";
        }
        ready.clear();
    }
    const double foreign = load.share();
    for (std::size_t i = 0; i < ready.size(); ++i) {
        RunRecord& record = ready[i]->record;
        TimingRecord& timing = timings[i];
        timing.clock = "steady";
        timing.cache = run.request.cache;
        timing.flushBytes = run.flush ? run.flush->bytes() : 0;
        timing.inTurn = inTurn ? timing.inTurn : 0;
        setCeilings(run, ready[i]->arithmetic, record.derived);
        derive(record.derived, timing.medianUs);
        record.timing = std::move(timing);
        record.clocks.emplace();
        record.clocks->foreignShare = foreign;
    }
    for (const Prepared& each : all) {
        sink.record(each.record);
    }
}

class CpuBackend final : public Backend {
public:
    [[nodiscard]] std::string_view id() const override { return "cpu"; }
    [[nodiscard]] std::string_view title() const override { return "CPU"; }
    [[nodiscard]] std::string unavailable() const override { return {}; }
    [[nodiscard]] std::vector<Offer> offers() const override { return cpuOffers(); }
    [[nodiscard]] Result<void> run(const TimingRequest& request,
                                   const JobContext& ctx,
                                   const RunSink& sink) const override;
};

Result<void> CpuBackend::run(const TimingRequest& request,
                             const JobContext& ctx,
                             const RunSink& sink) const {
    const ThreadSetting threads(request.threads);
    const auto progress = [&](double fraction, const std::string& what) {
        if (sink.progress) {
            sink.progress(fraction, what);
        }
    };
    progress(0, "measuring what the machine can do at most");
    CpuRun run{request, ctx, describeCpu(), CpuCeilings(ctx), std::nullopt};
    if (request.cache == CacheState::Cold) {
        run.flush.emplace();
    }
    progress(0, "drawing operands");
    std::vector<std::unique_ptr<CpuMaker>> makers;
    try {
        makers = cpuMakers(request, ctx);
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::OutOfMemory, "the operands of this shape do not fit in memory");
    }
    std::vector<Prepared> waiting;
    for (std::size_t i = 0; i < makers.size(); ++i) {
        ctx.checkpoint();
        progress(static_cast<double>(i) / static_cast<double>(makers.size()),
                 makers[i]->title().kernel);
        waiting.push_back(prepare(run, *makers[i]));
        if (!request.interleave) {
            finish(run, std::move(waiting), false, sink);
            waiting.clear();
        }
    }
    if (request.interleave) {
        progress(1, "taking samples in turn");
        finish(run, std::move(waiting), true, sink);
    }
    progress(1, "done");
    return {};
}

}  // namespace

const Backend& cpuBackend() {
    static const CpuBackend backend;
    return backend;
}

}  // namespace loupe::gpu
