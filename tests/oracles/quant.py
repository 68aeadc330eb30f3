# SPDX-License-Identifier: Apache-2.0
# requires: numpy==2.4.6 ml_dtypes==0.6.0
"""Golden vectors of `absmax`, `zeropoint` and `cast`, worked out with NumPy from the text of the contract (section 4).

    python3 tests/oracles/quant.py tests/golden/quant

No code of ours takes part: this is the definition once more, in another language and another way (whole arrays, numpy's own
quantile and histogram, ml_dtypes' own casts).
"""
import json
import pathlib
import sys

import ml_dtypes
import numpy as np


def uniform(seed, count):
    """count draws in (-1, 1) of the 32-bit LCG of the synthetic fixtures."""
    x, out = seed, np.empty(count)
    for i in range(count):
        x = (1664525 * x + 1013904223) % 2**32
        out[i] = (x + 0.5) / 2**31 - 1
    return out


def matrix(kind, seed, rows, cols, fp64):
    u = uniform(seed, rows * cols)
    v = 0.1 * (u * u * u)
    if kind == "constant":
        v = np.full(rows * cols, 0.37)
    elif kind == "zero":
        v = np.zeros(rows * cols)
    elif kind == "outlier":
        v[rows * cols // 2] *= 1000
    elif kind == "subnormal":
        v = v * 1e-42
    elif kind == "positive":
        v = np.abs(v)
    elif kind == "far":
        v = np.abs(v) + 3.0
    elif kind == "sparse":
        v = np.where(np.abs(u) < 0.7, 0.0, v)
    elif kind == "ties":
        v = np.rint(u * 16) / 2
    elif kind != "cubic":
        raise ValueError(kind)
    return v.astype(np.float64 if fp64 else np.float32).reshape(rows, cols)


def parse(scheme):
    name, _, rest = scheme.partition(":")
    keys = dict(p.split("=", 1) for p in rest.split(",")) if rest else {}
    if "group" in keys:
        keys.setdefault("per", "group")
        keys.setdefault("scale", "group")
    if "clip_value" in keys:
        keys["clip"] = "value"
    if "percentile" in keys:
        keys["clip"] = "percentile"
    return name, keys


def quantize(x, scale, zp, qmin, qmax):
    """codes and dequantized values; x, scale of one dtype."""
    t = x.dtype.type
    with np.errstate(over="ignore"):
        codes = np.clip(np.rint(x / scale) + t(zp), t(qmin), t(qmax)).astype(np.int64)
        return codes, t(scale) * (codes - zp).astype(t)


def grid(x, asym, bits, rng, low, high, dtype):
    """(scale, zero point, qmin, qmax) over the interval."""
    half = 2 ** (bits - 1)
    qmin, qmax = (1 - half, half - 1) if rng == "restricted" else (-half, half - 1)
    low, high = np.float64(low), np.float64(high)
    if asym:
        exact = (high - low) / (qmax - qmin)
        exact = max(exact, max(abs(low), abs(high)) * 2.0**-21)  # our rule for intervals far from 0 (force_zero=false)
    elif rng == "power":
        exact = high / half
    elif rng == "full":
        exact = 2 * high / (2**bits - 1)
    else:
        exact = high / (half - 1)
    if exact == 0:
        return dtype(1), 0, qmin, qmax
    scale = max(dtype(exact), np.finfo(dtype).smallest_subnormal)
    zp = qmin - int(np.rint(dtype(low) / scale)) if asym else 0
    return scale, zp, qmin, qmax


def interval(x, bound, asym, force):
    if not asym:
        return -bound, bound
    low, high = np.clip(x.min(), -bound, bound), np.clip(x.max(), -bound, bound)
    return (min(low, 0), max(high, 0)) if force else (low, high)


def squared_error(x, bound, asym, force, bits, rng):
    t = x.dtype.type
    low, high = interval(x, t(bound), asym, force)
    _, y = quantize(x, *grid(x, asym, bits, rng, low, high, t))
    e = x.astype(np.float64) - y.astype(np.float64)
    return float(np.sum(e * e))


def search_mse(x, amax, *how):
    t = x.dtype.type
    bounds = [t(float(amax) * k / 256) for k in range(1, 257)]
    errors = [squared_error(x, b, *how) if b > 0 else np.inf for b in bounds]
    best = max(k for k in range(256) if errors[k] == min(errors))
    seen = {bounds[best]: errors[best]}

    def at(place):
        b = t(place)
        if b <= 0:
            return np.inf
        e = squared_error(x, b, *how)
        seen.setdefault(b, e)
        return e

    step = float(amax) / 256
    left, right, phi = step * best, step * min(best + 2, 256), (5**0.5 - 1) / 2
    a, b = right - phi * (right - left), left + phi * (right - left)
    fa, fb = at(a), at(b)
    for _ in range(8):
        if fa < fb:
            right, b, fb = b, a, fa
            a = right - phi * (right - left)
            fa = at(a)
        else:
            left, a, fa = a, b, fb
            b = left + phi * (right - left)
            fb = at(b)
    return min(seen, key=lambda k: seen[k])


def search_entropy(x, amax, bits):
    counts, edges = np.histogram(np.abs(x.astype(np.float64)), bins=2048, range=(0.0, float(amax)))
    counts = counts.astype(np.float64)
    counts[0] = counts[1]
    best, least = None, np.inf
    for i in range(128, 2049):
        p = counts[:i].copy()
        p[-1] += counts[i:].sum()
        owner = np.minimum((np.arange(i) * 2 ** (bits - 1)) // i, 2 ** (bits - 1) - 1)
        used = counts[:i] > 0
        mass = np.bincount(owner, weights=counts[:i])
        size = np.bincount(owner[used], minlength=len(mass))
        q = np.where(used, mass[owner] / np.maximum(size[owner], 1), 0.0)
        p, q = p / p.sum(), q / q.sum() if q.sum() > 0 else q
        with np.errstate(divide="ignore", invalid="ignore"):
            kl = np.where(p > 0, p * np.log(p / q), 0.0).sum()
        if kl <= least + 1e-15:
            best, least = i, min(kl, least)
    return x.dtype.type(edges[best])


def groups(shape, per, group):
    rows, cols = shape
    if per in ("tensor", "none"):
        return (1, 1), [np.s_[:, :]]
    if per == "row":
        return (rows, 1), [np.s_[r : r + 1, :] for r in range(rows)]
    if per == "column":
        return (1, cols), [np.s_[:, c : c + 1] for c in range(cols)]
    n = -(-cols // group)
    return (rows, n), [np.s_[r : r + 1, g * group : (g + 1) * group] for r in range(rows) for g in range(n)]


def run_uniform(w, name, keys):
    asym = name == "zeropoint"
    bits = int(keys.get("bits", 8))
    rng = keys.get("range", "full" if asym else "restricted")
    force = keys.get("force_zero", "true") == "true"
    clip = keys.get("clip", "none")
    shape, parts = groups(w.shape, keys.get("per", "tensor"), int(keys.get("group", 128)))
    codes, out = np.empty(w.shape, np.int64), np.empty_like(w)
    scales, zps = [], []
    for part in parts:
        x = w[part]
        t = x.dtype.type
        amax = np.abs(x).max()
        bound = amax
        if amax == 0:
            low = high = t(0)
        elif clip == "value":
            text = keys["clip_value"]
            low, high = (float(v) for v in text.split("..")) if ".." in text else (-float(text), float(text))
            if asym and force:
                low, high = min(low, 0.0), max(high, 0.0)
            low, high = t(low), t(high)
        else:
            if clip == "percentile":
                bound = t(np.quantile(np.abs(x.astype(np.float64)), float(keys.get("percentile", 99.9)) / 100, method="linear"))
            elif clip == "mse":
                bound = search_mse(x, amax, asym, force, bits, rng)
            elif clip == "entropy":
                bound = search_entropy(x, amax, bits)
            low, high = interval(x, bound if bound > 0 else amax, asym, force)
        scale, zp, qmin, qmax = grid(x, asym, bits, rng, low, high, t)
        codes[part], out[part] = quantize(x, scale, zp, qmin, qmax)
        scales.append(float(scale))
        zps.append(zp)
    return codes, out, shape, scales, zps


FLOATS = {"bf16": ml_dtypes.bfloat16, "fp16": np.float16, "fp8_e4m3": ml_dtypes.float8_e4m3fn, "fp8_e5m2": ml_dtypes.float8_e5m2,
          "fp6_e3m2": ml_dtypes.float6_e3m2fn, "fp6_e2m3": ml_dtypes.float6_e2m3fn, "fp4_e2m1": ml_dtypes.float4_e2m1fn}
INTS = {"int8": (-128, 127), "int4": (-8, 7), "uint8": (0, 255)}


def run_cast(w, keys):
    name = keys.get("format", "bf16")
    per = keys.get("scale", "none")
    t = w.dtype.type
    if name in FLOATS:
        most = t(ml_dtypes.finfo(FLOATS[name]).max)
    else:
        most = t(INTS[name][1])
    shape, parts = groups(w.shape, per, int(keys.get("group", 128)))
    out, scales = np.empty_like(w), []
    for part in parts:
        x = w[part]
        scale = t(1)
        if per != "none" and np.abs(x).max() > 0:
            scale = max(t(np.float64(np.abs(x).max()) / np.float64(most)), np.finfo(t).smallest_subnormal)
            x = np.clip(x / scale, -most, most)
        if name in FLOATS:
            y = x.astype(FLOATS[name]).astype(t)
        else:
            y = np.clip(np.rint(x), *INTS[name]).astype(t)
        out[part] = scale * y if per != "none" else y
        scales.append(float(scale))
    return out, shape, scales if per != "none" else []


def fnv(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    return f"{h:016x}"


def cases():
    shapes = [("cubic", 1, 5, 7), ("cubic", 2, 1, 1), ("constant", 3, 3, 4), ("zero", 4, 3, 4), ("outlier", 5, 6, 10),
              ("subnormal", 6, 5, 7), ("positive", 7, 4, 9), ("sparse", 8, 8, 16), ("ties", 9, 6, 8), ("cubic", 10, 16, 33)]
    schemes = ["absmax", "absmax:bits=4,per=row", "absmax:bits=4,group=3", "absmax:bits=3,per=column", "absmax:bits=2,group=4",
               "absmax:bits=16,per=row", "absmax:bits=4,per=row,range=full", "absmax:bits=8,range=power",
               "absmax:bits=4,per=row,clip=mse", "absmax:bits=3,clip=mse", "absmax:bits=5,clip_value=0.05",
               "absmax:bits=4,per=row,percentile=90", "absmax:bits=8,percentile=99", "absmax:bits=6,per=column,percentile=75",
               "zeropoint", "zeropoint:bits=4,per=row", "zeropoint:bits=4,group=3", "zeropoint:bits=3,per=column",
               "zeropoint:bits=4,per=row,range=restricted", "zeropoint:bits=4,per=row,force_zero=false",
               "zeropoint:bits=4,clip_value=-0.02..0.05", "zeropoint:bits=4,per=row,clip=mse", "zeropoint:bits=8,percentile=95"]
    for kind, seed, rows, cols in shapes:
        for scheme in schemes:
            yield kind, seed, rows, cols, False, scheme
    for scheme in schemes:
        yield "cubic", 11, 7, 13, True, scheme
    yield "far", 12, 4, 9, False, "zeropoint:bits=4,per=row,force_zero=false"
    yield "far", 12, 4, 9, False, "zeropoint:bits=8,per=row"
    for bits in (4, 8):
        yield "cubic", 13, 3, 2048, False, f"absmax:bits={bits},per=row,clip=entropy"
        yield "outlier", 14, 5, 1000, False, f"absmax:bits={bits},clip=entropy"
        yield "cubic", 15, 4, 700, False, f"absmax:bits={bits},clip=mse"
        yield "cubic", 15, 4, 700, False, f"absmax:bits={bits},percentile=99.9"
    for kind, seed, rows, cols in shapes:
        for name in [*FLOATS, *INTS]:
            for scale in ("none", "tensor", "row", "group"):
                if scale != "none" and name in ("bf16", "fp16"):
                    continue
                key = "group=5" if scale == "group" else f"scale={scale}"
                yield kind, seed, rows, cols, False, f"cast:format={name}" + ("" if scale == "none" else "," + key)


def main():
    folder = pathlib.Path(sys.argv[1])
    lines = []
    for kind, seed, rows, cols, fp64, scheme in cases():
        w = matrix(kind, seed, rows, cols, fp64)
        name, keys = parse(scheme)
        row = {"kind": kind, "seed": seed, "rows": rows, "cols": cols, "fp64": fp64, "scheme": scheme}
        if name == "cast":
            out, shape, scales = run_cast(w, keys)
        else:
            codes, out, shape, scales, zps = run_uniform(w, name, keys)
            row["codes_fnv"] = fnv(codes.astype("<i4").tobytes())
            if codes.size <= 100:
                row["codes"] = codes.ravel().tolist()
            if name == "zeropoint":
                row["zero_points"] = zps
        row["grid"] = list(shape)
        row["scales"] = [float.hex(s) for s in scales]
        row["values_fnv"] = fnv((out + 0.0).astype("<f8" if fp64 else "<f4").tobytes())
        lines.append(json.dumps(row))
    (folder / "quant.jsonl").write_text("\n".join(lines) + "\n")
    print(len(lines), "cases")


main()
