// SPDX-License-Identifier: Apache-2.0
#include "gpu/timing/summary.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace loupe::gpu {

namespace {

/// Three significant digits: "1.23e+04" is written "12300".
std::string threeDigits(double value) {
    std::array<char, 32> text{};
    const int decimals = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
    (void)std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
    return text.data();
}

std::string scientific(double value) {
    std::array<char, 32> text{};
    (void)std::snprintf(text.data(), text.size(), "%.1e", value);
    return text.data();
}

std::string shapeText(const CaseRecord& what) {
    if (what.operation == Operation::Matmul) {
        return "Y = X W', " + std::to_string(what.matmul.m) + " tokens, " +
               std::to_string(what.matmul.k) + " inputs, " + std::to_string(what.matmul.n) +
               " outputs";
    }
    const AttentionShape& s = what.attention;
    return "Attention, " + std::to_string(s.seq) + " keys, " + std::to_string(s.dim) +
           " elements a head, " + std::to_string(s.heads) + " heads" +
           (s.causal ? ", causal" : "") + (s.decode ? ", one query" : "");
}

std::string headLine(const RunRecord& record) {
    std::string text = shapeText(record.what) + ". " + record.device.name;
    if (record.backend == "cpu") {
        text += ", " + std::to_string(record.device.multiprocessors) + " threads, " +
                record.device.computeCapability;
    }
    const bool warm = record.timing && record.timing->cache == CacheState::Warm;
    text += warm ? ", warm caches" : ", cold caches";
    if (record.derived.bandwidthGbps > 0) {
        text += ", reads " + threeDigits(record.derived.bandwidthGbps) + " GB/s (" +
                record.derived.ceilingSource + ")";
    }
    return text + ".\n\n";
}

std::string row(const RunRecord& record, const RunRecord* base) {
    std::string text = "| " + record.what.format + " | " + record.kernel.id + " | ";
    if (!record.timing) {
        return text + "not run: " + record.reason + " | | | |\n";
    }
    const TimingRecord& t = *record.timing;
    text += threeDigits(t.medianUs) + " [" + threeDigits(t.q1Us) + ", " + threeDigits(t.q3Us) +
            "] | " + (base == nullptr ? "-" : comparisonText(record, *base)) + " | ";
    text += record.derived.ofFloor > 0 ? threeDigits(100 * record.derived.ofFloor) + " % (" +
                                             record.derived.floorSide + ")"
                                       : std::string("-");
    text += " | " + (record.check ? scientific(record.check->formatError) : std::string("-"));
    return text + " |\n";
}

}  // namespace

std::size_t comparisonBase(std::span<const RunRecord> records) {
    std::size_t first = records.size();
    for (std::size_t i = records.size(); i-- > 0;) {
        if (records[i].timing) {
            first = i;
        }
    }
    for (std::size_t i = 0; i < records.size(); ++i) {
        if (records[i].timing && records[i].what.format == "fp32" &&
            records[i].kernel.source != "library") {
            return i;
        }
    }
    return first;
}

std::string comparisonText(const RunRecord& record, const RunRecord& base) {
    if (!record.timing || !base.timing) {
        return "-";
    }
    if (&record == &base) {
        return "1";
    }
    const double a = record.timing->medianUs;
    const double b = base.timing->medianUs;
    switch (compareTimes(*record.timing, *base.timing)) {
        case -1:
            return threeDigits(b / a) + "x faster";
        case 1:
            return threeDigits(a / b) + "x slower";
        default:
            return "no difference";
    }
}

std::string summaryTable(std::span<const RunRecord> records) {
    const std::size_t at = comparisonBase(records);
    if (records.empty()) {
        return {};
    }
    const RunRecord& head = records[at < records.size() ? at : 0];
    const bool oneMachine = std::all_of(records.begin(), records.end(), [&](const RunRecord& r) {
        return !r.timing || machineKey(r) == machineKey(head);
    });
    const RunRecord* const base = at < records.size() && oneMachine ? &records[at] : nullptr;
    std::string text = headLine(head);
    if (!oneMachine) {
        text += "Records of more than one machine: their times are not compared.\n\n";
    }
    text += "| format | kernel | median us [quartiles] | against ";
    text += base == nullptr ? "-" : base->kernel.id;
    text += " | of the floor | error of the format |\n|---|---|---|---|---|---|\n";
    double foreign = 0;
    for (const RunRecord& record : records) {
        text += row(record, base);
        foreign = std::max(foreign, record.clocks ? record.clocks->foreignShare : 0.0);
    }
    constexpr double kQuiet = 0.05;
    if (foreign > kQuiet) {
        text += "\nNot a quiet machine: other programs took up to " + threeDigits(100 * foreign) +
                " % of the processor time during a case.\n";
    }
    return text;
}

}  // namespace loupe::gpu
