// SPDX-License-Identifier: Apache-2.0
// oneDNN, loaded at run time through its C interface, of version 2 or 3. Nothing of it is needed to
// build: the few declarations are our own. Objects that are structures in version 2 and handles in
// version 3 are only ever passed by address, in memory that is large enough for both.
#include "core/base/worker_pool.hpp"
#include "gpu/cpu/matmul_float.hpp"
#include "gpu/cpu/panels.hpp"
#include "gpu/cpu/peers.hpp"
#include "gpu/libraries/shared_library.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace loupe::gpu {

namespace {

using Handle = void*;
using Dims = std::array<std::int64_t, 12>;  // DNNL_MAX_NDIMS

struct VersionNumbers {
    int major;
    int minor;
    int patch;
};
struct Execution {
    int argument;
    Handle memory;
};

// Values that versions 2 and 3 share.
constexpr int kCpuEngine = 1;
constexpr int kAnyTag = 1;
constexpr unsigned kInOrder = 1;
constexpr int kBFloat16 = 2;
constexpr int kFloat32 = 3;
constexpr int kInt8 = 5;
constexpr int kQueryWeights = 131;
constexpr int kArgSource = 1;
constexpr int kArgTarget = 17;
constexpr int kArgWeights = 33;
constexpr int kArgScales = 4096;  // version 3
constexpr int kPerColumn = 2;     // mask of the second dimension

/// A memory descriptor: 696 bytes in version 2, a handle in version 3.
struct Descriptor {
    alignas(64) std::array<std::byte, 1024> bytes{};
};

/// One primitive with the memory it works on.
struct Matmul {
    Handle primitive = nullptr;
    Handle source = nullptr;
    Handle weights = nullptr;
    Handle target = nullptr;
    Handle weightScale = nullptr;
};

/// The library's entry points; one object for the whole run of the program.
class Library {
public:
    static const Library& instance() {
        static const Library library;
        return library;
    }
    [[nodiscard]] const std::string& reason() const { return reason_; }
    [[nodiscard]] std::string versionText() const {
        return std::to_string(version_.major) + "." + std::to_string(version_.minor) + "." +
               std::to_string(version_.patch);
    }
    [[nodiscard]] int major() const { return version_.major; }
    [[nodiscard]] Handle engine() const { return engine_; }
    [[nodiscard]] Handle stream() const { return stream_; }
    void useThreads(int count) const {
        if (setThreads_ != nullptr) {
            setThreads_(count);
        }
    }

    /// What is passed where a descriptor is wanted.
    [[nodiscard]] const void* of(const Descriptor& descriptor) const {
        if (version_.major == 2) {
            return descriptor.bytes.data();
        }
        Handle handle = nullptr;
        std::memcpy(&handle, descriptor.bytes.data(), sizeof handle);
        return handle;
    }
    [[nodiscard]] bool describe(Descriptor& out,
                                const Dims& dims,
                                int type,
                                const Dims* strides) const {
        return strides != nullptr
                   ? byStrides_(out.bytes.data(), 2, dims.data(), type, strides->data()) == 0
                   : byTag_(out.bytes.data(), 2, dims.data(), type, kAnyTag) == 0;
    }
    /// A row of floats.
    [[nodiscard]] bool describeRow(Descriptor& out, std::int64_t count) const {
        const Dims dims{count};
        const Dims strides{1};
        return byStrides_(out.bytes.data(), 1, dims.data(), kFloat32, strides.data()) == 0;
    }
    [[nodiscard]] Handle memory(const void* descriptor, void* data) const {
        Handle memory = nullptr;
        return memoryCreate_(&memory, descriptor, engine_, data) == 0 ? memory : nullptr;
    }
    [[nodiscard]] Handle matmul(const Descriptor& source,
                                const Descriptor& weights,
                                const Descriptor& target,
                                Handle attributes) const;
    [[nodiscard]] const void* weightsOf(Handle primitiveDescriptor) const {
        return queryMemory_(primitiveDescriptor, kQueryWeights, 0);
    }
    [[nodiscard]] Handle primitive(Handle primitiveDescriptor) const {
        Handle primitive = nullptr;
        return primitiveCreate_(&primitive, primitiveDescriptor) == 0 ? primitive : nullptr;
    }
    [[nodiscard]] Handle reorder(const void* from, const void* to) const {
        Handle descriptor = nullptr;
        return reorderCreate_(&descriptor, from, engine_, to, engine_, nullptr) == 0 ? descriptor
                                                                                     : nullptr;
    }
    [[nodiscard]] std::size_t bytesOf(const void* descriptor) const { return size_(descriptor); }
    [[nodiscard]] bool execute(Handle primitive, std::span<const Execution> arguments) const {
        return execute_(primitive, stream_, static_cast<int>(arguments.size()), arguments.data()) ==
                   0 &&
               wait_(stream_) == 0;
    }
    /// Scales of an int8 product: in the attributes (2), or announced there and passed later (3).
    [[nodiscard]] Handle scaled(std::span<const float> scales) const {
        Handle attributes = nullptr;
        if (attributesCreate_(&attributes) != 0) {
            return nullptr;
        }
        const bool done = version_.major == 2
                              ? outputScales_(attributes,
                                              static_cast<std::int64_t>(scales.size()),
                                              kPerColumn,
                                              scales.data()) == 0
                              : scalesMask_(attributes, kArgWeights, kPerColumn) == 0;
        return done ? attributes : nullptr;
    }
    void destroy(const Matmul& matmul) const {
        for (const Handle memory :
             {matmul.source, matmul.weights, matmul.target, matmul.weightScale}) {
            if (memory != nullptr) {
                memoryDestroy_(memory);
            }
        }
        if (matmul.primitive != nullptr) {
            primitiveDestroy_(matmul.primitive);
        }
    }

private:
    Library();
    template <class Function>
    bool load(Function& function, const char* name) {
        if (!library_.load(function, name) && reason_.empty()) {
            reason_ = std::string("the oneDNN library has no ") + name;
        }
        return function != nullptr;
    }
    void loadAll();

    SharedLibrary library_;
    std::string reason_;
    VersionNumbers version_{};
    Handle engine_ = nullptr;
    Handle stream_ = nullptr;
    void (*setThreads_)(int) = nullptr;
    int (*engineCreate_)(Handle*, int, std::size_t) = nullptr;
    int (*streamCreate_)(Handle*, Handle, unsigned) = nullptr;
    int (*wait_)(Handle) = nullptr;
    int (*byStrides_)(void*, int, const std::int64_t*, int, const std::int64_t*) = nullptr;
    int (*byTag_)(void*, int, const std::int64_t*, int, int) = nullptr;
    std::size_t (*size_)(const void*) = nullptr;
    int (*memoryCreate_)(Handle*, const void*, Handle, void*) = nullptr;
    int (*memoryDestroy_)(Handle) = nullptr;
    const void* (*queryMemory_)(Handle, int, int) = nullptr;
    int (*primitiveCreate_)(Handle*, Handle) = nullptr;
    int (*primitiveDestroy_)(Handle) = nullptr;
    int (*reorderCreate_)(Handle*, const void*, Handle, const void*, Handle, Handle) = nullptr;
    int (*execute_)(Handle, Handle, int, const Execution*) = nullptr;
    int (*attributesCreate_)(Handle*) = nullptr;
    // Version 2.
    int (*matmulInit_)(void*, const void*, const void*, const void*, const void*) = nullptr;
    int (*descriptorCreate_)(Handle*, const void*, Handle, Handle, Handle) = nullptr;
    int (*outputScales_)(Handle, std::int64_t, int, const float*) = nullptr;
    // Version 3.
    int (*matmulCreate_)(
        Handle*, Handle, const void*, const void*, const void*, const void*, Handle) = nullptr;
    int (*scalesMask_)(Handle, int, int) = nullptr;
};

Library::Library() {
    Result<SharedLibrary> found = SharedLibrary::open({"libdnnl.so.3", "libdnnl.so.2"});
    if (!found) {
        reason_ = found.error().code == ErrorCode::NotFound
                      ? "no oneDNN: libdnnl.so.3 or .2 could not be loaded"
                      : found.error().what;
        return;
    }
    library_ = *found;
    loadAll();
    if (!reason_.empty()) {
        return;
    }
    if (engineCreate_(&engine_, kCpuEngine, 0) != 0 ||
        streamCreate_(&stream_, engine_, kInOrder) != 0) {
        reason_ = "oneDNN " + versionText() + " has no CPU engine";
    }
}

void Library::loadAll() {
    const VersionNumbers* (*version)() = nullptr;
    if (!load(version, "dnnl_version")) {
        return;
    }
    version_ = *version();
    library_.load(setThreads_, "omp_set_num_threads");
    load(engineCreate_, "dnnl_engine_create");
    load(streamCreate_, "dnnl_stream_create");
    load(wait_, "dnnl_stream_wait");
    load(size_, "dnnl_memory_desc_get_size");
    load(memoryCreate_, "dnnl_memory_create");
    load(memoryDestroy_, "dnnl_memory_destroy");
    load(queryMemory_, "dnnl_primitive_desc_query_md");
    load(primitiveCreate_, "dnnl_primitive_create");
    load(primitiveDestroy_, "dnnl_primitive_destroy");
    load(reorderCreate_, "dnnl_reorder_primitive_desc_create");
    load(execute_, "dnnl_primitive_execute");
    load(attributesCreate_, "dnnl_primitive_attr_create");
    if (version_.major == 2) {
        load(byStrides_, "dnnl_memory_desc_init_by_strides");
        load(byTag_, "dnnl_memory_desc_init_by_tag");
        load(matmulInit_, "dnnl_matmul_desc_init");
        load(descriptorCreate_, "dnnl_primitive_desc_create");
        load(outputScales_, "dnnl_primitive_attr_set_output_scales");
    } else if (version_.major == 3) {
        load(byStrides_, "dnnl_memory_desc_create_with_strides");
        load(byTag_, "dnnl_memory_desc_create_with_tag");
        load(matmulCreate_, "dnnl_matmul_primitive_desc_create");
        load(scalesMask_, "dnnl_primitive_attr_set_scales_mask");
    } else {
        reason_ = "oneDNN " + versionText() + " is neither version 2 nor 3";
    }
}

Handle Library::matmul(const Descriptor& source,
                       const Descriptor& weights,
                       const Descriptor& target,
                       Handle attributes) const {
    Handle descriptor = nullptr;
    if (version_.major == 3) {
        return matmulCreate_(&descriptor,
                             engine_,
                             of(source),
                             of(weights),
                             nullptr,
                             of(target),
                             attributes) == 0
                   ? descriptor
                   : nullptr;
    }
    alignas(64) std::array<std::byte, 8192> operation{};  // 2800 bytes in 2.6
    if (matmulInit_(operation.data(), of(source), of(weights), nullptr, of(target)) != 0) {
        return nullptr;
    }
    return descriptorCreate_(&descriptor, operation.data(), attributes, engine_, nullptr) == 0
               ? descriptor
               : nullptr;
}

/// Operands of one data type, ready for the library.
struct PeerOperands {
    int type = kFloat32;
    std::size_t elementBytes = 4;
    const void* x = nullptr;    ///< [m, k]
    const void* w = nullptr;    ///< [n, k]
    std::vector<float> scales;  ///< int8: of each output, that of x included
    const char* kernel = "";
};

class OneDnnMatmul final : public CpuMatmul {
public:
    OneDnnMatmul(const MatmulShape& shape,
                 std::vector<float> x,
                 std::vector<float> w,
                 double tolerance)
        : CpuMatmul(shape) {
        x_ = std::move(x);
        w_ = std::move(w);
        tolerance_ = tolerance;
    }
    ~OneDnnMatmul() override { library_.destroy(matmul_); }

    /// @returns why not; empty: ready
    [[nodiscard]] std::string prepare(const PeerOperands& operands);
    void run(const JobContext& ctx) override {
        ctx.checkpoint();
        library_.useThreads(computeThreads());
        std::array<Execution, 4> arguments{{{kArgSource, matmul_.source},
                                            {kArgWeights, matmul_.weights},
                                            {kArgTarget, matmul_.target},
                                            {kArgScales | kArgWeights, matmul_.weightScale}}};
        const std::size_t count = matmul_.weightScale != nullptr ? 4 : 3;
        if (!library_.execute(matmul_.primitive, {arguments.data(), count})) {
            std::fill(y_.begin(), y_.end(), std::nanf(""));  // the check will say so
        }
    }

private:
    [[nodiscard]] bool packWeights(Handle descriptor, const PeerOperands& operands);

    const Library& library_ = Library::instance();
    Matmul matmul_;
    HugeBuffer source_;
    HugeBuffer packed_;
    std::vector<float> scales_;
};

std::string OneDnnMatmul::prepare(const PeerOperands& operands) {
    const std::string refused = "oneDNN " + library_.versionText() + " refuses this product";
    library_.useThreads(computeThreads());
    kernel_ = operands.kernel;
    scales_ = operands.scales;
    const Dims sourceDims{shape_.m, shape_.k};
    const Dims weightDims{shape_.k, shape_.n};
    const Dims targetDims{shape_.m, shape_.n};
    const Dims sourceStrides{shape_.k, 1};
    const Dims targetStrides{shape_.n, 1};
    Descriptor source;
    Descriptor weights;
    Descriptor target;
    if (!library_.describe(source, sourceDims, operands.type, &sourceStrides) ||
        !library_.describe(weights, weightDims, operands.type, nullptr) ||
        !library_.describe(target, targetDims, kFloat32, &targetStrides)) {
        return refused;
    }
    Handle attributes = nullptr;
    if (!scales_.empty()) {
        attributes = library_.scaled(scales_);
        if (attributes == nullptr) {
            return refused;
        }
    }
    const Handle descriptor = library_.matmul(source, weights, target, attributes);
    if (descriptor == nullptr || !packWeights(descriptor, operands)) {
        return refused;
    }
    matmul_.primitive = library_.primitive(descriptor);
    const std::size_t bytes = static_cast<std::size_t>(shape_.m * shape_.k) * operands.elementBytes;
    source_ = HugeBuffer(bytes);
    std::memcpy(source_.data(), operands.x, bytes);
    matmul_.source = library_.memory(library_.of(source), source_.data());
    matmul_.target = library_.memory(library_.of(target), y_.data());
    if (!scales_.empty() && library_.major() == 3) {
        Descriptor scale;
        if (!library_.describeRow(scale, shape_.n)) {
            return refused;
        }
        matmul_.weightScale = library_.memory(library_.of(scale), scales_.data());
    }
    return matmul_.primitive == nullptr || matmul_.source == nullptr || matmul_.target == nullptr
               ? refused
               : std::string();
}

bool OneDnnMatmul::packWeights(Handle descriptor, const PeerOperands& operands) {
    const Dims dims{shape_.k, shape_.n};
    const Dims strides{1, shape_.k};
    Descriptor plain;
    if (!library_.describe(plain, dims, operands.type, &strides)) {
        return false;
    }
    const void* const wanted = library_.weightsOf(descriptor);
    if (wanted == nullptr) {
        return false;
    }
    packed_ = HugeBuffer(library_.bytesOf(wanted));
    weightBytes_ = static_cast<double>(shape_.n) * static_cast<double>(shape_.k) *
                       static_cast<double>(operands.elementBytes) +
                   4 * static_cast<double>(scales_.size());
    matmul_.weights = library_.memory(wanted, packed_.data());
    Matmul reorder;
    // The library takes an address that it may write to, but reads this one.
    reorder.source = library_.memory(library_.of(plain), const_cast<void*>(operands.w));
    const Handle reorderDescriptor = library_.reorder(library_.of(plain), wanted);
    bool done = false;
    if (reorder.source != nullptr && reorderDescriptor != nullptr && matmul_.weights != nullptr) {
        reorder.primitive = library_.primitive(reorderDescriptor);
        const std::array<Execution, 2> arguments{
            {{kArgSource, reorder.source}, {kArgTarget, matmul_.weights}}};
        done = reorder.primitive != nullptr && library_.execute(reorder.primitive, arguments);
    }
    library_.destroy(reorder);
    return done;
}

std::string versionOfLibrary() {
    const Library& library = Library::instance();
    return library.reason().empty() ? library.versionText() : std::string();
}

std::string refusesAny(const MatmulShape&) {
    return Library::instance().reason();
}

std::unique_ptr<CpuMatmul> ready(std::unique_ptr<OneDnnMatmul> matmul,
                                 const PeerOperands& operands,
                                 std::string& error) {
    error = matmul->prepare(operands);
    return error.empty() ? std::move(matmul) : nullptr;
}

std::unique_ptr<CpuMatmul> makeFloat(const MatmulProblem& problem,
                                     const JobContext&,
                                     std::string& error) {
    PeerOperands operands;
    operands.x = problem.x.data();
    operands.w = problem.w.data();
    operands.kernel = "onednn_f32";
    return ready(std::make_unique<OneDnnMatmul>(problem.shape,
                                                std::vector<float>{},
                                                std::vector<float>{},
                                                floatTolerance(problem.shape.k)),
                 operands,
                 error);
}

std::unique_ptr<CpuMatmul> makeBrain(const MatmulProblem& problem,
                                     const JobContext&,
                                     std::string& error) {
    RoundedActivations x = roundActivations(problem.x, ActivationCode::BFloat16);
    RoundedActivations w = roundActivations(problem.w, ActivationCode::BFloat16);
    PeerOperands operands;
    operands.type = kBFloat16;
    operands.elementBytes = 2;
    operands.x = x.bits.data();
    operands.w = w.bits.data();
    operands.kernel = "onednn_bf16";
    return ready(std::make_unique<OneDnnMatmul>(problem.shape,
                                                std::move(x.values),
                                                std::move(w.values),
                                                floatTolerance(problem.shape.k)),
                 operands,
                 error);
}

std::unique_ptr<CpuMatmul> makeInteger(const MatmulProblem& problem,
                                       const JobContext& ctx,
                                       std::string& error) {
    const MatmulShape& shape = problem.shape;
    constexpr int kMost = 127;
    const CodedWeights w = quantizeWeights(problem.w, shape.n, shape.k, shape.k, kMost, ctx);
    const CodedWeights x =
        quantizeWeights(problem.x, 1, shape.m * shape.k, shape.m * shape.k, kMost, ctx);
    PeerOperands operands;
    operands.type = kInt8;
    operands.elementBytes = 1;
    operands.x = x.codes.data();
    operands.w = w.codes.data();
    operands.kernel = "onednn_s8";
    for (const float scale : w.scales) {
        operands.scales.push_back(scale * x.scales.front());
    }
    constexpr double kTolerance = 16 * 0x1p-24;  // exact sums, a few roundings of scales
    return ready(std::make_unique<OneDnnMatmul>(shape,
                                                decodeWeights(x, 1, shape.m * shape.k, ctx),
                                                decodeWeights(w, shape.n, shape.k, ctx),
                                                kTolerance),
                 operands,
                 error);
}

constexpr std::array kPeers{
    CpuPeer{"oneDNN", "onednn_f32", "fp32", versionOfLibrary, refusesAny, makeFloat},
    CpuPeer{"oneDNN", "onednn_bf16", "bf16", versionOfLibrary, refusesAny, makeBrain},
    CpuPeer{"oneDNN", "onednn_s8", "int8", versionOfLibrary, refusesAny, makeInteger},
};

}  // namespace

std::span<const CpuPeer> oneDnnPeers() {
    return kPeers;
}

}  // namespace loupe::gpu
