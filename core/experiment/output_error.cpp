// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/output_error.hpp"

#include "core/base/worker_pool.hpp"
#include "core/experiment/product_kernels.hpp"
#include "core/quant/first_error.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace loupe {

namespace {

template <class T>
using RowMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct Squares {
    double difference = 0;
    double reference = 0;
};

template <class T>
Result<RowMatrix<T>> readRows(const RowSource& source, std::int64_t first, std::int64_t count) {
    RowMatrix<T> rows(count, source.cols());
    if (Result<void> done = source.read(first, count, rows.data()); !done) {
        return fail(done.error());
    }
    return rows;
}

Result<void> checkFinite(const RowSource& activations, const JobContext& ctx) {
    FirstError errors;
    const std::int64_t cols = activations.cols();
    parallelFor(activations.rows(),
                rowsPerChunk(cols),
                ctx,
                [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
                    std::vector<float> values(static_cast<std::size_t>((end - begin) * cols));
                    if (Result<void> done = activations.read(begin, end - begin, values.data());
                        !done) {
                        errors.report(chunk, done.error());
                        return;
                    }
                    const auto bad = std::find_if(
                        values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
                    if (bad != values.end()) {
                        const std::int64_t at = bad - values.begin();
                        errors.report(chunk,
                                      {ErrorCode::Invalid,
                                       "activations: NaN or infinite value at row " +
                                           std::to_string(begin + at / cols) + ", column " +
                                           std::to_string(at % cols),
                                       {},
                                       {}});
                    }
                });
    return errors.result();
}

/// product = x w', or product += x w'.
template <class T>
void multiply(const RowMatrix<T>& x, const RowMatrix<T>& w, bool add, RowMatrix<T>& product) {
    if constexpr (std::is_same_v<T, float>) {
        productKernels().timesTransposed(
            x.data(), x.rows(), w.data(), w.rows(), w.cols(), add, product.data());
    } else if (add) {
        product.noalias() += x * w.transpose();
    } else {
        product.noalias() = x * w.transpose();
    }
}

/// One block of tokens times one of outputs.
template <class T>
Squares blockSquares(const RowMatrix<T>& x,
                     const RowMatrix<T>* xError,
                     const RowMatrix<T>& xAfter,
                     const RowMatrix<T>& w,
                     const RowMatrix<T>& wError) {
    RowMatrix<T> product(x.rows(), w.rows());
    multiply<T>(x, w, false, product);
    Squares squares;
    squares.reference = product.template cast<double>().squaredNorm();
    multiply<T>(xAfter, wError, false, product);
    if (xError != nullptr) {
        multiply<T>(*xError, w, true, product);
    }
    squares.difference = product.template cast<double>().squaredNorm();
    return squares;
}

template <class T>
Result<double> relativeError(const LayerPair& layer, const JobContext& ctx) {
    constexpr std::int64_t kTokens = 256;
    constexpr std::int64_t kOutputs = 128;
    const bool same = &layer.activations == &layer.quantizedActivations;
    Squares total;
    for (std::int64_t token = 0; token < layer.activations.rows(); token += kTokens) {
        const std::int64_t tokens = std::min(kTokens, layer.activations.rows() - token);
        const Result<RowMatrix<T>> x = readRows<T>(layer.activations, token, tokens);
        const Result<RowMatrix<T>> after =
            same ? x : readRows<T>(layer.quantizedActivations, token, tokens);
        if (!x || !after) {
            return fail(x ? after.error() : x.error());
        }
        const RowMatrix<T> xError = same ? RowMatrix<T>() : RowMatrix<T>(*x - *after);
        const std::int64_t blocks = (layer.weights.rows() + kOutputs - 1) / kOutputs;
        std::vector<Squares> partials(static_cast<std::size_t>(blocks));
        FirstError errors;
        parallelFor(layer.weights.rows(),
                    kOutputs,
                    ctx,
                    [&](std::int64_t begin, std::int64_t end, std::int64_t block) {
                        const Result<RowMatrix<T>> w =
                            readRows<T>(layer.weights, begin, end - begin);
                        const Result<RowMatrix<T>> wAfter =
                            readRows<T>(layer.quantizedWeights, begin, end - begin);
                        if (!w || !wAfter) {
                            errors.report(block, w ? wAfter.error() : w.error());
                            return;
                        }
                        partials[static_cast<std::size_t>(block)] = blockSquares<T>(
                            *x, same ? nullptr : &xError, *after, *w, RowMatrix<T>(*w - *wAfter));
                    });
        if (errors.any()) {
            return fail(errors.result().error());
        }
        for (const Squares& partial : partials) {
            total.difference += partial.difference;
            total.reference += partial.reference;
        }
    }
    return std::sqrt(total.difference) / std::sqrt(total.reference);
}

}  // namespace

Result<double> outputRelativeError(const LayerPair& layer, const JobContext& ctx) {
    if (Result<void> finite = checkFinite(layer.activations, ctx); !finite) {
        return fail(finite.error());
    }
    // Small layers (teaching matrices) exactly; large ones in float, which is what their weights
    // are.
    constexpr double kSmall = 1 << 26;
    const double work = static_cast<double>(layer.activations.rows()) *
                        static_cast<double>(layer.weights.rows()) *
                        static_cast<double>(layer.weights.cols());
    const bool precise = work <= kSmall || layer.weights.isDouble() || layer.activations.isDouble();
    return precise ? relativeError<double>(layer, ctx) : relativeError<float>(layer, ctx);
}

}  // namespace loupe
