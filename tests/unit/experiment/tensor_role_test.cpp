// SPDX-License-Identifier: Apache-2.0
// Layer and role by name, over names that real checkpoints have.
#include "core/experiment/tensor_role.hpp"

#include "tests/support/catch.hpp"

#include <cstdint>
#include <string>

using namespace loupe;

namespace {

struct Expected {
    const char* name;
    const char* stack;
    std::int64_t layer;
    const char* role;
};

// Names as the model hubs have them, family by family.
constexpr Expected kNames[] = {
    // Llama, Mistral, Qwen
    {"model.layers.12.self_attn.q_proj.weight", "model.layers", 12, "q"},
    {"model.layers.0.self_attn.k_proj.bias", "model.layers", 0, "k bias"},
    {"model.layers.31.self_attn.v_proj.weight", "model.layers", 31, "v"},
    {"model.layers.3.self_attn.o_proj.weight", "model.layers", 3, "o"},
    {"model.layers.3.mlp.gate_proj.weight", "model.layers", 3, "gate"},
    {"model.layers.3.mlp.up_proj.weight", "model.layers", 3, "up"},
    {"model.layers.3.mlp.down_proj.weight", "model.layers", 3, "down"},
    {"model.layers.3.input_layernorm.weight", "model.layers", 3, "attn norm"},
    {"model.layers.3.post_attention_layernorm.weight", "model.layers", 3, "ffn norm"},
    {"model.layers.3.self_attn.q_norm.weight", "model.layers", 3, "q norm"},
    {"model.embed_tokens.weight", "", -1, "token embedding"},
    {"model.norm.weight", "", -1, "final norm"},
    {"lm_head.weight", "", -1, "head"},
    // Meta's own names
    {"layers.5.attention.wq.weight", "layers", 5, "q"},
    {"layers.5.attention.wo.weight", "layers", 5, "o"},
    {"layers.5.feed_forward.w1.weight", "layers", 5, "gate"},
    {"layers.5.feed_forward.w2.weight", "layers", 5, "down"},
    {"layers.5.feed_forward.w3.weight", "layers", 5, "up"},
    {"layers.5.attention_norm.weight", "layers", 5, "attn norm"},
    {"tok_embeddings.weight", "", -1, "token embedding"},
    // Packed weights
    {"model.layers.7.mlp.up_proj.qweight", "model.layers", 7, "up qweight"},
    {"model.layers.7.mlp.up_proj.scales", "model.layers", 7, "up scales"},
    {"model.layers.7.self_attn.q_proj.weight_scale_inv", "model.layers", 7, "q weight_scale_inv"},
    // Mixture of experts
    {"model.layers.2.block_sparse_moe.experts.7.w1.weight", "model.layers", 2, "expert gate"},
    {"model.layers.2.block_sparse_moe.gate.weight", "model.layers", 2, "router"},
    {"model.layers.4.mlp.experts.63.down_proj.weight", "model.layers", 4, "expert down"},
    {"model.layers.4.mlp.shared_experts.up_proj.weight", "model.layers", 4, "shared up"},
    {"model.layers.4.mlp.gate.weight", "model.layers", 4, "router"},
    {"model.layers.4.self_attn.kv_a_proj_with_mqa.weight", "model.layers", 4, "kv a"},
    {"model.layers.4.self_attn.q_b_proj.weight", "model.layers", 4, "q b"},
    {"model.layers.1.mlp.experts.gate_up_proj", "model.layers", 1, "expert gate up"},
    // Gemma
    {"model.layers.9.pre_feedforward_layernorm.weight", "model.layers", 9, "pre-ffn norm"},
    {"model.layers.9.post_feedforward_layernorm.weight", "model.layers", 9, "post-ffn norm"},
    // GGUF
    {"blk.0.attn_q.weight", "blk", 0, "q"},
    {"blk.0.attn_k.bias", "blk", 0, "k bias"},
    {"blk.27.attn_output.weight", "blk", 27, "o"},
    {"blk.27.attn_norm.weight", "blk", 27, "attn norm"},
    {"blk.27.ffn_norm.weight", "blk", 27, "ffn norm"},
    {"blk.27.ffn_gate.weight", "blk", 27, "gate"},
    {"blk.27.ffn_down.weight", "blk", 27, "down"},
    {"blk.27.ffn_up_exps.weight", "blk", 27, "expert up"},
    {"blk.27.ffn_gate_shexp.weight", "blk", 27, "shared gate"},
    {"blk.27.ffn_gate_inp.weight", "blk", 27, "router"},
    {"blk.3.attn_qkv.weight", "blk", 3, "qkv"},
    {"blk.3.attn_q_norm.weight", "blk", 3, "q norm"},
    {"blk.3.post_ffw_norm.weight", "blk", 3, "post-ffn norm"},
    {"token_embd.weight", "", -1, "token embedding"},
    {"output_norm.weight", "", -1, "final norm"},
    {"output.weight", "", -1, "head"},
    {"rope_freqs.weight", "", -1, "rope frequencies"},
    // GPT-2, with and without its wrapper
    {"h.0.attn.c_attn.weight", "h", 0, "qkv"},
    {"h.11.attn.c_proj.weight", "h", 11, "o"},
    {"h.11.mlp.c_fc.bias", "h", 11, "up bias"},
    {"transformer.h.11.mlp.c_proj.weight", "transformer.h", 11, "down"},
    {"h.0.ln_1.weight", "h", 0, "attn norm"},
    {"h.0.ln_2.bias", "h", 0, "ffn norm bias"},
    {"wte.weight", "", -1, "token embedding"},
    {"wpe.weight", "", -1, "position embedding"},
    {"transformer.ln_f.weight", "", -1, "final norm"},
    // GPT-NeoX, Falcon, Phi
    {"gpt_neox.layers.3.attention.query_key_value.weight", "gpt_neox.layers", 3, "qkv"},
    {"gpt_neox.layers.3.attention.dense.weight", "gpt_neox.layers", 3, "o"},
    {"gpt_neox.layers.3.mlp.dense_h_to_4h.weight", "gpt_neox.layers", 3, "up"},
    {"gpt_neox.layers.3.mlp.dense_4h_to_h.bias", "gpt_neox.layers", 3, "down bias"},
    {"gpt_neox.embed_in.weight", "", -1, "token embedding"},
    {"embed_out.weight", "", -1, "head"},
    {"model.layers.1.mlp.fc1.weight", "model.layers", 1, "up"},
    {"model.layers.1.mlp.gate_up_proj.weight", "model.layers", 1, "gate up"},
    // BERT, MiniLM, DistilBERT
    {"encoder.layer.0.attention.self.query.weight", "encoder.layer", 0, "q"},
    {"encoder.layer.0.attention.self.key.bias", "encoder.layer", 0, "k bias"},
    {"bert.encoder.layer.5.attention.self.value.weight", "bert.encoder.layer", 5, "v"},
    {"encoder.layer.0.attention.output.dense.weight", "encoder.layer", 0, "o"},
    {"encoder.layer.0.attention.output.LayerNorm.weight", "encoder.layer", 0, "attn norm"},
    {"encoder.layer.0.attention.output.LayerNorm.beta", "encoder.layer", 0, "attn norm bias"},
    {"encoder.layer.0.intermediate.dense.weight", "encoder.layer", 0, "up"},
    {"encoder.layer.0.output.dense.weight", "encoder.layer", 0, "down"},
    {"encoder.layer.0.output.LayerNorm.weight", "encoder.layer", 0, "ffn norm"},
    {"embeddings.word_embeddings.weight", "", -1, "token embedding"},
    {"embeddings.position_embeddings.weight", "", -1, "position embedding"},
    {"embeddings.token_type_embeddings.weight", "", -1, "type embedding"},
    {"embeddings.LayerNorm.weight", "", -1, "embedding norm"},
    {"pooler.dense.weight", "", -1, "pooler"},
    {"distilbert.transformer.layer.2.attention.q_lin.weight",
     "distilbert.transformer.layer",
     2,
     "q"},
    {"bert/encoder/layer_3/attention/self/query/kernel", "bert.encoder.layer", 3, "q"},
    // T5, BART, Whisper
    {"encoder.block.3.layer.0.SelfAttention.q.weight", "encoder.block", 3, "q"},
    {"decoder.block.3.layer.1.EncDecAttention.k.weight", "decoder.block", 3, "cross k"},
    {"decoder.block.3.layer.2.DenseReluDense.wo.weight", "decoder.block", 3, "down"},
    {"encoder.block.3.layer.1.DenseReluDense.wi_0.weight", "encoder.block", 3, "gate"},
    {"encoder.block.3.layer.1.layer_norm.weight", "encoder.block", 3, "ffn norm"},
    {"decoder.block.3.layer.1.layer_norm.weight", "decoder.block", 3, "cross norm"},
    {"shared.weight", "", -1, "token embedding"},
    {"model.decoder.layers.2.encoder_attn.q_proj.weight", "model.decoder.layers", 2, "cross q"},
    {"model.encoder.layers.2.self_attn.out_proj.weight", "model.encoder.layers", 2, "o"},
    {"model.encoder.layers.2.final_layer_norm.weight", "model.encoder.layers", 2, "ffn norm"},
    // timm, CLIP
    {"blocks.4.attn.qkv.weight", "blocks", 4, "qkv"},
    {"blocks.4.attn.proj.bias", "blocks", 4, "o bias"},
    {"blocks.4.norm1.weight", "blocks", 4, "attn norm"},
    {"blocks.4.mlp.fc2.weight", "blocks", 4, "down"},
    {"layers.1.blocks.0.attn.qkv.weight", "layers.1.blocks", 0, "qkv"},
    {"patch_embed.proj.weight", "", -1, "patch embedding"},
    {"pos_embed", "", -1, "position embedding"},
    {"cls_token", "", -1, "class token"},
    {"head.weight", "", -1, "head"},
    {"norm.weight", "", -1, "final norm"},
    {"visual.transformer.resblocks.3.attn.in_proj_weight",
     "visual.transformer.resblocks",
     3,
     "qkv"},
    {"visual.transformer.resblocks.3.attn.in_proj_bias",
     "visual.transformer.resblocks",
     3,
     "qkv bias"},
    {"transformer.resblocks.0.attn.out_proj.weight", "transformer.resblocks", 0, "o"},
    // Convolutional networks
    {"layer1.0.conv1.weight", "layer1", 0, "conv1"},
    {"layer4.2.bn3.bias", "layer4", 2, "bn3 bias"},
    {"blocks.2.1.conv_pw.weight", "blocks.2", 1, "conv_pw"},
    {"stages.3.blocks.2.mlp.fc1.weight", "stages.3.blocks", 2, "up"},
    {"features.3.weight", "features", 3, "weight"},
    {"features.denseblock1.denselayer2.conv1.weight",
     "features.denseblock1.denselayer",
     2,
     "conv1"},
    {"fc.weight", "", -1, "head"},
    // State space models
    {"backbone.layers.3.mixer.in_proj.weight", "backbone.layers", 3, "mixer.in_proj"},
    // No names to speak of
    {"weight", "", -1, "weight"},
    {"bias", "", -1, "bias"},
    {"x", "", -1, "x"},
    {"", "", -1, ""},
    {"...", "", -1, "..."},
    {"99999999999999999999.weight", "", -1, "99999999999999999999"},
};

}  // namespace

TEST_CASE("tensor role: names of real checkpoints") {
    for (const Expected& expected : kNames) {
        CAPTURE(expected.name);
        const TensorPlace place = placeOf(expected.name);
        CHECK(place.stack == expected.stack);
        CHECK(place.layer == expected.layer);
        CHECK(place.role == expected.role);
    }
}

TEST_CASE("tensor role: experts have numbers, roles an order") {
    CHECK(placeOf("model.layers.2.block_sparse_moe.experts.7.w1.weight").expert == 7);
    CHECK(placeOf("model.layers.2.mlp.up_proj.weight").expert == -1);
    const char* const order[] = {"blk.0.attn_q.weight",
                                 "blk.0.attn_k.weight",
                                 "blk.0.attn_v.weight",
                                 "blk.0.attn_output.weight",
                                 "blk.0.ffn_gate.weight",
                                 "blk.0.ffn_up.weight",
                                 "blk.0.ffn_down.weight",
                                 "blk.0.ffn_up_exps.weight",
                                 "blk.0.ffn_gate_shexp.weight",
                                 "blk.0.attn_norm.weight",
                                 "blk.0.ffn_norm.weight",
                                 "token_embd.weight",
                                 "output.weight",
                                 "blk.0.something.weight",
                                 "blk.0.attn_q.bias",
                                 "blk.0.attn_q.qweight"};
    int last = 0;
    for (const char* name : order) {
        CAPTURE(name);
        const int rank = placeOf(name).rank;
        CHECK(rank > last);
        last = rank;
    }
}
