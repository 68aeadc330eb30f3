// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/widgets/quiet_end.hpp"

#include <QAbstractButton>
#include <QString>
#include <QWidget>

#include <optional>
#include <vector>

class QBoxLayout;
class QButtonGroup;
class QLabel;
class QSlider;
class QToolButton;

namespace loupe::app {

class ValueSpinBox;

/// What a NumberField accepts and how its slider moves.
struct NumberRange {
    double min = 0;
    double max = 1;
    bool integer = false;
    bool powersOfTwo = false;  ///< the slider steps 2^k; the field takes any number
    QString unit;              ///< shown in the tool tip; the label names it
    friend bool operator==(const NumberRange&, const NumberRange&) = default;
};

/// Slider and spin box for one number. The slider is left out where a drag would mean nothing (a seed). The wheel acts only
/// with the focus.
class NumberField : public QWidget {
    Q_OBJECT

public:
    explicit NumberField(QWidget* parent = nullptr);

    void setRange(const NumberRange& range);
    [[nodiscard]] const NumberRange& range() const { return m_range; }
    /// Sets without a signal.
    void setValue(double value);
    [[nodiscard]] double value() const { return m_value; }
    [[nodiscard]] QSlider* slider() const { return m_slider; }
    [[nodiscard]] QWidget* spinBox() const;
    /// Names slider and field for screen readers.
    void setNames(const QString& name, const QString& description);

signals:
    /// Live, while the slider moves or the field's value changes.
    void valueEdited(double value);
    /// The slider was released or the field was left: merge no further edits with this one.
    void editingFinished();

private:
    [[nodiscard]] int toPosition(double value) const;
    [[nodiscard]] double fromPosition(int position) const;
    [[nodiscard]] bool usesSlider() const;
    void onSlider(int position);
    void onSpin(double value);
    void finish();

    NumberRange m_range;
    double m_value = 0;
    QSlider* m_slider = nullptr;
    ValueSpinBox* m_spin = nullptr;
    bool m_updating = false;
    bool m_finishPending = false;
    QuietEnd m_end{this};
};

/// Two to five short words of which one holds. Wraps into rows where the words do not fit side by side.
class SegmentedControl : public QWidget {
    Q_OBJECT

public:
    struct Option {
        QString id;
        QString text;
        QString toolTip;
        friend bool operator==(const Option&, const Option&) = default;
    };
    explicit SegmentedControl(QWidget* parent = nullptr);

    void setOptions(const std::vector<Option>& options);
    /// Sets without a signal; an unknown id checks nothing.
    void setCurrent(const QString& id);
    [[nodiscard]] QString current() const;
    [[nodiscard]] const std::vector<Option>& options() const { return m_options; }
    [[nodiscard]] QAbstractButton* button(const QString& id) const;
    /// Segments as wide as their words instead of filling the row (default: fill).
    void setCompact(bool compact);

    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] bool hasHeightForWidth() const override { return true; }
    [[nodiscard]] int heightForWidth(int width) const override;

signals:
    void chosen(const QString& id);

protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    [[nodiscard]] int widest() const;
    [[nodiscard]] int columnsFor(int width) const;
    void arrange();

    std::vector<Option> m_options;
    std::vector<QAbstractButton*> m_buttons;
    QButtonGroup* m_group = nullptr;
    bool m_compact = false;
};

/// On or off, with a sentence beside it.
class Toggle : public QAbstractButton {
    Q_OBJECT

public:
    explicit Toggle(const QString& sentence = {}, QWidget* parent = nullptr);
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override;
    [[nodiscard]] bool hasHeightForWidth() const override { return true; }
    [[nodiscard]] int heightForWidth(int width) const override;

protected:
    void paintEvent(QPaintEvent* event) override;
    [[nodiscard]] bool hitButton(const QPoint& pos) const override { return rect().contains(pos); }
};

/// One row of a form: label 86 wide, a reset arrow that appears when the value is not the default, and the control.
class FormRow : public QWidget {
    Q_OBJECT

public:
    FormRow(const QString& label, QWidget* control, QWidget* parent = nullptr);
    [[nodiscard]] QWidget* control() const { return m_control; }
    void setHelp(const QString& help);
    void setResettable(bool resettable);
    [[nodiscard]] QToolButton* resetButton() const { return m_reset; }
    [[nodiscard]] QString label() const;

signals:
    void resetRequested();

protected:
    void changeEvent(QEvent* event) override;

private:
    void scale();

    QBoxLayout* m_layout = nullptr;
    QWidget* m_left = nullptr;
    QLabel* m_label = nullptr;
    QToolButton* m_reset = nullptr;
    QWidget* m_control = nullptr;
};

}  // namespace loupe::app
