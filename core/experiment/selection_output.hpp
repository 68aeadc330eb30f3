// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/experiment/pipeline.hpp"
#include "core/io/gguf_writer.hpp"
#include "core/io/safetensors_writer.hpp"
#include "core/io/spool_file.hpp"

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace loupe {

/// Takes one tensor of a result: name, storage type, shape, and who hands over its bytes.
using TensorSink = std::function<Result<void>(
    std::string name, std::string_view dtype, std::vector<std::int64_t> shape, ByteProducer bytes)>;

/// What `--output OUT.safetensors` holds of a result, tensor by tensor: values under the tensor's
/// own name, then codes, codebook, scale, zero_point, g_idx, channel_scale and mask where there are
/// any. The producers refer to `tensor`, `result` and `ctx`. @errors those of the sink
[[nodiscard]] Result<void> announceResult(const TensorInfo& tensor,
                                          const SchemeResult& result,
                                          const JobContext& ctx,
                                          const TensorSink& add);

/// What `--output OUT.gguf` holds of a result: the tensor under its own name. Of a block type of
/// ggml those very blocks, [out, in]; else the values in FP32, in the stored shape.
/// @errors those of the sink
using GgufSink = std::function<Result<void>(
    std::string name, std::uint32_t type, std::vector<std::int64_t> shape, ByteProducer bytes)>;
[[nodiscard]] Result<void> announceGgufResult(const TensorInfo& tensor,
                                              const SchemeResult& result,
                                              const JobContext& ctx,
                                              const GgufSink& add);

/// The keys that a GGUF file of results has: the architecture where the source names one
/// (general.architecture of a GGUF model, model_type of config.json), else "unknown"; the scheme.
void describeGgufResult(GgufWriter& writer, const Scheme& scheme, const SourceInfo* source);

/// writeResult() for OUT.gguf, with what the source says of itself (or null).
[[nodiscard]] Result<void> writeGgufResult(const std::string& path,
                                           const TensorInfo& tensor,
                                           const SchemeResult& result,
                                           const SourceInfo* source,
                                           const JobContext& ctx = {});

/// The results of many tensors in one .safetensors or .gguf file, written as they come: a result need not be
/// kept longer than add() takes. Their bytes wait in a file without a name beside the target, since
/// the header, and with it every tensor's place, is only known at the end.
class SelectionOutput {
public:
    /// `source`: for the keys of a GGUF file, or null.
    /// @errors Unsupported: not a name ending in .safetensors or .gguf; Unreadable: the folder
    [[nodiscard]] Result<void> open(const std::string& path,
                                    const Scheme& scheme,
                                    const SourceInfo* source = nullptr);
    /// @errors Invalid: a name that is taken ("w.mask" beside the mask of "w"); those of the disk
    [[nodiscard]] Result<void> add(const TensorInfo& tensor,
                                   const SchemeResult& result,
                                   const JobContext& ctx = {});
    /// The file appears under its name, complete. @errors those of the disk
    [[nodiscard]] Result<void> commit();

private:
    /// Writes the bytes where they wait. @returns who hands them over again
    [[nodiscard]] Result<ByteProducer> keep(const std::string& name, const ByteProducer& bytes);

    std::string path_;
    bool gguf_ = false;
    SafetensorsWriter writer_;
    GgufWriter ggufWriter_;
    SpoolFile spool_;
    std::set<std::string> names_;
};

}  // namespace loupe
