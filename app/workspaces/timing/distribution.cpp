// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/distribution.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"

#include <QEvent>
#include <QPainter>

#include <algorithm>
#include <cmath>

namespace loupe::app {

Distribution::Distribution(QWidget* parent) : QWidget(parent) {
    setObjectName(QStringLiteral("distribution"));
    setAccessibleName(tr("Distribution of the samples"));
}

QSize Distribution::sizeHint() const {
    return {Theme::px(384), Theme::px(210)};
}

QSize Distribution::minimumSizeHint() const {
    return {Theme::px(200), Theme::px(150)};
}

void Distribution::setRecord(const RecordPtr& record) {
    m_record = record;
    QString words;
    if (record && record->timing) {
        const gpu::TimingRecord& t = *record->timing;
        words = tr("%1 samples, median %2, quartiles %3 and %4")
                    .arg(t.samplesUs.size())
                    .arg(timeText(t.medianUs), timeText(t.q1Us), timeText(t.q3Us));
    }
    setAccessibleDescription(words);
    setVisible(record && record->timing && !record->timing->samplesUs.empty());
    update();
}

void Distribution::paintHistogram(QPainter& painter,
                                  const QRectF& area,
                                  double low,
                                  double high) const {
    const Theme& theme = Theme::current();
    const gpu::TimingRecord& timing = *m_record->timing;
    // Freedman and Diaconis' width, at least one pixel and at most 60 bins.
    const double count = double(timing.samplesUs.size());
    const double width = 2 * (timing.q3Us - timing.q1Us) / std::cbrt(count);
    const int bins = std::clamp(width > 0 ? static_cast<int>((high - low) / width) : 10,
                                5,
                                std::max(5, std::min(60, int(area.height() / 3))));
    std::vector<int> counts(static_cast<std::size_t>(bins), 0);
    for (const double sample : timing.samplesUs) {
        const int bin = static_cast<int>((sample - low) / (high - low) * bins);
        if (bin >= 0 && bin < bins) {
            ++counts[static_cast<std::size_t>(bin)];
        }
    }
    const int most = std::max(1, *std::max_element(counts.begin(), counts.end()));
    painter.setRenderHint(QPainter::Antialiasing, false);
    for (int i = 0; i < bins; ++i) {
        const double length = area.width() * counts[static_cast<std::size_t>(i)] / most;
        const double bottom = area.bottom() - area.height() * i / bins;
        const double top = area.bottom() - area.height() * (i + 1) / bins;
        painter.fillRect(
            QRectF(area.left(), std::round(top), length, std::round(bottom) - std::round(top)),
            theme.fill);
    }
}

void Distribution::paintSamples(QPainter& painter,
                                const QRectF& target,
                                const QRectF& order,
                                const QRectF& histogram,
                                double low,
                                double high) const {
    const Theme& theme = Theme::current();
    const gpu::TimingRecord& timing = *m_record->timing;
    const double floor = m_record->derived.floorUs;
    const TimeUnit unit = timeUnitFor(timing.medianUs, timing.medianUs);
    const double caption = lineHeight(TextRole::Caption);
    const double axis = lineHeight(TextRole::NumberAxis);
    const QRectF area = order.united(histogram);
    const double left = area.left() - target.left();
    const auto y = [&](double us) {
        return area.bottom() - (us - low) / (high - low) * area.height();
    };
    painter.fillRect(QRectF(area.left(),
                            y(timing.q3Us),
                            area.width(),
                            std::max(1.0, y(timing.q1Us) - y(timing.q3Us))),
                     theme.raised);
    const std::vector<double> ticks = niceTicks(low * unit.perMicrosecond,
                                                high * unit.perMicrosecond,
                                                std::max(2, int(area.height() / Theme::px(36))));
    const std::vector<QString> labels = tickLabels(ticks);
    for (std::size_t i = 0; i < ticks.size(); ++i) {
        const double at = std::round(y(ticks[i] / unit.perMicrosecond));
        painter.setPen(QPen(theme.grid, 1));
        painter.drawLine(QPointF(area.left(), at), QPointF(area.right(), at));
        drawTextLine(painter,
                     QRectF(target.left(), at - axis / 2, left - Theme::px(6), axis),
                     Qt::AlignRight,
                     labels[i],
                     TextRole::NumberAxis,
                     theme.text3);
    }
    paintHistogram(painter, histogram, low, high);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(Qt::NoPen);
    painter.setBrush(theme.original);
    const double count = double(timing.samplesUs.size());
    for (std::size_t i = 0; i < timing.samplesUs.size(); ++i) {
        painter.drawEllipse(QPointF(order.left() + (double(i) + 0.5) / count * order.width(),
                                    y(timing.samplesUs[i])),
                            1.7,
                            1.7);
    }
    painter.setPen(QPen(theme.schemeA, 1.5));
    painter.drawLine(QPointF(area.left(), y(timing.medianUs)),
                     QPointF(area.right(), y(timing.medianUs)));
    if (floor > 0 && floor >= low) {
        painter.setPen(QPen(theme.warning, 2));
        painter.drawLine(QPointF(area.left(), y(floor)), QPointF(area.right(), y(floor)));
        drawTextLine(painter,
                     QRectF(order.left(), y(floor) - caption - 1, 80, caption),
                     Qt::AlignLeft,
                     tr("floor"),
                     TextRole::Caption,
                     theme.warning);
    }
}

void Distribution::paintTo(QPainter& painter, const QRectF& target) const {
    const Theme& theme = Theme::current();
    painter.fillRect(target, theme.canvas);
    if (!m_record || !m_record->timing || m_record->timing->samplesUs.empty()) {
        return;
    }
    painter.setRenderHint(QPainter::TextAntialiasing);
    const gpu::TimingRecord& timing = *m_record->timing;
    const auto [least, most] =
        std::minmax_element(timing.samplesUs.begin(), timing.samplesUs.end());
    const double floor = m_record->derived.floorUs;
    double low = *least;
    double high = *most;
    // The floor belongs into the picture where that does not squeeze the samples to a line.
    const bool floorShown =
        floor > 0 && floor < low && low - floor < 3 * std::max(high - low, 0.02 * high);
    if (floorShown) {
        low = floor;
    }
    const double margin = std::max((high - low) * 0.08, high * 1e-4);
    low -= margin;
    high += margin;
    const TimeUnit unit = timeUnitFor(timing.medianUs, timing.medianUs);
    const double caption = lineHeight(TextRole::Caption);
    const double axis = lineHeight(TextRole::NumberAxis);
    const double left = Theme::px(52);
    const QRectF area =
        target.adjusted(left, caption + Theme::px(4), -Theme::px(4), -axis - Theme::px(6));
    const double split = std::round(area.left() + area.width() * 0.66);
    const QRectF order(area.left(), area.top(), split - area.left() - Theme::px(8), area.height());
    const QRectF histogram(split, area.top(), area.right() - split, area.height());
    paintSamples(painter, target, order, histogram, low, high);
    const auto small = [&](const QRectF& rect, Qt::Alignment align, const QString& text) {
        drawTextLine(painter, rect, align, text, TextRole::Caption, theme.text3);
    };
    const QString count = QString::number(timing.samplesUs.size());
    small(QRectF(target.left(), target.top(), left - Theme::px(6), caption),
          Qt::AlignRight,
          unit.name);
    small(QRectF(order.left(), target.top(), order.width(), caption),
          Qt::AlignLeft,
          tr("in order, %1 samples").arg(count));
    small(QRectF(histogram.left(), target.top(), histogram.width(), caption),
          Qt::AlignLeft,
          tr("how many"));
    const QRectF foot(area.left(), area.bottom() + Theme::px(4), order.width(), axis);
    small(foot, Qt::AlignLeft, QStringLiteral("1"));
    small(foot, Qt::AlignRight, count);
}

void Distribution::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    paintTo(painter, QRectF(rect()));
}

void Distribution::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        update();
    }
}

}  // namespace loupe::app
