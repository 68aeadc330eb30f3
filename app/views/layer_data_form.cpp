// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/layer_data_form.hpp"

#include "app/document/inputs.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/theme.hpp"
#include "core/scheme/step.hpp"

#include <QComboBox>
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QMimeData>
#include <QSpinBox>
#include <QToolButton>
#include <QUrl>
#include <QVBoxLayout>

#include <algorithm>

namespace loupe::app {

namespace {

constexpr int kMostRows = 1 << 24;
constexpr int kMostSeed = 1 << 30;

QString shapeText(const LayerInput& input) {
    return QStringLiteral("%1 × %2").arg(input.rows).arg(input.cols);
}

bool needsGradients(const Scheme& scheme) {
    return std::any_of(scheme.steps.begin(), scheme.steps.end(), [](const Step& step) {
        const StepDefinition* definition = findStep(step.name);
        return definition != nullptr && definition->needsGradients;
    });
}

QString localFile(const QMimeData* data) {
    return data->urls().size() == 1 ? data->urls().front().toLocalFile() : QString();
}

QToolButton* smallButton(const QString& icon, const QString& name, QWidget* parent) {
    auto* button = new QToolButton(parent);
    button->setIcon(themedIcon(icon));
    button->setAutoRaise(true);
    button->setToolTip(name);
    button->setAccessibleName(name);
    return button;
}

}  // namespace

LayerDataForm::LayerDataForm(Document& document, QWidget* parent)
    : QWidget(parent), m_document(document) {
    setObjectName(QStringLiteral("layerData"));
    setAcceptDrops(true);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(Theme::px(12), Theme::px(4), Theme::px(12), 0);
    layout->setSpacing(Theme::px(4));
    m_activations = makeField(tr("Activations"), QStringLiteral("activations"));
    m_activations.row->setHelp(
        tr("What goes into the layer, [tokens, in]: for the output error, and for schemes that "
           "look at it. Also an importance matrix (imatrix)."));
    makeCalibration();
    m_gradients = makeField(tr("Gradients"), QStringLiteral("gradients"));
    m_gradients.row->setHelp(tr("Of the loss by each weight, in the weight's shape."));
    layout->addWidget(m_activations.row);
    layout->addWidget(m_activations.note);
    layout->addWidget(m_gradients.row);
    layout->addWidget(m_gradients.note);
    // refresh() shows what is wanted; all of it at once would make a small window grow.
    for (QWidget* part : {static_cast<QWidget*>(m_activations.note),
                          static_cast<QWidget*>(m_gradients.row),
                          static_cast<QWidget*>(m_gradients.note)}) {
        part->hide();
    }
    connect(m_activations.text, &QLineEdit::editingFinished, this, [this] {
        const LayerInput& input = m_document.analyses().activations();
        const QString text = m_activations.text->text().trimmed();
        if (text != (input.own ? QString() : QString::fromStdString(input.reference))) {
            setActivations(m_document, text);
        }
    });
    connect(m_activations.choose, &QToolButton::clicked, this, &LayerDataForm::chooseActivations);
    connect(m_activations.clear, &QToolButton::clicked, this, [this] {
        setActivations(m_document, {});
    });
    connect(m_gradients.text, &QLineEdit::editingFinished, this, [this] {
        const LayerInput& input = m_document.analyses().gradients();
        const QString text = m_gradients.text->text().trimmed();
        if (text != (input.own ? QString() : QString::fromStdString(input.reference))) {
            setGradients(m_document, text);
        }
    });
    connect(m_gradients.choose, &QToolButton::clicked, this, &LayerDataForm::chooseGradients);
    connect(
        m_gradients.clear, &QToolButton::clicked, this, [this] { setGradients(m_document, {}); });
}

LayerDataForm::Field LayerDataForm::makeField(const QString& name, const QString& id) {
    Field field;
    auto* line = new QWidget;
    auto* layout = new QHBoxLayout(line);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(Theme::px(2));
    field.text = new QLineEdit(line);
    field.text->setObjectName(id);
    field.text->setAccessibleName(name);
    field.text->setAcceptDrops(false);  // the form takes files
    field.text->setMinimumWidth(Theme::px(60));
    field.choose = smallButton(QStringLiteral("open"), tr("Choose a file…"), line);
    field.clear = smallButton(QStringLiteral("close"), tr("Remove: %1").arg(name.toLower()), line);
    field.shape = new QLabel(line);
    field.shape->setObjectName(id + QStringLiteral("Shape"));
    setTextRole(field.shape, TextRole::Number);
    setTone(field.shape, Tone::Secondary);
    field.shape->setAccessibleName(tr("%1: shape").arg(name));
    layout->addWidget(field.text, 1);
    layout->addWidget(field.shape);
    layout->addWidget(field.choose);
    layout->addWidget(field.clear);
    field.row = new FormRow(name, line, this);
    field.note = new QLabel(this);
    field.note->setObjectName(id + QStringLiteral("Note"));
    field.note->setWordWrap(true);
    field.note->setAccessibleName(tr("%1: what is wrong").arg(name));
    setTextRole(field.note, TextRole::Small);
    return field;
}

void LayerDataForm::makeCalibration() {
    auto* line = new QWidget;
    auto* layout = new QHBoxLayout(line);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(Theme::px(4));
    m_rows = new QSpinBox(line);
    m_rows->setObjectName(QStringLiteral("calibrationRows"));
    m_rows->setRange(0, kMostRows);
    m_rows->setSpecialValueText(tr("all rows"));
    m_rows->setAccessibleName(tr("Rows that calibrate"));
    m_rows->setKeyboardTracking(false);
    // The stylesheet's padding is not in the size hint: "all rows" would lose its first letters.
    m_rows->setMinimumWidth(m_rows->fontMetrics().horizontalAdvance(tr("all rows")) +
                            Theme::px(48));
    m_choice = new QComboBox(line);
    m_choice->setObjectName(QStringLiteral("calibrationChoice"));
    m_choice->setAccessibleName(tr("Which rows calibrate"));
    m_choice->addItem(tr("first"), QStringLiteral("first"));
    m_choice->addItem(tr("spread"), QStringLiteral("spread"));
    m_choice->addItem(tr("random"), QStringLiteral("random"));
    m_seed = new QSpinBox(line);
    m_seed->setObjectName(QStringLiteral("calibrationSeed"));
    m_seed->setRange(0, kMostSeed);
    m_seed->setPrefix(tr("seed "));
    m_seed->setAccessibleName(tr("Seed of the random choice"));
    m_seed->setKeyboardTracking(false);
    layout->addWidget(m_rows);
    layout->addWidget(m_choice);
    layout->addWidget(m_seed);
    layout->addStretch(1);
    m_calibration = new FormRow(tr("Calibrate with"), line);
    m_calibration->setHelp(tr(
        "So many rows of the activations are shown to the scheme; all are judged. The first ones, "
        "at equal distances, or at random."));
    connect(m_rows, &QSpinBox::valueChanged, this, [this](int rows) {
        m_document.edit(tr("Calibration rows"),
                        [rows](ExperimentSpec& spec) { spec.calibrationRows = rows; });
    });
    connect(m_choice, &QComboBox::activated, this, [this] {
        const std::string choice = m_choice->currentData().toString().toStdString();
        m_document.edit(tr("Calibration choice"),
                        [&](ExperimentSpec& spec) { spec.calibrationChoice = choice; });
    });
    connect(m_seed, &QSpinBox::valueChanged, this, [this](int seed) {
        m_document.edit(tr("Calibration seed"),
                        [seed](ExperimentSpec& spec) { spec.calibrationSeed = seed; });
    });
}

QWidget* LayerDataForm::calibration() const {
    return m_calibration;
}

void LayerDataForm::refresh(const Scheme& scheme) {
    const TensorInfo* tensor = m_document.tensor();
    const bool shown = tensor != nullptr && !scheme.empty();
    setVisible(shown);
    if (!shown) {
        m_calibration->hide();
        return;
    }
    const Analyses& analyses = m_document.analyses();
    show(m_activations,
         analyses.activations(),
         tr("none: FILE[:TENSOR], [tokens, %1]").arg(tensor->cols));
    showCalibration();
    show(m_gradients,
         analyses.gradients(),
         tr("none: FILE[:TENSOR], %1 × %2").arg(tensor->rows).arg(tensor->cols));
    const bool gradients = needsGradients(scheme) || !m_document.spec().gradients.empty();
    m_gradients.row->setVisible(gradients);
    m_gradients.note->setVisible(gradients && !m_gradients.note->text().isEmpty());
}

void LayerDataForm::show(const Field& field, const LayerInput& input, const QString& expected) {
    const QString reference = QString::fromStdString(input.reference);
    const QString shown = input.own ? QString() : reference;
    if (!field.text->hasFocus() && field.text->text() != shown) {
        field.text->setText(shown);
        field.text->setCursorPosition(int(shown.size()));
    }
    field.text->setPlaceholderText(input.own ? tr("own") : tr("none"));
    field.text->setToolTip(reference.isEmpty() ? expected
                           : input.own         ? tr("%1, the source's own").arg(reference)
                                               : reference);
    field.clear->setEnabled(!reference.isEmpty());
    QString note;
    if (input.error) {
        note = QString::fromStdString(input.error->what);
        if (!input.error->hint.empty()) {
            note += QStringLiteral(" (%1)").arg(QString::fromStdString(input.error->hint));
        }
    } else if (input.pending) {
        note = tr("Opening…");
    } else if (!reference.isEmpty() && input.columnNorms) {
        note = tr("Importance matrix of %1 inputs: enough for Wanda, OBD and structured pruning, "
                  "no output error")
                   .arg(input.cols);
    }
    const bool known = !reference.isEmpty() && !input.error && !input.pending && !input.columnNorms;
    field.shape->setText(known ? shapeText(input) : QString());
    field.shape->setVisible(known);
    field.note->setText(note);
    field.note->setAccessibleDescription(note);
    field.note->setVisible(!note.isEmpty());
    QPalette palette = this->palette();
    const Theme& theme = Theme::current();
    palette.setColor(QPalette::WindowText, input.error ? theme.error : theme.text3);
    field.note->setPalette(palette);
}

void LayerDataForm::showCalibration() {
    const LayerInput& input = m_document.analyses().activations();
    const ExperimentSpec& spec = m_document.spec();
    m_calibration->setVisible(!input.reference.empty() && !input.columnNorms && !input.error);
    const QSignalBlocker quietRows(m_rows);
    const QSignalBlocker quietChoice(m_choice);
    const QSignalBlocker quietSeed(m_seed);
    const std::int64_t most = input.rows > 0 ? input.rows : kMostRows;
    m_rows->setMaximum(
        int(std::clamp<std::int64_t>(std::max(most, spec.calibrationRows), 1, kMostRows)));
    m_rows->setValue(int(std::min<std::int64_t>(spec.calibrationRows, kMostRows)));
    m_choice->setCurrentIndex(m_choice->findData(QString::fromStdString(spec.calibrationChoice)));
    m_choice->setVisible(spec.calibrationRows > 0);
    m_seed->setVisible(spec.calibrationRows > 0 && spec.calibrationChoice == "random");
    m_seed->setValue(int(std::min<std::int64_t>(spec.calibrationSeed, kMostSeed)));
}

void LayerDataForm::chooseActivations() {
    const QString path = QFileDialog::getOpenFileName(
        this,
        tr("Activations of this layer, [tokens, in]"),
        QFileInfo(QString::fromStdString(m_document.spec().activations)).absolutePath(),
        tr("Tensors (*.safetensors *.npy *.npz *.csv *.tsv *.gguf *.dat *.imatrix);;All files "
           "(*)"));
    if (!path.isEmpty()) {
        setActivations(m_document, path);
    }
}

void LayerDataForm::chooseGradients() {
    const QString path = QFileDialog::getOpenFileName(
        this,
        tr("Gradients of this tensor, in its shape"),
        QFileInfo(QString::fromStdString(m_document.spec().gradients)).absolutePath(),
        tr("Tensors (*.safetensors *.npy *.npz *.csv *.tsv);;All files (*)"));
    if (!path.isEmpty()) {
        setGradients(m_document, path);
    }
}

void LayerDataForm::dragEnterEvent(QDragEnterEvent* event) {
    if (!localFile(event->mimeData()).isEmpty()) {
        event->acceptProposedAction();
    }
}

void LayerDataForm::dropEvent(QDropEvent* event) {
    const QString file = localFile(event->mimeData());
    if (file.isEmpty()) {
        return;
    }
    const bool gradients =
        m_gradients.row->isVisible() && event->position().y() >= m_gradients.row->geometry().top();
    if (gradients) {
        setGradients(m_document, file);
    } else {
        setActivations(m_document, file);
    }
    event->acceptProposedAction();
}

}  // namespace loupe::app
