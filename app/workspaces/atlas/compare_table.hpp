// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/workspaces/atlas/compare_model.hpp"

#include <QAbstractTableModel>
#include <QTreeView>

namespace loupe::app {

/// Matched tensors of two checkpoints, ranked, or the names that only one of them has.
class CompareTableModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column { TensorA, TensorB, Relative, Sqnr, Largest, Provenance, kCount };
    enum class List { Matched, OnlyA, OnlyB, Shapes };

    explicit CompareTableModel(CompareModel& model, QObject* parent = nullptr);

    void setList(List list);
    [[nodiscard]] List list() const { return m_list; }
    /// Index into CompareModel::rows(); -1: a name without partner.
    [[nodiscard]] int pair(int row) const;
    /// The row of a pair in the list; -1: not shown.
    [[nodiscard]] int rowOf(int pair) const;
    [[nodiscard]] int sortColumn() const { return m_column; }
    [[nodiscard]] Qt::SortOrder sortOrder() const { return m_order; }
    [[nodiscard]] QString copyText() const;

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    [[nodiscard]] QVariant headerData(int section,
                                      Qt::Orientation orientation,
                                      int role) const override;
    void sort(int column, Qt::SortOrder order) override;
    void rebuild();
    /// Figures arrived.
    void refresh();

private:
    [[nodiscard]] QVariant text(int pair, int column) const;

    CompareModel& m_model;
    List m_list = List::Matched;
    std::vector<int> m_rows;
    int m_column = Relative;
    Qt::SortOrder m_order = Qt::DescendingOrder;
};

}  // namespace loupe::app
