/* What would be done: see run_show.h. */
#include "client/itexctl/run_show.h"
#include "client/itexctl/examined_text.h"
#include "client/itexctl/json_parts.h"
#include "client/itexctl/output.h"
#include "client/itexctl/quote.h"
#include "client/itexctl/words.h"
#include "proto/cleanup.h"

#include <limits.h>
#include <stdlib.h>

/* On one line, so that it can be copied. */
static void print_command(const struct printer *printer, char *const *command)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return;
    for (size_t i = 0; command[i]; i++) {
        fputs(i ? " " : "", out);
        shell_word(out, command[i]);
    }
    fclose(out);
    const struct printer wide = {.out = printer->out, .width = INT_MAX};
    print_paragraph(&wide, 2, text);
    free(text);
}

static void print_hook(const struct printer *printer, const struct hook *hook)
{
    switch (hook->kind) {
    case HOOK_INSTALLED:
        print_field(printer, "hook", "its Python has itexclient");
        break;
    case HOOK_BUNDLED:
        print_field(printer, "hook", "the runner is put in front of the script, for its Python has no itexclient");
        break;
    case HOOK_MISSING:
        print_fieldf(printer, "hook", "none: %s", hook->why);
        break;
    case HOOK_OF_NO_PYTHON:
        break;
    }
}

static void print_job(const struct printer *printer, const struct run_shown *shown, const Itexd__V1__Decision *decision)
{
    fputc('\n', printer->out);
    print_heading(printer, TONE_PLAIN, "The job:");
    print_examined(printer, shown->examined, decision);
    print_hook(printer, shown->hook);
}

int run_show(const struct context *context, const struct decided *decided, const struct run_shown *shown)
{
    int status = decided_status(decided);
    if (context->json) {
        struct json_object *object = json_decision(decided->decision);
        if (object)
            json_add(object, "run", json_run(shown->examined, shown->hook, shown->plan, shown->command));
        return json_print(stdout, object) < 0 ? EXIT_INTERNAL : status;
    }
    CLEANUP(printer_close) struct printer printer = printer_open(context, stdout);
    if (printer_mark(&printer, decision_mark(decided->decision)) < 0)
        return fail(EXIT_INTERNAL, "out of memory");
    print_decision(&printer, decided->decision);
    print_job(&printer, shown, decided->decision);
    fputc('\n', printer.out);
    if (status != EXIT_DONE) {
        CLEANUP(freep) char *text = decided_rejection(decided);
        print_heading(&printer, TONE_BAD, "The command would not be started:");
        print_paragraph(&printer, 2, text ? text : "rejected");
        return status;
    }
    print_heading(&printer, TONE_PLAIN, "The command would run with:");
    for (size_t i = 0; i < shown->plan->n_changes; i++) {
        const struct apply_change *change = &shown->plan->changes[i];
        print_paragraphf(&printer, 2, "%s%s%s%s", change->value ? "" : "unset ", change->name, change->value ? "=" : "",
                         change->value ? change->value : "");
    }
    print_command(&printer, shown->command);
    return EXIT_DONE;
}

int run_show_unmanaged(const struct context *context, const struct failure *failure, const struct run_shown *shown)
{
    CLEANUP(printer_close) struct printer printer = printer_open(context, stdout);
    note("%s", failure->text);
    if (context->json)
        return EXIT_DONE;
    printf("Without a decision the command would run with its environment as it is:\n");
    print_command(&printer, shown->command);
    print_job(&printer, shown, NULL);
    return EXIT_DONE;
}
