// SPDX-License-Identifier: Apache-2.0
// Runs blocks one after another on one thread of the system: their threads as fibers, their shared
// memory, and in checked mode everything that is known about their accesses.
#pragma once

#include "gpu/simt/fiber.hpp"
#include "gpu/simt/runtime.hpp"
#include "gpu/simt/shadow.hpp"
#include "gpu/simt/traffic.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace loupe::gpu::simt {

/// What all workers of a launch share.
struct LaunchState {
    const LaunchOptions* options = nullptr;
    Dim3 grid;
    Dim3 block;
    bool checked = false;
    const FiberSwitch* fibers = nullptr;
    std::function<void()> body;
    std::vector<std::unique_ptr<runtime::Region>> regions;
    /// Of every region that is written: which blocks touched it.
    std::vector<LazyArray<BlockShadowCell>> blockShadows;
    CacheModel* cache = nullptr;
};

/// Shared memory and hazards of the running block.
class BlockMemory {
public:
    BlockMemory(const LaunchState& launch);
    void startBlock(std::uint32_t stamp);
    const runtime::SharedArray* fixed(const void* tag,
                                      const char* name,
                                      int rows,
                                      int cols,
                                      unsigned elementBytes,
                                      runtime::Where where);
    const runtime::SharedArray* dynamic(const void* tag,
                                        const char* name,
                                        int rows,
                                        int cols,
                                        unsigned elementBytes,
                                        std::size_t offset,
                                        runtime::Where where);
    /// Notes an access to elements of an array; the first hazard ends the launch.
    void access(const runtime::SharedArray& array,
                const std::byte* address,
                std::size_t bytes,
                bool write,
                bool asynchronous,
                const ShadowMoment& now,
                runtime::Where where);
    /// Address within the block's shared memory, for banks.
    [[nodiscard]] std::uint64_t addressOf(const std::byte* address) const {
        return static_cast<std::uint64_t>(address - arena_);
    }
    [[nodiscard]] std::size_t fixedBytes() const { return fixedUsed_; }

private:
    /// Cells of memory that arrays share: one static array, or the dynamic block.
    struct ShadowRange {
        std::size_t bytes = 0;
        unsigned granule = 4;
        LazyArray<ShadowCell> cells;
    };
    void refine(ShadowRange& range, unsigned granule);
    runtime::SharedArray* known(const void* tag);

    const LaunchState& launch_;
    std::vector<std::byte> storage_;
    std::byte* arena_ = nullptr;  ///< static arrays, then the dynamic block
    std::byte* dynamic_ = nullptr;
    std::size_t fixedUsed_ = 0;
    std::uint32_t stamp_ = 0;
    std::vector<std::unique_ptr<runtime::SharedArray>> arrays_;
    std::vector<ShadowRange> ranges_;  ///< the first is the dynamic block's
};

class Worker {
public:
    explicit Worker(LaunchState& launch);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Runs one block to its end. False: something was wrong, see error().
    bool runBlock(std::uint64_t number);
    [[nodiscard]] const std::string& error() const { return error_; }
    [[nodiscard]] const std::vector<std::string>& remarks() const { return remarks_; }
    [[nodiscard]] std::uint64_t barriers() const { return barriers_; }
    [[nodiscard]] const runtime::Arithmetic& arithmetic() const { return arithmetic_; }
    [[nodiscard]] const TrafficLog& traffic() const { return traffic_; }

    // Called by the running thread of a kernel.
    void barrier(runtime::Where where);
    void collective(std::uint32_t mask,
                    void* argument,
                    runtime::WarpOperation operation,
                    runtime::Where where);
    [[nodiscard]] std::uint32_t activeLanes() const { return warps_[current_ / 32].alive; }
    [[noreturn]] void fail(const std::string& what, runtime::Where where) const;
    void accessGlobal(const runtime::Region* region,
                      const void* address,
                      std::size_t bytes,
                      bool read,
                      bool write,
                      runtime::Where where);
    void accessShared(const runtime::SharedArray& array,
                      const std::byte* address,
                      std::size_t bytes,
                      bool write,
                      runtime::Where where);
    void copyAsync(const runtime::SharedArray& array,
                   std::byte* to,
                   const runtime::Region* region,
                   const void* from,
                   std::size_t valid,
                   runtime::Where where);
    void commitCopies();
    void waitForCopies(int groupsInFlight);
    [[nodiscard]] BlockMemory& memory() { return memory_; }

    /// The worker of this thread while it runs a block.
    [[nodiscard]] static Worker& current();

private:
    enum class State : std::uint8_t { Ready, AtBarrier, AtCollective, Done };
    struct Copy {
        const runtime::SharedArray* array;
        std::byte* to;
        const std::byte* from;
        std::size_t valid;
        runtime::Where where;
    };
    struct Lane {
        FiberContext context;
        runtime::Coordinates at;
        State state = State::Done;
        void* argument = nullptr;
        std::vector<std::vector<Copy>> copies;  ///< committed groups, then the open one
    };
    struct Warp {
        std::uint32_t ready = 0;
        std::uint32_t alive = 0;
        std::uint32_t arrived = 0;
        std::uint32_t wanted = 0;
        runtime::WarpOperation operation = nullptr;
        runtime::Where where;
        std::uint32_t epoch = 1;
    };
    static constexpr unsigned kNone = ~0U;
    static void fiberMain();
    void releaseFibers();
    void runThread();
    void leave();
    void jump(unsigned to);
    void reschedule();
    [[nodiscard]] unsigned pick();
    [[nodiscard]] unsigned pickRandom();
    void setState(unsigned lane, State state);
    void releaseBarrier();
    void finishCollective(unsigned warp);
    void recordFault(const std::string& what);
    void recordDeadlock();
    void remark(std::string what);
    [[nodiscard]] std::string whereabouts(runtime::Where where) const;
    [[nodiscard]] ShadowMoment moment() const;
    void checkBlocks(const runtime::Region& region,
                     std::size_t cell,
                     bool read,
                     bool write,
                     runtime::Where where);
    [[nodiscard]] std::uint64_t nextRandom();

    LaunchState& launch_;
    unsigned threads_ = 0;
    std::vector<Lane> lanes_;
    std::vector<Warp> warps_;
    std::unique_ptr<FiberStacks> stacks_;
    FiberContext main_;
    unsigned current_ = kNone;
    unsigned alive_ = 0;
    unsigned waiting_ = 0;
    std::uint32_t epoch_ = 0;
    std::uint32_t stamp_ = 0;
    std::uint32_t blockNumber_ = 0;
    runtime::Where barrierAt_;
    std::uint64_t random_ = 0;
    std::uint64_t barriers_ = 0;
    runtime::Arithmetic arithmetic_;
    std::string error_;
    std::vector<std::string> remarks_;
    BlockMemory memory_;
    std::vector<LazyArray<ShadowCell>> globalShadows_;
    TrafficLog traffic_;
};

/// "gpu/kernels/gemm_s8.cuh:25": the path from the root of the sources.
[[nodiscard]] std::string sourceLine(runtime::Where where);

}  // namespace loupe::gpu::simt
