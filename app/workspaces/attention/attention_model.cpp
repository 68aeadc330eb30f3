// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/attention/attention_model.hpp"

#include "app/jobs/job_manager.hpp"

#include <algorithm>
#include <cmath>

namespace loupe::app {

namespace {

constexpr auto kSlot = "attention";
constexpr int kStepMs = 500;
constexpr std::uint64_t kSeed = 1;

AttentionAlgorithm algorithmNamed(const QString& name) {
    for (const AttentionAlgorithm each :
         {AttentionAlgorithm::Standard, AttentionAlgorithm::Flash1, AttentionAlgorithm::Flash2}) {
        if (name == QString::fromLatin1(attentionName(each).data(),
                                        static_cast<qsizetype>(attentionName(each).size()))) {
            return each;
        }
    }
    return AttentionAlgorithm::Flash1;
}

}  // namespace

AttentionSize AttentionSettings::played() const {
    return worked ? AttentionSize{4, 2, 16} : size;
}

AttentionTiling AttentionSettings::tiling() const {
    const AttentionSize now = played();
    if (algorithm == AttentionAlgorithm::Flash2 && !worked) {
        return tileAttention(now.tokens, block, block);
    }
    return tileAttention(now);
}

AttentionModel::AttentionModel(Document& document, QObject* parent)
    : QObject(parent), m_document(document) {
    connect(&m_player, &QTimer::timeout, this, &AttentionModel::tick);
    setSpeed(m_speed);
}

void AttentionModel::change(const AttentionSettings& settings) {
    if (settings == m_settings) {
        return;
    }
    m_settings = settings;
    setPlaying(false);
    emit settingsChanged();
    update();
}

void AttentionModel::update() {
    if (m_wanted == m_settings) {
        return;
    }
    m_wanted = m_settings;
    m_busy = true;
    m_document.jobs().start(
        QLatin1String(kSlot),
        tr("Recording attention"),
        [settings = m_settings](const JobContext& ctx) {
            const AttentionSize size = settings.played();
            AttentionInput input =
                settings.worked ? workedAttention() : randomAttention(size.tokens, size.dim, kSeed);
            input.causal = settings.causal;
            return recordAttention(input, settings.algorithm, settings.tiling(), ctx);
        },
        this,
        [this, settings = m_settings](const Result<std::shared_ptr<const AttentionTrace>>& result) {
            take(settings, result);
        });
    emit traceChanged();
}

void AttentionModel::take(const AttentionSettings& settings,
                          const Result<std::shared_ptr<const AttentionTrace>>& result) {
    if (settings != m_settings) {
        return;
    }
    m_busy = false;
    m_trace.reset();
    m_error.reset();
    m_stepOf.clear();
    if (!result) {
        m_error = result.error();
    } else {
        m_trace = *result;
        const AttentionTiling& tiling = m_trace->tiling;
        m_stepOf.assign(static_cast<std::size_t>(tiling.queryBlocks * tiling.keyBlocks), -1);
        m_range = {std::numeric_limits<double>::infinity(),
                   -std::numeric_limits<double>::infinity()};
        for (std::size_t k = 0; k < m_trace->steps.size(); ++k) {
            const AttentionStep& each = m_trace->steps[k];
            m_range = {std::min(m_range.first, each.largest),
                       std::max(m_range.second, each.largest)};
            if (each.keyBlock >= 0) {
                m_stepOf[static_cast<std::size_t>(each.queryBlock * tiling.keyBlocks +
                                                  each.keyBlock)] = static_cast<std::ptrdiff_t>(k);
            }
        }
    }
    m_step = std::min(m_wantedStep, stepCount() > 0 ? stepCount() - 1 : 0);
    m_wantedStep = 0;
    m_tileChosen = false;
    follow();
    emit traceChanged();
    emit stepChanged();
    emit tileChanged();
}

const AttentionStep* AttentionModel::step() const {
    return m_step < stepCount() ? &m_trace->steps[m_step] : nullptr;
}

void AttentionModel::setStep(std::size_t index) {
    if (stepCount() == 0) {
        return;
    }
    index = std::min(index, stepCount() - 1);
    if (index == m_step) {
        return;
    }
    m_step = index;
    follow();
    emit stepChanged();
    emit tileChanged();
}

/// The running tile is followed unless another was chosen.
void AttentionModel::follow() {
    const AttentionStep* now = step();
    if (now == nullptr) {
        return;
    }
    if (!m_tileChosen) {
        m_queryBlock = now->queryBlock;
        m_keyBlock = std::max<std::int64_t>(0, now->keyBlock);
    }
    const std::int64_t rows = m_trace->tiling.queriesOf(m_queryBlock);
    m_rowInBlock = std::clamp<std::int64_t>(m_rowInBlock, 0, rows - 1);
}

void AttentionModel::move(int by) {
    setPlaying(false);
    const auto next = static_cast<std::ptrdiff_t>(m_step) + by;
    setStep(static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, next)));
}

void AttentionModel::setPlaying(bool playing) {
    if (playing == isPlaying() || (playing && stepCount() < 2)) {
        return;
    }
    if (!playing) {
        m_player.stop();
    } else {
        if (m_step + 1 >= stepCount()) {
            setStep(0);
        }
        m_player.start();
    }
    emit playingChanged();
}

void AttentionModel::tick() {
    if (m_step + 1 < stepCount()) {
        setStep(m_step + 1);
    }
    if (m_step + 1 >= stepCount()) {
        setPlaying(false);
    }
}

void AttentionModel::setSpeed(double speed) {
    m_speed = std::clamp(speed, 0.1, 4.0);
    m_player.setInterval(static_cast<int>(kStepMs / m_speed));
    emit playingChanged();
}

void AttentionModel::chooseTile(std::int64_t queryBlock, std::int64_t keyBlock) {
    if (!m_trace) {
        return;
    }
    m_queryBlock = std::clamp<std::int64_t>(queryBlock, 0, m_trace->tiling.queryBlocks - 1);
    m_keyBlock = std::clamp<std::int64_t>(keyBlock, 0, m_trace->tiling.keyBlocks - 1);
    m_tileChosen = true;
    follow();
    emit tileChanged();
}

void AttentionModel::releaseTile() {
    m_tileChosen = false;
    follow();
    emit tileChanged();
}

std::int64_t AttentionModel::row() const {
    return m_trace ? m_trace->tiling.firstQuery(m_queryBlock) + m_rowInBlock : 0;
}

void AttentionModel::setRow(std::int64_t row) {
    if (!m_trace) {
        return;
    }
    row = std::clamp<std::int64_t>(row, 0, m_trace->tiling.tokens - 1);
    const std::int64_t block = row / m_trace->tiling.queryRows;
    m_rowInBlock = row - m_trace->tiling.firstQuery(block);
    if (block != m_queryBlock) {
        m_queryBlock = block;
        m_tileChosen = true;
    }
    emit tileChanged();
}

std::ptrdiff_t AttentionModel::stepOf(std::int64_t queryBlock, std::int64_t keyBlock) const {
    if (!m_trace || m_stepOf.empty()) {
        return -1;
    }
    if (m_trace->algorithm == AttentionAlgorithm::Standard) {
        // The last pass over this block of queries that is done.
        for (std::int64_t pass = 2; pass >= 0; --pass) {
            const std::int64_t at = pass * m_trace->tiling.queryBlocks + queryBlock;
            if (at <= static_cast<std::int64_t>(m_step)) {
                return static_cast<std::ptrdiff_t>(at);
            }
        }
        return -1;
    }
    const std::ptrdiff_t at =
        m_stepOf[static_cast<std::size_t>(queryBlock * m_trace->tiling.keyBlocks + keyBlock)];
    return at >= 0 && at <= static_cast<std::ptrdiff_t>(m_step) ? at : -1;
}

const AttentionStep* AttentionModel::followed() const {
    const std::ptrdiff_t at = stepOf(m_queryBlock, m_keyBlock);
    return at >= 0 ? &m_trace->steps[static_cast<std::size_t>(at)] : nullptr;
}

QJsonObject AttentionModel::save() const {
    const std::string_view name = attentionName(m_settings.algorithm);
    QJsonObject state{
        {QStringLiteral("algorithm"),
         QString::fromLatin1(name.data(), static_cast<qsizetype>(name.size()))},
        {QStringLiteral("worked"), m_settings.worked},
        {QStringLiteral("tokens"), static_cast<qint64>(m_settings.size.tokens)},
        {QStringLiteral("dim"), static_cast<qint64>(m_settings.size.dim)},
        {QStringLiteral("memory"), static_cast<qint64>(m_settings.size.memory)},
        {QStringLiteral("block"), static_cast<qint64>(m_settings.block)},
        {QStringLiteral("causal"), m_settings.causal},
        {QStringLiteral("step"), static_cast<qint64>(m_busy ? m_wantedStep : m_step)},
        {QStringLiteral("speed"), m_speed},
    };
    return state;
}

void AttentionModel::restore(const QJsonObject& state) {
    const AttentionSettings defaults;
    const auto number = [&state](const char* key, std::int64_t otherwise, std::int64_t most) {
        return std::clamp<std::int64_t>(
            state[QLatin1String(key)].toInteger(static_cast<qint64>(otherwise)), 1, most);
    };
    AttentionSettings next;
    if (state.contains(QStringLiteral("algorithm"))) {
        next.algorithm = algorithmNamed(state[QStringLiteral("algorithm")].toString());
    }
    next.worked = state[QStringLiteral("worked")].toBool(false);
    next.size = {number("tokens", defaults.size.tokens, 2048),
                 number("dim", defaults.size.dim, 256),
                 number("memory", defaults.size.memory, 262144)};
    next.block = number("block", defaults.block, 256);
    next.causal = state[QStringLiteral("causal")].toBool(false);
    m_wantedStep =
        static_cast<std::size_t>(std::max<qint64>(0, state[QStringLiteral("step")].toInteger()));
    setSpeed(state[QStringLiteral("speed")].toDouble(4));
    if (next == m_settings) {
        if (!m_busy && m_trace) {
            setStep(m_wantedStep);
            m_wantedStep = 0;
        }
        return;
    }
    change(next);
}

}  // namespace loupe::app
