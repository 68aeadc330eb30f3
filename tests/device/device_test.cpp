// SPDX-License-Identifier: Apache-2.0
// On a machine with a GPU: every fat binary loads, every kernel is right at three shapes, every
// library that is there is right. Without one it exits 77, which ctest counts as skipped. Not a
// Catch2 program: a device that was lost ends the run at once, with what was found until then.
#include "gpu/driver/context.hpp"
#include "gpu/kernels/kernel.hpp"
#include "gpu/timing/backend.hpp"

#include <cstdio>
#include <map>
#include <string>
#include <vector>

using namespace loupe;
using namespace loupe::gpu;

namespace {

constexpr int kSkipped = 77;

struct Tally {
    int passed = 0;
    int notTaken = 0;
    int failed = 0;
};

/// A reason that says that this case is not for this kernel, library or machine, unlike a fault.
bool isRefusal(const RunRecord& record) {
    if (record.check && !record.check->passed) {
        return false;
    }
    for (const char* fault : {"CUDA_ERROR", "lost", "did not finish", "does not load", "wrong"}) {
        if (record.reason.find(fault) != std::string::npos) {
            return false;
        }
    }
    return true;
}

std::string shapeOf(const CaseRecord& what) {
    if (what.operation == Operation::Matmul) {
        return std::to_string(what.matmul.m) + "x" + std::to_string(what.matmul.n) + "x" +
               std::to_string(what.matmul.k);
    }
    const AttentionShape& s = what.attention;
    return std::to_string(s.batch) + "x" + std::to_string(s.heads) + "/" +
           std::to_string(s.kvHeads) + "x" + std::to_string(s.seq) + "x" + std::to_string(s.dim) +
           (s.causal ? " causal" : "") + (s.decode ? " decode" : "");
}

void judge(const RunRecord& record, Tally& tally, std::map<std::string, int>& passes) {
    const std::string name = record.kernel.id + " " + shapeOf(record.what);
    if (record.reason.empty() && record.check && record.check->passed && record.timing) {
        ++tally.passed;
        ++passes[record.kernel.id];
        std::printf(
            "ok       %-50s error %.3g (at most %.3g)  %.2f us  %d registers, %d B shared\n",
            name.c_str(),
            record.check->relFro,
            record.check->tolerance,
            record.timing->medianUs,
            record.kernel.registers,
            record.kernel.sharedBytes);
    } else if (isRefusal(record)) {
        ++tally.notTaken;
        std::printf("not run  %-50s %s\n", name.c_str(), record.reason.c_str());
    } else {
        ++tally.failed;
        std::printf("FAILED   %-50s %s\n", name.c_str(), record.reason.c_str());
    }
    std::fflush(stdout);
}

std::vector<TimingRequest> cases() {
    std::vector<TimingRequest> all;
    for (const MatmulShape& shape : {MatmulShape{1, 256, 256, 128},
                                     MatmulShape{16, 512, 1024, 128},
                                     MatmulShape{67, 200, 256, 64},
                                     MatmulShape{256, 384, 512, 128}}) {
        TimingRequest request;
        request.matmul = shape;
        all.push_back(request);
    }
    for (const AttentionShape& shape : {AttentionShape{128, 64, 2, 2, 1, false, false},
                                        AttentionShape{200, 64, 4, 2, 1, true, false},
                                        AttentionShape{256, 128, 2, 1, 2, false, false},
                                        AttentionShape{333, 128, 2, 2, 1, true, false},
                                        AttentionShape{512, 128, 4, 1, 3, false, true},
                                        AttentionShape{1000, 64, 4, 4, 2, false, true}}) {
        TimingRequest request;
        request.operation = Operation::Attention;
        request.attention = shape;
        all.push_back(request);
    }
    for (TimingRequest& request : all) {
        request.what = {"all"};
        request.backend = "cuda";
        request.samples = 3;
        request.seconds = 0.5;
    }
    return all;
}

/// Fat binaries that do not load, one line each.
int loadFatBinaries(cuda::Context& context) {
    int failed = 0;
    for (const KernelFamily* family : kernelFamilies()) {
        const std::span<const std::byte> image = fatBinary(family->id);
        if (image.empty()) {
            std::printf("not run  %s: built without nvcc\n", std::string(family->id).c_str());
            continue;
        }
        const Result<cuda::Module> module = cuda::Module::load(context, image.data());
        std::printf("%-8s fat binary %s, %zu bytes%s\n",
                    module ? "ok" : "FAILED",
                    std::string(family->id).c_str(),
                    image.size(),
                    module ? "" : (": " + module.error().what).c_str());
        failed += module ? 0 : 1;
    }
    return failed;
}

int runAll() {
    Tally tally;
    std::map<std::string, int> passes;
    {
        const Result<std::unique_ptr<cuda::Context>> context = cuda::Context::open();
        if (!context) {
            std::printf("FAILED   %s\n", context.error().what.c_str());
            return 1;
        }
        std::printf("device   %s, compute capability %s\n",
                    (*context)->device().name.c_str(),
                    (*context)->device().computeCapability.c_str());
        if ((*context)->isStandIn()) {
            std::printf("skipped: the driver is the tests' stand-in, not a GPU\n");
            return kSkipped;
        }
        tally.failed += loadFatBinaries(**context);
    }
    RunSink sink;
    sink.record = [&](const RunRecord& record) { judge(record, tally, passes); };
    for (const TimingRequest& request : cases()) {
        if (const Result<void> done = cudaBackend().run(request, {}, sink); !done) {
            ++tally.failed;
            std::printf("FAILED   %s\n", done.error().what.c_str());
        }
    }
    for (const KernelFamily* family : kernelFamilies()) {
        for (const Kernel& kernel : family->kernels) {
            if (passes[std::string(kernel.id)] == 0) {
                std::printf("never right at any shape: %s\n", std::string(kernel.id).c_str());
            }
        }
    }
    std::printf("%d right, %d not taken, %d failed\n", tally.passed, tally.notTaken, tally.failed);
    return tally.failed == 0 && tally.passed > 0 ? 0 : 1;
}

}  // namespace

int main() {
    if (const std::string reason = cudaBackend().unavailable(); !reason.empty()) {
        std::printf("skipped: %s\n", reason.c_str());
        return kSkipped;
    }
    return runAll();
}
