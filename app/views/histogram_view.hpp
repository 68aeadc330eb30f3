// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/analyses.hpp"
#include "app/plot/plot_style.hpp"
#include "app/views/view.hpp"

#include <QPolygonF>

#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

class QTimer;

namespace loupe::app {

/// Distribution of the selected tensor's values with the schemes' representable grids over it. Bins
/// follow the pixels: a zoom re-bins the exact counts.
class HistogramView : public View {
    Q_OBJECT

public:
    explicit HistogramView(Document& document, QWidget* parent = nullptr);

    void refresh(Changes what) override;
    [[nodiscard]] QJsonObject save() const override;
    void restore(const QJsonObject& state) override;
    [[nodiscard]] QString copyText() const override;
    [[nodiscard]] bool canExport() const override { return m_stats != nullptr; }
    void paintExport(QPainter& painter, const QRectF& target) override;
    [[nodiscard]] std::vector<QAction*> headerActions() const override { return m_actions; }

    /// What is drawn now; for the clipboard and for tests.
    [[nodiscard]] const Histogram& shown() const { return m_shown; }
    [[nodiscard]] bool shownExactly() const { return m_stats && !m_stale && m_shownExactly; }
    [[nodiscard]] std::pair<double, double> window() const;
    void setWindow(double low, double high);
    void fit();
    [[nodiscard]] bool isLocked() const { return m_locked; }
    void setLocked(bool locked);
    void setCountScale(CountScale scale);
    /// The representable values of a side that lie in the window, ascending.
    [[nodiscard]] std::vector<Level> gridLines(Side side) const;
    /// Where a weight stands, in pixels of the plot.
    [[nodiscard]] double pixelOf(double weight) const {
        return m_plot->xAxis->coordToPixel(weight);
    }
    [[nodiscard]] QString readout() const { return m_readout; }
    [[nodiscard]] Plot& plot() { return *m_plot; }

protected:
    void resizeEvent(QResizeEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;

private:
    struct Grid {
        std::shared_ptr<const SchemeResult> result;
        std::vector<Level> levels;
        std::optional<std::pair<double, double>> clip;
        bool ofGroup = false;
    };

    void makeActions();
    void connectMouse();
    void updateGrids();
    void updateSubtitle();
    void updateMarkers();
    void updateReadout(std::optional<double> x);
    void updateAccessible();
    void prepare(QSize size);
    void rebin(double pixels);
    void countExactly();
    void setBrush(double a, double b);
    void zoomBy(double factor, double centre);
    void panBy(double fraction);
    [[nodiscard]] std::pair<double, double> dataRange() const;
    [[nodiscard]] QRectF axisRect() const;
    [[nodiscard]] std::vector<LegendEntry> legend(bool brief) const;

    void paintBars(QPainter& painter);
    void paintClips(QPainter& painter);
    void paintGridA(QPainter& painter);
    void paintCodes(QPainter& painter, const std::vector<Level>& inside);
    void paintGridB(QPainter& painter);
    void paintFrame(QPainter& painter);
    void paintOverlay(QPainter& painter);
    void paintTriangle(QPainter& painter, double weight, bool filled);

    Plot* m_plot = nullptr;
    QSharedPointer<FixedTicker> m_xTicker;
    QSharedPointer<FixedTicker> m_yTicker;
    std::vector<QAction*> m_actions;
    QAction* m_lockAction = nullptr;
    std::array<QAction*, 3> m_scaleActions{};
    QTimer* m_exactTimer = nullptr;

    std::shared_ptr<const TensorStats> m_stats;
    bool m_stale = false;
    double m_fraction = -1;
    std::optional<Error> m_error;
    std::array<Grid, 2> m_grids;
    std::string m_fitted;  ///< tensor that the window was fitted to
    bool m_locked = false;
    CountScale m_scale = CountScale::Log;
    Histogram m_shown;
    Histogram
        m_exact;  ///< counted from the weights themselves, where the statistics only know fine bins
    bool m_shownExactly = false;
    double m_most = 1;
    bool m_settingRange = false;
    bool m_exporting = false;
    bool m_ring = false;  ///< focus came by the keyboard
    std::optional<double> m_selectedValue;
    std::optional<double> m_hoverValue;
    std::optional<double> m_hoverX;
    std::optional<double> m_brushStart;
    QString m_readout;
};

}  // namespace loupe::app
