// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/analyses.hpp"
#include "app/plot/plot_style.hpp"
#include "app/views/view.hpp"

#include <array>
#include <memory>
#include <optional>
#include <vector>

namespace loupe::app {

/// What the view measures.
enum class ChannelMeasure {
    Weights,         ///< RMSE of the weights of each channel
    OutputChannels,  ///< relative error of what each output channel puts out
    Tokens,          ///< relative error of the outputs of each token
};

class SegmentedControl;

/// Error of every channel or token under both schemes: one axis, A solid, B dashed.
class ChannelErrorView : public View {
    Q_OBJECT

public:
    explicit ChannelErrorView(Document& document, QWidget* parent = nullptr);

    void refresh(Changes what) override;
    [[nodiscard]] QJsonObject save() const override;
    void restore(const QJsonObject& state) override;
    [[nodiscard]] QString copyText() const override;
    [[nodiscard]] bool canExport() const override { return hasData(); }
    void paintExport(QPainter& painter, const QRectF& target) override;
    [[nodiscard]] std::vector<QAction*> headerActions() const override { return m_actions; }

    void setMeasure(ChannelMeasure measure);
    [[nodiscard]] ChannelMeasure measure() const { return m_measure; }
    void setInputs(bool inputs);
    void setSorted(bool sorted);
    void setReference(bool shown);
    void setLogarithmic(bool logarithmic);
    /// The error by channel or token number; empty where the side has no result.
    [[nodiscard]] const std::vector<double>& rmse(Side side) const {
        return m_rmse[side == Side::A ? 0 : 1];
    }
    /// The channel at a place of the axis (they differ when sorted).
    [[nodiscard]] std::int64_t channelAt(std::size_t place) const;
    [[nodiscard]] QString readout() const { return m_readout; }
    [[nodiscard]] Plot& plot() { return *m_plot; }

protected:
    void keyPressEvent(QKeyEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;

private:
    void makeActions();
    void makeSwitch();
    [[nodiscard]] const std::vector<double>& measured(const SchemeResult& result) const;
    [[nodiscard]] QString what() const;
    [[nodiscard]] QString axisName() const;
    void paintEmpty(QPainter& painter, const QRectF& all);
    void paintEnds(QPainter& painter, const QRectF& area);
    [[nodiscard]] QString channelName(std::int64_t channel) const;
    void connectMouse();
    void rebuild();
    void prepare(QSize size);
    void selectPlace(std::int64_t place);
    void setHoverPlace(std::optional<std::int64_t> place);
    [[nodiscard]] bool hasData() const { return !m_rmse[0].empty() || !m_rmse[1].empty(); }
    [[nodiscard]] std::size_t channels() const;
    [[nodiscard]] std::optional<std::int64_t> placeOf(std::int64_t channel) const;
    [[nodiscard]] std::optional<std::int64_t> selectedPlace() const;
    [[nodiscard]] double yOf(double value) const;
    [[nodiscard]] QRectF axisRect() const { return m_plot->axisRect()->rect(); }
    void paintLine(QPainter& painter, const std::vector<double>& values, const QPen& pen);
    void paintMain(QPainter& painter);
    void paintLabels(QPainter& painter);
    void paintOverlay(QPainter& painter);

    Plot* m_plot = nullptr;
    QSharedPointer<FixedTicker> m_xTicker;
    QSharedPointer<FixedTicker> m_yTicker;
    std::vector<QAction*> m_actions;
    SegmentedControl* m_switch = nullptr;
    QAction* m_inputAction = nullptr;
    QAction* m_sortAction = nullptr;
    QAction* m_referenceAction = nullptr;
    QAction* m_logAction = nullptr;

    std::array<std::vector<double>, 2> m_rmse;
    std::vector<double> m_rms;           ///< of the original channels
    std::vector<std::int64_t> m_order;   ///< channel at each place; empty: in channel order
    std::vector<std::int64_t> m_places;  ///< the inverse
    std::array<std::shared_ptr<const SchemeResult>, 2> m_results;
    std::shared_ptr<const TensorStats> m_stats;
    std::array<bool, 2> m_wanted{};
    bool m_stale = false;
    double m_fraction = -1;
    std::optional<Error> m_error;
    ChannelMeasure m_measure = ChannelMeasure::Weights;
    bool m_inputs = false;
    bool m_sorted = false;
    bool m_reference = false;
    bool m_logarithmic = false;
    bool m_exporting = false;
    bool m_ring = false;  ///< focus came by the keyboard
    double m_low = 0;
    double m_high = 1;
    double m_channelsPerPixel = 1;
    std::optional<std::int64_t> m_hoverPlace;
    QString m_readout;
};

}  // namespace loupe::app
