// SPDX-License-Identifier: Apache-2.0
// nf4 and fp4: blocks over the flattened matrix, as in bitsandbytes.
#include "core/quant/blockwise.hpp"

#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/formats/codec.hpp"
#include "core/quant/block_kernels.hpp"
#include "core/quant/board_numbers.hpp"
#include "core/quant/finite_rows.hpp"
#include "core/quant/first_error.hpp"
#include "core/quant/trace_elementwise.hpp"
#include "core/quant/uniform_kernels.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

namespace loupe {

namespace {

constexpr ParamSpec kParams[] = {
    {.name = "block",
     .type = ParamType::Integer,
     .defaultText = "64",
     .min = 1,
     .max = 1 << 30,
     .label = "Block size",
     .help = "Neighbouring weights of the row-major flattened matrix that share a scale.",
     .unit = "weights",
     .powersOfTwo = true},
    {.name = "double",
     .type = ParamType::Flag,
     .defaultText = "false",
     .label = "Double quantization",
     .help = "Quantize the scales as well: mean subtracted, 8 bits each, blocks of 256 scales."}};

/// The signed 8-bit dynamic map: seven decades, each with twice the levels of the one below; 0, 1.
std::vector<float> dynamicMap() {
    std::vector<float> map{0.0F, 1.0F};
    for (int i = 0; i < 7; ++i) {
        const int count = 1 << i;
        for (int k = 0; k < count; ++k) {
            const double mean = 0.1 + 0.9 * (k + 0.5) / count;
            const auto value = static_cast<float>(std::pow(10.0, i - 6) * mean);
            map.push_back(value);
            map.push_back(-value);
        }
    }
    std::sort(map.begin(), map.end());
    return map;
}

float nearestOf(const std::vector<float>& map, float x) {
    const auto above = std::lower_bound(map.begin(), map.end(), x);
    if (above == map.begin()) {
        return map.front();
    }
    if (above == map.end()) {
        return map.back();
    }
    return *above - x < x - *(above - 1) ? *above : *(above - 1);
}

/// What the absmaxes are after their own quantization.
std::vector<double> nested(const std::vector<double>& absmax) {
    constexpr std::size_t kBlock = 256;
    double sum = 0;
    for (const double a : absmax) {
        sum += a;
    }
    const auto offset = static_cast<float>(sum / static_cast<double>(absmax.size()));
    const std::vector<float> map = dynamicMap();
    std::vector<double> result(absmax.size());
    for (std::size_t first = 0; first < absmax.size(); first += kBlock) {
        const std::size_t end = std::min(first + kBlock, absmax.size());
        float most = 0;
        for (std::size_t i = first; i < end; ++i) {
            most = std::max(most, std::fabs(static_cast<float>(absmax[i]) - offset));
        }
        for (std::size_t i = first; i < end; ++i) {
            const float x = static_cast<float>(absmax[i]) - offset;
            const float code = most > 0 ? nearestOf(map, x / most) : 0.0F;
            result[i] = static_cast<double>(code * most + offset);
        }
    }
    return result;
}

}  // namespace

/// Found by asking the codec, so that ties and the signs of zeros are its own.
BlockLevels blockLevels(const NumberFormat& format) {
    const auto codeAt = [&format](std::int32_t key) {
        const std::int32_t bits = key ^ ((key >> 31) & 0x7fffffff);
        return static_cast<std::int32_t>(
            encode(format, static_cast<double>(std::bit_cast<float>(bits))).value());
    };
    constexpr std::int32_t kOne = 0x3f800000;
    BlockLevels levels{};
    std::fill(std::begin(levels.borders),
              std::end(levels.borders),
              std::numeric_limits<std::int32_t>::max());
    std::int32_t low = ~kOne;  // the key of -1
    for (std::size_t rank = 0; rank < std::size(levels.codes); ++rank) {
        levels.codes[rank] = codeAt(low);
        levels.values[rank] = format.codebook[static_cast<std::size_t>(levels.codes[rank])];
        // The last key of this level, by halves.
        std::int64_t inside = low;
        std::int64_t outside = std::int64_t{kOne} + 1;
        while (outside - inside > 1) {
            const std::int64_t middle = inside + (outside - inside) / 2;
            (codeAt(static_cast<std::int32_t>(middle)) == levels.codes[rank] ? inside : outside) =
                middle;
        }
        if (inside == kOne) {
            break;
        }
        LOUPE_ASSERT(rank < std::size(levels.borders), "sixteen levels");
        levels.borders[rank] = static_cast<std::int32_t>(inside);
        low = static_cast<std::int32_t>(inside + 1);
    }
    std::copy_n(format.codebook.begin(), std::size(levels.byCode), levels.byCode);
    return levels;
}

namespace {

class BlockwiseMatrix final : public QuantizedMatrix {
public:
    BlockwiseMatrix(std::shared_ptr<const RowSource> source,
                    const NumberFormat& format,
                    std::int64_t block)
        : source_(std::move(source)),
          format_(format),
          block_(block),
          levels_(blockLevels(format)) {}

    [[nodiscard]] Result<void> calibrate(bool twice, const JobContext& ctx);
    [[nodiscard]] std::int64_t rows() const override { return source_->rows(); }
    [[nodiscard]] std::int64_t cols() const override { return source_->cols(); }
    [[nodiscard]] bool isDouble() const override { return source_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        return isDouble() ? work<double>(first, count, out, nullptr)
                          : work<float>(first, count, out, nullptr);
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        return isDouble() ? work<double>(first, count, out, nullptr)
                          : work<float>(first, count, out, nullptr);
    }
    void release(std::int64_t first, std::int64_t count) const override {
        source_->release(first, count);
    }
    [[nodiscard]] bool hasCodes() const override { return true; }
    [[nodiscard]] Result<void> codes(std::int64_t first,
                                     std::int64_t count,
                                     std::int32_t* out) const override {
        float* none = nullptr;
        return isDouble() ? work<double>(first, count, none, out)
                          : work<float>(first, count, none, out);
    }
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> codeRange() const override {
        return {0, 15};
    }
    [[nodiscard]] int codeBits() const override { return 4; }
    [[nodiscard]] bool codesUnsigned() const override { return true; }
    [[nodiscard]] const ScaleGrid* scales() const override { return &scales_; }
    [[nodiscard]] std::vector<Level> levels(std::int64_t row, std::int64_t col) const override {
        const double scale = scales_.values[blockOf(row, col)];
        std::vector<Level> levels;
        for (std::size_t code = 0; code < format_.codebook.size(); ++code) {
            const double value = scale * static_cast<double>(format_.codebook[code]);
            levels.push_back({static_cast<std::int64_t>(code),
                              isDouble() ? value : static_cast<double>(static_cast<float>(value))});
        }
        std::stable_sort(levels.begin(), levels.end(), [](const Level& a, const Level& b) {
            return a.value < b.value;
        });
        return levels;
    }
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> groupColumns(
        std::int64_t row, std::int64_t col) const override {
        const std::int64_t begin = (row * cols() + col) / block_ * block_ - row * cols();
        return {std::max<std::int64_t>(begin, 0), std::min(begin + block_, cols())};
    }
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;

private:
    [[nodiscard]] std::size_t blockOf(std::int64_t row, std::int64_t col) const {
        return static_cast<std::size_t>((row * cols() + col) / block_);
    }
    template <class T>
    [[nodiscard]] Result<void> findAbsmaxes(const JobContext& ctx);
    /// Calls piece(index of the block, first, count) for the parts of blocks that lie in rows
    /// [firstRow, firstRow + rowCount), places counted from the first of them.
    template <class Piece>
    void forBlocks(std::int64_t firstRow, std::int64_t rowCount, const Piece& piece) const;
    /// Neighbouring weights for one call of a kernel.
    struct Run {
        std::int64_t at;
        std::int64_t count;
        const float* absmax;
        const float* scales;
    };
    /// Calls call(weights, run) for all of `values`, which begin with row `firstRow`.
    template <class Call>
    void throughKernels(std::int64_t firstRow, std::vector<float>& values, const Call& call) const;
    /// Values to out, or codes to `codes` where given.
    template <class T, class Out>
    [[nodiscard]] Result<void> work(std::int64_t first,
                                    std::int64_t count,
                                    Out* out,
                                    std::int32_t* codes) const;

    std::shared_ptr<const RowSource> source_;
    const NumberFormat& format_;
    std::int64_t block_;
    BlockLevels levels_;
    std::vector<double> absmax_;  ///< what the weights are divided by; 1 for a block of zeros
    ScaleGrid scales_;            ///< what the levels are multiplied by
};

template <class Piece>
void BlockwiseMatrix::forBlocks(std::int64_t firstRow,
                                std::int64_t rowCount,
                                const Piece& piece) const {
    const std::int64_t begin = firstRow * cols();
    const std::int64_t end = begin + rowCount * cols();
    for (std::int64_t at = begin; at < end;) {
        const std::int64_t next = std::min(end, (at / block_ + 1) * block_);
        piece(static_cast<std::size_t>(at / block_), at - begin, next - at);
        at = next;
    }
}

float largestOf(const float* values, std::int64_t count) {
    std::uint32_t bits = 0;
    uniformKernels().magnitudesF32(
        reinterpret_cast<const unsigned char*>(values), count, count, &bits);
    return std::bit_cast<float>(bits);
}

double largestOf(const double* values, std::int64_t count) {
    double most = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        most = std::max(most, std::fabs(values[i]));
    }
    return most;
}

template <class T>
Result<void> BlockwiseMatrix::findAbsmaxes(const JobContext& ctx) {
    const std::int64_t step = rowsPerChunk(cols());
    // Blocks that begin before a chunk, or go on after it, belong to several chunks: joined later.
    struct Edges {
        std::size_t first = 0, last = 0;
        double firstMost = 0, lastMost = 0;
    };
    std::vector<Edges> edges(static_cast<std::size_t>((rows() + step - 1) / step));
    FirstError errors;
    parallelFor(rows(), step, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
        std::vector<T> values;
        if (Result<void> done = readFinite(*source_, begin, end - begin, values); !done) {
            errors.report(chunk, done.error());
            return;
        }
        Edges& edge = edges[static_cast<std::size_t>(chunk)];
        edge.first = static_cast<std::size_t>(begin * cols() / block_);
        edge.last = static_cast<std::size_t>((end * cols() - 1) / block_);
        forBlocks(begin, end - begin, [&](std::size_t block, std::int64_t at, std::int64_t count) {
            const auto most = static_cast<double>(largestOf(values.data() + at, count));
            if (block == edge.first) {
                edge.firstMost = most;
            } else if (block == edge.last) {
                edge.lastMost = most;
            } else {
                absmax_[block] = most;
            }
        });
        source_->release(begin, end - begin);
        ctx.advance(static_cast<std::uint64_t>((end - begin) * cols()));
    });
    for (const Edges& edge : edges) {
        absmax_[edge.first] = std::max(absmax_[edge.first], edge.firstMost);
        absmax_[edge.last] = std::max(absmax_[edge.last], edge.lastMost);
    }
    return errors.result();
}

Result<void> BlockwiseMatrix::calibrate(bool twice, const JobContext& ctx) {
    const std::int64_t count = (rows() * cols() + block_ - 1) / block_;
    absmax_.assign(static_cast<std::size_t>(count), 0);
    if (count > 0) {
        if (Result<void> done = isDouble() ? findAbsmaxes<double>(ctx) : findAbsmaxes<float>(ctx);
            !done) {
            return done;
        }
    }
    scales_.rows = 1;
    scales_.cols = count;
    scales_.rowsPerEntry = scales_.colsPerEntry = 1;
    scales_.flattenedBlock = block_;
    if (twice && count > 0) {
        scales_.values = nested(absmax_);
    }
    for (double& a : absmax_) {
        a = a > 0 ? a : 1;
    }
    if (scales_.values.empty()) {
        scales_.values = absmax_;
    }
    return {};
}

template <class T, class Out>
Result<void> BlockwiseMatrix::work(std::int64_t first,
                                   std::int64_t count,
                                   Out* out,
                                   std::int32_t* codes) const {
    std::vector<T> values(static_cast<std::size_t>(count * cols()));
    if (Result<void> done = source_->read(first, count, values.data()); !done) {
        return done;
    }
    if constexpr (std::is_same_v<T, float>) {
        if (codes != nullptr) {
            throughKernels(first, values, [&](const float* part, const Run& run) {
                blockKernels().codes(part, run.count, block_, run.absmax, levels_, codes + run.at);
            });
        } else {
            throughKernels(first, values, [&](float* part, const Run& run) {
                blockKernels().values(
                    part, run.count, block_, run.absmax, run.scales, levels_, part);
            });
            std::copy(values.begin(), values.end(), out);
        }
        return {};
    }
    forBlocks(first, count, [&](std::size_t block, std::int64_t at, std::int64_t size) {
        for (std::int64_t i = at; i < at + size; ++i) {
            const T scaled = values[static_cast<std::size_t>(i)] / static_cast<T>(absmax_[block]);
            const std::uint64_t code = encode(format_, static_cast<double>(scaled)).value();
            if (codes != nullptr) {
                codes[i] = static_cast<std::int32_t>(code);
            } else {
                const T level = static_cast<T>(format_.codebook[static_cast<std::size_t>(code)]);
                out[i] = static_cast<Out>(static_cast<T>(scales_.values[block]) * level);
            }
        }
    });
    return {};
}

template <class Call>
void BlockwiseMatrix::throughKernels(std::int64_t firstRow,
                                     std::vector<float>& values,
                                     const Call& call) const {
    const auto count = static_cast<std::int64_t>(values.size());
    if (count == 0) {
        return;
    }
    const std::int64_t begin = firstRow * cols();
    const auto block = static_cast<std::size_t>(begin / block_);
    const auto blocks = static_cast<std::size_t>((begin + count - 1) / block_) - block + 1;
    std::vector<float> absmax(blocks);
    std::vector<float> scales(blocks);
    for (std::size_t i = 0; i < blocks; ++i) {
        absmax[i] = static_cast<float>(absmax_[block + i]);
        scales[i] = static_cast<float>(scales_.values[block + i]);
    }
    // What is left of the block that a row before began, then whole blocks.
    const std::int64_t rest = std::min(count, (begin / block_ + 1) * block_ - begin);
    call(values.data(), Run{0, rest, absmax.data(), scales.data()});
    if (rest < count) {
        call(values.data() + rest, Run{rest, count - rest, absmax.data() + 1, scales.data() + 1});
    }
}

std::vector<EquationLine> BlockwiseMatrix::explain(std::int64_t row, std::int64_t col) const {
    std::vector<double> values(static_cast<std::size_t>(cols()));
    std::vector<double> after(values.size());
    std::vector<std::int32_t> rowCodes(values.size());
    if (!source_->read(row, 1, values.data()) || !read(row, 1, after.data()) ||
        !codes(row, 1, rowCodes.data())) {
        return {};
    }
    const auto at = static_cast<std::size_t>(col);
    const std::size_t block = blockOf(row, col);
    const BoardNumbers board(values[at], absmax_[block], [](double, double) { return true; });
    const std::string level = board.signedNumber(
        static_cast<double>(format_.codebook[static_cast<std::size_t>(rowCodes[at])]));
    const std::string scale = board.number(scales_.values[block]);
    return {{"absmax", "max|w| of block " + std::to_string(block), board.scale(), {}},
            {"scaled",
             joined({board.weight(), " / ", board.scale()}),
             board.number(values[at] / absmax_[block]),
             {}},
            {"code", "nearest level " + level, std::to_string(rowCodes[at]), {}},
            {"becomes", joined({scale, " · ", level}), board.number(after[at]), {}},
            {"error",
             joined({board.number(after[at]), " - ", board.signedWeight()}),
             board.number(after[at] - values[at]),
             {}}};
}

}  // namespace

std::span<const ParamSpec> blockwiseParams() {
    return kParams;
}

Result<StepOutput> applyBlockwise(const StepInput& input,
                                  const Params& params,
                                  std::string_view format,
                                  const JobContext& ctx) {
    const NumberFormat* levels = findFormat(format);
    if (levels == nullptr) {
        return fail(ErrorCode::NotFound, "no format named '" + std::string(format) + "'");
    }
    const std::int64_t block = params.integer("block");
    const bool twice = params.flag("double");
    auto matrix = std::make_shared<BlockwiseMatrix>(input.weights, *levels, block);
    if (Result<void> done = matrix->calibrate(twice, ctx); !done) {
        return fail(done.error());
    }
    StepOutput output;
    output.cost = input.cost;
    output.cost.valueBits = 4;
    const double weights = static_cast<double>(matrix->rows() * matrix->cols());
    const double size = static_cast<double>(block);
    const double blocks = static_cast<double>(matrix->scales()->values.size());
    output.cost.overheadBits =
        twice ? 8 / size + 32 / (size * 256) : (weights > 0 ? 32 * blocks / weights : 0);
    output.weights = std::move(matrix);
    return output;
}

Result<std::shared_ptr<const Trace>> traceBlockwise(const StepInput& input,
                                                    const Params& params,
                                                    std::string_view format,
                                                    const JobContext& ctx) {
    const Result<StepOutput> output = applyBlockwise(input, params, format, ctx);
    if (!output) {
        return fail(output.error());
    }
    ElementwiseStory story;
    story.scaleSentence =
        params.flag("double")
            ? "The largest magnitude of each block of neighbours; these scales are "
              "themselves stored in 8 bits."
            : "The largest magnitude of each block of neighbours, which may cross "
              "rows.";
    story.scaleLabels = {"absmax"};
    story.codeSentence = "The nearest of 16 levels between -1 and 1, closer together near 0.";
    story.endSentence = "The level times the block's scale.";
    story.lesson =
        format == "nf4"
            ? "The levels hold equally many weights of a normal distribution, so no code is "
              "wasted; the largest weight of each block is exact."
            : "Levels with a sign, two exponent bits and one bit of fraction: relative "
              "precision, at the price of fewer levels near the largest weight.";
    story.formulas = {{"absmax", "s = max|w| of the block"},
                      {"scaled", "x = w / s"},
                      {"code", "q = argmin |x - level|"},
                      {"becomes", "w^ = s · level[q]"},
                      {"error", "w^ - w"}};
    return traceElementwise(input, *output, story);
}

std::string blockwiseTitle(std::string_view name, const Params& params) {
    return joined({name,
                   ", block ",
                   params.text("block"),
                   params.flag("double") ? ", double quantization" : ""});
}

}  // namespace loupe
