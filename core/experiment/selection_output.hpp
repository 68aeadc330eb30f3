// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/experiment/pipeline.hpp"
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

/// The results of many tensors in one .safetensors file, written as they come: a result need not be
/// kept longer than add() takes. Their bytes wait in a file without a name beside the target, since
/// the header, and with it every tensor's place, is only known at the end.
class SelectionOutput {
public:
    /// @errors Unsupported: not a name ending in .safetensors; Unreadable: the folder
    [[nodiscard]] Result<void> open(const std::string& path, const Scheme& scheme);
    /// @errors Invalid: a name that is taken ("w.mask" beside the mask of "w"); those of the disk
    [[nodiscard]] Result<void> add(const TensorInfo& tensor,
                                   const SchemeResult& result,
                                   const JobContext& ctx = {});
    /// The file appears under its name, complete. @errors those of the disk
    [[nodiscard]] Result<void> commit();

private:
    std::string path_;
    SafetensorsWriter writer_;
    SpoolFile spool_;
    std::set<std::string> names_;
};

}  // namespace loupe
