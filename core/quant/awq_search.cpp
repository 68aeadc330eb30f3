// SPDX-License-Identifier: Apache-2.0
// AWQ's two searches: the exponent of the channel scale, and how far each group is clipped.
#include "core/base/worker_pool.hpp"
#include "core/quant/awq.hpp"
#include "core/quant/awq_kernels.hpp"
#include "core/quant/awq_panels.hpp"
#include "core/quant/first_error.hpp"
#include "core/quant/output_loss.hpp"
#include "core/quant/range_search.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace loupe {

namespace {

constexpr std::int64_t kRows = 128;  ///< weights' rows at a time: fixed, for the order of the sums

std::int64_t groupCount(const UniformSpec& spec, std::int64_t cols) {
    return (cols + spec.group - 1) / spec.group;
}

/// out = w·s with its extent.
template <class T>
GroupExtent<T> scaleGroup(const T* w, const T* s, std::int64_t count, T* out) {
    GroupExtent<T> extent;
    if constexpr (std::is_same_v<T, float>) {
        awqKernels().scale(w, s, count, out, &extent.min, &extent.max);
    } else {
        std::transform(w, w + count, s, out, std::multiplies<>());
        extent = {*std::min_element(out, out + count), *std::max_element(out, out + count)};
    }
    return extent;
}

/// out = w^ - w on one grid of w·s, in original coordinates.
template <class T>
void errorsOnGrid(const UniformSpec& spec,
                  const UniformGrid<T>& grid,
                  const T* w,
                  const T* scaled,
                  const T* s,
                  std::int64_t count,
                  T* out) {
    if constexpr (std::is_same_v<T, float>) {
        const auto low = static_cast<float>(spec.codeMin() - grid.zeroPoint);
        const auto high = static_cast<float>(spec.codeMax() - grid.zeroPoint);
        awqKernels().errors(w, scaled, s, count, grid.scale, low, high, out);
    } else {
        for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t code = codeOf(spec, grid.scale, grid.zeroPoint, scaled[i]);
            out[i] = grid.scale * static_cast<T>(code - grid.zeroPoint) / s[i] - w[i];
        }
    }
}

template <class T>
std::vector<T> inPrecision(const std::vector<double>& values) {
    std::vector<T> out(values.size());
    std::transform(
        values.begin(), values.end(), out.begin(), [](double x) { return static_cast<T>(x); });
    return out;
}

/// Errors as the products take them: in place, or widened.
template <class T, class C>
MatrixView<const C> asProduct(const Matrix<T>& errors, std::int64_t rows, Matrix<C>& wide) {
    if constexpr (std::is_same_v<T, C>) {
        return {errors.data(), rows, errors.cols()};
    } else {
        if (wide.size() != errors.size()) {
            wide = Matrix<C>(errors.rows(), errors.cols());
        }
        std::transform(errors.data(), errors.data() + rows * errors.cols(), wide.data(), [](T x) {
            return static_cast<C>(x);
        });
        return {wide.data(), rows, errors.cols()};
    }
}

/// Reports progress in weights: `shares` calls of tick() for a row add up to the row's weights.
struct Ticker {
    const JobContext& ctx;
    std::int64_t cols;
    std::int64_t shares;
    void tick(std::int64_t share, std::int64_t rows) const {
        const std::int64_t weights = rows * cols;
        ctx.advance(
            static_cast<std::uint64_t>((share + 1) * weights / shares - share * weights / shares));
    }
};

/// T: the weights' precision. C: that of the products, double for small layers.
template <class T, class C>
class Searcher {
public:
    Searcher(const StepInput& input, const UniformSpec& spec, const JobContext& ctx)
        : weights_(*input.weights),
          activations_(*input.activations),
          spec_(spec),
          ctx_(ctx),
          tokens_(input.calibrationRows > 0 ? std::min(input.calibrationRows, activations_.rows())
                                            : activations_.rows()),
          cols_(weights_.cols()),
          groups_(groupCount(spec, cols_)) {}

    Result<AwqSearch> searchScale(std::int64_t gridPoints, AwqCurve curve, const Ticker& ticker) {
        AwqSearch search;
        if (Result<void> done = meanMagnitude(search); !done) {
            return fail(done.error());
        }
        for (std::int64_t k = 0; k < gridPoints; ++k) {
            search.ratios.push_back(static_cast<double>(k) / static_cast<double>(gridPoints));
            search.scales.push_back(scaleFor(search.meanMagnitude, search.ratios.back()));
        }
        std::vector<std::vector<T>> scales;
        for (const std::vector<double>& scale : search.scales) {
            scales.push_back(inPrecision<T>(scale));
        }
        const Result<std::vector<double>> sums = squaredErrors(scales, curve, ticker);
        if (!sums) {
            return fail(sums.error());
        }
        const double outputs = static_cast<double>(weights_.rows()) * static_cast<double>(tokens_);
        for (const double sum : *sums) {
            search.losses.push_back(outputs > 0 ? sum / outputs : 0);
        }
        search.best = static_cast<std::size_t>(std::min_element(sums->begin(), sums->end()) -
                                               sums->begin());
        return search;
    }

    Result<AwqClip> searchClip(const std::vector<double>& scale, const Ticker& ticker) {
        constexpr std::int64_t kTokens = 512;  // about as many: every T/512-th
        const Result<Matrix<C>> x = readTokens<C>(
            activations_, tokens_, std::max<std::int64_t>(tokens_ / kTokens, 1), ctx_);
        if (!x) {
            return fail(x.error());
        }
        const std::vector<Matrix<C>> grams = groupGrams(*x);
        const std::vector<T> s = inPrecision<T>(scale);
        AwqClip clip;
        clip.shrinks.resize(static_cast<std::size_t>(weights_.rows() * groups_));
        clip.intervals.resize(clip.shrinks.size());
        FirstError errors;
        parallelFor(weights_.rows(),
                    kRows,
                    ctx_,
                    [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
                        Matrix<T> w(end - begin, cols_);
                        if (Result<void> done = weights_.read(begin, end - begin, w.data());
                            !done) {
                            errors.report(chunk, done.error());
                            return;
                        }
                        for (std::int64_t g = 0; g < groups_; ++g) {
                            ctx_.checkpoint();
                            clipGroup(w, begin, g, s, grams[static_cast<std::size_t>(g)], clip);
                            ticker.tick(g, end - begin);
                        }
                    });
        if (errors.any()) {
            return fail(errors.result().error());
        }
        return clip;
    }

private:
    Result<void> meanMagnitude(AwqSearch& search) {
        std::vector<double> row(static_cast<std::size_t>(cols_));
        search.meanMagnitude.assign(row.size(), 0.0);
        for (std::int64_t t = 0; t < tokens_; ++t) {
            ctx_.checkpoint();
            if (Result<void> done = activations_.read(t, 1, row.data()); !done) {
                return done;
            }
            for (std::size_t j = 0; j < row.size(); ++j) {
                search.meanMagnitude[j] += std::fabs(row[j]);
            }
        }
        for (double& mean : search.meanMagnitude) {
            mean /= static_cast<double>(std::max<std::int64_t>(tokens_, 1));
        }
        return {};
    }

    static std::vector<double> scaleFor(const std::vector<double>& magnitude, double ratio) {
        std::vector<double> s(magnitude.size());
        double least = std::numeric_limits<double>::infinity();
        double most = 0;
        for (std::size_t j = 0; j < s.size(); ++j) {
            s[j] = std::max(std::pow(magnitude[j], ratio), kAwqLeastScale);
            least = std::min(least, s[j]);
            most = std::max(most, s[j]);
        }
        const double norm = std::sqrt(most) * std::sqrt(least);
        for (double& value : s) {
            value = static_cast<double>(static_cast<T>(value / norm));
        }
        return s;
    }

    /// |X (W^ - W)'|² of every ratio, or the least of them.
    Result<std::vector<double>> squaredErrors(const std::vector<std::vector<T>>& scales,
                                              AwqCurve curve,
                                              const Ticker& ticker) {
        if constexpr (std::is_same_v<T, float> && std::is_same_v<C, float>) {
            if (panelKernels().fused) {
                return throughPanels(scales, curve, ticker);
            }
        }
        const Result<OutputLoss<C>> loss =
            OutputLoss<C>::make(activations_, tokens_, ctx_.withoutProgress());
        if (!loss) {
            return fail(loss.error());
        }
        const std::int64_t chunks = (weights_.rows() + kRows - 1) / kRows;
        std::vector<std::vector<double>> parts(static_cast<std::size_t>(chunks));
        FirstError failed;
        parallelFor(weights_.rows(),
                    kRows,
                    ctx_,
                    [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
                        Matrix<T> w(end - begin, cols_);
                        Matrix<T> errors(end - begin, cols_);
                        Matrix<C> wide;
                        if (Result<void> done = weights_.read(begin, end - begin, w.data());
                            !done) {
                            failed.report(chunk, done.error());
                            return;
                        }
                        for (std::size_t k = 0; k < scales.size(); ++k) {
                            ctx_.checkpoint();
                            quantizationErrors(w, scales[k], errors);
                            parts[static_cast<std::size_t>(chunk)].push_back(
                                loss->squared(asProduct<T, C>(errors, end - begin, wide), ctx_));
                            ticker.tick(static_cast<std::int64_t>(k), end - begin);
                        }
                    });
        if (failed.any()) {
            return fail(failed.result().error());
        }
        std::vector<double> sums(scales.size(), 0.0);
        for (const std::vector<double>& part : parts) {
            std::transform(part.begin(), part.end(), sums.begin(), sums.begin(), std::plus<>());
        }
        return sums;
    }

    Result<std::vector<double>> throughPanels(const std::vector<std::vector<float>>& scales,
                                              AwqCurve curve,
                                              const Ticker& ticker) {
        const auto rows = weights_.rows() * static_cast<std::int64_t>(scales.size());
        const Result<PanelLoss> loss =
            PanelLoss::make(activations_, tokens_, rows, ctx_.withoutProgress());
        if (!loss) {
            return fail(loss.error());
        }
        AwqPanels panels(weights_, spec_, scales, *loss, ctx_);
        const auto told = [&](std::int64_t ratio, std::int64_t done) { ticker.tick(ratio, done); };
        return curve == AwqCurve::Whole ? panels.all(told) : panels.least(told);
    }

    void quantizationErrors(const Matrix<T>& w, const std::vector<T>& s, Matrix<T>& errors) const {
        std::vector<T> scaled(static_cast<std::size_t>(std::min(spec_.group, cols_)));
        for (std::int64_t row = 0; row < w.rows(); ++row) {
            for (std::int64_t col = 0; col < cols_; col += spec_.group) {
                const std::int64_t count = std::min(spec_.group, cols_ - col);
                const T* from = w.row(row).data() + col;
                const GroupExtent<T> extent =
                    scaleGroup(from, s.data() + col, count, scaled.data());
                const auto [low, high] = intervalFor(spec_, extent, extent.absmax());
                errorsOnGrid(spec_,
                             gridFor(spec_, low, high),
                             from,
                             scaled.data(),
                             s.data() + col,
                             count,
                             errors.row(row).data() + col);
            }
        }
    }

    /// X_g'X_g of each group of inputs, summed in double.
    std::vector<Matrix<C>> groupGrams(const Matrix<C>& x) const {
        std::vector<Matrix<C>> grams(static_cast<std::size_t>(groups_));
        parallelFor(groups_, 1, ctx_, [&](std::int64_t g, std::int64_t, std::int64_t) {
            const std::int64_t first = g * spec_.group;
            const std::int64_t width = std::min(spec_.group, cols_ - first);
            Matrix<double> transposed(width, x.rows());
            for (std::int64_t t = 0; t < x.rows(); ++t) {
                for (std::int64_t j = 0; j < width; ++j) {
                    transposed(j, t) = static_cast<double>(x(t, first + j));
                }
            }
            ctx_.checkpoint();
            Matrix<double> gram(width, width);
            multiplyTransposed<double>(transposed.view(), transposed.view(), gram.data());
            Matrix<C>& out = grams[static_cast<std::size_t>(g)];
            out = Matrix<C>(width, width);
            std::transform(gram.data(), gram.data() + gram.size(), out.data(), [](double v) {
                return static_cast<C>(v);
            });
        });
        return grams;
    }

    /// The best of the ten bounds for one group of each of some rows.
    void clipGroup(const Matrix<T>& w,
                   std::int64_t firstRow,
                   std::int64_t g,
                   const std::vector<T>& s,
                   const Matrix<C>& gram,
                   AwqClip& clip) const {
        const std::int64_t first = g * spec_.group;
        const std::int64_t width = gram.rows();
        Matrix<T> scaled(w.rows(), width);
        Matrix<T> errors(w.rows(), width);
        Matrix<C> wide;
        Matrix<C> product(w.rows(), width);
        std::vector<GroupExtent<T>> extents;
        for (std::int64_t row = 0; row < w.rows(); ++row) {
            extents.push_back(scaleGroup(
                w.row(row).data() + first, s.data() + first, width, scaled.row(row).data()));
        }
        std::vector<double> best(extents.size(), std::numeric_limits<double>::infinity());
        for (int shrink = 0; shrink < kAwqShrinks; ++shrink) {
            std::vector<std::pair<double, double>> intervals;
            for (std::int64_t row = 0; row < w.rows(); ++row) {
                const GroupExtent<T>& extent = extents[static_cast<std::size_t>(row)];
                const T bound = static_cast<T>(static_cast<double>(extent.absmax()) *
                                               (1 - static_cast<double>(shrink) / kAwqShrinkGrid));
                const auto [low, high] = intervalFor(spec_, extent, bound);
                intervals.emplace_back(low, high);
                errorsOnGrid(spec_,
                             gridFor(spec_, low, high),
                             w.row(row).data() + first,
                             scaled.row(row).data(),
                             s.data() + first,
                             width,
                             errors.row(row).data());
            }
            const MatrixView<const C> e = asProduct<T, C>(errors, w.rows(), wide);
            multiplyTransposed<C>(e, gram.view(), product.data());
            for (std::int64_t row = 0; row < w.rows(); ++row) {
                double loss = 0;
                for (std::int64_t j = 0; j < width; ++j) {
                    loss += static_cast<double>(e(row, j)) * static_cast<double>(product(row, j));
                }
                const auto at = static_cast<std::size_t>(row);
                if (loss < best[at]) {
                    best[at] = loss;
                    const auto place = static_cast<std::size_t>((firstRow + row) * groups_ + g);
                    clip.shrinks[place] = static_cast<std::uint8_t>(shrink);
                    clip.intervals[place] = intervals[at];
                }
            }
        }
    }

    const RowSource& weights_;
    const RowSource& activations_;
    const UniformSpec& spec_;
    const JobContext& ctx_;
    std::int64_t tokens_;
    std::int64_t cols_;
    std::int64_t groups_;
};

template <class T, class C>
Result<AwqResult> searchAs(const StepInput& input,
                           const UniformSpec& spec,
                           std::int64_t gridPoints,
                           bool clip,
                           AwqCurve curve,
                           const JobContext& ctx) {
    AwqResult result;
    Searcher<T, C> searcher(input, spec, ctx);
    // Where it clips, the two searches share the step's progress: about 4 to 1.
    const std::int64_t clipShares = clip ? groupCount(spec, input.weights->cols()) : 0;
    Result<AwqSearch> search = searcher.searchScale(
        gridPoints,
        curve,
        {ctx, input.weights->cols(), clip ? gridPoints + (gridPoints + 3) / 4 : gridPoints});
    if (!search) {
        return fail(search.error());
    }
    result.search = std::move(*search);
    result.scale =
        std::make_shared<const std::vector<double>>(result.search.scales[result.search.best]);
    auto scaled = std::make_shared<ScaledRows>(input.weights, result.scale, false);
    if (!clip) {
        auto inner = makeUniform(std::move(scaled), spec, ctx.withoutProgress(), false);
        if (!inner) {
            return fail(inner.error());
        }
        result.inner = std::move(*inner);
        return result;
    }
    Result<AwqClip> clipped = searcher.searchClip(
        *result.scale, {ctx, input.weights->cols(), 5 * std::max<std::int64_t>(clipShares, 1)});
    if (!clipped) {
        return fail(clipped.error());
    }
    result.clip = std::move(*clipped);
    UniformSpec clipSpec = spec;
    clipSpec.clip = ClipRule::Mse;  // the bounds were searched for
    auto inner = std::make_shared<UniformMatrix>(std::move(scaled), clipSpec);
    inner->layGrids(result.clip.intervals);
    result.inner = std::move(inner);
    return result;
}

}  // namespace

Result<AwqResult> searchAwq(const StepInput& input,
                            const UniformSpec& spec,
                            std::int64_t gridPoints,
                            bool clip,
                            AwqCurve curve,
                            const JobContext& ctx) {
    // Names what is not finite before anything is searched.
    if (const auto plain = makeUniform(input.weights, spec, ctx.withoutProgress(), false); !plain) {
        return fail(plain.error());
    }
    constexpr double kSmall = 1 << 26;  // teaching layers exactly
    const double work = static_cast<double>(input.activations->rows()) *
                        static_cast<double>(input.weights->rows()) *
                        static_cast<double>(input.weights->cols());
    if (input.weights->isDouble()) {
        return searchAs<double, double>(input, spec, gridPoints, clip, curve, ctx);
    }
    return work <= kSmall ? searchAs<float, double>(input, spec, gridPoints, clip, curve, ctx)
                          : searchAs<float, float>(input, spec, gridPoints, clip, curve, ctx);
}

}  // namespace loupe
