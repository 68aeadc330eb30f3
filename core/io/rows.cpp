// SPDX-License-Identifier: Apache-2.0
#include "core/io/rows.hpp"

#include "core/base/assert.hpp"
#include "core/blocks/byte_order.hpp"
#include "core/io/plain_block.hpp"
#include "core/io/row_parts.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace loupe {

static_assert(std::endian::native == std::endian::little, "stored bytes are decoded as they lie");

void RowSource::release(std::int64_t /*first*/, std::int64_t /*count*/) const {}

namespace {

std::span<const std::byte> bytesOf(const StoredElements& elements) {
    return elements.file->bytes().subspan(elements.offset, elements.bytes);
}

/// Decodes big-endian elements through a small buffer with the words turned round.
template <class T>
void decodeSwapped(const StoredElements& elements, std::int64_t first, std::int64_t count, T* out) {
    constexpr std::size_t kBufferBytes = 4096;
    std::array<std::byte, kBufferBytes> buffer{};
    const auto elementBytes = static_cast<std::size_t>(elements.type->bits / 8);
    const std::span<const std::byte> all = bytesOf(elements);
    const auto atOnce = static_cast<std::int64_t>(kBufferBytes / elementBytes);
    for (std::int64_t done = 0; done < count; done += atOnce) {
        const std::int64_t n = std::min(atOnce, count - done);
        const std::size_t length = static_cast<std::size_t>(n) * elementBytes;
        std::memcpy(buffer.data(),
                    all.data() + static_cast<std::size_t>(first + done) * elementBytes,
                    length);
        reverseWords(std::span(buffer).first(length), elements.swapWidth);
        decodeElements(
            *elements.type, std::span<const std::byte>(buffer).first(length), 0, n, out + done);
    }
}

/// Decodes `count` whole blocks whose words lie turned round.
void unpackSwapped(const BlockLayout& layout,
                   const std::byte* blocks,
                   std::int64_t count,
                   float* out) {
    constexpr std::size_t kBufferBytes = 8192;
    std::array<std::byte, kBufferBytes> buffer{};
    const auto atOnce = static_cast<std::int64_t>(kBufferBytes) / layout.bytes;
    for (std::int64_t done = 0; done < count; done += atOnce) {
        const std::int64_t n = std::min(atOnce, count - done);
        std::memcpy(buffer.data(),
                    blocks + done * layout.bytes,
                    static_cast<std::size_t>(n * layout.bytes));
        swapBlockWords(layout, buffer.data(), n);
        layout.unpack(buffer.data(), n, out + done * layout.elements);
    }
}

/// Decodes elements [first, first + count), which need not begin or end with a block.
template <class T>
void decodeBlocks(const StoredElements& elements, std::int64_t first, std::int64_t count, T* out) {
    const BlockLayout& layout = *elements.block;
    const std::int64_t per = layout.elements;
    const std::byte* bytes = bytesOf(elements).data();
    const auto unpack = [&](std::int64_t block, std::int64_t n, float* to) {
        if (elements.swapWidth > 1) {
            unpackSwapped(layout, bytes + block * layout.bytes, n, to);
        } else {
            layout.unpack(bytes + block * layout.bytes, n, to);
        }
    };
    constexpr std::int64_t kAtOnce = 4096;
    std::array<float, kAtOnce> buffer;
    const std::int64_t blocksAtOnce = kAtOnce / per;
    const std::int64_t end = first + count;
    for (std::int64_t block = first / per; block * per < end;) {
        const std::int64_t n = std::min(blocksAtOnce, (end + per - 1) / per - block);
        const std::int64_t begin = std::max(first, block * per);
        const std::int64_t stop = std::min(end, (block + n) * per);
        const bool whole = begin == block * per && stop == (block + n) * per;
        if constexpr (std::is_same_v<T, float>) {
            if (whole) {
                unpack(block, n, out + (begin - first));
                block += n;
                continue;
            }
        }
        unpack(block, n, buffer.data());
        std::copy(buffer.data() + (begin - block * per),
                  buffer.data() + (stop - block * per),
                  out + (begin - first));
        block += n;
    }
}

template <class T>
void decodeRun(const StoredElements& elements, std::int64_t first, std::int64_t count, T* out) {
    if (count <= 0) {
        return;
    }
    if (elements.block != nullptr) {
        decodeBlocks(elements, first, count, out);
    } else if (elements.swapWidth > 1) {
        decodeSwapped(elements, first, count, out);
    } else {
        decodeElements(*elements.type, bytesOf(elements), first, count, out);
    }
}

class StoredRows final : public TypedRows<StoredRows>, public StoredPlaces {
public:
    StoredRows(StoredElements elements, std::int64_t rows, std::int64_t cols)
        : elements_(std::move(elements)), rows_(rows), cols_(cols) {}

    [[nodiscard]] std::int64_t rows() const override { return rows_; }
    [[nodiscard]] std::int64_t cols() const override { return cols_; }
    [[nodiscard]] bool isDouble() const override {
        return elements_.block == nullptr && isDoubleType(*elements_.type);
    }
    [[nodiscard]] std::optional<RawMatrix> raw() const override {
        if (elements_.block != nullptr || elements_.swapWidth > 1 ||
            !elements_.file->checkUnchanged()) {
            return std::nullopt;
        }
        return RawMatrix{elements_.type, bytesOf(elements_)};
    }
    [[nodiscard]] std::optional<RawBlocks> rawBlocks() const override {
        if (elements_.block == nullptr || elements_.swapWidth > 1 ||
            cols_ % elements_.block->elements != 0 || !elements_.file->checkUnchanged()) {
            return std::nullopt;
        }
        return RawBlocks{elements_.block, bytesOf(elements_)};
    }
    void release(std::int64_t first, std::int64_t count) const override {
        // Of plain elements in bits, of blocks in bytes: both exact.
        const bool inBlocks = elements_.block != nullptr;
        const auto unit =
            static_cast<std::uint64_t>(inBlocks ? elements_.block->bytes : elements_.type->bits);
        const auto per = static_cast<std::uint64_t>(inBlocks ? elements_.block->elements : 8);
        const std::uint64_t begin = static_cast<std::uint64_t>(first * cols_) * unit / per;
        const std::uint64_t end = static_cast<std::uint64_t>((first + count) * cols_) * unit / per;
        elements_.file->release(elements_.offset + begin, end - begin);
    }
    [[nodiscard]] const StoredElements& elements() const override { return elements_; }
    [[nodiscard]] std::int64_t count() const override { return rows_ * cols_; }
    [[nodiscard]] std::int64_t storedRowLength() const override { return cols_; }
    [[nodiscard]] std::int64_t indexOf(std::int64_t row, std::int64_t col) const override {
        return row * cols_ + col;
    }
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> cellOf(std::int64_t index) const override {
        return {index / cols_, index % cols_};
    }

    template <class T>
    Result<void> readAs(std::int64_t first, std::int64_t count, T* out) const {
        if (Result<void> same = elements_.file->checkUnchanged(); !same) {
            return same;
        }
        decodeRun(elements_, first * cols_, count * cols_, out);
        return {};
    }

private:
    StoredElements elements_;
    std::int64_t rows_;
    std::int64_t cols_;
};

class TransposedRows final : public TypedRows<TransposedRows>, public StoredPlaces {
public:
    TransposedRows(StoredElements elements, TransposedStack stack)
        : elements_(std::move(elements)), stack_(std::move(stack)) {}

    [[nodiscard]] std::int64_t rows() const override { return stack_.resultRows(); }
    [[nodiscard]] std::int64_t cols() const override { return stack_.rows; }
    [[nodiscard]] bool isDouble() const override {
        return elements_.block == nullptr && isDoubleType(*elements_.type);
    }
    void release(std::int64_t first, std::int64_t count) const override {
        // Every row touches every page of its batch: pages are given back once, when a scan has
        // come to the end.
        if (first + count == rows()) {
            elements_.file->release(elements_.offset, elements_.bytes);
        }
    }
    [[nodiscard]] const StoredElements& elements() const override { return elements_; }
    [[nodiscard]] std::int64_t count() const override { return stack_.resultRows() * stack_.rows; }
    [[nodiscard]] std::int64_t storedRowLength() const override { return stack_.cols; }
    [[nodiscard]] std::int64_t indexOf(std::int64_t row, std::int64_t col) const override {
        const auto& order = stack_.columnOf;
        const std::int64_t storedRow =
            order.empty() ? col : std::find(order.begin(), order.end(), col) - order.begin();
        return stack_.start(row / stack_.cols, storedRow) + row % stack_.cols;
    }
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> cellOf(std::int64_t index) const override {
        const std::int64_t line = index / stack_.cols;
        const std::int64_t storedRow = line % stack_.rows;
        return {line / stack_.rows * stack_.cols + index % stack_.cols, stack_.column(storedRow)};
    }

    template <class T>
    Result<void> readAs(std::int64_t first, std::int64_t count, T* out) const {
        if (Result<void> same = elements_.file->checkUnchanged(); !same) {
            return same;
        }
        for (std::int64_t row = first; row < first + count;) {
            const std::int64_t inBatch = row % stack_.cols;
            const std::int64_t n =
                std::min({first + count - row, stack_.cols - inBatch, kTileCols});
            readStrip(row / stack_.cols, inBatch, n, out + (row - first) * stack_.rows);
            row += n;
        }
        return {};
    }

private:
    static constexpr std::int64_t kTileRows = 32;
    static constexpr std::int64_t kTileCols = 128;

    /// Result rows [begin, begin + n) of one batch, n <= kTileCols.
    template <class T>
    void readStrip(std::int64_t batch, std::int64_t begin, std::int64_t n, T* out) const {
        std::array<T, static_cast<std::size_t>(kTileRows * kTileCols)> tile;
        for (std::int64_t top = 0; top < stack_.rows; top += kTileRows) {
            const std::int64_t height = std::min(kTileRows, stack_.rows - top);
            for (std::int64_t i = 0; i < height; ++i) {
                decodeRun(elements_,
                          stack_.start(batch, top + i) + begin,
                          n,
                          tile.data() + i * kTileCols);
            }
            for (std::int64_t j = 0; j < n; ++j) {
                for (std::int64_t i = 0; i < height; ++i) {
                    out[j * stack_.rows + stack_.column(top + i)] =
                        tile[static_cast<std::size_t>(i * kTileCols + j)];
                }
            }
        }
    }

    StoredElements elements_;
    TransposedStack stack_;
};

template <class S>
class MemoryRows final : public TypedRows<MemoryRows<S>> {
public:
    MemoryRows(std::int64_t rows, std::int64_t cols, std::vector<S> values)
        : rows_(rows), cols_(cols), values_(std::move(values)) {
        LOUPE_ASSERT(
            rows >= 0 && cols >= 0 && static_cast<std::size_t>(rows * cols) == values_.size(),
            "as many values as the shape says");
    }
    [[nodiscard]] std::int64_t rows() const override { return rows_; }
    [[nodiscard]] std::int64_t cols() const override { return cols_; }
    [[nodiscard]] bool isDouble() const override { return std::is_same_v<S, double>; }
    [[nodiscard]] std::optional<RawMatrix> raw() const override {
        static const StorageType* const type =
            findStorageType(std::is_same_v<S, double> ? "fp64" : "fp32");
        return RawMatrix{type, std::as_bytes(std::span<const S>(values_))};
    }

    template <class T>
    Result<void> readAs(std::int64_t first, std::int64_t count, T* out) const {
        const S* begin = values_.data() + first * cols_;
        std::transform(
            begin, begin + count * cols_, out, [](S value) { return static_cast<T>(value); });
        return {};
    }

private:
    std::int64_t rows_;
    std::int64_t cols_;
    std::vector<S> values_;
};

}  // namespace

bool isDoubleType(const StorageType& type) {
    return type.id == "fp64" || type.id == "int64" || type.id == "uint64" ||
           type.id == "complex128";
}

void decodeStored(const StoredElements& elements,
                  std::int64_t first,
                  std::int64_t count,
                  float* out) {
    decodeRun(elements, first, count, out);
}

void decodeStored(const StoredElements& elements,
                  std::int64_t first,
                  std::int64_t count,
                  double* out) {
    decodeRun(elements, first, count, out);
}

std::shared_ptr<const RowSource> makeStoredRows(StoredElements elements,
                                                std::int64_t rows,
                                                std::int64_t cols) {
    return std::make_shared<StoredRows>(std::move(elements), rows, cols);
}

std::shared_ptr<const RowSource> makeTransposedRows(StoredElements elements,
                                                    std::int64_t batches,
                                                    std::int64_t storedRows,
                                                    std::int64_t storedCols,
                                                    std::vector<std::int64_t> columnOf) {
    return std::make_shared<TransposedRows>(
        std::move(elements), TransposedStack{batches, storedRows, storedCols, std::move(columnOf)});
}

std::shared_ptr<const RowSource> makeRowSource(std::int64_t rows,
                                               std::int64_t cols,
                                               std::vector<float> values) {
    return std::make_shared<MemoryRows<float>>(rows, cols, std::move(values));
}

std::shared_ptr<const RowSource> makeRowSource(std::int64_t rows,
                                               std::int64_t cols,
                                               std::vector<double> values) {
    return std::make_shared<MemoryRows<double>>(rows, cols, std::move(values));
}

}  // namespace loupe
