// SPDX-License-Identifier: Apache-2.0
#include "core/io/packed/grid_layout.hpp"

#include "core/base/assert.hpp"
#include "core/base/text.hpp"
#include "core/formats/codec.hpp"
#include "core/io/packed/view.hpp"

#include <algorithm>
#include <cstring>

namespace loupe::packed {

namespace {

/// What one row needs of its scales: a scale and a zero point for each block of columns.
struct RowFigures {
    std::int64_t blockRow = -1;
    std::int64_t row = -1;
    std::vector<float> scales;
    std::vector<float> zeros;
};

class GridMatrix final : public PackedMatrix {
public:
    GridMatrix(GridLayout layout, GridParts parts)
        : PackedMatrix(layout.rows, layout.cols),
          layout_(std::move(layout)),
          parts_(std::move(parts)),
          permuted_(layout_.groupOf != nullptr && !layout_.groupOf->empty()),
          blocks_(permuted_ ? layout_.scaleCols : ceilDiv(layout_.cols, layout_.blockCols)) {}

    [[nodiscard]] Result<void> check() const;
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override;
    [[nodiscard]] Result<BlockView> block(std::int64_t row, std::int64_t col) const override;

    void release(std::int64_t first, std::int64_t count) const override {
        parts_.codes.release(rowBegin(first), rowBegin(first + count) - rowBegin(first));
    }

private:
    struct Data {
        std::span<const std::byte> codes, scales, zeros, tensorScales;
    };
    [[nodiscard]] Result<Data> data() const;

    /// Where the bytes of a row begin.
    [[nodiscard]] std::int64_t rowBegin(std::int64_t row) const {
        return (layout_.pairedRows ? row / 2 : row) * layout_.rowBytes;
    }
    /// Bit of a code after the beginning of its row.
    [[nodiscard]] std::int64_t bitOf(std::int64_t row, std::int64_t col) const {
        return layout_.pairedRows ? col * 8 + row % 2 * 4
               : layout_.codesPerWord > 0
                   ? col / layout_.codesPerWord * 32 + col % layout_.codesPerWord * layout_.bits
                   : col * layout_.bits;
    }
    [[nodiscard]] std::int64_t blockOf(std::int64_t col) const {
        return permuted_ ? (*layout_.groupOf)[static_cast<std::size_t>(col)]
                         : col / layout_.blockCols;
    }
    /// Where the zero point of a block lies: first bit in the zeros' bytes, and how many.
    struct ZeroPlace {
        std::int64_t word = 0;
        std::int64_t step = 1;  ///< words to the stream's next word
        std::int64_t bit = 0;
    };
    [[nodiscard]] ZeroPlace zeroPlace(std::int64_t row, std::int64_t block) const;
    [[nodiscard]] float zeroOf(std::span<const std::byte> zeros,
                               std::int64_t row,
                               std::int64_t block) const;
    [[nodiscard]] std::int64_t tensorScaleOf(std::int64_t row) const {
        return row / (rows() / parts_.tensorScales.elements());
    }
    void figures(const Data& data, std::int64_t row, RowFigures& into) const;
    void decodeRow(const std::byte* codes,
                   std::int64_t row,
                   const RowFigures& figures,
                   float* out) const;
    void lookUp(const std::byte* codes,
                std::int64_t row,
                const float* table,
                std::int64_t begin,
                std::int64_t end,
                float* out) const;
    /// To what the product is rounded to.
    void roundAll(float* values, std::int64_t count) const;
    [[nodiscard]] float valueOf(float value, float scale, float zero) const;
    [[nodiscard]] Recipe recipe() const;
    [[nodiscard]] std::vector<std::int64_t> window(std::int64_t col) const;
    Result<void> viewScales(ViewBuilder& builder,
                            std::int64_t row,
                            std::int64_t block,
                            std::vector<Figure>& shared) const;
    Result<void> viewZero(ViewBuilder& builder,
                          std::int64_t row,
                          std::int64_t block,
                          std::vector<Figure>& shared) const;

    GridLayout layout_;
    GridParts parts_;
    bool permuted_;
    std::int64_t blocks_;  ///< in a row
};

std::uint32_t codeAt(const std::byte* row, std::int64_t bit, int bits) {
    // At most 8 bits: two bytes, the second only where the code crosses into it.
    const auto shift = static_cast<unsigned>(bit % 8);
    auto value = std::to_integer<std::uint32_t>(row[bit / 8]);
    if (shift + static_cast<unsigned>(bits) > 8) {
        value |= std::to_integer<std::uint32_t>(row[bit / 8 + 1]) << 8U;
    }
    return (value >> shift) & ((1U << static_cast<unsigned>(bits)) - 1U);
}

Result<void> GridMatrix::check() const {
    const std::int64_t scaleRows = ceilDiv(layout_.rows, layout_.blockRows);
    const auto needs = [](const Part& part, std::int64_t bytes) -> Result<void> {
        if (part.bytes() < bytes) {
            return fail(ErrorCode::Damaged,
                        "tensor \"" + part.info().name + "\": expected at least " +
                            std::to_string(bytes) + " bytes, found " +
                            std::to_string(part.bytes()));
        }
        return {};
    };
    if (layout_.rows <= 0 || layout_.cols <= 0 || layout_.rows > kMostSide ||
        layout_.cols > kMostSide || layout_.scaleCols < blocks_ ||
        layout_.values.size() != std::size_t{1} << static_cast<unsigned>(layout_.bits)) {
        return fail(ErrorCode::Damaged,
                    "expected a scale for each block of columns, found " +
                        std::to_string(layout_.scaleCols) + " for " + std::to_string(blocks_));
    }
    if (auto enough = needs(parts_.codes, rowBegin(layout_.rows)); !enough) {
        return enough;
    }
    if ((bitOf(1, layout_.cols - 1) + layout_.bits + 7) / 8 > layout_.rowBytes ||
        (layout_.pairedRows && layout_.rows % 2 != 0)) {
        return fail(ErrorCode::Damaged,
                    "expected at least " + std::to_string(layout_.cols) + " codes of " +
                        std::to_string(layout_.bits) + " bits in a row, found " +
                        std::to_string(layout_.rowBytes) + " bytes");
    }
    if (auto enough = needs(parts_.scales,
                            (scaleRows * layout_.scaleCols * parts_.scales.type().bits + 7) / 8);
        !enough) {
        return enough;
    }
    switch (layout_.zero) {
        case ZeroKind::None:
            break;
        case ZeroKind::Elements:
        case ZeroKind::Bias:
            return needs(parts_.zeros,
                         (scaleRows * layout_.scaleCols * parts_.zeros.type().bits + 7) / 8);
        case ZeroKind::AlongBlocks:
        case ZeroKind::AlongRows: {
            const ZeroPlace last = zeroPlace(layout_.rows - 1, blocks_ - 1);
            const bool crosses = last.bit % 32 + layout_.bits > 32;
            return needs(parts_.zeros, (last.word + (crosses ? last.step : 0) + 1) * 4);
        }
    }
    return {};
}

Result<GridMatrix::Data> GridMatrix::data() const {
    Data made;
    for (const auto& [part, span] : {std::pair(&parts_.codes, &made.codes),
                                     std::pair(&parts_.scales, &made.scales),
                                     std::pair(&parts_.zeros, &made.zeros),
                                     std::pair(&parts_.tensorScales, &made.tensorScales)}) {
        if (!part->there()) {
            continue;
        }
        const auto bytes = part->data();
        if (!bytes) {
            return fail(bytes.error());
        }
        *span = *bytes;
    }
    return made;
}

GridMatrix::ZeroPlace GridMatrix::zeroPlace(std::int64_t row, std::int64_t block) const {
    const bool alongRows = layout_.zero == ZeroKind::AlongRows;
    const std::int64_t index = alongRows ? row / layout_.blockRows : block;
    const std::int64_t per = layout_.zeroCodesPerWord;
    const std::int64_t bit =
        per > 0 ? index / per * 32 + index % per * layout_.bits : index * layout_.bits;
    ZeroPlace place;
    place.bit = bit % 32;
    if (alongRows) {
        place.step = layout_.scaleCols;
        place.word = bit / 32 * layout_.scaleCols + block;
    } else {
        place.word = row / layout_.blockRows * layout_.zeroWords + bit / 32;
    }
    return place;
}

float GridMatrix::zeroOf(std::span<const std::byte> zeros,
                         std::int64_t row,
                         std::int64_t block) const {
    const ZeroPlace place = zeroPlace(row, block);
    std::uint64_t pair = wordAt(zeros.data(), place.word);
    if (place.bit + layout_.bits > 32) {
        pair |= std::uint64_t{wordAt(zeros.data(), place.word + place.step)} << 32U;
    }
    const auto code = (pair >> static_cast<unsigned>(place.bit)) &
                      ((std::uint64_t{1} << static_cast<unsigned>(layout_.bits)) - 1);
    return static_cast<float>(static_cast<int>(code) - layout_.zeroOffset);
}

void GridMatrix::figures(const Data& data, std::int64_t row, RowFigures& into) const {
    const bool packedZeros =
        layout_.zero == ZeroKind::AlongBlocks || layout_.zero == ZeroKind::AlongRows;
    const std::int64_t blockRow = row / layout_.blockRows;
    if (into.blockRow == blockRow && !parts_.tensorScales.there()) {
        return;
    }
    const auto n = static_cast<std::size_t>(blocks_);
    into.scales.resize(n);
    into.zeros.assign(n, 0.0F);
    parts_.scales.decode(data.scales, blockRow * layout_.scaleCols, blocks_, into.scales.data());
    if (parts_.tensorScales.there()) {
        float tensorScale = 0;
        parts_.tensorScales.decode(data.tensorScales, tensorScaleOf(row), 1, &tensorScale);
        for (float& scale : into.scales) {
            scale = layout_.divide ? scale / tensorScale : scale * tensorScale;
        }
    }
    if (packedZeros) {
        for (std::int64_t b = 0; b < blocks_; ++b) {
            into.zeros[static_cast<std::size_t>(b)] = zeroOf(data.zeros, row, b);
        }
    } else if (layout_.zero != ZeroKind::None) {
        parts_.zeros.decode(data.zeros, blockRow * layout_.scaleCols, blocks_, into.zeros.data());
    }
    into.blockRow = blockRow;
}

float GridMatrix::valueOf(float value, float scale, float zero) const {
    if (layout_.zero == ZeroKind::Bias) {
        const float product = value * scale;
        return roundTo(layout_.result,
                       (layout_.innerRounding ? roundTo(layout_.result, product) : product) + zero);
    }
    const float shifted = layout_.zero == ZeroKind::None ? value : value - zero;
    return roundTo(layout_.result,
                   (layout_.innerRounding ? roundTo(layout_.result, shifted) : shifted) * scale) *
           layout_.after;
}

/// Values of `count` codes from column `begin`, looked up by their codes.
void GridMatrix::lookUp(const std::byte* codes,
                        std::int64_t row,
                        const float* table,
                        std::int64_t begin,
                        std::int64_t end,
                        float* out) const {
    std::int64_t c = begin;
    if (layout_.pairedRows) {
        const auto shift = static_cast<unsigned>(row % 2 * 4);
        for (; c < end; ++c) {
            out[c] = table[(std::to_integer<std::size_t>(codes[c]) >> shift) & 15U];
        }
    } else if (layout_.bits == 4 && layout_.codesPerWord == 0 && begin % 2 == 0) {
        for (; c + 1 < end; c += 2) {
            const auto pair = std::to_integer<std::size_t>(codes[c / 2]);
            out[c] = table[pair & 15U];
            out[c + 1] = table[pair >> 4U];
        }
    } else if (layout_.bits == 8) {
        for (; c < end; ++c) {
            out[c] = table[std::to_integer<std::size_t>(codes[c])];
        }
    }
    for (; c < end; ++c) {
        out[c] = table[codeAt(codes, bitOf(row, c), layout_.bits)];
    }
}

void GridMatrix::decodeRow(const std::byte* codes,
                           std::int64_t row,
                           const RowFigures& figures,
                           float* out) const {
    const float* values = layout_.values.data();
    const auto count = static_cast<std::int64_t>(layout_.values.size());
    if (permuted_) {
        for (std::int64_t c = 0; c < layout_.cols; ++c) {
            const auto b = static_cast<std::size_t>(blockOf(c));
            out[c] = valueOf(values[codeAt(codes, bitOf(row, c), layout_.bits)],
                             figures.scales[b],
                             figures.zeros[b]);
        }
        return;
    }
    const bool product = layout_.zero == ZeroKind::None && layout_.after == 1.0F;
    std::array<float, 256> table;
    for (std::int64_t b = 0; b < blocks_; ++b) {
        const float scale = figures.scales[static_cast<std::size_t>(b)];
        const float zero = figures.zeros[static_cast<std::size_t>(b)];
        const std::int64_t begin = b * layout_.blockCols;
        const std::int64_t end = std::min(begin + layout_.blockCols, layout_.cols);
        if (end - begin >= count) {
            for (std::int64_t q = 0; q < count; ++q) {
                table[static_cast<std::size_t>(q)] =
                    product ? values[q] * scale : valueOf(values[q], scale, zero);
            }
            if (product) {
                roundAll(table.data(), count);
            }
            lookUp(codes, row, table.data(), begin, end, out);
            continue;
        }
        lookUp(codes, row, values, begin, end, out);
        for (std::int64_t c = begin; c < end; ++c) {
            out[c] = product ? out[c] * scale : valueOf(out[c], scale, zero);
        }
        if (product) {
            roundAll(out + begin, end - begin);
        }
    }
}

void GridMatrix::roundAll(float* values, std::int64_t count) const {
    if (layout_.result == Result16::Bf16) {
        std::transform(values, values + count, values, roundToBf16);
    } else if (layout_.result == Result16::Fp16) {
        std::transform(values, values + count, values, roundToHalf);
    }
}

Result<void> GridMatrix::read(std::int64_t first, std::int64_t count, float* out) const {
    const auto bytes = data();
    if (!bytes) {
        return fail(bytes.error());
    }
    RowFigures row;
    const bool packedZeros =
        layout_.zero == ZeroKind::AlongBlocks || layout_.zero == ZeroKind::AlongRows;
    for (std::int64_t r = first; r < first + count; ++r) {
        if (packedZeros) {
            row.blockRow = -1;
        }
        figures(*bytes, r, row);
        decodeRow(bytes->codes.data() + rowBegin(r), r, row, out + (r - first) * cols());
    }
    return {};
}

std::vector<std::int64_t> GridMatrix::window(std::int64_t col) const {
    std::vector<std::int64_t> members;
    const std::int64_t block = blockOf(col);
    const std::int64_t begin = permuted_ ? 0 : block * layout_.blockCols;
    const std::int64_t end =
        permuted_ ? layout_.cols : std::min(begin + layout_.blockCols, layout_.cols);
    for (std::int64_t c = begin; c < end; ++c) {
        if (blockOf(c) == block) {
            members.push_back(c);
        }
    }
    const auto at = std::lower_bound(members.begin(), members.end(), col) - members.begin();
    const std::int64_t from = at / kMostCells * kMostCells;
    const std::int64_t to = std::min(from + kMostCells, static_cast<std::int64_t>(members.size()));
    return {members.begin() + from, members.begin() + to};
}

Recipe GridMatrix::recipe() const {
    Recipe made;
    const auto values = std::make_shared<const std::vector<float>>(layout_.values);
    made.meanings.push_back({"q", BlockRole::Codes, [values](std::uint64_t code) {
                                 return static_cast<double>((*values)[code]);
                             }});
    made.meanings.push_back({"scale", BlockRole::Scale, valueOfType(parts_.scales.type())});
    const bool zeros = layout_.zero != ZeroKind::None;
    const bool bias = layout_.zero == ZeroKind::Bias;
    const bool second = parts_.tensorScales.there();
    if (second) {
        made.meanings.push_back(
            {"tensor scale", BlockRole::Scale, valueOfType(parts_.tensorScales.type())});
    }
    if (layout_.zero == ZeroKind::Elements || bias) {
        made.meanings.push_back({bias ? "bias" : "zero",
                                 bias ? BlockRole::Minimum : BlockRole::ZeroPoint,
                                 valueOfType(parts_.zeros.type())});
    } else if (zeros) {
        const int offset = layout_.zeroOffset;
        made.meanings.push_back({"zero", BlockRole::ZeroPoint, [offset](std::uint64_t code) {
                                     return static_cast<double>(static_cast<int>(code) - offset);
                                 }});
    }
    const char* by = layout_.divide ? " / " : " · ";
    const std::string rounded =
        layout_.result == Result16::Fp32 ? "" : std::string(nameOf(layout_.result));
    const auto write = [=, after = layout_.afterText](const std::string& q,
                                                      const std::string& scale,
                                                      const std::string& tensor,
                                                      const std::string& zero) {
        const std::string s = second ? "(" + scale + by + tensor + ")" : scale;
        std::string text = bias    ? q + " · " + s + " + " + zero
                           : zeros ? "(" + q + " − " + zero + ") · " + s
                                   : q + " · " + s;
        text = rounded.empty() ? text : rounded + "(" + text + ")";
        return after.empty() ? text : text + " · " + after;
    };
    made.formula = write("q", "scale", "tensor scale", bias ? "bias" : "zero");
    made.equation = [write, second](std::span<const double> v) {
        const auto number = [&](std::size_t i) {
            return i < v.size() ? shortest(static_cast<float>(v[i])) : std::string();
        };
        return write(number(0), number(1), second ? number(2) : "", number(second ? 3 : 2));
    };
    // The view may outlive the matrix: what it needs of it is copied (the parts stay mapped).
    const auto self = std::make_shared<const GridMatrix>(layout_, parts_);
    made.value = [self, second](std::span<const double> v) {
        auto scale = static_cast<float>(v[1]);
        if (second) {
            const auto tensor = static_cast<float>(v[2]);
            scale = self->layout_.divide ? scale / tensor : scale * tensor;
        }
        const std::size_t at = second ? 3 : 2;
        return static_cast<double>(self->valueOf(
            static_cast<float>(v[0]), scale, at < v.size() ? static_cast<float>(v[at]) : 0.0F));
    };
    return made;
}

Result<void> GridMatrix::viewScales(ViewBuilder& builder,
                                    std::int64_t row,
                                    std::int64_t block,
                                    std::vector<Figure>& shared) const {
    const std::int64_t width = parts_.scales.type().bits / 8;
    const auto scale = builder.add(
        parts_.scales, (row / layout_.blockRows * layout_.scaleCols + block) * width, width);
    if (!scale) {
        return fail(scale.error());
    }
    builder.field("scale", "scale of this block", BlockRole::Scale);
    shared.push_back({bitsAt(*scale, 0, static_cast<int>(width * 8)), 1});
    if (parts_.tensorScales.there()) {
        const std::int64_t bytes = parts_.tensorScales.type().bits / 8;
        const auto second = builder.add(parts_.tensorScales, tensorScaleOf(row) * bytes, bytes);
        if (!second) {
            return fail(second.error());
        }
        builder.field("tensor scale", "scale of the whole tensor", BlockRole::Scale);
        shared.push_back({bitsAt(*second, 0, static_cast<int>(bytes * 8)), 2});
    }
    return {};
}

Result<void> GridMatrix::viewZero(ViewBuilder& builder,
                                  std::int64_t row,
                                  std::int64_t block,
                                  std::vector<Figure>& shared) const {
    if (layout_.zero == ZeroKind::None) {
        return {};
    }
    const std::size_t meaning = parts_.tensorScales.there() ? 3 : 2;
    const bool bias = layout_.zero == ZeroKind::Bias;
    if (bias || layout_.zero == ZeroKind::Elements) {
        const std::int64_t bytes = parts_.zeros.type().bits / 8;
        const auto zero = builder.add(
            parts_.zeros, (row / layout_.blockRows * layout_.scaleCols + block) * bytes, bytes);
        if (!zero) {
            return fail(zero.error());
        }
        shared.push_back({bitsAt(*zero, 0, static_cast<int>(bytes * 8)), meaning});
    } else {
        const ZeroPlace place = zeroPlace(row, block);
        std::vector<BitRun> bits;
        for (int done = 0; done < layout_.bits;) {
            const std::int64_t bit = place.bit + done;
            const int n = std::min(layout_.bits - done, static_cast<int>(32 - bit % 32));
            const auto at = builder.add(parts_.zeros, (place.word + bit / 32 * place.step) * 4, 4);
            if (!at) {
                return fail(at.error());
            }
            for (BitRun run : bitsAt(*at, bit % 32, n)) {
                run.shift += done;
                bits.push_back(run);
            }
            done += n;
        }
        shared.push_back({std::move(bits), meaning});
    }
    builder.field(bias ? "bias" : "zero point",
                  bias ? "added after scaling" : "the code that means zero",
                  bias ? BlockRole::Minimum : BlockRole::ZeroPoint);
    return {};
}

Result<BlockView> GridMatrix::block(std::int64_t row, std::int64_t col) const {
    ViewBuilder builder;
    const std::int64_t block = blockOf(col);
    std::vector<Figure> shared;
    if (Result<void> made = viewScales(builder, row, block, shared); !made) {
        return fail(made.error());
    }
    if (Result<void> made = viewZero(builder, row, block, shared); !made) {
        return fail(made.error());
    }
    const std::vector<std::int64_t> members = window(col);
    for (const std::int64_t c : members) {
        const std::int64_t bit = bitOf(row, c);
        const std::int64_t begin = rowBegin(row) + bit / 8;
        const std::int64_t bytes = (bit % 8 + layout_.bits + 7) / 8;
        // Byte by byte: neighbours share bytes, and runs grow.
        std::vector<BitRun> bits;
        for (std::int64_t b = 0; b < bytes; ++b) {
            const auto at = builder.add(parts_.codes, begin + b, 1);
            if (!at) {
                return fail(at.error());
            }
            const std::int64_t from = b == 0 ? bit % 8 : 0;
            const std::int64_t done = b == 0 ? 0 : 8 * b - bit % 8;
            const auto n = static_cast<int>(std::min<std::int64_t>(8 - from, layout_.bits - done));
            bits.push_back({*at, static_cast<int>(from), n, static_cast<int>(done)});
        }
        std::vector<Figure> figures{{std::move(bits), 0}};
        figures.insert(figures.end(), shared.begin(), shared.end());
        builder.cell(row, c, std::move(figures));
    }
    builder.field("codes", "codes of the weights", BlockRole::Codes);
    return builder.finish(layout_.scheme,
                          layout_.title + ", row " + std::to_string(row) + ", " +
                              std::to_string(members.size()) + " weights from column " +
                              std::to_string(members.front()),
                          std::string(layout_.source),
                          recipe(),
                          row,
                          col);
}

}  // namespace

std::vector<float> offsetValues(int bits, std::int64_t offset) {
    std::vector<float> values;
    for (std::int64_t code = 0; code < std::int64_t{1} << bits; ++code) {
        values.push_back(static_cast<float>(code - offset));
    }
    return values;
}

std::vector<float> formatValues(std::string_view format) {
    const NumberFormat* found = findFormat(format);
    LOUPE_ASSERT(found != nullptr && found->bits <= 8, "a small format");
    std::vector<float> values;
    for (std::uint64_t code = 0; code < std::uint64_t{1} << static_cast<unsigned>(found->bits);
         ++code) {
        values.push_back(static_cast<float>(decode(*found, code)));
    }
    return values;
}

namespace {

Result<std::shared_ptr<const PackedMatrix>> openParts(const TensorSource& source,
                                                      GridLayout layout,
                                                      const GridNames& names) {
    GridParts parts;
    for (const auto& [part, index] : {std::pair(&parts.codes, std::optional(names.codes)),
                                      std::pair(&parts.scales, std::optional(names.scales)),
                                      std::pair(&parts.zeros, names.zeros),
                                      std::pair(&parts.tensorScales, names.tensorScales)}) {
        if (!index) {
            continue;
        }
        auto opened = Part::open(source, *index);
        if (!opened) {
            return fail(opened.error());
        }
        *part = std::move(*opened);
    }
    if (!names.scalesAs.empty()) {
        parts.scales.readAs(names.scalesAs);
    }
    if (names.groupIndex) {
        const auto gIdx = Part::open(source, *names.groupIndex);
        if (!gIdx) {
            return fail(gIdx.error());
        }
        auto groups = readGroupIndex(*gIdx, layout.cols, layout.scaleCols, layout.blockCols);
        if (!groups) {
            return fail(groups.error());
        }
        layout.groupOf = std::make_shared<const std::vector<std::int32_t>>(std::move(*groups));
    }
    return makeGridMatrix(std::move(layout), std::move(parts));
}

}  // namespace

OpenMatrix openGrid(GridLayout layout, GridNames names) {
    return [layout = std::move(layout), names](const TensorSource& source) {
        return openParts(source, layout, names);
    };
}

void describeGroups(const GridLayout& layout, Found& found) {
    found.groupRows = std::min(layout.blockRows, layout.rows);
    found.groupCols = std::min(layout.blockCols, layout.cols);
    found.symmetric = layout.zero == ZeroKind::None;
    found.actOrder = false;
}

Result<std::shared_ptr<const PackedMatrix>> makeGridMatrix(GridLayout layout, GridParts parts) {
    if (parts.tensorScales.there() &&
        (parts.tensorScales.elements() <= 0 || layout.rows % parts.tensorScales.elements() != 0)) {
        return fail(ErrorCode::Damaged,
                    "tensor \"" + parts.tensorScales.info().name +
                        "\": expected one scale for the tensor, found " +
                        std::to_string(parts.tensorScales.elements()));
    }
    auto matrix = std::make_shared<const GridMatrix>(std::move(layout), std::move(parts));
    if (Result<void> sound = matrix->check(); !sound) {
        return fail(sound.error());
    }
    return matrix;
}

}  // namespace loupe::packed
