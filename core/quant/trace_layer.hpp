// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/quant/trace_builder.hpp"
#include "core/quant/uniform.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace loupe {

/// A small layer with its activations, in double, for the traces of steps that look at them.
struct TracedLayer {
    std::shared_ptr<const Matrix<double>> x;  ///< [tokens, in]: all, or as many as are told
    TraceMatrix w;                            ///< [out, in]
    std::int64_t allTokens = 0;
    std::int64_t shown = 0;  ///< the first tokens: what panels show

    /// @errors those of the sources
    [[nodiscard]] static Result<TracedLayer> read(const StepInput& input);
    /// The rows of `used` that belong to x. @errors those of the source
    [[nodiscard]] Result<Matrix<double>> tokensOf(const RowSource& used) const;
    /// "the first 64 of 256 tokens"; "5 tokens".
    [[nodiscard]] std::string tokensText() const;
};

/// The first rows of a matrix.
[[nodiscard]] TraceMatrix firstRows(const Matrix<double>& values, std::int64_t rows);
/// Columns in another order, some left out.
[[nodiscard]] TraceMatrix takeColumns(const Matrix<double>& values,
                                      const std::vector<std::int64_t>& columns);
/// x w'.
[[nodiscard]] Matrix<double> outputsOf(const Matrix<double>& x, const Matrix<double>& w);
/// Largest |x| of each column.
[[nodiscard]] std::vector<double> columnMaxima(const Matrix<double>& values);
/// One column of values.
[[nodiscard]] TraceMatrix asColumn(const std::vector<double>& values, std::int64_t rows);
[[nodiscard]] TraceMatrix asDoubles(const Matrix<std::int32_t>& values, std::int64_t rows);

/// |a - b| / |a|; 0 where a is 0.
[[nodiscard]] double relativeError(const Matrix<double>& a, const Matrix<double>& b);

/// A panel over tokens; `columns` "input channel" or "output channel".
TracePanel& addTokenPanel(TraceState& state,
                          const TracedLayer& layer,
                          std::string id,
                          std::string title,
                          PanelKind kind,
                          TraceMatrix values,
                          std::string columns = "input channel");

/// Output and weight errors of the scheme and of plain rounding of the same width.
/// @param plainX null: plain rounding leaves the activations alone
[[nodiscard]] Result<std::vector<TraceFigure>> compareWithPlain(const TracedLayer& layer,
                                                                const StepOutput& scheme,
                                                                const RowSource& plainW,
                                                                const RowSource* plainX,
                                                                std::string_view plainName);

/// A step's own equation of a weight as notes.
[[nodiscard]] std::vector<TraceNote> notesOf(const std::vector<EquationLine>& lines);

/// "a·b + c·d + ..." of the first products of two rows, cut where it gets long.
[[nodiscard]] std::string sumOfProducts(std::span<const double> a, std::span<const double> b);

}  // namespace loupe
