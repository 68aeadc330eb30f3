// SPDX-License-Identifier: Apache-2.0
#include "gpu/cpu/cpu_cases.hpp"

#include "core/base/text.hpp"
#include "gpu/cpu/attention.hpp"
#include "gpu/cpu/cpu_makers.hpp"
#include "gpu/cpu/matmul.hpp"

namespace loupe::gpu {

namespace {

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

std::unique_ptr<CpuMaker> refusedMaker(const std::string& word, const std::string& reason) {
    return std::make_unique<RefusedMaker>(word, reason);
}

std::vector<std::unique_ptr<CpuMaker>> cpuMakers(const TimingRequest& request,
                                                 const JobContext& ctx) {
    std::vector<std::unique_ptr<CpuMaker>> makers;
    if (request.operation == Operation::Matmul) {
        addMatmulMakers(wordsOf(request), request, ctx, makers);
    } else {
        addAttentionMakers(wordsOf(request), request, ctx, makers);
    }
    std::erase_if(makers, [&](const std::unique_ptr<CpuMaker>& maker) {
        return !request.kernel.empty() && !matchesGlob(request.kernel, maker->title().kernel);
    });
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
    constexpr double kBits = 32;
    for (const CpuAttentionKind& kind : cpuAttentionKinds()) {
        offers.push_back(
            {Operation::Attention, std::string(kind.name), std::string(kind.title), kBits, {}});
    }
    return offers;
}

}  // namespace loupe::gpu
