from dataclasses import replace

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_openai import ChatOpenAI

from agent.models import explain_failure, label_of, list_models, make_model
from retrieval.errors import SettingsError
from retrieval.settings import Settings
from tests.openai_server import Call, Say, openai_server

PLANNER = FakeListChatModel(responses=["x"])
LOCAL = "http://localhost:11434/v1"


def make(name: str, settings: Settings):
    return make_model(name, settings, lambda: PLANNER)


def test_offline_is_the_planner(home: Settings) -> None:
    assert make("offline", home) is PLANNER
    assert label_of("offline", home) == "offline planner (no language model)"


def test_openai_needs_a_key_for_the_providers_own_server(home: Settings) -> None:
    with pytest.raises(SettingsError, match=r"OPENAI_API_KEY.*OPENAI_BASE_URL"):
        make("openai:gpt-x", home)
    model = make("openai:gpt-x", replace(home, openai_api_key="sk-secret"))
    assert isinstance(model, ChatOpenAI)
    assert model.model_name == "gpt-x"
    assert label_of("openai:gpt-x", home) == "gpt-x at api.openai.com"


def test_a_local_server_needs_no_key(home: Settings) -> None:
    model = make("openai:llama3:8b", replace(home, openai_base_url=LOCAL))
    assert isinstance(model, ChatOpenAI)
    assert model.model_name == "llama3:8b"
    assert (
        label_of("openai:llama3:8b", replace(home, openai_base_url=LOCAL)) == "llama3:8b at localhost:11434"
    )


def test_the_environment_does_not_redirect_the_client(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://elsewhere.invalid/v1")
    model = make("openai:gpt-x", replace(home, openai_api_key="sk-secret"))
    assert isinstance(model, ChatOpenAI)
    assert model.openai_api_base == "https://api.openai.com/v1"


@pytest.mark.parametrize("name", ["", "gpt-4", "openai", "openai:", "openai: ", "anthropic:x", "offline:x"])
def test_other_names_say_what_is_allowed(name: str, home: Settings) -> None:
    with pytest.raises(SettingsError, match="Allowed: offline, or openai:NAME"):
        make(name, home)


@pytest.mark.parametrize("url", ["localhost:11434", "ftp://x/v1", "http://", "http://[", "x://me:pw@host"])
def test_a_base_url_must_be_a_web_address(url: str, home: Settings) -> None:
    with pytest.raises(SettingsError, match="is no web address") as caught:
        make("openai:m", replace(home, openai_base_url=url))
    assert "pw" not in str(caught.value)


def test_the_key_is_never_shown(home: Settings) -> None:
    settings = replace(home, openai_api_key="sk-secret", openai_base_url="http://me:pw@localhost/v1")
    model = make("openai:m", settings)
    shown = f"{model!r} {model} {settings!r} {label_of('openai:m', settings)}"
    assert "sk-secret" not in shown
    assert "pw" not in label_of("openai:m", settings)


def test_the_key_reaches_the_server_and_tool_calls_come_back_whole(home: Settings) -> None:
    call = Call([("near", {"layer": "L1", "distance_km": 40.5})], pieces=9)
    with openai_server(call, Say("Fine.")) as server:
        model = make("openai:m", replace(home, openai_base_url=server.url, openai_api_key="sk-secret"))
        reply = model.invoke("near?")
        assert reply.tool_calls[0]["args"] == {"layer": "L1", "distance_km": 40.5}
        assert model.invoke("so?").text == "Fine."
        assert server.keys == ["Bearer sk-secret"] * 2
        assert server.requests[0]["model"] == "m"


def test_a_fault_of_ours_is_not_blamed_on_the_model(home: Settings) -> None:
    text = explain_failure(KeyError("secret detail"), "offline", home)
    assert "fault of the program (KeyError)" in text
    assert "secret detail" not in text


def test_models_are_listed_by_the_server(home: Settings) -> None:
    with openai_server(Say("")) as server:
        settings = replace(home, openai_base_url=server.url, openai_api_key="sk-secret")
        assert list_models(settings) == ["openai:large", "openai:m"]
        assert server.keys == ["Bearer sk-secret"]
        with pytest.raises(SettingsError, match="Allowed: offline, openai:large, openai:m"):
            make("openai:", settings)


def test_a_server_without_a_list_of_models_is_said_so(home: Settings) -> None:
    with openai_server(Say("")) as server:
        server.models = []
        settings = replace(home, openai_base_url=server.url, openai_api_key="sk-secret")
        with pytest.raises(SettingsError, match=r"does not say which models it has \(status 404\)") as caught:
            list_models(settings)
        assert "sk-secret" not in str(caught.value)
        with pytest.raises(SettingsError, match="Allowed: offline, or openai:NAME"):
            make("openai:", settings)
    with pytest.raises(SettingsError, match="does not say which models it has"):
        list_models(settings)  # and now it is gone
