// SPDX-License-Identifier: Apache-2.0
// MLX: codes in 32-bit words, a dense stream along the inputs, low bits first. Affine: W = q ·
// scale + bias in the dtype of the scales, the product and the sum each rounded
// (mlx.core.dequantize on the CPU). mxfp4, mxfp8 and nvfp4 modes: one byte of scale, no bias, none
// for the tensor.
#include "core/io/packed/grid_layout.hpp"
#include "core/io/packed/packed.hpp"

#include <algorithm>
#include <array>

namespace loupe::packed {

extern const PackedScheme kPacked_mlx;

namespace {

struct Width {
    std::int64_t bits = 0;
    std::int64_t groupSize = 0;
};

auto wrong(std::string what) {
    return fail(ErrorCode::Damaged, std::move(what));
}

/// Bits of a group of weights are bits · groupSize: the configuration must say which, for the
/// module or for all.
Result<Width> widthOf(const QuantConfig& config,
                      std::string_view module,
                      std::int64_t bitsOfGroup,
                      std::vector<std::string>& doubts) {
    Width declared{config.bits.value_or(0), config.groupSize.value_or(0)};
    if (const auto found = config.modules.find(module); found != config.modules.end()) {
        declared = {found->second.bits.value_or(declared.bits),
                    found->second.groupSize.value_or(declared.groupSize)};
    }
    const auto fits = [&](const Width& width) {
        return width.bits >= 2 && width.bits <= 8 && width.bits != 7 && width.groupSize > 0 &&
               width.groupSize <= 4096 && width.bits * width.groupSize == bitsOfGroup;
    };
    if (fits(declared)) {
        return declared;
    }
    // Shapes alone leave several answers: the group size that was declared (or MLX's own), then
    // others.
    for (const std::int64_t groupSize :
         {declared.groupSize, std::int64_t{64}, std::int64_t{32}, std::int64_t{128}}) {
        const Width width{groupSize > 0 ? bitsOfGroup / groupSize : 0, groupSize};
        if (fits(width)) {
            doubts.push_back((declared.bits > 0
                                  ? config.origin + " says " + std::to_string(declared.bits) +
                                        " bits in groups of " + std::to_string(declared.groupSize)
                                  : std::string("no configuration says the bits")) +
                             "; the shapes allow " + std::to_string(width.bits) + " in groups of " +
                             std::to_string(width.groupSize));
            return width;
        }
    }
    return wrong("expected words of 2 to 8 bits for each weight, found " +
                 std::to_string(bitsOfGroup) + " bits for each scale");
}

Result<void> layAffine(const StoredTensors& stored,
                       std::string_view stem,
                       std::int64_t bitsOfGroup,
                       const TensorInfo& scales,
                       GridLayout& layout,
                       Found& found) {
    if (scales.type->id != "fp16" && scales.type->id != "bf16" && scales.type->id != "fp32") {
        return fail(ErrorCode::Unsupported,
                    "expected scales of fp16, bf16 or fp32, found " + scales.dtypeName);
    }
    const auto biases = stored.find(stem, ".biases");
    const TensorInfo* bias = stored.info(biases);
    if (bias == nullptr) {
        return wrong("expected the part " + std::string(stem) + ".biases, found none");
    }
    if (bias->type == nullptr || !(*bias->type == *scales.type) || bias->shape != scales.shape) {
        return wrong("expected biases as the scales " + shapeText(scales.shape) + ", found " +
                     bias->dtypeName + " " + shapeText(bias->shape));
    }
    const auto width = widthOf(stored.config(), stem, bitsOfGroup, found.doubts);
    if (!width) {
        return fail(width.error());
    }
    layout.bits = static_cast<int>(width->bits);
    layout.blockCols = width->groupSize;
    layout.values = offsetValues(layout.bits, 0);
    layout.zero = ZeroKind::Bias;
    layout.result = resultOf(scales.type->id);
    layout.innerRounding = true;
    layout.title = "MLX, " + std::to_string(layout.bits) + " bits";
    found.dtype = "uint" + std::to_string(layout.bits);
    return {};
}

/// The modes with bytes for scales differ in the bits of a group.
Result<std::string_view> layFloat(std::int64_t bitsOfGroup, GridLayout& layout, Found& found) {
    struct Mode {
        std::int64_t bitsOfGroup;
        int bits;
        const char* id;
        const char* codes;
        const char* scales;
    };
    constexpr std::array kModes{Mode{128, 4, "mxfp4", "fp4_e2m1", "e8m0"},
                                Mode{256, 8, "mxfp8", "fp8_e4m3", "e8m0"},
                                Mode{64, 4, "nvfp4", "fp4_e2m1", "fp8_e4m3"}};
    for (const Mode& mode : kModes) {
        if (mode.bitsOfGroup == bitsOfGroup) {
            layout.bits = mode.bits;
            layout.blockCols = bitsOfGroup / mode.bits;
            layout.values = formatValues(mode.codes);
            layout.title = std::string("MLX ") + mode.id;
            found.dtype = mode.codes;
            return std::string_view(mode.scales);
        }
    }
    return wrong("expected 64, 128 or 256 bits of codes for each byte of scale, found " +
                 std::to_string(bitsOfGroup));
}

Result<void> describe(const StoredTensors& stored, std::string_view stem, Found& found) {
    const TensorInfo& codes = stored[found.parts[0]];
    const std::size_t scalesIndex = *stored.find(stem, ".scales");
    const TensorInfo& scales = stored[scalesIndex];
    const std::vector<std::int64_t>& shape = codes.shape;
    if (shape.size() < 2 || shape.size() > 3 || scales.shape.size() != shape.size() ||
        scales.type == nullptr ||
        !std::equal(shape.begin(), shape.end() - 1, scales.shape.begin())) {
        return wrong("expected words [out, words] and as many rows of scales, found " +
                     shapeText(shape) + " and " + shapeText(scales.shape));
    }
    GridLayout layout;
    layout.rows = 1;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] <= 0 || shape[i] > kMostSide / 32 || scales.shape[i] <= 0) {
            return wrong("expected words of a matrix, found " + shapeText(shape));
        }
        layout.rows = i + 1 < shape.size() ? layout.rows * shape[i] : layout.rows;
    }
    const std::int64_t groups = scales.shape.back();
    if (shape.back() * 32 % groups != 0) {
        return wrong("expected groups of one size, found " + std::to_string(groups) +
                     " scales for " + std::to_string(shape.back()) + " words");
    }
    const std::int64_t bitsOfGroup = shape.back() * 32 / groups;
    GridNames names{found.parts[0], scalesIndex, stored.find(stem, ".biases"), {}, {}, {}};
    if (scales.type->id == "uint8") {
        names.zeros.reset();
        const auto scalesAs = layFloat(bitsOfGroup, layout, found);
        if (!scalesAs) {
            return fail(scalesAs.error());
        }
        names.scalesAs = *scalesAs;
    } else if (Result<void> laid = layAffine(stored, stem, bitsOfGroup, scales, layout, found);
               !laid) {
        return laid;
    }
    layout.cols = groups * layout.blockCols;
    layout.rowBytes = shape.back() * 4;
    layout.scaleCols = groups;
    layout.scheme = "mlx";
    layout.source = kPacked_mlx.source;
    found.shape = shape;
    found.shape.back() = layout.cols;
    describeGroups(layout, found);
    found.open = openGrid(std::move(layout), names);
    return {};
}

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const TensorInfo& lead = stored[index];
    const auto stem = stemOf(lead.name, ".weight");
    if (!stem || lead.type == nullptr || lead.type->id != "uint32") {
        return std::nullopt;
    }
    if (!stored.find(*stem, ".scales")) {
        return std::nullopt;
    }
    Found found;
    found.name = lead.name;
    found.quantization = "mlx";
    found.dtype = "uint4";
    found.parts.push_back(index);
    for (const char* suffix : {".scales", ".biases"}) {
        if (const auto part = stored.find(*stem, suffix)) {
            found.parts.push_back(*part);
        }
    }
    if (Result<void> described = describe(stored, *stem, found); !described) {
        return refused(std::move(found), described.error().code, described.error().what, stored);
    }
    return found;
}

}  // namespace

const PackedScheme kPacked_mlx{"mlx", "MLX 0.32, mlx.core.quantize and dequantize", &match};

}  // namespace loupe::packed
