// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/calibration.hpp"

#include "core/experiment/column_norms.hpp"
#include "core/experiment/pipeline.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace loupe;

namespace {

using Rows = std::vector<std::int64_t>;
using Values = std::vector<double>;

}  // namespace

TEST_CASE("which rows calibrate") {
    CHECK(calibrationRows({3, CalibrationChoice::First, 0}, 10) == Rows{0, 1, 2});
    CHECK(calibrationRows({4, CalibrationChoice::Spread, 0}, 10) == Rows{0, 2, 5, 7});
    CHECK(calibrationRows({5, CalibrationChoice::Spread, 0}, 10) == Rows{0, 2, 4, 6, 8});
    for (const auto choice :
         {CalibrationChoice::First, CalibrationChoice::Spread, CalibrationChoice::Random}) {
        CHECK(calibrationRows({0, choice, 1}, 3) == Rows{0, 1, 2});
        CHECK(calibrationRows({7, choice, 1}, 3) == Rows{0, 1, 2});
        CHECK(calibrationRows({2, choice, 1}, 0).empty());
    }
    const Rows random = calibrationRows({100, CalibrationChoice::Random, 7}, 1000);
    CHECK(random.size() == 100);
    CHECK(std::is_sorted(random.begin(), random.end()));
    CHECK(std::adjacent_find(random.begin(), random.end()) == random.end());
    CHECK(random.front() >= 0);
    CHECK(random.back() < 1000);
    CHECK(random == calibrationRows({100, CalibrationChoice::Random, 7}, 1000));
    CHECK(random != calibrationRows({100, CalibrationChoice::Random, 8}, 1000));
}

TEST_CASE("every row is in a uniformly random choice as often as another") {
    std::vector<int> chosen(20);
    constexpr int kSeeds = 2000;
    for (int seed = 0; seed < kSeeds; ++seed) {
        for (const std::int64_t row : calibrationRows(
                 {5, CalibrationChoice::Random, static_cast<std::uint64_t>(seed)}, 20)) {
            ++chosen[static_cast<std::size_t>(row)];
        }
    }
    // 500 expected, standard deviation 19.4: five of them.
    const auto [least, most] = std::minmax_element(chosen.begin(), chosen.end());
    CHECK(*least > 403);
    CHECK(*most < 597);
}

TEST_CASE("rows that calibrate come first, all others after them") {
    const auto rows = makeRowSource(6, 1, Values{10, 11, 12, 13, 14, 15});
    const CalibratedRows spread = calibrated(rows, {2, CalibrationChoice::Spread, 0});
    CHECK(spread.order == Rows{0, 3, 1, 2, 4, 5});
    Values values(6);
    REQUIRE(spread.rows->read(0, 6, values.data()).has_value());
    CHECK(values == Values{10, 13, 11, 12, 14, 15});
    std::vector<float> some(3);
    REQUIRE(spread.rows->read(1, 3, some.data()).has_value());
    CHECK(some == std::vector<float>{13, 11, 12});
    CHECK(calibrated(rows, {2, CalibrationChoice::First, 0}).rows == rows);
    CHECK(calibrated(rows, {6, CalibrationChoice::Random, 0}).rows == rows);
    CHECK(calibrated(nullptr, {6, CalibrationChoice::Random, 0}).rows == nullptr);
}

TEST_CASE("column norms stand for activations where only those count") {
    const auto weights = makeRowSource(2, 4, Values{1, -2, 3, -4, 4, 3, -2, 1});
    const auto tokens = makeRowSource(2, 4, Values{1, 2, 0, 5, -1, 2, 4, 5});
    SchemeInput real{weights, 32, tokens, 0, nullptr};
    SchemeInput norms = real;
    norms.activations = std::make_shared<ColumnNorms>(Values{2, 8, 16, 50});
    for (const char* text : {"wanda",
                             "obd",
                             "wanda:pattern=2:4",
                             "structured:axis=column,score=activation",
                             "wanda+absmax:bits=4",
                             "absmax+wanda"}) {
        CAPTURE(text);
        const Scheme scheme = parseScheme(text).value();
        const auto a = applyScheme(scheme, real).value();
        const auto b = applyScheme(scheme, norms);
        REQUIRE(b.has_value());
        Values left(8);
        Values right(8);
        REQUIRE(a->quantized->read(0, 2, left.data()).has_value());
        REQUIRE((*b)->quantized->read(0, 2, right.data()).has_value());
        CHECK(left == right);
        CHECK_FALSE((*b)->metrics.outputRelativeError.has_value());
    }
    for (const char* text : {"smoothquant", "absmax:act_bits=8"}) {
        CAPTURE(text);
        const auto refused = applyScheme(parseScheme(text).value(), norms);
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().code == ErrorCode::Unsupported);
        CHECK(refused.error().what.find("needs the activations themselves") != std::string::npos);
    }
    CHECK(applyScheme(parseScheme("rotate+absmax").value(), norms).has_value());
    const auto mixed = applyScheme(parseScheme("rotate+wanda").value(), norms);
    REQUIRE_FALSE(mixed.has_value());
    CHECK(mixed.error().what.find("cannot follow 'rotate'") != std::string::npos);
}
