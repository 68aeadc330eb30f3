// SPDX-License-Identifier: Apache-2.0
// Inside core/formats only: from a NumberFormat to the parameters of the kernels.
#pragma once

#include "core/formats/codec.hpp"
#include "core/formats/format_kernels.hpp"

namespace loupe::detail {

/// Whether MiniFloat describes it: a signed float that is narrower than FP32 in range.
[[nodiscard]] bool isMiniFloat(const NumberFormat& format);
/// Whether ShortFloat describes it for float input: FP32 and its truncations, and FP64.
[[nodiscard]] bool isShortFloat(const NumberFormat& format);

[[nodiscard]] MiniFloat miniFloat(const NumberFormat& format, Overflow overflow);
[[nodiscard]] MiniDouble miniDouble(const NumberFormat& format, Overflow overflow);
[[nodiscard]] ShortFloat shortFloat(const NumberFormat& format, Overflow overflow);
[[nodiscard]] IntegerRange integerRange(const NumberFormat& format);
[[nodiscard]] Book book(const NumberFormat& format);

/// The Seen flags that encode() would refuse.
[[nodiscard]] std::int32_t refused(const NumberFormat& format, Overflow overflow);

}  // namespace loupe::detail
