// SPDX-License-Identifier: Apache-2.0
#include "core/memory/weight_format.hpp"

#include "core/base/assert.hpp"

#include <algorithm>
#include <array>

namespace loupe {

namespace {

constexpr std::array kFormats{
#define LOUPE_WEIGHT_FORMAT(id, title, code, side, group, tensor, summary, source) \
    WeightFormat{#id, title, summary, source, code, side, group, tensor},
#include "core/memory/weight_formats.def"
#undef LOUPE_WEIGHT_FORMAT
};

std::int64_t groupsOf(const WeightFormat& format, std::int64_t columns) {
    if (format.group == 0) {
        return 0;
    }
    return format.group == kWholeRow ? 1 : (columns + format.group - 1) / format.group;
}

}  // namespace

std::span<const WeightFormat> allWeightFormats() {
    return kFormats;
}

const WeightFormat* findWeightFormat(std::string_view id) {
    const auto found = std::find_if(
        kFormats.begin(), kFormats.end(), [id](const WeightFormat& f) { return f.id == id; });
    return found == kFormats.end() ? nullptr : &*found;
}

std::optional<double> bitsPerWeight(const WeightFormat& format,
                                    std::optional<std::int64_t> columns) {
    if (format.group == 0) {
        return format.codeBits;
    }
    if (columns) {
        LOUPE_ASSERT(*columns > 0, "a row has weights");
        return format.codeBits + format.sideBits * static_cast<double>(groupsOf(format, *columns)) /
                                     static_cast<double>(*columns);
    }
    if (format.group == kWholeRow) {
        return std::nullopt;
    }
    return format.codeBits + format.sideBits / static_cast<double>(format.group);
}

WeightBits bitsOf(const WeightFormat& format, std::int64_t rows, std::int64_t columns) {
    WeightBits bits;
    bits.codes = format.codeBits * static_cast<double>(rows) * static_cast<double>(columns);
    bits.sides = format.tensorBits + format.sideBits * static_cast<double>(rows) *
                                         static_cast<double>(groupsOf(format, columns));
    return bits;
}

}  // namespace loupe
