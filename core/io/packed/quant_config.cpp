// SPDX-License-Identifier: Apache-2.0
#include "core/io/packed/quant_config.hpp"

#include "core/base/text.hpp"
#include "core/io/mapped_file.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <initializer_list>

namespace loupe::packed {

namespace {

using Json = nlohmann::json;

const Json* member(const Json& object, const char* key) {
    if (!object.is_object()) {
        return nullptr;
    }
    const auto found = object.find(key);
    return found == object.end() ? nullptr : &*found;
}

std::string textOf(const Json& object, std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
        if (const Json* value = member(object, key); value != nullptr && value->is_string()) {
            return toLower(value->get<std::string>());
        }
    }
    return {};
}

std::optional<std::int64_t> integerOf(const Json& object, std::initializer_list<const char*> keys) {
    constexpr std::int64_t kMost = 1 << 30;
    for (const char* key : keys) {
        if (const Json* value = member(object, key);
            value != nullptr && value->is_number_integer()) {
            // An unsigned number beyond int64 reads as a negative one; both are left out.
            const auto number = value->get<std::int64_t>();
            if (number >= -1 && number <= kMost) {
                return number;
            }
        }
    }
    return std::nullopt;
}

std::optional<bool> flagOf(const Json& object, std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
        if (const Json* value = member(object, key); value != nullptr && value->is_boolean()) {
            return value->get<bool>();
        }
    }
    return std::nullopt;
}

std::vector<std::int64_t> sizesOf(const Json& object, const char* key) {
    std::vector<std::int64_t> sizes;
    const Json* value = member(object, key);
    if (value != nullptr && value->is_array() && value->size() == 2) {
        for (const Json& item : *value) {
            const std::int64_t size =
                item.is_number_integer() ? item.get<std::int64_t>() : std::int64_t{0};
            if (size <= 0) {
                return {};
            }
            sizes.push_back(size);
        }
    }
    return sizes;
}

ConfigGroup groupOf(const Json& group) {
    ConfigGroup made;
    made.format = textOf(group, {"format"});
    if (const Json* weights = member(group, "weights"); weights != nullptr) {
        made.bits = integerOf(*weights, {"num_bits"});
        made.groupSize = integerOf(*weights, {"group_size"});
        made.block = sizesOf(*weights, "block_structure");
        made.type = textOf(*weights, {"type"});
        made.strategy = textOf(*weights, {"strategy"});
        made.symmetric = flagOf(*weights, {"symmetric"});
    }
    return made;
}

void fill(QuantConfig& config, const Json& json) {
    config.method = textOf(json, {"quant_method"});
    config.format = textOf(json, {"checkpoint_format", "format", "version", "fmt"});
    config.algorithm = textOf(json, {"quant_algo", "bnb_4bit_quant_type", "mode"});
    config.bits = integerOf(json, {"bits", "w_bit"});
    config.groupSize = integerOf(json, {"group_size", "q_group_size"});
    config.symmetric = flagOf(json, {"sym"});
    if (const auto zeros = flagOf(json, {"zero_point"}); zeros && !config.symmetric) {
        config.symmetric = !*zeros;  // AWQ
    }
    config.actOrder = flagOf(json, {"desc_act"});
    config.marlin = flagOf(json, {"is_marlin_format"}).value_or(false);
    config.block = sizesOf(json, "weight_block_size");
    for (const auto& [name, value] : json.items()) {
        if (value.is_object() && (value.contains("bits") || value.contains("group_size"))) {
            config.modules[name] = {integerOf(value, {"bits"}), integerOf(value, {"group_size"})};
        }
    }
    if (const Json* groups = member(json, "config_groups");
        groups != nullptr && groups->is_object()) {
        for (const Json& group : *groups) {
            config.groups.push_back(groupOf(group));
        }
    }
}

/// The object that describes quantization, in a model's configuration or one level below.
const Json* describedIn(const Json& json) {
    constexpr std::array kKeys{"quantization_config", "quantization", "compression_config"};
    const auto inside = [&](const Json& object) -> const Json* {
        for (const char* key : kKeys) {
            if (const Json* found = member(object, key); found != nullptr && found->is_object()) {
                return found;
            }
        }
        return nullptr;
    };
    if (const Json* found = inside(json); found != nullptr) {
        return found;
    }
    for (const char* key : {"text_config", "llm_config", "language_config", "thinker_config"}) {
        if (const Json* nested = member(json, key); nested != nullptr) {
            if (const Json* found = inside(*nested); found != nullptr) {
                return found;
            }
        }
    }
    return nullptr;
}

struct Fallback {
    const char* file;
    const char* method;
};
constexpr std::array kFallbacks{Fallback{"quantize_config.json", "gptq"},
                                Fallback{"quant_config.json", "awq"},
                                Fallback{"hf_quant_config.json", "modelopt"}};

std::string readSmall(const std::filesystem::path& path, std::vector<std::string>& warnings) {
    constexpr std::uint64_t kMostBytes = 4 << 20;
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) {
        return {};
    }
    const auto file = MappedFile::open(path);
    if (!file || (*file)->size() > kMostBytes) {
        warnings.push_back(path.filename().string() + " was not read: " +
                           (file ? "it is larger than 4 MiB" : file.error().message()));
        return {};
    }
    std::string text((*file)->size(), '\0');
    if (const auto read = (*file)->read(0, std::as_writable_bytes(std::span(text))); !read) {
        warnings.push_back(path.filename().string() + " was not read: " + read.error().message());
        return {};
    }
    return text;
}

}  // namespace

QuantConfig readQuantConfig(const std::string& config,
                            const std::filesystem::path& folder,
                            std::vector<std::string>& warnings) {
    QuantConfig made;
    if (!config.empty()) {
        const Json json = Json::parse(config, nullptr, false);
        if (const Json* described = json.is_object() ? describedIn(json) : nullptr) {
            fill(made, *described);
            made.origin = "config.json";
            return made;
        }
    }
    if (folder.empty()) {
        return made;
    }
    for (const Fallback& fallback : kFallbacks) {
        const std::string text = readSmall(folder / fallback.file, warnings);
        if (text.empty()) {
            continue;
        }
        const Json json = Json::parse(text, nullptr, false);
        if (!json.is_object()) {
            warnings.push_back(std::string(fallback.file) +
                               " is not a JSON object; it was ignored");
            continue;
        }
        const Json* inner = member(json, "quantization");
        fill(made, inner != nullptr && inner->is_object() ? *inner : json);
        made.method = made.method.empty() ? fallback.method : made.method;
        made.origin = fallback.file;
        return made;
    }
    return made;
}

}  // namespace loupe::packed
