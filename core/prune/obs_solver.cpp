// SPDX-License-Identifier: Apache-2.0
#include "core/prune/obs_solver.hpp"

#include "core/base/worker_pool.hpp"
#include "core/prune/prune_kernels.hpp"

#include <queue>

#include <algorithm>
#include <functional>
#include <utility>

namespace loupe {

namespace {

constexpr std::int64_t kPending = 32;

}  // namespace

ObsRow::ObsRow(const Matrix<double>& inverse)
    : first_(inverse),
      work_(inverse.rows(), inverse.rows()),
      diagonal_(static_cast<std::size_t>(inverse.rows())),
      columns_(kPending, inverse.rows()),
      factors_(kPending, inverse.rows()),
      column_(static_cast<std::size_t>(inverse.rows())) {}

void ObsRow::begin(std::int64_t row,
                   std::span<const double> weights,
                   const BitMask* earlier,
                   const Selection& selection) {
    const auto n = static_cast<std::int64_t>(weights.size());
    selection_ = selection;
    pruned_ = 0;
    weights_.assign(weights.begin(), weights.end());
    left_.assign(weights.size(), 1);
    std::copy(first_.data(), first_.data() + first_.size(), work_.data());
    for (std::int64_t i = 0; i < n; ++i) {
        diagonal_[static_cast<std::size_t>(i)] = first_(i, i);
    }
    pending_ = 0;
    blockLeft_.clear();
    for (std::int64_t i = 0; selection.keep > 0 && i < n; i += selection.block) {
        const std::int64_t size = std::min(selection.block, n - i);
        blockLeft_.push_back(size - std::min(selection.keep, size));
    }
    for (std::int64_t col = 0; earlier != nullptr && col < n; ++col) {
        if (!earlier->kept(row, col)) {
            fetchColumn(col);
            takeOut(col);
        }
    }
}

double ObsRow::saliency(std::int64_t col) const {
    const double w = weights_[static_cast<std::size_t>(col)];
    return 0.5 * w * w / diagonal_[static_cast<std::size_t>(col)];
}

bool ObsRow::mayGo(std::int64_t col) const {
    return isLeft(col) &&
           (blockLeft_.empty() || blockLeft_[static_cast<std::size_t>(col / selection_.block)] > 0);
}

std::int64_t ObsRow::next() const {
    std::int64_t best = -1;
    double least = 0;
    for (std::int64_t col = 0; col < work_.rows(); ++col) {
        if (!mayGo(col)) {
            continue;
        }
        const double loss = saliency(col);
        if (best < 0 || loss < least || (loss == least && !blockLeft_.empty())) {
            best = col;
            least = loss;
        }
    }
    return best;
}

double ObsRow::inverse(std::int64_t i, std::int64_t j) const {
    if (!isLeft(i) || !isLeft(j)) {
        return 0;
    }
    if (i == j) {
        return diagonal_[static_cast<std::size_t>(i)];
    }
    const std::int64_t row = std::max(i, j);
    const std::int64_t col = std::min(i, j);
    double value = work_(row, col);
    for (std::int64_t k = 0; k < pending_; ++k) {
        value -= factors_(k, row) * columns_(k, col);
    }
    return value;
}

void ObsRow::fetchColumn(std::int64_t col) {
    const std::int64_t n = work_.rows();
    double* const column = column_.data();
    std::copy_n(work_.row(col).data(), col, column);
    for (std::int64_t i = col + 1; i < n; ++i) {
        column[i] = work_(i, col);
    }
    for (std::int64_t k = 0; k < pending_; ++k) {
        const double* const c = columns_.row(k).data();
        const double* const factors = factors_.row(k).data();
        const double factor = factors[col];
        const double own = c[col];
        for (std::int64_t i = 0; i < col; ++i) {
            column[i] -= factor * c[i];
        }
        for (std::int64_t i = col + 1; i < n; ++i) {
            column[i] -= factors[i] * own;
        }
    }
    for (std::int64_t i = 0; i < n; ++i) {
        column[i] = isLeft(i) ? column[i] : 0;
    }
    column[col] = diagonal_[static_cast<std::size_t>(col)];
}

void ObsRow::takeOut(std::int64_t col) {
    const std::int64_t n = work_.rows();
    const double pivot = diagonal_[static_cast<std::size_t>(col)];
    const double* const column = column_.data();
    double* const c = columns_.row(pending_).data();
    double* const factors = factors_.row(pending_).data();
    double* const diagonal = diagonal_.data();
    for (std::int64_t i = 0; i < n; ++i) {
        c[i] = column[i];
        factors[i] = column[i] / pivot;
        // It never falls below 1/H_ii; rounding must not make it 0.
        diagonal[i] = std::max(diagonal[i] - factors[i] * c[i], diagonal[i] * 1e-14);
    }
    if (++pending_ == kPending) {
        applyPending();
    }
    weights_[static_cast<std::size_t>(col)] = 0;
    left_[static_cast<std::size_t>(col)] = 0;
    if (!blockLeft_.empty()) {
        --blockLeft_[static_cast<std::size_t>(col / selection_.block)];
    }
    ++pruned_;
}

void ObsRow::applyPending() {
    constexpr std::int64_t kSide = 64;  // columns of all that are pending stay in the first cache
    const std::int64_t n = work_.rows();
    const PruneKernels& kernels = pruneKernels();
    for (std::int64_t first = 0; first < n; first += kSide) {
        const std::int64_t size = std::min(kSide, n - first);
        for (std::int64_t row = first; row < n; ++row) {
            if (isLeft(row)) {
                kernels.subtractAll(
                    &factors_(0, row), &columns_(0, first), n, pending_, &work_(row, first), size);
            }
        }
    }
    pending_ = 0;
}

double ObsRow::remove(std::int64_t col) {
    const double loss = saliency(col);
    fetchColumn(col);
    const double step =
        weights_[static_cast<std::size_t>(col)] / diagonal_[static_cast<std::size_t>(col)];
    if (step != 0) {
        for (std::size_t i = 0; i < weights_.size(); ++i) {
            weights_[i] -= step * column_[i];
        }
    }
    takeOut(col);
    return loss;
}

namespace {

class Surgery {
public:
    Surgery(Matrix<double>& weights,
            const Matrix<double>& inverse,
            const BitMask* earlier,
            const Selection& selection,
            ObsRecorder* recorder,
            const JobContext& ctx)
        : weights_(weights),
          inverse_(inverse),
          earlier_(earlier),
          selection_(selection),
          recorder_(recorder),
          ctx_(ctx),
          mask_(std::make_shared<BitMask>(weights.rows(), weights.cols(), true)),
          losses_(static_cast<std::size_t>(weights.rows()), 0.0) {}

    ObsResult run() {
        const bool whole = isWhole();
        const std::int64_t perRow = selection_.keep > 0
                                        ? weights_.cols()
                                        : prunedCount(weights_.cols(), selection_.sparsity);
        std::vector<std::int64_t> counts(static_cast<std::size_t>(weights_.rows()), perRow);
        if (whole) {
            counts = countsOverAll();
        }
        if (recorder_ != nullptr) {
            ObsRow state(inverse_);
            for (std::int64_t row = 0; row < weights_.rows(); ++row) {
                pruneRow(row, counts[static_cast<std::size_t>(row)], state);
            }
        } else {
            inRows([&](std::int64_t row, ObsRow& state) {
                pruneRow(row, counts[static_cast<std::size_t>(row)], state);
            });
        }
        ObsResult result;
        for (const double loss : losses_) {
            result.loss += loss;
        }
        result.mask = std::move(mask_);
        return result;
    }

private:
    [[nodiscard]] bool isWhole() const { return selection_.keep == 0 && !selection_.perRow; }

    /// A few rows per chunk: each chunk has one n x n workspace.
    void inRows(const std::function<void(std::int64_t row, ObsRow& state)>& body) const {
        constexpr std::int64_t kRows = 4;
        parallelFor(
            weights_.rows(), kRows, ctx_, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
                ObsRow state(inverse_);
                for (std::int64_t row = begin; row < end; ++row) {
                    body(row, state);
                }
            });
    }

    /// Until `count` weights are gone, or none may go any more.
    void pruneRow(std::int64_t row, std::int64_t count, ObsRow& state) {
        state.begin(row, weights_.row(row), earlier_, selection_);
        double& sum = losses_[static_cast<std::size_t>(row)];
        while (state.pruned() < count) {
            ctx_.checkpoint();
            const std::int64_t col = state.next();
            if (col < 0) {
                break;
            }
            if (recorder_ != nullptr) {
                recorder_->choosing(row, col, state);
            }
            const double loss = state.remove(col);
            sum += loss;
            if (recorder_ != nullptr) {
                recorder_->removed(row, col, loss, state);
            }
        }
        for (std::int64_t col = 0; col < weights_.cols(); ++col) {
            weights_(row, col) = state.weights()[static_cast<std::size_t>(col)];
            if (!state.isLeft(col)) {
                mask_->set(row, col, false);
            }
        }
        const std::int64_t told = isWhole() ? weights_.cols() / 2 : 0;  // when losses were learnt
        ctx_.advance(static_cast<std::uint64_t>(weights_.cols() - told));
    }

    /// How many weights of each row go: always the smallest next loss over all rows, ties the
    /// lowest row. Each row is pruned to nothing first to learn its losses.
    [[nodiscard]] std::vector<std::int64_t> countsOverAll() const {
        const std::int64_t rows = weights_.rows();
        std::vector<std::vector<double>> losses(static_cast<std::size_t>(rows));
        std::vector<std::int64_t> counts(static_cast<std::size_t>(rows));
        inRows([&](std::int64_t row, ObsRow& state) {
            state.begin(row, weights_.row(row), earlier_, selection_);
            counts[static_cast<std::size_t>(row)] = state.pruned();
            for (std::int64_t col = state.next(); col >= 0; col = state.next()) {
                ctx_.checkpoint();
                losses[static_cast<std::size_t>(row)].push_back(state.remove(col));
            }
            ctx_.advance(static_cast<std::uint64_t>(weights_.cols() / 2));
        });
        std::int64_t left = prunedCount(weights_.size(), selection_.sparsity);
        using Next = std::pair<double, std::size_t>;
        std::priority_queue<Next, std::vector<Next>, std::greater<>> queue;
        std::vector<std::size_t> gone(losses.size(), 0);
        for (std::size_t row = 0; row < losses.size(); ++row) {
            left -= counts[row];
            if (!losses[row].empty()) {
                queue.emplace(losses[row][0], row);
            }
        }
        for (; left > 0 && !queue.empty(); --left) {
            const std::size_t row = queue.top().second;
            queue.pop();
            ++counts[row];
            if (++gone[row] < losses[row].size()) {
                queue.emplace(losses[row][gone[row]], row);
            }
        }
        return counts;
    }

    Matrix<double>& weights_;
    const Matrix<double>& inverse_;
    const BitMask* earlier_;
    const Selection& selection_;
    ObsRecorder* recorder_;
    const JobContext& ctx_;
    std::shared_ptr<BitMask> mask_;
    std::vector<double> losses_;
};

}  // namespace

ObsResult solveObs(Matrix<double>& weights,
                   const Matrix<double>& inverse,
                   const BitMask* earlier,
                   const Selection& selection,
                   ObsRecorder* recorder,
                   const JobContext& ctx) {
    return Surgery(weights, inverse, earlier, selection, recorder, ctx).run();
}

}  // namespace loupe
