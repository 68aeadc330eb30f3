// SPDX-License-Identifier: Apache-2.0
#include "core/io/packed/column_layout.hpp"

#include "core/base/assert.hpp"
#include "core/base/text.hpp"
#include "core/io/packed/view.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace loupe::packed {

namespace {

constexpr std::int64_t kStrip = 64;  ///< outputs decoded at once: whole cache lines of words
constexpr std::int64_t kTile = 128;  ///< inputs decoded at once

/// The bits of a piece, where they belong in the code.
std::uint64_t bitsOf(std::uint32_t word, const CodePiece& piece) {
    const auto mask = (std::uint64_t{1} << static_cast<unsigned>(piece.width)) - 1;
    return ((word >> static_cast<unsigned>(piece.bit)) & mask)
           << static_cast<unsigned>(piece.shift);
}

using Tile = std::array<std::array<std::uint8_t, static_cast<std::size_t>(kTile)>,
                        static_cast<std::size_t>(kStrip)>;

/// Scales, zero points and (where they pay) tables of values for a strip of outputs.
struct Strip {
    std::int64_t first = 0;
    std::int64_t count = 0;
    std::vector<float> scales;  ///< [count][groups]
    std::vector<float> zeros;
    std::vector<float> tables;  ///< [count][groups][2^bits], or empty
};

class ColumnMatrix final : public PackedMatrix {
public:
    ColumnMatrix(ColumnLayout layout, ColumnParts parts)
        : PackedMatrix(layout.outputs, layout.inputs),
          layout_(std::move(layout)),
          parts_(std::move(parts)),
          result_(resultOf(parts_.scales.type().id)),
          permuted_(layout_.groupOf != nullptr && !layout_.groupOf->empty()) {}

    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        const auto codes = parts_.codes.data();
        const auto zeros = parts_.zeros.data();
        const auto scales = parts_.scales.data();
        if (!codes || !zeros || !scales) {
            return fail(!codes ? codes.error() : !zeros ? zeros.error() : scales.error());
        }
        Strip strip;
        for (std::int64_t done = 0; done < count; done += strip.count) {
            strip.first = first + done;
            strip.count = std::min(kStrip, count - done);
            prepare(*zeros, *scales, strip);
            decode(codes->data(), strip, out + done * cols());
        }
        return {};
    }

    [[nodiscard]] Result<BlockView> block(std::int64_t row, std::int64_t col) const override;

    void release(std::int64_t first, std::int64_t count) const override {
        // Every output touches every page: given back once, when a scan has come to the end.
        if (first + count == rows()) {
            parts_.codes.release(0, parts_.codes.bytes());
        }
    }

private:
    [[nodiscard]] std::int64_t groupOf(std::int64_t input) const {
        return permuted_ ? (*layout_.groupOf)[static_cast<std::size_t>(input)]
                         : input / layout_.groupSize;
    }

    [[nodiscard]] std::uint64_t zeroOf(const std::byte* zeros,
                                       std::int64_t group,
                                       std::int64_t output) const {
        if (layout_.alongOutputs) {
            const std::uint32_t word = wordAt(zeros, group * layout_.zeroWords + output / 8);
            return (word >> static_cast<unsigned>(4 * awqNibble(output))) & 15U;
        }
        std::uint64_t stored = 0;
        if (layout_.planar) {
            for (const CodePiece& piece : piecesOf(output, layout_.bits, true)) {
                stored |= bitsOf(wordAt(zeros, group * layout_.zeroWords + piece.word), piece);
            }
        } else {
            stored = codeInWords(
                zeros, layout_.zeroWords, 1, group * layout_.zeroWords, output, layout_.bits);
        }
        return (stored + layout_.zeroAdd) & mask();
    }

    [[nodiscard]] std::uint64_t mask() const {
        return (std::uint64_t{1} << static_cast<unsigned>(layout_.bits)) - 1;
    }

    void prepare(std::span<const std::byte> zeros,
                 std::span<const std::byte> scales,
                 Strip& strip) const {
        constexpr std::int64_t kMostTable = 1 << 18;
        const auto cells = static_cast<std::size_t>(strip.count * layout_.groups);
        strip.scales.resize(cells);
        strip.zeros.resize(cells);
        std::array<float, kStrip> line{};
        for (std::int64_t g = 0; g < layout_.groups; ++g) {
            parts_.scales.decode(
                scales, g * layout_.outputs + strip.first, strip.count, line.data());
            for (std::int64_t k = 0; k < strip.count; ++k) {
                const auto at = static_cast<std::size_t>(k * layout_.groups + g);
                strip.scales[at] = line[static_cast<std::size_t>(k)];
                strip.zeros[at] = static_cast<float>(zeroOf(zeros.data(), g, strip.first + k));
            }
        }
        const std::int64_t codes = std::int64_t{1} << layout_.bits;
        strip.tables.clear();
        if (layout_.inputs / layout_.groups < codes ||
            strip.count * layout_.groups * codes > kMostTable) {
            return;
        }
        strip.tables.resize(cells * static_cast<std::size_t>(codes));
        float* entry = strip.tables.data();
        for (std::size_t at = 0; at < cells; ++at) {
            for (std::int64_t q = 0; q < codes; ++q) {
                *entry++ =
                    roundTo(result_, strip.scales[at] * (static_cast<float>(q) - strip.zeros[at]));
            }
        }
    }

    /// Tile by tile, so that neither codes nor rows are walked in long strides.
    void decode(const std::byte* codes, const Strip& strip, float* out) const {
        Tile tile;
        for (std::int64_t begin = 0; begin < layout_.inputs; begin += kTile) {
            const std::int64_t n = std::min(kTile, layout_.inputs - begin);
            if (layout_.alongOutputs) {
                unpackAlongOutputs(codes, strip, begin, n, tile);
            } else if (layout_.planar) {
                unpackPlanes(codes, strip, begin, n, tile);
            } else {
                unpackAlongInputs(codes, strip, begin, n, tile);
            }
            for (std::int64_t k = 0; k < strip.count; ++k) {
                finish(strip,
                       k,
                       begin,
                       n,
                       tile[static_cast<std::size_t>(k)].data(),
                       out + k * layout_.inputs + begin);
            }
        }
    }

    /// kTile codes fill whole words at every width: 3 bits leave nothing over after 32.
    void unpackAlongInputs(const std::byte* codes,
                           const Strip& strip,
                           std::int64_t begin,
                           std::int64_t n,
                           Tile& tile) const {
        const auto bits = static_cast<unsigned>(layout_.bits);
        const auto low = static_cast<std::uint32_t>(mask());
        const std::int64_t firstWord = begin * layout_.bits / 32;
        const std::int64_t words = ceilDiv(n * layout_.bits, 32);
        std::array<std::uint32_t, static_cast<std::size_t>(kStrip * kTile / 4)> column{};
        for (std::int64_t w = 0; w < words; ++w) {
            std::memcpy(column.data() + w * kStrip,
                        codes + ((firstWord + w) * layout_.outputs + strip.first) * 4,
                        static_cast<std::size_t>(strip.count) * 4);
        }
        for (std::int64_t k = 0; k < strip.count; ++k) {
            std::uint8_t* to = tile[static_cast<std::size_t>(k)].data();
            std::uint64_t pending = 0;
            unsigned there = 0;
            std::int64_t w = 0;
            for (std::int64_t i = 0; i < n; ++i) {
                if (there < bits) {
                    pending |= std::uint64_t{column[static_cast<std::size_t>(w++ * kStrip + k)]}
                               << there;
                    there += 32;
                }
                to[i] = static_cast<std::uint8_t>(pending & low);
                pending >>= bits;
                there -= bits;
            }
        }
    }

    /// kTile codes are whole blocks of 32.
    void unpackPlanes(const std::byte* codes,
                      const Strip& strip,
                      std::int64_t begin,
                      std::int64_t n,
                      Tile& tile) const {
        for (std::int64_t i = 0; i < n; ++i) {
            const std::vector<CodePiece> pieces = piecesOf(begin + i, layout_.bits, true);
            for (std::int64_t k = 0; k < strip.count; ++k) {
                std::uint64_t code = 0;
                for (const CodePiece& piece : pieces) {
                    code |= bitsOf(wordAt(codes, piece.word * layout_.outputs + strip.first + k),
                                   piece);
                }
                tile[static_cast<std::size_t>(k)][static_cast<std::size_t>(i)] =
                    static_cast<std::uint8_t>(code);
            }
        }
    }

    void unpackAlongOutputs(const std::byte* codes,
                            const Strip& strip,
                            std::int64_t begin,
                            std::int64_t n,
                            Tile& tile) const {
        const std::int64_t rowWords = ceilDiv(layout_.outputs, 8);
        for (std::int64_t from = 0; from < strip.count;) {
            const std::int64_t word = (strip.first + from) / 8;
            const std::int64_t end = std::min(strip.count, (word + 1) * 8 - strip.first);
            for (std::int64_t k = from; k < end; ++k) {
                const auto shift = static_cast<unsigned>(4 * awqNibble(strip.first + k));
                std::uint8_t* to = tile[static_cast<std::size_t>(k)].data();
                const std::byte* at = codes + (begin * rowWords + word) * 4;
                for (std::int64_t i = 0; i < n; ++i) {
                    to[i] = static_cast<std::uint8_t>((wordAt(at, i * rowWords) >> shift) & 15U);
                }
            }
            from = end;
        }
    }

    /// Codes of inputs [begin, begin + n) of output k into values.
    void finish(const Strip& strip,
                std::int64_t k,
                std::int64_t begin,
                std::int64_t n,
                const std::uint8_t* codes,
                float* out) const {
        for (std::int64_t i = 0; i < n;) {
            const std::int64_t group = groupOf(begin + i);
            const std::int64_t end =
                permuted_ ? i + 1 : std::min(n, (group + 1) * layout_.groupSize - begin);
            const auto at = static_cast<std::size_t>(k * layout_.groups + group);
            if (strip.tables.empty()) {
                const float scale = strip.scales[at];
                const float zero = strip.zeros[at];
                for (; i < end; ++i) {
                    out[i] = roundTo(result_, scale * (static_cast<float>(codes[i]) - zero));
                }
            } else {
                const float* table =
                    strip.tables.data() + (at << static_cast<unsigned>(layout_.bits));
                for (; i < end; ++i) {
                    out[i] = table[codes[i]];
                }
            }
        }
    }

    [[nodiscard]] std::vector<std::int64_t> window(std::int64_t col) const;
    [[nodiscard]] Recipe recipe() const;

    ColumnLayout layout_;
    ColumnParts parts_;
    Result16 result_;
    bool permuted_;
};

/// The inputs of the group that holds `col`, at most kMostCells of them.
std::vector<std::int64_t> ColumnMatrix::window(std::int64_t col) const {
    std::vector<std::int64_t> members;
    const std::int64_t group = groupOf(col);
    if (permuted_) {
        for (std::int64_t i = 0; i < layout_.inputs; ++i) {
            if (groupOf(i) == group) {
                members.push_back(i);
            }
        }
        const auto at = std::lower_bound(members.begin(), members.end(), col) - members.begin();
        const std::int64_t first = at / kMostCells * kMostCells;
        const std::int64_t end =
            std::min(first + kMostCells, static_cast<std::int64_t>(members.size()));
        return {members.begin() + first, members.begin() + end};
    }
    const std::int64_t begin = group * layout_.groupSize;
    const std::int64_t first = begin + (col - begin) / kMostCells * kMostCells;
    const std::int64_t end =
        std::min({first + kMostCells, begin + layout_.groupSize, layout_.inputs});
    for (std::int64_t i = first; i < end; ++i) {
        members.push_back(i);
    }
    return members;
}

Recipe ColumnMatrix::recipe() const {
    Recipe made;
    const auto number = [](std::uint64_t code) { return static_cast<double>(code); };
    made.meanings.push_back({"q", BlockRole::Codes, number});
    made.meanings.push_back({"scale", BlockRole::Scale, valueOfType(parts_.scales.type())});
    const std::uint64_t add = layout_.zeroAdd;
    const std::uint64_t low = mask();
    made.meanings.push_back({"zero", BlockRole::ZeroPoint, [add, low](std::uint64_t code) {
                                 return static_cast<double>((code + add) & low);
                             }});
    const Result16 result = result_;
    const std::string rounded(nameOf(result));
    made.formula = rounded + "((q − zero) · scale)" +
                   (add != 0 ? ", zero = stored + 1 mod " + std::to_string(low + 1) : "");
    made.value = [result](std::span<const double> v) {
        return static_cast<double>(
            roundTo(result, static_cast<float>(v[1]) * static_cast<float>(v[0] - v[2])));
    };
    made.equation = [rounded](std::span<const double> v) {
        return rounded + "((" + shortest(v[0]) + " − " + shortest(v[2]) + ") · " +
               shortest(static_cast<float>(v[1])) + ")";
    };
    return made;
}

Result<BlockView> ColumnMatrix::block(std::int64_t row, std::int64_t col) const {
    ViewBuilder builder;
    const std::int64_t group = groupOf(col);
    const std::int64_t width = parts_.scales.type().bits / 8;
    const auto scale = builder.add(parts_.scales, (group * layout_.outputs + row) * width, width);
    if (!scale) {
        return fail(scale.error());
    }
    builder.field("scales",
                  "scale of group " + std::to_string(group) + " and output " + std::to_string(row),
                  BlockRole::Scale);
    // Bits of a code may lie in several words: where three bits cross a word, or in planes.
    const auto gather = [&builder](const Part& part,
                                   const std::vector<CodePiece>& pieces,
                                   std::int64_t first,
                                   std::int64_t step) -> Result<std::vector<BitRun>> {
        std::vector<BitRun> bits;
        for (const CodePiece& piece : pieces) {
            const auto at = builder.add(part, (first + piece.word * step) * 4, 4);
            if (!at) {
                return fail(at.error());
            }
            for (BitRun run : bitsAt(*at, piece.bit, piece.width)) {
                run.shift += piece.shift;
                bits.push_back(run);
            }
        }
        return bits;
    };
    const auto nibble = [&] { return std::vector<CodePiece>{{row / 8, 4 * awqNibble(row), 4, 0}}; };
    const auto zeroBits =
        gather(parts_.zeros,
               layout_.alongOutputs ? nibble() : piecesOf(row, layout_.bits, layout_.planar),
               group * layout_.zeroWords,
               1);
    if (!zeroBits) {
        return fail(zeroBits.error());
    }
    builder.field("qzeros", "packed zero points", BlockRole::ZeroPoint);
    const std::vector<BitRun> scaleBits = bitsAt(*scale, 0, static_cast<int>(width * 8));
    for (const std::int64_t input : window(col)) {
        auto codeBits = layout_.alongOutputs
                            ? gather(parts_.codes, nibble(), input * ceilDiv(layout_.outputs, 8), 1)
                            : gather(parts_.codes,
                                     piecesOf(input, layout_.bits, layout_.planar),
                                     row,
                                     layout_.outputs);
        if (!codeBits) {
            return fail(codeBits.error());
        }
        builder.cell(row, input, {{std::move(*codeBits), 0}, {scaleBits, 1}, {*zeroBits, 2}});
    }
    builder.field("qweight", "packed codes of this output", BlockRole::Codes);
    const std::int64_t shown = static_cast<std::int64_t>(window(col).size());
    return builder.finish(layout_.scheme,
                          layout_.title + ", " + std::to_string(layout_.bits) + " bits, group " +
                              std::to_string(group) + " of output " + std::to_string(row) +
                              (permuted_ ? " (by g_idx)" : "") + ", " + std::to_string(shown) +
                              " weights",
                          std::string(layout_.source),
                          recipe(),
                          row,
                          col);
}

}  // namespace

std::uint64_t codeInWords(const std::byte* data,
                          std::int64_t words,
                          std::int64_t step,
                          std::int64_t begin,
                          std::int64_t index,
                          int bits) {
    const std::int64_t first = index * bits;
    const std::int64_t word = first / 32;
    LOUPE_ASSERT(word < words, "a code of the stream");
    std::uint64_t pair = wordAt(data, begin + word * step);
    if (first % 32 + bits > 32) {
        LOUPE_ASSERT(word + 1 < words, "a code of the stream");
        pair |= std::uint64_t{wordAt(data, begin + (word + 1) * step)} << 32U;
    }
    return (pair >> static_cast<unsigned>(first % 32)) &
           ((std::uint64_t{1} << static_cast<unsigned>(bits)) - 1);
}

std::vector<CodePiece> piecesOf(std::int64_t index, int bits, bool planar) {
    std::vector<CodePiece> pieces;
    if (!planar) {
        for (int done = 0; done < bits;) {
            const std::int64_t at = index * bits + done;
            const auto bit = static_cast<int>(at % 32);
            const int width = std::min(bits - done, 32 - bit);
            pieces.push_back({at / 32, bit, width, done});
            done += width;
        }
        return pieces;
    }
    std::int64_t word = index / 32 * bits;
    for (int done = 0; done < bits;) {
        // Widths that divide 32: 8; else 4, 2 and 1 as they fit, of 3 bits 2 and 1.
        const int left = bits - done;
        const int width = left == 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        const std::int64_t perWord = 32 / width;
        pieces.push_back(
            {word + index % 32 / perWord, static_cast<int>(index % perWord) * width, width, done});
        word += width;
        done += width;
    }
    return pieces;
}

bool looksLikeAwq(const StoredTensors& stored, std::string_view stem) {
    const QuantConfig& config = stored.config();
    if (config.method == "awq") {
        return true;
    }
    const TensorInfo* qweight = stored.info(stored.find(stem, ".qweight"));
    const TensorInfo* qzeros = stored.info(stored.find(stem, ".qzeros"));
    const TensorInfo* scales = stored.info(stored.find(stem, ".scales"));
    if (qweight == nullptr || qzeros == nullptr || scales == nullptr ||
        qweight->shape.size() != 2 || qzeros->shape.size() != 2 || scales->shape.size() != 2) {
        return false;
    }
    if (qweight->shape[1] == scales->shape[1]) {
        return false;  // GPTQ: one column of words for each output
    }
    const bool gemm = scales->shape[1] / 8 == qweight->shape[1] && scales->shape[1] % 8 == 0 &&
                      qzeros->shape[1] == qweight->shape[1];
    const bool gemv = scales->shape[0] == qweight->shape[0] &&
                      qzeros->shape[0] == qweight->shape[0] &&
                      scales->shape[1] / 8 == qzeros->shape[1];
    return gemm || gemv;
}

Result<std::shared_ptr<const PackedMatrix>> makeColumnMatrix(ColumnLayout layout,
                                                             ColumnParts parts) {
    return std::make_shared<const ColumnMatrix>(std::move(layout), std::move(parts));
}

}  // namespace loupe::packed
