// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/document/tensor_queue.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace loupe::app {

void TensorQueue::assign(std::vector<std::size_t> tensors) {
    std::reverse(tensors.begin(), tensors.end());
    const std::scoped_lock lock(m_mutex);
    m_left = std::move(tensors);
}

void TensorQueue::prefer(std::span<const std::size_t> first) {
    const std::scoped_lock lock(m_mutex);
    const std::unordered_set<std::size_t> wanted(first.begin(), first.end());
    std::unordered_set<std::size_t> left;
    const auto end = std::remove_if(m_left.begin(), m_left.end(), [&](std::size_t tensor) {
        const bool moved = wanted.count(tensor) != 0;
        if (moved) {
            left.insert(tensor);
        }
        return moved;
    });
    m_left.erase(end, m_left.end());
    for (std::size_t i = first.size(); i-- > 0;) {
        if (left.erase(first[i]) != 0) {
            m_left.push_back(first[i]);
        }
    }
}

std::optional<std::size_t> TensorQueue::next() {
    const std::scoped_lock lock(m_mutex);
    if (m_left.empty()) {
        return std::nullopt;
    }
    const std::size_t tensor = m_left.back();
    m_left.pop_back();
    return tensor;
}

}  // namespace loupe::app
