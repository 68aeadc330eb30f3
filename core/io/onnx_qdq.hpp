// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/onnx_store.hpp"

#include <memory>
#include <string>

namespace loupe {

/// Why stored codes, scales and zero points do not make one tensor; empty: they do.
[[nodiscard]] std::string doubtDequantize(const OnnxStore& store, const OnnxDequantize& made);
/// The logical tensor: the codes' shape and name (without "_quantized"), the bytes of all parts.
[[nodiscard]] TensorInfo dequantizedInfo(const OnnxStore& store, const OnnxDequantize& made);
/// y = (x - zero) * scale in single precision, rounded to the scale's type, as the operator is
/// defined. Scales and zero points are read into memory.
[[nodiscard]] Result<std::shared_ptr<const RowSource>> dequantizedRows(const TensorInfo& tensor,
                                                                       const OnnxStore& store,
                                                                       const OnnxDequantize& made);

}  // namespace loupe
