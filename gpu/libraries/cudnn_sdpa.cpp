// SPDX-License-Identifier: Apache-2.0
#include "gpu/libraries/cudnn_sdpa.hpp"

#if __has_include(<cudnn.h>)

#include "gpu/kernels/launch_plan.hpp"
#include "gpu/libraries/shared_library.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cudnn.h>
#include <utility>

namespace loupe::gpu::cuda {

namespace {

// The versions as cudnnGetVersion() counts them: the single attention operation since 9.13.1, masks
// inside it since 9.21.
constexpr std::size_t kLeastVersion = 91301;

struct CudnnEntries {
    decltype(&cudnnGetVersion) version = nullptr;
    decltype(&cudnnCreate) create = nullptr;
    decltype(&cudnnDestroy) destroy = nullptr;
    decltype(&cudnnSetStream) setStream = nullptr;
    decltype(&cudnnGetErrorString) errorString = nullptr;
    decltype(&cudnnGetLastErrorString) lastError = nullptr;
    decltype(&cudnnBackendCreateDescriptor) make = nullptr;
    decltype(&cudnnBackendDestroyDescriptor) destroyDescriptor = nullptr;
    decltype(&cudnnBackendFinalize) finalize = nullptr;
    decltype(&cudnnBackendSetAttribute) set = nullptr;
    decltype(&cudnnBackendGetAttribute) get = nullptr;
    decltype(&cudnnBackendExecute) execute = nullptr;

    /// The name of an entry point that the library lacks; null: none.
    [[nodiscard]] const char* load(const SharedLibrary& library) {
        return library.missing({{version, "cudnnGetVersion"},
                                {create, "cudnnCreate"},
                                {destroy, "cudnnDestroy"},
                                {setStream, "cudnnSetStream"},
                                {errorString, "cudnnGetErrorString"},
                                {lastError, "cudnnGetLastErrorString"},
                                {make, "cudnnBackendCreateDescriptor"},
                                {destroyDescriptor, "cudnnBackendDestroyDescriptor"},
                                {finalize, "cudnnBackendFinalize"},
                                {set, "cudnnBackendSetAttribute"},
                                {get, "cudnnBackendGetAttribute"},
                                {execute, "cudnnBackendExecute"}});
    }

    [[nodiscard]] Result<void> check(cudnnStatus_t status, const char* call) const {
        if (status == CUDNN_STATUS_SUCCESS) {
            return {};
        }
        std::array<char, 512> text{};
        lastError(text.data(), text.size());
        std::string said(text.data());
        said = said.substr(0, said.find('\n'));
        return fail(ErrorCode::Unsupported,
                    std::string("cuDNN, ") + call + ": " + errorString(status) +
                        (said.empty() ? "" : ": " + said));
    }
};

/// A backend descriptor; destroyed when it goes.
class GraphPart {
public:
    GraphPart() = default;
    GraphPart(GraphPart&& other) noexcept { *this = std::move(other); }
    GraphPart& operator=(GraphPart&& other) noexcept {
        std::swap(api_, other.api_);
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    GraphPart(const GraphPart&) = delete;
    GraphPart& operator=(const GraphPart&) = delete;
    ~GraphPart() {
        if (descriptor_ != nullptr) {
            api_->destroyDescriptor(descriptor_);
        }
    }

    Result<void> create(const CudnnEntries& api, cudnnBackendDescriptorType_t type) {
        api_ = &api;
        return api.check(api.make(type, &descriptor_), "creating a descriptor");
    }
    template <class T>
    Result<void> set(cudnnBackendAttributeName_t name,
                     cudnnBackendAttributeType_t type,
                     const T* values,
                     std::size_t count = 1) {
        return api_->check(
            api_->set(descriptor_, name, type, static_cast<std::int64_t>(count), values),
            "setting an attribute");
    }
    Result<void> set(cudnnBackendAttributeName_t name, const GraphPart& part) {
        return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, &part.descriptor_);
    }
    Result<void> finalize(const char* what) {
        return api_->check(api_->finalize(descriptor_), what);
    }
    [[nodiscard]] cudnnBackendDescriptor_t raw() const { return descriptor_; }

private:
    const CudnnEntries* api_ = nullptr;
    cudnnBackendDescriptor_t descriptor_ = nullptr;
};

enum Uid : std::int64_t { kQ = 1, kK, kV, kO, kScale };

using Extents = std::array<std::int64_t, 4>;

Result<void> makeTensor(const CudnnEntries& api,
                        GraphPart& tensor,
                        std::int64_t uid,
                        const Extents& extents,
                        cudnnDataType_t type,
                        bool byValue) {
    const Extents strides{
        extents[1] * extents[2] * extents[3], extents[2] * extents[3], extents[3], 1};
    const std::int64_t alignment = 16;
    Result<void> done = tensor.create(api, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    done = done ? tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, &type) : done;
    done =
        done ? tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, extents.data(), 4) : done;
    done = done ? tensor.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides.data(), 4) : done;
    done = done ? tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, &uid) : done;
    done = done ? tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, &alignment) : done;
    if (byValue && done) {
        done = tensor.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, &byValue);
    }
    return done ? tensor.finalize("a tensor") : done;
}

/// One attention: its graph and the plan that an engine made of it.
struct AttentionPlan {
    const CudnnEntries& api;
    cudnnHandle_t handle = nullptr;
    std::array<GraphPart, 5> tensors;
    GraphPart operation;
    GraphPart graph;
    GraphPart heuristics;
    std::vector<GraphPart> engines;
    GraphPart plan;
    std::int64_t workspaceBytes = 0;
    float scale = 1;

    explicit AttentionPlan(const CudnnEntries& entries) : api(entries) {}

    Result<void> describe(const AttentionShape& s) {
        const Extents q{s.batch, s.heads, s.queries(), s.dim};
        const Extents k{s.batch, s.kvHeads, s.seq, s.dim};
        const Extents one{1, 1, 1, 1};
        scale = 1.0F / std::sqrt(static_cast<float>(s.dim));
        Result<void> done = makeTensor(api, tensors[0], kQ, q, CUDNN_DATA_HALF, false);
        done = done ? makeTensor(api, tensors[1], kK, k, CUDNN_DATA_HALF, false) : done;
        done = done ? makeTensor(api, tensors[2], kV, k, CUDNN_DATA_HALF, false) : done;
        done = done ? makeTensor(api, tensors[3], kO, q, CUDNN_DATA_HALF, false) : done;
        done = done ? makeTensor(api, tensors[4], kScale, one, CUDNN_DATA_FLOAT, true) : done;
        done = done ? operation.create(api, CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR) : done;
        constexpr std::array<cudnnBackendAttributeName_t, 5> kRoles{
            CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC,
            CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC,
            CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC,
            CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC,
            CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC};
        for (std::size_t i = 0; i < kRoles.size() && done; ++i) {
            done = operation.set(kRoles[i], tensors[i]);
        }
        done = done ? operation.finalize("the attention operation") : done;
        done = done ? graph.create(api, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) : done;
        done =
            done ? graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, &handle) : done;
        done = done ? graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation) : done;
        return done ? graph.finalize("the operation graph") : done;
    }

    Result<void> findEngines() {
        constexpr std::int64_t kMost = 8;
        const cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
        Result<void> done = heuristics.create(api, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
        done = done ? heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph) : done;
        done =
            done ? heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, &mode) : done;
        done = done ? heuristics.finalize("the heuristics") : done;
        std::array<cudnnBackendDescriptor_t, kMost> raw{};
        engines.resize(kMost);
        for (std::size_t i = 0; i < engines.size() && done; ++i) {
            done = engines[i].create(api, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
            raw[i] = engines[i].raw();
        }
        std::int64_t found = 0;
        done = done ? api.check(api.get(heuristics.raw(),
                                        CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                        CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                        kMost,
                                        &found,
                                        raw.data()),
                                "asking for engines")
                    : done;
        if (!done) {
            return done;
        }
        engines.resize(static_cast<std::size_t>(std::min(found, kMost)));
        return found > 0 ? Result<void>()
                         : fail(ErrorCode::Unsupported, "cuDNN has no engine for this case");
    }

    /// The first engine whose plan can be built.
    Result<void> build() {
        Result<void> done = fail(ErrorCode::Unsupported, "cuDNN has no engine for this case");
        for (GraphPart& engine : engines) {
            GraphPart attempt;
            done = attempt.create(api, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
            done = done ? attempt.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, &handle)
                        : done;
            done = done ? attempt.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engine) : done;
            done = done ? attempt.finalize("the execution plan") : done;
            if (done) {
                plan = std::move(attempt);
                break;
            }
        }
        std::int64_t count = 0;
        return done ? api.check(api.get(plan.raw(),
                                        CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                        CUDNN_TYPE_INT64,
                                        1,
                                        &count,
                                        &workspaceBytes),
                                "asking for the workspace")
                    : done;
    }

    Result<void> run(Pointers p) {
        const std::array<std::int64_t, 5> uids{kQ, kK, kV, kO, kScale};
        const auto address = [](DevicePointer pointer) { return std::bit_cast<void*>(pointer); };
        const std::array<void*, 5> data{
            address(p[0]), address(p[1]), address(p[2]), address(p[3]), &scale};
        void* const workspace = address(p[4]);
        GraphPart pack;
        Result<void> done = pack.create(api, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
        done = done ? pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS,
                               CUDNN_TYPE_INT64,
                               uids.data(),
                               uids.size())
                    : done;
        done = done ? pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                               CUDNN_TYPE_VOID_PTR,
                               data.data(),
                               data.size())
                    : done;
        done = done ? pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, &workspace)
                    : done;
        done = done ? pack.finalize("the variant pack") : done;
        return done ? api.check(api.execute(handle, plan.raw(), pack.raw()), "running attention")
                    : done;
    }
};

Buffer halfInput(const char* name, std::span<const float> values, std::vector<float>& held) {
    HalfValues half = toHalfValues(values);
    held = std::move(half.decoded);
    return inputBuffer(name, ElementType::Float16, half.codes);
}

/// P and the output are rounded to fp16, unit roundoff 2⁻¹¹ each; both at once and the truncating
/// sums of tensor cores stay below 4·2⁻¹¹.
constexpr double kTolerance = 4 * 0x1p-11;

class LoadedCudnn final : public CudnnAttention {
public:
    explicit LoadedCudnn(Context& context) : context_(context) {}
    LoadedCudnn(const LoadedCudnn&) = delete;
    LoadedCudnn& operator=(const LoadedCudnn&) = delete;
    ~LoadedCudnn() override {
        if (handle_ != nullptr && context_.lost().empty()) {
            api_.destroy(handle_);
        }
    }

    Result<void> start() {
        const Result<SharedLibrary> library = SharedLibrary::open({"libcudnn.so.9"});
        if (!library) {
            return fail(library.error());
        }
        if (const char* lacking = api_.load(*library); lacking != nullptr) {
            return fail(ErrorCode::Unsupported, std::string("this libcudnn lacks ") + lacking);
        }
        if (api_.version() < kLeastVersion) {
            return fail(ErrorCode::Unsupported,
                        "cuDNN " + version() + " has no single attention operation, 9.13.1 has");
        }
        Result<void> done = api_.check(api_.create(&handle_), "cudnnCreate");
        return done ? api_.check(
                          api_.setStream(handle_, static_cast<cudaStream_t>(context_.stream())),
                          "cudnnSetStream")
                    : done;
    }

    std::string version() const override { return dottedVersion(api_.version()); }

    Result<LibraryCase> attention(const AttentionProblem& problem) override {
        const AttentionShape& s = problem.shape;
        if (s.causal) {
            return fail(ErrorCode::Unsupported,
                        "cuDNN's single attention operation takes a causal mask from 9.21 on, as a "
                        "subgraph that is not built here");
        }
        const auto made = std::make_shared<AttentionPlan>(api_);
        made->handle = handle_;
        Result<void> done = made->describe(s);
        done = done ? made->findEngines() : done;
        done = done ? made->build() : done;
        if (!done) {
            return fail(done.error());
        }
        LibraryCase result;
        result.id = "cudnn_sdpa_fp16";
        result.a = result.b = result.output = "fp16";
        result.accumulator = "fp32";
        result.arithmetic = "fp16";
        result.tolerance = kTolerance;
        Buffer q = halfInput("q", problem.q, result.x);
        Buffer k = halfInput("k", problem.k, result.w);
        Buffer v = halfInput("v", problem.v, result.v);
        Buffer o;
        o.name = "o";
        o.role = BufferRole::Output;
        o.type = ElementType::Float16;
        o.bytes = q.bytes;
        Buffer workspace;
        workspace.name = "workspace";
        workspace.role = BufferRole::Scratch;
        workspace.bytes = static_cast<std::size_t>(std::max<std::int64_t>(made->workspaceBytes, 0));
        result.bytes = static_cast<double>(2 * q.bytes + k.bytes + v.bytes);
        for (Buffer* buffer : {&q, &k, &v, &o, &workspace}) {
            result.item.buffers.push_back(std::move(*buffer));
        }
        result.item.output = 3;
        result.item.enqueue = [made](Pointers pointers) { return made->run(pointers); };
        return result;
    }

private:
    Context& context_;
    CudnnEntries api_;
    cudnnHandle_t handle_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<CudnnAttention>> CudnnAttention::open(Context& context) {
    auto library = std::make_unique<LoadedCudnn>(context);
    if (Result<void> done = library->start(); !done) {
        return fail(done.error());
    }
    return library;
}

}  // namespace loupe::gpu::cuda

#else

namespace loupe::gpu::cuda {

Result<std::unique_ptr<CudnnAttention>> CudnnAttention::open(Context&) {
    return fail(ErrorCode::Unsupported, "cuDNN: this program was built without its header");
}

}  // namespace loupe::gpu::cuda

#endif
