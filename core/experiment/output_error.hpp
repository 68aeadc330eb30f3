// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <vector>

namespace loupe {

/// A layer before and after a scheme. Activations [tokens, in], weights [out, in].
struct LayerPair {
    const RowSource& activations;
    const RowSource& quantizedActivations;  ///< the same object: unchanged
    const RowSource& weights;
    const RowSource& quantizedWeights;
};

/// How far Y^ = X^ W^' is from Y = X W' ([tokens, out]): as a whole, column by column, row by row.
struct OutputErrors {
    double squaredError = 0;  ///< sum of (y - y^)^2
    double squaredReference = 0;
    std::vector<double> channelSquaredError;  ///< [out]
    std::vector<double> channelSquaredReference;
    std::vector<double> tokenSquaredError;  ///< [tokens]
    std::vector<double> tokenSquaredReference;

    /// |Y - Y^|_F / |Y|_F; NaN where both are zero, infinite where only Y is.
    [[nodiscard]] double relative() const;
    /// 10 log10(sum y^2 / sum (y - y^)^2).
    [[nodiscard]] double sqnrDb() const;
    /// The same ratio for each output channel, and for each token.
    [[nodiscard]] std::vector<double> channels() const;
    [[nodiscard]] std::vector<double> tokens() const;
};

/// One pass over tokens and outputs. The difference is worked out as (X - X^) W' + X^ (W - W^)',
/// which loses nothing to cancellation; squares are summed in double, in an order that does not
/// depend on the threads.
/// @cost   2 to 3 products of tokens·out·in; memory for one block of tokens and one of outputs
/// @errors Invalid: NaN or infinite activations naming row and column
[[nodiscard]] Result<OutputErrors> outputErrors(const LayerPair& layer, const JobContext& ctx);

/// outputErrors().relative().
[[nodiscard]] Result<double> outputRelativeError(const LayerPair& layer, const JobContext& ctx);

}  // namespace loupe
