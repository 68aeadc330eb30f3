// SPDX-License-Identifier: Apache-2.0
// bench qdq [--scheme int8c,int4g128] [--dtype f32,bf16] [--shape 11008x4096] [--pair torch]
// Quantize, dequantize and measure: error sums alone beside the read probe (goal 3), and the whole
// of applyScheme, which also gives errors of rows and columns and the usage of codes.
#include "core/experiment/pipeline.hpp"
#include "core/quant/uniform.hpp"
#include "tests/bench/bench.hpp"

#include <cstdio>
#include <cstring>

namespace loupe::bench {

namespace {

/// The same metrics by whole-array operations.
constexpr const char* kPeer = R"(
import sys
dtype, rows, cols, bits, group = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
import numpy as np
import torch
torch.set_grad_enabled(False)
version = "torch " + torch.__version__ + ", threads " + str(torch.get_num_threads())
data = (np.random.default_rng(1).standard_t(5, (rows, cols)) * 0.02).astype(np.float32)
stored = torch.from_numpy(data).to({"f32": torch.float32, "bf16": torch.bfloat16}[dtype])
qmax = 2 ** (bits - 1) - 1
def work():
    x = stored.float().reshape(-1, group if group else cols)
    scale = x.abs().amax(dim=1, keepdim=True) / qmax
    y = (x / scale).round_().clamp_(-qmax, qmax).mul_(scale)
    e = (x - y).abs_()
    e.mean(), e.max(), (e * e).sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()
)";

class StoredRows : public RowSource {
public:
    StoredRows(std::int64_t rows, std::int64_t cols, const StorageType* type, const Buffer& bytes)
        : rows_(rows),
          cols_(cols),
          type_(type),
          bytes_(bytes.data(), static_cast<std::size_t>(rows * cols * type->bits / 8)) {}
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

struct Case {
    std::string name;
    UniformSpec spec;
    std::string scheme;
};

std::vector<Case> casesOf(const Options& options) {
    std::vector<Case> cases;
    for (const std::string& name : options.list("scheme", "int8c,int4g128")) {
        UniformSpec spec;
        spec.bits = name.rfind("int4", 0) == 0 ? 4 : 8;
        const std::size_t group = name.find('g');
        spec.per = group == std::string::npos ? ScalePer::Row : ScalePer::Group;
        spec.group = group == std::string::npos ? 128 : std::stoll(name.substr(group + 1));
        const std::string scheme =
            "absmax:bits=" + std::to_string(spec.bits) +
            (group == std::string::npos ? ",per=row" : ",group=" + std::to_string(spec.group));
        cases.push_back({name, spec, scheme});
    }
    return cases;
}

void runCase(const Case& entry,
             const std::string& dtype,
             std::int64_t rows,
             std::int64_t cols,
             const Options& options) {
    const StorageType* type = findStorageType(dtype == "f32" ? "fp32" : dtype);
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
            const std::span<const float> values(floats.as<float>(),
                                                static_cast<std::size_t>(count));
            if (!encodeArray(*type->format,
                             values,
                             std::span<std::uint16_t>(stored.as<std::uint16_t>(), values.size()))) {
                std::printf("cannot encode to %s\n", dtype.c_str());
                return;
            }
        }
    }
    const auto source = std::make_shared<StoredRows>(rows, cols, type, stored);
    const double bytes = static_cast<double>(count) * type->bits / 8;
    const auto elements = static_cast<double>(count);
    const Scheme scheme = parseScheme(entry.scheme).value();
    const SchemeInput input{source, type->bits, nullptr, 0, nullptr};
    std::vector<Contender> contenders;
    contenders.push_back({"ours: error sums",
                          timed([&] { (void)uniformErrorSums(source, entry.spec, {}).value(); }),
                          bytes,
                          elements});
    contenders.push_back({"ours: applyScheme, profiles and code usage",
                          timed([&] { (void)applyScheme(scheme, input).value(); }),
                          bytes,
                          elements});
    Contender read = readProbe(stored);
    read.bytes = bytes;
    contenders.push_back(read);
    std::vector<std::shared_ptr<PythonPeer>> peers;
    for (const std::string& name : options.list("pair", "")) {
        if (name != "torch") {
            continue;
        }
        const std::string group =
            std::to_string(entry.spec.per == ScalePer::Group ? entry.spec.group : 0);
        auto peer = PythonPeer::start(kPeer,
                                      {dtype,
                                       std::to_string(rows),
                                       std::to_string(cols),
                                       std::to_string(entry.spec.bits),
                                       group});
        if (peer) {
            contenders.push_back(
                {"peer: " + peer->greeting(), [peer] { return peer->run(); }, bytes, elements});
            peers.push_back(std::move(peer));
        }
    }
    const auto t = interleave(
        "qdq " + entry.name + " " + dtype + " " + std::to_string(rows) + "x" + std::to_string(cols),
        contenders,
        options.repeats(15));
    printRatio("error sums: share of the read probe", t[2].median / t[0].median);
    printRatio("applyScheme: share of the read probe", t[2].median / t[1].median);
    for (std::size_t i = 3; i < contenders.size(); ++i) {
        printRatio("error sums: times faster than " + contenders[i].name,
                   t[i].median / t[0].median);
    }
}

}  // namespace

void bench_qdq(const Options& options) {
    const auto [rows, cols] =
        parseShape(options.smoke() ? "64x384" : options.get("shape", "11008x4096"));
    for (const Case& entry : casesOf(options)) {
        for (const std::string& dtype : options.list("dtype", "f32,bf16")) {
            runCase(entry, dtype, rows, cols, options);
        }
    }
}

}  // namespace loupe::bench
