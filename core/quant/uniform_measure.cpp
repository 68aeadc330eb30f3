// SPDX-License-Identifier: Apache-2.0
// Ranges, scales and errors of float weights in one streamed pass through the kernels, straight
// from stored bytes where they lie in memory as fp32 or bf16.
#include "core/base/assert.hpp"
#include "core/base/worker_pool.hpp"
#include "core/quant/exact_errors.hpp"
#include "core/quant/first_error.hpp"
#include "core/quant/range_search.hpp"
#include "core/quant/uniform.hpp"
#include "core/quant/uniform_kernels.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace loupe {

namespace {

/// Rows as bytes: where they lie, or decoded into a buffer.
class RowBytes {
public:
    explicit RowBytes(const RowSource& source) : source_(source) {
        if (const std::optional<RawMatrix> raw = source.raw(); raw && raw->type != nullptr) {
            if (raw->type->id == "fp32" || raw->type->id == "bf16") {
                bytes_ = raw->bytes;
                bf16_ = raw->type->id == "bf16";
            }
        }
    }
    [[nodiscard]] bool bf16() const { return bf16_; }
    [[nodiscard]] std::int64_t rowBytes() const { return source_.cols() * (bf16_ ? 2 : 4); }
    /// `buffer` is used where the rows must be decoded.
    [[nodiscard]] Result<const unsigned char*> rows(std::int64_t first,
                                                    std::int64_t count,
                                                    std::vector<float>& buffer) const {
        if (!bytes_.empty()) {
            return reinterpret_cast<const unsigned char*>(bytes_.data()) + first * rowBytes();
        }
        buffer.resize(static_cast<std::size_t>(count * source_.cols()));
        if (Result<void> done = source_.read(first, count, buffer.data()); !done) {
            return fail(done.error());
        }
        return reinterpret_cast<const unsigned char*>(buffer.data());
    }

private:
    const RowSource& source_;
    std::span<const std::byte> bytes_;
    bool bf16_ = false;
};

Error notFinite(const RowSource& source, std::int64_t row) {
    std::vector<float> values(static_cast<std::size_t>(source.cols()));
    if (Result<void> done = source.read(row, 1, values.data()); !done) {
        return done.error();
    }
    const auto bad =
        std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
    return Error{ErrorCode::Invalid,
                 std::string(bad != values.end() && std::isnan(*bad) ? "NaN" : "infinite value") +
                     " at row " + std::to_string(row) + ", column " +
                     std::to_string(bad - values.begin()) + ": a scheme needs finite values",
                 {},
                 {}};
}

/// What one slot of chunks gathers; the sums of columns in double, from float sums of at most
/// kRowsPerFlush rows.
struct Slot {
    ErrorSums sums;
    std::uint64_t zeros = 0;
    std::uint64_t clipped = 0;
    std::vector<double> colSquared;
    std::vector<float> colPartial;
    std::vector<std::uint32_t>
        counts;  ///< several tables in turn: increments of one code do not wait for each other
    std::vector<std::uint16_t> codes;
    std::vector<std::uint8_t> smallCodes;
    std::vector<KernelGrid> grids;
    std::vector<std::uint32_t> bits;
    std::vector<float> lows, highs;
    std::vector<float> buffer;
    std::int64_t rowsPending = 0;
};

constexpr std::int64_t kSlots = 16;
constexpr std::int64_t kRowsPerFlush = 64;
constexpr std::uint32_t kInfinityBits = 0x7f800000U;

void flushColumns(Slot& slot) {
    for (std::size_t i = 0; i < slot.colPartial.size(); ++i) {
        slot.colSquared[i] += static_cast<double>(slot.colPartial[i]);
        slot.colPartial[i] = 0;
    }
    slot.rowsPending = 0;
}

}  // namespace

KernelGrid kernelGrid(
    const UniformSpec& spec, float scale, std::int64_t zeroPoint, float clipLow, float clipHigh) {
    KernelGrid grid{};
    grid.low = static_cast<float>(spec.codeMin() - zeroPoint);
    grid.high = static_cast<float>(spec.codeMax() - zeroPoint);
    grid.codeOffset = -grid.low;
    grid.clipLow = clipLow;
    grid.clipHigh = clipHigh;
    setScale(grid, scale);
    return grid;
}

/// The pass over one matrix. A class for its state; used by UniformMatrix::measureRows alone.
class UniformPass {
public:
    UniformPass(UniformMatrix& matrix, bool findRanges, bool measure, bool profiles, bool keepGrids)
        : matrix_(matrix),
          spec_(matrix.spec()),
          bytes_(matrix.source()),
          findRanges_(findRanges),
          measure_(measure),
          profiles_(profiles),
          keepGrids_(keepGrids),
          cols_(matrix.cols()),
          group_(spec_.per == ScalePer::Group ? spec_.group : matrix.cols()) {}

    Result<std::unique_ptr<Measurement>> run(const JobContext& ctx) {
        auto all = std::make_unique<Measurement>();
        all->rowSquared.assign(static_cast<std::size_t>(measure_ ? matrix_.rows() : 0), 0.0);
        all->firstCode = spec_.codeMin();
        const std::int64_t step = std::min(rowsPerChunk(cols_), kRowsPerFlush);
        const std::int64_t chunks = (matrix_.rows() + step - 1) / step;
        std::vector<Slot> slots(static_cast<std::size_t>(std::min(kSlots, chunks)));
        const auto slotCount = static_cast<std::int64_t>(slots.size());
        const std::int64_t perSlot = (chunks + slotCount - 1) / slotCount;
        FirstError errors;
        parallelFor(slotCount, 1, ctx, [&](std::int64_t index, std::int64_t, std::int64_t) {
            Slot& slot = slots[static_cast<std::size_t>(index)];
            prepare(slot);
            for (std::int64_t chunk = index * perSlot;
                 chunk < std::min((index + 1) * perSlot, chunks);
                 ++chunk) {
                ctx.checkpoint();
                const std::int64_t count = std::min(step, matrix_.rows() - chunk * step);
                if (Result<void> done = rows(chunk * step, count, slot, all->rowSquared); !done) {
                    errors.report(chunk, done.error());
                    return;
                }
                matrix_.source().release(chunk * step, count);
                ctx.advance(static_cast<std::uint64_t>(count * cols_));
            }
            if (profiles_) {
                flushColumns(slot);
            }
        });
        if (errors.any()) {
            return fail(errors.result().error());
        }
        if (measure_) {
            combine(slots, *all);
        }
        return all;
    }

private:
    void prepare(Slot& slot) const {
        const auto groups = static_cast<std::size_t>((cols_ + group_ - 1) / group_);
        slot.grids.assign(groups, plain_ ? unitGrid_ : KernelGrid{});
        slot.bits.resize(groups);
        slot.lows.resize(groups);
        slot.highs.resize(groups);
        if (profiles_) {
            slot.colSquared.assign(static_cast<std::size_t>(cols_), 0.0);
            slot.colPartial.assign(static_cast<std::size_t>(cols_), 0.0F);
            if (small_) {
                slot.smallCodes.resize(static_cast<std::size_t>(cols_));
            } else {
                slot.codes.resize(static_cast<std::size_t>(cols_));
            }
            slot.counts.assign(static_cast<std::size_t>(tables_ * codeCount_), 0);
        }
        if (spec_.per == ScalePer::Tensor && !findRanges_) {
            slot.grids[0] = gridAt(0);
        }
    }

    [[nodiscard]] KernelGrid gridAt(std::size_t index) const { return matrix_.kernelGridAt(index); }

    /// Scales of the groups of one row, from its bytes or as they are known.
    Result<void> rowGrids(std::int64_t row, const unsigned char* data, Slot& slot) {
        if (spec_.per == ScalePer::Tensor) {
            return {};
        }
        const auto groups = slot.grids.size();
        const std::size_t first = static_cast<std::size_t>(row) * groups;
        if (!findRanges_) {
            for (std::size_t g = 0; g < groups; ++g) {
                slot.grids[g] = gridAt(first + g);
            }
            return {};
        }
        const UniformKernels& kernels = uniformKernels();
        if (spec_.asymmetric) {
            (bytes_.bf16() ? kernels.extentsBf16 : kernels.extentsF32)(
                data, cols_, group_, slot.lows.data(), slot.highs.data(), slot.bits.data());
        } else {
            (bytes_.bf16() ? kernels.magnitudesBf16 : kernels.magnitudesF32)(
                data, cols_, group_, slot.bits.data());
        }
        for (std::size_t g = 0; g < groups; ++g) {
            if (slot.bits[g] >= kInfinityBits) {
                return fail(notFinite(matrix_.source(), row));
            }
            const float absmax = std::bit_cast<float>(slot.bits[g]);
            if (plain_) {
                plainGrid(absmax, first + g, slot.grids[g]);
                continue;
            }
            const GroupExtent<float> extent = spec_.asymmetric
                                                  ? GroupExtent<float>{slot.lows[g], slot.highs[g]}
                                                  : GroupExtent<float>{-absmax, absmax};
            const auto [low, high] = spec_.clip == ClipRule::Value && absmax > 0
                                         ? fixedInterval<float>(spec_)
                                         : intervalFor(spec_, extent, absmax);
            const UniformGrid<float> grid = gridFor(spec_, low, high);
            if (keepGrids_) {
                matrix_.store(first + g, grid);
            }
            if (measure_) {
                slot.grids[g] = kernelGrid(spec_, grid.scale, grid.zeroPoint, grid.low, grid.high);
            }
        }
        return {};
    }

    /// What gridFor() and kernelGrid() give for {-absmax, absmax} where nothing clips, with less
    /// work: there may be a grid every 32 weights.
    void plainGrid(float absmax, std::size_t index, KernelGrid& grid) const {
        const double exact = 2 * static_cast<double>(absmax) / steps_;
        const float scale = absmax == 0 ? 1.0F
                                        : std::max(static_cast<float>(exact),
                                                   std::numeric_limits<float>::denorm_min());
        if (keepGrids_) {
            matrix_.scales_.values[index] = static_cast<double>(scale);
            matrix_.bounds_[index] = {-static_cast<double>(absmax), static_cast<double>(absmax)};
        }
        setScale(grid, scale);  // the rest of it stays as prepare() set it
    }

    Result<void> rows(std::int64_t first,
                      std::int64_t count,
                      Slot& slot,
                      std::vector<double>& rowSquared) {
        const Result<const unsigned char*> data = bytes_.rows(first, count, slot.buffer);
        if (!data) {
            return fail(data.error());
        }
        const UniformKernels& kernels = uniformKernels();
        const auto quantize = bytes_.bf16() ? kernels.quantizeBf16 : kernels.quantizeF32;
        for (std::int64_t row = 0; row < count; ++row) {
            const unsigned char* bytes = *data + row * bytes_.rowBytes();
            if (Result<void> done = rowGrids(first + row, bytes, slot); !done) {
                return done;
            }
            if (!measure_) {
                continue;
            }
            KernelTotals totals{};
            if (profiles_) {
                totals.colSquared = slot.colPartial.data();
                totals.codes = slot.codes.data();
                totals.smallCodes = small_ ? slot.smallCodes.data() : nullptr;
            }
            const KernelRow kernelRow{bytes, cols_, group_, slot.grids.data(), clamps_};
            quantize(kernelRow, &totals);
            const bool fits = squaresFit(kernelRow, bytes_.bf16(), totals);
            if (!fits) {
                exactErrors(kernelRow,
                            bytes_.bf16(),
                            &totals,
                            profiles_ ? slot.colSquared.data() : nullptr);
            }
            rowSquared[static_cast<std::size_t>(first + row)] = totals.squaredError;
            add(totals, slot);
            if (!profiles_) {
                continue;
            }
            countCodes(slot);
            if (!fits) {
                if (Result<void> done = repeatColumns(first + row, slot); !done) {
                    return done;
                }
            } else if (++slot.rowsPending == kRowsPerFlush) {
                flushColumns(slot);
            }
        }
        return {};
    }

    /// Row `end` has spoilt the float sums of columns: those of the rows before it that wait there
    /// are summed again, in double.
    Result<void> repeatColumns(std::int64_t end, Slot& slot) {
        std::fill(slot.colPartial.begin(), slot.colPartial.end(), 0.0F);
        std::vector<float> buffer;
        for (std::int64_t row = end - slot.rowsPending; row < end; ++row) {
            const Result<const unsigned char*> data = bytes_.rows(row, 1, buffer);
            if (!data) {
                return fail(data.error());
            }
            if (Result<void> done = rowGrids(row, *data, slot); !done) {
                return done;
            }
            KernelTotals ignored{};
            exactErrors({*data, cols_, group_, slot.grids.data(), clamps_},
                        bytes_.bf16(),
                        &ignored,
                        slot.colSquared.data());
        }
        slot.rowsPending = 0;
        return {};
    }

    void add(const KernelTotals& totals, Slot& slot) const {
        // 2 x·x^ = x^2 + x^^2 - (x - x^)^2: a product less in the loop.
        const double product =
            (totals.squaredReference + totals.squaredApproximation - totals.squaredError) / 2;
        slot.sums.add({static_cast<std::uint64_t>(cols_),
                       totals.squaredError,
                       totals.absError,
                       totals.maxAbsError,
                       totals.squaredReference,
                       totals.squaredApproximation,
                       product});
        slot.zeros += totals.zeros;
        slot.clipped += totals.clipped;
    }

    void countCodes(Slot& slot) const {
        if (small_) {
            uniformKernels().countCodes(
                slot.smallCodes.data(), cols_, codeCount_, slot.counts.data());
            return;
        }
        for (const std::uint16_t code : slot.codes) {
            ++slot.counts[code];
        }
    }

    void combine(const std::vector<Slot>& slots, Measurement& all) const {
        all.colSquared.assign(static_cast<std::size_t>(cols_), 0.0);
        all.codeCounts.assign(static_cast<std::size_t>(codeCount_), 0);
        for (const Slot& slot : slots) {
            all.sums.add(slot.sums);
            all.zeros += slot.zeros;
            all.clipped += slot.clipped;
            for (std::size_t i = 0; i < slot.colSquared.size(); ++i) {
                all.colSquared[i] += slot.colSquared[i];
            }
            for (std::size_t i = 0; i < slot.counts.size(); ++i) {
                all.codeCounts[i % static_cast<std::size_t>(codeCount_)] += slot.counts[i];
            }
        }
    }

    UniformMatrix& matrix_;
    const UniformSpec& spec_;
    RowBytes bytes_;
    bool findRanges_;
    bool measure_;
    bool profiles_;   ///< errors of columns, code usage
    bool keepGrids_;  ///< scales and bounds go to the matrix, which has room for them
    std::int64_t codeCount_ = spec_.codeMax() - spec_.codeMin() + 1;
    bool small_ = spec_.bits <= 8;
    std::int64_t tables_ = small_ ? kCodeTables : 1;
    std::int64_t cols_;
    std::int64_t group_;
    /// Symmetric, on the group's own magnitude: plainGrid().
    bool plain_ =
        !spec_.asymmetric && spec_.clip == ClipRule::None && spec_.range != GridRange::Power;
    double steps_ = static_cast<double>(spec_.codeMax() - spec_.codeMin());
    KernelGrid unitGrid_ = kernelGrid(spec_,
                                      1,
                                      0,
                                      -std::numeric_limits<float>::infinity(),
                                      std::numeric_limits<float>::infinity());
    /// The largest weight of a symmetric group lies within an ulp of the last level: nothing to
    /// clamp.
    bool clamps_ =
        spec_.asymmetric || spec_.clip != ClipRule::None || spec_.range != GridRange::Restricted;
};

KernelGrid UniformMatrix::kernelGridAt(std::size_t index) const {
    const auto zero = spec_.asymmetric ? static_cast<std::int64_t>(zeroPoints_.values[index]) : 0;
    const float low = clips() ? static_cast<float>(lows_[index]) : 0;
    const float high = clips() ? static_cast<float>(highs_[index]) : 0;
    return kernelGrid(spec_, static_cast<float>(scales_.values[index]), zero, low, high);
}

Result<void> UniformMatrix::passThroughKernels(bool findRanges,
                                               Measure measure,
                                               const JobContext& ctx) {
    const bool everything = measure == Measure::Everything;
    Result<std::unique_ptr<Measurement>> found =
        UniformPass(
            *this, findRanges, measure != Measure::Nothing, everything, measure != Measure::Sums)
            .run(ctx);
    if (!found) {
        return fail(found.error());
    }
    if (measure != Measure::Nothing) {
        measurement_ = std::move(*found);
    }
    return {};
}

Result<ErrorSums> UniformMatrix::errorSumsOnly(const JobContext& ctx) {
    if (Result<void> done = passThroughKernels(true, Measure::Sums, ctx); !done) {
        return fail(done.error());
    }
    const ErrorSums sums = measurement_->sums;
    measurement_.reset();  // without profiles: not what measurement() promises
    return sums;
}

Result<ErrorSums> uniformErrorSums(const std::shared_ptr<const RowSource>& source,
                                   const UniformSpec& spec,
                                   const JobContext& ctx) {
    LOUPE_ASSERT(!source->isDouble() && !spec.stochastic &&
                     (spec.per == ScalePer::Row || spec.per == ScalePer::Group) &&
                     (spec.clip == ClipRule::None || spec.clip == ClipRule::Value),
                 "only what the kernels do in one pass");
    UniformMatrix matrix(source, spec, false);
    return matrix.errorSumsOnly(ctx);
}

Result<UniformMatrix::Extent> UniformMatrix::extentThroughKernels(const RowSource& source,
                                                                  const JobContext& ctx) const {
    const RowBytes bytes(source);
    const std::int64_t step = rowsPerChunk(source.cols());
    std::vector<Extent> partials(static_cast<std::size_t>((source.rows() + step - 1) / step));
    FirstError errors;
    parallelFor(
        source.rows(), step, ctx, [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
            std::vector<float> buffer;
            const Result<const unsigned char*> data = bytes.rows(begin, end - begin, buffer);
            if (!data) {
                errors.report(chunk, data.error());
                return;
            }
            const std::int64_t count = (end - begin) * source.cols();
            Extent& extent = partials[static_cast<std::size_t>(chunk)];
            std::uint32_t bits = 0;
            const UniformKernels& kernels = uniformKernels();
            (bytes.bf16() ? kernels.extentsBf16 : kernels.extentsF32)(
                *data, count, count, &extent.first, &extent.second, &bits);
            if (bits >= kInfinityBits) {
                std::int64_t row = begin;
                std::uint32_t rowBits = 0;
                for (;; ++row) {  // the first row with one: the message names it
                    (bytes.bf16() ? kernels.magnitudesBf16 : kernels.magnitudesF32)(
                        *data + (row - begin) * bytes.rowBytes(),
                        source.cols(),
                        source.cols(),
                        &rowBits);
                    if (rowBits >= kInfinityBits) {
                        break;
                    }
                }
                errors.report(chunk, notFinite(source, row));
            }
            ctx.advance(static_cast<std::uint64_t>(count));
        });
    if (errors.any()) {
        return fail(errors.result().error());
    }
    Extent all = partials.front();
    for (const Extent& partial : partials) {
        all = {std::min(all.first, partial.first), std::max(all.second, partial.second)};
    }
    return all;
}

}  // namespace loupe
