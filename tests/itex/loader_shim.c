/*
 * Preloaded for the real SYCL runtime: three functions of Level Zero that Debian's loader (1.8) does not have and
 * the runtime of ITEX 2.15.0.3 cannot be loaded without.
 *
 * A loader that has one is asked instead, so that preloading this never takes anything away. Where it has not, the
 * answers are those of a driver as old as it: no device has a root, and nothing else is supported.
 */
#include <dlfcn.h>
#include <stdint.h>

#include <level_zero/ze_api.h>

#define EXPORT __attribute__((visibility("default")))

typedef ze_result_t root_function(ze_device_handle_t device, ze_device_handle_t *root);
typedef ze_result_t synchronize_function(ze_command_list_handle_t list, uint64_t timeout);
typedef ze_result_t view_function(ze_context_handle_t context, ze_device_handle_t device, const ze_image_desc_t *desc,
                                  ze_image_handle_t image, ze_image_handle_t *view);

/* Newer headers declare them, older ones do not; either way they are these. */
root_function zeDeviceGetRootDevice;
synchronize_function zeCommandListHostSynchronize;
view_function zeImageViewCreateExt;

/* The loader's own function, or NULL. It has been loaded by whoever calls, perhaps where RTLD_NEXT does not look. */
static void *own(const char *name)
{
    void *loader = dlopen("libze_loader.so.1", RTLD_LAZY | RTLD_NOLOAD);
    void *function = loader ? dlsym(loader, name) : NULL;

    if (loader)
        dlclose(loader);
    return function;
}

EXPORT ze_result_t zeDeviceGetRootDevice(ze_device_handle_t device, ze_device_handle_t *root)
{
    root_function *function = (root_function *)own("zeDeviceGetRootDevice");

    if (function)
        return function(device, root);
    *root = NULL;
    return ZE_RESULT_SUCCESS;
}

EXPORT ze_result_t zeCommandListHostSynchronize(ze_command_list_handle_t list, uint64_t timeout)
{
    synchronize_function *function = (synchronize_function *)own("zeCommandListHostSynchronize");

    return function ? function(list, timeout) : ZE_RESULT_ERROR_UNSUPPORTED_FEATURE;
}

EXPORT ze_result_t zeImageViewCreateExt(ze_context_handle_t context, ze_device_handle_t device,
                                        const ze_image_desc_t *desc, ze_image_handle_t image, ze_image_handle_t *view)
{
    view_function *function = (view_function *)own("zeImageViewCreateExt");

    return function ? function(context, device, desc, image, view) : ZE_RESULT_ERROR_UNSUPPORTED_FEATURE;
}
