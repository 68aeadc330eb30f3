// SPDX-License-Identifier: Apache-2.0
#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/formats/codec.hpp"
#include "core/formats/format_kernels.hpp"
#include "core/formats/kernel_setup.hpp"
#include "core/formats/rounding.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace loupe {

namespace {

/// Elements that go through one buffer in the first-level cache.
constexpr std::int64_t kBlock = 2048;
constexpr std::int64_t kChunk = std::int64_t{1} << 18;
/// From here on, results would push more out of the caches than a reader finds in them.
constexpr std::int64_t kStreamBytes = std::int64_t{32} << 20;

/// Rounds `count` values, returns the detail::Seen flags.
template <class In, class Out>
using Kernel = std::function<std::int32_t(const In*, Out*, std::int64_t, bool stream)>;

template <class In>
Result<std::uint64_t> encodeAt(const NumberFormat& format,
                               In value,
                               const EncodeOptions& options,
                               std::int64_t index) {
    EncodeOptions each = options;
    each.index = options.index + static_cast<std::uint64_t>(index);
    return encode(format, static_cast<double>(value), each);
}

/// The error of the first element that the format refuses.
template <class In>
Error firstRefused(const NumberFormat& format,
                   const In* in,
                   std::int64_t begin,
                   std::int64_t end,
                   const EncodeOptions& options) {
    for (std::int64_t i = begin; i < end; ++i) {
        const Result<std::uint64_t> code = encodeAt(format, in[i], options, i);
        if (!code) {
            return {code.error().code,
                    "element " + std::to_string(i) + ": " + code.error().what,
                    {},
                    {}};
        }
    }
    throw LogicError("a kernel refused what the codec takes");
}

/// The definition: one scalar encode (and decode) per element.
template <class In, class Out>
std::optional<Error> scalarChunk(const NumberFormat& format,
                                 const In* in,
                                 Out* out,
                                 std::int64_t begin,
                                 std::int64_t end,
                                 const EncodeOptions& options) {
    for (std::int64_t i = begin; i < end; ++i) {
        const Result<std::uint64_t> code = encodeAt(format, in[i], options, i);
        if (!code) {
            return firstRefused(format, in, i, i + 1, options);
        }
        if constexpr (std::is_same_v<Out, std::uint16_t>) {
            out[i] = static_cast<std::uint16_t>(*code);
        } else {
            out[i] = static_cast<Out>(decode(format, *code));
        }
    }
    return std::nullopt;
}

/// Elements up to the next 64-byte border of `out`.
std::int64_t untilAligned(const float* out) {
    const auto address = reinterpret_cast<std::uintptr_t>(out);
    return static_cast<std::int64_t>((64 - address % 64) % 64 / sizeof(float));
}

template <class In, class Out>
std::optional<Error> kernelChunk(const NumberFormat& format,
                                 const Kernel<In, Out>& kernel,
                                 const In* in,
                                 Out* out,
                                 std::int64_t begin,
                                 std::int64_t end,
                                 const EncodeOptions& options) {
    const std::int32_t wrong = detail::refused(format, options.overflow);
    // A refused element must still be found when in and out are the same.
    const bool buffered =
        wrong != 0 && static_cast<const void*>(in) == static_cast<const void*>(out);
    std::array<Out, kBlock> buffer;
    for (std::int64_t i = begin; i < end; i += kBlock) {
        const std::int64_t count = std::min(kBlock, end - i);
        Out* to = buffered ? buffer.data() : out + i;
        if ((kernel(in + i, to, count, false) & wrong) != 0) {
            return firstRefused(format, in, i, i + count, options);
        }
        if (buffered) {
            std::memcpy(out + i, to, static_cast<std::size_t>(count) * sizeof(Out));
        }
    }
    return std::nullopt;
}

/// kernelChunk() whose results go past the caches. @pre in and out are not the same
std::optional<Error> streamChunk(const NumberFormat& format,
                                 const Kernel<float, float>& kernel,
                                 const float* in,
                                 float* out,
                                 std::int64_t begin,
                                 std::int64_t end,
                                 const EncodeOptions& options) {
    const std::int64_t first = std::min(begin + untilAligned(out + begin), end);
    const std::int64_t last = first + (end - first) / 16 * 16;
    std::int32_t seen = kernel(in + begin, out + begin, first - begin, false);
    seen |= kernel(in + first, out + first, last - first, true);
    seen |= kernel(in + last, out + last, end - last, false);
    if ((seen & detail::refused(format, options.overflow)) != 0) {
        return firstRefused(format, in, begin, end, options);
    }
    return std::nullopt;
}

template <class In, class Out>
Result<void> overChunks(const NumberFormat& format,
                        const Kernel<In, Out>& kernel,
                        std::span<const In> in,
                        std::span<Out> out,
                        const EncodeOptions& options) {
    LOUPE_ASSERT(in.size() == out.size(), "one result per input");
    const auto count = static_cast<std::int64_t>(in.size());
    const bool same = static_cast<const void*>(in.data()) == static_cast<const void*>(out.data());
    const bool stream = !same && count * static_cast<std::int64_t>(sizeof(Out)) >= kStreamBytes;
    std::vector<std::optional<Error>> errors(
        static_cast<std::size_t>((count + kChunk - 1) / kChunk));
    parallelFor(count, kChunk, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
        std::optional<Error>& error = errors[static_cast<std::size_t>(chunk)];
        if (!kernel) {
            error = scalarChunk(format, in.data(), out.data(), begin, end, options);
            return;
        }
        if constexpr (std::is_same_v<In, float> && std::is_same_v<Out, float>) {
            if (stream) {
                error = streamChunk(format, kernel, in.data(), out.data(), begin, end, options);
                return;
            }
        }
        error = kernelChunk(format, kernel, in.data(), out.data(), begin, end, options);
    });
    for (std::optional<Error>& error : errors) {
        if (error) {
            return fail(std::move(*error));
        }
    }
    return {};
}

/// `kernel` with its parameters, as one function.
template <class In, class Parameters>
Kernel<In, In> bind(detail::FormatKernels::Round<In, Parameters> kernel,
                    const Parameters& parameters) {
    return [kernel, parameters](const In* in, In* out, std::int64_t count, bool stream) {
        return kernel(in, out, count, parameters, stream);
    };
}

template <class Parameters>
Kernel<float, std::uint16_t> bind(detail::FormatKernels::Encode<Parameters> kernel,
                                  const Parameters& parameters) {
    return [kernel, parameters](const float* in, std::uint16_t* out, std::int64_t count, bool) {
        return kernel(in, out, count, parameters);
    };
}

/// Formats whose kernels take any 16-bit code; the integers must also stay exact in FP32 sums.
bool isSmallInteger(const NumberFormat& format) {
    return format.kind == FormatKind::Integer && format.bits <= 16 && !detail::isBinary(format);
}

bool isKernelBook(const NumberFormat& format) {
    return format.kind == FormatKind::Codebook && format.codebook.size() == detail::kBookSize;
}

Kernel<float, float> roundKernel(const NumberFormat& format, const EncodeOptions& options) {
    const detail::FormatKernels& kernels = detail::formatKernels();
    if (options.rounding != Rounding::Nearest) {
        return nullptr;
    }
    if (detail::isMiniFloat(format)) {
        return bind(kernels.roundMini, detail::miniFloat(format, options.overflow));
    }
    if (detail::isShortFloat(format)) {
        return bind(kernels.roundShort, detail::shortFloat(format, options.overflow));
    }
    if (isSmallInteger(format)) {
        return bind(kernels.roundInteger, detail::integerRange(format));
    }
    return isKernelBook(format) ? bind(kernels.roundBook, detail::book(format)) : nullptr;
}

Kernel<double, double> roundKernelDouble(const NumberFormat& format, const EncodeOptions& options) {
    const bool narrow =
        detail::isMiniFloat(format) || (detail::isShortFloat(format) && format.id != "fp64");
    if (options.rounding != Rounding::Nearest || !narrow) {
        return nullptr;
    }
    return bind(detail::formatKernels().roundMiniDouble,
                detail::miniDouble(format, options.overflow));
}

Kernel<float, std::uint16_t> encodeKernel(const NumberFormat& format,
                                          const EncodeOptions& options) {
    const detail::FormatKernels& kernels = detail::formatKernels();
    if (options.rounding != Rounding::Nearest) {
        return nullptr;
    }
    if (detail::isMiniFloat(format)) {
        return bind(kernels.encodeMini, detail::miniFloat(format, options.overflow));
    }
    if (format.id == "bf16") {
        return bind(kernels.encodeShort, detail::shortFloat(format, options.overflow));
    }
    if (isSmallInteger(format)) {
        return bind(kernels.encodeInteger, detail::integerRange(format));
    }
    return isKernelBook(format) ? bind(kernels.encodeBook, detail::book(format)) : nullptr;
}

}  // namespace

Result<void> roundTrip(const NumberFormat& format,
                       std::span<const float> in,
                       std::span<float> out,
                       const EncodeOptions& options) {
    return overChunks(format, roundKernel(format, options), in, out, options);
}

Result<void> roundTrip(const NumberFormat& format,
                       std::span<const double> in,
                       std::span<double> out,
                       const EncodeOptions& options) {
    return overChunks(format, roundKernelDouble(format, options), in, out, options);
}

Result<void> encodeArray(const NumberFormat& format,
                         std::span<const float> in,
                         std::span<std::uint16_t> codes,
                         const EncodeOptions& options) {
    LOUPE_ASSERT(format.bits <= 16, "codes of at most 16 bits");
    return overChunks(format, encodeKernel(format, options), in, codes, options);
}

}  // namespace loupe
