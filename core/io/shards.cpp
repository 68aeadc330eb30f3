// SPDX-License-Identifier: Apache-2.0
#include "core/io/shards.hpp"

#include "core/base/text.hpp"
#include "core/io/reader.hpp"
#include "core/io/safetensors_header.hpp"

#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>

namespace loupe {

namespace {

namespace fs = std::filesystem;

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

}  // namespace

Listing startListing(const fs::path& path, std::string title) {
    Listing listing;
    listing.info.format = "safetensors";
    listing.info.path = path;
    listing.info.title = std::move(title);
    return listing;
}

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

}  // namespace loupe
