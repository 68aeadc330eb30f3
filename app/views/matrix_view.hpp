// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QLineEdit>
#include <QTimer>

#include <array>
#include <optional>

#include "app/views/matrix_actions.hpp"
#include "app/views/matrix_pane.hpp"
#include "app/views/matrix_range.hpp"
#include "app/views/matrix_texts.hpp"
#include "app/views/matrix_toolbar.hpp"
#include "app/views/view.hpp"
#include "app/widgets/messages.hpp"

namespace loupe::app {

/// The central picture of Inspect: a matrix as stored, under a scheme, its error, codes, or the difference of two schemes.
class MatrixView : public View {
    Q_OBJECT

public:
    explicit MatrixView(Document& document, QWidget* parent = nullptr);
    ~MatrixView() override;

    void refresh(Changes what) override;
    [[nodiscard]] QJsonObject save() const override;
    void restore(const QJsonObject& state) override;
    [[nodiscard]] QString copyText() const override;
    [[nodiscard]] bool canExport() const override { return true; }
    void paintExport(QPainter& painter, const QRectF& target) override;
    [[nodiscard]] QSizeF exportSize() const override;
    [[nodiscard]] std::vector<QAction*> headerActions() const override { return {m_actions->compare, m_actions->lock}; }

    /// For lessons and tests.
    [[nodiscard]] MatrixActions& actions() { return *m_actions; }
    [[nodiscard]] MatrixPane& pane() { return *m_main; }
    [[nodiscard]] MatrixPane& referencePane() { return *m_reference; }
    [[nodiscard]] Quantity quantity() const { return MatrixActions::chosen<Quantity>(m_actions->quantity); }
    void setQuantity(Quantity quantity, Side side);
    void setPeek(bool on);
    void setCompare(bool on) { m_actions->compare->setChecked(on); }

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    void connectActions();
    void connectPane(MatrixPane& pane);
    void connectRange();
    void connectCursor();
    [[nodiscard]] Quantity shownQuantity() const;
    [[nodiscard]] Side shownSide() const;
    [[nodiscard]] bool signedMap() const { return MatrixActions::chosen<int>(m_actions->map) == 1; }
    void updateAvailability();
    void updatePanes();
    void updateColours();
    void updateCells();
    void updateChip();
    void chooseOpening();
    void applyWantedView();
    [[nodiscard]] RangeInputs rangeInputs(const MatrixPane& pane) const;
    PictureRange& rangeOf(const MatrixPane& pane) { return m_ranges[static_cast<std::size_t>(rangeGroup(pane.quantity()))]; }
    void setRange(MatrixPane& pane, double low, double high, const QString& mode);
    void resetRanges(bool tensor);
    void sendHover(std::optional<Cell> cell);
    void showCellMenu(Heatmap& heatmap, Cell cell, const QPoint& position);
    void togglePin(Cell cell);
    void goTo();
    void finishGoTo();
    void showProblem();

    MatrixActions* m_actions = nullptr;
    MatrixToolbar* m_toolbar = nullptr;
    MessageBar* m_message = nullptr;
    std::optional<Error> m_planeProblem;  ///< the quantity cannot be made
    QString m_readProblem;                ///< cells could not be read
    MatrixPane* m_main = nullptr;
    MatrixPane* m_reference = nullptr;
    QLineEdit* m_goTo = nullptr;
    MatrixTexts m_texts;
    std::array<PictureRange, kRangeGroups> m_ranges;
    QTimer m_hoverTimer;
    std::optional<Cell> m_hover;
    QJsonObject m_wantedView;  ///< zoom of a restored state until the plane is there
    bool m_peek = false;
    bool m_opened = false;     ///< map chosen for this tensor
    bool m_linking = false;
};

}  // namespace loupe::app
