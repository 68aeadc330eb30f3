// SPDX-License-Identifier: Apache-2.0
// What a PyTorch pickle describes: tensors by dotted names, small values, and what it would have
// executed (spec/formats.md C.4).
#pragma once

#include "core/formats/storage_type.hpp"
#include "core/io/pickle.hpp"
#include "core/io/strided_rows.hpp"
#include "core/io/tensor_source.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace loupe {

/// A storage that the pickle names: a run of bytes kept outside of it.
struct TorchStorage {
    std::string key;
    std::uint64_t itemBytes = 1;  ///< of its class; untyped ones count bytes
    std::int64_t count = 0;       ///< elements of its class
    std::int64_t viewStart = 0;  ///< legacy views of a storage: where they begin in it, in elements
    std::string root;            ///< key of the storage that a view is of, or its own
};

/// A tensor that the pickle describes, by name.
struct TorchTensor {
    std::string name;
    std::size_t storage = 0;  ///< index into TorchObjects::storages; meaningless with a problem
    StridedPlace place;       ///< in elements of `type`
    const StorageType* type = nullptr;
    std::string dtypeName;
    std::uint64_t itemBytes = 1;
    std::uint64_t at = 0;  ///< in the pickle
    MaybeError problem;
};

struct TorchObjects {
    std::vector<TorchStorage> storages;
    std::vector<TorchTensor> tensors;
    std::vector<std::pair<std::string, std::string>> metadata;
    std::vector<std::string> warnings;
};

using PicklePlace = std::function<std::string(std::uint64_t offset)>;

/// Adds what hangs at the pickle's root to `objects`, names beginning with `prefix`.
/// Dictionaries, lists and the attributes of objects become dotted names. Every name is emitted as
/// often as it is reached, at most 16 times as many as the pickle has objects.
/// @errors Unsupported: the pickle would run a program, or objects hold themselves too often; names
/// the first such function and its offset
[[nodiscard]] Result<void> collectTorch(const Pickle& pickle,
                                        const PicklePlace& place,
                                        const std::string& prefix,
                                        TorchObjects& objects);

}  // namespace loupe
