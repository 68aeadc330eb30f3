// SPDX-License-Identifier: Apache-2.0
// bitsandbytes LLM.int8(): codes [out, in], SCB the largest magnitude of each row.
// W = (q · SCB) · (1/127), FP32, two roundings (functional.int8_vectorwise_dequant).
#include "core/io/packed/grid_layout.hpp"
#include "core/io/packed/packed.hpp"

#include <array>

namespace loupe::packed {

extern const PackedScheme kPacked_bnb_int8;

namespace {

constexpr float kOver127 = 7.874015718698502e-3F;

/// weight_format: 0 is row by row; the others are tiles of one generation of GPUs.
Result<void> checkFormat(const StoredTensors& stored, const std::optional<std::size_t>& format) {
    constexpr std::array<const char*, 4> kNames{"row", "col32", "col_turing", "col_ampere"};
    if (!format) {
        return {};
    }
    const auto bytes = stored.smallBytes(*format);
    if (!bytes) {
        return fail(bytes.error());
    }
    const unsigned value = bytes->empty() ? 0U : std::to_integer<unsigned>(bytes->front());
    if (bytes->size() != 1 || value >= kNames.size()) {
        return fail(ErrorCode::Damaged,
                    "expected a weight_format of 0 to 3 in one byte, found " +
                        std::to_string(bytes->size()) + " bytes, " + std::to_string(value));
    }
    if (value != 0) {
        return fail(ErrorCode::Unsupported,
                    std::string("its codes lie in the order of \"") + kNames[value] +
                        "\" tiles, which is not read here");
    }
    return {};
}

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const std::string_view name = stored[index].name;
    auto stem = stemOf(name, ".weight");
    if (stem && !stored.find(*stem, ".SCB")) {
        return std::nullopt;
    }
    if (!stem) {
        stem = stemOf(name, ".SCB");
        if (!stem || stored.find(*stem, ".weight")) {
            return std::nullopt;
        }
    }
    Found found;
    found.name = std::string(*stem) + ".weight";
    found.quantization = "bnb-int8";
    found.dtype = "int8";
    const auto weight = stored.find(*stem, ".weight");
    const auto scb = stored.find(*stem, ".SCB");
    const auto format = stored.find(*stem, ".weight_format");
    for (const auto& part : {weight, scb, format}) {
        if (part) {
            found.parts.push_back(*part);
        }
    }
    if (!weight) {
        return refused(std::move(found),
                       ErrorCode::Damaged,
                       "expected the part " + std::string(*stem) + ".weight, found none",
                       stored);
    }
    const TensorInfo& codes = stored[*weight];
    const TensorInfo& scales = stored[*scb];
    if (codes.type == nullptr || codes.type->id != "int8" || codes.shape.size() != 2 ||
        codes.shape[0] <= 0 || codes.shape[1] <= 0) {
        return refused(std::move(found),
                       ErrorCode::Damaged,
                       "expected int8 codes [out, in], found " + codes.dtypeName + " " +
                           shapeText(codes.shape),
                       stored);
    }
    if (scales.type == nullptr || scales.type->id != "fp32" ||
        scales.parameters != static_cast<std::uint64_t>(codes.shape[0])) {
        return refused(std::move(found),
                       ErrorCode::Damaged,
                       "expected SCB of " + std::to_string(codes.shape[0]) + " fp32, found " +
                           scales.dtypeName + " " + shapeText(scales.shape),
                       stored);
    }
    if (Result<void> sound = checkFormat(stored, format); !sound) {
        return refused(std::move(found), sound.error().code, sound.error().what, stored);
    }
    GridLayout layout;
    layout.rows = codes.shape[0];
    layout.cols = codes.shape[1];
    layout.bits = 8;
    layout.rowBytes = layout.cols;
    layout.values = formatValues("int8");
    layout.blockCols = layout.cols;
    layout.after = kOver127;
    layout.afterText = "(1/127)";
    layout.scheme = "bnb-int8";
    layout.title = "bitsandbytes LLM.int8()";
    layout.source = kPacked_bnb_int8.source;
    found.shape = codes.shape;
    describeGroups(layout, found);
    found.open = openGrid(std::move(layout), {*weight, *scb, {}, {}, {}, {}});
    return found;
}

}  // namespace

const PackedScheme kPacked_bnb_int8{
    "bnb_int8", "bitsandbytes functional.py int8_vectorwise_dequant, nn/modules.py", &match};

}  // namespace loupe::packed
