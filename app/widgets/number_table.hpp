// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QTableWidget>

#include <vector>

namespace loupe::app {

/// A small table of numbers: first column names, the others right-aligned mono that never elides; 24 px rows, no grid.
/// Ctrl+C copies the selected rows (all when none) as TSV with a header line and ASCII numbers.
class NumberTable : public QTableWidget {
    Q_OBJECT

public:
    /// Column 0 and those listed in `textColumns` hold text.
    explicit NumberTable(const QStringList& headers, QWidget* parent = nullptr);
    /// Columns that hold words: left-aligned UI face, elided in the middle.
    void setTextColumns(const std::vector<int>& columns);
    /// Keeps room for the dot of the better one behind every number.
    void setDots(bool dots);
    void setCell(int row, int column, const QString& text, const QString& toolTip = {});
    void setDot(int row, int column, bool on);
    /// Small text behind the name: a unit, in text3.
    void setUnit(int row, const QString& unit);
    /// Text of a header in a colour ("A" teal); follows the theme through `side` "A" or "B".
    void setHeaderSide(int column, const QString& side);
    /// Dimmed: the numbers are of an earlier setting.
    void setStale(bool stale);
    [[nodiscard]] bool isStale() const { return m_stale; }
    [[nodiscard]] QString copyText(bool selectedOnly = false) const;
    /// Height that shows every row without scrolling.
    [[nodiscard]] int fullHeight() const;
    [[nodiscard]] bool isText(int column) const;
    [[nodiscard]] bool hasDots() const { return m_dots; }

    static constexpr int kDotRole = Qt::UserRole + 1;
    static constexpr int kUnitRole = Qt::UserRole + 2;

protected:
    void keyPressEvent(QKeyEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void restyle();

    std::vector<int> m_textColumns{0};
    std::vector<std::pair<int, QString>> m_sides;
    bool m_dots = false;
    bool m_stale = false;
};

}  // namespace loupe::app
