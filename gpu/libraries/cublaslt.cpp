// SPDX-License-Identifier: Apache-2.0
#include "gpu/libraries/cublaslt.hpp"

#if __has_include(<cublasLt.h>)

#include "gpu/libraries/cublaslt_operands.hpp"
#include "gpu/libraries/shared_library.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cublasLt.h>
#include <functional>

namespace loupe::gpu::cuda {

namespace {

struct Entries {
    decltype(&cublasLtCreate) create = nullptr;
    decltype(&cublasLtDestroy) destroy = nullptr;
    decltype(&cublasLtGetVersion) version = nullptr;
    decltype(&cublasLtMatmulDescCreate) descCreate = nullptr;
    decltype(&cublasLtMatmulDescDestroy) descDestroy = nullptr;
    decltype(&cublasLtMatmulDescSetAttribute) descSet = nullptr;
    decltype(&cublasLtMatrixLayoutCreate) layoutCreate = nullptr;
    decltype(&cublasLtMatrixLayoutDestroy) layoutDestroy = nullptr;
    decltype(&cublasLtMatmulPreferenceCreate) preferenceCreate = nullptr;
    decltype(&cublasLtMatmulPreferenceDestroy) preferenceDestroy = nullptr;
    decltype(&cublasLtMatmulPreferenceSetAttribute) preferenceSet = nullptr;
    decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
    decltype(&cublasLtMatmul) matmul = nullptr;

    /// The name of an entry point that the library lacks; null: none.
    [[nodiscard]] const char* load(const SharedLibrary& library) {
        return library.missing({{create, "cublasLtCreate"},
                                {destroy, "cublasLtDestroy"},
                                {version, "cublasLtGetVersion"},
                                {descCreate, "cublasLtMatmulDescCreate"},
                                {descDestroy, "cublasLtMatmulDescDestroy"},
                                {descSet, "cublasLtMatmulDescSetAttribute"},
                                {layoutCreate, "cublasLtMatrixLayoutCreate"},
                                {layoutDestroy, "cublasLtMatrixLayoutDestroy"},
                                {preferenceCreate, "cublasLtMatmulPreferenceCreate"},
                                {preferenceDestroy, "cublasLtMatmulPreferenceDestroy"},
                                {preferenceSet, "cublasLtMatmulPreferenceSetAttribute"},
                                {heuristic, "cublasLtMatmulAlgoGetHeuristic"},
                                {matmul, "cublasLtMatmul"}});
    }
};

struct TypeRow {
    std::string_view arithmetic;
    cudaDataType_t operand;
    cudaDataType_t output;
    cublasComputeType_t compute;  ///< CUBLAS_COMPUTE_32F: no TF32
    cudaDataType_t scale;
};

constexpr std::array<TypeRow, 5> kTypes{{
    {"fp32", CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F, CUDA_R_32F},
    {"fp16", CUDA_R_16F, CUDA_R_32F, CUBLAS_COMPUTE_32F, CUDA_R_32F},
    {"bf16", CUDA_R_16BF, CUDA_R_32F, CUBLAS_COMPUTE_32F, CUDA_R_32F},
    {"int8", CUDA_R_8I, CUDA_R_32I, CUBLAS_COMPUTE_32I, CUDA_R_32I},
    {"fp8", CUDA_R_8F_E4M3, CUDA_R_32F, CUBLAS_COMPUTE_32F, CUDA_R_32F},
}};

Result<void> check(cublasStatus_t status, const char* call) {
    if (status == CUBLAS_STATUS_SUCCESS) {
        return {};
    }
    return fail(
        status == CUBLAS_STATUS_ALLOC_FAILED ? ErrorCode::OutOfMemory : ErrorCode::Unsupported,
        std::string(call) + " failed with status " + std::to_string(status) +
            (status == CUBLAS_STATUS_NOT_SUPPORTED ? ": not supported" : ""));
}

/// One product: its descriptors and the algorithms that were proposed.
struct Product {
    const Entries& api;
    cublasLtHandle_t handle = nullptr;
    cublasLtMatmulDesc_t operation = nullptr;
    cublasLtMatrixLayout_t w = nullptr;
    cublasLtMatrixLayout_t x = nullptr;
    cublasLtMatrixLayout_t y = nullptr;
    std::vector<cublasLtMatmulHeuristicResult_t> algorithms;
    bool integral = false;
    bool scaled = false;

    explicit Product(const Entries& entries) : api(entries) {}
    Product(const Product&) = delete;
    Product& operator=(const Product&) = delete;
    ~Product() {
        for (cublasLtMatrixLayout_t layout : {w, x, y}) {
            if (layout != nullptr) {
                api.layoutDestroy(layout);
            }
        }
        if (operation != nullptr) {
            api.descDestroy(operation);
        }
    }

    Result<void> describe(const TypeRow& types, const MatmulShape& s) {
        const auto m = static_cast<std::uint64_t>(s.m);
        const auto n = static_cast<std::uint64_t>(s.n);
        const auto k = static_cast<std::uint64_t>(s.k);
        const cublasOperation_t transposed = CUBLAS_OP_T;
        const std::array<std::function<cublasStatus_t()>, 5> steps{
            [&] { return api.descCreate(&operation, types.compute, types.scale); },
            [&] {
                return api.descSet(
                    operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof(transposed));
            },
            [&] { return api.layoutCreate(&w, types.operand, k, n, s.k); },
            [&] { return api.layoutCreate(&x, types.operand, k, m, s.k); },
            [&] { return api.layoutCreate(&y, types.output, n, m, s.n); },
        };
        integral = types.scale == CUDA_R_32I;
        for (const auto& step : steps) {
            if (Result<void> done = check(step(), "describing the product to cuBLASLt"); !done) {
                return done;
            }
        }
        return {};
    }

    /// The scales' addresses are part of the description.
    Result<void> setScales(DevicePointer xScale, DevicePointer wScale) const {
        const void* const ofX = pointer(xScale);
        const void* const ofW = pointer(wScale);
        Result<void> done = check(
            api.descSet(operation, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, &ofW, sizeof(const void*)),
            "cublasLtMatmulDescSetAttribute");
        return done ? check(api.descSet(operation,
                                        CUBLASLT_MATMUL_DESC_B_SCALE_POINTER,
                                        &ofX,
                                        sizeof(const void*)),
                            "cublasLtMatmulDescSetAttribute")
                    : done;
    }

    Result<void> findAlgorithms() {
        constexpr int kMost = 6;
        constexpr std::uint64_t kWorkspace = std::uint64_t{32} << 20;
        cublasLtMatmulPreference_t preference = nullptr;
        if (Result<void> done =
                check(api.preferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
            !done) {
            return done;
        }
        api.preferenceSet(
            preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &kWorkspace, sizeof(kWorkspace));
        algorithms.resize(kMost);
        int found = 0;
        const cublasStatus_t status = api.heuristic(
            handle, operation, w, x, y, y, preference, kMost, algorithms.data(), &found);
        api.preferenceDestroy(preference);
        if (status != CUBLAS_STATUS_SUCCESS || found == 0) {
            return fail(
                ErrorCode::Unsupported,
                "cuBLASLt has no algorithm for this case (status " + std::to_string(status) + ")");
        }
        algorithms.resize(static_cast<std::size_t>(found));
        return {};
    }

    [[nodiscard]] std::size_t workspaceBytes() const {
        std::size_t bytes = 0;
        for (const auto& algorithm : algorithms) {
            bytes = std::max(bytes, algorithm.workspaceSize);
        }
        return bytes;
    }

    Result<void> run(Pointers p, std::size_t choice, void* stream) const {
        if (scaled) {
            if (Result<void> done = setScales(p[4], p[5]); !done) {
                return done;
            }
        }
        const float oneFloat = 1;
        const float zeroFloat = 0;
        const std::int32_t oneInt = 1;
        const std::int32_t zeroInt = 0;
        const void* const alpha = integral ? static_cast<const void*>(&oneInt) : &oneFloat;
        const void* const beta = integral ? static_cast<const void*>(&zeroInt) : &zeroFloat;
        const auto& algorithm = algorithms[choice];
        return check(api.matmul(handle,
                                operation,
                                alpha,
                                pointer(p[1]),
                                w,
                                pointer(p[0]),
                                x,
                                beta,
                                pointer(p[2]),
                                y,
                                pointer(p[2]),
                                y,
                                &algorithm.algo,
                                pointer(p[3]),
                                algorithm.workspaceSize,
                                static_cast<cudaStream_t>(stream)),
                     "cublasLtMatmul");
    }

    static void* pointer(DevicePointer address) { return std::bit_cast<void*>(address); }
};

class LoadedCublasLt final : public CublasLt {
public:
    explicit LoadedCublasLt(Context& context) : context_(context) {}
    LoadedCublasLt(const LoadedCublasLt&) = delete;
    LoadedCublasLt& operator=(const LoadedCublasLt&) = delete;
    ~LoadedCublasLt() override {
        if (handle_ != nullptr && context_.lost().empty()) {
            api_.destroy(handle_);
        }
    }

    Result<void> start() {
        const Result<SharedLibrary> library =
            SharedLibrary::open({"libcublasLt.so.13", "libcublasLt.so.12"});
        if (!library) {
            return fail(library.error());
        }
        if (const char* lacking = api_.load(*library); lacking != nullptr) {
            return fail(ErrorCode::Unsupported, std::string("this libcublasLt lacks ") + lacking);
        }
        return check(api_.create(&handle_), "cublasLtCreate");
    }

    std::string version() const override { return dottedVersion(api_.version()); }

    Result<LibraryCase> matmul(std::string_view arithmetic, const MatmulProblem& problem) override {
        Result<LibraryCase> made = makeOperands(arithmetic, problem);
        if (!made) {
            return made;
        }
        const TypeRow* const types =
            std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeRow& row) {
                return row.arithmetic == arithmetic;
            });
        const auto product = std::make_shared<Product>(api_);
        product->handle = handle_;
        product->scaled = arithmetic == "fp8";
        Result<void> done = product->describe(*types, problem.shape);
        done = done ? product->findAlgorithms() : done;
        if (!done) {
            return fail(done.error());
        }
        made->item.buffers[3].bytes = product->workspaceBytes();
        made->choices = product->algorithms.size();
        void* const stream = context_.stream();
        made->item.enqueue = [product, stream, choice = made->choice](Pointers pointers) {
            return product->run(pointers, *choice, stream);
        };
        return made;
    }

private:
    Context& context_;
    Entries api_;
    cublasLtHandle_t handle_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<CublasLt>> CublasLt::open(Context& context) {
    auto library = std::make_unique<LoadedCublasLt>(context);
    if (Result<void> done = library->start(); !done) {
        return fail(done.error());
    }
    return library;
}

}  // namespace loupe::gpu::cuda

#else

namespace loupe::gpu::cuda {

Result<std::unique_ptr<CublasLt>> CublasLt::open(Context&) {
    return fail(ErrorCode::Unsupported, "cuBLASLt: this program was built without its header");
}

}  // namespace loupe::gpu::cuda

#endif
