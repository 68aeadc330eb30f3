// SPDX-License-Identifier: Apache-2.0
// One line of `loupe time`: what was run where, whether it was right, how long it took, what that
// means.
#pragma once

#include "core/base/result.hpp"
#include "gpu/timing/case.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace loupe::gpu {

/// How a figure came about. Measured, counted and modelled figures never look alike.
enum class FigureKind : std::uint8_t { Measured, Counted, Modelled };

struct DeviceRecord {
    std::string name;  ///< "NVIDIA H100 80GB HBM3", or the processor's model name
    std::string uuid;  ///< of a CPU a hash of host, model name and core count
    std::string
        computeCapability;  ///< "9.0"; of a CPU the instruction set that the kernels ran on: "v4"
    std::int64_t multiprocessors = 0;  ///< of a CPU: threads used
    std::int64_t l2Bytes = 0;          ///< of a CPU: last-level cache
    std::int64_t memoryBytes = 0;
    std::string driver;
    int api = 0;  ///< 13000 for CUDA 13.0; 0: none
    std::vector<std::pair<std::string, std::string>>
        libraries;  ///< name, version of what was loaded
    friend bool operator==(const DeviceRecord&, const DeviceRecord&) = default;
};

struct KernelRecord {
    std::string id;       ///< "gemm_s8_mma_128x128x64x2", "cublaslt_bf16", "onednn_s8"
    std::string family;   ///< the kernel's file; empty for a library
    std::string source;   ///< embedded, nvrtc, cpu, library
    std::string sha256;   ///< of the device code's text; empty for a library
    std::string arch;     ///< "sm_90", "x86-64-v4"
    int registers = 0;    ///< a thread; 0: unknown
    int sharedBytes = 0;  ///< static and dynamic, a block
    int spillBytes = 0;
    friend bool operator==(const KernelRecord&, const KernelRecord&) = default;
};

struct CaseRecord {
    Operation operation = Operation::Matmul;
    MatmulShape matmul;
    AttentionShape attention;
    std::string
        format;  ///< name of the contract: fp32, w4a16, ...; of attention the kernel's name: flash2
    std::string a;  ///< formats of activations, weights, accumulator, output: "fp16", "int4",
                    ///< "fp32", "fp32"
    std::string b;
    std::string accumulator;
    std::string output;
    std::string model;
    std::string layer;
    std::string phase;  ///< decode (m < 16), prefill
    friend bool operator==(const CaseRecord&, const CaseRecord&) = default;
};

/// Whether the output was right, seen before any timing; a case that fails is not timed.
struct CheckRecord {
    std::string reference;  ///< "f64-cpu", "f64-cpu-sampled" (some rows and columns)
    double relFro = 0;  ///< ‖out − ref‖_F / ‖ref‖_F against the FP64 product of the operands as the
                        ///< kernel holds them
    double maxAbs = 0;
    double tolerance = 0;  ///< of relFro
    double formatError =
        0;  ///< the same against the operands before quantization: the format's price
    std::int64_t compared = 0;  ///< elements
    bool poisoned = true;       ///< the output held NaN before the run
    bool passed = false;
    friend bool operator==(const CheckRecord&, const CheckRecord&) = default;
};

/// Times of one run of the whole operation, microseconds.
struct TimingRecord {
    std::string clock;  ///< event, graph, steady
    CacheState cache = CacheState::Cold;
    std::int64_t flushBytes = 0;
    double warmupMs = 0;
    std::vector<double> samplesUs;
    double medianUs = 0;
    double q1Us = 0;
    double q3Us = 0;
    double minUs = 0;
    double p95Us = 0;
    std::int64_t discarded = 0;  ///< samples thrown away because the clock had dropped
    /// Cases whose samples were taken in turn, this one among them; 0: it was sampled alone.
    std::int64_t inTurn = 0;
    std::string stopReason;      ///< ci, count, time
    friend bool operator==(const TimingRecord&, const TimingRecord&) = default;
};

struct ClockRecord {
    double smMhzProbeMedian = 0;
    double smMhzDefault = 0;
    double temperatureBefore = 0;  ///< degrees Celsius; 0: unknown
    double temperatureAfter = 0;
    double powerWatts = 0;
    double smMhzBefore = 0;
    double smMhzAfter = 0;
    double memoryMhz = 0;
    double foreignShare = 0;  ///< of a CPU: share of processor time that others took during the run
    std::vector<std::string> eventReasons;  ///< why the driver held the clock down
    friend bool operator==(const ClockRecord&, const ClockRecord&) = default;
};

/// What one line of a kernel's source moved, from running it on the executor.
struct LineRecord {
    std::string file;
    int line = 0;
    std::string memory;  ///< "global load", "global store", "shared load", "shared store"
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0;
    std::uint64_t cost = 0;   ///< sectors of 32 bytes, or shared-memory wavefronts
    std::uint64_t ideal = 0;  ///< the least cost of the same bytes
    friend bool operator==(const LineRecord&, const LineRecord&) = default;
};

struct CountRecord {
    std::uint64_t requestedBytes = 0;  ///< global loads and stores as the threads ask for them
    std::uint64_t sectorBytes = 0;     ///< 32-byte sectors between L2 and the multiprocessors
    std::uint64_t dramBytes = 0;       ///< through an idealised LRU cache of cacheBytes
    std::uint64_t cacheBytes = 0;
    std::uint64_t sharedBytes = 0;
    std::uint64_t sharedWavefronts = 0;
    std::uint64_t sharedIdeal = 0;
    std::uint64_t flops = 0;
    std::uint64_t integerOps = 0;
    std::uint64_t exponentials = 0;
    std::uint64_t barriers = 0;
    double blocksCounted = 1;  ///< share of the grid that ran; the rest is alike and was multiplied
    std::vector<LineRecord> lines;
    friend bool operator==(const CountRecord&, const CountRecord&) = default;
};

/// Floors and rates. A floor divides work by a peak; the ceiling names whose peak.
struct DerivedRecord {
    double flops =
        0;  ///< of the operation: 2mnk; attention 4·queries·seq·dim·heads·batch, halved if causal
    double bytesMin = 0;  ///< every operand once, the output once
    double tflops = 0;
    double gbps = 0;
    double intensity = 0;       ///< flops / bytesMin
    double floorUs = 0;         ///< max(bytesMin / bandwidth, flops / peak)
    std::string floorSide;      ///< memory, compute
    double ofFloor = 0;         ///< floorUs / medianUs
    std::string ceilingSource;  ///< measured, datasheet
    double peakTflops = 0;      ///< of the arithmetic that this case uses
    double bandwidthGbps = 0;
    friend bool operator==(const DerivedRecord&, const DerivedRecord&) = default;
};

struct EnvironmentRecord {
    std::string utc;  ///< 2026-11-22T11:05:00Z
    std::string host;
    std::string commit;  ///< version of the program
    friend bool operator==(const EnvironmentRecord&, const EnvironmentRecord&) = default;
};

/// A record with a `reason` says why it holds no figure, and has neither timing nor counts.
struct RunRecord {
    FigureKind kind = FigureKind::Measured;
    std::string backend;
    DeviceRecord device;
    KernelRecord kernel;
    CaseRecord what;
    std::string distribution = "normal";
    std::uint64_t seed = 1;
    std::optional<CheckRecord> check;
    std::optional<TimingRecord> timing;
    std::optional<ClockRecord> clocks;
    std::optional<CountRecord> counts;
    DerivedRecord derived;
    EnvironmentRecord environment;
    std::string reason;  ///< "needs compute capability 8.0, the device has 7.5"
    friend bool operator==(const RunRecord&, const RunRecord&) = default;
};

/// One line of JSON without the line feed, schema "loupe.run/1".
[[nodiscard]] std::string toJson(const RunRecord& record);

/// Every field that a record may have, as a path: "device.name", "timing.median_us". The table that
/// writes and reads records is the one that is listed.
[[nodiscard]] std::vector<std::string> recordFields();

/// Damaged, naming the field, where the line is not a record of that schema. Unknown fields are
/// ignored.
[[nodiscard]] Result<RunRecord> parseRecord(std::string_view line);

/// Records may be compared without a warning only where these are equal: backend, device, driver.
[[nodiscard]] std::string machineKey(const RunRecord& record);

/// -1: a is faster beyond the noise, 1: b is; 0: their quartile ranges overlap and no difference
/// can be claimed.
[[nodiscard]] int compareTimes(const TimingRecord& a, const TimingRecord& b);

}  // namespace loupe::gpu
