// SPDX-License-Identifier: Apache-2.0
#include "gpu/libraries/shared_library.hpp"

#include <array>
#include <dlfcn.h>

namespace loupe::gpu {

namespace {

/// Why the library `path` does not load although it is there; empty: it is not there.
std::string complaint(const std::string& path) {
    const char* const said = dlerror();
    const std::string error = said == nullptr ? "" : said;
    const bool isAbsent =
        error.rfind(path + ":", 0) == 0 && error.find("No such file") != std::string::npos;
    return isAbsent ? std::string() : path + " does not load: " + error;
}

}  // namespace

Result<SharedLibrary> SharedLibrary::open(const std::vector<std::string>& names) {
    constexpr std::array<const char*, 4> kFolders{
        "", "/usr/local/cuda/lib64/", "/usr/local/cuda/lib/", "/opt/cuda/lib64/"};
    std::string why;
    for (const char* folder : kFolders) {
        for (const std::string& name : names) {
            SharedLibrary library;
            library.handle_ = dlopen((folder + name).c_str(), RTLD_NOW | RTLD_LOCAL);
            if (library.handle_ != nullptr) {
                return library;
            }
            const std::string said = complaint(folder + name);
            why = said.empty() ? why : said;
        }
    }
    return why.empty() ? fail(ErrorCode::NotFound, names.front() + " could not be loaded")
                       : fail(ErrorCode::Unsupported, why);
}

const char* SharedLibrary::missing(std::initializer_list<EntryPoint> entries) const {
    const char* lacking = nullptr;
    for (const EntryPoint& entry : entries) {
        void* const symbol = dlsym(handle_, entry.name());
        entry.set(symbol);
        lacking = symbol == nullptr ? entry.name() : lacking;
    }
    return lacking;
}

std::string dottedVersion(std::size_t number) {
    return std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "." +
           std::to_string(number % 100);
}

}  // namespace loupe::gpu
