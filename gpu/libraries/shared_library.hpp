// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.hpp"

#include <cstddef>
#include <initializer_list>
#include <string>
#include <vector>

namespace loupe::gpu {

/// A function of a library by its name, and the pointer that gets it.
class EntryPoint {
public:
    template <class Function>
    EntryPoint(Function& pointer, const char* name)
        : name_(name), pointer_(&pointer), set_([](void* to, void* symbol) {
              // POSIX defines that the object pointer of dlsym may be converted to a function
              // pointer.
              *static_cast<Function*>(to) = reinterpret_cast<Function>(symbol);
          }) {}
    [[nodiscard]] const char* name() const { return name_; }
    void set(void* symbol) const { set_(pointer_, symbol); }

private:
    const char* name_;
    void* pointer_;
    void (*set_)(void*, void*);
};

/// A library that may or may not be on this machine. Never closed: those that are loaded here keep
/// threads and handlers of their own.
class SharedLibrary {
public:
    /// The first of these names that loads: through the loader's own path (LD_LIBRARY_PATH
    /// included), then in the usual folders of the CUDA toolkit.
    /// @errors NotFound: what was looked for; Unsupported: why the one that is there does not load
    [[nodiscard]] static Result<SharedLibrary> open(const std::vector<std::string>& names);

    /// Sets all these pointers; null where the library has no such entry. @returns the name of the
    /// last that is missing, null: none
    [[nodiscard]] const char* missing(std::initializer_list<EntryPoint> entries) const;
    /// Sets one pointer. @returns whether the library has it
    bool load(const EntryPoint& entry) const { return missing({entry}) == nullptr; }
    template <class Function>
    bool load(Function& function, const char* name) const {
        return load(EntryPoint(function, name));
    }

private:
    void* handle_ = nullptr;
};

/// "13.1.0" of 130100: how NVIDIA's libraries count their versions.
[[nodiscard]] std::string dottedVersion(std::size_t number);

}  // namespace loupe::gpu
