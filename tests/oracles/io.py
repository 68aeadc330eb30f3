# SPDX-License-Identifier: Apache-2.0
# requires: numpy==2.2.1 safetensors==0.5.2 ml_dtypes==0.5.1
"""Writes tests/golden/io: tiny files by the formats' own libraries, and what they hold (expected.json, hex floats).

    python tests/oracles/io.py
"""
import json
import pathlib

import ml_dtypes
import numpy as np
import safetensors

OUT = pathlib.Path(__file__).resolve().parent.parent / "golden" / "io"
OUT.mkdir(parents=True, exist_ok=True)
expected = {}


def matrix(array):
    """[dim0, rest] as float64, by contract: one dimension is one row, a scalar is 1 x 1."""
    a = np.asarray(array)
    a = a.reshape(1, -1) if a.ndim < 2 else a.reshape(a.shape[0], int(np.prod(a.shape[1:])))
    if a.dtype.kind == "c":
        a = np.hypot(a.real.astype(np.float64), a.imag.astype(np.float64))
    return a.astype(np.float64)


def describe(array, dtype):
    m = matrix(array)
    values = ["nan" if np.isnan(v) else float(v).hex() for v in m.ravel()]
    return {"dtype": dtype, "shape": list(np.asarray(array).shape), "rows": m.shape[0], "cols": m.shape[1], "values": values}


rng = np.random.default_rng(1)

# --- safetensors: every type that the library can write ------------------------------------------------------------------
kinds = {
    "bool": ("bool", np.bool_), "int8": ("int8", np.int8), "uint8": ("uint8", np.uint8), "int16": ("int16", np.int16),
    "uint16": ("uint16", np.uint16), "int32": ("int32", np.int32), "uint32": ("uint32", np.uint32), "int64": ("int64", np.int64),
    "uint64": ("uint64", np.uint64), "fp16": ("float16", np.float16), "fp32": ("float32", np.float32), "fp64": ("float64", np.float64),
    "bf16": ("bfloat16", ml_dtypes.bfloat16), "fp8_e4m3": ("float8_e4m3fn", ml_dtypes.float8_e4m3fn),
    "fp8_e5m2": ("float8_e5m2", ml_dtypes.float8_e5m2),
}
tensors, expected["types.safetensors"] = {}, {}
for name, (word, dtype) in kinds.items():
    info = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
    if info is not None:
        data = np.array([info.min, 0, 1, 5, 100, info.max], dtype=dtype)
    else:
        data = np.array([-1.5, 0, 0.40625, 3, -0.0625, 7], dtype=dtype)
    data = data.reshape(2, 3)
    tensors["t." + name] = {"dtype": word, "shape": [2, 3], "data": data.tobytes()}
    expected["types.safetensors"]["t." + name] = describe(data, name)
scalar = np.array(2.5, dtype=np.float32)
tensors["scalar"] = {"dtype": "float32", "shape": [], "data": scalar.tobytes()}
expected["types.safetensors"]["scalar"] = describe(scalar, "fp32")
empty = np.zeros((0, 4), dtype=np.float32)
tensors["empty"] = {"dtype": "float32", "shape": [0, 4], "data": b""}
expected["types.safetensors"]["empty"] = describe(empty, "fp32")
special = np.array([np.nan, np.inf, -np.inf, -0.0], dtype=np.float32)
tensors["special"] = {"dtype": "float32", "shape": [4], "data": special.tobytes()}
expected["types.safetensors"]["special"] = describe(special, "fp32")
cube = rng.standard_normal((2, 3, 4)).astype(np.float32)
tensors["conv.weight"] = {"dtype": "float32", "shape": [2, 3, 4], "data": cube.tobytes()}
expected["types.safetensors"]["conv.weight"] = describe(cube, "fp32")
tensors["na\"me\\ü\n"] = {"dtype": "uint8", "shape": [1], "data": b"\x07"}
expected["types.safetensors"]["na\"me\\ü\n"] = describe(np.array([7], dtype=np.uint8), "uint8")
(OUT / "types.safetensors").write_bytes(bytes(safetensors.serialize(tensors, {"format": "np", "note": "ü"})))
(OUT / "empty.safetensors").write_bytes(bytes(safetensors.serialize({}, None)))
expected["empty.safetensors"] = {}

# --- npy -------------------------------------------------------------------------------------------------------------------
base = rng.standard_normal((3, 4))
arrays = {
    "f4": (base.astype("<f4"), "fp32"), "f4_big": (base.astype(">f4"), "fp32"), "f8_big": (base.astype(">f8"), "fp64"),
    "f2": (base.astype("<f2"), "fp16"), "f8": (base.astype("<f8"), "fp64"), "bool": (base > 0, "bool"),
    "i1": ((base * 50).astype("i1"), "int8"), "u1": (np.abs(base * 50).astype("u1"), "uint8"),
    "i2_big": ((base * 900).astype(">i2"), "int16"), "u2": (np.abs(base * 900).astype("<u2"), "uint16"),
    "i4": ((base * 1e6).astype("<i4"), "int32"), "u4_big": (np.abs(base * 1e6).astype(">u4"), "uint32"),
    "i8": ((base * 1e12).astype("<i8"), "int64"), "u8_big": (np.abs(base * 1e12).astype(">u8"), "uint64"),
    "c8": ((base + 1j * base.T.reshape(3, 4)).astype("<c8"), "complex64"),
    "c16_big": ((base + 1j * base.T.reshape(3, 4)).astype(">c16"), "complex128"),
    "fortran": (np.asfortranarray(base.astype("<f4")), "fp32"), "fortran_big": (np.asfortranarray(base.astype(">f8")), "fp64"),
    "fortran_cube": (np.asfortranarray(rng.standard_normal((2, 3, 5)).astype("<f4")), "fp32"),
    "cube": (rng.standard_normal((2, 3, 5)).astype("<f4"), "fp32"), "scalar": (np.array(4.25), "fp64"),
    "vector": (np.arange(5, dtype="<f4"), "fp32"), "none": (np.zeros((0, 3), dtype="<f4"), "fp32"),
}
for name, (array, dtype) in arrays.items():
    np.save(OUT / f"{name}.npy", array)
    expected[f"{name}.npy"] = {name: describe(array, dtype)}
for version in [(2, 0), (3, 0)]:
    with open(OUT / f"version{version[0]}.npy", "wb") as file:
        np.lib.format.write_array(file, base.astype("<f4"), version=version)
    expected[f"version{version[0]}.npy"] = {f"version{version[0]}": describe(base.astype("<f4"), "fp32")}
# What the readers refuse or mark.
np.save(OUT / "refused_object.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
np.save(OUT / "refused_structured.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "<i4")]))
np.save(OUT / "refused_text.npy", np.array(["ab", "c"]))
np.save(OUT / "refused_date.npy", np.array(["2024-01-01"], dtype="datetime64[D]"))
np.save(OUT / "marked_bfloat16.npy", base.astype(ml_dtypes.bfloat16))
np.save(OUT / "marked_fp8.npy", base.astype(ml_dtypes.float8_e4m3fn))

(OUT / "expected.json").write_text(json.dumps(expected, indent=0, ensure_ascii=True) + "\n")
