// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/selftest.hpp"

#include "core/experiment/selftest_parts.hpp"

#include <numeric>
#include <set>

namespace loupe {

std::uint64_t SelfTestReport::passed() const {
    return std::accumulate(
        items.begin(), items.end(), std::uint64_t{0}, [](std::uint64_t sum, const auto& item) {
            return sum + item.passed;
        });
}

std::uint64_t SelfTestReport::failed() const {
    return std::accumulate(
        items.begin(), items.end(), std::uint64_t{0}, [](std::uint64_t sum, const auto& item) {
            return sum + item.failed;
        });
}

SelfTestReport runSelfTest(const SelfTestSeen& seen, const JobContext& ctx) {
    SelfTestReport report;
    const JobContext quiet = ctx.withoutProgress();
    constexpr std::size_t kPacked = 1;  // all packed schemes count as one in the progress
    ctx.setTotal(allFormats().size() + allBlockLayouts().size() + kPacked);
    const auto add = [&](SelfTestItem item) {
        report.items.push_back(std::move(item));
        if (seen) {
            seen(report.items.back());
        }
    };
    for (const NumberFormat* format : allFormats()) {
        ctx.checkpoint();
        if (format->kind != FormatKind::Block) {
            add(selftest::testScalar(*format, quiet));
        }
        ctx.advance(1);
    }
    for (const BlockLayout* layout : allBlockLayouts()) {
        ctx.checkpoint();
        add(selftest::testBlocks(*layout, quiet));
        ctx.advance(1);
    }
    for (SelfTestItem& item : selftest::testPacked(quiet)) {
        add(std::move(item));
    }
    ctx.advance(kPacked);
    return report;
}

}  // namespace loupe
