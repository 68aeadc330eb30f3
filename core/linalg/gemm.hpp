// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace loupe {

enum class Op : std::uint8_t { Plain, Transposed };

/// A row-major operand of a product as it lies in memory, and how it is to be taken.
template <class T>
struct GemmOperand {
    const T* data = nullptr;
    std::int64_t stride = 0;  ///< elements from a stored row to the next
    Op op = Op::Plain;
};

/// C = alpha·op(A)·op(B) + beta·C of row-major matrices on the calling thread: op(A) is m x k,
/// op(B) k x n. beta = 0 does not read C. The building block of core/linalg/dense.hpp, which cuts
/// work into tiles of fixed sizes; the same operands give the same bits.
///
/// OpenBLAS where the build found it, else Eigen. Measured on a busy EPYC (family 25, model 17: Zen
/// 4), 256x256x1024, the best of nine, in flops per second of processor time: OpenBLAS 0.3.21 as it
/// detects the machine (Cooperlake) 88 to 103 GFLOP/s in FP32 and 40 in FP64, in FP32 the same as
/// SkylakeX and as Haswell or Zen; oneDNN 2.6.3 103 to 112; Eigen 3.4.0 33 and 14, compiled as we
/// may (baseline x86-64: an inline function built for AVX-512 could be the copy that the linker
/// keeps for all callers). Register-only multiply-adds give 117 in FP32. Hence OpenBLAS; large
/// float matrices whose parts many tiles share go through panels.hpp.
template <class T>
void gemm(std::int64_t m,
          std::int64_t n,
          std::int64_t k,
          T alpha,
          GemmOperand<T> a,
          GemmOperand<T> b,
          T beta,
          T* c,
          std::int64_t cStride);

enum class GemmBackend : std::uint8_t { OpenBlas, Eigen };

/// Whether this build has it.
[[nodiscard]] bool hasGemmBackend(GemmBackend backend);
[[nodiscard]] GemmBackend gemmBackend();
/// For tests and benchmarks; not while work is running. @returns the one before
GemmBackend setGemmBackend(GemmBackend backend);
/// "OpenBLAS SkylakeX", "Eigen 3.4.0": for benchmarks and reports.
[[nodiscard]] std::string gemmBackendName();

}  // namespace loupe
