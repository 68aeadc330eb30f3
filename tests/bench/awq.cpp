// SPDX-License-Identifier: Apache-2.0
// bench awq [--shape 4096x4096] [--tokens 512] [--group 128] [--pair torch]
// AWQ's search over 20 ratios (goal 10), and the whole step with its clip search.
#include "core/quant/awq.hpp"

#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "core/linalg/gemm.hpp"
#include "tests/bench/bench.hpp"

#include <cstdio>

namespace loupe::bench {

namespace {

/// The published loop over ratios for one linear layer: scale, pseudo-quantize, product, mean
/// square.
constexpr const char* kPeer = R"(
import sys
rows, cols, tokens, group = (int(a) for a in sys.argv[1:5])
import numpy as np
import torch
torch.set_grad_enabled(False)
version = "torch " + torch.__version__ + ", threads " + str(torch.get_num_threads())
rng = np.random.default_rng(1)
w = torch.from_numpy((rng.standard_t(5, (rows, cols)) * 0.02).astype(np.float32))
x = torch.from_numpy(rng.standard_normal((tokens, cols)).astype(np.float32))
x[:, ::97] *= 20
a = x.abs().mean(0)
y = x @ w.T
def work():
    best = None
    for k in range(20):
        s = a.pow(k / 20).clamp(min=1e-4)
        s = s / (s.max() * s.min()).sqrt()
        v = (w * s).reshape(-1, group)
        high, low = v.amax(dim=1, keepdim=True), v.amin(dim=1, keepdim=True)
        scale = (high - low).clamp(min=1e-5) / 15
        zero = (-torch.round(low / scale)).clamp_(0, 15)
        q = (torch.clamp(torch.round(v / scale) + zero, 0, 15) - zero) * scale
        loss = (y - x @ (q.reshape(rows, cols) / s).T).float().pow(2).mean().item()
        best = loss if best is None or loss < best else best
)";

StepInput makeLayer(std::int64_t rows, std::int64_t cols, std::int64_t tokens) {
    std::vector<float> w(static_cast<std::size_t>(rows * cols));
    fillWeights(w.data(), rows, cols);
    std::vector<float> x(static_cast<std::size_t>(tokens * cols));
    for (std::size_t i = 0; i < x.size(); ++i) {
        const bool outlier = static_cast<std::int64_t>(i) % cols % 97 == 0;
        x[i] = static_cast<float>(randomNormal(1, i) * (outlier ? 20 : 1));
    }
    StepInput input;
    input.weights = makeRowSource(rows, cols, std::move(w));
    input.activations = makeRowSource(tokens, cols, std::move(x));
    return input;
}

/// As many products of tokens x in x out as the whole curve takes, and nothing else.
Contender productProbe(std::int64_t rows, std::int64_t cols, std::int64_t tokens) {
    return {"probe: 20 FP32 products", timed([=] {
                const std::vector<float> a(static_cast<std::size_t>(tokens * cols), 0.5F);
                const std::vector<float> b(static_cast<std::size_t>(rows * cols), 0.25F);
                constexpr std::int64_t kRows = 256;
                for (int k = 0; k < 20; ++k) {
                    parallelFor(
                        rows, kRows, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
                            std::vector<float> c(static_cast<std::size_t>(tokens * (end - begin)));
                            gemm<float>(tokens,
                                        end - begin,
                                        cols,
                                        1.0F,
                                        {a.data(), cols, Op::Plain},
                                        {b.data() + begin * cols, cols, Op::Transposed},
                                        0.0F,
                                        c.data(),
                                        end - begin);
                        });
                }
            })};
}

}  // namespace

void bench_awq(const Options& options) {
    const auto [rows, cols] =
        parseShape(options.get("shape", options.smoke() ? "256x256" : "4096x4096"));
    const std::int64_t tokens = std::stoll(options.get("tokens", options.smoke() ? "64" : "512"));
    const std::int64_t group = std::stoll(options.get("group", "128"));
    const StepInput input = makeLayer(rows, cols, tokens);
    const Step step{"awq", {{"group", std::to_string(group)}}};
    const UniformSpec spec = awqSpec(Params(findStep("awq")->params, step));
    const auto search = [&](bool clip, AwqCurve curve) {
        return timed([&, clip, curve] { (void)searchAwq(input, spec, 20, clip, curve, {}).value(); });
    };
    std::printf("products by %s\n", gemmBackendName().c_str());
    std::vector<Contender> contenders{
        {"ours: best of 20 ratios", search(false, AwqCurve::Least)},
        {"ours: best of 20 ratios and 10 clips", search(true, AwqCurve::Least)},
        {"ours: losses of all 20 ratios", search(false, AwqCurve::Whole)},
        productProbe(rows, cols, tokens)};
    std::shared_ptr<PythonPeer> peer;
    for (const std::string& name : options.list("pair", "")) {
        if (name == "torch") {
            peer = PythonPeer::start(kPeer,
                                     {std::to_string(rows),
                                      std::to_string(cols),
                                      std::to_string(tokens),
                                      std::to_string(group)});
        }
    }
    if (peer != nullptr) {
        contenders.push_back({"peer: " + peer->greeting(), [peer] { return peer->run(); }});
    }
    const auto t =
        interleave("awq " + std::to_string(rows) + "x" + std::to_string(cols) + ", " +
                       std::to_string(tokens) + " tokens, group " + std::to_string(group),
                   contenders,
                   options.repeats(5));
    if (!options.smoke()) {
        printRatio("products alone / ours", t[3].median / t[0].median);
        if (peer != nullptr) {
            printRatio("peer / ours", t[4].median / t[0].median);
            printRatio("peer / ours, all losses", t[4].median / t[2].median);
        }
    }
}

}  // namespace loupe::bench
