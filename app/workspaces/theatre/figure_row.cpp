// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/theatre/figure_row.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/theatre/panel_layout.hpp"
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
    return boardText(text);
}

/// ".0398": no leading zero, as the lecture writes relative errors.
QString heroText(double value) {
    if (value == std::floor(value) && std::fabs(value) < 1e9) {
        return formatCount(static_cast<qint64>(value));
    }
    QString text = value != 0 && std::fabs(value) < 1 && std::fabs(value) >= 1e-4
                       ? formatFixed(value, std::fabs(value) < 0.01 ? 6 : 4)
                       : formatNumber(value, 4);
    if (text.startsWith(QLatin1String("0."))) {
        text.remove(0, 1);
    }
    return text;
}

/// Numbers under one caption: "Output error" of RTN and of GPTQ stand side by side.
struct Group {
    QString caption;
    QString note;
    struct Entry {
        QString value;
        QString name;
    };
    std::vector<Entry> entries;
};

void append(std::vector<Group>& groups, const std::vector<TraceFigure>& figures, std::size_t most) {
    for (const TraceFigure& figure : figures) {
        const QString label = toQ(figure.label);
        const qsizetype comma = label.indexOf(QStringLiteral(", "));
        const QString caption = comma > 0 ? label.left(comma) : label;
        const QString name = comma > 0 ? label.mid(comma + 2) : QString();
        const auto known = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
            return group.caption == caption;
        });
        if (known == groups.end()) {
            if (most == 0) {
                continue;
            }
            --most;
            groups.push_back({caption, toQ(figure.note), {{heroText(figure.value), name}}});
        } else if (!name.isEmpty()) {
            known->entries.push_back({heroText(figure.value), name});
        }
    }
}

constexpr int kBriefest = 4;

/// `brevity` 0: all; 1: without notes; 2: without the lesson; 3: only the whole run's; 4: only two.
std::vector<Group> groupsOf(const TheatreModel& model, int brevity) {
    std::vector<Group> groups;
    if (const TraceState* state = model.state()) {
        const std::vector<TraceFigure>& summary = model.trace()->summary;
        if (brevity < 3 || summary.empty()) {
            append(groups, state->figures, kMostNow);
        }
        append(groups, summary, brevity < kBriefest ? kMostAtEnd : 2);
    }
    for (Group& group : groups) {
        if (brevity > 0) {
            group.note.clear();
        }
    }
    return groups;
}

/// A group at (x, y); its width. Draws where `painter` is given.
double layOutGroup(QPainter* painter, const Group& group, QPointF at, double most) {
    const Theme& theme = Theme::current();
    const double caption = lineHeight(TextRole::Small);
    const double hero = lineHeight(TextRole::NumberHero);
    const QString note = group.note.isEmpty() ? QString() : QStringLiteral("  ") + group.note;
    const double captionWidth = textWidth(group.caption, TextRole::Small);
    const double noteWidth = textWidth(note, TextRole::Small);
    if (painter != nullptr) {
        drawTextLine(*painter,
                     QRectF(at, QSizeF(captionWidth + 2, caption)),
                     Qt::AlignLeft,
                     group.caption,
                     TextRole::Small,
                     theme.text2);
        const QFontMetricsF metrics(Theme::font(TextRole::Small));
        drawTextLine(*painter,
                     QRectF(at.x() + captionWidth, at.y(), noteWidth + 2, caption),
                     Qt::AlignLeft,
                     metrics.elidedText(note, Qt::ElideRight, std::max(0.0, most - captionWidth)),
                     TextRole::Small,
                     theme.text3);
    }
    double x = at.x();
    for (const Group::Entry& entry : group.entries) {
        const double value = textWidth(entry.value, TextRole::NumberHero);
        const double name = textWidth(entry.name, TextRole::Small);
        if (painter != nullptr) {
            const double y = at.y() + caption;
            drawTextLine(*painter,
                         QRectF(x, y, value + 2, hero),
                         Qt::AlignLeft,
                         entry.value,
                         TextRole::NumberHero,
                         theme.text);
            drawTextLine(*painter,
                         QRectF(x + value + Theme::px(6), y + Theme::px(2), name + 2, hero),
                         Qt::AlignLeft,
                         entry.name,
                         TextRole::Small,
                         theme.text2);
        }
        x += value + (entry.name.isEmpty() ? 0 : name + Theme::px(6)) + Theme::px(14);
    }
    return std::min(most, std::max(captionWidth + noteWidth, x - at.x() - Theme::px(14)) + 2);
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
    for (const Group& group : groupsOf(m_model, 0)) {
        for (const Group::Entry& entry : group.entries) {
            parts << group.caption + QLatin1Char(' ') + entry.name + QLatin1Char(' ') + entry.value;
        }
    }
    if (m_model.trace()) {
        parts << toQ(m_model.trace()->lesson);
    }
    setAccessibleName(tr("Numbers of this step"));
    setAccessibleDescription(parts.join(QStringLiteral("; ")));
    const int needed = layOut(nullptr, std::max(width(), Theme::px(360)));
    if (needed != m_height) {
        m_height = needed;
        updateGeometry();
    }
    update();
}

void FigureRow::setRoom(int height) {
    if (height != m_room) {
        m_room = height;
        refresh();
    }
}

int FigureRow::layOut(QPainter* painter, int width) const {
    int brevity = 0;
    while (brevity < kBriefest && layOut(nullptr, width, brevity) > m_room) {
        ++brevity;
    }
    return layOut(painter, width, brevity);
}

int FigureRow::layOut(QPainter* painter, int width, int brevity) const {
    const Theme& theme = Theme::current();
    const std::vector<Group> groups = groupsOf(m_model, brevity);
    const QString lesson =
        m_model.trace() && brevity < 2 ? toQ(m_model.trace()->lesson) : QString();
    if (groups.empty() && lesson.isEmpty()) {
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
    for (const Group& group : groups) {
        const double need = layOutGroup(nullptr, group, {0, 0}, width);
        if (x > 0 && x + need > width) {
            x = 0;
            y = lineEnd + Theme::px(6);
        }
        layOutGroup(painter, group, {x, y}, need);
        x += need + gap;
        lineEnd = std::max(lineEnd, y + caption + hero);
    }
    if (!lesson.isEmpty()) {
        const QFont font = Theme::font(TextRole::Small);
        const QRectF right(x, y, width - x, Theme::px(2000));
        const QRectF below(
            0, lineEnd + (groups.empty() ? 0 : Theme::px(6)), width, Theme::px(2000));
        const auto usedOf = [&](const QRectF& room) {
            return QFontMetricsF(font).boundingRect(room, Qt::TextWordWrap | Qt::AlignLeft, lesson);
        };
        // Beside the last numbers where that takes less of the page than lines of its own.
        const bool beside = right.width() >= Theme::px(260) &&
                            std::max(lineEnd, usedOf(right).bottom()) <= usedOf(below).bottom();
        const QRectF area = beside ? right : below;
        const QRectF used = usedOf(area);
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
