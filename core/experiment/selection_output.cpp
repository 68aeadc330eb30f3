// SPDX-License-Identifier: Apache-2.0
// `--select ... --output`: many results in one file, one result in memory at a time.
#include "core/experiment/selection_output.hpp"

#include <filesystem>

namespace loupe {

Result<void> SelectionOutput::open(const std::string& path, const Scheme& scheme) {
    if (std::filesystem::path(path).extension() != ".safetensors") {
        return fail(
            ErrorCode::Unsupported,
            "cannot write '" + path + "': several tensors need a name ending in .safetensors");
    }
    path_ = path;
    writer_.metadata("scheme", toString(scheme));
    return spool_.open(path);
}

Result<void> SelectionOutput::add(const TensorInfo& tensor,
                                  const SchemeResult& result,
                                  const JobContext& ctx) {
    return announceResult(
        tensor,
        result,
        ctx,
        [&](std::string name,
            std::string_view dtype,
            std::vector<std::int64_t> shape,
            const ByteProducer& bytes) -> Result<void> {
            if (!names_.insert(name).second) {
                return fail(ErrorCode::Invalid,
                            "two tensors would be called '" + name +
                                "': select fewer tensors, or write them one by one",
                            path_);
            }
            const std::uint64_t first = spool_.size();
            if (Result<void> done =
                    bytes([&](std::span<const std::byte> piece) { return spool_.write(piece); });
                !done) {
                return done;
            }
            const std::uint64_t count = spool_.size() - first;
            writer_.add(std::move(name),
                        dtype,
                        std::move(shape),
                        [this, first, count](const ByteSink& sink) {
                            return spool_.read(first, count, sink);
                        });
            return {};
        });
}

Result<void> SelectionOutput::commit() {
    return writer_.write(path_);
}

}  // namespace loupe
