// SPDX-License-Identifier: Apache-2.0
// The codebooks of ggml's IQ1, IQ2 and IQ3 formats: vectors of eight or four small integers.
#pragma once

#include <cstdint>

namespace loupe::blocks {

/// Entries of one integer, one byte for each value, the first value in the lowest byte.
struct IqGrids {
    std::uint64_t iq2Xxs[256];
    std::uint64_t iq2Xs[512];
    std::uint64_t iq2S[1024];
    std::uint64_t iq1S[2048];  ///< signed, eight times the value: -8, 0, 8 (IQ1_M too)
    std::uint32_t iq3Xxs[256];
    std::uint32_t iq3S[512];
};

extern const IqGrids kIqGrids;

}  // namespace loupe::blocks
