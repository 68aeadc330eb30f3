// SPDX-License-Identifier: Apache-2.0
#include "core/scheme/masked_matrix.hpp"

#include "core/base/assert.hpp"
#include "core/base/text.hpp"

namespace loupe {

namespace {

template <class T>
Result<void> readMasked(
    const RowSource& base, const BitMask& mask, std::int64_t first, std::int64_t count, T* out) {
    if (Result<void> done = base.read(first, count, out); !done) {
        return done;
    }
    const std::int64_t cols = mask.cols();
    for (std::int64_t row = 0; row < count; ++row) {
        const std::uint64_t* words = mask.rowWords(first + row);
        T* values = out + row * cols;
        for (std::int64_t col = 0; col < cols; ++col) {
            values[col] = ((words[col / 64] >> (col % 64)) & 1U) != 0 ? values[col] : T{0};
        }
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
