// SPDX-License-Identifier: Apache-2.0
// The worked examples of spec/algorithms.md as layers.
#include "core/base/assert.hpp"
#include "core/io/fixtures.hpp"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <numbers>

namespace loupe {

namespace {

Matrix<double> matrixOf(std::int64_t rows,
                        std::int64_t cols,
                        std::initializer_list<double> values) {
    LOUPE_ASSERT(static_cast<std::int64_t>(values.size()) == rows * cols, "a value for each cell");
    Matrix<double> matrix(rows, cols);
    std::copy(values.begin(), values.end(), matrix.data());
    return matrix;
}

/// What the examples write as Y = XW: [in, out] to [out, in].
Matrix<double> transposed(const Matrix<double>& in) {
    Matrix<double> out(in.cols(), in.rows());
    for (std::int64_t row = 0; row < in.rows(); ++row) {
        for (std::int64_t col = 0; col < in.cols(); ++col) {
            out(col, row) = in(row, col);
        }
    }
    return out;
}

/// Activations whose Hessian 2X'X is `hessian`: the upper Cholesky factor of half of it.
Matrix<double> activationsOf(const Matrix<double>& hessian) {
    const std::int64_t n = hessian.rows();
    Matrix<double> upper(n, n);
    for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = i; j < n; ++j) {
            double left = hessian(i, j) / 2;
            for (std::int64_t k = 0; k < i; ++k) {
                left -= upper(k, i) * upper(k, j);
            }
            upper(i, j) = i == j ? std::sqrt(left) : left / upper(i, i);
        }
    }
    return upper;
}

/// Where the standard normal distribution reaches p, by bisection.
double normalQuantile(double p) {
    double low = -10;
    double high = 10;
    for (int i = 0; i < 100; ++i) {
        const double middle = (low + high) / 2;
        (std::erfc(-middle / std::numbers::sqrt2) / 2 < p ? low : high) = middle;
    }
    return (low + high) / 2;
}

ToyLayer outliers() {
    return {transposed(matrixOf(4, 3, {.2, -.5, .1, .7, .3, -.4, -.1, .6, .2, .4, -.2, .9})),
            matrixOf(2, 4, {.5, -.3, 7.2, 1.1, -.8, .2, -.4, .9}),
            {}};
}

ToyLayer smoothing() {
    return {transposed(matrixOf(4, 3, {2, 1, -2, 1, -1, -1, 2, -1, -2, -1, -1, 1})),
            matrixOf(2, 4, {1, -16, 2, 6, -2, 8, -1, -9}),
            {}};
}

ToyLayer surgeon() {
    return {matrixOf(1, 3, {1, .5, -.8}),
            activationsOf(matrixOf(3, 3, {2, 1, 0, 1, 2, .5, 0, .5, 1})),
            {}};
}

ToyLayer byHand() {
    return {matrixOf(1, 2, {.6, .6}), activationsOf(matrixOf(2, 2, {2, 1.8, 1.8, 2})), {}};
}

ToyLayer reference() {
    return {matrixOf(2, 4, {.9, -.4, .3, .7, -.2, .7, 1.1, -.6}),
            matrixOf(5, 4, {1,  .9, .2, .1, 2,  1.7, -.3, .4,  -1, -1.1,
                            .6, .2, .5, .3, .1, -1,  1.5, 1.6, .4, .3}),
            {}};
}

ToyLayer halfQuadratic() {
    return {
        matrixOf(2, 8, {.1, -.2, .35, .9, -.15, .05, -.4, 2, .3, .2, -.1, -.3, .25, .15, -.2, .4}),
        {},
        {}};
}

ToyLayer clusters() {
    return {matrixOf(4,
                     4,
                     {2.09,
                      -.98,
                      1.48,
                      .09,
                      .05,
                      -.14,
                      -1.08,
                      2.12,
                      -.91,
                      1.92,
                      0,
                      -1.03,
                      1.87,
                      0,
                      1.53,
                      1.49}),
            {},
            {}};
}

ToyLayer normalFloat() {
    return {matrixOf(1, 8, {.12, -.45, .03, .9, -.3, 0, .55, -.88}), {}, {}};
}

ToyLayer shifted() {
    return {matrixOf(1, 4, {1, 1.1, 1.2, 1.3}), {}, {}};
}

ToyLayer scored() {
    return {matrixOf(3, 4, {4, 0, 1, -1, 3, -2, -1, -3, -3, 1, 0, 2}),
            matrixOf(4, 4, {1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 8, 0, 0, 0, 0, 3}),
            {}};
}

ToyLayer firstOrder() {
    return {matrixOf(1, 4, {-.2, .9, .05, -.4}), {}, matrixOf(1, 4, {.5, .02, 3, -.1})};
}

ToyLayer integers() {
    return {transposed(matrixOf(3, 2, {1, -2, .5, 1.5, -1.5, .75})),
            matrixOf(2, 3, {.5, -1, 2, 1.5, .25, -.75}),
            {}};
}

ToyLayer butterflies() {
    return {matrixOf(2, 4, {8, 0, 0, 0, 10, 1, -1, 2}), {}, {}};
}

ToyLayer spike() {
    constexpr std::int64_t kSize = 128;
    constexpr std::int64_t kSpike = 17;
    Matrix<double> vector(1, kSize);
    for (std::int64_t i = 0; i < kSize; ++i) {
        vector(0, i) = normalQuantile((static_cast<double>((37 * i + 11) % kSize) + .5) / kSize);
    }
    vector(0, kSpike) = 50;
    return {std::move(vector), {}, {}};
}

constexpr ToyExample kToys[] = {
    {"toy-hqq",
     "HQQ, 2 x 8",
     "Two groups of eight, one with a far weight: where the zero point goes",
     halfQuadratic},
    {"toy-nf4", "NF4, one block", "Eight weights on the 16 normal quantiles", normalFloat},
    {"toy-kmeans",
     "k-means, 4 x 4",
     "The figure of Deep Compression: 16 weights, four centroids",
     clusters},
    {"toy-shifted",
     "Shifted weights",
     "Four weights around 1.15: what not forcing zero does",
     shifted},
    {"toy-matmul",
     "Integer product, 3 inputs",
     "A product small enough for its four terms",
     integers},
    {"toy-int8", "LLM.int8(), 4 inputs", "Two tokens with one outlier of 7.2", outliers},
    {"toy-smoothquant",
     "SmoothQuant, 4 inputs",
     "The paper's figure: two outlier channels move into the weights",
     smoothing},
    {"toy-gptq-hand",
     "GPTQ by hand",
     "Two equal weights with correlated inputs: H = [[2, 1.8], [1.8, 2]]",
     byHand},
    {"toy-gptq", "GPTQ and SparseGPT, 2 x 4", "Two outputs, four inputs, five tokens", reference},
    {"toy-obs",
     "Optimal Brain Surgeon, 3 weights",
     "Three weights and their Hessian: which goes, and how the others move",
     surgeon},
    {"toy-wanda", "Wanda, 3 x 4", "Inputs of norm 1, 2, 8, 3 change which weights matter", scored},
    {"toy-gradient",
     "First-order pruning",
     "Four weights whose gradients tell another story than their size",
     firstOrder},
    {"toy-hadamard",
     "Hadamard, 4 inputs",
     "One spike and one mixed row: the butterflies by hand",
     butterflies},
    {"toy-rotation",
     "A spike among 128",
     "127 normal quantiles and a spike of 50: crest factor 11",
     spike}};

}  // namespace

std::span<const ToyExample> toyExamples() {
    return kToys;
}

ToyLayer toyLayer(std::string_view id) {
    const auto* toy = std::find_if(
        std::begin(kToys), std::end(kToys), [id](const ToyExample& t) { return t.id == id; });
    LOUPE_ASSERT(toy != std::end(kToys), "the name of a toy");
    return toy->make();
}

}  // namespace loupe
