/* SPDX-License-Identifier: Apache-2.0 */
#include "base/callback.h"

static _Thread_local int depth;

void callback_enter(void)
{
    depth++;
}

void callback_leave(void)
{
    depth--;
}

bool callback_active(void)
{
    return depth > 0;
}
