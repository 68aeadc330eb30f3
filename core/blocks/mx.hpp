// SPDX-License-Identifier: Apache-2.0
// What the blocks of the OCP types and NVFP4 share: an 8-bit scale, then the codes of the elements
// as one little-endian stream of bits, element 0 lowest. The OCP document fixes numbers, not
// containers: checkpoints keep scales and codes in tensors of their own, ggml orders FP4 otherwise.
#pragma once

#include "core/blocks/block_layout.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace loupe::blocks {

/// One such block format. value = element · scale, in FP32.
struct MxShape {
    std::string_view element;  ///< id of a format of core/formats; "int8" counts 64ths
    std::string_view scale;    ///< "e8m0" or "fp8_e4m3"
    int bits = 0;              ///< of an element
    int elements = 0;

    [[nodiscard]] constexpr int bytes() const { return 1 + elements * bits / 8; }
};

inline constexpr MxShape kMxfp8E4m3{"fp8_e4m3", "e8m0", 8, 32};
inline constexpr MxShape kMxfp8E5m2{"fp8_e5m2", "e8m0", 8, 32};
inline constexpr MxShape kMxfp6E3m2{"fp6_e3m2", "e8m0", 6, 32};
inline constexpr MxShape kMxfp6E2m3{"fp6_e2m3", "e8m0", 6, 32};
inline constexpr MxShape kMxfp4{"fp4_e2m1", "e8m0", 4, 32};
inline constexpr MxShape kMxint8{"int8", "e8m0", 8, 32};
inline constexpr MxShape kNvfp4{"fp4_e2m1", "fp8_e4m3", 4, 16};

/// The shape of a block format of this kind, by its contract name; nullptr for any other.
[[nodiscard]] const MxShape* findMxShape(std::string_view id);

/// The values of all codes.
struct MxTables {
    std::array<float, 256> elements{};
    std::array<float, 256> scales{};
};
[[nodiscard]] MxTables makeMxTables(const MxShape& shape);

void unpackMx(const MxShape& shape,
              const MxTables& tables,
              const std::byte* blocks,
              std::int64_t count,
              float* out);

template <const MxShape& kShape>
void unpackMx(const std::byte* blocks, std::int64_t count, float* out) {
    static const MxTables kTables = makeMxTables(kShape);
    unpackMx(kShape, kTables, blocks, count, out);
}

[[nodiscard]] BlockElement mxElement(const MxShape& shape, const std::byte* block, int index);
[[nodiscard]] std::string checkMx(const MxShape& shape, const std::byte* block);

template <const MxShape& kShape>
BlockElement mxElement(const std::byte* block, int index) {
    return mxElement(kShape, block, index);
}
template <const MxShape& kShape>
std::string checkMx(const std::byte* block) {
    return checkMx(kShape, block);
}

inline constexpr std::string_view kMxSource =
    "OCP Microscaling Formats (MX) v1.0, section 5.2; the order of the bytes is this program's own";
inline constexpr BlockField kMxScaleField{
    "scale", 0, 1, BlockRole::Scale, "E8M0 scale of the block: 2^(code − 127)"};

/// The layout of a shape: what is left to say are names and fields.
template <const MxShape& kShape>
constexpr BlockLayout mxLayout(std::string_view id,
                               std::string_view title,
                               std::string_view source,
                               std::string_view summary,
                               std::span<const BlockField> fields) {
    return {.id = id,
            .title = title,
            .source = source,
            .summary = summary,
            .ggmlType = std::nullopt,
            .elements = kShape.elements,
            .bytes = kShape.bytes(),
            .codeBits = kShape.bits,
            .fields = fields,
            .unpack = unpackMx<kShape>,
            .pack = nullptr,
            .element = mxElement<kShape>,
            .check = checkMx<kShape>};
}

}  // namespace loupe::blocks
