// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace loupe::app {

/// Results and failures by key, least recently used first out when the bytes exceed the limit. UI
/// thread only. A failed key is remembered as long as it is in use, so that failing work is not
/// repeated in a loop.
class AnalysisCache {
public:
    struct Entry {
        std::shared_ptr<const void> value;  ///< null: failed
        std::optional<Error> error;
        std::size_t bytes = 0;
    };

    explicit AnalysisCache(std::size_t limit) : m_limit(limit) {}

    /// Null if there is none; counts as a use.
    [[nodiscard]] const Entry* find(const std::string& key) {
        const auto found = m_index.find(key);
        if (found == m_index.end()) {
            return nullptr;
        }
        m_order.splice(m_order.end(), m_order, found->second);
        return &found->second->second;
    }

    void put(const std::string& key, Entry entry) {
        erase(key);
        m_bytes += entry.bytes;
        m_order.emplace_back(key, std::move(entry));
        m_index[key] = std::prev(m_order.end());
        while (m_bytes > m_limit && m_order.size() > 1) {
            erase(std::string(m_order.front().first));
        }
    }

    void erase(const std::string& key) {
        const auto found = m_index.find(key);
        if (found != m_index.end()) {
            m_bytes -= found->second->second.bytes;
            m_order.erase(found->second);
            m_index.erase(found);
        }
    }

    void clear() {
        m_order.clear();
        m_index.clear();
        m_bytes = 0;
    }

    [[nodiscard]] std::size_t bytes() const { return m_bytes; }
    [[nodiscard]] std::size_t size() const { return m_order.size(); }

private:
    std::size_t m_limit;
    std::size_t m_bytes = 0;
    std::list<std::pair<std::string, Entry>> m_order;
    std::unordered_map<std::string, std::list<std::pair<std::string, Entry>>::iterator> m_index;
};

}  // namespace loupe::app
