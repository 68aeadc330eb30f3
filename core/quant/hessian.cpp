// SPDX-License-Identifier: Apache-2.0
// The Hessian of a layer's squared output error and the factor that GPTQ and SparseGPT sweep with.
#include "core/quant/hessian.hpp"

#include "core/base/text.hpp"
#include "core/base/worker_pool.hpp"
#include "core/linalg/dense.hpp"
#include "core/quant/finite_rows.hpp"
#include "core/quant/first_error.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

namespace loupe {

namespace {

/// Tokens read at once, which is also where float sums are cut: fixed, for the order of the sums.
std::int64_t tokensPerBlock(std::int64_t inputs) {
    constexpr std::int64_t kValues = std::int64_t{1} << 23;
    return std::clamp<std::int64_t>(kValues / std::max<std::int64_t>(inputs, 1), 256, 4096);
}

/// Rows [first, first + count) of the activations, checked.
template <class T>
Result<void> readBlock(const RowSource& activations,
                       std::int64_t first,
                       std::int64_t count,
                       T* block,
                       const JobContext& ctx) {
    const std::int64_t n = activations.cols();
    FirstError errors;
    const auto readPart = [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
        T* const values = block + begin * n;
        Result<void> done = activations.read(first + begin, end - begin, values);
        if (done) {
            done = checkFinite<T>({values, static_cast<std::size_t>((end - begin) * n)},
                                  n,
                                  first + begin,
                                  "activations: ");
        }
        if (!done) {
            errors.report(chunk, done.error());
        }
    };
    parallelFor(count, rowsPerChunk(n), ctx, readPart);
    return errors.result();
}

/// Dead inputs get 1 on the diagonal. @returns what is to be added to it
template <class T>
double prepareDiagonal(Matrix<T>& hessian, double damp, HessianFactor<T>& factor) {
    const std::int64_t n = hessian.rows();
    factor.dead.assign(static_cast<std::size_t>(n), 0);
    for (std::size_t place = 0; place < factor.dead.size(); ++place) {
        const std::int64_t column = factor.permutation[place];
        if (hessian(column, column) == 0) {
            factor.dead[place] = 1;
            hessian(column, column) = 1;
        }
    }
    double trace = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        trace += static_cast<double>(hessian(i, i));
    }
    return n > 0 ? damp * trace / static_cast<double>(n) : 0;
}

/// H in the order of the places.
template <class T>
Matrix<T> permuted(const Matrix<T>& hessian,
                   const std::vector<std::int64_t>& permutation,
                   const JobContext& ctx) {
    const std::int64_t n = hessian.rows();
    Matrix<T> result(n, n);
    parallelFor(n, rowsPerChunk(n), ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t i = begin; i < end; ++i) {
            const auto from = hessian.row(permutation[static_cast<std::size_t>(i)]);
            const auto to = result.row(i);
            for (std::size_t j = 0; j < to.size(); ++j) {
                to[j] = from[static_cast<std::size_t>(permutation[j])];
            }
        }
    });
    return result;
}

}  // namespace

template <class T>
Result<Matrix<T>> hessian(const RowSource& activations, std::int64_t rows, const JobContext& ctx) {
    const std::int64_t n = activations.cols();
    const std::int64_t tokens = rows <= 0 ? activations.rows() : std::min(rows, activations.rows());
    const std::int64_t step = tokensPerBlock(n);
    Matrix<T> sum(n, n);
    Matrix<T> block(std::min(step, tokens), n);
    for (std::int64_t first = 0; first < tokens; first += step) {
        const std::int64_t count = std::min(step, tokens - first);
        if (Result<void> done = readBlock(activations, first, count, block.data(), ctx); !done) {
            return fail(done.error());
        }
        activations.release(first, count);
        addGram<T>(T(2), MatrixView<const T>(block.data(), count, n), sum.view(), ctx);
    }
    mirrorLower(sum.view(), ctx);
    return sum;
}

template <class T>
Result<HessianFactor<T>> factorHessian(Matrix<T> hessian,
                                       double damp,
                                       std::span<const std::int64_t> permutation,
                                       const JobContext& ctx,
                                       FactorParts parts) {
    const std::int64_t n = hessian.rows();
    HessianFactor<T> factor;
    factor.permutation.assign(permutation.begin(), permutation.end());
    if (permutation.empty()) {
        factor.permutation.resize(static_cast<std::size_t>(n));
        std::iota(factor.permutation.begin(), factor.permutation.end(), std::int64_t{0});
    }
    factor.damping = prepareDiagonal(hessian, damp, factor);
    if (!permutation.empty()) {
        hessian = permuted(hessian, factor.permutation, ctx);
    }
    for (std::int64_t i = 0; i < n; ++i) {
        hessian(i, i) = static_cast<T>(static_cast<double>(hessian(i, i)) + factor.damping);
        factor.diagonal.push_back(hessian(i, i));
    }
    // R = P·chol(PHP)·P with the reversal P: H = RR', so U = inv(R) = P·inv(chol(PHP))·P.
    reverseBoth(hessian, ctx);
    const std::int64_t bad = choleskyLower(hessian.view(), ctx);
    if (bad >= 0) {
        return fail(ErrorCode::Invalid,
                    "the Hessian is not positive definite with damp=" + shortest(damp) +
                        " (pivot of input " +
                        std::to_string(factor.permutation[static_cast<std::size_t>(n - 1 - bad)]) +
                        "): some inputs are combinations of others",
                    {},
                    "give more tokens than inputs, or a larger damp");
    }
    if (parts == FactorParts::Whole) {
        factor.upper = inverseLower<T>(hessian.view(), ctx);
        reverseBoth(factor.upper, ctx);
    }
    reverseBoth(hessian, ctx);
    factor.root = std::move(hessian);
    return factor;
}

template <class T>
Matrix<T> inverseOf(const HessianFactor<T>& factor, const JobContext& ctx) {
    Matrix<T> inverse(factor.upper.rows(), factor.upper.cols());
    addGram<T>(T(1), factor.upper.view(), inverse.view(), ctx);
    mirrorLower(inverse.view(), ctx);
    return inverse;
}

template <class T>
double quadraticLoss(MatrixView<const T> error,
                     MatrixView<const T> hessian,
                     const JobContext& ctx) {
    constexpr std::int64_t kRows = 64;
    std::vector<double> losses(static_cast<std::size_t>((error.rows + kRows - 1) / kRows));
    parallelFor(
        error.rows, kRows, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
            const MatrixView<const T> rows(
                error.data + begin * error.rowStride, end - begin, error.cols, error.rowStride);
            Matrix<T> moved(end - begin, error.cols);
            multiply<T>(T(1), rows, Op::Plain, hessian, Op::Plain, T(0), moved.view(), ctx);
            double sum = 0;
            for (std::int64_t row = 0; row < rows.rows; ++row) {
                for (std::int64_t i = 0; i < rows.cols; ++i) {
                    sum += static_cast<double>(rows(row, i)) * static_cast<double>(moved(row, i));
                }
            }
            losses[static_cast<std::size_t>(chunk)] = sum / 2;
        });
    return std::accumulate(losses.begin(), losses.end(), 0.0);
}

template Result<Matrix<float>> hessian<float>(const RowSource&, std::int64_t, const JobContext&);
template Result<HessianFactor<float>> factorHessian<float>(
    Matrix<float>, double, std::span<const std::int64_t>, const JobContext&, FactorParts);
template Matrix<float> inverseOf<float>(const HessianFactor<float>&, const JobContext&);
template double quadraticLoss<float>(MatrixView<const float>,
                                     MatrixView<const float>,
                                     const JobContext&);
template Result<Matrix<double>> hessian<double>(const RowSource&, std::int64_t, const JobContext&);
template Result<HessianFactor<double>> factorHessian<double>(
    Matrix<double>, double, std::span<const std::int64_t>, const JobContext&, FactorParts);
template Matrix<double> inverseOf<double>(const HessianFactor<double>&, const JobContext&);
template double quadraticLoss<double>(MatrixView<const double>,
                                      MatrixView<const double>,
                                      const JobContext&);

}  // namespace loupe
