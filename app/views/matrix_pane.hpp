// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QLabel>
#include <QTimer>
#include <QToolButton>
#include <QWidget>

#include "app/document/document.hpp"
#include "app/plot/heatmap.hpp"
#include "app/plot/range_legend.hpp"
#include "app/views/matrix_range.hpp"

namespace loupe::app {

/// A picture with its title and colour legend. Shows one quantity of one side.
class MatrixPane : public QWidget {
    Q_OBJECT

public:
    MatrixPane(Document& document, QWidget* parent);

    [[nodiscard]] Heatmap& heatmap() { return *m_heatmap; }
    [[nodiscard]] const Heatmap& heatmap() const { return *m_heatmap; }
    [[nodiscard]] RangeLegend& legend() { return *m_legend; }
    [[nodiscard]] Quantity quantity() const { return m_quantity; }
    [[nodiscard]] Side side() const { return m_side; }
    /// The picture is what was asked for, not an older one kept meanwhile.
    [[nodiscard]] bool current() const { return m_current; }
    /// The choices of a range, under the legend.
    void setRangeMenu(QMenu* menu);
    void setTitleVisible(bool visible) { m_title->setVisible(visible); }

    /// Looks the plane up and shows it, or what is known meanwhile. Returns the error of the plane, if it failed.
    std::optional<Error> show(Quantity quantity, Side side);
    void setSetting(const ColorSetting& setting, const QString& mode);
    /// Channel strips and outlier level for what is shown.
    void updateStrips();
    void paintExport(QPainter& painter, const QRectF& target);
    void announceSelection(const QString& sentence);

protected:
    void changeEvent(QEvent* event) override;

private:
    void updateTitle();
    void updateHistogram();
    [[nodiscard]] std::shared_ptr<const ChannelStrip> weightStrip(const TensorStats& stats, bool columns) const;

    Document& m_document;
    QLabel* m_title = nullptr;
    Heatmap* m_heatmap = nullptr;
    RangeLegend* m_legend = nullptr;
    QToolButton* m_range = nullptr;
    QTimer m_histogramTimer;
    Quantity m_quantity = Quantity::Original;
    Side m_side = Side::A;
    std::shared_ptr<const void> m_stripOwner;  ///< what the strips were made from
    Quantity m_stripQuantity = Quantity::Original;
    double m_stripThreshold = 0;
    bool m_current = false;
};

}  // namespace loupe::app
