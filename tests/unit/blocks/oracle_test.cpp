// SPDX-License-Identifier: Apache-2.0
// Random and adversarial blocks against foreign decoders: gguf.quants for ggml's types, ml_dtypes'
// number types for the others. tests/oracles/blocks.py wrote the files.
#include "core/blocks/block_layout.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/unit/blocks/block_support.hpp"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <set>

using namespace loupe;
using namespace loupe::test;

namespace {

std::vector<std::byte> fromHex(std::string_view text) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        unsigned value = 0;
        const auto [end, status] = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
        REQUIRE(status == std::errc{});
        REQUIRE(end == text.data() + i + 2);
        bytes.push_back(std::byte{static_cast<unsigned char>(value)});
    }
    return bytes;
}

/// Compares one line of a golden file; the number of values that are equal.
int compareLine(const BlockLayout& layout, const std::string& line) {
    const std::size_t comma = line.find(',');
    REQUIRE(comma != std::string::npos);
    const std::vector<std::byte> block = fromHex(std::string_view(line).substr(0, comma));
    const std::vector<std::byte> golden = fromHex(std::string_view(line).substr(comma + 1));
    REQUIRE(block.size() == static_cast<std::size_t>(layout.bytes));
    const std::vector<float> values = unpackBlocks(layout, block);
    REQUIRE(golden.size() == values.size() * sizeof(float));
    int equal = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        float expected = 0;
        std::memcpy(&expected, golden.data() + i * sizeof(float), sizeof expected);
        CAPTURE(i, values[i], expected);
        const bool same =
            std::bit_cast<std::uint32_t>(values[i]) == std::bit_cast<std::uint32_t>(expected) ||
            (std::isnan(values[i]) && std::isnan(expected));
        REQUIRE(same);
        ++equal;
    }
    return equal;
}

}  // namespace

TEST_CASE("blocks decode as foreign decoders decode them, bit for bit") {
    // No foreign decoder knows these: the first two are never in files, the others are too new.
    const std::set<std::string_view> alone{"q8_1", "q8_k", "q1_0", "q2_0"};
    for (const BlockLayout* layout : allBlockLayouts()) {
        if (alone.count(layout->id) == 1) {
            continue;
        }
        CAPTURE(layout->id);
        std::ifstream file(goldenDir() / "blocks" / (std::string(layout->id) + ".csv"));
        REQUIRE(file.good());
        std::string line;
        REQUIRE(std::getline(file, line));
        CHECK(line == "block,values");
        int equal = 0;
        for (int number = 0; std::getline(file, line); ++number) {
            CAPTURE(number);
            equal += compareLine(*layout, line);
        }
        CHECK(equal == 6 * layout->elements);
    }
}
