// SPDX-License-Identifier: Apache-2.0
// The parts of cpuMakers(), one for each operation.
#pragma once

#include "gpu/cpu/cpu_cases.hpp"

#include <memory>
#include <string>
#include <vector>

namespace loupe::gpu {

/// A word that nothing here answers to, or a library that is not there.
[[nodiscard]] std::unique_ptr<CpuMaker> refusedMaker(const std::string& word,
                                                     const std::string& reason);

void addMatmulMakers(const std::vector<std::string>& words,
                     const TimingRequest& request,
                     const JobContext& ctx,
                     std::vector<std::unique_ptr<CpuMaker>>& makers);
void addAttentionMakers(const std::vector<std::string>& words,
                        const TimingRequest& request,
                        const JobContext& ctx,
                        std::vector<std::unique_ptr<CpuMaker>>& makers);

}  // namespace loupe::gpu
