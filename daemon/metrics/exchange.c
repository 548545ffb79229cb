#include "daemon/metrics/exchange.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int exchange_init(struct exchange *exchange)
{
    *exchange = (struct exchange)EXCHANGE_NULL;
    exchange->wanted = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    exchange->ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (exchange->wanted >= 0 && exchange->ready >= 0)
        return 0;
    int error = errno;
    exchange_deinit(exchange);
    return -error;
}

void exchange_deinit(struct exchange *exchange)
{
    snapshot_free(atomic_exchange(&exchange->slot, NULL));
    if (exchange->wanted >= 0)
        close(exchange->wanted);
    if (exchange->ready >= 0)
        close(exchange->ready);
    *exchange = (struct exchange)EXCHANGE_NULL;
}

static void ring(int fd)
{
    const uint64_t one = 1;

    /* it can only fail where the counter is full, and then whoever watches it is awake */
    if (write(fd, &one, sizeof one) < 0)
        return;
}

static void quiet(int fd)
{
    uint64_t ignored;

    if (read(fd, &ignored, sizeof ignored) < 0)
        return; /* nobody has rung */
}

void exchange_ask(struct exchange *exchange)
{
    ring(exchange->wanted);
}

struct snapshot *exchange_take(struct exchange *exchange)
{
    quiet(exchange->ready);
    return atomic_exchange(&exchange->slot, NULL);
}

void exchange_publish(struct exchange *exchange, struct snapshot *snapshot)
{
    quiet(exchange->wanted);
    if (snapshot)
        snapshot_free(atomic_exchange(&exchange->slot, snapshot));
    ring(exchange->ready);
}
