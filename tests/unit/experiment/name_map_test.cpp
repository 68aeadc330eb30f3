// SPDX-License-Identifier: Apache-2.0
// Names between Hugging Face and GGUF: gguf-py's own table is the oracle.
#include "core/experiment/name_map.hpp"

#include "core/base/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <fstream>
#include <set>

using namespace loupe;

TEST_CASE("names map as gguf-py maps them") {
    std::ifstream file(test::goldenDir() / "names" / "gguf_names.csv");
    std::string line;
    REQUIRE(std::getline(file, line));
    std::set<std::string> architectures;
    int lines = 0;
    while (std::getline(file, line)) {
        const auto fields = split(line, ',');
        REQUIRE(fields.size() == 3);
        std::string name(fields[1]);
        // The converter joins experts under a name of its own; a checkpoint has them numbered.
        const std::size_t experts = name.find(".experts.");
        if (experts != std::string::npos) {
            name.insert(experts + 9, "3.");
        }
        const auto mapped = ggufNameOf(name, fields[0]);
        CAPTURE(line, name);
        REQUIRE(mapped.has_value());
        CHECK(mapped->name == fields[2]);
        CHECK(mapped->expert ==
              (experts == std::string::npos ? std::nullopt : std::optional<std::int64_t>(3)));
        architectures.emplace(fields[0]);
        ++lines;
    }
    CHECK(lines == 298);
    CHECK(architectures.size() == 11);
}

TEST_CASE("names in wrappers, and names of nothing") {
    for (const char* prefix : {"",
                               "model.",
                               "module.",
                               "_orig_mod.",
                               "module._orig_mod.model.",
                               "base_model.model.model.",
                               "language_model.model."}) {
        const std::string name = prefix + std::string("layers.7.self_attn.q_proj.weight");
        CAPTURE(name);
        CHECK(bareName(name) == "layers.7.self_attn.q_proj.weight");
        CHECK(ggufNameOf(name, "llama").value().name == "blk.7.attn_q.weight");
    }
    CHECK(bareName("model.") == "model.");
    CHECK(bareName("").empty());
    for (const char* name : {"",
                             "layers",
                             "layers.x.self_attn.q_proj.weight",
                             "layers..self_attn.q_proj.weight",
                             "layers.1.self_attn.q_proj.weight.x",
                             "layers.99999999999999999999.mlp.up_proj.weight",
                             "rotary_emb.inv_freq"}) {
        CAPTURE(name);
        CHECK_FALSE(ggufNameOf(name, "llama").has_value());
    }
    CHECK(stackName("model.layers.0.mlp.experts.12.up_proj.weight") ==
          "model.layers.0.mlp.experts.*.up_proj.weight");
    CHECK(stackName("experts.5") == "experts.*");
    CHECK(stackName("norm.weight") == "norm.weight");
}

TEST_CASE("the table's rules are well formed") {
    std::set<std::string> seen;
    for (const NameRule& rule : nameRules()) {
        const std::string key =
            std::string(rule.huggingFace) + "|" + std::string(rule.architectures);
        CAPTURE(key);
        CHECK(seen.insert(key).second);
        const bool hasLayer = rule.huggingFace.find("{}") != std::string_view::npos;
        CHECK(hasLayer == (rule.gguf.find("{}") != std::string_view::npos));
    }
}
