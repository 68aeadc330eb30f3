// SPDX-License-Identifier: Apache-2.0
// One CUDA thread of the executor is one fiber: a stack that is switched to, never preempted, never
// moved between threads of the system.
#pragma once

#include "gpu/simt/executor.hpp"

#include <cstddef>

namespace loupe::gpu::simt {

/// Where a fiber (or the thread that started them) stands while it does not run.
struct FiberContext {
    void* handle = nullptr;     ///< what the switch saved: a stack pointer or a context of Boost
    void (*entry)() = nullptr;  ///< what a new fiber calls
    void* stackBottom = nullptr;
    std::size_t stackBytes = 0;
    void* fakeStack = nullptr;  ///< AddressSanitizer's
    void* tsanFiber = nullptr;  ///< ThreadSanitizer's
};

/// One way to switch stacks.
struct FiberSwitch {
    /// Prepares `context` so that the first jump to it calls entry(), which never returns.
    void (*make)(FiberContext& context, void (*entry)());
    void (*jump)(FiberContext& from, FiberContext& to);
};

/// nullptr where this build has none of that kind.
[[nodiscard]] const FiberSwitch* fiberSwitch(Fibers kind);
[[nodiscard]] const FiberSwitch* ownFiberSwitch();
[[nodiscard]] const FiberSwitch* boostFiberSwitch();

/// jump() with the announcements that sanitizers need.
void switchFiber(const FiberSwitch& how, FiberContext& from, FiberContext& to);
/// Frees what sanitizers hold for a fiber that will not run again.
void forgetFiber(FiberContext& context);
/// To be called first in entry(). The first fiber that runs learns the stack of the thread that
/// started them.
void arriveOnFiber(FiberContext& starter);

/// Stacks of equal size in one mapping, each above a page that faults.
class FiberStacks {
public:
    FiberStacks(std::size_t count, std::size_t bytesEach);
    ~FiberStacks();
    FiberStacks(const FiberStacks&) = delete;
    FiberStacks& operator=(const FiberStacks&) = delete;
    /// Sets the stack of fiber `index`. Tops are staggered: equal low address bits would make the
    /// fibers' frames fight for the same cache sets.
    void give(std::size_t index, FiberContext& context) const;

private:
    char* memory_ = nullptr;
    std::size_t stride_ = 0;
    std::size_t count_ = 0;
    std::size_t guard_ = 0;
};

}  // namespace loupe::gpu::simt
