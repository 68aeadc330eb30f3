// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/views/ladder_runs.hpp"

#include <QAbstractTableModel>
#include <QSet>

#include <optional>

namespace loupe::app {

/// The rows of the ladder: pinned ones on top, then the others by the sorted column, then what
/// could not run.
class LadderModel : public QAbstractTableModel {
    Q_OBJECT

public:
    enum Column {
        Name,
        Grid,
        Errors,
        Codes,
        Bits,
        Sqnr,
        Rel,
        Output,
        Time,
        Largest,
        Zeros,
        kCount
    };
    struct Item {
        std::shared_ptr<const LadderRow> row;  ///< null: it could not run
        LadderSkip skip;
        bool pinned = false;
        bool pareto = false;
        [[nodiscard]] const LadderEntry& entry() const { return row ? row->entry : skip.entry; }
    };

    explicit LadderModel(QObject* parent = nullptr) : QAbstractTableModel(parent) {}

    /// Null: nothing to show.
    void setState(const LadderState* state);
    void setFamily(std::optional<StepFamily> family);
    [[nodiscard]] std::optional<StepFamily> family() const { return m_family; }
    /// The error whose front is marked.
    void setFigure(const FigureDefinition& figure);
    [[nodiscard]] const FigureDefinition& figure() const { return *m_figure; }
    void togglePin(const QString& scheme);
    void setPins(const QSet<QString>& pins);
    [[nodiscard]] const QSet<QString>& pins() const { return m_pins; }
    /// Schemes A and B, marked in the rows.
    void setSchemes(const QString& a, const QString& b);
    [[nodiscard]] const QString& schemeA() const { return m_a; }
    [[nodiscard]] const QString& schemeB() const { return m_b; }

    [[nodiscard]] const Item& item(int row) const { return m_items[static_cast<std::size_t>(row)]; }
    [[nodiscard]] const std::vector<Item>& items() const { return m_items; }
    /// Row of a scheme; -1: not there.
    [[nodiscard]] int rowOf(const QString& scheme) const;
    [[nodiscard]] int sortColumn() const { return m_sort; }
    [[nodiscard]] Qt::SortOrder sortOrder() const { return m_order; }
    [[nodiscard]] QString copyText() const;

    /// The figure of a column; null for those without numbers.
    [[nodiscard]] static const FigureDefinition* figureOf(int column);

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    [[nodiscard]] QVariant headerData(int section,
                                      Qt::Orientation orientation,
                                      int role) const override;
    void sort(int column, Qt::SortOrder order) override;

private:
    void rebuild();

    std::vector<std::shared_ptr<const LadderRow>> m_rows;
    std::vector<LadderSkip> m_skipped;
    std::vector<Item> m_items;
    std::optional<StepFamily> m_family;
    const FigureDefinition* m_figure = findFigure("rel");
    QSet<QString> m_pins;
    QString m_a, m_b;
    int m_sort = Sqnr;
    Qt::SortOrder m_order = Qt::DescendingOrder;
};

/// Colour and shape of a family (category index).
[[nodiscard]] int familyCategory(StepFamily family);

}  // namespace loupe::app
