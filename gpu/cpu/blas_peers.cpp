// SPDX-License-Identifier: Apache-2.0
// OpenBLAS and Eigen in FP32, as core/linalg calls them: one thread a tile, tiles on our threads.
#include "core/linalg/dense.hpp"
#include "gpu/cpu/matmul_float.hpp"
#include "gpu/cpu/peers.hpp"

#include <array>

namespace loupe::gpu {

namespace {

class BackendSetting {
public:
    explicit BackendSetting(GemmBackend backend) : before_(setGemmBackend(backend)) {}
    ~BackendSetting() { setGemmBackend(before_); }
    BackendSetting(const BackendSetting&) = delete;
    BackendSetting& operator=(const BackendSetting&) = delete;

private:
    GemmBackend before_;
};

class BlasMatmul final : public CpuMatmul {
public:
    BlasMatmul(const MatmulProblem& problem, GemmBackend backend, const char* kernel)
        : CpuMatmul(problem.shape), given_(problem.x), weights_(problem.w), backend_(backend) {
        kernel_ = kernel;
        tolerance_ = floatTolerance(shape_.k);
        weightBytes_ = 4 * static_cast<double>(weights_.size());
    }
    void run(const JobContext& ctx) override {
        const BackendSetting setting(backend_);
        multiply<float>(1.0F,
                        {given_.data(), shape_.m, shape_.k},
                        Op::Plain,
                        {weights_.data(), shape_.n, shape_.k},
                        Op::Transposed,
                        0.0F,
                        {y_.data(), shape_.m, shape_.n},
                        ctx);
    }

private:
    std::vector<float> given_;
    std::vector<float> weights_;
    GemmBackend backend_;
};

std::string versionOf(GemmBackend backend) {
    if (!hasGemmBackend(backend)) {
        return {};
    }
    const BackendSetting setting(backend);
    return gemmBackendName();
}
std::string openBlasVersion() {
    return versionOf(GemmBackend::OpenBlas);
}
std::string eigenVersion() {
    return versionOf(GemmBackend::Eigen) + ", compiled without AVX";
}
std::string refusesOpenBlas(const MatmulShape&) {
    return hasGemmBackend(GemmBackend::OpenBlas) ? std::string()
                                                 : "this program was built without OpenBLAS";
}
std::string refusesNothing(const MatmulShape&) {
    return {};
}

std::unique_ptr<CpuMatmul> makeOpenBlas(const MatmulProblem& problem,
                                        const JobContext&,
                                        std::string&) {
    return std::make_unique<BlasMatmul>(problem, GemmBackend::OpenBlas, "openblas_f32");
}
std::unique_ptr<CpuMatmul> makeEigen(const MatmulProblem& problem,
                                     const JobContext&,
                                     std::string&) {
    return std::make_unique<BlasMatmul>(problem, GemmBackend::Eigen, "eigen_f32");
}

constexpr std::array kPeers{
    CpuPeer{"OpenBLAS", "openblas_f32", "fp32", openBlasVersion, refusesOpenBlas, makeOpenBlas},
    CpuPeer{"Eigen", "eigen_f32", "fp32", eigenVersion, refusesNothing, makeEigen},
};

}  // namespace

std::span<const CpuPeer> blasPeers() {
    return kPeers;
}

std::span<const CpuPeer> cpuPeers() {
    static const std::vector<CpuPeer> kAll = [] {
        std::vector<CpuPeer> peers;
        for (const std::span<const CpuPeer> some : {oneDnnPeers(), blasPeers()}) {
            peers.insert(peers.end(), some.begin(), some.end());
        }
        return peers;
    }();
    return kAll;
}

}  // namespace loupe::gpu
