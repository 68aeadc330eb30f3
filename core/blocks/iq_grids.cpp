// SPDX-License-Identifier: Apache-2.0
#include "core/blocks/iq_grids.hpp"

#include <cstddef>

namespace loupe::blocks {

namespace {

#include "core/blocks/iq_grids.inc"

/// Every entry with its indices replaced by the values that they mean.
template <typename Entry, std::size_t kCount>
constexpr void expand(const std::uint16_t (&from)[kCount],
                      const std::uint8_t (&values)[8],
                      Entry (&to)[kCount]) {
    constexpr int kValues = sizeof(Entry);
    constexpr int kBits = 16 / kValues;
    for (std::size_t i = 0; i < kCount; ++i) {
        Entry entry = 0;
        for (int k = 0; k < kValues; ++k) {
            const unsigned index = (unsigned{from[i]} >> (kBits * k)) & ((1U << kBits) - 1);
            entry |= Entry{values[index]} << (8 * k);
        }
        to[i] = entry;
    }
}

constexpr IqGrids makeGrids() {
    constexpr std::uint8_t kIq2[8]{8, 25, 43};
    constexpr std::uint8_t kIq1[8]{0xF8, 0, 8};
    constexpr std::uint8_t kIq3Xxs[8]{4, 12, 20, 28, 36, 44, 52, 62};
    constexpr std::uint8_t kIq3S[8]{1, 3, 5, 7, 9, 11, 13, 15};
    IqGrids grids{};
    expand(kIq2XxsEntries, kIq2, grids.iq2Xxs);
    expand(kIq2XsEntries, kIq2, grids.iq2Xs);
    expand(kIq2SEntries, kIq2, grids.iq2S);
    expand(kIq1SEntries, kIq1, grids.iq1S);
    expand(kIq3XxsEntries, kIq3Xxs, grids.iq3Xxs);
    expand(kIq3SEntries, kIq3S, grids.iq3S);
    return grids;
}

}  // namespace

constinit const IqGrids kIqGrids = makeGrids();

}  // namespace loupe::blocks
