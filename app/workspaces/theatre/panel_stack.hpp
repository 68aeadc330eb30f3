// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/theatre/panel_layout.hpp"

#include <QWidget>

namespace loupe::app {

class TheatreModel;

/// The pictures of the current state on one column axis. A click or the arrow keys choose the cell
/// that is explained.
class PanelStack : public QWidget {
    Q_OBJECT

public:
    explicit PanelStack(TheatreModel& model, QWidget* parent = nullptr);

    /// Height of the window that this lies in: the panels fill it where they can.
    void setRoom(int height);
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] const PanelPage& page() const { return m_page; }
    /// Draws the state into `target`.
    void paintTo(QPainter& painter, const QRectF& target) const;
    /// The first panel's numbers as TSV with a header line.
    [[nodiscard]] QString copyText() const;
    /// The chosen cell for the status bar, as HTML.
    [[nodiscard]] QString readout() const;

signals:
    /// What is under the pointer, as HTML; empty: nothing.
    void hovered(const QString& html);

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;

private:
    void rebuild();
    void describe();
    [[nodiscard]] static QString describe(const PlacedPanel& placed, TraceCell cell);
    [[nodiscard]] const PlacedPanel* panelAt(QPointF point) const;
    void choose(QPointF point);

    TheatreModel& m_model;
    PanelPage m_page;
    int m_room = 0;
    std::size_t m_stages = 0;  ///< most panels of any state
    bool m_ring = false;       ///< focus came from the keyboard
};

}  // namespace loupe::app
