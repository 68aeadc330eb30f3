// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/base/job.hpp"
#include "core/base/matrix_view.hpp"
#include "core/base/result.hpp"
#include "core/io/tensor_source.hpp"

namespace loupe {

/// How cells that share a pixel become one value. AbsMax keeps the signed value of largest magnitude: never hides an outlier.
enum class Pooling : std::uint8_t { AbsMax, Mean, Min };

/// Fills rows [first, first + count) of a plane into out[count·cols]; any quantity: weights, errors, codes.
using RowFiller = std::function<Result<void>(std::int64_t first, std::int64_t count, float* out)>;

/// Marks of a pooled texel: what it hides.
enum TexelFlag : std::uint8_t { HidesNaN = 1, HidesInf = 2 };

/// Floats that are not touched before they are written, in huge pages where the system has them: filling the levels of a
/// large plane would otherwise spend most of its time in page faults.
class LevelBuffer {
public:
    LevelBuffer() = default;
    explicit LevelBuffer(std::size_t size);
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] float* data() noexcept { return data_.get(); }
    [[nodiscard]] const float* data() const noexcept { return data_.get(); }
    [[nodiscard]] float operator[](std::size_t index) const noexcept { return data_[index]; }

private:
    struct Free {
        void operator()(float* data) const noexcept;
    };
    std::unique_ptr<float[], Free> data_;
    std::size_t size_ = 0;
};

/// Pooled levels of a plane: level 0 pools 2x2 cells, level k pools 2^(k+1). Never the plane itself (that is read on
/// demand), so memory is at most 1/3 of the plane's for each pooling kept.
class Pyramid {
public:
    struct Level {
        std::int64_t rows = 0;
        std::int64_t cols = 0;
        LevelBuffer absMax;  ///< signed value of largest |x| over finite cells; NaN or +-inf where a texel has none
        LevelBuffer mean;    ///< over finite cells
        std::vector<std::uint8_t> flags;  ///< empty where the plane is finite
    };
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::vector<Level> levels;
    float min = 0, max = 0, absmax = 0;  ///< of finite cells
    std::uint64_t nan = 0;
    std::uint64_t inf = 0;
    [[nodiscard]] std::size_t bytes() const;

    /// Levels of the smallest finite value, made by minLevels(); kept here so that they live as long as the others.
    struct MinLevels {
        std::mutex mutex;
        std::vector<LevelBuffer> levels;
    };
    std::shared_ptr<MinLevels> min_ = std::make_shared<MinLevels>();
};

/// @cost one read of the plane; rows are filled in parallel chunks
[[nodiscard]] Result<std::shared_ptr<const Pyramid>> buildPyramid(std::int64_t rows,
                                                                  std::int64_t cols,
                                                                  const RowFiller& fill,
                                                                  const JobContext& ctx = {});

/// A window of the plane in cell coordinates (may be fractional and reach beyond the plane) on a grid of device pixels.
struct Viewport {
    double left = 0, top = 0;           ///< cell coordinates of the picture's upper left corner
    double cellsPerPixelX = 1, cellsPerPixelY = 1;
    int width = 0, height = 0;          ///< device pixels
};

/// Exactly one value per device pixel: pooled where several cells share it, repeated where a cell covers several.
/// Outside of the plane: valid[i] = 0. Every cell in view contributes to at least one pixel.
struct Texels {
    int width = 0, height = 0;
    std::vector<float> values;
    std::vector<std::uint8_t> flags;  ///< TexelFlag; 0x80 = outside of the plane
    std::int64_t cellsX = 1, cellsY = 1;  ///< largest number of cells in one pixel: 1 = nothing pooled
};

/// @param fill reads exact rows; called for at most height + 1 rows when no axis has more than one cell per pixel, never for
///        a zoomed-out picture, except Pooling::Min, whose levels are built from it on first use (one read of the plane)
/// @cost O(width·height), independent of the plane's size (zoomed in: the rows in view are read whole; see WindowFiller)
[[nodiscard]] Result<Texels> sampleViewport(const Pyramid& pyramid,
                                            const RowFiller& fill,
                                            const Viewport& viewport,
                                            Pooling pooling,
                                            const JobContext& ctx = {});

/// Fills the window [firstRow, +rows) x [firstCol, +cols) into out[rows·cols].
using WindowFiller = std::function<
    Result<void>(std::int64_t firstRow, std::int64_t rows, std::int64_t firstCol, std::int64_t cols, float* out)>;

/// A filler that decodes only the window where the source's bytes lie in memory, and whole rows otherwise.
[[nodiscard]] WindowFiller makeWindowFiller(std::shared_ptr<const RowSource> source);

/// As above, but a zoomed-in picture reads only the columns in view: independent of the plane's width.
[[nodiscard]] Result<Texels> sampleViewport(const Pyramid& pyramid,
                                            const WindowFiller& fill,
                                            const Viewport& viewport,
                                            Pooling pooling,
                                            const JobContext& ctx = {});

/// Colour of each texel: out[i] = 0xffRRGGBB from a table over [low, high]; `magnitude` takes |x| first. Below, above, NaN,
/// +inf, -inf and outside have colours of their own.
struct ColorScale {
    std::span<const std::uint32_t> table;  ///< at least 2 entries, 0xffRRGGBB
    float low = 0, high = 1;
    bool magnitude = false;
    bool logarithmic = false;  ///< of |x| between low and high, both > 0
    std::uint32_t below = 0, above = 0, nan = 0, infinite = 0, outside = 0;
};
void colorize(const Texels& texels, const ColorScale& scale, std::uint32_t* out);

}  // namespace loupe
