// SPDX-License-Identifier: Apache-2.0
// A stand-in for libcuda.so.1: memory is host memory, kernels run on the executor, time is counted,
// not measured. Faults are asked for in LOUPE_FAKE_CUDA, words separated by commas:
//   init=CODE    cuInit fails            devices=N    number of devices
//   oom=N        the N-th allocation fails   short=N      the N-th allocation lacks its last 64
//   bytes launch=N     the N-th launch of a product fails (719)   event=N   the N-th event is not
//   made hang         the stream never gets ready   old          the driver knows CUDA 12.8 only
//   image        no module loads              us=T         what a launch takes, 50 microseconds
//   else
#include "gpu/simt/entries.hpp"
#include "gpu/simt/executor.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace simt = loupe::gpu::simt;

namespace {

constexpr int kOk = 0;
constexpr int kInvalidValue = 1;
constexpr int kNoMemory = 2;
constexpr int kInvalidImage = 200;
constexpr int kInvalidHandle = 400;
constexpr int kNotFound = 500;
constexpr int kNotReady = 600;
constexpr int kIllegalAddress = 700;
constexpr int kLaunchFailed = 719;
constexpr std::uint32_t kFatBinaryMagic = 0xBA55ED50;
constexpr std::uint32_t kElfMagic = 0x464C457F;  // what NVRTC makes

struct FakeEvent {
    double us = 0;
};

struct FakeGraph {
    std::vector<std::function<int()>> work;
};

struct FakeDevice {
    std::map<std::string, long> faults;
    std::map<std::uintptr_t, std::size_t> memory;
    std::map<std::string, std::string> functions;
    std::set<std::string> checkedOnce;
    int sticky = 0;
    long allocations = 0;
    long launches = 0;
    long events = 0;
    double nowUs = 0;
    std::unique_ptr<FakeGraph> capturing;

    FakeDevice() {
        const char* text = std::getenv("LOUPE_FAKE_CUDA");
        std::string words = text == nullptr ? "" : text;
        while (!words.empty()) {
            const std::size_t end = words.find(',');
            const std::string word = words.substr(0, end);
            words = end == std::string::npos ? "" : words.substr(end + 1);
            const std::size_t sign = word.find('=');
            faults[word.substr(0, sign)] =
                sign == std::string::npos ? 1 : std::atol(word.c_str() + sign + 1);
        }
    }
    [[nodiscard]] long fault(const char* name, long otherwise = 0) const {
        const auto found = faults.find(name);
        return found == faults.end() ? otherwise : found->second;
    }
    [[nodiscard]] std::vector<simt::Allocation> allocationList() const {
        std::vector<simt::Allocation> list;
        for (const auto& [address, bytes] : memory) {
            list.push_back({reinterpret_cast<void*>(address), bytes});
        }
        return list;
    }
    /// Bytes from this address to the end of its allocation.
    [[nodiscard]] std::size_t room(std::uintptr_t address) const {
        auto after = memory.upper_bound(address);
        if (after == memory.begin()) {
            return 0;
        }
        --after;
        const std::size_t offset = address - after->first;
        return offset < after->second ? after->second - offset : 0;
    }
    /// Now, or as part of the graph that is being captured.
    int submit(std::function<int()> work) {
        if (sticky != 0) {
            return sticky;
        }
        if (capturing != nullptr) {
            capturing->work.push_back(std::move(work));
            return kOk;
        }
        return work();
    }
};

FakeDevice& device() {
    static FakeDevice fake;
    return fake;
}

struct FakeLaunch {
    const std::string* entry = nullptr;
    simt::Dim3 grid;
    simt::Dim3 block;
    std::size_t shared = 0;
    std::vector<std::uint64_t> slots;
};

/// Checked the first time an entry runs with a grid, fast afterwards.
int runLaunch(const FakeLaunch& launch) {
    FakeDevice& d = device();
    const bool isProduct = launch.entry->rfind("probe", 0) != 0;
    if (isProduct) {
        d.nowUs += static_cast<double>(d.fault("us", 50));
        if (++d.launches == d.fault("launch")) {
            d.sticky = kLaunchFailed;
            return kOk;  // as on a device: the next call says so
        }
    }
    std::vector<void*> values;
    std::vector<std::uint64_t> slots = launch.slots;
    for (std::uint64_t& slot : slots) {
        values.push_back(&slot);
    }
    simt::LaunchOptions options;
    const std::string key =
        *launch.entry + " " + std::to_string(launch.grid.x) + " " + std::to_string(launch.grid.y);
    options.mode = d.checkedOnce.insert(key).second ? simt::Mode::Checked : simt::Mode::Fast;
    options.dynamicShared = launch.shared;
    options.sharedLimit = std::size_t{227} << 10;
    options.workers = 1;
    const simt::LaunchResult result = simt::launch(
        *launch.entry, launch.grid, launch.block, values.data(), d.allocationList(), options);
    if (!result.error.empty()) {
        std::fprintf(stderr, "[stand-in device] %s\n", result.error.c_str());
        d.sticky = kIllegalAddress;
    }
    return kOk;
}

const simt::Entry* entryNamed(const std::string& name) {
    for (const simt::EntryTable& table : simt::entryTables()) {
        for (const simt::Entry& entry : table.fast) {
            if (name == entry.name) {
                return &entry;
            }
        }
    }
    return nullptr;
}

}  // namespace

extern "C" {

using DevicePtr = unsigned long long;

int cuInit(unsigned) {
    return static_cast<int>(device().fault("init"));
}
int cuDriverGetVersion(int* version) {
    *version = device().fault("old") != 0 ? 12080 : 13000;
    return kOk;
}
int cuDeviceGetCount(int* count) {
    *count = static_cast<int>(device().fault("devices", 1));
    return kOk;
}
int cuDeviceGet(int* handle, int) {
    *handle = 0;
    return kOk;
}
int cuDeviceGetName(char* text, int size, int) {
    std::snprintf(text, static_cast<std::size_t>(size), "SIMT executor (CPU)");
    return kOk;
}
int cuDeviceGetUuid_v2(unsigned char* bytes, int) {
    std::memset(bytes, 0x51, 16);
    return kOk;
}
int cuDeviceTotalMem_v2(std::size_t* bytes, int) {
    *bytes = std::size_t{1} << 30;
    return kOk;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
    const std::map<int, int> known{
        {13, 1000000}, {16, 2}, {38, 64 << 10}, {75, 9}, {76, 0}, {97, 227 << 10}};
    const auto found = known.find(attribute);
    *value = found == known.end() ? 0 : found->second;
    return kOk;
}
int cuDevicePrimaryCtxRetain(void** context, int) {
    *context = &device();
    return kOk;
}
int cuDevicePrimaryCtxRelease_v2(int) {
    return kOk;
}
int cuCtxSetCurrent(void*) {
    return kOk;
}
int cuCtxSynchronize() {
    return device().sticky;
}

int cuModuleLoadData(void** module, const void* image) {
    FakeDevice& d = device();
    std::uint32_t magic = 0;
    std::memcpy(&magic, image, sizeof(magic));
    if ((magic != kFatBinaryMagic && magic != kElfMagic) || d.fault("image") != 0 ||
        d.fault("old") != 0) {
        return kInvalidImage;
    }
    *module = &d;
    return d.sticky;
}
int cuModuleUnload(void*) {
    return kOk;
}
int cuModuleGetFunction(void** function, void*, const char* name) {
    if (!simt::hasEntry(name)) {
        return kNotFound;
    }
    *function = &device().functions.try_emplace(name, name).first->second;
    return kOk;
}
int cuFuncGetAttribute(int* value, int, void*) {
    *value = 0;
    return kOk;
}
int cuFuncSetAttribute(void*, int, int) {
    return kOk;
}

int cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
    *free = std::size_t{1} << 20;
    *total = std::size_t{1} << 30;
    return kOk;
}
int cuMemAlloc_v2(DevicePtr* pointer, std::size_t bytes) {
    FakeDevice& d = device();
    if (d.sticky != 0) {
        return d.sticky;
    }
    const long number = ++d.allocations;
    if (number == d.fault("oom")) {
        return kNoMemory;
    }
    const std::size_t granted = number == d.fault("short") && bytes > 64 ? bytes - 64 : bytes;
    void* const memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    std::memset(memory, 0xCD, granted);
    d.memory[reinterpret_cast<std::uintptr_t>(memory)] = granted;
    *pointer = reinterpret_cast<std::uintptr_t>(memory);
    return kOk;
}
int cuMemFree_v2(DevicePtr pointer) {
    if (device().memory.erase(pointer) == 0) {
        return kInvalidValue;
    }
    std::free(reinterpret_cast<void*>(pointer));
    return kOk;
}
int cuMemcpyHtoD_v2(DevicePtr to, const void* from, std::size_t bytes) {
    FakeDevice& d = device();
    std::memcpy(reinterpret_cast<void*>(to), from, std::min(bytes, d.room(to)));
    return d.sticky;
}
int cuMemcpyDtoH_v2(void* to, DevicePtr from, std::size_t bytes) {
    FakeDevice& d = device();
    if (bytes > d.room(from)) {
        return kInvalidValue;
    }
    std::memcpy(to, reinterpret_cast<const void*>(from), bytes);
    return d.sticky;
}
int cuMemcpyDtoDAsync_v2(DevicePtr to, DevicePtr from, std::size_t bytes, void*) {
    return device().submit([=] {
        const FakeDevice& d = device();
        if (bytes > d.room(from) || bytes > d.room(to)) {
            return kInvalidValue;
        }
        std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
        return kOk;
    });
}
int cuMemsetD8Async(DevicePtr to, unsigned char value, std::size_t bytes, void*) {
    return device().submit([=] {
        std::memset(reinterpret_cast<void*>(to), value, std::min(bytes, device().room(to)));
        return kOk;
    });
}

int cuStreamCreate(void** stream, unsigned) {
    *stream = &device();
    return kOk;
}
int cuStreamDestroy_v2(void*) {
    return kOk;
}
int cuStreamQuery(void*) {
    const FakeDevice& d = device();
    return d.sticky == 0 && d.fault("hang") != 0 && d.launches > 0 ? kNotReady : d.sticky;
}
int cuStreamBeginCapture_v2(void*, int) {
    device().capturing = std::make_unique<FakeGraph>();
    return kOk;
}
int cuStreamEndCapture(void*, void** graph) {
    *graph = device().capturing.release();
    return *graph == nullptr ? kInvalidHandle : kOk;
}
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
    *executable = new FakeGraph(*static_cast<FakeGraph*>(graph));
    return kOk;
}
int cuGraphLaunch(void* executable, void*) {
    for (const auto& work : static_cast<FakeGraph*>(executable)->work) {
        if (const int status = device().sticky != 0 ? device().sticky : work(); status != kOk) {
            return status;
        }
    }
    return kOk;
}
int cuGraphExecDestroy(void* executable) {
    delete static_cast<FakeGraph*>(executable);
    return kOk;
}
int cuGraphDestroy(void* graph) {
    delete static_cast<FakeGraph*>(graph);
    return kOk;
}
int cuEventCreate(void** event, unsigned) {
    if (++device().events == device().fault("event")) {
        return kInvalidHandle;
    }
    *event = new FakeEvent;
    return kOk;
}
int cuEventDestroy_v2(void* event) {
    delete static_cast<FakeEvent*>(event);
    return kOk;
}
int cuEventRecord(void* event, void*) {
    static_cast<FakeEvent*>(event)->us = device().nowUs;
    return device().sticky;
}
int cuEventElapsedTime(float* milliseconds, void* start, void* stop) {
    *milliseconds = static_cast<float>(
        (static_cast<FakeEvent*>(stop)->us - static_cast<FakeEvent*>(start)->us) * 1e-3);
    return device().sticky;
}
int cuLaunchKernel(void* function,
                   unsigned gx,
                   unsigned gy,
                   unsigned gz,
                   unsigned bx,
                   unsigned by,
                   unsigned bz,
                   unsigned shared,
                   void*,
                   void** arguments,
                   void**) {
    FakeLaunch launch;
    launch.entry = static_cast<const std::string*>(function);
    launch.grid = {gx, gy, gz};
    launch.block = {bx, by, bz};
    launch.shared = shared;
    const simt::Entry* const entry = entryNamed(*launch.entry);
    for (int i = 0; entry != nullptr && i < entry->arguments; ++i) {
        std::uint64_t slot = 0;
        std::memcpy(&slot, arguments[i], sizeof(slot));
        launch.slots.push_back(slot);
    }
    return device().submit([launch] { return runLaunch(launch); });
}
/// NVRTC looks for private tables of the driver; without this entry it takes a null one for one.
int cuGetExportTable(const void**, const void*) {
    return kNotFound;
}
int cuGetErrorName(int status, const char** name) {
    static const std::map<int, const char*> kNames{{kInvalidValue, "CUDA_ERROR_INVALID_VALUE"},
                                                   {kNoMemory, "CUDA_ERROR_OUT_OF_MEMORY"},
                                                   {34, "CUDA_ERROR_STUB_LIBRARY"},
                                                   {100, "CUDA_ERROR_NO_DEVICE"},
                                                   {kInvalidImage, "CUDA_ERROR_INVALID_IMAGE"},
                                                   {kInvalidHandle, "CUDA_ERROR_INVALID_HANDLE"},
                                                   {kNotFound, "CUDA_ERROR_NOT_FOUND"},
                                                   {kIllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS"},
                                                   {kLaunchFailed, "CUDA_ERROR_LAUNCH_FAILED"}};
    const auto found = kNames.find(status);
    *name = found == kNames.end() ? nullptr : found->second;
    return found == kNames.end() ? kInvalidValue : kOk;
}
int cuGetErrorString(int, const char** text) {
    *text = "said by the stand-in for the driver";
    return kOk;
}

}  // extern "C"
