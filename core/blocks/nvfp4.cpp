// SPDX-License-Identifier: Apache-2.0
// value = E2M1 · E4M3(scale), times the tensor's own FP32 scale, which lies outside the block.
// Containers differ: here the scale comes first; checkpoints keep scales in a tensor of their own.
#include "core/blocks/mx.hpp"
#include "core/blocks/structs.hpp"

#include <array>

namespace loupe {

namespace {

constexpr std::array kFields{
    BlockField{"scale", 0, 1, BlockRole::Scale, "E4M3 scale of the block"},
    BlockField{"codes",
               1,
               8,
               BlockRole::Codes,
               "E2M1 codes: element 2i in the low half of byte i, 2i + 1 in the high half"},
};
static_assert(sizeof(blocks::Nvfp4) == blocks::kNvfp4.bytes());

}  // namespace

extern const BlockLayout kBlock_nvfp4;
constinit const BlockLayout kBlock_nvfp4 = blocks::mxLayout<blocks::kNvfp4>(
    "nvfp4",
    "NVFP4",
    "NVIDIA ModelOpt, nvfp4_tensor.py; compressed-tensors, nvfp4; the order of the bytes is "
    "this program's own",
    "FP4 elements with an E4M3 scale for 16, and an FP32 scale for the tensor outside the "
    "block.",
    kFields);

}  // namespace loupe
