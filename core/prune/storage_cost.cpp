// SPDX-License-Identifier: Apache-2.0
#include "core/prune/storage_cost.hpp"

#include "core/scheme/masked_matrix.hpp"

#include <algorithm>
#include <array>

namespace loupe {

namespace {

constexpr double kRowEndBits = 32;

double indexWidth(SparseLayout layout) {
    return layout == SparseLayout::Csr16 ? 16 : 32;
}

double rowEnds(std::int64_t cols) {
    return cols > 0 ? kRowEndBits / static_cast<double>(cols) : 0;
}

/// Over a row of `cols`, whose last group may be shorter.
double patternBits(double valueBits, std::int64_t cols, const SparsePattern& pattern) {
    const double stored = valueBits + placeBitCount(pattern.block);
    return cols > 0
               ? stored * static_cast<double>(storedPerRow(cols, pattern)) /
                     static_cast<double>(cols)
               : stored * static_cast<double>(pattern.keep) / static_cast<double>(pattern.block);
}

/// The first group that keeps more than the pattern lets it: "row 0, columns 4 to 7 keep 3".
/// Empty: none does.
std::string brokenGroup(const BitMask& mask, const SparsePattern& pattern) {
    for (std::int64_t row = 0; row < mask.rows(); ++row) {
        for (std::int64_t first = 0; first < mask.cols(); first += pattern.block) {
            const std::int64_t end = std::min(first + pattern.block, mask.cols());
            std::int64_t kept = 0;
            for (std::int64_t col = first; col < end; ++col) {
                kept += mask.kept(row, col) ? 1 : 0;
            }
            if (kept > pattern.keep) {
                return "row " + std::to_string(row) + ", columns " + std::to_string(first) +
                       " to " + std::to_string(end - 1) + " keep " + std::to_string(kept);
            }
        }
    }
    return {};
}

}  // namespace

double storageBits(SparseLayout layout,
                   double valueBits,
                   double density,
                   std::int64_t cols,
                   const SparsePattern& pattern) {
    switch (layout) {
        case SparseLayout::Dense:
            break;
        case SparseLayout::Bitmask:
            return valueBits * density + 1;
        case SparseLayout::Csr16:
        case SparseLayout::Csr32:
            return (valueBits + indexWidth(layout)) * density + rowEnds(cols);
        case SparseLayout::Pattern:
            return patternBits(valueBits, cols, pattern);
    }
    return valueBits;
}

std::optional<double> breakEvenSparsity(SparseLayout layout, double valueBits, std::int64_t cols) {
    switch (layout) {
        case SparseLayout::Bitmask:
            return 1 / valueBits;
        case SparseLayout::Csr16:
        case SparseLayout::Csr32:
            return (indexWidth(layout) + rowEnds(cols)) / (valueBits + indexWidth(layout));
        case SparseLayout::Dense:
        case SparseLayout::Pattern:
            break;
    }
    return std::nullopt;
}

StorageTable storageTable(const BitMask& mask, double valueBits, double scaleBits) {
    StorageTable table;
    table.valueBits = valueBits;
    table.scaleBits = scaleBits;
    table.kept = mask.count();
    const auto all = static_cast<double>(mask.rows() * mask.cols());
    table.density = all > 0 ? static_cast<double>(table.kept) / all : 1;
    const std::array<StorageEntry, 6> layouts{{{"dense", SparseLayout::Dense},
                                               {"bitmask", SparseLayout::Bitmask},
                                               {"csr16", SparseLayout::Csr16},
                                               {"csr32", SparseLayout::Csr32},
                                               {"2:4", SparseLayout::Pattern, {2, 4}},
                                               {"4:8", SparseLayout::Pattern, {4, 8}}}};
    constexpr std::int64_t kColumnsOf16Bits = 65536;
    for (StorageEntry entry : layouts) {
        entry.bitsPerWeight =
            storageBits(entry.layout, valueBits, table.density, mask.cols(), entry.pattern);
        entry.ratio = entry.bitsPerWeight / valueBits;
        entry.breakEven = breakEvenSparsity(entry.layout, valueBits, mask.cols());
        if (entry.layout == SparseLayout::Csr16) {
            entry.fits = mask.cols() <= kColumnsOf16Bits;
            entry.why = entry.fits ? "" : "more than 65536 columns: 16-bit indices do not reach";
        } else if (entry.layout == SparseLayout::Pattern) {
            entry.fits = followsPattern(mask, entry.pattern);
            entry.why = entry.fits ? std::string() : brokenGroup(mask, entry.pattern);
        }
        table.entries.push_back(std::move(entry));
    }
    return table;
}

Result<std::optional<StorageTable>> storageTable(const QuantizedMatrix& weights,
                                                 int storedBits,
                                                 const JobContext& ctx) {
    if (!weights.hasMask()) {
        return std::optional<StorageTable>{};
    }
    BitMask mask(weights.rows(), weights.cols(), false);
    std::vector<std::uint8_t> kept(static_cast<std::size_t>(weights.cols()));
    for (std::int64_t row = 0; row < weights.rows(); ++row) {
        ctx.checkpoint();
        if (Result<void> done = weights.mask(row, 1, kept.data()); !done) {
            return fail(done.error());
        }
        for (std::int64_t col = 0; col < weights.cols(); ++col) {
            mask.set(row, col, kept[static_cast<std::size_t>(col)] != 0);
        }
    }
    const double bits = weights.hasCodes() ? weights.codeBits() : storedBits;
    const auto all = static_cast<double>(weights.rows() * weights.cols());
    double scaleBits = 0;
    if (weights.scales() != nullptr && all > 0) {
        scaleBits += 16 * static_cast<double>(weights.scales()->values.size()) / all;
    }
    if (weights.zeroPoints() != nullptr && all > 0) {
        scaleBits += bits * static_cast<double>(weights.zeroPoints()->values.size()) / all;
    }
    return std::optional<StorageTable>(storageTable(mask, bits, scaleBits));
}

}  // namespace loupe
