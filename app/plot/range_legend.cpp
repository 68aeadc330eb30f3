// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/range_legend.hpp"

#include <QContextMenuEvent>
#include <QFontMetricsF>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QLineEdit>
#include <QMouseEvent>
#include <QPainter>
#include <QRegularExpression>
#include <QToolTip>

#include <algorithm>
#include <cmath>

#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/text.hpp"

namespace loupe::app {

namespace {

constexpr double kBarWidth = 14;
constexpr double kHistogramWidth = 18;
constexpr double kTick = 4;

/// Ends print with their own digits: they are bounds, not ticks.
QString boundText(double value) {
    const double size = std::fabs(value);
    if (value == 0 || size < 1e-4 || size >= 1e6) {
        return value == 0 ? QString("0") : formatNumber(value, 3);
    }
    QString text = QString::number(value, 'g', 3);
    if (text.contains('e')) {
        text = QString::number(value, 'f', 0);
    }
    text.replace(QRegularExpression("^(-?)0\\."), "\\1.");
    return text.replace('-', QChar(0x2212));
}

}  // namespace

struct RangeLegend::Layout {
    QRectF area;
    QRectF title;
    QRectF capAbove, bar, capBelow;
    QRectF histogram;
    QRectF nanRow, infRow;
    double textLeft = 0;
};

RangeLegend::RangeLegend(QWidget* parent) : QWidget(parent) {
    setFocusPolicy(Qt::StrongFocus);
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Expanding);
    setAttribute(Qt::WA_OpaquePaintEvent);
    setAccessibleName("Colour range");
    describe();
}

QSize RangeLegend::sizeHint() const {
    const QFontMetricsF metrics(Theme::font(TextRole::NumberAxis));
    const double width = Theme::px(kHistogramWidth + kBarWidth + 8) + kTick + metrics.horizontalAdvance("> −1.23e−5") + 4;
    return {static_cast<int>(std::ceil(width)), Theme::px(260)};
}

QSize RangeLegend::minimumSizeHint() const {
    return {sizeHint().width(), Theme::px(150)};
}

RangeLegend::Layout RangeLegend::layoutFor(const QRectF& area) const {
    Layout layout;
    layout.area = area;
    const double line = std::ceil(QFontMetricsF(Theme::font(TextRole::NumberAxis)).height());
    const double caption = std::ceil(QFontMetricsF(Theme::font(TextRole::Caption)).height());
    const double cap = Theme::px(10);
    const double gap = std::max(static_cast<double>(Theme::px(6)), line - cap / 2);
    const double left = area.left() + Theme::px(kHistogramWidth + 2);
    const double width = Theme::px(kBarWidth);
    layout.title = QRectF(area.left(), area.top() + Theme::px(1), area.width(), (m_info.mode.isEmpty() ? 1 : 2) * caption);
    layout.capAbove = QRectF(left, layout.title.bottom() + Theme::px(6), width, cap);
    layout.infRow = QRectF(left, area.bottom() - line - Theme::px(2), area.right() - left, line);
    layout.nanRow = layout.infRow.translated(0, -line - Theme::px(2));
    layout.capBelow = QRectF(left, layout.nanRow.top() - Theme::px(6) - cap, width, cap);
    const double top = layout.capAbove.bottom() + gap;
    layout.bar = QRectF(left, top, width, std::max(8.0, layout.capBelow.top() - gap - top));
    layout.histogram = QRectF(area.left(), layout.bar.top(), Theme::px(kHistogramWidth), layout.bar.height());
    layout.textLeft = layout.bar.right() + Theme::px(6) + kTick;
    return layout;
}

void RangeLegend::setSetting(const ColorSetting& setting) {
    if (setting != m_setting) {
        m_setting = setting;
        describe();
        update();
    }
}

void RangeLegend::setInfo(const LegendInfo& info) {
    if (info != m_info) {
        m_info = info;
        describe();
        update();
    }
}

void RangeLegend::setHistogram(std::vector<std::uint32_t> counts) {
    m_histogram = std::move(counts);
    update();
}

void RangeLegend::setMarker(std::optional<double> value) {
    if (value != m_marker) {
        m_marker = value;
        update();
    }
}

QString RangeLegend::sentence() const {
    return QString("%1, %2, from %3 to %4%5; values reach from %6 to %7; NaN %8, Inf %9")
        .arg(m_info.quantity, m_info.scale, boundText(m_setting.low), boundText(m_setting.high), m_info.mode.isEmpty() ? QString() : QString(" (%1)").arg(m_info.mode))
        .arg(boundText(m_info.least), boundText(m_info.most), formatCount(static_cast<qint64>(m_info.nan)), formatCount(static_cast<qint64>(m_info.inf)));
}

void RangeLegend::describe() {
    setAccessibleDescription(sentence());
    setToolTip(sentence() + ".\nDrag the handles, or double-click a bound to type it.");
}

QPointF RangeLegend::handle(bool high) const {
    const Layout layout = layoutFor(rect());
    const double bound = high ? m_setting.high : m_setting.low;
    const ColorSetting& frame = m_drag ? m_pressed : m_setting;
    ColorSetting plain = frame;
    if (!plain.logarithmic) {
        plain.magnitude = false;  // bounds are not folded
    }
    const double at = std::clamp(plain.position(bound), -0.05, 1.05);
    return {layout.bar.right() + Theme::px(4), layout.bar.bottom() - at * layout.bar.height()};
}

void RangeLegend::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), Theme::current().canvas);
    paintLegend(painter, rect(), true);
}

void RangeLegend::paintLegend(QPainter& painter, const QRectF& target, bool interactive) {
    const Theme& theme = Theme::current();
    const Layout layout = layoutFor(target);
    painter.save();
    painter.setFont(Theme::font(TextRole::Caption));
    painter.setPen(theme.text3);
    QString title = m_info.quantity + "  " + m_info.scale;
    if (!m_info.mode.isEmpty()) {
        title += "\n" + m_info.mode;
    }
    painter.drawText(layout.title, Qt::AlignLeft | Qt::AlignTop, title);
    paintHistogram(painter, layout);
    paintBar(painter, layout);
    paintCaps(painter, layout);
    paintTicks(painter, layout);
    if (interactive) {
        paintHandles(painter, layout);
    }
    painter.restore();
}

void RangeLegend::paintBar(QPainter& painter, const Layout& layout) {
    QImage strip(1, 256, QImage::Format_RGB32);
    for (int y = 0; y < 256; ++y) {
        const double at = 1 - (y + 0.5) / 256;
        strip.setPixel(0, y, m_setting.color(static_cast<float>(m_setting.valueAt(at))));
    }
    if (m_drag) {
        // The bar keeps its extent while a handle moves; colours saturate beyond it.
        for (int y = 0; y < 256; ++y) {
            strip.setPixel(0, y, m_setting.color(static_cast<float>(m_pressed.valueAt(1 - (y + 0.5) / 256))));
        }
    }
    painter.setRenderHint(QPainter::SmoothPixmapTransform, false);
    painter.drawImage(layout.bar, strip);
    if (m_marker && std::isfinite(*m_marker)) {
        const double at = std::clamp(m_setting.position(*m_marker), 0.0, 1.0);
        const double y = std::round(layout.bar.bottom() - at * layout.bar.height()) + 0.5;
        painter.setPen(QPen(Qt::black, 3, Qt::SolidLine, Qt::FlatCap));
        painter.drawLine(QPointF(layout.bar.left(), y), QPointF(layout.bar.right(), y));
        painter.setPen(QPen(Qt::white, 1, Qt::SolidLine, Qt::FlatCap));
        painter.drawLine(QPointF(layout.bar.left(), y), QPointF(layout.bar.right(), y));
    }
}

void RangeLegend::paintHistogram(QPainter& painter, const Layout& layout) {
    if (m_histogram.empty()) {
        return;
    }
    const double most = *std::max_element(m_histogram.begin(), m_histogram.end());
    if (!(most > 0)) {
        return;
    }
    const double step = layout.histogram.height() / static_cast<double>(m_histogram.size());
    QPolygonF outline;
    outline << QPointF(layout.histogram.right(), layout.histogram.bottom());
    for (std::size_t i = 0; i < m_histogram.size(); ++i) {
        const double width = layout.histogram.width() * std::sqrt(m_histogram[i] / most);
        const double y = layout.histogram.bottom() - static_cast<double>(i) * step;
        outline << QPointF(layout.histogram.right() - width, y) << QPointF(layout.histogram.right() - width, y - step);
    }
    outline << QPointF(layout.histogram.right(), layout.histogram.top());
    painter.setPen(Qt::NoPen);
    painter.setBrush(Theme::current().fill);
    painter.setRenderHint(QPainter::Antialiasing, true);
    painter.drawPolygon(outline);
}

void RangeLegend::paintTicks(QPainter& painter, const Layout& layout) {
    const Theme& theme = Theme::current();
    const ColorSetting& frame = m_drag ? m_pressed : m_setting;
    painter.setRenderHint(QPainter::Antialiasing, false);
    painter.setFont(Theme::font(TextRole::NumberAxis));
    const double line = QFontMetricsF(painter.font()).height();
    const int wanted = std::max(2, static_cast<int>(layout.bar.height() / (2.6 * line)));
    ColorSetting plain = frame;
    std::vector<double> ticks;
    if (frame.logarithmic) {
        const double from = std::floor(std::log10(std::max(1e-300, frame.low)));
        const double to = std::log10(std::max(1e-300, frame.high));
        const double step = std::max(1.0, std::ceil((to - from) / wanted));
        for (double e = from; e <= to + 1e-9; e += step) {
            ticks.push_back(std::pow(10.0, e));
        }
    } else {
        plain.magnitude = false;
        ticks = niceTicks(frame.low, frame.high, std::min(6, wanted));
    }
    const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : frame.high - frame.low;
    const auto draw = [&](double at, const QString& text, const QColor& colour) {
        const double y = std::round(layout.bar.bottom() - at * layout.bar.height());
        painter.setPen(QPen(theme.border, 1));
        painter.drawLine(QPointF(layout.bar.right() + 1, y), QPointF(layout.bar.right() + kTick, y));
        painter.setPen(colour);
        painter.drawText(QRectF(layout.textLeft, y - line / 2, layout.area.right() - layout.textLeft, line), Qt::AlignLeft | Qt::AlignVCenter, text);
    };
    draw(0, boundText(frame.low), theme.text);
    draw(1, boundText(frame.high), theme.text);
    const double clear = line / layout.bar.height();
    for (const double tick : ticks) {
        const double at = plain.position(tick);
        if (at > clear && at < 1 - clear) {
            draw(at, frame.logarithmic ? formatNumber(tick, 2) : tickText(tick, step), theme.text2);
        }
    }
}

void RangeLegend::paintCaps(QPainter& painter, const Layout& layout) {
    const Theme& theme = Theme::current();
    const ColorTable& table = colorTable(m_setting.map);
    const double line = QFontMetricsF(Theme::font(TextRole::NumberAxis)).height();
    painter.setRenderHint(QPainter::Antialiasing, false);
    const auto cap = [&](const QRectF& rect, QRgb colour, const QString& text) {
        painter.setPen(QPen(theme.border, 1));
        painter.setBrush(QColor::fromRgb(colour));
        painter.drawRect(rect);
        painter.setPen(theme.text2);
        painter.drawText(QRectF(layout.textLeft, rect.center().y() - line / 2, layout.area.right() - layout.textLeft, line), Qt::AlignLeft | Qt::AlignVCenter, text);
    };
    painter.setFont(Theme::font(TextRole::NumberAxis));
    cap(layout.capAbove, table.above, m_info.highText.isEmpty() ? "> " + boundText(m_setting.high) : m_info.highText);
    cap(layout.capBelow, table.below, m_info.lowText.isEmpty() ? "< " + boundText(m_setting.low) : m_info.lowText);

    const auto row = [&](const QRectF& rect, bool nan, std::uint64_t count) {
        const double size = std::min(rect.height(), static_cast<double>(Theme::px(12)));
        const QRectF box(rect.left() + (Theme::px(kBarWidth) - size) / 2, rect.center().y() - size / 2, size, size);
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing, true);
        painter.setClipRect(box);
        painter.fillRect(box, nan ? QColor(Qt::black) : QColor::fromRgb(table.above));
        painter.setPen(QPen(nan ? QColor(Qt::white) : QColor::fromRgb(textColorOn(table.above)), nan ? 1 : 1.5));
        if (nan) {
            for (double x = box.left() - box.height() + 2; x < box.right(); x += 4) {
                const double from = std::max(x, box.left());
                const double to = std::min(x + box.height(), box.right());
                painter.drawLine(QPointF(from, box.bottom() - (from - x)), QPointF(to, box.bottom() - (to - x)));
            }
        } else {
            painter.drawLine(box.topLeft(), box.bottomRight());
            painter.drawLine(box.topRight(), box.bottomLeft());
        }
        painter.restore();
        painter.setRenderHint(QPainter::Antialiasing, false);
        painter.setBrush(Qt::NoBrush);
        painter.setPen(QPen(theme.border, 1));
        painter.drawRect(box);
        painter.setPen(count > 0 ? theme.error : theme.text3);
        painter.drawText(QRectF(layout.textLeft, rect.top(), layout.area.right() - layout.textLeft, rect.height()),
                         Qt::AlignLeft | Qt::AlignVCenter,
                         QString("%1 %2").arg(nan ? "NaN" : "Inf", formatCount(static_cast<qint64>(count))));
    };
    row(layout.nanRow, true, m_info.nan);
    row(layout.infRow, false, m_info.inf);
}

void RangeLegend::paintHandles(QPainter& painter, const Layout& layout) {
    const Theme& theme = Theme::current();
    painter.setRenderHint(QPainter::Antialiasing, true);
    const double size = Theme::px(5);
    for (const bool high : {false, true}) {
        const QPointF tip(layout.bar.right() - 1, handle(high).y());
        painter.setPen(QPen(theme.canvas, 1));
        painter.setBrush(theme.text);
        painter.drawPolygon(QPolygonF({tip, tip + QPointF(1.4 * size, -size), tip + QPointF(1.4 * size, size)}));
    }
    if (hasFocus()) {
        painter.setPen(QPen(theme.focus, 2));
        painter.setBrush(Qt::NoBrush);
        painter.drawRoundedRect(layout.area.adjusted(1, 1, -1, -1), 6, 6);
    }
}

void RangeLegend::moveBound(bool high, double value, bool done) {
    double low = m_setting.low;
    double top = m_setting.high;
    if (!std::isfinite(value)) {
        return;
    }
    if (m_setting.diverging()) {
        // Zero stays at the centre: both handles move.
        top = std::max(1e-30, high ? value : -value);
        low = -top;
    } else if (high) {
        top = std::max(value, low + 1e-6 * std::max(std::fabs(low), 1e-12));
    } else {
        low = std::min(value, top - 1e-6 * std::max(std::fabs(top), 1e-12));
        low = m_setting.magnitude ? std::max(low, m_setting.logarithmic ? top * 1e-9 : 0.0) : low;
    }
    m_setting.low = low;
    m_setting.high = top;
    describe();
    update();
    emit rangeChanged(low, top, done);
}

void RangeLegend::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton) {
        return;
    }
    const Layout layout = layoutFor(rect());
    const double y = event->position().y();
    if (y < layout.capAbove.top() || y > layout.capBelow.bottom()) {
        return;
    }
    m_pressed = m_setting;
    m_drag = std::fabs(y - handle(true).y()) <= std::fabs(y - handle(false).y());
}

void RangeLegend::mouseMoveEvent(QMouseEvent* event) {
    if (!m_drag || !(event->buttons() & Qt::LeftButton)) {
        return;
    }
    const Layout layout = layoutFor(rect());
    const double at = (layout.bar.bottom() - event->position().y()) / layout.bar.height();
    moveBound(*m_drag, m_pressed.valueAt(at), false);
}

void RangeLegend::mouseReleaseEvent(QMouseEvent*) {
    if (m_drag) {
        const bool moved = m_pressed != m_setting;
        m_drag.reset();
        if (moved) {
            emit rangeChanged(m_setting.low, m_setting.high, true);
        }
        update();
    }
}

void RangeLegend::mouseDoubleClickEvent(QMouseEvent* event) {
    m_drag.reset();
    editBound(event->position().y() < layoutFor(rect()).bar.center().y());
}

void RangeLegend::editBound(bool high) {
    if (m_editor == nullptr) {
        m_editor = new QLineEdit(this);
        m_editor->setObjectName("bound");
        connect(m_editor, &QLineEdit::editingFinished, this, [this] {
            if (m_editor->isHidden()) {
                return;
            }
            m_editor->hide();
            setFocus();
            if (const std::optional<double> value = parseDouble(toAscii(m_editor->text()).toStdString())) {
                moveBound(m_editsHigh, *value, true);
            }
        });
    }
    m_editsHigh = high;
    const Layout layout = layoutFor(rect());
    m_editor->setFont(Theme::font(TextRole::NumberAxis));
    m_editor->setAccessibleName(high ? "Upper bound" : "Lower bound");
    m_editor->setText(toAscii(boundText(high ? m_setting.high : m_setting.low)));
    const int height = Theme::px(22);
    m_editor->setGeometry(0, static_cast<int>(high ? layout.bar.top() : layout.bar.bottom()) - height / 2, width(), height);
    m_editor->selectAll();
    m_editor->show();
    m_editor->setFocus();
}

void RangeLegend::keyPressEvent(QKeyEvent* event) {
    const bool high = !(event->modifiers() & Qt::ShiftModifier);
    const double at = high ? 1 : 0;
    switch (event->key()) {
        case Qt::Key_Up: moveBound(high, m_setting.valueAt(at + 0.05), true); return;
        case Qt::Key_Down: moveBound(high, m_setting.valueAt(at - 0.05), true); return;
        case Qt::Key_Return: case Qt::Key_Enter: editBound(high); return;
        case Qt::Key_Escape:
            if (m_editor != nullptr && m_editor->isVisible()) {
                m_editor->hide();
                setFocus();
                return;
            }
            break;
        default: break;
    }
    QWidget::keyPressEvent(event);
}

void RangeLegend::contextMenuEvent(QContextMenuEvent* event) {
    emit menuRequested(event->globalPos());
}

bool RangeLegend::event(QEvent* event) {
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FocusIn || event->type() == QEvent::FocusOut) {
        update();
    }
    return QWidget::event(event);
}

}  // namespace loupe::app
