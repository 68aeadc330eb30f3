// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include <array>

class QComboBox;
class QLabel;
class QListWidget;
class QScrollArea;

namespace loupe::app {

class NumberField;
class SchemeStringField;
class StepForm;
class TheatreModel;
class ValueSpinBox;

/// The methods that can be played, grouped by what they look at.
class MethodList : public QWidget {
    Q_OBJECT

public:
    explicit MethodList(TheatreModel& model, QWidget* parent = nullptr);
    [[nodiscard]] QListWidget* list() const { return m_list; }

private:
    void refresh();

    TheatreModel& m_model;
    QListWidget* m_list = nullptr;
};

/// What is played and with which settings: source or slice, the step's generated form, the scheme
/// as text.
class ParameterPanel : public QWidget {
    Q_OBJECT

public:
    explicit ParameterPanel(TheatreModel& model, QWidget* parent = nullptr);
    /// The form of the step that is told.
    [[nodiscard]] StepForm* form() const { return m_form; }
    [[nodiscard]] QComboBox* source() const { return m_source; }
    /// Row, column, rows, columns of the slice.
    [[nodiscard]] const std::array<ValueSpinBox*, 4>& sliceFields() const { return m_slice; }

private:
    void refresh();
    void rebuildForm();
    void fillSources();
    void takeSlice(bool placed);

    TheatreModel& m_model;
    QComboBox* m_source = nullptr;
    QWidget* m_sliceBox = nullptr;
    std::array<ValueSpinBox*, 4> m_slice{};
    QScrollArea* m_scroll = nullptr;
    StepForm* m_form = nullptr;
    QLabel* m_question = nullptr;
    QLabel* m_problem = nullptr;
    SchemeStringField* m_string = nullptr;
};

}  // namespace loupe::app
