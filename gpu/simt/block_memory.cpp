// SPDX-License-Identifier: Apache-2.0
#include "gpu/simt/worker.hpp"

#include <algorithm>

namespace loupe::gpu::simt {

namespace {

constexpr std::size_t kArrayAlignment = 32;
constexpr std::size_t kArenaAlignment = 128;
constexpr std::size_t kStaticLimit = 48
                                     << 10;  // CUDA C++ Programming Guide, technical specifications

constexpr std::size_t roundUp(std::size_t value, std::size_t to) {
    return (value + to - 1) / to * to;
}

unsigned granuleOf(unsigned elementBytes) {
    return elementBytes >= 4 ? 4 : elementBytes;
}

}  // namespace

BlockMemory::BlockMemory(const LaunchState& launch) : launch_(launch) {
    const std::size_t dynamicBytes = roundUp(launch.options->dynamicShared, kArenaAlignment);
    storage_.resize(kStaticLimit + dynamicBytes + 2 * kArenaAlignment);
    const auto start = reinterpret_cast<std::uintptr_t>(storage_.data());
    arena_ = storage_.data() + (roundUp(start, kArenaAlignment) - start);
    dynamic_ = arena_ + kStaticLimit;
    ShadowRange& range = ranges_.emplace_back();
    range.bytes = launch.options->dynamicShared;
    range.granule = 0;  // the first view decides
}

void BlockMemory::startBlock(std::uint32_t stamp) {
    stamp_ = stamp;
    if (launch_.checked) {
        // Bytes that look like NaN: what one block leaves behind is no result of the next.
        std::fill(storage_.begin(), storage_.end(), std::byte{0xFF});
    }
}

runtime::SharedArray* BlockMemory::known(const void* tag) {
    for (const auto& array : arrays_) {
        if (array->tag == tag) {
            return array.get();
        }
    }
    return nullptr;
}

const runtime::SharedArray* BlockMemory::fixed(const void* tag,
                                               const char* name,
                                               int rows,
                                               int cols,
                                               unsigned elementBytes,
                                               runtime::Where where) {
    if (const runtime::SharedArray* array = known(tag)) {
        return array;
    }
    const std::size_t bytes =
        static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols) * elementBytes;
    const std::size_t offset = roundUp(fixedUsed_, kArrayAlignment);
    if (offset + bytes > kStaticLimit) {
        Worker::current().fail(std::string(name) + " brings static shared memory to " +
                                   std::to_string(offset + bytes) + " bytes; 49152 are allowed",
                               where);
    }
    if (offset + bytes + launch_.options->dynamicShared > launch_.options->sharedLimit) {
        Worker::current().fail(std::string(name) + " brings shared memory to " +
                                   std::to_string(offset + bytes + launch_.options->dynamicShared) +
                                   " bytes (static and dynamic); a block may use " +
                                   std::to_string(launch_.options->sharedLimit),
                               where);
    }
    fixedUsed_ = offset + bytes;
    ShadowRange& range = ranges_.emplace_back();
    range.bytes = bytes;
    range.granule = granuleOf(elementBytes);
    range.cells = LazyArray<ShadowCell>(launch_.checked ? bytes / range.granule : 0);
    arrays_.push_back(std::make_unique<runtime::SharedArray>(
        runtime::SharedArray{name,
                             arena_ + offset,
                             rows,
                             cols,
                             elementBytes,
                             static_cast<int>(ranges_.size()) - 1,
                             0,
                             tag}));
    return arrays_.back().get();
}

const runtime::SharedArray* BlockMemory::dynamic(const void* tag,
                                                 const char* name,
                                                 int rows,
                                                 int cols,
                                                 unsigned elementBytes,
                                                 std::size_t offset,
                                                 runtime::Where where) {
    if (const runtime::SharedArray* array = known(tag)) {
        return array;
    }
    const std::size_t bytes =
        static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols) * elementBytes;
    const std::size_t available = launch_.options->dynamicShared;
    if (offset + bytes > available) {
        Worker::current().fail(
            std::string(name) + " ends at byte " + std::to_string(offset + bytes) +
                " of dynamic shared memory; the launch asked for " + std::to_string(available),
            where);
    }
    if (fixedUsed_ + available > launch_.options->sharedLimit) {
        Worker::current().fail("shared memory of " + std::to_string(fixedUsed_ + available) +
                                   " bytes (static and dynamic); a block may use " +
                                   std::to_string(launch_.options->sharedLimit),
                               where);
    }
    refine(ranges_.front(), granuleOf(elementBytes));
    arrays_.push_back(std::make_unique<runtime::SharedArray>(
        runtime::SharedArray{name, dynamic_ + offset, rows, cols, elementBytes, 0, offset, tag}));
    return arrays_.back().get();
}

void BlockMemory::refine(ShadowRange& range, unsigned granule) {
    if (!launch_.checked || (range.granule != 0 && range.granule <= granule)) {
        return;
    }
    LazyArray<ShadowCell> finer((range.bytes + granule - 1) / granule);
    if (range.granule != 0) {
        for (std::size_t i = 0; i < finer.size(); ++i) {
            finer[i] = range.cells[i * granule / range.granule];
        }
    }
    range.cells = std::move(finer);
    range.granule = granule;
}

void BlockMemory::access(const runtime::SharedArray& array,
                         const std::byte* address,
                         std::size_t bytes,
                         bool write,
                         bool asynchronous,
                         const ShadowMoment& now,
                         runtime::Where where) {
    ShadowRange& range = ranges_[static_cast<std::size_t>(array.region)];
    const std::size_t offset = static_cast<std::size_t>(address - array.begin) + array.offset;
    const std::size_t last = (offset + bytes - 1) / range.granule;
    for (std::size_t cell = offset / range.granule; cell <= last; ++cell) {
        const Hazard hazard = write ? noteWrite(range.cells[cell], now, asynchronous)
                                    : noteRead(range.cells[cell], now, false);
        if (hazard.what == nullptr) {
            continue;
        }
        const std::size_t element =
            (cell * range.granule - std::min(cell * range.granule, array.offset)) /
            array.elementBytes;
        const auto cols = static_cast<std::size_t>(array.cols);
        std::string what = std::string(hazard.what) + " on shared " + array.name + "(" +
                           std::to_string(element / cols) + "," + std::to_string(element % cols) +
                           ")";
        if (hazard.other >= 0) {
            what += ": thread " + std::to_string(now.thread) + " against thread " +
                    std::to_string(hazard.other) + " with no barrier between";
        }
        Worker::current().fail(what, where);
    }
}

}  // namespace loupe::gpu::simt
