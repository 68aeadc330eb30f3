// SPDX-License-Identifier: Apache-2.0
// bench prune [--method wanda,sparsegpt] [--n 4096] [--tokens 2048] [--pair torch] [--sparsity 0.5]
// Goal 10: Wanda's choice (per row, and 2:4) and SparseGPT (50 % and 2:4, from H to the pruned
// weights), beside the same written with torch, and beside the machine: the read probe for the
// choice, a product of the sweep's size for SparseGPT.
#include "core/base/worker_pool.hpp"
#include "core/linalg/gemm.hpp"
#include "core/prune/sparsegpt_solver.hpp"
#include "core/quant/hessian.hpp"
#include "core/scheme/step.hpp"
#include "tests/bench/bench.hpp"

#include <cstdio>
#include <numeric>

namespace loupe::bench {

namespace {

/// Wanda as its paper's text says, the norms of the inputs given; SparseGPT as in its algorithm 1.
constexpr const char* kPeer = R"(
import sys
method, n, sparsity = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
import numpy as np
import torch
torch.set_grad_enabled(False)
version = "torch " + torch.__version__ + ", threads " + str(torch.get_num_threads())
rng = np.random.default_rng(1)
W0 = torch.from_numpy((rng.standard_t(5, (n, n)) * 0.02).astype(np.float32))
norms = torch.from_numpy(rng.uniform(0.5, 2, n).astype(np.float32))
if method.startswith("sparsegpt"):
    X = torch.from_numpy(rng.standard_normal((2 * n, n)).astype(np.float32))
    H0 = 2 * X.t() @ X
    del X
def wanda():
    W = W0.clone()
    score = W.abs() * norms
    order = torch.sort(score, dim=-1, stable=True)[1][:, :int(n * sparsity)]
    mask = torch.zeros_like(W, dtype=torch.bool)
    mask.scatter_(1, order, True)
    W[mask] = 0
def wanda24():
    W = W0.clone()
    score = W.abs() * norms
    mask = torch.zeros_like(W, dtype=torch.bool)
    for i in range(0, n, 4):
        part = score[:, i:i + 4]
        mask.scatter_(1, i + torch.topk(part, 2, dim=1, largest=False)[1], True)
    W[mask] = 0
def sparsegpt(pattern):
    W, H = W0.clone(), H0.clone()
    H.diagonal().add_(0.01 * H.diagonal().mean())
    U = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(H)), upper=True)
    for i1 in range(0, n, 128):
        i2 = min(i1 + 128, n)
        W1, U1 = W[:, i1:i2].clone(), U[i1:i2, i1:i2]
        Q1, E1 = torch.zeros_like(W1), torch.zeros_like(W1)
        d = torch.diag(U1).reshape(1, -1)
        if pattern:
            M1 = torch.zeros_like(W1, dtype=torch.bool)
        else:
            score = W1 ** 2 / d ** 2
            M1 = score <= torch.sort(score.flatten())[0][int(score.numel() * sparsity)]
        for i in range(i2 - i1):
            if pattern and i % 4 == 0:
                score = W1[:, i:i + 4] ** 2 / d[:, i:i + 4] ** 2
                M1.scatter_(1, i + torch.topk(score, 2, dim=1, largest=False)[1], True)
            w = W1[:, i]
            q = w.clone()
            q[M1[:, i]] = 0
            Q1[:, i] = q
            e = (w - q) / U1[i, i]
            W1[:, i:] -= e.unsqueeze(1) @ U1[i, i:].unsqueeze(0)
            E1[:, i] = e
        W[:, i1:i2] = Q1
        W[:, i2:] -= E1 @ U[i1:i2, i2:]
work = {"wanda": wanda, "wanda24": wanda24, "sparsegpt": lambda: sparsegpt(False),
        "sparsegpt24": lambda: sparsegpt(True)}[method]
)";

struct Layer {
    std::int64_t n = 0;
    std::shared_ptr<const RowSource> weights;
    std::shared_ptr<const RowSource> tokens;
};

Layer layerOf(std::int64_t n, std::int64_t tokens) {
    std::vector<float> weights(static_cast<std::size_t>(n * n));
    std::vector<float> inputs(static_cast<std::size_t>(tokens * n));
    fillWeights(weights.data(), n, n);
    fillWeights(inputs.data(), tokens, n);
    return {
        n, makeRowSource(n, n, std::move(weights)), makeRowSource(tokens, n, std::move(inputs))};
}

void addPeer(const Options& options,
             const std::string& method,
             std::int64_t n,
             std::vector<Contender>& contenders) {
    for (const std::string& name : options.list("pair", "")) {
        if (name != "torch") {
            continue;
        }
        if (const auto peer = PythonPeer::start(
                kPeer, {method, std::to_string(n), options.get("sparsity", "0.5")})) {
            contenders.push_back({"peer: " + peer->greeting(), [peer] { return peer->run(); }});
        }
    }
}

/// The mask and the pruned weights, written out: what the peer does, and the norms beside it.
void benchWanda(const Options& options, std::int64_t n, bool pattern) {
    const Layer layer = layerOf(n, options.smoke() ? 8 : 32);
    const std::string text =
        pattern ? "wanda:pattern=2:4" : "wanda:sparsity=" + options.get("sparsity", "0.5");
    const Step step = parseScheme(text).value().steps[0];
    const StepDefinition* definition = findStep(step.name);
    StepInput input;
    input.weights = layer.weights;
    input.activations = layer.tokens;
    const Buffer out(static_cast<std::size_t>(n * n) * sizeof(float));
    const double bytes = static_cast<double>(n * n) * sizeof(float);
    const auto prune = [&] {
        const StepOutput output =
            definition->apply(input, Params(definition->params, step), {}).value();
        parallelFor(n, 64, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            (void)output.weights->read(begin, end - begin, out.as<float>() + begin * n);
        });
    };
    std::vector<Contender> contenders;
    contenders.push_back({"ours: " + text, timed(prune), bytes, static_cast<double>(n * n)});
    Contender read = readProbe(out);
    read.bytes = bytes;
    contenders.push_back(read);
    addPeer(options, pattern ? "wanda24" : "wanda", n, contenders);
    const auto t = interleave("prune " + text + " " + std::to_string(n) + "x" + std::to_string(n),
                              contenders,
                              options.repeats(9));
    printRatio("share of the read probe", t[1].median / t[0].median);
    for (std::size_t i = 2; i < contenders.size(); ++i) {
        printRatio("times faster than " + contenders[i].name, t[i].median / t[0].median);
    }
}

/// From H to the pruned weights: the factor and the sweep. n³/3·2 + n³ multiply-adds.
void benchSparseGpt(const Options& options, std::int64_t n, bool pattern) {
    const Layer layer = layerOf(n, options.smoke() ? 2 * n : n / 2);
    Matrix<float> weights(n, n);
    (void)layer.weights->read(0, n, weights.data());
    const Matrix<float> h = hessian<float>(*layer.tokens, 0, {}).value();
    SparseGptSpec spec;
    spec.selection.sparsity = std::stod(options.get("sparsity", "0.5"));
    if (pattern) {
        spec.selection.keep = 2;
        spec.selection.block = 4;
    }
    Matrix<float> work;
    HessianFactor<float> factor;
    const auto factorize = [&] {
        // Factoring spoils H: each run takes a copy into the same memory.
        Matrix<float> copy = std::move(factor.root);
        copy = h;
        factor = factorHessian<float>(std::move(copy), 0.01, {}, {}, FactorParts::Root).value();
    };
    const auto sweep = [&] {
        work = weights;
        (void)solveSparseGpt<float>(work, factor, spec, nullptr, {});
    };
    factorize();
    Matrix<float> product(n, n);
    std::vector<Contender> contenders;
    contenders.push_back({"ours: factor and sweep", timed([&] {
                              factorize();
                              sweep();
                          })});
    contenders.push_back({"ours: the sweep alone", timed(sweep)});
    contenders.push_back(
        {"probe: one n x n x n product on one thread, " + gemmBackendName(), timed([&] {
             gemm<float>(n,
                         n,
                         n,
                         1,
                         {weights.data(), n, Op::Plain},
                         {h.data(), n, Op::Plain},
                         0,
                         product.data(),
                         n);
         })});
    addPeer(options, pattern ? "sparsegpt24" : "sparsegpt", n, contenders);
    const auto t = interleave(std::string("prune sparsegpt ") + (pattern ? "2:4 " : "50 % ") +
                                  std::to_string(n) + "x" + std::to_string(n),
                              contenders,
                              options.repeats(3));
    printRatio("factor and sweep over one product on one thread", t[0].median / t[2].median);
    for (std::size_t i = 3; i < contenders.size(); ++i) {
        printRatio("times faster than " + contenders[i].name, t[i].median / t[0].median);
    }
}

}  // namespace

void bench_prune(const Options& options) {
    const std::int64_t n = options.smoke() ? 96 : std::stoll(options.get("n", "4096"));
    for (const std::string& method : options.list("method", "wanda,sparsegpt")) {
        for (const bool pattern : {false, true}) {
            if (method == "wanda") {
                benchWanda(options, n, pattern);
            } else if (method == "sparsegpt") {
                benchSparseGpt(options, n, pattern);
            } else {
                std::printf("no such method: %s\n", method.c_str());
            }
        }
    }
}

}  // namespace loupe::bench
