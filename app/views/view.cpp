// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/view.hpp"

#include <QPainter>
#include <QShowEvent>

namespace loupe::app {

View::View(Document& document, QWidget* parent) : QWidget(parent), m_document(document) {
    connect(&document, &Document::changed, this, &View::deliver);
}

void View::deliver(Changes what) {
    if (!isVisible()) {
        m_missed |= what;
        return;
    }
    refresh(what);
}

void View::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    if (m_missed) {
        const Changes missed = m_missed;
        m_missed = {};
        refresh(missed);
    }
}

void View::setSubtitle(const QString& text) {
    if (text != m_subtitle) {
        m_subtitle = text;
        emit subtitleChanged();
    }
}

void View::paintExport(QPainter& painter, const QRectF& target) {
    painter.save();
    painter.translate(target.topLeft());
    painter.scale(target.width() / width(), target.height() / height());
    render(&painter, QPoint(), QRegion(), QWidget::DrawChildren);
    painter.restore();
}

}  // namespace loupe::app
