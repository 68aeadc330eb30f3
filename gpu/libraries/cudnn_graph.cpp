// SPDX-License-Identifier: Apache-2.0
#if __has_include(<cudnn.h>)

#include "gpu/libraries/cudnn_graph.hpp"

namespace loupe::gpu::cuda {

namespace {

// As cudnnGetVersion() counts them: the single attention operation since 9.13.1.
constexpr std::size_t kLeastVersion = 91301;

constexpr cudnnDataType_t kArithmetic = CUDNN_DATA_FLOAT;

Extents rowMajor(const Extents& extents) {
    return {extents[1] * extents[2] * extents[3], extents[2] * extents[3], extents[3], 1};
}

}  // namespace

Result<void> CudnnEntries::open() {
    const Result<SharedLibrary> library = SharedLibrary::open({"libcudnn.so.9"});
    if (!library) {
        return fail(library.error());
    }
    const char* const lacking =
        library->missing({{version, "cudnnGetVersion"},
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
    if (lacking != nullptr) {
        return fail(ErrorCode::Unsupported, std::string("this libcudnn lacks ") + lacking);
    }
    if (version() < kLeastVersion) {
        return fail(
            ErrorCode::Unsupported,
            "cuDNN " + dottedVersion(version()) + " has no single attention operation, 9.13.1 has");
    }
    return {};
}

Result<void> CudnnEntries::check(cudnnStatus_t status, const char* call) const {
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

GraphPart& GraphBuilder::add(cudnnBackendDescriptorType_t type) {
    parts_.emplace_back();
    GraphPart& part = parts_.back();
    then([&] { return part.create(api_, type); });
    return part;
}

GraphBuilder::Part GraphBuilder::tensor(std::int64_t uid,
                                        const Extents& extents,
                                        cudnnDataType_t type,
                                        TensorPlace place) {
    return tensor(uid, extents, rowMajor(extents), type, place);
}

GraphBuilder::Part GraphBuilder::tensor(std::int64_t uid,
                                        const Extents& extents,
                                        const Extents& strides,
                                        cudnnDataType_t type,
                                        TensorPlace place) {
    constexpr std::int64_t kAlignment = 16;
    constexpr bool kYes = true;
    GraphPart& part = add(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    then([&] { return part.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, &type); });
    then([&] {
        return part.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, extents.data(), 4);
    });
    then([&] { return part.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides.data(), 4); });
    then([&] { return part.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, &uid); });
    then([&] { return part.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, &kAlignment); });
    if (place != TensorPlace::Device) {
        then([&] {
            return part.set(place == TensorPlace::Value ? CUDNN_ATTR_TENSOR_IS_BY_VALUE
                                                        : CUDNN_ATTR_TENSOR_IS_VIRTUAL,
                            CUDNN_TYPE_BOOLEAN,
                            &kYes);
        });
    }
    then([&] { return part.finalize("a tensor"); });
    return &part;
}

GraphBuilder::Part GraphBuilder::between(const Extents& extents, cudnnDataType_t type) {
    return tensor(nextUid_++, extents, type, TensorPlace::Between);
}

void GraphBuilder::close(GraphPart& operation, const char* what) {
    then([&] { return operation.finalize(what); });
    operations_.push_back(operation.raw());
}

void GraphBuilder::matmul(Part a, Part b, Part c) {
    GraphPart& kind = add(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
    then([&] { return kind.set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, &kArithmetic); });
    then([&] { return kind.finalize("a matrix product"); });
    GraphPart& operation = add(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
    then([&] { return operation.set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, *a); });
    then([&] { return operation.set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, *b); });
    then([&] { return operation.set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, *c); });
    then([&] { return operation.set(CUDNN_ATTR_OPERATION_MATMUL_DESC, kind); });
    close(operation, "a matrix product");
}

void GraphBuilder::pointwise(
    cudnnPointwiseMode_t mode, Part x, Part b, Part y, Part mask, std::int64_t axis) {
    GraphPart& kind = add(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    then([&] { return kind.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, &mode); });
    then([&] {
        return kind.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, &kArithmetic);
    });
    if (axis >= 0) {
        then([&] { return kind.set(CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, &axis); });
    }
    then([&] { return kind.finalize("a pointwise operation"); });
    GraphPart& operation = add(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    then([&] { return operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, kind); });
    then([&] { return operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, *x); });
    if (b != nullptr) {
        then([&] { return operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b); });
    }
    if (mask != nullptr) {
        then([&] { return operation.set(CUDNN_ATTR_OPERATION_POINTWISE_TDESC, *mask); });
    }
    then([&] { return operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, *y); });
    close(operation, "a pointwise operation");
}

void GraphBuilder::reduce(cudnnReduceTensorOp_t operation, Part x, Part y) {
    GraphPart& kind = add(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
    then([&] {
        return kind.set(
            CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, &operation);
    });
    then([&] {
        return kind.set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, &kArithmetic);
    });
    then([&] { return kind.finalize("a reduction"); });
    GraphPart& part = add(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
    then([&] { return part.set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, kind); });
    then([&] { return part.set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, *x); });
    then([&] { return part.set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, *y); });
    close(part, "a reduction");
}

void GraphBuilder::attention(Part q, Part k, Part v, Part o, Part scale) {
    GraphPart& operation = add(CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR);
    then([&] { return operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, *q); });
    then([&] { return operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, *k); });
    then([&] { return operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, *v); });
    then([&] { return operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, *o); });
    then([&] { return operation.set(CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, *scale); });
    close(operation, "the attention operation");
}

Result<GraphPart> GraphBuilder::finish(cudnnHandle_t handle) {
    GraphPart graph;
    then([&] { return graph.create(api_, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR); });
    if (handle != nullptr) {
        then([&] {
            return graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, &handle);
        });
    }
    then([&] {
        return graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS,
                         CUDNN_TYPE_BACKEND_DESCRIPTOR,
                         operations_.data(),
                         operations_.size());
    });
    then([&] { return graph.finalize("the operation graph"); });
    if (!done_) {
        return fail(done_.error());
    }
    return graph;
}

}  // namespace loupe::gpu::cuda

#endif
