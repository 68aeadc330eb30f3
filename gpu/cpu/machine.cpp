// SPDX-License-Identifier: Apache-2.0
#include "gpu/cpu/machine.hpp"

#include "core/base/cpu_dispatch.hpp"
#include "core/base/hash.hpp"
#include "core/base/text.hpp"
#include "core/base/worker_pool.hpp"
#include "gpu/cpu/matmul_kernels.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <time.h>
#include <unistd.h>

namespace loupe::gpu {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string modelName() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        const std::size_t colon = line.find(':');
        if (line.rfind("model name", 0) == 0 && colon != std::string::npos) {
            return std::string(trim(std::string_view(line).substr(colon + 1)));
        }
    }
    return "CPU";
}

std::string hostName() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

/// "32768K"
std::int64_t cacheBytes(int level) {
    std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(level) +
                       "/size");
    std::string text;
    if (!(file >> text) || text.empty()) {
        return 0;
    }
    const std::int64_t unit = text.back() == 'K' ? 1024 : text.back() == 'M' ? 1 << 20 : 1;
    if (unit != 1) {
        text.pop_back();
    }
    return parseInteger(text).value_or(0) * unit;
}

std::string instructionSet() {
    std::string name(cpuTargetName(cpuTarget()));
    if (integerKernels().xOffset != 0) {
        name += "+vnni";
    }
    if (brainKernels() != nullptr) {
        name += "+bf16";
    }
    return name;
}

/// Processor seconds of the whole machine since it started; negative where the system has no
/// answer.
double busySeconds() {
    std::ifstream file("/proc/stat");
    std::string word;
    std::array<double, 8> ticks{};
    if (!(file >> word)) {
        return -1;
    }
    for (double& count : ticks) {
        if (!(file >> count)) {
            return -1;
        }
    }
    constexpr std::size_t kIdle = 3;
    constexpr std::size_t kWait = 4;
    double busy = 0;
    for (std::size_t i = 0; i < ticks.size(); ++i) {
        busy += i == kIdle || i == kWait ? 0 : ticks[i];
    }
    return busy / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double ownSeconds() {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Reads everything on all compute threads.
void readAll(const HugeBuffer& buffer, const JobContext& ctx) {
    constexpr std::int64_t kChunk = 1 << 18;
    static std::atomic<float> sink{0};  // so that the reading is not left out
    const auto* data = buffer.as<const float>();
    const RowKernels& kernels = rowKernels();
    parallelFor(static_cast<std::int64_t>(buffer.size() / sizeof(float)),
                kChunk,
                ctx,
                [&](std::int64_t begin, std::int64_t end, std::int64_t) {
                    sink.store(kernels.sum(data + begin, end - begin), std::memory_order_relaxed);
                });
}

/// Best rate of several runs of a kernel that works in registers alone, on all compute threads.
double bestPeak(double (*kernel)(std::int64_t), int runs, const JobContext& ctx) {
    if (kernel == nullptr) {
        return 0;
    }
    constexpr std::int64_t kTurns = 1 << 19;
    const int threads = computeThreads();
    double best = 0;
    for (int run = 0; run < runs; ++run) {
        std::vector<double> operations(static_cast<std::size_t>(threads));
        const Clock::time_point start = Clock::now();
        parallelFor(threads, 1, ctx, [&](std::int64_t, std::int64_t, std::int64_t chunk) {
            operations[static_cast<std::size_t>(chunk)] = kernel(kTurns);
        });
        const double seconds = secondsSince(start);
        double sum = 0;
        for (const double count : operations) {
            sum += count;
        }
        best = std::max(best, sum / seconds);
    }
    return best * 1e-12;
}

}  // namespace

DeviceRecord describeCpu() {
    DeviceRecord device;
    device.name = modelName();
    device.computeCapability = instructionSet();
    device.multiprocessors = computeThreads();
    device.l2Bytes = lastLevelCacheBytes();
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    device.memoryBytes = pages > 0 ? static_cast<std::int64_t>(pages) * ::sysconf(_SC_PAGESIZE) : 0;
    const std::uint64_t key = fnv1a(hostName() + "\n" + device.name + "\n" +
                                    std::to_string(std::thread::hardware_concurrency()));
    std::array<char, 24> text{};
    (void)std::snprintf(
        text.data(), text.size(), "cpu-%016llx", static_cast<unsigned long long>(key));
    device.uuid = text.data();
    return device;
}

std::int64_t lastLevelCacheBytes() {
    std::int64_t most = 0;
    for (int level = 0; level < 5; ++level) {
        most = std::max(most, cacheBytes(level));
    }
    constexpr std::int64_t kUsual = 32 << 20;
    return most > 0 ? most : kUsual;
}

double CpuCeilings::peak(std::string_view arithmetic) const {
    if (arithmetic == "int8") {
        return int8_;
    }
    return arithmetic == "bf16" ? bf16_ : fp32_;
}

CpuCeilings::CpuCeilings(const JobContext& ctx)
    : threads_(computeThreads()), memory_(static_cast<std::size_t>(lastLevelCacheBytes()) * 8) {
    // Pages that were never written are one page.
    std::memset(memory_.data(), 0, memory_.size());
    constexpr int kFirst = 10;
    measure(kFirst, ctx);
}

void CpuCeilings::refresh(const JobContext& ctx) {
    constexpr int kAgain = 2;
    measure(kAgain, ctx);
}

void CpuCeilings::measure(int runs, const JobContext& ctx) {
    for (int run = 0; run < runs; ++run) {
        const Clock::time_point start = Clock::now();
        readAll(memory_, ctx);
        const double gbps = static_cast<double>(memory_.size()) / secondsSince(start) * 1e-9;
        readGbps_ = std::max(readGbps_, gbps);
    }
    const int peaks = 3 * runs;  // they are shorter
    fp32_ = std::max(fp32_, bestPeak(rowKernels().peak, peaks, ctx));
    const BrainKernels* const brain = brainKernels();
    bf16_ = std::max(bf16_, bestPeak(brain == nullptr ? nullptr : brain->peak, peaks, ctx));
    int8_ = std::max(int8_, bestPeak(integerKernels().peak, peaks, ctx));
}

ForeignLoad::ForeignLoad() : busy_(busySeconds()), own_(ownSeconds()), start_(Clock::now()) {}

double ForeignLoad::share() const {
    const double capacity =
        secondsSince(start_) * static_cast<double>(std::thread::hardware_concurrency());
    const double busy = busySeconds();
    constexpr double kLeast = 0.2;
    if (busy < 0 || busy_ < 0 || capacity < kLeast) {
        return 0;
    }
    return std::max(0.0, (busy - busy_) - (ownSeconds() - own_)) / capacity;
}

CacheFlush::CacheFlush() : walk_(static_cast<std::size_t>(lastLevelCacheBytes()) * 2) {
    std::memset(walk_.data(), 0, walk_.size());
}

void CacheFlush::run(const JobContext& ctx) const {
    readAll(walk_, ctx);
}

}  // namespace loupe::gpu
