// SPDX-License-Identifier: Apache-2.0
// k-means on the weights' values: w^ = centroid[code].
#include "core/quant/codebook.hpp"

#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "core/quant/board_numbers.hpp"
#include "core/quant/finite_rows.hpp"
#include "core/quant/first_error.hpp"
#include "core/scheme/forwarding_matrix.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <type_traits>

namespace loupe {

namespace {

/// Sums are kept up to every so many weights: a run costs at most twice as many additions.
constexpr std::int64_t kBlock = 16;

/// Bits that order as the floats do: negative numbers reversed, positive ones above them.
std::uint32_t keyOf(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    return (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
}

float valueOf(std::uint32_t key) {
    return std::bit_cast<float>((key >> 31) != 0 ? key & 0x7fffffffU : ~key);
}

/// Least significant digit first, three digits of 11, 11 and 10 bits.
void radixSort(std::vector<float>& values) {
    constexpr std::array kShifts{0, 11, 22};
    constexpr std::size_t kDigits = 2048;
    std::vector<std::uint32_t> keys(values.size());
    std::vector<std::uint32_t> sorted(values.size());
    std::transform(values.begin(), values.end(), keys.begin(), keyOf);
    for (const int shift : kShifts) {
        std::array<std::size_t, kDigits> next{};
        for (const std::uint32_t key : keys) {
            ++next[(key >> shift) & (kDigits - 1)];
        }
        std::exclusive_scan(next.begin(), next.end(), next.begin(), std::size_t{0});
        for (const std::uint32_t key : keys) {
            sorted[next[(key >> shift) & (kDigits - 1)]++] = key;
        }
        keys.swap(sorted);
    }
    std::transform(keys.begin(), keys.end(), values.begin(), valueOf);
}

double borderOf(double below, double above) {
    return below / 2 + above / 2;
}

std::vector<double> bordersOf(std::span<const double> centroids) {
    std::vector<double> borders(centroids.size() - 1);
    for (std::size_t i = 0; i < borders.size(); ++i) {
        borders[i] = borderOf(centroids[i], centroids[i + 1]);
    }
    return borders;
}

template <class T>
double sumOfRun(const T* begin, const T* end) {
    double sum = 0;
    for (; begin != end; ++begin) {
        sum += static_cast<double>(*begin);
    }
    return sum;
}

/// std::upper_bound in steps that double from `near` on: Lloyd's borders move little.
template <class T>
std::int64_t rankOf(const std::vector<T>& sorted, double x, std::int64_t near) {
    const auto count = static_cast<std::int64_t>(sorted.size());
    const auto isUpTo = [&](std::int64_t i) {
        return static_cast<double>(sorted[static_cast<std::size_t>(i)]) <= x;
    };
    std::int64_t low = near;  // all before it are <= x
    std::int64_t high = near;  // it and all after it are not
    for (std::int64_t step = 1; high < count && isUpTo(high); step *= 2) {
        low = high + 1;
        high = std::min(high + step, count);
    }
    for (std::int64_t step = 1; low > 0 && !isUpTo(low - 1); step *= 2) {
        high = low - 1;
        low = std::max<std::int64_t>(low - step, 0);
    }
    while (low < high) {
        const std::int64_t middle = low + (high - low) / 2;
        if (isUpTo(middle)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

}  // namespace

std::int64_t nearestCentroid(std::span<const double> centroids, double weight) {
    const std::vector<double> borders = bordersOf(centroids);
    return std::lower_bound(borders.begin(), borders.end(), weight) - borders.begin();
}

SortedWeights::SortedWeights(std::vector<float> values) : single_(std::move(values)) {
    constexpr std::size_t kSmall = 512;
    if (single_.size() < kSmall) {
        std::sort(single_.begin(), single_.end());
    } else {
        radixSort(single_);
    }
    addBlocks(single_);
}

SortedWeights::SortedWeights(std::vector<double> values) : double_(std::move(values)) {
    std::sort(double_.begin(), double_.end());
    addBlocks(double_);
}

std::int64_t SortedWeights::count() const {
    return static_cast<std::int64_t>(single_.size() + double_.size());
}

double SortedWeights::at(std::int64_t index) const {
    const auto i = static_cast<std::size_t>(index);
    return double_.empty() ? static_cast<double>(single_[i]) : double_[i];
}

template <class T>
void SortedWeights::addBlocks(const std::vector<T>& sorted) {
    before_.assign(sorted.size() / static_cast<std::size_t>(kBlock) + 1, 0.0);
    const T* from = sorted.data();
    for (std::size_t block = 1; block < before_.size(); ++block, from += kBlock) {
        before_[block] = before_[block - 1] + sumOfRun(from, from + kBlock);
    }
}

std::int64_t SortedWeights::upTo(double x, std::int64_t near) const {
    return double_.empty() ? rankOf(single_, x, near) : rankOf(double_, x, near);
}

template <class T>
double SortedWeights::sumAs(const std::vector<T>& sorted,
                            std::int64_t begin,
                            std::int64_t end) const {
    const std::int64_t first = (begin + kBlock - 1) / kBlock;
    const std::int64_t last = end / kBlock;
    const T* const values = sorted.data();
    if (first >= last) {
        return sumOfRun(values + begin, values + end);
    }
    return sumOfRun(values + begin, values + first * kBlock) +
           (before_[static_cast<std::size_t>(last)] - before_[static_cast<std::size_t>(first)]) +
           sumOfRun(values + last * kBlock, values + end);
}

double SortedWeights::sum(std::int64_t begin, std::int64_t end) const {
    return double_.empty() ? sumAs(single_, begin, end) : sumAs(double_, begin, end);
}

std::vector<double> lloyd(const SortedWeights& weights,
                          std::vector<double> start,
                          std::int64_t iterations,
                          const JobContext& ctx,
                          const std::function<void(const std::vector<double>&)>& seen) {
    std::vector<double> next = start;
    std::vector<double> borders(start.size() - 1);
    std::vector<std::int64_t> ranks(start.size(), 0);  // weights up to each border
    ranks.back() = weights.count();
    std::vector<std::pair<std::int64_t, std::int64_t>> runs(start.size());
    for (std::int64_t k = 0; k < iterations; ++k) {
        ctx.checkpoint();
        for (std::size_t i = 0; i < borders.size(); ++i) {
            const double border = borderOf(start[i], start[i + 1]);
            if (k == 0 || border != borders[i]) {
                borders[i] = border;
                ranks[i] = weights.upTo(border, ranks[i]);
            }
        }
        std::int64_t begin = 0;
        for (std::size_t i = 0; i < start.size(); ++i) {
            const std::int64_t end = std::max(begin, ranks[i]);
            // Those of the same weights as before are their mean already.
            if (end > begin && runs[i] != std::pair(begin, end)) {
                // Kept among its weights: a rounded mean may lie beyond the last of them.
                next[i] = std::clamp(weights.sum(begin, end) / static_cast<double>(end - begin),
                                     weights.at(begin),
                                     weights.at(end - 1));
            }
            runs[i] = {begin, end};
            begin = end;
        }
        if (next == start) {
            break;
        }
        if (seen) {
            seen(start);
        }
        start = next;
    }
    if (seen) {
        seen(start);
    }
    return start;
}

CodebookMatrix::CodebookMatrix(std::shared_ptr<const RowSource> source,
                               int bits,
                               Matrix<double> centroids)
    : source_(std::move(source)),
      bits_(bits),
      centroids_(std::move(centroids)),
      borders_(centroids_.rows(), centroids_.cols() - 1) {
    for (std::int64_t row = 0; row < centroids_.rows(); ++row) {
        const std::vector<double> borders = bordersOf(centroids_.row(row));
        std::copy(borders.begin(), borders.end(), borders_.row(row).begin());
    }
}

template <class T>
Result<void> CodebookMatrix::work(std::int64_t first,
                                  std::int64_t count,
                                  T* values,
                                  std::int32_t* codes) const {
    if (Result<void> done = source_->read(first, count, values); !done) {
        return done;
    }
    const auto span = static_cast<std::int64_t>(borders_.cols()) + 1;  // 2^bits
    for (std::int64_t row = first; row < first + count; ++row) {
        const std::int64_t table = centroids_.rows() == 1 ? 0 : row;
        const double* borders = borders_.row(table).data();
        const double* centroids = centroids_.row(table).data();
        for (std::int64_t col = 0; col < cols(); ++col, ++values) {
            // How many borders lie below, by halves: their number is 2^bits - 1.
            const auto weight = static_cast<double>(*values);
            std::int64_t code = 0;
            for (std::int64_t half = span / 2; half > 0; half /= 2) {
                code += borders[code + half - 1] < weight ? half : 0;
            }
            *values = static_cast<T>(centroids[code]);
            if (codes != nullptr) {
                *codes++ = static_cast<std::int32_t>(code);
            }
        }
    }
    return {};
}

Result<void> CodebookMatrix::read(std::int64_t first, std::int64_t count, float* out) const {
    if (isDouble()) {
        std::vector<double> values(static_cast<std::size_t>(count * cols()));
        Result<void> done = work<double>(first, count, values.data(), nullptr);
        std::transform(
            values.begin(), values.end(), out, [](double x) { return static_cast<float>(x); });
        return done;
    }
    return work<float>(first, count, out, nullptr);
}

Result<void> CodebookMatrix::read(std::int64_t first, std::int64_t count, double* out) const {
    return work<double>(first, count, out, nullptr);
}

Result<void> CodebookMatrix::codes(std::int64_t first,
                                   std::int64_t count,
                                   std::int32_t* out) const {
    std::vector<double> values(static_cast<std::size_t>(count * cols()));
    return work<double>(first, count, values.data(), out);
}

std::vector<Level> CodebookMatrix::levels(std::int64_t row, std::int64_t) const {
    std::vector<Level> all;
    for (const double centroid : centroidsOf(row)) {
        all.push_back({static_cast<std::int64_t>(all.size()), centroid});
    }
    return all;
}

std::vector<EquationLine> CodebookMatrix::explain(std::int64_t row, std::int64_t col) const {
    std::vector<double> weights(static_cast<std::size_t>(cols()));
    if (!source_->read(row, 1, weights.data())) {
        return {};
    }
    const auto number = [](double x) { return BoardNumbers::text(x, 6); };
    const double weight = weights[static_cast<std::size_t>(col)];
    const std::span<const double> table = centroidsOf(row);
    const auto code = static_cast<std::size_t>(nearestCentroid(table, weight));
    std::string between = number(table[code]);
    if (code > 0) {
        between = joined({number(table[code - 1]), " | ", between});
    }
    if (code + 1 < table.size()) {
        between = joined({between, " | ", number(table[code + 1])});
    }
    return {{"code",
             joined({"nearest to ", number(weight), " of ", between}),
             std::to_string(code),
             {}},
            {"becomes", joined({"centroid ", std::to_string(code)}), number(table[code]), {}},
            {"error",
             joined({number(table[code]),
                     " - ",
                     weight < 0 ? "(" : "",
                     number(weight),
                     weight < 0 ? ")" : ""}),
             number(table[code] - weight),
             {}}};
}

namespace {

struct CodebookSpec {
    int bits = 4;
    bool perRow = false;
    bool random = false;
    std::uint64_t seed = 0;
    std::int64_t iterations = 100;
};

/// Evenly from smallest to largest, or different weights drawn at random.
std::vector<double> startOf(const SortedWeights& weights,
                            const CodebookSpec& spec,
                            std::int64_t table) {
    const auto size = std::size_t{1} << spec.bits;
    std::vector<double> start(size, 0.0);
    const std::int64_t count = weights.count();
    if (count == 0) {
        return start;
    }
    if (!spec.random) {
        const double low = weights.at(0);
        const double range = weights.at(count - 1) - low;
        for (std::size_t i = 0; i < size; ++i) {
            start[i] = low + range * static_cast<double>(i) / static_cast<double>(size - 1);
        }
        return start;
    }
    const std::uint64_t seed =
        spec.seed + static_cast<std::uint64_t>(table) * 0x9E3779B97F4A7C15ULL;
    for (std::size_t i = 0; i < size; ++i) {
        const auto rank =
            static_cast<std::int64_t>(randomBits(seed, i) % static_cast<std::uint64_t>(count));
        start[i] = weights.at(rank);
    }
    std::sort(start.begin(), start.end());
    return start;
}

/// The weights of rows [first, last) that no mask dropped.
template <class T>
Result<std::vector<T>> keptWeights(const StepInput& input,
                                   std::int64_t first,
                                   std::int64_t last,
                                   const JobContext& ctx) {
    const std::int64_t cols = input.weights->cols();
    std::vector<T> kept(static_cast<std::size_t>((last - first) * cols));
    FirstError errors;
    parallelFor(last - first,
                rowsPerChunk(cols),
                ctx,
                [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
                    std::vector<T> values;
                    const Result<void> done =
                        readFinite(*input.weights, first + begin, end - begin, values);
                    if (!done) {
                        errors.report(chunk, done.error());
                        return;
                    }
                    std::copy(values.begin(), values.end(), kept.begin() + begin * cols);
                });
    if (errors.any()) {
        return fail(errors.result().error());
    }
    if (input.mask != nullptr) {
        std::size_t count = 0;
        for (std::int64_t i = 0; i < (last - first) * cols; ++i) {
            if (input.mask->kept(first + i / cols, i % cols)) {
                kept[count++] = kept[static_cast<std::size_t>(i)];
            }
        }
        kept.resize(count);
    }
    return kept;
}

template <class T>
Result<Matrix<double>> fit(const StepInput& input,
                           const CodebookSpec& spec,
                           const JobContext& ctx,
                           std::vector<CodebookHistory>* histories) {
    const std::int64_t rows = input.weights->rows();
    const std::int64_t tables = spec.perRow ? rows : 1;
    Matrix<double> centroids(tables, std::int64_t{1} << spec.bits);
    if (histories != nullptr) {
        histories->assign(static_cast<std::size_t>(tables), {});
    }
    FirstError errors;
    parallelFor(tables, 1, ctx, [&](std::int64_t table, std::int64_t, std::int64_t) {
        Result<std::vector<T>> kept =
            keptWeights<T>(input, spec.perRow ? table : 0, spec.perRow ? table + 1 : rows, ctx);
        if (!kept) {
            errors.report(table, kept.error());
            return;
        }
        const SortedWeights weights(std::move(*kept));
        std::function<void(const std::vector<double>&)> seen;
        if (histories != nullptr) {
            seen = [&](const std::vector<double>& now) {
                (*histories)[static_cast<std::size_t>(table)].centroids.push_back(now);
            };
        }
        const std::vector<double> found =
            lloyd(weights, startOf(weights, spec, table), spec.iterations, ctx, seen);
        std::transform(found.begin(), found.end(), centroids.row(table).begin(), [](double x) {
            return static_cast<double>(static_cast<T>(x));
        });
        ctx.advance(static_cast<std::uint64_t>(rows / tables * input.weights->cols()));
    });
    if (errors.any()) {
        return fail(errors.result().error());
    }
    return centroids;
}

}  // namespace

Result<StepOutput> applyCodebook(const StepInput& input,
                                 const Params& params,
                                 const JobContext& ctx,
                                 std::vector<CodebookHistory>* histories) {
    CodebookSpec spec;
    spec.bits = static_cast<int>(params.integer("bits"));
    spec.perRow = params.is("per", "row");
    spec.random = params.is("init", "random");
    spec.seed = static_cast<std::uint64_t>(params.integer("seed"));
    spec.iterations = params.integer("iterations");
    Result<Matrix<double>> centroids = input.weights->isDouble()
                                           ? fit<double>(input, spec, ctx, histories)
                                           : fit<float>(input, spec, ctx, histories);
    if (!centroids) {
        return fail(centroids.error());
    }
    StepOutput output;
    output.cost = input.cost;
    output.cost.valueBits = spec.bits;
    const auto weights = static_cast<double>(input.weights->rows() * input.weights->cols());
    output.cost.overheadBits =
        weights > 0 ? 16 * static_cast<double>(centroids->size()) / weights : 0;
    output.weights =
        std::make_shared<CodebookMatrix>(input.weights, spec.bits, std::move(*centroids));
    return output;
}

const CodebookMatrix* findCodebook(const QuantizedMatrix& matrix) {
    const RowSource* inner = &matrix;
    while (inner != nullptr) {
        if (const auto* found = dynamic_cast<const CodebookMatrix*>(inner)) {
            return found;
        }
        const auto* over = dynamic_cast<const ForwardingMatrix*>(inner);
        inner = over != nullptr ? over->base().get() : nullptr;
    }
    return nullptr;
}

namespace {

constexpr std::string_view kPer[] = {"tensor", "row"};
constexpr std::string_view kInit[] = {"linear", "random"};

constexpr ParamSpec kParams[] = {
    {.name = "bits",
     .type = ParamType::Integer,
     .defaultText = "4",
     .min = 1,
     .max = 8,
     .label = "Bits",
     .help = "Width b of an index: 2^b centroids.",
     .unit = "bit"},
    {.name = "per",
     .type = ParamType::Choice,
     .defaultText = "tensor",
     .choices = kPer,
     .label = "Codebook per",
     .help = "One table of centroids for all weights, or one for each output channel (row)."},
    {.name = "init",
     .type = ParamType::Choice,
     .defaultText = "linear",
     .choices = kInit,
     .label = "Start",
     .help = "linear: evenly from the smallest weight to the largest, so that large weights keep a "
             "centroid. random: weights drawn at random."},
    {.name = "seed",
     .type = ParamType::Integer,
     .defaultText = "0",
     .min = 0,
     .max = 9007199254740991.0,
     .label = "Seed",
     .help = "Of the weights drawn.",
     .onlyWith = "init=random"},
    {.name = "iterations",
     .type = ParamType::Integer,
     .defaultText = "100",
     .min = 0,
     .max = 10000,
     .label = "Iterations",
     .help = "At most; it stops where no centroid moves."}};

constexpr std::string_view kLadder[] = {
    "codebook", "codebook:bits=3", "codebook:bits=2", "codebook:per=row"};

}  // namespace

extern const StepDefinition kStep_codebook;
const StepDefinition kStep_codebook{
    .id = "codebook",
    .title = "k-means codebook",
    .summary =
        "Clusters the weights' values: each weight becomes the mean of its cluster, and only the "
        "cluster's number is stored.",
    .source = "Han et al. 2016, Deep Compression, section 3 (arXiv:1510.00149)",
    .params = kParams,
    .apply = [](const StepInput& input,
                const Params& params,
                const JobContext& ctx) { return applyCodebook(input, params, ctx); },
    .shortTitle =
        [](const Params& params) {
            return joined({"k-means, ",
                           std::to_string(std::int64_t{1} << params.integer("bits")),
                           " centroids",
                           params.is("per", "row") ? " per row" : "",
                           params.is("init", "random") ? ", random start" : ""});
        },
    .family = StepFamily::Codebook,
    .isSolver = true,
    .ladder = kLadder,
    .trace = traceCodebook};

}  // namespace loupe
