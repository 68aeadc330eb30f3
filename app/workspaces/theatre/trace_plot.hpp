// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QComboBox;
class QLabel;

namespace loupe {
struct TraceCurve;
struct TraceSeries;
}  // namespace loupe

namespace loupe::app {

class FixedTicker;
class Plot;
class TheatreModel;

/// The curve over all states, a marker where the current one stands, and what the losses sum to.
class TracePlot : public QWidget {
    Q_OBJECT

public:
    explicit TracePlot(TheatreModel& model, QWidget* parent = nullptr);
    /// Is there a curve or a loss to show?
    [[nodiscard]] bool hasContent() const;
    /// "At the end 3.08806, equal to ½ tr(D·H·D') computed directly."
    [[nodiscard]] QString lossText() const;

protected:
    void changeEvent(QEvent* event) override;

private:
    [[nodiscard]] const TraceCurve* curve() const;
    void takeTrace();
    void prepare(QSize size);
    void paint(QPainter& painter);
    void paintSeries(QPainter& painter, const TraceSeries& series, std::size_t index);
    [[nodiscard]] double toAxis(double y) const;

    TheatreModel& m_model;
    QComboBox* m_choice = nullptr;
    QLabel* m_title = nullptr;
    QLabel* m_loss = nullptr;
    Plot* m_plot = nullptr;
};

}  // namespace loupe::app
