/*
 * Opening the loader, and the order of its start.
 *
 * Sysman's two ways never meet in one process: zesInit where the loader and the driver have it, else the environment
 * variable that the driver reads in zeInit. The variable is therefore set here, and nowhere else.
 */
#include "daemon/worker/level_zero.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOADER "libze_loader.so.1"

struct function {
    const char *name;
    size_t offset; /* of its pointer in struct level_zero */
    bool mandatory;
};

static const struct function functions[] = {
#define MANDATORY(name) {#name, offsetof(struct level_zero, name), true},
#define OPTIONAL(name) {#name, offsetof(struct level_zero, name), false},
#define OWN(name, type) {#name, offsetof(struct level_zero, name##_), false},
    LEVEL_ZERO_FUNCTIONS(MANDATORY, OPTIONAL, OWN)
#undef MANDATORY
#undef OPTIONAL
#undef OWN
};

int level_zero_open(struct level_zero *lz, char *error, size_t size)
{
    lz->library = dlopen(LOADER, RTLD_NOW | RTLD_LOCAL);
    if (!lz->library) {
        snprintf(error, size, "%s", dlerror());
        return -ENOENT;
    }
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *symbol = dlsym(lz->library, functions[i].name);

        if (!symbol && functions[i].mandatory) {
            snprintf(error, size, LOADER " has no %s", functions[i].name);
            return -ENOSYS;
        }
        memcpy((char *)lz + functions[i].offset, &symbol, sizeof symbol);
    }
    return 0;
}

/* ---- Calls ---------------------------------------------------------------------------------------------------- */

void level_zero_enter(struct level_zero *lz, const char *function)
{
    if (lz->in_sysman)
        *lz->in_sysman = lz->unproven || strncmp(function, "zes", 3) == 0;
    if (lz->call)
        snprintf(lz->call, LEVEL_ZERO_CALL_SIZE, "%s", function);
}

void level_zero_leave(struct level_zero *lz, const char *function, ze_result_t result)
{
    if (result == ZE_RESULT_ERROR_DEVICE_LOST && !lz->lost_in)
        lz->lost_in = function;
    if (lz->call)
        lz->call[0] = '\0';
    if (lz->in_sysman)
        *lz->in_sysman = lz->unproven;
}

/* ---- Start ---------------------------------------------------------------------------------------------------- */

/* No function, or none behind it: with one driver the loader says unsupported, with several uninitialised. */
static bool is_unsupported(ze_result_t result)
{
    return result == ZE_RESULT_ERROR_UNSUPPORTED_FEATURE || result == ZE_RESULT_ERROR_UNINITIALIZED;
}

static void start_sysman(struct level_zero *lz)
{
    ze_result_t result = level_zero_call_own(lz, zesInit, 0);
    char text[64];

    if (result == ZE_RESULT_SUCCESS) {
        lz->sysman = LEVEL_ZERO_SYSMAN_ZES;
        snprintf(lz->sysman_text, sizeof lz->sysman_text, "zes");
    } else if (is_unsupported(result) && setenv("ZES_ENABLE_SYSMAN", "1", 1) == 0) {
        lz->sysman = LEVEL_ZERO_SYSMAN_LEGACY;
        lz->unproven = true;
        snprintf(lz->sysman_text, sizeof lz->sysman_text, "legacy");
    } else {
        snprintf(lz->sysman_text, sizeof lz->sysman_text, "zesInit: %s", level_zero_result_text(result, text));
    }
}

ze_result_t level_zero_start(struct level_zero *lz, bool with_sysman)
{
    ze_result_t result;

    unsetenv("ZES_ENABLE_SYSMAN");
    snprintf(lz->sysman_text, sizeof lz->sysman_text, "not asked for");
    if (with_sysman)
        start_sysman(lz);
    result = level_zero_call(lz, zeInit, ZE_INIT_FLAG_GPU_ONLY);
    if (lz->unproven) {
        lz->unproven = false;
        if (lz->in_sysman)
            *lz->in_sysman = 0;
    }
    return result;
}

void level_zero_loader_version(struct level_zero *lz, char *text, size_t size)
{
    zel_component_version_t components[16];
    size_t n = 0;

    text[0] = '\0';
    if (level_zero_call(lz, zelLoaderGetVersions, &n, NULL) != ZE_RESULT_SUCCESS || n == 0)
        return;
    if (n > sizeof components / sizeof components[0])
        return;
    memset(components, 0, sizeof components);
    if (level_zero_call(lz, zelLoaderGetVersions, &n, components) != ZE_RESULT_SUCCESS)
        return;
    for (size_t i = 0; i < n && i < sizeof components / sizeof components[0]; i++)
        if (strncmp(components[i].component_name, "loader", ZEL_COMPONENT_STRING_SIZE) == 0)
            snprintf(text, size, "%d.%d.%d", components[i].component_lib_version.major,
                     components[i].component_lib_version.minor, components[i].component_lib_version.patch);
}

const char *level_zero_result_text(ze_result_t result, char text[64])
{
    static const struct {
        ze_result_t result;
        const char *words;
    } known[] = {
        {ZE_RESULT_SUCCESS, "success"},
        {ZE_RESULT_ERROR_DEVICE_LOST, "device lost"},
        {ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY, "out of memory"},
        {ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY, "out of device memory"},
        {ZE_RESULT_ERROR_DEVICE_REQUIRES_RESET, "device requires a reset"},
        {ZE_RESULT_ERROR_DEVICE_IN_LOW_POWER_STATE, "device in low power state"},
        {ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS, "not permitted"},
        {ZE_RESULT_ERROR_NOT_AVAILABLE, "not available"},
        {ZE_RESULT_ERROR_DEPENDENCY_UNAVAILABLE, "a library or kernel part it needs is missing"},
        {ZE_RESULT_ERROR_UNINITIALIZED, "no driver that finds a device"},
        {ZE_RESULT_ERROR_UNSUPPORTED_VERSION, "version not supported"},
        {ZE_RESULT_ERROR_UNSUPPORTED_FEATURE, "not supported"},
        {ZE_RESULT_ERROR_HANDLE_OBJECT_IN_USE, "in use"},
        {ZE_RESULT_ERROR_UNKNOWN, "unknown or internal error"},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].result == result) {
            snprintf(text, 64, "0x%08x (%s)", (unsigned)result, known[i].words);
            return text;
        }
    snprintf(text, 64, "0x%08x", (unsigned)result);
    return text;
}
