// SPDX-License-Identifier: Apache-2.0
// What the compiler reports of every kernel (nvcc -Xptxas -v, captured while building): no spills,
// registers and shared memory within the budgets that the descriptors state.
#include "gpu/kernels/kernel.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <fstream>
#include <map>
#include <regex>

using namespace loupe;

namespace {

struct Usage {
    int arch = 0;
    int registers = 0;
    int sharedBytes = 0;
    int spillBytes = 0;
};

/// By entry, one for every architecture.
using Usages = std::multimap<std::string, Usage>;

void readReport(const std::filesystem::path& path, Usages& usages) {
    static const std::regex kEntry(R"(Compiling entry function '(\w+)' for 'sm_(\d+)')");
    static const std::regex kSpill(R"((\d+) bytes spill stores, (\d+) bytes spill loads)");
    static const std::regex kUsed(R"(Used (\d+) registers)");
    static const std::regex kShared(R"((\d+) bytes smem)");
    std::ifstream in(path);
    std::string entry;
    Usage usage;
    std::smatch found;
    for (std::string line; std::getline(in, line);) {
        if (std::regex_search(line, found, kEntry)) {
            entry = found[1];
            usage = {};
            usage.arch = std::stoi(found[2]);
        } else if (std::regex_search(line, found, kSpill)) {
            usage.spillBytes = std::stoi(found[1]) + std::stoi(found[2]);
        } else if (std::regex_search(line, found, kUsed)) {
            usage.registers = std::stoi(found[1]);
            if (std::regex_search(line, found, kShared)) {
                usage.sharedBytes = std::stoi(found[1]);
            }
            usages.emplace(entry, usage);
        }
    }
}

/// A plan of the first small case that the kernel takes.
gpu::LaunchPlan smallPlan(const gpu::Kernel& kernel) {
    const JobContext ctx;
    for (const std::int64_t size : {128, 64, 16, 8, 1}) {
        gpu::TimingRequest request;
        request.operation = kernel.operation;
        request.matmul = {.m = size, .n = 128, .k = 128};
        request.attention.seq = 128;
        if (kernel.planMatmul != nullptr && kernel.refuses(request).empty()) {
            return kernel.planMatmul(gpu::makeMatmulProblem(request.matmul, 1, ctx), ctx);
        }
        for (const bool decode : {false, true}) {
            for (const std::int64_t dim : {64, 128}) {
                for (const bool causal : {false, true}) {
                    request.attention.decode = decode;
                    request.attention.dim = dim;
                    request.attention.causal = causal;
                    if (kernel.planAttention != nullptr && kernel.refuses(request).empty()) {
                        return kernel.planAttention(
                            gpu::makeAttentionProblem(request.attention, 1, ctx), ctx);
                    }
                }
            }
        }
    }
    return {};
}

}  // namespace

TEST_CASE("every kernel keeps its budget of registers and shared memory, without spills") {
    if (gpu::builtArchitectures().empty()) {
        WARN("skipped: built without nvcc, no device code to look at");
        return;
    }
    Usages usages;
    for (const gpu::KernelFamily* family : gpu::kernelFamilies()) {
        const std::filesystem::path report = test::binDir().parent_path() / "gpu" / "device" /
                                             (std::string(family->id) + ".ptxas.txt");
        CAPTURE(report.string());
        REQUIRE(std::filesystem::exists(report));
        readReport(report, usages);
    }
    for (const auto& [entry, usage] : usages) {
        CAPTURE(entry, usage.arch);
        CHECK(usage.spillBytes == 0);
    }
    for (const gpu::KernelFamily* family : gpu::kernelFamilies()) {
        for (const gpu::Kernel& kernel : family->kernels) {
            const gpu::LaunchPlan plan = smallPlan(kernel);
            CAPTURE(kernel.id);
            REQUIRE(!plan.steps.empty());
            for (const gpu::LaunchStep& step : plan.steps) {
                const auto [begin, end] = usages.equal_range(step.entry);
                CAPTURE(step.entry);
                CHECK(std::distance(begin, end) ==
                      static_cast<std::ptrdiff_t>(gpu::builtArchitectures().size()));
                for (auto usage = begin; usage != end; ++usage) {
                    CAPTURE(usage->second.arch);
                    CHECK(usage->second.registers <= kernel.registerBudget);
                    CHECK(usage->second.sharedBytes + static_cast<int>(step.dynamicShared) <=
                          kernel.sharedBudget);
                }
            }
        }
    }
}

TEST_CASE("every family carries its text, and device code where it was built") {
    CHECK(gpu::kernelSource("simt").find("namespace simt") != std::string_view::npos);
    for (const gpu::KernelFamily* family : gpu::kernelFamilies()) {
        CAPTURE(family->id);
        CHECK(gpu::kernelSource(family->id).find("SIMT_ENTRIES(" + std::string(family->id)) !=
              std::string_view::npos);
        CHECK(gpu::fatBinary(family->id).empty() == gpu::builtArchitectures().empty());
        for (const gpu::Kernel& kernel : family->kernels) {
            CAPTURE(kernel.id);
            CHECK(kernel.family == family->id);
            CHECK(gpu::findKernel(kernel.id) == &kernel);
        }
    }
    CHECK(gpu::kernelSource("no_such_family").empty());
}
