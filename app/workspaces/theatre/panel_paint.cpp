// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/theatre/panel_paint.hpp"

#include "app/plot/color_setting.hpp"
#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"
#include "core/stats/colormaps.hpp"

#include <QCoreApplication>
#include <QPainter>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr double kTextFrom = 46;  // cells this wide have room for a value
constexpr double kTextHeightFrom = 14;
constexpr double kLargeTextFrom = 84;  // both: for text that a room can read
constexpr double kLargeTextHeightFrom = 30;
constexpr double kHugeTextFrom = 104;
constexpr double kHugeTextHeightFrom = 38;

QString tr(const char* text) {
    return QCoreApplication::translate("Theatre", text);
}

QString toQ(const std::string& text) {
    return boardText(text);
}

bool hasNegative(const TracePanel& panel) {
    const double* values = panel.values->data();
    return std::any_of(values, values + panel.values->size(), [](double x) { return x < 0; });
}

ColorMapId mapOf(const TracePanel& panel, bool negative) {
    const bool diverging =
        panel.kind == PanelKind::Signed || (panel.kind == PanelKind::Codes && negative);
    return diverging ? ColorMapId::Signed : ColorMapId::Viridis;
}

/// Turns values of one panel into colours.
class Colors {
public:
    explicit Colors(const TracePanel& panel, double limit)
        : m_kind(panel.kind),
          m_table(&colorTable(mapOf(panel, hasNegative(panel)))),
          m_limit(limit),
          m_kept(Theme::current().fill.rgb()),
          m_removed(Theme::current().canvas.rgb()) {}

    [[nodiscard]] QRgb operator()(double value) const {
        if (m_kind == PanelKind::Mask) {
            return value != 0 ? m_kept : m_removed;
        }
        if (std::isnan(value)) {
            return qRgb(0, 0, 0);
        }
        const auto last = static_cast<double>(m_table->entries.size() - 1);
        const double share = m_limit > 0 ? value / m_limit : 0;
        const double place = m_table->diverging ? (share + 1) / 2 : share;
        if (place > 1 + 1e-9) {
            return m_table->above;
        }
        if (place < -1e-9) {
            return m_table->below;
        }
        return m_table
            ->entries[static_cast<std::size_t>(std::lround(std::clamp(place, 0.0, 1.0) * last))];
    }
    [[nodiscard]] const ColorTable& table() const { return *m_table; }

private:
    PanelKind m_kind;
    const ColorTable* m_table;
    double m_limit;
    QRgb m_kept;
    QRgb m_removed;
};

QString valueText(const TracePanel& panel, double value, double limit) {
    if (panel.kind == PanelKind::Codes || panel.kind == PanelKind::Mask) {
        return value == std::floor(value) && std::fabs(value) < 1e9
                   ? QString::number(static_cast<qint64>(value))
                         .replace(QLatin1Char('-'), QChar(0x2212))
                   : formatNumber(value, 3);
    }
    // What is left of a difference of equal numbers is no number to print.
    return std::fabs(value) < 1e-9 * limit ? QStringLiteral("0") : cellText(value, limit);
}

/// Does every value of the panel fit its cell as text?
bool printsValues(const PlacedPanel& placed) {
    if (placed.cellHeight < Theme::px(kTextHeightFrom)) {
        return false;
    }
    if (placed.panel->kind == PanelKind::Codes) {
        const double widest = textWidth(
            QString::number(-static_cast<qint64>(limitOf(*placed.panel))), TextRole::NumberAxis);
        return placed.cellWidth >= widest + Theme::px(4);
    }
    return placed.panel->kind != PanelKind::Mask && placed.cellWidth >= Theme::px(kTextFrom);
}

/// The places of a region in a panel: clipped, and all rows where the region spans the first
/// panel's.
std::optional<TraceRegion> inPanel(const TraceRegion& region,
                                   const PlacedPanel& placed,
                                   const PlacedPanel& first) {
    if (!region.panel.empty() && region.panel != placed.panel->id) {
        return std::nullopt;
    }
    if (region.panel.empty() && placed.cols() != first.cols()) {
        return std::nullopt;
    }
    TraceRegion part = region;
    if (region.panel.empty() && region.row == 0 && region.rows >= first.rows()) {
        part.rows = placed.rows();
    }
    const std::int64_t bottom = std::min(part.row + part.rows, placed.rows());
    const std::int64_t right = std::min(part.col + part.cols, placed.cols());
    part.row = std::max<std::int64_t>(0, part.row);
    part.col = std::max<std::int64_t>(0, part.col);
    part.rows = bottom - part.row;
    part.cols = right - part.col;
    return part.rows > 0 && part.cols > 0 ? std::optional(part) : std::nullopt;
}

/// The cells of one kind in one panel, however many regions they come from.
class CellSet {
public:
    CellSet(std::int64_t rows, std::int64_t cols)
        : m_rows(rows), m_cols(cols), m_in(static_cast<std::size_t>(rows * cols), 0) {}
    void add(const TraceRegion& region) {
        m_any = true;
        for (std::int64_t row = region.row; row < region.row + region.rows; ++row) {
            std::fill_n(m_in.begin() + row * m_cols + region.col, region.cols, char{1});
        }
    }
    [[nodiscard]] bool any() const { return m_any; }
    [[nodiscard]] bool contains(std::int64_t row, std::int64_t col) const {
        return row >= 0 && col >= 0 && row < m_rows && col < m_cols &&
               m_in[static_cast<std::size_t>(row * m_cols + col)] != 0;
    }
    /// Does the set hold every row of that column?
    [[nodiscard]] bool wholeColumn(std::int64_t col) const {
        for (std::int64_t row = 0; row < m_rows; ++row) {
            if (!contains(row, col)) {
                return false;
            }
        }
        return true;
    }
    /// The edges between cells inside and outside, in as few lines as possible.
    [[nodiscard]] QVector<QLineF> outline(const PlacedPanel& placed) const {
        QVector<QLineF> lines;
        const QPointF origin = placed.cells.topLeft() - QPointF(0.5, 0.5);
        const auto at = [&](std::int64_t row, std::int64_t col) {
            return origin + QPointF(static_cast<double>(col) * placed.cellWidth,
                                    static_cast<double>(row) * placed.cellHeight);
        };
        for (std::int64_t row = 0; row <= m_rows; ++row) {
            runs(
                m_cols,
                [&](std::int64_t col) { return contains(row - 1, col) != contains(row, col); },
                [&](std::int64_t from, std::int64_t to) {
                    lines << QLineF(at(row, from), at(row, to));
                });
        }
        for (std::int64_t col = 0; col <= m_cols; ++col) {
            runs(
                m_rows,
                [&](std::int64_t row) { return contains(row, col - 1) != contains(row, col); },
                [&](std::int64_t from, std::int64_t to) {
                    lines << QLineF(at(from, col), at(to, col));
                });
        }
        return lines;
    }
    template <class Each>
    void forEach(Each each) const {
        for (std::int64_t row = 0; row < m_rows; ++row) {
            for (std::int64_t col = 0; col < m_cols; ++col) {
                if (contains(row, col)) {
                    each(row, col);
                }
            }
        }
    }

private:
    template <class Is, class Run>
    static void runs(std::int64_t count, Is is, Run run) {
        std::int64_t from = -1;
        for (std::int64_t i = 0; i <= count; ++i) {
            const bool edge = i < count && is(i);
            if (edge && from < 0) {
                from = i;
            } else if (!edge && from >= 0) {
                run(from, i);
                from = -1;
            }
        }
    }

    std::int64_t m_rows;
    std::int64_t m_cols;
    bool m_any = false;
    std::vector<char> m_in;
};

constexpr int kKinds = 6;

/// All marks of one panel.
struct Marks {
    std::vector<CellSet> sets;  ///< by RegionKind
    [[nodiscard]] CellSet& of(RegionKind kind) { return sets[static_cast<std::size_t>(kind)]; }
    [[nodiscard]] const CellSet& of(RegionKind kind) const {
        return sets[static_cast<std::size_t>(kind)];
    }
};

Marks marksOf(const TraceState& state, const PlacedPanel& placed, const PlacedPanel& first) {
    Marks marks{std::vector<CellSet>(kKinds, CellSet(placed.rows(), placed.cols()))};
    for (const TraceRegion& region : state.regions) {
        if (const auto part = inPanel(region, placed, first)) {
            marks.of(region.kind).add(*part);
        }
    }
    return marks;
}

void paintCells(QPainter& painter, const PlacedPanel& placed, const Marks& marks) {
    const TracePanel& panel = *placed.panel;
    const double limit = limitOf(panel);
    const Colors colors(panel, limit);
    // Lines between small cells would weigh more than the cells, above all on a dark canvas.
    const double least = Theme::current().dark ? 11 : 6;
    const bool gaps = placed.cellWidth >= least && placed.cellHeight >= least;
    const bool text = printsValues(placed);
    const bool large = placed.cellWidth >= Theme::px(kLargeTextFrom) &&
                       placed.cellHeight >= Theme::px(kLargeTextHeightFrom);
    const bool huge = placed.cellWidth >= Theme::px(kHugeTextFrom) &&
                      placed.cellHeight >= Theme::px(kHugeTextHeightFrom);
    QFont font = Theme::font(large ? TextRole::Number : TextRole::NumberAxis);
    font.setPixelSize(huge ? Theme::px(17) : font.pixelSize());
    painter.setFont(font);
    for (std::int64_t row = 0; row < placed.rows(); ++row) {
        for (std::int64_t col = 0; col < placed.cols(); ++col) {
            const double value = (*panel.values)(row, col);
            QRectF cell = placed.cell(row, col);
            if (gaps) {
                cell.adjust(0, 0, -1, -1);
            }
            const QRgb color = colors(value);
            painter.fillRect(cell, QColor(color));
            if (panel.kind == PanelKind::Mask && value == 0 && gaps) {
                painter.setPen(Theme::current().line);
                painter.drawRect(cell.adjusted(0, 0, -1, -1));
            }
            if (text && !marks.of(RegionKind::Pruned).contains(row, col)) {
                painter.setPen(QColor::fromRgb(textColorOn(color)));
                painter.drawText(cell, Qt::AlignCenter, valueText(panel, value, limit));
            }
        }
    }
}

/// A line that is seen on every colour.
void strokeTwice(QPainter& painter,
                 const QVector<QLineF>& lines,
                 const QColor& color,
                 double width) {
    painter.setPen(QPen(Theme::current().canvas, width + 2, Qt::SolidLine, Qt::SquareCap));
    painter.drawLines(lines);
    painter.setPen(QPen(color, width, Qt::SolidLine, Qt::SquareCap));
    painter.drawLines(lines);
}

bool isStill(const TracePanel& panel, const TraceRegion& region) {
    for (std::int64_t row = region.row; row < region.row + region.rows; ++row) {
        for (std::int64_t col = region.col; col < region.col + region.cols; ++col) {
            if ((*panel.values)(row, col) != 0) {
                return false;
            }
        }
    }
    return true;
}

/// What is finished: a bar along the upper edge; where nothing is left to show, a grey field.
void paintDone(QPainter& painter,
               const TraceState& state,
               const PlacedPanel& placed,
               const PlacedPanel& first) {
    const Theme& theme = Theme::current();
    for (const TraceRegion& region : state.regions) {
        const auto part =
            region.kind == RegionKind::Done ? inPanel(region, placed, first) : std::nullopt;
        if (!part || placed.panel->kind == PanelKind::Bars) {
            continue;
        }
        const QRectF block = placed.block(part->row, part->col, part->rows, part->cols);
        const bool still = &placed != &first && isStill(*placed.panel, *part);
        if (still) {
            painter.fillRect(block, theme.raised);
            const QString label = toQ(region.label.empty() ? std::string() : region.label);
            if (!label.isEmpty() &&
                textWidth(label, TextRole::Small) + Theme::px(12) < block.width() &&
                block.height() > lineHeight(TextRole::Small)) {
                drawTextLine(painter, block, Qt::AlignCenter, label, TextRole::Small, theme.text2);
            }
        } else if (part->rows == placed.rows()) {
            painter.fillRect(QRectF(block.left(), block.top() - 3, block.width() - 1, 2.5),
                             theme.text);
        }
    }
}

void paintMarks(QPainter& painter, const PlacedPanel& placed, const Marks& marks) {
    const Theme& theme = Theme::current();
    const bool room = placed.cellWidth >= 9 && placed.cellHeight >= 9;
    const Colors colors(*placed.panel, limitOf(*placed.panel));
    if (marks.of(RegionKind::Group).any()) {
        strokeTwice(painter, marks.of(RegionKind::Group).outline(placed), theme.text2, 1.5);
    }
    marks.of(RegionKind::Clamped).forEach([&](std::int64_t row, std::int64_t col) {
        const QRectF cell = placed.cell(row, col);
        const double side = std::min({cell.width(), cell.height(), double(Theme::px(9))});
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(QPen(theme.canvas, 1));
        painter.setBrush(theme.text);
        painter.drawPolygon(QPolygonF({cell.topRight() - QPointF(side + 1, 0),
                                       cell.topRight() - QPointF(1, 0),
                                       cell.topRight() + QPointF(-1, side)}));
        painter.setRenderHint(QPainter::Antialiasing, false);
    });
    painter.setRenderHint(QPainter::Antialiasing);
    marks.of(RegionKind::Pruned).forEach([&](std::int64_t row, std::int64_t col) {
        const QRectF cell = placed.cell(row, col).adjusted(0, 0, -1, -1);
        const double half = std::min(cell.width(), cell.height()) * (room ? 0.26 : 0.32);
        const QPointF c = cell.center();
        const auto cross = [&](const QPen& pen) {
            painter.setPen(pen);
            painter.drawLine(c - QPointF(half, half), c + QPointF(half, half));
            painter.drawLine(c - QPointF(half, -half), c + QPointF(half, -half));
        };
        const QRgb color = colors((*placed.panel->values)(row, col));
        cross(QPen(QColor::fromRgb(textColorOn(color)), room ? 1.5 : 1));
    });
    painter.setRenderHint(QPainter::Antialiasing, false);
    const CellSet& outliers = marks.of(RegionKind::Outlier);
    if (outliers.any()) {
        bool columns = true;
        outliers.forEach([&](std::int64_t, std::int64_t col) {
            columns = columns && outliers.wholeColumn(col);
        });
        if (!columns) {
            strokeTwice(painter, outliers.outline(placed), theme.outlier, 1.5);
        }
    }
    if (marks.of(RegionKind::Current).any()) {
        strokeTwice(painter, marks.of(RegionKind::Current).outline(placed), theme.text, 2);
    }
}

void paintRowLabels(QPainter& painter, const PlacedPanel& placed, std::int64_t followed) {
    const Theme& theme = Theme::current();
    const double line = lineHeight(TextRole::NumberAxis);
    std::int64_t step = 1;
    while (static_cast<double>(step) * placed.cellHeight <
           line * (placed.cellHeight > line ? 1 : 3.5)) {
        step *= 2;
    }
    const auto label = [&](std::int64_t row, bool strong) {
        const QRectF cell = placed.cell(row, 0);
        const QRectF area(
            0, cell.center().y() - line / 2, placed.cells.left() - Theme::px(7), line);
        QFont font = Theme::font(TextRole::NumberAxis);
        font.setBold(strong);
        painter.setFont(font);
        painter.setPen(strong ? theme.text : theme.text3);
        painter.drawText(area, Qt::AlignRight | Qt::AlignVCenter, QString::number(row));
    };
    for (std::int64_t row = 0; row < placed.rows(); row += step) {
        if (followed < 0 ||
            std::fabs(static_cast<double>(row - followed)) * placed.cellHeight >= line * 0.9) {
            label(row, false);
        }
    }
    if (followed >= 0 && followed < placed.rows()) {
        label(followed, true);
    }
}

/// Numbers over the columns, with the current ones in bold and diamonds over outlier channels.
void paintColumnLabels(QPainter& painter, const PlacedPanel& placed, const Marks& marks) {
    const Theme& theme = Theme::current();
    const auto widest = [&] {
        std::int64_t most = placed.cols() - 1;
        if (placed.panel->columnOrder != nullptr && !placed.panel->columnOrder->empty()) {
            most = *std::max_element(placed.panel->columnOrder->begin(),
                                     placed.panel->columnOrder->end());
        }
        return textWidth(QString::number(most), TextRole::NumberAxis);
    };
    const double need = widest() + Theme::px(8);
    const bool natural = placed.panel->columnOrder == nullptr;
    std::int64_t step = 1;
    while (static_cast<double>(step) * placed.cellWidth < need * (step == 1 ? 1
                                                                  : natural ? 2.5
                                                                            : 1)) {
        step *= 2;
    }
    std::vector<double> taken;
    const auto isFree = [&](double x) {
        return std::all_of(taken.begin(), taken.end(), [&](double other) {
            return std::fabs(other - x) >= need * 0.85;
        });
    };
    const auto label = [&](std::int64_t col, bool strong) {
        const double x = placed.cell(0, col).center().x();
        if (!isFree(x)) {
            return;
        }
        taken.push_back(x);
        QFont font = Theme::font(TextRole::NumberAxis);
        font.setBold(strong);
        painter.setFont(font);
        painter.setPen(strong ? theme.text : theme.text3);
        painter.drawText(QRectF(x - need,
                                placed.columnLabels.top(),
                                2 * need,
                                placed.columnLabels.height() - Theme::px(4)),
                         Qt::AlignHCenter | Qt::AlignBottom,
                         QString::number(placed.originalColumn(col)));
    };
    const CellSet& outliers = marks.of(RegionKind::Outlier);
    const CellSet& current = marks.of(RegionKind::Current);
    for (std::int64_t col = 0; col < placed.cols(); ++col) {
        const double x = placed.cell(0, col).center().x();
        if (current.any() && current.wholeColumn(col)) {
            label(col, true);
        } else if (outliers.any() && outliers.wholeColumn(col)) {
            painter.setRenderHint(QPainter::Antialiasing);
            drawDiamond(painter,
                        QPointF(x, placed.columnLabels.bottom() - Theme::px(9)),
                        Theme::px(4),
                        theme.outlier);
            painter.setRenderHint(QPainter::Antialiasing, false);
            taken.push_back(x);
        }
    }
    for (std::int64_t col = 0; col < placed.cols(); col += step) {
        label(col, false);
    }
}

void paintBars(QPainter& painter, const PlacedPanel& placed, const Marks& marks) {
    const Theme& theme = Theme::current();
    const TracePanel& panel = *placed.panel;
    double low = 0;
    double high = 0;
    std::int64_t largest = 0;
    for (std::int64_t col = 0; col < placed.cols(); ++col) {
        const double value = (*panel.values)(0, col);
        if (!std::isfinite(value)) {
            continue;
        }
        low = std::min(low, value);
        high = std::max(high, value);
        if (std::fabs(value) > std::fabs((*panel.values)(0, largest))) {
            largest = col;
        }
    }
    if (panel.limit > 0) {
        high = high > 0 ? std::max(high, panel.limit) : high;
        low = low < 0 ? std::min(low, -panel.limit) : low;
    }
    const double span = high > low ? high - low : 1;
    const QRectF area = placed.cells.adjusted(0, Theme::px(4), 0, -Theme::px(2));
    const auto yOf = [&](double value) {
        return area.bottom() - (value - low) / span * area.height();
    };
    const double zero = std::round(yOf(0)) + 0.5;
    painter.setPen(theme.border);
    painter.drawLine(QPointF(area.left(), zero), QPointF(area.right(), zero));
    drawTextLine(painter,
                 QRectF(0, zero - Theme::px(8), area.left() - Theme::px(7), Theme::px(16)),
                 Qt::AlignRight,
                 QStringLiteral("0"),
                 TextRole::NumberAxis,
                 theme.text3);
    const CellSet& current = marks.of(RegionKind::Current);
    const CellSet& outliers = marks.of(RegionKind::Outlier);
    const double gap = placed.cellWidth >= 5 ? 1 : 0;
    for (std::int64_t col = 0; col < placed.cols(); ++col) {
        const double value = (*panel.values)(0, col);
        if (!std::isfinite(value)) {
            continue;
        }
        const double y = yOf(value);
        const QRectF cell = placed.cell(0, col);
        painter.fillRect(
            QRectF(cell.left(), std::min(y, zero), cell.width() - gap, std::fabs(y - zero)),
            current.contains(0, col)    ? theme.text
            : outliers.contains(0, col) ? theme.outlier
                                        : theme.fill);
    }
    // One number, so that the bars have a scale: the current column's, else the largest.
    std::int64_t told = largest;
    for (std::int64_t col = 0; col < placed.cols(); ++col) {
        if (current.contains(0, col)) {
            told = col;
            break;
        }
    }
    const double value = (*panel.values)(0, told);
    const QString text = formatNumber(value, 3);
    const double width = textWidth(text, TextRole::NumberAxis);
    const QRectF cell = placed.cell(0, told);
    const bool left = cell.left() - width - Theme::px(6) > area.left();
    const double y = value >= 0 ? std::max(area.top(), yOf(value))
                                : std::min(area.bottom(), yOf(value)) - Theme::px(14);
    drawTextLine(
        painter,
        left
            ? QRectF(cell.left() - width - Theme::px(8), y - Theme::px(2), width + 2, Theme::px(15))
            : QRectF(cell.right() + Theme::px(6), y - Theme::px(2), width + 2, Theme::px(15)),
        Qt::AlignLeft,
        text,
        TextRole::NumberAxis,
        theme.text);
}

/// One entry of the legend over the first panel.
struct LegendItem {
    RegionKind kind;
    QString text;
};

QString nameOf(RegionKind kind) {
    switch (kind) {
        case RegionKind::Current:
            return tr("this step");
        case RegionKind::Done:
            return tr("finished");
        case RegionKind::Group:
            return tr("one group");
        case RegionKind::Outlier:
            return tr("outlier channel");
        case RegionKind::Clamped:
            return tr("clamped");
        case RegionKind::Pruned:
            return tr("removed");
    }
    return {};
}

std::vector<LegendItem> legendOf(const TraceState& state, const PanelPage& page) {
    std::vector<LegendItem> items;
    for (const RegionKind kind : {RegionKind::Done,
                                  RegionKind::Current,
                                  RegionKind::Group,
                                  RegionKind::Outlier,
                                  RegionKind::Clamped,
                                  RegionKind::Pruned}) {
        const auto seen = std::find_if(
            state.regions.begin(), state.regions.end(), [&](const TraceRegion& region) {
                return region.kind == kind &&
                       std::any_of(page.panels.begin(), page.panels.end(), [&](const auto& placed) {
                           return inPanel(region, placed, page.panels.front()).has_value();
                       });
            });
        if (seen != state.regions.end()) {
            const bool own = kind == RegionKind::Current && !seen->label.empty();
            items.push_back({kind, own ? toQ(seen->label) : nameOf(kind)});
        }
    }
    return items;
}

void paintLegendMark(QPainter& painter, RegionKind kind, const QRectF& box) {
    const Theme& theme = Theme::current();
    const QPointF c = box.center();
    const double r = Theme::px(4);
    painter.setBrush(Qt::NoBrush);
    switch (kind) {
        case RegionKind::Done:
            painter.fillRect(QRectF(box.left(), c.y() - 1.5, box.width(), 3), theme.text);
            break;
        case RegionKind::Current:
            painter.setPen(QPen(theme.text, 2));
            painter.drawRect(QRectF(c.x() - r, c.y() - r * 1.25, 2 * r, 2.5 * r));
            break;
        case RegionKind::Group:
            painter.setPen(QPen(theme.text2, 1.5));
            painter.drawRect(QRectF(box.left() + 1, c.y() - r, box.width() - 2, 2 * r));
            break;
        case RegionKind::Outlier:
            drawDiamond(painter, c, r, theme.outlier);
            break;
        case RegionKind::Clamped:
            painter.setPen(Qt::NoPen);
            painter.setBrush(theme.text);
            painter.drawPolygon(
                QPolygonF({c + QPointF(-r, -r), c + QPointF(r, -r), c + QPointF(r, r)}));
            break;
        case RegionKind::Pruned:
            painter.setPen(QPen(theme.text, 1.5));
            painter.drawLine(c - QPointF(r, r), c + QPointF(r, r));
            painter.drawLine(c - QPointF(r, -r), c + QPointF(r, -r));
            break;
    }
}

/// The legend, right-aligned; what has no room from the left is left out. Returns where it begins.
double paintLegend(QPainter& painter,
                   const std::vector<LegendItem>& items,
                   const QRectF& row,
                   double leftEnd) {
    double right = row.right();
    const double mark = Theme::px(14);
    for (auto item = items.rbegin(); item != items.rend(); ++item) {
        const double width = mark + Theme::px(6) + textWidth(item->text, TextRole::Small) + 2;
        if (right - width < leftEnd) {
            break;
        }
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        paintLegendMark(painter, item->kind, QRectF(right - width, row.top(), mark, row.height()));
        painter.restore();
        drawTextLine(painter,
                     QRectF(right - width + mark + Theme::px(6), row.top(), width, row.height()),
                     Qt::AlignLeft,
                     item->text,
                     TextRole::Small,
                     Theme::current().text2);
        right -= width + Theme::px(14);
    }
    return right;
}

/// "−.006 ▬▬▬ .006"; returns where it begins.
double paintScale(
    QPainter& painter, const PlacedPanel& placed, const QRectF& row, double right, double leftEnd) {
    const TracePanel& panel = *placed.panel;
    const double limit = limitOf(panel);
    if (panel.kind == PanelKind::Mask || panel.kind == PanelKind::Bars || !(limit > 0)) {
        return right;
    }
    const Colors colors(panel, limit);
    const bool codes = panel.kind == PanelKind::Codes;
    const QString high =
        codes ? QString::number(static_cast<qint64>(limit)) : cellText(limit, limit);
    const QString low = colors.table().diverging ? QChar(0x2212) + high : QStringLiteral("0");
    const double bar = Theme::px(90);
    const double lowWidth = textWidth(low, TextRole::NumberAxis);
    const double highWidth = textWidth(high, TextRole::NumberAxis);
    const double left = right - bar - lowWidth - highWidth - Theme::px(12);
    if (left < leftEnd) {
        return right;
    }
    const Theme& theme = Theme::current();
    drawTextLine(painter,
                 QRectF(left, row.top(), lowWidth + 2, row.height()),
                 Qt::AlignLeft,
                 low,
                 TextRole::NumberAxis,
                 theme.text2);
    const auto& entries = colors.table().entries;
    const QRectF box(
        left + lowWidth + Theme::px(6), row.center().y() - Theme::px(5), bar, Theme::px(10));
    for (int x = 0; x < static_cast<int>(bar); ++x) {
        const auto index = static_cast<std::size_t>(x / bar * static_cast<double>(entries.size()));
        painter.fillRect(QRectF(box.left() + x, box.top(), 1, box.height()),
                         QColor(entries[index]));
    }
    drawTextLine(painter,
                 QRectF(box.right() + Theme::px(6), row.top(), highWidth + 2, row.height()),
                 Qt::AlignLeft,
                 high,
                 TextRole::NumberAxis,
                 theme.text2);
    return left;
}

void paintHeader(QPainter& painter,
                 const TraceState& state,
                 const PlacedPanel& placed,
                 const PanelPage& page) {
    const Theme& theme = Theme::current();
    const QRectF row = placed.header.adjusted(0, 0, -Theme::px(4), -Theme::px(4));
    const QString title = toQ(placed.panel->title);
    const double titleWidth = drawBoardLine(&painter, row, title, TextRole::Heading, theme.text);
    const double leftEnd = row.left() + titleWidth + Theme::px(16);
    double right = row.right();
    if (&placed == &page.panels.front()) {
        right = paintLegend(painter, legendOf(state, page), row, leftEnd);
    }
    right = paintScale(painter, placed, row, right, leftEnd);
    const double room = right - leftEnd;
    if (room > Theme::px(60)) {
        const QFontMetricsF metrics(Theme::font(TextRole::Small));
        drawTextLine(painter,
                     QRectF(leftEnd - Theme::px(6), row.top(), room, row.height()),
                     Qt::AlignLeft,
                     metrics.elidedText(toQ(placed.panel->subtitle), Qt::ElideRight, room),
                     TextRole::Small,
                     theme.text3);
    }
}

void paintFollowed(QPainter& painter,
                   const PlacedPanel& placed,
                   const PlacedPanel& first,
                   const PanelMarks& marks) {
    if (!marks.showCell || placed.panel->kind == PanelKind::Bars || placed.rows() != first.rows() ||
        placed.cols() != first.cols()) {
        return;
    }
    const Theme& theme = Theme::current();
    painter.setBrush(Qt::NoBrush);
    if (placed.rows() > 1) {
        const QRectF row =
            placed.block(marks.cell.row, 0, 1, placed.cols()).adjusted(-3, -1.5, 2, 0.5);
        painter.setPen(QPen(theme.text, 1));
        painter.drawRect(row);
    }
    const QRectF cell =
        placed.cell(marks.cell.row, marks.cell.col).adjusted(-0.5, -0.5, -0.5, -0.5);
    painter.setPen(QPen(theme.canvas, 4));
    painter.drawRect(cell);
    painter.setPen(QPen(theme.text, 2));
    painter.drawRect(cell);
}

}  // namespace

void paintPanels(QPainter& painter,
                 const TraceState& state,
                 const PanelPage& page,
                 const PanelMarks& marks) {
    if (page.panels.empty()) {
        return;
    }
    const PlacedPanel& first = page.panels.front();
    for (const PlacedPanel& placed : page.panels) {
        const Marks regions = marksOf(state, placed, first);
        paintHeader(painter, state, placed, page);
        if (!placed.columnLabels.isEmpty()) {
            paintColumnLabels(painter, placed, regions);
        }
        if (placed.panel->kind == PanelKind::Bars) {
            paintBars(painter, placed, regions);
            continue;
        }
        const bool followed = marks.showCell && placed.rows() == first.rows();
        paintRowLabels(painter, placed, followed ? marks.cell.row : -1);
        paintCells(painter, placed, regions);
        paintDone(painter, state, placed, first);
        paintMarks(painter, placed, regions);
        paintFollowed(painter, placed, first, marks);
    }
}

}  // namespace loupe::app
