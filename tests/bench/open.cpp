// SPDX-License-Identifier: Apache-2.0
// bench open [--sparse 2,20,200] [--tensors 1000] [--pair numpy]: opening sparse safetensors files of so many GB.
// bench open --gguf llama3 [--pair gguf]: opening a GGUF model with a vocabulary of Llama 3's size.
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

constexpr const char* kGgufPeer = R"(
import sys
import gguf
version = "gguf-py GGUFReader"
path = sys.argv[1]
def work():
    gguf.GGUFReader(path)
)";

/// Writes the fields of a GGUF header one after the other.
class GgufFile {
public:
    explicit GgufFile(const std::string& path) : file_(path, std::ios::binary) {}
    template <class T>
    void number(T value) {
        file_.write(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void text(const std::string& value) {
        number(static_cast<std::uint64_t>(value.size()));
        file_ << value;
    }
    void array(const std::string& key, std::uint32_t type, std::uint64_t count) {
        text(key);
        number(std::uint32_t{9});
        number(type);
        number(count);
    }
    [[nodiscard]] std::uint64_t size() { return static_cast<std::uint64_t>(file_.tellp()); }

private:
    std::ofstream file_;
};

/// The tensors of Llama 3 8B in FP16 (291, no data written) and its 128,256 tokens with types and 280,147 merges: made-up
/// strings of the usual lengths, 9 MB of header.
std::string makeLlama3(int tokens, int merges) {
    const std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("loupe-bench-" + std::to_string(::getpid()) + ".gguf");
    const auto word = [](int i) { return std::string("\xC4\xA0") + std::to_string(i) + (i % 3 == 0 ? "tion" : "e"); };
    constexpr std::uint64_t kTensors = 291;
    std::uint64_t end = 0;
    {
        GgufFile file(path.string());
        file.number(std::uint32_t{0x46554747});
        file.number(std::uint32_t{3});
        file.number(kTensors);
        file.number(std::uint64_t{4});
        file.text("general.architecture");
        file.number(std::uint32_t{8});
        file.text("llama");
        file.array("tokenizer.ggml.tokens", 8, static_cast<std::uint64_t>(tokens));
        for (int i = 0; i < tokens; ++i) {
            file.text(word(i));
        }
        file.array("tokenizer.ggml.token_type", 5, static_cast<std::uint64_t>(tokens));
        for (int i = 0; i < tokens; ++i) {
            file.number(std::int32_t{1});
        }
        file.array("tokenizer.ggml.merges", 8, static_cast<std::uint64_t>(merges));
        for (int i = 0; i < merges; ++i) {
            file.text(word(i % 1000) + " " + word(i / 7));
        }
        constexpr std::uint64_t kBytes = std::uint64_t{4096} * 4096 * 2;
        for (std::uint64_t i = 0; i < kTensors; ++i) {
            file.text("blk." + std::to_string(i / 9) + ".tensor_" + std::to_string(i % 9) + ".weight");
            file.number(std::uint32_t{2});
            file.number(std::uint64_t{4096});
            file.number(std::uint64_t{4096});
            file.number(std::uint32_t{1});
            file.number(i * kBytes);
        }
        end = (file.size() + 31) / 32 * 32 + kTensors * kBytes;
    }
    std::filesystem::resize_file(path, end);
    return path.string();
}

/// Most resident memory since the last call with `reset`, MiB; 0 where the system does not say.
double highWater(bool reset) {
    if (reset) {
        std::ofstream("/proc/self/clear_refs") << "5";
    }
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.rfind("VmHWM:", 0) == 0) {
            return std::stod(line.substr(6)) / 1024;
        }
    }
    return 0;
}

void openGguf(const Options& options) {
    const std::string path = options.smoke() ? makeLlama3(100, 200) : makeLlama3(128256, 280147);
    const double floor = highWater(true);
    {
        const auto source = openSource(path);
        if (!source || (*source)->tensors().size() != 291) {
            std::printf("could not be opened\n");
        }
    }
    const double peak = highWater(false);
    std::vector<Contender> contenders{{"ours: open the model", timed([&] {
                                           if (!openSource(path)) {
                                               std::printf("could not be opened\n");
                                           }
                                       })}};
    std::shared_ptr<PythonPeer> peer;
    if (options.get("pair", "") == "gguf") {
        peer = PythonPeer::start(kGgufPeer, {path});
    }
    if (peer) {
        contenders.push_back({"peer: " + peer->greeting(), [peer] { return peer->run(); }});
    }
    const auto t = interleave("open a GGUF model with 128,256 tokens and 280,147 merges", contenders, options.repeats(peer ? 3 : 51));
    if (peer) {
        printRatio("times faster than the peer", t[1].median / t[0].median);
    }
    std::printf("memory over the floor %.1f MiB\n", peak - floor);
    std::filesystem::remove(path);
}

}  // namespace

void bench_open(const Options& options) {
    if (options.has("gguf") || options.smoke()) {
        openGguf(options);
        if (!options.smoke()) {
            return;
        }
    }
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
