// SPDX-License-Identifier: Apache-2.0
#include "gpu/cuda/kernel_work.hpp"

#include "gpu/libraries/nvrtc.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

namespace loupe::gpu::cuda {

namespace {

/// CUDA 13's device code needs a driver that knows CUDA 13.
constexpr int kLeastApi = 13000;

/// A step with its function found.
struct BoundStep {
    LaunchStep step;
    void* function = nullptr;
};

/// The value of an argument in a slot that holds any of them.
std::uint64_t slotOf(const Argument& argument, Pointers pointers) {
    std::uint64_t slot = 0;
    switch (argument.kind) {
        case Argument::Kind::Buffer:
            slot = pointers[static_cast<std::size_t>(argument.buffer)];
            break;
        case Argument::Kind::Int32:
            std::memcpy(&slot, &argument.integer, sizeof(argument.integer));
            break;
        case Argument::Kind::Float32:
            std::memcpy(&slot, &argument.real, sizeof(argument.real));
            break;
    }
    return slot;
}

Result<void> launch(Context& context, const BoundStep& bound, Pointers pointers) {
    const LaunchStep& step = bound.step;
    std::vector<std::uint64_t> slots;
    slots.reserve(step.arguments.size());
    for (const Argument& argument : step.arguments) {
        slots.push_back(slotOf(argument, pointers));
    }
    std::vector<void*> values;
    values.reserve(slots.size());
    for (std::uint64_t& slot : slots) {
        values.push_back(&slot);
    }
    return context.check(context.driver().launchKernel(bound.function,
                                                       step.grid.x,
                                                       step.grid.y,
                                                       step.grid.z,
                                                       step.block.x,
                                                       step.block.y,
                                                       step.block.z,
                                                       static_cast<unsigned>(step.dynamicShared),
                                                       context.stream(),
                                                       values.data(),
                                                       nullptr),
                         "cuLaunchKernel");
}

}  // namespace

KernelModules::Loaded KernelModules::load(std::string_view family) {
    Loaded loaded;
    const std::span<const std::byte> image = fatBinary(family);
    if (image.empty()) {
        loaded.why = "this program was built without nvcc";
    } else {
        Result<Module> module = Module::load(context_, image.data());
        if (module) {
            loaded.module = std::move(*module);
            loaded.source = "embedded";
            return loaded;
        }
        loaded.why = module.error().what;
        if (context_.device().api < kLeastApi) {
            loaded.why =
                "its device code is CUDA 13's and needs an NVIDIA driver of version 580 or "
                "later; this one knows CUDA " +
                std::to_string(context_.device().api / 1000) + "." +
                std::to_string(context_.device().api / 10 % 100);
        }
    }
    if (!context_.lost().empty()) {
        return loaded;
    }
    const Result<CompiledText> compiled = compileWithNvrtc(family, context_.capability());
    if (!compiled) {
        loaded.why += "; and " + compiled.error().what;
        return loaded;
    }
    Result<Module> module = Module::load(context_, compiled->image.data());
    if (!module) {
        loaded.why += "; and NVRTC's code does not load: " + module.error().what;
        return loaded;
    }
    loaded.module = std::move(*module);
    loaded.source = "nvrtc";
    loaded.why.clear();
    return loaded;
}

KernelModules::Loaded& KernelModules::get(std::string_view family) {
    const auto known = loaded_.find(family);
    if (known != loaded_.end()) {
        return known->second;
    }
    return loaded_.emplace(std::string(family), load(family)).first->second;
}

Result<KernelWork> makeKernelWork(Context& context,
                                  KernelModules& modules,
                                  std::string_view family,
                                  LaunchPlan& plan) {
    KernelModules::Loaded& loaded = modules.get(family);
    if (!loaded.why.empty()) {
        return fail(ErrorCode::Unsupported, "its device code does not load: " + loaded.why);
    }
    KernelWork work;
    work.figures.source = loaded.source;
    const auto steps = std::make_shared<std::vector<BoundStep>>();
    for (LaunchStep& step : plan.steps) {
        const Result<void*> function = loaded.module.function(step.entry);
        if (!function) {
            return fail(function.error());
        }
        Result<void> allowed = loaded.module.allowShared(*function, step.dynamicShared);
        const Result<FunctionFigures> figures =
            allowed ? loaded.module.figures(*function)
                    : Result<FunctionFigures>(tl::unexpected<Error>(allowed.error()));
        if (!figures) {
            return fail(figures.error());
        }
        KernelRecord& most = work.figures;
        most.registers = std::max(most.registers, figures->registers);
        most.sharedBytes = std::max(most.sharedBytes,
                                    figures->staticShared + static_cast<int>(step.dynamicShared));
        most.spillBytes = std::max(most.spillBytes, figures->localBytes);
        most.arch = "sm_" + std::to_string(figures->binaryVersion);
        steps->push_back({std::move(step), *function});
    }
    work.item.buffers = std::move(plan.buffers);
    work.item.output = plan.output;
    work.item.enqueue = [&context, steps](Pointers pointers) {
        Result<void> done;
        for (std::size_t i = 0; i < steps->size() && done; ++i) {
            done = launch(context, (*steps)[i], pointers);
        }
        return done;
    };
    return work;
}

}  // namespace loupe::gpu::cuda
