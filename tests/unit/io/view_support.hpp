// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/unit/io/io_support.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace loupe::test {

/// The same number; NaN is NaN.
inline bool same(double a, double b) {
    return a == b || (std::isnan(a) && std::isnan(b));
}

/// Views of blocks hold the weights that the matrix holds, and name the bits they come from.
inline void checkViews(const TensorSource& source,
                       std::size_t index,
                       const std::vector<double>& all) {
    const TensorInfo& tensor = source.tensors()[index];
    std::vector<bool> seen(all.size(), false);
    std::size_t looked = 0;
    for (std::size_t at = 0; at < all.size() && looked < 400; ++at) {
        if (seen[at]) {
            continue;
        }
        ++looked;
        const auto cols = static_cast<std::size_t>(tensor.cols);
        const auto view = source.block(
            index, static_cast<std::int64_t>(at / cols), static_cast<std::int64_t>(at % cols));
        REQUIRE(view.has_value());
        const std::vector<double> values = view->decode(view->bytes);
        REQUIRE(values.size() == view->cells.size());
        REQUIRE(
            view->cells[static_cast<std::size_t>(view->element)] ==
            std::pair(static_cast<std::int64_t>(at / cols), static_cast<std::int64_t>(at % cols)));
        for (std::size_t i = 0; i < values.size(); ++i) {
            const auto cell = static_cast<std::size_t>(view->cells[i].first) * cols +
                              static_cast<std::size_t>(view->cells[i].second);
            REQUIRE(same(values[i], all[cell]));
            seen[cell] = true;
        }
        const BlockElement element = view->explain(view->bytes, view->element);
        CHECK(same(element.value, all[at]));
        CHECK(!element.equation.empty());
        for (const BlockPart& part : element.parts) {
            CHECK(gatherBits(view->bytes, part.bits) == part.code);
        }
        std::int64_t bytes = 0;
        for (const BlockSpan& span : view->spans) {
            // The bytes are those of the file.
            const std::string file =
                readFile(source.info().files[static_cast<std::size_t>(span.file)]);
            REQUIRE(span.offset + static_cast<std::uint64_t>(span.bytes) <= file.size());
            REQUIRE(std::memcmp(file.data() + span.offset,
                                view->bytes.data() + bytes,
                                static_cast<std::size_t>(span.bytes)) == 0);
            bytes += span.bytes;
        }
        CHECK(bytes == static_cast<std::int64_t>(view->bytes.size()));
        std::int64_t covered = 0;
        for (const BlockViewField& field : view->fields) {
            CHECK(field.begin == covered);
            covered += field.bytes;
        }
        CHECK(covered == bytes);
    }
}

}  // namespace loupe::test
