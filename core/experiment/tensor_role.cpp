// SPDX-License-Identifier: Apache-2.0
// Names of tensors: words between dots, one of them the layer's number, the rest says the role.
#include "core/experiment/tensor_role.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <vector>

namespace loupe {

namespace {

// Ranks: the order in which roles are listed.
constexpr int kNorms = 100;
constexpr int kEmbeddings = 200;
constexpr int kHead = 300;
constexpr int kOther = 400;
constexpr int kBias = 1000;
constexpr int kPart = 2000;
constexpr int kCross = 20;
constexpr int kExpert = 20;
constexpr int kShared = 30;

using Words = std::vector<std::string>;

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

/// The number that a word is; -1: none, or too long for one.
std::int64_t numberOf(std::string_view word) {
    constexpr std::size_t kMostDigits = 9;
    if (word.empty() || word.size() > kMostDigits ||
        !std::all_of(word.begin(), word.end(), isDigit)) {
        return -1;
    }
    std::int64_t value = 0;
    std::from_chars(word.data(), word.data() + word.size(), value);
    return value;
}

bool isOneOf(std::string_view word, std::span<const std::string_view> list) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

/// "h", "layers", "transformer_blocks": what a network has many of, one behind the other.
bool isContainer(std::string_view word) {
    static constexpr std::array<std::string_view, 21> kNames{
        "h",      "blk",        "layer",       "layers",    "block",     "blocks",
        "stage",  "stages",     "encoder",     "decoder",   "resblocks", "attn_blocks",
        "units",  "mid_blocks", "down_blocks", "up_blocks", "cells",     "modules",
        "groups", "res_layers", "wrapped"};
    return isOneOf(word, kNames) || word.ends_with("_blocks") || word.ends_with("_layers") ||
           word.ends_with("_block") || word.ends_with("_layer");
}

/// "layer_0", "denselayer2", "layer1": a container with its number glued on.
struct Glued {
    std::string_view name;
    std::int64_t number = -1;
};
Glued glued(std::string_view word) {
    std::size_t digits = word.size();
    while (digits > 0 && isDigit(word[digits - 1])) {
        --digits;
    }
    std::string_view name = word.substr(0, digits);
    if (digits == word.size() || name.empty()) {
        return {};
    }
    const std::int64_t number = numberOf(word.substr(digits));
    if (name.back() == '_') {
        name.remove_suffix(1);
    }
    static constexpr std::array<std::string_view, 8> kNames{
        "layer", "layers", "block", "blocks", "stage", "denselayer", "denseblock", "h"};
    return isOneOf(name, kNames) ? Glued{name, number} : Glued{};
}

Words wordsOf(std::string_view name) {
    Words words;
    std::string word;
    for (const char c : name) {
        if (c == '.' || c == '/') {
            if (!word.empty()) {
                words.push_back(std::move(word));
            }
            word.clear();
        } else {
            word += c;
        }
    }
    if (!word.empty()) {
        words.push_back(std::move(word));
    }
    return words;
}

std::string join(const Words& words, std::size_t first, std::size_t last) {
    std::string text;
    for (std::size_t i = first; i < last; ++i) {
        if (i > first) {
            text += '.';
        }
        text += words[i];
    }
    return text;
}

bool isExpertWord(std::string_view word) {
    return word == "experts" || word == "expert" || word == "local_experts";
}

/// Which word says the layer.
struct LayerWord {
    std::size_t at = 0;  ///< index of the word
    std::int64_t number = -1;
    std::string stack;
};

LayerWord findLayer(const Words& words) {
    LayerWord found;
    bool strong = false;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {  // the last word is never the layer
        if (i > 0 && isExpertWord(words[i - 1])) {
            break;  // what follows is inside of the layer
        }
        const std::int64_t number = numberOf(words[i]);
        if (number < 0) {
            if (const Glued part = glued(words[i]); part.number >= 0) {
                // T5: "block.3.layer.0" numbers the parts of a block; BERT in TF: "layer_3".
                std::string stack = join(words, 0, i);
                stack.append(i > 0 ? "." : "").append(part.name);
                found = {i, part.number, std::move(stack)};
                strong = true;
            }
            continue;
        }
        const std::string_view before = i > 0 ? std::string_view(words[i - 1]) : "";
        const bool run = i > 0 && numberOf(before) >= 0 && found.at == i - 1;
        const bool container = isContainer(before) || glued(before).number >= 0 || run;
        const bool partOfBlock = before == "layer" && i >= 3 && words[i - 3] == "block";
        if (partOfBlock) {
            break;
        }
        if (container || !strong) {
            if (!container && found.number >= 0) {
                continue;  // without a word that says so, the first number is the layer
            }
            found = {i, number, join(words, 0, i)};
            strong = container;
        }
    }
    return found;
}

/// One name of a role: the end of what is left of the tensor's name, in lower case.
struct RoleName {
    std::string_view end;
    std::string_view role;
    int rank;
};

// The first that fits holds: longer ends stand before shorter ones.
constexpr RoleName kRoles[] = {
    {"q_a_proj", "q a", 3},
    {"q_b_proj", "q b", 4},
    {"attn_q_a", "q a", 3},
    {"attn_q_b", "q b", 4},
    {"kv_a_proj_with_mqa", "kv a", 6},
    {"attn_kv_a_mqa", "kv a", 6},
    {"kv_b_proj", "kv b", 7},
    {"attn_kv_b", "kv b", 7},
    {"q_a_layernorm", "q a norm", kNorms + 2},
    {"attn_q_a_norm", "q a norm", kNorms + 2},
    {"kv_a_layernorm", "kv a norm", kNorms + 3},
    {"attn_kv_a_norm", "kv a norm", kNorms + 3},
    {"q_norm", "q norm", kNorms + 2},
    {"attn_q_norm", "q norm", kNorms + 2},
    {"q_layernorm", "q norm", kNorms + 2},
    {"k_norm", "k norm", kNorms + 3},
    {"attn_k_norm", "k norm", kNorms + 3},
    {"k_layernorm", "k norm", kNorms + 3},
    {"qkv", "qkv", 8},
    {"attn_qkv", "qkv", 8},
    {"qkv_proj", "qkv", 8},
    {"wqkv", "qkv", 8},
    {"c_attn", "qkv", 8},
    {"query_key_value", "qkv", 8},
    {"attn.in_proj", "qkv", 8},
    {"self_attn.in_proj", "qkv", 8},
    {"attention.in_proj", "qkv", 8},
    {"q_proj", "q", 1},
    {"attn_q", "q", 1},
    {"query", "q", 1},
    {"to_q", "q", 1},
    {"wq", "q", 1},
    {"q_lin", "q", 1},
    {"attention.q", "q", 1},
    {"k_proj", "k", 2},
    {"attn_k", "k", 2},
    {"key", "k", 2},
    {"to_k", "k", 2},
    {"wk", "k", 2},
    {"k_lin", "k", 2},
    {"attention.k", "k", 2},
    {"v_proj", "v", 5},
    {"attn_v", "v", 5},
    {"value", "v", 5},
    {"to_v", "v", 5},
    {"wv", "v", 5},
    {"v_lin", "v", 5},
    {"attention.v", "v", 5},
    {"densereludense.wo", "down", 13},
    {"o_proj", "o", 9},
    {"attn_output", "o", 9},
    {"attn_out", "o", 9},
    {"attn.c_proj", "o", 9},
    {"attn.proj", "o", 9},
    {"attn.out_proj", "o", 9},
    {"attention.output.dense", "o", 9},
    {"attention.dense", "o", 9},
    {"attention.o", "o", 9},
    {"to_out.0", "o", 9},
    {"out_lin", "o", 9},
    {"attention.wo", "o", 9},
    {"self_attention.dense", "o", 9},
    {"attn.dense", "o", 9},
    {"out_proj", "o", 9},
    {"wo", "o", 9},
    {"ffn_gate_inp", "router", 10},
    {"block_sparse_moe.gate", "router", 10},
    {"mlp.gate", "router", 10},
    {"router", "router", 10},
    {"router.layer", "router", 10},
    {"gate_up_proj", "gate up", 11},
    {"gate_proj", "gate", 11},
    {"ffn_gate", "gate", 11},
    {"ffn_gate_exps", "gate", 11},
    {"ffn_gate_shexp", "gate", 11},
    {"w1", "gate", 11},
    {"wi_0", "gate", 11},
    {"up_proj", "up", 12},
    {"ffn_up", "up", 12},
    {"ffn_up_exps", "up", 12},
    {"ffn_up_shexp", "up", 12},
    {"w3", "up", 12},
    {"wi_1", "up", 12},
    {"wi", "up", 12},
    {"fc1", "up", 12},
    {"c_fc", "up", 12},
    {"fc_in", "up", 12},
    {"lin1", "up", 12},
    {"linear1", "up", 12},
    {"intermediate.dense", "up", 12},
    {"dense_h_to_4h", "up", 12},
    {"down_proj", "down", 13},
    {"ffn_down", "down", 13},
    {"ffn_down_exps", "down", 13},
    {"ffn_down_shexp", "down", 13},
    {"w2", "down", 13},
    {"fc2", "down", 13},
    {"mlp.c_proj", "down", 13},
    {"fc_out", "down", 13},
    {"lin2", "down", 13},
    {"linear2", "down", 13},
    {"output.dense", "down", 13},
    {"dense_4h_to_h", "down", 13},
    {"attention.output.layernorm", "attn norm", kNorms},
    {"sa_layer_norm", "attn norm", kNorms},
    {"input_layernorm", "attn norm", kNorms},
    {"attention_norm", "attn norm", kNorms},
    {"attn_norm", "attn norm", kNorms},
    {"self_attn_layer_norm", "attn norm", kNorms},
    {"layer_norm1", "attn norm", kNorms},
    {"norm1", "attn norm", kNorms},
    {"ln_1", "attn norm", kNorms},
    {"ln1", "attn norm", kNorms},
    {"pre_feedforward_layernorm", "pre-ffn norm", kNorms + 4},
    {"post_feedforward_layernorm", "post-ffn norm", kNorms + 6},
    {"post_ffw_norm", "post-ffn norm", kNorms + 6},
    {"post_attention_norm", "post-attn norm", kNorms + 1},
    {"attn_post_norm", "post-attn norm", kNorms + 1},
    {"post_attention_layernorm", "ffn norm", kNorms + 5},
    {"ffn_norm", "ffn norm", kNorms + 5},
    {"ln_2", "ffn norm", kNorms + 5},
    {"ln2", "ffn norm", kNorms + 5},
    {"norm2", "ffn norm", kNorms + 5},
    {"layer_norm2", "ffn norm", kNorms + 5},
    {"output_layer_norm", "ffn norm", kNorms + 5},
    {"output.layernorm", "ffn norm", kNorms + 5},
    {"layer_output_norm", "ffn norm", kNorms + 5},
    {"attn_output_norm", "attn norm", kNorms},
    {"embed_tokens", "token embedding", kEmbeddings},
    {"tok_embeddings", "token embedding", kEmbeddings},
    {"token_embd", "token embedding", kEmbeddings},
    {"word_embeddings", "token embedding", kEmbeddings},
    {"embed_in", "token embedding", kEmbeddings},
    {"wte", "token embedding", kEmbeddings},
    {"shared", "token embedding", kEmbeddings},
    {"wpe", "position embedding", kEmbeddings + 1},
    {"pos_embed", "position embedding", kEmbeddings + 1},
    {"position_embd", "position embedding", kEmbeddings + 1},
    {"position_embeddings", "position embedding", kEmbeddings + 1},
    {"embed_positions", "position embedding", kEmbeddings + 1},
    {"positional_embedding", "position embedding", kEmbeddings + 1},
    {"position_embedding", "position embedding", kEmbeddings + 1},
    {"token_type_embeddings", "type embedding", kEmbeddings + 2},
    {"token_types", "type embedding", kEmbeddings + 2},
    {"patch_embed.proj", "patch embedding", kEmbeddings + 3},
    {"patch_embedding", "patch embedding", kEmbeddings + 3},
    {"patch_embeddings.projection", "patch embedding", kEmbeddings + 3},
    {"cls_token", "class token", kEmbeddings + 4},
    {"embeddings.layernorm", "embedding norm", kEmbeddings + 5},
    {"embeddings.norm", "embedding norm", kEmbeddings + 5},
    {"token_embd_norm", "embedding norm", kEmbeddings + 5},
    {"rope_freqs", "rope frequencies", kEmbeddings + 6},
};

// Only outside of layers: inside of them the same words mean something else.
constexpr RoleName kOuterRoles[] = {
    {"lm_head", "head", kHead},
    {"embed_out", "head", kHead},
    {"output_norm", "final norm", kNorms + 9},
    {"output", "head", kHead},
    {"head", "head", kHead},
    {"classifier", "head", kHead},
    {"head.fc", "head", kHead},
    {"fc", "head", kHead},
    {"score", "head", kHead},
    {"predictions.decoder", "head", kHead},
    {"pooler.dense", "pooler", kHead + 1},
    {"ln_f", "final norm", kNorms + 9},
    {"final_layernorm", "final norm", kNorms + 9},
    {"final_layer_norm", "final norm", kNorms + 9},
    {"final_norm", "final norm", kNorms + 9},
    {"post_layernorm", "final norm", kNorms + 9},
    {"layer_norm", "final norm", kNorms + 9},
    {"norm_f", "final norm", kNorms + 9},
    {"norm", "final norm", kNorms + 9},
};

const RoleName* findRole(std::string_view text, std::span<const RoleName> roles) {
    for (const RoleName& name : roles) {
        if (text.ends_with(name.end) &&
            (text.size() == name.end.size() || text[text.size() - name.end.size() - 1] == '.' ||
             (name.end == "attention.q" || name.end == "attention.k" || name.end == "attention.v" ||
              name.end == "attention.o"))) {
            return &name;
        }
    }
    return nullptr;
}

/// What the last word says of a tensor: the weight itself, its bias, or a part of a packed one.
struct Ending {
    std::string_view suffix;  ///< added to the role; empty for the weight itself
    int rank = 0;
    bool taken = false;  ///< the word is no part of the role
};

Ending endingOf(std::string_view word) {
    static constexpr std::array<std::string_view, 5> kWeights{
        "weight", "kernel", "gamma", "embedding", "w"};
    static constexpr std::array<std::string_view, 3> kBiases{"bias", "beta", "b"};
    static constexpr std::array<std::string_view, 16> kParts{"qweight",
                                                             "qzeros",
                                                             "scales",
                                                             "g_idx",
                                                             "weight_packed",
                                                             "weight_scale",
                                                             "weight_shape",
                                                             "weight_zero_point",
                                                             "weight_scale_inv",
                                                             "absmax",
                                                             "SCB",
                                                             "blocks",
                                                             "biases",
                                                             "quant_map",
                                                             "input_scale",
                                                             "running_var"};
    if (isOneOf(word, kWeights)) {
        return {"", 0, true};
    }
    if (isOneOf(word, kBiases)) {
        return {"bias", kBias, true};
    }
    if (isOneOf(word, kParts)) {
        return {word, kPart, true};
    }
    return {};
}

bool isCross(std::string_view text) {
    return text.find("encoder_attn") != std::string_view::npos ||
           text.find("encdecattention") != std::string_view::npos ||
           text.find("crossattention") != std::string_view::npos ||
           text.find("cross_attn") != std::string_view::npos ||
           text.find("attn2.") != std::string_view::npos;
}

bool isShared(std::string_view text) {
    return text.find("shared_expert") != std::string_view::npos || text.ends_with("_shexp");
}

/// T5 numbers the parts of a block: "layer.0.layer_norm" is the norm before attention.
const RoleName* partNorm(std::string_view rest, bool decoder) {
    static constexpr RoleName kAttn{"", "attn norm", kNorms};
    static constexpr RoleName kCrossNorm{"", "cross norm", kNorms + 1};
    static constexpr RoleName kFfn{"", "ffn norm", kNorms + 5};
    if (rest == "layer.0.layer_norm") {
        return &kAttn;
    }
    if (rest == "layer.1.layer_norm") {
        return decoder ? &kCrossNorm : &kFfn;
    }
    return rest == "layer.2.layer_norm" ? &kFfn : nullptr;
}

void nameRole(TensorPlace& place, const std::string& rest, const Ending& ending) {
    std::string text = toLower(rest);
    // torch's MultiheadAttention has no module for them: "in_proj_weight", "in_proj_bias".
    const bool fused = text.ends_with("in_proj_weight") || text.ends_with("in_proj_bias");
    const bool fusedBias = fused && text.ends_with("_bias");
    if (fused) {
        text.resize(text.rfind('_'));
    }
    const bool inLayer = place.layer >= 0;
    const bool decoder = place.stack.find("decoder") != std::string::npos;
    const RoleName* known = inLayer ? partNorm(text, decoder) : findRole(text, kOuterRoles);
    if (known == nullptr) {
        known = findRole(text, kRoles);
    }
    if (known == nullptr && inLayer && text == "final_layer_norm") {
        known = findRole("ffn_norm", kRoles);
    }
    std::string_view prefix;
    if (known == nullptr) {
        place.role = rest.empty() ? "weight" : rest;
        place.rank = text.find("norm") != std::string::npos ? kNorms + 8 : kOther;
    } else {
        place.role = known->role;
        place.rank = known->rank;
        const bool body = known->rank < kNorms && known->role != "router";
        if (body && isShared(text)) {
            prefix = "shared ";
            place.rank += kShared;
        } else if (body && (place.expert >= 0 || text.ends_with("_exps") ||
                            text.find("experts.") != std::string::npos)) {
            prefix = "expert ";
            place.rank += kExpert;
        } else if (isCross(text)) {
            prefix = "cross ";
            place.rank += kCross;
        }
    }
    place.role.insert(0, prefix);
    if (!ending.suffix.empty() || fusedBias) {
        place.role.append(" ").append(fusedBias ? std::string_view("bias") : ending.suffix);
        place.rank += fusedBias ? kBias : ending.rank;
    }
}

}  // namespace

TensorPlace placeOf(std::string_view name) {
    TensorPlace place;
    Words words = wordsOf(name);
    if (words.empty()) {
        place.role = std::string(name);
        place.rank = kOther;
        return place;
    }
    const LayerWord layer = findLayer(words);
    std::size_t first = 0;
    if (layer.number >= 0) {
        place.layer = layer.number;
        place.stack = layer.stack;
        first = layer.at + 1;
    }
    const Ending ending =
        words.size() > first + 1 || layer.number >= 0 ? endingOf(words.back()) : Ending{};
    Words rest(words.begin() + static_cast<std::ptrdiff_t>(first),
               words.end() - (ending.taken ? 1 : 0));
    for (std::size_t i = 0; i + 1 < rest.size(); ++i) {
        if (isExpertWord(rest[i]) && numberOf(rest[i + 1]) >= 0) {
            place.expert = numberOf(rest[i + 1]);
            rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i) + 1);
            break;
        }
    }
    nameRole(place, join(rest, 0, rest.size()), ending);
    return place;
}

}  // namespace loupe
