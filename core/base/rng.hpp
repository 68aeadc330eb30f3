// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace loupe {

/// 64 random bits that depend on (seed, index) alone, so that results do not depend on threads or on reading order.
/// Two rounds of the SplitMix64 finaliser (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195).
[[nodiscard]] constexpr std::uint64_t randomBits(std::uint64_t seed, std::uint64_t index) noexcept {
    std::uint64_t z = seed * 0x9E3779B97F4A7C15ULL + 0xD1B54A32D192ED03ULL;
    for (int round = 0; round < 2; ++round) {
        z += (index + 1) * 0x9E3779B97F4A7C15ULL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        z ^= z >> 31;
    }
    return z;
}

/// Uniform in [0, 1): multiples of 2^-53.
[[nodiscard]] constexpr double randomUniform(std::uint64_t seed, std::uint64_t index) noexcept {
    return static_cast<double>(randomBits(seed, index) >> 11) * 0x1p-53;
}

/// Standard normal by Box-Muller from draws 2·index and 2·index + 1.
[[nodiscard]] double randomNormal(std::uint64_t seed, std::uint64_t index) noexcept;

/// Student's t with `degrees` degrees of freedom (heavy-tailed weights), Bailey's polar method without rejection:
/// sqrt(n (u^(-2/n) - 1)) · cos(2 pi v) (Bailey 1994, doi:10.2307/2153537).
[[nodiscard]] double randomStudentT(std::uint64_t seed, std::uint64_t index, double degrees) noexcept;

}  // namespace loupe
