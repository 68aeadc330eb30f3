# SPDX-License-Identifier: Apache-2.0
# requires: bitsandbytes==0.48.2 torch==2.5.1 numpy==2.4.6
"""Golden vectors of `nf4` and `fp4`, from bitsandbytes itself on the CPU.

    python3 tests/oracles/bitsandbytes_nf4.py tests/golden/schemes/bitsandbytes

Weights are 0.1·u³ of the 32-bit generator of the synthetic fixtures, rounded to float; the test makes them again.
"""
import json
import pathlib
import sys

import numpy as np
import torch
import bitsandbytes.functional as F


def uniform(seed, count):
    """count draws in (-1, 1) of the 32-bit LCG of the synthetic fixtures."""
    x, out = seed, np.empty(count)
    for i in range(count):
        x = (1664525 * x + 1013904223) % 2**32
        out[i] = (x + 0.5) / 2**31 - 1
    return out


def hexes(values):
    return [float(v).hex() for v in values]


def case(kind, double, block, count, seed):
    u = uniform(seed, count)
    weights = torch.from_numpy((0.1 * (u * u * u)).astype(np.float32))
    packed, state = F.quantize_4bit(weights, blocksize=block, compress_statistics=double, quant_type=kind)
    back = F.dequantize_4bit(packed, state)
    flat = packed.reshape(-1).numpy()
    codes = np.stack([flat >> 4, flat & 15], axis=1).reshape(-1)[:count]
    row = {"type": kind, "double": double, "block": block, "count": count, "seed": seed,
           "codes": "".join(f"{c:x}" for c in codes)}
    if double:
        # What dequantize_4bit() makes of the statistics.
        absmax = F.dequantize_blockwise(state.absmax, state.state2) + state.offset
        row["offset"] = float(state.offset).hex()
        row["statistics"] = "".join(f"{c:02x}" for c in state.absmax.numpy())
        row["nested"] = hexes(state.state2.absmax.numpy())
    else:
        absmax = state.absmax
    row["absmax"] = hexes(absmax.numpy())
    row["squares"] = float((back.double() ** 2).sum())
    return row


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for kind in ("nf4", "fp4"):
        for seed, (double, block, count) in enumerate(
                [(False, 64, 960), (False, 32, 1000), (False, 128, 2048), (True, 64, 960), (True, 64, 40000), (True, 32, 9000)]):
            rows.append(case(kind, double, block, count, 100 + seed))
    rows.append({"type": "map", "levels": hexes(F.create_dynamic_map().numpy())})
    for kind in ("nf4", "fp4"):
        rows.append({"type": "levels", "of": kind, "levels": hexes(F.get_4bit_type(kind, device="cpu").numpy())})
    with open(folder / "nf4.jsonl", "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row) + "\n")


main()
