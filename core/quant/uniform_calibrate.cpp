// SPDX-License-Identifier: Apache-2.0
// Where the scales of a UniformMatrix come from: one streamed pass where the range needs only
// extremes, more where a rule searches. Never a copy of the tensor.
#include "core/base/worker_pool.hpp"
#include "core/quant/first_error.hpp"
#include "core/quant/range_search.hpp"
#include "core/quant/uniform.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <mutex>

namespace loupe {

namespace {

Error notFinite(double value, std::int64_t row, std::int64_t col) {
    const std::string kind = std::isnan(value) ? "NaN" : "infinite value";
    return Error{ErrorCode::Invalid,
                 kind + " at row " + std::to_string(row) + ", column " + std::to_string(col) +
                     ": a scheme needs finite values",
                 {},
                 {}};
}

/// Calls body(firstRow, rowCount, values, chunk) on decoded chunks of rows [first, last), in
/// parallel. `first` is a multiple of the rows per chunk: chunks lie as in a pass over all rows.
template <class T, class Body>
Result<void> forRowsBetween(std::int64_t first,
                            std::int64_t last,
                            const RowSource& source,
                            const JobContext& ctx,
                            const Body& body,
                            std::int64_t weights = 65536) {
    FirstError errors;
    const std::int64_t cols = source.cols();
    const std::int64_t step = rowsPerChunk(cols, weights);
    parallelFor(
        last - first, step, ctx, [&](std::int64_t from, std::int64_t to, std::int64_t index) {
            const std::int64_t begin = first + from;
            const std::int64_t end = first + to;
            const std::int64_t chunk = first / step + index;
            std::vector<T> values(static_cast<std::size_t>((end - begin) * cols));
            Result<void> done = source.read(begin, end - begin, values.data());
            if (done) {
                done = body(begin, end - begin, std::span<const T>(values), chunk);
            }
            if (!done) {
                errors.report(chunk, done.error());
            }
            ctx.advance(static_cast<std::uint64_t>((end - begin) * cols));
        });
    return errors.result();
}

template <class T, class Body>
Result<void> forRows(const RowSource& source,
                     const JobContext& ctx,
                     const Body& body,
                     std::int64_t weights = 65536) {
    return forRowsBetween<T>(0, source.rows(), source, ctx, body, weights);
}

std::int64_t chunkCount(const RowSource& source) {
    const std::int64_t step = rowsPerChunk(source.cols());
    return (source.rows() + step - 1) / step;
}

/// Keys that order |x| as integers: the bits without the sign.
std::uint64_t magnitudeKey(float x) {
    return std::bit_cast<std::uint32_t>(x) & 0x7fffffffU;
}
std::uint64_t magnitudeKey(double x) {
    return std::bit_cast<std::uint64_t>(x) & 0x7fffffffffffffffULL;
}
double fromKey(float, std::uint64_t key) {
    return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(key)));
}
double fromKey(double, std::uint64_t key) {
    return std::bit_cast<double>(key);
}

/// The value of rank `rank` among |x|, by 16 bits of the key a pass: exact, 512 KiB of counters, no
/// copy of the tensor.
template <class T>
Result<double> magnitudeOfRank(const RowSource& source, std::uint64_t rank, const JobContext& ctx) {
    constexpr int kDigit = 16;
    std::uint64_t prefix = 0;
    for (int shift = static_cast<int>(sizeof(T) * 8) - kDigit; shift >= 0; shift -= kDigit) {
        std::vector<std::uint64_t> counts(std::size_t{1} << kDigit, 0);
        std::mutex mutex;
        const std::uint64_t above = shift + kDigit >= 64 ? 0 : prefix >> (shift + kDigit);
        const Result<void> done = forRows<T>(
            source,
            ctx,
            [&](std::int64_t, std::int64_t, std::span<const T> values, std::int64_t)
                -> Result<void> {
                std::vector<std::uint32_t> local(std::size_t{1} << kDigit, 0);
                for (const T x : values) {
                    const std::uint64_t key = magnitudeKey(x);
                    const std::uint64_t high = shift + kDigit >= 64 ? 0 : key >> (shift + kDigit);
                    if (high == above) {
                        ++local[(key >> shift) & 0xffff];
                    }
                }
                const std::lock_guard lock(mutex);
                for (std::size_t i = 0; i < local.size(); ++i) {
                    counts[i] += local[i];
                }
                return {};
            },
            1 << 20);
        if (!done) {
            return fail(done.error());
        }
        std::size_t digit = 0;
        while (digit + 1 < counts.size() && rank >= counts[digit]) {
            rank -= counts[digit++];
        }
        prefix |= static_cast<std::uint64_t>(digit) << shift;
    }
    return fromKey(T{}, prefix);
}

template <class T>
Result<T> tensorPercentile(const RowSource& source, double percent, const JobContext& ctx) {
    const double count = static_cast<double>(source.rows()) * static_cast<double>(source.cols());
    const double place = percent / 100 * (count - 1);
    const auto below = static_cast<std::uint64_t>(std::floor(place));
    const double fraction = place - std::floor(place);
    const Result<double> low = magnitudeOfRank<T>(source, below, ctx);
    if (!low || fraction == 0) {
        return low ? Result<T>(static_cast<T>(*low)) : fail(low.error());
    }
    const Result<double> high = magnitudeOfRank<T>(source, below + 1, ctx);
    if (!high) {
        return fail(high.error());
    }
    return static_cast<T>(interpolate(*low, *high, fraction));
}

/// Squared errors of a matrix on several grids, some rows at a time.
template <class T>
class TensorErrors {
public:
    TensorErrors(const UniformSpec& spec,
                 const RowSource& source,
                 const std::vector<UniformGrid<T>>& grids,
                 std::span<double> sums,
                 const JobContext& ctx)
        : spec_(spec), source_(source), grids_(grids), sums_(sums), ctx_(ctx) {}

    /// Adds the errors of chunks [first, last) on the grids `which` to their sums, chunk by chunk
    /// in order.
    Result<void> add(const std::vector<std::size_t>& which, std::int64_t first, std::int64_t last) {
        if (which.empty() || first >= last) {
            return {};
        }
        std::vector<UniformGrid<T>> grids;
        for (const std::size_t k : which) {
            grids.push_back(grids_[k]);
        }
        std::vector<std::vector<double>> partials(static_cast<std::size_t>(last - first));
        const std::int64_t step = rowsPerChunk(source_.cols());
        const Result<void> done = forRowsBetween<T>(
            first * step,
            std::min(last * step, source_.rows()),
            source_,
            ctx_,
            [&](std::int64_t, std::int64_t, std::span<const T> values, std::int64_t chunk)
                -> Result<void> {
                std::vector<double>& partial = partials[static_cast<std::size_t>(chunk - first)];
                partial.assign(grids.size(), 0.0);
                squaredErrors<T>(spec_, values, grids, partial);
                return {};
            });
        for (const std::vector<double>& partial : partials) {
            for (std::size_t i = 0; i < partial.size(); ++i) {
                sums_[which[i]] += partial[i];
            }
        }
        return done;
    }

private:
    const UniformSpec& spec_;
    const RowSource& source_;
    const std::vector<UniformGrid<T>>& grids_;
    std::span<double> sums_;
    const JobContext& ctx_;
};

/// Sums of all candidates as far as the least one needs them. The sum so far never exceeds the
/// whole one, also in rounded arithmetic, since it is added up in the same order: a candidate whose
/// sum so far exceeds another's whole sum is out (infinity).
template <class T>
Result<void> leastTensorErrors(TensorErrors<T>& errors,
                               std::int64_t chunks,
                               std::span<const T> bounds,
                               std::span<double> sums) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    std::vector<std::size_t> left;
    for (std::size_t k = 0; k < bounds.size(); ++k) {
        if (bounds[k] > 0) {
            left.push_back(k);
        } else {
            sums[k] = kInfinity;
        }
    }
    std::int64_t done = (chunks + 31) / 32;
    Result<void> result = errors.add(left, 0, done);
    const std::size_t guess = *std::min_element(
        left.begin(), left.end(), [&](std::size_t a, std::size_t b) { return sums[a] < sums[b]; });
    if (result) {
        result = errors.add({guess}, done, chunks);
    }
    left.erase(std::find(left.begin(), left.end(), guess));
    while (result && done < chunks) {
        left.erase(std::remove_if(left.begin(),
                                  left.end(),
                                  [&](std::size_t k) {
                                      const bool out = sums[k] > sums[guess];
                                      sums[k] = out ? kInfinity : sums[k];
                                      return out;
                                  }),
                   left.end());
        const std::int64_t next = std::min(done + std::max<std::int64_t>(done / 2, 1), chunks);
        result = errors.add(left, done, next);
        done = next;
    }
    return result;
}

template <class T>
Result<T> tensorMse(const UniformSpec& spec,
                    const RowSource& source,
                    const GroupExtent<T>& extent,
                    const JobContext& ctx) {
    return searchMse<T>(
        extent.absmax(), [&](std::span<const T> bounds, std::span<double> sums) -> Result<void> {
            const std::vector<UniformGrid<T>> grids = gridsFor(spec, extent, bounds);
            const std::int64_t chunks = chunkCount(source);
            TensorErrors<T> errors(spec, source, grids, sums, ctx);
            return bounds.size() == 1 ? errors.add({0}, 0, chunks)
                                      : leastTensorErrors<T>(errors, chunks, bounds, sums);
        });
}

template <class T>
Result<T> tensorEntropy(const UniformSpec& spec,
                        const RowSource& source,
                        T absmax,
                        const JobContext& ctx) {
    std::vector<std::uint64_t> counts(static_cast<std::size_t>(kEntropyBins), 0);
    std::mutex mutex;
    const Result<void> done = forRows<T>(
        source,
        ctx,
        [&](std::int64_t, std::int64_t, std::span<const T> values, std::int64_t) -> Result<void> {
            std::vector<std::uint64_t> local(counts.size(), 0);
            addMagnitudes(values, absmax, std::span<std::uint64_t>(local));
            const std::lock_guard lock(mutex);
            for (std::size_t i = 0; i < local.size(); ++i) {
                counts[i] += local[i];
            }
            return {};
        });
    if (!done) {
        return fail(done.error());
    }
    const std::int64_t edge = searchEntropy(counts, spec.bits, ctx);
    return static_cast<T>(static_cast<double>(absmax) * static_cast<double>(edge) /
                          static_cast<double>(kEntropyBins));
}

template <class T>
Result<GroupExtent<T>> tensorExtent(const RowSource& source, const JobContext& ctx) {
    std::vector<GroupExtent<T>> partials(static_cast<std::size_t>(chunkCount(source)));
    const std::int64_t cols = source.cols();
    const Result<void> done = forRows<T>(
        source,
        ctx,
        [&](std::int64_t first, std::int64_t, std::span<const T> values, std::int64_t chunk)
            -> Result<void> {
            std::int64_t bad = -1;
            partials[static_cast<std::size_t>(chunk)] = extentOf(values, bad);
            if (bad >= 0) {
                return fail(notFinite(static_cast<double>(values[static_cast<std::size_t>(bad)]),
                                      first + bad / cols,
                                      bad % cols));
            }
            return {};
        });
    if (!done) {
        return fail(done.error());
    }
    GroupExtent<T> extent = partials.empty() ? GroupExtent<T>{} : partials.front();
    for (const GroupExtent<T>& partial : partials) {
        extent.add(partial);
    }
    return extent;
}

}  // namespace

template <>
Result<GroupExtent<double>> UniformMatrix::extentAs(const RowSource& source,
                                                    const JobContext& ctx) const {
    return tensorExtent<double>(source, ctx);
}

template <>
Result<GroupExtent<float>> UniformMatrix::extentAs(const RowSource& source,
                                                   const JobContext& ctx) const {
    const Result<Extent> extent = extentThroughKernels(source, ctx);
    return extent ? Result<GroupExtent<float>>(GroupExtent<float>{extent->first, extent->second})
                  : fail(extent.error());
}

template <class T>
Result<void> UniformMatrix::calibrateTensor(const RowSource& calibration, const JobContext& ctx) {
    const Result<GroupExtent<T>> extent = extentAs<T>(calibration, ctx);
    if (!extent) {
        return fail(extent.error());
    }
    const T absmax = extent->absmax();
    Result<T> bound = absmax;
    if (absmax > 0) {
        switch (spec_.clip) {
            case ClipRule::None:
            case ClipRule::Value:
                break;
            case ClipRule::Percentile:
                bound = tensorPercentile<T>(calibration, spec_.percentile, ctx);
                break;
            case ClipRule::Mse:
                bound = tensorMse<T>(spec_, calibration, *extent, ctx);
                break;
            case ClipRule::Entropy:
                bound = tensorEntropy<T>(spec_, calibration, absmax, ctx);
                break;
        }
    }
    if (!bound) {
        return fail(bound.error());
    }
    const bool fixed = spec_.clip == ClipRule::Value && absmax > 0;
    const auto [low, high] =
        fixed ? fixedInterval<T>(spec_) : intervalFor(spec_, *extent, usableBound(*bound, absmax));
    store(0, gridFor(spec_, low, high));
    return {};
}

template <class T>
Result<void> UniformMatrix::calibrateByRows(const JobContext& ctx) {
    const std::int64_t width = cols();
    const std::int64_t step = spec_.per == ScalePer::Group ? spec_.group : width;
    return forRows<T>(
        *source_,
        ctx,
        [&](std::int64_t first, std::int64_t count, std::span<const T> values, std::int64_t)
            -> Result<void> {
            std::vector<T> scratch;
            for (std::int64_t row = 0; row < count; ++row) {
                for (std::int64_t col = 0; col < width; col += step) {
                    const auto group =
                        values.subspan(static_cast<std::size_t>(row * width + col),
                                       static_cast<std::size_t>(std::min(step, width - col)));
                    std::int64_t bad = -1;
                    const GroupExtent<T> extent = extentOf(group, bad);
                    if (bad >= 0) {
                        return fail(
                            notFinite(static_cast<double>(group[static_cast<std::size_t>(bad)]),
                                      first + row,
                                      col + bad));
                    }
                    const std::pair<T, T> interval =
                        groupInterval(spec_, group, extent, scratch, ctx);
                    store(gridIndex(first + row, col),
                          gridFor(spec_, interval.first, interval.second));
                }
            }
            return {};
        });
}

template <class T>
Result<void> UniformMatrix::columnExtremes(const JobContext& ctx) {
    std::vector<GroupExtent<T>> extents(static_cast<std::size_t>(cols()));
    std::mutex mutex;
    bool first = true;
    const Result<void> done = forRows<T>(
        *source_,
        ctx,
        [&](std::int64_t firstRow, std::int64_t count, std::span<const T> values, std::int64_t)
            -> Result<void> {
            std::vector<GroupExtent<T>> local(extents.size());
            for (std::size_t col = 0; col < local.size(); ++col) {
                local[col] = {values[col], values[col]};
            }
            for (std::int64_t row = 0; row < count; ++row) {
                const auto part =
                    values.subspan(static_cast<std::size_t>(row) * local.size(), local.size());
                std::int64_t bad = -1;
                (void)extentOf(part, bad);
                if (bad >= 0) {
                    return fail(notFinite(static_cast<double>(part[static_cast<std::size_t>(bad)]),
                                          firstRow + row,
                                          bad));
                }
                for (std::size_t col = 0; col < local.size(); ++col) {
                    local[col].min = part[col] < local[col].min ? part[col] : local[col].min;
                    local[col].max = part[col] > local[col].max ? part[col] : local[col].max;
                }
            }
            const std::lock_guard lock(mutex);  // extremes do not depend on the order
            for (std::size_t col = 0; col < local.size(); ++col) {
                if (first) {
                    extents[col] = local[col];
                } else {
                    extents[col].add(local[col]);
                }
            }
            first = false;
            return {};
        },
        1 << 19);
    if (!done) {
        return done;
    }
    for (std::size_t col = 0; col < extents.size(); ++col) {
        const T absmax = extents[col].absmax();
        const auto [low, high] = spec_.clip == ClipRule::Value && absmax > 0
                                     ? fixedInterval<T>(spec_)
                                     : intervalFor(spec_, extents[col], absmax);
        store(col, gridFor(spec_, low, high));
    }
    return {};
}

template <class T>
Result<void> UniformMatrix::calibrateColumns(const JobContext& ctx) {
    if (spec_.clip == ClipRule::None || spec_.clip == ClipRule::Value) {
        return columnExtremes<T>(ctx);
    }
    // Columns are gathered in blocks of at most 64 MiB; each block is one read of the matrix.
    constexpr std::int64_t kBlockBytes = std::int64_t{64} << 20;
    const std::int64_t height = rows();
    const std::int64_t width = cols();
    const auto size = static_cast<std::int64_t>(sizeof(T));
    const std::int64_t block =
        std::clamp<std::int64_t>(kBlockBytes / std::max<std::int64_t>(height * size, 1), 1, width);
    std::vector<T> columns(static_cast<std::size_t>(std::min(block, width) * height));
    for (std::int64_t left = 0; left < width; left += block) {
        const std::int64_t count = std::min(block, width - left);
        const Result<void> gathered = forRows<T>(
            *source_,
            ctx,
            [&](std::int64_t first, std::int64_t n, std::span<const T> values, std::int64_t)
                -> Result<void> {
                for (std::int64_t row = 0; row < n; ++row) {
                    for (std::int64_t col = 0; col < count; ++col) {
                        const T x = values[static_cast<std::size_t>(row * width + left + col)];
                        if (!std::isfinite(x)) {
                            return fail(notFinite(static_cast<double>(x), first + row, left + col));
                        }
                        columns[static_cast<std::size_t>(col * height + first + row)] = x;
                    }
                }
                return {};
            });
        if (!gathered) {
            return gathered;
        }
        parallelFor(count, 1, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            std::vector<T> scratch;
            for (std::int64_t col = begin; col < end; ++col) {
                const std::span<const T> group(columns.data() + col * height,
                                               static_cast<std::size_t>(height));
                std::int64_t bad = -1;
                const GroupExtent<T> extent = extentOf(group, bad);
                const std::pair<T, T> interval = groupInterval(spec_, group, extent, scratch, ctx);
                store(static_cast<std::size_t>(left + col),
                      gridFor(spec_, interval.first, interval.second));
            }
        });
    }
    return {};
}

template <class T>
Result<void> UniformMatrix::calibrateAs(const RowSource& calibration, const JobContext& ctx) {
    switch (spec_.per) {
        case ScalePer::Tensor:
            return calibrateTensor<T>(calibration, ctx);
        case ScalePer::Column:
            return calibrateColumns<T>(ctx);
        case ScalePer::Row:
        case ScalePer::Group:
            break;
    }
    return calibrateByRows<T>(ctx);
}

Result<void> UniformMatrix::calibrate(const RowSource& calibration,
                                      const JobContext& ctx,
                                      bool measure) {
    if (spec_.clip == ClipRule::Entropy) {
        std::int64_t values = calibration.rows() * calibration.cols();
        if (spec_.per == ScalePer::Row) {
            values = cols();
        } else if (spec_.per == ScalePer::Column) {
            values = rows();
        } else if (spec_.per == ScalePer::Group) {
            values = cols() % spec_.group == 0 ? spec_.group : cols() % spec_.group;
        }
        if (values < kEntropyBins) {
            return fail(ErrorCode::Invalid,
                        "entropy needs at least 2048 values per scale, a scale here has " +
                            std::to_string(values),
                        {},
                        "use per=row or per=tensor, or clip=mse");
        }
    }
    if (rows() == 0 || cols() == 0) {
        return {};
    }
    if (isDouble()) {
        return calibrateAs<double>(calibration, ctx);
    }
    // Stochastic codes and scales along columns have no kernel; the pipeline measures those row by
    // row.
    const bool kernels = spec_.per != ScalePer::Column && !spec_.stochastic;
    const bool searches = spec_.clip != ClipRule::None && spec_.clip != ClipRule::Value;
    if (spec_.per != ScalePer::Tensor && spec_.per != ScalePer::Column && !searches) {
        return passThroughKernels(
            true, measure && kernels ? Measure::Everything : Measure::Nothing, ctx);
    }
    if (Result<void> done = calibrateAs<float>(calibration, ctx); !done) {
        return done;
    }
    return measure && kernels ? passThroughKernels(false, Measure::Everything, ctx)
                              : Result<void>{};
}

}  // namespace loupe
