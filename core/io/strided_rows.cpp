// SPDX-License-Identifier: Apache-2.0
#include "core/io/strided_rows.hpp"

#include "core/base/assert.hpp"
#include "core/blocks/byte_order.hpp"
#include "core/io/plain_block.hpp"
#include "core/io/row_parts.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace loupe {

namespace {

struct Axis {
    std::int64_t size = 1;
    std::int64_t stride = 0;
};

/// Axes in the order of the matrix, those that can be walked as one put together.
std::vector<Axis> merged(const std::vector<Axis>& axes) {
    std::vector<Axis> result;
    for (const Axis& axis : axes) {
        if (axis.size == 1) {
            continue;
        }
        if (!result.empty() && result.back().stride == axis.stride * axis.size) {
            result.back() = {result.back().size * axis.size, axis.stride};
        } else {
            result.push_back(axis);
        }
    }
    if (result.empty()) {
        result.push_back({1, 1});
    }
    return result;
}

/// How far element `index` of the axes lies from their first.
std::int64_t distance(const std::vector<Axis>& axes, std::int64_t index) {
    std::int64_t sum = 0;
    for (std::size_t i = axes.size(); i-- > 0;) {
        sum += index % axes[i].size * axes[i].stride;
        index /= axes[i].size;
    }
    return sum;
}

class StridedRows final : public TypedRows<StridedRows>, public StoredPlaces {
public:
    StridedRows(StoredElements elements,
                std::int64_t rows,
                std::int64_t cols,
                std::int64_t start,
                const std::vector<Axis>& rowAxes,
                const std::vector<Axis>& colAxes)
        : elements_(std::move(elements)),
          rows_(rows),
          cols_(cols),
          start_(start),
          rowAxes_(merged(rowAxes)),
          colAxes_(merged(colAxes)) {
        std::int64_t unit = 1;
        for (const std::vector<Axis>* axes : {&colAxes_, &rowAxes_}) {
            unit = 1;
            for (std::size_t i = axes->size(); i-- > 0;) {
                steps_.push_back({(*axes)[i], unit, axes == &rowAxes_});
                unit *= (*axes)[i].size;
            }
        }
        std::sort(steps_.begin(), steps_.end(), [](const Step& a, const Step& b) {
            return a.axis.stride > b.axis.stride;
        });
    }

    [[nodiscard]] std::int64_t rows() const override { return rows_; }
    [[nodiscard]] std::int64_t cols() const override { return cols_; }
    [[nodiscard]] bool isDouble() const override { return isDoubleType(*elements_.type); }
    void release(std::int64_t first, std::int64_t count) const override {
        // Rows may share pages in any way: they are given back when a scan has come to the end.
        if (first + count == rows_) {
            elements_.file->release(elements_.offset, elements_.bytes);
        }
    }

    [[nodiscard]] const StoredElements& elements() const override { return elements_; }
    [[nodiscard]] std::int64_t count() const override {
        std::int64_t last = start_ + 1;
        for (const Step& step : steps_) {
            last += (step.axis.size - 1) * step.axis.stride;
        }
        return last;
    }
    /// Neighbours in the file need not be neighbours in the matrix, nor be part of it.
    [[nodiscard]] std::int64_t storedRowLength() const override { return 1; }
    [[nodiscard]] std::int64_t indexOf(std::int64_t row, std::int64_t col) const override {
        return start_ + distance(rowAxes_, row) + distance(colAxes_, col);
    }
    /// Of an element that stands in several places the first that is found.
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> cellOf(std::int64_t index) const override {
        std::int64_t rest = index - start_;
        std::pair<std::int64_t, std::int64_t> cell{0, 0};
        for (const Step& step : steps_) {
            if (step.axis.stride == 0) {
                continue;
            }
            const std::int64_t n = std::min(rest / step.axis.stride, step.axis.size - 1);
            rest -= n * step.axis.stride;
            (step.isRow ? cell.first : cell.second) += n * step.unit;
        }
        return cell;
    }

    template <class T>
    Result<void> readAs(std::int64_t first, std::int64_t count, T* out) const {
        if (Result<void> same = elements_.file->checkUnchanged(); !same) {
            return same;
        }
        if (cols_ == 0) {
            return {};
        }
        const Axis& inner = rowAxes_.back();
        const bool down = inner.stride == 1 && colAxes_.back().stride != 1;
        for (std::int64_t row = first; row < first + count;) {
            std::int64_t n = 1;
            if (down) {
                n = std::min({first + count - row, inner.size - row % inner.size, kTileRows});
            }
            const std::int64_t base = start_ + distance(rowAxes_, row);
            T* to = out + (row - first) * cols_;
            if (n > 1) {
                readDown(base, n, to);
            } else {
                readAcross(base, to);
            }
            row += n;
        }
        return {};
    }

private:
    /// An axis, and how many rows or columns one step along it is.
    struct Step {
        Axis axis;
        std::int64_t unit = 1;
        bool isRow = false;
    };

    static constexpr std::int64_t kTileRows = 128;
    static constexpr std::int64_t kTileCols = 32;

    /// One row.
    template <class T>
    void readAcross(std::int64_t base, T* out) const {
        const Axis& inner = colAxes_.back();
        for (std::int64_t col = 0; col < cols_; col += inner.size) {
            const std::int64_t from = base + distance(colAxes_, col);
            if (inner.stride == 1) {
                decodeStored(elements_, from, inner.size, out + col);
            } else {
                gather(from, inner, out + col);
            }
        }
    }

    /// Elements far apart, through a small buffer.
    template <class T>
    void gather(std::int64_t from, const Axis& axis, T* out) const {
        constexpr std::size_t kBufferBytes = 4096;
        std::array<std::byte, kBufferBytes> buffer;
        const auto size = static_cast<std::size_t>(elements_.type->bits / 8);
        const std::byte* bytes = elements_.file->bytes().data() + elements_.offset;
        const auto atOnce = static_cast<std::int64_t>(kBufferBytes / size);
        for (std::int64_t done = 0; done < axis.size; done += atOnce) {
            const std::int64_t n = std::min(atOnce, axis.size - done);
            for (std::int64_t i = 0; i < n; ++i) {
                const auto at = static_cast<std::size_t>(from + (done + i) * axis.stride);
                std::memcpy(
                    buffer.data() + static_cast<std::size_t>(i) * size, bytes + at * size, size);
            }
            const std::size_t length = static_cast<std::size_t>(n) * size;
            reverseWords(std::span(buffer).first(length), elements_.swapWidth);
            decodeElements(*elements_.type,
                           std::span<const std::byte>(buffer).first(length),
                           0,
                           n,
                           out + done);
        }
    }

    /// n rows that lie side by side, column by column.
    template <class T>
    void readDown(std::int64_t base, std::int64_t n, T* out) const {
        std::array<T, static_cast<std::size_t>(kTileRows * kTileCols)> tile;
        for (std::int64_t left = 0; left < cols_; left += kTileCols) {
            const std::int64_t width = std::min(kTileCols, cols_ - left);
            for (std::int64_t c = 0; c < width; ++c) {
                decodeStored(
                    elements_, base + distance(colAxes_, left + c), n, tile.data() + c * kTileRows);
            }
            for (std::int64_t r = 0; r < n; ++r) {
                for (std::int64_t c = 0; c < width; ++c) {
                    out[r * cols_ + left + c] = tile[static_cast<std::size_t>(c * kTileRows + r)];
                }
            }
        }
    }

    StoredElements elements_;
    std::int64_t rows_;
    std::int64_t cols_;
    std::int64_t start_;
    std::vector<Axis> rowAxes_;
    std::vector<Axis> colAxes_;
    std::vector<Step> steps_;  ///< longest first
};

}  // namespace

std::optional<std::int64_t> stridedExtent(const StridedPlace& place) {
    constexpr std::int64_t kMost = std::int64_t{1} << 62;
    if (place.start < 0 || place.start > kMost || place.sizes.size() != place.strides.size()) {
        return std::nullopt;
    }
    std::int64_t extent = 1;
    bool none = false;
    for (std::size_t i = 0; i < place.sizes.size(); ++i) {
        if (place.sizes[i] < 0 || place.strides[i] < 0) {
            return std::nullopt;
        }
        none = none || place.sizes[i] == 0;
        const std::int64_t steps = std::max<std::int64_t>(place.sizes[i] - 1, 0);
        if (steps > 0 && place.strides[i] > (kMost - extent) / steps) {
            return std::nullopt;
        }
        extent += steps * place.strides[i];
    }
    return none ? 0 : extent;
}

bool isContiguous(const StridedPlace& place) {
    std::int64_t expected = 1;
    for (std::size_t i = place.sizes.size(); i-- > 0;) {
        if (place.sizes[i] != 1 && place.strides[i] != expected) {
            return false;
        }
        expected *= place.sizes[i];
    }
    return true;
}

std::shared_ptr<const RowSource> makeStridedRows(const TensorInfo& tensor,
                                                 StoredElements elements,
                                                 const StridedPlace& place) {
    if (tensor.parameters == 0 || isContiguous(place)) {
        const auto bits = static_cast<std::uint64_t>(elements.type->bits);
        LOUPE_ASSERT(static_cast<std::uint64_t>(place.start) * bits % 8 == 0,
                     "packed elements begin with their byte");
        elements.offset += static_cast<std::uint64_t>(place.start) * bits / 8;
        elements.bytes = (tensor.parameters * bits + 7) / 8;
        return layoutRows(tensor, std::move(elements));
    }
    std::vector<Axis> rows;
    std::vector<Axis> cols;
    const std::size_t rank = place.sizes.size();
    // A stack of three dimensions; where the middle one is 1 both ways are the same.
    const bool stack = rank == 3 && (tensor.transposed || tensor.cols == tensor.shape[2]);
    for (std::size_t i = 0; i < rank; ++i) {
        bool isRow = rank > 1 && i == 0;
        if (tensor.transposed) {
            isRow = stack ? i != 1 : i == 1;
        } else if (stack) {
            isRow = i < 2;
        }
        (isRow ? rows : cols).push_back({place.sizes[i], place.strides[i]});
    }
    return std::make_shared<StridedRows>(
        std::move(elements), tensor.rows, tensor.cols, place.start, rows, cols);
}

}  // namespace loupe
