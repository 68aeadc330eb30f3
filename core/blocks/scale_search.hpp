// SPDX-License-Identifier: Apache-2.0
// How ggml's reference quantizers come to the scale of one part of a block: what they try, with
// which error, what they take. The quantizers' own code, watched.
#pragma once

#include "core/blocks/block_layout.hpp"

#include <optional>
#include <span>
#include <vector>

namespace loupe {

/// A scale that was tried; a weight becomes scale · q + offset.
struct ScaleTrial {
    double scale = 0;
    double offset = 0;
    double error = 0;    ///< weighted, as the quantizer compares it
    bool taken = false;  ///< better than what was found before
};

/// The search for one part: neighbours that share all their scales.
struct ScaleSearch {
    double scale = 0;  ///< what was found, before it is rounded to what the block stores
    double offset = 0;
    /// The element of the largest magnitude, with its sign; of types that store a minimum the
    /// largest and smallest element that count (0 is one of the K types').
    double largest = 0;
    double smallest = 0;
    bool hasOffset = false;
    int low = 0;  ///< range of the codes
    int high = 0;
    std::vector<ScaleTrial> trials;  ///< in order; empty: the scale follows from the largest
    const char* error = "";          ///< what `ScaleTrial::error` is
};

/// Empty for types whose scales are not found part by part from the weights alone. `part` holds as
/// many weights as share a scale.
[[nodiscard]] std::optional<ScaleSearch> searchScale(const BlockLayout& layout,
                                                     std::span<const float> part);

}  // namespace loupe
