// SPDX-License-Identifier: Apache-2.0
// bench round [--to bf16,fp16,e4m3] [--shape 11008x4096] [--probe] [--pair torch]: rounding to a format and back.
#include <cstdio>

#include "core/base/worker_pool.hpp"
#include "core/formats/codec.hpp"
#include "core/formats/number_format.hpp"
#include "tests/bench/bench.hpp"

namespace loupe::bench {

namespace {

/// The same work: FP32 to the format and back to FP32 (NumPy: fp8 through a table of all 16-bit patterns).
constexpr const char* kPeer = R"(
import sys
module, name, rows, cols = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
import numpy as np
data = (np.random.default_rng(1).standard_t(5, (rows, cols)) * 0.02).astype(np.float32)
import torch
torch.set_grad_enabled(False)
version = "torch " + torch.__version__ + ", to " + name + " and back, threads " + str(torch.get_num_threads())
x = torch.from_numpy(data)
kind = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp8_e4m3": torch.float8_e4m3fn, "fp8_e5m2": torch.float8_e5m2}[name]
out = torch.empty_like(x)
def work():
    out.copy_(x.to(kind))
)";

}  // namespace

void bench_round(const Options& options) {
    const auto [rows, cols] = parseShape(options.smoke() ? "16x64" : options.get("shape", "11008x4096"));
    const std::int64_t count = rows * cols;
    const Buffer in(static_cast<std::size_t>(count) * 4);
    const Buffer out(static_cast<std::size_t>(count) * 4);
    fillWeights(in.as<float>(), rows, cols);
    for (std::string name : options.list("to", "bf16,fp16,e4m3")) {
        name = name == "e4m3" || name == "e5m2" ? "fp8_" + name : name;
        const NumberFormat* format = findFormat(name);
        if (format == nullptr) {
            std::printf("no such format: %s\n", name.c_str());
            continue;
        }
        std::vector<Contender> contenders{{"ours: roundTrip to " + name, timed([&, format] {
                                               parallelFor(count, 1 << 16, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
                                                   const auto size = static_cast<std::size_t>(end - begin);
                                                   (void)roundTrip(*format, std::span<const float>(in.as<float>() + begin, size), std::span<float>(out.as<float>() + begin, size));
                                               });
                                           }),
                                           8.0 * static_cast<double>(count), static_cast<double>(count)},
                                          copyProbe(in, out)};
        std::shared_ptr<PythonPeer> peer;
        if (options.get("pair", "") == "torch") {
            peer = PythonPeer::start(kPeer, {"torch", name, std::to_string(rows), std::to_string(cols)});
        }
        if (peer) {
            contenders.push_back({"peer: " + peer->greeting(), [peer] { return peer->run(); }, 8.0 * static_cast<double>(count), static_cast<double>(count)});
        }
        const auto t = interleave("round to " + name, contenders, options.repeats(11));
        printRatio("share of the copy probe", t[1].median / t[0].median);
        if (peer) {
            printRatio("times faster than the peer", t[2].median / t[0].median);
        }
    }
}

}  // namespace loupe::bench
