// SPDX-License-Identifier: Apache-2.0
// Storage of pruned matrices against spec/algorithms.md 6.4 and 6.6: formulas, and matrices really
// packed whose sizes are what the formulas say.
#include "core/prune/storage_cost.hpp"

#include "core/base/rng.hpp"
#include "tests/unit/scheme/pruning_support.hpp"

#include <algorithm>

using namespace loupe;
using namespace loupe::test;
using Catch::Matchers::WithinAbs;

namespace {

struct Sample {
    BitMask mask;
    std::vector<std::uint32_t> values;
};

/// b-bit values under a mask: at random, or N of every M.
Sample sampleOf(std::int64_t rows,
                std::int64_t cols,
                int bits,
                double sparsity,
                const SparsePattern* pattern = nullptr) {
    Sample sample{BitMask(rows, cols, true), {}};
    const std::uint32_t most = bits == 32 ? 0xffffffffU : (1U << bits) - 1;
    for (std::int64_t i = 0; i < rows * cols; ++i) {
        const auto index = static_cast<std::uint64_t>(i);
        sample.values.push_back(1 + static_cast<std::uint32_t>(randomUniform(1, index) *
                                                               static_cast<double>(most - 1)));
        if (pattern == nullptr) {
            sample.mask.set(i / cols, i % cols, randomUniform(2, index) >= sparsity);
        }
    }
    for (std::int64_t row = 0; pattern != nullptr && row < rows; ++row) {
        for (std::int64_t first = 0; first < cols; first += pattern->block) {
            const std::int64_t size = std::min(pattern->block, cols - first);
            std::int64_t drop = size - std::min(pattern->keep, size);
            for (std::uint64_t n = 0; drop > 0; ++n) {
                const auto at = static_cast<std::int64_t>(
                    randomUniform(3, n + static_cast<std::uint64_t>(row * 1000 + first)) *
                    static_cast<double>(size));
                drop -= sample.mask.kept(row, first + at) ? 1 : 0;
                sample.mask.set(row, first + at, false);
            }
        }
    }
    return sample;
}

void checkRoundTrip(SparseLayout layout, const Sample& sample, int bits, SparsePattern pattern) {
    CAPTURE(static_cast<int>(layout), bits, sample.mask.rows(), sample.mask.cols());
    const PackedMatrix packed = pack(layout, sample.mask, sample.values, bits, pattern).value();
    const std::vector<std::uint32_t> back = unpack(packed).value();
    const std::int64_t cols = sample.mask.cols();
    bool same = true;
    for (std::size_t i = 0; i < back.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        const bool kept = sample.mask.kept(at / cols, at % cols);
        same = same && back[i] == (kept ? sample.values[i] : 0);
    }
    CHECK(same);
    CHECK(packed.values.size() == (packed.valueStreamBits + 7) / 8);
    CHECK(packed.index.size() == (packed.indexStreamBits + 7) / 8);
    const double density =
        static_cast<double>(sample.mask.count()) / static_cast<double>(sample.mask.rows() * cols);
    CHECK_THAT(packed.bitsPerWeight(),
               WithinAbs(storageBits(layout, bits, density, cols, pattern), 1e-9));
    if (layout == SparseLayout::Pattern) {
        CHECK(followsPattern(sample.mask, pattern));
    }
}

}  // namespace

TEST_CASE("storage: the table of the lecture") {
    const auto bits = [](SparseLayout layout, double b, double density) {
        return storageBits(layout, b, density);
    };
    CHECK(bits(SparseLayout::Dense, 16, .5) == 16);
    for (const auto& [b, bitmask, csr16, csr32, pattern] :
         {std::array<double, 5>{16, 9, 16, 24, 9},
          std::array<double, 5>{8, 5, 12, 20, 5},
          std::array<double, 5>{4, 3, 10, 18, 3}}) {
        CHECK(bits(SparseLayout::Bitmask, b, .5) == bitmask);
        CHECK(bits(SparseLayout::Csr16, b, .5) == csr16);
        CHECK(bits(SparseLayout::Csr32, b, .5) == csr32);
        CHECK(bits(SparseLayout::Pattern, b, .5) == pattern);
    }
    CHECK(bits(SparseLayout::Pattern, 16, .5) / 16 == .5625);
    CHECK(bits(SparseLayout::Pattern, 8, .5) / 8 == .625);
    CHECK(bits(SparseLayout::Pattern, 4, .5) / 4 == .75);
    CHECK_THAT(bits(SparseLayout::Bitmask, 16, .1), WithinAbs(2.6, 1e-12));
    CHECK_THAT(bits(SparseLayout::Csr16, 16, .1), WithinAbs(3.2, 1e-12));
    CHECK_THAT(bits(SparseLayout::Csr32, 16, .1), WithinAbs(4.8, 1e-12));
    CHECK_THAT(storageBits(SparseLayout::Csr16, 16, .5, 64), WithinAbs(16.5, 1e-12));
    CHECK(*breakEvenSparsity(SparseLayout::Bitmask, 16) == 1.0 / 16);
    CHECK(*breakEvenSparsity(SparseLayout::Csr16, 16) == .5);
    CHECK_THAT(*breakEvenSparsity(SparseLayout::Csr32, 16), WithinAbs(2.0 / 3, 1e-12));
    CHECK_FALSE(breakEvenSparsity(SparseLayout::Dense, 16).has_value());
    // At the break-even a layout costs what the dense matrix does, row ends included.
    for (const SparseLayout layout :
         {SparseLayout::Bitmask, SparseLayout::Csr16, SparseLayout::Csr32}) {
        for (const std::int64_t cols : {std::int64_t{0}, std::int64_t{768}}) {
            const double s = *breakEvenSparsity(layout, 8, cols);
            CHECK_THAT(storageBits(layout, 8, 1 - s, cols), WithinAbs(8, 1e-12));
        }
    }
}

TEST_CASE("storage: a mask that is not N:M says where") {
    BitMask mask(2, 8, true);
    for (std::int64_t col : {0, 1, 4, 6}) {
        mask.set(0, col, false);
        mask.set(1, col + (col == 4 ? 1 : 0), false);
    }
    const auto entry = [&](const char* name) {
        const StorageTable table = storageTable(mask, 8);
        return *std::find_if(table.entries.begin(),
                             table.entries.end(),
                             [&](const StorageEntry& e) { return e.name == name; });
    };
    CHECK(entry("2:4").fits);
    CHECK(entry("2:4").why.empty());
    mask.set(1, 5, true);
    CHECK_FALSE(entry("2:4").fits);
    CHECK(entry("2:4").why == "row 1, columns 4 to 7 keep 3");
    CHECK(entry("4:8").why == "row 1, columns 0 to 7 keep 5");
}

TEST_CASE("storage: packed matrices come back, and are as large as the formulas say") {
    for (const auto& [rows, cols] :
         {std::pair<std::int64_t, std::int64_t>{8, 64}, {5, 37}, {1, 1}, {3, 2}, {2, 70000}}) {
        for (const int bits : {1, 3, 4, 8, 16, 32}) {
            const Sample random = sampleOf(rows, cols, bits, 0.6);
            checkRoundTrip(SparseLayout::Dense, random, bits, {});
            checkRoundTrip(SparseLayout::Bitmask, random, bits, {});
            checkRoundTrip(SparseLayout::Csr32, random, bits, {});
            if (cols <= 65536) {
                checkRoundTrip(SparseLayout::Csr16, random, bits, {});
            } else {
                CHECK_FALSE(pack(SparseLayout::Csr16, random.mask, random.values, bits));
            }
            for (const SparsePattern pattern :
                 {SparsePattern{2, 4}, SparsePattern{4, 8}, SparsePattern{1, 3}}) {
                checkRoundTrip(
                    SparseLayout::Pattern, sampleOf(rows, cols, bits, 0, &pattern), bits, pattern);
            }
        }
    }
}

TEST_CASE("storage: 2:4 has four bits of metadata for a group of four") {
    CHECK(placeBitCount(4) == 2);
    CHECK(placeBitCount(8) == 3);
    CHECK(placeBitCount(2) == 1);
    CHECK(placeBits(2, 4) == "10");
    BitMask mask(1, 8, false);
    mask.set(0, 1, true);
    mask.set(0, 3, true);
    mask.set(0, 4, true);  // the second group keeps one: a free place is stored beside it
    const PackedMatrix packed =
        pack(SparseLayout::Pattern, mask, {10, 11, 12, 13, 14, 15, 16, 17}, 8).value();
    CHECK(packed.values == std::vector<std::uint8_t>{11, 13, 14, 0});
    CHECK(packed.index == std::vector<std::uint8_t>{0b01'00'11'01});
    CHECK(packed.bits() == 4 * 8 + 8);
    CHECK(unpack(packed).value() == std::vector<std::uint32_t>{0, 11, 0, 13, 14, 0, 0, 0});
    mask.set(0, 0, true);
    CHECK_FALSE(followsPattern(mask, {2, 4}));
    CHECK(pack(SparseLayout::Pattern, mask, std::vector<std::uint32_t>(8), 8).error().code ==
          ErrorCode::Invalid);
}

TEST_CASE("storage: damaged streams are refused") {
    const Sample sample = sampleOf(4, 20, 8, 0.5);
    for (const SparseLayout layout :
         {SparseLayout::Dense, SparseLayout::Bitmask, SparseLayout::Csr16, SparseLayout::Csr32}) {
        PackedMatrix cut = pack(layout, sample.mask, sample.values, 8).value();
        cut.values.resize(cut.values.size() / 2);
        CHECK_FALSE(unpack(cut).has_value());
    }
    PackedMatrix wild = pack(SparseLayout::Csr16, sample.mask, sample.values, 8).value();
    wild.index[0] = 20;
    CHECK_FALSE(unpack(wild).has_value());
    wild.rowEnds[0] = 1000;
    CHECK_FALSE(unpack(wild).has_value());
    wild.rowEnds.pop_back();
    CHECK_FALSE(unpack(wild).has_value());
}

TEST_CASE("storage: the table of a scheme's result") {
    const auto entry = [](const StorageTable& table, const char* name) {
        return *std::find_if(table.entries.begin(), table.entries.end(), [&](const auto& e) {
            return e.name == name;
        });
    };
    const StepOutput half = tryStep("wanda:pattern=2:4", layerF1()).value();
    const StorageTable table = storageTable(*half.weights, 16, {}).value().value();
    CHECK(table.density == .5);
    CHECK(table.kept == 1024);
    CHECK(entry(table, "2:4").fits);
    CHECK(entry(table, "4:8").fits);  // two groups of four make one of eight
    CHECK(entry(table, "2:4").bitsPerWeight == 9);
    CHECK(entry(table, "bitmask").bitsPerWeight == 9);
    CHECK(entry(table, "bitmask").ratio == .5625);
    const StepOutput free = tryStep("sparsegpt:sparsity=0.6,bits=4", layerF1()).value();
    const StorageTable coded = storageTable(*free.weights, 16, {}).value().value();
    CHECK(coded.valueBits == 4);
    CHECK_THAT(coded.scaleBits, WithinAbs(20.0 / 64, 1e-12));
    CHECK_FALSE(entry(coded, "2:4").fits);
    // The pipeline's bits per weight are those of the bitmask and the scales.
    CHECK_THAT(entry(coded, "bitmask").bitsPerWeight + coded.scaleBits,
               WithinAbs(free.cost.bitsPerWeight(), 1e-12));
}
