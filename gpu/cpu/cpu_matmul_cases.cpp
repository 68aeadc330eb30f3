// SPDX-License-Identifier: Apache-2.0
#include "gpu/cpu/cpu_makers.hpp"
#include "gpu/cpu/matmul.hpp"
#include "gpu/cpu/peers.hpp"

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

/// A library beside one of our formats.
class PeerMaker final : public CpuMaker {
public:
    PeerMaker(std::shared_ptr<const MatmulProblem> problem,
              const CpuFormat& format,
              const CpuPeer& peer)
        : problem_(std::move(problem)), format_(format), peer_(peer) {}
    [[nodiscard]] CpuCaseTitle title() const override {
        return {std::string(peer_.kernel),
                std::string(peer_.library),
                peer_.version(),
                std::string(format_.name),
                std::string(format_.a),
                std::string(format_.b),
                std::string(format_.accumulator),
                std::string(format_.output)};
    }
    [[nodiscard]] std::string refuses() const override {
        return error_.empty() ? peer_.refuses(problem_->shape) : error_;
    }
    [[nodiscard]] std::unique_ptr<CpuCase> make(const JobContext& ctx) override {
        std::unique_ptr<CpuMatmul> matmul = peer_.make(*problem_, ctx, error_);
        return matmul == nullptr ? nullptr
                                 : std::make_unique<MatmulCase>(problem_,
                                                                std::move(matmul),
                                                                format_.activationBytes,
                                                                cpuArithmetic(format_));
    }

private:
    std::shared_ptr<const MatmulProblem> problem_;
    const CpuFormat& format_;
    const CpuPeer& peer_;
    std::string error_;
};

}  // namespace

void addMatmulMakers(const std::vector<std::string>& words,
                     const TimingRequest& request,
                     const JobContext& ctx,
                     std::vector<std::unique_ptr<CpuMaker>>& makers) {
    const auto problem =
        std::make_shared<const MatmulProblem>(makeMatmulProblem(request.matmul, request.seed, ctx));
    for (const std::string& word : words) {
        if (const CpuFormat* const format = findCpuFormat(word)) {
            makers.push_back(std::make_unique<MatmulMaker>(problem, *format));
            for (const CpuPeer& peer : cpuPeers()) {
                if (request.peers && peer.format == word) {
                    makers.push_back(std::make_unique<PeerMaker>(problem, *format, peer));
                }
            }
        } else {
            makers.push_back(refusedMaker(word, "the CPU backend has no product in " + word));
        }
    }
}

}  // namespace loupe::gpu
