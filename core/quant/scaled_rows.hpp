// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/quant/uniform.hpp"
#include "core/scheme/step.hpp"

#include <memory>
#include <vector>

namespace loupe {

/// s [in], each a value of float unless the weights are double. Shared by all that scale.
using ChannelScale = std::shared_ptr<const std::vector<double>>;

/// A matrix whose columns are multiplied (or divided) by s, row by row, in the reader's precision.
class ScaledRows final : public RowSource {
public:
    ScaledRows(std::shared_ptr<const RowSource> source, ChannelScale scale, bool divide)
        : source_(std::move(source)), scale_(std::move(scale)), divide_(divide) {}
    [[nodiscard]] std::int64_t rows() const override { return source_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return source_->cols(); }
    [[nodiscard]] bool isDouble() const override { return source_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override;
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override;
    void release(std::int64_t first, std::int64_t count) const override {
        source_->release(first, count);
    }

private:
    std::shared_ptr<const RowSource> source_;
    ChannelScale scale_;
    bool divide_;
};

/// Weights that were multiplied by s, quantized, and are divided by s again: original coordinates.
/// Codes, scales and zero points are those of the scaled weights: w^ = scale·(code - zero) / s.
class ScaledQuantized final : public QuantizedMatrix {
public:
    ScaledQuantized(std::shared_ptr<const UniformMatrix> inner, ChannelScale scale)
        : inner_(std::move(inner)), scale_(std::move(scale)), rows_(inner_, scale_, true) {}
    [[nodiscard]] std::int64_t rows() const override { return inner_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return inner_->cols(); }
    [[nodiscard]] bool isDouble() const override { return inner_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t f, std::int64_t n, float* out) const override {
        return rows_.read(f, n, out);
    }
    [[nodiscard]] Result<void> read(std::int64_t f, std::int64_t n, double* out) const override {
        return rows_.read(f, n, out);
    }
    void release(std::int64_t f, std::int64_t n) const override { inner_->release(f, n); }
    [[nodiscard]] bool hasCodes() const override { return true; }
    [[nodiscard]] Result<void> codes(std::int64_t f,
                                     std::int64_t n,
                                     std::int32_t* out) const override {
        return inner_->codes(f, n, out);
    }
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> codeRange() const override {
        return inner_->codeRange();
    }
    [[nodiscard]] int codeBits() const override { return inner_->codeBits(); }
    [[nodiscard]] const ScaleGrid* scales() const override { return inner_->scales(); }
    [[nodiscard]] const ScaleGrid* zeroPoints() const override { return inner_->zeroPoints(); }
    [[nodiscard]] std::vector<Level> levels(std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> groupColumns(
        std::int64_t row, std::int64_t col) const override {
        return inner_->groupColumns(row, col);
    }
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;
    [[nodiscard]] std::span<const double> channelScale() const override { return *scale_; }

private:
    std::shared_ptr<const UniformMatrix> inner_;
    ChannelScale scale_;
    ScaledRows rows_;
};

/// max over the first `rows` rows of |x| per column. @cost one pass @errors the source's own
[[nodiscard]] Result<std::vector<double>> columnAbsmax(const RowSource& source,
                                                       std::int64_t rows,
                                                       const JobContext& ctx);

}  // namespace loupe
