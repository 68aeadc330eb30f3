// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/quant/uniform.hpp"
#include "core/scheme/step.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace loupe {

/// Which inputs LLM.int8() takes out, and the scales of what is left of each token.
struct OutlierSplit {
    double threshold = 0;
    std::vector<std::uint8_t> isOutlier;  ///< [in]
    std::vector<std::int64_t> columns;    ///< inputs with some |x| >= threshold, ascending
    std::vector<double> columnMost;       ///< [in], largest |x| of each input
    std::vector<double> tokenMost;        ///< [tokens], largest |x| below the threshold
    std::vector<double> tokenScale;       ///< [tokens], tokenMost / 127, in X's precision; 1 for 0
};

/// The matrix-time test over all tokens given: an input is an outlier where any |x| >= threshold.
/// Entries of outlier inputs below the threshold still count for their token's absmax.
/// @cost one pass @errors Invalid: NaN or infinite activations naming row and column
[[nodiscard]] Result<std::shared_ptr<const OutlierSplit>> splitOutliers(
    const RowSource& activations, double threshold, const JobContext& ctx);

/// X as the layer uses it: int8 codes times the token's scale, outlier inputs unchanged.
class SplitActivations final : public RowSource {
public:
    SplitActivations(std::shared_ptr<const RowSource> source,
                     std::shared_ptr<const OutlierSplit> split)
        : source_(std::move(source)), split_(std::move(split)) {}
    [[nodiscard]] std::int64_t rows() const override { return source_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return source_->cols(); }
    [[nodiscard]] bool isDouble() const override { return source_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override;
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override;
    /// Codes of the int8 part: 0 in outlier inputs.
    [[nodiscard]] Result<void> codes(std::int64_t first,
                                     std::int64_t count,
                                     std::int32_t* out) const;
    void release(std::int64_t first, std::int64_t count) const override {
        source_->release(first, count);
    }
    [[nodiscard]] const OutlierSplit& split() const { return *split_; }

private:
    template <class T>
    [[nodiscard]] Result<void> work(std::int64_t first,
                                    std::int64_t count,
                                    T* values,
                                    std::int32_t* codes) const;

    std::shared_ptr<const RowSource> source_;
    std::shared_ptr<const OutlierSplit> split_;
};

/// W as the layer uses it: int8 per output row. `paper`: outlier inputs keep their weights, and
/// have code 0, since the int8 product leaves them out; `bitsandbytes`: int8 everywhere.
class SplitWeights final : public QuantizedMatrix {
public:
    SplitWeights(std::shared_ptr<const UniformMatrix> inner,
                 std::shared_ptr<const OutlierSplit> split,
                 bool keepsOutliers)
        : inner_(std::move(inner)), split_(std::move(split)), keeps_(keepsOutliers) {}
    [[nodiscard]] std::int64_t rows() const override { return inner_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return inner_->cols(); }
    [[nodiscard]] bool isDouble() const override { return inner_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override;
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override;
    void release(std::int64_t first, std::int64_t count) const override {
        inner_->release(first, count);
    }
    [[nodiscard]] bool hasCodes() const override { return true; }
    [[nodiscard]] Result<void> codes(std::int64_t first,
                                     std::int64_t count,
                                     std::int32_t* out) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> codeRange() const override {
        return inner_->codeRange();
    }
    [[nodiscard]] int codeBits() const override { return inner_->codeBits(); }
    [[nodiscard]] const ScaleGrid* scales() const override { return inner_->scales(); }
    [[nodiscard]] std::vector<Level> levels(std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> groupColumns(
        std::int64_t row, std::int64_t col) const override {
        return inner_->groupColumns(row, col);
    }
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;
    /// The column is kept in 16 bits.
    [[nodiscard]] bool keeps(std::int64_t col) const {
        return keeps_ && split_->isOutlier[static_cast<std::size_t>(col)] != 0;
    }
    [[nodiscard]] bool keepsOutliers() const { return keeps_; }
    [[nodiscard]] const UniformMatrix& inner() const { return *inner_; }
    [[nodiscard]] const OutlierSplit& split() const { return *split_; }

private:
    template <class T>
    [[nodiscard]] Result<void> readAs(std::int64_t first, std::int64_t count, T* out) const;

    std::shared_ptr<const UniformMatrix> inner_;
    std::shared_ptr<const OutlierSplit> split_;
    bool keeps_;
};

/// The grid of LLM.int8(): restricted int8, one scale per row.
[[nodiscard]] UniformSpec int8PerRow();

[[nodiscard]] Result<StepOutput> applyLlmInt8(const StepInput& input,
                                              const Params& params,
                                              const JobContext& ctx);
/// The decomposition told state by state. @errors those of applyLlmInt8
[[nodiscard]] Result<std::shared_ptr<const Trace>> traceLlmInt8(const StepInput& input,
                                                                const Params& params,
                                                                const JobContext& ctx);

}  // namespace loupe
