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

/// Does a float product say how large the outputs are? Not where sums left the range of FP32, or
/// their terms may have.
bool productFits(const RowMatrix<float>& product) {
    constexpr float kLeast = 0x1p-70F;
    return product.size() == 0 || (product.allFinite() && product.cwiseAbs().maxCoeff() >= kLeast);
}

/// A block of tokens before and after; xError is their difference, or null where they are the same.
template <class T>
struct TokenBlock {
    const RowMatrix<T>& x;
    const RowMatrix<T>* xError;
    const RowMatrix<T>& xAfter;
};

/// Adds the squares of each row of a product to `tokens` and of each column to `channels`.
template <class T>
void addSquares(const RowMatrix<T>& product, double* tokens, double* channels) {
    for (std::int64_t t = 0; t < product.rows(); ++t) {
        const T* const row = product.data() + t * product.cols();
        double sum = 0;
        for (std::int64_t o = 0; o < product.cols(); ++o) {
            const double square = static_cast<double>(row[o]) * static_cast<double>(row[o]);
            channels[o] += square;
            sum += square;
        }
        tokens[t] += sum;
    }
}

/// Squares of the tokens at hand, summed over one block of outputs.
struct TokenSquares {
    std::vector<double> error;
    std::vector<double> reference;
};

template <class T>
class OutputMeasurer {
public:
    OutputMeasurer(const LayerPair& layer, const JobContext& ctx) : layer_(layer), ctx_(ctx) {
        const auto outputs = static_cast<std::size_t>(layer.weights.rows());
        const auto tokens = static_cast<std::size_t>(layer.activations.rows());
        all_.channelSquaredError.assign(outputs, 0.0);
        all_.channelSquaredReference.assign(outputs, 0.0);
        all_.tokenSquaredError.assign(tokens, 0.0);
        all_.tokenSquaredReference.assign(tokens, 0.0);
    }

    Result<OutputErrors> run() {
        constexpr std::int64_t kTokens = 256;
        const bool same = &layer_.activations == &layer_.quantizedActivations;
        for (std::int64_t token = 0; token < layer_.activations.rows(); token += kTokens) {
            const std::int64_t tokens = std::min(kTokens, layer_.activations.rows() - token);
            const Result<RowMatrix<T>> x = readRows<T>(layer_.activations, token, tokens);
            const Result<RowMatrix<T>> after =
                same ? x : readRows<T>(layer_.quantizedActivations, token, tokens);
            if (!x || !after) {
                return fail(x ? after.error() : x.error());
            }
            const RowMatrix<T> xError = same ? RowMatrix<T>() : RowMatrix<T>(*x - *after);
            if (Result<void> done = addTokens(token, {*x, same ? nullptr : &xError, *after});
                !done) {
                return fail(done.error());
            }
        }
        for (std::size_t token = 0; token < all_.tokenSquaredError.size(); ++token) {
            all_.squaredError += all_.tokenSquaredError[token];
            all_.squaredReference += all_.tokenSquaredReference[token];
        }
        return std::move(all_);
    }

private:
    static constexpr std::int64_t kOutputs = 128;

    Result<void> addTokens(std::int64_t first, const TokenBlock<T>& block) {
        const std::int64_t blocks = (layer_.weights.rows() + kOutputs - 1) / kOutputs;
        std::vector<TokenSquares> partials(static_cast<std::size_t>(blocks));
        FirstError errors;
        parallelFor(layer_.weights.rows(),
                    kOutputs,
                    ctx_,
                    [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
                        if (Result<void> done = addOutputs(
                                begin, end, block, partials[static_cast<std::size_t>(chunk)]);
                            !done) {
                            errors.report(chunk, done.error());
                        }
                    });
        if (errors.any()) {
            return errors.result();
        }
        for (const TokenSquares& partial : partials) {
            for (std::size_t t = 0; t < partial.error.size(); ++t) {
                const std::size_t token = static_cast<std::size_t>(first) + t;
                all_.tokenSquaredError[token] += partial.error[t];
                all_.tokenSquaredReference[token] += partial.reference[t];
            }
        }
        return {};
    }

    /// A block of tokens times outputs [begin, end): channels are this block's alone.
    Result<void> addOutputs(std::int64_t begin,
                            std::int64_t end,
                            const TokenBlock<T>& block,
                            TokenSquares& tokens) {
        const Result<RowMatrix<T>> w = readRows<T>(layer_.weights, begin, end - begin);
        const Result<RowMatrix<T>> wAfter =
            readRows<T>(layer_.quantizedWeights, begin, end - begin);
        if (!w || !wAfter) {
            return fail(w ? wAfter.error() : w.error());
        }
        tokens.error.assign(static_cast<std::size_t>(block.x.rows()), 0.0);
        tokens.reference.assign(static_cast<std::size_t>(block.x.rows()), 0.0);
        addProducts(block.x,
                    *w,
                    nullptr,
                    *w,
                    tokens.reference.data(),
                    all_.channelSquaredReference.data() + begin);
        addProducts(block.xAfter,
                    RowMatrix<T>(*w - *wAfter),
                    block.xError,
                    *w,
                    tokens.error.data(),
                    all_.channelSquaredError.data() + begin);
        return {};
    }

    /// The squares of x w' + moreX moreW' (moreX may be null). Products of float matrices that
    /// float has no range for are worked out in double.
    static void addProducts(const RowMatrix<T>& x,
                            const RowMatrix<T>& w,
                            const RowMatrix<T>* moreX,
                            const RowMatrix<T>& moreW,
                            double* tokens,
                            double* channels) {
        RowMatrix<T> product(x.rows(), w.rows());
        multiply<T>(x, w, false, product);
        if (moreX != nullptr) {
            multiply<T>(*moreX, moreW, true, product);
        }
        if constexpr (std::is_same_v<T, float>) {
            if (!productFits(product)) {
                const bool nothing = w.isZero(0) || x.isZero(0);
                const bool nothingMore = moreX == nullptr || moreX->isZero(0) || moreW.isZero(0);
                if (nothing && nothingMore) {
                    return;
                }
                RowMatrix<double> wide(x.rows(), w.rows());
                multiply<double>(x.template cast<double>(), w.template cast<double>(), false, wide);
                if (!nothingMore) {
                    multiply<double>(
                        moreX->template cast<double>(), moreW.template cast<double>(), true, wide);
                }
                addSquares<double>(wide, tokens, channels);
                return;
            }
        }
        addSquares<T>(product, tokens, channels);
    }

    const LayerPair& layer_;
    const JobContext& ctx_;
    OutputErrors all_;
};

std::vector<double> relativeErrors(const std::vector<double>& error,
                                   const std::vector<double>& reference) {
    std::vector<double> relative(error.size());
    for (std::size_t i = 0; i < error.size(); ++i) {
        relative[i] = std::sqrt(error[i]) / std::sqrt(reference[i]);
    }
    return relative;
}

}  // namespace

double OutputErrors::relative() const {
    return std::sqrt(squaredError) / std::sqrt(squaredReference);
}

double OutputErrors::sqnrDb() const {
    return 10 * std::log10(squaredReference / squaredError);
}

std::vector<double> OutputErrors::channels() const {
    return relativeErrors(channelSquaredError, channelSquaredReference);
}

std::vector<double> OutputErrors::tokens() const {
    return relativeErrors(tokenSquaredError, tokenSquaredReference);
}

Result<OutputErrors> outputErrors(const LayerPair& layer, const JobContext& ctx) {
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
    return precise ? OutputMeasurer<double>(layer, ctx).run()
                   : OutputMeasurer<float>(layer, ctx).run();
}

Result<double> outputRelativeError(const LayerPair& layer, const JobContext& ctx) {
    const Result<OutputErrors> errors = outputErrors(layer, ctx);
    return errors ? Result<double>(errors->relative()) : fail(errors.error());
}

}  // namespace loupe
