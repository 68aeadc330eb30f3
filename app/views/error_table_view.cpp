// SPDX-License-Identifier: GPL-3.0-or-later
// Panel "Error of this tensor": both schemes measured over every weight.
#include <QAction>
#include <QCoreApplication>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>

#include <cmath>
#include <utility>

#include "app/document/analyses.hpp"
#include "app/views/view.hpp"
#include "app/widgets/marks.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/number_table.hpp"
#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

enum class Better { Neither, Smaller, Larger };

/// One metric: its name, definition, value of a result, and how it is written.
struct Metric {
    const char* name;
    const char* unit;
    const char* formula;
    Better better;
    std::optional<double> (*value)(const SchemeResult& result);
    QString (*write)(double value);
};

double share(std::uint64_t part, std::uint64_t whole) { return whole == 0 ? 0 : double(part) / double(whole); }

// w: the original weights, ŵ: after the scheme, n: how many, e = ŵ − w.
const Metric kMetrics[] = {
    {QT_TRANSLATE_NOOP("Metric", "Bits per weight"), "",
     QT_TRANSLATE_NOOP("Metric", "All bits that the scheme stores, codes, scales and zero points, divided by the number of weights"),
     Better::Neither, [](const SchemeResult& r) -> std::optional<double> { return r.bitsPerWeight; },
     [](double v) { return formatFixed(v, 3); }},
    {QT_TRANSLATE_NOOP("Metric", "SQNR"), "dB",
     QT_TRANSLATE_NOOP("Metric", "Signal to quantization noise: 10 · log10(Σ w² / Σ (w − ŵ)²)"), Better::Larger,
     [](const SchemeResult& r) -> std::optional<double> { return r.metrics.sqnrDb; }, [](double v) { return formatFixed(v, 2); }},
    {QT_TRANSLATE_NOOP("Metric", "MSE"), "", QT_TRANSLATE_NOOP("Metric", "Mean squared error: Σ (w − ŵ)² / n"), Better::Smaller,
     [](const SchemeResult& r) -> std::optional<double> { return r.metrics.mse; }, [](double v) { return formatNumber(v); }},
    {QT_TRANSLATE_NOOP("Metric", "Output error"), "",
     QT_TRANSLATE_NOOP("Metric", "Relative error of what the layer puts out: ‖X·Wᵀ − X̂·Ŵᵀ‖ / ‖X·Wᵀ‖ (Frobenius), over the activations X"),
     Better::Smaller, [](const SchemeResult& r) { return r.metrics.outputRelativeError; }, [](double v) { return formatNumber(v); }},
    {QT_TRANSLATE_NOOP("Metric", "RMSE"), "", QT_TRANSLATE_NOOP("Metric", "Root mean squared error: √(Σ (w − ŵ)² / n)"),
     Better::Smaller, [](const SchemeResult& r) -> std::optional<double> { return r.metrics.rmse; },
     [](double v) { return formatNumber(v); }},
    {QT_TRANSLATE_NOOP("Metric", "Max |error|"), "", QT_TRANSLATE_NOOP("Metric", "The largest error of a single weight: max |w − ŵ|"),
     Better::Smaller, [](const SchemeResult& r) -> std::optional<double> { return r.metrics.maxAbsError; },
     [](double v) { return formatNumber(v); }},
    {QT_TRANSLATE_NOOP("Metric", "Mean |error|"), "", QT_TRANSLATE_NOOP("Metric", "Mean absolute error: Σ |w − ŵ| / n"),
     Better::Smaller, [](const SchemeResult& r) -> std::optional<double> { return r.metrics.meanAbsError; },
     [](double v) { return formatNumber(v); }},
    {QT_TRANSLATE_NOOP("Metric", "Cosine"), "",
     QT_TRANSLATE_NOOP("Metric", "Cosine similarity: Σ w·ŵ / √(Σ w² · Σ ŵ²); 1 is the same direction"), Better::Larger,
     [](const SchemeResult& r) -> std::optional<double> { return r.metrics.cosine; }, [](double v) { return formatFixed(v, 5); }},
    {QT_TRANSLATE_NOOP("Metric", "Relative Frobenius"), "", QT_TRANSLATE_NOOP("Metric", "√(Σ (w − ŵ)²) / √(Σ w²)"), Better::Smaller,
     [](const SchemeResult& r) -> std::optional<double> { return r.metrics.relativeFrobenius; },
     [](double v) { return formatNumber(v); }},
    {QT_TRANSLATE_NOOP("Metric", "Zeroed weights"), "",
     QT_TRANSLATE_NOOP("Metric", "Share of weights that are zero after the scheme, those included that were zero before"),
     Better::Smaller, [](const SchemeResult& r) -> std::optional<double> { return share(r.zeros, r.count); },
     [](double v) { return formatPercent(v); }},
    {QT_TRANSLATE_NOOP("Metric", "Clipped weights"), "",
     QT_TRANSLATE_NOOP("Metric", "Share of weights outside of their group's clipping interval"), Better::Smaller,
     [](const SchemeResult& r) -> std::optional<double> { return share(r.clipped, r.count); },
     [](double v) { return formatPercent(v); }},
};
constexpr int kRows = static_cast<int>(std::size(kMetrics));
constexpr int kOutputRow = 3;  ///< in sight also where the table has room for few rows

/// The largest of the errors with its index, "12: 0.034"; empty where there is none.
QString worstText(const std::vector<double>& errors) {
    std::size_t worst = errors.size();
    for (std::size_t i = 0; i < errors.size(); ++i) {
        if (!std::isnan(errors[i]) && (worst == errors.size() || errors[i] > errors[worst])) {
            worst = i;
        }
    }
    return worst == errors.size() ? QString() : QStringLiteral("%1: %2").arg(worst).arg(formatNumber(errors[worst]));
}

/// What the output error hides: SQNR, the worst channel and token.
QString outputDetails(const SchemeResult& result) {
    QString text;
    if (result.outputSqnrDb) {
        text += QStringLiteral("\n") + QCoreApplication::translate("ErrorTableView", "Output SQNR %1 dB").arg(formatFixed(*result.outputSqnrDb, 2));
    }
    if (const QString worst = worstText(result.outputChannelError); !worst.isEmpty()) {
        text += QStringLiteral("\n") + QCoreApplication::translate("ErrorTableView", "Worst output channel %1").arg(worst);
    }
    if (const QString worst = worstText(result.outputTokenError); !worst.isEmpty()) {
        text += QStringLiteral("\n") + QCoreApplication::translate("ErrorTableView", "Worst token %1").arg(worst);
    }
    return text;
}

class ErrorTableView : public View {
    Q_OBJECT

public:
    ErrorTableView(Document& document, QWidget* parent);

    void refresh(Changes what) override;
    [[nodiscard]] QString copyText() const override { return m_any ? m_table->copyText() : QString(); }
    [[nodiscard]] bool canExport() const override { return m_any; }
    [[nodiscard]] QWidget* headerLead() override { return m_lead; }

protected:
    void changeEvent(QEvent* event) override;

private:
    void makeLead();
    void makeFooter();
    void showColumn(int column, const Lookup<SchemeResult>& lookup, Side side);
    void showDots(const SchemeResult* a, const SchemeResult* b);
    void showOutputRow();
    void showEmpty();
    [[nodiscard]] QAction* addActivations() const { return window()->findChild<QAction*>(QStringLiteral("addActivations")); }

    QWidget* m_lead = nullptr;
    TruthMark* m_mark = nullptr;
    ProgressLine* m_progress = nullptr;
    NumberTable* m_table = nullptr;
    QLabel* m_needs = nullptr;
    EmptyState* m_empty = nullptr;
    QWidget* m_footer = nullptr;
    QWidget* m_dotHint = nullptr;
    bool m_any = false;
};

ErrorTableView::ErrorTableView(Document& document, QWidget* parent) : View(document, parent) {
    makeLead();
    m_progress = new ProgressLine(this);
    m_table = new NumberTable({tr("metric"), QStringLiteral("A"), QStringLiteral("B")}, this);
    m_table->setAccessibleName(tr("Error of schemes A and B"));
    m_table->setDots(true);
    m_table->setHeaderSide(1, QStringLiteral("A"));
    m_table->setHeaderSide(2, QStringLiteral("B"));
    m_table->setRowCount(kRows);
    for (int row = 0; row < kRows; ++row) {
        const Metric& metric = kMetrics[row];
        m_table->setCell(row, 0, tr(metric.name), tr(metric.formula));
        m_table->setUnit(row, QLatin1String(metric.unit));
    }
    m_needs = new QLabel(m_table);
    setTextRole(m_needs, TextRole::Small);
    setTone(m_needs, Tone::Tertiary);
    m_needs->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
    m_needs->setContentsMargins(0, 0, Theme::px(18), 0);
    m_needs->setTextInteractionFlags(Qt::LinksAccessibleByMouse | Qt::LinksAccessibleByKeyboard);
    m_needs->setAccessibleName(tr("What the scheme needs"));
    connect(m_needs, &QLabel::linkActivated, this, [this] {
        if (QAction* action = addActivations()) {
            action->trigger();
        }
    });
    m_table->setCellWidget(kOutputRow, 1, m_needs);
    m_empty = new EmptyState(this);
    makeFooter();
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(m_progress);
    layout->addWidget(m_table, 1);
    layout->addWidget(m_empty, 1);
    layout->addWidget(m_footer);
    setFocusProxy(m_table);
}

void ErrorTableView::makeLead() {
    m_lead = new QWidget(this);
    m_lead->hide();
    auto* layout = new QHBoxLayout(m_lead);
    layout->setContentsMargins(0, Theme::px(6), 0, Theme::px(6));
    auto* title = new QLabel(tr("Error of this tensor"), m_lead);
    setTextRole(title, TextRole::Heading);
    layout->addWidget(title);
    layout->addStretch(1);
    m_mark = new TruthMark(m_lead);
    layout->addWidget(m_mark);
}

void ErrorTableView::makeFooter() {
    m_footer = new QWidget(this);
    auto* layout = new QHBoxLayout(m_footer);
    layout->setContentsMargins(Theme::px(12), Theme::px(6), Theme::px(12), Theme::px(8));
    auto* hint = new QLabel(QString(QChar(0x25CF)) + tr(" marks the smaller error"), m_footer);
    setTextRole(hint, TextRole::Small);
    setTone(hint, Tone::Tertiary);
    m_dotHint = hint;
    auto* swap = new QPushButton(themedIcon(QStringLiteral("swap")), tr("Swap A B"), m_footer);
    swap->setProperty("loupeSmall", true);
    swap->setToolTip(tr("Scheme A becomes B and B becomes A"));
    swap->setAccessibleName(tr("Swap schemes A and B"));
    setTextRole(swap, TextRole::Small);
    layout->addWidget(hint);
    layout->addStretch(1);
    layout->addWidget(swap);
    connect(swap, &QPushButton::clicked, this, [this] {
        document().edit(tr("Swap schemes"), [](ExperimentSpec& spec) { std::swap(spec.schemeA, spec.schemeB); });
    });
}

void ErrorTableView::refresh(Changes what) {
    if (what == Changes(Change::Display)) {
        return;
    }
    Analyses& analyses = document().analyses();
    const Lookup<SchemeResult> a = analyses.scheme(Side::A);
    const Lookup<SchemeResult> b = analyses.scheme(Side::B);
    m_any = document().tensor() != nullptr && (!document().scheme(Side::A).isEmpty() || !document().scheme(Side::B).isEmpty());
    m_table->setVisible(m_any);
    m_footer->setVisible(m_any);
    m_empty->setVisible(!m_any);
    const bool pending = a.pending || b.pending;
    m_progress->setProgress(pending ? std::optional(a.pending ? a.fraction : b.fraction) : std::nullopt);
    const bool measured = m_any && !pending && (a.value != nullptr || b.value != nullptr);
    m_mark->setMark(measured ? TruthMark::Kind::Exact : TruthMark::Kind::None);
    if (measured) {
        const std::uint64_t count = a.value != nullptr ? a.value->count : b.value->count;
        m_mark->setToolTip(tr("Measured over all %1 weights").arg(formatCount(static_cast<qint64>(count))));
    }
    if (!m_any) {
        showEmpty();
        return;
    }
    m_table->setStale(pending);
    showColumn(1, a, Side::A);
    showColumn(2, b, Side::B);
    showDots(a.best(), b.best());
    showOutputRow();
}

void ErrorTableView::showColumn(int column, const Lookup<SchemeResult>& lookup, Side side) {
    const SchemeResult* best = lookup.best();
    for (int row = 0; row < kRows; ++row) {
        const Metric& metric = kMetrics[row];
        QString text;
        QString tip = tr(metric.formula);
        if (best != nullptr) {
            const std::optional<double> value = metric.value(*best);
            if (row == kOutputRow && value) {
                tip += outputDetails(*best);
            }
            text = value ? metric.write(*value) : QString();
        } else if (lookup.error) {
            text = row == 0 ? tr("failed") : QString();
            tip = QString::fromStdString(lookup.error->message());
        } else if (row == 0) {
            text = document().scheme(side).isEmpty() ? tr("none") : QStringLiteral("…");
        }
        m_table->setCell(row, column, text, tip);
    }
}

void ErrorTableView::showDots(const SchemeResult* a, const SchemeResult* b) {
    bool any = false;
    for (int row = 0; row < kRows; ++row) {
        const Metric& metric = kMetrics[row];
        const std::optional<double> left = a != nullptr ? metric.value(*a) : std::nullopt;
        const std::optional<double> right = b != nullptr ? metric.value(*b) : std::nullopt;
        bool leftWins = false;
        bool rightWins = false;
        if (left && right && metric.better != Better::Neither) {
            leftWins = metric.better == Better::Smaller ? *left < *right : *left > *right;
            rightWins = metric.better == Better::Smaller ? *right < *left : *right > *left;
        }
        m_table->setDot(row, 1, leftWins);
        m_table->setDot(row, 2, rightWins);
        any = any || leftWins || rightWins;
    }
    m_dotHint->setVisible(any);
}

void ErrorTableView::showOutputRow() {
    const LayerInput& input = document().analyses().activations();
    const bool given = !input.reference.empty() && !input.columnNorms;
    const std::optional<Error>& problem = document().analyses().activationsError();
    const bool note = !given || problem.has_value();
    if ((m_table->columnSpan(kOutputRow, 1) == 2) != note) {
        m_table->setSpan(kOutputRow, 1, 1, note ? 2 : 1);
    }
    m_needs->setVisible(note);
    if (!note) {
        return;
    }
    const QString link = addActivations() != nullptr ? QStringLiteral(" · <a href='#'>%1</a>").arg(tr("Add…")) : QString();
    m_needs->setText((problem             ? tr("activations do not fit")
                      : input.columnNorms ? tr("not with an importance matrix")
                                          : tr("needs activations")) +
                     link);
    m_needs->setToolTip(problem ? QString::fromStdString(problem->message())
                                : tr("The error of the layer's output depends on what goes into it. Add activations, [tokens, in]."));
    m_needs->setAccessibleName(tr("Output error needs activations"));
}

void ErrorTableView::showEmpty() {
    if (document().tensor() == nullptr) {
        m_empty->setContent(QStringLiteral("matrix"), tr("No tensor selected"), tr("The error of schemes A and B appears here."));
    } else {
        m_empty->setContent(QStringLiteral("compare"), tr("No scheme"), tr("Pick a method under A or B to see what it costs."));
    }
}

void ErrorTableView::changeEvent(QEvent* event) {
    View::changeEvent(event);
    if (event->type() == QEvent::StyleChange && m_needs != nullptr) {
        m_needs->setContentsMargins(0, 0, Theme::px(18), 0);
    }
}

}  // namespace

extern const ViewDefinition kView_error_table;
const ViewDefinition kView_error_table{"error_table", QT_TRANSLATE_NOOP("View", "Errors"), Area::Right,
                                       [](Document& document, QWidget* parent) -> View* {
                                           return new ErrorTableView(document, parent);
                                       }};

}  // namespace loupe::app

#include "error_table_view.moc"
