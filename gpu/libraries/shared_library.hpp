// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <string>
#include <type_traits>
#include <vector>

namespace loupe::gpu {

/// A library that may or may not be on this machine. Never closed: NVIDIA's keep threads and
/// handlers of their own.
class SharedLibrary {
public:
    /// The first of these names that loads: through the loader's own path (LD_LIBRARY_PATH
    /// included), then in the usual folders of the CUDA toolkit. Unsupported: what was looked for.
    [[nodiscard]] static Result<SharedLibrary> open(const std::vector<std::string>& names);
    [[nodiscard]] void* symbol(const char* name) const;
    /// Null where the library has no such entry.
    template <class Function>
    [[nodiscard]] Function entry(const char* name) const {
        // POSIX defines that the object pointer of dlsym may be converted to a function pointer.
        return reinterpret_cast<Function>(symbol(name));
    }
    template <class Function>
    bool load(Function& function, const char* name) const {
        function = entry<Function>(name);
        return function != nullptr;
    }

private:
    void* handle_ = nullptr;
};

}  // namespace loupe::gpu
