// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/compare_table.hpp"

#include "app/widgets/theme.hpp"
#include "core/base/text.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace loupe::app {

namespace {

/// Larger is worse; what failed is on top, what is pending at the end.
double rank(const CompareRow& row, int column) {
    if (!row.result) {
        return -std::numeric_limits<double>::infinity();
    }
    if (row.result->error) {
        return std::numeric_limits<double>::infinity();
    }
    const ErrorMetrics& metrics = row.result->metrics;
    const double value = column == CompareTableModel::Sqnr      ? -metrics.sqnrDb
                         : column == CompareTableModel::Largest ? metrics.maxAbsError
                                                                : metrics.relativeFrobenius;
    return std::isnan(value) ? (row.result->identical ? 0.0 : 1e300) : value;
}

template <class Key>
void sortBy(std::vector<int>& rows, const std::vector<Key>& keys, bool down) {
    std::stable_sort(rows.begin(), rows.end(), [&](int x, int y) {
        const Key& p = keys[static_cast<std::size_t>(x)];
        const Key& q = keys[static_cast<std::size_t>(y)];
        return down ? q < p : p < q;
    });
}

}  // namespace

CompareTableModel::CompareTableModel(CompareModel& model, QObject* parent)
    : QAbstractTableModel(parent), m_model(model) {}

void CompareTableModel::setList(List list) {
    if (list != m_list) {
        m_list = list;
        rebuild();
    }
}

void CompareTableModel::refresh() {
    const bool names = m_column == TensorA || m_column == TensorB;
    if (m_list != List::Matched || !names || m_rows.size() != m_model.rows().size()) {
        rebuild();
    } else if (!m_rows.empty()) {  // names stay where they are
        emit dataChanged(index(0, 0), index(rowCount() - 1, kCount - 1));
    }
}

void CompareTableModel::rebuild() {
    std::vector<int> rows;
    const DiffPlan& plan = m_model.plan();
    const std::size_t count = m_list == List::Matched ? m_model.rows().size()
                              : m_list == List::OnlyA ? plan.onlyA.size()
                              : m_list == List::OnlyB ? plan.onlyB.size()
                                                      : plan.mismatches.size();
    rows.resize(count);
    std::iota(rows.begin(), rows.end(), 0);
    if (m_list == List::Matched) {
        if (m_column == TensorA || m_column == TensorB || m_column == Provenance) {
            std::vector<QString> keys;
            keys.reserve(count);
            for (std::size_t i = 0; i < count; ++i) {
                keys.push_back(text(static_cast<int>(i), m_column).toString());
            }
            sortBy(rows, keys, m_order == Qt::DescendingOrder);
        } else {
            std::vector<double> keys;
            keys.reserve(count);
            for (const CompareRow& row : m_model.rows()) {
                keys.push_back(rank(row, m_column));
            }
            // SQNR: the least is the worst, so its figures run the other way round.
            sortBy(rows, keys, (m_order == Qt::DescendingOrder) != (m_column == Sqnr));
        }
    }
    beginResetModel();
    m_rows = std::move(rows);
    endResetModel();
}

void CompareTableModel::sort(int column, Qt::SortOrder order) {
    m_column = column;
    m_order = order;
    rebuild();
}

int CompareTableModel::pair(int row) const {
    return m_list == List::Matched && row >= 0 && row < static_cast<int>(m_rows.size())
               ? m_rows[static_cast<std::size_t>(row)]
               : -1;
}

int CompareTableModel::rowOf(int pair) const {
    const auto found = std::find(m_rows.begin(), m_rows.end(), pair);
    return m_list != List::Matched || found == m_rows.end()
               ? -1
               : static_cast<int>(found - m_rows.begin());
}

int CompareTableModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

int CompareTableModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(kCount);
}

QVariant CompareTableModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || section >= kCount) {
        return {};
    }
    const bool number = section == Relative || section == Sqnr || section == Largest;
    if (role == Qt::TextAlignmentRole) {
        return static_cast<int>(number ? Qt::AlignRight | Qt::AlignVCenter
                                       : Qt::AlignLeft | Qt::AlignVCenter);
    }
    if (role == Qt::DisplayRole) {
        const QString titles[] = {tr("tensor of A"),
                                  tr("tensor of B"),
                                  tr("rel. error"),
                                  tr("SQNR dB"),
                                  tr("largest"),
                                  tr("  provenance")};
        return titles[section];
    }
    if (role == Qt::ToolTipRole) {
        const QString help[] = {{},
                                {},
                                tr("|A − B| / |A| in the Frobenius norm: A is the reference"),
                                tr("10 log10(sum a² / sum (a − b)²)"),
                                tr("Largest |a − b|"),
                                tr("How B's bytes come from A, where that can be shown")};
        return help[section];
    }
    return {};
}

QVariant CompareTableModel::text(int pair, int column) const {
    const CompareRow& row = m_model.rows()[static_cast<std::size_t>(pair)];
    if (column == TensorA) {
        return m_model.nameA(pair);
    }
    if (column == TensorB) {
        return m_model.nameB(pair);
    }
    if (!row.result) {
        return column == Provenance ? (m_model.paused() ? tr("paused") : tr("pending")) : QString();
    }
    if (row.result->error) {
        return column == Provenance ? QString::fromStdString(row.result->error->message())
                                    : QString();
    }
    const ErrorMetrics& metrics = row.result->metrics;
    switch (column) {
        case Relative:
            return row.result->identical ? QStringLiteral("0")
                                         : formatNumber(metrics.relativeFrobenius);
        case Sqnr:
            return row.result->identical ? QString(QChar(0x221E)) : formatNumber(metrics.sqnrDb);
        case Largest:
            return formatNumber(metrics.maxAbsError);
        default:
            break;
    }
    QString provenance = QString::fromStdString(row.result->provenanceText());
    const auto add = [&](const std::string& more) {
        if (!more.empty()) {
            provenance += (provenance.isEmpty() ? QString() : QStringLiteral(" · ")) +
                          QString::fromStdString(more);
        }
    };
    add(row.result->change.text());
    if (!row.result->guess.empty()) {
        add("a guess: " + row.result->guess);
    }
    return provenance;
}

QVariant CompareTableModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || m_model.a() == nullptr || m_model.b() == nullptr) {
        return {};
    }
    const int place = m_rows[static_cast<std::size_t>(index.row())];
    const int column = index.column();
    const bool number = column == Relative || column == Sqnr || column == Largest;
    if (role == Qt::FontRole) {
        return Theme::font(number ? TextRole::Number : TextRole::Small);
    }
    if (role == Qt::TextAlignmentRole) {
        return static_cast<int>(number ? Qt::AlignRight | Qt::AlignVCenter
                                       : Qt::AlignLeft | Qt::AlignVCenter);
    }
    if (m_list == List::Matched) {
        const CompareRow& row = m_model.rows()[static_cast<std::size_t>(place)];
        if (role == Qt::DisplayRole || role == Qt::ToolTipRole) {
            // Numbers end where these words begin: a little room between them.
            return column == Provenance && role == Qt::DisplayRole
                       ? QVariant(QStringLiteral("  ") + text(place, column).toString())
                       : text(place, column);
        }
        if (role == Qt::ForegroundRole) {
            if (row.result && row.result->error && column == Provenance) {
                return Theme::current().error;
            }
            if (m_model.isBeyond(row) && column == Relative) {
                return Theme::current().outlier;
            }
        }
        if (role == Qt::AccessibleTextRole && column == Relative && m_model.isBeyond(row)) {
            return tr("%1, beyond the tolerance").arg(text(place, column).toString());
        }
        return {};
    }
    if (role != Qt::DisplayRole && role != Qt::ToolTipRole) {
        return {};
    }
    const auto at = static_cast<std::size_t>(place);
    const DiffPlan& plan = m_model.plan();
    const auto shaped = [](const std::string& name, const std::vector<std::int64_t>& shape) {
        QStringList extents;
        for (const std::int64_t extent : shape) {
            extents << QString::number(extent);
        }
        return QString::fromStdString(name) + QStringLiteral("  ") +
               extents.join(QStringLiteral(" × "));
    };
    switch (m_list) {
        case List::OnlyA:
            return column == TensorA ? QString::fromStdString(plan.onlyA[at]) : QVariant();
        case List::OnlyB:
            return column == TensorB ? QString::fromStdString(plan.onlyB[at]) : QVariant();
        case List::Shapes:
            return column == TensorA
                       ? shaped(plan.mismatches[at].tensorA, plan.mismatches[at].shapeA)
                   : column == TensorB
                       ? shaped(plan.mismatches[at].tensorB, plan.mismatches[at].shapeB)
                       : QVariant();
        case List::Matched:
            break;
    }
    return {};
}

QString CompareTableModel::copyText() const {
    QString all = QStringLiteral(
        "tensor_a\ttensor_b\tidentical\trelative_frobenius\tsqnr_"
        "db\tmax_abs_error\tprovenance\n");
    if (m_model.a() == nullptr || m_model.b() == nullptr) {
        return {};
    }
    for (std::size_t i = 0; i < m_model.rows().size(); ++i) {
        const CompareRow& row = m_model.rows()[i];
        all += m_model.nameA(static_cast<int>(i)) + QLatin1Char('\t') +
               m_model.nameB(static_cast<int>(i));
        if (row.result && !row.result->error) {
            const ErrorMetrics& metrics = row.result->metrics;
            all += QLatin1Char('\t') +
                   (row.result->identical ? QStringLiteral("true") : QStringLiteral("false"));
            for (const double value :
                 {metrics.relativeFrobenius, metrics.sqnrDb, metrics.maxAbsError}) {
                all += QLatin1Char('\t') + QString::fromStdString(shortest(value));
            }
        } else {
            all += QStringLiteral("\t\t\t\t");
        }
        all += QLatin1Char('\t') + text(static_cast<int>(i), Provenance).toString() +
               QLatin1Char('\n');
    }
    return all;
}

}  // namespace loupe::app
