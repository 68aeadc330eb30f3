// SPDX-License-Identifier: Apache-2.0
#include "gpu/simt/executor.hpp"

#include "core/base/worker_pool.hpp"
#include "gpu/simt/entries.hpp"
#include "gpu/simt/worker.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace loupe::gpu::simt {

namespace {

/// Finds the allocations of pointer arguments, and learns how they are used.
class LaunchMemory final : public runtime::Memory {
public:
    LaunchMemory(std::span<const Allocation> memory, LaunchState& state) : state_(state) {
        for (const Allocation& allocation : memory) {
            auto region = std::make_unique<runtime::Region>();
            region->begin = static_cast<std::byte*>(allocation.data);
            region->bytes = allocation.bytes;
            region->index = static_cast<int>(state.regions.size());
            region->base = addressOf(allocation);
            state.regions.push_back(std::move(region));
        }
    }
    const runtime::Region* find(const void* address,
                                int argument,
                                std::size_t elementBytes,
                                bool writable) override {
        if (address == nullptr) {
            return nullptr;
        }
        const auto at = reinterpret_cast<std::uintptr_t>(address);
        for (const auto& region : state_.regions) {
            const auto begin = reinterpret_cast<std::uintptr_t>(region->begin);
            if (at >= begin && at - begin < region->bytes) {
                region->writable |= writable;
                region->granule = std::min(
                    region->granule, static_cast<unsigned>(std::min<std::size_t>(4, elementBytes)));
                return region.get();
            }
        }
        throw runtime::Fault("argument " + std::to_string(argument) +
                             " is not the address of device memory");
    }

private:
    std::uint64_t addressOf(const Allocation& allocation) {
        if (state_.cache != nullptr) {
            return state_.cache->addressOf(allocation.data, allocation.bytes);
        }
        constexpr std::uint64_t kAlignment = 256;
        const std::uint64_t base = next_;
        next_ += (allocation.bytes + kAlignment - 1) / kAlignment * kAlignment + kAlignment;
        return base;
    }

    LaunchState& state_;
    std::uint64_t next_ = 1U << 20;
};

std::string sizeFault(const Entry& entry, Dim3 grid, Dim3 block, const LaunchOptions& options) {
    constexpr std::uint64_t kMostYz = 65535;
    const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
    if (threads == 0 || threads > entry.mostThreads) {
        return std::string(entry.name) + " takes 1 to " + std::to_string(entry.mostThreads) +
               " threads a block; the launch asks for " + std::to_string(threads);
    }
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7FFFFFFFU || grid.y > kMostYz ||
        grid.z > kMostYz) {
        return "a grid is 1 to 2147483647 by 65535 by 65535 blocks";
    }
    if (options.dynamicShared > options.sharedLimit) {
        return "the launch asks for " + std::to_string(options.dynamicShared) +
               " bytes of dynamic shared memory; a block may use " +
               std::to_string(options.sharedLimit);
    }
    if (fiberSwitch(options.fibers) == nullptr) {
        return "this build cannot switch stacks in that way";
    }
    return {};
}

std::string_view memoryName(Access kind) {
    switch (kind) {
        case Access::GlobalLoad:
            return "global load";
        case Access::GlobalStore:
            return "global store";
        case Access::SharedLoad:
            return "shared load";
        case Access::SharedStore:
            break;
    }
    return "shared store";
}

/// part·total/ran, rounded to nearest.
std::uint64_t multiplied(std::uint64_t part, std::uint64_t total, std::uint64_t ran) {
    return total == ran
               ? part
               : static_cast<std::uint64_t>(static_cast<double>(part) * static_cast<double>(total) /
                                                static_cast<double>(ran) +
                                            0.5);
}

struct BlockCount {
    std::uint64_t ran = 0;
    std::uint64_t total = 0;
    [[nodiscard]] std::uint64_t all(std::uint64_t part) const {
        return multiplied(part, total, ran);
    }
};

void countLines(const LineTallies& tallies, BlockCount blocks, CountRecord& counts) {
    for (const auto& [key, tally] : tallies) {
        const auto& [file, line, kind] = key;
        const std::string at = sourceLine({file.c_str(), line});
        LineRecord record;
        record.file = at.substr(0, at.rfind(':'));
        record.line = static_cast<int>(line);
        record.memory = memoryName(kind);
        record.requests = blocks.all(tally.requests);
        record.bytes = blocks.all(tally.bytes);
        record.cost = blocks.all(tally.cost);
        record.ideal = blocks.all(tally.ideal);
        if (kind == Access::GlobalLoad || kind == Access::GlobalStore) {
            counts.requestedBytes += record.bytes;
            counts.sectorBytes += record.cost * CacheModel::kSector;
        } else {
            counts.sharedBytes += record.bytes;
            counts.sharedWavefronts += record.cost;
            counts.sharedIdeal += record.ideal;
        }
        counts.lines.push_back(std::move(record));
    }
}

CountRecord countsOf(const std::vector<std::unique_ptr<Worker>>& workers,
                     BlockCount blocks,
                     CacheModel* cache) {
    CountRecord counts;
    LineTallies tallies;
    runtime::Arithmetic arithmetic;
    std::uint64_t barriers = 0;
    for (const auto& worker : workers) {
        worker->traffic().addTo(tallies);
        arithmetic.flops += worker->arithmetic().flops;
        arithmetic.integerOps += worker->arithmetic().integerOps;
        arithmetic.exponentials += worker->arithmetic().exponentials;
        barriers += worker->barriers();
    }
    countLines(tallies, blocks, counts);
    counts.flops = blocks.all(arithmetic.flops);
    counts.integerOps = blocks.all(arithmetic.integerOps);
    counts.exponentials = blocks.all(arithmetic.exponentials);
    counts.barriers = blocks.all(barriers);
    counts.blocksCounted = static_cast<double>(blocks.ran) / static_cast<double>(blocks.total);
    if (cache != nullptr) {
        cache->writeBack();
        counts.dramBytes = blocks.all(cache->movedBytes());
        counts.cacheBytes = cache->bytes();
        cache->forgetMoved();
    }
    return counts;
}

/// Runs blocks in order until all are done or one fails. The fault of the first block that has one
/// is reported: blocks are handed out in order, so all before it ran.
class BlockQueue {
public:
    explicit BlockQueue(std::uint64_t count) : count_(count) {}
    void work(Worker& worker) {
        for (std::uint64_t block = next_++; block < count_ && !stop_; block = next_++) {
            if (!worker.runBlock(block)) {
                stop_ = true;
                const std::lock_guard lock(mutex_);
                if (error_.empty() || block < failed_) {
                    failed_ = block;
                    error_ = worker.error();
                }
                return;
            }
        }
    }
    [[nodiscard]] const std::string& error() const { return error_; }

private:
    std::uint64_t count_;
    std::atomic<std::uint64_t> next_{0};
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::uint64_t failed_ = 0;
    std::string error_;
};

thread_local CacheModel cacheOfThread;

void prepareCache(const LaunchOptions& options, bool checked, LaunchState& state) {
    if (!checked || options.cacheBytes == 0) {
        return;
    }
    if (options.emptyCacheBefore || cacheOfThread.bytes() != options.cacheBytes) {
        cacheOfThread.reset(options.cacheBytes);
    }
    state.cache = &cacheOfThread;
}

const Entry* findEntry(std::string_view name, Mode mode) {
    for (const EntryTable& table : entryTables()) {
        for (const Entry& entry : mode == Mode::Fast ? table.fast : table.checked) {
            if (name == entry.name) {
                return &entry;
            }
        }
    }
    return nullptr;
}

void runWorkers(std::vector<std::unique_ptr<Worker>>& workers, BlockQueue& queue) {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < workers.size(); ++i) {
        threads.emplace_back([&queue, &worker = *workers[i]] { queue.work(worker); });
    }
    queue.work(*workers.front());
}

}  // namespace

bool hasFibers(Fibers kind) {
    return fiberSwitch(kind) != nullptr;
}

bool hasEntry(std::string_view entry) {
    return findEntry(entry, Mode::Fast) != nullptr;
}

std::vector<std::string_view> entries() {
    std::vector<std::string_view> names;
    for (const EntryTable& table : entryTables()) {
        for (const Entry& entry : table.fast) {
            names.emplace_back(entry.name);
        }
    }
    return names;
}

LaunchResult launch(std::string_view entry,
                    Dim3 grid,
                    Dim3 block,
                    void* const* arguments,
                    std::span<const Allocation> memory,
                    const LaunchOptions& options) {
    const Entry* found = findEntry(entry, options.mode);
    if (found == nullptr) {
        LaunchResult result;
        result.error = "no kernel named " + std::string(entry) + " was built in";
        return result;
    }
    return launch(*found, grid, block, arguments, memory, options);
}

LaunchResult launch(const Entry& entry,
                    Dim3 grid,
                    Dim3 block,
                    void* const* arguments,
                    std::span<const Allocation> memory,
                    const LaunchOptions& options) {
    LaunchResult result;
    result.error = sizeFault(entry, grid, block, options);
    if (!result.error.empty()) {
        return result;
    }
    LaunchState state;
    state.options = &options;
    state.grid = grid;
    state.block = block;
    state.checked = entry.checked;
    state.fibers = fiberSwitch(options.fibers);
    prepareCache(options, entry.checked, state);
    LaunchMemory regions(memory, state);
    try {
        state.body = entry.bind(arguments, regions);
    } catch (const runtime::Fault& fault) {
        result.error = fault.what();
        return result;
    }
    if (entry.checked) {
        for (const auto& region : state.regions) {
            state.blockShadows.emplace_back(region->writable ? region->bytes / region->granule + 1
                                                             : 0);
        }
    }
    BlockCount blocks;
    blocks.total = std::uint64_t{grid.x} * grid.y * grid.z;
    blocks.ran = options.mostBlocks < 0
                     ? blocks.total
                     : std::min(blocks.total, static_cast<std::uint64_t>(options.mostBlocks));
    if (blocks.ran == 0) {
        return result;
    }
    const std::uint64_t wanted = state.cache != nullptr ? 1
                                 : options.workers != 0 ? options.workers
                                                        : static_cast<unsigned>(computeThreads());
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::unique_ptr<Worker>> workers;
    for (std::uint64_t i = 0; i < std::min(wanted, blocks.ran); ++i) {
        workers.push_back(std::make_unique<Worker>(state));
    }
    BlockQueue queue(blocks.ran);
    runWorkers(workers, queue);
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    result.error = queue.error();
    for (const auto& worker : workers) {
        for (const std::string& remark : worker->remarks()) {
            if (std::find(result.remarks.begin(), result.remarks.end(), remark) ==
                result.remarks.end()) {
                result.remarks.push_back(remark);
            }
        }
    }
    if (entry.checked) {
        result.counts = countsOf(workers, blocks, state.cache);
    }
    return result;
}

}  // namespace loupe::gpu::simt
