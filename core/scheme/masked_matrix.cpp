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
    : base_(std::move(base)),
      quantized_(dynamic_cast<const QuantizedMatrix*>(base_.get())),
      mask_(std::move(mask)) {
    LOUPE_ASSERT(base_->rows() == mask_->rows() && base_->cols() == mask_->cols(),
                 "the mask has the shape of the weights");
}

Result<void> MaskedMatrix::read(std::int64_t first, std::int64_t count, float* out) const {
    return readMasked(*base_, *mask_, first, count, out);
}

Result<void> MaskedMatrix::read(std::int64_t first, std::int64_t count, double* out) const {
    return readMasked(*base_, *mask_, first, count, out);
}

void MaskedMatrix::release(std::int64_t first, std::int64_t count) const {
    base_->release(first, count);
}

bool MaskedMatrix::hasCodes() const {
    return quantized_ != nullptr && quantized_->hasCodes();
}

Result<void> MaskedMatrix::codes(std::int64_t first, std::int64_t count, std::int32_t* out) const {
    return quantized_ != nullptr ? quantized_->codes(first, count, out)
                                 : QuantizedMatrix::codes(first, count, out);
}

std::pair<std::int64_t, std::int64_t> MaskedMatrix::codeRange() const {
    return quantized_ != nullptr ? quantized_->codeRange() : QuantizedMatrix::codeRange();
}

int MaskedMatrix::codeBits() const {
    return quantized_ != nullptr ? quantized_->codeBits() : 0;
}

bool MaskedMatrix::codesUnsigned() const {
    return quantized_ != nullptr && quantized_->codesUnsigned();
}

const ScaleGrid* MaskedMatrix::scales() const {
    return quantized_ != nullptr ? quantized_->scales() : nullptr;
}

const ScaleGrid* MaskedMatrix::zeroPoints() const {
    return quantized_ != nullptr ? quantized_->zeroPoints() : nullptr;
}

Result<void> MaskedMatrix::mask(std::int64_t first, std::int64_t count, std::uint8_t* out) const {
    for (std::int64_t row = 0; row < count; ++row) {
        for (std::int64_t col = 0; col < mask_->cols(); ++col) {
            *out++ = mask_->kept(first + row, col) ? 1 : 0;
        }
    }
    return {};
}

std::vector<Level> MaskedMatrix::levels(std::int64_t row, std::int64_t col) const {
    return quantized_ != nullptr ? quantized_->levels(row, col) : std::vector<Level>{};
}

std::optional<std::pair<double, double>> MaskedMatrix::clipInterval(std::int64_t row,
                                                                    std::int64_t col) const {
    return quantized_ != nullptr ? quantized_->clipInterval(row, col) : std::nullopt;
}

std::pair<std::int64_t, std::int64_t> MaskedMatrix::groupColumns(std::int64_t row,
                                                                 std::int64_t col) const {
    return quantized_ != nullptr ? quantized_->groupColumns(row, col)
                                 : QuantizedMatrix::groupColumns(row, col);
}

std::vector<EquationLine> MaskedMatrix::explain(std::int64_t row, std::int64_t col) const {
    std::vector<EquationLine> lines;
    if (quantized_ != nullptr) {
        lines = quantized_->explain(row, col);
    }
    if (!mask_->kept(row, col)) {
        lines.push_back({"becomes", "pruned", "0", "the mask of a pruning step drops this weight"});
    } else if (lines.empty()) {
        std::vector<double> values(static_cast<std::size_t>(cols()));
        if (base_->read(row, 1, values.data())) {
            const std::string text = shortest(values[static_cast<std::size_t>(col)]);
            lines.push_back({"becomes", "kept", text, {}});
        }
    }
    return lines;
}

std::span<const double> MaskedMatrix::channelScale() const {
    return quantized_ != nullptr ? quantized_->channelScale() : std::span<const double>{};
}

}  // namespace loupe
