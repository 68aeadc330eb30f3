// SPDX-License-Identifier: Apache-2.0
#include "core/quant/sweep_chunk.hpp"

#include "core/linalg/dense.hpp"

#include <algorithm>

namespace loupe {

namespace {

constexpr std::int64_t kDepth = 1024;  ///< of one product: bounds the time between checkpoints
constexpr std::int64_t kSide = 128;    ///< of the triangle's blocks: what lies below is left out

/// Rows [row, row + rows) of C += A[:, from, from + rows)'·B, A and B given by their first rows.
template <class T>
void addTransposed(T alpha, MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c) {
    gemm<T>(c.rows,
            c.cols,
            a.rows,
            alpha,
            {a.data, a.rowStride, Op::Transposed},
            {b.data, b.rowStride, Op::Plain},
            T(1),
            c.data,
            c.rowStride);
}

template <class T>
MatrixView<const T> part(
    const Matrix<T>& a, std::int64_t row, std::int64_t col, std::int64_t rows, std::int64_t cols) {
    return {&a(row, col), rows, cols, a.cols()};
}

}  // namespace

template <class T>
std::vector<Matrix<T>> stretchFactors(const Matrix<T>& root,
                                      std::int64_t width,
                                      const JobContext& ctx) {
    std::vector<Matrix<T>> factors;
    for (std::int64_t first = 0; first < root.rows(); first += width) {
        const std::int64_t size = std::min(width, root.rows() - first);
        Matrix<T> block(size, size);
        for (std::int64_t i = 0; i < size; ++i) {
            const T* const from = &root(first + i, first);
            std::copy(from, from + size, block.row(i).begin());
        }
        reverseBoth(block, ctx);
        block = inverseLower<T>(std::as_const(block).view(), ctx);
        reverseBoth(block, ctx);
        factors.push_back(std::move(block));
    }
    return factors;
}

template <class T>
void SweepChunk<T>::open(const Matrix<T>& root,
                         const Matrix<T>& inner,
                         std::int64_t first,
                         std::int64_t width,
                         const JobContext& ctx) {
    first_ = first;
    width_ = width;
    std::copy_n(weights(first), width * lanes(), current_.data());
    if (first == 0) {
        return;
    }
    std::fill_n(errors_.data(), width * lanes(), T(0));
    for (std::int64_t done = 0; done < first; done += kDepth) {
        ctx.checkpoint();
        const std::int64_t depth = std::min(kDepth, first - done);
        addTransposed<T>(T(1),
                         part(root, done, first, depth, width),
                         part(weights_, done, 0, depth, lanes()),
                         {errors_.data(), width, lanes()});
    }
    for (std::int64_t at = 0; at < width; at += kSide) {
        ctx.checkpoint();
        const std::int64_t size = std::min(kSide, width - at);
        addTransposed<T>(T(1),
                         part(inner, 0, at, at + size, size),
                         part(errors_, 0, 0, at + size, lanes()),
                         {current_.row(at).data(), size, lanes()});
    }
}

template <class T>
void SweepChunk<T>::push(const Matrix<T>& inner, std::int64_t from, std::int64_t next) {
    const std::int64_t rest = first_ + width_ - next;
    if (rest <= 0) {
        return;
    }
    addTransposed<T>(T(-1),
                     part(inner, from - first_, next - first_, next - from, rest),
                     part(errors_, from - first_, 0, next - from, lanes()),
                     {current(next), rest, lanes()});
}

template std::vector<Matrix<float>> stretchFactors<float>(const Matrix<float>&,
                                                          std::int64_t,
                                                          const JobContext&);
template std::vector<Matrix<double>> stretchFactors<double>(const Matrix<double>&,
                                                            std::int64_t,
                                                            const JobContext&);
template class SweepChunk<float>;
template class SweepChunk<double>;

}  // namespace loupe
