"""``offline`` or ``openai:NAME`` -> a chat model, and what to say when one fails.

Any server that speaks the OpenAI chat-completions protocol works: the provider's own, or a local one by its
base URL, which mostly wants no key.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from retrieval.errors import SettingsError
from retrieval.settings import Settings

OFFLINE = "offline"
PROVIDER = "openai"
PROVIDER_URL = "https://api.openai.com/v1"
ALLOWED = "offline, or openai:NAME with the name of a model that the server knows"

# A busy or restarting server is asked again this often, with growing pauses, before any of it is shown.
SERVER_RETRIES = 3
TIMEOUT_S = 120.0
LIST_TIMEOUT_S = 10.0
LISTED_MODELS = 40
# Local servers want some key and ignore which.
DUMMY_KEY = "none-needed"


def make_model(name: str, settings: Settings, planner: Callable[[], BaseChatModel]) -> BaseChatModel:
    """A chat model by name.

    Parameters
    ----------
    name
        ``offline`` or ``openai:NAME``.
    planner
        Makes the model that ``offline`` stands for.

    Raises
    ------
    SettingsError
        If the name is neither, the base URL is no web address, or the provider's own server is asked for
        without a key.
    """
    if name.strip() == OFFLINE:
        return planner()
    if name.strip() == f"{PROVIDER}:":
        raise _no_model_named(settings)
    server_name = _openai_name(name)
    url = base_url(settings)
    if not settings.openai_api_key.strip() and not settings.openai_base_url.strip():
        raise SettingsError(
            f"{name} needs a key for {_host(url)}",
            allowed="a key in the environment variable OPENAI_API_KEY, or the address of another server"
            " in OPENAI_BASE_URL",
            next_step="set one of them, or use the model offline, which needs neither",
        )
    # Half a second that who works offline need not wait.
    from agent.openai_chat import OpenAIChat

    return OpenAIChat(
        model=server_name,
        base_url=url,
        api_key=SecretStr(settings.openai_api_key.strip() or DUMMY_KEY),
        max_retries=SERVER_RETRIES,
        timeout=TIMEOUT_S,
        # Other servers know this protocol only; for its own models the provider's client knows best.
        use_responses_api=False if url != PROVIDER_URL else None,
        # Not every other server knows the option; without it tokens are estimated.
        stream_usage=url == PROVIDER_URL,
        strict_tools=_strict_tools(settings, url),
        streaming=True,
    )


def list_models(settings: Settings) -> list[str]:
    """Models that the server offers, as ``openai:NAME``, in alphabetical order.

    Raises
    ------
    SettingsError
        If it cannot be reached, or does not say.
    """
    import openai

    url = base_url(settings)
    try:
        with openai.OpenAI(
            api_key=settings.openai_api_key.strip() or DUMMY_KEY,
            base_url=url,
            timeout=LIST_TIMEOUT_S,
            max_retries=1,
        ) as client:
            return sorted(f"{PROVIDER}:{model.id}" for model in client.models.list())
    except (openai.OpenAIError, AttributeError, TypeError) as error:  # the last two: no list of models
        code = getattr(error, "status_code", None)
        why = f"status {code}" if code else type(error).__name__
        raise SettingsError(
            f"{_host(url)} does not say which models it has ({why})",
            next_step="check OPENAI_BASE_URL and OPENAI_API_KEY, or ask whoever runs the server",
        ) from None  # what the server said may repeat the key


def label_of(name: str, settings: Settings) -> str:
    """What to call the model in front of people: ``NAME at HOST``."""
    if name.strip() == OFFLINE:
        return "offline planner (no language model)"
    return f"{_openai_name(name)} at {_host(base_url(settings))}"


def base_url(settings: Settings) -> str:
    """Address of the server.

    Raises
    ------
    SettingsError
        If the one in the settings is no web address.
    """
    url = settings.openai_base_url.strip() or PROVIDER_URL
    if not url.startswith(("http://", "https://")) or not _host(url):
        shown = url.rpartition("@")[2][:80]  # a password may stand before the host
        raise SettingsError(
            f"the base URL {shown!r} is no web address", allowed="for example http://localhost:11434/v1"
        )
    return url


def is_broken_stream(error: BaseException | None) -> bool:
    """Whether an answer broke off in the middle, so that asking once more makes sense.

    What goes wrong before the first word is already asked again by the client itself.
    """
    while error is not None:
        if type(error).__name__ in ("RemoteProtocolError", "ReadError"):
            return True
        error = error.__cause__
    return False


def is_servers_fault(error: Exception) -> bool:
    """Whether the model or its server failed, and not this program."""
    kinds = type(error).__mro__
    return isinstance(error, ModelError) or any(kind.__module__.startswith("openai") for kind in kinds)


def explain_failure(error: Exception, name: str, settings: Settings) -> str:
    """One or two sentences for the person at the chat; never the key, never a traceback."""
    if not is_servers_fault(error):
        return f"This question failed by a fault of the program ({type(error).__name__})."
    label = label_of(name, settings)
    for kinds, text in _EXPLANATIONS:
        if isinstance(error, kinds):
            known = _known_models(settings) if ModelNotFoundError in kinds else ""
            return text.format(label=label) + (f" It has: {known}." if known else "")
    if is_broken_stream(error):
        return f"The connection to {label} broke while it was answering. Try again."
    if isinstance(error, ModelConnectionError):
        return f"{label} cannot be reached. Check the address and the network, or use the model offline."
    said = _what_it_said(error)
    if settings.openai_api_key:
        said = said.replace(settings.openai_api_key, "...")
    code = getattr(error, "status_code", None)
    status = f" with status {code}" if code else ""
    return f"{label} failed{status}: {said[:300]}"


_EXPLANATIONS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    (
        (ModelAuthenticationError, ModelPermissionDeniedError),
        "{label} refused the key. Check OPENAI_API_KEY, or use the model offline.",
    ),
    (
        (ModelNotFoundError,),
        "The server does not know this model: {label}. Check the name and OPENAI_BASE_URL.",
    ),
    (
        (ModelRateLimitError,),
        "{label} is over its limit of requests, or out of credit. Try again later.",
    ),
    (
        (ContextOverflowError,),
        "This conversation has grown too long for {label}. Start a new one.",
    ),
    (
        (ModelTimeoutError,),
        "{label} did not answer in time. Try again, or use the model offline.",
    ),
)


def _strict_tools(settings: Settings, url: str) -> bool:
    wanted = {"always": True, "never": False, "auto": url == PROVIDER_URL}
    if settings.strict_tools not in wanted:
        raise SettingsError(
            f"strict_tools is {settings.strict_tools[:40]!r}",
            allowed=", ".join(wanted),
            next_step="correct it",
        )
    return wanted[settings.strict_tools]


def _no_model_named(settings: Settings) -> SettingsError:
    # Nobody is asked for a list whom the user has not chosen by a key or an address.
    chosen = settings.openai_api_key.strip() or settings.openai_base_url.strip()
    known = _known_models(settings) if chosen else ""
    return SettingsError(f"{PROVIDER}: names no model", allowed=f"{OFFLINE}, {known}" if known else ALLOWED)


def _known_models(settings: Settings) -> str:
    try:
        names = list_models(settings)
    except SettingsError:
        return ""
    more = f", and {len(names) - LISTED_MODELS} more" if len(names) > LISTED_MODELS else ""
    return ", ".join(names[:LISTED_MODELS]) + more


def _openai_name(name: str) -> str:
    provider, _, model = name.strip().partition(":")
    if provider != PROVIDER or not model.strip():
        raise SettingsError(f"there is no model {name[:80]!r}", allowed=ALLOWED)
    return model.strip()


def _host(url: str) -> str:
    # Without user and password, which an address may carry.
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:  # a bracket that does not close
        return ""


def _what_it_said(error: Exception) -> str:
    """The server's own words, without the envelope they came in."""
    body = getattr(error, "body", None)
    return str(body["message"]) if isinstance(body, dict) and body.get("message") else str(error)
