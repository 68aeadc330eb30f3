// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/bit_strip.hpp"

#include <QString>
#include <QWidget>

#include <cstdint>
#include <vector>

namespace loupe::app {

/// The struct of a block to scale: one bar for each tensor, its fields in their colours with names
/// above (of several bars the tensors' names) and byte numbers below, and frames where the chosen
/// element's bits lie. A field is chosen by click or with the arrow keys.
class BlockStruct : public QWidget {
    Q_OBJECT

public:
    struct Field {
        QString name;
        QString meaning;
        FieldKind kind = FieldKind::Integer;
        std::int64_t begin = 0;
        std::int64_t bytes = 0;
    };
    /// A bar of its own.
    struct Strip {
        QString title;  ///< shown where there are several
        std::int64_t begin = 0;
        std::int64_t bytes = 0;
    };
    /// Bits [bit, bit + width) of a byte, or `bytes` whole ones, that the chosen element depends
    /// on.
    struct Mark {
        std::int64_t byte = 0;
        int bit = 0;
        int width = 0;
        std::int64_t bytes = 1;
    };

    explicit BlockStruct(QWidget* parent = nullptr);
    void setContent(std::vector<Strip> strips, std::vector<Field> fields, std::vector<Mark> marks);
    [[nodiscard]] int currentField() const { return m_current; }
    void setCurrentField(int field);
    [[nodiscard]] const std::vector<Field>& fields() const { return m_fields; }
    [[nodiscard]] QRectF fieldRect(int field) const;
    /// Where bits are drawn: at least wide enough to be seen.
    [[nodiscard]] QRectF markRect(const Mark& mark) const;

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

signals:
    void fieldChosen(int field);

protected:
    bool event(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;

private:
    struct Bar {
        double top = 0;
        double left = 0;
        double scale = 1;  ///< pixels per byte
    };
    [[nodiscard]] double stripHeight() const;
    [[nodiscard]] Bar bar(std::size_t strip) const;
    [[nodiscard]] std::size_t stripOf(std::int64_t byte) const;
    [[nodiscard]] int fieldAt(const QPointF& pos) const;
    void drawStrip(QPainter& painter, std::size_t strip) const;
    void drawNames(QPainter& painter, std::size_t strip) const;
    void drawRuler(QPainter& painter, std::size_t strip) const;
    void choose(int field);
    void describe();

    std::vector<Strip> m_strips;
    std::vector<Field> m_fields;
    std::vector<Mark> m_marks;
    int m_current = 0;
};

}  // namespace loupe::app
