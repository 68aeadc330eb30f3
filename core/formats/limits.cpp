// SPDX-License-Identifier: Apache-2.0
#include "core/formats/codec.hpp"
#include "core/formats/number_format.hpp"
#include "core/formats/rounding.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace loupe {

namespace {

constexpr double kLog10Of2 = 0.30102999566398120;

FormatLimits floatLimits(const NumberFormat& format) {
    const FloatLayout& layout = format.floating;
    const detail::FloatCodes codes = detail::floatCodes(layout);
    const std::uint64_t firstNormal = layout.hasZero ? std::uint64_t{1} << layout.mantissaBits : 0;
    FormatLimits limits;
    limits.max = decode(format, codes.maxFinite);
    limits.min = layout.hasSign ? -limits.max : decode(format, 0);
    limits.minNormal = decode(format, firstNormal);
    if (layout.hasZero) {
        limits.minSubnormal = decode(format, 1);
        const int precision = layout.mantissaBits + 1;
        limits.decimalDigits = std::round(precision * kLog10Of2 * 100) / 100;
        limits.digits10 = static_cast<int>(std::floor((precision - 1) * kLog10Of2));
        limits.maxDigits10 = static_cast<int>(std::ceil(1 + precision * kLog10Of2));
    }
    limits.epsilon = std::ldexp(1.0, -layout.mantissaBits);
    limits.hasInfinity = layout.specials == Specials::Ieee;
    limits.hasNan = layout.specials != Specials::None;
    limits.finiteValues = codes.maxFinite + 1;
    if (layout.hasSign) {
        limits.finiteValues +=
            codes.maxFinite + (layout.specials == Specials::NanNegativeZero ? 0 : 1);
    }
    return limits;
}

}  // namespace

FormatLimits limits(const NumberFormat& format) {
    FormatLimits limits;
    switch (format.kind) {
        case FormatKind::Float:
            return floatLimits(format);
        case FormatKind::Integer:
            limits.min = static_cast<double>(format.integer.min);
            limits.max = static_cast<double>(format.integer.max);
            limits.finiteValues =
                detail::isBinary(format)
                    ? 2
                    : static_cast<std::uint64_t>(format.integer.max - format.integer.min + 1);
            break;
        case FormatKind::Codebook: {
            const auto [least, most] =
                std::minmax_element(format.codebook.begin(), format.codebook.end());
            limits.min = static_cast<double>(*least);
            limits.max = static_cast<double>(*most);
            limits.finiteValues = format.codebook.size();
            break;
        }
        case FormatKind::Block:
            break;
    }
    return limits;
}

}  // namespace loupe
