// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace loupe::app {

/// Tensors that a job still has to do, in an order that the UI thread may change meanwhile: what a
/// person looks at comes first. Thread-safe.
class TensorQueue {
public:
    void assign(std::vector<std::size_t> tensors);
    /// These next, in their order, as far as they are not done; the others keep theirs. @cost O(n)
    void prefer(std::span<const std::size_t> first);
    [[nodiscard]] std::optional<std::size_t> next();

private:
    std::mutex m_mutex;
    std::vector<std::size_t> m_left;  ///< the next one last
};

}  // namespace loupe::app
