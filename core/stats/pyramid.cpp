// SPDX-License-Identifier: Apache-2.0
#include "core/stats/pyramid.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>

#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/stats/picture_kernels.hpp"
#include "core/stats/slow_pool.hpp"

namespace loupe {

namespace {

constexpr std::int32_t kInfinityBits = 0x7f800000;
constexpr std::int64_t kCellsPerBand = std::int64_t{1} << 18;
constexpr int kLeastBandLevels = 5;  // leaves less than 1/1000 of the cells to the levels above
constexpr std::int64_t kCellsPerFill = std::int64_t{1} << 15;  // stays in the second-level cache until it is pooled

/// What one band contributes to the whole; combined in the order of the bands.
struct BandResult {
    float min = std::numeric_limits<float>::infinity();
    float max = -std::numeric_limits<float>::infinity();
    std::uint64_t nan = 0;
    std::uint64_t inf = 0;
    bool finite = true;
    std::optional<Error> error;
};

/// Builds one pyramid. A band of 2^bandLevels rows gives whole rows of the lowest bandLevels levels and is pooled on one
/// thread while its rows are in the cache; what lies above is small.
class Builder {
public:
    Builder(Pyramid& pyramid, const RowFiller& fill, const JobContext& ctx) : p_(pyramid), fill_(fill), ctx_(ctx) {
        const auto longest = static_cast<std::uint64_t>(std::max(p_.rows, p_.cols));
        const int levelCount = std::max(1, static_cast<int>(std::bit_width(longest - 1)));
        for (int k = 0; k < levelCount; ++k) {
            Pyramid::Level level;
            level.rows = ((p_.rows - 1) >> (k + 1)) + 1;
            level.cols = ((p_.cols - 1) >> (k + 1)) + 1;
            const auto size = static_cast<std::size_t>(level.rows * level.cols);
            level.absMax = LevelBuffer(size);
            level.mean = LevelBuffer(size);
            p_.levels.push_back(std::move(level));
        }
        bandLevels_ = 1;
        while (bandLevels_ < levelCount && (bandLevels_ < kLeastBandLevels || (p_.cols << bandLevels_) < kCellsPerBand)) {
            ++bandLevels_;
        }
    }

    Result<void> build() {
        const std::int64_t bandRows = std::int64_t{1} << bandLevels_;
        const std::int64_t bands = (p_.rows + bandRows - 1) / bandRows;
        std::vector<BandResult> results(static_cast<std::size_t>(bands));
        tops_.resize(static_cast<std::size_t>(bands));
        ctx_.setTotal(static_cast<std::uint64_t>(p_.rows));
        parallelFor(bands, 1, ctx_, [&](std::int64_t begin, std::int64_t, std::int64_t) {
            const std::int64_t first = begin * bandRows;
            const std::int64_t last = std::min(p_.rows, first + bandRows);
            BandResult& result = results[static_cast<std::size_t>(begin)];
            const Result<void> done = band(first, last, result, tops_[static_cast<std::size_t>(begin)]);
            if (!done) {
                result.error = done.error();
            }
            ctx_.advance(static_cast<std::uint64_t>(last - first));
        });
        bool finite = true;
        BandResult all;
        for (const BandResult& result : results) {
            if (result.error) {
                return fail(*result.error);
            }
            finite = finite && result.finite;
            all.min = std::min(all.min, result.min);
            all.max = std::max(all.max, result.max);
            p_.nan += result.nan;
            p_.inf += result.inf;
        }
        const bool any = all.min <= all.max;
        p_.min = any ? all.min : 0;
        p_.max = any ? all.max : 0;
        p_.absmax = std::max(std::fabs(p_.min), std::fabs(p_.max));
        finite ? finishFast() : finishSlow();
        return {};
    }

private:
    float* rowOf(LevelBuffer& buffer, int level, std::int64_t row) {
        return buffer.data() + row * p_.levels[static_cast<std::size_t>(level)].cols;
    }
    Pyramid::Level& level(int k) { return p_.levels[static_cast<std::size_t>(k)]; }

    /// Share of the lower of two rows of level k - 1 (k = 0: cells) in their common mean: less than half at the bottom edge.
    float lowerWeight(int k, std::int64_t row) const {
        const std::int64_t half = std::int64_t{1} << k;
        const std::int64_t upper = std::min(half, p_.rows - row * 2 * half);
        const std::int64_t lower = std::clamp<std::int64_t>(p_.rows - row * 2 * half - half, 0, half);
        return static_cast<float>(static_cast<double>(lower) / static_cast<double>(upper + lower));
    }

    /// The kernels give both columns of a pair the same weight; the last texel of a row may be wider on its left.
    void fixLastMean(int k, std::int64_t row, const float* a, const float* b, float wb) {
        const std::int64_t half = std::int64_t{1} << k;
        const std::int64_t texel = level(k).cols - 1;
        const std::int64_t covered = p_.cols - texel * 2 * half;
        if (covered == 2 * half || covered <= half) {
            return;  // even, or one column alone
        }
        const std::int64_t left = texel * 2;
        const double share = static_cast<double>(half) / static_cast<double>(covered);
        const auto mix = [&](std::int64_t x) { return static_cast<double>(a[x] * (1.0F - wb) + b[x] * wb); };
        rowOf(level(k).mean, k, row)[texel] = static_cast<float>(mix(left) * share + mix(left + 1) * (1 - share));
    }

    PoolRange cellsToLevel0(std::int64_t row, const float* a, const float* b) {
        const float wb = lowerWeight(0, row);
        return kernels_.poolCells(a, b, p_.cols, wb, rowOf(level(0).absMax, 0, row), rowOf(level(0).mean, 0, row));
    }

    /// Row `row` of level k from the two below it.
    void raise(int k, std::int64_t row) {
        Pyramid::Level& from = level(k - 1);
        const std::int64_t a = 2 * row;
        const std::int64_t b = std::min(a + 1, from.rows - 1);
        const float wb = lowerWeight(k, row);
        const float* meanA = rowOf(from.mean, k - 1, a);
        const float* meanB = rowOf(from.mean, k - 1, b);
        kernels_.poolTexels(rowOf(from.absMax, k - 1, a), rowOf(from.absMax, k - 1, b), meanA, meanB, from.cols, wb,
                            rowOf(level(k).absMax, k, row), rowOf(level(k).mean, k, row));
        fixLastMean(k, row, meanA, meanB, wb);
    }

    Result<void> band(std::int64_t first, std::int64_t last, BandResult& result, std::vector<PoolSum>& top) {
        const std::int64_t pairs = std::max<std::int64_t>(1, kCellsPerFill / (2 * p_.cols));
        const std::int64_t step = std::min(2 * pairs, std::int64_t{1} << bandLevels_);
        std::vector<float> cells(static_cast<std::size_t>(std::min(step, last - first) * p_.cols));
        for (std::int64_t r = first; r < last; r += step) {
            const std::int64_t count = std::min(step, last - r);
            ctx_.checkpoint();
            if (const Result<void> filled = fill_(r, count, cells.data()); !filled) {
                return filled;
            }
            for (std::int64_t i = 0; i < count; i += 2) {
                const float* a = cells.data() + i * p_.cols;
                const float* b = i + 1 < count ? a + p_.cols : a;
                const PoolRange range = cellsToLevel0((r + i) / 2, a, b);
                if (range.topBits >= kInfinityBits) {
                    return slowBand(first, last, result, top);
                }
                result.min = std::min(result.min, range.min);
                result.max = std::max(result.max, range.max);
                raiseFinished((r + i) / 2, last);
            }
        }
        return {};
    }

    /// After row `row` of level 0: every row above that is now complete.
    void raiseFinished(std::int64_t row, std::int64_t lastCell) {
        for (int k = 1; k < bandLevels_; ++k) {
            const bool isLast = row == ((lastCell - 1) >> k);
            if (row % 2 == 0 && !isLast) {
                return;
            }
            row /= 2;
            raise(k, row);
        }
    }

    void ensureFlags() {
        const std::scoped_lock lock(flagsMutex_);
        for (Pyramid::Level& l : p_.levels) {
            if (l.flags.empty()) {
                l.flags.resize(l.absMax.size());
            }
        }
    }

    /// A band with NaN or infinities: sums and counts for every texel, so that means stay exact.
    Result<void> slowBand(std::int64_t first, std::int64_t last, BandResult& result, std::vector<PoolSum>& top) {
        ensureFlags();
        result = {};
        result.finite = false;
        std::vector<std::vector<PoolSum>> pending(static_cast<std::size_t>(bandLevels_));
        std::vector<float> cells(static_cast<std::size_t>(2 * p_.cols));
        for (std::int64_t r = first; r < last; r += 2) {
            const std::int64_t count = std::min<std::int64_t>(2, last - r);
            if (const Result<void> filled = fill_(r, count, cells.data()); !filled) {
                return filled;
            }
            std::vector<PoolSum> row(static_cast<std::size_t>(level(0).cols));
            for (std::int64_t i = 0; i < count * p_.cols; ++i) {
                const float cell = cells[static_cast<std::size_t>(i)];
                row[static_cast<std::size_t>(i % p_.cols / 2)].add(cell);
                if (std::isfinite(cell)) {
                    result.min = std::min(result.min, cell);
                    result.max = std::max(result.max, cell);
                } else {
                    (std::isnan(cell) ? result.nan : result.inf) += 1;
                }
            }
            storeAndRaise(std::move(row), r / 2, last, pending, top);
        }
        return {};
    }

    void storeRow(int k, std::int64_t row, const std::vector<PoolSum>& sums) {
        for (std::size_t x = 0; x < sums.size(); ++x) {
            rowOf(level(k).absMax, k, row)[x] = sums[x].absMax;
            rowOf(level(k).mean, k, row)[x] = sums[x].mean();
            level(k).flags[static_cast<std::size_t>(row * level(k).cols) + x] = sums[x].flags;
        }
    }

    static std::vector<PoolSum> halved(const std::vector<PoolSum>& row, std::vector<PoolSum> into) {
        into.resize((row.size() + 1) / 2);
        for (std::size_t x = 0; x < row.size(); ++x) {
            into[x / 2].add(row[x]);
        }
        return into;
    }

    void storeAndRaise(std::vector<PoolSum> row, std::int64_t index, std::int64_t lastCell,
                       std::vector<std::vector<PoolSum>>& pending, std::vector<PoolSum>& top) {
        for (int k = 0;; ++k) {
            storeRow(k, index, row);
            if (k + 1 == bandLevels_) {
                top = std::move(row);
                return;
            }
            std::vector<PoolSum>& next = pending[static_cast<std::size_t>(k + 1)];
            next = halved(row, std::move(next));
            const bool isLast = index == ((lastCell - 1) >> (k + 1));
            if (index % 2 == 0 && !isLast) {
                return;
            }
            row = std::move(next);
            next = {};
            index /= 2;
        }
    }

    void finishFast() {
        for (int k = bandLevels_; k < static_cast<int>(p_.levels.size()); ++k) {
            for (std::int64_t row = 0; row < level(k).rows; ++row) {
                raise(k, row);
            }
        }
    }

    /// Levels above the bands with exact counts; a finite band's counts follow from its shape.
    void finishSlow() {
        const int base = bandLevels_ - 1;
        for (std::size_t b = 0; b < tops_.size(); ++b) {
            if (tops_[b].empty()) {
                tops_[b] = finiteTop(base, static_cast<std::int64_t>(b));
            }
        }
        for (int k = bandLevels_; k < static_cast<int>(p_.levels.size()); ++k) {
            std::vector<std::vector<PoolSum>> above((tops_.size() + 1) / 2);
            for (std::size_t row = 0; row < tops_.size(); ++row) {
                above[row / 2] = halved(tops_[row], std::move(above[row / 2]));
            }
            tops_ = std::move(above);
            for (std::size_t row = 0; row < tops_.size(); ++row) {
                storeRow(k, static_cast<std::int64_t>(row), tops_[row]);
            }
        }
        tops_.clear();
    }

    std::vector<PoolSum> finiteTop(int k, std::int64_t row) {
        const std::int64_t span = std::int64_t{2} << k;
        std::vector<PoolSum> sums(static_cast<std::size_t>(level(k).cols));
        const std::int64_t height = std::min(span, p_.rows - row * span);
        for (std::size_t x = 0; x < sums.size(); ++x) {
            const std::int64_t width = std::min(span, p_.cols - static_cast<std::int64_t>(x) * span);
            sums[x].absMax = rowOf(level(k).absMax, k, row)[x];
            sums[x].count = static_cast<std::uint64_t>(width * height);
            sums[x].sum = static_cast<double>(rowOf(level(k).mean, k, row)[x]) * static_cast<double>(width * height);
        }
        return sums;
    }

    Pyramid& p_;
    const RowFiller& fill_;
    const JobContext& ctx_;
    const PictureKernels& kernels_ = pictureKernels();
    int bandLevels_ = 1;
    std::mutex flagsMutex_;
    std::vector<std::vector<PoolSum>> tops_;  ///< of bands with non-finite cells: their row of level bandLevels - 1
};

}  // namespace

std::size_t Pyramid::bytes() const {
    std::size_t total = 0;
    for (const Level& level : levels) {
        total += (level.absMax.size() + level.mean.size()) * sizeof(float) + level.flags.size();
    }
    const std::scoped_lock lock(min_->mutex);
    for (const LevelBuffer& level : min_->levels) {
        total += level.size() * sizeof(float);
    }
    return total;
}

Result<std::shared_ptr<const Pyramid>> buildPyramid(std::int64_t rows,
                                                    std::int64_t cols,
                                                    const RowFiller& fill,
                                                    const JobContext& ctx) {
    if (rows <= 0 || cols <= 0) {
        return fail(ErrorCode::Invalid, "a picture needs at least one row and one column");
    }
    auto pyramid = std::make_shared<Pyramid>();
    pyramid->rows = rows;
    pyramid->cols = cols;
    Builder builder(*pyramid, fill, ctx);
    if (const Result<void> built = builder.build(); !built) {
        return fail(built.error());
    }
    return std::shared_ptr<const Pyramid>(std::move(pyramid));
}

}  // namespace loupe
