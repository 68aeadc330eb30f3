// SPDX-License-Identifier: GPL-3.0-or-later
// Panel "Storage": what the results of schemes A and B cost to store, in parts, and in each layout.
#include "app/document/analyses.hpp"
#include "app/views/view.hpp"
#include "app/widgets/marks.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/number_table.hpp"
#include "app/widgets/theme.hpp"

#include <QCoreApplication>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QScrollArea>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

/// One line of the table.
struct StorageLine {
    QString name;
    QString help;
    double bits = 0;  ///< per weight
    bool fits = true;
    bool isPart = false;  ///< no layout of its own: no factor
};

/// "8", "0.25", "4.127": exact up to three digits behind the point.
QString bitsText(double bits) {
    QString text = formatFixed(bits, 3);
    while (text.contains(QLatin1Char('.')) &&
           (text.endsWith(QLatin1Char('0')) || text.endsWith(QLatin1Char('.')))) {
        const bool point = text.endsWith(QLatin1Char('.'));
        text.chop(1);
        if (point) {
            break;
        }
    }
    return text;
}

/// "8 · 0.5 + 0.125 + 1 = 5.125 bits per weight".
QString workedSentence(const StorageCost& cost) {
    QString sum = bitsText(cost.valueBits);
    if (cost.kept < 1) {
        sum += QStringLiteral(" · ") + bitsText(cost.kept);
    }
    for (const double part : {cost.overheadBits, cost.maskBits}) {
        if (part > 0) {
            sum += QStringLiteral(" + ") + bitsText(part);
        }
    }
    const QString total = bitsText(cost.bitsPerWeight());
    if (sum == total) {
        return QCoreApplication::translate("StorageView", "%1 bits per weight").arg(total);
    }
    return QCoreApplication::translate("StorageView", "%1 = %2 bits per weight").arg(sum, total);
}

QString layoutName(const StorageEntry& entry) {
    switch (entry.layout) {
        case SparseLayout::Dense:
            return QCoreApplication::translate("StorageView", "dense");
        case SparseLayout::Bitmask:
            return QCoreApplication::translate("StorageView", "bitmask");
        case SparseLayout::Csr16:
            return QStringLiteral("CSR 16");
        case SparseLayout::Csr32:
            return QStringLiteral("CSR 32");
        case SparseLayout::Pattern:
            break;
    }
    return QString::fromStdString(entry.name);
}

QString layoutHelp(const StorageEntry& entry) {
    switch (entry.layout) {
        case SparseLayout::Dense:
            return QCoreApplication::translate("StorageView", "Every value, zeros too");
        case SparseLayout::Bitmask:
            return QCoreApplication::translate("StorageView",
                                               "Kept values, and one bit for each weight");
        case SparseLayout::Csr16:
        case SparseLayout::Csr32:
            return QCoreApplication::translate(
                       "StorageView",
                       "Kept values, each with its column in %1 bits; the end of each row in 32")
                .arg(entry.layout == SparseLayout::Csr16 ? 16 : 32);
        case SparseLayout::Pattern:
            break;
    }
    return QCoreApplication::translate("StorageView",
                                       "%1 values of every %2, each with %3 bits for its place")
        .arg(entry.pattern.keep)
        .arg(entry.pattern.block)
        .arg(placeBitCount(entry.pattern.block));
}

std::vector<StorageLine> linesOf(const StorageReport& report) {
    const auto tr = [](const char* text) {
        return QCoreApplication::translate("StorageView", text);
    };
    const StorageCost& cost = report.of->cost;
    std::vector<StorageLine> lines;
    if (report.table) {
        for (const StorageEntry& entry : report.table->entries) {
            lines.push_back({layoutName(entry),
                             layoutHelp(entry),
                             entry.bitsPerWeight + cost.overheadBits,
                             entry.fits,
                             false});
        }
        return lines;
    }
    const bool codes = report.of->quantized->hasCodes();
    lines.push_back({codes ? tr("codes") : tr("values"),
                     tr("Bits of one weight's code, or of its value where there are no codes"),
                     cost.valueBits * cost.kept,
                     true,
                     true});
    lines.push_back({tr("scales, zero points"),
                     tr("Scales, zero points, codebooks and column orders, shared out over all "
                        "weights"),
                     cost.overheadBits,
                     true,
                     true});
    if (cost.maskBits > 0) {
        lines.push_back({tr("mask"), tr("Which weights are kept"), cost.maskBits, true, true});
    }
    lines.push_back({tr("together"), {}, cost.bitsPerWeight(), true, false});
    return lines;
}

/// Why layouts do not fit, and from which sparsity on they pay.
QString notesOf(const StorageReport& report) {
    if (!report.table) {
        return QCoreApplication::translate("StorageView",
                                           "No mask: every weight is stored, dense is smallest.");
    }
    QStringList lines;
    for (const StorageEntry& entry : report.table->entries) {
        if (!entry.fits) {
            lines << QCoreApplication::translate("StorageView", "Not %1: %2.")
                         .arg(layoutName(entry), QString::fromStdString(entry.why));
        }
    }
    QStringList breaks;
    for (const StorageEntry& entry : report.table->entries) {
        if (entry.breakEven) {
            breaks << (*entry.breakEven < 1
                           ? QStringLiteral("%1 %2").arg(layoutName(entry),
                                                         formatPercent(*entry.breakEven, 1))
                           : QCoreApplication::translate("StorageView", "%1 never")
                                 .arg(layoutName(entry)));
        }
    }
    lines << QCoreApplication::translate("StorageView",
                                         "Smaller than dense above a sparsity of: %1. Here: %2.")
                 .arg(breaks.join(QStringLiteral(", ")),
                      formatPercent(1 - report.table->density, 1));
    return lines.join(QLatin1Char('\n'));
}

/// One scheme: its sum, its table, what to know about it.
class StorageSide : public QWidget {
    Q_OBJECT

public:
    StorageSide(bool second, QWidget* parent);
    void show(const StorageReport* report, bool stale, const QString& why);
    [[nodiscard]] QString copyText(QChar side) const;
    [[nodiscard]] bool hasLines() const { return !m_lines.empty(); }

protected:
    void changeEvent(QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    void fillTable(const StorageReport& report);
    void fit() { m_table->setFixedHeight(m_table->fullHeight()); }

    QLabel* m_sum = nullptr;
    NumberTable* m_table = nullptr;
    QLabel* m_notes = nullptr;
    std::vector<StorageLine> m_lines;
    double m_count = 0;
    int m_storedBits = 32;
};

StorageSide::StorageSide(bool second, QWidget* parent) : QWidget(parent) {
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, Theme::px(4), 0, Theme::px(8));
    layout->setSpacing(Theme::px(4));
    auto* head = new QHBoxLayout;
    head->setContentsMargins(Theme::px(12), 0, Theme::px(12), 0);
    head->setSpacing(Theme::px(8));
    head->addWidget(new LetterBadge(second, this), 0, Qt::AlignTop);
    m_sum = new QLabel(this);
    m_sum->setObjectName(QStringLiteral("sum"));
    setTextRole(m_sum, TextRole::Number);
    m_sum->setWordWrap(true);
    m_sum->setTextInteractionFlags(Qt::TextSelectableByMouse);
    head->addWidget(m_sum, 1);
    layout->addLayout(head);
    m_table = new NumberTable({tr("layout"), tr("bits/w"), tr("bytes"), tr("factor")}, this);
    m_table->setAccessibleName(second ? tr("Storage of scheme B") : tr("Storage of scheme A"));
    m_table->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    layout->addWidget(m_table);
    m_notes = new QLabel(this);
    m_notes->setObjectName(QStringLiteral("notes"));
    m_notes->setWordWrap(true);
    setTextRole(m_notes, TextRole::Small);
    setTone(m_notes, Tone::Tertiary);
    m_notes->setContentsMargins(Theme::px(12), 0, Theme::px(12), 0);
    layout->addWidget(m_notes);
}

void StorageSide::show(const StorageReport* report, bool stale, const QString& why) {
    m_lines.clear();
    m_table->setVisible(report != nullptr);
    m_table->setStale(stale);
    if (report == nullptr) {
        m_sum->setText(why);
        m_sum->setToolTip({});
        m_notes->clear();
    } else {
        const StorageCost& cost = report->of->cost;
        m_sum->setText(workedSentence(cost));
        m_sum->setToolTip(
            tr("bits of a kept value · share kept + scales and zero points + mask, for each "
               "weight"));
        m_notes->setText(notesOf(*report));
        fillTable(*report);
        fit();
    }
    m_notes->setVisible(!m_notes->text().isEmpty());
}

void StorageSide::fillTable(const StorageReport& report) {
    m_lines = linesOf(report);
    m_count = static_cast<double>(report.of->count);
    m_storedBits = report.storedBits;
    double least = -1;
    for (const StorageLine& line : m_lines) {
        if (line.fits && !line.isPart && (least < 0 || line.bits < least)) {
            least = line.bits;
        }
    }
    m_table->setRowCount(static_cast<int>(m_lines.size()));
    m_table->horizontalHeaderItem(0)->setText(report.table ? tr("layout") : tr("part"));
    const QString factorHelp = tr("The stored dtype's %1 bits over this").arg(report.storedBits);
    for (int row = 0; row < m_table->rowCount(); ++row) {
        const StorageLine& line = m_lines[static_cast<std::size_t>(row)];
        const QString none = QStringLiteral("–");
        const double bytes = std::ceil(line.bits * m_count / 8 - 1e-6);
        const bool smallest = report.table.has_value() && line.fits && line.bits == least;
        m_table->setCell(
            row, 0, smallest ? line.name + QStringLiteral(" \u25cf") : line.name, line.help);
        m_table->setCell(row, 1, line.fits ? formatFixed(line.bits, 3) : none, line.help);
        m_table->setCell(row, 2, line.fits ? formatCount(static_cast<qint64>(bytes)) : none);
        const bool factor = line.fits && !line.isPart && line.bits > 0;
        m_table->setCell(
            row,
            3,
            factor ? formatFixed(report.storedBits / line.bits, 2) + QStringLiteral("×") : none,
            factorHelp);
    }
}

QString StorageSide::copyText(QChar side) const {
    QString text;
    for (const StorageLine& line : m_lines) {
        const bool factor = line.fits && !line.isPart && line.bits > 0;
        text += QStringList{QString(side),
                            line.name,
                            line.fits ? QString::number(line.bits, 'g', 12) : QString(),
                            line.fits
                                ? QString::number(std::ceil(line.bits * m_count / 8 - 1e-6), 'f', 0)
                                : QString(),
                            factor ? QString::number(m_storedBits / line.bits, 'g', 12) : QString()}
                    .join(QLatin1Char('\t')) +
                QLatin1Char('\n');
    }
    return text;
}

void StorageSide::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    m_table->setColumnHidden(2, width() < Theme::px(250));
}

void StorageSide::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::StyleChange && m_notes != nullptr) {
        m_notes->setContentsMargins(Theme::px(12), 0, Theme::px(12), 0);
        fit();
    }
}

class StorageView : public View {
    Q_OBJECT

public:
    StorageView(Document& document, QWidget* parent);

    void refresh(Changes what) override;
    [[nodiscard]] QString copyText() const override;

private:
    void showSide(int index, const Lookup<StorageReport>& lookup, bool any);

    ProgressLine* m_progress = nullptr;
    QScrollArea* m_scroll = nullptr;
    StorageSide* m_sides[2] = {};
    QLabel* m_hint = nullptr;
    EmptyState* m_empty = nullptr;
};

StorageView::StorageView(Document& document, QWidget* parent) : View(document, parent) {
    setSubtitle(tr("what the result costs to store"));
    m_progress = new ProgressLine(this);
    m_scroll = new QScrollArea(this);
    m_scroll->setFrameShape(QFrame::NoFrame);
    m_scroll->setWidgetResizable(true);
    m_scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    auto* both = new QWidget(m_scroll);
    auto* column = new QVBoxLayout(both);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    for (int i = 0; i < 2; ++i) {
        m_sides[i] = new StorageSide(i == 1, both);
        column->addWidget(m_sides[i]);
    }
    m_hint = new QLabel(QString(QChar(0x25CF)) + tr(" marks the smallest layout"), both);
    setTextRole(m_hint, TextRole::Small);
    setTone(m_hint, Tone::Tertiary);
    m_hint->setContentsMargins(Theme::px(12), 0, Theme::px(12), Theme::px(8));
    column->addWidget(m_hint);
    column->addStretch(1);
    m_scroll->setWidget(both);
    m_empty = new EmptyState(this);
    m_empty->setContent(QStringLiteral("bars"),
                        tr("No scheme"),
                        tr("Pick a scheme: what its result costs to store appears here."));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(m_progress);
    layout->addWidget(m_scroll, 1);
    layout->addWidget(m_empty, 1);
    setFocusProxy(m_scroll);
}

void StorageView::refresh(Changes what) {
    if (what == Changes(Change::Display)) {
        return;
    }
    Analyses& analyses = document().analyses();
    bool any = false;
    bool marked = false;
    std::optional<double> fraction;
    for (const Side side : {Side::A, Side::B}) {
        const bool given = document().tensor() != nullptr && !document().scheme(side).isEmpty();
        const Lookup<StorageReport> lookup = analyses.storage(side);
        if (lookup.pending && !fraction) {
            fraction = lookup.fraction;
        }
        showSide(side == Side::A ? 0 : 1, lookup, given);
        any = any || given;
        marked = marked || (lookup.best() != nullptr && lookup.best()->table);
    }
    m_progress->setProgress(fraction);
    m_scroll->setVisible(any);
    m_empty->setVisible(!any);
    m_hint->setVisible(marked);
}

void StorageView::showSide(int index, const Lookup<StorageReport>& lookup, bool any) {
    m_sides[index]->setVisible(any);
    QString why = tr("Computing");
    if (lookup.error) {
        why = tr("The scheme could not be applied.");
    }
    m_sides[index]->show(lookup.error ? nullptr : lookup.best(), lookup.pending, why);
}

QString StorageView::copyText() const {
    QString text;
    for (int i = 0; i < 2; ++i) {
        if (m_sides[i]->isVisibleTo(this)) {
            text += m_sides[i]->copyText(i == 0 ? QLatin1Char('A') : QLatin1Char('B'));
        }
    }
    return text.isEmpty() ? text
                          : QStringLiteral("side\tlayout\tbits_per_weight\tbytes\tfactor\n") + text;
}

}  // namespace

extern const ViewDefinition kView_storage;
const ViewDefinition kView_storage{
    "storage",
    QT_TRANSLATE_NOOP("View", "Storage"),
    Area::Right,
    [](Document& document, QWidget* parent) -> View* { return new StorageView(document, parent); }};

}  // namespace loupe::app

#include "storage_view.moc"
