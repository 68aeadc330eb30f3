// SPDX-License-Identifier: Apache-2.0
// bench open [--sparse 2,20,200] [--tensors 1000] [--pair numpy]: opening sparse safetensors files of so many GB.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "core/io/tensor_source.hpp"
#include "tests/bench/bench.hpp"

namespace loupe::bench {

namespace {

/// A view per tensor with numpy.memmap, the header by json: what a script does.
constexpr const char* kPeer = R"(
import sys, json, struct
import numpy as np
path = sys.argv[1]
version = "numpy " + np.__version__ + ", a view per tensor"
def work():
    data = np.memmap(path, dtype=np.uint8, mode="r")
    size = struct.unpack("<Q", data[:8].tobytes())[0]
    header = json.loads(data[8:8 + size].tobytes())
    base = 8 + size
    views = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        views[name] = data[base + begin:base + end].view(np.float32).reshape(entry["shape"])
)";

std::string makeSparse(double gigabytes, int tensors) {
    const std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("loupe-bench-" + std::to_string(::getpid()) + "-" + std::to_string(gigabytes) + ".safetensors");
    const auto cols = static_cast<std::int64_t>(gigabytes * 1e9 / tensors / 4 / 1024);
    const std::int64_t bytes = cols * 1024 * 4;
    std::string header = "{";
    for (int i = 0; i < tensors; ++i) {
        header += (i == 0 ? "\"" : ",\"") + std::string("model.layers.") + std::to_string(i / 7) + ".block." + std::to_string(i % 7) + ".weight\":{\"dtype\":\"F32\",\"shape\":[1024," +
                  std::to_string(cols) + "],\"data_offsets\":[" + std::to_string(i * bytes) + "," + std::to_string((i + 1) * bytes) + "]}";
    }
    header += "}";
    header.append((8 - header.size() % 8) % 8, ' ');
    std::ofstream file(path, std::ios::binary);
    const std::uint64_t size = header.size();
    file.write(reinterpret_cast<const char*>(&size), sizeof size);
    file << header;
    file.close();
    std::filesystem::resize_file(path, 8 + header.size() + static_cast<std::uintmax_t>(bytes) * static_cast<std::uintmax_t>(tensors));
    return path.string();
}

}  // namespace

void bench_open(const Options& options) {
    const int tensors = std::stoi(options.get("tensors", options.smoke() ? "10" : "1000"));
    std::vector<double> medians;
    for (const std::string& size : options.list("sparse", options.smoke() ? "0.001" : "2,20,200")) {
        const std::string path = makeSparse(std::stod(size), tensors);
        std::vector<Contender> contenders{{"ours: open with full validation", timed([&] {
                                               if (const auto source = openSource(path); !source || source.value()->tensors().size() != static_cast<std::size_t>(tensors)) {
                                                   std::printf("could not be opened\n");
                                               }
                                           })}};
        std::shared_ptr<PythonPeer> peer;
        if (options.get("pair", "") == "numpy") {
            peer = PythonPeer::start(kPeer, {path});
        }
        if (peer) {
            contenders.push_back({"peer: " + peer->greeting(), [peer] { return peer->run(); }});
        }
        const auto t = interleave("open " + size + " GB, " + std::to_string(tensors) + " tensors", contenders, options.repeats(31));
        if (peer) {
            printRatio("times faster than the peer", t[1].median / t[0].median);
        }
        medians.push_back(t[0].median);
        std::filesystem::remove(path);
    }
    if (medians.size() > 1) {
        printRatio("largest file over smallest", medians.back() / medians.front());
    }
    std::printf("peak memory %.1f MiB\n", peakMebibytes());
}

}  // namespace loupe::bench
