// SPDX-License-Identifier: Apache-2.0
#include "core/io/packed/view.hpp"

#include "core/base/assert.hpp"

#include <algorithm>
#include <cstring>

namespace loupe::packed {

Result<std::int64_t> ViewBuilder::add(const Part& part, std::int64_t first, std::int64_t count) {
    const TensorInfo& info = part.info();
    if (!info.offset) {
        return fail(ErrorCode::Unsupported,
                    "the bytes of tensor " + info.name + " do not lie in a file as they are");
    }
    const std::uint64_t offset = *info.offset + static_cast<std::uint64_t>(first);
    if (const auto begin = known(info.name, offset, count)) {
        return *begin;
    }
    const auto data = part.data();
    if (!data) {
        return fail(data.error());
    }
    return addBytes(
        info.name,
        info.file,
        offset,
        data->subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)));
}

std::optional<std::int64_t> ViewBuilder::known(const std::string& tensor,
                                               std::uint64_t offset,
                                               std::int64_t count) const {
    std::int64_t begin = 0;
    for (const BlockSpan& span : view_.spans) {
        if (span.tensor == tensor && offset >= span.offset &&
            offset + static_cast<std::uint64_t>(count) <=
                span.offset + static_cast<std::uint64_t>(span.bytes)) {
            return begin + static_cast<std::int64_t>(offset - span.offset);
        }
        begin += span.bytes;
    }
    return std::nullopt;
}

std::int64_t ViewBuilder::addBytes(const std::string& tensor,
                                   int file,
                                   std::uint64_t offset,
                                   std::span<const std::byte> bytes) {
    const auto count = static_cast<std::int64_t>(bytes.size());
    if (const auto begin = known(tensor, offset, count)) {
        return *begin;
    }
    const auto at = static_cast<std::int64_t>(view_.bytes.size());
    if (!view_.spans.empty() && view_.spans.back().tensor == tensor && at > fieldBegin_ &&
        view_.spans.back().offset + static_cast<std::uint64_t>(view_.spans.back().bytes) ==
            offset) {
        view_.spans.back().bytes += count;
    } else {
        view_.spans.push_back({tensor, file, offset, count});
    }
    view_.bytes.insert(view_.bytes.end(), bytes.begin(), bytes.end());
    return at;
}

void ViewBuilder::field(std::string name, std::string meaning, BlockRole role) {
    const auto end = static_cast<std::int64_t>(view_.bytes.size());
    if (end > fieldBegin_) {
        view_.fields.push_back(
            {std::move(name), std::move(meaning), role, fieldBegin_, end - fieldBegin_});
    }
    fieldBegin_ = end;
}

void ViewBuilder::cell(std::int64_t row, std::int64_t col, std::vector<Figure> figures) {
    view_.cells.emplace_back(row, col);
    figures_.push_back(std::move(figures));
}

BlockView ViewBuilder::finish(std::string layout,
                              std::string title,
                              std::string source,
                              Recipe recipe,
                              std::int64_t row,
                              std::int64_t col) {
    view_.layout = std::move(layout);
    view_.title = std::move(title);
    view_.source = std::move(source);
    const auto asked = std::find(view_.cells.begin(), view_.cells.end(), std::pair(row, col));
    LOUPE_ASSERT(asked != view_.cells.end(), "the weight that was asked for is in its group");
    view_.element = asked - view_.cells.begin();

    struct Shared {
        std::vector<std::vector<Figure>> figures;
        Recipe recipe;
    };
    const auto shared =
        std::make_shared<const Shared>(Shared{std::move(figures_), std::move(recipe)});
    view_.explain = [shared](std::span<const std::byte> bytes, std::int64_t element) {
        BlockElement made;
        std::vector<double> values;
        for (const Figure& figure : shared->figures[static_cast<std::size_t>(element)]) {
            const Meaning& meaning = shared->recipe.meanings[figure.meaning];
            const std::uint64_t code = gatherBits(bytes, figure.bits);
            values.push_back(meaning.value(code));
            made.parts.push_back({meaning.name, meaning.role, figure.bits, code, values.back()});
        }
        made.formula = shared->recipe.formula;
        made.equation = shared->recipe.equation(values);
        made.value = shared->recipe.value(values);
        return made;
    };
    view_.decode = [shared](std::span<const std::byte> bytes) {
        std::vector<double> decoded;
        decoded.reserve(shared->figures.size());
        std::vector<double> values;
        for (const auto& figures : shared->figures) {
            values.clear();
            for (const Figure& figure : figures) {
                values.push_back(
                    shared->recipe.meanings[figure.meaning].value(gatherBits(bytes, figure.bits)));
            }
            decoded.push_back(shared->recipe.value(values));
        }
        return decoded;
    };
    return std::move(view_);
}

std::vector<BitRun> bitsAt(std::int64_t base, std::int64_t first, int bits) {
    std::vector<BitRun> runs;
    for (int done = 0; done < bits;) {
        const std::int64_t at = first + done;
        const auto bit = static_cast<int>(at % 8);
        const int width = std::min(8 - bit, bits - done);
        runs.push_back({base + at / 8, bit, width, done});
        done += width;
    }
    return runs;
}

std::function<double(std::uint64_t)> valueOfType(const StorageType& type) {
    return [&type](std::uint64_t code) {
        double value = 0;
        decodeElements(type, std::as_bytes(std::span<const std::uint64_t>(&code, 1)), 0, 1, &value);
        return value;
    };
}

}  // namespace loupe::packed
