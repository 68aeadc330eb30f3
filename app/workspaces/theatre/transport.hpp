// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include <vector>

class QComboBox;
class QHBoxLayout;
class QLabel;
class QPushButton;
class QSlider;
class QToolButton;

namespace loupe::app {

class FactChip;
class SegmentedControl;
class TheatreModel;
class TruthMark;

/// The theatre's context bar: what is played, play and step, where in it, how fast.
class Transport : public QWidget {
    Q_OBJECT

public:
    explicit Transport(TheatreModel& model, QWidget* parent = nullptr);
    /// In small windows the list of methods is this bar's combo box.
    void setMethodShown(bool shown);
    [[nodiscard]] QSlider* slider() const { return m_slider; }
    [[nodiscard]] QString position() const;
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

signals:
    void useAsA();
    void useAsB();
    void copyScheme();

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    QToolButton* button(const QString& icon, const QString& name, const QString& keys);
    void showChoice();
    void showState();
    void fold();

    TheatreModel& m_model;
    QHBoxLayout* m_layout = nullptr;
    QComboBox* m_method = nullptr;
    QLabel* m_title = nullptr;
    QLabel* m_subtitle = nullptr;
    FactChip* m_source = nullptr;
    FactChip* m_activations = nullptr;
    TruthMark* m_exact = nullptr;
    QPushButton* m_play = nullptr;
    std::vector<QToolButton*> m_backwards;
    std::vector<QToolButton*> m_forwards;
    QSlider* m_slider = nullptr;
    QLabel* m_count = nullptr;
    SegmentedControl* m_speed = nullptr;
    QPushButton* m_useA = nullptr;
    QPushButton* m_useB = nullptr;
    QToolButton* m_more = nullptr;  ///< what the buttons do, where they have no room
    QToolButton* m_copy = nullptr;
    bool m_methodShown = false;
};

/// "fixture F1", "toy …", or a tensor and its slice: what a source is called.
[[nodiscard]] QString sourceTitle(const QString& path);

}  // namespace loupe::app
