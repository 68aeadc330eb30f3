// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/memory/side_panels.hpp"

#include "app/widgets/number_table.hpp"
#include "app/widgets/theme.hpp"
#include "app/widgets/time_text.hpp"
#include "app/workspaces/memory/device_text.hpp"
#include "app/workspaces/memory/memory_model.hpp"
#include "core/memory/memory_estimate.hpp"

#include <QEvent>
#include <QLabel>
#include <QScrollArea>

#include <algorithm>

namespace loupe::app {

namespace {

/// A line of a small table in rich text: name left, value right in mono, what it rests on under it.
QString tableRow(const QString& name, const QString& value, const QString& under = {}) {
    const Theme& theme = Theme::current();
    const QString mono = Theme::font(TextRole::Number).family();
    QString row =
        QStringLiteral(
            "<tr><td style=\"color:%1\">%2</td>"
            "<td align=\"right\" style=\"font-family:'%3'; white-space:nowrap\">%4</td></tr>")
            .arg(theme.text2.name(), name.toHtmlEscaped(), mono, value.toHtmlEscaped());
    if (!under.isEmpty()) {
        row += QStringLiteral("<tr><td colspan=\"2\" style=\"color:%1\">%2</td></tr>")
                   .arg(theme.text3.name(), under.toHtmlEscaped());
    }
    return row;
}

QString headingRow(const QString& text) {
    return QStringLiteral("<tr><td colspan=\"2\"><b>%1</b></td></tr>").arg(text.toHtmlEscaped());
}

/// The largest prefix up to giga of which `bytes` has one or more: a small model is no 0.000 GB.
const PrefixRow& prefixFor(double bytes) {
    const PrefixRow* best = &prefixTable().front();
    for (const PrefixRow& prefix : prefixTable()) {
        if (prefix.decimalBytes <= 1e9 && prefix.decimalBytes <= bytes) {
            best = &prefix;
        }
    }
    return *best;
}

QString table(const QString& rows) {
    return QStringLiteral("<table width=\"100%\" cellspacing=\"0\" cellpadding=\"3\">%1</table>")
        .arg(rows);
}

}  // namespace

MemoryTabs::MemoryTabs(MemoryModel& model, QWidget* parent) : QTabWidget(parent), m_model(model) {
    setDocumentMode(true);
    setAccessibleName(tr("Formats, device, prefixes"));
    m_formats = new NumberTable({tr("format"), tr("bits/weight"), tr("GB"), tr("GiB")}, this);
    m_formats->setAccessibleName(tr("Bytes of the weights in every format"));
    m_formats->setSelectionMode(QAbstractItemView::SingleSelection);
    addTab(m_formats, tr("Formats"));
    m_device = new QLabel;
    addTab(page(m_device), tr("Device"));
    m_prefixes = new QLabel;
    addTab(page(m_prefixes), tr("GB and GiB"));
    connect(m_formats, &QTableWidget::itemSelectionChanged, this, [this] {
        const int row = m_formats->currentRow();
        if (m_updating || row < 0 || !m_formats->hasFocus()) {
            return;
        }
        MemorySettings settings = m_model.settings();
        settings.format = m_formats->item(row, 0)->data(Qt::UserRole).toString();
        m_model.change(settings);
    });
    connect(&model, &MemoryModel::changed, this, &MemoryTabs::showFormats);
    connect(&model, &MemoryModel::changed, this, &MemoryTabs::showDevice);
    connect(&model, &MemoryModel::deviceChanged, this, &MemoryTabs::showDevice);
    showFormats();
    showDevice();
    showPrefixes();
}

QWidget* MemoryTabs::page(QLabel* label) {
    label->setWordWrap(true);
    label->setAlignment(Qt::AlignTop | Qt::AlignLeft);
    label->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    label->setContentsMargins(Theme::px(8), Theme::px(8), Theme::px(8), Theme::px(8));
    setTextRole(label, TextRole::Small);
    auto* area = new QScrollArea(this);
    area->setFrameShape(QFrame::NoFrame);
    area->setWidgetResizable(true);
    area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    area->setWidget(label);
    area->viewport()->setAutoFillBackground(false);
    return area;
}

void MemoryTabs::showFormats() {
    m_updating = true;
    struct Row {
        const WeightFormat* format;
        std::int64_t bytes;
        double bits;
    };
    std::vector<Row> rows;
    const MemorySubject& subject = m_model.subject();
    if (m_model.hasSubject()) {
        for (const WeightFormat& format : allWeightFormats()) {
            if (const std::optional<WeightBytes> bytes =
                    weightBytes(subject, &format, m_model.settings().keepEmbeddings)) {
                rows.push_back({&format,
                                bytes->total(),
                                8 * static_cast<double>(bytes->total()) /
                                    static_cast<double>(subject.parameters)});
            }
        }
    }
    std::stable_sort(
        rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.bytes > b.bytes; });
    const PrefixRow& prefix =
        prefixFor(rows.empty() ? 1e9 : static_cast<double>(rows.front().bytes));
    m_formats->setHorizontalHeaderLabels({tr("format"),
                                          tr("bits/weight"),
                                          QString::fromUtf8(prefix.decimal),
                                          QString::fromUtf8(prefix.binary)});
    m_formats->setRowCount(static_cast<int>(rows.size()));
    for (std::size_t k = 0; k < rows.size(); ++k) {
        const auto row = static_cast<int>(k);
        const auto bytes = static_cast<double>(rows[k].bytes);
        const QString why = rows[k].format->summary.empty()
                                ? toQString(rows[k].format->title)
                                : tr("%1: %2").arg(toQString(rows[k].format->title),
                                                   toQString(rows[k].format->summary));
        m_formats->setCell(row, 0, toQString(rows[k].format->title), why);
        m_formats->item(row, 0)->setToolTip(why);
        m_formats->item(row, 0)->setData(Qt::UserRole, toQString(rows[k].format->id));
        m_formats->setCell(row, 1, formatFixed(rows[k].bits, 4));
        m_formats->setCell(row, 2, formatFixed(bytes / prefix.decimalBytes, 3));
        m_formats->setCell(row, 3, formatFixed(bytes / prefix.binaryBytes, 3));
    }
    markFormat();
    m_updating = false;
}

/// The format that is calculated with is the selected row.
void MemoryTabs::markFormat() {
    for (int row = 0; row < m_formats->rowCount(); ++row) {
        if (m_formats->item(row, 0)->data(Qt::UserRole).toString() == m_model.settings().format) {
            if (m_formats->currentRow() != row) {
                m_formats->setCurrentCell(row, 0);
                m_formats->scrollToItem(m_formats->item(row, 0));
            }
            return;
        }
    }
    m_formats->clearSelection();
}

void MemoryTabs::showDevice() {
    const HardwareDevice& device = allHardware()[m_model.device()];
    QString rows =
        headingRow(QStringLiteral("%1, %2").arg(toQString(device.title), toQString(device.memory)));
    if (const std::optional<double> seconds = m_model.secondsPerToken(device)) {
        rows += tableRow(tr("a token takes at least (model)"),
                         timeText(*seconds * 1e6),
                         tr("weights, scales and KV cache read once, over the bandwidth"));
    }
    if (const std::optional<double> ridge = ridgePoint(device, HardwareQuantity::Fp16)) {
        rows += tableRow(tr("ridge, FP16"),
                         tr("%1 FLOP/byte").arg(formatFixed(*ridge, 0)),
                         tr("fewer operations a byte than this: bound by memory"));
    }
    std::string_view last;
    for (const HardwareFigure& figure : device.figures) {
        if (figure.source != last) {
            rows += QStringLiteral("<tr><td colspan=\"2\" style=\"color:%1\"><br>%2</td></tr>")
                        .arg(Theme::current().text3.name(),
                             tr("%1; read %2%3")
                                 .arg(toQString(figure.source),
                                      toQString(figure.read),
                                      figure.isConfirmed ? QString() : tr("; from one page alone"))
                                 .toHtmlEscaped());
            last = figure.source;
        }
        rows += tableRow(toQString(quantityTitle(figure.quantity)) +
                             (figure.isConfirmed ? QString() : tr(" (from one page alone)")),
                         figureText(figure));
    }
    rows += QStringLiteral("<tr><td colspan=\"2\" style=\"color:%1\"><br>%2</td></tr>")
                .arg(Theme::current().text3.name(),
                     device.hasSparse
                         ? tr("All peaks are dense. With 2:4 sparsity the matrix units do twice as "
                              "much, and that is the number that datasheets print large.")
                         : tr("All peaks are dense; this device has no 2:4 sparsity."));
    m_device->setText(table(rows));
}

void MemoryTabs::showPrefixes() {
    QString rows = headingRow(tr("What the prefixes mean"));
    for (const PrefixRow& prefix : prefixTable()) {
        rows +=
            tableRow(tr("1 %1, %2").arg(QLatin1String(prefix.decimal), QLatin1String(prefix.words)),
                     formatCount(static_cast<qint64>(prefix.decimalBytes)));
        rows +=
            tableRow(tr("1 %1").arg(QLatin1String(prefix.binary)),
                     formatCount(static_cast<qint64>(prefix.binaryBytes)),
                     *prefix.repeatedSlide == '\0'
                         ? QString()
                         : tr("repeated slides say: %1").arg(QLatin1String(prefix.repeatedSlide)));
    }
    rows += QStringLiteral("<tr><td colspan=\"2\"><br></td></tr>");
    rows += headingRow(tr("The slides' examples"));
    for (const SlideExample& example : slideExamples()) {
        const auto bytes = static_cast<double>(example.bytes());
        rows += tableRow(
            tr("%1 × %2 bytes").arg(formatCount(example.parameters)).arg(example.bytesEach),
            tr("%1 = %2").arg(gigabytes(bytes), gibibytes(bytes)));
    }
    m_prefixes->setText(table(rows));
}

void MemoryTabs::changeEvent(QEvent* event) {
    QTabWidget::changeEvent(event);
    if (m_prefixes != nullptr &&
        (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange)) {
        showDevice();
        showPrefixes();
    }
}

}  // namespace loupe::app
