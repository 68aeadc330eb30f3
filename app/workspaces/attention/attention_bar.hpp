// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/context_row.hpp"

class QLabel;
class QSlider;

namespace loupe::app {

class AttentionModel;
class FactChip;
class PlayControls;
class SegmentedControl;

/// The context bar of Attention: what is played, play and step, which algorithm.
class AttentionBar : public ContextRow {
    Q_OBJECT

public:
    explicit AttentionBar(AttentionModel& model, QWidget* parent = nullptr);
    [[nodiscard]] QSlider* slider() const;
    [[nodiscard]] SegmentedControl* algorithm() const { return m_algorithm; }
    [[nodiscard]] QString position() const;
    /// "FA1 · N 1024 · d 64 …".
    [[nodiscard]] QString facts() const;

protected:
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void showSettings();
    void showStep();
    void foldAll();

    AttentionModel& m_model;
    QLabel* m_title = nullptr;
    FactChip* m_facts = nullptr;
    PlayControls* m_player = nullptr;
    SegmentedControl* m_algorithm = nullptr;
};

}  // namespace loupe::app
