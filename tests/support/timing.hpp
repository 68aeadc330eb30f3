// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>

namespace loupe::test {

/// Wall-clock limits are judged only where the caller says that the machine is quiet: LOUPE_TEST_TIMING=1. Elsewhere the
/// figures are printed, and what is checked does not depend on who else uses the processor.
[[nodiscard]] inline bool judgesTiming() { return std::getenv("LOUPE_TEST_TIMING") != nullptr; }

}  // namespace loupe::test
