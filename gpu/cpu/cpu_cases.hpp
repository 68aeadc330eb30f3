// SPDX-License-Identifier: Apache-2.0
// What the CPU backend needs of a case, whether it is a product or attention, ours or a library's.
#pragma once

#include "core/base/job.hpp"
#include "gpu/kernels/kernel.hpp"
#include "gpu/timing/backend.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace loupe::gpu {

/// Operands packed, ready to run again and again.
class CpuCase {
public:
    CpuCase() = default;
    CpuCase(const CpuCase&) = delete;
    CpuCase& operator=(const CpuCase&) = delete;
    virtual ~CpuCase() = default;
    [[nodiscard]] virtual std::string kernel() const = 0;
    virtual void run(const JobContext& ctx) = 0;  ///< @throws Cancelled
    [[nodiscard]] virtual std::span<float> output() = 0;
    [[nodiscard]] virtual std::int64_t width() const = 0;  ///< of a row of the output
    [[nodiscard]] virtual double tolerance() const = 0;
    [[nodiscard]] virtual KernelCost cost() const = 0;
    /// Whether its operands differ from the problem's.
    [[nodiscard]] virtual bool holdsOwnOperands() const = 0;
    /// FP64 rows of the output, from its own operands or from the problem's.
    [[nodiscard]] virtual std::vector<double> reference(bool own,
                                                        std::span<const std::int64_t> rows,
                                                        const JobContext& ctx) const = 0;
    [[nodiscard]] virtual double referenceCost() const = 0;  ///< multiply-adds of a row
};

struct CpuCaseTitle {
    std::string kernel;   ///< until it is made: what it will probably be
    std::string library;  ///< of a peer; empty: ours
    std::string version;
    std::string format;
    std::string a;
    std::string b;
    std::string accumulator;
    std::string output;
};

/// A case that can be made when its turn comes: the operands of all would not fit in memory.
class CpuMaker {
public:
    CpuMaker() = default;
    CpuMaker(const CpuMaker&) = delete;
    CpuMaker& operator=(const CpuMaker&) = delete;
    virtual ~CpuMaker() = default;
    [[nodiscard]] virtual CpuCaseTitle title() const = 0;
    [[nodiscard]] virtual std::string refuses() const = 0;  ///< empty: it can run
    /// Null where it turns out that it cannot: refuses() then says why.
    [[nodiscard]] virtual std::unique_ptr<CpuCase> make(const JobContext& ctx) = 0;
};

/// Every case of a request in order, each followed by its peers.
[[nodiscard]] std::vector<std::unique_ptr<CpuMaker>> cpuMakers(const TimingRequest& request,
                                                               const JobContext& ctx);
[[nodiscard]] std::vector<Offer> cpuOffers();

}  // namespace loupe::gpu
