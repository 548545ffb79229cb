/* What the library sends of what it was told, and of the job's environment. */
#include "client/itexclient.h"
#include "tests/unit/client/fake_service.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static Itexd__V1__Request *seen; /* by records, read after fake_stop */

static void records(struct fake_service *s)
{
    int fd = fake_greet(s);

    seen = fake_receive(s, fd);
    fake_reply_decision(fd, seen->id, "ok", NULL);
    fake_hold(s);
    close(fd);
}

static const char *sent_variable(const char *name)
{
    for (size_t i = 0; i < seen->resolve->n_env; i++)
        if (strcmp(seen->resolve->env[i]->name, name) == 0)
            return seen->resolve->env[i]->value;
    return NULL;
}

/* Resolves once and leaves what was sent in seen. */
static void resolve_and_record(itex_request *r, struct fake_service *s)
{
    itex_decision *d = NULL;

    assert_int_equal(itex_request_set_socket(r, s->path), ITEX_OK);
    assert_int_equal(itex_request_set_timeout(r, 10000), ITEX_OK);
    assert_int_equal(itex_resolve(r, &d), ITEX_OK);
    itex_decision_free(d);
    itex_request_free(r);
    fake_free(s);
}

static void test_everything_asked_is_sent(void **state)
{
    itex_request *r = itex_request_new();

    (void)state;
    setenv("ITEX_VERBOSE", "1", 1);
    setenv("ITEX_OPS_OVERRIDE", "1", 1);
    setenv("SLURM_JOB_ID", "7", 1);
    setenv("SLURM_STEP_ID", "0", 1);
    setenv("ITEXD_DECISION", "9:outerdigest:", 1);
    setenv("ITEXD_LEASE", "12", 1);
    assert_int_equal(itex_request_set_variable(r, "ITEX_VERBOSE", "4"), ITEX_OK);
    assert_int_equal(itex_request_set_variable(r, "ITEX_VERBOSE", "5"), ITEX_OK);
    assert_int_equal(itex_request_set_variable(r, "ITEX_OPS_OVERRIDE", NULL), ITEX_OK);
    assert_int_equal(itex_request_set_fact(r, "keras", "2"), ITEX_OK);
    assert_int_equal(itex_request_set_fact(r, "keras", "3"), ITEX_OK);
    assert_int_equal(itex_request_set_node_fact(r, "tensorflow", "2.15.0"), ITEX_OK);
    assert_int_equal(itex_request_set_node_fact(r, "tensorflow", "2.15.1"), ITEX_OK);
    assert_int_equal(itex_request_set_node_fact(r, "keras", "2"), ITEX_OK); /* beside what is declared */
    assert_int_equal(itex_request_set_policy(r, "advise"), ITEX_OK);
    assert_int_equal(itex_request_set_apply_errors(r, 1), ITEX_OK);
    assert_int_equal(itex_request_set_devices(r, 2, 1, 1, 50), ITEX_OK);
    resolve_and_record(r, fake_start(SOCK_SEQPACKET, records));

    const Itexd__V1__Resolve *sent = seen->resolve;
    assert_string_equal(sent_variable("ITEX_VERBOSE"), "5");
    assert_null(sent_variable("ITEX_OPS_OVERRIDE"));
    assert_string_equal(sent_variable("SLURM_JOB_ID"), "7");
    assert_null(sent_variable("PATH"));
    assert_int_equal(sent->n_facts, 3);
    assert_string_equal(sent->facts[0]->value, "3");
    assert_string_equal(sent->facts[0]->from, "declared");
    assert_string_equal(sent->facts[1]->value, "2.15.1");
    assert_string_equal(sent->facts[1]->from, "node");
    assert_string_equal(sent->facts[2]->from, "node");
    assert_string_equal(sent->policy, "advise");
    assert_true(sent->apply_errors);
    assert_string_equal(sent->job, "7");
    assert_string_equal(sent->step, "0");
    assert_int_equal(sent->devices->count, 2);
    assert_true(sent->devices->tiles && sent->devices->shared);
    assert_int_equal(sent->devices->wait_ms, 50);
    assert_string_equal(sent->inherited_digest, "outerdigest");
    assert_int_equal(sent->lease, 12);
    itexd__v1__request__free_unpacked(seen, NULL);
}

#define FIFTY_BYTES "01234567890123456789012345678901234567890123456789"

static void test_without_the_environment(void **state)
{
    itex_request *r = itex_request_new();

    (void)state;
    setenv("ITEX_VERBOSE", "1", 1);
    /* No digest of ours is so long: the service would refuse the request for it. */
    setenv("ITEXD_DECISION", "9:" FIFTY_BYTES FIFTY_BYTES ":", 1);
    setenv("ITEXD_LEASE", "12", 1);
    assert_int_equal(itex_request_set_collect(r, 0), ITEX_OK);
    assert_int_equal(itex_request_set_variable(r, "TF_XLA_FLAGS", "/tmp/itexd-no-such-file"), ITEX_OK);
    assert_int_equal(itex_request_set_job(r, "mine"), ITEX_OK);
    resolve_and_record(r, fake_start(SOCK_SEQPACKET, records));
    assert_int_equal(seen->resolve->n_env, 1);
    assert_string_equal(sent_variable("TF_XLA_FLAGS"), "/tmp/itexd-no-such-file");
    assert_string_equal(seen->resolve->facts[0]->name, "xla_flags_source");
    assert_string_equal(seen->resolve->facts[0]->value, "missing");
    assert_string_equal(seen->resolve->job, "mine");
    assert_null(seen->resolve->step);
    assert_null(seen->resolve->devices);
    assert_null(seen->resolve->inherited_digest);
    assert_false(seen->resolve->has_lease); /* no devices are asked for */
    itexd__v1__request__free_unpacked(seen, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_asked_is_sent),
        cmocka_unit_test(test_without_the_environment),
    };

    return cmocka_run_group_tests_name("client-library-request", tests, NULL, NULL);
}
