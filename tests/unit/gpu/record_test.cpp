// SPDX-License-Identifier: Apache-2.0
// Records, requests and the sampling method.
#include "gpu/timing/record.hpp"

#include "gpu/timing/method.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <regex>
#include <set>
#include <sstream>

using namespace loupe;
using namespace loupe::gpu;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

RunRecord fullRecord() {
    RunRecord r;
    r.kind = FigureKind::Measured;
    r.backend = "cuda";
    r.device = {
        "A \"device\"", "GPU-1", "9.0", 132, 52428800, std::int64_t{80} << 30, "580.65", 13000, {}};
    r.device.libraries = {{"nvrtc", "13.0"}, {"cublasLt", "13.1.0"}};
    r.kernel = {"gemm_s8", "gemm_s8", "embedded", "ab12", "sm_90", 96, 49152, 8};
    r.what.matmul = {16, 12288, 4096, 64};
    r.what.format = "w4a16";
    r.what.a = "fp16";
    r.what.b = "int4";
    r.what.accumulator = "fp32";
    r.what.output = "fp32";
    r.what.model = "llama-2-7b";
    r.what.layer = "qkv";
    r.what.phase = "prefill";
    r.distribution = "normal";
    r.seed = std::numeric_limits<std::uint64_t>::max();
    r.check = CheckRecord{"f64-cpu-sampled", 1.25e-7, 3e-5, 1e-4, 0.01, 123456, true, true};
    TimingRecord timing;
    timing.clock = "graph";
    timing.cache = CacheState::Warm;
    timing.flushBytes = 104857600;
    timing.warmupMs = 25.5;
    timing.samplesUs = {3.25, 1.0 / 3, 7};
    timing.discarded = 2;
    timing.inTurn = 3;
    timing.stopReason = "ci";
    summarise(timing);
    r.timing = timing;
    r.clocks = ClockRecord{
        1755.5, 1980, 40, 52, 350.5, 345, 1755, 2619, 0.25, {"sw_power_cap", "hw_slowdown"}};
    CountRecord counts;
    counts.requestedBytes = 1;
    counts.sectorBytes = 2;
    counts.dramBytes = 3;
    counts.cacheBytes = 4;
    counts.sharedBytes = 5;
    counts.sharedWavefronts = 6;
    counts.sharedIdeal = 7;
    counts.flops = 8;
    counts.integerOps = 9;
    counts.exponentials = 10;
    counts.barriers = 11;
    counts.blocksCounted = 0.125;
    counts.lines = {{"gemm_s8.cuh", 25, "global load", 1, 2, 3, 4},
                    {"b.cuh", 7, "shared store", 5, 6, 7, 8}};
    r.counts = counts;
    r.derived.flops = 1e12;
    r.derived.bytesMin = 5e7;
    r.derived.ceilingSource = "measured";
    r.derived.peakTflops = 798;
    r.derived.bandwidthGbps = 3000;
    derive(r.derived, 1000);
    r.environment = {"2026-11-22T11:05:00Z", "host", "0.1.0"};
    r.reason = "none, for the test";
    return r;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

/// Paths of all values of a line; of an array of objects those of its elements.
void addPaths(const nlohmann::json& value, const std::string& path, std::set<std::string>& paths) {
    const bool isList = value.is_array() && !value.empty() && value.front().is_object();
    if (path == "device.libs" || !(value.is_object() || isList)) {
        paths.insert(path);
        return;
    }
    for (const auto& [key, inner] : (isList ? value.front() : value).items()) {
        addPaths(inner, path.empty() ? key : path + "." + key, paths);
    }
}

}  // namespace

TEST_CASE("a record comes back from its line with every field") {
    const RunRecord full = fullRecord();
    const std::string line = toJson(full);
    CHECK(line.find('\n') == std::string::npos);
    const Result<RunRecord> back = parseRecord(line);
    REQUIRE(back);
    CHECK(*back == full);
    CHECK(back->device.libraries == full.device.libraries);
    CHECK(toJson(*back) == line);

    RunRecord attention = full;
    attention.kind = FigureKind::Counted;
    attention.what.operation = Operation::Attention;
    attention.what.matmul = {};
    attention.what.attention = {512, 128, 8, 2, 3, true, false};
    attention.what.format = "flash2";
    attention.timing.reset();
    attention.clocks.reset();
    const Result<RunRecord> second = parseRecord(toJson(attention));
    REQUIRE(second);
    CHECK(*second == attention);

    RunRecord empty;
    empty.backend = "cpu";
    empty.what.format = "fp32";
    empty.reason = "no such kernel";
    const std::string bare = toJson(empty);
    CHECK(bare.find("\"regs\":null") != std::string::npos);
    CHECK(bare.find("\"timing\"") == std::string::npos);
    const Result<RunRecord> third = parseRecord(bare);
    REQUIRE(third);
    CHECK(*third == empty);
}

TEST_CASE("the list of fields is what records hold, and what the help page explains") {
    RunRecord attention = fullRecord();
    attention.what.operation = Operation::Attention;
    std::set<std::string> written;
    addPaths(nlohmann::json::parse(toJson(fullRecord())), "", written);
    addPaths(nlohmann::json::parse(toJson(attention)), "", written);
    const std::vector<std::string> listed = recordFields();
    const std::set<std::string> fields(listed.begin(), listed.end());
    CHECK(fields.size() == listed.size());
    CHECK(fields == written);

    std::ifstream page(test::sourceDir() / "resources/help/developers/timing.md");
    REQUIRE(page);
    std::set<std::string> explained;
    const std::regex name("`([A-Za-z0-9_.]+)`");
    for (std::string line; std::getline(page, line);) {
        const std::size_t cell = line.rfind("| `", 0) == 0 ? line.find('|', 1) : std::string::npos;
        if (cell == std::string::npos || line.find("| field of a record") == 0) {
            continue;
        }
        const std::string names = line.substr(0, cell);
        for (std::sregex_iterator at(names.begin(), names.end(), name), end; at != end; ++at) {
            explained.insert((*at)[1]);
        }
    }
    for (const char* backend : {"cpu", "cuda", "simt"}) {
        explained.erase(backend);  // the page's other table
    }
    CHECK(explained == fields);
}

TEST_CASE("a case that was sampled alone does not say so") {
    RunRecord alone = fullRecord();
    alone.timing->inTurn = 0;
    const std::string line = toJson(alone);
    CHECK(line.find("in_turn") == std::string::npos);
    const Result<RunRecord> back = parseRecord(line);
    REQUIRE(back);
    CHECK(*back == alone);
}

TEST_CASE("an output that was not finite is still a record") {
    RunRecord r = fullRecord();
    r.check->relFro = std::numeric_limits<double>::quiet_NaN();
    r.check->maxAbs = std::numeric_limits<double>::infinity();
    const Result<RunRecord> back = parseRecord(toJson(r));
    REQUIRE(back);
    CHECK(std::isnan(back->check->relFro));
    CHECK(std::isinf(back->check->maxAbs));
}

TEST_CASE("a damaged line is named by its field") {
    const std::string line = toJson(fullRecord());
    const auto problem = [](const std::string& text) {
        const Result<RunRecord> record = parseRecord(text);
        REQUIRE_FALSE(record);
        CHECK(record.error().code == ErrorCode::Damaged);
        return record.error().what;
    };
    CHECK(problem("").find("not a JSON object") != std::string::npos);
    CHECK(problem("[1]").find("not a JSON object") != std::string::npos);
    CHECK(problem(line.substr(0, line.size() / 2)).find("not a JSON object") != std::string::npos);
    CHECK(problem(std::string(100000, '[')).find("not a JSON object") != std::string::npos);
    CHECK(problem("{}").find("'schema'") != std::string::npos);
    CHECK(problem(replaced(line, "loupe.run/1", "loupe.run/2")).find("'schema'") !=
          std::string::npos);
    CHECK(problem(replaced(line, "\"measured\"", "\"guessed\"")).find("'kind'") !=
          std::string::npos);
    CHECK(problem(replaced(line, "\"M\":16", "\"M\":1.5")).find("'case.M'") != std::string::npos);
    CHECK(problem(replaced(line, "\"M\":16", "\"M\":-1e40")).find("'case.M'") != std::string::npos);
    CHECK(problem(replaced(line, "\"M\":16,", "")).find("'case.M' is missing") !=
          std::string::npos);
    CHECK(problem(replaced(line, "\"n\":3", "\"n\":4")).find("'timing.n'") != std::string::npos);
    CHECK(problem(replaced(line, "[3.25,", "[\"fast\",")).find("'timing.samples_us'") !=
          std::string::npos);
    CHECK(problem(replaced(line, "\"line\":25", "\"line\":true")).find("'counts.lines.line'") !=
          std::string::npos);
    CHECK(problem(replaced(line, "\"api\":13000", "\"api\":3000000000")).find("'device.api'") !=
          std::string::npos);
    CHECK(parseRecord(replaced(line, "\"seed\"", "\"later\":{\"a\":[]},\"seed\"")));
}

TEST_CASE("machines differ by device and driver, times beyond their quartiles") {
    RunRecord a = fullRecord();
    RunRecord b = a;
    CHECK(machineKey(a) == machineKey(b));
    b.device.driver = "590";
    CHECK(machineKey(a) != machineKey(b));
    b = a;
    b.backend = "cpu";
    CHECK(machineKey(a) != machineKey(b));
    b = a;
    b.device.uuid.clear();
    CHECK(machineKey(a) != machineKey(b));

    TimingRecord fast;
    fast.samplesUs = {1, 2, 3, 4, 5};
    TimingRecord slow;
    slow.samplesUs = {5, 6, 7, 8, 9};
    summarise(fast);
    summarise(slow);
    CHECK(fast.medianUs == 3);
    CHECK(fast.q1Us == 2);
    CHECK(fast.q3Us == 4);
    CHECK(fast.minUs == 1);
    CHECK_THAT(fast.p95Us, WithinRel(4.8, 1e-12));
    CHECK(compareTimes(fast, slow) == -1);
    CHECK(compareTimes(slow, fast) == 1);
    slow.samplesUs = {3, 4, 5, 6, 7};
    summarise(slow);
    CHECK(compareTimes(fast, slow) == 0);
}

TEST_CASE("floors are the larger of memory and arithmetic") {
    DerivedRecord d;
    d.flops = 2.0 * 1 * 12288 * 4096;
    d.bytesMin = 2.0 * (12288.0 * 4096 + 4096 + 12288);
    d.bandwidthGbps = 3350;
    d.peakTflops = 989;
    derive(d, 60.2);
    // spec/gpu.md 4: 30.1 us for the 7B qkv layer at one token in bf16.
    CHECK_THAT(d.floorUs, WithinAbs(30.1, 0.05));
    CHECK(d.floorSide == "memory");
    CHECK_THAT(d.ofFloor, WithinAbs(0.5, 0.001));
    d.flops *= 512;
    derive(d, 0);
    CHECK(d.floorSide == "compute");
    CHECK_THAT(d.floorUs, WithinAbs(52.1, 0.1));
    CHECK(d.tflops == 0);
    CHECK(d.ofFloor == 0);
}

TEST_CASE("sampling stops for the stated reason") {
    SamplingLimits limits;
    limits.warmupMs = 0.05;
    int calls = 0;
    const TimingRecord steady = sample(limits, {}, [&] { return ++calls <= 5 ? 10.0 : 20.0; });
    CHECK(steady.stopReason == "ci");
    CHECK(steady.samplesUs.size() == 20);
    CHECK(steady.medianUs == 20);
    CHECK(steady.warmupMs >= 0.05);

    limits.mostSamples = 50;
    calls = 0;
    const TimingRecord noisy = sample(limits, {}, [&] { return ++calls % 2 == 0 ? 10.0 : 90.0; });
    CHECK(noisy.stopReason == "count");
    CHECK(noisy.samplesUs.size() == 50);

    limits.mostSeconds = 0.01;
    const TimingRecord slow = sample(limits, {}, [&] { return 4000.0; });
    CHECK(slow.stopReason == "time");
    CHECK(slow.samplesUs.size() == 3);

    calls = 0;
    limits.mostSeconds = 2;
    const double none = std::numeric_limits<double>::quiet_NaN();
    const TimingRecord dropped = sample(limits, {}, [&] { return ++calls % 3 == 0 ? none : 5.0; });
    CHECK(dropped.discarded > 0);
    CHECK(std::all_of(
        dropped.samplesUs.begin(), dropped.samplesUs.end(), [](double us) { return us == 5.0; }));

    std::stop_source stop;
    const JobContext ctx(stop.get_token(), nullptr);
    CHECK_THROWS_AS(sample(limits,
                           ctx,
                           [&] {
                               stop.request_stop();
                               return 1.0;
                           }),
                    Cancelled);

    TimingRequest request;
    request.samples = 7;
    request.seconds = 0.5;
    CHECK(limitsOf(request).mostSamples == 7);
    CHECK(limitsOf(request).leastSamples == 7);
    CHECK(limitsOf(request).mostSeconds == 0.5);
}

TEST_CASE("samples in turn go A B A B and stop together") {
    SamplingLimits limits;
    limits.warmupMs = 0.001;
    std::string order;
    int calls = 0;
    const auto steady = [&] {
        order += 'a';
        return 10.0;
    };
    const auto rising = [&] {
        order += 'b';
        return ++calls <= 13 ? 30.0 : 20.0;
    };
    const std::vector<TimingRecord> both = sampleInTurn(limits, {}, {steady, rising});
    REQUIRE(both.size() == 2);
    // Three runs of each warm up; then one of each at a time.
    REQUIRE(order.size() > 6);
    CHECK(order.substr(0, 6) == "aaabbb");
    for (std::size_t i = 6; i < order.size(); ++i) {
        CHECK(order[i] == (i % 2 == 0 ? 'a' : 'b'));
    }
    CHECK(both[0].samplesUs.size() == both[1].samplesUs.size());
    CHECK(both[0].samplesUs.size() > 20);  // the first was known, the second was not
    CHECK(both[0].stopReason == "ci");
    CHECK(both[1].stopReason == "ci");
    CHECK(both[0].medianUs == 10);
    CHECK(both[1].medianUs == 20);
    CHECK(both[0].inTurn == 2);

    // The first whose time is up ends both; what was known then says so.
    limits.mostSeconds = 0.099;
    const std::vector<TimingRecord> slow =
        sampleInTurn(limits, {}, {[] { return 1.0; }, [] { return 4000.0; }});
    CHECK(slow[1].stopReason == "ci");
    CHECK(slow[1].samplesUs.size() == 20);
    limits.leastSamples = 40;
    const std::vector<TimingRecord> late =
        sampleInTurn(limits, {}, {[] { return 1.0; }, [] { return 4000.0; }});
    CHECK(late[0].stopReason == "time");
    CHECK(late[1].stopReason == "time");
    CHECK(late[0].samplesUs.size() == 25);
    CHECK(late[1].samplesUs.size() == 25);
    CHECK(sampleInTurn(limits, {}, {}).empty());
}

TEST_CASE("requests are checked and become a command line") {
    TimingRequest request;
    request.what = {"fp32", "w4a16"};
    request.matmul = {3, 64, 128, 32};
    CHECK(checkRequest(request));
    const std::vector<std::string> expected{"time",
                                            "matmul",
                                            "--m",
                                            "3",
                                            "--n",
                                            "64",
                                            "--k",
                                            "128",
                                            "--group",
                                            "32",
                                            "--formats",
                                            "fp32,w4a16",
                                            "--backend",
                                            "cpu",
                                            "--cache",
                                            "cold",
                                            "--seed",
                                            "1"};
    CHECK(toArguments(request) == expected);
    TimingRequest inTurn = request;
    inTurn.interleave = true;
    CHECK(checkRequest(inTurn));
    CHECK(toArguments(inTurn).back() == "--interleave");

    const auto problem = [](const TimingRequest& wrong) {
        const Result<void> checked = checkRequest(wrong);
        REQUIRE_FALSE(checked);
        CHECK(checked.error().code == ErrorCode::Invalid);
        return checked.error().what;
    };
    TimingRequest wrong = request;
    wrong.matmul.n = 0;
    CHECK(problem(wrong).find("n must be between") != std::string::npos);
    wrong = request;
    wrong.backend = "abacus";
    CHECK(problem(wrong).find("abacus") != std::string::npos);
    wrong = request;
    wrong.what.clear();
    CHECK(problem(wrong).find("no format") != std::string::npos);
    wrong = request;
    wrong.remote = "-oProxyCommand=x";
    CHECK(problem(wrong).find("remote") != std::string::npos);
    wrong = request;
    wrong.seconds = std::numeric_limits<double>::infinity();
    CHECK(problem(wrong).find("seconds") != std::string::npos);
    wrong = request;
    wrong.backend = "simt";
    wrong.interleave = true;
    CHECK(problem(wrong).find("interleave has no effect on simt") != std::string::npos);
    wrong = request;
    wrong.operation = Operation::Attention;
    wrong.attention.heads = 8;
    wrong.attention.kvHeads = 3;
    CHECK(problem(wrong).find("must divide") != std::string::npos);
}
