// SPDX-License-Identifier: Apache-2.0
#include "core/stats/tensor_stats.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <mutex>

#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/stats/code_table.hpp"
#include "core/stats/element_reader.hpp"
#include "core/stats/ordered_merge.hpp"
#include "core/stats/scan_chunk.hpp"

namespace loupe {

namespace {

constexpr std::size_t kWaitingChunks = 8;
constexpr std::uint64_t kReleaseBytes = std::uint64_t{4} << 20;
/// Fourth powers of values within these bounds neither overflow nor vanish in double.
constexpr double kLargest = 0x1p200;
constexpr double kSmallest = 0x1p-200;

/// Median of up to 128 finite values, 8 in a row at 16 places spread over the tensor: close to the bulk whatever the
/// outliers. Few places, since each touches a large page of a mapped file.
Result<double> pivotOf(const ElementReader& reader) {
    constexpr std::int64_t kPlaces = 16;
    constexpr std::int64_t kInARow = 8;
    const std::int64_t cols = reader.source->cols();
    const std::int64_t count = reader.source->rows() * cols;
    const std::int64_t places = std::min(kPlaces, (count + kInARow - 1) / kInARow);
    std::vector<double> sample;
    std::vector<double> row(reader.raw ? kInARow : static_cast<std::size_t>(cols));
    for (std::int64_t i = 0; i < places; ++i) {
        const std::int64_t first = places == 1 ? 0 : count / places * i;
        const std::int64_t size = std::min({kInARow, count - first, cols - first % cols});
        const double* values = row.data();
        if (reader.raw) {
            decodeElements(*reader.raw->type, reader.raw->bytes, first, size, row.data());
        } else {
            if (const Result<void> read = reader.source->read(first / cols, 1, row.data()); !read) {
                return fail(read.error());
            }
            values += first % cols;
        }
        std::copy_if(values, values + size, std::back_inserter(sample), [](double x) { return std::isfinite(x); });
    }
    reader.source->release(0, reader.source->rows());
    if (sample.empty()) {
        return 0.0;
    }
    const auto middle = sample.begin() + static_cast<std::ptrdiff_t>(sample.size() / 2);
    std::nth_element(sample.begin(), middle, sample.end());
    return *middle;
}

class Pass {
public:
    Pass(const RowSource& source, const ElementReader& reader, const JobContext& ctx, TensorStats& stats)
        : source_(source),
          reader_(reader),
          ctx_(ctx),
          stats_(stats),
          grid_(source.rows(), source.cols(), !reader.raw),
          scanner_(reader) {}

    Result<void> run(double pivot, double scale) {
        reset();
        merge_.restart();
        scanner_.pivot = pivot;
        scanner_.scale = scale;
        ctx_.setTotal(static_cast<std::uint64_t>(source_.rows()));
        // Cancellation is looked for in scan(), which lets go whoever waits for the chunk.
        parallelFor(grid_.chunks, 1, {}, [&](std::int64_t chunk, std::int64_t, std::int64_t) { scan(chunk); });
        if (error_) {
            return fail(*error_);
        }
        source_.release(released_, source_.rows() - released_);
        return {};
    }

    CountLease& counts() { return scanner_.counts; }
    [[nodiscard]] const ChunkTotals& totals() const { return totals_; }

private:
    void reset() {
        const auto rows = static_cast<std::size_t>(source_.rows());
        const auto cols = static_cast<std::size_t>(source_.cols());
        stats_.rowRanges = emptyRanges(rows);
        stats_.colRanges = emptyRanges(cols);
        totals_ = {};
        released_ = 0;
        scanner_.counts.clear();
    }

    [[nodiscard]] ChannelRanges emptyRanges(std::size_t count) const {
        constexpr float kInf = std::numeric_limits<float>::infinity();
        ChannelRanges ranges;
        ranges.min.assign(count, kInf);
        ranges.max.assign(count, -kInf);
        ranges.absmax.assign(count, 0);
        ranges.sumSquares.assign(count, 0);
        if (reader_.path == ElementPath::Double) {
            ranges.wideAbsmax.assign(count, 0);
        }
        return ranges;
    }

    void scan(std::int64_t chunk) {
        std::unique_ptr<ChunkPartial> partial;
        try {
            ctx_.checkpoint();
            partial = merge_.acquire();
            partial->place = grid_.place(chunk, source_.rows(), source_.cols());
            if (const Result<void> done = scanner_.scan(*partial); !done) {
                const std::scoped_lock lock(errorMutex_);
                if (!error_ || chunk < errorChunk_) {
                    error_ = done.error();
                    errorChunk_ = chunk;
                }
            }
        } catch (...) {
            merge_.abandon();
            throw;
        }
        merge_.deliver(chunk, std::move(partial), [this](const ChunkPartial& part) { take(part); });
    }

    /// Plain loops over pointers, which compilers turn into vectors.
    static void takeRange(ChannelRanges& into, std::int64_t first, const ChannelPartial& part) {
        const std::size_t count = part.min.size();
        const double* const low = part.min.data();
        const double* const high = part.max.data();
        float* const min = into.min.data() + first;
        float* const max = into.max.data() + first;
        float* const absmax = into.absmax.data() + first;
        for (std::size_t i = 0; i < count; ++i) {
            const auto least = static_cast<float>(low[i]);
            const auto most = static_cast<float>(high[i]);
            const float top = magnitudeOf(-least, most);
            min[i] = least < min[i] ? least : min[i];
            max[i] = most > max[i] ? most : max[i];
            absmax[i] = top > absmax[i] ? top : absmax[i];
        }
        double* const squares = into.sumSquares.data() + first;
        const double* const more = part.squares.data();
        for (std::size_t i = 0; i < count; ++i) {
            squares[i] += more[i];
        }
        if (!into.wideAbsmax.empty()) {
            double* const wide = into.wideAbsmax.data() + first;
            for (std::size_t i = 0; i < count; ++i) {
                wide[i] = std::max(wide[i], magnitudeOf(-low[i], high[i]));
            }
        }
    }

    /// The largest magnitude between -a and b; 0 where nothing was seen, and both are minus infinity.
    template <class T>
    static T magnitudeOf(T a, T b) {
        const T top = a > b ? a : b;
        return top > 0 ? top : T{0};
    }

    /// Called in the order of the chunks, by one thread at a time.
    void take(const ChunkPartial& part) {
        takeRange(stats_.rowRanges, part.place.row, part.rows);
        takeRange(stats_.colRanges, part.place.col, part.cols);
        totals_.add(part.totals);
        if (part.place.col + part.place.cols < source_.cols()) {
            return;
        }
        ctx_.advance(static_cast<std::uint64_t>(part.place.rows));
        const std::int64_t done = part.place.row + part.place.rows;
        const std::uint64_t rowBytes = static_cast<std::uint64_t>(source_.cols()) * (reader_.raw ? static_cast<std::uint64_t>(reader_.raw->type->bits) : 32U) / 8U + 1U;
        if (static_cast<std::uint64_t>(done - released_) * rowBytes >= kReleaseBytes) {
            source_.release(released_, done - released_);
            released_ = done;
        }
    }

    const RowSource& source_;
    const ElementReader& reader_;
    const JobContext& ctx_;
    TensorStats& stats_;
    ChunkGrid grid_;
    ChunkScanner scanner_;
    OrderedMerge<ChunkPartial> merge_{kWaitingChunks};
    ChunkTotals totals_;
    std::int64_t released_ = 0;
    std::mutex errorMutex_;
    std::optional<Error> error_;
    std::int64_t errorChunk_ = 0;
};

void finishFromTotals(TensorStats& stats, const ChunkTotals& totals, double pivot, double scale) {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    stats.nan = totals.nan;
    stats.inf = totals.inf;
    stats.zeros = totals.zeros;
    const bool any = stats.finite() != 0;
    stats.min = any ? totals.min : kNan;
    stats.max = any ? totals.max : kNan;
    stats.absmax = any ? std::max(std::fabs(totals.min), std::fabs(totals.max)) : kNan;
    if (!any) {
        stats.mean = stats.std = stats.skewness = stats.kurtosis = kNan;
        return;
    }
    const auto n = static_cast<double>(stats.finite());
    setMoments(stats, pivot, {totals.powers[0] / n, totals.powers[1] / n, totals.powers[2] / n, totals.powers[3] / n}, scale);
}

}  // namespace

Result<TensorStats> computeStats(const RowSource& source, const JobContext& ctx) {
    TensorStats stats;
    stats.rows = source.rows();
    stats.cols = source.cols();
    stats.count = static_cast<std::uint64_t>(stats.rows) * static_cast<std::uint64_t>(stats.cols);
    const ElementReader reader(source);
    double pivot = 0;
    if (reader.path != ElementPath::Codes) {
        const Result<double> found = pivotOf(reader);
        if (!found) {
            return fail(found.error());
        }
        pivot = *found;
    }
    Pass pass(source, reader, ctx, stats);
    double scale = 1;
    if (const Result<void> done = pass.run(pivot, scale); !done) {
        return fail(done.error());
    }
    if (reader.path == ElementPath::Codes) {
        statsFromCounts(codeTable(*reader.raw->type), pass.counts().total(), stats);
        return stats;
    }
    const double top = std::max(std::fabs(pass.totals().min), std::fabs(pass.totals().max));
    if (std::isfinite(top) && top != 0 && (top > kLargest || top < kSmallest)) {
        scale = std::ldexp(1.0, std::clamp(-std::ilogb(top), -1000, 1000));
        if (const Result<void> done = pass.run(pivot, scale); !done) {
            return fail(done.error());
        }
    }
    finishFromTotals(stats, pass.totals(), pivot, scale);
    stats.values = binnedCounts(reader.path, pass.counts().total(), stats);
    return stats;
}

double TensorStats::crestFactor() const {
    if (finite() == 0) {
        return std::numeric_limits<double>::quiet_NaN();
    }
    return absmax / std::hypot(mean, std);
}

namespace {

std::vector<double> absmaxOf(const ChannelRanges& ranges) {
    return ranges.wideAbsmax.empty() ? std::vector<double>(ranges.absmax.begin(), ranges.absmax.end()) : ranges.wideAbsmax;
}

double medianOf(std::vector<double> values) {
    if (values.empty()) {
        return std::numeric_limits<double>::quiet_NaN();
    }
    const auto half = static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), values.begin() + half, values.end());
    const double upper = values[static_cast<std::size_t>(half)];
    if (values.size() % 2 != 0) {
        return upper;
    }
    const double lower = *std::max_element(values.begin(), values.begin() + half);
    return lower + (upper - lower) / 2;
}

}  // namespace

double TensorStats::medianChannelAbsmax(bool inputs) const { return medianOf(absmaxOf(inputs ? colRanges : rowRanges)); }

std::vector<OutlierChannel> TensorStats::outliers(bool inputs, std::size_t most) const {
    const std::vector<double> top = absmaxOf(inputs ? colRanges : rowRanges);
    const double median = medianOf(top);
    std::vector<std::int64_t> order(top.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        order[i] = static_cast<std::int64_t>(i);
    }
    const auto shown = static_cast<std::ptrdiff_t>(std::min(most, order.size()));
    std::partial_sort(order.begin(), order.begin() + shown, order.end(), [&](std::int64_t a, std::int64_t b) {
        const double x = top[static_cast<std::size_t>(a)];
        const double y = top[static_cast<std::size_t>(b)];
        return x > y || (x == y && a < b);
    });
    std::vector<OutlierChannel> result;
    for (std::ptrdiff_t i = 0; i < shown; ++i) {
        const std::int64_t index = order[static_cast<std::size_t>(i)];
        const double absmaxOfChannel = top[static_cast<std::size_t>(index)];
        result.push_back({index, absmaxOfChannel, absmaxOfChannel / median});
    }
    return result;
}

}  // namespace loupe
