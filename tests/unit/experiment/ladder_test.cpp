// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/ladder.hpp"

#include "core/base/rng.hpp"
#include "core/io/fixtures.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <stop_token>

using namespace loupe;
using Catch::Matchers::WithinAbs;

namespace {

std::shared_ptr<const RowSource> source(const Matrix<double>& m) {
    std::vector<float> values(static_cast<std::size_t>(m.size()));
    std::transform(m.data(), m.data() + m.size(), values.begin(), [](double x) {
        return static_cast<float>(x);
    });
    return makeRowSource(m.rows(), m.cols(), std::move(values));
}

SchemeInput f1(bool activations) {
    const FixtureF1 fixture = fixtureF1();
    SchemeInput input;
    input.weights = source(fixture.weight);
    input.activations = activations ? source(fixture.activations) : nullptr;
    return input;
}

std::uint64_t total(const Histogram& histogram) {
    return std::accumulate(histogram.counts.begin(), histogram.counts.end(), std::uint64_t{0});
}

const LadderRow& rowOf(const LadderResult& result, const std::string& scheme) {
    const auto found =
        std::find_if(result.rows.begin(), result.rows.end(), [&](const LadderRow& row) {
            return row.entry.scheme == scheme;
        });
    CAPTURE(scheme);
    REQUIRE(found != result.rows.end());
    return *found;
}

}  // namespace

TEST_CASE("ladder: every scheme that the steps name runs or says why not") {
    const SchemeInput weightsOnly = f1(false);
    const LadderPlan plan = planLadder(weightsOnly);
    std::set<std::string> listed;
    for (const LadderEntry& entry : plan.entries) {
        CHECK(listed.insert(entry.scheme).second);
        CHECK_FALSE(entry.title.empty());
    }
    for (const LadderSkip& skip : plan.skipped) {
        CHECK(listed.insert(skip.entry.scheme).second);
        CHECK_FALSE(skip.reason.empty());
    }
    for (const StepDefinition* step : allSteps()) {
        for (const std::string_view text : step->ladder) {
            CHECK(listed.contains(toString(parseScheme(text).value())));
        }
    }
    for (const NumberFormat* format : allFormats()) {
        CAPTURE(format->id);
        CHECK(std::any_of(listed.begin(), listed.end(), [&](const std::string& scheme) {
            const std::string name(format->id);
            // bf16 is the step's default: its canonical string does not name it.
            return scheme.find("cast:format=" + name) == 0 ||
                   (name == "bf16" && scheme.find("cast") == 0);
        }));
    }
    const auto reasonOf = [&](const char* scheme) -> std::string {
        for (const LadderSkip& skip : plan.skipped) {
            if (skip.entry.scheme == scheme) {
                return skip.reason;
            }
        }
        return {};
    };
    CHECK(reasonOf("wanda") == "needs activations [tokens, 64] of this layer");
    CHECK(reasonOf("absmax:per=row,act_bits=8") == "needs activations [tokens, 64] of this layer");
    CHECK(reasonOf("gradient") == "needs gradients [32, 64] of this weight");
    CHECK(reasonOf("cast:format=fp64,scale=row").find("nothing to save") != std::string::npos);
    const bool solversLast = std::is_partitioned(
        plan.entries.begin(), plan.entries.end(), [](const LadderEntry& e) { return !e.isSolver; });
    CHECK(solversLast);
}

TEST_CASE("ladder: what takes more than a minute waits to be asked for") {
    const auto wide = [](std::int64_t rows, std::int64_t cols) {
        SchemeInput input;
        input.weights = makeRowSource(
            rows, cols, std::vector<float>(static_cast<std::size_t>(rows * cols), 1.0F));
        input.activations = makeRowSource(
            512, cols, std::vector<float>(static_cast<std::size_t>(512 * cols), 1.0F));
        return input;
    };
    const auto expected = [](const char* scheme, const SchemeInput& input) {
        return expectedSeconds(parseScheme(scheme).value(), input);
    };
    CHECK(expected("obs", f1(true)) < 0.1);
    const SchemeInput large = wide(1024, 1024);
    // n^4 in both: a layer of twice the size takes 16 times as long.
    CHECK_THAT(expected("obs", large) / expected("obs", wide(512, 512)), WithinAbs(16, 1e-9));
    CHECK_THAT(expected("obs:scope=tensor", large) / expected("obs", large), WithinAbs(3, 1e-9));
    CHECK_THAT(expected("obs:pattern=1:4", large) / expected("obs", large), WithinAbs(1.5, 1e-9));
    CHECK(expected("gptq:group=128", large) < 10);
    CHECK(expected("absmax", large) == 0);
    const LadderPlan plan = planLadder(large);
    const auto obs = std::find_if(plan.skipped.begin(), plan.skipped.end(), [](const auto& skip) {
        return skip.entry.scheme == "obs";
    });
    REQUIRE(obs != plan.skipped.end());
    CHECK(obs->expectedSeconds > kLadderPatience);
    CHECK(obs->reason ==
          "not run by itself: about " + roughDuration(obs->expectedSeconds) + " expected");
    CHECK(std::count_if(plan.skipped.begin(), plan.skipped.end(), [](const LadderSkip& skip) {
              return skip.expectedSeconds > 0;
          }) == 1);
    const std::string asked[] = {"obs"};
    CHECK(planLadder(large, asked)->entries.size() == 1);
    CHECK(roughDuration(61) == "61 seconds");
    CHECK(roughDuration(180) == "3 minutes");
    CHECK(roughDuration(47000) == "13 hours");
    CHECK(roughDuration(4e5) == "5 days");
}

TEST_CASE("ladder: rows carry the figures of applyScheme and exact pictures") {
    const SchemeInput input = f1(true);
    const std::vector<std::string> schemes{"absmax:bits=4,per=row",
                                           "zeropoint:bits=4,group=16",
                                           "nf4",
                                           "wanda",
                                           "rotate+absmax:bits=4,per=row",
                                           "smoothquant",
                                           "absmax:bits=4,clip_value=0.05",
                                           "cast:format=uint8,scale=row"};
    const LadderPlan plan = planLadder(input, schemes).value();
    std::size_t seen = 0;
    LadderObserver observer;
    std::vector<std::string> begun;
    observer.onStart = [&](const LadderEntry& entry) { begun.push_back(entry.scheme); };
    observer.onRow = [&](const LadderRow& row) {
        ++seen;
        CHECK(begun.back() == row.entry.scheme);
    };
    const LadderResult result = runLadder(plan, input, observer).value();
    REQUIRE(result.rows.size() == 7);
    CHECK(seen == 7);
    REQUIRE(result.skipped.size() == 1);
    CHECK(result.skipped[0].reason == "UINT8 has no negative values, the weights have");
    for (const LadderRow& row : result.rows) {
        CAPTURE(row.entry.scheme);
        const auto applied = applyScheme(parseScheme(row.entry.scheme).value(), input).value();
        CHECK(row.figures.bitsPerWeight == applied->bitsPerWeight);
        CHECK(row.figures.metrics.sqnrDb == applied->metrics.sqnrDb);
        CHECK(row.figures.metrics.outputRelativeError == applied->metrics.outputRelativeError);
        CHECK(row.codeUsage == applied->codeUsage);
        CHECK(total(row.pictures.before) + row.pictures.below + row.pictures.above == 32 * 64);
        CHECK(total(row.pictures.errors) == 32 * 64);
        CHECK(total(row.pictures.after) == 32 * 64);
    }
    const LadderRow& four = rowOf(result, "absmax:bits=4,per=row");
    CHECK(four.pictures.inSteps);
    REQUIRE(four.pictures.levels.size() == 15);
    for (std::size_t i = 0; i < 15; ++i) {
        CHECK_THAT(four.pictures.levels[i], WithinAbs(static_cast<double>(i) - 7, 1e-5));
    }
    // The result's histogram in steps is the code usage: each level in the middle of its bins.
    const std::size_t perLevel = four.pictures.after.counts.size() / 15;
    for (const auto& [code, count] : four.codeUsage) {
        const auto first = static_cast<std::size_t>(code + 7) * perLevel;
        CHECK(four.pictures.after.counts[first + perLevel / 2] == count);
    }
    CHECK(rowOf(result, "zeropoint:bits=4,group=16").pictures.levels.size() == 16);
    CHECK_FALSE(rowOf(result, "wanda").pictures.inSteps);
    CHECK_FALSE(rowOf(result, "rotate+absmax:bits=4,per=row").pictures.inSteps);
    const LadderRow& clipped = rowOf(result, "absmax:bits=4,clip_value=0.05");
    CHECK(clipped.pictures.below + clipped.pictures.above > 0);
}

TEST_CASE("ladder: the Pareto front") {
    using Point = std::pair<double, std::optional<double>>;
    const std::vector<Point> points{{4, 0.1},
                                    {8, 0.01},
                                    {4, 0.2},
                                    {16, 0.01},
                                    {3, 0.1},
                                    {2, std::nullopt},
                                    {1, std::numeric_limits<double>::quiet_NaN()},
                                    {3, 0.1},
                                    {16, 0.0}};
    const std::vector<bool> front = paretoFront(points);
    const std::vector<bool> expected{false, true, false, false, true, false, false, true, true};
    CHECK(front == expected);
    // By definition, on random points.
    std::vector<Point> random;
    for (std::uint64_t i = 0; i < 200; ++i) {
        random.emplace_back(std::floor(20 * std::abs(randomStudentT(1, i, 5))),
                            std::floor(20 * std::abs(randomStudentT(2, i, 5))));
    }
    const std::vector<bool> found = paretoFront(random);
    for (std::size_t i = 0; i < random.size(); ++i) {
        const bool dominated = std::any_of(random.begin(), random.end(), [&](const Point& other) {
            return other.first <= random[i].first && *other.second <= *random[i].second &&
                   (other.first < random[i].first || *other.second < *random[i].second);
        });
        CHECK(found[i] == !dominated);
    }
}

TEST_CASE("ladder: all entries on F1 and on shapes that do not fit") {
    const bool activations = GENERATE(false, true);
    const SchemeInput input = f1(activations);
    const LadderResult result = runLadder(planLadder(input), input).value();
    CHECK(result.rows.size() > 15);
    CHECK(std::any_of(
        result.rows.begin(), result.rows.end(), [](const LadderRow& row) { return row.isPareto; }));
    for (const LadderRow& row : result.rows) {
        CAPTURE(row.entry.scheme);
        CHECK(row.figures.bitsPerWeight > 0);
        CHECK(std::isfinite(row.figures.metrics.mse));
    }
    SchemeInput one;
    one.weights = makeRowSource(1, 1, std::vector<float>{0.5F});
    const LadderResult small = runLadder(planLadder(one), one).value();
    CHECK(small.rows.size() > 10);
    SchemeInput zeros;
    zeros.weights = makeRowSource(3, 5, std::vector<float>(15, 0.0F));
    CHECK(runLadder(planLadder(zeros), zeros).has_value());
}

TEST_CASE("ladder: NaN weights and cancellation") {
    SchemeInput bad;
    std::vector<float> values(12, 1.0F);
    values[7] = std::numeric_limits<float>::quiet_NaN();
    bad.weights = makeRowSource(3, 4, std::move(values));
    const auto refused = runLadder(planLadder(bad), bad);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().what == "NaN at row 1, column 3: a scheme needs finite values");

    const SchemeInput input = f1(false);
    std::stop_source stop;
    const JobContext ctx(stop.get_token(), std::make_shared<Progress>());
    std::size_t rows = 0;
    LadderObserver observer;
    observer.onRow = [&](const LadderRow&) {
        ++rows;
        stop.request_stop();
    };
    CHECK_THROWS_AS(runLadder(planLadder(input), input, observer, ctx), Cancelled);
    CHECK(rows == 1);
}
