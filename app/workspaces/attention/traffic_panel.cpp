// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/attention/attention_model.hpp"
#include "app/workspaces/attention/step_panels.hpp"

#include <QEvent>
#include <QPainter>

#include <algorithm>
#include <array>
#include <cmath>

namespace loupe::app {

namespace {

constexpr int kPanelWidth = 320;
constexpr int kLeastWidth = 150;

QString factorOf(std::int64_t standard, std::int64_t tiled) {
    const bool less = tiled <= standard;
    const double ratio = less ? static_cast<double>(standard) / static_cast<double>(tiled)
                              : static_cast<double>(tiled) / static_cast<double>(standard);
    return formatFixed(ratio, 2);
}

/// Wrapped text; its height.
double drawWrapped(QPainter* painter,
                   const QRectF& area,
                   const QString& text,
                   TextRole role,
                   const QColor& color) {
    const QFont font = Theme::font(role);
    const QRectF room(area.left(), area.top(), area.width(), 4000);
    const QRectF used =
        QFontMetricsF(font).boundingRect(room, Qt::TextWordWrap | Qt::AlignLeft, text);
    if (painter != nullptr) {
        painter->setFont(font);
        painter->setPen(color);
        painter->drawText(room, Qt::TextWordWrap | Qt::AlignLeft, text);
    }
    return used.height();
}

/// A panel's title and what follows it in text3; the height.
double drawTitle(QPainter* painter, const QRectF& area, const QString& title, const QString& rest) {
    const double height = lineHeight(TextRole::Heading);
    if (painter != nullptr) {
        const Theme& theme = Theme::current();
        drawTextLine(*painter,
                     {area.left(), area.top(), area.width(), height},
                     Qt::AlignLeft,
                     title,
                     TextRole::Heading,
                     theme.text);
        const double after = textWidth(title, TextRole::Heading) + Theme::px(8);
        const QString shown = QFontMetricsF(Theme::font(TextRole::Small))
                                  .elidedText(rest, Qt::ElideRight, area.width() - after);
        drawTextLine(*painter,
                     {area.left() + after, area.top(), area.width() - after, height},
                     Qt::AlignLeft,
                     shown,
                     TextRole::Small,
                     theme.text3);
    }
    return height + Theme::px(6);
}

}  // namespace

ChipPanel::ChipPanel(AttentionModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setAccessibleName(tr("On the chip now"));
    QSizePolicy policy(QSizePolicy::Preferred, QSizePolicy::Minimum);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    connect(&model, &AttentionModel::traceChanged, this, &ChipPanel::refresh);
    connect(&model, &AttentionModel::stepChanged, this, &ChipPanel::refresh);
    connect(&model, &AttentionModel::settingsChanged, this, &ChipPanel::refresh);
}

QString ChipPanel::warning() const {
    const AttentionStep* step = m_model.step();
    const std::int64_t memory = m_model.settings().played().memory;
    if (step == nullptr || step->onChip.total() <= memory) {
        return {};
    }
    switch (m_model.trace()->algorithm) {
        case AttentionAlgorithm::Standard:
            return tr("more than the chip's %1: counted as if it fitted, the least that this "
                      "order can move")
                .arg(formatCount(memory));
        case AttentionAlgorithm::Flash2:
            return tr("more than the chip's %1: take smaller blocks").arg(formatCount(memory));
        case AttentionAlgorithm::Flash1:
            break;
    }
    return tr("more than the %1 that the rule for the blocks starts from").arg(formatCount(memory));
}

void ChipPanel::refresh() {
    if (const AttentionStep* step = m_model.step()) {
        setAccessibleDescription(
            tr("K, V blocks %1; Q, O blocks %2; S tile %3; needs %4 elements. %5")
                .arg(step->onChip.keysAndValues)
                .arg(step->onChip.queriesAndOutputs)
                .arg(step->onChip.scores)
                .arg(step->onChip.total())
                .arg(warning()));
    }
    updateGeometry();
    update();
}

QSize ChipPanel::sizeHint() const {
    const int least = Theme::px(kLeastWidth);
    return {least, layOut(nullptr, std::max(width(), least))};
}

int ChipPanel::heightForWidth(int width) const {
    return layOut(nullptr, width);
}

int ChipPanel::layOut(QPainter* painter, int width) const {
    const Theme& theme = Theme::current();
    const double pad = Theme::px(12);
    const QRectF area(pad, Theme::px(8), std::max(20.0, width - 2 * pad), 4000);
    double y = area.top() + drawTitle(painter, area, tr("On chip now"), tr("elements"));
    const AttentionStep* step = m_model.step();
    const OnChipNeed need = step != nullptr ? step->onChip : OnChipNeed{};
    const double line = lineHeight(TextRole::Small) + Theme::px(4);
    const std::array<std::tuple<QString, std::int64_t, bool>, 5> rows{
        {{tr("K, V blocks"), need.keysAndValues, false},
         {tr("Q, O blocks"), need.queriesAndOutputs, false},
         {tr("S tile"), need.scores, false},
         {tr("needs"), need.total(), true},
         {tr("on-chip memory M"), m_model.settings().played().memory, false}}};
    for (const auto& [name, value, bold] : rows) {
        if (painter != nullptr) {
            const QRectF row(area.left(), y, area.width(), line);
            drawTextLine(*painter,
                         row,
                         Qt::AlignLeft,
                         name,
                         TextRole::Small,
                         bold ? theme.text : theme.text2);
            drawTextLine(
                *painter, row, Qt::AlignRight, formatCount(value), TextRole::Number, theme.text);
            if (bold) {
                painter->setPen(QPen(theme.line, 1));
                painter->drawLine(QPointF(row.left(), y), QPointF(row.right(), y));
            }
        }
        y += line;
    }
    if (const QString text = warning(); !text.isEmpty()) {
        const double icon = Theme::px(16);
        if (painter != nullptr) {
            themedIcon(QStringLiteral("warning"))
                .paint(painter,
                       QRect(static_cast<int>(area.left()),
                             static_cast<int>(y) + 2,
                             static_cast<int>(icon),
                             static_cast<int>(icon)));
        }
        y += drawWrapped(painter,
                         {area.left() + icon + Theme::px(6),
                          y + 2,
                          area.width() - icon - Theme::px(6),
                          4000},
                         text,
                         TextRole::Small,
                         theme.warning) +
             2;
    }
    return static_cast<int>(std::ceil(y + Theme::px(8)));
}

void ChipPanel::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    layOut(&painter, width());
}

void ChipPanel::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        refresh();
    }
}

TrafficPanel::TrafficPanel(AttentionModel& model, QWidget* parent)
    : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("traffic"));
    setAccessibleName(tr("Traffic to main memory"));
    setFocusPolicy(Qt::StrongFocus);
    QSizePolicy policy(QSizePolicy::Preferred, QSizePolicy::Minimum);
    policy.setHeightForWidth(true);
    setSizePolicy(policy);
    connect(&model, &AttentionModel::traceChanged, this, &TrafficPanel::refresh);
    connect(&model, &AttentionModel::stepChanged, this, &TrafficPanel::refresh);
}

QString TrafficPanel::factor() const {
    const std::shared_ptr<const AttentionTrace>& trace = m_model.trace();
    if (!trace || trace->algorithm == AttentionAlgorithm::Standard) {
        return {};
    }
    return factorOf(standardTraffic(trace->tiling.tokens, trace->dim).total(),
                    trace->steps.back().soFar.total());
}

QString TrafficPanel::sentence() const {
    const std::shared_ptr<const AttentionTrace>& trace = m_model.trace();
    if (!trace) {
        return {};
    }
    const MemoryTraffic standard = standardTraffic(trace->tiling.tokens, trace->dim);
    if (trace->algorithm == AttentionAlgorithm::Standard) {
        return tr("4N² + 4Nd elements: the scores cross to main memory and back, twice.");
    }
    const bool less = trace->steps.back().soFar.total() <= standard.total();
    QString text = less ? tr("less traffic than standard attention")
                        : tr("more traffic than standard attention");
    if (trace->algorithm == AttentionAlgorithm::Flash1 && !m_model.settings().worked) {
        constexpr std::int64_t kLarger = 49152;
        if (m_model.settings().size.memory != kLarger) {
            const MemoryTraffic at =
                flash1Traffic(tileAttention({trace->tiling.tokens, trace->dim, kLarger}),
                              trace->dim,
                              trace->causal);
            text += (at.total() <= standard.total() ? tr("; %1 × less with M = %2")
                                                    : tr("; %1 × more with M = %2"))
                        .arg(factorOf(standard.total(), at.total()), formatCount(kLarger));
        }
        text += tr(". It wins where M > 3d² = %1.").arg(formatCount(crossoverMemory(trace->dim)));
    } else {
        text += QLatin1Char('.');
    }
    return text;
}

void TrafficPanel::refresh() {
    if (const AttentionStep* step = m_model.step()) {
        const MemoryTraffic total = m_model.trace()->steps.back().soFar;
        setAccessibleDescription(tr("%1 of %2 elements read, %3 of %4 written. %5 times %6")
                                     .arg(step->soFar.reads)
                                     .arg(total.reads)
                                     .arg(step->soFar.writes)
                                     .arg(total.writes)
                                     .arg(factor(), sentence()));
    }
    updateGeometry();
    update();
}

int TrafficPanel::layOut(QPainter* painter, const QRectF& area) const {
    const Theme& theme = Theme::current();
    double y = area.top() +
               drawTitle(painter, area, tr("Traffic to main memory"), tr("counted, elements"));
    const std::shared_ptr<const AttentionTrace>& trace = m_model.trace();
    const AttentionStep* step = m_model.step();
    const MemoryTraffic now = step != nullptr ? step->soFar : MemoryTraffic{};
    const MemoryTraffic total = trace ? trace->steps.back().soFar : MemoryTraffic{};
    const MemoryTraffic standard =
        trace ? standardTraffic(trace->tiling.tokens, trace->dim) : MemoryTraffic{};
    const bool tiled = trace && trace->algorithm != AttentionAlgorithm::Standard;
    struct Row {
        QString name;
        std::int64_t soFar;
        std::int64_t total;
        bool tiled;
    };
    std::vector<Row> rows{{tr("read"), now.reads, total.reads, tiled},
                          {tr("write"), now.writes, total.writes, tiled},
                          {tr("both"), now.total(), total.total(), tiled}};
    if (tiled) {
        rows.push_back({tr("standard"), standard.total(), standard.total(), false});
    }
    const std::int64_t most = std::max({std::int64_t{1}, total.total(), standard.total()});
    const QString widest = formatCount(most);
    const double numbers =
        std::max(textWidth(widest, TextRole::Number), textWidth(tr("so far"), TextRole::Caption)) +
        Theme::px(10);
    const double names = textWidth(tr("standard"), TextRole::Small) + Theme::px(10);
    // Two columns of numbers beside the bars; in a narrow panel the numbers go under them.
    const bool narrow = area.width() - names - 2 * numbers < Theme::px(70);
    const double bars = std::max(20.0, area.width() - names - (narrow ? 0 : 2 * numbers));
    const double line = lineHeight(TextRole::Small) + Theme::px(8);
    if (painter != nullptr && !narrow) {
        const double heading = lineHeight(TextRole::Caption);
        drawTextLine(*painter,
                     {area.left(), y, area.width() - numbers, heading},
                     Qt::AlignRight,
                     tr("so far"),
                     TextRole::Caption,
                     theme.text3);
        drawTextLine(*painter,
                     {area.left(), y, area.width(), heading},
                     Qt::AlignRight,
                     tr("total"),
                     TextRole::Caption,
                     theme.text3);
    }
    y += narrow ? 0 : lineHeight(TextRole::Caption) + Theme::px(2);
    for (const Row& row : rows) {
        const QColor color = row.tiled ? theme.schemeA : theme.text2;
        const auto length = [&](std::int64_t value) {
            return bars * static_cast<double>(value) / static_cast<double>(most);
        };
        if (painter != nullptr) {
            drawTextLine(*painter,
                         {area.left(), y, names, line},
                         Qt::AlignLeft,
                         row.name,
                         TextRole::Small,
                         theme.text);
            const QRectF box(area.left() + names,
                             y + line / 2 - Theme::px(6),
                             std::max(2.0, length(row.total)),
                             Theme::px(12));
            QRectF filled = box;
            filled.setWidth(length(row.soFar));
            fillHatched(*painter, filled, color, Theme::px(6), 2);
            painter->setPen(QPen(color, 1));
            painter->setBrush(Qt::NoBrush);
            painter->drawRect(box.adjusted(0, 0, -1, -1));
        }
        y += narrow ? line - Theme::px(4) : 0;
        if (painter != nullptr) {
            const QRectF text(area.left(), y, area.width() - (narrow ? 0 : numbers), line);
            const QString both = formatCount(row.soFar) + QStringLiteral(" / ");
            drawTextLine(*painter,
                         text,
                         Qt::AlignRight,
                         narrow ? both + formatCount(row.total) : formatCount(row.soFar),
                         TextRole::Number,
                         theme.text);
            if (!narrow) {
                drawTextLine(*painter,
                             {area.left(), y, area.width(), line},
                             Qt::AlignRight,
                             formatCount(row.total),
                             TextRole::Number,
                             theme.text2);
            }
        }
        y += line;
    }
    y += Theme::px(6);
    const QString hero = factor().isEmpty() ? QString() : factor() + QStringLiteral(" ×");
    const double width = hero.isEmpty() ? 0 : textWidth(hero, TextRole::NumberHero) + Theme::px(10);
    const double heroHeight = hero.isEmpty() ? 0 : lineHeight(TextRole::NumberHero);
    if (painter != nullptr && !hero.isEmpty()) {
        drawTextLine(*painter,
                     {area.left(), y, width, heroHeight},
                     Qt::AlignLeft,
                     hero,
                     TextRole::NumberHero,
                     theme.text);
    }
    const double text =
        drawWrapped(painter,
                    {area.left() + width, y + Theme::px(4), area.width() - width, 4000},
                    sentence(),
                    TextRole::Small,
                    theme.text2);
    return static_cast<int>(std::ceil(y + std::max(heroHeight, text + Theme::px(4)) - area.top()));
}

QSize TrafficPanel::sizeHint() const {
    return {Theme::px(kPanelWidth), heightForWidth(std::max(width(), Theme::px(kPanelWidth)))};
}

QSize TrafficPanel::minimumSizeHint() const {
    return {Theme::px(kLeastWidth), heightForWidth(std::max(width(), Theme::px(kLeastWidth)))};
}

int TrafficPanel::heightForWidth(int width) const {
    return layOut(nullptr, QRectF(0, 0, width - 2 * Theme::px(12), 4000)) + Theme::px(18);
}

void TrafficPanel::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    layOut(&painter, QRectF(Theme::px(12), Theme::px(8), width() - 2 * Theme::px(12), height()));
    if (hasFocus()) {
        drawFocusRing(painter, rect());
    }
}

void TrafficPanel::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        refresh();
    }
}

}  // namespace loupe::app
