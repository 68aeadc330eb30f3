// SPDX-License-Identifier: Apache-2.0
// A case as a library runs it: the peer beside a kernel.
#pragma once

#include "gpu/cuda/device_work.hpp"
#include "gpu/timing/problem.hpp"

#include <memory>
#include <string>
#include <vector>

namespace loupe::gpu::cuda {

struct LibraryCase {
    std::string id;  ///< "cublaslt_bf16"
    std::string a;
    std::string b;
    std::string accumulator;
    std::string output;
    std::string arithmetic;  ///< whose peak counts
    double bytes = 0;        ///< operands and output once
    double tolerance = 0;
    WorkItem item;
    /// Operands as the library holds them, and what its codes mean; see OutputToCheck.
    std::vector<float> x;
    std::vector<float> w;
    std::vector<float> v;
    std::vector<float> rowScale;
    std::vector<float> columnScale;
    /// Algorithms that the library proposes; the fastest is timed.
    std::size_t choices = 1;
    std::shared_ptr<std::size_t> choice = std::make_shared<std::size_t>(0);
};

}  // namespace loupe::gpu::cuda
