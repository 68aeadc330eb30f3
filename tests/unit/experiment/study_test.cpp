// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/trace_scheme.hpp"
#include "core/io/fixtures.hpp"
#include "core/study/methods.hpp"
#include "core/study/slice.hpp"
#include "tests/support/catch.hpp"

#include <numeric>
#include <set>

using namespace loupe;

TEST_CASE("every method's preset is canonical, and its sources can be opened") {
    std::set<std::string_view> ids;
    REQUIRE_FALSE(playableMethods().empty());
    for (const Method& method : playableMethods()) {
        CAPTURE(std::string(method.id));
        CHECK(ids.insert(method.id).second);
        CHECK(parseScheme(method.scheme).has_value());
        CHECK(findStep(parseScheme(method.scheme)->steps.back().name)->trace != nullptr);
        CHECK(method.question.back() == '?');
        CHECK(findMethod(method.id) == &method);
        const std::vector<std::string> sources = sourcesFor(method);
        REQUIRE_FALSE(sources.empty());
        CHECK(sources.front() == method.source);
        for (const std::string& source : sources) {
            CAPTURE(source);
            const Result<SchemeInput> layer = layerOf(source);
            REQUIRE(layer.has_value());
            CHECK(layer->weights->rows() * layer->weights->cols() <= kMostTracedWeights);
        }
        // Where a method begins, it can be played.
        const auto trace =
            traceScheme(parseScheme(method.scheme).value(), layerOf(sources.front()).value());
        if (!trace) {
            CAPTURE(trace.error().message());
            CHECK(trace.has_value());
        }
    }
    CHECK(findMethod("no such method") == nullptr);
}

TEST_CASE("a scheme finds the method that tells its last step") {
    const auto idOf = [](const char* text) {
        const Method* method = methodFor(parseScheme(text).value());
        return method != nullptr ? std::string(method->id) : std::string();
    };
    for (const Method& method : playableMethods()) {
        const Method* found = methodFor(parseScheme(method.scheme).value());
        REQUIRE(found != nullptr);
        if (method.id != "zeropoint4") {
            CHECK(found->id == method.id);
        }
    }
    CHECK(idOf("absmax:bits=4,group=128") == "absmax");
    CHECK(idOf("absmax:bits=4,clip=entropy") == "clipping");
    CHECK(idOf("magnitude:sparsity=0.5+absmax:bits=4") == "absmax");
    CHECK(idOf("magnitude:sparsity=0.9") == "magnitude");
    CHECK(idOf("smoothquant+gptq:bits=3,group=32") == "gptq");
    CHECK(methodFor({}) == nullptr);
}

TEST_CASE("a slice lies within its matrix and has no more weights than can be told") {
    CHECK(fitted({-5, 900, 10, 20}, 100, 200) == Slice{0, 180, 10, 20});
    CHECK(fitted({0, 0, 5000, 5000}, 5000, 5000) == Slice{0, 0, 1, 4096});
    CHECK(fitted({3, 3, 64, 128}, 64, 64) == Slice{0, 0, 64, 64});
    CHECK(fitted({0, 0, 0, 0}, 7, 7) == Slice{0, 0, 1, 1});
    CHECK(sliceAround(50, 300, 100, 600, 128) == Slice{34, 128, 32, 128});  // whole groups
    CHECK(sliceAround(50, 599, 100, 600, 16) == Slice{34, 528, 32, 64});
    CHECK(sliceAround(50, 100, 100, 200, 1024) == Slice{34, 68, 32, 64});
    CHECK(sliceAround(20, 30, 40, 50) == Slice{0, 0, 40, 50});  // all of it can be told
    CHECK(sliceAround(50, 100, 100, 200) == Slice{34, 68, 32, 64});
    CHECK(sliceAround(0, 199, 100, 200) == Slice{0, 136, 32, 64});
    CHECK(sliceAround(0, 0, 1, 7) == Slice{0, 0, 1, 7});
}

TEST_CASE("a slice holds the layer's own weights, and the activations of its columns") {
    std::vector<float> weights(40 * 50);
    std::iota(weights.begin(), weights.end(), 0.0F);
    std::vector<float> inputs(3000 * 50);
    std::iota(inputs.begin(), inputs.end(), 0.5F);
    SchemeInput layer;
    layer.weights = makeRowSource(40, 50, weights);
    layer.activations = makeRowSource(3000, 50, inputs);
    const SchemeInput part = sliceOf(layer, {21, 30, 18, 20}).value();
    REQUIRE(part.weights->rows() == 18);
    REQUIRE(part.weights->cols() == 20);
    const Matrix<double> read = readWhole(*part.weights).value();
    CHECK(read(0, 0) == 21 * 50 + 30);
    CHECK(read(17, 19) == 38 * 50 + 49);
    CHECK(part.activations->cols() == 20);
    CHECK(part.activations->rows() == 3000);  // 60,000 values fit
    const Matrix<double> tokens = readWhole(*part.activations).value();
    CHECK(tokens(0, 0) == 30.5);
    CHECK(tokens(2, 19) == 2 * 50 + 49.5);
    const SchemeInput wide = sliceOf(layer, {0, 0, 10, 50}).value();
    CHECK(wide.activations->rows() == kMostTracedActivations / 50);
    // The whole of a small layer is passed on as it is.
    const SchemeInput all = sliceOf(layer, {0, 0, 40, 50}).value();
    CHECK(all.weights == layer.weights);
}
