/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_walk.h"

#include <stdio.h>
#include <string.h>

#include "config/config_object.h"

bool walk_settings(setting_visit *visit, void *arg)
{
    for (const struct member *row = config_members; row->name != NULL; row++) {
        const struct member *object = row->type == &type_object ? row : NULL;
        const struct member *inner = object != NULL ? object->inside : row;
        size_t base = object != NULL ? object->at : 0;
        do {
            const struct setting setting = { object, inner, base + inner->at };
            bool kept = row->effect != LATER && inner->type->size > 0;
            if (kept && !visit(&setting, arg)) {
                return false;
            }
            inner++;
        } while (object != NULL && inner->name != NULL);
    }
    return true;
}

void walk_path(const struct setting *setting, char *path, size_t room)
{
    const struct member *object = setting->object;
    const char *name = setting->row->name;

    if (object == NULL) {
        snprintf(path, room, "%s", name);
    } else {
        snprintf(path, room, "%s.%s", object->over != NULL ? object->over : object->name, name);
    }
}

/* --- reading --- */

struct reading {
    const json_t *root;
    const struct place *document;
    struct config *config;
    nk_status status;
    nk_error *err;
};

static const json_t *find_value(const json_t *root, const struct setting *setting)
{
    const struct member *object = setting->object;
    const char *name = setting->row->name;

    if (object != NULL && object->over != NULL) {
        return members_pick(root, object->name, name);
    }
    return json_object_get(object != NULL ? json_object_get(root, object->name) : root, name);
}

static bool read_setting(const struct setting *setting, void *arg)
{
    struct reading *reading = arg;
    struct place object = *reading->document;
    if (setting->object != NULL) {
        object = place_member(reading->document, setting->object->name);
    }
    struct place at = place_member(&object, setting->row->name);
    reading->status =
        setting->row->type->read(setting->row, find_value(reading->root, setting), &at,
                                 (char *)reading->config + setting->at, reading->err);
    return place_goes_on(&at, &reading->status, reading->err);
}

nk_status walk_read(const json_t *root, const struct place *document, struct config *config,
                    nk_error *err)
{
    struct reading reading = { root, document, config, NK_OK, err };

    (void)walk_settings(read_setting, &reading);
    return reading.status;
}

/* --- clearing --- */

static bool clear_setting(const struct setting *setting, void *config)
{
    if (setting->row->type->clear != NULL) {
        setting->row->type->clear((char *)config + setting->at);
    }
    return true;
}

void walk_clear(struct config *config)
{
    (void)walk_settings(clear_setting, config);
}
