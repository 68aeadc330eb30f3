// SPDX-License-Identifier: Apache-2.0
// The whole host path of the CUDA backend, on a stand-in for the driver whose device is the
// executor: allocation, copies, launches, events, graphs, and every way in which they can fail.
#include "gpu/kernels/kernel.hpp"
#include "gpu/libraries/nvrtc.hpp"
#include "gpu/timing/record.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <cstdlib>

using namespace loupe;
using gpu::RunRecord;
using test::runProgram;

namespace {

/// An environment variable that is set while it lives.
class Variable {
public:
    Variable(const char* name, const std::string& value) : name_(name) {
        const char* before = std::getenv(name);
        had_ = before != nullptr;
        before_ = had_ ? before : "";
        ::setenv(name, value.c_str(), 1);
    }
    ~Variable() {
        if (had_) {
            ::setenv(name_, before_.c_str(), 1);
        } else {
            ::unsetenv(name_);
        }
    }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;

private:
    const char* name_;
    bool had_ = false;
    std::string before_;
};

struct FakeRun {
    int exitCode = -1;
    std::string err;
    std::vector<RunRecord> records;
};

/// A run of loupe with the stand-in as libcuda.so.1 and these faults.
FakeRun runFake(const std::string& faults, std::vector<std::string> arguments) {
    const Variable path("LD_LIBRARY_PATH", (test::binDir().parent_path() / "fake_driver").string());
    const Variable words("LOUPE_FAKE_CUDA", faults);
    arguments.insert(arguments.end(), {"--backend", "cuda", "--json"});
    const auto result = runProgram("loupe", arguments);
    FakeRun run;
    run.exitCode = result.exitCode;
    run.err = result.err;
    for (std::size_t at = 0; at < result.out.size();) {
        const std::size_t end = result.out.find('\n', at);
        const Result<RunRecord> record = gpu::parseRecord(result.out.substr(at, end - at));
        REQUIRE(record);
        run.records.push_back(*record);
        at = end + 1;
    }
    return run;
}

const std::vector<std::string> kOneKernel{"time",
                                          "matmul",
                                          "--m",
                                          "4",
                                          "--n",
                                          "70",
                                          "--k",
                                          "64",
                                          "--formats",
                                          "w8a8",
                                          "--kernel",
                                          "gemm_s8_dp4a_64x64x32",
                                          "--samples",
                                          "3",
                                          "--seconds",
                                          "0.1"};

/// The device code of the kernels can be had: from nvcc, or from this machine's NVRTC.
bool hasDeviceCode() {
    return !gpu::fatBinary("gemm_s8").empty() || !gpu::nvrtcVersion().empty();
}

/// "oom" and "short" name the n-th allocation. The clock probe holds the second; without nvcc's
/// code it is not there.
std::string allocation(const std::string& fault, int ordinal) {
    return fault + std::to_string(gpu::fatBinary("probe").empty() ? ordinal - 1 : ordinal);
}

/// The reason of the one record of a run that ends well.
std::string reasonOf(const std::string& faults) {
    const FakeRun run = runFake(faults, kOneKernel);
    CAPTURE(faults, run.err);
    CHECK(run.exitCode == 0);
    REQUIRE(run.records.size() == 1);
    CHECK_FALSE(run.records[0].timing);
    CHECK(run.records[0].backend == "simt");
    CHECK(run.records[0].kind == gpu::FigureKind::Counted);
    return run.records[0].reason;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("stand-in device: a driver that does not start is said, with exit status 1") {
    const auto failure = [](const std::string& faults) {
        const FakeRun run = runFake(faults, kOneKernel);
        CHECK(run.exitCode == 1);
        CHECK(run.records.empty());
        return run.err;
    };
    CHECK(contains(failure("init=100"), "does not start: CUDA_ERROR_NO_DEVICE (100)"));
    CHECK(contains(failure("init=34"), "CUDA_ERROR_STUB_LIBRARY (34)"));
    CHECK(contains(failure("devices=0"), "no CUDA device"));
    CHECK(contains(failure("event=1"), "cuEventCreate: CUDA_ERROR_INVALID_HANDLE"));
}

TEST_CASE("stand-in device: kernels run, are checked and sampled, and no time is claimed") {
    if (!hasDeviceCode()) {
        WARN("skipped: built without nvcc, and no NVRTC here");
        return;
    }
    const FakeRun run = runFake("", kOneKernel);
    CHECK(run.exitCode == 0);
    REQUIRE(run.records.size() == 1);
    const RunRecord& record = run.records[0];
    CHECK(record.device.name == "SIMT executor (CPU)");
    CHECK(record.backend == "simt");
    REQUIRE(record.check);
    CHECK(record.check->passed);
    CHECK(record.check->poisoned);
    CHECK(record.check->compared == 4 * 70);
    CHECK(record.check->formatError > 0.001);
    CHECK_FALSE(record.timing);
    CHECK(record.kernel.sha256.size() == 64);
    CHECK(contains(record.reason, "(event, stopped by"));
    CHECK(contains(run.err, "progress 0.000 gemm_s8_dp4a_64x64x32"));
    // A launch of 5 us is too short for events: a graph over rotated operands.
    CHECK(contains(reasonOf("us=5"), "(graph, stopped by"));
}

TEST_CASE("stand-in device: cases in turn take as many samples each") {
    if (!hasDeviceCode()) {
        WARN("skipped: built without nvcc, and no NVRTC here");
        return;
    }
    std::vector<std::string> arguments = kOneKernel;
    arguments[11] = "gemm_s8_*_64x64x*";
    arguments.emplace_back("--interleave");
    for (const auto& [faults, clock] : {std::pair("", "event"), std::pair("us=5", "graph")}) {
        const FakeRun run = runFake(faults, arguments);
        CAPTURE(faults, clock, run.err);
        CHECK(run.exitCode == 0);
        REQUIRE(run.records.size() == 2);
        CHECK(run.records[0].kernel.id == "gemm_s8_dp4a_64x64x32");
        CHECK(run.records[1].kernel.id == "gemm_s8_mma_64x64x64x3");
        for (const RunRecord& record : run.records) {
            REQUIRE(record.check);
            CHECK(record.check->passed);
            CHECK(contains(record.reason, std::string(" samples were taken in turn (") + clock));
        }
        // As many of each: the sentences are the same but for why each stopped.
        const auto counted = [](const std::string& reason) {
            return reason.substr(0, reason.find(" samples"));
        };
        CHECK(counted(run.records[0].reason) == counted(run.records[1].reason));
    }
    // A kernel that faults while samples are taken ends them all, each with the reason.
    const FakeRun lost = runFake("launch=9", arguments);
    CAPTURE(lost.err);
    CHECK(lost.exitCode == 0);
    REQUIRE(lost.records.size() == 2);
    for (const RunRecord& record : lost.records) {
        REQUIRE(record.check);
        CHECK(record.check->passed);
        CHECK(contains(record.reason, "CUDA_ERROR_LAUNCH_FAILED (719)"));
    }
}

TEST_CASE("stand-in device: every fault is a record with its reason") {
    if (!hasDeviceCode()) {
        WARN("skipped: built without nvcc, and no NVRTC here");
        return;
    }
    for (const int ordinal : {3, 4, 7}) {
        CHECK(contains(reasonOf(allocation("oom=", ordinal)), "out of device memory"));
    }
    // The buffer that displaces the cache is the first allocation: without it nothing starts.
    CHECK(runFake("oom=1", kOneKernel).exitCode == 1);
    // Out of memory for the copies of the operands: fewer copies, no failure.
    CHECK(contains(reasonOf(allocation("us=5,oom=", 12)), "samples were taken"));
    CHECK(contains(reasonOf("launch=1"), "CUDA_ERROR_LAUNCH_FAILED (719)"));
    CHECK(contains(reasonOf("launch=4"), "CUDA_ERROR_LAUNCH_FAILED (719)"));
    CHECK(contains(reasonOf("us=5,launch=9"), "CUDA_ERROR_LAUNCH_FAILED (719)"));
    CHECK(contains(reasonOf("hang"), "did not finish within 2 s"));
    const std::string image = reasonOf("image");
    CHECK(contains(image, "its device code does not load"));
    if (!gpu::fatBinary("gemm_s8").empty()) {
        CHECK(contains(reasonOf("old"), "driver of version 580"));
    }
}

TEST_CASE("stand-in device: a lost device is said for every case that follows") {
    if (!hasDeviceCode()) {
        WARN("skipped: built without nvcc, and no NVRTC here");
        return;
    }
    std::vector<std::string> arguments = kOneKernel;
    arguments[11] = "gemm_s8_*";
    // The operand w is the second buffer of the plan, after the two of the stopwatch.
    const FakeRun run = runFake(allocation("short=", 4), arguments);
    CAPTURE(run.err);
    CHECK(run.exitCode == 0);
    REQUIRE(run.records.size() >= 2);
    CHECK(contains(run.err, "global out-of-bounds"));
    CHECK(contains(run.records[0].reason, "CUDA_ERROR_ILLEGAL_ADDRESS (700)"));
    for (std::size_t i = 1; i < run.records.size(); ++i) {
        CHECK(contains(run.records[i].reason, "the device was lost before"));
    }
}
