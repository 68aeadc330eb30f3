// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/command.hpp"
#include "core/base/json_writer.hpp"
#include "core/base/text.hpp"
#include "core/blocks/block_codes.hpp"
#include "core/formats/number_format.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>

namespace loupe::cli {

namespace {

const char* kindName(FormatKind kind) {
    switch (kind) {
        case FormatKind::Float:
            return "float";
        case FormatKind::Integer:
            return "integer";
        case FormatKind::Codebook:
            return "codebook";
        case FormatKind::Block:
            return "block";
    }
    return "float";
}

/// Bits of the layout; empty where a format has no such part.
struct Layout {
    std::optional<std::int64_t> sign;
    std::optional<std::int64_t> exponent;
    std::optional<std::int64_t> mantissa;
    std::optional<std::int64_t> bias;
};

Layout layoutOf(const NumberFormat& format) {
    if (format.kind == FormatKind::Float) {
        const FloatLayout& floating = format.floating;
        return {
            floating.hasSign ? 1 : 0, floating.exponentBits, floating.mantissaBits, floating.bias};
    }
    if (format.kind == FormatKind::Integer && format.bits > 1) {
        return {format.integer.min < 0 ? 1 : 0, {}, {}, {}};
    }
    return {};
}

std::optional<std::int64_t> widened(const std::optional<int>& value) {
    return value ? std::optional<std::int64_t>(*value) : std::nullopt;
}

void writeFormat(JsonWriter& json, const NumberFormat& format) {
    const FormatLimits limit = limits(format);
    const Layout layout = layoutOf(format);
    json.beginObject().key("name").value(format.id).key("title").value(format.title);
    json.key("kind").value(kindName(format.kind));
    json.key("bits").value(format.bits).key("bits_per_weight").value(format.bitsPerWeight);
    json.key("sign_bits").value(layout.sign).key("exponent_bits").value(layout.exponent);
    json.key("mantissa_bits").value(layout.mantissa).key("bias").value(layout.bias);
    json.key("min").value(limit.min).key("max").value(limit.max);
    // Where a float has no subnormals (e8m0), its smallest positive value: the convention of NumPy's and ml_dtypes' finfo.
    json.key("min_normal").value(limit.minNormal);
    json.key("min_subnormal").value(limit.minSubnormal ? limit.minSubnormal : limit.minNormal);
    json.key("epsilon").value(limit.epsilon).key("decimal_digits").value(limit.decimalDigits);
    json.key("digits10")
        .value(widened(limit.digits10))
        .key("max_digits10")
        .value(widened(limit.maxDigits10));
    json.key("has_infinity").value(limit.hasInfinity).key("has_nan").value(limit.hasNan);
    json.key("finite_values").value(limit.finiteValues).key("block_size").null();
    json.key("source").value(format.source).key("summary").value(format.summary).endObject();
}

/// A block format: what concerns single numbers is null, `finite_values` is its element's.
void writeBlock(JsonWriter& json, const BlockLayout& layout) {
    json.beginObject().key("name").value(layout.id).key("title").value(layout.title);
    json.key("kind").value(kindName(FormatKind::Block));
    json.key("bits").value(layout.codeBits).key("bits_per_weight").value(layout.bitsPerWeight());
    for (const char* key : {"sign_bits",
                            "exponent_bits",
                            "mantissa_bits",
                            "bias",
                            "min",
                            "max",
                            "min_normal",
                            "min_subnormal",
                            "epsilon",
                            "decimal_digits",
                            "digits10",
                            "max_digits10",
                            "has_infinity",
                            "has_nan"}) {
        json.key(key).null();
    }
    json.key("finite_values").value(finiteCodes(layout)).key("block_size").value(layout.elements);
    json.key("source").value(layout.source).key("summary").value(layout.summary).endObject();
}

std::string sixDigits(const std::optional<double>& value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value.value_or(0));
    return value ? text : "-";
}

std::string layoutText(const NumberFormat& format) {
    if (format.kind != FormatKind::Float) {
        return "-";
    }
    const FloatLayout& floating = format.floating;
    return std::string(floating.hasSign ? "1" : "0") + "/" + std::to_string(floating.exponentBits) +
           "/" + std::to_string(floating.mantissaBits) + " b" + std::to_string(floating.bias);
}

std::string table() {
    char line[200];
    constexpr const char* kRow = "%-16s %4s  %-14s %12s %12s %12s %12s %6s  %-7s %20s\n";
    std::snprintf(line,
                  sizeof line,
                  kRow,
                  "name",
                  "bits",
                  "s/e/m bias",
                  "max",
                  "min",
                  "min normal",
                  "min subnorm.",
                  "digits",
                  "special",
                  "finite codes");
    std::string text = line;
    for (const NumberFormat* format : allFormats()) {
        const FormatLimits limit = limits(*format);
        const std::string special =
            std::string(limit.hasInfinity ? "inf " : "") + (limit.hasNan ? "nan" : "");
        std::snprintf(line,
                      sizeof line,
                      kRow,
                      std::string(format->id).c_str(),
                      std::to_string(format->bits).c_str(),
                      layoutText(*format).c_str(),
                      sixDigits(limit.max).c_str(),
                      sixDigits(limit.min).c_str(),
                      sixDigits(limit.minNormal).c_str(),
                      sixDigits(limit.minSubnormal).c_str(),
                      sixDigits(limit.decimalDigits).c_str(),
                      special.empty() ? "-" : special.c_str(),
                      std::to_string(limit.finiteValues).c_str());
        text += line;
    }
    return text;
}

std::string blockTable() {
    char line[200];
    constexpr const char* kRow = "%-16s %4s  %11s %6s %6s %13s\n";
    std::snprintf(line,
                  sizeof line,
                  kRow,
                  "block format",
                  "bits",
                  "bits/weight",
                  "block",
                  "bytes",
                  "finite codes");
    std::string text = line;
    for (const BlockLayout* layout : allBlockLayouts()) {
        const std::optional<std::uint64_t> codes = finiteCodes(*layout);
        std::snprintf(line,
                      sizeof line,
                      kRow,
                      std::string(layout->id).c_str(),
                      std::to_string(layout->codeBits).c_str(),
                      sixDigits(layout->bitsPerWeight()).c_str(),
                      std::to_string(layout->elements).c_str(),
                      std::to_string(layout->bytes).c_str(),
                      codes ? std::to_string(*codes).c_str() : "-");
        text += line;
    }
    return text;
}

Result<Output> run(const Common& common) {
    if (!common.json) {
        return Output{table() + "\n" + blockTable()};
    }
    JsonWriter json;
    json.beginObject().key("formats").beginArray();
    for (const NumberFormat* format : allFormats()) {
        writeFormat(json, *format);
    }
    for (const BlockLayout* layout : allBlockLayouts()) {
        writeBlock(json, *layout);
    }
    json.endArray().endObject();
    return Output{json.text() + "\n"};
}

}  // namespace

extern const Command kCommand_formats;
const Command kCommand_formats{
    "formats",
    "Every number format (layout, range, precision, special values) and block format",
    [](CLI::App&, const Common& common) -> std::function<Result<Output>()> {
        return [&common] { return run(common); };
    }};

}  // namespace loupe::cli
