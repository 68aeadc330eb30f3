// SPDX-License-Identifier: Apache-2.0
// PyTorch's names of types and functions as pickles spell them.
#pragma once

#include "core/formats/storage_type.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace loupe {

/// An element type of PyTorch. `type` is null where nothing here reads it.
struct TorchType {
    const StorageType* type = nullptr;
    std::string name;         ///< the contract's, or PyTorch's own
    std::uint64_t bytes = 0;  ///< 0: no such type
    bool twoPerByte = false;  ///< an element of PyTorch holds two
};

/// "torch.FloatStorage", "torch.cuda.HalfStorage", "torch.storage.UntypedStorage".
[[nodiscard]] TorchType torchStorageClass(std::string_view global);
/// "torch.float8_e4m3fn".
[[nodiscard]] TorchType torchDtype(std::string_view global);

enum class TorchCall : std::uint8_t {
    Passive,    ///< known, and nothing but data
    Unknown,    ///< some class or function: its data can be shown, it is not run
    Dangerous,  ///< of a module that runs programs, opens files or imports code
};
[[nodiscard]] TorchCall judgeTorchGlobal(std::string_view global);

}  // namespace loupe
