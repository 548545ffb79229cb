/* The commands under "itexctl devices", and what they share. */
#ifndef ITEXCTL_COMMANDS_DEVICES_H
#define ITEXCTL_COMMANDS_DEVICES_H

#include "client/itexctl/itexctl.h"
#include "client/itexctl/output.h"
#include "client/itexctl/service.h"

extern const struct command command_devices_drain;
extern const struct command command_devices_undrain;
extern const struct command command_devices_reset;
extern const struct command command_devices_restart;

/* The one operand of these commands: a device. NULL after saying what is wrong. */
const char *device_operand(const struct context *context, const struct operands *operands);
/* 0, or -1 with *failure. The reply has a device. */
int device_show(struct connection *connection, const char *device, int64_t timeout_ms, Itexd__V1__Reply **reply,
                struct failure *failure);
/* "SIMULATED device 1 (0000:3a:00.0)" into text: how a sentence about it begins. */
void device_title(const Itexd__V1__DeviceShowReply *shown, char *text, size_t size);

/* device_text.c: all there is to say about one device. */
int print_device(const struct printer *printer, const Itexd__V1__DeviceShowReply *shown);
/* The value of a metric as a person reads it, "-" or why it is missing; where it is there, `value` (of any time). */
#define METRIC_TEXT_SIZE 96
const char *metric_text(const Itexd__V1__Metric *metric, double value, char text[METRIC_TEXT_SIZE]);
const Itexd__V1__Metric *device_metric(const Itexd__V1__DeviceInfo *device, const char *name);
/* "64 GiB". */
#define BYTES_TEXT_SIZE 24
const char *bytes_text(double bytes, char text[BYTES_TEXT_SIZE]);
/* "3a:00.0" of "0000:3a:00.0": as lspci shows it on machines with one domain. */
const char *short_address(const char *bdf);

#endif
