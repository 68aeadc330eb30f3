// SPDX-License-Identifier: Apache-2.0
// AWQ as AutoAWQ writes it, 4 bits. GEMM: codes [in, out/8], eight outputs interleaved in a word;
// GEMV: codes [out, in/8] in their natural order. W = (q − z) · scale, in the dtype of the scales,
// one rounding; zero points are stored as they are.
#include "core/io/packed/column_layout.hpp"
#include "core/io/packed/grid_layout.hpp"
#include "core/io/packed/packed.hpp"

#include <algorithm>

namespace loupe::packed {

extern const PackedScheme kPacked_awq;

namespace {

struct Names {
    std::size_t qweight = 0, qzeros = 0, scales = 0;
};

Result<std::vector<Part>> openParts(const TensorSource& source, const Names& names) {
    std::vector<Part> parts;
    for (const std::size_t index : {names.qweight, names.qzeros, names.scales}) {
        auto part = Part::open(source, index);
        if (!part) {
            return fail(part.error());
        }
        parts.push_back(std::move(*part));
    }
    return parts;
}

OpenMatrix openGemm(const Names& names, ColumnLayout layout) {
    return [names, layout = std::move(layout)](
               const TensorSource& source) -> Result<std::shared_ptr<const PackedMatrix>> {
        auto parts = openParts(source, names);
        if (!parts) {
            return fail(parts.error());
        }
        return makeColumnMatrix(layout, {(*parts)[0], (*parts)[1], (*parts)[2]});
    };
}

/// The inputs of a group; what config.json says must fit what the shapes say.
Result<std::int64_t> groupSizeOf(const QuantConfig& config,
                                 std::int64_t inputs,
                                 std::int64_t groups,
                                 std::vector<std::string>& doubts) {
    const std::int64_t declared = config.groupSize.value_or(0);
    const std::int64_t size = declared < 0 ? inputs : declared;
    if (size > 0 && ceilDiv(inputs, size) == groups) {
        return size;
    }
    if (groups <= 0 || inputs % groups != 0) {
        return fail(ErrorCode::Damaged,
                    "expected groups of one size, found " + std::to_string(groups) +
                        " groups of scales for " + std::to_string(inputs) + " inputs");
    }
    if (declared != 0) {
        doubts.push_back(config.origin + " says group_size " + std::to_string(declared) +
                         ", the shapes say " + std::to_string(inputs / groups));
    }
    return inputs / groups;
}

Result<void> describeGemm(const StoredTensors& stored, const Names& names, Found& found) {
    const auto& qweight = stored[names.qweight].shape;
    const auto& qzeros = stored[names.qzeros].shape;
    const auto& scales = stored[names.scales].shape;
    ColumnLayout layout;
    layout.inputs = qweight[0];
    layout.outputs = qweight[1] * 8;
    layout.groups = scales[0];
    layout.zeroWords = qzeros[1];
    if (scales[1] != layout.outputs || qzeros[0] != layout.groups || qzeros[1] != qweight[1]) {
        return fail(ErrorCode::Damaged,
                    "expected scales [groups, " + std::to_string(layout.outputs) +
                        "] and qzeros [groups, " + std::to_string(qweight[1]) + "], found scales " +
                        shapeText(scales) + ", qzeros " + shapeText(qzeros));
    }
    const auto size = groupSizeOf(stored.config(), layout.inputs, layout.groups, found.doubts);
    if (!size) {
        return fail(size.error());
    }
    layout.groupSize = *size;
    layout.alongOutputs = true;
    layout.scheme = "awq";
    layout.title = "AWQ (GEMM)";
    layout.source = kPacked_awq.source;
    found.shape = {layout.outputs, layout.inputs};
    found.groupRows = 1;
    found.groupCols = layout.groupSize;
    found.symmetric = stored.config().symmetric;
    found.actOrder = false;
    found.open = openGemm(names, std::move(layout));
    return {};
}

Result<void> describeGemv(const StoredTensors& stored, const Names& names, Found& found) {
    const auto& qweight = stored[names.qweight].shape;
    const auto& qzeros = stored[names.qzeros].shape;
    const auto& scales = stored[names.scales].shape;
    GridLayout layout;
    layout.rows = qweight[0];
    layout.cols = qweight[1] * 8;
    if (scales[0] != layout.rows || qzeros[0] != layout.rows || scales[1] > qzeros[1] * 8) {
        return fail(ErrorCode::Damaged,
                    "expected a row of scales and of zero points for each of " +
                        std::to_string(layout.rows) + " outputs, found scales " +
                        shapeText(scales) + ", qzeros " + shapeText(qzeros));
    }
    // Scales are padded to whole words of zero points: only the configuration tells the size.
    const std::int64_t declared = stored.config().groupSize.value_or(128);
    layout.blockCols = declared <= 0 ? layout.cols : declared;
    if (ceilDiv(layout.cols, layout.blockCols) > scales[1]) {
        return fail(ErrorCode::Damaged,
                    "expected a scale for each group of " + std::to_string(layout.blockCols) +
                        " inputs, found scales " + shapeText(scales));
    }
    layout.bits = 4;
    layout.rowBytes = qweight[1] * 4;
    layout.values = offsetValues(4, 0);
    layout.scaleCols = scales[1];
    layout.zero = ZeroKind::AlongBlocks;
    layout.zeroWords = qzeros[1];
    layout.result = resultOf(stored[names.scales].type->id);
    layout.scheme = "awq";
    layout.title = "AWQ (GEMV)";
    layout.source = kPacked_awq.source;
    found.shape = {layout.rows, layout.cols};
    describeGroups(layout, found);
    found.symmetric = stored.config().symmetric;
    found.open =
        openGrid(std::move(layout), {names.qweight, names.scales, names.qzeros, {}, {}, {}});
    return {};
}

Result<void> describe(const StoredTensors& stored, const Names& names, Found& found) {
    const TensorInfo& qweight = stored[names.qweight];
    const TensorInfo& qzeros = stored[names.qzeros];
    const TensorInfo& scales = stored[names.scales];
    const QuantConfig& config = stored.config();
    if (config.format == "gemv_fast" || config.format == "marlin" || config.marlin ||
        (qweight.type != nullptr && qweight.type->bits == 16)) {
        return fail(ErrorCode::Unsupported,
                    "its codes lie in the order of AWQ's " +
                        (config.format == "marlin" || config.marlin ? std::string("Marlin")
                                                                    : std::string("GEMV fast")) +
                        " kernel, which is not read here");
    }
    const auto isWord = [](const TensorInfo& tensor) {
        return tensor.type != nullptr &&
               (tensor.type->id == "int32" || tensor.type->id == "uint32");
    };
    if (!isWord(qweight) || !isWord(qzeros) || scales.type == nullptr ||
        (scales.type->id != "fp16" && scales.type->id != "bf16" && scales.type->id != "fp32")) {
        return fail(ErrorCode::Unsupported,
                    "expected int32 codes and zero points and fp16 scales, found " +
                        qweight.dtypeName + ", " + qzeros.dtypeName + ", " + scales.dtypeName);
    }
    for (const TensorInfo* tensor : {&qweight, &qzeros, &scales}) {
        if (tensor->shape.size() != 2 || tensor->shape[0] <= 0 || tensor->shape[1] <= 0 ||
            std::max(tensor->shape[0], tensor->shape[1]) > kMostSide / 8) {
            return fail(
                ErrorCode::Damaged,
                "expected matrices, found " + tensor->name + " " + shapeText(tensor->shape));
        }
    }
    if (config.bits && *config.bits != 4) {
        found.doubts.push_back(config.origin + " says " + std::to_string(*config.bits) +
                               " bits; AWQ packs 4");
    }
    if (config.method == "gptq") {
        found.doubts.push_back(config.origin + " says gptq, the shapes say awq");
    }
    const bool gemv = config.format == "gemv" ||
                      (config.format != "gemm" && scales.shape[1] != qweight.shape[1] * 8 &&
                       scales.shape[0] == qweight.shape[0]);
    return gemv ? describeGemv(stored, names, found) : describeGemm(stored, names, found);
}

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const std::string_view name = stored[index].name;
    auto stem = stemOf(name, ".qweight");
    if (!stem) {
        stem = stemOf(name, ".qzeros");
        if (!stem || stored.find(*stem, ".qweight")) {
            return std::nullopt;
        }
    }
    if (!looksLikeAwq(stored, *stem)) {
        return std::nullopt;
    }
    Found found;
    found.name = std::string(*stem) + ".weight";
    found.quantization = "awq";
    found.dtype = "uint4";
    std::string missing;
    for (const char* suffix : {".qweight", ".qzeros", ".scales"}) {
        if (const auto part = stored.find(*stem, suffix)) {
            found.parts.push_back(*part);
        } else if (missing.empty()) {
            missing = std::string(*stem) + suffix;
        }
    }
    if (!missing.empty()) {
        return refused(std::move(found),
                       ErrorCode::Damaged,
                       "expected the part " + missing + ", found none",
                       stored);
    }
    const Names names{found.parts[0], found.parts[1], found.parts[2]};
    if (Result<void> described = describe(stored, names, found); !described) {
        return refused(std::move(found), described.error().code, described.error().what, stored);
    }
    return found;
}

}  // namespace

const PackedScheme kPacked_awq{
    "awq", "AutoAWQ awq/modules/linear/gemm.py, gemv.py, utils/packing_utils.py", &match};

}  // namespace loupe::packed
