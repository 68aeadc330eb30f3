// SPDX-License-Identifier: Apache-2.0
#include "core/quant/sweep_chunk.hpp"

#include "core/base/worker_pool.hpp"
#include "core/linalg/dense.hpp"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

namespace loupe {

namespace {

constexpr std::int64_t kDepth = 1024;  ///< of one product: bounds the time between checkpoints
constexpr std::int64_t kSide = 64;     ///< of the triangle's blocks: what lies below is left out

/// C += alpha·A'B, A and B given by their first rows.
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

/// The same with A in panels: panelAt(i) is the i-th of C's rows, from B's first row on. B is
/// packed here, a panel of a slice at a time: once for all rows of C.
template <class PanelAt>
void addPanels(float alpha,
               const PanelAt& panelAt,
               MatrixView<const float> b,
               MatrixView<float> c) {
    constexpr std::int64_t kSlice = 256;
    const PanelKernels& kernels = panelKernels();
    alignas(64) std::array<float, static_cast<std::size_t>(kSlice * kPanel)> packed;
    for (std::int64_t k = 0; k < b.rows; k += kSlice) {
        const std::int64_t depth = std::min(kSlice, b.rows - k);
        for (std::int64_t lane = 0; lane < c.cols; lane += kPanel) {
            packPanel(&b(k, lane), b.rowStride, depth, kPanel, packed.data());
            for (std::int64_t row = 0; row < c.rows; row += kPanel) {
                kernels.addProduct(alpha,
                                   panelAt(row / kPanel) + k * kPanel,
                                   packed.data(),
                                   depth,
                                   &c(row, lane),
                                   c.rowStride,
                                   std::min(kPanel, c.rows - row),
                                   kPanel);
            }
        }
    }
}

template <class T>
MatrixView<const T> part(
    const Matrix<T>& a, std::int64_t row, std::int64_t col, std::int64_t rows, std::int64_t cols) {
    return {&a(row, col), rows, cols, a.cols()};
}

}  // namespace

template <class T>
SweepFactor<T>::SweepFactor(const Matrix<T>& root,
                            std::int64_t stretch,
                            std::int64_t block,
                            const JobContext& ctx)
    : root_(&root), stretch_(stretch) {
    for (std::int64_t first = 0; first < root.rows(); first += stretch) {
        const std::int64_t size = std::min(stretch, root.rows() - first);
        Matrix<T> inverse(size, size);
        for (std::int64_t i = 0; i < size; ++i) {
            const T* const from = &root(first + i, first);
            std::copy(from, from + size, inverse.row(i).begin());
        }
        reverseBoth(inverse, ctx);
        inverse = inverseLower<T>(std::as_const(inverse).view(), ctx);
        reverseBoth(inverse, ctx);
        inner_.push_back(std::move(inverse));
    }
    if (std::is_same_v<T, float> && panelsPay(root.rows()) && block % kPanel == 0) {
        pack(ctx);
    }
}

template <class T>
void SweepFactor<T>::pack(const JobContext& ctx) {
    if constexpr (std::is_same_v<T, float>) {
        const std::int64_t n = root_->rows();
        const std::int64_t count = (n + kPanel - 1) / kPanel;
        packed_ = Panels(count * (count - 1) / 2 * kPanel, kPanel);
        parallelFor(count, 4, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
            for (std::int64_t p = std::max<std::int64_t>(begin, 1); p < end; ++p) {
                const std::int64_t first = p * kPanel;
                packPanel(&(*root_)(0, first),
                          n,
                          first,
                          std::min(kPanel, n - first),
                          packed_.panel(0) + p * (p - 1) / 2 * kPanel * kPanel);
            }
        });
        for (const Matrix<T>& inner : inner_) {
            innerPanels_.emplace_back(inner.rows(), inner.cols());
            innerPanels_.back().packColumns(inner.view(), ctx);
        }
    }
}

template <class T>
void SweepChunk<T>::addRoot(const SweepFactor<T>& factor,
                            std::int64_t from,
                            std::int64_t to,
                            MatrixView<const T> b,
                            MatrixView<T> c) {
    if constexpr (std::is_same_v<T, float>) {
        if (factor.isPacked()) {
            const std::int64_t panel = to / kPanel;
            addPanels(
                1,
                [&](std::int64_t i) { return factor.rootPanel(panel + i) + from * kPanel; },
                b,
                c);
            return;
        }
    }
    addTransposed<T>(T(1), part(factor.root(), from, to, b.rows, c.rows), b, c);
}

template <class T>
void SweepChunk<T>::addInner(const SweepFactor<T>& factor,
                             T alpha,
                             std::int64_t from,
                             std::int64_t to,
                             MatrixView<const T> b,
                             MatrixView<T> c) const {
    if constexpr (std::is_same_v<T, float>) {
        if (factor.isPacked()) {
            const Panels& inner = factor.innerPanels(first_);
            const std::int64_t panel = to / kPanel;
            addPanels(
                alpha,
                [&](std::int64_t i) { return inner.panel(panel + i) + from * kPanel; },
                b,
                c);
            return;
        }
    }
    addTransposed<T>(alpha, part(factor.inner(first_), from, to, b.rows, c.rows), b, c);
}

template <class T>
void SweepChunk<T>::sumFinished(const SweepFactor<T>& factor, const JobContext& ctx) {
    const std::int64_t reached = std::min(reach_, weights_.rows() - first_);
    std::fill_n(sums_.data(), sums_.size(), T(0));
    for (std::int64_t done = 0; done < first_; done += kDepth) {
        ctx.checkpoint();
        addRoot(factor,
                done,
                first_,
                part(weights_, done, 0, std::min(kDepth, first_ - done), lanes()),
                {sums_.data(), reached, lanes()});
    }
}

template <class T>
void SweepChunk<T>::open(const SweepFactor<T>& factor, std::int64_t first, const JobContext& ctx) {
    first_ = first;
    width_ = std::min(stretch_, weights_.rows() - first);
    if (first % reach_ == 0) {
        sumFinished(factor, ctx);
    }
    std::copy_n(weights(first), width_ * lanes(), current_.data());
    if (first == 0) {
        return;
    }
    for (std::int64_t at = 0; at < width_; at += kSide) {
        ctx.checkpoint();
        const std::int64_t size = std::min(kSide, width_ - at);
        addInner(factor,
                 T(1),
                 0,
                 at,
                 part(sums_, first % reach_, 0, at + size, lanes()),
                 {current_.row(at).data(), size, lanes()});
    }
}

template <class T>
void SweepChunk<T>::push(const SweepFactor<T>& factor, std::int64_t from, std::int64_t next) {
    const std::int64_t rest = first_ + width_ - next;
    if (rest > 0) {
        addInner(factor,
                 T(-1),
                 from - first_,
                 next - first_,
                 part(errors_, from - first_, 0, next - from, lanes()),
                 {current(next), rest, lanes()});
    }
}

template <class T>
void SweepChunk<T>::close(const SweepFactor<T>& factor) {
    const std::int64_t next = first_ + width_;
    const std::int64_t start = first_ / reach_ * reach_;
    const std::int64_t rest = std::min(start + reach_, weights_.rows()) - next;
    if (rest > 0) {
        addRoot(factor,
                first_,
                next,
                part(weights_, first_, 0, width_, lanes()),
                {sums_.row(next - start).data(), rest, lanes()});
    }
}

template class SweepFactor<float>;
template class SweepFactor<double>;
template class SweepChunk<float>;
template class SweepChunk<double>;

}  // namespace loupe
