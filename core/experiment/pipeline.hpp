// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/result.hpp"
#include "core/experiment/calibration.hpp"
#include "core/io/tensor_source.hpp"
#include "core/scheme/scheme.hpp"
#include "core/scheme/step.hpp"
#include "core/stats/error_metrics.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace loupe {

/// A matrix and what a scheme may need beside it. Everything shared and immutable: copy into jobs
/// by value.
struct SchemeInput {
    std::shared_ptr<const RowSource> weights;
    int storedBits = 32;  ///< bits of the stored dtype (a pruner alone keeps it)
    std::shared_ptr<const RowSource> activations;  ///< [tokens, in], or null
    std::int64_t calibrationRows = 0;              ///< 0: all
    std::shared_ptr<const RowSource> gradients;    ///< or null
    /// Which of the activations' rows calibrate, where calibrationRows says how many.
    CalibrationChoice calibrationChoice = CalibrationChoice::First;
    std::uint64_t calibrationSeed = 0;
    /// What the first step, a pruner with scope=global, keeps of this tensor where its scores
    /// compete with those of others (see selection_run.hpp); null: the tensor is all there is.
    std::shared_ptr<const BitMask> selectionMask{};
};

/// What a scheme did to a tensor, measured over every weight. Immutable.
struct SchemeResult {
    Scheme scheme;
    std::shared_ptr<const QuantizedMatrix> quantized;
    double bitsPerWeight = 0;
    StorageCost cost{};  ///< the same in parts
    ErrorMetrics metrics;
    std::uint64_t count = 0;
    std::uint64_t zeros = 0;    ///< weights that the scheme made zero or left zero
    std::uint64_t clipped = 0;  ///< weights outside of their group's clipping interval
    double seconds = 0;
    std::vector<double> rowMse;  ///< per output channel
    std::vector<double> colMse;  ///< per input channel
    std::vector<std::pair<std::int64_t, std::uint64_t>>
        codeUsage;  ///< code, how often; ascending; empty without codes or above 16 bits
    /// |y - y^| / |y| of each output channel over all tokens, and of each token over all outputs
    /// (NaN where the layer puts out nothing); empty without activations.
    std::vector<double> outputChannelError{};
    std::vector<double> outputTokenError{};
    std::optional<double> outputSqnrDb{};  ///< 10 log10(sum y^2 / sum (y - y^)^2)
};

/// Applies a scheme and measures it in one streamed pass.
/// @errors Invalid: NaN or infinite weights naming row and column; wrong shapes; Missing:
/// activations or gradients
/// @cost   O(rows·cols); memory O(rows + cols) for element-wise steps
[[nodiscard]] Result<std::shared_ptr<const SchemeResult>> applyScheme(const Scheme& scheme,
                                                                      const SchemeInput& input,
                                                                      const JobContext& ctx = {});

/// What the last step of a scheme is given: the steps before it applied, what it needs checked.
/// @errors as applyScheme
[[nodiscard]] Result<StepInput> inputOfLastStep(const Scheme& scheme,
                                                const SchemeInput& input,
                                                const JobContext& ctx = {});

/// Opens `FILE[:TENSOR]` for `--activations` / `--gradients` and checks it against the weight
/// (contract 4, Data).
[[nodiscard]] Result<std::shared_ptr<const RowSource>> openActivations(
    const std::string& reference, const std::string& weightName, std::int64_t inFeatures);

/// The same for `--gradients`: without `:TENSOR` the tensor named like the weight; the weight's
/// shape, read with `options`.
[[nodiscard]] Result<std::shared_ptr<const RowSource>> openGradients(const std::string& reference,
                                                                     const std::string& weightName,
                                                                     const RowSource& weights,
                                                                     const OpenOptions& options);

/// Writes `--output OUT.safetensors|OUT.npy` (contract 5) through a temporary file that is renamed
/// when complete.
[[nodiscard]] Result<void> writeResult(const std::string& path,
                                       const TensorInfo& tensor,
                                       const SchemeResult& result,
                                       const JobContext& ctx = {});

}  // namespace loupe
