/* One that worked for as long as the longest delay starts over with the first. */
#include "daemon/devices/sysman.h"

void sysman_died(struct sysman_policy *policy, uint64_t now_ms)
{
    bool worked = !policy->off && now_ms - policy->on_since_ms >= SYSMAN_LAST_MS;

    if (policy->delay_ms == 0 || worked)
        policy->delay_ms = SYSMAN_FIRST_MS;
    else if (!policy->off)
        policy->delay_ms = policy->delay_ms * 2 < SYSMAN_LAST_MS ? policy->delay_ms * 2 : SYSMAN_LAST_MS;
    policy->off = true;
    policy->retry_ms = now_ms + policy->delay_ms;
}

void sysman_forgive(struct sysman_policy *policy, uint64_t now_ms)
{
    *policy = (struct sysman_policy){.on_since_ms = now_ms};
}

bool sysman_retry(struct sysman_policy *policy, uint64_t now_ms)
{
    if (!policy->off || now_ms < policy->retry_ms)
        return false;
    policy->off = false;
    policy->on_since_ms = now_ms;
    return true;
}
