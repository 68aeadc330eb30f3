// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/microscope_view.hpp"

#include "app/document/analyses.hpp"
#include "app/jobs/job_manager.hpp"
#include "app/views/cell_access.hpp"
#include "app/views/stored_equation.hpp"
#include "app/widgets/block_cells.hpp"
#include "app/widgets/block_struct.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/flow_box.hpp"
#include "app/widgets/hex_grid.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/number_table.hpp"

#include <QAction>
#include <QComboBox>
#include <QGridLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QScrollArea>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

const char* const kFieldSlot = "microscope:field";

/// The cell before or after a block, in the order in which its elements lie in the file.
std::optional<Cell> beside(const BlockView& view,
                           bool forward,
                           std::int64_t rows,
                           std::int64_t cols) {
    if (view.cells.empty()) {
        return std::nullopt;
    }
    const bool alongRow = view.cells.size() < 2 || view.cells[0].first == view.cells[1].first;
    const auto& [row, col] = forward ? view.cells.back() : view.cells.front();
    const std::int64_t length = alongRow ? cols : rows;
    const std::int64_t lines = alongRow ? rows : cols;
    const std::int64_t line = alongRow ? row : col;
    const std::int64_t at = (alongRow ? col : row) + (forward ? 1 : -1);
    std::int64_t nextLine = line;
    std::int64_t next = at;
    if (at < 0 || at >= length) {
        nextLine += forward ? 1 : -1;
        next = forward ? 0 : length - 1;
    }
    if (nextLine < 0 || nextLine >= lines) {
        return std::nullopt;
    }
    return alongRow ? Cell{nextLine, next} : Cell{next, nextLine};
}

/// Writes a plain element's code into its bits.
void writeCode(std::vector<std::byte>& bytes, const BlockElement& element, std::uint64_t code) {
    int above = 0;
    for (auto part = element.parts.rbegin(); part != element.parts.rend(); ++part) {
        const std::uint64_t own = above >= 64 ? 0 : code >> static_cast<unsigned>(above);
        for (const BitRun& run : part->bits) {
            const auto mask =
                static_cast<std::uint64_t>((1U << static_cast<unsigned>(run.width)) - 1U);
            auto byte = std::to_integer<std::uint64_t>(bytes[static_cast<std::size_t>(run.byte)]);
            byte &= ~(mask << static_cast<unsigned>(run.bit));
            byte |= ((own >> static_cast<unsigned>(run.shift)) & mask)
                    << static_cast<unsigned>(run.bit);
            bytes[static_cast<std::size_t>(run.byte)] = static_cast<std::byte>(byte & 0xFFU);
        }
        above += MicroscopeBlock::codeBits(*part);
    }
}

std::pair<std::string, std::uint64_t> keyOf(const BlockView& view) {
    return {view.spans.front().tensor, view.spans.front().offset};
}

}  // namespace

MicroscopeView::MicroscopeView(Document& document, QWidget* parent) : View(document, parent) {
    setObjectName("microscope");
    setAccessibleName(tr("Block microscope"));
    buildPage();
    makeActions();
    connect(&document.cursor(), &Cursor::selectionChanged, this, [this] {
        if (isVisible()) {
            updateAll();
        }
    });
    connect(&document.jobs(), &JobManager::progressed, this, [this] {
        const QString slot = QLatin1String(kFieldSlot);
        if (this->document().jobs().isRunning(slot)) {
            m_plot->setMessage(tr("computing…"), this->document().jobs().fraction(slot));
        }
    });
    updateAll();
}

void MicroscopeView::refresh(Changes what) {
    if (what & Change::Source) {
        m_kept.clear();
        m_block.reset();
        m_fieldKey.clear();
    }
    if (what & (Changes(Change::Source) | Change::Tensor)) {
        updateAll();
    } else if (what & Change::Display) {
        arrange();
    }
}

bool MicroscopeView::isPlain() const {
    const TensorInfo* tensor = document().tensor();
    return tensor != nullptr && tensor->type != nullptr && tensor->type->format != nullptr &&
           tensor->packed == nullptr;
}

void MicroscopeView::overlayEdits(MicroscopeBlock& block) const {
    std::vector<std::byte> bytes = block.original();
    const BlockView& view = block.view();
    for (std::size_t i = 0; i < view.cells.size(); ++i) {
        const auto& [row, col] = view.cells[i];
        if (!document().isEdited(row, col)) {
            continue;
        }
        if (const std::optional<std::uint64_t> code = document().code(row, col)) {
            writeCode(bytes, view.explain(view.bytes, static_cast<std::int64_t>(i)), *code);
        }
    }
    block.setBytes(std::move(bytes));
}

void MicroscopeView::takeBlock(BlockView view) {
    const bool same = m_block && m_block->isSameBlock(view);
    if (same) {
        m_block->setElement(view.element);
    } else {
        if (m_block && m_block->canUndo()) {
            m_kept.insert_or_assign(keyOf(m_block->view()), *m_block);
        }
        const auto kept = m_kept.find(keyOf(view));
        if (kept != m_kept.end() && kept->second.isSameBlock(view)) {
            m_block = kept->second;
            m_block->setElement(view.element);
        } else {
            m_block.emplace(std::move(view));
        }
    }
    if (isPlain()) {
        overlayEdits(*m_block);
    }
}

void MicroscopeView::updateAll() {
    const TensorInfo* tensor = document().tensor();
    m_cell = tensor != nullptr ? selectedCell(document()) : std::nullopt;
    const auto source = document().source();
    const std::optional<std::size_t> index = document().tensorIndex();
    if (!m_cell || !source || !index) {
        m_block.reset();
        if (document().tensorError()) {
            showReason(tr("This tensor cannot be read"),
                       QString::fromStdString(document().tensorError()->message()),
                       {});
        } else {
            showReason(tr("No weight selected"),
                       tr("Click a cell of the matrix: its bytes in the file, the block that they "
                          "make and the equation with its numbers appear here."),
                       document().weights() ? tr("Select the first weight") : QString());
        }
        return;
    }
    Result<BlockView> view = source->block(*index, m_cell->row, m_cell->col);
    if (!view || view->spans.empty() || view->cells.empty()) {
        m_block.reset();
        showReason(tr("No bytes to show of this weight"),
                   view ? tr("The reader does not say where it lies.")
                        : QString::fromStdString(view.error().message()),
                   {});
        return;
    }
    const bool moved = !m_block || !m_block->isSameBlock(*view) ||
                       m_block->element() != view->element || m_tensor != tensor->name;
    m_tensor = tensor->name;
    takeBlock(std::move(*view));
    m_emptyArea->hide();
    m_scroll->show();
    arrange();
    updateHead();
    updateBytes();
    if (moved) {
        const auto& parts = m_block->part().parts;
        const auto code = std::find_if(parts.begin(), parts.end(), [](const BlockPart& part) {
            return part.role == BlockRole::Codes && !part.bits.empty();
        });
        m_hex->setCurrentByte(code != parts.end() ? code->bits.front().byte : 0);
        updateByteStrip();
    }
    updateStruct();
    updateParts();
    updateEquation();
    updateEffect();
    updateCells();
    updateFieldList();
    updateField();
    updateActions();
}

void MicroscopeView::showReason(const QString& title, const QString& why, const QString& button) {
    m_scroll->hide();
    m_empty->setContent("microscope", title, why);
    m_empty->setButton(button);
    m_emptyArea->show();
    setSubtitle({});
    setAccessibleDescription(title + ". " + why);
    document().jobs().cancel(QLatin1String(kFieldSlot));
    m_fieldKey.clear();
    updateActions();
}

QString MicroscopeView::emptyReason() const {
    return m_block ? QString() : accessibleDescription();
}

void MicroscopeView::afterFlip() {
    updateBytes();
    updateStruct();
    updateParts();
    updateEquation();
    updateEffect();
    updateCells();
    updateField();
    updateActions();
}

void MicroscopeView::flip(BlockBit bit) {
    if (!m_block || bit.byte < 0 || bit.bit < 0 || bit.bit > 7 ||
        bit.byte >= static_cast<std::int64_t>(m_block->bytes().size())) {
        return;
    }
    m_hex->setCurrentByte(bit.byte);
    const MicroscopeBlock::Owner owner = m_block->owner(bit.byte, bit.bit);
    if (isPlain() && owner.element >= 0) {
        std::vector<std::byte> bytes = m_block->bytes();
        bytes[static_cast<std::size_t>(bit.byte)] ^= std::byte{1} << bit.bit;
        const BlockView& view = m_block->view();
        const auto& [row, col] = view.cells[static_cast<std::size_t>(owner.element)];
        // The document answers with changed(Tensor), which shows it.
        document().setCode(row, col, plainCode(view.explain(bytes, owner.element)));
        return;
    }
    m_block->flip(bit);
    afterFlip();
}

void MicroscopeView::undo() {
    if (m_block && m_block->canUndo()) {
        m_block->undo();
        afterFlip();
    }
}

void MicroscopeView::redo() {
    if (m_block && m_block->canRedo()) {
        m_block->redo();
        afterFlip();
    }
}

void MicroscopeView::resetFlips() {
    if (!m_block) {
        return;
    }
    m_kept.erase(keyOf(m_block->view()));
    if (!isPlain()) {
        m_block->reset();
        afterFlip();
        return;
    }
    const TensorInfo* tensor = document().tensor();
    std::vector<std::int64_t> indices;
    for (const auto& [row, col] : m_block->view().cells) {
        indices.push_back(storedIndex(*tensor, Cell{row, col}));
    }
    const std::string name = tensor->name;
    document().edit(tr("Reset bit edits"), [&](ExperimentSpec& spec) {
        std::erase_if(spec.edits, [&](const Edit& edit) {
            return edit.tensor == name &&
                   std::find(indices.begin(), indices.end(), edit.index) != indices.end();
        });
    });
}

void MicroscopeView::step(bool forward) {
    const auto weights = document().weights();
    const auto source = document().source();
    const auto index = document().tensorIndex();
    if (!m_block || !weights || !source || !index) {
        return;
    }
    const std::optional<Cell> next =
        beside(m_block->view(), forward, weights->rows(), weights->cols());
    if (!next) {
        return;
    }
    const Result<BlockView> view = source->block(*index, next->row, next->col);
    if (view && !view->cells.empty()) {
        const auto last = static_cast<std::int64_t>(view->cells.size()) - 1;
        const auto& [row, col] =
            view->cells[static_cast<std::size_t>(std::min(m_block->element(), last))];
        document().cursor().select(Cell{row, col});
        document().cursor().reveal(Cell{row, col});
    }
}

void MicroscopeView::updateActions() {
    const auto weights = document().weights();
    const auto can = [&](bool forward) {
        return m_block && weights &&
               beside(m_block->view(), forward, weights->rows(), weights->cols()).has_value();
    };
    m_previous->setEnabled(can(false));
    m_next->setEnabled(can(true));
    m_actions[0]->setEnabled(m_previous->isEnabled());
    m_actions[1]->setEnabled(m_next->isEnabled());
    const bool local = m_block && !isPlain();
    m_undoButton->setVisible(local);
    m_redoButton->setVisible(local);
    m_undoButton->setEnabled(local && m_block->canUndo());
    m_redoButton->setEnabled(local && m_block->canRedo());
    m_resetButton->setEnabled(m_block && m_block->isEdited());
}

bool MicroscopeView::event(QEvent* event) {
    // Inside of this view Ctrl+Z takes flipped bits of a block back, while there are some; the
    // experiment's own undo has the key otherwise.
    if (event->type() == QEvent::ShortcutOverride && m_block && !isPlain()) {
        const auto* key = static_cast<QKeyEvent*>(event);
        if ((key->matches(QKeySequence::Undo) && m_block->canUndo()) ||
            (key->matches(QKeySequence::Redo) && m_block->canRedo())) {
            event->accept();
            return true;
        }
    }
    return View::event(event);
}

void MicroscopeView::keyPressEvent(QKeyEvent* event) {
    if (event->matches(QKeySequence::Undo) && m_block && m_block->canUndo()) {
        undo();
    } else if (event->matches(QKeySequence::Redo) && m_block && m_block->canRedo()) {
        redo();
    } else if (event->modifiers() == Qt::NoModifier && event->key() == Qt::Key_N) {
        step(true);
    } else if (event->modifiers() == Qt::NoModifier && event->key() == Qt::Key_P) {
        step(false);
    } else {
        View::keyPressEvent(event);
    }
}

std::optional<std::size_t> MicroscopeView::fieldPart() const {
    if (!m_block) {
        return std::nullopt;
    }
    const std::vector<BlockPart>& parts = m_block->part().parts;
    const auto find = [&](auto accept) -> std::optional<std::size_t> {
        const auto found = std::find_if(parts.begin(), parts.end(), accept);
        return found == parts.end()
                   ? std::nullopt
                   : std::optional(static_cast<std::size_t>(found - parts.begin()));
    };
    // "sc 3" stays the sub-block's scale where the chosen element is in another sub-block.
    const QString stem = m_fieldName.section(QLatin1Char(' '), 0, 0);
    for (const auto& part :
         {find([&](const BlockPart& p) { return QString::fromStdString(p.name) == m_fieldName; }),
          find([&](const BlockPart& p) {
              return !stem.isEmpty() &&
                     QString::fromStdString(p.name).section(QLatin1Char(' '), 0, 0) == stem;
          }),
          find([](const BlockPart& p) { return p.role == BlockRole::Scale; })}) {
        if (part) {
            return part;
        }
    }
    return parts.empty() ? std::nullopt : std::optional(std::size_t{0});
}

void MicroscopeView::chooseField(const QString& part, bool wholeTensor) {
    m_fieldName = part;
    m_whole = wholeTensor;
    m_scope->setCurrent(wholeTensor ? "tensor" : "row");
    updateFieldList();
    updateField();
}

void MicroscopeView::updateField() {
    const std::optional<std::size_t> part = fieldPart();
    const auto index = document().tensorIndex();
    if (!part || !index || !m_cell) {
        return;
    }
    const BlockPart& chosen = m_block->part().parts[*part];
    m_plot->setHere(chosen.value);
    FieldQuestion question{document().source(),
                           *index,
                           chosen.name,
                           *part,
                           m_block->element(),
                           m_whole ? -1 : m_cell->row};
    // Scales are the same for every element of a block: moving inside of it asks nothing new.
    const bool shared = chosen.role == BlockRole::Scale || chosen.role == BlockRole::Minimum;
    const std::string key = m_tensor + '\n' + chosen.name + '\n' + std::to_string(question.row) +
                            '\n' + std::to_string(shared ? -1 : question.element);
    if (key == m_fieldKey) {
        m_fieldText->setText(m_plot->sentence());
        return;
    }
    m_fieldKey = key;
    m_plot->setMessage(tr("computing…"));
    m_fieldText->clear();
    const QString name = QString::fromStdString(chosen.name);
    document().jobs().start(
        QLatin1String(kFieldSlot),
        tr("%1 of all blocks").arg(name),
        [question](const JobContext& ctx) { return collectField(question, ctx); },
        this,
        [this, name](const Result<FieldValues>& found) {
            if (found) {
                m_plot->setValues(*found, name);
            } else {
                m_plot->setMessage(QString::fromStdString(found.error().message()));
            }
            m_fieldText->setText(found ? m_plot->sentence() : QString());
        });
}

QJsonObject MicroscopeView::save() const {
    return {{"field", m_fieldName}, {"whole_tensor", m_whole}};
}

void MicroscopeView::restore(const QJsonObject& state) {
    chooseField(state["field"].toString(), state["whole_tensor"].toBool());
}

extern const ViewDefinition kView_microscope;
const ViewDefinition kView_microscope{"microscope",
                                      "Block microscope",
                                      Area::Bottom,
                                      [](Document& document, QWidget* parent) -> View* {
                                          return new MicroscopeView(document, parent);
                                      }};

}  // namespace loupe::app
