// SPDX-License-Identifier: Apache-2.0
// Block formats: what ggml decoded and encoded, each element taken apart, MX by definition.
#include "core/base/hash.hpp"
#include "core/base/rng.hpp"
#include "core/base/text.hpp"
#include "core/experiment/selftest_parts.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <span>

namespace loupe::selftest {

namespace {

/// Hashes of spec/formats.md F.2 (one block decoded) and F.1 (16,384 draws encoded), by default
/// builds of ggml; 0: none.
struct Golden {
    std::string_view id;
    std::uint64_t decoded;
    std::uint64_t encoded;
};
constexpr std::array<Golden, 26> kGoldens{{
    {"q1_0", 0x9a3b0febd31344a5ULL, 0xfb7ed219cac105f0ULL},
    {"q2_0", 0x8373ab43faf3fe2bULL, 0xa0d582f53a9d7790ULL},
    {"q4_0", 0x2c5ae2ca6c430421ULL, 0x599946c08d2d8c21ULL},
    {"q4_1", 0xbaed47658b487c55ULL, 0xd26cb02c0b9a6aefULL},
    {"q5_0", 0xd82ffc058339ba1cULL, 0x44a99cec9a213fb5ULL},
    {"q5_1", 0x7ee551034da4d044ULL, 0x22d2b05998b0ea2bULL},
    {"q8_0", 0xb91c99d15dac1b63ULL, 0xed2f6d55e200065fULL},
    {"ggml_mxfp4", 0x7a617957e439348cULL, 0x9ccb6fa211ca8f88ULL},
    {"ggml_nvfp4", 0x0cd30e7bdd774cf4ULL, 0x50efe09f7c1fa611ULL},
    {"q2_k", 0xae15b645a12410aaULL, 0x39c2dab8f5d18cdfULL},
    {"q3_k", 0x466155f74d1263c8ULL, 0xbdee49e621f6ad97ULL},
    {"q4_k", 0xabdce95cfd850339ULL, 0x6d3a85a7ee4dc297ULL},
    {"q5_k", 0xfe48cddacebd13c9ULL, 0x22f28536b1bf032cULL},
    {"q6_k", 0xb007f018836e7b47ULL, 0xe23954e6c0d74ea3ULL},
    {"q8_k", 0x8f5b4b68340a5afaULL, 0xd9098db41af31f26ULL},
    {"tq1_0", 0x41ba365116c78c3eULL, 0xc3fec1962f41211bULL},
    {"tq2_0", 0x170c0d184f5117dcULL, 0xd983e6d412074cd5ULL},
    {"iq2_xxs", 0x487190255a43cc2cULL, 0},
    {"iq2_xs", 0xe89258d7dc903888ULL, 0},
    {"iq2_s", 0x6b7cdecee4561ad6ULL, 0},
    {"iq3_xxs", 0x83da5a7264cb94cfULL, 0},
    {"iq3_s", 0x18a69963bf858ebfULL, 0},
    {"iq1_s", 0x0fb0b7c71fa8f62aULL, 0},
    {"iq1_m", 0x80584d979432be43ULL, 0},
    {"iq4_nl", 0x98785701e22a4731ULL, 0x96ad1deeaf9835ceULL},
    {"iq4_xs", 0x13b222f024a9199eULL, 0x57e370132d29ba6bULL},
}};
constexpr std::uint64_t kQ8_1Encoded = 0xf1e8a4732b8b9f7aULL;
constexpr std::uint64_t kDrawsHash = 0x0f8fbd235a4225acULL;

using Bytes = std::vector<std::byte>;

void put(Bytes& block, int offset, std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes) {
        block[static_cast<std::size_t>(offset++)] = static_cast<std::byte>(byte);
    }
}

/// F.2's block: byte k is 73 k + 11, and the scales are powers of two.
Bytes goldenBlock(const BlockLayout& layout) {
    Bytes block(static_cast<std::size_t>(layout.bytes));
    for (std::size_t k = 0; k < block.size(); ++k) {
        block[k] = static_cast<std::byte>((73 * k + 11) % 256);
    }
    if (layout.id == "iq1_m") {  // top half-bytes of the four words of scales: 0, 0, C, 2
        constexpr std::array<std::pair<std::size_t, unsigned>, 4> kTops{
            {{49, 0x00U}, {51, 0x00U}, {53, 0xC0U}, {55, 0x20U}}};
        for (const auto& [byte, top] : kTops) {
            block[byte] = (block[byte] & std::byte{0x0F}) | static_cast<std::byte>(top);
        }
        return block;
    }
    if (layout.id == "ggml_nvfp4") {
        put(block, 0, {0x38, 0x30, 0x41, 0x05});
        return block;
    }
    for (const BlockField& field : layout.fields) {
        if (field.role == BlockRole::Scale && field.bytes == 2) {
            put(block, field.offset, {0x00, 0x2C});
        } else if (field.role == BlockRole::Scale && field.bytes == 4) {
            put(block, field.offset, {0x00, 0x00, 0x80, 0x3D});
        } else if (field.role == BlockRole::Scale) {
            put(block, field.offset, {0x7B});
        } else if (field.role == BlockRole::Minimum) {
            put(block, field.offset, {0x00, 0x28});
        }
    }
    return block;
}

std::vector<float> unpacked(const BlockLayout& layout, const Bytes& block) {
    std::vector<float> values(static_cast<std::size_t>(layout.elements));
    layout.unpack(block.data(), 1, values.data());
    return values;
}

/// F.1's pseudo-random input: each value the sum of four draws of xorshift32, times 0.05.
std::vector<float> draws() {
    constexpr std::size_t kCount = 16384;
    std::vector<float> values(kCount);
    std::uint32_t state = 12345;
    for (float& value : values) {
        float sum = 0;
        for (int i = 0; i < 4; ++i) {
            state ^= state << 13U;
            state ^= state >> 17U;
            state ^= state << 5U;
            sum += static_cast<float>(static_cast<std::int32_t>(state)) / 2147483648.0F;
        }
        value = sum * 0.05F;
    }
    return values;
}

void checkElements(const BlockLayout& layout, const Bytes& block, Tally& tally) {
    const std::vector<float> values = unpacked(layout, block);
    for (int i = 0; i < layout.elements; ++i) {
        const double expected = static_cast<double>(values[static_cast<std::size_t>(i)]);
        const double found = layout.element(block.data(), i).value;
        tally.check(same(found, expected), [&] {
            return "element " + std::to_string(i) + " taken apart: expected " + shortest(expected) +
                   ", found " + shortest(found);
        });
    }
}

void checkPack(const BlockLayout& layout, std::uint64_t expected, Tally& tally) {
    const std::vector<float> values = draws();
    tally.check(fnv1a(std::as_bytes(std::span(values))) == kDrawsHash,
                [] { return std::string("the input of the golden blocks is another"); });
    const std::size_t blocks = values.size() / static_cast<std::size_t>(layout.elements);
    Bytes bytes(blocks * static_cast<std::size_t>(layout.bytes));
    if (expected != 0) {
        layout.pack(values.data(), static_cast<std::int64_t>(blocks), bytes.data());
        tally.check(fnv1a(bytes) == expected,
                    [] { return std::string("encoded blocks are not those of ggml"); });
    }
    // Nothing comes of nothing.
    const std::vector<float> zeros(static_cast<std::size_t>(layout.elements));
    Bytes block(static_cast<std::size_t>(layout.bytes));
    layout.pack(zeros.data(), 1, block.data());
    for (const float value : unpacked(layout, block)) {
        tally.check(value == 0.0F,
                    [&] { return "zeros: expected 0 back, found " + shortest(value); });
    }
}

// --- MX and NVFP4 by definition -----------------------------------------------------------------

struct MxDefinition {
    std::string_view id;
    std::string_view element;
    std::string_view scale;
    double unit;  ///< of one step of the element's code, for MXINT8
};
constexpr std::array<MxDefinition, 7> kMx{{{"mxfp8_e4m3", "fp8_e4m3", "e8m0", 1},
                                           {"mxfp8_e5m2", "fp8_e5m2", "e8m0", 1},
                                           {"mxfp6_e3m2", "fp6_e3m2", "e8m0", 1},
                                           {"mxfp6_e2m3", "fp6_e2m3", "e8m0", 1},
                                           {"mxfp4", "fp4_e2m1", "e8m0", 1},
                                           {"mxint8", "int8", "e8m0", 1.0 / 64},
                                           {"nvfp4", "fp4_e2m1", "fp8_e4m3", 1}}};

/// A block with this scale and these codes: the scale's byte, then codes with low bits first.
Bytes mxBlock(const BlockLayout& layout,
              int bits,
              std::uint64_t scale,
              const std::vector<std::uint64_t>& codes) {
    Bytes block(static_cast<std::size_t>(layout.bytes));
    block[0] = static_cast<std::byte>(scale);
    std::size_t at = 8;
    for (const std::uint64_t code : codes) {
        for (int bit = 0; bit < bits; ++bit, ++at) {
            if ((code >> bit & 1U) != 0) {
                block[at / 8] |= static_cast<std::byte>(1U << (at % 8));
            }
        }
    }
    return block;
}

/// Every element code under several scales.
void checkMx(const BlockLayout& layout, const MxDefinition& definition, Tally& tally) {
    const NumberFormat& element = *findFormat(definition.element);
    const NumberFormat& scale = *findFormat(definition.scale);
    const std::uint64_t all = std::uint64_t{1} << element.bits;
    const auto size = static_cast<std::uint64_t>(layout.elements);
    constexpr std::array<std::uint64_t, 6> kScales{0x7F, 0x38, 0x70, 0x05, 0x01, 0x41};
    for (const std::uint64_t scaleCode : kScales) {
        for (std::uint64_t first = 0; first < all; first += size) {
            std::vector<std::uint64_t> codes(size);
            for (std::uint64_t i = 0; i < size; ++i) {
                codes[i] = (first + i) % all;
            }
            const std::vector<float> values =
                unpacked(layout, mxBlock(layout, element.bits, scaleCode, codes));
            for (std::uint64_t i = 0; i < size; ++i) {
                const auto expected = static_cast<double>(static_cast<float>(
                    slowValue(element, codes[i]) * definition.unit * slowValue(scale, scaleCode)));
                tally.check(same(static_cast<double>(values[i]), expected), [&] {
                    return "code " + std::to_string(codes[i]) + " under scale " +
                           std::to_string(scaleCode) + ": expected " + shortest(expected) +
                           ", found " + shortest(values[i]);
                });
            }
        }
    }
}

}  // namespace

SelfTestItem testBlocks(const BlockLayout& layout, const JobContext& ctx) {
    ctx.checkpoint();
    Tally tally(layout.id);
    const Bytes block = goldenBlock(layout);
    const auto golden = std::find_if(
        kGoldens.begin(), kGoldens.end(), [&](const Golden& row) { return row.id == layout.id; });
    std::uint64_t encoded = layout.id == "q8_1" ? kQ8_1Encoded : 0;
    if (golden != kGoldens.end()) {
        const std::vector<float> values = unpacked(layout, block);
        tally.check(fnv1a(std::as_bytes(std::span(values))) == golden->decoded,
                    [] { return std::string("the golden block's values are not those of ggml"); });
        encoded = golden->encoded;
    }
    checkElements(layout, block, tally);
    Bytes other = block;
    for (std::size_t k = 0; k < other.size(); ++k) {
        // Codes of all kinds beside the same scales.
        const bool isScale =
            std::any_of(layout.fields.begin(), layout.fields.end(), [k](const BlockField& field) {
                const auto at = static_cast<int>(k);
                return at >= field.offset && at < field.offset + field.bytes &&
                       (field.role == BlockRole::Scale || field.role == BlockRole::Minimum ||
                        field.role == BlockRole::SubScales);
            });
        other[k] = isScale ? other[k] : static_cast<std::byte>(randomBits(5, k) & 0xFFU);
    }
    checkElements(layout, other, tally);
    const auto mx = std::find_if(
        kMx.begin(), kMx.end(), [&](const MxDefinition& row) { return row.id == layout.id; });
    if (mx != kMx.end()) {
        checkMx(layout, *mx, tally);
    }
    if (layout.pack != nullptr) {
        ctx.checkpoint();
        checkPack(layout, encoded, tally);
    }
    return tally.item();
}

}  // namespace loupe::selftest
