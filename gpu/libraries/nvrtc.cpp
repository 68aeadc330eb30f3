// SPDX-License-Identifier: Apache-2.0
// NVRTC's own prototypes: seven functions, the same since CUDA 11.1 (nvrtc.h).
#include "gpu/libraries/nvrtc.hpp"

#include "gpu/kernels/kernel.hpp"
#include "gpu/libraries/shared_library.hpp"

#include <array>

namespace loupe::gpu {

namespace {

struct NvrtcEntries {
    int (*version)(int*, int*) = nullptr;
    int (*create)(void**, const char*, const char*, int, const char* const*, const char* const*) =
        nullptr;
    int (*destroy)(void**) = nullptr;
    int (*compile)(void*, int, const char* const*) = nullptr;
    int (*logSize)(void*, std::size_t*) = nullptr;
    int (*log)(void*, char*) = nullptr;
    int (*imageSize)(void*, std::size_t*) = nullptr;
    int (*image)(void*, char*) = nullptr;
};

Result<NvrtcEntries> loadNvrtc() {
    const Result<SharedLibrary> library = SharedLibrary::open({"libnvrtc.so.13", "libnvrtc.so.12"});
    if (!library) {
        return fail(library.error());
    }
    NvrtcEntries api;
    if (library->missing({{api.version, "nvrtcVersion"},
                          {api.create, "nvrtcCreateProgram"},
                          {api.destroy, "nvrtcDestroyProgram"},
                          {api.compile, "nvrtcCompileProgram"},
                          {api.logSize, "nvrtcGetProgramLogSize"},
                          {api.log, "nvrtcGetProgramLog"},
                          {api.imageSize, "nvrtcGetCUBINSize"},
                          {api.image, "nvrtcGetCUBIN"}}) != nullptr) {
        return fail(ErrorCode::Unsupported, "this libnvrtc is older than CUDA 11.1");
    }
    return api;
}

const Result<NvrtcEntries>& nvrtc() {
    static const Result<NvrtcEntries> kEntries = loadNvrtc();
    return kEntries;
}

std::string firstErrorLine(const NvrtcEntries& api, void* program) {
    std::size_t size = 0;
    if (api.logSize(program, &size) != 0 || size == 0) {
        return "no message";
    }
    std::string log(size, '\0');
    api.log(program, log.data());
    const std::size_t at = log.find("error");
    const std::size_t begin = at == std::string::npos ? 0 : log.rfind('\n', at) + 1;
    return log.substr(begin, log.find('\n', begin) - begin);
}

}  // namespace

std::string nvrtcVersion() {
    int major = 0;
    int minor = 0;
    return nvrtc() && nvrtc()->version(&major, &minor) == 0
               ? std::to_string(major) + "." + std::to_string(minor)
               : std::string();
}

Result<CompiledText> compileWithNvrtc(std::string_view family, int capability) {
    const Result<NvrtcEntries>& loaded = nvrtc();
    if (!loaded) {
        return fail(loaded.error());
    }
    const NvrtcEntries& api = *loaded;
    const std::string text(kernelSource(family));
    const std::string simt(kernelSource("simt"));
    if (text.empty()) {
        return fail(ErrorCode::Unsupported,
                    "no text of the kernels '" + std::string(family) + "' is built in");
    }
    const std::string name = std::string(family) + ".cuh";
    const std::array<const char*, 1> headers{simt.c_str()};
    const std::array<const char*, 1> headerNames{"gpu/simt/simt.hpp"};
    void* program = nullptr;
    if (const int status =
            api.create(&program, text.c_str(), name.c_str(), 1, headers.data(), headerNames.data());
        status != 0) {
        return fail(ErrorCode::Unsupported,
                    "nvrtcCreateProgram failed with status " + std::to_string(status));
    }
    const std::string arch = "--gpu-architecture=sm_" + std::to_string(capability);
    // As constexpr functions of the kernels' texts are meant for the device too.
    const std::array<const char*, 4> options{
        arch.c_str(), "--std=c++17", "-lineinfo", "-default-device"};
    CompiledText compiled;
    compiled.version = nvrtcVersion();
    Result<void> done;
    std::size_t size = 0;
    if (api.compile(program, static_cast<int>(options.size()), options.data()) != 0) {
        done = fail(ErrorCode::Invalid, "NVRTC: " + firstErrorLine(api, program));
    } else if (api.imageSize(program, &size) != 0 || size == 0) {
        done =
            fail(ErrorCode::Unsupported, "NVRTC made no code for sm_" + std::to_string(capability));
    } else {
        compiled.image.resize(size);
        if (api.image(program, compiled.image.data()) != 0) {
            done = fail(ErrorCode::Unsupported, "NVRTC did not hand out its code");
        }
    }
    api.destroy(&program);
    if (!done) {
        return fail(done.error());
    }
    return compiled;
}

}  // namespace loupe::gpu
