// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QWidget>

#include <vector>

#include "app/widgets/quiet_end.hpp"
#include "core/scheme/scheme.hpp"

class QComboBox;
class QPushButton;
class QToolButton;
class QVBoxLayout;

namespace loupe::app {

class FormRow;
class MessageBar;
class SchemeStringField;
class StepForm;

/// A scheme as forms: one method and its parameters, or several steps one under the other; the scheme string below is the
/// form's other face. Knows no document: it shows a scheme and says what the user made of it.
class SchemeForm : public QWidget {
    Q_OBJECT

public:
    explicit SchemeForm(QWidget* parent = nullptr);

    /// Shows a scheme; emits nothing.
    void setScheme(const Scheme& scheme);
    [[nodiscard]] const Scheme& scheme() const { return m_scheme; }
    /// Takes a scheme over as an edit of the user.
    void submit(const Scheme& scheme, const QString& label);
    [[nodiscard]] MessageBar& message() { return *m_message; }
    [[nodiscard]] SchemeStringField& stringField() { return *m_string; }
    /// Form and method list of a step, for tests.
    [[nodiscard]] StepForm* stepForm(std::size_t index) const;
    [[nodiscard]] QComboBox* methodCombo(std::size_t index) const;

signals:
    /// `text` is canonical. Edits with the same non-zero mergeId belong to one gesture.
    void edited(const QString& text, const QString& label, int mergeId);
    void editingFinished();

private:
    struct Block {
        QWidget* widget = nullptr;
        QComboBox* method = nullptr;
        StepForm* form = nullptr;
        QToolButton* remove = nullptr;
        std::string name;
    };
    void rebuild();
    [[nodiscard]] Block makeBlock(std::size_t index);
    void setMethod(std::size_t index, const QString& id);
    void showEmpty(bool empty);

    Scheme m_scheme;
    std::vector<Block> m_blocks;
    QVBoxLayout* m_stack = nullptr;
    QWidget* m_presets = nullptr;
    QPushButton* m_add = nullptr;
    MessageBar* m_message = nullptr;
    SchemeStringField* m_string = nullptr;
    QuietEnd m_end{this};
};

/// Schemes worth starting from: title and canonical string. Only those that this build knows.
[[nodiscard]] std::vector<std::pair<QString, QString>> schemePresets();

}  // namespace loupe::app
