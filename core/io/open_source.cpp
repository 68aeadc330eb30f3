// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"
#include "core/io/packed/packed.hpp"
#include "core/io/plain_block.hpp"
#include "core/io/reader.hpp"
#include "core/io/synthetic.hpp"
#include "core/io/tensor_source.hpp"

#include <algorithm>
#include <array>
#include <system_error>

namespace loupe {

#define LOUPE_READER(id) extern const Reader kReader_##id;
#include "core/io/readers.def"
#undef LOUPE_READER

namespace {

constexpr std::size_t kHeadBytes = 4096;

/// Formats that people will try and that nothing here reads, by their first bytes.
struct KnownMagic {
    std::string_view magic;
    std::string_view name;
};
constexpr std::array<KnownMagic, 7> kKnownMagics{
    {{"PK\x03\x04", "a zip archive without .npy arrays or a PyTorch checkpoint"},
     {"\x89HDF\r\n", "an HDF5 file"},
     {"\x89PNG", "a PNG image"},
     {"\x1f\x8b", "a gzip archive"},
     {"\x28\xb5\x2f\xfd", "a zstd archive"},
     {"%PDF", "a PDF document"},
     {"version https://git-lfs", "a Git LFS pointer: the checkpoint itself was not fetched"}}};

std::string_view textOf(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool isShardedIndex(const MappedFile& file) {
    const std::string name = toLower(file.path().filename().string());
    constexpr std::string_view kSuffix = ".index.json";
    if (name.size() >= kSuffix.size() &&
        name.compare(name.size() - kSuffix.size(), kSuffix.size(), kSuffix) == 0) {
        return true;
    }
    return looksLikeShardedIndex(
        textOf(file.bytes().first(std::min<std::size_t>(file.size(), kHeadBytes))));
}

}  // namespace

std::span<const Reader* const> allReaders() {
    static constexpr std::array kReaders{
#define LOUPE_READER(id) &kReader_##id,
#include "core/io/readers.def"
#undef LOUPE_READER
    };
    return kReaders;
}

const Reader* chooseReader(const MappedFile& file, bool* sure) {
    const Candidate candidate{file.bytes().first(std::min<std::size_t>(file.size(), kHeadBytes)),
                              file.size(),
                              toLower(file.path().extension().string())};
    const Reader* maybe = nullptr;
    const Reader* byExtension = nullptr;
    for (const Reader* reader : allReaders()) {
        const Confidence confidence = reader->probe(candidate);
        if (confidence == Confidence::Yes) {
            if (sure != nullptr) {
                *sure = true;
            }
            return reader;
        }
        if (confidence == Confidence::Maybe && maybe == nullptr) {
            maybe = reader;
        }
        if (candidate.extension == reader->extension) {
            byExtension = reader;
        }
    }
    return byExtension != nullptr ? byExtension : maybe;
}

Result<std::shared_ptr<const TensorSource>> openFile(const ReadRequest& request) {
    const std::string_view head = textOf(
        request.file->bytes().first(std::min<std::size_t>(request.file->size(), kHeadBytes)));
    bool sure = false;
    const Reader* reader = chooseReader(*request.file, &sure);
    for (const KnownMagic& known : kKnownMagics) {
        if (sure) {
            break;
        }
        if (head.substr(0, known.magic.size()) == known.magic) {
            return fail(ErrorCode::Unsupported,
                        "expected safetensors, GGUF, PyTorch, ONNX, .npy, .npz or CSV, found " +
                            std::string(known.name),
                        filePosition(request.file->path(), 0));
        }
    }
    if (reader == nullptr) {
        return fail(ErrorCode::Unsupported,
                    head.empty() ? "expected a checkpoint, found an empty file"
                                 : "expected safetensors, GGUF, PyTorch, ONNX, .npy, .npz or CSV, "
                                   "found a file of no format that is known here",
                    filePosition(request.file->path(), 0));
    }
    return reader->open(request);
}

namespace {

/// The file's own entries.
Result<std::shared_ptr<const TensorSource>> openStored(const std::string& path,
                                                       const OpenOptions& options) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        return openModelFolder(path, options);
    }
    auto file = MappedFile::open(path);
    if (!file) {
        return fail(file.error());
    }
    if (isShardedIndex(**file)) {
        return openShardedIndex(*file, options);
    }
    std::vector<std::string> warnings;  // a config.json that is damaged only matters where it was
                                        // asked for: in a model folder
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    return openFile({*file, options, readModelConfig(folder / "config.json", warnings)});
}

}  // namespace

Result<std::shared_ptr<const TensorSource>> openSource(const std::string& path,
                                                       const OpenOptions& options) {
    if (isSyntheticPath(path)) {
        return openSynthetic(path, options);
    }
    auto source = openStored(path, options);
    if (!source || options.stored) {
        return source;
    }
    std::error_code ignored;
    const std::filesystem::path opened(path);
    return makeLogicalSource(
        *source,
        (*source)->info().config,
        std::filesystem::is_directory(opened, ignored) ? opened : opened.parent_path());
}

Result<BlockView> TensorSource::block(std::size_t index,
                                      std::int64_t row,
                                      std::int64_t col) const {
    const TensorInfo& tensor = tensors_[index];
    const std::string path = info_.path.string();
    if (!tensor.offset && !tensor.problem) {
        return fail(notInFile(tensor, path));
    }
    const Result<std::shared_ptr<const RowSource>> rows = matrix(index);
    return rows ? storedBlock(tensor, **rows, row, col, path) : fail(rows.error());
}

std::optional<std::size_t> TensorSource::find(std::string_view name) const {
    const auto found =
        std::find_if(tensors_.begin(), tensors_.end(), [name](const TensorInfo& tensor) {
            return tensor.name == name;
        });
    return found == tensors_.end()
               ? std::nullopt
               : std::optional(static_cast<std::size_t>(found - tensors_.begin()));
}

std::optional<std::size_t> findCounterpart(const TensorSource& to, const TensorInfo& from) {
    const auto hasPart = [](const TensorInfo& tensor, const std::string& name) {
        return tensor.packed != nullptr &&
               std::find(tensor.packed->parts.begin(), tensor.packed->parts.end(), name) !=
                   tensor.packed->parts.end();
    };
    const auto holds = [](const TensorInfo& outer, const TensorInfo& inner) {
        return outer.offset && inner.offset && outer.file == inner.file && inner.bytes > 0 &&
               *outer.offset <= *inner.offset &&
               inner.bytes <= outer.bytes - std::min(outer.bytes, *inner.offset - *outer.offset);
    };
    const auto first = [&to](auto accept) -> std::optional<std::size_t> {
        const auto tensors = to.tensors();
        const auto found = std::find_if(tensors.begin(), tensors.end(), accept);
        return found == tensors.end()
                   ? std::nullopt
                   : std::optional(static_cast<std::size_t>(found - tensors.begin()));
    };
    const auto named = to.find(from.name);
    if (named) {
        const TensorInfo& tensor = to.tensors()[*named];
        if (!tensor.offset || !from.offset ||
            (tensor.file == from.file && *tensor.offset == *from.offset)) {
            return named;
        }
    }
    if (from.packed != nullptr) {
        for (const std::string& part : from.packed->parts) {
            if (const auto found = to.find(part)) {
                return found;
            }
        }
    }
    if (const auto whole =
            first([&](const TensorInfo& tensor) { return hasPart(tensor, from.name); })) {
        return whole;
    }
    const auto same = first([&](const TensorInfo& tensor) {
        return tensor.packed == nullptr && (holds(tensor, from) || holds(from, tensor));
    });
    return same ? same : named;
}

Result<std::size_t> findTensor(const TensorSource& source, std::string_view name) {
    const std::string where = source.info().path.string();
    if (name.empty()) {
        if (source.tensors().size() == 1) {
            return 0;
        }
        return fail(ErrorCode::NotFound,
                    "expected a tensor's name, since there are " +
                        std::to_string(source.tensors().size()) + " tensors",
                    where);
    }
    if (const auto index = source.find(name)) {
        return *index;
    }
    std::vector<std::string> names;
    names.reserve(source.tensors().size());
    for (const TensorInfo& tensor : source.tensors()) {
        names.push_back(tensor.name);
    }
    std::string hint;
    for (const std::string& near : nearest(name, names)) {
        hint += (hint.empty() ? "did you mean " : ", ") + near;
    }
    return fail(ErrorCode::NotFound, "no tensor named " + std::string(name), where, hint);
}

}  // namespace loupe
