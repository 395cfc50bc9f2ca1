"""Declares the options of the commands. `queries`, `org` and `outputs` turn them into queries, clients and outputs."""

import re
from dataclasses import dataclass
from typing import Literal

from everycall.api.limits import PAGE_SIZE_MAX
from everycall.cli.parser import Group, number, option, positional, switch, whole_number

WHEN = Group("When")
WHICH = Group(
    "Which conversations",
    "Each option can be given several times: one of its values has to match. Different options have to match all.",
)
OUTPUT = Group("Output")
SOURCE = Group("Source")
FORGOTTEN = Group("Conversations")
MESSAGES = Group("Messages")
LOG = Group("Log", "No log has a query string, a body, a secret or personal data.")

PROFILES = Group("Profile")
LIST = Group("List")
SHELL = Group("Shell")

LISTENING = Group("Address")
CENTRE = Group("Contact centre")
CLOCK = Group("Clock")
FAULTS = Group("Limits and faults")
FILES = Group("Instead of an invented contact centre")

FORMATS = (
    "csv", "csv.gz", "jsonl", "jsonl.gz", "jsonl.zst", "xlsx", "parquet", "delta", "duckdb", "csv-folder", "csv-days",
    "jsonl-days", "postgresql",
)  # fmt: skip
"""Those of `sinks.targets`, which is not loaded for the help."""

TIMEOUT_MAX_S = 3600
"""An hour: more than any answer takes."""

WORKERS_MAX = 64


def permissions(written: str) -> int:
    """Parse the permissions of a file in octal: the owner can read and write it, and nobody can execute it."""
    mode = int(written, 8) if re.fullmatch(r"0?[0-7]{3}", written) else 0
    if mode & 0o600 != 0o600 or mode & 0o111:
        raise ValueError("Give an octal mode such as 600, 640 or 644.")
    return mode


@dataclass(frozen=True, kw_only=True)
class When:
    """Options for the interval."""

    last: str | None = option(
        None, WHEN, "This long, up to now: 7d, 36h, 90m, 2w, or ISO 8601 (P1M). [default: 7d]", value="DURATION"
    )
    interval: str | None = option(
        None,
        WHEN,
        "ISO 8601: START/END, START/P1D, P1D/END, P7D (ends now), or one date, week, month or year; or today, "
        "yesterday, last-week (from Monday), last-month. The end is not included.",
        value="INTERVAL",
    )
    since: str | None = option(None, WHEN, "From this date or instant.", value="DATE")
    until: str | None = option(
        None, WHEN, "Up to this date or instant, which is not included. [default: now]", value="DATE"
    )
    timezone: str = option(
        "UTC", WHEN, "The time zone of dates and local times, such as Europe/Berlin. [default: UTC]", value="ZONE"
    )
    settled: bool = switch(WHEN, "Only data that the vendor no longer changes: up to midnight UTC four days ago.")


@dataclass(frozen=True, kw_only=True)
class Which:
    """Options for the filters."""

    queue: tuple[str, ...] = option(
        (), WHICH, "Conversations that passed through this queue: its name or id.", value="QUEUE", many=True
    )
    user: tuple[str, ...] = option(
        (), WHICH, "Conversations in which this user took part: name, e-mail address or id.", value="USER", many=True
    )
    wrapup: tuple[str, ...] = option(
        (), WHICH, "Conversations that somebody closed with this wrap-up code: its name or id.", value="CODE", many=True
    )
    division: tuple[str, ...] = option(
        (), WHICH, "Conversations of this division: its name or id.", value="DIVISION", many=True
    )
    media: tuple[str, ...] = option((), WHICH, "voice, chat, email, message, callback, ...", value="MEDIA", many=True)
    direction: tuple[str, ...] = option((), WHICH, "inbound or outbound.", value="DIRECTION", many=True)
    filter: str | None = option(
        None,
        WHICH,
        "A JSON file with a query body as the vendor's query builder writes it. Its filters are sent unchanged.",
        value="FILE",
    )
    match: str = option(
        "start",
        WHICH,
        "start: conversations that started in the interval, so that adjacent exports add up. activity: also those "
        "that started earlier on its first UTC day and had not ended. [default: start]",
        choices=("start", "activity"),
    )


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Options for the outputs and their columns."""

    output: tuple[str, ...] = option(
        (),
        OUTPUT,
        "What to write: a .csv, .jsonl (also as .gz or .zst) or .xlsx file; tables in a .parquet or .delta folder, or "
        "as CSV in csv:FOLDER/; a .duckdb file; postgresql://... or service=NAME for PostgreSQL; csv-days:FOLDER or "
        "jsonl-days:FOLDER, a file for each UTC day; - is standard output. "
        "Can be given several times: the API is read once. FORMAT:PATH for other endings. "
        "[default: conversations.csv]",
        value="PATH",
        parse=str,  # `outputs` checks the value
        short="-o",
        many=True,
    )
    format: str | None = option(
        None,
        OUTPUT,
        f"The format of every output: {', '.join(FORMATS)}. [default: by the endings; csv on standard output]",
        value="FORMAT",
        choices=FORMATS,
    )
    view: Literal["default", "extended"] = option(
        "default",
        OUTPUT,
        "default: eight columns; extended: all columns. [default: default]",
        choices=("default", "extended"),
    )
    columns: str | None = option(None, OUTPUT, "Only these columns, in this order, separated by commas.", value="NAMES")
    attribute: tuple[str, ...] = option(
        (),
        OUTPUT,
        "Another column, attribute:NAME, with this participant attribute; case and spaces count. Where several "
        "participants have it, that of who came last. Jobs read all windows then.",
        value="NAME",
        many=True,
    )
    fresh: bool = switch(OUTPUT, "Start over, and replace the output and any unfinished export of it.")
    file_mode: int = option(
        0o600,
        OUTPUT,
        "Permissions of new files, in octal; a replaced file keeps its own. [default: 600]",
        value="MODE",
        parse=permissions,
    )


@dataclass(frozen=True, kw_only=True)
class Rows(Outputs):
    """Options for the outputs of an export."""

    max_pages: int | None = option(
        None,
        OUTPUT,
        "A safety stop: read at most this many pages. Unread windows are reported, with exit code 4.",
        value="NUMBER",
        parse=whole_number(1),
    )
    workers: int | None = option(
        None,
        OUTPUT,
        "Number of extra processes that make rows. They help if the API's rate limit is not the bottleneck. "
        "[default: 2 on Linux with several cores, else 0]",
        value="NUMBER",
        parse=whole_number(0, WORKERS_MAX),
    )


@dataclass(frozen=True, kw_only=True)
class Converting(Outputs):
    """Options for the outputs of a conversion."""

    archive: str | None = positional(
        None,
        OUTPUT,
        "ARCHIVE",
        "JSON lines with one conversation each, such as an export to .jsonl, .jsonl.gz or .jsonl.zst; - is standard "
        "input.",
        parse=str,
    )
    attribute: tuple[str, ...] = option(
        (),
        OUTPUT,
        "Another column, attribute:NAME, with this participant attribute; case and spaces count. Where several "
        "participants have it, that of who came last. Archives by --route jobs have attributes.",
        value="NAME",
        many=True,
    )
    organization_id: str = option(
        "",
        OUTPUT,
        "The id of the org, which every row of tables has. [default: that of the archive's manifest, if it has one]",
        value="ID",
    )
    timezone: str = option(
        "UTC", OUTPUT, "The time zone of local times, such as Europe/Berlin. [default: UTC]", value="ZONE"
    )
    workers: int | None = option(
        None,
        OUTPUT,
        "Number of extra processes that make rows; 0 makes them in one process. [default: the number of cores]",
        value="NUMBER",
        parse=whole_number(0, WORKERS_MAX),
    )


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Options for how values look in rows."""

    times: Literal["utc", "local"] = option(
        "utc",
        OUTPUT,
        "Times in .csv files: utc, or local for the clocks of --timezone, with the offset. Times in .xlsx files are "
        "always local. [default: utc]",
        choices=("utc", "local"),
    )
    defuse_formulas: bool = switch(
        OUTPUT,
        "Put an apostrophe before texts in .csv files that a spreadsheet would take for a formula: those that begin "
        "with =, +, -, @, a tab or a carriage return.",
    )


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """Options for personal data."""

    redact: str | None = option(
        None,
        OUTPUT,
        "Replace personal data in every output by keyed hashes, which can still be joined. FIELDS are separated by "
        "commas: personal for everything that is not known to be harmless, or fields of the API. FIELD=drop leaves a "
        "field out, personal,FIELD=keep keeps it. The key is in EVERYCALL_REDACTION_KEY.",
        value="FIELDS",
    )


@dataclass(frozen=True, kw_only=True)
class Paging:
    """Options for paging."""

    page_size: int = option(
        PAGE_SIZE_MAX,
        OUTPUT,
        f"Conversations on a page, at most {PAGE_SIZE_MAX}. [default: {PAGE_SIZE_MAX}]",
        value="NUMBER",
        parse=whole_number(1, PAGE_SIZE_MAX),
    )


@dataclass(frozen=True, kw_only=True)
class Way:
    """By which of the API's ways to read."""

    route: Literal["query", "jobs", "auto"] | None = option(
        None,
        SOURCE,
        "query: the details query, fresh, 100 conversations a request. jobs: asynchronous details jobs, 1,000 a "
        "request, but complete only until some hours ago. auto: the query where it takes no longer; else jobs where "
        "they are complete and take fewer requests, and the query for the rest. The rows are the same. "
        "[default: auto; jobs with --attribute]",
        choices=("query", "jobs", "auto"),
    )


@dataclass(frozen=True, kw_only=True)
class Source:
    """Options for the org and the client."""

    sandbox: bool = switch(SOURCE, "Use the built-in sandbox with invented data instead of the org in the environment.")
    profile: str | None = option(
        None,
        SOURCE,
        "Use the org of this profile (everycall profile list). [default: the environment, .env, or the default "
        "profile]",
        value="NAME",
    )
    rate_share: float = option(
        1.0,
        SOURCE,
        "The share of the API's rate limit to use: above 0, at most 1. [default: 1]",
        value="SHARE",
        parse=number(above=0, most=1),
    )
    timeout: float = option(
        60.0,
        SOURCE,
        "How long to wait for an answer to begin, or to continue, before sending the request again. [default: 60]",
        value="SECONDS",
        parse=number(above=0, most=TIMEOUT_MAX_S),
    )
    allow_http: bool = switch(
        SOURCE, "Allow an http:// address on another machine in GENESYS_ENV: others on the network can read the secret."
    )


@dataclass(frozen=True, kw_only=True)
class Messages:
    """Options for messages."""

    quiet: bool = switch(MESSAGES, "Print notes and errors only.")
    json: bool = switch(MESSAGES, "Print the summary as JSON on standard output (with -o -, on standard error).")


@dataclass(frozen=True, kw_only=True)
class Logs:
    """Options for the log and the metrics."""

    log_file: str | None = option(None, LOG, "Append a log to this file.", value="FILE")
    verbose: bool = switch(LOG, "Print the log on standard error.", short="-v")
    trace: bool = switch(
        LOG,
        "Log each request, too: method, path without ids, status, seconds, correlation id. Without --log-file, on "
        "standard error.",
    )
    log_format: Literal["text", "json"] = option(
        "text", LOG, "Lines of text, or of JSON. [default: text]", choices=("text", "json")
    )
    metrics_file: str | None = option(
        None, LOG, "Write metrics to this file when the command ends, in the text form of Prometheus.", value="FILE"
    )

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.log_file or self.verbose or self.trace or self.metrics_file)


@dataclass(frozen=True, kw_only=True)
class PlanFormat:
    """Options for the format of a plan."""

    json: bool = switch(MESSAGES, "Print the plan as JSON.")
    attributes: bool = switch(
        OUTPUT,
        "List the participant attributes, too: those seen on the last day that jobs have, in how many conversations, "
        "and of whom. Takes a job.",
    )


@dataclass(frozen=True, kw_only=True)
class ProfileAction:
    """What to do with profiles."""

    action: str = positional(
        "list", PROFILES, "add|list|use|remove", "What to do. [default: list]", choices=("add", "list", "use", "remove")
    )
    name: str | None = positional(None, PROFILES, "NAME", "The profile, for add, use and remove.")
    env: str | None = option(
        None,
        PROFILES,
        "For add: as GENESYS_ENV, a region (eu-central-1), place (frankfurt), domain or URL.",
        value="ENV",
    )
    client_id: str | None = option(None, PROFILES, "For add: the OAuth client's id.", value="ID")
    secret_store: Literal["keyring", "file"] | None = option(
        None,
        PROFILES,
        "For add: where to keep the secret. [default: the system's keyring if it answers, else a file that only you "
        "can read]",
        choices=("keyring", "file"),
    )
    json: bool = switch(MESSAGES, "For list: print JSON.")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Options of a list."""

    word: str | None = positional(None, LIST, "WORD", "Only what has this in its name, in any case.")
    format: Literal["table", "csv", "json"] = option(
        "table", LIST, "How to print the list. [default: table]", choices=("table", "csv", "json")
    )


@dataclass(frozen=True, kw_only=True)
class Completing:
    """Options of the completion."""

    shell: Literal["bash", "zsh", "fish", "powershell"] | None = positional(
        None, SHELL, "bash|zsh|fish|powershell", "Your shell.", choices=("bash", "zsh", "fish", "powershell")
    )
    install: bool = switch(SHELL, "Put the script where the shell finds it, instead of printing it.")


@dataclass(frozen=True, kw_only=True)
class FindingsFormat:
    """Options for the format of findings."""

    json: bool = switch(MESSAGES, "Print the findings as JSON.")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """Options for a finished export."""

    output: str | None = positional(
        None, OUTPUT, "FILE", "The output of a finished export; the manifest of a file has to be in the same folder."
    )
    repair: bool = switch(OUTPUT, "Export the windows that do not hold again, and only those.")


@dataclass(frozen=True, kw_only=True)
class Declared:
    """Options for the schema of the tables."""

    table: str | None = positional(
        None, OUTPUT, "TABLE", "The table or view whose columns are listed. [default: all tables]"
    )
    sql: Literal["duckdb", "postgresql"] | None = option(
        None,
        OUTPUT,
        "Print the statements that create the tables and views.",
        choices=("duckdb", "postgresql"),
    )
    views: bool = switch(OUTPUT, "List the views with the key figures instead of the tables.")
    over: str | None = option(
        None, OUTPUT, "Print the query of a view over the files of a Parquet or Delta folder, for DuckDB.", value="OUT"
    )
    json: bool = switch(MESSAGES, "Print JSON.")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Options for the time line of a conversation."""

    conversation: str | None = positional(
        None, OUTPUT, "ID", "The id of the conversation: its conversationId in an export."
    )
    from_: tuple[str, ...] = option(
        (),
        SOURCE,
        "Look here instead of asking the API: an archive (.jsonl, .jsonl.gz, .jsonl.zst), or a destination with tables "
        "(.parquet, .delta, .duckdb, csv:FOLDER/, postgresql://...). Can be given several times: the first that has it "
        "is taken.",
        value="PLACE",
        many=True,
    )
    output: tuple[str, ...] = option(
        (),
        OUTPUT,
        "Draw it into this file: a picture (.svg), or a page with the picture and tables (.html). Can be given several "
        "times. [default: the terminal]",
        value="FILE",
        parse=str,
        short="-o",
        many=True,
    )
    timezone: str = option(
        "UTC", OUTPUT, "The time zone of the times, such as Europe/Berlin. [default: UTC]", value="ZONE"
    )
    json: bool = switch(MESSAGES, "Print the conversation as JSON, as it came.")


def days(written: str) -> int:
    """Parse a number of days: `4d` or `4`."""
    if not re.fullmatch(r"\d{1,4}d?", written):
        raise ValueError("Give a number of days, such as 4d.")
    return int(written.removesuffix("d"))


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Options for a destination that is kept up to date."""

    output: str | None = positional(
        None,
        OUTPUT,
        "OUT",
        "Tables: a .parquet or .delta folder, a .duckdb file, or postgresql://...; or a file for each day: "
        "csv-days:FOLDER, jsonl-days:FOLDER.",
    )
    status: bool = switch(OUTPUT, "Only show what the destination covers, and what is proven, provisional and open.")
    since: str | None = option(
        None,
        WHEN,
        "Where the destination begins: a date or instant. Needed for the first run, and the same ever after.",
        value="DATE",
    )
    view: Literal["default", "extended"] | None = option(
        None,
        OUTPUT,
        "The columns of flat rows, where OUT has such: default or extended. Later runs keep those of the first.",
        choices=("default", "extended"),
    )
    columns: str | None = option(
        None, OUTPUT, "Only these columns of flat rows, in this order, separated by commas.", value="NAMES"
    )
    timezone: str = option("UTC", WHEN, "The time zone of --since, such as Europe/Berlin. [default: UTC]", value="ZONE")
    look_back: int = option(
        4, WHEN, "The trailing days that are read again every time. [default: 4d]", value="DAYS", parse=days
    )
    late_after: int = option(
        31,
        WHEN,
        "So many days after it, a day is read once more, for evaluations and surveys. 0 for never. [default: 31d]",
        value="DAYS",
        parse=days,
    )
    give_up_after: int = option(
        62, WHEN, "So many days after it, open conversations of a day are no longer asked for. [default: 62d]",
        value="DAYS", parse=days,
    )  # fmt: skip
    no_sweep: bool = switch(
        WHEN,
        "Do not look, by a details job, for older conversations that were opened again and have ended since the last "
        "run.",
    )
    fresh: bool = switch(OUTPUT, "Start over, and replace the destination.")
    workers: int = option(
        0, OUTPUT, "Number of extra processes that make rows. [default: 0]", value="NUMBER",
        parse=whole_number(0, WORKERS_MAX),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """Options for what is taken out of a destination."""

    output: str | None = positional(
        None,
        OUTPUT,
        "OUT",
        "A finished export to tables (a .parquet or .delta folder, a .duckdb file, postgresql://...) or to files by "
        "day (csv-days:FOLDER).",
    )
    conversation_ids: tuple[str, ...] = positional(
        (), FORGOTTEN, "ID", "conversationIds; - reads them from standard input.", many=True
    )
    ids: str | None = option(None, FORGOTTEN, "A file with ids, one on each line.", value="FILE")
    older_than: int | None = option(
        None,
        FORGOTTEN,
        "All conversations of UTC days that ended so many days before today or earlier.",
        value="DAYS",
        parse=days,
    )
    skip_unknown: bool = switch(FORGOTTEN, "Go on where OUT does not have an id; without it nothing is taken out then.")
    dry_run: bool = switch(OUTPUT, "Only show what would be taken out.")
    yes: bool = switch(OUTPUT, "Do not ask before anything is taken out.")
    vacuum: bool = switch(
        OUTPUT, "Of Delta tables, also delete the files of all old versions, in which it could still be read."
    )


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """Options for comparing an export with the vendor's aggregates."""

    output: str | None = positional(
        None,
        OUTPUT,
        "OUT",
        "A finished export with tables: a .parquet or .delta folder, a .duckdb file, postgresql://..., csv:FOLDER/, or "
        "an archive of JSON lines.",
    )
    last: str | None = option(None, WHEN, "Only this long, up to now: 7d, 36h, 2w, or ISO 8601.", value="DURATION")
    interval: str | None = option(
        None,
        WHEN,
        "Only this part of the export, in UTC: START/END, one date, week or month, or yesterday, last-week ... "
        "[default: all of it]",
        value="INTERVAL",
    )
    reach_back: int = option(
        31,
        WHEN,
        "Judge a day only if the export covers so many days before it. A smaller number judges more days; metrics of "
        "conversations that began earlier then count as missing. [default: 31d]",
        value="DAYS",
        parse=days,
    )
    metrics: str | None = option(
        None,
        OUTPUT,
        "Compare only these metrics, separated by commas: nOffered,tAnswered. [default: all counts and times]",
        value="NAMES",
    )
    look_ups: int = option(
        20,
        OUTPUT,
        "Requests for the details of conversations behind differences, at most. [default: 20]",
        value="NUMBER",
        parse=whole_number(0, 10_000),
    )
    json: bool = switch(OUTPUT, "Print the findings as JSON on standard output, with all conversations.")
    csv: bool = switch(OUTPUT, "Print one row for each difference as CSV on standard output.")


@dataclass(frozen=True, kw_only=True)
class Summarized:
    """Options for the summary of an export."""

    output: str | None = positional(
        None,
        OUTPUT,
        "OUT",
        "A finished export: a .parquet or .delta folder, a .duckdb file, postgresql://..., csv:FOLDER/, an archive of "
        "JSON lines, or a CSV file, which has less.",
    )
    timezone: str = option(
        "",
        WHEN,
        "The time zone of days, such as Europe/Berlin. [default: that of the export, or UTC]",
        value="ZONE",
    )
    top: int = option(
        6,
        OUTPUT,
        "So many queues, agents and codes; JSON and CSV have all. [default: 6]",
        value="NUMBER",
        parse=whole_number(1, 1000),
    )
    json: bool = switch(OUTPUT, "Print the summary as JSON.")
    csv: bool = switch(OUTPUT, "Print one row for each queue, agent and code as CSV.")


@dataclass(frozen=True, kw_only=True)
class Reported:
    """Options for a page about an export."""

    output: str | None = positional(
        None,
        OUTPUT,
        "OUT",
        "A finished export with tables: a .parquet or .delta folder, csv:FOLDER/, a .duckdb file, postgresql://..., or "
        "an archive of JSON lines.",
    )
    page: str = option(
        "report.html",
        OUTPUT,
        "The page to write, one file; - is standard output. [default: report.html]",
        value="PATH",
        short="-o",
    )
    timezone: str = option(
        "",
        OUTPUT,
        "The time zone of days and hours, such as Europe/Berlin. [default: that of the export, or UTC]",
        value="ZONE",
    )
    with_agents: bool = switch(OUTPUT, "Show agents with their names. Without this, the page has nothing about them.")
    redact_names: bool = switch(
        OUTPUT, "Number queues, wrap-up codes and agents instead of naming them, and leave out the org's id."
    )
    with_flow_outs: bool = switch(OUTPUT, "Service level: count flow-outs among the missed.")
    without_short_abandons: bool = switch(OUTPUT, "Service level: do not count short abandons.")
    without_abandons: bool = switch(OUTPUT, "Service level: do not count abandons.")


@dataclass(frozen=True, kw_only=True)
class Serving:
    """Options of the sandbox."""

    port: int = option(
        8080, LISTENING, "0 takes a free port. [default: 8080]", value="PORT", parse=whole_number(0, 65535)
    )
    host: str = option(
        "127.0.0.1", LISTENING, "0.0.0.0 also accepts other machines. [default: 127.0.0.1]", value="ADDRESS"
    )
    tls: bool = switch(
        LISTENING,
        "Serve https, also under the api. and login. names of all regions, through a proxy. The printed variables make "
        "clients use the proxy and trust the certificate.",
    )
    certificates: str | None = option(
        None,
        LISTENING,
        "The folder of the certificates; implies --tls. [default: a folder of the sandbox]",
        value="FOLDER",
    )
    seed: int = option(
        1, CENTRE, "Each seed makes a different contact centre. [default: 1]", value="NUMBER", parse=whole_number(0)
    )
    conversations_per_day: int = option(
        2000, CENTRE, "Approximate number on a weekday. [default: 2000]", value="NUMBER", parse=whole_number(0)
    )
    now: str | None = option(
        None, CLOCK, "The ISO 8601 instant at which its clock starts. [default: the real time]", value="INSTANT"
    )
    speed: float = option(
        1.0,
        CLOCK,
        "How fast its clock runs: 60 lets an hour pass in a minute, 0 stops it. [default: 1]",
        value="FACTOR",
        parse=number(least=0, most=1_000_000),
    )
    rate_limit: int = option(
        300, FAULTS, "Requests a minute for each token. [default: 300]", value="NUMBER", parse=whole_number(1)
    )
    fault: tuple[str, ...] = option(
        (),
        FAULTS,
        "What goes wrong and when: 'on query 3: 429 retry_after=5', 'on queries 5-8: 503', 'at random 2%'. "
        "Can be given several times.",
        value="RULE",
        many=True,
    )
    switch: tuple[str, ...] = option(
        (),
        FAULTS,
        "NAME=VALUE: how to behave where the API's behaviour is not documented. Can be given several times.",
        value="SETTING",
        many=True,
    )
    load: str | None = option(
        None,
        FILES,
        "Serve the conversations of an archive (.jsonl), a raw export or a recording, also as a .gz or .zst file.",
        value="FILE",
    )
    replay: str | None = option(None, FILES, "Answer the same requests exactly as in a recording.", value="FILE")
    record: str | None = option(
        None,
        FILES,
        "Forward requests to the org of GENESYS_ENV and record the answers in this file. It will contain conversations "
        "of real people, but no secret and no token.",
        value="FILE",
    )
