// SPDX-License-Identifier: Apache-2.0
// cuDNN's graph API, for the files of this folder that are built where its header is.
#pragma once

#include "core/base/result.hpp"
#include "gpu/libraries/shared_library.hpp"

#include <array>
#include <cstdint>
#include <cudnn.h>
#include <deque>
#include <string>
#include <vector>

namespace loupe::gpu::cuda {

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

    /// Opens the library. Unsupported: not found, or older than 9.13.1, which has no single
    /// attention operation.
    [[nodiscard]] Result<void> open();
    [[nodiscard]] Result<void> check(cudnnStatus_t status, const char* call) const;
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

/// Extents or strides: batch, heads, rows, columns.
using Extents = std::array<std::int64_t, 4>;

/// Where a tensor of a graph lies.
enum class TensorPlace : std::uint8_t {
    Device,
    Value,    ///< one number, on the host
    Between,  ///< what one operation hands to another; never in memory
};

/// Operations and their tensors, put together one after the other. The first error stays, and what
/// follows it does nothing.
class GraphBuilder {
public:
    using Part = const GraphPart*;

    explicit GraphBuilder(const CudnnEntries& api) : api_(api) {}

    [[nodiscard]] const Result<void>& done() const { return done_; }
    /// Row-major.
    Part tensor(std::int64_t uid, const Extents& extents, cudnnDataType_t type, TensorPlace place);
    Part tensor(std::int64_t uid,
                const Extents& extents,
                const Extents& strides,
                cudnnDataType_t type,
                TensorPlace place);
    /// A tensor between operations, with a number of its own.
    Part between(const Extents& extents, cudnnDataType_t type);
    void matmul(Part a, Part b, Part c);
    /// `b`, `mask`: null where the mode has none; `axis` below 0: none.
    void pointwise(cudnnPointwiseMode_t mode,
                   Part x,
                   Part b,
                   Part y,
                   Part mask = nullptr,
                   std::int64_t axis = -1);
    void reduce(cudnnReduceTensorOp_t operation, Part x, Part y);
    /// The single attention operation.
    void attention(Part q, Part k, Part v, Part o, Part scale);
    /// The graph of all operations so far. `handle` may be null, for a look without a device.
    [[nodiscard]] Result<GraphPart> finish(cudnnHandle_t handle);

private:
    GraphPart& add(cudnnBackendDescriptorType_t type);
    template <class Step>
    void then(const Step& step) {
        done_ = done_ ? step() : done_;
    }
    /// Ends an operation's description.
    void close(GraphPart& operation, const char* what);

    const CudnnEntries& api_;
    Result<void> done_;
    std::deque<GraphPart> parts_;
    std::vector<cudnnBackendDescriptor_t> operations_;
    std::int64_t nextUid_ = 1000;
};

}  // namespace loupe::gpu::cuda
