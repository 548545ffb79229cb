/* Taking turns: see check_turn.h. Who waits is connected to the one whose turn it is, and sees the connection end. */
#include "client/itexctl/check_turn.h"
#include "proto/cleanup.h"
#include "proto/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Between a name's being taken and its being listened on. */
#define RETRY_MS 2

struct name {
    struct sockaddr_un address;
    socklen_t size;
};

static struct name name_of(const char *key)
{
    struct name name = {.address = {.sun_family = AF_UNIX}};
    int length = snprintf(name.address.sun_path + 1, sizeof(name.address.sun_path) - 1, "itexctl-check/%u/%.64s",
                          (unsigned)geteuid(), key);
    name.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    return name;
}

static int new_socket(void)
{
    return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* The turn, -EADDRINUSE where somebody has it, other -errno. */
static int try_to_take(const struct name *name)
{
    CLEANUP(closep) int fd = new_socket();
    if (fd < 0 || bind(fd, (const struct sockaddr *)&name->address, name->size) < 0 || listen(fd, INT_MAX) < 0)
        return -errno;
    return TAKE_FD(fd);
}

static bool is_own(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

/* Waits until the turn of who has it is over. False where it has to be tried again: there is nobody to wait for yet. */
static bool wait_for_end(const struct name *name, int left_ms)
{
    CLEANUP(closep) int fd = new_socket();
    if (fd < 0)
        return true;
    if (connect(fd, (const struct sockaddr *)&name->address, name->size) < 0) {
        poll(NULL, 0, RETRY_MS);
        return false;
    }
    struct pollfd end = {fd, POLLIN, 0};
    if (is_own(fd)) /* of another user's nothing would be found, so it is not waited for */
        poll(&end, 1, left_ms);
    return true;
}

int check_turn_take(const char *key, int64_t timeout_ms)
{
    const struct name name = name_of(key);
    uint64_t deadline = clock_steady_ms() + (uint64_t)timeout_ms;
    for (;;) {
        int fd = try_to_take(&name);
        if (fd >= 0 || fd != -EADDRINUSE)
            return fd < 0 ? -1 : fd;
        uint64_t now = clock_steady_ms();
        if (now >= deadline)
            return -1;
        if (wait_for_end(&name, deadline - now > INT_MAX ? INT_MAX : (int)(deadline - now)))
            return -1;
    }
}
