/* itexctl resolve: what the node decides for this environment, shown. Changes nothing. */
#include "client/itexctl/decide.h"
#include "client/itexctl/examine.h"
#include "client/itexctl/examined_text.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"

static int resolve_run(struct context *context, const struct operands *operands)
{
    const struct ask *ask = context->values;
    CLEANUP(examined_clear) struct examined examined = EXAMINED_INIT;
    CLEANUP(decided_clear) struct decided decided = DECIDED_INIT;
    CLEANUP(failure_clear) struct failure failure = FAILURE_INIT;
    if (operands->n_items > 0)
        return fail(EXIT_USAGE, "unexpected argument \"%.60s\"; to run a program use itexctl run", operands->items[0]);
    if (examine_named(ask, &examined, &failure) < 0 ||
        decide(context, ask, ASK_FOR_HOLDER, &examined, &decided, &failure) < 0)
        return failure_report(&failure);
    if (context->json) {
        if (json_print(stdout, json_decision(decided.decision)) < 0)
            return fail(EXIT_INTERNAL, "out of memory");
    } else {
        CLEANUP(printer_close) struct printer printer = printer_open(context, stdout);
        if (printer_mark(&printer, decision_mark(decided.decision)) < 0)
            return fail(EXIT_INTERNAL, "out of memory");
        print_decision(&printer, decided.decision);
        if (ask->script) {
            fputc('\n', printer.out);
            print_heading(&printer, TONE_PLAIN, "The job:");
            print_examined(&printer, &examined, decided.decision);
        }
    }
    /* A holder keeps what it was given, once its answer is out. */
    if (ask->holder > 0 && fflush(stdout) == 0)
        decided_accept(&decided);
    int status = decided_status(&decided);
    if (status != EXIT_DONE)
        decided_report_rejection(&decided, "");
    return status;
}

static const char *const formats[] = {"text", "json", NULL};
static const struct option_group groups[] = {
    ASK_GROUPS,
    {"Environment", ask_clean_option, LENGTH(ask_clean_option), NULL},
};

const struct command command_resolve = {
    .name = "resolve",
    .summary = "show what the node decides for a job",
    .usage = "[OPTION...]",
    .formats = formats,
    .groups = groups,
    .n_groups = LENGTH(groups),
    .values_size = sizeof(struct ask),
    .run = resolve_run,
};
