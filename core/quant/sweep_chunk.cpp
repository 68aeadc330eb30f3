// SPDX-License-Identifier: Apache-2.0
#include "core/quant/sweep_chunk.hpp"

#include "core/linalg/dense.hpp"

#include <algorithm>

namespace loupe {

namespace {

constexpr std::int64_t kDepth = 1024;  ///< of one product: bounds the time between checkpoints
constexpr std::int64_t kSide = 64;     ///< of the triangle's blocks: what lies below is left out

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
void SweepChunk<T>::sumFinished(const Matrix<T>& root, const JobContext& ctx) {
    const std::int64_t reached = std::min(reach_, weights_.rows() - first_);
    std::fill_n(sums_.data(), sums_.size(), T(0));
    for (std::int64_t done = 0; done < first_; done += kDepth) {
        ctx.checkpoint();
        const std::int64_t depth = std::min(kDepth, first_ - done);
        addTransposed<T>(T(1),
                         part(root, done, first_, depth, reached),
                         part(weights_, done, 0, depth, lanes()),
                         {sums_.data(), reached, lanes()});
    }
}

template <class T>
void SweepChunk<T>::open(const Matrix<T>& root,
                         const Matrix<T>& inner,
                         std::int64_t first,
                         const JobContext& ctx) {
    first_ = first;
    width_ = std::min(stretch_, weights_.rows() - first);
    if (first % reach_ == 0) {
        sumFinished(root, ctx);
    }
    std::copy_n(weights(first), width_ * lanes(), current_.data());
    if (first == 0) {
        return;
    }
    for (std::int64_t at = 0; at < width_; at += kSide) {
        ctx.checkpoint();
        const std::int64_t size = std::min(kSide, width_ - at);
        addTransposed<T>(T(1),
                         part(inner, 0, at, at + size, size),
                         part(sums_, first % reach_, 0, at + size, lanes()),
                         {current_.row(at).data(), size, lanes()});
    }
}

template <class T>
void SweepChunk<T>::push(const Matrix<T>& inner, std::int64_t from, std::int64_t next) {
    const std::int64_t rest = first_ + width_ - next;
    if (rest > 0) {
        addTransposed<T>(T(-1),
                         part(inner, from - first_, next - first_, next - from, rest),
                         part(errors_, from - first_, 0, next - from, lanes()),
                         {current(next), rest, lanes()});
    }
}

template <class T>
void SweepChunk<T>::close(const Matrix<T>& root) {
    const std::int64_t next = first_ + width_;
    const std::int64_t start = first_ / reach_ * reach_;
    const std::int64_t rest = std::min(start + reach_, weights_.rows()) - next;
    if (rest > 0) {
        addTransposed<T>(T(1),
                         part(root, first_, next, width_, rest),
                         part(weights_, first_, 0, width_, lanes()),
                         {sums_.row(next - start).data(), rest, lanes()});
    }
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
