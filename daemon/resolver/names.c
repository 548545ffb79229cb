/* The words for the resolver's enums, as they stand in JSON, messages and the database. */
#include "daemon/resolver/resolver.h"

const char *severity_name(enum severity severity)
{
    static const char *const names[] = {"info", "warning", "unsupported", "error"};

    return names[severity];
}

const char *outcome_name(enum outcome outcome)
{
    static const char *const names[] = {"ok",    "warning", "slow",  "unsupported", "cpu",
                                        "exit0", "error",   "abort", "no-device"};

    return names[outcome];
}

const char *mode_name(enum mode mode)
{
    static const char *const names[] = {NULL, "none", "stream-executor", "npd", "npd+xla"};

    return names[mode];
}

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {"ok", "fixed", "advised", "rejected"};

    return names[verdict];
}

const char *provenance_name(enum provenance from)
{
    static const char *const names[] = {"unknown", "inferred", "node", "environment", "script", "declared"};

    return names[from];
}
