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

/// Some lanes (rows of a layer) of some places, in panels of kPanel lanes: [places][kPanel] each.
/// Panels begin at a cache line.
template <class T>
class LanePanels {
public:
    /// Some neighbouring places in all panels.
    template <class U>
    struct View {
        U* data = nullptr;
        std::int64_t panelStride = 0;
        std::int64_t places = 0;
        std::int64_t panels = 0;
        [[nodiscard]] U* panel(std::int64_t index) const { return data + index * panelStride; }
    };

    /// @param lanes  a multiple of kPanel
    LanePanels(std::int64_t places, std::int64_t lanes)
        : places_(places),
          lanes_(lanes),
          values_(static_cast<std::size_t>(places * lanes + kLine)) {
        const auto address = reinterpret_cast<std::uintptr_t>(values_.data()) / sizeof(T);
        lead_ = (kLine - static_cast<std::int64_t>(address % kLine)) % kLine;
    }
    // A copy's memory begins elsewhere in its line; a move takes the memory with it.
    LanePanels(LanePanels&&) noexcept = default;
    LanePanels& operator=(LanePanels&&) noexcept = default;
    LanePanels(const LanePanels&) = delete;
    LanePanels& operator=(const LanePanels&) = delete;
    ~LanePanels() = default;

    [[nodiscard]] std::int64_t places() const { return places_; }
    [[nodiscard]] std::int64_t lanes() const { return lanes_; }
    /// The lanes of a place from `lane` to the end of its panel; those of the next place lie kPanel
    /// elements further.
    [[nodiscard]] T* at(std::int64_t place, std::int64_t lane) {
        return values_.data() + offset(place, lane);
    }
    [[nodiscard]] const T* at(std::int64_t place, std::int64_t lane) const {
        return values_.data() + offset(place, lane);
    }
    [[nodiscard]] View<T> part(std::int64_t place, std::int64_t count) {
        return {at(place, 0), places_ * kPanel, count, lanes_ / kPanel};
    }
    [[nodiscard]] View<const T> part(std::int64_t place, std::int64_t count) const {
        return {at(place, 0), places_ * kPanel, count, lanes_ / kPanel};
    }
    void clear() { std::fill(values_.begin(), values_.end(), T(0)); }

private:
    static constexpr std::int64_t kLine = 64 / sizeof(T);
    [[nodiscard]] std::int64_t offset(std::int64_t place, std::int64_t lane) const {
        return lead_ + (lane / kPanel * places_ + place) * kPanel + lane % kPanel;
    }

    std::int64_t places_ = 0;
    std::int64_t lanes_ = 0;
    std::int64_t lead_ = 0;
    std::vector<T> values_;
};

/// Some rows of a layer while a solver (GPTQ, SparseGPT) sweeps over its columns. Rows do not know
/// of each other, so that a chunk of them goes through the whole sweep on one thread, in a memory
/// that stays near. Matrices lie transposed and in panels: rows of W are the lanes of vectors, and
/// products and sweeps read and write them where they lie.
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

    [[nodiscard]] std::int64_t lanes() const { return weights_.lanes(); }

    // Of a place, the lanes from `lane` on: see LanePanels::at().
    /// W before the stretch is open, W - Q after it is closed.
    [[nodiscard]] T* weights(std::int64_t place, std::int64_t lane) {
        return weights_.at(place, lane);
    }
    [[nodiscard]] const T* weights(std::int64_t place, std::int64_t lane) const {
        return weights_.at(place, lane);
    }
    /// Of the open stretch, with all moves of finished blocks in it.
    [[nodiscard]] T* current(std::int64_t place, std::int64_t lane) {
        return current_.at(place - first_, lane);
    }
    [[nodiscard]] const T* current(std::int64_t place, std::int64_t lane) const {
        return current_.at(place - first_, lane);
    }
    /// e of a place of the open stretch.
    [[nodiscard]] T* errors(std::int64_t place, std::int64_t lane) {
        return errors_.at(place - first_, lane);
    }

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

    using From = typename LanePanels<T>::template View<const T>;
    using To = typename LanePanels<T>::template View<T>;

    void sumFinished(const SweepFactor<T>& factor, const JobContext& ctx);
    /// C += R[from, from + places of B; to, to + places of C]'·B
    static void addRoot(
        const SweepFactor<T>& factor, std::int64_t from, std::int64_t to, From b, To c);
    /// C += alpha·U[...]'·B in the open stretch, places counted from its first.
    void addInner(const SweepFactor<T>& factor,
                  T alpha,
                  std::int64_t from,
                  std::int64_t to,
                  From b,
                  To c) const;

    std::int64_t first_ = 0;  ///< of the open stretch
    std::int64_t width_ = 0;
    std::int64_t stretch_;
    std::int64_t reach_;
    LanePanels<T> weights_;
    LanePanels<T> current_;
    LanePanels<T> errors_;
    LanePanels<T> sums_;  ///< D_F·R of the places within reach
};

/// Rows of a chunk: fixed, for the order of the products' sums.
inline constexpr std::int64_t kChunkRows = 256;

}  // namespace loupe
