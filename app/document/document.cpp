// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/document/document.hpp"

#include "app/document/analyses.hpp"
#include "app/document/cursor.hpp"
#include "app/document/edited_rows.hpp"
#include "app/jobs/job_manager.hpp"
#include "core/base/assert.hpp"
#include "core/base/text.hpp"
#include "core/formats/codec.hpp"

#include <QFileInfo>
#include <QUndoCommand>

#include <algorithm>
#include <array>

namespace loupe::app {

namespace {

constexpr std::size_t kRecentSources = 4;
constexpr std::size_t kMostEdits = 10'000;
const char* const kOpenSlot = "open";

std::string sourceKey(const ExperimentSpec& spec) {
    return spec.layout + (spec.stored ? "\nstored\n" : "\nlogical\n") + spec.source;
}

OpenOptions openOptions(const ExperimentSpec& spec) {
    OpenOptions options;
    options.stored = spec.stored;
    if (spec.layout == "in_out") {
        options.layout = Layout::InOut;
    } else if (spec.layout == "out_in") {
        options.layout = Layout::OutIn;
    }
    return options;
}

/// The tensor to begin with: a readable matrix of a numbered block, else one that is neither
/// embedding nor head (the largest and the least typical), else any matrix, else anything readable.
std::size_t firstSensible(std::span<const TensorInfo> tensors) {
    const auto isMatrix = [](const TensorInfo& t) {
        return !t.problem && t.shape.size() >= 2 && t.rows > 1 && t.cols > 1;
    };
    const auto isTypical = [&](const TensorInfo& t) {
        const std::string name = toLower(t.name);
        return isMatrix(t) && name.find("embed") == std::string::npos &&
               name.find("wte") == std::string::npos && name.find("wpe") == std::string::npos &&
               name.find("head") == std::string::npos;
    };
    const auto isInBlock = [&](const TensorInfo& t) {
        const std::vector<std::string_view> words = split(t.name, '.');
        return isTypical(t) && std::any_of(words.begin(), words.end(), [](std::string_view word) {
                   return parseInteger(word).has_value();
               });
    };
    const auto first = [&](auto accept) {
        return static_cast<std::size_t>(std::find_if(tensors.begin(), tensors.end(), accept) -
                                        tensors.begin());
    };
    for (const std::size_t index :
         {first(isInBlock), first(isTypical), first(isMatrix), first([](const TensorInfo& t) {
              return !t.problem;
          })}) {
        if (index < tensors.size()) {
            return index;
        }
    }
    return 0;
}

bool sameEditsOf(const std::string& tensor, const ExperimentSpec& a, const ExperimentSpec& b) {
    const auto of = [&](const ExperimentSpec& spec) {
        std::vector<Edit> edits;
        std::copy_if(
            spec.edits.begin(), spec.edits.end(), std::back_inserter(edits), [&](const Edit& edit) {
                return edit.tensor == tensor;
            });
        return edits;
    };
    return a.edits == b.edits || of(a) == of(b);
}

}  // namespace

/// One undo step: two snapshots. Both are small (the tensor itself is never in them).
class Document::Command : public QUndoCommand {
public:
    Command(Document& document,
            const QString& label,
            ExperimentSpec before,
            ExperimentSpec after,
            int mergeId)
        : QUndoCommand(label),
          m_document(document),
          m_before(std::move(before)),
          m_after(std::move(after)),
          m_mergeId(mergeId),
          m_epoch(document.m_mergeEpoch) {}

    void undo() override { m_document.assign(m_before); }
    void redo() override { m_document.assign(m_after); }
    [[nodiscard]] int id() const override { return m_mergeId == 0 ? -1 : m_mergeId; }
    bool mergeWith(const QUndoCommand* other) override {
        const auto* next = dynamic_cast<const Command*>(other);
        if (next == nullptr || next->m_mergeId != m_mergeId || next->m_epoch != m_epoch) {
            return false;
        }
        m_after = next->m_after;
        setText(next->text());
        setObsolete(m_after == m_before);
        return true;
    }

private:
    Document& m_document;
    ExperimentSpec m_before;
    ExperimentSpec m_after;
    int m_mergeId;
    int m_epoch;
};

Document::Document(QObject* parent) : QObject(parent) {
    m_cursor = new Cursor(this);
    m_jobs = new JobManager(this);
    m_analyses = new Analyses(*this);
    m_analyses->setParent(this);
}

Document::~Document() {
    delete m_analyses;  // before the jobs it listens to
    delete m_jobs;      // joins while the document is whole
}

void Document::edit(const QString& label, const SpecEdit& change, int mergeId) {
    ExperimentSpec next = m_spec;
    change(next);
    if (next == m_spec) {
        return;
    }
    m_undo.push(new Command(*this, label, m_spec, std::move(next), mergeId));
}

void Document::endMerge() {
    ++m_mergeEpoch;
}

void Document::open(const QString& path, const QString& tensor) {
    const std::string source = path.toStdString();
    std::erase_if(m_recentSources,
                  [&](const auto& entry) { return entry.second->info().path == source; });
    const QString name =
        source.rfind("synthetic:", 0) == 0 ? path.mid(10) : QFileInfo(path).fileName();
    if (source == m_spec.source) {
        edit(tr("Select %1").arg(tensor), [&](ExperimentSpec& spec) {
            if (!tensor.isEmpty()) {
                spec.tensor = tensor.toStdString();
            }
        });
        reload();
        return;
    }
    edit(tr("Open %1").arg(name), [&](ExperimentSpec& spec) {
        spec.source = source;
        spec.stored = false;
        spec.tensor = tensor.toStdString();
        spec.activations.clear();
        spec.gradients.clear();
        spec.edits.clear();
    });
}

bool Document::canChooseStored() const {
    return m_spec.stored || (m_source != nullptr && m_source->stored() != nullptr);
}

void Document::setStored(bool stored) {
    if (stored == m_spec.stored || !canChooseStored()) {
        return;
    }
    const TensorInfo* info = tensor();
    edit(stored ? tr("Show stored tensors") : tr("Show logical weights"),
         [&](ExperimentSpec& spec) {
             spec.stored = stored;
             const auto other = m_source != nullptr ? m_source->stored() : nullptr;
             if (stored && info != nullptr && other != nullptr) {
                 if (const auto found = findCounterpart(*other, *info)) {
                     spec.tensor = other->tensors()[*found].name;
                 }
             }
         });
}

void Document::reset(const ExperimentSpec& spec) {
    m_undo.clear();
    ++m_mergeEpoch;
    m_cursor->setHover({});
    m_cursor->select({});
    m_cursor->setPins({});
    m_cursor->setBrushed({});
    m_spec = spec;
    m_left.reset();
    loadSource();
    announce(Change::All);
}

void Document::reload() {
    std::erase_if(m_recentSources,
                  [&](const auto& entry) { return entry.first == sourceKey(m_spec); });
    loadSource();
    announce(Changes(Change::Source) | Change::Tensor);
}

void Document::assign(const ExperimentSpec& next) {
    const TensorInfo* info = tensor();
    const std::optional<TensorInfo> left = info != nullptr ? std::optional(*info) : std::nullopt;
    const ExperimentSpec old = std::exchange(m_spec, next);
    Changes what;
    if (old.source == m_spec.source && old.stored != m_spec.stored && left) {
        m_left = left;
    } else if (old.source != m_spec.source) {
        m_left.reset();
    }
    if (old.source != m_spec.source || old.layout != m_spec.layout ||
        old.stored != m_spec.stored) {
        loadSource();
        what |= Changes(Change::Source) | Change::Tensor;
    } else if (old.tensor != m_spec.tensor || !sameEditsOf(m_spec.tensor, old, m_spec)) {
        loadTensor();
        what |= Change::Tensor;
        if (old.tensor != m_spec.tensor) {
            m_cursor->setHover({});
            m_cursor->select({});
            m_cursor->setBrushed({});
        }
    } else if (old.edits != m_spec.edits) {
        what |= Change::Tensor;
    }
    if (old.schemeA != m_spec.schemeA) {
        what |= Change::SchemeA;
    }
    if (old.schemeB != m_spec.schemeB) {
        what |= Change::SchemeB;
    }
    if (old.activations != m_spec.activations || old.gradients != m_spec.gradients ||
        old.calibrationRows != m_spec.calibrationRows ||
        old.calibrationChoice != m_spec.calibrationChoice ||
        old.calibrationSeed != m_spec.calibrationSeed) {
        what |= Change::Inputs;
    }
    if (old.outlierThreshold != m_spec.outlierThreshold) {
        what |= Change::Display;
    }
    if (what) {
        announce(what);
    }
}

void Document::announce(Changes what) {
    m_analyses->documentChanged(what);
    emit changed(what);
}

bool Document::opening() const {
    return m_jobs->isRunning(QLatin1String(kOpenSlot));
}

void Document::loadSource() {
    m_source.reset();
    m_openError.reset();
    loadTensor();
    m_jobs->cancel(QLatin1String(kOpenSlot));
    m_cursor->setHover({});
    m_cursor->select({});
    m_cursor->setBrushed({});
    if (m_spec.source.empty()) {
        return;
    }
    const std::string key = sourceKey(m_spec);
    const auto known = std::find_if(m_recentSources.begin(),
                                    m_recentSources.end(),
                                    [&](const auto& entry) { return entry.first == key; });
    if (known != m_recentSources.end()) {
        m_source = known->second;
        chooseTensor();
        return;
    }
    using Opened = Result<std::shared_ptr<const TensorSource>>;
    m_jobs->start(
        QLatin1String(kOpenSlot),
        tr("Opening"),
        [path = m_spec.source, options = openOptions(m_spec)](const JobContext&) -> Opened {
            return openSource(path, options);
        },
        this,
        [this](const Opened& opened) { takeSource(opened); });
}

void Document::takeSource(const Result<std::shared_ptr<const TensorSource>>& opened) {
    if (opened) {
        m_source = *opened;
        m_recentSources.emplace_back(sourceKey(m_spec), m_source);
        if (m_recentSources.size() > kRecentSources) {
            m_recentSources.erase(m_recentSources.begin());
        }
        chooseTensor();
    } else {
        m_openError = opened.error();
    }
    announce(Changes(Change::Source) | Change::Tensor);
}

void Document::chooseTensor() {
    const std::span<const TensorInfo> tensors = m_source->tensors();
    const std::optional<TensorInfo> left = std::exchange(m_left, std::nullopt);
    const bool same = left && left->name == m_spec.tensor;
    if (!m_spec.tensor.empty() && (same || !m_source->find(m_spec.tensor))) {
        // The other view of the same files: the tensor that shows what was looked at. Without one
        // that was (a session, a command line) a name may still be a part of packed weights.
        TensorInfo named;
        named.name = m_spec.tensor;
        const auto found = findCounterpart(*m_source, left ? *left : named);
        if (found) {
            m_spec.tensor = tensors[*found].name;
        } else if (left) {
            m_spec.tensor.clear();
        }
    }
    if (m_spec.tensor.empty() && !tensors.empty()) {
        // Part of opening: no undo step of its own; redoing the "open" chooses again.
        m_spec.tensor = tensors[firstSensible(tensors)].name;
    }
    loadTensor();
}

void Document::loadTensor() {
    m_weights.reset();
    m_stored.reset();
    m_tensorError.reset();
    if (!m_source || m_spec.tensor.empty()) {
        return;
    }
    const Result<std::size_t> index = findTensor(*m_source, m_spec.tensor);
    if (!index) {
        m_tensorError = index.error();
        return;
    }
    Result<std::shared_ptr<const RowSource>> matrix = m_source->matrix(*index);
    if (!matrix) {
        m_tensorError = matrix.error();
        return;
    }
    m_stored = *matrix;
    m_weights = withEdits(m_stored, m_source->tensors()[*index], m_spec.edits);
}

std::optional<std::size_t> Document::tensorIndex() const {
    return m_source && !m_spec.tensor.empty() ? m_source->find(m_spec.tensor) : std::nullopt;
}

const TensorInfo* Document::tensor() const {
    const std::optional<std::size_t> index = tensorIndex();
    return index ? &m_source->tensors()[*index] : nullptr;
}

namespace {

/// The code in the file, or, where the bytes do not lie row-major in memory, the code that the
/// exact value encodes to.
std::optional<std::uint64_t> storedCode(const TensorInfo& info,
                                        const RowSource& stored,
                                        std::int64_t row,
                                        std::int64_t col) {
    if (const std::optional<RawMatrix> raw = stored.raw(); raw && raw->type != nullptr) {
        return elementCode(*raw->type, raw->bytes, row * stored.cols() + col);
    }
    std::vector<double> values(static_cast<std::size_t>(stored.cols()));
    if (!stored.read(row, 1, values.data())) {
        return std::nullopt;
    }
    const Result<std::uint64_t> code =
        encode(*info.type->format, values[static_cast<std::size_t>(col)]);
    return code ? std::optional(*code) : std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> Document::code(std::int64_t row, std::int64_t col) const {
    const TensorInfo* info = tensor();
    if (info == nullptr || !m_stored || info->type == nullptr || info->type->format == nullptr ||
        row < 0 || col < 0 || row >= m_stored->rows() || col >= m_stored->cols()) {
        return std::nullopt;
    }
    const std::int64_t index = storedIndex(*info, row, col);
    for (const Edit& edit : m_spec.edits) {
        if (edit.index == index && edit.tensor == info->name) {
            return edit.code;
        }
    }
    return storedCode(*info, *m_stored, row, col);
}

bool Document::isEdited(std::int64_t row, std::int64_t col) const {
    const TensorInfo* info = m_spec.edits.empty() ? nullptr : tensor();
    return info != nullptr &&
           std::any_of(m_spec.edits.begin(), m_spec.edits.end(), [&](const Edit& edit) {
               return edit.index == storedIndex(*info, row, col) && edit.tensor == info->name;
           });
}

void Document::setCode(std::int64_t row, std::int64_t col, std::uint64_t code) {
    const std::optional<std::uint64_t> now = this->code(row, col);
    const TensorInfo* info = tensor();
    if (!now || *now == code || info == nullptr) {
        return;
    }
    const int bits = info->type->format->bits;
    LOUPE_ASSERT(bits >= 64 || (code >> bits) == 0, "a code has no more bits than its format");
    const std::int64_t index = storedIndex(*info, row, col);
    const bool original = storedCode(*info, *m_stored, row, col) == code;
    edit(tr("Flip bits at row %1, column %2").arg(row).arg(col), [&](ExperimentSpec& spec) {
        const auto same = [&](const Edit& edit) {
            return edit.index == index && edit.tensor == info->name;
        };
        const auto found = std::find_if(spec.edits.begin(), spec.edits.end(), same);
        if (original) {
            std::erase_if(spec.edits, same);
        } else if (found != spec.edits.end()) {
            found->code = code;
        } else if (spec.edits.size() < kMostEdits) {
            spec.edits.push_back({info->name, index, code});
        }
    });
}

QString Document::scheme(Side side) const {
    return QString::fromStdString(side == Side::A ? m_spec.schemeA : m_spec.schemeB);
}

void Document::setScheme(Side side, const QString& text, const QString& label, int mergeId) {
    edit(
        label,
        [&](ExperimentSpec& spec) {
            (side == Side::A ? spec.schemeA : spec.schemeB) = text.toStdString();
        },
        mergeId);
}

}  // namespace loupe::app
