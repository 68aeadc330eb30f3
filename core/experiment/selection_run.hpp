// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/experiment/pipeline.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace loupe {

/// One tensor of a selection, opened when it is its turn (and more than once).
struct SelectedTensor {
    std::string name;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::function<Result<SchemeInput>()> open;
};

/// Called for each tensor in order, with its result or with what went wrong with it.
using SelectionSeen = std::function<void(
    std::size_t index, const Result<std::shared_ptr<const SchemeResult>>& result)>;

/// The tensors of two or more dimensions that one of the globs names, in the file's order; not the
/// activations and gradients that made-up layers come with.
[[nodiscard]] std::vector<std::size_t> selectTensors(const TensorSource& source,
                                                     std::span<const std::string> globs);

/// Applies a scheme to each tensor. Where the first step has scope=global, the scores of all of
/// them compete: exactly floor(count·sparsity) of all weights go, and sparsities differ by tensor.
/// @errors Unsupported: scope=global in another step, or in one that prunes by no score (obs). With
///         scope=global also those of opening, reading and scoring: without one tensor's scores
///         there is no threshold. Else errors are for `seen`.
/// @cost   memory as of one tensor; scope=global reads each tensor four or five times more
[[nodiscard]] Result<void> applyToSelection(const Scheme& scheme,
                                            std::span<const SelectedTensor> tensors,
                                            const SelectionSeen& seen,
                                            const JobContext& ctx = {});

}  // namespace loupe
