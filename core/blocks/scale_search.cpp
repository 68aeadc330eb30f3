// SPDX-License-Identifier: Apache-2.0
#include "core/blocks/scale_search.hpp"

#include "core/base/assert.hpp"
#include "core/blocks/pack_reference.hpp"

#include <algorithm>
#include <iterator>

namespace loupe {

namespace {

struct Watcher {
    std::string_view id;  ///< of the layout
    std::size_t sharing;
    ScaleSearch (*watch)(const float* part);
};

constexpr Watcher kWatchers[] = {{"q4_0", 32, blocks::reference::watchQ4_0},
                                 {"q4_1", 32, blocks::reference::watchQ4_1},
                                 {"q5_0", 32, blocks::reference::watchQ5_0},
                                 {"q5_1", 32, blocks::reference::watchQ5_1},
                                 {"q8_0", 32, blocks::reference::watchQ8_0},
                                 {"q2_k", 16, blocks::reference::watchQ2K},
                                 {"q4_k", 32, blocks::reference::watchQ4K},
                                 {"q5_k", 32, blocks::reference::watchQ5K},
                                 {"q6_k", 16, blocks::reference::watchQ6K}};

}  // namespace

std::optional<ScaleSearch> searchScale(const BlockLayout& layout, std::span<const float> part) {
    const auto* const found =
        std::find_if(std::begin(kWatchers), std::end(kWatchers), [&](const Watcher& each) {
            return each.id == layout.id;
        });
    if (found == std::end(kWatchers)) {
        return std::nullopt;
    }
    LOUPE_ASSERT(part.size() == found->sharing, "the weights that share a scale");
    return found->watch(part.data());
}

}  // namespace loupe
