// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include <vector>

namespace loupe::app {

class MemoryModel;

/// What takes the memory, in the order of the bars.
struct ByteShare {
    QString name;
    std::int64_t bytes = 0;
    int kind = 0;  ///< 0 weights, 1 scales, 2 KV cache, 3 activations
};
[[nodiscard]] std::vector<ByteShare> byteShares(const MemoryModel& model);

/// One stacked bar a device, as shares of the device's memory, with what fits. Click or arrows
/// choose the device whose figures are shown.
class ByteBars : public QWidget {
    Q_OBJECT

public:
    explicit ByteBars(MemoryModel& model, QWidget* parent = nullptr);

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] bool hasHeightForWidth() const override { return true; }
    [[nodiscard]] int heightForWidth(int width) const override;
    /// Draws into `area`; the height that it takes. Null painter: only measures.
    double layOut(QPainter* painter, const QRectF& area) const;
    /// "13.5 of 80 GB", "needs at least 3".
    [[nodiscard]] QString verdict(std::size_t device) const;
    /// One line a device, as TSV with a header line.
    [[nodiscard]] QString copyText() const;
    /// The chosen device as a sentence.
    [[nodiscard]] QString describe() const;

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    bool event(QEvent* event) override;

private:
    void refresh();
    [[nodiscard]] double rowHeight() const;
    [[nodiscard]] double headHeight(double width) const;
    double paintHead(QPainter* painter, const QRectF& area) const;
    void paintRow(QPainter& painter, const QRectF& row, std::size_t device) const;
    [[nodiscard]] int deviceAt(QPointF point) const;

    MemoryModel& m_model;
    bool m_ring = false;
};

}  // namespace loupe::app
