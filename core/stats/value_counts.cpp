// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>

#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/stats/bin_rule.hpp"
#include "core/stats/element_reader.hpp"
#include "core/stats/scan_chunk.hpp"
#include "core/stats/tensor_stats.hpp"

namespace loupe {

namespace {

template <class T>
T loadAs(const unsigned char* p) {
    T x;
    std::memcpy(&x, p, sizeof x);
    return x;
}

/// Calls body(bytes, count) for all elements as T, in parallel and in any order; bytes may be unaligned.
template <class T, class Body>
Result<void> forEachRun(const ElementReader& reader, const JobContext& ctx, const Body& body) {
    const std::int64_t rows = reader.source->rows();
    const std::int64_t cols = reader.source->cols();
    const ChunkGrid grid(rows, cols, !reader.raw);
    std::mutex mutex;
    std::optional<Error> error;
    ctx.setTotal(static_cast<std::uint64_t>(grid.chunks));
    parallelFor(grid.chunks, 1, ctx, [&](std::int64_t chunk, std::int64_t, std::int64_t) {
        const ChunkGrid::Place place = grid.place(chunk, rows, cols);
        if (reader.direct) {
            const auto* data = reinterpret_cast<const unsigned char*>(reader.raw->bytes.data());
            const auto size = static_cast<std::int64_t>(sizeof(T));
            const std::int64_t first = place.row * cols + place.col;
            const bool together = place.cols == cols;
            for (std::int64_t r = 0; r < (together ? 1 : place.rows); ++r) {
                body(data + (first + r * cols) * size, together ? place.rows * cols : place.cols);
            }
            // Memory stays bounded, as in the first pass.
            if (place.col + place.cols == cols) {
                reader.source->release(place.row, place.rows);
            }
        } else {
            std::vector<T> buffer(static_cast<std::size_t>(place.rows * place.cols));
            if (const Result<void> read = reader.read(place.row, place.rows, place.col, place.cols, buffer.data()); !read) {
                const std::scoped_lock lock(mutex);
                error = read.error();
                return;
            }
            body(reinterpret_cast<const unsigned char*>(buffer.data()), place.rows * place.cols);
        }
        ctx.advance(1);
    });
    return error ? Result<void>(fail(*error)) : Result<void>();
}

// --- quantiles ----------------------------------------------------------------------------------------------------

struct FloatBits {
    using Value = float;
    using Bits = std::uint32_t;
    static constexpr int kWidth = 32;
    static constexpr int kShift = kFloatShift;
};
struct DoubleBits {
    using Value = double;
    using Bits = std::uint64_t;
    static constexpr int kWidth = 64;
    static constexpr int kShift = kDoubleShift;
};

/// Bits whose unsigned order is the order of the values.
template <class F>
typename F::Bits keyOf(typename F::Bits bits) {
    constexpr auto kSign = static_cast<typename F::Bits>(typename F::Bits{1} << (F::kWidth - 1));
    return (bits & kSign) != 0 ? static_cast<typename F::Bits>(~bits) : static_cast<typename F::Bits>(bits | kSign);
}
template <class F>
double valueOf(typename F::Bits key) {
    constexpr auto kSign = static_cast<typename F::Bits>(typename F::Bits{1} << (F::kWidth - 1));
    const auto bits = (key & kSign) != 0 ? static_cast<typename F::Bits>(key & ~kSign) : static_cast<typename F::Bits>(~key);
    return static_cast<double>(std::bit_cast<typename F::Value>(bits));
}

/// A rank (0-based) among the finite values whose key begins with `prefix`: `known` leading bits.
struct Rank {
    std::uint64_t rank = 0;
    std::uint64_t prefix = 0;
};

constexpr int kRadixBits = 16;
using RadixCounts = std::map<std::uint64_t, std::vector<std::uint64_t>>;

/// Counts of the next radixBits bits for each wanted prefix.
template <class F>
Result<RadixCounts> countNext(const ElementReader& reader, const std::vector<Rank>& ranks, int known, int radixBits, const JobContext& ctx) {
    RadixCounts total;
    for (const Rank& rank : ranks) {
        total[rank.prefix].resize(std::size_t{1} << radixBits);
    }
    std::mutex mutex;
    const int rest = F::kWidth - known;
    const auto mask = (typename F::Bits{1} << radixBits) - 1;
    // A bitmap over hashed prefixes turns nearly all elements away before the exact search.
    std::vector<std::uint8_t> maybe(std::size_t{1} << kRadixBits);
    for (const auto& [prefix, counts] : total) {
        maybe[prefix & 0xffffU] = 1;
    }
    const Result<void> done = forEachRun<typename F::Value>(reader, ctx, [&](const unsigned char* data, std::int64_t count) {
        std::map<std::uint64_t, std::vector<std::uint32_t>> hits;
        for (std::int64_t i = 0; i < count; ++i) {
            const auto key = keyOf<F>(loadAs<typename F::Bits>(data + i * static_cast<std::int64_t>(sizeof(typename F::Bits))));
            const std::uint64_t prefix = key >> rest;
            if (maybe[prefix & 0xffffU] == 0) {
                continue;
            }
            const auto found = total.find(prefix);
            if (found != total.end()) {
                hits[prefix].push_back(static_cast<std::uint32_t>((key >> (rest - radixBits)) & mask));
            }
        }
        const std::scoped_lock lock(mutex);
        for (const auto& [prefix, codes] : hits) {
            std::vector<std::uint64_t>& counts = total[prefix];
            for (const std::uint32_t code : codes) {
                ++counts[code];
            }
        }
    });
    if (!done) {
        return fail(done.error());
    }
    return total;
}

/// Exact values of sorted ranks by radix selection from the binned counts on.
template <class F>
Result<std::vector<double>> select(const ElementReader& reader, const TensorStats& stats, const std::vector<std::uint64_t>& wanted, const JobContext& ctx) {
    std::vector<Rank> ranks;
    std::uint64_t before = 0;
    std::size_t next = 0;
    const ValueCounts& bins = stats.values;
    for (std::size_t i = 0; i < bins.values.size() && next < wanted.size();) {
        const auto prefixAt = [&](std::size_t k) {
            const auto value = static_cast<typename F::Value>(bins.values[k]);
            return keyOf<F>(std::bit_cast<typename F::Bits>(value)) >> F::kShift;
        };
        const auto prefix = prefixAt(i);
        std::uint64_t count = 0;
        for (; i < bins.values.size() && prefixAt(i) == prefix; ++i) {
            count += bins.counts[i];
        }
        for (; next < wanted.size() && wanted[next] < before + count; ++next) {
            ranks.push_back({wanted[next] - before, prefix});
        }
        before += count;
    }
    LOUPE_ASSERT(ranks.size() == wanted.size(), "a rank below the number of finite values");
    for (int known = F::kWidth - F::kShift; known < F::kWidth;) {
        const int radixBits = std::min(kRadixBits, F::kWidth - known);
        const Result<RadixCounts> counted = countNext<F>(reader, ranks, known, radixBits, ctx);
        if (!counted) {
            return fail(counted.error());
        }
        for (Rank& rank : ranks) {
            const std::vector<std::uint64_t>& counts = counted->at(rank.prefix);
            std::size_t code = 0;
            while (code + 1 < counts.size() && rank.rank >= counts[code]) {
                rank.rank -= counts[code++];
            }
            rank.prefix = rank.prefix << radixBits | code;
        }
        known += radixBits;
    }
    std::vector<double> values;
    for (const Rank& rank : ranks) {
        values.push_back(valueOf<F>(static_cast<typename F::Bits>(rank.prefix)));
    }
    return values;
}

std::vector<double> selectFromCounts(const ValueCounts& counts, const std::vector<std::uint64_t>& wanted) {
    std::vector<double> values;
    std::uint64_t before = 0;
    std::size_t i = 0;
    for (const std::uint64_t rank : wanted) {
        while (i + 1 < counts.values.size() && rank >= before + counts.counts[i]) {
            before += counts.counts[i++];
        }
        values.push_back(counts.values[i]);
    }
    return values;
}

}  // namespace

Histogram ValueCounts::rebin(double low, double high, int bins) const {
    LOUPE_ASSERT(bins > 0, "a histogram has bins");
    Histogram histogram;
    histogram.counts.resize(static_cast<std::size_t>(bins));
    if (!(low <= high)) {
        histogram.min = low;
        histogram.max = high;
        return histogram;
    }
    const BinRule rule(low, high, bins);
    histogram.min = rule.low();
    histogram.max = rule.high();
    const auto first = std::lower_bound(values.begin(), values.end(), rule.low());
    for (auto i = static_cast<std::size_t>(first - values.begin()); i < values.size() && values[i] <= rule.high(); ++i) {
        if (const int bin = rule.find(values[i]); bin >= 0) {
            histogram.counts[static_cast<std::size_t>(bin)] += counts[i];
        }
    }
    return histogram;
}

Result<std::vector<double>> exactQuantiles(const RowSource& source,
                                           const TensorStats& stats,
                                           std::span<const double> q,
                                           const JobContext& ctx) {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    std::vector<double> result(q.size(), kNan);
    const std::uint64_t n = stats.finite();
    if (n == 0) {
        return result;
    }
    std::vector<std::uint64_t> wanted;
    const auto positionOf = [&](double quantile) { return std::clamp(quantile, 0.0, 1.0) * static_cast<double>(n - 1); };
    for (const double quantile : q) {
        const auto low = static_cast<std::uint64_t>(positionOf(quantile));
        wanted.push_back(std::min(low, n - 1));
        wanted.push_back(std::min(low + 1, n - 1));
    }
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    std::vector<double> values;
    if (stats.values.exact) {
        values = selectFromCounts(stats.values, wanted);
    } else {
        const ElementReader reader(source);
        Result<std::vector<double>> found = reader.path == ElementPath::Double ? select<DoubleBits>(reader, stats, wanted, ctx)
                                                                               : select<FloatBits>(reader, stats, wanted, ctx);
        if (!found) {
            return fail(found.error());
        }
        values = std::move(*found);
    }
    const auto valueAt = [&](std::uint64_t rank) {
        return values[static_cast<std::size_t>(std::lower_bound(wanted.begin(), wanted.end(), rank) - wanted.begin())];
    };
    for (std::size_t i = 0; i < q.size(); ++i) {
        const double position = positionOf(q[i]);
        const std::uint64_t low = std::min(static_cast<std::uint64_t>(position), n - 1);
        const double t = position - static_cast<double>(low);
        const double a = valueAt(low);
        const double b = valueAt(std::min(low + 1, n - 1));
        // From the nearer end, as NumPy does: exact at both.
        result[i] = t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t);
    }
    return result;
}

Result<Histogram> exactHistogram(const RowSource& source, double low, double high, int bins, const TensorStats* stats, const JobContext& ctx) {
    LOUPE_ASSERT(bins > 0, "a histogram has bins");
    const ElementReader reader(source);
    if (stats != nullptr && stats->values.exact) {
        return stats->values.rebin(low, high, bins);
    }
    if (reader.path == ElementPath::Codes) {
        const Result<TensorStats> counted = computeStats(source, ctx);
        if (!counted) {
            return fail(counted.error());
        }
        return counted->values.rebin(low, high, bins);
    }
    Histogram histogram = ValueCounts{}.rebin(low, high, bins);
    if (!(low <= high)) {
        return histogram;
    }
    const BinRule rule(low, high, bins);
    std::mutex mutex;
    const auto count = [&](auto zero) {
        using Value = decltype(zero);
        return forEachRun<Value>(reader, ctx, [&](const unsigned char* data, std::int64_t size) {
            std::vector<std::uint64_t> local(static_cast<std::size_t>(bins) + 1);
            for (std::int64_t i = 0; i < size; ++i) {
                const auto x = static_cast<double>(loadAs<Value>(data + i * static_cast<std::int64_t>(sizeof(Value))));
                ++local[static_cast<std::size_t>(rule.find(x) + 1)];
            }
            const std::scoped_lock lock(mutex);
            for (std::size_t b = 0; b < histogram.counts.size(); ++b) {
                histogram.counts[b] += local[b + 1];
            }
        });
    };
    const Result<void> done = reader.path == ElementPath::Double ? count(0.0) : count(0.0F);
    if (!done) {
        return fail(done.error());
    }
    return histogram;
}

}  // namespace loupe
