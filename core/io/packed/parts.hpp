// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/tensor_source.hpp"

#include <cstddef>
#include <cstdint>
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
[[nodiscard]] float roundTo(Result16 result, float value);

/// A 32-bit word, wherever it lies.
[[nodiscard]] std::uint32_t wordAt(const std::byte* data, std::int64_t index);

}  // namespace loupe::packed
