// SPDX-License-Identifier: Apache-2.0
#include "core/stats/tensor_flags.hpp"

#include "core/base/assert.hpp"
#include "core/base/text.hpp"
#include "core/base/worker_pool.hpp"
#include "core/stats/element_reader.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>

namespace loupe {

namespace {

constexpr std::array kFlags{
    FlagDefinition{
        TensorFlag::Nan, "nan", "Holds NaN", "NaN", "Some value is not a number.", false, true},
    FlagDefinition{
        TensorFlag::Inf, "inf", "Holds infinities", "Inf", "Some value is infinite.", false, true},
    FlagDefinition{
        TensorFlag::AllZero, "all_zero", "All zero", "0", "Every value is 0.", false, true},
    FlagDefinition{TensorFlag::Constant,
                   "constant",
                   "Zero variance",
                   "const",
                   "Every value is the same, and not 0.",
                   false,
                   false},
    FlagDefinition{TensorFlag::ZeroRows,
                   "zero_rows",
                   "Zero rows",
                   "0row",
                   "Some outputs have no weight but 0.",
                   false,
                   true},
    FlagDefinition{TensorFlag::ZeroColumns,
                   "zero_columns",
                   "Zero columns",
                   "0col",
                   "Some inputs have no weight but 0.",
                   false,
                   true},
    FlagDefinition{TensorFlag::Duplicate,
                   "duplicate",
                   "Duplicate",
                   "dup",
                   "An earlier tensor has the same type, shape and content.",
                   false,
                   false},
    FlagDefinition{TensorFlag::Untrained,
                   "untrained",
                   "As initialised",
                   "init",
                   "Every value is exactly 1, or exactly 0, as initialisers of norms, biases and "
                   "adapters leave them.",
                   false,
                   false},
    FlagDefinition{TensorFlag::LikeInitialiser,
                   "like_initialiser",
                   "Like a random initialiser",
                   "init?",
                   "A guess: deviation, skewness and kurtosis fit a usual random initialiser "
                   "within five standard errors.",
                   true,
                   false},
    FlagDefinition{TensorFlag::Pattern,
                   "pattern",
                   "N:M sparsity",
                   "N:M",
                   "In every M consecutive inputs of a row at most N weights are not 0.",
                   false,
                   false}};

// --- content ------------------------------------------------------------------------------------

constexpr std::uint64_t kOdd1 = 0x9E3779B97F4A7C15ULL;
constexpr std::uint64_t kOdd2 = 0xC2B2AE3D27D4EB4FULL;

std::uint64_t mixed(std::uint64_t x) {
    x ^= x >> 33;
    x *= 0xFF51AFD7ED558CCDULL;
    x ^= x >> 33;
    x *= 0xC4CEB9FE1A85EC53ULL;
    return x ^ (x >> 33);
}

/// A hash of bytes in four lanes of 64 bits, as fast as memory.
class ContentHash {
public:
    void add(std::span<const std::byte> bytes) {
        constexpr std::size_t kStride = 32;
        std::size_t at = 0;
        for (; at + kStride <= bytes.size(); at += kStride) {
            std::array<std::uint64_t, 4> words;
            std::memcpy(words.data(), bytes.data() + at, kStride);
            step(words);
        }
        if (at < bytes.size()) {
            std::array<std::uint64_t, 4> words{};
            std::memcpy(words.data(), bytes.data() + at, bytes.size() - at);
            step(words);
        }
        length_ += bytes.size();
    }
    void add(std::uint64_t word) {
        step({word, length_, kOdd1, kOdd2});
        length_ += sizeof word;
    }
    [[nodiscard]] std::array<std::uint64_t, 2> value() const {
        const std::uint64_t a = mixed(lanes_[0] + std::rotl(lanes_[1], 17));
        const std::uint64_t b = mixed(lanes_[2] + std::rotl(lanes_[3], 29) + length_);
        return {mixed(a ^ std::rotl(b, 31)), mixed(b + a * kOdd2)};
    }

private:
    void step(const std::array<std::uint64_t, 4>& words) {
        for (std::size_t i = 0; i < words.size(); ++i) {
            lanes_[i] = std::rotl(lanes_[i] ^ (words[i] * kOdd2), 31) * kOdd1;
        }
    }

    std::array<std::uint64_t, 4> lanes_{kOdd1, kOdd2, ~kOdd1, ~kOdd2};
    std::uint64_t length_ = 0;
};

// --- N:M ----------------------------------------------------------------------------------------

constexpr std::array<int, 4> kGroups{2, 4, 8, 16};

/// The most non-zeros in any group of each size, and how many there are in all.
struct PatternCount {
    std::array<int, kGroups.size()> most{};
    std::uint64_t nonZero = 0;

    void add(const PatternCount& other) {
        for (std::size_t i = 0; i < most.size(); ++i) {
            most[i] = std::max(most[i], other.most[i]);
        }
        nonZero += other.nonZero;
    }
    /// No group size can hold any more.
    [[nodiscard]] bool isDead() const {
        for (std::size_t i = 0; i < most.size(); ++i) {
            if (most[i] * 2 <= kGroups[i]) {
                return false;
            }
        }
        return true;
    }
    /// Values of one row from a column that is a multiple of 16.
    template <class T>
    void count(std::span<const T> values) {
        constexpr std::size_t kWindow = 16;
        for (std::size_t at = 0; at < values.size(); at += kWindow) {
            const std::size_t size = std::min(kWindow, values.size() - at);
            std::uint32_t mask = 0;
            for (std::size_t i = 0; i < size; ++i) {
                mask |= static_cast<std::uint32_t>(values[at + i] != T{0}) << i;
            }
            nonZero += static_cast<std::uint64_t>(std::popcount(mask));
            see(mask);
        }
    }

private:
    void see(std::uint32_t mask) {
        // Sums of neighbouring fields: pairs, fours, eights, sixteen.
        std::uint32_t sums = mask - ((mask >> 1) & 0x5555U);
        raise(0, sums, 2);
        sums = (sums & 0x3333U) + ((sums >> 2) & 0x3333U);
        raise(1, sums, 4);
        sums = (sums + (sums >> 4)) & 0x0F0FU;
        raise(2, sums, 8);
        raise(3, (sums + (sums >> 8)) & 0x1FU, 16);
    }
    void raise(std::size_t group, std::uint32_t fields, int width) {
        for (int at = 0; at < 16; at += width) {
            const auto field = static_cast<int>((fields >> at) & ((1U << width) - 1U));
            most[group] = std::max(most[group], field);
        }
    }
};

/// The pattern that holds and is used: real N:M pruning leaves close to N of M weights, while a
/// tensor of few weights anywhere meets loose patterns by chance.
void setPattern(const PatternCount& count,
                std::int64_t rows,
                std::int64_t cols,
                TensorMarks& marks) {
    constexpr double kLeastUse = 0.75;
    const auto all = static_cast<double>(rows * cols);
    for (std::size_t i = 0; i < kGroups.size() && kGroups[i] <= cols; ++i) {
        const int kept = count.most[i];
        const int group = kGroups[i];
        const double share = static_cast<double>(kept) / group;
        const bool used = static_cast<double>(count.nonZero) >= kLeastUse * share * all;
        const bool better =
            marks.patternGroup == 0 || kept * marks.patternGroup < marks.patternKept * group;
        if (kept > 0 && kept * 2 <= group && used && better) {
            marks.patternKept = kept;
            marks.patternGroup = group;
        }
    }
}

// --- the pass -----------------------------------------------------------------------------------

struct ChunkMarks {
    std::array<std::uint64_t, 2> hash{};
    PatternCount pattern;
};

class MarksPass {
public:
    MarksPass(const RowSource& source, const JobContext& ctx)
        : source_(source),
          reader_(source),
          blocks_(source.rawBlocks()),
          ctx_(ctx),
          grid_(source.rows(), source.cols(), !reader_.raw),
          wholeBytes_(reader_.raw && reader_.raw->type->bits % 8 == 0) {}

    Result<TensorMarks> run() {
        std::vector<ChunkMarks> chunks(static_cast<std::size_t>(grid_.chunks));
        parallelFor(grid_.chunks, 1, ctx_, [&](std::int64_t i, std::int64_t, std::int64_t) {
            if (!error_.load(std::memory_order_relaxed)) {
                scan(i, chunks[static_cast<std::size_t>(i)]);
            }
        });
        source_.release(0, source_.rows());
        if (failure_) {
            return fail(*failure_);
        }
        return combine(chunks);
    }

private:
    void scan(std::int64_t index, ChunkMarks& chunk) {
        const ChunkGrid::Place place = grid_.place(index, source_.rows(), source_.cols());
        const Result<void> done =
            source_.isDouble() ? scanAs<double>(place, chunk) : scanAs<float>(place, chunk);
        if (!done) {
            const std::scoped_lock lock(mutex_);
            if (!failure_ || index < failedAt_) {
                failure_ = done.error();
                failedAt_ = index;
            }
            error_.store(true, std::memory_order_relaxed);
        }
        if (place.col + place.cols == source_.cols()) {
            source_.release(place.row, place.rows);
        }
    }

    template <class T>
    Result<void> scanAs(const ChunkGrid::Place& place, ChunkMarks& chunk) {
        ContentHash hash;
        const bool stored = hashStored(place, hash);
        const bool counts = !dead_.load(std::memory_order_relaxed);
        if (stored && !counts) {
            chunk.hash = hash.value();
            return {};
        }
        std::vector<T> values(static_cast<std::size_t>(place.rows * place.cols));
        if (Result<void> done =
                reader_.read(place.row, place.rows, place.col, place.cols, values.data());
            !done) {
            return done;
        }
        if (!stored) {
            hash.add(std::as_bytes(std::span<const T>(values)));
        }
        chunk.hash = hash.value();
        for (std::int64_t row = 0; row < place.rows && counts; ++row) {
            chunk.pattern.count(std::span<const T>(values.data() + row * place.cols,
                                                   static_cast<std::size_t>(place.cols)));
            if (chunk.pattern.isDead()) {
                dead_.store(true, std::memory_order_relaxed);
                break;
            }
        }
        return {};
    }

    /// The stored bytes of a chunk, if they lie in memory on whole bytes.
    bool hashStored(const ChunkGrid::Place& place, ContentHash& hash) const {
        if (blocks_) {
            const auto rowBytes = static_cast<std::size_t>(
                source_.cols() / blocks_->layout->elements * blocks_->layout->bytes);
            hash.add(blocks_->bytes.subspan(static_cast<std::size_t>(place.row) * rowBytes,
                                            static_cast<std::size_t>(place.rows) * rowBytes));
            return true;
        }
        if (!wholeBytes_) {
            return false;
        }
        const std::int64_t width = reader_.raw->type->bits / 8;
        for (std::int64_t row = place.row; row < place.row + place.rows; ++row) {
            const std::int64_t first = (row * source_.cols() + place.col) * width;
            hash.add(reader_.raw->bytes.subspan(static_cast<std::size_t>(first),
                                                static_cast<std::size_t>(place.cols * width)));
        }
        return true;
    }

    [[nodiscard]] TensorMarks combine(const std::vector<ChunkMarks>& chunks) const {
        ContentHash all;
        all.add(static_cast<std::uint64_t>(source_.rows()));
        all.add(static_cast<std::uint64_t>(source_.cols()));
        const std::string_view type =
            blocks_ ? blocks_->layout->id : (wholeBytes_ ? reader_.raw->type->id : "values");
        all.add(std::as_bytes(std::span(type)));
        PatternCount pattern;
        for (const ChunkMarks& chunk : chunks) {
            all.add(chunk.hash[0]);
            all.add(chunk.hash[1]);
            pattern.add(chunk.pattern);
        }
        TensorMarks marks;
        for (const std::uint64_t word : all.value()) {
            for (int shift = 60; shift >= 0; shift -= 4) {
                marks.contentHash += "0123456789abcdef"[(word >> shift) & 15U];
            }
        }
        if (!dead_) {
            setPattern(pattern, source_.rows(), source_.cols(), marks);
        }
        return marks;
    }

    const RowSource& source_;
    ElementReader reader_;
    std::optional<RawBlocks> blocks_;
    const JobContext& ctx_;
    ChunkGrid grid_;
    bool wholeBytes_;
    std::atomic<bool> dead_{false};
    std::atomic<bool> error_{false};
    std::mutex mutex_;
    std::optional<Error> failure_;
    std::int64_t failedAt_ = 0;
};

// --- initialisers -------------------------------------------------------------------------------

struct Initialiser {
    bool uniform = false;
    double parameter = 0;  ///< a of U(-a, a), s of N(0, s)
    std::string name;
};

std::vector<Initialiser> initialisers(std::int64_t rows, std::int64_t cols) {
    const auto in = static_cast<double>(cols);
    const double both = in + static_cast<double>(rows);
    return {{true, 1 / std::sqrt(in), "1/sqrt(in), PyTorch's Linear"},
            {true, std::sqrt(6 / both), "sqrt(6/(in+out)), Xavier"},
            {true, std::sqrt(6 / in), "sqrt(6/in), Kaiming"},
            {false, 0.02, "0.02, as BERT, GPT-2 and Llama begin"},
            {false, 1, "1, PyTorch's Embedding"},
            {false, std::sqrt(2 / both), "sqrt(2/(in+out)), Xavier"},
            {false, std::sqrt(2 / in), "sqrt(2/in), Kaiming"},
            {false, std::sqrt(1 / in), "sqrt(1/in), LeCun"}};
}

bool fits(const Initialiser& initialiser, const TensorStats& s) {
    constexpr double kErrors = 5;
    constexpr double kRounding = 1.0 / 256;  // of BF16, the coarsest type that is trained in
    const auto n = static_cast<double>(s.count);
    const double excess = initialiser.uniform ? -1.2 : 0.0;
    const double a = initialiser.parameter;
    const double deviation = initialiser.uniform ? a / std::sqrt(3.0) : a;
    const bool moments =
        std::fabs(s.mean) <= kErrors * deviation / std::sqrt(n) &&
        std::fabs(s.std / deviation - 1) <= kErrors * std::sqrt((excess + 2) / (4 * n)) &&
        std::fabs(s.skewness) <= kErrors * std::sqrt(6 / n) &&
        std::fabs(s.kurtosis - excess) <= kErrors * std::sqrt(24 / n);
    // The largest of n draws is within 30/n of the bound but for one in e^30 cases.
    return moments && (!initialiser.uniform || (s.absmax <= a * (1 + kRounding) &&
                                                s.absmax >= a * (1 - 30 / n - kRounding)));
}

std::optional<std::string> likeInitialiser(const TensorStats& stats) {
    constexpr std::uint64_t kLeast = 4096;
    if (stats.rows < 2 || stats.cols < 2 || stats.count < kLeast || stats.finite() != stats.count ||
        !(stats.std > 0)) {
        return std::nullopt;
    }
    for (const Initialiser& initialiser : initialisers(stats.rows, stats.cols)) {
        if (fits(initialiser, stats)) {
            const std::string value = shortest(static_cast<float>(initialiser.parameter));
            return (initialiser.uniform ? "fits U(-a, a) with a = " : "fits N(0, s) with s = ") +
                   value + " (" + initialiser.name + ")";
        }
    }
    return std::nullopt;
}

// --- channels -----------------------------------------------------------------------------------

std::int64_t zeroChannels(const ChannelRanges& ranges) {
    if (!ranges.wideAbsmax.empty()) {
        return std::count(ranges.wideAbsmax.begin(), ranges.wideAbsmax.end(), 0.0);
    }
    return std::count(ranges.absmax.begin(), ranges.absmax.end(), 0.0F);
}

std::string ofAll(std::int64_t some, std::uint64_t all, const char* what) {
    return std::to_string(some) + " of " + std::to_string(all) + " " + what;
}

void raiseChannels(const TensorStats& stats, std::vector<RaisedFlag>& flags) {
    const auto raise = [&](TensorFlag flag, const ChannelRanges& ranges, const char* what) {
        const std::int64_t zero = zeroChannels(ranges);
        if (zero > 0) {
            flags.push_back({flag, ofAll(zero, ranges.absmax.size(), what)});
        }
    };
    // A channel that holds NaN beside zeros is not zero, and ranges do not tell it from one.
    if (stats.rows > 1 && stats.cols > 1 && stats.finite() == stats.count) {
        raise(TensorFlag::ZeroRows, stats.rowRanges, "rows");
        raise(TensorFlag::ZeroColumns, stats.colRanges, "columns");
    }
}

}  // namespace

std::span<const FlagDefinition> allTensorFlags() {
    return kFlags;
}

const FlagDefinition& flagDefinition(TensorFlag flag) {
    const auto found = std::find_if(kFlags.begin(), kFlags.end(), [flag](const auto& definition) {
        return definition.flag == flag;
    });
    LOUPE_ASSERT(found != kFlags.end(), "every flag is defined");
    return *found;
}

const FlagDefinition* findTensorFlag(std::string_view id) {
    const auto found = std::find_if(
        kFlags.begin(), kFlags.end(), [id](const auto& definition) { return definition.id == id; });
    return found == kFlags.end() ? nullptr : &*found;
}

Result<TensorMarks> computeMarks(const RowSource& source, const JobContext& ctx) {
    return MarksPass(source, ctx).run();
}

std::vector<RaisedFlag> raiseFlags(const TensorStats& stats, const TensorMarks& marks) {
    std::vector<RaisedFlag> flags;
    const auto count = static_cast<std::int64_t>(stats.count);
    if (stats.nan > 0) {
        flags.push_back(
            {TensorFlag::Nan, ofAll(static_cast<std::int64_t>(stats.nan), stats.count, "values")});
    }
    if (stats.inf > 0) {
        flags.push_back(
            {TensorFlag::Inf, ofAll(static_cast<std::int64_t>(stats.inf), stats.count, "values")});
    }
    const bool constant = count > 1 && stats.finite() == stats.count && stats.min == stats.max;
    const bool zero = stats.count > 0 && stats.zeros == stats.count;
    if (zero) {
        flags.push_back({TensorFlag::AllZero, {}});
    } else if (constant) {
        flags.push_back({TensorFlag::Constant, "every value is " + shortest(stats.min)});
    } else {
        raiseChannels(stats, flags);
    }
    if (constant && (stats.min == 0 || stats.min == 1)) {
        flags.push_back({TensorFlag::Untrained, "every value is " + shortest(stats.min + 0.0)});
    }
    if (const std::optional<std::string> guess = likeInitialiser(stats)) {
        flags.push_back({TensorFlag::LikeInitialiser, *guess});
    }
    if (marks.patternGroup > 0 && stats.rows > 0) {
        flags.push_back(
            {TensorFlag::Pattern,
             std::to_string(marks.patternKept) + ":" + std::to_string(marks.patternGroup)});
    }
    return flags;
}

}  // namespace loupe
