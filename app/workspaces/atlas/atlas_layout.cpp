// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/atlas_layout.hpp"

#include <QCoreApplication>

#include <algorithm>
#include <map>
#include <unordered_map>

namespace loupe::app {

namespace {

QString tr(const char* text) {
    return QCoreApplication::translate("Atlas", text);
}

/// The tensors of one stack while it is sorted.
struct Stack {
    std::string name;
    std::vector<std::uint32_t> tensors;
};

/// A grid is kept to this many places for each tensor: names that only look like layers (every one
/// with a role of its own) become a list instead.
constexpr std::size_t kPlacesPerTensor = 16;
constexpr std::size_t kLeastPlaces = 4096;

class Builder {
public:
    explicit Builder(std::span<const TensorInfo> tensors) : m_tensors(tensors) {
        m_made.places.reserve(tensors.size());
        for (const TensorInfo& tensor : tensors) {
            m_made.places.push_back(placeOf(tensor.name));
        }
        m_made.cellOf.assign(tensors.size(), -1);
    }

    AtlasLayout build() {
        std::vector<Stack> stacks;
        std::unordered_map<std::string, std::size_t> byName;
        for (std::uint32_t i = 0; i < m_made.places.size(); ++i) {
            const TensorPlace& place = m_made.places[i];
            if (place.layer < 0) {
                m_outer.push_back(i);
                continue;
            }
            const auto [at, added] = byName.try_emplace(place.stack, stacks.size());
            if (added) {
                stacks.push_back({place.stack, {}});
            }
            stacks[at->second].tensors.push_back(i);
        }
        for (const Stack& stack : stacks) {
            addStack(stack);
        }
        addOuter();
        finish();
        return std::move(m_made);
    }

private:
    void addStack(const Stack& stack) {
        std::map<std::pair<int, std::string>, std::size_t> roles;
        std::vector<std::int64_t> layers;
        for (const std::uint32_t i : stack.tensors) {
            const TensorPlace& place = m_made.places[i];
            roles.try_emplace({place.rank, place.role}, 0);
            layers.push_back(place.layer);
        }
        std::sort(layers.begin(), layers.end());
        layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
        const std::size_t places = roles.size() * layers.size();
        if (places > kLeastPlaces && places > kPlacesPerTensor * stack.tensors.size()) {
            m_outer.insert(m_outer.end(), stack.tensors.begin(), stack.tensors.end());
            return;
        }
        AtlasSection section;
        section.title = QString::fromStdString(stack.name);
        section.layers = std::move(layers);
        for (auto& [key, row] : roles) {
            row = section.roles.size();
            section.roles.push_back(QString::fromStdString(key.second));
        }
        section.grid.assign(places, -1);
        for (const std::uint32_t i : stack.tensors) {
            const TensorPlace& place = m_made.places[i];
            const std::size_t row = roles.at({place.rank, place.role});
            const auto col = static_cast<std::size_t>(
                std::lower_bound(section.layers.begin(), section.layers.end(), place.layer) -
                section.layers.begin());
            std::int32_t& cell = section.grid[row * section.layers.size() + col];
            if (cell < 0) {
                cell = m_cells++;
            }
            m_made.cellOf[i] = cell;
        }
        m_made.sections.push_back(std::move(section));
    }

    void addOuter() {
        if (m_outer.empty()) {
            return;
        }
        std::stable_sort(m_outer.begin(), m_outer.end(), [this](std::uint32_t a, std::uint32_t b) {
            return m_made.places[a].rank < m_made.places[b].rank;
        });
        AtlasSection section;
        section.outer = true;
        section.title = m_made.sections.empty() ? tr("All tensors") : tr("Outside of the layers");
        std::map<std::string, int> times;
        for (const std::uint32_t i : m_outer) {
            ++times[m_made.places[i].role];
        }
        for (const std::uint32_t i : m_outer) {
            const TensorPlace& place = m_made.places[i];
            // Two norms outside of the layers: then their names tell them apart.
            section.roles.push_back(QString::fromStdString(
                times[place.role] > 1 || place.layer >= 0 ? m_tensors[i].name : place.role));
            section.grid.push_back(m_cells);
            m_made.cellOf[i] = m_cells++;
        }
        m_made.sections.push_back(std::move(section));
    }

    void finish() {
        m_made.first.assign(static_cast<std::size_t>(m_cells) + 1, 0);
        for (const std::int32_t cell : m_made.cellOf) {
            ++m_made.first[static_cast<std::size_t>(cell) + 1];
        }
        for (std::size_t c = 1; c < m_made.first.size(); ++c) {
            m_made.first[c] += m_made.first[c - 1];
        }
        m_made.tensors.resize(m_made.cellOf.size());
        std::vector<std::uint32_t> next(m_made.first.begin(), m_made.first.end() - 1);
        for (std::uint32_t i = 0; i < m_made.cellOf.size(); ++i) {
            m_made.tensors[next[static_cast<std::size_t>(m_made.cellOf[i])]++] = i;
        }
    }

    std::span<const TensorInfo> m_tensors;
    AtlasLayout m_made;
    std::vector<std::uint32_t> m_outer;
    std::int32_t m_cells = 0;
};

}  // namespace

AtlasLayout makeAtlasLayout(std::span<const TensorInfo> tensors) {
    return Builder(tensors).build();
}

QString placeText(const TensorPlace& place) {
    const QString role = QString::fromStdString(place.role);
    if (place.layer < 0) {
        return role;
    }
    return place.expert < 0 ? tr("layer %1, %2").arg(place.layer).arg(role)
                            : tr("layer %1, %2 %3").arg(place.layer).arg(role).arg(place.expert);
}

}  // namespace loupe::app
