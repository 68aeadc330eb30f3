// SPDX-License-Identifier: Apache-2.0
#include "core/memory/memory_estimate.hpp"

#include "core/base/text.hpp"
#include "core/io/layout.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <tuple>

namespace loupe {

namespace {

constexpr double kVectorBits = 16;
constexpr double kMostParameters = 1e15;

std::int64_t wholeBytes(double bits) {
    return static_cast<std::int64_t>(std::ceil(bits / 8));
}

std::string scaledText(double bytes, double base, const std::array<const char*, 6>& units) {
    std::size_t unit = 0;
    while (bytes >= base && unit + 1 < units.size()) {
        bytes /= base;
        ++unit;
    }
    std::array<char, 64> buffer{};
    const auto result = std::to_chars(buffer.data(),
                                      buffer.data() + buffer.size(),
                                      bytes,
                                      std::chars_format::fixed,
                                      unit == 0 ? 0 : 2);
    std::string text(buffer.data(), result.ptr);
    if (unit > 0 && text.back() == '0') {
        text.pop_back();
    }
    return text + " " + units[unit];
}

bool isEmbeddingName(std::string_view name) {
    for (const std::string_view part : split(name, '.')) {
        if (part == "embed_tokens" || part == "lm_head" || part == "wte" || part == "wpe" ||
            part == "token_embd" || part == "output" || part == "embeddings" ||
            part == "embed_out" || part == "embed_in") {
            return true;
        }
    }
    return false;
}

}  // namespace

MemorySubject subjectOf(std::int64_t parameters) {
    MemorySubject subject;
    subject.title = std::to_string(parameters) + " parameters";
    subject.parameters = parameters;
    subject.note = "a number of parameters alone says nothing of layers and heads";
    return subject;
}

MemorySubject subjectOf(const ModelShape& shape) {
    MemorySubject subject;
    subject.title = shape.title;
    subject.tensors = tensorsOf(shape);
    subject.parameters = parametersOf(shape);
    subject.shape = shape;
    return subject;
}

MemorySubject subjectOf(const TensorSource& source) {
    MemorySubject subject;
    subject.title = source.info().title;
    subject.parameters = static_cast<std::int64_t>(source.info().parameters);
    subject.storedBytes = static_cast<std::int64_t>(source.info().bytes);
    // Layers repeat: sizes that are alike are counted together.
    std::map<std::tuple<std::int64_t, std::int64_t, bool, bool, double>, std::int64_t> sizes;
    for (const TensorInfo& tensor : source.tensors()) {
        if (tensor.parameters == 0) {
            continue;
        }
        const double bits =
            8 * static_cast<double>(tensor.bytes) / static_cast<double>(tensor.parameters);
        ++sizes[{
            tensor.rows, tensor.cols, tensor.shape.size() < 2, isEmbeddingName(tensor.name), bits}];
    }
    for (const auto& [key, count] : sizes) {
        const auto& [rows, columns, isVector, isEmbedding, bits] = key;
        subject.tensors.push_back({{}, rows, columns, count, isVector, isEmbedding, bits});
    }
    const std::string& config = source.info().config;
    if (config.empty()) {
        subject.note = "there is no config.json beside the checkpoint";
    } else if (Result<ModelShape> shape = parseModelShape(config)) {
        subject.shape = *shape;
    } else {
        subject.note = shape.error().what;
    }
    return subject;
}

Result<std::int64_t> parseParameterCount(const std::string& text) {
    const std::optional<double> value = parseDouble(text);
    if (!value || !(*value >= 1) || *value > kMostParameters || *value != std::floor(*value)) {
        return fail(ErrorCode::Usage,
                    "parameters: expected a whole number from 1 to 1e15, such as 7e9, found \"" +
                        text + "\"");
    }
    return static_cast<std::int64_t>(*value);
}

std::optional<WeightBytes> weightBytes(const MemorySubject& subject,
                                       const WeightFormat* format,
                                       bool keepEmbeddings) {
    if (format == nullptr) {
        if (!subject.storedBytes) {
            return std::nullopt;
        }
        return WeightBytes{*subject.storedBytes, 0};
    }
    if (subject.tensors.empty()) {
        const std::optional<double> bits = bitsPerWeight(*format);
        if (!bits) {
            return std::nullopt;
        }
        const auto count = static_cast<double>(subject.parameters);
        const double codes = count * format->codeBits;
        return WeightBytes{wholeBytes(codes), wholeBytes(count * (*bits - format->codeBits))};
    }
    const bool quantizes = format->codeBits < kVectorBits || format->group != 0;
    double codes = 0;
    double sides = 0;
    for (const TensorSize& tensor : subject.tensors) {
        const auto count = static_cast<double>(tensor.parameters());
        if (quantizes && tensor.isVector) {
            codes += count * tensor.storedBits;
        } else if (quantizes && keepEmbeddings && tensor.isEmbedding) {
            codes += count * kVectorBits;
        } else {
            const WeightBits bits = bitsOf(*format, tensor.rows, tensor.columns);
            codes += bits.codes * static_cast<double>(tensor.count);
            sides += bits.sides * static_cast<double>(tensor.count);
        }
    }
    return WeightBytes{wholeBytes(codes), wholeBytes(sides)};
}

std::int64_t MemoryEstimate::activationPeak() const {
    return activations ? static_cast<std::int64_t>(std::ceil(activations->peak())) : 0;
}

std::optional<MemoryEstimate> estimateMemory(const MemorySubject& subject,
                                             const MemoryRequest& request) {
    const std::optional<WeightBytes> weights =
        weightBytes(subject, request.format, request.keepEmbeddings);
    if (!weights) {
        return std::nullopt;
    }
    MemoryEstimate estimate;
    estimate.parameters = subject.parameters;
    estimate.weights = *weights;
    if (subject.shape) {
        const double tokens =
            static_cast<double>(request.context) * static_cast<double>(request.batch);
        estimate.kvCache = static_cast<std::int64_t>(
            std::ceil(kvBytesPerToken(*subject.shape, request.kvBits) * tokens));
        ActivationRequest at;
        at.batch = request.batch;
        at.tokens = request.tokensAtOnce;
        at.materialiseScores = request.materialiseScores;
        estimate.activations = activationBytes(*subject.shape, at);
    }
    return estimate;
}

std::string gigabyteText(double bytes) {
    return scaledText(bytes, 1000.0, {"B", "kB", "MB", "GB", "TB", "PB"});
}

std::string gibibyteText(double bytes) {
    return scaledText(bytes, 1024.0, {"B", "KiB", "MiB", "GiB", "TiB", "PiB"});
}

std::span<const PrefixRow> prefixTable() {
    static constexpr std::array<PrefixRow, 4> kRows{{
        {"kB", 1e3, "KiB", 1024.0, "a thousand bytes", ""},
        {"MB", 1e6, "MiB", 1048576.0, "a million bytes", "1 billion"},
        {"GB", 1e9, "GiB", 1073741824.0, "a billion bytes", "1 trillion"},
        {"TB", 1e12, "TiB", 1099511627776.0, "a trillion bytes", "1 peta"},
    }};
    return kRows;
}

std::span<const SlideExample> slideExamples() {
    static constexpr std::array<SlideExample, 3> kExamples{{
        {7'000'000'000, 2},
        {7'000'000'000, 4},
        {405'000'000'000, 4},
    }};
    return kExamples;
}

}  // namespace loupe
