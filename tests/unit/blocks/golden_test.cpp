// SPDX-License-Identifier: Apache-2.0
// One block of every ggml type, decoded by ggml itself: hash of the values, their sum, the first
// four and the last.
#include "core/base/hash.hpp"
#include "core/blocks/block_layout.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/blocks/block_support.hpp"

#include <array>
#include <set>
#include <vector>

using namespace loupe;
using namespace loupe::test;

namespace {

struct Golden {
    std::string_view id;
    std::uint64_t hash;
    double sum;
    std::array<float, 4> first;
    float last;
};

// Decoded by libggml-base of llama.cpp; see tests/golden/blocks/PROVENANCE.md.
constexpr Golden kGoldens[]{
    {"q1_0", 0x9a3b0febd31344a5ULL, -0.125, {0.0625F, -0.0625F, 0.0625F, 0.0625F}, 0.0625F},
    {"q2_0", 0x8373ab43faf3fe2bULL, 1.875, {0.0F, 0.125F, 0.0F, 0.0625F}, 0.125F},
    {"q4_0", 0x2c5ae2ca6c430421ULL, -0.9375, {0.3125F, -0.125F, 0.4375F, 0.0F}, 0.375F},
    {"q4_1", 0xbaed47658b487c55ULL, 15.1875, {0.96875F, 0.53125F, 0.09375F, 0.65625F}, 0.46875F},
    {"q5_0", 0xd82ffc058339ba1cULL, 1.3125, {0.0625F, -0.375F, 0.1875F, 0.75F}, -1.0F},
    {"q5_1", 0x7ee551034da4d044ULL, 29.4375, {1.21875F, 1.78125F, 1.34375F, 1.90625F}, 0.59375F},
    {"q8_0", 0xb91c99d15dac1b63ULL, 17.0, {-6.1875F, -1.625F, 2.9375F, 7.5F}, 7.25F},
    {"ggml_mxfp4", 0x7a617957e439348cULL, 0.59375, {0.125F, -0.1875F, 0.25F, -0.375F}, -0.03125F},
    {"ggml_nvfp4", 0x0cd30e7bdd774cf4ULL, -7.0078125, {-6.0F, 0.0F, 0.5F, -1.0F}, 0.0F},
    {"q2_k", 0xae15b645a12410aaULL, 126.5625, {2.0625F, 0.0F, 0.6875F, 1.375F}, 0.09375F},
    {"q3_k", 0x466155f74d1263c8ULL, -21.8125, {5.0625F, -6.75F, 1.6875F, -3.375F}, 0.0F},
    {"q4_k", 0xabdce95cfd850339ULL, 2639.5, {31.71875F, 11.15625F, 37.59375F, 17.03125F}, 1.46875F},
    {"q5_k", 0xfe48cddacebd13c9ULL, 5687.5, {78.71875F, 11.15625F, 84.59375F, 17.03125F}, 1.71875F},
    {"q6_k", 0xb007f018836e7b47ULL, -66.25, {-89.4375F, 92.75F, 9.9375F, -19.875F}, 4.5F},
    {"q8_k", 0x8f5b4b68340a5afaULL, -8.0, {2.9375F, 7.5F, -3.9375F, 0.625F}, -1.625F},
    {"tq1_0", 0x41ba365116c78c3eULL, -0.3125, {-0.0625F, -0.0625F, 0.0F, 0.0625F}, 0.0625F},
    {"tq2_0", 0x170c0d184f5117dcULL, 7.1875, {0.125F, -0.0625F, 0.0F, 0.0625F}, -0.0625F},
    {"iq2_xxs", 0x487190255a43cc2cULL, 66.875, {-1.1875F, 1.1875F, 6.3828125F, 1.1875F}, 1.1875F},
    {"iq2_xs",
     0xe89258d7dc903888ULL,
     22.984375,
     {-1.6875F, -9.0703125F, 1.6875F, 1.6875F},
     -1.6875F},
    {"iq2_s",
     0x6b7cdecee4561ad6ULL,
     43.5703125,
     {-0.6875F, 2.1484375F, -0.6875F, -2.1484375F},
     -1.6796875F},
    {"iq3_xxs",
     0x83da5a7264cb94cfULL,
     -36.625,
     {-15.8125F, 7.1875F, -7.1875F, -10.0625F},
     -10.0625F},
    {"iq3_s", 0x18a69963bf858ebfULL, -116.25, {-4.8125F, 0.6875F, -2.0625F, 7.5625F}, -3.4375F},
    {"iq1_s",
     0x0fb0b7c71fa8f62aULL,
     -2.25,
     {-0.0546875F, -0.0546875F, 0.0078125F, 0.0078125F},
     -0.0546875F},
    {"iq1_m",
     0x80584d979432be43ULL,
     6.5,
     {-0.0546875F, 0.3828125F, -0.0546875F, -0.0546875F},
     0.7734375F},
    {"iq4_nl", 0x98785701e22a4731ULL, -12.0, {4.3125F, -1.375F, 7.0625F, 0.0625F}, 5.5625F},
    {"iq4_xs", 0x13b222f024a9199eULL, -383.9375, {4.0625F, -3.3125F, 2.1875F, -5.5625F}, 1.0F},
};

void put(std::vector<std::byte>& block, int offset, std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes) {
        block[static_cast<std::size_t>(offset++)] = std::byte{static_cast<unsigned char>(byte)};
    }
}

/// Byte k is 73 k + 11, and the scales are powers of two.
std::vector<std::byte> goldenBlock(const BlockLayout& layout) {
    std::vector<std::byte> block(static_cast<std::size_t>(layout.bytes));
    for (std::size_t k = 0; k < block.size(); ++k) {
        block[k] = std::byte{static_cast<unsigned char>(73 * k + 11)};
    }
    if (layout.id == "iq1_m") {  // top half-bytes of the four words of scales: 0, 0, C, 2
        for (const auto& [byte, top] :
             {std::pair{49, 0x00}, std::pair{51, 0x00}, std::pair{53, 0xC0}, std::pair{55, 0x20}}) {
            auto& high = block[static_cast<std::size_t>(byte)];
            high = (high & std::byte{0x0F}) | std::byte{static_cast<unsigned char>(top)};
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

}  // namespace

TEST_CASE("ggml's blocks decode as ggml decodes them") {
    std::set<std::string_view> tested;
    for (const Golden& golden : kGoldens) {
        CAPTURE(golden.id);
        const BlockLayout* layout = findBlockLayout(golden.id);
        REQUIRE(layout != nullptr);
        const std::vector<float> values = unpackBlocks(*layout, goldenBlock(*layout));
        double sum = 0;
        for (const float value : values) {
            sum += static_cast<double>(value);
        }
        for (std::size_t i = 0; i < golden.first.size(); ++i) {
            CHECK(values[i] == golden.first[i]);
        }
        CHECK(values.back() == golden.last);
        CHECK(sum == golden.sum);
        CHECK(fnv1a(std::as_bytes(std::span(values))) == golden.hash);
        tested.insert(golden.id);
    }
    for (const BlockLayout* layout : allBlockLayouts()) {
        CAPTURE(layout->id);  // Q8_1 has no decoder in ggml; its formula is Q8_0's
        CHECK((!layout->ggmlType || layout->id == "q8_1" || tested.count(layout->id) == 1));
    }
}
