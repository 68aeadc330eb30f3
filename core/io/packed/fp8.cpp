// SPDX-License-Identifier: Apache-2.0
// Eight-bit floats with scales: one for the tensor, one for each row, blocks of 128 x 128
// (weight_scale_inv, which multiplies despite its name), or E8M0 for 32 weights (MXFP8). The FP32
// product, rounded once to the dtype of the scales; to BF16 where these are E8M0.
#include "core/io/packed/grid_layout.hpp"
#include "core/io/packed/packed.hpp"

#include <algorithm>

namespace loupe::packed {

extern const PackedScheme kPacked_fp8;

namespace {

auto wrong(std::string what) {
    return fail(ErrorCode::Damaged, std::move(what));
}

bool isFp8(const TensorInfo& tensor) {
    return tensor.type != nullptr &&
           (tensor.type->id == "fp8_e4m3" || tensor.type->id == "fp8_e5m2" ||
            tensor.type->id == "fp8_e4m3fnuz" || tensor.type->id == "fp8_e5m2fnuz");
}

/// Block sizes that make `blocks` of `size`: as declared, 128, or an even division.
std::optional<std::int64_t> blockOf(std::int64_t size, std::int64_t blocks, std::int64_t declared) {
    for (const std::int64_t block : {declared, std::int64_t{128}}) {
        if (block > 0 && ceilDiv(size, block) == blocks) {
            return block;
        }
    }
    return blocks > 0 && size % blocks == 0 ? std::optional(size / blocks) : std::nullopt;
}

/// The kind of grid that the shape of the scales says.
Result<std::string> layScales(const TensorInfo& scale,
                              const std::vector<std::int64_t>& shape,
                              const QuantConfig& config,
                              GridLayout& layout,
                              std::vector<std::string>& doubts) {
    const auto count = static_cast<std::int64_t>(scale.parameters);
    const bool stack = shape.size() == 3;
    if (count == 1 || (stack && count == shape[0])) {
        layout.blockRows = layout.rows / count;
        layout.blockCols = layout.cols;
        return std::string("tensor");
    }
    std::vector<std::int64_t> found = scale.shape;
    if (shape.size() == 2 && found.size() == 4 && found[1] == 1 && found[3] == 1) {
        found = {found[0], found[2]};  // ModelOpt's block scales: [blocks, 1, blocks, 1]
    }
    if (count == layout.rows && (found.back() == 1 || found.size() + 1 == shape.size())) {
        layout.blockCols = layout.cols;
        return std::string("channel");
    }
    if (found.size() != shape.size() || (stack && found[0] != shape[0])) {
        return wrong("expected one scale, one for each of " + std::to_string(layout.rows) +
                     " rows or one for each block, found " + shapeText(found));
    }
    const std::size_t last = shape.size() - 1;
    std::vector<std::int64_t> declared = config.block;
    for (const ConfigGroup& group : config.groups) {
        declared = declared.empty() ? group.block : declared;
    }
    const auto rows = blockOf(shape[last - 1], found[last - 1], declared.empty() ? 0 : declared[0]);
    const auto cols = blockOf(shape[last], found[last], declared.empty() ? 0 : declared[1]);
    if (!rows || !cols || (stack && shape[1] % *rows != 0)) {
        return wrong("expected scales for blocks of " + shapeText(shape) + ", found " +
                     shapeText(found));
    }
    if (!declared.empty() && (*rows != declared[0] || *cols != declared[1]) && *rows > 1) {
        doubts.push_back(config.origin + " says blocks of " + shapeText(declared) +
                         ", the scales say " + shapeText({*rows, *cols}));
    }
    layout.blockRows = *rows;
    layout.blockCols = *cols;
    layout.scaleCols = found[last];
    return std::string(*rows == 1 ? "group" : "block");
}

Result<void> describe(const StoredTensors& stored,
                      std::size_t codesIndex,
                      std::size_t scaleIndex,
                      Found& found) {
    const TensorInfo& codes = stored[codesIndex];
    const TensorInfo& scale = stored[scaleIndex];
    if (codes.shape.size() < 2 || codes.shape.size() > 3) {
        return wrong("expected codes [out, in], found " + shapeText(codes.shape));
    }
    GridLayout layout;
    layout.rows = 1;
    for (std::size_t i = 0; i < codes.shape.size(); ++i) {
        if (codes.shape[i] <= 0 || codes.shape[i] > kMostSide) {
            return wrong("expected codes [out, in], found " + shapeText(codes.shape));
        }
        layout.rows = i + 1 < codes.shape.size() ? layout.rows * codes.shape[i] : layout.rows;
    }
    layout.cols = codes.shape.back();
    const bool power =
        scale.type != nullptr && (scale.type->id == "uint8" || scale.type->id == "e8m0");
    if (scale.type == nullptr || scale.parameters == 0 || scale.parameters > (1ULL << 56U) ||
        (!power && scale.type->id != "fp16" && scale.type->id != "bf16" &&
         scale.type->id != "fp32")) {
        return fail(ErrorCode::Unsupported,
                    "expected scales of fp32, bf16, fp16 or e8m0, found " + scale.dtypeName + " " +
                        shapeText(scale.shape));
    }
    const auto kind = layScales(scale, codes.shape, stored.config(), layout, found.doubts);
    if (!kind) {
        return fail(kind.error());
    }
    layout.bits = 8;
    layout.rowBytes = layout.cols;
    layout.values = formatValues(codes.type->id);
    layout.result = power ? Result16::Bf16 : resultOf(scale.type->id);
    const bool mx = power && layout.blockRows == 1 && layout.blockCols == 32;
    if (found.quantization.empty()) {
        found.quantization = mx ? "mxfp8" : "fp8-" + *kind;
    }
    layout.scheme = found.quantization;
    layout.title = mx                   ? "MXFP8"
                   : *kind == "tensor"  ? "FP8, one scale for the tensor"
                   : *kind == "channel" ? "FP8, one scale for each row"
                                        : "FP8, blocks of " + std::to_string(layout.blockRows) +
                                              " x " + std::to_string(layout.blockCols);
    layout.source = kPacked_fp8.source;
    found.shape = codes.shape;
    describeGroups(layout, found);
    found.open =
        openGrid(std::move(layout),
                 {codesIndex, scaleIndex, {}, {}, {}, scale.type->id == "uint8" ? "e8m0" : ""});
    return {};
}

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const TensorInfo& lead = stored[index];
    Found found;
    found.dtype = lead.dtypeName;
    if (stored.config().method == "compressed-tensors") {
        found.quantization = "compressed-tensors";
    }
    const auto orphan = stemOf(lead.name, ".weight_scale_inv");
    if (orphan && !stored.find(*orphan, ".weight")) {
        found.name = std::string(*orphan) + ".weight";
        found.quantization = "fp8-block";
        found.parts = {index};
        return refused(std::move(found),
                       ErrorCode::Damaged,
                       "expected the part " + std::string(*orphan) + ".weight, found none",
                       stored);
    }
    // Linear layers, and stacks of experts that are parameters of their own.
    const bool weight = stemOf(lead.name, ".weight").has_value();
    if (!isFp8(lead) || lead.shape.size() < 2) {
        return std::nullopt;
    }
    auto scale = stored.find(lead.name, "_scale_inv");
    scale = scale ? scale : stored.find(lead.name, "_scale");
    scale = scale ? scale : stored.find(lead.name, "_weight_scale");  // ModelOpt's experts
    if (!scale) {
        const auto& method = stored.config().method;
        if (weight && (method == "fp8" || method == "modelopt" || method == "compressed-tensors")) {
            found.name = lead.name;
            found.quantization = found.quantization.empty() ? "fp8" : found.quantization;
            found.parts = {index};
            return refused(
                std::move(found),
                ErrorCode::Damaged,
                "expected the part " + lead.name +
                    (method == "fp8" ? "_scale_inv or " + lead.name + "_scale" : "_scale") +
                    ", found neither",
                stored);
        }
        return std::nullopt;
    }
    found.name = lead.name;
    found.parts = {index, *scale};
    if (Result<void> described = describe(stored, index, *scale, found); !described) {
        found.quantization = found.quantization.empty() ? "fp8" : found.quantization;
        return refused(std::move(found), described.error().code, described.error().what, stored);
    }
    return found;
}

}  // namespace

const PackedScheme kPacked_fp8{
    "fp8",
    "DeepSeek-V3 inference/fp8_cast_bf16.py; transformers finegrained_fp8.py; compressed-tensors "
    "naive_quantized, mxfp8; ModelOpt FP8",
    &match};

}  // namespace loupe::packed
