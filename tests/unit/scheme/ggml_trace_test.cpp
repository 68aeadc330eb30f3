// SPDX-License-Identifier: Apache-2.0
// ggml's blocks told state by state: the search that is shown is the one that made the block.
#include "core/base/rng.hpp"
#include "core/blocks/scale_search.hpp"
#include "core/experiment/trace_scheme.hpp"
#include "core/formats/codec.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

using namespace loupe;

namespace {

std::vector<float> normals(std::size_t count, std::uint64_t seed) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = static_cast<float>(0.05 * randomNormal(seed, i));
    }
    return values;
}

std::vector<std::byte> packed(const BlockLayout& layout, const std::vector<float>& values) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(layout.bytes) * values.size() /
                                 static_cast<std::size_t>(layout.elements));
    layout.pack(
        values.data(), static_cast<std::int64_t>(values.size()) / layout.elements, bytes.data());
    return bytes;
}

double inHalf(float value) {
    float rounded = 0;
    REQUIRE(roundTrip(*findFormat("fp16"), std::span(&value, 1), std::span(&rounded, 1)));
    return static_cast<double>(rounded);
}

/// What a named figure of one element's equation is.
double figure(const BlockElement& element, const std::string& name) {
    for (const BlockPart& part : element.parts) {
        if (part.name == name) {
            return part.value;
        }
    }
    FAIL("no part " << name);
    return 0;
}

std::vector<ScaleSearch> searches(const BlockLayout& layout,
                                  const std::vector<float>& values,
                                  std::size_t sharing) {
    std::vector<ScaleSearch> found;
    for (std::size_t at = 0; at < values.size(); at += sharing) {
        found.push_back(searchScale(layout, std::span(values).subspan(at, sharing)).value());
    }
    return found;
}

/// The last that was taken is the result, and none that was tried is better by more than `slack`.
void checkTrials(const ScaleSearch& search, double slack) {
    REQUIRE_FALSE(search.trials.empty());
    CHECK(search.trials.front().taken);
    const ScaleTrial* last = nullptr;
    double least = search.trials.front().error;
    for (const ScaleTrial& trial : search.trials) {
        last = trial.taken ? &trial : last;
        least = std::min(least, trial.error);
    }
    CHECK(last->scale == search.scale);
    CHECK(last->offset == search.offset);
    CHECK(last->error - least <= slack);
}

}  // namespace

TEST_CASE("a ggml block told: the scale that is shown is the one that the simple types store") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const std::vector<float> values = normals(32, seed);
        for (const char* id : {"q4_0", "q5_0", "q8_0", "q4_1", "q5_1"}) {
            CAPTURE(id, seed);
            const BlockLayout& layout = *findBlockLayout(id);
            const ScaleSearch search = searchScale(layout, values).value();
            const BlockElement element = layout.element(packed(layout, values).data(), 0);
            CHECK(figure(element, "d") == inHalf(static_cast<float>(search.scale)));
            CHECK(search.trials.empty());
            if (search.hasOffset) {
                CHECK(figure(element, "m") == inHalf(static_cast<float>(search.offset)));
            }
        }
    }
}

TEST_CASE("a ggml block told: the searches of the K types make the block's scales") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const std::vector<float> values = normals(256, seed);
        for (const char* id : {"q4_k", "q5_k", "q2_k"}) {
            CAPTURE(id, seed);
            const BlockLayout& layout = *findBlockLayout(id);
            const bool isTwoBits = layout.codeBits == 2;
            const std::size_t sharing = isTwoBits ? 16 : 32;
            const float steps = isTwoBits ? 15.0F : 63.0F;
            const std::vector<ScaleSearch> parts = searches(layout, values, sharing);
            const std::vector<std::byte> block = packed(layout, values);
            float mostScale = 0;
            float mostMinimum = 0;
            for (const ScaleSearch& part : parts) {
                checkTrials(part, 0);  // the errors themselves are compared
                mostScale = std::max(mostScale, static_cast<float>(part.scale));
                mostMinimum = std::max(mostMinimum, -static_cast<float>(part.offset));
            }
            const BlockElement first = layout.element(block.data(), 0);
            CHECK(figure(first, "d") == inHalf(mostScale / steps));
            CHECK(figure(first, "dmin") == inHalf(mostMinimum / steps));
            for (std::size_t j = 0; j < parts.size(); ++j) {
                const BlockElement element =
                    layout.element(block.data(), static_cast<int>(j * sharing));
                const float perScale = steps / mostScale;
                CHECK(figure(element, "sc " + std::to_string(j)) ==
                      static_cast<double>(
                          std::nearbyint(perScale * static_cast<float>(parts[j].scale))));
            }
        }
        const BlockLayout& six = *findBlockLayout("q6_k");
        const std::vector<ScaleSearch> parts = searches(six, values, 16);
        double most = 0;
        for (std::size_t j = 0; j < parts.size(); ++j) {
            const ScaleSearch& part = parts[j];
            double fourthPowers = 0;
            for (std::size_t i = 16 * j; i < 16 * j + 16; ++i) {
                fourthPowers += std::pow(static_cast<double>(values[i]), 4);
            }
            // Sums of 16 products in FP32 are compared, of which the error is what is left.
            checkTrials(part, 32 * 0x1p-24 * fourthPowers);
            most = std::fabs(part.scale) > std::fabs(most) ? part.scale : most;
        }
        const float perScale = -128.0F / static_cast<float>(most);
        CHECK(figure(six.element(packed(six, values).data(), 0), "d") == inHalf(1.0F / perScale));
    }
    CHECK_FALSE(searchScale(*findBlockLayout("iq4_nl"), std::vector<float>(32, 1.0F)));
}

TEST_CASE("ggml told: every type ends with the very values of its blocks") {
    constexpr std::int64_t kRows = 2;
    constexpr std::int64_t kCols = 512;
    const std::vector<float> values = normals(kRows * kCols, 5);
    const SchemeInput input{makeRowSource(kRows, kCols, values), 32, nullptr, 0, nullptr};
    for (const std::string_view type : findStep("ggml")->params[0].choices) {
        CAPTURE(type);
        const Scheme scheme = parseScheme("ggml:type=" + std::string(type)).value();
        const std::shared_ptr<const Trace> trace = traceScheme(scheme, input).value();
        const BlockLayout& layout = *findBlockLayout(type);
        const std::vector<std::byte> blocks = packed(layout, values);
        std::vector<float> decoded(values.size());
        layout.unpack(blocks.data(), kRows * kCols / layout.elements, decoded.data());
        const bool same = std::equal(
            decoded.begin(), decoded.end(), trace->result->data(), [](float a, double b) {
                return static_cast<double>(a) == b;
            });
        CHECK(same);
        const bool searched =
            searchScale(layout, std::span(values).first(type == "q2_k" || type == "q6_k" ? 16 : 32))
                .has_value();
        // Weights, twelve states of scales, stored scales, codes, result.
        CHECK(trace->states.size() == (searched ? 16U : 4U));
        const bool tries = searched && layout.elements == 256;
        CHECK(trace->curves.size() == (tries ? 1U : 0U));
        CHECK(trace->states[1].marker.has_value() == tries);
    }
}

TEST_CASE("ggml told: blocks that do not fit and weights that are not finite are refused") {
    const Scheme scheme = parseScheme("ggml:type=q4_k").value();
    const SchemeInput narrow{makeRowSource(1, 64, normals(64, 1)), 32, nullptr, 0, nullptr};
    CHECK(traceScheme(scheme, narrow).error().what.find("256") != std::string::npos);
    std::vector<float> values = normals(256, 1);
    values[3] = std::nanf("");
    const SchemeInput broken{makeRowSource(1, 256, values), 32, nullptr, 0, nullptr};
    CHECK_FALSE(traceScheme(scheme, broken));
}
