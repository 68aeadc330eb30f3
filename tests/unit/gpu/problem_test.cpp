// SPDX-License-Identifier: Apache-2.0
// Operands, references and checks of a case; operands of the library products; NVRTC.
#include "gpu/timing/problem.hpp"

#include "gpu/cuda/ceilings.hpp"
#include "gpu/libraries/cublaslt_operands.hpp"
#include "gpu/libraries/nvrtc.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>

using namespace loupe;
using namespace loupe::gpu;

namespace {

TimingRequest productRequest(std::int64_t m, std::int64_t n, std::int64_t k) {
    TimingRequest request;
    request.matmul = {m, n, k, 32};
    request.what = {"fp32"};
    return request;
}

/// The product in FP32, as a kernel might hand it over.
std::vector<float> product(const MatmulProblem& problem) {
    const std::vector<double> exact =
        referenceMatmul(problem.x, problem.w, problem.shape, {}, JobContext());
    return {exact.begin(), exact.end()};
}

OutputToCheck asOutput(const std::vector<float>& values, double tolerance) {
    OutputToCheck output;
    output.bytes = std::as_bytes(std::span(values));
    output.tolerance = tolerance;
    return output;
}

}  // namespace

TEST_CASE("a family's hash is that of the text inside the program") {
    const auto text = test::scratchDir() / "kernel.cuh";
    std::size_t compared = 0;
    for (const KernelFamily* family : kernelFamilies()) {
        CAPTURE(family->id);
        const std::string_view hash = kernelSha256(family->id);
        CHECK(hash.size() == 64);
        std::ofstream(text, std::ios::binary) << kernelSource(family->id);
        // The coreutils' own, where there is one.
        std::FILE* const pipe = ::popen(("sha256sum '" + text.string() + "' 2>&1").c_str(), "r");
        REQUIRE(pipe != nullptr);
        std::array<char, 65> said{};
        const bool read = std::fread(said.data(), 1, 64, pipe) == 64;
        if (::pclose(pipe) == 0 && read) {
            CHECK(hash == said.data());
            ++compared;
        }
    }
    if (compared == 0) {
        WARN("skipped: no sha256sum here");
    }
    CHECK(kernelSha256("no family").empty());
}

TEST_CASE("an output is compared with FP64, all of it or rows with the borders") {
    const JobContext ctx;
    Problem problem(productRequest(5, 70, 40), ctx);
    std::vector<float> y = product(problem.matmul());
    const CheckRecord right = problem.check(asOutput(y, 1e-6));
    CHECK(right.passed);
    CHECK(right.reference == "f64-cpu");
    CHECK(right.compared == 350);
    CHECK(right.relFro > 0);
    CHECK(right.relFro < 0x1p-24);
    CHECK(right.formatError == right.relFro);

    y[349] += 0.01F;
    const CheckRecord wrong = problem.check(asOutput(y, 1e-6));
    CHECK_FALSE(wrong.passed);
    CHECK(wrong.maxAbs > 0.009);
    y[0] = std::numeric_limits<float>::quiet_NaN();
    CHECK_FALSE(problem.check(asOutput(y, 1e30)).passed);
    y.pop_back();
    CHECK_FALSE(problem.check(asOutput(y, 1e30)).passed);

    // 2·600·1100·1700 operations are more than 2^31.
    Problem large(productRequest(600, 1100, 1700), ctx);
    std::vector<float> z = product(large.matmul());
    const CheckRecord sampled = large.check(asOutput(z, 1e-6));
    CHECK(sampled.passed);
    CHECK(sampled.reference == "f64-cpu-sampled");
    CHECK(sampled.compared == 64 * 1100);
    z.back() += 1;  // the last row is among those that are compared
    CHECK_FALSE(large.check(asOutput(z, 1e-6)).passed);
    z.back() -= 1;
    // A row that is not compared must be finite all the same.
    z[static_cast<std::size_t>(5 * 1100 + 7)] = std::numeric_limits<float>::infinity();
    CHECK_FALSE(large.check(asOutput(z, 1e-6)).passed);
}

TEST_CASE("codes of the library products mean what they say") {
    const JobContext ctx;
    const MatmulProblem problem = makeMatmulProblem({3, 17, 64, 32}, 7, ctx);
    for (const char* arithmetic : {"fp32", "fp16", "bf16", "int8", "fp8"}) {
        const Result<cuda::LibraryCase> made = cuda::makeOperands(arithmetic, problem);
        CAPTURE(arithmetic);
        REQUIRE(made);
        const bool codes = std::string_view(arithmetic) == "int8";
        if (std::string_view(arithmetic) == "fp32") {
            CHECK(made->w.empty());
            continue;
        }
        REQUIRE(made->w.size() == problem.w.size());
        REQUIRE(made->columnScale.size() == (codes ? 17U : 0U));
        double error = 0;
        double size = 0;
        for (std::size_t i = 0; i < problem.w.size(); ++i) {
            const float scale = codes ? made->columnScale[i / 64] : 1.0F;
            const double d = static_cast<double>(made->w[i] * scale - problem.w[i]);
            error += d * d;
            size += static_cast<double>(problem.w[i]) * static_cast<double>(problem.w[i]);
        }
        // Half a unit in the last place: 2^-11 (fp16), 2^-8 (bf16), 2^-4 (e4m3); int8: step / √12.
        const double most = codes                                    ? 0.01
                            : std::string_view(arithmetic) == "fp16" ? 0x1p-11
                            : std::string_view(arithmetic) == "bf16" ? 0x1p-8
                                                                     : 0x1p-4;
        CHECK(std::sqrt(error / size) < most);
        CHECK(error > 0);
    }
    CHECK_FALSE(cuda::makeOperands("fp5", problem));
    CHECK(cuda::peerArithmetic("w4a16") == "fp16");
    CHECK(cuda::peerArithmetic("ternary").empty());
}

TEST_CASE("datasheet figures belong to the device that was asked for") {
    CHECK(cuda::datasheet("NVIDIA H100 80GB HBM3", "bandwidth") == 3350);
    CHECK(cuda::datasheet("NVIDIA H100 PCIe", "fp16") == 756);
    CHECK(cuda::datasheet("NVIDIA L40S", "bf16") == 362);
    CHECK(cuda::datasheet("Some other device", "bandwidth") == 0);
    CHECK(cuda::datasheet("NVIDIA H100 80GB HBM3", "fp64") == 0);
}

TEST_CASE("words of a request choose kernels") {
    TimingRequest request = productRequest(4, 64, 64);
    request.what = {"w8a8", "fp32", "w8a8"};
    CHECK(wordsOf(request, {}) == std::vector<std::string>{"w8a8", "fp32"});
    const std::vector<const Kernel*> chosen = kernelsFor(request);
    REQUIRE(chosen.size() > 2);
    CHECK(chosen.front()->what == "w8a8");
    CHECK(chosen.back()->what == "fp32");
    request.kernel = "*naive*";
    CHECK(kernelsFor(request).size() == 1);
    request.what = {"all"};
    const std::vector<std::string> all = wordsOf(request, {"fp8_e4m3"});
    CHECK(std::find(all.begin(), all.end(), "w8a8") != all.end());
    CHECK(all.back() == "fp8_e4m3");
}

TEST_CASE("NVRTC compiles the text of every family") {
    if (nvrtcVersion().empty()) {
        WARN("skipped: no NVRTC on this machine");
        return;
    }
    for (const KernelFamily* family : kernelFamilies()) {
        const Result<CompiledText> compiled = compileWithNvrtc(family->id, 90);
        CAPTURE(family->id, compiled ? std::string() : compiled.error().what);
        CHECK(compiled);
    }
    const Result<CompiledText> unknown = compileWithNvrtc("no such family", 90);
    CHECK_FALSE(unknown);
}
