# SPDX-License-Identifier: Apache-2.0
# requires: torch==2.5.1 torchao==0.7.0 nvidia-modelopt==0.35.0 numpy
"""Writes tests/golden/quant/block_casts.json: MX and NVFP4 casts of pseudo-random layers.

MXFP8, MXFP6 and MXFP4: torchao's to_mx; NVFP4: ModelOpt's NVFP4QTensor.quantize (its file alone is
loaded; the maxima that it imports are given here, since the package wants compiled extensions).
MXINT8, which neither has, and for comparison all the other MX types: float64 from the definition
(scale 2^(floor(log2 max) - emax), nearest even, clamped). Where torchao and the definition differ
the script stops. Layers are 64 x 256 values of the generator of spec/formats.md F.1 (xorshift32,
seed 12345, x = (u1 + u2 + u3 + u4) * 0.05 in float32), and the same with row r times 2^(r - 32).
Hashes are FNV-1a 64 over the scales' codes, over one byte for each element's code, and over the
dequantized FP32 values.
"""
import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch
from torchao.prototype.mx_formats.mx_tensor import to_mx

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/quant/block_casts.json")
BITS = {"mxfp8_e4m3": (4, 3), "mxfp8_e5m2": (5, 2), "mxfp6_e3m2": (3, 2), "mxfp6_e2m3": (2, 3),
        "mxfp4": (2, 1)}
EMAX = {"mxfp8_e4m3": 8, "mxfp8_e5m2": 15, "mxfp6_e3m2": 4, "mxfp6_e2m3": 2, "mxfp4": 2,
        "mxint8": 0}
LARGEST = {"mxfp8_e4m3": 448.0, "mxfp8_e5m2": 57344.0, "mxfp6_e3m2": 28.0, "mxfp6_e2m3": 7.5,
           "mxfp4": 6.0, "mxint8": 127 / 64}
TORCHAO = {"mxfp8_e4m3": torch.float8_e4m3fn, "mxfp8_e5m2": torch.float8_e5m2,
           "mxfp6_e3m2": "fp6_e3m2", "mxfp6_e2m3": "fp6_e2m3", "mxfp4": "fp4_e2m1"}


def fnv(array):
    h = 0xCBF29CE484222325
    for byte in np.ascontiguousarray(array).tobytes():
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def xorshift_layer():
    s, values = 12345, []
    for _ in range(64 * 256):
        total = np.float32(0)
        for _ in range(4):
            s ^= (s << 13) & 0xFFFFFFFF
            s ^= s >> 17
            s ^= (s << 5) & 0xFFFFFFFF
            signed = s - (1 << 32) if s >= 1 << 31 else s
            total = np.float32(total + np.float32(np.float32(signed) / np.float32(2147483648.0)))
        values.append(np.float32(total * np.float32(0.05)))
    return np.array(values, np.float32).reshape(64, 256)


def by_definition(x, name):
    """Scale codes and dequantized values, everything in float64 and exact but for the one rounding."""
    blocks = x.astype(np.float64).reshape(-1, 32)
    most = np.abs(blocks).max(axis=1)
    exponent = np.where(most > 0, np.frexp(most)[1] - 1, -126)
    shared = np.clip(exponent - EMAX[name], -127, 127)
    v = blocks / np.exp2(shared.astype(np.float64))[:, None]
    if name == "mxint8":
        element = np.clip(np.rint(v * 64), -127, 127) / 64
    else:
        e, m = BITS[name]
        least = 2 - 2 ** (e - 1)
        private = np.maximum(np.frexp(np.where(v == 0, 1, v))[1] - 1, least)
        unit = np.exp2((private - m).astype(np.float64))
        element = np.clip(np.rint(v / unit) * unit, -LARGEST[name], LARGEST[name])
    values = (element * np.exp2(shared.astype(np.float64))[:, None]).astype(np.float32)
    return (shared + 127).astype(np.uint8), element, values.reshape(x.shape)


def element_codes(element, name):
    if name == "mxint8":
        return np.rint(element * 64).astype(np.int8).view(np.uint8).ravel()
    e, m = BITS[name]
    bias = 2 ** (e - 1) - 1
    size = np.abs(element).ravel()
    exponent = np.maximum(np.frexp(np.where(size == 0, 1, size))[1] - 1, 1 - bias)
    fraction = np.rint(size / np.exp2((exponent - m).astype(np.float64))).astype(np.int64)
    code = np.where(fraction < 2**m, fraction, ((exponent + bias) << m) + fraction - 2**m)
    return (code + (np.signbit(element).ravel() << (e + m))).astype(np.uint8)


def by_torchao(x, name):
    scales, codes = to_mx(torch.from_numpy(x), TORCHAO[name], 32)
    codes = codes.view(torch.uint8).numpy().ravel()
    if name == "mxfp4":
        # torchao 0.7.0 puts element 2i into the high half.
        codes = np.stack([codes >> 4, codes & 15], axis=1).ravel()
    return scales.view(torch.uint8).numpy().ravel(), codes


def modelopt_quantize():
    """NVFP4QTensor of the installed package, without the package's compiled parts."""
    spec = importlib.util.find_spec("modelopt")
    root = Path(spec.submodule_search_locations[0]) / "torch" / "quantization"
    for name in ("p", "p.backends", "p.qtensor"):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = []
    backend = types.ModuleType("p.backends.utils")
    backend.fp4_compatible = lambda: False
    utils = types.ModuleType("p.utils")
    utils.reduce_amax = lambda x: x.abs().amax()
    utils.reduce_block_amax = lambda x, block_sizes: x.reshape(
        *x.shape[:-1], -1, block_sizes[-1]).abs().amax(dim=-1)
    utils.reduce_block_padding = lambda x, block_sizes: x
    base = types.ModuleType("p.qtensor.base_qtensor")

    class BaseQuantizedTensor:
        def __init__(self, shape, dtype, data):
            self.metadata = {"shape": shape, "dtype": dtype}
            self._quantized_data = data

    base.BaseQuantizedTensor = BaseQuantizedTensor
    sys.modules.update({m.__name__: m for m in (backend, utils, base)})
    spec = importlib.util.spec_from_file_location(
        "p.qtensor.nvfp4_tensor", root / "qtensor" / "nvfp4_tensor.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.NVFP4QTensor.quantize


def nvfp4(x, quantize):
    made, scales, tensor = quantize(torch.from_numpy(x.copy()), 16, try_tensorrt=False)
    packed = made._quantized_data.numpy().ravel()
    codes = np.stack([packed & 15, packed >> 4], axis=1).ravel()
    table = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
    factor = (scales.float() * tensor).numpy().reshape(-1, 1)
    values = (table[codes].reshape(-1, 16) * factor).astype(np.float32)
    return {"tensor_scale": f"{tensor.numpy().view(np.uint32):08x}",
            "scales": fnv(scales.view(torch.uint8).numpy().ravel()), "codes": fnv(codes.astype(np.uint8)),
            "values": fnv(values)}


def main():
    layer = xorshift_layer()
    assert fnv(layer) == "0f8fbd235a4225ac"
    rows = (layer * np.exp2(np.arange(64) - 32.0)[:, None]).astype(np.float32)
    quantize = modelopt_quantize()
    result = {}
    for title, x in {"layer": layer, "rows": rows}.items():
        result[title] = {}
        for name in EMAX:
            scales, element, values = by_definition(x, name)
            codes = element_codes(element, name)
            if name in TORCHAO:
                their_scales, their_codes = by_torchao(x, name)
                assert (their_scales == scales).all() and (their_codes == codes).all(), (title, name)
            result[title][name] = {"scales": fnv(scales), "codes": fnv(codes), "values": fnv(values)}
        if title == "layer":
            result[title]["nvfp4"] = nvfp4(x, quantize)
        else:  # blocks whose scale underflows are this program's own: rows within 2^9 of the largest
            result["top rows"] = {"nvfp4": nvfp4(x[-8:], quantize)}
    OUT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
