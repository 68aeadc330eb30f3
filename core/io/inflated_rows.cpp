// SPDX-License-Identifier: Apache-2.0
// Random access to a deflate stream by points to go on from: the place in the input, to the bit,
// and the 32 KiB of output before it (the way of zlib's own example zran, described in its manual).
#include "core/io/inflated_rows.hpp"

#include "core/base/assert.hpp"
#include "core/blocks/byte_order.hpp"
#include "core/io/layout.hpp"
#include "core/io/row_parts.hpp"
#include "core/io/rows.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <list>
#include <zlib.h>

namespace loupe {

namespace {

constexpr std::uint64_t kSmall = std::uint64_t{8} << 20;
constexpr std::uint64_t kMostPoints = 128;
constexpr std::size_t kWindow = 32768;
constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr std::size_t kMostCursors = 16;

/// Where a stream can be gone on from.
struct Point {
    std::uint64_t in = 0;
    std::uint64_t out = 0;
    int bits = 0;  ///< of the byte before `in` that are not used up
    std::vector<std::byte> window;
};

/// A stream at some place.
class Cursor {
public:
    Cursor(std::span<const std::byte> data, const Point& point)
        : data_(data), in_(point.in), out_(point.out) {
        ready_ = inflateInit2(&stream_, -MAX_WBITS) == Z_OK;
        if (ready_ && point.bits > 0) {
            const auto before = static_cast<int>(data[point.in - 1]);
            ready_ = inflatePrime(&stream_, point.bits, before >> (8 - point.bits)) == Z_OK;
        }
        if (ready_ && !point.window.empty()) {
            ready_ = inflateSetDictionary(&stream_,
                                          reinterpret_cast<const Bytef*>(point.window.data()),
                                          static_cast<uInt>(point.window.size())) == Z_OK;
        }
    }
    ~Cursor() { inflateEnd(&stream_); }
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;

    [[nodiscard]] std::uint64_t out() const noexcept { return out_; }
    [[nodiscard]] std::uint64_t in() const noexcept { return in_; }
    [[nodiscard]] bool ended() const noexcept { return ended_; }
    /// Between two blocks of the stream, where a point can be made.
    [[nodiscard]] bool atBlock() const noexcept { return atBlock_; }

    /// Inflates up to the next border of a block or the end of `out`. @returns bytes made; 0 at the
    /// end and where the stream is damaged
    std::size_t some(std::span<std::byte> out) {
        std::size_t made = 0;
        atBlock_ = false;
        while (ready_ && !ended_ && made < out.size() && !atBlock_) {
            const std::size_t in = std::min<std::size_t>(data_.size() - in_, kPiece);
            const std::size_t room = std::min(out.size() - made, kPiece);
            stream_.next_in =
                const_cast<Bytef*>(reinterpret_cast<const Bytef*>(data_.data() + in_));
            stream_.avail_in = static_cast<uInt>(in);
            stream_.next_out = reinterpret_cast<Bytef*>(out.data() + made);
            stream_.avail_out = static_cast<uInt>(room);
            const int status = inflate(&stream_, Z_BLOCK);
            const std::size_t used = in - stream_.avail_in;
            const std::size_t got = room - stream_.avail_out;
            in_ += used;
            made += got;
            ended_ = status == Z_STREAM_END;
            atBlock_ = (stream_.data_type & 192) == 128;
            ready_ = ended_ || status == Z_OK || (status == Z_BUF_ERROR && used + got > 0);
            if (used + got == 0 && !atBlock_) {
                break;
            }
        }
        out_ += made;
        return made;
    }

    [[nodiscard]] Point point() {
        Point point{in_, out_, stream_.data_type & 7, std::vector<std::byte>(kWindow)};
        uInt length = 0;
        inflateGetDictionary(&stream_, reinterpret_cast<Bytef*>(point.window.data()), &length);
        point.window.resize(length);
        return point;
    }

private:
    std::span<const std::byte> data_;
    z_stream stream_{};
    std::uint64_t in_;
    std::uint64_t out_;
    bool ready_ = false;
    bool ended_ = false;
    bool atBlock_ = false;
};

}  // namespace

struct InflatedBytes::Parts {
    std::shared_ptr<const MappedFile> file;
    ZipMember member;
    std::vector<std::byte> whole;  ///< of a small member
    std::vector<Point> points;
    std::mutex mutex;
    std::list<std::unique_ptr<Cursor>> cursors;  ///< that nobody uses now; the latest first

    [[nodiscard]] std::span<const std::byte> data() const {
        return file->bytes().subspan(member.begin, member.compressed);
    }

    [[nodiscard]] Error damaged(const std::string& what) const {
        return {ErrorCode::Damaged,
                "zip: member \"" + member.name + "\": " + what,
                filePosition(file->path(), member.begin),
                {}};
    }

    Result<void> survey() {
        const std::uint64_t spacing = std::max(member.size / kMostPoints, kSmall / 8);
        std::vector<std::byte> piece(kPiece);
        points.emplace_back();
        Cursor cursor(data(), points.front());
        uLong sum = crc32(0, nullptr, 0);
        std::uint64_t released = 0;
        for (;;) {
            const std::uint64_t before = cursor.in();
            const std::size_t made = cursor.some(piece);
            sum = crc32(sum, reinterpret_cast<const Bytef*>(piece.data()), static_cast<uInt>(made));
            if (cursor.out() > member.size) {
                return fail(damaged("expected " + std::to_string(member.size) +
                                    " bytes of deflated data, found more"));
            }
            if (cursor.ended() || (made == 0 && cursor.in() == before && !cursor.atBlock())) {
                break;
            }
            if (cursor.atBlock() && cursor.out() >= points.back().out + spacing) {
                points.push_back(cursor.point());
            }
            if (cursor.in() - released > kSmall) {
                file->release(member.begin + released, cursor.in() - released);
                released = cursor.in();
            }
        }
        if (!cursor.ended() || cursor.out() != member.size) {
            return fail(damaged("expected " + std::to_string(member.size) +
                                " bytes of deflated data, found " + std::to_string(cursor.out())));
        }
        if (sum != member.crc) {
            return fail(damaged("expected another checksum: its bytes changed"));
        }
        return {};
    }

    /// The idle cursor or the point nearest before `offset`.
    std::unique_ptr<Cursor> cursorFor(std::uint64_t offset) {
        const std::lock_guard lock(mutex);
        const auto after = std::upper_bound(
            points.begin(), points.end(), offset, [](std::uint64_t at, const Point& point) {
                return at < point.out;
            });
        const Point& point = *std::prev(after);
        auto best = cursors.end();
        for (auto it = cursors.begin(); it != cursors.end(); ++it) {
            if ((*it)->out() <= offset && (*it)->out() >= point.out &&
                (best == cursors.end() || (*it)->out() > (*best)->out())) {
                best = it;
            }
        }
        if (best == cursors.end()) {
            return std::make_unique<Cursor>(data(), point);
        }
        std::unique_ptr<Cursor> cursor = std::move(*best);
        cursors.erase(best);
        return cursor;
    }

    void giveBack(std::unique_ptr<Cursor> cursor) {
        const std::lock_guard lock(mutex);
        cursors.push_front(std::move(cursor));
        if (cursors.size() > kMostCursors) {
            cursors.pop_back();
        }
    }
};

InflatedBytes::InflatedBytes() : parts_(std::make_unique<Parts>()) {}
InflatedBytes::~InflatedBytes() = default;

std::uint64_t InflatedBytes::size() const noexcept {
    return parts_->member.size;
}

Result<std::shared_ptr<const InflatedBytes>> InflatedBytes::open(
    std::shared_ptr<const MappedFile> file, const ZipMember& member) {
    const std::shared_ptr<InflatedBytes> bytes(new InflatedBytes);
    Parts& parts = *bytes->parts_;
    parts.file = std::move(file);
    parts.member = member;
    if (member.size <= kSmall || !member.deflated) {
        auto whole = extractZip(*parts.file, member, member.size);
        if (!whole) {
            return fail(whole.error());
        }
        parts.whole = std::move(*whole);
        return bytes;
    }
    if (Result<void> same = parts.file->checkUnchanged(); !same) {
        return fail(same.error());
    }
    if (Result<void> surveyed = parts.survey(); !surveyed) {
        return fail(surveyed.error());
    }
    return bytes;
}

Result<void> InflatedBytes::read(std::uint64_t offset, std::span<std::byte> out) const {
    LOUPE_ASSERT(offset <= size() && out.size() <= size() - offset, "the caller checks the range");
    Parts& parts = *parts_;
    if (out.empty()) {
        return {};
    }
    if (parts.points.empty()) {
        std::memcpy(out.data(), parts.whole.data() + offset, out.size());
        return {};
    }
    if (Result<void> same = parts.file->checkUnchanged(); !same) {
        return same;
    }
    std::unique_ptr<Cursor> cursor = parts.cursorFor(offset);
    std::vector<std::byte> skipped;
    const std::uint64_t end = offset + out.size();
    while (cursor->out() < end) {
        const std::uint64_t at = cursor->out();
        const std::uint64_t before = cursor->in();
        std::span<std::byte> into = out.subspan(at < offset ? 0 : at - offset);
        if (at < offset) {
            skipped.resize(std::min<std::uint64_t>(offset - at, kPiece));
            into = skipped;
        }
        const std::size_t made = cursor->some(into);
        if (made == 0 && cursor->in() == before && !cursor->atBlock()) {
            return fail(
                parts.damaged("expected the data that were there when it was opened, "
                              "found others"));
        }
    }
    parts.giveBack(std::move(cursor));
    return {};
}

namespace {

/// Reads elements [first, first + count) through a buffer of at most 1 MiB.
template <class T>
Result<void> readElements(const InflatedElements& elements,
                          std::int64_t first,
                          std::int64_t count,
                          std::vector<std::byte>& buffer,
                          T* out) {
    const auto size = static_cast<std::uint64_t>(elements.type->bits / 8);
    const auto atOnce = static_cast<std::int64_t>(kPiece / size);
    for (std::int64_t done = 0; done < count; done += atOnce) {
        const std::int64_t n = std::min(atOnce, count - done);
        buffer.resize(static_cast<std::size_t>(n) * size);
        if (Result<void> read = elements.bytes->read(
                elements.start + static_cast<std::uint64_t>(first + done) * size, buffer);
            !read) {
            return read;
        }
        reverseWords(buffer, elements.swapWidth);
        decodeElements(*elements.type, buffer, 0, n, out + done);
    }
    return {};
}

class InflatedRows final : public TypedRows<InflatedRows> {
public:
    InflatedRows(InflatedElements elements, std::int64_t rows, std::int64_t cols)
        : elements_(std::move(elements)), rows_(rows), cols_(cols) {}
    [[nodiscard]] std::int64_t rows() const override { return rows_; }
    [[nodiscard]] std::int64_t cols() const override { return cols_; }
    [[nodiscard]] bool isDouble() const override { return isDoubleType(*elements_.type); }

    template <class T>
    Result<void> readAs(std::int64_t first, std::int64_t count, T* out) const {
        std::vector<std::byte> buffer;
        return readElements(elements_, first * cols_, count * cols_, buffer, out);
    }

private:
    InflatedElements elements_;
    std::int64_t rows_;
    std::int64_t cols_;
};

/// Transposed rows of a stream that only runs forward: a strip of the result at a time, kept until
/// another is wanted.
class InflatedTransposed final : public TypedRows<InflatedTransposed> {
public:
    InflatedTransposed(InflatedElements elements, TransposedStack stack)
        : elements_(std::move(elements)), stack_(std::move(stack)) {
        constexpr std::int64_t kStripValues = std::int64_t{8} << 20;  // 64 MiB of doubles
        stripRows_ = std::clamp<std::int64_t>(kStripValues / std::max<std::int64_t>(stack_.rows, 1),
                                              1,
                                              std::max<std::int64_t>(stack_.cols, 1));
    }
    [[nodiscard]] std::int64_t rows() const override { return stack_.resultRows(); }
    [[nodiscard]] std::int64_t cols() const override { return stack_.rows; }
    [[nodiscard]] bool isDouble() const override { return isDoubleType(*elements_.type); }

    template <class T>
    Result<void> readAs(std::int64_t first, std::int64_t count, T* out) const {
        for (std::int64_t row = first; row < first + count;) {
            const auto strip = stripOf(row);
            if (!strip) {
                return fail(strip.error());
            }
            const std::int64_t n = std::min(first + count, (*strip)->first + (*strip)->rows) - row;
            const double* from = (*strip)->values.data() + (row - (*strip)->first) * stack_.rows;
            std::transform(
                from, from + n * stack_.rows, out + (row - first) * stack_.rows, [](double value) {
                    return static_cast<T>(value);
                });
            row += n;
        }
        return {};
    }

private:
    struct Strip {
        std::int64_t first = 0;  ///< row of the result
        std::int64_t rows = 0;
        std::vector<double> values;
    };

    Result<std::shared_ptr<const Strip>> stripOf(std::int64_t row) const {
        const std::lock_guard lock(mutex_);
        if (strip_ != nullptr && row >= strip_->first && row < strip_->first + strip_->rows) {
            return strip_;
        }
        strip_ = nullptr;
        const std::int64_t batch = row / stack_.cols;
        const std::int64_t begin = row % stack_.cols / stripRows_ * stripRows_;
        const auto strip = std::make_shared<Strip>();
        strip->first = batch * stack_.cols + begin;
        strip->rows = std::min(stripRows_, stack_.cols - begin);
        strip->values.resize(static_cast<std::size_t>(strip->rows * stack_.rows));
        std::vector<double> line(static_cast<std::size_t>(strip->rows));
        std::vector<std::byte> buffer;
        for (std::int64_t s = 0; s < stack_.rows; ++s) {
            if (Result<void> read = readElements(
                    elements_, stack_.start(batch, s) + begin, strip->rows, buffer, line.data());
                !read) {
                return fail(read.error());
            }
            const std::int64_t column = stack_.column(s);
            for (std::int64_t i = 0; i < strip->rows; ++i) {
                strip->values[static_cast<std::size_t>(i * stack_.rows + column)] =
                    line[static_cast<std::size_t>(i)];
            }
        }
        strip_ = strip;
        return strip_;
    }

    InflatedElements elements_;
    TransposedStack stack_;
    std::int64_t stripRows_ = 1;
    mutable std::mutex mutex_;
    mutable std::shared_ptr<const Strip> strip_;
};

}  // namespace

std::shared_ptr<const RowSource> inflatedRows(const TensorInfo& tensor, InflatedElements elements) {
    if (!tensor.transposed) {
        return std::make_shared<InflatedRows>(std::move(elements), tensor.rows, tensor.cols);
    }
    const bool stack = tensor.shape.size() == 3;
    return inflatedTransposedRows(std::move(elements),
                                  stack ? tensor.shape[0] : 1,
                                  tensor.cols,
                                  stack ? tensor.shape[2] : tensor.rows);
}

std::shared_ptr<const RowSource> inflatedTransposedRows(InflatedElements elements,
                                                        std::int64_t batches,
                                                        std::int64_t storedRows,
                                                        std::int64_t storedCols,
                                                        std::vector<std::int64_t> columnOf) {
    return std::make_shared<InflatedTransposed>(
        std::move(elements), TransposedStack{batches, storedRows, storedCols, std::move(columnOf)});
}

}  // namespace loupe
