// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/block_field.hpp"

#include "app/plot/plot_style.hpp"
#include "app/widgets/theme.hpp"

#include <QPainter>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr std::size_t kBins = 48;

/// The figure in one block; empty where the block has no such part.
std::optional<double> valueOf(const FieldQuestion& question, const BlockElement& element) {
    const auto found =
        std::find_if(element.parts.begin(), element.parts.end(), [&](const BlockPart& part) {
            return part.name == question.name;
        });
    if (found != element.parts.end()) {
        return found->value;
    }
    return question.position < element.parts.size()
               ? std::optional(element.parts[question.position].value)
               : std::nullopt;
}

/// Rows of whole blocks in memory: no copies.
void collectRaw(const FieldQuestion& question,
                const RawBlocks& raw,
                std::int64_t cols,
                std::int64_t first,
                std::int64_t step,
                std::int64_t end,
                const JobContext& ctx,
                std::vector<double>& values) {
    const BlockLayout& layout = *raw.layout;
    const std::int64_t perRow = cols / layout.elements;
    const auto element =
        static_cast<int>(std::min<std::int64_t>(question.element, layout.elements - 1));
    for (std::int64_t row = first; row < end; row += step) {
        ctx.checkpoint();
        for (std::int64_t block = 0; block < perRow; ++block) {
            const std::byte* at = raw.bytes.data() + (row * perRow + block) * layout.bytes;
            if (const auto value = valueOf(question, layout.element(at, element))) {
                values.push_back(*value);
            }
        }
        ctx.advance(1);
    }
}

/// Any source, block by block. A block that spans rows counts in its first one.
Result<void> collectAny(const FieldQuestion& question,
                        std::int64_t cols,
                        std::int64_t first,
                        std::int64_t step,
                        std::int64_t end,
                        const JobContext& ctx,
                        std::vector<double>& values) {
    for (std::int64_t row = first; row < end; row += step) {
        std::vector<bool> seen(static_cast<std::size_t>(cols), false);
        for (std::int64_t col = 0; col < cols; ++col) {
            if (seen[static_cast<std::size_t>(col)]) {
                continue;
            }
            ctx.checkpoint();
            const Result<BlockView> view = question.source->block(question.tensor, row, col);
            if (!view) {
                return fail(view.error());
            }
            std::int64_t top = row;
            for (const auto& [r, c] : view->cells) {
                top = std::min(top, r);
                if (r == row) {
                    seen[static_cast<std::size_t>(c)] = true;
                }
            }
            seen[static_cast<std::size_t>(col)] = true;
            const auto last = static_cast<std::int64_t>(view->cells.size()) - 1;
            if (top == row || question.row >= 0) {
                if (const auto value = valueOf(
                        question, view->explain(view->bytes, std::min(question.element, last)))) {
                    values.push_back(*value);
                }
            }
        }
        ctx.advance(1);
    }
    return {};
}

FieldValues binned(const std::vector<double>& values) {
    FieldValues made;
    made.blocks = static_cast<std::int64_t>(values.size());
    double sum = 0;
    std::int64_t finite = 0;
    for (const double value : values) {
        if (!std::isfinite(value)) {
            ++made.notFinite;
            continue;
        }
        made.low = finite == 0 ? value : std::min(made.low, value);
        made.high = finite == 0 ? value : std::max(made.high, value);
        sum += value;
        ++finite;
    }
    made.mean = finite > 0 ? sum / static_cast<double>(finite) : 0;
    made.counts.assign(made.high > made.low ? kBins : finite > 0 ? 1 : 0, 0);
    const auto last = static_cast<double>(made.counts.size()) - 1;
    for (const double value : values) {
        if (std::isfinite(value)) {
            const double share =
                made.high > made.low ? (value - made.low) / (made.high - made.low) : 0;
            const double bin = std::min(last, std::floor(share * (last + 1)));
            ++made.counts[static_cast<std::size_t>(bin)];
        }
    }
    return made;
}

}  // namespace

Result<FieldValues> collectField(const FieldQuestion& question, const JobContext& ctx) {
    const Result<std::shared_ptr<const RowSource>> matrix =
        question.source->matrix(question.tensor);
    if (!matrix) {
        return fail(matrix.error());
    }
    const std::int64_t rows = (*matrix)->rows();
    const std::int64_t cols = (*matrix)->cols();
    const bool one = question.row >= 0;
    const std::int64_t first = one ? question.row : 0;
    const std::int64_t end = one ? question.row + 1 : rows;
    std::int64_t perBlock = 1;
    if (rows > 0 && cols > 0) {
        const Result<BlockView> view = question.source->block(question.tensor, first, 0);
        if (!view) {
            return fail(view.error());
        }
        perBlock = std::max<std::int64_t>(1, static_cast<std::int64_t>(view->cells.size()));
    }
    const std::int64_t rowBlocks = std::max<std::int64_t>(1, cols / perBlock);
    const std::int64_t step =
        one ? 1 : std::max<std::int64_t>(1, (rows * rowBlocks + kMostBlocks - 1) / kMostBlocks);
    ctx.setTotal(static_cast<std::uint64_t>((end - first + step - 1) / step));
    std::vector<double> values;
    const std::optional<RawBlocks> raw = (*matrix)->rawBlocks();
    if (raw && raw->layout->element != nullptr && cols % raw->layout->elements == 0) {
        collectRaw(question, *raw, cols, first, step, end, ctx, values);
    } else if (Result<void> done = collectAny(question, cols, first, step, end, ctx, values);
               !done) {
        return fail(done.error());
    }
    FieldValues made = binned(values);
    made.rows = (end - first + step - 1) / step;
    made.rowsAll = end - first;
    return made;
}

FieldPlot::FieldPlot(QWidget* parent) : QWidget(parent) {
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    describe();
}

void FieldPlot::setValues(std::optional<FieldValues> values, const QString& name) {
    m_values = std::move(values);
    m_name = name;
    m_message.clear();
    m_progress = -1;
    describe();
    update();
}

void FieldPlot::setMessage(const QString& message, double progress) {
    m_message = message;
    m_progress = progress;
    m_values.reset();
    describe();
    update();
}

void FieldPlot::setHere(std::optional<double> value) {
    m_here = value;
    describe();
    update();
}

QSize FieldPlot::sizeHint() const {
    return {Theme::px(300), Theme::px(110)};
}

QSize FieldPlot::minimumSizeHint() const {
    return {Theme::px(150), Theme::px(110)};
}

QString FieldPlot::sentence() const {
    if (!m_values) {
        return m_message;
    }
    const FieldValues& v = *m_values;
    QString text = tr("%1 in %2 blocks: %3 to %4, mean %5")
                       .arg(m_name,
                            formatCount(v.blocks),
                            formatNumber(v.low),
                            formatNumber(v.high),
                            formatNumber(v.mean));
    if (v.notFinite > 0) {
        text += tr(", %1 not finite").arg(formatCount(v.notFinite));
    }
    if (v.isSampled()) {
        text += tr(" · ≈ sampled %1 of %2 rows").arg(formatCount(v.rows), formatCount(v.rowsAll));
    }
    return text;
}

void FieldPlot::describe() {
    setAccessibleName(tr("The same field in all blocks"));
    QString text = sentence();
    if (m_values && m_here) {
        text += tr("; here %1").arg(formatNumber(*m_here));
    }
    setAccessibleDescription(text);
    setToolTip(m_values ? text : QString());
}

void FieldPlot::paintEvent(QPaintEvent*) {
    const Theme& t = Theme::current();
    QPainter painter(this);
    const QFontMetricsF metrics(Theme::font(TextRole::NumberAxis));
    painter.setFont(Theme::font(TextRole::Small));
    painter.setPen(t.text3);
    if (m_progress >= 0) {
        drawProgressLine(painter, QRectF(0, 0, width(), 2), m_progress);
    }
    if (!m_values || m_values->counts.empty()) {
        painter.drawText(rect(), Qt::AlignLeft | Qt::AlignVCenter | Qt::TextWordWrap, sentence());
        return;
    }
    const FieldValues& v = *m_values;
    const double bottom = height() - metrics.height() - 4;
    const double top = metrics.height() + 4;
    const auto most = static_cast<double>(*std::max_element(v.counts.begin(), v.counts.end()));
    const double bar = v.counts.size() == 1 ? std::min<double>(width(), Theme::px(28))
                                            : width() / static_cast<double>(v.counts.size());
    for (std::size_t i = 0; i < v.counts.size(); ++i) {
        // A single block stays visible beside thousands.
        const double share = std::log1p(static_cast<double>(v.counts[i])) / std::log1p(most);
        const double tall = v.counts[i] == 0 ? 0 : std::max(1.0, share * (bottom - top));
        painter.fillRect(
            QRectF(static_cast<double>(i) * bar, bottom - tall, bar > 4 ? bar - 1 : bar, tall),
            t.fill);
    }
    painter.fillRect(QRectF(0, bottom, width(), 1), t.border);
    painter.setFont(Theme::font(TextRole::NumberAxis));
    painter.setPen(t.text2);
    const QRectF axis(0, bottom + 2, width(), metrics.height() + 2);
    painter.drawText(axis, Qt::AlignLeft | Qt::AlignTop, formatNumber(v.low));
    if (v.high > v.low) {
        painter.drawText(axis, Qt::AlignRight | Qt::AlignTop, formatNumber(v.high));
    }
    if (m_here && std::isfinite(*m_here)) {
        const double share = v.high > v.low ? (*m_here - v.low) / (v.high - v.low) : 0;
        const double x = v.high > v.low ? std::clamp(share, 0.0, 1.0) * (width() - 2.0) : bar / 2;
        painter.fillRect(QRectF(x, top - 2, 2, bottom - top + 2), t.text);
        painter.setPen(t.text);
        const QString text = tr("here %1").arg(formatNumber(*m_here));
        const double w = metrics.horizontalAdvance(text);
        painter.drawText(QRectF(std::clamp(x - w / 2, 0.0, std::max(0.0, width() - w - 1)),
                                0,
                                w + 2,
                                metrics.height()),
                         Qt::AlignLeft | Qt::AlignVCenter,
                         text);
    }
}

}  // namespace loupe::app
