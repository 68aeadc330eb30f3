// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/atlas/compare_model.hpp"

#include "app/jobs/job_manager.hpp"
#include "app/widgets/theme.hpp"

#include <algorithm>
#include <mutex>

namespace loupe::app {

namespace {

constexpr auto kOpenSlot = "compare.open";
constexpr auto kMatchSlot = "compare.match";
constexpr auto kPairSlot = "compare.pairs";
constexpr auto kMapSlot = "compare.map";

/// B − A, or one of them, as a plane.
RowFiller mapFiller(CompareModel::Map map, const AlignedPair& rows) {
    if (map != CompareModel::Map::Difference) {
        return [from = map == CompareModel::Map::A ? rows.a : rows.b](
                   std::int64_t first, std::int64_t count, float* out) {
            return from->read(first, count, out);
        };
    }
    return [rows](std::int64_t first, std::int64_t count, float* out) -> Result<void> {
        if (Result<void> read = rows.b->read(first, count, out); !read) {
            return read;
        }
        thread_local std::vector<float> reference;
        reference.resize(static_cast<std::size_t>(count * rows.a->cols()));
        if (Result<void> read = rows.a->read(first, count, reference.data()); !read) {
            return read;
        }
        for (std::size_t i = 0; i < reference.size(); ++i) {
            out[i] -= reference[i];
        }
        return {};
    };
}

std::uint64_t bytesOf(const TensorSource& source, const DiffPair& pair) {
    std::uint64_t bytes = 0;
    for (const std::size_t tensor : pair.b) {
        bytes += source.tensors()[tensor].bytes;
    }
    return bytes;
}

struct MadeMap {
    std::shared_ptr<const PlaneData> plane;
    std::optional<AlignedPair> rows;
    std::optional<Error> error;
};

MadeMap makeMap(const TensorSource& a,
                const TensorSource& b,
                const DiffPair& pair,
                CompareModel::Map map,
                const JobContext& ctx) {
    const Result<AlignedPair> rows = alignPair(a, b, pair);
    if (!rows) {
        return {nullptr, std::nullopt, rows.error()};
    }
    auto plane = std::make_shared<PlaneData>();
    plane->quantity =
        map == CompareModel::Map::Difference ? Quantity::SchemesDiffer : Quantity::Original;
    plane->rows = rows->a->rows();
    plane->cols = rows->a->cols();
    plane->fill = mapFiller(map, *rows);
    const Result<std::shared_ptr<const Pyramid>> pyramid =
        buildPyramid(plane->rows, plane->cols, plane->fill, ctx);
    if (!pyramid) {
        return {nullptr, std::nullopt, pyramid.error()};
    }
    plane->pyramid = *pyramid;
    return {plane, *rows, std::nullopt};
}

}  // namespace

struct CompareModel::Mail {
    std::mutex mutex;
    std::vector<std::pair<std::size_t, DiffRow>> found;
};

CompareModel::CompareModel(Document& document, QObject* parent)
    : QObject(parent), m_document(document) {
    JobManager& jobs = document.jobs();
    connect(&jobs, &JobManager::progressed, this, [this] {
        if (m_mail != nullptr) {
            drain();
            emit progressed();
        }
    });
    connect(&jobs, &JobManager::jobEnded, this, [this](const QString& slot) {
        if (slot == QLatin1String(kPairSlot) && m_mail != nullptr) {
            drain();  // cancelled, here or in the job bar
            m_mail.reset();
            m_paused = true;
            emit progressed();
        }
        if (slot == QLatin1String(kOpenSlot) || slot == QLatin1String(kMatchSlot)) {
            emit progressed();
        }
        if (slot == QLatin1String(kMapSlot) && m_mapping) {
            m_mapping = false;
            emit mapChanged();
        }
    });
    connect(&jobs,
            &JobManager::jobFailed,
            this,
            [this](const QString& slot, const QString&, const QString& what) {
                if (slot == QLatin1String(kPairSlot)) {
                    drain();
                    m_mail.reset();
                    m_paused = true;
                    emit progressed();
                } else if (slot == QLatin1String(kMapSlot)) {
                    m_mapping = false;
                    m_planeError = Error{ErrorCode::OutOfMemory, what.toStdString(), {}, {}};
                    emit mapChanged();
                }
            });
}

CompareModel::~CompareModel() {
    blockSignals(true);
    disconnect(&m_document.jobs(), nullptr, this, nullptr);
    m_mail.reset();
    m_document.jobs().cancelPrefix(QStringLiteral("compare."));
}

void CompareModel::setActive(bool active) {
    m_active = active;
    if (active && m_wanted) {
        pairUp();
    }
}

void CompareModel::sourceChanged() {
    if (m_document.source() != m_a) {
        m_a = m_document.source();
        pairUp();
    }
}

void CompareModel::setOther(const QString& path) {
    m_path = path;
    m_b.reset();
    m_openError.reset();
    m_document.jobs().cancel(QLatin1String(kOpenSlot));
    pairUp();
    if (!path.isEmpty()) {
        open();
    }
}

void CompareModel::open() {
    m_document.jobs().start(
        QLatin1String(kOpenSlot),
        tr("Opening %1").arg(m_path),
        [path = m_path.toStdString()](const JobContext&) { return openSource(path); },
        this,
        [this](const Result<std::shared_ptr<const TensorSource>>& opened) {
            if (opened) {
                m_b = *opened;
            } else {
                m_openError = opened.error();
            }
            pairUp();
        });
    emit progressed();
}

void CompareModel::stop() {
    m_document.jobs().cancel(QLatin1String(kMatchSlot));
    if (m_mail != nullptr) {
        m_mail.reset();  // first: the end of this job is no pause
        m_document.jobs().cancel(QLatin1String(kPairSlot));
    }
}

/// Names are matched in the job, too: two lists of 100,000 take a while.
void CompareModel::pairUp() {
    stop();
    m_rows.clear();
    m_plan = {};
    m_known = 0;
    m_paused = false;
    m_selected = -1;
    m_plane.reset();
    m_aligned.reset();
    m_planeError.reset();
    m_document.jobs().cancel(QLatin1String(kMapSlot));
    m_wanted = m_a != nullptr && m_b != nullptr;
    emit pairsChanged();
    emit selectionChanged();
    emit mapChanged();
    if (!m_wanted || !m_active) {
        emit progressed();
        return;
    }
    m_wanted = false;
    m_document.jobs().start(
        QLatin1String(kMatchSlot),
        tr("Matching tensors"),
        [a = m_a, b = m_b](const JobContext&) { return planDiff(*a, *b); },
        this,
        [this](DiffPlan plan) {
            m_plan = std::move(plan);
            for (DiffPair& pair : m_plan.pairs) {
                m_rows.push_back({std::move(pair), std::nullopt});
            }
            m_plan.pairs.clear();
            emit pairsChanged();
            start();
        });
    emit progressed();
}

void CompareModel::start() {
    m_paused = false;
    std::vector<std::pair<std::size_t, DiffPair>> left;
    for (std::size_t i = 0; i < m_rows.size(); ++i) {
        if (!m_rows[i].result) {
            left.emplace_back(i, m_rows[i].pair);
        }
    }
    if (left.empty() || m_a == nullptr || m_b == nullptr) {
        emit progressed();
        return;
    }
    m_mail = std::make_shared<Mail>();
    m_document.jobs().start(
        QLatin1String(kPairSlot),
        tr("Comparing with %1").arg(QString::fromStdString(m_b->info().title)),
        [a = m_a, b = m_b, left = std::move(left), mail = m_mail](const JobContext& ctx) {
            std::uint64_t total = 0;
            for (const auto& [row, pair] : left) {
                total += bytesOf(*b, pair);
            }
            ctx.setTotal(total);
            const JobContext part = ctx.withoutProgress();
            for (const auto& [row, pair] : left) {
                ctx.checkpoint();
                DiffRow result = diffPair(*a, *b, pair, part);
                {
                    const std::scoped_lock lock(mail->mutex);
                    mail->found.emplace_back(row, std::move(result));
                }
                ctx.advance(bytesOf(*b, pair));
            }
            return true;
        },
        this,
        [this](bool) {
            drain();
            m_mail.reset();
            emit progressed();
        });
    emit progressed();
}

void CompareModel::drain() {
    if (m_mail == nullptr) {
        return;
    }
    std::vector<std::pair<std::size_t, DiffRow>> found;
    {
        const std::scoped_lock lock(m_mail->mutex);
        found.swap(m_mail->found);
    }
    for (auto& [row, result] : found) {
        if (row < m_rows.size() && !m_rows[row].result) {
            m_rows[row].result = std::move(result);
            ++m_known;
        }
    }
}

bool CompareModel::opening() const {
    const JobManager& jobs = m_document.jobs();
    return jobs.isRunning(QLatin1String(kOpenSlot)) || jobs.isRunning(QLatin1String(kMatchSlot));
}

double CompareModel::fraction() const {
    return m_document.jobs().fraction(QLatin1String(kPairSlot));
}

void CompareModel::pause() {
    if (m_mail != nullptr) {
        m_document.jobs().cancel(QLatin1String(kPairSlot));
    }
}

void CompareModel::resume() {
    if (m_mail == nullptr && m_known < m_rows.size()) {
        start();
    }
}

QString CompareModel::nameA(int row) const {
    return QString::fromStdString(m_rows[static_cast<std::size_t>(row)].pair.nameA);
}

QString CompareModel::nameB(int row) const {
    return QString::fromStdString(m_rows[static_cast<std::size_t>(row)].pair.nameB);
}

void CompareModel::setTolerance(std::optional<double> tolerance) {
    if (tolerance != m_tolerance) {
        m_tolerance = tolerance;
        emit toleranceChanged();
    }
}

bool CompareModel::isBeyond(const CompareRow& row) const {
    // Not "greater": a figure that is no number does not pass either.
    return m_tolerance && row.result &&
           (row.result->error ||
            !(row.result->metrics.relativeFrobenius <= *m_tolerance || row.result->identical));
}

std::size_t CompareModel::beyond() const {
    return static_cast<std::size_t>(std::count_if(
        m_rows.begin(), m_rows.end(), [this](const CompareRow& row) { return isBeyond(row); }));
}

QString CompareModel::verdict() const {
    if (m_b == nullptr || m_a == nullptr || opening()) {
        return {};
    }
    const auto count = [](std::size_t n) { return formatCount(static_cast<qint64>(n)); };
    const std::size_t same = static_cast<std::size_t>(
        std::count_if(m_rows.begin(), m_rows.end(), [](const CompareRow& row) {
            return row.result && row.result->identical;
        }));
    QString text = tr("%1 of %2 matched tensors compared, %3 identical")
                       .arg(count(m_known), count(m_rows.size()), count(same));
    const std::size_t alone = m_plan.onlyA.size() + m_plan.onlyB.size() + m_plan.mismatches.size();
    if (alone > 0) {
        text += tr(", %1 without a partner").arg(count(alone));
    }
    if (m_tolerance) {
        const std::size_t bad = beyond();
        const bool done = m_known == m_rows.size();
        text += bad > 0     ? tr(" · %1 beyond the tolerance: the gate fails").arg(count(bad))
                : alone > 0 ? tr(" · the gate fails: not everything has a partner")
                : !done     ? tr(" · none beyond the tolerance so far")
                            : tr(" · the gate holds");
    }
    return text;
}

void CompareModel::select(int row) {
    row = row >= 0 && row < static_cast<int>(m_rows.size()) ? row : -1;
    if (row != m_selected) {
        m_selected = row;
        emit selectionChanged();
        drawMap();
    }
}

void CompareModel::setMap(Map map) {
    if (map != m_map) {
        m_map = map;
        drawMap();
    }
}

void CompareModel::drawMap() {
    m_document.jobs().cancel(QLatin1String(kMapSlot));
    m_planeError.reset();
    m_plane.reset();
    m_aligned.reset();
    m_mapping = m_selected >= 0;
    if (m_mapping) {
        m_document.jobs().start(
            QLatin1String(kMapSlot),
            tr("Element map"),
            [a = m_a,
             b = m_b,
             pair = m_rows[static_cast<std::size_t>(m_selected)].pair,
             map = m_map](const JobContext& ctx) { return makeMap(*a, *b, pair, map, ctx); },
            this,
            [this](const MadeMap& made) {
                m_mapping = false;
                m_plane = made.plane;
                m_aligned = made.rows;
                m_planeError = made.error;
                emit mapChanged();
            });
    }
    emit mapChanged();
}

std::optional<std::pair<float, float>> CompareModel::valuesAt(Cell cell) const {
    constexpr std::int64_t kAtOnce = std::int64_t{1} << 18;
    if (!m_aligned || cell.row < 0 || cell.row >= m_aligned->a->rows() ||
        m_aligned->a->cols() > kAtOnce || cell.col < 0 || cell.col >= m_aligned->a->cols()) {
        return std::nullopt;
    }
    std::vector<float> left(static_cast<std::size_t>(m_aligned->a->cols()));
    std::vector<float> right(left.size());
    if (!m_aligned->a->read(cell.row, 1, left.data()) ||
        !m_aligned->b->read(cell.row, 1, right.data())) {
        return std::nullopt;
    }
    const auto at = static_cast<std::size_t>(cell.col);
    return std::pair(left[at], right[at]);
}

}  // namespace loupe::app
