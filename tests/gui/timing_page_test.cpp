// SPDX-License-Identifier: GPL-3.0-or-later
// The Timing workspace as a user meets it: form, keys, sizes, session, export, and a real run.
#include "app/plot/export.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/value_spin_box.hpp"
#include "app/workspaces/timing/cases_view.hpp"
#include "app/workspaces/timing/record_panel.hpp"
#include "app/workspaces/timing/request_json.hpp"
#include "app/workspaces/timing/roofline.hpp"
#include "app/workspaces/timing/shape_presets.hpp"
#include "app/workspaces/timing/source_view.hpp"
#include "app/workspaces/timing/timing_bar.hpp"
#include "gpu/kernels/kernel.hpp"
#include "tests/gui/timing_fixture.hpp"
#include "tests/support/catch.hpp"

#include <QAbstractButton>
#include <QCheckBox>
#include <QComboBox>
#include <QImage>
#include <QLineEdit>
#include <QListWidget>
#include <QTabWidget>
#include <QToolButton>

using namespace loupe;
using namespace loupe::app;
using loupe::test::countedRecord;
using loupe::test::kTimingPatience;
using loupe::test::OwnRecords;
using loupe::test::timedRecord;
using loupe::test::TimingWindow;

namespace {

/// Four cases, as in the lecture's picture.
void keepFour(TimingModel& model, const QString& run = "four") {
    for (const auto& [format, us] : std::vector<std::pair<std::string, double>>{
             {"fp32", 1720}, {"bf16", 884}, {"int8", 468}, {"w4a16", 287}}) {
        REQUIRE(model.store().append(run, timedRecord(format, us), {}).has_value());
    }
    model.show({run});
}

}  // namespace

TEST_CASE("timing page: the workspace has a tab, an option and needs no checkpoint") {
    const OwnRecords own;
    TimingWindow timing;
    CHECK(timing.window->workspaces().current() == "timing");
    CHECK(timing.window->document().source() == nullptr);
    CHECK(timing.find<TimingBar>().isVisible());
    CHECK(timing.model().cases().rows.empty());
    timing.window->workspaces().select("inspect");
    CHECK_FALSE(timing.find<TimingBar>().isVisible());
    timing.window->workspaces().select("timing");
    CHECK(timing.find<TimingBar>().isVisible());
}

TEST_CASE("timing form: what is chosen is what is asked for") {
    const OwnRecords own;
    TimingWindow timing;
    TimingModel& model = timing.model();
    auto& form = timing.find<RunForm>();
    REQUIRE_FALSE(form.offerRows().empty());
    const auto combo = [&](const QString& name) {
        for (QComboBox* each : form.findChildren<QComboBox*>()) {
            if (each->accessibleName() == name) {
                return each;
            }
        }
        FAIL("no combo box " << name.toStdString());
        return static_cast<QComboBox*>(nullptr);
    };
    QComboBox* layer = combo("Layer");
    layer->setCurrentIndex(layer->findText("70B gate_up"));
    emit layer->activated(layer->currentIndex());
    CHECK(model.request().matmul.n == 57344);
    CHECK(model.request().matmul.k == 8192);
    CHECK(model.request().model == "llama-2-70b");
    QComboBox* phase = combo("Phase");
    phase->setCurrentIndex(phase->findText("prefill 2048"));
    emit phase->activated(phase->currentIndex());
    CHECK(model.request().matmul.m == 2048);
    // Other sizes are no layer of that model any more.
    gpu::TimingRequest changed = model.request();
    changed.matmul.n = 57345;
    model.setRequest(changed);
    CHECK(layer->currentIndex() == 0);
    const int before = model.caseCount();
    for (OfferRow* row : form.offerRows()) {
        if (row->box()->isEnabled() && row->box()->isChecked()) {
            row->box()->click();
            break;
        }
    }
    CHECK(model.caseCount() == before - 1);
    CHECK(form.runButton()->text().contains(QString::number(before - 1)));
    // The command line says the same.
    const std::vector<std::string> arguments = gpu::toArguments(model.request());
    CHECK(std::find(arguments.begin(), arguments.end(), "57345") != arguments.end());
    auto* outliers = form.findChild<ValueSpinBox*>("outliers");
    REQUIRE(outliers != nullptr);
    CHECK(outliers->value() == 0);
    outliers->setValue(16);
    CHECK(model.request().matmul.outliers == 16);
    CHECK(requestFromJson(toJson(model.request())).matmul.outliers == 16);
    outliers->setValue(8193);  // more than there are inputs
    CHECK_FALSE(model.refusal().isEmpty());
    outliers->setValue(0);
    CHECK(requestFromJson(toJson(model.request())).matmul.outliers == 0);
    CHECK(model.refusal().isEmpty());
}

TEST_CASE("timing form: every preset is a request that can be checked") {
    for (const LayerPreset& layer : layerPresets()) {
        for (const TokenPreset& tokens : tokenPresets()) {
            gpu::TimingRequest request = TimingWindow::request();
            request.matmul = {tokens.m, layer.n, layer.k, 128};
            CHECK(gpu::checkRequest(request).has_value());
        }
    }
    for (const AttentionPreset& preset : attentionPresets()) {
        gpu::TimingRequest request = TimingWindow::request();
        request.operation = gpu::Operation::Attention;
        request.attention = preset.shape;
        CAPTURE(preset.title);
        CHECK(gpu::checkRequest(request).has_value());
    }
}

TEST_CASE("timing form: what cannot run says why, and offers what can") {
    const OwnRecords own;
    TimingWindow timing;
    TimingModel& model = timing.model();
    const auto cuda = std::find_if(model.backends().begin(),
                                   model.backends().end(),
                                   [](const BackendChoice& each) { return each.id == "cuda"; });
    if (cuda == model.backends().end() || cuda->unavailable.isEmpty()) {
        WARN("skipped: CUDA can run here");
        return;
    }
    auto& form = timing.find<RunForm>();
    QLabel* note = nullptr;
    for (QLabel* each : form.findChildren<QLabel*>()) {
        if (each->text().contains("href=\"cuda\"")) {
            note = each;
        }
    }
    REQUIRE(note != nullptr);
    emit note->linkActivated("cuda");
    CHECK(timing.message().isShowing());
    CHECK(timing.message().what().contains(cuda->unavailable));
    gpu::TimingRequest request = model.request();
    request.backend = "cuda";
    model.setRequest(request);
    CHECK_FALSE(form.runButton()->isEnabled());
    CHECK(model.refusal() == cuda->unavailable);
    CHECK(model.run().isEmpty());
    emit note->linkActivated("cuda");
    timing.press("Use the CPU");
    CHECK(model.request().backend == "cpu");
    CHECK(model.refusal().isEmpty());
    CHECK(form.runButton()->isEnabled());
    // Nobody here knows what another machine can do: it is not refused beforehand.
    request.remote = "gpu-box";
    model.setRequest(request);
    CHECK(model.refusal().isEmpty());
}

TEST_CASE("timing page: arrows walk the roofline's points and the cases, Enter opens the case") {
    const OwnRecords own;
    TimingWindow timing;
    keepFour(timing.model());
    timing.model().setPreset({});
    auto& roofline = timing.find<Roofline>();
    roofline.setFocus();
    QTest::keyClick(&roofline, Qt::Key_Home);
    const int first = timing.model().selected();
    QTest::keyClick(&roofline, Qt::Key_Right);
    CHECK(timing.model().selected() != first);
    CHECK(roofline.accessibleDescription().contains("measured"));
    QTest::keyClick(&roofline, Qt::Key_End);
    CHECK(timing.model().selectedRow()->format == "w4a16");  // most FLOP per byte
    auto& cases = timing.find<CasesView>();
    cases.setFocus();
    QTest::keyClick(&cases, Qt::Key_Home);
    CHECK(timing.model().selected() == 0);
    QTest::keyClick(&cases, Qt::Key_Down);
    CHECK(timing.model().selectedRow()->format == "bf16");
    CHECK(cases.accessibleDescription().contains("884"));
    QTest::keyClick(&cases, Qt::Key_End);
    QTest::keyClick(&cases, Qt::Key_B);
    CHECK(timing.model().selectedRow()->relation == Relation::Baseline);
    auto& source = timing.find<SourceView>();
    auto* tabs = timing.window->findChild<RecordPanel*>()->parentWidget()->parentWidget();
    REQUIRE(qobject_cast<QTabWidget*>(tabs) != nullptr);
    qobject_cast<QTabWidget*>(tabs)->setCurrentWidget(&source);
    QTest::keyClick(&cases, Qt::Key_Return);
    CHECK(timing.find<RecordPanel>().isVisible());
    // A click on a point selects it.
    roofline.repaint();
    QTest::mouseClick(&roofline, Qt::LeftButton, {}, roofline.positionOf(0).toPoint());
    CHECK(roofline.current() == 0);
}

TEST_CASE("timing page: the three kinds stand in three columns, and look different") {
    const OwnRecords own;
    TimingWindow timing(QSize(1900, 1000));
    RecordStore& store = timing.model().store();
    REQUIRE(store.append("m", timedRecord("int8", 468, "CPU", "gemm_x"), {}).has_value());
    REQUIRE(store.append("m", countedRecord("int8", "gemm_x"), {}).has_value());
    timing.model().setPreset("h100_sxm");
    timing.model().show({"m"});
    const CaseTable& table = timing.model().cases();
    REQUIRE(table.rows.size() == 1);
    CHECK(table.hasMeasured());
    CHECK(table.hasCounted());
    CHECK(table.hasModel());
    const std::vector<RoofPoint>& points = timing.model().roofline().points;
    REQUIRE(points.size() == 3);
    // Drawn by hand: the marks differ in their pixels, not in colour alone.
    std::vector<QImage> marks;
    for (const gpu::FigureKind kind :
         {gpu::FigureKind::Measured, gpu::FigureKind::Counted, gpu::FigureKind::Modelled}) {
        QImage image(40, 20, QImage::Format_RGB32);
        image.fill(Qt::white);
        QPainter painter(&image);
        drawKindBar(painter, kind, QRectF(4, 4, 32, 12), Qt::black);
        painter.end();
        for (const QImage& other : marks) {
            CHECK(other != image);
        }
        marks.push_back(image);
    }
}

TEST_CASE("timing page: fits in small, large and doubled windows, in every theme") {
    const OwnRecords own;
    for (const auto& [size, font] : std::vector<std::pair<QSize, double>>{
             {{1280, 720}, 1}, {{1920, 1080}, 1}, {{2560, 1440}, 1}, {{1920, 1080}, 2}}) {
        CAPTURE(size.width(), font);
        TimingWindow timing(size, font);
        keepFour(timing.model(), QString::number(size.width() * 10 + int(font)));
        QTest::qWait(20);
        CHECK(timing.window->width() == size.width());
        CHECK(timing.find<Roofline>().width() >= 240);
        CHECK(timing.find<RunForm>().runButton()->isVisible());
        for (const ThemeId theme : {ThemeId::Dark, ThemeId::Projector, ThemeId::Light}) {
            applyTheme(theme, font);
            QTest::qWait(5);
            CHECK_FALSE(timing.window->grab().isNull());
        }
        const bool small = size.width() / font < 1500;
        auto* home =
            qobject_cast<QTabWidget*>(timing.find<RecordPanel>().parentWidget()->parentWidget());
        REQUIRE(home != nullptr);
        CHECK(home->count() == (small ? 3 : 2));  // beside the cases, or a panel of its own
    }
}

TEST_CASE("timing page: a session brings back the form, the runs, the baseline and the device") {
    const OwnRecords own;
    QJsonObject state;
    {
        TimingWindow timing;
        keepFour(timing.model());
        gpu::TimingRequest request = timing.model().request();
        request.matmul = {16, 22016, 4096, 64};
        request.samples = 33;
        timing.model().setRequest(request);
        timing.model().setBaseline(timing.model().cases().rows[3].key);
        timing.model().setPreset("a100_80");
        timing.queue().setPatience(7);
        state = timing.window->saveViews();
    }
    TimingWindow again;
    CHECK(again.model().request().samples == 0);
    again.window->restoreViews(state);
    CHECK(again.model().request().matmul == gpu::MatmulShape{16, 22016, 4096, 64});
    CHECK(again.model().request().samples == 33);
    CHECK(again.model().shown() == QStringList{"four"});
    CHECK(again.model().cases().baseline == 3);
    REQUIRE(again.model().preset() != nullptr);
    CHECK(again.model().preset()->id == "a100_80");
    CHECK(again.queue().patience() == 7);
}

TEST_CASE("timing page: figure and numbers are exported") {
    const OwnRecords own;
    TimingWindow timing;
    keepFour(timing.model());
    WorkspacePage* page = timing.window->workspaces().page();
    REQUIRE(page->canExport());
    for (const char* suffix : {"png", "svg", "csv"}) {
        const QString path = own.path + "." + suffix;
        QString problem;
        CHECK(exportView(*page, path, {}, &problem));
        QFile file(path);
        REQUIRE(file.open(QIODevice::ReadOnly));
        const QByteArray bytes = file.readAll();
        CHECK(bytes.size() > 400);
        if (suffix == std::string("svg")) {
            CHECK(bytes.contains("w4a16"));  // text stays text
            CHECK_FALSE(bytes.contains("<image"));
        } else if (suffix == std::string("csv")) {
            CHECK(bytes.count('\n') == 5);
        }
    }
}

TEST_CASE("timing source: the kernel's text with what each line moved, searched and copied") {
    const std::span<const gpu::KernelFamily* const> families = gpu::kernelFamilies();
    if (families.empty()) {
        WARN("skipped: no kernels in this build");
        return;
    }
    const gpu::KernelFamily& family = *families.front();
    const QString source = fromView(gpu::kernelSource(family.id));
    REQUIRE_FALSE(source.isEmpty());
    const OwnRecords own;
    TimingWindow timing;
    gpu::RunRecord record = countedRecord("fp32", std::string(family.kernels.front().id));
    record.kernel.family = std::string(family.id);
    const std::string file = "gpu/kernels/" + std::string(family.id) + ".cuh";
    record.counts->lines = {{file, 3, "global load", 4, 1000, 40, 32},
                            {file, 3, "global store", 4, 500, 16, 16},
                            {file, 5, "shared load", 4, 2000, 128, 64},
                            {"gpu/simt/simt.hpp", 3, "global load", 4, 999, 9, 9}};
    REQUIRE(timing.model().store().append("c", record, {}).has_value());
    timing.model().show({"c"});
    auto& view = timing.find<SourceView>();
    REQUIRE(view.text() != nullptr);
    CHECK(view.text()->toPlainText() == source);
    REQUIRE(view.text()->traffic().size() == 2);
    CHECK(view.text()->traffic().at(3).globalBytes == 1500);
    CHECK(view.text()->traffic().at(3).sectors == 56);
    CHECK(view.text()->wordsOf(5).contains(QString::fromUtf8("2.00×")));
    CHECK(view.text()->wordsOf(4).isEmpty());
    view.search()->setText("SIMT_ENTRY");
    emit view.search()->returnPressed();
    CHECK(view.text()->textCursor().selectedText() == "SIMT_ENTRY");
    // A library's kernel has no text here, and says so.
    REQUIRE(timing.model()
                .store()
                .append("l", timedRecord("bf16", 100, "GPU", "cublaslt_bf16"), {})
                .has_value());
    timing.model().show({"l"});
    CHECK(view.text()->toPlainText().isEmpty());
}

TEST_CASE("timing page: everything that takes the focus has a name") {
    const OwnRecords own;
    TimingWindow timing;
    keepFour(timing.model());
    timing.find<RunForm>().setAdvancedShown(true);
    QTest::qWait(10);
    for (const QWidget* widget : timing.window->workspaces().page()->findChildren<QWidget*>()) {
        if (!widget->isVisible() || widget->focusPolicy() == Qt::NoFocus) {
            continue;
        }
        const auto* button = qobject_cast<const QAbstractButton*>(widget);
        const bool named =
            !widget->accessibleName().isEmpty() || (button != nullptr && !button->text().isEmpty());
        const bool inner = qobject_cast<const QLineEdit*>(widget) != nullptr &&
                           widget->parentWidget() != nullptr &&
                           !widget->parentWidget()->accessibleName().isEmpty();
        CAPTURE(widget->metaObject()->className(), widget->objectName().toStdString());
        const bool plumbing = qobject_cast<const QAbstractScrollArea*>(widget) != nullptr &&
                              widget->accessibleName().isEmpty() && widget->objectName().isEmpty();
        CHECK((named || inner || plumbing || widget->inherits("QTabBar") ||
               widget->inherits("QLabel")));
    }
}

TEST_CASE("timing page: a real CPU run, cancelled, repeated, kept") {
    const OwnRecords own;
    RunProcess::setProgram(QString::fromStdString((test::binDir() / "loupe").string()));
    {
        TimingWindow timing;
        TimingModel& model = timing.model();
        if (!std::any_of(model.backends().begin(),
                         model.backends().end(),
                         [](const BackendChoice& each) { return each.id == "cpu"; })) {
            RunProcess::setProgram({});
            WARN("skipped: no CPU backend in this build");
            return;
        }
        gpu::TimingRequest request;
        request.matmul = {1, 256, 256, 64};
        request.what = {"fp32"};
        request.samples = 5;
        request.seconds = 0.2;
        request.peers = false;
        const QString cancelled = timing.queue().add(request);
        REQUIRE(QTest::qWaitFor([&] { return !timing.queue().find(cancelled)->doing.isEmpty(); },
                                kTimingPatience));
        timing.queue().cancel(cancelled);
        timing.waitUntilIdle();
        const QueuedRun::State ended = timing.queue().find(cancelled)->state;
        CHECK(ended == QueuedRun::State::Cancelled);
        const QString run = timing.queue().repeat(cancelled);
        timing.waitUntilIdle();
        REQUIRE(timing.queue().find(run)->state == QueuedRun::State::Finished);
        REQUIRE(model.selectedRow() != nullptr);
        REQUIRE(model.selectedRow()->measured);
        const gpu::RunRecord& record = *model.selectedRow()->measured;
        CHECK(record.what.matmul == request.matmul);
        REQUIRE(record.check.has_value());
        CHECK(record.check->passed);
        CHECK(record.timing->medianUs > 0);
        CHECK_FALSE(record.device.name.empty());
    }
    TimingWindow again;
    REQUIRE_FALSE(again.model().store().runs().empty());
    CHECK(again.model().cases().hasMeasured());
    // A kept run can be run again.
    const QString repeated = again.model().repeat(again.model().store().runs().front().id);
    again.waitUntilIdle();
    CHECK(again.queue().find(repeated)->state == QueuedRun::State::Finished);
    RunProcess::setProgram({});
}
