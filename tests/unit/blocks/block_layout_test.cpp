// SPDX-License-Identifier: Apache-2.0
#include "core/blocks/block_layout.hpp"

#include "core/blocks/parts.hpp"
#include "tests/support/catch.hpp"

#include <bit>
#include <cmath>
#include <set>

using namespace loupe;

TEST_CASE("block formats are found by name and by ggml's number") {
    std::set<std::string_view> names;
    for (const BlockLayout* layout : allBlockLayouts()) {
        CAPTURE(layout->id);
        CHECK(names.insert(layout->id).second);
        CHECK(findBlockLayout(layout->id) == layout);
        if (layout->ggmlType) {
            CHECK(findGgmlBlock(*layout->ggmlType) == layout);
        }
    }
    CHECK(findBlockLayout("q9_9") == nullptr);
    CHECK(findGgmlBlock(4) == nullptr);
}

TEST_CASE("the fields of a block cover its bytes") {
    for (const BlockLayout* layout : allBlockLayouts()) {
        CAPTURE(layout->id);
        int next = 0;
        for (const BlockField& field : layout->fields) {
            CHECK(field.offset == next);
            next += field.bytes;
        }
        CHECK(next == layout->bytes);
    }
}

TEST_CASE("every half is read and written exactly") {
    for (std::uint32_t code = 0; code < 0x10000U; ++code) {
        const auto bits = static_cast<std::uint16_t>(code);
        const float value = blocks::halfToFloat(bits);
        const int exponent = static_cast<int>((code >> 10U) & 31U);
        const double fraction = static_cast<double>(code & 1023U) / 1024.0;
        if (exponent == 31) {
            CHECK((fraction == 0 ? std::isinf(value) : std::isnan(value)));
            continue;
        }
        const double magnitude =
            exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1 + fraction, exponent - 15);
        REQUIRE(static_cast<double>(value) == (code < 0x8000U ? magnitude : -magnitude));
        REQUIRE(blocks::floatToHalf(value) == bits);
    }
    CHECK(blocks::floatToHalf(65519.996F) == 0x7BFF);
    CHECK(blocks::floatToHalf(65520.0F) == 0x7C00);
    CHECK(blocks::floatToHalf(-1e30F) == 0xFC00);
    CHECK(blocks::floatToHalf(0x1p-25F) == 0);  // the tie goes to even
    CHECK(blocks::floatToHalf(0x1.000002p-25F) == 1);
    CHECK(blocks::floatToHalf(1.00048828125F) == 0x3C00);  // halfway between 1 and its neighbour
    CHECK(blocks::floatToHalf(1.00146484375F) == 0x3C02);
}

TEST_CASE("bits of several bytes make one code") {
    const std::array<std::byte, 3> bytes{std::byte{0xA5}, std::byte{0x3C}, std::byte{0xFF}};
    const std::array<BitRun, 2> runs{BitRun{0, 4, 4, 0}, BitRun{1, 0, 2, 4}};
    CHECK(gatherBits(bytes, runs) == 0xA);
    const std::array<BitRun, 1> high{BitRun{1, 2, 4, 8}};
    CHECK(gatherBits(bytes, high) == 0xF00);
}
