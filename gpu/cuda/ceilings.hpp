// SPDX-License-Identifier: Apache-2.0
// What the device can do at most: measured here where that is possible, else from its datasheet.
#pragma once

#include "gpu/cuda/stopwatch.hpp"
#include "gpu/libraries/cublaslt.hpp"

#include <map>
#include <string>
#include <string_view>

namespace loupe::gpu::cuda {

struct Ceiling {
    double value = 0;  ///< TFLOP/s or GB/s; 0: unknown
    bool measured = false;
};

/// Each ceiling is found once a process, when it is first asked for.
class Ceilings {
public:
    /// `library` may be null.
    Ceilings(Context& context, Stopwatch& stopwatch, CublasLt* library);

    /// Of a large copy on the device, bytes read and written.
    [[nodiscard]] Ceiling bandwidth(const JobContext& ctx);
    /// Of the library's product of 8192³ in this arithmetic: fp32, fp16, bf16, int8, fp8.
    [[nodiscard]] Ceiling peak(std::string_view arithmetic, const JobContext& ctx);
    void fill(DerivedRecord& derived, std::string_view arithmetic, const JobContext& ctx);

private:
    struct Found {
        bool bandwidthKnown = false;
        Ceiling bandwidth;
        std::map<std::string, Ceiling, std::less<>> peaks;
    };
    [[nodiscard]] double measurePeak(std::string_view arithmetic, const JobContext& ctx);

    Context& context_;
    Stopwatch& stopwatch_;
    CublasLt* library_;
    Found* found_ = nullptr;
};

/// From NVIDIA's datasheets, dense, boost clock: GB/s for "bandwidth", TFLOP/s (TOP/s) otherwise; 0
/// where the device or the arithmetic is not in the table.
[[nodiscard]] double datasheet(std::string_view deviceName, std::string_view what);

}  // namespace loupe::gpu::cuda
