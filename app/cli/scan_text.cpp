// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/scan_text.hpp"

#include "app/cli/figure_text.hpp"
#include "core/base/text.hpp"
#include "core/base/units.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>

namespace loupe::cli {

namespace {

/// Names may hold anything: no control characters reach the terminal.
std::string printable(std::string text) {
    std::replace_if(
        text.begin(),
        text.end(),
        [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7F'; },
        '?');
    return text;
}

std::string flagsText(const ScanRow& row, bool details) {
    std::string text;
    for (const RaisedFlag& raised : row.flags) {
        const FlagDefinition& definition = flagDefinition(raised.flag);
        text += (text.empty() ? "" : (details ? ", " : ";"));
        text += details ? definition.title : definition.id;
        if (details && !raised.detail.empty()) {
            text += " (" + raised.detail + ")";
        }
    }
    return text;
}

const char* const kStatisticsHead[] = {
    "bits", "absmax", "std", "kurtosis", "top in", "top out", "zeros %"};
const char* const kStatisticsIds[] = {"bits_per_weight",
                                      "absmax",
                                      "std",
                                      "kurtosis",
                                      "outlier_input",
                                      "outlier_output",
                                      "zero_share"};
const char* const kSchemeHead[] = {"bits", "SQNR dB", "rel", "cosine", "max error", "output"};
const char* const kSchemeIds[] = {"bits_per_weight",
                                  "sqnr_db",
                                  "relative_frobenius",
                                  "cosine",
                                  "max_abs_error",
                                  "output_relative_error"};
constexpr std::size_t kColumn = 10;

}  // namespace

void ScanGates::addTo(CLI::App& app) {
    app.add_option("--fail-above", above_, "METRIC=X: exit status 3 where a row has more");
    app.add_option("--fail-below", below_, "METRIC=X: exit status 3 where a row has less");
}

Result<void> ScanGates::parse() {
    for (const bool above : {true, false}) {
        for (const std::string& text : above ? above_ : below_) {
            const std::string option = above ? "--fail-above" : "--fail-below";
            const std::size_t equals = text.find('=');
            const std::string metric = text.substr(0, equals);
            const std::optional<double> limit =
                equals == std::string::npos ? std::nullopt : parseDouble(text.substr(equals + 1));
            if (!limit || std::isnan(*limit)) {
                return fail(ErrorCode::Usage, option + ": expected METRIC=X, found '" + text + "'");
            }
            if (findScanMetric(metric) == nullptr) {
                std::vector<std::string> names;
                for (const ScanMetric& known : allScanMetrics()) {
                    names.emplace_back(known.id);
                }
                std::string hint;
                for (const std::string& near : nearest(metric, names)) {
                    hint += (hint.empty() ? "did you mean " : ", ") + near;
                }
                return fail(
                    ErrorCode::Usage, option + ": no metric named '" + metric + "'", {}, hint);
            }
            gates_.push_back({metric, *limit, above});
        }
    }
    return {};
}

std::vector<std::string> ScanGates::failures(std::span<const ScanRow> rows) const {
    std::vector<std::string> failures;
    for (const Gate& gate : gates_) {
        for (const ScanRow& row : rows) {
            const std::string name = row.tensor + (row.scheme.empty() ? "" : " " + row.scheme);
            if (row.error) {
                failures.push_back(name + ": no figures: " + row.error->message());
                continue;
            }
            const std::optional<double> value = row.metric(gate.metric);
            if (value && (gate.above ? *value > gate.limit : *value < gate.limit)) {
                failures.push_back(name + ": " + gate.metric + " = " + shortest(*value) +
                                   (gate.above ? " is above " : " is below ") +
                                   shortest(gate.limit));
            }
        }
    }
    return failures;
}

std::optional<std::uint64_t> peakMemory() {
    std::ifstream status("/proc/self/status");
    std::string line;
    while (std::getline(status, line)) {
        constexpr std::string_view kKey = "VmHWM:";
        if (line.rfind(kKey, 0) == 0) {
            const std::string_view value = trim(std::string_view(line).substr(kKey.size()));
            const auto kib = parseInteger(trim(value.substr(0, value.find(' '))));
            return kib ? std::optional(static_cast<std::uint64_t>(*kib) * 1024) : std::nullopt;
        }
    }
    return std::nullopt;
}

std::string scanJson(const ScanHeader& header,
                     std::span<const ScanRow> rows,
                     const ScanSummary& summary) {
    JsonWriter json;
    json.beginObject().key("scan");
    writeScanHeader(json, header);
    json.key("rows").beginArray();
    for (const ScanRow& row : rows) {
        writeScanRow(json, row);
    }
    json.endArray().key("summary").beginObject();
    json.key("rows").value(std::uint64_t{summary.rows});
    json.key("errors").value(std::uint64_t{summary.errors});
    json.key("seconds").value(summary.seconds);
    json.key("peak_rss_bytes").value(summary.peakBytes).endObject().endObject();
    return json.text() + "\n";
}

std::string scanCsvHeader() {
    std::string text = "tensor,scheme,dtype,rows,cols";
    for (const ScanMetric& metric : allScanMetrics()) {
        text.append(",").append(metric.id);
    }
    return text + ",zeros,flags,seconds,error\n";
}

std::string scanCsvRow(const ScanRow& row) {
    std::string text = csvField(row.tensor) + "," + csvField(row.scheme) + "," + row.dtype + "," +
                       std::to_string(row.rows) + "," + std::to_string(row.cols);
    for (const ScanMetric& metric : allScanMetrics()) {
        const std::optional<double> value = row.metric(metric.id);
        text += "," + (value ? shortest(*value) : std::string());
    }
    text += "," + (row.error ? std::string() : std::to_string(row.zeros)) + ",";
    return text + flagsText(row, false) + "," + shortest(row.seconds) + "," +
           (row.error ? csvField(row.error->message()) : std::string()) + "\n";
}

std::string ScanTable::row(const ScanRow& row) {
    const bool isScheme = !row.scheme.empty();
    std::string text;
    if (last_ != isScheme) {
        text += (last_ ? "\n" : "") + cell("tensor", nameWidth_, false) +
                cell(isScheme ? "" : "dtype", kColumn, false);
        for (const char* head : isScheme ? std::span<const char* const>(kSchemeHead)
                                         : std::span<const char* const>(kStatisticsHead)) {
            text += cell(head, kColumn);
        }
        text += isScheme ? "  scheme\n" : "  flags\n";
        last_ = isScheme;
    }
    text += cell(printable(row.tensor), nameWidth_, false) +
            cell(isScheme ? "" : row.dtype, kColumn, false);
    if (row.error) {
        return text + " error: " + printable(row.error->message()) +
               (isScheme ? " (" + row.scheme + ")\n" : "\n");
    }
    for (const char* id : isScheme ? std::span<const char* const>(kSchemeIds)
                                   : std::span<const char* const>(kStatisticsIds)) {
        std::optional<double> value = row.metric(id);
        if (value && std::string_view(id) == "zero_share") {
            *value *= 100;
        }
        text += cell(fourDigits(value), kColumn);
    }
    text += "  " + (isScheme ? row.scheme : printable(flagsText(row, true)));
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
}

std::string ScanTable::summary(const ScanSummary& summary) {
    std::string text = "\n" + std::to_string(summary.rows) + " rows";
    if (summary.errors > 0) {
        text += ", " + std::to_string(summary.errors) + " with errors";
    }
    text += ", " + fourDigits(summary.seconds) + " s";
    if (summary.peakBytes) {
        text += ", at most " + binaryBytes(static_cast<double>(*summary.peakBytes)) +
                " of memory resident";
    }
    return text + "\n";
}

}  // namespace loupe::cli
