// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/plot/color_setting.hpp"
#include "app/widgets/quiet_end.hpp"
#include "app/workspaces/atlas/compare_model.hpp"

#include <QJsonObject>
#include <QTimer>
#include <QWidget>

class QAction;
class QLabel;
class QLineEdit;
class QPushButton;
class QSplitter;
class QTreeView;

namespace loupe::app {

class CompareTableModel;
class EmptyState;
class FactChip;
class Heatmap;
class MessageBar;
class ProgressLine;
class RangeLegend;
class SegmentedControl;
class Toggle;

/// Two checkpoints: the ranked table of what matches, the names that do not, the element map of
/// one pair and a tolerance.
class ComparePane : public QWidget {
    Q_OBJECT

public:
    explicit ComparePane(Document& document, QWidget* parent = nullptr);

    [[nodiscard]] CompareModel& model() { return *m_model; }
    [[nodiscard]] CompareTableModel& table() { return *m_table; }
    [[nodiscard]] Heatmap& picture() { return *m_picture; }
    [[nodiscard]] QLineEdit* toleranceField() const { return m_tolerance; }
    void resetLayout();
    [[nodiscard]] QJsonObject save() const;
    void restore(const QJsonObject& state);
    void paintExport(QPainter& painter, const QRectF& target);

signals:
    void readoutChanged(const QString& html);

protected:
    void resizeEvent(QResizeEvent* event) override;
    void showEvent(QShowEvent* event) override;
    void hideEvent(QHideEvent* event) override;
    void changeEvent(QEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    void buildHead();
    void buildList();
    void buildMap();
    void connectModel();
    void connectMap();
    void choose();
    void showPairs();
    void showProgress();
    void followSelection();
    void showMap();
    void showHover(std::optional<Cell> cell);
    void setColors(const ColorSetting& setting, const QString& mode);
    void typed();
    void arrange();
    void fitColumns();

    CompareModel* m_model = nullptr;
    CompareTableModel* m_table = nullptr;
    QWidget* m_head = nullptr;
    QLabel* m_nameA = nullptr;
    QLabel* m_nameB = nullptr;
    QPushButton* m_choose = nullptr;
    Toggle* m_gate = nullptr;
    QLineEdit* m_tolerance = nullptr;
    ProgressLine* m_progress = nullptr;
    MessageBar* m_message = nullptr;
    QAction* m_closeMessage = nullptr;
    EmptyState* m_empty = nullptr;
    QSplitter* m_splitter = nullptr;
    QWidget* m_left = nullptr;
    SegmentedControl* m_lists = nullptr;
    QLabel* m_verdict = nullptr;
    QPushButton* m_pause = nullptr;
    QTreeView* m_view = nullptr;
    QWidget* m_right = nullptr;
    QLabel* m_title = nullptr;
    SegmentedControl* m_maps = nullptr;
    Heatmap* m_picture = nullptr;
    RangeLegend* m_legend = nullptr;
    QTimer m_later;
    QTimer m_histogram;
    QString m_wanted;  ///< selection of a session, until its pairs are there
    bool m_showing = false;
    bool m_moved = false;
    QuietEnd m_end{this};
};

}  // namespace loupe::app
