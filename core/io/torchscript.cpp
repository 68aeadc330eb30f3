// SPDX-License-Identifier: Apache-2.0
// TorchScript archives: modules and constants as tensors; the code is not looked at.
#include "core/io/pytorch_source.hpp"

namespace loupe {

Result<void> collectTorchScript(const TorchArchive& archive, TorchFile& file) {
    file.info.format = "torchscript";
    if (Result<void> collected = archive.collect(*archive.find("data.pkl"), "data/", "", file);
        !collected) {
        return collected;
    }
    return archive.collect(*archive.find("constants.pkl"), "constants/", "constants", file);
}

}  // namespace loupe
