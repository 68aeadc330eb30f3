// SPDX-License-Identifier: Apache-2.0
#include "core/io/synthetic.hpp"

#include "core/base/worker_pool.hpp"
#include "core/io/fixtures.hpp"
#include "core/io/sample.hpp"
#include "tests/unit/io/io_support.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace loupe;
using namespace loupe::test;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

std::vector<double> valuesOf(const std::string& path, std::string_view name = "weight") {
    const Opened source = openSource(path);
    REQUIRE(source.has_value());
    return readAll(*matrixOf(**source, name));
}

struct Moments {
    double mean = 0, std = 0, kurtosis = 0;
};

Moments momentsOf(const std::vector<double>& values) {
    Moments m;
    const auto n = static_cast<double>(values.size());
    m.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    double second = 0;
    double fourth = 0;
    for (const double v : values) {
        second += std::pow(v - m.mean, 2) / n;
        fourth += std::pow(v - m.mean, 4) / n;
    }
    m.std = std::sqrt(second);
    m.kurtosis = fourth / (second * second) - 3;
    return m;
}

}  // namespace

TEST_CASE("fixture F1 gives the checks of its definition") {
    const Opened source = openSource("synthetic:F1");
    REQUIRE(source.has_value());
    const auto w = readAll(*matrixOf(**source, "weight"));
    const auto x = readAll(*matrixOf(**source, "activations"));
    REQUIRE(w.size() == 32 * 64);
    REQUIRE(x.size() == 256 * 64);
    const std::vector<double> wFirst{0.05549894, 0.00579129, -0.01462315, -0.01656656};
    const std::vector<double> xFirst{
        -1.24115907, -1.42723224, -1.24047431, -1.54829486, -1.52446940, -32.29773538};
    for (std::size_t i = 0; i < wFirst.size(); ++i) {
        CHECK_THAT(w[i], WithinAbs(wFirst[i], 5e-9));
    }
    for (std::size_t i = 0; i < xFirst.size(); ++i) {
        CHECK_THAT(x[i], WithinAbs(xFirst[i], 5e-9));
    }
    const auto absLess = [](double a, double b) { return std::abs(a) < std::abs(b); };
    CHECK_THAT(std::accumulate(w.begin(), w.end(), 0.0), WithinAbs(-0.5284946040, 5e-11));
    CHECK_THAT(std::accumulate(x.begin(), x.end(), 0.0), WithinAbs(-468.299356018, 5e-10));
    CHECK_THAT(std::abs(*std::max_element(w.begin(), w.end(), absLess)),
               WithinAbs(0.0838760144, 5e-11));
    CHECK_THAT(std::abs(*std::max_element(x.begin(), x.end(), absLess)),
               WithinAbs(58.3598290, 5e-8));
    double norm = 0;
    for (std::size_t t = 0; t < 256; ++t) {
        for (std::size_t o = 0; o < 32; ++o) {
            double sum = 0;
            for (std::size_t i = 0; i < 64; ++i) {
                sum += x[t * 64 + i] * w[o * 64 + i];
            }
            norm += sum * sum;
        }
    }
    CHECK_THAT(std::sqrt(norm), WithinRel(39.2063860, 2e-9));
    std::vector<double> absmax(64, 0);
    for (std::size_t i = 0; i < x.size(); ++i) {
        absmax[i % 64] = std::max(absmax[i % 64], std::abs(x[i]));
    }
    std::sort(absmax.begin(), absmax.end());
    CHECK_THAT((absmax[31] + absmax[32]) / 2, WithinAbs(3.1752, 5e-5));
}

TEST_CASE("the lecture's examples") {
    CHECK(valuesOf("synthetic:V", "V") ==
          std::vector<double>{5.47, 3.08, -7.59, 0, -1.95, -4.57, 10.8});
    CHECK(valuesOf("synthetic:V256", "V256").back() == 256);
    const auto m = valuesOf("synthetic:M", "M");
    REQUIRE(m.size() == 100);
    const Moments moments = momentsOf(m);
    CHECK_THAT(moments.mean, WithinAbs(11.4566, 5e-5));
    CHECK_THAT(moments.std, WithinAbs(17.9447, 5e-5));
    CHECK(*std::min_element(m.begin(), m.end()) == 0.25);
    CHECK(*std::max_element(m.begin(), m.end()) == 63.65);
    CHECK(std::equal(m.begin(), m.begin() + 50, m.begin() + 50));
}

TEST_CASE("made-up values have the moments they announce") {
    const Moments gaussian =
        momentsOf(valuesOf("synthetic:gaussian?rows=400&cols=500&std=0.02&mean=1"));
    CHECK_THAT(gaussian.mean, WithinAbs(1, 2e-4));
    CHECK_THAT(gaussian.std, WithinRel(0.02, 0.01));
    CHECK_THAT(gaussian.kurtosis, WithinAbs(0, 0.06));
    const Moments student = momentsOf(valuesOf("synthetic:student?rows=400&cols=500&df=6"));
    CHECK_THAT(student.std, WithinRel(0.02, 0.02));
    CHECK(student.kurtosis > 1.5);
    const Moments uniform = momentsOf(valuesOf("synthetic:uniform?rows=400&cols=500&min=0&max=12"));
    CHECK_THAT(uniform.mean, WithinAbs(6, 0.04));
    CHECK_THAT(uniform.std, WithinRel(std::sqrt(12.0), 0.01));
}

TEST_CASE("values depend on seed and place alone") {
    const std::string path = "synthetic:outliers?rows=37&cols=90&seed=7&spikes=5&dtype=" +
                             std::string(GENERATE("fp32", "bf16", "fp16"));
    const std::vector<double> whole = valuesOf(path);
    CHECK(valuesOf(path) == whole);
    CHECK(valuesOf("synthetic:outliers?rows=37&cols=90&seed=8&spikes=5&dtype=fp16") != whole);
    const Opened source = openSource(path);
    REQUIRE(source.has_value());
    const auto matrix = matrixOf(**source, "weight");
    std::vector<float> rows(3 * 90);
    const auto check = [&] {
        REQUIRE(matrix->read(11, 3, rows.data()).has_value());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            CHECK(static_cast<double>(rows[i]) == whole[11 * 90 + i]);
        }
    };
    check();
    REQUIRE(matrix->raw().has_value());  // from here on rows come from the buffer
    CHECK(matrix->raw()->bytes.size() ==
          37U * 90U * static_cast<std::size_t>(matrix->raw()->type->bits) / 8);
    check();
    CHECK(readAll(*matrix) == whole);
}

TEST_CASE("outlier channels are planted in weights and activations alike") {
    const auto w = valuesOf(
        "synthetic:outliers?rows=256&cols=128&channels=3&strength=20&std=0.02&spikes=2&spike_"
        "strength=400");
    const auto x =
        valuesOf("synthetic:outliers?rows=256&cols=128&channels=3&strength=20&std=0.02&tokens=256",
                 "activations");
    const auto loud = [](const std::vector<double>& values, double limit) {
        std::vector<int> channels;
        for (std::size_t c = 0; c < 128; ++c) {
            double sum = 0;
            for (std::size_t r = 0; r < 256; ++r) {
                sum += std::min(values[r * 128 + c] * values[r * 128 + c], limit * limit * 100);
            }
            if (std::sqrt(sum / 256) > limit) {
                channels.push_back(static_cast<int>(c));
            }
        }
        return channels;
    };
    CHECK(loud(w, 0.1).size() == 3);
    CHECK(loud(w, 0.1) == loud(x, 5));
    CHECK(std::count_if(
              w.begin(), w.end(), [](double v) { return std::abs(std::abs(v) - 8) < 1e-6; }) == 2);
}

TEST_CASE("large made-up matrices open at once and have no bytes") {
    const Opened source = openSource("synthetic:gaussian?rows=1000000&cols=1000000");
    REQUIRE(source.has_value());
    const auto matrix = matrixOf(**source, "weight");
    CHECK_FALSE(matrix->raw().has_value());
    std::vector<float> row(1000000);
    REQUIRE(matrix->read(999999, 1, row.data()).has_value());
    CHECK(row[0] != row[1]);
}

TEST_CASE("wrong paths of made-up matrices name what is wrong") {
    CHECK_THAT(openSource("synthetic:gausian").error().hint, ContainsSubstring("gaussian"));
    CHECK_THAT(openSource("synthetic:gaussian?row=3").error().hint, ContainsSubstring("rows"));
    for (const char* path : {"synthetic:gaussian?rows=0",
                             "synthetic:gaussian?rows=1.5",
                             "synthetic:gaussian?std=x",
                             "synthetic:gaussian?rows",
                             "synthetic:gaussian?rows=3&rows=3",
                             "synthetic:gaussian?dtype=int8",
                             "synthetic:uniform?min=2&max=1",
                             "synthetic:V?rows=3",
                             "synthetic:gaussian?std=inf",
                             "synthetic:gaussian?std=nan"}) {
        CAPTURE(path);
        const Opened source = openSource(path);
        REQUIRE_FALSE(source.has_value());
        CHECK(source.error().code == ErrorCode::Usage);
    }
}

TEST_CASE("generators describe their parameters, and paths round-trip") {
    CHECK(allGenerators().size() == 8 + toyExamples().size());
    CHECK(syntheticPath("student", {{"rows", "64"}, {"df", "5"}, {"seed", "3"}}) ==
          "synthetic:student?rows=64&seed=3");
    for (const Generator& generator : allGenerators()) {
        for (const GeneratorParam& param : generator.params) {
            CAPTURE(generator.id, param.name);
            CHECK_FALSE(param.label.empty());
            CHECK_FALSE(param.help.empty());
            CHECK((param.type == GeneratorParamType::Choice) == !param.choices.empty());
        }
        const Opened source = openSource(
            syntheticPath(generator.id, {{"rows", "5"}, {"cols", "6"}, {"tokens", "2"}}));
        REQUIRE(source.has_value());
        for (std::size_t i = 0; i < (*source)->tensors().size(); ++i) {
            const TensorInfo& tensor = (*source)->tensors()[i];
            const auto matrix = (*source)->matrix(i);
            REQUIRE(matrix.has_value());
            CHECK((*matrix)->rows() == tensor.rows);
            CHECK((*matrix)->cols() == tensor.cols);
        }
    }
}

TEST_CASE("the example checkpoint is the same every time and opens cleanly") {
    const auto a = scratchDir() / "sample_a";
    const auto b = scratchDir() / "sample_b";
    REQUIRE(writeSampleCheckpoint(a).has_value());
    const int threads = computeThreads();
    setComputeThreads(1);
    REQUIRE(writeSampleCheckpoint(b).has_value());
    setComputeThreads(threads);
    for (const char* file : {"model.safetensors", "activations.safetensors", "config.json"}) {
        CHECK(readFile(a / file) == readFile(b / file));
    }
    const Opened model = openSource(a.string());
    const Opened activations = openSource((a / "activations.safetensors").string());
    REQUIRE(model.has_value());
    REQUIRE(activations.has_value());
    CHECK((*model)->info().warnings.empty());
    CHECK((*model)->tensors().size() == 39);
    for (const TensorInfo& x : (*activations)->tensors()) {
        const auto weight = (*model)->find(x.name + ".weight");
        CAPTURE(x.name);
        REQUIRE(weight.has_value());
        CHECK((*model)->tensors()[*weight].cols == x.cols);
        CHECK(x.rows == 256);
    }
    const Moments moments =
        momentsOf(readAll(*matrixOf(**model, "model.layers.2.mlp.gate_proj.weight")));
    CHECK(moments.kurtosis > 1);
}

TEST_CASE("outlier activations: planted channels, share of tokens and correlation, measured") {
    constexpr std::size_t kTokens = 4000;
    constexpr std::size_t kCols = 32;
    const std::string path =
        "synthetic:outliers?rows=4&cols=32&tokens=4000&at=3,17&strength=50&share=0.25&correlation="
        "0.8";
    const std::vector<double> x = valuesOf(path, "activations");
    REQUIRE(x.size() == kTokens * kCols);
    std::size_t loud = 0;
    for (std::size_t t = 0; t < kTokens; ++t) {
        // |x| of a standard normal times 50 is below 5 one time in twelve: both at once rarely.
        const bool large = std::abs(x[t * kCols + 3]) + std::abs(x[t * kCols + 17]) > 9;
        loud += large ? 1U : 0U;
    }
    CHECK_THAT(static_cast<double>(loud) / kTokens, WithinAbs(0.25, 0.03));
    const auto correlation = [&](std::size_t left, std::size_t right) {
        double both = 0;
        double a = 0;
        double b = 0;
        for (std::size_t t = 0; t < kTokens; ++t) {
            const double u = x[t * kCols + left];
            const double v = x[t * kCols + right];
            both += u * v;
            a += u * u;
            b += v * v;
        }
        return both / std::sqrt(a * b);
    };
    // Standard error (1 - rho^2) / sqrt(tokens): 0.0057 and 0.012.
    CHECK_THAT(correlation(20, 21), WithinAbs(0.8, 0.03));
    CHECK_THAT(correlation(20, 22), WithinAbs(0.64, 0.05));
    for (const std::size_t column : {std::size_t{0}, std::size_t{10}, std::size_t{31}}) {
        double squares = 0;
        for (std::size_t t = 0; t < kTokens; ++t) {
            squares += x[t * kCols + column] * x[t * kCols + column];
        }
        CHECK_THAT(squares / kTokens, WithinAbs(1, 0.12));
    }
    // The weights have the same channels, in every row.
    const auto source = openSource(path);
    const std::vector<double> w =
        valuesOf("synthetic:outliers?rows=4000&cols=32&at=3,17&strength=50&df=1000&share=0.25");
    double large = 0;
    double usual = 0;
    for (std::size_t r = 0; r < kTokens; ++r) {
        large += w[r * kCols + 3] * w[r * kCols + 3];
        usual += w[r * kCols + 4] * w[r * kCols + 4];
    }
    CHECK_THAT(std::sqrt(large / usual), WithinRel(50, 0.05));
    // Values do not depend on which rows are read together.
    const auto matrix = matrixOf(**source, "activations");
    std::vector<double> row(kCols);
    REQUIRE(matrix->read(1234, 1, row.data()).has_value());
    CHECK(std::equal(row.begin(), row.end(), x.begin() + 1234 * kCols));
    for (const char* wrong : {"at=3,,4", "at=x", "at=99&cols=32", "share=1.5", "correlation=1"}) {
        CAPTURE(wrong);
        CHECK_FALSE(openSource(std::string("synthetic:outliers?") + wrong).has_value());
    }
}
