// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QJsonObject>
#include <QString>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "app/document/analyses.hpp"
#include "app/plot/color_setting.hpp"
#include "app/plot/range_legend.hpp"

namespace loupe::app {

/// Quantities that are compared by eye share a colour range: the original and what it becomes under either scheme.
enum class RangeGroup { Weights, Error, Codes, Difference, SchemesDiffer };
inline constexpr int kRangeGroups = 5;
[[nodiscard]] RangeGroup rangeGroup(Quantity quantity);

/// The colour range of one group.
struct PictureRange {
    double low = 0;
    double high = 1;
    bool logarithmic = false;
    bool set = false;     ///< has a default or more
    bool byHand = false;  ///< chosen by the user: kept while the tensor and the schemes stay
    QString mode;         ///< "99.9 % of |w|": said in the legend
};

/// What a default range is made from; null where not known (yet).
struct RangeInputs {
    std::shared_ptr<const TensorStats> stats;
    std::shared_ptr<const Pyramid> pyramid;
    std::optional<std::pair<std::int64_t, std::int64_t>> codes;
    QString side;  ///< "A", "B" or empty: whose values the range comes from
};

/// The range that a picture opens with: 0 to the magnitude that 99.9 % stay under where the largest is far above it, else to
/// the largest magnitude. Codes: their range. @cost O(distinct values), or one small level of the pyramid
[[nodiscard]] PictureRange defaultRange(RangeGroup group, const RangeInputs& inputs);
/// The magnitude that the fraction `q` of the values stays under: exact from statistics (weights), of pooled cells else.
[[nodiscard]] double magnitudeQuantile(RangeGroup group, const RangeInputs& inputs, double q);

/// How a group's values become colours under a range.
[[nodiscard]] ColorSetting colourSetting(RangeGroup group, const PictureRange& range, bool signedMap, ColorMapId palette);

/// "|w|", "ŵ A", "|error| B", ...: the quantity as the legend calls it.
[[nodiscard]] QString quantityName(Quantity quantity, Side side, bool magnitude);

[[nodiscard]] QJsonObject toJson(const PictureRange& range);
[[nodiscard]] PictureRange rangeFromJson(const QJsonObject& object);

}  // namespace loupe::app
