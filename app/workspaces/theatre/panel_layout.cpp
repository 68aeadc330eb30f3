// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/theatre/panel_layout.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/equation_label.hpp"
#include "app/widgets/theme.hpp"

#include <QRegularExpression>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr std::int64_t kFewColumns = 16;
constexpr std::int64_t kVeryFewColumns = 8;
constexpr std::int64_t kFewRows = 2;
constexpr std::int64_t kManyRows = 64;
constexpr double kAspect = 0.78;       // cells are a little wider than high
constexpr double kTallAspect = 1.5;    // where the page has room, they may be higher than wide
constexpr double kSecondShare = 0.55;  // of the height that the first panel gets per row

double barsHeight() {
    return Theme::px(84);
}

/// Least and best height of a panel's cells.
struct Heights {
    double least = 0;
    double best = 0;
    double given = 0;
};

/// `share`: of the page's height, if all panels had as much. `dense`: so many rows and bars that
/// they would not fit otherwise; cells as thin as can still be told apart.
Heights heightsOf(const TracePanel& panel, double cellWidth, double share, bool dense) {
    if (panel.kind == PanelKind::Bars) {
        return {dense ? Theme::px(44) : barsHeight(), barsHeight(), 0};
    }
    const auto rows = static_cast<double>(panel.values->rows());
    if (panel.values->rows() <= kFewRows) {
        const double best = std::clamp<double>(share, Theme::px(26), Theme::px(112)) / rows;
        return {rows * std::min<double>(Theme::px(20), best), rows * best, 0};
    }
    const double most = panel.values->cols() <= kFewColumns
                            ? std::clamp<double>(share / rows, Theme::px(44), Theme::px(72))
                            : std::max({static_cast<double>(Theme::px(6)),
                                        cellWidth * kAspect,
                                        std::min(cellWidth * kTallAspect, share / rows)});
    const bool narrow = panel.values->cols() <= 2 && panel.values->rows() >= kManyRows / 2;
    const double thin = dense ? (panel.values->rows() >= kManyRows ? 2 : 3) : 5;
    const double least = panel.values->rows() > kManyRows ? 1.5 : Theme::px(narrow ? 2 : thin);
    const double best =
        panel.values->rows() > kManyRows ? std::min<double>(most, Theme::px(4)) : most;
    return {rows * std::min(least, best), rows * best, 0};
}

/// Shares `room` among the panels: each its least, then the first more than the others.
void share(std::vector<Heights>& heights, double room) {
    double least = 0;
    for (const Heights& height : heights) {
        least += height.least;
    }
    double left = std::max(0.0, room - least);
    for (Heights& height : heights) {
        height.given = height.least;
    }
    for (int round = 0; round < 3 && left > 1; ++round) {
        double wish = 0;
        for (std::size_t i = 0; i < heights.size(); ++i) {
            wish += (heights[i].best - heights[i].given) * (i == 0 ? 1 : kSecondShare);
        }
        if (wish <= 0) {
            break;
        }
        const double part = std::min(1 / kSecondShare, left / wish);
        for (std::size_t i = 0; i < heights.size(); ++i) {
            const double gap = heights[i].best - heights[i].given;
            const double more = std::min(gap, gap * part * (i == 0 ? 1 : kSecondShare));
            heights[i].given += more;
            left -= more;
        }
    }
}

double snapped(double length) {
    return length >= 4 ? std::floor(length) : length;
}

bool sameColumns(const TracePanel& a, const TracePanel& b) {
    return a.values->cols() == b.values->cols() &&
           ((a.columnOrder == nullptr && b.columnOrder == nullptr) ||
            (a.columnOrder != nullptr && b.columnOrder != nullptr &&
             *a.columnOrder == *b.columnOrder));
}

}  // namespace

std::optional<TraceCell> PlacedPanel::cellAt(QPointF point) const {
    if (!cells.contains(point) || cellWidth <= 0 || cellHeight <= 0) {
        return std::nullopt;
    }
    const auto col = static_cast<std::int64_t>((point.x() - cells.left()) / cellWidth);
    const auto row = panel->kind == PanelKind::Bars
                         ? 0
                         : static_cast<std::int64_t>((point.y() - cells.top()) / cellHeight);
    return row < rows() && col < cols() ? std::optional(TraceCell{row, col}) : std::nullopt;
}

std::int64_t PlacedPanel::originalColumn(std::int64_t place) const {
    const auto index = static_cast<std::size_t>(place);
    return panel->columnOrder != nullptr && index < panel->columnOrder->size()
               ? (*panel->columnOrder)[index]
               : place;
}

QString withSquares(QString text) {
    static const QRegularExpression kLowered(QStringLiteral("_([A-Za-z]+)²"));
    return text.replace(QStringLiteral("^2"), QStringLiteral("²"))
        .replace(kLowered, QStringLiteral("_{\\1}²"));
}

QString boardText(const std::string& text) {
    QString shown = QString::fromStdString(text);
    shown.replace(QStringLiteral("^2"), QStringLiteral("²"));
    shown.replace(QStringLiteral("||"), QStringLiteral("‖"));
    shown.replace(QStringLiteral("W^"), QStringLiteral("Ŵ"));
    shown.replace(QStringLiteral("w^"), QStringLiteral("ŵ"));
    shown.replace(QStringLiteral("X^"), QStringLiteral("X\u0302"));
    shown.replace(QStringLiteral("Y^"), QStringLiteral("Ŷ"));
    shown.replace(QStringLiteral("inv(H)"), QStringLiteral("H⁻¹"));
    shown.replace(QStringLiteral("<="), QStringLiteral("≤"));
    shown.replace(QStringLiteral("1/2·"), QStringLiteral("½·"));
    shown.replace(QStringLiteral("1/2 sum"), QStringLiteral("½ sum"));
    shown.replace(QStringLiteral("y^"), QStringLiteral("ŷ"));
    return shown;
}

double drawBoardLine(QPainter* painter,
                     const QRectF& area,
                     const QString& text,
                     TextRole role,
                     const QColor& color) {
    constexpr double kScriptSize = 0.74;
    double x = area.left();
    for (const EquationRun& run : parseEquation(withSquares(text))) {
        const bool script = run.script != EquationRun::Script::None;
        QFont font = Theme::font(role);
        if (script) {
            font.setPixelSize(static_cast<int>(std::lround(font.pixelSize() * kScriptSize)));
        }
        const QFontMetricsF metrics(font);
        const double width = metrics.horizontalAdvance(run.text);
        if (painter != nullptr) {
            const double drop = run.script == EquationRun::Script::Lowered  ? 0.22
                                : run.script == EquationRun::Script::Raised ? -0.3
                                                                            : 0;
            painter->setFont(font);
            painter->setPen(color);
            painter->drawText(QRectF(x, area.top(), width + 2, area.height())
                                  .translated(0, drop * lineHeight(role)),
                              Qt::AlignLeft | Qt::AlignVCenter | Qt::TextDontClip,
                              run.text);
        }
        x += width;
    }
    return x - area.left();
}

double limitOf(const TracePanel& panel) {
    if (panel.limit > 0) {
        return panel.limit;
    }
    double most = 0;
    const double* values = panel.values->data();
    for (std::int64_t i = 0; i < panel.values->size(); ++i) {
        if (std::isfinite(values[i])) {
            most = std::max(most, std::fabs(values[i]));
        }
    }
    return most;
}

std::size_t mostPanels(const Trace& trace) {
    std::size_t most = 0;
    for (const TraceState& state : trace.states) {
        most = std::max(most, state.panels.size());
    }
    return most;
}

const TracePanel& mainPanel(const TraceState& state) {
    const auto found = std::find_if(state.panels.begin(),
                                    state.panels.end(),
                                    [](const TracePanel& panel) { return panel.id == "weights"; });
    return found != state.panels.end() ? *found : state.panels.front();
}

PanelPage placePanels(const TraceState& state, QSizeF size, std::size_t stages) {
    std::vector<const TracePanel*> shown;
    std::int64_t mostCols = 1;
    std::int64_t mostRows = 1;
    for (const TracePanel& panel : state.panels) {
        if (panel.values && !panel.values->empty()) {
            shown.push_back(&panel);
            mostCols = std::max(mostCols, panel.values->cols());
            mostRows = std::max(mostRows, panel.values->rows());
        }
    }
    const double gutter = std::max<double>(
        Theme::px(40),
        textWidth(QString::number(mostRows - 1), TextRole::NumberAxis) + Theme::px(16));
    const double widest = Theme::px(mostCols <= kVeryFewColumns ? 180
                                    : mostCols <= kFewColumns   ? 112
                                                                : 30);
    const double cellWidth = snapped(std::clamp(
        (size.width() - gutter - Theme::px(8)) / static_cast<double>(mostCols), 1.0, widest));
    const double headerHeight = lineHeight(TextRole::Heading) + Theme::px(8);
    const double labelHeight = lineHeight(TextRole::NumberAxis) + Theme::px(3);
    const double gap = Theme::px(12);
    const auto piled = static_cast<double>(std::max(stages, shown.size()));
    const double equalShare = (size.height() - labelHeight - Theme::px(8)) / std::max(1.0, piled) -
                              headerHeight - gap - Theme::px(2);
    const auto overhead = [&] {
        double sum = 0;
        for (std::size_t i = 0; i < shown.size(); ++i) {
            sum += headerHeight + (i == 0 ? 0 : gap) +
                   (i == 0 || !sameColumns(*shown[i], *shown[i - 1]) ? labelHeight : Theme::px(2));
        }
        return sum;
    };
    std::vector<Heights> heights;
    bool dense = false;
    const auto measure = [&] {
        heights.clear();
        double least = 0;
        for (const TracePanel* panel : shown) {
            heights.push_back(heightsOf(*panel, cellWidth, equalShare, dense));
            least += heights.back().least;
        }
        return least + overhead();
    };
    // Thin cells where that makes all of it fit, else cells that can be pointed at, and a scroll
    // bar.
    const double room = size.height() - Theme::px(6);
    dense = measure() > room;
    dense = dense && measure() <= room;
    while (measure() > room && shown.size() > 1) {
        const auto bars = std::find_if(shown.rbegin(), shown.rend(), [](const TracePanel* panel) {
            return panel->kind == PanelKind::Bars;
        });
        if (bars == shown.rend()) {
            break;
        }
        shown.erase(std::next(bars).base());
    }
    share(heights, room - overhead());
    PanelPage page;
    double y = 0;
    for (std::size_t i = 0; i < shown.size(); ++i) {
        PlacedPanel placed;
        placed.panel = shown[i];
        y += i == 0 ? 0 : gap;
        placed.header = QRectF(0, y, size.width(), headerHeight);
        y += headerHeight;
        if (i == 0 || !sameColumns(*shown[i], *shown[i - 1])) {
            placed.columnLabels = QRectF(gutter, y, size.width() - gutter, labelHeight);
            y += labelHeight;
        } else {
            y += Theme::px(2);
        }
        const bool bars = shown[i]->kind == PanelKind::Bars;
        placed.cellWidth = cellWidth;
        placed.cellHeight =
            bars ? heights[i].given
                 : snapped(heights[i].given / static_cast<double>(shown[i]->values->rows()));
        const double height =
            bars ? placed.cellHeight
                 : placed.cellHeight * static_cast<double>(shown[i]->values->rows());
        placed.cells =
            QRectF(gutter, y, cellWidth * static_cast<double>(shown[i]->values->cols()), height);
        y += height;
        page.panels.push_back(placed);
    }
    page.height = y + Theme::px(6);
    return page;
}

}  // namespace loupe::app
