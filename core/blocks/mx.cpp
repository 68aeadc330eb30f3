// SPDX-License-Identifier: Apache-2.0
#include "core/blocks/mx.hpp"

#include "core/base/assert.hpp"
#include "core/blocks/parts.hpp"
#include "core/formats/codec.hpp"

#include <algorithm>

namespace loupe::blocks {

namespace {

float valueOf(std::string_view format, std::uint64_t code) {
    const NumberFormat* found = findFormat(format);
    LOUPE_ASSERT(found != nullptr, "an element is one of the scalar formats");
    return static_cast<float>(decode(*found, code));
}

/// Value of an element's code. MXINT8 has one bit before the point.
float elementOf(const MxShape& shape, std::uint64_t code) {
    return valueOf(shape.element, code) / (shape.element == "int8" ? 64.0F : 1.0F);
}

template <int kBits>
void unpackCodes(const MxShape& shape,
                 const MxTables& tables,
                 const std::byte* blocks,
                 std::int64_t count,
                 float* out) {
    constexpr int kGroupBytes = kBits == 6 ? 3 : 1;  // that hold whole codes
    constexpr int kGroupCodes = 8 * kGroupBytes / kBits;
    constexpr unsigned kMask = (1U << kBits) - 1;
    const int groups = shape.elements / kGroupCodes;
    for (; count-- > 0; blocks += shape.bytes()) {
        const float scale = tables.scales[std::to_integer<std::size_t>(blocks[0])];
        const std::byte* from = blocks + 1;
        for (int group = 0; group < groups; ++group, from += kGroupBytes, out += kGroupCodes) {
            unsigned held = 0;
            for (int byte = 0; byte < kGroupBytes; ++byte) {
                held |= std::to_integer<unsigned>(from[byte]) << (8 * byte);
            }
            for (int code = 0; code < kGroupCodes; ++code) {
                out[code] = tables.elements[held >> (kBits * code) & kMask] * scale;
            }
        }
    }
}

}  // namespace

const MxShape* findMxShape(std::string_view id) {
    static constexpr std::array<std::pair<std::string_view, const MxShape*>, 7> kShapes{
        {{"mxfp8_e4m3", &kMxfp8E4m3},
         {"mxfp8_e5m2", &kMxfp8E5m2},
         {"mxfp6_e3m2", &kMxfp6E3m2},
         {"mxfp6_e2m3", &kMxfp6E2m3},
         {"mxfp4", &kMxfp4},
         {"mxint8", &kMxint8},
         {"nvfp4", &kNvfp4}}};
    const auto* const found = std::find_if(
        kShapes.begin(), kShapes.end(), [id](const auto& each) { return each.first == id; });
    return found == kShapes.end() ? nullptr : found->second;
}

MxTables makeMxTables(const MxShape& shape) {
    MxTables tables;
    for (std::size_t code = 0; code < std::size_t{1} << shape.bits; ++code) {
        tables.elements[code] = elementOf(shape, code);
    }
    for (std::size_t code = 0; code < tables.scales.size(); ++code) {
        tables.scales[code] = valueOf(shape.scale, code);
    }
    return tables;
}

void unpackMx(const MxShape& shape,
              const MxTables& tables,
              const std::byte* blocks,
              std::int64_t count,
              float* out) {
    switch (shape.bits) {
        case 8:
            return unpackCodes<8>(shape, tables, blocks, count, out);
        case 6:
            return unpackCodes<6>(shape, tables, blocks, count, out);
        case 4:
            return unpackCodes<4>(shape, tables, blocks, count, out);
        default:
            LOUPE_ASSERT(false, "elements of 8, 6 or 4 bits");
    }
}

BlockElement mxElement(const MxShape& shape, const std::byte* block, int index) {
    ElementParts parts(block, shape.bytes());
    const std::vector<BitRun> bits = bitField(1, index * shape.bits, shape.bits, 0);
    const std::vector<BitRun> scaleBits = wholeBytes(0, 1);
    const float scale = valueOf(shape.scale, static_cast<std::uint64_t>(parts.peek(scaleBits)));
    const auto code = static_cast<std::uint64_t>(parts.peek(bits));
    const float value = elementOf(shape, code) * scale;
    if (shape.element == "int8") {
        const float q = valueOf(shape.element, code);
        parts.add("q", BlockRole::Codes, bits, q);
        parts.add("s", BlockRole::Scale, scaleBits, scale);
        return std::move(parts).finish("q / 64 · s", equation("# / 64 · #", {q, scale}), value);
    }
    const float q = elementOf(shape, code);
    parts.add("q", BlockRole::Codes, bits, q);
    parts.add("s", BlockRole::Scale, scaleBits, scale);
    return std::move(parts).finish("q · s", equation("# · #", {q, scale}), value);
}

std::string checkMx(const MxShape& shape, const std::byte* block) {
    const auto code = load<std::uint8_t>(block);
    return std::isfinite(valueOf(shape.scale, code))
               ? std::string()
               : "expected a finite scale, found the code " + std::to_string(code) +
                     ", which is NaN in " + (shape.scale == "e8m0" ? "E8M0" : "E4M3");
}

}  // namespace loupe::blocks
