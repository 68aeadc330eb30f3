// SPDX-License-Identifier: Apache-2.0
// NumPy's .npz: a zip archive of .npy arrays, stored or deflated (spec/formats.md C.3).
#include "core/base/assert.hpp"
#include "core/io/inflated_rows.hpp"
#include "core/io/listing.hpp"
#include "core/io/npy.hpp"
#include "core/io/reader.hpp"
#include "core/io/zip_archive.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace loupe {

namespace {

constexpr std::string_view kSuffix = ".npy";
constexpr std::size_t kMostArrays = 1 << 20;

struct Member {
    ZipMember zip;
    NpyArray array;
};

class NpzSource final : public TensorSource {
public:
    NpzSource(SourceInfo info, std::vector<Member> members, std::shared_ptr<const MappedFile> file)
        : file_(std::move(file)), members_(std::move(members)), inflated_(members_.size()) {
        info_ = std::move(info);
        for (const Member& member : members_) {
            tensors_.push_back(member.array.tensor);
        }
        addTotals(info_, tensors_);
    }

    [[nodiscard]] Result<std::shared_ptr<const RowSource>> matrix(
        std::size_t index) const override {
        LOUPE_ASSERT(index < members_.size(), "an index of this source");
        const Member& member = members_[index];
        if (member.array.tensor.problem) {
            return fail(*member.array.tensor.problem);
        }
        if (!member.zip.deflated) {
            return npyRows(member.array, file_, *member.array.tensor.offset);
        }
        const Result<std::shared_ptr<const InflatedBytes>> bytes = inflated(index);
        if (!bytes) {
            return fail(bytes.error());
        }
        return npyRows(member.array, {*bytes, member.array.dataStart, member.array.tensor.type});
    }

private:
    /// Lives as long as somebody reads it.
    [[nodiscard]] Result<std::shared_ptr<const InflatedBytes>> inflated(std::size_t index) const {
        const std::lock_guard lock(mutex_);
        std::shared_ptr<const InflatedBytes> bytes = inflated_[index].lock();
        if (bytes == nullptr) {
            auto opened = InflatedBytes::open(file_, members_[index].zip);
            if (!opened) {
                return opened;
            }
            bytes = *opened;
            inflated_[index] = bytes;
        }
        return bytes;
    }

    std::shared_ptr<const MappedFile> file_;
    std::vector<Member> members_;
    mutable std::mutex mutex_;
    mutable std::vector<std::weak_ptr<const InflatedBytes>> inflated_;
};

/// The array's header; of a deflated member no more is inflated than that takes.
Result<NpyArray> readArray(const MappedFile& file, const ZipMember& member, std::string name) {
    if (!member.deflated) {
        return readNpyArray({file, member.begin, member.size, member.size}, std::move(name));
    }
    std::uint64_t needed = 4096;
    for (;;) {
        Result<std::vector<std::byte>> head = extractZip(file, member, needed);
        if (!head) {
            return fail(head.error());
        }
        const std::uint64_t present = head->size();
        const auto bytes = MappedFile::fromBytes(std::move(*head), file.path() / member.name);
        Result<NpyArray> array = readNpyArray({*bytes, 0, member.size, present}, name);
        if (!array || array->dataStart <= present) {
            return array;
        }
        needed = array->dataStart;
    }
}

Confidence probe(const Candidate& candidate) {
    // "PK" 3 4 begins many files: the first member's name tells. An empty archive has none.
    const std::string_view head(reinterpret_cast<const char*>(candidate.head.data()),
                                candidate.head.size());
    if (head.starts_with("PK\x05\x06") && candidate.extension == ".npz") {
        return Confidence::Yes;
    }
    constexpr std::size_t kName = 30;
    if (!head.starts_with("PK\x03\x04") || head.size() < kName) {
        return Confidence::No;
    }
    const auto size = static_cast<std::size_t>(static_cast<unsigned char>(head[26])) |
                      static_cast<std::size_t>(static_cast<unsigned char>(head[27])) << 8U;
    return head.substr(kName, size).ends_with(kSuffix) || candidate.extension == ".npz"
               ? Confidence::Yes
               : Confidence::No;
}

/// The arrays among the members; what else is there goes into `ignored`.
Result<std::vector<Member>> readMembers(const ReadRequest& request,
                                        std::vector<ZipMember> listed,
                                        std::size_t& ignored) {
    const MappedFile& file = *request.file;
    std::vector<Member> members;
    for (ZipMember& zip : listed) {
        if (!zip.name.ends_with(kSuffix) || members.size() == kMostArrays) {
            ++ignored;
            continue;
        }
        std::string name = zip.name.substr(0, zip.name.size() - kSuffix.size());
        Result<NpyArray> array = readArray(file, zip, name);
        if (!array && array.error().code == ErrorCode::Unsupported) {
            NpyArray problem;  // one array of text or objects: the others can be read
            problem.tensor.name = name;
            problem.tensor.dtypeName = "unknown";
            problem.tensor.bytes = zip.size;
            problem.tensor.problem = array.error();
            array = std::move(problem);
        }
        if (!array) {
            return fail(array.error());
        }
        layOutNpy(*array, request.options.layout, request.config);
        if (!zip.deflated && array->dataStart > 0) {
            array->tensor.offset = zip.begin + array->dataStart;
        }
        members.push_back({std::move(zip), std::move(*array)});
    }
    return members;
}

Result<std::shared_ptr<const TensorSource>> open(const ReadRequest& request) {
    const MappedFile& file = *request.file;
    Result<std::vector<ZipMember>> listed = listZip(file);
    if (!listed) {
        return fail(listed.error());
    }
    std::size_t ignored = 0;
    Result<std::vector<Member>> members = readMembers(request, std::move(*listed), ignored);
    if (!members) {
        return fail(members.error());
    }
    SourceInfo info;
    info.format = "npz";
    info.path = file.path();
    info.title = file.path().filename().string();
    info.files.push_back(file.path());
    if (ignored > 0) {
        info.warnings.push_back(std::to_string(ignored) +
                                " members of the archive that are no .npy arrays were ignored");
    }
    std::vector<TensorInfo> names;
    for (const Member& member : *members) {
        names.push_back(member.array.tensor);
    }
    if (const auto twice = firstDuplicate(names)) {
        return fail(ErrorCode::Damaged,
                    "expected every array once, found \"" + names[*twice].name + "\" twice",
                    filePosition(file.path(), (*members)[*twice].zip.header));
    }
    return std::make_shared<NpzSource>(std::move(info), std::move(*members), request.file);
}

}  // namespace

extern const Reader kReader_npz;
const Reader kReader_npz{"npz", ".npz", &probe, &open};

}  // namespace loupe
