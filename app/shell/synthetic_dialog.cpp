// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/synthetic_dialog.hpp"

#include "app/widgets/theme.hpp"
#include "core/base/text.hpp"
#include "core/io/synthetic.hpp"

#include <QComboBox>
#include <QDialogButtonBox>
#include <QDoubleSpinBox>
#include <QFormLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QRegularExpression>
#include <QRegularExpressionValidator>
#include <QSpinBox>

#include <algorithm>
#include <limits>

namespace loupe::app {

namespace {

QString text(std::string_view view) {
    return QString::fromUtf8(view.data(), static_cast<qsizetype>(view.size()));
}

int clampInt(double value) {
    return static_cast<int>(std::clamp(value, -2147483647.0, 2147483647.0));
}

}  // namespace

SyntheticDialog::SyntheticDialog(QWidget* parent) : QDialog(parent) {
    setWindowTitle(tr("Make up a matrix"));
    setMinimumWidth(Theme::px(480));
    auto* layout = new QVBoxLayout(this);
    m_kind = new QComboBox(this);
    m_kind->setAccessibleName(tr("Kind of matrix"));
    for (const Generator& generator : allGenerators()) {
        m_kind->addItem(text(generator.title), text(generator.id));
    }
    m_summary = new QLabel(this);
    m_summary->setWordWrap(true);
    setTextRole(m_summary, TextRole::Small);
    setTone(m_summary, Tone::Secondary);
    m_preview = new QLabel(this);
    m_preview->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_preview->setWordWrap(true);
    setTextRole(m_preview, TextRole::Number);
    setTone(m_preview, Tone::Tertiary);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Cancel, this);
    QPushButton* make = buttons->addButton(tr("Make"), QDialogButtonBox::AcceptRole);
    make->setProperty("loupePrimary", true);
    make->setDefault(true);
    layout->addWidget(m_kind);
    layout->addWidget(m_summary);
    m_fields = new QWidget(this);
    layout->addWidget(m_fields);
    layout->addStretch(1);
    layout->addWidget(m_preview);
    layout->addWidget(buttons);
    connect(buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    connect(m_kind, &QComboBox::currentIndexChanged, this, [this] {
        m_values.clear();
        rebuild();
    });
    rebuild();
}

void SyntheticDialog::rebuild() {
    const Generator& generator = allGenerators()[static_cast<std::size_t>(m_kind->currentIndex())];
    m_summary->setText(text(generator.summary));
    auto* fields = new QWidget(this);
    auto* form = new QFormLayout(fields);
    form->setContentsMargins(0, Theme::px(8), 0, Theme::px(8));
    for (const GeneratorParam& param : generator.params) {
        const std::string key(param.name);
        QWidget* field = nullptr;
        if (param.type == GeneratorParamType::Choice) {
            auto* combo = new QComboBox(fields);
            for (const std::string_view choice : param.choices) {
                combo->addItem(text(choice));
            }
            combo->setCurrentText(text(param.defaultText));
            connect(combo, &QComboBox::currentTextChanged, this, [this, key](const QString& value) {
                m_values[key] = value.toStdString();
                changed();
            });
            field = combo;
        } else if (param.type == GeneratorParamType::Indices) {
            auto* line = new QLineEdit(text(param.defaultText), fields);
            line->setPlaceholderText(tr("random ones, or 3,17,40"));
            line->setValidator(new QRegularExpressionValidator(
                QRegularExpression(QStringLiteral("(\\d{1,8}(,\\d{1,8})*)?")), line));
            connect(line, &QLineEdit::textChanged, this, [this, key, line](const QString& value) {
                if (line->hasAcceptableInput()) {
                    m_values[key] = value.toStdString();
                    changed();
                }
            });
            field = line;
        } else if (param.type == GeneratorParamType::Integer) {
            auto* spin = new QSpinBox(fields);
            spin->setRange(clampInt(param.min), clampInt(param.max));
            spin->setValue(clampInt(parseDouble(param.defaultText).value_or(0)));
            spin->setGroupSeparatorShown(false);
            connect(spin, &QSpinBox::valueChanged, this, [this, key](int value) {
                m_values[key] = std::to_string(value);
                changed();
            });
            field = spin;
        } else {
            auto* spin = new QDoubleSpinBox(fields);
            spin->setDecimals(4);
            spin->setRange(param.min, param.max);
            spin->setValue(parseDouble(param.defaultText).value_or(0));
            spin->setStepType(QAbstractSpinBox::AdaptiveDecimalStepType);
            connect(spin, &QDoubleSpinBox::valueChanged, this, [this, key](double value) {
                m_values[key] = shortest(value);
                changed();
            });
            field = spin;
        }
        field->setObjectName(text(param.name));
        field->setToolTip(text(param.help));
        field->setAccessibleName(text(param.label));
        form->addRow(text(param.label), field);
    }
    layout()->replaceWidget(m_fields, fields);
    delete m_fields;
    m_fields = fields;
    changed();
    adjustSize();
}

void SyntheticDialog::choose(const QString& generator) {
    m_kind->setCurrentIndex(m_kind->findData(generator));
}

void SyntheticDialog::setValue(const QString& key, const QString& value) {
    if (auto* spin = m_fields->findChild<QSpinBox*>(key)) {
        spin->setValue(value.toInt());
    } else if (auto* real = m_fields->findChild<QDoubleSpinBox*>(key)) {
        real->setValue(value.toDouble());
    } else if (auto* combo = m_fields->findChild<QComboBox*>(key)) {
        combo->setCurrentText(value);
    } else if (auto* line = m_fields->findChild<QLineEdit*>(key)) {
        line->setText(value);
    }
}

void SyntheticDialog::changed() {
    m_preview->setText(path());
}

QString SyntheticDialog::path() const {
    return QString::fromStdString(
        syntheticPath(m_kind->currentData().toString().toStdString(), m_values));
}

}  // namespace loupe::app
