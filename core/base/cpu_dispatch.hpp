// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

namespace loupe {

/// Instruction sets that hot kernels are compiled for (x86-64 micro-architecture levels of the psABI).
///
/// A kernel family is one `<name>_kernels.inc`, included by `<name>_baseline.cpp`, `<name>_v3.cpp` and `<name>_v4.cpp`,
/// each of which defines `LOUPE_KERNEL_TARGET` to baseline, v3 or v4 and exports one table of function pointers and
/// nothing else. The .inc holds plain loops in an anonymous namespace and includes no header with inline functions of
/// ours, no Eigen and no containers: an inline function compiled for v4 could be the copy that the linker keeps for all.
enum class CpuTarget { Baseline, V3, V4 };

/// The best target of this machine, or what LOUPE_CPU=baseline|v3|v4 asks for if the machine has it.
[[nodiscard]] CpuTarget cpuTarget();

/// Every target that this build and this machine can run, worst first: tests run all of them.
[[nodiscard]] std::vector<CpuTarget> availableCpuTargets();

[[nodiscard]] std::string_view cpuTargetName(CpuTarget target);

/// Overrides cpuTarget() until called again with the value it returned; for tests and benchmarks.
CpuTarget setCpuTarget(CpuTarget target);

}  // namespace loupe
