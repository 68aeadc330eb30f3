// SPDX-License-Identifier: Apache-2.0
// gpt-oss: blocks [experts, out, in/32, 16] of E2M1 pairs (low nibble first) and E8M0 scales
// [experts, out, in/32]; value = E2M1 · 2^(scale − 127). transformers turns the result round to
// [experts, in, out]; here it stays [experts, out, in], as it is stored. A scale of 255 is NaN, as
// E8M0 says (transformers makes infinity of it).
#include "core/io/packed/grid_layout.hpp"
#include "core/io/packed/packed.hpp"

#include <array>

namespace loupe::packed {

extern const PackedScheme kPacked_gpt_oss;

namespace {

Result<void> describe(const StoredTensors& stored, Found& found) {
    const TensorInfo& blocks = stored[found.parts[0]];
    const TensorInfo& scales = stored[found.parts[1]];
    const auto wrong = [](std::string what) { return fail(ErrorCode::Damaged, std::move(what)); };
    const std::vector<std::int64_t>& shape = blocks.shape;
    const bool bytes = blocks.type != nullptr && blocks.type->id == "uint8" &&
                       scales.type != nullptr &&
                       (scales.type->id == "uint8" || scales.type->id == "e8m0");
    if (!bytes || shape.size() < 3 || shape.size() > 4 || shape.back() != 16) {
        return wrong("expected uint8 blocks [experts, out, in/32, 16], found " + blocks.dtypeName +
                     " " + shapeText(shape) + " and scales of " + scales.dtypeName);
    }
    if (scales.shape != std::vector<std::int64_t>(shape.begin(), shape.end() - 1)) {
        return wrong("expected a scale for each block, found blocks " + shapeText(shape) +
                     " and scales " + shapeText(scales.shape));
    }
    GridLayout layout;
    layout.rows = 1;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] <= 0 || shape[i] > kMostSide / 32 || layout.rows > kMostSide) {
            return wrong("expected blocks of a matrix, found " + shapeText(shape));
        }
        layout.rows = i + 2 < shape.size() ? layout.rows * shape[i] : layout.rows;
    }
    const std::int64_t groups = shape[shape.size() - 2];
    layout.cols = groups * 32;
    layout.bits = 4;
    layout.rowBytes = groups * 16;
    layout.values = formatValues("fp4_e2m1");
    layout.blockCols = 32;
    layout.scaleCols = groups;
    layout.result = Result16::Bf16;
    layout.scheme = "mxfp4";
    layout.title = "MXFP4 (gpt-oss)";
    layout.source = kPacked_gpt_oss.source;
    found.shape.assign(shape.begin(), shape.end() - 2);
    found.shape.push_back(layout.cols);
    describeGroups(layout, found);
    found.open = openGrid(
        std::move(layout),
        {found.parts[0], found.parts[1], {}, {}, {}, scales.type->id == "uint8" ? "e8m0" : ""});
    return {};
}

std::optional<Found> match(const StoredTensors& stored, std::size_t index) {
    const std::string_view name = stored[index].name;
    struct Suffixes {
        std::string_view blocks;
        std::string_view scales;
    };
    constexpr std::array kForms{Suffixes{"_blocks", "_scales"}, Suffixes{".blocks", ".scales"}};
    for (const Suffixes& form : kForms) {
        const auto byBlocks = stemOf(name, form.blocks);
        const auto byScales = stemOf(name, form.scales);
        const auto blocks = byBlocks ? std::optional(index) : std::nullopt;
        const auto stem = byBlocks ? byBlocks : byScales;
        if (!stem ||
            (byScales && (stored.find(*stem, form.blocks) || stored.config().method != "mxfp4"))) {
            continue;
        }
        const auto scales = stored.find(*stem, form.scales);
        if (!scales && stored.config().method != "mxfp4") {
            continue;  // some other tensor of that name
        }
        Found found;
        found.name = *stem;
        found.quantization = "mxfp4";
        found.dtype = "fp4_e2m1";
        for (const auto& part : {blocks, scales}) {
            if (part) {
                found.parts.push_back(*part);
            }
        }
        if (!blocks || !scales) {
            return refused(std::move(found),
                           ErrorCode::Damaged,
                           "expected the part " + std::string(*stem) +
                               std::string(blocks ? form.scales : form.blocks) + ", found none",
                           stored);
        }
        if (Result<void> described = describe(stored, found); !described) {
            return refused(
                std::move(found), described.error().code, described.error().what, stored);
        }
        return found;
    }
    return std::nullopt;
}

}  // namespace

const PackedScheme kPacked_gpt_oss{
    "gpt_oss", "gpt-oss weights.py; transformers integrations/mxfp4.py", &match};

}  // namespace loupe::packed
