// SPDX-License-Identifier: Apache-2.0
// The machine that CPU timings run on: what it is, what it could do at most, and what others took
// of it meanwhile.
#pragma once

#include "core/base/job.hpp"
#include "gpu/cpu/huge_buffer.hpp"
#include "gpu/timing/record.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>

namespace loupe::gpu {

/// Model name, instruction set of the kernels, last-level cache, memory. Of a field that the system
/// does not tell, the empty value.
[[nodiscard]] DeviceRecord describeCpu();

/// Bytes of the largest cache; 32 MiB where the system does not tell.
[[nodiscard]] std::int64_t lastLevelCacheBytes();

/// Upper limits of all compute threads together, each the best of all short runs so far, in
/// registers or over memory that no cache holds. Others on the machine can only make them smaller:
/// look again beside every case.
class CpuCeilings {
public:
    /// @cost half a second and 8 times the last-level cache of memory
    explicit CpuCeilings(const JobContext& ctx);
    /// A few more runs of each. @cost some 50 ms
    void refresh(const JobContext& ctx);

    [[nodiscard]] int threads() const { return threads_; }
    [[nodiscard]] double readGbps() const { return readGbps_; }
    /// Tera-operations a second of fp32 multiply-adds, bf16 (VDPBF16PS; 0 where the CPU lacks it)
    /// or int8 (VPDPBUSD, else PMADDWD).
    [[nodiscard]] double peak(std::string_view arithmetic) const;

private:
    void measure(int runs, const JobContext& ctx);

    int threads_ = 0;
    HugeBuffer memory_;
    double readGbps_ = 0;
    double fp32_ = 0;
    double bf16_ = 0;
    double int8_ = 0;
};

/// Share of the machine's processor time that other processes took since this was made.
class ForeignLoad {
public:
    ForeignLoad();
    /// 0 where the system does not tell, or for less than 0.2 s of processor time: it counts in
    /// ticks of 10 ms.
    [[nodiscard]] double share() const;

private:
    double busy_ = 0;
    double own_ = 0;
    std::chrono::steady_clock::time_point start_;
};

/// Empties the caches by reading twice the last-level cache, on all compute threads.
class CacheFlush {
public:
    CacheFlush();
    void run(const JobContext& ctx) const;
    [[nodiscard]] std::int64_t bytes() const { return static_cast<std::int64_t>(walk_.size()); }

private:
    HugeBuffer walk_;
};

}  // namespace loupe::gpu
