// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/bench/bench.hpp"

namespace loupe {
struct BlockLayout;
}

namespace loupe::bench {

/// `bench quant` for a block type of ggml's: goals 5 and 6. With `--verify` also compares every
/// byte with the peer's.
void quantGgml(const BlockLayout& layout,
               std::int64_t rows,
               std::int64_t cols,
               const Options& options);

}  // namespace loupe::bench
