// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/bit_strip.hpp"

#include <QString>
#include <QWidget>

#include <utility>
#include <vector>

namespace loupe::app {

/// Children side by side at the widths they ask for, wrapped into rows.
class FlowBox : public QWidget {
    Q_OBJECT

public:
    explicit FlowBox(QWidget* parent = nullptr);
    void setSpacing(double pixels) { m_spacing = pixels; }
    void add(QWidget* child);
    [[nodiscard]] const std::vector<QWidget*>& items() const { return m_children; }
    /// Lays out again: a child was shown, hidden or asks for another width.
    void relayout();

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] bool hasHeightForWidth() const override { return true; }
    [[nodiscard]] int heightForWidth(int width) const override;

protected:
    bool event(QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    int place(int width, bool move) const;

    std::vector<QWidget*> m_children;
    double m_spacing = 12;
};

/// What the colours and patterns of bits mean, as swatches with words.
class FieldLegend : public QWidget {
    Q_OBJECT

public:
    explicit FieldLegend(QWidget* parent = nullptr);
    void setEntries(std::vector<std::pair<FieldKind, QString>> entries);
    [[nodiscard]] const std::vector<std::pair<FieldKind, QString>>& entries() const {
        return m_entries;
    }
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] bool hasHeightForWidth() const override { return true; }
    [[nodiscard]] int heightForWidth(int width) const override;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    [[nodiscard]] std::vector<QRectF> places(double width) const;

    std::vector<std::pair<FieldKind, QString>> m_entries;
};

}  // namespace loupe::app
