// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QWidget>

#include <functional>
#include <vector>

#include "app/widgets/quiet_end.hpp"
#include "core/scheme/step.hpp"

namespace loupe::app {

class FormRow;

/// The form of one step, generated from its parameter table: segments for two to five choices, a list from six, slider and
/// field for numbers, a toggle for flags and for optional parameters, formats grouped by kind. Parameters without effect
/// beside the others are hidden.
class StepForm : public QWidget {
    Q_OBJECT

public:
    /// `brief`: toggles without the sentence beside them, which stays in the tool tip.
    explicit StepForm(const StepDefinition& definition, QWidget* parent = nullptr, bool brief = false);

    /// Shows a step of this definition; emits nothing.
    void setStep(const Step& step);
    [[nodiscard]] const Step& step() const { return m_step; }
    [[nodiscard]] const StepDefinition& definition() const { return m_definition; }
    /// The row of a parameter, for tests.
    [[nodiscard]] FormRow* row(std::string_view key) const;
    /// As if the user had entered it; an invalid text leaves the step and reports problem().
    void enter(std::string_view key, const QString& text, bool live = false);

signals:
    /// The user changed `key`; `live` while a slider moves or a field's arrows are held: edits that merge.
    void stepChanged(const QString& key, const QString& label, bool live);
    /// The slider was released.
    void editingFinished();
    /// A text that the parameter does not take; empty when the next edit is fine.
    void problem(const QString& text);

private:
    struct Field {
        const ParamSpec* spec = nullptr;
        FormRow* row = nullptr;
        std::function<void(const QString& text)> show;  ///< canonical text into the control
    };
    [[nodiscard]] Field makeField(const ParamSpec& spec);
    [[nodiscard]] Field makeNumber(const ParamSpec& spec);
    [[nodiscard]] Field makeOptionalNumber(const ParamSpec& spec);
    [[nodiscard]] Field makeChoice(const ParamSpec& spec);
    [[nodiscard]] Field makeList(const ParamSpec& spec);
    [[nodiscard]] Field makeFlag(const ParamSpec& spec);
    [[nodiscard]] Field makeText(const ParamSpec& spec);
    [[nodiscard]] Field makePattern(const ParamSpec& spec);
    void refresh();

    const StepDefinition& m_definition;
    bool m_brief = false;
    Step m_step;
    std::vector<Field> m_fields;
    QuietEnd m_end{this};
};

/// "%ile" for "percentile": the word of a choice on a segment.
[[nodiscard]] QString choiceText(std::string_view choice);

}  // namespace loupe::app
