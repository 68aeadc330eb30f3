// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include <vector>

class QHBoxLayout;
class QLabel;
class QPushButton;
class QSlider;
class QToolButton;

namespace loupe::app {

class AttentionModel;
class FactChip;
class SegmentedControl;

/// The context bar of Attention: what is played, play and step, which algorithm.
class AttentionBar : public QWidget {
    Q_OBJECT

public:
    explicit AttentionBar(AttentionModel& model, QWidget* parent = nullptr);
    [[nodiscard]] QSlider* slider() const { return m_slider; }
    [[nodiscard]] SegmentedControl* algorithm() const { return m_algorithm; }
    [[nodiscard]] QString position() const;
    /// "FA1 · N 1024 · d 64 …".
    [[nodiscard]] QString facts() const;
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    QToolButton* button(const QString& icon, const QString& name, const QString& keys, int by);
    void makeTransport();
    void showSettings();
    void showStep();
    void fold();

    AttentionModel& m_model;
    QHBoxLayout* m_layout = nullptr;
    QLabel* m_title = nullptr;
    FactChip* m_facts = nullptr;
    QPushButton* m_play = nullptr;
    std::vector<QToolButton*> m_backwards;
    std::vector<QToolButton*> m_forwards;
    QSlider* m_slider = nullptr;
    QLabel* m_count = nullptr;
    SegmentedControl* m_speed = nullptr;
    SegmentedControl* m_algorithm = nullptr;
};

}  // namespace loupe::app
