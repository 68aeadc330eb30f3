// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/theatre/theatre_model.hpp"

#include "app/document/cursor.hpp"
#include "app/document/inputs.hpp"
#include "app/jobs/job_manager.hpp"
#include "core/blocks/block_layout.hpp"
#include "core/experiment/trace_scheme.hpp"

#include <algorithm>

namespace loupe::app {

namespace {

const char* const kSlot = "theatre:trace";
constexpr std::size_t kMostKept = 4;  // a trace may have 100 MB
constexpr int kStepMs = 500;          // at speed 1; never faster than 8 a second

QString textOf(const Slice& slice) {
    return QStringLiteral("%1,%2,%3,%4")
        .arg(slice.row)
        .arg(slice.col)
        .arg(slice.rows)
        .arg(slice.cols);
}

/// Weights that share a scale along a row, or a block; 0: no such groups.
std::int64_t groupOf(const Scheme& scheme) {
    const Step& last = scheme.steps.back();
    const StepDefinition* definition = findStep(last.name);
    if (last.name == "ggml") {
        const BlockLayout* block =
            findBlockLayout(Params(definition->params, last).text("type"));
        return block == nullptr ? 0 : block->elements;
    }
    const bool grouped = std::any_of(definition->params.begin(),
                                     definition->params.end(),
                                     [](const ParamSpec& spec) { return spec.name == "group"; }) &&
                         last.values.count("group") != 0;
    return grouped ? Params(definition->params, last).integer("group") : 0;
}

}  // namespace

TheatreModel::TheatreModel(Document& document, QObject* parent)
    : QObject(parent), m_document(document) {
    m_player.setInterval(kStepMs);
    connect(&m_player, &QTimer::timeout, this, &TheatreModel::tick);
    if (!playableMethods().empty()) {
        m_method = &playableMethods().front();
        m_scheme = parseScheme(m_method->scheme).value();
        m_source = QString::fromStdString(sourcesFor(*m_method).front());
    }
}

TheatreModel::~TheatreModel() = default;

void TheatreModel::setMethod(const QString& id) {
    const Method* method = findMethod(id.toStdString());
    if (method == nullptr) {
        return;
    }
    m_adopted = true;
    m_method = method;
    m_scheme = parseScheme(method->scheme).value();
    if (!playsTensor() || (!m_tensorAsked && lacksInputs())) {
        m_source = QString::fromStdString(sourcesFor(*method).front());
    }
    setPlaying(false);
    m_state = 0;
    m_wantedState.reset();
    m_cellChosen = false;
    emit choiceChanged();
    update();
}

QString TheatreModel::schemeText() const {
    return QString::fromStdString(toString(m_scheme));
}

void TheatreModel::setScheme(const Scheme& scheme) {
    if (scheme.empty() || scheme == m_scheme) {
        return;
    }
    m_adopted = true;
    const bool other = m_scheme.empty() || scheme.steps.back().name != m_scheme.steps.back().name;
    m_scheme = scheme;
    if (other) {
        // A typed scheme may be of another method.
        const Method* method = methodFor(scheme);
        m_method = method != nullptr ? method : m_method;
        m_state = 0;
    }
    emit choiceChanged();
    update();
}

bool TheatreModel::play(const QString& text) {
    const Result<Scheme> scheme = parseScheme(text.toStdString());
    const Method* method = scheme ? methodFor(*scheme) : nullptr;
    if (method == nullptr) {
        return false;
    }
    m_adopted = true;
    m_tensorAsked = true;
    m_method = method;
    m_scheme = *scheme;
    m_source.clear();
    setPlaying(false);
    m_state = 0;
    m_wantedState.reset();
    m_cellChosen = false;
    m_sliceChosen = false;
    fitSlice();
    emit choiceChanged();
    update();
    return true;
}

/// Does the scheme need something of the open layer that is not there?
bool TheatreModel::lacksInputs() const {
    const InputReferences references = inputReferences(m_document);
    return std::any_of(m_scheme.steps.begin(), m_scheme.steps.end(), [&](const Step& step) {
        const StepDefinition* definition = findStep(step.name);
        return (references.activations.empty() &&
                (definition->needsActivations || step.values.count("act_bits") != 0)) ||
               (references.gradients.empty() && definition->needsGradients);
    });
}

/// Who comes from Inspect for the first time sees scheme A: on the open tensor or, where that lacks
/// what the scheme needs, on the layer that shows the method well.
void TheatreModel::adopt() {
    if (m_adopted || !m_document.weights()) {
        return;
    }
    m_adopted = true;
    const Result<Scheme> scheme = parseScheme(m_document.scheme(Side::A).toStdString());
    const Method* method = scheme ? methodFor(*scheme) : nullptr;
    if (method == nullptr) {
        return;
    }
    m_method = method;
    m_scheme = *scheme;
    m_source = lacksInputs() ? QString::fromStdString(sourcesFor(*method).front()) : QString();
    if (playsTensor()) {
        fitSlice();
    }
    emit choiceChanged();
}

void TheatreModel::setStep(const Step& step) {
    Scheme scheme = m_scheme;
    scheme.steps.back() = step;
    setScheme(scheme);
}

void TheatreModel::setSource(const QString& path) {
    if (path == m_source) {
        return;
    }
    m_source = path;
    m_adopted = true;
    m_tensorAsked = path.isEmpty();
    setPlaying(false);
    m_state = 0;
    m_cellChosen = false;
    fitSlice();
    emit choiceChanged();
    update();
}

void TheatreModel::setSlice(const Slice& slice) {
    const std::shared_ptr<const RowSource> weights = m_document.weights();
    const Slice fit = weights ? fitted(slice, weights->rows(), weights->cols()) : slice;
    m_sliceChosen = true;
    if (fit == m_slice) {
        emit choiceChanged();  // what was typed did not fit: show what holds
        return;
    }
    m_slice = fit;
    m_cellChosen = false;
    emit choiceChanged();
    update();
}

/// Another tensor: the slice goes around the cell that is selected in it.
void TheatreModel::fitSlice() {
    const std::shared_ptr<const RowSource> weights = m_document.weights();
    const QString tensor = QString::fromStdString(m_document.spec().tensor);
    if (!weights || (m_sliceOf == tensor && m_sliceChosen)) {
        return;
    }
    const Cell cell = m_document.cursor().selected().value_or(Cell{});
    const Slice fit =
        m_sliceOf.isEmpty() && m_sliceChosen
            ? fitted(m_slice, weights->rows(), weights->cols())
            : sliceAround(cell.row, cell.col, weights->rows(), weights->cols(), groupOf(m_scheme));
    m_sliceOf = tensor;
    if (fit != m_slice) {
        m_slice = fit;
        emit choiceChanged();
    }
}

QString TheatreModel::key() const {
    QString text = schemeText() + QLatin1Char('\n') + m_source;
    if (playsTensor()) {
        const ExperimentSpec& spec = m_document.spec();
        text += QLatin1Char('\n') + QString::fromStdString(spec.source) + QLatin1Char('\n') +
                QString::fromStdString(spec.tensor) + QLatin1Char('\n') +
                QString::fromStdString(spec.layout) + QLatin1String(spec.stored ? " stored" : "") +
                QLatin1Char('\n') +
                QString::fromStdString(inputReferences(m_document).key()) + QLatin1Char('\n') +
                textOf(m_slice);
        for (const Edit& edit : spec.edits) {
            text += QStringLiteral("\n%1@%2").arg(edit.code).arg(edit.index);
        }
    }
    return text;
}

void TheatreModel::update() {
    if (m_method == nullptr) {
        return;
    }
    adopt();
    if (playsTensor()) {
        fitSlice();
    }
    const QString wanted = key();
    const bool gone = playsTensor() && !m_document.weights();
    if (gone) {
        m_document.jobs().cancel(QLatin1String(kSlot));
        m_wantedKey.clear();
        m_shownKey.clear();
        m_busy = m_document.opening();
        m_trace.reset();
        m_error.reset();
        if (!m_busy) {
            m_error = m_document.tensorError().value_or(
                Error{ErrorCode::Missing,
                      "no tensor is open",
                      {},
                      "open a checkpoint, or play a made-up layer"});
        }
        emit traceChanged();
        return;
    }
    if (wanted == m_wantedKey) {
        return;
    }
    m_wantedKey = wanted;
    const auto known =
        std::find_if(m_recent.begin(), m_recent.end(), [&](const Recorded& recorded) {
            return recorded.key == wanted;
        });
    if (known != m_recent.end()) {
        m_document.jobs().cancel(QLatin1String(kSlot));
        const Recorded recorded = *known;
        m_recent.erase(known);
        m_recent.push_back(recorded);
        show(recorded);
        return;
    }
    record();
}

void TheatreModel::record() {
    m_busy = true;
    SchemeInput layer;
    InputReferences references;
    if (playsTensor()) {
        layer.weights = m_document.weights();
        const StorageType* type = m_document.tensor()->type;
        layer.storedBits = type != nullptr ? type->bits : 32;
        references = inputReferences(m_document);
        layer.calibrationRows = references.calibration.rows;
        layer.calibrationChoice = references.calibration.choice;
        layer.calibrationSeed = references.calibration.seed;
    }
    m_document.jobs().start(
        QLatin1String(kSlot),
        tr("Recording %1")
            .arg(QString::fromUtf8(m_method->title.data(),
                                   static_cast<qsizetype>(m_method->title.size()))),
        [scheme = m_scheme,
         source = m_source.toStdString(),
         tensor = m_document.spec().tensor,
         slice = m_slice,
         wanted = m_wantedKey,
         layer,
         references](const JobContext& ctx) mutable -> Result<Recorded> {
            if (!source.empty()) {
                Result<SchemeInput> made = layerOf(source);
                if (!made) {
                    return fail(made.error());
                }
                layer = *made;
            } else {
                if (!references.activations.empty()) {
                    const auto opened =
                        openActivations(references.activations, tensor, layer.weights->cols());
                    if (!opened) {
                        return fail(opened.error());
                    }
                    layer.activations = *opened;
                }
                if (!references.gradients.empty()) {
                    const auto opened = openGradients(
                        references.gradients, tensor, *layer.weights, references.options);
                    if (!opened) {
                        return fail(opened.error());
                    }
                    layer.gradients = *opened;
                }
                Result<SchemeInput> part = sliceOf(layer, slice, ctx);
                if (!part) {
                    return fail(part.error());
                }
                layer = *part;
            }
            Result<std::shared_ptr<const Trace>> trace = traceScheme(scheme, layer, ctx);
            if (!trace) {
                return fail(trace.error());
            }
            return Recorded{wanted,
                            *trace,
                            layer.activations
                                ? std::pair{layer.activations->rows(), layer.activations->cols()}
                                : std::pair<std::int64_t, std::int64_t>{0, 0}};
        },
        this,
        [this, wanted = m_wantedKey](const Result<Recorded>& result) { take(wanted, result); });
    emit traceChanged();
}

void TheatreModel::take(const QString& key, const Result<Recorded>& result) {
    if (key != m_wantedKey) {
        return;
    }
    if (result) {
        m_recent.push_back(*result);
        if (m_recent.size() > kMostKept) {
            m_recent.erase(m_recent.begin());
        }
        show(*result);
        return;
    }
    setPlaying(false);
    m_busy = false;
    m_trace.reset();
    m_shownKey.clear();
    m_error = result.error();
    emit traceChanged();
    emit stateChanged();
    emit cellChanged();
}

void TheatreModel::show(const Recorded& recorded) {
    m_busy = false;
    m_error.reset();
    const std::size_t before = stateCount();
    m_trace = recorded.trace;
    m_tokens = recorded.tokens;
    m_shownKey = recorded.key;
    const std::size_t count = m_trace->states.size();
    if (m_wantedState) {
        m_state = *m_wantedState;
        m_wantedState.reset();
    } else if (before != count && m_state != 0) {
        // Another number of states: the same share of the way.
        m_state = before > 1 ? m_state * (count - 1) / (before - 1) : 0;
    }
    m_state = std::min(m_state, count - 1);
    followFocus(m_cell);
    emit traceChanged();
    emit stateChanged();
    emit cellChanged();
}

const TraceState* TheatreModel::state() const {
    return m_trace ? &m_trace->states[m_state] : nullptr;
}

void TheatreModel::setState(std::size_t index) {
    if (!m_trace || m_trace->states.empty()) {
        return;
    }
    index = std::min(index, m_trace->states.size() - 1);
    if (index == m_state) {
        return;
    }
    const TraceCell before = state()->focus;
    m_state = index;
    followFocus(before);
    emit stateChanged();
    emit cellChanged();
}

/// A chosen row is followed; the column goes where the algorithm goes.
void TheatreModel::followFocus(TraceCell before) {
    const TraceState& now = *state();
    if (!m_cellChosen) {
        m_cell = now.focus;
    } else if (now.focus.col != before.col) {
        m_cell.col = now.focus.col;
    }
    if (!now.panels.empty()) {
        const Matrix<double>& values = *now.panels.front().values;
        m_cell.row =
            std::clamp<std::int64_t>(m_cell.row, 0, std::max<std::int64_t>(0, values.rows() - 1));
        m_cell.col =
            std::clamp<std::int64_t>(m_cell.col, 0, std::max<std::int64_t>(0, values.cols() - 1));
    }
}

void TheatreModel::step(int by) {
    setPlaying(false);
    const auto next = static_cast<std::ptrdiff_t>(m_state) + by;
    setState(static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, next)));
}

void TheatreModel::setPlaying(bool playing) {
    if (playing == isPlaying() || (playing && stateCount() < 2)) {
        return;
    }
    if (!playing) {
        m_player.stop();
    } else {
        if (m_state + 1 >= stateCount()) {
            setState(0);
        }
        m_player.start();
    }
    emit playingChanged();
}

void TheatreModel::tick() {
    if (m_state + 1 < stateCount()) {
        setState(m_state + 1);
    }
    if (m_state + 1 >= stateCount()) {
        setPlaying(false);
    }
}

void TheatreModel::setSpeed(double speed) {
    m_speed = std::clamp(speed, 0.1, 4.0);
    m_player.setInterval(static_cast<int>(kStepMs / m_speed));
    emit playingChanged();
}

void TheatreModel::setCell(TraceCell cell) {
    const TraceState* now = state();
    if (now == nullptr || now->panels.empty()) {
        return;
    }
    const Matrix<double>& values = *now->panels.front().values;
    if (values.empty()) {
        return;
    }
    m_cell = {std::clamp<std::int64_t>(cell.row, 0, values.rows() - 1),
              std::clamp<std::int64_t>(cell.col, 0, values.cols() - 1)};
    m_cellChosen = true;
    emit cellChanged();
}

void TheatreModel::moveCell(std::int64_t rows, std::int64_t cols) {
    setCell({m_cell.row + rows, m_cell.col + cols});
}

void TheatreModel::releaseCell() {
    if (const TraceState* now = state()) {
        m_cellChosen = false;
        m_cell = now->focus;
        emit cellChanged();
    }
}

std::vector<TraceNote> TheatreModel::notes() const {
    return m_trace && m_trace->explain ? m_trace->explain(m_state, m_cell)
                                       : std::vector<TraceNote>{};
}

QJsonObject TheatreModel::save() const {
    QJsonObject state{
        {QStringLiteral("method"),
         m_method != nullptr
             ? QString::fromUtf8(m_method->id.data(), static_cast<qsizetype>(m_method->id.size()))
             : QString()},
        {QStringLiteral("scheme"), schemeText()},
        {QStringLiteral("source"), m_source},
        {QStringLiteral("state"), static_cast<qint64>(m_state)},
        {QStringLiteral("speed"), m_speed},
    };
    if (m_sliceChosen) {
        state[QStringLiteral("slice")] = textOf(m_slice);
    }
    if (m_cellChosen) {
        state[QStringLiteral("cell")] = QStringLiteral("%1,%2").arg(m_cell.row).arg(m_cell.col);
    }
    return state;
}

void TheatreModel::restore(const QJsonObject& state) {
    if (m_method == nullptr) {
        return;
    }
    m_adopted = state.contains(QStringLiteral("method"));
    m_tensorAsked = m_adopted;
    const Method* method = findMethod(state[QStringLiteral("method")].toString().toStdString());
    m_method = method != nullptr ? method : &playableMethods().front();
    const Result<Scheme> scheme =
        parseScheme(state[QStringLiteral("scheme")].toString().toStdString());
    m_scheme = scheme && !scheme->empty() ? *scheme : parseScheme(m_method->scheme).value();
    m_source = state.contains(QStringLiteral("source"))
                   ? state[QStringLiteral("source")].toString()
                   : QString::fromStdString(sourcesFor(*m_method).front());
    const QStringList slice = state[QStringLiteral("slice")].toString().split(QLatin1Char(','));
    m_sliceChosen = slice.size() == 4;
    m_sliceOf.clear();
    if (m_sliceChosen) {
        m_slice = {slice[0].toLongLong(),
                   slice[1].toLongLong(),
                   std::max(1LL, slice[2].toLongLong()),
                   std::max(1LL, slice[3].toLongLong())};
    }
    const QStringList cell = state[QStringLiteral("cell")].toString().split(QLatin1Char(','));
    m_cellChosen = cell.size() == 2;
    m_cell = m_cellChosen ? TraceCell{cell[0].toLongLong(), cell[1].toLongLong()} : TraceCell{};
    m_wantedState =
        static_cast<std::size_t>(std::max<qint64>(0, state[QStringLiteral("state")].toInteger()));
    m_wantedKey.clear();
    setSpeed(state[QStringLiteral("speed")].toDouble(1));
    emit choiceChanged();
    update();
}

}  // namespace loupe::app
