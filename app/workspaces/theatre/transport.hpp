// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/context_row.hpp"

class QComboBox;
class QLabel;
class QPushButton;
class QSlider;
class QToolButton;

namespace loupe::app {

class FactChip;
class PlayControls;
class TheatreModel;
class TruthMark;

/// The theatre's context bar: what is played, play and step, where in it, how fast.
class Transport : public ContextRow {
    Q_OBJECT

public:
    explicit Transport(TheatreModel& model, QWidget* parent = nullptr);
    /// In small windows the list of methods is this bar's combo box.
    void setMethodShown(bool shown);
    [[nodiscard]] QSlider* slider() const;
    [[nodiscard]] QString position() const;

signals:
    void useAsA();
    void useAsB();
    void copyScheme();

protected:
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void addUses();
    void showChoice();
    void showState();
    void foldAll();

    TheatreModel& m_model;
    QComboBox* m_method = nullptr;
    QLabel* m_title = nullptr;
    QLabel* m_subtitle = nullptr;
    FactChip* m_source = nullptr;
    FactChip* m_activations = nullptr;
    TruthMark* m_exact = nullptr;
    PlayControls* m_player = nullptr;
    QPushButton* m_useA = nullptr;
    QPushButton* m_useB = nullptr;
    QToolButton* m_more = nullptr;  ///< what the buttons do, where they have no room
    QToolButton* m_copy = nullptr;
    bool m_methodShown = false;
};

/// "fixture F1", "toy …", or a tensor and its slice: what a source is called.
[[nodiscard]] QString sourceTitle(const QString& path);

}  // namespace loupe::app
