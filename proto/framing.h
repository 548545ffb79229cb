/*
 * Framing shared by both sides: one protobuf message per SOCK_SEQPACKET packet.
 *
 * A packet is 1 to ITEXD_MAX_PACKET bytes; an empty one is indistinguishable from end of file and never sent. At
 * most one descriptor travels with a packet (SCM_RIGHTS). Nothing here blocks, allocates per call, or raises
 * SIGPIPE.
 */
#ifndef ITEXD_PROTO_FRAMING_H
#define ITEXD_PROTO_FRAMING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ITEXD_MAX_PACKET 65536u
#define ITEXD_PROTOCOL_MAJOR 1u
#define ITEXD_PROTOCOL_MINOR 2u
#define ITEXD_PROTOCOL_MINIMUM_MAJOR 1u
#define ITEXD_DEFAULT_SOCKET "/run/itexd-socket/itexd.sock"
/* Limits of what a client may send. In bytes: the value of a variable, */
#define ITEXD_MAX_VALUE 8192u
/* the name of a variable, the id of a job or of a job step, */
#define ITEXD_MAX_NAME 256u
/* a flags file that the client reads (with the rest, a packet holds less), */
#define ITEXD_MAX_FLAGS_FILE 65536u
/* a rule set's digest, in hex digits. And in number: variables, the script's included; names of oversized ones. */
#define ITEXD_DIGEST_LENGTH 64u
#define ITEXD_MAX_VARIABLES 512u

/*
 * Receives one packet into buffer (ITEXD_MAX_PACKET bytes). Returns its length; 0 at end of file; -EAGAIN; -EMSGSIZE
 * for a packet over the limit (consumed, its descriptors closed); -EPROTO where more than one descriptor came (closed);
 * other -errno. *fd is the descriptor that came with it, close-on-exec, or -1; the caller owns it. fd NULL: descriptors
 * are dropped by the kernel, however many there are, and never become this process's. That is for a sender who is not
 * trusted: to close a descriptor can take as long as the file system behind it likes.
 */
ssize_t frame_receive(int socket, void *buffer, int *fd);

/* Sends one packet whole. 0, -EAGAIN, -EMSGSIZE, -EPIPE, other -errno. fd -1: none; it stays the caller's. */
int frame_send(int socket, const void *data, size_t size, int fd);

#endif
