// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/views/ladder_runs.hpp"
#include "app/views/ladder_table.hpp"
#include "app/views/pareto_plot.hpp"
#include "app/views/view.hpp"

class QComboBox;
class QLabel;
class QPushButton;
class QSplitter;

namespace loupe::app {

class EmptyState;
class MessageBar;
class ProgressLine;
class SegmentedControl;
class TruthMark;

/// Every scheme on the open tensor, compared: rows with small pictures, and bits against error.
class LadderView : public View {
    Q_OBJECT

public:
    explicit LadderView(Document& document, QWidget* parent = nullptr);

    void refresh(Changes what) override;
    [[nodiscard]] QJsonObject save() const override;
    void restore(const QJsonObject& state) override;
    [[nodiscard]] QString copyText() const override { return m_model->copyText(); }
    [[nodiscard]] bool canExport() const override { return true; }
    void paintExport(QPainter& painter, const QRectF& target) override;
    [[nodiscard]] QSizeF exportSize() const override { return {960, 640}; }

    /// For tests.
    [[nodiscard]] LadderModel& model() { return *m_model; }
    [[nodiscard]] LadderTable& table() { return *m_table; }
    [[nodiscard]] ParetoPlot& plot() { return *m_plot; }
    [[nodiscard]] LadderRuns& runs() { return *m_runs; }
    /// The scheme becomes A (or B) and the picture shows its error.
    void use(Side side, const QString& scheme);
    /// Where there is no room for both: "table" or "plot".
    void showPart(const QString& id);
    [[nodiscard]] bool hasRoomForBoth() const;

protected:
    void showEvent(QShowEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void showMenu(const QPoint& at);
    void makeToolbar();
    void makeFamilies();
    void makeErrors();
    void showState();
    void arrange();
    [[nodiscard]] QString currentScheme() const;
    void select(const QString& scheme, bool scroll = false);
    void updateButtons();
    void updateStatus(const LadderState* state);
    void sortAsUsual(bool hasOutput);

    LadderModel* m_model = nullptr;
    LadderRuns* m_runs = nullptr;
    LadderTable* m_table = nullptr;
    ParetoPlot* m_plot = nullptr;
    QWidget* m_toolbar = nullptr;
    QComboBox* m_family = nullptr;
    QComboBox* m_error = nullptr;
    SegmentedControl* m_part = nullptr;
    QLabel* m_status = nullptr;
    TruthMark* m_mark = nullptr;
    QPushButton* m_useA = nullptr;
    QPushButton* m_useB = nullptr;
    QPushButton* m_pin = nullptr;
    QPushButton* m_stop = nullptr;
    QSplitter* m_splitter = nullptr;
    ProgressLine* m_progress = nullptr;
    MessageBar* m_message = nullptr;
    EmptyState* m_empty = nullptr;
    QString m_selected;
    bool m_errorChosen = false;
    int m_usualSort = LadderModel::Sqnr;  ///< by what it is sorted until a header is clicked
};

}  // namespace loupe::app
