# SPDX-License-Identifier: Apache-2.0
# requires: gguf==0.19.0
"""Writes tests/golden/names/gguf_names.csv: the GGUF name of the Hugging Face names of common families, as the
package's own TensorNameMap gives it.

    python tests/oracles/names.py
"""
import pathlib

from gguf import MODEL_ARCH
from gguf.tensor_mapping import get_tensor_name_map

OUT = pathlib.Path(__file__).resolve().parent.parent / "golden" / "names"
OUT.mkdir(parents=True, exist_ok=True)

LLAMA = [
    "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight",
    "model.layers.{}.input_layernorm.weight", "model.layers.{}.self_attn.q_proj.weight",
    "model.layers.{}.self_attn.k_proj.weight", "model.layers.{}.self_attn.v_proj.weight",
    "model.layers.{}.self_attn.o_proj.weight", "model.layers.{}.post_attention_layernorm.weight",
    "model.layers.{}.mlp.gate_proj.weight", "model.layers.{}.mlp.up_proj.weight",
    "model.layers.{}.mlp.down_proj.weight"]
QWEN_BIAS = ["model.layers.{}.self_attn.q_proj.bias", "model.layers.{}.self_attn.k_proj.bias",
             "model.layers.{}.self_attn.v_proj.bias"]
QK_NORM = ["model.layers.{}.self_attn.q_norm.weight", "model.layers.{}.self_attn.k_norm.weight"]
SANDWICH = ["model.layers.{}.pre_feedforward_layernorm.weight",
            "model.layers.{}.post_feedforward_layernorm.weight"]
PHI3 = ["model.layers.{}.self_attn.qkv_proj.weight", "model.layers.{}.mlp.gate_up_proj.weight",
        "model.layers.{}.self_attn.o_proj.weight", "model.layers.{}.mlp.down_proj.weight",
        "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight",
        "model.layers.{}.input_layernorm.weight",
        "model.layers.{}.post_attention_layernorm.weight"]
PHI2 = ["model.embed_tokens.weight", "model.final_layernorm.weight", "model.final_layernorm.bias",
        "lm_head.weight", "lm_head.bias"] + [
    "model.layers.{}." + part for part in
    ["input_layernorm.weight", "input_layernorm.bias", "self_attn.q_proj.weight",
     "self_attn.k_proj.bias", "self_attn.v_proj.weight", "self_attn.dense.weight",
     "self_attn.dense.bias", "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias"]]
GPT2 = ["wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias", "transformer.wte.weight",
        "transformer.wpe.weight", "transformer.ln_f.weight"] + [
    prefix + "h.{}." + part for prefix in ("", "transformer.") for part in
    ["ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight",
     "ln_2.weight", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight"]]
BERT = ["embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight",
        "embeddings.token_type_embeddings.weight", "embeddings.LayerNorm.weight",
        "embeddings.LayerNorm.bias"] + [
    "encoder.layer.{}." + part for part in
    ["attention.self.query.weight", "attention.self.key.bias", "attention.self.value.weight",
     "attention.output.dense.weight", "attention.output.LayerNorm.weight",
     "attention.output.LayerNorm.bias", "intermediate.dense.weight", "output.dense.weight",
     "output.LayerNorm.weight"]]
TIED = [name for name in LLAMA if name != "lm_head.weight"]
MIXTRAL = [name for name in LLAMA if ".mlp." not in name] + [
    "model.layers.{}.block_sparse_moe.gate.weight", "model.layers.{}.block_sparse_moe.experts.w1.weight",
    "model.layers.{}.block_sparse_moe.experts.w2.weight", "model.layers.{}.block_sparse_moe.experts.w3.weight"]
QWEN_MOE = LLAMA[:9] + QWEN_BIAS + [
    "model.layers.{}.mlp.gate.weight", "model.layers.{}.mlp.shared_expert.gate_proj.weight",
    "model.layers.{}.mlp.shared_expert.up_proj.weight",
    "model.layers.{}.mlp.shared_expert.down_proj.weight",
    "model.layers.{}.mlp.shared_expert_gate.weight"]
# Stacks: the converter joins the experts under these names before it maps them.
STACKS = ["model.layers.{}.mlp.experts.gate_proj.weight", "model.layers.{}.mlp.experts.up_proj.weight",
          "model.layers.{}.mlp.experts.down_proj.weight"]

FAMILIES = [("llama", MODEL_ARCH.LLAMA, LLAMA), ("llama", MODEL_ARCH.LLAMA, MIXTRAL),
            ("qwen2", MODEL_ARCH.QWEN2, LLAMA + QWEN_BIAS), ("qwen3", MODEL_ARCH.QWEN3, LLAMA + QK_NORM),
            ("qwen2moe", MODEL_ARCH.QWEN2MOE, QWEN_MOE + STACKS),
            ("gemma", MODEL_ARCH.GEMMA, TIED),
            ("gemma2", MODEL_ARCH.GEMMA2, TIED + SANDWICH),
            ("gemma3", MODEL_ARCH.GEMMA3, TIED + SANDWICH + QK_NORM),
            ("phi2", MODEL_ARCH.PHI2, PHI2), ("phi3", MODEL_ARCH.PHI3, PHI3),
            ("gpt2", MODEL_ARCH.GPT2, GPT2), ("bert", MODEL_ARCH.BERT, BERT)]

seen = set()
with open(OUT / "gguf_names.csv", "w", encoding="utf-8") as out:
    out.write("architecture,hugging_face,gguf\n")
    for family, arch, names in FAMILIES:
        table = get_tensor_name_map(arch, 12)
        for template in names:
            for layer in ((0, 11) if "{}" in template else (0,)):
                name = template.format(layer)
                mapped = table.get_name(name, try_suffixes=(".weight", ".bias"))
                if mapped is None:
                    raise SystemExit(f"{family}: {name} is not known")
                if (family, name) not in seen:
                    out.write(f"{family},{name},{mapped}\n")
                seen.add((family, name))
