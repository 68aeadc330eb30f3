// SPDX-License-Identifier: Apache-2.0
// Runs the kernels' own sources on the CPU. This side holds no kernel-side name and no template;
// kernels see simt.hpp.
#pragma once

#include "gpu/timing/record.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loupe::gpu::simt {

struct Dim3 {
    unsigned x = 1;
    unsigned y = 1;
    unsigned z = 1;
    friend bool operator==(const Dim3&, const Dim3&) = default;
};

/// Fast: raw pointers, only the result. Checked: every access is looked at (races, missing barriers
/// and waits, bounds, never-written reads, alignment) and counted.
enum class Mode : std::uint8_t { Fast, Checked };
enum class Schedule : std::uint8_t { Forward, Reverse, Random };

/// How stacks are switched. Own: x86-64 only. Boost: where the build found Boost.Context. Default:
/// the faster of those that there are.
enum class Fibers : std::uint8_t { Default, Own, Boost };

/// A piece of "device memory". A kernel's pointer argument must lie in one.
struct Allocation {
    void* data = nullptr;
    std::size_t bytes = 0;
};

struct LaunchOptions {
    Mode mode = Mode::Fast;
    Schedule schedule = Schedule::Forward;
    std::uint64_t seed = 1;        ///< of the random schedule
    unsigned workers = 0;          ///< 0: all cores. Counts do not depend on it
    std::int64_t mostBlocks = -1;  ///< run only the first so many blocks
    std::size_t dynamicShared = 0;
    std::size_t sharedLimit = 48 << 10;  ///< static and dynamic bytes a block may use
    std::size_t cacheBytes = 0;  ///< of the LRU behind dramBytes; 0: not modelled. Takes one worker
    bool emptyCacheBefore = true;  ///< false: the cache as this thread's last launch left it
    Fibers fibers = Fibers::Default;
};

struct LaunchResult {
    CountRecord counts;  ///< empty in fast mode
    std::string error;   ///< the first fault: what, file:line, block, thread; empty: none
    std::vector<std::string>
        remarks;  ///< legal but doubtful: threads that leave while others wait at a barrier
    double seconds = 0;
};

/// What the kernel-side macros leave behind for one kernel (gpu/simt/runtime.hpp).
struct Entry;

/// Whether this build can switch stacks in that way.
[[nodiscard]] bool hasFibers(Fibers kind);
/// Whether an entry of this name was built in.
[[nodiscard]] bool hasEntry(std::string_view entry);
[[nodiscard]] std::vector<std::string_view> entries();

/// Runs one grid. `arguments` as for cuLaunchKernel: pointers to the values, a buffer's value being
/// its address.
[[nodiscard]] LaunchResult launch(std::string_view entry,
                                  Dim3 grid,
                                  Dim3 block,
                                  void* const* arguments,
                                  std::span<const Allocation> memory,
                                  const LaunchOptions& options);
/// The same for an entry that is not built in (a test's own). Its build decides what is checked:
/// options.mode must agree.
[[nodiscard]] LaunchResult launch(const Entry& entry,
                                  Dim3 grid,
                                  Dim3 block,
                                  void* const* arguments,
                                  std::span<const Allocation> memory,
                                  const LaunchOptions& options);

}  // namespace loupe::gpu::simt
