// SPDX-License-Identifier: Apache-2.0
// bench scan --file F [--cold] [--probe] [--repeats N]: statistics of every tensor of a checkpoint, its memory, and a
// read-only pass. --probe also times reads from memory and gives the rate for 40 GB/s of them (its 256 MiB come after the
// peak is taken). With --repeats 0 only the peak is taken: for files larger than the memory.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>

#include "core/base/worker_pool.hpp"
#include "core/io/tensor_source.hpp"
#include "core/stats/tensor_stats.hpp"
#include "tests/bench/bench.hpp"

namespace loupe::bench {

namespace {

/// Asks the kernel to forget the file's pages; the machine below may still have them.
void evict(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY);
    if (file >= 0) {
        ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        ::close(file);
    }
}

/// 256 KiB reads of the whole file on all threads: as fast as it comes.
void readOnly(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY);
    const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path));
    parallelFor(size, 1 << 18, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        static thread_local std::vector<char> block(1 << 18);
        if (::pread(file, block.data(), static_cast<std::size_t>(end - begin), begin) < 0) {
            std::printf("read error\n");
        }
    });
    ::close(file);
}

void scanAll(const std::string& path) {
    const auto source = openSource(path).value();
    for (std::size_t i = 0; i < source->tensors().size(); ++i) {
        if (const auto matrix = source->matrix(i)) {
            (void)computeStats(**matrix);
        }
    }
}

std::string smokeFile() {
    const std::filesystem::path path = std::filesystem::temp_directory_path() / ("loupe-bench-" + std::to_string(::getpid()) + ".csv");
    std::ofstream(path) << "1,2,3\n4,5,6\n";
    return path.string();
}

template <class Prepared>
void compare(const std::string& path, bool cold, double bytes, const Prepared& prepared, const Options& options) {
    std::vector<Contender> contenders{{"ours: statistics of every tensor", prepared([&] { scanAll(path); }), bytes},
                                      {"probe: read-only pass (pread)", prepared([&] { readOnly(path); }), bytes}};
    std::optional<Buffer> memory;
    if (options.has("probe")) {
        memory.emplace(std::size_t{256} << 20U);
        contenders.push_back(readProbe(*memory));
    }
    const auto t = interleave(std::string("scan, ") + (cold ? "cold" : "warm"), contenders, options.repeats(5));
    printRatio("share of the read-only pass", t[1].median / t[0].median);
    if (memory) {
        const double memoryRate = static_cast<double>(memory->size()) / t[2].median;
        printRatio("GB/s for each 40 GB/s of reads from memory (goal 9)", 40 * (bytes / t[0].median) / memoryRate);
    }
}

}  // namespace

void bench_scan(const Options& options) {
    const std::string path = options.smoke() ? smokeFile() : options.get("file", "");
    if (path.empty()) {
        std::printf("bench scan needs --file\n");
        return;
    }
    const bool cold = options.has("cold");
    const auto bytes = static_cast<double>(std::filesystem::file_size(path));
    const auto prepared = [&](std::function<void()> work) {
        const auto run = timed(std::move(work));
        return [=] {
            if (cold) {
                evict(path);
            }
            return run();
        };
    };
    const double before = peakMebibytes();
    (void)prepared([&] { scanAll(path); })();
    std::printf("peak memory %.1f MiB (before the scan %.1f MiB), file %.1f MiB\n", peakMebibytes(), before, bytes / 1048576);
    if (options.repeats(5) > 0) {
        compare(path, cold, bytes, prepared, options);
    }
    if (options.smoke()) {
        std::filesystem::remove(path);
    }
}

}  // namespace loupe::bench
