// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/plot/plot_style.hpp"
#include "core/experiment/sweep.hpp"

#include <QSharedPointer>
#include <QWidget>

#include <optional>

namespace loupe::app {

/// What a curve plot shows.
struct CurveData {
    SweepAxis axis;
    std::vector<SweepSeries> series;
    std::vector<int> categories;  ///< colour and shape of each series
    const FigureDefinition* figure = nullptr;
    bool logX = false;
    bool logY = false;
    /// The value that scheme A (B) has now; drawn where it lies on the axis.
    std::optional<QString> nowA, nowB;
};

/// Lines of one figure over one parameter, named at their ends. A pointer or the arrow keys choose
/// a value of the axis.
class CurvePlot : public QWidget {
    Q_OBJECT

public:
    explicit CurvePlot(QWidget* parent = nullptr);

    void setData(CurveData curves);
    [[nodiscard]] const CurveData& shown() const { return m_data; }
    /// "sparsity 0.5 · Magnitude 0.3336 · Wanda 0.1021" of the chosen value; empty: none chosen.
    [[nodiscard]] QString readout() const;
    void setChosen(std::optional<int> value);
    [[nodiscard]] std::optional<int> chosen() const { return m_chosen; }
    void paintTo(QPainter& painter, const QRectF& target) { m_plot->paintTo(painter, target); }
    [[nodiscard]] Plot& plot() { return *m_plot; }

signals:
    void readoutChanged();

protected:
    void keyPressEvent(QKeyEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;
    void leaveEvent(QEvent* event) override;

private:
    [[nodiscard]] std::optional<double> xOf(const QString& value) const;
    [[nodiscard]] std::optional<double> yOf(const Figures& figures) const;
    [[nodiscard]] bool logX() const { return m_data.logX && m_data.axis.numeric; }
    [[nodiscard]] double labelRoom() const;
    void prepare(QSize size);
    void prepareX(double low, double high, double pixels);
    void paintNow(QPainter& painter);
    void paintLines(QPainter& painter);
    void paintLabels(QPainter& painter);
    void paintTitles(QPainter& painter);
    void paintChosen(QPainter& painter);

    CurveData m_data;
    Plot* m_plot = nullptr;
    QSharedPointer<FixedTicker> m_xTicker;
    QSharedPointer<FixedTicker> m_yTicker;
    std::optional<int> m_chosen;
};

}  // namespace loupe::app
