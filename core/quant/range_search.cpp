// SPDX-License-Identifier: Apache-2.0
#include "core/quant/range_search.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

namespace loupe {

template <class T>
UniformGrid<T> gridFor(const UniformSpec& spec, T low, T high) {
    const double steps = static_cast<double>(spec.codeMax() - spec.codeMin());
    UniformGrid<T> grid;
    grid.boundLow = low;
    grid.boundHigh = high;
    double exact = 0;
    if (spec.asymmetric) {
        exact = (static_cast<double>(high) - static_cast<double>(low)) / steps;
        // Where the interval is narrow and far from zero, the zero point would outgrow what T
        // counts exactly.
        exact = std::max(
            exact,
            std::max(std::fabs(static_cast<double>(low)), std::fabs(static_cast<double>(high))) *
                0x1p-21);
    } else if (spec.range == GridRange::Power) {
        exact = static_cast<double>(high) / std::ldexp(1.0, spec.bits - 1);
    } else {
        exact = 2 * static_cast<double>(high) / steps;
    }
    if (!std::isfinite(exact)) {  // fp64 weights near the largest double: halve first
        exact = (static_cast<double>(high) / 2 - static_cast<double>(low) / 2) / (steps / 2);
    }
    if (exact == 0) {
        return grid;
    }
    grid.scale = std::max(static_cast<T>(exact), std::numeric_limits<T>::denorm_min());
    if (spec.asymmetric) {
        grid.zeroPoint =
            spec.codeMin() - static_cast<std::int64_t>(std::nearbyint(low / grid.scale));
    }
    if (spec.clip != ClipRule::None) {
        grid.low = low;
        grid.high = high;
    }
    if (spec.range == GridRange::Power) {
        // Codes stop one short of +bound: what would round to 2^(b-1) is clamped.
        grid.high = std::min(
            grid.high, static_cast<T>(grid.scale * (static_cast<T>(spec.codeMax()) + T(0.5))));
    }
    return grid;
}

template <class T>
GroupExtent<T> extentOf(std::span<const T> values, std::int64_t& badIndex) {
    badIndex = -1;
    if (values.empty()) {
        return {};
    }
    T low = values[0];
    T high = values[0];
    T sum =
        0;  // of x - x: NaN as soon as one value is NaN or infinite, and the loop stays branch-free
    for (const T x : values) {
        low = x < low ? x : low;
        high = x > high ? x : high;
        sum += x - x;
    }
    if (sum != 0) {
        const auto bad =
            std::find_if(values.begin(), values.end(), [](T x) { return !std::isfinite(x); });
        badIndex = bad - values.begin();
    }
    return {low, high};
}

template <class T>
std::pair<T, T> intervalFor(const UniformSpec& spec, const GroupExtent<T>& extent, T bound) {
    if (!spec.asymmetric) {
        return {-bound, bound};
    }
    T low = std::clamp(extent.min, -bound, bound);
    T high = std::clamp(extent.max, -bound, bound);
    if (spec.forceZero) {
        low = std::min(low, T(0));
        high = std::max(high, T(0));
    }
    return {low, high};
}

template <class T>
std::pair<T, T> fixedInterval(const UniformSpec& spec) {
    const bool extend = spec.asymmetric && spec.forceZero;
    return {static_cast<T>(extend ? std::min(spec.clipLow, 0.0) : spec.clipLow),
            static_cast<T>(extend ? std::max(spec.clipHigh, 0.0) : spec.clipHigh)};
}

template <class T>
Result<T> searchMse(T absmax,
                    const ErrorEvaluator<T>& evaluate,
                    std::vector<std::pair<double, double>>* tried) {
    constexpr int kCandidates = 256;
    constexpr int kGoldenSteps = 8;
    if (absmax == 0) {
        return absmax;
    }
    std::vector<T> bounds(kCandidates);
    for (int k = 1; k <= kCandidates; ++k) {
        bounds[static_cast<std::size_t>(k - 1)] =
            static_cast<T>(static_cast<double>(absmax) * k / kCandidates);
    }
    std::vector<double> sums(kCandidates, 0.0);
    if (Result<void> done = evaluate(bounds, sums); !done) {
        return fail(done.error());
    }
    std::size_t best = kCandidates - 1;
    for (std::size_t k = kCandidates; k-- > 0;) {
        if (tried != nullptr) {
            tried->emplace_back(static_cast<double>(bounds[k]), sums[k]);
        }
        if (bounds[k] > 0 && sums[k] < sums[best]) {
            best = k;
        }
    }
    T bestBound = bounds[best];
    double bestSum = sums[best];
    const double step = static_cast<double>(absmax) / kCandidates;
    double left = step * static_cast<double>(best);
    double right = step * static_cast<double>(std::min<std::size_t>(best + 2, kCandidates));
    const double golden = (std::sqrt(5.0) - 1) / 2;
    const auto at = [&](double place) -> Result<double> {
        const std::array<T, 1> bound{static_cast<T>(place)};
        std::array<double, 1> sum{0.0};
        if (bound[0] <= 0) {
            return std::numeric_limits<double>::infinity();
        }
        if (Result<void> done = evaluate(bound, sum); !done) {
            return fail(done.error());
        }
        if (tried != nullptr) {
            tried->emplace_back(static_cast<double>(bound[0]), sum[0]);
        }
        if (sum[0] < bestSum) {
            bestSum = sum[0];
            bestBound = bound[0];
        }
        return sum[0];
    };
    double inner = right - golden * (right - left);
    double outer = left + golden * (right - left);
    Result<double> innerSum = at(inner);
    Result<double> outerSum = innerSum ? at(outer) : innerSum;
    for (int i = 0; i < kGoldenSteps && innerSum && outerSum; ++i) {
        if (*innerSum < *outerSum) {
            right = outer;
            outer = inner;
            outerSum = innerSum;
            inner = right - golden * (right - left);
            innerSum = at(inner);
        } else {
            left = inner;
            inner = outer;
            innerSum = outerSum;
            outer = left + golden * (right - left);
            outerSum = at(outer);
        }
    }
    if (!innerSum || !outerSum) {
        return fail(innerSum ? outerSum.error() : innerSum.error());
    }
    return bestBound;
}

template <class T>
void addMagnitudes(std::span<const T> values, T absmax, std::span<std::uint64_t> counts) {
    const double width = static_cast<double>(absmax) / static_cast<double>(kEntropyBins);
    for (const T x : values) {
        const double magnitude = std::fabs(static_cast<double>(x));
        auto bin = static_cast<std::int64_t>(magnitude / static_cast<double>(absmax) *
                                             static_cast<double>(kEntropyBins));
        bin = std::min(bin, kEntropyBins - 1);
        if (magnitude < static_cast<double>(bin) * width) {
            --bin;
        } else if (bin + 1 < kEntropyBins && magnitude >= static_cast<double>(bin + 1) * width) {
            ++bin;
        }
        ++counts[static_cast<std::size_t>(std::max<std::int64_t>(bin, 0))];
    }
}

namespace {

/// Prefix sums that give any interval's share of KL(P || Q) in O(1).
struct EntropyTables {
    std::vector<double> counts;    ///< of all bins before i
    std::vector<double> nonEmpty;  ///< bins before i that are not empty
    std::vector<double> plogp;     ///< sum of c·ln c before i
};

EntropyTables entropyTables(std::span<const std::uint64_t> bins) {
    EntropyTables tables;
    const std::size_t n = bins.size();
    tables.counts.assign(n + 1, 0);
    tables.nonEmpty.assign(n + 1, 0);
    tables.plogp.assign(n + 1, 0);
    for (std::size_t i = 0; i < n; ++i) {
        const double c = static_cast<double>(bins[i]);
        tables.counts[i + 1] = tables.counts[i] + c;
        tables.nonEmpty[i + 1] = tables.nonEmpty[i] + (c > 0 ? 1 : 0);
        tables.plogp[i + 1] = tables.plogp[i] + (c > 0 ? c * std::log(c) : 0);
    }
    return tables;
}

/// KL(P || Q) with P = the first `end` bins, the rest added to the last one; Q from the unsaturated
/// bins.
double divergence(const EntropyTables& tables, std::int64_t end, std::int64_t intervals) {
    const auto at = [](const std::vector<double>& sums, std::int64_t i) {
        return sums[static_cast<std::size_t>(i)];
    };
    const double total = tables.counts.back();
    const double inside = at(tables.counts, end);
    const double tail = total - inside;
    const double last = inside - at(tables.counts, end - 1);
    if (inside == 0 || (last == 0 && tail > 0)) {
        return std::numeric_limits<double>::infinity();
    }
    // sum p ln p with the last bin saturated, in counts; then minus sum p ln q, interval by
    // interval.
    double sum = at(tables.plogp, end - 1);
    sum += last + tail > 0 ? (last + tail) * std::log(last + tail) : 0;
    std::int64_t first = 0;
    for (std::int64_t k = 0; k < intervals && first < end; ++k) {
        // Bin j belongs to interval k if k·end/intervals <= j < (k + 1)·end/intervals.
        const std::int64_t stop = std::min(((k + 1) * end + intervals - 1) / intervals, end);
        if (stop > first) {
            const double mass = at(tables.counts, stop) - at(tables.counts, first);
            const double used = at(tables.nonEmpty, stop) - at(tables.nonEmpty, first);
            if (used > 0) {
                sum -= (mass + (stop == end ? tail : 0)) * std::log(mass / used);
            }
            first = stop;
        }
    }
    return sum / total - std::log(total) + std::log(inside);
}

}  // namespace

std::int64_t searchEntropy(std::span<const std::uint64_t> counts, int bits, const JobContext& ctx) {
    constexpr std::int64_t kFirst = 128;
    std::vector<std::uint64_t> bins(counts.begin(), counts.end());
    bins[0] = bins[1];
    const EntropyTables tables = entropyTables(bins);
    const std::int64_t intervals = std::int64_t{1} << (bits - 1);
    std::int64_t best = kEntropyBins;
    double least = std::numeric_limits<double>::infinity();
    for (std::int64_t end = kEntropyBins; end >= kFirst; --end) {
        if (end % 512 == 0) {
            ctx.checkpoint();
        }
        const double kl = divergence(tables, end, intervals);
        if (kl < least) {
            least = kl;
            best = end;
        }
    }
    return best;
}

template <class T>
T percentileOfMagnitudes(std::span<T> values, double percent) {
    for (T& x : values) {
        x = std::fabs(x);
    }
    const double place = percent / 100 * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(std::floor(place));
    const double fraction = place - std::floor(place);
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(below);
    std::nth_element(values.begin(), middle, values.end());
    const double low = static_cast<double>(*middle);
    if (fraction == 0) {
        return *middle;
    }
    const double high = static_cast<double>(*std::min_element(middle + 1, values.end()));
    return static_cast<T>(interpolate(low, high, fraction));
}

template <class T>
std::vector<UniformGrid<T>> gridsFor(const UniformSpec& spec,
                                     const GroupExtent<T>& extent,
                                     std::span<const T> bounds) {
    std::vector<UniformGrid<T>> grids;
    grids.reserve(bounds.size());
    for (const T bound : bounds) {
        const auto [low, high] = intervalFor(spec, extent, bound);
        grids.push_back(gridFor(spec, low, high));
    }
    return grids;
}

namespace {

/// The grid of gridsFor() for one bound as the kernels take it; symmetric ones with less work.
class CandidateGrids {
public:
    CandidateGrids(const UniformSpec& spec, const GroupExtent<float>& extent)
        : spec_(spec), extent_(extent), grid_(kernelGrid(spec, 1, 0, 0, 0)) {
        const auto levels = static_cast<double>(spec.codeMax() - spec.codeMin());
        const bool power = spec.range == GridRange::Power;
        steps_ = power ? std::ldexp(1.0, spec.bits - 1) : levels;
        ends_ = power ? 1 : 2;
        // Half a step beyond the bound where the grid is not centred on zero, and the levels of
        // the least scale that gridFor() gives an interval far from zero.
        const double beyond = 1.02 / levels + levels * 0x1p-21;
        reach_ = (1 + beyond) * (1 + 0x1p-20);
    }

    [[nodiscard]] KernelGrid at(float bound) {
        if (spec_.asymmetric) {
            const auto [low, high] = intervalFor(spec_, extent_, bound);
            const UniformGrid<float> grid = gridFor(spec_, low, high);
            return kernelGrid(spec_, grid.scale, grid.zeroPoint, 0, 0);
        }
        const double exact = ends_ * static_cast<double>(bound) / steps_;
        setScale(grid_,
                 bound == 0 ? 1.0F
                            : std::max(static_cast<float>(exact),
                                       std::numeric_limits<float>::denorm_min()));
        return grid_;
    }

    /// No more than the squared error of the group's largest weight: what the bound cuts off it.
    [[nodiscard]] double leastError(float bound) const {
        constexpr float kOrdinary = 0x1p-100F;  // smaller scales may be rounded up
        const double cut = static_cast<double>(extent_.absmax()) -
                           reach_ * static_cast<double>(bound);
        return cut > 0 && bound > kOrdinary ? cut * cut * (1 - 0x1p-20) : 0;
    }

private:
    const UniformSpec& spec_;
    GroupExtent<float> extent_;
    KernelGrid grid_;
    double steps_ = 1;
    double ends_ = 2;
    double reach_ = 1;  ///< of a grid's farthest level, in bounds
};

constexpr std::size_t kCoarseStep = 16;

/// Errors of one group on all candidates, as far as the least sum needs them: a candidate stops
/// where it is certain to exceed the best one before it (squares only add up), or does not begin
/// where its largest weights alone exceed it. Each sum that could be the least is complete, bit for
/// bit that of squaredErrors(); the others are infinity.
void leastSquaredErrors(const UniformSpec& spec,
                        std::span<const float> values,
                        const GroupExtent<float>& extent,
                        std::span<const float> bounds,
                        std::span<double> sums) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const UniformKernels& kernels = uniformKernels();
    CandidateGrids grids(spec, extent);
    const auto count = static_cast<std::int64_t>(values.size());
    std::array<float, static_cast<std::size_t>(kExtremes)> large{};
    const bool looksAhead = count >= 4 * kExtremes;
    if (looksAhead) {
        kernels.extremes(values.data(), count, large.data());
    }
    double least = kInfinity;
    std::size_t best = bounds.size() - 1;
    const auto visit = [&](std::size_t k) {
        if (bounds[k] <= 0 || grids.leastError(bounds[k]) > least) {
            return;
        }
        const KernelGrid grid = grids.at(bounds[k]);
        // The same errors in another order: sums agree but for rounding.
        constexpr double kRounding = 1 - 0x1p-30;
        if (looksAhead && least < kInfinity &&
            kernels.squaredError(large.data(), kExtremes, grid, kInfinity) * kRounding >
                least) {
            return;
        }
        sums[k] = kernels.squaredError(values.data(), count, grid, least);
        if (sums[k] < least) {
            least = sums[k];
            best = k;
        }
    };
    std::fill(sums.begin(), sums.end(), kInfinity);
    for (std::size_t k = bounds.size(); k > 0; k -= std::min(k, kCoarseStep)) {
        visit(k - 1);
    }
    // Outwards from the best so far.
    const std::size_t middle = best;
    for (std::size_t distance = 1; distance < bounds.size(); ++distance) {
        for (const std::size_t k : {middle + distance, middle - distance}) {
            if (k < bounds.size() && (bounds.size() - 1 - k) % kCoarseStep != 0) {
                visit(k);
            }
        }
    }
}

}  // namespace

template <class T>
std::pair<T, T> groupInterval(const UniformSpec& spec,
                              std::span<const T> values,
                              const GroupExtent<T>& extent,
                              std::vector<T>& scratch,
                              const JobContext& ctx) {
    const T absmax = extent.absmax();
    if (absmax == 0) {
        return intervalFor(spec, extent, T(0));
    }
    T bound = absmax;
    switch (spec.clip) {
        case ClipRule::None:
            break;
        case ClipRule::Value:
            return fixedInterval<T>(spec);
        case ClipRule::Percentile:
            scratch.assign(values.begin(), values.end());
            bound = percentileOfMagnitudes(std::span<T>(scratch), spec.percentile);
            break;
        case ClipRule::Mse: {
            const Result<T> found = searchMse<T>(
                absmax, [&](std::span<const T> bounds, std::span<double> sums) -> Result<void> {
                    ctx.checkpoint();
                    if constexpr (std::is_same_v<T, float>) {
                        if (bounds.size() > 1) {
                            leastSquaredErrors(spec, values, extent, bounds, sums);
                            return {};
                        }
                    }
                    squaredErrors<T>(spec, values, gridsFor<T>(spec, extent, bounds), sums);
                    return {};
                });
            bound = *found;
            break;
        }
        case ClipRule::Entropy: {
            std::vector<std::uint64_t> counts(static_cast<std::size_t>(kEntropyBins), 0);
            addMagnitudes(values, absmax, std::span<std::uint64_t>(counts));
            const std::int64_t edge = searchEntropy(counts, spec.bits, ctx);
            bound = static_cast<T>(static_cast<double>(absmax) * static_cast<double>(edge) /
                                   static_cast<double>(kEntropyBins));
            break;
        }
    }
    return intervalFor(spec, extent, usableBound(bound, absmax));
}

template <class T>
void squaredErrors(const UniformSpec& spec,
                   std::span<const T> values,
                   std::span<const UniformGrid<T>> grids,
                   std::span<double> sums) {
    if constexpr (std::is_same_v<T, float>) {
        const UniformKernels& kernels = uniformKernels();
        for (std::size_t g = 0; g < grids.size(); ++g) {
            const KernelGrid grid = kernelGrid(spec, grids[g].scale, grids[g].zeroPoint, 0, 0);
            sums[g] += kernels.squaredError(values.data(),
                                            static_cast<std::int64_t>(values.size()),
                                            grid,
                                            std::numeric_limits<double>::infinity());
        }
        return;
    }
    constexpr std::size_t kLanes = 4;
    // 1.5·2^(digits): adding and taking it away rounds to the nearest integer, ties to even, for
    // |x| < 2^(digits - 2).
    const T magic = std::ldexp(T(1.5), std::numeric_limits<T>::digits - 1);
    for (std::size_t g = 0; g < grids.size(); ++g) {
        const T scale = grids[g].scale;
        const T low = static_cast<T>(spec.codeMin() - grids[g].zeroPoint);
        const T high = static_cast<T>(spec.codeMax() - grids[g].zeroPoint);
        std::array<double, kLanes> lanes{};
        std::size_t i = 0;
        const auto error = [&](T x) {
            T q = x / scale;
            q = q < low ? low : q;
            q = q > high ? high : q;
            q = (q + magic) - magic;
            const T e = x - scale * q;
            return static_cast<double>(e) * static_cast<double>(e);
        };
        for (; i + kLanes <= values.size(); i += kLanes) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                lanes[lane] += error(values[i + lane]);
            }
        }
        for (; i < values.size(); ++i) {
            lanes[i % kLanes] += error(values[i]);
        }
        sums[g] += (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
    }
}

#define LOUPE_INSTANTIATE(T)                                                            \
    template UniformGrid<T> gridFor(const UniformSpec&, T, T);                          \
    template GroupExtent<T> extentOf(std::span<const T>, std::int64_t&);                \
    template std::vector<UniformGrid<T>> gridsFor(                                      \
        const UniformSpec&, const GroupExtent<T>&, std::span<const T>);                 \
    template std::pair<T, T> fixedInterval(const UniformSpec&);                         \
    template std::pair<T, T> intervalFor(const UniformSpec&, const GroupExtent<T>&, T); \
    template Result<T> searchMse(                                                       \
        T, const ErrorEvaluator<T>&, std::vector<std::pair<double, double>>*);          \
    template void addMagnitudes(std::span<const T>, T, std::span<std::uint64_t>);       \
    template T percentileOfMagnitudes(std::span<T>, double);                            \
    template void squaredErrors(const UniformSpec&,                                     \
                                std::span<const T>,                                     \
                                std::span<const UniformGrid<T>>,                        \
                                std::span<double>);                                     \
    template std::pair<T, T> groupInterval(const UniformSpec&,                          \
                                           std::span<const T>,                          \
                                           const GroupExtent<T>&,                       \
                                           std::vector<T>&,                             \
                                           const JobContext&);
LOUPE_INSTANTIATE(float)
LOUPE_INSTANTIATE(double)
#undef LOUPE_INSTANTIATE

}  // namespace loupe
