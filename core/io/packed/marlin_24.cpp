// SPDX-License-Identifier: Apache-2.0
// compressed-tensors' marlin-24 (until 0.13): 2:4 sparse weights of 4 or 8 bits in the order of the
// kernel's tiles. W = (q − 2^(b−1)) · scale, in FP16, rounded once; 0 where nothing is kept.
#include "core/io/packed/packed.hpp"
#include "core/io/packed/tile_layout.hpp"

namespace loupe::packed {

extern const PackedScheme kPacked_marlin_24;

namespace {

struct Names {
    std::optional<std::size_t> codes, scales, meta;
};

Result<TileLayout> layoutOf(const StoredTensors& stored, const Names& names) {
    const TensorInfo& codes = stored[*names.codes];
    const TensorInfo& scales = stored[*names.scales];
    const TensorInfo& meta = stored[*names.meta];
    const auto wrong = [&](const std::string& what) {
        return fail(ErrorCode::Damaged,
                    what + ", found weight_packed " + codes.dtypeName + " " +
                        shapeText(codes.shape) + ", scale_packed " + scales.dtypeName + " " +
                        shapeText(scales.shape) + ", meta " + meta.dtypeName + " " +
                        shapeText(meta.shape));
    };
    if (codes.type == nullptr || codes.type->bits != 32 || codes.type->id == "fp32" ||
        scales.type == nullptr || (scales.type->id != "fp16" && scales.type->id != "bf16") ||
        meta.type == nullptr || meta.type->id != "int16") {
        return wrong("expected words, scales of fp16 or bf16 and indices of int16");
    }
    if (codes.shape.size() != 2 || scales.shape.size() != 2 || meta.shape.size() != 2 ||
        codes.shape[0] <= 0 || codes.shape[1] <= 0 || codes.shape[0] > kMostSide / 32 ||
        codes.shape[1] > kMostSide / 32 || scales.shape[0] <= 0 || scales.shape[1] <= 0 ||
        scales.shape[1] > kMostSide / 32) {
        return wrong("expected weight_packed [in/32, words] and scale_packed [groups, out]");
    }
    TileLayout layout;
    layout.sparse = true;
    layout.outputs = scales.shape[1];
    layout.inputs = codes.shape[0] * 32;
    layout.groups = scales.shape[0];
    layout.bits = codes.shape[1] == layout.outputs * 2   ? 4
                  : codes.shape[1] == layout.outputs * 4 ? 8
                                                         : 0;
    if (layout.bits == 0 || layout.outputs % 64 != 0 || layout.inputs % layout.groups != 0 ||
        layout.inputs / layout.groups % 4 != 0 ||
        meta.parameters * 16 != static_cast<std::uint64_t>(layout.outputs * layout.inputs)) {
        return wrong(
            "expected codes of 4 or 8 bits in tiles of 64 outputs, and two indices for "
            "every four weights");
    }
    // The writer takes the order of several groups only where half the inputs exceed one.
    layout.groupedScales = layout.groups > 1 && layout.inputs / layout.groups < layout.inputs / 2;
    layout.scheme = "marlin-24";
    layout.title = "compressed-tensors marlin-24";
    layout.source = kPacked_marlin_24.source;
    return layout;
}

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const std::string_view name = stored[index].name;
    auto stem = stemOf(name, ".weight_packed");
    if (!stem) {
        stem = stemOf(name, ".scale_packed");
        if (!stem || stored.find(*stem, ".weight_packed")) {
            return std::nullopt;
        }
    }
    const Names names{stored.find(*stem, ".weight_packed"),
                      stored.find(*stem, ".scale_packed"),
                      stored.find(*stem, ".meta")};
    if (!names.scales && !names.meta) {
        return std::nullopt;
    }
    Found found;
    found.name = std::string(*stem) + ".weight";
    found.quantization = "compressed-tensors";
    found.dtype = "int4";
    for (const auto& part :
         {names.codes, names.scales, names.meta, stored.find(*stem, ".weight_shape")}) {
        if (part) {
            found.parts.push_back(*part);
        }
    }
    for (const auto& [part, suffix] : {std::pair(names.codes, ".weight_packed"),
                                       std::pair(names.scales, ".scale_packed"),
                                       std::pair(names.meta, ".meta")}) {
        if (!part) {
            return refused(std::move(found),
                           ErrorCode::Damaged,
                           "expected the part " + std::string(*stem) + suffix + ", found none",
                           stored);
        }
    }
    const auto layout = layoutOf(stored, names);
    if (!layout) {
        return refused(std::move(found), layout.error().code, layout.error().what, stored);
    }
    found.dtype = "int" + std::to_string(layout->bits);
    found.shape = {layout->outputs, layout->inputs};
    found.groupRows = 1;
    found.groupCols = layout->inputs / layout->groups;
    found.symmetric = true;
    found.actOrder = false;
    found.open = [names, layout = *layout](
                     const TensorSource& source) -> Result<std::shared_ptr<const PackedMatrix>> {
        TileParts parts;
        for (const auto& [part, at] : {std::pair(&parts.codes, names.codes),
                                       std::pair(&parts.scales, names.scales),
                                       std::pair(&parts.meta, names.meta)}) {
            auto opened = Part::open(source, *at);
            if (!opened) {
                return fail(opened.error());
            }
            *part = std::move(*opened);
        }
        return makeTileMatrix(layout, std::move(parts));
    };
    return found;
}

}  // namespace

const PackedScheme kPacked_marlin_24{
    "marlin_24",
    "compressed-tensors 0.11 sparse_quantized_compressors/marlin_24.py, "
    "utils/semi_structured_conversions.py",
    &match};

}  // namespace loupe::packed
