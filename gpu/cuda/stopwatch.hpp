// SPDX-License-Identifier: Apache-2.0
// How long work takes on the device: events, graphs of many launches where one is too short, cold
// or warm caches, the true clock of the multiprocessors beside every sample.
#pragma once

#include "gpu/cuda/device_work.hpp"
#include "gpu/libraries/nvml.hpp"
#include "gpu/timing/method.hpp"

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace loupe::gpu::cuda {

struct Measurement {
    TimingRecord timing;
    ClockRecord clocks;
};

class Stopwatch {
public:
    Stopwatch(Context& context, const Nvml& nvml) : context_(context), nvml_(nvml) {}

    /// Allocates the buffer that displaces the cache, loads the probe kernels where there are any.
    [[nodiscard]] Result<void> prepare();
    [[nodiscard]] Result<Measurement> measure(DeviceWork& work,
                                              const SamplingLimits& limits,
                                              CacheState cache,
                                              const JobContext& ctx);
    /// The same of several works, a sample of each in turn. An error of one ends them all.
    [[nodiscard]] Result<std::vector<Measurement>> measureInTurn(std::span<DeviceWork* const> works,
                                                                 const SamplingLimits& limits,
                                                                 CacheState cache,
                                                                 const JobContext& ctx);
    /// Microseconds of one run, the best of three: to choose between alternatives.
    [[nodiscard]] Result<double> quick(DeviceWork& work, const JobContext& ctx);
    /// Bytes per second of a copy on the device, read and written bytes together, in GB/s.
    [[nodiscard]] Result<double> copyBandwidth(const JobContext& ctx);

private:
    struct Shot {
        double us = 0;
        double mhz = 0;  ///< 0: no probe
    };
    /// How the samples of one work are taken.
    struct Series {
        DeviceWork* work = nullptr;
        std::optional<Graph> graph;
        std::size_t launches = 1;
        bool flush = false;
        std::vector<double> mhz;  ///< of each sample, where there is a probe
        std::int64_t discarded = 0;
    };
    [[nodiscard]] Result<Series> plan(DeviceWork& work, bool cold, const JobContext& ctx);
    /// Microseconds of one run; NaN where the clock had dropped.
    [[nodiscard]] Result<double> sampleOf(Series& series, const JobContext& ctx);
    [[nodiscard]] Result<Shot> shoot(const std::function<Result<void>()>& enqueue,
                                     bool flush,
                                     const JobContext& ctx);
    [[nodiscard]] Result<void> launchProbe(int slot);
    [[nodiscard]] Result<void> launchWait();
    [[nodiscard]] Result<double> probedMhz();

    Context& context_;
    const Nvml& nvml_;
    DeviceMemory flush_;
    DeviceMemory stamps_;
    std::optional<Module> probe_;
    void* stamp_ = nullptr;
    void* wait_ = nullptr;
    Event start_;
    Event stop_;
};

}  // namespace loupe::gpu::cuda
