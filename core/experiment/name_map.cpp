// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/name_map.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <array>

namespace loupe {

namespace {

// Rules of one architecture come before those of all: the first that fits counts.
constexpr std::array kRules{
    // Gemma 2 and 3: norms before and after both halves of a layer.
    NameRule{"layers.{}.post_attention_layernorm", "blk.{}.post_attention_norm", "gemma2 gemma3"},
    NameRule{"layers.{}.pre_feedforward_layernorm", "blk.{}.ffn_norm", "gemma2 gemma3"},
    NameRule{"layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm", "gemma2 gemma3"},
    // Llama and those that took its names.
    NameRule{"embed_tokens", "token_embd", ""},
    NameRule{"norm", "output_norm", ""},
    NameRule{"lm_head", "output", ""},
    NameRule{"layers.{}.input_layernorm", "blk.{}.attn_norm", ""},
    NameRule{"layers.{}.self_attn.q_proj", "blk.{}.attn_q", ""},
    NameRule{"layers.{}.self_attn.k_proj", "blk.{}.attn_k", ""},
    NameRule{"layers.{}.self_attn.v_proj", "blk.{}.attn_v", ""},
    NameRule{"layers.{}.self_attn.o_proj", "blk.{}.attn_output", ""},
    NameRule{"layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm", ""},
    NameRule{"layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm", ""},
    NameRule{"layers.{}.post_attention_layernorm", "blk.{}.ffn_norm", ""},
    NameRule{"layers.{}.mlp.gate_proj", "blk.{}.ffn_gate", ""},
    NameRule{"layers.{}.mlp.up_proj", "blk.{}.ffn_up", ""},
    NameRule{"layers.{}.mlp.down_proj", "blk.{}.ffn_down", ""},
    // Mixtures of experts.
    NameRule{"layers.{}.block_sparse_moe.gate", "blk.{}.ffn_gate_inp", ""},
    NameRule{"layers.{}.block_sparse_moe.experts.{e}.w1", "blk.{}.ffn_gate_exps", ""},
    NameRule{"layers.{}.block_sparse_moe.experts.{e}.w2", "blk.{}.ffn_down_exps", ""},
    NameRule{"layers.{}.block_sparse_moe.experts.{e}.w3", "blk.{}.ffn_up_exps", ""},
    NameRule{"layers.{}.mlp.gate", "blk.{}.ffn_gate_inp", ""},
    NameRule{"layers.{}.mlp.experts.{e}.gate_proj", "blk.{}.ffn_gate_exps", ""},
    NameRule{"layers.{}.mlp.experts.{e}.down_proj", "blk.{}.ffn_down_exps", ""},
    NameRule{"layers.{}.mlp.experts.{e}.up_proj", "blk.{}.ffn_up_exps", ""},
    NameRule{"layers.{}.mlp.shared_expert.gate_proj", "blk.{}.ffn_gate_shexp", ""},
    NameRule{"layers.{}.mlp.shared_expert.down_proj", "blk.{}.ffn_down_shexp", ""},
    NameRule{"layers.{}.mlp.shared_expert.up_proj", "blk.{}.ffn_up_shexp", ""},
    NameRule{"layers.{}.mlp.shared_expert_gate", "blk.{}.ffn_gate_inp_shexp", ""},
    // Phi 2 and 3.
    NameRule{"final_layernorm", "output_norm", ""},
    NameRule{"layers.{}.self_attn.dense", "blk.{}.attn_output", ""},
    NameRule{"layers.{}.self_attn.qkv_proj", "blk.{}.attn_qkv", ""},
    NameRule{"layers.{}.mlp.fc1", "blk.{}.ffn_up", ""},
    NameRule{"layers.{}.mlp.fc2", "blk.{}.ffn_down", ""},
    NameRule{"layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up", ""},
    // GPT-2.
    NameRule{"wte", "token_embd", ""},
    NameRule{"wpe", "position_embd", ""},
    NameRule{"ln_f", "output_norm", ""},
    NameRule{"h.{}.ln_1", "blk.{}.attn_norm", ""},
    NameRule{"h.{}.attn.c_attn", "blk.{}.attn_qkv", ""},
    NameRule{"h.{}.attn.c_proj", "blk.{}.attn_output", ""},
    NameRule{"h.{}.ln_2", "blk.{}.ffn_norm", ""},
    NameRule{"h.{}.mlp.c_fc", "blk.{}.ffn_up", ""},
    NameRule{"h.{}.mlp.c_proj", "blk.{}.ffn_down", ""},
    // BERT.
    NameRule{"embeddings.word_embeddings", "token_embd", ""},
    NameRule{"embeddings.position_embeddings", "position_embd", ""},
    NameRule{"embeddings.token_type_embeddings", "token_types", ""},
    NameRule{"embeddings.LayerNorm", "token_embd_norm", ""},
    NameRule{"encoder.layer.{}.attention.self.query", "blk.{}.attn_q", ""},
    NameRule{"encoder.layer.{}.attention.self.key", "blk.{}.attn_k", ""},
    NameRule{"encoder.layer.{}.attention.self.value", "blk.{}.attn_v", ""},
    NameRule{"encoder.layer.{}.attention.output.dense", "blk.{}.attn_output", ""},
    NameRule{"encoder.layer.{}.attention.output.LayerNorm", "blk.{}.attn_output_norm", ""},
    NameRule{"encoder.layer.{}.intermediate.dense", "blk.{}.ffn_up", ""},
    NameRule{"encoder.layer.{}.output.dense", "blk.{}.ffn_down", ""},
    NameRule{"encoder.layer.{}.output.LayerNorm", "blk.{}.layer_output_norm", ""}};

/// Wrappers of training code, then the model's own outer modules.
constexpr std::array<std::string_view, 8> kPrefixes{"module.",
                                                    "_orig_mod.",
                                                    "base_model.model.",
                                                    "model.",
                                                    "transformer.",
                                                    "bert.",
                                                    "language_model.",
                                                    "text_model."};

bool isWord(std::string_view words, std::string_view word) {
    const std::vector<std::string_view> all = split(words, ' ');
    return std::find(all.begin(), all.end(), word) != all.end();
}

/// Numbers that the blanks of a rule stand for.
struct Filled {
    std::string_view layer;
    std::string_view expert;
};

/// Does `name` read like `pattern`?
std::optional<Filled> matchRule(std::string_view pattern, std::string_view name) {
    Filled filled;
    while (!pattern.empty()) {
        if (pattern.front() != '{') {
            if (name.empty() || name.front() != pattern.front()) {
                return std::nullopt;
            }
            pattern.remove_prefix(1);
            name.remove_prefix(1);
            continue;
        }
        const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
        constexpr std::size_t kMostDigits = 9;
        if (digits == 0 || digits > kMostDigits) {
            return std::nullopt;
        }
        const bool isExpert = pattern.substr(0, 3) == "{e}";
        (isExpert ? filled.expert : filled.layer) = name.substr(0, digits);
        name.remove_prefix(digits);
        pattern.remove_prefix(isExpert ? 3 : 2);
    }
    return name.empty() ? std::optional(filled) : std::nullopt;
}

/// The name without its last part, if that is "weight" or "bias".
std::pair<std::string_view, std::string_view> splitKind(std::string_view name) {
    for (const std::string_view kind : {".weight", ".bias"}) {
        if (name.size() > kind.size() && name.substr(name.size() - kind.size()) == kind) {
            return {name.substr(0, name.size() - kind.size()), kind};
        }
    }
    return {name, {}};
}

}  // namespace

std::span<const NameRule> nameRules() {
    return kRules;
}

std::string bareName(std::string_view name) {
    bool found = true;
    while (found) {
        found = false;
        for (const std::string_view prefix : kPrefixes) {
            if (name.size() > prefix.size() && name.substr(0, prefix.size()) == prefix) {
                name.remove_prefix(prefix.size());
                found = true;
            }
        }
    }
    return std::string(name);
}

std::optional<GgufName> ggufNameOf(std::string_view name, std::string_view architecture) {
    const std::string bare = bareName(name);
    const auto [module, kind] = splitKind(bare);
    for (const NameRule& rule : kRules) {
        if (!rule.architectures.empty() && !isWord(rule.architectures, architecture)) {
            continue;
        }
        const std::optional<Filled> filled = matchRule(rule.huggingFace, module);
        if (!filled) {
            continue;
        }
        GgufName found;
        const std::size_t at = std::min(rule.gguf.find("{}"), rule.gguf.size());
        found.name.append(rule.gguf.substr(0, at)).append(filled->layer);
        if (at < rule.gguf.size()) {
            found.name.append(rule.gguf.substr(at + 2));
        }
        found.name.append(kind);
        if (!filled->expert.empty()) {
            found.expert = parseInteger(filled->expert);
        }
        return found;
    }
    return std::nullopt;
}

std::string stackName(std::string_view expertName) {
    constexpr std::string_view kExperts = "experts.";
    const std::size_t at = expertName.find(kExperts);
    std::string name;
    if (at == std::string_view::npos) {
        return name.append(expertName);
    }
    const std::size_t begin = at + kExperts.size();
    const std::size_t end = std::min(expertName.find('.', begin), expertName.size());
    return name.append(expertName.substr(0, begin)).append("*").append(expertName.substr(end));
}

}  // namespace loupe
