// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/tensor_filter.hpp"
#include "app/views/tensor_tree_model.hpp"
#include "app/views/view.hpp"
#include "tests/gui/gui_document.hpp"

#include <QAbstractItemModelTester>
#include <QLineEdit>
#include <QTreeView>

#include <functional>

using namespace loupe;
using namespace loupe::app;

namespace {

/// A checkpoint of names alone.
class NamesSource : public TensorSource {
public:
    NamesSource() {
        add("lm_head.weight", {100, 8});
        add("model.embed_tokens.weight", {100, 8});
        for (int block = 0; block < 12; ++block) {
            const std::string prefix = "model.layers." + std::to_string(block) + ".";
            add(prefix + "self_attn.q_proj.weight", {8, 8});
            add(prefix + "self_attn.q_proj.bias", {8});
            add(prefix + "mlp.up_proj.weight", {block == 7 ? 32 : 16, 8});
        }
        add("model.norm.weight", {8});
        tensors_.back().problem =
            Error{ErrorCode::Unsupported, "dtype \"F12\" is not known", {}, {}};
    }
    [[nodiscard]] Result<std::shared_ptr<const RowSource>> matrix(std::size_t) const override {
        return makeRowSource(1, 1, std::vector<float>{0});
    }

private:
    void add(const std::string& name, std::vector<std::int64_t> shape) {
        TensorInfo info;
        info.name = name;
        info.type = findStorageType(shape.size() > 1 ? "bf16" : "fp32");
        info.dtypeName = std::string(info.type->id);
        info.rows = shape.size() > 1 ? shape[0] : 1;
        info.cols = shape.back();
        info.parameters = static_cast<std::uint64_t>(info.rows * info.cols);
        info.bytes = info.parameters * static_cast<std::uint64_t>(info.type->bits) / 8;
        info.shape = std::move(shape);
        tensors_.push_back(std::move(info));
    }
};

/// The tree as indented text.
QString outline(const QAbstractItemModel& model, const QModelIndex& parent = {}, int depth = 0) {
    QString text;
    for (int row = 0; row < model.rowCount(parent); ++row) {
        const QModelIndex index = model.index(row, 0, parent);
        const QString note = index.data(TensorTreeModel::NoteRole).toString();
        text += QString(depth * 2, ' ') + index.data().toString() +
                (note.isEmpty() ? "" : " [" + note + "]") + "\n";
        text += outline(model, index, depth + 1);
    }
    return text;
}

QModelIndex findRow(const QAbstractItemModel& model,
                    const QString& label,
                    const QModelIndex& parent = {}) {
    for (int row = 0; row < model.rowCount(parent); ++row) {
        const QModelIndex index = model.index(row, 0, parent);
        if (index.data().toString() == label) {
            return index;
        }
        if (const QModelIndex below = findRow(model, label, index); below.isValid()) {
            return below;
        }
    }
    return {};
}

std::vector<std::string> matching(const char* filter) {
    const NamesSource source;
    const TensorFilter test(QString::fromUtf8(filter));
    std::vector<std::string> names;
    for (const TensorInfo& tensor : source.tensors()) {
        if (test.accepts(tensor)) {
            names.push_back(tensor.name);
        }
    }
    return names;
}

}  // namespace

TEST_CASE("tensor tree: equal blocks are folded, others stand alone") {
    TensorTreeModel model;
    const QAbstractItemModelTester tester(&model,
                                          QAbstractItemModelTester::FailureReportingMode::Fatal);
    const auto source = std::make_shared<NamesSource>();
    model.setSource(source);
    const QString text = outline(model);
    CAPTURE(text.toStdString());
    CHECK(text.startsWith("lm_head.weight\nmodel\n"));
    CHECK(text.contains(
        "    0\n      self_attn.q_proj\n      self_attn.q_proj.bias\n      mlp.up_proj\n"));
    CHECK(text.contains("1 – 6 [6 alike]"));
    CHECK(text.contains("    7\n"));
    CHECK(text.contains("9 – 11 [3 alike]"));
    CHECK(text.contains("embed_tokens"));
    CHECK(model.tensors().size() == source->tensors().size());
    for (std::size_t i = 0; i < source->tensors().size(); ++i) {
        CHECK(model.indexOf(i).data(TensorTreeModel::TensorRole).toLongLong() ==
              static_cast<qlonglong>(i));
    }
    const QModelIndex norm = model.indexOf(source->tensors().size() - 1);
    CHECK(norm.data(TensorTreeModel::ProblemRole).toBool());
    CHECK(norm.data(Qt::ToolTipRole).toString().contains("F12"));
    CHECK(norm.parent().data(TensorTreeModel::ProblemRole).toBool());
    model.setSource(nullptr);
    CHECK(model.rowCount() == 0);
}

TEST_CASE("tensor tree: statistics mark the tensor and the modules above it") {
    TensorTreeModel model;
    const QAbstractItemModelTester tester(&model,
                                          QAbstractItemModelTester::FailureReportingMode::Fatal);
    model.setSource(std::make_shared<NamesSource>());
    std::vector<float> values(64, 0.5F);
    for (std::size_t i = 0; i < values.size(); i += 2) {
        values[i] = -0.25F;
    }
    values[5] = 100;  // row 0, column 5
    const auto matrix = makeRowSource(8, 8, values);
    const Result<TensorStats> stats = computeStats(*matrix);
    REQUIRE(stats.has_value());
    const std::size_t tensor = 2;  // a q_proj of block 0
    model.setStats(tensor, std::make_shared<TensorStats>(*stats), 3.0);
    const QModelIndex index = model.indexOf(tensor);
    CHECK(index.data(TensorTreeModel::OutlierRole).toLongLong() == 1);
    CHECK(index.data(TensorTreeModel::SparkRole).value<QVector<float>>().size() == 36);
    CHECK(index.siblingAtColumn(TensorTreeModel::Crest).data().toString().startsWith("8"));
    CHECK(index.parent().data(TensorTreeModel::OutlierRole).toLongLong() == -1);
    model.setThreshold(1000);
    CHECK(index.data(TensorTreeModel::OutlierRole).toLongLong() == 0);
    CHECK(index.parent().data(TensorTreeModel::OutlierRole).toLongLong() == 0);
}

TEST_CASE("tensor tree: the filter's words") {
    CHECK(matching("").size() == 39);
    CHECK(matching("Q_PROJ bias").size() == 12);
    CHECK(matching("*.up_proj.weight").size() == 12);
    CHECK(matching("/layers\\.(1|2)\\./").size() == 6);
    CHECK(matching("/unfinished").size() == 39);
    CHECK(matching("dtype:F32").empty());
    CHECK(matching("dtype:fp32").size() == 13);
    CHECK(matching("shape:32x8") == std::vector<std::string>{"model.layers.7.mlp.up_proj.weight"});
    CHECK(matching("shape:100x*").size() == 2);
    CHECK(matching("size>1k").size() == 2);
    CHECK(matching("size>=1.6k").size() == 2);
    CHECK(matching("size<33").size() == 13);
    CHECK(matching("size>1k embed").size() == 1);
    CHECK_FALSE(TensorFilter("/(/").problem().isEmpty());
    CHECK_FALSE(TensorFilter("size>x").problem().isEmpty());
}

TEST_CASE("tensor tree: badges of a scan are told, painted and filtered") {
    TensorTreeModel model;
    const QAbstractItemModelTester tester(&model,
                                          QAbstractItemModelTester::FailureReportingMode::Fatal);
    const auto source = std::make_shared<NamesSource>();
    model.setSource(source);
    const auto flags = std::make_shared<const std::vector<RaisedFlag>>(
        std::vector<RaisedFlag>{{TensorFlag::Nan, "1 of 64 values"},
                                {TensorFlag::Duplicate, "the same as 'x'"},
                                {TensorFlag::Pattern, "2:4"}});
    CHECK(model.setFlags(2, flags));
    CHECK_FALSE(model.setFlags(2, flags));
    const QModelIndex badge =
        model.indexOf(2).siblingAtColumn(TensorTreeModel::Badge);
    CHECK(badge.data(TensorTreeModel::FlagsRole).toStringList() == QStringList{"dup", "2:4"});
    CHECK(badge.data(Qt::AccessibleTextRole).toString().contains("the same as 'x'"));
    CHECK(badge.data(Qt::AccessibleTextRole).toString().contains("Holds NaN"));
    const auto shown = [&](const char* filter) {
        model.setSource(source, TensorFilter(filter));
        return model.tensors();
    };
    CHECK(shown("badge:dup") == std::vector<std::size_t>{2});
    CHECK(shown("badge:2:4 q_proj") == std::vector<std::size_t>{2});
    CHECK(shown("badge:any") == std::vector<std::size_t>{2});
    CHECK(shown("badge:duplicate").size() == 1);
    CHECK(shown("badge:const").empty());
    CHECK(TensorFilter("badge:nan").usesFlags());
    CHECK_FALSE(TensorFilter("nan").usesFlags());
}

TEST_CASE("tensor tree: the view selects, filters and copies") {
    Document document;
    const ViewDefinition* definition = nullptr;
    for (const ViewDefinition* candidate : allViews()) {
        definition = qstrcmp(candidate->id, "tensor_tree") == 0 ? candidate : definition;
    }
    REQUIRE(definition != nullptr);
    const std::unique_ptr<View> view(definition->create(document, nullptr));
    view->resize(350, 600);
    view->show();
    test::openAndWait(document, "synthetic:outliers?rows=32&cols=64");
    auto* tree = view->findChild<QTreeView*>();
    auto* filter = view->findChild<QLineEdit*>();
    REQUIRE((tree != nullptr && filter != nullptr));
    CHECK(document.spec().tensor == "weight");
    CHECK(tree->currentIndex().data().toString() == "weight");
    tree->setCurrentIndex(findRow(*tree->model(), "activations"));
    CHECK(document.spec().tensor == "activations");
    document.undoStack().undo();
    CHECK(tree->currentIndex().data().toString() == "weight");
    filter->setText("act*");
    CHECK(QTest::qWaitFor([&] { return tree->model()->rowCount() == 1; }, 5000));
    filter->clear();
    CHECK(QTest::qWaitFor([&] { return tree->model()->rowCount() == 2; }, 5000));
    REQUIRE(QTest::qWaitFor(
        [&] { return document.analyses().knownStats(0) && document.analyses().knownStats(1); },
        test::kPatience));
    QTest::qWait(250);
    const QStringList lines = view->copyText().split('\n', Qt::SkipEmptyParts);
    REQUIRE(lines.size() == 3);
    for (const QString& line : lines) {
        CHECK(line.count('\t') == lines[0].count('\t'));
    }
    view->restore({{"filter", "weight"}});
    CHECK(view->save()["filter"].toString() == "weight");
    view->restore({});
    CHECK(filter->text().isEmpty());
}
