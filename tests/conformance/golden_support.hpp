// SPDX-License-Identifier: Apache-2.0
// What the tests of the specification's golden numbers share
// (resources/help/developers/goldens.md).
#pragma once

#include "core/experiment/pipeline.hpp"
#include "core/io/fixtures.hpp"
#include "tests/support/catch.hpp"

#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace loupe::goldens {

using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

inline std::shared_ptr<const RowSource> rowsOf(const Matrix<double>& m) {
    return makeRowSource(m.rows(), m.cols(), std::vector<double>(m.data(), m.data() + m.size()));
}

inline std::shared_ptr<const RowSource> rowsOf(std::int64_t cols,
                                               const std::vector<double>& values) {
    return makeRowSource(static_cast<std::int64_t>(values.size()) / cols, cols, values);
}

/// FP64 weights with the activations that meet them.
inline SchemeInput layerOf(const Matrix<double>& weight, const Matrix<double>& activations) {
    SchemeInput input;
    input.weights = rowsOf(weight);
    input.storedBits = 64;
    if (!activations.empty()) {
        input.activations = rowsOf(activations);
    }
    return input;
}

inline SchemeInput layerF1() {
    const FixtureF1 f1 = fixtureF1();
    return layerOf(f1.weight, f1.activations);
}

inline SchemeInput weightsOnly(std::shared_ptr<const RowSource> weights) {
    return {std::move(weights), 64, nullptr, 0, nullptr};
}

inline std::shared_ptr<const SchemeResult> run(const std::string& scheme,
                                               const SchemeInput& input) {
    CAPTURE(scheme);
    auto result = applyScheme(parseScheme(scheme).value(), input);
    REQUIRE(result.has_value());
    return *result;
}

/// |X^W^' - XW'| / |XW'|.
inline double relout(const std::string& scheme, const SchemeInput& input) {
    return run(scheme, input)->metrics.outputRelativeError.value();
}

inline Matrix<double> valuesOf(const RowSource& source) {
    Matrix<double> values(source.rows(), source.cols());
    REQUIRE(source.read(0, source.rows(), values.data()).has_value());
    return values;
}

inline std::vector<std::int32_t> codesOf(const QuantizedMatrix& matrix) {
    std::vector<std::int32_t> codes(static_cast<std::size_t>(matrix.rows() * matrix.cols()));
    REQUIRE(matrix.codes(0, matrix.rows(), codes.data()).has_value());
    return codes;
}

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

/// |X(W^ - W)'|², and the same relative to |XW'|.
struct OutputError {
    double squared = 0;
    double relative = 0;
};

inline OutputError outputError(const Matrix<double>& x,
                               const Matrix<double>& w,
                               const Matrix<double>& after) {
    Matrix<double> difference(w.rows(), w.cols());
    for (std::int64_t i = 0; i < w.size(); ++i) {
        difference.data()[i] = w.data()[i] - after.data()[i];
    }
    const Matrix<double> e = product(x, difference);
    const Matrix<double> y = product(x, w);
    OutputError error;
    double power = 0;
    for (std::int64_t i = 0; i < e.size(); ++i) {
        error.squared += e.data()[i] * e.data()[i];
        power += y.data()[i] * y.data()[i];
    }
    error.relative = std::sqrt(error.squared / power);
    return error;
}

/// The quantile of the standard normal distribution, by bisection.
inline double normalQuantile(double u) {
    double low = -9;
    double high = 9;
    for (int step = 0; step < 80; ++step) {
        const double middle = (low + high) / 2;
        (0.5 * std::erfc(-middle / std::sqrt(2.0)) < u ? low : high) = middle;
    }
    return low;
}

/// The specification's data for range rules: quantiles at (i + 1/2) / 1e5.
inline const std::vector<double>& normalData() {
    static const std::vector<double> data = [] {
        std::vector<double> values(100000);
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = normalQuantile((static_cast<double>(i) + 0.5) / 1e5);
        }
        return values;
    }();
    return data;
}

/// sqrt of what remains / what was: relative Frobenius norm as decibels.
inline double decibels(const std::string& scheme, const SchemeInput& input) {
    return run(scheme, input)->metrics.sqnrDb;
}

}  // namespace loupe::goldens
