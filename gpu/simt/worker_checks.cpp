// SPDX-License-Identifier: Apache-2.0
// The accesses of a checked kernel, and the runtime's entry points.
#include "gpu/simt/worker.hpp"

#include <algorithm>
#include <cstring>

namespace loupe::gpu::simt {

namespace {

bool aligned(const void* address, std::size_t bytes) {
    return reinterpret_cast<std::uintptr_t>(address) % bytes == 0;
}

}  // namespace

ShadowMoment Worker::moment() const {
    return {stamp_, epoch_, warps_[current_ / 32].epoch, static_cast<std::uint16_t>(current_)};
}

void Worker::checkBlocks(
    const runtime::Region& region, std::size_t cell, bool read, bool write, runtime::Where where) {
    BlockShadowCell& shadow = launch_.blockShadows[static_cast<std::size_t>(region.index)][cell];
    std::atomic_ref<std::uint32_t> writer(shadow.writer);
    std::atomic_ref<std::uint32_t> reader(shadow.reader);
    std::uint32_t other = 0;
    const char* what = nullptr;
    if (write) {
        other = writer.exchange(blockNumber_);
        what = "writes what another block wrote";
        if (other == 0 || other == blockNumber_) {
            other = reader.load();
            what = "writes what another block reads";
        }
    }
    if (read && (other == 0 || other == blockNumber_)) {
        std::uint32_t before = reader.load();
        while (before != blockNumber_ && before != BlockShadowCell::kSeveral &&
               !reader.compare_exchange_weak(
                   before, before == 0 ? blockNumber_ : BlockShadowCell::kSeveral)) {
        }
        other = writer.load();
        what = "reads what another block writes";
    }
    if (other != 0 && other != blockNumber_) {
        fail("race between blocks: block " + std::to_string(blockNumber_ - 1) + " " + what +
                 " (byte " + std::to_string(cell * region.granule) + " of buffer " +
                 std::to_string(region.index) + ")" +
                 (other == BlockShadowCell::kSeveral ? "" : ", block " + std::to_string(other - 1)),
             where);
    }
}

void Worker::accessGlobal(const runtime::Region* region,
                          const void* address,
                          std::size_t bytes,
                          bool read,
                          bool write,
                          runtime::Where where) {
    if (region == nullptr) {
        fail("access through a null pointer to global memory", where);
    }
    const auto offset =
        reinterpret_cast<std::intptr_t>(address) - reinterpret_cast<std::intptr_t>(region->begin);
    if (offset < 0 || static_cast<std::size_t>(offset) + bytes > region->bytes) {
        fail("global out-of-bounds: byte " + std::to_string(offset) + " of buffer " +
                 std::to_string(region->index) + ", which has " + std::to_string(region->bytes),
             where);
    }
    const auto start = static_cast<std::size_t>(offset);
    if (start % bytes != 0) {
        fail("misaligned access of " + std::to_string(bytes) + " bytes to global memory at byte " +
                 std::to_string(start) + " of buffer " + std::to_string(region->index),
             where);
    }
    if (region->writable) {
        LazyArray<ShadowCell>& cells = globalShadows_[static_cast<std::size_t>(region->index)];
        const std::size_t last = (start + bytes - 1) / region->granule;
        for (std::size_t cell = start / region->granule; cell <= last; ++cell) {
            Hazard hazard;
            if (read && !write) {
                hazard = noteRead(cells[cell], moment(), true);
            } else if (!read) {
                hazard = noteWrite(cells[cell], moment(), false);
            }
            if (hazard.what != nullptr) {
                fail(std::string(hazard.what) + " on global memory (byte " +
                         std::to_string(cell * region->granule) + " of buffer " +
                         std::to_string(region->index) + "): thread " + std::to_string(current_) +
                         " against thread " + std::to_string(hazard.other) +
                         " with no barrier between",
                     where);
            }
            if (!(read && write)) {
                checkBlocks(*region, cell, read, write, where);
            }
        }
    }
    traffic_.add(current_ / 32,
                 current_ % 32,
                 write ? Access::GlobalStore : Access::GlobalLoad,
                 region->base + start,
                 static_cast<unsigned>(bytes),
                 region,
                 where);
}

void Worker::accessShared(const runtime::SharedArray& array,
                          const std::byte* address,
                          std::size_t bytes,
                          bool write,
                          runtime::Where where) {
    memory_.access(array, address, bytes, write, false, moment(), where);
    traffic_.add(current_ / 32,
                 current_ % 32,
                 write ? Access::SharedStore : Access::SharedLoad,
                 memory_.addressOf(address),
                 static_cast<unsigned>(bytes),
                 &array,
                 where);
}

void Worker::copyAsync(const runtime::SharedArray& array,
                       std::byte* to,
                       const runtime::Region* region,
                       const void* from,
                       std::size_t valid,
                       runtime::Where where) {
    constexpr std::size_t kBytes = 16;
    if (valid != 0) {
        if (!aligned(from, kBytes)) {
            fail("misaligned source of a cp.async of 16 bytes", where);
        }
        accessGlobal(region, from, valid, true, false, where);
    }
    memory_.access(array, to, kBytes, true, true, moment(), where);
    auto& copies = lanes_[current_].copies;
    if (copies.empty()) {
        copies.emplace_back();
    }
    copies.back().push_back({&array, to, static_cast<const std::byte*>(from), valid, where});
}

void Worker::commitCopies() {
    auto& copies = lanes_[current_].copies;
    if (copies.empty()) {
        copies.emplace_back();
    }
    copies.emplace_back();
}

void Worker::waitForCopies(int groupsInFlight) {
    constexpr std::size_t kBytes = 16;
    auto& copies = lanes_[current_].copies;
    while (static_cast<int>(copies.size()) - 1 > groupsInFlight) {
        for (const Copy& copy : copies.front()) {
            accessShared(*copy.array, copy.to, kBytes, true, copy.where);
            std::memset(copy.to, 0, kBytes);
            if (copy.valid != 0) {
                std::memcpy(copy.to, copy.from, copy.valid);
            }
        }
        copies.erase(copies.begin());
    }
}

namespace runtime {

constinit thread_local Place place{};
constinit thread_local Arithmetic arithmetic{};

void fail(const std::string& what, Where where) {
    Worker::current().fail(what, where);
}
void barrier(Where where) {
    Worker::current().barrier(where);
}
void collective(std::uint32_t mask, void* argument, WarpOperation operation, Where where) {
    Worker::current().collective(mask, argument, operation, where);
}
void syncWarp(std::uint32_t mask, Where where) {
    Worker::current().collective(mask, nullptr, nullptr, where);
}
std::uint32_t activeLanes() {
    return Worker::current().activeLanes();
}

void readGlobal(const Region* region, const void* address, std::size_t bytes, Where where) {
    Worker::current().accessGlobal(region, address, bytes, true, false, where);
}
void writeGlobal(const Region* region, const void* address, std::size_t bytes, Where where) {
    Worker::current().accessGlobal(region, address, bytes, false, true, where);
}
void updateGlobal(const Region* region, const void* address, std::size_t bytes, Where where) {
    Worker::current().accessGlobal(region, address, bytes, true, true, where);
}

const SharedArray* fixedArray(
    const void* tag, const char* name, int rows, int cols, unsigned elementBytes, Where where) {
    return Worker::current().memory().fixed(tag, name, rows, cols, elementBytes, where);
}
const SharedArray* dynamicArray(const void* tag,
                                const char* name,
                                int rows,
                                int cols,
                                unsigned elementBytes,
                                std::size_t offset,
                                Where where) {
    return Worker::current().memory().dynamic(tag, name, rows, cols, elementBytes, offset, where);
}

std::byte* sharedAddress(
    const SharedArray& array, int row, int col, std::size_t bytes, Where where) {
    const auto count = static_cast<int>(bytes / array.elementBytes);
    if (row < 0 || row >= array.rows || col < 0 || col + count > array.cols) {
        Worker::current().fail(
            "shared out-of-bounds: " + std::string(array.name) + "(" + std::to_string(row) + "," +
                std::to_string(col) + ")" +
                (count > 1 ? " and " + std::to_string(count - 1) + " more" : "") + " of [" +
                std::to_string(array.rows) + "][" + std::to_string(array.cols) + "]",
            where);
    }
    std::byte* address =
        array.begin + (static_cast<std::size_t>(row) * static_cast<std::size_t>(array.cols) +
                       static_cast<std::size_t>(col)) *
                          array.elementBytes;
    if (!aligned(address, bytes)) {
        Worker::current().fail("misaligned access of " + std::to_string(bytes) +
                                   " bytes to shared memory at " + array.name + "(" +
                                   std::to_string(row) + "," + std::to_string(col) + ")",
                               where);
    }
    return address;
}

void readShared(const SharedArray& array,
                const std::byte* address,
                std::size_t bytes,
                Where where) {
    Worker::current().accessShared(array, address, bytes, false, where);
}
void writeShared(const SharedArray& array,
                 const std::byte* address,
                 std::size_t bytes,
                 Where where) {
    Worker::current().accessShared(array, address, bytes, true, where);
}

void copyAsync(const SharedArray& array,
               std::byte* to,
               const Region* region,
               const void* from,
               std::size_t valid,
               Where where) {
    Worker::current().copyAsync(array, to, region, from, valid, where);
}
void commitCopies() {
    Worker::current().commitCopies();
}
void waitForCopies(int groupsInFlight) {
    Worker::current().waitForCopies(groupsInFlight);
}

}  // namespace runtime

}  // namespace loupe::gpu::simt
