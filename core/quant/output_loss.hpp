// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/matrix_view.hpp"
#include "core/base/result.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>

namespace loupe {

/// Reads rows 0, stride, 2·stride, ... below `rows` of activations, checked for NaN and infinity.
template <class T>
[[nodiscard]] Result<Matrix<T>> readTokens(const RowSource& activations,
                                           std::int64_t rows,
                                           std::int64_t stride,
                                           const JobContext& ctx);

/// product [a.rows, b.rows] = a b' on the calling thread. T: float or double.
template <class T>
void multiplyTransposed(MatrixView<const T> a, MatrixView<const T> b, T* product);

/// |X D'|² for errors D of some weights' rows: by the tokens themselves where they are fewer than
/// the inputs, else by X'X.
template <class T>
class OutputLoss {
public:
    /// @param tokens the first ones count @errors Invalid: NaN or infinite activations
    [[nodiscard]] static Result<OutputLoss> make(const RowSource& activations,
                                                 std::int64_t tokens,
                                                 const JobContext& ctx);
    /// Summed in double over blocks of fixed size. @cost rows·in·min(tokens, in)
    [[nodiscard]] double squared(MatrixView<const T> errors, const JobContext& ctx) const;

private:
    Matrix<T> factor_;  ///< X [tokens, in], or X'X [in, in]
    bool isGram_ = false;
};

}  // namespace loupe
