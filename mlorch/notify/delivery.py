"""Sends one alert through one channel: bounded in time, tried again, and never an exception."""

from __future__ import annotations

import json
import smtplib
import socket
import ssl
import subprocess
import time
from email.message import EmailMessage
from typing import Any, Callable, Dict, Mapping
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from mlorch.model import Channel
from mlorch.notify.message import Alert
from mlorch.notify.shapes import SHAPES
from mlorch.values import dataclass

TIMEOUT = 10.0
"""Seconds for one try."""
PAUSES = (1.0, 3.0)
"""Seconds before the second and the third try."""


@dataclass(frozen=True)
class Delivery:
    """What came of it."""

    channel: str
    sent: bool
    tries: int
    error: str = ""
    """One sentence without any address: those are secrets."""


class NotSentError(Exception):
    """A reason that a person can do something about. `again` says whether another try may help."""

    def __init__(self, reason: str, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


def deliver(
    channel: Channel,
    alert: Alert,
    environ: Mapping[str, str],
    root: str,
    sleep: Callable[[float], None] = time.sleep,
) -> Delivery:
    """Send it. `environ` has the addresses, a command runs in `root`."""
    error = ""
    for number, pause in enumerate((*PAUSES, None), 1):
        try:
            _WAYS[channel.kind](channel, alert, environ, root)
            return Delivery(channel.name, True, number)
        except NotSentError as reason:
            error, again = str(reason), reason.again
        except Exception as reason:
            # A channel is somebody else's program: whatever it does, the run goes on.
            error, again = f"{type(reason).__name__}", False
        if pause is None or not again:
            return Delivery(channel.name, False, number, error)
        sleep(pause)
    raise AssertionError("the last try returns")


def _address(name: str, environ: Mapping[str, str]) -> str:
    found = environ.get(name, "").strip()
    if not found:
        raise NotSentError(f"the variable {name} is not set")
    return found


# -------------------------------------------------------------------------------------------------------- webhook


class _NoRedirect(HTTPRedirectHandler):
    """A webhook that points elsewhere would take the alert to where nobody meant it to go."""

    def redirect_request(self, *_args: Any, **_options: Any) -> None:
        return None


def _webhook(channel: Channel, alert: Alert, environ: Mapping[str, str], root: str) -> None:
    del root
    address = _address(channel.target[0], environ)
    if not address.startswith(("http://", "https://")):
        raise NotSentError(f"the variable {channel.target[0]} holds no http or https address")
    data = json.dumps(SHAPES[channel.format](alert)).encode("utf-8")
    headers = {"Content-Type": "application/json", "User-Agent": "mlorch"}
    try:
        request = Request(address, data=data, headers=headers, method="POST")
        with build_opener(_NoRedirect).open(request, timeout=TIMEOUT) as answer:
            answer.read(1 << 16)
    except HTTPError as error:
        with error:
            again = error.code >= 500 or error.code == 429
            raise NotSentError(f"the server answered {error.code}", again) from None
    except (URLError, socket.timeout, OSError) as error:
        raise NotSentError(_network(error), again=True) from None
    except ValueError:
        raise NotSentError(f"the variable {channel.target[0]} holds no address") from None


def _network(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, socket.timeout):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(reason, ssl.SSLError):
        return "the connection can't be trusted: its certificate does not fit"
    if isinstance(reason, socket.gaierror):
        return "the name of the server can't be found"
    return (getattr(reason, "strerror", None) or "the connection failed").lower()


# ---------------------------------------------------------------------------------------------------------- email


def _email(channel: Channel, alert: Alert, environ: Mapping[str, str], root: str) -> None:
    del root
    server = urlsplit(_address(channel.smtp, environ))
    if server.scheme not in ("smtp", "smtps") or not server.hostname:
        raise NotSentError(
            f"the variable {channel.smtp} holds no address such as smtp://user:password@host:587"
        )
    sender = parse_qs(server.query).get("from", [f"mlorch@{socket.getfqdn()}"])[0]
    message = mail_of(channel, alert, sender)
    try:
        with _connect(server.scheme, server.hostname, server.port) as smtp:
            if server.username:
                smtp.login(unquote(server.username), unquote(server.password or ""))
            smtp.send_message(message)
    except smtplib.SMTPAuthenticationError:
        raise NotSentError("the mail server refused the user or the password") from None
    except smtplib.SMTPRecipientsRefused:
        raise NotSentError("the mail server refused the recipients") from None
    except smtplib.SMTPResponseException as error:
        raise NotSentError(f"the mail server answered {error.smtp_code}", error.smtp_code < 500) from None
    except (smtplib.SMTPException, OSError) as error:
        raise NotSentError(_network(error), again=True) from None


def mail_of(channel: Channel, alert: Alert, sender: str) -> EmailMessage:
    """The message: three headers of ours, the alert as plain text."""
    message = EmailMessage()
    message["Subject"] = alert.title[:200]
    message["From"] = sender
    message["To"] = ", ".join(channel.target)
    message.set_content(alert.text)
    return message


def _connect(scheme: str, host: str, port: Any) -> smtplib.SMTP:
    """Encrypted from the start (`smtps`), or from STARTTLS on where the server has it (`smtp`)."""
    context = ssl.create_default_context()
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=TIMEOUT, context=context)
    smtp = smtplib.SMTP(host, port or 587, timeout=TIMEOUT)
    try:
        smtp.ehlo()
        if smtp.has_extn("starttls"):
            smtp.starttls(context=context)
            smtp.ehlo()
    except BaseException:
        smtp.close()
        raise
    return smtp


# ----------------------------------------------------------------------------------------------- command, apprise


def _command(channel: Channel, alert: Alert, environ: Mapping[str, str], root: str) -> None:
    try:
        done = subprocess.run(
            list(channel.target),
            input=json.dumps(alert.document()).encode("utf-8"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=root,
            env=dict(environ),
            timeout=TIMEOUT * 2,
        )
    except subprocess.TimeoutExpired:
        raise NotSentError(f"the command did not end within {TIMEOUT * 2:g} s") from None
    except OSError as error:
        raise NotSentError((error.strerror or "it could not be started").lower()) from None
    if done.returncode:
        raise NotSentError(f"the command ended with exit {done.returncode}")


def _apprise(channel: Channel, alert: Alert, environ: Mapping[str, str], root: str) -> None:
    del root
    address = _address(channel.target[0], environ)
    try:
        import apprise
    except ImportError:
        raise NotSentError("apprise is not installed: pip install 'mlorch[apprise]'") from None
    sender = apprise.Apprise()
    if not sender.add(address):
        raise NotSentError(f"the variable {channel.target[0]} holds no address that apprise knows")
    if not sender.notify(title=alert.title, body=alert.text):
        raise NotSentError("apprise could not send it", again=True)


_WAYS: Dict[str, Callable[[Channel, Alert, Mapping[str, str], str], None]] = {
    "webhook": _webhook,
    "email": _email,
    "command": _command,
    "apprise": _apprise,
}
