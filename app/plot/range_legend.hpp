// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QWidget>

#include <cstdint>
#include <optional>
#include <vector>

#include "app/plot/color_setting.hpp"
#include "app/widgets/quiet_end.hpp"

class QLineEdit;

namespace loupe::app {

/// What a legend states beside the colours.
struct LegendInfo {
    QString quantity = "|w|";   ///< "|w|", "error", "code"
    QString scale = "linear";   ///< "linear", "log"
    QString mode;               ///< how the range came about: "99.9 %", "max", "by hand"
    double least = 0;           ///< of the whole plane, finite cells, in the shown quantity
    double most = 1;
    std::uint64_t nan = 0;
    std::uint64_t inf = 0;
    QString lowText, highText;  ///< said at the ends instead of the numbers ("A closer"); may be empty
    friend bool operator==(const LegendInfo&, const LegendInfo&) = default;
};

/// Vertical colour legend: histogram of the values shown, colours, two handles, end caps with their bounds, counts of NaN and Inf.
/// Handles move by mouse, or by keys (Up, Down; Shift: the lower one); double click or Enter types a bound.
class RangeLegend : public QWidget {
    Q_OBJECT

public:
    explicit RangeLegend(QWidget* parent = nullptr);

    void setSetting(const ColorSetting& setting);
    void setInfo(const LegendInfo& info);
    void setHistogram(std::vector<std::uint32_t> counts);
    /// Marks the hovered value on the bar.
    void setMarker(std::optional<double> value);
    [[nodiscard]] const ColorSetting& setting() const { return m_setting; }
    [[nodiscard]] const LegendInfo& info() const { return m_info; }
    /// What the legend says, for screen readers and tests.
    [[nodiscard]] QString sentence() const;
    /// Where a handle is, in widget pixels (tests, lessons).
    [[nodiscard]] QPointF handle(bool high) const;

    void paintLegend(QPainter& painter, const QRectF& target, bool interactive);
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

signals:
    /// `done` false while a handle is dragged.
    void rangeChanged(double low, double high, bool done);
    void menuRequested(const QPoint& globalPosition);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;
    bool event(QEvent* event) override;

private:
    struct Layout;
    [[nodiscard]] Layout layoutFor(const QRectF& area) const;
    void paintBar(QPainter& painter, const Layout& layout);
    void paintHistogram(QPainter& painter, const Layout& layout);
    void paintTicks(QPainter& painter, const Layout& layout);
    void paintCaps(QPainter& painter, const Layout& layout);
    void paintHandles(QPainter& painter, const Layout& layout);
    void moveBound(bool high, double value, bool done);
    void editBound(bool high);
    void describe();

    ColorSetting m_setting;
    LegendInfo m_info;
    std::vector<std::uint32_t> m_histogram;
    std::optional<double> m_marker;
    ColorSetting m_pressed;      ///< at the start of a drag: pixels stand for its values until the handle is let go
    std::optional<bool> m_drag;  ///< true: the high handle
    QLineEdit* m_editor = nullptr;
    bool m_editsHigh = true;
    QuietEnd m_end{this};
};

}  // namespace loupe::app
