// SPDX-License-Identifier: Apache-2.0
// bench quant --format q4_k,... [--verify] [--pair ggml] [--cpu-time]: see quant.cpp.
#include "tests/bench/quant_ggml.hpp"

#include "core/base/worker_pool.hpp"
#include "core/blocks/block_layout.hpp"

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <time.h>

namespace loupe::bench {

namespace {

/// ggml_quantize_chunk(type, weights, blocks, first element, rows, columns, importance matrix).
using Chunk = std::size_t (*)(
    int, const float*, void*, std::int64_t, std::int64_t, std::int64_t, const float*);

Chunk openPeer(const Options& options) {
    if (options.get("pair", "") != "ggml" && !options.has("verify")) {
        return nullptr;
    }
    const char* path = std::getenv("LOUPE_PEER_GGML");
    void* library = path == nullptr ? nullptr : ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        std::printf("no peer: LOUPE_PEER_GGML names no libggml-base.so that opens\n");
        return nullptr;
    }
    return reinterpret_cast<Chunk>(::dlsym(library, "ggml_quantize_chunk"));
}

/// Seconds of all of this process's threads: on a busy machine these stay what they are.
double processorSeconds() {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Contender inProcessorTime(Contender contender, bool wanted) {
    if (wanted) {
        contender.run = [run = std::move(contender.run)] {
            const double before = processorSeconds();
            (void)run();
            return processorSeconds() - before;
        };
    }
    return contender;
}

struct Work {
    const BlockLayout* layout;
    std::int64_t rows, cols;
    std::int64_t rowBytes;
    Buffer weights;
    Buffer ours;
    Buffer theirs;
};

constexpr std::int64_t kRowsPerChunk = 16;

void encodeOurs(const Work& work) {
    parallelFor(
        work.rows, kRowsPerChunk, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            work.layout->pack(work.weights.as<float>() + begin * work.cols,
                              (end - begin) * work.cols / work.layout->elements,
                              work.ours.data() + begin * work.rowBytes);
        });
}

void encodeTheirs(const Work& work, Chunk peer) {
    parallelFor(
        work.rows, kRowsPerChunk, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            (void)peer(static_cast<int>(*work.layout->ggmlType),
                       work.weights.as<float>(),
                       work.theirs.data(),
                       begin * work.cols,
                       end - begin,
                       work.cols,
                       nullptr);
        });
}

void verify(const Work& work, Chunk peer) {
    encodeOurs(work);
    encodeTheirs(work, peer);
    const std::int64_t bytes = work.rows * work.rowBytes;
    std::int64_t differing = 0;
    for (std::int64_t i = 0; i < bytes; ++i) {
        differing += work.ours.data()[i] != work.theirs.data()[i] ? 1 : 0;
    }
    std::printf("%s: %lld of %lld bytes differ from the peer's\n",
                work.layout->id.data(),
                static_cast<long long>(differing),
                static_cast<long long>(bytes));
}

}  // namespace

void quantGgml(const BlockLayout& layout,
               std::int64_t rows,
               std::int64_t cols,
               const Options& options) {
    if (layout.pack == nullptr || !layout.ggmlType || cols % layout.elements != 0) {
        std::printf("%s: no quantizer, or rows are not whole blocks of %d\n",
                    layout.id.data(),
                    layout.elements);
        return;
    }
    const std::int64_t rowBytes = cols / layout.elements * layout.bytes;
    const Work work{&layout,
                    rows,
                    cols,
                    rowBytes,
                    Buffer(static_cast<std::size_t>(rows * cols) * sizeof(float)),
                    Buffer(static_cast<std::size_t>(rows * rowBytes)),
                    Buffer(static_cast<std::size_t>(rows * rowBytes))};
    fillWeights(work.weights.as<float>(), rows, cols);
    const Chunk peer = openPeer(options);
    if (peer != nullptr) {
        verify(work, peer);
    }
    const auto elements = static_cast<double>(rows * cols);
    const double bytes = elements * 4 + static_cast<double>(rows * rowBytes);
    const bool processor = options.has("cpu-time");
    std::vector<Contender> contenders{
        inProcessorTime({"ours", timed([&work] { encodeOurs(work); }), bytes, elements}, processor),
        inProcessorTime(readProbe(work.weights), processor)};
    if (peer != nullptr) {
        contenders.push_back(inProcessorTime(
            {"ggml", timed([&work, peer] { encodeTheirs(work, peer); }), bytes, elements},
            processor));
    }
    const std::vector<Timing> times =
        interleave("quant " + std::string(layout.id) + " " + std::to_string(rows) + "x" +
                       std::to_string(cols) + (processor ? ", processor time" : ""),
                   contenders,
                   options.repeats(9));
    printRatio("quantize: share of the read probe", times[1].median / times[0].median);
    if (peer != nullptr) {
        printRatio("quantize: times faster than ggml, equal threads",
                   times[2].median / times[0].median);
    }
}

}  // namespace loupe::bench
