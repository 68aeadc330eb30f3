// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/stats/picture_kernels.hpp"
#include "core/stats/pyramid.hpp"

namespace loupe {

namespace {

constexpr std::uint8_t kOutside = 0x80;
constexpr std::int64_t kPixelRowsPerChunk = 32;
constexpr std::int64_t kCellsPerFill = std::int64_t{1} << 16;
/// Guards floor() against 2.9999999 where 3 is meant; far below a pixel.
constexpr double kSlack = 1e-7;

/// Which cells (or texels) one axis of the picture shows: pixel p pools [first[p], last[p]); empty = outside.
struct Axis {
    std::vector<std::int32_t> first;
    std::vector<std::int32_t> last;
    std::int64_t begin = 0, end = 0;  ///< all that are needed
    std::int64_t most = 1;            ///< largest last - first
};

/// Cells `size` of which each is `unit` wide, seen from `start` in steps of `step` (all in plane cells).
///
/// Pixel p begins with the cell at its left edge and ends before the cell at its right edge, so that each cell belongs to
/// exactly one pixel where pixels are wider, and to every pixel that begins in it where they are narrower. The last pixel
/// also takes what its right edge cuts.
Axis makeAxis(std::int64_t size, double unit, double start, double step, int pixels) {
    Axis axis;
    const auto count = static_cast<std::size_t>(pixels);
    axis.first.assign(count, 0);
    axis.last.assign(count, 0);
    const double far = static_cast<double>(size) + 2;
    const auto cellAt = [&](double pixel) {
        return static_cast<std::int64_t>(std::clamp(std::floor((start + pixel * step + kSlack * step) / unit), -2.0, far));
    };
    for (int p = 0; p < pixels; ++p) {
        std::int64_t first = cellAt(p);
        std::int64_t last = std::max(first + 1, cellAt(p + 1));
        if (p + 1 == pixels) {
            const double edge = (start + pixels * step - kSlack * step) / unit;
            const auto cut = static_cast<std::int64_t>(std::clamp(std::ceil(edge), -2.0, far));
            const bool repeats = p > 0 && cellAt(p - 1) == first && last == first + 1;
            if (cut > last && repeats) {
                first = cut - 1;  // magnified: the sliver gets the pixel, its neighbour has others
            }
            last = std::max(last, cut);
        }
        first = std::clamp<std::int64_t>(first, 0, size);
        last = std::clamp<std::int64_t>(last, 0, size);
        axis.first[static_cast<std::size_t>(p)] = static_cast<std::int32_t>(first);
        axis.last[static_cast<std::size_t>(p)] = static_cast<std::int32_t>(std::max(first, last));
    }
    bool any = false;
    for (std::size_t p = 0; p < count; ++p) {
        if (axis.last[p] > axis.first[p]) {
            axis.begin = any ? std::min<std::int64_t>(axis.begin, axis.first[p]) : axis.first[p];
            axis.end = any ? std::max<std::int64_t>(axis.end, axis.last[p]) : axis.last[p];
            axis.most = std::max<std::int64_t>(axis.most, axis.last[p] - axis.first[p]);
            any = true;
        }
    }
    return axis;
}

/// Pools values one after another by one rule. Values that are not finite never hide finite ones.
struct Pool {
    Pooling pooling;
    float best = std::numeric_limits<float>::quiet_NaN();
    double sum = 0;
    int count = 0;

    void add(float value) {
        if (!std::isfinite(value)) {
            best = count == 0 && !std::isnan(value) ? value : best;
            return;
        }
        switch (pooling) {
            case Pooling::AbsMax:
                best = count == 0 || std::fabs(value) > std::fabs(best) ? value : best;
                break;
            case Pooling::Min:
                best = count == 0 || value < best ? value : best;
                break;
            case Pooling::Mean:
                best = value;
                sum += static_cast<double>(value);
                break;
        }
        ++count;
    }
    [[nodiscard]] float value() const {
        return pooling == Pooling::Mean && count > 1 ? static_cast<float>(sum / count) : best;
    }
};

/// A rectangle of cells or texels to sample from.
struct Tile {
    const float* values = nullptr;       ///< value of (row, col) at (row - firstRow)·stride + col - firstCol
    const std::uint8_t* flags = nullptr;  ///< same place; null where all is finite
    std::int64_t firstRow = 0, firstCol = 0, stride = 0;
};

std::uint8_t flagsOfCell(float value) {
    return std::isnan(value) ? std::uint8_t{HidesNaN} : std::isinf(value) ? std::uint8_t{HidesInf} : std::uint8_t{0};
}

class Sampler {
public:
    Sampler(const Axis& x, const Axis& y, Pooling pooling, Texels& out) : x_(x), y_(y), pooling_(pooling), out_(out) {
        // A picture may end in the middle of the plane: one run of pixels is inside, the rest is not.
        const auto isInside = [&](std::size_t p) { return x.last[p] > x.first[p]; };
        while (left_ < x.first.size() && !isInside(left_)) {
            ++left_;
        }
        right_ = left_;
        while (right_ < x.first.size() && isInside(right_)) {
            ++right_;
        }
        picks_.reserve(right_ - left_);
        lasts_.reserve(right_ - left_);
        for (std::size_t p = left_; p < right_; ++p) {
            picks_.push_back(x.first[p] - static_cast<std::int32_t>(x.begin));
            lasts_.push_back(x.last[p] - 1 - static_cast<std::int32_t>(x.begin));
        }
    }

    /// Pixel row y from rows [y.first, y.last) of the tile.
    void row(std::size_t y, const Tile& tile, bool cells, std::vector<float>& scratch) const {
        const std::size_t width = x_.first.size();
        float* values = out_.values.data() + y * width;
        std::uint8_t* flags = out_.flags.data() + y * width;
        std::fill_n(flags, width, y_.last[y] > y_.first[y] ? std::uint8_t{0} : kOutside);
        std::fill_n(flags, left_, kOutside);
        std::fill_n(flags + right_, width - right_, kOutside);
        std::fill_n(values, left_, 0.0F);
        std::fill_n(values + right_, width - right_, 0.0F);
        if (y_.last[y] <= y_.first[y] || left_ == right_) {
            std::fill_n(values, width, 0.0F);
            return;
        }
        if (tile.flags == nullptr && pooling_ == Pooling::AbsMax && !cells && x_.most <= 2) {
            fastRow(y, tile, values, scratch);
        } else if (cells && x_.most == 1 && y_.last[y] - y_.first[y] == 1) {
            copyRow(y, tile, values, flags);
        } else {
            pooledRow(y, tile, cells, values, flags);
        }
    }

private:
    const float* at(const Tile& tile, std::int64_t row) const {
        return tile.values + (row - tile.firstRow) * tile.stride + (x_.begin - tile.firstCol);
    }

    void fastRow(std::size_t y, const Tile& tile, float* values, std::vector<float>& scratch) const {
        const float* source = at(tile, y_.first[y]);
        const std::int64_t count = x_.end - x_.begin;
        if (y_.last[y] - y_.first[y] > 1) {
            scratch.assign(source, source + count);
            for (std::int64_t r = y_.first[y] + 1; r < y_.last[y]; ++r) {
                kernels_.combineAbsMax(at(tile, r), count, scratch.data());
            }
            source = scratch.data();
        }
        kernels_.pickAbsMax(source, picks_.data(), lasts_.data(), static_cast<std::int64_t>(picks_.size()), values + left_);
    }

    /// One cell a pixel, or several pixels a cell; the flags apart, so that both loops vectorise.
    void copyRow(std::size_t y, const Tile& tile, float* values, std::uint8_t* flags) const {
        const float* source = at(tile, y_.first[y]);
        const std::size_t count = picks_.size();
        const bool consecutive = static_cast<std::size_t>(picks_.back() - picks_.front()) + 1 == count;
        if (consecutive) {
            std::copy_n(source + picks_.front(), count, values + left_);
        } else {
            for (std::size_t i = 0; i < count; ++i) {
                values[left_ + i] = source[picks_[i]];
            }
        }
        constexpr std::uint32_t kInfinity = 0x7f800000U;
        for (std::size_t p = left_; p < right_; ++p) {
            const std::uint32_t bits = std::bit_cast<std::uint32_t>(values[p]) & 0x7fffffffU;
            flags[p] = static_cast<std::uint8_t>((bits > kInfinity ? HidesNaN : 0) + (bits == kInfinity ? HidesInf : 0));
        }
    }

    void pooledRow(std::size_t y, const Tile& tile, bool cells, float* values, std::uint8_t* flags) const {
        for (std::size_t p = left_; p < right_; ++p) {
            Pool pool{pooling_};
            std::uint8_t flag = 0;
            for (std::int64_t r = y_.first[y]; r < y_.last[y]; ++r) {
                const std::int64_t base = (r - tile.firstRow) * tile.stride - tile.firstCol;
                for (std::int64_t c = x_.first[p]; c < x_.last[p]; ++c) {
                    const float value = tile.values[base + c];
                    pool.add(value);
                    flag = static_cast<std::uint8_t>(flag | (cells ? flagsOfCell(value) : tile.flags ? tile.flags[base + c] : 0));
                }
            }
            values[p] = pool.value();
            flags[p] = flag;
        }
    }

    const Axis& x_;
    const Axis& y_;
    Pooling pooling_;
    Texels& out_;
    const PictureKernels& kernels_ = pictureKernels();
    std::size_t left_ = 0, right_ = 0;
    std::vector<std::int32_t> picks_, lasts_;
};

/// Fills whole rows; keeps one signature for both kinds of filler.
WindowFiller fromRows(const RowFiller& fill, std::int64_t cols) {
    return [&fill, cols](std::int64_t firstRow, std::int64_t rows, std::int64_t firstCol, std::int64_t width, float* out) -> Result<void> {
        if (firstCol == 0 && width == cols) {
            return fill(firstRow, rows, out);
        }
        std::vector<float> whole(static_cast<std::size_t>(cols));
        for (std::int64_t r = 0; r < rows; ++r) {
            if (const Result<void> filled = fill(firstRow + r, 1, whole.data()); !filled) {
                return filled;
            }
            std::copy_n(whole.data() + firstCol, width, out + r * width);
        }
        return {};
    };
}

/// The first error of any chunk, in order.
class FirstError {
public:
    explicit FirstError(std::int64_t chunks) : errors_(static_cast<std::size_t>(chunks)) {}
    void set(std::int64_t chunk, Error error) { errors_[static_cast<std::size_t>(chunk)] = std::move(error); }
    [[nodiscard]] Result<void> result() const {
        for (const std::optional<Error>& error : errors_) {
            if (error) {
                return fail(*error);
            }
        }
        return {};
    }

private:
    std::vector<std::optional<Error>> errors_;
};

/// A picture of the cells themselves: every row in view is read once.
Result<void> sampleCells(const WindowFiller& fill, const Axis& x, const Axis& y, const Sampler& sampler, Texels& out, const JobContext& ctx) {
    const std::int64_t width = x.end - x.begin;
    const std::int64_t height = y.end - y.begin;
    const auto pixelRows = y.first.size();
    std::vector<float> unused;
    if (width == 0 || height == 0) {
        for (std::size_t p = 0; p < pixelRows; ++p) {
            sampler.row(p, {}, true, unused);
        }
        return {};
    }
    const std::int64_t rowsPerChunk = std::clamp<std::int64_t>(kCellsPerFill / width, 1, std::max<std::int64_t>(1, height / 8));
    FirstError errors((height + rowsPerChunk - 1) / rowsPerChunk);
    parallelFor(height, rowsPerChunk, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
        // The last pixel row may pool one cell row more.
        const auto lowerEdge = [&](std::int64_t row) {
            return static_cast<std::size_t>(std::lower_bound(y.first.begin(), y.first.end(), row) - y.first.begin());
        };
        std::size_t p = begin == 0 ? 0 : lowerEdge(y.begin + begin);
        const std::size_t pEnd = end == height ? pixelRows : lowerEdge(y.begin + end);
        std::int64_t lastRow = y.begin + end;
        for (std::size_t q = p; q < pEnd; ++q) {
            lastRow = std::max<std::int64_t>(lastRow, y.last[q]);
        }
        const std::int64_t rows = lastRow - (y.begin + begin);
        std::vector<float> cells(static_cast<std::size_t>(rows * width));
        if (const Result<void> filled = fill(y.begin + begin, rows, x.begin, width, cells.data()); !filled) {
            errors.set(chunk, filled.error());
            return;
        }
        const Tile tile{cells.data(), nullptr, y.begin + begin, x.begin, width};
        std::vector<float> scratch;
        const auto columns = x.first.size();
        for (; p < pEnd; ++p) {
            const bool same = p > 0 && p > lowerEdge(y.begin + begin) && y.first[p] == y.first[p - 1] && y.last[p] == y.last[p - 1];
            if (same) {
                std::copy_n(out.values.data() + (p - 1) * columns, columns, out.values.data() + p * columns);
                std::copy_n(out.flags.data() + (p - 1) * columns, columns, out.flags.data() + p * columns);
            } else {
                sampler.row(p, tile, true, scratch);
            }
        }
    });
    return errors.result();
}

void sampleLevel(const Tile& tile, const Sampler& sampler, int height, const JobContext& ctx) {
    parallelFor(height, kPixelRowsPerChunk, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        std::vector<float> scratch;
        for (std::int64_t p = begin; p < end; ++p) {
            sampler.row(static_cast<std::size_t>(p), tile, false, scratch);
        }
    });
}

/// Levels of the smallest finite value, from one read of the plane, on first use.
Result<const LevelBuffer*> minLevel(const Pyramid& pyramid, std::size_t wanted, const WindowFiller& fill, const JobContext& ctx) {
    const std::scoped_lock lock(pyramid.min_->mutex);
    std::vector<LevelBuffer>& levels = pyramid.min_->levels;
    if (levels.empty()) {
        std::vector<LevelBuffer> made;
        const Pyramid::Level& lowest = pyramid.levels.front();
        constexpr float kNone = std::numeric_limits<float>::infinity();
        made.emplace_back(lowest.absMax.size());
        FirstError errors(lowest.rows);
        parallelFor(lowest.rows, 1, ctx, [&](std::int64_t row, std::int64_t, std::int64_t) {
            const std::int64_t count = std::min<std::int64_t>(2, pyramid.rows - 2 * row);
            std::vector<float> cells(static_cast<std::size_t>(count * pyramid.cols));
            if (const Result<void> filled = fill(2 * row, count, 0, pyramid.cols, cells.data()); !filled) {
                errors.set(row, filled.error());
                return;
            }
            float* out = made.front().data() + row * lowest.cols;
            std::fill_n(out, lowest.cols, kNone);
            for (std::int64_t i = 0; i < count * pyramid.cols; ++i) {
                const float cell = cells[static_cast<std::size_t>(i)];
                float& texel = out[i % pyramid.cols / 2];
                texel = std::isfinite(cell) && cell < texel ? cell : texel;
            }
        });
        if (const Result<void> done = errors.result(); !done) {
            return fail(done.error());
        }
        for (std::size_t k = 1; k < pyramid.levels.size(); ++k) {
            const Pyramid::Level& from = pyramid.levels[k - 1];
            const Pyramid::Level& to = pyramid.levels[k];
            made.emplace_back(to.absMax.size());
            std::fill_n(made[k].data(), to.absMax.size(), kNone);
            for (std::int64_t i = 0; i < from.rows * from.cols; ++i) {
                float& texel = made[k].data()[i / from.cols / 2 * to.cols + i % from.cols / 2];
                texel = std::min(texel, made[k - 1][static_cast<std::size_t>(i)]);
            }
        }
        levels = std::move(made);
    }
    return &levels[wanted];
}

/// The coarsest level whose texels are not larger than a pixel; the lowest one where a pixel has fewer than two cells.
/// Coarser still where the two axes differ so much that a picture would touch more than 8 texels per pixel.
std::size_t chooseLevel(const Pyramid& pyramid, double stepX, double stepY) {
    std::size_t k = 0;
    while (k + 1 < pyramid.levels.size()) {
        const double size = std::ldexp(1.0, static_cast<int>(k) + 1);
        const bool nextFits = 2 * size <= std::min(stepX, stepY);
        const bool tooMany = std::max(1.0, stepX / size) * std::max(1.0, stepY / size) > 8;
        if (!nextFits && !tooMany) {
            break;
        }
        ++k;
    }
    return k;
}

Result<Texels> sample(const Pyramid& pyramid, const WindowFiller& fill, const Viewport& view, Pooling pooling, const JobContext& ctx) {
    LOUPE_ASSERT(view.width > 0 && view.height > 0, "a picture has pixels");
    LOUPE_ASSERT(view.cellsPerPixelX > 0 && view.cellsPerPixelY > 0, "a scale is positive");
    LOUPE_ASSERT(pyramid.rows < std::numeric_limits<std::int32_t>::max() && pyramid.cols < std::numeric_limits<std::int32_t>::max(),
                 "cell numbers of a picture fit 32 bits");
    Texels out;
    out.width = view.width;
    out.height = view.height;
    const auto size = static_cast<std::size_t>(view.width) * static_cast<std::size_t>(view.height);
    out.values.resize(size);
    out.flags.resize(size);
    if (std::max(view.cellsPerPixelX, view.cellsPerPixelY) <= 1 + kSlack) {
        const Axis x = makeAxis(pyramid.cols, 1, view.left, view.cellsPerPixelX, view.width);
        const Axis y = makeAxis(pyramid.rows, 1, view.top, view.cellsPerPixelY, view.height);
        const Sampler sampler(x, y, pooling, out);
        if (const Result<void> done = sampleCells(fill, x, y, sampler, out, ctx); !done) {
            return loupe::fail(done.error());
        }
        return out;
    }
    const std::size_t k = chooseLevel(pyramid, view.cellsPerPixelX, view.cellsPerPixelY);
    const Pyramid::Level& level = pyramid.levels[k];
    const double unit = std::ldexp(1.0, static_cast<int>(k) + 1);
    const Axis x = makeAxis(level.cols, unit, view.left, view.cellsPerPixelX, view.width);
    const Axis y = makeAxis(level.rows, unit, view.top, view.cellsPerPixelY, view.height);
    const Sampler sampler(x, y, pooling, out);
    const LevelBuffer* values = pooling == Pooling::Mean ? &level.mean : &level.absMax;
    if (pooling == Pooling::Min) {
        const Result<const LevelBuffer*> made = minLevel(pyramid, k, fill, ctx);
        if (!made) {
            return loupe::fail(made.error());
        }
        values = *made;
    }
    const std::uint8_t* flags = level.flags.empty() ? nullptr : level.flags.data();
    sampleLevel({values->data(), flags, 0, 0, level.cols}, sampler, view.height, ctx);
    out.cellsX = std::min(pyramid.cols, x.most << (k + 1));
    out.cellsY = std::min(pyramid.rows, y.most << (k + 1));
    return out;
}

}  // namespace

Result<Texels> sampleViewport(const Pyramid& pyramid,
                              const RowFiller& fill,
                              const Viewport& viewport,
                              Pooling pooling,
                              const JobContext& ctx) {
    return sample(pyramid, fromRows(fill, pyramid.cols), viewport, pooling, ctx);
}

Result<Texels> sampleViewport(const Pyramid& pyramid,
                              const WindowFiller& fill,
                              const Viewport& viewport,
                              Pooling pooling,
                              const JobContext& ctx) {
    return sample(pyramid, fill, viewport, pooling, ctx);
}

WindowFiller makeWindowFiller(std::shared_ptr<const RowSource> source) {
    return [source](std::int64_t firstRow, std::int64_t rows, std::int64_t firstCol, std::int64_t cols, float* out) -> Result<void> {
        if (firstCol == 0 && cols == source->cols()) {
            return source->read(firstRow, rows, out);
        }
        if (const std::optional<RawMatrix> raw = source->raw()) {
            for (std::int64_t r = 0; r < rows; ++r) {
                decodeElements(*raw->type, raw->bytes, (firstRow + r) * source->cols() + firstCol, cols, out + r * cols);
            }
            return {};
        }
        std::vector<float> whole(static_cast<std::size_t>(source->cols()));
        for (std::int64_t r = 0; r < rows; ++r) {
            if (const Result<void> read = source->read(firstRow + r, 1, whole.data()); !read) {
                return read;
            }
            std::copy_n(whole.data() + firstCol, cols, out + r * cols);
        }
        return {};
    };
}

}  // namespace loupe
