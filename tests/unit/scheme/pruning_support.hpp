// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/fixtures.hpp"
#include "core/scheme/step.hpp"
#include "tests/support/catch.hpp"

#include <cmath>
#include <string>
#include <vector>

namespace loupe::test {

inline std::shared_ptr<const RowSource> rowsOf(const Matrix<double>& matrix) {
    return makeRowSource(matrix.rows(),
                         matrix.cols(),
                         std::vector<double>(matrix.data(), matrix.data() + matrix.size()));
}

inline StepInput inputOf(std::int64_t rows,
                         std::int64_t cols,
                         std::vector<double> weights,
                         std::int64_t tokens,
                         std::vector<double> activations) {
    StepInput result;
    result.weights = makeRowSource(rows, cols, std::move(weights));
    result.activations = makeRowSource(tokens, cols, std::move(activations));
    return result;
}

inline StepInput layerF1() {
    const FixtureF1 fixture = fixtureF1();
    StepInput result;
    result.weights = rowsOf(fixture.weight);
    result.activations = rowsOf(fixture.activations);
    return result;
}

/// The 2 x 4 layer of spec/algorithms.md 5.1.
inline StepInput layer2x4() {
    return inputOf(
        2, 4, {.9, -.4, .3, .7, -.2, .7, 1.1, -.6}, 5, {1,  .9, .2, .1, 2,  1.7, -.3, .4,  -1, -1.1,
                                                        .6, .2, .5, .3, .1, -1,  1.5, 1.6, .4, .3});
}

inline Result<StepOutput> tryStep(const std::string& text, const StepInput& input) {
    const Step step = parseScheme(text).value().steps[0];
    const StepDefinition* definition = findStep(step.name);
    return definition->apply(input, Params(definition->params, step), {});
}

inline Matrix<double> valuesOf(const QuantizedMatrix& weights) {
    Matrix<double> values(weights.rows(), weights.cols());
    REQUIRE(weights.read(0, weights.rows(), values.data()).has_value());
    return values;
}

inline std::vector<std::uint8_t> maskOf(const StepOutput& output) {
    std::vector<std::uint8_t> mask(
        static_cast<std::size_t>(output.weights->rows() * output.weights->cols()));
    REQUIRE(output.weights->mask(0, output.weights->rows(), mask.data()).has_value());
    return mask;
}

/// ||X·D'||^2 and ||X·W'||^2 by their definitions.
struct OutputSums {
    double error = 0;
    double norm = 0;
    [[nodiscard]] double relative() const { return std::sqrt(error / norm); }
};

inline OutputSums outputSums(const StepInput& input, const Matrix<double>& after) {
    std::vector<double> w(static_cast<std::size_t>(after.cols()));
    std::vector<double> x(w.size());
    OutputSums sums;
    for (std::int64_t t = 0; t < input.activations->rows(); ++t) {
        REQUIRE(input.activations->read(t, 1, x.data()).has_value());
        for (std::int64_t row = 0; row < after.rows(); ++row) {
            REQUIRE(input.weights->read(row, 1, w.data()).has_value());
            double error = 0;
            double output = 0;
            for (std::int64_t col = 0; col < after.cols(); ++col) {
                const auto i = static_cast<std::size_t>(col);
                output += w[i] * x[i];
                error += (w[i] - after(row, col)) * x[i];
            }
            sums.error += error * error;
            sums.norm += output * output;
        }
    }
    return sums;
}

inline OutputSums outputSums(const std::string& scheme, const StepInput& input) {
    return outputSums(input, valuesOf(*tryStep(scheme, input).value().weights));
}

}  // namespace loupe::test
