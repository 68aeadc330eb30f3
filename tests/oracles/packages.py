# SPDX-License-Identifier: Apache-2.0
# requires: torch==2.5.1 onnx==1.23.2 numpy==2.4.6
"""Writes tests/golden/models/packages.json: shapes and hashes of the tensors in real files of PyPI.

    python tests/oracles/packages.py FOLDER...     (each an unpacked wheel)

TorchScript by torch.jit.load (parameters, buffers and constants), ONNX by onnx.numpy_helper with the
names of nested graphs put together as loupe does, .npz by numpy.load. A hash is FNV-1a over the values
as little-endian float64. Files of a library that is not installed keep what the golden file says.
"""
import json
import sys
from pathlib import Path

import numpy as np

OUT = Path("tests/golden/models/packages.json")


def fnv(array):
    value = 0xCBF29CE484222325
    for byte in np.asarray(array).astype("<f8", order="C").tobytes():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return {"shape": list(np.shape(array)), "fnv1a64": f"{value:016x}"}


def script(path):
    import torch

    return {k: fnv(v.detach().numpy()) for k, v in torch.jit.load(path, map_location="cpu").state_dict().items()}


def collect(graph, path, into):
    from onnx import numpy_helper

    for tensor in graph.initializer:
        into[path + tensor.name] = fnv(numpy_helper.to_array(tensor))
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                into[path + node.output[0]] = fnv(numpy_helper.to_array(attribute.t))
            if attribute.HasField("g"):
                collect(attribute.g, f"{path}{node.name or node.output[0]}.{attribute.name}.", into)


def model(path):
    import onnx

    into = {}
    collect(onnx.load(path).graph, "", into)
    return into


def arrays(path):
    with np.load(path) as archive:
        return {name: fnv(archive[name]) for name in archive.files}


def main():
    result = json.loads(OUT.read_text()) if OUT.exists() else {}
    for folder in map(Path, sys.argv[1:]):
        for path in sorted(folder.rglob("*")):
            kind = {".jit": script, ".onnx": model, ".npz": arrays}.get(path.suffix)
            if kind is None or path.name in ("silero_vad_16k_op15.onnx", "silero_vad_op18_ifless.onnx", "silero_vad_openvino_16k.onnx"):
                continue  # more of the same
            try:
                result[str(path.relative_to(folder))] = kind(path)
            except ImportError as missing:
                print(path.name, missing)
    OUT.write_text(json.dumps(result, indent=0, sort_keys=True) + "\n")
    print({name: len(tensors) for name, tensors in result.items()}, OUT.stat().st_size)


main()
