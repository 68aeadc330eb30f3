// SPDX-License-Identifier: Apache-2.0
// GPTQ as AutoGPTQ and GPTQModel write it: codes packed along the inputs, zero points along the
// outputs, one scale per group of inputs and output. W[i, o] = scales[g, o] · (q[i, o] − z[g, o]),
// in the dtype of the scales, one rounding; g = g_idx[i]. GPTQModel's gptq_p (always for 5, 6 and 7
// bits) lays bit planes of 32 codes each beside one another, and stores zero points as they are.
#include "core/base/text.hpp"
#include "core/io/packed/column_layout.hpp"
#include "core/io/packed/packed.hpp"

#include <algorithm>
#include <array>

namespace loupe::packed {

extern const PackedScheme kPacked_gptq;

namespace {

struct Names {
    std::optional<std::size_t> qweight, qzeros, scales, gIdx;
};

Names namesOf(const StoredTensors& stored, std::string_view stem) {
    return {stored.find(stem, ".qweight"),
            stored.find(stem, ".qzeros"),
            stored.find(stem, ".scales"),
            stored.find(stem, ".g_idx")};
}

/// The module's name where stored tensor `index` leads its parts.
std::optional<std::string_view> leadOf(const StoredTensors& stored, std::size_t index) {
    const std::string_view name = stored[index].name;
    if (const auto stem = stemOf(name, ".qweight")) {
        return stem;
    }
    if (const auto stem = stemOf(name, ".qzeros"); stem && !stored.find(*stem, ".qweight")) {
        return stem;
    }
    return std::nullopt;
}

/// Which bit widths make these zero points' words from that many outputs.
std::optional<int> bitsOf(std::int64_t outputs,
                          std::int64_t words,
                          const std::optional<std::int64_t>& declared) {
    std::optional<int> only;
    for (int bits = 2; bits <= 8; ++bits) {
        const bool planes = bits > 4 && bits < 8;  // whole blocks of 32 only
        if (ceilDiv(outputs * bits, 32) == words && (!planes || outputs % 32 == 0)) {
            if (declared == bits) {
                return bits;
            }
            only = only ? std::optional(0) : bits;
        }
    }
    return only == 0 ? std::nullopt : only;
}

/// Stored zero points of a symmetric checkpoint tell the version: v1 stores 2^(b-1) - 1, v2
/// 2^(b-1).
bool looksLikeV2(std::span<const std::byte> qzeros, const ColumnLayout& layout) {
    const std::int64_t words = layout.zeroWords;
    const auto middle = std::uint64_t{1} << static_cast<unsigned>(layout.bits - 1);
    for (std::int64_t o = 0; o < layout.outputs; ++o) {
        if (codeInWords(qzeros.data(), words, 1, 0, o, layout.bits) != middle) {
            return false;
        }
    }
    return true;
}

/// Shapes against each other; gives the layout, or why not.
Result<ColumnLayout> layoutOf(const StoredTensors& stored,
                              const Names& names,
                              std::vector<std::string>& doubts) {
    const TensorInfo& qweight = stored[*names.qweight];
    const TensorInfo& qzeros = stored[*names.qzeros];
    const TensorInfo& scales = stored[*names.scales];
    const QuantConfig& config = stored.config();
    ColumnLayout layout;
    const auto wrong = [](std::string what) { return fail(ErrorCode::Damaged, std::move(what)); };
    if (qweight.shape.size() != 2 || scales.shape.size() != 2 || qzeros.shape.size() != 2 ||
        qweight.shape[1] <= 0 || qweight.shape[0] <= 0 || scales.shape[0] <= 0) {
        return wrong("expected matrices, found qweight " + shapeText(qweight.shape) + ", scales " +
                     shapeText(scales.shape) + ", qzeros " + shapeText(qzeros.shape));
    }
    layout.outputs = qweight.shape[1];
    layout.groups = scales.shape[0];
    if (layout.outputs > kMostSide || qweight.shape[0] > kMostSide ||
        scales.shape[1] != layout.outputs || qzeros.shape[0] != layout.groups) {
        return wrong("expected scales [groups, " + std::to_string(layout.outputs) +
                     "] and as many rows of qzeros, found scales " + shapeText(scales.shape) +
                     ", qzeros " + shapeText(qzeros.shape));
    }
    const auto bits = bitsOf(layout.outputs, qzeros.shape[1], config.bits);
    if (!bits || qweight.shape[0] * 32 % *bits != 0) {
        return wrong("expected qzeros of " + std::to_string(layout.outputs) +
                     " zero points of 2 to 8 bits and whole words of codes, found qzeros " +
                     shapeText(qzeros.shape) + ", qweight " + shapeText(qweight.shape));
    }
    layout.bits = *bits;
    layout.zeroWords = qzeros.shape[1];
    layout.inputs = qweight.shape[0] * 32 / layout.bits;
    layout.planar =
        (layout.bits > 4 && layout.bits < 8) || (config.format == "gptq_p" && layout.bits == 3);
    if (config.bits && *config.bits != layout.bits) {
        doubts.push_back(config.origin + " says " + std::to_string(*config.bits) +
                         " bits, the shapes say " + std::to_string(layout.bits));
    }
    const TensorInfo* gIdx = stored.info(names.gIdx);
    const bool indexed = gIdx != nullptr && gIdx->parameters > 0;
    if (indexed) {
        const std::int64_t found = gIdx->shape.empty() ? 1 : gIdx->shape[0];
        if (gIdx->shape.size() != 1 || found > layout.inputs ||
            ceilDiv(found * layout.bits, 32) != qweight.shape[0]) {
            return wrong("expected g_idx [" + std::to_string(layout.inputs) + "], found " +
                         shapeText(gIdx->shape));
        }
        layout.inputs = found;
    }
    if (layout.planar && (layout.inputs % 32 != 0 || layout.outputs % 32 != 0)) {
        return wrong("expected sides of whole blocks of 32 codes (planar layout), found " +
                     std::to_string(layout.outputs) + " outputs, " + std::to_string(layout.inputs) +
                     " inputs");
    }
    const std::int64_t declared = config.groupSize.value_or(0);
    layout.groupSize = declared < 0 ? layout.inputs : declared;
    if (layout.groupSize <= 0 || ceilDiv(layout.inputs, layout.groupSize) != layout.groups) {
        if (declared != 0) {
            doubts.push_back(config.origin + " says group_size " + std::to_string(declared) +
                             ", the scales say " + std::to_string(layout.groups) + " groups of " +
                             std::to_string(layout.inputs) + " inputs");
        }
        if (layout.inputs % layout.groups != 0 && !indexed) {
            return wrong("expected groups of one size, found " + std::to_string(layout.groups) +
                         " rows of scales for " + std::to_string(layout.inputs) + " inputs");
        }
        layout.groupSize = std::max<std::int64_t>(1, layout.inputs / layout.groups);
    }
    return layout;
}

Result<void> checkTypes(const StoredTensors& stored, const Names& names) {
    for (const auto index : {names.qweight, names.qzeros}) {
        const TensorInfo& tensor = stored[*index];
        if (tensor.type == nullptr || tensor.type->bits != 32 || tensor.type->id == "fp32") {
            return fail(ErrorCode::Unsupported,
                        "expected 32-bit words, found " + tensor.name + " of " + tensor.dtypeName);
        }
    }
    const TensorInfo& scales = stored[*names.scales];
    if (scales.type == nullptr ||
        (scales.type->id != "fp16" && scales.type->id != "bf16" && scales.type->id != "fp32")) {
        return fail(ErrorCode::Unsupported,
                    "expected scales of fp16, bf16 or fp32, found " + scales.dtypeName);
    }
    if (const TensorInfo* gIdx = stored.info(names.gIdx);
        gIdx != nullptr &&
        (gIdx->type == nullptr || (gIdx->type->id != "int32" && gIdx->type->id != "int64"))) {
        return fail(ErrorCode::Unsupported, "expected g_idx of int32, found " + gIdx->dtypeName);
    }
    return {};
}

Result<std::shared_ptr<const PackedMatrix>> open(const TensorSource& source,
                                                 const Names& names,
                                                 ColumnLayout layout,
                                                 const std::string& format) {
    ColumnParts parts;
    for (const auto& [part, index] : {std::pair(&parts.codes, names.qweight),
                                      std::pair(&parts.zeros, names.qzeros),
                                      std::pair(&parts.scales, names.scales)}) {
        auto opened = Part::open(source, *index);
        if (!opened) {
            return fail(opened.error());
        }
        *part = std::move(*opened);
    }
    if (names.gIdx && source.tensors()[*names.gIdx].parameters > 0) {
        const auto gIdx = Part::open(source, *names.gIdx);
        if (!gIdx) {
            return fail(gIdx.error());
        }
        auto groups = readGroupIndex(*gIdx, layout.inputs, layout.groups, layout.groupSize);
        if (!groups) {
            return fail(groups.error());
        }
        layout.groupOf = std::make_shared<const std::vector<std::int32_t>>(std::move(*groups));
    }
    // GPTQModel writes planes under the name gptq_p only, with zero points as they are.
    bool v2 = format == "gptq_v2" || format == "gptq_p" || (layout.planar && format != "gptq");
    if (!v2 && format != "gptq") {
        const auto zeros = parts.zeros.data();
        if (!zeros) {
            return fail(zeros.error());
        }
        v2 = looksLikeV2(*zeros, layout);
    }
    layout.zeroAdd = v2 ? 0 : 1;
    layout.scheme = "gptq";
    layout.title = std::string("GPTQ ") + (layout.planar ? "planar" : v2 ? "v2" : "v1");
    layout.source = kPacked_gptq.source;
    return makeColumnMatrix(std::move(layout), std::move(parts));
}

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const auto stem = leadOf(stored, index);
    if (!stem) {
        return std::nullopt;
    }
    const Names names = namesOf(stored, *stem);
    const QuantConfig& config = stored.config();
    if (looksLikeAwq(stored, *stem)) {
        return std::nullopt;
    }
    Found found;
    found.name = std::string(*stem) + ".weight";
    found.quantization = "gptq";
    found.dtype = "uint4";
    for (const auto part : {names.qweight, names.qzeros, names.scales, names.gIdx}) {
        if (part) {
            found.parts.push_back(*part);
        }
    }
    if (config.marlin || config.format == "marlin") {
        return refused(
            std::move(found),
            ErrorCode::Unsupported,
            "expected Marlin's tensors B and s, as " + config.origin + " says, found qweight",
            stored);
    }
    for (const auto& [part, suffix] : {std::pair(names.qweight, ".qweight"),
                                       std::pair(names.qzeros, ".qzeros"),
                                       std::pair(names.scales, ".scales")}) {
        if (!part) {
            return refused(std::move(found),
                           ErrorCode::Damaged,
                           "expected the part " + std::string(*stem) + suffix + ", found none",
                           stored);
        }
    }
    if (Result<void> types = checkTypes(stored, names); !types) {
        return refused(std::move(found), types.error().code, types.error().what, stored);
    }
    const auto layout = layoutOf(stored, names, found.doubts);
    if (!layout) {
        return refused(std::move(found), layout.error().code, layout.error().what, stored);
    }
    found.dtype = "uint" + std::to_string(layout->bits);
    found.shape = {layout->outputs, layout->inputs};
    found.groupRows = 1;
    found.groupCols = layout->groupSize;
    found.symmetric = config.symmetric;
    const TensorInfo* gIdx = stored.info(names.gIdx);
    found.actOrder = gIdx == nullptr || gIdx->parameters == 0 ? false : config.actOrder;
    found.open = [names, layout = *layout, format = config.format](const TensorSource& source) {
        return open(source, names, layout, format);
    };
    return found;
}

}  // namespace

const PackedScheme kPacked_gptq{
    "gptq", "AutoGPTQ qlinear_cuda_old.py; GPTQModel nn_modules/qlinear", &match};

}  // namespace loupe::packed
