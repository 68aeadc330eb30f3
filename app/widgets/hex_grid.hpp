// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/bit_strip.hpp"
#include "app/widgets/cell_widget.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace loupe::app {

/// Bytes as they lie in a file, coloured by the field of each of their bits, 16 (or 8, or 4) to a
/// row. Bytes that do not take part in the chosen element are faded; long runs of them fold. A byte
/// is chosen by click or with the arrow keys; Ctrl+C copies the hex dump.
class HexGrid : public CellWidget {
    Q_OBJECT

public:
    struct Byte {
        std::uint8_t value = 0;
        std::uint8_t used = 0;     ///< bits that the chosen element depends on
        std::uint8_t flipped = 0;  ///< bits that differ from the file
        std::array<FieldKind, 8> kinds{};
    };
    /// Bytes that follow one another in one file.
    struct Piece {
        std::uint64_t offset = 0;
        std::int64_t count = 0;
    };
    /// The bytes of one tensor.
    struct Strip {
        QString title;           ///< tensor and file; shown where there are several strips
        std::int64_t begin = 0;  ///< into the bytes
        std::int64_t count = 0;
        std::vector<Piece> pieces{};
    };

    explicit HexGrid(QWidget* parent = nullptr);

    void setContent(std::vector<Strip> strips, std::vector<Byte> bytes);
    [[nodiscard]] std::int64_t currentByte() const { return m_current; }
    /// Chooses without a signal.
    void setCurrentByte(std::int64_t byte);
    [[nodiscard]] const std::vector<Byte>& bytes() const { return m_bytes; }
    /// Where a byte is drawn; empty where it is folded away.
    [[nodiscard]] QRectF byteRect(std::int64_t byte) const;
    /// "0x0000A0  7F 5C …" line by line.
    [[nodiscard]] QString dump() const;

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] int heightForWidth(int width) const override;

signals:
    void byteChosen(qlonglong byte);

protected:
    [[nodiscard]] std::int64_t cellCount() const override {
        return static_cast<std::int64_t>(m_bytes.size());
    }
    [[nodiscard]] std::int64_t chosenCell() const override { return m_current; }
    [[nodiscard]] int cellsPerRow() const override { return metricsFor(width()).perRow; }
    [[nodiscard]] std::int64_t cellAt(const QPointF& pos) const override;
    [[nodiscard]] QRectF placeOf(std::int64_t cell) const override { return byteRect(cell); }
    [[nodiscard]] QString tipFor(std::int64_t cell) const override;
    void choose(std::int64_t byte) override;
    void rescale() override;
    void paintEvent(QPaintEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    /// A line of the picture: a strip's title, bytes, or how many are folded away.
    struct Line {
        enum class Kind { Title, Bytes, Fold } kind = Kind::Bytes;
        std::size_t strip = 0;
        std::int64_t begin = 0;
        std::int64_t count = 0;
    };
    struct Metrics {
        double label = 0;
        double cell = 0;
        double line = 0;
        int perRow = 16;
    };
    [[nodiscard]] Metrics metricsFor(int width) const;
    [[nodiscard]] std::vector<Line> linesFor(int perRow) const;
    void appendLines(std::vector<Line>& lines, std::size_t strip, int perRow) const;
    [[nodiscard]] QRectF cellRect(const Metrics& m, std::size_t line, std::int64_t column) const;
    void drawLine(QPainter& painter, const Metrics& m, std::size_t index) const;
    void drawByte(QPainter& painter, const QRectF& cell, const Byte& byte) const;
    void rebuild();
    void describe();
    [[nodiscard]] std::uint64_t offsetOf(std::int64_t byte) const;

    std::vector<Strip> m_strips;
    std::vector<Byte> m_bytes;
    std::vector<Line> m_lines;
    std::int64_t m_current = 0;
};

}  // namespace loupe::app
