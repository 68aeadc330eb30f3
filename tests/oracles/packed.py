# SPDX-License-Identifier: Apache-2.0
# requires: torch==2.5.1 safetensors==0.5.3 numpy==1.26.4 bitsandbytes==0.48.2
#           compressed-tensors==0.20.0 mlx[cpu]==0.32.4
# (the sections planar, marlin, sparse, mxfp6 and modelopt: torch==2.15.0 numpy==2.4.6 safetensors==0.8.0)
# sources: gptqmodel==7.7.0 autoawq==0.2.9 auto-gptq==0.7.1 (as ag) nvidia-modelopt==0.47.0 (mo) transformers==5.23.0 (tf)
#          compressed-tensors==0.11.0 (ct_old), unpacked; see SOURCES
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
    pytorch_file()


def pytorch_file():
    """The act-order module again, in the file that older checkpoints come in."""
    from safetensors.torch import load_file
    folder = OUT / "gptq" / "b4_pytorch"
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(load_file(OUT / "gptq" / "b4_act_order" / "model.safetensors"), folder / "pytorch_model.bin")
    for name in ("b4_act_order/config.json", "b4_act_order.expected.safetensors"):
        (OUT / "gptq" / name.replace("b4_act_order", "b4_pytorch")).write_bytes((OUT / "gptq" / name).read_bytes())


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


# --- compressed-tensors -------------------------------------------------------------------------

def compressed_config(fmt, **weights):
    return {"quantization_config": {"quant_method": "compressed-tensors", "format": fmt, "ignore": ["lm_head"],
                                    "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}}


def compressed():
    from compressed_tensors.compressors.mxfp4.base import MXFP4PackedCompressor
    from compressed_tensors.compressors.mxfp8.base import MXFP8QuantizationCompressor
    from compressed_tensors.compressors.naive_quantized.base import NaiveQuantizationCompressor
    from compressed_tensors.compressors.nvfp4.base import NVFP4PackedCompressor
    from compressed_tensors.compressors.pack_quantized.base import PackedQuantizationCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    rng = np.random.default_rng(10)

    def int_case(name, compressor, fmt, bits, group, symmetric, dtype, shape=(24, 96)):
        strategy = "channel" if group == 0 else "tensor" if group < 0 else "group"
        args = QuantizationArgs(num_bits=bits, type="int", symmetric=symmetric, strategy=strategy,
                                group_size=group if group > 0 else None)
        scheme = QuantizationScheme(targets=["Linear"], weights=args)
        groups = shape[1] // group if group > 0 else 1
        grid = (1,) if group < 0 else (shape[0], groups)
        half = 2 ** (bits - 1)
        weight = torch.from_numpy(rng.normal(0, 0.05, shape).astype(np.float32)).to(dtype)
        scale = torch.from_numpy(rng.uniform(0.02 / half, 0.2 / half, grid).astype(np.float32)).to(dtype)
        zero = torch.from_numpy(rng.integers(-half, half, grid).astype(np.int8))
        state = {"weight": weight, "weight_scale": scale}
        if not symmetric:
            state["weight_zero_point"] = zero
        stored = compressor.compress(dict(state), scheme)
        back = compressor.decompress(dict(stored), scheme)["weight"]
        write("compressed_int", name, {"layer." + k: v for k, v in stored.items()},
              compressed_config(fmt, num_bits=bits, type="int", symmetric=symmetric, strategy=strategy,
                                group_size=group if group > 0 else None), {"layer.weight": back})

    pack = PackedQuantizationCompressor
    for bits in (1, 2, 3, 4, 5, 6, 7, 8):
        int_case(f"pack_b{bits}", pack, "pack-quantized", bits, 32, True, torch.bfloat16)
    int_case("pack_b4_asym", pack, "pack-quantized", 4, 32, False, torch.bfloat16)
    int_case("pack_b3_asym", pack, "pack-quantized", 3, 32, False, torch.float16, (40, 96))
    int_case("pack_b4_channel", pack, "pack-quantized", 4, 0, True, torch.float16, (24, 90))
    int_case("pack_b8_channel_asym", pack, "pack-quantized", 8, 0, False, torch.float32)
    naive = NaiveQuantizationCompressor
    int_case("int8_channel", naive, "int-quantized", 8, 0, True, torch.bfloat16)
    int_case("int8_channel_asym", naive, "int-quantized", 8, 0, False, torch.float16)
    int_case("int8_tensor", naive, "int-quantized", 8, -1, True, torch.float32)
    old_packing(rng)
    act_order(rng)

    def float_case(scheme_id, name, compressor, fmt, shape, scale, dtype, extra=None, **weights):
        args = QuantizationArgs(symmetric=True, type="float", **weights)
        scheme = QuantizationScheme(targets=["Linear"], weights=args)
        weight = torch.from_numpy(rng.normal(0, 0.05, shape).astype(np.float32)).to(dtype)
        state = {"weight": weight, "weight_scale": scale.to(dtype), **(extra or {})}
        stored = compressor.compress(dict(state), scheme)
        back = compressor.decompress(dict(stored), scheme)["weight"]
        config = {k: v for k, v in weights.items() if k not in ("scale_dtype", "zp_dtype")}
        write(scheme_id, name, {"layer." + k: v for k, v in stored.items()},
              compressed_config(fmt, type="float", symmetric=True, **config), {"layer.weight": back})

    def amax(shape):
        return torch.from_numpy(rng.uniform(0.0002, 0.0006, shape).astype(np.float32))

    float_case("fp8", "ct_tensor", naive, "float-quantized", (24, 96), amax((1,)), torch.bfloat16, num_bits=8, strategy="tensor")
    float_case("fp8", "ct_channel", naive, "float-quantized", (24, 96), amax((24, 1)), torch.bfloat16, num_bits=8, strategy="channel")
    float_case("fp8", "ct_block", naive, "float-quantized", (40, 200), amax((1, 2)), torch.bfloat16, num_bits=8,
               strategy="block", block_structure=[128, 128])
    powers = torch.exp2(torch.from_numpy(rng.integers(-14, -10, (24, 3)).astype(np.float32)))
    float_case("fp8", "ct_mxfp8", MXFP8QuantizationCompressor, "mxfp8-quantized", (24, 96), powers, torch.bfloat16,
               num_bits=8, strategy="group", group_size=32, scale_dtype=torch.uint8, zp_dtype=torch.uint8)
    powers = torch.exp2(torch.from_numpy(rng.integers(-7, -4, (24, 3)).astype(np.float32)))
    float_case("nvfp4", "ct_mxfp4", MXFP4PackedCompressor, "mxfp4-pack-quantized", (24, 96), powers, torch.bfloat16,
               num_bits=4, strategy="group", group_size=32, scale_dtype=torch.uint8, zp_dtype=torch.uint8)
    glob = torch.tensor([448 * 6 / 0.21], dtype=torch.float32)
    local = torch.from_numpy(rng.uniform(50, 448, (24, 6)).astype(np.float32)).to(torch.float8_e4m3fn).float()
    float_case("nvfp4", "ct_nvfp4", NVFP4PackedCompressor, "nvfp4-pack-quantized", (24, 96), local, torch.float32,
               {"weight_global_scale": glob}, num_bits=4, strategy="tensor_group", group_size=16,
               scale_dtype=torch.float8_e4m3fn, zp_dtype=torch.float8_e4m3fn)


def old_packing(rng):
    """Widths that do not divide 32, as versions before 2026 packed them: a whole number of codes in a word."""
    library = functions(SOURCES / "ct_old" / "compressed_tensors" / "compressors" / "quantized_compressors" /
                        "pack_quantized.py", ["pack_to_int32", "unpack_from_int32"], torch=torch, np=np, math=math)
    for bits in (3, 5, 6, 7):
        half = 2 ** (bits - 1)
        shape, groups = (24, 96), 3
        codes = torch.from_numpy(rng.integers(-half, half, shape).astype(np.int8))
        zero = torch.from_numpy(rng.integers(-half, half, (24, groups)).astype(np.int8))
        scale = scales_of(rng, 24, groups, dtype=torch.bfloat16)
        packed = library.pack_to_int32(codes, bits)
        packed_zero = library.pack_to_int32(zero, bits, packed_dim=0)
        assert torch.equal(library.unpack_from_int32(packed, bits, torch.Size(shape)), codes)
        index = torch.arange(96) // 32
        back = (codes.to(torch.bfloat16) - zero.to(torch.bfloat16)[:, index]) * scale[:, index]
        write("compressed_int", f"old_b{bits}",
              {"layer.weight_packed": packed, "layer.weight_scale": scale, "layer.weight_zero_point": packed_zero,
               "layer.weight_shape": torch.tensor(shape)},
              compressed_config("pack-quantized", num_bits=bits, type="int", symmetric=False, strategy="group",
                                group_size=32), {"layer.weight": back})


def act_order(rng):
    """actorder "group": columns belong to the groups that weight_g_idx says (restated)."""
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
    codes = torch.from_numpy(rng.integers(-8, 8, (24, 96)).astype(np.int8))
    scale = scales_of(rng, 24, 3, dtype=torch.bfloat16)
    index = (torch.arange(96, dtype=torch.int32) // 32)[torch.from_numpy(rng.permutation(96))]
    back = codes.to(torch.bfloat16) * scale[:, index.long()]
    write("compressed_int", "pack_b4_act_order",
          {"layer.weight_packed": pack_to_int32(codes, 4), "layer.weight_scale": scale, "layer.weight_g_idx": index,
           "layer.weight_shape": torch.tensor([24, 96])},
          compressed_config("pack-quantized", num_bits=4, type="int", symmetric=True, strategy="group", group_size=32,
                            actorder="group"), {"layer.weight": back})


# --- FP8 checkpoints, ModelOpt ------------------------------------------------------------------

def fp8():
    rng = np.random.default_rng(11)
    library = functions(SOURCES / "tf" / "transformers" / "integrations" / "finegrained_fp8.py", ["_dequantize_one"], torch=torch)
    self = types.SimpleNamespace(_FP4_E2M1_LUT=None)
    every = torch.from_numpy(np.array([c for c in range(256) if c & 0x7F != 0x7F], dtype=np.uint8))

    def codes(*shape):
        return every[torch.from_numpy(rng.integers(0, len(every), shape))].view(torch.float8_e4m3fn)

    config = {"quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
                                      "weight_block_size": [128, 128]}}
    weight = codes(32, 256)
    for name, scale in (("block_f32", scales_of(rng, 1, 2, dtype=torch.float32)),
                        ("block_bf16", scales_of(rng, 1, 2, dtype=torch.bfloat16)),
                        ("block_u8", torch.from_numpy(rng.integers(110, 125, (1, 2)).astype(np.uint8)))):
        back = library._dequantize_one(self, weight, scale)
        write("fp8", name, {"layer.weight": weight, "layer.weight_scale_inv": scale}, config, {"layer.weight": back})
    # Sides that are no multiple of 128 (restated: DeepSeek's kernel, y = x · s in FP32, masks what sticks out).
    weight, scale = codes(136, 150), scales_of(rng, 2, 2, dtype=torch.float32)
    spread = scale.repeat_interleave(128, 0)[:136].repeat_interleave(128, 1)[:, :150]
    write("fp8", "block_ragged", {"layer.weight": weight, "layer.weight_scale_inv": scale}, config,
          {"layer.weight": weight.float() * spread})
    modelopt = functions(SOURCES / "mo" / "modelopt" / "torch" / "quantization" / "qtensor" / "fp8_tensor.py",
                         ["dequantize"], torch=torch)
    weight = codes(24, 96)
    for name, scale in (("modelopt_tensor", torch.tensor(0.0123)), ("modelopt_channel", scales_of(rng, 24, 1, dtype=torch.float32))):
        self = types.SimpleNamespace(_quantized_data=weight, metadata={"shape": weight.shape, "dtype": torch.float32})
        back = modelopt.dequantize(self, torch.float32, scale=scale)
        write("fp8", name, {"layer.weight": weight, "layer.weight_scale": scale, "layer.input_scale": torch.tensor(0.5)},
              {"quantization_config": {"quant_method": "modelopt", "quant_algo": "FP8"}}, {"layer.weight": back})
    # A stack of experts with a scale each (restated).
    weight, scale = codes(3, 16, 32), scales_of(rng, 3, 1, 1, dtype=torch.bfloat16)
    back = (weight.float() * scale.float()).to(torch.bfloat16)
    write("fp8", "experts", {"mlp.experts.up_proj": weight, "mlp.experts.up_proj_scale": scale},
          {"quantization_config": {"quant_method": "fp8"}}, {"mlp.experts.up_proj": back})


def nvfp4():
    rng = np.random.default_rng(12)
    e2m1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
    library = functions(SOURCES / "mo" / "modelopt" / "torch" / "quantization" / "qtensor" / "nvfp4_tensor.py",
                        ["dequantize"], torch=torch)
    for name, shape in (("modelopt", (24, 96)), ("modelopt_experts", (3, 8, 32))):
        packed = torch.from_numpy(rng.integers(0, 256, (*shape[:-1], shape[-1] // 2)).astype(np.uint8))
        scale = torch.from_numpy(rng.integers(1, 0x7F, (*shape[:-1], shape[-1] // 16)).astype(np.uint8)).view(torch.float8_e4m3fn)
        double = torch.tensor(0.00074404763) if len(shape) == 2 else scales_of(rng, 3, dtype=torch.float32)
        self = types.SimpleNamespace(_quantized_data=packed, metadata={"shape": shape, "dtype": torch.float32},
                                     get_e2m1_values=lambda device: e2m1)
        back = library.dequantize(self, torch.float32, scale=scale.float(), double_scale=double.reshape(-1, *[1] * (len(shape) - 1)),
                                  block_sizes={-1: 16})
        write("nvfp4", name, {"layer.weight": packed, "layer.weight_scale": scale, "layer.weight_scale_2": double,
                              "layer.input_scale": torch.tensor(0.1)},
              {"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}}, {"layer.weight": back})


def gpt_oss():
    import contextlib
    rng = np.random.default_rng(13)
    library = functions(SOURCES / "tf" / "transformers" / "integrations" / "mxfp4.py", ["_convert_moe_packed_tensors"],
                        torch=torch, on_device=lambda d: contextlib.nullcontext(),
                        FP4_VALUES=[0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0])
    for name, config, blocks_name, scales_name, logical in (
            ("hf", {"quantization_config": {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}},
             "model.layers.0.mlp.experts.gate_up_proj_blocks", "model.layers.0.mlp.experts.gate_up_proj_scales",
             "model.layers.0.mlp.experts.gate_up_proj"),
            ("original", None, "block.0.mlp.mlp1_weight.blocks", "block.0.mlp.mlp1_weight.scales", "block.0.mlp.mlp1_weight")):
        blocks = torch.from_numpy(rng.integers(0, 256, (3, 20, 3, 16)).astype(np.uint8))
        scales = torch.from_numpy(rng.integers(100, 135, (3, 20, 3)).astype(np.uint8))
        scales[0, 0] = torch.tensor([0, 1, 254])
        # transformers turns [experts, out, in] round; turned back here.
        back = library._convert_moe_packed_tensors(blocks, scales, dtype=torch.bfloat16, rows_per_chunk=1 << 20).transpose(1, 2)
        write("gpt_oss", name, {blocks_name: blocks, scales_name: scales, "bias": torch.ones(3)}, config, {logical: back})


# --- MLX ----------------------------------------------------------------------------------------

def mlx():
    import mlx.core as mx
    mx.set_default_device(mx.cpu)
    rng = np.random.default_rng(14)
    dtypes = {"f32": mx.float32, "f16": mx.float16, "bf16": mx.bfloat16}

    def keep(case, stored, config, expected):
        folder = OUT / "mlx" / case
        folder.mkdir(parents=True, exist_ok=True)
        mx.save_safetensors(str(folder / "model.safetensors"), stored)
        (folder / "config.json").write_text(json.dumps({"quantization": config}, indent=1) + "\n")
        mx.save_safetensors(str(OUT / "mlx" / f"{case}.expected.safetensors"), {"layer.weight": expected})

    cases = [(bits, 64, "bf16") for bits in (2, 3, 4, 5, 6, 8)] + [(4, 32, "f16"), (4, 128, "f32"), (8, 32, "f16")]
    for bits, group, kind in cases:
        weight = mx.array(rng.normal(0, 0.05, (16, 128)).astype(np.float32)).astype(dtypes[kind])
        codes, scales, biases = mx.quantize(weight, group_size=group, bits=bits)
        back = mx.dequantize(codes, scales, biases, group_size=group, bits=bits)
        keep(f"b{bits}_g{group}_{kind}", {"layer.weight": codes, "layer.scales": scales, "layer.biases": biases},
             {"group_size": group, "bits": bits}, back)
    for mode, bits, group in (("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)):
        weight = mx.array(rng.normal(0, 0.05, (16, 128)).astype(np.float32)).astype(mx.bfloat16)
        codes, scales = mx.quantize(weight, mode=mode)
        back = mx.dequantize(codes, scales, mode=mode, group_size=group, bits=bits)
        keep(mode, {"layer.weight": codes, "layer.scales": scales}, {"group_size": group, "bits": bits, "mode": mode}, back)


# --- GPTQModel's bit planes, Marlin ----------------------------------------------------------------

def planar():
    """gptq_p: packed and dequantized by GPTQModel's own functions; zero points as they are."""
    rng = np.random.default_rng(20)
    root = SOURCES / "gptqmodel-7.7.0" / "gptqmodel"
    planes = functions(root / "utils" / "planar_packing.py",
                       ["planar_pack_rows", "planar_unpack_rows", "planar_pack_cols", "planar_unpack_cols",
                        "_require_planar_bits", "_require_int32_words"],
                       torch=torch, _WORD_BITS=32, _MASK32=(1 << 32) - 1, PLANAR_FORMAT_BITS=(2, 3, 4, 5, 6, 7, 8),
                       _PLANES={2: ((2, 0),), 3: ((2, 0), (1, 2)), 4: ((4, 0),), 5: ((4, 0), (1, 4)),
                                6: ((4, 0), (2, 4)), 7: ((4, 0), (2, 4), (1, 6)), 8: ((8, 0),)})
    linear = functions(root / "nn_modules" / "qlinear" / "__init__.py", ["dequantize_weight", "_dequantize_from_codes"],
                       t=torch, torch=torch, planar_unpack_cols=planes.planar_unpack_cols,
                       planar_unpack_rows=planes.planar_unpack_rows)
    inputs, outputs, group = 160, 64, 32
    for bits in (3, 4, 5, 6, 7):
        index = torch.arange(inputs, dtype=torch.int32) // group
        if bits == 6:
            index = index[torch.from_numpy(rng.permutation(inputs))]
        codes = torch.from_numpy(rng.integers(0, 2**bits, (inputs, outputs)).astype(np.int32))
        zeros = torch.from_numpy(rng.integers(0, 2**bits, (inputs // group, outputs)).astype(np.int32))
        scales = scales_of(rng, inputs // group, outputs)
        qweight, qzeros = planes.planar_pack_rows(codes, bits), planes.planar_pack_cols(zeros, bits)
        self = types.SimpleNamespace(planar=True, bits=bits, qweight=qweight, qzeros=qzeros, scales=scales, g_idx=index,
                                     maxq=2**bits - 1, in_features=inputs, dequant_dtype=torch.int16)
        self._dequantize_from_codes = lambda *a, **k: linear._dequantize_from_codes(self, *a, **k)
        if bits == 4:  # one plane: the same words; dequantized as 5 bits and more are
            assert torch.equal(planes.planar_unpack_rows(qweight, 4), codes)
        weight = linear.dequantize_weight(self).t()
        write("gptq", f"planar_b{bits}", {"layer.qweight": qweight, "layer.qzeros": qzeros, "layer.scales": scales,
                                          "layer.g_idx": index},
              gptq_config(bits, group, bits == 6, checkpoint_format="gptq_p", sym=False), {"layer.weight": weight})


def marlin():
    """Packed by AutoGPTQ's own QuantLinear.pack; what it packs lies on its grid, so that is what comes back."""
    rng = np.random.default_rng(21)
    path = SOURCES / "ag" / "auto_gptq" / "nn_modules" / "qlinear" / "qlinear_marlin.py"
    perms = functions(path, ["_get_perms"], torch=torch, np=np)._get_perms()
    scope = functions(path, ["pack"], torch=torch, np=np, nn=torch.nn, _perm=perms[0], _scale_perm=perms[1],
                      _scale_perm_single=perms[2])
    for name, inputs, outputs, group in (("b4_g128", 256, 128, 128), ("b4_channel", 128, 64, 128), ("b4_g64", 192, 64, 64)):
        codes = torch.from_numpy(rng.integers(-8, 8, (outputs, inputs)).astype(np.float32)).half()
        scales = torch.from_numpy(rng.uniform(0.001, 0.05, (outputs, inputs // group)).astype(np.float32)).half()
        weight = codes * scales[:, torch.arange(inputs) // group]  # FP16, rounded once
        linear = torch.nn.Linear(inputs, outputs, bias=False).half()
        linear.weight.data = weight
        self = types.SimpleNamespace(infeatures=inputs, outfeatures=outputs, group_size=group, bias=None,
                                     B=torch.empty((inputs // 16, outputs * 2), dtype=torch.int32),
                                     s=torch.empty((inputs // group, outputs), dtype=torch.half))
        scope.pack(self, linear, scales)
        write("marlin", name, {"layer.B": self.B, "layer.s": self.s, "layer.bias": torch.zeros(outputs).half()},
              gptq_config(4, group, False, is_marlin_format=True, sym=True), {"layer.weight": weight})


# --- compressed-tensors' sparse forms (removed after 0.11), MXFP6 ------------------------------------

def sparse():
    from compressed_tensors.compressors.naive_quantized.base import NaiveQuantizationCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from compressed_tensors.quantization.lifecycle.forward import dequantize, quantize
    rng = np.random.default_rng(22)
    root = SOURCES / "ct_old" / "compressed_tensors"
    fp8 = torch.float8_e4m3fn
    bits = functions(root / "utils" / "helpers.py", ["pack_bitmasks", "unpack_bitmasks"], torch=torch, numpy=np)
    scope = {"torch": torch, "FP8_DTYPE": fp8, "pack_bitmasks": bits.pack_bitmasks, "unpack_bitmasks": bits.unpack_bitmasks}
    folder = root / "compressors" / "sparse_compressors"
    any_mask = functions(folder / "sparse_bitmask.py", ["bitmask_compress", "bitmask_decompress"], **scope)
    two_four = functions(folder / "sparse_24_bitmask.py",
                         ["sparse24_bitmask_compress", "sparse24_bitmask_decompress", "get_24_bytemasks"],
                         SparsityStructure=type("S", (), {"TWO_FOUR": "2:4", "__new__": lambda cls, v: v}), **scope)

    def pruned(shape, dtype, keep):
        weight = torch.from_numpy(rng.normal(0, 0.05, shape).astype(np.float32))
        mask = torch.from_numpy(rng.random(shape) < keep)
        if keep == 0.5 and len(shape) == 2:  # two of every four
            order = torch.from_numpy(rng.random((weight.numel() // 4, 4))).argsort(1)
            mask = (order < 2).reshape(shape)
        return torch.where(mask, weight, torch.zeros(())).to(dtype)  # no negative zeros

    def config(fmt, **weights):
        groups = {"config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}} if weights else {}
        return {"quantization_config": {"quant_method": "compressed-tensors", "format": "dense", **groups,
                                        "sparsity_config": {"format": fmt, "sparsity_structure": "unstructured"}}}

    for name, shape, dtype, keep in (("bitmask_bf16", (24, 90), torch.bfloat16, 0.3), ("bitmask_f32", (9, 64), torch.float32, 0.1),
                                     ("bitmask_conv", (6, 4, 3, 5), torch.float16, 0.4)):
        weight = pruned(shape, dtype, keep)
        values, mask, offsets = any_mask.bitmask_compress(weight)
        stored = {"layer.compressed": values, "layer.bitmask": mask, "layer.shape": torch.tensor(shape)}
        if len(shape) == 2:
            stored["layer.row_offsets"] = offsets
        back = any_mask.bitmask_decompress(values, mask, shape)
        assert torch.equal(back, weight)
        write("sparse", name, stored, config("sparse-bitmask"), {"layer.weight": back})
    for name, dtype in (("24_f16", torch.float16), ("24_fp8", fp8), ("24_int8", torch.int8)):
        shape = (32, 96)
        weight = pruned(shape, torch.float32, 0.5)
        stored, scale, scheme = {}, None, None
        if dtype == torch.float16:
            weight = weight.half()
        else:  # quantized by the library first, as its two compressors stand one on the other
            kind = "float" if dtype == fp8 else "int"
            grid = (32, 1) if dtype == torch.int8 else (1,)
            # Wide enough that no code is -128, which the mask's int8 abs() would take for the smallest.
            scale = torch.from_numpy(rng.uniform(0.002, 0.004, grid).astype(np.float32)).to(torch.bfloat16)
            args = QuantizationArgs(num_bits=8, type=kind, symmetric=True, strategy="channel" if dtype == torch.int8 else "tensor")
            scheme = QuantizationScheme(targets=["Linear"], weights=args)
            state = NaiveQuantizationCompressor.compress({"weight": weight.bfloat16(), "weight_scale": scale}, scheme)
            weight = state["weight"]
            assert weight.dtype == dtype
            stored["layer.weight_scale"] = state["weight_scale"]
        values, mask = two_four.sparse24_bitmask_compress(weight)
        stored.update({"layer.compressed": values, "layer.bitmask": mask, "layer.shape": torch.tensor(shape).reshape(-1, 1)})
        if dtype == fp8:  # torch's CPU has no masked assignment for this type: by its bytes
            back = two_four.sparse24_bitmask_decompress(values.view(torch.int8), mask, shape).view(fp8)
        else:
            back = two_four.sparse24_bitmask_decompress(values, mask, shape)
        assert torch.equal(back.view(torch.int8) if dtype == fp8 else back, weight.view(torch.int8) if dtype == fp8 else weight)
        if scheme is not None:
            back = NaiveQuantizationCompressor.decompress({"weight": back, "weight_scale": scale}, scheme)["weight"]
        write("sparse", name, stored, config("sparse-24-bitmask"), {"layer.weight": back})
    marlin_24(rng, root, pruned, QuantizationArgs, quantize, dequantize)


def marlin_24(rng, root, pruned, arguments, quantize, dequantize):
    """Packed by Marlin24Compressor.compress itself; it has no decompress, so the codes it packs are dequantized."""
    halves = functions(root / "utils" / "semi_structured_conversions.py",
                       ["sparse_semi_structured_from_dense_cutlass", "_calculate_meta_reordering_scatter_offsets"], torch=torch)
    perms = functions(root / "utils" / "permutations_24.py", ["get_permutations_24"], torch=torch, numpy=np)
    strategy = types.SimpleNamespace(GROUP="group", CHANNEL="channel")
    scope = functions(root / "compressors" / "sparse_quantized_compressors" / "marlin_24.py",
                      ["compress", "compress_weight_24", "marlin_permute_weights", "pack_weight_24", "pack_scales_24"],
                      torch=torch, np=np, tqdm=lambda items, **k: items, quantize=quantize, QuantizationStrategy=strategy,
                      merge_names=lambda a, b: a + "." + b, is_quantization_param=lambda name: name.endswith("weight_scale"),
                      get_permutations_24=perms.get_permutations_24, _LOGGER=types.SimpleNamespace(debug=lambda *a: None),
                      sparse_semi_structured_from_dense_cutlass=halves.sparse_semi_structured_from_dense_cutlass)
    self = types.SimpleNamespace(validate_quant_compatability=lambda names: True, validate_sparsity_structure=lambda *a: True)
    for name, bits, inputs, outputs, group in (("24_b4_g128", 4, 512, 64, 128), ("24_b4_channel", 4, 128, 128, 0),
                                               ("24_b8_channel", 8, 64, 64, 0), ("24_b8_g128", 8, 384, 64, 128),
                                               ("24_b4_two_groups", 4, 256, 64, 128)):
        args = arguments(num_bits=bits, type="int", symmetric=True, strategy="group" if group else "channel", group_size=group or None)
        groups = inputs // group if group else 1
        weight = pruned((outputs, inputs), torch.float16, 0.5)
        half = 2 ** (bits - 1)
        scale = torch.from_numpy(rng.uniform(0.05 / half, 0.2 / half, (outputs, groups)).astype(np.float32)).half()
        stored = scope.compress(self, {"layer.weight": weight, "layer.weight_scale": scale}, {"layer": types.SimpleNamespace(weights=args)})
        codes = quantize(x=weight, scale=scale, zero_point=None, args=args)
        back = dequantize(x_q=codes, scale=scale, args=args, dtype=torch.float16)
        conf = {"quantization_config": {"quant_method": "compressed-tensors", "format": "marlin-24", "config_groups": {
            "group_0": {"targets": ["Linear"], "weights": {"num_bits": bits, "type": "int", "symmetric": True,
                                                           "strategy": "group" if group else "channel", "group_size": group or None}}}}}
        write("marlin", name, stored, conf, {"layer.weight": back})


def mxfp6():
    from compressed_tensors.compressors.mxfp6.base import MXFP6PackedCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    rng = np.random.default_rng(23)
    args = QuantizationArgs(num_bits=6, type="float", symmetric=True, strategy="group", group_size=32,
                            scale_dtype=torch.uint8, zp_dtype=torch.uint8)
    scheme = QuantizationScheme(targets=["Linear"], weights=args)
    weight = torch.from_numpy(rng.normal(0, 0.05, (24, 96)).astype(np.float32)).bfloat16()
    scale = torch.exp2(torch.from_numpy(rng.integers(-8, -4, (24, 3)).astype(np.float32))).bfloat16()
    stored = MXFP6PackedCompressor.compress({"weight": weight, "weight_scale": scale}, scheme)
    back = MXFP6PackedCompressor.decompress(dict(stored), scheme)["weight"]
    for name, conf in (("ct_mxfp6", compressed_config("mxfp6-pack-quantized", type="float", symmetric=True, num_bits=6,
                                                      strategy="group", group_size=32)), ("ct_mxfp6_bare", {"model_type": "llama"})):
        write("nvfp4", name, {"layer." + k: v for k, v in stored.items()}, conf, {"layer.weight": back})


def modelopt():
    """Packed by ModelOpt's exporter; what it packs lies on its grid in FP32, so that is what comes back."""
    rng = np.random.default_rng(24)
    export = functions(SOURCES / "mo" / "modelopt" / "torch" / "export" / "quant_utils.py",
                       ["pack_int4_in_uint8", "_validate_int4_block_size", "from_quantized_weight"], torch=torch,
                       QUANTIZATION_FP8="fp8", QUANTIZATION_INT8_SQ="int8_sq", QUANTIZATION_INT8_WO="int8_wo",
                       QUANTIZATION_FP8_PB_REAL="fp8_pb_real", QUANTIZATION_FP8_PB_WO="fp8_pb_wo")
    for name, shape, algorithm in (("int4", (24, 96), "W4A16_AWQ"), ("int4_experts", (3, 8, 64), "W4A8_AWQ")):
        codes = torch.from_numpy(rng.integers(-8, 8, shape).astype(np.float32))
        scale = scales_of(rng, *shape[:-1], shape[-1] // 32, dtype=torch.float32)
        weight = codes * scale.repeat_interleave(32, -1)
        packed = export.pack_int4_in_uint8(weight, scale, 32)
        stored = {"layer.weight": packed, "layer.weight_scale": scale}
        if algorithm == "W4A8_AWQ":
            stored["layer.weight_scale_2"] = torch.tensor(0.0005)
        write("modelopt_int4", name, stored, {"quantization_config": {"quant_method": "modelopt", "quant_algo": algorithm,
                                                                      "group_size": 32}}, {"layer.weight": weight})
    codes = torch.from_numpy(rng.integers(-128, 128, (24, 96)).astype(np.int8))
    scale = scales_of(rng, 24, dtype=torch.float32)
    back = export.from_quantized_weight(codes, scale, "int8_wo", torch.float32)
    write("compressed_int", "modelopt_int8", {"layer.weight": codes, "layer.weight_scale": scale},
          {"quantization_config": {"quant_method": "modelopt", "quant_algo": "W8A16"}}, {"layer.weight": back})


SECTIONS = {"planar": planar, "marlin": marlin, "sparse": sparse, "mxfp6": mxfp6, "modelopt": modelopt, "gptq": gptq, "awq": awq, "bnb": bnb, "compressed": compressed, "fp8": fp8, "nvfp4": nvfp4, "gpt_oss": gpt_oss,
            "mlx": mlx}


if __name__ == "__main__":
    for name, section in SECTIONS.items():
        if not ONLY or name in ONLY:
            torch.manual_seed(1)
            section()
