// SPDX-License-Identifier: Apache-2.0
// bench CASE [--threads N] [--probe] [--pair PEER] [--repeats N] [options of the case]; bench --smoke; bench --list
#include "tests/bench/bench.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/base/cpu_dispatch.hpp"
#include "core/base/rng.hpp"
#include "core/base/worker_pool.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace loupe::bench {

namespace {

constexpr double kMostForeign = 0.05;
bool smokeRun = false;
std::atomic<std::uint64_t> sink{0};
std::vector<int>& ownProcesses() {
    static std::vector<int> pids;
    return pids;
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Seconds that all cores together were busy since the start of the machine; negative where /proc has no answer.
double busySeconds() {
    std::ifstream file("/proc/stat");
    std::string word;
    double user = 0;
    double nice = 0;
    double system = 0;
    double idle = 0;
    double wait = 0;
    double irq = 0;
    double softirq = 0;
    double steal = 0;
    if (!(file >> word >> user >> nice >> system >> idle >> wait >> irq >> softirq >> steal)) {
        return -1;
    }
    return (user + nice + system + irq + softirq + steal) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

double processSeconds() {
    timespec t{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double ownSeconds() {
    double total = processSeconds();
    for (const int pid : ownProcesses()) {
        std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
        std::string field;
        for (int i = 1; file >> field && i <= 15; ++i) {
            total += i >= 14 ? std::stod(field) / static_cast<double>(::sysconf(_SC_CLK_TCK)) : 0;
        }
    }
    return total;
}

Timing timingOf(std::vector<double> seconds) {
    std::sort(seconds.begin(), seconds.end());
    const auto at = [&](double q) { return seconds[static_cast<std::size_t>(q * static_cast<double>(seconds.size() - 1) + 0.5)]; };
    return {at(0.5), seconds.front(), seconds.back(), at(0.99)};
}

}  // namespace

std::string Options::get(const std::string& key, const std::string& fallback) const {
    const auto found = values.find(key);
    return found == values.end() ? fallback : found->second;
}

std::vector<std::string> Options::list(const std::string& key, const std::string& fallback) const {
    std::vector<std::string> items;
    std::stringstream text(get(key, fallback));
    for (std::string item; std::getline(text, item, ',');) {
        items.push_back(item);
    }
    return items;
}

std::function<double()> timed(std::function<void()> work) {
    return [work = std::move(work)] {
        const double start = now();
        work();
        return now() - start;
    };
}

std::vector<Timing> interleave(const std::string& title, const std::vector<Contender>& contenders, int repeats) {
    std::vector<std::vector<double>> seconds(contenders.size());
    std::vector<std::vector<double>> cpu(contenders.size());
    for (const Contender& contender : contenders) {
        (void)contender.run();
    }
    const double busyBefore = busySeconds();
    const double ownBefore = ownSeconds();
    const double start = now();
    for (int repeat = 0; repeat < repeats; ++repeat) {
        for (std::size_t i = 0; i < contenders.size(); ++i) {
            const double cpuBefore = processSeconds();
            seconds[i].push_back(contenders[i].run());
            cpu[i].push_back(processSeconds() - cpuBefore);
        }
    }
    const double capacity = (now() - start) * static_cast<double>(std::thread::hardware_concurrency());
    const double foreign = std::max(0.0, (busySeconds() - busyBefore) - (ownSeconds() - ownBefore)) / capacity;
    // The kernel counts in ticks of 10 ms: a short run says nothing about others.
    const bool known = capacity > 0.2;
    std::printf("## %s (%d repeats", title.c_str(), repeats);
    if (known) {
        std::printf(", foreign CPU %.1f %%%s", 100 * foreign, foreign > kMostForeign && !smokeRun ? ": TOO NOISY, no verdict" : "");
    }
    std::printf(")\n");
    std::vector<Timing> timings;
    for (std::size_t i = 0; i < contenders.size(); ++i) {
        const Timing t = timingOf(std::move(seconds[i]));
        const double cpuMedian = timingOf(std::move(cpu[i])).median;
        std::printf("%-44s median %9.3f ms  min %9.3f  max %9.3f", contenders[i].name.c_str(), t.median * 1e3, t.min * 1e3, t.max * 1e3);
        if (contenders[i].elements > 0) {
            std::printf("  %6.2f Gelem/s", contenders[i].elements / t.median * 1e-9);
        }
        if (contenders[i].bytes > 0) {
            std::printf("  %6.1f GB/s", contenders[i].bytes / t.median * 1e-9);
        }
        if (contenders[i].name.rfind("peer: Q", 0) == 0 || contenders[i].name.rfind("peer", 0) != 0) {
            std::printf("  CPU %.3f ms", cpuMedian * 1e3);  // of this process: says more than the clock on a busy machine
        }
        std::printf("\n");
        timings.push_back(t);
    }
    std::fflush(stdout);
    return timings;
}

void printRatio(const std::string& what, double ratio) {
    if (!smokeRun) {
        std::printf("   -> %s = %.3g\n", what.c_str(), ratio);
    }
}

Buffer::Buffer(std::size_t bytes) {
    constexpr std::size_t kHuge = std::size_t{2} << 20;
    size_ = (bytes + kHuge - 1) / kHuge * kHuge;
    void* memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc{};
    }
#if defined(MADV_HUGEPAGE)
    ::madvise(memory, size_, MADV_HUGEPAGE);
#endif
    data_ = static_cast<std::byte*>(memory);
    std::memset(data_, 0, size_);
}

Buffer::~Buffer() { ::munmap(data_, size_); }

Contender readProbe(const Buffer& buffer) {
    const auto words = static_cast<std::int64_t>(buffer.size() / 8);
    const auto* data = buffer.as<const std::uint64_t>();
    return {"probe: read every byte",
            timed([=] {
                std::vector<std::uint64_t> partial(static_cast<std::size_t>(words / 32768 + 1));
                parallelFor(words, 32768, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
                    std::uint64_t sum = 0;
                    for (std::int64_t i = begin; i < end; ++i) {
                        sum += data[i];
                    }
                    partial[static_cast<std::size_t>(chunk)] = sum;
                });
                sink.store(partial.front(), std::memory_order_relaxed);  // so that it is not optimised away
            }),
            static_cast<double>(buffer.size())};
}

Contender copyProbe(const Buffer& from, const Buffer& to) {
    const auto size = static_cast<std::int64_t>(std::min(from.size(), to.size()));
    const std::byte* source = from.data();
    std::byte* target = to.data();
    return {"probe: copy, non-temporal stores",
            timed([=] {
                parallelFor(size, 1 << 18, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
#if defined(__SSE2__)
                    for (std::int64_t i = begin; i < end; i += 16) {
                        _mm_stream_si128(reinterpret_cast<__m128i*>(target + i), _mm_load_si128(reinterpret_cast<const __m128i*>(source + i)));
                    }
                    _mm_sfence();
#else
                    std::memcpy(target + begin, source + begin, static_cast<std::size_t>(end - begin));
#endif
                });
            }),
            2.0 * static_cast<double>(size)};
}

Contender incrementProbe(std::int64_t increments) {
    constexpr std::int64_t kChunk = 1 << 18;
    constexpr std::size_t kIndices = 1 << 13;
    auto indices = std::make_shared<std::vector<std::uint16_t>>(kIndices);
    for (std::size_t i = 0; i < indices->size(); ++i) {
        (*indices)[i] = static_cast<std::uint16_t>(randomBits(1, i) % 4096);
    }
    Contender probe;
    probe.name = "probe: increments, data in the cache";
    probe.elements = static_cast<double>(increments);
    probe.run = timed([=] {
        parallelFor(increments, kChunk, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            alignas(64) static thread_local std::uint32_t tables[2][4096];
            const std::uint16_t* const places = indices->data();
            std::uint32_t* const even = tables[0];
            std::uint32_t* const odd = tables[1];
            std::size_t at = 0;
            for (std::int64_t i = begin; i < end; i += 4) {
                std::uint64_t four;
                std::memcpy(&four, places + at, sizeof four);
                ++even[four & 0xffffU];
                ++odd[(four >> 16) & 0xffffU];
                ++even[(four >> 32) & 0xffffU];
                ++odd[four >> 48];
                at = (at + 4) % kIndices;
            }
        });
    });
    return probe;
}

void fillWeights(float* out, std::int64_t rows, std::int64_t cols) {
    // One row of honest draws for each of 64 seeds, reused in turn with a shift: generating is not what is timed.
    constexpr std::int64_t kRows = 64;
    std::vector<float> base(static_cast<std::size_t>(std::min(rows, kRows) * cols));
    parallelFor(static_cast<std::int64_t>(base.size()), 1 << 14, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t i = begin; i < end; ++i) {
            const bool loud = randomUniform(9, static_cast<std::uint64_t>(i % cols)) < 0.005;
            base[static_cast<std::size_t>(i)] = static_cast<float>(0.02 * (loud ? 8 : 1) * randomStudentT(4, static_cast<std::uint64_t>(i), 5));
        }
    });
    parallelFor(rows, 16, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        for (std::int64_t r = begin; r < end; ++r) {
            const float factor = 1.0F + 1e-3F * static_cast<float>(r % 997);
            const float* from = base.data() + r % std::min(rows, kRows) * cols;
            for (std::int64_t c = 0; c < cols; ++c) {
                out[r * cols + c] = from[c] * factor;
            }
        }
    });
}

std::pair<std::int64_t, std::int64_t> parseShape(const std::string& text) {
    const std::size_t x = text.find('x');
    return {std::stoll(text), x == std::string::npos ? std::stoll(text) : std::stoll(text.substr(x + 1))};
}

double peakMebibytes() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
}

void countAsOurs(int pid) { ownProcesses().push_back(pid); }

// --- peers --------------------------------------------------------------------------------------------------------

std::shared_ptr<PythonPeer> PythonPeer::start(const std::string& script, const std::vector<std::string>& arguments) {
    const char* python = std::getenv("LOUPE_PEER_PYTHON");
    if (python == nullptr) {
        std::printf("   no peer: LOUPE_PEER_PYTHON is not set\n");
        return nullptr;
    }
    ::signal(SIGPIPE, SIG_IGN);
    const std::string loop = script + "\nimport time\nprint('ready', version, flush=True)\nfor line in sys.stdin:\n    t = time.perf_counter()\n    work()\n"
                                      "    print(time.perf_counter() - t, flush=True)\n";
    int toChild[2];
    int fromChild[2];
    // Not inherited: a second peer that held the first one's input open would keep it from ending.
    if (::pipe2(toChild, O_CLOEXEC) != 0 || ::pipe2(fromChild, O_CLOEXEC) != 0) {
        return nullptr;
    }
    std::vector<std::string> words{python, "-c", loop};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    const int pid = ::fork();
    if (pid == 0) {
        ::dup2(toChild[0], 0);
        ::dup2(fromChild[1], 1);
        ::setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592", 1);
        ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    ::close(toChild[0]);
    ::close(fromChild[1]);
    std::shared_ptr<PythonPeer> peer(new PythonPeer);
    peer->pid_ = pid;
    peer->in_ = toChild[1];
    peer->out_ = fromChild[0];
    peer->greeting_ = peer->readLine();
    if (peer->greeting_.rfind("ready", 0) != 0) {
        std::printf("   no peer: the Python process did not start: %s\n", peer->greeting_.c_str());
        return nullptr;
    }
    peer->greeting_.erase(0, 6);
    countAsOurs(pid);
    return peer;
}

std::string PythonPeer::readLine() {
    for (;;) {
        const std::size_t end = pending_.find('\n');
        if (end != std::string::npos) {
            const std::string line = pending_.substr(0, end);
            pending_.erase(0, end + 1);
            return line;
        }
        char block[256];
        const ssize_t got = ::read(out_, block, sizeof block);
        if (got <= 0) {
            return pending_;
        }
        pending_.append(block, static_cast<std::size_t>(got));
    }
}

double PythonPeer::run() {
    if (::write(in_, "r\n", 2) != 2) {
        return 0;
    }
    return std::strtod(readLine().c_str(), nullptr);
}

PythonPeer::~PythonPeer() {
    ::close(in_);
    ::close(out_);
    ::waitpid(pid_, nullptr, 0);
    std::erase(ownProcesses(), pid_);
}

namespace {

struct Case {
    const char* id;
    void (*run)(const Options&);
};
constexpr Case kCases[] = {
#define LOUPE_BENCH(id) {#id, bench_##id},
#include "tests/bench/cases.def"
#undef LOUPE_BENCH
};

int main(int argc, char* argv[]) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    std::string chosen;
    Options options;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i].rfind("--", 0) != 0) {
            chosen = arguments[i];
        } else if (i + 1 < arguments.size() && arguments[i + 1].rfind("--", 0) != 0) {
            options.values[arguments[i].substr(2)] = arguments[i + 1];
            ++i;
        } else {
            options.values[arguments[i].substr(2)] = "";
        }
    }
    smokeRun = options.smoke();
    if (options.has("threads")) {
        setComputeThreads(std::stoi(options.get("threads", "1")));
    }
    bool found = false;
    for (const Case& entry : kCases) {
        if (options.has("list")) {
            std::printf("%s\n", entry.id);
        } else if (chosen == entry.id || (chosen.empty() && smokeRun)) {
            std::printf("# %s: %d threads, CPU kernels %s\n", entry.id, computeThreads(), std::string(cpuTargetName(cpuTarget())).c_str());
            entry.run(options);
            found = true;
        }
    }
    if (!found && !options.has("list")) {
        std::fprintf(stderr, "bench: no such case '%s'; bench --list names them\n", chosen.c_str());
        return 2;
    }
    return 0;
}

}  // namespace

}  // namespace loupe::bench

int main(int argc, char* argv[]) { return loupe::bench::main(argc, argv); }
