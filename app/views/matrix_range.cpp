// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/matrix_range.hpp"

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr double kQuantile = 0.999;
/// The largest magnitude must be this much above the quantile, or the range simply ends at it.
constexpr double kFarAbove = 1.25;
constexpr std::size_t kMostTexels = 400'000;

double ofCounts(const ValueCounts& counts, double q) {
    std::uint64_t total = 0;
    for (const std::uint64_t count : counts.counts) {
        total += count;
    }
    // From both ends inwards: values are ascending, so that the largest magnitude is at one of them.
    auto left = static_cast<std::uint64_t>((1 - q) * static_cast<double>(total));
    std::size_t low = 0;
    std::size_t high = counts.values.size();
    while (low < high) {
        const bool negative = std::fabs(counts.values[low]) > std::fabs(counts.values[high - 1]);
        const std::size_t at = negative ? low : high - 1;
        if (counts.counts[at] > left) {
            return std::fabs(counts.values[at]);
        }
        left -= counts.counts[at];
        negative ? ++low : --high;
    }
    return 0;
}

double ofPyramid(const Pyramid& pyramid, double q) {
    for (const Pyramid::Level& level : pyramid.levels) {
        if (level.absMax.size() > kMostTexels) {
            continue;
        }
        std::vector<float> sizes;
        sizes.reserve(level.absMax.size());
        for (std::size_t i = 0; i < level.absMax.size(); ++i) {
            if (std::isfinite(level.absMax[i])) {
                sizes.push_back(std::fabs(level.absMax[i]));
            }
        }
        if (sizes.empty()) {
            return 0;
        }
        const auto rank = static_cast<std::ptrdiff_t>(q * static_cast<double>(sizes.size() - 1));
        std::nth_element(sizes.begin(), sizes.begin() + rank, sizes.end());
        return static_cast<double>(sizes[static_cast<std::size_t>(rank)]);
    }
    return static_cast<double>(pyramid.absmax);
}

}  // namespace

RangeGroup rangeGroup(Quantity quantity) {
    switch (quantity) {
        case Quantity::Original:
        case Quantity::Scheme: return RangeGroup::Weights;
        case Quantity::Error: return RangeGroup::Error;
        case Quantity::Codes: return RangeGroup::Codes;
        case Quantity::Difference: return RangeGroup::Difference;
        case Quantity::SchemesDiffer: return RangeGroup::SchemesDiffer;
    }
    return RangeGroup::Weights;
}

double magnitudeQuantile(RangeGroup group, const RangeInputs& inputs, double q) {
    if (group == RangeGroup::Weights && inputs.stats != nullptr) {
        return ofCounts(inputs.stats->values, q);
    }
    return inputs.pyramid != nullptr ? ofPyramid(*inputs.pyramid, q) : 0;
}

PictureRange defaultRange(RangeGroup group, const RangeInputs& inputs) {
    PictureRange range;
    range.set = true;
    const QString owner = inputs.side.isEmpty() ? QString() : " of " + inputs.side;
    if (group == RangeGroup::Codes && inputs.codes) {
        range.low = static_cast<double>(inputs.codes->first);
        range.high = static_cast<double>(std::max(inputs.codes->second, inputs.codes->first + 1));
        range.mode = "all codes" + owner;
        return range;
    }
    const bool weights = group == RangeGroup::Weights && inputs.stats != nullptr;
    const double largest = weights ? inputs.stats->absmax : inputs.pyramid != nullptr ? static_cast<double>(inputs.pyramid->absmax) : 0;
    const double most = magnitudeQuantile(group, inputs, kQuantile);
    range.high = most > 0 && largest > kFarAbove * most ? most : largest;
    range.mode = range.high < largest ? (weights ? "99.9 %" : "99.9 % pooled") + owner : "max" + owner;
    if (!(range.high > 0)) {
        range.high = 1;
        range.mode = "all 0" + owner;
    }
    return range;
}

ColorSetting colourSetting(RangeGroup group, const PictureRange& range, bool signedMap, ColorMapId palette) {
    ColorSetting setting;
    if (group == RangeGroup::Difference || signedMap) {
        setting.map = group == RangeGroup::Difference ? ColorMapId::AAgainstB : ColorMapId::Signed;
        setting.magnitude = false;
        setting.high = std::max(std::fabs(range.low), std::fabs(range.high));
        setting.low = -setting.high;
        return setting;
    }
    setting.map = palette;
    setting.magnitude = group != RangeGroup::Codes;
    setting.low = setting.magnitude ? std::max(0.0, range.low) : range.low;
    setting.high = std::max(range.high, setting.low);
    if (range.logarithmic && setting.magnitude) {
        setting.logarithmic = true;
        setting.low = setting.low > 0 ? setting.low : setting.high * 1e-4;
    }
    return setting;
}

QString quantityName(Quantity quantity, Side side, bool magnitude) {
    const QString letter = side == Side::A ? " A" : " B";
    const auto folded = [magnitude](const QString& name) { return magnitude ? "|" + name + "|" : name; };
    switch (quantity) {
        case Quantity::Original: return folded("w");
        case Quantity::Scheme: return folded("w") + letter;
        case Quantity::Error: return folded("error") + letter;
        case Quantity::Codes: return "code" + letter;
        case Quantity::Difference: return "|eB| − |eA|";
        case Quantity::SchemesDiffer: return folded("A − B");
    }
    return {};
}

QJsonObject toJson(const PictureRange& range) {
    return {{"low", range.low}, {"high", range.high}, {"log", range.logarithmic}, {"by_hand", range.byHand}, {"mode", range.mode}};
}

PictureRange rangeFromJson(const QJsonObject& object) {
    PictureRange range;
    if (object.contains("low") && object.contains("high")) {
        range.low = object["low"].toDouble();
        range.high = object["high"].toDouble(1);
        range.logarithmic = object["log"].toBool();
        range.byHand = object["by_hand"].toBool();
        range.mode = object["mode"].toString();
        range.set = std::isfinite(range.low) && std::isfinite(range.high) && range.high >= range.low;
    }
    return range;
}

}  // namespace loupe::app
