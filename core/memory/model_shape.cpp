// SPDX-License-Identifier: Apache-2.0
#include "core/memory/model_shape.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <initializer_list>

namespace loupe {

namespace {

ModelShape llama(const char* id,
                 const char* title,
                 std::int64_t vocabulary,
                 std::int64_t hidden,
                 std::int64_t layers,
                 std::int64_t heads,
                 std::int64_t kvHeads,
                 std::int64_t feedForward,
                 std::int64_t context) {
    ModelShape shape;
    shape.id = id;
    shape.title = title;
    shape.source = "the model's config.json";
    shape.vocabulary = vocabulary;
    shape.hidden = hidden;
    shape.layers = layers;
    shape.heads = heads;
    shape.kvHeads = kvHeads;
    shape.headDim = 128;
    shape.feedForward = feedForward;
    shape.context = context;
    return shape;
}

ModelShape deepSeekV3() {
    ModelShape shape =
        llama("deepseek-v3", "DeepSeek-V3", 129280, 7168, 61, 128, 128, 18432, 163840);
    shape.queryRank = 1536;
    shape.kvRank = 512;
    shape.ropeDim = 64;
    shape.valueDim = 128;
    shape.experts = 256;
    shape.sharedExperts = 1;
    shape.expertsUsed = 8;
    shape.expertForward = 2048;
    shape.denseLayers = 3;
    return shape;
}

using Json = nlohmann::json;

/// The first of these keys that holds a whole number that a model can have.
std::optional<std::int64_t> integerOf(const Json& object, std::initializer_list<const char*> keys) {
    constexpr std::int64_t kMost = std::int64_t{1} << 31;
    for (const char* key : keys) {
        const auto found = object.find(key);
        if (found != object.end() && found->is_number_integer()) {
            const auto value = found->get<std::int64_t>();
            if (value > 0 && value <= kMost) {
                return value;
            }
        }
    }
    return std::nullopt;
}

void addAttention(std::vector<TensorSize>& list, const ModelShape& s) {
    const std::int64_t layers = s.layers;
    if (!s.hasLatentAttention()) {
        list.push_back({"q_proj", s.heads * s.headDim, s.hidden, layers});
        list.push_back({"k_proj, v_proj", s.kvHeads * s.headDim, s.hidden, 2 * layers});
        list.push_back({"o_proj", s.hidden, s.heads * s.headDim, layers});
        return;
    }
    const std::int64_t queries = s.heads * (s.headDim + s.ropeDim);
    if (s.queryRank > 0) {
        list.push_back({"q_a_proj", s.queryRank, s.hidden, layers});
        list.push_back({"q_a_layernorm", 1, s.queryRank, layers, true});
        list.push_back({"q_b_proj", queries, s.queryRank, layers});
    } else {
        list.push_back({"q_proj", queries, s.hidden, layers});
    }
    list.push_back({"kv_a_proj", s.kvRank + s.ropeDim, s.hidden, layers});
    list.push_back({"kv_a_layernorm", 1, s.kvRank, layers, true});
    list.push_back({"kv_b_proj", s.heads * (s.headDim + s.valueDim), s.kvRank, layers});
    list.push_back({"o_proj", s.hidden, s.heads * s.valueDim, layers});
}

void addFeedForward(std::vector<TensorSize>& list, const ModelShape& s) {
    const std::int64_t inward = s.gated ? 2 : 1;
    const std::int64_t dense = s.experts > 0 ? std::min(s.denseLayers, s.layers) : s.layers;
    if (dense > 0) {
        list.push_back(
            {s.gated ? "gate_proj, up_proj" : "up_proj", s.feedForward, s.hidden, inward * dense});
        list.push_back({"down_proj", s.hidden, s.feedForward, dense});
    }
    const std::int64_t sparse = s.layers - dense;
    if (sparse > 0) {
        const std::int64_t each = sparse * (s.experts + s.sharedExperts);
        list.push_back({"experts: gate_proj, up_proj", s.expertForward, s.hidden, inward * each});
        list.push_back({"experts: down_proj", s.hidden, s.expertForward, each});
        list.push_back({"router", s.experts, s.hidden, sparse});
        if (s.hasLatentAttention()) {
            list.push_back({"router's correction", 1, s.experts, sparse, true});
        }
    }
}

}  // namespace

std::span<const ModelShape> modelPresets() {
    static const std::vector<ModelShape> kPresets{
        llama("llama-2-7b", "Llama 2 7B", 32000, 4096, 32, 32, 32, 11008, 4096),
        llama("llama-2-13b", "Llama 2 13B", 32000, 5120, 40, 40, 40, 13824, 4096),
        llama("llama-2-70b", "Llama 2 70B", 32000, 8192, 80, 64, 8, 28672, 4096),
        llama("llama-3-8b", "Llama 3 8B", 128256, 4096, 32, 32, 8, 14336, 8192),
        llama("llama-3.1-405b", "Llama 3.1 405B", 128256, 16384, 126, 128, 8, 53248, 131072),
        deepSeekV3(),
    };
    return kPresets;
}

const ModelShape* findModelPreset(std::string_view id) {
    for (const ModelShape& preset : modelPresets()) {
        if (preset.id == id) {
            return &preset;
        }
    }
    return nullptr;
}

Result<ModelShape> parseModelShape(const std::string& config) {
    const Json document = Json::parse(config, nullptr, false);
    if (!document.is_object()) {
        return fail(ErrorCode::Damaged, "config.json: expected a JSON object");
    }
    const auto nested = document.find("text_config");
    const Json& json = nested != document.end() && nested->is_object() ? *nested : document;
    const auto hidden = integerOf(json, {"hidden_size", "n_embd", "d_model"});
    const auto layers = integerOf(json, {"num_hidden_layers", "n_layer", "num_layers"});
    const auto heads = integerOf(json, {"num_attention_heads", "n_head", "num_heads"});
    if (!hidden || !layers || !heads) {
        return fail(ErrorCode::Missing,
                    "config.json: expected hidden_size, num_hidden_layers and "
                    "num_attention_heads, found not all of them");
    }
    ModelShape shape;
    shape.source = "config.json";
    const auto type = document.find("model_type");
    const std::string modelType =
        type != document.end() && type->is_string() ? type->get<std::string>() : std::string();
    shape.id = modelType;
    shape.title = modelType;
    shape.hidden = *hidden;
    shape.layers = *layers;
    shape.heads = *heads;
    const bool oneKeyHead = json.contains("multi_query") && json["multi_query"].is_boolean() &&
                            json["multi_query"].get<bool>();
    shape.kvHeads =
        integerOf(json, {"num_key_value_heads", "num_kv_heads"}).value_or(oneKeyHead ? 1 : *heads);
    shape.headDim = integerOf(json, {"head_dim", "qk_nope_head_dim"})
                        .value_or(std::max<std::int64_t>(1, *hidden / *heads));
    shape.gated = !integerOf(json, {"n_embd"});
    shape.feedForward =
        integerOf(json, {"intermediate_size", "n_inner", "ffn_dim"}).value_or(4 * *hidden);
    shape.vocabulary = integerOf(json, {"vocab_size"}).value_or(0);
    shape.context =
        integerOf(json, {"max_position_embeddings", "n_positions", "n_ctx"}).value_or(0);
    const auto tied = json.find("tie_word_embeddings");
    shape.tiedEmbeddings =
        tied != json.end() && tied->is_boolean() ? tied->get<bool>() : !shape.gated;
    shape.kvRank = integerOf(json, {"kv_lora_rank"}).value_or(0);
    if (shape.hasLatentAttention()) {
        shape.queryRank = integerOf(json, {"q_lora_rank"}).value_or(0);
        shape.ropeDim = integerOf(json, {"qk_rope_head_dim"}).value_or(0);
        shape.valueDim = integerOf(json, {"v_head_dim"}).value_or(shape.headDim);
    }
    shape.experts =
        integerOf(json, {"n_routed_experts", "num_local_experts", "num_experts"}).value_or(0);
    if (shape.experts > 0) {
        shape.sharedExperts = integerOf(json, {"n_shared_experts"}).value_or(0);
        shape.expertsUsed = integerOf(json, {"num_experts_per_tok"}).value_or(1);
        shape.expertForward =
            integerOf(json, {"moe_intermediate_size"}).value_or(shape.feedForward);
        shape.denseLayers = integerOf(json, {"first_k_dense_replace"}).value_or(0);
    }
    return shape;
}

std::vector<TensorSize> tensorsOf(const ModelShape& shape) {
    std::vector<TensorSize> list;
    const std::int64_t copies = shape.tiedEmbeddings ? 1 : 2;
    list.push_back({"embedding and output", shape.vocabulary, shape.hidden, copies, false, true});
    addAttention(list, shape);
    addFeedForward(list, shape);
    list.push_back({"norms", 1, shape.hidden, 2 * shape.layers + 1, true});
    return list;
}

std::int64_t parametersOf(const ModelShape& shape) {
    std::int64_t sum = 0;
    for (const TensorSize& tensor : tensorsOf(shape)) {
        sum += tensor.parameters();
    }
    return sum;
}

double kvBytesPerToken(const ModelShape& shape, double bitsPerNumber) {
    const std::int64_t numbers = shape.hasLatentAttention() ? shape.kvRank + shape.ropeDim
                                                            : 2 * shape.kvHeads * shape.headDim;
    return static_cast<double>(shape.layers * numbers) * bitsPerNumber / 8;
}

double expandedKvBytesPerToken(const ModelShape& shape, double bitsPerNumber) {
    if (!shape.hasLatentAttention()) {
        return kvBytesPerToken(shape, bitsPerNumber);
    }
    const std::int64_t numbers = shape.heads * (shape.headDim + shape.ropeDim + shape.valueDim);
    return static_cast<double>(shape.layers * numbers) * bitsPerNumber / 8;
}

double ActivationBytes::peak() const {
    return residual + std::max(attention + scores, feedForward) + logits;
}

ActivationBytes activationBytes(const ModelShape& shape, const ActivationRequest& request) {
    const auto batch = static_cast<double>(request.batch);
    const auto tokens = static_cast<double>(request.tokens);
    const double bytes = request.bits / 8;
    ActivationBytes sizes;
    sizes.residual = batch * tokens * static_cast<double>(shape.hidden) * bytes;
    const std::int64_t width =
        shape.hasLatentAttention()
            ? shape.heads * (2 * (shape.headDim + shape.ropeDim) + shape.valueDim)
            : (shape.heads + 2 * shape.kvHeads) * shape.headDim;
    sizes.attention = batch * tokens * static_cast<double>(width) * bytes;
    if (request.materialiseScores) {
        sizes.scores = batch * static_cast<double>(shape.heads) * tokens * tokens * bytes;
    }
    std::int64_t forward = shape.feedForward;
    if (shape.experts > 0) {
        const std::int64_t sparse = (shape.expertsUsed + shape.sharedExperts) * shape.expertForward;
        forward = shape.denseLayers > 0 ? std::max(forward, sparse) : sparse;
    }
    sizes.feedForward =
        (shape.gated ? 2 : 1) * batch * tokens * static_cast<double>(forward) * bytes;
    sizes.logits =
        batch * (request.allLogits ? tokens : 1) * static_cast<double>(shape.vocabulary) * 4;
    return sizes;
}

}  // namespace loupe
