/* SPDX-License-Identifier: Apache-2.0 */
#include "module/token_name.h"

#include <string.h>

void token_field_copy(char *to, const CK_UTF8CHAR *field, size_t len)
{
    while (len > 0 && (field[len - 1] == ' ' || field[len - 1] == '\0')) {
        len--;
    }
    memcpy(to, field, len);
    to[len] = '\0';
}

void token_name_of(const CK_TOKEN_INFO *info, struct token_name *ret_name)
{
    token_field_copy(ret_name->manufacturer, info->manufacturerID, sizeof(info->manufacturerID));
    token_field_copy(ret_name->model, info->model, sizeof(info->model));
    token_field_copy(ret_name->serial, info->serialNumber, sizeof(info->serialNumber));
    token_field_copy(ret_name->label, info->label, sizeof(info->label));
}

bool token_name_equal(const struct token_name *a, const struct token_name *b)
{
    return strcmp(a->manufacturer, b->manufacturer) == 0 && strcmp(a->model, b->model) == 0 &&
           strcmp(a->serial, b->serial) == 0 && strcmp(a->label, b->label) == 0;
}
