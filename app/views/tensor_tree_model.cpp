// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/tensor_tree_model.hpp"

#include "app/widgets/theme.hpp"
#include "core/base/text.hpp"
#include "core/base/units.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace loupe::app {

namespace {

constexpr int kSparkBins = 36;
constexpr std::size_t kLeastAlike = 3;

bool isNumber(const std::string& word) {
    return !word.empty() &&
           std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// The name as people say it: "q_proj" for "q_proj.weight".
std::string withoutWeight(const std::string& label) {
    constexpr std::string_view kSuffix = ".weight";
    return label.size() > kSuffix.size() && label.ends_with(kSuffix)
               ? label.substr(0, label.size() - kSuffix.size())
               : label;
}

std::string joined(const std::string& prefix, const std::string& word) {
    return prefix.empty() ? word : prefix + "." + word;
}

std::span<const RaisedFlag> flagsOf(const TensorSummary& summary) {
    return summary.flags ? std::span<const RaisedFlag>(*summary.flags)
                         : std::span<const RaisedFlag>();
}

/// At most five letters each: what stands in a row's badges. NaN and infinities have theirs.
QStringList badgesOf(const TensorSummary& summary) {
    QStringList badges;
    for (const RaisedFlag& flag : flagsOf(summary)) {
        if (flag.flag == TensorFlag::Pattern) {
            badges << QString::fromStdString(flag.detail);
        } else if (flag.flag != TensorFlag::Nan && flag.flag != TensorFlag::Inf) {
            const std::string_view badge = flagDefinition(flag.flag).badge;
            badges << QString::fromUtf8(badge.data(), static_cast<qsizetype>(badge.size()));
        }
    }
    return badges;
}

QString flagLine(const RaisedFlag& flag) {
    const std::string_view title = flagDefinition(flag.flag).title;
    const QString text = QString::fromUtf8(title.data(), static_cast<qsizetype>(title.size()));
    return flag.detail.empty() ? text
                               : text + QStringLiteral(": ") + QString::fromStdString(flag.detail);
}

/// "32 weights share a scale, with zero points, in act-order"; empty where nothing is known.
QString groupLine(const PackedInfo& packed) {
    if (packed.groupCols <= 0) {
        return {};
    }
    QString text = packed.groupRows > 1
                       ? TensorTreeModel::tr("%1 × %2 weights share a scale")
                             .arg(packed.groupRows)
                             .arg(packed.groupCols)
                       : TensorTreeModel::tr("%1 weights share a scale").arg(packed.groupCols);
    if (packed.symmetric) {
        text += *packed.symmetric ? TensorTreeModel::tr(", no zero points")
                                  : TensorTreeModel::tr(", with zero points");
    }
    if (packed.actOrder == true) {
        text += TensorTreeModel::tr(", in act-order");
    }
    return text;
}

/// Logical and stored shape, bits per weight and parts of a packed tensor.
QStringList packingLines(const TensorInfo& info) {
    QStringList lines;
    if (info.block != nullptr) {
        lines << TensorTreeModel::tr("%1: %2 weights in %3 bytes, %4 bits per weight")
                     .arg(QString::fromUtf8(info.block->title.data(),
                                            static_cast<qsizetype>(info.block->title.size())))
                     .arg(info.block->elements)
                     .arg(info.block->bytes)
                     .arg(formatNumber(info.block->bitsPerWeight()));
    }
    if (info.packed == nullptr) {
        return lines;
    }
    const PackedInfo& packed = *info.packed;
    TensorInfo stored;
    stored.shape = packed.storedShape;
    lines << TensorTreeModel::tr("%1: %2 bits per weight, %3 of them the code")
                 .arg(QString::fromStdString(packed.quantization),
                      formatNumber(packed.bitsPerWeight),
                      formatNumber(packed.codeBits));
    if (const QString groups = groupLine(packed); !groups.isEmpty()) {
        lines << groups;
    }
    lines << TensorTreeModel::tr("logical shape %1, stored %2")
                 .arg(QString::fromStdString(shapeText(info, " × ")),
                      QString::fromStdString(shapeText(stored, " × ")));
    QStringList parts;
    for (const std::string& part : packed.parts) {
        parts << QString::fromStdString(part);
    }
    lines << TensorTreeModel::tr("stored as %1").arg(parts.join(QStringLiteral(", ")));
    return lines;
}

}  // namespace

QString quantizationText(const TensorInfo& tensor) {
    if (tensor.packed != nullptr) {
        const QString name = QString::fromStdString(tensor.packed->quantization);
        const double bits = tensor.packed->codeBits;
        return bits > 0 && bits < 8
                   ? TensorTreeModel::tr("%1 %2-bit").arg(name, QString::number(bits, 'g', 3))
                   : name;
    }
    return tensor.block != nullptr ? QString::fromStdString(std::string(tensor.block->id))
                                   : QString();
}

struct TensorTreeModel::Node {
    Node* parent = nullptr;
    int row = 0;
    QString label;
    QString note;
    std::int64_t tensor = -1;
    int withOutliers = 0;  ///< tensors below with outlier channels
    int withNan = 0;
    bool problem = false;  ///< a tensor here or below cannot be read
    std::vector<std::unique_ptr<Node>> children;
};

/// Names split at their dots, in the order of the file (numbers in numerical order).
struct TensorTreeModel::Trie {
    std::string word;
    std::int64_t tensor = -1;
    std::string signature;  ///< of everything below: equal for blocks that are alike
    std::size_t leaves = 0;
    std::vector<std::unique_ptr<Trie>> children;
    std::unordered_map<std::string, Trie*> byWord;

    Trie& child(const std::string& name) {
        Trie*& found = byWord[name];
        if (found == nullptr) {
            children.push_back(std::make_unique<Trie>());
            found = children.back().get();
            found->word = name;
        }
        return *found;
    }
    [[nodiscard]] bool hasBlocks() const {
        return std::any_of(children.begin(), children.end(), [](const auto& c) {
            return isNumber(c->word) && c->tensor < 0;
        });
    }
    void finish(std::span<const TensorInfo> tensors) {
        std::stable_sort(children.begin(), children.end(), [](const auto& a, const auto& b) {
            const bool numbers = isNumber(a->word) && isNumber(b->word);
            return numbers && (a->word.size() != b->word.size() ? a->word.size() < b->word.size()
                                                                : a->word < b->word);
        });
        if (tensor >= 0) {
            const TensorInfo& info = tensors[static_cast<std::size_t>(tensor)];
            signature = info.dtypeName + shapeText(info);
            leaves = 1;
        }
        for (const auto& c : children) {
            c->finish(tensors);
            leaves += c->leaves;
            signature += "(" + c->word + c->signature + ")";
        }
    }
};

TensorTreeModel::TensorTreeModel(QObject* parent)
    : QAbstractItemModel(parent), m_root(std::make_unique<Node>()) {}
TensorTreeModel::~TensorTreeModel() = default;

void TensorTreeModel::setSource(std::shared_ptr<const TensorSource> source,
                                const TensorFilter& filter) {
    beginResetModel();
    const bool same = source == m_source;
    m_source = std::move(source);
    m_root = std::make_unique<Node>();
    m_leaves.clear();
    if (!same) {
        m_summaries.assign(m_source ? m_source->tensors().size() : 0, {});
    }
    if (m_source) {
        Trie trie;
        const std::span<const TensorInfo> tensors = m_source->tensors();
        for (std::size_t i = 0; i < tensors.size(); ++i) {
            if (!filter.accepts(tensors[i], flagsOf(m_summaries[i]))) {
                continue;
            }
            Trie* at = &trie;
            for (const std::string_view word : split(tensors[i].name, '.')) {
                at = &at->child(std::string(word));
            }
            at->tensor = static_cast<std::int64_t>(i);
        }
        trie.finish(tensors);
        append(*m_root, trie, {}, false, filter.empty());
    }
    for (std::size_t i = 0; i < m_summaries.size(); ++i) {
        const TensorSummary& summary = m_summaries[i];
        const auto leaf = m_leaves.find(i);
        for (Node* at = leaf == m_leaves.end() ? nullptr : leaf->second->parent;
             at != nullptr && summary.stats;
             at = at->parent) {
            at->withOutliers += summary.outliers > 0 ? 1 : 0;
            at->withNan += summary.nan + summary.inf > 0 ? 1 : 0;
        }
    }
    endResetModel();
}

TensorTreeModel::Node& TensorTreeModel::addModule(Node& parent, std::string label) {
    auto made = std::make_unique<Node>();
    made->parent = &parent;
    made->row = static_cast<int>(parent.children.size());
    made->label = QString::fromStdString(label);
    parent.children.push_back(std::move(made));
    return *parent.children.back();
}

void TensorTreeModel::addLeaf(Node& parent, std::string label, std::size_t tensor) {
    Node& leaf = addModule(parent, std::move(label));
    leaf.tensor = static_cast<std::int64_t>(tensor);
    m_leaves[tensor] = &leaf;
    if (m_source->tensors()[tensor].problem) {
        for (Node* at = &leaf; at != nullptr; at = at->parent) {
            at->problem = true;
        }
    }
}

/// Adds what is below `trie`. Inside a block everything is one level; a module with a single tensor
/// is that tensor.
void TensorTreeModel::append(
    Node& parent, const Trie& trie, const std::string& prefix, bool inBlock, bool folding) {
    std::vector<const Trie*> blocks;
    for (const auto& child : trie.children) {
        const std::string name = joined(prefix, child->word);
        if (child->tensor >= 0) {
            addLeaf(parent,
                    inBlock ? withoutWeight(name) : name,
                    static_cast<std::size_t>(child->tensor));
        }
        if (child->children.empty()) {
            continue;
        }
        if (isNumber(child->word)) {
            blocks.push_back(child.get());
        } else if (child->hasBlocks()) {
            Node& module = addModule(parent, name);
            append(module, *child, {}, inBlock, folding);
        } else if (inBlock || child->leaves == 1) {
            append(parent, *child, name, inBlock, folding);
        } else {
            Node& module = addModule(parent, name);
            append(module, *child, {}, false, folding);
        }
    }
    appendBlocks(parent, blocks, folding);
}

/// Runs of blocks with equal contents: the first stands alone, the others are folded under "1 –
/// 31".
void TensorTreeModel::appendBlocks(Node& parent,
                                   const std::vector<const Trie*>& blocks,
                                   bool folding) {
    for (std::size_t first = 0; first < blocks.size();) {
        std::size_t last = first + 1;
        while (last < blocks.size() && blocks[last]->signature == blocks[first]->signature) {
            ++last;
        }
        Node* under = &parent;
        for (std::size_t i = first; i < last; ++i) {
            if (folding && i == first + 1 && last - i >= kLeastAlike) {
                under = &addModule(parent, blocks[i]->word + " – " + blocks[last - 1]->word);
                under->note = tr("%1 alike").arg(last - i);
            }
            Node& block = addModule(*under, blocks[i]->word);
            append(block, *blocks[i], {}, true, folding);
        }
        first = last;
    }
    if (folding && blocks.size() >= kLeastAlike) {
        parent.note = tr("%1 blocks").arg(blocks.size());
    }
}

// --- statistics
// -------------------------------------------------------------------------------------------------------

void TensorTreeModel::summarize(TensorSummary& summary, double threshold) const {
    const TensorStats& stats = *summary.stats;
    summary.crest = stats.crestFactor();
    summary.nan = stats.nan;
    summary.inf = stats.inf;
    const std::vector<OutlierChannel> channels =
        stats.rows > 1 ? stats.outliers(true, static_cast<std::size_t>(stats.cols))
                       : std::vector<OutlierChannel>{};
    summary.outliers =
        std::count_if(channels.begin(), channels.end(), [threshold](const OutlierChannel& channel) {
            return channel.ratio > threshold;
        });
    summary.spark.clear();
    const double low = std::max(stats.min, stats.mean - 4 * stats.std);
    const double high = std::min(stats.max, stats.mean + 4 * stats.std);
    if (stats.finite() > 0 && high > low) {
        const Histogram histogram = stats.values.rebin(low, high, kSparkBins);
        const auto most = *std::max_element(histogram.counts.begin(), histogram.counts.end());
        for (const std::uint64_t count : histogram.counts) {
            summary.spark.push_back(most == 0 ? 0.0F
                                              : static_cast<float>(static_cast<double>(count) /
                                                                   static_cast<double>(most)));
        }
    }
}

void TensorTreeModel::setStats(std::size_t tensor,
                               std::shared_ptr<const TensorStats> stats,
                               double threshold) {
    if (tensor >= m_summaries.size() || m_summaries[tensor].stats == stats || !stats) {
        return;
    }
    TensorSummary& summary = m_summaries[tensor];
    const bool hadOutliers = summary.outliers > 0;
    const bool hadNan = summary.nan + summary.inf > 0;
    summary.stats = std::move(stats);
    summarize(summary, threshold);
    const auto found = m_leaves.find(tensor);
    if (found == m_leaves.end()) {
        return;
    }
    emit dataChanged(indexOf(found->second, 0), indexOf(found->second, ColumnCount - 1));
    const int outliers = (summary.outliers > 0 ? 1 : 0) - (hadOutliers ? 1 : 0);
    const int nan = (summary.nan + summary.inf > 0 ? 1 : 0) - (hadNan ? 1 : 0);
    for (Node* at = found->second->parent;
         at != nullptr && at != m_root.get() && (outliers != 0 || nan != 0);
         at = at->parent) {
        at->withOutliers += outliers;
        at->withNan += nan;
        emit dataChanged(indexOf(at, 0), indexOf(at, ColumnCount - 1));
    }
}

bool TensorTreeModel::setFlags(std::size_t tensor,
                               std::shared_ptr<const std::vector<RaisedFlag>> flags) {
    if (tensor >= m_summaries.size() || m_summaries[tensor].flags == flags) {
        return false;
    }
    m_summaries[tensor].flags = std::move(flags);
    if (const auto found = m_leaves.find(tensor); found != m_leaves.end()) {
        emit dataChanged(indexOf(found->second, 0), indexOf(found->second, ColumnCount - 1));
    }
    return true;
}

void TensorTreeModel::setThreshold(double threshold) {
    for (std::size_t i = 0; i < m_summaries.size(); ++i) {
        if (m_summaries[i].stats) {
            const std::shared_ptr<const TensorStats> stats = m_summaries[i].stats;
            TensorSummary again = m_summaries[i];
            summarize(again, threshold);
            if (again.outliers != m_summaries[i].outliers) {
                // As if new: modules above are recounted.
                m_summaries[i].stats = nullptr;
                setStats(i, stats, threshold);
            }
        }
    }
}

const TensorSummary* TensorTreeModel::summary(std::size_t tensor) const {
    return tensor < m_summaries.size() && m_summaries[tensor].stats ? &m_summaries[tensor]
                                                                    : nullptr;
}

std::vector<std::size_t> TensorTreeModel::tensors() const {
    std::vector<std::size_t> all;
    const std::function<void(const Node&)> walk = [&](const Node& at) {
        if (at.tensor >= 0) {
            all.push_back(static_cast<std::size_t>(at.tensor));
        }
        for (const auto& child : at.children) {
            walk(*child);
        }
    };
    walk(*m_root);
    return all;
}

// --- item model
// -------------------------------------------------------------------------------------------------------

TensorTreeModel::Node* TensorTreeModel::node(const QModelIndex& index) const {
    return index.isValid() ? static_cast<Node*>(index.internalPointer()) : m_root.get();
}

QModelIndex TensorTreeModel::indexOf(const Node* at, int column) const {
    return at == m_root.get()
               ? QModelIndex()
               : createIndex(at->row, column, const_cast<Node*>(at));  // NOLINT: Qt's interface
}

QModelIndex TensorTreeModel::indexOf(std::size_t tensor) const {
    const auto found = m_leaves.find(tensor);
    return found == m_leaves.end() ? QModelIndex() : indexOf(found->second);
}

QModelIndex TensorTreeModel::index(int row, int column, const QModelIndex& parent) const {
    if (!hasIndex(row, column, parent)) {
        return {};
    }
    return createIndex(row, column, node(parent)->children[static_cast<std::size_t>(row)].get());
}

QModelIndex TensorTreeModel::parent(const QModelIndex& child) const {
    return child.isValid() ? indexOf(node(child)->parent) : QModelIndex();
}

int TensorTreeModel::rowCount(const QModelIndex& parent) const {
    return parent.column() > 0 ? 0 : static_cast<int>(node(parent)->children.size());
}

int TensorTreeModel::columnCount(const QModelIndex&) const {
    return ColumnCount;
}

QVariant TensorTreeModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) {
        return {};
    }
    const QString titles[] = {tr("tensor"), tr("distribution"), tr("crest"), tr("marks")};
    return section >= 0 && section < ColumnCount ? titles[section] : QVariant();
}

QVariant TensorTreeModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) {
        return {};
    }
    const Node& at = *node(index);
    if (role == TensorRole) {
        return static_cast<qlonglong>(at.tensor);
    }
    if (role == Qt::DisplayRole && index.column() == Name) {
        return at.label;
    }
    if (role == NoteRole) {
        return at.note;
    }
    if (role == ProblemRole) {
        return at.problem;
    }
    return at.tensor < 0 ? moduleData(at, index.column(), role)
                         : tensorData(at, index.column(), role);
}

QVariant TensorTreeModel::moduleData(const Node& at, int column, int role) const {
    if (role == Qt::DecorationRole && column == Name) {
        return themedIcon(QStringLiteral("module"));
    }
    if (role == OutlierRole) {
        return at.withOutliers > 0 ? -1 : 0;
    }
    if (role == NanRole) {
        return at.withNan > 0 ? tr("NaN") : QString();
    }
    if (role == Qt::DisplayRole && column == Badge) {
        return at.note;
    }
    if (role == Qt::ToolTipRole && (at.withOutliers > 0 || at.withNan > 0)) {
        return tr("%1 tensors with outlier channels, %2 with NaN or infinities")
            .arg(at.withOutliers)
            .arg(at.withNan);
    }
    return {};
}

QVariant TensorTreeModel::tensorData(const Node& at, int column, int role) const {
    const auto tensor = static_cast<std::size_t>(at.tensor);
    const TensorInfo& info = m_source->tensors()[tensor];
    const TensorSummary& summary = m_summaries[tensor];
    if (role == Qt::DecorationRole && column == Name) {
        return themedIcon(info.problem    ? QStringLiteral("error")
                          : info.rows > 1 ? QStringLiteral("matrix")
                                          : QStringLiteral("vector"));
    }
    if (role == Qt::ToolTipRole) {
        return tooltip(tensor);
    }
    if (role == QuantRole) {
        return quantizationText(info);
    }
    if (role == Qt::TextAlignmentRole && column == Crest) {
        return static_cast<int>(Qt::AlignRight | Qt::AlignVCenter);
    }
    if (role == Qt::FontRole && column == Crest) {
        return Theme::font(TextRole::Number);
    }
    if (role == FlagsRole) {
        return badgesOf(summary);
    }
    if (role == Qt::AccessibleTextRole && column == Badge) {
        QStringList lines;
        for (const RaisedFlag& flag : flagsOf(summary)) {
            lines << flagLine(flag);
        }
        if (summary.outliers > 0) {
            lines << tr("%1 outlier input channels").arg(summary.outliers);
        }
        return lines.join(QStringLiteral(", "));
    }
    if (!summary.stats) {
        return role == NanRole       ? QVariant(QString())
               : role == OutlierRole ? QVariant(0)
                                     : QVariant();
    }
    if (role == SparkRole) {
        return QVariant::fromValue(QVector<float>(summary.spark.begin(), summary.spark.end()));
    }
    if (role == OutlierRole) {
        return static_cast<qlonglong>(summary.outliers);
    }
    if (role == NanRole) {
        return summary.nan > 0   ? tr("%1 NaN").arg(summary.nan)
               : summary.inf > 0 ? tr("%1 Inf").arg(summary.inf)
                                 : QString();
    }
    if (role == Qt::DisplayRole && column == Crest) {
        return std::isfinite(summary.crest) ? formatNumber(summary.crest, 2) : QString();
    }
    if (role == Qt::DisplayRole && column == Badge) {
        return summary.outliers > 0 ? QString::number(summary.outliers) : QString();
    }
    return {};
}

QString TensorTreeModel::tooltip(std::size_t tensor) const {
    const TensorInfo& info = m_source->tensors()[tensor];
    QStringList lines;
    lines << QString::fromStdString(info.name);
    lines << tr("%1 %2, %3")
                 .arg(QString::fromStdString(info.dtypeName),
                      QString::fromStdString(shapeText(info, " × ")),
                      QString::fromStdString(decimalBytes(static_cast<double>(info.bytes))));
    lines << packingLines(info);
    if (info.problem) {
        lines << QString::fromStdString(info.problem->message());
    }
    if (const TensorSummary* known = summary(tensor)) {
        const TensorStats& stats = *known->stats;
        lines << tr("min %1, max %2, mean %3, std %4")
                     .arg(formatNumber(stats.min),
                          formatNumber(stats.max),
                          formatNumber(stats.mean),
                          formatNumber(stats.std));
        lines << tr("crest factor %1 (largest weight over RMS), excess kurtosis %2")
                     .arg(formatNumber(known->crest), formatNumber(stats.kurtosis));
        if (known->outliers > 0) {
            lines << tr("%1 outlier input channels").arg(known->outliers);
        }
        if (stats.nan + stats.inf > 0) {
            lines << tr("%1 NaN, %2 infinities").arg(stats.nan).arg(stats.inf);
        }
        for (const RaisedFlag& flag : flagsOf(*known)) {
            if (flag.flag != TensorFlag::Nan && flag.flag != TensorFlag::Inf) {
                lines << flagLine(flag);
            }
        }
        if (stats.zeros > 0) {
            lines << tr("%1 zeros").arg(formatCount(static_cast<qint64>(stats.zeros)));
        }
    }
    return lines.join(QLatin1Char('\n'));
}

}  // namespace loupe::app
