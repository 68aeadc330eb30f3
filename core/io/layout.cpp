// SPDX-License-Identifier: Apache-2.0
#include "core/io/layout.hpp"

#include "core/base/text.hpp"
#include "core/io/mapped_file.hpp"
#include "core/io/rows.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

namespace loupe {

namespace {

constexpr std::int64_t kMaxElements = std::numeric_limits<std::int64_t>::max();

bool endsWith(std::string_view text, std::string_view suffix) {
    return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

/// Linear layers that GPT-2 and its kin store through Conv1D, [in, out].
bool isConv1dName(std::string_view name) {
    constexpr std::array<std::string_view, 6> kSuffixes{"attn.c_attn.weight",
                                                        "attn.q_attn.weight",
                                                        "attn.c_proj.weight",
                                                        "attention.c_attn.weight",
                                                        "mlp.c_fc.weight",
                                                        "mlp.c_proj.weight"};
    return std::any_of(kSuffixes.begin(), kSuffixes.end(), [name](std::string_view s) {
        return endsWith(name, s);
    });
}

bool usesConv1d(const std::vector<TensorInfo>& tensors, const ModelConfig& config) {
    if (!config.modelType.empty()) {
        constexpr std::array<std::string_view, 4> kTypes{
            "gpt2", "openai-gpt", "imagegpt", "decision_transformer"};
        return std::find(kTypes.begin(), kTypes.end(), config.modelType) != kTypes.end();
    }
    // Every block of such a model has one: no need to look through 100,000 names.
    constexpr std::size_t kFirst = 2048;
    const auto end =
        tensors.begin() + static_cast<std::ptrdiff_t>(std::min(tensors.size(), kFirst));
    return std::any_of(tensors.begin(), end, [](const TensorInfo& tensor) {
        return tensor.shape.size() == 2 && endsWith(tensor.name, "attn.c_attn.weight") &&
               tensor.shape[0] > 0 && tensor.shape[1] / 3 == tensor.shape[0] &&
               tensor.shape[1] % 3 == 0;
    });
}

/// Product of dims [first, end), at most 2^63 - 1.
std::int64_t saturatedProduct(const std::vector<std::int64_t>& shape, std::size_t first) {
    std::int64_t product = 1;
    for (std::size_t i = first; i < shape.size(); ++i) {
        if (shape[i] == 0) {
            return 0;
        }
        product = product > kMaxElements / shape[i] ? kMaxElements : product * shape[i];
    }
    return product;
}

void describe(TensorInfo& tensor, bool transpose, bool stack) {
    const std::vector<std::int64_t>& shape = tensor.shape;
    tensor.transposed = false;
    if (shape.size() < 2) {
        tensor.rows = 1;
        tensor.cols = shape.empty() ? 1 : shape[0];
        return;
    }
    if (stack) {
        tensor.transposed = transpose;
        tensor.rows = saturatedProduct({shape[0], transpose ? shape[2] : shape[1]}, 0);
        tensor.cols = transpose ? shape[1] : shape[2];
        return;
    }
    tensor.rows = shape[0];
    tensor.cols = saturatedProduct(shape, 1);
    if (transpose && shape.size() == 2) {
        tensor.transposed = true;
        std::swap(tensor.rows, tensor.cols);
    }
}

}  // namespace

ModelConfig parseModelConfig(std::string text) {
    ModelConfig config;
    const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object()) {
        return config;
    }
    const auto textOf = [](const nlohmann::json& object, const char* key) {
        const auto found = object.find(key);
        return found != object.end() && found->is_string() ? found->get<std::string>()
                                                           : std::string();
    };
    config.modelType = textOf(json, "model_type");
    const auto nested = json.find("text_config");
    for (const char* key :
         {"num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"}) {
        for (const nlohmann::json* object :
             {&json, nested != json.end() && nested->is_object() ? &*nested : nullptr}) {
            if (object != nullptr && config.experts == 0) {
                const auto found = object->find(key);
                if (found != object->end() && found->is_number_unsigned()) {
                    config.experts = static_cast<std::int64_t>(
                        std::min<std::uint64_t>(found->get<std::uint64_t>(), 1U << 20));
                }
            }
        }
    }
    config.text = std::move(text);
    return config;
}

ModelConfig readModelConfig(const std::filesystem::path& path, std::vector<std::string>& warnings) {
    constexpr std::uint64_t kMaxBytes = 4 << 20;
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) {
        return {};
    }
    const auto file = MappedFile::open(path);
    if (!file || (*file)->size() > kMaxBytes) {
        warnings.push_back("config.json was not read: " +
                           (file ? "it is larger than 4 MiB" : file.error().message()));
        return {};
    }
    std::string text((*file)->size(), '\0');
    if (const auto read = (*file)->read(0, std::as_writable_bytes(std::span(text))); !read) {
        warnings.push_back("config.json was not read: " + read.error().message());
        return {};
    }
    ModelConfig config = parseModelConfig(std::move(text));
    if (config.text.empty()) {
        warnings.push_back("config.json is not a JSON object; it was ignored");
    }
    return config;
}

std::optional<std::uint64_t> elementCount(const std::vector<std::int64_t>& shape) {
    std::int64_t count = 1;
    for (const std::int64_t dim : shape) {
        if (dim < 0 || (dim != 0 && count > kMaxElements / dim)) {
            return std::nullopt;
        }
        count *= dim;
    }
    return static_cast<std::uint64_t>(count);
}

bool isExpertStack(const TensorInfo& tensor, const ModelConfig& config) {
    if (tensor.shape.size() != 3) {
        return false;
    }
    const std::string_view name = tensor.name;
    for (const std::string_view part : split(name, '.')) {
        if (part == "experts" || endsWith(part, "_exps")) {
            return true;
        }
    }
    return config.experts > 1 && tensor.shape[0] == config.experts &&
           (name.find("expert") != std::string_view::npos ||
            name.find("moe") != std::string_view::npos ||
            name.find("mlp") != std::string_view::npos ||
            name.find("feed_forward") != std::string_view::npos);
}

void applyLayout(std::vector<TensorInfo>& tensors, Layout layout, const ModelConfig& config) {
    const bool conv1d = layout == Layout::Auto && usesConv1d(tensors, config);
    for (TensorInfo& tensor : tensors) {
        const bool transpose = layout == Layout::InOut || (conv1d && isConv1dName(tensor.name));
        describe(tensor, transpose, tensor.shape.size() == 3 && isExpertStack(tensor, config));
    }
}

std::shared_ptr<const RowSource> layoutRows(const TensorInfo& tensor, StoredElements elements) {
    if (!tensor.transposed) {
        return makeStoredRows(std::move(elements), tensor.rows, tensor.cols);
    }
    const bool stack = tensor.shape.size() == 3;
    const std::int64_t batches = stack ? tensor.shape[0] : 1;
    return makeTransposedRows(
        std::move(elements), batches, tensor.cols, stack ? tensor.shape[2] : tensor.rows);
}

}  // namespace loupe
