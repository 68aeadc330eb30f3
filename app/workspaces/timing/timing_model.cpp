// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/timing_model.hpp"

#include "app/jobs/job_manager.hpp"
#include "app/workspaces/timing/request_json.hpp"
#include "gpu/kernels/kernel.hpp"

#include <QJsonArray>
#include <QSet>

#include <algorithm>

namespace loupe::app {

namespace {

QString toQ(const std::string& text) {
    return QString::fromStdString(text);
}

constexpr const char* kStoreSlot = "timing:records";
constexpr const char* kBackendSlot = "timing:backends";

std::vector<BackendChoice> askAll() {
    std::vector<BackendChoice> choices;
    for (const gpu::Backend* backend : gpu::backends()) {
        choices.push_back({fromView(backend->id()),
                           fromView(backend->title()),
                           toQ(backend->unavailable()),
                           backend->offers()});
    }
    return choices;
}

bool matches(const gpu::TimingRequest& request, std::string_view what) {
    return std::find(request.what.begin(), request.what.end(), what) != request.what.end();
}

}  // namespace

TimingModel::TimingModel(Document& document, QObject* parent)
    : QObject(parent), m_document(document), m_store(RecordStore::defaultPath()) {
    m_request.what = {"fp32", "bf16", "int8", "w4a16"};
    connect(&m_queue, &RunQueue::recordArrived, this, &TimingModel::takeRecord);
    connect(&m_store, &RecordStore::changed, this, [this] {
        m_shown.erase(std::remove_if(m_shown.begin(),
                                     m_shown.end(),
                                     [this](const QString& run) { return !m_store.find(run); }),
                      m_shown.end());
        rebuild();
    });
    askBackends();
    readStore();
}

TimingModel::~TimingModel() {
    m_document.jobs().cancel(QLatin1String(kStoreSlot));
    m_document.jobs().cancel(QLatin1String(kBackendSlot));
}

void TimingModel::askBackends() {
    m_document.jobs().start(
        QLatin1String(kBackendSlot),
        tr("Asking what can be timed here"),
        [](const JobContext&) { return askAll(); },
        this,
        [this](std::vector<BackendChoice> choices) {
            m_backends = std::move(choices);
            m_answered = true;
            chooseSome();
            emit backendsChanged();
            emit requestChanged();
        });
}

void TimingModel::readStore() {
    m_document.jobs().start(
        QLatin1String(kStoreSlot),
        tr("Reading timing records"),
        [path = m_store.path()](const JobContext&) -> Result<ReadRecords> {
            return RecordStore::readFile(path).map(
                [](const QByteArray& text) { return readRecords(text); });
        },
        this,
        [this](const Result<ReadRecords>& read) {
            m_store.take(read ? *read : ReadRecords{});
            if (!read) {
                emit failed(read.error());
            } else if (read->unreadable > 0) {
                emit failed(
                    Error{ErrorCode::Damaged,
                          (read->unreadable == 1
                               ? tr("1 line of the kept timing records could not be read")
                               : tr("%1 lines of the kept timing records could not be read")
                                     .arg(read->unreadable))
                              .toStdString(),
                          m_store.path().toStdString(),
                          tr("They stay in the file. %1.").arg(read->firstProblem).toStdString()});
            }
            if (m_shown.isEmpty()) {
                QStringList wanted = m_restore;
                if (wanted.isEmpty() && !m_store.runs().empty()) {
                    wanted << m_store.runs().front().id;
                }
                show(wanted);
            }
            emit requestChanged();
        });
}

void TimingModel::setRequest(const gpu::TimingRequest& request) {
    if (request == m_request) {
        return;
    }
    const bool elsewhere =
        request.operation != m_request.operation || request.backend != m_request.backend;
    m_request = request;
    if (elsewhere) {
        chooseSome();
    }
    emit requestChanged();
}

/// Where nothing that was chosen is offered, everything that runs is.
void TimingModel::chooseSome() {
    const std::vector<gpu::Offer> all = offers();
    if (std::any_of(all.begin(), all.end(), [this](const gpu::Offer& offer) {
            return offer.reason.empty() && matches(m_request, offer.name);
        })) {
        return;
    }
    for (const gpu::Offer& offer : all) {
        if (offer.reason.empty()) {
            m_request.what.push_back(offer.name);
        }
    }
}

const BackendChoice* TimingModel::backend() const {
    for (const BackendChoice& choice : m_backends) {
        if (choice.id == toQ(m_request.backend)) {
            return &choice;
        }
    }
    return nullptr;
}

std::vector<gpu::Offer> TimingModel::offers() const {
    std::vector<gpu::Offer> mine;
    const BackendChoice* choice = backend();
    if (choice == nullptr) {
        return mine;
    }
    const bool remote = !m_request.remote.empty();
    for (const gpu::Offer& offer : choice->offers) {
        if (offer.operation == m_request.operation) {
            mine.push_back(offer);
            if (remote) {
                mine.back().reason.clear();
            }
        }
    }
    return mine;
}

QString TimingModel::refusal() const {
    if (loading()) {
        return tr("Asking what can be timed here…");
    }
    if (const Result<void> checked = gpu::checkRequest(m_request); !checked) {
        return toQ(checked.error().what);
    }
    const BackendChoice* choice = backend();
    if (choice == nullptr) {
        return tr("This build has no backend %1.").arg(toQ(m_request.backend));
    }
    if (m_request.remote.empty() && !choice->unavailable.isEmpty()) {
        return choice->unavailable;
    }
    if (caseCount() == 0) {
        return m_request.operation == gpu::Operation::Matmul ? tr("Choose a format.")
                                                             : tr("Choose a kernel.");
    }
    return {};
}

int TimingModel::caseCount() const {
    int count = 0;
    for (const gpu::Offer& offer : offers()) {
        if (!offer.reason.empty() || !matches(m_request, offer.name)) {
            continue;
        }
        if (m_request.backend == "cpu") {
            ++count;
            continue;
        }
        int kernels = 0;
        for (const gpu::KernelFamily* family : gpu::kernelFamilies()) {
            for (const gpu::Kernel& kernel : family->kernels) {
                kernels += kernel.operation == offer.operation && kernel.what == offer.name &&
                                   (kernel.refuses == nullptr || kernel.refuses(m_request).empty())
                               ? 1
                               : 0;
            }
        }
        count += std::max(1, kernels);
    }
    return count;
}

QString TimingModel::run() {
    if (!refusal().isEmpty()) {
        return {};
    }
    // Words that this backend does not offer are remembered in the form, and not asked for.
    gpu::TimingRequest request = m_request;
    request.what.clear();
    for (const gpu::Offer& offer : offers()) {
        if (offer.reason.empty() && matches(m_request, offer.name)) {
            request.what.push_back(offer.name);
        }
    }
    return m_queue.add(request);
}

QString TimingModel::repeat(const QString& run) {
    const StoredRun* stored = m_store.find(run);
    if (stored == nullptr || stored->records.empty()) {
        return m_queue.repeat(run);
    }
    gpu::TimingRequest request;
    if (stored->request) {
        request = *stored->request;
    } else {
        // An imported run says what it timed, but not its limits: the method's own hold.
        const gpu::RunRecord& first = *stored->records.front();
        request.operation = first.what.operation;
        request.matmul = first.what.matmul;
        request.attention = first.what.attention;
        request.backend = first.backend;
        request.seed = first.seed;
        request.model = first.what.model;
        request.layer = first.what.layer;
        for (const RecordPtr& record : stored->records) {
            if (!matches(request, record->what.format)) {
                request.what.push_back(record->what.format);
            }
            if (record->timing) {
                request.cache = record->timing->cache;
            }
        }
    }
    return m_queue.add(request);
}

void TimingModel::takeRecord(const QString& run, const gpu::RunRecord& record) {
    const QueuedRun* queued = m_queue.find(run);
    const Result<void> kept =
        m_store.append(run, record, queued != nullptr ? queued->request : gpu::TimingRequest());
    if (!m_shown.contains(run)) {
        showNow({run});  // what is being measured is what one looks at
    }
    if (!kept) {
        emit failed(kept.error());
    }
}

std::vector<const StoredRun*> TimingModel::runsOf(const QStringList& ids) const {
    std::vector<const StoredRun*> runs;
    for (const QString& id : ids) {
        if (const StoredRun* run = m_store.find(id)) {
            runs.push_back(run);
        }
    }
    return runs;
}

void TimingModel::show(const QStringList& runs) {
    const std::vector<const StoredRun*> wanted = runsOf(runs);
    const auto machines = machinesOf(wanted);
    if (machines.size() > 1) {
        const auto before = machinesOf(runsOf(m_shown));
        const bool known =
            m_mixed && std::all_of(machines.begin(), machines.end(), [&](const auto& machine) {
                return std::any_of(before.begin(), before.end(), [&](const auto& each) {
                    return each.first == machine.first;
                });
            });
        if (!known) {
            if (m_shown.isEmpty()) {
                // Something is seen while the question stands: the first machine's runs.
                QStringList first;
                for (const StoredRun* run : wanted) {
                    const auto own = machinesOf({run});
                    if (own.empty() || own.front().first == machines.front().first) {
                        first << run->id;
                    }
                }
                showNow(first);
            }
            m_asked = runs;
            QStringList names;
            for (const auto& [key, name] : machines) {
                names << name;
            }
            emit mixRefused(names);
            return;
        }
    } else {
        m_mixed = false;
    }
    m_asked.clear();
    showNow(runs);
}

void TimingModel::acceptMix() {
    if (m_asked.isEmpty()) {
        return;
    }
    const QStringList runs = m_asked;
    m_asked.clear();
    m_mixed = true;
    m_shown = runs;
    rebuild();
}

void TimingModel::showNow(const QStringList& runs) {
    QStringList known;
    for (const StoredRun* run : runsOf(runs)) {
        known << run->id;
    }
    m_shown = known;
    rebuild();
}

void TimingModel::rebuild() {
    const HardwarePreset* device = preset();
    m_cases = makeCases(runsOf(m_shown), m_baseline, device);
    m_mixed = m_mixed && m_cases.machines.size() > 1;
    m_roofline = makeRoofline(m_cases, device);
    m_selected = m_cases.find(m_selectedKey);
    if (m_selected < 0) {
        m_selected = m_cases.rows.empty() ? -1 : 0;
    }
    emit shownChanged();
    emit selectionChanged();
}

std::vector<RecordPtr> TimingModel::records() const {
    std::vector<RecordPtr> records;
    for (const StoredRun* run : runsOf(m_shown)) {
        records.insert(records.end(), run->records.begin(), run->records.end());
    }
    return records;
}

const CaseRow* TimingModel::selectedRow() const {
    return m_selected >= 0 && m_selected < static_cast<int>(m_cases.rows.size())
               ? &m_cases.rows[static_cast<std::size_t>(m_selected)]
               : nullptr;
}

void TimingModel::select(int row) {
    if (row == m_selected || row < 0 || row >= static_cast<int>(m_cases.rows.size())) {
        return;
    }
    m_selected = row;
    m_selectedKey = m_cases.rows[static_cast<std::size_t>(row)].key;
    emit selectionChanged();
}

void TimingModel::setBaseline(const QString& key) {
    if (key != m_baseline) {
        m_baseline = key;
        rebuild();
    }
}

void TimingModel::setPreset(const QString& id) {
    if (id != m_preset) {
        m_preset = id;
        rebuild();
    }
}

QJsonObject TimingModel::save() const {
    return {{"request", toJson(m_request)},
            {"shown", QJsonArray::fromStringList(m_shown.isEmpty() ? m_restore : m_shown)},
            {"mixed", m_mixed},
            {"selected", m_selectedKey},
            {"baseline", m_baseline},
            {"patience", m_queue.patience()},
            {"device", m_preset}};
}

void TimingModel::restore(const QJsonObject& state) {
    gpu::TimingRequest request;
    request.what = {"fp32", "bf16", "int8", "w4a16"};
    if (const QJsonObject kept = state[QStringLiteral("request")].toObject(); !kept.isEmpty()) {
        request = requestFromJson(kept);
    }
    setRequest(request);
    m_baseline = state[QStringLiteral("baseline")].toString();
    m_selectedKey = state[QStringLiteral("selected")].toString();
    m_preset = state[QStringLiteral("device")].toString(QStringLiteral("h100_sxm"));
    m_queue.setPatience(state[QStringLiteral("patience")].toInt(60));
    m_restore.clear();
    for (const QJsonValue each : state[QStringLiteral("shown")].toArray()) {
        m_restore << each.toString();
    }
    if (m_store.isLoaded()) {
        QStringList wanted = m_restore;
        if (wanted.isEmpty() && !m_store.runs().empty()) {
            wanted << m_store.runs().front().id;
        }
        show(wanted);
        rebuild();
    }
}

}  // namespace loupe::app
