// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/views/tensor_filter.hpp"
#include "core/io/tensor_source.hpp"
#include "core/stats/tensor_stats.hpp"

#include <QAbstractItemModel>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace loupe::app {

/// What the tree shows of a tensor's statistics.
struct TensorSummary {
    std::shared_ptr<const TensorStats> stats;  ///< null: not known yet
    double crest = 0;
    std::int64_t outliers = 0;  ///< input channels above the threshold
    std::uint64_t nan = 0;
    std::uint64_t inf = 0;
    std::vector<float> spark;  ///< heights 0 to 1
    std::shared_ptr<const std::vector<RaisedFlag>> flags;  ///< null: not scanned yet
};

/// How a tensor is packed, in a word: "q4_k", "gptq 4-bit"; empty for plain elements.
[[nodiscard]] QString quantizationText(const TensorInfo& tensor);

/// The tensors of a checkpoint as modules: blocks that are alike are folded ("2 – 10"), what is
/// inside a block is one level.
class TensorTreeModel : public QAbstractItemModel {
    Q_OBJECT

public:
    enum Column { Name, Shape, Crest, Badge, ColumnCount };
    enum Role {
        TensorRole = Qt::UserRole,  ///< index of the tensor, -1 for modules
        SparkRole,                  ///< QVector<float>
        OutlierRole,  ///< number of outlier channels; of a module: 1 if any tensor below has some
        NanRole,      ///< "3 NaN", "2 Inf" or empty
        NoteRole,     ///< "9 alike"
        ProblemRole,  ///< true: cannot be read
        FlagsRole,    ///< QStringList: badges of what a scan raised, but NaN and infinities
        QuantRole,    ///< "q4_k", "gptq 4-bit"; empty for plain elements
    };

    explicit TensorTreeModel(QObject* parent = nullptr);
    ~TensorTreeModel() override;

    /// Builds the tree; with a filter, from the accepted tensors only and without folding.
    void setSource(std::shared_ptr<const TensorSource> source, const TensorFilter& filter = {});
    /// Tells the statistics of a tensor; views update its row and its modules.
    void setStats(std::size_t tensor, std::shared_ptr<const TensorStats> stats, double threshold);
    /// What a scan raised. False: the model has it already.
    bool setFlags(std::size_t tensor, std::shared_ptr<const std::vector<RaisedFlag>> flags);
    [[nodiscard]] const TensorSummary* summary(std::size_t tensor) const;
    /// Recounts outlier channels.
    void setThreshold(double threshold);
    [[nodiscard]] QModelIndex indexOf(std::size_t tensor) const;
    /// Tensors in the tree, in its order.
    [[nodiscard]] std::vector<std::size_t> tensors() const;

    [[nodiscard]] QModelIndex index(int row,
                                    int column,
                                    const QModelIndex& parent = {}) const override;
    [[nodiscard]] QModelIndex parent(const QModelIndex& child) const override;
    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    [[nodiscard]] QVariant headerData(int section,
                                      Qt::Orientation orientation,
                                      int role) const override;

private:
    struct Node;
    struct Trie;
    [[nodiscard]] Node* node(const QModelIndex& index) const;
    [[nodiscard]] QModelIndex indexOf(const Node* node, int column = 0) const;
    void append(
        Node& parent, const Trie& trie, const std::string& prefix, bool inBlock, bool folding);
    void appendBlocks(Node& parent, const std::vector<const Trie*>& blocks, bool folding);
    void addLeaf(Node& parent, std::string label, std::size_t tensor);
    Node& addModule(Node& parent, std::string label);
    [[nodiscard]] QVariant moduleData(const Node& node, int column, int role) const;
    [[nodiscard]] QVariant tensorData(const Node& node, int column, int role) const;
    [[nodiscard]] QString tooltip(std::size_t tensor) const;
    void summarize(TensorSummary& summary, double threshold) const;

    std::shared_ptr<const TensorSource> m_source;
    std::unique_ptr<Node> m_root;
    std::unordered_map<std::size_t, Node*> m_leaves;
    std::vector<TensorSummary> m_summaries;
};

}  // namespace loupe::app
