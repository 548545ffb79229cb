/* Decoding within a budget, and what a death is called. */
#include "daemon/children/child_packet.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct budget {
    size_t left;
};

static void *take(void *context, size_t size)
{
    struct budget *budget = context;

    if (size > budget->left)
        return NULL;
    budget->left -= size;
    return malloc(size);
}

static void give(void *context, void *pointer)
{
    (void)context;
    free(pointer);
}

Itexd__Child__Reply *child_packet_decode(const uint8_t *packet, size_t size)
{
    struct budget budget = {.left = CHILD_DECODED_MAX};
    ProtobufCAllocator allocator = {.alloc = take, .free = give, .allocator_data = &budget};

    return itexd__child__reply__unpack(&allocator, size, packet);
}

void child_page_read(const struct child_page *page, struct child_death *death)
{
    size_t n = 0;

    for (; n < sizeof death->call - 1; n++) {
        char c = ((const volatile char *)page->call)[n];
        if (c == '\0')
            break;
        death->call[n] = isprint((unsigned char)c) ? c : '?';
    }
    death->call[n] = '\0';
    death->in_sysman = *(const volatile uint32_t *)&page->in_sysman != 0;
}

void child_death_describe(struct child_death *death, const char *why)
{
    char what[128];
    const char *in = death->call[0] ? " in " : "";
    const char *name = death->signal ? sigabbrev_np(death->signal) : NULL;

    if (why)
        snprintf(what, sizeof what, "%s", why);
    else if (name)
        snprintf(what, sizeof what, "killed by SIG%s", name);
    else if (death->signal)
        snprintf(what, sizeof what, "killed by signal %d", death->signal);
    else
        snprintf(what, sizeof what, "exited with status %d", death->status);
    if (death->asked)
        in = "";
    snprintf(death->text, sizeof death->text, "%s%s%s", what, in, *in ? death->call : "");
}
