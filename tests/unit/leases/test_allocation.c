/* What a scheduler gave, case by case. Two cards of two tiles, or as said. */
#include "node.h"

#include "daemon/leases/allocation.h"

#include <string.h>

#define MAX_VARIABLES 6

struct variable {
    const char *name, *value;
};

struct allocation_case {
    const char *what;
    struct variable environment[MAX_VARIABLES];
    unsigned visible; /* bits; 0: both */
    bool flat_by_default, one_tile;
    /* expected */
    const char *units;
    const char *differs; /* part of the text; NULL: none */
    const char *emitted; /* hierarchy; NULL: none */
};

#define SLURM                                                                                                          \
    {                                                                                                                  \
        "SLURM_JOB_ID", "7"                                                                                            \
    }

static const struct allocation_case cases[] = {
    {"no mask: all that the job can open", {SLURM}, .units = "0 1"},
    {"no mask, one card of its own", {SLURM}, .visible = 2, .units = "1"},
    {"job-local numbers", {SLURM, {"ZE_AFFINITY_MASK", "0"}}, .visible = 2, .units = "1", .emitted = "COMPOSITE"},
    {"tiles by name", {SLURM, {"ZE_AFFINITY_MASK", "0.1,1.0"}}, .units = "0.1 1.0", .emitted = "COMPOSITE"},
    {"tiles by name, where flat is the default",
     {SLURM, {"ZE_AFFINITY_MASK", "0.1"}},
     .flat_by_default = true,
     .units = "0.1",
     .emitted = "COMPOSITE"},
    {"more than there are cards: tiles", {SLURM, {"ZE_AFFINITY_MASK", "0,3"}}, .units = "0.0 1.1", .emitted = "FLAT"},
    {"could be either: the default",
     {SLURM, {"ZE_AFFINITY_MASK", "1"}},
     .flat_by_default = true,
     .units = "0.1",
     .emitted = "FLAT"},
    {"its own word stands",
     {SLURM, {"ZE_AFFINITY_MASK", "1"}, {"ZE_FLAT_DEVICE_HIERARCHY", "COMPOSITE"}},
     .flat_by_default = true,
     .units = "1"},
    {"its own word, flat", {SLURM, {"ZE_AFFINITY_MASK", "1"}, {"ZE_FLAT_DEVICE_HIERARCHY", "FLAT"}}, .units = "0.1"},
    {"a word that the driver does not know",
     {SLURM, {"ZE_AFFINITY_MASK", "1"}, {"ZE_FLAT_DEVICE_HIERARCHY", "flat"}},
     .units = "1",
     .emitted = "COMPOSITE"},
    {"no mask, flat", {SLURM}, .visible = 1, .flat_by_default = true, .units = "0.0 0.1"},
    {"numbers of the node in a job that sees one card",
     {SLURM, {"ZE_AFFINITY_MASK", "1"}},
     .visible = 2,
     .one_tile = true,
     .units = "",
     .differs = "ZE_AFFINITY_MASK=1 counts beyond the 1 "},
    {"partly beyond", {SLURM, {"ZE_AFFINITY_MASK", "0,4"}}, .units = "0.0", .differs = "beyond the 4 tiles"},
    {"no list of numbers", {SLURM, {"ZE_AFFINITY_MASK", "x"}}, .units = "", .differs = "is no list of numbers"},
    {"nothing to open", {SLURM}, .visible = 1u << 30, .units = ""},
    {"Slurm's count fits: cards",
     {SLURM, {"SLURM_JOB_GPUS", "2,3"}, {"ZE_AFFINITY_MASK", "0,1"}},
     .units = "0 1",
     .emitted = "COMPOSITE"},
    {"Slurm's count fits: it counts tiles", {SLURM, {"SLURM_JOB_GPUS", "0-3"}}, .units = "0 1"},
    {"Slurm's count fits: it counts cards, the mask tiles",
     {SLURM, {"SLURM_JOB_GPUS", "5"}, {"ZE_AFFINITY_MASK", "0.0,0.1"}},
     .units = "0.0 0.1",
     .emitted = "COMPOSITE"},
    {"the step's list is the narrower",
     {SLURM, {"SLURM_JOB_GPUS", "0,1"}, {"SLURM_STEP_GPUS", "0"}, {"ZE_AFFINITY_MASK", "0"}},
     .units = "0",
     .emitted = "COMPOSITE"},
    {"Slurm gave one, the job sees all",
     {SLURM, {"SLURM_JOB_GPUS", "0"}},
     .units = "0 1",
     .differs = "SLURM_JOB_GPUS=0 is 1, but the job, without a mask, selects 2 of the 2"},
    {"Slurm gave three, the mask has two",
     {SLURM, {"SLURM_STEP_GPUS", "0-2"}, {"ZE_AFFINITY_MASK", "0.0,1.0"}},
     .units = "0.0 1.0",
     .differs = "SLURM_STEP_GPUS=0-2 is 3"},
    {"a list in words is not compared", {SLURM, {"SLURM_JOB_GPUS", "gpu:pvc:3"}}, .units = "0 1"},
    {"PBS", {{"PBS_JOBID", "1.host"}, {"ZE_AFFINITY_MASK", "1.0"}}, .units = "1.0", .emitted = "COMPOSITE"},
};

static const char *look_up(void *context, const char *name)
{
    const struct allocation_case *now = context;

    for (size_t i = 0; i < MAX_VARIABLES && now->environment[i].name; i++)
        if (strcmp(now->environment[i].name, name) == 0)
            return now->environment[i].value;
    return NULL;
}

static void test_cases(void **state)
{
    static struct pool pool;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct allocation_case *now = &cases[i];
        struct allocation got;

        print_message("# %s\n", now->what);
        node_make(&pool, 2, now->one_tile ? 1 : 2, 1);
        pool.cards[0].flat_by_default = pool.cards[1].flat_by_default = now->flat_by_default;
        allocation_read(&pool, now->visible ? now->visible : 3, look_up, (void *)now, &got);
        assert_true(got.found);
        assert_string_equal(units_text(&got.units), now->units);
        if (now->differs)
            assert_non_null(strstr(got.differs, now->differs));
        else
            assert_string_equal(got.differs, "");
        assert_int_equal(got.emit, now->emitted != NULL);
        if (now->emitted)
            assert_string_equal(hierarchy_name(got.hierarchy), now->emitted);
    }
}

static void test_schedulers(void **state)
{
    static struct pool pool;
    static const char *const names[][2] = {
        {"SLURM_JOB_ID", "Slurm"}, {"PBS_JOBID", "PBS"}, {"LSB_JOBID", "LSF"}, {"FLUX_JOB_ID", "Flux"}};
    struct allocation_case none = {.environment = {{"ZE_AFFINITY_MASK", "0"}}};
    struct allocation got;

    (void)state;
    node_make(&pool, 1, 1, 1);
    for (size_t i = 0; i < 4; i++) {
        struct allocation_case now = {.environment = {{names[i][0], "1"}}};

        allocation_read(&pool, 1, look_up, &now, &got);
        assert_true(got.found);
        assert_string_equal(got.scheduler, names[i][1]);
    }
    allocation_read(&pool, 1, look_up, &none, &got);
    assert_false(got.found);
    assert_int_equal(got.units.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_schedulers)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
