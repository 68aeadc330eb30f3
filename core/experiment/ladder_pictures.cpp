// SPDX-License-Identifier: Apache-2.0
// The small pictures of a ladder's row, from one pass over weights and result.
#include "core/base/worker_pool.hpp"
#include "core/experiment/ladder.hpp"
#include "core/formats/number_format.hpp"
#include "core/quant/first_error.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace loupe {

namespace {

constexpr int kErrorBins = 63;  // odd: no error has a bin of its own

/// Where weights stand on the grid: u = w · channelScale / scale + zero point.
class GridCoordinates {
public:
    explicit GridCoordinates(const QuantizedMatrix& matrix)
        : scales_(matrix.scales()),
          zeros_(matrix.zeroPoints()),
          channel_(matrix.channelScale()),
          cols_(matrix.cols()) {
        if (matrix.rows() == 0 || matrix.cols() == 0) {
            return;
        }
        const std::vector<double> first = levelsOf(matrix, 0, 0);
        // A result that was turned back from a rotation has scales, but of other coordinates: it
        // has no levels.
        inSteps_ = scales_ != nullptr && !scales_->values.empty() && !first.empty();
        if (inSteps_) {
            levels_ = first;
            for (double& level : levels_) {
                level = toSteps(level, 0, 0);
            }
        } else if (first == levelsOf(matrix, matrix.rows() - 1, matrix.cols() - 1)) {
            levels_ = first;
        }
    }

    [[nodiscard]] bool inSteps() const { return inSteps_; }
    [[nodiscard]] const std::vector<double>& levels() const { return levels_; }

    [[nodiscard]] double toSteps(double value, std::int64_t row, std::int64_t col) const {
        const double channel = channel_.empty() ? 1.0 : channel_[static_cast<std::size_t>(col)];
        const double zero =
            zeros_ == nullptr || zeros_->values.empty() ? 0.0 : at(*zeros_, row, col);
        return value * channel / at(*scales_, row, col) + zero;
    }

private:
    static std::vector<double> levelsOf(const QuantizedMatrix& matrix,
                                        std::int64_t row,
                                        std::int64_t col) {
        std::vector<double> values;
        for (const Level& level : matrix.levels(row, col)) {
            values.push_back(level.value);
        }
        std::sort(values.begin(), values.end());
        return values;
    }
    [[nodiscard]] double at(const ScaleGrid& grid, std::int64_t row, std::int64_t col) const {
        const std::size_t index =
            grid.flattenedBlock > 0
                ? static_cast<std::size_t>((row * cols_ + col) / grid.flattenedBlock)
                : grid.entryOf(row, col);
        return grid.values[index];
    }

    const ScaleGrid* scales_;
    const ScaleGrid* zeros_;
    std::span<const double> channel_;
    std::int64_t cols_;
    bool inSteps_ = false;
    std::vector<double> levels_;
};

/// Bins of the values' picture. Equally spaced levels lie in the middle of a bin, so that rounding
/// noise cannot move one into the neighbour.
Histogram emptyHistogram(const GridCoordinates& grid, double absmax) {
    constexpr std::size_t kBins = 75;
    Histogram histogram;
    const std::vector<double>& levels = grid.levels();
    if (levels.size() < 2 || levels.front() == levels.back()) {
        const double bound = absmax > 0 ? absmax : 1;
        histogram.min = -bound;
        histogram.max = bound;
        histogram.counts.assign(kBins, 0);
        return histogram;
    }
    const auto gaps = static_cast<double>(levels.size() - 1);
    const double gap = (levels.back() - levels.front()) / gaps;
    bool even = true;
    for (std::size_t i = 0; i < levels.size(); ++i) {
        even = even &&
               std::abs(levels[i] - (levels.front() + gap * static_cast<double>(i))) < 1e-3 * gap;
    }
    if (even && levels.size() <= 256) {
        std::size_t perLevel = std::max<std::size_t>(kBins / levels.size(), 1);
        perLevel -= perLevel % 2 == 0 ? 1U : 0U;
        histogram.min = levels.front() - gap / 2;
        histogram.max = levels.back() + gap / 2;
        histogram.counts.assign(levels.size() * perLevel, 0);
    } else {
        const double margin = (levels.back() - levels.front()) / 64;
        histogram.min = levels.front() - margin;
        histogram.max = levels.back() + margin;
        histogram.counts.assign(kBins, 0);
    }
    return histogram;
}

/// Counts of one thread's share.
struct Part {
    std::vector<std::uint64_t> before, after, errors;
    std::uint64_t below = 0;
    std::uint64_t above = 0;
};

class Bins {
public:
    explicit Bins(const Histogram& histogram)
        : low_(histogram.min),
          high_(histogram.max),
          perUnit_(static_cast<double>(histogram.counts.size()) / (high_ - low_)),
          last_(static_cast<double>(histogram.counts.size()) - 1) {}
    /// -1: below, -2: above (or not a number).
    [[nodiscard]] std::int64_t find(double x) const {
        if (x < low_) {
            return -1;
        }
        return x <= high_ ? static_cast<std::int64_t>(std::min((x - low_) * perUnit_, last_)) : -2;
    }

private:
    double low_, high_, perUnit_, last_;
};

class PictureCounter {
public:
    PictureCounter(const RowSource& weights,
                   const QuantizedMatrix& result,
                   LadderPictures& pictures)
        : weights_(weights),
          result_(result),
          grid_(result),
          pictures_(pictures),
          cols_(weights.cols()) {}

    Result<void> run(double absmax, double maxError, const JobContext& ctx) {
        pictures_.inSteps = grid_.inSteps();
        pictures_.levels = grid_.levels();
        pictures_.before = emptyHistogram(grid_, absmax);
        pictures_.after = pictures_.before;
        const double bound = maxError > 0 && std::isfinite(maxError) ? maxError : 1;
        pictures_.errors = {-bound, bound, std::vector<std::uint64_t>(kErrorBins, 0)};
        constexpr std::int64_t kSlots = 16;
        const std::int64_t perSlot = (weights_.rows() + kSlots - 1) / kSlots;
        std::vector<Part> parts(kSlots);
        FirstError errors;
        parallelFor(kSlots, 1, ctx, [&](std::int64_t slot, std::int64_t, std::int64_t) {
            Part& part = parts[static_cast<std::size_t>(slot)];
            part.before.assign(pictures_.before.counts.size(), 0);
            part.after = part.before;
            part.errors.assign(kErrorBins, 0);
            const std::int64_t end = std::min((slot + 1) * perSlot, weights_.rows());
            const std::int64_t step = rowsPerChunk(cols_);
            for (std::int64_t row = slot * perSlot; row < end; row += step) {
                ctx.checkpoint();
                if (Result<void> done = count(row, std::min(step, end - row), part); !done) {
                    errors.report(slot, done.error());
                    return;
                }
            }
        });
        for (const Part& part : parts) {
            add(pictures_.before.counts, part.before);
            add(pictures_.after.counts, part.after);
            add(pictures_.errors.counts, part.errors);
            pictures_.below += part.below;
            pictures_.above += part.above;
        }
        return errors.result();
    }

private:
    static void add(std::vector<std::uint64_t>& to, const std::vector<std::uint64_t>& from) {
        std::transform(to.begin(), to.end(), from.begin(), to.begin(), std::plus<>());
    }

    Result<void> count(std::int64_t first, std::int64_t rows, Part& part) const {
        const auto size = static_cast<std::size_t>(rows * cols_);
        std::vector<double> before(size);
        std::vector<double> after(size);
        if (Result<void> done = weights_.read(first, rows, before.data()); !done) {
            return done;
        }
        if (Result<void> done = result_.read(first, rows, after.data()); !done) {
            return done;
        }
        const Bins values(pictures_.before);
        const Bins errors(pictures_.errors);
        for (std::size_t i = 0; i < size; ++i) {
            if (const std::int64_t bin = errors.find(after[i] - before[i]); bin >= 0) {
                ++part.errors[static_cast<std::size_t>(bin)];
            }
        }
        if (grid_.inSteps()) {
            for (std::size_t i = 0; i < size; ++i) {
                const std::int64_t row = first + static_cast<std::int64_t>(i) / cols_;
                const std::int64_t col = static_cast<std::int64_t>(i) % cols_;
                before[i] = grid_.toSteps(before[i], row, col);
                after[i] = grid_.toSteps(after[i], row, col);
            }
        }
        for (std::size_t i = 0; i < size; ++i) {
            const std::int64_t bin = values.find(before[i]);
            if (bin >= 0) {
                ++part.before[static_cast<std::size_t>(bin)];
            } else {
                ++(bin == -1 ? part.below : part.above);
            }
            if (const std::int64_t now = values.find(after[i]); now >= 0) {
                ++part.after[static_cast<std::size_t>(now)];
            }
        }
        weights_.release(first, rows);
        return {};
    }

    const RowSource& weights_;
    const QuantizedMatrix& result_;
    GridCoordinates grid_;
    LadderPictures& pictures_;
    std::int64_t cols_;
};

/// Unsigned formats lose every negative weight: not a comparison, a mistake.
Result<void> checkSigns(const Scheme& scheme, const LadderReference& reference) {
    const StepDefinition* cast = findStep("cast");
    if (!reference.hasNegative || cast == nullptr || scheme.steps.size() != 1 ||
        scheme.steps.front().name != "cast") {
        return {};
    }
    const NumberFormat* format =
        findFormat(Params(cast->params, scheme.steps.front()).text("format"));
    if (format != nullptr && format->kind != FormatKind::Block && limits(*format).min >= 0) {
        return fail(ErrorCode::Unsupported,
                    std::string(format->title) + " has no negative values, the weights have");
    }
    return {};
}

}  // namespace

Result<LadderRow> measureLadderRow(const LadderEntry& entry,
                                   const SchemeInput& input,
                                   const LadderReference& reference,
                                   const JobContext& ctx) {
    const Result<Scheme> scheme = parseScheme(entry.scheme);
    if (!scheme) {
        return fail(scheme.error());
    }
    if (Result<void> signs = checkSigns(*scheme, reference); !signs) {
        return fail(signs.error());
    }
    const Result<std::shared_ptr<const SchemeResult>> applied = applyScheme(*scheme, input, ctx);
    if (!applied) {
        return fail(applied.error());
    }
    const SchemeResult& result = **applied;
    LadderRow row;
    row.entry = entry;
    row.figures = figuresOf(result);
    row.codeUsage = result.codeUsage;
    row.codeRange = result.quantized->codeRange();
    PictureCounter counter(*input.weights, *result.quantized, row.pictures);
    if (Result<void> done = counter.run(reference.absmax, result.metrics.maxAbsError, ctx); !done) {
        return fail(done.error());
    }
    return row;
}

}  // namespace loupe
