/* An event base that one thread alone uses: see own_event_base.h. */
#include "daemon/own_event_base.h"

struct event_base *own_event_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base;

    if (!config)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}
