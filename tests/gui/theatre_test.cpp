// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/shell/appearance.hpp"
#include "app/shell/dock_layout.hpp"
#include "app/shell/main_window.hpp"
#include "app/shell/options.hpp"
#include "app/shell/view_dock.hpp"
#include "app/shell/workspaces.hpp"
#include "app/views/step_form.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/theme.hpp"
#include "app/widgets/value_spin_box.hpp"
#include "app/workspaces/play.hpp"
#include "app/workspaces/theatre/choice_panel.hpp"
#include "app/workspaces/theatre/panel_layout.hpp"
#include "app/workspaces/theatre/panel_stack.hpp"
#include "app/workspaces/theatre/step_notes.hpp"
#include "app/workspaces/theatre/theatre_model.hpp"
#include "app/workspaces/theatre/trace_plot.hpp"
#include "app/workspaces/theatre/transport.hpp"
#include "tests/gui/gui_document.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/timing.hpp"

#include <QApplication>
#include <QComboBox>
#include <QElapsedTimer>
#include <QListWidget>
#include <QPushButton>
#include <QSlider>
#include <QTabBar>

#include <algorithm>
#include <ctime>

using namespace loupe;
using namespace loupe::app;

namespace {

QString toQ(std::string_view text) {
    return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size()));
}

/// A window that begins in the theatre.
struct Theatre {
    explicit Theatre(QSize size = QSize(1600, 900), const QString& path = {}, double font = 1) {
        appearance.start("light", font);
        window = std::make_unique<MainWindow>(
            appearance, QString::fromStdString((test::scratchDir() / "running").string()));
        Options options;
        if (!path.isEmpty()) {
            options.paths << path;
        }
        options.workspace = "algorithms";
        options.size = size;
        options.screenshot = "unused";  // leaves saved layouts alone
        window->start(options);
        window->show();
        if (!path.isEmpty()) {
            REQUIRE(QTest::qWaitFor([&] { return window->document().source() != nullptr; },
                                    test::kPatience));
        }
        settle();
    }
    ~Theatre() { applyTheme(ThemeId::Light, 1); }
    void settle() {
        REQUIRE(QTest::qWaitFor([&] { return !window->workspaces().busy(); }, test::kPatience));
        QTest::qWait(20);
    }
    template <class T>
    T& find() {
        T* found = window->findChild<T*>();
        REQUIRE(found != nullptr);
        return *found;
    }
    TheatreModel& model() { return find<TheatreModel>(); }
    /// A key as the user would press it: it goes where the focus is.
    void key(Qt::Key key, Qt::KeyboardModifiers modifiers = Qt::NoModifier) {
        QWidget* focus = QApplication::focusWidget();
        QTest::keyClick(focus != nullptr ? focus : window.get(), key, modifiers);
    }
    Appearance appearance;
    std::unique_ptr<MainWindow> window;
};

std::vector<double> resultOf(const TheatreModel& model, const Matrix<double>& like) {
    SchemeInput layer;
    if (model.playsTensor()) {
        layer.weights = model.document().weights();
        layer = sliceOf(layer, model.slice()).value();
    } else {
        layer = layerOf(model.source().toStdString()).value();
    }
    const auto applied = applyScheme(model.scheme(), layer).value();
    std::vector<double> values(static_cast<std::size_t>(like.size()));
    REQUIRE(applied->quantized->read(0, like.rows(), values.data()).has_value());
    return values;
}

}  // namespace

TEST_CASE("theatre: the workspace has a tab, a key and an option, and needs no checkpoint") {
    Theatre theatre;
    MainWindow& window = *theatre.window;
    CHECK(window.workspaces().current() == "algorithms");
    CHECK(window.document().source() == nullptr);
    CHECK(theatre.model().stateCount() > 1);
    CHECK_FALSE(window.layouts().isActive());
    window.workspaces().select("inspect");
    CHECK(window.workspaces().page() == nullptr);
    CHECK_FALSE(theatre.find<Transport>().isVisible());
    window.workspaces().actions()[1]->trigger();
    CHECK(window.workspaces().current() == "algorithms");
    CHECK(theatre.find<Transport>().isVisible());
    const QJsonObject state = window.saveViews();
    window.workspaces().select("inspect");
    window.restoreViews(state);
    CHECK(window.workspaces().current() == "algorithms");
}

TEST_CASE("theatre: an open tensor's docks come back, and keep what the user arranged") {
    Theatre theatre(QSize(1600, 900), "synthetic:student?rows=64&cols=96");
    MainWindow& window = *theatre.window;
    CHECK_FALSE(window.layouts().isActive());
    window.workspaces().select("inspect");
    CHECK(window.layouts().isActive());
    REQUIRE(test::settled(window.document()));
    const auto shown = [&] {
        QStringList names;
        for (const ViewDock* dock : window.docks()) {
            names << (dock->isVisible() ? dock->objectName() + QString::number(dock->width()) : "");
        }
        return names;
    };
    window.docks().front()->hide();
    QApplication::processEvents();
    const QStringList before = shown();
    window.workspaces().select("algorithms");
    QApplication::processEvents();
    CHECK_FALSE(window.layouts().isActive());
    CHECK(shown().filter("dock").isEmpty());
    window.workspaces().select("inspect");
    QApplication::processEvents();
    CHECK(window.layouts().isActive());
    CHECK(shown() == before);
}

TEST_CASE("theatre: every method plays forwards and back, and ends with what quantize gives") {
    Theatre theatre;
    TheatreModel& model = theatre.model();
    const std::span<const Method> methods = playableMethods();
    REQUIRE_FALSE(methods.empty());
    for (const Method& method : methods) {
        CAPTURE(std::string(method.id));
        model.setMethod(toQ(method.id));
        theatre.settle();
        if (model.error()) {
            CAPTURE(model.error()->message());
            CHECK(model.error()->code == ErrorCode::Missing);  // gradients are not made up
            continue;
        }
        REQUIRE(model.trace() != nullptr);
        const std::size_t count = model.stateCount();
        for (std::size_t i = 1; i < count; ++i) {
            model.step(1);
            CHECK(model.stateIndex() == i);
        }
        model.step(1);
        CHECK(model.stateIndex() == count - 1);
        CHECK_FALSE(theatre.window->grab().isNull());
        // A rotation alone is turned back at the end of the pipeline; its trace ends turned.
        if (model.trace()->result && method.group != MethodGroup::Rotation) {
            const Matrix<double>& told = *model.trace()->result;
            const std::vector<double> applied = resultOf(model, told);
            CHECK(std::equal(applied.begin(), applied.end(), told.data()));
        }
        for (std::size_t i = count - 1; i > 0; --i) {
            model.step(-1);
        }
        CHECK(model.stateIndex() == 0);
        CHECK_FALSE(method.question.empty());
        CHECK_FALSE(theatre.find<PanelStack>().copyText().isEmpty());
    }
}

TEST_CASE("theatre: keys play and step wherever the focus is, but not while typing") {
    Theatre theatre;
    TheatreModel& model = theatre.model();
    QApplication::setActiveWindow(theatre.window.get());
    auto* list = theatre.find<MethodList>().list();
    for (QWidget* focus : {static_cast<QWidget*>(list),
                           static_cast<QWidget*>(&theatre.find<PanelStack>()),
                           static_cast<QWidget*>(theatre.find<Transport>().slider())}) {
        focus->setFocus();
        REQUIRE(QTest::qWaitFor([&] { return QApplication::focusWidget() == focus; }, 2000));
        model.setState(0);
        theatre.key(Qt::Key_Right);
        CHECK(model.stateIndex() == 1);
        theatre.key(Qt::Key_Left);
        CHECK(model.stateIndex() == 0);
        theatre.key(Qt::Key_End);
        CHECK(model.stateIndex() == model.stateCount() - 1);
        theatre.key(Qt::Key_Home);
        CHECK(model.stateIndex() == 0);
        theatre.key(Qt::Key_Space);
        CHECK(model.isPlaying());
        theatre.key(Qt::Key_Space);
        CHECK_FALSE(model.isPlaying());
    }
    auto* text = theatre.find<ParameterPanel>().findChild<QLineEdit*>();
    REQUIRE(text != nullptr);
    text->setFocus();
    model.setState(1);
    theatre.key(Qt::Key_Home);
    CHECK(model.stateIndex() == 1);
}

TEST_CASE("theatre: playing runs to the end and stops there") {
    Theatre theatre;
    TheatreModel& model = theatre.model();
    model.setSpeed(4);
    model.setPlaying(true);
    REQUIRE(QTest::qWaitFor([&] { return !model.isPlaying(); }, 30000));
    CHECK(model.stateIndex() == model.stateCount() - 1);
    model.setPlaying(true);  // from the end: once more
    CHECK(model.stateIndex() == 0);
    model.step(-1);
    CHECK_FALSE(model.isPlaying());
}

TEST_CASE("theatre: a click follows a cell, arrows move it, the notes explain it") {
    Theatre theatre;
    TheatreModel& model = theatre.model();
    model.setSource("synthetic:F1");
    theatre.settle();
    auto& panels = theatre.find<PanelStack>();
    REQUIRE_FALSE(panels.page().panels.empty());
    const PlacedPanel& first = panels.page().panels.front();
    CHECK(first.rows() == 32);
    CHECK(first.cols() == 64);
    QTest::mouseClick(&panels, Qt::LeftButton, {}, first.cell(12, 23).center().toPoint());
    CHECK(model.cell() == TraceCell{12, 23});
    panels.setFocus();
    QTest::keyClick(&panels, Qt::Key_Down);
    CHECK(model.cell() == TraceCell{13, 23});
    QTest::keyClick(&panels, Qt::Key_Left, Qt::ShiftModifier);
    CHECK(model.cell() == TraceCell{13, 22});
    auto& notes = theatre.find<StepNotes>();
    CHECK(notes.heading().contains("row 13"));
    CHECK(notes.shown() == static_cast<int>(model.notes().size()));
    CHECK(notes.shown() > 0);
    CHECK(panels.accessibleDescription().contains("Row 13, column 22"));
}

TEST_CASE("theatre: parameters of the form are recorded anew, the scheme goes to Inspect") {
    Theatre theatre(QSize(1600, 900), "synthetic:student?rows=64&cols=96");
    TheatreModel& model = theatre.model();
    auto& parameters = theatre.find<ParameterPanel>();
    model.setMethod("absmax");
    parameters.form()->enter("bits", "4");
    theatre.settle();
    CHECK(model.schemeText() == "absmax:bits=4");
    CHECK(toString(model.trace()->scheme) == "absmax:bits=4");
    Document& document = theatre.window->document();
    emit theatre.find<Transport>().useAsA();
    CHECK(document.scheme(Side::A) == "absmax:bits=4");
    document.undoStack().undo();
    CHECK(document.scheme(Side::A) != "absmax:bits=4");
    emit theatre.find<Transport>().useAsB();
    CHECK(document.scheme(Side::B) == "absmax:bits=4");
}

TEST_CASE("theatre: who comes from Inspect finds scheme A on the open tensor") {
    Theatre theatre(QSize(1600, 900), "synthetic:student?rows=40&cols=64");
    TheatreModel& model = theatre.model();
    CHECK(model.schemeText() == theatre.window->document().scheme(Side::A));
    CHECK(model.playsTensor());
    CHECK(model.slice() == Slice{0, 0, 40, 64});
    REQUIRE(model.trace() != nullptr);
    CHECK(model.trace()->result->rows() == 40);
    // Only once: what was chosen here stays.
    model.setMethod("binary");
    theatre.window->workspaces().select("inspect");
    theatre.window->document().setScheme(Side::A, "absmax:bits=3", "test");
    theatre.window->workspaces().select("algorithms");
    theatre.settle();
    CHECK(model.schemeText() == "binary");
    // On demand: any scheme, with its steps before it.
    CHECK(playInAlgorithms(*theatre.window, "magnitude:sparsity=0.25+zeropoint:bits=4,per=row"));
    theatre.settle();
    CHECK(theatre.window->workspaces().current() == "algorithms");
    CHECK(std::string(model.method()->id) == "zeropoint");
    CHECK(model.schemeText() == "magnitude:sparsity=0.25+zeropoint:bits=4,per=row");
    CHECK_FALSE(playInAlgorithms(*theatre.window, "no such scheme"));
    // A method that needs what the tensor lacks goes to its own layer, unless the tensor was asked
    // for.
    model.setMethod("gptq");
    theatre.settle();
    CHECK(model.error().has_value());
}

TEST_CASE("theatre: a tensor without activations leaves the methods that need some their layer") {
    Theatre theatre(QSize(1600, 900), "synthetic:student?rows=40&cols=64");
    TheatreModel& model = theatre.model();
    CHECK(model.playsTensor());
    model.setMethod("gptq");
    theatre.settle();
    CHECK_FALSE(model.error().has_value());
    CHECK(model.source() == "synthetic:F1");
}

TEST_CASE("theatre: a slice of the open tensor is played, and another one on demand") {
    Theatre theatre(QSize(1600, 900), "synthetic:student?rows=200&cols=300");
    TheatreModel& model = theatre.model();
    auto& parameters = theatre.find<ParameterPanel>();
    model.setSource({});
    theatre.settle();
    REQUIRE(model.trace() != nullptr);
    CHECK(model.trace()->result->rows() == model.slice().rows);
    parameters.sliceFields()[0]->setValue(100);
    parameters.sliceFields()[1]->setValue(280);
    parameters.sliceFields()[2]->setValue(10);
    parameters.sliceFields()[3]->setValue(20);
    theatre.settle();
    CHECK(model.slice() == Slice{100, 280, 10, 20});
    const Matrix<double>& told = *model.trace()->result;
    CHECK(told.rows() == 10);
    CHECK(told.cols() == 20);
    const std::vector<double> applied = resultOf(model, told);
    CHECK(std::equal(applied.begin(), applied.end(), told.data()));
    model.setSlice({0, 0, 5000, 5000});  // too much: cut to what can be told
    CHECK(model.slice().rows * model.slice().cols <= kMostTracedWeights);
}

TEST_CASE("theatre: a slice holds a whole block, and a layer that fits is offered") {
    Theatre theatre(QSize(1600, 900), "synthetic:student?rows=64&cols=512");
    TheatreModel& model = theatre.model();
    model.setMethod("ggml");
    model.setSource({});
    theatre.settle();
    CHECK_FALSE(model.error().has_value());
    CHECK(model.slice().cols == 256);
    REQUIRE(model.trace() != nullptr);
    model.setSource("synthetic:F1");  // of 64 inputs
    theatre.settle();
    REQUIRE(model.error().has_value());
    auto* bar = theatre.window->workspaces().page()->findChild<MessageBar*>();
    REQUIRE(bar != nullptr);
    QPushButton* offer = nullptr;
    for (QPushButton* button : bar->findChildren<QPushButton*>()) {
        offer = button->text().contains("made-up") ? button : offer;
    }
    REQUIRE(offer != nullptr);
    offer->click();
    theatre.settle();
    CHECK_FALSE(model.error().has_value());
    CHECK(model.trace() != nullptr);
}

TEST_CASE("theatre: what cannot be played says why and how to go on") {
    Theatre theatre(QSize(1600, 900), "synthetic:student?rows=64&cols=96");
    TheatreModel& model = theatre.model();
    auto& message = theatre.find<MessageBar>();
    CHECK_FALSE(message.isShowing());
    // One of the methods that look at inputs, on a tensor without any.
    const char* needing = nullptr;
    for (const char* id : {"wanda", "smoothquant", "llm_int8", "gptq"}) {
        needing = needing == nullptr && findMethod(id) != nullptr ? id : needing;
    }
    if (needing != nullptr) {
        model.setMethod(needing);
        model.setSource({});
        theatre.settle();
        REQUIRE(model.error().has_value());
        CHECK(model.error()->code == ErrorCode::Missing);
        auto* bar = theatre.window->workspaces().page()->findChild<MessageBar*>();
        REQUIRE(bar != nullptr);
        CHECK(bar->isShowing());
        CHECK(bar->what().contains("activations"));
        model.setSource("synthetic:F1");
        theatre.settle();
        CHECK_FALSE(model.error().has_value());
        CHECK_FALSE(bar->isShowing());
    }
    model.setScheme(parseScheme("absmax:rounding=stochastic").value());
    theatre.settle();
    REQUIRE(model.error().has_value());
    CHECK(model.error()->what.find("cannot be told") != std::string::npos);
}

TEST_CASE("theatre: holds at every size, with twice the font and in every theme") {
    const QSize size = GENERATE(QSize(1280, 720), QSize(1920, 1080));
    const double font = GENERATE(1.0, 2.0);
    Theatre theatre(size, {}, font);
    for (const ThemeId theme : {ThemeId::Dark, ThemeId::Projector, ThemeId::Light}) {
        applyTheme(theme, font);
        QApplication::processEvents();
        CHECK_FALSE(theatre.window->grab().isNull());
    }
    const auto& panels = theatre.find<PanelStack>();
    CHECK(panels.width() >= 300);
    CHECK(theatre.find<StepNotes>().isVisible());
    CHECK(theatre.find<Transport>().slider()->isVisible());
    const bool small = size.width() / font < 1500;
    CHECK(theatre.find<MethodList>().isVisible() == !small);
    theatre.window->workspaces().page()->resetLayout();
}

TEST_CASE("theatre: the slider moves within a frame") {
    Theatre theatre(QSize(1920, 1080));
    TheatreModel& model = theatre.model();
    model.setMethod(findMethod("gptq") != nullptr ? "gptq" : "absmax");
    model.setSource("synthetic:F1");
    theatre.settle();
    auto* slider = theatre.find<Transport>().slider();
    double worst = 0;
    double sum = 0;
    int frames = 0;
    const std::clock_t before = std::clock();
    QElapsedTimer timer;
    for (int value = 1; value <= slider->maximum(); ++value) {
        timer.start();
        slider->setValue(value);
        QApplication::processEvents();
        const double ms = static_cast<double>(timer.nsecsElapsed()) / 1e6;
        worst = std::max(worst, ms);
        sum += ms;
        ++frames;
    }
    const double mean = sum / std::max(1, frames);
    const double cpu =
        1e3 * static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC / std::max(1, frames);
    WARN("slider: mean " << mean << " ms (" << cpu << " ms of processor), worst " << worst
                         << " ms over " << frames << " states");
    if (test::judgesTiming()) {
        CHECK(mean < 16);
    }
}
