// SPDX-License-Identifier: Apache-2.0
// ggml's block types as a step: the reference quantizers, whose bytes are kept and decoded on
// demand.
#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/blocks/block_layout.hpp"
#include "core/quant/board_numbers.hpp"
#include "core/quant/finite_rows.hpp"
#include "core/quant/first_error.hpp"
#include "core/quant/ggml_codes.hpp"
#include "core/quant/trace_ggml.hpp"
#include "core/scheme/step.hpp"

#include <algorithm>
#include <cstring>

namespace loupe {

namespace {

constexpr std::string_view kTypes[] = {"q4_0",
                                       "q4_1",
                                       "q5_0",
                                       "q5_1",
                                       "q8_0",
                                       "q2_k",
                                       "q3_k",
                                       "q4_k",
                                       "q5_k",
                                       "q6_k",
                                       "iq4_nl",
                                       "iq4_xs",
                                       "tq1_0",
                                       "tq2_0",
                                       "ggml_mxfp4",
                                       "ggml_nvfp4",
                                       "q1_0",
                                       "q2_0"};

constexpr ParamSpec kParams[] = {
    {.name = "type",
     .type = ParamType::Choice,
     .defaultText = "q4_0",
     .choices = kTypes,
     .label = "Type",
     .help = "ggml's block type, as GGUF files name it. Quantized without an importance matrix; "
             "rows must be whole blocks of 32 to 256 weights."}};

class GgmlMatrix final : public QuantizedMatrix {
public:
    GgmlMatrix(std::int64_t rows,
               std::int64_t cols,
               const BlockLayout& layout,
               const GgmlCodes& type,
               std::shared_ptr<const RowSource> original)
        : rows_(rows),
          cols_(cols),
          layout_(layout),
          type_(type),
          original_(std::move(original)),
          bytes_(static_cast<std::size_t>(rows * rowBytes())) {}

    Result<void> encode(const JobContext& ctx);

    [[nodiscard]] std::int64_t rows() const override { return rows_; }
    [[nodiscard]] std::int64_t cols() const override { return cols_; }
    [[nodiscard]] bool isDouble() const override { return false; }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        layout_.unpack(rowAt(first), count * rowBlocks(), out);
        return {};
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        std::vector<float> values(static_cast<std::size_t>(cols_));
        for (std::int64_t row = first; row < first + count; ++row, out += cols_) {
            layout_.unpack(rowAt(row), rowBlocks(), values.data());
            std::copy(values.begin(), values.end(), out);
        }
        return {};
    }
    [[nodiscard]] bool hasCodes() const override { return true; }
    [[nodiscard]] Result<void> codes(std::int64_t first,
                                     std::int64_t count,
                                     std::int32_t* out) const override {
        ggmlCodes(layout_, type_, rowAt(first), count * rowBlocks(), out);
        return {};
    }
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> codeRange() const override {
        return {type_.low, type_.high};
    }
    [[nodiscard]] int codeBits() const override { return layout_.codeBits; }
    [[nodiscard]] bool codesUnsigned() const override { return type_.low >= 0; }
    [[nodiscard]] const BlockLayout* packedLayout() const override { return &layout_; }
    [[nodiscard]] Result<void> packed(std::int64_t first,
                                      std::int64_t count,
                                      std::byte* out) const override {
        std::copy_n(rowAt(first), count * rowBytes(), out);
        return {};
    }
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> groupColumns(
        std::int64_t, std::int64_t col) const override {
        const std::int64_t begin = col / type_.sharing * type_.sharing;
        return {begin, begin + type_.sharing};
    }
    [[nodiscard]] std::vector<Level> levels(std::int64_t row, std::int64_t col) const override;
    [[nodiscard]] std::vector<EquationLine> explain(std::int64_t row,
                                                    std::int64_t col) const override;

private:
    [[nodiscard]] std::int64_t rowBlocks() const { return cols_ / layout_.elements; }
    [[nodiscard]] std::int64_t rowBytes() const { return rowBlocks() * layout_.bytes; }
    [[nodiscard]] const std::byte* rowAt(std::int64_t row) const {
        return bytes_.data() + row * rowBytes();
    }
    [[nodiscard]] const std::byte* blockAt(std::int64_t row, std::int64_t col) const {
        return rowAt(row) + col / layout_.elements * layout_.bytes;
    }
    /// A scale that FP16 cannot hold would make NaN of its weights.
    [[nodiscard]] Result<void> checkBlocks(std::int64_t row) const;

    std::int64_t rows_;
    std::int64_t cols_;
    const BlockLayout& layout_;
    const GgmlCodes& type_;
    std::shared_ptr<const RowSource> original_;
    std::vector<std::byte> bytes_;
};

Result<void> GgmlMatrix::checkBlocks(std::int64_t row) const {
    for (std::int64_t block = 0; block < rowBlocks(); ++block) {
        const std::string wrong = layout_.check(rowAt(row) + block * layout_.bytes);
        if (!wrong.empty()) {
            const std::int64_t col = block * layout_.elements;
            return fail(ErrorCode::Invalid,
                        joined({"row ",
                                std::to_string(row),
                                ", columns ",
                                std::to_string(col),
                                " to ",
                                std::to_string(col + layout_.elements - 1),
                                ": the weights are too large for a block of ",
                                layout_.title,
                                ": ",
                                wrong}));
        }
    }
    return {};
}

Result<void> GgmlMatrix::encode(const JobContext& ctx) {
    FirstError errors;
    const std::int64_t step = rowsPerChunk(cols_);
    parallelFor(rows_, step, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
        std::vector<float> values;
        Result<void> done = readFinite(*original_, begin, end - begin, values);
        if (done) {
            layout_.pack(
                values.data(), (end - begin) * rowBlocks(), bytes_.data() + begin * rowBytes());
        }
        for (std::int64_t row = begin; done && row < end; ++row) {
            done = checkBlocks(row);
        }
        if (!done) {
            errors.report(chunk, done.error());
            return;
        }
        original_->release(begin, end - begin);
        ctx.advance(static_cast<std::uint64_t>((end - begin) * cols_));
    });
    return errors.result();
}

std::vector<Level> GgmlMatrix::levels(std::int64_t row, std::int64_t col) const {
    const std::byte* const stored = blockAt(row, col);
    const auto index = static_cast<int>(col % layout_.elements);
    std::vector<std::byte> block(stored, stored + layout_.bytes);
    std::vector<std::int32_t> codes(static_cast<std::size_t>(layout_.elements));
    const BlockElement element = layout_.element(stored, index);
    std::vector<BitRun> runs;  // of the code, wherever its bits lie
    int width = 0;
    for (const BlockPart& part : element.parts) {
        if (part.role == BlockRole::Codes || part.role == BlockRole::HighBits) {
            for (BitRun run : part.bits) {
                run.shift = width;
                width += run.width;
                runs.push_back(run);
            }
        }
    }
    std::vector<Level> levels;
    constexpr int kMostBits = 8;
    for (std::uint32_t bits = 0; width <= kMostBits && bits < 1U << width; ++bits) {
        for (const BitRun& run : runs) {
            auto& byte = block[static_cast<std::size_t>(run.byte)];
            const std::uint32_t mask = ((1U << run.width) - 1U) << run.bit;
            const std::uint32_t put = (bits >> run.shift) << run.bit & mask;
            byte = static_cast<std::byte>((std::to_integer<std::uint32_t>(byte) & ~mask) | put);
        }
        ggmlCodes(layout_, type_, block.data(), 1, codes.data());
        const std::int32_t code = codes[static_cast<std::size_t>(index)];
        const double value = layout_.element(block.data(), index).value;
        if (std::none_of(levels.begin(), levels.end(), [&](const Level& level) {
                return level.code == code;
            })) {
            levels.push_back({code, value});
        }
    }
    std::stable_sort(levels.begin(), levels.end(), [](const Level& a, const Level& b) {
        return a.value < b.value;
    });
    return levels;
}

std::vector<EquationLine> GgmlMatrix::explain(std::int64_t row, std::int64_t col) const {
    std::vector<float> weights(static_cast<std::size_t>(cols_));
    if (!original_->read(row, 1, weights.data())) {
        return {};
    }
    const float weight = weights[static_cast<std::size_t>(col)];
    const std::int64_t block = col / layout_.elements;
    const BlockElement element =
        layout_.element(blockAt(row, col), static_cast<int>(col % layout_.elements));
    std::vector<EquationLine> lines;
    lines.push_back({"block",
                     joined({"columns ",
                             std::to_string(block * layout_.elements),
                             " to ",
                             std::to_string((block + 1) * layout_.elements - 1)}),
                     joined({std::to_string(layout_.bytes), " bytes"}),
                     {}});
    for (const BlockPart& part : element.parts) {
        int width = 0;
        for (const BitRun& run : part.bits) {
            width += run.width;
        }
        lines.push_back({part.name,
                         joined({std::to_string(width), width == 1 ? " bit" : " bits"}),
                         shortest(part.value),
                         {}});
    }
    lines.push_back({"becomes", element.equation, shortest(element.value), element.formula});
    const double error = element.value - static_cast<double>(weight);
    lines.push_back({"error",
                     joined({shortest(element.value),
                             " - ",
                             weight < 0 ? "(" : "",
                             shortest(weight),
                             weight < 0 ? ")" : ""}),
                     shortest(error),
                     {}});
    return lines;
}

Result<StepOutput> applyGgml(const StepInput& input, const Params& params, const JobContext& ctx) {
    const BlockLayout* layout = findBlockLayout(params.text("type"));
    const GgmlCodes* type = findGgmlCodes(params.text("type"));
    LOUPE_ASSERT(layout != nullptr && layout->pack != nullptr && type != nullptr,
                 "each choice is a block type with a quantizer");
    const std::int64_t cols = input.weights->cols();
    if (cols % layout->elements != 0) {
        return fail(ErrorCode::Invalid,
                    joined({layout->title,
                            " needs rows of whole blocks: expected a multiple of ",
                            std::to_string(layout->elements),
                            " inputs, found ",
                            std::to_string(cols)}));
    }
    auto matrix =
        std::make_shared<GgmlMatrix>(input.weights->rows(), cols, *layout, *type, input.weights);
    if (Result<void> done = matrix->encode(ctx); !done) {
        return fail(done.error());
    }
    StepOutput output;
    output.cost = input.cost;
    const double bits = layout->bitsPerWeight();
    output.cost.valueBits = std::min<double>(layout->codeBits, bits);
    output.cost.overheadBits = bits - output.cost.valueBits;
    output.weights = std::move(matrix);
    return output;
}

Result<std::shared_ptr<const Trace>> tellGgml(const StepInput& input,
                                              const Params& params,
                                              const JobContext& ctx) {
    const Result<StepOutput> output = applyGgml(input, params, ctx);
    if (!output) {
        return fail(output.error());
    }
    return traceGgml(
        input, *output, *findBlockLayout(params.text("type")), *findGgmlCodes(params.text("type")));
}

std::string ggmlTitle(const Params& params) {
    const BlockLayout* layout = findBlockLayout(params.text("type"));
    return joined({"ggml ", layout != nullptr ? layout->title : params.text("type")});
}

constexpr std::string_view kLadder[] = {"ggml:type=q8_0",
                                        "ggml:type=q6_k",
                                        "ggml:type=q5_k",
                                        "ggml:type=q4_k",
                                        "ggml",
                                        "ggml:type=iq4_nl",
                                        "ggml:type=ggml_mxfp4",
                                        "ggml:type=q3_k",
                                        "ggml:type=q2_k"};

}  // namespace

extern const StepDefinition kStep_ggml;
const StepDefinition kStep_ggml{
    .id = "ggml",
    .title = "ggml block type",
    .summary = "Stores weights in the blocks of GGUF files, byte for byte as ggml's own quantizer.",
    .source =
        "ggml, ggml-quants.c, quantize_row_*_ref and quantize_iq4_*, without importance matrix",
    .params = kParams,
    .apply = applyGgml,
    .shortTitle = ggmlTitle,
    .family = StepFamily::Uniform,
    .ladder = kLadder,
    .trace = tellGgml};

}  // namespace loupe
