# SPDX-License-Identifier: Apache-2.0
# requires: ml_dtypes==0.6.0 numpy>=2
"""Writes tests/golden/formats/*.csv: python3 tests/oracles/formats.py tests/golden/formats

Rows are kind,key,value:
  limit        name, value as hex float or integer; absent where the format has none
  range        strata of the inputs, see inputs32()
  decode_hash  FNV-1a 64 over the float32 of codes 0..2^bits-1, little-endian, NaN as 0x7FC00000
  decode       code, value
  encode_hash  overflow:input:block, FNV-1a 64 over the codes of 65,536 inputs (1, 2 or 4 bytes each)
  encode       input, code with the format's default overflow

Encoding is done twice where ml_dtypes or numpy has the type: by its cast, and by searching the exact midpoints of the decoded
values; this script stops if they differ. FP64 inputs go through the search alone, because ml_dtypes rounds them through FP32.
"""
import sys

import ml_dtypes
import numpy as np

np.seterr(all="ignore")
U64 = np.uint64
BLOCK, BLOCKS32, BLOCKS64 = 65536, 16, 4

ML = {
    "bf16": ml_dtypes.bfloat16, "fp8_e4m3": ml_dtypes.float8_e4m3fn, "fp8_e5m2": ml_dtypes.float8_e5m2,
    "fp8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz, "fp8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "fp8_e4m3b11fnuz": ml_dtypes.float8_e4m3b11fnuz, "fp8_e3m4": ml_dtypes.float8_e3m4,
    "fp8_e4m3_ieee": ml_dtypes.float8_e4m3, "fp6_e3m2": ml_dtypes.float6_e3m2fn, "fp6_e2m3": ml_dtypes.float6_e2m3fn,
    "fp4_e2m1": ml_dtypes.float4_e2m1fn, "e8m0": ml_dtypes.float8_e8m0fnu,
    "fp16": np.float16, "fp32": np.float32, "fp64": np.float64,
}
BITS = {"fp64": 64, "fp32": 32, "tf32": 19, "fp16": 16, "bf16": 16, "fp6_e3m2": 6, "fp6_e2m3": 6, "fp4_e2m1": 4}
INTS = {"int32": (32, -2**31, 2**31 - 1), "int16": (16, -2**15, 2**15 - 1), "int8": (8, -128, 127), "int4": (4, -8, 7),
        "int2": (2, -2, 1), "uint32": (32, 0, 2**32 - 1), "uint16": (16, 0, 65535), "uint8": (8, 0, 255),
        "uint4": (4, 0, 15), "uint2": (2, 0, 3), "ternary": (2, -1, 1), "binary": (1, -1, 1)}
NF4 = [0xBF800000, 0xBF3239B1, 0xBF066B30, 0xBECA32A0, 0xBE91A24D, 0xBE3D353F, 0xBDBA7871, 0x00000000,
       0x3DA2FAFF, 0x3E24CAE3, 0x3E7C04DD, 0x3EAD033A, 0x3EE1A4B8, 0x3F1007AB, 0x3F3913B3, 0x3F800000]
FP4 = [0x00000000, 0x3BAAAAAB, 0x3F2AAAAB, 0x3F800000, 0x3EAAAAAB, 0x3F000000, 0x3E2AAAAB, 0x3E800000]
BOOKS = {"nf4": NF4, "fp4_bnb": FP4 + [x | 0x80000000 for x in FP4]}
IEEE = {"fp64", "fp32", "tf32", "fp16", "bf16", "fp8_e5m2", "fp8_e3m4", "fp8_e4m3_ieee"}
FNUZ = {"fp8_e4m3fnuz", "fp8_e5m2fnuz", "fp8_e4m3b11fnuz"}
NO_NAN = {"fp6_e3m2", "fp6_e2m3", "fp4_e2m1"}
ORDER = ["fp64", "fp32", "tf32", "fp16", "bf16", "fp8_e4m3", "fp8_e5m2", "fp8_e4m3fnuz", "fp8_e5m2fnuz", "fp8_e4m3b11fnuz",
         "fp8_e3m4", "fp8_e4m3_ieee", "fp6_e3m2", "fp6_e2m3", "fp4_e2m1", "e8m0", *INTS, *BOOKS]


def bits_of(fmt):
    return INTS[fmt][0] if fmt in INTS else 4 if fmt in BOOKS else BITS.get(fmt, 8)


def decode_all(fmt):
    """Values of all codes, float64; NaN where a code means nothing."""
    n = 2 ** bits_of(fmt)
    codes = np.arange(n)
    if fmt in INTS:
        bits, lo, _ = INTS[fmt]
        if fmt == "binary":
            return np.array([-1.0, 1.0])
        v = np.where((lo < 0) & (codes >= n // 2), codes - n, codes).astype(np.float64)
        return np.where(v < lo, np.nan, v)
    if fmt in BOOKS:
        return np.array(BOOKS[fmt], dtype=np.uint32).view(np.float32).astype(np.float64)
    if fmt == "tf32":
        return (codes.astype(np.uint32) << 13).view(np.float32).astype(np.float64)
    return codes.astype(np.uint16 if n > 256 else np.uint8).view(ML[fmt]).astype(np.float64)


def splitmix(i, salt):
    z = (i + U64(1)) * U64(0x9E3779B97F4A7C15) + U64(salt)
    z = (z ^ (z >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> U64(27))) * U64(0x94D049BB133111EB)
    return z ^ (z >> U64(31))


def magnitudes(fmt):
    """Ascending distinct |finite values|; empty for the 32- and 64-bit formats."""
    if bits_of(fmt) > 19:
        return np.array([])
    v = decode_all(fmt)
    return np.unique(np.abs(v[np.isfinite(v)]))


def exponent_range(fmt):
    """Binary exponents from two below the smallest magnitude to two above the largest, within FP32."""
    m = magnitudes(fmt)
    lo, hi = {"int32": (0.5, 2.0**31), "uint32": (0.5, 2.0**32), "fp32": (2.0**-149, 3e38), "fp64": (2.0**-149, 3e38)}.get(
        fmt, (0, 0) if len(m) == 0 else (m[m > 0][0], m[-1]))
    return max(-126, int(np.floor(np.log2(lo))) - 2), min(127, int(np.floor(np.log2(hi))) + 2)


def inputs32(fmt):
    """Input i, four strata: any finite float; a float in range; a midpoint of neighbours, or a value, each -1, 0, +1 ulp."""
    i = np.arange(BLOCK * BLOCKS32, dtype=U64)
    h = splitmix(i, 0)
    stratum = (i & U64(3)).astype(int)
    top = (h >> U64(32)).astype(U64)
    any_bits = top.astype(np.uint32)
    any_bits = np.where((any_bits & 0x7F800000) == 0x7F800000, any_bits & 0xBFFFFFFF, any_bits)
    lo, hi = exponent_range(fmt)
    exponent = U64(lo + 127) + top % U64(hi - lo + 1)
    ranged = ((exponent << U64(23)) | (h & U64(0x7FFFFF)) | (((h >> U64(23)) & U64(1)) << U64(31))).astype(np.uint32)
    m = magnitudes(fmt)
    if len(m) == 0:
        return np.where(stratum % 2 == 0, any_bits, ranged).astype(np.uint32).view(np.float32)
    c = (top % U64(len(m))).astype(int)
    middle = (m[c] + m[np.minimum(c + 1, len(m) - 1)]) / 2
    near = np.where(stratum == 2, middle, m[c]).astype(np.float32).view(np.uint32).astype(np.int64)
    near = np.maximum(near + ((h & U64(0xFF)) % U64(3)).astype(np.int64) - 1, 0).astype(U64)
    near = (near | (((h >> U64(8)) & U64(1)) << U64(31))).astype(np.uint32)
    bits = np.select([stratum == 0, stratum == 1], [any_bits, ranged], near).astype(np.uint32)
    return bits.view(np.float32)


def inputs64(fmt):
    """As inputs32 in FP64: any finite double; in range; a midpoint -1, 0, +1 ulp; a midpoint -1, 0, +1 times 2^20 ulp."""
    i = np.arange(BLOCK * BLOCKS64, dtype=U64)
    h, g = splitmix(i, 1), splitmix(i, 2)
    stratum = (i & U64(3)).astype(int)
    top = h >> U64(32)
    any_bits = np.where((g & U64(0x7FF0000000000000)) == U64(0x7FF0000000000000), g & U64(0xBFFFFFFFFFFFFFFF), g)
    lo, hi = exponent_range(fmt)
    sign = ((h >> U64(8)) & U64(1)) << U64(63)
    ranged = ((U64(lo + 1023) + top % U64(hi - lo + 1)) << U64(52)) | (g & U64(0xFFFFFFFFFFFFF)) | sign
    m = magnitudes(fmt)
    if len(m) == 0:
        low = (top.astype(np.uint32) & 0x7FFFFFFF) % 0x7F7FFFFF
        a, b = low.view(np.float32).astype(np.float64), (low + np.uint32(1)).view(np.float32).astype(np.float64)
    else:
        c = (top % U64(len(m))).astype(int)
        a, b = m[c], m[np.minimum(c + 1, len(m) - 1)]
    delta = ((h & U64(0xFF)) % U64(3)).astype(np.int64) - 1
    near = ((a + b) / 2).view(np.int64) + np.where(stratum == 2, delta, delta * 2**20)
    near = np.maximum(near, 0).view(U64) | sign
    return np.select([stratum == 0, stratum == 1], [any_bits, ranged], near).astype(U64).view(np.float64)


def search(fmt, x, saturate):
    """Codes by the definition: nearest value, ties to the even code (codebooks: see below), one rounding from FP64."""
    a = np.abs(x)
    negative = np.signbit(x)
    if fmt == "binary":
        return np.where(x >= 0, 1, 0)
    if fmt in INTS:
        bits, lo, hi = INTS[fmt]
        return np.clip(np.rint(x), lo, hi).astype(np.int64) & (2**bits - 1)
    if fmt == "nf4":  # x == t stays with the lower value
        v = decode_all(fmt)
        return np.searchsorted((v[:-1] + v[1:]) / 2, x, side="left")
    if fmt == "fp4_bnb":  # by magnitude: |x| == t stays with the smaller
        v = decode_all(fmt)[:8]
        order = np.argsort(v)
        s = v[order]
        return order[np.searchsorted((s[:-1] + s[1:]) / 2, a, side="left")] + np.where(negative, 8, 0)
    if fmt == "fp32":
        code = x.astype(np.float32).view(np.uint32).astype(np.int64)
        return np.where((code & 0x7FFFFFFF) == 0x7F800000, code - 1, code) if saturate else code
    m = magnitudes(fmt)
    borders = np.append((m[:-1] + m[1:]) / 2, m[-1] + (m[-1] - m[-2]) / 2)
    index = np.searchsorted(borders, a, side="left")
    tie = (index < len(m)) & (borders[np.minimum(index, len(m) - 1)] == a)
    index = np.where(tie & (index % 2 == 1), index + 1, index)
    width = bits_of(fmt) - 1
    over = index == len(m)
    # Infinity, and the NaN of FN, is the code after the largest.
    index = np.where(over & (saturate or fmt in NO_NAN), len(m) - 1, index)
    code = index | np.where(negative, 1 << width, 0)
    if fmt in FNUZ:
        code = np.where(index == 0, 0, code)
        if not saturate:
            code = np.where(over, 0x80, code)
    return code


def cast(fmt, x, saturate):
    """Codes by ml_dtypes or numpy, from FP32."""
    t = ML[fmt]
    if saturate and fmt not in NO_NAN:
        top = float(np.nanmax(np.abs(decode_all(fmt)[np.isfinite(decode_all(fmt))])))
        x = np.clip(x, -top if fmt != "e8m0" else -np.inf, top).astype(np.float32)
    return x.astype(t).view(np.uint16 if bits_of(fmt) > 8 else np.uint8).astype(np.int64)


def fnv(codes, fmt):
    """One hash for each block of 65,536 codes."""
    size = 1 if bits_of(fmt) <= 8 else 2 if bits_of(fmt) <= 16 else 4
    data = codes.astype(f"<u{size}").view(np.uint8).reshape(-1, BLOCK * size).T.copy()
    h = np.full(data.shape[1], 0xCBF29CE484222325, dtype=U64)
    for row in data:
        h = (h ^ row) * U64(0x100000001B3)
    return h


def fnv_bytes(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    return h


def text(v):
    return "nan" if np.isnan(v) else ("-inf" if v < 0 else "inf") if np.isinf(v) else float(v).hex()


def limit_rows(fmt):
    if fmt in INTS:
        bits, lo, hi = INTS[fmt]
        if fmt in ("int32", "int16", "int8", "uint32", "uint16", "uint8"):
            lo, hi = np.iinfo(fmt).min, np.iinfo(fmt).max
        elif fmt in ("int4", "int2", "uint4", "uint2"):
            info = ml_dtypes.iinfo(getattr(ml_dtypes, fmt))
            lo, hi = int(info.min), int(info.max)
        count = hi - lo + 1 if fmt != "binary" else 2
        return [("min", text(lo)), ("max", text(hi)), ("finite_values", int(count)), ("has_infinity", 0), ("has_nan", 0)]
    if fmt in BOOKS:
        return [("min", text(-1.0)), ("max", text(1.0)), ("finite_values", 16), ("has_infinity", 0), ("has_nan", 0)]
    if fmt == "tf32":
        v = decode_all(fmt)
        f = v[np.isfinite(v)]
        rows = [("min", f.min()), ("max", f.max()), ("min_normal", 2.0**-126), ("min_subnormal", f[f > 0].min()),
                ("epsilon", v[np.nonzero(v == 1)[0][0] + 1] - 1)]
    else:
        info = np.finfo(ML[fmt]) if fmt in ("fp64", "fp32", "fp16") else ml_dtypes.finfo(ML[fmt])
        rows = [("min", info.min), ("max", info.max), ("min_normal", info.smallest_normal)]
        if fmt != "e8m0":  # ml_dtypes names its smallest value again; it has no subnormals
            rows.append(("min_subnormal", info.smallest_subnormal))
        rows.append(("epsilon", info.eps))
    rows = [(k, text(float(v))) for k, v in rows]
    if bits_of(fmt) <= 19:
        v = decode_all(fmt)
        rows += [("finite_values", int(np.isfinite(v).sum())), ("has_infinity", int(np.isinf(v).any())),
                 ("has_nan", int(np.isnan(v).any()))]
    else:
        e, m = (11, 52) if fmt == "fp64" else (8, 23)
        rows += [("finite_values", 2 * (2**e - 1) * 2**m), ("has_infinity", 1), ("has_nan", 1)]
    return rows


def encode_hashes(fmt):
    rows = []
    x32 = inputs32(fmt)
    lo, hi = exponent_range(fmt)
    rows += [("range", "lowest_exponent", lo), ("range", "highest_exponent", hi)]
    has_policy = fmt in IEEE | FNUZ | {"fp8_e4m3", "e8m0"}
    for saturate in ([False, True] if has_policy else [True]):
        if fmt == "e8m0":
            codes = cast(fmt, x32, saturate)
        else:
            codes = search(fmt, x32.astype(np.float64), saturate)
            if fmt in ML and fmt != "fp32":
                other = cast(fmt, x32, saturate)
                bad = np.nonzero(codes != other)[0]
                assert len(bad) == 0, (fmt, saturate, x32[bad[:5]], codes[bad[:5]], other[bad[:5]])
        mode = "saturate" if saturate else "special"
        rows += [("encode_hash", f"{mode}:f32:{b}", f"0x{int(v):016x}") for b, v in enumerate(fnv(codes, fmt))]
        if fmt != "e8m0":
            codes = search(fmt, inputs64(fmt), saturate)
            rows += [("encode_hash", f"{mode}:f64:{b}", f"0x{int(v):016x}") for b, v in enumerate(fnv(codes, fmt))]
    return rows


def golden(fmt):
    rows = [("limit", k, v) for k, v in limit_rows(fmt)]
    if fmt == "fp64":
        for code in (0, 1, 0x000FFFFFFFFFFFFF, 0x0010000000000000, 0x3FF0000000000001, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000,
                     0x7FF8000000000000, 0x8000000000000000, 0xC00921FB54442D18):
            rows.append(("decode", f"0x{code:016X}", text(np.array(code, dtype=U64).view(np.float64))))
        return rows
    bits = bits_of(fmt)
    if bits <= 19:
        v = decode_all(fmt)
        f = v.astype(np.float32)
        data = np.where(np.isnan(f), np.uint32(0x7FC00000), f.view(np.uint32)).astype("<u4").tobytes()
        rows.append(("decode_hash", "all", f"0x{fnv_bytes(data):016x}"))
        step = 1 if bits <= 8 else 2**bits // 64 + 1
        rows += [("decode", f"0x{c:0{(bits + 3) // 4}X}", text(v[c])) for c in range(0, 2**bits, step)]
    elif fmt == "fp32":
        h = splitmix(np.arange(64, dtype=U64), 3) >> U64(32)
        rows += [("decode", f"0x{int(c):08X}", text(np.uint32(c).view(np.float32))) for c in h]
    rows += encode_hashes(fmt)
    if fmt in ML:
        special = [np.float32(s) for s in ("0", "-0", "inf", "-inf", "nan")]
        for x in special + [-special[-1]]:
            if fmt in NO_NAN and np.isnan(x):
                continue  # ml_dtypes gives a zero; here it is an error
            default_saturates = fmt == "fp8_e4m3" or fmt in FNUZ
            y = np.array([x], dtype=np.float32)
            if fmt == "fp32":
                code = int(y.view(np.uint32)[0])
            else:
                code = int(cast(fmt, y, default_saturates and not np.isnan(x))[0])
            rows.append(("encode", ("-" if np.isnan(x) and np.signbit(x) else "") + text(x), f"0x{code:0{(bits + 3) // 4}X}"))
    return rows


def main():
    for fmt in sys.argv[2:] or ORDER:
        with open(f"{sys.argv[1]}/{fmt}.csv", "w", encoding="ascii", newline="\n") as out:
            out.write("kind,key,value\n")
            for row in golden(fmt):
                out.write(",".join(str(x) for x in row) + "\n")
        print(fmt, flush=True)


if __name__ == "__main__":
    main()
