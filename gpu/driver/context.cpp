// SPDX-License-Identifier: Apache-2.0
#include "gpu/driver/context.hpp"

#include <array>
#include <chrono>
#include <thread>
#include <utility>

namespace loupe::gpu::cuda {

namespace {

constexpr const char* kStandIn = "SIMT executor (CPU)";
constexpr unsigned kStreamNonBlocking = 1;
constexpr int kCaptureThreadLocal = 1;

std::string uuidText(const std::array<unsigned char, 16>& bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    std::string text = "GPU-";
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text.push_back('-');
        }
        text.push_back(kDigits[bytes[i] >> 4]);
        text.push_back(kDigits[bytes[i] & 15]);
    }
    return text;
}

std::string mebibytes(std::size_t bytes) {
    return std::to_string((bytes + (std::size_t{1} << 20) - 1) >> 20) + " MiB";
}

}  // namespace

Result<std::unique_ptr<Context>> Context::open() {
    const Result<const Driver*> driver = Driver::load();
    if (!driver) {
        return fail(driver.error());
    }
    std::unique_ptr<Context> context(new Context);
    context->driver_ = *driver;
    const Driver& api = **driver;
    if (Result<void> done = context->check(api.deviceGet(&context->index_, 0), "cuDeviceGet");
        !done) {
        return fail(done.error());
    }
    if (Result<void> done = context->describeDevice(); !done) {
        return fail(done.error());
    }
    if (Result<void> done = context->check(
            api.primaryCtxRetain(&context->context_, context->index_), "cuDevicePrimaryCtxRetain");
        !done) {
        return fail(done.error());
    }
    if (Result<void> done = context->check(api.ctxSetCurrent(context->context_), "cuCtxSetCurrent");
        !done) {
        return fail(done.error());
    }
    if (Result<void> done = context->check(api.streamCreate(&context->stream_, kStreamNonBlocking),
                                           "cuStreamCreate");
        !done) {
        return fail(done.error());
    }
    return context;
}

Context::~Context() {
    // A context that is lost, or whose kernel never ends, would make these wait for ever.
    if (driver_ == nullptr || !lost_.empty()) {
        return;
    }
    if (stream_ != nullptr) {
        driver_->streamDestroy(stream_);
    }
    if (context_ != nullptr) {
        driver_->primaryCtxRelease(index_);
    }
}

int Context::attribute(DeviceAttribute which) const {
    int value = 0;
    return driver_->deviceGetAttribute(&value, static_cast<int>(which), index_) == kSuccess ? value
                                                                                            : 0;
}

Result<void> Context::describeDevice() {
    std::array<char, 256> name{};
    if (Result<void> done =
            check(driver_->deviceGetName(name.data(), static_cast<int>(name.size()), index_),
                  "cuDeviceGetName");
        !done) {
        return done;
    }
    device_.name = name.data();
    std::array<unsigned char, 16> uuid{};
    if (driver_->deviceGetUuid(uuid.data(), index_) == kSuccess) {
        device_.uuid = uuidText(uuid);
    }
    std::size_t bytes = 0;
    if (driver_->deviceTotalMem(&bytes, index_) == kSuccess) {
        device_.memoryBytes = static_cast<std::int64_t>(bytes);
    }
    const int major = attribute(DeviceAttribute::CapabilityMajor);
    const int minor = attribute(DeviceAttribute::CapabilityMinor);
    capability_ = 10 * major + minor;
    device_.computeCapability = std::to_string(major) + "." + std::to_string(minor);
    device_.multiprocessors = attribute(DeviceAttribute::MultiprocessorCount);
    device_.l2Bytes = attribute(DeviceAttribute::L2Bytes);
    sharedLimit_ = static_cast<std::size_t>(attribute(DeviceAttribute::SharedBytesOptIn));
    clockMhz_ = attribute(DeviceAttribute::ClockRateKhz) * 1e-3;
    return check(driver_->driverGetVersion(&device_.api), "cuDriverGetVersion");
}

bool Context::isStandIn() const {
    return device_.name == kStandIn;
}

Result<void> Context::check(DriverStatus status, const char* call) {
    if (status == kSuccess) {
        return {};
    }
    const std::string what = std::string(call) + ": " + driver_->describe(status);
    if (isSticky(status)) {
        markLost(what);
    }
    return fail(status == kOutOfMemory ? ErrorCode::OutOfMemory : ErrorCode::Unsupported, what);
}

void Context::markLost(std::string why) {
    if (lost_.empty()) {
        lost_ = std::move(why);
    }
}

Result<void> Context::wait(const JobContext& ctx) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    for (int polls = 0;; ++polls) {
        const DriverStatus status = driver_->streamQuery(stream_);
        if (status != kNotReady) {
            return check(status, "cuStreamQuery");
        }
        const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
        if (seconds > deadlineSeconds_) {
            markLost("the device did not finish within " +
                     std::to_string(static_cast<int>(deadlineSeconds_)) + " s");
            return fail(ErrorCode::Unsupported, lost_);
        }
        if (ctx.cancelled()) {
            // What runs may never end: the context is left to the end of the process.
            markLost("cancelled");
            ctx.checkpoint();
        }
        if (seconds > 2e-3) {
            std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
    }
}

Result<void> Context::synchronize() {
    return check(driver_->ctxSynchronize(), "cuCtxSynchronize");
}

DeviceMemory::DeviceMemory(DeviceMemory&& other) noexcept {
    *this = std::move(other);
}

DeviceMemory& DeviceMemory::operator=(DeviceMemory&& other) noexcept {
    if (this != &other) {
        release();
        context_ = other.context_;
        pointer_ = std::exchange(other.pointer_, 0);
        bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
}

DeviceMemory::~DeviceMemory() {
    release();
}

void DeviceMemory::release() {
    if (pointer_ != 0 && context_->lost().empty()) {
        context_->driver().memFree(pointer_);
    }
    pointer_ = 0;
}

Result<DeviceMemory> DeviceMemory::allocate(Context& context, std::size_t bytes) {
    DeviceMemory memory;
    memory.context_ = &context;
    const DriverStatus status =
        context.driver().memAlloc(&memory.pointer_, std::max<std::size_t>(bytes, 1));
    if (status == kOutOfMemory) {
        std::size_t free = 0;
        std::size_t total = 0;
        const bool known = context.driver().memGetInfo(&free, &total) == kSuccess;
        memory.pointer_ = 0;
        return fail(ErrorCode::OutOfMemory,
                    "out of device memory: " + mebibytes(bytes) + " were asked for" +
                        (known ? ", " + mebibytes(free) + " are free" : std::string()));
    }
    if (Result<void> done = context.check(status, "cuMemAlloc"); !done) {
        memory.pointer_ = 0;
        return fail(done.error());
    }
    memory.bytes_ = bytes;
    return memory;
}

Result<void> DeviceMemory::upload(std::span<const std::byte> bytes) {
    if (bytes.size() > bytes_) {
        return fail(ErrorCode::Invalid, "more bytes than the device buffer holds");
    }
    return bytes.empty() ? Result<void>()
                         : context_->check(
                               context_->driver().memcpyHtoD(pointer_, bytes.data(), bytes.size()),
                               "cuMemcpyHtoD");
}

Result<void> DeviceMemory::download(std::span<std::byte> bytes) const {
    if (bytes.size() > bytes_) {
        return fail(ErrorCode::Invalid, "more bytes than the device buffer holds");
    }
    return context_->check(context_->driver().memcpyDtoH(bytes.data(), pointer_, bytes.size()),
                           "cuMemcpyDtoH");
}

Result<void> DeviceMemory::fill(unsigned char byte) {
    return context_->check(
        context_->driver().memsetD8Async(pointer_, byte, bytes_, context_->stream()),
        "cuMemsetD8Async");
}

Module::Module(Module&& other) noexcept {
    *this = std::move(other);
}

Module& Module::operator=(Module&& other) noexcept {
    if (this != &other) {
        context_ = other.context_;
        std::swap(module_, other.module_);
    }
    return *this;
}

Module::~Module() {
    if (module_ != nullptr && context_->lost().empty()) {
        context_->driver().moduleUnload(module_);
    }
}

Result<Module> Module::load(Context& context, const void* image) {
    Module module;
    module.context_ = &context;
    if (Result<void> done = context.check(context.driver().moduleLoadData(&module.module_, image),
                                          "cuModuleLoadData");
        !done) {
        module.module_ = nullptr;
        return fail(done.error());
    }
    return module;
}

Result<void*> Module::function(const std::string& entry) {
    void* found = nullptr;
    if (Result<void> done =
            context_->check(context_->driver().moduleGetFunction(&found, module_, entry.c_str()),
                            "cuModuleGetFunction");
        !done) {
        Error error = done.error();
        error.what = "the device code has no entry " + entry + ": " + error.what;
        return fail(std::move(error));
    }
    return found;
}

Result<FunctionFigures> Module::figures(void* function) {
    FunctionFigures figures;
    const std::array<std::pair<FunctionAttribute, int*>, 4> asked{
        {{FunctionAttribute::Registers, &figures.registers},
         {FunctionAttribute::SharedBytes, &figures.staticShared},
         {FunctionAttribute::LocalBytes, &figures.localBytes},
         {FunctionAttribute::BinaryVersion, &figures.binaryVersion}}};
    for (const auto& [which, value] : asked) {
        if (Result<void> done = context_->check(
                context_->driver().funcGetAttribute(value, static_cast<int>(which), function),
                "cuFuncGetAttribute");
            !done) {
            return fail(done.error());
        }
    }
    return figures;
}

Result<void> Module::allowShared(void* function, std::size_t bytes) {
    if (bytes == 0) {
        return {};
    }
    if (bytes > context_->sharedLimit()) {
        return fail(ErrorCode::Unsupported,
                    "needs " + std::to_string(bytes) +
                        " bytes of shared memory a block, the device has " +
                        std::to_string(context_->sharedLimit()));
    }
    return context_->check(
        context_->driver().funcSetAttribute(function,
                                            static_cast<int>(FunctionAttribute::MostDynamicShared),
                                            static_cast<int>(bytes)),
        "cuFuncSetAttribute");
}

Event::Event(Event&& other) noexcept {
    *this = std::move(other);
}

Event& Event::operator=(Event&& other) noexcept {
    if (this != &other) {
        context_ = other.context_;
        std::swap(event_, other.event_);
    }
    return *this;
}

Event::~Event() {
    if (event_ != nullptr && context_->lost().empty()) {
        context_->driver().eventDestroy(event_);
    }
}

Result<Event> Event::create(Context& context) {
    Event event;
    event.context_ = &context;
    if (Result<void> done =
            context.check(context.driver().eventCreate(&event.event_, 0), "cuEventCreate");
        !done) {
        event.event_ = nullptr;
        return fail(done.error());
    }
    return event;
}

Result<void> Event::record() {
    return context_->check(context_->driver().eventRecord(event_, context_->stream()),
                           "cuEventRecord");
}

Result<double> Event::since(const Event& start) const {
    float milliseconds = 0;
    if (Result<void> done = context_->check(
            context_->driver().eventElapsedTime(&milliseconds, start.event_, event_),
            "cuEventElapsedTime");
        !done) {
        return fail(done.error());
    }
    return static_cast<double>(milliseconds) * 1e3;
}

Graph::Graph(Graph&& other) noexcept {
    *this = std::move(other);
}

Graph& Graph::operator=(Graph&& other) noexcept {
    if (this != &other) {
        context_ = other.context_;
        std::swap(graph_, other.graph_);
        std::swap(executable_, other.executable_);
    }
    return *this;
}

Graph::~Graph() {
    if (context_ == nullptr || !context_->lost().empty()) {
        return;
    }
    if (executable_ != nullptr) {
        context_->driver().graphExecDestroy(executable_);
    }
    if (graph_ != nullptr) {
        context_->driver().graphDestroy(graph_);
    }
}

Result<Graph> Graph::capture(Context& context, const std::function<Result<void>()>& enqueue) {
    Graph graph;
    graph.context_ = &context;
    const Driver& api = context.driver();
    if (Result<void> done = context.check(
            api.streamBeginCapture(context.stream(), kCaptureThreadLocal), "cuStreamBeginCapture");
        !done) {
        return fail(done.error());
    }
    const Result<void> enqueued = enqueue();
    const DriverStatus ended = api.streamEndCapture(context.stream(), &graph.graph_);
    if (!enqueued) {
        return fail(enqueued.error());
    }
    if (Result<void> done = context.check(ended, "cuStreamEndCapture"); !done) {
        return fail(done.error());
    }
    if (Result<void> done = context.check(api.graphInstantiate(&graph.executable_, graph.graph_, 0),
                                          "cuGraphInstantiate");
        !done) {
        return fail(done.error());
    }
    return graph;
}

Result<void> Graph::launch() {
    return context_->check(context_->driver().graphLaunch(executable_, context_->stream()),
                           "cuGraphLaunch");
}

}  // namespace loupe::gpu::cuda
