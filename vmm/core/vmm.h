/* SPDX-License-Identifier: MIT */
/* What every file of the VMM may use: types, library, log and assertions, instructions, the ABI. */
#pragma once

#include "core/lib.h"
#include "core/log.h"
#include "mullion/abi.h"
#include "x86/asm.h"
