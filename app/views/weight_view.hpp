// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/analyses.hpp"
#include "app/document/cursor.hpp"
#include "app/views/view.hpp"

#include <array>
#include <optional>
#include <vector>

class QBoxLayout;
class QLabel;
class QPushButton;
class QScrollArea;

namespace loupe::app {

class BitStrip;
class EquationLabel;
class FormatTable;
class WorkedLines;

/// The selected weight: value, code, bits to flip, what the code means, both schemes worked out
/// with its numbers, and the value in every format.
class WeightView : public View {
    Q_OBJECT

public:
    explicit WeightView(Document& document, QWidget* parent = nullptr);

    void refresh(Changes what) override;
    [[nodiscard]] QJsonObject save() const override;
    void restore(const QJsonObject& state) override;
    [[nodiscard]] QString copyText() const override;
    [[nodiscard]] bool canExport() const override { return m_cell.has_value(); }
    void paintExport(QPainter& painter, const QRectF& target) override;
    [[nodiscard]] QSizeF exportSize() const override;
    [[nodiscard]] std::vector<QAction*> headerActions() const override { return m_actions; }

    /// What is shown, as text; for the clipboard and for tests.
    [[nodiscard]] QString valueText() const;
    [[nodiscard]] QString equationText() const;
    [[nodiscard]] QString workedText(Side side) const;
    [[nodiscard]] BitStrip& strip() { return *m_strip; }
    [[nodiscard]] FormatTable& formats() { return *m_formats; }
    void flipBit(int bit);
    /// To the next representable value below or above: an undoable edit.
    void step(bool up);
    /// The element reads as the file has it again.
    void resetEdit();

protected:
    void changeEvent(QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void paintEvent(QPaintEvent* event) override;

private:
    void buildContent();
    void makeActions();
    void update(bool force);
    void updateValue();
    void updateEquation();
    void updateEdited();
    void updateFacts();
    void updateSchemes();
    void updateStyle();
    void arrangeSchemes();
    [[nodiscard]] const NumberFormat* format() const;
    /// The code in the file, under an edit; empty where it is not to be had.
    [[nodiscard]] std::optional<std::uint64_t> originalCode() const;

    QScrollArea* m_scroll = nullptr;
    QWidget* m_content = nullptr;
    QLabel* m_value = nullptr;
    QLabel* m_codeLabel = nullptr;
    QPushButton* m_below = nullptr;
    QPushButton* m_above = nullptr;
    BitStrip* m_strip = nullptr;
    EquationLabel* m_equation = nullptr;
    QWidget* m_editedRow = nullptr;
    QLabel* m_edited = nullptr;
    QPushButton* m_reset = nullptr;
    QLabel* m_facts = nullptr;
    QBoxLayout* m_schemesLayout = nullptr;
    std::array<WorkedLines*, 2> m_worked{};
    QLabel* m_noScheme = nullptr;
    QLabel* m_formatsTitle = nullptr;
    FormatTable* m_formats = nullptr;
    std::vector<QAction*> m_actions;

    std::optional<Cell> m_cell;
    std::optional<double> m_number;
    std::optional<std::uint64_t> m_code;
};

}  // namespace loupe::app
