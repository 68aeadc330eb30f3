// SPDX-License-Identifier: Apache-2.0
#include "gpu/cuda/ceilings.hpp"

#include "core/base/rng.hpp"

#include <algorithm>

namespace loupe::gpu::cuda {

namespace {

struct DatasheetRow {
    std::string_view
        name;          ///< part of what the driver calls the device; the first that fits counts
    double bandwidth;  ///< GB/s
    double fp32;       ///< TFLOP/s without tensor cores
    double half;       ///< fp16 and bf16, tensor cores, dense, FP32 accumulation
    double int8;
    double fp8;
};

// NVIDIA's datasheets of each product: H100 (2023), H200 (2024), A100 (2021), L40S (2023), L4
// (2023), T4 (2019).
constexpr DatasheetRow kDatasheet[] = {
    {"H200", 4800, 67, 989, 1979, 1979},
    {"H100 PCIe", 2000, 51, 756, 1513, 1513},
    {"H100 80GB HBM3", 3350, 67, 989, 1979, 1979},
    {"A100-SXM4-80GB", 2039, 19.5, 312, 624, 0},
    {"A100-SXM4-40GB", 1555, 19.5, 312, 624, 0},
    {"A100 80GB PCIe", 1935, 19.5, 312, 624, 0},
    {"L40S", 864, 91.6, 362, 733, 733},
    {"NVIDIA L4", 300, 30.3, 121, 242, 242},
    {"Tesla T4", 320, 8.1, 65, 130, 0},
};

constexpr std::int64_t kPeakExtent = 8192;

/// Normal values; the operands repeat them. Zeros would run faster than real operands.
std::vector<float> drawnValues() {
    constexpr std::size_t kDrawn = std::size_t{1} << 20;
    std::vector<float> values(kDrawn);
    for (std::size_t i = 0; i < kDrawn; ++i) {
        values[i] = static_cast<float>(randomNormal(1, i));
    }
    return values;
}

/// The encoded million over and over, until the operand is full.
void repeat(Buffer& buffer, std::size_t drawn) {
    const auto elements = static_cast<std::size_t>(kPeakExtent * kPeakExtent);
    std::vector<std::byte>& bytes = buffer.contents;
    const std::size_t piece = bytes.size();
    bytes.resize(piece / drawn * elements);
    for (std::size_t at = piece; at < bytes.size(); at += piece) {
        std::copy_n(bytes.begin(),
                    std::min(piece, bytes.size() - at),
                    bytes.begin() + static_cast<std::ptrdiff_t>(at));
    }
    buffer.bytes = bytes.size();
}

}  // namespace

double datasheet(std::string_view deviceName, std::string_view what) {
    for (const DatasheetRow& row : kDatasheet) {
        if (deviceName.find(row.name) == std::string_view::npos) {
            continue;
        }
        if (what == "bandwidth") {
            return row.bandwidth;
        }
        if (what == "fp32") {
            return row.fp32;
        }
        if (what == "int8") {
            return row.int8;
        }
        if (what == "fp8") {
            return row.fp8;
        }
        return what == "fp16" || what == "bf16" ? row.half : 0;
    }
    return 0;
}

Ceilings::Ceilings(Context& context, Stopwatch& stopwatch, CublasLt* library)
    : context_(context), stopwatch_(stopwatch), library_(library) {
    static std::map<std::string, Found> foundOf;
    found_ = &foundOf[context.device().uuid + context.device().name +
                      (library == nullptr ? "" : " with library")];
}

Ceiling Ceilings::bandwidth(const JobContext& ctx) {
    if (!found_->bandwidthKnown) {
        found_->bandwidthKnown = true;
        const Result<double> measured =
            context_.isStandIn() ? Result<double>(0.0) : stopwatch_.copyBandwidth(ctx);
        found_->bandwidth = measured && *measured > 0
                                ? Ceiling{*measured, true}
                                : Ceiling{datasheet(context_.device().name, "bandwidth"), false};
    }
    return found_->bandwidth;
}

double Ceilings::measurePeak(std::string_view arithmetic, const JobContext& ctx) {
    if (library_ == nullptr || context_.isStandIn() || !context_.lost().empty()) {
        return 0;
    }
    MatmulProblem problem;
    problem.shape = {kPeakExtent, kPeakExtent, kPeakExtent, kPeakExtent};
    problem.x = drawnValues();
    problem.w = problem.x;
    Result<LibraryCase> made = library_->matmul(arithmetic, problem);
    if (!made) {
        return 0;
    }
    repeat(made->item.buffers[0], problem.x.size());
    repeat(made->item.buffers[1], problem.w.size());
    DeviceWork work(context_, made->item);
    if (!work.prepare()) {
        return 0;
    }
    double best = 0;
    for (std::size_t choice = 0; choice < made->choices; ++choice) {
        *made->choice = choice;
        if (const Result<double> us = stopwatch_.quick(work, ctx); us && *us > 0) {
            const auto extent = static_cast<double>(kPeakExtent);
            best = std::max(best, 2 * extent * extent * extent / (*us * 1e6));
        }
    }
    return best;
}

Ceiling Ceilings::peak(std::string_view arithmetic, const JobContext& ctx) {
    const auto known = found_->peaks.find(arithmetic);
    if (known != found_->peaks.end()) {
        return known->second;
    }
    const double measured = measurePeak(arithmetic, ctx);
    const Ceiling found = measured > 0
                              ? Ceiling{measured, true}
                              : Ceiling{datasheet(context_.device().name, arithmetic), false};
    found_->peaks.emplace(arithmetic, found);
    return found;
}

void Ceilings::fill(DerivedRecord& derived, std::string_view arithmetic, const JobContext& ctx) {
    const Ceiling memory = bandwidth(ctx);
    const Ceiling compute = peak(arithmetic, ctx);
    derived.bandwidthGbps = memory.value;
    derived.peakTflops = compute.value;
    if (memory.value > 0 || compute.value > 0) {
        const bool measured =
            (memory.measured || memory.value <= 0) && (compute.measured || compute.value <= 0);
        derived.ceilingSource = measured ? "measured" : "datasheet";
    }
}

}  // namespace loupe::gpu::cuda
