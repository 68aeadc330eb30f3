// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QBrush>
#include <QColor>
#include <QString>
#include <QWidget>

#include <cstdint>
#include <optional>
#include <vector>

namespace loupe {
struct NumberFormat;
}

namespace loupe::app {

/// What a run of bits or bytes means; decides colour and pattern, the same in every theme.
enum class FieldKind { Sign, Exponent, Fraction, Integer, HighBits, GridIndex, Scale, SubScale, ZeroPoint, SubMinimum, Padding };

[[nodiscard]] QColor fieldColour(FieldKind kind);
/// Drawn over the colour; Qt::NoBrush where the field is plain.
[[nodiscard]] QBrush fieldPattern(FieldKind kind);
/// "s", "e", "m", "q", "h", "g", "d", "sc", "z", "m", "–".
[[nodiscard]] QString fieldLetter(FieldKind kind);

/// Bits [first, first + count), bit 0 being the least significant.
struct BitField {
    QString name;  ///< "exponent"
    FieldKind kind = FieldKind::Integer;
    int first = 0;
    int count = 1;
    friend bool operator==(const BitField&, const BitField&) = default;
};

/// The fields of a scalar format, most significant first: sign, exponent, fraction; sign and integer; index of a codebook.
[[nodiscard]] std::vector<BitField> bitFields(const NumberFormat& format);

/// A code as coloured, patterned cells, most significant bit left, with the name and value of each field under it. Bits are
/// clicked, or reached with the arrow keys and flipped with Space, 0 and 1. Wraps where it does not fit.
class BitStrip : public QWidget {
    Q_OBJECT

public:
    explicit BitStrip(QWidget* parent = nullptr);

    void setBits(std::uint64_t code, int bits, std::vector<BitField> fields);
    /// Bits that differ from this code get a mark (an edited weight). Empty: none.
    void setReference(std::optional<std::uint64_t> code);
    /// False: shows only; no focus, no signals. Default true.
    void setEditable(bool editable);
    /// Width range of a cell in unscaled pixels; the widest that fits is taken. Default 14 to 24.
    void setCellRange(double least, double most);
    /// Shows "exponent 9" (default) or only names under the fields.
    void setShowFieldValues(bool show);

    [[nodiscard]] std::uint64_t code() const { return m_code; }
    [[nodiscard]] int bits() const { return m_bits; }
    /// Bit under the keyboard cursor.
    [[nodiscard]] int currentBit() const { return m_current; }
    void setCurrentBit(int bit);
    /// Where a bit is drawn, in widget coordinates.
    [[nodiscard]] QRectF bitRect(int bit) const;
    [[nodiscard]] const BitField* fieldOf(int bit) const;
    /// The value of a field's bits.
    [[nodiscard]] std::uint64_t fieldValue(const BitField& field) const;

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] bool hasHeightForWidth() const override { return true; }
    [[nodiscard]] int heightForWidth(int width) const override;

signals:
    /// The user asks for this bit to be flipped; the strip itself changes with the next setBits().
    void bitToggled(int bit);
    /// -1: none.
    void bitHovered(int bit);

protected:
    bool event(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;

private:
    struct Geometry {
        double cell = 0;
        double cellHeight = 0;
        double gap = 0;
        double labelHeight = 0;
        int perRow = 0;
        int rows = 0;
        [[nodiscard]] double rowHeight() const { return cellHeight + labelHeight; }
    };
    [[nodiscard]] Geometry geometryFor(int width) const;
    [[nodiscard]] int gapsBefore(int bit, int perRow) const;
    [[nodiscard]] int bitAt(const QPointF& pos) const;
    [[nodiscard]] QString explain(int bit) const;
    void drawField(QPainter& painter, const BitField& field, const Geometry& g) const;
    void drawLabels(QPainter& painter, const Geometry& g) const;
    void setHovered(int bit);
    void describe();

    std::uint64_t m_code = 0;
    int m_bits = 0;
    std::vector<BitField> m_fields;
    std::optional<std::uint64_t> m_reference;
    bool m_editable = true;
    bool m_showValues = true;
    double m_leastCell = 14;
    double m_mostCell = 24;
    int m_current = 0;
    int m_hovered = -1;
};

}  // namespace loupe::app
