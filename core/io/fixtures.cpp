// SPDX-License-Identifier: Apache-2.0
#include "core/io/fixtures.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <optional>

namespace loupe {

namespace {

/// The generator of spec/algorithms.md 0.5: a 32-bit LCG and Box-Muller that keeps the sine for the
/// next call.
class PortableNormal {
public:
    double operator()() {
        if (cached_) {
            const double value = *cached_;
            cached_.reset();
            return value;
        }
        const double u1 = uniform();
        const double u2 = uniform();
        const double radius = std::sqrt(-2.0 * std::log(u1));
        cached_ = radius * std::sin(2.0 * std::numbers::pi * u2);
        return radius * std::cos(2.0 * std::numbers::pi * u2);
    }

private:
    double uniform() {
        state_ = 1664525U * state_ + 1013904223U;
        return (static_cast<double>(state_) + 0.5) / 4294967296.0;
    }

    std::uint32_t state_ = 12345;
    std::optional<double> cached_;
};

}  // namespace

Matrix<double> fixtureV(bool withOutlier) {
    constexpr std::array kValues{5.47, 3.08, -7.59, 0.0, -1.95, -4.57, 10.8, 256.0};
    Matrix<double> vector(1, withOutlier ? 8 : 7);
    std::copy_n(kValues.begin(), vector.size(), vector.data());
    return vector;
}

Matrix<double> fixtureM() {
    constexpr std::array kHalf{
        0.52, 1.60,  3.97,  8.52,  0.52, 1.60,  3.97,  8.52,  8.52,  1.60,  //
        5.56, 3.32,  5.21,  0.25,  5.56, 3.32,  5.21,  0.25,  0.25,  3.32,  //
        0.98, 9.58,  10.20, 0.54,  0.98, 9.58,  10.20, 0.54,  0.54,  9.58,  //
        5.25, 8.56,  12.30, 54.21, 5.25, 8.56,  12.30, 54.21, 54.21, 8.56,  //
        0.85, 63.65, 8.25,  5.32,  0.85, 63.65, 8.25,  5.32,  5.32,  63.65};
    Matrix<double> matrix(10, 10);
    std::copy(kHalf.begin(), kHalf.end(), matrix.data());
    std::copy(kHalf.begin(), kHalf.end(), matrix.data() + kHalf.size());
    return matrix;
}

FixtureF1 fixtureF1() {
    constexpr std::int64_t kOutlierChannel = 5;
    PortableNormal normal;
    FixtureF1 fixture{Matrix<double>(32, 64), Matrix<double>(256, 64)};
    std::generate_n(
        fixture.weight.data(), fixture.weight.size(), [&normal] { return 0.02 * normal(); });
    const double fresh = std::sqrt(0.19);
    for (std::int64_t token = 0; token < fixture.activations.rows(); ++token) {
        double previous = normal();
        fixture.activations(token, 0) = previous;
        for (std::int64_t channel = 1; channel < fixture.activations.cols(); ++channel) {
            previous = 0.9 * previous + fresh * normal();
            fixture.activations(token, channel) = previous;
        }
        fixture.activations(token, kOutlierChannel) *= 20;
    }
    return fixture;
}

}  // namespace loupe
