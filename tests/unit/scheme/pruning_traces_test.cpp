// SPDX-License-Identifier: Apache-2.0
// What the traces of the pruners say: the toys by hand, cell by cell. (That every trace ends with
// apply()'s result is in tests/conformance.)
#include "core/experiment/trace_scheme.hpp"
#include "tests/unit/scheme/pruning_support.hpp"

#include <algorithm>

using namespace loupe;
using namespace loupe::test;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

std::shared_ptr<const Trace> told(const std::string& scheme, const StepInput& input) {
    SchemeInput layer;
    layer.weights = input.weights;
    layer.activations = input.activations;
    layer.gradients = input.gradients;
    return traceScheme(parseScheme(scheme).value(), layer).value();
}

const TracePanel* panelOf(const TraceState& state, const std::string& id) {
    const auto found = std::find_if(
        state.panels.begin(), state.panels.end(), [&](const auto& p) { return p.id == id; });
    return found == state.panels.end() ? nullptr : &*found;
}

std::vector<double> valuesOf(const TracePanel& panel) {
    return {panel.values->data(), panel.values->data() + panel.values->size()};
}

/// The state with that title; the test fails where there is none.
std::size_t stateOf(const Trace& trace, const std::string& title) {
    const auto found = std::find_if(
        trace.states.begin(), trace.states.end(), [&](const auto& s) { return s.title == title; });
    REQUIRE(found != trace.states.end());
    return static_cast<std::size_t>(found - trace.states.begin());
}

StepInput wandaToy() {
    return inputOf(3, 4, {4, 0, 1, -1, 3, -2, -1, -3, -3, 1, 0, 2}, 1, {1, 2, 8, 3});
}

}  // namespace

TEST_CASE("trace of Wanda: scores beside magnitudes, rows in turn, what differs") {
    const auto trace = told("wanda", wandaToy());
    REQUIRE(trace->states.size() == 2 + 3 + 1);
    const TraceState& scores = trace->states[1];
    CHECK(valuesOf(*panelOf(scores, "scores")) ==
          std::vector<double>{4, 0, 8, 3, 3, 4, 8, 9, 3, 2, 0, 6});
    CHECK(valuesOf(*panelOf(scores, "factor")) == std::vector<double>{1, 2, 8, 3});
    CHECK(valuesOf(*panelOf(scores, "magnitude"))[8] == 3);
    const std::size_t row1 = stateOf(*trace, "Row 1");
    CHECK(valuesOf(*panelOf(trace->states[row1], "weights")) ==
          std::vector<double>{4, 0, 1, 0, 0, 0, -1, -3, -3, 1, 0, 2});
    CHECK(trace->states[row1].focus == TraceCell{1, 0});
    const std::vector<TraceNote> notes = trace->explain(row1, {1, 0});
    REQUIRE(notes.size() == 2);
    CHECK(notes[0].formula == "|w|·||X_j||");
    CHECK(notes[0].substituted == "|3| · 1");
    CHECK(notes[0].result == "3");
    CHECK(notes[1].result == "pruned");
    CHECK(notes[1].note == "magnitude would keep it");
    CHECK(trace->explain(row1, {2, 0}).back().title == "Not yet chosen");
    // Row 0: Wanda keeps the 1 on the loud input, magnitude the -1; row 1 likewise.
    CHECK(valuesOf(*panelOf(trace->states.back(), "differs")) ==
          std::vector<double>{0, 0, 1, -1, -1, 0, 1, 0, 0, 0, 0, 0});
    CHECK(panelOf(trace->states.back(), "mask")->kind == PanelKind::Mask);
}

TEST_CASE("trace of 2:4: groups of four, their metadata and the bits per weight") {
    const auto trace = told(
        "magnitude:pattern=2:4",
        inputOf(
            2, 8, {1, -4, 2, 3, 0, 0, 5, 6, 9, 8, 1, 1, 1, 2, 3, 4}, 1, {1, 1, 1, 1, 1, 1, 1, 1}));
    const std::size_t first = stateOf(*trace, "Columns 0 to 3");
    CHECK(valuesOf(*panelOf(trace->states[first], "metadata")) ==
          std::vector<double>{1, 3, 0, 0, 0, 1, 0, 0});
    CHECK(valuesOf(*panelOf(trace->states.back(), "metadata")) ==
          std::vector<double>{1, 3, 2, 3, 0, 1, 2, 3});
    const std::vector<TraceNote> notes = trace->explain(first, {0, 1});
    REQUIRE(notes.size() == 3);
    CHECK(notes[1].formula == "the 2 largest of 4 stay");
    CHECK(notes[2].result == "01 11");
    CHECK(notes[2].note == "bits per weight: 32 · 2/4 + 2 · 2/4 = 17");
    CHECK(notes[0].note.find("O(1)") != std::string::npos);
}

TEST_CASE("trace of magnitude over the tensor: one threshold") {
    const auto trace = told("magnitude:scope=tensor", wandaToy());
    const std::size_t at = stateOf(*trace, "One threshold for the matrix");
    // |w| in order: 0 0 1 1 1 1 2 2 3 3 3 4; six go.
    CHECK(trace->states[at].figures[0].value == 6);
    CHECK(trace->states[at].figures[1].value == 1);
    CHECK(trace->states[at].figures[2].value == 2);
    CHECK(trace->explain(at, {0, 0})[1].substituted == "rank 12 from the smallest");
    REQUIRE(trace->curves.size() == 1);
    CHECK(trace->curves[0].series[0].y == std::vector<double>{0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 3, 4});
}

TEST_CASE("trace of OBS: the example by hand") {
    const double c = std::sqrt(.75);
    const double d = .25 / c;
    const auto trace =
        told("obs:sparsity=0.34",
             inputOf(1, 3, {1, .5, -.8}, 3, {1, .5, 0, 0, c, d, 0, 0, std::sqrt(.5 - d * d)}));
    const std::size_t at = stateOf(*trace, "Row 0: weight 1 goes");
    const TraceState& state = trace->states[at];
    const std::vector<double> losses = valuesOf(*panelOf(state, "saliency"));
    const double expected[] = {.714286, .15625, .266667};
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK_THAT(losses[i], WithinAbs(expected[i], 5e-7));
    }
    CHECK_THAT((*panelOf(state, "inverse")->values)(1, 1), WithinAbs(.8, 1e-12));
    CHECK_THAT((*panelOf(state, "hessian")->values)(1, 2), WithinAbs(.5, 1e-12));
    const std::vector<TraceNote> goes = trace->explain(at, {0, 1});
    CHECK(goes[0].substituted == "1/2 · 0.5^2 / 0.8");
    CHECK(goes[0].result == "0.15625");
    CHECK(goes[0].note.find("= 0.25,") != std::string::npos);
    const std::vector<TraceNote> moves = trace->explain(at, {0, 2});
    CHECK(moves[1].substituted == "-0.5 / 0.8 · (-0.4)");
    CHECK(moves[1].result == "0.25");
    CHECK(moves[1].note == "w_j = -0.8 + 0.25 = -0.55");
    REQUIRE(trace->loss.has_value());
    CHECK_THAT(trace->loss->summed, WithinAbs(.15625, 1e-12));
    REQUIRE(trace->curves.size() == 1);
    CHECK_THAT(trace->curves[0].series[1].y.back(), WithinAbs(.25, 1e-12));
}

TEST_CASE("trace of SparseGPT: the 2 x 4 toy, its errors and what they move") {
    const auto trace = told("sparsegpt:pattern=2:4", layer2x4());
    const std::size_t mask = stateOf(*trace, "Mask of columns 0 to 3");
    const std::vector<double> scores = valuesOf(*panelOf(trace->states[mask], "scores"));
    const std::vector<double> expected = {.36336, 2.25375, .12669, 1.31815};
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK_THAT(scores[i], WithinAbs(expected[i], 5e-6));
    }
    // diag(inv(H)) ranks differently: .06290 for the second weight.
    CHECK(trace->explain(mask, {0, 1})[0].note.find("ranks differently") != std::string::npos);
    CHECK(trace->explain(mask, {0, 0})[1].result == "pruned");
    const std::size_t column = stateOf(*trace, "Column 0");
    const std::vector<TraceNote> own = trace->explain(column, {0, 0});
    CHECK(own.back().title == "Error");
    CHECK(own.back().substituted == "(0.9 + 0) / 1.49305");
    const std::vector<TraceNote> right = trace->explain(column, {0, 1});
    REQUIRE(right.size() == 1);
    CHECK(right[0].formula == "w_k <- w_k - e·U_jk");
    CHECK(right[0].result == "0.547915");
    CHECK(trace->explain(stateOf(*trace, "Column 2"), {0, 1})[0].note.find("final") == 0);
    REQUIRE(trace->loss.has_value());
    CHECK_THAT(trace->loss->summed, WithinAbs(.705245, 5e-7));
    CHECK_THAT(trace->curves[0].series[0].y.back(), WithinRel(trace->loss->summed, 1e-12));
    // In blocks the errors reach what is right of a block at once.
    const auto blocks = told("sparsegpt:block=2", layer2x4());
    const std::size_t end = stateOf(*blocks, "Right of the block");
    CHECK(blocks->explain(end, {0, 3})[0].title == "Push it to the right");
    const auto joint = told("sparsegpt:bits=4", layer2x4());
    bool rounds = false;
    for (std::int64_t col = 0; col < 4; ++col) {
        for (const TraceNote& note :
             joint->explain(stateOf(*joint, "Column " + std::to_string(col)), {0, col})) {
            rounds = rounds || note.title == "Round";
        }
    }
    CHECK(rounds);
}

TEST_CASE("trace of structured pruning: channels and their scores") {
    const auto trace = told("structured:axis=column", inputOf(2, 2, {3, 0, 2, 2}, 1, {1, 1}));
    REQUIRE(trace->states.size() == 3);
    CHECK_THAT((*panelOf(trace->states[1], "scores")->values)(0, 1), WithinAbs(2, 1e-12));
    CHECK(trace->explain(2, {0, 1})[1].result == "the whole channel is pruned");
    CHECK(trace->lesson.find("semi-structured") != std::string::npos);
}

TEST_CASE("traces of pruners: large slices stay within their states, refusals are apply()'s") {
    std::vector<double> weights(64 * 64);
    std::vector<double> tokens(80 * 64);
    for (std::size_t i = 0; i < weights.size(); ++i) {
        weights[i] = std::sin(static_cast<double>(i * i % 1009));
    }
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        tokens[i] = std::cos(static_cast<double>(i * i % 2003));
    }
    const StepInput square = inputOf(64, 64, weights, 80, tokens);
    const StepInput wide = inputOf(2, 2048, weights, 2, std::vector<double>(4096, 0.5));
    for (const char* text : {"wanda",
                             "magnitude:pattern=2:4",
                             "magnitude:scope=tensor",
                             "sparsegpt",
                             "sparsegpt:pattern=2:4",
                             "obs"}) {
        CAPTURE(text);
        CHECK(told(text, square)->states.size() <= 280);
        if (std::string(text) != "obs") {  // 2,048 inputs: seconds
            CHECK(told(text, wide)->states.size() <= 280);
        }
    }
    SchemeInput bare;
    bare.weights = square.weights;
    CHECK(traceScheme(parseScheme("wanda").value(), bare).error().code == ErrorCode::Missing);
}
