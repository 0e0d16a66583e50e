"""A trouble that lasts is said once."""

from nexus_core.telemetry.news import News
from support.clock import ManualClock


async def test_a_trouble_is_news_once(clock: ManualClock) -> None:
    news = News(clock)
    assert news.is_new("no host answers")
    assert not news.is_new("no host answers")
    assert news.is_new("wrong password")
    assert news.is_new("no host answers")


async def test_a_trouble_that_lasts_is_said_again_after_a_while(clock: ManualClock) -> None:
    news = News(clock)
    assert news.is_new("no host answers")
    await clock.advance(299)
    assert not news.is_new("no host answers")
    await clock.advance(1)
    assert news.is_new("no host answers")
    assert not news.is_new("no host answers")


async def test_a_trouble_that_comes_back_is_news(clock: ManualClock) -> None:
    news = News(clock)
    assert not news.is_over()
    assert news.is_new("no host answers")
    assert news.is_over()
    assert not news.is_over()
    assert news.is_new("no host answers")
