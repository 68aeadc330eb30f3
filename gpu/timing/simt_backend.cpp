// SPDX-License-Identifier: Apache-2.0
// The kernels' own sources on the executor: whether they are right, and what they move. Never a
// time.
#include "gpu/timing/backend.hpp"
#include "gpu/timing/method.hpp"
#include "gpu/timing/problem.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace loupe::gpu {

namespace {

/// Operations that the checked executor gets through in seconds, and the fast one.
constexpr double kMostCounted = 0x1p29;
constexpr double kMostFast = 0x1p33;
/// One block cannot be cut: above this a count would take minutes.
constexpr double kMostInBlock = 0x1p32;
constexpr std::size_t kCacheBytes = std::size_t{1} << 20;
constexpr std::size_t kAlignment = 256;

/// A plan's buffers as host memory.
class HostBuffers {
public:
    explicit HostBuffers(const std::vector<Buffer>& buffers) {
        for (const Buffer& buffer : buffers) {
            const std::size_t bytes = std::max<std::size_t>(buffer.bytes, 1);
            void* const memory = ::operator new (bytes, std::align_val_t{kAlignment});
            if (buffer.role == BufferRole::Input && !buffer.contents.empty()) {
                std::memcpy(memory, buffer.contents.data(), buffer.contents.size());
            } else {
                std::memset(memory, 0xFF, bytes);
            }
            allocations_.push_back({memory, buffer.bytes});
        }
    }
    ~HostBuffers() {
        for (const simt::Allocation& allocation : allocations_) {
            ::operator delete (allocation.data, std::align_val_t{kAlignment});
        }
    }
    HostBuffers(const HostBuffers&) = delete;
    HostBuffers& operator=(const HostBuffers&) = delete;

    [[nodiscard]] std::span<const simt::Allocation> all() const { return allocations_; }
    [[nodiscard]] std::span<const std::byte> bytes(int index) const {
        const simt::Allocation& allocation = allocations_[static_cast<std::size_t>(index)];
        return {static_cast<const std::byte*>(allocation.data), allocation.bytes};
    }

private:
    std::vector<simt::Allocation> allocations_;
};

/// The first fault; empty: none. Counts are added up where the mode counts.
std::string launchStep(const LaunchStep& step,
                       const HostBuffers& buffers,
                       const simt::LaunchOptions& options,
                       simt::LaunchResult& result) {
    std::vector<std::uint64_t> slots;
    slots.reserve(step.arguments.size());
    for (const Argument& argument : step.arguments) {
        std::uint64_t slot = 0;
        if (argument.kind == Argument::Kind::Buffer) {
            slot = reinterpret_cast<std::uintptr_t>(
                buffers.all()[static_cast<std::size_t>(argument.buffer)].data);
        } else if (argument.kind == Argument::Kind::Int32) {
            std::memcpy(&slot, &argument.integer, sizeof(argument.integer));
        } else {
            std::memcpy(&slot, &argument.real, sizeof(argument.real));
        }
        slots.push_back(slot);
    }
    std::vector<void*> values;
    values.reserve(slots.size());
    for (std::uint64_t& slot : slots) {
        values.push_back(&slot);
    }
    simt::LaunchOptions own = options;
    own.dynamicShared = step.dynamicShared;
    own.sharedLimit = std::size_t{227} << 10;
    result = simt::launch(step.entry, step.grid, step.block, values.data(), buffers.all(), own);
    return result.error;
}

void addLines(std::vector<LineRecord>& all, const std::vector<LineRecord>& more) {
    for (const LineRecord& line : more) {
        const auto same = std::find_if(all.begin(), all.end(), [&](const LineRecord& each) {
            return each.line == line.line && each.memory == line.memory && each.file == line.file;
        });
        if (same == all.end()) {
            all.push_back(line);
            continue;
        }
        same->requests += line.requests;
        same->bytes += line.bytes;
        same->cost += line.cost;
        same->ideal += line.ideal;
    }
}

void addCounts(CountRecord& sum, const CountRecord& more) {
    sum.requestedBytes += more.requestedBytes;
    sum.sectorBytes += more.sectorBytes;
    sum.dramBytes += more.dramBytes;
    sum.cacheBytes = more.cacheBytes;
    sum.sharedBytes += more.sharedBytes;
    sum.sharedWavefronts += more.sharedWavefronts;
    sum.sharedIdeal += more.sharedIdeal;
    sum.flops += more.flops;
    sum.integerOps += more.integerOps;
    sum.exponentials += more.exponentials;
    sum.barriers += more.barriers;
    sum.blocksCounted = std::min(sum.blocksCounted, more.blocksCounted);
    addLines(sum.lines, more.lines);
}

double blocksOf(const LaunchStep& step) {
    return static_cast<double>(step.grid.x) * static_cast<double>(step.grid.y) *
           static_cast<double>(step.grid.z);
}

/// Everything in one go where the case is small; else the result from the fast executor and the
/// counts of the first blocks.
class CountedRun {
public:
    CountedRun(const TimingRequest& request, Problem& problem, const JobContext& ctx)
        : request_(request), problem_(problem), ctx_(ctx) {}

    void run(const Kernel& kernel, RunRecord& record) {
        if (kernel.refuses != nullptr) {
            record.reason = kernel.refuses(request_);
        }
        if (!record.reason.empty()) {
            return;
        }
        const LaunchPlan plan = problem_.plan(kernel);
        const double work = operations(request_);
        const double perBlock = work / blocksOf(plan.steps.back());
        if (work > kMostCounted && perBlock > kMostInBlock) {
            record.reason = "one block alone would keep the executor busy for minutes";
            return;
        }
        const HostBuffers buffers(plan.buffers);
        const bool whole = work <= kMostCounted;
        if (!whole && work <= kMostFast) {
            record.reason = runFast(plan, buffers);
        }
        if (record.reason.empty()) {
            record.reason = count(plan, buffers, whole ? 1.0 : kMostCounted / work, record);
        }
        if (record.reason.empty() && work <= kMostFast) {
            check(kernel, plan, buffers, record);
        }
    }

private:
    std::string runFast(const LaunchPlan& plan, const HostBuffers& buffers) {
        for (const LaunchStep& step : plan.steps) {
            ctx_.checkpoint();
            simt::LaunchOptions options;
            options.workers = static_cast<unsigned>(std::max(request_.threads, 0));
            simt::LaunchResult result;
            if (std::string fault = launchStep(step, buffers, options, result); !fault.empty()) {
                return fault;
            }
        }
        return {};
    }

    std::string count(const LaunchPlan& plan,
                      const HostBuffers& buffers,
                      double share,
                      RunRecord& record) {
        CountRecord counts;
        bool first = true;
        for (const LaunchStep& step : plan.steps) {
            ctx_.checkpoint();
            simt::LaunchOptions options;
            options.mode = simt::Mode::Checked;
            options.workers = 1;  // the cache sees the blocks in order
            options.cacheBytes = request_.cacheBytes > 0
                                     ? static_cast<std::size_t>(request_.cacheBytes)
                                     : kCacheBytes;
            options.emptyCacheBefore = first && request_.cache == CacheState::Cold;
            if (share < 1) {
                options.mostBlocks =
                    std::max<std::int64_t>(1, static_cast<std::int64_t>(share * blocksOf(step)));
            }
            simt::LaunchResult result;
            if (std::string fault = launchStep(step, buffers, options, result); !fault.empty()) {
                return fault;
            }
            addCounts(counts, result.counts);
            first = false;
        }
        record.counts = std::move(counts);
        return {};
    }

    void check(const Kernel& kernel,
               const LaunchPlan& plan,
               const HostBuffers& buffers,
               RunRecord& record) {
        OutputToCheck output;
        output.type = plan.buffers[static_cast<std::size_t>(plan.output)].type;
        output.bytes = buffers.bytes(plan.output);
        output.x = plan.x;
        output.w = plan.w;
        output.v = plan.v;
        output.tolerance = kernel.tolerance;
        record.check = problem_.check(output);
        if (!record.check->passed) {
            record.reason = "wrong result: relative error " + std::to_string(record.check->relFro);
        }
    }

    const TimingRequest& request_;
    Problem& problem_;
    const JobContext& ctx_;
};

class SimtBackend final : public Backend {
public:
    std::string_view id() const override { return "simt"; }
    std::string_view title() const override { return "Count (executor)"; }
    std::string unavailable() const override {
        return simt::hasFibers(simt::Fibers::Default) ? std::string()
                                                      : "this build cannot switch stacks";
    }
    std::vector<Offer> offers() const override { return kernelOffers(); }

    Result<void> run(const TimingRequest& request,
                     const JobContext& ctx,
                     const RunSink& sink) const override {
        Problem problem(request, ctx);
        CountedRun counted(request, problem, ctx);
        const std::vector<const Kernel*> kernels = kernelsFor(request);
        const std::vector<std::string> words = wordsOf(request, {});
        std::size_t done = 0;
        for (const std::string& word : words) {
            bool any = false;
            for (const Kernel* kernel : kernels) {
                if (kernel->what != word) {
                    continue;
                }
                any = true;
                ctx.checkpoint();
                if (sink.progress) {
                    sink.progress(static_cast<double>(done++) / static_cast<double>(kernels.size()),
                                  std::string(kernel->id));
                }
                RunRecord record = start(request, word);
                describeKernel(record, *kernel, request);
                counted.run(*kernel, record);
                finish(std::move(record), sink);
            }
            if (!any && request.kernel.empty()) {
                RunRecord record = start(request, word);
                record.reason = "there is no kernel for '" + word + "'";
                finish(std::move(record), sink);
            }
        }
        if (sink.progress) {
            sink.progress(1, "done");
        }
        return {};
    }

private:
    static RunRecord start(const TimingRequest& request, const std::string& word) {
        RunRecord record = recordFor(request, "simt");
        record.kind = FigureKind::Counted;
        record.device.name = "SIMT executor (CPU)";
        record.what.format = word;
        return record;
    }
    static void finish(RunRecord record, const RunSink& sink) {
        if (!record.reason.empty()) {
            record.counts.reset();
        }
        derive(record.derived, 0);
        sink.record(record);
    }
};

}  // namespace

const Backend& simtBackend() {
    static const SimtBackend kBackend;
    return kBackend;
}

}  // namespace loupe::gpu
