// SPDX-License-Identifier: Apache-2.0
// PyTorch checkpoints (spec/formats.md C.4): told apart by content; the zip form is read here.
#include "core/base/text.hpp"
#include "core/io/pytorch_source.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace loupe {

namespace {

constexpr std::string_view kZipMagic{"PK\x03\x04", 4};
constexpr std::string_view kPreviewMagic = "PYTORCH1";

std::string_view textOf(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool isTorchExtension(std::string_view extension) {
    return extension == ".pt" || extension == ".pth" || extension == ".bin" ||
           extension == ".ckpt" || extension == ".pkl" || extension == ".pickle" ||
           extension == ".ptl";
}

/// The first member of an archive as its local header names it.
std::string_view firstMember(std::string_view head) {
    constexpr std::size_t kName = 30;
    if (head.size() < kName) {
        return {};
    }
    const auto size = static_cast<std::size_t>(static_cast<unsigned char>(head[26])) |
                      static_cast<std::size_t>(static_cast<unsigned char>(head[27])) << 8U;
    return head.substr(kName, size);
}

bool isTorchMember(std::string_view name) {
    const std::size_t slash = name.find('/');
    if (slash == std::string_view::npos) {
        return false;
    }
    const std::string_view rest = name.substr(slash + 1);
    return rest == "data.pkl" || rest == "constants.pkl" || rest == "version" ||
           rest == "byteorder" || rest == ".format_version" || rest == ".storage_alignment" ||
           rest.starts_with("data/") || rest.starts_with("constants/") ||
           rest.starts_with("code/") || rest.starts_with(".data/");
}

/// The first member of the tar archives that PyTorch wrote before 0.2.
bool isTar(std::string_view head) {
    constexpr std::size_t kMagic = 257;
    const std::string_view name = head.substr(0, std::min<std::size_t>(head.find('\0'), 100));
    const bool named = name == "storages" || name == "tensors" || name == "pickle";
    return head.size() >= kMagic + 5 && (named || head.substr(kMagic, 5) == "ustar");
}

bool isPickle(std::string_view head) {
    return head.size() >= 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5;
}

/// Protocols 0 and 1 have no mark; these are what a pickle of a call begins with.
bool isTextPickle(std::string_view head) {
    constexpr std::array<std::string_view, 7> kStarts{
        "cos\n", "cposix\n", "c__builtin__\n", "cbuiltins\n", "(dp", "(i", "(c"};
    return std::any_of(kStarts.begin(), kStarts.end(), [head](std::string_view start) {
        return head.starts_with(start);
    });
}

Confidence probe(const Candidate& candidate) {
    const std::string_view head = textOf(candidate.head);
    const bool named = isTorchExtension(candidate.extension);
    if (head.starts_with(kZipMagic)) {
        const std::string_view first = firstMember(head);
        return isTorchMember(first) || (named && !first.ends_with(".npy")) ? Confidence::Yes
                                                                           : Confidence::No;
    }
    if (head.starts_with("PK\x05\x06")) {
        return named ? Confidence::Yes : Confidence::No;
    }
    if (looksLikeTorchLegacy(head) || head.starts_with(kPreviewMagic) || isTar(head)) {
        return Confidence::Yes;
    }
    if (isPickle(head)) {
        return named ? Confidence::Yes : Confidence::Maybe;
    }
    if (isTextPickle(head)) {
        return named ? Confidence::Yes : Confidence::No;
    }
    // ".bin" ends the names of anything.
    return named && candidate.extension != ".bin" ? Confidence::Maybe : Confidence::No;
}

Result<std::shared_ptr<const TensorSource>> damaged(const ReadRequest& request,
                                                    const std::string& what,
                                                    std::uint64_t at) {
    return fail(ErrorCode::Damaged, "PyTorch: " + what, filePosition(request.file->path(), at));
}

/// The top folder, and no name twice.
Result<void> arrange(TorchArchive& archive) {
    const std::filesystem::path& path = archive.file->path();
    std::unordered_set<std::string_view> seen;
    for (const ZipMember& member : archive.members) {
        if (!seen.insert(member.name).second) {
            return fail(ErrorCode::Damaged,
                        "PyTorch: expected every member once, found \"" + member.name + "\" twice",
                        filePosition(path, member.header));
        }
    }
    std::vector<const ZipMember*> pickles;
    for (const ZipMember& member : archive.members) {
        const std::size_t slash = member.name.find('/');
        if (member.name == "data.pkl" ||
            (slash != std::string::npos && member.name.substr(slash + 1) == "data.pkl")) {
            pickles.push_back(&member);
        }
    }
    if (pickles.empty()) {
        return fail(ErrorCode::Damaged,
                    "PyTorch: expected a member data.pkl in the archive, found none among " +
                        std::to_string(archive.members.size()) + " members",
                    filePosition(path, 0));
    }
    if (pickles.size() > 1) {
        return fail(ErrorCode::Damaged,
                    "PyTorch: expected one data.pkl, found \"" + pickles[0]->name + "\" and \"" +
                        pickles[1]->name + "\"",
                    filePosition(path, pickles[1]->header));
    }
    archive.top = pickles.front()->name.substr(0, pickles.front()->name.size() - 8);
    return {};
}

/// byteorder, and the version for the metadata.
Result<void> readMarks(const TorchArchive& archive, TorchFile& file) {
    if (const ZipMember* order = archive.find("byteorder")) {
        const Result<std::string> text = archive.text(*order);
        if (!text) {
            return fail(text.error());
        }
        const std::string_view word = trim(*text);
        if (word != "little" && word != "big") {
            return fail(ErrorCode::Damaged,
                        "PyTorch: byteorder: expected \"little\" or \"big\", found \"" +
                            std::string(word.substr(0, 32)) + "\"",
                        filePosition(archive.file->path(), order->begin));
        }
        file.bigEndian = word == "big";
        file.info.metadata.emplace_back("byteorder", word);
    }
    constexpr std::uint64_t kMostMark = 64;
    if (const ZipMember* version = archive.find("version");
        version != nullptr && version->size <= kMostMark) {
        if (const Result<std::string> text = archive.text(*version)) {
            file.info.metadata.emplace_back("version", trim(*text));
        }
    }
    return {};
}

Result<std::shared_ptr<const TensorSource>> openZip(const ReadRequest& request, TorchFile file) {
    Result<std::vector<ZipMember>> members = listZip(*request.file);
    if (!members) {
        return fail(members.error());
    }
    TorchArchive archive{request.file, std::move(*members), {}};
    if (Result<void> arranged = arrange(archive); !arranged) {
        return fail(arranged.error());
    }
    if (Result<void> marks = readMarks(archive, file); !marks) {
        return fail(marks.error());
    }
    if (archive.find("constants.pkl") != nullptr) {
        if (Result<void> collected = collectTorchScript(archive, file); !collected) {
            return fail(collected.error());
        }
    } else if (Result<void> collected =
                   archive.collect(*archive.find("data.pkl"), "data/", "", file);
               !collected) {
        return fail(collected.error());
    }
    return makeTorchSource(request, std::move(file));
}

Result<std::shared_ptr<const TensorSource>> open(const ReadRequest& request) {
    const std::uint64_t headSize = std::min<std::uint64_t>(request.file->size(), 512);
    const std::string_view head = textOf(request.file->bytes().first(headSize));
    if (head.starts_with(kPreviewMagic)) {
        return fail(ErrorCode::Unsupported,
                    "PyTorch: expected a zip archive or the older form, found the preview format "
                    "\"PYTORCH1\", which PyTorch itself no longer reads",
                    filePosition(request.file->path(), 0));
    }
    if (isTar(head) && !looksLikeTorchLegacy(head) && !head.starts_with(kZipMagic)) {
        return fail(ErrorCode::Unsupported,
                    "PyTorch: expected a zip archive or the form before 1.6, found a tar archive "
                    "(PyTorch before 0.2 wrote those)",
                    filePosition(request.file->path(), 0),
                    "open it with an old PyTorch and save it again");
    }
    if (head.empty()) {
        return damaged(request, "expected a checkpoint, found an empty file", 0);
    }
    if (!head.starts_with("PK") && !isPickle(head) && !isTextPickle(head)) {
        return fail(ErrorCode::Unsupported,
                    "PyTorch: expected a zip archive or a pickle, found neither",
                    filePosition(request.file->path(), 0));
    }
    TorchFile file;
    file.info.format = "pytorch";
    file.info.path = request.file->path();
    file.info.title = request.file->path().filename().string();
    file.info.files.push_back(request.file->path());
    return head.starts_with("PK") ? openZip(request, std::move(file)) : openTorchLegacy(request);
}

}  // namespace

const ZipMember* TorchArchive::find(std::string_view name) const {
    const std::string full = top + std::string(name);
    const auto found = std::find_if(members.begin(), members.end(), [&](const ZipMember& member) {
        return member.name == full;
    });
    return found == members.end() ? nullptr : &*found;
}

Result<std::string> TorchArchive::text(const ZipMember& member) const {
    constexpr std::uint64_t kMost = std::uint64_t{256} << 20;
    if (member.size > kMost) {
        return fail(ErrorCode::Unsupported,
                    "PyTorch: member \"" + member.name + "\": expected at most 256 MiB, found " +
                        std::to_string(member.size) + " bytes",
                    filePosition(file->path(), member.begin));
    }
    std::string text;
    if (member.deflated) {
        const auto bytes = extractZip(*file, member, member.size);
        if (!bytes) {
            return fail(bytes.error());
        }
        text.assign(reinterpret_cast<const char*>(bytes->data()), bytes->size());
        return text;
    }
    // Stored: PyTorch may leave the checksum out (set_crc32_options), so it is not compared.
    text.resize(member.size);
    if (Result<void> read = file->read(member.begin, std::as_writable_bytes(std::span(text)));
        !read) {
        return fail(read.error());
    }
    return text;
}

Result<void> TorchArchive::collect(const ZipMember& pickle,
                                   std::string_view folder,
                                   const std::string& prefix,
                                   TorchFile& into) const {
    const Result<std::string> bytes = text(pickle);
    if (!bytes) {
        return fail(bytes.error());
    }
    const PicklePlace place = [&](std::uint64_t offset) {
        return pickle.deflated ? filePosition(file->path() / pickle.name, offset)
                               : filePosition(file->path(), pickle.begin + offset);
    };
    const Result<Pickle> read = readPickle(*bytes, place);
    if (!read) {
        return fail(read.error());
    }
    TorchPart& part = into.parts.emplace_back();
    if (Result<void> collected = collectTorch(*read, place, prefix, part.objects); !collected) {
        return collected;
    }
    std::unordered_map<std::string_view, const ZipMember*> byName;
    for (const ZipMember& member : members) {
        byName.emplace(member.name, &member);
    }
    for (const TorchStorage& storage : part.objects.storages) {
        const std::string name = top + std::string(folder) + storage.root;
        const auto found = byName.find(name);
        TorchPlace& at = part.places.emplace_back();
        if (found == byName.end()) {
            at.problem = Error{ErrorCode::Damaged,
                               "expected its storage in member \"" + name +
                                   "\", found no such "
                                   "member",
                               filePosition(file->path(), 0),
                               {}};
            continue;
        }
        at.begin = found->second->begin;
        at.bytes = found->second->size;
        if (found->second->deflated) {
            at.deflated = *found->second;
        }
    }
    return {};
}

extern const Reader kReader_pytorch;
const Reader kReader_pytorch{"pytorch", ".pt", &probe, &open};

}  // namespace loupe
