// SPDX-License-Identifier: Apache-2.0
// Four-bit floats (E2M1), two in a byte, the even one in the low nibble, and six-bit ones.
// NVFP4: E4M3 scale for 16 weights and one FP32 scale for the tensor. ModelOpt multiplies by it
// (W = E2M1 · (scale · scale_2), FP32); compressed-tensors divides (W = bf16(E2M1 · (scale /
// global))). MXFP4 of compressed-tensors: E8M0 scale for 32 weights, none for the tensor. Its
// MXFP6: the same with E2M3, four codes in three bytes, the first in the low bits.
#include "core/io/packed/grid_layout.hpp"
#include "core/io/packed/packed.hpp"

#include <algorithm>

namespace loupe::packed {

extern const PackedScheme kPacked_nvfp4;

namespace {

struct Names {
    std::optional<std::size_t> codes, scale, global;
    bool modelopt = false;
    std::string name;  ///< of the weights
};

auto wrong(std::string what) {
    return fail(ErrorCode::Damaged, std::move(what));
}

bool isByte(const TensorInfo& tensor) {
    return tensor.type != nullptr && (tensor.type->id == "uint8" || tensor.type->id == "int8" ||
                                      tensor.type->id == "fp4_e2m1");
}

/// Are the codes of six bits? The configuration tells, or the shapes do: 24 bytes for a scale.
bool isSixBits(const StoredTensors& stored, const TensorInfo& codes, const TensorInfo& scale) {
    if (scale.type == nullptr || (scale.type->id != "uint8" && scale.type->id != "e8m0") ||
        codes.shape.empty() || scale.shape.size() != codes.shape.size()) {
        return false;
    }
    const std::int64_t bytes = codes.shape.back();
    const std::int64_t groups = scale.shape.back();
    const auto fits = [&](std::int64_t cols) { return ceilDiv(cols, 32) == groups; };
    const bool six = bytes > 0 && bytes < kMostSide && bytes % 3 == 0 && fits(bytes / 3 * 4);
    return six && (stored.config().format == "mxfp6-pack-quantized" ||
                   !(bytes > 0 && bytes < kMostSide && fits(bytes * 2)));
}

/// The number of columns and the stacked rows; two codes of four bits in each stored byte.
Result<void> laySides(const TensorInfo& codes,
                      GridLayout& layout,
                      std::vector<std::int64_t>& shape) {
    if (codes.shape.size() < 2 || codes.shape.size() > 3) {
        return wrong("expected codes [out, in/2], found " + shapeText(codes.shape));
    }
    shape = codes.shape;
    layout.rows = 1;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] <= 0 || shape[i] > kMostSide / 2) {
            return wrong("expected codes [out, in/2], found " + shapeText(codes.shape));
        }
        layout.rows = i + 1 < shape.size() ? layout.rows * shape[i] : layout.rows;
    }
    if (codes.type->id == "fp4_e2m1") {
        if (shape.back() % 2 != 0) {
            return wrong("expected an even number of columns, found " + shapeText(codes.shape));
        }
    } else {
        shape.back() = layout.bits == 6 ? shape.back() / 3 * 4 : shape.back() * 2;
    }
    layout.cols = shape.back();
    layout.rowBytes = layout.cols * layout.bits / 8;
    return {};
}

Result<void> describe(const StoredTensors& stored, const Names& names, Found& found) {
    const TensorInfo& codes = stored[*names.codes];
    const TensorInfo& scale = stored[*names.scale];
    GridLayout layout;
    std::vector<std::int64_t> shape;
    layout.bits = !names.modelopt && isSixBits(stored, codes, scale) ? 6 : 4;
    if (Result<void> laid = laySides(codes, layout, shape); !laid) {
        return laid;
    }
    const bool nv = scale.type != nullptr && scale.type->id == "fp8_e4m3";
    const bool mx =
        scale.type != nullptr && (scale.type->id == "uint8" || scale.type->id == "e8m0");
    if (!nv && !mx) {
        return fail(ErrorCode::Unsupported,
                    "expected scales of fp8_e4m3 or e8m0, found " + scale.dtypeName);
    }
    layout.blockCols = nv ? 16 : 32;
    const std::int64_t groups = ceilDiv(layout.cols, layout.blockCols);
    std::vector<std::int64_t> expected = shape;
    expected.back() = groups;
    const std::vector<std::int64_t>& found3 = scale.shape;
    if (nv && names.modelopt && shape.size() == 3 && found3.size() == 3 && found3 != expected &&
        found3[2] == codes.shape[2] && found3[1] < kMostSide && found3[1] * 8 == codes.shape[1]) {
        return fail(ErrorCode::Unsupported,
                    "its experts are packed along the rows of [experts, in/2, out] (ModelOpt), "
                    "which is not read here");
    }
    if (scale.shape != expected) {
        return wrong("expected weight_scale " + shapeText(expected) + ", found " +
                     shapeText(scale.shape));
    }
    layout.scaleCols = groups;
    found.dtype = layout.bits == 6 ? "fp6_e2m3" : "fp4_e2m1";
    layout.values = formatValues(found.dtype);
    if (nv && !names.global) {
        return wrong(std::string("expected the part ") +
                     (names.modelopt ? "weight_scale_2" : "weight_global_scale") + ", found none");
    }
    if (const TensorInfo* global = stored.info(names.global);
        global != nullptr &&
        (global->type == nullptr || global->type->id != "fp32" ||
         (global->parameters != 1 &&
          (shape.size() != 3 || global->parameters != static_cast<std::uint64_t>(shape[0]))))) {
        return wrong("expected one fp32 scale of the tensor, found " + global->dtypeName + " " +
                     shapeText(global->shape));
    }
    layout.divide = !names.modelopt;
    // compressed-tensors decompresses to BF16; ModelOpt's FP32 product is left as it is.
    layout.result = names.modelopt ? Result16::Fp32 : Result16::Bf16;
    layout.scheme = nv ? "nvfp4" : layout.bits == 6 ? "mxfp6" : "mxfp4";
    layout.title = std::string(names.modelopt ? "ModelOpt " : "compressed-tensors ") +
                   (nv                 ? "NVFP4"
                    : layout.bits == 6 ? "MXFP6 (E2M3)"
                                       : "MXFP4");
    layout.source = kPacked_nvfp4.source;
    found.shape = shape;
    describeGroups(layout, found);
    if (names.modelopt) {
        found.quantization = nv ? "nvfp4" : "mxfp4";
    }
    found.open = openGrid(std::move(layout),
                          {*names.codes,
                           *names.scale,
                           {},
                           nv ? names.global : std::nullopt,
                           {},
                           scale.type->id == "uint8" ? "e8m0" : ""});
    return {};
}

/// The parts that belong to codes of a name of one of the two libraries.
std::optional<Names> namesOf(const StoredTensors& stored, std::size_t index) {
    const TensorInfo& lead = stored[index];
    if (!isByte(lead)) {
        return std::nullopt;
    }
    if (const auto stem = stemOf(lead.name, ".weight_packed")) {
        return Names{index,
                     stored.find(*stem, ".weight_scale"),
                     stored.find(*stem, ".weight_global_scale"),
                     false,
                     std::string(*stem) + ".weight"};
    }
    // ModelOpt: beside MODULE.weight, or beside a parameter of another name (stacked experts).
    const auto stem = stemOf(lead.name, ".weight");
    const std::string prefix = stem ? std::string(*stem) + "." : lead.name + "_";
    const auto scale = stored.find(prefix, "weight_scale");
    const auto second = stored.find(prefix, "weight_scale_2");
    if (!scale || (lead.type->id == "int8" && !second)) {
        return std::nullopt;
    }
    return Names{index, scale, second, true, lead.name};
}

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const auto made = namesOf(stored, index);
    if (!made) {
        return std::nullopt;
    }
    const Names& names = *made;
    const std::string_view stem = stemOf(names.name, ".weight").value_or(names.name);
    Found found;
    found.name = names.name;
    found.quantization = names.modelopt ? "nvfp4" : "compressed-tensors";
    found.dtype = "fp4_e2m1";
    for (const auto& part : {names.codes, names.scale, names.global}) {
        if (part) {
            found.parts.push_back(*part);
        }
    }
    if (!names.scale) {
        return refused(std::move(found),
                       ErrorCode::Damaged,
                       "expected the part " + std::string(stem) + ".weight_scale, found none",
                       stored);
    }
    if (stored.find(stem, ".pre_quant_scale")) {
        found.doubts.emplace_back(
            "pre_quant_scale multiplies the inputs and is not part of the weights shown");
    }
    if (Result<void> described = describe(stored, names, found); !described) {
        return refused(std::move(found), described.error().code, described.error().what, stored);
    }
    return found;
}

}  // namespace

const PackedScheme kPacked_nvfp4{
    "nvfp4",
    "ModelOpt qtensor/nvfp4_tensor.py; compressed-tensors compressors/nvfp4, mxfp4, "
    "mxfp6",
    &match};

}  // namespace loupe::packed
