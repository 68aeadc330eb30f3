// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/io/tensor_source.hpp"

namespace loupe {

/// A layer before and after a scheme. Activations [tokens, in], weights [out, in].
struct LayerPair {
    const RowSource& activations;
    const RowSource& quantizedActivations;  ///< the same object: unchanged
    const RowSource& weights;
    const RowSource& quantizedWeights;
};

/// |X W' - X^ W^'|_F / |X W'|_F. The difference is worked out as (X - X^) W' + X^ (W - W^)', which
/// loses nothing to cancellation; squares are summed in double.
/// @cost   2 to 3 products of tokens·out·in; memory for one block of tokens and one of outputs
/// @errors Invalid: NaN or infinite activations naming row and column
[[nodiscard]] Result<double> outputRelativeError(const LayerPair& layer, const JobContext& ctx);

}  // namespace loupe
