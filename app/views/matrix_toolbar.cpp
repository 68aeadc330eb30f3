// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/matrix_toolbar.hpp"

#include <QFontMetricsF>
#include <QHBoxLayout>
#include <QPainter>
#include <QPainterPath>

#include <algorithm>
#include <cmath>

#include "app/widgets/loupe_style.hpp"
#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

QFont segmentFont(bool chosen) {
    QFont font = Theme::font(TextRole::Body);
    font.setWeight(chosen ? QFont::DemiBold : QFont::Normal);
    return font;
}

constexpr double kRadius = 6;

}  // namespace

SegmentButton::SegmentButton(QAction* action, int place, QWidget* parent) : QToolButton(parent), m_place(place) {
    setDefaultAction(action);
    setFocusPolicy(Qt::TabFocus);
    setAccessibleName(action->text());
}

QSize SegmentButton::sizeHint() const {
    // The width of the bold text, so that nothing moves when the choice does.
    const double width = QFontMetricsF(segmentFont(true)).horizontalAdvance(text());
    return {static_cast<int>(std::ceil(width)) + Theme::px(20), Theme::px(28)};
}

void SegmentButton::paintEvent(QPaintEvent*) {
    const Theme& theme = Theme::current();
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing, true);
    const bool first = m_place & First;
    const bool last = m_place & Last;
    // Neighbours share a border: each draws beyond its open sides and is cut there.
    QRectF box = QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5);
    box.adjust(first ? 0 : -kRadius - 1, 0, last ? 0 : kRadius + 1, 0);
    const QColor fill = isChecked() ? theme.pressed : underMouse() && isEnabled() ? theme.raised : theme.panel;
    painter.setBrush(fill);
    painter.setPen(QPen(theme.border, 1));
    painter.drawRoundedRect(box, kRadius, kRadius);
    if (!last) {
        painter.setRenderHint(QPainter::Antialiasing, false);
        painter.drawLine(width() - 1, 1, width() - 1, height() - 2);
        painter.setRenderHint(QPainter::Antialiasing, true);
    }
    painter.setFont(segmentFont(isChecked()));
    painter.setPen(!isEnabled() ? theme.text3 : isChecked() ? theme.text : theme.text2);
    painter.drawText(rect(), Qt::AlignCenter, text());
    if (hasFocus()) {
        drawFocusRing(painter, rect(), kRadius);
    }
}

SegmentRow::SegmentRow(QActionGroup* group, const QString& accessibleName, QWidget* parent) : QWidget(parent) {
    auto* layout = new QHBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    const QList<QAction*> actions = group->actions();
    for (qsizetype i = 0; i < actions.size(); ++i) {
        const int place = (i == 0 ? SegmentButton::First : 0) | (i + 1 == actions.size() ? SegmentButton::Last : 0);
        layout->addWidget(new SegmentButton(actions[i], place, this));
    }
    setAccessibleName(accessibleName);
}

ChipButton::ChipButton(QWidget* parent) : QToolButton(parent) {
    setPopupMode(QToolButton::InstantPopup);
    setFocusPolicy(Qt::TabFocus);
}

void ChipButton::setDoubtful(bool doubtful) {
    m_doubtful = doubtful;
    update();
}

QSize ChipButton::sizeHint() const {
    const QFontMetricsF metrics(Theme::font(TextRole::Small));
    return {static_cast<int>(std::ceil(metrics.horizontalAdvance(text()))) + Theme::px(18), Theme::px(24)};
}

void ChipButton::paintEvent(QPaintEvent*) {
    const Theme& theme = Theme::current();
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing, true);
    const QRectF box = QRectF(rect()).adjusted(0.5, Theme::px(2) + 0.5, -0.5, -Theme::px(2) - 0.5);
    painter.setBrush(underMouse() ? theme.pressed : theme.raised);
    painter.setPen(QPen(m_doubtful ? theme.warning : theme.border, 1, m_doubtful ? Qt::DashLine : Qt::SolidLine));
    painter.drawRoundedRect(box, box.height() / 2, box.height() / 2);
    painter.setFont(Theme::font(TextRole::Small));
    painter.setPen(m_doubtful ? theme.warning : theme.text2);
    const QFontMetricsF metrics(painter.font());
    painter.drawText(box, Qt::AlignCenter, metrics.elidedText(text(), Qt::ElideRight, box.width() - Theme::px(8)));
    if (hasFocus()) {
        drawFocusRing(painter, rect(), box.height() / 2);
    }
}

MatrixToolbar::MatrixToolbar(MatrixActions& actions, QWidget* parent) : QWidget(parent) {
    setObjectName("matrixToolbar");
    const auto left = [this](QWidget* widget, int importance) { m_items.push_back({widget, importance, false}); };
    left(new SegmentRow(actions.quantity, "Quantity", this), 100);
    left(new SegmentRow(actions.side, "Scheme shown", this), 95);
    left(new SegmentRow(actions.map, "Colour map", this), 60);
    left(new SegmentRow(actions.aspect, "Proportions", this), 40);
    m_peek = new QToolButton(this);
    m_peek->setText("Peek B");
    m_peek->setFont(Theme::font(TextRole::Small));
    m_peek->setToolTip("Shows scheme B while held (B)");
    m_peek->setAccessibleName("Peek at scheme B while held");
    left(m_peek, 50);
    m_chip = new ChipButton(this);
    m_chip->setMenu(actions.poolingMenu());
    m_items.push_back({m_chip, 90, true});
    m_items.push_back({iconButton(actions.fit), 35, true});
    m_items.push_back({iconButton(actions.boxZoom), 30, true});
    m_items.push_back({iconButton(actions.compare), 70, true});
    m_items.push_back({iconButton(actions.lock), 65, true});
    auto* more = new QToolButton(this);
    more->setIcon(themedIcon("more"));
    more->setPopupMode(QToolButton::InstantPopup);
    more->setMenu(actions.menu());
    more->setAutoRaise(true);
    more->setToolTip("All choices of this picture");
    more->setAccessibleName("More choices");
    m_items.push_back({more, 1000, true});
    setPooling({}, false);
}

QToolButton* MatrixToolbar::iconButton(QAction* action) {
    auto* button = new QToolButton(this);
    button->setDefaultAction(action);
    button->setAutoRaise(true);
    button->setToolButtonStyle(Qt::ToolButtonIconOnly);
    button->setAccessibleName(action->text());
    return button;
}

void MatrixToolbar::setPooling(const QString& text, bool hidesOutliers) {
    const QString shown = text.isEmpty() ? QString("each cell exact") : text;
    if (shown != m_chip->text()) {
        m_chip->setText(shown);
        m_chip->setAccessibleName(shown);
        arrange();
    }
    m_chip->setDoubtful(hidesOutliers && !text.isEmpty());
    m_chip->setToolTip(text.isEmpty() ? QString("No pixel stands for more than one cell.")
                                      : QString("Several cells share a pixel; click to choose what it shows. Outliers, NaN and infinity keep at least 3 px."));
}

QSize MatrixToolbar::sizeHint() const {
    return {Theme::px(900), Theme::px(40)};
}

QSize MatrixToolbar::minimumSizeHint() const {
    return {Theme::px(240), Theme::px(40)};
}

void MatrixToolbar::resizeEvent(QResizeEvent*) {
    arrange();
}

void MatrixToolbar::changeEvent(QEvent* event) {
    if (event->type() == QEvent::FontChange || event->type() == QEvent::PaletteChange) {
        arrange();
    }
    QWidget::changeEvent(event);
}

void MatrixToolbar::arrange() {
    const int gap = Theme::px(8);
    const int margin = Theme::px(12);
    const auto widthOf = [](const Item& item) { return item.widget->sizeHint().width(); };
    std::vector<const Item*> byImportance;
    for (const Item& item : m_items) {
        byImportance.push_back(&item);
    }
    std::stable_sort(byImportance.begin(), byImportance.end(), [](const Item* a, const Item* b) { return a->importance > b->importance; });
    int room = width() - 2 * margin + gap;
    std::vector<QWidget*> shown;
    for (const Item* item : byImportance) {
        const int needed = widthOf(*item) + gap;
        // The quantity and the menu are always there, even cut.
        if (needed <= room || item->importance >= 1000 || item->importance == 100) {
            shown.push_back(item->widget);
            room -= needed;
        } else if (item->widget == m_chip && room > Theme::px(90)) {
            shown.push_back(item->widget);
            room = 0;
        }
    }
    int left = margin;
    int right = width() - margin;
    for (const Item& item : m_items) {
        const bool visible = std::find(shown.begin(), shown.end(), item.widget) != shown.end();
        item.widget->setVisible(visible);
        if (visible && !item.right) {
            const QSize size = item.widget->sizeHint();
            item.widget->setGeometry(left, (height() - size.height()) / 2, size.width(), size.height());
            left += size.width() + gap;
        }
    }
    for (auto item = m_items.rbegin(); item != m_items.rend(); ++item) {
        if (item->right && !item->widget->isHidden()) {
            QSize size = item->widget->sizeHint();
            if (item->widget == m_chip) {
                size.setWidth(std::max(Theme::px(40), std::min(size.width(), right - left)));
            }
            right -= size.width();
            item->widget->setGeometry(right, (height() - size.height()) / 2, size.width(), size.height());
            right -= gap / 2;
        }
    }
}

}  // namespace loupe::app
