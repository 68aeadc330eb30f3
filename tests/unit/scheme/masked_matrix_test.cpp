// SPDX-License-Identifier: Apache-2.0
// A mask laid over weights, and a rotation undone.
#include "core/scheme/masked_matrix.hpp"

#include "core/experiment/pipeline.hpp"
#include "core/scheme/rotated.hpp"
#include "tests/support/catch.hpp"

#include <cmath>

using namespace loupe;
using Catch::Matchers::WithinAbs;

namespace {

/// Turns each pair of inputs by the angle with cosine 0.6.
class Pairs final : public InputRotation {
public:
    [[nodiscard]] std::int64_t size() const override { return 4; }
    void forward(double* row) const override { turn(row, 0.6, 0.8); }
    void backward(double* row) const override { turn(row, 0.6, -0.8); }

private:
    static void turn(double* row, double c, double s) {
        for (int i = 0; i < 4; i += 2) {
            const double a = row[i];
            const double b = row[i + 1];
            row[i] = c * a + s * b;
            row[i + 1] = c * b - s * a;
        }
    }
};

}  // namespace

TEST_CASE("a mask reads as exact zeros, counts its bits and pads to words") {
    constexpr std::int64_t kCols = 70;
    BitMask bits(3, kCols, true);
    CHECK(bits.count() == 210);
    bits.set(1, 69, false);
    bits.set(2, 0, false);
    CHECK(bits.count() == 208);
    CHECK_FALSE(bits.kept(1, 69));
    CHECK(bits.kept(0, 69));
    std::vector<float> values(210, -1.5F);
    const MaskedMatrix masked(makeRowSource(3, kCols, values), std::make_shared<BitMask>(bits));
    std::vector<float> out(70);
    REQUIRE(masked.read(1, 1, out.data()).has_value());
    CHECK(out[68] == -1.5F);
    CHECK(out[69] == 0.0F);
    CHECK_FALSE(std::signbit(out[69]));
    std::vector<std::uint8_t> kept(210);
    REQUIRE(masked.mask(0, 3, kept.data()).has_value());
    CHECK(kept[139] == 0);
    CHECK(kept[140] == 0);
    CHECK(kept[0] == 1);
    CHECK(masked.explain(1, 69).back().expression == "pruned");
    CHECK(masked.explain(1, 68).back().result == "-1.5");
    CHECK_FALSE(masked.hasCodes());
}

TEST_CASE("a mask lets the codes of the matrix below show through") {
    std::vector<float> values{1, -2, 3, -4};
    const auto quantized = applyScheme(parseScheme("absmax:bits=4").value(),
                                       {makeRowSource(1, 4, values), 32, nullptr, 0, nullptr})
                               .value();
    auto bits = std::make_shared<BitMask>(1, 4, true);
    bits->set(0, 3, false);
    const MaskedMatrix masked(quantized->quantized, bits);
    std::vector<std::int32_t> codes(4);
    REQUIRE(masked.codes(0, 1, codes.data()).has_value());
    CHECK(codes == std::vector<std::int32_t>{2, -3, 5, -7});
    CHECK(masked.scales()->values == quantized->quantized->scales()->values);
    CHECK(masked.codeBits() == 4);
    std::vector<double> read(4);
    REQUIRE(masked.read(0, 1, read.data()).has_value());
    CHECK(read[3] == 0);
    CHECK_THAT(read[0], WithinAbs(8.0 / 7, 1e-6));
}

TEST_CASE("storage cost: only kept weights pay for their value") {
    const StorageCost half{.valueBits = 16, .overheadBits = 0, .maskBits = 1, .kept = 0.5};
    CHECK(half.bitsPerWeight() == 9);
    const StorageCost int4{.valueBits = 4, .overheadBits = 0.125, .maskBits = 1, .kept = 0.5};
    CHECK(int4.bitsPerWeight() == 3.125);
}

TEST_CASE("a rotated matrix reads in the original basis") {
    const std::vector<double> original{1, 2, -3, 0.5};
    std::vector<double> rotated = original;
    const auto rotation = std::make_shared<Pairs>();
    rotation->forward(rotated.data());
    const RotatedBack back(makeRowSource(1, 4, rotated), rotation);
    std::vector<double> values(4);
    REQUIRE(back.read(0, 1, values.data()).has_value());
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK_THAT(values[i], WithinAbs(original[i], 1e-15));
    }
    CHECK(back.explain(0, 1).back().label == "becomes");
}
