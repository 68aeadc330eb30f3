// SPDX-License-Identifier: Apache-2.0
// The Hessian of a layer's squared output error and the factor that GPTQ and SparseGPT sweep with.
// Fixed blocks of tokens and one thread: the same bits on any number of threads.
#include "core/quant/hessian.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

namespace loupe {

namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using View = Eigen::Map<RowMajor>;
using ConstView = Eigen::Map<const RowMajor>;

constexpr std::int64_t kTokens = 256;  ///< per block: fixed, for the order of the sums

}  // namespace

template <class T>
Result<Matrix<T>> hessian(const RowSource& activations, std::int64_t rows, const JobContext& ctx) {
    const std::int64_t n = activations.cols();
    const std::int64_t tokens = rows <= 0 ? activations.rows() : std::min(rows, activations.rows());
    Matrix<T> sum(n, n);
    View target(sum.data(), n, n);
    Matrix<T> block(std::min(kTokens, tokens), n);
    for (std::int64_t first = 0; first < tokens; first += kTokens) {
        ctx.checkpoint();
        const std::int64_t count = std::min(kTokens, tokens - first);
        if (Result<void> done = activations.read(first, count, block.data()); !done) {
            return fail(done.error());
        }
        for (std::int64_t i = 0; i < count * n; ++i) {
            const double x = block.data()[i];
            if (!std::isfinite(x)) {
                return fail(ErrorCode::Invalid,
                            std::string("activations: ") + (std::isnan(x) ? "NaN" : "infinity") +
                                " at row " + std::to_string(first + i / n) + ", column " +
                                std::to_string(i % n) + ": a Hessian needs finite values");
            }
        }
        const ConstView x(block.data(), count, n);
        target.template selfadjointView<Eigen::Lower>().rankUpdate(x.transpose(), 2.0);
    }
    for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < i; ++j) {
            sum(j, i) = sum(i, j);
        }
    }
    return sum;
}

template <class T>
Result<HessianFactor<T>> factorHessian(Matrix<T> hessian,
                                       double damp,
                                       std::span<const std::int64_t> permutation,
                                       const JobContext& ctx) {
    const std::int64_t n = hessian.rows();
    HessianFactor<T> factor;
    factor.permutation.assign(permutation.begin(), permutation.end());
    if (permutation.empty()) {
        factor.permutation.resize(static_cast<std::size_t>(n));
        std::iota(factor.permutation.begin(), factor.permutation.end(), std::int64_t{0});
    }
    const auto columnAt = [&](std::int64_t place) {
        return factor.permutation[static_cast<std::size_t>(place)];
    };
    double trace = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        const std::int64_t column = columnAt(i);
        factor.dead.push_back(hessian(column, column) == 0 ? 1 : 0);
        if (factor.dead.back() != 0) {
            hessian(column, column) = 1;
        }
    }
    for (std::int64_t i = 0; i < n; ++i) {
        trace += hessian(i, i);
    }
    factor.damping = n > 0 ? damp * trace / static_cast<double>(n) : 0;
    // R = P·chol(PHP)·P with the reversal P: H = RR', so U = inv(R) without inv(H).
    Matrix<T> reversed(n, n);
    for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < n; ++j) {
            reversed(i, j) = hessian(columnAt(n - 1 - i), columnAt(n - 1 - j));
        }
        reversed(i, i) += factor.damping;
    }
    for (std::int64_t i = 0; i < n; ++i) {
        factor.diagonal.push_back(reversed(n - 1 - i, n - 1 - i));
    }
    ctx.checkpoint();
    const Eigen::LLT<RowMajor> cholesky(ConstView(reversed.data(), n, n));
    if (cholesky.info() != Eigen::Success) {
        return fail(ErrorCode::Invalid,
                    "the Hessian is not positive definite with damp=" + std::to_string(damp),
                    {},
                    "give more tokens than inputs, or a larger damp");
    }
    ctx.checkpoint();
    RowMajor inverse = RowMajor::Identity(n, n);
    cholesky.matrixL().solveInPlace(inverse);
    factor.upper = Matrix<T>(n, n);
    for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = i; j < n; ++j) {
            factor.upper(i, j) = inverse(n - 1 - i, n - 1 - j);
        }
    }
    return factor;
}

template <class T>
Matrix<T> inverseOf(const HessianFactor<T>& factor, const JobContext& ctx) {
    const std::int64_t n = factor.upper.rows();
    ctx.checkpoint();
    Matrix<T> inverse(n, n);
    const ConstView upper(factor.upper.data(), n, n);
    View(inverse.data(), n, n).noalias() = upper.transpose() * upper;
    return inverse;
}

template <class T>
double quadraticLoss(MatrixView<const T> error,
                     MatrixView<const T> hessian,
                     const JobContext& ctx) {
    double loss = 0;
    for (std::int64_t row = 0; row < error.rows; ++row) {
        ctx.checkpoint();
        for (std::int64_t i = 0; i < error.cols; ++i) {
            double product = 0;
            for (std::int64_t j = 0; j < error.cols; ++j) {
                product += hessian(i, j) * error(row, j);
            }
            loss += 0.5 * error(row, i) * product;
        }
    }
    return loss;
}

template Result<Matrix<double>> hessian<double>(const RowSource&, std::int64_t, const JobContext&);
template Result<HessianFactor<double>> factorHessian<double>(Matrix<double>,
                                                             double,
                                                             std::span<const std::int64_t>,
                                                             const JobContext&);
template Matrix<double> inverseOf<double>(const HessianFactor<double>&, const JobContext&);
template double quadraticLoss<double>(MatrixView<const double>,
                                      MatrixView<const double>,
                                      const JobContext&);

}  // namespace loupe
