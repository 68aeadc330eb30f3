// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/io/tensor_source.hpp"
#include "core/stats/error_metrics.hpp"

#include <cstdint>
#include <vector>

namespace loupe {

/// What one pass over weights and their quantized values finds.
struct Measurement {
    ErrorSums sums;
    std::uint64_t zeros = 0;         ///< quantized values that are +-0
    std::uint64_t clipped = 0;       ///< weights outside of their clipping interval
    std::vector<double> rowSquared;  ///< sum of squared errors of each row
    std::vector<double> colSquared;
    std::int64_t firstCode = 0;
    std::vector<std::uint64_t>
        codeCounts;  ///< of codes firstCode, firstCode + 1, ...; empty without codes
};

/// A quantized matrix that was measured while it was made.
class SelfMeasured {
public:
    virtual ~SelfMeasured() = default;
    /// The measurement against `reference`, if that is what it was made from; else null.
    [[nodiscard]] virtual const Measurement* measurement(const RowSource& reference) const = 0;

protected:
    SelfMeasured() = default;
    SelfMeasured(const SelfMeasured&) = default;
    SelfMeasured& operator=(const SelfMeasured&) = default;
};

}  // namespace loupe
