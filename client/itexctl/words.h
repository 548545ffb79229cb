/* The fixed words of decisions, said in sentences, and decisions as blocks of text. */
#ifndef ITEXCTL_WORDS_H
#define ITEXCTL_WORDS_H

#include "client/itexctl/output.h"

/* "ends with status 0 without having trained" for exit0; a word this version does not know stays as it is. */
const char *outcome_words(const char *outcome);
/* "NextPluggableDevice with XLA" for npd+xla; NULL for a word this version does not know. */
const char *mode_words(const char *mode);
/* What an obligation's token asks of the job; from malloc, NULL without memory. */
char *obligation_words(const char *token);
/* What the job's own environment would have come to; from malloc, NULL without memory. */
char *prediction_words(const Itexd__V1__Outcome *outcome);
/* "a, b, c"; from malloc, NULL without memory. */
char *join_words(char *const *items, size_t n_items);

/* "SIMULATED" or "EMULATED" where a decision is about no real GPUs; NULL. */
const char *decision_mark(const Itexd__V1__Decision *decision);
/* The mark in front of a line, "" for NULL. */
#define MARK_SIZE 32
void mark_prefix(const char *mark, char prefix[MARK_SIZE]);

/* A decision as resolve and run --dry-run show it. */
void print_decision(const struct printer *printer, const Itexd__V1__Decision *decision);
/* Its parts, which explain uses too. */
void print_devices(const struct printer *printer, const Itexd__V1__Decision *decision);
void print_changes(const struct printer *printer, const char *label, Itexd__V1__Variable *const *env, size_t n_env);
void print_obligations(const struct printer *printer, const char *label, char *const *tokens, size_t n_tokens);

#endif
