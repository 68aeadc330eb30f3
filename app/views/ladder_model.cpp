// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/ladder_model.hpp"

#include "app/widgets/theme.hpp"
#include "core/base/text.hpp"

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

QString text(std::string_view view) {
    return QString::fromUtf8(view.data(), static_cast<qsizetype>(view.size()));
}

QString written(int column, const Figures& figures) {
    const std::optional<double> value = LadderModel::figureOf(column)->value(figures);
    if (!value) {
        return QStringLiteral("–");
    }
    switch (column) {
        case LadderModel::Bits:
            return formatFixed(*value, 3);
        case LadderModel::Sqnr:
            return formatFixed(*value, 2);
        case LadderModel::Zeros:
            return formatFixed(*value, 2);
        case LadderModel::Time:
            return formatNumber(*value, 2);
        default:
            return formatNumber(*value);
    }
}

}  // namespace

int familyCategory(StepFamily family) {
    return static_cast<int>(family);
}

const FigureDefinition* LadderModel::figureOf(int column) {
    static constexpr std::pair<int, const char*> kFigures[] = {{Bits, "bits"},
                                                               {Sqnr, "sqnr"},
                                                               {Rel, "rel"},
                                                               {Output, "output"},
                                                               {Largest, "max"},
                                                               {Zeros, "zeros"},
                                                               {Time, "seconds"}};
    for (const auto& [at, id] : kFigures) {
        if (at == column) {
            return findFigure(id);
        }
    }
    return nullptr;
}

void LadderModel::setState(const LadderState* state) {
    m_rows = state != nullptr ? state->rows : std::vector<std::shared_ptr<const LadderRow>>();
    m_skipped = state != nullptr ? state->skipped : std::vector<LadderSkip>();
    rebuild();
}

void LadderModel::setFamily(std::optional<StepFamily> family) {
    m_family = family;
    rebuild();
}

void LadderModel::setFigure(const FigureDefinition& figure) {
    m_figure = &figure;
    rebuild();
}

void LadderModel::togglePin(const QString& scheme) {
    if (!m_pins.remove(scheme)) {
        m_pins.insert(scheme);
    }
    rebuild();
}

void LadderModel::setPins(const QSet<QString>& pins) {
    m_pins = pins;
    rebuild();
}

void LadderModel::setSchemes(const QString& a, const QString& b) {
    if (a != m_a || b != m_b) {
        m_a = a;
        m_b = b;
        if (!m_items.empty()) {
            emit dataChanged(index(0, 0), index(rowCount() - 1, 0));
        }
    }
}

int LadderModel::rowOf(const QString& scheme) const {
    const std::string wanted = scheme.toStdString();
    const auto found = std::find_if(m_items.begin(), m_items.end(), [&](const Item& item) {
        return item.entry().scheme == wanted;
    });
    return found == m_items.end() ? -1 : static_cast<int>(found - m_items.begin());
}

void LadderModel::rebuild() {
    beginResetModel();
    m_items.clear();
    std::vector<std::pair<double, std::optional<double>>> points;
    for (const auto& row : m_rows) {
        if (!m_family || row->entry.family == *m_family) {
            m_items.push_back({row, {}, m_pins.contains(text(row->entry.scheme)), false});
            std::optional<double> error = m_figure->value(row->figures);
            points.emplace_back(row->figures.bitsPerWeight,
                                error && !m_figure->lowerIsBetter ? -*error : error);
        }
    }
    const std::vector<bool> front = paretoFront(points);
    for (std::size_t i = 0; i < m_items.size(); ++i) {
        m_items[i].pareto = front[i];
    }
    const FigureDefinition* by = figureOf(m_sort);
    const bool down = m_order == Qt::DescendingOrder;
    std::stable_sort(m_items.begin(), m_items.end(), [&](const Item& a, const Item& b) {
        if (a.pinned != b.pinned) {
            return a.pinned;
        }
        if (by == nullptr) {
            const int order = a.row->entry.title.compare(b.row->entry.title);
            return down ? order > 0 : order < 0;
        }
        const std::optional<double> x = by->value(a.row->figures);
        const std::optional<double> y = by->value(b.row->figures);
        const bool hasX = x.has_value() && !std::isnan(*x);
        const bool hasY = y.has_value() && !std::isnan(*y);
        if (!hasX || !hasY) {
            return hasX && !hasY;
        }
        return down ? *x > *y : *x < *y;
    });
    for (const LadderSkip& skip : m_skipped) {
        if (!m_family || skip.entry.family == *m_family) {
            m_items.push_back({nullptr, skip, false, false});
        }
    }
    endResetModel();
}

void LadderModel::sort(int column, Qt::SortOrder order) {
    if (column == Name || figureOf(column) != nullptr) {
        m_sort = column;
        m_order = order;
        rebuild();
    }
}

int LadderModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_items.size());
}

int LadderModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : kCount;
}

QVariant LadderModel::data(const QModelIndex& index, int role) const {
    const Item& it = item(index.row());
    const LadderEntry& entry = it.entry();
    const int column = index.column();
    if (role == Qt::AccessibleTextRole || role == Qt::ToolTipRole) {
        if (!it.row) {
            return (it.skip.expectedSeconds > 0 ? tr("%1: %2. Run starts it.")
                                                : tr("%1: could not run, %2"))
                .arg(text(entry.title), text(it.skip.reason));
        }
        if (column == Name) {
            return tr("%1 (%2), %3 bits per weight, SQNR %4 dB%5%6")
                .arg(text(entry.title),
                     text(entry.scheme),
                     written(Bits, it.row->figures),
                     written(Sqnr, it.row->figures),
                     it.pareto ? tr(", on the Pareto front") : QString(),
                     it.pinned ? tr(", pinned") : QString());
        }
        if (column == Grid) {
            return it.row->pictures.inSteps
                       ? tr("Weights (grey) in steps of their group's scale, and the grid's levels")
                       : tr("Weights (grey) and what they become (line)");
        }
        if (column == Errors) {
            return tr("Errors from −%1 to +%1").arg(formatNumber(it.row->pictures.errors.max));
        }
        if (column == Codes) {
            return it.row->codeUsage.empty()
                       ? tr("This scheme has no codes")
                       : tr("How often each code occurs: %1 of %2 are used")
                             .arg(it.row->codeUsage.size())
                             .arg(it.row->codeRange.second - it.row->codeRange.first + 1);
        }
    }
    if (role == Qt::DisplayRole) {
        if (column == Name) {
            return text(entry.title);
        }
        return it.row && figureOf(column) != nullptr ? written(column, it.row->figures) : QString();
    }
    return {};
}

QVariant LadderModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal) {
        return {};
    }
    static const char* const kTitles[kCount] = {QT_TR_NOOP("scheme"),
                                                QT_TR_NOOP("weights, grid"),
                                                QT_TR_NOOP("error"),
                                                QT_TR_NOOP("codes"),
                                                QT_TR_NOOP("bits"),
                                                QT_TR_NOOP("SQNR dB"),
                                                QT_TR_NOOP("rel. error"),
                                                QT_TR_NOOP("output error"),
                                                QT_TR_NOOP("time s"),
                                                QT_TR_NOOP("max error"),
                                                QT_TR_NOOP("zeros %")};
    if (role == Qt::DisplayRole) {
        return tr(kTitles[section]);
    }
    if (role == Qt::ToolTipRole && figureOf(section) != nullptr) {
        return text(figureOf(section)->help);
    }
    if (role == Qt::TextAlignmentRole) {
        return int((section >= Bits ? Qt::AlignRight : Qt::AlignLeft) | Qt::AlignVCenter);
    }
    return {};
}

QString LadderModel::copyText() const {
    QString out = QStringLiteral(
        "scheme\ttitle\tfamily\tbits_per_weight\tsqnr_db\trelative_frobenius\t"
        "output_relative_error\tmse\tmax_abs_error\tzeros\tcount\tseconds\tpareto\treason\n");
    for (const Item& it : m_items) {
        QStringList cells{
            text(it.entry().scheme), text(it.entry().title), text(familyId(it.entry().family))};
        if (it.row) {
            const Figures& f = it.row->figures;
            const auto number = [](double value) { return text(shortest(value)); };
            cells << number(f.bitsPerWeight) << number(f.metrics.sqnrDb)
                  << number(f.metrics.relativeFrobenius)
                  << (f.metrics.outputRelativeError ? number(*f.metrics.outputRelativeError)
                                                    : QString())
                  << number(f.metrics.mse) << number(f.metrics.maxAbsError)
                  << QString::number(f.zeros) << QString::number(f.count) << number(f.seconds)
                  << (it.pareto ? QStringLiteral("true") : QStringLiteral("false")) << QString();
        } else {
            cells << QString() << QString() << QString() << QString() << QString() << QString()
                  << QString() << QString() << QString() << QString() << text(it.skip.reason);
        }
        out += cells.join(QLatin1Char('\t')) + QLatin1Char('\n');
    }
    return out;
}

}  // namespace loupe::app
