// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/analyses.hpp"
#include "app/views/view.hpp"

#include <QAbstractScrollArea>

#include <memory>
#include <optional>
#include <vector>

class QLabel;
class QToolButton;

namespace loupe::app {

class OutliersView;

/// The rows, painted; only those in view cost anything.
class OutlierList : public QAbstractScrollArea {
    Q_OBJECT

public:
    explicit OutlierList(OutliersView& view);
    void layoutRows();
    void scrollTo(std::size_t row);
    [[nodiscard]] std::size_t rowsPerPage() const;

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;

private:
    [[nodiscard]] std::optional<std::size_t> rowAt(double y) const;

    OutliersView& m_view;
    bool m_dragging = false;
};

/// Channels by their largest magnitude, in multiples of the median channel's, with a threshold that
/// can be dragged.
class OutliersView : public View {
    Q_OBJECT

public:
    explicit OutliersView(Document& document, QWidget* parent = nullptr);

    void refresh(Changes what) override;
    [[nodiscard]] QJsonObject save() const override;
    void restore(const QJsonObject& state) override;
    [[nodiscard]] QString copyText() const override;
    [[nodiscard]] bool canExport() const override { return m_stats != nullptr; }
    void paintExport(QPainter& painter, const QRectF& target) override;
    [[nodiscard]] std::vector<QAction*> headerActions() const override { return m_actions; }

    void setInputs(bool inputs);
    [[nodiscard]] bool inputs() const { return m_inputs; }
    void setByChannel(bool byChannel);
    [[nodiscard]] const std::vector<OutlierChannel>& rows() const { return m_rows; }
    /// Channels above the threshold, of all.
    [[nodiscard]] std::int64_t outlierCount() const;
    [[nodiscard]] QString summary() const;
    /// The list's row of the selected cell's channel.
    [[nodiscard]] std::optional<std::size_t> selectedRow() const;
    void selectRow(std::size_t row, bool reveal);
    /// An undoable edit; a drag is one step.
    void setThreshold(double threshold);
    void endDrag();

    // Geometry of the list, in its own coordinates: header, rows, foot with the threshold's value.
    [[nodiscard]] double rowHeight() const;
    [[nodiscard]] double headHeight() const;
    [[nodiscard]] double footHeight() const;
    [[nodiscard]] double thresholdX(double width) const;
    [[nodiscard]] double thresholdAt(double x, double width) const;
    void paintList(QPainter& painter, const QRectF& rect, double scroll);
    void setHoverRow(std::optional<std::size_t> row);
    [[nodiscard]] OutlierList& list() { return *m_list; }

protected:
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;

private:
    struct Columns {
        double channelRight = 0;
        double barLeft = 0;
        double barRight = 0;
        double valueRight = 0;
        double ratioRight = 0;
        bool showValue = true;
    };
    [[nodiscard]] Columns columns(double width) const;
    [[nodiscard]] double barScale() const;
    void rebuild();
    void paintRow(QPainter& painter, const QRectF& rect, std::size_t index, const Columns& columns);
    void updateTexts();

    OutlierList* m_list = nullptr;
    QToolButton* m_inputButton = nullptr;
    QToolButton* m_outputButton = nullptr;
    QLabel* m_count = nullptr;
    std::vector<QAction*> m_actions;
    QAction* m_byChannelAction = nullptr;

    std::shared_ptr<const TensorStats> m_stats;
    bool m_stale = false;
    double m_fraction = -1;
    std::optional<Error> m_error;
    bool m_inputs = true;
    bool m_byChannel = false;
    bool m_exporting = false;
    bool m_ring = false;  ///< focus came by the keyboard
    double m_median = 0;
    std::vector<OutlierChannel> m_rows;
    std::optional<std::size_t> m_hoverRow;
};

}  // namespace loupe::app
