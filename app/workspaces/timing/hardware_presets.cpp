// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/workspaces/timing/hardware_presets.hpp"

#include "core/memory/hardware.hpp"

#include <algorithm>

namespace loupe::app {

namespace {

QString toQ(std::string_view text) {
    return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size()));
}

/// Devices without a bandwidth or without any peak have no roof.
std::vector<HardwarePreset> makePresets() {
    constexpr std::pair<HardwareQuantity, const char*> kArithmetic[] = {
        {HardwareQuantity::Fp32, "fp32"},
        {HardwareQuantity::Fp16, "fp16"},
        {HardwareQuantity::Bf16, "bf16"},
        {HardwareQuantity::Int8, "int8"},
        {HardwareQuantity::Fp8, "fp8"}};
    std::vector<HardwarePreset> presets;
    for (const HardwareDevice& device : allHardware()) {
        HardwarePreset preset;
        preset.id = toQ(device.id);
        preset.title = toQ(device.title);
        const HardwareFigure* bandwidth = device.find(HardwareQuantity::Bandwidth);
        if (bandwidth == nullptr) {
            continue;
        }
        preset.bandwidth = bandwidth->value;
        preset.source = QStringLiteral("%1, %2").arg(toQ(bandwidth->source), toQ(bandwidth->read));
        for (const auto& [quantity, name] : kArithmetic) {
            if (const std::optional<double> peak = device.value(quantity)) {
                preset.peaks.emplace_back(QLatin1String(name), *peak);
            }
        }
        if (!preset.peaks.empty()) {
            presets.push_back(std::move(preset));
        }
    }
    return presets;
}

}  // namespace

double HardwarePreset::peak(const QString& arithmetic) const {
    const auto find = [this](const QString& name) {
        for (const auto& [each, value] : peaks) {
            if (each == name) {
                return value;
            }
        }
        return 0.0;
    };
    const double own = find(arithmetic);
    if (own > 0) {
        return own;
    }
    if (arithmetic == QLatin1String("fp16")) {
        return find(QStringLiteral("bf16"));
    }
    return arithmetic == QLatin1String("bf16") ? find(QStringLiteral("fp16")) : 0.0;
}

const std::vector<HardwarePreset>& hardwarePresets() {
    static const std::vector<HardwarePreset> presets = makePresets();
    return presets;
}

const HardwarePreset* findHardwarePreset(const QString& id) {
    for (const HardwarePreset& preset : hardwarePresets()) {
        if (preset.id == id) {
            return &preset;
        }
    }
    return nullptr;
}

}  // namespace loupe::app
