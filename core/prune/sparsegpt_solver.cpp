// SPDX-License-Identifier: Apache-2.0
// SparseGPT's sweep over the columns, on the chunks of rows that GPTQ has (sweep_chunk.hpp). With a
// pattern rows never meet, and each chunk goes through all columns on its own; else they meet in
// the comparison that chooses a block's mask.
#include "core/prune/sparsegpt_solver.hpp"

#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/prune/block_selection.hpp"
#include "core/prune/prune_kernels.hpp"
#include "core/quant/sweep_chunk.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <optional>
#include <span>

namespace loupe {

namespace {

static_assert(kPruneRows == kPanel, "a strip is a panel of lanes");

void runKernel(const PruneStrip<float>& strip) {
    pruneKernels().sweepF32(strip);
}
void runKernel(const PruneStrip<double>& strip) {
    pruneKernels().sweepF64(strip);
}
void scoresOf(const float* weights, float diagonal, double* out) {
    pruneKernels().scoresF32(weights, diagonal, out);
}
void scoresOf(const double* weights, double diagonal, double* out) {
    pruneKernels().scoresF64(weights, diagonal, out);
}

template <class T>
class Sweep {
public:
    Sweep(Matrix<T>& weights,
          const HessianFactor<T>& factor,
          const SparseGptSpec& spec,
          SparseGptRecorder<T>* recorder,
          const JobContext& ctx)
        : weights_(weights),
          factor_(factor),
          spec_(spec),
          recorder_(recorder),
          ctx_(ctx),
          rows_(weights.rows()),
          cols_(weights.cols()),
          mask_(std::make_shared<BitMask>(weights.rows(), weights.cols(), true)),
          losses_(static_cast<std::size_t>(weights.rows()), 0.0) {
        constexpr std::int64_t kLong = 128;
        // A group of M is chosen from weights that every column before it has moved: blocks hold
        // whole groups.
        const std::int64_t m = hasPattern() ? spec.selection.block : 1;
        block_ = (std::max<std::int64_t>(spec.block, 1) + m - 1) / m * m;
        stretch_ = std::clamp<std::int64_t>(std::max<std::int64_t>(kLong / block_, 1) * block_,
                                            1,
                                            std::max<std::int64_t>(cols_, 1));
        if (spec.grids != nullptr) {
            result_.codes.resize(static_cast<std::size_t>(weights.size()));
            result_.rounded.resize(static_cast<std::size_t>(weights.size()));
        }
    }

    SparseGptResult run() {
        split_.emplace(factor_.root, stretch_, block_, ctx_);
        if (recorder_ != nullptr) {
            LOUPE_ASSERT(factor_.upper.rows() == cols_, "what is shown needs the whole of U");
            sweepTold();
        } else if (hasPattern()) {
            sweepApart();
        } else {
            sweepTogether();
        }
        result_.loss = std::accumulate(losses_.begin(), losses_.end(), 0.0);
        result_.mask = std::move(mask_);
        return std::move(result_);
    }

private:
    /// The weights, values and errors of a strip of rows in the block at hand.
    struct Strip {
        std::int64_t lane = 0;  ///< of its part
        T* weights = nullptr;   ///< [width][kPruneRows], in the part
        T* errors = nullptr;
        std::vector<T> values;
        std::uint8_t* kept = nullptr;  ///< [width][kPruneRows], in the part
    };

    /// A chunk of rows.
    struct Part {
        Part(std::int64_t begin_, std::int64_t end_, const Sweep& sweep)
            : begin(begin_),
              end(end_),
              rows(sweep.cols_,
                   (end_ - begin_ + kPruneRows - 1) / kPruneRows * kPruneRows,
                   sweep.stretch_),
              kept(static_cast<std::size_t>(rows.lanes() * sweep.block_), 1),
              losses(static_cast<std::size_t>(rows.lanes())) {}
        std::int64_t begin;
        std::int64_t end;
        SweepChunk<T> rows;              ///< lanes beyond `end` are zeros and stay zeros
        std::vector<std::uint8_t> kept;  ///< [strip][column of the block][row of the strip]
        std::vector<std::int64_t> keys;  ///< the same, where all rows of the block compete
        std::vector<double> losses;      ///< Σ e² by row
    };

    [[nodiscard]] bool hasPattern() const { return spec_.selection.keep > 0; }
    [[nodiscard]] T diagonal(std::int64_t col) const {
        return split_->inner(col)(col % stretch_, col % stretch_);
    }
    [[nodiscard]] bool prunedBefore(std::int64_t row, std::int64_t col) const {
        return spec_.earlier != nullptr && !spec_.earlier->kept(row, col);
    }
    [[nodiscard]] std::int64_t widthAt(std::int64_t first) const {
        return std::min(block_, cols_ - first);
    }
    [[nodiscard]] std::int64_t rowsOf(const Part& part, std::int64_t lane) const {
        return std::min(kPruneRows, part.end - part.begin - lane);
    }

    template <class Body>
    void forBlocks(const Body& body) const {
        for (std::int64_t first = 0; first < cols_; first += block_) {
            ctx_.checkpoint();
            body(first, widthAt(first));
        }
    }

    /// Every chunk of rows on its own through all columns.
    void sweepApart() {
        parallelFor(
            rows_, kChunkRows, ctx_, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
                Part part(begin, end, *this);
                load(part);
                Strip strip;
                forBlocks([&](std::int64_t first, std::int64_t width) {
                    open(part, first);
                    sweepBlock(part, strip, first, width);
                });
                keepLosses(part);
            });
    }

    /// All rows a block at a time.
    void sweepTogether() {
        const std::int64_t chunks = (rows_ + kChunkRows - 1) / kChunkRows;
        std::vector<std::unique_ptr<Part>> parts(static_cast<std::size_t>(chunks));
        const auto forParts = [&](const auto& work) {
            parallelFor(chunks, 1, ctx_, [&](std::int64_t index, std::int64_t, std::int64_t) {
                work(parts[static_cast<std::size_t>(index)], index);
            });
        };
        forParts([&](std::unique_ptr<Part>& part, std::int64_t index) {
            part = std::make_unique<Part>(
                index * kChunkRows, std::min((index + 1) * kChunkRows, rows_), *this);
            load(*part);
        });
        forBlocks([&](std::int64_t first, std::int64_t width) {
            forParts([&](std::unique_ptr<Part>& part, std::int64_t) {
                open(*part, first);
                layKeys(*part, first, width);
            });
            const BlockThreshold threshold = chooseBlock(parts, width);
            forParts([&](std::unique_ptr<Part>& part, std::int64_t) {
                applyThreshold(*part, threshold, first, width);
                Strip strip;
                sweepBlock(*part, strip, first, width);
            });
        });
        for (const std::unique_ptr<Part>& part : parts) {
            keepLosses(*part);
        }
    }

    void load(Part& part) const {
        constexpr std::int64_t kSide = 16;
        for (std::int64_t lane = 0; lane < part.rows.lanes(); lane += kPruneRows) {
            for (std::int64_t col = 0; col < cols_; col += kSide) {
                const std::int64_t count = std::min(kSide, cols_ - col);
                T* const to = part.rows.weights(col, lane);
                for (std::int64_t r = 0; r < rowsOf(part, lane); ++r) {
                    const T* const from = &std::as_const(weights_)(part.begin + lane + r, col);
                    for (std::int64_t c = 0; c < count; ++c) {
                        to[c * kPruneRows + r] = from[c];
                    }
                }
            }
        }
    }

    void open(Part& part, std::int64_t first) const {
        if (first % stretch_ == 0) {
            part.rows.open(*split_, first, ctx_);
        }
    }

    void sweepBlock(Part& part, Strip& strip, std::int64_t first, std::int64_t width) {
        for (std::int64_t lane = 0; lane < part.rows.lanes(); lane += kPruneRows) {
            fetch(strip, part, lane, first, width);
            for (std::int64_t j = 0; j < width;) {
                const std::int64_t next = chooseGroup(strip, part, first, j, width);
                process(strip, part, first, width, j, next);
                j = next;
            }
            writeMask(strip, part, first, 0, width);
            keep(strip, part, first, width);
        }
        close(part, first, width);
    }

    void close(Part& part, std::int64_t first, std::int64_t width) const {
        const std::int64_t next = first + width;
        part.rows.push(*split_, first, next);
        if (next % stretch_ == 0 || next == cols_) {
            part.rows.close(*split_);
        }
        ctx_.advance(static_cast<std::uint64_t>((part.end - part.begin) * width));
    }

    /// Scores of the block's weights as whole numbers.
    void layKeys(Part& part, std::int64_t first, std::int64_t width) const {
        part.keys.resize(static_cast<std::size_t>(part.rows.lanes() * width));
        std::int64_t* keys = part.keys.data();
        std::array<double, kPruneRows> scores{};
        for (std::int64_t lane = 0; lane < part.rows.lanes(); lane += kPruneRows) {
            const std::int64_t count = rowsOf(part, lane);
            for (std::int64_t j = 0; j < width; ++j, keys += kPruneRows) {
                scoresOf(part.rows.current(first + j, lane), diagonal(first + j), scores.data());
                std::transform(scores.begin(), scores.end(), keys, [](double score) {
                    return std::bit_cast<std::int64_t>(score);
                });
                std::fill(keys + count, keys + kPruneRows, kNoKey);
                for (std::int64_t r = 0; spec_.earlier != nullptr && r < count; ++r) {
                    keys[r] = prunedBefore(part.begin + lane + r, first + j) ? kPrunedKey : keys[r];
                }
            }
        }
    }

    /// Exactly floor(count·S) of the block's weights over all rows, ties lower index first.
    BlockThreshold chooseBlock(const std::vector<std::unique_ptr<Part>>& parts,
                               std::int64_t width) const {
        std::vector<std::span<const std::int64_t>> keys;
        for (const auto& part : parts) {
            keys.emplace_back(part->keys);
        }
        BlockThreshold threshold =
            blockThreshold(keys, prunedCount(rows_ * width, spec_.selection.sparsity), ctx_);
        if (threshold.equal == threshold.total) {
            return threshold;
        }
        for (const auto& part : parts) {  // those that stay are lifted above it
            for (std::int64_t row = part->begin; row < part->end; ++row) {
                const std::int64_t lane = row - part->begin;
                std::int64_t* const own =
                    part->keys.data() + lane / kPruneRows * kPruneRows * width + lane % kPruneRows;
                for (std::int64_t j = 0; j < width; ++j) {
                    std::int64_t& key = own[j * kPruneRows];
                    key += key == threshold.key && threshold.equal-- <= 0 ? 1 : 0;
                }
            }
        }
        return threshold;
    }

    void applyThreshold(Part& part,
                        const BlockThreshold& threshold,
                        std::int64_t first,
                        std::int64_t width) const {
        const std::int64_t* const keys = part.keys.data();
        std::uint8_t* const kept = part.kept.data();
        for (std::int64_t i = 0; i < part.rows.lanes() * width; ++i) {
            kept[i] = keys[i] > threshold.key ? 1 : 0;
        }
        for (std::int64_t lane = 0; lane < part.rows.lanes(); lane += kPruneRows) {
            dropBefore(part, lane, first, width, kept + lane * width);
        }
    }

    /// What an earlier step pruned stays pruned, in columns [first, first + count) of a strip.
    void dropBefore(const Part& part,
                    std::int64_t lane,
                    std::int64_t first,
                    std::int64_t count,
                    std::uint8_t* kept) const {
        for (std::int64_t j = 0; spec_.earlier != nullptr && j < count; ++j) {
            for (std::int64_t r = 0; r < rowsOf(part, lane); ++r) {
                std::uint8_t& own = kept[j * kPruneRows + r];
                own = prunedBefore(part.begin + lane + r, first + j) ? 0 : own;
            }
        }
    }

    /// At every M-th column: all but the N largest of the current scores; ties keep the lower
    /// index. @returns the column, in the block, up to which the mask is chosen
    std::int64_t chooseGroup(const Strip& strip,
                             const Part& part,
                             std::int64_t first,
                             std::int64_t j,
                             std::int64_t width) const {
        if (!hasPattern()) {
            return width;
        }
        const Selection& selection = spec_.selection;
        const std::int64_t group = (first + j) / selection.block * selection.block;
        const std::int64_t size = std::min(selection.block, cols_ - group);
        const std::int64_t end = group - first + size;
        if (first + j != group) {
            return end;
        }
        std::array<double, 64 * kPruneRows> scores;
        for (std::int64_t k = 0; k < size; ++k) {
            double* const out = scores.data() + k * kPruneRows;
            scoresOf(strip.weights + (j + k) * kPruneRows, diagonal(first + j + k), out);
            for (std::int64_t r = 0; spec_.earlier != nullptr && r < rowsOf(part, strip.lane);
                 ++r) {
                out[r] = prunedBefore(part.begin + strip.lane + r, group + k) ? -1 : out[r];
            }
        }
        std::uint8_t* const kept = strip.kept + j * kPruneRows;
        pruneKernels().keepLargest(scores.data(), size, std::min(selection.keep, size), kept);
        dropBefore(part, strip.lane, group, size, kept);
        return end;
    }

    void fetch(
        Strip& strip, Part& part, std::int64_t lane, std::int64_t first, std::int64_t width) const {
        strip.lane = lane;
        strip.weights = part.rows.current(first, lane);
        strip.errors = part.rows.errors(first, lane);
        strip.values.resize(static_cast<std::size_t>(width * kPruneRows));
        strip.kept = part.kept.data() + lane * width;
    }

    /// Columns [from, to) of the block: final, and their errors on the rest of it.
    void process(Strip& strip,
                 Part& part,
                 std::int64_t first,
                 std::int64_t width,
                 std::int64_t from,
                 std::int64_t to) {
        const Matrix<T>& inner = split_->inner(first);
        PruneStrip<T> block;
        block.weights = strip.weights;
        block.values = strip.values.data();
        block.errors = strip.errors;
        block.kept = strip.kept;
        block.given = spec_.grids != nullptr;
        block.factor = &inner(first % stretch_, first % stretch_);
        block.factorStride = inner.cols();
        block.width = width;
        block.losses = part.losses.data() + strip.lane;
        const std::int64_t step = block.given ? 1 : to - from;
        for (block.first = from; block.first < to; block.first = block.last) {
            block.last = block.first + step;
            if (block.given) {
                quantize(strip, part, first, block.first);
            }
            runKernel(block);
        }
    }

    /// The values of column j of the block on the rows' grids.
    void quantize(Strip& strip, const Part& part, std::int64_t first, std::int64_t j) {
        for (std::int64_t r = 0; r < kPruneRows; ++r) {
            const auto at = static_cast<std::size_t>(j * kPruneRows + r);
            strip.values[at] = 0;
            if (r >= rowsOf(part, strip.lane)) {
                continue;
            }
            const std::int64_t row = part.begin + strip.lane + r;
            const auto place = static_cast<std::size_t>(row * cols_ + first + j);
            const T before = strip.weights[j * kPruneRows + r];
            const bool kept = strip.kept[at] != 0;
            const std::int64_t code = kept ? spec_.grids->codeOf(row, static_cast<double>(before))
                                           : spec_.grids->zeros[static_cast<std::size_t>(row)];
            result_.codes[place] = static_cast<std::int8_t>(code);
            result_.rounded[place] = static_cast<float>(before);
            strip.values[at] = kept ? static_cast<T>(spec_.grids->valueOf(row, code)) : T(0);
        }
    }

    /// The bits of columns [from, to) of the block.
    void writeMask(const Strip& strip,
                   const Part& part,
                   std::int64_t first,
                   std::int64_t from,
                   std::int64_t to) {
        std::array<std::uint64_t, kPruneRows> dropped{};
        for (std::int64_t j = from; j < to; ++j) {
            const std::int64_t col = first + j;
            const std::uint8_t* const kept = strip.kept + j * kPruneRows;
            std::uint64_t* const words = dropped.data();
            for (std::int64_t r = 0; r < kPruneRows; ++r) {
                words[r] |= std::uint64_t{kept[r] ^ 1U} << (col % 64);
            }
            if (col % 64 == 63 || j + 1 == to) {
                for (std::int64_t r = 0; r < rowsOf(part, strip.lane); ++r) {
                    mask_->rowWords(part.begin + strip.lane + r)[col / 64] &= ~words[r];
                }
                dropped.fill(0);
            }
        }
    }

    /// The block's final values.
    void keep(const Strip& strip, Part& part, std::int64_t first, std::int64_t width) {
        for (std::int64_t j = 0; j < width; ++j) {
            const T* const values = strip.values.data() + j * kPruneRows;
            T* const weights = part.rows.weights(first + j, strip.lane);
            for (std::int64_t r = 0; r < kPruneRows; ++r) {
                weights[r] -= values[r];
            }
        }
        constexpr std::int64_t kSide = 16;
        for (std::int64_t from = 0; from < width; from += kSide) {
            const std::int64_t end = std::min(width, from + kSide);
            for (std::int64_t r = 0; r < rowsOf(part, strip.lane); ++r) {
                T* const to = &weights_(part.begin + strip.lane + r, first);
                const T* const values = strip.values.data() + r;
                for (std::int64_t j = from; j < end; ++j) {
                    to[j] = values[j * kPruneRows];
                }
            }
        }
    }

    void keepLosses(const Part& part) {
        for (std::int64_t row = part.begin; row < part.end; ++row) {
            losses_[static_cast<std::size_t>(row)] =
                0.5 * part.losses[static_cast<std::size_t>(row - part.begin)];
        }
    }

    [[nodiscard]] SparseGptState<T> state() const {
        return {weights_, factor_.upper, *mask_, losses_};
    }

    /// The same operations, all rows of a column after the other. weights_ is what is shown.
    void sweepTold() {
        std::vector<std::unique_ptr<Part>> parts;
        for (std::int64_t begin = 0; begin < rows_; begin += kChunkRows) {
            parts.push_back(
                std::make_unique<Part>(begin, std::min(begin + kChunkRows, rows_), *this));
            load(*parts.back());
        }
        forBlocks([&](std::int64_t first, std::int64_t width) {
            for (const auto& part : parts) {
                open(*part, first);
                showOpen(*part, first, width);
            }
            if (!hasPattern()) {
                for (const auto& part : parts) {
                    layKeys(*part, first, width);
                }
                const BlockThreshold threshold = chooseBlock(parts, width);
                for (const auto& part : parts) {
                    applyThreshold(*part, threshold, first, width);
                }
            }
            tellBlock(parts, first, width);
        });
    }

    void showOpen(const Part& part, std::int64_t first, std::int64_t width) {
        for (std::int64_t row = part.begin; row < part.end; ++row) {
            for (std::int64_t col = first; col < first + width; ++col) {
                weights_(row, col) = *part.rows.current(col, row - part.begin);
            }
        }
    }

    void tellBlock(const std::vector<std::unique_ptr<Part>>& parts,
                   std::int64_t first,
                   std::int64_t width) {
        std::vector<std::pair<Part*, Strip>> strips;
        for (const auto& part : parts) {
            for (std::int64_t lane = 0; lane < part->rows.lanes(); lane += kPruneRows) {
                strips.emplace_back(part.get(), Strip{});
                fetch(strips.back().second, *part, lane, first, width);
            }
        }
        std::vector<T> errors(static_cast<std::size_t>(rows_));
        std::int64_t chosen = 0;
        for (std::int64_t j = 0; j < width; ++j) {
            ctx_.checkpoint();
            if (j == chosen) {
                for (auto& [part, strip] : strips) {
                    chosen = chooseGroup(strip, *part, first, j, width);
                    writeMask(strip, *part, first, j, chosen);
                }
                recorder_->maskChosen(first + j, first + chosen, state());
            }
            for (auto& [part, strip] : strips) {
                process(strip, *part, first, width, j, j + 1);
                showColumn(strip, *part, first, width, j, errors);
            }
            recorder_->columnDone(first + j, errors, state());
        }
        for (auto& [part, strip] : strips) {
            keep(strip, *part, first, width);
            showRight(strip, *part, first, width);
        }
        for (const auto& part : parts) {
            close(*part, first, width);
        }
        recorder_->blockDone(first, first + width, state());
    }

    void showColumn(const Strip& strip,
                    const Part& part,
                    std::int64_t first,
                    std::int64_t width,
                    std::int64_t j,
                    std::vector<T>& errors) {
        for (std::int64_t r = 0; r < rowsOf(part, strip.lane); ++r) {
            const std::int64_t row = part.begin + strip.lane + r;
            weights_(row, first + j) = strip.values[static_cast<std::size_t>(j * kPruneRows + r)];
            for (std::int64_t k = j + 1; k < width; ++k) {
                weights_(row, first + k) = strip.weights[k * kPruneRows + r];
            }
            errors[static_cast<std::size_t>(row)] = strip.errors[j * kPruneRows + r];
            losses_[static_cast<std::size_t>(row)] =
                0.5 * part.losses[static_cast<std::size_t>(strip.lane + r)];
        }
    }

    void showRight(const Strip& strip, const Part& part, std::int64_t first, std::int64_t width) {
        for (std::int64_t r = 0; r < rowsOf(part, strip.lane); ++r) {
            T* const row = weights_.row(part.begin + strip.lane + r).data();
            for (std::int64_t j = 0; j < width; ++j) {
                const T error = strip.errors[j * kPruneRows + r];
                const T* const u = factor_.upper.row(first + j).data();
                for (std::int64_t col = first + width; error != 0 && col < cols_; ++col) {
                    row[col] -= error * u[col];
                }
            }
        }
    }

    Matrix<T>& weights_;  ///< finished columns hold their final values
    const HessianFactor<T>& factor_;
    const SparseGptSpec& spec_;
    SparseGptRecorder<T>* recorder_;
    const JobContext& ctx_;
    std::int64_t rows_;
    std::int64_t cols_;
    std::int64_t block_ = 128;
    std::int64_t stretch_ = 128;
    std::optional<SweepFactor<T>> split_;
    std::shared_ptr<BitMask> mask_;
    std::vector<double> losses_;  ///< by row
    SparseGptResult result_;
};

}  // namespace

template <class T>
SparseGptResult solveSparseGpt(Matrix<T>& weights,
                               const HessianFactor<T>& factor,
                               const SparseGptSpec& spec,
                               SparseGptRecorder<T>* recorder,
                               const JobContext& ctx) {
    return Sweep<T>(weights, factor, spec, recorder, ctx).run();
}

template SparseGptResult solveSparseGpt<float>(Matrix<float>&,
                                               const HessianFactor<float>&,
                                               const SparseGptSpec&,
                                               SparseGptRecorder<float>*,
                                               const JobContext&);
template SparseGptResult solveSparseGpt<double>(Matrix<double>&,
                                                const HessianFactor<double>&,
                                                const SparseGptSpec&,
                                                SparseGptRecorder<double>*,
                                                const JobContext&);

}  // namespace loupe
