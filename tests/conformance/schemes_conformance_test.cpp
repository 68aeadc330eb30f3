// SPDX-License-Identifier: Apache-2.0
// What every step of a scheme keeps, run over the registry: a new step needs no line here.
#include "core/base/cpu_dispatch.hpp"
#include "core/base/rng.hpp"
#include "core/experiment/pipeline.hpp"
#include "core/formats/codec.hpp"
#include "core/quant/codebook.hpp"
#include "core/quant/uniform.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

using namespace loupe;
using Catch::Matchers::WithinAbs;

namespace {

std::vector<float> heavyTailed(std::size_t count, std::uint64_t seed) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = static_cast<float>(0.05 * randomStudentT(seed, i, 4));
    }
    return values;
}

/// Each step alone, and with each value of each of its choices, flags and a few numbers, where the
/// parser takes it.
std::vector<std::string> variants() {
    std::vector<std::string> texts;
    for (const StepDefinition* definition : allSteps()) {
        // Canonical: `group` is written even at its default.
        texts.push_back(toString(Scheme{{Step{std::string(definition->id), {}}}}));
        for (const ParamSpec& spec : definition->params) {
            std::vector<std::string> values(spec.choices.begin(), spec.choices.end());
            if (spec.type == ParamType::Integer) {
                values = {"3", "5"};
            } else if (spec.type == ParamType::Flag) {
                values = {"true", "false"};
            } else if (spec.type == ParamType::Bound || spec.type == ParamType::Real) {
                values = {"0.1", "75"};
            }
            for (const std::string& value : values) {
                const Result<Step> step =
                    withValue(Step{std::string(definition->id), {}}, spec.name, value);
                if (step) {
                    texts.push_back(toString(Scheme{{*step}}));
                }
            }
        }
    }
    return texts;
}

struct Run {
    std::shared_ptr<const SchemeResult> result;
    std::vector<float> values;
};

/// Empty where the step refuses the data for a reason of its own (entropy on few values, e8m0 of
/// negatives, ...).
std::optional<Run> tryRun(const std::string& scheme,
                          std::int64_t rows,
                          std::int64_t cols,
                          const std::vector<float>& weights) {
    const auto source = makeRowSource(rows, cols, weights);
    const auto activations =
        makeRowSource(8, cols, heavyTailed(static_cast<std::size_t>(8 * cols), 99));
    const auto gradients =
        makeRowSource(rows, cols, heavyTailed(static_cast<std::size_t>(rows * cols), 98));
    auto result = applyScheme(parseScheme(scheme).value(), {source, 32, activations, 0, gradients});
    if (!result) {
        CHECK(result.error().code == ErrorCode::Invalid);
        return std::nullopt;
    }
    Run run{*result, std::vector<float>(weights.size())};
    REQUIRE(run.result->quantized->read(0, rows, run.values.data()).has_value());
    return run;
}

}  // namespace

TEST_CASE("every variant: canonical round trip, title, codes in range, bits counted") {
    const std::vector<float> weights = heavyTailed(16 * 40, 1);
    for (const std::string& text : variants()) {
        CAPTURE(text);
        const Scheme scheme = parseScheme(text).value();
        CHECK(toString(scheme) == text);
        CHECK_FALSE(title(scheme).empty());
        const std::optional<Run> run = tryRun(text, 16, 40, weights);
        if (!run) {
            continue;
        }
        const QuantizedMatrix& matrix = *run->result->quantized;
        if (matrix.hasCodes()) {
            std::vector<std::int32_t> codes(weights.size());
            REQUIRE(matrix.codes(0, 16, codes.data()).has_value());
            const auto [low, high] = matrix.codeRange();
            for (const std::int32_t code : codes) {
                REQUIRE(code >= low);
                REQUIRE(code <= high);
            }
            const bool gap =
                text.find("binary") != std::string::npos;  // -1 and +1, nothing between
            CHECK(high - low < (std::int64_t{1} << matrix.codeBits()) + (gap ? 1 : 0));
            double bits = 640.0 * matrix.codeBits();
            bits += matrix.scales() != nullptr
                        ? 16.0 * static_cast<double>(matrix.scales()->values.size())
                        : 0;
            bits +=
                matrix.zeroPoints() != nullptr
                    ? matrix.codeBits() * static_cast<double>(matrix.zeroPoints()->values.size())
                    : 0;
            if (matrix.hasMask()) {  // codes of kept weights, and a bit for each
                std::vector<std::uint8_t> kept(640);
                REQUIRE(matrix.mask(0, 16, kept.data()).has_value());
                const auto gone = std::count(kept.begin(), kept.end(), 0);
                bits += 640.0 - matrix.codeBits() * static_cast<double>(gone);
            }
            // The order of the inputs is stored: 32 bits for each.
            bits += text.find("act_order=true") != std::string::npos ? 32.0 * 40 : 0;
            // A ternary weight carries log2 3 bits though its code has two.
            const bool fractional = text.find("ternary") != std::string::npos;
            // nf4 and fp4 keep FP32 scales: 4 + 32/64, or double-quantized ones (spec 5.6).
            const bool blockwise = text.rfind("nf4", 0) == 0 || text.rfind("fp4", 0) == 0;
            if (blockwise && matrix.scales() != nullptr) {
                bits = text.find("double=true") != std::string::npos
                           ? 640.0 * (4 + 8.0 / 64 + 32.0 / (64 * 256))
                           : bits + 16.0 * static_cast<double>(matrix.scales()->values.size());
            }
            if (matrix.zeroPointsAreReal()) {  // 16 for a zero point, in place of a code's width
                bits += (16.0 - matrix.codeBits()) *
                        static_cast<double>(matrix.zeroPoints()->values.size());
            }
            if (const CodebookMatrix* codebook = findCodebook(matrix)) {
                bits += 16.0 * static_cast<double>(codebook->centroids().size());
            }
            if (text.rfind("cast:format=mx", 0) == 0 || text == "cast:format=nvfp4") {
                // A scale of 8 bits for each block of a row, NVFP4's 32 for the tensor.
                const bool nv = text == "cast:format=nvfp4";
                bits = 640.0 * matrix.codeBits() + 16 * (nv ? 3 : 2) * 8.0 + (nv ? 32 : 0);
            }
            // Outlier inputs keep 16-bit weights.
            const bool mixed = text.rfind("llm_int8:threshold", 0) == 0;
            CHECK_THAT(mixed ? bits / 640 : run->result->bitsPerWeight,
                       WithinAbs(bits / 640, fractional ? 0.42 : 1e-12));
        }
        CHECK_FALSE(matrix.explain(3, 7).empty());
        const auto [first, end] = matrix.groupColumns(3, 7);
        CHECK((first <= 7 && 7 < end && end <= 40));
    }
}

TEST_CASE("every variant: scaling by a power of two scales the result") {
    const std::vector<float> weights = heavyTailed(12 * 30, 2);
    std::vector<float> doubled = weights;
    for (float& x : doubled) {
        x *= 8;
    }
    for (const std::string& text : variants()) {
        // A fixed bound is not relative to the data, nor is a format without a scale that leaves
        // its range.
        // SmoothQuant's s follows max|W|^(alpha-1), so that its grid scales by 8^alpha / 8: not
        // exact.
        // HQQ's shrinkage judges errors by their absolute size.
        if (text.find("clip_value") != std::string::npos || text.rfind("smoothquant", 0) == 0 ||
            text.rfind("hqq", 0) == 0 ||
            (text.rfind("cast", 0) == 0 && text.find("scale=") == std::string::npos &&
             text.find("group=") == std::string::npos)) {
            continue;
        }
        CAPTURE(text);
        const std::optional<Run> one = tryRun(text, 12, 30, weights);
        const std::optional<Run> eight = tryRun(text, 12, 30, doubled);
        REQUIRE(one.has_value() == eight.has_value());
        // A scale that maps weights onto a range as wide as FP32's own is subnormal, and has few
        // bits.
        const ScaleGrid* scales = one ? one->result->quantized->scales() : nullptr;
        if (one && (scales == nullptr || scales->values[0] >= 0x1p-126)) {
            for (std::size_t i = 0; i < weights.size(); ++i) {
                REQUIRE(eight->values[i] == 8 * one->values[i]);
            }
        }
    }
}

TEST_CASE("uniform steps: half a step inside the bounds, and idempotent on their own grid") {
    const std::vector<float> weights = heavyTailed(16 * 48, 3);
    for (const std::string& text : variants()) {
        const std::optional<Run> run = tryRun(text, 16, 48, weights);
        const auto* matrix =
            run ? dynamic_cast<const UniformMatrix*>(run->result->quantized.get()) : nullptr;
        if (matrix == nullptr) {
            continue;
        }
        CAPTURE(text);
        const bool stochastic = matrix->spec().stochastic;
        const ScaleGrid& scales = *matrix->scales();
        for (std::size_t i = 0; i < weights.size(); ++i) {
            const auto row = static_cast<std::int64_t>(i) / 48;
            const auto col = static_cast<std::int64_t>(i) % 48;
            const std::int64_t r = scales.rows == 1 ? 0 : row;
            const std::int64_t c = scales.cols == 1 ? 0 : col / scales.colsPerEntry;
            const double scale = scales.values[static_cast<std::size_t>(r * scales.cols + c)];
            const double zero =
                matrix->zeroPoints() != nullptr
                    ? matrix->zeroPoints()->values[static_cast<std::size_t>(r * scales.cols + c)]
                    : 0;
            const double w = static_cast<double>(weights[i]);
            const double value = static_cast<double>(run->values[i]);
            const auto [low, high] = matrix->codeRange();
            const bool inside = w >= scale * (static_cast<double>(low) - zero) &&
                                w <= scale * (static_cast<double>(high) - zero);
            if (inside) {
                REQUIRE(std::fabs(w - value) <=
                        scale * (stochastic ? 1 : 0.5) * (1 + 1e-5) + 1e-30);
            }
            if (!stochastic) {  // the value's code on the same grid is the value's own code
                const auto code = codeOf<float>(matrix->spec(),
                                                static_cast<float>(scale),
                                                static_cast<std::int64_t>(zero),
                                                run->values[i]);
                REQUIRE(static_cast<float>(scale) *
                            static_cast<float>(code - static_cast<std::int64_t>(zero)) ==
                        run->values[i]);
            }
        }
    }
}

TEST_CASE("clip=mse is never worse than absmax") {
    for (const std::uint64_t seed : {4U, 5U, 6U}) {
        const std::vector<float> weights = heavyTailed(8 * 64, seed);
        for (const char* base : {"absmax:bits=2",
                                 "absmax:bits=4,per=row",
                                 "zeropoint:bits=3,group=32",
                                 "absmax:bits=8,per=column"}) {
            CAPTURE(base);
            const std::string searched =
                std::string(base) +
                (std::string(base).find("group") != std::string::npos ? ",clip=mse" : ",clip=mse");
            CHECK(tryRun(searched, 8, 64, weights)->result->metrics.mse <=
                  tryRun(base, 8, 64, weights)->result->metrics.mse);
        }
    }
}

TEST_CASE("every step refuses NaN and infinite weights and names them") {
    for (const StepDefinition* definition : allSteps()) {
        for (const float bad : {std::nanf(""), INFINITY, -INFINITY}) {
            CAPTURE(definition->id, bad);
            constexpr std::int64_t kCols = 32;  // a whole block of ggml's
            constexpr std::size_t kWidth = 32;
            std::vector<float> weights = heavyTailed(6 * kWidth, 7);
            weights[3 * kWidth + 11] = bad;
            const auto result =
                applyScheme(parseScheme(definition->id).value(),
                            {makeRowSource(6, kCols, weights),
                             32,
                             makeRowSource(8, kCols, heavyTailed(8 * kWidth, 99)),
                             0,
                             makeRowSource(6, kCols, heavyTailed(6 * kWidth, 98))});
            REQUIRE_FALSE(result.has_value());
            CHECK(result.error().code == ErrorCode::Invalid);
            CHECK(result.error().what.find("row 3, column 11") != std::string::npos);
        }
    }
}

TEST_CASE("kernels of every instruction set give the codes and values of the definition") {
    // Every multiple of a quarter around the codes is in: exact ties too, where a product in place
    // of the quotient would slip.
    std::vector<float> weights;
    for (int i = -1200; i <= 1200; ++i) {
        weights.push_back(static_cast<float>(i) * 0.25F * 0.3F);
    }
    const std::vector<float> random = heavyTailed(40000 - weights.size(), 8);
    weights.insert(weights.end(), random.begin(), random.end());
    const CpuTarget before = cpuTarget();
    for (const char* text : {"absmax",
                             "absmax:per=row",
                             "absmax:bits=4,group=32",
                             "absmax:bits=5,group=7",
                             "zeropoint:bits=4,group=50",
                             "zeropoint:per=row,percentile=99",
                             "absmax:bits=12,per=row",
                             "absmax:bits=16",
                             "absmax:bits=4,range=power",
                             "zeropoint:bits=4,force_zero=false,per=row",
                             "absmax:clip_value=0.2,group=64"}) {
        CAPTURE(text);
        for (const CpuTarget target : availableCpuTargets()) {
            CAPTURE(cpuTargetName(target));
            setCpuTarget(target);
            const std::optional<Run> run = tryRun(text, 40, 1000, weights);
            setCpuTarget(before);
            REQUIRE(run.has_value());
            const auto& matrix = dynamic_cast<const UniformMatrix&>(*run->result->quantized);
            std::vector<std::int32_t> codes(weights.size());
            REQUIRE(matrix.codes(0, 40, codes.data()).has_value());
            std::map<std::int64_t, std::uint64_t> usage;
            const ScaleGrid& scales = *matrix.scales();
            for (std::size_t i = 0; i < weights.size(); ++i) {
                const auto row = static_cast<std::int64_t>(i) / 1000;
                const auto col = static_cast<std::int64_t>(i) % 1000;
                const auto index =
                    static_cast<std::size_t>((scales.rows == 1 ? 0 : row) * scales.cols +
                                             (scales.cols == 1 ? 0 : col / scales.colsPerEntry));
                const auto zero =
                    matrix.zeroPoints() != nullptr
                        ? static_cast<std::int64_t>(matrix.zeroPoints()->values[index])
                        : 0;
                const auto code = codeOf<float>(
                    matrix.spec(), static_cast<float>(scales.values[index]), zero, weights[i]);
                REQUIRE(codes[i] == code);
                REQUIRE(run->values[i] ==
                        static_cast<float>(scales.values[index]) * static_cast<float>(code - zero));
                ++usage[code];
            }
            // Code usage comes from the kernels, codes() from the plain loop.
            CHECK(run->result->codeUsage ==
                  std::vector<std::pair<std::int64_t, std::uint64_t>>(usage.begin(), usage.end()));
        }
    }
}

TEST_CASE("cast equals the scalar codec for every format, rounding and overflow") {
    std::vector<float> weights = heavyTailed(300, 9);
    weights[0] = 1e30F;
    weights[1] = -1e30F;
    weights[2] = 1e-42F;
    weights[3] = 0.0F;
    weights[4] = -0.0F;
    const auto source = makeRowSource(3, 100, weights);
    for (const NumberFormat* format : allFormats()) {
        for (const char* rounding : {"nearest", "away", "zero", "stochastic"}) {
            for (const char* overflow : {"", "special", "saturate"}) {
                Step step{"cast",
                          {{"format", std::string(format->id)},
                           {"rounding", rounding},
                           {"overflow", overflow}}};
                const StepDefinition* definition = findStep("cast");
                StepInput input;
                input.weights = source;
                const Result<StepOutput> output =
                    definition->apply(input, Params(definition->params, step), {});
                REQUIRE(output.has_value());
                CAPTURE(format->id, rounding, overflow);
                std::vector<float> values(weights.size());
                const Result<void> done = output->weights->read(0, 3, values.data());
                EncodeOptions options{parseOverflow(overflow).value_or(Overflow::Default),
                                      parseRounding(rounding).value(),
                                      0,
                                      0};
                bool refused = false;
                for (std::size_t i = 0; i < weights.size(); ++i) {
                    options.index = i;
                    const Result<std::uint64_t> code =
                        encode(*format, static_cast<double>(weights[i]), options);
                    if (!code) {
                        refused = true;
                        break;
                    }
                    if (done) {
                        const auto expected = static_cast<float>(decode(*format, *code));
                        REQUIRE((expected == values[i] ||
                                 (std::isnan(expected) && std::isnan(values[i]))));
                        REQUIRE(std::signbit(expected) == std::signbit(values[i]));
                    }
                }
                CHECK(refused == !done.has_value());
            }
        }
    }
}

TEST_CASE("the help page lists exactly the keys of each step's table") {
    std::ifstream file(test::sourceDir() / "resources" / "help" / "schemes.md");
    REQUIRE(file.good());
    std::map<std::string, std::vector<std::string>> keys;
    std::string section;
    for (std::string line; std::getline(file, line);) {
        if (line.rfind("## ", 0) == 0) {
            section = line.substr(3);
            keys[section];
        } else if (line.rfind("| `", 0) == 0) {
            keys[section].push_back(line.substr(3, line.find('`', 3) - 3));
        }
    }
    for (const auto& [name, listed] : keys) {
        CAPTURE(name);
        CHECK(findStep(name) != nullptr);
    }
    for (const StepDefinition* definition : allSteps()) {
        CAPTURE(definition->id);
        if (keys.count(std::string(definition->id)) == 0) {
            WARN("schemes.md says nothing of this step yet; 'loupe schemes' does");
            continue;
        }
        std::vector<std::string> expected;
        for (const ParamSpec& spec : definition->params) {
            expected.emplace_back(spec.name);
        }
        CHECK(keys[std::string(definition->id)] == expected);
    }
}
