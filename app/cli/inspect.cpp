// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/command.hpp"
#include "core/base/json_writer.hpp"
#include "core/base/text.hpp"
#include "core/base/units.hpp"
#include "core/io/gguf.hpp"
#include "core/io/tensor_source.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace loupe::cli {

namespace {

struct Options {
    std::string path;
    std::string layout = "auto";
    bool stored = false;
};

void writeShape(JsonWriter& json, const std::vector<std::int64_t>& shape) {
    json.beginArray();
    for (const std::int64_t dim : shape) {
        json.value(dim);
    }
    json.endArray();
}

/// A metadata value: text as it is; an array of more than 64 items, in JSON text, as {length,
/// first}.
void writeMetadata(JsonWriter& json, const std::string& value) {
    constexpr std::size_t kMost = 64;
    if (!value.empty() && value.front() == '[') {
        const nlohmann::json array = nlohmann::json::parse(value, nullptr, false);
        if (array.is_array() && array.size() > kMost) {
            json.beginObject()
                .key("length")
                .value(static_cast<std::uint64_t>(array.size()))
                .key("first")
                .beginArray();
            for (std::size_t i = 0; i < kMost; ++i) {
                json.raw(array[i].dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
            }
            json.endArray().endObject();
            return;
        }
    }
    json.value(value);
}

/// Which weights share a scale, and how: null where the packing does not say.
void writeGroups(JsonWriter& json, const PackedInfo& packed) {
    const auto size = [](std::int64_t count) {
        return count > 0 ? std::optional(count) : std::nullopt;
    };
    json.key("group_size").value(size(packed.groupCols));
    json.key("group_rows").value(size(packed.groupRows));
    json.key("symmetric").value(packed.symmetric).key("act_order").value(packed.actOrder);
}

/// How the weights are packed, in which stored tensors, and what a weight costs.
void writeQuantization(JsonWriter& json, const TensorInfo& tensor) {
    json.key("quantization");
    if (tensor.packed != nullptr) {
        json.value(tensor.packed->quantization);
    } else if (tensor.block != nullptr) {
        json.value(std::string(tensor.block->id));
    } else {
        json.null();
    }
    json.key("parts").beginArray();
    if (tensor.packed == nullptr) {
        json.value(tensor.name);
    } else {
        for (const std::string& part : tensor.packed->parts) {
            json.value(part);
        }
    }
    json.endArray();
    const bool counted = tensor.parameters > 0;
    if (tensor.packed != nullptr && counted) {
        json.key("bits_per_weight").value(tensor.packed->bitsPerWeight);
        json.key("code_bits").value(tensor.packed->codeBits);
        json.key("code_format").value(tensor.dtypeName);
        writeGroups(json, *tensor.packed);
    } else if (tensor.block != nullptr && counted) {
        json.key("bits_per_weight").value(tensor.block->bitsPerWeight());
        json.key("code_bits").value(tensor.block->codeBits);
    }
}

void writeTensor(JsonWriter& json, const TensorSource& source, const TensorInfo& tensor) {
    // Of a packed tensor: type and shape of the words that hold its codes, as they are stored.
    const std::shared_ptr<const TensorSource> stored =
        tensor.packed != nullptr ? source.stored() : nullptr;
    const TensorInfo* shown = &tensor;
    if (stored != nullptr) {
        const std::optional<std::size_t> codes = stored->find(tensor.packed->parts.front());
        shown = codes.has_value() ? &stored->tensors()[*codes] : shown;
    }
    json.beginObject().key("name").value(tensor.name).key("dtype").value(shown->dtypeName);
    json.key("shape");
    writeShape(json, shown->shape);
    json.key("logical_shape");
    std::vector<std::int64_t> logical = tensor.shape;
    if (tensor.transposed && logical.size() >= 2) {
        std::swap(logical[logical.size() - 2], logical[logical.size() - 1]);
    }
    writeShape(json, logical);
    json.key("matrix");
    writeShape(json, {tensor.rows, tensor.cols});
    json.key("parameters").value(tensor.parameters).key("bytes").value(tensor.bytes);
    const auto file = static_cast<std::size_t>(tensor.file);
    json.key("file");
    if (file < source.info().files.size()) {
        json.value(source.info().files[file].filename().string());
    } else {
        json.null();
    }
    json.key("offset").value(tensor.offset);
    writeQuantization(json, tensor);
    json.key("transposed").value(tensor.transposed);
    json.key("problem");
    if (tensor.problem) {
        json.value(tensor.problem->message());
    } else {
        json.null();
    }
    json.endObject();
}

std::string jsonText(const TensorSource& source) {
    const SourceInfo& info = source.info();
    JsonWriter json;
    json.beginObject().key("format").value(info.format).key("files").beginArray();
    for (const auto& file : info.files) {
        json.value(file.string());
    }
    json.endArray().key("metadata").beginObject();
    const std::vector<bool> isText = ggufTextValues(info);
    for (std::size_t i = 0; i < info.metadata.size(); ++i) {
        const auto& [key, value] = info.metadata[i];
        json.key(key);
        if (i < isText.size() && !isText[i] && nlohmann::json::accept(value)) {
            json.raw(value);
        } else if (i < isText.size()) {
            json.value(value);
        } else {
            writeMetadata(json, value);
        }
    }
    json.endObject().key("parameters").value(info.parameters).key("bytes").value(info.bytes);
    json.key("warnings").beginArray();
    for (const std::string& warning : info.warnings) {
        json.value(warning);
    }
    json.endArray().key("tensors").beginArray();
    for (const TensorInfo& tensor : source.tensors()) {
        writeTensor(json, source, tensor);
    }
    json.endArray().endObject();
    return json.text() + "\n";
}

std::string shapeText(const std::vector<std::int64_t>& shape) {
    std::string text = "[";
    for (const std::int64_t dim : shape) {
        text += text.size() > 1 ? ", " : "";
        text += std::to_string(dim);
    }
    text += "]";
    return text;
}

std::string withSeparators(std::uint64_t value) {
    const std::string digits = std::to_string(value);
    std::string text;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % 3 == 0) {
            text += ',';
        }
        text += digits[i];
    }
    return text;
}

/// Names and messages may hold anything: no control characters reach the terminal.
std::string printable(std::string text) {
    std::replace_if(
        text.begin(),
        text.end(),
        [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7F'; },
        '?');
    return text;
}

std::string fixed(double value, int digits) {
    std::array<char, 64> text{};
    const auto end =
        std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, digits);
    return {text.data(), end.ptr};
}

/// Stored bits of a weight, scales included.
std::string bitsText(const TensorInfo& tensor) {
    if (tensor.parameters == 0) {
        return "";
    }
    return fixed(8.0 * static_cast<double>(tensor.bytes) / static_cast<double>(tensor.parameters),
                 3);
}

/// " g128", " 128 x 128", " g32 act-order": what shares a scale, where it is a group.
std::string groupText(const PackedInfo& packed) {
    std::string text;
    if (packed.groupRows == 1 && packed.groupCols > 0) {
        text = " g" + std::to_string(packed.groupCols);
    } else if (packed.groupRows > 1) {
        text = " " + std::to_string(packed.groupRows) + " x " + std::to_string(packed.groupCols);
    }
    text += packed.symmetric == false ? " asymmetric" : "";
    text += packed.actOrder == true ? " act-order" : "";
    return text;
}

/// "gptq g32: qweight [12, 64] + 3 parts"
std::string packedText(const TensorInfo& tensor) {
    if (tensor.packed == nullptr) {
        return "";
    }
    const PackedInfo& packed = *tensor.packed;
    const std::size_t others = packed.parts.size() - 1;
    return packed.quantization + groupText(packed) + ": " + printable(packed.parts.front()) + " " +
           shapeText(packed.storedShape) +
           (others == 0   ? ""
            : others == 1 ? " + 1 part"
                          : " + " + std::to_string(others) + " parts");
}

/// The packed weights together: what one costs with and without its scales.
std::string packedTotal(const TensorSource& source) {
    double weights = 0;
    double bits = 0;
    double codes = 0;
    for (const TensorInfo& tensor : source.tensors()) {
        if (tensor.packed != nullptr) {
            const auto count = static_cast<double>(tensor.parameters);
            weights += count;
            bits += tensor.packed->bitsPerWeight * count;
            codes += tensor.packed->codeBits * count;
        }
    }
    if (weights == 0) {
        return "";
    }
    return "packed: " + withSeparators(static_cast<std::uint64_t>(weights)) + " weights at " +
           fixed(bits / weights, 3) + " bits with scales, " + fixed(codes / weights, 3) +
           " without (--stored lists the file's own tensors)\n";
}

std::string humanText(const TensorSource& source) {
    const SourceInfo& info = source.info();
    const std::span<const TensorInfo> tensors = source.tensors();
    const bool packed = std::any_of(tensors.begin(), tensors.end(), [](const TensorInfo& tensor) {
        return tensor.packed != nullptr;
    });
    std::vector<std::vector<std::string>> rows{{"name", "dtype", "shape", "parameters", "bytes"}};
    if (packed) {
        rows.front().insert(rows.front().end(), {"bits/weight", "packed as"});
    }
    for (const TensorInfo& tensor : source.tensors()) {
        rows.push_back({printable(tensor.name),
                        printable(tensor.dtypeName),
                        shapeText(tensor.shape) + (tensor.transposed ? " stored [in, out]" : ""),
                        withSeparators(tensor.parameters),
                        withSeparators(tensor.bytes)});
        if (packed) {
            rows.back().push_back(bitsText(tensor));
            rows.back().push_back(packedText(tensor));
        }
    }
    std::vector<std::size_t> widths(rows.front().size());
    for (const auto& row : rows) {
        for (std::size_t c = 0; c < row.size(); ++c) {
            widths[c] = std::max(widths[c], row[c].size());
        }
    }
    std::string text = printable(info.title) + ": " + info.format + ", " +
                       withSeparators(source.tensors().size()) + " tensors in " +
                       std::to_string(info.files.size()) +
                       (info.files.size() == 1 ? " file\n" : " files\n");
    for (const auto& row : rows) {
        for (std::size_t c = 0; c < row.size(); ++c) {
            const std::string padding(widths[c] - row[c].size(), ' ');
            const bool right = c >= 3 && c <= 5;
            text += right ? padding : "";
            text += row[c];
            text += right ? "" : padding;
            text += c + 1 < row.size() ? "  " : "\n";
        }
    }
    const auto bytes = static_cast<double>(info.bytes);
    text += "total: " + withSeparators(info.parameters) + " parameters, " + decimalBytes(bytes) +
            " = " + binaryBytes(bytes) + "\n" + packedTotal(source);
    for (const TensorInfo& tensor : source.tensors()) {
        if (tensor.problem) {
            text += "problem: " + printable(tensor.problem->message()) +
                    (tensor.problem->hint.empty() ? "" : "; " + tensor.problem->hint) + "\n";
        }
    }
    for (const std::string& warning : info.warnings) {
        text += "warning: " + printable(warning) + "\n";
    }
    return text;
}

Result<Output> run(const Options& options, const Common& common) {
    OpenOptions open;
    open.layout = options.layout == "in_out"   ? Layout::InOut
                  : options.layout == "out_in" ? Layout::OutIn
                                               : Layout::Auto;
    open.stored = options.stored;
    const auto source = openSource(options.path, open);
    if (!source) {
        return fail(source.error());
    }
    return Output{common.json ? jsonText(**source) : humanText(**source)};
}

}  // namespace

extern const Command kCommand_inspect;
const Command kCommand_inspect{
    "inspect",
    "Lists the tensors of a checkpoint: names, types, shapes, bytes",
    [](CLI::App& app, const Common& common) -> std::function<Result<Output>()> {
        const auto options = std::make_shared<Options>();
        app.add_option(
               "PATH", options->path, "A file, a sharded index, a model folder or synthetic:KIND")
            ->required();
        app.add_flag(
            "--stored", options->stored, "List the file's own entries, not logical tensors");
        app.add_option(
               "--layout", options->layout, "How matrices are stored: auto, out_in or in_out")
            ->check(CLI::IsMember({"auto", "out_in", "in_out"}));
        return [options, &common] { return run(*options, common); };
    }};

}  // namespace loupe::cli
