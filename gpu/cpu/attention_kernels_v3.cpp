// SPDX-License-Identifier: Apache-2.0
#define LOUPE_KERNEL_TARGET v3
#include "gpu/cpu/attention_kernels.inc"
