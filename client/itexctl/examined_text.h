/* What was found out about a job's script, for people and as JSON. */
#ifndef ITEXCTL_EXAMINED_TEXT_H
#define ITEXCTL_EXAMINED_TEXT_H

#include "client/itexctl/examine.h"
#include "client/itexctl/output.h"
#include "client/itexctl/run_say.h"

/* Script, interpreter, facts and where each comes from, what the script does to the environment, and findings. */
void print_examined(const struct printer *printer, const struct examined *examined,
                    const Itexd__V1__Decision *decision);

/* The facts alone; decision NULL: those that were found. all: also what is not the case. */
void print_told_facts(const struct printer *printer, const struct examined *examined,
                      const Itexd__V1__Decision *decision, bool all);

/* What the script does to the environment. */
void print_script_variables(const struct printer *printer, const struct examined *examined);

/* "file", "line" and "column" of an object; null where they are not known. */
void json_add_place(struct json_object *object, const struct place *place);
struct json_object *json_finding(const struct finding *finding);
/* script, interpreter, python, kept, problem, facts, installation, environment, findings. NULL without memory. */
struct json_object *json_examined(const struct examined *examined);
/* What run --dry-run shows beside the decision: the former, and "hook", "changes", "command". */
struct json_object *json_run(const struct examined *examined, const struct hook *hook, const struct apply_plan *plan,
                             char *const *command);

#endif
