// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/matrix_view.hpp"
#include "core/base/result.hpp"
#include "core/io/tensor_source.hpp"
#include "core/scheme/scheme.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace loupe {

/// A cell of the matrix that a state is about.
struct TraceCell {
    std::int64_t row = 0;
    std::int64_t col = 0;
    friend bool operator==(const TraceCell&, const TraceCell&) = default;
};

/// One state of a worked algorithm: what is done, with numbers, where, and the matrix as it stands
/// then.
struct TraceState {
    std::string title;                ///< "Bound of row 0", "Round", "Clamp"
    std::string formula;              ///< "max |w| = 10.8, scale = 10.8 / 127 = 0.0850394"
    std::vector<TraceCell> affected;  ///< cells that the state is about
    Matrix<double>
        values;  ///< the matrix at this state: weights, quotients, codes or dequantized weights
    std::vector<double> candidates;  ///< a range search: bounds tried so far, in order
    std::vector<double> errors;      ///< and their sums of squared errors
};

/// A step told state by state, for small matrices; the last state's values are the step's result
/// bit for bit.
struct Trace {
    Scheme scheme;
    std::vector<TraceState> states;
};

inline constexpr std::int64_t kMostTracedWeights = 4096;

/// Records absmax or zeropoint (one step) on a matrix of at most kMostTracedWeights.
/// @errors Unsupported: another step, or a larger matrix; those of the step
[[nodiscard]] Result<Trace> traceScheme(const Scheme& scheme,
                                        const std::shared_ptr<const RowSource>& weights,
                                        const JobContext& ctx = {});

}  // namespace loupe
