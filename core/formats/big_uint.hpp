// SPDX-License-Identifier: Apache-2.0
// Inside core/formats only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace loupe::detail {

/// A non-negative integer of any size: just what reading and writing exact decimals needs.
/// Schoolbook: numbers here have a few thousand digits at most.
class BigUint {
public:
    BigUint() = default;
    explicit BigUint(std::uint64_t value);
    /// base^exponent
    [[nodiscard]] static BigUint power(std::uint32_t base, int exponent);

    [[nodiscard]] bool isZero() const noexcept { return limbs_.empty(); }
    [[nodiscard]] int bitLength() const noexcept;
    /// Sign of a - b.
    [[nodiscard]] static int compare(const BigUint& a, const BigUint& b) noexcept;

    /// this = this · factor + addend
    BigUint& multiplyAdd(std::uint32_t factor, std::uint32_t addend);
    /// this = this / divisor; returns the remainder. @param divisor not 0
    std::uint32_t divide(std::uint32_t divisor);
    BigUint& shiftLeft(int bits);
    BigUint& add(const BigUint& other);
    /// @param other at most this
    BigUint& subtract(const BigUint& other);
    [[nodiscard]] BigUint multipliedBy(const BigUint& other) const;
    [[nodiscard]] std::string decimal() const;

private:
    void trim();

    std::vector<std::uint32_t> limbs_;  ///< least significant first, no leading zeros
};

}  // namespace loupe::detail
