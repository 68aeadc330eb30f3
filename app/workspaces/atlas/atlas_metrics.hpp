// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"
#include "core/experiment/figures.hpp"
#include "core/stats/tensor_stats.hpp"

#include <QString>

#include <optional>
#include <vector>

namespace loupe::app {

/// What the atlas keeps of a tensor's statistics.
struct TensorFacts {
    double mean = 0, std = 0, absmax = 0, kurtosis = 0, crest = 0;
    double outlierRatio = 0;  ///< largest input channel's absmax over the median channel's
    double zeros = 0;         ///< percent
    double nan = 0, inf = 0;  ///< counts
};
[[nodiscard]] TensorFacts factsOf(const TensorStats& stats);

/// A figure that each tensor has, by which the atlas is coloured.
struct AtlasMetric {
    enum class Kind {
        Header,  ///< from the header: at once
        Stats,   ///< of the weights as they are
        Scheme,  ///< of a scheme, applied to every matrix
        Own,     ///< from a file of the user's
    };
    enum class Pool { High, Low, Magnitude, Sum };
    /// What some rows of a tensor say of it.
    enum class Estimate {
        Near,     ///< about the same
        AtLeast,  ///< a bound: the largest of some is at most the largest of all
        None,     ///< nothing that could be shown: rare events are missed
    };
    QString id;     ///< "kurtosis", "A.sqnr", "own.ppl": sessions
    QString title;  ///< "Excess kurtosis"
    QString unit;   ///< empty: none
    QString help;
    Kind kind = Kind::Header;
    /// What a cell of several tensors shows: the worst one, or the sum. Also the side on which a
    /// threshold begins.
    Pool pool = Pool::High;
    bool logarithmic = false;
    bool isCount = false;  ///< whole numbers
    bool isBytes = false;
    Estimate estimate = Estimate::Near;
    Side side = Side::A;
    const FigureDefinition* figure = nullptr;       ///< Scheme
    double (*fact)(const TensorFacts&) = nullptr;   ///< Stats
    double (*header)(const TensorInfo&) = nullptr;  ///< Header
    int column = 0;                                 ///< Own
};

/// Metrics of header, statistics and both schemes; one's own come from a file.
[[nodiscard]] const std::vector<AtlasMetric>& builtInMetrics();

/// "12.5 kB", "4 096", "1.243e−5", with the unit.
[[nodiscard]] QString metricText(const AtlasMetric& metric, double value);
/// The same for a cell of the picture: short, without the unit.
[[nodiscard]] QString metricCellText(const AtlasMetric& metric, double value);

/// What stands before a figure of this metric that is from some rows: "≈", or "≥" of a bound.
[[nodiscard]] QChar estimateSign(const AtlasMetric& metric);

}  // namespace loupe::app
