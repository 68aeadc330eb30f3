// SPDX-License-Identifier: Apache-2.0
// Every kernel and library that matches a request, checked and then timed on the device.
#include "core/base/text.hpp"
#include "gpu/cuda/ceilings.hpp"
#include "gpu/cuda/kernel_work.hpp"
#include "gpu/libraries/cudnn_sdpa.hpp"
#include "gpu/libraries/nvrtc.hpp"
#include "gpu/libraries/shared_library.hpp"
#include "gpu/timing/backend.hpp"
#include "gpu/timing/problem.hpp"

#include <algorithm>
#include <cmath>

namespace loupe::gpu {

namespace cuda {

namespace {

std::string capabilityText(int capability) {
    return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
}

std::string wrongResult(const CheckRecord& check) {
    std::string text = "wrong result: ";
    if (std::isnan(check.relFro)) {
        return text + "values that are not finite";
    }
    return text + "relative error " + std::to_string(check.relFro) + ", at most " +
           std::to_string(check.tolerance) + " allowed";
}

/// One request on an open device.
class CudaRun {
public:
    CudaRun(Context& context,
            const TimingRequest& request,
            const JobContext& ctx,
            const RunSink& sink)
        : context_(context),
          request_(request),
          ctx_(ctx),
          sink_(sink),
          limits_(limitsOf(request)),
          nvml_(context.device().uuid),
          stopwatch_(context, nvml_),
          problem_(request, ctx),
          modules_(context) {}

    [[nodiscard]] Result<void> run();

private:
    struct Step {
        const Kernel* kernel = nullptr;  ///< null: a library
        std::string arithmetic;          ///< of the library's product; of attention empty
        std::string word;
        std::string id;
    };
    [[nodiscard]] std::vector<Step> steps() const;
    void addPeers(std::vector<Step>& steps, const std::string& word) const;
    void openLibraries();
    [[nodiscard]] RunRecord start(const Step& step) const;
    void finish(RunRecord record) const;
    /// A case on its way to a record.
    struct Prepared {
        RunRecord record;
        std::unique_ptr<WorkItem> item;    ///< that `work` refers to
        std::unique_ptr<DeviceWork> work;  ///< null: it is not timed
        std::string arithmetic;
    };
    [[nodiscard]] Prepared prepare(const Step& step);
    [[nodiscard]] std::string lostReason() const;
    void prepareKernel(const Step& step, Prepared& prepared);
    void prepareLibrary(const Step& step, Prepared& prepared);
    [[nodiscard]] std::string refusal(const Kernel& kernel) const;
    /// Runs once and checks the output; the record gets a reason where it is wrong.
    void judge(RunRecord& record, DeviceWork& work, OutputToCheck output);
    /// Times what is ready, in turn, and hands the records out in order.
    void time(std::vector<Prepared> all, bool inTurn);
    void note(Prepared& prepared, Measurement measured);

    Context& context_;
    const TimingRequest& request_;
    const JobContext& ctx_;
    const RunSink& sink_;
    SamplingLimits limits_;
    Nvml nvml_;
    Stopwatch stopwatch_;
    Problem problem_;
    KernelModules modules_;
    std::unique_ptr<CublasLt> cublasLt_;
    std::string cublasLtReason_;
    std::unique_ptr<CudnnAttention> cudnn_;
    std::string cudnnReason_;
    std::unique_ptr<Ceilings> ceilings_;
    DeviceRecord device_;
};

void CudaRun::addPeers(std::vector<Step>& steps, const std::string& word) const {
    const auto add = [&](Step step) {
        if (request_.kernel.empty() || matchesGlob(request_.kernel, step.id)) {
            steps.push_back(std::move(step));
        }
    };
    if (!request_.peers) {
        return;
    }
    if (request_.operation == Operation::Attention) {
        if (std::none_of(steps.begin(), steps.end(), [](const Step& step) {
                return step.id == "cudnn_sdpa_fp16";
            })) {
            add({nullptr, "", word, "cudnn_sdpa_fp16"});
        }
        return;
    }
    const std::string arithmetic(peerArithmetic(word));
    if (!arithmetic.empty()) {
        add({nullptr, arithmetic, word, "cublaslt_" + arithmetic});
    }
    if (word == "sparse24") {
        add({nullptr, "", word, "cusparselt"});
    }
}

std::vector<CudaRun::Step> CudaRun::steps() const {
    std::vector<Step> steps;
    const std::vector<const Kernel*> kernels = kernelsFor(request_);
    for (const std::string& word : wordsOf(request_, {"fp8_e4m3"})) {
        if (request_.operation == Operation::Attention && word == "fp8_e4m3") {
            continue;
        }
        const std::size_t before = steps.size();
        for (const Kernel* kernel : kernels) {
            if (kernel->what == word) {
                steps.push_back({kernel, "", word, std::string(kernel->id)});
            }
        }
        addPeers(steps, word);
        if (steps.size() == before && request_.kernel.empty()) {
            steps.push_back({nullptr, "", word, ""});
        }
    }
    return steps;
}

void CudaRun::openLibraries() {
    device_ = context_.device();
    device_.driver = nvml_.driverVersion();
    Result<std::unique_ptr<CublasLt>> lt = CublasLt::open(context_);
    if (lt) {
        cublasLt_ = std::move(*lt);
        device_.libraries.emplace_back("cublasLt", cublasLt_->version());
    } else {
        cublasLtReason_ = lt.error().what;
    }
    if (request_.operation == Operation::Attention && request_.peers) {
        Result<std::unique_ptr<CudnnAttention>> dnn = CudnnAttention::open(context_);
        if (dnn) {
            cudnn_ = std::move(*dnn);
            device_.libraries.emplace_back("cudnn", cudnn_->version());
        } else {
            cudnnReason_ = dnn.error().what;
        }
    }
    ceilings_ = std::make_unique<Ceilings>(context_, stopwatch_, cublasLt_.get());
}

RunRecord CudaRun::start(const Step& step) const {
    // What the tests' stand-in for the driver runs is the executor's work, and never a GPU's.
    RunRecord record = recordFor(request_, context_.isStandIn() ? "simt" : "cuda");
    record.kind = context_.isStandIn() ? FigureKind::Counted : FigureKind::Measured;
    record.device = device_;
    record.kernel.id = step.id;
    record.what.format = step.word;
    if (step.kernel != nullptr) {
        describeKernel(record, *step.kernel, request_);
    }
    return record;
}

void CudaRun::finish(RunRecord record) const {
    if (!record.reason.empty()) {
        record.timing.reset();
        record.clocks.reset();
        record.counts.reset();
    }
    derive(record.derived, record.timing ? record.timing->medianUs : 0);
    sink_.record(record);
}

std::string CudaRun::refusal(const Kernel& kernel) const {
    if (context_.capability() < kernel.leastCapability) {
        return "needs compute capability " + capabilityText(kernel.leastCapability) +
               ", the device has " + capabilityText(context_.capability());
    }
    return kernel.refuses == nullptr ? std::string() : kernel.refuses(request_);
}

void CudaRun::judge(RunRecord& record, DeviceWork& work, OutputToCheck output) {
    Result<void> ran = work.prepare();
    ran = ran ? work.enqueue(0) : ran;
    ran = ran ? context_.wait(ctx_) : ran;
    const Result<std::vector<std::byte>> bytes =
        ran ? work.downloadOutput()
            : Result<std::vector<std::byte>>(tl::unexpected<Error>(ran.error()));
    if (!bytes) {
        record.reason = bytes.error().what;
        return;
    }
    output.bytes = *bytes;
    output.type = work.item().buffers[static_cast<std::size_t>(work.item().output)].type;
    record.check = problem_.check(output);
    if (!record.check->passed) {
        record.reason = wrongResult(*record.check);
    }
}

void CudaRun::note(Prepared& prepared, Measurement measured) {
    RunRecord& record = prepared.record;
    if (context_.isStandIn()) {
        record.reason = "the driver is a stand-in that runs on the CPU: " +
                        std::to_string(measured.timing.samplesUs.size()) + " samples were taken" +
                        (measured.timing.inTurn > 0 ? " in turn (" : " (") + measured.timing.clock +
                        ", stopped by " + measured.timing.stopReason +
                        "), their times are no GPU's";
        return;
    }
    record.timing = std::move(measured.timing);
    record.clocks = std::move(measured.clocks);
    ceilings_->fill(record.derived, prepared.arithmetic, ctx_);
}

void CudaRun::time(std::vector<Prepared> all, bool inTurn) {
    std::vector<Prepared*> ready;
    std::vector<DeviceWork*> works;
    for (Prepared& each : all) {
        // A case that was checked before another one lost the device cannot be timed any more.
        if (each.work != nullptr && !context_.lost().empty()) {
            each.record.reason = lostReason();
        } else if (each.work != nullptr) {
            ready.push_back(&each);
            works.push_back(each.work.get());
        }
    }
    Result<std::vector<Measurement>> measured =
        stopwatch_.measureInTurn(works, limits_, request_.cache, ctx_);
    for (std::size_t i = 0; i < ready.size(); ++i) {
        if (measured) {
            (*measured)[i].timing.inTurn = inTurn ? (*measured)[i].timing.inTurn : 0;
            note(*ready[i], std::move((*measured)[i]));
        } else {
            ready[i]->record.reason = measured.error().what;
        }
    }
    for (Prepared& each : all) {
        finish(std::move(each.record));
    }
}

void CudaRun::prepareKernel(const Step& step, Prepared& prepared) {
    RunRecord& record = prepared.record;
    const Kernel& kernel = *step.kernel;
    record.reason = refusal(kernel);
    if (!record.reason.empty()) {
        return;
    }
    LaunchPlan plan = problem_.plan(kernel);
    Result<KernelWork> made = makeKernelWork(context_, modules_, kernel.family, plan);
    if (!made) {
        record.reason = made.error().what;
        return;
    }
    record.kernel.source = made->figures.source;
    record.kernel.arch = made->figures.arch;
    record.kernel.registers = made->figures.registers;
    record.kernel.sharedBytes = made->figures.sharedBytes;
    record.kernel.spillBytes = made->figures.spillBytes;
    if (made->figures.source == "nvrtc") {
        record.device.libraries.emplace_back("nvrtc", nvrtcVersion());
    }
    prepared.item = std::make_unique<WorkItem>(std::move(made->item));
    prepared.work = std::make_unique<DeviceWork>(context_, *prepared.item);
    prepared.arithmetic = kernel.cost == nullptr ? "fp32" : kernel.cost(request_).arithmetic;
    OutputToCheck output;
    output.x = plan.x;
    output.w = plan.w;
    output.v = plan.v;
    output.tolerance = kernel.tolerance;
    judge(record, *prepared.work, output);
}

void CudaRun::prepareLibrary(const Step& step, Prepared& prepared) {
    RunRecord& record = prepared.record;
    const bool isMatmul = request_.operation == Operation::Matmul;
    record.kernel.source = step.id.empty() ? "" : "library";
    if (step.id.empty()) {
        record.reason = "there is no kernel and no library for '" + step.word + "'";
    } else if (step.id == "cusparselt") {
        const Result<SharedLibrary> library = SharedLibrary::open({"libcusparseLt.so.0"});
        record.reason = library ? "cuSPARSELt was found, but calls to it are not built in"
                                : library.error().what;
    } else if (isMatmul ? cublasLt_ == nullptr : cudnn_ == nullptr) {
        record.reason = isMatmul ? cublasLtReason_ : cudnnReason_;
    }
    if (!record.reason.empty()) {
        return;
    }
    Result<LibraryCase> made = isMatmul ? cublasLt_->matmul(step.arithmetic, problem_.matmul())
                                        : cudnn_->attention(problem_.attention());
    if (!made) {
        record.reason = made.error().what;
        return;
    }
    record.what.a = made->a;
    record.what.b = made->b;
    record.what.accumulator = made->accumulator;
    record.what.output = made->output;
    record.derived.bytesMin = made->bytes;
    prepared.item = std::make_unique<WorkItem>(std::move(made->item));
    prepared.work = std::make_unique<DeviceWork>(context_, *prepared.item);
    prepared.arithmetic = made->arithmetic;
    DeviceWork& work = *prepared.work;
    OutputToCheck output;
    output.x = made->x;
    output.w = made->w;
    output.v = made->v;
    output.rowScale = made->rowScale;
    output.columnScale = made->columnScale;
    output.tolerance = made->tolerance;
    judge(record, work, output);
    double best = 0;
    std::size_t fastest = 0;
    for (std::size_t i = 0; i < made->choices && made->choices > 1 && record.reason.empty(); ++i) {
        *made->choice = i;
        const Result<double> us = stopwatch_.quick(work, ctx_);
        if (us && (best <= 0 || *us < best)) {
            best = *us;
            fastest = i;
        }
    }
    *made->choice = fastest;
}

std::string CudaRun::lostReason() const {
    return "the device was lost before (" + context_.lost() + ")";
}

CudaRun::Prepared CudaRun::prepare(const Step& step) {
    Prepared prepared;
    prepared.record = start(step);
    if (!context_.lost().empty()) {
        prepared.record.reason = lostReason();
    } else if (step.kernel != nullptr) {
        prepareKernel(step, prepared);
    } else {
        prepareLibrary(step, prepared);
    }
    if (!prepared.record.reason.empty()) {
        prepared.work.reset();  // its memory is the next one's
        prepared.item.reset();
    }
    return prepared;
}

Result<void> CudaRun::run() {
    context_.setDeadline(request_.seconds > 0 ? std::max(2.0, 15 * request_.seconds) : 30.0);
    if (Result<void> prepared = stopwatch_.prepare(); !prepared) {
        return prepared;
    }
    openLibraries();
    const std::vector<Step> all = steps();
    std::vector<Prepared> waiting;
    for (std::size_t i = 0; i < all.size(); ++i) {
        ctx_.checkpoint();
        const Step& step = all[i];
        if (sink_.progress) {
            sink_.progress(static_cast<double>(i) / static_cast<double>(all.size()), step.id);
        }
        waiting.push_back(prepare(step));
        if (!request_.interleave) {
            time(std::move(waiting), false);
            waiting.clear();
        }
    }
    if (request_.interleave) {
        time(std::move(waiting), true);
    }
    if (sink_.progress) {
        sink_.progress(1, "done");
    }
    return {};
}

class CudaBackend final : public Backend {
public:
    std::string_view id() const override { return "cuda"; }
    std::string_view title() const override { return "CUDA"; }
    std::string unavailable() const override {
        const Result<const Driver*> driver = Driver::load();
        return driver ? std::string() : driver.error().what;
    }
    std::vector<Offer> offers() const override {
        std::vector<Offer> offers = kernelOffers();
        offers.push_back(
            {Operation::Matmul, "fp8_e4m3", titleOf(Operation::Matmul, "fp8_e4m3"), 8, {}});
        const std::string reason = unavailable();
        for (Offer& offer : offers) {
            offer.reason = reason;
        }
        return offers;
    }
    Result<void> run(const TimingRequest& request,
                     const JobContext& ctx,
                     const RunSink& sink) const override {
        const Result<std::unique_ptr<Context>> context = Context::open();
        if (!context) {
            return fail(context.error());
        }
        return CudaRun(**context, request, ctx, sink).run();
    }
};

}  // namespace

}  // namespace cuda

const Backend& cudaBackend() {
    static const cuda::CudaBackend kBackend;
    return kBackend;
}

}  // namespace loupe::gpu
