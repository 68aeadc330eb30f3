// SPDX-License-Identifier: Apache-2.0
// An index that maps tensors to shards.
#include "core/base/text.hpp"
#include "core/io/reader.hpp"
#include "core/io/shards.hpp"

#include <simdjson.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace loupe {

namespace {

namespace ondemand = simdjson::ondemand;
namespace fs = std::filesystem;

constexpr std::uint64_t kMaxIndexBytes = 256 << 20;

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

}  // namespace

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

}  // namespace loupe
