// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/pareto_plot.hpp"

#include "app/plot/category.hpp"

#include <QFontMetricsF>
#include <QMouseEvent>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace loupe::app {

ParetoPlot::ParetoPlot(LadderModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setAccessibleName(tr("Bits per weight against error"));
    m_plot = new Plot(this);
    m_xTicker.reset(new FixedTicker);
    m_yTicker.reset(new FixedTicker);
    m_plot->xAxis->setTicker(m_xTicker);
    m_plot->yAxis->setTicker(m_yTicker);
    m_plot->setMouseTracking(true);
    m_plot->axisRect()->setAutoMargins(QCP::msLeft);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_plot);
    m_plot->setPrepare([this](QSize size) { prepare(size); });
    new PaintLayer(m_plot, "main", [this](QPainter& painter) { paintFront(painter); });
    new PaintLayer(m_plot, "main", [this](QPainter& painter) { paintPoints(painter); });
    new PaintLayer(m_plot, "overlay", [this](QPainter& painter) { paintLabels(painter); });
    connect(&model, &QAbstractItemModel::modelReset, this, &ParetoPlot::rebuild);
    connect(&model, &QAbstractItemModel::dataChanged, this, [this] {
        m_plot->replot(QCustomPlot::rpQueuedReplot);
    });
    connect(m_plot, &QCustomPlot::mouseMove, this, [this](QMouseEvent* event) {
        const QString scheme = nearest(event->position());
        if (scheme != m_hovered) {
            setHovered(scheme);
            emit hoveredChanged(scheme);
        }
    });
    connect(m_plot, &QCustomPlot::mousePress, this, [this](QMouseEvent* event) {
        if (const QString scheme = nearest(event->position()); !scheme.isEmpty()) {
            emit clicked(scheme);
        }
    });
    connect(m_plot, &QCustomPlot::mouseDoubleClick, this, [this](QMouseEvent* event) {
        if (const QString scheme = nearest(event->position()); !scheme.isEmpty()) {
            emit chosen(scheme);
        }
    });
    rebuild();
}

const LadderModel::Item& ParetoPlot::itemOf(const Point& point) const {
    return m_model.item(point.item);
}

void ParetoPlot::rebuild() {
    m_points.clear();
    const FigureDefinition& figure = m_model.figure();
    m_log = figure.logarithmic;
    for (int i = 0; i < m_model.rowCount(); ++i) {
        const LadderModel::Item& item = m_model.item(i);
        if (!item.row) {
            continue;
        }
        const std::optional<double> error = figure.value(item.row->figures);
        if (error && std::isfinite(*error) && (!m_log || *error > 0)) {
            m_points.push_back(
                {item.row->figures.bitsPerWeight, m_log ? std::log10(*error) : *error, i});
        }
    }
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

void ParetoPlot::prepare(QSize size) {
    m_plot->axisRect()->setMargins(QMargins(0, Theme::px(26), Theme::px(16), Theme::px(42)));
    double right = 1;
    double low = m_points.empty() ? -3 : m_points.front().y;
    double high = m_points.empty() ? 0 : low;
    for (const Point& point : m_points) {
        right = std::max(right, point.x);
        low = std::min(low, point.y);
        high = std::max(high, point.y);
    }
    const double margin = std::max((high - low) * 0.08, m_log ? 0.1 : 1e-12);
    m_plot->xAxis->setRange(0, right * 1.06);
    m_plot->yAxis->setRange(low - margin, high + margin);
    setNiceTicks(*m_xTicker, 0, right * 1.06, size.width() - Theme::px(80), true);
    if (m_log) {
        setLogTicks(*m_yTicker, std::pow(10, low - margin), std::pow(10, high + margin));
        // Every decade where there is room, else every second or third.
        const double room = std::max(size.height() - Theme::px(60), 1);
        const auto keep = std::max<std::size_t>(
            1,
            static_cast<std::size_t>(std::ceil(static_cast<double>(m_yTicker->positions.size()) *
                                               Theme::px(22) / room)));
        std::vector<double> positions;
        std::vector<QString> labels;
        for (std::size_t i = 0; i < m_yTicker->positions.size(); i += keep) {
            positions.push_back(m_yTicker->positions[i]);
            labels.push_back(m_yTicker->labels[i]);
        }
        m_yTicker->positions = positions;
        m_yTicker->labels = labels;
    } else {
        setNiceTicks(*m_yTicker, low - margin, high + margin, size.height() - Theme::px(60), false);
    }
}

QPointF ParetoPlot::place(const Point& point) const {
    return {m_plot->xAxis->coordToPixel(point.x), m_plot->yAxis->coordToPixel(point.y)};
}

std::optional<QPointF> ParetoPlot::pointOf(const QString& scheme) const {
    const std::string wanted = scheme.toStdString();
    for (const Point& point : m_points) {
        if (itemOf(point).entry().scheme == wanted) {
            return place(point);
        }
    }
    return std::nullopt;
}

QString ParetoPlot::nearest(const QPointF& position) const {
    double best = Theme::px(14);
    QString found;
    for (const Point& point : m_points) {
        const QPointF away = place(point) - position;
        const double distance = std::hypot(away.x(), away.y());
        if (distance < best) {
            best = distance;
            found = QString::fromStdString(itemOf(point).entry().scheme);
        }
    }
    return found;
}

void ParetoPlot::setHovered(const QString& scheme) {
    if (scheme != m_hovered) {
        m_hovered = scheme;
        m_plot->replotOverlay();
    }
}

void ParetoPlot::setSelected(const QString& scheme) {
    if (scheme != m_selected) {
        m_selected = scheme;
        m_plot->replotOverlay();
    }
}

void ParetoPlot::leaveEvent(QEvent* event) {
    QWidget::leaveEvent(event);
    if (!m_hovered.isEmpty()) {
        setHovered({});
        emit hoveredChanged({});
    }
}

void ParetoPlot::paintFront(QPainter& painter) {
    std::vector<QPointF> front;
    for (const Point& point : m_points) {
        if (itemOf(point).pareto) {
            front.push_back(place(point));
        }
    }
    std::sort(front.begin(), front.end(), [](const QPointF& a, const QPointF& b) {
        return a.x() < b.x();
    });
    painter.setRenderHint(QPainter::Antialiasing);
    painter.setPen(QPen(Theme::current().text2, 1.5));
    painter.drawPolyline(front.data(), static_cast<int>(front.size()));
}

void ParetoPlot::paintPoints(QPainter& painter) {
    const Theme& theme = Theme::current();
    painter.setRenderHint(QPainter::Antialiasing);
    for (const Point& point : m_points) {
        const LadderModel::Item& item = itemOf(point);
        const QPointF at = place(point);
        drawCategoryMark(
            painter, familyCategory(item.entry().family), at, Theme::px(item.pareto ? 5 : 3.5));
        if (item.pinned) {
            painter.setBrush(Qt::NoBrush);
            painter.setPen(QPen(theme.text, 2));
            painter.drawEllipse(at, Theme::px(9), Theme::px(9));
        }
        const QString scheme = QString::fromStdString(item.entry().scheme);
        const double size = Theme::px(16);
        double left = at.x() + Theme::px(8);
        for (const Side side : {Side::A, Side::B}) {
            if (scheme == (side == Side::A ? m_model.schemeA() : m_model.schemeB())) {
                // B below: points that lie close do not hide each other's letters.
                const double top = side == Side::A ? at.y() - size : at.y() + 1;
                drawSideBadge(painter, QRectF(left, top, size, size), side);
                left += size + Theme::px(2);
            }
        }
    }
    const FigureDefinition& figure = m_model.figure();
    QString title = QString::fromUtf8(figure.title.data(), qsizetype(figure.title.size()));
    if (!figure.unit.empty()) {
        title += QStringLiteral(" (") +
                 QString::fromUtf8(figure.unit.data(), qsizetype(figure.unit.size())) +
                 QLatin1Char(')');
    }
    const QRectF view = m_plot->viewport();
    drawTextLine(
        painter,
        QRectF(view.left() + Theme::px(8), view.top() + Theme::px(4), view.width(), Theme::px(16)),
        Qt::AlignLeft | Qt::AlignVCenter,
        title,
        TextRole::Caption,
        theme.text3);
    drawTextLine(painter,
                 QRectF(view.left(),
                        view.bottom() - Theme::px(17),
                        view.width() - Theme::px(16),
                        Theme::px(16)),
                 Qt::AlignRight | Qt::AlignVCenter,
                 tr("bits per weight"),
                 TextRole::Caption,
                 theme.text3);
}

void ParetoPlot::paintLabels(QPainter& painter) {
    const Theme& theme = Theme::current();
    painter.setRenderHint(QPainter::Antialiasing);
    for (const Point& point : m_points) {
        const LadderModel::Item& item = itemOf(point);
        const QString scheme = QString::fromStdString(item.entry().scheme);
        const bool hovered = scheme == m_hovered;
        if (!hovered && (!m_hovered.isEmpty() || scheme != m_selected)) {
            continue;
        }
        const QPointF at = place(point);
        painter.setBrush(Qt::NoBrush);
        painter.setPen(QPen(theme.text, 2));
        painter.drawEllipse(at, Theme::px(8), Theme::px(8));
        const QRectF view = m_plot->viewport();
        const QString words = tr("%1 · %2 bits")
                                  .arg(QString::fromStdString(item.entry().title),
                                       formatFixed(item.row->figures.bitsPerWeight, 3));
        const double width = textWidth(words, TextRole::Small) + Theme::px(12);
        const double left = clampTo(
            at.x() + Theme::px(12), view.left(), std::max(view.left(), view.right() - width));
        double top = at.y() - Theme::px(26);
        if (top < view.top() + Theme::px(20)) {
            top = at.y() + Theme::px(10);
        }
        const QRectF box(left, top, width, Theme::px(20));
        painter.setPen(QPen(theme.border, 1));
        painter.setBrush(theme.raised);
        painter.drawRoundedRect(box, 3, 3);
        drawTextLine(painter, box, Qt::AlignCenter, words, TextRole::Small, theme.text);
    }
}

}  // namespace loupe::app
