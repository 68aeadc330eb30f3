// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/matrix_view.hpp"

#include <span>
#include <string_view>

namespace loupe {

/// spec/algorithms.md 0.3: the lecture's vector [1, 7], or with its outlier 256 [1, 8].
[[nodiscard]] Matrix<double> fixtureV(bool withOutlier);
/// spec/algorithms.md 0.4: the lecture's "typical weight matrix" [10, 10].
[[nodiscard]] Matrix<double> fixtureM();

/// spec/algorithms.md 0.5: a portable synthetic layer from a 32-bit generator.
struct FixtureF1 {
    Matrix<double> weight;       ///< [32, 64]
    Matrix<double> activations;  ///< [256, 64], AR(1) along channels, channel 5 multiplied by 20
};
[[nodiscard]] FixtureF1 fixtureF1();

/// A worked example small enough for paper, as a layer: weights [out, in], and what it needs beside
/// them. Empty matrices where it has none.
struct ToyLayer {
    Matrix<double> weight;
    Matrix<double> activations;  ///< [tokens, in]
    Matrix<double> gradients;    ///< [out, in]
};

/// A toy by name, spec/algorithms.md sections 2 to 6.
struct ToyExample {
    std::string_view id;       ///< "toy-gptq"
    std::string_view title;    ///< "GPTQ, 2 x 4"
    std::string_view summary;  ///< one sentence for a student
    ToyLayer (*make)();
};
[[nodiscard]] std::span<const ToyExample> toyExamples();
/// Of a name that is known. @errors bug: no such name
[[nodiscard]] ToyLayer toyLayer(std::string_view id);

}  // namespace loupe
