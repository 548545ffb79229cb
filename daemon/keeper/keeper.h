/*
 * The keeper: the child that changes who may open leased devices, and that looks who uses which.
 *
 * It loads no driver and parses nothing of clients; it is started only with enforcement or watched use, and holds no
 * capabilities but CAP_FOWNER and CAP_SYS_PTRACE, as far as the service was given them.
 */
#ifndef ITEXD_KEEPER_KEEPER_H
#define ITEXD_KEEPER_KEEPER_H

/* `itexd keeper --runtime-directory=DIR [--device-root=DIR]`: never returns. */
int keeper_main(int argc, char **argv) __attribute__((noreturn));

#endif
