// SPDX-License-Identifier: Apache-2.0
// What a model needs in memory: weights, their scales, KV cache, activations.
#pragma once

#include "core/io/tensor_source.hpp"
#include "core/memory/model_shape.hpp"
#include "core/memory/weight_format.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace loupe {

/// What is to be stored: a number of parameters, or tensors of known size; and, where they are
/// known, the sizes of the model, for the KV cache and the activations.
struct MemorySubject {
    std::string title;
    std::int64_t parameters = 0;
    std::vector<TensorSize> tensors;  ///< empty: only the number of parameters is known
    std::optional<ModelShape> shape;
    std::optional<std::int64_t> storedBytes;  ///< of a checkpoint's tensors as they are
    std::string note;                         ///< why there is no shape, for people
};

[[nodiscard]] MemorySubject subjectOf(std::int64_t parameters);
[[nodiscard]] MemorySubject subjectOf(const ModelShape& shape);
/// A checkpoint by its headers; the shape from the config.json beside it.
[[nodiscard]] MemorySubject subjectOf(const TensorSource& source);
/// "7e9", "6738415616". @errors Usage: not a whole number from 1 to 1e15
[[nodiscard]] Result<std::int64_t> parseParameterCount(const std::string& text);

/// Bytes of the weights in a format, whole bytes, rounded up. Vectors (norms, biases) are never
/// quantized: they keep 16 bits, or what they have, below a format of 16 bits.
struct WeightBytes {
    std::int64_t codes = 0;
    std::int64_t sides = 0;  ///< scales, zero points, masks
    [[nodiscard]] std::int64_t total() const { return codes + sides; }
};
/// Null format: as stored. Empty where the format needs to know how long rows are and nobody does.
/// @param keepEmbeddings  embedding and output matrix stay in 16 bits
[[nodiscard]] std::optional<WeightBytes> weightBytes(const MemorySubject& subject,
                                                     const WeightFormat* format,
                                                     bool keepEmbeddings = false);

struct MemoryRequest {
    const WeightFormat* format = nullptr;  ///< null: as stored
    bool keepEmbeddings = false;
    std::int64_t context = 0;  ///< tokens kept in the KV cache, of each of the batch
    std::int64_t batch = 1;
    double kvBits = 16;
    std::int64_t tokensAtOnce = 1;  ///< 1: decoding; the context: prefill in one go
    bool materialiseScores = false;
};

struct MemoryEstimate {
    std::int64_t parameters = 0;
    WeightBytes weights;
    std::optional<std::int64_t> kvCache;         ///< empty without a shape
    std::optional<ActivationBytes> activations;  ///< empty without a shape
    [[nodiscard]] std::int64_t activationPeak() const;
    /// Weights, scales and KV cache: what stays in memory between tokens.
    [[nodiscard]] std::int64_t resident() const { return weights.total() + kvCache.value_or(0); }
    [[nodiscard]] std::int64_t total() const { return resident() + activationPeak(); }
};
/// Empty where weightBytes() is.
[[nodiscard]] std::optional<MemoryEstimate> estimateMemory(const MemorySubject& subject,
                                                           const MemoryRequest& request);

/// "14.0 GB": 1 GB = 10^9 bytes; two decimals, the last left out where it is zero.
[[nodiscard]] std::string gigabyteText(double bytes);
/// "13.04 GiB": 1 GiB = 2^30 bytes.
[[nodiscard]] std::string gibibyteText(double bytes);

/// A prefix of the lecture's memory slides and what it really is (slide erratum E1).
struct PrefixRow {
    const char* decimal;        ///< "GB"
    double decimalBytes;        ///< 1e9
    const char* binary;         ///< "GiB"
    double binaryBytes;         ///< 2^30
    const char* words;          ///< "a billion bytes"
    const char* repeatedSlide;  ///< what the repeated slides say; empty: nothing
};
[[nodiscard]] std::span<const PrefixRow> prefixTable();

/// The slides' own examples: parameters, bytes each, and what that gives.
struct SlideExample {
    std::int64_t parameters;
    int bytesEach;
    [[nodiscard]] std::int64_t bytes() const { return parameters * bytesEach; }
};
[[nodiscard]] std::span<const SlideExample> slideExamples();

}  // namespace loupe
