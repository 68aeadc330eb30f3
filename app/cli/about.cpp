// SPDX-License-Identifier: GPL-3.0-or-later
#include <CLI/CLI.hpp>

#include "app/cli/command.hpp"
#include "core/base/cpu_dispatch.hpp"
#include "core/base/json_writer.hpp"
#include "core/base/version.hpp"
#include "core/base/worker_pool.hpp"
#include "gpu/gpu.hpp"

namespace loupe::cli {

namespace {

Result<Output> run(const Common& common) {
    const gpu::Availability gpu = gpu::probe();
    if (common.json) {
        JsonWriter json;
        json.beginObject().key("version").value(kVersion);
        json.key("threads").value(computeThreads());
        json.key("cpu_target").value(cpuTargetName(cpuTarget()));
        json.key("gpu").beginObject().key("available").value(gpu.available);
        json.key("reason").value(gpu.reason).key("driver_version").value(gpu.driverVersion);
        json.key("devices").beginArray();
        for (const gpu::Device& device : gpu.devices) {
            json.beginObject().key("name").value(device.name);
            json.key("compute_capability")
                .value(std::to_string(device.computeMajor) + "." + std::to_string(device.computeMinor));
            json.key("memory_bytes").value(device.memoryBytes).endObject();
        }
        json.endArray().endObject().endObject();
        return Output{json.text() + "\n"};
    }
    std::string text = std::string("loupe ") + kVersion + "\n";
    text += "threads     " + std::to_string(computeThreads()) + "\n";
    text += "CPU kernels " + std::string(cpuTargetName(cpuTarget())) + "\n";
    text += "GPU         " + (gpu.available ? gpu.devices.front().name : gpu.reason) + "\n";
    return Output{text};
}

}  // namespace

extern const Command kCommand_about;
const Command kCommand_about{
    "about",
    "Version, CPU kernels in use and whether a GPU was found",
    [](CLI::App&, const Common& common) -> std::function<Result<Output>()> { return [&common] { return run(common); }; }};

}  // namespace loupe::cli
