// SPDX-License-Identifier: Apache-2.0
// bench gemm  [--n 512,1024,2048,4096] [--formats fp32,bf16,int8] [--pair onednn,openblas,torch]
// bench qgemm [--tokens 1,512] [--rows 65536] [--cols 4096] [--formats w4a8,w4a16,w8a16,...]
// Operations are counted as elements: Gelem/s are GFLOP/s or GOP/s.
#include "core/base/worker_pool.hpp"
#include "gpu/cpu/matmul_kernels.hpp"
#include "gpu/cpu/peers.hpp"
#include "tests/bench/cpu_probe.hpp"

#include <chrono>
#include <cstdio>
#include <thread>

namespace loupe::bench {

using gpu::CpuFormat;
using gpu::MatmulProblem;
using gpu::MatmulShape;

std::function<double()> timedAfterRest(std::function<void()> work) {
    return [work = timed(std::move(work))] {
        constexpr std::chrono::milliseconds kRest{20};
        std::this_thread::sleep_for(kRest);
        return work();
    };
}

Contender peakProbe(std::string_view arithmetic) {
    double (*kernel)(std::int64_t) = gpu::rowKernels().peak;
    if (arithmetic == "int8") {
        kernel = gpu::integerKernels().peak;
    } else if (arithmetic == "bf16" && gpu::brainKernels() != nullptr) {
        kernel = gpu::brainKernels()->peak;
    }
    constexpr std::int64_t kTurns = 1 << 21;
    const int threads = computeThreads();
    Contender probe;
    probe.name = "probe: " + std::string(arithmetic) + " in registers alone";
    probe.elements = kernel(1) * static_cast<double>(kTurns) * threads;
    probe.run = timedAfterRest([=] {
        parallelFor(threads, 1, {}, [&](std::int64_t, std::int64_t, std::int64_t) {
            (void)kernel(kTurns);
        });
    });
    return probe;
}

Contender productOf(const std::string& name,
                    std::shared_ptr<gpu::CpuMatmul> matmul,
                    const MatmulShape& shape,
                    bool bytes) {
    Contender contender;
    contender.name = name;
    contender.elements = 2.0 * static_cast<double>(shape.m) * static_cast<double>(shape.n) *
                         static_cast<double>(shape.k);
    contender.bytes = bytes ? matmul->weightBytes() : 0;
    contender.run = timedAfterRest([matmul = std::move(matmul)] { matmul->run({}); });
    return contender;
}

double rateRatio(const Contender& a, const Timing& ta, const Contender& b, const Timing& tb) {
    return (a.elements / ta.median) / (b.elements / tb.median);
}

namespace {

constexpr const char* kTorchProduct = R"(
import sys, torch
threads, m, n, k, kind = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
torch.set_num_threads(threads)
version = torch.__version__
torch.manual_seed(1)
dtype = torch.bfloat16 if kind == 'bf16' else torch.float32
x = torch.randn(m, k).to(dtype)
w = (torch.randn(n, k) / k ** 0.5).to(dtype)
y = torch.empty(m, n, dtype=dtype)
def work():
    torch.mm(x, w.t(), out=y)
)";

bool wants(const Options& options, const std::string& peer) {
    for (const std::string& name : options.list("pair", "")) {
        if (name == peer) {
            return true;
        }
    }
    return false;
}

void addLibraries(std::vector<Contender>& contenders,
                  const Options& options,
                  const MatmulProblem& problem,
                  const std::string& format,
                  bool bytes) {
    for (const gpu::CpuPeer& peer : gpu::cpuPeers()) {
        const std::string word = std::string(peer.kernel).substr(0, peer.kernel.find('_'));
        if (peer.format != format || !wants(options, word)) {
            continue;
        }
        std::string error = peer.refuses(problem.shape);
        std::shared_ptr<gpu::CpuMatmul> matmul;
        if (error.empty()) {
            matmul = peer.make(problem, {}, error);
        }
        if (matmul == nullptr) {
            std::printf("   no peer: %s: %s\n", std::string(peer.kernel).c_str(), error.c_str());
            continue;
        }
        contenders.push_back(productOf("peer: " + std::string(peer.library) + " " + peer.version(),
                                       std::move(matmul),
                                       problem.shape,
                                       bytes));
    }
    if (wants(options, "torch") && (format == "fp32" || format == "bf16")) {
        const MatmulShape& shape = problem.shape;
        const auto peer = PythonPeer::start(kTorchProduct,
                                            {std::to_string(computeThreads()),
                                             std::to_string(shape.m),
                                             std::to_string(shape.n),
                                             std::to_string(shape.k),
                                             format});
        if (peer) {
            Contender contender;
            contender.name = "peer: torch " + peer->greeting();
            contender.elements = 2.0 * static_cast<double>(shape.m) * static_cast<double>(shape.n) *
                                 static_cast<double>(shape.k);
            contender.run = [peer] { return peer->run(); };
            contenders.push_back(std::move(contender));
        }
    }
}

void runProduct(const Options& options, const MatmulProblem& problem, const std::string& word) {
    const CpuFormat* const format = gpu::findCpuFormat(word);
    if (format == nullptr) {
        std::printf("   no format '%s'\n", word.c_str());
        return;
    }
    const MatmulShape& shape = problem.shape;
    const bool decode = shape.m <= 16;
    std::shared_ptr<gpu::CpuMatmul> matmul = format->make(problem, {});
    const std::string kernel = matmul->kernel();
    std::vector<Contender> contenders{
        productOf("ours: " + kernel, std::move(matmul), shape, decode)};
    std::unique_ptr<Buffer> memory;
    if (decode) {
        memory = std::make_unique<Buffer>(options.smoke() ? 1 << 22 : 1 << 28);
        Contender read = readProbe(*memory);
        read.run = [run = read.run] {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            return run();
        };
        contenders.push_back(std::move(read));
    } else {
        contenders.push_back(peakProbe(gpu::cpuArithmetic(*format)));
    }
    addLibraries(contenders, options, problem, word, decode);
    const std::vector<Timing> times =
        interleave(word + " " + std::to_string(shape.m) + "x" + std::to_string(shape.n) + "x" +
                       std::to_string(shape.k),
                   contenders,
                   options.repeats(9));
    if (decode) {
        printRatio(
            "weights' GB/s / read probe",
            (contenders[0].bytes / times[0].median) / (contenders[1].bytes / times[1].median));
    } else {
        printRatio("ours / peak", rateRatio(contenders[0], times[0], contenders[1], times[1]));
    }
    for (std::size_t i = 2; i < contenders.size(); ++i) {
        printRatio("ours / " + contenders[i].name.substr(6), times[i].median / times[0].median);
    }
}

}  // namespace

void bench_gemm(const Options& options) {
    for (const std::string& n : options.list("n", options.smoke() ? "96" : "512,1024,2048,4096")) {
        MatmulShape shape;
        shape.m = shape.n = shape.k = std::stoll(n);
        const MatmulProblem problem = gpu::makeMatmulProblem(shape, 1, {});
        for (const std::string& word : options.list("formats", "fp32,bf16,int8")) {
            runProduct(options, problem, word);
        }
    }
}

void bench_qgemm(const Options& options) {
    for (const std::string& tokens : options.list("tokens", "1,512")) {
        MatmulShape shape;
        shape.m =
            options.smoke() ? std::min<std::int64_t>(7, std::stoll(tokens)) : std::stoll(tokens);
        // Decode wants more weights than the last cache holds, 512 tokens only time.
        const bool decode = shape.m <= 16;
        const std::string rows = options.get("rows", "65536");
        shape.n = options.smoke() ? 100
                  : decode        ? std::stoll(rows)
                                  : std::min<std::int64_t>(4096, std::stoll(rows));
        shape.k = options.smoke() ? 300 : std::stoll(options.get("cols", "4096"));
        const MatmulProblem problem = gpu::makeMatmulProblem(shape, 1, {});
        for (const std::string& word :
             options.list("formats", "w4a8,w4a16,w8a8,w8a16,int8_outliers,sparse24,sparse50")) {
            runProduct(options, problem, word);
        }
    }
}

}  // namespace loupe::bench
