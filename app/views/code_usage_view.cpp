// SPDX-License-Identifier: GPL-3.0-or-later
// Panel "Code usage": how often each code occurs, and how many bits that would need at best.
#include <QApplication>
#include <QClipboard>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

#include "app/document/analyses.hpp"
#include "app/views/view.hpp"
#include "app/widgets/loupe_style.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/theme.hpp"

namespace loupe::app {

namespace {

/// Shannon entropy of the codes in bits: −Σ p·log2 p.
double entropyBits(const SchemeResult& result) {
    double total = 0;
    for (const auto& [code, count] : result.codeUsage) {
        total += double(count);
    }
    double bits = 0;
    for (const auto& [code, count] : result.codeUsage) {
        if (count > 0) {
            const double p = double(count) / total;
            bits -= p * std::log2(p);
        }
    }
    return bits;
}

/// The bars of one scheme: A solid, B hatched. Codes that are narrower than 2 px are summed in runs of equal length.
class UsageChart : public QWidget {
    Q_OBJECT

public:
    UsageChart(bool second, QWidget* parent) : QWidget(parent), m_second(second) {
        setFocusPolicy(Qt::StrongFocus);
        setMouseTracking(true);
        setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
    }

    void setResult(std::shared_ptr<const SchemeResult> result, bool stale, const QString& why) {
        m_result = std::move(result);
        m_stale = stale;
        m_why = why;
        m_current = -1;
        m_total = 0;
        if (m_result != nullptr) {
            const auto& usage = m_result->codeUsage;
            for (const auto& [code, count] : usage) {
                m_total += count;
            }
            const std::pair<std::int64_t, std::int64_t> range = m_result->quantized->codeRange();
            m_first = usage.empty() ? 0 : std::min(range.first, usage.front().first);
            m_last = usage.empty() ? -1 : std::max(range.second, usage.back().first);
            m_entropy = entropyBits(*m_result);
        }
        describe();
        update();
    }

    [[nodiscard]] QSize minimumSizeHint() const override { return {Theme::px(96), Theme::px(84)}; }
    [[nodiscard]] QSize sizeHint() const override { return {Theme::px(170), Theme::px(130)}; }
    [[nodiscard]] bool hasBars() const { return m_result != nullptr && m_total > 0 && m_last >= m_first; }

protected:
    void paintEvent(QPaintEvent*) override;
    void mouseMoveEvent(QMouseEvent* event) override { setCurrent(barAt(event->position())); }
    void leaveEvent(QEvent*) override {
        if (!hasFocus()) {
            setCurrent(-1);
        }
    }
    void focusOutEvent(QFocusEvent* event) override {
        QWidget::focusOutEvent(event);
        setCurrent(-1);
    }
    void keyPressEvent(QKeyEvent* event) override;

private:
    struct Bars {
        QRectF room;
        std::int64_t codesPerBar = 1;
        int count = 0;
        double width = 0;
    };
    [[nodiscard]] Bars bars() const;
    [[nodiscard]] std::vector<double> heights(const Bars& layout) const;
    [[nodiscard]] int barAt(const QPointF& pos) const;
    [[nodiscard]] QString headline() const;
    void setCurrent(int bar);
    void describe();

    bool m_second;
    std::shared_ptr<const SchemeResult> m_result;
    QString m_why;
    bool m_stale = false;
    std::uint64_t m_total = 0;
    std::int64_t m_first = 0;
    std::int64_t m_last = -1;
    double m_entropy = 0;
    int m_current = -1;
};

UsageChart::Bars UsageChart::bars() const {
    Bars layout;
    const double top = Theme::px(22);
    const double bottom = Theme::px(20);
    layout.room = QRectF(1, top, width() - 2.0, std::max(8.0, height() - top - bottom));
    const std::int64_t codes = m_last - m_first + 1;
    const auto fit = std::max<std::int64_t>(1, static_cast<std::int64_t>(layout.room.width() / 2));
    layout.codesPerBar = (codes + fit - 1) / fit;
    layout.count = static_cast<int>((codes + layout.codesPerBar - 1) / layout.codesPerBar);
    layout.width = std::min(layout.room.width() / layout.count, double(Theme::px(28)));
    // Few codes: bars keep their width and stand at the left, under their numbers.
    layout.room.setWidth(layout.width * layout.count);
    return layout;
}

std::vector<double> UsageChart::heights(const Bars& layout) const {
    std::vector<double> counts(static_cast<std::size_t>(layout.count), 0.0);
    for (const auto& [code, count] : m_result->codeUsage) {
        counts[static_cast<std::size_t>((code - m_first) / layout.codesPerBar)] += double(count);
    }
    return counts;
}

int UsageChart::barAt(const QPointF& pos) const {
    if (!hasBars()) {
        return -1;
    }
    const Bars layout = bars();
    const int bar = static_cast<int>(std::floor((pos.x() - layout.room.left()) / layout.width));
    return bar >= 0 && bar < layout.count && pos.y() >= layout.room.top() - 4 ? bar : -1;
}

QString UsageChart::headline() const {
    if (!hasBars()) {
        return m_why;
    }
    if (m_current < 0) {
        return tr("%1 of %2 bits used").arg(formatFixed(m_entropy, 2)).arg(m_result->quantized->codeBits());
    }
    const Bars layout = bars();
    const std::int64_t first = m_first + m_current * layout.codesPerBar;
    const std::int64_t last = std::min(m_last, first + layout.codesPerBar - 1);
    const double count = heights(layout)[static_cast<std::size_t>(m_current)];
    const QString codes = first == last ? tr("code %1").arg(formatCount(first))
                                        : tr("codes %1 … %2").arg(formatCount(first), formatCount(last));
    return QStringLiteral("%1: %2, %3").arg(codes, formatCount(static_cast<qint64>(count)), formatPercent(count / double(m_total)));
}

void UsageChart::setCurrent(int bar) {
    if (bar != m_current) {
        m_current = bar;
        describe();
        update();
    }
}

void UsageChart::describe() {
    const QString side = m_second ? tr("Code usage of scheme B") : tr("Code usage of scheme A");
    setAccessibleName(side);
    setAccessibleDescription(headline());
    setToolTip(hasBars() ? tr("Entropy −Σ p·log2 p of the codes: what an ideal coder would need of the bits that are spent")
                         : QString());
}

void UsageChart::paintEvent(QPaintEvent*) {
    const Theme& t = Theme::current();
    QPainter painter(this);
    painter.setOpacity(m_stale ? 0.6 : 1.0);
    painter.setFont(Theme::font(TextRole::Caption));
    painter.setPen(hasBars() ? t.text2 : t.text3);
    const QRectF line(0, 0, width(), Theme::px(18));
    if (!hasBars()) {
        painter.drawText(rect(), Qt::AlignLeft | Qt::AlignTop | Qt::TextWordWrap, headline());
        return;
    }
    painter.drawText(line, Qt::AlignLeft | Qt::AlignVCenter, painter.fontMetrics().elidedText(headline(), Qt::ElideRight, width()));
    const Bars layout = bars();
    const std::vector<double> counts = heights(layout);
    const double most = *std::max_element(counts.begin(), counts.end());
    const QColor colour = m_second ? t.schemeB : t.schemeA;
    const QBrush hatch = hatchBrush(colour, 6, 2);
    const double gap = layout.width >= 5 ? 1 : 0;
    for (int i = 0; i < layout.count; ++i) {
        const double count = counts[static_cast<std::size_t>(i)];
        if (count <= 0) {
            continue;
        }
        // A code that occurs at all is seen.
        const double h = std::max(1.0, layout.room.height() * count / most);
        const double left = std::round(layout.room.left() + i * layout.width);
        const double right = std::max(left + 1, std::round(layout.room.left() + (i + 1) * layout.width) - gap);
        const QRectF bar(left, std::round(layout.room.bottom() - h), right - left, std::max(1.0, std::round(h)));
        if (m_second && bar.width() >= 4) {
            painter.fillRect(bar, hatch);
            painter.setPen(QPen(colour, 1));
            painter.drawRect(bar.adjusted(0.5, 0.5, -0.5, -0.5));
        } else {
            painter.fillRect(bar, colour);
        }
        if (i == m_current) {
            painter.setPen(QPen(t.text, 1.5));
            painter.drawRect(bar.adjusted(0.5, 0.5, -0.5, -0.5));
        }
    }
    painter.fillRect(QRectF(layout.room.left(), layout.room.bottom(), layout.room.width(), 1), t.border);
    painter.setFont(Theme::font(TextRole::NumberAxis));
    painter.setPen(t.text3);
    const QRectF axis(layout.room.left(), layout.room.bottom() + 2, layout.room.width(), Theme::px(16));
    painter.drawText(axis, Qt::AlignLeft | Qt::AlignVCenter | Qt::TextDontClip, formatCount(m_first));
    if (m_last > m_first && layout.room.width() > Theme::px(60)) {
        painter.drawText(axis, Qt::AlignRight | Qt::AlignVCenter | Qt::TextDontClip, formatCount(m_last));
    }
    if (hasFocus() && window()->testAttribute(Qt::WA_KeyboardFocusChange)) {
        drawFocusRing(painter, rect(), 4);
    }
}

void UsageChart::keyPressEvent(QKeyEvent* event) {
    if (!hasBars()) {
        QWidget::keyPressEvent(event);
        return;
    }
    const int last = bars().count - 1;
    switch (event->key()) {
        case Qt::Key_Left: setCurrent(m_current < 0 ? last : std::max(0, m_current - 1)); return;
        case Qt::Key_Right: setCurrent(std::min(last, m_current + 1)); return;
        case Qt::Key_Home: setCurrent(0); return;
        case Qt::Key_End: setCurrent(last); return;
        case Qt::Key_Escape: setCurrent(-1); return;
        default: QWidget::keyPressEvent(event);
    }
}

class CodeUsageView : public View {
    Q_OBJECT

public:
    CodeUsageView(Document& document, QWidget* parent);

    void refresh(Changes what) override;
    [[nodiscard]] QString copyText() const override;
    [[nodiscard]] bool canExport() const override { return m_charts[0]->hasBars() || m_charts[1]->hasBars(); }

private:
    void showSide(int index, const Lookup<SchemeResult>& lookup);

    ProgressLine* m_progress = nullptr;
    UsageChart* m_charts[2] = {};
    EmptyState* m_empty = nullptr;
    QWidget* m_both = nullptr;
    std::shared_ptr<const SchemeResult> m_results[2];
};

CodeUsageView::CodeUsageView(Document& document, QWidget* parent) : View(document, parent) {
    setSubtitle(tr("how often each code occurs"));
    m_progress = new ProgressLine(this);
    m_both = new QWidget(this);
    auto* row = new QHBoxLayout(m_both);
    row->setContentsMargins(Theme::px(12), Theme::px(4), Theme::px(12), Theme::px(8));
    row->setSpacing(Theme::px(16));
    for (int i = 0; i < 2; ++i) {
        m_charts[i] = new UsageChart(i == 1, m_both);
        row->addWidget(m_charts[i], 1);
    }
    m_empty = new EmptyState(this);
    m_empty->setContent(QStringLiteral("histogram"), tr("No codes yet"), tr("Pick a scheme: how often each of its codes occurs appears here."));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(m_progress);
    layout->addWidget(m_both, 1);
    layout->addWidget(m_empty, 1);
    // Not both of them until the first refresh: their heights together would make a small window grow.
    m_both->hide();
    setFocusProxy(m_charts[0]);
}

void CodeUsageView::refresh(Changes what) {
    if (what == Changes(Change::Display)) {
        return;
    }
    Analyses& analyses = document().analyses();
    const Lookup<SchemeResult> a = analyses.scheme(Side::A);
    const Lookup<SchemeResult> b = analyses.scheme(Side::B);
    const bool any = document().tensor() != nullptr &&
                     (!document().scheme(Side::A).isEmpty() || !document().scheme(Side::B).isEmpty());
    (any ? static_cast<QWidget*>(m_empty) : m_both)->hide();  // first: never both of them
    (any ? m_both : static_cast<QWidget*>(m_empty))->show();
    m_progress->setProgress(a.pending || b.pending ? std::optional(a.pending ? a.fraction : b.fraction) : std::nullopt);
    showSide(0, a);
    showSide(1, b);
}

void CodeUsageView::showSide(int index, const Lookup<SchemeResult>& lookup) {
    m_results[index] = lookup.value != nullptr ? lookup.value : lookup.stale;
    m_charts[index]->setVisible(!document().scheme(index == 0 ? Side::A : Side::B).isEmpty());
    QString why;
    if (lookup.error) {
        why = tr("The scheme could not be applied.");
    } else if (m_results[index] == nullptr) {
        why = tr("Computing");
    } else if (m_results[index]->codeUsage.empty()) {
        why = tr("This scheme has no codes of 16 bits or less.");
    }
    m_charts[index]->setResult(m_results[index], lookup.pending, why);
}

QString CodeUsageView::copyText() const {
    QString text;
    for (int i = 0; i < 2; ++i) {
        if (m_results[i] == nullptr || m_results[i]->codeUsage.empty()) {
            continue;
        }
        if (text.isEmpty()) {
            text = QStringLiteral("side\tcode\tcount\n");
        }
        for (const auto& [code, count] : m_results[i]->codeUsage) {
            text += QStringLiteral("%1\t%2\t%3\n").arg(i == 0 ? QLatin1Char('A') : QLatin1Char('B')).arg(code).arg(count);
        }
    }
    return text;
}

}  // namespace

extern const ViewDefinition kView_code_usage;
const ViewDefinition kView_code_usage{"code_usage", QT_TRANSLATE_NOOP("View", "Code usage"), Area::Right,
                                      [](Document& document, QWidget* parent) -> View* {
                                          return new CodeUsageView(document, parent);
                                      }};

}  // namespace loupe::app

#include "code_usage_view.moc"
