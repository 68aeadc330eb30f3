// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/stored_equation.hpp"

#include "app/widgets/theme.hpp"

#include <QObject>

#include <cmath>

namespace loupe::app {

namespace {

using Script = EquationRun::Script;
using Weight = EquationRun::Weight;

EquationRun plain(const QString& text) {
    return {text, Script::None, Weight::Normal, {}};
}
EquationRun raised(const QString& text) {
    return {text, Script::Raised, Weight::Normal, {}};
}
EquationRun bold(const QString& text) {
    return {text, Script::None, Weight::Result, {}};
}
EquationRun ofField(const QString& text, FieldKind kind, Script script = Script::None) {
    return {text, script, Weight::Normal, kind};
}

const QString kMinus = QStringLiteral("\u2212");

QString number(std::uint64_t value) {
    return QString::number(value);
}

void signFactor(std::vector<EquationRun>& runs, const NumberFormat& format, std::uint64_t sign) {
    if (format.floating.hasSign) {
        runs.push_back(plain("(" + kMinus + "1)"));
        runs.push_back(ofField(number(sign), FieldKind::Sign, Script::Raised));
        runs.push_back(plain(" · "));
    }
}

std::vector<EquationRun> specialEquation(const FloatLayout& layout,
                                         const EncodedNumber& described) {
    const EncodedNumber::Fields fields = described.fields.value_or(EncodedNumber::Fields{});
    if (layout.specials == Specials::NanNegativeZero) {
        return {plain(
            QObject::tr("the code that would be %10 is the one NaN of this format").arg(kMinus))};
    }
    std::vector<EquationRun> runs{plain(QObject::tr("exponent ")),
                                  ofField(number(fields.exponent), FieldKind::Exponent)};
    if (layout.mantissaBits > 0) {
        runs.push_back(plain(QObject::tr(", all ones, fraction ")));
        runs.push_back(ofField(number(fields.mantissa), FieldKind::Fraction));
    } else {
        runs.push_back(plain(QObject::tr(", all ones")));
    }
    if (described.kind == NumberClass::Infinite) {
        runs.push_back(plain(QObject::tr(" means ")));
        runs.push_back(bold(formatExact(described.value)));
    } else {
        runs.push_back(bold(QObject::tr(" means not a number")));
    }
    return runs;
}

std::vector<EquationRun> floatEquation(const NumberFormat& format, const EncodedNumber& described) {
    const FloatLayout& layout = format.floating;
    if (described.kind == NumberClass::NaN || described.kind == NumberClass::Infinite) {
        return specialEquation(layout, described);
    }
    const EncodedNumber::Fields fields = described.fields.value_or(EncodedNumber::Fields{});
    std::vector<EquationRun> runs{plain(QObject::tr("value = "))};
    signFactor(runs, format, fields.sign);
    const bool denormal = layout.hasZero && fields.exponent == 0;
    runs.push_back(plain("2"));
    runs.push_back(denormal
                       ? raised("1")
                       : ofField(number(fields.exponent), FieldKind::Exponent, Script::Raised));
    runs.push_back(raised(layout.bias < 0 ? QString("+%1").arg(-layout.bias)
                                          : kMinus + QString::number(layout.bias)));
    if (layout.mantissaBits > 0) {
        runs.push_back(plain(denormal ? " · " : " · (1 + "));
        runs.push_back(ofField(number(fields.mantissa), FieldKind::Fraction));
        runs.push_back(
            plain("/" + number(std::uint64_t{1} << layout.mantissaBits) + (denormal ? "" : ")")));
    }
    return runs;
}

std::vector<EquationRun> integerEquation(const NumberFormat& format,
                                         std::uint64_t code,
                                         const EncodedNumber& described) {
    std::vector<EquationRun> runs{plain(QObject::tr("value = "))};
    const bool twosComplement = format.integer.min < 0 && format.id != "binary";
    if (!twosComplement) {
        runs.push_back(ofField(number(code), FieldKind::Integer));
        if (described.value != double(code)) {
            runs.push_back(plain(
                QObject::tr(", which stands for %1").arg(formatExact(described.value, false))));
        }
        return runs;
    }
    const int top = format.bits - 1;
    runs.push_back(plain(kMinus + "2"));
    runs.push_back(raised(QString::number(top)));
    runs.push_back(plain(" · "));
    runs.push_back(ofField(number((code >> top) & 1), FieldKind::Sign));
    runs.push_back(plain(" + "));
    runs.push_back(ofField(number(code & ((std::uint64_t{1} << top) - 1)), FieldKind::Integer));
    return runs;
}

}  // namespace

std::vector<EquationRun> storedEquation(const NumberFormat& format, std::uint64_t code) {
    const EncodedNumber described = describeCode(format, code);
    std::vector<EquationRun> runs;
    switch (format.kind) {
        case FormatKind::Float:
            runs = floatEquation(format, described);
            break;
        case FormatKind::Integer:
            runs = integerEquation(format, code, described);
            break;
        case FormatKind::Codebook:
        case FormatKind::Block:
            runs = {plain(QObject::tr("value = %1[")
                              .arg(QString::fromUtf8(format.title.data(),
                                                     qsizetype(format.title.size())))),
                    ofField(number(code), FieldKind::Integer),
                    plain("]")};
            break;
    }
    if (std::isfinite(described.value)) {
        const QString exact = QString::fromStdString(described.exact).replace('-', kMinus);
        constexpr int kMostDigits = 28;
        if (exact.size() <= kMostDigits) {
            runs.push_back(plain(" = "));
            runs.push_back(bold(exact));
        }
        runs.push_back(plain(QObject::tr(" exactly")));
    }
    return runs;
}

}  // namespace loupe::app
