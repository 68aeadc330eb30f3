// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstdint>
#include <limits>
#include <mutex>
#include <utility>

namespace loupe {

/// The error of the lowest index among those that parallel work met: the same one whatever the
/// number of threads.
class FirstError {
public:
    void report(std::int64_t index, Error error) {
        const std::lock_guard lock(mutex_);
        if (index < index_) {
            index_ = index;
            error_ = std::move(error);
        }
    }
    [[nodiscard]] bool any() const { return index_ != std::numeric_limits<std::int64_t>::max(); }
    [[nodiscard]] Result<void> result() const {
        if (any()) {
            return fail(error_);
        }
        return {};
    }

private:
    std::mutex mutex_;
    std::int64_t index_ = std::numeric_limits<std::int64_t>::max();
    Error error_;
};

/// Rows per chunk such that a chunk holds about 64 Ki weights.
[[nodiscard]] inline std::int64_t rowsPerChunk(std::int64_t cols, std::int64_t weights = 65536) {
    return cols <= 0 ? 1 : (weights / cols > 1 ? weights / cols : 1);
}

}  // namespace loupe
