// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/matrix_view.hpp"
#include "core/base/result.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace loupe {

// All of these are for T = float and T = double, run on all compute threads in tiles of fixed size
// (the same bits for any number of threads) and ask ctx before every tile.

/// H = 2 X'X of the first `rows` tokens (0: all), [in, in], symmetric and filled on both sides.
/// @cost   tokens·in² flops (one triangle); memory in² and one block of tokens (32 MiB in FP32)
/// @errors Invalid: NaN or infinite activations naming row and column
template <class T>
[[nodiscard]] Result<Matrix<T>> hessian(const RowSource& activations,
                                        std::int64_t rows,
                                        const JobContext& ctx);

/// What GPTQ, OBS and SparseGPT need of a Hessian.
template <class T>
struct HessianFactor {
    /// R, upper triangular, with H = RR', H damped and permuted: what the sweeps use.
    Matrix<T> root;
    /// U = inv(R), with inv(H) = U'U. U_ii² = [inv(H_i:,i:)]_11. Empty with FactorParts::Root.
    Matrix<T> upper;
    /// diag(H) + damping in the order of `permutation`; 1 + damping where dead.
    std::vector<T> diagonal;
    std::vector<std::int64_t> permutation;  ///< original column of each place
    std::vector<std::uint8_t> dead;         ///< by place: diag(H) was 0; its weights become 0
    double damping = 0;                     ///< added to the diagonal: damp·mean(diag H)
};

/// The inverse is for those who show it or need it whole (OBS).
enum class FactorParts : std::uint8_t { Root, Whole };

/// Damps, permutes (empty: natural order) and factors without an explicit inverse: one Cholesky
/// factorization of the reversed matrix and, for the whole, one triangular inverse
/// (spec/algorithms.md 5.1). Destroys `hessian`.
/// @cost   n³/3 flops, blocked, and as many for the whole; memory n² beside the argument for a
///         permutation, and for the whole
/// @errors Invalid: not positive definite even with the damping, with how to mend it ("more tokens
///         than inputs, or a larger damp")
template <class T>
[[nodiscard]] Result<HessianFactor<T>> factorHessian(Matrix<T> hessian,
                                                     double damp,
                                                     std::span<const std::int64_t> permutation,
                                                     const JobContext& ctx,
                                                     FactorParts parts = FactorParts::Whole);

/// inv(H) = U'U, in full (for OBS, whose order differs by row).
template <class T>
[[nodiscard]] Matrix<T> inverseOf(const HessianFactor<T>& factor, const JobContext& ctx);

/// ½·tr(D·H·D') of an error D [out, in]: the products D·H in T, their sums in double.
template <class T>
[[nodiscard]] double quadraticLoss(MatrixView<const T> error,
                                   MatrixView<const T> hessian,
                                   const JobContext& ctx);

}  // namespace loupe
