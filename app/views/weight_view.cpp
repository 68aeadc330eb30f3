// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/weight_view.hpp"

#include "app/plot/plot_style.hpp"
#include "app/views/cell_access.hpp"
#include "app/views/format_table.hpp"
#include "app/views/stored_equation.hpp"
#include "app/views/worked_lines.hpp"
#include "app/widgets/bit_strip.hpp"

#include <QAction>
#include <QApplication>
#include <QBoxLayout>
#include <QClipboard>
#include <QFileInfo>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QResizeEvent>
#include <QScrollArea>
#include <QScrollBar>

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

/// From this width of the panel on the two schemes stand side by side.
constexpr double kSideBySide = 640;
/// From this width on the buttons show the neighbours' values.
constexpr double kNeighbourText = 440;

}  // namespace

WeightView::WeightView(Document& document, QWidget* parent) : View(document, parent) {
    setObjectName("weight");
    setAccessibleName(tr("Selected weight"));
    m_scroll = new QScrollArea;
    m_scroll->setFrameShape(QFrame::NoFrame);
    m_scroll->setWidgetResizable(true);
    m_scroll->setFocusPolicy(Qt::NoFocus);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_scroll);
    buildContent();
    makeActions();
    for (QWidget* widget : {static_cast<QWidget*>(this), m_content, m_scroll->viewport()}) {
        widget->setBackgroundRole(QPalette::Base);
        widget->setAutoFillBackground(true);
    }
    setTextRole(m_value, TextRole::NumberHero);
    setTextRole(m_codeLabel, TextRole::Number);
    setTone(m_codeLabel, Tone::Secondary);
    setTextRole(m_edited, TextRole::Small);
    for (QLabel* label : {m_facts, m_noScheme}) {
        setTextRole(label, TextRole::Small);
        setTone(label, Tone::Tertiary);
    }
    setTextRole(m_formatsTitle, TextRole::Heading);
    for (QPushButton* button : {m_below, m_above}) {
        setTextRole(button, TextRole::Number);
    }
    updateStyle();
    connect(&document.cursor(), &Cursor::selectionChanged, this, [this] {
        if (isVisible()) {
            update(true);
        }
    });
    update(true);
}

void WeightView::buildContent() {
    m_content = new QWidget;
    m_content->setObjectName("weightContent");
    m_value = new QLabel;
    m_value->setObjectName("value");
    m_value->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_codeLabel = new QLabel;
    m_codeLabel->setObjectName("code");
    m_codeLabel->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_below = new QPushButton;
    m_above = new QPushButton;
    m_below->setIcon(themedIcon("prev"));
    m_above->setIcon(themedIcon("next"));
    m_above->setLayoutDirection(Qt::RightToLeft);
    connect(m_below, &QPushButton::clicked, this, [this] { step(false); });
    connect(m_above, &QPushButton::clicked, this, [this] { step(true); });
    auto* head = new QHBoxLayout;
    head->setSpacing(Theme::px(8));
    head->addWidget(m_value);
    head->addWidget(m_codeLabel, 0, Qt::AlignBottom);
    head->addStretch();
    head->addWidget(m_below);
    head->addWidget(m_above);
    m_strip = new BitStrip;
    m_strip->setCellRange(14, 24);
    connect(m_strip, &BitStrip::bitToggled, this, &WeightView::flipBit);
    m_equation = new EquationLabel;
    m_equation->setObjectName("equation");
    m_edited = new QLabel;
    m_edited->setWordWrap(true);
    m_reset = new QPushButton(tr("Reset bit edits"));
    m_reset->setIcon(themedIcon("reset"));
    m_reset->setToolTip(tr("Read this weight as the file has it"));
    connect(m_reset, &QPushButton::clicked, this, &WeightView::resetEdit);
    m_editedRow = new QWidget;
    auto* editedLayout = new QHBoxLayout(m_editedRow);
    editedLayout->setContentsMargins(0, 0, 0, 0);
    editedLayout->addWidget(m_edited, 1);
    editedLayout->addWidget(m_reset);
    m_facts = new QLabel;
    m_facts->setWordWrap(true);
    m_facts->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_schemesLayout = new QBoxLayout(QBoxLayout::TopToBottom);
    m_schemesLayout->setSpacing(Theme::px(12));
    for (const Side side : {Side::A, Side::B}) {
        auto* worked = new WorkedLines(side);
        m_worked[side == Side::A ? 0 : 1] = worked;
        m_schemesLayout->addWidget(worked, 1, Qt::AlignTop);
    }
    m_noScheme = new QLabel(tr("Choose a scheme under A or B to see what becomes of this weight."));
    m_noScheme->setWordWrap(true);
    m_formatsTitle = new QLabel(tr("In every format"));
    m_formats = new FormatTable;
    connect(m_formats, &FormatTable::storedBitToggled, this, &WeightView::flipBit);
    auto* layout = new QVBoxLayout(m_content);
    layout->setContentsMargins(Theme::px(12), Theme::px(8), Theme::px(12), Theme::px(10));
    layout->setSpacing(Theme::px(6));
    layout->addLayout(head);
    layout->addWidget(m_strip);
    layout->addWidget(m_equation);
    layout->addWidget(m_editedRow);
    layout->addSpacing(Theme::px(4));
    layout->addLayout(m_schemesLayout);
    layout->addWidget(m_noScheme);
    layout->addWidget(m_facts);
    layout->addSpacing(Theme::px(6));
    layout->addWidget(m_formatsTitle);
    layout->addWidget(m_formats);
    layout->addStretch();
    m_scroll->setWidget(m_content);
}

void WeightView::makeActions() {
    auto* pin = new QAction(themedIcon("pin"), tr("Pin this weight"), this);
    connect(pin, &QAction::triggered, this, [this] {
        if (m_cell) {
            document().cursor().addPin(*m_cell);
        }
    });
    auto* copy = new QAction(themedIcon("copy"), tr("Copy numbers"), this);
    connect(copy, &QAction::triggered, this, [this] {
        QApplication::clipboard()->setText(copyText());
    });
    auto* reveal = new QAction(tr("Show in the matrix"), this);
    connect(reveal, &QAction::triggered, this, [this] {
        if (m_cell) {
            document().cursor().reveal(*m_cell);
        }
    });
    m_actions = {pin, copy, reveal};
}

void WeightView::refresh(Changes what) {
    if (what & Change::Display) {
        updateStyle();
    }
    if (what & (Change::Source | Change::Tensor)) {
        update(true);
    } else if (what & (Change::SchemeA | Change::SchemeB | Change::Inputs | Change::Results)) {
        updateSchemes();
    }
}

const NumberFormat* WeightView::format() const {
    const TensorInfo* tensor = document().tensor();
    return tensor != nullptr && tensor->type != nullptr ? tensor->type->format : nullptr;
}

std::optional<std::uint64_t> WeightView::originalCode() const {
    const TensorInfo* tensor = document().tensor();
    const auto source = document().source();
    const auto index = document().tensorIndex();
    if (!m_cell || tensor == nullptr || !source || !index) {
        return std::nullopt;
    }
    const auto matrix = source->matrix(*index);
    const std::optional<RawMatrix> raw = matrix ? (*matrix)->raw() : std::nullopt;
    if (!raw || raw->type == nullptr || raw->type->bits > 64) {
        return std::nullopt;
    }
    return elementCode(*raw->type, raw->bytes, m_cell->row * tensor->cols + m_cell->col);
}

void WeightView::update(bool) {
    m_cell = document().tensor() != nullptr ? selectedCell(document()) : std::nullopt;
    m_number = m_cell ? cellValue(document(), *m_cell) : std::nullopt;
    m_code =
        m_cell && format() != nullptr ? document().code(m_cell->row, m_cell->col) : std::nullopt;
    m_scroll->setVisible(m_number.has_value());
    setSubtitle(m_cell ? cellName(*m_cell) : QString());
    QWidget::update();
    if (!m_number) {
        m_cell.reset();
        setAccessibleDescription(tr("No weight selected"));
        return;
    }
    updateValue();
    updateEquation();
    updateEdited();
    updateFacts();
    updateSchemes();
    m_formats->setValue(m_number, m_code ? format() : nullptr, m_code.value_or(0));
    setAccessibleDescription(cellName(*m_cell) + ", " + valueText());
}

void WeightView::updateValue() {
    m_value->setText(valueText());
    const NumberFormat* stored = format();
    const bool known = stored != nullptr && m_code;
    m_codeLabel->setVisible(known);
    m_strip->setVisible(known);
    m_below->setVisible(known);
    m_above->setVisible(known);
    if (!known) {
        return;
    }
    const EncodedNumber described = describeCode(*stored, *m_code);
    m_codeLabel->setText(QString::fromStdString(described.bitsHex));
    m_strip->setBits(*m_code, stored->bits, bitFields(*stored));
    const auto neighbour = [&](QPushButton* button,
                               const std::optional<double>& value,
                               const std::optional<std::uint64_t>& code,
                               const QString& name) {
        button->setEnabled(value && code);
        const int digits = limits(*stored).maxDigits10.value_or(5);
        const bool room = width() >= Theme::px(kNeighbourText) && digits <= 9;
        button->setText(!room ? QString() : value ? formatNumber(*value, digits) : tr("none"));
        button->setToolTip(value ? tr("%1 representable value: %2")
                                       .arg(name, formatExact(*value, stored->bits <= 32))
                                 : QString());
        button->setAccessibleName(tr("%1 representable value").arg(name));
    };
    neighbour(m_below, described.below, described.belowCode, tr("Previous"));
    neighbour(m_above, described.above, described.aboveCode, tr("Next"));
}

QString WeightView::valueText() const {
    const auto weights = document().weights();
    return m_number ? formatExact(*m_number, !(weights && weights->isDouble())) : QString();
}

QString WeightView::equationText() const {
    const NumberFormat* stored = format();
    return stored != nullptr && m_code ? m_equation->plainText() : QString();
}

QString WeightView::workedText(Side side) const {
    return m_worked[side == Side::A ? 0 : 1]->text();
}

void WeightView::updateEquation() {
    const NumberFormat* stored = format();
    m_equation->setVisible(stored != nullptr && m_code);
    if (stored != nullptr && m_code) {
        m_equation->setRuns(storedEquation(*stored, *m_code));
    }
}

void WeightView::updateEdited() {
    const bool edited = document().isEdited(m_cell->row, m_cell->col);
    m_editedRow->setVisible(edited);
    m_strip->setReference(std::nullopt);
    if (!edited) {
        return;
    }
    const QString mark = QStringLiteral("<span style='color:%1'>\u25B2</span> ")
                             .arg(Theme::current().warning.name());
    const std::optional<std::uint64_t> original = originalCode();
    m_strip->setReference(original);
    if (original && format() != nullptr) {
        const EncodedNumber described = describeCode(*format(), *original);
        m_edited->setText(mark + tr("Edited here only. In the file: %1, %2")
                                     .arg(formatExact(described.value, format()->bits <= 32),
                                          QString::fromStdString(described.bitsHex)));
    } else {
        m_edited->setText(mark + tr("Edited here only; the file keeps its value."));
    }
}

void WeightView::updateFacts() {
    const TensorInfo* tensor = document().tensor();
    QStringList facts;
    if (format() != nullptr) {
        facts << tr("stored as %1")
                     .arg(QString::fromUtf8(format()->title.data(),
                                            qsizetype(format()->title.size())));
    } else {
        facts << tr("stored as %1").arg(QString::fromStdString(tensor->dtypeName));
    }
    if (tensor->offset && tensor->type != nullptr && tensor->type->bits >= 8) {
        const std::uint64_t offset =
            *tensor->offset +
            std::uint64_t(storedIndex(*tensor, *m_cell)) * std::uint64_t(tensor->type->bits / 8);
        QString file;
        const auto source = document().source();
        if (source && tensor->file >= 0 &&
            std::size_t(tensor->file) < source->info().files.size()) {
            file = tr(" of %1").arg(QString::fromStdString(
                source->info().files[std::size_t(tensor->file)].filename().string()));
        }
        facts << tr("byte %1 (0x%2)%3")
                     .arg(formatCount(qint64(offset)), QString::number(offset, 16).toUpper(), file);
    }
    m_facts->setText(facts.join("  ·  "));
}

void WeightView::updateSchemes() {
    if (!m_cell) {
        return;
    }
    bool any = false;
    for (const Side side : {Side::A, Side::B}) {
        WorkedLines& worked = *m_worked[side == Side::A ? 0 : 1];
        const QString text = document().scheme(side);
        worked.setVisible(!text.isEmpty());
        if (text.isEmpty()) {
            continue;
        }
        any = true;
        const Result<Scheme> parsed = parseScheme(text.toStdString());
        const QString name = parsed ? QString::fromStdString(title(*parsed)) : text;
        const Lookup<SchemeResult> lookup = document().analyses().scheme(side);
        if (lookup.value && lookup.value->quantized) {
            worked.setLines(name, lookup.value->quantized->explain(m_cell->row, m_cell->col));
        } else if (lookup.error) {
            worked.setMessage(name, QString::fromStdString(lookup.error->message()), true);
        } else if (worked.text().isEmpty() || !lookup.stale) {
            worked.setMessage(name, tr("computing…"), false);
        }
    }
    m_noScheme->setVisible(!any);
    arrangeSchemes();
}

void WeightView::arrangeSchemes() {
    const bool wide = width() >= Theme::px(kSideBySide);
    m_schemesLayout->setDirection(wide ? QBoxLayout::LeftToRight : QBoxLayout::TopToBottom);
}

void WeightView::updateStyle() {
    if (m_cell) {
        updateEdited();
    }
}

void WeightView::flipBit(int bit) {
    if (m_cell && m_code) {
        document().setCode(m_cell->row, m_cell->col, *m_code ^ (std::uint64_t{1} << bit));
    }
}

void WeightView::step(bool up) {
    if (!m_cell || !m_code || format() == nullptr) {
        return;
    }
    const EncodedNumber described = describeCode(*format(), *m_code);
    if (const auto& code = up ? described.aboveCode : described.belowCode) {
        document().setCode(m_cell->row, m_cell->col, *code);
    }
}

void WeightView::resetEdit() {
    const TensorInfo* tensor = document().tensor();
    if (!m_cell || tensor == nullptr) {
        return;
    }
    const std::string name = tensor->name;
    const std::int64_t index = storedIndex(*tensor, *m_cell);
    document().edit(tr("Reset bit edits"), [name, index](ExperimentSpec& spec) {
        std::erase_if(spec.edits,
                      [&](const Edit& edit) { return edit.tensor == name && edit.index == index; });
    });
}

QString WeightView::copyText() const {
    if (!m_cell || !m_number) {
        return {};
    }
    QString text = QString("row\tcolumn\tvalue\tcode\n%1\t%2\t%3\t%4\n\n")
                       .arg(m_cell->row)
                       .arg(m_cell->col)
                       .arg(toAscii(valueText()), m_code ? m_codeLabel->text() : QString());
    for (const Side side : {Side::A, Side::B}) {
        const Lookup<SchemeResult> lookup = document().scheme(side).isEmpty()
                                                ? Lookup<SchemeResult>()
                                                : document().analyses().scheme(side);
        if (!lookup.value || !lookup.value->quantized) {
            continue;
        }
        text += QString("scheme %1\texpression\tresult\tnote\n").arg(side == Side::A ? "A" : "B");
        for (const EquationLine& line :
             lookup.value->quantized->explain(m_cell->row, m_cell->col)) {
            text += QString::fromStdString(line.label + '\t' + line.expression + '\t' +
                                           line.result + '\t' + line.note) +
                    '\n';
        }
        text += '\n';
    }
    return text + m_formats->copyText();
}

QSizeF WeightView::exportSize() const {
    const int width = std::max(m_scroll->viewport()->width(), Theme::px(560));
    return QSizeF(width,
                  m_content->layout()->hasHeightForWidth()
                      ? m_content->layout()->totalHeightForWidth(width)
                      : m_content->sizeHint().height());
}

void WeightView::paintExport(QPainter& painter, const QRectF& target) {
    // The whole page, not only the part in view: laid out at the target's width for one drawing.
    const QSize before = m_content->size();
    const QSize size = target.size().toSize();
    updateStyle();
    // What only serves to operate it stays out of the picture.
    const std::array<QWidget*, 2> controls{m_below, m_above};
    const bool shown = !m_below->isHidden();
    for (QWidget* widget : controls) {
        widget->hide();
    }
    // Palettes reach widgets with the event loop; an export cannot wait for it.
    m_content->setPalette(Theme::current().palette());
    m_scroll->setWidgetResizable(false);  // else it takes its size back at once
    m_content->resize(size);
    m_content->layout()->activate();
    painter.save();
    painter.translate(target.topLeft());
    m_content->render(&painter, QPoint(), QRegion(), QWidget::DrawChildren);
    painter.restore();
    for (QWidget* widget : controls) {
        widget->setVisible(shown);
    }
    m_content->setPalette(QPalette());
    m_scroll->setWidgetResizable(true);
    m_content->resize(before);
    m_content->layout()->activate();
}

QJsonObject WeightView::save() const {
    return {{"scroll", m_scroll->verticalScrollBar()->value()}};
}

void WeightView::restore(const QJsonObject& state) {
    m_scroll->verticalScrollBar()->setValue(state["scroll"].toInt());
}

void WeightView::changeEvent(QEvent* event) {
    View::changeEvent(event);
    if (m_formats != nullptr && event->type() == QEvent::PaletteChange) {
        updateStyle();
    }
}

void WeightView::resizeEvent(QResizeEvent* event) {
    View::resizeEvent(event);
    arrangeSchemes();
    const bool crossed = (event->size().width() >= Theme::px(kNeighbourText)) !=
                         (event->oldSize().width() >= Theme::px(kNeighbourText));
    if (m_number && crossed) {
        updateValue();
    }
}

void WeightView::paintEvent(QPaintEvent*) {
    if (m_number) {
        return;
    }
    QPainter painter(this);
    if (document().tensorError()) {
        drawEmpty(painter,
                  QRectF(rect()),
                  "error",
                  tr("This tensor cannot be read"),
                  QString::fromStdString(document().tensorError()->message()));
    } else {
        drawEmpty(painter,
                  QRectF(rect()),
                  "matrix",
                  tr("No weight selected"),
                  tr("Click a cell of the matrix: its bits, its place in the file and both schemes "
                     "worked out appear here."));
    }
}

extern const ViewDefinition kView_weight;
const ViewDefinition kView_weight{
    "weight", "Selected weight", Area::Bottom, [](Document& document, QWidget* parent) -> View* {
        return new WeightView(document, parent);
    }};

}  // namespace loupe::app
