// SPDX-License-Identifier: Apache-2.0
#include "gpu/timing/method.hpp"

#include "core/base/rng.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace loupe::gpu {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Linear interpolation between order statistics, as in the rest of the program.
double quantile(const std::vector<double>& sorted, double fraction) {
    const double position = fraction * static_cast<double>(sorted.size() - 1);
    const auto low = static_cast<std::size_t>(position);
    const std::size_t high = std::min(low + 1, sorted.size() - 1);
    const double part = position - static_cast<double>(low);
    return sorted[low] + part * (sorted[high] - sorted[low]);
}

double medianOf(std::vector<double>& values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1) {
        return *middle;
    }
    return 0.5 * (*middle + *std::max_element(values.begin(), middle));
}

/// Width of the 95 % bootstrap interval of the median, over the median.
double relativeInterval(const std::vector<double>& samples) {
    constexpr std::size_t kResamples = 200;
    std::vector<double> medians(kResamples);
    std::vector<double> drawn(samples.size());
    std::uint64_t index = 0;
    for (double& median : medians) {
        for (double& value : drawn) {
            const auto pick = static_cast<std::size_t>(randomUniform(samples.size(), index++) *
                                                       static_cast<double>(samples.size()));
            value = samples[std::min(pick, samples.size() - 1)];
        }
        median = medianOf(drawn);
    }
    std::sort(medians.begin(), medians.end());
    drawn = samples;
    const double middle = medianOf(drawn);
    return middle > 0 ? (quantile(medians, 0.975) - quantile(medians, 0.025)) / middle : 0;
}

/// Runs until the clock has had time to rise; returns milliseconds of work.
double warmUp(const SamplingLimits& limits,
              const JobContext& ctx,
              const std::function<double()>& once) {
    constexpr int kLeastRuns = 3;
    const Clock::time_point start = Clock::now();
    double milliseconds = 0;
    for (int runs = 0; runs < kLeastRuns || milliseconds < limits.warmupMs; ++runs) {
        // A case that takes seconds is not run three times to no purpose.
        if (runs > 0 && secondsSince(start) > std::max(limits.mostSeconds, 1.0)) {
            break;
        }
        ctx.checkpoint();
        const double us = once();
        milliseconds += std::isfinite(us) && us > 0 ? us * 1e-3 : 0;
    }
    return milliseconds;
}

/// The samples of one operation as they grow.
struct Sampling {
    explicit Sampling(const SamplingLimits& l)
        : limits(&l), nextLook(static_cast<std::size_t>(std::max(l.leastSamples, 2))) {}
    const SamplingLimits* limits;
    TimingRecord record;
    double seconds = 0;  ///< of samples
    std::size_t nextLook;
    bool isKnown = false;  ///< the median, at the last look

    void take(double us) {
        if (std::isfinite(us) && us >= 0) {
            record.samplesUs.push_back(us);
            seconds += us * 1e-6;
        } else {
            ++record.discarded;
        }
    }
    [[nodiscard]] bool hasAll() const {
        return record.samplesUs.size() >= static_cast<std::size_t>(limits->mostSamples);
    }
    /// Looks at the median's interval now and then only: it costs more than a short sample.
    void look() {
        const std::size_t count = record.samplesUs.size();
        if (count >= nextLook) {
            isKnown = relativeInterval(record.samplesUs) <= limits->relativeInterval;
            nextLook = count + std::max<std::size_t>(5, count / 10);
        }
    }
};

/// Why all of them stop now; empty: they go on.
std::string stopReason(std::vector<Sampling>& all, const SamplingLimits& limits, bool late) {
    if (std::any_of(all.begin(), all.end(), [](const Sampling& s) { return s.hasAll(); })) {
        return "count";
    }
    if (late || std::any_of(all.begin(), all.end(), [&](const Sampling& s) {
            return s.seconds >= limits.mostSeconds;
        })) {
        return "time";
    }
    std::for_each(all.begin(), all.end(), [](Sampling& s) { s.look(); });
    const bool known =
        std::all_of(all.begin(), all.end(), [](const Sampling& s) { return s.isKnown; });
    return known ? "ci" : "";
}

}  // namespace

SamplingLimits limitsOf(const TimingRequest& request) {
    SamplingLimits limits;
    if (request.samples > 0) {
        limits.mostSamples = request.samples;
        limits.leastSamples = std::min(limits.leastSamples, request.samples);
    }
    if (request.seconds > 0) {
        limits.mostSeconds = request.seconds;
    }
    return limits;
}

TimingRecord sample(const SamplingLimits& limits,
                    const JobContext& ctx,
                    const std::function<double()>& once) {
    TimingRecord record = std::move(sampleInTurn(limits, ctx, {once}).front());
    record.inTurn = 0;
    return record;
}

std::vector<TimingRecord> sampleInTurn(const SamplingLimits& limits,
                                       const JobContext& ctx,
                                       const std::vector<std::function<double()>>& operations) {
    // Flushing caches and copying between samples may take longer than the samples themselves.
    constexpr double kMostWall = 4;
    const auto count = static_cast<double>(operations.size());
    std::vector<Sampling> all(operations.size(), Sampling(limits));
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i].record.warmupMs = warmUp(limits, ctx, operations[i]);
    }
    const Clock::time_point start = Clock::now();
    std::string reason;
    while (reason.empty() && !all.empty()) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            ctx.checkpoint();
            all[i].take(operations[i]());
        }
        const bool late = secondsSince(start) >= kMostWall * limits.mostSeconds * count;
        reason = stopReason(all, limits, late);
    }
    std::vector<TimingRecord> records;
    for (Sampling& sampling : all) {
        sampling.record.stopReason = sampling.isKnown ? "ci" : reason;
        sampling.record.inTurn = static_cast<std::int64_t>(all.size());
        summarise(sampling.record);
        records.push_back(std::move(sampling.record));
    }
    return records;
}

void summarise(TimingRecord& record) {
    std::vector<double> sorted = record.samplesUs;
    if (sorted.empty()) {
        record.medianUs = record.q1Us = record.q3Us = record.minUs = record.p95Us = 0;
        return;
    }
    std::sort(sorted.begin(), sorted.end());
    record.medianUs = quantile(sorted, 0.5);
    record.q1Us = quantile(sorted, 0.25);
    record.q3Us = quantile(sorted, 0.75);
    record.minUs = sorted.front();
    record.p95Us = quantile(sorted, 0.95);
}

void derive(DerivedRecord& derived, double medianUs) {
    const double memoryUs =
        derived.bandwidthGbps > 0 ? derived.bytesMin / (derived.bandwidthGbps * 1e3) : 0;
    const double computeUs =
        derived.peakTflops > 0 ? derived.flops / (derived.peakTflops * 1e6) : 0;
    derived.intensity = derived.bytesMin > 0 ? derived.flops / derived.bytesMin : 0;
    derived.floorUs = std::max(memoryUs, computeUs);
    derived.floorSide.clear();
    if (derived.floorUs > 0) {
        derived.floorSide = memoryUs >= computeUs ? "memory" : "compute";
    }
    derived.tflops = medianUs > 0 ? derived.flops / (medianUs * 1e6) : 0;
    derived.gbps = medianUs > 0 ? derived.bytesMin / (medianUs * 1e3) : 0;
    derived.ofFloor = medianUs > 0 ? derived.floorUs / medianUs : 0;
}

}  // namespace loupe::gpu
