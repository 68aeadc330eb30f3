// SPDX-License-Identifier: Apache-2.0
#include "gpu/simt/fiber.hpp"

#include <new>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define LOUPE_ASAN_FIBERS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOUPE_ASAN_FIBERS 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define LOUPE_TSAN_FIBERS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LOUPE_TSAN_FIBERS 1
#endif
#endif
#if defined(LOUPE_ASAN_FIBERS)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(LOUPE_TSAN_FIBERS)
#include <sanitizer/tsan_interface.h>
#endif

namespace loupe::gpu::simt {

const FiberSwitch* fiberSwitch(Fibers kind) {
    switch (kind) {
        case Fibers::Own:
            return ownFiberSwitch();
        case Fibers::Boost:
            return boostFiberSwitch();
        case Fibers::Default:
            break;
    }
    return ownFiberSwitch() != nullptr ? ownFiberSwitch() : boostFiberSwitch();
}

void switchFiber(const FiberSwitch& how, FiberContext& from, FiberContext& to) {
#if defined(LOUPE_TSAN_FIBERS)
    if (from.tsanFiber == nullptr) {
        from.tsanFiber = __tsan_get_current_fiber();
    }
    if (to.tsanFiber == nullptr) {
        to.tsanFiber = __tsan_create_fiber(0);
    }
    __tsan_switch_to_fiber(to.tsanFiber, 0);
#endif
#if defined(LOUPE_ASAN_FIBERS)
    __sanitizer_start_switch_fiber(&from.fakeStack, to.stackBottom, to.stackBytes);
#endif
    how.jump(from, to);
#if defined(LOUPE_ASAN_FIBERS)
    __sanitizer_finish_switch_fiber(from.fakeStack, nullptr, nullptr);
#endif
}

void forgetFiber(FiberContext& context) {
#if defined(LOUPE_TSAN_FIBERS)
    if (context.tsanFiber != nullptr) {
        __tsan_destroy_fiber(context.tsanFiber);
    }
#endif
    context.tsanFiber = nullptr;
}

void arriveOnFiber(FiberContext& starter) {
#if defined(LOUPE_ASAN_FIBERS)
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
    if (starter.stackBottom == nullptr) {  // the first fiber to run: it comes from there
        starter.stackBottom = const_cast<void*>(bottom);
        starter.stackBytes = bytes;
    }
#else
    static_cast<void>(starter);
#endif
}

FiberStacks::FiberStacks(std::size_t count, std::size_t bytesEach) : count_(count) {
    const long page = sysconf(_SC_PAGESIZE);
    guard_ = page > 0 ? static_cast<std::size_t>(page) : 4096;
    stride_ = guard_ + (bytesEach + guard_ - 1) / guard_ * guard_;
    void* memory = mmap(nullptr,
                        count_ * stride_,
                        PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                        -1,
                        0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc();
    }
    memory_ = static_cast<char*>(memory);
    for (std::size_t i = 0; i < count_; ++i) {
        mprotect(memory_ + i * stride_, guard_, PROT_NONE);
    }
}

FiberStacks::~FiberStacks() {
#if defined(LOUPE_ASAN_FIBERS)
    // Fibers end inside of functions: what surrounds their variables is still marked.
    __asan_unpoison_memory_region(memory_, count_ * stride_);
#endif
    munmap(memory_, count_ * stride_);
}

void FiberStacks::give(std::size_t index, FiberContext& context) const {
    constexpr std::size_t kStagger = 64;
    constexpr std::size_t kSteps = 31;
    context.stackBottom = memory_ + index * stride_ + guard_;
    context.stackBytes = stride_ - guard_ - kStagger * (index % kSteps);
}

}  // namespace loupe::gpu::simt
