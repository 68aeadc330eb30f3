// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "core/experiment/pipeline.hpp"
#include "tests/support/catch.hpp"

#include <cmath>

using namespace loupe;
using Catch::Matchers::WithinAbs;

namespace {

std::shared_ptr<const SchemeResult> run(const char* scheme,
                                        std::int64_t rows,
                                        std::int64_t cols,
                                        std::vector<double> weights) {
    const auto source = makeRowSource(rows, cols, std::move(weights));
    return applyScheme(parseScheme(scheme).value(), {source, 64, nullptr, 0, nullptr}).value();
}

std::vector<double> valuesOf(const SchemeResult& result) {
    std::vector<double> values(
        static_cast<std::size_t>(result.quantized->rows() * result.quantized->cols()));
    REQUIRE(result.quantized->read(0, result.quantized->rows(), values.data()).has_value());
    return values;
}

}  // namespace

TEST_CASE("binary and ternary by hand") {
    const std::vector<double> weights{1, -3, 0.5, -0.5, 2, 2, -2, 0};
    CHECK(valuesOf(*run("binary", 2, 4, weights)) ==
          std::vector<double>{1.25, -1.25, 1.25, -1.25, 1.5, 1.5, -1.5, 1.5});
    CHECK(valuesOf(*run("binary:per=tensor", 2, 4, weights))[0] == 1.375);
    // Row 0: mean 1.25, threshold .875, above it 1 and 3. Row 1: threshold 1.05, three twos.
    CHECK(valuesOf(*run("ternary", 2, 4, weights)) ==
          std::vector<double>{2, -2, 0, 0, 2, 2, -2, 0});
    CHECK(valuesOf(*run("ternary:rule=absmean", 2, 4, weights)) ==
          std::vector<double>{1.25, -1.25, 0, 0, 1.5, 1.5, -1.5, 0});
    CHECK(valuesOf(*run("binary", 1, 3, {0, 0, 0})) == std::vector<double>{0, 0, 0});
    CHECK(run("ternary", 1, 3, {0, 0, 0})->quantized->scales()->values[0] == 1);
    CHECK_THAT(run("binary", 2, 4, weights)->bitsPerWeight, WithinAbs(1 + 32.0 / 8, 1e-12));
    // The pruned weights count in no mean: 1 and 3 remain of row 0.
    CHECK(valuesOf(*run("magnitude+binary", 2, 4, weights))[1] == -2);
}

TEST_CASE("low-bit schemes on a normal distribution") {
    // spec/algorithms.md 2.6: 1 - 2/pi = .3634 (4.40 dB), TWN 7.18 dB with 42.4 % zeros, absmean
    // 5.79 dB with 31.0 % zeros.
    std::vector<double> weights(1 << 18);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        weights[i] = randomNormal(7, i);
    }
    const auto binary = run("binary:per=tensor", 512, 512, weights);
    CHECK_THAT(binary->metrics.sqnrDb, WithinAbs(4.40, 0.03));
    const auto twn = run("ternary:per=tensor", 512, 512, weights);
    CHECK_THAT(twn->metrics.sqnrDb, WithinAbs(7.18, 0.03));
    CHECK_THAT(static_cast<double>(twn->zeros) / (1 << 18), WithinAbs(.424, .005));
    const auto absmean = run("ternary:per=tensor,rule=absmean", 512, 512, weights);
    CHECK_THAT(absmean->metrics.sqnrDb, WithinAbs(5.79, 0.03));
    CHECK_THAT(static_cast<double>(absmean->zeros) / (1 << 18), WithinAbs(.310, .005));
}
