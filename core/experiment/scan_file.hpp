// SPDX-License-Identifier: Apache-2.0
// A scan on disk: one JSON document a line, the scan's description first, then its rows as they
// are finished. What a scan that was cut off goes on from, and what parts are joined from.
#pragma once

#include "core/base/json_writer.hpp"
#include "core/experiment/scan.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loupe {

/// Which scan a file's rows belong to.
struct ScanHeader {
    std::string source;         ///< the checkpoint's file or folder name
    std::string fingerprint;    ///< over names, types, shapes and sizes of all its tensors
    std::int64_t modified = 0;  ///< newest of its files, ns since the epoch; 0: not files
    std::vector<std::string> globs;
    bool statistics = true;
    std::vector<std::string> schemes;
    std::string inputs;  ///< whatever else decides the figures: activations and the like, as text
    int part = 1;
    int parts = 1;
    std::size_t tasks = 0;     ///< of this part
    std::size_t allTasks = 0;  ///< of all parts
    friend bool operator==(const ScanHeader&, const ScanHeader&) = default;
};

[[nodiscard]] ScanHeader scanHeader(const TensorSource& source,
                                    const ScanRequest& request,
                                    const ScanPlan& plan,
                                    std::string inputs = {});

/// The `scan` object, and one object of `rows` (contract 5).
void writeScanHeader(JsonWriter& json, const ScanHeader& header);
void writeScanRow(JsonWriter& json, const ScanRow& row);

struct ScanDocument {
    ScanHeader header;
    std::vector<ScanRow> rows;  ///< by task
};

/// Appends the rows of a scan to a file as they come. A line is written whole or, if the process
/// dies within it, dropped when the file is opened again.
class ScanFile {
public:
    ScanFile() = default;
    ScanFile(const ScanFile&) = delete;
    ScanFile& operator=(const ScanFile&) = delete;
    ~ScanFile();

    /// Begins a file, or goes on with one.
    /// @param resume  rows that the file holds are kept; else there must be no file yet. A file
    ///                that is no scan is left as it is
    /// @errors Unreadable; Invalid: rows of another scan; Damaged
    [[nodiscard]] Result<void> open(const std::filesystem::path& path,
                                    const ScanHeader& header,
                                    bool resume);
    /// The rows that were there.
    [[nodiscard]] const std::vector<ScanRow>& found() const { return found_; }
    /// @errors Unreadable: disk full
    [[nodiscard]] Result<void> append(const ScanRow& row);

private:
    [[nodiscard]] Result<void> write(const std::string& line);

    std::filesystem::path path_;
    std::vector<ScanRow> found_;
    int descriptor_ = -1;
};

/// Reads what a ScanFile or `loupe scan --json` wrote; an unfinished last line is left out.
/// @errors NotFound, Unreadable, Damaged
[[nodiscard]] Result<ScanDocument> readScan(const std::filesystem::path& path);
/// The same from the file's text. @param path  for messages. @errors Damaged
[[nodiscard]] Result<ScanDocument> parseScan(std::string_view text,
                                             const std::filesystem::path& path);

/// Joins the parts of one scan, in any order; duplicates between parts are marked anew.
/// @param names  of the parts, for messages
/// @errors Invalid: parts of different scans, a row in two parts with different figures, rows
///         missing (the text says of which parts)
[[nodiscard]] Result<ScanDocument> mergeScans(std::span<const ScanDocument> parts,
                                              std::span<const std::string> names);

}  // namespace loupe
