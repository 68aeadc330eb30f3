// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/rng.hpp"
#include "core/experiment/output_error.hpp"
#include "core/experiment/pipeline.hpp"
#include "core/io/fixtures.hpp"
#include "tests/support/catch.hpp"

#include <cmath>

namespace loupe::actlayers {

inline std::shared_ptr<const RowSource> source(const Matrix<double>& m) {
    return makeRowSource(m.rows(), m.cols(), std::vector<double>(m.data(), m.data() + m.size()));
}

/// Weights [out, in] with the activations [tokens, in] that meet them.
inline SchemeInput layer(std::shared_ptr<const RowSource> weights,
                         std::shared_ptr<const RowSource> activations) {
    return {std::move(weights), 32, std::move(activations), 0, nullptr};
}

inline SchemeInput layerF1() {
    const FixtureF1 f1 = fixtureF1();
    return layer(source(f1.weight), source(f1.activations));
}

/// A random layer in FP32 whose input 3 is an outlier.
inline SchemeInput randomLayer(std::int64_t out,
                               std::int64_t in,
                               std::int64_t tokens,
                               std::uint64_t seed) {
    std::vector<float> w(static_cast<std::size_t>(out * in));
    std::vector<float> x(static_cast<std::size_t>(tokens * in));
    for (std::size_t i = 0; i < w.size(); ++i) {
        w[i] = static_cast<float>(0.05 * randomStudentT(seed, i, 5));
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double outlier = static_cast<std::int64_t>(i) % in == 3 ? 12 : 1;
        x[i] = static_cast<float>(outlier * randomStudentT(seed + 1, i, 8));
    }
    return layer(makeRowSource(out, in, std::move(w)), makeRowSource(tokens, in, std::move(x)));
}

inline StepOutput applyStep(const std::string& text, const SchemeInput& input) {
    const Scheme scheme = parseScheme(text).value();
    const StepDefinition* definition = findStep(scheme.steps[0].name);
    StepInput step;
    step.weights = input.weights;
    step.activations = input.activations;
    step.calibrationRows = input.calibrationRows;
    step.cost.valueBits = input.storedBits;
    Result<StepOutput> output =
        definition->apply(step, Params(definition->params, scheme.steps[0]), {});
    REQUIRE(output.has_value());
    return std::move(*output);
}

/// |XW' - X^W^'| / |XW'|.
inline double outputError(const std::string& text, const SchemeInput& input) {
    const auto result = applyScheme(parseScheme(text).value(), input);
    REQUIRE(result.has_value());
    return (*result)->metrics.outputRelativeError.value();
}

inline Matrix<double> read(const RowSource& source) {
    Matrix<double> out(source.rows(), source.cols());
    REQUIRE(source.read(0, source.rows(), out.data()).has_value());
    return out;
}

/// x w'.
inline Matrix<double> product(const Matrix<double>& x, const Matrix<double>& w) {
    Matrix<double> y(x.rows(), w.rows());
    for (std::int64_t t = 0; t < x.rows(); ++t) {
        for (std::int64_t o = 0; o < w.rows(); ++o) {
            for (std::int64_t j = 0; j < x.cols(); ++j) {
                y(t, o) += x(t, j) * w(o, j);
            }
        }
    }
    return y;
}

/// Root mean square of X^W^' - XW'.
inline double outputRmse(const std::string& text, const SchemeInput& input) {
    const StepOutput after = applyStep(text, input);
    const Matrix<double> y = product(read(*input.activations), read(*input.weights));
    const Matrix<double> yAfter =
        product(read(after.activations != nullptr ? *after.activations : *input.activations),
                read(*after.weights));
    double sum = 0;
    for (std::int64_t i = 0; i < y.size(); ++i) {
        sum += std::pow(y.data()[i] - yAfter.data()[i], 2);
    }
    return std::sqrt(sum / static_cast<double>(y.size()));
}

}  // namespace loupe::actlayers
