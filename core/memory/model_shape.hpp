// SPDX-License-Identifier: Apache-2.0
// The sizes of a transformer, and what follows from them: matrices, KV cache, activations.
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loupe {

/// A decoder of the Llama family (gated feed-forward, no biases), with DeepSeek's latent attention
/// and experts where they are given.
struct ModelShape {
    std::string id;                ///< "llama-2-7b"
    std::string title;             ///< "Llama 2 7B"
    std::string source;            ///< where the sizes are from
    std::int64_t vocabulary = 0;   ///< V
    std::int64_t hidden = 0;       ///< d
    std::int64_t layers = 0;       ///< L
    std::int64_t heads = 0;        ///< H
    std::int64_t kvHeads = 0;      ///< H_kv: H (MHA), fewer (GQA), 1 (MQA)
    std::int64_t headDim = 0;      ///< h
    std::int64_t feedForward = 0;  ///< f
    bool tiedEmbeddings = false;   ///< the output matrix is the embedding's
    bool gated = true;             ///< three matrices in the feed-forward part, not two
    std::int64_t context = 0;      ///< tokens it was made for; 0: unknown
    std::int64_t queryRank = 0;    ///< MLA: rank of the queries' projection; 0: no such attention
    std::int64_t kvRank = 0;       ///< MLA: kv_lora_rank
    std::int64_t ropeDim = 0;      ///< MLA: qk_rope_head_dim
    std::int64_t valueDim = 0;     ///< MLA: v_head_dim
    std::int64_t experts = 0;      ///< routed experts a layer; 0: none
    std::int64_t sharedExperts = 0;
    std::int64_t expertsUsed = 0;    ///< routed experts a token
    std::int64_t expertForward = 0;  ///< feed-forward width of one expert
    std::int64_t denseLayers = 0;    ///< first layers without experts

    [[nodiscard]] bool hasLatentAttention() const { return kvRank > 0; }
    friend bool operator==(const ModelShape&, const ModelShape&) = default;
};

/// Llama 2 7B, 13B, 70B, Llama 3 8B, Llama 3.1 405B, DeepSeek-V3.
[[nodiscard]] std::span<const ModelShape> modelPresets();
[[nodiscard]] const ModelShape* findModelPreset(std::string_view id);

/// The sizes in a config.json (Hugging Face's names; GPT-2's too; nested under text_config).
/// @errors Missing: the document does not say hidden size, layers or heads; Damaged: no JSON object
[[nodiscard]] Result<ModelShape> parseModelShape(const std::string& config);

/// Some matrices, or vectors (norms: one row), of the same size.
struct TensorSize {
    std::string name;  ///< "q_proj"
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    std::int64_t count = 1;
    bool isVector = false;     ///< never quantized
    bool isEmbedding = false;  ///< embedding or output matrix: usually left in 16 bits
    double storedBits = 16;    ///< an element, as it is now
    [[nodiscard]] std::int64_t parameters() const { return rows * columns * count; }
};
/// What the model holds. DeepSeek-V3 without its multi-token head.
[[nodiscard]] std::vector<TensorSize> tensorsOf(const ModelShape& shape);
/// V d (2, or 1 if tied) + L (d H h + 2 d H_kv h + H h d + 3 d f + 2 d) + d.
[[nodiscard]] std::int64_t parametersOf(const ModelShape& shape);

/// Bytes of keys and values for one token: 2 L H_kv h bytes; with latent attention L (kv_lora_rank
/// + qk_rope_head_dim) bytes, one vector for all heads.
[[nodiscard]] double kvBytesPerToken(const ModelShape& shape, double bitsPerNumber = 16);
/// Without the latent vector: keys of headDim + ropeDim and values of valueDim for every head.
[[nodiscard]] double expandedKvBytesPerToken(const ModelShape& shape, double bitsPerNumber = 16);

/// Numbers between layers during inference, in bytes; one layer's, since the next one reuses them.
struct ActivationBytes {
    double residual = 0;     ///< B T d
    double attention = 0;    ///< queries, keys, values: B T (H + 2 H_kv) h
    double scores = 0;       ///< B H T² where they are materialised
    double feedForward = 0;  ///< gate and up: 2 B T f
    double logits = 0;       ///< B T V in FP32; of the last token alone unless all are asked for
    /// What is needed at once: the residual, the larger of the two halves of a layer, the logits.
    [[nodiscard]] double peak() const;
};
struct ActivationRequest {
    std::int64_t batch = 1;
    std::int64_t tokens = 1;  ///< that go through at once: 1 in decoding, the prompt in prefill
    double bits = 16;
    bool materialiseScores = false;  ///< standard attention; tiled attention never stores them
    bool allLogits = false;
};
[[nodiscard]] ActivationBytes activationBytes(const ModelShape& shape,
                                              const ActivationRequest& request);

}  // namespace loupe
