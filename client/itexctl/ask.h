/* What resolve, run and env have in common: their options, and how these become a request. */
#ifndef ITEXCTL_ASK_H
#define ITEXCTL_ASK_H

#include "client/itexctl/errors.h"
#include "client/itexctl/itexctl.h"

/* The first member of the values of every command that uses the tables below. */
struct ask {
    const char *keras, *jit, *itex, *job;
    bool custom_ops;
    struct text_list facts, env;

    const char *gpus, *memory, *model, *bind;
    bool exclusive, shared, allow_none;
    int64_t holder, wait, numa;

    bool advise, require, offline, alternatives, clean_env;
    const char *apply, *rules;
    int64_t timeout;

    const char *script, *python;
    bool no_cache;
    int64_t check_timeout;
};

#define ASK_GROUPS                                                                                                     \
    {"The job", ask_job_options, 7, NULL}, {"Its script", ask_script_options, 4, NULL},                                \
        {"Devices", ask_device_options, 10, NULL},                                                                     \
    {                                                                                                                  \
        "How to decide", ask_policy_options, 7, NULL                                                                   \
    }
extern const struct option_def ask_job_options[7];
extern const struct option_def ask_script_options[4];
extern const struct option_def ask_device_options[10];
extern const struct option_def ask_policy_options[7];
extern const struct option_def ask_clean_option[1];

/* Who will hold what is given, for a process that ends holds nothing. */
enum ask_for {
    ASK_FOR_HOLDER,   /* resolve and env: a process that --holder names; without it no devices can be asked for */
    ASK_FOR_COMMAND,  /* run: this process, which becomes the command; one device unless told otherwise */
    ASK_FOR_LAUNCHER, /* run around a launcher: what that starts asks for itself */
    ASK_FOR_NOBODY,   /* check: no devices are asked for */
};

/*
 * Checks what the parser could not, then builds the request, with what is known of the script (examined NULL: nothing).
 * 0, or -1 with *failure.
 */
struct examined;
int ask_request(const struct ask *ask, enum ask_for whom, const struct examined *examined, Itexd__V1__Resolve **request,
                struct failure *failure);
/* NAME and the text behind '=' of a --env or --fact option; false where it has none. name holds 256 bytes. */
#define ASK_NAME_SIZE 256
bool ask_split(const char *option, char name[ASK_NAME_SIZE], const char **value);

#endif
