// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/memory/byte_bars.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"
#include "app/widgets/time_text.hpp"
#include "app/workspaces/memory/device_text.hpp"
#include "app/workspaces/memory/memory_model.hpp"

#include <QEvent>
#include <QFocusEvent>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr double kRow = 44;
constexpr double kBar = 20;
constexpr int kLeastWidth = 330;
constexpr double kBeyond = 0.12;  // of the bars' width: what lies beyond the device's memory

QColor colorOf(int kind) {
    const Theme& theme = Theme::current();
    switch (kind) {
        case 0:
            return theme.bitFraction;
        case 1:
            return theme.bitScale;
        case 2:
            return theme.bitExponent;
        default:
            return theme.bitZeroPoint;
    }
}

/// A share's own pattern, so that colour is never the only cue.
void fillShare(QPainter& painter, const QRectF& rect, int kind) {
    painter.fillRect(rect, colorOf(kind));
    painter.save();
    painter.setClipRect(rect);
    QColor ink = Theme::current().bitText;
    ink.setAlphaF(0.28F);
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(ink, 1));
    const double step = Theme::px(6);
    if (kind == 2) {  // 45° lines
        for (double x = rect.left() - rect.height(); x < rect.right(); x += step) {
            painter.drawLine(QPointF(x, rect.bottom()), QPointF(x + rect.height(), rect.top()));
        }
    } else if (kind == 1) {  // dots
        painter.setPen(Qt::NoPen);
        painter.setBrush(ink);
        for (double x = rect.left() + step / 2; x < rect.right(); x += step) {
            for (double y = rect.top() + step / 2; y < rect.bottom(); y += step) {
                painter.drawEllipse(QPointF(x, y), 1.2, 1.2);
            }
        }
    } else if (kind == 3) {  // grid
        for (double x = rect.left() + step / 2; x < rect.right(); x += step) {
            painter.drawLine(QPointF(x, rect.top()), QPointF(x, rect.bottom()));
        }
        for (double y = rect.top() + step / 2; y < rect.bottom(); y += step) {
            painter.drawLine(QPointF(rect.left(), y), QPointF(rect.right(), y));
        }
    }
    painter.restore();
}

}  // namespace

std::vector<ByteShare> byteShares(const MemoryModel& model) {
    const std::optional<MemoryEstimate>& e = model.estimate();
    if (!e) {
        return {};
    }
    std::vector<ByteShare> shares{{ByteBars::tr("Weights"), e->weights.codes, 0}};
    if (e->weights.sides > 0) {
        shares.push_back({ByteBars::tr("Scales"), e->weights.sides, 1});
    }
    if (e->kvCache) {
        shares.push_back({ByteBars::tr("KV cache"), *e->kvCache, 2});
        shares.push_back({ByteBars::tr("Activations"), e->activationPeak(), 3});
    }
    return shares;
}

ByteBars::ByteBars(MemoryModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("byteBars"));
    setAccessibleName(tr("What fits on which device"));
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    QSizePolicy policy(QSizePolicy::Expanding, QSizePolicy::Minimum);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    connect(&model, &MemoryModel::changed, this, &ByteBars::refresh);
    connect(&model, &MemoryModel::deviceChanged, this, &ByteBars::refresh);
    refresh();
}

void ByteBars::refresh() {
    setAccessibleDescription(describe());
    updateGeometry();
    update();
}

QString ByteBars::verdict(std::size_t index) const {
    const HardwareDevice& device = allHardware()[index];
    const std::optional<MemoryEstimate>& e = m_model.estimate();
    if (!e) {
        return {};
    }
    const double left = device.capacity() - static_cast<double>(e->total());
    if (left >= 0) {
        return tr("fits, %1 free").arg(gigabytes(left));
    }
    const auto count =
        static_cast<qint64>(std::ceil(static_cast<double>(e->total()) / device.capacity()));
    return tr("needs at least %1").arg(formatCount(count));
}

QString ByteBars::describe() const {
    const HardwareDevice& device = allHardware()[m_model.device()];
    const std::optional<MemoryEstimate>& e = m_model.estimate();
    if (!e) {
        return m_model.problem();
    }
    return tr("%1: %2 of %3, %4")
        .arg(toQString(device.title),
             gigabytes(static_cast<double>(e->total())),
             capacityText(device),
             verdict(m_model.device()));
}

double ByteBars::rowHeight() const {
    return std::max(static_cast<double>(Theme::px(kRow)),
                    lineHeight(TextRole::Body) + lineHeight(TextRole::Small) + Theme::px(6));
}

/// Title, the sum in large digits, the legend with each share's bytes, the axis.
double ByteBars::paintHead(QPainter* painter, const QRectF& area) const {
    const Theme& theme = Theme::current();
    double y = area.top();
    const std::optional<MemoryEstimate>& e = m_model.estimate();
    if (!e) {
        return 0;
    }
    const double hero = lineHeight(TextRole::NumberHero);
    const auto total = static_cast<double>(e->total());
    const QString sum = gigabytes(total);
    const QString binary = tr("= %1").arg(gibibytes(total));
    if (painter != nullptr) {
        drawTextLine(*painter,
                     {area.left(), y, area.width(), hero},
                     Qt::AlignLeft,
                     sum,
                     TextRole::NumberHero,
                     theme.text);
        const double after = textWidth(sum, TextRole::NumberHero) + Theme::px(12);
        drawTextLine(*painter,
                     {area.left() + after, y + Theme::px(2), area.width(), hero},
                     Qt::AlignLeft,
                     binary,
                     TextRole::Number,
                     theme.text2);
        const double later = after + textWidth(binary, TextRole::Number) + Theme::px(16);
        const QString facts = tr("%1 parameters").arg(formatCount(e->parameters));
        if (later + textWidth(facts, TextRole::Small) <= area.width()) {
            drawTextLine(*painter,
                         {area.left() + later, y + Theme::px(2), area.width() - later, hero},
                         Qt::AlignLeft,
                         facts,
                         TextRole::Small,
                         theme.text3);
        }
    }
    y += hero + Theme::px(8);
    const double line = lineHeight(TextRole::Small) + Theme::px(4);
    double x = area.left();
    const double box = Theme::px(12);
    for (const ByteShare& share : byteShares(m_model)) {
        const QString number = gigabytes(static_cast<double>(share.bytes));
        const double width = box + Theme::px(6) + textWidth(share.name, TextRole::Small) +
                             Theme::px(6) + textWidth(number, TextRole::Number) + Theme::px(18);
        if (x > area.left() && x + width > area.right()) {
            x = area.left();
            y += line;
        }
        if (painter != nullptr) {
            const QRectF mark(x, y + (line - box) / 2, box, box);
            fillShare(*painter, mark, share.kind);
            double at = x + box + Theme::px(6);
            drawTextLine(*painter,
                         {at, y, width, line},
                         Qt::AlignLeft,
                         share.name,
                         TextRole::Small,
                         theme.text2);
            at += textWidth(share.name, TextRole::Small) + Theme::px(6);
            drawTextLine(*painter,
                         {at, y, width, line},
                         Qt::AlignLeft,
                         number,
                         TextRole::Number,
                         theme.text);
        }
        x += width;
    }
    return y + line + Theme::px(8) - area.top();
}

double ByteBars::headHeight(double width) const {
    return paintHead(nullptr, QRectF(0, 0, width, 4000));
}

namespace {

/// Where name, bar, time and numbers of a row lie.
struct RowParts {
    double names;
    double times;  ///< 0: no room for the least time of a token
    double numbers;
    double bars;
};

QString axisCaption() {
    return ByteBars::tr("share of its memory");
}

RowParts partsOf(double width) {
    RowParts parts{};
    for (const HardwareDevice& device : allHardware()) {
        parts.names = std::max({parts.names,
                                textWidth(toQString(device.title), TextRole::Body),
                                textWidth(toQString(device.memory), TextRole::Small)});
    }
    parts.names =
        std::max(parts.names, textWidth(axisCaption(), TextRole::Caption)) + Theme::px(30);
    parts.numbers = textWidth(QStringLiteral("000.00 of 000 GB"), TextRole::Number) + Theme::px(24);
    parts.times = textWidth(ByteBars::tr("a token, model"), TextRole::Small) + Theme::px(28);
    constexpr int kWideBars = 320;
    if (width - parts.names - parts.numbers - parts.times < Theme::px(kWideBars)) {
        parts.times = 0;
    }
    parts.bars = std::max(40.0, width - parts.names - parts.numbers - parts.times);
    return parts;
}

}  // namespace

void ByteBars::paintRow(QPainter& painter, const QRectF& row, std::size_t index) const {
    const Theme& theme = Theme::current();
    const HardwareDevice& device = allHardware()[index];
    const RowParts parts = partsOf(row.width());
    const bool chosen = index == m_model.device();
    if (chosen) {
        painter.fillRect(row, theme.selected);
        painter.fillRect(QRectF(row.left(), row.top(), 3, row.height()), theme.text);
    }
    const double body = lineHeight(TextRole::Body);
    const double small = lineHeight(TextRole::Small);
    const double top = row.top() + (row.height() - body - small) / 2;
    const double x = row.left() + Theme::px(10);
    drawTextLine(painter,
                 {x, top, parts.names, body},
                 Qt::AlignLeft,
                 toQString(device.title),
                 TextRole::Body,
                 theme.text);
    drawTextLine(painter,
                 {x, top + body, parts.names, small},
                 Qt::AlignLeft,
                 toQString(device.memory),
                 TextRole::Small,
                 chosen ? theme.text2 : theme.text3);
    const double full = parts.bars / (1 + kBeyond);  // all of the device's memory
    const double left = row.left() + parts.names;
    const double barHeight = Theme::px(kBar);
    const QRectF track(left, row.top() + (row.height() - barHeight) / 2, full, barHeight);
    painter.fillRect(track, theme.grid);
    double at = left;
    const double end = left + parts.bars - Theme::px(4);
    bool cut = false;
    for (const ByteShare& share : byteShares(m_model)) {
        const double width = full * static_cast<double>(share.bytes) / device.capacity();
        const double right = std::min(end, at + width);
        cut = cut || at + width > end;
        if (right > at) {
            fillShare(painter, {at, track.top(), right - at, barHeight}, share.kind);
        }
        at += width;
        if (cut) {
            break;
        }
    }
    painter.setPen(QPen(theme.border, 1));
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(track.adjusted(0, 0, -1, -1));
    if (cut) {  // goes on beyond the picture: two strokes through its end
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        for (const double offset : {Theme::px(14), Theme::px(9)}) {
            painter.setPen(QPen(theme.canvas, 3));
            painter.drawLine(QPointF(end - offset, track.bottom() + 1),
                             QPointF(end - offset + Theme::px(6), track.top() - 1));
        }
        painter.restore();
    }
    const bool fits = at <= left + full + 0.5;
    if (!fits) {  // where the device's memory ends
        painter.fillRect(QRectF(left + full - 4, track.top() - 4, 7, barHeight + 8), theme.canvas);
        painter.fillRect(QRectF(left + full - 1.5, track.top() - 5, 2.5, barHeight + 10),
                         theme.warning);
    }
    const std::optional<MemoryEstimate>& e = m_model.estimate();
    const double numbers = row.right() - parts.numbers + Theme::px(10);
    const double room = parts.numbers - Theme::px(14);
    const std::optional<double> seconds = m_model.secondsPerToken(device);
    if (parts.times > 0 && seconds) {
        const double time = row.right() - parts.numbers - parts.times;
        drawTextLine(painter,
                     {time, top, parts.times, body},
                     Qt::AlignRight,
                     QStringLiteral("≥ %1").arg(timeText(*seconds * 1e6)),
                     TextRole::Number,
                     theme.text);
        drawTextLine(painter,
                     {time, top + body, parts.times, small},
                     Qt::AlignRight,
                     tr("a token, model"),
                     TextRole::Small,
                     chosen ? theme.text2 : theme.text3);
    }
    if (e) {
        drawTextLine(
            painter,
            {numbers, top, room, body},
            Qt::AlignRight,
            tr("%1 of %2")
                .arg(gigabytes(static_cast<double>(e->total())).remove(QStringLiteral(" GB")),
                     capacityText(device)),
            TextRole::Number,
            theme.text);
        drawTextLine(painter,
                     {numbers, top + body, room, small},
                     Qt::AlignRight,
                     verdict(index),
                     TextRole::Small,
                     fits ? (chosen ? theme.text2 : theme.text3) : theme.warning);
    }
}

double ByteBars::layOut(QPainter* painter, const QRectF& area) const {
    const Theme& theme = Theme::current();
    if (!m_model.estimate()) {
        if (painter != nullptr && !m_model.busy()) {
            drawEmpty(*painter,
                      area,
                      QStringLiteral("memory"),
                      m_model.problem(),
                      tr("Choose a model on the left."));
        }
        return Theme::px(160);
    }
    double y = area.top() + paintHead(painter, area);
    const RowParts parts = partsOf(area.width());
    const double full = parts.bars / (1 + kBeyond);
    const double axis = lineHeight(TextRole::NumberAxis) + Theme::px(4);
    const double rows = rowHeight() * static_cast<double>(allHardware().size());
    if (painter != nullptr) {
        const double caption = area.left() + Theme::px(10);
        drawTextLine(*painter,
                     {caption, y, parts.names, axis},
                     Qt::AlignLeft,
                     axisCaption(),
                     TextRole::Caption,
                     theme.text3);
        // As many labels as do not touch.
        const double label = textWidth(QStringLiteral("100 %"), TextRole::NumberAxis);
        const int every = full > 6 * label ? 25 : full > 3.5 * label ? 50 : 100;
        for (int percent = 0; percent <= 100; percent += every) {
            const double x = area.left() + parts.names + full * percent / 100;
            drawTextLine(*painter,
                         {x - Theme::px(30), y, 2.0 * Theme::px(30), axis},
                         Qt::AlignHCenter,
                         QStringLiteral("%1 %").arg(percent),
                         TextRole::NumberAxis,
                         theme.text3);
            painter->fillRect(QRectF(x, y + axis, 1, rows), theme.grid);
        }
    }
    y += axis;
    for (std::size_t k = 0; k < allHardware().size(); ++k) {
        if (painter != nullptr) {
            paintRow(*painter, {area.left(), y, area.width(), rowHeight()}, k);
        }
        y += rowHeight();
    }
    const QString foot = tr(
        "Computed from sizes, not measured: a program, its buffers and the operating system need "
        "more. Devices by their makers' figures; sources under Device.");
    const QFont font = Theme::font(TextRole::Small);
    const QRectF room(
        area.left() + Theme::px(10), y + Theme::px(8), area.width() - Theme::px(20), 400);
    const QRectF used =
        QFontMetricsF(font).boundingRect(room, Qt::TextWordWrap | Qt::AlignLeft, foot);
    if (painter != nullptr) {
        painter->setFont(font);
        painter->setPen(theme.text3);
        painter->drawText(room, Qt::TextWordWrap | Qt::AlignLeft, foot);
    }
    return used.bottom() - area.top() + Theme::px(4);
}

int ByteBars::heightForWidth(int width) const {
    return static_cast<int>(
               std::ceil(layOut(nullptr, QRectF(0, 0, width - 2 * Theme::px(8), 4000)))) +
           Theme::px(16);
}

QSize ByteBars::sizeHint() const {
    return {Theme::px(560), heightForWidth(std::max(width(), Theme::px(420)))};
}

QSize ByteBars::minimumSizeHint() const {
    return {Theme::px(kLeastWidth), heightForWidth(std::max(width(), Theme::px(kLeastWidth)))};
}

void ByteBars::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), Theme::current().canvas);
    const int pad = Theme::px(8);
    layOut(&painter, QRectF(rect()).adjusted(pad, pad, -pad, -pad));
    if (hasFocus() && m_ring) {
        drawFocusRing(painter, rect());
    }
}

int ByteBars::deviceAt(QPointF point) const {
    const int pad = Theme::px(8);
    const double head =
        pad + headHeight(width() - 2 * pad) + lineHeight(TextRole::NumberAxis) + Theme::px(4);
    const double at = std::floor((point.y() - head) / rowHeight());
    const auto count = static_cast<double>(allHardware().size());
    return m_model.estimate() && at >= 0 && at < count ? static_cast<int>(at) : -1;
}

void ByteBars::mousePressEvent(QMouseEvent* event) {
    m_ring = false;
    if (const int index = deviceAt(event->position()); index >= 0) {
        m_model.chooseDevice(static_cast<std::size_t>(index));
    }
}

void ByteBars::keyPressEvent(QKeyEvent* event) {
    const auto index = static_cast<std::ptrdiff_t>(m_model.device());
    std::ptrdiff_t next = index;
    switch (event->key()) {
        case Qt::Key_Up:
            next = index - 1;
            break;
        case Qt::Key_Down:
            next = index + 1;
            break;
        case Qt::Key_Home:
            next = 0;
            break;
        case Qt::Key_End:
            next = static_cast<std::ptrdiff_t>(allHardware().size()) - 1;
            break;
        default:
            return QWidget::keyPressEvent(event);
    }
    m_model.chooseDevice(static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, next)));
}

void ByteBars::focusInEvent(QFocusEvent* event) {
    m_ring = event->reason() == Qt::TabFocusReason || event->reason() == Qt::BacktabFocusReason ||
             event->reason() == Qt::ShortcutFocusReason;
    QWidget::focusInEvent(event);
}

bool ByteBars::event(QEvent* event) {
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        const int index = deviceAt(help->pos());
        if (index >= 0) {
            const HardwareDevice& device = allHardware()[static_cast<std::size_t>(index)];
            QToolTip::showText(
                help->globalPos(), sourceText(device, HardwareQuantity::MemoryBytes), this);
        } else {
            QToolTip::hideText();
        }
        return true;
    }
    return QWidget::event(event);
}

void ByteBars::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        refresh();
    }
}

QString ByteBars::copyText() const {
    const std::optional<MemoryEstimate>& e = m_model.estimate();
    if (!e) {
        return {};
    }
    QString text = QStringLiteral(
        "device\tcapacity_bytes\tweights_bytes\tscales_bytes\tkv_cache_bytes\tactivations_bytes\t"
        "total_bytes\tdevices_needed\n");
    for (const HardwareDevice& device : allHardware()) {
        const auto needed =
            static_cast<qint64>(std::ceil(static_cast<double>(e->total()) / device.capacity()));
        text += toQString(device.title) + QLatin1Char('\t') +
                QString::number(static_cast<qint64>(device.capacity()));
        for (const std::int64_t bytes : {e->weights.codes,
                                         e->weights.sides,
                                         e->kvCache.value_or(0),
                                         e->activationPeak(),
                                         e->total()}) {
            text += QLatin1Char('\t') + QString::number(bytes);
        }
        text += QLatin1Char('\t') + QString::number(needed) + QLatin1Char('\n');
    }
    return text;
}

}  // namespace loupe::app
