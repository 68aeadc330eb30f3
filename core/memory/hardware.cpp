// SPDX-License-Identifier: Apache-2.0
#include "core/memory/hardware.hpp"

#include <algorithm>

namespace loupe {

namespace {

std::vector<HardwareDevice> readTable() {
    std::vector<HardwareDevice> devices;
    const auto add = [&devices](std::string_view id, HardwareFigure figure) {
        for (HardwareDevice& device : devices) {
            if (device.id == id) {
                device.figures.push_back(figure);
            }
        }
    };
#define LOUPE_DEVICE(id, title, memory, year, sparse) \
    devices.push_back({#id, title, memory, year, sparse, {}});
#define LOUPE_FIGURE(id, quantity, value, source, read, confirmed) \
    add(#id, {HardwareQuantity::quantity, value, source, read, confirmed});
#include "core/memory/hardware.def"
#undef LOUPE_DEVICE
#undef LOUPE_FIGURE
    return devices;
}

}  // namespace

const HardwareFigure* HardwareDevice::find(HardwareQuantity quantity) const {
    const auto found = std::find_if(figures.begin(), figures.end(), [quantity](const auto& f) {
        return f.quantity == quantity;
    });
    return found == figures.end() ? nullptr : &*found;
}

std::optional<double> HardwareDevice::value(HardwareQuantity quantity) const {
    const HardwareFigure* figure = find(quantity);
    return figure != nullptr ? std::optional(figure->value) : std::nullopt;
}

double HardwareDevice::capacity() const {
    return value(HardwareQuantity::UsableBytes)
        .value_or(value(HardwareQuantity::MemoryBytes).value_or(0));
}

std::span<const HardwareDevice> allHardware() {
    static const std::vector<HardwareDevice> kDevices = readTable();
    return kDevices;
}

const HardwareDevice* findHardware(std::string_view id) {
    for (const HardwareDevice& device : allHardware()) {
        if (device.id == id) {
            return &device;
        }
    }
    return nullptr;
}

std::string_view quantityTitle(HardwareQuantity quantity) {
    switch (quantity) {
        case HardwareQuantity::MemoryBytes:
            return "memory";
        case HardwareQuantity::UsableBytes:
            return "memory, usable";
        case HardwareQuantity::Bandwidth:
            return "bandwidth";
        case HardwareQuantity::Fp32:
            return "FP32";
        case HardwareQuantity::Tf32:
            return "TF32";
        case HardwareQuantity::Fp16:
            return "FP16";
        case HardwareQuantity::Bf16:
            return "BF16";
        case HardwareQuantity::Fp8:
            return "FP8";
        case HardwareQuantity::Int8:
            return "INT8";
        case HardwareQuantity::Int4:
            return "INT4";
        case HardwareQuantity::Int1:
            return "INT1";
        case HardwareQuantity::Fp4:
            return "FP4";
        case HardwareQuantity::Multiprocessors:
            return "multiprocessors";
        case HardwareQuantity::L2Bytes:
            return "L2 cache";
        case HardwareQuantity::SharedBytes:
            return "on-chip memory a multiprocessor";
    }
    return {};
}

RooflineBound roofline(double flops, double bytes, double peak, double bandwidth) {
    return {flops / peak, bytes / bandwidth};
}

std::optional<double> ridgePoint(const HardwareDevice& device, HardwareQuantity arithmetic) {
    const std::optional<double> peak = device.value(arithmetic);
    const std::optional<double> bandwidth = device.value(HardwareQuantity::Bandwidth);
    if (!peak || !bandwidth) {
        return std::nullopt;
    }
    return *peak / *bandwidth;
}

GemmCost gemmCost(std::int64_t tokens,
                  std::int64_t in,
                  std::int64_t out,
                  double xBits,
                  double wBits,
                  double yBits) {
    const auto t = static_cast<double>(tokens);
    const auto n = static_cast<double>(in);
    const auto m = static_cast<double>(out);
    return {2 * t * n * m, (t * n * xBits + n * m * wBits + t * m * yBits) / 8};
}

std::optional<double> decodeSeconds(const HardwareDevice& device, double bytesRead) {
    const std::optional<double> bandwidth = device.value(HardwareQuantity::Bandwidth);
    return bandwidth ? std::optional(bytesRead / *bandwidth) : std::nullopt;
}

}  // namespace loupe
