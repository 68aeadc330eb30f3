// SPDX-License-Identifier: Apache-2.0
// Codes that lie [in, out]: GPTQ packs them along the inputs, AWQ's GEMM version along the outputs.
#pragma once

#include "core/io/packed/packed.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace loupe::packed {

struct ColumnLayout {
    std::int64_t outputs = 0;
    std::int64_t inputs = 0;
    std::int64_t groups = 0;
    std::int64_t groupSize = 0;
    int bits = 4;
    bool alongOutputs = false;   ///< AWQ: eight outputs in a word, interleaved
    bool planar = false;         ///< GPTQModel's gptq_p: bit planes for 32 codes each
    std::int64_t zeroWords = 0;  ///< words in a row of zero points
    std::uint64_t zeroAdd = 0;   ///< GPTQ v1 stores z - 1
    std::shared_ptr<const std::vector<std::int32_t>> groupOf;  ///< null or empty: i / groupSize
    std::string scheme;
    std::string title;
    std::string_view source;
};

struct ColumnParts {
    Part codes;
    Part zeros;
    Part scales;  ///< [groups, outputs]
};

/// Code `index` of a dense stream of `bits`-bit codes in words; word w lies at data[(begin + w ·
/// step)] (counted in words), of `words` words.
[[nodiscard]] std::uint64_t codeInWords(const std::byte* data,
                                        std::int64_t words,
                                        std::int64_t step,
                                        std::int64_t begin,
                                        std::int64_t index,
                                        int bits);

/// A stretch of bits of one code in a stream of words.
struct CodePiece {
    std::int64_t word = 0;
    int bit = 0;
    int width = 0;
    int shift = 0;  ///< of these bits in the code
};

/// Where code `index` of a stream of `bits`-bit codes lies: dense, or in planes (the low 4 bits of
/// 32 codes, then the next 2, then the last; of 3 bits 2 and 1), every plane in whole words.
[[nodiscard]] std::vector<CodePiece> piecesOf(std::int64_t index, int bits, bool planar);

/// AWQ: which nibble of its word holds column c.
[[nodiscard]] constexpr int awqNibble(std::int64_t column) {
    constexpr int kNibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};
    return kNibble[column % 8];
}

/// Do configuration and shapes of MODULE's qweight, qzeros and scales say AWQ rather than GPTQ?
[[nodiscard]] bool looksLikeAwq(const StoredTensors& stored, std::string_view stem);

[[nodiscard]] Result<std::shared_ptr<const PackedMatrix>> makeColumnMatrix(ColumnLayout layout,
                                                                           ColumnParts parts);

}  // namespace loupe::packed
