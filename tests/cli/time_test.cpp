// SPDX-License-Identifier: Apache-2.0
// loupe time from outside: usage, the list, and runs on another host through a stand-in for ssh.
#include "gpu/timing/record.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace loupe;
using nlohmann::json;
using test::runProgram;

namespace {

/// A folder with a program `ssh` that is this shell script, in front of the path while it lives.
class FakeSsh {
public:
    explicit FakeSsh(const std::string& script) : folder_(test::scratchDir() / "fake-ssh") {
        std::filesystem::create_directories(folder_);
        const auto program = folder_ / "ssh";
        std::ofstream(program) << "#!/bin/sh\n" << script;
        std::filesystem::permissions(program, std::filesystem::perms::owner_all);
        const char* path = std::getenv("PATH");
        before_ = path == nullptr ? "" : path;
        ::setenv("PATH", (folder_.string() + ":" + before_).c_str(), 1);
    }
    ~FakeSsh() { ::setenv("PATH", before_.c_str(), 1); }
    FakeSsh(const FakeSsh&) = delete;
    FakeSsh& operator=(const FakeSsh&) = delete;

private:
    std::filesystem::path folder_;
    std::string before_;
};

const std::vector<std::string> kRemote{"time",
                                       "matmul",
                                       "--m",
                                       "2",
                                       "--n",
                                       "8",
                                       "--k",
                                       "16",
                                       "--formats",
                                       "fp32",
                                       "--layer",
                                       "it's q",
                                       "--remote",
                                       "far",
                                       "--json"};

gpu::RunRecord record() {
    gpu::RunRecord r;
    r.backend = "cpu";
    r.what.format = "fp32";
    r.kernel.id = "far_kernel";
    r.timing.emplace();
    r.timing->samplesUs = {1, 2, 3};
    r.timing->medianUs = 2;
    return r;
}

}  // namespace

TEST_CASE("loupe time: what is wrong is said with exit status 2") {
    const auto refused = [](const std::vector<std::string>& arguments, const std::string& said) {
        const auto result = runProgram("loupe", arguments);
        CAPTURE(arguments, result.err);
        CHECK(result.exitCode == 2);
        CHECK(result.out.empty());
        CHECK(result.err.find(said) != std::string::npos);
    };
    refused({"time"}, "--list");
    refused({"time", "matmul"}, "--formats");
    refused({"time", "matmul", "--formats", "fp33"}, "fp3");
    refused({"time", "matmul", "--formats", "fp32", "--m", "0"}, "m must be between");
    refused({"time", "matmul", "--formats", "fp32", "--backend", "abacus"}, "abacus");
    refused({"time", "matmul", "--formats", "fp32", "--cache", "tepid"}, "tepid");
    refused({"time", "matmul", "--formats", "fp32", "--remote", "-oProxyCommand=x"}, "remote");
    refused({"time", "attention", "--kernels", "flash2", "--heads", "8", "--kv-heads", "3"},
            "must divide");
    refused({"time", "attention", "--kernels", "flash22"}, "flash2");
    refused({"time", "attention", "--kernels", "flash2", "--decode", "--causal"}, "causal");
}

TEST_CASE("loupe time --list names every backend with its offers or reasons") {
    const auto result = runProgram("loupe", {"time", "--list", "--json"});
    REQUIRE(result.exitCode == 0);
    const json document = json::parse(result.out);
    for (const json& backend : document["backends"]) {
        CHECK_FALSE(backend["id"].get<std::string>().empty());
        CHECK(backend.contains("reason"));
        for (const json& offer : backend["offers"]) {
            CHECK_FALSE(offer["name"].get<std::string>().empty());
            CHECK((offer["op"] == "matmul" || offer["op"] == "attention"));
        }
    }
    CHECK(runProgram("loupe", {"time", "--list"}).exitCode == 0);
}

TEST_CASE("loupe time --summary ends with one table against FP32") {
    const std::vector<std::string> request{"time",
                                           "matmul",
                                           "--m",
                                           "2",
                                           "--n",
                                           "64",
                                           "--k",
                                           "128",
                                           "--formats",
                                           "fp32,int8,fp8_e4m3",
                                           "--no-peers",
                                           "--samples",
                                           "3",
                                           "--summary"};
    const auto run = runProgram("loupe", request);
    CAPTURE(run.err);
    REQUIRE(run.exitCode == 0);
    CHECK(run.out.find("| fp32 | cpu_f32") != std::string::npos);
    CHECK(run.out.find("| int8 | cpu_s8") != std::string::npos);
    CHECK(run.out.find("| fp8_e4m3 | cpu_fp8_e4m3 | not run: ") != std::string::npos);
    CHECK(run.out.find("against cpu_f32") != std::string::npos);
    std::vector<std::string> both = request;
    both.emplace_back("--json");
    CHECK(runProgram("loupe", both).exitCode == 2);
}

TEST_CASE("loupe time --remote hands on records and progress") {
    const auto words = test::scratchDir() / "ssh-words";
    const FakeSsh ssh("printf '%s\\n' \"$@\" > '" + words.string() +
                      "'\necho 'progress 0.5 far_kernel' >&2\necho '" + gpu::toJson(record()) +
                      "'\n");
    const auto result = runProgram("loupe", kRemote);
    CAPTURE(result.err);
    CHECK(result.exitCode == 0);
    CHECK(result.out == gpu::toJson(record()) + "\n");
    CHECK(result.err == "progress 0.500 far_kernel\n");
    std::ifstream file(words);
    const std::string said{std::istreambuf_iterator<char>(file), {}};
    CHECK(said.rfind("-o\nBatchMode=yes\n--\nfar\nloupe 'time' 'matmul' '--m' '2'", 0) == 0);
    CHECK(said.find("'--layer=it'\\''s q'") != std::string::npos);
    CHECK(said.find("--remote") == std::string::npos);
    CHECK(said.find(" --json\n") != std::string::npos);
}

TEST_CASE("loupe time --remote: each failure is one sentence") {
    const auto failure = [](const std::string& script) {
        const FakeSsh ssh(script);
        const auto result = runProgram("loupe", kRemote);
        CHECK(result.exitCode == 1);
        return result.err;
    };
    CHECK(failure("echo 'ssh: Could not resolve hostname far' >&2; exit 255")
              .find("ssh could not reach 'far': ssh: Could not resolve hostname far") !=
          std::string::npos);
    CHECK(failure("echo 'sh: loupe: not found' >&2; exit 127").find("no program 'loupe'") !=
          std::string::npos);
    CHECK(
        failure("echo 'usage: loupe TEXT'").find("is no record: this line is not a JSON object") !=
        std::string::npos);
    CHECK(failure("echo '{\"schema\":\"loupe.run/9\"}'; sleep 60").find("'schema'") !=
          std::string::npos);
    CHECK(failure("echo 'loupe: error: no device' >&2; exit 1")
              .find("failed with exit status 1: no device") != std::string::npos);
    CHECK(failure("kill -9 $$").find("exit status 137") != std::string::npos);
    {
        const std::string before = std::getenv("PATH");
        ::setenv("PATH", "/nonexistent", 1);
        const auto result = runProgram("loupe", kRemote);
        ::setenv("PATH", before.c_str(), 1);
        CHECK(result.exitCode == 1);
        CHECK(result.err.find("no program 'ssh'") != std::string::npos);
    }
}

TEST_CASE("loupe time ends at SIGTERM") {
    // The stand-in ends its own caller: a signal in the middle of a run.
    const FakeSsh ssh("kill -TERM $PPID; exec sleep 60");
    const auto result = runProgram("loupe", kRemote);
    CHECK(result.exitCode == 128 + 15);
    CHECK(result.out.empty());
}
