# SPDX-License-Identifier: Apache-2.0
# requires: numpy==2.4.6 gguf==0.19.0
"""Has `loupe quantize` write tests/golden/io/gguf/written_*.gguf and reads them with the gguf package.

usage: gguf_readback.py LOUPE [OUT]. Stops where type, shape, keys, alignment or the dequantized
values are not those that `--output OUT.safetensors` holds for the same scheme.
"""
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np

LOUPE = sys.argv[1]
OUT = Path(sys.argv[2] if len(sys.argv) > 2 else "tests/golden/io/gguf")
FILES = {"written_q4_0.gguf": ("ggml:type=q4_0", "Q4_0"), "written_fp32.gguf": ("absmax:bits=4", "F32")}


def quantize(scheme, path):
    subprocess.run([LOUPE, "quantize", "synthetic:F1", "--tensor", "weight", "--scheme", scheme,
                    "--output", str(path)], check=True, stdout=subprocess.DEVNULL)


def safetensors(path, name):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8:8 + size])[name]
    begin, end = entry["data_offsets"]
    return np.frombuffer(data[8 + size + begin:8 + size + end], "<f4").reshape(entry["shape"])


for name, (scheme, kind) in FILES.items():
    quantize(scheme, OUT / name)
    with tempfile.TemporaryDirectory() as folder:
        quantize(scheme, Path(folder) / "x.safetensors")
        expected = safetensors(Path(folder) / "x.safetensors", "weight")
    reader = gguf.GGUFReader(OUT / name)
    tensor = reader.tensors[0]
    assert [t.name for t in reader.tensors] == ["weight"]
    assert tensor.tensor_type.name == kind
    assert list(tensor.shape) == list(reversed(expected.shape))
    assert tensor.data_offset % 32 == 0
    assert reader.fields["general.architecture"].contents() == "unknown"
    assert reader.fields["tensorloupe.scheme"].contents() == scheme.replace(":type=q4_0", "")
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(expected.shape)
    assert (values.view(np.uint32) == expected.view(np.uint32)).all()
    print(name, "read by gguf-py:", kind, list(tensor.shape), "values equal bit for bit")
