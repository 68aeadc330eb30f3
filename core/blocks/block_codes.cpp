// SPDX-License-Identifier: Apache-2.0
#include "core/blocks/block_codes.hpp"

#include "core/blocks/mx.hpp"
#include "core/formats/number_format.hpp"

#include <algorithm>

namespace loupe {

std::optional<std::uint64_t> finiteCodes(const BlockLayout& layout) {
    const bool shared =
        std::any_of(layout.fields.begin(), layout.fields.end(), [](const BlockField& field) {
            return field.role == BlockRole::Grid;
        });
    if (shared) {
        return std::nullopt;
    }
    if (layout.id == "tq1_0") {  // five trits to a byte
        return 3;
    }
    if (const blocks::MxShape* shape = blocks::findMxShape(layout.id)) {
        return limits(*findFormat(shape->element)).finiteValues;
    }
    return std::uint64_t{1} << layout.codeBits;
}

}  // namespace loupe
