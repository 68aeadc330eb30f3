# SPDX-License-Identifier: Apache-2.0
# requires: gguf==0.19.0 ml_dtypes==0.6.0 numpy==2.4.6
"""Golden blocks: random and adversarial bytes, and the values that foreign decoders make of them.

    python3 tests/oracles/blocks.py tests/golden/blocks

ggml's types by gguf.quants.dequantize; the OCP types and NVFP4 by ml_dtypes' number types, which know nothing of blocks: the
order of codes within a block is this program's own and written down here a second time. One CSV per type: the block in hex,
the FP32 values in hex, little-endian.
"""
import pathlib
import sys

import gguf
import gguf.quants as quants
import ml_dtypes
import numpy as np

BLOCKS = 6
GGML = ("Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S IQ1_S IQ1_M IQ4_NL IQ4_XS "
        "TQ1_0 TQ2_0 MXFP4 NVFP4").split()
# Where the FP16 scales of ggml's types lie.
HALVES = {"Q4_1": (0, 2), "Q5_1": (0, 2), "Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,),
          "TQ1_0": (52,), "TQ2_0": (64,), "IQ1_M": (), "MXFP4": (), "NVFP4": ()}
# Zero, minus zero, subnormals, the least normal, one, the largest, and what is none of them.
EDGES = (0x0000, 0x8000, 0x0001, 0x03FF, 0x0400, 0x3C00, 0x7BFF, 0xFBFF, 0xA9A5)


def put_half(name, block, at, code):
    if at is not None:
        block[at:at + 2] = code & 255, code >> 8
    else:  # IQ1_M: the top four bits of each of four words
        for word in range(4):
            block[48 + 2 * word + 1] = (block[48 + 2 * word + 1] & 15) | ((code >> (4 * word)) & 15) << 4


def ggml_blocks(name, rng):
    size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]][1]
    blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    blocks[1] = 0
    blocks[2] = 255
    places = (None,) if name == "IQ1_M" else HALVES.get(name, (0,))
    for i, block in enumerate(blocks):
        for k, at in enumerate(places):
            code = int(rng.integers(0, 0x7C00)) | (i % 2) << 15
            put_half(name, block, at, EDGES[(i + k) % len(EDGES)] if i % 2 == 0 else code)
    if name == "MXFP4":
        blocks[:, 0] = (0, 1, 2, 127, 254, 131)
    if name == "NVFP4":
        blocks[:, :4] = np.array([0, 1, 7, 8, 0x7E, 0x7F, 0xFF, 0x80, 0x38, 0x39, 0xFE, 0x81, 0x40, 0x55, 0x12, 0x6A,
                                  0x33, 0x21, 0x0F, 0x10, 0x77, 0x78, 0x79, 0x05], np.uint8).reshape(BLOCKS, 4)
    return blocks


def ggml_values(name, blocks):
    with np.errstate(all="ignore"):
        return quants.dequantize(blocks, gguf.GGMLQuantizationType[name]).astype("<f4").reshape(len(blocks), -1)


MX = {"mxfp8_e4m3": (ml_dtypes.float8_e4m3fn, 8), "mxfp8_e5m2": (ml_dtypes.float8_e5m2, 8),
      "mxfp6_e3m2": (ml_dtypes.float6_e3m2fn, 6), "mxfp6_e2m3": (ml_dtypes.float6_e2m3fn, 6),
      "mxfp4": (ml_dtypes.float4_e2m1fn, 4), "mxint8": (np.int8, 8), "nvfp4": (ml_dtypes.float4_e2m1fn, 4)}


def mx(name, rng):
    element, bits = MX[name]
    count = 16 if name == "nvfp4" else 32
    codes = rng.integers(0, 1 << bits, (BLOCKS, count), dtype=np.uint8)
    codes[1] = 0
    codes[2] = np.arange(count) % (1 << bits)
    scales = np.array([0x00, 0x38, 0x01, 0x7E, 0x5A, 0xB1] if name == "nvfp4" else [0, 1, 127, 150, 110, 254], np.uint8)
    stream = np.zeros((BLOCKS, count * bits // 8), np.uint8)
    for place in range(count * bits):
        stream[:, place // 8] |= ((codes[:, place // bits] >> (place % bits)) & 1) << (place % 8)
    blocks = np.concatenate([scales[:, None], stream], axis=1)
    scale = scales.view(ml_dtypes.float8_e4m3fn if name == "nvfp4" else ml_dtypes.float8_e8m0fnu).astype(np.float32)
    with np.errstate(all="ignore"):
        values = codes.view(element).astype(np.float32)
        values = (values / np.float32(64) if element is np.int8 else values) * scale[:, None]
    return blocks, values.astype("<f4")


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20261122)
    for name in GGML:
        blocks = ggml_blocks(name, rng)
        values = ggml_values(name, blocks)
        write(folder, {"MXFP4": "ggml_mxfp4", "NVFP4": "ggml_nvfp4"}.get(name, name.lower()), blocks, values)
    for name in MX:
        write(folder, name, *mx(name, rng))


def write(folder, name, blocks, values):
    lines = ["block,values"]
    lines += [bytes(block).hex() + "," + bytes(row).hex() for block, row in zip(blocks, np.ascontiguousarray(values))]
    (folder / (name + ".csv")).write_text("\n".join(lines) + "\n")


main(sys.argv[1])
