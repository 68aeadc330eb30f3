// SPDX-License-Identifier: Apache-2.0
// loupe scan and merge, from outside: documents, gates, interruption, machines, memory.
#include "core/base/rng.hpp"
#include "tests/support/checkpoint.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using Catch::Matchers::ContainsSubstring;
using loupe::test::binDir;
using loupe::test::FloatTensor;
using loupe::test::ProcessResult;
using loupe::test::runProgram;
using loupe::test::scratchDir;
using nlohmann::json;

namespace {

std::string checkpoint() {
    static const std::string path = [] {
        std::vector<FloatTensor> tensors;
        for (int i = 0; i < 5; ++i) {
            const std::int64_t rows = 16 * (i + 1);
            FloatTensor tensor{"blk." + std::to_string(i) + ".weight", {rows, 64}, {}};
            for (std::int64_t k = 0; k < rows * 64; ++k) {
                tensor.values.push_back(static_cast<float>(loupe::randomStudentT(
                    static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(k), 4)));
            }
            tensors.push_back(std::move(tensor));
        }
        tensors.push_back({"norm.weight", {64}, std::vector<float>(64, 1.0F)});
        tensors.push_back({"bad.weight", {2, 64}, std::vector<float>(128, 0.5F)});
        tensors.back().values[5] = std::nanf("");
        const auto file = scratchDir() / "scan_cli.safetensors";
        loupe::test::writeCheckpoint(file, tensors);
        return file.string();
    }();
    return path;
}

ProcessResult loupeRun(std::vector<std::string> arguments) {
    ProcessResult result = runProgram("loupe", arguments);
    CAPTURE(arguments, result.err);
    return result;
}

json rowsOf(const std::string& text) {
    json rows = json::parse(text)["rows"];
    for (json& row : rows) {
        row.erase("seconds");
    }
    return rows;
}

std::size_t linesOf(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::string line;
    std::size_t lines = 0;
    while (std::getline(file, line)) {
        ++lines;
    }
    return lines;
}

}  // namespace

TEST_CASE("loupe scan: the document, CSV, the table") {
    const ProcessResult result =
        loupeRun({"scan", checkpoint(), "--scheme", "absmax:bits=4,group=32", "--json"});
    REQUIRE(result.exitCode == 0);
    CHECK(result.err.empty());
    const json document = json::parse(result.out);
    REQUIRE(document["rows"].size() == 6);  // matrices
    for (const json& row : document["rows"]) {
        for (const char* key :
             {"tensor", "scheme", "bits_per_weight", "metrics", "zeros", "seconds", "error"}) {
            CHECK(row.contains(key));
        }
        CHECK(row["error"].is_null() == (row["tensor"] != "bad.weight"));
        CHECK(row["metrics"].is_null() == (row["tensor"] == "bad.weight"));
    }
    CHECK(document["summary"]["errors"] == 1);
    CHECK(document["summary"]["peak_rss_bytes"].get<double>() > 1e6);
    const json one = json::parse(loupeRun({"quantize",
                                           checkpoint(),
                                           "--tensor",
                                           "blk.2.weight",
                                           "--scheme",
                                           "absmax:bits=4,group=32",
                                           "--json"})
                                     .out);
    for (const json& row : document["rows"]) {
        if (row["tensor"] == "blk.2.weight") {
            CHECK(row["metrics"] == one["metrics"]);
            CHECK(row["bits_per_weight"] == one["bits_per_weight"]);
            CHECK(row["zeros"] == one["zeros"]);
        }
    }

    const ProcessResult plain = loupeRun({"scan", checkpoint()});
    CHECK(plain.exitCode == 0);
    CHECK_THAT(plain.out, ContainsSubstring("Holds NaN (1 of 128 values)"));
    CHECK_THAT(plain.out, ContainsSubstring("As initialised (every value is 1)"));
    CHECK_THAT(plain.out, ContainsSubstring("7 rows"));
    CHECK_THAT(plain.out, ContainsSubstring("of memory resident"));
    const ProcessResult csv = loupeRun({"scan", checkpoint(), "--csv", "--tensor", "blk.*"});
    CHECK(csv.exitCode == 0);
    CHECK(std::count(csv.out.begin(), csv.out.end(), '\n') == 6);
    CHECK(csv.out.rfind("tensor,scheme,dtype,rows,cols,bits_per_weight,", 0) == 0);
}

TEST_CASE("loupe scan: usage and gates") {
    CHECK(loupeRun({"scan"}).exitCode == 2);
    for (const char* part : {"0/3", "4/3", "1", "a/b", "1/2/3", "-1/2"}) {
        const ProcessResult result =
            loupeRun({"scan", checkpoint(), "--part=" + std::string(part)});
        CAPTURE(part);
        CHECK(result.exitCode == 2);
        CHECK(result.out.empty());
    }
    CHECK(loupeRun({"scan", checkpoint(), "--scheme", "nosuch"}).exitCode == 2);
    CHECK(loupeRun({"scan", checkpoint(), "--fail-above", "nosuch=1"}).exitCode == 2);
    CHECK(loupeRun({"scan", checkpoint(), "--fail-above", "std"}).exitCode == 2);
    const ProcessResult nothing = loupeRun({"scan", checkpoint(), "--tensor", "x*"});
    CHECK(nothing.exitCode == 1);
    CHECK(nothing.out.empty());
    CHECK(loupeRun({"scan", checkpoint(), "--scheme", "magnitude:scope=global"}).exitCode == 1);

    const auto gate = [](std::vector<std::string> more) {
        std::vector<std::string> arguments{"scan", checkpoint(), "--json"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return loupeRun(arguments);
    };
    CHECK(gate({"--fail-above", "nan=1"}).exitCode == 0);
    const ProcessResult failed = gate({"--fail-above", "nan=0"});
    CHECK(failed.exitCode == 3);
    CHECK_THAT(failed.err, ContainsSubstring("bad.weight: nan = 1 is above 0"));
    CHECK(json::parse(failed.out)["rows"].size() == 7);
    // A row without figures cannot pass.
    CHECK(gate({"--scheme", "nf4", "--fail-above", "relative_frobenius=1"}).exitCode == 3);
    CHECK(gate({"--scheme", "nf4", "--tensor", "blk.*", "--fail-above", "relative_frobenius=1"})
              .exitCode == 0);
    CHECK(gate({"--scheme", "nf4", "--tensor", "blk.*", "--fail-below", "sqnr_db=90"}).exitCode ==
          3);
}

TEST_CASE("loupe scan --part and merge: as if never cut, by processes of their own") {
    const std::vector<std::string> scan{"scan", checkpoint(), "--scheme", "nf4", "--statistics"};
    const auto with = [&](std::vector<std::string> more) {
        std::vector<std::string> arguments = scan;
        arguments.insert(arguments.end(), more.begin(), more.end());
        return loupeRun(arguments);
    };
    const json whole = rowsOf(with({"--json", "--threads", "1"}).out);
    std::vector<std::string> merge{"merge", "--json"};
    for (int part = 1; part <= 3; ++part) {
        const auto file = scratchDir() / ("part" + std::to_string(part));
        const std::string name = std::to_string(part) + "/3";
        if (part == 2) {  // one by its standard output, the others by files
            std::ofstream(file) << with({"--json", "--part", name}).out;
        } else {
            std::filesystem::remove(file);
            CHECK(with({"--csv", "--part", name, "--output", file.string()}).exitCode == 0);
            CHECK(with({"--csv", "--part", name, "--output", file.string()}).exitCode == 1);
        }
        merge.push_back(file.string());
    }
    const ProcessResult merged = loupeRun(merge);
    REQUIRE(merged.exitCode == 0);
    CHECK(rowsOf(merged.out) == whole);
    merge.pop_back();
    const ProcessResult missing = loupeRun(merge);
    CHECK(missing.exitCode == 1);
    CHECK(missing.out.empty());
    CHECK_THAT(missing.err, ContainsSubstring("part 3/3 is not given"));
    CHECK(loupeRun({"merge"}).exitCode == 2);
    CHECK(loupeRun({"merge", checkpoint()}).exitCode == 1);
}

TEST_CASE("the line for GNU parallel does what it says") {
    const std::filesystem::path folder = scratchDir() / "parallel";
    std::filesystem::remove_all(folder);
    const json whole = rowsOf(loupeRun({"scan", checkpoint(), "--json"}).out);
    const bool hasParallel = std::system("command -v parallel > /dev/null 2>&1") == 0;
    if (hasParallel) {
        const std::string line =
            "LOUPE='" + (binDir() / "loupe").string() + "' JOBS=2 sh '" +
            (loupe::test::sourceDir() / "resources/cluster/scan-parallel.sh").string() + "' 3 '" +
            folder.string() + "' '" + checkpoint() + "'";
        REQUIRE(std::system(line.c_str()) == 0);
    } else {
        WARN("no GNU parallel here: the same parts by processes of our own");
        std::filesystem::create_directories(folder);
        std::vector<std::string> merge{"merge", "--json"};
        for (int part = 1; part <= 3; ++part) {
            const auto file = folder / ("part-" + std::to_string(part) + ".jsonl");
            CHECK(loupeRun({"scan",
                            checkpoint(),
                            "--part",
                            std::to_string(part) + "/3",
                            "--resume",
                            file.string(),
                            "--csv"})
                      .exitCode == 0);
            merge.push_back(file.string());
        }
        std::ofstream(folder / "scan.json") << loupeRun(merge).out;
    }
    std::ifstream file(folder / "scan.json");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    CHECK(rowsOf(text) == whole);
}

TEST_CASE("a task of a Slurm array takes its part") {
    const std::filesystem::path folder = scratchDir() / "slurm";
    std::filesystem::remove_all(folder);
    std::vector<std::string> merge{"merge", "--json"};
    for (const char* task : {"1", "2"}) {
        const std::string line =
            std::string("SLURM_ARRAY_TASK_COUNT=2 SLURM_CPUS_PER_TASK=1 SLURM_ARRAY_TASK_ID=") +
            task + " LOUPE='" + (binDir() / "loupe").string() + "' sh '" +
            (loupe::test::sourceDir() / "resources/cluster/scan-slurm.sh").string() + "' '" +
            folder.string() + "' '" + checkpoint() + "'";
        REQUIRE(std::system(line.c_str()) == 0);
        merge.push_back((folder / (std::string("part-") + task + ".jsonl")).string());
    }
    CHECK(rowsOf(loupeRun(merge).out) == rowsOf(loupeRun({"scan", checkpoint(), "--json"}).out));
}

TEST_CASE("an interrupted scan keeps its rows, and --resume computes only the others") {
    const std::filesystem::path big = scratchDir() / "interrupt.safetensors";
    if (!loupe::test::writeSparse(big, 400, 2048, 4096)) {  // 6.7 GB of nothing
        WARN("skipped: no sparse files");
        return;
    }
    const std::filesystem::path rows = scratchDir() / "interrupt.jsonl";
    const std::string program = (binDir() / "loupe").string();
    const pid_t child = ::fork();
    if (child == 0) {
        const int nowhere = ::open("/dev/null", O_WRONLY);
        ::dup2(nowhere, 1);
        ::dup2(nowhere, 2);
        ::execl(program.c_str(),
                "loupe",
                "scan",
                big.c_str(),
                "--output",
                rows.c_str(),
                "--csv",
                static_cast<char*>(nullptr));
        ::_exit(127);
    }
    // Interrupt it once it has got somewhere.
    for (int i = 0; i < 600 && linesOf(rows) < 4; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ::kill(child, SIGINT);
    int status = 0;
    ::waitpid(child, &status, 0);
    const std::size_t kept = linesOf(rows);
    REQUIRE(kept >= 4);
    if (WIFEXITED(status)) {
        WARN("the scan was done before the signal came");
    } else {
        CHECK(WTERMSIG(status) == SIGINT);
        CHECK(kept < 401);
    }
    // Going on: narrow the work to what is left of one part by asking for the same scan.
    const ProcessResult done =
        loupeRun({"scan", big.string(), "--resume", rows.string(), "--json"});
    CAPTURE(done.err);
    REQUIRE(done.exitCode == 0);
    CHECK(linesOf(rows) == 401);
    CHECK(json::parse(done.out)["rows"].size() == 400);
    std::filesystem::remove(big);
}

TEST_CASE("memory of a scan does not grow with the checkpoint") {
    const auto peak = [](const std::filesystem::path& path) {
        const json document = json::parse(loupeRun({"scan",
                                                    path.string(),
                                                    "--json",
                                                    "--threads",
                                                    "2",
                                                    "--scheme",
                                                    "absmax:bits=4,group=128",
                                                    "--statistics"})
                                              .out);
        return document["summary"]["peak_rss_bytes"].get<double>();
    };
    const std::filesystem::path path = scratchDir() / "memory.safetensors";
    if (!loupe::test::writeSparse(path, 2, 2048, 4096)) {  // two tensors of 17 MB
        WARN("skipped: no sparse files");
        return;
    }
    const double small = peak(path);
    REQUIRE(loupe::test::writeSparse(path, 40, 2048, 4096));  // 671 MB of the same
    const double large = peak(path);
    std::filesystem::remove(path);
    CAPTURE(small, large);
    constexpr double kMiB = 1048576;
#if defined(LOUPE_SANITIZED)
    WARN("not judged: a sanitizer's shadow and quarantine grow with what is touched");
    CHECK(large < 4096 * kMiB);
#else
    CHECK(large < small + 24 * kMiB);
    CHECK(large < 128 * kMiB);
#endif
}
