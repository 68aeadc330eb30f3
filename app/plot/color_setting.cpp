// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/color_setting.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

constexpr QRgb kNanColor = 0xff000000;
constexpr double kSmallest = 1e-300;

QString withoutLeadingZero(QString text) {
    if (text.startsWith("0.")) {
        text.remove(0, 1);
    } else if (text.startsWith("-0.")) {
        text.remove(1, 1);
    }
    return text.replace('-', QChar(0x2212));
}

int decimalsOf(double step) {
    return static_cast<int>(std::clamp(-std::floor(std::log10(std::fabs(step)) + 1e-9), 0.0, 12.0));
}

}  // namespace

ColorScale ColorSetting::scale(QRgb outside) const {
    const ColorTable& table = colorTable(map);
    ColorScale scale;
    scale.table = table.entries;
    scale.low = static_cast<float>(low);
    scale.high = static_cast<float>(high);
    scale.magnitude = magnitude;
    scale.logarithmic = logarithmic && magnitude;
    scale.below = table.below;
    scale.above = table.above;
    scale.nan = kNanColor;
    scale.infinite = table.above;
    scale.outside = outside;
    return scale;
}

double ColorSetting::position(double value) const {
    double from = low;
    double to = high;
    double at = magnitude ? std::fabs(value) : value;
    if (logarithmic && magnitude) {
        from = std::log(std::max(low, kSmallest));
        to = std::log(std::max(high, kSmallest));
        at = std::log(std::max(at, kSmallest));
    }
    return to > from ? (at - from) / (to - from) : (at > to ? 1.5 : at < from ? -0.5 : 0.5);
}

double ColorSetting::valueAt(double position) const {
    if (logarithmic && magnitude) {
        const double from = std::log(std::max(low, kSmallest));
        return std::exp(from + position * (std::log(std::max(high, kSmallest)) - from));
    }
    return low + position * (high - low);
}

QRgb ColorSetting::color(float value) const {
    Texels one;
    one.width = one.height = 1;
    one.values = {value};
    one.flags = {0};
    QRgb out = 0;
    colorize(one, scale(0), &out);
    return out;
}

QString tickText(double value, double step) {
    if (std::fabs(value) < std::fabs(step) * 1e-9) {
        return "0";
    }
    const double size = std::fabs(value);
    if (size >= 1e6 || size < 1e-4) {
        return formatNumber(value, 2);
    }
    return withoutLeadingZero(QString::number(value, 'f', decimalsOf(step)));
}

QString cellText(double value, double high) {
    if (std::isnan(value)) {
        return "NaN";
    }
    if (std::isinf(value)) {
        return value > 0 ? QString(QChar(0x221E)) : QString(QChar(0x2212)) + QChar(0x221E);
    }
    if (value == 0) {
        return "0";
    }
    if (!(high > 0) || high >= 1e5 || high < 1e-4 || std::fabs(value) >= 1e6) {
        return formatNumber(value, 3);
    }
    const int common = static_cast<int>(std::clamp(2 - std::floor(std::log10(high / 2)), 0.0, 7.0));
    // An outlier that stretches the range must not round its neighbours away: two digits of each value stay, three where the
    // range has room for no more than one decimal.
    const int magnitude = static_cast<int>(std::floor(std::log10(std::fabs(value))));
    const int own = common <= 1 ? std::clamp(2 - magnitude, 0, 2) : std::clamp(1 - magnitude, 0, common + 2);
    const int decimals = std::max(common, own);
    return withoutLeadingZero(QString::number(value, 'f', decimals));
}

}  // namespace loupe::app
