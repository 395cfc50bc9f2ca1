"""`everycall doctor`."""

from collections.abc import Iterator, Sequence

from everycall.cli import outputs
from everycall.cli.context import Context
from everycall.cli.display import write_lines
from everycall.cli.exit_codes import EXIT_CODES, FAILED_HERE
from everycall.cli.formats import counted
from everycall.cli.options import FindingsFormat, Source
from everycall.cli.org import connected
from everycall.cli.parser import Arguments
from everycall.doctor import PATIENCE_S, Finding, examine, surroundings
from everycall.errors import AccessError, EverycallError


def run(arguments: Arguments, _context: Context) -> int:
    """Check, show the findings, and return the exit code."""
    findings: list[Finding] = []
    is_json = arguments.of(FindingsFormat).json
    for finding in _findings(arguments.of(Source)):
        findings.append(finding)
        if not is_json:
            write_lines(lines(finding))
    code = exit_code(findings)
    if is_json:
        outputs.write_json({"exitCode": code, "findings": [as_json(finding) for finding in findings]})
    else:
        write_lines(["", _total(findings)])
    return code


def _findings(source: Source) -> Iterator[Finding]:
    """The findings; settings without which there is no client are one, too."""
    try:
        with connected(source, patience_s=PATIENCE_S) as org:
            yield from surroundings(org.client, org.client.credentials.source or org.source)
            yield from examine(org.client)
    except EverycallError as error:
        check = "credentials" if isinstance(error, AccessError) else "settings"
        yield Finding(check, "wrong", str(error), error.hint, error)


def exit_code(findings: Sequence[Finding]) -> int:
    """That of the error of the first finding that is wrong; 0 if none is."""
    wrong = next((finding for finding in findings if finding.state == "wrong"), None)
    if wrong is None:
        return 0
    return next((code for kind, code in EXIT_CODES.items() if isinstance(wrong.error, kind)), FAILED_HERE)


def lines(finding: Finding) -> Iterator[str]:
    """A finding as text: one line, and one with the next step."""
    yield f"{finding.state:<8} {finding.check}: {finding.message}"
    if finding.hint:
        yield f"         hint: {finding.hint}"


def as_json(finding: Finding) -> dict[str, str]:
    """A finding for programs."""
    found = {"check": finding.check, "state": finding.state, "message": finding.message}
    correlation_id = finding.error.correlation_id if finding.error else ""
    return {
        **found,
        **({"hint": finding.hint} if finding.hint else {}),
        **({"correlationId": correlation_id} if correlation_id else {}),
    }


def _total(findings: Sequence[Finding]) -> str:
    wrong = sum(finding.state == "wrong" for finding in findings)
    warnings = sum(finding.state == "warning" for finding in findings)
    if not wrong and not warnings:
        return "Everything is as it should be."
    return f"{wrong} wrong, {counted(warnings, 'warning')}."
