# Prints one line about this interpreter: version, system, machine, C library, and whether it has
# pip.
import importlib.util
import platform
import sys

print(
    "%d.%d" % sys.version_info[:2],
    sys.platform,
    platform.machine().lower() or "?",
    platform.libc_ver()[0] or "?",
    "pip" if importlib.util.find_spec("pip") else "bare",
)
