// SPDX-License-Identifier: Apache-2.0
// bench stats [--dtype bf16|f32|f16] [--shape 11008x4096] [--no-hist] [--probe] [--pair torch,numpy]
#include "core/stats/tensor_stats.hpp"

#include <cstdio>
#include <cstring>

#include "core/base/worker_pool.hpp"
#include "core/formats/codec.hpp"
#include "core/stats/stats_kernels.hpp"
#include "tests/bench/bench.hpp"

namespace loupe::bench {

namespace {

/// The quantities that computeStats gives, by the fewest whole-array operations: ranges and sums of squares of rows and
/// columns, moments of the whole, histogram.
constexpr const char* kPeer = R"(
import sys
module, dtype, rows, cols, hist = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "1"
import numpy as np
rng = np.random.default_rng(1)
data = (rng.standard_t(5, (rows, cols), ) * 0.02).astype(np.float32)
if module == "torch":
    import torch
    torch.set_grad_enabled(False)
    version = "torch " + torch.__version__ + ", threads " + str(torch.get_num_threads())
    stored = torch.from_numpy(data).to({"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}[dtype])
    def work():
        x = stored.float()
        x2 = x * x
        for axis in (1, 0):
            low, high = torch.aminmax(x, dim=axis)
            torch.maximum(-low, high)
            x2.sum(axis)
        if hist:
            m = x.mean()
            x.var(correction=0)
            x3 = x2 * x
            x3.sum()
            (x3 * x).sum()
            torch.histc(x, 1024)
else:
    version = "numpy " + np.__version__
    bits = data.view(np.uint32)
    stored = data if dtype == "f32" else (bits >> 16).astype(np.uint16) if dtype == "bf16" else data.astype(np.float16)
    def work():
        x = stored if dtype == "f32" else (stored.astype(np.uint32) << 16).view(np.float32) if dtype == "bf16" else stored.astype(np.float32)
        x2 = x * x
        for axis in (1, 0):
            low, high = x.min(axis=axis), x.max(axis=axis)
            np.maximum(-low, high)
            x2.sum(axis=axis)
        if hist:
            x.mean()
            x3 = x2 * x
            x3.sum()
            (x3 * x).sum()
            np.histogram(x, bins=1024)
)";

class BufferSource : public RowSource {
public:
    BufferSource(std::int64_t rows, std::int64_t cols, const StorageType* type, const Buffer& bytes)
        : rows_(rows), cols_(cols), type_(type), bytes_(bytes.data(), static_cast<std::size_t>(rows * cols * type->bits / 8)) {}
    std::int64_t rows() const override { return rows_; }
    std::int64_t cols() const override { return cols_; }
    bool isDouble() const override { return false; }
    Result<void> read(std::int64_t first, std::int64_t count, float* out) const override {
        decodeElements(*type_, bytes_, first * cols_, count * cols_, out);
        return {};
    }
    Result<void> read(std::int64_t first, std::int64_t count, double* out) const override {
        decodeElements(*type_, bytes_, first * cols_, count * cols_, out);
        return {};
    }
    std::optional<RawMatrix> raw() const override { return RawMatrix{type_, bytes_}; }

private:
    std::int64_t rows_, cols_;
    const StorageType* type_;
    std::span<const std::byte> bytes_;
};

/// Ranges of rows and columns alone, as computeStats does them but for the counts.
void rangesOnly(const Buffer& data, std::int64_t rows, std::int64_t cols, bool bf16) {
    constexpr std::int64_t kRows = 64;
    const StatsKernels& kernels = statsKernels();
    const std::int64_t bytes = bf16 ? 2 : 4;
    parallelFor(rows, kRows, {}, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
        static thread_local std::vector<float> columns, rowRanges;
        static thread_local std::vector<double> squares;
        columns.assign(static_cast<std::size_t>(3 * cols), 0);
        rowRanges.assign(2 * kRows, 0);
        squares.assign(kRows, 0);
        const RangeTargets targets{columns.data(), columns.data() + cols, columns.data() + 2 * cols, rowRanges.data(), rowRanges.data() + kRows, squares.data()};
        const KernelTile tile{data.as<const unsigned char>() + begin * cols * bytes, end - begin, cols, cols};
        (bf16 ? kernels.rangesBf16 : kernels.rangesF32)(tile, targets);
    });
}

}  // namespace

void bench_stats(const Options& options) {
    const std::string dtype = options.get("dtype", "bf16");
    const auto [rows, cols] = parseShape(options.smoke() ? "64x96" : options.get("shape", "11008x4096"));
    const StorageType* type = findStorageType(dtype == "f32" ? "fp32" : dtype == "f16" ? "fp16" : dtype);
    if (type == nullptr) {
        std::printf("no such dtype: %s\n", dtype.c_str());
        return;
    }
    const std::int64_t count = rows * cols;
    const Buffer stored(static_cast<std::size_t>(count * type->bits / 8));
    {
        const Buffer floats(static_cast<std::size_t>(count) * 4);
        fillWeights(floats.as<float>(), rows, cols);
        if (type->bits == 32) {
            std::memcpy(stored.data(), floats.data(), static_cast<std::size_t>(count) * 4);
        } else {
            const std::span<const float> values(floats.as<float>(), static_cast<std::size_t>(count));
            const auto done = encodeArray(*type->format, values, std::span<std::uint16_t>(stored.as<std::uint16_t>(), values.size()));
            if (!done) {
                std::printf("%s\n", done.error().message().c_str());
                return;
            }
        }
    }
    const BufferSource source(rows, cols, type, stored);
    const double bytes = static_cast<double>(count) * type->bits / 8;
    const bool hist = !options.has("no-hist");
    std::vector<Contender> contenders;
    if (hist) {
        contenders.push_back({"ours: computeStats", timed([&] { (void)computeStats(source).value(); }), bytes, static_cast<double>(count)});
        contenders.push_back(incrementProbe(count));
    } else {
        contenders.push_back({"ours: row and column ranges", timed([&] { rangesOnly(stored, rows, cols, type->bits == 16); }), bytes, static_cast<double>(count)});
    }
    Contender read = readProbe(stored);
    read.bytes = bytes;
    contenders.push_back(read);
    std::vector<std::shared_ptr<PythonPeer>> peers;
    for (const std::string& name : options.list("pair", "")) {
        auto peer = PythonPeer::start(kPeer, {name, dtype, std::to_string(rows), std::to_string(cols), hist ? "1" : "0"});
        if (peer) {
            contenders.push_back({"peer: " + peer->greeting(), [peer] { return peer->run(); }, bytes, static_cast<double>(count)});
            peers.push_back(std::move(peer));
        }
    }
    const auto t = interleave("stats " + dtype + " " + std::to_string(rows) + "x" + std::to_string(cols), contenders, options.repeats(15));
    for (std::size_t i = 1; i < contenders.size(); ++i) {
        const bool probe = contenders[i].name.rfind("probe", 0) == 0;
        printRatio(probe ? "share of " + contenders[i].name : "times faster than " + contenders[i].name, t[i].median / t[0].median);
    }
}

}  // namespace loupe::bench
