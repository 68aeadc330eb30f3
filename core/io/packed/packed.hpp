// SPDX-License-Identifier: Apache-2.0
// Packed checkpoint schemes: several stored tensors (codes, scales, zero points, indices) that make
// one matrix of weights. One file and one line in packed.def per scheme; makeLogicalSource() wraps
// any source with them.
#pragma once

#include "core/io/packed/parts.hpp"
#include "core/io/packed/quant_config.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace loupe::packed {

/// Longest side of a packed matrix: keeps every product of sizes far from overflow.
inline constexpr std::int64_t kMostSide = std::int64_t{1} << 28;

/// A packed matrix whose parts were checked against each other. Thread-safe.
class PackedMatrix {
public:
    virtual ~PackedMatrix() = default;
    PackedMatrix(const PackedMatrix&) = delete;
    PackedMatrix& operator=(const PackedMatrix&) = delete;

    [[nodiscard]] std::int64_t rows() const noexcept { return rows_; }
    [[nodiscard]] std::int64_t cols() const noexcept { return cols_; }
    /// Rows [first, first + count) as the format's own library dequantizes them.
    [[nodiscard]] virtual Result<void> read(std::int64_t first,
                                            std::int64_t count,
                                            float* out) const = 0;
    /// The group of the weight at (row, col), at most kMostCells weights of it.
    [[nodiscard]] virtual Result<BlockView> block(std::int64_t row, std::int64_t col) const = 0;
    /// The rows were read and are not needed soon.
    virtual void release(std::int64_t first, std::int64_t count) const;

protected:
    PackedMatrix(std::int64_t rows, std::int64_t cols) : rows_(rows), cols_(cols) {}

private:
    std::int64_t rows_;
    std::int64_t cols_;
};

/// The stored tensors, by name.
class StoredTensors {
public:
    explicit StoredTensors(const TensorSource& source, QuantConfig config);

    [[nodiscard]] const TensorSource& source() const noexcept { return *source_; }
    [[nodiscard]] const QuantConfig& config() const noexcept { return config_; }
    [[nodiscard]] const TensorInfo& operator[](std::size_t index) const;
    [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;
    /// find(stem + suffix)
    [[nodiscard]] std::optional<std::size_t> find(std::string_view stem,
                                                  std::string_view suffix) const;
    /// Null where there is none of that name.
    [[nodiscard]] const TensorInfo* info(std::optional<std::size_t> index) const;
    /// The bytes of a small tensor (a shape, a description). @errors the tensor's own; larger than
    /// 64 KiB
    [[nodiscard]] Result<std::vector<std::byte>> smallBytes(std::size_t index) const;

private:
    const TensorSource* source_;
    QuantConfig config_;
    std::unordered_map<std::string_view, std::size_t> byName_;
};

using OpenMatrix =
    std::function<Result<std::shared_ptr<const PackedMatrix>>(const TensorSource& stored)>;

/// A logical tensor that a scheme recognised.
struct Found {
    std::string name;                 ///< "model.layers.0.mlp.up_proj.weight"
    std::string quantization;         ///< "gptq"
    std::string dtype;                ///< of one code: "uint4", "nf4", "fp8_e4m3"
    std::vector<std::size_t> parts;   ///< stored tensors, the one with the codes first
    std::vector<std::int64_t> shape;  ///< [out, in] or [experts, out, in]; empty: unknown
    std::int64_t rows = 0;            ///< as a matrix; 0: all dimensions but the last
    std::int64_t groupRows = 0;       ///< as PackedInfo
    std::int64_t groupCols = 0;
    std::optional<bool> symmetric;
    std::optional<bool> actOrder;
    MaybeError problem;               ///< why it cannot be read; `open` is then not called
    std::vector<std::string> doubts;  ///< what config and tensors disagree about, without names
    OpenMatrix open;
};

/// One way of packing. Registered in packed.def.
struct PackedScheme {
    std::string_view id;
    std::string_view source;  ///< where the format is defined
    /// Is stored tensor `index` the one that leads a packed tensor of this scheme (its codes, or
    /// the first of its other parts where the codes are missing)?
    std::optional<Found> (*match)(const StoredTensors& stored, std::size_t index) = nullptr;
};

[[nodiscard]] std::span<const PackedScheme* const> allPackedSchemes();

/// Name without the suffix, or empty.
[[nodiscard]] std::optional<std::string_view> stemOf(std::string_view name,
                                                     std::string_view suffix);
/// A Found that cannot be read.
[[nodiscard]] Found refused(Found found,
                            ErrorCode code,
                            std::string what,
                            const StoredTensors& stored);
/// "[4, 8]"
[[nodiscard]] std::string shapeText(const std::vector<std::int64_t>& shape);
/// ceil(a / b) of a >= 0, b > 0, without overflow.
[[nodiscard]] constexpr std::int64_t ceilDiv(std::int64_t a, std::int64_t b) {
    return a / b + (a % b != 0 ? 1 : 0);
}

}  // namespace loupe::packed

namespace loupe {

/// The logical view of a source: one tensor for each packed matrix of weights, its parts hidden,
/// everything else as it is. Gives `stored` itself back where nothing is packed.
/// `config` is config.json's text (or empty); `folder` (or empty) is searched for
/// quantize_config.json, quant_config.json and hf_quant_config.json.
[[nodiscard]] std::shared_ptr<const TensorSource> makeLogicalSource(
    std::shared_ptr<const TensorSource> stored,
    const std::string& config,
    const std::filesystem::path& folder);

}  // namespace loupe
