// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "gpu/timing/case.hpp"

#include <span>

namespace loupe::app {

/// A linear layer of a real model: Y [m, n] = X [m, k]·Wᵀ.
struct LayerPreset {
    const char* title;
    const char* model;
    const char* layer;
    std::int64_t n;
    std::int64_t k;
};
[[nodiscard]] std::span<const LayerPreset> layerPresets();

/// Tokens at once: decoding one by one, a batch of users, a prompt.
struct TokenPreset {
    const char* title;
    std::int64_t m;
};
[[nodiscard]] std::span<const TokenPreset> tokenPresets();

struct AttentionPreset {
    const char* title;
    const char* model;
    gpu::AttentionShape shape;
};
[[nodiscard]] std::span<const AttentionPreset> attentionPresets();

}  // namespace loupe::app
