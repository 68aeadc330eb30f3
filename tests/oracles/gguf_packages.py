# SPDX-License-Identifier: Apache-2.0
# requires: numpy==2.4.6 gguf==0.19.0
"""Writes tests/golden/models/{smollm2,gemma3}.json: what gguf-py reads in two packages of PyPI.

usage: gguf_packages.py FILE.gguf OUT.json. For each tensor its type, shape and a hash of the
dequantized values: sum over i of bits(i) * (2 i + 1) mod 2^64, bits of FP32 in C order.
"""
import json
import sys
from pathlib import Path

import gguf
import numpy as np


def checksum(values):
    bits = np.ascontiguousarray(values, np.float32).ravel().view(np.uint32)
    total = np.uint64(0)
    step = 1 << 22
    with np.errstate(over="ignore"):
        for first in range(0, bits.size, step):
            part = bits[first:first + step].astype(np.uint64)
            odd = np.arange(first, first + part.size, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
            total = total + np.sum(part * odd, dtype=np.uint64)
    return f"{int(total):016x}"


reader = gguf.GGUFReader(sys.argv[1])
tensors = []
for tensor in reader.tensors:
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    tensors.append([tensor.name, int(tensor.tensor_type), [int(d) for d in reversed(tensor.shape)],
                    checksum(values)])
tokens = reader.fields["tokenizer.ggml.tokens"]
result = {
    "architecture": reader.fields["general.architecture"].contents(),
    "tokens": len(tokens.data),
    "parameters": sum(int(t.n_elements) for t in reader.tensors),
}
lines = ",\n".join("  " + json.dumps(t) for t in tensors)
Path(sys.argv[2]).write_text(json.dumps(result)[:-1] + ',\n "tensors": [\n' + lines + "\n]}\n")
print(result, len(tensors), "tensors")
