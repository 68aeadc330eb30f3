// SPDX-License-Identifier: Apache-2.0
#include "gpu/cpu/cpu_cases.hpp"

#include "core/base/text.hpp"
#include "gpu/cpu/matmul.hpp"

#include <algorithm>

namespace loupe::gpu {

namespace {

class MatmulCase final : public CpuCase {
public:
    MatmulCase(std::shared_ptr<const MatmulProblem> problem,
               std::unique_ptr<CpuMatmul> matmul,
               double activationBytes,
               std::string_view arithmetic)
        : problem_(std::move(problem)),
          matmul_(std::move(matmul)),
          activationBytes_(activationBytes),
          arithmetic_(arithmetic) {}

    [[nodiscard]] std::string kernel() const override { return matmul_->kernel(); }
    void run(const JobContext& ctx) override { matmul_->run(ctx); }
    [[nodiscard]] std::span<float> output() override { return matmul_->output(); }
    [[nodiscard]] std::int64_t width() const override { return problem_->shape.n; }
    [[nodiscard]] double tolerance() const override { return matmul_->tolerance(); }
    [[nodiscard]] KernelCost cost() const override {
        const auto m = static_cast<double>(problem_->shape.m);
        const auto n = static_cast<double>(problem_->shape.n);
        const auto k = static_cast<double>(problem_->shape.k);
        constexpr double kOutputBytes = 4;
        return {2 * m * n * k,
                matmul_->weightBytes() + activationBytes_ * m * k + kOutputBytes * m * n,
                arithmetic_};
    }
    [[nodiscard]] bool holdsOwnOperands() const override {
        return !matmul_->x().empty() || !matmul_->w().empty();
    }
    [[nodiscard]] std::vector<double> reference(bool own,
                                                std::span<const std::int64_t> rows,
                                                const JobContext& ctx) const override {
        const bool ownX = own && !matmul_->x().empty();
        const bool ownW = own && !matmul_->w().empty();
        return referenceMatmul(ownX ? matmul_->x() : problem_->x,
                               ownW ? matmul_->w() : problem_->w,
                               problem_->shape,
                               rows,
                               ctx);
    }
    [[nodiscard]] double referenceCost() const override {
        return static_cast<double>(problem_->shape.n) * static_cast<double>(problem_->shape.k);
    }

private:
    std::shared_ptr<const MatmulProblem> problem_;
    std::unique_ptr<CpuMatmul> matmul_;
    double activationBytes_;
    std::string arithmetic_;
};

class MatmulMaker final : public CpuMaker {
public:
    MatmulMaker(std::shared_ptr<const MatmulProblem> problem, const CpuFormat& format)
        : problem_(std::move(problem)), format_(format) {}
    [[nodiscard]] CpuCaseTitle title() const override {
        return {"cpu_" + std::string(format_.name),
                {},
                {},
                std::string(format_.name),
                std::string(format_.a),
                std::string(format_.b),
                std::string(format_.accumulator),
                std::string(format_.output)};
    }
    [[nodiscard]] std::string refuses() const override { return format_.refuses(problem_->shape); }
    [[nodiscard]] std::unique_ptr<CpuCase> make(const JobContext& ctx) override {
        return std::make_unique<MatmulCase>(problem_,
                                            format_.make(*problem_, ctx),
                                            format_.activationBytes,
                                            cpuArithmetic(format_));
    }

private:
    std::shared_ptr<const MatmulProblem> problem_;
    const CpuFormat& format_;
};

/// A word that nothing here answers to.
class RefusedMaker final : public CpuMaker {
public:
    RefusedMaker(std::string word, std::string reason)
        : word_(std::move(word)), reason_(std::move(reason)) {}
    [[nodiscard]] CpuCaseTitle title() const override {
        return {"cpu_" + word_, {}, {}, word_, {}, {}, {}, {}};
    }
    [[nodiscard]] std::string refuses() const override { return reason_; }
    [[nodiscard]] std::unique_ptr<CpuCase> make(const JobContext&) override { return nullptr; }

private:
    std::string word_;
    std::string reason_;
};

std::vector<std::string> wordsOf(const TimingRequest& request) {
    std::vector<std::string> words;
    for (const std::string& word : request.what) {
        if (word != "all") {
            words.push_back(word);
            continue;
        }
        for (const Offer& offer : cpuOffers()) {
            if (offer.operation == request.operation) {
                words.push_back(offer.name);
            }
        }
    }
    return words;
}

}  // namespace

std::vector<std::unique_ptr<CpuMaker>> cpuMakers(const TimingRequest& request,
                                                 const JobContext& ctx) {
    std::vector<std::unique_ptr<CpuMaker>> makers;
    const auto keep = [&](std::unique_ptr<CpuMaker> maker) {
        if (request.kernel.empty() || matchesGlob(request.kernel, maker->title().kernel)) {
            makers.push_back(std::move(maker));
        }
    };
    const auto problem =
        std::make_shared<const MatmulProblem>(makeMatmulProblem(request.matmul, request.seed, ctx));
    for (const std::string& word : wordsOf(request)) {
        if (const CpuFormat* const format = findCpuFormat(word)) {
            keep(std::make_unique<MatmulMaker>(problem, *format));
        } else {
            keep(std::make_unique<RefusedMaker>(word, "the CPU backend has no product in " + word));
        }
    }
    return makers;
}

std::vector<Offer> cpuOffers() {
    std::vector<Offer> offers;
    for (const CpuFormat& format : cpuFormats()) {
        offers.push_back({Operation::Matmul,
                          std::string(format.name),
                          std::string(format.title),
                          format.bitsPerWeight,
                          {}});
    }
    return offers;
}

}  // namespace loupe::gpu
