// SPDX-License-Identifier: Apache-2.0
#define LOUPE_KERNEL_TARGET v4
#include "core/blocks/pack_kernels.inc"
