// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace loupe {

/// Where in a network a tensor stands, as its name tells.
struct TensorPlace {
    /// What repeats: "model.layers", "blk", "encoder.layer"; empty for a tensor outside of layers.
    std::string stack;
    std::int64_t layer = -1;   ///< within the stack; -1: none
    std::int64_t expert = -1;  ///< of a tensor that each expert has for itself; -1: none
    /// The same word whatever the family calls it: "q", "o", "gate", "attn norm", "q bias"; what is
    /// not known keeps the name's own words.
    std::string role;
    /// Order of roles: q, k, v, o, gate, up, down, norms, embeddings, head, others, then biases.
    int rank = 0;
};

/// Reads layer and role off a name of Hugging Face's transformers, GGUF, GPT-2, BERT, T5, timm,
/// torchvision and the like. A guess by names alone: the tensor itself is not looked at.
[[nodiscard]] TensorPlace placeOf(std::string_view name);

}  // namespace loupe
