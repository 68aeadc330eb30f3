// SPDX-License-Identifier: GPL-3.0-or-later
// Activations and gradients given in the scheme panel, and the output errors that follow.
#include "app/document/inputs.hpp"
#include "app/views/channel_error_view.hpp"
#include "app/views/layer_data_form.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/scheme_string_field.hpp"
#include "app/widgets/theme.hpp"
#include "core/io/npy_writer.hpp"
#include "tests/gui/panels_fixture.hpp"
#include "tests/support/paths.hpp"

#include <QAbstractButton>
#include <QAction>
#include <QComboBox>
#include <QDragEnterEvent>
#include <QDropEvent>
#include <QLabel>
#include <QLineEdit>
#include <QMimeData>
#include <QPushButton>
#include <QSpinBox>
#include <QUrl>

#include <algorithm>
#include <fstream>

using namespace loupe;
using namespace loupe::app;
using loupe::test::Panels;

namespace {

std::unique_ptr<View> schemePanel(Panels& panels) {
    for (const ViewDefinition* definition : allViews()) {
        if (qstrcmp(definition->id, "scheme_a") == 0) {
            std::unique_ptr<View> view(definition->create(panels.document, nullptr));
            view->resize(384, 560);
            view->show();
            panels.settle();
            return view;
        }
    }
    return nullptr;
}

QString activationFile(const char* name, std::int64_t rows, std::int64_t cols) {
    std::vector<float> values(static_cast<std::size_t>(rows * cols), 0.5F);
    const auto path = loupe::test::scratchDir() / name;
    const auto bytes = std::as_bytes(std::span(values));
    const auto producer = [bytes](const ByteSink& sink) { return sink(bytes); };
    REQUIRE(writeNpy(path.string(), "fp32", {rows, cols}, producer).has_value());
    return QString::fromStdString(path.string());
}

}  // namespace

TEST_CASE("a made-up layer uses its own activations and says so; they can be removed") {
    Panels panels("synthetic:F1", "smoothquant");
    const auto view = schemePanel(panels);
    REQUIRE(view != nullptr);
    const LayerInput& input = panels.document.analyses().activations();
    CHECK(input.own);
    CHECK(input.reference == "synthetic:F1:activations");
    CHECK(input.rows == 256);
    CHECK(view->findChild<QLabel*>("activationsShape")->text() == "256 × 64");
    CHECK(view->findChild<QLineEdit*>("activations")->placeholderText() == "own");
    const auto result = panels.document.analyses().scheme(Side::A).value;
    REQUIRE(result);
    REQUIRE(result->metrics.outputRelativeError.has_value());
    CHECK(std::abs(*result->metrics.outputRelativeError - 0.00512) < 0.0001);
    setActivations(panels.document, {});
    panels.settle();
    CHECK(panels.document.spec().activations == kNoData);
    CHECK(panels.document.analyses().activations().reference.empty());
    auto* message = view->findChild<MessageBar*>();
    REQUIRE(message != nullptr);
    CHECK(message->what().contains("needs activations"));
    bool offered = false;
    for (const QPushButton* button : message->findChildren<QPushButton*>()) {
        offered = offered || button->text().contains("Choose activations");
    }
    CHECK(offered);
    panels.document.undoStack().undo();
    panels.settle();
    CHECK(panels.document.analyses().activations().own);
}

TEST_CASE("activations by name, by drop, and what is wrong with them") {
    Panels panels("synthetic:gaussian?rows=8&cols=16", "absmax:bits=4,act_bits=8");
    const auto view = schemePanel(panels);
    auto* form = view->findChild<LayerDataForm*>();
    auto* field = view->findChild<QLineEdit*>("activations");
    auto* note = view->findChild<QLabel*>("activationsNote");
    REQUIRE(form != nullptr);
    REQUIRE(field != nullptr);
    CHECK(field->placeholderText() == "none");
    CHECK(field->toolTip().contains("[tokens, 16]"));
    const QString wrong = activationFile("wrong.npy", 4, 5);
    field->setText(wrong);
    QTest::keyClick(field, Qt::Key_Return);
    panels.settle();
    CHECK(panels.document.spec().activations == wrong.toStdString());
    CHECK(note->text().contains("[4, 5]"));
    CHECK(note->text().contains("expected [tokens, 16]"));
    const QString right = activationFile("right.npy", 12, 16);
    QMimeData data;
    data.setUrls({QUrl::fromLocalFile(right)});
    QDragEnterEvent enter(QPoint(5, 5), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(form, &enter);
    CHECK(enter.isAccepted());
    QDropEvent drop(QPointF(5, 5), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(form, &drop);
    panels.settle();
    CHECK(panels.document.spec().activations == right.toStdString());
    CHECK(view->findChild<QLabel*>("activationsShape")->text() == "12 × 16");
    CHECK(note->isHidden());
    CHECK(panels.document.analyses().scheme(Side::A).value != nullptr);
    field->setText(right + ":nothing");
    QTest::keyClick(field, Qt::Key_Return);
    panels.settle();
    CHECK(note->text().contains("nothing"));
}

TEST_CASE("calibration rows and choice are edits that can be undone") {
    Panels panels("synthetic:F1", "smoothquant:act_per=tensor,act_range=max");
    const auto view = schemePanel(panels);
    auto* rows = view->findChild<QSpinBox*>("calibrationRows");
    auto* choice = view->findChild<QComboBox*>("calibrationChoice");
    auto* seed = view->findChild<QSpinBox*>("calibrationSeed");
    REQUIRE(rows != nullptr);
    CHECK(rows->maximum() == 256);
    CHECK(choice->isHidden());
    const double all =
        *panels.document.analyses().scheme(Side::A).value->metrics.outputRelativeError;
    rows->setValue(2);
    panels.settle();
    CHECK(panels.document.spec().calibrationRows == 2);
    const double first =
        *panels.document.analyses().scheme(Side::A).value->metrics.outputRelativeError;
    CHECK(first != all);
    CHECK_FALSE(choice->isHidden());
    choice->setCurrentIndex(choice->findData("random"));
    emit choice->activated(choice->currentIndex());
    seed->setValue(3);
    panels.settle();
    CHECK(panels.document.spec().calibrationChoice == "random");
    CHECK(panels.document.spec().calibrationSeed == 3);
    const double random =
        *panels.document.analyses().scheme(Side::A).value->metrics.outputRelativeError;
    CHECK(random != first);
    panels.document.undoStack().undo();
    panels.document.undoStack().undo();
    panels.document.undoStack().undo();
    panels.settle();
    CHECK(rows->value() == 0);
    CHECK(*panels.document.analyses().scheme(Side::A).value->metrics.outputRelativeError == all);
}

TEST_CASE("channel error switches to output channels and tokens") {
    Panels panels("synthetic:F1", "smoothquant", "absmax:per=row,act_bits=8");
    const auto view = panels.show<ChannelErrorView>({480, 300});
    auto* control = view->findChild<SegmentedControl*>();
    REQUIRE(control != nullptr);
    CHECK_FALSE(control->isHidden());
    const auto a = panels.document.analyses().scheme(Side::A).value;
    control->button("channels")->click();
    CHECK(view->measure() == ChannelMeasure::OutputChannels);
    CHECK(view->rmse(Side::A) == a->outputChannelError);
    CHECK(view->copyText().startsWith("output_channel\toutput_error_a\toutput_error_b\n"));
    control->button("tokens")->click();
    REQUIRE(view->rmse(Side::A).size() == 256);
    CHECK(view->rmse(Side::A) == a->outputTokenError);
    CHECK(view->copyText().startsWith("token\toutput_error_a\toutput_error_b\n"));
    view->setSorted(true);
    CHECK(view->rmse(Side::A)[std::size_t(view->channelAt(0))] ==
          *std::max_element(a->outputTokenError.begin(), a->outputTokenError.end()));
    const QJsonObject state = view->save();
    view->setMeasure(ChannelMeasure::Weights);
    view->restore(state);
    CHECK(view->measure() == ChannelMeasure::Tokens);
    setActivations(panels.document, {});
    panels.settle();
    CHECK(view->rmse(Side::A).empty());
    CHECK_FALSE(view->canExport());
}

TEST_CASE("without activations the channel error has no switch") {
    Panels panels("synthetic:gaussian?rows=8&cols=16", "absmax:bits=4");
    const auto view = panels.show<ChannelErrorView>({480, 300});
    CHECK(view->findChild<SegmentedControl*>()->isHidden());
}

TEST_CASE("data that do not fit: the field says why, and nothing asks for what was given") {
    Panels panels("synthetic:gaussian?rows=8&cols=16", "gradient");
    const auto view = schemePanel(panels);
    auto* message = view->findChild<MessageBar*>();
    CHECK(message->what() == "'gradient' needs gradients");
    setGradients(panels.document, activationFile("slopes.npy", 4, 5));
    panels.settle();
    auto* note = view->findChild<QLabel*>("gradientsNote");
    CHECK(note->text() == "gradients of shape [4, 5] do not fit 'weight': expected [8, 16]");
    CHECK(note->isVisible());
    CHECK_FALSE(message->isShowing());
    panels.document.setScheme(Side::A, "smoothquant", "A");
    panels.settle();
    CHECK(message->what() == "'smoothquant' needs activations");
    setActivations(panels.document, activationFile("tokens.npy", 4, 5));
    panels.settle();
    CHECK_FALSE(message->isShowing());
    CHECK(view->findChild<QLabel*>("activationsNote")
              ->text()
              .contains("[4, 5] do not fit 'weight': expected [tokens, 16]"));
    setActivations(panels.document, activationFile("right.npy", 12, 16));
    panels.settle();
    CHECK(panels.document.analyses().scheme(Side::A).value != nullptr);
    CHECK_FALSE(message->isShowing());
}

TEST_CASE("NaN weights: the scheme panel names row and column") {
    const auto path = loupe::test::scratchDir() / "holes.csv";
    std::ofstream(path) << "1,2,3\n3,nan,1\n";
    Panels panels(path.string(), "absmax:bits=4");
    const auto view = schemePanel(panels);
    auto* message = view->findChild<MessageBar*>();
    CHECK(message->what() ==
          "Step 'absmax': NaN at row 1, column 1: a scheme needs finite values.");
    CHECK(message->findChildren<QPushButton*>().isEmpty());
}

TEST_CASE("bits and sparsity out of range are told as they are typed, and not taken over") {
    Panels panels("synthetic:gaussian?rows=8&cols=16", "absmax:bits=4");
    const auto view = schemePanel(panels);
    auto* field = view->findChild<SchemeStringField*>();
    REQUIRE(field != nullptr);
    const struct {
        const char* typed;
        const char* says;
    } wrong[] = {
        {"absmax:bits=99", "step 'absmax': key 'bits' takes 2 to 16, not '99'"},
        {"gptq:bits=1", "step 'gptq': key 'bits' takes 2 to 8, not '1'"},
        {"wanda:sparsity=1.0", "a sparsity of 1 would prune every weight"},
        {"wnda", "Did you mean wanda?"},
    };
    for (const auto& each : wrong) {
        CAPTURE(each.typed);
        field->edit()->setFocus();
        field->edit()->selectAll();
        QTest::keyClicks(field->edit(), each.typed);
        CHECK(field->problem().contains(each.says));
        QTest::keyClick(field->edit(), Qt::Key_Return);
        CHECK(panels.document.scheme(Side::A) == "absmax:bits=4");
        CHECK_FALSE(field->problem().isEmpty());
    }
    QTest::keyClick(field->edit(), Qt::Key_Escape);
    CHECK(field->text() == "absmax:bits=4");
    CHECK(field->problem().isEmpty());
}

TEST_CASE("a message's button stands beside the text, and below it where the bar is narrow") {
    applyTheme(ThemeId::Light, 1);
    MessageBar bar;
    QAction action("Choose activations…");
    bar.showMessage(MessageBar::Role::Error, "'smoothquant' needs activations", "What goes in.");
    bar.setActions({&action});
    for (const int width : {800, 280, 800}) {
        bar.resize(width, width < 400 ? 90 : 40);
        bar.show();
        QTest::qWait(20);
        const auto* button = bar.findChild<QPushButton*>();
        const auto labels = bar.findChildren<QLabel*>();
        const auto text = std::find_if(labels.begin(), labels.end(), [](const QLabel* each) {
            return !each->text().isEmpty();
        });
        REQUIRE(text != labels.end());
        CHECK((button->geometry().top() >= (*text)->geometry().bottom()) == (width < 400));
        CHECK((button->geometry().left() >= (*text)->geometry().right()) == (width > 400));
        CHECK((*text)->width() > width / 2);
        CHECK(button->width() <= button->sizeHint().width());
    }
}
