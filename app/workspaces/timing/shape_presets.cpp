// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/shape_presets.hpp"

#include <QtGlobal>

namespace loupe::app {

namespace {

// Llama 2, configuration files of the published models: hidden 4096, 5120, 8192; intermediate
// 11008, 13824, 28672; 70B has 64 heads of 128 and 8 key-value heads. Query, key and value in one
// product, gate and up in one product.
constexpr LayerPreset kLayers[] = {
    {QT_TRANSLATE_NOOP("Timing", "square 4096"), "", "", 4096, 4096},
    {QT_TRANSLATE_NOOP("Timing", "7B qkv"), "llama-2-7b", "qkv", 12288, 4096},
    {QT_TRANSLATE_NOOP("Timing", "7B gate_up"), "llama-2-7b", "gate_up", 22016, 4096},
    {QT_TRANSLATE_NOOP("Timing", "7B down"), "llama-2-7b", "down", 4096, 11008},
    {QT_TRANSLATE_NOOP("Timing", "13B qkv"), "llama-2-13b", "qkv", 15360, 5120},
    {QT_TRANSLATE_NOOP("Timing", "13B gate_up"), "llama-2-13b", "gate_up", 27648, 5120},
    {QT_TRANSLATE_NOOP("Timing", "13B down"), "llama-2-13b", "down", 5120, 13824},
    {QT_TRANSLATE_NOOP("Timing", "70B qkv"), "llama-2-70b", "qkv", 10240, 8192},
    {QT_TRANSLATE_NOOP("Timing", "70B gate_up"), "llama-2-70b", "gate_up", 57344, 8192},
    {QT_TRANSLATE_NOOP("Timing", "70B down"), "llama-2-70b", "down", 8192, 28672},
    {QT_TRANSLATE_NOOP("Timing", "small 256, to count"), "", "", 256, 256},
};

constexpr TokenPreset kTokens[] = {
    {QT_TRANSLATE_NOOP("Timing", "decode 1"), 1},
    {QT_TRANSLATE_NOOP("Timing", "decode 16"), 16},
    {QT_TRANSLATE_NOOP("Timing", "decode 64"), 64},
    {QT_TRANSLATE_NOOP("Timing", "prefill 512"), 512},
    {QT_TRANSLATE_NOOP("Timing", "prefill 2048"), 2048},
    {QT_TRANSLATE_NOOP("Timing", "prefill 8192"), 8192},
};

constexpr gpu::AttentionShape shape(std::int64_t seq,
                                    std::int64_t dim,
                                    std::int64_t heads,
                                    std::int64_t kvHeads,
                                    bool causal,
                                    bool decode) {
    gpu::AttentionShape made;
    made.seq = seq;
    made.dim = dim;
    made.heads = heads;
    made.kvHeads = kvHeads;
    made.causal = causal;
    made.decode = decode;
    return made;
}

constexpr AttentionPreset kAttentions[] = {
    {QT_TRANSLATE_NOOP("Timing", "one head, 1024"), "", shape(1024, 64, 1, 1, false, false)},
    {QT_TRANSLATE_NOOP("Timing", "7B prefill 512"),
     "llama-2-7b",
     shape(512, 128, 32, 32, true, false)},
    {QT_TRANSLATE_NOOP("Timing", "7B prefill 2048"),
     "llama-2-7b",
     shape(2048, 128, 32, 32, true, false)},
    {QT_TRANSLATE_NOOP("Timing", "7B decode 2048"),
     "llama-2-7b",
     shape(2048, 128, 32, 32, false, true)},
    {QT_TRANSLATE_NOOP("Timing", "13B prefill 2048"),
     "llama-2-13b",
     shape(2048, 128, 40, 40, true, false)},
    {QT_TRANSLATE_NOOP("Timing", "13B decode 2048"),
     "llama-2-13b",
     shape(2048, 128, 40, 40, false, true)},
    {QT_TRANSLATE_NOOP("Timing", "70B prefill 2048"),
     "llama-2-70b",
     shape(2048, 128, 64, 8, true, false)},
    {QT_TRANSLATE_NOOP("Timing", "70B decode 2048"),
     "llama-2-70b",
     shape(2048, 128, 64, 8, false, true)},
    {QT_TRANSLATE_NOOP("Timing", "small 256, to count"), "", shape(256, 64, 1, 1, false, false)},
};

}  // namespace

std::span<const LayerPreset> layerPresets() {
    return kLayers;
}

std::span<const TokenPreset> tokenPresets() {
    return kTokens;
}

std::span<const AttentionPreset> attentionPresets() {
    return kAttentions;
}

}  // namespace loupe::app
