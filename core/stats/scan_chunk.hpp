// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "core/stats/element_reader.hpp"
#include "core/stats/stats_kernels.hpp"
#include "core/stats/tensor_stats.hpp"

namespace loupe {

/// Ranges of consecutive channels within one chunk.
struct ChannelPartial {
    std::vector<double> min, max, squares;
    void reset(std::int64_t count);
    void see(std::size_t index, double x) {
        min[index] = x < min[index] ? x : min[index];
        max[index] = x > max[index] ? x : max[index];
        squares[index] += x * x;
    }
};

/// What belongs to the tensor as a whole.
struct ChunkTotals {
    double min = std::numeric_limits<double>::infinity();
    double max = -std::numeric_limits<double>::infinity();
    std::uint64_t nan = 0, inf = 0, zeros = 0;
    std::array<double, 4> powers{};  ///< sums of ((x - pivot)·scale)^k
    void add(const ChunkTotals& other);
};

struct ChunkPartial {
    ChunkGrid::Place place{};
    ChannelPartial rows, cols;
    ChunkTotals totals;
};

/// Tables of counts, one for each thread that is counting; integers, so the order of adding them does not matter.
class CountLease {
public:
    explicit CountLease(std::size_t bins) : bins_(bins) {}

    struct Tables {
        std::vector<std::uint32_t> even, odd;
        std::uint64_t seen = 0;  ///< since the last flush; bounds every count
    };
    [[nodiscard]] std::unique_ptr<Tables> take();
    void give(std::unique_ptr<Tables> tables);
    /// The sum of all tables. Nothing may be counting.
    [[nodiscard]] const std::vector<std::uint64_t>& total();
    void clear();

private:
    void flush(Tables& tables);

    std::size_t bins_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<Tables>> idle_;
    std::vector<std::uint64_t> total_;
};

/// Scans one chunk at a time; any number of threads at once.
class ChunkScanner {
public:
    explicit ChunkScanner(const ElementReader& reader);

    /// Fills everything of `partial` but its place, and counts.
    [[nodiscard]] Result<void> scan(ChunkPartial& partial);

    double pivot = 0;
    double scale = 1;
    CountLease counts;

private:
    const ElementReader& reader_;
    const StatsKernels& kernels_ = statsKernels();
};

/// Number of bins that a path counts: codes, or the upper bits of a float (sign, exponent, 7 bits of the fraction).
[[nodiscard]] std::size_t countBins(const ElementReader& reader);
inline constexpr int kDoubleShift = 45;  ///< of a double's bits to its bin
inline constexpr int kFloatShift = 16;

/// Values (bin centres) and counts from the binned counts of the Float and Double paths.
[[nodiscard]] ValueCounts binnedCounts(ElementPath path, const std::vector<std::uint64_t>& counts, const TensorStats& stats);

}  // namespace loupe
