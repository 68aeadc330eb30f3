// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/scheme_form.hpp"

#include <QAction>
#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QToolButton>
#include <QVBoxLayout>

#include "app/views/step_form.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/scheme_string_field.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/assert.hpp"
#include "core/scheme/step.hpp"

namespace loupe::app {

namespace {

QString toQ(std::string_view text) { return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size())); }

/// A step of another method that keeps what both understand: bits and group survive absmax -> zeropoint.
Step convert(const Step* old, std::string_view id) {
    Step step{std::string(id), {}};
    if (const Result<Scheme> parsed = parseScheme(id); parsed && parsed->steps.size() == 1) {
        step = parsed->steps.front();
    }
    if (old != nullptr) {
        for (const auto& [key, value] : old->values) {
            if (const Result<Step> next = withValue(step, key, value)) {
                step = *next;
            }
        }
    }
    return step;
}

}  // namespace

std::vector<std::pair<QString, QString>> schemePresets() {
    static constexpr const char* kPresets[] = {"absmax:bits=4,group=128",
                                               "absmax:per=row",
                                               "zeropoint:bits=4,group=128",
                                               "nf4:double=true",
                                               "cast:format=fp8_e4m3,scale=row",
                                               "cast:format=fp4_e2m1,scale=group,group=32",
                                               "cast",
                                               "wanda:pattern=2:4"};
    std::vector<std::pair<QString, QString>> presets;
    for (const char* text : kPresets) {
        if (const Result<Scheme> scheme = parseScheme(text)) {
            presets.emplace_back(QString::fromStdString(title(*scheme)), QString::fromStdString(toString(*scheme)));
        }
    }
    return presets;
}

SchemeForm::SchemeForm(QWidget* parent) : QWidget(parent) {
    m_message = new MessageBar(this);
    m_stack = new QVBoxLayout;
    m_stack->setContentsMargins(0, 0, 0, 0);
    m_stack->setSpacing(0);

    m_presets = new QWidget(this);
    auto* presets = new QVBoxLayout(m_presets);
    presets->setContentsMargins(0, Theme::px(4), 0, Theme::px(4));
    presets->setSpacing(Theme::px(6));
    auto* words = new QLabel(tr("The weights stay as they are. Pick a method, or start from one of these:"), m_presets);
    words->setWordWrap(true);
    setTextRole(words, TextRole::Small);
    setTone(words, Tone::Tertiary);
    presets->addWidget(words);
    for (const auto& [name, text] : schemePresets()) {
        auto* button = new QPushButton(name, m_presets);
        button->setProperty("loupeSmall", true);
        button->setToolTip(text);
        button->setAccessibleName(tr("Use %1").arg(name));
        setTextRole(button, TextRole::Small);
        connect(button, &QPushButton::clicked, this, [this, name = name, text = text] {
            if (const Result<Scheme> scheme = parseScheme(text.toStdString())) {
                submit(*scheme, name);
            }
        });
        presets->addWidget(button, 0, Qt::AlignLeft);
    }

    m_add = new QPushButton(themedIcon(QStringLiteral("plus")), tr("Add a step"), this);
    m_add->setFlat(true);
    m_add->setProperty("loupeSmall", true);
    m_add->setAccessibleName(tr("Add a step"));
    m_add->setToolTip(tr("Applied to what the steps above leave"));
    setTextRole(m_add, TextRole::Small);
    auto* menu = new QMenu(m_add);
    for (const StepDefinition* definition : allSteps()) {
        QAction* action = menu->addAction(toQ(definition->title));
        action->setToolTip(toQ(definition->summary));
        connect(action, &QAction::triggered, this, [this, definition] {
            Scheme next = m_scheme;
            next.steps.push_back(convert(nullptr, definition->id));
            submit(next, tr("Add step"));
        });
    }
    connect(m_add, &QPushButton::clicked, this, [this, menu] { menu->popup(m_add->mapToGlobal(QPoint(0, m_add->height()))); });

    m_string = new SchemeStringField(this);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(Theme::px(12), Theme::px(4), Theme::px(12), Theme::px(12));
    layout->setSpacing(0);
    layout->addWidget(m_message);
    layout->addLayout(m_stack);
    layout->addWidget(m_presets);
    layout->addWidget(m_add, 0, Qt::AlignLeft);
    layout->addSpacing(Theme::px(6));
    layout->addWidget(m_string);
    layout->addStretch(1);
    connect(m_string, &SchemeStringField::submitted, this, [this](const QString& text) {
        if (const Result<Scheme> scheme = parseScheme(text.toStdString()); scheme || text.isEmpty()) {
            submit(scheme ? *scheme : Scheme{}, tr("Scheme string"));
        }
    });
    rebuild();
}

StepForm* SchemeForm::stepForm(std::size_t index) const { return index < m_blocks.size() ? m_blocks[index].form : nullptr; }

QComboBox* SchemeForm::methodCombo(std::size_t index) const { return index < m_blocks.size() ? m_blocks[index].method : nullptr; }

void SchemeForm::setScheme(const Scheme& scheme) {
    bool same = scheme.steps.size() == m_scheme.steps.size() && !m_blocks.empty();
    for (std::size_t i = 0; same && i < scheme.steps.size(); ++i) {
        same = m_blocks[i].name == scheme.steps[i].name;
    }
    m_scheme = scheme;
    if (!same) {
        rebuild();
    }
    for (std::size_t i = 0; i < m_scheme.steps.size(); ++i) {
        if (m_blocks[i].form != nullptr && m_blocks[i].form->step() != m_scheme.steps[i]) {
            m_blocks[i].form->setStep(m_scheme.steps[i]);
        }
    }
    m_string->setText(QString::fromStdString(toString(m_scheme)));
}

void SchemeForm::submit(const Scheme& scheme, const QString& label) {
    setScheme(scheme);
    emit edited(QString::fromStdString(toString(m_scheme)), label, 0);
}

SchemeForm::Block SchemeForm::makeBlock(std::size_t index) {
    Block block;
    block.widget = new QWidget(this);
    block.name = index < m_scheme.steps.size() ? m_scheme.steps[index].name : std::string();
    auto* layout = new QVBoxLayout(block.widget);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);

    auto* holder = new QWidget;
    auto* line = new QHBoxLayout(holder);
    line->setContentsMargins(0, 0, 0, 0);
    line->setSpacing(Theme::px(4));
    block.method = new QComboBox(holder);
    block.method->setMinimumContentsLength(8);
    block.method->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    block.method->setAccessibleName(index == 0 ? tr("Method") : tr("Method of step %1").arg(index + 1));
    block.method->addItem(tr("None"), QString());
    for (const StepDefinition* definition : allSteps()) {
        block.method->addItem(toQ(definition->title), toQ(definition->id));
        block.method->setItemData(block.method->count() - 1, toQ(definition->summary), Qt::ToolTipRole);
    }
    block.method->setCurrentIndex(block.method->findData(QString::fromStdString(block.name)));
    line->addWidget(block.method, 1);
    block.remove = new QToolButton(holder);
    block.remove->setAutoRaise(true);
    block.remove->setIcon(themedIcon(QStringLiteral("close")));
    block.remove->setToolTip(tr("Remove this step"));
    block.remove->setAccessibleName(tr("Remove step %1").arg(index + 1));
    block.remove->setVisible(m_scheme.steps.size() > 1);
    line->addWidget(block.remove);
    holder->setFocusProxy(block.method);
    auto* row = new FormRow(index == 0 ? tr("Method") : tr("then"), holder, block.widget);
    layout->addWidget(row);
    connect(block.method, &QComboBox::activated, this, [this, index, combo = block.method](int item) {
        setMethod(index, combo->itemData(item).toString());
    });
    connect(block.remove, &QToolButton::clicked, this, [this, index] { setMethod(index, {}); });

    if (const StepDefinition* definition = findStep(block.name)) {
        row->setHelp(toQ(definition->summary) + QStringLiteral("\n") + toQ(definition->source));
        block.form = new StepForm(*definition, block.widget);
        layout->addWidget(block.form);
        connect(block.form, &StepForm::stepChanged, this, [this, index](const QString& key, const QString& label, bool live) {
            m_scheme.steps[index] = m_blocks[index].form->step();
            const QString text = QString::fromStdString(toString(m_scheme));
            m_string->setText(text);
            const int mergeId = live ? static_cast<int>((qHash(key) ^ index * 2654435761U) & 0x3fffffffU) | 1 : 0;
            emit edited(text, label, mergeId);
        });
        connect(block.form, &StepForm::editingFinished, this, &SchemeForm::editingFinished);
        connect(block.form, &StepForm::problem, this, [this](const QString& text) {
            if (text.isEmpty()) {
                m_message->clear();
            } else {
                m_message->showMessage(MessageBar::Role::Warning, tr("Not taken over."), text);
            }
        });
    }
    return block;
}

void SchemeForm::setMethod(std::size_t index, const QString& id) {
    Scheme next = m_scheme;
    QString label = tr("Method");
    if (id.isEmpty()) {
        if (index < next.steps.size()) {
            next.steps.erase(next.steps.begin() + static_cast<std::ptrdiff_t>(index));
            label = tr("Remove step");
        }
    } else if (index < next.steps.size()) {
        next.steps[index] = convert(&next.steps[index], id.toStdString());
    } else {
        next.steps.push_back(convert(nullptr, id.toStdString()));
    }
    m_message->clear();
    submit(next, label);
}

void SchemeForm::rebuild() {
    for (const Block& block : m_blocks) {
        m_stack->removeWidget(block.widget);
        block.widget->hide();
        block.widget->deleteLater();
    }
    m_blocks.clear();
    const std::size_t count = std::max<std::size_t>(1, m_scheme.steps.size());
    QWidget* previous = nullptr;
    for (std::size_t i = 0; i < count; ++i) {
        m_blocks.push_back(makeBlock(i));
        m_stack->addWidget(m_blocks.back().widget);
        m_blocks.back().widget->show();
        // Blocks are made anew: the tab order follows what is seen.
        if (previous != nullptr) {
            setTabOrder(previous, m_blocks.back().widget);
        }
        previous = m_blocks.back().widget;
    }
    if (previous != nullptr) {
        setTabOrder(previous, m_add);
        setTabOrder(m_add, m_string);
    }
    m_presets->setVisible(m_scheme.empty());
    m_add->setVisible(!m_scheme.empty());
}

}  // namespace loupe::app
