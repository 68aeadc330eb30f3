// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/theatre/figure_row.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/theatre/theatre_model.hpp"

#include <QEvent>
#include <QPainter>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr std::size_t kMostNow = 2;
constexpr std::size_t kMostAtEnd = 3;

QString toQ(const std::string& text) {
    return QString::fromStdString(text);
}

/// ".0398": no leading zero, as the lecture writes relative errors.
QString heroText(double value) {
    QString text = value != 0 && std::fabs(value) < 1 && std::fabs(value) >= 1e-4
                       ? formatFixed(value, std::fabs(value) < 0.01 ? 6 : 4)
                       : formatNumber(value, 4);
    if (text.startsWith(QLatin1String("0."))) {
        text.remove(0, 1);
    }
    return text;
}

std::vector<TraceFigure> figuresOf(const TheatreModel& model) {
    std::vector<TraceFigure> figures;
    const TraceState* state = model.state();
    if (state == nullptr) {
        return figures;
    }
    const auto append = [&](const std::vector<TraceFigure>& from, std::size_t most) {
        for (std::size_t i = 0; i < std::min(most, from.size()); ++i) {
            const bool known =
                std::any_of(figures.begin(), figures.end(), [&](const TraceFigure& figure) {
                    return figure.label == from[i].label;
                });
            if (!known) {
                figures.push_back(from[i]);
            }
        }
    };
    append(state->figures, kMostNow);
    append(model.trace()->summary, kMostAtEnd);
    return figures;
}

}  // namespace

FigureRow::FigureRow(TheatreModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("figures"));
    QSizePolicy policy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    connect(&model, &TheatreModel::stateChanged, this, &FigureRow::refresh);
    connect(&model, &TheatreModel::traceChanged, this, &FigureRow::refresh);
    refresh();
}

QSize FigureRow::sizeHint() const {
    return {Theme::px(360), layOut(nullptr, std::max(width(), Theme::px(360)))};
}

int FigureRow::heightForWidth(int width) const {
    return layOut(nullptr, width);
}

void FigureRow::refresh() {
    QStringList parts;
    for (const TraceFigure& figure : figuresOf(m_model)) {
        parts << toQ(figure.label) + QLatin1Char(' ') + formatNumber(figure.value, 6) +
                     (figure.note.empty() ? QString() : QLatin1Char(' ') + toQ(figure.note));
    }
    if (m_model.trace()) {
        parts << toQ(m_model.trace()->lesson);
    }
    setAccessibleName(tr("Numbers of this step"));
    setAccessibleDescription(parts.join(QStringLiteral("; ")));
    updateGeometry();
    update();
}

int FigureRow::layOut(QPainter* painter, int width) const {
    const Theme& theme = Theme::current();
    const std::vector<TraceFigure> figures = figuresOf(m_model);
    const QString lesson = m_model.trace() ? toQ(m_model.trace()->lesson) : QString();
    if (figures.empty() && lesson.isEmpty()) {
        return 0;
    }
    const double caption = lineHeight(TextRole::Small);
    const double hero = lineHeight(TextRole::NumberHero);
    const double gap = Theme::px(28);
    const double top = Theme::px(10);
    double x = 0;
    double y = top;
    double lineEnd = top;
    if (painter != nullptr) {
        painter->setPen(theme.line);
        painter->drawLine(0, 0, width, 0);
    }
    for (const TraceFigure& figure : figures) {
        const QString value = heroText(figure.value);
        const double valueWidth = textWidth(value, TextRole::NumberHero);
        const double noteWidth =
            figure.note.empty() ? 0 : textWidth(toQ(figure.note), TextRole::Small) + Theme::px(8);
        const double need = std::min<double>(
            width,
            std::max(textWidth(toQ(figure.label), TextRole::Small), valueWidth + noteWidth) + 2);
        if (x > 0 && x + need > width) {
            x = 0;
            y = lineEnd + Theme::px(6);
        }
        if (painter != nullptr) {
            const QFontMetricsF metrics(Theme::font(TextRole::Small));
            drawTextLine(*painter,
                         QRectF(x, y, need, caption),
                         Qt::AlignLeft,
                         metrics.elidedText(toQ(figure.label), Qt::ElideRight, need),
                         TextRole::Small,
                         theme.text2);
            drawTextLine(*painter,
                         QRectF(x, y + caption, need, hero),
                         Qt::AlignLeft,
                         value,
                         TextRole::NumberHero,
                         theme.text);
            drawTextLine(*painter,
                         QRectF(x + valueWidth + Theme::px(8),
                                y + caption + Theme::px(2),
                                std::max(0.0, need - valueWidth),
                                hero),
                         Qt::AlignLeft,
                         metrics.elidedText(toQ(figure.note),
                                            Qt::ElideRight,
                                            std::max(0.0, need - valueWidth - Theme::px(8)) + 1),
                         TextRole::Small,
                         theme.text3);
        }
        x += need + gap;
        lineEnd = std::max(lineEnd, y + caption + hero);
    }
    if (!lesson.isEmpty()) {
        const bool beside = width - x >= Theme::px(260);
        const QRectF area(beside ? x : 0,
                          beside ? y : lineEnd + (figures.empty() ? 0 : Theme::px(6)),
                          beside ? width - x : width,
                          Theme::px(2000));
        const QFont font = Theme::font(TextRole::Small);
        const QRectF used =
            QFontMetricsF(font).boundingRect(area, Qt::TextWordWrap | Qt::AlignLeft, lesson);
        if (painter != nullptr) {
            painter->setFont(font);
            painter->setPen(theme.text2);
            painter->drawText(area, Qt::TextWordWrap | Qt::AlignLeft, lesson);
        }
        lineEnd = std::max(lineEnd, used.bottom());
    }
    return static_cast<int>(std::ceil(lineEnd + Theme::px(8)));
}

void FigureRow::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    layOut(&painter, width());
}

void FigureRow::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        refresh();
    }
}

}  // namespace loupe::app
