import pytest

from everycall.api.auth import (
    CITIES,
    LIFE_MAX_S,
    REGIONS,
    TOKEN_PATH,
    Credentials,
    Hosts,
    Token,
    hosts,
    region_of,
    token,
)
from everycall.api.exchange import Request
from everycall.errors import CredentialsMissing, CredentialsRefused, SettingsError
from playing import answer, played

VARIABLES = {"GENESYS_CLIENT_ID": "id", "GENESYS_CLIENT_SECRET": "s3cret", "GENESYS_ENV": "eu-central-1"}
CREDENTIALS = Credentials("id", "s3cret", "mypurecloud.de")
FRANKFURT = Hosts("https://api.mypurecloud.de", "https://login.mypurecloud.de")

# Where


def test_all_eighteen_regions_are_known() -> None:
    assert len(REGIONS) == len(set(REGIONS.values())) == 18


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_has_two_hosts_on_its_domain(region: str) -> None:
    domain = REGIONS[region]

    assert hosts(region) == Hosts(f"https://api.{domain}", f"https://login.{domain}")
    assert hosts(domain) == hosts(region)


@pytest.mark.parametrize(
    "env",
    [
        "eu-central-1", "EU-Central-1", " eu-central-1 ", "mypurecloud.de", "api.mypurecloud.de", "apps.mypurecloud.de",
        "https://api.mypurecloud.de", "https://api.mypurecloud.de/", "https://login.mypurecloud.de",
        "https://apps.mypurecloud.de/directory", "HTTPS://apps.mypurecloud.de/directory/#/engage", "http://api.mypurecloud.de",
    ],
)  # fmt: skip
def test_an_org_is_found_by_region_domain_or_url(env: str) -> None:
    assert hosts(env) == FRANKFURT


def test_a_region_that_is_not_listed_is_found_by_its_domain() -> None:
    assert hosts("xyz1.pure.cloud").api == "https://api.xyz1.pure.cloud"
    assert hosts("https://api.xyz1.pure.cloud").login == "https://login.xyz1.pure.cloud"


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("localhost:8080", "http://localhost:8080"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("https://gateway.example.com/genesys", "https://gateway.example.com/genesys"),
        ("https://api.stand-in.example:8080", "https://api.stand-in.example:8080"),
        ("HTTPS://gateway.example.com", "https://gateway.example.com"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://sandbox.localhost:8080", "http://sandbox.localhost:8080"),
    ],
)
def test_a_base_url_serves_api_and_login(env: str, url: str) -> None:
    assert hosts(env) == Hosts(url, url)


@pytest.mark.parametrize(
    "env",
    [
        "",
        "eu-central",
        "frankfort on main",
        "us east 1",
        "a..b",
        "http://",
        "https:///x",
        "http://[x",
        "ftp://example.com",
        "https://example.com?x=1",
        "https://example.com#x",
        "https://exa mple.com",
        "localhost:port",
        "ｅxample.com",
        "http://127.0.0.1:99999",
        "https://example.com\n.evil",
    ],
)
def test_an_unknown_region_is_refused_with_the_next_step(env: str) -> None:
    with pytest.raises(SettingsError, match="GENESYS_ENV") as refused:
        hosts(env)

    assert refused.value.hint


def test_a_region_that_is_misspelt_lists_the_near_ones() -> None:
    with pytest.raises(SettingsError) as refused:
        hosts("eu-centrl-1")

    assert "eu-central-1" in refused.value.hint


@pytest.mark.parametrize(
    "env",
    ["http://u:s3cret@h", "HTTPS://u:s3cret@h", "u:s3cret@h.example", "s3cret", "s3cret-_Zr84xT1.q", "x://s3cret"],
)
def test_a_region_that_looks_like_a_secret_is_not_printed(env: str) -> None:
    with pytest.raises(SettingsError) as refused:
        hosts(env)

    assert "s3cret" not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize("env", ["http://api.stand-in.example:8080", "http://10.0.0.1", "http://sandbox:8080"])
def test_http_to_another_machine_has_to_be_allowed(env: str) -> None:
    with pytest.raises(SettingsError, match="http://") as refused:
        hosts(env)

    assert "EVERYCALL_ALLOW_HTTP" in refused.value.hint
    assert hosts(env, allow_http=True) == Hosts(env, env)


# Who


def test_credentials_are_three_variables() -> None:
    assert Credentials.read(VARIABLES) == Credentials("id", "s3cret", "eu-central-1")
    assert Credentials.read({name: f" {value}\n" for name, value in VARIABLES.items()}) == Credentials.read(VARIABLES)


@pytest.mark.parametrize("variables", [{}, dict.fromkeys(VARIABLES, ""), dict.fromkeys(VARIABLES, "  ")])
def test_without_any_of_the_three_variables_there_are_no_credentials(variables: dict[str, str]) -> None:
    assert Credentials.read(variables) is None


@pytest.mark.parametrize("missing", VARIABLES)
def test_a_missing_variable_is_named(missing: str) -> None:
    with pytest.raises(CredentialsMissing) as refused:
        Credentials.read({**VARIABLES, missing: ""})

    assert str(refused.value) == f"{missing} is not set."
    assert all(name in refused.value.hint for name in VARIABLES)
    assert "s3cret" not in str(refused.value) + refused.value.hint


def test_credentials_can_come_from_a_file_and_name_it() -> None:
    in_file = Credentials.read({"PATH": "/bin"}, VARIABLES)

    assert in_file == Credentials("id", "s3cret", "eu-central-1")
    assert in_file.source == ".env"


def test_the_file_is_not_read_where_the_environment_has_credentials() -> None:
    other = dict.fromkeys(VARIABLES, "other")
    found = Credentials.read(VARIABLES, other)

    assert found == Credentials("id", "s3cret", "eu-central-1")
    assert found.source == "the environment"


@pytest.mark.parametrize("there", [("GENESYS_ENV",), ("GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET")])
@pytest.mark.parametrize("in_file", [VARIABLES, {"GENESYS_ENV": "evil.example", "GENESYS_CLIENT_SECRET": "s3cret"}])
def test_a_mixture_of_environment_and_file_is_refused(there: tuple[str, ...], in_file: dict[str, str]) -> None:
    environment = {name: VARIABLES[name] for name in there}
    with pytest.raises(CredentialsMissing, match="from one place") as refused:
        Credentials.read(environment, in_file)

    assert all(name in str(refused.value) for name in there)
    assert "s3cret" not in str(refused.value) + refused.value.hint


def test_a_variable_missing_in_the_file_is_named_with_the_file() -> None:
    with pytest.raises(CredentialsMissing, match=r"GENESYS_ENV is not set in \.env"):
        Credentials.read({}, {**VARIABLES, "GENESYS_ENV": ""})


def test_several_missing_variables_are_named_together() -> None:
    with pytest.raises(CredentialsMissing, match="GENESYS_CLIENT_SECRET and GENESYS_ENV are not set"):
        Credentials.read({"GENESYS_CLIENT_ID": "id"})


def test_neither_the_secret_nor_the_token_is_ever_shown() -> None:
    assert "s3cret" not in repr(CREDENTIALS)
    assert "t0ken" not in f"{Token('t0ken')!r} {Token('t0ken')}"


# The token


def test_a_token_is_one_request_to_the_login() -> None:
    body = {"access_token": "t0ken", "token_type": "bearer", "expires_in": 86399}

    asked, found = played(token(CREDENTIALS), answer(body))

    assert asked == [Request("POST", TOKEN_PATH, login=("id", "s3cret"))]
    assert found == Token("t0ken", 86_399)


@pytest.mark.parametrize(
    ("body", "expected"), [({}, 86_399), ({"expires_in": "3600"}, 3600), ({"expires_in": 1.5}, 1.5)]
)
def test_the_lifetime_of_a_token_may_be_missing_or_a_string(body: dict[str, object], expected: float) -> None:
    _, found = played(token(CREDENTIALS), answer({"access_token": "t0ken", **body}))

    assert found.expires_in == expected


@pytest.mark.parametrize("body", [{}, {"access_token": ""}, {"access_token": None}, [], "t0ken"])
def test_an_answer_without_a_token_is_refused(body: object) -> None:
    with pytest.raises(CredentialsRefused, match="answered without a token") as refused:
        played(token(CREDENTIALS), answer(body))

    assert "GENESYS_ENV" in refused.value.hint


@pytest.mark.parametrize("odd", ["t0ken\n", "t0ken ", "t0 ken", "t0ken\r\nX-Evil: 1", "tökén", "\x1b[2J", "x" * 9000])
def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(odd: str) -> None:
    with pytest.raises(CredentialsRefused, match="cannot be sent") as refused:
        played(token(CREDENTIALS), answer({"access_token": odd}))

    assert odd not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize(
    ("expires_in", "life_s"), [(1e300, LIFE_MAX_S), (-5, 0), ("soon", 86_399), ([], 86_399), ("nan", 86_399)]
)
def test_an_absurd_token_lifetime_is_limited(expires_in: object, life_s: float) -> None:
    _, found = played(token(CREDENTIALS), answer({"access_token": "t0ken", "expires_in": expires_in}))

    assert found.expires_in == life_s


def test_a_wrong_secret_points_at_the_secret_and_the_region() -> None:
    body = {
        "error": "invalid_client",
        "description": "authentication failed",
        "error_description": "authentication failed",
    }

    with pytest.raises(
        CredentialsRefused, match=r"login.mypurecloud.de refused \(401\): authentication failed"
    ) as refused:
        played(token(CREDENTIALS), answer(body, 401, inin_correlation_id="42"))

    assert "GENESYS_CLIENT_SECRET" in refused.value.hint
    assert refused.value.correlation_id == "42"
    assert "s3cret" not in str(refused.value)


def test_an_unknown_client_points_at_the_id_and_the_region() -> None:
    body = {"error": "invalid_client", "description": "client not found"}

    with pytest.raises(CredentialsRefused, match=r"\(400\): client not found") as refused:
        played(token(CREDENTIALS), answer(body, 400))

    assert "GENESYS_CLIENT_ID" in refused.value.hint


@pytest.mark.parametrize(
    ("body", "reason"),
    [({"message": "no such place"}, "no such place"), ({"error": "x"}, "x"), ([], "no reason given")],
)
def test_any_other_refused_login_shows_the_reason_that_came(body: object, reason: str) -> None:
    with pytest.raises(CredentialsRefused, match=reason):
        played(token(CREDENTIALS), answer(body, 404))


@pytest.mark.parametrize(
    ("place", "domain"),
    [
        ("frankfurt", "mypurecloud.de"),
        ("Frankfurt", "mypurecloud.de"),
        ("São Paulo", "sae1.pure.cloud"),
        ("sao-paulo", "sae1.pure.cloud"),
        ("london", "euw2.pure.cloud"),
    ],
)
def test_a_place_leads_to_its_region(place: str, domain: str) -> None:
    assert hosts(place) == Hosts(f"https://api.{domain}", f"https://login.{domain}")


def test_every_region_has_a_place() -> None:
    assert set(CITIES.values()) == set(REGIONS)


@pytest.mark.parametrize(
    ("env", "region"),
    [
        ("frankfurt", "eu-central-1"),
        ("mypurecloud.de", "eu-central-1"),
        ("https://api.mypurecloud.de", "eu-central-1"),
        ("http://127.0.0.1:8080", ""),
    ],
)
def test_the_region_of_an_address_is_known(env: str, region: str) -> None:
    assert region_of(env) == region
