// SPDX-License-Identifier: Apache-2.0
// Marlin's own checkpoints (checkpoint_format "marlin", is_marlin_format): B holds 4-bit codes in
// the order of its kernel's tiles, s the scales. W = (q − 8) · s, in FP16, rounded once.
#include "core/io/packed/packed.hpp"
#include "core/io/packed/tile_layout.hpp"

namespace loupe::packed {

extern const PackedScheme kPacked_marlin;

namespace {

Result<TileLayout> layoutOf(const TensorInfo& codes, const TensorInfo& scales) {
    const auto wrong = [&](const std::string& what) {
        return fail(ErrorCode::Damaged,
                    what + ", found B " + codes.dtypeName + " " + shapeText(codes.shape) + ", s " +
                        scales.dtypeName + " " + shapeText(scales.shape));
    };
    if (codes.type == nullptr || codes.type->bits != 32 || codes.type->id == "fp32" ||
        scales.type == nullptr || (scales.type->id != "fp16" && scales.type->id != "bf16")) {
        return wrong("expected words B and scales s of fp16 or bf16");
    }
    if (codes.shape.size() != 2 || scales.shape.size() != 2 || codes.shape[0] <= 0 ||
        codes.shape[0] > kMostSide / 16 || scales.shape[0] <= 0 || scales.shape[1] <= 0 ||
        scales.shape[1] > kMostSide / 2 || codes.shape[1] != scales.shape[1] * 2) {
        return wrong("expected B [in/16, 2·out] and s [groups, out]");
    }
    TileLayout layout;
    layout.outputs = scales.shape[1];
    layout.inputs = codes.shape[0] * 16;
    layout.groups = scales.shape[0];
    layout.groupedScales = layout.groups > 1;
    if (layout.outputs % 64 != 0 || layout.inputs % layout.groups != 0 ||
        layout.inputs / layout.groups % 4 != 0) {
        return wrong("expected whole tiles of 64 outputs and groups of one size");
    }
    layout.scheme = "gptq-marlin";
    layout.title = "Marlin";
    layout.source = kPacked_marlin.source;
    return layout;
}

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const TensorInfo& lead = stored[index];
    const auto stem = stemOf(lead.name, ".B");
    const auto scales = stem ? stored.find(*stem, ".s") : std::nullopt;
    if (!scales) {
        return std::nullopt;
    }
    Found found;
    found.name = std::string(*stem) + ".weight";
    found.quantization = "gptq-marlin";
    found.dtype = "int4";
    found.parts = {index, *scales};
    if (const auto workspace = stored.find(*stem, ".workspace")) {
        found.parts.push_back(*workspace);  // the kernel's locks, no weights
    }
    const auto layout = layoutOf(lead, stored[*scales]);
    if (!layout) {
        return refused(std::move(found), layout.error().code, layout.error().what, stored);
    }
    found.shape = {layout->outputs, layout->inputs};
    found.groupRows = 1;
    found.groupCols = layout->inputs / layout->groups;
    found.symmetric = true;
    found.actOrder = false;
    found.open = [index, scales = *scales, layout = *layout](
                     const TensorSource& source) -> Result<std::shared_ptr<const PackedMatrix>> {
        const auto codes = Part::open(source, index);
        const auto scale = Part::open(source, scales);
        if (!codes || !scale) {
            return fail(!codes ? codes.error() : scale.error());
        }
        return makeTileMatrix(layout, {*codes, *scale, {}});
    };
    return found;
}

}  // namespace

const PackedScheme kPacked_marlin{
    "marlin", "AutoGPTQ qlinear_marlin.py; IST-DASLab marlin", &match};

}  // namespace loupe::packed
