// SPDX-License-Identifier: Apache-2.0
// The primary context of one device and what lives in it. All of it belongs to one thread.
#pragma once

#include "core/base/job.hpp"
#include "gpu/driver/driver.hpp"
#include "gpu/simt/executor.hpp"
#include "gpu/timing/record.hpp"

#include <functional>
#include <memory>
#include <span>
#include <string>

namespace loupe::gpu::cuda {

/// CUdevice_attribute and CUfunction_attribute of cuda.h, as far as they are asked for.
enum class DeviceAttribute : int {
    ClockRateKhz = 13,
    MultiprocessorCount = 16,
    MemoryClockKhz = 36,
    L2Bytes = 38,
    CapabilityMajor = 75,
    CapabilityMinor = 76,
    SharedBytesOptIn = 97,
};
enum class FunctionAttribute : int {
    SharedBytes = 1,
    LocalBytes = 3,
    Registers = 4,
    BinaryVersion = 6,
    MostDynamicShared = 8,
};

/// The device and its primary context, which libraries share. One at a time.
class Context {
public:
    /// Device 0 of those that CUDA_VISIBLE_DEVICES leaves.
    [[nodiscard]] static Result<std::unique_ptr<Context>> open();
    ~Context();
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;

    [[nodiscard]] const Driver& driver() const { return *driver_; }
    [[nodiscard]] const DeviceRecord& device() const { return device_; }
    [[nodiscard]] int deviceIndex() const { return index_; }
    [[nodiscard]] int capability() const { return capability_; }  ///< 90 for 9.0
    [[nodiscard]] double clockMhz() const { return clockMhz_; }
    [[nodiscard]] std::size_t sharedLimit() const { return sharedLimit_; }
    [[nodiscard]] void* stream() const { return stream_; }
    /// True where the driver is the stand-in of the tests: what runs there is no GPU.
    [[nodiscard]] bool isStandIn() const;

    /// The status as a value; remembers errors that the context does not survive.
    [[nodiscard]] Result<void> check(DriverStatus status, const char* call);
    /// Waits for the stream without blocking in the driver. OutOfMemory and others as check(); a
    /// stream that takes longer than the deadline counts as hung, and the context as lost. Throws
    /// Cancelled.
    [[nodiscard]] Result<void> wait(const JobContext& ctx);
    void setDeadline(double seconds) { deadlineSeconds_ = seconds; }
    /// Why nothing can run in this process any more; empty: it can.
    [[nodiscard]] const std::string& lost() const { return lost_; }
    void markLost(std::string why);
    /// Waits for everything, default stream included.
    [[nodiscard]] Result<void> synchronize();

private:
    Context() = default;
    [[nodiscard]] Result<void> describeDevice();
    [[nodiscard]] int attribute(DeviceAttribute which) const;

    const Driver* driver_ = nullptr;
    int index_ = 0;
    int capability_ = 0;
    double clockMhz_ = 0;
    double deadlineSeconds_ = 30;
    std::size_t sharedLimit_ = 0;
    void* context_ = nullptr;
    void* stream_ = nullptr;
    DeviceRecord device_;
    std::string lost_;
};

/// Device memory; freed when it goes.
class DeviceMemory {
public:
    DeviceMemory() = default;
    DeviceMemory(DeviceMemory&& other) noexcept;
    DeviceMemory& operator=(DeviceMemory&& other) noexcept;
    DeviceMemory(const DeviceMemory&) = delete;
    DeviceMemory& operator=(const DeviceMemory&) = delete;
    ~DeviceMemory();

    /// OutOfMemory, saying how much was asked for and how much is free.
    [[nodiscard]] static Result<DeviceMemory> allocate(Context& context, std::size_t bytes);
    [[nodiscard]] Result<void> upload(std::span<const std::byte> bytes);
    [[nodiscard]] Result<void> download(std::span<std::byte> bytes) const;
    /// On the context's stream.
    [[nodiscard]] Result<void> fill(unsigned char byte);
    [[nodiscard]] DevicePointer pointer() const { return pointer_; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    void release();
    Context* context_ = nullptr;
    DevicePointer pointer_ = 0;
    std::size_t bytes_ = 0;
};

struct FunctionFigures {
    int registers = 0;
    int staticShared = 0;
    int localBytes = 0;  ///< a thread: spills and arrays that are not in registers
    int binaryVersion = 0;
};

/// Device code that was loaded.
class Module {
public:
    Module() = default;
    Module(Module&& other) noexcept;
    Module& operator=(Module&& other) noexcept;
    Module(const Module&) = delete;
    Module& operator=(const Module&) = delete;
    ~Module();

    /// A fat binary, or PTX or a cubin from NVRTC. Unsupported where the driver takes none of it.
    [[nodiscard]] static Result<Module> load(Context& context, const void* image);
    [[nodiscard]] Result<void*> function(const std::string& entry);
    [[nodiscard]] Result<FunctionFigures> figures(void* function);
    /// Lets the function use this much dynamic shared memory a block.
    [[nodiscard]] Result<void> allowShared(void* function, std::size_t bytes);

private:
    Context* context_ = nullptr;
    void* module_ = nullptr;
};

class Event {
public:
    Event() = default;
    Event(Event&& other) noexcept;
    Event& operator=(Event&& other) noexcept;
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    ~Event();
    [[nodiscard]] static Result<Event> create(Context& context);
    [[nodiscard]] Result<void> record();
    /// Microseconds from `start` to this event; both have happened.
    [[nodiscard]] Result<double> since(const Event& start) const;

private:
    Context* context_ = nullptr;
    void* event_ = nullptr;
};

/// Work that was recorded once and is launched as a whole.
class Graph {
public:
    Graph() = default;
    Graph(Graph&& other) noexcept;
    Graph& operator=(Graph&& other) noexcept;
    Graph(const Graph&) = delete;
    Graph& operator=(const Graph&) = delete;
    ~Graph();
    /// Captures what `enqueue` puts on the context's stream.
    [[nodiscard]] static Result<Graph> capture(Context& context,
                                               const std::function<Result<void>()>& enqueue);
    [[nodiscard]] Result<void> launch();

private:
    Context* context_ = nullptr;
    void* graph_ = nullptr;
    void* executable_ = nullptr;
};

}  // namespace loupe::gpu::cuda
