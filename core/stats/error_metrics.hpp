// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace loupe {

/// How far w^ is from w. Definitions: contract of `loupe quantize`. sqnrDb is +inf for no error, -inf for w = 0 with error,
/// NaN for w = 0 without; cosine is NaN where a norm is 0.
struct ErrorMetrics {
    double mse = 0;
    double rmse = 0;
    double maxAbsError = 0;
    double meanAbsError = 0;
    double sqnrDb = 0;  ///< 10 log10(sum w^2 / sum (w - w^)^2)
    double cosine = 0;
    double relativeFrobenius = 0;              ///< |w - w^| / |w|
    std::optional<double> outputRelativeError;  ///< |X W' - X^ W^'|_F / |X W'|_F; needs activations
};

/// Sums from which ErrorMetrics follow; add chunk by chunk in a fixed order for results independent of threads.
struct ErrorSums {
    std::uint64_t count = 0;
    double squaredError = 0;
    double absError = 0;
    double maxAbsError = 0;
    double squaredReference = 0;
    double squaredApproximation = 0;
    double product = 0;

    void add(const ErrorSums& other);
    [[nodiscard]] ErrorMetrics metrics() const;
};

/// Sums over one stretch of finite values; differences and products in double, one accumulator per vector lane.
[[nodiscard]] ErrorSums errorSums(std::span<const float> reference, std::span<const float> approximation);
[[nodiscard]] ErrorSums errorSums(std::span<const double> reference, std::span<const double> approximation);

}  // namespace loupe
