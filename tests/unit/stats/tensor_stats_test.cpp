// SPDX-License-Identifier: Apache-2.0
#include "core/stats/tensor_stats.hpp"

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/base/cpu_dispatch.hpp"
#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

using namespace loupe;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;
using nlohmann::json;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double numberOf(const json& value) {
    if (value.is_string()) {
        return value == "nan" ? kNan : value == "inf" ? kInf : -kInf;
    }
    return value.get<double>();
}

json golden(const std::string& name) {
    std::ifstream file(test::goldenDir() / "stats" / name);
    return json::parse(file);
}

void checkNear(double actual, double expected, double tolerance) {
    if (std::isnan(expected)) {
        CHECK(std::isnan(actual));
    } else if (std::isinf(expected)) {
        CHECK(actual == expected);
    } else {
        CHECK_THAT(actual, WithinAbs(expected, tolerance));
    }
}

/// The bounds of the project: 1e-6 relative, mean 1e-6·std, skewness and kurtosis 1e-5 absolute.
void checkScalars(const TensorStats& s, const json& e) {
    CHECK(s.count == e["count"].get<std::uint64_t>());
    CHECK(s.nan == e["nan"].get<std::uint64_t>());
    CHECK(s.inf == e["inf"].get<std::uint64_t>());
    CHECK(s.zeros == e["zeros"].get<std::uint64_t>());
    if (!e.contains("min")) {
        CHECK(s.finite() == 0);
        CHECK(std::isnan(s.min));
        CHECK(std::isnan(s.mean));
        return;
    }
    CHECK(s.min == numberOf(e["min"]));
    CHECK(s.max == numberOf(e["max"]));
    CHECK(s.absmax == numberOf(e["absmax"]));
    const double deviation = numberOf(e["std"]);
    checkNear(s.mean, numberOf(e["mean"]), 1e-6 * deviation);
    checkNear(s.std, deviation, 1e-6 * deviation);
    checkNear(s.skewness, numberOf(e["skewness"]), 1e-5);
    checkNear(s.kurtosis, numberOf(e["kurtosis"]), 1e-5);
}

void checkRanges(const ChannelRanges& ranges, const json& e) {
    const std::size_t count = ranges.min.size();
    REQUIRE(e["min"].size() == count);
    for (std::size_t i = 0; i < count; ++i) {
        CAPTURE(i);
        const auto low = static_cast<float>(numberOf(e["min"][i]));
        const auto high = static_cast<float>(numberOf(e["max"][i]));
        CHECK(ranges.min[i] == low);
        CHECK(ranges.max[i] == high);
        CHECK(ranges.absmax[i] == (low > high ? 0.0F : std::max(std::fabs(low), std::fabs(high))));
        const double squares = numberOf(e["squares"][i]);
        checkNear(ranges.sumSquares[i], squares, 1e-6 * squares);
    }
}

void checkDistribution(const RowSource& source, const TensorStats& s, const json& e) {
    const std::vector<double> q{0.1 / 100, 1.0 / 100, 5.0 / 100, 0.25, 0.5, 0.75, 95.0 / 100, 99.0 / 100, 99.9 / 100};
    const auto quantiles = exactQuantiles(source, s, q);
    REQUIRE(quantiles.has_value());
    for (std::size_t i = 0; i < q.size(); ++i) {
        CAPTURE(q[i]);
        const double expected = numberOf(e["percentiles"][i]);
        checkNear((*quantiles)[i], expected, 1e-14 * std::max(std::fabs(expected), s.absmax));
    }
    std::uint64_t total = 0;
    for (const std::uint64_t count : s.values.counts) {
        total += count;
    }
    CHECK(total == s.finite());
    CHECK(std::is_sorted(s.values.values.begin(), s.values.values.end()));
    if (e["histogram"].is_null()) {
        return;
    }
    const auto counts = e["histogram"]["counts"].get<std::vector<std::uint64_t>>();
    const auto histogram = exactHistogram(source, s.min, s.max, static_cast<int>(counts.size()), &s);
    REQUIRE(histogram.has_value());
    CHECK(histogram->counts == counts);
    CHECK(histogram->min == numberOf(e["histogram"]["min"]));
    CHECK(histogram->max == numberOf(e["histogram"]["max"]));
    const auto again = exactHistogram(source, s.min, s.max, static_cast<int>(counts.size()));
    CHECK(again->counts == counts);
}

bool sameBits(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

bool identical(const TensorStats& a, const TensorStats& b) {
    const auto ranges = [](const ChannelRanges& x, const ChannelRanges& y) {
        return x.min == y.min && x.max == y.max && x.absmax == y.absmax && x.sumSquares == y.sumSquares && x.wideAbsmax == y.wideAbsmax;
    };
    return a.count == b.count && a.nan == b.nan && a.inf == b.inf && a.zeros == b.zeros && sameBits(a.min, b.min) && sameBits(a.max, b.max) &&
           sameBits(a.mean, b.mean) && sameBits(a.std, b.std) && sameBits(a.skewness, b.skewness) && sameBits(a.kurtosis, b.kurtosis) &&
           ranges(a.rowRanges, b.rowRanges) && ranges(a.colRanges, b.colRanges) && a.values.values == b.values.values && a.values.counts == b.values.counts;
}

/// A source without bytes at hand: the path of transposed and generated matrices.
class Generated : public RowSource {
public:
    explicit Generated(std::shared_ptr<const RowSource> of) : of_(std::move(of)) {}
    std::int64_t rows() const override { return of_->rows(); }
    std::int64_t cols() const override { return of_->cols(); }
    bool isDouble() const override { return of_->isDouble(); }
    Result<void> read(std::int64_t first, std::int64_t count, float* out) const override { return of_->read(first, count, out); }
    Result<void> read(std::int64_t first, std::int64_t count, double* out) const override { return of_->read(first, count, out); }

private:
    std::shared_ptr<const RowSource> of_;
};

std::shared_ptr<const RowSource> heavyTailed(std::int64_t rows, std::int64_t cols) {
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(0.02 * randomStudentT(5, i, 4));
    }
    return makeRowSource(rows, cols, std::move(values));
}

}  // namespace

TEST_CASE("Statistics of every kind of array equal NumPy's and SciPy's, on every CPU target") {
    const auto target = GENERATE(from_range(availableCpuTargets()));
    const CpuTarget before = setCpuTarget(target);
    const auto source = openSource((test::goldenDir() / "stats" / "arrays.safetensors").string());
    REQUIRE(source.has_value());
    const json expected = golden("expected.json");
    REQUIRE((*source)->tensors().size() == expected.size());
    for (std::size_t i = 0; i < (*source)->tensors().size(); ++i) {
        const std::string& name = (*source)->tensors()[i].name;
        CAPTURE(cpuTargetName(target), name);
        const json& e = expected[name];
        const auto matrix = (*source)->matrix(i);
        REQUIRE(matrix.has_value());
        REQUIRE((*matrix)->rows() == e["rows"].get<std::int64_t>());
        const auto generated = std::make_shared<Generated>(*matrix);
        for (const std::shared_ptr<const RowSource>& way : {*matrix, std::shared_ptr<const RowSource>(generated)}) {
            if (way == generated && name.substr(0, 3) == "i32") {
                continue;  // read as FP32 where the stored type is not known: other numbers by definition
            }
            CAPTURE(way == generated);
            const auto stats = computeStats(*way);
            REQUIRE(stats.has_value());
            checkScalars(*stats, e);
            if (e.contains("row")) {
                checkRanges(stats->rowRanges, e["row"]);
                checkRanges(stats->colRanges, e["col"]);
            }
            if (e.contains("percentiles")) {
                checkDistribution(*way, *stats, e);
            }
        }
    }
    setCpuTarget(before);
}

TEST_CASE("Statistics are bit-identical for 1, 2 and 7 threads") {
    const int threads = computeThreads();
    const auto source = heavyTailed(1000, 1100);
    const auto file = openSource((test::goldenDir() / "stats" / "arrays.safetensors").string());
    for (const std::int64_t rows : {0, 1}) {
        const std::shared_ptr<const RowSource> way = rows == 0 ? source : std::make_shared<Generated>(source);
        setComputeThreads(1);
        const TensorStats one = *computeStats(*way);
        const auto q1 = *exactQuantiles(*way, one, std::vector<double>{0.001, 0.5, 0.77});
        for (const int n : {2, 7}) {
            setComputeThreads(n);
            CHECK(identical(one, *computeStats(*way)));
            CHECK(q1 == *exactQuantiles(*way, one, std::vector<double>{0.001, 0.5, 0.77}));
        }
    }
    setComputeThreads(threads);
}

TEST_CASE("CPU targets agree to 1e-9 and exactly on what is exact") {
    const auto source = heavyTailed(700, 900);
    const CpuTarget before = setCpuTarget(CpuTarget::Baseline);
    const TensorStats base = *computeStats(*source);
    for (const CpuTarget target : availableCpuTargets()) {
        setCpuTarget(target);
        const TensorStats s = *computeStats(*source);
        CHECK(s.min == base.min);
        CHECK(s.rowRanges.absmax == base.rowRanges.absmax);
        CHECK(s.colRanges.min == base.colRanges.min);
        CHECK(s.values.counts == base.values.counts);
        CHECK_THAT(s.mean, WithinAbs(base.mean, 1e-12 * base.std));
        CHECK_THAT(s.kurtosis, WithinRel(base.kurtosis, 1e-9));
    }
    setCpuTarget(before);
}

TEST_CASE("A wide matrix is cut into column chunks, a huge vector too") {
    for (const auto& [rows, cols] : std::vector<std::pair<std::int64_t, std::int64_t>>{{5, 70000}, {1, 200001}, {40, 66000}}) {
        CAPTURE(rows, cols);
        const auto source = heavyTailed(rows, cols);
        std::vector<float> cells(static_cast<std::size_t>(rows * cols));
        REQUIRE(source->read(0, rows, cells.data()).has_value());
        const TensorStats s = *computeStats(*source);
        double sum = 0;
        std::vector<float> rowTop(static_cast<std::size_t>(rows), 0);
        std::vector<double> colSquares(static_cast<std::size_t>(cols), 0);
        for (std::int64_t i = 0; i < rows * cols; ++i) {
            const float x = cells[static_cast<std::size_t>(i)];
            sum += static_cast<double>(x);
            float& top = rowTop[static_cast<std::size_t>(i / cols)];
            top = std::max(top, std::fabs(x));
            colSquares[static_cast<std::size_t>(i % cols)] += static_cast<double>(x) * static_cast<double>(x);
        }
        CHECK(s.rowRanges.absmax == rowTop);
        CHECK_THAT(s.mean, WithinAbs(sum / static_cast<double>(rows * cols), 1e-9 * s.std));
        for (const std::size_t c : {std::size_t{0}, std::size_t{65535}, static_cast<std::size_t>(cols - 1)}) {
            CHECK_THAT(s.colRanges.sumSquares[c], WithinRel(colSquares[c], 1e-6));
        }
    }
}

TEST_CASE("Outlier channels: ratio to the median channel, largest first") {
    std::vector<float> cells(6 * 5, 1.0F);
    cells[0 * 5 + 2] = -20;
    cells[3 * 5 + 4] = 7;
    const TensorStats s = *computeStats(*makeRowSource(6, 5, std::move(cells)));
    const auto inputs = s.outliers(true, 3);
    REQUIRE(inputs.size() == 3);
    CHECK(inputs[0].index == 2);
    CHECK(inputs[0].absmax == 20);
    CHECK(inputs[0].ratio == 20);
    CHECK(inputs[1].index == 4);
    CHECK(inputs[2].index == 0);
    CHECK(s.outliers(false, 100).size() == 6);
    CHECK(s.medianChannelAbsmax(false) == 1);
    const TensorStats even = *computeStats(*makeRowSource(2, 1, std::vector<float>{1, 3}));
    CHECK(even.medianChannelAbsmax(false) == 2);
}

TEST_CASE("Channel metrics of the reference vector (absmax, max/median, crest, kurtosis)") {
    // v[i] = probit((((37i + 11) mod 128) + 1/2)/128), then v[17] = 50: values of the specification.
    const auto probit = [](double p) {
        double low = -10;
        double high = 10;
        for (int i = 0; i < 200; ++i) {
            const double middle = (low + high) / 2;
            (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
        }
        return low;
    };
    std::vector<double> v(128);
    for (std::size_t i = 0; i < v.size(); ++i) {
        v[i] = probit((static_cast<double>((37 * i + 11) % 128) + 0.5) / 128);
    }
    v[17] = 50;
    const auto source = makeRowSource(1, 128, v);
    const TensorStats s = *computeStats(*source);
    CHECK(s.absmax == 50);
    CHECK_THAT(s.crestFactor(), WithinAbs(11.0523, 5e-5));
    CHECK_THAT(s.kurtosis, WithinAbs(111.681, 5e-4));
    CHECK_THAT(s.outliers(true, 1).front().ratio, WithinAbs(74.1245, 5e-5));
}

TEST_CASE("Re-binning: closed last bin, windows, ranges without width") {
    ValueCounts counts;
    counts.values = {-1, 0, 0.5, 1};
    counts.counts = {1, 2, 3, 4};
    counts.exact = true;
    CHECK(counts.rebin(-1, 1, 2).counts == std::vector<std::uint64_t>{1, 9});
    CHECK(counts.rebin(0, 0.5, 2).counts == std::vector<std::uint64_t>{2, 3});
    CHECK(counts.rebin(2, 3, 4).counts == std::vector<std::uint64_t>{0, 0, 0, 0});
    const Histogram point = counts.rebin(0, 0, 2);
    CHECK(point.min == -0.5);
    CHECK(point.counts == std::vector<std::uint64_t>{0, 5});
}

TEST_CASE("Cancelling stops a scan, with many threads too") {
    const int threads = computeThreads();
    setComputeThreads(12);
    const auto source = heavyTailed(3000, 1000);
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS_AS(computeStats(*source, JobContext(stop.get_token(), nullptr)), Cancelled);
    CHECK(computeStats(*source).has_value());
    setComputeThreads(threads);
}

TEST_CASE("An error while reading is the error of the statistics") {
    class Broken : public Generated {
    public:
        using Generated::Generated;
        Result<void> read(std::int64_t first, std::int64_t count, float* out) const override {
            return first > 500 ? fail(ErrorCode::Damaged, "damaged") : Generated::read(first, count, out);
        }
        Result<void> read(std::int64_t, std::int64_t, double* out) const override {
            *out = 0;
            return {};
        }
    };
    const Broken broken(heavyTailed(5000, 600));
    const auto stats = computeStats(broken);
    REQUIRE_FALSE(stats.has_value());
    CHECK(stats.error().what == "damaged");
}
