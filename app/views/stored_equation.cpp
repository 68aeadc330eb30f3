// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/stored_equation.hpp"

#include "app/widgets/theme.hpp"

#include <QObject>

#include <cmath>

namespace loupe::app {

namespace {

using Field = FormulaRun::Field;

const QString kMinus = QStringLiteral("\u2212");

QString number(std::uint64_t value) {
    return QString::number(value);
}

void signFactor(std::vector<FormulaRun>& runs, const NumberFormat& format, std::uint64_t sign) {
    if (format.floating.hasSign) {
        runs.push_back({"(" + kMinus + "1)"});
        runs.push_back({number(sign), true, false, Field::Sign});
        runs.push_back({" · "});
    }
}

std::vector<FormulaRun> floatEquation(const NumberFormat& format, const EncodedNumber& described) {
    const FloatLayout& layout = format.floating;
    const EncodedNumber::Fields fields = described.fields.value_or(EncodedNumber::Fields{});
    std::vector<FormulaRun> runs;
    if (described.kind == NumberClass::NaN || described.kind == NumberClass::Infinite) {
        const bool infinite = described.kind == NumberClass::Infinite;
        runs.push_back({QObject::tr("exponent ")});
        runs.push_back({number(fields.exponent), false, false, Field::Exponent});
        if (layout.specials == Specials::NanNegativeZero) {
            return {{QObject::tr("the code that would be %10 is the one NaN of this format")
                         .arg(kMinus)}};
        }
        runs.push_back({layout.mantissaBits > 0 ? QObject::tr(", all ones, fraction ")
                                                : QObject::tr(", all ones")});
        if (layout.mantissaBits > 0) {
            runs.push_back({number(fields.mantissa), false, false, Field::Fraction});
        }
        runs.push_back({infinite ? QObject::tr(" means ") : QObject::tr(" means not a number")});
        if (infinite) {
            runs.push_back(
                {described.value < 0 ? kMinus + QStringLiteral("∞") : QStringLiteral("∞"),
                 false,
                 true});
        }
        return runs;
    }
    runs.push_back({QObject::tr("value = ")});
    signFactor(runs, format, fields.sign);
    const bool denormal = layout.hasZero && fields.exponent == 0;
    runs.push_back({"2"});
    runs.push_back({denormal ? "1" : number(fields.exponent),
                    true,
                    false,
                    denormal ? Field::None : Field::Exponent});
    runs.push_back({(layout.bias < 0 ? QString("+%1").arg(-layout.bias)
                                     : kMinus + QString::number(layout.bias)),
                    true});
    if (layout.mantissaBits > 0) {
        runs.push_back({denormal ? " · " : " · (1 + "});
        runs.push_back({number(fields.mantissa), false, false, Field::Fraction});
        runs.push_back(
            {"/" + number(std::uint64_t{1} << layout.mantissaBits) + (denormal ? "" : ")")});
    }
    return runs;
}

std::vector<FormulaRun> integerEquation(const NumberFormat& format,
                                        std::uint64_t code,
                                        const EncodedNumber& described) {
    std::vector<FormulaRun> runs{{QObject::tr("value = ")}};
    const bool twosComplement = format.integer.min < 0 && format.id != "binary";
    if (!twosComplement) {
        runs.push_back({number(code), false, false, Field::Fraction});
        if (described.value != double(code)) {
            runs.push_back(
                {QObject::tr(", which stands for %1").arg(formatExact(described.value, false))});
        }
        return runs;
    }
    const int top = format.bits - 1;
    const std::uint64_t sign = (code >> top) & 1;
    runs.push_back({kMinus + "2"});
    runs.push_back({QString::number(top), true});
    runs.push_back({" · "});
    runs.push_back({number(sign), false, false, Field::Sign});
    runs.push_back({" + "});
    runs.push_back({number(code & ((std::uint64_t{1} << top) - 1)), false, false, Field::Fraction});
    return runs;
}

}  // namespace

std::vector<FormulaRun> storedEquation(const NumberFormat& format, std::uint64_t code) {
    const EncodedNumber described = describeCode(format, code);
    std::vector<FormulaRun> runs;
    switch (format.kind) {
        case FormatKind::Float:
            runs = floatEquation(format, described);
            break;
        case FormatKind::Integer:
            runs = integerEquation(format, code, described);
            break;
        case FormatKind::Codebook:
        case FormatKind::Block:
            runs = {
                {QObject::tr("value = %1[")
                     .arg(QString::fromUtf8(format.title.data(), qsizetype(format.title.size())))},
                {number(code), false, false, Field::Fraction},
                {"]"}};
            break;
    }
    if (std::isfinite(described.value)) {
        const QString exact = QString::fromStdString(described.exact).replace('-', kMinus);
        constexpr int kMostDigits = 28;
        if (exact.size() <= kMostDigits) {
            runs.push_back({" = "});
            runs.push_back({exact, false, true});
        }
        runs.push_back({QObject::tr(" exactly")});
    }
    return runs;
}

QString plainText(const std::vector<FormulaRun>& runs) {
    QString text;
    bool raised = false;
    for (const FormulaRun& run : runs) {
        if (run.raised && !raised) {
            text += "^(";
        } else if (!run.raised && raised) {
            text += ")";
        }
        raised = run.raised;
        text += run.text;
    }
    return raised ? text + ")" : text;
}

QString richText(const std::vector<FormulaRun>& runs) {
    const Theme& theme = Theme::current();
    QString html;
    for (const FormulaRun& run : runs) {
        QString text = run.text.toHtmlEscaped();
        if (run.field != FormulaRun::Field::None) {
            const QColor colour = run.field == FormulaRun::Field::Sign       ? theme.bitSign
                                  : run.field == FormulaRun::Field::Exponent ? theme.bitExponent
                                                                             : theme.bitFraction;
            // On light ground the field colours are grounds, on dark they are inks.
            text = theme.dark ? QString("<span style='color:%1'>%2</span>").arg(colour.name(), text)
                              : QString("<span style='background-color:%1;color:%2'>%3</span>")
                                    .arg(colour.name(), theme.bitText.name(), text);
        }
        if (run.bold) {
            text = "<b>" + text + "</b>";
        }
        html += run.raised ? "<sup>" + text + "</sup>" : text;
    }
    return html;
}

}  // namespace loupe::app
