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

template <class T>
using Source = typename LanePanels<T>::template View<const T>;
template <class T>
using Target = typename LanePanels<T>::template View<T>;

/// C += alpha·A'B, A [places of B, places of C].
template <class T>
void addTransposed(T alpha, const T* a, std::int64_t stride, Source<T> b, Target<T> c) {
    for (std::int64_t p = 0; p < c.panels; ++p) {
        gemm<T>(c.places,
                kPanel,
                b.places,
                alpha,
                {a, stride, Op::Transposed},
                {b.panel(p), kPanel, Op::Plain},
                T(1),
                c.panel(p),
                kPanel);
    }
}

/// The same with A in panels: panelAt(i) is the i-th of C's places, from B's first place on.
template <class PanelAt>
void addPanels(float alpha, const PanelAt& panelAt, Source<float> b, Target<float> c) {
    constexpr std::int64_t kSlice = 256;
    const PanelKernels& kernels = panelKernels();
    for (std::int64_t k = 0; k < b.places; k += kSlice) {
        const std::int64_t depth = std::min(kSlice, b.places - k);
        for (std::int64_t p = 0; p < c.panels; ++p) {
            for (std::int64_t row = 0; row < c.places; row += kPanel) {
                kernels.addProduct(alpha,
                                   panelAt(row / kPanel) + k * kPanel,
                                   b.panel(p) + k * kPanel,
                                   depth,
                                   c.panel(p) + row * kPanel,
                                   kPanel,
                                   std::min(kPanel, c.places - row),
                                   kPanel);
            }
        }
    }
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
void SweepChunk<T>::addRoot(
    const SweepFactor<T>& factor, std::int64_t from, std::int64_t to, From b, To c) {
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
    const Matrix<T>& root = factor.root();
    addTransposed<T>(T(1), &root(from, to), root.cols(), b, c);
}

template <class T>
void SweepChunk<T>::addInner(
    const SweepFactor<T>& factor, T alpha, std::int64_t from, std::int64_t to, From b, To c) const {
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
    const Matrix<T>& inner = factor.inner(first_);
    addTransposed<T>(alpha, &inner(from, to), inner.cols(), b, c);
}

template <class T>
void SweepChunk<T>::sumFinished(const SweepFactor<T>& factor, const JobContext& ctx) {
    const std::int64_t reached = std::min(reach_, weights_.places() - first_);
    sums_.clear();
    for (std::int64_t done = 0; done < first_; done += kDepth) {
        ctx.checkpoint();
        addRoot(factor,
                done,
                first_,
                std::as_const(weights_).part(done, std::min(kDepth, first_ - done)),
                sums_.part(0, reached));
    }
}

template <class T>
void SweepChunk<T>::open(const SweepFactor<T>& factor, std::int64_t first, const JobContext& ctx) {
    first_ = first;
    width_ = std::min(stretch_, weights_.places() - first);
    if (first % reach_ == 0) {
        sumFinished(factor, ctx);
    }
    for (std::int64_t lane = 0; lane < lanes(); lane += kPanel) {
        std::copy_n(weights(first, lane), width_ * kPanel, current(first, lane));
    }
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
                 std::as_const(sums_).part(first % reach_, at + size),
                 current_.part(at, size));
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
                 std::as_const(errors_).part(from - first_, next - from),
                 current_.part(next - first_, rest));
    }
}

template <class T>
void SweepChunk<T>::close(const SweepFactor<T>& factor) {
    const std::int64_t next = first_ + width_;
    const std::int64_t start = first_ / reach_ * reach_;
    const std::int64_t rest = std::min(start + reach_, weights_.places()) - next;
    if (rest > 0) {
        addRoot(factor,
                first_,
                next,
                std::as_const(weights_).part(first_, width_),
                sums_.part(next - start, rest));
    }
}

template class SweepFactor<float>;
template class SweepFactor<double>;
template class SweepChunk<float>;
template class SweepChunk<double>;

}  // namespace loupe
