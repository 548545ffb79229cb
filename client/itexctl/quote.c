/* Quoting for shells: see quote.h. Inside '...' each shell leaves all but a few bytes alone; those go outside. */
#include "client/itexctl/quote.h"

#include <stddef.h>
#include <string.h>

/* What stands for this byte inside quotes; NULL: itself. */
static const char *escape(enum shell shell, char byte)
{
    switch (shell) {
    case SHELL_SH:
        return byte == '\'' ? "'\\''" : NULL;
    case SHELL_FISH:
        return byte == '\'' ? "\\'" : byte == '\\' ? "\\\\" : byte == '\n' ? "'\\n'" : NULL;
    case SHELL_CSH: /* history is expanded even between quotes; \! is how it is not */
        return byte == '\'' ? "'\\''" : byte == '!' ? "\\!" : byte == '\n' ? "'$'\\n''" : NULL;
    }
    return NULL;
}

static void print_quoted(FILE *out, enum shell shell, const char *value)
{
    fputc('\'', out);
    for (; *value; value++) {
        const char *text = escape(shell, *value);
        if (text)
            fputs(text, out);
        else
            fputc(*value, out);
    }
    fputc('\'', out);
}

void shell_change(FILE *out, enum shell shell, const char *name, const char *value)
{
    static const char *const set[] = {
        [SHELL_SH] = "export %s=", [SHELL_FISH] = "set -gx %s ", [SHELL_CSH] = "setenv %s "};
    static const char *const unset[] = {
        [SHELL_SH] = "unset %s;\n", [SHELL_FISH] = "set -e %s;\n", [SHELL_CSH] = "unsetenv %s;\n"};
    const char *format = value ? set[shell] : unset[shell];
    const char *mark = strstr(format, "%s");
    fprintf(out, "%.*s%s%s", (int)(mark - format), format, name, mark + 2);
    if (!value)
        return;
    print_quoted(out, shell, value);
    fputs(";\n", out);
}

void shell_word(FILE *out, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
    if (*word && word[strspn(word, plain)] == '\0')
        fputs(word, out);
    else
        print_quoted(out, SHELL_SH, word);
}

void shell_status(FILE *out, enum shell shell, int status)
{
    if (shell == SHELL_FISH)
        fprintf(out, "sh -c 'exit %d';\n", status);
    else
        fprintf(out, "(exit %d);\n", status);
}
