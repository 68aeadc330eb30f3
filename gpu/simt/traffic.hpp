// SPDX-License-Identifier: Apache-2.0
// Counts what a block's warps moved: accesses are kept per warp and source line until its threads
// meet, then folded into sectors and bank wavefronts.
#pragma once

#include "gpu/simt/runtime.hpp"

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace loupe::gpu::simt {

enum class Access : std::uint8_t { GlobalLoad, GlobalStore, SharedLoad, SharedStore };

/// What one line did in one way.
struct LineTally {
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0;
    std::uint64_t cost = 0;
    std::uint64_t ideal = 0;
    void add(const LineTally& other) {
        requests += other.requests;
        bytes += other.bytes;
        cost += other.cost;
        ideal += other.ideal;
    }
};

/// File, line, kind. Ordered, so that reports do not depend on who counted first.
using LineKey = std::tuple<std::string, unsigned, Access>;
using LineTallies = std::map<LineKey, LineTally>;

/// Fully associative cache with exact least-recently-used replacement over 32-byte sectors,
/// write-back; a written sector is not fetched first. Counts bytes that cross to the memory behind
/// it.
class CacheModel {
public:
    void reset(std::size_t bytes);
    [[nodiscard]] std::size_t bytes() const { return capacity_ * kSector; }
    void access(std::uint64_t sector, bool write);
    /// Writes changed sectors back; they stay, unchanged.
    void writeBack();
    [[nodiscard]] std::uint64_t movedBytes() const { return moved_ * kSector; }
    void forgetMoved() { moved_ = 0; }
    /// The device address of an allocation: the same for the same memory until the next reset().
    [[nodiscard]] std::uint64_t addressOf(const void* memory, std::size_t bytes);

    static constexpr std::uint64_t kSector = 32;

private:
    struct Line {
        std::uint64_t sector;
        bool changed;
    };
    std::size_t capacity_ = 0;
    std::uint64_t moved_ = 0;
    std::list<Line> lines_;  ///< most recently used first
    std::unordered_map<std::uint64_t, std::list<Line>::iterator> where_;
    std::map<const void*, std::pair<std::uint64_t, std::size_t>> addresses_;
    std::uint64_t nextAddress_ = 1U << 20;
};

/// Log and tallies of one worker.
class TrafficLog {
public:
    void prepare(unsigned warps, CacheModel* cache);
    /// One access of a lane; `owner` tells arrays apart, `address` is on the device or in the
    /// block's shared memory.
    void add(unsigned warp,
             unsigned lane,
             Access kind,
             std::uint64_t address,
             unsigned bytes,
             const void* owner,
             runtime::Where where);
    /// The warp's threads have met: its accesses are folded.
    void fold(unsigned warp);
    /// The block's threads have met: sectors reach the cache, warp after warp.
    void settle();
    void addTo(LineTallies& tallies) const;

private:
    /// The n-th execution of a line by the lanes of a warp.
    struct Group {
        std::uint32_t lanes = 0;
        std::array<std::uint64_t, 32> address;
    };
    struct Site {
        runtime::Where where;
        const void* owner = nullptr;
        Access kind = Access::GlobalLoad;
        unsigned bytes = 0;
        std::array<std::uint32_t, 32> executions{};
        std::uint32_t used = 0;
        std::vector<Group> groups;
        LineTally tally;
    };
    struct Warp {
        std::vector<Site> sites;
        std::array<std::uint16_t, 64> hint{};  ///< site by hash of its line, plus 1
        std::vector<std::uint64_t> sectors;    ///< sector·2 + written
    };
    [[nodiscard]] static Site& siteOf(
        Warp& warp, Access kind, unsigned bytes, const void* owner, runtime::Where where);
    void foldGlobal(Warp& warp, Site& site, const Group& group) const;
    static void foldShared(Site& site, const Group& group);

    std::vector<Warp> warps_;
    CacheModel* cache_ = nullptr;
};

}  // namespace loupe::gpu::simt
