// SPDX-License-Identifier: Apache-2.0
// Inside core/experiment's self-test only.
#pragma once

#include "core/blocks/block_layout.hpp"
#include "core/experiment/selftest.hpp"
#include "core/formats/number_format.hpp"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace loupe::selftest {

/// Counts checks and keeps the first failure.
class Tally {
public:
    explicit Tally(std::string_view format) { item_.format = std::string(format); }

    /// `what()` says what was expected and found; it is asked only for the first failure.
    template <class What>
    void check(bool ok, const What& what) {
        if (ok) {
            ++item_.passed;
            return;
        }
        if (item_.failed++ == 0) {
            item_.firstFailure = what();
        }
    }
    [[nodiscard]] const SelfTestItem& item() const { return item_; }

private:
    SelfTestItem item_;
};

/// The same bits, or both NaN.
inline bool same(double a, double b) {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) ||
           (std::isnan(a) && std::isnan(b));
}

/// A code's value by the definition of its format, written apart from the codec; NaN where the
/// code has none.
[[nodiscard]] double slowValue(const NumberFormat& format, std::uint64_t code);

[[nodiscard]] SelfTestItem testScalar(const NumberFormat& format, const JobContext& ctx);
[[nodiscard]] SelfTestItem testBlocks(const BlockLayout& layout, const JobContext& ctx);
/// At least one item for each packed checkpoint scheme.
[[nodiscard]] std::vector<SelfTestItem> testPacked(const JobContext& ctx);

}  // namespace loupe::selftest
