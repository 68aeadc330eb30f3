// SPDX-License-Identifier: GPL-3.0-or-later
// loupe merge PART...: joins what loupe scan --part gave.
#include "app/cli/command.hpp"
#include "app/cli/scan_text.hpp"
#include "core/experiment/scan_file.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>

namespace loupe::cli {

namespace {

struct Options {
    std::vector<std::string> parts;
    bool csv = false;
    ScanGates gates;
};

std::string textOf(const ScanDocument& merged, bool csv, const ScanSummary& summary) {
    std::size_t width = 6;
    constexpr std::size_t kMostWidth = 60;
    for (const ScanRow& row : merged.rows) {
        width = std::max(width, std::min(row.tensor.size(), kMostWidth));
    }
    ScanTable table(width);
    std::string text = csv ? scanCsvHeader() : std::string();
    for (const ScanRow& row : merged.rows) {
        text += csv ? scanCsvRow(row) : table.row(row);
    }
    return csv ? text : text + ScanTable::summary(summary);
}

Result<Output> run(Options& options, const Common& common) {
    if (Result<void> gates = options.gates.parse(); !gates) {
        return fail(gates.error());
    }
    std::vector<ScanDocument> parts;
    for (const std::string& path : options.parts) {
        Result<ScanDocument> part = readScan(path);
        if (!part) {
            return fail(part.error());
        }
        parts.push_back(std::move(*part));
    }
    const Result<ScanDocument> merged = mergeScans(parts, options.parts);
    if (!merged) {
        return fail(merged.error());
    }
    ScanSummary summary;
    summary.rows = merged->rows.size();
    for (const ScanRow& row : merged->rows) {
        summary.errors += row.error ? 1U : 0U;
        summary.seconds += row.seconds;
    }
    const std::vector<std::string> failures = options.gates.failures(merged->rows);
    for (const std::string& failure : failures) {
        std::fprintf(stderr, "loupe: gate: %s\n", failure.c_str());
    }
    return Output{common.json ? scanJson(merged->header, merged->rows, summary)
                              : textOf(*merged, options.csv, summary),
                  !failures.empty()};
}

std::function<Result<Output>()> configure(CLI::App& app, const Common& common) {
    auto options = std::make_shared<Options>();
    app.add_option("parts", options->parts, "What loupe scan --part I/N --json or --output wrote")
        ->required();
    app.add_flag("--csv", options->csv, "Print CSV");
    options->gates.addTo(app);
    return [options, &common] { return run(*options, common); };
}

}  // namespace

extern const Command kCommand_merge;
const Command kCommand_merge{"merge", "Join the parts of a scan", configure};

}  // namespace loupe::cli
