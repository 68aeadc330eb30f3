// SPDX-License-Identifier: Apache-2.0
// The column sweep of GPTQ. The working copy of W lies transposed, a column of W in a row of
// memory: sixteen rows of W are then the lanes of vectors, and the product that pushes a block's
// errors on needs no packing of its own.
#include "core/quant/gptq_sweep.hpp"

#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/linalg/dense.hpp"
#include "core/quant/finite_rows.hpp"
#include "core/quant/first_error.hpp"
#include "core/quant/sweep_kernels.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <type_traits>

namespace loupe {

namespace {

constexpr std::int64_t kTaskRows = 4 * kSweepRows;

void runKernel(const SweepStrip<float>& strip) {
    sweepKernels().sweepF32(strip);
}
void runKernel(const SweepStrip<double>& strip) {
    sweepKernels().sweepF64(strip);
}

/// T computes, V is the precision of weights, scales and results.
template <class T, class V>
class Sweep {
public:
    Sweep(const RowSource& source,
          const BitMask* mask,
          const HessianFactor<T>& factor,
          const SweepSpec& spec,
          SweepObserver<T>* observer,
          const JobContext& ctx)
        : source_(source),
          mask_(mask),
          factor_(factor),
          spec_(spec),
          observer_(observer),
          ctx_(ctx),
          rows_(source.rows()),
          cols_(source.cols()),
          stride_((rows_ + kSweepRows - 1) / kSweepRows * kSweepRows),
          group_(spec.group > 0 ? std::min(spec.group, std::max<std::int64_t>(cols_, 1))
                                : std::max<std::int64_t>(cols_, 1)),
          groups_((cols_ + group_ - 1) / group_),
          stretch_(stretchOf(spec, groups_, group_)),
          work_(cols_, stride_),
          errors_(std::min(stretch_, std::max<std::int64_t>(cols_, 1)), stride_),
          scales_(groups_, stride_),
          zeros_(groups_, stride_) {}

    Result<GptqSweepResult> run() {
        result_.codes.resize(static_cast<std::size_t>(rows_ * cols_));
        result_.rounded.resize(static_cast<std::size_t>(rows_ * cols_));
        placeOf_.resize(static_cast<std::size_t>(cols_));
        for (std::int64_t place = 0; place < cols_; ++place) {
            placeOf_[static_cast<std::size_t>(columnAt(place))] = place;
        }
        std::fill_n(scales_.data(), scales_.size(), T(1));
        if (Result<void> loaded = load(); !loaded) {
            return fail(loaded.error());
        }
        if (observer_ != nullptr) {
            observer_->begin(byPlace(), factor_);
        }
        for (std::int64_t first = 0; first < cols_; first += spec_.block) {
            const std::int64_t width = std::min(spec_.block, cols_ - first);
            sweepBlock(first, width);
            push(first, width);
            ctx_.advance(
                static_cast<std::uint64_t>(width * rows_ / 2));  // the other half: Hessian, factor
        }
        fillGrids();
        return std::move(result_);
    }

private:
    /// Buffers of one strip of rows.
    struct Strip {
        std::vector<T> weights, values, errors;
        std::vector<std::int8_t> codes;
        std::vector<std::uint8_t> kept;
        std::vector<const T*> scales, zeros;
        std::array<double, kSweepRows> losses{};
    };

    [[nodiscard]] std::int64_t columnAt(std::int64_t place) const {
        return factor_.permutation[static_cast<std::size_t>(place)];
    }
    /// The group whose scale a place uses: static groups are runs of columns, dynamic ones of
    /// places.
    [[nodiscard]] std::int64_t groupAt(std::int64_t place) const {
        return (spec_.staticGroups ? columnAt(place) : place) / group_;
    }
    [[nodiscard]] bool scalesFirst() const { return spec_.staticGroups || groups_ == 1; }

    /// Rows of the source become columns of work_; dead inputs are zero.
    Result<void> load() {
        FirstError errors;
        const auto loadRows = [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
            std::vector<V> values;
            if (Result<void> done = readFinite<V>(source_, begin, end - begin, values); !done) {
                errors.report(chunk, done.error());
                return;
            }
            constexpr std::int64_t kSide = 16;
            for (std::int64_t col = 0; col < cols_; col += kSide) {
                const std::int64_t last = std::min(cols_, col + kSide);
                for (std::int64_t row = begin; row < end; ++row) {
                    const V* const from = values.data() + (row - begin) * cols_;
                    for (std::int64_t c = col; c < last; ++c) {
                        work_(placeOf_[static_cast<std::size_t>(c)], row) = static_cast<T>(from[c]);
                    }
                }
            }
            for (std::int64_t place = 0; place < cols_; ++place) {
                if (factor_.dead[static_cast<std::size_t>(place)] != 0) {
                    std::fill(&work_(place, begin), &work_(place, begin) + (end - begin), T(0));
                }
            }
            if (scalesFirst()) {
                for (std::int64_t group = 0; group < groups_; ++group) {
                    layGrids(group, group * group_, begin, end, spec_.staticGroups);
                }
            }
        };
        parallelFor(rows_, kTaskRows, ctx_, loadRows);
        return errors.result();
    }

    /// Grids of the rows [begin, end) of a group that begins at `first`: a place, or a column.
    void layGrids(std::int64_t group,
                  std::int64_t first,
                  std::int64_t begin,
                  std::int64_t end,
                  bool natural) {
        const std::int64_t count = end - begin;
        std::array<T, kTaskRows> low{};  // 0 is forced into the range
        std::array<T, kTaskRows> high{};
        for (std::int64_t k = first; k < std::min(first + group_, cols_); ++k) {
            const std::int64_t place = natural ? placeOf_[static_cast<std::size_t>(k)] : k;
            const T* const values = &work_(place, begin);
            for (std::int64_t r = 0; r < count; ++r) {
                const auto at = static_cast<std::size_t>(r);
                low[at] = values[r] < low[at] ? values[r] : low[at];
                high[at] = values[r] > high[at] ? values[r] : high[at];
            }
        }
        for (std::int64_t r = 0; r < count; ++r) {
            const auto at = static_cast<std::size_t>(r);
            const T absmax = std::max(-low[at], high[at]);
            const UniformGrid<V> grid =
                spec_.grid.asymmetric
                    ? gridFor<V>(spec_.grid, static_cast<V>(low[at]), static_cast<V>(high[at]))
                    : gridFor<V>(spec_.grid, static_cast<V>(-absmax), static_cast<V>(absmax));
            scales_(group, begin + r) = static_cast<T>(grid.scale);
            zeros_(group, begin + r) = static_cast<T>(grid.zeroPoint);
        }
    }

    void sweepBlock(std::int64_t first, std::int64_t width) {
        std::vector<double> losses(static_cast<std::size_t>(stride_ / kSweepRows));
        std::vector<Strip> watched(observer_ != nullptr ? losses.size() : 0);
        parallelFor(
            rows_, kTaskRows, ctx_, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
                if (!scalesFirst()) {
                    const std::int64_t from = (first + group_ - 1) / group_ * group_;
                    for (std::int64_t at = from; at < first + width; at += group_) {
                        layGrids(at / group_, at, begin, end, false);
                    }
                }
                Strip own;
                for (std::int64_t row = begin; row < end; row += kSweepRows) {
                    const auto index = static_cast<std::size_t>(row / kSweepRows);
                    Strip& strip = observer_ != nullptr ? watched[index] : own;
                    fetch(strip, row, first, width);
                    if (observer_ == nullptr) {
                        process(strip, first, width, 0, width);
                        keep(strip, row, first, width);
                        losses[index] = lossOf(strip);
                    }
                }
            });
        if (observer_ != nullptr) {
            observe(watched, first, width);
            std::transform(watched.begin(), watched.end(), losses.begin(), lossOf);
        }
        result_.loss = std::accumulate(losses.begin(), losses.end(), result_.loss);
    }

    /// The same, a column of all strips at a time, shown to the observer.
    void observe(std::vector<Strip>& strips, std::int64_t first, std::int64_t width) {
        for (std::int64_t i = 0; i < width; ++i) {
            ctx_.checkpoint();
            for (Strip& strip : strips) {
                process(strip, first, width, i, i + 1);
            }
            show(strips, first, width, i);
        }
        for (std::size_t k = 0; k < strips.size(); ++k) {
            keep(strips[k], static_cast<std::int64_t>(k) * kSweepRows, first, width);
        }
    }

    void fetch(Strip& strip, std::int64_t row, std::int64_t first, std::int64_t width) {
        const auto size = static_cast<std::size_t>(width * kSweepRows);
        strip.weights.resize(size);
        strip.values.resize(size);
        strip.errors.resize(size);
        strip.codes.resize(size);
        strip.scales.resize(static_cast<std::size_t>(width));
        strip.zeros.resize(static_cast<std::size_t>(width));
        strip.losses.fill(0);
        for (std::int64_t j = 0; j < width; ++j) {
            const T* const from = &work_(first + j, row);
            std::copy(from, from + kSweepRows, strip.weights.data() + j * kSweepRows);
            const std::int64_t group = groupAt(first + j);
            strip.scales[static_cast<std::size_t>(j)] = &scales_(group, row);
            strip.zeros[static_cast<std::size_t>(j)] = &zeros_(group, row);
        }
        if (mask_ != nullptr) {
            strip.kept.assign(size, 1);
            for (std::int64_t j = 0; j < width; ++j) {
                for (std::int64_t r = 0; r < std::min(kSweepRows, rows_ - row); ++r) {
                    strip.kept[static_cast<std::size_t>(j * kSweepRows + r)] =
                        mask_->kept(row + r, columnAt(first + j)) ? 1 : 0;
                }
            }
        }
    }

    void process(
        Strip& strip, std::int64_t first, std::int64_t width, std::int64_t from, std::int64_t to) {
        SweepStrip<T> block;
        block.weights = strip.weights.data();
        block.values = strip.values.data();
        block.errors = strip.errors.data();
        block.codes = strip.codes.data();
        block.kept = strip.kept.empty() ? nullptr : strip.kept.data();
        block.factor = &factor_.upper(first, first);
        block.factorStride = factor_.upper.cols();
        block.width = width;
        block.first = from;
        block.last = to;
        block.scales = strip.scales.data();
        block.zeroPoints = strip.zeros.data();
        block.codeLow = static_cast<T>(spec_.grid.codeMin());
        block.codeHigh = static_cast<T>(spec_.grid.codeMax());
        block.floatValues = !std::is_same_v<T, V>;
        block.losses = strip.losses.data();
        runKernel(block);
    }

    static double lossOf(const Strip& strip) {
        double sum = 0;
        for (const double loss : strip.losses) {
            sum += loss;
        }
        return sum / 2;
    }

    /// Errors for the product, codes and rounded values for the result.
    void keep(const Strip& strip, std::int64_t row, std::int64_t first, std::int64_t width) {
        for (std::int64_t j = 0; j < width; ++j) {
            const T* const from = strip.errors.data() + j * kSweepRows;
            std::copy(from, from + kSweepRows, &errors_(first % stretch_ + j, row));
        }
        for (std::int64_t r = 0; r < std::min(kSweepRows, rows_ - row); ++r) {
            std::int8_t* const codes = result_.codes.data() + (row + r) * cols_;
            float* const rounded = result_.rounded.data() + (row + r) * cols_;
            for (std::int64_t j = 0; j < width; ++j) {
                const std::int64_t column = columnAt(first + j);
                const auto at = static_cast<std::size_t>(j * kSweepRows + r);
                codes[column] = strip.codes[at];
                rounded[column] = static_cast<float>(strip.weights[at]);
            }
        }
    }

    /// Columns whose errors reach those behind them in one product: some blocks, as long as no
    /// group's scale would miss an update.
    static std::int64_t stretchOf(const SweepSpec& spec, std::int64_t groups, std::int64_t group) {
        constexpr std::int64_t kLong = 512;
        const std::int64_t stretch = std::max<std::int64_t>(kLong / spec.block, 1) * spec.block;
        const bool fixed = spec.staticGroups || groups == 1;
        return fixed || stretch % group == 0 ? stretch : spec.block;
    }

    /// The errors of a finished block on the rest of its stretch, or those of a finished stretch on
    /// all columns behind it.
    void push(std::int64_t first, std::int64_t width) {
        const std::int64_t next = first + width;
        const std::int64_t start = first / stretch_ * stretch_;
        const std::int64_t end = std::min(start + stretch_, cols_);
        if (next < end) {
            pushOn(first, next, end);
        } else if (next < cols_) {
            pushOn(start, next, cols_);
        }
    }

    /// Errors of the places [from, next) on those in [next, end).
    void pushOn(std::int64_t from, std::int64_t next, std::int64_t end) {
        const Matrix<T>& upper = factor_.upper;
        multiply<T>(T(-1),
                    {&upper(from, 0) + next, next - from, end - next, upper.cols()},
                    Op::Transposed,
                    {&errors_(from % stretch_, 0), next - from, stride_, stride_},
                    Op::Plain,
                    T(1),
                    {&work_(next, 0), end - next, stride_, stride_},
                    ctx_);
    }

    [[nodiscard]] Matrix<T> byPlace() const {
        Matrix<T> shown(rows_, cols_);
        for (std::int64_t row = 0; row < rows_; ++row) {
            for (std::int64_t place = 0; place < cols_; ++place) {
                shown(row, place) = work_(place, row);
            }
        }
        return shown;
    }

    void show(const std::vector<Strip>& strips,
              std::int64_t first,
              std::int64_t width,
              std::int64_t i) {
        if (shown_.empty()) {
            shown_ = Matrix<T>(rows_, cols_);
        }
        if (i == 0) {
            // Columns of the stretch as they are; those behind it have its errors added below,
            // ahead of the product that will.
            const std::int64_t start = first / stretch_ * stretch_;
            const std::int64_t end = first == start ? cols_ : std::min(start + stretch_, cols_);
            for (std::int64_t row = 0; row < rows_; ++row) {
                for (std::int64_t place = first; place < end; ++place) {
                    shown_(row, place) = work_(place, row);
                }
            }
        }
        std::vector<T> before;
        std::vector<T> values;
        std::vector<T> errors;
        std::vector<std::int8_t> codes;
        double loss = 0;
        for (std::int64_t row = 0; row < rows_; ++row) {
            const Strip& strip = strips[static_cast<std::size_t>(row / kSweepRows)];
            const std::int64_t lane = row % kSweepRows;
            const auto at = [&](std::int64_t j) {
                return static_cast<std::size_t>(j * kSweepRows + lane);
            };
            before.push_back(strip.weights[at(i)]);
            values.push_back(strip.values[at(i)]);
            errors.push_back(strip.errors[at(i)]);
            codes.push_back(strip.codes[at(i)]);
            loss += 0.5 * static_cast<double>(errors.back()) * static_cast<double>(errors.back());
            shown_(row, first + i) = values.back();
            for (std::int64_t j = i + 1; j < width; ++j) {
                shown_(row, first + j) = strip.weights[at(j)];
            }
            for (std::int64_t place = first + width; place < cols_; ++place) {
                shown_(row, place) -= errors.back() * factor_.upper(first + i, place);
            }
        }
        const std::int64_t group = groupAt(first + i);
        const auto count = static_cast<std::size_t>(rows_);
        observer_->column(
            {first + i,
             columnAt(first + i),
             before,
             values,
             errors,
             codes,
             {&scales_(group, 0), count},
             {&zeros_(group, 0), count},
             shown_,
             loss,
             std::accumulate(
                 strips.begin(), strips.end(), result_.loss, [](double sum, const Strip& strip) {
                     return sum + lossOf(strip);
                 })});
    }

    void fillGrids() {
        ScaleGrid& grid = result_.scales;
        grid.rows = rows_;
        grid.cols = groups_;
        grid.rowsPerEntry = 1;
        grid.colsPerEntry = group_;
        const bool identity =
            std::is_sorted(factor_.permutation.begin(), factor_.permutation.end());
        if (!spec_.staticGroups && groups_ > 1 && !identity) {
            for (std::int64_t col = 0; col < cols_; ++col) {
                grid.columnEntry.push_back(
                    static_cast<std::int32_t>(groupAt(placeOf_[static_cast<std::size_t>(col)])));
            }
        }
        result_.zeroPoints = grid;
        grid.values.resize(static_cast<std::size_t>(rows_ * groups_));
        result_.zeroPoints.values.resize(
            spec_.grid.asymmetric ? static_cast<std::size_t>(rows_ * groups_) : 0);
        for (std::int64_t row = 0; row < rows_; ++row) {
            for (std::int64_t group = 0; group < groups_; ++group) {
                const auto at = static_cast<std::size_t>(row * groups_ + group);
                grid.values[at] = static_cast<double>(scales_(group, row));
                if (spec_.grid.asymmetric) {
                    result_.zeroPoints.values[at] = static_cast<double>(zeros_(group, row));
                }
            }
        }
    }

    const RowSource& source_;
    const BitMask* mask_;
    const HessianFactor<T>& factor_;
    const SweepSpec& spec_;
    SweepObserver<T>* observer_;
    const JobContext& ctx_;
    std::int64_t rows_;
    std::int64_t cols_;
    std::int64_t stride_;  ///< rows_, in whole strips: rows beyond are zeros and stay zeros
    std::int64_t group_;
    std::int64_t groups_;
    std::int64_t stretch_;  ///< whole blocks whose errors are pushed behind them at once
    Matrix<T> work_;        ///< [place][row]
    Matrix<T> errors_;      ///< of the stretch: [place in it][row]
    Matrix<T> scales_;      ///< [group][row]
    Matrix<T> zeros_;
    std::vector<std::int64_t> placeOf_;  ///< of each column
    Matrix<T> shown_;                    ///< for the observer
    GptqSweepResult result_;
};

}  // namespace

template <class T>
Result<GptqSweepResult> gptqSweep(const RowSource& weights,
                                  const BitMask* mask,
                                  const HessianFactor<T>& factor,
                                  const SweepSpec& spec,
                                  SweepObserver<T>* observer,
                                  const JobContext& ctx) {
    LOUPE_ASSERT(spec.block > 0, "a block has at least one column");
    if constexpr (std::is_same_v<T, double>) {
        if (weights.isDouble()) {
            return Sweep<double, double>(weights, mask, factor, spec, observer, ctx).run();
        }
    }
    return Sweep<T, float>(weights, mask, factor, spec, observer, ctx).run();
}

template Result<GptqSweepResult> gptqSweep<float>(const RowSource&,
                                                  const BitMask*,
                                                  const HessianFactor<float>&,
                                                  const SweepSpec&,
                                                  SweepObserver<float>*,
                                                  const JobContext&);
template Result<GptqSweepResult> gptqSweep<double>(const RowSource&,
                                                   const BitMask*,
                                                   const HessianFactor<double>&,
                                                   const SweepSpec&,
                                                   SweepObserver<double>*,
                                                   const JobContext&);

}  // namespace loupe
