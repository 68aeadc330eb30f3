// SPDX-License-Identifier: Apache-2.0
// `--select ... --output`: many results in one file, one result in memory at a time.
#include "core/experiment/selection_output.hpp"

#include <filesystem>

namespace loupe {

Result<void> SelectionOutput::open(const std::string& path,
                                   const Scheme& scheme,
                                   const SourceInfo* source) {
    const std::string extension = std::filesystem::path(path).extension().string();
    gguf_ = extension == ".gguf";
    if (!gguf_ && extension != ".safetensors") {
        return fail(ErrorCode::Unsupported,
                    "cannot write '" + path +
                        "': several tensors need a name ending in .safetensors or .gguf");
    }
    path_ = path;
    if (gguf_) {
        describeGgufResult(ggufWriter_, scheme, source);
    } else {
        writer_.metadata("scheme", toString(scheme));
    }
    return spool_.open(path);
}

Result<ByteProducer> SelectionOutput::keep(const std::string& name, const ByteProducer& bytes) {
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
        return fail(done.error());
    }
    const std::uint64_t count = spool_.size() - first;
    return ByteProducer([this, first, count](const ByteSink& sink) {
        return spool_.read(first, count, sink);
    });
}

Result<void> SelectionOutput::add(const TensorInfo& tensor,
                                  const SchemeResult& result,
                                  const JobContext& ctx) {
    if (gguf_) {
        return announceGgufResult(tensor,
                                  result,
                                  ctx,
                                  [&](std::string name,
                                      std::uint32_t type,
                                      std::vector<std::int64_t> shape,
                                      const ByteProducer& bytes) -> Result<void> {
                                      Result<ByteProducer> kept = keep(name, bytes);
                                      if (!kept) {
                                          return fail(kept.error());
                                      }
                                      ggufWriter_.add(
                                          std::move(name), type, std::move(shape), *kept);
                                      return {};
                                  });
    }
    return announceResult(tensor,
                          result,
                          ctx,
                          [&](std::string name,
                              std::string_view dtype,
                              std::vector<std::int64_t> shape,
                              const ByteProducer& bytes) -> Result<void> {
                              Result<ByteProducer> kept = keep(name, bytes);
                              if (!kept) {
                                  return fail(kept.error());
                              }
                              writer_.add(std::move(name), dtype, std::move(shape), *kept);
                              return {};
                          });
}

Result<void> SelectionOutput::commit() {
    return gguf_ ? ggufWriter_.write(path_) : writer_.write(path_);
}

}  // namespace loupe
