// SPDX-License-Identifier: Apache-2.0
// Flags of whole tensors: what raises each, and what does not.
#include "core/stats/tensor_flags.hpp"

#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

using namespace loupe;
using Catch::Matchers::ContainsSubstring;

namespace {

std::vector<RaisedFlag> flagsOf(const RowSource& source) {
    const auto stats = computeStats(source);
    const auto marks = computeMarks(source);
    REQUIRE(stats.has_value());
    REQUIRE(marks.has_value());
    return raiseFlags(*stats, *marks);
}

std::vector<RaisedFlag> flagsOf(std::int64_t rows, std::int64_t cols, std::vector<float> values) {
    return flagsOf(*makeRowSource(rows, cols, std::move(values)));
}

std::set<std::string> idsOf(const std::vector<RaisedFlag>& flags) {
    std::set<std::string> ids;
    for (const RaisedFlag& raised : flags) {
        ids.emplace(flagDefinition(raised.flag).id);
    }
    return ids;
}

/// A heavy-tailed matrix without zeros, like nothing that an initialiser gives.
std::vector<float> trained(std::int64_t count, std::uint64_t seed = 1) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double u = randomUniform(seed, i) - 0.5;
        values[i] = static_cast<float>(u * u * u + 0.0005 * (u < 0 ? -1 : 1));
    }
    return values;
}

std::string detailOf(const std::vector<RaisedFlag>& flags, TensorFlag flag) {
    const auto found = std::find_if(flags.begin(), flags.end(), [flag](const RaisedFlag& raised) {
        return raised.flag == flag;
    });
    return found == flags.end() ? "not raised" : found->detail;
}

}  // namespace

TEST_CASE("flags are defined once each and found by id") {
    std::set<std::string> ids;
    for (const FlagDefinition& definition : allTensorFlags()) {
        CHECK(ids.emplace(definition.id).second);
        CHECK(findTensorFlag(definition.id) == &definition);
        CHECK(&flagDefinition(definition.flag) == &definition);
        CHECK(definition.badge.size() <= 5);
        CHECK_FALSE(definition.help.empty());
        CHECK(definition.isGuess == (definition.flag == TensorFlag::LikeInitialiser));
    }
    CHECK(findTensorFlag("no such flag") == nullptr);
}

TEST_CASE("an ordinary matrix raises nothing") {
    CHECK(idsOf(flagsOf(64, 96, trained(64 * 96))).empty());
}

TEST_CASE("NaN, infinities, zero variance") {
    std::vector<float> values = trained(64);
    values[3] = std::numeric_limits<float>::quiet_NaN();
    values[9] = -std::numeric_limits<float>::infinity();
    values[10] = std::numeric_limits<float>::infinity();
    const auto flags = flagsOf(4, 16, values);
    CHECK(idsOf(flags) == std::set<std::string>{"nan", "inf"});
    CHECK(detailOf(flags, TensorFlag::Nan) == "1 of 64 values");
    CHECK(detailOf(flags, TensorFlag::Inf) == "2 of 64 values");
    CHECK(idsOf(flagsOf(4, 16, std::vector<float>(64, 0.25F))) ==
          std::set<std::string>{"constant"});
    CHECK(idsOf(flagsOf(1, 16, std::vector<float>(16, 1.0F))) ==
          std::set<std::string>{"constant", "untrained"});
    std::vector<float> zeros(64, 0.0F);
    zeros[5] = -0.0F;
    CHECK(idsOf(flagsOf(4, 16, zeros)) == std::set<std::string>{"all_zero", "untrained"});
    CHECK(idsOf(flagsOf(1, 1, {1.0F})).empty());  // one number has no variance to lose
}

TEST_CASE("rows and columns of zeros") {
    std::vector<float> values = trained(32 * 16);
    for (std::size_t col = 0; col < 16; ++col) {
        values[5 * 16 + col] = 0;
        values[7 * 16 + col] = -0.0F;
    }
    for (std::size_t row = 0; row < 32; ++row) {
        values[row * 16 + 3] = 0;
    }
    const auto flags = flagsOf(32, 16, values);
    CHECK(idsOf(flags) == std::set<std::string>{"zero_rows", "zero_columns"});
    CHECK(detailOf(flags, TensorFlag::ZeroRows) == "2 of 32 rows");
    CHECK(detailOf(flags, TensorFlag::ZeroColumns) == "1 of 16 columns");
    // Tiny is not zero, even where a float has no such number.
    std::vector<double> tiny(8, 1e-300);
    tiny[0] = 2e-300;
    CHECK(idsOf(flagsOf(*makeRowSource(2, 4, tiny))).empty());
}

TEST_CASE("N:M sparsity that holds in every group, and none that holds by chance") {
    const auto pruned = [](int kept, int group, std::int64_t rows, std::int64_t cols) {
        std::vector<float> values = trained(rows * cols);
        for (std::int64_t row = 0; row < rows; ++row) {
            for (std::int64_t first = 0; first < cols; first += group) {
                // Which ones are kept turns with the place.
                for (std::int64_t i = 0; i < std::min<std::int64_t>(group, cols - first); ++i) {
                    const std::int64_t place = (i + row + first / group) % group;
                    if (place >= kept) {
                        values[static_cast<std::size_t>(row * cols + first + i)] = 0;
                    }
                }
            }
        }
        return flagsOf(rows, cols, std::move(values));
    };
    CHECK(detailOf(pruned(2, 4, 64, 128), TensorFlag::Pattern) == "2:4");
    CHECK(detailOf(pruned(1, 4, 64, 128), TensorFlag::Pattern) == "1:4");
    CHECK(detailOf(pruned(1, 2, 64, 128), TensorFlag::Pattern) == "1:2");
    CHECK(detailOf(pruned(4, 8, 64, 128), TensorFlag::Pattern) == "4:8");
    CHECK(detailOf(pruned(2, 4, 64, 131), TensorFlag::Pattern) == "2:4");  // a last group of 3
    CHECK(detailOf(pruned(3, 4, 64, 128), TensorFlag::Pattern) == "not raised");

    // One group with one weight too many.
    std::vector<float> values(16 * 32, 0.0F);
    for (std::size_t i = 0; i < values.size(); i += 4) {
        values[i] = 1.0F + static_cast<float>(i);
        values[i + 1 + (i / 4) % 3] = -1.0F;
    }
    CHECK(detailOf(flagsOf(16, 32, values), TensorFlag::Pattern) == "2:4");
    values[100 * 4 + 3] = values[100 * 4 + 2] = 5.0F;
    CHECK(detailOf(flagsOf(16, 32, values), TensorFlag::Pattern) != "2:4");

    // Nine of ten weights dropped anywhere: loose patterns hold, but are not what is there.
    std::vector<float> few = trained(8 * 16);
    for (std::size_t i = 0; i < few.size(); ++i) {
        few[i] = i % 11 == 0 ? few[i] : 0.0F;
    }
    few[1] = few[2] = few[3] = few[4] = 1;
    CHECK(detailOf(flagsOf(8, 16, few), TensorFlag::Pattern) == "not raised");
}

TEST_CASE("like an initialiser: drawn weights fit, others do not") {
    constexpr std::int64_t kRows = 128;
    constexpr std::int64_t kCols = 256;
    const auto drawn = [](auto draw) {
        std::vector<float> values(kRows * kCols);
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = static_cast<float>(draw(i));
        }
        return detailOf(flagsOf(kRows, kCols, std::move(values)), TensorFlag::LikeInitialiser);
    };
    const auto normal = [](std::size_t i) { return randomNormal(7, i); };
    const auto uniform = [](std::size_t i) { return 2 * randomUniform(9, i) - 1; };
    const double linear = 1 / std::sqrt(256.0);
    CHECK_THAT(drawn([&](std::size_t i) { return linear * uniform(i); }),
               ContainsSubstring("fits U(-a, a) with a = 0.0625 (1/sqrt(in)"));
    CHECK_THAT(drawn([&](std::size_t i) { return 0.02 * normal(i); }),
               ContainsSubstring("fits N(0, s) with s = 0.02 "));
    CHECK_THAT(drawn([&](std::size_t i) { return std::sqrt(2.0 / 384) * normal(i); }),
               ContainsSubstring("fits N(0, s) with s = 0.0721"));
    CHECK(drawn([&](std::size_t i) { return 0.023 * normal(i); }) == "not raised");
    CHECK(drawn([&](std::size_t i) { return 1.1 * linear * uniform(i); }) == "not raised");
    CHECK(drawn([&](std::size_t i) { return 0.02 * normal(i) + 0.001; }) == "not raised");
    // Right but for its tails: a few outliers, as training makes them.
    CHECK(drawn([&](std::size_t i) { return i % 1000 == 0 ? 0.2 : 0.02 * normal(i); }) ==
          "not raised");
}

TEST_CASE("content: equal for equal tensors, whatever the threads, and different else") {
    const std::vector<float> values = trained(300 * 1000);
    const auto hashOf = [](std::int64_t rows, std::int64_t cols, std::vector<float> numbers) {
        const auto marks = computeMarks(*makeRowSource(rows, cols, std::move(numbers)));
        REQUIRE(marks.has_value());
        return marks->contentHash;
    };
    const std::string hash = hashOf(300, 1000, values);
    CHECK(hash.size() == 32);
    const int before = computeThreads();
    for (const int threads : {1, 2, 5}) {
        setComputeThreads(threads);
        CHECK(hashOf(300, 1000, values) == hash);
    }
    setComputeThreads(before);
    CHECK(hashOf(1000, 300, values) != hash);
    std::set<std::string> hashes{hash};
    for (const std::size_t at : {0U, 1U, 149'999U, 299'999U}) {
        std::vector<float> changed = values;
        changed[at] = std::nextafter(changed[at], 1.0F);
        CHECK(hashes.insert(hashOf(300, 1000, changed)).second);
    }
    std::vector<float> swapped = values;
    std::swap(swapped[10], swapped[200'010]);
    CHECK(hashes.insert(hashOf(300, 1000, swapped)).second);
    std::vector<double> wide(values.begin(), values.end());
    const auto marks = computeMarks(*makeRowSource(300, 1000, wide));
    REQUIRE(marks.has_value());
    CHECK(hashes.insert(marks->contentHash).second);
}

TEST_CASE("a cancelled pass ends") {
    std::stop_source stop;
    stop.request_stop();
    const JobContext ctx(stop.get_token(), nullptr);
    const auto source = makeRowSource(300, 1000, trained(300 * 1000));
    CHECK_THROWS_AS(static_cast<void>(computeMarks(*source, ctx)), Cancelled);
}
