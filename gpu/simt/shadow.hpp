// SPDX-License-Identifier: Apache-2.0
// What is remembered about a piece of memory to find races: who wrote and read it last, and since
// when nobody has waited for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace loupe::gpu::simt {

/// Elements that are zero until written, and cost memory only where they are touched.
template <class T>
class LazyArray {
public:
    LazyArray() = default;
    explicit LazyArray(std::size_t count) : count_(count) {
        if (count_ == 0) {
            return;
        }
        void* memory = mmap(nullptr,
                            count_ * sizeof(T),
                            PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                            -1,
                            0);
        if (memory == MAP_FAILED) {
            throw std::bad_alloc();
        }
        data_ = static_cast<T*>(memory);
    }
    ~LazyArray() {
        if (data_ != nullptr) {
            munmap(data_, count_ * sizeof(T));
        }
    }
    LazyArray(LazyArray&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
    LazyArray& operator=(LazyArray&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(count_, other.count_);
        return *this;
    }
    LazyArray(const LazyArray&) = delete;
    LazyArray& operator=(const LazyArray&) = delete;
    [[nodiscard]] T& operator[](std::size_t i) { return data_[i]; }
    [[nodiscard]] std::size_t size() const { return count_; }

private:
    T* data_ = nullptr;
    std::size_t count_ = 0;
};

/// Last accesses to one element within a block. Epochs count __syncthreads, warp epochs __syncwarp.
/// A cell whose stamp is not the running block's is as good as empty: nothing has to be cleared.
struct ShadowCell {
    enum Flag : std::uint8_t {
        kWritten = 1,
        kLaneReaders = 2,  ///< several lanes of one warp read in this warp epoch
        kWarpReaders = 4,  ///< several warps read in this epoch
        kPending = 8,      ///< a cp.async to it has not been waited for
    };
    std::uint32_t stamp;
    std::uint32_t writeEpoch;
    std::uint32_t writeWarpEpoch;
    std::uint32_t readEpoch;
    std::uint32_t readWarpEpoch;
    std::uint16_t writer;
    std::uint16_t reader;
    std::uint8_t flags;
};

/// Which blocks of a grid touched an element: 0 none, else the block's number plus 1.
struct BlockShadowCell {
    static constexpr std::uint32_t kSeveral = 0xFFFFFFFF;
    std::uint32_t writer;
    std::uint32_t reader;
};

/// The running thread and the epochs that it sees.
struct ShadowMoment {
    std::uint32_t stamp = 0;
    std::uint32_t epoch = 0;
    std::uint32_t warpEpoch = 0;
    std::uint16_t thread = 0;
    [[nodiscard]] bool sameWarp(std::uint16_t other) const { return other / 32 == thread / 32; }
};

/// What is wrong with an access; the other thread where there is one.
struct Hazard {
    const char* what = nullptr;  ///< nullptr: nothing
    int other = -1;
};

inline void refresh(ShadowCell& cell, std::uint32_t stamp) {
    if (cell.stamp != stamp) {
        cell = ShadowCell{};
        cell.stamp = stamp;
    }
}

/// Notes a read. `initialised`: the element may be read although no thread of the block wrote it.
[[nodiscard]] inline Hazard noteRead(ShadowCell& cell, const ShadowMoment& now, bool initialised) {
    refresh(cell, now.stamp);
    if ((cell.flags & ShadowCell::kPending) != 0) {
        return {"read while a cp.async to it has not been waited for", cell.writer};
    }
    const bool written = (cell.flags & ShadowCell::kWritten) != 0;
    if (!written && !initialised) {
        return {"read of a never-written element", -1};
    }
    if (written && cell.writeEpoch == now.epoch && cell.writer != now.thread &&
        !(now.sameWarp(cell.writer) && cell.writeWarpEpoch < now.warpEpoch)) {
        return {"read-after-write hazard", cell.writer};
    }
    if (cell.readEpoch != now.epoch) {
        cell.flags &=
            static_cast<std::uint8_t>(~(ShadowCell::kLaneReaders | ShadowCell::kWarpReaders));
    } else if (!now.sameWarp(cell.reader)) {
        cell.flags |= ShadowCell::kWarpReaders;
    } else if (cell.readWarpEpoch != now.warpEpoch) {
        cell.flags &= static_cast<std::uint8_t>(~ShadowCell::kLaneReaders);
    } else if (cell.reader != now.thread) {
        cell.flags |= ShadowCell::kLaneReaders;
    }
    cell.readEpoch = now.epoch;
    cell.readWarpEpoch = now.warpEpoch;
    cell.reader = now.thread;
    return {};
}

/// Notes a write. `asynchronous`: a cp.async begins; the write is done when noteWrite is called
/// again without it.
[[nodiscard]] inline Hazard noteWrite(ShadowCell& cell,
                                      const ShadowMoment& now,
                                      bool asynchronous) {
    refresh(cell, now.stamp);
    if ((cell.flags & ShadowCell::kPending) != 0 && cell.writer != now.thread) {
        return {"written while another thread's cp.async to it is under way", cell.writer};
    }
    if ((cell.flags & ShadowCell::kWritten) != 0 && cell.writeEpoch == now.epoch &&
        cell.writer != now.thread &&
        !(now.sameWarp(cell.writer) && cell.writeWarpEpoch < now.warpEpoch)) {
        return {"write-after-write hazard", cell.writer};
    }
    if (cell.readEpoch == now.epoch) {
        const bool otherWarp =
            (cell.flags & ShadowCell::kWarpReaders) != 0 || !now.sameWarp(cell.reader);
        const bool otherLane =
            cell.readWarpEpoch == now.warpEpoch &&
            ((cell.flags & ShadowCell::kLaneReaders) != 0 || cell.reader != now.thread);
        if (otherWarp || otherLane) {
            return {"write-after-read hazard", cell.reader};
        }
    }
    cell.flags |= ShadowCell::kWritten;
    if (asynchronous) {
        cell.flags |= ShadowCell::kPending;
    } else {
        cell.flags &= static_cast<std::uint8_t>(~ShadowCell::kPending);
    }
    cell.writeEpoch = now.epoch;
    cell.writeWarpEpoch = now.warpEpoch;
    cell.writer = now.thread;
    return {};
}

}  // namespace loupe::gpu::simt
