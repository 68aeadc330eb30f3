// SPDX-License-Identifier: Apache-2.0
// GGUF models of one file or of several parts. Only headers are read; rows come from the mapped
// files. Every part of a split file opens the whole.
#include "core/io/gguf.hpp"

#include "core/base/text.hpp"
#include "core/io/gguf_header.hpp"
#include "core/io/listing.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <unordered_set>

namespace loupe {

extern const Reader kReader_imatrix;

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kExtension = ".gguf";
/// Beyond so many warnings of one kind the rest is only counted.
constexpr int kNamedParts = 8;

Listing startListing(const ReadRequest& request) {
    Listing listing;
    listing.info.format = "gguf";
    listing.info.path = request.file->path();
    listing.info.title = request.file->path().filename().string();
    listing.info.config = request.config.text;
    return listing;
}

/// Adds a file and its tensors; `prefix` stands before the file's own warnings.
void addFile(Listing& listing,
             const std::shared_ptr<const MappedFile>& file,
             GgufHeader header,
             const std::string& prefix) {
    const auto index = static_cast<int>(listing.info.files.size());
    listing.info.files.push_back(file->path());
    listing.files.push_back(file);
    listing.bigEndian.push_back(header.bigEndian);
    for (TensorInfo& tensor : header.tensors) {
        tensor.file = index;
        listing.tensors.push_back(std::move(tensor));
    }
    for (const std::string& warning : header.warnings) {
        listing.info.warnings.push_back(prefix + warning);
    }
    if (index == 0) {
        listing.info.metadata = std::move(header.metadata);
    }
}

/// The configuration beside the file, and what the file says of experts itself.
ModelConfig configOf(const ReadRequest& request, const GgufHeader& header) {
    ModelConfig config = request.config;
    if (config.experts == 0) {
        const std::string architecture(header.value("general.architecture").value_or(""));
        constexpr std::int64_t kMostExperts = 1 << 20;
        config.experts = std::clamp<std::int64_t>(
            header.integer(architecture + ".expert_count").value_or(0), 0, kMostExperts);
    }
    return config;
}

/// The parts of one split model.
class Parts {
public:
    Parts(const ReadRequest& request, GgufPartName name, std::int64_t count)
        : request_(request),
          folder_(request.file->path().parent_path()),
          name_(std::move(name)),
          count_(static_cast<int>(count)),
          listing_(startListing(request)) {}

    Result<std::shared_ptr<const TensorSource>> open() {
        if (Result<void> first = addFirst(); !first) {
            return fail(first.error());
        }
        for (int number = 2; number <= count_; ++number) {
            addPart(number);
        }
        keepFirstOfEach();
        sayMissing();
        sayStrangers();
        checkTotal();
        return makeStoredSource(std::move(listing_), request_.options.layout, config_);
    }

private:
    [[nodiscard]] std::string fileName(int number) const {
        return ggufPartName(name_.prefix, number, name_.count);
    }

    Result<std::shared_ptr<const MappedFile>> map(int number) const {
        return number == name_.number ? Result<std::shared_ptr<const MappedFile>>(request_.file)
                                      : MappedFile::open(folder_ / fileName(number));
    }

    Result<void> addFirst() {
        const auto file = map(1);
        Result<GgufHeader> header =
            file ? readGgufHeader(**file) : Result<GgufHeader>(fail(file.error()));
        if (!header) {
            Error error = header.error();
            error.what = "the first part of the split model, " + fileName(1) +
                         ", describes it and cannot be read: " + error.what;
            return fail(std::move(error));
        }
        if (header->integer("split.no").value_or(0) != 0) {
            return fail(ErrorCode::Damaged,
                        "GGUF: expected split.no = 0 in the first part, found " +
                            std::string(*header->value("split.no")),
                        (*file)->path().string());
        }
        total_ = header->integer("split.tensors.count");
        config_ = configOf(request_, *header);
        sayCounts(*header, fileName(1));
        addFile(listing_, *file, std::move(*header), "");
        return {};
    }

    void addPart(int number) {
        const std::string name = fileName(number);
        const auto file = map(number);
        Result<GgufHeader> header =
            file ? readGgufHeader(**file) : Result<GgufHeader>(fail(file.error()));
        if (!header) {
            if (missing_++ < kNamedParts) {
                listing_.info.warnings.push_back(
                    "part " + name +
                    " cannot be read, its tensors are absent: " + header.error().message());
            }
            return;
        }
        const std::optional<std::int64_t> no = header->integer("split.no");
        if (no != number - 1) {
            listing_.info.warnings.push_back(
                "part " + name + " should have split.no = " + std::to_string(number - 1) +
                ", it has " + (no ? std::to_string(*no) : "none"));
        }
        sayCounts(*header, name);
        addFile(listing_, *file, std::move(*header), name + ": ");
    }

    void sayCounts(const GgufHeader& header, const std::string& name) {
        const std::optional<std::int64_t> count = header.integer("split.count");
        if (count != name_.count) {
            listing_.info.warnings.push_back(
                "part " + name + " should have split.count = " + std::to_string(name_.count) +
                ", it has " + (count ? std::to_string(*count) : "none"));
        }
        const std::optional<std::int64_t> total = header.integer("split.tensors.count");
        if (total != total_) {
            listing_.info.warnings.push_back("part " + name + " counts " +
                                             (total ? std::to_string(*total) : "no") +
                                             " tensors of the model, the first part " +
                                             (total_ ? std::to_string(*total_) : "none"));
        }
    }

    void keepFirstOfEach() {
        std::vector<TensorInfo> kept;
        kept.reserve(listing_.tensors.size());  // no reallocation: `seen` points into short names
        std::unordered_set<std::string_view> seen;
        std::size_t twice = 0;
        std::string example;
        for (TensorInfo& tensor : listing_.tensors) {
            if (seen.count(tensor.name) != 0) {
                example = twice++ == 0 ? tensor.name : example;
                continue;
            }
            seen.insert(kept.emplace_back(std::move(tensor)).name);
        }
        if (twice > 0) {
            listing_.info.warnings.push_back(std::to_string(twice) +
                                             " tensors occur in several parts, such as " + example +
                                             "; the first counts");
        }
        listing_.tensors = std::move(kept);
    }

    void sayMissing() {
        if (missing_ > kNamedParts) {
            listing_.info.warnings.push_back(std::to_string(missing_ - kNamedParts) +
                                             " parts more cannot be read");
        }
    }

    /// Files that are named as parts of the same model, but not among 1..count.
    void sayStrangers() {
        std::vector<std::string> names;
        std::error_code error;
        for (fs::directory_iterator entry(folder_.empty() ? fs::path(".") : folder_, error), end;
             !error && entry != end;
             entry.increment(error)) {
            const std::string name = entry->path().filename().string();
            const auto part = parseGgufPartName(name);
            if (part && part->prefix == name_.prefix &&
                (part->count != name_.count || part->number > name_.count)) {
                names.push_back(name);
            }
        }
        std::sort(names.begin(), names.end());
        for (const std::string& name : names) {
            listing_.info.warnings.push_back("the extra part " + name +
                                             " was not read: the model has " +
                                             std::to_string(name_.count) + " parts");
        }
    }

    void checkTotal() {
        const auto found = static_cast<std::int64_t>(listing_.tensors.size());
        if (total_ && *total_ != found) {
            listing_.info.warnings.push_back("the model should have " + std::to_string(*total_) +
                                             " tensors, the parts hold " + std::to_string(found));
        }
    }

    const ReadRequest& request_;
    fs::path folder_;
    GgufPartName name_;
    int count_;
    Listing listing_;
    ModelConfig config_;
    std::optional<std::int64_t> total_;
    int missing_ = 0;
};

Result<std::shared_ptr<const TensorSource>> openOne(const ReadRequest& request,
                                                    GgufHeader header,
                                                    const std::string& warning) {
    Listing listing = startListing(request);
    const ModelConfig config = configOf(request, header);
    addFile(listing, request.file, std::move(header), "");
    if (!warning.empty()) {
        listing.info.warnings.push_back(warning);
    }
    return makeStoredSource(std::move(listing), request.options.layout, config);
}

Confidence probe(const Candidate& candidate) {
    constexpr std::string_view kMagic = "GGUF";
    constexpr std::string_view kReversed = "FUGG";
    const std::string_view head(reinterpret_cast<const char*>(candidate.head.data()),
                                std::min<std::size_t>(candidate.head.size(), kMagic.size()));
    return head == kMagic || head == kReversed ? Confidence::Yes : Confidence::No;
}

Result<std::shared_ptr<const TensorSource>> open(const ReadRequest& request) {
    Result<GgufHeader> header = readGgufHeader(*request.file);
    if (!header) {
        return fail(header.error());
    }
    if (header->value("general.type") == std::string_view("imatrix")) {
        return kReader_imatrix.open(request);
    }
    const std::string name = request.file->path().filename().string();
    const auto part = parseGgufPartName(name);
    const std::int64_t count = header->integer("split.count").value_or(0);
    if (part && (count > 1 || part->number > 1)) {
        return Parts(request, *part, part->count).open();
    }
    std::string warning;
    if (count > 1) {
        warning = "this is part " + std::to_string(header->integer("split.no").value_or(0) + 1) +
                  " of " + std::to_string(count) + "; the others are found only under names like " +
                  ggufPartName("NAME", 1, static_cast<int>(std::min<std::int64_t>(count, 99999)));
    }
    return openOne(request, std::move(*header), warning);
}

/// Is the file an importance matrix rather than weights?
bool isImportance(const fs::path& path) {
    const auto file = MappedFile::open(path);
    const Result<GgufHeader> header =
        file ? readGgufHeader(**file) : Result<GgufHeader>(fail(file.error()));
    return header && header->value("general.type") == std::string_view("imatrix");
}

}  // namespace

std::optional<GgufPartName> parseGgufPartName(const std::string& fileName) {
    // PREFIX-NNNNN-of-NNNNN.gguf
    constexpr std::size_t kTail = 20;
    constexpr std::size_t kDigits = 5;
    if (fileName.size() <= kTail) {
        return std::nullopt;
    }
    const std::string_view tail = std::string_view(fileName).substr(fileName.size() - kTail);
    const auto digits = [tail](std::size_t at) -> std::optional<std::int64_t> {
        const std::string_view text = tail.substr(at, kDigits);
        return text.find_first_not_of("0123456789") == std::string_view::npos ? parseInteger(text)
                                                                              : std::nullopt;
    };
    const auto number = digits(1);
    const auto count = digits(10);
    if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || tail.substr(15) != kExtension || !number ||
        !count || *number < 1 || *count < 1) {
        return std::nullopt;
    }
    return GgufPartName{fileName.substr(0, fileName.size() - kTail),
                        static_cast<int>(*number),
                        static_cast<int>(*count)};
}

std::string ggufPartName(const std::string& prefix, int number, int count) {
    const auto five = [](int value) {
        const std::string digits = std::to_string(value);
        return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
    };
    return prefix + "-" + five(number) + "-of-" + five(count) + std::string(kExtension);
}

Result<std::shared_ptr<const TensorSource>> openGgufFolder(std::vector<fs::path> files,
                                                           const OpenOptions& options,
                                                           ModelConfig config) {
    std::sort(files.begin(), files.end());
    std::map<std::string, std::vector<fs::path>> models;  // parts of one model stand together
    for (const fs::path& path : files) {
        const std::string name = path.filename().string();
        const auto part = parseGgufPartName(name);
        models[part ? part->prefix + "-*-of-*" + std::string(kExtension) : name].push_back(path);
    }
    for (auto model = models.begin(); models.size() > 1 && model != models.end();) {
        model = isImportance(model->second.front()) ? models.erase(model) : std::next(model);
    }
    if (models.size() > 1) {
        std::string names;
        for (const auto& [name, paths] : models) {
            names += (names.empty() ? "" : ", ") + name;
        }
        return fail(ErrorCode::Unsupported,
                    "expected one GGUF model in the folder, found " +
                        std::to_string(models.size()) + ": " + names,
                    files.front().parent_path().string(),
                    "open one of the files");
    }
    auto file = MappedFile::open(models.begin()->second.front());
    return file ? openFile({*file, options, std::move(config)}) : fail(file.error());
}

std::vector<bool> ggufTextValues(const SourceInfo& info) {
    if (info.format != "gguf" || info.files.empty()) {
        return {};
    }
    const auto file = MappedFile::open(info.files.front());
    const Result<GgufHeader> header =
        file ? readGgufHeader(**file) : Result<GgufHeader>(fail(file.error()));
    if (!header || header->metadata != info.metadata) {
        return {};
    }
    std::vector<bool> text;
    text.reserve(header->types.size());
    for (const GgufType type : header->types) {
        text.push_back(type == GgufType::String);
    }
    return text;
}

extern const Reader kReader_gguf;
const Reader kReader_gguf{"gguf", kExtension, &probe, &open};

}  // namespace loupe
