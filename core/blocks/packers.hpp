// SPDX-License-Identifier: Apache-2.0
// ggml's reference quantizers without an importance matrix, byte for byte: FP32 throughout, one
// rounding for each operation, nothing contracted, sums from the first element upward.
#pragma once

#include <cstddef>
#include <cstdint>

namespace loupe::blocks {

/// Encodes `count` whole blocks of finite values.
using Pack = void (*)(const float* values, std::int64_t count, std::byte* blocks);

/// One quantizer for each block type that has one.
struct Packers {
    Pack q4_0;
    Pack q4_1;
    Pack q5_0;
    Pack q5_1;
    Pack q8_0;
    Pack q8_1;
    Pack q8_k;
    Pack q1_0;
    Pack q2_0;
    Pack q2_k;
    Pack q3_k;
    Pack q4_k;
    Pack q5_k;
    Pack q6_k;
    Pack iq4_nl;
    Pack iq4_xs;
    Pack tq1_0;
    Pack tq2_0;
    Pack ggml_mxfp4;
    Pack ggml_nvfp4;
};

/// The definitions, one element after the other: what the fast ones are compared with.
[[nodiscard]] const Packers& referencePackers();

/// The fast ones for cpuTarget(): the same bytes.
[[nodiscard]] const Packers& packers();

/// The member as a plain function, for a layout's `pack`.
template <Pack Packers::*kMember>
void packWith(const float* values, std::int64_t count, std::byte* blocks) {
    (packers().*kMember)(values, count, blocks);
}

/// ggml's quantize_row_iq4_nl_ref, which tries one scale where the quantizer of files (iq4_nl
/// above) tries sixteen. A block of zeros gets the codes of zero (ggml leaves those of the block
/// before).
void packIq4NlOneScale(const float* values, std::int64_t count, std::byte* blocks);

}  // namespace loupe::blocks
