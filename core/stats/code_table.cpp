// SPDX-License-Identifier: Apache-2.0
#include "core/stats/code_table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/base/assert.hpp"

namespace loupe {

namespace {

std::unique_ptr<CodeTable> makeTable(const StorageType& type) {
    const std::size_t codes = std::size_t{1} << type.bits;
    // All codes one after another, packed as the type packs them: low bits first.
    std::vector<std::byte> bytes(codes * static_cast<std::size_t>(type.bits) / 8 + 1);
    for (std::size_t code = 0; code < codes; ++code) {
        for (int bit = 0; bit < type.bits; ++bit) {
            if ((code >> bit & 1U) != 0) {
                const std::size_t position = code * static_cast<std::size_t>(type.bits) + static_cast<std::size_t>(bit);
                bytes[position / 8] |= static_cast<std::byte>(1U << (position % 8));
            }
        }
    }
    auto table = std::make_unique<CodeTable>();
    table->values.resize(codes);
    table->floats.resize(codes);
    decodeElements(type, bytes, 0, static_cast<std::int64_t>(codes), table->values.data());
    for (std::size_t code = 0; code < codes; ++code) {
        table->floats[code] = static_cast<float>(table->values[code]);
        if (std::isfinite(table->values[code])) {
            table->ordered.push_back(static_cast<std::uint16_t>(code));
        }
    }
    const std::vector<double>& v = table->values;
    std::stable_sort(table->ordered.begin(), table->ordered.end(), [&](std::uint16_t a, std::uint16_t b) {
        return v[a] < v[b] || (v[a] == v[b] && std::signbit(v[a]) && !std::signbit(v[b]));
    });
    return table;
}

/// Sum with a running compensation (Neumaier 1974): 65,536 terms of very different size.
class CompensatedSum {
public:
    void add(double x) {
        const double next = sum_ + x;
        rest_ += std::fabs(sum_) >= std::fabs(x) ? (sum_ - next) + x : (x - next) + sum_;
        sum_ = next;
    }
    [[nodiscard]] double value() const { return sum_ + rest_; }

private:
    double sum_ = 0;
    double rest_ = 0;
};

void momentsFromValues(TensorStats& stats) {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    const std::vector<double>& values = stats.values.values;
    if (values.empty()) {
        stats.mean = stats.std = stats.skewness = stats.kurtosis = kNan;
        return;
    }
    const auto n = static_cast<double>(stats.finite());
    CompensatedSum sum;
    for (std::size_t i = 0; i < values.size(); ++i) {
        sum.add(values[i] * static_cast<double>(stats.values.counts[i]));
    }
    const double mean = sum.value() / n;
    CompensatedSum m1;
    CompensatedSum m2;
    CompensatedSum m3;
    CompensatedSum m4;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double d = values[i] - mean;
        const auto count = static_cast<double>(stats.values.counts[i]);
        m1.add(d * count);
        m2.add(d * d * count);
        m3.add(d * d * d * count);
        m4.add(d * d * d * d * count);
    }
    setMoments(stats, mean, {m1.value() / n, m2.value() / n, m3.value() / n, m4.value() / n}, 1);
}

}  // namespace

void setMoments(TensorStats& stats, double pivot, const std::array<double, 4>& about, double scale) {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    const double shift = about[0];
    const double variance = std::max(0.0, about[1] - shift * shift);
    const double third = about[2] - 3 * shift * about[1] + 2 * shift * shift * shift;
    const double fourth = about[3] - 4 * shift * about[2] + 6 * shift * shift * about[1] - 3 * shift * shift * shift * shift;
    const bool constant = stats.min == stats.max;
    stats.mean = constant ? stats.min : pivot + shift / scale;
    stats.std = constant ? 0 : std::sqrt(variance) / scale;
    stats.skewness = constant || variance == 0 ? kNan : third / (variance * std::sqrt(variance));
    stats.kurtosis = constant || variance == 0 ? kNan : fourth / (variance * variance) - 3;
}

const CodeTable& codeTable(const StorageType& type) {
    LOUPE_ASSERT(type.bits >= 1 && type.bits <= 16 && !type.isComplex(), "few enough codes for a table");
    static std::mutex mutex;
    static std::map<std::string, std::unique_ptr<CodeTable>, std::less<>> tables;
    const std::scoped_lock lock(mutex);
    std::unique_ptr<CodeTable>& table = tables[std::string(type.id)];
    if (!table) {
        table = makeTable(type);
    }
    return *table;
}

void statsFromCounts(const CodeTable& table, std::span<const std::uint64_t> counts, TensorStats& stats) {
    stats.values = {};
    stats.values.exact = true;
    for (const std::uint16_t code : table.ordered) {
        if (counts[code] != 0) {
            stats.values.values.push_back(table.values[code]);
            stats.values.counts.push_back(counts[code]);
            stats.zeros += table.values[code] == 0 ? counts[code] : 0;
        }
    }
    for (std::size_t code = 0; code < table.values.size(); ++code) {
        if (counts[code] != 0 && !std::isfinite(table.values[code])) {
            (std::isnan(table.values[code]) ? stats.nan : stats.inf) += counts[code];
        }
    }
    const bool any = !stats.values.values.empty();
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    stats.min = any ? stats.values.values.front() : kNan;
    stats.max = any ? stats.values.values.back() : kNan;
    stats.absmax = any ? std::max(std::fabs(stats.min), std::fabs(stats.max)) : kNan;
    momentsFromValues(stats);
}

}  // namespace loupe
