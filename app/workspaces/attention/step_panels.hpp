// SPDX-License-Identifier: GPL-3.0-or-later
// The panels beside the grid: a row's running softmax, the formula with its numbers, what is on the
// chip, what has been moved.
#pragma once

#include <QWidget>

#include <vector>

class QLabel;
class QVBoxLayout;

namespace loupe::app {

class AttentionModel;
class EquationLabel;
class NumberTable;
class ValueSpinBox;

/// Largest score of each tile, running maximum, factor and running sum of one query, tile by tile.
class SoftmaxPanel : public QWidget {
    Q_OBJECT

public:
    explicit SoftmaxPanel(AttentionModel& model, QWidget* parent = nullptr);
    [[nodiscard]] NumberTable* table() const { return m_table; }
    [[nodiscard]] ValueSpinBox* rowField() const { return m_row; }

private:
    void refresh();

    AttentionModel& m_model;
    ValueSpinBox* m_row = nullptr;
    NumberTable* m_table = nullptr;
    bool m_updating = false;
};

/// This step's lines of the algorithm, with the numbers of the followed query in them.
class FormulaPanel : public QWidget {
    Q_OBJECT

public:
    explicit FormulaPanel(AttentionModel& model, QWidget* parent = nullptr);
    [[nodiscard]] const std::vector<EquationLabel*>& lines() const { return m_lines; }

private:
    void refresh();
    void setLines(const QStringList& lines);

    AttentionModel& m_model;
    QLabel* m_title = nullptr;
    QLabel* m_sentence = nullptr;
    std::vector<EquationLabel*> m_lines;
};

/// Elements on the chip now, and whether the block-size rule's M is enough for them.
class ChipPanel : public QWidget {
    Q_OBJECT

public:
    explicit ChipPanel(AttentionModel& model, QWidget* parent = nullptr);
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override { return sizeHint(); }
    [[nodiscard]] bool hasHeightForWidth() const override { return true; }
    [[nodiscard]] int heightForWidth(int width) const override;
    /// "more than the 16 384 that …", or empty.
    [[nodiscard]] QString warning() const;

protected:
    void paintEvent(QPaintEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void refresh();
    int layOut(QPainter* painter, int width) const;

    AttentionModel& m_model;
};

/// The figure of the paper, as printed and as counting gives it for the same workload.
class PaperPanel : public QWidget {
    Q_OBJECT

public:
    explicit PaperPanel(AttentionModel& model, QWidget* parent = nullptr);
    [[nodiscard]] NumberTable* table() const { return m_table; }

private:
    void refresh();

    AttentionModel& m_model;
    NumberTable* m_table = nullptr;
    QLabel* m_note = nullptr;
};

/// Elements read and written so far and in all, beside the standard algorithm, and the factor.
class TrafficPanel : public QWidget {
    Q_OBJECT

public:
    explicit TrafficPanel(AttentionModel& model, QWidget* parent = nullptr);
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] bool hasHeightForWidth() const override { return true; }
    [[nodiscard]] int heightForWidth(int width) const override;
    /// Draws into `area`; the height that it takes. Null painter: only measures.
    int layOut(QPainter* painter, const QRectF& area) const;
    /// "1.31".
    [[nodiscard]] QString factor() const;
    [[nodiscard]] QString sentence() const;

protected:
    void paintEvent(QPaintEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void refresh();

    AttentionModel& m_model;
};

}  // namespace loupe::app
