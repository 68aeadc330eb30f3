// SPDX-License-Identifier: Apache-2.0
#include "gpu/simt/traffic.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace loupe::gpu::simt {

void CacheModel::reset(std::size_t bytes) {
    capacity_ = bytes / kSector;
    moved_ = 0;
    lines_.clear();
    where_.clear();
    addresses_.clear();
    nextAddress_ = 1U << 20;
}

void CacheModel::access(std::uint64_t sector, bool write) {
    if (const auto found = where_.find(sector); found != where_.end()) {
        lines_.splice(lines_.begin(), lines_, found->second);
        lines_.front().changed |= write;
        return;
    }
    moved_ += write ? 0U : 1U;
    if (lines_.size() >= capacity_) {
        moved_ += lines_.back().changed ? 1U : 0U;
        where_.erase(lines_.back().sector);
        lines_.splice(lines_.begin(), lines_, std::prev(lines_.end()));
        lines_.front() = {sector, write};
    } else {
        lines_.push_front({sector, write});
    }
    where_[sector] = lines_.begin();
}

void CacheModel::writeBack() {
    for (Line& line : lines_) {
        moved_ += line.changed ? 1U : 0U;
        line.changed = false;
    }
}

std::uint64_t CacheModel::addressOf(const void* memory, std::size_t bytes) {
    constexpr std::uint64_t kAlignment = 256;
    auto& [address, known] = addresses_[memory];
    if (address == 0 || bytes > known) {
        address = nextAddress_;
        known = bytes;
        nextAddress_ += (bytes + kAlignment - 1) / kAlignment * kAlignment + kAlignment;
    }
    return address;
}

void TrafficLog::prepare(unsigned warps, CacheModel* cache) {
    warps_.resize(warps);
    cache_ = cache;
}

TrafficLog::Site& TrafficLog::siteOf(
    Warp& warp, Access kind, unsigned bytes, const void* owner, runtime::Where where) {
    const auto matches = [&](const Site& site) {
        return site.where.line == where.line && site.kind == kind && site.owner == owner &&
               site.bytes == bytes && site.where.file == where.file;
    };
    std::uint16_t& hint = warp.hint[(where.line * 5U + bytes + static_cast<unsigned>(kind) * 17U +
                                     (std::bit_cast<std::uintptr_t>(owner) >> 4)) %
                                    64U];
    if (hint != 0 && matches(warp.sites[hint - 1U])) {
        return warp.sites[hint - 1U];
    }
    auto found = std::find_if(warp.sites.begin(), warp.sites.end(), matches);
    if (found == warp.sites.end()) {
        Site site;
        site.where = where;
        site.owner = owner;
        site.kind = kind;
        site.bytes = bytes;
        warp.sites.push_back(std::move(site));
        found = std::prev(warp.sites.end());
    }
    hint = static_cast<std::uint16_t>(found - warp.sites.begin() + 1);
    return *found;
}

void TrafficLog::add(unsigned warp,
                     unsigned lane,
                     Access kind,
                     std::uint64_t address,
                     unsigned bytes,
                     const void* owner,
                     runtime::Where where) {
    Site& site = siteOf(warps_[warp], kind, bytes, owner, where);
    const std::uint32_t execution = site.executions[lane]++;
    if (execution >= site.used) {
        site.used = execution + 1;
        if (site.groups.size() < site.used) {
            site.groups.resize(std::max<std::size_t>(16, std::size_t{site.used} * 2));
        }
        site.groups[execution].lanes = 0;
    }
    Group& group = site.groups[execution];
    group.lanes |= 1U << lane;
    group.address[lane] = address;
}

void TrafficLog::fold(unsigned index) {
    Warp& warp = warps_[index];
    for (Site& site : warp.sites) {
        if (site.used == 0) {
            continue;
        }
        const bool shared = site.kind == Access::SharedLoad || site.kind == Access::SharedStore;
        for (std::uint32_t i = 0; i < site.used; ++i) {
            const Group& group = site.groups[i];
            site.tally.requests += 1;
            site.tally.bytes += static_cast<std::uint64_t>(std::popcount(group.lanes)) * site.bytes;
            if (shared) {
                foldShared(site, group);
            } else {
                foldGlobal(warp, site, group);
            }
        }
        site.used = 0;
        site.executions.fill(0);
    }
}

void TrafficLog::foldGlobal(Warp& warp, Site& site, const Group& group) const {
    // Distinct sectors; the least is the distinct bytes in whole sectors.
    std::array<std::uint64_t, 32 * 2> sectors{};
    std::array<std::uint64_t, 32> starts{};
    std::size_t count = 0;
    std::size_t distinct = 0;
    for (std::uint32_t lanes = group.lanes; lanes != 0; lanes &= lanes - 1) {
        const std::uint64_t address =
            group.address[static_cast<std::size_t>(std::countr_zero(lanes))];
        starts[distinct++] = address;
        const std::uint64_t first = address / CacheModel::kSector;
        const std::uint64_t last = (address + site.bytes - 1) / CacheModel::kSector;
        for (std::uint64_t sector = first; sector <= last; ++sector) {
            if (count == 0 || sectors[count - 1] != sector) {
                sectors[count++] = sector;
            }
        }
    }
    const auto sectorsEnd = sectors.begin() + static_cast<std::ptrdiff_t>(count);
    std::sort(sectors.begin(), sectorsEnd);
    const auto end = std::unique(sectors.begin(), sectorsEnd);
    const auto startsEnd = starts.begin() + static_cast<std::ptrdiff_t>(distinct);
    std::sort(starts.begin(), startsEnd);
    const auto unique = std::unique(starts.begin(), startsEnd) - starts.begin();
    site.tally.cost += static_cast<std::uint64_t>(end - sectors.begin());
    site.tally.ideal +=
        (static_cast<std::uint64_t>(unique) * site.bytes + CacheModel::kSector - 1) /
        CacheModel::kSector;
    if (cache_ != nullptr) {
        const std::uint64_t written = site.kind == Access::GlobalStore ? 1 : 0;
        for (auto sector = sectors.begin(); sector != end; ++sector) {
            warp.sectors.push_back(*sector * 2 + written);
        }
    }
}

void TrafficLog::foldShared(Site& site, const Group& group) {
    // 32 banks of 4 bytes. Wide accesses go in groups of lanes that move at most 128 bytes; lanes
    // that want the same word share it.
    constexpr unsigned kBanks = 32;
    const unsigned lanesAtOnce = site.bytes <= 4 ? 32 : 128 / site.bytes;
    for (unsigned first = 0; first < 32; first += lanesAtOnce) {
        const std::uint32_t window =
            lanesAtOnce == 32 ? 0xFFFFFFFFU : ((1U << lanesAtOnce) - 1U) << first;
        std::uint32_t lanes = group.lanes & window;
        if (lanes == 0) {
            continue;
        }
        std::array<std::uint64_t, 64> words{};
        std::size_t count = 0;
        for (; lanes != 0; lanes &= lanes - 1) {
            const std::uint64_t address =
                group.address[static_cast<std::size_t>(std::countr_zero(lanes))];
            for (std::uint64_t word = address / 4; word <= (address + site.bytes - 1) / 4; ++word) {
                words[count++] = word;
            }
        }
        const auto wordsEnd = words.begin() + static_cast<std::ptrdiff_t>(count);
        std::sort(words.begin(), wordsEnd);
        const auto end = std::unique(words.begin(), wordsEnd);
        std::array<std::uint8_t, kBanks> load{};
        std::uint8_t most = 0;
        for (auto word = words.begin(); word != end; ++word) {
            most = std::max(most, ++load[static_cast<std::size_t>(*word % kBanks)]);
        }
        site.tally.cost += most;
        site.tally.ideal += 1;
    }
}

void TrafficLog::settle() {
    for (Warp& warp : warps_) {
        for (const std::uint64_t entry : warp.sectors) {
            cache_->access(entry / 2, (entry & 1U) != 0);
        }
        warp.sectors.clear();
    }
}

void TrafficLog::addTo(LineTallies& tallies) const {
    for (const Warp& warp : warps_) {
        for (const Site& site : warp.sites) {
            tallies[{site.where.file, site.where.line, site.kind}].add(site.tally);
        }
    }
}

}  // namespace loupe::gpu::simt
