// SPDX-License-Identifier: Apache-2.0
#include "core/quant/output_loss.hpp"

#include "core/quant/board_numbers.hpp"
#include "core/quant/hessian.hpp"
#include "core/quant/product_kernels.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace loupe {

namespace {

template <class T>
Result<void> checkToken(std::span<const T> token, std::int64_t row) {
    for (std::size_t j = 0; j < token.size(); ++j) {
        if (!std::isfinite(token[j])) {
            return fail(ErrorCode::Invalid,
                        joined({"activations: ",
                                std::isnan(token[j]) ? "NaN" : "infinite value",
                                " at row ",
                                std::to_string(row),
                                ", column ",
                                std::to_string(j),
                                ": a scheme needs finite values"}));
        }
    }
    return {};
}

}  // namespace

template <class T>
Result<Matrix<T>> readTokens(const RowSource& activations,
                             std::int64_t rows,
                             std::int64_t stride,
                             const JobContext& ctx) {
    Matrix<T> tokens((rows + stride - 1) / stride, activations.cols());
    for (std::int64_t t = 0; t < tokens.rows(); ++t) {
        ctx.checkpoint();
        if (Result<void> done = activations.read(t * stride, 1, tokens.row(t).data()); !done) {
            return fail(done.error());
        }
        if (Result<void> finite = checkToken<T>(tokens.row(t), t * stride); !finite) {
            return fail(finite.error());
        }
    }
    return tokens;
}

template <class T>
void multiplyTransposed(MatrixView<const T> a, MatrixView<const T> b, T* product) {
    if constexpr (std::is_same_v<T, float>) {
        productKernels().timesTransposed(a.data, a.rows, b.data, b.rows, a.cols, false, product);
    } else {
        using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
        const Eigen::Map<const RowMajor> left(a.data, a.rows, a.cols);
        const Eigen::Map<const RowMajor> right(b.data, b.rows, b.cols);
        Eigen::Map<RowMajor>(product, a.rows, b.rows).noalias() = left * right.transpose();
    }
}

template <class T>
Result<OutputLoss<T>> OutputLoss<T>::make(const RowSource& activations,
                                          std::int64_t tokens,
                                          const JobContext& ctx) {
    OutputLoss loss;
    loss.isGram_ = tokens > activations.cols();
    if (!loss.isGram_) {
        Result<Matrix<T>> x = readTokens<T>(activations, tokens, 1, ctx);
        if (!x) {
            return fail(x.error());
        }
        loss.factor_ = std::move(*x);
        return loss;
    }
    const Result<Matrix<double>> twice = hessian<double>(activations, tokens, ctx);
    if (!twice) {
        return fail(twice.error());
    }
    loss.factor_ = Matrix<T>(twice->rows(), twice->cols());
    std::transform(twice->data(), twice->data() + twice->size(), loss.factor_.data(), [](double h) {
        return static_cast<T>(h / 2);
    });
    return loss;
}

template <class T>
double OutputLoss<T>::squared(MatrixView<const T> errors, const JobContext& ctx) const {
    constexpr std::int64_t kBlock = 256;
    std::vector<T> product(static_cast<std::size_t>(kBlock * errors.rows));
    double sum = 0;
    for (std::int64_t first = 0; first < factor_.rows(); first += kBlock) {
        ctx.checkpoint();
        const std::int64_t count = std::min(kBlock, factor_.rows() - first);
        const MatrixView<const T> block(factor_.row(first).data(), count, factor_.cols());
        multiplyTransposed<T>(block, errors, product.data());
        for (std::int64_t i = 0; i < count; ++i) {
            for (std::int64_t row = 0; row < errors.rows; ++row) {
                const auto p =
                    static_cast<double>(product[static_cast<std::size_t>(i * errors.rows + row)]);
                sum += p * (isGram_ ? static_cast<double>(errors(row, first + i)) : p);
            }
        }
    }
    return std::max(sum, 0.0);
}

template Result<Matrix<float>> readTokens(const RowSource&,
                                          std::int64_t,
                                          std::int64_t,
                                          const JobContext&);
template Result<Matrix<double>> readTokens(const RowSource&,
                                           std::int64_t,
                                           std::int64_t,
                                           const JobContext&);
template void multiplyTransposed(MatrixView<const float>, MatrixView<const float>, float*);
template void multiplyTransposed(MatrixView<const double>, MatrixView<const double>, double*);
template class OutputLoss<float>;
template class OutputLoss<double>;

}  // namespace loupe
