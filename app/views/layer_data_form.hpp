// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/document/analyses.hpp"
#include "app/document/document.hpp"
#include "app/widgets/quiet_end.hpp"

#include <QString>
#include <QWidget>

class QComboBox;
class QLabel;
class QLineEdit;
class QSpinBox;
class QToolButton;

namespace loupe::app {

class FormRow;

/// What a layer is given beside its weights: activations, gradients where a scheme needs them, and
/// (a row to be placed elsewhere) which rows of the activations calibrate. A file dropped here
/// becomes activations (on the gradients' row: gradients). What is wrong stands below the field
/// concerned.
class LayerDataForm : public QWidget {
    Q_OBJECT

public:
    explicit LayerDataForm(Document& document, QWidget* parent = nullptr);

    /// Shows the document's data; `scheme` decides whether gradients are asked for.
    void refresh(const Scheme& scheme);
    /// The row with the choice of calibration rows; the caller places it.
    [[nodiscard]] QWidget* calibration() const;
    /// File dialogs.
    void chooseActivations();
    void chooseGradients();

protected:
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    /// A field for FILE[:TENSOR] with its buttons and the line below it.
    struct Field {
        FormRow* row = nullptr;
        QLineEdit* text = nullptr;
        QToolButton* choose = nullptr;
        QLabel* shape = nullptr;
        QToolButton* clear = nullptr;
        QLabel* note = nullptr;
    };
    [[nodiscard]] Field makeField(const QString& name, const QString& id);
    void makeCalibration();
    void show(const Field& field, const LayerInput& input, const QString& expected);
    void showCalibration();

    Document& m_document;
    Field m_activations;
    Field m_gradients;
    FormRow* m_calibration = nullptr;
    QSpinBox* m_rows = nullptr;
    QComboBox* m_choice = nullptr;
    QSpinBox* m_seed = nullptr;
    QuietEnd m_end{this};
};

}  // namespace loupe::app
