// SPDX-License-Identifier: GPL-3.0-or-later
// The block microscope's page: what is where.
#include "app/views/cell_access.hpp"
#include "app/views/microscope_view.hpp"
#include "app/widgets/block_cells.hpp"
#include "app/widgets/block_struct.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/flow_box.hpp"
#include "app/widgets/hex_grid.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/number_table.hpp"
#include "app/widgets/theme.hpp"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QResizeEvent>
#include <QScrollArea>
#include <QScrollBar>
#include <QVBoxLayout>

#include <algorithm>

namespace loupe::app {

namespace {

/// From these widths on there are three and two columns.
constexpr double kThreeColumns = 1120;
constexpr double kTwoColumns = 700;

QVBoxLayout* panel(QWidget*& widget) {
    widget = new QWidget;
    auto* layout = new QVBoxLayout(widget);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(Theme::px(4));
    return layout;
}

}  // namespace

QLabel* MicroscopeView::caption(const QString& text, QVBoxLayout* into) {
    auto* label = new QLabel(text);
    label->setWordWrap(true);
    setTextRole(label, TextRole::Caption);
    setTone(label, Tone::Tertiary);
    into->addWidget(label);
    return label;
}

void MicroscopeView::buildPage() {
    m_empty = new EmptyState;
    connect(m_empty, &EmptyState::activated, this, [this] {
        document().cursor().select(Cell{0, 0});
    });
    m_scroll = new QScrollArea;
    m_scroll->setFrameShape(QFrame::NoFrame);
    m_scroll->setWidgetResizable(true);
    m_scroll->setFocusPolicy(Qt::NoFocus);
    m_content = new QWidget;
    m_content->setObjectName("microscopeContent");
    auto* outer = new QVBoxLayout(this);
    outer->setContentsMargins(0, 0, 0, 0);
    // In a scroll area, so that its text does not make a small window grow.
    m_emptyArea = new QScrollArea;
    m_emptyArea->setFrameShape(QFrame::NoFrame);
    m_emptyArea->setWidgetResizable(true);
    m_emptyArea->setFocusPolicy(Qt::NoFocus);
    m_emptyArea->setWidget(m_empty);
    outer->addWidget(m_emptyArea, 1);
    outer->addWidget(m_scroll, 1);
    auto* page = new QVBoxLayout(m_content);
    page->setContentsMargins(Theme::px(12), Theme::px(6), Theme::px(12), Theme::px(10));
    page->setSpacing(Theme::px(6));
    m_place = new QLabel;
    m_place->setObjectName("place");
    m_place->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_place->setWordWrap(true);
    setTextRole(m_place, TextRole::Small);
    setTone(m_place, Tone::Secondary);
    m_previous = new QPushButton(tr("Block"));
    m_previous->setIcon(themedIcon("prev"));
    m_previous->setAccessibleName(tr("Previous block"));
    m_previous->setToolTip(tr("The block before in the file (P)"));
    m_next = new QPushButton(tr("Block"));
    m_next->setIcon(themedIcon("next"));
    m_next->setLayoutDirection(Qt::RightToLeft);
    m_next->setAccessibleName(tr("Next block"));
    m_next->setToolTip(tr("The block behind in the file (N)"));
    connect(m_previous, &QPushButton::clicked, this, [this] { step(false); });
    connect(m_next, &QPushButton::clicked, this, [this] { step(true); });
    auto* head = new QHBoxLayout;
    head->setSpacing(Theme::px(8));
    head->addWidget(m_place, 1);
    head->addWidget(m_previous);
    head->addWidget(m_next);
    page->addLayout(head);
    m_grid = new QGridLayout;
    m_grid->setHorizontalSpacing(Theme::px(24));
    m_grid->setVerticalSpacing(Theme::px(10));
    page->addLayout(m_grid);
    page->addStretch();
    buildBytes();
    buildStruct();
    buildEffect();
    m_scroll->setWidget(m_content);
    for (QWidget* widget : {static_cast<QWidget*>(this),
                            m_content,
                            m_scroll->viewport(),
                            static_cast<QWidget*>(m_empty),
                            m_emptyArea->viewport()}) {
        widget->setBackgroundRole(QPalette::Base);
        widget->setAutoFillBackground(true);
    }
    arrange();
}

void MicroscopeView::buildBytes() {
    QVBoxLayout* layout = panel(m_bytesPanel);
    caption(tr("Bytes in the file; faded ones do not take part in this weight"), layout);
    m_hex = new HexGrid;
    connect(m_hex, &HexGrid::byteChosen, this, [this](qlonglong byte) {
        updateByteStrip();
        if (m_block) {
            m_struct->setCurrentField(m_block->fieldAt(byte));
        }
    });
    layout->addWidget(m_hex);
    m_legend = new FieldLegend;
    layout->addWidget(m_legend);
    layout->addSpacing(Theme::px(4));
    m_byteLabel = caption({}, layout);
    m_byteStrip = new BitStrip;
    m_byteStrip->setCellRange(18, 26);
    m_byteStrip->setShowFieldValues(false);
    connect(m_byteStrip, &BitStrip::bitToggled, this, [this](int bit) {
        flip({m_hex->currentByte(), bit});
    });
    layout->addWidget(m_byteStrip);
    layout->addStretch();
}

void MicroscopeView::buildStruct() {
    QVBoxLayout* layout = panel(m_structPanel);
    caption(tr("The block to scale; framed: the bits of this weight"), layout);
    m_struct = new BlockStruct;
    connect(m_struct, &BlockStruct::fieldChosen, this, [this](int field) {
        m_hex->setCurrentByte(m_struct->fields()[static_cast<std::size_t>(field)].begin);
        updateByteStrip();
    });
    layout->addWidget(m_struct);
    m_formula = new QLabel;
    m_formula->setWordWrap(true);
    m_formula->setTextInteractionFlags(Qt::TextSelectableByMouse);
    setTextRole(m_formula, TextRole::Equation);
    setTone(m_formula, Tone::Secondary);
    layout->addWidget(m_formula);
    m_equation = new EquationLabel;
    m_equation->setObjectName("equation");
    layout->addWidget(m_equation);
    caption(tr("Every bit that this weight depends on; click one to flip it"), layout);
    m_partBox = new FlowBox;
    layout->addWidget(m_partBox);
    m_source = caption({}, layout);
    layout->addStretch();
}

void MicroscopeView::buildEffect() {
    QVBoxLayout* layout = panel(m_effectPanel);
    m_cellsLabel = caption({}, layout);
    m_cells = new BlockCells;
    m_cells->setNames([this](std::int64_t cell) {
        if (!m_block || cell >= static_cast<std::int64_t>(m_block->view().cells.size())) {
            return QString();
        }
        const auto& [at, col] = m_block->view().cells[static_cast<std::size_t>(cell)];
        return cellName(Cell{at, col});
    });
    connect(m_cells, &BlockCells::cellChosen, this, [this](qlonglong cell) {
        const auto& [at, col] = m_block->view().cells[static_cast<std::size_t>(cell)];
        document().cursor().select(Cell{at, col});
    });
    layout->addWidget(m_cells);
    layout->addSpacing(Theme::px(4));
    buildEffectTable(*layout);
    buildFieldPlot(*layout);
    layout->addStretch();
}

void MicroscopeView::buildEffectTable(QVBoxLayout& layout) {
    caption(tr("What flipped bits change"), &layout);
    m_table = new NumberTable({QString(), tr("in the file"), tr("flipped"), tr("change")});
    m_table->setAccessibleName(tr("Values in the file and with flipped bits"));
    m_table->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_table->setBackgroundRole(QPalette::Base);
    m_table->viewport()->setBackgroundRole(QPalette::Base);
    layout.addWidget(m_table);
    m_effect = new QLabel;
    m_effect->setObjectName("effect");
    m_effect->setWordWrap(true);
    m_effect->setTextInteractionFlags(Qt::TextSelectableByMouse);
    setTextRole(m_effect, TextRole::Small);
    setTone(m_effect, Tone::Secondary);
    layout.addWidget(m_effect);
    auto* row = new FlowBox;
    row->setSpacing(6);
    const auto button = [&](const char* icon, const QString& text, void (MicroscopeView::*run)()) {
        auto* made = new QPushButton(themedIcon(icon), text);
        connect(made, &QPushButton::clicked, this, run);
        row->add(made);
        return made;
    };
    m_undoButton = button("undo", tr("Undo"), &MicroscopeView::undo);
    m_redoButton = button("redo", tr("Redo"), &MicroscopeView::redo);
    m_resetButton = button("reset", tr("Reset bits"), &MicroscopeView::resetFlips);
    m_resetButton->setToolTip(tr("Read this block as the file has it"));
    layout.addWidget(row);
}

void MicroscopeView::buildFieldPlot(QVBoxLayout& layout) {
    layout.addSpacing(Theme::px(4));
    auto* fieldRow = new FlowBox;
    caption(tr("The same field in all blocks"), &layout);
    m_field = new QComboBox;
    m_field->setAccessibleName(tr("Field"));
    connect(m_field, &QComboBox::textActivated, this, [this](const QString& name) {
        chooseField(name, m_whole);
    });
    m_scope = new SegmentedControl;
    m_scope->setCompact(true);
    m_scope->setAccessibleName(tr("Blocks of"));
    m_scope->setOptions({{"row", tr("Row"), tr("All blocks of this row")},
                         {"tensor", tr("Tensor"), tr("All blocks of the tensor")}});
    m_scope->setCurrent("row");
    connect(m_scope, &SegmentedControl::chosen, this, [this](const QString& id) {
        chooseField(m_fieldName, id == "tensor");
    });
    fieldRow->add(m_field);
    fieldRow->add(m_scope);
    layout.addWidget(fieldRow);
    m_plot = new FieldPlot;
    layout.addWidget(m_plot);
    m_fieldText = caption({}, &layout);
}

void MicroscopeView::makeActions() {
    auto* previous = new QAction(themedIcon("prev"), tr("Previous block"), this);
    connect(previous, &QAction::triggered, this, [this] { step(false); });
    auto* next = new QAction(themedIcon("next"), tr("Next block"), this);
    connect(next, &QAction::triggered, this, [this] { step(true); });
    auto* copy = new QAction(themedIcon("copy"), tr("Copy as text"), this);
    connect(copy, &QAction::triggered, this, [this] {
        QApplication::clipboard()->setText(copyText());
    });
    auto* reset = new QAction(themedIcon("reset"), tr("Reset bits"), this);
    connect(reset, &QAction::triggered, this, &MicroscopeView::resetFlips);
    auto* reveal = new QAction(tr("Show in the matrix"), this);
    connect(reveal, &QAction::triggered, this, [this] {
        if (m_cell) {
            document().cursor().reveal(*m_cell);
        }
    });
    m_actions = {previous, next, copy, reset, reveal};
}

void MicroscopeView::arrange() {
    // The scroll area may be hidden now and have an old width.
    const int width = this->width() - m_scroll->verticalScrollBar()->sizeHint().width();
    const int columns = width >= Theme::px(kThreeColumns) ? 3
                        : width >= Theme::px(kTwoColumns) ? 2
                                                          : 1;
    m_table->setFixedHeight(m_table->fullHeight());
    // In a small panel the header's arrows do.
    m_previous->setVisible(columns == 3);
    m_next->setVisible(columns == 3);
    if (columns == m_columns) {
        return;
    }
    m_columns = columns;
    for (QWidget* part : {m_bytesPanel, m_structPanel, m_effectPanel}) {
        m_grid->removeWidget(part);
    }
    for (int column = 0; column < 3; ++column) {
        m_grid->setColumnStretch(column, 0);
    }
    if (columns == 3) {
        m_grid->addWidget(m_bytesPanel, 0, 0);
        m_grid->addWidget(m_structPanel, 0, 1);
        m_grid->addWidget(m_effectPanel, 0, 2);
        m_grid->setColumnStretch(0, 12);
        m_grid->setColumnStretch(1, 14);
        m_grid->setColumnStretch(2, 10);
    } else if (columns == 2) {
        m_grid->addWidget(m_structPanel, 0, 0);
        m_grid->addWidget(m_bytesPanel, 0, 1, 2, 1);
        m_grid->addWidget(m_effectPanel, 1, 0);
        m_grid->setColumnStretch(0, 1);
        m_grid->setColumnStretch(1, 1);
    } else {
        m_grid->addWidget(m_structPanel, 0, 0);
        m_grid->addWidget(m_bytesPanel, 1, 0);
        m_grid->addWidget(m_effectPanel, 2, 0);
        m_grid->setColumnStretch(0, 1);
    }
}

QSizeF MicroscopeView::exportSize() const {
    const int width = std::max(m_scroll->viewport()->width(), Theme::px(kTwoColumns));
    return QSizeF(width, m_content->layout()->totalHeightForWidth(width));
}

void MicroscopeView::paintExport(QPainter& painter, const QRectF& target) {
    // The whole page, laid out at the target's width for one drawing.
    const QSize before = m_content->size();
    m_content->setPalette(Theme::current().palette());
    m_scroll->setWidgetResizable(false);
    m_content->resize(target.size().toSize());
    m_content->layout()->activate();
    painter.save();
    painter.translate(target.topLeft());
    m_content->render(&painter, QPoint(), QRegion(), QWidget::DrawChildren);
    painter.restore();
    m_content->setPalette(QPalette());
    m_scroll->setWidgetResizable(true);
    m_content->resize(before);
    m_content->layout()->activate();
}

void MicroscopeView::resizeEvent(QResizeEvent* event) {
    View::resizeEvent(event);
    arrange();
}

}  // namespace loupe::app
