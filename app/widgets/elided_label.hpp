// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/theme.hpp"

#include <QLabel>
#include <QPainter>

namespace loupe::app {

/// One line of plain text that is cut with an ellipsis instead of asking for room; whole as tool tip
/// where it is cut.
class ElidedLabel : public QLabel {
public:
    explicit ElidedLabel(QWidget* parent = nullptr, Qt::TextElideMode mode = Qt::ElideMiddle)
        : QLabel(parent), m_mode(mode) {}
    [[nodiscard]] QSize minimumSizeHint() const override {
        return {Theme::px(24), QLabel::minimumSizeHint().height()};
    }

protected:
    void paintEvent(QPaintEvent*) override {
        QPainter painter(this);
        painter.setFont(font());
        painter.setPen(palette().color(foregroundRole()));
        painter.drawText(rect(), Qt::AlignLeft | Qt::AlignVCenter, shown());
    }
    bool event(QEvent* event) override {
        if (event->type() == QEvent::ToolTip && toolTip().isEmpty() && shown() != text()) {
            setToolTip(text());
            const bool done = QLabel::event(event);
            setToolTip({});
            return done;
        }
        return QLabel::event(event);
    }

private:
    [[nodiscard]] QString shown() const {
        return fontMetrics().elidedText(text(), m_mode, width());
    }

    Qt::TextElideMode m_mode;
};

}  // namespace loupe::app
