// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/memory/memory_form.hpp"

#include "app/widgets/controls.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/memory/memory_model.hpp"

#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QSignalBlocker>
#include <QVBoxLayout>

namespace loupe::app {

namespace {

constexpr double kMostContext = 1048576;
constexpr double kMostBatch = 4096;

QString toQ(std::string_view text) {
    return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size()));
}

QLabel* heading(const QString& text, QWidget* parent) {
    auto* label = new QLabel(text, parent);
    setTextRole(label, TextRole::Heading);
    return label;
}

}  // namespace

MemoryForm::MemoryForm(MemoryModel& model, QWidget* parent) : QWidget(parent), m_model(model) {
    setObjectName(QStringLiteral("memoryForm"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(Theme::px(12), Theme::px(8), Theme::px(12), Theme::px(8));
    layout->setSpacing(Theme::px(6));
    makeModel();
    layout->addSpacing(Theme::px(8));
    makeUse();
    layout->addStretch(1);
    connect(&model, &MemoryModel::changed, this, &MemoryForm::refresh);
    refresh();
}

void MemoryForm::makeModel() {
    layout()->addWidget(heading(tr("Model"), this));
    m_models = new QComboBox(this);
    m_models->setAccessibleName(tr("Model"));
    m_models->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    layout()->addWidget(new FormRow(tr("Model"), m_models, this));
    connect(m_models, &QComboBox::activated, this, [this](int index) {
        MemorySettings settings = m_model.settings();
        settings.model = m_models->itemData(index).toString();
        if (settings.model == QLatin1String("open")) {
            settings.format = QStringLiteral("stored");
        }
        m_model.change(settings);
    });
    m_parameters = new QLineEdit(this);
    m_parameters->setAccessibleName(tr("Number of parameters"));
    setTextRole(m_parameters, TextRole::Number);
    m_parametersRow = new FormRow(tr("Parameters"), m_parameters, this);
    m_parametersRow->setHelp(tr("A whole number, such as 7e9"));
    layout()->addWidget(m_parametersRow);
    connect(m_parameters, &QLineEdit::editingFinished, this, [this] {
        QString text = m_parameters->text();
        text.remove(QLatin1Char(' ')).remove(QChar(0x00A0));
        if (const Result<std::int64_t> count = parseParameterCount(text.toStdString())) {
            MemorySettings settings = m_model.settings();
            settings.parameters = *count;
            m_model.change(settings);
        }
        refresh();
    });
    m_formats = new QComboBox(this);
    m_formats->setAccessibleName(tr("Format of the weights"));
    m_formats->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_formats->setMaxVisibleItems(20);
    layout()->addWidget(new FormRow(tr("Format"), m_formats, this));
    connect(m_formats, &QComboBox::activated, this, [this](int index) {
        MemorySettings settings = m_model.settings();
        settings.format = m_formats->itemData(index).toString();
        m_model.change(settings);
    });
    m_embeddings = new Toggle(tr("Embedding and output matrix stay in 16 bits"), this);
    layout()->addWidget(m_embeddings);
    connect(m_embeddings, &Toggle::toggled, this, [this](bool on) {
        MemorySettings settings = m_model.settings();
        settings.keepEmbeddings = on;
        m_model.change(settings);
    });
}

void MemoryForm::makeUse() {
    layout()->addWidget(heading(tr("Use"), this));
    m_context = number(tr("Context"), tr("Tokens in the KV cache, of each sequence"), kMostContext);
    m_batch = number(tr("Batch"), tr("Sequences at once"), kMostBatch);
    connect(m_context, &NumberField::valueEdited, this, [this](double value) {
        MemorySettings settings = m_model.settings();
        settings.context = static_cast<std::int64_t>(value);
        m_model.change(settings);
    });
    connect(m_batch, &NumberField::valueEdited, this, [this](double value) {
        MemorySettings settings = m_model.settings();
        settings.batch = static_cast<std::int64_t>(value);
        m_model.change(settings);
    });
    m_kvBits = new SegmentedControl(this);
    m_kvBits->setAccessibleName(tr("Numbers of the KV cache"));
    m_kvBits->setOptions(
        {{QStringLiteral("16"), tr("16 bits"), tr("FP16 or BF16")},
         {QStringLiteral("8"), tr("8 bits"), tr("FP8 or INT8, scales not counted")}});
    layout()->addWidget(new FormRow(tr("KV cache"), m_kvBits, this));
    connect(m_kvBits, &SegmentedControl::chosen, this, [this](const QString& id) {
        MemorySettings settings = m_model.settings();
        settings.kvBits = id.toInt();
        m_model.change(settings);
    });
    m_atOnce = new SegmentedControl(this);
    m_atOnce->setAccessibleName(tr("Tokens that go through at once"));
    m_atOnce->setOptions(
        {{QStringLiteral("decode"), tr("Decode"), tr("One token at a time")},
         {QStringLiteral("prefill"), tr("Prefill"), tr("The whole context in one pass")}});
    layout()->addWidget(new FormRow(tr("At once"), m_atOnce, this));
    connect(m_atOnce, &SegmentedControl::chosen, this, [this](const QString& id) {
        MemorySettings settings = m_model.settings();
        settings.prefill = id == QLatin1String("prefill");
        m_model.change(settings);
    });
    m_scores = new Toggle(tr("Standard attention: scores are kept whole"), this);
    m_scores->setToolTip(tr("Batch × heads × tokens² numbers; tiled attention never stores them"));
    layout()->addWidget(m_scores);
    connect(m_scores, &Toggle::toggled, this, [this](bool on) {
        MemorySettings settings = m_model.settings();
        settings.keepsScores = on;
        m_model.change(settings);
    });
    m_note = new QLabel(this);
    m_note->setWordWrap(true);
    setTextRole(m_note, TextRole::Small);
    setTone(m_note, Tone::Secondary);
    layout()->addWidget(m_note);
}

NumberField* MemoryForm::number(const QString& label, const QString& help, double most) {
    auto* field = new NumberField(this);
    field->setRange({1, most, true, true, {}});
    field->setNames(label, help);
    field->spinBox()->setMinimumWidth(Theme::px(96));
    auto* row = new FormRow(label, field, this);
    row->setHelp(help);
    layout()->addWidget(row);
    return field;
}

void MemoryForm::fillModels() {
    const std::shared_ptr<const TensorSource> source = m_model.document().source();
    const int wanted = static_cast<int>(modelPresets().size()) + (source ? 2 : 1) +
                       (!source && m_model.settings().model == QLatin1String("open") ? 1 : 0);
    const QString open = source ? tr("Open: %1").arg(QString::fromStdString(source->info().title))
                                : tr("Open checkpoint");
    const int at = m_models->findData(QStringLiteral("open"));
    if (m_models->count() != wanted || (at >= 0 && m_models->itemText(at) != open)) {
        m_models->clear();
        if (source || m_model.settings().model == QLatin1String("open")) {
            m_models->addItem(open, QStringLiteral("open"));
        }
        for (const ModelShape& preset : modelPresets()) {
            m_models->addItem(QString::fromStdString(preset.title),
                              QString::fromStdString(preset.id));
        }
        m_models->addItem(tr("Parameters by hand"), QStringLiteral("parameters"));
    }
    m_models->setCurrentIndex(m_models->findData(m_model.settings().model));
}

void MemoryForm::fillFormats() {
    const bool stored = m_model.subject().storedBytes.has_value();
    const int wanted = static_cast<int>(allWeightFormats().size()) + (stored ? 1 : 0);
    if (m_formats->count() != wanted) {
        m_formats->clear();
        if (stored) {
            m_formats->addItem(tr("as stored"), QStringLiteral("stored"));
        }
        for (const WeightFormat& format : allWeightFormats()) {
            m_formats->addItem(toQ(format.title), toQ(format.id));
            m_formats->setItemData(m_formats->count() - 1, toQ(format.summary), Qt::ToolTipRole);
        }
    }
    m_formats->setCurrentIndex(m_formats->findData(m_model.settings().format));
}

void MemoryForm::refresh() {
    const MemorySettings& settings = m_model.settings();
    fillModels();
    fillFormats();
    m_parametersRow->setVisible(settings.model == QLatin1String("parameters"));
    m_parameters->setText(formatCount(settings.parameters));
    const bool known = m_model.subject().shape.has_value();
    const bool quantized = m_model.format() != nullptr && !m_model.subject().tensors.empty();
    m_embeddings->setEnabled(quantized);
    m_context->setValue(static_cast<double>(settings.context));
    m_batch->setValue(static_cast<double>(settings.batch));
    m_kvBits->setCurrent(QString::number(settings.kvBits));
    m_atOnce->setCurrent(settings.prefill ? QStringLiteral("prefill") : QStringLiteral("decode"));
    for (QWidget* each : {static_cast<QWidget*>(m_context),
                          static_cast<QWidget*>(m_batch),
                          static_cast<QWidget*>(m_kvBits),
                          static_cast<QWidget*>(m_atOnce)}) {
        each->setEnabled(known);
    }
    m_scores->setEnabled(known && settings.prefill);
    {
        const QSignalBlocker first(m_embeddings);
        const QSignalBlocker second(m_scores);
        m_embeddings->setChecked(settings.keepEmbeddings);
        m_scores->setChecked(settings.keepsScores);
    }
    QString note;
    if (known) {
        const ModelShape& shape = *m_model.subject().shape;
        note = tr("%1 layers of %2, %3")
                   .arg(shape.layers)
                   .arg(shape.hidden)
                   .arg(shape.hasLatentAttention() ? tr("one latent vector of %1 for all heads")
                                                         .arg(shape.kvRank + shape.ropeDim)
                                                   : tr("%1 heads, %2 of keys and values")
                                                         .arg(shape.heads)
                                                         .arg(shape.kvHeads));
        note += tr("; %1 bytes of KV cache a token")
                    .arg(formatCount(static_cast<qint64>(kvBytesPerToken(shape, settings.kvBits))));
        if (shape.context > 0 && settings.context > shape.context) {
            note += tr(". The model was made for %1 tokens").arg(formatCount(shape.context));
        }
        note += QLatin1Char('.');
    } else if (m_model.hasSubject()) {
        note = tr("No KV cache and no activations: %1.")
                   .arg(QString::fromStdString(m_model.subject().note));
    }
    m_note->setText(note);
}

}  // namespace loupe::app
