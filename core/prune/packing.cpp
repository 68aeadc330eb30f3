// SPDX-License-Identifier: Apache-2.0
#include "core/prune/packing.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace loupe {

namespace {

/// Appends fields of up to 32 bits, least significant bit first.
class BitWriter {
public:
    explicit BitWriter(std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}
    void put(std::uint32_t value, int bits) {
        pending_ |= (std::uint64_t{value} & ((std::uint64_t{1} << bits) - 1)) << filled_;
        filled_ += bits;
        written_ += static_cast<std::uint64_t>(bits);
        for (; filled_ >= 8; filled_ -= 8) {
            bytes_.push_back(static_cast<std::uint8_t>(pending_ & 0xffU));
            pending_ >>= 8U;
        }
    }
    /// Pads to a byte. @returns bits without the padding
    std::uint64_t finish() {
        if (filled_ > 0) {
            bytes_.push_back(static_cast<std::uint8_t>(pending_ & 0xffU));
        }
        return written_;
    }

private:
    std::vector<std::uint8_t>& bytes_;
    std::uint64_t pending_ = 0;
    int filled_ = 0;
    std::uint64_t written_ = 0;
};

class BitReader {
public:
    explicit BitReader(const std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}
    /// 0 beyond the end; ok() then says so.
    std::uint32_t get(int bits) {
        while (filled_ < bits) {
            const bool more = next_ < bytes_.size();
            short_ = short_ || !more;
            pending_ |= std::uint64_t{more ? bytes_[next_] : std::uint8_t{0}} << filled_;
            ++next_;
            filled_ += 8;
        }
        const auto value = static_cast<std::uint32_t>(pending_ & ((std::uint64_t{1} << bits) - 1));
        pending_ >>= bits;
        filled_ -= bits;
        return value;
    }
    [[nodiscard]] bool ok() const { return !short_; }

private:
    const std::vector<std::uint8_t>& bytes_;
    std::size_t next_ = 0;
    std::uint64_t pending_ = 0;
    int filled_ = 0;
    bool short_ = false;
};

/// Calls body(first, size, stored) for each group of a row.
template <class Body>
void forGroups(std::int64_t cols, const SparsePattern& pattern, const Body& body) {
    for (std::int64_t first = 0; first < cols; first += pattern.block) {
        const std::int64_t size = std::min(pattern.block, cols - first);
        body(first, size, std::min(pattern.keep, size));
    }
}

/// The places that a group stores: kept ones, then pruned ones to make up the number.
std::vector<std::int64_t> placesOf(const BitMask& mask,
                                   std::int64_t row,
                                   std::int64_t first,
                                   std::int64_t size,
                                   std::int64_t stored) {
    std::vector<std::int64_t> places;
    for (const bool wanted : {true, false}) {
        for (std::int64_t i = 0; i < size; ++i) {
            if (mask.kept(row, first + i) == wanted &&
                static_cast<std::int64_t>(places.size()) < stored) {
                places.push_back(i);
            }
        }
    }
    return places;
}

int indexBits(SparseLayout layout) {
    return layout == SparseLayout::Csr16 ? 16 : 32;
}

Result<void> checkPackable(SparseLayout layout, const BitMask& mask, const SparsePattern& pattern) {
    if (layout == SparseLayout::Csr16 && mask.cols() > 65536) {
        return fail(ErrorCode::Invalid,
                    std::to_string(mask.cols()) + " columns do not fit into 16-bit indices");
    }
    if ((layout == SparseLayout::Csr16 || layout == SparseLayout::Csr32) &&
        mask.count() > std::numeric_limits<std::uint32_t>::max()) {
        return fail(ErrorCode::Invalid, "too many kept weights for 32-bit row ends");
    }
    if (layout == SparseLayout::Pattern && !followsPattern(mask, pattern)) {
        return fail(ErrorCode::Invalid,
                    "the mask keeps more than " + std::to_string(pattern.keep) + " of " +
                        std::to_string(pattern.block) + " weights somewhere");
    }
    return {};
}

}  // namespace

int placeBitCount(std::int64_t block) {
    return std::max(1, static_cast<int>(std::bit_width(static_cast<std::uint64_t>(block - 1))));
}

std::string placeBits(std::int64_t place, std::int64_t block) {
    std::string text;
    for (int bit = placeBitCount(block) - 1; bit >= 0; --bit) {
        text += ((place >> bit) & 1) != 0 ? '1' : '0';
    }
    return text;
}

bool followsPattern(const BitMask& mask, const SparsePattern& pattern) {
    for (std::int64_t row = 0; row < mask.rows(); ++row) {
        for (std::int64_t first = 0; first < mask.cols(); first += pattern.block) {
            std::int64_t kept = 0;
            const std::int64_t end = std::min(first + pattern.block, mask.cols());
            for (std::int64_t col = first; col < end; ++col) {
                kept += mask.kept(row, col) ? 1 : 0;
            }
            if (kept > pattern.keep) {
                return false;
            }
        }
    }
    return true;
}

std::int64_t storedPerRow(std::int64_t cols, const SparsePattern& pattern) {
    std::int64_t stored = 0;
    forGroups(cols, pattern, [&](std::int64_t, std::int64_t, std::int64_t n) { stored += n; });
    return stored;
}

Matrix<double> metadataPlaces(const BitMask& mask,
                              const SparsePattern& pattern,
                              std::int64_t upTo) {
    Matrix<double> all(mask.rows(), storedPerRow(mask.cols(), pattern));
    for (std::int64_t row = 0; row < mask.rows(); ++row) {
        std::int64_t at = 0;
        forGroups(mask.cols(), pattern, [&](std::int64_t first, std::int64_t size, std::int64_t n) {
            const std::vector<std::int64_t> places = placesOf(mask, row, first, size, n);
            for (std::int64_t i = 0; i < n; ++i, ++at) {
                all(row, at) =
                    first < upTo ? static_cast<double>(places[static_cast<std::size_t>(i)]) : 0;
            }
        });
    }
    return all;
}

Result<PackedMatrix> pack(SparseLayout layout,
                          const BitMask& mask,
                          const std::vector<std::uint32_t>& values,
                          int valueBits,
                          const SparsePattern& pattern) {
    if (Result<void> fits = checkPackable(layout, mask, pattern); !fits) {
        return fail(fits.error());
    }
    PackedMatrix packed;
    packed.layout = layout;
    packed.rows = mask.rows();
    packed.cols = mask.cols();
    packed.valueBits = valueBits;
    packed.pattern = pattern;
    BitWriter stored(packed.values);
    BitWriter index(packed.index);
    const bool csr = layout == SparseLayout::Csr16 || layout == SparseLayout::Csr32;
    std::uint32_t count = 0;
    for (std::int64_t row = 0; row < mask.rows(); ++row) {
        const std::uint32_t* const line = values.data() + row * mask.cols();
        if (layout == SparseLayout::Pattern) {
            forGroups(
                mask.cols(), pattern, [&](std::int64_t first, std::int64_t size, std::int64_t n) {
                    for (const std::int64_t place : placesOf(mask, row, first, size, n)) {
                        const bool kept = mask.kept(row, first + place);
                        stored.put(kept ? line[first + place] : 0, valueBits);
                        index.put(static_cast<std::uint32_t>(place), placeBitCount(pattern.block));
                    }
                });
            continue;
        }
        for (std::int64_t col = 0; col < mask.cols(); ++col) {
            const bool kept = mask.kept(row, col);
            if (layout == SparseLayout::Bitmask) {
                index.put(kept ? 1 : 0, 1);
            }
            if (kept || layout == SparseLayout::Dense) {
                stored.put(kept ? line[col] : 0, valueBits);
                ++count;
                if (csr) {
                    index.put(static_cast<std::uint32_t>(col), indexBits(layout));
                }
            }
        }
        if (csr) {
            packed.rowEnds.push_back(count);
        }
    }
    packed.valueStreamBits = stored.finish();
    packed.indexStreamBits = index.finish();
    return packed;
}

namespace {

/// Reads one row into `out` [cols]. @returns false: an index or end outside of the matrix
class RowUnpacker {
public:
    explicit RowUnpacker(const PackedMatrix& packed)
        : packed_(packed), values_(packed.values), index_(packed.index) {}

    bool row(std::int64_t row, std::uint32_t* out) {
        switch (packed_.layout) {
            case SparseLayout::Dense:
            case SparseLayout::Bitmask:
                for (std::int64_t col = 0; col < packed_.cols; ++col) {
                    const bool kept = packed_.layout == SparseLayout::Dense || index_.get(1) != 0;
                    out[col] = kept ? values_.get(packed_.valueBits) : 0;
                }
                return true;
            case SparseLayout::Csr16:
            case SparseLayout::Csr32:
                return csrRow(row, out);
            case SparseLayout::Pattern:
                break;
        }
        return patternRow(out);
    }
    [[nodiscard]] bool ok() const { return values_.ok() && index_.ok(); }

private:
    bool csrRow(std::int64_t row, std::uint32_t* out) {
        const std::uint32_t end = packed_.rowEnds[static_cast<std::size_t>(row)];
        if (end < at_ || end - at_ > static_cast<std::uint64_t>(packed_.cols)) {
            return false;
        }
        for (; at_ < end; ++at_) {
            const std::uint32_t col = index_.get(indexBits(packed_.layout));
            if (static_cast<std::int64_t>(col) >= packed_.cols) {
                return false;
            }
            out[col] = values_.get(packed_.valueBits);
        }
        return true;
    }
    bool patternRow(std::uint32_t* out) {
        bool inside = true;
        forGroups(packed_.cols,
                  packed_.pattern,
                  [&](std::int64_t first, std::int64_t size, std::int64_t stored) {
                      for (std::int64_t i = 0; i < stored; ++i) {
                          const auto place = static_cast<std::int64_t>(
                              index_.get(placeBitCount(packed_.pattern.block)));
                          const std::uint32_t value = values_.get(packed_.valueBits);
                          inside = inside && place < size;
                          if (place < size) {
                              out[first + place] = value;
                          }
                      }
                  });
        return inside;
    }

    const PackedMatrix& packed_;
    BitReader values_;
    BitReader index_;
    std::uint32_t at_ = 0;
};

}  // namespace

Result<std::vector<std::uint32_t>> unpack(const PackedMatrix& packed) {
    const bool csr = packed.layout == SparseLayout::Csr16 || packed.layout == SparseLayout::Csr32;
    if (csr && static_cast<std::int64_t>(packed.rowEnds.size()) != packed.rows) {
        return fail(ErrorCode::Invalid,
                    "expected " + std::to_string(packed.rows) + " row ends, found " +
                        std::to_string(packed.rowEnds.size()));
    }
    std::vector<std::uint32_t> values(static_cast<std::size_t>(packed.rows * packed.cols), 0);
    RowUnpacker unpacker(packed);
    for (std::int64_t row = 0; row < packed.rows; ++row) {
        if (!unpacker.row(row, values.data() + row * packed.cols)) {
            return fail(ErrorCode::Invalid,
                        "row " + std::to_string(row) + " has an index outside of the matrix");
        }
        if (!unpacker.ok()) {
            return fail(ErrorCode::Invalid,
                        "the packed matrix ends within row " + std::to_string(row));
        }
    }
    return values;
}

}  // namespace loupe
