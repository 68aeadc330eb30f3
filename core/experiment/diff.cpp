// SPDX-License-Identifier: Apache-2.0
// Who belongs to whom in two checkpoints, and what is said about the pairs.
#include "core/experiment/diff.hpp"

#include "core/base/text.hpp"
#include "core/experiment/name_map.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <unordered_map>

namespace loupe {

namespace {

/// Architectures whose q and k rows llama.cpp's converter reorders (LlamaModel.permute; "llama"
/// are also Mistral and Mixtral), and those whose norms it stores as 1 + w.
constexpr std::array<std::string_view, 9> kPermuted{
    "llama", "minicpm", "olmo", "xverse", "granite", "granitemoe", "deci", "arcee", "smollm3"};
constexpr std::array<std::string_view, 3> kAddedNorms{"gemma", "gemma2", "gemma3"};

template <std::size_t N>
bool isAmong(const std::array<std::string_view, N>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

std::optional<std::string_view> metadataOf(const SourceInfo& info, std::string_view key) {
    for (const auto& [name, value] : info.metadata) {
        if (name == key) {
            return value;
        }
    }
    return std::nullopt;
}

bool endsWith(std::string_view text, std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// One checkpoint as the other one's counterpart.
class Side {
public:
    explicit Side(const TensorSource& source) : source_(source) {
        isGguf_ = source.info().format == "gguf" ||
                  std::any_of(source.tensors().begin(),
                              source.tensors().end(),
                              [](const TensorInfo& t) { return t.name.rfind("blk.", 0) == 0; });
        if (!source.info().config.empty()) {
            config_ = nlohmann::json::parse(source.info().config, nullptr, false);
        }
    }
    [[nodiscard]] const TensorSource& source() const { return source_; }
    [[nodiscard]] bool isGguf() const { return isGguf_; }
    [[nodiscard]] std::string architecture() const {
        if (const auto given = metadataOf(source_.info(), "general.architecture")) {
            return std::string(*given);
        }
        return configText("model_type");
    }
    /// Attention heads of a layer; 0 where nothing says.
    [[nodiscard]] std::int64_t heads(bool keys, std::int64_t layer) const {
        const std::string key =
            architecture() + (keys ? ".attention.head_count_kv" : ".attention.head_count");
        if (const auto given = metadataOf(source_.info(), key)) {
            return numberAt(*given, layer);
        }
        const std::int64_t all = configNumber("num_attention_heads");
        const std::int64_t few = configNumber("num_key_value_heads");
        return keys && few > 0 ? few : all;
    }

private:
    [[nodiscard]] std::string configText(const char* key) const {
        return config_.is_object() && config_.contains(key) && config_[key].is_string()
                   ? config_[key].get<std::string>()
                   : std::string();
    }
    [[nodiscard]] std::int64_t configNumber(const char* key) const {
        return config_.is_object() && config_.contains(key) && config_[key].is_number_integer()
                   ? config_[key].get<std::int64_t>()
                   : 0;
    }
    /// "8", or the layer's item of "[8,8,4]".
    static std::int64_t numberAt(std::string_view text, std::int64_t layer) {
        if (const auto number = parseInteger(text)) {
            return *number;
        }
        const auto list = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
        const nlohmann::json& items =
            list.is_object() && list.contains("first") ? list["first"] : list;
        const auto at = static_cast<std::size_t>(layer);
        return items.is_array() && layer >= 0 && at < items.size() && items[at].is_number_integer()
                   ? items[at].get<std::int64_t>()
                   : 0;
    }

    const TensorSource& source_;
    bool isGguf_ = false;
    nlohmann::json config_;
};

/// The layer's number in "blk.12.attn_q.weight"; -1: none.
std::int64_t layerOf(std::string_view ggufName) {
    const std::vector<std::string_view> words = split(ggufName, '.');
    return words.size() > 2 && words[0] == "blk" ? parseInteger(words[1]).value_or(-1) : -1;
}

/// Tensors of one side under the name by which the other side is asked.
struct Group {
    std::vector<std::size_t> tensors;
    bool isStack = false;  ///< experts, one by one
    std::map<std::int64_t, std::size_t> experts;
    std::size_t first = 0;
};
using Groups = std::map<std::string, Group>;

class Planner {
public:
    Planner(const TensorSource& a, const TensorSource& b) : a_(a), b_(b) {
        usedA_.resize(a.tensors().size());
        usedB_.resize(b.tensors().size());
    }

    DiffPlan plan() {
        if (a_.isGguf() != b_.isGguf()) {
            match([](const std::string& name) { return name; }, true);
        } else {
            match([](const std::string& name) { return name; }, false);
        }
        match([](const std::string& name) { return bareName(name); }, false);
        matchStacks();
        if (usedA_.size() == 1 && usedB_.size() == 1 && !usedA_[0] && !usedB_[0]) {
            pair({{0}, false, {}, 0}, {{0}, false, {}, 0}, {});
        }
        collectRest();
        std::stable_sort(plan_.pairs.begin(),
                         plan_.pairs.end(),
                         [](const DiffPair& x, const DiffPair& y) { return x.a < y.a; });
        return std::move(plan_);
    }

private:
    /// The architecture by which names are mapped: the GGUF's word, else the configuration's.
    [[nodiscard]] std::string architecture() const {
        const std::string own = (a_.isGguf() ? a_ : b_).architecture();
        return own.empty() ? (a_.isGguf() ? b_ : a_).architecture() : own;
    }

    template <class Key>
    Groups groupsOf(const Side& side, const std::vector<bool>& used, const Key& key, bool maps) {
        Groups groups;
        const std::string words = maps ? architecture() : std::string();
        for (std::size_t i = 0; i < used.size(); ++i) {
            if (used[i]) {
                continue;
            }
            const std::string& name = side.source().tensors()[i].name;
            std::optional<GgufName> mapped;
            if (maps && !side.isGguf()) {
                mapped = ggufNameOf(name, words);
                if (!mapped) {
                    continue;
                }
            }
            Group& group = groups[mapped ? mapped->name : key(name)];
            if (group.tensors.empty()) {
                group.first = i;
            }
            if (mapped && mapped->expert) {
                group.isStack = true;
                group.experts.emplace(*mapped->expert, i);
            }
            group.tensors.push_back(i);
        }
        return groups;
    }

    /// Experts 0, 1, 2, ... in order; false where one is missing or there twice.
    static bool orderExperts(Group& group) {
        if (!group.isStack) {
            return group.tensors.size() == 1;
        }
        if (group.experts.size() != group.tensors.size() ||
            group.experts.rbegin()->first + 1 != static_cast<std::int64_t>(group.experts.size()) ||
            group.experts.begin()->first != 0) {
            return false;
        }
        group.tensors.clear();
        for (const auto& [expert, tensor] : group.experts) {
            group.tensors.push_back(tensor);
        }
        return true;
    }

    template <class Key>
    void match(const Key& key, bool maps) {
        Groups left = groupsOf(a_, usedA_, key, maps);
        Groups right = groupsOf(b_, usedB_, key, maps);
        for (auto& [name, group] : left) {
            const auto other = right.find(name);
            if (other != right.end() && orderExperts(group) && orderExperts(other->second)) {
                pair(group, other->second, maps ? name : std::string());
            }
        }
    }

    /// Experts one by one on one side, "...experts.down_proj.weight" on the other.
    void matchStacks() {
        const auto split = [](const Side& side, const std::vector<bool>& used) {
            Groups groups;
            for (std::size_t i = 0; i < used.size(); ++i) {
                const std::string& name = side.source().tensors()[i].name;
                std::string stack = stackName(name);
                const std::size_t star = stack.find("experts.*.");
                if (used[i] || star == std::string::npos) {
                    continue;
                }
                const std::size_t number = star + 8;  // after "experts."
                const auto expert = parseInteger(
                    std::string_view(name).substr(number, name.find('.', number) - number));
                Group& group = groups[bareName(stack.erase(number, 2))];
                group.isStack = true;
                group.tensors.push_back(i);
                group.experts.emplace(expert.value_or(-1), i);
            }
            return groups;
        };
        const auto whole = [](const std::string& name) { return bareName(name); };
        Groups left = split(a_, usedA_);
        Groups right = groupsOf(b_, usedB_, whole, false);
        join(left, right);
        left = groupsOf(a_, usedA_, whole, false);
        right = split(b_, usedB_);
        join(left, right);
    }

    void join(Groups& left, Groups& right) {
        for (auto& [name, group] : left) {
            const auto other = right.find(name);
            if (other != right.end() && group.isStack != other->second.isStack &&
                orderExperts(group) && orderExperts(other->second)) {
                pair(group, other->second, {});
            }
        }
    }

    static std::string nameOf(const Side& side, const Group& group) {
        const std::string& first = side.source().tensors()[group.tensors.front()].name;
        return group.isStack ? stackName(first) : first;
    }

    static std::pair<std::int64_t, std::int64_t> shapeOf(const Side& side, const Group& group) {
        std::int64_t rows = 0;
        const std::int64_t cols = side.source().tensors()[group.tensors.front()].cols;
        for (const std::size_t i : group.tensors) {
            const TensorInfo& tensor = side.source().tensors()[i];
            rows += tensor.cols == cols ? tensor.rows : -tensor.rows - 1;
        }
        return {rows, cols};
    }

    void pair(const Group& left, const Group& right, const std::string& ggufName) {
        for (const std::size_t i : left.tensors) {
            usedA_[i] = true;
        }
        for (const std::size_t i : right.tensors) {
            usedB_[i] = true;
        }
        const auto [rowsA, colsA] = shapeOf(a_, left);
        const auto [rowsB, colsB] = shapeOf(b_, right);
        DiffPair found{left.tensors, right.tensors, nameOf(a_, left), nameOf(b_, right), {}, true};
        found.changeIsInB = b_.isGguf();
        found.change.stacked = left.isStack != right.isStack;
        if (rowsA == rowsB && colsA == colsB) {
            setChange(found, ggufName, rowsA, colsA);
        } else if (rowsA == colsB && colsA == rowsB && !found.change.stacked) {
            found.change.transposed = true;
        } else {
            plan_.mismatches.push_back({found.nameA, found.nameB, {rowsA, colsA}, {rowsB, colsB}});
            return;
        }
        plan_.pairs.push_back(std::move(found));
    }

    /// What llama.cpp's converter did to this tensor, by rule.
    void setChange(DiffPair& found,
                   const std::string& ggufName,
                   std::int64_t rows,
                   std::int64_t cols) const {
        if (ggufName.empty()) {
            return;
        }
        const std::string words = architecture();
        const std::string_view name(ggufName);
        const bool isQuery = name.find(".attn_q.") != std::string_view::npos;
        const bool isKey = name.find(".attn_k.") != std::string_view::npos;
        if ((isQuery || isKey) && isAmong(kPermuted, words)) {
            const Side& gguf = a_.isGguf() ? a_ : b_;
            const Side& other = a_.isGguf() ? b_ : a_;
            const std::int64_t layer = layerOf(name);
            const std::int64_t own = gguf.heads(isKey, layer);
            const std::int64_t heads = own > 0 ? own : other.heads(isKey, layer);
            const std::int64_t length = rows == 1 ? cols : rows;
            if (heads > 0 && length % (2 * heads) == 0) {
                found.change.permutedHeads = heads;
            }
        }
        if (isAmong(kAddedNorms, words) && endsWith(name, "norm.weight")) {
            found.change.added = 1;
        }
    }

    void collectRest() {
        for (std::size_t i = 0; i < usedA_.size(); ++i) {
            if (!usedA_[i]) {
                plan_.onlyA.push_back(a_.source().tensors()[i].name);
            }
        }
        for (std::size_t i = 0; i < usedB_.size(); ++i) {
            if (!usedB_[i]) {
                plan_.onlyB.push_back(b_.source().tensors()[i].name);
            }
        }
    }

    Side a_;
    Side b_;
    std::vector<bool> usedA_;
    std::vector<bool> usedB_;
    DiffPlan plan_;
};

std::string percent(double share) {
    std::array<char, 32> text{};
    // Never rounded up to what would be another claim.
    const double shown = std::min(share * 100, share < 1 ? 99.99 : 100.0);
    std::snprintf(text.data(), text.size(), "%.4g %%", shown);
    return text.data();
}

}  // namespace

std::string LayoutChange::text() const {
    std::string all;
    const auto say = [&all](const std::string& what) { all += (all.empty() ? "" : ", ") + what; };
    if (permutedHeads != 0) {
        say("rotary rows of " + std::to_string(permutedHeads) + " heads put back in order");
    }
    if (added != 0) {
        say("norm stored as " + shortest(added) + " + w");
    }
    if (transposed) {
        say("transposed");
    }
    if (stacked) {
        say("experts stacked");
    }
    return all;
}

std::string DiffRow::provenanceText() const {
    switch (provenance) {
        case Provenance::None:
            return {};
        case Provenance::SameBytes:
            return "same bytes";
        case Provenance::SameValues:
            return dtypeA == dtypeB ? "same values" : "same values, stored as " + dtypeB;
        case Provenance::Rounded:
            return "round-to-nearest " + dtypeB;
        case Provenance::Partly:
            break;
    }
    const bool inBlocks = findBlockLayout(dtypeB) != nullptr;
    return percent(equalShare.value_or(0)) + (inBlocks ? " of blocks are" : " of values are") +
           " round-to-nearest " + dtypeB;
}

DiffPlan planDiff(const TensorSource& a, const TensorSource& b) {
    return Planner(a, b).plan();
}

void runDiff(const TensorSource& a,
             const TensorSource& b,
             const DiffPlan& plan,
             const DiffSeen& seen,
             const JobContext& ctx) {
    const auto bytesOf = [&b](const DiffPair& pair) {
        std::uint64_t bytes = 0;
        for (const std::size_t i : pair.b) {
            bytes += b.tensors()[i].bytes;
        }
        return bytes;
    };
    std::uint64_t all = 0;
    for (const DiffPair& pair : plan.pairs) {
        all += bytesOf(pair);
    }
    ctx.setTotal(all);
    const JobContext quiet = ctx.withoutProgress();
    for (const DiffPair& pair : plan.pairs) {
        ctx.checkpoint();
        seen(diffPair(a, b, pair, quiet));
        ctx.advance(bytesOf(pair));
    }
}

void rankDiff(std::span<DiffRow> rows) {
    const auto badness = [](const DiffRow& row) {
        constexpr double kMost = 1e308;
        if (row.identical) {
            return -1.0;
        }
        if (row.error) {
            return 2 * kMost;  // infinite
        }
        const double relative = row.metrics.relativeFrobenius;
        return std::isnan(relative) ? 0.0 : std::min(relative, kMost);
    };
    std::stable_sort(rows.begin(), rows.end(), [&](const DiffRow& x, const DiffRow& y) {
        return badness(x) > badness(y);
    });
}

std::vector<std::string> beyondTolerance(const DiffPlan& plan,
                                         std::span<const DiffRow> rows,
                                         double tolerance) {
    std::vector<std::string> found;
    for (const DiffRow& row : rows) {
        if (row.identical) {
            continue;
        }
        if (row.error) {
            found.push_back(row.tensorA + ": no figures: " + row.error->message());
        } else if (row.metrics.relativeFrobenius > tolerance) {
            found.push_back(row.tensorA +
                            ": relative_frobenius = " + shortest(row.metrics.relativeFrobenius) +
                            " is above " + shortest(tolerance));
        }
    }
    for (const std::string& name : plan.onlyA) {
        found.push_back(name + ": only in A");
    }
    for (const std::string& name : plan.onlyB) {
        found.push_back(name + ": only in B");
    }
    for (const ShapeMismatch& mismatch : plan.mismatches) {
        found.push_back(mismatch.tensorA + ": another shape than " + mismatch.tensorB);
    }
    return found;
}

}  // namespace loupe
