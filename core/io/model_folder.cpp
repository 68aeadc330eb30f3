// SPDX-License-Identifier: Apache-2.0
// Folders: which of their files are the model.
#include "core/base/text.hpp"
#include "core/io/gguf.hpp"
#include "core/io/reader.hpp"
#include "core/io/shards.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <unordered_set>

namespace loupe {

namespace {

namespace fs = std::filesystem;

bool endsWith(std::string_view text, std::string_view suffix) {
    return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
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
    std::size_t twice = 0;
    std::unordered_set<std::string_view> seen;
    std::vector<TensorInfo> kept;
    kept.reserve(listing.tensors.size());  // no reallocation: `seen` points into short names
    for (TensorInfo& tensor : listing.tensors) {
        if (seen.count(tensor.name) != 0) {
            constexpr std::size_t kMostTold = 8;
            if (twice++ < kMostTold) {
                listing.info.warnings.push_back("tensor " + tensor.name +
                                                " occurs in several files; the first counts");
            }
            continue;
        }
        seen.insert(kept.emplace_back(std::move(tensor)).name);
    }
    if (twice > 0 && twice >= kept.size()) {
        listing.info.warnings.push_back(
            std::to_string(twice) +
            " tensors occur in several files: if these are parts of a model split over devices, "
            "they are not put together");
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
