// SPDX-License-Identifier: Apache-2.0
#include "core/io/fixtures.hpp"
#include "core/quant/blockwise.hpp"
#include "tests/support/catch.hpp"

#include <cmath>

using namespace loupe;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

Result<StepOutput> run(std::shared_ptr<const RowSource> weights, const Step& step) {
    StepInput input;
    input.weights = std::move(weights);
    return applyBlockwise(input,
                          Params(blockwiseParams(), step),
                          step.name == "nf4" ? "nf4" : "fp4_bnb",
                          JobContext{});
}

}  // namespace

TEST_CASE("nf4: the worked block") {
    const std::vector<float> block{.12F, -.45F, .03F, .9F, -.3F, 0, .55F, -.88F};
    const auto out = run(makeRowSource(2, 4, block), Step{"nf4", {}});
    REQUIRE(out.has_value());
    std::vector<std::int32_t> codes(8);
    REQUIRE(out->weights->codes(0, 2, codes.data()).has_value());
    CHECK(codes == std::vector<std::int32_t>{9, 2, 7, 15, 4, 7, 13, 0});
    std::vector<float> values(8);
    REQUIRE(out->weights->read(0, 2, values.data()).has_value());
    CHECK_THAT(static_cast<double>(values[0]), WithinAbs(.144837, 1e-6));
    CHECK_THAT(static_cast<double>(values[6]), WithinAbs(.506355, 1e-6));
    CHECK(values[7] == -.9F);
}

TEST_CASE("nf4: F1 in blocks of 64, its cost, and double quantization") {
    const FixtureF1 f1 = fixtureF1();
    const std::vector<double> w(f1.weight.data(), f1.weight.data() + f1.weight.size());
    for (const bool twice : {false, true}) {
        Step step{"nf4", {}};
        if (twice) {
            step.values = {{"double", "true"}};
        }
        const auto out = run(makeRowSource(32, 64, w), step);
        REQUIRE(out.has_value());
        std::vector<double> after(w.size());
        REQUIRE(out->weights->read(0, 32, after.data()).has_value());
        double error = 0, power = 0;
        for (std::size_t i = 0; i < w.size(); ++i) {
            error += (after[i] - w[i]) * (after[i] - w[i]);
            power += w[i] * w[i];
        }
        CHECK_THAT(std::sqrt(error / power), WithinRel(.09270, twice ? .02 : .001));
        CHECK_THAT(out->cost.bitsPerWeight(), WithinAbs(twice ? 4.126953125 : 4.5, 1e-12));
    }
}

TEST_CASE("nf4 and fp4: zeros stay zero, NaN is named") {
    for (const char* name : {"nf4", "fp4"}) {
        const auto out = run(makeRowSource(1, 3, std::vector<float>(3)), Step{name, {}});
        REQUIRE(out.has_value());
        std::vector<float> values(3, 1.0F);
        REQUIRE(out->weights->read(0, 1, values.data()).has_value());
        CHECK(values == std::vector<float>(3));
        const auto bad =
            run(makeRowSource(1, 2, std::vector<float>{0, std::nanf("")}), Step{name, {}});
        REQUIRE_FALSE(bad.has_value());
        CHECK(bad.error().what.find("row 0, column 1") != std::string::npos);
    }
}
