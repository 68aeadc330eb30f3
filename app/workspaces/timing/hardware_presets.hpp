// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

#include <utility>
#include <vector>

namespace loupe::app {

/// What a maker's data sheet promises of a device: the model's roofs.
struct HardwarePreset {
    QString id;
    QString title;
    double bandwidth = 0;                           ///< bytes a second
    std::vector<std::pair<QString, double>> peaks;  ///< arithmetic ("fp16"), FLOP/s, dense
    QString source;                                 ///< document and date
    /// Of an arithmetic; a wider one where the device has none of its own ("bf16" for "fp16"), 0
    /// where the data sheet does not say.
    [[nodiscard]] double peak(const QString& arithmetic) const;
};

[[nodiscard]] const std::vector<HardwarePreset>& hardwarePresets();
[[nodiscard]] const HardwarePreset* findHardwarePreset(const QString& id);

/// The least time of a case on a device: its bytes at the bandwidth or its arithmetic at the peak.
struct ModelTime {
    double us = 0;
    bool memoryBound = true;
};

}  // namespace loupe::app
