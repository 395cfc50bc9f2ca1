import pytest

from everycall.api.auth import REGIONS, TOKEN_PATH, Credentials, Hosts, Token, hosts, token
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
        "https://apps.mypurecloud.de/directory",
    ],
)  # fmt: skip
def test_an_org_is_found_by_whatever_its_people_know_of_it(env: str) -> None:
    assert hosts(env) == FRANKFURT


def test_a_region_of_tomorrow_is_found_by_its_domain() -> None:
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
        ("http://api.stand-in.example:8080", "http://api.stand-in.example:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_base_url_serves_both_as_it_is(env: str, url: str) -> None:
    assert hosts(env) == Hosts(url, url)


@pytest.mark.parametrize(
    "env", ["", "eu-central", "frankfurt", "us east 1", "a..b", "http://", "https:///x", "http://[x"]
)
def test_what_is_no_place_is_refused_with_the_next_step(env: str) -> None:
    with pytest.raises(SettingsError, match="GENESYS_ENV") as refused:
        hosts(env)

    assert refused.value.hint


def test_a_region_that_is_misspelt_lists_the_near_ones() -> None:
    with pytest.raises(SettingsError) as refused:
        hosts("eu-centrl-1")

    assert "eu-central-1" in refused.value.hint


# Who


def test_credentials_are_three_variables() -> None:
    assert Credentials.read(VARIABLES) == Credentials("id", "s3cret", "eu-central-1")
    assert Credentials.read({name: f" {value}\n" for name, value in VARIABLES.items()}) == Credentials.read(VARIABLES)


@pytest.mark.parametrize("variables", [{}, dict.fromkeys(VARIABLES, ""), dict.fromkeys(VARIABLES, "  ")])
def test_without_any_of_them_there_are_no_credentials(variables: dict[str, str]) -> None:
    assert Credentials.read(variables) is None


@pytest.mark.parametrize("missing", VARIABLES)
def test_one_that_is_missing_is_named(missing: str) -> None:
    with pytest.raises(CredentialsMissing) as refused:
        Credentials.read({**VARIABLES, missing: ""})

    assert str(refused.value) == f"{missing} is not set."
    assert all(name in refused.value.hint for name in VARIABLES)
    assert "s3cret" not in str(refused.value) + refused.value.hint


def test_several_that_are_missing_are_named_together() -> None:
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
    ("said", "expected"), [({}, 86_399), ({"expires_in": "3600"}, 3600), ({"expires_in": 1.5}, 1.5)]
)
def test_how_long_it_lives_may_be_missing_or_a_text(said: dict[str, object], expected: float) -> None:
    _, found = played(token(CREDENTIALS), answer({"access_token": "t0ken", **said}))

    assert found.expires_in == expected


@pytest.mark.parametrize("body", [{}, {"access_token": ""}, {"access_token": None}, [], "t0ken"])
def test_an_answer_without_a_token_is_refused(body: object) -> None:
    with pytest.raises(CredentialsRefused, match="answered without a token") as refused:
        played(token(CREDENTIALS), answer(body))

    assert "GENESYS_ENV" in refused.value.hint


def test_a_wrong_secret_points_at_the_secret_and_the_region() -> None:
    said = {
        "error": "invalid_client",
        "description": "authentication failed",
        "error_description": "authentication failed",
    }

    with pytest.raises(
        CredentialsRefused, match=r"login.mypurecloud.de refused \(401\): authentication failed"
    ) as refused:
        played(token(CREDENTIALS), answer(said, 401, inin_correlation_id="42"))

    assert "GENESYS_CLIENT_SECRET" in refused.value.hint
    assert refused.value.correlation_id == "42"
    assert "s3cret" not in str(refused.value)


def test_an_unknown_client_points_at_the_id_and_the_region() -> None:
    said = {"error": "invalid_client", "description": "client not found"}

    with pytest.raises(CredentialsRefused, match=r"\(400\): client not found") as refused:
        played(token(CREDENTIALS), answer(said, 400))

    assert "GENESYS_CLIENT_ID" in refused.value.hint


@pytest.mark.parametrize(
    ("body", "reason"),
    [({"message": "no such place"}, "no such place"), ({"error": "x"}, "x"), ([], "no reason given")],
)
def test_any_other_refusal_says_what_it_can(body: object, reason: str) -> None:
    with pytest.raises(CredentialsRefused, match=reason):
        played(token(CREDENTIALS), answer(body, 404))
