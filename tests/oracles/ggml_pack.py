# SPDX-License-Identifier: Apache-2.0
# requires: libggml-python==0.20.2.post1 numpy==2.4.6
"""Golden vectors of ggml's reference quantizers, from ggml's own library.

    python3 tests/oracles/ggml_pack.py tests/golden/blocks/pack [path of libggml-base.so]

One line for each kind of input and each block type: FNV-1a of all bytes of 4096 encoded values, and
the first block. The inputs are integers of a 32-bit xorshift, scaled in float32; the test makes
them again.
"""
import ctypes
import json
import pathlib
import sys

import numpy as np

COUNT = 4096
FUNCTIONS = {  # id: (elements, bytes, function of libggml-base)
    "q4_0": (32, 18, "quantize_row_q4_0_ref"),
    "q4_1": (32, 20, "quantize_row_q4_1_ref"),
    "q5_0": (32, 22, "quantize_row_q5_0_ref"),
    "q5_1": (32, 24, "quantize_row_q5_1_ref"),
    "q8_0": (32, 34, "quantize_row_q8_0_ref"),
    "q8_1": (32, 36, "quantize_row_q8_1_ref"),
    "q8_k": (256, 292, "quantize_row_q8_K_ref"),
    "q1_0": (128, 18, "quantize_row_q1_0_ref"),
    "q2_0": (64, 18, "quantize_row_q2_0_ref"),
    "q2_k": (256, 84, "quantize_row_q2_K_ref"),
    "q3_k": (256, 110, "quantize_row_q3_K_ref"),
    "q4_k": (256, 144, "quantize_row_q4_K_ref"),
    "q5_k": (256, 176, "quantize_row_q5_K_ref"),
    "q6_k": (256, 210, "quantize_row_q6_K_ref"),
    "iq4_nl": (32, 18, "quantize_iq4_nl"),
    "iq4_nl_ref": (32, 18, "quantize_row_iq4_nl_ref"),
    "iq4_xs": (256, 136, "quantize_iq4_xs"),
    "tq1_0": (256, 54, "quantize_row_tq1_0_ref"),
    "tq2_0": (256, 66, "quantize_row_tq2_0_ref"),
    "ggml_mxfp4": (32, 17, "quantize_row_mxfp4_ref"),
    "ggml_nvfp4": (64, 36, "quantize_row_nvfp4_ref"),
}
KINDS = ["normal", "tiny", "least", "denormal", "huge", "overflow", "positive", "negative", "offset",
         "constant", "heavy", "sparse", "zeros", "ties", "signs", "powers"]


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return f"{h:016x}"


class Draws:
    def __init__(self, seed):
        self.state = seed

    def bits(self):
        s = self.state
        s ^= s << 13 & 0xFFFFFFFF
        s ^= s >> 17
        s ^= s << 5 & 0xFFFFFFFF
        self.state = s
        return s

    def unit(self):
        b = self.bits()
        return np.float32(b - 2**32 if b >= 2**31 else b) / np.float32(2**31)

    def normal(self):
        total = np.float32(0)
        for _ in range(4):
            total = total + self.unit()
        return total * np.float32(0.05)


def values(kind):
    draws = Draws(12345 + 1000 * KINDS.index(kind))
    scale = {"tiny": -40, "least": -100, "denormal": -130, "huge": 20, "overflow": 34}.get(kind, 0)
    out = np.empty(COUNT, np.float32)
    for i in range(COUNT):
        x = draws.normal()
        if kind in ("tiny", "least", "denormal", "huge", "overflow"):
            x = np.float32(np.ldexp(np.float64(x), scale))
        elif kind == "positive":
            x = abs(x)
        elif kind == "negative":
            x = -abs(x)
        elif kind == "offset":
            x = np.float32(1) + x
        elif kind == "constant" and i % 32 != 0:
            x = out[i - 1]
        elif kind == "heavy":  # one in sixteen up to 1024 times as large
            b = draws.bits()
            x = np.float32(np.ldexp(np.float64(x), (b >> 8) % 11)) if b % 16 == 0 else x
        elif kind == "sparse":
            b = draws.bits()
            x = x if b % 4 == 0 else np.float32(-0.0 if b % 4 == 1 else 0.0)
        elif kind == "zeros":  # runs of 16, 32 and 256
            x = np.float32(0) if i // 16 % 3 == 0 or i // 32 % 5 == 0 or i // 256 % 7 == 3 else x
        elif kind == "ties":
            x = np.float32(int(draws.bits() % 65) - 32) / np.float32(8)
        elif kind == "signs":  # the largest magnitude with both signs
            x = np.float32(0.25 if draws.bits() % 2 == 0 else -0.25)
        elif kind == "powers":  # powers of two and their neighbours
            b = draws.bits()
            one = np.array([((b % 41 + 107) << 23) + (b >> 8) % 5 - 2], np.uint32).view(np.float32)[0]
            x = -one if b >> 31 else one
        out[i] = x
    return out


def encode(library, name, x):
    elements, size, function = FUNCTIONS[name]
    out = np.zeros(COUNT // elements * size, np.uint8)
    target = out.ctypes.data_as(ctypes.c_void_p)
    source = x.ctypes.data_as(ctypes.c_void_p)
    if function in ("quantize_iq4_nl", "quantize_iq4_xs"):
        getattr(library, function)(source, target, ctypes.c_int64(1), ctypes.c_int64(COUNT), None)
    else:
        getattr(library, function)(source, target, ctypes.c_int64(COUNT))
    return out.tobytes()


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 2:
        path = sys.argv[2]
    else:
        import libggml
        path = str(pathlib.Path(libggml.__file__).parent / "lib64" / "libggml-base.so")
    library = ctypes.CDLL(path)
    library.quantize_iq4_nl.restype = library.quantize_iq4_xs.restype = ctypes.c_size_t
    rows = []
    for kind in KINDS:
        x = values(kind)
        rows.append({"kind": kind, "input": fnv1a(x.tobytes())})
        for name, (_, size, _) in FUNCTIONS.items():
            if name == "iq4_nl_ref" and kind in ("least", "denormal", "zeros"):
                continue  # its codes of a block of zeros are those of whatever came before
            data = encode(library, name, x)
            rows.append({"kind": kind, "type": name, "hash": fnv1a(data), "first": data[:size].hex()})
    with open(folder / "pack.jsonl", "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
