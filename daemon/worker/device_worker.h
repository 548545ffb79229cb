/* The device worker's own main; see device_worker.c. */
#ifndef ITEXD_WORKER_DEVICE_WORKER_H
#define ITEXD_WORKER_DEVICE_WORKER_H

/* `itexd device-worker [--device-root=DIR] [--no-sysman] [--substitute=WORD]`: never returns. */
int device_worker_main(int argc, char **argv) __attribute__((noreturn));

#endif
