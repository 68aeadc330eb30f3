// SPDX-License-Identifier: Apache-2.0
#include "core/io/packed/tile_layout.hpp"

#include "core/base/text.hpp"
#include "core/io/packed/view.hpp"

#include <algorithm>
#include <array>

namespace loupe::packed {

namespace {

constexpr std::int64_t kTileInputs = 16;
constexpr std::int64_t kTileOutputs = 64;
constexpr std::int64_t kTileCodes = kTileInputs * kTileOutputs;

/// Which of a group of four inputs the two stored ones are. A place that both name is the second's,
/// as scattering one after the other leaves it.
constexpr int kPruned = 0;
constexpr int kFirst = 1;
constexpr int kSecond = 2;

int keptAt(std::uint64_t indices, std::int64_t place) {
    const auto at = static_cast<std::uint64_t>(place);
    return ((indices >> 2U) & 3U) == at ? kSecond : (indices & 3U) == at ? kFirst : kPruned;
}

class TileMatrix final : public PackedMatrix {
public:
    TileMatrix(TileLayout layout, TileParts parts)
        : PackedMatrix(layout.outputs, layout.inputs),
          layout_(std::move(layout)),
          parts_(std::move(parts)),
          result_(resultOf(parts_.scales.type().id)) {}

    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        const auto codes = parts_.codes.data();
        const auto scales = parts_.scales.data();
        auto meta = codes;
        if (layout_.sparse) {
            meta = parts_.meta.data();
        }
        if (!codes || !scales || !meta) {
            return fail(!codes ? codes.error() : !scales ? scales.error() : meta.error());
        }
        for (std::int64_t row = first; row < first + count; ++row) {
            readRow(*codes, *scales, *meta, row, out + (row - first) * cols());
        }
        return {};
    }

    [[nodiscard]] Result<BlockView> block(std::int64_t row, std::int64_t col) const override;

    void release(std::int64_t first, std::int64_t count) const override {
        // Rows lie in strips of 64 in every tile: given back once, when a scan has come to the end.
        if (first + count == rows()) {
            parts_.codes.release(0, parts_.codes.bytes());
        }
    }

private:
    void readRow(std::span<const std::byte> codes,
                 std::span<const std::byte> scales,
                 std::span<const std::byte> meta,
                 std::int64_t row,
                 float* out) const {
        // A row of tiles is as long as any other; within it an output's bits depend on 16 inputs.
        std::array<std::int64_t, static_cast<std::size_t>(kTileInputs)> bits{};
        for (std::int64_t i = 0; i < kTileInputs; ++i) {
            bits[static_cast<std::size_t>(i)] = tileCodeBit(layout_, row, i);
        }
        const std::int64_t tileBits = kTileInputs * layout_.outputs * layout_.bits;
        const auto codeAt = [&](std::int64_t kept) {
            const std::int64_t bit =
                kept / kTileInputs * tileBits + bits[static_cast<std::size_t>(kept % kTileInputs)];
            const auto byte = std::to_integer<unsigned>(codes[static_cast<std::size_t>(bit / 8)]);
            return layout_.bits == 8 ? byte : (byte >> static_cast<unsigned>(bit % 8)) & 15U;
        };
        const std::int64_t size = cols() / layout_.groups;
        const auto half = static_cast<float>(1 << (layout_.bits - 1));
        std::array<float, 256> values{};
        for (std::int64_t group = 0; group < layout_.groups; ++group) {
            float scale = 0;
            parts_.scales.decode(scales, tileScaleAt(layout_, row, group), 1, &scale);
            for (std::size_t q = 0; q < std::size_t{1} << static_cast<unsigned>(layout_.bits);
                 ++q) {
                values[q] = roundTo(result_, (static_cast<float>(q) - half) * scale);
            }
            const std::int64_t end = (group + 1) * size;
            if (!layout_.sparse) {
                for (std::int64_t c = group * size; c < end; ++c) {
                    out[c] = values[codeAt(c)];
                }
                continue;
            }
            for (std::int64_t quad = group * size / 4; quad < end / 4; ++quad) {
                const std::uint64_t indices = indicesAt(meta, row, quad);
                std::fill_n(out + quad * 4, 4, 0.0F);
                out[quad * 4 + static_cast<std::int64_t>(indices & 3U)] = values[codeAt(quad * 2)];
                out[quad * 4 + static_cast<std::int64_t>((indices >> 2U) & 3U)] =
                    values[codeAt(quad * 2 + 1)];
            }
        }
    }

    [[nodiscard]] std::uint64_t indicesAt(std::span<const std::byte> meta,
                                          std::int64_t row,
                                          std::int64_t quad) const {
        const std::int64_t at = tileMetaAt(layout_, row, quad * 4);
        const auto byte =
            std::to_integer<std::uint64_t>(meta[static_cast<std::size_t>(at * 2 + quad % 4 / 2)]);
        return (byte >> static_cast<unsigned>(quad % 2 * 4)) & 15U;
    }

    [[nodiscard]] Recipe recipe() const;
    [[nodiscard]] Result<std::vector<BitRun>> codeBits(ViewBuilder& builder,
                                                       std::int64_t row,
                                                       std::int64_t kept) const;

    TileLayout layout_;
    TileParts parts_;
    Result16 result_;
};

constexpr std::size_t kMeaningPlace = 3;  ///< of the four places in a group of four

Recipe TileMatrix::recipe() const {
    Recipe made;
    const int half = 1 << (layout_.bits - 1);
    const auto code = [half](std::uint64_t q) { return static_cast<double>(q) - half; };
    made.meanings.push_back({"q", BlockRole::Codes, code});
    made.meanings.push_back({"scale", BlockRole::Scale, valueOfType(parts_.scales.type())});
    const Result16 result = result_;
    const std::string rounded(nameOf(result));
    const auto text = [rounded](const std::string& q, const std::string& scale) {
        return rounded + "(" + q + " · " + scale + ")";
    };
    const auto product = [result](double q, double scale) {
        return static_cast<double>(
            roundTo(result, static_cast<float>(q) * static_cast<float>(scale)));
    };
    made.formula = text("q", "scale") + ", q = code − " + std::to_string(half);
    if (!layout_.sparse) {
        made.value = [product](std::span<const double> v) { return product(v[0], v[1]); };
        made.equation = [text](std::span<const double> v) {
            return text(shortest(v[0]), shortest(static_cast<float>(v[1])));
        };
        return made;
    }
    // Of a group of four both codes and the indices are shown: which code counts is in the bits.
    made.meanings.push_back({"q'", BlockRole::Codes, code});
    for (std::int64_t place = 0; place < 4; ++place) {
        made.meanings.push_back({"kept", BlockRole::Grid, [place](std::uint64_t indices) {
                                     return static_cast<double>(keptAt(indices, place));
                                 }});
    }
    made.formula += "; 0 where neither index is this place";
    made.value = [product](std::span<const double> v) {
        return v[3] == kPruned ? 0.0 : product(v[3] == kFirst ? v[0] : v[2], v[1]);
    };
    made.equation = [text](std::span<const double> v) {
        return v[3] == kPruned ? std::string("0, pruned")
                               : text(shortest(v[3] == kFirst ? v[0] : v[2]),
                                      shortest(static_cast<float>(v[1])));
    };
    return made;
}

Result<std::vector<BitRun>> TileMatrix::codeBits(ViewBuilder& builder,
                                                 std::int64_t row,
                                                 std::int64_t kept) const {
    const std::int64_t bit = tileCodeBit(layout_, row, kept);
    const auto at = builder.add(parts_.codes, bit / 32 * 4, 4);
    if (!at) {
        return fail(at.error());
    }
    return bitsAt(*at, bit % 32, layout_.bits);
}

Result<BlockView> TileMatrix::block(std::int64_t row, std::int64_t col) const {
    ViewBuilder builder;
    const std::int64_t size = cols() / layout_.groups;
    const std::int64_t group = col / size;
    const std::int64_t width = parts_.scales.type().bits / 8;
    const auto scale = builder.add(parts_.scales, tileScaleAt(layout_, row, group) * width, width);
    if (!scale) {
        return fail(scale.error());
    }
    builder.field("scale",
                  "scale of group " + std::to_string(group) + " and output " + std::to_string(row),
                  BlockRole::Scale);
    const Figure scaleFigure{bitsAt(*scale, 0, static_cast<int>(width * 8)), 1};
    const std::int64_t begin = group * size;
    const std::int64_t from = begin + (col - begin) / kMostCells * kMostCells;
    const std::int64_t to = std::min(from + kMostCells, begin + size);
    std::vector<std::vector<BitRun>> indices;
    for (std::int64_t quad = from / 4; layout_.sparse && quad < to / 4; ++quad) {
        const auto at = builder.add(parts_.meta, tileMetaAt(layout_, row, quad * 4) * 2, 2);
        if (!at) {
            return fail(at.error());
        }
        indices.push_back(bitsAt(*at, quad % 4 * 4, 4));
    }
    builder.field("meta", "which two of every four inputs are kept", BlockRole::Grid);
    for (std::int64_t c = from; c < to; ++c) {
        if (!layout_.sparse) {
            auto code = codeBits(builder, row, c);
            if (!code) {
                return fail(code.error());
            }
            builder.cell(row, c, {{std::move(*code), 0}, scaleFigure});
            continue;
        }
        auto first = codeBits(builder, row, c / 4 * 2);
        auto second = first ? codeBits(builder, row, c / 4 * 2 + 1) : first;
        if (!first || !second) {
            return fail(!first ? first.error() : second.error());
        }
        builder.cell(row,
                     c,
                     {{std::move(*first), 0},
                      scaleFigure,
                      {std::move(*second), 2},
                      {indices[static_cast<std::size_t>((c - from) / 4)],
                       kMeaningPlace + static_cast<std::size_t>(c % 4)}});
    }
    builder.field("codes", "packed codes of this output", BlockRole::Codes);
    return builder.finish(layout_.scheme,
                          layout_.title + ", " + std::to_string(layout_.bits) + " bits, group " +
                              std::to_string(group) + " of output " + std::to_string(row),
                          std::string(layout_.source),
                          recipe(),
                          row,
                          col);
}

}  // namespace

std::int64_t tileCodeBit(const TileLayout& layout, std::int64_t output, std::int64_t input) {
    const std::int64_t k = input % kTileInputs;
    const std::int64_t n = output % kTileOutputs;
    // A thread of 32 holds the inputs 2t, 2t + 1, 2t + 8 and 2t + 9 of one column of eight (dense)
    // or of two columns (2:4), for four blocks of outputs: eight codes each.
    const std::int64_t inputOfThread = k / 8 * 2 + k % 2;
    std::int64_t column = n % 8;
    std::int64_t block = n / 16;
    std::int64_t half = n % 16 / 8;
    if (layout.sparse) {
        column = n / 8;
        block = n % 4;
        half = n % 8 / 4;
    }
    const std::int64_t thread = column * 4 + k % 8 / 2;
    const std::int64_t code = half * 4 + inputOfThread;
    // Even codes first, then the odd ones (of eight bits: of every four 0, 2, 1, 3).
    const std::int64_t mixed = layout.bits == 4 ? code / 2 + code % 2 * 4
                               : code % 4 == 1  ? code + 1
                               : code % 4 == 2  ? code - 1
                                                : code;
    const std::int64_t inTile = thread * 32 + block * 8 + mixed;
    const std::int64_t tile =
        input / kTileInputs * (layout.outputs / kTileOutputs) + output / kTileOutputs;
    return (tile * kTileCodes + inTile) * layout.bits;
}

std::int64_t tileScaleAt(const TileLayout& layout, std::int64_t output, std::int64_t group) {
    const std::int64_t row = group * layout.outputs;
    if (layout.sparse) {
        const std::int64_t n = output % 8;
        return row + (layout.groupedScales ? output - n + n % 4 * 2 + n / 4 : output);
    }
    if (layout.groupedScales) {
        const std::int64_t n = output % 64;
        return row + output - n + n % 8 * 8 + n / 8;
    }
    const std::int64_t n = output % 32;
    return row + output - n + n % 8 / 2 * 8 + n / 8 * 2 + n % 2;
}

std::int64_t tileMetaAt(const TileLayout& layout, std::int64_t output, std::int64_t input) {
    // CUTLASS's reordering of 16-bit indices: rows of 64 shuffled, 2 x 2 blocks turned, columns
    // interleaved in pairs.
    std::int64_t row = output / 64 * 64 + output % 2 * 2 + output % 8 / 4 + output % 4 / 2 * 32 +
                       output % 64 / 8 * 4;
    std::int64_t col = input / 16;
    if (row % 2 == 0 && col % 2 == 1) {
        ++row;
        --col;
    } else if (row % 2 == 1 && col % 2 == 0) {
        --row;
        ++col;
    }
    return col / 2 * layout.outputs * 2 + row * 2 + col % 2;
}

Result<std::shared_ptr<const PackedMatrix>> makeTileMatrix(TileLayout layout, TileParts parts) {
    const std::int64_t depth = layout.sparse ? 2 * kTileInputs : kTileInputs;
    if (layout.outputs <= 0 || layout.inputs <= 0 || layout.groups <= 0 ||
        layout.outputs > kMostSide || layout.inputs > kMostSide ||
        layout.outputs % kTileOutputs != 0 || layout.inputs % depth != 0 ||
        layout.inputs % layout.groups != 0 || layout.inputs / layout.groups % 4 != 0 ||
        (layout.bits != 4 && layout.bits != 8)) {
        return fail(ErrorCode::Damaged,
                    "expected tiles of " + std::to_string(depth) + " inputs and 64 outputs and " +
                        "groups of one size, found " + std::to_string(layout.inputs) + " inputs, " +
                        std::to_string(layout.outputs) + " outputs, " +
                        std::to_string(layout.groups) + " groups");
    }
    const auto needs = [](const Part& part, std::int64_t bytes) -> Result<void> {
        if (part.bytes() < bytes) {
            return fail(ErrorCode::Damaged,
                        "tensor \"" + part.info().name + "\": expected at least " +
                            std::to_string(bytes) + " bytes, found " +
                            std::to_string(part.bytes()));
        }
        return {};
    };
    const std::int64_t weights = layout.outputs * layout.inputs;
    Result<void> enough = needs(parts.codes, weights / (layout.sparse ? 2 : 1) * layout.bits / 8);
    if (enough) {
        enough = needs(parts.scales, layout.groups * layout.outputs * parts.scales.type().bits / 8);
    }
    if (enough && layout.sparse) {
        enough = needs(parts.meta, weights / 8);
    }
    if (!enough) {
        return fail(enough.error());
    }
    return std::make_shared<const TileMatrix>(std::move(layout), std::move(parts));
}

}  // namespace loupe::packed
