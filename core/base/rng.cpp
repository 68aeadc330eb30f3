// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"

#include <cmath>
#include <numbers>

namespace loupe {

namespace {

/// Uniform in (0, 1]: never 0, so that its logarithm is finite.
double positiveUniform(std::uint64_t seed, std::uint64_t index) {
    return static_cast<double>((randomBits(seed, index) >> 11) + 1) * 0x1p-53;
}

}  // namespace

double randomNormal(std::uint64_t seed, std::uint64_t index) noexcept {
    const double u = positiveUniform(seed, 2 * index);
    const double v = randomUniform(seed, 2 * index + 1);
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

double randomStudentT(std::uint64_t seed, std::uint64_t index, double degrees) noexcept {
    const double u = positiveUniform(seed, 2 * index);
    const double v = randomUniform(seed, 2 * index + 1);
    return std::sqrt(degrees * (std::pow(u, -2.0 / degrees) - 1.0)) * std::cos(2.0 * std::numbers::pi * v);
}

}  // namespace loupe
