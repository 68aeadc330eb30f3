// SPDX-License-Identifier: Apache-2.0
// What the checked build finds, and what it counts, on kernels written to ask.
#include "gpu/simt/executor.hpp"

#include "gpu/simt/narrow_float.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/unit/gpu/planted_support.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>
#include <set>
#include <sstream>

using namespace loupe::gpu::simt;
using loupe::gpu::CountRecord;

namespace {

const Entry& entryOf(std::string_view name, Mode mode = Mode::Checked) {
    for (const Entry& entry : mode == Mode::Checked ? loupe::test::checkedPlantedEntries()
                                                    : loupe::test::fastPlantedEntries()) {
        if (name == entry.name) {
            return entry;
        }
    }
    FAIL("no test kernel of that name");
    throw std::logic_error("unreachable");
}

/// Launches with buffers in order, then integers.
LaunchResult launchWith(std::string_view name,
                        Dim3 grid,
                        Dim3 block,
                        std::vector<Allocation> buffers,
                        std::vector<std::int32_t> numbers,
                        LaunchOptions options = {.mode = Mode::Checked}) {
    std::vector<void*> addresses;
    std::vector<void*> arguments;
    for (const Allocation& buffer : buffers) {
        addresses.push_back(buffer.data);
    }
    for (void*& address : addresses) {
        arguments.push_back(&address);
    }
    for (std::int32_t& number : numbers) {
        arguments.push_back(&number);
    }
    return launch(entryOf(name, options.mode), grid, block, arguments.data(), buffers, options);
}

template <class T>
Allocation all(std::vector<T>& values) {
    return {values.data(), values.size() * sizeof(T)};
}

/// "tests/unit/gpu/planted/tile.cuh:25" of every line that says "finds NAME".
std::set<std::string> markedLines(std::string_view name) {
    std::set<std::string> found;
    for (const char* file : {"tile.cuh", "pipeline.cuh", "warp.cuh", "probes.cuh"}) {
        const std::string path = std::string("tests/unit/gpu/planted/") + file;
        std::ifstream in(loupe::test::sourceDir() / path);
        REQUIRE(in.good());
        int number = 0;
        for (std::string line; std::getline(in, line);) {
            ++number;
            const std::size_t mark = line.find("finds ");
            const int offset = line.find("// next finds ") == std::string::npos ? 0 : 1;
            std::istringstream words(mark == std::string::npos ? std::string() : line.substr(mark));
            for (std::string word; words >> word;) {
                if (word == name) {
                    found.insert(path + ':' + std::to_string(number + offset));
                }
            }
        }
    }
    return found;
}

bool namesMarkedLine(const std::string& message, std::string_view name) {
    for (const std::string& line : markedLines(name)) {
        const std::size_t at = message.find(line);
        if (at != std::string::npos &&
            (at + line.size() == message.size() ||
             std::isdigit(static_cast<unsigned char>(message[at + line.size()])) == 0)) {
            return true;
        }
    }
    return false;
}

struct TileCase {
    static constexpr int m = 64;
    static constexpr int n = 64;
    static constexpr int k = 128;
    std::vector<std::int8_t> x = std::vector<std::int8_t>(m * k);
    std::vector<std::int8_t> w = std::vector<std::int8_t>(n * k);
    std::vector<std::int32_t> y = std::vector<std::int32_t>(m * n);
    TileCase() {
        for (std::size_t i = 0; i < x.size(); ++i) {
            x[i] = static_cast<std::int8_t>(i * 7 % 251);
            w[i] = static_cast<std::int8_t>(i * 13 % 239);
        }
    }
    LaunchResult run(std::string_view name, LaunchOptions options, std::size_t shortBy = 0) {
        return launchWith(name,
                          {2, 2, 1},
                          {256, 1, 1},
                          {{x.data(), x.size() - shortBy}, all(w), all(y)},
                          {n, k},
                          options);
    }
    [[nodiscard]] bool right() const {
        for (int r = 0; r < m; ++r) {
            for (int c = 0; c < n; ++c) {
                int sum = 0;
                for (int i = 0; i < k; ++i) {
                    sum += x[static_cast<std::size_t>(r * k + i)] *
                           w[static_cast<std::size_t>(c * k + i)];
                }
                if (y[static_cast<std::size_t>(r * n + c)] != sum) {
                    return false;
                }
            }
        }
        return true;
    }
};

struct PipelineCase {
    static constexpr int m = 64;
    static constexpr int n = 64;
    static constexpr int k = 256;
    std::vector<Half> x = std::vector<Half>(m * k);
    std::vector<Half> w = std::vector<Half>(n * k);
    std::vector<float> y = std::vector<float>(m * n);
    PipelineCase() {
        for (std::size_t i = 0; i < x.size(); ++i) {
            x[i] = floatToHalf(static_cast<float>(i * 7 % 251) / 128 - 1);
            w[i] = floatToHalf(static_cast<float>(i * 13 % 239) / 128 - 1);
        }
    }
    LaunchResult run(std::string_view name, LaunchOptions options) {
        return launchWith(name, {2, 2, 1}, {128, 1, 1}, {all(x), all(w), all(y)}, {n, k}, options);
    }
    /// Largest difference to the product in double.
    [[nodiscard]] double error() const {
        double most = 0;
        for (int r = 0; r < m; ++r) {
            for (int c = 0; c < n; ++c) {
                double sum = 0;
                for (int i = 0; i < k; ++i) {
                    sum +=
                        static_cast<double>(halfToFloat(x[static_cast<std::size_t>(r * k + i)])) *
                        static_cast<double>(halfToFloat(w[static_cast<std::size_t>(c * k + i)]));
                }
                most = std::max(
                    most,
                    std::fabs(sum - static_cast<double>(y[static_cast<std::size_t>(r * n + c)])));
            }
        }
        return most;
    }
};

struct WarpCase {
    std::vector<float> x = std::vector<float>(256);
    std::vector<float> y = std::vector<float>(256);
    WarpCase() { std::iota(x.begin(), x.end(), 1.0F); }
    LaunchResult run(std::string_view name, LaunchOptions options) {
        return launchWith(name, {2, 1, 1}, {128, 1, 1}, {all(x), all(y)}, {}, options);
    }
};

/// ThreadSanitizer's own fibers are slow to make.
#if defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSeeds = 1;
#else
constexpr std::uint64_t kSeeds = 3;
#endif

std::vector<LaunchOptions> schedules() {
    std::vector<LaunchOptions> found;
    for (const Fibers fibers : {Fibers::Own, Fibers::Boost}) {
        if (!hasFibers(fibers)) {
            continue;
        }
        for (const Schedule schedule : {Schedule::Forward, Schedule::Reverse, Schedule::Random}) {
            for (const Mode mode : {Mode::Fast, Mode::Checked}) {
                for (std::uint64_t seed = 1; seed <= (schedule == Schedule::Random ? kSeeds : 1);
                     ++seed) {
                    LaunchOptions options;
                    options.mode = mode;
                    options.schedule = schedule;
                    options.fibers = fibers;
                    options.seed = seed;
                    found.push_back(options);
                }
            }
        }
    }
    return found;
}

}  // namespace

TEST_CASE("right kernels give right results and no finding, in every order of threads") {
    for (const LaunchOptions& options : schedules()) {
        CAPTURE(static_cast<int>(options.mode),
                static_cast<int>(options.schedule),
                static_cast<int>(options.fibers),
                options.seed);
        TileCase tile;
        LaunchResult result = tile.run("None", options);
        CHECK(result.error == "");
        CHECK(result.remarks.empty());
        CHECK(tile.right());
        PipelineCase pipeline;
        result = pipeline.run("CleanPipeline", options);
        CHECK(result.error == "");
        CHECK(pipeline.error() < 1e-4);
        WarpCase warp;
        result = warp.run("CleanWarp", options);
        CHECK(result.error == "");
        // Lane 5 has the value of lane 4, its neighbour 4 that of lane 3.
        CHECK(warp.y[5] == warp.x[4] + warp.x[3]);
        CHECK(warp.y[32] == warp.x[63] + warp.x[32]);
    }
}

TEST_CASE("the checked build names the line of every planted mistake") {
    for (const LaunchOptions& options : schedules()) {
        if (options.mode != Mode::Checked) {
            continue;
        }
        CAPTURE(static_cast<int>(options.schedule), static_cast<int>(options.fibers), options.seed);
        for (const char* bug : {"NoBarrierAfterLoad",
                                "NoBarrierAfterCompute",
                                "PastRow",
                                "PastArray",
                                "GlobalOutOfBounds",
                                "Misaligned"}) {
            TileCase tile;
            const LaunchResult result = tile.run(bug, options);
            CAPTURE(bug, result.error);
            CHECK(namesMarkedLine(result.error, bug));
        }
        for (const char* bug :
             {"NoWait", "WaitOffByOne", "StageOffByOne", "NoBarrierInPipeline", "WrongMatrixRow"}) {
            PipelineCase pipeline;
            const LaunchResult result = pipeline.run(bug, options);
            CAPTURE(bug, result.error);
            CHECK(namesMarkedLine(result.error, bug));
        }
        for (const char* bug : {"NoSyncWarp", "DivergentShuffle"}) {
            WarpCase warp;
            const LaunchResult result = warp.run(bug, options);
            CAPTURE(bug, result.error);
            CHECK(namesMarkedLine(result.error, bug));
        }
        TileCase shortBuffer;
        const LaunchResult result = shortBuffer.run("None", options, 64);
        CAPTURE(result.error);
        CHECK(namesMarkedLine(result.error, "BufferTooShort"));
    }
}

TEST_CASE("what is legal or shows in the numbers alone is not an error") {
    TileCase tile;
    const LaunchResult left = tile.run("ThreadsLeave", {.mode = Mode::Checked});
    CHECK(left.error == "");
    REQUIRE(left.remarks.size() == 1);
    CAPTURE(left.remarks.front());
    CHECK(namesMarkedLine(left.remarks.front(), "ThreadsLeave"));
    // A wrong lane mapping breaks no rule; the comparison with the reference finds it.
    PipelineCase pipeline;
    const LaunchResult swapped = pipeline.run("SwappedLanes", {.mode = Mode::Checked});
    CHECK(swapped.error == "");
    CHECK(pipeline.error() > 1);
}

TEST_CASE("messages say what, where and who") {
    TileCase tile;
    const std::string race = tile.run("NoBarrierAfterCompute", {.mode = Mode::Checked}).error;
    CAPTURE(race);
    CHECK(race.find("read-after-write hazard on shared xs(") != std::string::npos);
    CHECK(race.find(" with no barrier between at tests/unit/gpu/planted/tile.cuh:") !=
          std::string::npos);
    CHECK(race.find(", block (0,0,0), thread (") != std::string::npos);
    const std::string outside = tile.run("PastArray", {.mode = Mode::Checked}).error;
    CAPTURE(outside);
    CHECK(outside.find("shared out-of-bounds: xs(30,32) of [32][9]") != std::string::npos);
    WarpCase warp;
    const std::string left = warp.run("DivergentShuffle", {.mode = Mode::Checked}).error;
    CAPTURE(left);
    CHECK(left.find("shuffle needs a lane that does not take part") != std::string::npos);
}

TEST_CASE("blocks that touch the same memory without an atomic are found") {
    std::vector<float> y(8);
    for (const unsigned workers : {1U, 2U}) {
        LaunchOptions options{.mode = Mode::Checked};
        options.workers = workers;
        const LaunchResult write =
            launchWith("BlockRace", {8, 1, 1}, {32, 1, 1}, {all(y)}, {}, options);
        CAPTURE(write.error);
        CHECK(namesMarkedLine(write.error, "BlockRace"));
        CHECK(write.error.find("race between blocks") != std::string::npos);
        const LaunchResult read =
            launchWith("BlockReadRace", {8, 1, 1}, {1, 1, 1}, {all(y)}, {}, options);
        CAPTURE(read.error);
        CHECK(read.error.find("race between blocks") != std::string::npos);
        std::vector<std::int32_t> sum(1);
        const LaunchResult atomic =
            launchWith("BlockSum", {64, 1, 1}, {32, 1, 1}, {all(sum)}, {}, options);
        CHECK(atomic.error == "");
        CHECK(sum.front() == 64 * 32);
    }
    const LaunchResult hazard = launchWith("GlobalHazard", {1, 1, 1}, {32, 1, 1}, {all(y)}, {});
    CAPTURE(hazard.error);
    CHECK(hazard.error.find("write-after-write hazard on global memory") != std::string::npos);
}

TEST_CASE("limits of shared memory are those of a device") {
    std::vector<float> y(128);
    const LaunchResult large = launchWith("TooMuchShared", {1, 1, 1}, {32, 1, 1}, {all(y)}, {});
    CAPTURE(large.error);
    CHECK(large.error.find("65536 bytes; 49152 are allowed") != std::string::npos);
    CHECK(namesMarkedLine(large.error, "TooMuchShared"));
    std::vector<std::int32_t> z(32);
    LaunchOptions options{.mode = Mode::Checked};
    options.dynamicShared = 4096;
    const LaunchResult right =
        launchWith("DynamicProbe", {2, 1, 1}, {32, 1, 1}, {all(z)}, {}, options);
    CHECK(right.error.find("race between blocks") != std::string::npos);  // both write z
    CHECK(launchWith("DynamicProbe", {1, 1, 1}, {32, 1, 1}, {all(z)}, {}, options).error == "");
    CHECK(z[0] == 31);
    CHECK(z[31] == 0);
    options.dynamicShared = 4092;
    const LaunchResult tooShort =
        launchWith("DynamicProbe", {1, 1, 1}, {32, 1, 1}, {all(z)}, {}, options);
    CAPTURE(tooShort.error);
    CHECK(namesMarkedLine(tooShort.error, "DynamicTooShort"));
    options.dynamicShared = 60000;
    CHECK(launchWith("DynamicProbe", {1, 1, 1}, {32, 1, 1}, {all(z)}, {}, options)
              .error.find("a block may use 49152") != std::string::npos);
    options.sharedLimit = 227 << 10;
    CHECK(launchWith("DynamicProbe", {1, 1, 1}, {32, 1, 1}, {all(z)}, {}, options).error == "");
}

TEST_CASE("warp matrices are looked at like every other access") {
    std::vector<float> y(32);
    const LaunchResult result = launchWith("WmmaUnwritten", {1, 1, 1}, {32, 1, 1}, {all(y)}, {});
    CAPTURE(result.error);
    CHECK(result.error.find("never-written") != std::string::npos);
    CHECK(namesMarkedLine(result.error, "WmmaUnwritten"));
}

TEST_CASE("launches that no device would take are refused") {
    std::vector<float> x(32);
    std::vector<float> y(32);
    std::vector<float> elsewhere(32);
    CHECK(launchWith("Stride", {1, 1, 1}, {64, 1, 1}, {all(x), all(y)}, {1, 0}).error ==
          "Stride takes 1 to 32 threads a block; the launch asks for 64");
    CHECK(!launchWith("Stride", {0, 1, 1}, {32, 1, 1}, {all(x), all(y)}, {1, 0}).error.empty());
    CHECK(launch("no_such_kernel", {}, {}, nullptr, {}, {}).error ==
          "no kernel named no_such_kernel was built in");
    void* addresses[] = {elsewhere.data(), y.data()};
    std::int32_t numbers[] = {1, 0};
    void* arguments[] = {&addresses[0], &addresses[1], &numbers[0], &numbers[1]};
    const std::array<Allocation, 2> memory{all(x), all(y)};
    for (const Mode mode : {Mode::Fast, Mode::Checked}) {
        LaunchOptions options;
        options.mode = mode;
        CHECK(launch(entryOf("Stride", mode), {1, 1, 1}, {32, 1, 1}, arguments, memory, options)
                  .error == "argument 0 is not the address of device memory");
    }
}

TEST_CASE("sectors and bank wavefronts of known patterns") {
    std::vector<float> x(4096);
    std::vector<float> y(32);
    struct Pattern {
        std::int32_t stride;
        std::int32_t first;
        std::uint64_t sectors;
    };
    for (const Pattern& pattern : {Pattern{1, 0, 4},
                                   Pattern{2, 0, 8},
                                   Pattern{4, 0, 16},
                                   Pattern{8, 0, 32},
                                   Pattern{32, 0, 32},
                                   Pattern{1, 1, 5},
                                   Pattern{0, 0, 1}}) {
        const LaunchResult result = launchWith(
            "Stride", {1, 1, 1}, {32, 1, 1}, {all(x), all(y)}, {pattern.stride, pattern.first});
        CAPTURE(pattern.stride, pattern.first);
        REQUIRE(result.counts.lines.size() == 2);
        CHECK(result.counts.lines[0].memory == "global load");
        CHECK(result.counts.lines[0].cost == pattern.sectors);
        CHECK(result.counts.lines[1].cost == 4);
        CHECK(result.counts.requestedBytes == 256);
    }
    const std::pair<const char*, std::uint64_t> banks[] = {{"Banks1", 1},
                                                           {"Banks2", 2},
                                                           {"Banks3", 1},
                                                           {"Banks4", 4},
                                                           {"Banks16", 16},
                                                           {"Banks32", 32},
                                                           {"Banks33", 1}};
    for (const auto& [name, wavefronts] : banks) {
        const LaunchResult result = launchWith(name, {1, 1, 1}, {32, 1, 1}, {all(y)}, {});
        CAPTURE(name);
        CHECK(result.counts.sharedWavefronts == 2 * wavefronts);
        CHECK(result.counts.sharedIdeal == 2);
        CHECK(result.counts.sharedBytes == 256);
    }
}

TEST_CASE("counts do not depend on workers, on the order of threads or on the kind of fiber") {
    PipelineCase pipeline;
    const CountRecord first =
        pipeline.run("CleanPipeline", {.mode = Mode::Checked, .workers = 1}).counts;
    CHECK(first.requestedBytes == 4 * (2 * 32 * 256 * 2 + 32 * 32 * 4));
    CHECK(first.flops == 2ULL * 64 * 64 * 256);
    CHECK(first.barriers == 4 * 8);
    for (LaunchOptions options : schedules()) {
        if (options.mode == Mode::Checked) {
            options.workers = 2;
            CHECK(pipeline.run("CleanPipeline", options).counts == first);
        }
    }
}

TEST_CASE("a part of the grid is counted and multiplied, and says so") {
    TileCase tile;
    const CountRecord whole = tile.run("None", {.mode = Mode::Checked}).counts;
    LaunchOptions options{.mode = Mode::Checked};
    options.mostBlocks = 1;
    const CountRecord part = tile.run("None", options).counts;
    CHECK(whole.blocksCounted == 1);
    CHECK(part.blocksCounted == 0.25);
    CHECK(part.requestedBytes == whole.requestedBytes);
    CHECK(part.integerOps == whole.integerOps);
    CHECK(part.sharedWavefronts == whole.sharedWavefronts);
    CHECK(part.lines == whole.lines);
}

TEST_CASE("the cache model counts what a cache of that size would fetch and write back") {
    TileCase tile;
    LaunchOptions options{.mode = Mode::Checked};
    options.cacheBytes = 1 << 20;
    const CountRecord large = tile.run("None", options).counts;
    // Everything fits: x and w are fetched once, y is written once.
    CHECK(large.dramBytes == 2 * 64 * 128 + 64 * 64 * 4);
    CHECK(large.cacheBytes == 1 << 20);
    // The same inputs again: they are still there; y is written again.
    options.emptyCacheBefore = false;
    CHECK(tile.run("None", options).counts.dramBytes == 64 * 64 * 4);
    // A cache of two sectors holds nothing: what moves is what the blocks ask for, sector by
    // sector.
    options.emptyCacheBefore = true;
    options.cacheBytes = 64;
    const CountRecord none = tile.run("None", options).counts;
    CHECK(none.dramBytes == none.sectorBytes);
    for (const Schedule schedule : {Schedule::Reverse, Schedule::Random}) {
        options.schedule = schedule;
        CHECK(tile.run("None", options).counts == none);
    }
}
