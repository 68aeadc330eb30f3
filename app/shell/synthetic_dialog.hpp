// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDialog>
#include <QString>

#include <map>
#include <string>

class QComboBox;
class QFormLayout;
class QLabel;

namespace loupe::app {

/// "Make up a matrix": a form generated from the parameter tables of the generators.
class SyntheticDialog : public QDialog {
    Q_OBJECT

public:
    explicit SyntheticDialog(QWidget* parent = nullptr);
    /// The path that makes this matrix: "synthetic:outliers?rows=1024".
    [[nodiscard]] QString path() const;
    /// For tests: chooses a generator by id and sets one of its values.
    void choose(const QString& generator);
    void setValue(const QString& key, const QString& text);

private:
    void rebuild();
    void changed();

    QComboBox* m_kind = nullptr;
    QLabel* m_summary = nullptr;
    QWidget* m_fields = nullptr;
    QLabel* m_preview = nullptr;
    std::map<std::string, std::string> m_values;
};

}  // namespace loupe::app
