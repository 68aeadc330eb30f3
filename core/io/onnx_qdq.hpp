// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/onnx_store.hpp"

#include <memory>
#include <span>
#include <string>

namespace loupe {

/// How an element finds its scale and zero point.
struct OnnxScaleMap {
    std::int64_t inner = 1;   ///< elements from one step along the axis to the next
    std::int64_t size = 1;    ///< of the axis
    std::int64_t block = 0;   ///< 0: one scale for each step, or for all
    std::int64_t blocks = 1;  ///< along the axis
    bool single = true;       ///< one for all

    [[nodiscard]] std::int64_t operator()(std::int64_t element) const {
        if (single) {
            return 0;
        }
        const std::int64_t along = element / inner % size;
        if (block == 0) {
            return along;
        }
        return (element / (inner * size) * blocks + along / block) * inner + element % inner;
    }
};

/// Empty where the scale's dimensions fit, else what was expected.
[[nodiscard]] std::string mapOnnxScales(const OnnxTensor& codes,
                                        const OnnxTensor& scale,
                                        const OnnxDequantize& made,
                                        OnnxScaleMap& map);
/// Position among the stored codes of (row, col) of the logical matrix.
[[nodiscard]] std::int64_t storedElementOf(const TensorInfo& tensor,
                                           std::int64_t row,
                                           std::int64_t col);

/// Why stored codes, scales and zero points do not make one tensor; empty: they do.
[[nodiscard]] std::string doubtDequantize(const OnnxStore& store, const OnnxDequantize& made);
/// The logical tensor: the codes' shape and name (without "_quantized"), the bytes of all parts.
/// `stored` are the model's tensors by the names that they are listed under.
[[nodiscard]] TensorInfo dequantizedInfo(const OnnxStore& store,
                                         std::span<const TensorInfo> stored,
                                         const OnnxDequantize& made);
/// y = (x - zero) * scale in single precision, rounded to the scale's type, as the operator is
/// defined. Scales and zero points are read into memory.
[[nodiscard]] Result<std::shared_ptr<const RowSource>> dequantizedRows(const TensorInfo& tensor,
                                                                       const OnnxStore& store,
                                                                       const OnnxDequantize& made);
/// The weight at (row, col) and those of its row that share its scale, at most 256: code, scale and
/// zero point, each in its own tensor. Numbers that are kept one by one are shown by the bits of
/// their varints.
/// @errors Invalid outside of the matrix; Damaged
[[nodiscard]] Result<BlockView> dequantizedBlock(const TensorInfo& tensor,
                                                 const OnnxStore& store,
                                                 std::span<const TensorInfo> stored,
                                                 const OnnxDequantize& made,
                                                 std::int64_t row,
                                                 std::int64_t col);

}  // namespace loupe
