// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/gemm.hpp"

#include "core/base/assert.hpp"

#include <Eigen/Core>

#include <mutex>

#if defined(LOUPE_OPENBLAS)
#include <cblas.h>
#endif

namespace loupe {

namespace {

#if defined(LOUPE_OPENBLAS)
constexpr GemmBackend kBest = GemmBackend::OpenBlas;

CBLAS_TRANSPOSE transposition(Op op) {
    return op == Op::Plain ? CblasNoTrans : CblasTrans;
}

blasint narrow(std::int64_t size) {
    return static_cast<blasint>(size);
}

/// Our own pool hands out the tiles: a library that started threads of its own in each of them
/// would make results depend on the machine and fight for the cores.
void useOneThread() {
    static std::once_flag once;
    std::call_once(once, [] { openblas_set_num_threads(1); });
}

void multiplyByBlas(std::int64_t m,
                    std::int64_t n,
                    std::int64_t k,
                    float alpha,
                    GemmOperand<float> a,
                    GemmOperand<float> b,
                    float beta,
                    float* c,
                    std::int64_t cStride) {
    cblas_sgemm(CblasRowMajor,
                transposition(a.op),
                transposition(b.op),
                narrow(m),
                narrow(n),
                narrow(k),
                alpha,
                a.data,
                narrow(a.stride),
                b.data,
                narrow(b.stride),
                beta,
                c,
                narrow(cStride));
}

void multiplyByBlas(std::int64_t m,
                    std::int64_t n,
                    std::int64_t k,
                    double alpha,
                    GemmOperand<double> a,
                    GemmOperand<double> b,
                    double beta,
                    double* c,
                    std::int64_t cStride) {
    cblas_dgemm(CblasRowMajor,
                transposition(a.op),
                transposition(b.op),
                narrow(m),
                narrow(n),
                narrow(k),
                alpha,
                a.data,
                narrow(a.stride),
                b.data,
                narrow(b.stride),
                beta,
                c,
                narrow(cStride));
}
#else
constexpr GemmBackend kBest = GemmBackend::Eigen;
#endif

GemmBackend chosen = kBest;

template <class T>
using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class T>
using Stored = Eigen::Map<const RowMajor<T>, Eigen::Unaligned, Eigen::OuterStride<>>;

/// The operand as it lies in memory: `rows` x `cols` after `op`.
template <class T>
Stored<T> stored(GemmOperand<T> operand, std::int64_t rows, std::int64_t cols) {
    const bool plain = operand.op == Op::Plain;
    return {operand.data,
            plain ? rows : cols,
            plain ? cols : rows,
            Eigen::OuterStride<>(operand.stride)};
}

template <class T>
void multiplyByEigen(std::int64_t m,
                     std::int64_t n,
                     std::int64_t k,
                     T alpha,
                     GemmOperand<T> a,
                     GemmOperand<T> b,
                     T beta,
                     T* c,
                     std::int64_t cStride) {
    const Stored<T> left = stored(a, m, k);
    const Stored<T> right = stored(b, k, n);
    Eigen::Map<RowMajor<T>, Eigen::Unaligned, Eigen::OuterStride<>> target(
        c, m, n, Eigen::OuterStride<>(cStride));
    if (beta == T(0)) {
        target.setZero();
    } else if (beta != T(1)) {
        target *= beta;
    }
    if (a.op == Op::Plain && b.op == Op::Plain) {
        target.noalias() += alpha * left * right;
    } else if (a.op == Op::Plain) {
        target.noalias() += alpha * left * right.transpose();
    } else if (b.op == Op::Plain) {
        target.noalias() += alpha * left.transpose() * right;
    } else {
        target.noalias() += alpha * left.transpose() * right.transpose();
    }
}

}  // namespace

template <class T>
void gemm(std::int64_t m,
          std::int64_t n,
          std::int64_t k,
          T alpha,
          GemmOperand<T> a,
          GemmOperand<T> b,
          T beta,
          T* c,
          std::int64_t cStride) {
    if (m <= 0 || n <= 0) {
        return;
    }
#if defined(LOUPE_OPENBLAS)
    if (chosen == GemmBackend::OpenBlas) {
        useOneThread();
        multiplyByBlas(m, n, k, alpha, a, b, beta, c, cStride);
        return;
    }
#endif
    multiplyByEigen(m, n, k, alpha, a, b, beta, c, cStride);
}

template void gemm<float>(std::int64_t,
                          std::int64_t,
                          std::int64_t,
                          float,
                          GemmOperand<float>,
                          GemmOperand<float>,
                          float,
                          float*,
                          std::int64_t);
template void gemm<double>(std::int64_t,
                           std::int64_t,
                           std::int64_t,
                           double,
                           GemmOperand<double>,
                           GemmOperand<double>,
                           double,
                           double*,
                           std::int64_t);

bool hasGemmBackend(GemmBackend backend) {
    return backend == GemmBackend::Eigen || kBest == GemmBackend::OpenBlas;
}

GemmBackend gemmBackend() {
    return chosen;
}

GemmBackend setGemmBackend(GemmBackend backend) {
    LOUPE_ASSERT(hasGemmBackend(backend), "only backends that were built");
    const GemmBackend before = chosen;
    chosen = backend;
    return before;
}

std::string gemmBackendName() {
#if defined(LOUPE_OPENBLAS)
    if (chosen == GemmBackend::OpenBlas) {
        return std::string("OpenBLAS ") + openblas_get_corename();
    }
#endif
    return "Eigen " + std::to_string(EIGEN_WORLD_VERSION) + "." +
           std::to_string(EIGEN_MAJOR_VERSION) + "." + std::to_string(EIGEN_MINOR_VERSION);
}

}  // namespace loupe
