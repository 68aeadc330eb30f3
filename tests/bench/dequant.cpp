// SPDX-License-Identifier: Apache-2.0
// bench dequant [--format all|q4_k,...] [--shape 4096x4096] [--whole] [--pair ggml]
// Packed weights to FP32 on one thread, row by row into one row's buffer as views and scans do it,
// or with --whole into a matrix of its own, which memory limits. The peer is the libggml-base.so
// named by LOUPE_PEER_GGML; its values must be ours, bit for bit, before anything is timed.
#include "core/base/cpu_dispatch.hpp"
#include "core/base/rng.hpp"
#include "core/blocks/block_layout.hpp"
#include "tests/bench/bench.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

namespace loupe::bench {

namespace {

using Peer = void (*)(const void* blocks, float* out, std::int64_t count);

/// ggml's decoder of a type; nullptr where there is no library or no such function.
Peer peerOf(void* library, const BlockLayout& layout) {
    if (library == nullptr || !layout.ggmlType) {
        return nullptr;
    }
    std::string name(layout.id);
    if (name.rfind("ggml_", 0) == 0) {
        name.erase(0, 5);
    }
    if (name.size() > 2 && name.compare(name.size() - 2, 2, "_k") == 0) {
        name.back() = 'K';
    }
    return reinterpret_cast<Peer>(::dlsym(library, ("dequantize_row_" + name).c_str()));
}

void* openPeer(const Options& options) {
    if (options.get("pair", "") != "ggml") {
        return nullptr;
    }
    const char* path = std::getenv("LOUPE_PEER_GGML");
    void* library = path == nullptr ? nullptr : ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
        std::printf("no peer: LOUPE_PEER_GGML names no libggml-base.so that opens\n");
    }
    return library;
}

/// Random codes; scales that checkpoints could have: an FP16 with the top exponent bit cleared is
/// below 2.
void fillBlocks(const BlockLayout& layout, std::byte* blocks, std::int64_t bytes) {
    for (std::int64_t i = 0; i < bytes; ++i) {
        blocks[i] =
            std::byte{static_cast<unsigned char>(randomBits(7, static_cast<std::uint64_t>(i)))};
    }
    for (std::byte* block = blocks; block < blocks + bytes; block += layout.bytes) {
        for (const BlockField& field : layout.fields) {
            const bool scale = field.role == BlockRole::Scale || field.role == BlockRole::Minimum;
            if (scale && field.bytes >= 2) {
                block[field.offset + field.bytes - 1] &= std::byte{0x3F};
            } else if (scale) {
                block[field.offset] = std::byte{120};
            }
        }
        if (layout.id == "iq1_m") {
            block[layout.bytes - 1] &= std::byte{0x3F};
        }
    }
}

struct Work {
    const BlockLayout* layout;
    std::int64_t rows, cols;
    std::int64_t rowBytes;
    bool whole;
    Buffer blocks;
    Buffer out;
};

void decodeOurs(const Work& work) {
    for (std::int64_t row = 0; row < work.rows; ++row) {
        work.layout->unpack(work.blocks.data() + row * work.rowBytes,
                            work.cols / work.layout->elements,
                            work.out.as<float>() + (work.whole ? row * work.cols : 0));
    }
}

void decodeTheirs(const Work& work, Peer peer) {
    for (std::int64_t row = 0; row < work.rows; ++row) {
        peer(work.blocks.data() + row * work.rowBytes,
             work.out.as<float>() + (work.whole ? row * work.cols : 0),
             work.cols);
    }
}

/// Compares the first rows with the peer's, bit for bit.
bool agrees(const Work& work, Peer peer) {
    const std::int64_t rows = std::min<std::int64_t>(work.rows, 64);
    std::vector<float> ours(static_cast<std::size_t>(work.cols));
    std::vector<float> theirs(ours.size());
    for (std::int64_t row = 0; row < rows; ++row) {
        const std::byte* from = work.blocks.data() + row * work.rowBytes;
        work.layout->unpack(from, work.cols / work.layout->elements, ours.data());
        peer(from, theirs.data(), work.cols);
        if (std::memcmp(ours.data(), theirs.data(), ours.size() * sizeof(float)) != 0) {
            return false;
        }
    }
    return true;
}

void runFormat(const BlockLayout& layout, void* library, const Options& options) {
    const auto [rows, cols] =
        parseShape(options.get("shape", options.smoke() ? "4x512" : "4096x4096"));
    if (cols % layout.elements != 0) {
        std::printf("%s: a row must be whole blocks of %d\n", layout.id.data(), layout.elements);
        return;
    }
    const std::int64_t rowBytes = cols / layout.elements * layout.bytes;
    const bool whole = options.has("whole");
    const Work work{&layout,
                    rows,
                    cols,
                    rowBytes,
                    whole,
                    Buffer(static_cast<std::size_t>(rows * rowBytes)),
                    Buffer(static_cast<std::size_t>((whole ? rows : 1) * cols) * sizeof(float))};
    fillBlocks(layout, work.blocks.data(), rows * rowBytes);
    const Peer peer = peerOf(library, layout);
    if (peer != nullptr && !agrees(work, peer)) {
        std::printf("%s: OTHER VALUES than the peer's; not timed\n", layout.id.data());
        return;
    }
    const auto elements = static_cast<double>(rows * cols);
    const auto bytes = static_cast<double>(rows * rowBytes);
    std::vector<Contender> contenders{
        {"ours", timed([&work] { decodeOurs(work); }), bytes, elements}, readProbe(work.blocks)};
    if (peer != nullptr) {
        contenders.push_back(
            {"ggml", timed([&work, peer] { decodeTheirs(work, peer); }), bytes, elements});
    }
    const std::vector<Timing> times =
        interleave("dequant " + std::string(layout.id) + " " + std::to_string(rows) + "x" +
                       std::to_string(cols) + (whole ? " whole" : " by rows") + ", " +
                       std::string(cpuTargetName(cpuTarget())),
                   contenders,
                   options.repeats(9));
    if (options.smoke()) {
        return;
    }
    printRatio("read probe / ours, time of the packed bytes", times[1].median / times[0].median);
    if (peer != nullptr) {
        printRatio("ggml / ours, " + std::string(layout.id), times[2].median / times[0].median);
    }
}

}  // namespace

void bench_dequant(const Options& options) {
    void* library = openPeer(options);
    const std::string wanted = options.get("format", "all");
    const std::vector<std::string> list = options.list("format", "all");
    for (const BlockLayout* layout : allBlockLayouts()) {
        if (wanted == "all" || std::find(list.begin(), list.end(), layout->id) != list.end()) {
            runFormat(*layout, library, options);
        }
    }
    if (library != nullptr) {
        ::dlclose(library);
    }
}

}  // namespace loupe::bench
