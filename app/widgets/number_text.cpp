// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers as the visual language writes them.
#include <QString>

#include <cmath>

#include "app/widgets/theme.hpp"
#include "core/base/text.hpp"

namespace loupe::app {

namespace {

constexpr QChar kMinus(0x2212);
constexpr QChar kNoBreakSpace(0x00A0);

/// Groups the digits before the point in threes, from five digits on (1024 stays together).
void groupThousands(QString& text) {
    qsizetype end = text.indexOf(QLatin1Char('.'));
    if (end < 0) {
        end = text.size();
    }
    const qsizetype begin = text.startsWith(QLatin1Char('-')) ? 1 : 0;
    if (end - begin < 5) {
        return;
    }
    for (qsizetype at = end - 3; at > begin; at -= 3) {
        text.insert(at, kNoBreakSpace);
    }
}

/// "-1.5e-05" -> "−1.5e−5"
QString typeset(QString text) {
    const qsizetype e = text.indexOf(QLatin1Char('e'));
    if (e >= 0) {
        bool ok = false;
        const int exponent = text.mid(e + 1).toInt(&ok);
        if (ok) {
            text = text.left(e) + QLatin1Char('e') + QString::number(exponent);
        }
    }
    return text.replace(QLatin1Char('-'), kMinus);
}

QString special(double value) {
    if (std::isnan(value)) {
        return QStringLiteral("NaN");
    }
    return value > 0 ? QString(QChar(0x221E)) : QString(kMinus) + QChar(0x221E);
}

}  // namespace

QString formatCount(qint64 count) {
    QString text = QString::number(count);
    groupThousands(text);
    return typeset(text);
}

QString formatNumber(double value, int digits) {
    if (!std::isfinite(value)) {
        return special(value);
    }
    if (value == 0) {
        return QStringLiteral("0");
    }
    // The exponent after rounding to `digits`: 9.9996 is 10.00, not 10.000.
    const QString scientific = QString::number(value, 'e', digits - 1);
    const int exponent = scientific.mid(scientific.indexOf(QLatin1Char('e')) + 1).toInt();
    if (exponent < -2 || exponent >= 7) {
        return typeset(scientific);
    }
    QString text = QString::number(value, 'f', qMax(0, digits - 1 - exponent));
    groupThousands(text);
    return typeset(text);
}

QString formatFixed(double value, int decimals) {
    if (!std::isfinite(value)) {
        return special(value);
    }
    QString text = QString::number(value, 'f', decimals);
    groupThousands(text);
    return typeset(text);
}

QString formatPercent(double fraction, int decimals) {
    if (!std::isfinite(fraction)) {
        return special(fraction);
    }
    return formatFixed(fraction * 100, decimals) + kNoBreakSpace + QLatin1Char('%');
}

QString formatExact(double value, bool isFloat) {
    if (!std::isfinite(value)) {
        return special(value);
    }
    return typeset(QString::fromStdString(isFloat ? shortest(static_cast<float>(value)) : shortest(value)));
}

QString toAscii(QString text) {
    text.replace(kMinus, QLatin1Char('-'));
    text.remove(kNoBreakSpace);
    text.replace(QChar(0x221E), QStringLiteral("inf"));
    text.replace(QStringLiteral("NaN"), QStringLiteral("nan"));
    return text;
}

}  // namespace loupe::app
