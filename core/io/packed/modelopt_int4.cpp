// SPDX-License-Identifier: Apache-2.0
// ModelOpt's 4-bit integers (W4A16_AWQ, W4A8_AWQ): a byte holds the codes of two outputs, the even
// one in the low nibble, in two's complement. W = q · weight_scale in FP32. weight_scale_2 of
// W4A8_AWQ belongs to the kernel, which takes weight_scale apart in two; it does not change W.
#include "core/io/packed/grid_layout.hpp"
#include "core/io/packed/packed.hpp"

#include <algorithm>

namespace loupe::packed {

extern const PackedScheme kPacked_modelopt_int4;

namespace {

Result<void> describe(const StoredTensors& stored, Found& found) {
    const TensorInfo& codes = stored[found.parts[0]];
    const TensorInfo& scale = stored[found.parts[1]];
    const std::vector<std::int64_t>& shape = codes.shape;
    const std::size_t last = shape.size() - 1;
    GridLayout layout;
    layout.rows = 2;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] <= 0 || shape[i] > kMostSide / 32 || layout.rows > kMostSide) {
            return fail(ErrorCode::Damaged,
                        "expected codes [out/2, in], found " + shapeText(shape));
        }
        layout.rows = i < last ? layout.rows * shape[i] : layout.rows;
    }
    const std::int64_t groups = scale.shape[last];
    if (groups <= 0 || shape[last] % groups != 0 ||
        !std::equal(shape.begin(), shape.end() - 2, scale.shape.begin())) {
        return fail(ErrorCode::Damaged,
                    "expected weight_scale [out, groups] with groups of one size, found " +
                        shapeText(scale.shape) + " for codes " + shapeText(shape));
    }
    layout.cols = shape[last];
    layout.bits = 4;
    layout.pairedRows = true;
    layout.rowBytes = layout.cols;
    layout.values = formatValues("int4");
    layout.blockCols = layout.cols / groups;
    layout.scaleCols = groups;
    layout.scheme = "modelopt-int4";
    layout.title = "ModelOpt INT4";
    layout.source = kPacked_modelopt_int4.source;
    found.shape = shape;
    found.shape[last - 1] *= 2;
    describeGroups(layout, found);
    found.open = openGrid(std::move(layout), {found.parts[0], found.parts[1], {}, {}, {}, {}});
    return {};
}

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const TensorInfo& codes = stored[index];
    const auto stem = stemOf(codes.name, ".weight");
    const auto scaleIndex = stem ? stored.find(*stem, ".weight_scale") : std::nullopt;
    const TensorInfo* scale = stored.info(scaleIndex);
    if (scale == nullptr || codes.type == nullptr || codes.type->id != "uint8" ||
        scale->type == nullptr ||
        (scale->type->id != "fp32" && scale->type->id != "fp16" && scale->type->id != "bf16")) {
        return std::nullopt;
    }
    const std::size_t rank = codes.shape.size();
    const bool paired = (rank == 2 || rank == 3) && scale->shape.size() == rank &&
                        codes.shape[rank - 2] > 0 && codes.shape[rank - 2] < kMostSide &&
                        scale->shape[rank - 2] == codes.shape[rank - 2] * 2;
    Found found;
    found.name = codes.name;
    found.quantization = "modelopt-int4";
    found.dtype = "int4";
    found.parts = {index, *scaleIndex};
    if (const auto second = stored.find(*stem, ".weight_scale_2")) {
        found.parts.push_back(*second);
    }
    if (!paired) {
        return refused(std::move(found),
                       ErrorCode::Damaged,
                       "expected codes [out/2, in] and weight_scale [out, groups], found " +
                           shapeText(codes.shape) + " and " + shapeText(scale->shape),
                       stored);
    }
    if (stored.find(*stem, ".pre_quant_scale")) {
        found.doubts.emplace_back(
            "pre_quant_scale multiplies the inputs and is not part of the weights shown");
    }
    if (Result<void> described = describe(stored, found); !described) {
        return refused(std::move(found), described.error().code, described.error().what, stored);
    }
    return found;
}

}  // namespace

const PackedScheme kPacked_modelopt_int4{
    "modelopt_int4", "ModelOpt torch/export/quant_utils.py pack_int4_in_uint8", &match};

}  // namespace loupe::packed
