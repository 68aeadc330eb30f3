// SPDX-License-Identifier: Apache-2.0
// PyTorch before 1.6: five pickles, then each storage as a count and its bytes.
#include "core/io/pytorch_source.hpp"

#include <algorithm>
#include <array>
#include <list>
#include <unordered_map>

namespace loupe {

namespace {

/// 0x1950a86a20f9469cfc6c as a pickled long: opcode LONG1, ten bytes.
constexpr std::string_view kMagic{"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12};
constexpr std::int64_t kProtocol = 1001;

/// The pickles at the start of a file, from a copy that grows as far as they reach.
class Pickles {
public:
    explicit Pickles(const MappedFile& file) : file_(file) {}

    /// Reads the pickle at `begin`; the copy of its bytes is kept.
    Result<Pickle> next(std::uint64_t begin) {
        constexpr std::uint64_t kFirst = std::uint64_t{1} << 16;
        constexpr std::uint64_t kMost = std::uint64_t{256} << 20;
        const std::uint64_t all = std::min(file_.size() - begin, kMost);
        for (std::uint64_t count = std::min(all, kFirst);; count = std::min(all, count * 16)) {
            std::string& text = texts_.emplace_back(count, '\0');
            if (Result<void> read = file_.read(begin, std::as_writable_bytes(std::span(text)));
                !read) {
                return fail(read.error());
            }
            Result<Pickle> pickle = readPickle(text, [&](std::uint64_t offset) {
                return filePosition(file_.path(), begin + offset);
            });
            // An error may only mean that the copy ends too early.
            if (pickle || count == all || pickle.error().code != ErrorCode::Damaged) {
                return pickle;
            }
            texts_.pop_back();
        }
    }

private:
    const MappedFile& file_;
    std::list<std::string> texts_;  // in place: pickles point into them
};

/// Reads the list of keys and, for each, how many elements follow and where.
class Storages {
public:
    Storages(const MappedFile& file, const TorchObjects& objects) : file_(file), objects_(objects) {
        for (const TorchStorage& storage : objects.storages) {
            bytesOf_.try_emplace(storage.root, storage.itemBytes);
        }
    }

    Result<std::vector<TorchPlace>> locate(const Pickle& keys, std::uint64_t at) {
        const PickleNode& list = keys[keys.root];
        if (list.kind != PickleKind::List) {
            return damaged("expected a list of storages after the object, found something else",
                           at);
        }
        std::unordered_map<std::string, TorchPlace> places;
        std::string stopped;
        for (const PickleRef item : list.items) {
            const std::string key(keys[item].text);
            const auto size = bytesOf_.find(key);
            std::array<std::uint8_t, 8> raw{};
            if (size == bytesOf_.end()) {
                stopped = "storage \"" + key + "\" before it belongs to no tensor";
                break;
            }
            if (file_.size() - at < raw.size()) {
                stopped = "the file ends before it";
                break;
            }
            if (Result<void> read = file_.read(at, std::as_writable_bytes(std::span(raw))); !read) {
                return fail(read.error());
            }
            std::uint64_t count = 0;
            for (std::size_t i = raw.size(); i-- > 0;) {
                count = count << 8U | raw[i];
            }
            at += raw.size();
            if (count > (file_.size() - at) / size->second) {
                TorchPlace place{at, file_.size() - at, std::nullopt, {}};
                place.problem =
                    Error{ErrorCode::Damaged,
                          "expected " + std::to_string(count) + " elements of " +
                              std::to_string(size->second) + " bytes in storage \"" + key +
                              "\", found " + std::to_string(file_.size() - at) + " bytes",
                          filePosition(file_.path(), at - raw.size()),
                          {}};
                places.emplace(key, place);
                stopped = "storage \"" + key + "\" before it is cut off";
                break;
            }
            places.emplace(key, TorchPlace{at, count * size->second, std::nullopt, {}});
            at += count * size->second;
        }
        end_ = at;
        return inOrder(places, stopped);
    }

    /// Where the last storage ends.
    [[nodiscard]] std::uint64_t end() const noexcept { return end_; }

private:
    [[nodiscard]] tl::unexpected<Error> damaged(const std::string& what, std::uint64_t at) const {
        return fail(ErrorCode::Damaged, "PyTorch: " + what, filePosition(file_.path(), at));
    }

    [[nodiscard]] std::vector<TorchPlace> inOrder(
        const std::unordered_map<std::string, TorchPlace>& places,
        const std::string& stopped) const {
        std::vector<TorchPlace> result;
        for (const TorchStorage& storage : objects_.storages) {
            const auto found = places.find(storage.root);
            if (found != places.end()) {
                result.push_back(found->second);
                continue;
            }
            TorchPlace& place = result.emplace_back();
            place.problem =
                Error{ErrorCode::Damaged,
                      "expected its storage \"" + storage.root + "\" in the file, found none" +
                          (stopped.empty() ? "" : ": " + stopped),
                      filePosition(file_.path(), end_),
                      {}};
        }
        return result;
    }

    const MappedFile& file_;
    const TorchObjects& objects_;
    std::unordered_map<std::string, std::uint64_t> bytesOf_;
    std::uint64_t end_ = 0;
};

/// A pickle that is none of PyTorch's: what it would execute, or what it is.
tl::unexpected<Error> refusePlain(const ReadRequest& request, const Pickle& pickle) {
    TorchObjects objects;
    const PicklePlace place = [&](std::uint64_t offset) {
        return filePosition(request.file->path(), offset);
    };
    if (Result<void> collected = collectTorch(pickle, place, "", objects); !collected) {
        return fail(collected.error());
    }
    std::string what = "PyTorch: expected its magic number, found a pickle of something else";
    if (!objects.warnings.empty()) {
        what += "; " + objects.warnings.front();
    }
    return fail(ErrorCode::Unsupported, what, place(0), "torch.save writes files that are read");
}

/// little_endian and the protocol into the metadata.
void readSystem(const Pickle& system, SourceInfo& info) {
    const PickleNode& root = system[system.root];
    if (root.kind != PickleKind::Dict) {
        return;
    }
    for (std::size_t i = 0; i + 1 < root.items.size(); i += 2) {
        const PickleNode& value = system[root.items[i + 1]];
        if (system[root.items[i]].text == "little_endian" && value.kind == PickleKind::Bool) {
            info.metadata.emplace_back("little_endian", value.integer != 0 ? "true" : "false");
        }
    }
}

}  // namespace

bool looksLikeTorchLegacy(std::string_view head) {
    constexpr std::size_t kFirst = 32;  // after PROTO and, in protocol 4, FRAME
    return head.starts_with("\x80") && head.substr(0, kFirst).find(kMagic) < kFirst;
}

Result<std::shared_ptr<const TensorSource>> openTorchLegacy(const ReadRequest& request) {
    const MappedFile& file = *request.file;
    Pickles pickles(file);
    Result<Pickle> magic = pickles.next(0);
    if (!magic) {
        return fail(magic.error());
    }
    if ((*magic)[magic->root].kind != PickleKind::BigInt ||
        (*magic)[magic->root].text != kMagic.substr(2)) {
        return refusePlain(request, *magic);
    }
    std::uint64_t at = magic->size;
    const Result<Pickle> protocol = pickles.next(at);
    if (!protocol) {
        return fail(protocol.error());
    }
    const PickleNode& version = (*protocol)[protocol->root];
    if (version.kind != PickleKind::Int || version.integer != kProtocol) {
        return fail(ErrorCode::Unsupported,
                    "PyTorch: expected protocol 1001, found another",
                    filePosition(file.path(), at));
    }
    at += protocol->size;
    TorchFile torch;
    torch.info.format = "pytorch";
    torch.info.path = file.path();
    torch.info.title = file.path().filename().string();
    torch.info.files.push_back(file.path());
    const Result<Pickle> system = pickles.next(at);
    if (!system) {
        return fail(system.error());
    }
    // Storages are little-endian whatever this says: PyTorch turned them round when it wrote them.
    readSystem(*system, torch.info);
    at += system->size;
    const std::uint64_t objectAt = at;
    const Result<Pickle> object = pickles.next(at);
    if (!object) {
        return fail(object.error());
    }
    at += object->size;
    const Result<Pickle> keys = pickles.next(at);
    if (!keys) {
        return fail(keys.error());
    }
    at += keys->size;
    TorchPart& part = torch.parts.emplace_back();
    const PicklePlace place = [&](std::uint64_t offset) {
        return filePosition(file.path(), objectAt + offset);
    };
    if (Result<void> collected = collectTorch(*object, place, "", part.objects); !collected) {
        return fail(collected.error());
    }
    Storages storages(file, part.objects);
    Result<std::vector<TorchPlace>> places = storages.locate(*keys, at);
    if (!places) {
        return fail(places.error());
    }
    part.places = std::move(*places);
    if (const std::uint64_t rest = file.size() - storages.end(); rest > 0) {
        torch.info.warnings.push_back(std::to_string(rest) +
                                      " bytes after the last storage were ignored");
    }
    return makeTorchSource(request, std::move(torch));
}

}  // namespace loupe
