// SPDX-License-Identifier: Apache-2.0
#include "core/stats/scan_chunk.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "core/stats/code_table.hpp"

namespace loupe {

namespace {

/// Columns that a tile spans: its accumulators stay in the first-level cache.
constexpr std::int64_t kTileCols = 4096;
constexpr std::int64_t kTileRows = 64;
/// Rows between which ranges, moments and counts take turns while the bytes are in the cache.
constexpr std::int64_t kStripRows = 8;
/// A float sum of squares below this has lost digits to underflow.
constexpr double kLeastSquares = 1e-30;
constexpr std::uint64_t kFlushAt = std::uint64_t{1} << 31;
constexpr float kInf = std::numeric_limits<float>::infinity();

/// Accumulators of one tile in float; judged before they are added to the chunk.
struct TileScratch {
    std::vector<float> colMin, colMax, colSquares, rowMin, rowMax;
    std::vector<double> rowSquares;

    void reset(std::int64_t rows, std::int64_t cols) {
        const auto r = static_cast<std::size_t>(rows);
        const auto c = static_cast<std::size_t>(cols);
        colMin.assign(c, kInf);
        colMax.assign(c, -kInf);
        colSquares.assign(c, 0);
        rowMin.assign(r, kInf);
        rowMax.assign(r, -kInf);
        rowSquares.assign(r, 0);
    }
    RangeTargets from(std::int64_t row) {
        return {colMin.data(), colMax.data(), colSquares.data(), rowMin.data() + row, rowMax.data() + row, rowSquares.data() + row};
    }

    /// False: something was not finite, or squares left the range of float; then only a scalar pass in double is right.
    [[nodiscard]] bool trustworthy() const {
        for (std::size_t r = 0; r < rowSquares.size(); ++r) {
            const double squares = rowSquares[r];
            if (!std::isfinite(squares) || (squares < kLeastSquares && (rowMin[r] != 0 || rowMax[r] != 0))) {
                return false;
            }
        }
        const float* const low = colMin.data();
        const float* const high = colMax.data();
        const float* const squares = colSquares.data();
        constexpr auto kTiny = static_cast<float>(kLeastSquares);
        int bad = 0;  // no branches: compilers turn this into vectors
        for (std::size_t c = 0; c < colSquares.size(); ++c) {
            const int tiny = (squares[c] < kTiny) & ((low[c] != 0) | (high[c] != 0));
            bad |= tiny | !(squares[c] <= std::numeric_limits<float>::max());
        }
        return bad == 0;
    }

    void addTo(ChannelPartial& rows, ChannelPartial& cols, std::int64_t row, std::int64_t col) const {
        add(rows, row, rowMin, rowMax, rowSquares);
        add(cols, col, colMin, colMax, colSquares);
    }

private:
    template <class T>
    static void add(ChannelPartial& to, std::int64_t first, const std::vector<float>& low, const std::vector<float>& high, const std::vector<T>& squares) {
        double* min = to.min.data() + first;
        double* max = to.max.data() + first;
        double* sum = to.squares.data() + first;
        const float* const lows = low.data();
        const float* const highs = high.data();
        const T* const sums = squares.data();
        for (std::size_t i = 0; i < low.size(); ++i) {
            min[i] = std::min(min[i], static_cast<double>(lows[i]));
            max[i] = std::max(max[i], static_cast<double>(highs[i]));
            sum[i] += static_cast<double>(sums[i]);
        }
    }
};

/// The scalar way: right for every input.
template <class At>
void slowRanges(std::int64_t rows, std::int64_t cols, ChunkPartial& out, std::int64_t row, std::int64_t col, const At& at) {
    for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t c = 0; c < cols; ++c) {
            const double x = at(r, c);
            if (std::isfinite(x)) {
                out.rows.see(static_cast<std::size_t>(row + r), x);
                out.cols.see(static_cast<std::size_t>(col + c), x);
            }
        }
    }
}

template <class At>
void slowTotals(std::int64_t rows, std::int64_t cols, double pivot, double scale, ChunkTotals& t, const At& at) {
    for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t c = 0; c < cols; ++c) {
            const double x = at(r, c);
            if (!std::isfinite(x)) {
                (std::isnan(x) ? t.nan : t.inf) += 1;
                continue;
            }
            t.zeros += x == 0 ? 1 : 0;
            const double d = x * scale - pivot * scale;
            t.powers[0] += d;
            t.powers[1] += d * d;
            t.powers[2] += d * d * d;
            t.powers[3] += d * d * d * d;
        }
    }
}

/// One chunk of a source, and what is needed to scan it.
struct Scan {
    const ElementReader& reader;
    const StatsKernels& kernels;
    ChunkPartial& out;
    CountLease::Tables& tables;
    double pivot, scale;

    [[nodiscard]] std::int64_t width() const { return reader.source->cols(); }

    /// Calls body(row, rows, col, cols) for the tiles of the chunk, places relative to it.
    template <class Body>
    void tiles(const Body& body) const {
        for (std::int64_t r = 0; r < out.place.rows; r += kTileRows) {
            for (std::int64_t c = 0; c < out.place.cols; c += kTileCols) {
                body(r, std::min(kTileRows, out.place.rows - r), c, std::min(kTileCols, out.place.cols - c));
            }
        }
    }

    [[nodiscard]] const unsigned char* rawAt(std::int64_t row, std::int64_t col, std::int64_t bytes) const {
        const auto* data = reinterpret_cast<const unsigned char*>(reader.raw->bytes.data());
        return data + ((out.place.row + row) * width() + out.place.col + col) * bytes;
    }

    void addMoments(const KernelMoments& m) const {
        out.totals.zeros += m.zeros;
        for (std::size_t k = 0; k < 4; ++k) {
            out.totals.powers[k] += m.sums[k];
        }
    }

    // --- floats ---

    /// Floats at `data` with rows `stride` elements apart.
    void floats(const unsigned char* data, std::int64_t stride) const {
        TileScratch scratch;
        tiles([&](std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols) {
            const unsigned char* corner = data + (row * stride + col) * 4;
            scratch.reset(rows, cols);
            KernelMoments moments{};
            for (std::int64_t r = 0; r < rows; r += kStripRows) {
                const KernelTile strip{corner + r * stride * 4, std::min(kStripRows, rows - r), cols, stride};
                kernels.rangesF32(strip, scratch.from(r));
                const bool together = cols == stride;
                for (std::int64_t i = 0; i < (together ? 1 : strip.rows); ++i) {
                    const unsigned char* line = strip.data + i * stride * 4;
                    const std::int64_t count = together ? strip.rows * cols : cols;
                    kernels.momentsF32(line, count, pivot, &moments);
                    kernels.countUpper32(line, count, tables.even.data(), tables.odd.data());
                }
            }
            if (scratch.trustworthy()) {
                scratch.addTo(out.rows, out.cols, row, col);
                addMoments(moments);
                return;
            }
            const auto at = [&](std::int64_t r, std::int64_t c) {
                float x;
                std::memcpy(&x, corner + (r * stride + c) * 4, sizeof x);
                return static_cast<double>(x);
            };
            slowRanges(rows, cols, out, row, col, at);
            slowTotals(rows, cols, pivot, scale, out.totals, at);
        });
    }

    // --- doubles ---

    void doubles(const unsigned char* data, std::int64_t stride) const {
        for (std::int64_t r = 0; r < out.place.rows; ++r) {
            const unsigned char* line = data + r * stride * 8;
            const std::int64_t cols = out.place.cols;
            const auto at = [&](std::int64_t, std::int64_t c) {
                double x;
                std::memcpy(&x, line + c * 8, sizeof x);
                return x;
            };
            bool finite = true;
            for (std::int64_t c = 0; c < cols; ++c) {
                const double x = at(0, c);
                finite = finite && std::isfinite(x);
                ++tables.even[std::bit_cast<std::uint64_t>(x) >> kDoubleShift];
            }
            slowRanges(1, cols, out, r, 0, at);
            if (finite) {
                KernelMoments moments{};
                kernels.momentsF64(line, cols, pivot, scale, &moments);
                addMoments(moments);
            } else {
                slowTotals(1, cols, pivot, scale, out.totals, at);
            }
        }
    }

    // --- codes ---

    [[nodiscard]] std::uint32_t codeAt(std::int64_t row, std::int64_t col) const {
        const int bits = reader.raw->type->bits;
        if (bits == 16) {
            std::uint16_t code;
            std::memcpy(&code, rawAt(row, col, 2), sizeof code);
            return code;
        }
        if (bits == 8) {
            return *rawAt(row, col, 1);
        }
        const auto index = (out.place.row + row) * width() + out.place.col + col;
        return static_cast<std::uint32_t>(elementCode(*reader.raw->type, reader.raw->bytes, index));
    }

    void codes() const {
        const StorageType& type = *reader.raw->type;
        const CodeTable& table = codeTable(type);
        const bool bf16 = type.id == "bf16";
        const bool f16 = type.id == "fp16" && kernels.rangesF16 != nullptr;
        TileScratch scratch;
        std::vector<float> decoded;
        tiles([&](std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols) {
            scratch.reset(rows, cols);
            if (bf16) {
                kernels.rangesCountsBf16({rawAt(row, col, 2), rows, cols, width()}, scratch.from(0), tables.even.data(), tables.odd.data());
            } else if (f16) {
                for (std::int64_t r = 0; r < rows; r += kStripRows) {
                    const KernelTile strip{rawAt(row + r, col, 2), std::min(kStripRows, rows - r), cols, width()};
                    kernels.rangesF16(strip, scratch.from(r));
                    for (std::int64_t i = 0; i < strip.rows; ++i) {
                        kernels.count16(strip.data + i * width() * 2, cols, tables.even.data(), tables.odd.data());
                    }
                }
            } else {
                decodeByTable(table, row, rows, col, cols, scratch, decoded);
            }
            if (scratch.trustworthy()) {
                scratch.addTo(out.rows, out.cols, row, col);
            } else {
                slowRanges(rows, cols, out, row, col,
                           [&](std::int64_t r, std::int64_t c) { return table.values[codeAt(row + r, col + c)]; });
            }
        });
    }

    void decodeByTable(const CodeTable& table, std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols,
                       TileScratch& scratch, std::vector<float>& decoded) const {
        decoded.resize(static_cast<std::size_t>(kStripRows * cols));
        for (std::int64_t r = 0; r < rows; r += kStripRows) {
            const std::int64_t count = std::min(kStripRows, rows - r);
            for (std::int64_t i = 0; i < count; ++i) {
                float* line = decoded.data() + i * cols;
                for (std::int64_t c = 0; c < cols; ++c) {
                    const std::uint32_t code = codeAt(row + r + i, col + c);
                    ++((c & 1) != 0 ? tables.odd : tables.even)[code];
                    line[c] = table.floats[code];
                }
            }
            kernels.rangesF32({reinterpret_cast<const unsigned char*>(decoded.data()), count, cols, cols}, scratch.from(r));
        }
    }
};

template <class T>
Result<void> readChunk(const ElementReader& reader, const ChunkGrid::Place& place, std::vector<T>& buffer) {
    buffer.resize(static_cast<std::size_t>(place.rows * place.cols));
    return reader.read(place.row, place.rows, place.col, place.cols, buffer.data());
}

}  // namespace

void ChannelPartial::reset(std::int64_t count) {
    const auto size = static_cast<std::size_t>(count);
    min.assign(size, std::numeric_limits<double>::infinity());
    max.assign(size, -std::numeric_limits<double>::infinity());
    squares.assign(size, 0);
}

void ChunkTotals::add(const ChunkTotals& other) {
    min = std::min(min, other.min);
    max = std::max(max, other.max);
    nan += other.nan;
    inf += other.inf;
    zeros += other.zeros;
    for (std::size_t k = 0; k < powers.size(); ++k) {
        powers[k] += other.powers[k];
    }
}

std::size_t countBins(const ElementReader& reader) {
    switch (reader.path) {
        case ElementPath::Codes:
            return std::size_t{1} << reader.raw->type->bits;
        case ElementPath::Float:
            return std::size_t{1} << (32 - kFloatShift);
        case ElementPath::Double:
            break;
    }
    return std::size_t{1} << (64 - kDoubleShift);
}

ChunkScanner::ChunkScanner(const ElementReader& reader) : counts(countBins(reader)), reader_(reader) {}

Result<void> ChunkScanner::scan(ChunkPartial& partial) {
    partial.rows.reset(partial.place.rows);
    partial.cols.reset(partial.place.cols);
    partial.totals = {};
    std::unique_ptr<CountLease::Tables> tables = counts.take();
    const Scan scan{reader_, kernels_, partial, *tables, pivot, scale};
    tables->seen += static_cast<std::uint64_t>(partial.place.rows * partial.place.cols);
    Result<void> result;
    if (reader_.path == ElementPath::Codes) {
        scan.codes();
    } else if (reader_.path == ElementPath::Float && reader_.direct) {
        scan.floats(scan.rawAt(0, 0, 4), scan.width());
    } else if (reader_.path == ElementPath::Float) {
        std::vector<float> buffer;
        result = readChunk(reader_, partial.place, buffer);
        if (result) {
            scan.floats(reinterpret_cast<const unsigned char*>(buffer.data()), partial.place.cols);
        }
    } else if (reader_.direct) {
        scan.doubles(scan.rawAt(0, 0, 8), scan.width());
    } else {
        std::vector<double> buffer;
        result = readChunk(reader_, partial.place, buffer);
        if (result) {
            scan.doubles(reinterpret_cast<const unsigned char*>(buffer.data()), partial.place.cols);
        }
    }
    counts.give(std::move(tables));
    for (std::size_t r = 0; r < partial.rows.min.size(); ++r) {
        partial.totals.min = std::min(partial.totals.min, partial.rows.min[r]);
        partial.totals.max = std::max(partial.totals.max, partial.rows.max[r]);
    }
    return result;
}

// --- counts -------------------------------------------------------------------------------------------------------

std::unique_ptr<CountLease::Tables> CountLease::take() {
    {
        const std::scoped_lock lock(mutex_);
        if (!idle_.empty()) {
            std::unique_ptr<Tables> tables = std::move(idle_.back());
            idle_.pop_back();
            return tables;
        }
    }
    auto tables = std::make_unique<Tables>();
    tables->even.resize(bins_);
    tables->odd.resize(bins_);
    return tables;
}

void CountLease::give(std::unique_ptr<Tables> tables) {
    const std::scoped_lock lock(mutex_);
    if (tables->seen >= kFlushAt) {
        flush(*tables);
    }
    idle_.push_back(std::move(tables));
}

void CountLease::flush(Tables& tables) {
    total_.resize(bins_);
    for (std::size_t i = 0; i < bins_; ++i) {
        total_[i] += std::uint64_t{tables.even[i]} + tables.odd[i];
    }
    std::fill(tables.even.begin(), tables.even.end(), 0U);
    std::fill(tables.odd.begin(), tables.odd.end(), 0U);
    tables.seen = 0;
}

const std::vector<std::uint64_t>& CountLease::total() {
    const std::scoped_lock lock(mutex_);
    total_.resize(bins_);
    for (const std::unique_ptr<Tables>& tables : idle_) {
        if (tables->seen != 0) {
            flush(*tables);
        }
    }
    return total_;
}

void CountLease::clear() {
    const std::scoped_lock lock(mutex_);
    idle_.clear();
    total_.clear();
}

ValueCounts binnedCounts(ElementPath path, const std::vector<std::uint64_t>& counts, const TensorStats& stats) {
    ValueCounts result;
    const std::size_t half = counts.size() / 2;
    const auto centre = [&](std::size_t bin) {
        if (bin % half == 0) {
            return bin == 0 ? 0.0 : -0.0;  // zeros, and subnormals too small to tell apart
        }
        if (path == ElementPath::Double) {
            return std::bit_cast<double>((static_cast<std::uint64_t>(bin) << kDoubleShift) | (std::uint64_t{1} << (kDoubleShift - 1)));
        }
        return static_cast<double>(std::bit_cast<float>((static_cast<std::uint32_t>(bin) << kFloatShift) | (1U << (kFloatShift - 1))));
    };
    const auto see = [&](std::size_t bin) {
        const double value = centre(bin);
        if (counts[bin] != 0 && std::isfinite(value)) {
            result.values.push_back(value);
            result.counts.push_back(counts[bin]);
        }
    };
    for (std::size_t bin = counts.size(); bin-- > half;) {
        see(bin);
    }
    for (std::size_t bin = 0; bin < half; ++bin) {
        see(bin);
    }
    if (result.values.size() == 1 && stats.min < stats.max) {
        result.values.push_back(result.values.front());
        result.counts = {1, result.counts.front() - 1};
    }
    // The exact extremes; a zero keeps the sign of its bin.
    if (!result.values.empty() && stats.min != 0) {
        result.values.front() = stats.min;
    }
    if (!result.values.empty() && stats.max != 0) {
        result.values.back() = stats.max;
    }
    return result;
}

}  // namespace loupe
