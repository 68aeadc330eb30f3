// SPDX-License-Identifier: Apache-2.0
#include "core/quant/codebook.hpp"

#include "core/base/rng.hpp"
#include "core/experiment/pipeline.hpp"
#include "core/io/fixtures.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <cmath>

using namespace loupe;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

std::shared_ptr<const RowSource> rowsOf(const Matrix<double>& m) {
    return makeRowSource(m.rows(), m.cols(), std::vector<double>(m.data(), m.data() + m.size()));
}

std::shared_ptr<const SchemeResult> applied(const std::string& scheme,
                                            std::shared_ptr<const RowSource> weights) {
    return applyScheme(parseScheme(scheme).value(), {std::move(weights), 32, nullptr, 0, nullptr})
        .value();
}

std::vector<float> heavyTailed(std::size_t count, std::uint64_t seed) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = static_cast<float>(0.05 * randomStudentT(seed, i, 4));
    }
    return values;
}

}  // namespace

TEST_CASE("codebook: the paper's figure") {
    const auto source = rowsOf(toyLayer("toy-kmeans").weight);
    std::vector<CodebookHistory> histories;
    StepInput input;
    input.weights = source;
    const Step step{"codebook", {{"bits", "2"}}};
    const Params params(findStep("codebook")->params, step);
    const StepOutput output = applyCodebook(input, params, {}, &histories).value();
    const auto& seen = histories[0].centroids;
    REQUIRE(seen.size() == 2);  // one update, then nothing moves
    const std::vector<double> start{-1.08, -.013333, 1.053333, 2.12};
    const std::vector<double> end{-1, 0, 1.5, 2};
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK_THAT(seen[0][i], WithinAbs(start[i], 1e-5));
        CHECK_THAT(seen[1][i], WithinAbs(end[i], 1e-12));
    }
    std::vector<std::int32_t> codes(16);
    REQUIRE(output.weights->codes(0, 4, codes.data()).has_value());
    CHECK(codes == std::vector<std::int32_t>{3, 0, 2, 1, 1, 1, 0, 3, 0, 3, 1, 0, 3, 1, 2, 2});
    CHECK_THAT(applied("codebook:bits=2", source)->metrics.mse, WithinRel(.005825, 1e-6));
    // The paper's rate counts centroids in the weights' 32 bits; we count 16, as for a scale.
    CHECK_THAT(16 * 32.0 / (16 * 2 + 4 * 32), WithinAbs(3.2, 1e-12));
    CHECK(output.cost.bitsPerWeight() == 2 + 16.0 * 4 / 16);
}

TEST_CASE("codebook: F1 with 16 clusters") {
    const auto source = rowsOf(fixtureF1().weight);
    const auto result = applied("codebook:iterations=99", source);
    CHECK_THAT(result->metrics.relativeFrobenius, WithinRel(.1107, .01));
    CHECK_THAT(applied("zeropoint:bits=4", source)->metrics.relativeFrobenius,
               WithinRel(.1427, .01));
    CHECK(applied("codebook:per=row", source)->metrics.mse < result->metrics.mse);
}

TEST_CASE("codebook: every update lowers the squared error; every weight takes its nearest") {
    for (const char* keys : {"bits=3", "bits=5,init=random,seed=3", "bits=8", "bits=1,per=row"}) {
        CAPTURE(keys);
        const std::vector<float> weights = heavyTailed(40 * 200, 5);
        StepInput input;
        input.weights = makeRowSource(40, 200, weights);
        const Scheme scheme = parseScheme(std::string("codebook:") + keys).value();
        const Params params(findStep("codebook")->params, scheme.steps[0]);
        std::vector<CodebookHistory> histories;
        const StepOutput output = applyCodebook(input, params, {}, &histories).value();
        for (std::size_t table = 0; table < histories.size(); ++table) {
            double before = INFINITY;
            for (const std::vector<double>& centroids : histories[table].centroids) {
                CHECK(std::is_sorted(centroids.begin(), centroids.end()));
                double sum = 0;
                for (std::size_t i = 0; i < weights.size(); ++i) {
                    if (histories.size() == 1 || i / 200 == table) {
                        double least = INFINITY;
                        for (const double c : centroids) {
                            least = std::min(least, std::fabs(static_cast<double>(weights[i]) - c));
                        }
                        sum += least * least;
                    }
                }
                CHECK(sum <= before * (1 + 1e-12));
                before = sum;
            }
        }
        const auto& matrix = dynamic_cast<const CodebookMatrix&>(*output.weights);
        std::vector<std::int32_t> codes(weights.size());
        std::vector<float> values(weights.size());
        REQUIRE(matrix.codes(0, 40, codes.data()).has_value());
        REQUIRE(matrix.read(0, 40, values.data()).has_value());
        for (std::size_t i = 0; i < weights.size(); ++i) {
            const auto table = matrix.centroidsOf(static_cast<std::int64_t>(i / 200));
            const double w = static_cast<double>(weights[i]);
            std::size_t nearest = 0;
            for (std::size_t c = 1; c < table.size(); ++c) {
                nearest = std::fabs(w - table[c]) < std::fabs(w - table[nearest]) ? c : nearest;
            }
            REQUIRE(codes[i] == static_cast<std::int32_t>(nearest));
            REQUIRE(values[i] == static_cast<float>(table[nearest]));
        }
    }
}

TEST_CASE("codebook: ties take the lower index; centroids without weights stay") {
    const std::vector<double> centroids{0, 1, 1, 4};
    CHECK(nearestCentroid(centroids, .5) == 0);
    CHECK(nearestCentroid(centroids, 1) == 1);
    CHECK(nearestCentroid(centroids, 2.5) == 2);
    const SortedWeights weights(std::vector<double>{0, 0, 10});
    const std::vector<double> found = lloyd(weights, {0, 3, 10}, 100, {});
    CHECK(found == std::vector<double>{0, 3, 10});
    // Fewer different weights than centroids: each weight exact.
    const auto few = makeRowSource(2, 3, std::vector<float>{.5F, .5F, .5F, .5F, .5F, .5F});
    CHECK(applied("codebook", few)->metrics.mse == 0);
    CHECK(applied("codebook:init=random", few)->metrics.mse == 0);
}

TEST_CASE("codebook: sorting by digits is sorting") {
    std::vector<float> values = heavyTailed(20000, 9);
    values[3] = 0.0F;
    values[4] = -0.0F;
    values[5] = 1e-42F;
    values[6] = -1e-42F;
    const SortedWeights sorted(values);
    std::sort(values.begin(), values.end());
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        REQUIRE(sorted.at(static_cast<std::int64_t>(i)) == static_cast<double>(values[i]));
        sum += i >= 700 && i < 15001 ? static_cast<double>(values[i]) : 0;
    }
    CHECK_THAT(sorted.sum(700, 15001), WithinRel(sum, 1e-12));
    for (const std::int64_t near : {0, 1, 777, 778, 779, 5000, 19999, 20000}) {
        CAPTURE(near);
        CHECK(sorted.upTo(static_cast<double>(values[777]), near) == 778);
        CHECK(sorted.upTo(1e9, near) == 20000);
        CHECK(sorted.upTo(-1e9, near) == 0);
    }
}

TEST_CASE("codebook: the written file rebuilds the weights, under masks too") {
    const std::vector<float> weights = heavyTailed(8 * 20, 6);
    const auto source = makeRowSource(8, 20, weights);
    for (const char* scheme :
         {"codebook:bits=3", "codebook:bits=2,per=row", "magnitude+codebook:bits=3,per=row"}) {
        CAPTURE(scheme);
        const auto result = applied(scheme, source);
        const auto path = test::scratchDir() / "codebook.safetensors";
        TensorInfo info;
        info.name = "w";
        info.shape = {8, 20};
        REQUIRE(writeResult(path.string(), info, *result).has_value());
        const auto file = openSource(path.string()).value();
        const auto read = [&](const char* name) {
            const auto rows = file->matrix(findTensor(*file, name).value()).value();
            std::vector<float> values(static_cast<std::size_t>(rows->rows() * rows->cols()));
            REQUIRE(rows->read(0, rows->rows(), values.data()).has_value());
            return values;
        };
        const std::vector<float> expected = read("w");
        const std::vector<float> codes = read("w.codes");
        const std::vector<float> table = read("w.codebook");
        const bool masked = file->find("w.mask").has_value();
        const std::vector<float> mask = masked ? read("w.mask") : std::vector<float>(160, 1.0F);
        const bool perRow = std::string(scheme).find("per=row") != std::string::npos;
        const std::size_t size = perRow ? table.size() / 8 : table.size();
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const std::size_t at =
                (perRow ? i / 20 * size : 0) + static_cast<std::size_t>(codes[i]);
            CHECK(expected[i] == (mask[i] != 0 ? table[at] : 0.0F));
        }
    }
}
