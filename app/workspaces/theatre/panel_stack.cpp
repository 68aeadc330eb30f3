// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/theatre/panel_stack.hpp"

#include "app/plot/plot_style.hpp"
#include "app/views/cell_access.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/theatre/panel_paint.hpp"
#include "app/workspaces/theatre/theatre_model.hpp"
#include "core/quant/board_numbers.hpp"

#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

QString mono(const QString& text) {
    const QFont font = Theme::font(TextRole::Number);
    return QStringLiteral("<span style=\"font-family:'%1';color:%2\">%3</span>")
        .arg(font.family(), Theme::current().text.name(), text.toHtmlEscaped());
}

}  // namespace

PanelStack::PanelStack(TheatreModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("panels"));
    setAccessibleName(tr("Panels of this step"));
    setFocusPolicy(Qt::StrongFocus);
    setMouseTracking(true);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
    connect(&model, &TheatreModel::stateChanged, this, &PanelStack::rebuild);
    connect(&model, &TheatreModel::traceChanged, this, [this] {
        m_stages = m_model.trace() ? mostPanels(*m_model.trace()) : 0;
        rebuild();
    });
    connect(&model, &TheatreModel::cellChanged, this, [this] {
        describe();
        update();
    });
}

void PanelStack::setRoom(int height) {
    if (height != m_room) {
        m_room = height;
        rebuild();
    }
}

QSize PanelStack::sizeHint() const {
    return {Theme::px(480), static_cast<int>(std::ceil(m_page.height))};
}

void PanelStack::rebuild() {
    const TraceState* state = m_model.state();
    m_page =
        state != nullptr ? placePanels(*state, QSizeF(width(), m_room), m_stages) : PanelPage{};
    const int needed = static_cast<int>(std::ceil(m_page.height));
    if (needed != minimumHeight()) {
        setMinimumHeight(needed);
    }
    describe();
    update();
}

void PanelStack::describe() {
    const TraceState* state = m_model.state();
    QString text;
    if (state != nullptr) {
        text = QString::fromStdString(state->title) + QStringLiteral(". ") +
               QString::fromStdString(state->sentence);
        if (!state->panels.empty() && mainPanel(*state).values) {
            const TraceCell cell = m_model.cell();
            text += tr(" Row %1, column %2: %3.")
                        .arg(cell.row)
                        .arg(cell.col)
                        .arg(formatNumber((*mainPanel(*state).values)(cell.row, cell.col), 6));
        }
    }
    setAccessibleDescription(text);
}

void PanelStack::paintTo(QPainter& painter, const QRectF& target) const {
    const TraceState* state = m_model.state();
    painter.save();
    painter.translate(target.topLeft());
    painter.fillRect(QRectF(QPointF(), target.size()), Theme::current().canvas);
    if (state != nullptr) {
        const PanelPage page = placePanels(*state, target.size(), m_stages);
        paintPanels(painter, *state, page, {m_model.cell(), true});
    }
    painter.restore();
}

void PanelStack::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), Theme::current().canvas);
    const TraceState* state = m_model.state();
    if (state == nullptr) {
        return;
    }
    painter.setOpacity(m_model.busy() ? 0.6 : 1);
    paintPanels(painter, *state, m_page, {m_model.cell(), true});
    if (hasFocus() && m_ring) {
        painter.setOpacity(1);
        drawFocusRing(painter, QRectF(rect()));
    }
}

void PanelStack::focusInEvent(QFocusEvent* event) {
    QWidget::focusInEvent(event);
    m_ring = isKeyboardFocus(*event);
    update();
}

void PanelStack::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    rebuild();
}

void PanelStack::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        rebuild();
    }
}

const PlacedPanel* PanelStack::panelAt(QPointF point) const {
    for (const PlacedPanel& placed : m_page.panels) {
        if (placed.cells.contains(point)) {
            return &placed;
        }
    }
    return nullptr;
}

void PanelStack::choose(QPointF point) {
    const PlacedPanel* placed = panelAt(point);
    const std::optional<TraceCell> cell = placed != nullptr ? placed->cellAt(point) : std::nullopt;
    if (!cell) {
        return;
    }
    const PlacedPanel& first = m_page.panels.front();
    TraceCell chosen = m_model.cell();
    if (placed->rows() == first.rows()) {
        chosen.row = cell->row;
    }
    if (placed->cols() == first.cols()) {
        chosen.col = cell->col;
    }
    m_model.setCell(chosen);
}

void PanelStack::mousePressEvent(QMouseEvent* event) {
    if (event->button() == Qt::LeftButton) {
        setFocus(Qt::MouseFocusReason);
        choose(event->position());
        event->accept();
    }
}

void PanelStack::mouseMoveEvent(QMouseEvent* event) {
    if (event->buttons() & Qt::LeftButton) {
        choose(event->position());
    }
    const PlacedPanel* placed = panelAt(event->position());
    const std::optional<TraceCell> cell =
        placed != nullptr ? placed->cellAt(event->position()) : std::nullopt;
    if (!cell) {
        emit hovered({});
        return;
    }
    emit hovered(describe(*placed, *cell));
}

QString PanelStack::describe(const PlacedPanel& placed, TraceCell cell) {
    const QStringList parts{QString::fromStdString(placed.panel->title).toHtmlEscaped(),
                            tr("row %1 column %2")
                                .arg(mono(QString::number(cell.row)),
                                     mono(QString::number(placed.originalColumn(cell.col)))),
                            mono(QString::fromStdString(BoardNumbers::text(
                                (*placed.panel->values)(cell.row, cell.col), 6)))};
    return parts.join(QStringLiteral("&nbsp;&nbsp;&nbsp;&nbsp;"));
}

QString PanelStack::readout() const {
    if (m_model.state() == nullptr || m_page.panels.empty()) {
        return {};
    }
    const TracePanel* main = &mainPanel(*m_model.state());
    const auto placed =
        std::find_if(m_page.panels.begin(), m_page.panels.end(), [main](const PlacedPanel& each) {
            return each.panel == main;
        });
    const PlacedPanel& shown = placed != m_page.panels.end() ? *placed : m_page.panels.front();
    return describe(shown, m_model.cell()) + QStringLiteral("&nbsp;&nbsp;&nbsp;&nbsp;") +
           tr("Space plays, ← → step");
}

void PanelStack::leaveEvent(QEvent*) {
    emit hovered({});
}

void PanelStack::keyPressEvent(QKeyEvent* event) {
    constexpr std::int64_t kPage = 8;
    switch (event->key()) {
        case Qt::Key_Up:
            m_model.moveCell(-1, 0);
            return;
        case Qt::Key_Down:
            m_model.moveCell(1, 0);
            return;
        case Qt::Key_PageUp:
            m_model.moveCell(-kPage, 0);
            return;
        case Qt::Key_PageDown:
            m_model.moveCell(kPage, 0);
            return;
        // Without Shift these keys step through the states, everywhere in the workspace.
        case Qt::Key_Left:
            m_model.moveCell(0, -1);
            return;
        case Qt::Key_Right:
            m_model.moveCell(0, 1);
            return;
        case Qt::Key_Escape:
            m_model.releaseCell();
            return;
        default:
            QWidget::keyPressEvent(event);
    }
}

QString PanelStack::copyText() const {
    const TraceState* state = m_model.state();
    if (state == nullptr || state->panels.empty() || !mainPanel(*state).values) {
        return {};
    }
    const TracePanel& panel = mainPanel(*state);
    PlacedPanel placed;
    placed.panel = &panel;
    QString text = QStringLiteral("row");
    for (std::int64_t col = 0; col < placed.cols(); ++col) {
        text += QLatin1Char('\t') + QString::number(placed.originalColumn(col));
    }
    text += QLatin1Char('\n');
    for (std::int64_t row = 0; row < placed.rows(); ++row) {
        text += QString::number(row);
        for (std::int64_t col = 0; col < placed.cols(); ++col) {
            text += QLatin1Char('\t') + toAscii(formatExact((*panel.values)(row, col), false));
        }
        text += QLatin1Char('\n');
    }
    return text;
}

}  // namespace loupe::app
