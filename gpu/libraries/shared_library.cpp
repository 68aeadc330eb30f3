// SPDX-License-Identifier: Apache-2.0
#include "gpu/libraries/shared_library.hpp"

#include <array>
#include <dlfcn.h>

namespace loupe::gpu {

Result<SharedLibrary> SharedLibrary::open(const std::vector<std::string>& names) {
    constexpr std::array<const char*, 4> kFolders{
        "", "/usr/local/cuda/lib64/", "/usr/local/cuda/lib/", "/opt/cuda/lib64/"};
    for (const char* folder : kFolders) {
        for (const std::string& name : names) {
            SharedLibrary library;
            library.handle_ = dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL);
            if (library.handle_ != nullptr) {
                return library;
            }
        }
    }
    return fail(ErrorCode::Unsupported, names.front() + " could not be loaded");
}

void* SharedLibrary::symbol(const char* name) const {
    return dlsym(handle_, name);
}

}  // namespace loupe::gpu
