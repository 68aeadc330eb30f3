// SPDX-License-Identifier: Apache-2.0
// Optimal Brain Surgeon against spec/algorithms.md 6: the example by hand, and what must hold of
// the result: the exact least squares on its mask.
#include "core/prune/obs.hpp"

#include "core/base/worker_pool.hpp"
#include "core/experiment/pipeline.hpp"
#include "core/prune/pruner.hpp"
#include "tests/unit/scheme/pruning_support.hpp"

using namespace loupe;
using namespace loupe::test;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

ObsRun runOf(const std::string& text, const StepInput& input, ObsRecorder* recorder = nullptr) {
    const Step step = parseScheme(text).value().steps[0];
    const Params params(findStep(step.name)->params, step);
    ObsRun run = prepareObs(input, {}).value();
    run.solved = run.problem.weights;
    run.result =
        solveObs(run.solved, run.inverse, input.mask.get(), selectionOf(params), recorder, {});
    return run;
}

/// w = (1, .5, -.8) with 2X'X = [[2,1,0],[1,2,.5],[0,.5,1]].
StepInput handExample() {
    // X is upper triangular: X'X = H/2 by Cholesky.
    const double a = 1;
    const double b = .5 / a;
    const double c = std::sqrt(1 - b * b);
    const double d = .25 / c;
    const double e = std::sqrt(.5 - d * d);
    return inputOf(1, 3, {1, .5, -.8}, 3, {a, b, 0, 0, c, d, 0, 0, e});
}

class Notes final : public ObsRecorder {
public:
    void choosing(std::int64_t, std::int64_t col, const ObsRow& state) override {
        for (std::int64_t i = 0; i < 3; ++i) {
            saliencies.push_back(state.saliency(i));
        }
        chosen.push_back(col);
    }
    void removed(std::int64_t, std::int64_t, double loss, const ObsRow&) override {
        losses.push_back(loss);
    }
    std::vector<double> saliencies;
    std::vector<std::int64_t> chosen;
    std::vector<double> losses;
};

}  // namespace

TEST_CASE("OBS: the example by hand") {
    Notes notes;
    const ObsRun run = runOf("obs:sparsity=0.34", handExample(), &notes);
    CHECK(run.damping == 0);
    REQUIRE(notes.chosen == std::vector<std::int64_t>{1});
    const double expected[] = {.714286, .15625, .266667};
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK_THAT(notes.saliencies[i], WithinAbs(expected[i], 5e-7));
    }
    CHECK_THAT(notes.losses[0], WithinAbs(.15625, 1e-12));
    CHECK_THAT(run.result.loss, WithinAbs(.15625, 1e-12));
    CHECK_THAT(run.solved(0, 0), WithinAbs(1.25, 1e-12));
    CHECK(run.solved(0, 1) == 0);
    CHECK_THAT(run.solved(0, 2), WithinAbs(-.55, 1e-12));
    const double inverse[] = {.7, -.4, .2, -.4, .8, -.4, .2, -.4, 1.2};
    for (std::int64_t i = 0; i < 9; ++i) {
        CHECK_THAT(run.inverse.data()[i], WithinAbs(inverse[i], 1e-12));
    }
    CHECK(valuesOf(*tryStep("obs:sparsity=0.34", handExample())->weights) == run.solved);
    // OBD prices the same weight at .25 and takes it too, without moving the others.
    const Matrix<double> obd = valuesOf(*tryStep("obd:sparsity=0.34", handExample())->weights);
    CHECK((obd(0, 0) == 1 && obd(0, 1) == 0 && obd(0, 2) == -.8));
    CHECK_THAT(dampedLoss(run.problem.weights, obd, run.problem.hessian, 0, {}),
               WithinAbs(.25, 1e-12));
}

TEST_CASE("OBS: losses of the steps are the loss of the result, which is least squares") {
    StepInput few = layerF1();
    few.calibrationRows = 30;  // singular: damped by 1 %
    for (const StepInput& input : {layerF1(), few, layer2x4()}) {
        for (const char* text : {"obs",
                                 "obs:sparsity=0.8",
                                 "obs:pattern=2:4",
                                 "obs:pattern=1:3",
                                 "obs:scope=tensor",
                                 "obs:scope=global,sparsity=0.3"}) {
            CAPTURE(text);
            const ObsRun run = runOf(text, input);
            const Matrix<double>& h = run.problem.hessian;
            const double direct = dampedLoss(run.problem.weights, run.solved, h, run.damping, {});
            CHECK_THAT(run.result.loss, WithinRel(direct, 1e-7));
            // No kept weight could do better: its gradient (H + d·I)·(w - w^) is 0.
            double scale = 0;
            for (std::int64_t i = 0; i < h.rows(); ++i) {
                scale = std::max(scale, h(i, i));
            }
            for (std::int64_t row = 0; row < run.solved.rows(); ++row) {
                for (std::int64_t i = 0; i < h.rows(); ++i) {
                    double gradient =
                        run.damping * (run.problem.weights(row, i) - run.solved(row, i));
                    for (std::int64_t j = 0; j < h.rows(); ++j) {
                        gradient += h(i, j) * (run.problem.weights(row, j) - run.solved(row, j));
                    }
                    if (run.result.mask->kept(row, i)) {
                        CHECK(std::fabs(gradient) < 1e-7 * scale);
                    } else {
                        CHECK(run.solved(row, i) == 0);
                    }
                }
            }
        }
    }
    CHECK(runOf("obs", layerF1()).damping == 0);
    CHECK(runOf("obs", few).damping > 0);
}

TEST_CASE("OBS: better than what moves less, on F1") {
    const auto relout = [](const char* text) { return outputSums(text, layerF1()).relative(); };
    CHECK(relout("obs") < relout("sparsegpt"));
    CHECK(relout("obs") < relout("wanda"));
    CHECK(relout("obs:pattern=2:4") < relout("sparsegpt:pattern=2:4"));
    CHECK(relout("obs:scope=tensor") < relout("wanda:scope=tensor"));
    CHECK(relout("obs") < .0395);  // exact least squares on Wanda's mask
    const double error = outputSums("obs:pattern=2:4", layer2x4()).error;
    CHECK(error >= .48223 - 1e-5);  // the best of all 36 pairs of masks
}

TEST_CASE("OBS: counts, masks on masks, threads") {
    for (const auto& [text, kept] : {std::pair<const char*, int>{"obs:sparsity=0.7", 32 * 20},
                                     {"obs:sparsity=0.7,scope=tensor", 2048 - 1433},
                                     {"obs:pattern=3:7", 32 * (9 * 3 + 1)},
                                     {"obs:sparsity=0", 2048}}) {
        CAPTURE(text);
        const int threads = computeThreads();
        setComputeThreads(1);
        const StepOutput one = tryStep(text, layerF1()).value();
        setComputeThreads(3);
        CHECK(valuesOf(*tryStep(text, layerF1())->weights) == valuesOf(*one.weights));
        setComputeThreads(threads);
        const std::vector<std::uint8_t> mask = maskOf(one);
        CHECK(std::count(mask.begin(), mask.end(), 1) == kept);
    }
    CHECK(valuesOf(*tryStep("obs:sparsity=0", layerF1())->weights) == fixtureF1().weight);
    StepInput masked = layerF1();
    auto mask = std::make_shared<BitMask>(32, 64, true);
    for (std::int64_t col = 0; col < 40; ++col) {
        mask->set(3, col, false);
    }
    masked.mask = mask;
    masked.weights = tryStep("magnitude:sparsity=0", masked)->weights;
    for (const char* text : {"obs", "obs:scope=tensor", "obs:pattern=2:4"}) {
        const StepOutput output = tryStep(text, masked).value();
        const std::vector<std::uint8_t> after = maskOf(output);
        const auto row3 = after.begin() + 3 * 64;
        CHECK(std::count(row3, row3 + 40, 1) == 0);
        if (text == std::string("obs")) {
            CHECK(std::count(row3, row3 + 64, 1) == 24);  // more than half is gone already
        } else if (text == std::string("obs:scope=tensor")) {
            CHECK(std::count(after.begin(), after.end(), 1) == 1024);
        }
    }
}

TEST_CASE("OBS: edges") {
    CHECK(tryStep("obs", inputOf(1, 1, {3}, 1, {2}))->weights != nullptr);
    const StepInput dead = inputOf(1, 4, {9, .1, .2, .3}, 3, {0, 1, 2, 3, 0, 3, 1, 1, 0, 1, 5, 2});
    const Matrix<double> after = valuesOf(*tryStep("obs:sparsity=0.25", dead)->weights);
    CHECK((after(0, 0) == 0 && after(0, 1) == .1 && after(0, 2) == .2 && after(0, 3) == .3));
    // Equal losses: a sparsity drops the lower index, a pattern keeps it.
    const StepInput equal =
        inputOf(1, 4, {1, 1, 1, 1}, 4, {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1});
    const Matrix<double> half = valuesOf(*tryStep("obs", equal)->weights);
    CHECK((half(0, 0) == 0 && half(0, 1) == 0 && half(0, 2) == 1 && half(0, 3) == 1));
    const Matrix<double> pattern = valuesOf(*tryStep("obs:pattern=2:4", equal)->weights);
    CHECK((pattern(0, 0) == 1 && pattern(0, 1) == 1 && pattern(0, 2) == 0 && pattern(0, 3) == 0));
    CHECK(tryStep("obs", inputOf(1, 2, {1, NAN}, 1, {1, 2})).error().what ==
          "NaN at row 0, column 1: a scheme needs finite values");
    StepInput bare = layerF1();
    bare.activations = nullptr;
    CHECK(tryStep("obs", bare).error().code == ErrorCode::Missing);
    CHECK(title(parseScheme("obs").value()) == "OBS 50 % per row");
}
