/*
 * Level Zero behind one struct of function pointers, opened at run time.
 *
 * Used in processes that may be lost: the device worker and itexctl's reset child. Any call may hang, crash, or answer
 * with nonsense; and what zeInit answered first stays so in this process. The library is never closed.
 *
 * Order: level_zero_open, level_zero_start, then calls by level_zero_call, which names the function in `call` before it
 * is made. A function that the loader does not have answers ZE_RESULT_ERROR_UNSUPPORTED_FEATURE.
 */
#ifndef ITEXD_WORKER_LEVEL_ZERO_H
#define ITEXD_WORKER_LEVEL_ZERO_H

#include <level_zero/ze_api.h>
#include <level_zero/zes_api.h>

#include <level_zero/loader/ze_loader.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEVEL_ZERO_MAX_DRIVERS 8
#define LEVEL_ZERO_MAX_DEVICES 64
#define LEVEL_ZERO_CALL_SIZE 64
#define LEVEL_ZERO_BDF_SIZE 16

/* Functions that loaders before 1.11 and their headers do not have. */
typedef ze_result_t (*level_zero_sysman_init_fn)(uint32_t flags);
typedef ze_result_t (*level_zero_sysman_driver_get_fn)(uint32_t *count, zes_driver_handle_t *drivers);
typedef ze_result_t (*level_zero_sysman_device_get_fn)(zes_driver_handle_t driver, uint32_t *count,
                                                       zes_device_handle_t *devices);
typedef ze_result_t (*level_zero_last_error_fn)(ze_driver_handle_t driver, const char **text);

/* OWN(name, type) for those; the headers know the type of the others. */
#define LEVEL_ZERO_FUNCTIONS(MANDATORY, OPTIONAL, OWN)                                                                 \
    MANDATORY(zeInit)                                                                                                  \
    MANDATORY(zeDriverGet)                                                                                             \
    MANDATORY(zeDriverGetApiVersion)                                                                                   \
    MANDATORY(zeDriverGetProperties)                                                                                   \
    MANDATORY(zeDeviceGet)                                                                                             \
    MANDATORY(zeDeviceGetSubDevices)                                                                                   \
    MANDATORY(zeDeviceGetProperties)                                                                                   \
    MANDATORY(zeDeviceGetMemoryProperties)                                                                             \
    OPTIONAL(zeDevicePciGetPropertiesExt)                                                                              \
    OPTIONAL(zeDeviceGetStatus)                                                                                        \
    OPTIONAL(zelLoaderGetVersions)                                                                                     \
    OPTIONAL(zesDeviceGetProperties)                                                                                   \
    OPTIONAL(zesDeviceGetState)                                                                                        \
    OPTIONAL(zesDeviceReset)                                                                                           \
    OPTIONAL(zesDevicePciGetProperties)                                                                                \
    OPTIONAL(zesDeviceEnumTemperatureSensors)                                                                          \
    OPTIONAL(zesTemperatureGetProperties)                                                                              \
    OPTIONAL(zesTemperatureGetState)                                                                                   \
    OPTIONAL(zesDeviceGetCardPowerDomain)                                                                              \
    OPTIONAL(zesDeviceEnumPowerDomains)                                                                                \
    OPTIONAL(zesPowerGetProperties)                                                                                    \
    OPTIONAL(zesPowerGetEnergyCounter)                                                                                 \
    OPTIONAL(zesDeviceEnumFrequencyDomains)                                                                            \
    OPTIONAL(zesFrequencyGetProperties)                                                                                \
    OPTIONAL(zesFrequencyGetState)                                                                                     \
    OPTIONAL(zesDeviceEnumEngineGroups)                                                                                \
    OPTIONAL(zesEngineGetProperties)                                                                                   \
    OPTIONAL(zesEngineGetActivity)                                                                                     \
    OPTIONAL(zesDeviceEnumMemoryModules)                                                                               \
    OPTIONAL(zesMemoryGetProperties)                                                                                   \
    OPTIONAL(zesMemoryGetState)                                                                                        \
    OPTIONAL(zesMemoryGetBandwidth)                                                                                    \
    OPTIONAL(zesDeviceEnumRasErrorSets)                                                                                \
    OPTIONAL(zesRasGetProperties)                                                                                      \
    OPTIONAL(zesRasGetState)                                                                                           \
    OPTIONAL(zesDeviceEnumFabricPorts)                                                                                 \
    OPTIONAL(zesFabricPortGetProperties)                                                                               \
    OPTIONAL(zesFabricPortGetConfig)                                                                                   \
    OPTIONAL(zesFabricPortGetState)                                                                                    \
    OPTIONAL(zesDeviceEnumFirmwares)                                                                                   \
    OPTIONAL(zesFirmwareGetProperties)                                                                                 \
    OWN(zesInit, level_zero_sysman_init_fn)                                                                            \
    OWN(zesDriverGet, level_zero_sysman_driver_get_fn)                                                                 \
    OWN(zesDeviceGet, level_zero_sysman_device_get_fn)                                                                 \
    OWN(zeDriverGetLastErrorDescription, level_zero_last_error_fn)

enum level_zero_sysman {
    LEVEL_ZERO_SYSMAN_NONE,
    LEVEL_ZERO_SYSMAN_ZES,    /* zesInit: sysman has devices of its own */
    LEVEL_ZERO_SYSMAN_LEGACY, /* ZES_ENABLE_SYSMAN: the core API's handles, cast. Never mixed with the other way */
};

struct level_zero {
    void *library;
    char *call;          /* LEVEL_ZERO_CALL_SIZE bytes, or NULL: where the function that is being called is named */
    uint32_t *in_sysman; /* or NULL: set while sysman is at work */
    const char *lost_in; /* the first call since it was set to NULL that answered DEVICE_LOST */
    bool unproven;       /* sysman was asked for by the environment, and the driver has not come up with it yet */
    enum level_zero_sysman sysman;
    char sysman_text[96]; /* "zes", "legacy", or why there is none */
#define LEVEL_ZERO_MEMBER(name) __typeof__(name) *name;
#define LEVEL_ZERO_OWN_MEMBER(name, type) type name##_;
    LEVEL_ZERO_FUNCTIONS(LEVEL_ZERO_MEMBER, LEVEL_ZERO_MEMBER, LEVEL_ZERO_OWN_MEMBER)
#undef LEVEL_ZERO_MEMBER
#undef LEVEL_ZERO_OWN_MEMBER
};

/* Finds the loader and its functions; call and in_sysman may be set before. 0; -ENOENT: there is no loader; -ENOSYS: it
 * lacks a function that is needed. error then says which. */
int level_zero_open(struct level_zero *lz, char *error, size_t size);
/* Sysman first (with_sysman), then zeInit, whose code is returned. */
ze_result_t level_zero_start(struct level_zero *lz, bool with_sysman);
/* "1.8.0", or "" where the loader cannot say; after level_zero_start. */
void level_zero_loader_version(struct level_zero *lz, char *text, size_t size);

/* All devices of all drivers, 64 at most; in the legacy way those of the core API. */
ze_result_t level_zero_sysman_devices(struct level_zero *lz, zes_device_handle_t devices[LEVEL_ZERO_MAX_DEVICES],
                                      uint32_t *count);
/* "0000:3a:00.0" */
ze_result_t level_zero_sysman_address(struct level_zero *lz, zes_device_handle_t device, char bdf[LEVEL_ZERO_BDF_SIZE]);
/* Resets the card at this PCI address; force: also while processes use it. 0; -ENODEV: there is none; -EIO: error says
 * what the driver answered. For a process of its own, as root, after level_zero_start with sysman. */
int level_zero_reset(struct level_zero *lz, const char *bdf, bool force, char *error, size_t size);

/* "0x70000001 (device lost)" */
const char *level_zero_result_text(ze_result_t result, char text[64]);

/* ---- Calls --------------------------------------------------------------------------------------------------- */

void level_zero_enter(struct level_zero *lz, const char *function);
void level_zero_leave(struct level_zero *lz, const char *function, ze_result_t result);

#define level_zero_call_as(lz, member, function, ...)                                                                  \
    ({                                                                                                                 \
        struct level_zero *lz_ = (lz);                                                                                 \
        ze_result_t result_ = ZE_RESULT_ERROR_UNSUPPORTED_FEATURE;                                                     \
        if (lz_->member) {                                                                                             \
            level_zero_enter(lz_, #function);                                                                          \
            result_ = lz_->member(__VA_ARGS__);                                                                        \
            level_zero_leave(lz_, #function, result_);                                                                 \
        }                                                                                                              \
        result_;                                                                                                       \
    })
#define level_zero_call(lz, function, ...) level_zero_call_as(lz, function, function, __VA_ARGS__)
/* For those with a type of ours. */
#define level_zero_call_own(lz, function, ...) level_zero_call_as(lz, function##_, function, __VA_ARGS__)

/*
 * Two-call enumeration into items, an array of `capacity` handles. *count is what was said to be there, and may be
 * more than capacity: then capacity items were asked for, and the caller decides whether to believe it. Drivers leave a
 * count that is too large as it is, so what they did not write is NULL, and ends the list.
 */
#define LEVEL_ZERO_LIST(lz, call, function, items, capacity, count, ...)                                               \
    ({                                                                                                                 \
        uint32_t n_ = 0;                                                                                               \
        ze_result_t listed_ = call(lz, function, __VA_ARGS__ __VA_OPT__(, ) & n_, NULL);                               \
        *(count) = 0;                                                                                                  \
        if (listed_ == ZE_RESULT_SUCCESS && n_ > 0) {                                                                  \
            uint32_t said_ = n_, room_ = n_ < (capacity) ? n_ : (capacity), found_ = 0;                                \
            n_ = room_;                                                                                                \
            memset(items, 0, (capacity) * sizeof *(items));                                                            \
            listed_ = call(lz, function, __VA_ARGS__ __VA_OPT__(, ) & n_, items);                                      \
            while (listed_ == ZE_RESULT_SUCCESS && found_ < room_ && found_ < n_ && (items)[found_])                   \
                found_++;                                                                                              \
            *(count) = said_ > (capacity) ? said_ : found_;                                                            \
        }                                                                                                              \
        listed_;                                                                                                       \
    })
#define level_zero_list(lz, function, parent, items, capacity, count)                                                  \
    LEVEL_ZERO_LIST(lz, level_zero_call, function, items, capacity, count, parent)

#endif
