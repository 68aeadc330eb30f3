// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/tensor_source.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace loupe::packed {

/// One stored tensor of a packed one, as bytes.
class Part {
public:
    Part() = default;
    /// @errors the tensor's own problem; Unsupported where its bytes do not lie in memory and are
    /// more than kMostCopied
    [[nodiscard]] static Result<Part> open(const TensorSource& stored, std::size_t index);

    [[nodiscard]] const TensorInfo& info() const noexcept { return info_; }
    [[nodiscard]] bool there() const noexcept { return rows_ != nullptr; }
    [[nodiscard]] std::int64_t elements() const noexcept { return elements_; }
    [[nodiscard]] std::int64_t bytes() const noexcept { return bytes_; }
    /// The bytes, row after row as stored, whatever the layout says of the matrix.
    /// @errors Damaged: the file was changed since it was opened
    [[nodiscard]] Result<std::span<const std::byte>> data() const;
    /// Elements [first, first + count) as numbers.
    void decode(std::span<const std::byte> data,
                std::int64_t first,
                std::int64_t count,
                float* out) const;
    /// Reads the elements as another type of the same width (E8M0 scales stored as U8).
    void readAs(std::string_view type);
    [[nodiscard]] const StorageType& type() const noexcept { return *type_; }
    void release(std::int64_t firstByte, std::int64_t count) const;

    static constexpr std::int64_t kMostCopied = 256 << 20;

private:
    TensorInfo info_;
    const StorageType* type_ = nullptr;
    std::shared_ptr<const RowSource> rows_;
    std::shared_ptr<const std::vector<std::byte>> copy_;  ///< where the bytes do not lie in memory
    std::int64_t elements_ = 0;
    std::int64_t bytes_ = 0;
};

/// Group of each input from a g_idx; empty where that is i / groupSize anyway.
/// @errors Damaged: shorter than the inputs, or a group that there is none of
[[nodiscard]] Result<std::vector<std::int32_t>> readGroupIndex(const Part& gIdx,
                                                               std::int64_t inputs,
                                                               std::int64_t groups,
                                                               std::int64_t groupSize);

/// What a library's arithmetic rounds a product to.
enum class Result16 : std::uint8_t { Fp32, Fp16, Bf16 };

/// By the dtype of the scales; Fp32 for anything but fp16 and bf16.
[[nodiscard]] Result16 resultOf(std::string_view type);
[[nodiscard]] std::string_view nameOf(Result16 result);

/// Nearest FP16 value, ties to even; 65520 and more give infinity.
[[nodiscard]] inline float roundToHalf(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
    const std::uint32_t sign = bits & 0x80000000U;
    if (magnitude >= 0x477FF000U) {
        return magnitude > 0x7F800000U ? value : std::bit_cast<float>(sign | 0x7F800000U);
    }
    if (magnitude < 0x38800000U) {  // below 2^-14: steps of 2^-24, as beside one half
        const float rounded = (std::bit_cast<float>(magnitude) + 0.5F) - 0.5F;
        return std::bit_cast<float>(std::bit_cast<std::uint32_t>(rounded) | sign);
    }
    return std::bit_cast<float>((bits + 0xFFFU + ((bits >> 13U) & 1U)) & 0xFFFFE000U);
}

/// Nearest BF16 value, ties to even.
[[nodiscard]] inline float roundToBf16(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
        return value;
    }
    return std::bit_cast<float>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) & 0xFFFF0000U);
}

[[nodiscard]] inline float roundTo(Result16 result, float value) {
    return result == Result16::Fp32   ? value
           : result == Result16::Bf16 ? roundToBf16(value)
                                      : roundToHalf(value);
}

/// A 32-bit word, wherever it lies.
[[nodiscard]] inline std::uint32_t wordAt(const std::byte* data, std::int64_t index) {
    std::uint32_t word = 0;
    std::memcpy(&word, data + index * 4, sizeof word);
    return word;
}

}  // namespace loupe::packed
