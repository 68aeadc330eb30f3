// SPDX-License-Identifier: Apache-2.0
// Random pruning: what a score is worth shows against no score at all.
#include "core/base/rng.hpp"
#include "core/prune/pruner.hpp"

#include <cstdint>

namespace loupe {

namespace {

using pruner_params::kPattern;
using pruner_params::kScope;
using pruner_params::kSparsity;

constexpr ParamSpec kSeed{
    .name = "seed",
    .type = ParamType::Integer,
    .defaultText = "0",
    .min = 0,
    .max = 9007199254740991.0,
    .label = "Seed",
    .help = "Of the random numbers: each depends on the seed and the weight's index alone."};
constexpr ParamSpec kParams[] = {kSparsity, kPattern, kScope, kSeed};

Result<ScoreRule> ruleOf(const StepInput& input, const Params& params, const JobContext&) {
    const auto seed = static_cast<std::uint64_t>(params.integer("seed"));
    ScoreRule rule;
    rule.score = [seed, cols = input.weights->cols()](const RowsToScore& rows) {
        const auto begin = static_cast<std::uint64_t>(rows.first * cols);
        for (std::size_t i = 0; i < rows.scores.size(); ++i) {
            rows.scores[i] = randomUniform(seed, begin + i);
        }
    };
    return rule;
}

}  // namespace

extern const ScorePruner kPruner_random;
const ScorePruner kPruner_random{
    .rule = ruleOf,
    .formula = "uniform in [0, 1)",
    .idea = "Each weight draws a number from the seed and its own index, whatever its value.",
    .caution = {},
    .lesson =
        "What random pruning loses is what any score must beat: half of the weights carry "
        "half of the energy, while the smaller half of a Gaussian carries only 7 %."};

namespace {

Result<StepOutput> apply(const StepInput& input, const Params& params, const JobContext& ctx) {
    return pruneByScore(kPruner_random, input, params, ctx);
}

Result<std::shared_ptr<const Trace>> trace(const StepInput& input,
                                           const Params& params,
                                           const JobContext& ctx) {
    return tracePruner(kPruner_random, input, params, ctx);
}

constexpr std::string_view kLadder[] = {"random"};

}  // namespace

extern const StepDefinition kStep_random;
const StepDefinition kStep_random{
    .id = "random",
    .title = "Random pruning",
    .summary = "Prunes weights drawn at random: the yardstick that every score must beat.",
    .source =
        "Blalock et al. 2020, What is the State of Neural Network Pruning? (arXiv:2003.03033), "
        "section 2",
    .params = kParams,
    .validate = validateSparsity,
    .apply = apply,
    .shortTitle = [](const Params& params) { return prunerTitle("Random", params); },
    .family = StepFamily::Pruning,
    .ladder = kLadder,
    .trace = trace};

}  // namespace loupe
