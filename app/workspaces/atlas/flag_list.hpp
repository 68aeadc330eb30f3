// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/quiet_end.hpp"
#include "app/workspaces/atlas/atlas_model.hpp"

#include <QAbstractTableModel>
#include <QTreeView>
#include <QWidget>

#include <vector>

class QBoxLayout;
class QLabel;
class QLineEdit;
class QSlider;

namespace loupe::app {

class SegmentedControl;
class Toggle;

/// The tensors that a threshold flags, or all of them where there is none; sorted, worst first.
class FlagModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { Place, Tensor, Value, kCount };
    static constexpr int kTensorRole = Qt::UserRole;

    explicit FlagModel(AtlasModel& model, QObject* parent = nullptr);

    [[nodiscard]] std::size_t tensor(int row) const {
        return m_rows[static_cast<std::size_t>(row)];
    }
    /// -1: not in the list.
    [[nodiscard]] int rowOf(std::size_t tensor) const;
    [[nodiscard]] std::size_t flagged() const { return m_flagged; }
    [[nodiscard]] int sortColumn() const { return m_column; }
    [[nodiscard]] Qt::SortOrder sortOrder() const { return m_order; }
    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    [[nodiscard]] QVariant headerData(int section,
                                      Qt::Orientation orientation,
                                      int role) const override;
    void sort(int column, Qt::SortOrder order) override;
    /// Titles of two words on two lines, where one has no room.
    void setOneLine(bool oneLine);
    void rebuild();
    /// Another checkpoint: nothing until its figures are there.
    void clear() { show({}); }
    /// The worst of this metric on top.
    void sortAsUsual();
    [[nodiscard]] QString copyText() const;

signals:
    void rebuilt();

private:
    void show(std::vector<std::size_t> rows);

    AtlasModel& m_model;
    bool m_again = false;  ///< a list is being sorted, and is stale already
    std::vector<std::size_t> m_rows;
    std::size_t m_flagged = 0;
    bool m_oneLine = true;
    int m_column = Value;
    Qt::SortOrder m_order = Qt::DescendingOrder;
};

/// The threshold: on or off, above or below, a slider over the metric's range and a field.
class ThresholdBar : public QWidget {
    Q_OBJECT

public:
    explicit ThresholdBar(AtlasModel& model, QWidget* parent = nullptr);

    [[nodiscard]] QSlider* slider() const { return m_slider; }
    [[nodiscard]] QLineEdit* field() const { return m_field; }

protected:
    void resizeEvent(QResizeEvent* event) override;

private:
    void show();
    [[nodiscard]] double valueAt(int position) const;
    [[nodiscard]] int positionOf(double value) const;
    [[nodiscard]] bool isLogarithmic() const;
    void change(bool on, bool above, double value);
    void typed();

    AtlasModel& m_model;
    Toggle* m_on = nullptr;
    SegmentedControl* m_side = nullptr;
    QSlider* m_slider = nullptr;
    QLineEdit* m_field = nullptr;
    QLabel* m_problem = nullptr;
    QBoxLayout* m_rows = nullptr;
    bool m_showing = false;
    QuietEnd m_end{this};
};

/// Threshold and list.
class FlagPanel : public QWidget {
    Q_OBJECT

public:
    explicit FlagPanel(AtlasModel& model, QWidget* parent = nullptr);

    [[nodiscard]] FlagModel& list() { return *m_list; }
    [[nodiscard]] QTreeView& table() { return *m_table; }
    [[nodiscard]] ThresholdBar& threshold() { return *m_threshold; }

signals:
    /// Click or Enter on a row.
    void opened(std::size_t tensor);

protected:
    void changeEvent(QEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void count();
    void fitColumns();

    AtlasModel& m_model;
    FlagModel* m_list = nullptr;
    ThresholdBar* m_threshold = nullptr;
    QTreeView* m_table = nullptr;
    QLabel* m_count = nullptr;
    QTimer m_later;
    bool m_following = false;
};

}  // namespace loupe::app
