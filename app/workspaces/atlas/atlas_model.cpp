// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/atlas_model.hpp"

#include "app/document/analyses.hpp"
#include "app/jobs/job_manager.hpp"
#include "app/widgets/theme.hpp"
#include "core/base/text.hpp"

#include <QAction>
#include <QElapsedTimer>
#include <QWidget>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace loupe::app {

namespace {

constexpr auto kLayoutSlot = "atlas.layout";
constexpr auto kScanSlot = Analyses::kScanSlot;
constexpr qint64 kFactsMs = 3;
constexpr int kPreferMs = 200;
constexpr std::size_t kPreferred = 256;
constexpr int kFactsPauseMs = 25;  // what is painted and typed meanwhile comes first
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using Kind = AtlasMetric::Kind;
using Pool = AtlasMetric::Pool;

/// Is `value` worse than `than` in the sense of the metric?
bool isWorse(Pool pool, double value, double than) {
    switch (pool) {
        case Pool::Low:
            return value < than;
        case Pool::Magnitude:
            return std::fabs(value) > std::fabs(than);
        case Pool::High:
        case Pool::Sum:
            break;
    }
    return value > than;
}

}  // namespace

AtlasModel::AtlasModel(Document& document, QObject* parent)
    : QObject(parent), m_document(document), m_metric(builtInMetrics().front()) {
    m_runs = new SchemeRuns(document, this);
    connect(m_runs, &SchemeRuns::changed, this, [this] {
        if (m_metric.kind == Kind::Scheme) {
            update();
            preferLater();
        }
        emit progressed();
    });
    m_moreFacts.setSingleShot(true);
    m_moreFacts.setInterval(kFactsPauseMs);
    connect(&m_moreFacts, &QTimer::timeout, this, &AtlasModel::takeStats);
    m_prefer.setSingleShot(true);
    m_prefer.setInterval(kPreferMs);
    connect(&m_prefer, &QTimer::timeout, this, &AtlasModel::preferShown);
    connect(&document.jobs(), &JobManager::progressed, this, [this] {
        if (computing()) {
            emit progressed();
        }
    });
    connect(&document.jobs(), &JobManager::jobEnded, this, [this](const QString& slot) {
        if (slot == QLatin1String(kScanSlot)) {
            m_scanEnded = true;
            emit progressed();
        }
    });
    connect(&document.jobs(), &JobManager::jobStarted, this, [this](const QString& slot) {
        if (slot == QLatin1String(kScanSlot)) {
            m_scanEnded = false;
            emit progressed();
        }
    });
}

AtlasModel::~AtlasModel() {
    blockSignals(true);
    disconnect(&m_document.jobs(), nullptr, this, nullptr);
    m_document.jobs().cancel(QLatin1String(kLayoutSlot));
}

std::vector<AtlasMetric> AtlasModel::metrics() const {
    std::vector<AtlasMetric> all = builtInMetrics();
    for (std::size_t i = 0; i < m_own.size(); ++i) {
        AtlasMetric metric{.id = QStringLiteral("own.") + m_own[i].title,
                           .title = m_own[i].title,
                           .unit = {},
                           .help = tr("From %1.").arg(m_ownTitle),
                           .kind = Kind::Own};
        metric.column = static_cast<int>(i);
        all.push_back(metric);
    }
    return all;
}

void AtlasModel::chooseMetric(const QString& id) {
    const std::vector<AtlasMetric> all = metrics();
    const auto found = std::find_if(
        all.begin(), all.end(), [&](const AtlasMetric& metric) { return metric.id == id; });
    if (found == all.end() || id == m_metric.id) {
        return;
    }
    m_metric = *found;
    m_threshold = {.on = false, .above = m_metric.pool != Pool::Low, .value = 0};
    wantData();
    emit metricChanged();
    update();
    preferLater();
    emit thresholdChanged();
    emit progressed();
}

std::string AtlasModel::schemeOf(const AtlasMetric& metric) const {
    const ExperimentSpec& spec = m_document.spec();
    return metric.side == Side::A ? spec.schemeA : spec.schemeB;
}

void AtlasModel::wantData() {
    if (m_metric.kind == Kind::Scheme && m_layout != nullptr) {
        static_cast<void>(m_runs->want(schemeOf(m_metric)));
    } else {
        m_runs->leave();
    }
    Analyses& analyses = m_document.analyses();
    if (m_metric.kind == Kind::Stats && m_layout != nullptr && !m_scanEnded &&
        !analyses.scanning() && m_factsKnown < m_facts.size()) {
        analyses.scanAll();  // large checkpoints are scanned when somebody asks
    }
}

QString AtlasModel::problem() const {
    if (m_metric.kind == Kind::Scheme && schemeOf(m_metric).empty()) {
        return m_metric.side == Side::A ? tr("There is no scheme A: choose one in Inspect.")
                                        : tr("There is no scheme B: choose one in Inspect.");
    }
    return {};
}

QString AtlasModel::failure(std::size_t tensor) const {
    if (m_source == nullptr || tensor >= m_source->tensors().size()) {
        return {};
    }
    if (const MaybeError& problem = m_source->tensors()[tensor].problem) {
        return QString::fromStdString(problem->message());
    }
    if (const Error* error = m_document.analyses().scanError(tensor);
        error != nullptr && m_metric.kind == Kind::Stats) {
        return QString::fromStdString(error->message());
    }
    if (m_metric.kind == Kind::Scheme) {
        const SchemeColumn* column = m_runs->known(schemeOf(m_metric));
        if (column != nullptr) {
            const auto found = column->errors.find(tensor);
            return found == column->errors.end() ? QString()
                                                 : QString::fromStdString(found->second.message());
        }
    }
    return {};
}

QString AtlasModel::sampleText(std::size_t tensor) const {
    if (tensor >= m_values.tensorState.size() ||
        m_values.tensorState[tensor] != AtlasValues::kSampled) {
        return {};
    }
    std::int64_t rows = 0;
    if (m_metric.kind == Kind::Scheme) {
        const SchemeColumn* column = columnOf(m_metric);
        rows = column != nullptr ? column->sampledRows[tensor] : 0;
    } else if (const auto stats = m_document.analyses().sampledStats(tensor)) {
        rows = stats->rows;
    }
    return tr("%1 of %2 rows")
        .arg(formatCount(rows), formatCount(m_source->tensors()[tensor].rows));
}

QString AtlasModel::flagText(std::size_t tensor) const {
    QString text;
    if (const auto flags = m_document.analyses().knownFlags(tensor)) {
        for (const RaisedFlag& flag : *flags) {
            const std::string_view title = flagDefinition(flag.flag).title;
            text += QStringLiteral(" · ") +
                    QString::fromUtf8(title.data(), static_cast<qsizetype>(title.size()));
            if (!flag.detail.empty()) {
                text += QStringLiteral(": ") + QString::fromStdString(flag.detail);
            }
        }
    }
    return text;
}

QString AtlasModel::valueText(std::size_t tensor) const {
    const QString text = metricText(m_metric, m_values.tensor[tensor]);
    return m_values.tensorState[tensor] == AtlasValues::kSampled
               ? QString(estimateSign(m_metric)) + QChar(0xa0) + text
               : text;
}

void AtlasModel::refresh(Changes what) {
    if (what & Change::Source) {
        sortNames();
    }
    if (what & (Changes(Change::SchemeA) | Change::SchemeB)) {
        if (m_metric.kind == Kind::Scheme) {
            wantData();
            update();
        }
        emit progressed();
    }
    if (what & (Changes(Change::Results) | Change::Source)) {
        takeStats();
    }
}

/// In a job: 100,000 names take a tenth of a second.
void AtlasModel::sortNames() {
    const std::shared_ptr<const TensorSource> source = m_document.source();
    if (source == m_source) {
        return;
    }
    m_source = source;
    m_layout.reset();
    m_selected.reset();
    m_facts.clear();
    m_hasFacts.clear();
    m_factsKnown = 0;
    m_taken = 0;
    m_scanEnded = false;
    m_values = {};
    m_runs->leave();
    clearOwn();
    if (source == nullptr) {
        m_sorting = false;
        m_document.jobs().cancel(QLatin1String(kLayoutSlot));
        emit layoutChanged();
        update();
        return;
    }
    m_facts.resize(source->tensors().size());
    m_hasFacts.assign(source->tensors().size(), Has::Nothing);
    m_sorting = true;
    m_document.jobs().start(
        QLatin1String(kLayoutSlot),
        tr("Sorting tensors by layer"),
        [source](const JobContext&) {
            return std::make_shared<const AtlasLayout>(makeAtlasLayout(source->tensors()));
        },
        this,
        [this, source](const std::shared_ptr<const AtlasLayout>& layout) {
            if (source != m_source) {
                return;
            }
            m_sorting = false;
            m_layout = layout;
            if (!m_wantedSelection.isEmpty()) {
                m_selected = source->find(m_wantedSelection.toStdString());
                m_wantedSelection.clear();
            }
            wantData();
            emit layoutChanged();
            update();
            emit selectionChanged();
            emit progressed();
        });
    emit layoutChanged();
}

/// Some milliseconds at a time: a scan of many small tensors brings thousands at once.
void AtlasModel::takeStats() {
    const Analyses& analyses = m_document.analyses();
    const std::vector<std::size_t>& scanned = analyses.scanned();
    if (m_source == nullptr || m_source != m_document.source()) {
        return;
    }
    QElapsedTimer timer;
    timer.start();
    std::vector<std::size_t> changed;
    for (; m_taken < scanned.size() && timer.elapsed() < kFactsMs; ++m_taken) {
        const std::size_t i = scanned[m_taken];
        if (m_hasFacts[i] == Has::Exact || m_hasFacts[i] == Has::Error) {
            continue;
        }
        if (const std::shared_ptr<const TensorStats> stats = analyses.knownStats(i)) {
            m_facts[i] = factsOf(*stats);
            m_hasFacts[i] = Has::Exact;
            ++m_factsKnown;
        } else if (analyses.scanError(i) != nullptr) {
            m_hasFacts[i] = Has::Error;
            ++m_factsKnown;
        } else if (const std::shared_ptr<const TensorStats> some = analyses.sampledStats(i)) {
            m_facts[i] = factsOf(*some);
            m_hasFacts[i] = Has::Sample;
        } else {
            continue;
        }
        changed.push_back(i);
    }
    if (m_taken < scanned.size()) {
        m_moreFacts.start();
    }
    if (m_metric.kind == Kind::Stats) {
        if (!changed.empty()) {
            updateSome(changed);
            preferLater();
        }
        emit progressed();
    }
}

/// What a person looks at is read next: the selected cell, then what the estimates say is worst.
void AtlasModel::preferShown() {
    if (m_layout == nullptr || m_source == nullptr || !computing()) {
        return;
    }
    std::vector<std::size_t> first;
    if (m_selected) {
        const auto cell = m_layout->in(static_cast<std::size_t>(m_layout->cellOf[*m_selected]));
        first.push_back(*m_selected);
        first.insert(first.end(), cell.begin(), cell.end());
    }
    std::vector<std::size_t> worst;
    for (std::size_t i = 0; i < m_values.tensorState.size(); ++i) {
        if (m_values.tensorState[i] == AtlasValues::kSampled) {
            worst.push_back(i);
        }
    }
    const auto before = [this](std::size_t a, std::size_t b) {
        return isWorse(m_metric.pool, m_values.tensor[a], m_values.tensor[b]);
    };
    const std::size_t most = std::min(kPreferred, worst.size());
    std::partial_sort(worst.begin(),
                      worst.begin() + static_cast<std::ptrdiff_t>(most),
                      worst.end(),
                      before);
    worst.resize(most);
    first.insert(first.end(), worst.begin(), worst.end());
    if (m_metric.kind == Kind::Scheme) {
        m_runs->prefer(first);
    } else {
        m_document.analyses().scanFirst(first);
    }
}

const SchemeColumn* AtlasModel::columnOf(const AtlasMetric& metric) const {
    return metric.kind == Kind::Scheme ? m_runs->known(schemeOf(metric)) : nullptr;
}

std::pair<double, std::uint8_t> AtlasModel::valueOf(const AtlasMetric& metric,
                                                    const SchemeColumn* column,
                                                    std::size_t tensor) const {
    const TensorInfo& info = m_source->tensors()[tensor];
    switch (metric.kind) {
        case Kind::Header: {
            const double value = metric.header(info);
            return {value, std::isnan(value) ? AtlasValues::kNone : AtlasValues::kKnown};
        }
        case Kind::Stats: {
            const Has has = m_hasFacts[tensor];
            if (info.problem || has == Has::Error) {
                return {kNan, AtlasValues::kFailed};
            }
            const bool sample = has == Has::Sample;
            if (has == Has::Nothing || (sample && metric.estimate == AtlasMetric::Estimate::None)) {
                return {kNan, AtlasValues::kPending};
            }
            const double value = metric.fact(m_facts[tensor]);
            return {value,
                    std::isnan(value) ? sample ? AtlasValues::kPending : AtlasValues::kNone
                    : sample          ? AtlasValues::kSampled
                                      : AtlasValues::kKnown};
        }
        case Kind::Own: {
            const OwnColumn& own = m_own[static_cast<std::size_t>(metric.column)];
            return {own.values[tensor],
                    own.known[tensor] != 0 ? AtlasValues::kKnown : AtlasValues::kNone};
        }
        case Kind::Scheme:
            break;
    }
    if (column == nullptr) {
        return {kNan, schemeOf(metric).empty() ? AtlasValues::kNone : AtlasValues::kPending};
    }
    switch (column->state[tensor]) {
        case SchemeColumn::State::Sampled:
        case SchemeColumn::State::Known: {
            const bool sample = column->state[tensor] == SchemeColumn::State::Sampled;
            const std::optional<double> value = metric.figure->value(column->figures[tensor]);
            const auto some = sample ? AtlasValues::kSampled : AtlasValues::kKnown;
            const auto none = sample ? AtlasValues::kPending : AtlasValues::kNone;
            return value ? std::pair{*value, static_cast<std::uint8_t>(some)}
                         : std::pair{kNan, static_cast<std::uint8_t>(none)};
        }
        case SchemeColumn::State::Failed:
            return {kNan, AtlasValues::kFailed};
        case SchemeColumn::State::None:
            return {kNan, AtlasValues::kNone};
        case SchemeColumn::State::Pending:
            break;
    }
    return {kNan, AtlasValues::kPending};
}

void AtlasModel::update() {
    if (m_layout == nullptr || m_source == nullptr) {
        m_values = {};
    } else {
        const std::size_t count = m_source->tensors().size();
        m_values = {};
        m_values.tensor.resize(count);
        m_values.tensorState.resize(count);
        m_values.cell.resize(m_layout->cells());
        m_values.cellState.resize(m_layout->cells());
        m_values.cellTensor.resize(m_layout->cells());
        const SchemeColumn* column = columnOf(m_metric);
        for (std::size_t i = 0; i < count; ++i) {
            updateTensor(column, i);
        }
        for (std::size_t c = 0; c < m_values.cell.size(); ++c) {
            poolCell(c);
        }
        updateRange();
    }
    emit valuesChanged();
}

/// @cost the tensors of the cells that hold these, and all cells once
void AtlasModel::updateSome(const std::vector<std::size_t>& tensors) {
    if (m_layout == nullptr || m_values.tensor.size() != m_source->tensors().size()) {
        update();
        return;
    }
    const SchemeColumn* column = columnOf(m_metric);
    std::vector<std::int32_t> cells;
    cells.reserve(tensors.size());
    for (const std::size_t i : tensors) {
        updateTensor(column, i);
        cells.push_back(m_layout->cellOf[i]);
    }
    std::sort(cells.begin(), cells.end());
    cells.erase(std::unique(cells.begin(), cells.end()), cells.end());
    for (const std::int32_t cell : cells) {
        poolCell(static_cast<std::size_t>(cell));
    }
    updateRange();
    emit valuesChanged();
}

void AtlasModel::updateTensor(const SchemeColumn* column, std::size_t tensor) {
    const auto tally = [this](std::uint8_t state) -> std::size_t* {
        switch (state) {
            case AtlasValues::kKnown:
                return &m_values.known;
            case AtlasValues::kSampled:
                return &m_values.sampled;
            case AtlasValues::kPending:
                return &m_values.pending;
            case AtlasValues::kFailed:
                return &m_values.failed;
            default:
                return nullptr;
        }
    };
    std::uint8_t& state = m_values.tensorState[tensor];
    if (std::size_t* was = tally(state)) {
        --*was;
    }
    std::tie(m_values.tensor[tensor], state) = valueOf(m_metric, column, tensor);
    if (std::size_t* now = tally(state)) {
        ++*now;
    }
}

void AtlasModel::poolCell(std::size_t cell) {
    double pooled = kNan;
    double shown = kNan;
    std::uint8_t state = 0;
    std::int32_t tensor = -1;
    for (const std::uint32_t i : m_layout->in(cell)) {
        state |= m_values.tensorState[i];
        if (!AtlasValues::hasValue(m_values.tensorState[i])) {
            tensor = tensor < 0 ? static_cast<std::int32_t>(i) : tensor;
            continue;
        }
        const double value = m_values.tensor[i];
        const bool first = std::isnan(shown);
        if (first || isWorse(m_metric.pool, value, shown)) {
            shown = value;
            tensor = static_cast<std::int32_t>(i);
        }
        pooled = m_metric.pool != Pool::Sum ? shown : first ? value : pooled + value;
    }
    m_values.cell[cell] = pooled;
    m_values.cellState[cell] = state;
    m_values.cellTensor[cell] = tensor;
}

void AtlasModel::updateRange() {
    m_values.nan = m_values.inf = 0;
    double least = std::numeric_limits<double>::infinity();
    double most = -least;
    double positive = least;
    for (std::size_t c = 0; c < m_values.cell.size(); ++c) {
        if (!AtlasValues::hasValue(m_values.cellState[c])) {
            continue;
        }
        const double value = m_values.cell[c];
        m_values.nan += std::isnan(value) ? 1U : 0U;
        m_values.inf += std::isinf(value) ? 1U : 0U;
        if (std::isfinite(value)) {
            least = std::min(least, value);
            most = std::max(most, value);
            positive = value > 0 ? std::min(positive, value) : positive;
        }
    }
    m_values.least = std::isfinite(least) ? least : 0;
    m_values.most = std::isfinite(most) ? most : 0;
    m_values.leastPositive = std::isfinite(positive) ? positive : 0;
}

bool AtlasModel::isFlagged(double value) const {
    if (!m_threshold.on) {
        return false;
    }
    if (std::isnan(value)) {
        return true;  // no number at all is worse than any
    }
    const double shown = m_metric.pool == Pool::Magnitude ? std::fabs(value) : value;
    return m_threshold.above ? shown >= m_threshold.value : shown <= m_threshold.value;
}

bool AtlasModel::isCellFlagged(std::size_t cell) const {
    if (!m_threshold.on || m_layout == nullptr) {
        return false;
    }
    const auto in = m_layout->in(cell);
    return std::any_of(in.begin(), in.end(), [this](std::uint32_t i) {
        return AtlasValues::hasValue(m_values.tensorState[i]) && isFlagged(m_values.tensor[i]);
    });
}

void AtlasModel::setThreshold(const AtlasThreshold& threshold) {
    if (threshold != m_threshold) {
        m_threshold = threshold;
        emit thresholdChanged();
    }
}

void AtlasModel::select(std::optional<std::size_t> tensor) {
    if (tensor != m_selected) {
        m_selected = tensor;
        preferLater();
        emit selectionChanged();
    }
}

void AtlasModel::preferLater() {
    if (computing() && !m_prefer.isActive()) {
        m_prefer.start();
    }
}

void AtlasModel::open(std::size_t tensor, QWidget* from) {
    if (m_source == nullptr || tensor >= m_source->tensors().size()) {
        return;
    }
    select(tensor);
    const std::string& name = m_source->tensors()[tensor].name;
    m_document.edit(tr("Select %1").arg(QString::fromStdString(name)),
                    [&](ExperimentSpec& spec) { spec.tensor = name; });
    if (auto* action = from->window()->findChild<QAction*>(QStringLiteral("workspace.inspect"))) {
        action->trigger();
    }
}

bool AtlasModel::computing() const {
    return (m_metric.kind == Kind::Stats && m_document.analyses().scanning()) ||
           (m_metric.kind == Kind::Scheme && m_runs->running());
}

bool AtlasModel::paused() const {
    return (m_metric.kind == Kind::Scheme && m_runs->paused()) ||
           (m_metric.kind == Kind::Stats && m_scanEnded && !m_document.analyses().scanning() &&
            !m_moreFacts.isActive() && m_values.pending + m_values.sampled > 0);
}

double AtlasModel::fraction() const {
    return m_metric.kind == Kind::Scheme ? m_runs->fraction()
                                         : m_document.jobs().fraction(QLatin1String(kScanSlot));
}

void AtlasModel::pause() {
    if (m_metric.kind == Kind::Scheme) {
        m_runs->pause();
    } else if (m_document.analyses().scanning()) {
        m_document.jobs().cancel(QLatin1String(kScanSlot));
    }
}

void AtlasModel::resume() {
    if (m_metric.kind == Kind::Scheme) {
        m_runs->resume();
    } else {
        m_document.analyses().scanAll();
    }
}

void AtlasModel::setOwn(const QString& title, const OwnTable& table) {
    m_own = table.columns;
    m_ownTitle = title;
    const QString was = m_metric.id;
    if (!m_own.empty()) {
        m_metric.id.clear();  // even the same title has other numbers now
        chooseMetric(QStringLiteral("own.") + m_own.front().title);
    } else if (was.startsWith(QLatin1String("own."))) {
        chooseMetric(builtInMetrics().front().id);
    }
    emit metricChanged();
}

void AtlasModel::clearOwn() {
    if (!m_own.empty()) {
        m_own.clear();
        m_ownTitle.clear();
        if (m_metric.kind == Kind::Own) {
            m_metric = builtInMetrics().front();
            m_threshold = {};
            emit thresholdChanged();
        }
        emit metricChanged();
    }
}

QJsonObject AtlasModel::save() const {
    QJsonObject state{{QStringLiteral("metric"), m_metric.id},
                      {QStringLiteral("flag"), m_threshold.on},
                      {QStringLiteral("above"), m_threshold.above},
                      {QStringLiteral("threshold"), m_threshold.value}};
    if (m_selected && m_source != nullptr) {
        state[QStringLiteral("selected")] =
            QString::fromStdString(m_source->tensors()[*m_selected].name);
    } else if (!m_wantedSelection.isEmpty()) {
        state[QStringLiteral("selected")] = m_wantedSelection;
    }
    return state;
}

void AtlasModel::restore(const QJsonObject& state) {
    const QString metric = state[QStringLiteral("metric")].toString();
    chooseMetric(metric.isEmpty() ? builtInMetrics().front().id : metric);
    if (metric == m_metric.id) {
        setThreshold({.on = state[QStringLiteral("flag")].toBool(),
                      .above = state[QStringLiteral("above")].toBool(true),
                      .value = state[QStringLiteral("threshold")].toDouble()});
    }
    const QString wanted = state[QStringLiteral("selected")].toString();
    if (m_layout != nullptr && m_source != nullptr) {
        select(m_source->find(wanted.toStdString()));
    } else {
        m_wantedSelection = wanted;
    }
}

QString AtlasModel::copyText() const {
    if (m_layout == nullptr || m_source == nullptr) {
        return {};
    }
    const std::vector<AtlasMetric> all = metrics();
    std::vector<std::pair<const AtlasMetric*, const SchemeColumn*>> shown;
    QString text = QStringLiteral("tensor\tstack\tlayer\trole");
    for (const AtlasMetric& metric : all) {
        const SchemeColumn* column = columnOf(metric);
        if (metric.kind != Kind::Scheme || column != nullptr) {
            shown.emplace_back(&metric, column);
            text += QLatin1Char('\t') + metric.id;
        }
    }
    text += QLatin1Char('\n');
    for (std::size_t i = 0; i < m_layout->places.size(); ++i) {
        const TensorPlace& place = m_layout->places[i];
        text += QString::fromStdString(m_source->tensors()[i].name) + QLatin1Char('\t') +
                QString::fromStdString(place.stack) + QLatin1Char('\t') +
                (place.layer < 0 ? QString() : QString::number(place.layer)) + QLatin1Char('\t') +
                QString::fromStdString(place.role);
        for (const auto& [metric, column] : shown) {
            const auto [value, state] = valueOf(*metric, column, i);
            text += QLatin1Char('\t');
            if (state == AtlasValues::kKnown) {
                text += QString::fromStdString(shortest(value));
            }
        }
        text += QLatin1Char('\n');
    }
    return text;
}

}  // namespace loupe::app
