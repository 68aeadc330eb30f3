// SPDX-License-Identifier: Apache-2.0
#include "core/quant/integer_product.hpp"

#include "core/base/rng.hpp"
#include "core/quant/uniform.hpp"
#include "tests/unit/scheme/layer_fixture.hpp"

#include <algorithm>

using namespace loupe;
using namespace loupe::actlayers;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

Matrix<std::int32_t> codesOf(const UniformMatrix& matrix) {
    Matrix<std::int32_t> codes(matrix.rows(), matrix.cols());
    REQUIRE(matrix.codes(0, matrix.rows(), codes.data()).has_value());
    return codes;
}

IntegerOperand operandOf(const UniformMatrix& matrix, const Matrix<std::int32_t>& codes) {
    IntegerOperand operand{codes.view(), {}, {}};
    for (std::int64_t row = 0; row < matrix.rows(); ++row) {
        const std::size_t entry = matrix.scales()->entryOf(row, 0);
        operand.scales.push_back(matrix.scales()->values[entry]);
        if (matrix.zeroPoints() != nullptr) {
            operand.zeroPoints.push_back(
                static_cast<std::int64_t>(matrix.zeroPoints()->values[entry]));
        }
    }
    return operand;
}

}  // namespace

TEST_CASE("integer product: the worked example with zero points") {
    const SchemeInput input =
        layer(makeRowSource(2, 3, std::vector<double>{1, 0.5, -1.5, -2, 1.5, 0.75}),
              makeRowSource(2, 3, std::vector<double>{0.5, -1, 2, 1.5, 0.25, -0.75}));
    const StepOutput output = applyStep("zeropoint:act_bits=8,act_per=tensor", input);
    const auto& w = dynamic_cast<const UniformMatrix&>(*output.weights);
    const auto& x = dynamic_cast<const UniformMatrix&>(*output.activations);
    const Matrix<std::int32_t> xCodes = codesOf(x);
    const Matrix<std::int32_t> wCodes = codesOf(w);
    CHECK(std::vector<std::int32_t>(xCodes.data(), xCodes.data() + 6) ==
          std::vector<std::int32_t>{-1, -128, 127, 85, -22, -107});
    CHECK(std::vector<std::int32_t>(wCodes.data(), wCodes.data() + 6) ==
          std::vector<std::int32_t>{91, 54, -91, -128, 127, 73});
    const IntegerOperand xs = operandOf(x, xCodes);
    const IntegerOperand ws = operandOf(w, wCodes);
    CHECK_THAT(xs.scales[0], WithinAbs(0.0117647, 5e-8));
    CHECK_THAT(ws.scales[0], WithinAbs(0.0137255, 5e-8));
    CHECK(xs.zeroPoints[0] == -43);
    CHECK(ws.zeroPoints[0] == 18);
    const IntegerProduct product = integerProduct(xs, ws).value();
    const std::int32_t accumulators[] = {-18560, -6857, 16284, -21485};
    const std::int64_t corrected[] = {-18524, -6047, 17076, -19919};
    const double outputs[] = {-2.991188, -0.976448, 2.757370, -3.216448};
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(product.accumulators.data()[i] == accumulators[i]);
        CHECK(product.corrected.data()[i] == corrected[i]);
        CHECK_THAT(product.output.data()[i], WithinAbs(outputs[i], 5e-7));
    }
    CHECK(product.xSums == std::vector<std::int64_t>{-2, -44});
    CHECK(product.wSums == std::vector<std::int64_t>{54, 72});
    CHECK(product.terms[0].fromX == 36);
    CHECK(product.terms[0].fromW == 43 * 54);
    CHECK(product.terms[0].constant == 3 * -43 * 18);
}

TEST_CASE("integer product: equals the product of the dequantized matrices for random depths") {
    for (const std::int64_t depth : {1, 2, 7, 64, 1000, 1041, 4096}) {
        for (const bool saturating : {false, true}) {
            CAPTURE(depth, saturating);
            Matrix<std::int32_t> x(3, depth);
            Matrix<std::int32_t> w(4, depth);
            const auto fill = [&](Matrix<std::int32_t>& m, std::uint64_t seed) {
                for (std::int64_t i = 0; i < m.size(); ++i) {
                    const double u = randomUniform(seed, static_cast<std::uint64_t>(i));
                    m.data()[i] = saturating ? (i % depth == i ? 127 : (u < 0.5 ? 127 : -128))
                                             : static_cast<std::int32_t>(std::floor(u * 256)) - 128;
                }
            };
            fill(x, 1);
            fill(w, 2);
            // Scales that are powers of two: float64 is exact, and so must be the equality.
            const IntegerOperand xs{x.view(), {0.25, 0.5, 2}, {-43, 0, 127}};
            const IntegerOperand ws{w.view(), {1, 0.125, 4, 8}, {18, -128, 5, 0}};
            const IntegerProduct product = integerProduct(xs, ws).value();
            for (std::int64_t i = 0; i < 3; ++i) {
                for (std::int64_t j = 0; j < 4; ++j) {
                    double sum = 0;
                    std::int64_t plain = 0;
                    for (std::int64_t k = 0; k < depth; ++k) {
                        sum += xs.scales[static_cast<std::size_t>(i)] *
                               static_cast<double>(x(i, k) - xs.zero(i)) *
                               (ws.scales[static_cast<std::size_t>(j)] *
                                static_cast<double>(w(j, k) - ws.zero(j)));
                        plain += std::int64_t{x(i, k)} * w(j, k);
                    }
                    REQUIRE(product.output(i, j) == sum);
                    REQUIRE(product.accumulators(i, j) == plain);
                }
            }
        }
    }
}

TEST_CASE("integer product: the safe depth, and what happens beyond") {
    CHECK(safeDepth(127, 127) == 133144);
    CHECK(safeDepth(128, 128) == 131071);
    CHECK(std::int64_t{127} * 127 * 4096 == 66064384);  // the worst sum at K = 4096
    const auto product = [](std::int64_t depth, std::int32_t code) {
        Matrix<std::int32_t> x(1, depth);
        std::fill(x.data(), x.data() + depth, code);
        return integerProduct({x.view(), {1}, {}}, {x.view(), {1}, {}});
    };
    CHECK(product(133144, 127).value().accumulators(0, 0) == 133144 * 127 * 127);
    const auto beyond = product(133145, -127);
    REQUIRE_FALSE(beyond.has_value());
    CHECK(beyond.error().code == ErrorCode::Invalid);
    CHECK(beyond.error().what.find("depth 133145") != std::string::npos);
    CHECK(beyond.error().what.find("safe to depth 133144") != std::string::npos);
    CHECK(product(131071, -128).has_value());
    CHECK_FALSE(product(131072, -128).has_value());
}

TEST_CASE("W8A8 and fewer bits on F1, by the pipeline and by integers") {
    const SchemeInput f1 = layerF1();
    const struct {
        const char* text;
        double error;
    } goldens[] = {
        {"absmax:bits=8,act_bits=8,act_per=tensor", .04906},
        {"absmax:bits=8,per=row,act_bits=8", .01728},
        {"absmax:bits=6,act_bits=6,act_per=tensor", .19741},
        {"absmax:bits=6,per=row,act_bits=6", .07298},
        {"absmax:bits=4,act_bits=4,act_per=tensor", .42476},
        {"absmax:bits=4,per=row,act_bits=4", .28022},
        {"absmax:bits=8,per=row", .00572},
        {"absmax:bits=4,per=row", .11467},
    };
    for (const auto& golden : goldens) {
        CAPTURE(golden.text);
        CHECK_THAT(outputError(golden.text, f1), WithinRel(golden.error, 0.01));
    }
    for (const char* text : {"absmax:bits=8,per=row,act_bits=8",
                             "zeropoint:bits=8,per=row,act_bits=8",
                             "zeropoint:bits=4,act_bits=4,act_per=tensor"}) {
        CAPTURE(text);
        const StepOutput output = applyStep(text, f1);
        const auto& w = dynamic_cast<const UniformMatrix&>(*output.weights);
        const auto& x = dynamic_cast<const UniformMatrix&>(*output.activations);
        const Matrix<std::int32_t> xCodes = codesOf(x);
        const Matrix<std::int32_t> wCodes = codesOf(w);
        const IntegerProduct integer =
            integerProduct(operandOf(x, xCodes), operandOf(w, wCodes)).value();
        const Matrix<double> y = product(read(x), read(w));
        for (std::int64_t i = 0; i < y.size(); ++i) {
            CHECK_THAT(integer.output.data()[i], WithinAbs(y.data()[i], 1e-11));
        }
    }
}

TEST_CASE("static ranges: what lies beyond the calibration clips, what lies below wastes steps") {
    // Calibrated on a token that peaks at 4; the live tokens peak at 8 and at 1.
    SchemeInput input = layer(makeRowSource(1, 2, std::vector<double>{1, 0}),
                              makeRowSource(3, 2, std::vector<double>{4, -1, 8, 1, 1, 0.5}));
    input.calibrationRows = 1;
    const Matrix<double> fixed =
        read(*applyStep("absmax:act_bits=8,act_per=tensor,act_range=max", input).activations);
    CHECK_THAT(fixed(1, 0), WithinAbs(4.0, 1e-12));                   // live 8: half is gone
    CHECK_THAT(fixed(2, 0) - 4.0 / 127 * 32, WithinAbs(0.0, 1e-12));  // steps of .0315
    const StepOutput live = applyStep("absmax:act_bits=8", input);
    const auto& grid = dynamic_cast<const UniformMatrix&>(*live.activations);
    CHECK_THAT(grid.scales()->values[2], WithinAbs(0.00787, 5e-6));
    CHECK_THAT(4.0 / 127 / grid.scales()->values[2], WithinAbs(4.0, 1e-12));
    CHECK_THAT(20 * std::log10(4.0), WithinAbs(12.04, 0.005));
    // Every static rule on F1: calibrated on half of the tokens, judged on all.
    SchemeInput f1 = layerF1();
    f1.calibrationRows = 128;
    for (const char* rule : {"max", "percentile", "mse", "entropy"}) {
        CAPTURE(rule);
        const double error = outputError(
            std::string("absmax:bits=8,per=row,act_bits=8,act_per=tensor,act_range=") + rule, f1);
        CHECK(error > 0);
        CHECK(error < 0.5);
    }
    // A scale per token cannot be fixed beforehand.
    CHECK_FALSE(parseScheme("absmax:act_bits=8,act_per=token,act_range=max").has_value());
}
