import re
import ssl

import pytest
from botocore.exceptions import CredentialRetrievalError, NoCredentialsError

from nexus_core.adapters.s3 import errors
from nexus_core.adapters.s3.errors import (
    AbsentError,
    Answer,
    Place,
    TransientError,
    failed,
    refused,
)
from nexus_core.settings.loader import setting_names, variable_of
from nexus_core.settings.sections import ServiceSettings

PLACE = Place("a-bucket", "https://here", "eu-west-1")


def an_answer(status: int, code: str = "", message: str = "", **headers: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer.read(status, headers, body.encode())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (an_answer(404, "NoSuchBucket"), "there is no such bucket"),
        (an_answer(403, "InvalidAccessKeyId"), "there is no such access key"),
        (an_answer(403, "SignatureDoesNotMatch"), "the secret does not belong to the access key"),
        (an_answer(400, "ExpiredToken"), "the temporary credentials have expired"),
        (an_answer(403, "AccessDenied"), "access denied"),
        (an_answer(403, "RequestTimeTooSkewed"), "the clock of this machine"),
        (an_answer(507, "XMinioStorageFull", "Disk full."), "XMinioStorageFull: Disk full. (507)"),
        (Answer.read(418, {}, b"<html>a proxy"), "I'm a Teapot (418)"),
        (Answer.read(599, {}, b""), "unknown status (599)"),
        (an_answer(400, "Many", "One.\nTwo."), "Many: One. (400)"),
    ],
)
def test_a_refusal_is_one_line_that_names_the_bucket(answer: Answer, words: str) -> None:
    error = refused(PLACE, answer)
    assert not isinstance(error, TransientError | AbsentError)
    assert str(error).startswith("bucket 'a-bucket' at https://here: ")
    assert words in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        an_answer(301, "PermanentRedirect", **{"x-amz-bucket-region": "us-west-2"}),
        an_answer(301, **{"x-amz-bucket-region": "us-west-2"}),
        an_answer(400, **{"x-amz-bucket-region": "us-west-2"}),
        Answer.read(
            400,
            {},
            b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>us-west-2</Region></Error>",
        ),
    ],
)
def test_a_wrong_region_is_named_with_the_right_one(answer: Answer) -> None:
    assert str(refused(PLACE, answer)).startswith(
        "bucket 'a-bucket' at https://here is not in region 'eu-west-1'; it is in 'us-west-2'"
    )


@pytest.mark.parametrize("status", [301, 302, 308])
@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://s3.here/a-bucket/key?a=b", "sends us to https://s3.here; see s3-buffer.endpoint"),
        ("/elsewhere", "sends us to another path of it; see s3-buffer.endpoint"),
        ("https://[", "sends us to no URL; see s3-buffer.endpoint"),
    ],
)
def test_a_proxy_that_sends_us_elsewhere_says_nothing_of_regions(
    status: int, location: str, words: str
) -> None:
    error = refused(PLACE, Answer.read(status, {"location": location}, b"<html>Moved</html>"))
    assert words in str(error)
    assert "region" not in str(error)


@pytest.mark.parametrize(
    "answer",
    [an_answer(503, "SlowDown"), an_answer(500, "InternalError"), an_answer(429), an_answer(502)],
)
def test_a_server_in_trouble_is_asked_again(answer: Answer) -> None:
    assert isinstance(refused(PLACE, answer), TransientError)


def test_a_server_may_say_when_to_come_again() -> None:
    answer = an_answer(503, "SlowDown", **{"retry-after": "7"})
    assert refused(PLACE, answer).retry_after == 7


def test_an_object_that_is_not_there_is_not_a_bucket_that_is_not_there() -> None:
    assert isinstance(refused(PLACE, an_answer(404, "NoSuchKey")), AbsentError)
    assert isinstance(refused(PLACE, Answer.read(404, {}, b"")), AbsentError)
    assert not isinstance(refused(PLACE, an_answer(404, "NoSuchBucket")), AbsentError)
    proxys = Answer.read(404, {}, b"default backend - 404")
    assert not isinstance(refused(PLACE, proxys), AbsentError)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NoCredentialsError(), "no credentials"),
        (CredentialRetrievalError(provider="iam", error_msg="gone"), "gone"),
        (RuntimeError("Session is closed"), "Session is closed"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong"), "WRONG_VERSION_NUMBER"),
    ],
)
def test_trouble_of_our_own_is_not_tried_again(error: Exception, words: str) -> None:
    translated = failed(PLACE, error)
    assert not isinstance(translated, TransientError)
    assert words in str(translated)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed"), "Connection refused"),
        (TimeoutError(), "no connection in time"),
        (ConnectionResetError(), "ConnectionResetError"),
    ],
)
def test_a_server_that_is_not_reached_is_tried_again(error: Exception, words: str) -> None:
    translated = failed(PLACE, error)
    assert isinstance(translated, TransientError)
    assert words in str(translated)


def test_entities_are_not_read() -> None:
    body = b"<!DOCTYPE x [<!ENTITY a 'b'>]><Error><Code>&a;</Code></Error>"
    assert Answer.read(400, {}, body).code == ""


def test_errors_name_settings_that_there_are() -> None:
    names = setting_names(ServiceSettings())
    told = re.findall(r"(s3-buffer\.[a-z-]+) \((\w+)\)", repr(vars(errors)))
    assert len(set(told)) == 6
    assert set(told) <= {(".".join(path), variable_of(path)) for path in names}
