"""What nobody outside the vendor knows for sure, each as a switch whose default is the careful reading.

Switches(match="day", job_results_early="400")
Switches.parse("match=day", "job_results_early=400")      # the same, as on a command line
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, Self, get_args, get_origin, get_type_hints

Confidence = Literal["A", "B", "C", "D"]
"""How surely something is known: A from the vendor's documentation, SDK or a verbatim capture, B from several
independent production sources or a real log, C from one unofficial source, D by inference, or not at all."""

INTERVAL_TEXT = "You must specify a search interval as part of your query that does not exceed {days} days."


@dataclass(frozen=True, slots=True)
class Switches:
    """How the sandbox behaves where no source says how the API does.

    A client that is right works with every combination.
    """

    login_credentials: Literal["header or form", "header"] = "header or form"
    """Where a login may carry client id and secret: the Basic header, or `client_id` and `client_secret` in the form
    as well. The published Airbyte source and its framework send them in the form."""

    login_grant_type: Literal["form or query", "form"] = "form or query"
    """Where a login may carry `grant_type`: the form, or the query string as well. Three public Java programs send it
    in the query string."""

    empty_answer: Literal["totalHits", "{}", "empty list"] = "totalHits"
    """The body where a page holds nothing: only `totalHits` (splunk/genesys_cloud_ta was repaired in 2025 for an answer
    without `conversations`, and computes with `totalHits`), neither key (production code of 2020 compares the text
    with `{}`), or both keys with an empty list."""

    page_size_over_limit: Literal["refuse", "clamp"] = "refuse"
    """A pageSize above 100: a 400, or silently 100 as the entity listings do."""

    limit_code: str = "bad.request"
    """The `code` of the 400s for 100,000 results and for an interval that is too long: only their texts have
    been seen."""

    interval_text: str = INTERVAL_TEXT
    """The text for an interval that is too long, `{days}` being 7 or 31: the one for 31 days is a log, the one for 7
    stands in the changelog of splunk/genesys_cloud_ta, there without its period."""

    unfiltered_days_max: Literal[7, 31] = 7
    """The longest interval of a query without a filter: 7 days in the documentation, 31 in a release of
    splunk/genesys_cloud_ta."""

    results_limit: Literal["last row", "first row"] = "last row"
    """Which row of a page may not lie beyond 100,000: the last that it could hold (pageNumber times pageSize),
    or the first."""

    match: Literal["overlap", "day"] = "overlap"
    """Which conversations an interval finds beside the rule of the start day: those alive in the interval
    (older wording of the SDK, and a capture of 2016), or every one of a touched day (the literal wording of
    developer.genesys.cloud's analytics detail page)."""

    end_at_midnight_touches_next_day: bool = False
    """Whether an interval that ends at 00:00:00.000Z touches the day that begins there. With
    `match="overlap"` it then finds the conversations that start in that very millisecond; with `match="day"`
    the whole day."""

    count_rejected: bool = False
    """Whether a 429 goes up in `inin-ratelimit-count`, too."""

    tie_order: Literal["stable", "shifting"] = "stable"
    """The order of conversations that start in the same millisecond: by id, or another one in each answer, so
    that a tie across a page's border shows one twice and another never."""

    conversation_metric: Literal["sum", "any"] = "sum"
    """What a metric predicate of a conversation filter compares: the sum of that metric over the
    conversation, or each of its values."""

    ingestion_delay_s: float = 0.0
    """Seconds after its start until a conversation shows up at all; by id it is a 404 until then."""

    answer_bytes_max: int = 0
    """An answer with more bytes (before gzip) is a 400 `response.entity.too.large`; 0 is no limit. The code is in
    the vendor's lists of errors, but not seen of this part of the API."""

    ids_max: int = 100
    """How many ids one multi-get takes. Source: MakingChatbots' MCP server; the SDK names no number."""

    ids_over_limit: Literal["refuse", "cut"] = "refuse"
    """A multi-get with more ids: a 400, or the first ones answered and the others dropped in silence."""

    repeated_ids: Literal["once", "each"] = "once"
    """An id that a multi-get names twice is answered once, or twice."""

    unknown_ids: Literal["missing", "404"] = "missing"
    """A multi-get with an id that does not exist: answered without it, or refused as a whole."""

    data_lake_lag_s: float = 36_000.0
    """How far the data lake, out of which jobs are answered, is behind. Ten hours (36,000) have been observed; the
    vendor's own bound is 48 (172,800)."""

    job_unknown_fields: Literal["ignore", "refuse"] = "ignore"
    """A field of a job's body that `AsyncConversationQuery` does not have: ignored, as two public programs that send
    `paging` rely on, or a 400 as in a query."""

    job_takes_s: float = 3.0
    """From a job's submission to FULFILLED; a third of it in the state QUEUED, then PENDING. Jobs take about
    3 s even when they are small (estuary/connectors)."""

    job_expires_s: float = 86_400.0
    """From a job's completion to EXPIRED. No source knows it."""

    job_expiration_date: Literal["always", "once expired"] = "always"
    """When a job's status has an `expirationDate`: from the start, or only in the state EXPIRED, as a comment in
    estuary/connectors says."""

    job_expired: Literal["EXPIRED", "404"] = "EXPIRED"
    """What becomes of an expired job: a state that can be asked for, or nothing. Its results are a 404 anyway."""

    job_interval_days_max: int = 31
    """The longest interval of a job; 0 is any. No source knows it; production code uses 1, 7 or 31 days."""

    job_unfiltered_days_max: Literal[31, 7] = 31
    """The longest interval of a job without a filter. That the query's 7 days hold for jobs is not known."""

    jobs_at_a_time_max: int = 0
    """How many jobs of a client may be unfinished; one more is a 429 whose limit is
    `details.jobs.concurrent.access.max`. 0 is any number: the limit's name is known, its value is not."""

    jobs_per_second_max: int = 0
    """How many jobs a client may submit in a second; one more is a 429 whose limit is
    `details.jobs.rate.per.second`. 0 is any number: the limit's name is known, its value is not."""

    job_unknown_s: float = 0.0
    """Seconds after the POST in which the new job's status and results are still a 404."""

    job_results_late_s: float = 0.0
    """Seconds after FULFILLED in which a job's results are still a 404; a public exporter tries again on it."""

    job_results_max: int = 0
    """A page of results beyond so many is a 400, `Pagination may not exceed N results.`; 0 is no limit. 400,000 is what
    Teleperformance/dganalytics met in 2020; 100,000 is what the query has."""

    job_cursor: Literal["again", "once"] = "again"
    """Whether a cursor may be asked for again, or is a 400 the second time until the results are begun anew."""

    job_empty_pages: bool = False
    """Whether after each page of results comes one without conversations whose cursor leads on."""

    job_status_unfinished: Literal[200, 202] = 200
    """The HTTP status of a job's state while it is unfinished; an old swagger file lists 202, too."""

    job_results_early: Literal["404", "400", "empty"] = "404"
    """Results asked for before FULFILLED: a 404 (reported once), a 400, or a page without conversations and
    cursor that only differs from an empty result by its job's state."""

    job_page_size: int = 1000
    """Conversations on a page of results where none is asked for."""

    job_page_size_max: int = 10_000
    """The most conversations on a page of results; 10,000 has been seen in production."""

    job_page_size_over_limit: Literal["clamp", "refuse"] = "clamp"
    """A pageSize of results above the most: cut to it, or a 400."""

    job_empty_results: Literal["missing", "{}", "empty list"] = "missing"
    """A page of results that holds nothing: without the key `conversations`, without any key, or with an empty list.
    Estuary's model of the answer requires the key."""

    job_cancelled_status: Literal[204, 200, 202] = 204
    """The HTTP status of a DELETE, which has no body."""

    job_finished_deleted: Literal["stays", "results gone", "gone"] = "stays"
    """What a DELETE does to a finished job: nothing, its results are a 404 from then on, or its status, too."""

    aggregate_media_type: Literal["always", "if asked"] = "always"
    """Whether a group of an aggregate names its mediaType though `groupBy` does not; answers seen in public code do."""

    aggregate_interval_days_max: int = 31
    """The longest interval of an aggregate, in days; 0 is any. No source knows one; 31 is that of a query."""

    aggregate_results_max: int = 30_000
    """An aggregate with more intervals over all groups is a 400, whose text is put together from two that a public
    program looks for."""

    users_me: Literal["400", "user"] = "400"
    """What a client without a user gets from `/api/v2/users/me`: a 400, as a public program noted, or the org's first
    active user, for clients that cannot do without."""

    pii_masking: bool = False
    """Whether `/api/v2/analytics/reporting/settings` says `piiMaskingEnabled`. Nothing is masked either way: what the
    setting does to the API's answers is not documented."""

    divisions_permitted: Literal["listed", "400"] = "listed"
    """What a client without a user gets from `/api/v2/authorization/divisionspermitted/paged/me`: the divisions of its
    roles, or a 400, as from `/api/v2/users/me`."""

    retention_days: int = 0
    """After so many days, counted from its start, a conversation is deleted: no query, no job and no id finds it any
    more; `/api/v2/analytics/dataretention/settings` says the number. 0 keeps everything, and the settings then say
    3650. The vendor allows 90 days to 5 years; that the start counts is a guess."""

    @classmethod
    def parse(cls, *texts: str) -> Self:
        """The switches that `name=value` texts set, the others at their defaults.

        Raises:
            ValueError: a name or a value that is none; its text lists those that are.
        """
        types = get_type_hints(cls)
        chosen: dict[str, Any] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            if name not in types or not equals:
                names = ", ".join(field.name for field in fields(cls))
                raise ValueError(f"{text!r} sets no switch; write NAME=VALUE, where NAME is one of {names}")
            chosen[name] = read_value(name, value, types[name])
        return cls(**chosen)


GROUNDS: Final[Mapping[str, tuple[Confidence, str]]] = {
    "login_credentials": ("B", "the published Airbyte source; the framework's OAuth authenticator"),
    "login_grant_type": ("B", "three public Java programs"),
    "empty_answer": ("C", "splunk/genesys_cloud_ta, 2025; the other form: Teleperformance/dganalytics, 2020"),
    "page_size_over_limit": ("D", "nobody sends more than 100 today; a sample of 2022 sent 200"),
    "limit_code": ("D", "only the texts have been seen"),
    "interval_text": ("B", "logs and the changelog of splunk/genesys_cloud_ta"),
    "unfiltered_days_max": ("A", "developer.genesys.cloud, details query; 31: splunk/genesys_cloud_ta"),
    "results_limit": ("D", "a log has the limit, not which row it means"),
    "match": ("B", "older text of the SDK and a capture of 2016; the other: developer.genesys.cloud"),
    "end_at_midnight_touches_next_day": ("D", "no source"),
    "count_rejected": ("D", "no source"),
    "tie_order": ("D", "no source"),
    "conversation_metric": ("D", "no source"),
    "ingestion_delay_s": ("C", "XxMasterbeasTxX/genesys-admin-app: fresh conversations may be a 404"),
    "answer_bytes_max": ("D", "the code is in the vendor's lists of errors, of other endpoints"),
    "ids_max": ("C", "MakingChatbots' MCP server"),
    "ids_over_limit": ("D", "no source"),
    "repeated_ids": ("D", "no source"),
    "unknown_ids": ("D", "no source"),
    "data_lake_lag_s": ("B", "ten hours: laggyzee/genesys-mcp; the bound of 48: SDK 269, RecordingJobsQuery"),
    "job_unknown_fields": ("C", "two public exporters send paging"),
    "job_takes_s": ("C", "estuary/connectors"),
    "job_expires_s": ("D", "no source"),
    "job_expired": ("D", "no source"),
    "job_expiration_date": ("C", "a comment in estuary/connectors; the SDK says only what the date is"),
    "job_interval_days_max": ("D", "production code uses 1, 7 and 31 days"),
    "job_unfiltered_days_max": ("D", "no source"),
    "jobs_at_a_time_max": ("C", "the limit's name: a public Java exporter; its value: no source"),
    "jobs_per_second_max": ("C", "the limit's name: a public Java exporter; its value: no source"),
    "job_unknown_s": ("C", "a public exporter tries again on it"),
    "job_results_late_s": ("C", "a public exporter tries again on it"),
    "job_results_max": ("C", "Teleperformance/dganalytics: 400,000"),
    "job_cursor": ("C", "two public programs resume at a saved cursor"),
    "job_empty_pages": ("D", "no source; only the absent cursor is the documented end"),
    "job_status_unfinished": ("B", "an old swagger file; Teleperformance/dganalytics accepts both"),
    "job_results_early": ("B", "two independent sources for 404"),
    "job_page_size": ("C", "a C# exporter that names no size"),
    "job_page_size_max": ("B", "1,000 and 10,000 in production"),
    "job_page_size_over_limit": ("D", "no source"),
    "job_empty_results": ("C", "public clients on both sides"),
    "job_cancelled_status": ("D", "the SDK says Deleted, without a body"),
    "job_finished_deleted": ("D", "the SDK says delete or cancel"),
    "aggregate_media_type": ("C", "answers of a real org in public code"),
    "aggregate_interval_days_max": ("D", "no source; that of a query with a filter"),
    "aggregate_results_max": ("C", "a public Airflow operator looks for both texts, of another aggregate"),
    "users_me": ("C", "a public program's note of a real org"),
    "pii_masking": ("A", "the settings: SDK 269, AnalyticsReportingSettings"),
    "divisions_permitted": ("D", "the vendor's documentation says user; no source says what a client without one gets"),
    "retention_days": ("D", "that conversations go by their start is a guess; the settings are those of SDK 269"),
}
"""How surely each switch's default is known, and from where."""


def read_value(name: str, text: str, kind: Any) -> Any:
    """The value of a switch in the type that it has."""
    choices: Sequence[Any] = get_args(kind) if get_origin(kind) is Literal else (False, True) if kind is bool else ()
    if choices:
        for choice in choices:
            if text.lower() == str(choice).lower():
                return choice
        allowed = ", ".join(str(choice) for choice in choices)
        raise ValueError(f"{text!r} is no value of the switch {name}; its values are {allowed}")
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{text!r} is no value of the switch {name}, which is {kind.__name__}") from None
