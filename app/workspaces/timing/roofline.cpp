// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/roofline.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/timing/timing_model.hpp"

#include <QKeyEvent>
#include <QPainter>
#include <QPainterPath>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr double kReach = 12;  // pixels from a point that still mean it

QString toQ(const std::string& text) {
    return QString::fromStdString(text);
}

/// "100 G": a decade of an axis.
QString decadeText(int power) {
    static const char* const kPrefixes[] = {"", " k", " M", " G", " T", " P", " E"};
    if (power < 0) {
        return QString::number(std::pow(10.0, power), 'g', 3);
    }
    const int prefix = std::min(power / 3, 6);
    return QString::number(static_cast<qint64>(std::llround(std::pow(10.0, power - 3 * prefix)))) +
           QLatin1String(kPrefixes[prefix]);
}

/// The first place of `wanted` that touches nothing; empty where there is none.
QRectF freePlace(const std::vector<QRectF>& wanted,
                 const QRectF& bounds,
                 const std::vector<QRectF>& taken) {
    for (const QRectF& place : wanted) {
        if (bounds.contains(place) &&
            std::none_of(taken.begin(), taken.end(), [&](const QRectF& each) {
                return each.intersects(place);
            })) {
            return place;
        }
    }
    return {};
}

/// Boxes along a line, so that no word is put over it.
void occupy(std::vector<QRectF>& taken, QPointF from, QPointF to) {
    const double length = std::hypot(to.x() - from.x(), to.y() - from.y());
    const int steps = std::clamp(static_cast<int>(length / 6), 1, 400);
    for (int i = 0; i <= steps; ++i) {
        const QPointF at = from + (to - from) * (double(i) / steps);
        taken.emplace_back(at.x() - 2, at.y() - 2, 4, 4);
    }
}

}  // namespace

void drawKindPoint(
    QPainter& painter, gpu::FigureKind kind, QPointF centre, double radius, const QColor& color) {
    const Theme& theme = Theme::current();
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(theme.canvas);
    if (kind == gpu::FigureKind::Modelled) {
        painter.drawRect(QRectF(
            centre.x() - radius - 1, centre.y() - radius - 1, 2 * radius + 2, 2 * radius + 2));
        painter.setPen(QPen(color, 1.5));
        painter.setBrush(Qt::NoBrush);
        painter.drawRect(QRectF(
            centre.x() - radius + 1, centre.y() - radius + 1, 2 * radius - 2, 2 * radius - 2));
    } else {
        painter.drawEllipse(centre, radius + 2, radius + 2);
        if (kind == gpu::FigureKind::Measured) {
            painter.setBrush(color);
            painter.drawEllipse(centre, radius, radius);
        } else {
            QPainterPath circle;
            circle.addEllipse(centre, radius, radius);
            painter.setPen(QPen(color, 1.2));
            painter.setBrush(Qt::NoBrush);
            painter.drawPath(circle);
            // Chords at 45°, cut to the circle by hand: vector formats do not clip.
            for (const double offset : {-0.55, 0.0, 0.55}) {
                const double d = offset * radius;
                const double half = std::sqrt(std::max(0.0, radius * radius - d * d));
                const QPointF middle = centre + QPointF(d, d) / std::sqrt(2.0);
                const QPointF along = QPointF(half, -half) / std::sqrt(2.0);
                painter.drawLine(middle - along, middle + along);
            }
        }
    }
    painter.restore();
}

void drawKindBar(QPainter& painter, gpu::FigureKind kind, const QRectF& bar, const QColor& color) {
    painter.save();
    switch (kind) {
        case gpu::FigureKind::Measured:
            painter.setRenderHint(QPainter::Antialiasing);
            painter.setPen(Qt::NoPen);
            painter.setBrush(color);
            painter.drawRoundedRect(bar, 2, 2);
            break;
        case gpu::FigureKind::Counted:
            fillHatched(painter, bar, color);
            break;
        case gpu::FigureKind::Modelled:
            painter.setRenderHint(QPainter::Antialiasing);
            painter.setPen(QPen(color, 1.5));
            painter.setBrush(Qt::NoBrush);
            painter.drawRect(bar.adjusted(0.75, 0.75, -0.75, -0.75));
            break;
    }
    painter.restore();
}

Roofline::Roofline(TimingModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("roofline"));
    setAccessibleName(tr("Roofline"));
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    connect(&model, &TimingModel::shownChanged, this, [this] {
        m_hover = -1;
        takeSelection();
        update();
    });
    connect(&model, &TimingModel::selectionChanged, this, [this] {
        takeSelection();
        update();
    });
    takeSelection();
}

QSize Roofline::sizeHint() const {
    return {Theme::px(724), Theme::px(400)};
}

QSize Roofline::minimumSizeHint() const {
    return {Theme::px(260), Theme::px(110)};
}

double Roofline::Frame::x(double intensity) const {
    return area.left() + (std::log10(intensity) - x0) / (x1 - x0) * area.width();
}

double Roofline::Frame::y(double rate) const {
    return area.bottom() - (std::log10(rate) - y0) / (y1 - y0) * area.height();
}

/// The point of the selected row, measured before counted before model, unless the current one is
/// that row's already.
void Roofline::takeSelection() {
    const std::vector<RoofPoint>& points = m_model.roofline().points;
    const int row = m_model.selected();
    if (m_current < 0 || m_current >= static_cast<int>(points.size()) ||
        points[static_cast<std::size_t>(m_current)].row != row) {
        m_current = -1;
        for (std::size_t i = 0; i < points.size() && m_current < 0; ++i) {
            if (points[i].row == row) {
                m_current = static_cast<int>(i);
            }
        }
    }
    setAccessibleDescription(sentence());
}

QString Roofline::sentence() const {
    const std::vector<RoofPoint>& points = m_model.roofline().points;
    if (m_current < 0 || m_current >= static_cast<int>(points.size())) {
        return tr("No point. Run a case, and it appears here.");
    }
    const RoofPoint& point = points[static_cast<std::size_t>(m_current)];
    return tr("%1, %2: %3 at %4 FLOP per byte")
        .arg(point.label,
             kindText(point.kind),
             prefixedText(point.rate, QStringLiteral("FLOP/s")),
             formatNumber(point.intensity, 3));
}

QPointF Roofline::positionOf(int point) const {
    return point >= 0 && point < static_cast<int>(m_positions.size())
               ? m_positions[static_cast<std::size_t>(point)]
               : QPointF();
}

Roofline::Frame Roofline::layoutFrame(const QRectF& whole) const {
    // A tall panel is no reason for a tall picture.
    QRectF target = whole;
    target.setHeight(std::min(whole.height(), whole.width() * 0.85));
    const RooflineData& drawn = m_model.roofline();
    Frame frame;
    double low = 1e300;
    double high = 0;
    double least = 1e300;
    double most = 0;
    for (const RoofPoint& point : drawn.points) {
        low = std::min(low, point.intensity);
        high = std::max(high, point.intensity);
        least = std::min(least, point.rate);
        most = std::max(most, point.rate);
    }
    for (const RoofSet& set : drawn.roofs) {
        for (const auto& [name, peak] : set.peaks) {
            most = std::max(most, peak);
            high = std::max(high, peak / set.bandwidth * 3);
            low = std::min(low, peak / set.bandwidth / 30);
        }
    }
    if (!(high > 0)) {
        low = 0.1;
        high = 1000;
    }
    if (!(most > 0)) {
        least = 1e9;
        most = 1e15;
    }
    for (const RoofSet& set : drawn.roofs) {
        least = std::min(least, set.bandwidth * low);
    }
    frame.x0 = std::log10(low) - 0.15;
    frame.x1 = std::max(frame.x0 + 1, std::log10(high) + 0.2);
    frame.y0 = std::log10(least) - 0.25;
    frame.y1 = std::max(frame.y0 + 1, std::log10(most) + 0.25);
    const double left = textWidth(QStringLiteral("100 G"), TextRole::NumberAxis) + Theme::px(14);
    const double caption = lineHeight(TextRole::Caption);
    frame.area = target.adjusted(left,
                                 caption + Theme::px(4),
                                 -Theme::px(8),
                                 -(lineHeight(TextRole::NumberAxis) + caption + Theme::px(8)));
    if (target.width() >= Theme::px(640) && m_current >= 0) {
        const double room = Theme::px(210);
        frame.figures = QRectF(target.right() - room, target.top(), room, target.height());
        frame.area.setRight(frame.area.right() - room - Theme::px(16));
    }
    return frame;
}

void Roofline::paintAxes(QPainter& painter, const Frame& frame) const {
    const Theme& theme = Theme::current();
    painter.setRenderHint(QPainter::Antialiasing, false);
    const double line = lineHeight(TextRole::NumberAxis);
    const double perDecade = frame.area.height() / (frame.y1 - frame.y0);
    const int stepY = std::max(1, static_cast<int>(std::ceil(1.6 * line / perDecade)));
    for (int power = static_cast<int>(std::ceil(frame.y0)); power <= frame.y1; power += 1) {
        if (power % stepY != 0) {
            continue;
        }
        const double y = std::round(frame.y(std::pow(10.0, power)));
        painter.setPen(QPen(theme.grid, 1));
        painter.drawLine(QPointF(frame.area.left(), y), QPointF(frame.area.right(), y));
        drawTextLine(painter,
                     QRectF(frame.area.left() - 200 - Theme::px(8), y - line / 2, 200, line),
                     Qt::AlignRight,
                     decadeText(power),
                     TextRole::NumberAxis,
                     theme.text3);
    }
    const double bottom = frame.area.bottom();
    for (int power = static_cast<int>(std::ceil(frame.x0)); power <= frame.x1; ++power) {
        const double x = std::round(frame.x(std::pow(10.0, power)));
        painter.setPen(QPen(theme.grid, 1));
        painter.drawLine(QPointF(x, frame.area.top()), QPointF(x, bottom));
        painter.setPen(QPen(theme.border, 1));
        painter.drawLine(QPointF(x, bottom), QPointF(x, bottom + 4));
        drawTextLine(
            painter,
            QRectF(x - 100, bottom + Theme::px(5), 200, line),
            Qt::AlignHCenter,
            power < 0 ? QString::number(std::pow(10.0, power), 'g', 3)
                      : QString::number(static_cast<qint64>(std::llround(std::pow(10.0, power)))),
            TextRole::NumberAxis,
            theme.text3);
    }
    painter.setPen(QPen(theme.border, 1));
    painter.drawLine(QPointF(frame.area.left(), bottom), QPointF(frame.area.right(), bottom));
    const double caption = lineHeight(TextRole::Caption);
    drawTextLine(painter,
                 QRectF(frame.area.left() - 200 - Theme::px(8),
                        frame.area.top() - caption - Theme::px(4),
                        200,
                        caption),
                 Qt::AlignRight,
                 tr("FLOP/s"),
                 TextRole::Caption,
                 theme.text3);
    drawTextLine(painter,
                 QRectF(frame.area.right() - 300, bottom + Theme::px(5) + line, 300, caption),
                 Qt::AlignRight,
                 tr("FLOP per byte moved"),
                 TextRole::Caption,
                 theme.text3);
}

std::pair<QPointF, QPointF> Roofline::slopeOf(const Frame& frame, const RoofSet& set) {
    const double highest = set.peaks.back().second;
    const double left =
        std::max(std::pow(10.0, frame.x0), std::pow(10.0, frame.y0) / set.bandwidth);
    return {QPointF(frame.x(left), frame.y(set.bandwidth * left)),
            QPointF(frame.x(highest / set.bandwidth), frame.y(highest))};
}

void Roofline::paintRoofSet(QPainter& painter,
                            const Frame& frame,
                            const RoofSet& set,
                            std::vector<QRectF>& taken) const {
    if (set.peaks.empty()) {
        return;
    }
    const Theme& theme = Theme::current();
    const QColor color = set.measured ? theme.text : theme.text3;
    QPen pen(color, 1.5);
    pen.setCapStyle(Qt::FlatCap);
    if (!set.measured) {
        pen.setDashPattern({5, 3});
    }
    painter.setPen(pen);
    painter.setBrush(Qt::NoBrush);
    const auto [foot, top] = slopeOf(frame, set);
    painter.drawLine(foot, top);
    occupy(taken, foot, top);
    for (const auto& [name, peak] : set.peaks) {
        const QPointF from(frame.x(peak / set.bandwidth), frame.y(peak));
        const QPointF to(frame.area.right(), from.y());
        if (from.x() < to.x()) {
            painter.drawLine(from, to);
            occupy(taken, from, to);
        }
    }
}

/// At the right end, above each line; below where the next line above is too near; and where both
/// are, in one row with the line above.
void Roofline::namePeaks(QPainter& painter,
                         const Frame& frame,
                         const RoofSet& set,
                         std::vector<QRectF>& taken) const {
    const Theme& theme = Theme::current();
    const double line = lineHeight(TextRole::Caption);
    const double room = line + 5;
    struct Name {
        QString text;
        double top = 0;
    };
    std::vector<Name> names;
    for (std::size_t i = set.peaks.size(); i-- > 0;) {
        const auto& [name, peak] = set.peaks[i];
        const double y = frame.y(peak);
        const QString text =
            name.toUpper() + QLatin1Char(' ') + prefixedText(peak, QStringLiteral("FLOP/s"));
        const bool above = names.empty() || y - frame.y(set.peaks[i + 1].second) >= room;
        const bool below = i == 0 || frame.y(set.peaks[i - 1].second) - y >= room;
        const bool free = names.empty() || names.back().top + line <= y + 3;
        if (above && (names.empty() || names.back().top + line <= y - line - 2)) {
            names.push_back({text, y - line - 2});
        } else if (below && free) {
            names.push_back({text, y + 3});
        } else {
            names.back().text = text + QStringLiteral(" · ") + names.back().text;
        }
    }
    for (const Name& name : names) {
        const double width = textWidth(name.text, TextRole::Caption) + 2;
        QRectF shown(frame.area.right() - width, name.top, width, line);
        // Beside another roof's name, not over it.
        for (const QRectF& each : std::vector<QRectF>(taken)) {
            if (each.width() > 20 && each.intersects(shown)) {
                shown.moveRight(each.left() - Theme::px(10));
            }
        }
        drawTextLine(painter,
                     shown,
                     Qt::AlignRight,
                     name.text,
                     TextRole::Caption,
                     set.measured ? theme.text2 : theme.text3);
        taken.push_back(shown);
    }
}

/// Where memory ends and arithmetic begins for the highest peak.
void Roofline::markRidge(QPainter& painter,
                         const Frame& frame,
                         const RoofSet& set,
                         std::vector<QRectF>& taken) const {
    const Theme& theme = Theme::current();
    const double line = lineHeight(TextRole::Caption);
    const double highest = set.peaks.back().second;
    const QPointF top(frame.x(highest / set.bandwidth), frame.y(highest));
    const double ridge = highest / set.bandwidth;
    QPen dotted(theme.text3, 1, Qt::DotLine);
    painter.setPen(dotted);
    painter.drawLine(QPointF(top.x(), top.y()), QPointF(top.x(), frame.area.bottom()));
    const QString ridgeText = tr("ridge %1").arg(formatNumber(ridge, 3));
    const double width = textWidth(ridgeText, TextRole::Caption) + 2;
    const double bottom = frame.area.bottom() - line - 2;
    const QRectF ridgePlace = freePlace({QRectF(top.x() + 4, bottom, width, line),
                                         QRectF(top.x() - width - 4, bottom, width, line),
                                         QRectF(top.x() + 4, bottom - line, width, line),
                                         QRectF(top.x() - width - 4, bottom - line, width, line)},
                                        frame.area,
                                        taken);
    if (!ridgePlace.isEmpty()) {
        drawTextLine(painter, ridgePlace, Qt::AlignLeft, ridgeText, TextRole::Caption, theme.text3);
        taken.push_back(ridgePlace);
    }
}

/// The slope's own words, along it.
void Roofline::nameSlope(QPainter& painter,
                         const Frame& frame,
                         const RoofSet& set,
                         std::vector<QRectF>& taken) const {
    const auto [foot, top] = slopeOf(frame, set);
    const Theme& theme = Theme::current();
    const double line = lineHeight(TextRole::Caption);
    const QString bandwidth = prefixedText(set.bandwidth, QStringLiteral("B/s"));
    const QString words = set.measured ? tr("%1 memory, measured").arg(bandwidth)
                                       : tr("%1, %2 data sheet").arg(bandwidth, set.name);
    const double length = std::hypot(top.x() - foot.x(), top.y() - foot.y());
    const double wide = textWidth(words, TextRole::Caption);
    if (length <= wide + 24) {
        return;
    }
    const QPointF along = (top - foot) / length;
    const QPointF up(along.y(), -along.x());
    // Above the line, and below it where something is in the way.
    for (const double side : {1.0, -1.0}) {
        for (const double share : {0.5, 0.4, 0.6, 0.3, 0.7}) {
            const QPointF middle = foot + (top - foot) * share;
            const QPointF shift = up * (side * (line / 2 + 3));
            std::vector<QRectF> own;
            occupy(own, middle - along * (wide / 2) + shift, middle + along * (wide / 2) + shift);
            const bool free = std::none_of(taken.begin(), taken.end(), [&](const QRectF& each) {
                return std::any_of(own.begin(), own.end(), [&](const QRectF& box) {
                    return box.intersects(each);
                });
            });
            if (!free || length * std::min(share, 1 - share) < wide / 2) {
                continue;
            }
            painter.save();
            painter.translate(middle);
            painter.rotate(std::atan2(along.y(), along.x()) * 180 / M_PI);
            drawTextLine(painter,
                         QRectF(-wide / 2, side > 0 ? -line - 3 : 3, wide + 2, line),
                         Qt::AlignLeft,
                         words,
                         TextRole::Caption,
                         set.measured ? theme.text2 : theme.text3);
            painter.restore();
            for (const QRectF& box : own) {
                taken.push_back(box.adjusted(-line / 2, -line / 2, line / 2, line / 2));
            }
            return;
        }
    }
}

void Roofline::paintRoofs(QPainter& painter, const Frame& frame, std::vector<QRectF>& taken) const {
    for (const RoofSet& set : m_model.roofline().roofs) {
        paintRoofSet(painter, frame, set, taken);
    }
    for (const RoofSet& set : m_model.roofline().roofs) {
        if (!set.peaks.empty()) {
            namePeaks(painter, frame, set, taken);
            markRidge(painter, frame, set, taken);
            nameSlope(painter, frame, set, taken);
        }
    }
}

void Roofline::paintPoints(QPainter& painter,
                           const Frame& frame,
                           bool interactive,
                           std::vector<QRectF>& taken) {
    const Theme& theme = Theme::current();
    const RooflineData& drawn = m_model.roofline();
    std::vector<QPointF> positions;
    const double radius = Theme::px(5);
    for (const RoofPoint& point : drawn.points) {
        positions.emplace_back(frame.x(point.intensity), frame.y(point.rate));
    }
    const double line = lineHeight(TextRole::Small);
    // The selected point is drawn last, so that nothing covers it, and named first.
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < drawn.points.size(); ++i) {
        if (static_cast<int>(i) != m_current) {
            order.push_back(i);
        }
    }
    if (m_current >= 0 && m_current < static_cast<int>(drawn.points.size())) {
        order.insert(order.begin(), static_cast<std::size_t>(m_current));
    }
    for (const std::size_t i : order) {
        const RoofPoint& point = drawn.points[i];
        const bool current = static_cast<int>(i) == m_current;
        const bool best =
            point.kind == gpu::FigureKind::Measured &&
            std::none_of(drawn.points.begin(), drawn.points.end(), [&](const RoofPoint& each) {
                return each.kind == point.kind && each.label == point.label &&
                       each.rate > point.rate;
            });
        if (!best && !current && static_cast<int>(i) != m_hover) {
            continue;  // named where one points at it
        }
        const QPointF at = positions[i];
        QFont font = Theme::font(TextRole::Small);
        font.setWeight(current ? QFont::DemiBold : QFont::Normal);
        const double width = QFontMetricsF(font).horizontalAdvance(point.label) + 2;
        const double gap = radius + 4;
        const QRectF place =
            freePlace({QRectF(at.x() + gap, at.y() + 2, width, line),
                       QRectF(at.x() + gap, at.y() - line / 2, width, line),
                       QRectF(at.x() - width / 2, at.y() + gap, width, line),
                       QRectF(at.x() + gap, at.y() - line - 2, width, line),
                       QRectF(at.x() - gap - width, at.y() - line / 2, width, line),
                       QRectF(at.x() - gap - width, at.y() - line - 2, width, line),
                       QRectF(at.x() - width / 2, at.y() - gap - line, width, line),
                       QRectF(at.x() + gap + 14, at.y() + line, width, line)},
                      frame.area,
                      taken);
        if (place.isEmpty()) {
            continue;
        }
        taken.push_back(place);
        painter.setFont(font);
        painter.setPen(current ? theme.schemeA : theme.text2);
        painter.drawText(place, Qt::AlignLeft | Qt::AlignVCenter | Qt::TextSingleLine, point.label);
    }
    std::reverse(order.begin(), order.end());
    for (const std::size_t i : order) {
        const bool current = static_cast<int>(i) == m_current;
        drawKindPoint(painter,
                      drawn.points[i].kind,
                      positions[i],
                      radius,
                      current ? theme.schemeA : theme.original);
    }
    if (interactive) {
        m_positions = positions;
        if (hasFocus() && m_current >= 0 && m_current < static_cast<int>(positions.size())) {
            painter.setRenderHint(QPainter::Antialiasing);
            painter.setPen(QPen(theme.focus, 2));
            painter.setBrush(Qt::NoBrush);
            painter.drawEllipse(
                positions[static_cast<std::size_t>(m_current)], radius + 4, radius + 4);
        }
    }
}

std::vector<std::pair<QString, QString>> Roofline::figuresOf(const CaseRow& shown,
                                                             const RoofPoint& point) const {
    const CaseRow* row = &shown;
    std::vector<std::pair<QString, QString>> figures;
    const RecordPtr record = row->record();
    const gpu::DerivedRecord& d = record->derived;
    if (point.kind == gpu::FigureKind::Measured && row->measured) {
        figures.emplace_back(tr("median"), timeText(row->measured->timing->medianUs));
        if (d.floorUs > 0) {
            figures.emplace_back(tr("floor"), timeText(d.floorUs));
            figures.emplace_back(tr("bound by"), toQ(d.floorSide));
        }
        figures.emplace_back(tr("rate"), prefixedText(d.tflops * 1e12, QStringLiteral("FLOP/s")));
        figures.emplace_back(tr("moved"), prefixedText(d.gbps * 1e9, QStringLiteral("B/s")));
    } else if (point.kind == gpu::FigureKind::Modelled && row->model) {
        figures.emplace_back(tr("model time"), timeText(row->model->us));
        figures.emplace_back(tr("bound by"),
                             row->model->memoryBound ? tr("memory") : tr("compute"));
    } else if (row->counted) {
        figures.emplace_back(tr("DRAM, counted"),
                             bytesText(double(row->counted->counts->dramBytes)));
        figures.emplace_back(tr("height"), tr("model's roof"));
    }
    figures.emplace_back(tr("intensity"), formatNumber(point.intensity, 3));
    if (row->relation == Relation::Faster || row->relation == Relation::Slower) {
        const CaseRow& base =
            m_model.cases().rows[static_cast<std::size_t>(m_model.cases().baseline)];
        figures.emplace_back(
            tr("vs %1").arg(base.format),
            formatNumber(row->relation == Relation::Faster ? row->factor : 1 / row->factor, 3) +
                QStringLiteral(" ×"));
    }
    if (record->check) {
        figures.emplace_back(tr("error"), formatNumber(record->check->formatError, 2));
    }
    return figures;
}

void Roofline::paintFigures(QPainter& painter, const Frame& frame) const {
    const CaseRow* row = m_model.selectedRow();
    const std::vector<RoofPoint>& points = m_model.roofline().points;
    if (frame.figures.isEmpty() || row == nullptr || m_current < 0 ||
        m_current >= static_cast<int>(points.size())) {
        return;
    }
    const Theme& theme = Theme::current();
    const RoofPoint& point = points[static_cast<std::size_t>(m_current)];
    double y = frame.figures.top() + Theme::px(6);
    const double small = lineHeight(TextRole::Small);
    const QRectF full = frame.figures;
    const auto line = [&](double height) {
        const QRectF rect(full.left(), y, full.width(), height);
        y += height;
        return rect;
    };
    drawTextLine(painter,
                 line(small),
                 Qt::AlignLeft,
                 tr("selected · %1").arg(kindText(point.kind)),
                 TextRole::Caption,
                 theme.text3);
    const QFontMetricsF title(Theme::font(TextRole::Title));
    drawTextLine(painter,
                 line(lineHeight(TextRole::Title)),
                 Qt::AlignLeft,
                 title.elidedText(row->format, Qt::ElideMiddle, full.width()),
                 TextRole::Title,
                 theme.schemeA);
    drawTextLine(painter,
                 line(small),
                 Qt::AlignLeft,
                 QFontMetricsF(Theme::font(TextRole::Caption))
                     .elidedText(row->kernel, Qt::ElideMiddle, full.width()),
                 TextRole::Caption,
                 theme.text3);
    y += Theme::px(6);
    const double pitch = small + Theme::px(6);
    for (const auto& [name, value] : figuresOf(*row, point)) {
        if (y + pitch > full.bottom()) {
            break;
        }
        const QRectF rect = line(pitch);
        drawTextLine(painter, rect, Qt::AlignLeft, name, TextRole::Small, theme.text2);
        drawTextLine(painter, rect, Qt::AlignRight, value, TextRole::Number, theme.text);
    }
}

void Roofline::paintAll(QPainter& painter, const QRectF& target, bool interactive) {
    painter.setRenderHint(QPainter::TextAntialiasing);
    if (m_model.roofline().points.empty() && m_model.roofline().roofs.empty()) {
        drawEmpty(painter,
                  target,
                  QStringLiteral("clock"),
                  tr("Nothing measured yet"),
                  tr("Run a case: each becomes a point under the roofs of memory and arithmetic."));
        if (interactive) {
            m_positions.clear();
        }
        return;
    }
    const Frame frame = layoutFrame(target);
    std::vector<QRectF> taken;
    paintAxes(painter, frame);
    painter.setRenderHint(QPainter::Antialiasing);
    const double radius = Theme::px(6);
    for (const RoofPoint& point : m_model.roofline().points) {
        taken.emplace_back(frame.x(point.intensity) - radius,
                           frame.y(point.rate) - radius,
                           2 * radius,
                           2 * radius);
    }
    paintRoofs(painter, frame, taken);
    paintPoints(painter, frame, interactive, taken);
    paintFigures(painter, frame);
}

void Roofline::paintTo(QPainter& painter, const QRectF& target) {
    painter.fillRect(target, Theme::current().canvas);
    paintAll(painter, target, false);
}

void Roofline::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), Theme::current().canvas);
    paintAll(painter,
             QRectF(rect()).adjusted(Theme::px(12), Theme::px(4), -Theme::px(12), -Theme::px(4)),
             true);
    if (hasFocus() && window()->testAttribute(Qt::WA_KeyboardFocusChange)) {
        drawFocusRing(painter, rect());
    }
}

int Roofline::pointAt(QPointF position) const {
    int best = -1;
    double least = kReach;
    for (std::size_t i = 0; i < m_positions.size(); ++i) {
        const double distance =
            std::hypot(m_positions[i].x() - position.x(), m_positions[i].y() - position.y());
        if (distance < least) {
            least = distance;
            best = static_cast<int>(i);
        }
    }
    return best;
}

void Roofline::choose(int point) {
    const std::vector<RoofPoint>& points = m_model.roofline().points;
    if (point < 0 || point >= static_cast<int>(points.size())) {
        return;
    }
    m_current = point;
    m_model.select(points[static_cast<std::size_t>(point)].row);
    setAccessibleDescription(sentence());
    update();
}

void Roofline::walk(int step) {
    const int count = static_cast<int>(m_model.roofline().points.size());
    if (count > 0) {
        choose(m_current < 0 ? 0 : std::clamp(m_current + step, 0, count - 1));
    }
}

void Roofline::mousePressEvent(QMouseEvent* event) {
    if (event->button() == Qt::LeftButton) {
        choose(pointAt(event->position()));
    }
}

void Roofline::mouseMoveEvent(QMouseEvent* event) {
    const int hover = pointAt(event->position());
    if (hover != m_hover) {
        m_hover = hover;
        setCursor(hover >= 0 ? Qt::PointingHandCursor : Qt::ArrowCursor);
        update();
    }
}

void Roofline::leaveEvent(QEvent*) {
    if (m_hover >= 0) {
        m_hover = -1;
        update();
    }
}

void Roofline::keyPressEvent(QKeyEvent* event) {
    switch (event->key()) {
        case Qt::Key_Left:
        case Qt::Key_Up:
            walk(-1);
            return;
        case Qt::Key_Right:
        case Qt::Key_Down:
            walk(1);
            return;
        case Qt::Key_Home:
            walk(-1000000);
            return;
        case Qt::Key_End:
            walk(1000000);
            return;
        case Qt::Key_Return:
        case Qt::Key_Enter:
            emit activated();
            return;
        default:
            QWidget::keyPressEvent(event);
    }
}

void Roofline::focusInEvent(QFocusEvent* event) {
    QWidget::focusInEvent(event);
    update();
}

void Roofline::focusOutEvent(QFocusEvent* event) {
    QWidget::focusOutEvent(event);
    update();
}

void Roofline::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        update();
    }
}

}  // namespace loupe::app
