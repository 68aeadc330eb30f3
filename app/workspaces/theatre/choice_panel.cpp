// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/theatre/choice_panel.hpp"

#include "app/plot/plot_style.hpp"
#include "app/views/step_form.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/scheme_string_field.hpp"
#include "app/widgets/theme.hpp"
#include "app/widgets/value_spin_box.hpp"
#include "app/workspaces/theatre/theatre_model.hpp"
#include "app/workspaces/theatre/transport.hpp"

#include <QComboBox>
#include <QGridLayout>
#include <QLabel>
#include <QListWidget>
#include <QPainter>
#include <QScrollArea>
#include <QStyledItemDelegate>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr int kMethodRole = Qt::UserRole;

QString toQ(std::string_view text) {
    return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size()));
}

/// Rows as the page's other lists draw them: room at the left, a bar at the selected one, headings
/// in small type.
class MethodDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;

    void paint(QPainter* painter,
               const QStyleOptionViewItem& option,
               const QModelIndex& index) const override {
        const Theme& theme = Theme::current();
        const bool method = index.flags().testFlag(Qt::ItemIsEnabled);
        const bool selected = option.state.testFlag(QStyle::State_Selected);
        if (selected) {
            painter->fillRect(option.rect, theme.selected);
            painter->fillRect(QRect(option.rect.topLeft(), QSize(3, option.rect.height())),
                              theme.text);
        } else if (method && option.state.testFlag(QStyle::State_MouseOver)) {
            painter->fillRect(option.rect, theme.raised);
        }
        QFont font = Theme::font(method ? TextRole::Body : TextRole::Caption);
        font.setWeight(selected ? QFont::DemiBold : font.weight());
        painter->setFont(font);
        painter->setPen(method ? theme.text : theme.text3);
        painter->drawText(
            option.rect.adjusted(Theme::px(12), method ? 0 : Theme::px(6), -Theme::px(4), 0),
            Qt::AlignLeft | Qt::AlignVCenter,
            index.data().toString());
        if (selected && option.state.testFlag(QStyle::State_HasFocus)) {
            drawFocusRing(*painter, QRectF(option.rect));
        }
    }
    [[nodiscard]] QSize sizeHint(const QStyleOptionViewItem&,
                                 const QModelIndex& index) const override {
        const bool method = index.flags().testFlag(Qt::ItemIsEnabled);
        return {Theme::px(120), Theme::px(method ? 26 : 30)};
    }
};

QLabel* heading(const QString& text, QWidget* parent) {
    auto* label = new QLabel(text, parent);
    setTextRole(label, TextRole::Heading);
    return label;
}

}  // namespace

MethodList::MethodList(TheatreModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    QLabel* title = heading(tr("Method"), this);
    title->setContentsMargins(Theme::px(12), Theme::px(8), Theme::px(12), Theme::px(6));
    layout->addWidget(title);
    m_list = new QListWidget(this);
    m_list->setObjectName(QStringLiteral("methods"));
    m_list->setAccessibleName(tr("Method"));
    m_list->setFrameShape(QFrame::NoFrame);
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_list->viewport()->setAutoFillBackground(false);
    m_list->setItemDelegate(new MethodDelegate(m_list));
    m_list->setMouseTracking(true);
    setTextRole(m_list, TextRole::Body);
    MethodGroup group{};
    for (const Method& method : playableMethods()) {
        if (m_list->count() == 0 || method.group != group) {
            group = method.group;
            auto* item = new QListWidgetItem(toQ(groupTitle(group)), m_list);
            item->setFlags(Qt::NoItemFlags);
        }
        auto* item = new QListWidgetItem(toQ(method.title), m_list);
        item->setData(kMethodRole, toQ(method.id));
        item->setToolTip(toQ(method.question));
    }
    layout->addWidget(m_list, 1);
    connect(m_list, &QListWidget::currentItemChanged, this, [this](const QListWidgetItem* item) {
        if (item != nullptr && !item->data(kMethodRole).isNull()) {
            m_model.setMethod(item->data(kMethodRole).toString());
        }
    });
    connect(&model, &TheatreModel::choiceChanged, this, &MethodList::refresh);
    refresh();
}

void MethodList::refresh() {
    const QSignalBlocker blocker(m_list);
    for (int row = 0; row < m_list->count(); ++row) {
        const QListWidgetItem* item = m_list->item(row);
        if (m_model.method() != nullptr &&
            item->data(kMethodRole).toString() == toQ(m_model.method()->id)) {
            m_list->setCurrentRow(row);
        }
    }
}

ParameterPanel::ParameterPanel(TheatreModel& model, QWidget* parent)
    : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("parameters"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(Theme::px(12), Theme::px(8), Theme::px(12), Theme::px(8));
    layout->setSpacing(Theme::px(6));
    m_source = new QComboBox(this);
    m_source->setObjectName(QStringLiteral("source"));
    m_source->setAccessibleName(tr("Layer that is played"));
    m_source->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    layout->addWidget(new FormRow(tr("Layer"), m_source, this));
    connect(m_source, &QComboBox::activated, this, [this](int index) {
        m_model.setSource(m_source->itemData(index).toString());
    });
    m_sliceBox = new QWidget(this);
    auto* grid = new QGridLayout(m_sliceBox);
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setSpacing(Theme::px(4));
    const QString names[] = {tr("Row"), tr("Column"), tr("Rows"), tr("Columns")};
    for (int i = 0; i < 4; ++i) {
        auto* label = new QLabel(names[i], m_sliceBox);
        setTextRole(label, TextRole::Small);
        setTone(label, Tone::Secondary);
        m_slice[static_cast<std::size_t>(i)] = new ValueSpinBox(m_sliceBox);
        ValueSpinBox* field = m_slice[static_cast<std::size_t>(i)];
        field->setAccessibleName(tr("Slice: %1").arg(names[i]));
        field->setKeyboardTracking(false);
        field->setDecimals(0);
        setTextRole(field, TextRole::Number);
        grid->addWidget(label, i / 2, (i % 2) * 2);
        grid->addWidget(field, i / 2, (i % 2) * 2 + 1);
        connect(field, &QDoubleSpinBox::valueChanged, this, [this, i] { takeSlice(i < 2); });
    }
    layout->addWidget(m_sliceBox);
    auto* head = new QHBoxLayout;
    head->addWidget(heading(tr("Parameters"), this), 1);
    auto* reset = new QToolButton(this);
    reset->setAutoRaise(true);
    reset->setIcon(themedIcon(QStringLiteral("reset")));
    reset->setToolTip(tr("The method's own settings again"));
    reset->setAccessibleName(tr("Reset parameters"));
    connect(reset, &QToolButton::clicked, this, [this] {
        if (m_model.method() != nullptr) {
            m_model.setScheme(parseScheme(m_model.method()->scheme).value());
        }
    });
    head->addWidget(reset);
    layout->addLayout(head);
    m_scroll = new QScrollArea(this);
    m_scroll->setFrameShape(QFrame::NoFrame);
    m_scroll->setWidgetResizable(true);
    m_scroll->setFocusPolicy(Qt::NoFocus);
    m_scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_scroll->viewport()->setAutoFillBackground(false);
    layout->addWidget(m_scroll, 1);
    m_problem = new QLabel(this);
    m_problem->setWordWrap(true);
    m_problem->hide();
    setTextRole(m_problem, TextRole::Small);
    layout->addWidget(m_problem);
    m_string = new SchemeStringField(this);
    m_string->setNames(tr("Scheme string of the method"));
    layout->addWidget(m_string);
    connect(m_string, &SchemeStringField::submitted, this, [this](const QString& text) {
        if (const Result<Scheme> scheme = parseScheme(text.toStdString())) {
            m_model.setScheme(*scheme);
        }
    });
    connect(&model, &TheatreModel::choiceChanged, this, &ParameterPanel::refresh);
    connect(&model.document(), &Document::changed, this, [this](Changes what) {
        if (what & (Changes(Change::Source) | Change::Tensor)) {
            fillSources();
        }
    });
    refresh();
}

void ParameterPanel::fillSources() {
    const QSignalBlocker blocker(m_source);
    m_source->clear();
    if (m_model.method() == nullptr) {
        return;
    }
    for (const std::string& path : sourcesFor(*m_model.method())) {
        m_source->addItem(sourceTitle(toQ(path)), toQ(path));
    }
    const TensorInfo* tensor = m_model.document().tensor();
    if (tensor != nullptr || m_model.playsTensor()) {
        m_source->addItem(tensor != nullptr ? tr("slice of %1").arg(toQ(tensor->name))
                                            : tr("slice of the open tensor"),
                          QString());
    }
    m_source->setCurrentIndex(m_source->findData(m_model.source()));
    m_source->setToolTip(m_source->currentText());
}

void ParameterPanel::rebuildForm() {
    const Step& step = m_model.scheme().steps.back();
    if (m_form == nullptr || m_form->definition().id != step.name) {
        auto* holder = new QWidget;
        holder->setAutoFillBackground(false);
        auto* column = new QVBoxLayout(holder);
        column->setContentsMargins(0, 0, 0, 0);
        m_form = new StepForm(*findStep(step.name), holder, true);
        column->addWidget(m_form);
        column->addStretch(1);
        m_scroll->setWidget(holder);  // deletes the one before
        // Nothing of a control is cut off: the column grows instead.
        m_scroll->setMinimumWidth(std::min(Theme::px(300), m_form->minimumSizeHint().width()) +
                                  Theme::px(10));
        connect(m_form, &StepForm::stepChanged, this, [this] { m_model.setStep(m_form->step()); });
        connect(m_form, &StepForm::problem, this, [this](const QString& text) {
            m_problem->setText(text);
            m_problem->setVisible(!text.isEmpty());
        });
        m_problem->hide();
    }
    if (m_form->step() != step) {
        m_form->setStep(step);
    }
}

void ParameterPanel::refresh() {
    if (m_model.method() == nullptr) {
        return;
    }
    fillSources();
    rebuildForm();
    m_string->setText(m_model.schemeText());
    m_sliceBox->setVisible(m_model.playsTensor());
    const std::shared_ptr<const RowSource> weights = m_model.document().weights();
    const Slice& slice = m_model.slice();
    const std::int64_t rows = weights ? weights->rows() : 1;
    const std::int64_t cols = weights ? weights->cols() : 1;
    const std::pair<std::int64_t, std::int64_t> values[] = {
        {slice.row, rows - 1}, {slice.col, cols - 1}, {slice.rows, rows}, {slice.cols, cols}};
    for (std::size_t i = 0; i < m_slice.size(); ++i) {
        const QSignalBlocker blocker(m_slice[i]);
        m_slice[i]->setRange(i < 2 ? 0 : 1, static_cast<double>(values[i].second));
        m_slice[i]->setValue(static_cast<double>(values[i].first));
    }
}

/// What was entered last holds: a place cuts the size, a size moves the place.
void ParameterPanel::takeSlice(bool placed) {
    const auto value = [this](std::size_t i) {
        return static_cast<std::int64_t>(m_slice[i]->value());
    };
    Slice slice{value(0), value(1), value(2), value(3)};
    if (const std::shared_ptr<const RowSource> weights = m_model.document().weights();
        placed && weights) {
        slice.rows = std::min(slice.rows, weights->rows() - slice.row);
        slice.cols = std::min(slice.cols, weights->cols() - slice.col);
    }
    m_model.setSlice(slice);
}

}  // namespace loupe::app
