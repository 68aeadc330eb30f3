// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/tensor_filter.hpp"

#include "core/base/text.hpp"

#include <QCoreApplication>

#include <algorithm>

namespace loupe::app {

namespace {

QString tr(const char* text) {
    return QCoreApplication::translate("TensorFilter", text);
}

}  // namespace

std::string shapeText(const TensorInfo& tensor, const char* separator) {
    std::string text;
    for (const std::int64_t extent : tensor.shape) {
        text += (text.empty() ? "" : separator) + std::to_string(extent);
    }
    return text.empty() ? "scalar" : text;
}

TensorFilter::TensorFilter(const QString& text) {
    // A regular expression may hold blanks: it runs to its closing slash.
    qsizetype at = 0;
    while (at < text.size()) {
        if (text[at].isSpace()) {
            ++at;
            continue;
        }
        qsizetype end = at;
        if (text[at] == QLatin1Char('/')) {
            const qsizetype close = text.indexOf(QLatin1Char('/'), at + 1);
            end = close < 0 ? text.size() : close + 1;
        } else {
            while (end < text.size() && !text[end].isSpace()) {
                ++end;
            }
        }
        addWord(text.mid(at, end - at));
        at = end;
    }
}

void TensorFilter::addWord(const QString& word) {
    if (word.startsWith(QLatin1Char('/'))) {
        if (word.size() < 3 || !word.endsWith(QLatin1Char('/'))) {
            return;  // still being typed
        }
        const QRegularExpression regex(word.mid(1, word.size() - 2));
        if (!regex.isValid()) {
            m_problem = tr("The regular expression is broken: %1").arg(regex.errorString());
            return;
        }
        m_tests.push_back([regex](const TensorInfo& tensor) {
            return regex.match(QString::fromStdString(tensor.name)).hasMatch();
        });
        return;
    }
    const std::string text = word.toStdString();
    if (word.startsWith(QLatin1String("dtype:"))) {
        m_tests.push_back([want = toLower(text.substr(6))](const TensorInfo& tensor) {
            return toLower(tensor.dtypeName).find(want) != std::string::npos ||
                   (tensor.packed != nullptr &&
                    toLower(tensor.packed->quantization).find(want) != std::string::npos);
        });
    } else if (word.startsWith(QLatin1String("shape:"))) {
        m_tests.push_back([want = text.substr(6)](const TensorInfo& tensor) {
            const std::string shape = shapeText(tensor);
            return want.empty() || shape == want || matchesGlob(want, shape);
        });
    } else if (word.startsWith(QLatin1String("badge:"))) {
        const std::string want = toLower(text.substr(6));
        const auto means = [](const RaisedFlag& flag, const std::string& what) {
            const FlagDefinition& definition = flagDefinition(flag.flag);
            return what == definition.id || what == toLower(std::string(definition.badge)) ||
                   what == toLower(flag.detail);
        };
        m_flagTests.push_back([want, means](std::span<const RaisedFlag> flags) {
            return std::any_of(flags.begin(), flags.end(), [&](const RaisedFlag& flag) {
                return want.empty() || want == "any" || means(flag, want);
            });
        });
    } else if (word.startsWith(QLatin1String("size")) && word.size() > 4 &&
               (word[4] == QLatin1Char('>') || word[4] == QLatin1Char('<'))) {
        addSize(word);
    } else if (text.find_first_of("*?") != std::string::npos) {
        m_tests.push_back(
            [text](const TensorInfo& tensor) { return matchesGlob(text, tensor.name); });
    } else {
        m_tests.push_back([want = toLower(text)](const TensorInfo& tensor) {
            return toLower(tensor.name).find(want) != std::string::npos;
        });
    }
}

void TensorFilter::addSize(const QString& word) {
    const bool more = word[4] == QLatin1Char('>');
    const bool equal = word.size() > 5 && word[5] == QLatin1Char('=');
    std::string number = toLower(word.mid(equal ? 6 : 5).toStdString());
    double unit = 1;
    while (!number.empty() && !(number.back() >= '0' && number.back() <= '9')) {
        const char letter = number.back();
        unit *= letter == 'k'   ? 1e3
                : letter == 'm' ? 1e6
                : letter == 'g' ? 1e9
                : letter == 't' ? 1e12
                                : 1;
        if (std::string_view("kmgtb").find(letter) == std::string_view::npos) {
            break;
        }
        number.pop_back();
    }
    const std::optional<double> value = parseDouble(number);
    if (!value) {
        m_problem = tr("Expected a size such as size>10M, found \"%1\"").arg(word);
        return;
    }
    m_tests.push_back([more, equal, limit = *value * unit](const TensorInfo& tensor) {
        const double bytes = static_cast<double>(tensor.bytes);
        return (equal && bytes == limit) || (more ? bytes > limit : bytes < limit);
    });
}

bool TensorFilter::accepts(const TensorInfo& tensor, std::span<const RaisedFlag> flags) const {
    return std::all_of(
               m_tests.begin(), m_tests.end(), [&](const auto& test) { return test(tensor); }) &&
           std::all_of(m_flagTests.begin(), m_flagTests.end(), [&](const auto& test) {
               return test(flags);
           });
}

}  // namespace loupe::app
