// SPDX-License-Identifier: GPL-3.0-or-later
#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QLineEdit>
#include <QPushButton>
#include <QScrollArea>
#include <QSignalSpy>
#include <QSlider>
#include <QTest>
#include <QToolButton>
#include <QVBoxLayout>
#include <QWheelEvent>

#include "app/widgets/bit_strip.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/equation_label.hpp"
#include "app/widgets/marks.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/number_table.hpp"
#include "app/widgets/scheme_string_field.hpp"
#include "app/widgets/theme.hpp"
#include "app/widgets/value_spin_box.hpp"
#include "core/base/error.hpp"
#include "core/formats/number_format.hpp"
#include "core/scheme/step.hpp"
#include "tests/support/catch.hpp"

using namespace loupe::app;

namespace {

void wheel(QWidget* widget) {
    const QPointF centre = widget->rect().center();
    QWheelEvent event(centre, widget->mapToGlobal(centre), {}, QPoint(0, 120), Qt::NoButton, Qt::NoModifier, Qt::NoScrollPhase, false);
    QApplication::sendEvent(widget, &event);
}

}  // namespace

TEST_CASE("a number field's slider steps powers of two, its field takes any number") {
    applyTheme(ThemeId::Light, 1);
    NumberField field;
    field.setRange({1, 1 << 30, true, true, "weights"});
    field.setValue(128);
    field.setNames("Group size", "help");
    field.resize(240, 30);
    field.show();
    QSignalSpy edited(&field, &NumberField::valueEdited);
    field.slider()->setValue(field.slider()->value() + 1);
    REQUIRE(edited.size() == 1);
    CHECK(edited.back().front().toDouble() == 256);
    field.slider()->setValue(field.slider()->minimum());
    CHECK(field.value() == 8);
    auto* spin = qobject_cast<ValueSpinBox*>(field.spinBox());
    spin->setValue(96);
    CHECK(edited.back().front().toDouble() == 96);
    spin->stepBy(1);
    CHECK(field.value() == 128);
    spin->setValue(96);
    spin->stepBy(-1);
    CHECK(field.value() == 64);
    CHECK(field.slider()->accessibleName() == "Group size");
}

TEST_CASE("a real number is shown with its shortest digits and stays what the slider says") {
    applyTheme(ThemeId::Light, 1);
    NumberField field;
    field.setRange({0, 1, false, false, ""});
    auto* spin = qobject_cast<ValueSpinBox*>(field.spinBox());
    for (int position = 0; position <= field.slider()->maximum(); ++position) {
        field.slider()->setValue(position);
        CHECK(spin->text().size() <= 5);
    }
    field.setValue(0.35);
    CHECK(spin->text() == "0.35");
    field.setRange({0, 100, false, false, "%"});
    field.setValue(99.99);
    CHECK(spin->text() == "99.99");
    CHECK(field.value() == 99.99);
}

TEST_CASE("a seed has no slider") {
    applyTheme(ThemeId::Light, 1);
    NumberField field;
    field.setRange({0, 9007199254740991.0, true, false, ""});
    CHECK(field.slider()->isHidden());
    qobject_cast<ValueSpinBox*>(field.spinBox())->setValue(4294967296.0);
    CHECK(field.value() == 4294967296.0);
}

TEST_CASE("the wheel is ignored unless the control has the focus") {
    applyTheme(ThemeId::Light, 1);
    QWidget window;
    auto* layout = new QVBoxLayout(&window);
    auto* field = new NumberField;
    field->setRange({2, 16, true, false, ""});
    field->setValue(4);
    auto* other = new QLineEdit;
    layout->addWidget(other);
    layout->addWidget(field);
    window.show();
    window.activateWindow();
    QApplication::setActiveWindow(&window);
    other->setFocus();
    REQUIRE(other->hasFocus());
    wheel(field->slider());
    wheel(field->spinBox());
    CHECK(field->value() == 4);
    CHECK(other->hasFocus());
    field->slider()->setFocus();
    wheel(field->slider());
    CHECK(field->value() != 4);
}

TEST_CASE("a drag of the slider ends with one editingFinished") {
    applyTheme(ThemeId::Light, 1);
    NumberField field;
    field.setRange({2, 16, true, false, ""});
    field.setValue(4);
    field.resize(300, 30);
    field.show();
    QSlider* slider = field.slider();
    QSignalSpy edited(&field, &NumberField::valueEdited);
    QSignalSpy finished(&field, &NumberField::editingFinished);
    const int y = slider->height() / 2;
    QTest::mousePress(slider, Qt::LeftButton, {}, QPoint(30, y));
    QApplication::processEvents();
    for (int x = 40; x < slider->width() - 10; x += 10) {
        QTest::mouseMove(slider, QPoint(x, y));
        QMouseEvent move(QEvent::MouseMove, QPointF(x, y), slider->mapToGlobal(QPointF(x, y)), Qt::NoButton, Qt::LeftButton,
                         Qt::NoModifier);
        QApplication::sendEvent(slider, &move);
    }
    CHECK(edited.size() > 3);
    CHECK(finished.isEmpty());
    QTest::mouseRelease(slider, Qt::LeftButton, {}, QPoint(slider->width() - 10, y));
    QApplication::processEvents();
    CHECK(finished.size() == 1);
}

TEST_CASE("segments choose, show and wrap") {
    applyTheme(ThemeId::Light, 1);
    SegmentedControl control;
    control.setOptions({{"none", "None", ""}, {"value", "Value", ""}, {"mse", "MSE", "least squares"}});
    control.setCurrent("mse");
    CHECK(control.current() == "mse");
    QSignalSpy chosen(&control, &SegmentedControl::chosen);
    control.resize(240, 26);
    control.show();
    QTest::mouseClick(control.button("value"), Qt::LeftButton);
    REQUIRE(chosen.size() == 1);
    CHECK(chosen.front().front().toString() == "value");
    CHECK(control.current() == "value");
    control.setCurrent("nothing");
    CHECK(control.current().isEmpty());
    CHECK(control.heightForWidth(400) == Theme::px(26));
    CHECK(control.heightForWidth(60) == 3 * Theme::px(26));
    CHECK(control.button("mse")->accessibleName() == "MSE");
}

TEST_CASE("a form row offers to reset only what differs") {
    applyTheme(ThemeId::Light, 1);
    auto* toggle = new Toggle("8-bit scales");
    FormRow row("Double", toggle);
    row.show();
    CHECK(row.resetButton()->isHidden());
    row.setResettable(true);
    CHECK(row.resetButton()->isVisible());
    QSignalSpy reset(&row, &FormRow::resetRequested);
    row.resetButton()->click();
    CHECK(reset.size() == 1);
    CHECK(row.resetButton()->accessibleName() == "Reset Double to its default");
}

TEST_CASE("bits are flipped by click and by keyboard") {
    applyTheme(ThemeId::Dark, 1);
    const loupe::NumberFormat* fp16 = loupe::findFormat("fp16");
    REQUIRE(fp16 != nullptr);
    BitStrip strip;
    strip.setBits(0xA4AD, 16, bitFields(*fp16));
    strip.resize(420, strip.heightForWidth(420));
    strip.show();
    CHECK(strip.accessibleName() == "Bits: sign 1 = 1, exponent 01001 = 9, fraction 0010101101 = 173");
    QSignalSpy toggled(&strip, &BitStrip::bitToggled);
    QTest::mouseClick(&strip, Qt::LeftButton, {}, strip.bitRect(15).center().toPoint());
    REQUIRE(toggled.size() == 1);
    CHECK(toggled.back().front().toInt() == 15);
    CHECK(strip.code() == 0xA4AD);  // the owner decides
    QTest::keyClick(&strip, Qt::Key_Right);
    QTest::keyClick(&strip, Qt::Key_Space);
    CHECK(toggled.back().front().toInt() == 14);
    QTest::keyClick(&strip, Qt::Key_End);
    CHECK(strip.currentBit() == 0);
    QTest::keyClick(&strip, Qt::Key_1);  // bit 0 is 1 already
    CHECK(toggled.size() == 2);
    QTest::keyClick(&strip, Qt::Key_Home);
    CHECK(strip.currentBit() == 15);
    QTest::keyClick(&strip, Qt::Key_C, Qt::ControlModifier);
    CHECK(QApplication::clipboard()->text() == "0xA4AD\t1010010010101101");
    strip.setEditable(false);
    QTest::mouseClick(&strip, Qt::LeftButton, {}, strip.bitRect(3).center().toPoint());
    CHECK(toggled.size() == 2);
}

TEST_CASE("the fields of every scalar format cover its bits once") {
    for (const loupe::NumberFormat* format : loupe::allFormats()) {
        if (format->kind == loupe::FormatKind::Block) {
            continue;
        }
        CAPTURE(std::string(format->id));
        int next = format->bits;
        for (const BitField& field : bitFields(*format)) {
            CHECK(field.first + field.count == next);
            next = field.first;
        }
        CHECK(next == 0);
    }
}

TEST_CASE("bits wrap in narrow panels and never overlap") {
    applyTheme(ThemeId::Light, 1);
    BitStrip strip;
    strip.setBits(0x3FF0000000000000ULL, 64, bitFields(*loupe::findFormat("fp64")));
    for (const int width : {200, 300, 500, 1000, 1600}) {
        strip.resize(width, strip.heightForWidth(width));
        for (int bit = 1; bit < 64; ++bit) {
            CAPTURE(width, bit);
            CHECK(!strip.bitRect(bit).adjusted(0.1, 0.1, -0.1, -0.1).intersects(strip.bitRect(bit - 1)));
            CHECK(strip.bitRect(bit).right() <= width);
            CHECK(strip.bitRect(bit).bottom() <= strip.height());
        }
    }
}

TEST_CASE("a repeated message counts, another one starts anew") {
    applyTheme(ThemeId::Dark, 1);
    MessageBar bar;
    CHECK(bar.isHidden());
    const loupe::Error error{loupe::ErrorCode::Invalid, "weight at row 3, column 5 is NaN", "model.gguf:6720", "exclude the tensor"};
    bar.showError(error);
    bar.showError(error);
    bar.showError(error);
    CHECK(bar.count() == 3);
    CHECK(bar.what() == "Weight at row 3, column 5 is NaN.");
    CHECK(bar.why() == "model.gguf:6720. Exclude the tensor.");
    CHECK(bar.accessibleName().startsWith("Error: Weight at row 3"));
    bar.showMessage(MessageBar::Role::Warning, "Needs activations.");
    CHECK(bar.count() == 1);
    bar.clear();
    CHECK(bar.isHidden());
}

TEST_CASE("marks of truth say their word") {
    applyTheme(ThemeId::Light, 1);
    TruthMark mark;
    mark.setMark(TruthMark::Kind::Exact);
    CHECK(mark.accessibleName() == "exact");
    mark.setMark(TruthMark::Kind::Sampled, "sampled 10 of 20");
    CHECK(mark.text() == QString(QChar(0x2248)) + " sampled 10 of 20");
    mark.setMark(TruthMark::Kind::None);
    CHECK(mark.isHidden());
}

TEST_CASE("the scheme field takes valid strings only and explains the others") {
    applyTheme(ThemeId::Light, 1);
    SchemeStringField field;
    field.setText("absmax:bits=4");
    field.show();
    QSignalSpy submitted(&field, &SchemeStringField::submitted);
    field.edit()->setFocus();
    field.edit()->selectAll();
    QTest::keyClicks(field.edit(), "absmax:bits=99");
    CHECK(field.problem().contains("bits"));
    QTest::keyClick(field.edit(), Qt::Key_Return);
    CHECK(submitted.isEmpty());
    QTest::keyClick(field.edit(), Qt::Key_Escape);
    CHECK(field.text() == "absmax:bits=4");
    CHECK(field.problem().isEmpty());
    field.edit()->selectAll();
    QTest::keyClicks(field.edit(), "absmax:group=64,bits=4");
    QTest::keyClick(field.edit(), Qt::Key_Return);
    REQUIRE(submitted.size() == 1);
    CHECK(submitted.front().front().toString() == "absmax:bits=4,group=64");
}

TEST_CASE("an equation reads aloud and raises exponents") {
    applyTheme(ThemeId::Light, 1);
    const auto runs = parseEquation("2^(9-15) · x_max");
    REQUIRE(runs.size() == 4);
    CHECK(runs[1].script == EquationRun::Script::Raised);
    CHECK(runs[3].script == EquationRun::Script::Lowered);
    CHECK(runs[3].text == "max");
    EquationLabel label;
    label.setRuns(equationRuns(loupe::EquationLine{"scale", "0.2288 / 7", "0.0327", "column 2533 sets it"}));
    CHECK(label.accessibleName() == "scale 0.2288 / 7 = 0.0327  column 2533 sets it");
    CHECK(label.heightForWidth(2000) < label.heightForWidth(120));
}

TEST_CASE("a number table copies ASCII with its header") {
    applyTheme(ThemeId::Light, 1);
    NumberTable table({"metric", "A", "B"});
    table.setRowCount(2);
    table.setCell(0, 0, "SQNR");
    table.setUnit(0, "dB");
    table.setCell(0, 1, formatFixed(-15.01, 2));
    table.setCell(0, 2, formatFixed(19.49, 2));
    table.setCell(1, 0, "MSE");
    table.setCell(1, 1, formatNumber(1.2434e-5));
    table.setCell(1, 2, formatPercent(0.25));
    CHECK(table.copyText() == "metric\tA\tB\nSQNR dB\t-15.01\t19.49\nMSE\t1.243e-5\t25.00\n");
}

TEST_CASE("every interactive widget of the set has an accessible name") {
    applyTheme(ThemeId::Light, 2);
    QWidget window;
    auto* layout = new QVBoxLayout(&window);
    auto* field = new NumberField;
    field->setNames("Bits", "help");
    layout->addWidget(new FormRow("Bits", field));
    auto* segments = new SegmentedControl;
    segments->setOptions({{"a", "One", ""}, {"b", "Two", ""}});
    layout->addWidget(segments);
    layout->addWidget(new Toggle("a sentence"));
    layout->addWidget(new SchemeStringField);
    layout->addWidget(new BitStrip);
    window.show();
    QApplication::processEvents();
    for (QWidget* widget : window.findChildren<QWidget*>()) {
        const bool ownField = qobject_cast<QLineEdit*>(widget) != nullptr && qobject_cast<ValueSpinBox*>(widget->parentWidget()) != nullptr;
        if (widget->focusPolicy() == Qt::NoFocus || ownField || widget->focusProxy() != nullptr) {
            continue;
        }
        const auto* button = qobject_cast<QAbstractButton*>(widget);
        CAPTURE(widget->metaObject()->className());
        CHECK((!widget->accessibleName().isEmpty() || (button != nullptr && !button->text().isEmpty())));
    }
}
