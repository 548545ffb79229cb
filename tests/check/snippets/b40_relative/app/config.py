CONFIG = {
    "units": 4,
    "env": {"ITEX_OPS_OVERRIDE": "0", "ITEX_REMAPPER": "on"},
    "compile": {"jit_compile": False},
}
