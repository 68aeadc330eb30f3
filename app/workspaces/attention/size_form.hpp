// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QLabel;

namespace loupe::app {

class AttentionModel;
class FormRow;
class NumberField;
class SegmentedControl;
class Toggle;

/// What is played: example, N, d, M or block, causal mask; and what the rule makes of it.
class SizeForm : public QWidget {
    Q_OBJECT

public:
    explicit SizeForm(AttentionModel& model, QWidget* parent = nullptr);
    [[nodiscard]] SegmentedControl* example() const { return m_example; }
    [[nodiscard]] NumberField* tokens() const { return m_tokens; }
    [[nodiscard]] NumberField* dim() const { return m_dim; }
    [[nodiscard]] NumberField* memory() const { return m_memory; }
    [[nodiscard]] SegmentedControl* block() const { return m_block; }
    [[nodiscard]] Toggle* causal() const { return m_causal; }
    [[nodiscard]] QString facts() const;

private:
    NumberField* number(const QString& label, const QString& help, double least, double most);
    void refresh();
    void edit();

    AttentionModel& m_model;
    SegmentedControl* m_example = nullptr;
    NumberField* m_tokens = nullptr;
    NumberField* m_dim = nullptr;
    NumberField* m_memory = nullptr;
    SegmentedControl* m_block = nullptr;
    FormRow* m_blockRow = nullptr;
    Toggle* m_causal = nullptr;
    QLabel* m_facts = nullptr;
};

}  // namespace loupe::app
