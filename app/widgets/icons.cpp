// SPDX-License-Identifier: GPL-3.0-or-later
// One SVG per icon for all themes: drawn, then recoloured through its alpha.
#include <QFile>
#include <QIconEngine>
#include <QPainter>
#include <QPixmapCache>
#include <QSvgRenderer>
#include <QtDebug>

#include <memory>

#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

class ThemedIconEngine : public QIconEngine {
public:
    explicit ThemedIconEngine(QString name) : m_name(std::move(name)) {}

    void paint(QPainter* painter, const QRect& rect, QIcon::Mode mode, QIcon::State state) override {
        const qreal ratio = painter->device() != nullptr ? painter->device()->devicePixelRatioF() : 1.0;
        painter->drawPixmap(rect, render(rect.size(), ratio, mode, state));
    }

    QPixmap pixmap(const QSize& size, QIcon::Mode mode, QIcon::State state) override { return render(size, 1, mode, state); }

    QPixmap scaledPixmap(const QSize& size, QIcon::Mode mode, QIcon::State state, qreal) override {
        return render(size, 1, mode, state);  // `size` is already in device pixels here
    }

    [[nodiscard]] QIconEngine* clone() const override { return new ThemedIconEngine(m_name); }
    [[nodiscard]] QString key() const override { return QStringLiteral("loupe"); }

private:
    [[nodiscard]] QPixmap render(QSize size, qreal ratio, QIcon::Mode mode, QIcon::State state) const {
        const Theme& theme = Theme::current();
        const QColor colour = mode == QIcon::Disabled                          ? theme.text3
                              : mode == QIcon::Normal && state == QIcon::Off ? theme.text2
                                                                              : theme.text;
        const QString cacheKey =
            QStringLiteral("loupe-icon/%1/%2x%3@%4/%5").arg(m_name).arg(size.width()).arg(size.height()).arg(ratio).arg(colour.name());
        QPixmap pixmap;
        if (QPixmapCache::find(cacheKey, &pixmap)) {
            return pixmap;
        }
        pixmap = QPixmap(size * ratio);
        pixmap.fill(Qt::transparent);
        {
            QPainter painter(&pixmap);
            QSvgRenderer(QStringLiteral(":/tensorloupe/icons/%1.svg").arg(m_name)).render(&painter, QRectF(pixmap.rect()));
            painter.setCompositionMode(QPainter::CompositionMode_SourceIn);
            painter.fillRect(pixmap.rect(), colour);
        }
        pixmap.setDevicePixelRatio(ratio);
        QPixmapCache::insert(cacheKey, pixmap);
        return pixmap;
    }

    QString m_name;
};

}  // namespace

QIcon themedIcon(const QString& name) {
    if (!QFile::exists(QStringLiteral(":/tensorloupe/icons/%1.svg").arg(name))) {
        // Tests fail on warnings; a user sees a frame in place of the picture.
        qWarning("There is no icon \"%s\"", qPrintable(name));
        return QIcon(new ThemedIconEngine(QStringLiteral("missing")));
    }
    return QIcon(new ThemedIconEngine(name));
}

}  // namespace loupe::app
