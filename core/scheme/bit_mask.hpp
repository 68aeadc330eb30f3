// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace loupe {

/// Which weights are kept, one bit each, rows padded to 64 bits (two threads may write different
/// rows).
class BitMask {
public:
    BitMask(std::int64_t rows, std::int64_t cols, bool kept)
        : rows_(rows),
          cols_(cols),
          wordsPerRow_((cols + 63) / 64),
          words_(static_cast<std::size_t>(rows * wordsPerRow_), kept ? ~std::uint64_t{0} : 0) {
        if (kept && cols % 64 != 0) {
            for (std::int64_t row = 0; row < rows; ++row) {
                words_[static_cast<std::size_t>((row + 1) * wordsPerRow_ - 1)] =
                    (std::uint64_t{1} << (cols % 64)) - 1;
            }
        }
    }

    [[nodiscard]] std::int64_t rows() const noexcept { return rows_; }
    [[nodiscard]] std::int64_t cols() const noexcept { return cols_; }
    [[nodiscard]] bool kept(std::int64_t row, std::int64_t col) const {
        return ((word(row, col) >> (col % 64)) & 1U) != 0;
    }
    void set(std::int64_t row, std::int64_t col, bool kept) {
        std::uint64_t& word = words_[static_cast<std::size_t>(row * wordsPerRow_ + col / 64)];
        const std::uint64_t bit = std::uint64_t{1} << (col % 64);
        word = kept ? word | bit : word & ~bit;
    }
    /// Weights that are kept.
    [[nodiscard]] std::uint64_t count() const {
        std::uint64_t sum = 0;
        for (const std::uint64_t word : words_) {
            sum += static_cast<std::uint64_t>(std::popcount(word));
        }
        return sum;
    }
    /// The 64-bit words of a row, first column in bit 0; bits beyond cols() are 0.
    [[nodiscard]] std::uint64_t* rowWords(std::int64_t row) {
        return words_.data() + row * wordsPerRow_;
    }
    [[nodiscard]] const std::uint64_t* rowWords(std::int64_t row) const {
        return words_.data() + row * wordsPerRow_;
    }
    friend bool operator==(const BitMask&, const BitMask&) = default;

private:
    [[nodiscard]] std::uint64_t word(std::int64_t row, std::int64_t col) const {
        return words_[static_cast<std::size_t>(row * wordsPerRow_ + col / 64)];
    }

    std::int64_t rows_;
    std::int64_t cols_;
    std::int64_t wordsPerRow_;
    std::vector<std::uint64_t> words_;
};

}  // namespace loupe
