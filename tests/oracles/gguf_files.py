# SPDX-License-Identifier: Apache-2.0
# requires: numpy==2.4.6 gguf==0.19.0
"""Writes tests/golden/io/gguf/: GGUF files of the gguf package and what it reads in them.

Every type that the package can dequantize is there. Where the package can quantize, it did; else
the blocks are random bytes with small finite scales. expected.json holds the shape, the first
values as hexadecimal floats and the FNV-1a 64 hash of all values (FP32, little-endian) as
gguf.quants.dequantize gives them.
"""
import json
import shutil
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/io/gguf")
COLS = 512
ROWS = 3

# Offset and number of the FP16 words of a block that are scales (spec/formats.md B.4).
HALF_SCALES = {
    "Q4_0": (0, 1), "Q4_1": (0, 2), "Q5_0": (0, 1), "Q5_1": (0, 2), "Q8_0": (0, 1),
    "Q2_K": (80, 2), "Q3_K": (108, 1), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208, 1),
    "IQ2_XXS": (0, 1), "IQ2_XS": (0, 1), "IQ3_XXS": (0, 1), "IQ1_S": (0, 1), "IQ4_NL": (0, 1),
    "IQ3_S": (0, 1), "IQ2_S": (0, 1), "IQ4_XS": (0, 1), "TQ1_0": (52, 1), "TQ2_0": (64, 1),
    "Q1_0": (0, 1),
}


def fnv(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def expectation(values, shape):
    values = np.ascontiguousarray(values, dtype="<f4").ravel()
    return {
        "shape": list(shape),
        "first": [float(v).hex() for v in values[:4]],
        "fnv": fnv(values.tobytes()),
    }


def random_blocks(kind, rng):
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (ROWS, COLS // elements, size), dtype=np.uint8)
    if kind.name in HALF_SCALES:
        offset, count = HALF_SCALES[kind.name]
        scales = rng.normal(0, 0.01, blocks.shape[:2] + (count,)).astype("<f2")
        blocks[:, :, offset:offset + 2 * count] = scales.view(np.uint8)
    elif kind.name == "IQ1_M":  # the scale's FP16 lies in the top nibbles of four words: 0x2A..
        for word, nibble in enumerate((rng.integers(0, 16), rng.integers(0, 16), 10, 2)):
            at = 48 + 2 * word + 1
            blocks[:, :, at] = (blocks[:, :, at] & 0x0F) | (int(nibble) << 4)
    elif kind.name == "MXFP4":
        blocks[:, :, 0] = rng.integers(110, 126, blocks.shape[:2])
    elif kind.name == "NVFP4":
        blocks[:, :, :4] = rng.integers(0, 127, blocks.shape[:2] + (4,))
    return blocks.reshape(ROWS, -1)


def block_tensors():
    rng = np.random.default_rng(5)
    weights = (rng.standard_t(4, (ROWS, COLS)) * 0.05).astype("f4")
    made = {}
    for kind in Type:
        if gguf.GGML_QUANT_SIZES[kind][0] == 1:
            continue
        for how in ("quantized", "random"):
            try:
                raw = (gguf.quants.quantize(weights, kind) if how == "quantized"
                       else random_blocks(kind, rng))
                values = gguf.quants.dequantize(raw, kind)
            except NotImplementedError:
                continue
            made[f"{kind.name.lower()}.{how}"] = (kind, raw, values)
    return made


def add_metadata(writer):
    writer.add_name("golden")
    writer.add_uint8("test.u8", 200)
    writer.add_int8("test.i8", -100)
    writer.add_uint16("test.u16", 60000)
    writer.add_int16("test.i16", -30000)
    writer.add_uint32("test.u32", 4000000000)
    writer.add_int32("test.i32", -2000000000)
    writer.add_uint64("test.u64", 18446744073709551615)
    writer.add_int64("test.i64", -9223372036854775808)
    writer.add_float32("test.f32", 0.1)
    writer.add_float64("test.f64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.text", "Zürich \"1\"")
    writer.add_array("test.short", [1, 2, 3])
    writer.add_array("test.words", ["a", "b\n", "ç"])
    writer.add_array("test.floats", [0.5, 1.5])
    writer.add_array("test.long", [f"token {i}" for i in range(200)])
    writer.add_array("test.numbers", list(range(1000)))


def plain_tensors():
    rng = np.random.default_rng(6)
    x = rng.normal(0, 0.5, (3, 8)).astype("f4")
    return {
        "f32": x,
        "f16": x.astype("f2"),
        "f64": x.astype("f8") * 1.0000001,
        "i8": rng.integers(-128, 128, (3, 8)).astype("i1"),
        "i16": rng.integers(-32768, 32768, (3, 8)).astype("i2"),
        "i32": rng.integers(-(2**31), 2**31, (3, 8)).astype("i4"),
        "i64": rng.integers(-(2**40), 2**40, (3, 8)).astype("i8"),
        "vector": x[0],
        "cube": rng.normal(0, 1, (2, 3, 4)).astype("f4"),
        "blk.0.ffn_up_exps.weight": rng.normal(0, 1, (2, 3, 4)).astype("f4"),
    }


def write(path, tensors, blocks=None, endian=gguf.GGUFEndian.LITTLE, **split):
    writer = gguf.GGUFWriter(path, "llama", endianess=endian, **split)
    add_metadata(writer)
    for name, array in tensors.items():
        writer.add_tensor(name, array.copy())
        if name == "f32":
            bf16 = gguf.quants.quantize(array, Type.BF16)
            if endian == gguf.GGUFEndian.BIG:
                bf16 = bf16.view("<u2").byteswap().view(np.uint8)
            writer.add_tensor("bf16", bf16, raw_dtype=Type.BF16)
    for name, (kind, raw, _) in (blocks or {}).items():
        writer.add_tensor(name, raw, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    expected = {"tensors": {}, "blocks": {}}
    plain = plain_tensors()
    for name, array in plain.items():
        expected["tensors"][name] = expectation(array, array.shape)
    expected["tensors"]["bf16"] = expectation(
        gguf.quants.dequantize(gguf.quants.quantize(plain["f32"], Type.BF16), Type.BF16), (3, 8))
    write(OUT / "plain.gguf", plain)
    write(OUT / "plain_big.gguf", plain, endian=gguf.GGUFEndian.BIG)

    blocks = block_tensors()
    for name, (kind, _, values) in blocks.items():
        expected["blocks"][name] = {"type": kind.value, **expectation(values, values.shape)}
    write(OUT / "blocks.gguf", {}, blocks)
    convertible = {n: b for n, b in blocks.items()
                   if b[0].name in ("Q4_0", "Q8_0", "Q4_K", "Q6_K", "MXFP4", "NVFP4")}
    write(OUT / "blocks_big.gguf", {}, convertible)
    # The package's own script turns the file in place.
    subprocess.run([sys.executable, "-m", "gguf.scripts.gguf_convert_endian",
                    str(OUT / "blocks_big.gguf"), "big"], input="YES\n", text=True, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parts = {f"blk.{i}.weight": np.full((2, 4), i, "f4") for i in range(5)}
    write(OUT / "split.gguf", parts, split_max_tensors=2)
    for name, array in parts.items():
        expected["tensors"][name] = expectation(array, array.shape)
    for path in sorted(OUT.glob("*.gguf")):  # the package reads what it wrote
        count = len(gguf.GGUFReader(path).tensors)
        print(path.name, path.stat().st_size, "bytes,", count, "tensors")
    (OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
