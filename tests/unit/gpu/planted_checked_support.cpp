// SPDX-License-Identifier: Apache-2.0
// The checked build of the test kernels. They read like CUDA: unsigned coordinates meet int sizes.
#define SIMT_CHECKED 1
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wunused-function"
#include "gpu/simt/simt.hpp"
#include "tests/unit/gpu/planted/bugs.hpp"
#include "tests/unit/gpu/planted_support.hpp"

namespace {

using loupe::test::Planted;

#include "tests/unit/gpu/planted/entries.inc"

}  // namespace

std::span<const loupe::gpu::simt::Entry> loupe::test::checkedPlantedEntries() {
    return simtEntriesOf_planted;
}
