// SPDX-License-Identifier: Apache-2.0
#include "core/base/rng.hpp"
#include "core/scheme/scheme.hpp"
#include "core/scheme/step.hpp"
#include "tests/support/catch.hpp"

using namespace loupe;

namespace {

std::string canonical(std::string_view text) {
    const Result<Scheme> scheme = parseScheme(text);
    return scheme ? toString(*scheme) : "error: " + scheme.error().what;
}

Error usageOf(std::string_view text) {
    const Result<Scheme> scheme = parseScheme(text);
    REQUIRE_FALSE(scheme.has_value());
    CHECK(scheme.error().code == ErrorCode::Usage);
    return scheme.error();
}

bool mentions(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("canonical strings: table order, no defaults, no implied keys, group always written") {
    const std::pair<const char*, const char*> cases[] = {
        {"absmax", "absmax"},
        {"absmax:bits=8", "absmax"},
        {"absmax:bits=04", "absmax:bits=4"},
        {"absmax:group=128,bits=4", "absmax:bits=4,group=128"},
        {"absmax:per=group", "absmax:group=128"},
        {"absmax:per=group,group=64", "absmax:group=64"},
        {"absmax:per=tensor", "absmax"},
        {"absmax:seed=7,rounding=stochastic", "absmax:rounding=stochastic,seed=7"},
        {"absmax:clip_value=5", "absmax:clip_value=5"},
        {"absmax:clip=value,clip_value=5.0", "absmax:clip_value=5"},
        {"absmax:percentile=99", "absmax:percentile=99"},
        {"absmax:percentile=99.9", "absmax:clip=percentile"},
        {"absmax:clip=percentile", "absmax:clip=percentile"},
        {"absmax:clip=mse,range=power", "absmax:clip=mse,range=power"},
        {"absmax:act_per=token,act_bits=8,per=row", "absmax:per=row,act_bits=8"},
        {"absmax:act_range=max,act_per=tensor,act_bits=8",
         "absmax:act_bits=8,act_per=tensor,act_range=max"},
        {"zeropoint:range=full", "zeropoint"},
        {"zeropoint:range=restricted,force_zero=false",
         "zeropoint:range=restricted,force_zero=false"},
        {"zeropoint:clip_value=-7.590..10.8", "zeropoint:clip_value=-7.59..10.8"},
        {"zeropoint:clip_value=1e20", "zeropoint:clip_value=1e20"},
        {"cast", "cast"},
        {"cast:format=bf16", "cast"},
        {"cast:format=int4,group=32", "cast:format=int4,group=32"},
        {"cast:format=int4,scale=group", "cast:format=int4,group=128"},
        {"cast:format=fp8_e4m3,scale=row,overflow=saturate",
         "cast:format=fp8_e4m3,scale=row,overflow=saturate"},
        {"cast:format=fp16+absmax:bits=4,group=128", "cast:format=fp16+absmax:bits=4,group=128"},
    };
    for (const auto& [given, expected] : cases) {
        CAPTURE(given);
        CHECK(canonical(given) == expected);
        CHECK(canonical(expected) == expected);
        CHECK(parseScheme(given).value() == parseScheme(expected).value());
    }
}

TEST_CASE("wrong schemes name the step and the key") {
    CHECK(mentions(usageOf("absmx").hint, "absmax"));
    CHECK(mentions(usageOf("absmx").what, "'absmx'"));
    CHECK(mentions(usageOf("absmax:bit=4").hint, "bits"));
    CHECK(mentions(usageOf("absmax:bit=4").what, "step 'absmax': unknown key 'bit'"));
    CHECK(mentions(usageOf("absmax:bits=4,bits=4").what, "'bits' is given twice"));
    CHECK(mentions(usageOf("absmax:bits=1").what, "'bits' takes 2 to 16, not '1'"));
    CHECK(mentions(usageOf("absmax:bits=17").what, "'17'"));
    CHECK(mentions(usageOf("absmax:bits=4.5").what, "'4.5'"));
    CHECK(mentions(usageOf("absmax:per=rows").hint, "row"));
    CHECK(mentions(usageOf("absmax:per=row,group=64").what, "'group' has no effect with per=row"));
    CHECK(mentions(usageOf("absmax:clip=mse,clip_value=5").what, "clip_value"));
    CHECK(mentions(usageOf("absmax:percentile=99,clip_value=5").what, "no effect"));
    CHECK(mentions(usageOf("absmax:clip=value").what, "clip_value"));
    CHECK(mentions(usageOf("absmax:seed=1").what,
                   "'seed' has no effect without rounding=stochastic"));
    CHECK(mentions(usageOf("absmax:act_per=tensor").what, "act_per"));
    CHECK(mentions(usageOf("absmax:act_bits=8,act_range=max").what, "act_range"));
    CHECK(mentions(usageOf("absmax:clip_value=-1").what, "positive"));
    CHECK(mentions(usageOf("absmax:clip_value=-1..1").what, "clip_value"));
    CHECK(mentions(usageOf("zeropoint:clip_value=2..1").what, "LOW..HIGH"));
    CHECK(mentions(usageOf("zeropoint:range=power").what, "range"));
    CHECK(mentions(usageOf("cast:format=bf17").hint, "bf16"));
    CHECK(mentions(usageOf("cast:format=").what, "format"));
    CHECK(mentions(usageOf("absmax:percentile=100.1").what, "percentile"));
    for (const char* text : {"",
                             "+",
                             "absmax+",
                             "+absmax",
                             "absmax:",
                             "absmax:bits",
                             "absmax:=4",
                             "absmax:bits=4,",
                             "absmax:bits==4",
                             "Absmax",
                             " absmax",
                             "absmax:bits= 4",
                             "absmax:percentile=nan",
                             "absmax:group=0",
                             ":bits=4"}) {
        CAPTURE(text);
        (void)usageOf(text);
    }
}

TEST_CASE("parse(toString(x)) == x for random settings made through withValue") {
    std::uint64_t draw = 0;
    const auto pick = [&draw](std::size_t count) {
        return static_cast<std::size_t>(randomBits(1, draw++) % count);
    };
    for (const StepDefinition* definition : allSteps()) {
        for (int trial = 0; trial < 300 && !definition->params.empty(); ++trial) {
            Step step{std::string(definition->id), {}};
            for (int change = 0; change < 6; ++change) {
                const ParamSpec& spec = definition->params[pick(definition->params.size())];
                std::string value;
                if (!spec.choices.empty()) {
                    value = std::string(spec.choices[pick(spec.choices.size())]);
                } else if (spec.type == ParamType::Flag) {
                    value = pick(2) == 0 ? "true" : "false";
                } else if (spec.type == ParamType::Integer) {
                    value = std::to_string(static_cast<std::int64_t>(spec.min) +
                                           static_cast<std::int64_t>(pick(15)));
                } else {
                    value = std::to_string(pick(100) + 1) + ".25";
                    value = spec.type == ParamType::Real && value.size() > 5 ? "50.5" : value;
                }
                const Result<Step> changed =
                    withValue(step, spec.name, pick(5) == 0 ? std::string() : value);
                if (changed) {
                    step = *changed;
                }
            }
            const std::string text = toString(Scheme{{step}});
            CAPTURE(text);
            const Result<Scheme> parsed = parseScheme(text);
            REQUIRE(parsed.has_value());
            REQUIRE(parsed->steps == std::vector<Step>{step});
        }
    }
}

TEST_CASE("withValue applies implications and drops what lost its effect") {
    const auto set = [](const char* scheme, const char* key, const char* value) {
        const Result<Step> step = withValue(parseScheme(scheme).value().steps[0], key, value);
        return step ? toString(Scheme{{*step}}) : "error: " + step.error().what;
    };
    CHECK(set("absmax", "group", "64") == "absmax:group=64");
    CHECK(set("absmax:group=64", "per", "row") == "absmax:per=row");
    CHECK(set("absmax:group=64", "per", "") == "absmax");
    CHECK(set("absmax", "clip", "value") == "absmax:clip_value=1");
    CHECK(set("absmax:clip_value=5", "percentile", "99") == "absmax:percentile=99");
    CHECK(set("absmax:act_bits=8,act_per=tensor,act_range=mse", "act_bits", "") == "absmax");
    CHECK(set("absmax:act_bits=8,act_per=tensor,act_range=mse", "act_per", "token") ==
          "absmax:act_bits=8");
    CHECK(mentions(set("absmax", "seed", "1"), "no effect"));
    CHECK(mentions(set("absmax", "bits", "99"), "2 to 16"));
    CHECK(mentions(set("absmax", "nonsense", "1"), "unknown key"));
}

TEST_CASE("titles for people") {
    const auto titleOf = [](const char* text) { return title(parseScheme(text).value()); };
    CHECK(titleOf("absmax:bits=4,group=128") == "Absmax int4, group 128");
    CHECK(titleOf("zeropoint:per=row") == "Zero-point int8, per row");
    CHECK(titleOf("cast") == "BF16");
    CHECK(titleOf("absmax:clip=mse") == "Absmax int8, per tensor, clip mse");
    CHECK(titleOf("cast:format=fp16+absmax:per=row,act_bits=8") ==
          "FP16 + Absmax int8, per row, activations int8 per token");
    CHECK(title(Scheme{}) == "Unchanged");
}

TEST_CASE("every parameter has what a form and the help need") {
    for (const StepDefinition* definition : allSteps()) {
        CAPTURE(definition->id);
        CHECK_FALSE(definition->title.empty());
        CHECK_FALSE(definition->summary.empty());
        CHECK_FALSE(definition->source.empty());
        CHECK(definition->apply != nullptr);
        for (const ParamSpec& spec : definition->params) {
            CAPTURE(spec.name);
            CHECK_FALSE(spec.label.empty());
            CHECK(spec.help.size() > 20);
            CHECK(spec.help.back() == '.');
            if (!spec.defaultText.empty()) {
                CHECK(canonicalValue(*definition, spec, spec.defaultText).value() ==
                      spec.defaultText);
            }
        }
        CHECK(findStep(definition->id) == definition);
        CHECK(parseScheme(definition->id).has_value());
    }
    CHECK(findStep("nonsense") == nullptr);
}
