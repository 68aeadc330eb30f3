// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/job.hpp"
#include "core/base/matrix_view.hpp"
#include "core/prune/selection.hpp"
#include "core/scheme/bit_mask.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace loupe {

/// One row under Optimal Brain Surgeon: its weights and the inverse of the Hessian of the weights
/// that are left.
class ObsRow {
public:
    /// `inverse` = inv(H) [n, n] of all weights; must outlive this.
    explicit ObsRow(const Matrix<double>& inverse);

    /// Starts a row. Weights that `earlier` (may be null) dropped are taken out at once: they are 0
    /// and stay 0.
    void begin(std::int64_t row,
               std::span<const double> weights,
               const BitMask* earlier,
               const Selection& selection);

    /// L_q = 1/2 w_q² / [inv(H)]_qq of a weight that is left: what the loss grows by if it goes.
    [[nodiscard]] double saliency(std::int64_t col) const;
    /// The weight whose loss is smallest among those that may go; -1: none. Ties: the lower index,
    /// beside a pattern the higher one.
    [[nodiscard]] std::int64_t next() const;
    /// w <- w - w_q/[inv(H)]_qq · inv(H)[:, q], then q leaves inv(H). @returns L_q @cost n²/2
    /// multiply-adds
    double remove(std::int64_t col);

    [[nodiscard]] std::int64_t pruned() const { return pruned_; }
    [[nodiscard]] bool isLeft(std::int64_t col) const {
        return left_[static_cast<std::size_t>(col)] != 0;
    }
    /// May it still go? (A block of N:M that has N weights left keeps them.)
    [[nodiscard]] bool mayGo(std::int64_t col) const;
    [[nodiscard]] std::span<const double> weights() const { return weights_; }
    /// [inv(H)]_ij of the weights that are left; 0 where i or j has gone.
    [[nodiscard]] double inverse(std::int64_t i, std::int64_t j) const;

private:
    /// inv(H)[:, col] into column_.
    void fetchColumn(std::int64_t col);
    /// Takes out the column that was fetched.
    void takeOut(std::int64_t col);
    void applyPending();

    const Matrix<double>& first_;
    /// Below the diagonal, less what is pending. Every weight that goes changes all of it; the
    /// changes of some are applied together, each element's one after the other: the same sums, but
    /// the matrix moves through memory once for all of them.
    Matrix<double> work_;
    std::vector<double> diagonal_;  ///< as it is
    std::int64_t pending_ = 0;
    Matrix<double> columns_;  ///< inv(H)[:, q] of those pending
    Matrix<double> factors_;  ///< the same over inv(H)_qq
    std::vector<double> weights_;
    std::vector<double> column_;  ///< inv(H)[:, q]
    std::vector<std::uint8_t> left_;
    std::vector<std::int64_t> blockLeft_;  ///< N:M: how many may still go, by block
    Selection selection_;
    std::int64_t pruned_ = 0;
};

/// Told of each weight that goes, rows in order, on one thread.
class ObsRecorder {
public:
    ObsRecorder() = default;
    ObsRecorder(const ObsRecorder&) = delete;
    ObsRecorder& operator=(const ObsRecorder&) = delete;
    virtual ~ObsRecorder() = default;
    /// `col` is about to go from `row`: saliencies, inv(H) and weights as they are before it.
    virtual void choosing(std::int64_t row, std::int64_t col, const ObsRow& state) = 0;
    virtual void removed(std::int64_t row, std::int64_t col, double loss, const ObsRow& state) = 0;
};

struct ObsResult {
    std::shared_ptr<const BitMask> mask;
    double loss = 0;  ///< sum of L_q = 1/2 tr(D·H·D')
};

/// Prunes greedily, smallest loss first, in every row or over the whole matrix (spec/algorithms.md
/// 5.1 and 6). `weights` become the result: of each row the exact least squares on its mask.
/// Bit-identical for any number of threads.
/// @cost rows·n²/2 for every pruned weight of a row, on all threads; n² per thread. Over the whole
///       matrix each row is first pruned to nothing to learn its losses, then again as far as it
///       goes
[[nodiscard]] ObsResult solveObs(Matrix<double>& weights,
                                 const Matrix<double>& inverse,
                                 const BitMask* earlier,
                                 const Selection& selection,
                                 ObsRecorder* recorder,
                                 const JobContext& ctx);

}  // namespace loupe
