// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/stats/pyramid.hpp"

namespace loupe {

/// A texel while it is pooled where NaN or infinities occur: knows how many finite cells it has seen.
struct PoolSum {
    float absMax = std::numeric_limits<float>::quiet_NaN();  ///< +-inf where there was no finite cell but an infinity
    double sum = 0;
    std::uint64_t count = 0;  ///< finite cells
    std::uint8_t flags = 0;

    void add(float cell) {
        if (std::isfinite(cell)) {
            absMax = count == 0 || std::fabs(cell) > std::fabs(absMax) ? cell : absMax;
            sum += static_cast<double>(cell);
            ++count;
        } else if (std::isnan(cell)) {
            flags |= HidesNaN;
        } else {
            flags |= HidesInf;
            absMax = count == 0 ? cell : absMax;
        }
    }

    void add(const PoolSum& other) {
        flags |= other.flags;
        if (other.count != 0) {
            absMax = count == 0 || std::fabs(other.absMax) > std::fabs(absMax) ? other.absMax : absMax;
            sum += other.sum;
            count += other.count;
        } else if (count == 0 && !std::isnan(other.absMax)) {
            absMax = other.absMax;
        }
    }

    [[nodiscard]] float mean() const { return count == 0 ? absMax : static_cast<float>(sum / static_cast<double>(count)); }
};

}  // namespace loupe
