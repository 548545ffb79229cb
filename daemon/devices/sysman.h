/*
 * Whether the worker uses sysman: off once it died in it, tried again after a while that doubles. Pure.
 */
#ifndef ITEXD_DEVICES_SYSMAN_H
#define ITEXD_DEVICES_SYSMAN_H

#include <stdbool.h>
#include <stdint.h>

#define SYSMAN_FIRST_MS (5u * 60 * 1000)
#define SYSMAN_LAST_MS (60u * 60 * 1000)

struct sysman_policy {
    bool off;
    uint64_t delay_ms;    /* of the last time; 0: it never died */
    uint64_t retry_ms;    /* steady clock: when it is tried again, where it is off */
    uint64_t on_since_ms; /* steady clock */
};

/* The worker died in it. */
void sysman_died(struct sysman_policy *policy, uint64_t now_ms);
/* Something has changed, or somebody asks: it is tried at the next start, as if it had never died. */
void sysman_forgive(struct sysman_policy *policy, uint64_t now_ms);
/* True once, when its time has come; it is then on. */
bool sysman_retry(struct sysman_policy *policy, uint64_t now_ms);

#endif
