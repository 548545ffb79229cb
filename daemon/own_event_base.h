/* An event base that one thread alone uses. */
#ifndef ITEXD_DAEMON_OWN_EVENT_BASE_H
#define ITEXD_DAEMON_OWN_EVENT_BASE_H

#include <event2/event.h>

/* Without locks, for no other thread touches it. The caller frees it by event_base_free. NULL without memory. */
struct event_base *own_event_base(void);

#endif
