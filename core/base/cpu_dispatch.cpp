// SPDX-License-Identifier: Apache-2.0
#include "core/base/cpu_dispatch.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>

namespace loupe {

namespace {

bool machineHas(CpuTarget target) {
#if defined(LOUPE_X86_DISPATCH)
    switch (target) {
        case CpuTarget::Baseline:
            return true;
        case CpuTarget::V3:
            return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                   __builtin_cpu_supports("bmi2");
        case CpuTarget::V4:
            return machineHas(CpuTarget::V3) && __builtin_cpu_supports("avx512f") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    }
    return false;
#else
    return target == CpuTarget::Baseline;
#endif
}

CpuTarget initialTarget() {
    const std::vector<CpuTarget> targets = availableCpuTargets();
    // Read once, before any other thread of ours runs.
    if (const char* wish = std::getenv("LOUPE_CPU")) {
        for (const CpuTarget target : targets) {
            if (cpuTargetName(target) == wish) {
                return target;
            }
        }
    }
    return targets.back();
}

std::atomic<CpuTarget>& current() {
    static std::atomic<CpuTarget> target{initialTarget()};
    return target;
}

}  // namespace

CpuTarget cpuTarget() { return current().load(std::memory_order_relaxed); }

std::vector<CpuTarget> availableCpuTargets() {
    std::vector<CpuTarget> targets{CpuTarget::Baseline, CpuTarget::V3, CpuTarget::V4};
    targets.erase(std::remove_if(targets.begin(), targets.end(), [](CpuTarget t) { return !machineHas(t); }),
                  targets.end());
    return targets;
}

std::string_view cpuTargetName(CpuTarget target) {
    switch (target) {
        case CpuTarget::Baseline:
            return "baseline";
        case CpuTarget::V3:
            return "v3";
        case CpuTarget::V4:
            return "v4";
    }
    return "baseline";
}

CpuTarget setCpuTarget(CpuTarget target) { return current().exchange(target); }

}  // namespace loupe
