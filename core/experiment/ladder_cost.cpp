// SPDX-License-Identifier: Apache-2.0
// How long the solvers of a scheme take, roughly: what the ladder does not start by itself.
#include "core/experiment/ladder.hpp"
#include "core/prune/pruner.hpp"

#include <algorithm>
#include <cmath>

namespace loupe {

namespace {

// Multiply-adds each second, and seconds each weight, on two cores of a cloud machine (2026), with
// other work beside them; measured on layers of 512 and 1024 inputs. A laptop is within a factor of
// two.
constexpr double kSurgeryRate = 1.5e9;  // n x n doubles of a row's inverse, from memory
constexpr double kFactorRate = 4e9;
constexpr double kSearchRate = 1.5e10;
constexpr double kSecondsPerClustered = 1.5e-6;
constexpr double kSecondsPerHqq = 7e-7;

struct Size {
    double rows = 0;
    double cols = 0;
    double tokens = 0;
    [[nodiscard]] double weights() const { return rows * cols; }
};

/// Each weight that goes costs one update of its row's inverse, n^2/2; where all rows compete, each
/// row is pruned to nothing first.
double surgerySeconds(const Params& params, const Size& size) {
    const Selection selection = selectionOf(params);
    double share = selection.sparsity;
    if (selection.keep > 0) {
        share = 1 - static_cast<double>(selection.keep) / static_cast<double>(selection.block);
    } else if (!selection.perRow) {
        share += 1;
    }
    return size.rows * size.cols * size.cols * size.cols * share / 2 / kSurgeryRate;
}

/// H from the tokens, its factor and inverse, and one update of all later columns for each column.
double factorSeconds(const Size& size) {
    return (size.tokens * size.cols * size.cols / 2 + size.cols * size.cols * size.cols +
            size.weights() * size.cols) /
           kFactorRate;
}

double awqSeconds(const Params& params, const Size& size) {
    constexpr double kClipTrials = 10;
    const double trials =
        static_cast<double>(params.integer("grid")) + (params.flag("clip") ? kClipTrials : 0);
    return trials * size.tokens * size.weights() / kSearchRate;
}

double stepSeconds(const Step& step, const Size& size) {
    const StepDefinition* const definition = findStep(step.name);
    if (definition == nullptr || !definition->isSolver) {
        return 0;
    }
    const Params params(definition->params, step);
    if (step.name == "obs") {
        return surgerySeconds(params, size);
    }
    if (step.name == "awq") {
        return awqSeconds(params, size);
    }
    if (step.name == "hqq") {
        return size.weights() * kSecondsPerHqq;
    }
    return definition->needsActivations ? factorSeconds(size)
                                        : size.weights() * kSecondsPerClustered;
}

std::string counted(double number, const std::string& unit) {
    const auto whole = std::max<long long>(1, std::llround(number));
    return std::to_string(whole) + " " + unit + (whole == 1 ? "" : "s");
}

}  // namespace

double expectedSeconds(const Scheme& scheme, const SchemeInput& input) {
    Size size;
    size.rows = static_cast<double>(input.weights->rows());
    size.cols = static_cast<double>(input.weights->cols());
    if (input.activations != nullptr) {
        const std::int64_t rows = input.activations->rows();
        size.tokens = static_cast<double>(
            input.calibrationRows > 0 ? std::min(rows, input.calibrationRows) : rows);
    }
    double seconds = 0;
    for (const Step& step : scheme.steps) {
        seconds += stepSeconds(step, size);
    }
    return seconds;
}

std::string roughDuration(double seconds) {
    constexpr double kMinute = 60;
    constexpr double kHour = 3600;
    constexpr double kDay = 86400;
    if (seconds < 1.5 * kMinute) {
        return counted(seconds, "second");
    }
    if (seconds < 1.5 * kHour) {
        return counted(seconds / kMinute, "minute");
    }
    return seconds < 2 * kDay ? counted(seconds / kHour, "hour") : counted(seconds / kDay, "day");
}

}  // namespace loupe
