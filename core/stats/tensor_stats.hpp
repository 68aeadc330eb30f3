// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/io/tensor_source.hpp"

namespace loupe {

struct Histogram {
    double min = 0;  ///< lower edge of bin 0
    double max = 0;  ///< upper edge of the last bin, which is closed
    std::vector<std::uint64_t> counts;
};

/// Sorted distinct values with counts, exact for formats of at most 16 bits (one entry per bit pattern that occurs).
/// For wider formats a fine logarithmic binning that knows each bin's exact count, and the exact extremes.
/// Re-bins to any window in microseconds: what the histogram view zooms in.
class ValueCounts {
public:
    /// Finite values in ascending order with their counts. `exact` false: `values` are bin centres.
    std::vector<double> values;
    std::vector<std::uint64_t> counts;
    bool exact = false;

    /// Counts in `bins` equal bins of [low, high]; values outside are not counted. The last bin is closed.
    [[nodiscard]] Histogram rebin(double low, double high, int bins) const;
};

/// Per-row or per-column ranges over finite values; a channel without finite values has min > max.
struct ChannelRanges {
    std::vector<float> min;
    std::vector<float> max;
    std::vector<float> absmax;
    std::vector<double> sumSquares;  ///< RMS = sqrt(sumSquares / finite count)
    /// Only for data wider than FP32, whose extremes may not fit a float: absmax as it is (0 for a channel without
    /// finite values). The float vectors then hold rounded values.
    std::vector<double> wideAbsmax;
};

struct OutlierChannel {
    std::int64_t index = 0;
    double absmax = 0;
    double ratio = 0;  ///< absmax over the median channel's
};

/// Exact statistics of a whole tensor, from one fused pass. Population moments over finite values.
struct TensorStats {
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::uint64_t count = 0;  ///< all values
    std::uint64_t nan = 0;
    std::uint64_t inf = 0;
    std::uint64_t zeros = 0;  ///< +0 and -0
    double min = 0, max = 0, absmax = 0;  ///< of finite values; NaN where there are none, as are the moments
    double mean = 0, std = 0, skewness = 0, kurtosis = 0;  ///< excess kurtosis; NaN where undefined (constant)
    ChannelRanges rowRanges;  ///< output channels
    ChannelRanges colRanges;  ///< input channels
    ValueCounts values;

    /// Channels by absmax over the median channel's, largest first (ties: lower index).
    [[nodiscard]] std::vector<OutlierChannel> outliers(bool inputs, std::size_t most) const;
    /// absmax of the median channel (even count: mean of the two middle ones).
    [[nodiscard]] double medianChannelAbsmax(bool inputs) const;
    [[nodiscard]] std::uint64_t finite() const { return count - nan - inf; }
    /// absmax / RMS.
    [[nodiscard]] double crestFactor() const;
};

/// Statistics of a whole tensor; NaN and infinities are counted and left out.
///
/// Stored types of at most 16 bits: from the exact counts of their bit patterns. Others: sums of powers of x - pivot in
/// double, the pivot being the median of a sample of the tensor, so that a large mean costs no digits. Values beyond
/// 2^±200 (FP64 only) are scaled by a power of two in a second pass, so that fourth powers neither overflow nor vanish;
/// sumSquares of a channel is not scaled and may be inf.
/// @cost one pass over the bytes; memory O(rows + cols + 64 Ki) for each thread
/// Results are bit-identical for any number of threads.
[[nodiscard]] Result<TensorStats> computeStats(const RowSource& source, const JobContext& ctx = {});

/// Exact quantiles (linear interpolation, as numpy.percentile) of the finite values; q in [0, 1].
/// @cost a second pass at most for formats wider than 16 bits; memory bounded
[[nodiscard]] Result<std::vector<double>> exactQuantiles(const RowSource& source,
                                                         const TensorStats& stats,
                                                         std::span<const double> q,
                                                         const JobContext& ctx = {});

/// Exact counts in `bins` equal bins from low to high (numpy.histogram's rule: edge i = low + i·(high-low)/bins).
[[nodiscard]] Result<Histogram> exactHistogram(const RowSource& source,
                                               double low,
                                               double high,
                                               int bins,
                                               const TensorStats* stats = nullptr,
                                               const JobContext& ctx = {});

}  // namespace loupe
