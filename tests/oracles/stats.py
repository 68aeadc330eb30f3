# SPDX-License-Identifier: Apache-2.0
# requires: numpy==1.26.4 scipy==1.13.1 ml_dtypes==0.5.0
"""Writes tests/golden/stats: small arrays of every kind (arrays.safetensors) and what NumPy and SciPy say about them.

Run from the root of the project:
    python3 tests/oracles/stats.py                      # arrays.safetensors, expected.json
    python3 tests/oracles/stats.py stories MODEL.safetensors   # stories260k.json (numbers only)
"""
import json
import struct
import sys

import ml_dtypes
import numpy as np
from scipy import stats as sps

FOLDER = "tests/golden/stats/"
BINS = 32
PERCENTILES = [0.1, 1, 5, 25, 50, 75, 95, 99, 99.9]
DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16, "F8_E4M3": ml_dtypes.float8_e4m3fn,
          "F8_E5M2": ml_dtypes.float8_e5m2, "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8, "U8": np.uint8,
          "BOOL": np.bool_}
rng = np.random.default_rng(20261122)


def number(x):
    x = float(x)
    return "nan" if np.isnan(x) else "inf" if x == np.inf else "-inf" if x == -np.inf else x


def moments(v):
    """mean, std, skewness, excess kurtosis; scaled by a power of two, so that powers do not overflow."""
    if v.min() == v.max():
        return [v[0], 0.0, np.nan, np.nan]
    scale = np.longdouble(2.0) ** -np.floor(np.log2(np.abs(v).max()))
    w = v.astype(np.longdouble) * scale  # 80-bit: the large means need it
    m = w.mean()
    d = w - m
    var = (d * d).mean()
    skew, kurt = (d ** 3).mean() / var ** 1.5, (d ** 4).mean() / var ** 2 - 3
    if 1e-100 < np.abs(v).max() < 1e60 and abs(float(m)) < 100 * float(np.sqrt(var)):  # SciPy agrees where it can
        assert abs(sps.skew(v) - skew) < 1e-6 * max(1, abs(skew)) and abs(sps.kurtosis(v) - kurt) < 1e-6 * max(1, abs(kurt))
        assert abs(v.std() - np.sqrt(var) / scale) <= 1e-9 * v.std()
    return [m / scale, np.sqrt(var) / scale, skew, kurt]


def describe(x, bins=BINS):
    """x: float64 matrix."""
    finite = np.isfinite(x)
    v = x[finite]
    out = {"rows": x.shape[0], "cols": x.shape[1], "count": int(x.size), "nan": int(np.isnan(x).sum()), "inf": int(np.isinf(x).sum()),
           "zeros": int((v == 0).sum())}
    if v.size:
        mean, std, skew, kurt = moments(v)
        out.update(min=number(v.min()), max=number(v.max()), absmax=number(np.abs(v).max()), mean=number(mean), std=number(std),
                   skewness=number(skew), kurtosis=number(kurt), percentiles=[number(p) for p in np.percentile(v, PERCENTILES)])
        with np.errstate(all="ignore"):
            try:
                counts, edges = np.histogram(v, bins=bins)
                out["histogram"] = {"min": number(edges[0]), "max": number(edges[-1]), "counts": [int(c) for c in counts]}
            except ValueError:
                out["histogram"] = None  # NumPy refuses a range that overflows or underflows
    for key, axis in (("row", 1), ("col", 0)):
        if x.size:
            low = np.where(finite, x, np.inf).min(axis=axis)
            high = np.where(finite, x, -np.inf).max(axis=axis)
            with np.errstate(over="ignore"):
                squares = (np.where(finite, x, 0.0) ** 2).sum(axis=axis)
            out[key] = {"min": [number(a) for a in low], "max": [number(a) for a in high], "squares": [number(a) for a in squares]}
    return out


def write_lines(f, expected):
    """One tensor a line, so that a change can be read in a diff."""
    lines = [json.dumps(name) + ": " + json.dumps(row, separators=(",", ":")) for name, row in expected.items()]
    f.write("{\n" + ",\n".join(lines) + "\n}\n")


def arrays():
    n = lambda *s: rng.standard_normal(s)
    t = lambda *s: rng.standard_t(3, s)
    yield "f32.normal", "F32", n(64, 48) * 0.02
    x = t(96, 80) * 0.02
    x[:, 7] *= 20
    x[13, 5] = 4
    yield "f32.heavy_outliers", "F32", x
    yield "f32.large_mean", "F32", 1e4 + n(40, 50) * 0.1
    x = n(33, 47)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.05] = np.inf
    x[3, :] = np.nan
    x[:, 9] = -np.inf
    yield "f32.nan_inf", "F32", x
    x = n(70, 130)
    x[69, 129] = np.inf
    yield "f32.one_inf", "F32", x
    yield "f32.all_nan", "F32", np.full((5, 7), np.nan)
    yield "f32.all_inf", "F32", np.full((3, 4), np.inf)
    yield "f32.constant", "F32", np.full((9, 11), 0.1)
    x = np.zeros((8, 8))
    x[::2] = -0.0
    yield "f32.zeros", "F32", x
    yield "f32.one", "F32", np.array([[-2.5]])
    yield "f32.vector", "F32", n(1000)
    yield "f32.subnormal", "F32", n(16, 16) * 1e-41
    yield "f32.tiny", "F32", n(20, 30) * 1e-25
    yield "f32.huge", "F32", rng.uniform(-3e38, 3e38, (16, 16))
    x = n(70, 20)
    x[:, 4] *= 1e-20
    x[11, :] *= 1e-30
    yield "f32.tiny_channels", "F32", x
    x = n(50, 60)
    x[rng.random(x.shape) < 0.5] = 0
    yield "f32.sparse", "F32", x
    yield "f32.long", "F32", t(3, 900)
    yield "f32.tall", "F32", n(700, 3)
    yield "f32.two_values", "F32", rng.choice([1.0, 1.001], (30, 30))
    yield "f32.empty", "F32", np.zeros((0, 5))
    yield "f64.normal", "F64", n(30, 40)
    yield "f64.large_mean", "F64", 1e9 + n(30, 40)
    yield "f64.huge", "F64", n(12, 12) * 1e300
    yield "f64.subnormal", "F64", n(12, 12) * 1e-310
    x = n(20, 20)
    x[4, 4] = np.nan
    x[5, 5] = -np.inf
    yield "f64.nan_inf", "F64", x
    yield "bf16.normal", "BF16", t(90, 70) * 0.05
    x = n(40, 40)
    x[2, 3] = np.nan
    x[7] = np.inf
    yield "bf16.nan_inf", "BF16", x
    yield "bf16.huge", "BF16", rng.uniform(-3e38, 3e38, (10, 33))
    yield "f16.normal", "F16", n(66, 34)
    yield "f16.subnormal", "F16", n(20, 20) * 1e-6
    x = n(20, 40)
    x[1, 1] = np.nan
    x[2, 2] = np.inf
    yield "f16.nan_inf", "F16", x
    yield "f8_e4m3.normal", "F8_E4M3", n(40, 24) * 3
    yield "f8_e5m2.normal", "F8_E5M2", n(40, 24) * 3
    yield "i8.all", "I8", rng.integers(-128, 128, (40, 30))
    yield "u8.all", "U8", rng.integers(0, 256, (40, 30))
    yield "i16.wide", "I16", rng.integers(-32768, 32768, (40, 30))
    yield "i32.wide", "I32", rng.integers(-2**31, 2**31, (40, 30))
    yield "i64.wide", "I64", rng.integers(-2**52, 2**52, (20, 30))
    yield "bool.sparse", "BOOL", rng.random((30, 20)) < 0.1


def write_arrays():
    header, blobs, expected, offset = {}, [], {}, 0
    with np.errstate(all="ignore"):
        for name, dtype, x in arrays():
            a = np.ascontiguousarray(np.asarray(x).astype(DTYPES[dtype]))
            header[name] = {"dtype": dtype, "shape": list(a.shape), "data_offsets": [offset, offset + a.nbytes]}
            blobs.append(a.tobytes())
            offset += a.nbytes
            expected[name] = describe(a.astype(np.float64).reshape(-1, a.shape[-1]))
    text = json.dumps(header).encode()
    with open(FOLDER + "arrays.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    with open(FOLDER + "expected.json", "w") as f:
        write_lines(f, expected)


def write_stories(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    expected = {}
    for name, entry in sorted(json.loads(data[8:8 + size]).items()):
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        x = np.frombuffer(data[8 + size + begin:8 + size + end], DTYPES[entry["dtype"]]).astype(np.float64)
        row = describe(x.reshape(entry["shape"][0] if len(entry["shape"]) > 1 else 1, -1), 256)
        for key in ("input", "output"):
            side = row.pop("col" if key == "input" else "row")
            top = np.maximum(np.abs(side["min"]), np.abs(side["max"]))
            order = np.argsort(-top, kind="stable")[:4]
            row[key] = [{"index": int(i), "absmax": number(top[i]), "ratio": number(top[i] / np.median(top))} for i in order]
        row["shape"] = entry["shape"]
        expected[name] = row
    with open(FOLDER + "stories260k.json", "w") as f:
        write_lines(f, expected)


if len(sys.argv) == 3 and sys.argv[1] == "stories":
    write_stories(sys.argv[2])
else:
    write_arrays()
