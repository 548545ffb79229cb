/*
 * itexd itself, as its clients meet it: whether it answers, and what it says of its database, rules and devices. The
 * sentences of its own that make it degraded are told as they are, each as a finding.
 */
#include "client/itexctl/doctor/doctor.h"
#include "client/itexctl/output.h"
#include "client/itexctl/service.h"
#include "proto/cleanup.h"
#include "proto/framing.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct doctor_service {
    Itexd__V1__Reply *reply;
};

static const Itexd__V1__Status *status_of(const struct doctor *doctor)
{
    return doctor->service->reply->status;
}

/* ---- Problems that the service names ---------------------------------------------------------------------------- */

/* Sentences that begin so; which layer they belong to, and their finding. The last is for all others. */
static const struct problem {
    const char *begins, *layer, *id, *fix;
} problem_kinds[] = {
    {"decisions are not recorded", "itexd-database", .id = "database-not-recording",
     "make room or repair what it names; recording resumes by itself, and jobs are served meanwhile"},
    {"database:", "itexd-database", .id = "database-trouble", "see journalctl -u itexd"},
    {"a corrupt database", "itexd-database", .id = "database-damaged",
     "itexctl rules list, then itexctl rules activate ID; what can be saved of the old file: sqlite3 FILE .recover"},
    {"rules:", "itexd-rules", .id = "rules-trouble", "itexctl rules list says which sets there are"},
    {"configuration:", "itexd", .id = "service-configuration", "itexd --check says where; then reload the service"},
    {"device worker:", "itexd-devices", .id = "worker-trouble", "itexctl status says more; systemctl restart itexd"},
    {"devices:", "itexd-devices", .id = "service-sees-none", "itexctl devices restart, when it is put right"},
    {"device ", "itexd-devices", .id = "service-device-unwell",
     "itexctl devices says how each is; put back into use by itself once it is well, else itexctl devices reset"},
    {"", "itexd", .id = "service-degraded", "itexctl status and journalctl -u itexd say more"},
};

static const struct problem *kind_of(const char *sentence)
{
    const struct problem *kind = problem_kinds;
    while (strncmp(sentence, kind->begins, strlen(kind->begins)) != 0)
        kind++;
    return kind;
}

/* Those of the layer whose turn it is; returns how many. */
static size_t tell_problems(struct doctor *doctor)
{
    const Itexd__V1__Status *status = status_of(doctor);
    size_t n = 0;
    for (size_t i = 0; i < status->n_problems; i++) {
        const struct problem *kind = kind_of(status->problems[i]);
        if (strcmp(kind->layer, doctor->layer->name) != 0)
            continue;
        doctor_found(doctor, DOCTOR_WARNING, kind->id, "%s", status->problems[i]);
        doctor_fix(doctor, "%s", kind->fix);
        n++;
    }
    return n;
}

/* ---- itexd ------------------------------------------------------------------------------------------------------ */

/* Where nobody answers: whether there is a socket at all, and whether the caller may connect to it. */
static void tell_absent(struct doctor *doctor, const char *path, const char *error)
{
    struct stat status;
    if (stat(path, &status) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        doctor_found(doctor, DOCTOR_ERROR, "service-no-socket", "there is no %s: jobs run without itexd, unchecked",
                     path);
        doctor_fix(doctor, "systemctl enable --now itexd.socket; in a container: mount the directory of the socket; a "
                           "socket elsewhere: ITEXD_SOCKET or --socket");
    } else if (access(path, W_OK) < 0) {
        doctor_found(doctor, DOCTOR_ERROR, "service-denied", "no connection to %s: %s", path, strerror(errno));
        doctor_fix(doctor,
                   "its directory is to be open to all (0755) and the socket, too (0666): itexd checks who asks");
    } else {
        doctor_found(doctor, DOCTOR_ERROR, "service-down", "%s", error);
        doctor_fix(doctor, "systemctl restart itexd.socket itexd; journalctl -u itexd says why it ended");
    }
}

static void tell_no_answer(struct doctor *doctor, const struct connection *connection, int r)
{
    const char *path = connection_path(connection), *error = connection_error(connection);
    switch (r) {
    case CALL_ABSENT:
        tell_absent(doctor, path, error);
        break;
    case CALL_SLOW:
        doctor_found(doctor, DOCTOR_ERROR, "service-hangs", "%s", error);
        doctor_fix(doctor, "systemctl status itexd (is it stopped, or has the node no time for it?); systemctl restart "
                           "itexd");
        break;
    case CALL_INCOMPATIBLE:
        doctor_found(doctor, DOCTOR_ERROR, "service-incompatible", "%s", error);
        doctor_fix(doctor, "install one version of itexd and itexctl; after an upgrade: systemctl restart itexd");
        break;
    default:
        doctor_found(doctor, DOCTOR_ERROR, "service-foreign", "%s", error[0] ? error : strerror(r < 0 ? -r : EPROTO));
        doctor_fix(doctor, "see ITEXD_SOCKET and --socket, and who has bound it: ss -xlp");
    }
}

static void tell_answers(struct doctor *doctor)
{
    const Itexd__V1__Status *status = status_of(doctor);
    char since[TIME_TEXT_SIZE];
    const char *version = status->version ? status->version : "?";
    doctor_found(doctor, DOCTOR_OK, "service-answers", "%s, since %s, %u connected", version,
                 status->has_start_ms ? time_text(status->start_ms, since) : "?", status->peers);
    if (strcmp(version, ITEXD_VERSION) != 0) {
        doctor_found(doctor, DOCTOR_INFO, "service-other-version",
                     "itexd is %s, this itexctl %s; they understand each "
                     "other",
                     version, ITEXD_VERSION);
        doctor_fix(doctor,
                   "after an upgrade: systemctl restart itexd; in a container: its itexctl is of another package");
    }
}

static int ask_status(struct doctor *doctor, struct connection *connection, Itexd__V1__Reply **reply)
{
    Itexd__V1__StatusRequest body = ITEXD__V1__STATUS_REQUEST__INIT;
    Itexd__V1__Request request = ITEXD__V1__REQUEST__INIT;
    request.body_case = ITEXD__V1__REQUEST__BODY_STATUS;
    request.status = &body;
    int timeout = doctor_left_ms(doctor, DEFAULT_TIMEOUT_MS);
    return connection_call(connection, &request, -1, timeout > 0 ? (unsigned)timeout : 1, reply);
}

static void look_at_service(struct doctor *doctor)
{
    CLEANUP(connection_freep) struct connection *connection = NULL;
    CLEANUP(service_reply_freep) Itexd__V1__Reply *reply = NULL;
    int r = connection_new(&connection, doctor->context->socket, "itexctl doctor");
    doctor->service = calloc(1, sizeof(*doctor->service));
    if (r < 0 || !doctor->service) {
        doctor_found(doctor, DOCTOR_WARNING, "not-looked-at", "no connection could be prepared: %s",
                     strerror(r < 0 ? -r : ENOMEM));
        return;
    }
    r = ask_status(doctor, connection, &reply);
    if (r != CALL_OK) {
        tell_no_answer(doctor, connection, r);
    } else if (reply->body_case != ITEXD__V1__REPLY__BODY_STATUS) {
        doctor_found(doctor, DOCTOR_ERROR, "service-refuses", "itexd does not tell its status: %s",
                     reply->body_case == ITEXD__V1__REPLY__BODY_ERROR && reply->error->text ? reply->error->text : "?");
        doctor_fix(doctor, "itexctl status says more; it is overloaded, or of another version");
    } else {
        doctor->service->reply = TAKE_PTR(reply);
        tell_answers(doctor);
        tell_problems(doctor);
    }
}

void doctor_service_clear(struct doctor *doctor)
{
    if (doctor->service)
        service_reply_freep(&doctor->service->reply);
    free(doctor->service);
}

const char *doctor_service_version(const struct doctor *doctor)
{
    const Itexd__V1__Reply *reply = doctor->service ? doctor->service->reply : NULL;
    return reply && reply->status->version ? reply->status->version : "?";
}

/* ---- Its parts -------------------------------------------------------------------------------------------------- */

static void look_at_database(struct doctor *doctor)
{
    const Itexd__V1__Status *status = status_of(doctor);
    size_t problems = tell_problems(doctor);
    if (problems == 0)
        doctor_found(doctor, DOCTOR_OK, "database-records", "%s, %" PRIu64 " decisions in %.1f MB, log %.1f MB",
                     status->database ? status->database : "?", status->decisions, (double)status->database_bytes / 1e6,
                     (double)status->wal_bytes / 1e6);
    if (status->moved_aside && problems == 0)
        doctor_found(doctor, DOCTOR_INFO, "database-moved-aside", "a damaged one is kept as %s", status->moved_aside);
}

static void look_at_rules(struct doctor *doctor)
{
    const Itexd__V1__Status *status = status_of(doctor);
    const Itexd__V1__RuleSetName *set = status->ruleset, *waiting = status->ruleset_waiting;
    tell_problems(doctor);
    doctor_found(doctor, DOCTOR_OK, "rules-in-force", "%u of set %s, digest %.12s, policy %s%s", status->rules,
                 set && set->name ? set->name : "?", set && set->digest ? set->digest : "?",
                 status->policy ? status->policy : "?", status->locked ? ", locked" : "");
    if (!waiting)
        return;
    doctor_found(doctor, DOCTOR_INFO, "rules-waiting", "newer shipped rules wait to be activated: set %" PRIu64 ", %s",
                 waiting->id, waiting->name ? waiting->name : "unnamed");
    doctor_fix(doctor, "itexctl rules diff %" PRIu64 " %" PRIu64 " says what changes; itexctl rules activate %" PRIu64,
               set ? set->id : 0, waiting->id, waiting->id);
}

static bool in_state(const Itexd__V1__WorkerStatus *worker, const char *state)
{
    return worker->state && strcmp(worker->state, state) == 0;
}

/* True where the worker itself is in trouble. */
static bool tell_worker(struct doctor *doctor, const Itexd__V1__WorkerStatus *worker)
{
    const char *death = worker->last_death ? worker->last_death : "no death is known";
    if (in_state(worker, "stuck")) {
        doctor_found(doctor, DOCTOR_ERROR, "worker-stuck",
                     "the device worker hangs in the kernel and cannot be ended: %s", death);
        doctor_fix(doctor, "see dmesg for a hung GPU; drain the node and start it again");
    } else if (in_state(worker, "given up")) {
        doctor_found(doctor, DOCTOR_ERROR, "worker-given-up",
                     "the device worker has died too often and is not started "
                     "again: %s",
                     death);
        doctor_fix(doctor, "put right what the layers above say, then itexctl devices restart");
    } else if (in_state(worker, "waiting")) {
        doctor_found(doctor, DOCTOR_WARNING, "worker-dies",
                     "the device worker dies and is started again (%u times): %s", worker->restarts, death);
        doctor_fix(doctor, "itexctl status says in which call of the driver; journalctl -u itexd");
    } else {
        return false;
    }
    return true;
}

static void look_at_devices(struct doctor *doctor)
{
    const Itexd__V1__Status *status = status_of(doctor);
    const Itexd__V1__WorkerStatus *worker = status->worker;
    doctor->substitute = status->substitute && strcmp(status->substitute, "SIMULATED") == 0 ? "SIMULATED"
                         : status->substitute && status->substitute[0]                      ? "EMULATED"
                                                                                            : NULL;
    if (!worker) {
        doctor_found(doctor, DOCTOR_INFO, "service-no-devices", "%s",
                     status->devices ? status->devices : "itexd manages no devices");
        return;
    }
    if (tell_worker(doctor, worker))
        return; /* which the service's own sentence says again */
    if (status->n_devices == 0 && worker->layer) {
        doctor_found(doctor, DOCTOR_ERROR, "service-sees-none", "itexd has no device to give: %s%s%s", worker->layer,
                     worker->detail ? ": " : "", worker->detail ? worker->detail : "");
        doctor_fix(doctor, "where the layers below are well, it is the service's own rights: see the drop-ins in "
                           "itexd(8); then itexctl devices restart");
        return;
    }
    tell_problems(doctor);
    if (status->n_devices == 0) {
        doctor_found(doctor, DOCTOR_INFO, "service-looking", "none yet: worker %s",
                     worker->state ? worker->state : "?");
        doctor_fix(doctor, "it has only just started; itexctl devices waits until it has looked");
        return;
    }
    doctor_found(doctor, DOCTOR_OK, "service-devices", "%u, %u lease%s, %u waiting; worker %s, %u restarts",
                 status->n_devices, status->n_leases, status->n_leases == 1 ? "" : "s", status->n_waiting,
                 worker->state ? worker->state : "?", worker->restarts);
}

static const char *const needs_service[] = {"itexd", NULL};

const struct doctor_layer doctor_service_layers[] = {
    {"itexd", "itexd", NULL, true, look_at_service},
    {"itexd-database", "itexd's database", needs_service, true, look_at_database},
    {"itexd-rules", "itexd's rules", needs_service, true, look_at_rules},
    {"itexd-devices", "itexd's devices", needs_service, true, look_at_devices},
    {.name = NULL},
};
