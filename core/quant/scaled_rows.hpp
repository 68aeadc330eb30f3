// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/quant/uniform.hpp"
#include "core/scheme/forwarding_matrix.hpp"

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
class ScaledQuantized final : public ForwardingMatrix {
public:
    ScaledQuantized(std::shared_ptr<const UniformMatrix> inner, ChannelScale scale)
        : ForwardingMatrix(inner),
          inner_(std::move(inner)),
          scale_(std::move(scale)),
          rows_(inner_, scale_, true) {}
    [[nodiscard]] Result<void> read(std::int64_t f, std::int64_t n, float* out) const override {
        return rows_.read(f, n, out);
    }
    [[nodiscard]] Result<void> read(std::int64_t f, std::int64_t n, double* out) const override {
        return rows_.read(f, n, out);
    }
    [[nodiscard]] std::vector<Level> levels(std::int64_t row, std::int64_t col) const override;
    /// Of this column: the least and the largest weight whose product with s is not clipped.
    [[nodiscard]] std::optional<std::pair<double, double>> clipInterval(
        std::int64_t row, std::int64_t col) const override;
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
