// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QComboBox;
class QHBoxLayout;
class QLabel;
class QToolButton;

namespace loupe::app {

class FactChip;
class TimingModel;

/// The three kinds of figures and how each is drawn.
class KindLegend : public QWidget {
    Q_OBJECT

public:
    explicit KindLegend(QWidget* parent = nullptr);
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent* event) override;
};

/// The Timing workspace's context bar: what is shown, on which machine, against which device.
class TimingBar : public QWidget {
    Q_OBJECT

public:
    explicit TimingBar(TimingModel& model, QWidget* parent = nullptr);
    [[nodiscard]] QComboBox* devices() const { return m_devices; }
    [[nodiscard]] QComboBox* baseline() const { return m_baseline; }
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;

signals:
    /// "figure", "csv", "jsonl"
    void exportRequested(const QString& kind);

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void refresh();
    void fold();

    TimingModel& m_model;
    QHBoxLayout* m_layout = nullptr;
    QLabel* m_title = nullptr;
    QLabel* m_shape = nullptr;
    QLabel* m_words = nullptr;
    FactChip* m_machine = nullptr;
    KindLegend* m_legend = nullptr;
    QComboBox* m_baseline = nullptr;
    QComboBox* m_devices = nullptr;
    QToolButton* m_export = nullptr;
};

}  // namespace loupe::app
