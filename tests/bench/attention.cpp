// SPDX-License-Identifier: Apache-2.0
// bench attention [--n 1024,2048,4096,8192] [--dim 64] [--heads 1] [--causal] [--pair torch]
// FP32. Operations are counted as elements. Torch runs its fused attention and the plain formula.
#include "core/base/worker_pool.hpp"
#include "tests/bench/cpu_probe.hpp"

#include <cmath>
#include <cstdio>

namespace loupe::bench {

namespace {

using gpu::AttentionProblem;
using gpu::AttentionShape;

constexpr const char* kTorchAttention = R"(
import sys, torch
threads, n, d, heads, causal, kind = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == '1', sys.argv[6]
torch.set_num_threads(threads)
version = torch.__version__ + ' ' + kind
torch.manual_seed(1)
q, k, v = (torch.randn(1, heads, n, d) for _ in range(3))
mask = torch.full((n, n), float('-inf')).triu(1) if causal and kind == 'plain' else None
def work():
    if kind == 'fused':
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    s = q @ k.transpose(-1, -2) / d ** 0.5
    return torch.softmax(s if mask is None else s + mask, dim=-1) @ v
)";

/// Largest difference from FP64 over three rows, and relative to their norm.
void printError(gpu::CpuAttention& attention, const AttentionProblem& problem) {
    const AttentionShape& shape = problem.shape;
    attention.run({});
    const std::vector<std::int64_t> rows{0, shape.queries() / 2, shape.queries() - 1};
    const std::vector<double> expected =
        gpu::referenceAttention(problem.q, problem.k, problem.v, shape, rows, {});
    double largest = 0;
    double error = 0;
    double norm = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const std::size_t at =
            static_cast<std::size_t>(rows[i / static_cast<std::size_t>(shape.dim)] * shape.dim) +
            i % static_cast<std::size_t>(shape.dim);
        const double difference = static_cast<double>(attention.output()[at]) - expected[i];
        largest = std::max(largest, std::fabs(difference));
        error += difference * difference;
        norm += expected[i] * expected[i];
    }
    std::printf("   %s: largest error %.2g, relative %.2g, beside its operands %.1f MiB\n",
                attention.kernel().c_str(),
                largest,
                std::sqrt(error / norm),
                attention.workBytes() / (1 << 20));
}

void runAttention(const Options& options, const AttentionShape& shape) {
    const AttentionProblem problem = gpu::makeAttentionProblem(shape, 1, {});
    const double flops = 4.0 * static_cast<double>(shape.seq) * static_cast<double>(shape.seq) *
                         static_cast<double>(shape.dim) * static_cast<double>(shape.heads) /
                         (shape.causal ? 2 : 1);
    std::vector<Contender> contenders;
    const double before = peakMebibytes();
    for (const std::string& word : options.list("kernels", "flash2,standard")) {
        const gpu::CpuAttentionKind* const kind = gpu::findCpuAttention(word);
        if (kind == nullptr) {
            std::printf("   no attention '%s'\n", word.c_str());
            continue;
        }
        const std::shared_ptr<gpu::CpuAttention> attention = kind->make(problem);
        printError(*attention, problem);
        if (contenders.empty()) {
            std::printf("   resident memory grew by %.1f MiB\n", peakMebibytes() - before);
        }
        contenders.push_back({"ours: " + attention->kernel(),
                              timedAfterRest([attention] { attention->run({}); }),
                              0,
                              flops});
    }
    if (contenders.empty()) {
        return;
    }
    const std::size_t ours = contenders.size();
    contenders.push_back(peakProbe("fp32"));
    if (options.get("pair", "") == "torch") {
        for (const char* kind : {"fused", "plain"}) {
            const auto peer = PythonPeer::start(kTorchAttention,
                                                {std::to_string(computeThreads()),
                                                 std::to_string(shape.seq),
                                                 std::to_string(shape.dim),
                                                 std::to_string(shape.heads),
                                                 shape.causal ? "1" : "0",
                                                 kind});
            if (peer) {
                contenders.push_back(
                    {"peer: torch " + peer->greeting(), [peer] { return peer->run(); }, 0, flops});
            }
        }
    }
    const std::vector<Timing> times =
        interleave("attention N=" + std::to_string(shape.seq) + " d=" + std::to_string(shape.dim) +
                       (shape.causal ? " causal" : ""),
                   contenders,
                   options.repeats(9));
    for (std::size_t i = 0; i < ours; ++i) {
        printRatio(contenders[i].name.substr(6) + " / fp32 peak",
                   rateRatio(contenders[i], times[i], contenders[ours], times[ours]));
    }
    for (std::size_t i = ours + 1; i < contenders.size(); ++i) {
        printRatio(contenders[0].name.substr(6) + " / " + contenders[i].name.substr(6),
                   times[i].median / times[0].median);
    }
}

}  // namespace

void bench_attention(const Options& options) {
    for (const std::string& n :
         options.list("n", options.smoke() ? "100" : "1024,2048,4096,8192")) {
        AttentionShape shape;
        shape.seq = std::stoll(n);
        shape.dim = std::stoll(options.get("dim", "64"));
        shape.heads = shape.kvHeads = std::stoll(options.get("heads", "1"));
        shape.causal = options.has("causal");
        runAttention(options, shape);
    }
}

}  // namespace loupe::bench
