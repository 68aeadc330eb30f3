// SPDX-License-Identifier: Apache-2.0
#include "core/quant/output_loss.hpp"

#include "core/linalg/gemm.hpp"
#include "core/quant/finite_rows.hpp"
#include "core/quant/hessian.hpp"

#include <algorithm>

namespace loupe {

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
        const std::span<const T> token = tokens.row(t);
        if (Result<void> finite = checkFinite<T>(token, tokens.cols(), t * stride, "activations: ");
            !finite) {
            return fail(finite.error());
        }
    }
    return tokens;
}

template <class T>
void multiplyTransposed(MatrixView<const T> a, MatrixView<const T> b, T* product) {
    gemm<T>(a.rows,
            b.rows,
            a.cols,
            T(1),
            {a.data, a.rowStride, Op::Plain},
            {b.data, b.rowStride, Op::Transposed},
            T(0),
            product,
            b.rows);
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
