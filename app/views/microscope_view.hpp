// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/cursor.hpp"
#include "app/views/block_field.hpp"
#include "app/views/microscope_block.hpp"
#include "app/views/view.hpp"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

class QComboBox;
class QGridLayout;
class QLabel;
class QPushButton;
class QScrollArea;
class QVBoxLayout;

namespace loupe::app {

class BlockCells;
class BlockStruct;
class EmptyState;
class FieldLegend;
class FlowBox;
class HexGrid;
class NumberTable;
class SegmentedControl;

/// The block microscope: where the selected weight lies in its file, the bytes around it, the
/// struct that they make, the equation with this block's numbers, and what a flipped bit changes.
class MicroscopeView : public View {
    Q_OBJECT

public:
    explicit MicroscopeView(Document& document, QWidget* parent = nullptr);

    void refresh(Changes what) override;
    [[nodiscard]] QJsonObject save() const override;
    void restore(const QJsonObject& state) override;
    [[nodiscard]] QString copyText() const override;
    [[nodiscard]] bool canExport() const override { return m_block.has_value(); }
    void paintExport(QPainter& painter, const QRectF& target) override;
    [[nodiscard]] QSizeF exportSize() const override;
    [[nodiscard]] std::vector<QAction*> headerActions() const override { return m_actions; }

    /// The block that is shown; empty where there is none (emptyReason() says why).
    [[nodiscard]] const std::optional<MicroscopeBlock>& block() const { return m_block; }
    [[nodiscard]] QString emptyReason() const;
    [[nodiscard]] QString placeText() const;
    [[nodiscard]] QString equationText() const;
    [[nodiscard]] QString effectText() const;
    [[nodiscard]] HexGrid& hexGrid() { return *m_hex; }
    [[nodiscard]] BlockStruct& blockStruct() { return *m_struct; }
    [[nodiscard]] BlockCells& cells() { return *m_cells; }
    [[nodiscard]] BitStrip& byteStrip() { return *m_byteStrip; }
    /// The strip of a part of the equation.
    [[nodiscard]] BitStrip& partStrip(std::size_t part) { return *m_parts[part]; }
    [[nodiscard]] FieldPlot& fieldPlot() { return *m_plot; }

    /// Flips a bit. Plain weights change in the experiment (undoable there), others here only.
    void flip(BlockBit bit);
    void undo();
    void redo();
    void resetFlips();
    /// The same element of the block before or after this one in the file's order.
    void step(bool forward);
    /// "All blocks" of the row or of the whole tensor, for this part of the equation.
    void chooseField(const QString& part, bool wholeTensor);

protected:
    bool event(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    void buildBytes();
    void buildStruct();
    void buildEffect();
    void buildEffectTable(QVBoxLayout& layout);
    void buildFieldPlot(QVBoxLayout& layout);
    void buildPage();
    void makeActions();
    void arrange();
    void updateAll();
    void updateHead();
    void updateBytes();
    void updateByteStrip();
    void updateStruct();
    void updateParts();
    void updateEquation();
    void updateEffect();
    void updateCells();
    void updateFieldList();
    void updateField();
    void updateActions();
    void showReason(const QString& title, const QString& why, const QString& button);
    void afterFlip();
    /// True where the weights are plain numbers, whose flipped bits the experiment keeps.
    [[nodiscard]] bool isPlain() const;
    void overlayEdits(MicroscopeBlock& block) const;
    void takeBlock(BlockView view);
    [[nodiscard]] QString blockName() const;
    [[nodiscard]] QString exact(double value) const;
    /// Runs of bytes that lie in the same tensor.
    [[nodiscard]] std::vector<std::span<const BlockSpan>> byTensor() const;
    [[nodiscard]] QString spanTitle(std::span<const BlockSpan> spans) const;
    [[nodiscard]] std::optional<std::size_t> fieldPart() const;
    QLabel* caption(const QString& text, QVBoxLayout* into);

    QScrollArea* m_scroll = nullptr;
    QWidget* m_content = nullptr;
    EmptyState* m_empty = nullptr;
    QScrollArea* m_emptyArea = nullptr;
    QGridLayout* m_grid = nullptr;
    QWidget* m_bytesPanel = nullptr;
    QWidget* m_structPanel = nullptr;
    QWidget* m_effectPanel = nullptr;
    QLabel* m_place = nullptr;
    QPushButton* m_previous = nullptr;
    QPushButton* m_next = nullptr;
    HexGrid* m_hex = nullptr;
    FieldLegend* m_legend = nullptr;
    QLabel* m_byteLabel = nullptr;
    BitStrip* m_byteStrip = nullptr;
    BlockStruct* m_struct = nullptr;
    FlowBox* m_partBox = nullptr;
    std::vector<BitStrip*> m_parts;
    QLabel* m_formula = nullptr;
    EquationLabel* m_equation = nullptr;
    QLabel* m_source = nullptr;
    NumberTable* m_table = nullptr;
    QLabel* m_effect = nullptr;
    QPushButton* m_undoButton = nullptr;
    QPushButton* m_redoButton = nullptr;
    QPushButton* m_resetButton = nullptr;
    QLabel* m_cellsLabel = nullptr;
    BlockCells* m_cells = nullptr;
    QComboBox* m_field = nullptr;
    SegmentedControl* m_scope = nullptr;
    FieldPlot* m_plot = nullptr;
    QLabel* m_fieldText = nullptr;
    std::vector<QAction*> m_actions;

    std::optional<MicroscopeBlock> m_block;
    std::optional<Cell> m_cell;
    std::string m_tensor;
    int m_columns = 0;
    QString m_fieldName;   ///< the part that the user chose; empty: the first scale
    bool m_whole = false;  ///< blocks of the whole tensor instead of the row's
    std::string m_fieldKey;
    /// Flipped bits of blocks that are not shown now, by tensor and offset.
    std::map<std::pair<std::string, std::uint64_t>, MicroscopeBlock> m_kept;
};

}  // namespace loupe::app
