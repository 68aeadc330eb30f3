// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/pipeline.hpp"
#include "core/io/fixtures.hpp"
#include "core/scheme/step.hpp"
#include "tests/support/catch.hpp"

#include <cmath>

using namespace loupe;
using Catch::Matchers::WithinAbs;

namespace {

std::shared_ptr<const RowSource> rowsOf(const Matrix<double>& m) {
    return makeRowSource(m.rows(), m.cols(), std::vector<double>(m.data(), m.data() + m.size()));
}

StepOutput rotated(const std::shared_ptr<const RowSource>& weights) {
    const StepDefinition* definition = findStep("rotate");
    const Scheme scheme = parseScheme("rotate").value();
    StepInput input;
    input.weights = weights;
    return definition->apply(input, Params(definition->params, scheme.steps[0]), {}).value();
}

}  // namespace

TEST_CASE("rotations are orthogonal for 2^k and Paley sizes") {
    for (const std::int64_t size : {1, 2, 4, 12, 20, 40, 48, 64, 88, 108}) {
        CAPTURE(size);
        const auto matrix =
            makeRowSource(1, size, std::vector<double>(static_cast<std::size_t>(size), 1));
        const auto rotation = rotated(matrix).rotation;
        const auto n = static_cast<std::size_t>(size);
        std::vector<std::vector<double>> rows(n, std::vector<double>(n));
        for (std::size_t i = 0; i < n; ++i) {
            rows[i][i] = 1;
            rotation->forward(rows[i].data());
            for (const double x : rows[i]) {
                REQUIRE_THAT(std::fabs(x),
                             WithinAbs(1 / std::sqrt(static_cast<double>(size)), 1e-12));
            }
        }
        for (std::size_t i = 0; i < n; ++i) {
            for (std::size_t j = 0; j < n; ++j) {
                double dot = 0;
                for (std::size_t k = 0; k < n; ++k) {
                    dot += rows[i][k] * rows[j][k];
                }
                REQUIRE_THAT(dot, WithinAbs(i == j ? 1 : 0, 1e-12));
            }
        }
        for (std::size_t i = 0; i < n; ++i) {
            rotation->backward(rows[i].data());
            REQUIRE_THAT(rows[i][i], WithinAbs(1, 1e-12));
        }
    }
}

TEST_CASE("a rotation alone leaves the layer as it is, and spreads an outlier before quantizing") {
    const FixtureF1 f1 = fixtureF1();
    const SchemeInput layer{rowsOf(f1.weight), 32, rowsOf(f1.activations), 0, nullptr};
    const auto run = [&](const char* text) {
        return applyScheme(parseScheme(text).value(), layer).value();
    };
    CHECK(run("rotate")->metrics.relativeFrobenius < 1e-14);
    CHECK(*run("rotate")->metrics.outputRelativeError < 1e-14);
    CHECK(run("rotate")->bitsPerWeight == 32);
    // spec/algorithms.md 5.5 gives .28022 -> .13956 for H without signs; random signs differ, the
    // halving remains.
    const double plain = *run("absmax:bits=4,per=row,act_bits=4")->metrics.outputRelativeError;
    const double turned =
        *run("rotate+absmax:bits=4,per=row,act_bits=4")->metrics.outputRelativeError;
    CHECK_THAT(plain, WithinAbs(.28022, .0028));
    CHECK(turned < 0.6 * plain);
    CHECK(run("rotate+absmax:bits=4")->quantized->hasCodes());
    CHECK(run("rotate:seed=1+absmax:bits=4")->metrics.mse !=
          run("rotate:seed=2+absmax:bits=4")->metrics.mse);
}

TEST_CASE("a rotation refuses sizes without a matrix, and to bury an earlier mask") {
    const auto odd = makeRowSource(1, 7, std::vector<double>(7, 1));
    const auto none = applyScheme(parseScheme("rotate").value(), {odd, 32, nullptr, 0, nullptr});
    REQUIRE_FALSE(none.has_value());
    CHECK(none.error().what.find("order 7") != std::string::npos);
    const auto four = makeRowSource(1, 4, std::vector<double>{1, 2, 3, 4});
    const auto masked =
        applyScheme(parseScheme("magnitude+rotate").value(), {four, 32, nullptr, 0, nullptr});
    REQUIRE_FALSE(masked.has_value());
    CHECK(masked.error().code == ErrorCode::Unsupported);
    CHECK(applyScheme(parseScheme("rotate+magnitude").value(), {four, 32, nullptr, 0, nullptr})
              .has_value());
}
