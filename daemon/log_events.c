#include "daemon/log_events.h"

#define ROW(constant, name_, variant_, id_, level_, fields_, message_)                                                 \
    [EVENT_##constant] = {.name = (name_),                                                                             \
                          .variant = (variant_),                                                                       \
                          .id = (id_),                                                                                 \
                          .level = (level_),                                                                           \
                          .fields = (fields_),                                                                         \
                          .message = (message_)},
const struct log_event_row log_events[LOG_N_EVENTS] = {LOG_EVENTS(ROW)};
#undef ROW

#define ROW(constant, key_, journal_) [FIELD_##constant] = {.key = (key_), .journal = (journal_)},
const struct log_field_row log_field_rows[LOG_N_FIELDS] = {LOG_FIELDS(ROW)};
