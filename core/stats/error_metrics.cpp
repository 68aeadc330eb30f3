// SPDX-License-Identifier: Apache-2.0
#include "core/stats/error_metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/assert.hpp"
#include "core/stats/stats_kernels.hpp"

namespace loupe {

void ErrorSums::add(const ErrorSums& other) {
    count += other.count;
    squaredError += other.squaredError;
    absError += other.absError;
    maxAbsError = std::max(maxAbsError, other.maxAbsError);
    squaredReference += other.squaredReference;
    squaredApproximation += other.squaredApproximation;
    product += other.product;
}

ErrorMetrics ErrorSums::metrics() const {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    constexpr double kInf = std::numeric_limits<double>::infinity();
    ErrorMetrics m;
    const double n = count == 0 ? kNan : static_cast<double>(count);
    m.mse = squaredError / n;
    m.rmse = std::sqrt(m.mse);
    m.maxAbsError = maxAbsError;
    m.meanAbsError = absError / n;
    if (squaredError == 0) {
        m.sqnrDb = squaredReference == 0 ? kNan : kInf;
        m.relativeFrobenius = squaredReference == 0 ? kNan : 0;
    } else if (squaredReference == 0) {
        m.sqnrDb = -kInf;
        m.relativeFrobenius = kInf;
    } else {
        m.sqnrDb = 10 * std::log10(squaredReference / squaredError);
        m.relativeFrobenius = std::sqrt(squaredError / squaredReference);
    }
    // One root where it can be: exactly 1 for equal tensors.
    const double both = squaredReference * squaredApproximation;
    const double norms = std::isnormal(both) ? std::sqrt(both) : std::sqrt(squaredReference) * std::sqrt(squaredApproximation);
    m.cosine = norms == 0 ? kNan : std::clamp(product / norms, -1.0, 1.0);
    return m;
}

namespace {

template <class T>
ErrorSums sumsWith(void (*kernel)(const T*, const T*, std::int64_t, KernelErrorSums*),
                   std::span<const T> reference,
                   std::span<const T> approximation) {
    LOUPE_ASSERT(reference.size() == approximation.size(), "the same number of values on both sides");
    KernelErrorSums sums{};
    kernel(reference.data(), approximation.data(), static_cast<std::int64_t>(reference.size()), &sums);
    return {reference.size(), sums.squaredError, sums.absError, sums.maxAbsError, sums.squaredReference,
            sums.squaredApproximation, sums.product};
}

}  // namespace

ErrorSums errorSums(std::span<const float> reference, std::span<const float> approximation) {
    return sumsWith(statsKernels().errorSumsF32, reference, approximation);
}

ErrorSums errorSums(std::span<const double> reference, std::span<const double> approximation) {
    return sumsWith(statsKernels().errorSumsF64, reference, approximation);
}

}  // namespace loupe
