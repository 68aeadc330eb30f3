// SPDX-License-Identifier: Apache-2.0
#include "core/scheme/masked_matrix.hpp"

#include "core/base/assert.hpp"
#include "core/base/text.hpp"

#include <array>
#include <cstring>

namespace loupe {

namespace {

/// For each four bits of a mask: all ones over the floats that are kept.
constexpr std::array<std::array<std::uint32_t, 4>, 16> kFourBits = [] {
    std::array<std::array<std::uint32_t, 4>, 16> table{};
    for (std::uint32_t bits = 0; bits < 16; ++bits) {
        for (std::uint32_t i = 0; i < 4; ++i) {
            table[bits][i] = ((bits >> i) & 1U) != 0 ? ~0U : 0U;
        }
    }
    return table;
}();

/// Clears what the words drop in columns [0, cols) of a row.
void clear(const std::uint64_t* words, std::int64_t cols, double* values) {
    for (std::int64_t col = 0; col < cols; ++col) {
        values[col] = ((words[col / 64] >> (col % 64)) & 1U) != 0 ? values[col] : 0;
    }
}

void clear(const std::uint64_t* words, std::int64_t cols, float* values) {
    std::int64_t col = 0;
    for (; col + 4 <= cols; col += 4) {  // four at a time: one operation of any vector unit
        const auto& keep = kFourBits[(words[col / 64] >> (col % 64)) & 15U];
        std::array<std::uint32_t, 4> bits;
        std::memcpy(bits.data(), values + col, sizeof bits);
        for (std::size_t i = 0; i < 4; ++i) {
            bits[i] &= keep[i];
        }
        std::memcpy(values + col, bits.data(), sizeof bits);
    }
    for (; col < cols; ++col) {
        values[col] = ((words[col / 64] >> (col % 64)) & 1U) != 0 ? values[col] : 0;
    }
}

template <class T>
Result<void> readMasked(
    const RowSource& base, const BitMask& mask, std::int64_t first, std::int64_t count, T* out) {
    if (Result<void> done = base.read(first, count, out); !done) {
        return done;
    }
    for (std::int64_t row = 0; row < count; ++row) {
        clear(mask.rowWords(first + row), mask.cols(), out + row * mask.cols());
    }
    return {};
}

}  // namespace

MaskedMatrix::MaskedMatrix(std::shared_ptr<const RowSource> base,
                           std::shared_ptr<const BitMask> mask)
    : ForwardingMatrix(std::move(base)), mask_(std::move(mask)) {
    LOUPE_ASSERT(rows() == mask_->rows() && cols() == mask_->cols(),
                 "the mask has the shape of the weights");
}

Result<void> MaskedMatrix::read(std::int64_t first, std::int64_t count, float* out) const {
    return readMasked(*base(), *mask_, first, count, out);
}

Result<void> MaskedMatrix::read(std::int64_t first, std::int64_t count, double* out) const {
    return readMasked(*base(), *mask_, first, count, out);
}

Result<void> MaskedMatrix::mask(std::int64_t first, std::int64_t count, std::uint8_t* out) const {
    for (std::int64_t row = 0; row < count; ++row) {
        for (std::int64_t col = 0; col < mask_->cols(); ++col) {
            *out++ = mask_->kept(first + row, col) ? 1 : 0;
        }
    }
    return {};
}

std::vector<EquationLine> MaskedMatrix::explain(std::int64_t row, std::int64_t col) const {
    std::vector<EquationLine> lines = ForwardingMatrix::explain(row, col);
    if (!mask_->kept(row, col)) {
        lines.push_back({"becomes", "pruned", "0", "the mask of a pruning step drops this weight"});
    } else if (lines.empty()) {
        std::vector<double> values(static_cast<std::size_t>(cols()));
        if (base()->read(row, 1, values.data())) {
            const std::string text = shortest(values[static_cast<std::size_t>(col)]);
            lines.push_back({"becomes", "kept", text, {}});
        }
    }
    return lines;
}

}  // namespace loupe
