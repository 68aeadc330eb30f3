// SPDX-License-Identifier: Apache-2.0
// compressed-tensors, integers: pack-quantized (codes in 32-bit words, stored with 2^(b-1) added)
// and int-quantized (one byte each). W = (q − zero) · scale in the dtype of the scales, each step
// rounded to it (quantization/lifecycle, _dequantize).
#include "core/io/packed/grid_layout.hpp"
#include "core/io/packed/packed.hpp"

#include <algorithm>
#include <cstring>

namespace loupe::packed {

extern const PackedScheme kPacked_compressed_int;

namespace {

constexpr const char* kQuantization = "compressed-tensors";

struct Names {
    std::optional<std::size_t> codes, scale, shape, zero, gIdx;
};

auto wrong(std::string what) {
    return fail(ErrorCode::Damaged, std::move(what));
}

/// Bit width and words: dense, or (before 2026, for widths that do not divide 32) a whole number of
/// codes in each word.
struct Packing {
    int bits = 0;
    std::int64_t codesPerWord = 0;
};

std::vector<Packing> packingsOf(std::int64_t cols, std::int64_t words) {
    std::vector<Packing> fitting;
    for (int bits = 1; bits <= 8; ++bits) {
        const std::int64_t per = 32 / bits;
        if (ceilDiv(cols * bits, 32) == words) {
            fitting.push_back({bits, 0});
        }
        if (32 % bits != 0 && ceilDiv(cols, per) == words && ceilDiv(cols * bits, 32) != words) {
            fitting.push_back({bits, per});
        }
    }
    return fitting;
}

Result<Packing> packingOf(const QuantConfig& config,
                          std::int64_t cols,
                          std::int64_t words,
                          std::vector<std::string>& doubts) {
    const std::vector<Packing> fitting = packingsOf(cols, words);
    for (const ConfigGroup& group : config.groups) {
        for (const Packing& packing : fitting) {
            if (group.bits == packing.bits) {
                return packing;
            }
        }
    }
    // Widths that quantizers use first, where several fit a narrow matrix.
    for (const int bits : {4, 8, 2, 3, 5, 6, 7, 1}) {
        for (const Packing& packing : fitting) {
            if (packing.bits == bits) {
                if (!config.groups.empty() && config.groups.front().bits) {
                    doubts.push_back(config.origin + " says " +
                                     std::to_string(*config.groups.front().bits) +
                                     " bits, the shapes say " + std::to_string(bits));
                }
                return packing;
            }
        }
    }
    return wrong("expected the words of " + std::to_string(cols) +
                 " codes of 1 to 8 bits in a row, found " + std::to_string(words));
}

/// The grid of scales: one for the tensor, for each row, or for each group of columns.
Result<void> layScales(const StoredTensors& stored,
                       const Names& names,
                       GridLayout& layout,
                       std::vector<std::string>& doubts) {
    const TensorInfo& scale = stored[*names.scale];
    if (scale.type == nullptr ||
        (scale.type->id != "fp16" && scale.type->id != "bf16" && scale.type->id != "fp32")) {
        return fail(ErrorCode::Unsupported,
                    "expected scales of fp16, bf16 or fp32, found " + scale.dtypeName);
    }
    layout.result = resultOf(scale.type->id);
    layout.innerRounding = true;
    if (scale.parameters == 1 && layout.rows > 0) {
        layout.blockRows = layout.rows;
        layout.blockCols = layout.cols;
        layout.scaleCols = 1;
        return {};
    }
    if (scale.shape.empty() || scale.shape.size() > 2 || scale.shape[0] != layout.rows ||
        (scale.shape.size() == 2 && scale.shape[1] <= 0)) {
        return wrong("expected weight_scale [" + std::to_string(layout.rows) + ", groups], found " +
                     shapeText(scale.shape));
    }
    layout.scaleCols = scale.shape.size() == 2 ? scale.shape[1] : 1;
    const std::int64_t groups = layout.scaleCols;
    for (const ConfigGroup& group : stored.config().groups) {
        const std::int64_t size = group.groupSize.value_or(0);
        if (size > 0 && ceilDiv(layout.cols, size) == groups) {
            layout.blockCols = size;
            return {};
        }
    }
    if (layout.cols % groups != 0) {
        return wrong("expected groups of one size, found " + std::to_string(groups) +
                     " scales in a row of " + std::to_string(layout.cols) + " weights");
    }
    layout.blockCols = layout.cols / groups;
    const auto& declared = stored.config().groups;
    if (groups > 1 && !declared.empty() && declared.front().groupSize.value_or(0) > 0) {
        doubts.push_back(stored.config().origin + " says group_size " +
                         std::to_string(*declared.front().groupSize) + ", the scales say " +
                         std::to_string(layout.blockCols));
    }
    return {};
}

Result<void> layZeros(const StoredTensors& stored, const Names& names, GridLayout& layout) {
    const TensorInfo* zero = stored.info(names.zero);
    if (zero == nullptr) {
        return {};
    }
    const std::int64_t rowsOfScales = ceilDiv(layout.rows, layout.blockRows);
    if (zero->type != nullptr && zero->type->id == "int32" && layout.bits <= 8 &&
        stored[*names.codes].type->id == "int32" && zero->parameters > 0) {
        const std::int64_t per = layout.codesPerWord;
        const std::int64_t words =
            per > 0 ? ceilDiv(rowsOfScales, per) : ceilDiv(rowsOfScales * layout.bits, 32);
        if (zero->shape != std::vector<std::int64_t>{words, layout.scaleCols}) {
            return wrong("expected weight_zero_point [" + std::to_string(words) + ", " +
                         std::to_string(layout.scaleCols) + "], found " + shapeText(zero->shape));
        }
        layout.zero = ZeroKind::AlongRows;
        layout.zeroCodesPerWord = per;
        layout.zeroOffset = 1 << (layout.bits - 1);
        return {};
    }
    const auto count = static_cast<std::uint64_t>(rowsOfScales * layout.scaleCols);
    if (zero->type == nullptr || zero->parameters != count || zero->type->bits < 8 ||
        zero->type->bits > 32) {
        return wrong("expected " + std::to_string(count) + " zero points, found " +
                     zero->dtypeName + " " + shapeText(zero->shape));
    }
    layout.zero = ZeroKind::Elements;
    return {};
}

/// weight_shape holds [out, in] as numbers.
Result<std::vector<std::int64_t>> shapeOf(const StoredTensors& stored, const Names& names) {
    const TensorInfo& codes = stored[*names.codes];
    if (!names.shape) {
        // Without it, only widths that divide 32 leave nothing to guess.
        const auto& groups = stored.config().groups;
        const std::int64_t bits = groups.empty() ? 4 : groups.front().bits.value_or(4);
        if (bits <= 0 || 32 % bits != 0) {
            return wrong("expected the part weight_shape, found none");
        }
        return std::vector<std::int64_t>{codes.shape[0], codes.shape[1] * (32 / bits)};
    }
    const TensorInfo& shape = stored[*names.shape];
    if (shape.type == nullptr || (shape.type->id != "int64" && shape.type->id != "int32") ||
        shape.parameters != 2) {
        return wrong("expected two int64 in weight_shape, found " + shape.dtypeName + " " +
                     shapeText(shape.shape));
    }
    const auto bytes = stored.smallBytes(*names.shape);
    if (!bytes) {
        return fail(bytes.error());
    }
    std::vector<std::int64_t> sizes;
    const std::size_t width = bytes->size() / 2;
    for (std::size_t i = 0; i < 2; ++i) {
        std::int64_t size = 0;
        std::memcpy(&size, bytes->data() + i * width, std::min(width, sizeof size));
        sizes.push_back(size);  // an int32 below zero becomes too large
    }
    if (sizes[0] != codes.shape[0] || sizes[1] <= 0 || sizes[1] > kMostSide) {
        return wrong("expected weight_shape [" + std::to_string(codes.shape[0]) +
                     ", inputs], found " + shapeText(sizes));
    }
    return sizes;
}

Result<void> describePacked(const StoredTensors& stored, const Names& names, Found& found) {
    const TensorInfo& codes = stored[*names.codes];
    if (codes.shape.size() != 2 || codes.shape[0] <= 0 || codes.shape[1] <= 0 ||
        std::max(codes.shape[0], codes.shape[1]) > kMostSide / 32) {
        return wrong("expected words [out, words], found " + shapeText(codes.shape));
    }
    const auto shape = shapeOf(stored, names);
    if (!shape) {
        return fail(shape.error());
    }
    GridLayout layout;
    layout.rows = (*shape)[0];
    layout.cols = (*shape)[1];
    const auto packing = packingOf(stored.config(), layout.cols, codes.shape[1], found.doubts);
    if (!packing) {
        return fail(packing.error());
    }
    layout.bits = packing->bits;
    layout.codesPerWord = packing->codesPerWord;
    layout.rowBytes = codes.shape[1] * 4;
    layout.values = offsetValues(layout.bits, std::int64_t{1} << (layout.bits - 1));
    if (Result<void> laid = layScales(stored, names, layout, found.doubts); !laid) {
        return laid;
    }
    if (Result<void> laid = layZeros(stored, names, layout); !laid) {
        return laid;
    }
    layout.scheme = kQuantization;
    layout.title = "compressed-tensors pack-quantized, " + std::to_string(layout.bits) + " bits";
    layout.source = kPacked_compressed_int.source;
    found.dtype = "int" + std::to_string(layout.bits);
    found.shape = *shape;
    describeGroups(layout, found);
    found.actOrder = names.gIdx.has_value();
    found.open =
        openGrid(std::move(layout), {*names.codes, *names.scale, names.zero, {}, names.gIdx, {}});
    return {};
}

Result<void> describeBytes(const StoredTensors& stored, const Names& names, Found& found) {
    const TensorInfo& codes = stored[*names.codes];
    if (codes.shape.size() != 2 || codes.shape[0] <= 0 || codes.shape[1] <= 0 ||
        std::max(codes.shape[0], codes.shape[1]) > kMostSide) {
        return wrong("expected int8 codes [out, in], found " + shapeText(codes.shape));
    }
    GridLayout layout;
    layout.rows = codes.shape[0];
    layout.cols = codes.shape[1];
    layout.bits = 8;
    layout.rowBytes = layout.cols;
    layout.values = formatValues("int8");
    if (Result<void> laid = layScales(stored, names, layout, found.doubts); !laid) {
        return laid;
    }
    if (Result<void> laid = layZeros(stored, names, layout); !laid) {
        return laid;
    }
    layout.scheme = kQuantization;
    layout.title = "compressed-tensors int-quantized";
    layout.source = kPacked_compressed_int.source;
    found.dtype = "int8";
    found.shape = codes.shape;
    describeGroups(layout, found);
    found.actOrder = names.gIdx.has_value();
    found.open =
        openGrid(std::move(layout), {*names.codes, *names.scale, names.zero, {}, names.gIdx, {}});
    return {};
}

/// A g_idx that was never filled in says -1 everywhere (or is empty): none.
std::optional<std::size_t> usedIndex(const StoredTensors& stored, std::string_view stem) {
    const auto found = stored.find(stem, ".weight_g_idx");
    const TensorInfo* tensor = stored.info(found);
    return tensor != nullptr && tensor->parameters > 0 && tensor->type != nullptr &&
                   (tensor->type->id == "int32" || tensor->type->id == "int64")
               ? found
               : std::nullopt;
}

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const TensorInfo& lead = stored[index];
    const bool packed = stemOf(lead.name, ".weight_packed").has_value();
    auto stem = stemOf(lead.name, packed ? ".weight_packed" : ".weight");
    if (stem && packed && (lead.type == nullptr || lead.type->id != "int32")) {
        return std::nullopt;  // bytes of FP4
    }
    if (stem && !packed &&
        (lead.type == nullptr || lead.type->id != "int8" || !stored.find(*stem, ".weight_scale"))) {
        return std::nullopt;
    }
    if (!stem) {
        stem = stemOf(lead.name, ".weight_shape");
        if (!stem || stored.find(*stem, ".weight_packed")) {
            return std::nullopt;
        }
    }
    const bool bytes = !packed && stemOf(lead.name, ".weight").has_value();
    const Names names{stored.find(*stem, bytes ? ".weight" : ".weight_packed"),
                      stored.find(*stem, ".weight_scale"),
                      stored.find(*stem, ".weight_shape"),
                      stored.find(*stem, ".weight_zero_point"),
                      usedIndex(stored, *stem)};
    Found found;
    found.name = std::string(*stem) + ".weight";
    found.quantization = stored.config().method == "modelopt" ? "modelopt-int8" : kQuantization;
    found.dtype = "int4";
    for (const auto& part :
         {names.codes, names.scale, names.zero, names.shape, stored.find(*stem, ".weight_g_idx")}) {
        if (part) {
            found.parts.push_back(*part);
        }
    }
    for (const auto& [part, suffix] :
         {std::pair(names.codes, ".weight_packed"), std::pair(names.scale, ".weight_scale")}) {
        if (!part) {
            return refused(std::move(found),
                           ErrorCode::Damaged,
                           "expected the part " + std::string(*stem) + suffix + ", found none",
                           stored);
        }
    }
    if (Result<void> described =
            bytes ? describeBytes(stored, names, found) : describePacked(stored, names, found);
        !described) {
        return refused(std::move(found), described.error().code, described.error().what, stored);
    }
    return found;
}

}  // namespace

const PackedScheme kPacked_compressed_int{
    "compressed_int",
    "compressed-tensors compressors/pack_quantized, naive_quantized; quantization/lifecycle",
    &match};

}  // namespace loupe::packed
