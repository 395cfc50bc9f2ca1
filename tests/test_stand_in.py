import pytest

from everycall.api.auth import REGIONS, hosts
from everycall.api.exchange import Response
from everycall.api.stand_in import check_is_org
from everycall.errors import SettingsError

INVENTED = Response(200, {"x-everycall-sandbox": "1"}, b"{}")
REAL = Response(200, {"inin-correlation-id": "c"}, b"{}")
VENDORS = [*REGIONS, *REGIONS.values(), "https://api.mypurecloud.de", "https://apps.usw2.pure.cloud", "new.pure.cloud"]


@pytest.mark.parametrize("env", VENDORS)
def test_an_answer_of_the_sandbox_never_passes_for_one_of_an_org(env: str) -> None:
    with pytest.raises(
        SettingsError, match=r"sandbox answered in place of https://api\..*, with invented data"
    ) as error:
        check_is_org(hosts(env, allow_http=True), INVENTED)

    assert "Unset HTTPS_PROXY" in error.value.hint


@pytest.mark.parametrize("env", ["http://127.0.0.1:8080", "https://localhost:8443", "localhost:8080", "http://sandbox"])
def test_the_sandbox_answers_for_itself_under_its_own_address(env: str) -> None:
    check_is_org(hosts(env, allow_http=True), INVENTED)


@pytest.mark.parametrize("env", VENDORS)
def test_an_answer_of_an_org_is_accepted(env: str) -> None:
    check_is_org(hosts(env, allow_http=True), REAL)
