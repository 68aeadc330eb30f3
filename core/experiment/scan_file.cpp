// SPDX-License-Identifier: Apache-2.0
#include "core/experiment/scan_file.hpp"

#include "core/base/hash.hpp"
#include "core/base/text.hpp"
#include "core/io/mapped_file.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fcntl.h>
#include <limits>
#include <map>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>

namespace loupe {

namespace {

using nlohmann::json;

constexpr std::int64_t kVersion = 1;
constexpr std::string_view kFirstLine = "{\"loupe_scan\"";  ///< how a file of lines begins
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::string systemMessage(int code) {
    return std::generic_category().message(code);
}

/// Everything about the tensors that headers say.
std::string fingerprintOf(const TensorSource& source) {
    std::uint64_t hash = fnv1a(std::string_view("loupe_scan"));
    const auto add = [&hash](std::uint64_t word) {
        hash = fnv1a(std::as_bytes(std::span(&word, 1)), hash);
    };
    for (const TensorInfo& tensor : source.tensors()) {
        hash = fnv1a(tensor.name, hash);
        hash = fnv1a(tensor.dtypeName, hash);
        add(static_cast<std::uint64_t>(tensor.rows));
        add(static_cast<std::uint64_t>(tensor.cols));
        add(tensor.bytes);
        add(tensor.problem ? 1U : 0U);
    }
    std::string text;
    for (int shift = 60; shift >= 0; shift -= 4) {
        text += "0123456789abcdef"[(hash >> shift) & 15U];
    }
    return text;
}

std::int64_t newestChange(const SourceInfo& info) {
    std::int64_t newest = 0;
    for (const std::filesystem::path& file : info.files) {
        std::error_code problem;
        const auto time = std::filesystem::last_write_time(file, problem);
        if (!problem) {
            const auto since = std::filesystem::file_time_type::clock::to_sys(time);
            newest = std::max<std::int64_t>(
                newest,
                std::chrono::duration_cast<std::chrono::nanoseconds>(since.time_since_epoch())
                    .count());
        }
    }
    return newest;
}

void writeStrings(JsonWriter& out, const char* key, const std::vector<std::string>& values) {
    out.key(key).beginArray();
    for (const std::string& value : values) {
        out.value(value);
    }
    out.endArray();
}

// --- reading ------------------------------------------------------------------------------------

/// Thrown inside this file by the readers below, and by nlohmann's own accessors; caught in parse.
struct Malformed {
    std::string what;
};

std::uint64_t wholeOf(const json& object, const char* key) {
    const json& value = object.at(key);
    if (!value.is_number_unsigned()) {
        throw Malformed{std::string("'") + key + "': expected a whole number"};
    }
    return value.get<std::uint64_t>();
}

/// A place or a count: small enough for an int.
int smallOf(const json& object, const char* key) {
    constexpr std::uint64_t kMost = 1'000'000;
    const std::uint64_t value = wholeOf(object, key);
    if (value > kMost) {
        throw Malformed{std::string("'") + key + "': out of range"};
    }
    return static_cast<int>(value);
}

double realOf(const json& value) {
    if (value.is_null()) {
        return kNan;
    }
    if (value.is_string()) {
        return parseDouble(value.get<std::string>()).value_or(kNan);
    }
    return value.get<double>();
}

ScanHeader headerFrom(const json& object) {
    if (wholeOf(object, "loupe_scan") != static_cast<std::uint64_t>(kVersion)) {
        throw Malformed{"expected version 1 of a scan, found " + object.at("loupe_scan").dump()};
    }
    ScanHeader header;
    header.source = object.at("source").get<std::string>();
    header.fingerprint = object.at("fingerprint").get<std::string>();
    header.modified = object.at("modified").get<std::int64_t>();
    header.globs = object.at("globs").get<std::vector<std::string>>();
    header.statistics = object.at("statistics").get<bool>();
    header.schemes = object.at("schemes").get<std::vector<std::string>>();
    header.inputs = object.at("inputs").get<std::string>();
    header.part = smallOf(object, "part");
    header.parts = smallOf(object, "parts");
    header.tasks = wholeOf(object, "tasks");
    header.allTasks = wholeOf(object, "all_tasks");
    return header;
}

void readFlags(const json& list, ScanRow& row) {
    for (const json& entry : list) {
        const std::string id = entry.at("flag").get<std::string>();
        const FlagDefinition* definition = findTensorFlag(id);
        if (definition == nullptr) {
            throw Malformed{"no flag named '" + id + "'"};
        }
        row.flags.push_back({definition->flag, entry.at("detail").get<std::string>()});
    }
}

ScanRow rowFrom(const json& object) {
    ScanRow row;
    row.task = wholeOf(object, "task");
    row.tensor = object.at("tensor").get<std::string>();
    row.scheme = object.at("scheme").is_null() ? "" : object.at("scheme").get<std::string>();
    row.dtype = object.at("dtype").get<std::string>();
    row.rows = object.at("shape").at(0).get<std::int64_t>();
    row.cols = object.at("shape").at(1).get<std::int64_t>();
    row.seconds = realOf(object.at("seconds"));
    if (!object.at("error").is_null()) {
        row.error = Error{ErrorCode::Invalid, object.at("error").get<std::string>(), {}, {}};
        return row;
    }
    row.bitsPerWeight = realOf(object.at("bits_per_weight"));
    row.zeros = wholeOf(object, "zeros");
    for (const ScanMetric& metric : allScanMetrics()) {
        const json& metrics = object.at("metrics");
        const auto found = metrics.find(std::string(metric.id));
        if (found != metrics.end() && !found->is_null()) {
            row.metrics.emplace_back(metric.id, realOf(*found));
        }
    }
    if (row.scheme.empty()) {
        row.contentHash = object.at("content").get<std::string>();
        readFlags(object.at("flags"), row);
    }
    return row;
}

/// Runs a reader over one document and turns what it throws into an Error.
template <class T, class Read>
Result<T> parse(std::string_view text, const std::string& where, const Read& read) {
    try {
        const json document = json::parse(text.begin(), text.end(), nullptr, false);
        if (document.is_discarded() || !document.is_object()) {
            return fail(ErrorCode::Damaged, "expected a JSON object of a scan", where);
        }
        return read(document);
    } catch (const json::exception& problem) {
        return fail(ErrorCode::Damaged, std::string("not a scan: ") + problem.what(), where);
    } catch (const Malformed& problem) {
        return fail(ErrorCode::Damaged, "not a scan: " + problem.what, where);
    }
}

void sortByTask(std::vector<ScanRow>& rows) {
    std::stable_sort(rows.begin(), rows.end(), [](const ScanRow& a, const ScanRow& b) {
        return a.task < b.task;
    });
}

/// Lines of a ScanFile up to `end`, which is after a newline.
Result<ScanDocument> readLines(std::string_view text, const std::filesystem::path& path) {
    ScanDocument document;
    std::size_t begin = 0;
    bool isFirst = true;
    while (begin < text.size()) {
        const std::size_t end = text.find('\n', begin);
        if (end == std::string_view::npos) {
            break;  // cut off while it was written
        }
        const std::string_view line = text.substr(begin, end - begin);
        const std::string where = filePosition(path, begin);
        if (isFirst) {
            Result<ScanHeader> header = parse<ScanHeader>(line, where, headerFrom);
            if (!header) {
                return fail(header.error());
            }
            document.header = std::move(*header);
        } else {
            Result<ScanRow> row = parse<ScanRow>(line, where, rowFrom);
            if (!row) {
                return fail(row.error());
            }
            document.rows.push_back(std::move(*row));
        }
        isFirst = false;
        begin = end + 1;
    }
    if (isFirst) {
        return fail(ErrorCode::Damaged, "expected a scan, found no complete line", path.string());
    }
    sortByTask(document.rows);
    return document;
}

Result<std::string> textOf(const std::filesystem::path& path) {
    const Result<std::shared_ptr<const MappedFile>> file = MappedFile::open(path);
    if (!file) {
        return fail(file.error());
    }
    std::string text((*file)->size(), '\0');
    if (Result<void> read = (*file)->read(0, std::as_writable_bytes(std::span(text))); !read) {
        return fail(read.error());
    }
    return text;
}

/// Same scan, whatever part of it and whenever its files were copied.
bool isSameScan(const ScanHeader& a, const ScanHeader& b) {
    return a.fingerprint == b.fingerprint && a.globs == b.globs && a.statistics == b.statistics &&
           a.schemes == b.schemes && a.inputs == b.inputs && a.parts == b.parts &&
           a.allTasks == b.allTasks;
}

std::string difference(const ScanHeader& a, const ScanHeader& b) {
    if (a.fingerprint != b.fingerprint) {
        return "of a checkpoint with other tensors ('" + a.source + "', '" + b.source + "')";
    }
    if (a.schemes != b.schemes) {
        return "with other schemes";
    }
    if (a.globs != b.globs || a.statistics != b.statistics || a.allTasks != b.allTasks) {
        return "of another selection of tensors";
    }
    if (a.inputs != b.inputs) {
        return "with other activations or gradients";
    }
    if (a.parts != b.parts || a.part != b.part) {
        return "that is part " + std::to_string(b.part) + "/" + std::to_string(b.parts) + ", not " +
               std::to_string(a.part) + "/" + std::to_string(a.parts);
    }
    return "of files that have changed since";
}

/// The row as it is written, without what differs from run to run.
std::string figuresOf(ScanRow row) {
    row.seconds = 0;
    std::erase_if(row.flags,
                  [](const RaisedFlag& raised) { return raised.flag == TensorFlag::Duplicate; });
    JsonWriter out;
    writeScanRow(out, row);
    return out.text();
}

/// "part 2/4 has 3 of 7 rows; part 4/4 is not among them".
std::string whatIsMissing(const ScanHeader& first,
                          std::span<const ScanDocument> parts,
                          std::span<const std::string> names) {
    std::map<int, std::size_t> most;
    std::map<int, std::string> nameOf;
    std::map<int, std::size_t> wanted;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const ScanHeader& header = parts[i].header;
        std::size_t& count = most[header.part];
        count = std::max(count, parts[i].rows.size());
        nameOf[header.part] = names[i];
        wanted[header.part] = header.tasks;
    }
    constexpr int kMostNamed = 8;
    int named = 0;
    std::string text;
    const auto say = [&](const std::string& what) {
        if (++named <= kMostNamed) {
            text += (text.empty() ? "" : "; ") + what;
        } else if (named == kMostNamed + 1) {
            text += "; and others";
        }
    };
    for (int part = 1; part <= first.parts; ++part) {
        const std::string name = "part " + std::to_string(part) + "/" + std::to_string(first.parts);
        if (!most.contains(part)) {
            say(name + " is not given");
        } else if (most[part] < wanted[part]) {
            say(name + " (" + nameOf[part] + ") has " + std::to_string(most[part]) + " of " +
                std::to_string(wanted[part]) + " rows");
        }
    }
    return text;
}

}  // namespace

ScanHeader scanHeader(const TensorSource& source,
                      const ScanRequest& request,
                      const ScanPlan& plan,
                      std::string inputs) {
    ScanHeader header;
    header.source = source.info().title;
    header.fingerprint = fingerprintOf(source);
    header.modified = newestChange(source.info());
    header.globs = request.globs;
    header.statistics = request.statistics;
    for (const Scheme& scheme : request.schemes) {
        header.schemes.push_back(toString(scheme));
    }
    header.inputs = std::move(inputs);
    header.part = request.part;
    header.parts = request.parts;
    header.tasks = plan.tasks.size();
    header.allTasks = plan.allTasks;
    return header;
}

void writeScanHeader(JsonWriter& out, const ScanHeader& header) {
    out.beginObject().key("loupe_scan").value(kVersion).key("source").value(header.source);
    out.key("fingerprint").value(header.fingerprint).key("modified").value(header.modified);
    writeStrings(out, "globs", header.globs);
    out.key("statistics").value(header.statistics);
    writeStrings(out, "schemes", header.schemes);
    out.key("inputs").value(header.inputs).key("part").value(header.part);
    out.key("parts").value(header.parts).key("tasks").value(std::uint64_t{header.tasks});
    out.key("all_tasks").value(std::uint64_t{header.allTasks}).endObject();
}

void writeScanRow(JsonWriter& out, const ScanRow& row) {
    const bool isScheme = !row.scheme.empty();
    out.beginObject().key("task").value(std::uint64_t{row.task}).key("tensor").value(row.tensor);
    out.key("scheme");
    isScheme ? out.value(row.scheme) : out.null();
    out.key("dtype").value(row.dtype).key("shape").beginArray().value(row.rows).value(row.cols);
    out.endArray();
    if (row.error) {
        out.key("bits_per_weight").null().key("metrics").null().key("zeros").null();
    } else {
        out.key("bits_per_weight").value(row.bitsPerWeight).key("metrics").beginObject();
        for (const ScanMetric& metric : allScanMetrics()) {
            const auto found =
                std::find_if(row.metrics.begin(), row.metrics.end(), [&](const auto& entry) {
                    return entry.first == metric.id;
                });
            if (found != row.metrics.end()) {
                out.key(metric.id).value(found->second);
            } else if (isScheme && metric.ofScheme) {
                out.key(metric.id).null();
            }
        }
        out.endObject().key("zeros").value(row.zeros);
        if (!isScheme) {
            out.key("flags").beginArray();
            for (const RaisedFlag& raised : row.flags) {
                const FlagDefinition& definition = flagDefinition(raised.flag);
                out.beginObject().key("flag").value(definition.id).key("detail");
                out.value(raised.detail).key("guess").value(definition.isGuess).endObject();
            }
            out.endArray().key("content").value(row.contentHash);
        }
    }
    out.key("seconds").value(row.seconds).key("error");
    row.error ? out.value(row.error->message()) : out.null();
    out.endObject();
}

ScanFile::~ScanFile() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

Result<void> ScanFile::open(const std::filesystem::path& path,
                            const ScanHeader& header,
                            bool resume) {
    path_ = path;
    const int create = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | (resume ? 0 : O_EXCL);
    descriptor_ = ::open(path.c_str(), create, 0666);
    if (descriptor_ < 0) {
        const int code = errno;
        return fail(ErrorCode::Unreadable,
                    code == EEXIST ? "the file is there already"
                                   : "cannot open the file: " + systemMessage(code),
                    path.string(),
                    code == EEXIST ? "--resume FILE goes on with it" : "");
    }
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        return fail(ErrorCode::Unreadable, "another scan is writing to this file", path.string());
    }
    Result<std::string> text = resume ? textOf(path) : std::string();
    if (!text) {
        return fail(text.error());
    }
    if (std::string_view(*text).substr(0, kFirstLine.size()) !=
        kFirstLine.substr(0, text->size())) {
        return fail(ErrorCode::Invalid,
                    "expected the lines of a scan, found another file",
                    path.string(),
                    "give the file of an earlier --output or --resume, or a new name");
    }
    const std::size_t lastLine = text->rfind('\n');
    const std::size_t kept = lastLine == std::string::npos ? 0 : lastLine + 1;
    if (kept > 0) {
        Result<ScanDocument> there = readLines(*text, path);
        if (!there) {
            return fail(there.error());
        }
        if (!isSameScan(header, there->header) || header.part != there->header.part ||
            header.modified != there->header.modified) {
            return fail(ErrorCode::Invalid,
                        "the file holds a scan " + difference(header, there->header),
                        path.string(),
                        "give another file, or delete this one");
        }
        found_ = std::move(there->rows);
    }
    if (kept < text->size() && ::ftruncate(descriptor_, static_cast<off_t>(kept)) != 0) {
        return fail(
            ErrorCode::Unreadable, "cannot cut the file: " + systemMessage(errno), path.string());
    }
    if (kept > 0) {
        return {};
    }
    JsonWriter out;
    writeScanHeader(out, header);
    return write(out.text() + "\n");
}

Result<void> ScanFile::append(const ScanRow& row) {
    JsonWriter out;
    writeScanRow(out, row);
    return write(out.text() + "\n");
}

Result<void> ScanFile::write(const std::string& line) {
    std::size_t done = 0;
    while (done < line.size()) {
        const ssize_t wrote = ::write(descriptor_, line.data() + done, line.size() - done);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            return fail(
                ErrorCode::Unreadable, "cannot write: " + systemMessage(errno), path_.string());
        }
        done += static_cast<std::size_t>(wrote);
    }
    return {};
}

Result<ScanDocument> readScan(const std::filesystem::path& path) {
    const Result<std::string> text = textOf(path);
    return text ? parseScan(*text, path) : fail(text.error());
}

Result<ScanDocument> parseScan(std::string_view text, const std::filesystem::path& path) {
    if (text.substr(0, kFirstLine.size()) == kFirstLine) {
        return readLines(text, path);
    }
    return parse<ScanDocument>(text, path.string(), [](const json& object) {
        ScanDocument document;
        document.header = headerFrom(object.at("scan"));
        for (const json& row : object.at("rows")) {
            document.rows.push_back(rowFrom(row));
        }
        sortByTask(document.rows);
        return document;
    });
}

Result<ScanDocument> mergeScans(std::span<const ScanDocument> parts,
                                std::span<const std::string> names) {
    if (parts.empty()) {
        return fail(ErrorCode::Invalid, "no part is given");
    }
    const ScanHeader& first = parts.front().header;
    std::map<std::size_t, std::pair<const ScanRow*, std::size_t>> all;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (!isSameScan(first, parts[i].header)) {
            ScanHeader other = parts[i].header;
            other.part = first.part;
            return fail(ErrorCode::Invalid,
                        names[i] + " does not belong to " + names[0] + ": it holds a scan " +
                            difference(first, other));
        }
        for (const ScanRow& row : parts[i].rows) {
            const auto [found, isNew] = all.emplace(row.task, std::pair(&row, i));
            if (!isNew && figuresOf(*found->second.first) != figuresOf(row)) {
                return fail(ErrorCode::Invalid,
                            "tensor '" + row.tensor + "' has other figures in " + names[i] +
                                " than in " + names[found->second.second]);
            }
        }
    }
    if (all.size() < first.allTasks) {
        return fail(ErrorCode::Invalid,
                    "the parts hold " + std::to_string(all.size()) + " of " +
                        std::to_string(first.allTasks) +
                        " rows: " + whatIsMissing(first, parts, names));
    }
    if (!all.empty() && all.rbegin()->first >= first.allTasks) {
        return fail(ErrorCode::Damaged,
                    "a row beyond the scan's " + std::to_string(first.allTasks) + " in " +
                        names[all.rbegin()->second.second]);
    }
    ScanDocument merged;
    merged.header = first;
    merged.header.part = 1;
    merged.header.parts = 1;
    merged.header.tasks = first.allTasks;
    for (const auto& [task, row] : all) {
        merged.rows.push_back(*row.first);
    }
    markDuplicates(merged.rows);
    return merged;
}

}  // namespace loupe
