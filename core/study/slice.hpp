// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/experiment/pipeline.hpp"

namespace loupe {

/// A part of a layer that is small enough to be told: rows [row, row + rows) and columns
/// [col, col + cols) of the weights, the same columns of the activations.
struct Slice {
    std::int64_t row = 0;
    std::int64_t col = 0;
    std::int64_t rows = 32;
    std::int64_t cols = 64;
    friend bool operator==(const Slice&, const Slice&) = default;
};

/// The slice moved and cut so that it lies within a matrix of that shape and has at most
/// kMostTracedWeights weights.
[[nodiscard]] Slice fitted(Slice slice, std::int64_t rows, std::int64_t cols);
/// The whole matrix where it can be told, else a slice with that cell about in its middle. With a
/// group (0: none) it begins where one begins and holds a whole one where it can.
[[nodiscard]] Slice sliceAround(std::int64_t row,
                                std::int64_t col,
                                std::int64_t rows,
                                std::int64_t cols,
                                std::int64_t group = 0);

/// Reads a slice of a layer. Activations are cut to the slice's columns and to the first tokens
/// that fit kMostTracedActivations; where the slice is the whole layer and small enough, the
/// matrices are passed on as they are.
/// @errors of the sources @cost reads slice.rows whole rows of the weights
[[nodiscard]] Result<SchemeInput> sliceOf(const SchemeInput& layer,
                                          const Slice& slice,
                                          const JobContext& ctx = {});

/// The layer of a made-up source: its first tensor, the one named "activations" and the one named
/// "gradients" where there are any.
/// @errors of openSource
[[nodiscard]] Result<SchemeInput> layerOf(const std::string& syntheticPath);

}  // namespace loupe
