// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDoubleSpinBox>

namespace loupe::app {

/// A spin box that shows the shortest decimal of its value, takes any number in range, and doubles or halves where the
/// parameter is a power of two. Always "." as the decimal point, as in scheme strings.
class ValueSpinBox : public QDoubleSpinBox {
    Q_OBJECT

public:
    explicit ValueSpinBox(QWidget* parent = nullptr);
    void setStepping(bool integer, bool powersOfTwo);
    [[nodiscard]] QString textFromValue(double value) const override;
    [[nodiscard]] double valueFromText(const QString& text) const override;
    [[nodiscard]] QValidator::State validate(QString& text, int& pos) const override;
    void stepBy(int steps) override;
    [[nodiscard]] QSize sizeHint() const override;
    [[nodiscard]] QSize minimumSizeHint() const override { return sizeHint(); }

private:
    bool m_integer = false;
    bool m_powersOfTwo = false;
};

}  // namespace loupe::app
