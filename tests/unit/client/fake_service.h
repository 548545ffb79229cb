/*
 * The other side of a connection, played by a thread of the test: a listening socket in a private directory and a
 * script that says what it does with each connection. Everything ends by its own deadline, so that a failing test does
 * not hang.
 */
#ifndef ITEXD_TESTS_FAKE_SERVICE_H
#define ITEXD_TESTS_FAKE_SERVICE_H

#include "itexd.pb-c.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct fake_service;
typedef void (*fake_script)(struct fake_service *service);

struct fake_service {
    char directory[64];
    char path[96];
    int listening;
    int stop[2]; /* a pipe; its end ends every wait */
    pthread_t thread;
    bool running;
    fake_script script;
    /* What the script leaves for the test, which looks after fake_stop; under the lock, for a script may have threads.
     */
    pthread_mutex_t lock;
    unsigned connections;
    unsigned requests;
    uint8_t ids[8][16]; /* request ids of the resolve requests, in order */
    unsigned resolves;
    uint64_t accepted;
    uint8_t released[16]; /* the request whose lease was given back */
    int received_fd;
};

/* Makes the directory and the socket (type SOCK_SEQPACKET or SOCK_STREAM), and starts the script in a thread. */
struct fake_service *fake_start(int type, fake_script script);
/* Wakes the script, waits for its end, removes the socket. The struct stays readable until fake_free. */
void fake_stop(struct fake_service *service);
void fake_free(struct fake_service *service);

/* For scripts. Each waits until there is something or the test stops it. */
int fake_accept(struct fake_service *service);                          /* -1: stopped */
bool fake_wait(struct fake_service *service, int fd);                   /* readable (or closed) before it was stopped */
void fake_hold(struct fake_service *service);                           /* until stopped */
Itexd__V1__Request *fake_receive(struct fake_service *service, int fd); /* NULL: closed or stopped */
void fake_send(int fd, Itexd__V1__ServerPacket *packet);
void fake_reply_hello(int fd, uint64_t id, const char *name, uint32_t major, uint32_t minimum);
/* Does a decision come with lease 7? Set before the service is started. */
extern bool fake_lease;
void fake_reply_decision(int fd, uint64_t id, const char *verdict, const Itexd__V1__Variable *variable);
void fake_reply_error(int fd, uint64_t id, Itexd__V1__Error__Code code, const char *text);
void fake_event(int fd, const char *kind);
void fake_reply_done(int fd, uint64_t id);
void fake_reply_report(int fd, uint64_t id, bool match);
/* Accepts and greets properly; returns the connection, -1 if stopped. */
int fake_greet(struct fake_service *service);
/* The same as another service, or in other versions of the protocol. */
int fake_greet_as(struct fake_service *service, const char *name, uint32_t major, uint32_t minimum);
/* Accepts one connection and says nothing. */
void fake_mute(struct fake_service *service);
/* Answers what comes on fd as itexd would, until it is closed. */
void fake_serve(struct fake_service *service, int fd);
/* A well-behaved service: greets and serves connection after connection. */
void fake_itexd(struct fake_service *service);

#endif
