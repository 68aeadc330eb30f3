// SPDX-License-Identifier: Apache-2.0
// Checkpoints of several files: an index that maps tensors to shards, and folders.
#include "core/base/text.hpp"
#include "core/io/gguf.hpp"
#include "core/io/reader.hpp"
#include "core/io/safetensors_header.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace loupe {

namespace {

namespace ondemand = simdjson::ondemand;
namespace fs = std::filesystem;

constexpr std::uint64_t kMaxIndexBytes = 256 << 20;

bool endsWith(std::string_view text, std::string_view suffix) {
    return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

/// A name that cannot lead out of its folder.
bool isPlainName(std::string_view name) {
    return !name.empty() && name != "." && name != ".." &&
           name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

/// What an index says of one tensor. Views point into the parser's buffer.
struct Mapped {
    std::string_view name;
    std::uint32_t shard = 0;
    bool found = false;
};

/// Adds the tensors of one file of several: safetensors to the listing itself, others through a
/// source of their own.
Result<void> listFile(const std::shared_ptr<const MappedFile>& file,
                      int fileIndex,
                      const OpenOptions& options,
                      const ModelConfig& config,
                      Listing& listing) {
    const Reader* reader = chooseReader(*file);
    if (reader == nullptr || reader->id == "safetensors" || reader->id == "csv") {
        return listSafetensors(*file, fileIndex, listing);
    }
    Result<std::shared_ptr<const TensorSource>> opened = openFile({file, options, config});
    if (!opened) {
        return fail(opened.error());
    }
    const SourceInfo& info = (*opened)->info();
    listing.info.format = info.format;
    listing.sources.resize(static_cast<std::size_t>(fileIndex) + 1);
    listing.sources.back() = *opened;
    for (const std::string& warning : info.warnings) {
        listing.info.warnings.push_back(file->path().filename().string() + ": " + warning);
    }
    listing.info.metadata.insert(
        listing.info.metadata.end(), info.metadata.begin(), info.metadata.end());
    for (const TensorInfo& tensor : (*opened)->tensors()) {
        listing.tensors.push_back(tensor);
        listing.tensors.back().file = fileIndex;
    }
    return {};
}

/// "model-00002-of-00005.bin" as 2 of 5 of "model-" ... ".bin".
struct ShardName {
    std::string family;
    std::int64_t number = 0;
    std::int64_t count = 0;
};

std::optional<ShardName> parseShardName(const std::string& name) {
    constexpr std::size_t kDigits = 5;
    constexpr std::string_view kOf = "-of-";
    const std::size_t of = name.find(kOf);
    if (of == std::string::npos || of < kDigits || name.size() < of + kOf.size() + kDigits) {
        return std::nullopt;
    }
    const auto number = parseInteger(std::string_view(name).substr(of - kDigits, kDigits));
    const auto count = parseInteger(std::string_view(name).substr(of + kOf.size(), kDigits));
    if (!number || !count) {
        return std::nullopt;
    }
    return ShardName{name.substr(0, of - kDigits) + "*" + name.substr(of + kOf.size() + kDigits),
                     *number,
                     *count};
}

/// Without an index the names say how many shards there should be.
void tellMissingShards(const std::vector<fs::path>& paths, Listing& listing) {
    std::map<std::pair<std::string, std::int64_t>, std::set<std::int64_t>> found;
    for (const fs::path& path : paths) {
        if (const auto shard = parseShardName(path.filename().string())) {
            found[{shard->family, shard->count}].insert(shard->number);
        }
    }
    constexpr std::int64_t kMostTold = 8;
    for (const auto& [family, numbers] : found) {
        std::string missing;
        std::int64_t lost = 0;
        const std::int64_t count = family.second;
        for (std::int64_t n = 1; n <= count && lost <= kMostTold; ++n) {
            if (numbers.count(n) == 0 && lost++ < kMostTold) {
                missing += (missing.empty() ? "" : ", ") + std::to_string(n);
            }
        }
        if (lost > 0) {
            listing.info.warnings.push_back("of the " + std::to_string(count) + " shards " +
                                            family.first + " these are missing: " + missing +
                                            (lost > kMostTold ? ", ..." : ""));
        }
        if (*numbers.begin() < 1 || *numbers.rbegin() > count) {
            listing.info.warnings.push_back("shards " + family.first +
                                            " have numbers outside of 1 to " +
                                            std::to_string(count));
        }
    }
    if (found.size() > 1) {
        listing.info.warnings.push_back("the folder holds shards of " +
                                        std::to_string(found.size()) +
                                        " different sets; all were read");
    }
}

/// Files that are named like shards and that the index does not name.
void tellUnnamedShards(const fs::path& folder, Listing& listing) {
    std::set<std::string> named;
    std::set<std::string> extensions;
    for (const fs::path& path : listing.info.files) {
        named.insert(path.filename().string());
        extensions.insert(path.extension().string());
    }
    std::set<std::string> extra;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (parseShardName(name) && named.count(name) == 0 &&
            extensions.count(entry->path().extension().string()) != 0) {
            extra.insert(name);
        }
    }
    if (!extra.empty()) {
        listing.info.warnings.push_back(
            std::to_string(extra.size()) + (extra.size() == 1 ? " file is" : " files are") +
            " named like a shard but not in the index and not read, such as " + *extra.begin());
    }
}

class IndexReader {
public:
    IndexReader(const MappedFile& index,
                Listing& listing,
                const OpenOptions& options,
                const ModelConfig& config)
        : index_(index), listing_(listing), options_(options), config_(config) {}

    Result<void> run() {
        if (Result<void> parsed = parse(); !parsed) {
            return parsed;
        }
        listShards();
        place();
        addMissing();
        checkTotal();
        tellUnnamedShards(index_.path().parent_path(), listing_);
        return {};
    }

private:
    Result<void> parse() {
        const std::string where = index_.path().string();
        if (index_.size() > kMaxIndexBytes) {
            return fail(ErrorCode::Unsupported,
                        "index: expected at most 256 MiB, found " + std::to_string(index_.size()) +
                            " bytes",
                        where);
        }
        text_ = std::make_unique_for_overwrite<char[]>(index_.size() + simdjson::SIMDJSON_PADDING);
        std::fill_n(text_.get() + index_.size(), simdjson::SIMDJSON_PADDING, ' ');
        if (Result<void> read =
                index_.read(0, {reinterpret_cast<std::byte*>(text_.get()), index_.size()});
            !read) {
            return read;
        }
        const simdjson::padded_string_view view(
            text_.get(), index_.size(), index_.size() + simdjson::SIMDJSON_PADDING);
        ondemand::document document;
        auto error = parser_.iterate(view).get(document);
        const bool iterating =
            error == simdjson::SUCCESS;  // a document that was refused as a whole has no place
        if (iterating) {
            error = walk(document);
        }
        if (error == simdjson::SUCCESS &&
            document.current_location().error() != simdjson::OUT_OF_BOUNDS) {
            error = simdjson::TRAILING_CONTENT;
        }
        if (error != simdjson::SUCCESS) {
            const char* location = nullptr;
            const bool known = iterating &&
                               document.current_location().get(location) == simdjson::SUCCESS &&
                               location >= text_.get() && location <= text_.get() + index_.size();
            return fail(ErrorCode::Damaged,
                        std::string("index: expected a JSON object with a weight_map of tensor "
                                    "names to file names, found ") +
                            simdjson::error_message(error),
                        filePosition(index_.path(),
                                     known ? static_cast<std::uint64_t>(location - text_.get())
                                           : index_.size()));
        }
        if (!hasMap_) {
            return fail(ErrorCode::Damaged, "index: expected a weight_map, found none", where);
        }
        return {};
    }

    simdjson::error_code walk(ondemand::document& document) {
        ondemand::object root;
        if (auto error = document.get_object().get(root); error != simdjson::SUCCESS) {
            return error;
        }
        for (auto item : root) {
            ondemand::field field;
            std::string_view key;
            auto error = std::move(item).get(field);
            if (error == simdjson::SUCCESS) {
                error = field.unescaped_key().get(key);
            }
            if (error == simdjson::SUCCESS && key == "weight_map") {
                error = walkMap(field);
            } else if (error == simdjson::SUCCESS && key == "metadata") {
                error = walkMetadata(field);
            }
            if (error != simdjson::SUCCESS) {
                return error;
            }
        }
        return simdjson::SUCCESS;
    }

    simdjson::error_code walkMap(ondemand::field& parent) {
        ondemand::object map;
        hasMap_ = true;
        if (auto error = parent.value().get_object().get(map); error != simdjson::SUCCESS) {
            return error;
        }
        for (auto item : map) {
            ondemand::field field;
            std::string_view name;
            std::string_view shard;
            auto error = std::move(item).get(field);
            if (error == simdjson::SUCCESS) {
                error = field.unescaped_key().get(name);
            }
            if (error == simdjson::SUCCESS) {
                error = field.value().get_string().get(shard);
            }
            if (error != simdjson::SUCCESS) {
                return error;
            }
            const auto [known, isNew] =
                shardOf_.try_emplace(shard, static_cast<std::uint32_t>(shards_.size()));
            if (isNew) {
                shards_.push_back(shard);
            }
            if (positionOf_.try_emplace(name, mapped_.size()).second) {
                mapped_.push_back({name, known->second, false});
            } else {
                listing_.info.warnings.push_back("the index names " + std::string(name) +
                                                 " twice; the first counts");
            }
        }
        return simdjson::SUCCESS;
    }

    simdjson::error_code walkMetadata(ondemand::field& parent) {
        ondemand::object object;
        if (parent.value().get_object().get(object) != simdjson::SUCCESS) {
            return simdjson::INCORRECT_TYPE;
        }
        for (auto item : object) {
            ondemand::field field;
            std::string_view key;
            std::string_view text;
            auto error = std::move(item).get(field);
            if (error == simdjson::SUCCESS) {
                error = field.unescaped_key().get(key);
            }
            if (error == simdjson::SUCCESS) {
                error = simdjson::to_json_string(field.value()).get(text);
            }
            if (error != simdjson::SUCCESS) {
                return error;
            }
            text = trim(text);
            if (key == "total_size") {
                totalSize_ = parseInteger(text);
            }
            if (text.size() >= 2 && text.front() == '"') {
                text = text.substr(1, text.size() - 2);
            }
            listing_.info.metadata.emplace_back(key, text);
        }
        return simdjson::SUCCESS;
    }

    void listShards() {
        // In the order of their names, whatever the order of the map.
        std::vector<std::uint32_t> order(shards_.size());
        for (std::uint32_t i = 0; i < order.size(); ++i) {
            order[i] = i;
        }
        std::sort(order.begin(), order.end(), [this](std::uint32_t a, std::uint32_t b) {
            return shards_[a] < shards_[b];
        });
        fileOf_.resize(shards_.size());
        problems_.resize(shards_.size());
        for (const std::uint32_t shard : order) {
            fileOf_[shard] = static_cast<int>(listing_.info.files.size());
            const fs::path path =
                index_.path().parent_path() /
                fs::path(std::string(isPlainName(shards_[shard]) ? shards_[shard] : "?"));
            listing_.info.files.push_back(path);
            listing_.files.push_back(nullptr);
            problems_[shard] = listShard(shards_[shard], path, fileOf_[shard]);
            if (problems_[shard]) {
                listing_.info.warnings.push_back("shard " + std::string(shards_[shard]) + ": " +
                                                 problems_[shard]->message());
            }
        }
    }

    std::optional<Error> listShard(std::string_view name, const fs::path& path, int fileIndex) {
        if (!isPlainName(name)) {
            return Error{
                ErrorCode::Damaged,
                "expected the name of a file beside the index, found \"" + std::string(name) + "\"",
                index_.path().string(),
                {}};
        }
        auto file = MappedFile::open(path);
        if (!file) {
            return file.error();
        }
        const std::size_t before = listing_.tensors.size();
        const std::size_t metadata = listing_.info.metadata.size();
        listing_.files.back() = *file;
        if (Result<void> listed = listFile(*file, fileIndex, options_, config_, listing_);
            !listed) {
            listing_.tensors.resize(before);
            return listed.error();
        }
        if (fileIndex > 0) {
            listing_.info.metadata.resize(metadata);  // every shard repeats the same
        }
        return std::nullopt;
    }

    /// Compares what the shards hold with what the index says.
    void place() {
        const auto entryOf = [this](const TensorInfo& tensor) -> Mapped* {
            const auto found = positionOf_.find(tensor.name);
            return found == positionOf_.end() ? nullptr : &mapped_[found->second];
        };
        for (const TensorInfo& tensor : listing_.tensors) {
            if (Mapped* entry = entryOf(tensor);
                entry != nullptr && fileOf_[entry->shard] == tensor.file) {
                entry->found = true;
            }
        }
        std::vector<TensorInfo> kept;
        kept.reserve(listing_.tensors.size() + mapped_.size());
        std::unordered_set<std::string> extra;
        for (TensorInfo& tensor : listing_.tensors) {
            Mapped* entry = entryOf(tensor);
            const std::string file =
                listing_.info.files[static_cast<std::size_t>(tensor.file)].filename().string();
            if (entry == nullptr) {
                if (!extra.insert(tensor.name).second) {
                    listing_.info.warnings.push_back("tensor " + tensor.name + " of " + file +
                                                     " occurs twice; the first counts");
                    continue;
                }
            } else if (fileOf_[entry->shard] != tensor.file) {
                listing_.info.warnings.push_back("tensor " + tensor.name + " is in " + file +
                                                 ", but the index says " +
                                                 std::string(shards_[entry->shard]));
                if (entry->found) {
                    continue;
                }
                entry->found = true;
            }
            kept.push_back(std::move(tensor));
        }
        if (!extra.empty()) {
            listing_.info.warnings.push_back(std::to_string(extra.size()) +
                                             " tensors are not in the index, such as " +
                                             *std::min_element(extra.begin(), extra.end()));
        }
        listing_.tensors = std::move(kept);
    }

    void addMissing() {
        for (const Mapped& entry : mapped_) {
            if (entry.found) {
                continue;
            }
            TensorInfo& tensor = listing_.tensors.emplace_back();
            tensor.name = entry.name;
            tensor.dtypeName = "unknown";
            tensor.file = fileOf_[entry.shard];
            const std::optional<Error>& problem = problems_[entry.shard];
            tensor.problem =
                problem ? Error{problem->code,
                                "tensor \"" + tensor.name +
                                    "\": its shard cannot be read: " + problem->what,
                                problem->where,
                                problem->hint}
                        : Error{ErrorCode::Damaged,
                                "tensor \"" + tensor.name +
                                    "\": expected in the shard that the index names, found no such "
                                    "tensor there",
                                listing_.info.files[static_cast<std::size_t>(tensor.file)].string(),
                                {}};
        }
    }

    void checkTotal() {
        const bool complete = std::none_of(problems_.begin(),
                                           problems_.end(),
                                           [](const auto& problem) { return problem.has_value(); });
        if (!totalSize_ || !complete) {
            return;
        }
        SourceInfo total;
        addTotals(total, listing_.tensors);
        if (total.bytes != static_cast<std::uint64_t>(*totalSize_)) {
            listing_.info.warnings.push_back("the index says " + std::to_string(*totalSize_) +
                                             " bytes of tensors, the shards hold " +
                                             std::to_string(total.bytes));
        }
    }

    const MappedFile& index_;
    Listing& listing_;
    const OpenOptions& options_;
    const ModelConfig& config_;
    std::unique_ptr<char[]> text_;
    ondemand::parser parser_;
    std::vector<std::string_view> shards_;
    std::unordered_map<std::string_view, std::uint32_t> shardOf_;
    std::vector<Mapped> mapped_;
    std::unordered_map<std::string_view, std::size_t> positionOf_;
    std::vector<int> fileOf_;
    std::vector<std::optional<Error>> problems_;
    std::optional<std::int64_t> totalSize_;
    bool hasMap_ = false;
};

Listing startListing(const fs::path& path, std::string title) {
    Listing listing;
    listing.info.format = "safetensors";
    listing.info.path = path;
    listing.info.title = std::move(title);
    return listing;
}

Result<std::shared_ptr<const TensorSource>> openIndexed(const MappedFile& index,
                                                        Listing listing,
                                                        const OpenOptions& options,
                                                        const ModelConfig& config) {
    if (Result<void> read = IndexReader(index, listing, options, config).run(); !read) {
        return fail(read.error());
    }
    listing.info.config = config.text;
    return makeStoredSource(std::move(listing), options.layout, config);
}

/// Several files and no index: everything, each name once. One damaged file is a warning while
/// another can be read.
Result<std::shared_ptr<const TensorSource>> openAll(const std::vector<fs::path>& paths,
                                                    Listing listing,
                                                    const OpenOptions& options,
                                                    const ModelConfig& config) {
    std::optional<Error> firstError;
    if (paths.size() > 1) {
        listing.info.warnings.push_back("no index: all " + std::to_string(paths.size()) + " " +
                                        paths.front().extension().string() +
                                        " files of the folder were read");
        tellMissingShards(paths, listing);
    }
    for (const fs::path& path : paths) {
        auto file = MappedFile::open(path);
        const std::size_t before = listing.tensors.size();
        Result<void> listed =
            file ? listFile(
                       *file, static_cast<int>(listing.info.files.size()), options, config, listing)
                 : Result<void>(fail(file.error()));
        if (!listed) {
            listing.tensors.resize(before);
            listing.info.warnings.push_back(listed.error().message());
            firstError = firstError ? firstError : std::optional(listed.error());
            continue;
        }
        listing.info.files.push_back(path);
        listing.files.push_back(*file);
    }
    if (listing.files.empty() && firstError) {
        return fail(*firstError);
    }
    std::unordered_set<std::string_view> seen;
    std::vector<TensorInfo> kept;
    kept.reserve(listing.tensors.size());  // no reallocation: `seen` points into short names
    for (TensorInfo& tensor : listing.tensors) {
        if (seen.count(tensor.name) != 0) {
            listing.info.warnings.push_back("tensor " + tensor.name +
                                            " occurs in several files; the first counts");
            continue;
        }
        seen.insert(kept.emplace_back(std::move(tensor)).name);
    }
    listing.tensors = std::move(kept);
    listing.info.config = config.text;
    return makeStoredSource(std::move(listing), options.layout, config);
}

/// Data for a model rather than its weights: what `loupe activations` writes lies beside the
/// weights.
bool isCompanion(const std::string& name) {
    return name.rfind("activations", 0) == 0 || name.rfind("gradients", 0) == 0;
}

/// What a training run leaves beside a model.
bool isTrainingState(const std::string& name) {
    constexpr std::array<std::string_view, 6> kStarts{
        "training_args", "optimizer", "scheduler", "rng_state", "scaler", "random_states"};
    return std::any_of(kStarts.begin(), kStarts.end(), [&](std::string_view start) {
        return name.starts_with(start);
    });
}

struct FolderFiles {
    std::vector<fs::path> safetensors;
    std::vector<fs::path> indices;
    std::vector<fs::path> gguf;
    std::vector<fs::path> pytorch;
    std::vector<fs::path> pytorchIndices;
    std::vector<fs::path> onnx;
    std::vector<fs::path> npz;
};

/// `.bin` is the end of many names: PyTorch's are known by their first bytes.
bool isPytorchFile(const fs::path& path) {
    const auto file = MappedFile::open(path);
    bool sure = false;
    const Reader* reader = file ? chooseReader(**file, &sure) : nullptr;
    return sure && reader != nullptr && reader->id == "pytorch";
}

Result<FolderFiles> scanFolder(const fs::path& folder) {
    FolderFiles files;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (endsWith(name, ".safetensors.index.json")) {
            files.indices.push_back(entry->path());
        } else if (endsWith(name, ".safetensors") && !isCompanion(name)) {
            files.safetensors.push_back(entry->path());
        } else if (endsWith(toLower(name), ".gguf")) {
            files.gguf.push_back(entry->path());
        } else if (endsWith(name, ".bin.index.json") || endsWith(name, ".pt.index.json") ||
                   endsWith(name, ".pth.index.json")) {
            files.pytorchIndices.push_back(entry->path());
        } else if (endsWith(name, ".onnx")) {
            files.onnx.push_back(entry->path());
        } else if (endsWith(name, ".npz") && !isCompanion(name)) {
            files.npz.push_back(entry->path());
        } else if ((endsWith(name, ".bin") || endsWith(name, ".pt") || endsWith(name, ".pth") ||
                    endsWith(name, ".ckpt")) &&
                   !isTrainingState(name) && !isCompanion(name)) {
            files.pytorch.push_back(entry->path());
        }
    }
    if (error) {
        return fail(
            ErrorCode::Unreadable, "cannot list the folder: " + error.message(), folder.string());
    }
    std::sort(files.safetensors.begin(), files.safetensors.end());
    std::sort(files.indices.begin(), files.indices.end());
    std::sort(files.pytorch.begin(), files.pytorch.end());
    std::sort(files.onnx.begin(), files.onnx.end());
    std::sort(files.npz.begin(), files.npz.end());
    return files;
}

const fs::path* named(const std::vector<fs::path>& paths, const char* name) {
    const auto found = std::find_if(paths.begin(), paths.end(), [name](const fs::path& path) {
        return path.filename() == name;
    });
    return found == paths.end() ? nullptr : &*found;
}

/// What lies in a folder without safetensors, for messages.
std::string kindsOf(const FolderFiles& files) {
    std::string text;
    for (const auto& [count, kind] : {std::pair{files.gguf.size(), "GGUF"},
                                      std::pair{files.pytorch.size(), "PyTorch"},
                                      std::pair{files.onnx.size(), "ONNX"},
                                      std::pair{files.npz.size(), ".npz"}}) {
        if (count > 0) {
            text += text.empty() ? "" : ", ";
            text += std::to_string(count) + " " + kind;
        }
    }
    return text;
}

/// A folder without safetensors: PyTorch's index, or the only kind of file that there is.
Result<std::shared_ptr<const TensorSource>> openOther(const fs::path& folder,
                                                      FolderFiles files,
                                                      Listing listing,
                                                      const OpenOptions& options,
                                                      const ModelConfig& config) {
    const fs::path* index = named(files.pytorchIndices, "pytorch_model.bin.index.json");
    if (index == nullptr && files.pytorchIndices.size() == 1) {
        index = &files.pytorchIndices.front();
    }
    if (index != nullptr) {
        const auto file = MappedFile::open(*index);
        return file ? openIndexed(**file, std::move(listing), options, config) : fail(file.error());
    }
    const bool namedSo = !files.pytorch.empty();
    std::erase_if(files.pytorch, [](const fs::path& path) { return !isPytorchFile(path); });
    const int kinds = (files.gguf.empty() ? 0 : 1) + (files.pytorch.empty() ? 0 : 1) +
                      (files.onnx.empty() ? 0 : 1) + (files.npz.empty() ? 0 : 1);
    const fs::path* whole = named(files.pytorch, "pytorch_model.bin");
    const bool several = files.onnx.size() > 1 || files.npz.size() > 1;
    if (kinds == 0) {
        return fail(
            namedSo ? ErrorCode::Unsupported : ErrorCode::NotFound,
            std::string("expected a model in the folder (.safetensors, an index, GGUF, "
                        "PyTorch, ONNX), found ") +
                (namedSo ? "only files that are named like PyTorch's and are none" : "none"),
            folder.string());
    }
    if (kinds > 1 || several) {
        return fail(ErrorCode::Unsupported,
                    "expected one model in the folder, found " + kindsOf(files) + " files",
                    folder.string(),
                    "open one of the files");
    }
    if (!files.gguf.empty()) {
        return openGgufFolder(files.gguf, options, config);
    }
    if (!files.pytorch.empty()) {
        if (whole != nullptr && files.pytorch.size() > 1) {
            listing.info.warnings.push_back("only pytorch_model.bin was read; " +
                                            std::to_string(files.pytorch.size() - 1) +
                                            " other PyTorch files lie beside it");
        }
        return openAll(whole != nullptr ? std::vector{*whole} : files.pytorch,
                       std::move(listing),
                       options,
                       config);
    }
    const auto file = MappedFile::open(files.onnx.empty() ? files.npz.front() : files.onnx.front());
    return file ? openFile({*file, options, config}) : fail(file.error());
}

}  // namespace

bool looksLikeShardedIndex(std::string_view head) {
    const std::string_view text = trim(head);
    return !text.empty() && text.front() == '{' &&
           text.find("\"weight_map\"") != std::string_view::npos;
}

Result<std::shared_ptr<const TensorSource>> openShardedIndex(
    const std::shared_ptr<const MappedFile>& index, const OpenOptions& options) {
    Listing listing = startListing(index->path(), index->path().filename().string());
    const ModelConfig config =
        readModelConfig(index->path().parent_path() / "config.json", listing.info.warnings);
    return openIndexed(*index, std::move(listing), options, config);
}

Result<std::shared_ptr<const TensorSource>> openModelFolder(const fs::path& folder,
                                                            const OpenOptions& options) {
    const Result<FolderFiles> files = scanFolder(folder);
    if (!files) {
        return fail(files.error());
    }
    const fs::path title = folder.has_filename() ? folder : folder.parent_path();
    Listing listing = startListing(folder, title.filename().string());
    const ModelConfig config = readModelConfig(folder / "config.json", listing.info.warnings);
    const fs::path* index = named(files->indices, "model.safetensors.index.json");
    const fs::path* single = named(files->safetensors, "model.safetensors");
    if (index == nullptr && single == nullptr && files->indices.size() == 1) {
        index = &files->indices.front();
    }
    if (index != nullptr) {
        auto file = MappedFile::open(*index);
        return file ? openIndexed(**file, std::move(listing), options, config) : fail(file.error());
    }
    if (single != nullptr) {
        if (files->safetensors.size() > 1) {
            listing.info.warnings.push_back("only model.safetensors was read; " +
                                            std::to_string(files->safetensors.size() - 1) +
                                            " other .safetensors files lie beside it");
        }
        return openAll({*single}, std::move(listing), options, config);
    }
    if (files->safetensors.empty()) {
        return openOther(folder, *files, std::move(listing), options, config);
    }
    return openAll(files->safetensors, std::move(listing), options, config);
}

}  // namespace loupe
