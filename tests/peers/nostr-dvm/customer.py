"""A customer with nostr-dvm's client side. Command line, output and checks are those of ../customer.mjs.

    python customer.py RELAY PROVIDER MODE...
"""

import asyncio
import contextlib
import json
import random
import re
import sys
import traceback

from nostr_dvm.utils.definitions import EventDefinitions
from nostr_dvm.utils.dvmconfig import DVMConfig
from nostr_dvm.utils.nostr_utils import send_event
from nostr_dvm.utils.sdk_utils import ensure_sdk_callback_loop, handle_notifications
from nostr_sdk import (
    ClientBuilder,
    Event,
    EventBuilder,
    Filter,
    Keys,
    Kind,
    Nip44Version,
    PublicKey,
    RelayUrl,
    ReqTarget,
    Tag,
    nip04_decrypt,
    nip04_encrypt,
    nip44_decrypt,
    nip44_encrypt,
)

TIMEOUT_S = 60
RESULT = EventDefinitions.KIND_NIP90_RESULT_GENERATE_TEXT.as_u16()
FEEDBACK = EventDefinitions.KIND_FEEDBACK.as_u16()
STATUSES = ["payment-required", "processing", "partial", "success", "error"]


class Mismatch(Exception):
    pass


class Library:
    """What nostr-dvm does for a customer."""

    def __init__(self, relay):
        self.keys = Keys.generate()
        self.me = self.keys.public_key().to_hex()
        self.config = DVMConfig()
        self.config.RELAY_LIST = [relay]
        self.client = ClientBuilder().build()
        self.relay = relay

    async def connect(self, handler):
        await self.client.add_relay(RelayUrl.parse(self.relay))
        await self.client.connect()
        wanted = Filter().kinds([Kind(RESULT), Kind(FEEDBACK)]).pubkey(self.keys.public_key())
        await self.client.subscribe(ReqTarget.auto([wanted]), None)
        return asyncio.create_task(handle_notifications(self.client, handler))

    async def publish(self, kind, content, tags):
        event = EventBuilder(kind, content).tags([Tag.parse(tag) for tag in tags]).finalize(self.keys)
        sent = await send_event(event, client=self.client, dvm_config=self.config)
        if sent is None or not sent.success:
            raise Mismatch(f"publish: the relay did not take the event: {sent and sent.failed}")
        return json.loads(event.as_json())

    async def ask(self, text, provider=None, scheme=None):
        tags = [["i", text, "text"], ["param", "max_tokens", "256"], ["output", "text/plain"]]
        named = [["p", provider]] if provider else []
        kind = EventDefinitions.KIND_NIP90_GENERATE_TEXT
        if scheme is None:
            return await self.publish(kind, "", tags + named)
        secret, to, plain = self.keys.secret_key(), PublicKey.parse(provider), json.dumps(tags)
        sealed = nip04_encrypt(secret, to, plain) if scheme == "nip04" else nip44_encrypt(secret, to, plain, Nip44Version.V2)
        return await self.publish(kind, sealed, named + [["encrypted"]])

    async def withdraw(self, job):
        await self.publish(EventDefinitions.KIND_DELETION, "no longer needed", [["e", job["id"]], ["k", "5050"]])

    def read(self, event, scheme):
        """(valid, tags, content), decrypted."""
        valid = Event.from_json(json.dumps(event)).verify()
        if scheme is None:
            return valid, event["tags"], event["content"]
        decrypt = nip04_decrypt if scheme == "nip04" else nip44_decrypt
        content = decrypt(self.keys.secret_key(), PublicKey.parse(event["pubkey"]), event["content"])
        if event["kind"] != FEEDBACK:
            return valid, event["tags"], content
        # Confidential feedback is a list of tags: that is how nostr-dvm writes it.
        tags = event["tags"] + json.loads(content)
        return valid, tags, (values(tags, "content") or [""])[0]


class Messages:
    """All messages, by job; a notification handler of the framework."""

    def __init__(self):
        self.jobs = {}
        self.more = asyncio.Condition()

    def about(self, job):
        return self.jobs.setdefault(job, [])

    async def handle(self, _relay, _subscription, event):
        event = json.loads(event.as_json())
        async with self.more:
            self.about((values(event["tags"], "e") or [None])[0]).append(event)
            self.more.notify_all()

    async def handle_msg(self, _relay, _message):
        pass

    async def at(self, job, place):
        async with self.more:
            waiting = self.more.wait_for(lambda: len(self.about(job)) > place)
            await within(f"answer number {place + 1}", waiting)
        return self.about(job)[place]


class Job:
    def __init__(self, event, text, scheme):
        self.event, self.text, self.scheme, self.place = event, text, scheme, 0


class Deal:
    """One run of a mode."""

    def __init__(self, mode, provider, library, messages):
        self.mode, self.provider, self.library, self.messages = mode, provider, library, messages

    def check(self, what, holds, otherwise):
        if not holds:
            raise Mismatch(f"{self.mode}: {what}: {otherwise}")
        print(json.dumps({"peer": "nostr-dvm", "mode": self.mode, "check": what}), flush=True)

    def same(self, what, found, wanted):
        self.check(what, found == wanted, f"{found!r} instead of {wanted!r}")

    async def ask(self, text=None, provider=None, scheme=None):
        text = text or f"{self.mode} “quoted”, 12 Boxkämpfer 🦊\n\tand a second line of {random.random()}"
        return Job(await within("publish", self.library.ask(text, provider, scheme)), text, scheme)

    async def next(self, job):
        event = await self.messages.at(job.event["id"], job.place)
        job.place += 1
        kind = "feedback" if event["kind"] == FEEDBACK else "result"
        self.same(f"{kind}: author", event["pubkey"], self.provider)
        self.same(f"{kind}: e", values(event["tags"], "e")[0], job.event["id"])
        self.same(f"{kind}: p", (values(event["tags"], "p") or [None])[0], self.library.me)
        self.same(f"{kind}: encrypted", values(event["tags"], "encrypted") is not None, job.scheme is not None)
        if job.scheme:
            self.same(f"{kind}: scheme", "nip04" if "?iv=" in event["content"] else "nip44", job.scheme)
        valid, tags, content = self.library.read(event, job.scheme)
        status = (values(tags, "status") or [None])[0]
        what = f"feedback {status}" if event["kind"] == FEEDBACK else "result"
        self.check(f"{what}: signature", valid, "invalid")
        amount = values(tags, "amount")
        if amount:
            invoice = amount[1] if len(amount) > 1 else "ln"
            self.check(f"{what}: amount", re.fullmatch(r"\d+", amount[0]) and invoice.startswith("ln"), amount)
        if event["kind"] == FEEDBACK:
            self.check(f"{what}: status", status in STATUSES, status)
        return event, tags, content, status

    async def answered(self, job):
        self.same("first message", (await self.next(job))[3], "processing")
        while True:
            event, tags, content, status = await self.next(job)
            if event["kind"] == FEEDBACK:
                self.check("status of work", status in ["processing", "partial", "success"], f"{status}: {content}")
                continue
            self.same("result: kind", event["kind"], RESULT)
            self.same("result: content", content, job.text)
            self.same("result: i", inputs(event), inputs(job.event))
            request = values(event["tags"], "request")
            # What was asked in confidence need not be repeated.
            if request or not job.scheme:
                self.same("result: request", json.loads(request[0]), job.event)
            return

    async def refused(self, job):
        _, tags, _, status = await self.next(job)
        self.same("status", status, "error")
        self.check("reason", len(values(tags, "status")) > 1, "none")

    async def running(self, job):
        while True:
            event, _, content, status = await self.next(job)
            self.same("still running", event["kind"], FEEDBACK)
            if status == "partial":
                repeated = job.text * (1 + len(content) // len(job.text))
                self.check("partial: content", content and repeated.startswith(content), content)
                return
            self.same("status before", status, "processing")

    async def cancelled(self):
        job = await self.ask("one answer of many words, without end", self.provider)
        await self.running(job)
        await within("withdraw", self.library.withdraw(job.event))
        # The provider runs one job at a time: an answer to the next one shows that the cancelled one ended.
        await self.answered(await self.ask(provider=self.provider))
        said = self.messages.about(job.event["id"])
        self.check("no result after the cancellation", all(event["kind"] == FEEDBACK for event in said), "a result")

    async def run(self):
        match self.mode:
            case "plain":
                await self.answered(await self.ask())
            case "targeted":
                await self.answered(await self.ask(provider=self.provider))
            case "nip04" | "nip44":
                await self.answered(await self.ask(provider=self.provider, scheme=self.mode))
            case "refused":
                await self.refused(await self.ask(" ", self.provider))
            case "cancelled":
                await self.cancelled()
            case _:
                raise Mismatch(f"no mode `{self.mode}`; there is: plain, targeted, nip04, nip44, refused, cancelled")


def values(tags, name):
    """The values of the first tag with this name."""
    return next((tag[1:] for tag in tags if tag[0] == name), None)


def inputs(event):
    return [tag for tag in event["tags"] if tag[0] == "i"]


async def within(what, waiting):
    try:
        return await asyncio.wait_for(waiting, TIMEOUT_S)
    except asyncio.TimeoutError:
        raise Mismatch(f"{what}: nothing within {TIMEOUT_S} s") from None


async def main(relay, provider, *modes):
    ensure_sdk_callback_loop()
    library, messages = Library(relay), Messages()
    listening = await within("connect", library.connect(messages))
    try:
        for mode in modes:
            await Deal(mode, provider, library, messages).run()
        for job, events in messages.jobs.items():
            results = sum(event["kind"] == RESULT for event in events)
            if results > 1:
                raise Mismatch(f"job {job} has {results} results")
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
        await library.client.shutdown()


if __name__ == "__main__":
    try:
        asyncio.run(main(*sys.argv[1:]))
    except Mismatch as mismatch:
        sys.exit(f"nostr-dvm: {mismatch}")
    except Exception:
        sys.exit(f"nostr-dvm: {traceback.format_exc()}")
