// SPDX-License-Identifier: Apache-2.0
// The kernels that were built in: a generated file lists the table of every family.
#pragma once

#include "gpu/simt/runtime.hpp"

#include <span>

namespace loupe::gpu::simt {

struct EntryTable {
    std::span<const Entry> fast;
    std::span<const Entry> checked;
};
[[nodiscard]] std::span<const EntryTable> entryTables();

}  // namespace loupe::gpu::simt
