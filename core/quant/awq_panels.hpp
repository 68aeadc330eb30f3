// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/io/tensor_source.hpp"
#include "core/linalg/panels.hpp"
#include "core/quant/uniform.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

namespace loupe {

/// |X·E'|² of the errors E of some rows of weights, in single precision through packed panels
/// (linalg/panels.hpp): by the tokens X, or, where that is less work, by the upper triangle of X'X
/// with what lies off its diagonal doubled.
class PanelLoss {
public:
    /// @param tokens the first ones count
    /// @param rows   of errors that will be asked for, in all: what X'X costs is shared by them
    /// @errors Invalid: NaN or infinite activations
    [[nodiscard]] static Result<PanelLoss> make(const RowSource& activations,
                                                std::int64_t tokens,
                                                std::int64_t rows,
                                                const JobContext& ctx);

    /// @param errors [in, rows], a column for each row of weights; at most kTogether panels
    /// @return sum over the rows, in double over blocks of fixed size
    /// @cost   rows·in·min(tokens, in/2) multiply-adds
    [[nodiscard]] double squared(const Panels& errors, const JobContext& ctx) const;
    static constexpr std::int64_t kTogether = 4;  ///< a part of X that is near serves them all
    [[nodiscard]] bool isGram() const { return isGram_; }

private:
    Panels factor_;  ///< of X' [in, tokens], or of the triangle [in, in]
    bool isGram_ = false;
};

/// Ratios of AWQ's search side by side: the errors of rounding W·s on its grids, in lanes.
class AwqPanels {
public:
    /// What was not summed to its end: some other ratio's sum was less.
    static constexpr double kGivenUp = std::numeric_limits<double>::infinity();
    /// Told of a ratio that is done with some rows, or needs them no more: its index, the rows.
    using Told = std::function<void(std::int64_t ratio, std::int64_t rows)>;

    /// All must outlive it.
    AwqPanels(const RowSource& weights,
              const UniformSpec& spec,
              const std::vector<std::vector<float>>& scales,
              const PanelLoss& loss,
              const JobContext& ctx);

    /// |X (W^ - W)'|² of every ratio. @errors those of the source
    [[nodiscard]] Result<std::vector<double>> all(const Told& told);

    /// The least of these, the same number as all() has for it, at its place; kGivenUp elsewhere
    /// (where some are equal, each has its number). Sums of squares only grow: the ratio that
    /// promises most after some rows is summed to the end first, and each other one until it is
    /// above that.
    [[nodiscard]] Result<std::vector<double>> least(const Told& told);

private:
    static constexpr std::int64_t kRows = PanelLoss::kTogether * kPanel;  ///< of a block

    [[nodiscard]] std::int64_t blocks() const { return (weights_.rows() + kRows - 1) / kRows; }
    /// Blocks between two looks at the sums: about a sixteenth of all.
    [[nodiscard]] std::int64_t round() const { return std::max<std::int64_t>(blocks() / 16, 1); }
    [[nodiscard]] std::int64_t rowsOf(std::int64_t block) const {
        return std::min(kRows, weights_.rows() - block * kRows);
    }
    [[nodiscard]] Result<void> evaluate(const std::vector<std::size_t>& ratios,
                                        std::int64_t first,
                                        std::int64_t last,
                                        const Told& told);
    void errorsOf(const float* weights, const std::vector<float>& s, float* errors) const;
    [[nodiscard]] Result<void> evaluateBlock(std::int64_t block,
                                             std::span<const std::size_t> ratios,
                                             const Told& told);
    /// Of the blocks before `last`, in their order.
    [[nodiscard]] double sum(std::size_t ratio, std::int64_t last) const;

    const RowSource& weights_;
    const UniformSpec& spec_;
    const std::vector<std::vector<float>>& scales_;
    const PanelLoss& loss_;
    const JobContext& ctx_;
    std::vector<std::vector<double>> parts_;  ///< [ratio][block]
};

}  // namespace loupe
