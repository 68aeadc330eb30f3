// SPDX-License-Identifier: Apache-2.0
#include "core/base/assert.hpp"
#include "core/blocks/block_layout.hpp"

#include <algorithm>
#include <array>

namespace loupe {

#define LOUPE_BLOCK(id) extern const BlockLayout kBlock_##id;
#include "core/blocks/blocks.def"
#undef LOUPE_BLOCK

std::span<const BlockLayout* const> allBlockLayouts() {
    static constexpr std::array kLayouts{
#define LOUPE_BLOCK(id) &kBlock_##id,
#include "core/blocks/blocks.def"
#undef LOUPE_BLOCK
    };
    return kLayouts;
}

const BlockLayout* findBlockLayout(std::string_view id) {
    const auto all = allBlockLayouts();
    const auto found = std::find_if(
        all.begin(), all.end(), [id](const BlockLayout* layout) { return layout->id == id; });
    return found == all.end() ? nullptr : *found;
}

const BlockLayout* findGgmlBlock(std::uint32_t type) {
    const auto all = allBlockLayouts();
    const auto found = std::find_if(all.begin(), all.end(), [type](const BlockLayout* layout) {
        return layout->ggmlType == type;
    });
    return found == all.end() ? nullptr : *found;
}

std::uint64_t gatherBits(std::span<const std::byte> bytes, std::span<const BitRun> bits) {
    std::uint64_t code = 0;
    for (const BitRun& run : bits) {
        LOUPE_ASSERT(run.byte >= 0 && static_cast<std::size_t>(run.byte) < bytes.size(),
                     "a byte of the block");
        LOUPE_ASSERT(run.bit >= 0 && run.width > 0 && run.bit + run.width <= 8 &&
                         run.shift + run.width <= 64,
                     "bits of one byte and of a code");
        const auto value =
            std::to_integer<std::uint64_t>(bytes[static_cast<std::size_t>(run.byte)]) >> run.bit;
        code |= (value & ((std::uint64_t{1} << run.width) - 1)) << run.shift;
    }
    return code;
}

}  // namespace loupe
