// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/plot_style.hpp"

#include <QEvent>
#include <QFontMetricsF>
#include <QPainter>
#include <QPicture>

#include <algorithm>
#include <cmath>

namespace loupe::app {

PaintLayer::PaintLayer(QCustomPlot* plot,
                       const QString& layerName,
                       std::function<void(QPainter&)> paint)
    : QCPLayerable(plot, layerName), m_paint(std::move(paint)) {}

void PaintLayer::applyDefaultAntialiasingHint(QCPPainter* painter) const {
    painter->setAntialiasing(false);
}

void PaintLayer::draw(QCPPainter* painter) {
    painter->save();
    m_paint(*painter);
    painter->restore();
}

Plot::Plot(QWidget* parent) : QCustomPlot(parent) {
    setFocusPolicy(Qt::NoFocus);
    setMinimumSize(1, 1);
    plotLayout()->setMargins(QMargins());
    for (QCPAxis* axis : {xAxis, yAxis}) {
        axis->setTicker(QSharedPointer<QCPAxisTicker>(new FixedTicker));
        axis->setSubTicks(false);
        axis->setTickLength(0, 4);
        axis->setNumberFormat("g");
        axis->grid()->setSubGridVisible(false);
    }
    xAxis->grid()->setVisible(false);
    axisRect()->setupFullAxesBox(false);
    xAxis2->setVisible(false);
    yAxis2->setVisible(false);
    connect(this, &QCustomPlot::beforeReplot, this, [this] {
        restyle();  // an export may have left another theme's pens
        if (m_prepare) {
            m_prepare(viewport().size());
        }
    });
    restyle();
}

void Plot::restyle() {
    const Theme& theme = Theme::current();
    setBackground(QBrush(theme.canvas));
    for (QCPAxis* axis : {xAxis, yAxis}) {
        axis->setTickLabelFont(Theme::font(TextRole::NumberAxis));
        axis->setTickLabelColor(theme.text3);
        axis->setBasePen(axis == xAxis ? QPen(theme.border, 1) : QPen(Qt::NoPen));
        axis->setTickPen(QPen(theme.border, 1));
        axis->setTickLabelPadding(Theme::px(axis == xAxis ? 8 : 3));
        axis->grid()->setPen(QPen(theme.grid, 1));
        axis->grid()->setZeroLinePen(QPen(Qt::NoPen));
    }
}

void Plot::paintTo(QPainter& painter, const QRectF& target) {
    restyle();
    const QSize size = target.size().toSize();
    if (m_prepare) {
        m_prepare(size);
    }
    QPicture picture;
    QCPPainter recorder;
    recorder.begin(&picture);
    recorder.setMode(QCPPainter::pmVectorized);
    recorder.setMode(QCPPainter::pmNoCaching);
    toPainter(&recorder, size.width(), size.height());
    recorder.end();
    painter.save();
    painter.translate(target.topLeft());
    // A picture replays in units of its own resolution; undo what QPainter makes of the device's.
    painter.scale(double(picture.logicalDpiX()) / painter.device()->logicalDpiX(),
                  double(picture.logicalDpiY()) / painter.device()->logicalDpiY());
    painter.drawPicture(0, 0, picture);
    painter.restore();
}

void Plot::replotOverlay() {
    layer("overlay")->replot();
}

void Plot::changeEvent(QEvent* event) {
    QCustomPlot::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange ||
        event->type() == QEvent::StyleChange) {
        restyle();
        replot(QCustomPlot::rpQueuedReplot);
    }
}

QVector<double> FixedTicker::createTickVector(double, const QCPRange&) {
    return {positions.begin(), positions.end()};
}

QString FixedTicker::getTickLabel(double tick, const QLocale&, QChar, int) {
    for (std::size_t i = 0; i < positions.size() && i < labels.size(); ++i) {
        if (positions[i] == tick) {
            return labels[i];
        }
    }
    return {};
}

double clampTo(double x, double low, double high) {
    return std::max(low, std::min(x, high));
}

std::vector<double> niceTicks(double low, double high, int count) {
    std::vector<double> ticks;
    if (!(high > low) || !std::isfinite(high - low) || count < 1) {
        return ticks;
    }
    const double raw = (high - low) / count;
    const double power = std::pow(10.0, std::floor(std::log10(raw)));
    double step = 10 * power;
    for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
        if (factor * power >= raw * (1 - 1e-9)) {
            step = factor * power;
            break;
        }
    }
    const double first = std::ceil(low / step - 1e-9);
    for (double i = first; i * step <= high + step * 1e-9 && ticks.size() < 1000; i += 1) {
        ticks.push_back(i * step + 0.0);
    }
    return ticks;
}

std::vector<QString> tickLabels(const std::vector<double>& ticks) {
    std::vector<QString> labels;
    const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
    double largest = 0;
    for (const double tick : ticks) {
        largest = std::max(largest, std::abs(tick));
    }
    int decimals = std::max(0, int(std::ceil(-std::log10(step) - 1e-9)));
    if (std::abs(step * std::pow(10.0, decimals) - std::round(step * std::pow(10.0, decimals))) >
        1e-6) {
        ++decimals;  // steps of 2.5
    }
    const bool scientific = decimals > 5 || largest >= 1e6;
    for (const double tick : ticks) {
        QString label =
            scientific ? QString::number(tick, 'g', 3) : QString::number(tick, 'f', decimals);
        if (tick == 0) {
            label = "0";
        }
        labels.push_back(label.replace('-', QChar(0x2212)));
    }
    return labels;
}

void setNiceTicks(FixedTicker& ticker, double low, double high, double pixels, bool horizontal) {
    int count = std::max(1, int(pixels / (horizontal ? Theme::px(44) : Theme::px(36))));
    count = std::min(count, 8);
    while (true) {
        ticker.positions = niceTicks(low, high, count);
        ticker.labels = tickLabels(ticker.positions);
        double widest = 0;
        for (const QString& label : ticker.labels) {
            widest = std::max(widest,
                              horizontal ? textWidth(label, TextRole::NumberAxis) + Theme::px(10)
                                         : lineHeight(TextRole::NumberAxis));
        }
        if (count <= 1 || widest * double(ticker.positions.size()) <= pixels + widest) {
            break;
        }
        --count;
    }
    // One number alone gives no scale: a low plot takes the fewest that are two, if they fit.
    for (count = 2; ticker.positions.size() < 2 && count <= 6; ++count) {
        const std::vector<double> finer = niceTicks(low, high, count);
        const double height = lineHeight(TextRole::NumberAxis);
        if (!horizontal && finer.size() >= 2 && height * double(finer.size()) <= pixels + height) {
            ticker.positions = finer;
            ticker.labels = tickLabels(finer);
        }
    }
}

/// "10⁻⁵"; 1 and 10 as they are.
static QString powerOfTen(int power) {
    static const QString kSuper =
        QStringLiteral("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079");
    if (power == 0 || power == 1) {
        return power == 0 ? QStringLiteral("1") : QStringLiteral("10");
    }
    QString exponent = power < 0 ? QString(QChar(0x207B)) : QString();
    for (const QChar digit : QString::number(std::abs(power))) {
        exponent += kSuper[digit.digitValue()];
    }
    return QStringLiteral("10") + exponent;
}

void setLogTicks(FixedTicker& ticker, double low, double high) {
    ticker.positions.clear();
    ticker.labels.clear();
    const int first = int(std::floor(std::log10(low)));
    const int last = int(std::ceil(std::log10(high)));
    const bool decadesOnly = std::log10(high / low) >= 2.5;
    for (int power = first; power <= last; ++power) {
        for (const double factor : {1.0, 2.0, 5.0}) {
            const double value = factor * std::pow(10.0, power);
            if (value < low || value > high || (decadesOnly && factor != 1)) {
                continue;
            }
            ticker.positions.push_back(std::log10(value));
            const bool far = factor == 1 && (power < -3 || power > 3);
            ticker.labels.push_back(
                far ? powerOfTen(power)
                    : QString::number(value, 'g', 3).replace('-', QChar(0x2212)));
        }
    }
}

double countPosition(CountScale scale, double count) {
    switch (scale) {
        case CountScale::Log:
            return count < 1 ? 0 : std::log10(count) + 0.3;
        case CountScale::Linear:
            return count;
        case CountScale::Sqrt:
            return std::sqrt(count);
    }
    return count;
}

void setCountTicks(FixedTicker& ticker, CountScale scale, double most) {
    ticker.positions.clear();
    ticker.labels.clear();
    if (scale == CountScale::Log) {
        const int decades = int(std::floor(std::log10(std::max(1.0, most))));
        const int step = decades > 6 ? 2 : 1;
        for (int power = 0; power <= decades; power += step) {
            ticker.positions.push_back(countPosition(scale, std::pow(10.0, power)));
            ticker.labels.push_back(powerOfTen(power));
        }
        return;
    }
    for (const double count : niceTicks(0, most, 5)) {
        if (count == std::floor(count)) {
            ticker.positions.push_back(countPosition(scale, count));
            ticker.labels.push_back(formatCount(qint64(count)));
        }
    }
}

QColor sideColor(Side side) {
    return side == Side::A ? Theme::current().schemeA : Theme::current().schemeB;
}

QPen sidePen(Side side, double width) {
    QPen pen(sideColor(side), width);
    pen.setCapStyle(Qt::FlatCap);
    pen.setJoinStyle(Qt::RoundJoin);
    if (side == Side::B) {
        pen.setDashPattern({7 / width, 4 / width});
    }
    return pen;
}

QPen originalPen() {
    QPen pen(Theme::current().original, 1.5);
    pen.setCapStyle(Qt::FlatCap);
    pen.setDashPattern({1.4, 1.8});
    return pen;
}

QPen referencePen() {
    QPen pen(Theme::current().text2, 1);
    pen.setCapStyle(Qt::FlatCap);
    pen.setDashPattern({2, 2});
    return pen;
}

void fillHatched(
    QPainter& painter, const QRectF& rect, const QColor& color, double pitch, double width) {
    if (rect.width() <= 0 || rect.height() <= 0) {
        return;
    }
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(color, width, Qt::SolidLine, Qt::FlatCap));
    // Lines x + y = c, cut to the rectangle.
    const double step = pitch * std::sqrt(2.0);
    const double first = std::floor((rect.left() + rect.top()) / step) * step;
    for (double c = first; c < rect.right() + rect.bottom(); c += step) {
        const double x0 = std::max(rect.left(), c - rect.bottom());
        const double x1 = std::min(rect.right(), c - rect.top());
        if (x1 > x0) {
            painter.drawLine(QPointF(x0, c - x0), QPointF(x1, c - x1));
        }
    }
    painter.setPen(QPen(color, 1));
    painter.setBrush(Qt::NoBrush);
    painter.setRenderHint(QPainter::Antialiasing, false);
    painter.drawRect(rect.adjusted(0, 0, -1, -1));
    painter.restore();
}

void drawDiamond(QPainter& painter, QPointF centre, double radius, const QColor& color) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(color);
    painter.drawPolygon(QPolygonF({centre + QPointF(0, -radius),
                                   centre + QPointF(radius, 0),
                                   centre + QPointF(0, radius),
                                   centre + QPointF(-radius, 0)}));
    painter.restore();
}

void drawSideBadge(QPainter& painter, const QRectF& rect, Side side) {
    const Theme& theme = Theme::current();
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    const double radius = rect.width() * 0.25;
    if (side == Side::A) {
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme.schemeA);
        painter.drawRoundedRect(rect, radius, radius);
    } else {
        QPen pen(theme.schemeB, 1.5);
        pen.setDashPattern({3, 1.6});
        painter.setPen(pen);
        painter.setBrush(Qt::NoBrush);
        painter.drawRoundedRect(rect.adjusted(0.75, 0.75, -0.75, -0.75), radius, radius);
    }
    QFont font = Theme::font(TextRole::Small);
    font.setWeight(QFont::Bold);
    painter.setFont(font);
    painter.setPen(side == Side::A ? (theme.dark ? theme.bitText : QColor(Qt::white))
                                   : theme.schemeB);
    painter.drawText(rect, Qt::AlignCenter, side == Side::A ? "A" : "B");
    painter.restore();
}

double drawTruthMark(QPainter& painter, QPointF rightTop, bool exact, const QString& text) {
    const Theme& theme = Theme::current();
    const QString words =
        exact ? QStringLiteral("\u2713 ") + text : QStringLiteral("\u2248 ") + text;
    const double width = std::ceil(textWidth(words, TextRole::Caption)) + Theme::px(12);
    const QRectF rect(rightTop.x() - width, rightTop.y(), width, Theme::px(18));
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    QPen pen(exact ? theme.border : theme.warning, 1);
    if (!exact) {
        pen.setDashPattern({3, 2});
    }
    painter.setPen(pen);
    painter.setBrush(Qt::NoBrush);
    painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), 3, 3);
    drawTextLine(painter,
                 rect,
                 Qt::AlignHCenter,
                 words,
                 TextRole::Caption,
                 exact ? theme.text2 : theme.warning);
    painter.restore();
    return width;
}

namespace {

double markWidth(LegendEntry::Mark mark) {
    switch (mark) {
        case LegendEntry::Mark::Text:
            return 0;
        case LegendEntry::Mark::Area:
        case LegendEntry::Mark::Triangle:
            return 10;
        default:
            return 18;
    }
}

void drawLegendMark(QPainter& painter, const QRectF& rect, const LegendEntry& entry) {
    const Theme& theme = Theme::current();
    const double middle = std::floor(rect.center().y()) + 0.5;
    const QLineF line(rect.left(), middle, rect.right(), middle);
    switch (entry.mark) {
        case LegendEntry::Mark::Area:
            painter.fillRect(QRectF(rect.left(), middle - 5, 10, 10), theme.fill);
            break;
        case LegendEntry::Mark::LineA:
            painter.setPen(sidePen(Side::A));
            painter.drawLine(line);
            break;
        case LegendEntry::Mark::LineB: {
            QPen pen(theme.schemeB, 2);
            pen.setCapStyle(Qt::FlatCap);
            pen.setDashPattern({2.5, 1.5});
            painter.setPen(pen);
            painter.drawLine(line);
            break;
        }
        case LegendEntry::Mark::Original:
            painter.setPen(originalPen());
            painter.drawLine(line);
            break;
        case LegendEntry::Mark::Triangle:
            painter.setPen(Qt::NoPen);
            painter.setBrush(theme.text);
            painter.drawPolygon(QPolygonF({QPointF(rect.left() + 5, middle - 4),
                                           QPointF(rect.left() + 10, middle + 4),
                                           QPointF(rect.left(), middle + 4)}));
            break;
        case LegendEntry::Mark::Text:
            break;
    }
}

}  // namespace

double drawLegend(QPainter& painter,
                  QPointF leftTop,
                  double width,
                  const std::vector<LegendEntry>& entries) {
    const Theme& theme = Theme::current();
    const double height = lineHeight(TextRole::Caption);
    double x = leftTop.x();
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing);
    for (const LegendEntry& entry : entries) {
        const double mark = markWidth(entry.mark);
        const double gap = mark > 0 ? 6 : 0;
        const double text = std::ceil(textWidth(entry.text, TextRole::Caption)) + 1;
        if (x + mark + gap + text > leftTop.x() + width) {
            break;
        }
        drawLegendMark(painter, QRectF(x, leftTop.y(), mark, height), entry);
        drawTextLine(painter,
                     QRectF(x + mark + gap, leftTop.y(), text, height),
                     Qt::AlignLeft,
                     entry.text,
                     TextRole::Caption,
                     entry.color.isValid() ? entry.color : theme.text2);
        x += mark + gap + text + Theme::px(14);
    }
    painter.restore();
    return x - leftTop.x();
}

double legendWidth(const std::vector<LegendEntry>& entries) {
    double width = 0;
    for (const LegendEntry& entry : entries) {
        const double mark = markWidth(entry.mark);
        width += mark + (mark > 0 ? 6 : 0) + std::ceil(textWidth(entry.text, TextRole::Caption)) +
                 1 + Theme::px(14);
    }
    return width - (entries.empty() ? 0 : Theme::px(14));
}

void drawEmpty(QPainter& painter,
               const QRectF& rect,
               const QString& icon,
               const QString& title,
               const QString& text) {
    const Theme& theme = Theme::current();
    const double size = Theme::px(22);
    const double line = lineHeight(TextRole::Body);
    const double textWidthMost =
        std::min(rect.width() - 2.0 * Theme::px(12), double(Theme::px(420)));
    const QRectF wrapped =
        QFontMetricsF(Theme::font(TextRole::Small))
            .boundingRect(
                QRectF(0, 0, textWidthMost, 1000), Qt::AlignHCenter | Qt::TextWordWrap, text);
    const double height = size + Theme::px(8) + line + Theme::px(2) + wrapped.height();
    double y = std::max(rect.top() + Theme::px(4), rect.center().y() - height / 2);
    themedIcon(icon).paint(&painter, QRectF(rect.center().x() - size / 2, y, size, size).toRect());
    y += size + Theme::px(8);
    drawTextLine(painter,
                 QRectF(rect.left(), y, rect.width(), line),
                 Qt::AlignHCenter,
                 title,
                 TextRole::Body,
                 theme.text);
    y += line + Theme::px(2);
    painter.setFont(Theme::font(TextRole::Small));
    painter.setPen(theme.text3);
    painter.drawText(
        QRectF(rect.center().x() - textWidthMost / 2, y, textWidthMost, wrapped.height() + 2),
        Qt::AlignHCenter | Qt::TextWordWrap,
        text);
}

void drawProgressLine(QPainter& painter, const QRectF& rect, double fraction) {
    const Theme& theme = Theme::current();
    painter.fillRect(QRectF(rect.left(), rect.top(), rect.width(), 2), theme.pressed);
    const double part = fraction < 0 ? 0.3 : std::clamp(fraction, 0.0, 1.0);
    painter.fillRect(QRectF(rect.left(), rect.top(), rect.width() * part, 2), theme.text2);
}

void drawFocusRing(QPainter& painter, const QRectF& rect) {
    painter.save();
    painter.setRenderHint(QPainter::Antialiasing, false);
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(Theme::current().focus, 2));
    painter.drawRect(rect.adjusted(1, 1, -1, -1));
    painter.restore();
}

void drawTextLine(QPainter& painter,
                  const QRectF& rect,
                  Qt::Alignment align,
                  const QString& text,
                  TextRole role,
                  const QColor& color) {
    painter.setFont(Theme::font(role));
    painter.setPen(color);
    painter.drawText(rect, int(align | Qt::AlignVCenter) | Qt::TextSingleLine, text);
}

double textWidth(const QString& text, TextRole role) {
    return QFontMetricsF(Theme::font(role)).horizontalAdvance(text);
}

double lineHeight(TextRole role) {
    return std::ceil(QFontMetricsF(Theme::font(role)).height());
}

}  // namespace loupe::app
