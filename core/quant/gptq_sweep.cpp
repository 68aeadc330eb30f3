// SPDX-License-Identifier: Apache-2.0
// The column sweep of GPTQ, chunks of rows each on their own: see sweep_chunk.hpp.
#include "core/quant/gptq_sweep.hpp"

#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/quant/finite_rows.hpp"
#include "core/quant/first_error.hpp"
#include "core/quant/sweep_chunk.hpp"
#include "core/quant/sweep_kernels.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <type_traits>

namespace loupe {

namespace {

static_assert(kSweepRows == kPanel, "a strip is a panel of lanes");
constexpr std::int64_t kReadRows = kPanel;

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
          group_(spec.group > 0 ? std::min(spec.group, std::max<std::int64_t>(cols_, 1))
                                : std::max<std::int64_t>(cols_, 1)),
          groups_((cols_ + group_ - 1) / group_),
          stretch_(stretchOf(spec, cols_, groups_, group_)),
          losses_(static_cast<std::size_t>((rows_ + kSweepRows - 1) / kSweepRows)) {
        for (auto& strip : losses_) {
            strip.fill(0);
        }
    }

    Result<GptqSweepResult> run() {
        result_.codes.resize(static_cast<std::size_t>(rows_ * cols_));
        result_.rounded.resize(static_cast<std::size_t>(rows_ * cols_));
        result_.scales.values.resize(static_cast<std::size_t>(rows_ * groups_));
        result_.zeroPoints.values.resize(
            spec_.grid.asymmetric ? static_cast<std::size_t>(rows_ * groups_) : 0);
        placeOf_.resize(static_cast<std::size_t>(cols_));
        for (std::int64_t place = 0; place < cols_; ++place) {
            placeOf_[static_cast<std::size_t>(columnAt(place))] = place;
        }
        split_.emplace(factor_.root, stretch_, spec_.block, ctx_);
        Result<void> done = observer_ == nullptr ? sweepAll() : sweepWatched();
        if (!done) {
            return fail(done.error());
        }
        result_.loss = lossSoFar();
        describeGrids();
        return std::move(result_);
    }

private:
    /// A chunk of rows with its grids.
    struct Part {
        Part(std::int64_t begin_, std::int64_t end_, const Sweep& sweep)
            : begin(begin_),
              end(end_),
              rows(sweep.cols_,
                   (end_ - begin_ + kSweepRows - 1) / kSweepRows * kSweepRows,
                   std::min(sweep.stretch_, sweep.cols_)),
              scales(sweep.groups_, rows.lanes()),
              zeros(sweep.groups_, rows.lanes()) {
            std::fill_n(scales.data(), scales.size(), T(1));
        }
        std::int64_t begin;
        std::int64_t end;
        SweepChunk<T> rows;  ///< lanes beyond `end` are zeros and stay zeros
        Matrix<T> scales;    ///< [group][lane]
        Matrix<T> zeros;
    };

    /// Buffers of one strip of rows in a block.
    struct Strip {
        std::int64_t lane = 0;  ///< of its part
        T* weights = nullptr;   ///< [width][kSweepRows], in the part
        T* errors = nullptr;
        std::vector<T> values;
        std::vector<std::int8_t> codes;
        std::vector<std::uint8_t> kept;
        std::vector<const T*> scales, zeros;
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
    [[nodiscard]] std::int64_t endOfStretch(std::int64_t place) const {
        return std::min((place / stretch_ + 1) * stretch_, cols_);
    }

    /// Columns that are opened at once: some blocks, and whole groups where their scales are laid
    /// from weights that the finished columns have moved.
    static std::int64_t stretchOf(const SweepSpec& spec,
                                  std::int64_t cols,
                                  std::int64_t groups,
                                  std::int64_t group) {
        constexpr std::int64_t kLong = 128;
        const bool fixed = spec.staticGroups || groups == 1;
        const std::int64_t step = fixed ? spec.block : std::lcm(spec.block, group);
        return std::clamp<std::int64_t>(
            std::max<std::int64_t>(kLong / step, 1) * step, 1, std::max<std::int64_t>(cols, 1));
    }

    /// Every chunk of rows on its own through all columns.
    Result<void> sweepAll() {
        FirstError errors;
        const auto sweepRows = [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
            Part part(begin, end, *this);
            if (Result<void> loaded = load(part); !loaded) {
                errors.report(chunk, loaded.error());
                return;
            }
            Strip strip;
            for (std::int64_t first = 0; first < cols_; first += spec_.block) {
                const std::int64_t width = openBlock(part, first);
                for (std::int64_t lane = 0; lane < part.rows.lanes(); lane += kSweepRows) {
                    fetch(strip, part, lane, first, width);
                    process(strip, part, first, width, 0, width);
                    keep(strip, part, first, width);
                }
                closeBlock(part, first, width);
            }
            keepGrids(part);
        };
        parallelFor(rows_, kChunkRows, ctx_, sweepRows);
        return errors.result();
    }

    /// The same, a column of all rows at a time, shown to the observer.
    Result<void> sweepWatched() {
        LOUPE_ASSERT(factor_.upper.rows() == cols_, "what is shown needs the whole of U");
        std::vector<Part> parts;
        for (std::int64_t begin = 0; begin < rows_; begin += kChunkRows) {
            parts.emplace_back(begin, std::min(begin + kChunkRows, rows_), *this);
            if (Result<void> loaded = load(parts.back()); !loaded) {
                return loaded;
            }
        }
        showStart(parts);
        for (std::int64_t first = 0; first < cols_; first += spec_.block) {
            std::int64_t width = 0;
            std::vector<std::vector<Strip>> strips(parts.size());
            for (std::size_t p = 0; p < parts.size(); ++p) {
                width = openBlock(parts[p], first);
                for (std::int64_t lane = 0; lane < parts[p].rows.lanes(); lane += kSweepRows) {
                    fetch(strips[p].emplace_back(), parts[p], lane, first, width);
                }
            }
            showOpen(parts, first);
            for (std::int64_t i = 0; i < width; ++i) {
                ctx_.checkpoint();
                for (std::size_t p = 0; p < parts.size(); ++p) {
                    for (Strip& strip : strips[p]) {
                        process(strip, parts[p], first, width, i, i + 1);
                    }
                }
                show(parts, strips, first, width, i);
            }
            for (std::size_t p = 0; p < parts.size(); ++p) {
                for (const Strip& strip : strips[p]) {
                    keep(strip, parts[p], first, width);
                }
                closeBlock(parts[p], first, width);
            }
        }
        std::for_each(parts.begin(), parts.end(), [&](const Part& part) { keepGrids(part); });
        return {};
    }

    /// Rows of the source become lanes; dead inputs are zero.
    Result<void> load(Part& part) {
        constexpr std::int64_t kSide = 16;
        std::vector<V> values;
        for (std::int64_t begin = part.begin; begin < part.end; begin += kReadRows) {
            ctx_.checkpoint();
            const std::int64_t count = std::min(kReadRows, part.end - begin);
            if (Result<void> done = readFinite<V>(source_, begin, count, values); !done) {
                return done;
            }
            for (std::int64_t col = 0; col < cols_; col += kSide) {
                const std::int64_t last = std::min(cols_, col + kSide);
                std::array<T*, kSide> to{};
                for (std::int64_t c = col; c < last; ++c) {
                    to[static_cast<std::size_t>(c - col)] = part.rows.weights(
                        placeOf_[static_cast<std::size_t>(c)], begin - part.begin);
                }
                T* const* const places = to.data();
                for (std::int64_t row = 0; row < count; ++row) {
                    const V* const from = values.data() + row * cols_ + col;
                    for (std::int64_t c = 0; c < last - col; ++c) {
                        places[c][row] = static_cast<T>(from[c]);
                    }
                }
            }
        }
        for (std::int64_t place = 0; place < cols_; ++place) {
            if (factor_.dead[static_cast<std::size_t>(place)] != 0) {
                for (std::int64_t lane = 0; lane < part.rows.lanes(); lane += kSweepRows) {
                    std::fill_n(part.rows.weights(place, lane), kSweepRows, T(0));
                }
            }
        }
        for (std::int64_t group = 0; scalesFirst() && group < groups_; ++group) {
            layGrids(part, group, group * group_, [&](std::int64_t k, std::int64_t lane) {
                const bool byColumn = spec_.staticGroups;
                return part.rows.weights(byColumn ? placeOf_[static_cast<std::size_t>(k)] : k,
                                         lane);
            });
        }
        return {};
    }

    /// Grids of a group that begins at `first`: a place, or a column; `weightsAt` has its weights.
    template <class WeightsAt>
    void layGrids(Part& part, std::int64_t group, std::int64_t first, const WeightsAt& weightsAt) {
        const std::int64_t count = part.end - part.begin;
        std::array<T, kChunkRows> low{};  // 0 is forced into the range
        std::array<T, kChunkRows> high{};
        for (std::int64_t lane = 0; lane < part.rows.lanes(); lane += kSweepRows) {
            T* const lows = low.data() + lane;
            T* const highs = high.data() + lane;
            for (std::int64_t k = first; k < std::min(first + group_, cols_); ++k) {
                const T* const values = weightsAt(k, lane);
                for (std::int64_t r = 0; r < kSweepRows; ++r) {
                    lows[r] = values[r] < lows[r] ? values[r] : lows[r];
                    highs[r] = values[r] > highs[r] ? values[r] : highs[r];
                }
            }
        }
        for (std::int64_t r = 0; r < count; ++r) {
            const auto at = static_cast<std::size_t>(r);
            const T absmax = std::max(-low[at], high[at]);
            const UniformGrid<V> grid =
                spec_.grid.asymmetric
                    ? gridFor<V>(spec_.grid, static_cast<V>(low[at]), static_cast<V>(high[at]))
                    : gridFor<V>(spec_.grid, static_cast<V>(-absmax), static_cast<V>(absmax));
            part.scales(group, r) = static_cast<T>(grid.scale);
            part.zeros(group, r) = static_cast<T>(grid.zeroPoint);
        }
    }

    /// Makes the block's weights current and lays the grids of groups that begin in it.
    /// @returns its width
    std::int64_t openBlock(Part& part, std::int64_t first) {
        const std::int64_t width = std::min(spec_.block, cols_ - first);
        if (first % stretch_ == 0) {
            part.rows.open(*split_, first, ctx_);
        }
        if (!scalesFirst()) {
            const std::int64_t from = (first + group_ - 1) / group_ * group_;
            for (std::int64_t at = from; at < first + width; at += group_) {
                layGrids(part, at / group_, at, [&](std::int64_t k, std::int64_t lane) {
                    return part.rows.current(k, lane);
                });
            }
        }
        return width;
    }

    void closeBlock(Part& part, std::int64_t first, std::int64_t width) {
        ctx_.checkpoint();
        const std::int64_t next = first + width;
        part.rows.push(*split_, first, next);
        if (next == endOfStretch(first)) {
            part.rows.close(*split_);
        }
        // The other half: Hessian, factor.
        ctx_.advance(static_cast<std::uint64_t>(width * (part.end - part.begin) / 2));
    }

    void fetch(
        Strip& strip, Part& part, std::int64_t lane, std::int64_t first, std::int64_t width) {
        const auto size = static_cast<std::size_t>(width * kSweepRows);
        strip.lane = lane;
        strip.weights = part.rows.current(first, lane);
        strip.errors = part.rows.errors(first, lane);
        strip.values.resize(size);
        strip.codes.resize(size);
        strip.scales.resize(static_cast<std::size_t>(width));
        strip.zeros.resize(static_cast<std::size_t>(width));
        for (std::int64_t j = 0; j < width; ++j) {
            const std::int64_t group = groupAt(first + j);
            strip.scales[static_cast<std::size_t>(j)] = &part.scales(group, lane);
            strip.zeros[static_cast<std::size_t>(j)] = &part.zeros(group, lane);
        }
        if (mask_ != nullptr) {
            const std::int64_t row = part.begin + lane;
            strip.kept.assign(size, 1);
            for (std::int64_t j = 0; j < width; ++j) {
                for (std::int64_t r = 0; r < std::min(kSweepRows, part.end - row); ++r) {
                    strip.kept[static_cast<std::size_t>(j * kSweepRows + r)] =
                        mask_->kept(row + r, columnAt(first + j)) ? 1 : 0;
                }
            }
        }
    }

    void process(Strip& strip,
                 const Part& part,
                 std::int64_t first,
                 std::int64_t width,
                 std::int64_t from,
                 std::int64_t to) {
        const Matrix<T>& inner = split_->inner(first);
        SweepStrip<T> block;
        block.weights = strip.weights;
        block.values = strip.values.data();
        block.errors = strip.errors;
        block.codes = strip.codes.data();
        block.kept = strip.kept.empty() ? nullptr : strip.kept.data();
        block.factor = &inner(first % stretch_, first % stretch_);
        block.factorStride = inner.cols();
        block.width = width;
        block.first = from;
        block.last = to;
        block.scales = strip.scales.data();
        block.zeroPoints = strip.zeros.data();
        block.codeLow = static_cast<T>(spec_.grid.codeMin());
        block.codeHigh = static_cast<T>(spec_.grid.codeMax());
        block.floatValues = !std::is_same_v<T, V>;
        block.losses =
            losses_[static_cast<std::size_t>((part.begin + strip.lane) / kSweepRows)].data();
        runKernel(block);
    }

    [[nodiscard]] double lossSoFar() const {
        double loss = 0;
        for (const auto& strip : losses_) {
            loss += std::accumulate(strip.begin(), strip.end(), 0.0) / 2;
        }
        return loss;
    }

    /// What the products take, and codes and rounded values for the result.
    void keep(const Strip& strip, Part& part, std::int64_t first, std::int64_t width) {
        for (std::int64_t j = 0; j < width; ++j) {
            const T* const values = strip.values.data() + j * kSweepRows;
            T* const weights = part.rows.weights(first + j, strip.lane);
            for (std::int64_t r = 0; r < kSweepRows; ++r) {
                weights[r] -= values[r];
            }
        }
        // Some columns at a time: a line of each row of the results is written whole.
        constexpr std::int64_t kSide = 16;
        const std::int64_t row = part.begin + strip.lane;
        const std::int64_t count = std::min(kSweepRows, part.end - row);
        const std::int64_t* const columns = factor_.permutation.data() + first;
        for (std::int64_t from = 0; from < width; from += kSide) {
            const std::int64_t end = std::min(width, from + kSide);
            for (std::int64_t r = 0; r < count; ++r) {
                std::int8_t* const codes = result_.codes.data() + (row + r) * cols_;
                float* const rounded = result_.rounded.data() + (row + r) * cols_;
                const std::int8_t* const newCodes = strip.codes.data() + r;
                const T* const weights = strip.weights + r;
                for (std::int64_t j = from; j < end; ++j) {
                    codes[columns[j]] = newCodes[j * kSweepRows];
                    rounded[columns[j]] = static_cast<float>(weights[j * kSweepRows]);
                }
            }
        }
    }

    void keepGrids(const Part& part) {
        for (std::int64_t row = part.begin; row < part.end; ++row) {
            for (std::int64_t group = 0; group < groups_; ++group) {
                const auto at = static_cast<std::size_t>(row * groups_ + group);
                const std::int64_t lane = row - part.begin;
                result_.scales.values[at] = static_cast<double>(part.scales(group, lane));
                if (spec_.grid.asymmetric) {
                    result_.zeroPoints.values[at] = static_cast<double>(part.zeros(group, lane));
                }
            }
        }
    }

    void showStart(const std::vector<Part>& parts) {
        shown_ = Matrix<T>(rows_, cols_);
        for (const Part& part : parts) {
            for (std::int64_t row = part.begin; row < part.end; ++row) {
                for (std::int64_t place = 0; place < cols_; ++place) {
                    shown_(row, place) = *part.rows.weights(place, row - part.begin);
                }
            }
        }
        observer_->begin(shown_, factor_);
    }

    /// Columns of the open stretch as they are; those behind it have errors added below.
    void showOpen(const std::vector<Part>& parts, std::int64_t first) {
        for (const Part& part : parts) {
            for (std::int64_t row = part.begin; row < part.end; ++row) {
                for (std::int64_t place = first; place < endOfStretch(first); ++place) {
                    shown_(row, place) = *part.rows.current(place, row - part.begin);
                }
            }
        }
    }

    void show(const std::vector<Part>& parts,
              const std::vector<std::vector<Strip>>& strips,
              std::int64_t first,
              std::int64_t width,
              std::int64_t i) {
        std::vector<T> before, values, errors, scales, zeros;
        std::vector<std::int8_t> codes;
        double loss = 0;
        const std::int64_t group = groupAt(first + i);
        for (std::int64_t row = 0; row < rows_; ++row) {
            const auto p = static_cast<std::size_t>(row / kChunkRows);
            const std::int64_t inPart = row - parts[p].begin;
            const Strip& strip = strips[p][static_cast<std::size_t>(inPart / kSweepRows)];
            const auto at = [&](std::int64_t j) {
                return static_cast<std::size_t>(j * kSweepRows + inPart % kSweepRows);
            };
            before.push_back(strip.weights[at(i)]);
            values.push_back(strip.values[at(i)]);
            errors.push_back(strip.errors[at(i)]);
            codes.push_back(strip.codes[at(i)]);
            scales.push_back(parts[p].scales(group, inPart));
            zeros.push_back(parts[p].zeros(group, inPart));
            loss += 0.5 * static_cast<double>(errors.back()) * static_cast<double>(errors.back());
            shown_(row, first + i) = values.back();
            for (std::int64_t j = i + 1; j < width; ++j) {
                shown_(row, first + j) = strip.weights[at(j)];
            }
            for (std::int64_t place = first + width; place < cols_; ++place) {
                shown_(row, place) -= errors.back() * factor_.upper(first + i, place);
            }
        }
        observer_->column({first + i,
                           columnAt(first + i),
                           before,
                           values,
                           errors,
                           codes,
                           scales,
                           zeros,
                           shown_,
                           loss,
                           lossSoFar()});
    }

    void describeGrids() {
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
        std::vector<double> zeros = std::move(result_.zeroPoints.values);
        std::vector<double> scales = std::move(grid.values);
        result_.zeroPoints = grid;
        result_.zeroPoints.values = std::move(zeros);
        grid.values = std::move(scales);
    }

    const RowSource& source_;
    const BitMask* mask_;
    const HessianFactor<T>& factor_;
    const SweepSpec& spec_;
    SweepObserver<T>* observer_;
    const JobContext& ctx_;
    std::int64_t rows_;
    std::int64_t cols_;
    std::int64_t group_;
    std::int64_t groups_;
    std::int64_t stretch_;
    std::optional<SweepFactor<T>> split_;
    std::vector<std::array<double, kSweepRows>> losses_;  ///< by strip: Σ e² of its rows
    std::vector<std::int64_t> placeOf_;                   ///< of each column
    Matrix<T> shown_;                                     ///< for the observer
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
