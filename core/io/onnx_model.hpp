// SPDX-License-Identifier: Apache-2.0
// What an ONNX model says of its tensors: initialisers and constants of all graphs, and the nodes
// that use them (spec/formats.md C.5). Values stay in the file.
#pragma once

#include "core/formats/storage_type.hpp"
#include "core/io/protobuf.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace loupe {

/// Where a TensorProto keeps its values.
enum class OnnxData : std::uint8_t {
    None,      ///< no values at all
    Raw,       ///< raw_data, or packed floats: elements as they are
    Typed,     ///< numbers to be decoded one by one
    External,  ///< another file
};

/// An initialiser, a constant of a node, or an attribute that is one.
struct OnnxTensor {
    std::string name;  ///< with the path of its graph
    std::vector<std::int64_t> dims;
    std::int64_t dataType = 0;
    const StorageType* type = nullptr;
    std::string dtypeName;
    OnnxData data = OnnxData::None;
    std::uint64_t begin = 0;  ///< Raw: of the elements; Typed: of the message
    std::uint64_t end = 0;
    std::uint64_t at = 0;  ///< of the message, in the model's file
    std::vector<std::pair<std::string, std::string>> external;
    bool scalarAttribute = false;  ///< value_float, value_ints, ...: the numbers of an attribute
    MaybeError problem;
};

/// y = (x - zero) * scale over stored tensors.
struct OnnxDequantize {
    std::string name;  ///< of its output, with the path of its graph
    std::size_t codes = 0;
    std::size_t scale = 0;
    std::optional<std::size_t> zero;
    std::int64_t axis = 1;
    std::int64_t block = 0;
    bool inOut = false;
};

struct OnnxModel {
    std::vector<OnnxTensor> tensors;
    std::vector<bool> inOut;  ///< parallel to tensors: the right side of a matrix product
    std::vector<OnnxDequantize> dequantized;
    std::vector<std::pair<std::string, std::string>> metadata;
    std::vector<std::string> warnings;
};

/// Reads a model's structure. Sub-graphs at most 64 deep, at most 2^20 tensors.
/// @errors Damaged, Unsupported: naming the offset
[[nodiscard]] Result<OnnxModel> readOnnxModel(ProtoFile& file);

/// Reads one TensorProto in [begin, end): everything but its values.
/// @errors Damaged: no message
[[nodiscard]] Result<OnnxTensor> readOnnxTensor(ProtoFile& file,
                                                std::uint64_t begin,
                                                std::uint64_t end);
/// The values of a Typed tensor as stored elements, little-endian, packed below eight bits. Bounded
/// by eight bytes for each byte of the message.
/// @errors Damaged
[[nodiscard]] Result<std::vector<std::byte>> decodeOnnxTyped(ProtoFile& file,
                                                             const OnnxTensor& tensor);
/// Where the bytes of one number of a Typed tensor lie in the model's file.
struct OnnxNumberPlace {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};
/// Of the numbers of these indices, which must not fall. Below eight bits a number is a byte of
/// elements. Walks over all numbers before the last one.
/// @errors Damaged
[[nodiscard]] Result<std::vector<OnnxNumberPlace>> locateOnnxTyped(
    ProtoFile& file, const OnnxTensor& tensor, std::span<const std::uint64_t> numbers);
/// Are the numbers of a Typed tensor varints (seven bits in a byte), not fixed words?
[[nodiscard]] bool onnxIsVarint(const OnnxTensor& tensor);
/// Bytes that the elements of a tensor take as raw_data; empty where sizes are too large.
[[nodiscard]] std::optional<std::uint64_t> onnxBytes(const OnnxTensor& tensor);

}  // namespace loupe
