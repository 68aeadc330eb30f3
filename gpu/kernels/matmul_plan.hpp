// SPDX-License-Identifier: Apache-2.0
// Parts that the plans of matrix products share.
#pragma once

#include "gpu/kernels/kernel.hpp"

#include <span>
#include <string>
#include <vector>

namespace loupe::gpu {

/// Symmetric int8 codes with one scale a row, by core's absmax quantizer.
struct Int8Rows {
    std::vector<std::int8_t> codes;  ///< [rows, cols]
    std::vector<float> scales;       ///< [rows]
    std::vector<float> decoded;      ///< scale·code, as the kernel's FP32 would have it
};
[[nodiscard]] Int8Rows quantizeRows(std::span<const float> values,
                                    std::int64_t rows,
                                    std::int64_t cols,
                                    const JobContext& ctx);

/// An input whose bytes are those of `values`.
template <class T>
[[nodiscard]] Buffer inputBuffer(std::string name, ElementType type, std::span<const T> values) {
    const auto bytes = std::as_bytes(values);
    return {std::move(name),
            BufferRole::Input,
            type,
            bytes.size(),
            std::vector<std::byte>(bytes.begin(), bytes.end())};
}
/// FP32 memory of the output.
[[nodiscard]] Buffer outputBuffer(std::string name, std::int64_t elements);

[[nodiscard]] constexpr unsigned blocksFor(std::int64_t size, std::int64_t tile) {
    return static_cast<unsigned>((size + tile - 1) / tile);
}

}  // namespace loupe::gpu
