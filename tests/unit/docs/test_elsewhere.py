import pytest

from tools.docs.elsewhere import well_formed


@pytest.mark.parametrize(
    "address",
    [
        "https://www.rfc-editor.org/rfc/rfc9457",
        "http://127.0.0.1:8080/docs",
        "https://[::1]:8443/a?b=c#d",
    ],
)
def test_addresses_of_the_web_are_let_through(address: str) -> None:
    assert well_formed(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://",
        "https:///docs",
        "https://a:port/",
        "https://[::1/",
        "htps://a.org",
        "ftp://a.org",
    ],
)
def test_what_no_browser_could_ask_for_is_refused(address: str) -> None:
    assert not well_formed(address)
