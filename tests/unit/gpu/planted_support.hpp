// SPDX-License-Identifier: Apache-2.0
// Test kernels of tests/unit/gpu/planted/ in both builds.
#pragma once

#include "gpu/simt/runtime.hpp"

#include <span>

namespace loupe::test {

[[nodiscard]] std::span<const gpu::simt::Entry> fastPlantedEntries();
[[nodiscard]] std::span<const gpu::simt::Entry> checkedPlantedEntries();

}  // namespace loupe::test
