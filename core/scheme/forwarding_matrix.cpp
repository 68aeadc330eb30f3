// SPDX-License-Identifier: Apache-2.0
#include "core/scheme/forwarding_matrix.hpp"

namespace loupe {

ForwardingMatrix::ForwardingMatrix(std::shared_ptr<const RowSource> base)
    : base_(std::move(base)), quantized_(dynamic_cast<const QuantizedMatrix*>(base_.get())) {}

Result<void> ForwardingMatrix::read(std::int64_t first, std::int64_t count, float* out) const {
    return base_->read(first, count, out);
}

Result<void> ForwardingMatrix::read(std::int64_t first, std::int64_t count, double* out) const {
    return base_->read(first, count, out);
}

void ForwardingMatrix::release(std::int64_t first, std::int64_t count) const {
    base_->release(first, count);
}

bool ForwardingMatrix::hasCodes() const {
    return quantized_ != nullptr && quantized_->hasCodes();
}

Result<void> ForwardingMatrix::codes(std::int64_t first,
                                     std::int64_t count,
                                     std::int32_t* out) const {
    return quantized_ != nullptr ? quantized_->codes(first, count, out)
                                 : QuantizedMatrix::codes(first, count, out);
}

std::pair<std::int64_t, std::int64_t> ForwardingMatrix::codeRange() const {
    return quantized_ != nullptr ? quantized_->codeRange() : QuantizedMatrix::codeRange();
}

int ForwardingMatrix::codeBits() const {
    return quantized_ != nullptr ? quantized_->codeBits() : 0;
}

bool ForwardingMatrix::codesUnsigned() const {
    return quantized_ != nullptr && quantized_->codesUnsigned();
}

const ScaleGrid* ForwardingMatrix::scales() const {
    return quantized_ != nullptr ? quantized_->scales() : nullptr;
}

const ScaleGrid* ForwardingMatrix::zeroPoints() const {
    return quantized_ != nullptr ? quantized_->zeroPoints() : nullptr;
}

bool ForwardingMatrix::zeroPointsAreReal() const {
    return quantized_ != nullptr && quantized_->zeroPointsAreReal();
}

bool ForwardingMatrix::hasMask() const {
    return quantized_ != nullptr && quantized_->hasMask();
}

Result<void> ForwardingMatrix::mask(std::int64_t first,
                                    std::int64_t count,
                                    std::uint8_t* out) const {
    return quantized_ != nullptr ? quantized_->mask(first, count, out)
                                 : QuantizedMatrix::mask(first, count, out);
}

std::vector<Level> ForwardingMatrix::levels(std::int64_t row, std::int64_t col) const {
    return quantized_ != nullptr ? quantized_->levels(row, col) : std::vector<Level>{};
}

std::optional<std::pair<double, double>> ForwardingMatrix::clipInterval(std::int64_t row,
                                                                        std::int64_t col) const {
    return quantized_ != nullptr ? quantized_->clipInterval(row, col) : std::nullopt;
}

std::pair<std::int64_t, std::int64_t> ForwardingMatrix::groupColumns(std::int64_t row,
                                                                     std::int64_t col) const {
    return quantized_ != nullptr ? quantized_->groupColumns(row, col)
                                 : QuantizedMatrix::groupColumns(row, col);
}

std::vector<EquationLine> ForwardingMatrix::explain(std::int64_t row, std::int64_t col) const {
    return quantized_ != nullptr ? quantized_->explain(row, col) : std::vector<EquationLine>{};
}

const BlockLayout* ForwardingMatrix::packedLayout() const {
    return quantized_ != nullptr ? quantized_->packedLayout() : nullptr;
}

Result<void> ForwardingMatrix::packed(std::int64_t first,
                                      std::int64_t count,
                                      std::byte* out) const {
    return quantized_ != nullptr ? quantized_->packed(first, count, out)
                                 : QuantizedMatrix::packed(first, count, out);
}

std::span<const double> ForwardingMatrix::channelScale() const {
    return quantized_ != nullptr ? quantized_->channelScale() : std::span<const double>{};
}

}  // namespace loupe
