# SPDX-License-Identifier: Apache-2.0
# requires: torch==2.5.1 numpy==2.4.6
"""Writes tests/golden/io/pytorch/: checkpoints by PyTorch, and expected.json with what PyTorch
itself loads from them: for each file the dotted name, dtype, shape and values (float64, little-endian
bytes in hex, of more than 256 their FNV-1a hash; absolute values of complex numbers) of every tensor.

The names come from walking the loaded objects here, not from the pickle. Big-endian and deflated
archives are made from PyTorch's own by turning the words of every storage round, and by packing the
members again.
"""
import collections
import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch

# 2.5 cannot pickle these three yet; later versions write them as 2.5 does its other new types.
_known = torch.storage._new_dtypes
torch.storage._new_dtypes = lambda: set(_known()) | {torch.uint16, torch.uint32, torch.uint64}

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/io/pytorch")
expected = {}


def values(tensor):
    tensor = tensor.detach()
    if tensor.is_complex():
        tensor = tensor.to(torch.complex128).abs()
    if tensor.dtype in (torch.uint16, torch.uint32, torch.uint64):
        array = tensor.contiguous().numpy().astype("<f8")
    else:
        array = tensor.to(torch.float64).contiguous().numpy().astype("<f8")
    data = array.tobytes()
    if len(data) <= 2048:
        return data.hex()
    hash = 0xCBF29CE484222325
    for byte in data:
        hash = (hash ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"fnv1a64:{hash:016x}"


def walk(value, name, into):
    if isinstance(value, torch.Tensor):
        into[name] = value
    elif isinstance(value, torch.nn.Module):
        for key, tensor in value.state_dict().items():
            into[f"{name}.{key}" if name else key] = tensor
    elif isinstance(value, dict):
        for key, item in value.items():
            walk(item, f"{name}.{key}" if name else str(key), into)
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            walk(item, f"{name}.{i}" if name else str(i), into)


def describe(file, value, root=""):
    tensors = {}
    walk(value, root, tensors)
    expected[file] = {
        name: {
            "dtype": str(t.dtype).removeprefix("torch."),
            "shape": list(t.shape),
            "values": values(t),
        }
        for name, t in tensors.items()
    }


def save(file, value, **options):
    torch.save(value, OUT / file, **options)
    loaded = torch.load(OUT / file, weights_only=False)
    describe(file, loaded, Path(file).stem if isinstance(loaded, torch.Tensor) else "")


def types():
    generator = torch.Generator().manual_seed(7)
    base = torch.randn(4, 6, generator=generator)
    result = {}
    for name in "float64 float32 float16 bfloat16 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz".split():
        result[name] = base.to(getattr(torch, name))
    for name in "int64 int32 int16 int8 uint8 uint16 uint32 uint64".split():
        result[name] = (base * 40).abs().to(torch.int32).to(getattr(torch, name))
    result["int64"][0, 0] = 2**62 + 1
    result["bool"] = base > 0
    pairs = torch.tensor([[3 + 4j, -5 + 12j], [8 - 15j, 0j]])
    result["complex64"] = pairs.to(torch.complex64)
    result["complex128"] = pairs.to(torch.complex128)
    result["scalar"] = torch.tensor(2.5)
    result["none"] = torch.empty(0, 3)
    result["special"] = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0])
    return result


def views():
    base = torch.arange(60, dtype=torch.float32)
    grid = base.reshape(5, 12)
    return {
        "base": base,
        "transposed": grid.t(),
        "slice": grid[1:4, 2:9],
        "steps": grid[::2, ::3],
        "column": grid[:, 5],
        "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 7),
        "overlapping": base.as_strided((4, 5), (3, 2), 1),
        "cube": base.reshape(3, 4, 5).permute(2, 0, 1),
        "experts.weight": base.reshape(3, 4, 5).transpose(1, 2),
        "late": base[50:],
        "half": grid.to(torch.float16).t()[1:, :3],
        "tied": grid,
        "tied_again": grid,
        "flipped_wide": torch.arange(40 * 150, dtype=torch.int32).reshape(150, 40).t(),
    }


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(3, 4)
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(4, 4, bias=False) for _ in range(2)])
        self.register_buffer("steps", torch.arange(4))
        self.head = torch.nn.Linear(4, 3)

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x) + torch.tensor([1.5, 2.5, 3.5, 4.5])
        return self.head(x)


def training():
    torch.manual_seed(3)
    net = Net()
    net.head.weight = torch.nn.Parameter(net.first.weight.detach().t().contiguous())
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    net(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    return {
        "model": net.state_dict(),
        "ema": [net.first.weight, (net.first.bias.detach(), {"deep": {"er": torch.ones(2)}})],
        "optimizer": optimizer.state_dict(),
        "epoch": 17,
        "loss": 0.25,
        "name": "run 4",
        "best": None,
        "done": False,
        "sizes": [1, 2, 3],
        "shape": torch.Size([4, 3]),
        "step": np.float64(12.5),
        "counter": collections.Counter({"a": 2}),
        7: torch.full((2,), 7.0),
    }


def members(path):
    with zipfile.ZipFile(path) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def pack(path, files, method):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data, method)


def big_endian():
    state = {
        "f4": torch.arange(6, dtype=torch.float32).reshape(2, 3) / 7,
        "f8": torch.arange(5, dtype=torch.float64) / 3,
        "h": torch.arange(5, dtype=torch.float16),
        "b": torch.arange(4, dtype=torch.bfloat16),
        "i8": torch.arange(4, dtype=torch.int64) - 2,
        "c": torch.tensor([3 + 4j, 6 + 8j]),
        "u1": torch.arange(9, dtype=torch.uint8),
        "t": torch.arange(12, dtype=torch.float32).reshape(3, 4).t(),
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    widths = [t.element_size() // (2 if t.is_complex() else 1) for t in state.values()]
    files = []
    for name, data in members(io.BytesIO(buffer.getvalue())):
        if name.endswith("byteorder"):
            data = b"big"
        elif "/data/" in name:
            width = widths[int(name.rsplit("/", 1)[1])]
            data = np.frombuffer(data, f"<u{width}").byteswap().tobytes()
        files.append((name, data))
    pack(OUT / "big_endian.pt", files, zipfile.ZIP_STORED)
    describe("big_endian.pt", state)


def deflated():
    state = {"weight": torch.arange(3000, dtype=torch.float32).reshape(50, 60) % 11}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    pack(OUT / "deflated.pt", members(io.BytesIO(buffer.getvalue())), zipfile.ZIP_DEFLATED)
    describe("deflated.pt", state)


def problems():
    """Tensors that are more than a storage: each must get a problem of its own."""
    value = {
        "plain": torch.arange(3.0),
        "quantized": torch.quantize_per_tensor(torch.ones(2, 3), 0.1, 10, torch.quint8),
        "sparse": torch.eye(3).to_sparse(),
        "meta": torch.empty(4, 5, device="meta"),
    }
    torch.save(value, OUT / "problems.pt")
    describe("problems.pt", {"plain": value["plain"]})


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    save("types.pt", types())
    old = {k: v for k, v in types().items() if k not in ("uint16", "uint32", "uint64") and "float8" not in k}
    save("types_legacy.pt", old, _use_new_zipfile_serialization=False)
    save("types_protocol4.pt", types(), pickle_protocol=4)
    save("views.pt", views())
    save("views_legacy.pth", views(), _use_new_zipfile_serialization=False)
    save("training.ckpt", training())
    save("training_legacy.bin", training(), _use_new_zipfile_serialization=False)
    torch.manual_seed(5)
    net = Net()
    save("module.pt", net)
    save("single.pt", torch.arange(6.0).reshape(2, 3))
    save("list.pt", [torch.ones(2), torch.zeros(1, 3)])
    script = torch.jit.script(net)
    script.save(str(OUT / "script.pt"))
    state = dict(net.state_dict())
    describe("script.pt", state)
    big_endian()
    deflated()
    problems()
    (OUT / "expected.json").write_text(json.dumps(expected, indent=0, sort_keys=True) + "\n")
    print({f.name: f.stat().st_size for f in sorted(OUT.iterdir())})


main()
