// SPDX-License-Identifier: Apache-2.0
// After NVBench (github.com/NVIDIA/nvbench): flush of the second-level cache, clock probe and
// throttling rule; written anew.
#include "gpu/cuda/stopwatch.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <thread>

namespace loupe::gpu::cuda {

namespace {

constexpr double kShortLaunchUs = 20;
constexpr double kGraphUs = 400;        // of one graph launch, so that its own start is small
constexpr std::size_t kMostSets = 256;  // copies of the operands, for cold graphs
constexpr std::size_t kMostLaunches = 512;
constexpr double kThrottled = 0.75;  // of the device's own clock: NVBench's rule
constexpr std::int64_t kMostDiscarded = 20;

/// A failure in the middle of sampling; never leaves this file.
struct SampleFailed {
    Error error;
};

double medianOf(std::vector<double> values) {
    if (values.empty()) {
        return 0;
    }
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

std::size_t flushBytesOf(const Context& context) {
    return 2 * static_cast<std::size_t>(std::max<std::int64_t>(context.device().l2Bytes, 1 << 20));
}

}  // namespace

Result<void> Stopwatch::prepare() {
    for (Event* event : {&start_, &stop_}) {
        Result<Event> created = Event::create(context_);
        if (!created) {
            return fail(created.error());
        }
        *event = std::move(*created);
    }
    Result<DeviceMemory> flush = DeviceMemory::allocate(context_, flushBytesOf(context_));
    if (!flush) {
        return fail(flush.error());
    }
    flush_ = std::move(*flush);
    const std::span<const std::byte> image = fatBinary("probe");
    if (image.empty()) {
        return {};
    }
    Result<Module> module = Module::load(context_, image.data());
    if (!module) {
        return {};  // the kernels will say why their code does not load
    }
    const Result<void*> stamp = module->function("probe_stamp");
    const Result<void*> wait = module->function("probe_wait");
    Result<DeviceMemory> stamps = DeviceMemory::allocate(context_, 4 * sizeof(std::uint64_t));
    if (stamp && wait && stamps && stamps->fill(0)) {
        probe_ = std::move(*module);
        stamp_ = *stamp;
        wait_ = *wait;
        stamps_ = std::move(*stamps);
    }
    return {};
}

/// Every multiprocessor gets a block; the one on number 0 writes time and clock, so that both
/// stamps of a sample come from the same counter.
Result<void> Stopwatch::launchProbe(int slot) {
    if (stamp_ == nullptr) {
        return {};
    }
    DevicePointer out = stamps_.pointer() + static_cast<DevicePointer>(slot) * 16;
    std::array<void*, 1> arguments{&out};
    return context_.check(
        context_.driver().launchKernel(stamp_,
                                       static_cast<unsigned>(context_.device().multiprocessors),
                                       1,
                                       1,
                                       1,
                                       1,
                                       1,
                                       0,
                                       context_.stream(),
                                       arguments.data(),
                                       nullptr),
        "cuLaunchKernel (probe)");
}

/// About 15 microseconds, longer than the host needs to put a sample on the stream.
Result<void> Stopwatch::launchWait() {
    if (wait_ == nullptr) {
        return {};
    }
    std::int64_t cycles = 25000;
    std::array<void*, 1> arguments{&cycles};
    return context_.check(
        context_.driver().launchKernel(
            wait_, 1, 1, 1, 1, 1, 1, 0, context_.stream(), arguments.data(), nullptr),
        "cuLaunchKernel (wait)");
}

Result<double> Stopwatch::probedMhz() {
    if (stamp_ == nullptr) {
        return 0.0;
    }
    std::array<std::uint64_t, 4> stamps{};
    if (Result<void> done = stamps_.download(std::as_writable_bytes(std::span(stamps))); !done) {
        return fail(done.error());
    }
    const auto ns = static_cast<double>(stamps[2] - stamps[0]);
    const auto cycles = static_cast<double>(stamps[3] - stamps[1]);
    return stamps[2] > stamps[0] && stamps[3] > stamps[1] ? cycles / ns * 1e3 : 0.0;
}

Result<Stopwatch::Shot> Stopwatch::shoot(const std::function<Result<void>()>& enqueue,
                                         bool flush,
                                         const JobContext& ctx) {
    Result<void> done = flush ? flush_.fill(0) : launchWait();
    const std::array<std::function<Result<void>()>, 5> steps{
        [&] { return launchProbe(0); },
        [&] { return start_.record(); },
        enqueue,
        [&] { return stop_.record(); },
        [&] { return launchProbe(1); },
    };
    for (const auto& step : steps) {
        done = done ? step() : done;
    }
    done = done ? context_.wait(ctx) : done;
    if (!done) {
        return fail(done.error());
    }
    const Result<double> us = stop_.since(start_);
    const Result<double> mhz = us ? probedMhz() : us;
    if (!mhz) {
        return fail(mhz.error());
    }
    return Shot{*us, *mhz};
}

Result<double> Stopwatch::quick(DeviceWork& work, const JobContext& ctx) {
    double best = std::numeric_limits<double>::infinity();
    for (int run = 0; run < 3; ++run) {
        const Result<Shot> shot = shoot([&] { return work.enqueue(0); }, false, ctx);
        if (!shot) {
            return fail(shot.error());
        }
        best = std::min(best, shot->us);
    }
    return best;
}

Result<Stopwatch::Series> Stopwatch::plan(DeviceWork& work, bool cold, const JobContext& ctx) {
    const Result<double> once = quick(work, ctx);
    if (!once) {
        return fail(once.error());
    }
    const auto l2 = static_cast<std::size_t>(context_.device().l2Bytes);
    const std::size_t sets =
        cold ? 3 * l2 / std::max<std::size_t>(work.bytesPerSet(), 1) + 2 : std::size_t{1};
    Series series;
    series.work = &work;
    if (*once < kShortLaunchUs && sets <= kMostSets) {
        if (Result<void> grown = work.growTo(sets); !grown) {
            return fail(grown.error());
        }
        if (work.sets() >= sets) {
            series.launches = std::clamp(
                static_cast<std::size_t>(kGraphUs / std::max(*once, 0.5)), sets, kMostLaunches);
            Result<Graph> captured = Graph::capture(context_, [&] {
                Result<void> done;
                for (std::size_t i = 0; i < series.launches && done; ++i) {
                    done = work.enqueue(i);
                }
                return done;
            });
            if (!captured) {
                return fail(captured.error());
            }
            series.graph = std::move(*captured);
        }
    }
    series.flush = cold && !series.graph;
    return series;
}

Result<double> Stopwatch::sampleOf(Series& series, const JobContext& ctx) {
    const Result<Shot> shot =
        shoot([&] { return series.graph ? series.graph->launch() : series.work->enqueue(0); },
              series.flush,
              ctx);
    if (!shot) {
        return fail(shot.error());
    }
    const bool slow = shot->mhz > 0 && shot->mhz < kThrottled * context_.clockMhz();
    if (slow && series.discarded < kMostDiscarded) {
        ++series.discarded;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        return std::numeric_limits<double>::quiet_NaN();
    }
    if (shot->mhz > 0) {
        series.mhz.push_back(shot->mhz);
    }
    return shot->us / static_cast<double>(series.launches);
}

Result<Measurement> Stopwatch::measure(DeviceWork& work,
                                       const SamplingLimits& limits,
                                       CacheState cache,
                                       const JobContext& ctx) {
    DeviceWork* const alone = &work;
    Result<std::vector<Measurement>> measured =
        measureInTurn(std::span(&alone, 1), limits, cache, ctx);
    if (!measured) {
        return fail(measured.error());
    }
    measured->front().timing.inTurn = 0;
    return std::move(measured->front());
}

Result<std::vector<Measurement>> Stopwatch::measureInTurn(std::span<DeviceWork* const> works,
                                                          const SamplingLimits& limits,
                                                          CacheState cache,
                                                          const JobContext& ctx) {
    std::vector<Series> all;
    for (DeviceWork* const work : works) {
        Result<Series> series = plan(*work, cache == CacheState::Cold, ctx);
        if (!series) {
            return fail(series.error());
        }
        all.push_back(std::move(*series));
    }
    std::vector<std::function<double()>> operations;
    for (Series& series : all) {
        operations.emplace_back([this, &series, &ctx] {
            const Result<double> us = sampleOf(series, ctx);
            if (!us) {
                throw SampleFailed{us.error()};
            }
            return *us;
        });
    }
    const NvmlReading before = nvml_.read();
    std::vector<TimingRecord> timings;
    try {
        timings = sampleInTurn(limits, ctx, operations);
    } catch (const SampleFailed& failed) {
        return fail(failed.error);
    }
    const NvmlReading after = nvml_.read();
    std::vector<Measurement> results(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        Measurement& result = results[i];
        result.timing = std::move(timings[i]);
        result.timing.clock = all[i].graph ? "graph" : "event";
        result.timing.cache = cache;
        result.timing.flushBytes =
            all[i].flush ? static_cast<std::int64_t>(flush_.bytes()) : std::int64_t{0};
        result.clocks.smMhzProbeMedian = medianOf(all[i].mhz);
        result.clocks.smMhzDefault = context_.clockMhz();
        result.clocks.smMhzBefore = before.smMhz;
        result.clocks.smMhzAfter = after.smMhz;
        result.clocks.temperatureBefore = before.temperature;
        result.clocks.temperatureAfter = after.temperature;
        result.clocks.memoryMhz = after.memoryMhz;
        result.clocks.powerWatts = after.powerWatts;
        result.clocks.eventReasons = after.eventReasons;
    }
    return results;
}

Result<double> Stopwatch::copyBandwidth(const JobContext& ctx) {
    constexpr std::size_t kBytes = std::size_t{512} << 20;
    constexpr int kRuns = 10;
    Result<DeviceMemory> from = DeviceMemory::allocate(context_, kBytes);
    if (!from) {
        return fail(from.error());
    }
    Result<DeviceMemory> to = DeviceMemory::allocate(context_, kBytes);
    if (!to) {
        return fail(to.error());
    }
    if (Result<void> filled = from->fill(0x5A); !filled) {
        return fail(filled.error());
    }
    std::vector<double> rates;
    for (int run = 0; run < kRuns; ++run) {
        const Result<Shot> shot = shoot(
            [&] {
                return context_.check(
                    context_.driver().memcpyDtoDAsync(
                        to->pointer(), from->pointer(), kBytes, context_.stream()),
                    "cuMemcpyDtoDAsync");
            },
            false,
            ctx);
        if (!shot) {
            return fail(shot.error());
        }
        rates.push_back(2.0 * static_cast<double>(kBytes) / (shot->us * 1e3));
    }
    return medianOf(rates);
}

}  // namespace loupe::gpu::cuda
