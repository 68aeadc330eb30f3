// SPDX-License-Identifier: Apache-2.0
// The operands of a request, which kernels take it, and whether an output is right. Serves the
// driver and the executor alike.
#pragma once

#include "gpu/kernels/kernel.hpp"
#include "gpu/timing/backend.hpp"

#include <span>
#include <string>
#include <vector>

namespace loupe::gpu {

/// The output of one run, as it lies in memory, and what it was computed from.
struct OutputToCheck {
    ElementType type = ElementType::Float32;
    std::span<const std::byte> bytes;
    /// Operands as the kernel held them, decoded; empty: the problem's own.
    std::span<const float> x;
    std::span<const float> w;
    std::span<const float> v;
    /// What an output of bare codes must be multiplied by before it is compared with the operands
    /// before quantization; empty: 1.
    std::vector<float> rowScale;
    std::vector<float> columnScale;
    double tolerance = 0;
};

/// Makes the operands once and remembers the last references, which cost more than the runs.
class Problem {
public:
    Problem(const TimingRequest& request, const JobContext& ctx);

    [[nodiscard]] const TimingRequest& request() const { return request_; }
    [[nodiscard]] const MatmulProblem& matmul();
    [[nodiscard]] const AttentionProblem& attention();
    [[nodiscard]] LaunchPlan plan(const Kernel& kernel);
    /// Compares with FP64: everything where that is at most 2^31 operations, else 64 rows with the
    /// borders among them, and looks whether all of the output is finite. A value that is not makes
    /// relFro NaN.
    [[nodiscard]] CheckRecord check(const OutputToCheck& output);

private:
    struct Reference {
        std::vector<float> x;
        std::vector<float> w;
        std::vector<float> v;
        std::vector<double> values;
    };
    [[nodiscard]] const std::vector<double>& reference(const OutputToCheck& output);
    [[nodiscard]] std::vector<double> compute(std::span<const float> x,
                                              std::span<const float> w,
                                              std::span<const float> v);

    TimingRequest request_;
    const JobContext& ctx_;
    MatmulProblem matmul_;
    AttentionProblem attention_;
    std::vector<std::int64_t> rows_;  ///< that are compared; empty: all
    std::vector<double> original_;    ///< reference of the operands before quantization
    Reference last_;
};

/// Rows and columns of the output as a matrix.
[[nodiscard]] std::int64_t outputRows(const TimingRequest& request);
[[nodiscard]] std::int64_t outputColumns(const TimingRequest& request);
[[nodiscard]] double operations(const TimingRequest& request);

/// Kernels that the request names, in the order of the families; `word` empty: of all its words.
[[nodiscard]] std::vector<const Kernel*> kernelsFor(const TimingRequest& request);
/// The words of a request, "all" resolved by what the kernels and `more` offer.
[[nodiscard]] std::vector<std::string> wordsOf(const TimingRequest& request,
                                               const std::vector<std::string>& more);
/// One offer a word of the kernels, in their order.
[[nodiscard]] std::vector<Offer> kernelOffers();
/// "4-bit weights, 16-bit activations"; of a word without a title the word.
[[nodiscard]] std::string titleOf(Operation operation, std::string_view word);

/// A record of this case with device, kernel and case filled in, and no figure.
[[nodiscard]] RunRecord recordFor(const TimingRequest& request, std::string_view backend);
void describeKernel(RunRecord& record, const Kernel& kernel, const TimingRequest& request);
[[nodiscard]] EnvironmentRecord environmentNow();

}  // namespace loupe::gpu
