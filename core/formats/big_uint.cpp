// SPDX-License-Identifier: Apache-2.0
#include "core/formats/big_uint.hpp"

#include "core/base/assert.hpp"

#include <algorithm>
#include <bit>

namespace loupe::detail {

namespace {

constexpr unsigned kLimbBits = 32;

std::uint32_t low(std::uint64_t value) {
    return static_cast<std::uint32_t>(value);
}

}  // namespace

BigUint::BigUint(std::uint64_t value) : limbs_{low(value), low(value >> kLimbBits)} {
    trim();
}

BigUint BigUint::power(std::uint32_t base, int exponent) {
    BigUint result(1);
    for (int i = 0; i < exponent; ++i) {
        result.multiplyAdd(base, 0);
    }
    return result;
}

int BigUint::bitLength() const noexcept {
    return isZero() ? 0
                    : static_cast<int>(limbs_.size() * kLimbBits) - std::countl_zero(limbs_.back());
}

int BigUint::compare(const BigUint& a, const BigUint& b) noexcept {
    if (a.limbs_.size() != b.limbs_.size()) {
        return a.limbs_.size() < b.limbs_.size() ? -1 : 1;
    }
    for (std::size_t i = a.limbs_.size(); i-- > 0;) {
        if (a.limbs_[i] != b.limbs_[i]) {
            return a.limbs_[i] < b.limbs_[i] ? -1 : 1;
        }
    }
    return 0;
}

BigUint& BigUint::multiplyAdd(std::uint32_t factor, std::uint32_t addend) {
    std::uint64_t carry = addend;
    for (std::uint32_t& limb : limbs_) {
        carry += std::uint64_t{limb} * factor;
        limb = low(carry);
        carry >>= kLimbBits;
    }
    limbs_.push_back(low(carry));
    trim();
    return *this;
}

std::uint32_t BigUint::divide(std::uint32_t divisor) {
    LOUPE_ASSERT(divisor != 0, "division by zero");
    std::uint64_t rest = 0;
    for (std::size_t i = limbs_.size(); i-- > 0;) {
        rest = (rest << kLimbBits) | limbs_[i];
        limbs_[i] = low(rest / divisor);
        rest %= divisor;
    }
    trim();
    return low(rest);
}

BigUint& BigUint::shiftLeft(int bits) {
    LOUPE_ASSERT(bits >= 0, "shift to the left only");
    const auto count = static_cast<unsigned>(bits);
    std::uint64_t carry = 0;
    for (std::uint32_t& limb : limbs_) {
        carry |= std::uint64_t{limb} << (count % kLimbBits);
        limb = low(carry);
        carry >>= kLimbBits;
    }
    limbs_.push_back(low(carry));
    trim();
    if (!isZero()) {
        limbs_.insert(limbs_.begin(), count / kLimbBits, 0);
    }
    return *this;
}

BigUint& BigUint::add(const BigUint& other) {
    limbs_.resize(std::max(limbs_.size(), other.limbs_.size()) + 1, 0);
    std::uint64_t carry = 0;
    for (std::size_t i = 0; i < limbs_.size(); ++i) {
        carry += std::uint64_t{limbs_[i]} + (i < other.limbs_.size() ? other.limbs_[i] : 0);
        limbs_[i] = low(carry);
        carry >>= kLimbBits;
    }
    trim();
    return *this;
}

BigUint& BigUint::subtract(const BigUint& other) {
    LOUPE_ASSERT(compare(*this, other) >= 0, "the difference must not be negative");
    std::uint64_t borrow = 0;
    for (std::size_t i = 0; i < limbs_.size(); ++i) {
        const std::uint64_t take = borrow + (i < other.limbs_.size() ? other.limbs_[i] : 0);
        borrow = take > limbs_[i] ? 1 : 0;
        limbs_[i] = low((borrow << kLimbBits) + limbs_[i] - take);
    }
    trim();
    return *this;
}

BigUint BigUint::multipliedBy(const BigUint& other) const {
    BigUint product;
    product.limbs_.assign(limbs_.size() + other.limbs_.size(), 0);
    for (std::size_t i = 0; i < limbs_.size(); ++i) {
        std::uint64_t carry = 0;
        for (std::size_t j = 0; j < other.limbs_.size(); ++j) {
            carry += std::uint64_t{limbs_[i]} * other.limbs_[j] + product.limbs_[i + j];
            product.limbs_[i + j] = low(carry);
            carry >>= kLimbBits;
        }
        product.limbs_[i + other.limbs_.size()] = low(carry);
    }
    product.trim();
    return product;
}

std::string BigUint::decimal() const {
    constexpr std::uint32_t kBillion = 1'000'000'000;
    BigUint rest = *this;
    std::string digits;  // least significant first
    while (!rest.isZero()) {
        std::uint32_t nine = rest.divide(kBillion);
        for (int i = 0; i < 9 && (nine != 0 || !rest.isZero()); ++i) {
            digits += static_cast<char>('0' + nine % 10);
            nine /= 10;
        }
    }
    std::reverse(digits.begin(), digits.end());
    return digits.empty() ? "0" : digits;
}

void BigUint::trim() {
    while (!limbs_.empty() && limbs_.back() == 0) {
        limbs_.pop_back();
    }
}

}  // namespace loupe::detail
