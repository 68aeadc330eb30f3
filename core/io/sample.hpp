// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <filesystem>

namespace loupe {

/// Writes the bundled example into `folder` (made if missing): model.safetensors, config.json and
/// activations.safetensors.
///
/// A made-up transformer of 4 blocks with the names, shapes and statistics of a trained one:
/// heavy-tailed bf16 weights whose rows differ in scale, a few residual channels that are large
/// everywhere (columns of what reads the residual stream, rows of what writes it), one single huge
/// weight; and activations [256 tokens, in] of every linear layer with the same outlier channels
/// and correlated inputs. Nothing was trained: it shows what algorithms do to weights, not what a
/// model says. Deterministic. @errors Unreadable: cannot write @cost about 2 million values, 11 MB
[[nodiscard]] Result<void> writeSampleCheckpoint(const std::filesystem::path& folder);

}  // namespace loupe
