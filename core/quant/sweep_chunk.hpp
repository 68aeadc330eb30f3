// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/matrix_view.hpp"
#include "core/linalg/panels.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace loupe {

/// What a sweep over runs of `stretch` places needs of R.
template <class T>
class SweepFactor {
public:
    /// @param block  of the places that push their errors within a stretch
    SweepFactor(const Matrix<T>& root,
                std::int64_t stretch,
                std::int64_t block,
                const JobContext& ctx);

    [[nodiscard]] const Matrix<T>& root() const { return *root_; }
    [[nodiscard]] std::int64_t stretch() const { return stretch_; }
    /// The diagonal block of U of the stretch that `place` lies in: inv(R_JJ), as U is the inverse
    /// of an upper triangular R.
    [[nodiscard]] const Matrix<T>& inner(std::int64_t place) const {
        return inner_[static_cast<std::size_t>(place / stretch_)];
    }

    /// The same in panels, where products of this size go through them (linalg/panels.hpp).
    [[nodiscard]] bool isPacked() const { return !packed_.empty(); }
    /// Column panel `index` of R: rows above its diagonal block.
    [[nodiscard]] const float* rootPanel(std::int64_t index) const {
        return packed_.panel(0) + index * (index - 1) / 2 * kPanel * kPanel;
    }
    [[nodiscard]] const Panels& innerPanels(std::int64_t place) const {
        return innerPanels_[static_cast<std::size_t>(place / stretch_)];
    }

private:
    void pack(const JobContext& ctx);

    const Matrix<T>* root_;
    std::int64_t stretch_;
    std::vector<Matrix<T>> inner_;
    Panels packed_;  ///< the triangle above the diagonal blocks, panel after panel
    std::vector<Panels> innerPanels_;
};

/// Some rows of a layer while a solver (GPTQ, SparseGPT) sweeps over its columns. Rows do not know
/// of each other, so that a chunk of them goes through the whole sweep on one thread, in a memory
/// that stays near. Matrices lie transposed, a place of the sweep in a row of memory: some rows
/// of W are then the lanes of vectors.
///
/// The published sweep pushes every error e on all places behind it, w_j -= e·U_ij, and needs U =
/// inv(R) of H = RR'. Here a place's move is read off R itself: with D = W - Q of the finished
/// places F, the places J that follow are best at w_J + D_F·R_FJ·inv(R_JJ). (Of |D·R|², the terms
/// of F are fixed; the sum of those of J becomes 0.) That is the same number, for a third of n³
/// flops less: nothing but the diagonal blocks of U is ever formed.
template <class T>
class SweepChunk {
public:
    SweepChunk(std::int64_t places, std::int64_t lanes, std::int64_t stretch)
        : stretch_(stretch),
          reach_(std::max<std::int64_t>(kReach / stretch, 1) * stretch),
          weights_(places, lanes),
          current_(stretch, lanes),
          errors_(stretch, lanes),
          sums_(std::min(reach_, places), lanes) {}

    [[nodiscard]] std::int64_t lanes() const { return weights_.cols(); }

    /// W before the stretch is open, W - Q after it is closed: [lanes] of a place.
    [[nodiscard]] T* weights(std::int64_t place) { return weights_.row(place).data(); }
    [[nodiscard]] const T* weights(std::int64_t place) const { return weights_.row(place).data(); }
    /// The places of the open stretch, with all moves of finished blocks in them.
    [[nodiscard]] T* current(std::int64_t place) { return current_.row(place - first_).data(); }
    [[nodiscard]] const T* current(std::int64_t place) const {
        return current_.row(place - first_).data();
    }
    /// e of a place of the open stretch.
    [[nodiscard]] T* errors(std::int64_t place) { return errors_.row(place - first_).data(); }

    /// The stretch that begins at `first`, with what all finished places make of it.
    /// @cost lanes·(first·width + width²/2) multiply-adds
    void open(const SweepFactor<T>& factor, std::int64_t first, const JobContext& ctx);

    /// The errors of the places [from, next) of the stretch on those behind them in it.
    void push(const SweepFactor<T>& factor, std::int64_t from, std::int64_t next);

    /// The places of the stretch are final: weights() holds W - Q of them.
    void close(const SweepFactor<T>& factor);

private:
    /// Places that get the sums of all before them in one product. Within, stretch adds to stretch.
    static constexpr std::int64_t kReach = 512;

    void sumFinished(const SweepFactor<T>& factor, const JobContext& ctx);
    /// C += R[from, from + rows of B; to, to + rows of C]'·B
    static void addRoot(const SweepFactor<T>& factor,
                        std::int64_t from,
                        std::int64_t to,
                        MatrixView<const T> b,
                        MatrixView<T> c);
    /// C += alpha·U[...]'·B in the open stretch, places counted from its first.
    void addInner(const SweepFactor<T>& factor,
                  T alpha,
                  std::int64_t from,
                  std::int64_t to,
                  MatrixView<const T> b,
                  MatrixView<T> c) const;

    std::int64_t first_ = 0;  ///< of the open stretch
    std::int64_t width_ = 0;
    std::int64_t stretch_;
    std::int64_t reach_;
    Matrix<T> weights_;
    Matrix<T> current_;
    Matrix<T> errors_;
    Matrix<T> sums_;  ///< D_F·R of the places within reach
};

/// Rows of a chunk: fixed, for the order of the products' sums.
inline constexpr std::int64_t kChunkRows = 256;

}  // namespace loupe
