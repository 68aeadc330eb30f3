// SPDX-License-Identifier: Apache-2.0
#include "core/io/reader.hpp"
#include "core/io/safetensors_header.hpp"

#include <bit>
#include <cstring>

namespace loupe {

namespace {

Confidence probe(const Candidate& candidate) {
    std::uint64_t length = 0;
    if (candidate.head.size() < sizeof length + 1) {
        return Confidence::No;
    }
    std::memcpy(&length, candidate.head.data(), sizeof length);
    if (candidate.head[sizeof length] != std::byte{'{'}) {
        return Confidence::No;
    }
    return length <= kMaxSafetensorsHeader && length <= candidate.size - sizeof length
               ? Confidence::Yes
               : Confidence::Maybe;
}

Result<std::shared_ptr<const TensorSource>> open(const ReadRequest& request) {
    Listing listing;
    listing.info.format = "safetensors";
    listing.info.path = request.file->path();
    listing.info.title = request.file->path().filename().string();
    listing.info.files.push_back(request.file->path());
    listing.info.config = request.config.text;
    listing.files.push_back(request.file);
    if (Result<void> listed = listSafetensors(*request.file, 0, listing); !listed) {
        return fail(listed.error());
    }
    return makeStoredSource(std::move(listing), request.options.layout, request.config);
}

}  // namespace

extern const Reader kReader_safetensors;
const Reader kReader_safetensors{"safetensors", ".safetensors", &probe, &open};

}  // namespace loupe
