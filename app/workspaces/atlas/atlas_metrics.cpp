// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/atlas_metrics.hpp"

#include "app/widgets/theme.hpp"
#include "core/base/units.hpp"

#include <QCoreApplication>

#include <array>
#include <cmath>
#include <limits>

namespace loupe::app {

namespace {

using Kind = AtlasMetric::Kind;
using Pool = AtlasMetric::Pool;

constexpr double kBitsPerByte = 8;

QString tr(const char* text) {
    return QCoreApplication::translate("Atlas", text);
}

QString text(std::string_view view) {
    return QString::fromUtf8(view.data(), static_cast<qsizetype>(view.size()));
}

void addHeader(std::vector<AtlasMetric>& all) {
    AtlasMetric bytes{.id = QStringLiteral("bytes"),
                      .title = tr("Bytes"),
                      .unit = tr("B"),
                      .help = tr("What the tensor takes in the file."),
                      .pool = Pool::Sum,
                      .logarithmic = true,
                      .isCount = true,
                      .isBytes = true};
    bytes.header = [](const TensorInfo& t) { return static_cast<double>(t.bytes); };
    all.push_back(bytes);
    AtlasMetric parameters{.id = QStringLiteral("parameters"),
                           .title = tr("Parameters"),
                           .unit = {},
                           .help = tr("How many weights the tensor has."),
                           .pool = Pool::Sum,
                           .logarithmic = true,
                           .isCount = true};
    parameters.header = [](const TensorInfo& t) { return static_cast<double>(t.parameters); };
    all.push_back(parameters);
    AtlasMetric bits{.id = QStringLiteral("bits"),
                     .title = tr("Bits per weight, as stored"),
                     .unit = tr("bit"),
                     .help = tr("Bytes in the file over weights, scales included."),
                     .pool = Pool::High};
    bits.header = [](const TensorInfo& t) {
        return t.parameters == 0 ? std::numeric_limits<double>::quiet_NaN()
                                 : kBitsPerByte * static_cast<double>(t.bytes) /
                                       static_cast<double>(t.parameters);
    };
    all.push_back(bits);
}

void addStats(std::vector<AtlasMetric>& all) {
    const auto add = [&](const char* id,
                         const QString& title,
                         const QString& unit,
                         const QString& help,
                         Pool pool,
                         bool logarithmic,
                         bool isCount,
                         double (*fact)(const TensorFacts&)) {
        AtlasMetric metric{.id = QLatin1String(id),
                           .title = title,
                           .unit = unit,
                           .help = help,
                           .kind = Kind::Stats,
                           .pool = pool,
                           .logarithmic = logarithmic,
                           .isCount = isCount};
        metric.fact = fact;
        metric.estimate = isCount                                ? AtlasMetric::Estimate::None
                          : metric.id == QLatin1String("absmax") ? AtlasMetric::Estimate::AtLeast
                                                                 : AtlasMetric::Estimate::Near;
        all.push_back(metric);
    };
    add("mean",
        tr("Mean"),
        {},
        tr("Mean of the finite weights."),
        Pool::Magnitude,
        false,
        false,
        [](const TensorFacts& f) { return f.mean; });
    add("std",
        tr("Standard deviation"),
        {},
        tr("Population standard deviation of the finite weights."),
        Pool::High,
        true,
        false,
        [](const TensorFacts& f) { return f.std; });
    add("absmax",
        tr("Largest |w|"),
        {},
        tr("Largest magnitude of a finite weight."),
        Pool::High,
        true,
        false,
        [](const TensorFacts& f) { return f.absmax; });
    add("crest",
        tr("Crest factor"),
        {},
        tr("Largest magnitude over RMS: what absmax scaling pays for."),
        Pool::High,
        true,
        false,
        [](const TensorFacts& f) { return f.crest; });
    add("kurtosis",
        tr("Excess kurtosis"),
        {},
        tr("Fourth standardised moment minus 3: 0 for a Gaussian, large for heavy tails."),
        Pool::High,
        false,
        false,
        [](const TensorFacts& f) { return f.kurtosis; });
    add("outlier",
        tr("Outlier ratio"),
        {},
        tr("Largest input channel over the median channel, by largest |w|. Of matrices."),
        Pool::High,
        true,
        false,
        [](const TensorFacts& f) { return f.outlierRatio; });
    add("zeros",
        tr("Zeros"),
        tr("%"),
        tr("Share of weights that are exactly zero."),
        Pool::High,
        false,
        false,
        [](const TensorFacts& f) { return f.zeros; });
    add("nan",
        tr("NaN"),
        {},
        tr("How many weights are not a number."),
        Pool::Sum,
        false,
        true,
        [](const TensorFacts& f) { return f.nan; });
    add("inf",
        tr("Infinities"),
        {},
        tr("How many weights are infinite."),
        Pool::Sum,
        false,
        true,
        [](const TensorFacts& f) { return f.inf; });
}

/// Output error needs inputs of every layer, and seconds say more of the machine than of the
/// tensor: neither is a picture of a checkpoint.
void addScheme(std::vector<AtlasMetric>& all, Side side) {
    static constexpr std::array<std::string_view, 8> kShown{
        "sqnr", "rel", "mse", "max", "mean", "cosine", "bits", "zeros"};
    const QString letter = side == Side::A ? QStringLiteral("A") : QStringLiteral("B");
    for (const std::string_view id : kShown) {
        const FigureDefinition* figure = findFigure(id);
        if (figure == nullptr) {
            continue;
        }
        AtlasMetric metric{.id = letter + QLatin1Char('.') + text(id),
                           .title = text(figure->title),
                           .unit = text(figure->unit),
                           .help = text(figure->help),
                           .kind = Kind::Scheme,
                           .pool = figure->lowerIsBetter ? Pool::High : Pool::Low,
                           .logarithmic = figure->logarithmic,
                           .side = side};
        metric.figure = figure;
        all.push_back(metric);
    }
}

}  // namespace

TensorFacts factsOf(const TensorStats& stats) {
    TensorFacts facts;
    facts.mean = stats.mean;
    facts.std = stats.std;
    facts.absmax = stats.absmax;
    facts.kurtosis = stats.kurtosis;
    facts.crest = stats.crestFactor();
    facts.outlierRatio = std::numeric_limits<double>::quiet_NaN();
    if (stats.rows > 1 && stats.cols > 1) {
        if (const std::vector<OutlierChannel> most = stats.outliers(true, 1); !most.empty()) {
            facts.outlierRatio = most.front().ratio;
        }
    }
    facts.zeros = stats.count == 0
                      ? std::numeric_limits<double>::quiet_NaN()
                      : 100.0 * static_cast<double>(stats.zeros) / static_cast<double>(stats.count);
    facts.nan = static_cast<double>(stats.nan);
    facts.inf = static_cast<double>(stats.inf);
    return facts;
}

const std::vector<AtlasMetric>& builtInMetrics() {
    static const std::vector<AtlasMetric> all = [] {
        std::vector<AtlasMetric> made;
        addHeader(made);
        addStats(made);
        addScheme(made, Side::A);
        addScheme(made, Side::B);
        return made;
    }();
    return all;
}

QChar estimateSign(const AtlasMetric& metric) {
    return metric.estimate == AtlasMetric::Estimate::AtLeast ? QChar(0x2265) : QChar(0x2248);
}

QString metricText(const AtlasMetric& metric, double value) {
    if (metric.isBytes && std::isfinite(value)) {
        return QString::fromStdString(decimalBytes(value));
    }
    QString made = metric.isCount && std::isfinite(value) ? formatCount(static_cast<qint64>(value))
                                                          : formatNumber(value);
    if (!metric.unit.isEmpty()) {
        made += QChar(0xa0) + metric.unit;
    }
    return made;
}

QString metricCellText(const AtlasMetric& metric, double value) {
    constexpr int kDigits = 3;
    if (!std::isfinite(value)) {
        return formatNumber(value, kDigits);
    }
    if (metric.isCount) {
        // "4.1M": three digits and the power of a thousand.
        static constexpr std::array<const char*, 6> kPowers{"", "k", "M", "G", "T", "P"};
        std::size_t power = 0;
        double rest = value;
        while (rest >= 1000 && power + 1 < kPowers.size()) {
            rest /= 1000;
            ++power;
        }
        return power == 0 ? formatCount(static_cast<qint64>(rest))
                          : formatNumber(rest, kDigits) + QLatin1String(kPowers[power]);
    }
    return formatNumber(value, kDigits);
}

}  // namespace loupe::app
