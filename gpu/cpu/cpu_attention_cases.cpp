// SPDX-License-Identifier: Apache-2.0
#include "gpu/cpu/attention.hpp"
#include "gpu/cpu/cpu_makers.hpp"

namespace loupe::gpu {

namespace {

class AttentionCase final : public CpuCase {
public:
    AttentionCase(std::shared_ptr<const AttentionProblem> problem, const CpuAttentionKind& kind)
        : problem_(std::move(problem)), attention_(kind.make(*problem_)) {}

    [[nodiscard]] std::string kernel() const override { return attention_->kernel(); }
    void run(const JobContext& ctx) override { attention_->run(ctx); }
    [[nodiscard]] std::span<float> output() override { return attention_->output(); }
    [[nodiscard]] std::int64_t width() const override { return problem_->shape.dim; }
    [[nodiscard]] double tolerance() const override { return attention_->tolerance(); }
    [[nodiscard]] KernelCost cost() const override {
        const AttentionShape& s = problem_->shape;
        const double rows = static_cast<double>(s.batch) * static_cast<double>(s.heads) *
                            static_cast<double>(s.queries());
        const double keys = static_cast<double>(s.batch) * static_cast<double>(s.kvHeads) *
                            static_cast<double>(s.seq);
        const auto dim = static_cast<double>(s.dim);
        const double flops = 4 * rows * static_cast<double>(s.seq) * dim;
        constexpr double kBytes = 4;
        return {
            s.causal && !s.decode ? flops / 2 : flops, kBytes * 2 * dim * (rows + keys), "fp32"};
    }
    [[nodiscard]] bool holdsOwnOperands() const override { return false; }
    [[nodiscard]] std::vector<double> reference(bool,
                                                std::span<const std::int64_t> rows,
                                                const JobContext& ctx) const override {
        return referenceAttention(
            problem_->q, problem_->k, problem_->v, problem_->shape, rows, ctx);
    }
    [[nodiscard]] double referenceCost() const override {
        // A power costs as much as some twenty multiply-adds.
        constexpr double kPower = 20;
        return static_cast<double>(problem_->shape.seq) *
               (2 * static_cast<double>(problem_->shape.dim) + kPower);
    }

private:
    std::shared_ptr<const AttentionProblem> problem_;
    std::unique_ptr<CpuAttention> attention_;
};

class AttentionMaker final : public CpuMaker {
public:
    AttentionMaker(std::shared_ptr<const AttentionProblem> problem, const CpuAttentionKind& kind)
        : problem_(std::move(problem)), kind_(kind) {}
    [[nodiscard]] CpuCaseTitle title() const override {
        const std::string name(kind_.name);
        return {"cpu_" + name, {}, {}, name, "fp32", "fp32", "fp32", "fp32"};
    }
    [[nodiscard]] std::string refuses() const override { return {}; }
    [[nodiscard]] std::unique_ptr<CpuCase> make(const JobContext&) override {
        return std::make_unique<AttentionCase>(problem_, kind_);
    }

private:
    std::shared_ptr<const AttentionProblem> problem_;
    const CpuAttentionKind& kind_;
};

}  // namespace

void addAttentionMakers(const std::vector<std::string>& words,
                        const TimingRequest& request,
                        const JobContext& ctx,
                        std::vector<std::unique_ptr<CpuMaker>>& makers) {
    const auto problem = std::make_shared<const AttentionProblem>(
        makeAttentionProblem(request.attention, request.seed, ctx));
    for (const std::string& word : words) {
        if (const CpuAttentionKind* const kind = findCpuAttention(word)) {
            makers.push_back(std::make_unique<AttentionMaker>(problem, *kind));
        } else {
            makers.push_back(refusedMaker(word, "the CPU backend has no attention called " + word));
        }
    }
}

}  // namespace loupe::gpu
