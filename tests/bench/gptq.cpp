// SPDX-License-Identifier: Apache-2.0
// bench gptq [--n 1024,2048,4096] [--pair torch] [--rows N]
// GPTQ of an n x n layer, 4 bits, groups of 128, from a given Hessian: damping, factor and sweep
// (goal 8). The peer does the same from the paper's equations; its weights and loss are compared.
// bench hessian [--tokens 2048] [--n 4096] [--pair torch]: H += 2X'X of one sample (goal 9).
#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"
#include "core/linalg/dense.hpp"
#include "core/quant/gptq_sweep.hpp"
#include "tests/bench/bench.hpp"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace loupe::bench {

namespace {

constexpr const char* kGptqPeer = R"(
import sys
folder, rows, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
import numpy as np
import torch
torch.set_grad_enabled(False)
W0 = torch.from_numpy(np.fromfile(folder + "/w.f32", dtype=np.float32).reshape(rows, n))
H0 = torch.from_numpy(np.fromfile(folder + "/h.f32", dtype=np.float32).reshape(n, n))
block, group, levels = 128, 128, 15
def work():
    W, H = W0.clone(), H0.clone()
    Q = torch.zeros_like(W)
    loss = 0.0
    H.diagonal().add_(0.01 * H.diagonal().mean())
    U = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(H)), upper=True)
    for first in range(0, n, block):
        last = min(first + block, n)
        part = W[:, first:last].clone()
        errors = torch.zeros_like(part)
        u = U[first:last, first:last]
        for i in range(last - first):
            if (first + i) % group == 0:
                g = W[:, first + i:first + i + group]
                low, high = g.amin(dim=1).clamp_(max=0), g.amax(dim=1).clamp_(min=0)
                scale = (high - low) / levels
                zero = torch.round(-low / scale)
            w = part[:, i]
            q = scale * (torch.clamp(torch.round(w / scale) + zero, 0, levels) - zero)
            e = (w - q) / u[i, i]
            loss += float((e * e).sum()) / 2
            part[:, i:] -= e.unsqueeze(1) * u[i, i:].unsqueeze(0)
            errors[:, i] = e
            Q[:, first + i] = q
        W[:, last:] -= errors @ U[first:last, last:]
    return Q, loss
Q, loss = work()
Q.numpy().tofile(folder + "/q.f32")
version = "torch " + torch.__version__ + ", threads " + str(torch.get_num_threads()) + ", loss %.9g" % loss
)";

constexpr const char* kHessianPeer = R"(
import sys
tokens, n = int(sys.argv[1]), int(sys.argv[2])
import torch
torch.set_grad_enabled(False)
X = torch.randn(tokens, n)
H = torch.zeros(n, n)
version = "torch " + torch.__version__ + ", threads " + str(torch.get_num_threads())
def work():
    x = X.t() * 2 ** 0.5
    H.add_(x @ x.t())
)";

#if defined(__x86_64__)
/// Independent multiply-adds in registers, `count` times 32 of them. @returns flops
__attribute__((target("avx512f"))) double fma512(std::int64_t count, float* sink) {
    __m512 sums[16];
    for (int k = 0; k < 16; ++k) {
        sums[k] = _mm512_set1_ps(static_cast<float>(k));
    }
    const __m512 a = _mm512_set1_ps(0.999F);
    const __m512 b = _mm512_set1_ps(1e-3F);
    for (std::int64_t i = 0; i < count; ++i) {
        for (int k = 0; k < 16; ++k) {
            sums[k] = _mm512_fmadd_ps(sums[k], a, b);
        }
    }
    for (int k = 1; k < 16; ++k) {
        sums[0] = _mm512_add_ps(sums[0], sums[k]);
    }
    *sink = _mm512_cvtss_f32(sums[0]);
    return static_cast<double>(count) * 16 * 16 * 2;
}

__attribute__((target("avx2,fma"))) double fma256(std::int64_t count, float* sink) {
    __m256 sums[12];
    for (int k = 0; k < 12; ++k) {
        sums[k] = _mm256_set1_ps(static_cast<float>(k));
    }
    const __m256 a = _mm256_set1_ps(0.999F);
    const __m256 b = _mm256_set1_ps(1e-3F);
    for (std::int64_t i = 0; i < count; ++i) {
        for (int k = 0; k < 12; ++k) {
            sums[k] = _mm256_fmadd_ps(sums[k], a, b);
        }
    }
    for (int k = 1; k < 12; ++k) {
        sums[0] = _mm256_add_ps(sums[0], sums[k]);
    }
    *sink = _mm256_cvtss_f32(sums[0]);
    return static_cast<double>(count) * 12 * 8 * 2;
}
#endif

/// Flops of one run of the probe below, 0 where the machine has no probe.
double fmaFlops(std::int64_t count, float* sink) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        return fma512(count, sink);
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return fma256(count, sink);
    }
#endif
    (void)count;
    *sink = 0;
    return 0;
}

struct Probe {
    Contender contender;
    double flops = 0;
};

/// FP32 multiply-adds of all compute threads, from registers.
Probe fmaProbe(bool smoke) {
    constexpr std::int64_t kChunks = 64;
    const std::int64_t each = smoke ? 1000 : 400000;
    float sink = 0;
    Probe probe;
    probe.flops = fmaFlops(each, &sink) * static_cast<double>(kChunks);
    probe.contender = {"probe: FP32 multiply-adds", timed([=] {
                           std::vector<float> sinks(kChunks);
                           parallelFor(
                               kChunks, 1, {}, [&](std::int64_t i, std::int64_t, std::int64_t) {
                                   (void)fmaFlops(each, &sinks[static_cast<std::size_t>(i)]);
                               });
                       })};
    return probe;
}

/// The backend's own product, on all compute threads: what the solver is made of.
Probe gemmProbe(std::int64_t n) {
    auto a = std::make_shared<Matrix<float>>(n, n);
    auto c = std::make_shared<Matrix<float>>(n, n);
    fillWeights(a->data(), n, n);
    Probe probe;
    probe.flops = 2.0 * std::pow(static_cast<double>(n), 3);
    probe.contender = {"probe: product " + std::to_string(n) + "^3, " + gemmBackendName(),
                       timed([=] {
                           multiply<float>(1,
                                           std::as_const(*a).view(),
                                           Op::Plain,
                                           std::as_const(*a).view(),
                                           Op::Transposed,
                                           0,
                                           c->view(),
                                           {});
                       })};
    return probe;
}

std::vector<float> correlated(std::int64_t tokens, std::int64_t n) {
    std::vector<float> x(static_cast<std::size_t>(tokens * n));
    parallelFor(tokens, 16, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t t = begin; t < end; ++t) {
            double p = 0;
            for (std::int64_t j = 0; j < n; ++j) {
                p = 0.8 * p + randomNormal(7, static_cast<std::uint64_t>(t * n + j));
                x[static_cast<std::size_t>(t * n + j)] = static_cast<float>(p);
            }
        }
    });
    return x;
}

void writeFloats(const std::filesystem::path& path, const float* values, std::int64_t count) {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(values), static_cast<std::streamsize>(count * 4));
}

/// Share of weights whose values agree to 1e-4.
double equalShare(const std::filesystem::path& path,
                  const GptqSweepResult& ours,
                  std::int64_t rows,
                  std::int64_t cols) {
    std::vector<float> theirs(static_cast<std::size_t>(rows * cols));
    std::ifstream file(path, std::ios::binary);
    file.read(reinterpret_cast<char*>(theirs.data()),
              static_cast<std::streamsize>(theirs.size() * 4));
    std::int64_t same = 0;
    for (std::int64_t i = 0; i < rows * cols; ++i) {
        const std::size_t entry = ours.scales.entryOf(i / cols, i % cols);
        const double value = ours.scales.values[entry] * (ours.codes[static_cast<std::size_t>(i)] -
                                                          ours.zeroPoints.values[entry]);
        const double other = static_cast<double>(theirs[static_cast<std::size_t>(i)]);
        same += std::fabs(value - other) <= 1e-6 + 1e-4 * std::fabs(other) ? 1 : 0;
    }
    return static_cast<double>(same) / static_cast<double>(rows * cols);
}

SweepSpec fourBits() {
    SweepSpec spec;
    spec.grid.bits = 4;
    spec.grid.range = GridRange::Full;
    spec.grid.asymmetric = true;
    spec.group = 128;
    return spec;
}

/// @returns our median
double runGptq(std::int64_t rows, std::int64_t n, const Options& options) {
    std::vector<float> values(static_cast<std::size_t>(rows * n));
    fillWeights(values.data(), rows, n);
    const auto weights = makeRowSource(rows, n, values);
    const std::int64_t tokens = n + n / 4;
    const Matrix<float> h =
        hessian<float>(*makeRowSource(tokens, n, correlated(tokens, n)), 0, {}).value();
    const SweepSpec spec = fourBits();
    GptqSweepResult result;
    Matrix<float> work;  // factoring spoils H: each run takes a copy into the same memory
    const auto factorize = [&] {
        work = h;
        return factorHessian<float>(std::move(work), 0.01, {}, {}, FactorParts::Root).value();
    };
    const auto solve = [&] {
        auto own = factorize();
        result = gptqSweep<float>(*weights, nullptr, own, spec, nullptr, {}).value();
        work = std::move(own.root);
    };
    const auto factor = factorHessian<float>(h, 0.01, {}, {}, FactorParts::Root).value();
    const Probe fma = fmaProbe(options.smoke());
    const Probe product = gemmProbe(options.smoke() ? 64 : 2048);
    std::vector<Contender> contenders{
        {"ours: factor and sweep", timed(solve)},
        {"ours: factor alone", timed([&] { work = std::move(factorize().root); })},
        {"ours: sweep alone", timed([&] {
             (void)gptqSweep<float>(*weights, nullptr, factor, spec, nullptr, {}).value();
         })},
        fma.contender,
        product.contender};
    const auto folder =
        std::filesystem::temp_directory_path() / ("loupe_bench_gptq_" + std::to_string(::getpid()));
    std::shared_ptr<PythonPeer> peer;
    if (options.get("pair", "") == "torch") {
        std::filesystem::create_directories(folder);
        writeFloats(folder / "w.f32", values.data(), rows * n);
        writeFloats(folder / "h.f32", h.data(), n * n);
        peer = PythonPeer::start(kGptqPeer,
                                 {folder.string(), std::to_string(rows), std::to_string(n)});
        if (peer) {
            contenders.push_back({"peer: " + peer->greeting(), [peer] { return peer->run(); }});
        }
    }
    const auto t =
        interleave("gptq " + std::to_string(rows) + "x" + std::to_string(n) + " 4 bits g128",
                   contenders,
                   options.repeats(5));
    const double flops =
        2.0 / 3 * std::pow(static_cast<double>(n), 3) +
        static_cast<double>(rows) * static_cast<double>(n) * static_cast<double>(n);
    const double rate = flops / t[0].median;
    if (!options.smoke()) {
        std::printf(
            "   loss %.9g; (5/3) n^3 at %.1f GFLOP/s; multiply-adds %.1f, product %.1f GFLOP/s\n",
            result.loss,
            rate * 1e-9,
            fma.flops / t[3].median * 1e-9,
            product.flops / t[4].median * 1e-9);
    }
    if (fma.flops > 0) {
        printRatio("share of the multiply-add probe", rate / (fma.flops / t[3].median));
    }
    printRatio("share of the product probe", rate / (product.flops / t[4].median));
    if (peer) {
        printRatio("times faster than " + contenders.back().name, t.back().median / t[0].median);
        printRatio("weights equal to the peer's", equalShare(folder / "q.f32", result, rows, n));
        std::filesystem::remove_all(folder);
    }
    return t[0].median;
}

}  // namespace

void bench_gptq(const Options& options) {
    double before = 0;
    std::int64_t nBefore = 0;
    for (const std::string& text : options.list("n", options.smoke() ? "160" : "1024,2048,4096")) {
        const std::int64_t n = std::stoll(text);
        const double now =
            runGptq(options.has("rows") ? std::stoll(options.get("rows", "0")) : n, n, options);
        if (nBefore > 0) {
            printRatio("time, as a power of n from " + std::to_string(nBefore) + " to " + text,
                       std::log(now / before) /
                           std::log(static_cast<double>(n) / static_cast<double>(nBefore)));
        }
        before = now;
        nBefore = n;
    }
}

void bench_hessian(const Options& options) {
    const std::int64_t tokens = options.smoke() ? 40 : std::stoll(options.get("tokens", "2048"));
    const std::int64_t n = options.smoke() ? 70 : std::stoll(options.get("n", "4096"));
    const auto source = makeRowSource(tokens, n, correlated(tokens, n));
    Matrix<float> x(tokens, n);
    if (!source->read(0, tokens, x.data())) {
        return;
    }
    Matrix<float> sum(n, n);
    const Probe fma = fmaProbe(options.smoke());
    const Probe product = gemmProbe(options.smoke() ? 64 : 2048);
    std::vector<Contender> contenders{
        {"ours: symmetric update",
         timed([&] { addGram<float>(2, std::as_const(x).view(), sum.view(), {}); })},
        {"ours: hessian(), read, checked and mirrored",
         timed([&] { (void)hessian<float>(*source, 0, {}).value(); })},
        fma.contender,
        product.contender};
    std::shared_ptr<PythonPeer> peer;
    if (options.get("pair", "") == "torch") {
        peer = PythonPeer::start(kHessianPeer, {std::to_string(tokens), std::to_string(n)});
        if (peer) {
            contenders.push_back({"peer: " + peer->greeting(), [peer] { return peer->run(); }});
        }
    }
    const auto t = interleave("hessian " + std::to_string(tokens) + "x" + std::to_string(n),
                              contenders,
                              options.repeats(9));
    const double rate = static_cast<double>(tokens) * static_cast<double>(n) *
                        static_cast<double>(n + 1) / t[0].median;
    if (fma.flops > 0) {
        printRatio("share of the multiply-add probe", rate / (fma.flops / t[2].median));
    }
    printRatio("share of the product probe", rate / (product.flops / t[3].median));
    if (peer) {
        printRatio("update: times faster than " + contenders.back().name,
                   t.back().median / t[0].median);
        printRatio("hessian(): times faster than " + contenders.back().name,
                   t.back().median / t[1].median);
    }
}

}  // namespace loupe::bench
