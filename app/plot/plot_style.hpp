// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/document.hpp"
#include "app/plot/qcp.hpp"
#include "app/widgets/theme.hpp"

#include <QColor>
#include <QPen>
#include <QPointF>
#include <QRectF>
#include <QString>

#include <functional>
#include <vector>

namespace loupe::app {

/// Our own drawing on one of QCustomPlot's layers; the callback gets the plot's painter in widget
/// coordinates and must keep inside of the plot itself (SVG has no clipping).
class PaintLayer : public QCPLayerable {
public:
    PaintLayer(QCustomPlot* plot, const QString& layerName, std::function<void(QPainter&)> paint);

protected:
    void applyDefaultAntialiasingHint(QCPPainter* painter) const override;
    void draw(QCPPainter* painter) override;

private:
    std::function<void(QPainter&)> m_paint;
};

/// A QCustomPlot in the visual language: canvas background, no frame, outside ticks, horizontal
/// grid, mono tick labels, all from the theme in force and rebuilt when it changes.
class Plot : public QCustomPlot {
    Q_OBJECT

public:
    explicit Plot(QWidget* parent = nullptr);

    /// Called before every drawing with the size that is drawn: ranges, margins, bins.
    void setPrepare(std::function<void(QSize)> prepare) { m_prepare = std::move(prepare); }
    /// Draws the plot as vectors into `target` (logical pixels) with the colours of the theme in
    /// force.
    void paintTo(QPainter& painter, const QRectF& target);
    void restyle();
    /// Redraws only what moves with the pointer.
    void replotOverlay();

protected:
    void changeEvent(QEvent* event) override;

private:
    std::function<void(QSize)> m_prepare;
};

/// Ticks where told, with labels of our own.
class FixedTicker : public QCPAxisTicker {
public:
    std::vector<double> positions;
    std::vector<QString> labels;

protected:
    QVector<double> createTickVector(double tickStep, const QCPRange& range) override;
    QString getTickLabel(double tick,
                         const QLocale& locale,
                         QChar formatChar,
                         int precision) override;
};

/// x within [low, high], and `low` where a small window leaves nothing between them.
[[nodiscard]] double clampTo(double x, double low, double high);

/// Round numbers in [low, high], about `count` of them.
[[nodiscard]] std::vector<double> niceTicks(double low, double high, int count);
/// Tick labels with equal decimals and U+2212.
[[nodiscard]] std::vector<QString> tickLabels(const std::vector<double>& ticks);
/// Linear ticks that fit into `pixels` without touching.
void setNiceTicks(FixedTicker& ticker, double low, double high, double pixels, bool horizontal);

enum class CountScale { Log, Linear, Sqrt };
/// Where a count stands on an axis of that scale; a count of one is visible on the logarithmic one.
[[nodiscard]] double countPosition(CountScale scale, double count);
/// Powers of ten between the bounds, with 2 and 5 between them where there are fewer than two;
/// positions are log10.
void setLogTicks(FixedTicker& ticker, double low, double high);
void setCountTicks(FixedTicker& ticker, CountScale scale, double most);

/// The pen of a side's lines: A solid 2, B dash 7–4.
[[nodiscard]] QPen sidePen(Side side, double width = 2);
[[nodiscard]] QColor sideColor(Side side);
/// Original: dotted 1.5. Threshold or reference: dash 2–2.
[[nodiscard]] QPen originalPen();
[[nodiscard]] QPen referencePen();

/// 45° lines with outline, as lines and not as a texture, so that SVG and PDF stay vectors.
void fillHatched(
    QPainter& painter, const QRectF& rect, const QColor& color, double pitch = 6, double width = 2);
void drawDiamond(QPainter& painter, QPointF centre, double radius, const QColor& color);
/// The letter badge: A filled, B dashed outline.
void drawSideBadge(QPainter& painter, const QRectF& rect, Side side);
/// "exact" with a solid outline or "≈ word" with a dashed one; returns its width. Right edge at
/// `right`.
double drawTruthMark(QPainter& painter, QPointF rightTop, bool exact, const QString& text);

struct LegendEntry {
    enum class Mark { Area, LineA, LineB, Original, Triangle, Text };
    Mark mark = Mark::Text;
    QString text;
    QColor color{};  ///< Text only; invalid: text2
};
/// One row of marks with words; entries that do not fit are left out from the end. Returns the
/// width used.
double drawLegend(QPainter& painter,
                  QPointF leftTop,
                  double width,
                  const std::vector<LegendEntry>& entries);

/// The width that drawLegend() needs for all entries.
[[nodiscard]] double legendWidth(const std::vector<LegendEntry>& entries);

/// An empty view: icon, what is missing, what would appear.
void drawEmpty(QPainter& painter,
               const QRectF& rect,
               const QString& icon,
               const QString& title,
               const QString& text);
/// The 2 px line along the top edge while something is computed; fraction -1: unknown.
void drawProgressLine(QPainter& painter, const QRectF& rect, double fraction);
void drawFocusRing(QPainter& painter, const QRectF& rect);

/// Text on a line whose top is `top`, with the font's role, vertically centred in `height`.
void drawTextLine(QPainter& painter,
                  const QRectF& rect,
                  Qt::Alignment align,
                  const QString& text,
                  TextRole role,
                  const QColor& color);
[[nodiscard]] double textWidth(const QString& text, TextRole role);
[[nodiscard]] double lineHeight(TextRole role);

}  // namespace loupe::app
