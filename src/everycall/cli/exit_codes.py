"""The exit codes. The docstring of the package explains them, and the documentation is made from it."""

from collections.abc import Mapping

from everycall import errors

FAILED_HERE = 1
NOT_PROVEN = 4
NOBODY_READS = 141
"""As a shell reports a process that SIGPIPE has ended: 128 + 13."""

EXIT_CODES: Mapping[type[BaseException], int] = {
    errors.QueryError: 2,
    errors.SettingsError: 2,
    errors.AccessError: 3,
    errors.ServiceError: 5,
    errors.OutputRefused: 2,
    errors.OutputError: 5,
}
