// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/step_form.hpp"

#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QStandardItemModel>
#include <QVBoxLayout>

#include <algorithm>

#include "app/widgets/controls.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/text.hpp"
#include "core/formats/number_format.hpp"

namespace loupe::app {

namespace {

constexpr std::size_t kMostSegments = 5;

QString toQ(std::string_view text) { return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size())); }

std::string number(double value) { return shortest(value == 0 ? 0.0 : value); }

bool isOptional(const ParamSpec& spec) { return spec.defaultText.empty() && spec.requiredWith.empty(); }

NumberRange rangeOf(const ParamSpec& spec) {
    return {spec.min, spec.max, spec.type == ParamType::Integer, spec.powersOfTwo, toQ(spec.unit)};
}

/// The first sentence of the help, or its part before the first colon list, short enough to stand beside a toggle.
QString shortHelp(const ParamSpec& spec) {
    QString text = toQ(spec.help);
    const qsizetype stop = text.indexOf(QStringLiteral(". "));
    if (stop > 0) {
        text.truncate(stop);
    }
    if (text.endsWith(QLatin1Char('.'))) {
        text.chop(1);
    }
    return text;
}

/// What an optional number starts with when it is switched on.
double startValue(const ParamSpec& spec) {
    const std::optional<double> start = parseDouble(spec.startText);
    return std::clamp(start.value_or(spec.type == ParamType::Integer ? 8 : spec.min), spec.min, spec.max);
}

QString kindTitle(FormatKind kind) {
    switch (kind) {
        case FormatKind::Float: return StepForm::tr("Floating point");
        case FormatKind::Integer: return StepForm::tr("Integer");
        case FormatKind::Codebook: return StepForm::tr("Codebook");
        case FormatKind::Block: return StepForm::tr("Block");
    }
    return {};
}

void addHeading(QComboBox* combo, const QString& text) {
    combo->addItem(text);
    auto* model = qobject_cast<QStandardItemModel*>(combo->model());
    QStandardItem* item = model->item(combo->count() - 1);
    item->setFlags(Qt::NoItemFlags);
    item->setFont(Theme::font(TextRole::Caption));
}

}  // namespace

QString choiceText(std::string_view choice) {
    static constexpr std::pair<std::string_view, const char*> kWords[] = {{"percentile", "%ile"}, {"entropy", "KL"}, {"mse", "MSE"},
                                                                          {"max", "Max"},         {"l1", "L1"},      {"l2", "L2"},
                                                                          {"twn", "TWN"}};
    for (const auto& [id, word] : kWords) {
        if (id == choice) {
            return QString::fromUtf8(word);
        }
    }
    QString text = toQ(choice).replace(QLatin1Char('_'), QLatin1Char(' '));
    if (!text.isEmpty()) {
        text[0] = text[0].toUpper();
    }
    return text;
}

StepForm::StepForm(const StepDefinition& definition, QWidget* parent, bool brief)
    : QWidget(parent), m_definition(definition), m_brief(brief) {
    m_step.name = std::string(definition.id);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    for (const ParamSpec& spec : definition.params) {
        Field field = makeField(spec);
        const std::string key(spec.name);
        field.row->setObjectName(toQ(spec.name));
        QString help = toQ(spec.help);
        if (!spec.unit.empty()) {
            help += tr(" In %1.").arg(toQ(spec.unit));
        }
        field.row->setHelp(help);
        connect(field.row, &FormRow::resetRequested, this, [this, key] { enter(key, {}); });
        layout->addWidget(field.row);
        m_fields.push_back(std::move(field));
    }
    refresh();
}

StepForm::Field StepForm::makeField(const ParamSpec& spec) {
    switch (spec.type) {
        case ParamType::Integer:
        case ParamType::Real: return isOptional(spec) ? makeOptionalNumber(spec) : makeNumber(spec);
        case ParamType::Flag: return makeFlag(spec);
        case ParamType::Bound: return makeText(spec);
        case ParamType::Pattern: return makePattern(spec);
        case ParamType::Format: return makeList(spec);
        case ParamType::Choice: break;
    }
    return spec.choices.size() + (isOptional(spec) ? 1 : 0) <= kMostSegments ? makeChoice(spec) : makeList(spec);
}

StepForm::Field StepForm::makeNumber(const ParamSpec& spec) {
    auto* control = new NumberField;
    control->setRange(rangeOf(spec));
    control->setNames(toQ(spec.label), toQ(spec.help));
    const std::string key(spec.name);
    connect(control, &NumberField::valueEdited, this, [this, key](double value) {
        enter(key, QString::fromStdString(number(value)), true);
    });
    connect(control, &NumberField::editingFinished, this, &StepForm::editingFinished);
    return {&spec, new FormRow(toQ(spec.label), control, this), [control](const QString& text) {
                control->setValue(parseDouble(text.toStdString()).value_or(control->range().min));
            }};
}

StepForm::Field StepForm::makeOptionalNumber(const ParamSpec& spec) {
    auto* box = new QWidget;
    auto* layout = new QHBoxLayout(box);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(Theme::px(8));
    auto* toggle = new Toggle({}, box);
    toggle->setObjectName(QStringLiteral("given"));
    toggle->setAccessibleName(toQ(spec.label));
    toggle->setAccessibleDescription(toQ(spec.help));
    auto* control = new NumberField(box);
    control->setRange(rangeOf(spec));
    control->setNames(toQ(spec.label), toQ(spec.help));
    auto* off = new QLabel(tr("off"), box);
    setTextRole(off, TextRole::Small);
    setTone(off, Tone::Tertiary);
    layout->addWidget(toggle);
    layout->addWidget(control, 1);
    layout->addWidget(off, 1);
    box->setFocusProxy(toggle);
    box->setMinimumHeight(Theme::px(26));
    const std::string key(spec.name);
    const double start = startValue(spec);
    connect(toggle, &Toggle::clicked, this, [this, key, start](bool on) {
        enter(key, on ? QString::fromStdString(number(start)) : QString());
    });
    connect(control, &NumberField::valueEdited, this, [this, key](double value) {
        enter(key, QString::fromStdString(number(value)), true);
    });
    connect(control, &NumberField::editingFinished, this, &StepForm::editingFinished);
    return {&spec, new FormRow(toQ(spec.label), box, this), [toggle, control, off, start](const QString& text) {
                const bool given = !text.isEmpty();
                toggle->setChecked(given);
                control->setVisible(given);
                off->setVisible(!given);
                control->setValue(given ? parseDouble(text.toStdString()).value_or(start) : start);
            }};
}

StepForm::Field StepForm::makeChoice(const ParamSpec& spec) {
    auto* control = new SegmentedControl;
    std::vector<SegmentedControl::Option> options;
    if (isOptional(spec)) {
        options.push_back({QString(), tr("Auto"), toQ(spec.help)});
    }
    for (const std::string_view choice : spec.choices) {
        options.push_back({toQ(choice), choiceText(choice), toQ(choice) + QStringLiteral(": ") + toQ(spec.help)});
    }
    control->setOptions(options);
    control->setAccessibleName(toQ(spec.label));
    control->setAccessibleDescription(toQ(spec.help));
    const std::string key(spec.name);
    connect(control, &SegmentedControl::chosen, this, [this, key](const QString& id) { enter(key, id); });
    return {&spec, new FormRow(toQ(spec.label), control, this), [control](const QString& text) { control->setCurrent(text); }};
}

StepForm::Field StepForm::makeList(const ParamSpec& spec) {
    auto* control = new QComboBox;
    control->setMinimumContentsLength(6);
    control->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    control->setAccessibleName(toQ(spec.label));
    control->setAccessibleDescription(toQ(spec.help));
    control->setMaxVisibleItems(24);
    if (isOptional(spec)) {
        control->addItem(tr("Auto"), QString());
    }
    std::optional<FormatKind> kind;
    for (const std::string_view choice : spec.choices) {
        const NumberFormat* format = spec.type == ParamType::Format ? findFormat(choice) : nullptr;
        if (format != nullptr && format->kind != kind) {
            kind = format->kind;
            addHeading(control, kindTitle(*kind));
        }
        control->addItem(format != nullptr ? toQ(format->title) : toQ(choice), toQ(choice));
        if (format != nullptr) {
            control->setItemData(control->count() - 1, toQ(format->summary), Qt::ToolTipRole);
        }
    }
    const std::string key(spec.name);
    connect(control, &QComboBox::activated, this, [this, control, key](int index) { enter(key, control->itemData(index).toString()); });
    return {&spec, new FormRow(toQ(spec.label), control, this),
            [control](const QString& text) { control->setCurrentIndex(control->findData(text)); }};
}

StepForm::Field StepForm::makeFlag(const ParamSpec& spec) {
    auto* control = new Toggle(m_brief ? QString() : shortHelp(spec));
    control->setAccessibleName(toQ(spec.label));
    control->setAccessibleDescription(toQ(spec.help));
    const std::string key(spec.name);
    connect(control, &Toggle::clicked, this, [this, key](bool on) { enter(key, on ? QStringLiteral("true") : QStringLiteral("false")); });
    return {&spec, new FormRow(toQ(spec.label), control, this),
            [control](const QString& text) { control->setChecked(text == QLatin1String("true")); }};
}

StepForm::Field StepForm::makeText(const ParamSpec& spec) {
    auto* control = new QLineEdit;
    setTextRole(control, TextRole::Number);
    control->setPlaceholderText(toQ(acceptedValues(spec)));
    control->setAccessibleName(toQ(spec.label));
    control->setAccessibleDescription(toQ(spec.help));
    const std::string key(spec.name);
    connect(control, &QLineEdit::editingFinished, this, [this, control, key] {
        if (control->isModified()) {
            control->setModified(false);
            QString text = control->text().trimmed();
            enter(key, text.replace(QChar(0x2212), QLatin1Char('-')));
        }
    });
    return {&spec, new FormRow(toQ(spec.label), control, this), [control](const QString& text) {
                if (!control->isModified() && control->text() != text) {
                    control->setText(text);
                }
            }};
}

StepForm::Field StepForm::makePattern(const ParamSpec& spec) {
    auto* control = new QComboBox;
    control->setEditable(true);
    control->setInsertPolicy(QComboBox::NoInsert);
    control->lineEdit()->setPlaceholderText(isOptional(spec) ? tr("off") : QStringLiteral("N:M"));
    control->setAccessibleName(toQ(spec.label));
    control->setAccessibleDescription(toQ(spec.help));
    if (isOptional(spec)) {
        control->addItem(QString());
    }
    control->addItems({QStringLiteral("2:4"), QStringLiteral("4:8"), QStringLiteral("1:4"), QStringLiteral("1:2")});
    setTextRole(control, TextRole::Number);
    const std::string key(spec.name);
    const auto take = [this, control, key] { enter(key, control->currentText().trimmed()); };
    connect(control, &QComboBox::activated, this, take);
    connect(control->lineEdit(), &QLineEdit::editingFinished, this, take);
    return {&spec, new FormRow(toQ(spec.label), control, this), [control](const QString& text) { control->setCurrentText(text); }};
}

FormRow* StepForm::row(std::string_view key) const {
    for (const Field& field : m_fields) {
        if (field.spec->name == key) {
            return field.row;
        }
    }
    return nullptr;
}

void StepForm::setStep(const Step& step) {
    m_step = step;
    refresh();
}

void StepForm::enter(std::string_view key, const QString& text, bool live) {
    const Result<Step> next = withValue(m_step, key, text.toStdString());
    if (!next) {
        QString what = QString::fromStdString(next.error().what);
        if (!next.error().hint.empty()) {
            what += QStringLiteral(". ") + QString::fromStdString(next.error().hint);
        }
        emit problem(what);
        return;
    }
    emit problem({});
    const bool same = *next == m_step;
    m_step = *next;
    refresh();
    if (!same) {
        const FormRow* changed = row(key);
        emit stepChanged(toQ(key), changed != nullptr ? changed->label() : toQ(key), live);
    }
}

void StepForm::refresh() {
    const Params params(m_definition.params, m_step);
    for (const Field& field : m_fields) {
        const bool relevant = isRelevant(m_definition, m_step, field.spec->name);
        field.row->setVisible(relevant);
        if (!relevant) {
            continue;
        }
        const QString text = toQ(params.text(field.spec->name));
        field.show(text);
        field.row->setResettable(!isOptional(*field.spec) && field.spec->requiredWith.empty() && text != toQ(field.spec->defaultText));
    }
}

}  // namespace loupe::app
