// SPDX-License-Identifier: Apache-2.0
// SparseGPT's sweep over the columns. Rows never meet but in the comparison that chooses a block's
// mask, so that everything else runs over chunks of rows in parallel.
#include "core/prune/sparsegpt_solver.hpp"

#include "core/base/worker_pool.hpp"
#include "core/linalg/gemm.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <span>

namespace loupe {

namespace {

/// Rows of a chunk: fixed, for the order of the products' sums.
constexpr std::int64_t kRows = 256;

template <class T>
class Sweep {
public:
    Sweep(Matrix<T>& weights,
          const Matrix<T>& factor,
          const SparseGptSpec& spec,
          SparseGptRecorder<T>* recorder,
          const JobContext& ctx)
        : weights_(weights),
          factor_(factor),
          spec_(spec),
          recorder_(recorder),
          ctx_(ctx),
          mask_(std::make_shared<BitMask>(weights.rows(), weights.cols(), true)),
          losses_(static_cast<std::size_t>(weights.rows()), 0.0) {
        const std::int64_t m = spec.selection.keep > 0 ? spec.selection.block : 1;
        // A group of M is chosen from weights that every column before it has moved: blocks hold
        // whole groups.
        block_ = (std::max<std::int64_t>(spec.block, 1) + m - 1) / m * m;
        errors_ = Matrix<T>(weights.rows(), std::min(block_, weights.cols()));
        if (spec.grids != nullptr) {
            result_.codes.resize(static_cast<std::size_t>(weights.size()));
            result_.rounded.resize(static_cast<std::size_t>(weights.size()));
        }
    }

    SparseGptResult run() {
        for (std::int64_t first = 0; first < weights_.cols(); first += block_) {
            ctx_.checkpoint();
            first_ = first;
            end_ = std::min(first + block_, weights_.cols());
            if (spec_.selection.keep == 0) {
                chooseBlock();
                tellMask(first_, end_);
            }
            if (recorder_ != nullptr) {
                tellColumns();
            } else {
                parallelFor(weights_.rows(),
                            kRows,
                            ctx_,
                            [&](std::int64_t begin, std::int64_t end, std::int64_t) {
                                for (std::int64_t row = begin; row < end; ++row) {
                                    for (std::int64_t col = first_; col < end_; ++col) {
                                        chooseGroup(row, col);
                                        column(row, col);
                                    }
                                }
                                pushRight(begin, end);
                            });
            }
            ctx_.advance(static_cast<std::uint64_t>(weights_.rows() * (end_ - first_)));
        }
        result_.loss = std::accumulate(losses_.begin(), losses_.end(), 0.0);
        result_.mask = std::move(mask_);
        return std::move(result_);
    }

private:
    [[nodiscard]] bool prunedBefore(std::int64_t row, std::int64_t col) const {
        return spec_.earlier != nullptr && !spec_.earlier->kept(row, col);
    }
    [[nodiscard]] std::uint64_t keyOf(std::int64_t row, std::int64_t col) const {
        return prunedBefore(row, col)
                   ? 0
                   : scoreKey(sparseGptScore(weights_(row, col), factor_(col, col)));
    }
    void dropBefore(std::int64_t row, std::int64_t first, std::int64_t end) {
        for (std::int64_t col = first; spec_.earlier != nullptr && col < end; ++col) {
            if (prunedBefore(row, col)) {
                mask_->set(row, col, false);
            }
        }
    }

    /// Exactly floor(count·S) of the block's weights over all rows, ties lower index first.
    void chooseBlock() {
        const std::int64_t width = end_ - first_;
        keys_.resize(static_cast<std::size_t>(weights_.rows() * width));
        parallelFor(
            weights_.rows(), kRows, ctx_, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
                for (std::int64_t row = begin; row < end; ++row) {
                    std::uint64_t* keys = keys_.data() + row * width;
                    for (std::int64_t col = first_; col < end_; ++col) {
                        *keys++ = keyOf(row, col);
                    }
                    dropBefore(row, first_, end_);
                }
            });
        const auto count = static_cast<std::int64_t>(keys_.size());
        pruneSmallest(
            keys_, prunedCount(count, spec_.selection.sparsity), scratch_, [&](std::int64_t i) {
                mask_->set(i / width, first_ + i % width, false);
            });
    }

    /// At every M-th column: all but the N largest of the current scores; ties keep the lower
    /// index.
    void chooseGroup(std::int64_t row, std::int64_t col) {
        const Selection& selection = spec_.selection;
        if (selection.keep == 0 || col % selection.block != 0) {
            return;
        }
        const std::int64_t size = std::min(selection.block, weights_.cols() - col);
        std::array<std::pair<std::uint64_t, std::int64_t>, 64> order;
        for (std::int64_t i = 0; i < size; ++i) {
            order[static_cast<std::size_t>(i)] = {keyOf(row, col + i), -i};
        }
        std::sort(order.begin(), order.begin() + size);
        for (std::int64_t i = 0; i < size - std::min(selection.keep, size); ++i) {
            mask_->set(row, col - order[static_cast<std::size_t>(i)].second, false);
        }
        dropBefore(row, col, col + size);
    }

    /// Fixes one weight and moves those to its right within the block.
    void column(std::int64_t row, std::int64_t col) {
        T* const w = weights_.row(row).data();
        const T* const u = factor_.row(col).data();
        const T before = w[col];
        T after = mask_->kept(row, col) ? before : T{0};
        if (spec_.grids != nullptr) {
            after = quantized(row, col, before);
        }
        const T error = (before - after) / u[col];
        w[col] = after;
        errors_(row, col - first_) = error;
        if (error == 0) {
            return;
        }
        losses_[static_cast<std::size_t>(row)] +=
            0.5 * static_cast<double>(error) * static_cast<double>(error);
        for (std::int64_t j = col + 1; j < end_; ++j) {
            w[j] -= error * u[j];
        }
    }

    T quantized(std::int64_t row, std::int64_t col, T before) {
        const auto place = static_cast<std::size_t>(row * weights_.cols() + col);
        const bool kept = mask_->kept(row, col);
        const std::int64_t code = kept ? spec_.grids->codeOf(row, static_cast<double>(before))
                                       : spec_.grids->zeros[static_cast<std::size_t>(row)];
        result_.codes[place] = static_cast<std::int8_t>(code);
        result_.rounded[place] = static_cast<float>(before);
        return kept ? static_cast<T>(spec_.grids->valueOf(row, code)) : T{0};
    }

    /// The block's errors reach the columns right of it, for some rows.
    void pushRight(std::int64_t begin, std::int64_t end) {
        if (end_ == weights_.cols()) {
            return;
        }
        const std::int64_t n = weights_.cols();
        gemm<T>(end - begin,
                n - end_,
                end_ - first_,
                T{-1},
                {errors_.row(begin).data(), errors_.cols(), Op::Plain},
                {factor_.row(first_).data() + end_, n, Op::Plain},
                T{1},
                weights_.row(begin).data() + end_,
                n);
    }

    [[nodiscard]] SparseGptState<T> state() const { return {weights_, factor_, *mask_, losses_}; }

    void tellMask(std::int64_t first, std::int64_t end) {
        if (recorder_ != nullptr) {
            recorder_->maskChosen(first, end, state());
        }
    }

    /// The same operations, all rows of a column after the other.
    void tellColumns() {
        std::vector<T> errors(static_cast<std::size_t>(weights_.rows()));
        for (std::int64_t col = first_; col < end_; ++col) {
            ctx_.checkpoint();
            for (std::int64_t row = 0; row < weights_.rows(); ++row) {
                chooseGroup(row, col);
            }
            if (spec_.selection.keep > 0 && col % spec_.selection.block == 0) {
                tellMask(col, std::min(col + spec_.selection.block, weights_.cols()));
            }
            for (std::int64_t row = 0; row < weights_.rows(); ++row) {
                column(row, col);
                errors[static_cast<std::size_t>(row)] = errors_(row, col - first_);
            }
            recorder_->columnDone(col, errors, state());
        }
        for (std::int64_t row = 0; row < weights_.rows(); row += kRows) {
            pushRight(row, std::min(row + kRows, weights_.rows()));
        }
        recorder_->blockDone(first_, end_, state());
    }

    Matrix<T>& weights_;
    const Matrix<T>& factor_;
    const SparseGptSpec& spec_;
    SparseGptRecorder<T>* recorder_;
    const JobContext& ctx_;
    std::int64_t block_ = 128;
    std::int64_t first_ = 0;  ///< of the block at hand
    std::int64_t end_ = 0;
    std::shared_ptr<BitMask> mask_;
    std::vector<double> losses_;  ///< by row
    Matrix<T> errors_;            ///< [rows, block]
    std::vector<std::uint64_t> keys_;
    std::vector<std::uint64_t> scratch_;
    SparseGptResult result_;
};

}  // namespace

template <class T>
SparseGptResult solveSparseGpt(Matrix<T>& weights,
                               const Matrix<T>& factor,
                               const SparseGptSpec& spec,
                               SparseGptRecorder<T>* recorder,
                               const JobContext& ctx) {
    return Sweep<T>(weights, factor, spec, recorder, ctx).run();
}

template SparseGptResult solveSparseGpt<float>(Matrix<float>&,
                                               const Matrix<float>&,
                                               const SparseGptSpec&,
                                               SparseGptRecorder<float>*,
                                               const JobContext&);
template SparseGptResult solveSparseGpt<double>(Matrix<double>&,
                                                const Matrix<double>&,
                                                const SparseGptSpec&,
                                                SparseGptRecorder<double>*,
                                                const JobContext&);

}  // namespace loupe
