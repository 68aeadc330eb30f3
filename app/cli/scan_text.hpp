// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "app/cli/command.hpp"
#include "core/experiment/scan_file.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace loupe::cli {

/// `--fail-above METRIC=X` and `--fail-below METRIC=X`: exit status 3 where a row is beyond.
class ScanGates {
public:
    void addTo(CLI::App& app);
    /// @errors Usage: not METRIC=X, or no such metric
    [[nodiscard]] Result<void> parse();
    /// Rows beyond a gate, as text; a row without figures fails every gate, one that lacks the
    /// metric (another kind of row, or it has no value there) none.
    [[nodiscard]] std::vector<std::string> failures(std::span<const ScanRow> rows) const;

private:
    struct Gate {
        std::string metric;
        double limit = 0;
        bool above = true;
    };
    std::vector<std::string> above_;
    std::vector<std::string> below_;
    std::vector<Gate> gates_;
};

/// What a scan took.
struct ScanSummary {
    std::size_t rows = 0;
    std::size_t errors = 0;
    double seconds = 0;
    std::optional<std::uint64_t> peakBytes;  ///< most resident memory of the process
};

/// Most memory that this process had resident, mapped files included; empty where /proc is not.
[[nodiscard]] std::optional<std::uint64_t> peakMemory();

/// {"scan", "rows", "summary"} of the contract.
[[nodiscard]] std::string scanJson(const ScanHeader& header,
                                   std::span<const ScanRow> rows,
                                   const ScanSummary& summary);
[[nodiscard]] std::string scanCsvHeader();
[[nodiscard]] std::string scanCsvRow(const ScanRow& row);

/// The table for people, row by row; two kinds of rows have two heads.
class ScanTable {
public:
    explicit ScanTable(std::size_t nameWidth) : nameWidth_(nameWidth) {}
    [[nodiscard]] std::string row(const ScanRow& row);
    [[nodiscard]] static std::string summary(const ScanSummary& summary);

private:
    std::size_t nameWidth_;
    std::optional<bool> last_;  ///< the kind of the row before: of a scheme
};

}  // namespace loupe::cli
