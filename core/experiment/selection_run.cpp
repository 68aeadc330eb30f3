// SPDX-License-Identifier: Apache-2.0
// One scheme on many tensors, one after the other, and one pruning threshold over all of them.
#include "core/experiment/selection_run.hpp"

#include "core/base/text.hpp"
#include "core/prune/global_selection.hpp"
#include "core/prune/pruner.hpp"

#include <algorithm>
#include <optional>

namespace loupe {

namespace {

bool isGlobal(const Step& step) {
    const StepDefinition* definition = findStep(step.name);
    return definition != nullptr &&
           std::any_of(definition->params.begin(),
                       definition->params.end(),
                       [](const ParamSpec& spec) { return spec.name == "scope"; }) &&
           Params(definition->params, step).is("scope", "global");
}

Error inTensor(const std::string& name, Error error) {
    error.what = "tensor '" + name + "': " + error.what;
    return error;
}

/// The members of a global selection: scores of the scheme's first step.
class GlobalMembers {
public:
    GlobalMembers(const Scheme& scheme,
                  std::span<const SelectedTensor> tensors,
                  const JobContext& ctx)
        : tensors_(tensors),
          ctx_(ctx.withoutProgress()),
          pruner_(*findScorePruner(scheme.steps.front().name)),
          definition_(*findStep(scheme.steps.front().name)),
          rules_(tensors.size()) {
        first_.steps.push_back(scheme.steps.front());
        for (std::size_t i = 0; i < tensors.size(); ++i) {
            members_.push_back(
                {tensors[i].rows, tensors[i].cols, [this, i] { return scoresOf(i); }});
        }
    }
    GlobalMembers(const GlobalMembers&) = delete;
    GlobalMembers& operator=(const GlobalMembers&) = delete;

    [[nodiscard]] const std::vector<SelectionMember>& all() const { return members_; }
    [[nodiscard]] double sparsity() const {
        return Params(definition_.params, first_.steps[0]).real("sparsity");
    }

private:
    /// A tensor's rule, with what it says of each input, is worked out once and kept.
    Result<ScoreRows> scoresOf(std::size_t i) {
        const Result<SchemeInput> input = tensors_[i].open();
        if (!input) {
            return fail(inTensor(tensors_[i].name, input.error()));
        }
        const Result<StepInput> step = inputOfLastStep(first_, *input, ctx_);
        if (!step) {
            return fail(inTensor(tensors_[i].name, step.error()));
        }
        if (rules_[i] == nullptr) {
            Result<ScoreRule> rule =
                pruner_.rule(*step, Params(definition_.params, first_.steps[0]), ctx_);
            if (!rule) {
                return fail(inTensor(tensors_[i].name, rule.error()));
            }
            rules_[i] = std::make_shared<const ScoreRule>(std::move(*rule));
        }
        const ScoreRows rows =
            scoreRows(rules_[i], step->weights, pruner_.useGradients ? step->gradients : nullptr);
        return ScoreRows([rows, name = tensors_[i].name](std::int64_t first,
                                                         std::int64_t count,
                                                         std::span<double> scores) -> Result<void> {
            Result<void> done = rows(first, count, scores);
            return done ? done : fail(inTensor(name, done.error()));
        });
    }

    std::span<const SelectedTensor> tensors_;
    JobContext ctx_;
    const ScorePruner& pruner_;
    const StepDefinition& definition_;
    Scheme first_;
    std::vector<std::shared_ptr<const ScoreRule>> rules_;
    std::vector<SelectionMember> members_;
};

/// Is scope=global where it can be worked out?
Result<void> checkGlobalSteps(const Scheme& scheme) {
    for (std::size_t i = 0; i < scheme.steps.size(); ++i) {
        const Step& step = scheme.steps[i];
        if (!isGlobal(step)) {
            continue;
        }
        if (i > 0) {
            return fail(ErrorCode::Unsupported,
                        "step '" + step.name +
                            "': over a selection, scope=global is for the first step of a scheme");
        }
        if (findScorePruner(step.name) == nullptr) {
            return fail(ErrorCode::Unsupported,
                        "step '" + step.name +
                            "' changes the weights that it keeps as it prunes, so that its scores "
                            "cannot compete over a selection: use scope=row or scope=tensor");
        }
    }
    return {};
}

}  // namespace

std::vector<std::size_t> selectTensors(const TensorSource& source,
                                       std::span<const std::string> globs) {
    std::vector<std::size_t> selected;
    for (std::size_t i = 0; i < source.tensors().size(); ++i) {
        const TensorInfo& tensor = source.tensors()[i];
        const bool isWeight =
            tensor.shape.size() >= 2 && tensor.name != "activations" && tensor.name != "gradients";
        if (isWeight && std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
                return matchesGlob(glob, tensor.name);
            })) {
            selected.push_back(i);
        }
    }
    return selected;
}

Result<void> applyToSelection(const Scheme& scheme,
                              std::span<const SelectedTensor> tensors,
                              const SelectionSeen& seen,
                              const JobContext& ctx) {
    if (Result<void> possible = checkGlobalSteps(scheme); !possible) {
        return possible;
    }
    const bool isGlobalRun = !scheme.steps.empty() && isGlobal(scheme.steps.front());
    constexpr std::uint64_t kGlobalPasses = 4;
    std::uint64_t weights = 0;
    for (const SelectedTensor& tensor : tensors) {
        weights += static_cast<std::uint64_t>(tensor.rows * tensor.cols);
    }
    ctx.setTotal(weights * (isGlobalRun ? kGlobalPasses + 1 : 1));
    std::optional<GlobalMembers> members;
    GlobalThresholds thresholds;
    if (isGlobalRun) {
        members.emplace(scheme, tensors, ctx);
        Result<GlobalThresholds> found = globalThresholds(members->all(), members->sparsity(), ctx);
        if (!found) {
            return fail(found.error());
        }
        thresholds = std::move(*found);
    }
    const JobContext quiet = ctx.withoutProgress();
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        ctx.checkpoint();
        Result<SchemeInput> input = tensors[i].open();
        if (input && isGlobalRun) {
            Result<std::shared_ptr<const BitMask>> mask =
                maskAt(members->all()[i], thresholds[i], quiet);
            if (!mask) {
                return fail(mask.error());
            }
            input->selectionMask = std::move(*mask);
        }
        seen(i, input ? applyScheme(scheme, *input, quiet) : fail(input.error()));
        ctx.advance(static_cast<std::uint64_t>(tensors[i].rows * tensors[i].cols));
    }
    return {};
}

}  // namespace loupe
