// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/theme.hpp"
#include "core/formats/codec.hpp"

#include <QRectF>
#include <QWidget>

#include <cstdint>
#include <optional>
#include <vector>

namespace loupe::app {

/// One value in one format.
struct FormatRow {
    const NumberFormat* format = nullptr;
    std::optional<EncodedNumber> number;  ///< empty: `problem` says why it cannot be held
    QString problem;
    bool whatIf = false;  ///< its bits were flipped: shows another value than the nearest
};

/// A value in every scalar format: bits, value, errors, neighbours. Bits can be clicked in every
/// row: a what-if that changes nothing else, but in the format in which the weight is stored, whose
/// flips are handed on.
class FormatTable : public QWidget {
    Q_OBJECT

public:
    explicit FormatTable(QWidget* parent = nullptr);

    /// Shows `value` in every format; forgets what-ifs if the value changed. `stored` may be null.
    void setValue(std::optional<double> value,
                  const NumberFormat* stored,
                  std::uint64_t storedCode);
    [[nodiscard]] const std::vector<FormatRow>& rows() const { return m_rows; }
    [[nodiscard]] std::optional<std::size_t> rowOf(const NumberFormat& format) const;
    void flip(std::size_t row, int bit);
    void resetRow(std::size_t row);
    /// Where a bit is drawn; null if it is not.
    [[nodiscard]] QRectF bitRect(std::size_t row, int bit) const;
    [[nodiscard]] QString copyText() const;
    void paint(QPainter& painter, double width) const;

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] bool hasHeightForWidth() const override { return true; }
    [[nodiscard]] int heightForWidth(int width) const override;

signals:
    /// A bit of the stored format's row was clicked.
    void storedBitToggled(int bit);
    void rowChanged(std::size_t row);

protected:
    bool event(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    struct Columns {
        double nameRight = 0;
        double bitsLeft = 0;
        double cell = 0;
        int bitsPerLine = 32;
        double valueRight = 0;
        double errorRight = 0;
        double relativeRight = 0;
        bool showError = true;
        bool showRelative = true;
    };
    [[nodiscard]] Columns columns(double width) const;
    [[nodiscard]] int lines(const FormatRow& row, const Columns& at) const;
    [[nodiscard]] double rowHeight(std::size_t row, const Columns& at) const;
    [[nodiscard]] double rowTop(std::size_t row, const Columns& at) const;
    [[nodiscard]] QRectF bitRect(std::size_t row, int bit, const Columns& at) const;
    [[nodiscard]] std::optional<std::pair<std::size_t, int>> bitAt(QPointF pos) const;
    void paintRow(QPainter& painter, std::size_t row, const Columns& at, double width) const;
    void paintDetail(QPainter& painter, std::size_t row, const QRectF& rect) const;
    void setCurrent(std::size_t row, int bit);

    std::optional<double> m_value;
    const NumberFormat* m_stored = nullptr;
    std::vector<FormatRow> m_rows;
    std::size_t m_currentRow = 0;
    int m_currentBit = 0;
};

}  // namespace loupe::app
