// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <string>

#include "core/base/assert.hpp"
#include "core/formats/codec.hpp"

namespace loupe {

namespace {

/// The definition: one scalar encode and decode per element.
template <class T>
Result<void> roundEach(const NumberFormat& format, std::span<const T> in, std::span<T> out, const EncodeOptions& options) {
    LOUPE_ASSERT(in.size() == out.size(), "one result per input");
    EncodeOptions each = options;
    for (std::size_t i = 0; i < in.size(); ++i) {
        each.index = options.index + i;
        const Result<std::uint64_t> code = encode(format, static_cast<double>(in[i]), each);
        if (!code) {
            return fail(code.error().code, "element " + std::to_string(each.index) + ": " + code.error().what);
        }
        out[i] = static_cast<T>(decode(format, *code));
    }
    return {};
}

}  // namespace

Result<void> roundTrip(const NumberFormat& format, std::span<const float> in, std::span<float> out, const EncodeOptions& options) {
    return roundEach(format, in, out, options);
}

Result<void> roundTrip(const NumberFormat& format, std::span<const double> in, std::span<double> out, const EncodeOptions& options) {
    return roundEach(format, in, out, options);
}

Result<void> encodeArray(const NumberFormat& format,
                         std::span<const float> in,
                         std::span<std::uint16_t> codes,
                         const EncodeOptions& options) {
    LOUPE_ASSERT(in.size() == codes.size(), "one code per input");
    LOUPE_ASSERT(format.bits <= 16, "codes of at most 16 bits");
    EncodeOptions each = options;
    for (std::size_t i = 0; i < in.size(); ++i) {
        each.index = options.index + i;
        const Result<std::uint64_t> code = encode(format, static_cast<double>(in[i]), each);
        if (!code) {
            return fail(code.error().code, "element " + std::to_string(each.index) + ": " + code.error().what);
        }
        codes[i] = static_cast<std::uint16_t>(*code);
    }
    return {};
}

}  // namespace loupe
