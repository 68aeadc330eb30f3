// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/command.hpp"
#include "core/base/json_writer.hpp"
#include "core/base/text.hpp"
#include "core/blocks/block_layout.hpp"
#include "core/formats/codec.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>

namespace loupe::cli {

namespace {

struct Arguments {
    std::string value;
    std::string format;
    std::string overflow = "default";
    std::string rounding = "nearest";
    EncodeOptions options;
};

void writeEncoded(JsonWriter& json,
                  const NumberFormat& format,
                  const std::string& input,
                  const EncodedNumber& number) {
    json.beginObject().key("format").value(format.id).key("input").value(input);
    json.key("bits").value(number.bitsHex).key("binary").value(number.binary).key("fields");
    if (number.fields) {
        json.beginObject()
            .key("sign")
            .value(number.fields->sign)
            .key("exponent")
            .value(number.fields->exponent);
        json.key("mantissa").value(number.fields->mantissa).endObject();
    } else {
        json.null();
    }
    json.key("class").value(numberClassName(number.kind)).key("value").value(number.value);
    json.key("exact").value(number.exact).key("is_exact").value(number.isExact);
    json.key("absolute_error")
        .value(number.absoluteError)
        .key("relative_error")
        .value(number.relativeError);
    json.key("ulp")
        .value(number.ulp)
        .key("overflow")
        .value(number.overflow)
        .key("underflow")
        .value(number.underflow);
    json.key("neighbours")
        .beginObject()
        .key("below")
        .value(number.below)
        .key("above")
        .value(number.above)
        .endObject();
    json.endObject();
}

std::string orDash(const std::optional<double>& value) {
    return value ? shortest(*value) : "-";
}

std::string flags(const EncodedNumber& number) {
    std::string text(numberClassName(number.kind));
    text += number.isExact ? ", exact" : "";
    text += number.overflow ? ", overflow" : "";
    text += number.underflow ? ", underflow" : "";
    return text;
}

std::string describe(const NumberFormat& format, const EncodedNumber& number) {
    std::string text = std::string(format.id) + "  " + number.bitsHex + "  " + number.binary +
                       "  (" + flags(number) + ")\n";
    text += "value           " + shortest(number.value) + "\n";
    text += "exact           " + number.exact + "\n";
    text += "absolute error  " + orDash(number.absoluteError) + "\n";
    text += "relative error  " + orDash(number.relativeError) + "\n";
    text += "ulp             " + orDash(number.ulp) + "\n";
    text += "next below      " + orDash(number.below) + "\n";
    text += "next above      " + orDash(number.above) + "\n";
    return text;
}

Result<Output> runOne(const Arguments& arguments, const Common& common) {
    const NumberFormat* format = findFormat(arguments.format);
    if (findBlockLayout(arguments.format) != nullptr) {
        return fail(ErrorCode::Usage,
                    arguments.format + " is a block format: one value has no code of its own");
    }
    if (format == nullptr) {
        std::vector<std::string> names;
        for (const NumberFormat* each : allFormats()) {
            names.emplace_back(each->id);
        }
        const std::vector<std::string> similar = nearest(arguments.format, names, 1);
        return fail(ErrorCode::Usage,
                    "no format named '" + arguments.format + "'",
                    {},
                    similar.empty() ? "'loupe formats' lists them"
                                    : "did you mean '" + similar.front() + "'?");
    }
    const Result<EncodedNumber> number = encodeText(*format, arguments.value, arguments.options);
    if (!number) {
        Error error = number.error();
        // A block format has no place in the command's arguments: wrong usage, not failed work.
        error.code = error.code == ErrorCode::Unsupported ? ErrorCode::Usage : error.code;
        return fail(std::move(error));
    }
    if (!common.json) {
        return Output{describe(*format, *number)};
    }
    JsonWriter json;
    writeEncoded(json, *format, arguments.value, *number);
    return Output{json.text() + "\n"};
}

/// The value in every format; one that cannot hold it has a row with the reason.
Result<Output> runAll(const Arguments& arguments, const Common& common) {
    JsonWriter json;
    json.beginObject().key("encodings").beginArray();
    std::string text;
    char line[256];
    for (const NumberFormat* format : allFormats()) {
        const Result<EncodedNumber> number =
            encodeText(*format, arguments.value, arguments.options);
        if (!number && number.error().code == ErrorCode::Usage) {
            return fail(number.error());
        }
        const std::string id(format->id);
        if (!number) {
            json.beginObject().key("format").value(id).key("input").value(arguments.value);
            json.key("error").value(number.error().what).endObject();
            std::snprintf(line, sizeof line, "%-16s %s\n", id.c_str(), number.error().what.c_str());
        } else {
            writeEncoded(json, *format, arguments.value, *number);
            std::snprintf(line,
                          sizeof line,
                          "%-16s %-18s %-24s %-24s %s\n",
                          id.c_str(),
                          number->bitsHex.c_str(),
                          shortest(number->value).c_str(),
                          orDash(number->relativeError).c_str(),
                          flags(*number).c_str());
        }
        text += line;
    }
    if (common.json) {
        json.endArray().endObject();
        return Output{json.text() + "\n"};
    }
    std::snprintf(line,
                  sizeof line,
                  "%-16s %-18s %-24s %-24s %s\n",
                  "format",
                  "bits",
                  "value",
                  "relative error",
                  "class");
    return Output{line + text};
}

Result<Output> run(Arguments& arguments, const Common& common, bool allOfThem) {
    const std::optional<Overflow> overflow = parseOverflow(arguments.overflow);
    if (!overflow) {
        return fail(ErrorCode::Usage,
                    "--overflow: expected special or saturate, found '" + arguments.overflow + "'");
    }
    const std::optional<Rounding> rounding = parseRounding(arguments.rounding);
    if (!rounding) {
        return fail(ErrorCode::Usage,
                    "--rounding: expected nearest, away, zero or stochastic, found '" +
                        arguments.rounding + "'");
    }
    arguments.options.overflow = *overflow;
    arguments.options.rounding = *rounding;
    return allOfThem ? runAll(arguments, common) : runOne(arguments, common);
}

std::function<Result<Output>()> configure(CLI::App& app, const Common& common) {
    const auto arguments = std::make_shared<Arguments>();
    app.add_option("VALUE",
                   arguments->value,
                   "A decimal of any length, a hex float, inf, nan, or a code such as bits:0x3f80")
        ->required();
    app.add_option("--format", arguments->format, "Format to encode to; all formats if not given");
    app.add_option(
        "--overflow",
        arguments->overflow,
        "What becomes of values beyond the range: special (infinity or NaN) or saturate");
    app.add_option(
        "--rounding", arguments->rounding, "nearest (ties to even), away, zero or stochastic");
    app.add_option("--seed", arguments->options.seed, "Seed of stochastic rounding");
    return
        [arguments, &common, &app] { return run(*arguments, common, app.count("--format") == 0); };
}

}  // namespace

extern const Command kCommand_encode;
const Command kCommand_encode{
    "encode", "What a number becomes in a format, bit by bit", configure, true};

}  // namespace loupe::cli
