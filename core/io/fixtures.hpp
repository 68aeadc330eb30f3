// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/matrix_view.hpp"

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

}  // namespace loupe
