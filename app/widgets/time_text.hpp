// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

namespace loupe::app {

/// One unit for all times of an axis, chosen by the largest.
struct TimeUnit {
    QString name;  ///< "ns", "µs", "ms", "s"
    double perMicrosecond = 1;
    int decimals = 3;
    [[nodiscard]] QString text(double microseconds) const;
};
[[nodiscard]] TimeUnit timeUnitFor(double largestUs, double smallestUs);
/// With its own unit: "0.287 ms".
[[nodiscard]] QString timeText(double microseconds);

}  // namespace loupe::app
