// SPDX-License-Identifier: GPL-3.0-or-later
// Two checkpoints side by side: pairs, figures, the element map, the tolerance.
#include "app/plot/heatmap.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/theme.hpp"
#include "app/workspaces/atlas/compare_pane.hpp"
#include "app/workspaces/atlas/compare_table.hpp"
#include "core/io/safetensors_writer.hpp"
#include "tests/gui/gui_document.hpp"
#include "tests/support/paths.hpp"

#include <QAbstractItemModelTester>
#include <QLineEdit>
#include <QTreeView>

#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <span>

using namespace loupe;
using namespace loupe::app;
using Catch::Matchers::WithinRel;

namespace {

struct Tensor {
    std::vector<std::int64_t> shape;
    std::vector<float> values;
};
using Tensors = std::map<std::string, Tensor>;

std::string written(const char* name, const Tensors& tensors) {
    const auto path = test::scratchDir() / name;
    SafetensorsWriter writer;
    for (const auto& [tensor, data] : tensors) {
        writer.add(tensor,
                   "fp32",
                   data.shape,
                   [bytes = std::as_bytes(std::span<const float>(data.values))](
                       const ByteSink& sink) { return sink(bytes); });
    }
    REQUIRE(writer.write(path).has_value());
    return path.string();
}

Tensor ramp(std::int64_t rows, std::int64_t cols) {
    Tensor made{{rows, cols}, {}};
    for (std::int64_t i = 0; i < rows * cols; ++i) {
        made.values.push_back(0.25F + static_cast<float>(i % 17));
    }
    return made;
}

struct Compared {
    Document document;
    std::unique_ptr<ComparePane> pane;

    Compared(const std::string& a, const std::string& b) {
        app::applyTheme(app::ThemeId::Light, 1);
        test::openAndWait(document, QString::fromStdString(a));
        pane = std::make_unique<ComparePane>(document);
        pane->resize(1280, 640);
        pane->show();
        pane->model().sourceChanged();
        if (!b.empty()) {
            pane->model().setOther(QString::fromStdString(b));
        }
        settle();
    }
    void settle() {
        REQUIRE(QTest::qWaitFor([&] { return !pane->model().busy(); }, test::kPatience));
        QTest::qWait(200);
    }
    int row(const char* name) const {
        for (std::size_t i = 0; i < pane->model().rows().size(); ++i) {
            if (pane->model().nameA(static_cast<int>(i)) == name) {
                return static_cast<int>(i);
            }
        }
        FAIL("no such pair");
        return -1;
    }
    [[nodiscard]] const DiffRow& result(const char* name) const {
        const CompareRow& found = pane->model().rows()[static_cast<std::size_t>(row(name))];
        REQUIRE(found.result.has_value());
        return *found.result;
    }
};

}  // namespace

TEST_CASE("compare: figures of pairs, names without partner, the worst on top") {
    Tensors a{{"same", ramp(8, 16)},
              {"changed", ramp(16, 8)},
              {"sick", ramp(4, 4)},
              {"gone", ramp(2, 2)},
              {"reshaped", ramp(4, 6)}};
    Tensors b = a;
    b.erase("gone");
    b["new"] = ramp(3, 3);
    b["reshaped"] = ramp(6, 5);
    b["changed"].values[37] += 2;
    b["sick"].values[5] = std::numeric_limits<float>::quiet_NaN();
    Compared compared(written("compare_a.safetensors", a), written("compare_b.safetensors", b));
    CompareModel& model = compared.pane->model();
    REQUIRE(model.rows().size() == 3);
    CHECK(model.plan().onlyA.size() == 1);
    CHECK(model.plan().onlyB.size() == 1);
    CHECK(model.plan().mismatches.size() == 1);
    CHECK(compared.result("same").identical);
    const DiffRow& changed = compared.result("changed");
    CHECK_FALSE(changed.identical);
    CHECK(changed.metrics.maxAbsError == 2);
    double squares = 0;
    for (const float value : a["changed"].values) {
        squares += static_cast<double>(value) * static_cast<double>(value);
    }
    CHECK_THAT(changed.metrics.relativeFrobenius, WithinRel(2 / std::sqrt(squares), 1e-12));
    REQUIRE(compared.result("sick").error.has_value());
    CHECK(compared.result("sick").error->what.find("row 1") != std::string::npos);
    CompareTableModel& table = compared.pane->table();
    QAbstractItemModelTester tester(&table, QAbstractItemModelTester::FailureReportingMode::Fatal);
    REQUIRE(table.rowCount() == 3);
    CHECK(table.pair(0) == compared.row("sick"));  // what failed first, then the largest error
    CHECK(table.pair(1) == compared.row("changed"));
    CHECK(table.pair(2) == compared.row("same"));
    table.sort(CompareTableModel::TensorA, Qt::AscendingOrder);
    CHECK(table.pair(0) == compared.row("changed"));
    table.setList(CompareTableModel::List::Shapes);
    CHECK(table.rowCount() == 1);
    CHECK(table.index(0, 0).data().toString().contains("4 × 6"));
    CHECK(table.index(0, 1).data().toString().contains("6 × 5"));
    table.setList(CompareTableModel::List::OnlyB);
    CHECK(table.index(0, 1).data().toString().startsWith("new"));
    CHECK(table.copyText().count('\n') == 4);
}

TEST_CASE("compare: a tolerance that holds and one that does not") {
    Tensors a{{"w", ramp(8, 16)}, {"v", ramp(8, 16)}};
    Tensors b = a;
    b["w"].values[3] *= 1.5F;
    Compared compared(written("gate_a.safetensors", a), written("gate_b.safetensors", b));
    CompareModel& model = compared.pane->model();
    const double error = compared.result("w").metrics.relativeFrobenius;
    CHECK_FALSE(model.verdict().contains("gate"));
    QLineEdit* field = compared.pane->toleranceField();
    field->setFocus();
    field->selectAll();
    QTest::keyClicks(field, QString::number(error * 1.01, 'g', 12));
    QTest::keyClick(field, Qt::Key_Return);
    REQUIRE(model.tolerance().has_value());
    CHECK(model.beyond() == 0);
    CHECK(model.verdict().contains("the gate holds"));
    model.setTolerance(error * 0.99);
    CHECK(model.beyond() == 1);
    CHECK(model.verdict().contains("the gate fails"));
    field->selectAll();
    QTest::keyClicks(field, "-1");
    QTest::keyClick(field, Qt::Key_Return);
    CHECK(*model.tolerance() == error * 0.99);
    auto* message = compared.pane->findChild<MessageBar*>();
    REQUIRE(message != nullptr);
    CHECK(message->isShowing());
    const QJsonObject state = compared.pane->save();
    compared.pane->restore({});
    CHECK_FALSE(model.tolerance().has_value());
    CHECK(model.b() == nullptr);
    compared.pane->restore(state);
    compared.settle();
    CHECK(*model.tolerance() == error * 0.99);
    CHECK(model.rows().size() == 2);
}

TEST_CASE("compare: the element map is of the chosen pair") {
    Tensors a{{"w", ramp(12, 20)}};
    Tensors b = a;
    b["w"].values[7 * 20 + 11] -= 3;
    Compared compared(written("map_a.safetensors", a), written("map_b.safetensors", b));
    CompareModel& model = compared.pane->model();
    auto* view = compared.pane->findChild<QTreeView*>();
    REQUIRE(view != nullptr);
    view->setCurrentIndex(compared.pane->table().index(0, 0));
    CHECK(model.selected() == 0);
    compared.settle();
    REQUIRE(model.plane() != nullptr);
    CHECK(compared.pane->picture().plane() == model.plane());
    CHECK(model.plane()->pyramid->min == -3);
    CHECK(model.plane()->pyramid->max == 0);
    std::vector<float> row(20);
    REQUIRE(model.plane()->fill(7, 1, row.data()).has_value());
    CHECK(row[11] == -3);
    const auto values = model.valuesAt({7, 11});
    REQUIRE(values.has_value());
    CHECK(values->first - values->second == 3);
    CHECK_FALSE(model.valuesAt({12, 0}).has_value());
    model.setMap(CompareModel::Map::A);
    compared.settle();
    CHECK(model.plane()->pyramid->max == 16.25F);
}

TEST_CASE("compare: what is no checkpoint says so; A may change while B stays") {
    Tensors a{{"w", ramp(4, 4)}};
    const auto path = test::scratchDir() / "no_checkpoint.safetensors";
    std::ofstream(path) << "nothing of the kind";
    Compared compared(written("change_a.safetensors", a), path.string());
    CompareModel& model = compared.pane->model();
    REQUIRE(model.openError().has_value());
    CHECK(compared.pane->findChild<MessageBar*>()->isShowing());
    CHECK(model.rows().empty());
    const std::string other = written("change_b.safetensors", a);
    model.setOther(QString::fromStdString(other));
    compared.settle();
    CHECK_FALSE(model.openError().has_value());
    CHECK(compared.result("w").identical);
    Tensors c{{"w", ramp(4, 4)}, {"x", ramp(2, 2)}};
    test::openAndWait(compared.document,
                      QString::fromStdString(written("change_c.safetensors", c)));
    model.sourceChanged();
    compared.settle();
    CHECK(model.plan().onlyA.size() == 1);
    CHECK(compared.result("w").identical);
}

TEST_CASE("compare: a model against its GGUF has every tensor matched, q and k put in order") {
    const auto model = test::testModel("stories260k");
    if (!model) {
        WARN("skipped: no test models");
        return;
    }
    Compared compared((*model / "model.safetensors").string(),
                      (*model / "stories260k-f16.gguf").string());
    const CompareModel& pairs = compared.pane->model();
    CHECK(pairs.rows().size() == 47);
    CHECK(pairs.plan().onlyA.empty());
    CHECK(pairs.plan().onlyB.empty());
    for (const CompareRow& row : pairs.rows()) {
        REQUIRE(row.result.has_value());
        CAPTURE(row.pair.nameA);
        CHECK_FALSE(row.result->error.has_value());
        CHECK(row.result->metrics.relativeFrobenius < 5e-4);  // FP16 rounding alone
    }
    compared.pane->model().select(compared.row("model.layers.0.self_attn.q_proj.weight"));
    compared.settle();
    REQUIRE(pairs.plane() != nullptr);
    CHECK(pairs.plane()->pyramid->absmax < 1e-3F);
    CHECK(compared.pane->table().copyText().contains("blk.0.attn_q.weight"));
}
