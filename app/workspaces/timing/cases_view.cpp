// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/cases_view.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/timing/roofline.hpp"
#include "app/workspaces/timing/timing_model.hpp"

#include <QContextMenuEvent>
#include <QKeyEvent>
#include <QMenu>
#include <QPainter>

#include <algorithm>
#include <cmath>
#include <functional>

namespace loupe::app {

namespace {

QString toQ(const std::string& text) {
    return QString::fromStdString(text);
}

QString elided(const QString& text, TextRole role, double width) {
    return QFontMetricsF(Theme::font(role)).elidedText(text, Qt::ElideMiddle, width);
}

/// A round bound above the largest, so that the axis ends with a tick.
double niceTop(double largest) {
    const std::vector<double> ticks = niceTicks(0, largest * 1.0001, 5);
    const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : largest;
    return std::ceil(largest / step - 1e-9) * step;
}

TimeUnit unitOf(const CaseTable& table) {
    double largest = 0;
    double smallest = 1e300;
    for (const CaseRow& row : table.rows) {
        if (row.measured) {
            largest = std::max(largest, row.measured->timing->medianUs);
            smallest = std::min(smallest, row.measured->timing->medianUs);
        }
    }
    return timeUnitFor(largest, smallest);
}

/// The largest figure of the counted column.
double mostCounted(const CaseTable& table) {
    std::uint64_t most = 1;
    for (const CaseRow& row : table.rows) {
        if (row.counted) {
            const gpu::CountRecord& counts = *row.counted->counts;
            most = std::max({most, counts.requestedBytes, counts.sectorBytes, counts.dramBytes});
        }
    }
    return static_cast<double>(most);
}

struct ByteUnit {
    QString name;
    double bytes = 1;
};

/// One unit for the whole column.
ByteUnit byteUnitFor(double most) {
    return most >= 1e9   ? ByteUnit{QStringLiteral("GB"), 1e9}
           : most >= 1e6 ? ByteUnit{QStringLiteral("MB"), 1e6}
                         : ByteUnit{QStringLiteral("kB"), 1e3};
}

TimeUnit modelUnit(const CaseTable& table) {
    double largest = 0;
    double smallest = 1e300;
    for (const CaseRow& row : table.rows) {
        if (row.model) {
            largest = std::max(largest, row.model->us);
            smallest = std::min(smallest, row.model->us);
        }
    }
    return timeUnitFor(largest, smallest);
}

}  // namespace

CasesView::CasesView(TimingModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("cases"));
    setAccessibleName(tr("Cases"));
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    connect(&model, &TimingModel::shownChanged, this, [this] {
        updateGeometry();
        setMinimumHeight(static_cast<int>(fullHeight()));
        update();
    });
    connect(&model, &TimingModel::selectionChanged, this, [this] {
        setAccessibleDescription(sentence(m_model.selected()));
        update();
    });
}

QSize CasesView::sizeHint() const {
    return {Theme::px(724), static_cast<int>(fullHeight())};
}

QSize CasesView::minimumSizeHint() const {
    return {Theme::px(300), Theme::px(96)};
}

double CasesView::fullHeight() const {
    const Columns columns = layoutColumns(QRectF(rect()));
    const double rows = std::max<double>(1, double(m_model.cases().rows.size()));
    return columns.top + rows * columns.pitch + lineHeight(TextRole::NumberAxis) +
           lineHeight(TextRole::Caption) + Theme::px(20);
}

CasesView::Columns CasesView::layoutColumns(const QRectF& target) const {
    const CaseTable& table = m_model.cases();
    Columns c;
    c.top = target.top() + lineHeight(TextRole::Caption) + Theme::px(12);
    // Name and kernel; a bar with its words; the dots under it.
    c.pitch = 2 * lineHeight(TextRole::Small) + Theme::px(table.oneShape ? 14 : 16);
    double widest = Theme::px(60);
    for (const CaseRow& row : table.rows) {
        widest = std::max(widest, textWidth(row.format, TextRole::Body));
        widest = std::max(widest, textWidth(row.kernel, TextRole::Caption));
        if (!table.oneShape) {
            widest = std::max(widest, textWidth(row.shape, TextRole::Caption));
        }
    }
    c.name = std::min(widest + Theme::px(4), target.width() * 0.24);
    const double left = target.left() + c.name + Theme::px(12);
    double right = target.right();
    const bool counted = table.hasCounted();
    const bool model = table.hasModel();
    const double gap = Theme::px(20);
    if (model) {
        const double width = std::min(double(Theme::px(150)), target.width() * 0.17);
        c.model = QRectF(right - width, 0, width, 1);
        right -= width + gap;
    }
    if (counted) {
        // Without times the bytes have the room, but for the words that say so.
        const double words = textWidth(tr("not measured"), TextRole::Small) + gap;
        const double width = table.hasMeasured()
                                 ? std::min(double(Theme::px(210)), target.width() * 0.23)
                                 : std::max(target.width() * 0.3,
                                            std::min(target.width() * 0.46, right - left - words));
        c.counted = QRectF(right - width, 0, width, 1);
        right -= width + gap;
    }
    c.measured = QRectF(left, 0, std::max(40.0, right - left), 1);
    return c;
}

double CasesView::largestMeasured() const {
    double largest = 0;
    for (const CaseRow& row : m_model.cases().rows) {
        if (row.measured) {
            const gpu::TimingRecord& timing = *row.measured->timing;
            largest = std::max({largest,
                                timing.medianUs,
                                timing.q3Us,
                                timing.p95Us,
                                row.measured->derived.floorUs});
        }
    }
    return largest;
}

void CasesView::paintHeader(QPainter& painter, const Columns& c, const QRectF& target) const {
    const Theme& theme = Theme::current();
    const CaseTable& table = m_model.cases();
    const double line = lineHeight(TextRole::Caption);
    const auto head = [&](const QRectF& column, const QString& kind, const QString& what) {
        QFont bold = Theme::font(TextRole::Caption);
        bold.setWeight(QFont::DemiBold);
        painter.setFont(bold);
        painter.setPen(theme.text);
        const double width = QFontMetricsF(bold).horizontalAdvance(kind);
        const double y = target.top() + 2;
        painter.drawText(QRectF(column.left(), y, width + 2, line),
                         Qt::AlignLeft | Qt::AlignVCenter | Qt::TextSingleLine,
                         kind);
        drawTextLine(painter,
                     QRectF(column.left() + width, y, column.width() - width, line),
                     Qt::AlignLeft,
                     elided(what, TextRole::Caption, column.width() - width),
                     TextRole::Caption,
                     theme.text3);
    };
    if (table.hasMeasured()) {
        QString where = table.machines.size() == 1
                            ? table.machineNames.front().section(QStringLiteral(" · "), 0, 0)
                            : tr("%1 machines").arg(table.machines.size());
        bool cold = false;
        bool warm = false;
        for (const CaseRow& row : table.rows) {
            if (row.measured) {
                (row.measured->timing->cache == gpu::CacheState::Cold ? cold : warm) = true;
            }
        }
        const QString cache = cold && warm ? tr("cold and warm cache")
                              : cold       ? tr("cold cache")
                                           : tr("warm cache");
        head(c.measured,
             tr("measured"),
             tr(" · time, %1, %2 · %3").arg(unitOf(table).name, cache, where));
    } else if (c.measured.width() > textWidth(tr("measured"), TextRole::Small)) {
        head(c.measured, tr("measured"), tr(" · nothing yet"));
    }
    if (table.hasCounted()) {
        head(c.counted, tr("counted"), tr(" · %1 moved").arg(byteUnitFor(mostCounted(table)).name));
    }
    if (table.hasModel() && m_model.preset() != nullptr) {
        head(c.model,
             tr("model"),
             QStringLiteral(" · %1, %2").arg(m_model.preset()->title, modelUnit(table).name));
    }
}

void CasesView::paintName(
    QPainter& painter, const Columns& c, int row, double y, const QRectF& target) const {
    const Theme& theme = Theme::current();
    const CaseTable& table = m_model.cases();
    const CaseRow& each = table.rows[static_cast<std::size_t>(row)];
    const bool selected = row == m_model.selected();
    const double line = lineHeight(TextRole::Small);
    QFont font = Theme::font(TextRole::Body);
    font.setWeight(selected ? QFont::DemiBold : QFont::Normal);
    painter.setFont(font);
    painter.setPen(selected ? theme.schemeA : theme.text);
    const double left = target.left();
    painter.drawText(QRectF(left, y, c.name, line),
                     Qt::AlignRight | Qt::AlignVCenter | Qt::TextSingleLine,
                     QFontMetricsF(font).elidedText(each.format, Qt::ElideMiddle, c.name));
    QString below = each.kernel;
    if (!table.oneShape) {
        below = each.shape;
    }
    if (table.machines.size() > 1 && each.measured) {
        below = machineText(*each.measured);
    }
    drawTextLine(painter,
                 QRectF(left, y + line, c.name, line),
                 Qt::AlignRight,
                 elided(below, TextRole::Caption, c.name),
                 TextRole::Caption,
                 theme.text3);
}

namespace {

/// Quartiles, floor and every single run of a bar; the right edge of what was drawn beside it.
double paintMarks(QPainter& painter,
                  const gpu::RunRecord& record,
                  const QRectF& bar,
                  const std::function<double(double)>& x,
                  const QColor& color) {
    const Theme& theme = Theme::current();
    const gpu::TimingRecord& timing = *record.timing;
    const double floorUs = record.derived.floorUs;
    painter.setRenderHint(QPainter::Antialiasing);
    // Quartiles, over the bar and beyond it.
    const double middle = std::round(bar.center().y()) + 0.5;
    painter.setPen(QPen(theme.canvas, 3));
    painter.drawLine(QPointF(x(timing.q1Us), middle), QPointF(x(timing.medianUs), middle));
    painter.setPen(QPen(theme.text, 1));
    painter.drawLine(QPointF(x(timing.q1Us), middle), QPointF(x(timing.q3Us), middle));
    for (const double q : {timing.q1Us, timing.q3Us}) {
        painter.drawLine(QPointF(x(q), middle - 3), QPointF(x(q), middle + 3));
    }
    double end = std::max(bar.right(), x(timing.q3Us));
    if (floorUs > 0) {
        const double floor = x(floorUs);
        painter.fillRect(QRectF(floor - 2.5, bar.top() - 3, 5, bar.height() + 6), theme.canvas);
        painter.fillRect(QRectF(floor - 1.25, bar.top() - 3, 2.5, bar.height() + 6), theme.warning);
        end = std::max(end, floor + 2);
    }
    // Every single run under the bar, shaken apart by its place in the order.
    painter.setPen(Qt::NoPen);
    QColor dot = color;
    dot.setAlphaF(0.65F);
    painter.setBrush(dot);
    const double dots = bar.bottom() + Theme::px(5);
    for (std::size_t i = 0; i < timing.samplesUs.size(); ++i) {
        painter.drawEllipse(QPointF(x(timing.samplesUs[i]), dots + double(i % 3) * 3), 1.5, 1.5);
    }
    return end;
}

}  // namespace

void CasesView::paintMeasured(QPainter& painter, const Columns& c, int row, double y) const {
    const Theme& theme = Theme::current();
    const CaseTable& table = m_model.cases();
    const CaseRow& each = table.rows[static_cast<std::size_t>(row)];
    const double line = lineHeight(TextRole::Small);
    const bool selected = row == m_model.selected();
    if (each.refused) {
        painter.setFont(Theme::font(TextRole::Small));
        painter.setPen(theme.text2);
        painter.drawText(QRectF(c.measured.left(), y, c.measured.width(), 2 * line),
                         Qt::AlignLeft | Qt::AlignTop | Qt::TextWordWrap,
                         tr("not run: %1").arg(toQ(each.refused->reason)));
        return;
    }
    if (!each.measured) {
        drawTextLine(painter,
                     QRectF(c.measured.left(), y, c.measured.width(), line),
                     Qt::AlignLeft,
                     elided(tr("not measured"), TextRole::Small, c.measured.width()),
                     TextRole::Small,
                     theme.text3);
        return;
    }
    const gpu::TimingRecord& timing = *each.measured->timing;
    const TimeUnit unit = unitOf(table);
    const auto x = [&](double us) {
        return c.measured.left() + std::min(us / c.longestUs, 1.0) * c.room;
    };
    const QColor color = selected ? theme.schemeA : theme.original;
    const double height = Theme::px(16);
    const QRectF bar(
        c.measured.left(), y + (line - height) / 2, x(timing.medianUs) - c.measured.left(), height);
    drawKindBar(painter, gpu::FigureKind::Measured, bar, color);
    const double end = paintMarks(painter, *each.measured, bar, x, color);
    double left = end + Theme::px(8);
    const QString median = unit.text(timing.medianUs);
    drawTextLine(painter,
                 QRectF(left, y, c.measured.right() - left, line),
                 Qt::AlignLeft,
                 median,
                 TextRole::Number,
                 theme.text);
    left += textWidth(median, TextRole::Number) + Theme::px(8);
    drawTextLine(painter,
                 QRectF(left, y, c.measured.right() - left, line),
                 Qt::AlignLeft,
                 elided(wordsOf(each), TextRole::Small, c.measured.right() - left),
                 TextRole::Small,
                 theme.text2);
    const double last = *std::max_element(timing.samplesUs.begin(), timing.samplesUs.end());
    const double from = std::max(end, x(last)) + Theme::px(8);
    drawTextLine(painter,
                 QRectF(from, y + line, c.measured.right() - from, line),
                 Qt::AlignLeft,
                 elided(secondLine(each), TextRole::Caption, c.measured.right() - from),
                 TextRole::Caption,
                 theme.text3);
}

QString CasesView::wordsOf(const CaseRow& row) {
    QStringList words;
    if (row.measured->derived.ofFloor > 0) {
        words << tr("%1 of floor").arg(formatPercent(row.measured->derived.ofFloor, 0));
    }
    if (row.measured->check) {
        words << tr("error %1").arg(formatNumber(row.measured->check->formatError, 2));
    }
    return words.join(QStringLiteral(" · "));
}

QString CasesView::secondLine(const CaseRow& row) const {
    QStringList words;
    if (const QString relation = relationText(row, m_model.cases()); !relation.isEmpty()) {
        words << relation;
    }
    if (row.teaching) {
        words << tr("teaching kernel");
    }
    return words.join(QStringLiteral(" · "));
}

double CasesView::barRoom(const Columns& c) const {
    const TimeUnit unit = unitOf(m_model.cases());
    double words = 0;
    for (const CaseRow& row : m_model.cases().rows) {
        if (row.measured) {
            const double first =
                textWidth(unit.text(row.measured->timing->medianUs), TextRole::Number) +
                Theme::px(8) + textWidth(wordsOf(row), TextRole::Small);
            words = std::max({words, first, textWidth(secondLine(row), TextRole::Caption)});
        }
    }
    return std::max(c.measured.width() * 0.35, c.measured.width() - words - Theme::px(20));
}

void CasesView::paintCounted(QPainter& painter, const Columns& c, int row, double y) const {
    const CaseTable& table = m_model.cases();
    const CaseRow& each = table.rows[static_cast<std::size_t>(row)];
    if (!each.counted) {
        return;
    }
    const Theme& theme = Theme::current();
    const double most = mostCounted(table);
    const ByteUnit unit = byteUnitFor(most);
    const gpu::CountRecord& counts = *each.counted->counts;
    const double numbers = textWidth(QStringLiteral("1 234.5"), TextRole::NumberAxis);
    const double names = textWidth(tr("asked"), TextRole::Caption) + Theme::px(4);
    const double room = c.counted.width() - numbers - names - Theme::px(8);
    const QColor color = row == m_model.selected() ? theme.schemeA : theme.original;
    const std::pair<QString, std::uint64_t> bars[] = {{tr("asked"), counts.requestedBytes},
                                                      {tr("L2"), counts.sectorBytes},
                                                      {tr("DRAM"), counts.dramBytes}};
    double at = y - Theme::px(3);
    const double pitch = (2 * lineHeight(TextRole::Small) + Theme::px(6)) / 3;
    for (const auto& [name, bytes] : bars) {
        drawTextLine(painter,
                     QRectF(c.counted.left(), at, names, pitch),
                     Qt::AlignLeft,
                     name,
                     TextRole::Caption,
                     theme.text3);
        const double width = std::max(2.0, room * double(bytes) / most);
        const QRectF bar(c.counted.left() + names, at + 2, width, pitch - 4);
        painter.save();
        fillHatched(painter, bar, color, 5, 1.5);
        painter.restore();
        drawTextLine(painter,
                     QRectF(c.counted.right() - numbers, at, numbers, pitch),
                     Qt::AlignRight,
                     formatNumber(double(bytes) / unit.bytes, 4),
                     TextRole::NumberAxis,
                     theme.text2);
        at += pitch;
    }
}

void CasesView::paintModel(QPainter& painter, const Columns& c, int row, double y) const {
    const CaseTable& table = m_model.cases();
    const CaseRow& each = table.rows[static_cast<std::size_t>(row)];
    if (!each.model) {
        return;
    }
    const Theme& theme = Theme::current();
    double most = 1e-12;
    for (const CaseRow& other : table.rows) {
        most = std::max(most, other.model ? other.model->us : 0);
    }
    const TimeUnit unit = modelUnit(table);
    const double line = lineHeight(TextRole::Small);
    const double numbers = textWidth(unit.text(most), TextRole::Number);
    const double room = c.model.width() - numbers - Theme::px(8);
    const double height = Theme::px(16);
    const QRectF bar(c.model.left(),
                     y + (line - height) / 2,
                     std::max(3.0, room * each.model->us / most),
                     height);
    drawKindBar(painter,
                gpu::FigureKind::Modelled,
                bar,
                row == m_model.selected() ? theme.schemeA : theme.original);
    drawTextLine(painter,
                 QRectF(c.model.right() - numbers - 2, y, numbers + 2, line),
                 Qt::AlignRight,
                 unit.text(each.model->us),
                 TextRole::Number,
                 theme.text);
    drawTextLine(painter,
                 QRectF(c.model.left(), y + line, c.model.width(), line),
                 Qt::AlignLeft,
                 each.model->memoryBound ? tr("by memory") : tr("by arithmetic"),
                 TextRole::Caption,
                 theme.text3);
}

void CasesView::paintAxis(QPainter& painter, const Columns& c, double bottom) const {
    const CaseTable& table = m_model.cases();
    if (!table.hasMeasured()) {
        return;
    }
    const Theme& theme = Theme::current();
    const TimeUnit unit = unitOf(table);
    const double room = c.room;
    const double top = c.longestUs * unit.perMicrosecond;
    const std::vector<double> ticks =
        niceTicks(0, top, std::max(2, static_cast<int>(room / Theme::px(56))));
    const std::vector<QString> labels = tickLabels(ticks);
    const double line = lineHeight(TextRole::NumberAxis);
    painter.setRenderHint(QPainter::Antialiasing, false);
    for (std::size_t i = 0; i < ticks.size(); ++i) {
        const double x = std::round(c.measured.left() + ticks[i] / top * room);
        painter.setPen(QPen(theme.grid, 1));
        painter.drawLine(QPointF(x, c.top - 4), QPointF(x, bottom));
        drawTextLine(painter,
                     QRectF(x - 60, bottom + 2, 120, line),
                     Qt::AlignHCenter,
                     labels[i],
                     TextRole::NumberAxis,
                     theme.text3);
    }
    const CaseRow* example = nullptr;
    for (const CaseRow& row : table.rows) {
        if (row.measured && row.measured->derived.floorUs > 0 && example == nullptr) {
            example = &row;
        }
    }
    if (example != nullptr) {
        const gpu::DerivedRecord& d = example->measured->derived;
        const double caption = lineHeight(TextRole::Caption);
        const double y = bottom + line + Theme::px(6);
        painter.fillRect(QRectF(c.measured.left(), y + 1, 2.5, caption - 2), theme.warning);
        const QString source = d.ceilingSource == "measured" ? tr("measured") : tr("data sheet");
        const QString words =
            tr("floor: bytes ÷ %1 or arithmetic ÷ peak, %2. Dots are single runs, the bar is their "
               "median, the whisker their quartiles.")
                .arg(prefixedText(d.bandwidthGbps * 1e9, QStringLiteral("B/s")), source);
        const double width = rect().right() - c.measured.left() - Theme::px(8);
        drawTextLine(
            painter,
            QRectF(c.measured.left() + Theme::px(8), y, width, caption),
            Qt::AlignLeft,
            QFontMetricsF(Theme::font(TextRole::Caption)).elidedText(words, Qt::ElideRight, width),
            TextRole::Caption,
            theme.text2);
    }
}

void CasesView::paintAll(QPainter& painter,
                         const QRectF& target,
                         const QRectF& seen,
                         bool interactive) {
    painter.setRenderHint(QPainter::TextAntialiasing);
    const CaseTable& table = m_model.cases();
    if (table.rows.empty()) {
        drawEmpty(
            painter,
            target,
            QStringLiteral("bars"),
            tr("No cases"),
            tr("What you run is compared here: measured, counted and modelled beside each other."));
        return;
    }
    const Theme& theme = Theme::current();
    Columns c = layoutColumns(target);
    c.room = barRoom(c);
    c.longestUs = niceTop(std::max(1e-12, largestMeasured()));
    const double bottom = c.top + double(table.rows.size()) * c.pitch;
    paintHeader(painter, c, target);
    paintAxis(painter, c, bottom);
    for (int row = 0; row < static_cast<int>(table.rows.size()); ++row) {
        const double y = c.top + row * c.pitch + Theme::px(3);
        if (y + c.pitch < seen.top() || y - c.pitch > seen.bottom()) {
            continue;
        }
        if (interactive && row == m_hover) {
            QColor tint = theme.raised;
            painter.fillRect(QRectF(target.left(), y - Theme::px(3), target.width(), c.pitch - 2),
                             tint);
        }
        paintName(painter, c, row, y, target);
        paintMeasured(painter, c, row, y);
        paintCounted(painter, c, row, y);
        paintModel(painter, c, row, y);
        if (interactive && row == m_model.selected() && hasFocus()) {
            drawFocusRing(painter,
                          QRectF(target.left() - 2, y - Theme::px(4), target.width() + 2, c.pitch));
        }
    }
}

void CasesView::paintTo(QPainter& painter, const QRectF& target) {
    painter.fillRect(target, Theme::current().canvas);
    paintAll(painter, target, target, false);
}

void CasesView::paintEvent(QPaintEvent* event) {
    QPainter painter(this);
    painter.fillRect(rect(), Theme::current().canvas);
    paintAll(painter,
             QRectF(rect()).adjusted(Theme::px(4), 0, -Theme::px(4), 0),
             QRectF(event->rect()),
             true);
}

QRectF CasesView::rowRect(int row) const {
    const Columns c = layoutColumns(QRectF(rect()));
    return {0, c.top + row * c.pitch, double(width()), c.pitch};
}

QString CasesView::sentence(int row) const {
    const CaseTable& table = m_model.cases();
    if (row < 0 || row >= static_cast<int>(table.rows.size())) {
        return {};
    }
    const CaseRow& each = table.rows[static_cast<std::size_t>(row)];
    QStringList parts{each.format + QStringLiteral(", ") + each.kernel};
    if (each.measured) {
        const gpu::TimingRecord& timing = *each.measured->timing;
        parts << tr("median %1 of %2 runs, quartiles %3 to %4")
                     .arg(timeText(timing.medianUs))
                     .arg(timing.samplesUs.size())
                     .arg(timeText(timing.q1Us), timeText(timing.q3Us));
        if (each.measured->derived.ofFloor > 0) {
            parts << tr("%1 of floor").arg(formatPercent(each.measured->derived.ofFloor, 0));
        }
        if (const QString relation = relationText(each, table); !relation.isEmpty()) {
            parts << relation;
        }
    } else if (each.refused) {
        parts << tr("not run: %1").arg(toQ(each.refused->reason));
    }
    if (each.counted) {
        parts << tr("counted %1 of DRAM traffic")
                     .arg(bytesText(double(each.counted->counts->dramBytes)));
    }
    if (each.teaching) {
        parts << tr("a teaching kernel, not meant to be fast");
    }
    return parts.join(QStringLiteral(" · "));
}

int CasesView::rowAt(QPointF position) const {
    const Columns c = layoutColumns(QRectF(rect()));
    const int row = static_cast<int>(std::floor((position.y() - c.top) / c.pitch));
    return row >= 0 && row < static_cast<int>(m_model.cases().rows.size()) ? row : -1;
}

void CasesView::walk(int step) {
    const int count = static_cast<int>(m_model.cases().rows.size());
    if (count > 0) {
        m_model.select(std::clamp(m_model.selected() + step, 0, count - 1));
        emit rowShown(rowRect(m_model.selected()));
    }
}

void CasesView::mousePressEvent(QMouseEvent* event) {
    const int row = rowAt(event->position());
    if (row >= 0) {
        m_model.select(row);
    }
}

void CasesView::mouseMoveEvent(QMouseEvent* event) {
    const int row = rowAt(event->position());
    if (row != m_hover) {
        m_hover = row;
        emit hovered(sentence(row).toHtmlEscaped());
        update();
    }
}

void CasesView::leaveEvent(QEvent*) {
    m_hover = -1;
    emit hovered({});
    update();
}

void CasesView::keyPressEvent(QKeyEvent* event) {
    switch (event->key()) {
        case Qt::Key_Up:
        case Qt::Key_Left:
            walk(-1);
            return;
        case Qt::Key_Down:
        case Qt::Key_Right:
            walk(1);
            return;
        case Qt::Key_Home:
            walk(-1000000);
            return;
        case Qt::Key_End:
            walk(1000000);
            return;
        case Qt::Key_B:
            if (const CaseRow* row = m_model.selectedRow(); row != nullptr && row->measured) {
                m_model.setBaseline(row->key);
            }
            return;
        case Qt::Key_Return:
        case Qt::Key_Enter:
            emit activated();
            return;
        default:
            QWidget::keyPressEvent(event);
    }
}

void CasesView::contextMenuEvent(QContextMenuEvent* event) {
    if (event->reason() == QContextMenuEvent::Mouse) {
        const int row = rowAt(event->pos());
        if (row >= 0) {
            m_model.select(row);
        }
    }
    const CaseRow* row = m_model.selectedRow();
    if (row == nullptr) {
        return;
    }
    QMenu menu(this);
    QAction* base = menu.addAction(tr("Use as baseline"));
    base->setShortcut(Qt::Key_B);
    base->setEnabled(row->measured != nullptr && row->relation != Relation::Baseline);
    const QString key = row->key;
    if (menu.exec(event->globalPos()) == base) {
        m_model.setBaseline(key);
    }
}

void CasesView::focusInEvent(QFocusEvent* event) {
    QWidget::focusInEvent(event);
    update();
}

void CasesView::focusOutEvent(QFocusEvent* event) {
    QWidget::focusOutEvent(event);
    update();
}

void CasesView::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        setMinimumHeight(static_cast<int>(fullHeight()));
        update();
    }
}

}  // namespace loupe::app
