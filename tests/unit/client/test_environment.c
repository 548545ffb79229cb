/* What is collected, what is too long, what overrides, and every state of a flags file. */
#include "client/core/environment.h"
#include "client/core/flags_file.h"
#include "client/core/job.h"
#include "proto/framing.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[64];

static const char *in_directory(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void write_file(const char *name, const char *text, size_t size)
{
    FILE *file = fopen(in_directory(name), "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/itexd-environment-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    static const char *const names[] = {"flags", "big", "nul", "pipe", "secret"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_directory(names[i]));
    return rmdir(directory);
}

static void test_only_the_list_is_collected(void **state)
{
    char *envp[] = {(char *)"ITEX_DISABLE_XLA=1",
                    (char *)"PATH=/bin",
                    (char *)"LD_PRELOAD=x.so",
                    (char *)"SECRET_TOKEN=s3cret",
                    (char *)"noequals",
                    (char *)"=nameless",
                    (char *)"SLURM_JOB_ID=7",
                    (char *)"TF_XLA_FLAGS=",
                    (char *)"ITEX_DISABLE_XLA=2",
                    (char *)"PYTHONPATH=/x",
                    NULL};
    struct environment e = ENVIRONMENT_INIT;

    (void)state;
    assert_int_equal(environment_collect(&e, envp), 0);
    assert_int_equal(e.n_variables, 3);
    assert_string_equal(environment_get(&e, "ITEX_DISABLE_XLA"), "1"); /* the first, as for getenv */
    assert_string_equal(environment_get(&e, "SLURM_JOB_ID"), "7");
    assert_string_equal(environment_get(&e, "TF_XLA_FLAGS"), ""); /* empty is not unset */
    assert_null(environment_get(&e, "PATH"));
    assert_null(environment_get(&e, "SECRET_TOKEN"));
    environment_free(&e);
    assert_int_equal(environment_collect(&e, NULL), 0);
    assert_int_equal(e.n_variables, 0);
}

/* A variable with a value of so many bytes. */
static char *long_entry(const char *name, size_t size)
{
    char *entry = NULL;

    if (asprintf(&entry, "%s=%*s", name, (int)size, "v") < 0)
        abort();
    return entry;
}

static void test_long_values_are_named_not_cut(void **state)
{
    char *fits = long_entry("ITEX_FITS", ITEXD_MAX_VALUE);
    char *over = long_entry("ITEX_OVER", ITEXD_MAX_VALUE + 1);
    char *envp[] = {fits, over, NULL};
    struct environment e = ENVIRONMENT_INIT;

    (void)state;
    assert_int_equal(environment_collect(&e, envp), 0);
    assert_int_equal(strlen(environment_get(&e, "ITEX_FITS")), ITEXD_MAX_VALUE);
    assert_null(environment_get(&e, "ITEX_OVER"));
    assert_int_equal(e.n_oversized, 1);
    assert_string_equal(e.oversized[0], "ITEX_OVER");
    assert_int_equal(environment_override(&e, "ITEX_OVER", "short"), 0);
    assert_int_equal(e.n_oversized, 0);
    assert_string_equal(environment_get(&e, "ITEX_OVER"), "short");
    assert_int_equal(environment_override(&e, "ITEX_OVER", over + strlen("ITEX_OVER=")), 0);
    assert_int_equal(e.n_oversized, 1);
    assert_null(environment_get(&e, "ITEX_OVER"));
    environment_free(&e);
    free(fits);
    free(over);
}

static void test_too_many_variables_are_named(void **state)
{
    static char entries[ITEXD_MAX_VARIABLES + 2][32];
    char *envp[ITEXD_MAX_VARIABLES + 3];
    struct environment e = ENVIRONMENT_INIT;
    size_t n = ITEXD_MAX_VARIABLES + 2;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        snprintf(entries[i], sizeof entries[i], "ITEX_V%zu=1", i);
        envp[i] = entries[i];
    }
    envp[n] = NULL;
    assert_int_equal(environment_collect(&e, envp), 0);
    assert_int_equal(e.n_variables, ITEXD_MAX_VARIABLES);
    assert_int_equal(e.n_oversized, 2);
    environment_free(&e);
}

static void test_override(void **state)
{
    char *envp[] = {(char *)"ITEX_VERBOSE=1", (char *)"ITEX_OPS_OVERRIDE=0", NULL};
    struct environment e = ENVIRONMENT_INIT;

    (void)state;
    assert_int_equal(environment_collect(&e, envp), 0);
    assert_int_equal(environment_override(&e, "ITEX_VERBOSE", NULL), 0);
    assert_int_equal(environment_override(&e, "ITEX_OPS_OVERRIDE", "1"), 0);
    assert_int_equal(environment_override(&e, "ITEX_NEW", ""), 0);
    assert_int_equal(environment_override(&e, "PATH", "/evil"), 0);
    assert_int_equal(environment_override(&e, "", "x"), -EINVAL);
    assert_int_equal(environment_override(&e, "A=B", "x"), -EINVAL);
    assert_int_equal(environment_override(&e, NULL, "x"), -EINVAL);
    assert_null(environment_get(&e, "ITEX_VERBOSE"));
    assert_string_equal(environment_get(&e, "ITEX_OPS_OVERRIDE"), "1");
    assert_string_equal(environment_get(&e, "ITEX_NEW"), "");
    assert_null(environment_get(&e, "PATH"));
    assert_int_equal(e.n_variables, 2);
    environment_free(&e);
}

/* ---- The flags file ------------------------------------------------------------------------------ */

/* What TF_XLA_FLAGS with this value comes to; the text (may be NULL) is compared where there is one. */
static void expect_flags(const char *value, enum flags_source source, const char *text)
{
    struct environment e = ENVIRONMENT_INIT;

    assert_int_equal(environment_override(&e, "TF_XLA_FLAGS", value), 0);
    assert_int_equal(environment_read_flags_file(&e, NULL), 0);
    assert_int_equal(e.flags_source, source);
    if (text)
        assert_string_equal(e.flags_text, text);
    else
        assert_null(e.flags_text);
    environment_free(&e);
}

static void test_flags_themselves_are_no_file(void **state)
{
    (void)state;
    expect_flags(NULL, FLAGS_NO_FILE, NULL);
    expect_flags("", FLAGS_NO_FILE, NULL);
    expect_flags("--tf_xla_auto_jit=1", FLAGS_NO_FILE, NULL);
    expect_flags(" \t\r\n-x", FLAGS_NO_FILE, NULL);
}

static void test_a_file_is_read(void **state)
{
    char name[160];

    (void)state;
    write_file("flags", "--tf_xla_auto_jit=2\n", 20);
    expect_flags(in_directory("flags"), FLAGS_FILE, "--tf_xla_auto_jit=2\n");
    write_file("flags", "", 0);
    expect_flags(in_directory("flags"), FLAGS_FILE, "");
    snprintf(name, sizeof name, " %s", in_directory("flags")); /* the whole value is the name, its blank too */
    expect_flags(name, FLAGS_MISSING, NULL);
    expect_flags("/dev/null", FLAGS_FILE, "");
    expect_flags(directory, FLAGS_FILE, "");
}

static void test_missing(void **state)
{
    (void)state;
    expect_flags("/tmp/itexd-no-such-file", FLAGS_MISSING, NULL);
    expect_flags("   ", FLAGS_MISSING, NULL); /* blanks alone are a file's name to TensorFlow */
    expect_flags("/dev/null/below", FLAGS_MISSING, NULL);
}

static void test_no_right_to_read_is_missing(void **state)
{
    (void)state;
    write_file("secret", "-x", 2);
    assert_int_equal(chmod(in_directory("secret"), 0), 0);
    if (geteuid() != 0) {
        expect_flags(in_directory("secret"), FLAGS_MISSING, NULL);
        return;
    }
    /* The superuser may read all; as somebody else, in a process of its own. */
    assert_int_equal(chmod(directory, 0755), 0);
    pid_t child = fork();
    if (child == 0) {
        char *text;
        if (setresuid(65534, 65534, 65534) < 0)
            _exit(2);
        _exit(flags_file_read(in_directory("secret"), 100, &text) == -ENOENT ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_unreadable(void **state)
{
    char *big = malloc(ITEXD_MAX_FLAGS_FILE + 1);

    (void)state;
    assert_non_null(big);
    memset(big, '-', ITEXD_MAX_FLAGS_FILE + 1);
    write_file("big", big, ITEXD_MAX_FLAGS_FILE + 1);
    expect_flags(in_directory("big"), FLAGS_UNREADABLE, NULL);
    write_file("nul", "-a\0-b", 5);
    expect_flags(in_directory("nul"), FLAGS_UNREADABLE, NULL);
    assert_int_equal(mkfifo(in_directory("pipe"), 0600), 0);
    expect_flags(in_directory("pipe"), FLAGS_UNREADABLE, NULL); /* and does not wait for a writer */
    expect_flags("/dev/zero", FLAGS_UNREADABLE, NULL);
    expect_flags("/proc/self/mem", FLAGS_UNREADABLE, NULL); /* opens, and fails to read */
    big[ITEXD_MAX_FLAGS_FILE] = '\0';
    write_file("big", big, ITEXD_MAX_FLAGS_FILE);
    expect_flags(in_directory("big"), FLAGS_FILE, big); /* exactly the limit */
    free(big);
}

static void test_a_file_too_large_is_named(void **state)
{
    struct environment e = ENVIRONMENT_INIT;
    FILE *file = fopen(in_directory("big"), "w");

    (void)state;
    assert_non_null(file);
    assert_true(fprintf(file, "-%*s", (int)ITEXD_MAX_FLAGS_FILE, "x") > 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(environment_override(&e, "TF_XLA_FLAGS", in_directory("big")), 0);
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(environment_read_flags_file(&e, NULL), 0);
        assert_int_equal(e.flags_source, FLAGS_UNREADABLE);
        assert_int_equal(e.n_oversized, 1);
        assert_string_equal(e.oversized[0], "xla_flags_file");
    }
    environment_free(&e);
}

static void test_the_script_counts_before_the_environment(void **state)
{
    struct environment e = ENVIRONMENT_INIT;

    (void)state;
    assert_int_equal(environment_override(&e, "TF_XLA_FLAGS", "/tmp/itexd-no-such-file"), 0);
    assert_int_equal(environment_read_flags_file(&e, "--tf_xla_auto_jit=1"), 0);
    assert_int_equal(e.flags_source, FLAGS_NO_FILE);
    assert_int_equal(environment_read_flags_file(&e, "/dev/null"), 0);
    assert_int_equal(e.flags_source, FLAGS_FILE);
    assert_int_equal(environment_read_flags_file(&e, NULL), 0);
    assert_int_equal(e.flags_source, FLAGS_MISSING);
    assert_null(e.flags_text);
    environment_free(&e);
}

/* ---- The job ------------------------------------------------------------------------------------- */

static void expect_job(char *const *envp, const char *job, const char *step)
{
    struct job_id id = job_find(envp);

    if (job)
        assert_string_equal(id.job, job);
    else
        assert_null(id.job);
    if (step)
        assert_string_equal(id.step, step);
    else
        assert_null(id.step);
}

static void test_job(void **state)
{
    char *slurm[] = {(char *)"PBS_JOBID=9", (char *)"SLURM_JOB_ID=7", (char *)"SLURM_STEP_ID=0", NULL};
    char *no_step[] = {(char *)"SLURM_JOB_ID=7", NULL};
    char *pbs[] = {(char *)"SLURM_JOB_ID=", (char *)"SLURM_STEP_ID=1", (char *)"PBS_JOBID=9.node", NULL};
    char *lsf[] = {(char *)"LSB_JOBID=5", NULL};
    char *flux[] = {(char *)"FLUX_JOB_ID=f2Q", NULL};
    char *near_miss[] = {(char *)"SLURM_JOB_ID_X=7", (char *)"XSLURM_JOB_ID=7", NULL};
    char *too_long = long_entry("LSB_JOBID", ITEXD_MAX_VALUE + 1);
    char *oversized[] = {too_long, NULL};

    (void)state;
    expect_job(slurm, "7", "0");
    expect_job(no_step, "7", NULL);
    expect_job(pbs, "9.node", NULL);
    expect_job(lsf, "5", NULL);
    expect_job(flux, "f2Q", NULL);
    expect_job(near_miss, NULL, NULL);
    expect_job(oversized, NULL, NULL);
    expect_job(NULL, NULL, NULL);
    free(too_long);
}

static void expect_rank(const char *first, const char *second, const char *third, bool known, uint32_t size,
                        uint32_t number, bool is_first)
{
    char *envp[] = {(char *)first, (char *)second, (char *)third, NULL};
    struct local_rank rank = {0, 0};

    assert_int_equal(job_local_rank(envp, &rank), known);
    if (known) {
        assert_int_equal(rank.size, size);
        assert_int_equal(rank.rank, number);
    }
    assert_int_equal(job_first_rank(envp), is_first);
}

static void test_ranks(void **state)
{
    (void)state;
    expect_rank(NULL, NULL, NULL, false, 0, 0, true);
    expect_rank("MPI_LOCALRANKID=1", "MPI_LOCALNRANKS=2", NULL, true, 2, 1, false);
    expect_rank("OMPI_COMM_WORLD_LOCAL_RANK=0", "OMPI_COMM_WORLD_LOCAL_SIZE=2", NULL, true, 2, 0, true);
    expect_rank("PALS_LOCAL_RANKID=3", NULL, NULL, false, 0, 0, false);
    expect_rank("HOROVOD_LOCAL_RANK=2", "HOROVOD_LOCAL_SIZE=4", NULL, true, 4, 2, false);
    expect_rank("SLURM_LOCALID=1", "SLURM_STEP_TASKS_PER_NODE=4(x2)", NULL, true, 4, 1, false);
    expect_rank("FLUX_TASK_LOCAL_ID=1", "FLUX_JOB_SIZE=4", "FLUX_JOB_NNODES=1", true, 4, 1, false);
    expect_rank("FLUX_TASK_LOCAL_ID=1", "FLUX_JOB_SIZE=4", "FLUX_JOB_NNODES=2", false, 0, 0, false);
    expect_rank("FLUX_TASK_LOCAL_ID=4", "FLUX_JOB_SIZE=4", "FLUX_JOB_NNODES=1", false, 0, 0, false);
    /* Under a scheduler's step the MPI launcher's own ranks count. */
    expect_rank("SLURM_LOCALID=0", "OMPI_COMM_WORLD_LOCAL_RANK=1", "OMPI_COMM_WORLD_LOCAL_SIZE=2", true, 2, 1, false);
    expect_rank("MPI_LOCALRANKID=x", "MPI_LOCALNRANKS=2", NULL, false, 0, 0, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_list_is_collected),
        cmocka_unit_test(test_long_values_are_named_not_cut),
        cmocka_unit_test(test_too_many_variables_are_named),
        cmocka_unit_test(test_override),
        cmocka_unit_test(test_flags_themselves_are_no_file),
        cmocka_unit_test(test_a_file_is_read),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_no_right_to_read_is_missing),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_a_file_too_large_is_named),
        cmocka_unit_test(test_the_script_counts_before_the_environment),
        cmocka_unit_test(test_job),
        cmocka_unit_test(test_ranks),
    };

    return cmocka_run_group_tests_name("client-environment", tests, make_directory, remove_directory);
}
