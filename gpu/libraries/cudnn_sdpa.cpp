// SPDX-License-Identifier: Apache-2.0
#include "gpu/libraries/cudnn_sdpa.hpp"

#if __has_include(<cudnn.h>)

#include "gpu/kernels/launch_plan.hpp"
#include "gpu/libraries/cudnn_graph.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace loupe::gpu::cuda {

namespace {

enum Uid : std::int64_t { kQ = 1, kK, kV, kO, kScale, kLowest, kLogSum };

/// softmax(mask(Q·Kᵀ·scale))·V of single operations: cuDNN knows the pattern and has one kernel for
/// it. It takes it only where the logarithms of the softmax's sums are an output too.
void describeMasked(GraphBuilder& graph, const AttentionShape& s) {
    const Extents rows{s.batch, s.heads, s.queries(), s.dim};
    const Extents scores{s.batch, s.heads, s.queries(), s.seq};
    const Extents sums{s.batch, s.heads, s.queries(), 1};
    const Extents one{1, 1, 1, 1};
    const std::int64_t head = s.seq * s.dim;
    constexpr cudnnDataType_t kFloat = CUDNN_DATA_FLOAT;
    const auto q = graph.tensor(kQ, rows, CUDNN_DATA_HALF, TensorPlace::Device);
    const auto k = graph.tensor(kK,
                                {s.batch, s.kvHeads, s.dim, s.seq},
                                {s.kvHeads * head, head, 1, s.dim},
                                CUDNN_DATA_HALF,
                                TensorPlace::Device);
    const auto v =
        graph.tensor(kV, {s.batch, s.kvHeads, s.seq, s.dim}, CUDNN_DATA_HALF, TensorPlace::Device);
    const auto o = graph.tensor(kO, rows, CUDNN_DATA_HALF, TensorPlace::Device);
    const auto scale = graph.tensor(kScale, one, kFloat, TensorPlace::Value);
    const auto lowest = graph.tensor(kLowest, one, kFloat, TensorPlace::Value);
    const auto logSum = graph.tensor(kLogSum, sums, kFloat, TensorPlace::Device);
    const auto products = graph.between(scores, kFloat);
    const auto scaled = graph.between(scores, kFloat);
    graph.matmul(q, k, products);
    graph.pointwise(CUDNN_POINTWISE_MUL, products, scale, scaled);
    // Query i sees keys up to i.
    const auto row = graph.between(scores, CUDNN_DATA_INT32);
    const auto column = graph.between(scores, CUDNN_DATA_INT32);
    const auto seen = graph.between(scores, CUDNN_DATA_BOOLEAN);
    const auto masked = graph.between(scores, kFloat);
    graph.pointwise(CUDNN_POINTWISE_GEN_INDEX, scaled, nullptr, row, nullptr, 2);
    graph.pointwise(CUDNN_POINTWISE_GEN_INDEX, scaled, nullptr, column, nullptr, 3);
    graph.pointwise(CUDNN_POINTWISE_CMP_GE, row, column, seen);
    graph.pointwise(CUDNN_POINTWISE_BINARY_SELECT, scaled, lowest, masked, seen);
    const auto most = graph.between(sums, kFloat);
    const auto shifted = graph.between(scores, kFloat);
    const auto powers = graph.between(scores, kFloat);
    const auto sum = graph.between(sums, kFloat);
    const auto log = graph.between(sums, kFloat);
    const auto weights = graph.between(scores, CUDNN_DATA_HALF);
    graph.reduce(CUDNN_REDUCE_TENSOR_MAX, masked, most);
    graph.pointwise(CUDNN_POINTWISE_SUB, masked, most, shifted);
    graph.pointwise(CUDNN_POINTWISE_EXP, shifted, nullptr, powers);
    graph.reduce(CUDNN_REDUCE_TENSOR_ADD, powers, sum);
    graph.pointwise(CUDNN_POINTWISE_LOG, sum, nullptr, log);
    graph.pointwise(CUDNN_POINTWISE_ADD, most, log, logSum);
    graph.pointwise(CUDNN_POINTWISE_DIV, powers, sum, weights);
    graph.matmul(weights, v, o);
}

void describeWhole(GraphBuilder& graph, const AttentionShape& s) {
    const Extents rows{s.batch, s.heads, s.queries(), s.dim};
    const Extents keys{s.batch, s.kvHeads, s.seq, s.dim};
    const auto q = graph.tensor(kQ, rows, CUDNN_DATA_HALF, TensorPlace::Device);
    const auto k = graph.tensor(kK, keys, CUDNN_DATA_HALF, TensorPlace::Device);
    const auto v = graph.tensor(kV, keys, CUDNN_DATA_HALF, TensorPlace::Device);
    const auto o = graph.tensor(kO, rows, CUDNN_DATA_HALF, TensorPlace::Device);
    const auto scale = graph.tensor(kScale, {1, 1, 1, 1}, CUDNN_DATA_FLOAT, TensorPlace::Value);
    graph.attention(q, k, v, o, scale);
}

/// One attention: its graph and the plan that an engine made of it.
struct AttentionPlan {
    const CudnnEntries& api;
    cudnnHandle_t handle = nullptr;
    GraphBuilder builder;
    GraphPart graph;
    GraphPart heuristics;
    std::vector<GraphPart> engines;
    GraphPart plan;
    std::int64_t workspaceBytes = 0;
    float scale = 1;
    float lowest = std::numeric_limits<float>::lowest();
    bool causal = false;

    explicit AttentionPlan(const CudnnEntries& entries) : api(entries), builder(entries) {}

    Result<void> describe(const AttentionShape& s) {
        scale = 1.0F / std::sqrt(static_cast<float>(s.dim));
        causal = s.causal;
        causal ? describeMasked(builder, s) : describeWhole(builder, s);
        Result<GraphPart> finished = builder.finish(handle);
        if (!finished) {
            return fail(finished.error());
        }
        graph = std::move(*finished);
        return {};
    }

    /// @param device a description in place of the handle's device, or null
    Result<void> findEngines(const GraphPart* device = nullptr) {
        constexpr std::int64_t kMost = 8;
        const cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
        Result<void> done = heuristics.create(api, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
        done = done ? heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph) : done;
        done =
            done ? heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, &mode) : done;
        if (device != nullptr && done) {
            done = heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *device);
        }
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
        const auto address = [](DevicePointer pointer) { return std::bit_cast<void*>(pointer); };
        std::vector<std::int64_t> uids{kQ, kK, kV, kO, kScale};
        std::vector<void*> data{address(p[0]), address(p[1]), address(p[2]), address(p[3]), &scale};
        if (causal) {
            uids.insert(uids.end(), {kLowest, kLogSum});
            data.insert(data.end(), {&lowest, address(p[5])});
        }
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
        if (Result<void> opened = api_.open(); !opened) {
            return opened;
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
        if (s.causal) {
            Buffer logSums;
            logSums.name = "log sums";
            logSums.role = BufferRole::Scratch;
            logSums.bytes =
                sizeof(float) * static_cast<std::size_t>(s.batch * s.heads * s.queries());
            result.item.buffers.push_back(std::move(logSums));
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

Result<int> cudnnEngines(const AttentionShape& shape, const std::string& device) {
    CudnnEntries api;
    if (Result<void> opened = api.open(); !opened) {
        return fail(opened.error());
    }
    GraphPart description;
    Result<void> done = description.create(api, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    done = done ? description.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                  CUDNN_TYPE_CHAR,
                                  device.data(),
                                  device.size())
                : done;
    done = done ? description.finalize("the device's description") : done;
    AttentionPlan plan(api);
    done = done ? plan.describe(shape) : done;
    done = done ? plan.findEngines(&description) : done;
    if (!done) {
        return fail(done.error());
    }
    return static_cast<int>(plan.engines.size());
}

}  // namespace loupe::gpu::cuda

#else

namespace loupe::gpu::cuda {

Result<std::unique_ptr<CudnnAttention>> CudnnAttention::open(Context&) {
    return fail(ErrorCode::Unsupported, "cuDNN: this program was built without its header");
}

Result<int> cudnnEngines(const AttentionShape&, const std::string&) {
    return fail(ErrorCode::Unsupported, "cuDNN: this program was built without its header");
}

}  // namespace loupe::gpu::cuda

#endif
