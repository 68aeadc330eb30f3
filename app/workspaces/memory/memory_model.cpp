// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/memory/memory_model.hpp"

#include "app/jobs/job_manager.hpp"

#include <algorithm>

namespace loupe::app {

namespace {

constexpr auto kSlot = "memory";
constexpr std::int64_t kMostContext = std::int64_t{1} << 20;
constexpr std::int64_t kMostBatch = 4096;

}  // namespace

MemoryModel::MemoryModel(Document& document, QObject* parent)
    : QObject(parent), m_document(document) {
    const std::span<const HardwareDevice> devices = allHardware();
    for (std::size_t k = 0; k < devices.size(); ++k) {
        if (devices[k].id == "h100_sxm") {
            m_device = k;
        }
    }
    update();
}

void MemoryModel::change(const MemorySettings& settings) {
    if (settings == m_settings) {
        return;
    }
    const bool another = settings.model != m_settings.model;
    m_settings = settings;
    if (another && m_settings.model != QLatin1String("open") &&
        m_settings.format == QLatin1String("stored")) {
        m_settings.format = QStringLiteral("bf16");
    }
    update();
}

void MemoryModel::sourceChanged() {
    const std::shared_ptr<const TensorSource> source = m_document.source();
    if (source == m_counted.lock() && (source || !m_open)) {
        return;
    }
    m_counted = source;
    m_open.reset();
    if (!source) {
        m_busy = false;
        m_document.jobs().cancel(QLatin1String(kSlot));
        update();
        return;
    }
    m_busy = true;
    m_document.jobs().start(
        QLatin1String(kSlot),
        tr("Counting parameters"),
        [source](const JobContext&) { return subjectOf(*source); },
        this,
        [this](const MemorySubject& subject) {
            m_busy = false;
            m_open = subject;
            update();
        });
    update();
}

void MemoryModel::update() {
    m_subject = {};
    if (m_settings.model == QLatin1String("open")) {
        m_subject = m_open.value_or(MemorySubject{});
    } else if (m_settings.model == QLatin1String("parameters")) {
        m_subject = subjectOf(m_settings.parameters);
    } else if (const ModelShape* preset = findModelPreset(m_settings.model.toStdString())) {
        m_subject = subjectOf(*preset);
    }
    m_estimate.reset();
    if (hasSubject()) {
        m_estimate = estimateMemory(m_subject, request());
    }
    emit changed();
}

const WeightFormat* MemoryModel::format() const {
    return m_settings.format == QLatin1String("stored")
               ? nullptr
               : findWeightFormat(m_settings.format.toStdString());
}

MemoryRequest MemoryModel::request() const {
    MemoryRequest request;
    request.format = format();
    request.keepEmbeddings = m_settings.keepEmbeddings;
    request.context = m_settings.context;
    request.batch = m_settings.batch;
    request.kvBits = m_settings.kvBits;
    request.tokensAtOnce = m_settings.prefill ? m_settings.context : 1;
    request.materialiseScores = m_settings.keepsScores;
    return request;
}

QString MemoryModel::problem() const {
    if (m_estimate || m_busy) {
        return {};
    }
    if (!hasSubject()) {
        return tr("No checkpoint is open.");
    }
    return tr("This format has one scale a row, and a number of parameters has no rows.");
}

std::optional<double> MemoryModel::secondsPerToken(const HardwareDevice& device) const {
    const bool experts = m_subject.shape && m_subject.shape->experts > 0;
    if (!m_estimate || experts || static_cast<double>(m_estimate->total()) > device.capacity()) {
        return std::nullopt;
    }
    return decodeSeconds(device, static_cast<double>(m_estimate->resident()));
}

void MemoryModel::chooseDevice(std::size_t index) {
    index = std::min(index, allHardware().size() - 1);
    if (index != m_device) {
        m_device = index;
        emit deviceChanged();
    }
}

QJsonObject MemoryModel::save() const {
    return {
        {QStringLiteral("model"), m_settings.model},
        {QStringLiteral("parameters"), static_cast<qint64>(m_settings.parameters)},
        {QStringLiteral("format"), m_settings.format},
        {QStringLiteral("keepEmbeddings"), m_settings.keepEmbeddings},
        {QStringLiteral("context"), static_cast<qint64>(m_settings.context)},
        {QStringLiteral("batch"), static_cast<qint64>(m_settings.batch)},
        {QStringLiteral("kvBits"), m_settings.kvBits},
        {QStringLiteral("prefill"), m_settings.prefill},
        {QStringLiteral("keepsScores"), m_settings.keepsScores},
        {QStringLiteral("device"),
         QString::fromLatin1(allHardware()[m_device].id.data(),
                             static_cast<qsizetype>(allHardware()[m_device].id.size()))},
    };
}

void MemoryModel::restore(const QJsonObject& state) {
    MemorySettings next;
    const QString model = state[QStringLiteral("model")].toString(next.model);
    if (model == QLatin1String("open") || model == QLatin1String("parameters") ||
        findModelPreset(model.toStdString()) != nullptr) {
        next.model = model;
    }
    next.parameters = std::clamp<std::int64_t>(
        state[QStringLiteral("parameters")].toInteger(next.parameters), 1, 1'000'000'000'000'000);
    const QString format = state[QStringLiteral("format")].toString(next.format);
    if (findWeightFormat(format.toStdString()) != nullptr ||
        (format == QLatin1String("stored") && next.model == QLatin1String("open"))) {
        next.format = format;
    }
    next.keepEmbeddings = state[QStringLiteral("keepEmbeddings")].toBool(false);
    next.context = std::clamp<std::int64_t>(
        state[QStringLiteral("context")].toInteger(next.context), 1, kMostContext);
    next.batch = std::clamp<std::int64_t>(
        state[QStringLiteral("batch")].toInteger(next.batch), 1, kMostBatch);
    next.kvBits = state[QStringLiteral("kvBits")].toInt(16) == 8 ? 8 : 16;
    next.prefill = state[QStringLiteral("prefill")].toBool(false);
    next.keepsScores = state[QStringLiteral("keepsScores")].toBool(false);
    const QString device = state[QStringLiteral("device")].toString(QStringLiteral("h100_sxm"));
    for (std::size_t k = 0; k < allHardware().size(); ++k) {
        if (allHardware()[k].id == device.toStdString()) {
            chooseDevice(k);
        }
    }
    change(next);
}

}  // namespace loupe::app
