// SPDX-License-Identifier: GPL-3.0-or-later
// loupe selftest: are decoding and rounding right on this machine?
#include "core/experiment/selftest.hpp"

#include "app/cli/command.hpp"
#include "app/cli/figure_text.hpp"
#include "app/cli/interrupt.hpp"
#include "core/base/json_writer.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>

namespace loupe::cli {

namespace {

std::string jsonText(const SelfTestReport& report) {
    JsonWriter json;
    json.beginObject().key("passed").value(report.passed()).key("failed").value(report.failed());
    json.key("per_format").beginArray();
    for (const SelfTestItem& item : report.items) {
        json.beginObject().key("format").value(item.format).key("passed").value(item.passed);
        json.key("failed").value(item.failed);
        if (item.failed > 0) {
            json.key("first_failure").value(item.firstFailure);
        }
        json.endObject();
    }
    json.endArray().endObject();
    return json.text() + "\n";
}

std::string humanText(const SelfTestReport& report) {
    constexpr std::size_t kName = 18;
    constexpr std::size_t kCount = 10;
    std::string text =
        cell("format", kName, false) + cell("passed", kCount) + cell("failed", kCount) + "\n";
    for (const SelfTestItem& item : report.items) {
        text += cell(item.format, kName, false) + cell(std::to_string(item.passed), kCount) +
                cell(std::to_string(item.failed), kCount);
        text += item.failed > 0 ? "  " + item.firstFailure + "\n" : "\n";
    }
    return text + "\n" + std::to_string(report.passed()) + " checks passed, " +
           std::to_string(report.failed()) + " failed\n";
}

Result<Output> run(const Common& common) {
    Interrupt interrupt;
    SelfTestReport report;
    try {
        report = runSelfTest({}, interrupt.context());
    } catch (const Cancelled&) {
        interrupt.endProcess();
    }
    const std::string text = common.json ? jsonText(report) : humanText(report);
    if (report.failed() == 0) {
        return Output{text};
    }
    // What failed belongs on stdout, and the exit status is that of failed work.
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
    const auto first = std::find_if(report.items.begin(),
                                    report.items.end(),
                                    [](const SelfTestItem& item) { return item.failed > 0; });
    return fail(ErrorCode::Invalid,
                std::to_string(report.failed()) + " checks failed, the first in " + first->format +
                    ": " + first->firstFailure);
}

std::function<Result<Output>()> configure(CLI::App& /*app*/, const Common& common) {
    return [&common] { return run(common); };
}

}  // namespace

extern const Command kCommand_selftest;
const Command kCommand_selftest{
    "selftest", "Check every format on this machine: codes, rounding, golden blocks", configure};

}  // namespace loupe::cli
