/* Handles, faults, and the two-call idiom. */
#include "tests/simze/simze.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* ---- Handles ---------------------------------------------------------------------------------------------- */

static uint64_t handles[MAX_CARDS * (MAX_TILES + 1) * KINDS * MAX_INDEX]; /* only their addresses matter */

void *object_handle(struct object object)
{
    size_t unit = object.card * (MAX_TILES + 1U) + (unsigned)(object.tile + 1);

    return &handles[(unit * KINDS + object.kind) * MAX_INDEX + object.index];
}

bool object_of(const void *handle, enum object_kind kind, struct object *out)
{
    uintptr_t offset = (uintptr_t)handle - (uintptr_t)handles;
    size_t i = offset / sizeof *handles;

    if ((uintptr_t)handle < (uintptr_t)handles || offset >= sizeof handles || offset % sizeof *handles != 0)
        return false;
    out->index = (unsigned)(i % MAX_INDEX);
    out->kind = (enum object_kind)(i / MAX_INDEX % KINDS);
    out->tile = (int)(i / MAX_INDEX / KINDS % (MAX_TILES + 1)) - 1;
    out->card = (unsigned)(i / MAX_INDEX / KINDS / (MAX_TILES + 1));
    return out->kind == kind;
}

/* ---- Faults ----------------------------------------------------------------------------------------------- */

static void crash(void)
{
    /* As a driver without a handler dies; an instrumented build's own handler would report a bug of ours. */
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    _exit(98);
}

static void hang(void)
{
    for (;;)
        pause();
}

static bool is_for(const struct fault *fault, const char *function)
{
    size_t length = strlen(fault->function);

    if (length > 0 && fault->function[length - 1] == '*')
        return strncmp(fault->function, function, length - 1) == 0;
    return strcmp(fault->function, function) == 0;
}

static ze_result_t do_faults(struct call *call, const char *function)
{
    for (unsigned i = 0; i < call->control->n_faults; i++) {
        const struct fault *fault = &call->control->faults[i];

        if (!is_for(fault, function))
            continue;
        switch (fault->kind) {
        case FAULT_FAIL:
            return (ze_result_t)fault->value;
        case FAULT_HANG:
            hang();
            break;
        case FAULT_CRASH:
            crash();
            break;
        case FAULT_COUNT:
            call->count = fault;
            break;
        case FAULT_GARBAGE:
            call->garbage = true;
            break;
        case FAULT_GARBLE:
            call->garbled = true;
            break;
        }
    }
    return ZE_RESULT_SUCCESS;
}

static void changing(const struct control *before, const struct control *now)
{
    meters_changing(before);
    sysman_changing(before, now);
}

ze_result_t call_enter_global(struct call *call, const char *function)
{
    *call = (struct call){.control = control_now(changing)};
    return do_faults(call, function);
}

ze_result_t call_enter(struct call *call, const char *function, enum object_kind kind, const void *handle,
                       unsigned flags)
{
    ze_result_t result = call_enter_global(call, function);

    if (result != ZE_RESULT_SUCCESS)
        return result;
    if ((flags & CALL_SYSMAN) && !sysman_on())
        return ZE_RESULT_ERROR_UNINITIALIZED;
    if (!object_of(handle, kind, &call->object))
        return ZE_RESULT_ERROR_INVALID_NULL_HANDLE;
    call->card = &call->control->card[call->object.card];
    if (kind != KIND_DRIVER && (call->card->gone || (call->card->lost && !(flags & CALL_LOST_TOO))))
        return ZE_RESULT_ERROR_DEVICE_LOST;
    return ZE_RESULT_SUCCESS;
}

/* ---- Answers ---------------------------------------------------------------------------------------------- */

uint32_t call_count(const struct call *call, uint32_t *count, bool wants_items, uint32_t n)
{
    uint32_t fill = n;

    if (*count == 0 || !wants_items) {
        *count = call->count ? call->count->value : n;
        return 0;
    }
    if (*count < n)
        fill = *count;
    /* A driver that says too much leaves the rest untouched, and so does the real one of release 22.43. */
    else if (!call->count)
        *count = n;
    return fill;
}

void *call_handle(const struct call *call, struct object object, unsigned i)
{
    return call->garbage ? (void *)(uintptr_t)(0x5a5a5a5a5a50 + (uintptr_t)i * 16) : object_handle(object);
}

ze_result_t call_enumerate(const struct call *call, uint32_t *count, void **out, const struct object *objects,
                           uint32_t n)
{
    uint32_t fill;

    if (!count)
        return ZE_RESULT_ERROR_INVALID_NULL_POINTER;
    fill = call_count(call, count, out, n);
    for (uint32_t i = 0; i < fill; i++)
        out[i] = call_handle(call, objects[i], i);
    return ZE_RESULT_SUCCESS;
}

void call_scribble(const struct call *call, void *out, size_t size, size_t header)
{
    if (call->garbage)
        memset((char *)out + header, 0xff, size - header);
}

void call_garble(const struct call *call, char *text, size_t size)
{
    static const char bytes[] = "\xff\n\x1b[2J%n\"\\ ";

    for (size_t i = 0; call->garbled && i < size; i++)
        text[i] = bytes[i % (sizeof bytes - 1)];
}

ze_result_t call_reading(const struct call *call, enum metric metric, double *value)
{
    const struct reading *reading = &call->card->metrics[metric];

    *value = reading->value;
    switch (reading->state) {
    case READING_UNSET:
        return ZE_RESULT_ERROR_UNSUPPORTED_FEATURE;
    case READING_DENIED:
        return ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS;
    case READING_VALUE:
        break;
    }
    return ZE_RESULT_SUCCESS;
}
