// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/memory/hardware.hpp"

#include <QString>

#include <string_view>

namespace loupe::app {

[[nodiscard]] QString toQString(std::string_view text);
/// "14.0 GB", "1.62 TB".
[[nodiscard]] QString gigabytes(double bytes);
/// "13.04 GiB".
[[nodiscard]] QString gibibytes(double bytes);
/// "80 GB": what a model can take.
[[nodiscard]] QString capacityText(const HardwareDevice& device);
/// "989.4 TFLOP/s", "3.35 TB/s", "50 MB".
[[nodiscard]] QString figureText(const HardwareFigure& figure);
/// "80 GB · NVIDIA H100 whitepaper …, read 2026-11-22".
[[nodiscard]] QString sourceText(const HardwareDevice& device, HardwareQuantity quantity);

}  // namespace loupe::app
