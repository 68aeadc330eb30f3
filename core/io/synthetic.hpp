// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace loupe {

enum class GeneratorParamType : std::uint8_t {
    Integer,
    Real,
    Choice,
    Indices,  ///< whole numbers with commas between them, or empty
};

/// One parameter of a made-up matrix: drives the parser of "synthetic:" paths and the form "Make up
/// a matrix".
struct GeneratorParam {
    std::string_view name;  ///< key in the path: "rows"
    GeneratorParamType type = GeneratorParamType::Integer;
    std::string_view defaultText;
    double min = 0, max = 0;  ///< inclusive, for Integer, Real and each of Indices
    std::span<const std::string_view> choices{};
    std::string_view label;  ///< for the form: "Rows (outputs)"
    std::string_view help;   ///< one sentence
};

/// One kind of made-up source: "synthetic:<id>?key=value&...".
struct Generator {
    std::string_view id;
    std::string_view title;
    std::string_view summary;                ///< one sentence for a student
    std::span<const GeneratorParam> params;  ///< empty for the fixed examples (V, M, F1, toys)
};

/// gaussian, student, uniform, outliers, the fixtures of spec/algorithms.md 0.3-0.5, and its worked
/// examples (`toy-...`: `weight` and, where they have them, `activations` and `gradients`).
///
/// Random matrices hold the tensor `weight` [rows, cols], `outliers` also `activations` [tokens,
/// cols] with the same outlier channels: rows of an AR(1) sequence along the channels (correlation
/// rho between neighbours, variance 1), outlier channels multiplied by their strength in a random
/// share of the tokens. Values depend on seed and element index alone; they are
/// computed in double, rounded to float and then to `dtype`.
[[nodiscard]] std::span<const Generator> allGenerators();

/// "synthetic:student?rows=64&df=4": the path of a generator with these values; values equal to the
/// default are left out.
[[nodiscard]] std::string syntheticPath(std::string_view generator,
                                        const std::map<std::string, std::string>& values);

[[nodiscard]] bool isSyntheticPath(std::string_view path);

/// @errors NotFound: no such generator (with the nearest names); Usage: unknown key, a value out of
/// range
/// @cost   O(cols log cols) for `outliers`, else O(1): rows are made when they are read.
/// RowSource::raw() makes the whole
///         matrix once, on all threads, where it has at most 256 MiB.
[[nodiscard]] Result<std::shared_ptr<const TensorSource>> openSynthetic(const std::string& path,
                                                                        const OpenOptions& options);

}  // namespace loupe
