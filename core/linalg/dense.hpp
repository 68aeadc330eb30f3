// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/matrix_view.hpp"
#include "core/linalg/gemm.hpp"

#include <vector>

namespace loupe {

// Dense linear algebra of large row-major matrices, for float and double. Work is cut into tiles of
// fixed sizes that parallelFor() hands out, each tile one call of gemm() or a short loop: results
// are the same bits for any number of threads, and ctx is asked before every tile (some ms).

/// C = alpha·op(A)·op(B) + beta·C. C must not overlap A or B.
template <class T>
void multiply(T alpha,
              MatrixView<const T> a,
              Op opA,
              MatrixView<const T> b,
              Op opB,
              T beta,
              MatrixView<T> c,
              const JobContext& ctx);

/// The lower triangle of C += alpha·A'A, A [k, n], C [n, n]; what lies above it near the diagonal
/// may be spoilt. @cost k·n² multiply-adds where a product takes 2·k·n²
template <class T>
void addGram(T alpha, MatrixView<const T> a, MatrixView<T> c, const JobContext& ctx);

/// Copies the lower triangle to the upper one.
template <class T>
void mirrorLower(MatrixView<T> c, const JobContext& ctx);

/// A = LL': the lower triangle of A becomes L, the upper one zero. @returns -1, or the index of the
/// first pivot that is not positive (A is then spoilt). @cost n³/3 flops
template <class T>
[[nodiscard]] std::int64_t choleskyLower(MatrixView<T> a, const JobContext& ctx);

/// inv(L) of a lower triangular L with zeros above. @cost n³/3 flops, and n² memory
template <class T>
[[nodiscard]] Matrix<T> inverseLower(MatrixView<const T> lower, const JobContext& ctx);

/// A(i, j) becomes A(n-1-i, m-1-j): both axes backwards, in place.
template <class T>
void reverseBoth(Matrix<T>& a, const JobContext& ctx);

}  // namespace loupe
