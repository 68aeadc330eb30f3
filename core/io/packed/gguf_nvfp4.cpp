// SPDX-License-Identifier: Apache-2.0
// GGUF's NVFP4 blocks with the FP32 scale that llama.cpp keeps in a tensor beside them:
// MODULE.scale for MODULE.weight, one number or one for each expert. llama.cpp multiplies the
// product of matrices by it, so W = block value · scale, in FP32. (input_scale belongs to
// activations.)
#include "core/base/text.hpp"
#include "core/io/packed/packed.hpp"
#include "core/io/plain_block.hpp"

#include <algorithm>

namespace loupe::packed {

extern const PackedScheme kPacked_gguf_nvfp4;

namespace {

class ScaledBlocks final : public PackedMatrix {
public:
    ScaledBlocks(TensorInfo info,
                 std::shared_ptr<const RowSource> blocks,
                 Part scales,
                 std::shared_ptr<const RowSource> scaleRows,
                 std::string path)
        : PackedMatrix(blocks->rows(), blocks->cols()),
          info_(std::move(info)),
          blocks_(std::move(blocks)),
          scales_(std::move(scales)),
          scaleRows_(std::move(scaleRows)),
          path_(std::move(path)) {}

    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        const auto scales = scales_.data();
        if (!scales) {
            return fail(scales.error());
        }
        if (Result<void> done = blocks_->read(first, count, out); !done) {
            return done;
        }
        for (std::int64_t row = first; row < first + count; ++row) {
            float scale = 1;
            scales_.decode(*scales, scaleOf(row), 1, &scale);
            float* values = out + (row - first) * cols();
            std::transform(
                values, values + cols(), values, [scale](float value) { return value * scale; });
        }
        return {};
    }

    /// The block as it is stored, and behind it the scale (with its neighbours in the file).
    [[nodiscard]] Result<BlockView> block(std::int64_t row, std::int64_t col) const override {
        auto view = storedBlock(info_, *blocks_, row, col, path_);
        if (!view) {
            return view;
        }
        const TensorInfo& info = scales_.info();
        auto scale = storedBlock(info,
                                 *scaleRows_,
                                 scaleOf(row) / scaleRows_->cols(),
                                 scaleOf(row) % scaleRows_->cols(),
                                 path_);
        if (!scale) {
            return scale;
        }
        const std::size_t begin = view->bytes.size();
        view->bytes.insert(view->bytes.end(), scale->bytes.begin(), scale->bytes.end());
        view->spans.insert(view->spans.end(), scale->spans.begin(), scale->spans.end());
        view->fields.push_back(
            {"scale",
             info.parameters == 1 ? "scale of the whole tensor" : "scales of experts",
             BlockRole::Scale,
             static_cast<std::int64_t>(begin),
             static_cast<std::int64_t>(scale->bytes.size())});
        view->title += " with a scale of the tensor";
        const auto own = std::make_shared<const BlockView>(std::move(*scale));
        view->decode =
            [own, begin, inner = std::move(view->decode)](std::span<const std::byte> bytes) {
                const auto factor = static_cast<float>(
                    own->decode(bytes.subspan(begin))[static_cast<std::size_t>(own->element)]);
                std::vector<double> values = inner(bytes.first(begin));
                for (double& value : values) {
                    value = static_cast<double>(static_cast<float>(value) * factor);
                }
                return values;
            };
        view->explain = [own, begin, inner = std::move(view->explain)](
                            std::span<const std::byte> bytes, std::int64_t element) {
            BlockElement made = inner(bytes.first(begin), element);
            BlockPart factor = wholeOf(own->explain(bytes.subspan(begin), own->element));
            for (BitRun& run : factor.bits) {
                run.byte += static_cast<std::int64_t>(begin);
            }
            factor.code = gatherBits(bytes, factor.bits);
            made.formula = "(" + made.formula + ") · scale";
            made.equation =
                "(" + made.equation + ") · " + shortest(static_cast<float>(factor.value));
            made.value = static_cast<double>(static_cast<float>(made.value) *
                                             static_cast<float>(factor.value));
            made.parts.push_back(std::move(factor));
            return made;
        };
        return view;
    }

    void release(std::int64_t first, std::int64_t count) const override {
        blocks_->release(first, count);
    }

private:
    /// A float's sign, exponent and fraction as one figure.
    static BlockPart wholeOf(const BlockElement& parts) {
        BlockPart whole{"scale", BlockRole::Scale, {}, 0, parts.value};
        for (const BlockPart& part : parts.parts) {
            const int shift = part.name == "sign" ? 31 : part.name == "exponent" ? 23 : 0;
            for (BitRun run : part.bits) {
                run.shift += shift;
                whole.bits.push_back(run);
            }
        }
        return whole;
    }

    [[nodiscard]] std::int64_t scaleOf(std::int64_t row) const {
        return row / (rows() / scales_.elements());
    }

    TensorInfo info_;
    std::shared_ptr<const RowSource> blocks_;
    Part scales_;
    std::shared_ptr<const RowSource> scaleRows_;
    std::string path_;
};

OpenMatrix openScaled(std::size_t index, std::size_t scale) {
    return
        [index, scale](const TensorSource& source) -> Result<std::shared_ptr<const PackedMatrix>> {
            auto blocks = source.matrix(index);
            auto scales = Part::open(source, scale);
            auto rows = source.matrix(scale);
            if (!blocks || !scales || !rows) {
                return fail(!blocks ? blocks.error() : !scales ? scales.error() : rows.error());
            }
            return std::make_shared<const ScaledBlocks>(source.tensors()[index],
                                                        std::move(*blocks),
                                                        std::move(*scales),
                                                        std::move(*rows),
                                                        source.info().path.string());
        };
}

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const TensorInfo& blocks = stored[index];
    if (blocks.block == nullptr || blocks.block->id != "ggml_nvfp4") {
        return std::nullopt;
    }
    const auto stem = stemOf(blocks.name, ".weight");
    const auto scaleIndex = stored.find(stem.value_or(blocks.name), ".scale");
    const TensorInfo* scale = stored.info(scaleIndex);
    if (scale == nullptr || *scaleIndex == index) {
        return std::nullopt;
    }
    Found found;
    found.name = blocks.name;
    found.quantization = std::string(blocks.block->id);
    found.dtype = blocks.dtypeName;
    found.parts = {index, *scaleIndex};
    found.shape = blocks.shape;
    found.rows = blocks.rows;
    found.groupRows = 1;
    found.groupCols = 16;
    found.symmetric = true;
    found.actOrder = false;
    const bool experts = blocks.shape.size() == 3 && blocks.shape[0] > 0 &&
                         scale->parameters == static_cast<std::uint64_t>(blocks.shape[0]) &&
                         blocks.rows % blocks.shape[0] == 0;
    if (scale->type == nullptr || scale->type->id != "fp32" ||
        (scale->parameters != 1 && !experts)) {
        return refused(std::move(found),
                       ErrorCode::Damaged,
                       "expected one fp32 scale of the tensor, or one for each expert, found " +
                           scale->dtypeName + " " + shapeText(scale->shape),
                       stored);
    }
    found.open = openScaled(index, *scaleIndex);
    return found;
}

}  // namespace

const PackedScheme kPacked_gguf_nvfp4{
    "gguf_nvfp4", "llama.cpp src/llama-model.cpp, llama-graph.cpp build_lora_mm", &match};

}  // namespace loupe::packed
