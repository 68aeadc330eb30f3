// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/tensor_csv.hpp"

#include "core/base/text.hpp"

#include <QCoreApplication>

#include <algorithm>
#include <limits>
#include <string>
#include <unordered_map>

namespace loupe::app {

namespace {

constexpr std::size_t kMostTold = 100;
constexpr std::size_t kMostColumns = 64;

QString tr(const char* text) {
    return QCoreApplication::translate("Atlas", text);
}

QString inQuotes(std::string_view text) {
    constexpr std::size_t kMost = 60;
    QString made =
        QString::fromUtf8(text.data(), static_cast<qsizetype>(std::min(text.size(), kMost)));
    if (text.size() > kMost) {
        made += QChar(0x2026);
    }
    return QLatin1Char('"') + made + QLatin1Char('"');
}

/// Fields of a line; a field in quotation marks may hold the separator ("" stands for one).
std::vector<std::string> fieldsOf(std::string_view line, char separator) {
    std::vector<std::string> fields(1);
    bool inside = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '"' && inside && i + 1 < line.size() && line[i + 1] == '"') {
            fields.back() += '"';
            ++i;
        } else if (c == '"' && (inside || trim(fields.back()).empty())) {
            inside = !inside;
        } else if (c == separator && !inside) {
            fields.emplace_back();
        } else {
            fields.back() += c;
        }
    }
    for (std::string& field : fields) {
        field = std::string(trim(field));
    }
    return fields;
}

char separatorOf(std::string_view line) {
    for (const char c : {'\t', ';', ','}) {
        if (line.find(c) != std::string_view::npos) {
            return c;
        }
    }
    return ',';
}

std::optional<double> numberOf(const std::string& field) {
    const std::string lower = toLower(field);
    if (lower == "nan") {
        return std::numeric_limits<double>::quiet_NaN();
    }
    if (lower == "inf" || lower == "-inf" || lower == "infinity" || lower == "-infinity") {
        return lower.front() == '-' ? -std::numeric_limits<double>::infinity()
                                    : std::numeric_limits<double>::infinity();
    }
    return parseDouble(field);
}

class Reader {
public:
    Reader(std::size_t tensors,
           const std::function<std::optional<std::size_t>(std::string_view)>& find)
        : m_tensors(tensors), m_find(find) {}

    void line(std::string_view text) {
        ++m_line;
        if (trim(text).empty() || text.front() == '#') {
            return;
        }
        if (m_separator == 0) {
            m_separator = separatorOf(text);
            if (first(fieldsOf(text, m_separator))) {
                return;
            }
        }
        take(fieldsOf(text, m_separator));
    }

    OwnTable finish() {
        if (m_table.columns.empty() && m_table.problems == 0) {
            tell(tr("expected lines of the form tensor,value: found none"));
        }
        return std::move(m_table);
    }

private:
    void tell(const QString& what) {
        if (++m_table.problems <= kMostTold) {
            m_table.told.push_back(m_line > 0 ? tr("line %1: %2").arg(m_line).arg(what) : what);
        }
    }

    /// The first line: titles, where no field but the first is a number and the first no tensor.
    bool first(const std::vector<std::string>& fields) {
        if (fields.size() < 2 || fields.size() > kMostColumns + 1) {
            tell(
                fields.size() < 2
                    ? tr("expected tensor,value: found one field, %1").arg(inQuotes(fields.front()))
                    : tr("expected at most %1 values, found %2")
                          .arg(kMostColumns)
                          .arg(fields.size() - 1));
            m_bad = true;
            return true;
        }
        const bool titles =
            !m_find(fields.front()) &&
            std::none_of(fields.begin() + 1, fields.end(), [](const std::string& field) {
                return numberOf(field).has_value();
            });
        for (std::size_t i = 1; i < fields.size(); ++i) {
            OwnColumn column;
            column.title = titles && !fields[i].empty() ? QString::fromStdString(fields[i])
                           : fields.size() == 2         ? tr("value")
                                                        : tr("value %1").arg(i);
            column.values.assign(m_tensors, std::numeric_limits<double>::quiet_NaN());
            column.known.assign(m_tensors, 0);
            m_table.columns.push_back(std::move(column));
        }
        return titles;
    }

    void take(const std::vector<std::string>& fields) {
        if (m_bad) {
            return;
        }
        if (fields.size() != m_table.columns.size() + 1) {
            tell(tr("expected %1 fields, found %2")
                     .arg(m_table.columns.size() + 1)
                     .arg(fields.size()));
            return;
        }
        const std::optional<std::size_t> tensor = m_find(fields.front());
        if (!tensor) {
            tell(tr("no tensor is named %1").arg(inQuotes(fields.front())));
            return;
        }
        const auto [at, added] = m_lines.try_emplace(*tensor, m_line);
        if (!added) {
            tell(tr("%1 again: line %2 already has it")
                     .arg(inQuotes(fields.front()))
                     .arg(at->second));
            return;
        }
        bool taken = false;
        for (std::size_t i = 1; i < fields.size(); ++i) {
            if (fields[i].empty()) {
                continue;
            }
            const std::optional<double> value = numberOf(fields[i]);
            if (!value) {
                tell(tr("expected a number for %1, found %2")
                         .arg(m_table.columns[i - 1].title, inQuotes(fields[i])));
                continue;
            }
            m_table.columns[i - 1].values[*tensor] = *value;
            m_table.columns[i - 1].known[*tensor] = 1;
            taken = true;
        }
        m_table.rows += taken ? 1 : 0;
    }

    std::size_t m_tensors;
    const std::function<std::optional<std::size_t>(std::string_view)>& m_find;
    OwnTable m_table;
    std::unordered_map<std::size_t, int> m_lines;
    int m_line = 0;
    char m_separator = 0;
    bool m_bad = false;
};

}  // namespace

OwnTable readOwnTable(std::string_view text,
                      std::size_t tensors,
                      const std::function<std::optional<std::size_t>(std::string_view)>& find) {
    if (text.starts_with("\xef\xbb\xbf")) {
        text.remove_prefix(3);
    }
    Reader reader(tensors, find);
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        reader.line(line);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return reader.finish();
}

}  // namespace loupe::app
