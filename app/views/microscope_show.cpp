// SPDX-License-Identifier: GPL-3.0-or-later
// What each part of the block microscope's page shows.
#include "app/views/cell_access.hpp"
#include "app/views/microscope_view.hpp"
#include "app/views/stored_equation.hpp"
#include "app/widgets/block_cells.hpp"
#include "app/widgets/block_struct.hpp"
#include "app/widgets/flow_box.hpp"
#include "app/widgets/hex_grid.hpp"
#include "app/widgets/number_table.hpp"
#include "app/widgets/theme.hpp"

#include <QComboBox>
#include <QFontMetrics>
#include <QLabel>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

QString kindName(FieldKind kind) {
    switch (kind) {
        case FieldKind::Sign:
            return QObject::tr("sign");
        case FieldKind::Exponent:
            return QObject::tr("exponent");
        case FieldKind::Fraction:
            return QObject::tr("fraction");
        case FieldKind::Integer:
            return QObject::tr("code");
        case FieldKind::HighBits:
            return QObject::tr("high bits of codes");
        case FieldKind::GridIndex:
            return QObject::tr("index into a grid");
        case FieldKind::Scale:
            return QObject::tr("scale");
        case FieldKind::SubScale:
            return QObject::tr("scale of a part");
        case FieldKind::ZeroPoint:
            return QObject::tr("minimum or zero point");
        case FieldKind::SubMinimum:
            return QObject::tr("minimum of a part");
        case FieldKind::Padding:
            return QObject::tr("not used");
    }
    return {};
}

QString hexOffset(std::uint64_t offset) {
    return QStringLiteral("0x") + QString::number(offset, 16).toUpper().rightJustified(8, '0');
}

}  // namespace

QString MicroscopeView::exact(double value) const {
    const auto weights = document().weights();
    return formatExact(value, !(weights && weights->isDouble()));
}

QString MicroscopeView::spanTitle(std::span<const BlockSpan> spans) const {
    const BlockSpan& span = spans.front();
    const auto& files = document().source()->info().files;
    const QString file =
        span.file >= 0 && static_cast<std::size_t>(span.file) < files.size()
            ? QString::fromStdString(files[static_cast<std::size_t>(span.file)].filename().string())
            : QString();
    std::int64_t bytes = 0;
    for (const BlockSpan& piece : spans) {
        bytes += piece.bytes;
    }
    const QString offset =
        tr("offset %1 = %2")
            .arg(formatCount(static_cast<qint64>(span.offset)), hexOffset(span.offset));
    const QString place =
        spans.size() == 1
            ? tr("%1 · %2 bytes").arg(offset).arg(bytes)
            : tr("from %1 · %2 bytes in %3 pieces").arg(offset).arg(bytes).arg(spans.size());
    // The parts of a packed tensor share its module's name, and mostly its file.
    const std::vector<BlockSpan>& all = m_block->view().spans;
    const bool oneFile = std::all_of(
        all.begin(), all.end(), [&](const BlockSpan& other) { return other.file == span.file; });
    const std::string module = m_tensor.substr(0, m_tensor.rfind('.') + 1);
    const bool part = !module.empty() && span.tensor.compare(0, module.size(), module) == 0 &&
                      all.front().tensor != all.back().tensor;
    const QString tensor =
        QString::fromStdString(part ? span.tensor.substr(module.size()) : span.tensor);
    return part && oneFile ? QStringLiteral("%1 · %2").arg(tensor, place)
                           : QStringLiteral("%1 · %2 · %3").arg(tensor, file, place);
}

std::vector<std::span<const BlockSpan>> MicroscopeView::byTensor() const {
    const std::vector<BlockSpan>& spans = m_block->view().spans;
    std::vector<std::span<const BlockSpan>> groups;
    for (std::size_t first = 0; first < spans.size();) {
        std::size_t end = first + 1;
        while (end < spans.size() && spans[end].tensor == spans[first].tensor &&
               spans[end].file == spans[first].file) {
            ++end;
        }
        groups.push_back(std::span(spans).subspan(first, end - first));
        first = end;
    }
    return groups;
}

QString MicroscopeView::blockName() const {
    const BlockView& view = m_block->view();
    QStringList parts{QString::fromStdString(view.title)};
    const TensorInfo* tensor = document().tensor();
    if (tensor->block != nullptr && tensor->offset && view.spans.size() == 1) {
        const auto bytes = static_cast<std::uint64_t>(tensor->block->bytes);
        parts << tr("block %1 of %2")
                     .arg(formatCount(static_cast<qint64>((view.spans[0].offset - *tensor->offset) /
                                                          bytes)),
                          formatCount(static_cast<qint64>(tensor->bytes / bytes)));
    }
    const auto& [firstRow, firstCol] = view.cells.front();
    const auto& [lastRow, lastCol] = view.cells.back();
    if (firstRow == lastRow) {
        parts << tr("row %1, columns %2 – %3").arg(firstRow).arg(firstCol).arg(lastCol);
    } else if (firstCol == lastCol) {
        parts << tr("column %1, rows %2 – %3").arg(firstCol).arg(firstRow).arg(lastRow);
    } else {
        parts << tr("%1 weights").arg(formatCount(static_cast<qint64>(view.cells.size())));
    }
    return parts.join(QStringLiteral(" · "));
}

void MicroscopeView::updateHead() {
    const BlockView& view = m_block->view();
    QStringList lines;
    const auto groups = byTensor();
    if (groups.size() == 1) {
        lines << spanTitle(groups.front()).section(QStringLiteral(" · "), 0, -2);
    } else {
        lines << tr("%1 in %2 tensors of the file")
                     .arg(QString::fromStdString(m_tensor))
                     .arg(groups.size());
    }
    lines << tr("%1 bytes hold %2 weights, %3 bits each")
                 .arg(view.bytes.size())
                 .arg(view.cells.size())
                 .arg(formatNumber(view.bitsPerWeight));
    m_place->setText(lines.join(QStringLiteral(" · ")));
    setSubtitle(blockName());
    setAccessibleDescription(cellName(*m_cell) + ", " + blockName() + ". " + m_place->text());
    m_source->setText(view.source.empty()
                          ? QString()
                          : tr("Layout: %1").arg(QString::fromStdString(view.source)));
    m_source->setVisible(!view.source.empty());
}

QString MicroscopeView::placeText() const {
    return m_block ? m_place->text() : QString();
}

void MicroscopeView::updateBytes() {
    std::vector<HexGrid::Strip> strips;
    std::int64_t begin = 0;
    for (const auto& group : byTensor()) {
        HexGrid::Strip strip{spanTitle(group), begin, 0};
        for (const BlockSpan& span : group) {
            strip.pieces.push_back({span.offset, span.bytes});
            strip.count += span.bytes;
        }
        begin += strip.count;
        strips.push_back(std::move(strip));
    }
    std::vector<HexGrid::Byte> bytes(m_block->bytes().size());
    std::vector<std::pair<FieldKind, QString>> legend;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        HexGrid::Byte& byte = bytes[i];
        byte.value = std::to_integer<std::uint8_t>(m_block->bytes()[i]);
        byte.used = m_block->used(at);
        byte.flipped = m_block->flipped(at);
        for (int bit = 0; bit < 8; ++bit) {
            const FieldKind kind = m_block->owner(at, bit).kind;
            byte.kinds[static_cast<std::size_t>(bit)] = kind;
            const auto same = [kind](const auto& entry) { return entry.first == kind; };
            if (std::none_of(legend.begin(), legend.end(), same)) {
                legend.emplace_back(kind, kindName(kind));
            }
        }
    }
    std::sort(legend.begin(), legend.end(), [](const auto& a, const auto& b) {
        return a.first < b.first;
    });
    m_legend->setEntries(std::move(legend));
    m_hex->setContent(std::move(strips), std::move(bytes));
    updateByteStrip();
}

void MicroscopeView::updateByteStrip() {
    if (!m_block) {
        return;
    }
    const std::int64_t byte = m_hex->currentByte();
    const auto at = static_cast<std::size_t>(byte);
    const auto value = std::to_integer<std::uint64_t>(m_block->bytes()[at]);
    std::vector<BitField> fields;
    for (int high = 7; high >= 0;) {
        const MicroscopeBlock::Owner& owner = m_block->owner(byte, high);
        int low = high;
        const auto same = [&](int bit) {
            const MicroscopeBlock::Owner& other = m_block->owner(byte, bit);
            return other.element == owner.element && other.name == owner.name &&
                   other.kind == owner.kind;
        };
        while (low > 0 && same(low - 1)) {
            --low;
        }
        fields.push_back({m_block->ownerName(owner), owner.kind, low, high - low + 1});
        high = low - 1;
    }
    m_byteStrip->setBits(value, 8, std::move(fields));
    m_byteStrip->setReference(std::to_integer<std::uint64_t>(m_block->original()[at]));
    m_byteLabel->setText(tr("byte +%1 = 0x%2; click a bit to flip it")
                             .arg(QString::number(byte, 16).toUpper().rightJustified(2, '0'),
                                  QString::number(value, 16).toUpper().rightJustified(2, '0')));
}

void MicroscopeView::updateStruct() {
    const BlockView& view = m_block->view();
    std::vector<BlockStruct::Strip> strips;
    std::int64_t begin = 0;
    for (const auto& group : byTensor()) {
        std::int64_t bytes = 0;
        for (const BlockSpan& span : group) {
            bytes += span.bytes;
        }
        strips.push_back(
            {tr("%1 · %2 bytes")
                 .arg(
                     QString::fromStdString(group.front().tensor).section(QLatin1Char('.'), -1, -1))
                 .arg(bytes),
             begin,
             bytes});
        begin += bytes;
    }
    std::vector<BlockStruct::Field> fields;
    for (const BlockViewField& field : view.fields) {
        fields.push_back({QString::fromStdString(field.name),
                          QString::fromStdString(field.meaning),
                          roleKind(field.role),
                          field.begin,
                          field.bytes});
    }
    std::vector<BlockStruct::Mark> marks;
    for (const BlockPart& part : m_block->part().parts) {
        // Whole bytes that follow one another are one frame.
        bool open = false;
        for (const BitRun& run : part.bits) {
            const bool whole = run.width == 8;
            if (whole && open && marks.back().byte + marks.back().bytes == run.byte) {
                ++marks.back().bytes;
            } else {
                marks.push_back({run.byte, run.bit, run.width});
            }
            open = whole;
        }
    }
    m_struct->setContent(std::move(strips), std::move(fields), std::move(marks));
    m_struct->setCurrentField(m_block->fieldAt(m_hex->currentByte()));
}

void MicroscopeView::updateParts() {
    const std::vector<BlockPart>& parts = m_block->part().parts;
    while (m_parts.size() < parts.size()) {
        auto* strip = new BitStrip;
        strip->setCellRange(14, 22);
        strip->setShowFieldValues(false);
        const std::size_t index = m_parts.size();
        connect(strip, &BitStrip::bitToggled, this, [this, index](int bit) {
            if (m_block && index < m_block->part().parts.size()) {
                flip(MicroscopeBlock::bitOfCode(m_block->part().parts[index], bit));
            }
        });
        m_parts.push_back(strip);
        m_partBox->add(strip);
    }
    for (std::size_t i = 0; i < m_parts.size(); ++i) {
        const bool there = i < parts.size() && !parts[i].bits.empty();
        m_parts[i]->setVisible(there);
        if (!there) {
            continue;
        }
        const BlockPart& part = parts[i];
        const int bits = std::min(64, MicroscopeBlock::codeBits(part));
        const QString name =
            QStringLiteral("%1 = %2").arg(QString::fromStdString(part.name), exact(part.value));
        // The name under a single bit takes more room than the bit.
        m_parts[i]->setMinimumWidth(
            QFontMetrics(Theme::font(TextRole::Caption)).horizontalAdvance(name) + Theme::px(8));
        m_parts[i]->setBits(part.code, bits, {{name, partKind(part), 0, bits}});
        const std::vector<BlockPart>& original = m_block->originalPart().parts;
        m_parts[i]->setReference(i < original.size() ? std::optional(original[i].code)
                                                     : std::nullopt);
    }
    m_partBox->relayout();
}

void MicroscopeView::updateEquation() {
    const BlockElement& element = m_block->part();
    m_formula->setText(tr("w = %1").arg(QString::fromStdString(element.formula)));
    m_formula->setVisible(!isPlain());
    if (isPlain()) {
        const NumberFormat& format = *document().tensor()->type->format;
        m_equation->setRuns(storedEquation(format, plainCode(element)));
    } else {
        std::vector<EquationRun> runs = partEquation(element, exact(element.value));
        EquationRun lead;
        lead.text = QStringLiteral("= ");
        runs.insert(runs.begin(), lead);
        m_equation->setRuns(runs);
    }
}

QString MicroscopeView::equationText() const {
    return m_block ? m_equation->plainText() : QString();
}

void MicroscopeView::updateEffect() {
    const BlockEffect effect = m_block->effect();
    const bool edited = m_block->isEdited();
    // Largest change last: there is none before a bit was flipped.
    m_table->setRowCount(edited ? 3 : 2);
    const auto fill = [&](int row,
                          const QString& name,
                          const QString& before,
                          const QString& after,
                          const QString& change) {
        m_table->setCell(row, 0, name);
        m_table->setCell(row, 1, before);
        m_table->setCell(row, 2, edited ? after : QString());
        m_table->setCell(row, 3, edited ? change : QString());
    };
    const std::vector<double>& before = m_block->before();
    const std::vector<double>& after = m_block->after();
    fill(0,
         tr("this weight"),
         exact(effect.elementBefore),
         exact(effect.elementAfter),
         formatNumber(effect.elementAfter - effect.elementBefore));
    double squares = 0;
    for (const double value : after) {
        squares += std::isfinite(value) ? value * value : 0;
    }
    fill(1,
         tr("RMS of the block"),
         formatNumber(effect.signal),
         formatNumber(
             std::sqrt(squares / static_cast<double>(std::max<std::size_t>(1, after.size())))),
         formatNumber(effect.rms));
    m_table->item(1, 3)->setToolTip(tr("RMS of the changes, over all elements of the block"));
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(0, effect.most));
    if (edited) {
        fill(2,
             effect.most >= 0 ? tr("element %1").arg(effect.most) : tr("none"),
             effect.most >= 0 ? exact(before[most]) : QString(),
             effect.most >= 0 ? exact(after[most]) : QString(),
             effect.most >= 0 ? formatNumber(effect.mostChange) : QString());
    }
    if (edited) {
        m_table->item(2, 0)->setToolTip(tr("The element that changes most"));
    }
    m_table->setFixedHeight(m_table->fullHeight());
    m_effect->setText(effectText());
}

QString MicroscopeView::effectText() const {
    if (!m_block) {
        return {};
    }
    if (!m_block->isEdited()) {
        return tr(
            "Flip a bit, by click or with Space, to see what it does. The file is never "
            "written.");
    }
    const BlockEffect effect = m_block->effect();
    QString text = tr("%1 of %2 weights change; RMS error %3")
                       .arg(effect.changed)
                       .arg(m_block->before().size())
                       .arg(formatNumber(effect.rms));
    if (effect.rms > 0 && effect.signal > 0) {
        text += tr(", SQNR %1 dB").arg(formatFixed(20 * std::log10(effect.signal / effect.rms), 2));
    }
    if (effect.broken > 0) {
        text += tr(", %1 no finite numbers any more").arg(effect.broken);
    }
    return text + (isPlain() ? tr(". The weight reads so in the whole application.")
                             : tr(". Only here; the file keeps its bytes."));
}

void MicroscopeView::updateCells() {
    const std::vector<double>& before = m_block->before();
    const std::vector<double>& after = m_block->after();
    std::vector<bool> changed(after.size(), false);
    for (std::size_t i = 0; i < after.size(); ++i) {
        changed[i] = before[i] != after[i] && !(std::isnan(before[i]) && std::isnan(after[i]));
    }
    m_cells->setContent(after, std::move(changed), m_block->element());
    m_cellsLabel->setText(tr("Element %1 of %2; click another one")
                              .arg(m_block->element())
                              .arg(m_block->view().cells.size()));
}

void MicroscopeView::updateFieldList() {
    if (!m_block) {
        return;
    }
    const std::optional<std::size_t> chosen = fieldPart();
    m_field->clear();
    for (const BlockPart& part : m_block->part().parts) {
        m_field->addItem(QString::fromStdString(part.name));
    }
    m_field->setCurrentIndex(chosen ? static_cast<int>(*chosen) : -1);
}

QString MicroscopeView::copyText() const {
    if (!m_block) {
        return {};
    }
    const BlockView& view = m_block->view();
    QString text = QStringLiteral("row\tcolumn\tlayout\telement\tvalue\n%1\t%2\t%3\t%4\t%5\n\n")
                       .arg(m_cell->row)
                       .arg(m_cell->col)
                       .arg(QString::fromStdString(view.layout))
                       .arg(m_block->element())
                       .arg(plainNumber(m_block->part().value));
    text += QStringLiteral("tensor\tfile\toffset\tbytes\n");
    const auto& files = document().source()->info().files;
    for (const BlockSpan& span : view.spans) {
        const bool known = span.file >= 0 && static_cast<std::size_t>(span.file) < files.size();
        text += QStringLiteral("%1\t%2\t%3\t%4\n")
                    .arg(QString::fromStdString(span.tensor),
                         known ? QString::fromStdString(
                                     files[static_cast<std::size_t>(span.file)].string())
                               : QString())
                    .arg(span.offset)
                    .arg(span.bytes);
    }
    text += QLatin1Char('\n') + m_hex->dump();
    text += QStringLiteral("\npart\tcode\tvalue\n");
    for (const BlockPart& part : m_block->part().parts) {
        text += QStringLiteral("%1\t0x%2\t%3\n")
                    .arg(QString::fromStdString(part.name),
                         QString::number(part.code, 16).toUpper(),
                         plainNumber(part.value));
    }
    text += QStringLiteral("\nformula\t%1\nequation\t%2\n")
                .arg(QString::fromStdString(m_block->part().formula), equationText());
    text += QStringLiteral("\nelement\trow\tcolumn\tin_file\tflipped\n");
    for (std::size_t i = 0; i < view.cells.size(); ++i) {
        text += QStringLiteral("%1\t%2\t%3\t%4\t%5\n")
                    .arg(i)
                    .arg(view.cells[i].first)
                    .arg(view.cells[i].second)
                    .arg(plainNumber(m_block->before()[i]), plainNumber(m_block->after()[i]));
    }
    return toAscii(text);
}

}  // namespace loupe::app
