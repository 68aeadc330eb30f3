// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/status_bar.hpp"

#include "app/document/analyses.hpp"
#include "app/document/cursor.hpp"
#include "app/document/document.hpp"
#include "app/jobs/job_bar.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/workspace.hpp"

#include <QLabel>
#include <QTextDocumentFragment>

namespace loupe::app {

namespace {

constexpr int kFrameMs = 16;

/// One element, decoding its row only. Empty where it cannot be read.
std::optional<double> element(const RowSource& source, Cell cell) {
    if (cell.row < 0 || cell.col < 0 || cell.row >= source.rows() || cell.col >= source.cols()) {
        return std::nullopt;
    }
    const auto col = static_cast<std::size_t>(cell.col);
    if (source.isDouble()) {
        std::vector<double> row(static_cast<std::size_t>(source.cols()));
        return source.read(cell.row, 1, row.data()) ? std::optional(row[col]) : std::nullopt;
    }
    std::vector<float> row(static_cast<std::size_t>(source.cols()));
    return source.read(cell.row, 1, row.data()) ? std::optional(static_cast<double>(row[col]))
                                                : std::nullopt;
}

QString mono(const QString& text) {
    const QFont font = Theme::font(TextRole::Number);
    return QStringLiteral("<span style=\"font-family:'%1';color:%2\">%3</span>")
        .arg(font.family(), Theme::current().text.name(), text.toHtmlEscaped());
}

QString schemeText(const SchemeResult& result, Cell cell, const QString& letter) {
    const std::optional<double> value = element(*result.quantized, cell);
    if (!value) {
        return {};
    }
    QString text = letter + QLatin1Char(' ');
    if (result.quantized->hasCodes()) {
        std::vector<std::int32_t> codes(static_cast<std::size_t>(result.quantized->cols()));
        if (result.quantized->codes(cell.row, 1, codes.data())) {
            text += mono(formatCount(codes[static_cast<std::size_t>(cell.col)])) +
                    QStringLiteral(" → ");
        }
    }
    return text + mono(formatNumber(*value));
}

}  // namespace

StatusBar::StatusBar(Document& document, QWidget* parent)
    : QStatusBar(parent), m_document(document) {
    setSizeGripEnabled(false);
    m_readout = new QLabel(this);
    m_readout->setTextFormat(Qt::RichText);
    m_readout->setContentsMargins(Theme::px(12), 0, 0, 0);
    m_readout->setAccessibleName(tr("Value under the mouse"));
    setTextRole(m_readout, TextRole::Small);
    setTone(m_readout, Tone::Secondary);
    // A long line is cut, and does not widen the window: at twice the text it would not fit the screen.
    m_readout->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    addWidget(m_readout, 1);
    addPermanentWidget(new JobBar(document.jobs(), this));
    m_coalesce.setSingleShot(true);
    m_coalesce.setInterval(kFrameMs);
    connect(&m_coalesce, &QTimer::timeout, this, &StatusBar::updateReadout);
    const auto soon = [this] {
        if (!m_coalesce.isActive()) {
            m_coalesce.start();
        }
    };
    connect(&document.cursor(), &Cursor::hoverChanged, this, soon);
    connect(&document.cursor(), &Cursor::selectionChanged, this, soon);
    connect(&document, &Document::changed, this, soon);
}

QString StatusBar::readout() const {
    return QTextDocumentFragment::fromHtml(m_readout->text()).toPlainText();
}

void StatusBar::follow(WorkspacePage* page) {
    if (m_page != nullptr) {
        disconnect(m_page, nullptr, this, nullptr);
    }
    m_page = page;
    if (page != nullptr) {
        connect(page, &WorkspacePage::readoutChanged, this, &StatusBar::updateReadout);
    }
    updateReadout();
}

void StatusBar::updateReadout() {
    if (m_page != nullptr) {
        m_readout->setText(m_page->readout());
        return;
    }
    const Cursor& cursor = m_document.cursor();
    const std::optional<Cell> cell = cursor.hover() ? cursor.hover() : cursor.selected();
    const std::shared_ptr<const RowSource> weights = m_document.weights();
    const std::optional<double> value = cell && weights ? element(*weights, *cell) : std::nullopt;
    if (!value) {
        m_readout->clear();
        return;
    }
    QStringList parts;
    parts << tr("row %1 column %2")
                 .arg(mono(QString::number(cell->row)), mono(QString::number(cell->col)));
    parts << mono(formatExact(*value, !weights->isDouble()));
    if (const auto code = m_document.code(cell->row, cell->col)) {
        const int digits = (m_document.tensor()->type->bits + 3) / 4;
        parts << mono(QStringLiteral("0x%1")
                          .arg(*code, digits, 16, QLatin1Char('0'))
                          .toUpper()
                          .replace(0, 2, QStringLiteral("0x")));
    }
    if (m_document.isEdited(cell->row, cell->col)) {
        parts << tr("edited");
    }
    for (const Side side : {Side::A, Side::B}) {
        if (m_document.scheme(side).isEmpty()) {
            continue;
        }
        const Lookup<SchemeResult> applied = m_document.analyses().scheme(side);
        if (!applied.value) {
            continue;
        }
        const auto [first, last] = applied.value->quantized->groupColumns(cell->row, cell->col);
        if (side == Side::A && last - first > 0 && last - first < weights->cols()) {
            parts << tr("group %1 of row")
                         .arg(mono(
                             QString::number(cell->col / std::max<std::int64_t>(1, last - first))));
        }
        parts << schemeText(
            *applied.value, *cell, side == Side::A ? QStringLiteral("A") : QStringLiteral("B"));
    }
    m_readout->setText(parts.join(QStringLiteral("&nbsp;&nbsp;&nbsp;&nbsp;")));
}

}  // namespace loupe::app
