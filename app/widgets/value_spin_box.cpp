// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/widgets/value_spin_box.hpp"

#include <QLineEdit>
#include <QLocale>
#include <QRegularExpression>

#include <algorithm>
#include <cmath>

#include "app/widgets/theme.hpp"
#include "core/base/text.hpp"

namespace loupe::app {

ValueSpinBox::ValueSpinBox(QWidget* parent) : QDoubleSpinBox(parent) {
    setLocale(QLocale::c());
    setDecimals(12);
    setKeyboardTracking(false);
    setTextRole(this, TextRole::Number);
}

void ValueSpinBox::setStepping(bool integer, bool powersOfTwo) {
    m_integer = integer;
    m_powersOfTwo = powersOfTwo;
    setDecimals(integer ? 0 : 12);
}

QString ValueSpinBox::textFromValue(double value) const {
    if (m_integer) {
        return QString::number(static_cast<qint64>(std::llround(value)));
    }
    // QDoubleSpinBox keeps the value rounded to its decimals: 12 are enough for a slider, and 0.1 stays 0.1.
    return QString::fromStdString(shortest(value)).remove(QLatin1Char('+'));
}

double ValueSpinBox::valueFromText(const QString& text) const {
    QString plain = text.trimmed();
    plain.replace(QChar(0x2212), QLatin1Char('-'));
    return parseDouble(plain.toStdString()).value_or(value());
}

QValidator::State ValueSpinBox::validate(QString& text, int&) const {
    QString plain = text.trimmed();
    plain.replace(QChar(0x2212), QLatin1Char('-'));
    const std::optional<double> number = parseDouble(plain.toStdString());
    if (!number) {
        // Something on the way to a number: "", "-", "1e", "1e-".
        static const QRegularExpression start(QStringLiteral("^-?[0-9]*\\.?[0-9]*([eE]-?[0-9]*)?$"));
        return start.match(plain).hasMatch() ? QValidator::Intermediate : QValidator::Invalid;
    }
    if (m_integer && *number != std::round(*number)) {
        return QValidator::Invalid;
    }
    return *number >= minimum() && *number <= maximum() ? QValidator::Acceptable : QValidator::Intermediate;
}

void ValueSpinBox::stepBy(int steps) {
    if (!m_powersOfTwo) {
        QDoubleSpinBox::stepBy(steps);
        return;
    }
    double next = std::max(1.0, value());
    for (int i = 0; i < std::abs(steps); ++i) {
        // To the next power, also from between two of them: 96 goes up to 128 and down to 64.
        const double up = std::exp2(std::floor(std::log2(next)) + 1);
        const double down = std::exp2(std::ceil(std::log2(next)) - 1);
        next = steps > 0 ? up : down;
    }
    setValue(std::clamp(next, minimum(), maximum()));
}

QSize ValueSpinBox::sizeHint() const {
    QSize size = QDoubleSpinBox::sizeHint();
    const int digits = m_integer && maximum() > 1e7 && !m_powersOfTwo ? 12 : 5;
    size.setWidth(std::max(Theme::px(64), fontMetrics().horizontalAdvance(QLatin1Char('0')) * digits + Theme::px(30)));
    size.setHeight(Theme::px(26));
    return size;
}

}  // namespace loupe::app
