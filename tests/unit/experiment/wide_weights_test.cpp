// SPDX-License-Identifier: Apache-2.0
// Weights far from 1: errors relative to them stay what they are, though their squares have no room
// in FP32.
#include "core/base/rng.hpp"
#include "core/experiment/output_error.hpp"
#include "core/experiment/pipeline.hpp"
#include "core/quant/uniform.hpp"
#include "tests/support/catch.hpp"

#include <cmath>

using namespace loupe;
using Catch::Matchers::WithinRel;

namespace {

constexpr std::int64_t kRows = 70;  // more than the kernels' sums of columns take at a time
constexpr std::int64_t kCols = 160;

std::vector<float> weightsTimes(double factor) {
    std::vector<float> values(static_cast<std::size_t>(kRows * kCols));
    for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(0.05 * randomNormal(4, i)) * static_cast<float>(factor);
    }
    return values;
}

SchemeInput inputOf(std::vector<float> weights, double activationFactor = 1) {
    constexpr std::int64_t kTokens = 40;
    std::vector<float> x(static_cast<std::size_t>(kTokens * kCols));
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<float>(randomNormal(5, i)) * static_cast<float>(activationFactor);
    }
    return {makeRowSource(kRows, kCols, std::move(weights)),
            32,
            makeRowSource(kTokens, kCols, std::move(x)),
            0,
            nullptr};
}

std::shared_ptr<const SchemeResult> resultOf(const std::string& scheme, const SchemeInput& input) {
    const auto result = applyScheme(parseScheme(scheme).value(), input);
    INFO((result ? std::string() : result.error().what));
    REQUIRE(result.has_value());
    return *result;
}

void checkSameRelative(const SchemeResult& plain, const SchemeResult& scaled, double factor) {
    CHECK_THAT(scaled.metrics.relativeFrobenius, WithinRel(plain.metrics.relativeFrobenius, 1e-6));
    CHECK_THAT(scaled.metrics.sqnrDb, WithinRel(plain.metrics.sqnrDb, 1e-6));
    CHECK_THAT(scaled.metrics.cosine, WithinRel(plain.metrics.cosine, 1e-6));
    CHECK_THAT(scaled.metrics.meanAbsError, WithinRel(factor * plain.metrics.meanAbsError, 1e-6));
    CHECK_THAT(scaled.metrics.maxAbsError, WithinRel(factor * plain.metrics.maxAbsError, 1e-6));
    REQUIRE(scaled.metrics.outputRelativeError.has_value());
    CHECK_THAT(*scaled.metrics.outputRelativeError,
               WithinRel(*plain.metrics.outputRelativeError, 1e-5));
    CHECK(scaled.zeros == plain.zeros);
    for (std::size_t row = 0; row < plain.rowMse.size(); ++row) {
        CHECK_THAT(scaled.rowMse[row], WithinRel(factor * factor * plain.rowMse[row], 1e-5));
    }
    for (std::size_t col = 0; col < plain.colMse.size(); ++col) {
        CHECK_THAT(scaled.colMse[col], WithinRel(factor * factor * plain.colMse[col], 1e-5));
    }
}

}  // namespace

TEST_CASE("weights times 2^80 or 2^-80 have the same relative errors") {
    const std::string scheme = GENERATE("absmax",
                                        "absmax:bits=4,per=row",
                                        "absmax:bits=4,group=48",
                                        "absmax:bits=4,per=column",
                                        "absmax:bits=12,per=row",
                                        "absmax:bits=4,group=32,clip=mse",
                                        "absmax:bits=4,per=row,clip=percentile",
                                        "zeropoint:bits=8",
                                        "zeropoint:bits=4,per=row",
                                        "zeropoint:bits=4,group=48",
                                        "cast:format=fp8_e4m3,scale=row",
                                        "cast:format=fp4_e2m1,scale=group,group=32",
                                        "nf4",
                                        "fp4",
                                        "codebook:bits=3",
                                        "codebook:bits=3,per=row",
                                        "binary",
                                        "ternary",
                                        "llm_int8",
                                        "smoothquant",
                                        "awq:group=32",
                                        "rotate+absmax:bits=4,per=row",
                                        "obs:sparsity=0.3",
                                        "gptq:bits=4,group=32",
                                        "sparsegpt:sparsity=0.5",
                                        "sparsegpt:pattern=2:4,bits=4",
                                        "magnitude",
                                        "wanda",
                                        "obd",
                                        "structured");
    const int exponent = GENERATE(-80, 80);
    if (scheme == "smoothquant" && exponent < 0) {
        return;  // takes weights below 1e-5 for 1e-5, by definition: other scales, other errors
    }
    CAPTURE(scheme, exponent);
    const double factor = std::ldexp(1.0, exponent);
    const auto plain = resultOf(scheme, inputOf(weightsTimes(1)));
    const auto scaled = resultOf(scheme, inputOf(weightsTimes(factor)));
    checkSameRelative(*plain, *scaled, factor);
}

TEST_CASE("some rows far from 1 among others: each column's and row's errors hold all of them") {
    const std::string scheme = GENERATE("absmax:bits=4,per=row", "zeropoint:bits=4,group=32");
    const int exponent = GENERATE(-80, 80);
    CAPTURE(scheme, exponent);
    std::vector<float> weights = weightsTimes(1);
    for (const std::size_t row : {0U, 5U, 6U, 69U}) {
        for (std::size_t i = row * kCols; i < (row + 1) * kCols; ++i) {
            weights[i] = std::ldexp(weights[i], exponent);
        }
    }
    const auto result = resultOf(scheme, inputOf(weights));
    std::vector<float> after(weights.size());
    REQUIRE(result->quantized->read(0, kRows, after.data()).has_value());
    std::vector<double> rows(kRows, 0.0);
    std::vector<double> cols(kCols, 0.0);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const double error = static_cast<double>(weights[i]) - static_cast<double>(after[i]);
        rows[i / kCols] += error * error / static_cast<double>(kCols);
        cols[i % kCols] += error * error / static_cast<double>(kRows);
    }
    for (std::size_t row = 0; row < rows.size(); ++row) {
        CHECK_THAT(result->rowMse[row], WithinRel(rows[row], 1e-5));
    }
    for (std::size_t col = 0; col < cols.size(); ++col) {
        CHECK_THAT(result->colMse[col], WithinRel(cols[col], 1e-5));
    }
}

TEST_CASE("error sums alone, as scans take them, of weights far from 1") {
    const double factor = GENERATE(0x1p-100, 0x1p-80, 0x1p80, 0x1p120);
    CAPTURE(factor);
    UniformSpec spec;
    spec.bits = 8;
    spec.per = ScalePer::Group;
    spec.group = 32;
    const auto sums = [&](double f) {
        return uniformErrorSums(makeRowSource(kRows, kCols, weightsTimes(f)), spec, {})
            .value()
            .metrics();
    };
    CHECK_THAT(sums(factor).relativeFrobenius, WithinRel(sums(1).relativeFrobenius, 1e-6));
}

TEST_CASE("one small weight beside nothing is no lossless matrix") {
    std::vector<float> weights(64, 0.0F);
    weights[0] = 1;
    weights[1] = 1e-30F;
    const auto result =
        resultOf("absmax:bits=4", {makeRowSource(1, 64, weights), 32, nullptr, 0, nullptr});
    CHECK_THAT(result->metrics.relativeFrobenius, WithinRel(1e-30, 1e-6));
    weights.assign(64, 0.0F);
    const auto zeros =
        resultOf("absmax:bits=4", {makeRowSource(1, 64, weights), 32, nullptr, 0, nullptr});
    CHECK(zeros->metrics.mse == 0);
}

TEST_CASE("output errors where products have no room in FP32") {
    const std::string scheme =
        GENERATE("absmax:bits=8,per=row", "absmax:bits=8,per=row,act_bits=8");
    const int exponent = GENERATE(-110, -60, 60, 110);
    CAPTURE(scheme, exponent);
    const double factor = std::ldexp(1.0, exponent);
    const auto plain = resultOf(scheme, inputOf(weightsTimes(1)));
    const auto scaled =
        resultOf(scheme, inputOf(weightsTimes(factor), std::ldexp(1.0, exponent > 0 ? 60 : -40)));
    CHECK_THAT(*scaled->metrics.outputRelativeError,
               WithinRel(*plain->metrics.outputRelativeError, 1e-5));
    for (std::size_t i = 0; i < plain->outputChannelError.size(); ++i) {
        CHECK_THAT(scaled->outputChannelError[i], WithinRel(plain->outputChannelError[i], 1e-3));
    }
}
