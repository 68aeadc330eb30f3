// SPDX-License-Identifier: Apache-2.0
// How every backend samples: warm up, repeat until the median is known well enough, keep every
// sample.
#pragma once

#include "core/base/job.hpp"
#include "gpu/timing/record.hpp"

#include <functional>
#include <vector>

namespace loupe::gpu {

struct SamplingLimits {
    int leastSamples = 20;
    int mostSamples = 500;
    double mostSeconds = 2.0;  ///< of samples, without warm-up
    double warmupMs = 25.0;    ///< and 3 runs at least
    double relativeInterval =
        0.01;  ///< stop when the bootstrap interval of the median is at most this wide
};

/// Limits of a request: its samples and seconds where given.
[[nodiscard]] SamplingLimits limitsOf(const TimingRequest& request);

/// Calls `once` (which does whatever the cache state asks for, runs the operation once and returns
/// its microseconds) until the limits say stop; fills samples, quartiles and the reason. Throws
/// Cancelled from ctx.
[[nodiscard]] TimingRecord sample(const SamplingLimits& limits,
                                  const JobContext& ctx,
                                  const std::function<double()>& once);

/// The same of several operations, a sample of each in turn: A B A B. They stop together: when each
/// median is known well enough, or when the first has had its most samples or seconds; one whose
/// median was known says "ci". As many samples of each but for those that were thrown away.
[[nodiscard]] std::vector<TimingRecord> sampleInTurn(
    const SamplingLimits& limits,
    const JobContext& ctx,
    const std::vector<std::function<double()>>& operations);

/// Median, quartiles, minimum and 95th percentile of samplesUs, written into the record.
void summarise(TimingRecord& record);

/// Sets rates, intensity and floor from flops, bytesMin, the peaks and the median (0: no median,
/// the floor alone).
void derive(DerivedRecord& derived, double medianUs);

}  // namespace loupe::gpu
