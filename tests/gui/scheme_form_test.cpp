// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/views/scheme_form.hpp"

#include "app/views/step_form.hpp"
#include "app/widgets/controls.hpp"
#include "app/widgets/messages.hpp"
#include "app/widgets/scheme_string_field.hpp"
#include "app/widgets/theme.hpp"
#include "core/scheme/step.hpp"
#include "tests/support/catch.hpp"

#include <QApplication>
#include <QComboBox>
#include <QLineEdit>
#include <QSignalSpy>
#include <QSlider>
#include <QTest>
#include <QToolButton>

#include <set>

using namespace loupe;
using namespace loupe::app;

namespace {

/// A text that the parameter takes and that is not `present`.
std::string otherValue(const ParamSpec& spec, const std::string& present) {
    switch (spec.type) {
        case ParamType::Integer:
            return std::to_string(
                static_cast<std::int64_t>(spec.min) +
                (present == std::to_string(static_cast<std::int64_t>(spec.min)) ? 1 : 0));
        case ParamType::Real:
            return present == "0.5" ? "0.25" : "0.5";
        case ParamType::Flag:
            return present == "true" ? "false" : "true";
        case ParamType::Bound:
            return present == "2" ? "3" : "2";
        case ParamType::Pattern:
            return present == "2:4" ? "1:4" : "2:4";
        case ParamType::Choice:
        case ParamType::Format:
            break;
    }
    for (const std::string_view choice : spec.choices) {
        if (choice != present) {
            return std::string(choice);
        }
    }
    return {};
}

/// The step with the key made relevant, by following its conditions.
Step relevantStep(const StepDefinition& definition, const ParamSpec& spec) {
    Step step{std::string(definition.id), {}};
    std::string_view condition = spec.onlyWith;
    std::vector<std::string> chain;
    while (!condition.empty() && condition.front() != '!') {  // "!key" holds at the defaults
        chain.insert(chain.begin(), std::string(condition));
        const std::string_view key = condition.substr(0, condition.find('='));
        condition = {};
        for (const ParamSpec& other : definition.params) {
            if (other.name == key) {
                condition = other.onlyWith;
            }
        }
    }
    for (const std::string& link : chain) {
        const std::size_t equals = link.find('=');
        const std::string key = link.substr(0, equals);
        std::string value = equals == std::string::npos ? std::string() : link.substr(equals + 1);
        value = value.substr(0, value.find('|'));
        if (value.empty()) {
            for (const ParamSpec& other : definition.params) {
                if (other.name == key) {
                    value = otherValue(other, "");
                }
            }
        }
        const Result<Step> next = withValue(step, key, value);
        REQUIRE(next);
        step = *next;
    }
    return step;
}

std::string canonical(const Step& step) {
    return toString(Scheme{{step}});
}

}  // namespace

TEST_CASE(
    "the form of every step has a row for every parameter, and every row changes the scheme "
    "string") {
    applyTheme(ThemeId::Light, 1);
    for (const StepDefinition* definition : allSteps()) {
        StepForm form(*definition);
        for (const ParamSpec& spec : definition->params) {
            CAPTURE(std::string(definition->id), std::string(spec.name));
            FormRow* row = form.row(spec.name);
            REQUIRE(row != nullptr);
            CHECK(row->label() ==
                  QString::fromUtf8(spec.label.data(), static_cast<qsizetype>(spec.label.size())));
            const Step start = relevantStep(*definition, spec);
            REQUIRE(isRelevant(*definition, start, spec.name));
            form.setStep(start);
            CHECK(!row->isHidden());
            const std::string before = canonical(form.step());
            QSignalSpy changed(&form, &StepForm::stepChanged);
            const Params params(definition->params, start);
            const std::string value = otherValue(spec, std::string(params.text(spec.name)));
            form.enter(spec.name, QString::fromStdString(value));
            CHECK(changed.size() == 1);
            CHECK(canonical(form.step()) != before);
            CHECK(parseScheme(canonical(form.step())));
        }
    }
}

TEST_CASE("the form shows only what has an effect") {
    applyTheme(ThemeId::Light, 1);
    StepForm form(*findStep("absmax"));
    CHECK(form.row("group")->isHidden());
    CHECK(form.row("percentile")->isHidden());
    form.enter("per", "group");
    CHECK(!form.row("group")->isHidden());
    form.enter("clip", "percentile");
    CHECK(!form.row("percentile")->isHidden());
    form.enter("per", "row");
    CHECK(form.row("group")->isHidden());
    CHECK(form.row("seed")->isHidden());
    form.enter("rounding", "stochastic");
    CHECK(!form.row("seed")->isHidden());
}

TEST_CASE("controls write the scheme: segments, numbers, optional numbers, toggles of formats") {
    applyTheme(ThemeId::Light, 1);
    SchemeForm form;
    form.resize(380, 600);
    form.show();
    form.setScheme(*parseScheme("absmax:bits=4,group=128"));
    QSignalSpy edited(&form, &SchemeForm::edited);
    auto* per = qobject_cast<SegmentedControl*>(form.stepForm(0)->row("per")->control());
    REQUIRE(per != nullptr);
    QTest::mouseClick(per->button("row"), Qt::LeftButton);
    REQUIRE(edited.size() == 1);
    CHECK(edited.back().at(0).toString() == "absmax:bits=4,per=row");
    CHECK(edited.back().at(2).toInt() == 0);
    auto* bits = qobject_cast<NumberField*>(form.stepForm(0)->row("bits")->control());
    REQUIRE(bits != nullptr);
    bits->slider()->setValue(3);
    CHECK(edited.back().at(0).toString() == "absmax:bits=3,per=row");
    const int gesture = edited.back().at(2).toInt();
    CHECK(gesture != 0);
    bits->slider()->setValue(2);
    CHECK(edited.back().at(2).toInt() == gesture);
    auto* given = form.stepForm(0)->row("act_bits")->control()->findChild<Toggle*>();
    REQUIRE(given != nullptr);
    given->click();
    CHECK(edited.back().at(0).toString() == "absmax:bits=2,per=row,act_bits=8");
    given->click();
    CHECK(edited.back().at(0).toString() == "absmax:bits=2,per=row");
    CHECK(form.stringField().text() == "absmax:bits=2,per=row");
    CHECK(form.stepForm(0)->row("bits")->resetButton()->isVisible());
    form.stepForm(0)->row("bits")->resetButton()->click();
    CHECK(edited.back().at(0).toString() == "absmax:per=row");
}

TEST_CASE("the method list changes the step and keeps what both understand") {
    applyTheme(ThemeId::Light, 1);
    SchemeForm form;
    form.setScheme(*parseScheme("absmax:bits=4,group=64"));
    QSignalSpy edited(&form, &SchemeForm::edited);
    QComboBox* method = form.methodCombo(0);
    REQUIRE(method != nullptr);
    CHECK(method->count() == static_cast<int>(allSteps().size()) + 1);
    const int index = method->findData("zeropoint");
    method->setCurrentIndex(index);
    emit method->activated(index);
    REQUIRE(edited.size() == 1);
    CHECK(edited.back().at(0).toString() == "zeropoint:bits=4,group=64");
    emit form.methodCombo(0)->activated(0);
    CHECK(edited.back().at(0).toString().isEmpty());
    CHECK(form.scheme().empty());
}

TEST_CASE("several steps are stacked, each with its form") {
    applyTheme(ThemeId::Light, 1);
    SchemeForm form;
    form.setScheme(*parseScheme("cast:format=fp16+absmax:bits=4,group=32"));
    REQUIRE(form.stepForm(1) != nullptr);
    CHECK(form.stepForm(0)->definition().id == "cast");
    CHECK(form.stepForm(1)->definition().id == "absmax");
    QSignalSpy edited(&form, &SchemeForm::edited);
    form.stepForm(1)->enter("bits", "3");
    REQUIRE(edited.size() == 1);
    CHECK(edited.back().at(0).toString() == "cast:format=fp16+absmax:bits=3,group=32");
    emit form.methodCombo(0)->activated(0);  // "None" removes the step
    CHECK(edited.back().at(0).toString() == "absmax:bits=3,group=32");
    CHECK(form.stepForm(1) == nullptr);
}

TEST_CASE("a bound that is no number is refused with its reason") {
    applyTheme(ThemeId::Light, 1);
    SchemeForm form;
    form.show();
    form.setScheme(*parseScheme("absmax:clip_value=0.5"));
    QSignalSpy edited(&form, &SchemeForm::edited);
    form.stepForm(0)->enter("clip_value", "none");
    CHECK(edited.isEmpty());
    CHECK(form.message().isShowing());
    CHECK(form.message().why().contains("clip_value"));
    form.stepForm(0)->enter("clip_value", "0.25");
    CHECK(edited.size() == 1);
    CHECK(!form.message().isShowing());
}

TEST_CASE("presets are canonical") {
    const auto presets = schemePresets();
    CHECK(presets.size() >= 4);
    for (const auto& [name, text] : presets) {
        CAPTURE(text.toStdString());
        const Result<Scheme> scheme = parseScheme(text.toStdString());
        REQUIRE(scheme);
        CHECK(toString(*scheme) == text.toStdString());
        CHECK(!name.isEmpty());
    }
}

TEST_CASE("the form fits a narrow dock at twice the font") {
    applyTheme(ThemeId::Dark, 2);
    SchemeForm form;
    form.setScheme(*parseScheme("absmax:bits=4,group=128,clip=percentile"));
    CHECK(form.minimumSizeHint().width() <= 384);
    applyTheme(ThemeId::Dark, 1);
    SchemeForm normal;
    normal.setScheme(*parseScheme("absmax:bits=4,group=128,clip=percentile"));
    CHECK(normal.minimumSizeHint().width() <= 304);
}
