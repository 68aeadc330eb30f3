// SPDX-License-Identifier: Apache-2.0
#include "core/scheme/rotated.hpp"

#include "core/base/text.hpp"

#include <algorithm>

namespace loupe {

RotatedBack::RotatedBack(std::shared_ptr<const RowSource> base,
                         std::shared_ptr<const InputRotation> rotation)
    : base_(std::move(base)),
      quantized_(dynamic_cast<const QuantizedMatrix*>(base_.get())),
      rotation_(std::move(rotation)) {}

Result<void> RotatedBack::read(std::int64_t first, std::int64_t count, float* out) const {
    std::vector<double> values(static_cast<std::size_t>(count * cols()));
    if (Result<void> done = read(first, count, values.data()); !done) {
        return done;
    }
    std::transform(
        values.begin(), values.end(), out, [](double value) { return static_cast<float>(value); });
    return {};
}

Result<void> RotatedBack::read(std::int64_t first, std::int64_t count, double* out) const {
    if (Result<void> done = base_->read(first, count, out); !done) {
        return done;
    }
    for (std::int64_t row = 0; row < count; ++row) {
        rotation_->backward(out + row * cols());
    }
    return {};
}

void RotatedBack::release(std::int64_t first, std::int64_t count) const {
    base_->release(first, count);
}

bool RotatedBack::hasCodes() const {
    return quantized_ != nullptr && quantized_->hasCodes();
}

Result<void> RotatedBack::codes(std::int64_t first, std::int64_t count, std::int32_t* out) const {
    return quantized_ != nullptr ? quantized_->codes(first, count, out)
                                 : QuantizedMatrix::codes(first, count, out);
}

std::pair<std::int64_t, std::int64_t> RotatedBack::codeRange() const {
    return quantized_ != nullptr ? quantized_->codeRange() : QuantizedMatrix::codeRange();
}

int RotatedBack::codeBits() const {
    return quantized_ != nullptr ? quantized_->codeBits() : 0;
}

bool RotatedBack::codesUnsigned() const {
    return quantized_ != nullptr && quantized_->codesUnsigned();
}

const ScaleGrid* RotatedBack::scales() const {
    return quantized_ != nullptr ? quantized_->scales() : nullptr;
}

const ScaleGrid* RotatedBack::zeroPoints() const {
    return quantized_ != nullptr ? quantized_->zeroPoints() : nullptr;
}

bool RotatedBack::hasMask() const {
    return quantized_ != nullptr && quantized_->hasMask();
}

Result<void> RotatedBack::mask(std::int64_t first, std::int64_t count, std::uint8_t* out) const {
    return quantized_ != nullptr ? quantized_->mask(first, count, out)
                                 : QuantizedMatrix::mask(first, count, out);
}

std::pair<std::int64_t, std::int64_t> RotatedBack::groupColumns(std::int64_t row,
                                                                std::int64_t col) const {
    return quantized_ != nullptr ? quantized_->groupColumns(row, col)
                                 : QuantizedMatrix::groupColumns(row, col);
}

std::vector<EquationLine> RotatedBack::explain(std::int64_t row, std::int64_t col) const {
    std::vector<EquationLine> lines;
    if (quantized_ != nullptr) {
        lines = quantized_->explain(row, col);
        for (EquationLine& line : lines) {
            line.label = "rotated " + line.label;
        }
    }
    std::vector<double> values(static_cast<std::size_t>(cols()));
    if (read(row, 1, values.data())) {
        lines.push_back(
            {"becomes",
             "row " + std::to_string(row) + " turned back, column " + std::to_string(col),
             shortest(static_cast<float>(values[static_cast<std::size_t>(col)])),
             "a mix of all rotated weights of the row"});
    }
    return lines;
}

std::span<const double> RotatedBack::channelScale() const {
    return quantized_ != nullptr ? quantized_->channelScale() : std::span<const double>{};
}

}  // namespace loupe
