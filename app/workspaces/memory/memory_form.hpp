// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/quiet_end.hpp"

#include <QWidget>

class QComboBox;
class QLabel;
class QLineEdit;

namespace loupe::app {

class FormRow;
class MemoryModel;
class NumberField;
class SegmentedControl;
class Toggle;

/// Which model, which format, how much context: the questions of the calculator.
class MemoryForm : public QWidget {
    Q_OBJECT

public:
    explicit MemoryForm(MemoryModel& model, QWidget* parent = nullptr);
    [[nodiscard]] QComboBox* models() const { return m_models; }
    [[nodiscard]] QLineEdit* parameters() const { return m_parameters; }
    [[nodiscard]] QComboBox* formats() const { return m_formats; }
    [[nodiscard]] NumberField* context() const { return m_context; }
    [[nodiscard]] NumberField* batch() const { return m_batch; }
    [[nodiscard]] SegmentedControl* kvBits() const { return m_kvBits; }
    [[nodiscard]] Toggle* embeddings() const { return m_embeddings; }
    [[nodiscard]] Toggle* scores() const { return m_scores; }

private:
    void makeModel();
    void makeUse();
    void fillModels();
    void fillFormats();
    void refresh();
    NumberField* number(const QString& label, const QString& help, double most);

    MemoryModel& m_model;
    QComboBox* m_models = nullptr;
    QLineEdit* m_parameters = nullptr;
    FormRow* m_parametersRow = nullptr;
    QComboBox* m_formats = nullptr;
    Toggle* m_embeddings = nullptr;
    NumberField* m_context = nullptr;
    NumberField* m_batch = nullptr;
    SegmentedControl* m_kvBits = nullptr;
    SegmentedControl* m_atOnce = nullptr;
    Toggle* m_scores = nullptr;
    QLabel* m_note = nullptr;
    QuietEnd m_end{this};
};

}  // namespace loupe::app
