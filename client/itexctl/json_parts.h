/* The parts that JSON is made of: what is not known is null. */
#ifndef ITEXCTL_JSON_PARTS_H
#define ITEXCTL_JSON_PARTS_H

#include "client/itexctl/output.h"

void json_add(struct json_object *object, const char *key, struct json_object *value);
struct json_object *json_number(bool known, uint64_t value);
struct json_object *json_boolean(bool value);
struct json_object *json_texts(char *const *items, size_t n);
struct json_object *json_time(bool known, uint64_t ms);
/* Of a decision or a lease. */
struct json_object *json_device_list(Itexd__V1__Device *const *devices, size_t n);
/* json_devices.c: what a status says about devices. */
void json_add_device_status(struct json_object *object, const Itexd__V1__Status *status);

#endif
