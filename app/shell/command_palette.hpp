// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDialog>
#include <QString>

#include <functional>
#include <vector>

class QLineEdit;
class QListView;
class QStandardItemModel;

namespace loupe::app {

/// Something that the palette can go to or run.
struct PaletteItem {
    QString text;
    QString note;  ///< shortcut, "tensor", "recent file"
    std::function<void()> run;
};

/// How well the letters of each word of `query` occur in order in `text`; 0: not at all. Words may
/// come in any order; word starts and runs count more.
[[nodiscard]] int fuzzyScore(const QString& query, const QString& text);

/// Ctrl+K: type a few letters of an action, a tensor or a recent file.
class CommandPalette : public QDialog {
    Q_OBJECT

public:
    CommandPalette(std::vector<PaletteItem> items, QWidget* parent);
    [[nodiscard]] QLineEdit* field() const { return m_field; }
    /// Texts that are listed now, best first.
    [[nodiscard]] QStringList listed() const;
    /// Runs the current entry and closes.
    void runCurrent();

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    void filter();

    std::vector<PaletteItem> m_items;
    QLineEdit* m_field = nullptr;
    QListView* m_list = nullptr;
    QStandardItemModel* m_model = nullptr;
};

}  // namespace loupe::app
