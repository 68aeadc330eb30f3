// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/time_text.hpp"

#include "app/widgets/theme.hpp"

#include <algorithm>
#include <cmath>

namespace loupe::app {

QString TimeUnit::text(double microseconds) const {
    return formatFixed(microseconds * perMicrosecond, decimals);
}

TimeUnit timeUnitFor(double largestUs, double smallestUs) {
    TimeUnit unit{QStringLiteral("µs"), 1, 3};
    if (largestUs >= 1e6) {
        unit = {QStringLiteral("s"), 1e-6, 3};
    } else if (largestUs >= 1000) {
        unit = {QStringLiteral("ms"), 1e-3, 3};
    } else if (largestUs < 1 && largestUs > 0) {
        unit = {QStringLiteral("ns"), 1e3, 3};
    }
    // Three significant digits of the smallest, no more than three decimals.
    const double smallest = smallestUs * unit.perMicrosecond;
    if (smallest > 0) {
        unit.decimals = std::clamp(2 - static_cast<int>(std::floor(std::log10(smallest))), 0, 3);
    }
    return unit;
}

QString timeText(double microseconds) {
    const TimeUnit unit = timeUnitFor(microseconds, microseconds);
    return unit.text(microseconds) + QLatin1Char(' ') + unit.name;
}

}  // namespace loupe::app
