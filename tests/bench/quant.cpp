// SPDX-License-Identifier: Apache-2.0
// bench quant [--format nf4,fp4] [--shape 4096x4096] [--block 64] [--pair bitsandbytes]
// bench quant --format q4_k,q8_0,... [--shape 4096x4096] [--verify] [--pair ggml] [--cpu-time]
// Goals 5 and 6: ggml's block types beside the libggml-base.so that LOUPE_PEER_GGML names, at equal
// threads; --verify counts the bytes that differ, --cpu-time judges by processor time.
// Goal 7: quantize weights to packed 4-bit codes and block maxima, and back, beside the probes of
// memory and bitsandbytes' CPU code; and the whole of applyScheme, which also measures.
#include "core/base/worker_pool.hpp"
#include "core/blocks/block_layout.hpp"
#include "core/experiment/pipeline.hpp"
#include "core/formats/number_format.hpp"
#include "core/quant/blockwise.hpp"
#include "core/quant/uniform_kernels.hpp"
#include "tests/bench/bench.hpp"
#include "tests/bench/quant_ggml.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>

namespace loupe::bench {

namespace {

constexpr const char* kPeer = R"(
import sys
kind, count, block, direction = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
import numpy as np
import torch
import bitsandbytes
import bitsandbytes.functional as F
torch.set_grad_enabled(False)
version = "bitsandbytes " + bitsandbytes.__version__ + " " + direction + ", threads " + str(torch.get_num_threads())
weights = torch.from_numpy((np.random.default_rng(1).standard_t(5, count) * 0.02).astype(np.float32))
packed, state = F.quantize_4bit(weights, blocksize=block, compress_statistics=False, quant_type=kind)
def work():
    if direction == "quantize":
        F.quantize_4bit(weights, blocksize=block, compress_statistics=False, quant_type=kind)
    else:
        F.dequantize_4bit(packed, state)
)";

/// What a checkpoint keeps of the weights.
struct Packed {
    Packed(std::int64_t count, std::int64_t block)
        : codes(static_cast<std::size_t>(count / 2)),
          scales(static_cast<std::size_t>((count + block - 1) / block) * sizeof(float)) {}
    Buffer codes;
    Buffer scales;
};

constexpr std::int64_t kBlocksPerChunk = 1024;

void quantize(const float* weights,
              std::int64_t count,
              std::int64_t block,
              const BlockLevels& levels,
              const Packed& out) {
    const BlockKernels& kernels = blockKernels();
    parallelFor(count,
                block * kBlocksPerChunk,
                {},
                [&](std::int64_t begin, std::int64_t end, std::int64_t) {
                    std::vector<std::uint32_t> bits(kBlocksPerChunk);
                    uniformKernels().magnitudesF32(
                        reinterpret_cast<const unsigned char*>(weights + begin),
                        end - begin,
                        block,
                        bits.data());
                    float* absmax = out.scales.as<float>() + begin / block;
                    for (std::int64_t i = 0; i < (end - begin + block - 1) / block; ++i) {
                        const auto most = std::bit_cast<float>(bits[static_cast<std::size_t>(i)]);
                        absmax[i] = most > 0 ? most : 1;
                    }
                    kernels.pack(weights + begin,
                                 end - begin,
                                 block,
                                 absmax,
                                 levels,
                                 out.codes.as<std::uint8_t>() + begin / 2);
                });
}

void dequantize(const Packed& in,
                std::int64_t count,
                std::int64_t block,
                const BlockLevels& levels,
                float* out) {
    parallelFor(count,
                block * kBlocksPerChunk,
                {},
                [&](std::int64_t begin, std::int64_t end, std::int64_t) {
                    blockKernels().unpack(in.codes.as<std::uint8_t>() + begin / 2,
                                          end - begin,
                                          block,
                                          in.scales.as<float>() + begin / block,
                                          levels,
                                          out + begin);
                });
}

void runCase(const std::string& kind,
             std::int64_t rows,
             std::int64_t cols,
             std::int64_t block,
             const Options& options) {
    const NumberFormat* format = findFormat(kind == "fp4" ? "fp4_bnb" : kind);
    if (format == nullptr || format->codebook.size() != 16) {
        std::printf("no such 4-bit codebook: %s\n", kind.c_str());
        return;
    }
    const std::int64_t count = rows * cols;
    const BlockLevels levels = blockLevels(*format);
    const Buffer weights(static_cast<std::size_t>(count) * 4);
    const Buffer back(weights.size());
    fillWeights(weights.as<float>(), rows, cols);
    const Packed packed(count, block);
    const auto elements = static_cast<double>(count);
    const double bytes = elements * 4.5;
    std::vector<float> values(weights.as<float>(), weights.as<float>() + count);
    const auto source = makeRowSource(rows, cols, std::move(values));
    const Scheme scheme = parseScheme(kind + ":block=" + std::to_string(block)).value();
    quantize(weights.as<float>(), count, block, levels, packed);
    std::vector<Contender> contenders;
    contenders.push_back(
        {"ours: quantize",
         timed([&] { quantize(weights.as<float>(), count, block, levels, packed); }),
         bytes,
         elements});
    contenders.push_back(
        {"ours: dequantize",
         timed([&] { dequantize(packed, count, block, levels, back.as<float>()); }),
         bytes,
         elements});
    contenders.push_back({"ours: applyScheme, which also measures",
                          timed([&] {
                              (void)applyScheme(scheme, {source, 32, nullptr, 0, nullptr}).value();
                          }),
                          elements * 4,
                          elements});
    contenders.push_back(readProbe(weights));
    std::vector<std::shared_ptr<PythonPeer>> peers;
    for (const std::string& name : options.list("pair", "")) {
        for (const char* direction : {"quantize", "dequantize"}) {
            auto peer =
                name == "bitsandbytes"
                    ? PythonPeer::start(
                          kPeer, {kind, std::to_string(count), std::to_string(block), direction})
                    : nullptr;
            if (peer) {
                contenders.push_back(
                    {"peer: " + peer->greeting(), [peer] { return peer->run(); }, bytes, elements});
                peers.push_back(std::move(peer));
            }
        }
    }
    const auto t = interleave("quant " + kind + " " + std::to_string(rows) + "x" +
                                  std::to_string(cols) + " block " + std::to_string(block),
                              contenders,
                              options.repeats(9));
    printRatio("quantize: share of the read probe", t[3].median / t[0].median);
    if (t.size() == 6) {
        printRatio("quantize: times faster than the peer (goal 20)", t[4].median / t[0].median);
        printRatio("dequantize: times faster than the peer (goal 1)", t[5].median / t[1].median);
    }
}

}  // namespace

void bench_quant(const Options& options) {
    const auto [rows, cols] =
        parseShape(options.smoke() ? "64x384" : options.get("shape", "4096x4096"));
    const std::int64_t block = std::stoll(options.get("block", "64"));
    for (const std::string& kind : options.list("format", options.smoke() ? "nf4,fp4,q4_k,q8_0" : "nf4,fp4")) {
        if (const BlockLayout* layout = findBlockLayout(kind)) {
            quantGgml(*layout, rows, options.smoke() ? 512 : cols, options);
        } else {
            runCase(kind, rows, cols, block, options);
        }
    }
}

}  // namespace loupe::bench
