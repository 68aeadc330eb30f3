// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/plot/export.hpp"
#include "app/shell/actions.hpp"
#include "app/shell/appearance.hpp"
#include "app/shell/centre_stack.hpp"
#include "app/shell/main_window.hpp"
#include "app/shell/options.hpp"
#include "app/views/curves_view.hpp"
#include "app/views/ladder_view.hpp"
#include "app/views/matrix_view.hpp"
#include "tests/gui/panels_fixture.hpp"
#include "tests/support/paths.hpp"

#include <QElapsedTimer>
#include <QHeaderView>
#include <QTemporaryDir>

#include <algorithm>

using namespace loupe;
using namespace loupe::app;

namespace {

const char* const kSource = "synthetic:outliers?rows=64&cols=128";

bool ran(LadderView& view) {
    const LadderState* state = view.runs().state();
    return state != nullptr && state->done;
}

struct Window {
    explicit Window(const QString& workspace) {
        appearance.start("light", 1);
        window = std::make_unique<MainWindow>(
            appearance, QString::fromStdString((test::scratchDir() / "running").string()));
        Options options;
        options.paths << kSource;
        options.schemeA = "absmax:bits=4,group=128";
        options.size = QSize(1280, 720);
        options.screenshot = "unused";
        options.workspace = workspace;
        window->start(options);
        window->show();
        REQUIRE(QTest::qWaitFor([&] { return window->document().weights() != nullptr; }, 60000));
    }
    Appearance appearance;
    std::unique_ptr<MainWindow> window;
};

}  // namespace

TEST_CASE("ladder: rows, reasons, sorting and pins") {
    test::Panels panels(kSource);
    const auto view = panels.show<LadderView>(QSize(1000, 700));
    REQUIRE(QTest::qWaitFor([&] { return ran(*view); }, 60000));
    LadderModel& model = view->model();
    const auto runs = [&] {
        return std::count_if(model.items().begin(),
                             model.items().end(),
                             [](const LadderModel::Item& item) { return item.row != nullptr; });
    };
    CHECK(runs() > 15);
    CHECK(runs() < model.rowCount());  // some need gradients
    CHECK(std::is_partitioned(model.items().begin(), model.items().end(), [](const auto& item) {
        return item.row != nullptr;
    }));
    // There are activations: the least output error on top at first, and in the plot.
    CHECK(model.sortColumn() == LadderModel::Output);
    CHECK(model.figure().id == "output");
    CHECK_FALSE(view->table().isColumnHidden(LadderModel::Output));
    for (int i = 1; i < runs(); ++i) {
        CHECK(model.item(i - 1).row->figures.metrics.outputRelativeError <=
              model.item(i).row->figures.metrics.outputRelativeError);
    }
    for (const char* scheme : {"smoothquant", "gptq:group=128", "awq:group=128", "wanda", "obs"}) {
        const int row = model.rowOf(scheme);
        REQUIRE(row >= 0);
        CHECK(model.item(row).row != nullptr);
    }
    model.sort(LadderModel::Bits, Qt::AscendingOrder);
    for (int i = 1; i < runs(); ++i) {
        CHECK(model.item(i - 1).row->figures.bitsPerWeight <=
              model.item(i).row->figures.bitsPerWeight);
    }
    const QString last =
        QString::fromStdString(model.item(static_cast<int>(runs()) - 1).entry().scheme);
    model.togglePin(last);
    CHECK(model.rowOf(last) == 0);
    CHECK(view->plot().pointOf(last).has_value());
    const QJsonObject saved = view->save();
    view->restore({});
    CHECK(model.pins().isEmpty());
    CHECK(model.sortColumn() == LadderModel::Output);
    view->restore(saved);
    CHECK(model.pins() == QSet<QString>{last});
    CHECK(model.sortColumn() == LadderModel::Bits);
    model.setFamily(StepFamily::Pruning);
    for (const LadderModel::Item& item : model.items()) {
        CHECK(item.entry().family == StepFamily::Pruning);
    }
    model.setFamily(std::nullopt);
    CHECK(view->copyText().count('\n') == model.rowCount() + 1);
    CHECK(view->copyText().contains("needs gradients [64, 128] of this weight"));
    CHECK_FALSE(view->grab().isNull());
}

TEST_CASE("ladder: without activations it goes by SQNR, and says what it lacks") {
    test::Panels panels("synthetic:gaussian?rows=32&cols=64");
    const auto view = panels.show<LadderView>(QSize(1000, 700));
    REQUIRE(QTest::qWaitFor([&] { return ran(*view); }, 60000));
    CHECK(view->model().sortColumn() == LadderModel::Sqnr);
    CHECK(view->model().figure().id == "rel");
    CHECK(view->table().isColumnHidden(LadderModel::Output));
    CHECK(view->copyText().contains("needs activations [tokens, 64] of this layer"));
}

TEST_CASE("ladder: what takes long waits until it is asked for") {
    test::Panels panels("synthetic:outliers?rows=512&cols=1024&tokens=64");
    const auto view = panels.show<LadderView>(QSize(1000, 700));
    view->model().setFamily(StepFamily::Pruning);
    const auto waiting = [&]() -> int {
        const int row = view->model().rowOf("obs");
        return row >= 0 && view->model().item(row).skip.expectedSeconds > 0 ? row : -1;
    };
    REQUIRE(QTest::qWaitFor([&] { return waiting() >= 0; }, 60000));
    view->runs().stop();
    const QModelIndex index = view->model().index(waiting(), 0);
    CHECK(index.data(Qt::ToolTipRole).toString().contains("not run by itself: about"));
    view->table().scrollTo(index);
    QTest::mouseClick(view->table().viewport(),
                      Qt::LeftButton,
                      {},
                      view->table().runRect(view->model().index(waiting(), 0)).center());
    CHECK(view->runs().running());
    CHECK(view->runs().state()->asked == std::vector<std::string>{"obs"});
    view->runs().stop();
    CHECK_FALSE(view->runs().running());
}

TEST_CASE("ladder: figures are those of scheme A's measurement") {
    test::Panels panels(kSource, "absmax:bits=4,group=128");
    const auto view = panels.show<LadderView>(QSize(1300, 900));
    REQUIRE(QTest::qWaitFor([&] { return ran(*view); }, 60000));
    static_cast<void>(panels.document.analyses().scheme(Side::A));
    panels.settle();
    const auto applied = panels.document.analyses().scheme(Side::A).value;
    REQUIRE(applied != nullptr);
    const int row = view->model().rowOf("absmax:bits=4,group=128");
    REQUIRE(row >= 0);
    CHECK(view->model().item(row).row->figures.metrics.mse == applied->metrics.mse);
    CHECK(view->model().item(row).row->figures.bitsPerWeight == applied->bitsPerWeight);
}

TEST_CASE("ladder: results are kept, and stopping goes on where it stopped") {
    test::Panels panels(kSource);
    const auto view = panels.show<LadderView>(QSize(1000, 700));
    view->runs().stop();
    CHECK_FALSE(view->runs().running());
    view->runs().resume();
    REQUIRE(QTest::qWaitFor([&] { return ran(*view); }, 60000));
    const auto first = view->runs().state()->rows.front();
    // A flipped bit is another tensor; undo brings the kept rows back at once.
    panels.document.setCode(0, 0, 0x3f800000);
    panels.settle();
    REQUIRE(QTest::qWaitFor([&] { return ran(*view); }, 60000));
    CHECK(view->runs().state()->rows.front() != first);
    panels.document.undoStack().undo();
    CHECK(ran(*view));
    CHECK(view->runs().state()->rows.front() == first);
    CHECK_FALSE(view->runs().running());
}

TEST_CASE("ladder: hover, click, and one click to the heatmap of the error") {
    const Window opened("ladder");
    MainWindow& window = *opened.window;
    auto* stack = window.findChild<CentreStack*>();
    REQUIRE(stack != nullptr);
    CHECK(stack->currentId() == "ladder");
    auto* view = qobject_cast<LadderView*>(window.view("ladder"));
    REQUIRE(view != nullptr);
    REQUIRE(QTest::qWaitFor([&] { return ran(*view); }, 60000));
    QTest::qWait(100);
    // At this size the table or the plot.
    CHECK_FALSE(view->hasRoomForBoth());
    CHECK(view->table().isVisible());
    CHECK_FALSE(view->plot().isVisible());
    view->showPart("plot");
    CHECK_FALSE(view->table().isVisible());
    REQUIRE(view->plot().isVisible());
    QTest::qWait(50);
    const QString scheme = "zeropoint:bits=4,group=32";
    const auto at = view->plot().pointOf(scheme);
    REQUIRE(at.has_value());
    QTest::mouseMove(&view->plot().plot(), at->toPoint());
    CHECK_FALSE(view->table().hovered().isEmpty());
    QTest::mouseClick(&view->plot().plot(), Qt::LeftButton, {}, at->toPoint());
    view->use(Side::B, scheme);
    CHECK(window.document().scheme(Side::B) == scheme);
    CHECK(stack->currentId() == "matrix");
    auto* matrix = qobject_cast<app::MatrixView*>(window.view("matrix"));
    CHECK(matrix->quantity() == Quantity::Error);
    // Sessions remember what the centre shows.
    window.actions()[ActionId::showLadder]->trigger();
    const QJsonObject state = window.saveViews();
    window.actions()[ActionId::showCurves]->trigger();
    CHECK(stack->currentId() == "curves");
    window.restoreViews(state);
    CHECK(stack->currentId() == "ladder");
    window.restoreViews({});
    CHECK(stack->currentId() == "matrix");
}

TEST_CASE("ladder: the table paints a screen of rows within two frames") {
    test::Panels panels(kSource);
    const auto view = panels.show<LadderView>(QSize(1400, 900));
    REQUIRE(QTest::qWaitFor([&] { return ran(*view); }, 60000));
    QImage image(view->table().viewport()->size(), QImage::Format_ARGB32_Premultiplied);
    view->table().viewport()->render(&image);
    double best = 1e9;
    for (int i = 0; i < 5; ++i) {
        QElapsedTimer timer;
        timer.start();
        view->table().viewport()->render(&image);
        best = std::min(best, static_cast<double>(timer.nsecsElapsed()) * 1e-6);
    }
    INFO("painted in " << best << " ms");
    CHECK(best < 33);
}

TEST_CASE("ladder and curves: NaN weights say where, no tensor says so") {
    QTemporaryDir folder;
    const QString path = folder.filePath("bad.csv");
    QFile file(path);
    REQUIRE(file.open(QIODevice::WriteOnly));
    file.write("1,2\n3,nan\n");
    file.close();
    test::Panels panels(path.toStdString());
    const auto view = panels.show<LadderView>(QSize(1000, 700));
    REQUIRE(QTest::qWaitFor([&] { return view->runs().state()->error.has_value(); }, 60000));
    CHECK(view->runs().state()->error->what ==
          "NaN at row 1, column 1: a scheme needs finite values");
    const auto curves = panels.show<CurvesView>(QSize(1000, 700));
    REQUIRE(QTest::qWaitFor([&] { return curves->runs().state() != nullptr; }, 60000));
}

TEST_CASE("curves: methods over a parameter, figures, readout, session") {
    test::Panels panels(kSource, "magnitude:sparsity=0.7,scope=row");
    const auto view = panels.show<CurvesView>(QSize(1000, 600));
    CHECK_FALSE(view->methods().isEmpty());
    view->setMethods({"magnitude:scope=row", "random", "not a scheme", "random"});
    CHECK(view->methods() == QStringList{"magnitude", "random"});  // canonical
    view->setParameter("sparsity", "0.5:0.7:0.1");
    const auto done = [&] { return view->runs().state() != nullptr && view->runs().state()->done; };
    REQUIRE(QTest::qWaitFor([&] { return done() && !view->runs().running(); }, 60000));
    REQUIRE(QTest::qWaitFor(
        [&] { return view->runs().state()->request.axis.values.size() == 3 && done(); }, 60000));
    const SweepState& state = *view->runs().state();
    REQUIRE(state.series.size() == 2);
    CHECK(state.series[0].points.size() == 3);
    CHECK(view->plot().shown().nowA == QString("0.7"));
    view->plot().setChosen(1);
    CHECK(view->plot().readout().startsWith("sparsity 0.6"));
    view->setFigure("zeros");
    CHECK(view->plot().shown().figure->id == "zeros");
    CHECK(view->copyText().count('\n') == 7);
    const QJsonObject saved = view->save();
    view->restore({});
    view->restore(saved);
    CHECK(view->save() == saved);
    view->setParameter("sparsity", "0.5:nonsense");
    REQUIRE(QTest::qWaitFor([&] { return !view->problem().isEmpty(); }, 5000));
    CHECK(view->problem().contains("nonsense"));
    const QString path = QString::fromStdString((test::scratchDir() / "curves.svg").string());
    view->restore(saved);
    QString why;
    CHECK(exportView(*view, path, {}, &why));
    CHECK(why.isEmpty());
}

TEST_CASE("curves: with activations the output error of three pruners lies together") {
    test::Panels panels("synthetic:F1");
    const auto view = panels.show<CurvesView>(QSize(1000, 600));
    CHECK(view->methods() == QStringList{"magnitude", "wanda", "sparsegpt"});
    const auto done = [&] { return view->runs().state() != nullptr && view->runs().state()->done; };
    REQUIRE(QTest::qWaitFor(done, 60000));
    CHECK(view->plot().shown().figure->id == "output");
    REQUIRE(view->runs().state()->series.size() == 3);
    for (std::size_t i = 0; i < view->runs().state()->series[0].points.size(); ++i) {
        const auto error = [&](std::size_t series) {
            const SweepPoint& point = view->runs().state()->series[series].points[i];
            REQUIRE(point.figures.metrics.outputRelativeError.has_value());
            return *point.figures.metrics.outputRelativeError;
        };
        CHECK(error(2) < error(1));
        CHECK(error(1) < error(0) + 0.003);
    }
    const std::pair<const char*, const char*> kOthers[] = {{"smoothquant", "alpha"},
                                                           {"gptq:bits=3", "damp"}};
    for (const auto& [method, key] : kOthers) {
        view->setMethods({method});
        view->setParameter(key);
        REQUIRE(QTest::qWaitFor(
            [&] { return view->runs().state()->request.axis.key == key && done(); }, 60000));
        CHECK(view->runs().state()->series[0].errors.empty());
        CHECK(view->runs().state()->series[0].points.size() >= 4);
        CHECK(view->plot().shown().figure->id == "output");
    }
}

TEST_CASE("options: ladder and curves are words for --workspace") {
    const std::vector<const char*> arguments{"tensorloupe", "--workspace", "curves"};
    const ParsedOptions parsed = parseOptions(3, arguments.data());
    CHECK(parsed.exitCode == -1);
    CHECK(CentreStack::idOf(parsed.options.workspace) == "curves");
    CHECK(CentreStack::idOf("inspect").isEmpty());
}
