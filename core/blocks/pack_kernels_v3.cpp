// SPDX-License-Identifier: Apache-2.0
#define LOUPE_KERNEL_TARGET v3
#include "core/blocks/pack_kernels.inc"
