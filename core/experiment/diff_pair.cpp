// SPDX-License-Identifier: Apache-2.0
// One pair of tensors: brought into one layout, compared, and B's codes looked for in A's rounding.
#include "core/base/assert.hpp"
#include "core/base/text.hpp"
#include "core/base/worker_pool.hpp"
#include "core/experiment/diff.hpp"
#include "core/formats/codec.hpp"
#include "core/quant/first_error.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <numeric>

namespace loupe {

namespace {

using Rows = std::shared_ptr<const RowSource>;

/// Reads through another source in float and double alike.
class ChangedRows : public RowSource {
public:
    [[nodiscard]] std::int64_t rows() const override { return rows_; }
    [[nodiscard]] std::int64_t cols() const override { return cols_; }
    [[nodiscard]] bool isDouble() const override { return source_->isDouble(); }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        return readFloats(first, count, out);
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        return readDoubles(first, count, out);
    }

protected:
    ChangedRows(Rows source, std::int64_t rows, std::int64_t cols)
        : source_(std::move(source)), rows_(rows), cols_(cols) {}
    [[nodiscard]] const RowSource& source() const { return *source_; }
    [[nodiscard]] virtual Result<void> readFloats(std::int64_t first,
                                                  std::int64_t count,
                                                  float* out) const = 0;
    [[nodiscard]] virtual Result<void> readDoubles(std::int64_t first,
                                                   std::int64_t count,
                                                   double* out) const = 0;

private:
    Rows source_;
    std::int64_t rows_;
    std::int64_t cols_;
};

/// Experts one below the other.
class StackedRows final : public RowSource {
public:
    explicit StackedRows(std::vector<Rows> parts) : parts_(std::move(parts)) {
        for (const Rows& part : parts_) {
            rows_ += part->rows();
            isDouble_ = isDouble_ || part->isDouble();
        }
    }
    [[nodiscard]] std::int64_t rows() const override { return rows_; }
    [[nodiscard]] std::int64_t cols() const override { return parts_.front()->cols(); }
    [[nodiscard]] bool isDouble() const override { return isDouble_; }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    float* out) const override {
        return readAs(first, count, out);
    }
    [[nodiscard]] Result<void> read(std::int64_t first,
                                    std::int64_t count,
                                    double* out) const override {
        return readAs(first, count, out);
    }
    void release(std::int64_t first, std::int64_t count) const override {
        const auto letGo =
            [](const RowSource& part, std::int64_t at, std::int64_t n, std::int64_t) {
                part.release(at, n);
                return Result<void>();
            };
        static_cast<void>(each(first, count, letGo));
    }

private:
    template <class Do>
    Result<void> each(std::int64_t first, std::int64_t count, const Do& work) const {
        std::int64_t begin = 0;
        for (const Rows& part : parts_) {
            const std::int64_t from = std::max(first, begin);
            const std::int64_t to = std::min(first + count, begin + part->rows());
            if (from < to) {
                if (Result<void> done = work(*part, from - begin, to - from, from - first); !done) {
                    return done;
                }
            }
            begin += part->rows();
        }
        return {};
    }
    template <class T>
    Result<void> readAs(std::int64_t first, std::int64_t count, T* out) const {
        return each(
            first,
            count,
            [&](const RowSource& part, std::int64_t at, std::int64_t n, std::int64_t place) {
                return part.read(at, n, out + place * cols());
            });
    }

    std::vector<Rows> parts_;
    std::int64_t rows_ = 0;
    bool isDouble_ = false;
};

/// Rows (of a vector: elements) of rotary heads in the other order.
class HeadRows final : public ChangedRows {
public:
    HeadRows(const Rows& source, std::int64_t heads, bool toGguf)
        : ChangedRows(source, source->rows(), source->cols()),
          length_((rows() == 1 ? cols() : rows()) / heads),
          toGguf_(toGguf) {}
    void release(std::int64_t first, std::int64_t count) const override {
        // Rows of other heads are not touched; those of a head cut by a chunk are read again.
        source().release(first, count);
    }

private:
    /// Where row `row` of the result comes from.
    [[nodiscard]] std::int64_t originOf(std::int64_t row) const {
        const std::int64_t head = row / length_ * length_;
        const std::int64_t at = row % length_;
        const std::int64_t half = length_ / 2;
        return head + (toGguf_ ? at % 2 * half + at / 2 : at % half * 2 + at / half);
    }
    template <class T>
    Result<void> readAs(std::int64_t first, std::int64_t count, T* out) const {
        if (rows() == 1) {
            std::vector<T> all(static_cast<std::size_t>(cols()));
            Result<void> done = count == 0 ? Result<void>() : source().read(0, 1, all.data());
            for (std::int64_t i = 0; done && count > 0 && i < cols(); ++i) {
                out[i] = all[static_cast<std::size_t>(originOf(i))];
            }
            return done;
        }
        for (std::int64_t row = 0; row < count; ++row) {
            if (Result<void> done = source().read(originOf(first + row), 1, out + row * cols());
                !done) {
                return done;
            }
        }
        return {};
    }
    Result<void> readFloats(std::int64_t first, std::int64_t count, float* out) const override {
        return readAs(first, count, out);
    }
    Result<void> readDoubles(std::int64_t first, std::int64_t count, double* out) const override {
        return readAs(first, count, out);
    }

    std::int64_t length_;
    bool toGguf_;
};

/// Every value and a constant, added in the precision of the source, as converters do.
class AddedRows final : public ChangedRows {
public:
    AddedRows(const Rows& source, double added)
        : ChangedRows(source, source->rows(), source->cols()), added_(added) {}
    void release(std::int64_t first, std::int64_t count) const override {
        source().release(first, count);
    }

private:
    Result<void> readFloats(std::int64_t first, std::int64_t count, float* out) const override {
        Result<void> done = source().read(first, count, out);
        std::for_each(
            out, out + count * cols(), [this](float& x) { x += static_cast<float>(added_); });
        return done;
    }
    Result<void> readDoubles(std::int64_t first, std::int64_t count, double* out) const override {
        if (!source().isDouble()) {
            std::vector<float> narrow(static_cast<std::size_t>(count * cols()));
            Result<void> done = readFloats(first, count, narrow.data());
            std::copy(narrow.begin(), narrow.end(), out);
            return done;
        }
        Result<void> done = source().read(first, count, out);
        std::for_each(out, out + count * cols(), [this](double& x) { x += added_; });
        return done;
    }

    double added_;
};

/// The other way round. A read goes over the whole source: ask for many rows at once.
class TurnedRows final : public ChangedRows {
public:
    explicit TurnedRows(const Rows& source) : ChangedRows(source, source->cols(), source->rows()) {}
    void release(std::int64_t first, std::int64_t count) const override {
        if (first + count == rows()) {
            source().release(0, source().rows());
        }
    }

private:
    template <class T>
    Result<void> readAs(std::int64_t first, std::int64_t count, T* out) const {
        constexpr std::int64_t kElements = 65536;
        const std::int64_t width = source().cols();
        const std::int64_t step =
            std::max<std::int64_t>(1, kElements / std::max<std::int64_t>(width, 1));
        std::vector<T> strip(static_cast<std::size_t>(step * width));
        for (std::int64_t top = 0; top < source().rows(); top += step) {
            const std::int64_t n = std::min(step, source().rows() - top);
            if (Result<void> done = source().read(top, n, strip.data()); !done) {
                return done;
            }
            for (std::int64_t col = 0; col < count; ++col) {
                for (std::int64_t row = 0; row < n; ++row) {
                    out[col * cols() + top + row] =
                        strip[static_cast<std::size_t>(row * width + first + col)];
                }
            }
            source().release(top, n);
        }
        return {};
    }
    Result<void> readFloats(std::int64_t first, std::int64_t count, float* out) const override {
        return readAs(first, count, out);
    }
    Result<void> readDoubles(std::int64_t first, std::int64_t count, double* out) const override {
        return readAs(first, count, out);
    }
};

Result<Rows> openSide(const TensorSource& source, const std::vector<std::size_t>& tensors) {
    std::vector<Rows> parts;
    for (const std::size_t i : tensors) {
        Result<Rows> part = source.matrix(i);
        if (!part) {
            return part;
        }
        parts.push_back(std::move(*part));
    }
    if (parts.size() == 1) {
        return parts.front();
    }
    return Rows(std::make_shared<StackedRows>(std::move(parts)));
}

// --- comparison ---------------------------------------------------------------------------------

/// Values that rounding did not give, as far as they look clipped at one bound.
struct ClipPattern {
    std::uint64_t outside = 0;  ///< values that became the bound
    double bound = 0;
    bool holds = true;

    void see(double a, double b) {
        const double size = std::fabs(b);
        if (outside == 0) {
            bound = size;
        }
        holds = holds && size == bound && std::fabs(a) > size && std::signbit(a) == std::signbit(b);
        ++outside;
    }
    void add(const ClipPattern& other) {
        if (other.outside > 0) {
            holds = holds && other.holds && (outside == 0 || bound == other.bound);
            bound = other.bound;
            outside += other.outside;
        }
    }
};

/// What one stretch of rows gives.
struct Part {
    ErrorSums sums;
    bool identical = true;
    bool sameBytes = true;
    std::int64_t bad = -1;  ///< first element that is not finite on one side
    bool badInA = false;
    std::uint64_t tried = 0;  ///< blocks or values that were compared with a rounding
    std::uint64_t equal = 0;
    ClipPattern clip;
    double largestB = 0;
    std::uint64_t worse = 0;  ///< other blocks whose squared error is above that of rounding
    std::uint64_t better = 0;

    void add(const Part& other) {
        sums.add(other.sums);
        identical = identical && other.identical;
        sameBytes = sameBytes && other.sameBytes;
        if (bad < 0) {
            bad = other.bad;
            badInA = other.badInA;
        }
        tried += other.tried;
        equal += other.equal;
        clip.add(other.clip);
        largestB = std::max(largestB, other.largestB);
        worse += other.worse;
        better += other.better;
    }
};

template <class T>
bool sameValue(T a, T b) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    return std::bit_cast<Bits>(a) == std::bit_cast<Bits>(b) || (std::isnan(a) && std::isnan(b));
}

class Comparison {
public:
    Comparison(const AlignedPair& pair, const LayoutChange& change, const JobContext& ctx)
        : a_(*pair.a),
          b_(*pair.b),
          ctx_(ctx),
          rawA_(change.any() ? std::nullopt : a_.raw()),
          rawB_(b_.raw()),
          blocksA_(change.any() ? std::nullopt : a_.rawBlocks()),
          blocksB_(b_.rawBlocks()) {
        constexpr std::int64_t kElements = std::int64_t{1} << 18;
        constexpr std::int64_t kTurnedElements = std::int64_t{1} << 23;
        step_ = std::max<std::int64_t>(1,
                                       (change.transposed ? kTurnedElements : kElements) /
                                           std::max<std::int64_t>(b_.cols(), 1));
        if (rawB_ && rawB_->type->format != nullptr &&
            rawB_->type->format->kind == FormatKind::Float) {
            format_ = rawB_->type->format;
        }
        comparesBytes_ = rawA_ && rawB_ && *rawA_->type == *rawB_->type &&
                         rawA_->bytes.size() == rawB_->bytes.size();
        comparesBlocks_ = blocksA_ && blocksB_ && blocksA_->layout == blocksB_->layout;
    }

    [[nodiscard]] bool canRound() const {
        return format_ != nullptr || (blocksB_ && blocksB_->layout->pack != nullptr);
    }
    [[nodiscard]] bool knowsBytes() const { return comparesBytes_ || comparesBlocks_; }

    template <class T>
    Result<Part> run() const {
        const std::int64_t chunks = (b_.rows() + step_ - 1) / step_;
        std::vector<Part> parts(static_cast<std::size_t>(chunks));
        FirstError errors;
        parallelFor(chunks, 1, ctx_, [&](std::int64_t i, std::int64_t, std::int64_t) {
            const std::int64_t first = i * step_;
            const std::int64_t count = std::min(step_, b_.rows() - first);
            if (Result<void> done = compare<T>(first, count, parts[static_cast<std::size_t>(i)]);
                !done) {
                errors.report(i, done.error());
            }
            a_.release(first, count);
            b_.release(first, count);
        });
        if (errors.any()) {
            return fail(errors.result().error());
        }
        a_.release(0, a_.rows());  // pages at the borders of chunks that ran at once
        b_.release(0, b_.rows());
        Part all;
        for (const Part& part : parts) {
            all.add(part);
        }
        all.sameBytes = all.sameBytes && knowsBytes();
        return all;
    }

private:
    template <class T>
    Result<void> compare(std::int64_t first, std::int64_t count, Part& part) const {
        const std::int64_t cols = b_.cols();
        const auto size = static_cast<std::size_t>(count * cols);
        std::vector<T> a(size);
        std::vector<T> b(size);
        if (Result<void> done = a_.read(first, count, a.data()); !done) {
            return done;
        }
        if (Result<void> done = b_.read(first, count, b.data()); !done) {
            return done;
        }
        part.sameBytes = sameBytes(first, count);
        bool finite = true;
        for (std::size_t i = 0; i < size; ++i) {
            part.identical = part.identical && sameValue(a[i], b[i]);
            if (finite && !(std::isfinite(a[i]) && std::isfinite(b[i]))) {
                finite = false;
                part.bad = first * cols + static_cast<std::int64_t>(i);
                part.badInA = !std::isfinite(a[i]);
            }
        }
        if (!finite) {
            return {};
        }
        for (std::int64_t row = 0; row < count; ++row) {
            const auto length = static_cast<std::size_t>(cols);
            part.sums.add(errorSums(std::span<const T>(a.data() + row * cols, length),
                                    std::span<const T>(b.data() + row * cols, length)));
        }
        if (format_ != nullptr) {
            return compareRounded<T>(a, b, part);
        }
        if (blocksB_ && blocksB_->layout->pack != nullptr) {
            compareBlocks<T>(first, a, b, part);
        }
        return {};
    }

    [[nodiscard]] bool sameBytes(std::int64_t first, std::int64_t count) const {
        if (comparesBlocks_) {
            const BlockLayout& layout = *blocksB_->layout;
            return sameRange(blocksA_->bytes,
                             blocksB_->bytes,
                             first,
                             count,
                             b_.cols() / layout.elements * layout.bytes * 8);
        }
        return comparesBytes_ &&
               sameRange(rawA_->bytes, rawB_->bytes, first, count, b_.cols() * rawB_->type->bits);
    }
    /// Rows of `bits` bits each; bytes that two stretches share are compared with both.
    static bool sameRange(std::span<const std::byte> a,
                          std::span<const std::byte> b,
                          std::int64_t first,
                          std::int64_t count,
                          std::int64_t bits) {
        const auto begin = static_cast<std::size_t>(first * bits / 8);
        const auto end =
            std::min(static_cast<std::size_t>(((first + count) * bits + 7) / 8), a.size());
        return std::equal(a.begin() + static_cast<std::ptrdiff_t>(begin),
                          a.begin() + static_cast<std::ptrdiff_t>(end),
                          b.begin() + static_cast<std::ptrdiff_t>(begin));
    }

    template <class T>
    Result<void> compareRounded(const std::vector<T>& a,
                                const std::vector<T>& b,
                                Part& part) const {
        std::vector<T> rounded(a.size());
        if (Result<void> done = roundTrip(*format_, std::span<const T>(a), std::span<T>(rounded));
            !done) {
            return done;
        }
        for (std::size_t i = 0; i < a.size(); ++i) {
            part.largestB = std::max(part.largestB, static_cast<double>(std::fabs(b[i])));
            if (sameValue(rounded[i], b[i])) {
                ++part.equal;
            } else {
                part.clip.see(static_cast<double>(a[i]), static_cast<double>(b[i]));
            }
        }
        part.tried += a.size();
        return {};
    }

    template <class T>
    void compareBlocks(std::int64_t first,
                       const std::vector<T>& a,
                       const std::vector<T>& b,
                       Part& part) const {
        const BlockLayout& layout = *blocksB_->layout;
        const auto elements = static_cast<std::size_t>(layout.elements);
        const auto bytes = static_cast<std::size_t>(layout.bytes);
        const std::size_t blocks = a.size() / elements;
        const std::vector<float> values(a.begin(), a.end());
        std::vector<std::byte> packed(blocks * bytes);
        layout.pack(values.data(), static_cast<std::int64_t>(blocks), packed.data());
        const std::byte* stored =
            blocksB_->bytes.data() + static_cast<std::size_t>(first) *
                                         (static_cast<std::size_t>(b_.cols()) / elements) * bytes;
        std::vector<float> unpacked(elements);
        for (std::size_t block = 0; block < blocks; ++block) {
            if (std::memcmp(packed.data() + block * bytes, stored + block * bytes, bytes) == 0) {
                ++part.equal;
                continue;
            }
            layout.unpack(packed.data() + block * bytes, 1, unpacked.data());
            double rounding = 0;
            double found = 0;
            for (std::size_t i = 0; i < elements; ++i) {
                const auto x = static_cast<double>(a[block * elements + i]);
                const double r = static_cast<double>(unpacked[i]) - x;
                const double f = static_cast<double>(b[block * elements + i]) - x;
                rounding += r * r;
                found += f * f;
            }
            part.worse += found > rounding ? 1U : 0U;
            part.better += found < rounding ? 1U : 0U;
        }
        part.tried += blocks;
    }

    const RowSource& a_;
    const RowSource& b_;
    const JobContext& ctx_;
    std::optional<RawMatrix> rawA_;
    std::optional<RawMatrix> rawB_;
    std::optional<RawBlocks> blocksA_;
    std::optional<RawBlocks> blocksB_;
    const NumberFormat* format_ = nullptr;
    bool comparesBytes_ = false;
    bool comparesBlocks_ = false;
    std::int64_t step_ = 1;
};

std::string shortPercent(std::uint64_t some, std::uint64_t all) {
    const double tenths = std::floor(1000.0 * static_cast<double>(some) / static_cast<double>(all));
    return shortest(tenths / 10) + " %";
}

/// Patterns in what rounding did not give. Measured; what made them is guessed.
std::string guessOf(const Part& all, bool inBlocks) {
    const std::uint64_t others = all.tried - all.equal;
    if (others == 0 || all.tried == 0) {
        return {};
    }
    if (!inBlocks) {
        const bool clipped = all.clip.holds && all.clip.bound > 0 && all.clip.bound == all.largestB;
        return clipped ? "clipped at " + shortest(all.clip.bound) + "? " + std::to_string(others) +
                             " larger values became that bound, all others are rounded to nearest"
                       : std::string();
    }
    constexpr double kMost = 0.75;
    const double share = static_cast<double>(all.worse) / static_cast<double>(others);
    if (share >= kMost) {
        return "imatrix-like? " + shortPercent(all.worse, others) +
               " of the other blocks have a larger plain error than round-to-nearest, as weighting "
               "by importance gives";
    }
    if (static_cast<double>(all.better) >= kMost * static_cast<double>(others)) {
        return "finer search? " + shortPercent(all.better, others) +
               " of the other blocks have a smaller plain error than round-to-nearest";
    }
    return {};
}

void setProvenance(DiffRow& row, const Part& all, bool inBlocks, bool canRound) {
    if (row.identical) {
        row.provenance = all.sameBytes ? Provenance::SameBytes : Provenance::SameValues;
        return;
    }
    if (!canRound || all.tried == 0) {
        return;
    }
    row.equalShare = static_cast<double>(all.equal) / static_cast<double>(all.tried);
    if (all.equal == all.tried) {
        row.provenance = Provenance::Rounded;
    } else if (all.equal > 0) {
        row.provenance = Provenance::Partly;
    }
    row.guess = guessOf(all, inBlocks);
}

Result<void> compareInto(const TensorSource& a,
                         const TensorSource& b,
                         const DiffPair& pair,
                         DiffRow& row,
                         const JobContext& ctx) {
    const Result<AlignedPair> aligned = alignPair(a, b, pair);
    if (!aligned) {
        return fail(aligned.error());
    }
    row.rows = aligned->b->rows();
    row.cols = aligned->b->cols();
    const Comparison comparison(*aligned, pair.change, ctx);
    const bool wide = aligned->a->isDouble() || aligned->b->isDouble();
    const Result<Part> all = wide ? comparison.run<double>() : comparison.run<float>();
    if (!all) {
        return fail(all.error());
    }
    row.identical = all->identical;
    if (all->bad >= 0) {
        row.provenance = !row.identical   ? Provenance::None
                         : all->sameBytes ? Provenance::SameBytes
                                          : Provenance::SameValues;
        return fail(ErrorCode::Invalid,
                    std::string("a value of ") + (all->badInA ? "A" : "B") +
                        " is not finite at row " + std::to_string(all->bad / row.cols) +
                        ", column " + std::to_string(all->bad % row.cols));
    }
    row.metrics = all->sums.metrics();
    setProvenance(row, *all, aligned->b->rawBlocks().has_value(), comparison.canRound());
    return {};
}

}  // namespace

Result<AlignedPair> alignPair(const TensorSource& a, const TensorSource& b, const DiffPair& pair) {
    Result<Rows> left = openSide(a, pair.a);
    if (!left) {
        return fail(left.error());
    }
    Result<Rows> right = openSide(b, pair.b);
    if (!right) {
        return fail(right.error());
    }
    Rows changed = *left;
    if (pair.change.permutedHeads > 0) {
        changed = std::make_shared<HeadRows>(changed, pair.change.permutedHeads, pair.changeIsInB);
    }
    if (pair.change.added != 0) {
        changed = std::make_shared<AddedRows>(
            changed, pair.changeIsInB ? pair.change.added : -pair.change.added);
    }
    if (pair.change.transposed) {
        changed = std::make_shared<TurnedRows>(changed);
    }
    if (changed->rows() != (*right)->rows() || changed->cols() != (*right)->cols()) {
        return fail(ErrorCode::Invalid,
                    "'" + pair.nameA + "' and '" + pair.nameB + "' have different shapes");
    }
    return AlignedPair{changed, *right};
}

DiffRow diffPair(const TensorSource& a,
                 const TensorSource& b,
                 const DiffPair& pair,
                 const JobContext& ctx) {
    const auto start = std::chrono::steady_clock::now();
    DiffRow row;
    row.tensorA = pair.nameA;
    row.tensorB = pair.nameB;
    row.dtypeA = a.tensors()[pair.a.front()].dtypeName;
    row.dtypeB = b.tensors()[pair.b.front()].dtypeName;
    row.change = pair.change;
    Result<void> done;
    try {
        done = compareInto(a, b, pair, row, ctx);
    } catch (const std::bad_alloc&) {
        done = fail(ErrorCode::OutOfMemory, "out of memory");
    }
    if (!done) {
        row.error = done.error();
    }
    row.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return row;
}

}  // namespace loupe
