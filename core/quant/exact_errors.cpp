// SPDX-License-Identifier: Apache-2.0
// The kernels of absmax and zeropoint square in float lanes, which hold squares from about 2^-120
// to 2^120. What lies outside is measured again here, in double.
#include "core/quant/exact_errors.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace loupe {

namespace {

float weightAt(const KernelRow& row, bool bf16, std::int64_t index) {
    if (bf16) {
        std::uint16_t half = 0;
        std::memcpy(&half, row.data + index * 2, sizeof half);
        return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16);
    }
    float x = 0;
    std::memcpy(&x, row.data + index * 4, sizeof x);
    return x;
}

/// The value that the kernels give: clamp(round(x / scale)), ties to even, times the scale.
float valueOf(float x, const KernelGrid& grid) {
    return std::nearbyint(std::clamp(x / grid.scale, grid.low, grid.high)) * grid.scale;
}

}  // namespace

bool squaresFit(const KernelRow& row, bool bf16, const KernelTotals& totals) {
    constexpr double kMost = 0x1p100;        // room for the sums of many rows
    constexpr double kLeastError = 0x1p-48;  // what its square is added to loses nothing of note
    constexpr double kLeastSquare = kLeastError * kLeastError;
    // Written so that NaN does not fit.
    if (!(totals.squaredError < kMost && totals.absError < kMost &&
          totals.squaredReference < kMost && totals.squaredApproximation < kMost)) {
        return false;
    }
    if (totals.maxAbsError > 0 && totals.maxAbsError < kLeastError) {
        return false;
    }
    if (totals.squaredReference >= kLeastSquare && totals.squaredApproximation >= kLeastSquare) {
        return true;
    }
    if (totals.squaredReference >= kLeastSquare) {  // every weight on level 0?
        const std::int64_t grids = (row.count + row.group - 1) / row.group;
        return std::all_of(row.grids, row.grids + grids, [](const KernelGrid& grid) {
            return static_cast<double>(grid.scale) >= kLeastError;
        });
    }
    std::uint32_t bits = 0;  // nothing but zeros?
    const UniformKernels& kernels = uniformKernels();
    (bf16 ? kernels.magnitudesBf16 : kernels.magnitudesF32)(row.data, row.count, row.count, &bits);
    return bits == 0;
}

void exactErrors(const KernelRow& row, bool bf16, KernelTotals* totals, double* colSquared) {
    double squaredError = 0;
    double absError = 0;
    double maxAbsError = 0;
    double squaredReference = 0;
    double squaredApproximation = 0;
    const KernelGrid* grid = row.grids;
    for (std::int64_t first = 0; first < row.count; first += row.group, ++grid) {
        const std::int64_t end = std::min(row.count, first + row.group);
        for (std::int64_t i = first; i < end; ++i) {
            const float x = weightAt(row, bf16, i);
            const auto before = static_cast<double>(x);
            const auto after = static_cast<double>(valueOf(x, *grid));
            const double error = before - after;
            squaredError += error * error;
            absError += std::fabs(error);
            maxAbsError = std::max(maxAbsError, std::fabs(error));
            squaredReference += before * before;
            squaredApproximation += after * after;
            if (colSquared != nullptr) {
                colSquared[i] += error * error;
            }
        }
    }
    totals->squaredError = squaredError;
    totals->absError = absError;
    totals->maxAbsError = maxAbsError;
    totals->squaredReference = squaredReference;
    totals->squaredApproximation = squaredApproximation;
}

}  // namespace loupe
