// SPDX-License-Identifier: Apache-2.0
// The Hessian and its factor against the reference run and the hand example of
// spec/algorithms.md 5.1.
#include "core/quant/hessian.hpp"

#include "tests/support/catch.hpp"

#include <cmath>

using namespace loupe;
using Catch::Matchers::WithinAbs;

namespace {

Matrix<double> filled(std::int64_t rows, std::int64_t cols, const std::vector<double>& values) {
    Matrix<double> matrix(rows, cols);
    std::copy(values.begin(), values.end(), matrix.data());
    return matrix;
}

}  // namespace

TEST_CASE("the 4x4 reference run: Hessian, damping and U") {
    const auto tokens =
        makeRowSource(5, 4, std::vector<double>{1,  .9, .2, .1, 2,  1.7, -.3, .4,  -1, -1.1,
                                                .6, .2, .5, .3, .1, -1,  1.5, 1.6, .4, .3});
    const Matrix<double> h = hessian<double>(*tokens, 0, {}).value();
    const std::vector<double> expectedH = {
        17, 15.9, -.7, 1.3, 15.9, 15.12, -.64, 1.46, -.7, -.64, 1.32, .08, 1.3, 1.46, .08, 2.6};
    const std::vector<double> expectedU = {1.493051,
                                           -1.572539,
                                           .020000,
                                           .131349,
                                           0,
                                           .266445,
                                           .129353,
                                           -.148455,
                                           0,
                                           0,
                                           .842833,
                                           -.025065,
                                           0,
                                           0,
                                           0,
                                           .609699};
    const HessianFactor<double> factor = factorHessian<double>(h, 0.01, {}, {}).value();
    CHECK_THAT(factor.damping, WithinAbs(.0901, 1e-9));
    for (std::size_t i = 0; i < 16; ++i) {
        CHECK_THAT(h.data()[i], WithinAbs(expectedH[i], 1e-12));
        CHECK_THAT(factor.upper.data()[i], WithinAbs(expectedU[i], 1e-6));
    }
    // U'U is the inverse of the damped Hessian.
    const Matrix<double> inverse = inverseOf(factor, {});
    for (std::int64_t i = 0; i < 4; ++i) {
        for (std::int64_t j = 0; j < 4; ++j) {
            double sum = 0;
            for (std::int64_t k = 0; k < 4; ++k) {
                sum += (h(i, k) + (i == k ? factor.damping : 0)) * inverse(k, j);
            }
            CHECK_THAT(sum, WithinAbs(i == j ? 1 : 0, 1e-10));
        }
    }
}

TEST_CASE("the hand example: U and the losses of rounding alone and of GPTQ") {
    const Matrix<double> h = filled(2, 2, {2, 1.8, 1.8, 2});
    const HessianFactor<double> factor = factorHessian<double>(h, 0, {}, {}).value();
    CHECK_THAT(factor.upper(0, 0), WithinAbs(1.6222, 1e-4));
    CHECK_THAT(factor.upper(0, 1), WithinAbs(-1.46, 1e-4));
    CHECK_THAT(factor.upper(1, 1), WithinAbs(.7071, 1e-4));
    const Matrix<double> nearest = filled(1, 2, {-.4, -.4});
    const Matrix<double> solved = filled(1, 2, {-.4, .6});
    CHECK_THAT(quadraticLoss<double>(nearest.view(), h.view(), {}), WithinAbs(.608, 1e-12));
    CHECK_THAT(quadraticLoss<double>(solved.view(), h.view(), {}), WithinAbs(.088, 1e-12));
}

TEST_CASE("permuted, dead and rank-deficient Hessians") {
    const std::vector<std::int64_t> order = {2, 0, 1};
    const Matrix<double> diagonal = filled(3, 3, {4, 0, 0, 0, 0, 0, 0, 0, 16});
    const HessianFactor<double> factor = factorHessian<double>(diagonal, 0, order, {}).value();
    CHECK(factor.dead == std::vector<std::uint8_t>{0, 0, 1});
    CHECK(factor.diagonal == std::vector<double>{16, 4, 1});
    CHECK(factor.upper == filled(3, 3, {.25, 0, 0, 0, .5, 0, 0, 0, 1}));
    const auto one = makeRowSource(1, 3, std::vector<double>{1, 2, 3});
    const Matrix<double> h = hessian<double>(*one, 0, {}).value();
    CHECK(factorHessian<double>(h, 0.01, {}, {}).has_value());
    const Matrix<double> indefinite = filled(2, 2, {1, 2, 2, 1});
    const auto refused = factorHessian<double>(indefinite, 0, {}, {});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::Invalid);
}

TEST_CASE(
    "a Hessian takes the first rows only, over blocks of tokens, and names what is not finite") {
    std::vector<double> values(700 * 2, 1.0);
    values[650 * 2 + 1] = std::nan("");
    const auto source = makeRowSource(700, 2, values);
    CHECK(hessian<double>(*source, 600, {}).value() == filled(2, 2, {1200, 1200, 1200, 1200}));
    const auto refused = hessian<double>(*source, 0, {});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().what.find("row 650, column 1") != std::string::npos);
}
