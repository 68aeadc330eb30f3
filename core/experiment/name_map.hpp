// SPDX-License-Identifier: Apache-2.0
// What one tensor is called in different containers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace loupe {

/// A line of the table of names: `{}` stands for the number of a layer, `{e}` for that of an
/// expert.
struct NameRule {
    std::string_view huggingFace;    ///< without ".weight" or ".bias": "layers.{}.self_attn.q_proj"
    std::string_view gguf;           ///< "blk.{}.attn_q"
    std::string_view architectures;  ///< GGUF's words, with blanks between; empty: all others
};
/// Names of the families Llama, Mistral, Mixtral, Qwen 2 and 3 (and their mixtures), Gemma 1 to 3,
/// Phi 2 and 3, GPT-2 and BERT, as gguf-py maps them.
[[nodiscard]] std::span<const NameRule> nameRules();

/// A name in GGUF's words.
struct GgufName {
    std::string name;
    std::optional<std::int64_t> expert;  ///< the tensor is this part of a stack of that name
};

/// What llama.cpp's converter calls a tensor of a Hugging Face checkpoint; empty where the table
/// does not know it.
/// @param architecture  GGUF's general.architecture, or the model_type of config.json
[[nodiscard]] std::optional<GgufName> ggufNameOf(std::string_view name,
                                                 std::string_view architecture);

/// The name without what wrappers put before it: "module.", "_orig_mod.", "base_model.model.",
/// "model.", "transformer.", "bert.", "language_model.".
[[nodiscard]] std::string bareName(std::string_view name);

/// How a name reads in messages and rows, for a stack of experts: "layers.0.experts.*.w1.weight".
[[nodiscard]] std::string stackName(std::string_view expertName);

}  // namespace loupe
