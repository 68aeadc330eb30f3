# SPDX-License-Identifier: Apache-2.0
# requires: torch==2.5.1 safetensors==0.5.3 numpy==1.26.4 bitsandbytes==0.48.2
# sources: gptqmodel==7.7.0 auto-gptq==0.7.1 autoawq==0.2.9 (unpacked; see SOURCES)
"""Packed checkpoints and their weights as the formats' own libraries dequantize them.

    pip download --no-deps gptqmodel==7.7.0 auto-gptq==0.7.1 autoawq==0.2.9 ...   # and unpack into SOURCES
    python3 tests/oracles/packed.py tests/golden/io/packed SOURCES

One folder per case, SCHEME/CASE/ with model.safetensors and config.json, and SCHEME/CASE.expected.safetensors with
the logical tensors in the dtype that the library gives. Libraries that do not install without a GPU are not imported:
the functions that are needed are taken from their sources by name and run as they are.
"""
import ast
import json
import math
import pathlib
import sys
import types

import numpy as np
import torch
from safetensors.torch import save_file

OUT = pathlib.Path(sys.argv[1])
SOURCES = pathlib.Path(sys.argv[2])
ONLY = sys.argv[3:]


def functions(path, names, **scope):
    """Functions (also methods) of a source file, by name, without importing the file."""
    tree = ast.parse(pathlib.Path(path).read_text())
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in names and node.name not in found:
            node.decorator_list = []
            node.returns = None
            for arg in node.args.args + node.args.kwonlyargs:
                arg.annotation = None
            found[node.name] = node
    module = ast.fix_missing_locations(ast.Module(body=list(found.values()), type_ignores=[]))
    exec(compile(module, str(path), "exec"), scope)
    missing = [n for n in names if n not in scope]
    assert not missing, (path, missing)
    return types.SimpleNamespace(**{n: scope[n] for n in names}, scope=scope)


def words(generator, *shape):
    return torch.from_numpy(generator.integers(-2**31, 2**31, size=shape, dtype=np.int64).astype(np.int32))


def scales_of(generator, *shape, dtype=torch.float16):
    return torch.from_numpy(generator.uniform(0.001, 0.05, size=shape).astype(np.float32)).to(dtype)


def write(scheme, case, stored, config, expected):
    folder = OUT / scheme / case
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in stored.items()}, folder / "model.safetensors")
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file({k: v.contiguous() for k, v in expected.items()}, OUT / scheme / f"{case}.expected.safetensors")


# --- GPTQ ---------------------------------------------------------------------------------------

def gptqmodel():
    root = SOURCES / "gptqmodel-7.7.0" / "gptqmodel"
    linear = functions(root / "nn_modules" / "qlinear" / "__init__.py",
                       ["dequantize_weight", "_dequantize_from_codes", "_torch_right_shift", "_torch_left_shift"],
                       t=torch, torch=torch)
    zeros = functions(root / "utils" / "model_dequant.py",
                      ["_shift_gptq_qzeros", "unpack_cols", "pack_cols", "_unpack_cols_3bit", "_pack_cols_3bit",
                       "_require_int32_words_for_3bit"],
                      torch=torch, PLANAR_BITS=(5, 6, 7))
    return linear, zeros


def gptq_weight(bits, qweight, qzeros, scales, g_idx, v1):
    """TorchQuantLinear.dequantize_weight() of GPTQModel, v1 zero points corrected by its own function."""
    linear, zeros = gptqmodel()
    if v1:
        qzeros = zeros._shift_gptq_qzeros(qzeros, bits, delta=1)
    if bits == 3:
        wf = torch.tensor([[0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0], [0, 1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31],
                           [0, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0]], dtype=torch.int32).reshape(1, 3, 12)
    else:
        wf = torch.tensor(list(range(0, 32, bits)), dtype=torch.int32).unsqueeze(0)
    self = types.SimpleNamespace(planar=False, bits=bits, qweight=qweight, qzeros=qzeros, scales=scales, g_idx=g_idx,
                                 pack_factor=32 // bits, maxq=2**bits - 1, in_features=len(g_idx),
                                 dequant_dtype=torch.int16 if bits == 8 else torch.int8,
                                 wf_unsqueeze_zero=wf.unsqueeze(0), wf_unsqueeze_neg_one=wf.unsqueeze(-1),
                                 _init_wf_unsqueeze_buffers=lambda: None)
    self._dequantize_from_codes = lambda *a, **k: linear._dequantize_from_codes(self, *a, **k)
    return linear.dequantize_weight(self).t()


def gptq_config(bits, group, desc_act, **more):
    return {"model_type": "llama", "quantization_config": {"quant_method": "gptq", "bits": bits, "group_size": group,
                                                           "desc_act": desc_act, **more}}


def gptq():
    rng = np.random.default_rng(7)
    inputs, outputs = 96, 64

    def case(name, bits, group, v1=True, act=False, g_idx=True, dtype=torch.float16, config=None, zeros=None, n=outputs):
        size = inputs if group == -1 else group
        groups = math.ceil(inputs / size)
        index = torch.arange(inputs, dtype=torch.int32) // size
        if act:
            index = index[torch.from_numpy(rng.permutation(inputs))]
        qweight = words(rng, inputs * bits // 32, n)
        qzeros = words(rng, groups, n * bits // 32) if zeros is None else torch.full(
            (groups, n * bits // 32), zeros, dtype=torch.int32)
        scales = scales_of(rng, groups, n, dtype=dtype)
        stored = {"layer.qweight": qweight, "layer.qzeros": qzeros, "layer.scales": scales,
                  "layer.bias": torch.arange(n, dtype=torch.float16), "norm.weight": torch.ones(8)}
        if g_idx:
            stored["layer.g_idx"] = index
        expected = gptq_weight(bits, qweight, qzeros, scales, index, v1)
        if config is None:
            config = gptq_config(bits, group, act, checkpoint_format="gptq" if v1 else "gptq_v2")
        write("gptq", name, stored, config or None, {"layer.weight": expected})

    for bits in (2, 3, 4, 8):
        case(f"b{bits}_v1", bits, 32)
        case(f"b{bits}_v2", bits, 32, v1=False)
    case("b4_act_order", 4, 32, act=True)
    case("b3_act_order", 3, 32, act=True)
    case("b4_no_g_idx", 4, 32, g_idx=False)
    case("b4_channel", 4, -1)
    case("b4_partial_group", 4, 64)
    case("b4_bf16", 4, 32, dtype=torch.bfloat16)
    # No word of the version anywhere: zero points that all say 8 or all say 7 tell it.
    bare = {"model_type": "llama"}
    case("b4_bare_v2", 4, 32, v1=False, config=bare, zeros=-0x77777778)
    case("b4_bare_v1", 4, 32, config=bare, zeros=0x77777777)
    autogptq_packed(rng)


def autogptq_packed(rng):
    """Packed by AutoGPTQ itself (qlinear_cuda_old.QuantLinear.pack), symmetric."""
    stub = types.ModuleType("transformers")
    stub.pytorch_utils = types.SimpleNamespace(Conv1D=type("Conv1D", (), {}))
    scope = functions(SOURCES / "ag" / "auto_gptq" / "nn_modules" / "qlinear" / "qlinear_cuda_old.py", ["pack"],
                      torch=torch, np=np, nn=torch.nn, transformers=stub)
    linear = torch.nn.Linear(96, 32, bias=False).half()
    group, bits = 32, 4
    weight = linear.weight.data.float().reshape(32, 3, group)
    scales = (weight.abs().amax(-1) / 6.9).half()
    zeros = torch.full_like(scales, 8)
    self = types.SimpleNamespace(infeatures=96, outfeatures=32, group_size=group, bits=bits,
                                 g_idx=torch.arange(96, dtype=torch.int32) // group, bias=None)
    scope.pack(self, linear, scales, zeros, None)
    stored = {"proj.qweight": self.qweight, "proj.qzeros": self.qzeros, "proj.scales": self.scales, "proj.g_idx": self.g_idx}
    expected = gptq_weight(bits, self.qweight, self.qzeros, self.scales, self.g_idx, True)
    assert (expected.float() - linear.weight.data.float()).abs().max() <= scales.max() * 0.51
    write("gptq", "autogptq_packed", stored, gptq_config(4, group, False, sym=True), {"proj.weight": expected})


# --- AWQ ----------------------------------------------------------------------------------------

def awq():
    rng = np.random.default_rng(8)
    library = functions(SOURCES / "autoawq-0.2.9" / "awq" / "utils" / "packing_utils.py",
                        ["unpack_awq", "reverse_awq_order", "dequantize_gemm"],
                        torch=torch, AWQ_REVERSE_ORDER=[0, 4, 1, 5, 2, 6, 3, 7])
    inputs, outputs = 96, 64

    def config(group, version):
        return {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": group, "zero_point": True,
                                        "version": version}}

    for name, group, conf in (("gemm_g32", 32, config(32, "gemm")), ("gemm_g48", 48, config(48, "GEMM")),
                              ("gemm_bare", 32, {"model_type": "llama"})):
        qweight, qzeros = words(rng, inputs, outputs // 8), words(rng, inputs // group, outputs // 8)
        scales = scales_of(rng, inputs // group, outputs)
        weight = library.dequantize_gemm(qweight, qzeros, scales, 4, group).t()
        write("awq", name, {"layer.qweight": qweight, "layer.qzeros": qzeros, "layer.scales": scales}, conf,
              {"layer.weight": weight})
    # GEMV: no dequantization on the CPU in AutoAWQ; restated by the order that its from_linear() packs in.
    group, inputs, outputs = 32, 96, 24
    width = 2  # words of zero points: calculate_zeros_width() pads
    qweight, qzeros = words(rng, outputs, inputs // 8), words(rng, outputs, width)
    scales = torch.zeros(outputs, width * 8, dtype=torch.float16)
    scales[:, :inputs // group] = scales_of(rng, outputs, inputs // group)
    nibbles = lambda w: ((w.unsqueeze(-1) >> torch.arange(0, 32, 4, dtype=torch.int32)) & 15).reshape(w.shape[0], -1)
    index = torch.arange(inputs) // group
    weight = (nibbles(qweight) - nibbles(qzeros)[:, index]).to(torch.float16) * scales[:, index]
    write("awq", "gemv_g32", {"layer.qweight": qweight, "layer.qzeros": qzeros, "layer.scales": scales},
          config(group, "gemv"), {"layer.weight": weight})


# --- bitsandbytes -------------------------------------------------------------------------------

def bnb():
    import bitsandbytes.functional as F
    from bitsandbytes.backends.utils import CODE
    # The CPU path has a table of FP4 values of four decimals (0.1667 for 2/12); the CUDA kernels and the quant_map
    # that checkpoints carry have the values themselves. The map is what counts here.
    CODE["fp4"] = F.get_4bit_type("fp4", "cpu")
    rng = np.random.default_rng(9)
    config = {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}}
    cases = [("nf4_f32", "nf4", 64, False, torch.float32, (40, 96), None), ("fp4_f32", "fp4", 64, False, torch.float32, (40, 96), None),
             ("nf4_nested_f32", "nf4", 64, True, torch.float32, (72, 256), None),
             ("nf4_bf16", "nf4", 64, False, torch.bfloat16, (24, 96), None),
             ("fp4_f16", "fp4", 128, False, torch.float16, (24, 96), None),
             ("nf4_ragged", "nf4", 64, False, torch.float32, (7, 30), None),
             ("nf4_storage_bf16", "nf4", 64, True, torch.bfloat16, (32, 64), torch.bfloat16),
             ("nf4_storage_f32", "nf4", 64, False, torch.float32, (32, 64), torch.float32)]
    for name, kind, block, nested, dtype, shape, storage in cases:
        weight = torch.from_numpy(rng.normal(0, 0.05, shape).astype(np.float32)).to(dtype)
        packed, state = F.quantize_4bit(weight, blocksize=block, compress_statistics=nested, quant_type=kind,
                                        quant_storage=storage or torch.uint8)
        stored = {"layer.weight": packed}
        for key, value in state.as_dict(packed=True).items():
            stored["layer.weight." + key] = value
        # The CPU path rounds the 16 codes to the dtype before the product; the CUDA kernels, with which models run,
        # round the FP32 product once. So: the library's FP32 result, rounded once.
        state.dtype = torch.float32
        back = F.dequantize_4bit(packed, state).to(dtype)
        conf = json.loads(json.dumps(config))
        conf["quantization_config"]["bnb_4bit_quant_type"] = kind
        write("bnb_4bit", name, stored, conf, {"layer.weight": back.reshape(shape)})
    for name, shape in (("row", (24, 40)), ("bare", (8, 16))):
        weight = torch.from_numpy(rng.normal(0, 0.05, shape).astype(np.float16))
        absmax = weight.abs().amax(1).float()
        codes = torch.round(weight.float() * (127 / absmax[:, None])).to(torch.int8)
        back = torch.ops.bitsandbytes.int8_vectorwise_dequant(codes, absmax)
        stored = {"layer.weight": codes, "layer.SCB": absmax}
        if name == "row":
            stored["layer.weight_format"] = torch.tensor(0, dtype=torch.uint8)
        write("bnb_int8", name, stored, {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
              {"layer.weight": back})


SECTIONS = {"gptq": gptq, "awq": awq, "bnb": bnb}


if __name__ == "__main__":
    for name, section in SECTIONS.items():
        if not ONLY or name in ONLY:
            torch.manual_seed(1)
            section()
