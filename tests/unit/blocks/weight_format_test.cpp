// SPDX-License-Identifier: Apache-2.0
// What the memory model counts for a block format is what its blocks take.
#include "core/memory/weight_format.hpp"

#include "core/blocks/block_layout.hpp"
#include "tests/support/catch.hpp"

using namespace loupe;

TEST_CASE("the memory model's block formats have the bits of their layouts") {
    int compared = 0;
    for (const WeightFormat& format : allWeightFormats()) {
        if (const BlockLayout* layout = findBlockLayout(format.id)) {
            CAPTURE(format.id);
            const std::optional<double> bits = bitsPerWeight(format);
            REQUIRE(bits.has_value());
            CHECK(*bits == layout->bitsPerWeight());
            ++compared;
        }
    }
    CHECK(compared >= 10);
}
