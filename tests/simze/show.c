/*
 * simze-show: what a process sees of the GPUs, through the loader that is installed.
 *
 *   device BDF TILE   a device of zeDeviceGet; TILE is "-" for a whole card
 *   tile BDF TILE     a sub-device of the device above
 *   itex BDF TILE     an XPU as TensorFlow's list has it (ITEX_TILE_AS_DEVICE)
 *   sycl BDF TILE     an XPU as PJRT's list has it (SYCL_TILE_AS_DEVICE)
 *   result CODE       zeInit's, the last line; "signal N" for a process that died
 *
 * With --cases it reads environments from stdin, one a line, NAME=VALUE separated by tabs, and shows each in a process
 * of its own, to whose environment only these variables are added; --sysman adds what sysman says of each card. Tells
 * cards by their PCI address, or UUID where there is none, and tiles by the last byte of their UUID: the simulated
 * driver's. Status 1 where a call other than zeInit fails; 3 where there is no loader.
 */
#include <level_zero/zes_api.h>

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_DEVICES = 512, STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_NO_LOADER = 3 };

static struct {
    ze_result_t (*init)(ze_init_flags_t);
    ze_result_t (*driver_get)(uint32_t *, ze_driver_handle_t *);
    ze_result_t (*device_get)(ze_driver_handle_t, uint32_t *, ze_device_handle_t *);
    ze_result_t (*sub_devices)(ze_device_handle_t, uint32_t *, ze_device_handle_t *);
    ze_result_t (*properties)(ze_device_handle_t, ze_device_properties_t *);
    ze_result_t (*pci)(ze_device_handle_t, ze_pci_ext_properties_t *);
} ze;

static void *symbol(void *loader, const char *name)
{
    void *found = dlsym(loader, name);

    if (!found) {
        fprintf(stderr, "simze-show: libze_loader.so.1 has no %s\n", name);
        exit(STATUS_NO_LOADER);
    }
    return found;
}

static void *open_loader(void)
{
    void *loader = dlopen("libze_loader.so.1", RTLD_NOW);

    if (!loader) {
        fprintf(stderr, "simze-show: %s: install the Level Zero loader (package libze1)\n", dlerror());
        exit(STATUS_NO_LOADER);
    }
    *(void **)&ze.init = symbol(loader, "zeInit");
    *(void **)&ze.driver_get = symbol(loader, "zeDriverGet");
    *(void **)&ze.device_get = symbol(loader, "zeDeviceGet");
    *(void **)&ze.sub_devices = symbol(loader, "zeDeviceGetSubDevices");
    *(void **)&ze.properties = symbol(loader, "zeDeviceGetProperties");
    *(void **)&ze.pci = symbol(loader, "zeDevicePciGetPropertiesExt");
    return loader;
}

static void check(ze_result_t result, const char *function)
{
    if (result != ZE_RESULT_SUCCESS) {
        printf("failed %s 0x%x\n", function, (unsigned)result);
        fflush(stdout);
        _exit(STATUS_FAILED);
    }
}

/* ---- Devices ------------------------------------------------------------------------------------------------ */

static void print_device(const char *word, ze_device_handle_t device)
{
    ze_device_properties_t properties = {.stype = ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES};
    ze_pci_ext_properties_t pci = {.stype = ZE_STRUCTURE_TYPE_PCI_EXT_PROPERTIES};
    const uint8_t *uuid = properties.uuid.id;

    check(ze.properties(device, &properties), "zeDeviceGetProperties");
    printf("%s ", word);
    if (ze.pci(device, &pci) == ZE_RESULT_SUCCESS)
        printf("%04x:%02x:%02x.%x", pci.address.domain, pci.address.bus, pci.address.device, pci.address.function);
    else
        for (unsigned i = 0; i < 15; i++)
            printf("%02x", uuid[i]);
    if (uuid[15] > 0)
        printf(" %u\n", uuid[15] - 1U);
    else
        printf(" -\n");
}

static uint32_t tiles_of(ze_device_handle_t device, ze_device_handle_t tiles[MAX_DEVICES])
{
    uint32_t n = 0;

    check(ze.sub_devices(device, &n, NULL), "zeDeviceGetSubDevices");
    if (n > MAX_DEVICES)
        n = MAX_DEVICES;
    if (n > 0)
        check(ze.sub_devices(device, &n, tiles), "zeDeviceGetSubDevices");
    return n;
}

/* What a framework lists: tiles act as devices unless the variable is 0. */
static void print_list(const char *word, const char *variable, const ze_device_handle_t *devices, uint32_t n)
{
    ze_device_handle_t tiles[MAX_DEVICES];
    const char *value = getenv(variable);
    bool split = !value || strcmp(value, "0") != 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t n_tiles = split ? tiles_of(devices[i], tiles) : 0;

        for (uint32_t tile = 0; tile < n_tiles; tile++)
            print_device(word, tiles[tile]);
        if (n_tiles == 0)
            print_device(word, devices[i]);
    }
}

static uint32_t get_devices(ze_driver_handle_t *driver, ze_device_handle_t devices[MAX_DEVICES])
{
    uint32_t n = 1;

    check(ze.driver_get(&n, driver), "zeDriverGet");
    n = 0;
    check(ze.device_get(*driver, &n, NULL), "zeDeviceGet");
    if (n > MAX_DEVICES)
        n = MAX_DEVICES;
    check(ze.device_get(*driver, &n, devices), "zeDeviceGet");
    return n;
}

/* ---- Sysman, the legacy way ----------------------------------------------------------------------------------- */

/* Power over a short while, and one reading of the rest that has a single value. */
static void print_sysman(void *loader, ze_device_handle_t device)
{
    ze_result_t (*domain)(zes_device_handle_t, zes_pwr_handle_t *);
    ze_result_t (*energy)(zes_pwr_handle_t, zes_power_energy_counter_t *);
    ze_result_t (*state)(zes_device_handle_t, zes_device_state_t *);
    zes_power_energy_counter_t before = {0}, after = {0};
    zes_device_state_t now = {.stype = ZES_STRUCTURE_TYPE_DEVICE_STATE};
    zes_pwr_handle_t power;

    *(void **)&domain = symbol(loader, "zesDeviceGetCardPowerDomain");
    *(void **)&energy = symbol(loader, "zesPowerGetEnergyCounter");
    *(void **)&state = symbol(loader, "zesDeviceGetState");
    check(domain((zes_device_handle_t)device, &power), "zesDeviceGetCardPowerDomain");
    check(energy(power, &before), "zesPowerGetEnergyCounter");
    usleep(20000);
    check(energy(power, &after), "zesPowerGetEnergyCounter");
    check(state((zes_device_handle_t)device, &now), "zesDeviceGetState");
    printf("power %.1f\n", (double)(after.energy - before.energy) / (double)(after.timestamp - before.timestamp));
    printf("reset %u\n", now.reset);
}

/* ---- Cases ---------------------------------------------------------------------------------------------------- */

static int show(bool sysman)
{
    ze_device_handle_t devices[MAX_DEVICES] = {NULL}, tiles[MAX_DEVICES];
    ze_driver_handle_t driver;
    void *loader = open_loader();
    ze_result_t result = ze.init(ZE_INIT_FLAG_GPU_ONLY);
    uint32_t n = result == ZE_RESULT_SUCCESS ? get_devices(&driver, devices) : 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t n_tiles = tiles_of(devices[i], tiles);

        print_device("device", devices[i]);
        for (uint32_t tile = 0; tile < n_tiles; tile++)
            print_device("tile", tiles[tile]);
        if (sysman)
            print_sysman(loader, devices[i]);
    }
    print_list("itex", "ITEX_TILE_AS_DEVICE", devices, n);
    print_list("sycl", "SYCL_TILE_AS_DEVICE", devices, n);
    printf("result 0x%x\n", (unsigned)result);
    return EXIT_SUCCESS;
}

static int show_case(char *line, bool sysman)
{
    char *rest = line;
    pid_t child;
    int status;

    fflush(stdout);
    child = fork();
    if (child < 0)
        return STATUS_FAILED;
    if (child == 0) {
        line[strcspn(line, "\n")] = '\0';
        for (char *variable; (variable = strsep(&rest, "\t"));)
            if (*variable)
                putenv(variable);
        status = show(sysman);
        fflush(stdout);
        _exit(status);
    }
    if (waitpid(child, &status, 0) != child)
        return STATUS_FAILED;
    if (WIFSIGNALED(status))
        printf("signal %d\n", WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SUCCESS;
}

static int show_cases(bool sysman)
{
    char *line = NULL;
    size_t size = 0;
    int worst = EXIT_SUCCESS;

    while (getline(&line, &size, stdin) > 0) {
        int status = show_case(line, sysman);

        printf("end\n");
        if (status > worst)
            worst = status;
    }
    free(line);
    return worst;
}

int main(int argc, char **argv)
{
    bool cases = false, sysman = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cases") == 0)
            cases = true;
        else if (strcmp(argv[i], "--sysman") == 0)
            sysman = true;
        else
            return fprintf(stderr, "usage: simze-show [--cases] [--sysman]\n"), STATUS_USAGE;
    }
    return cases ? show_cases(sysman) : show(sysman);
}
