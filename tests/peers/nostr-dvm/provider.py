"""Another provider, nostr-dvm's GenericDVM: answers text generation with the prompt, for free.

    python provider.py RELAY

Runs until it is killed, in a folder that it may write to. Prints `serving PUBLIC_KEY`, in hex, once it
is subscribed. Output of the framework goes to stderr, because it contains keys.
"""

import contextlib
import json
import sys

from nostr_dvm.dvm import DVM
from nostr_dvm.tasks.generic_dvm import GenericDVM
from nostr_dvm.utils.admin_utils import AdminConfig
from nostr_dvm.utils.dvmconfig import DVMConfig
from nostr_dvm.utils.nip89_utils import NIP89Config
from nostr_sdk import Client, Keys, Kind


def configured(relay, keys):
    """Without the helper of the framework, which opens a wallet at a public service."""
    config = DVMConfig()
    config.PRIVATE_KEY = keys.secret_key().to_hex()
    config.IDENTIFIER = "rival"
    config.KIND = Kind(5050)
    config.RELAY_LIST = config.ANNOUNCE_RELAY_LIST = config.SYNC_DB_RELAY_LIST = [relay]
    config.FIX_COST = config.PER_UNIT_COST = 0
    config.PROVIDE_INVOICE = False
    announcement = NIP89Config()
    announcement.DTAG = "rival"
    announcement.KIND = config.KIND
    announcement.CONTENT = json.dumps({"name": "Rival", "about": "Echoes the prompt.", "nip90Params": {}})
    return GenericDVM(name="Rival", dvm_config=config, nip89config=announcement, admin_config=AdminConfig())


async def process(form):
    return json.loads(form["options"])["input"]


def main():
    (relay,) = sys.argv[1:]
    keys, stdout, subscribe = Keys.generate(), sys.stdout, Client.subscribe

    async def tell(client, *args):
        """The first subscription of the framework is that to jobs: nothing else shows when it is ready."""
        Client.subscribe = subscribe
        output = await subscribe(client, *args)
        print("serving", keys.public_key().to_hex(), file=stdout, flush=True)
        return output

    Client.subscribe = tell
    with contextlib.redirect_stdout(sys.stderr):
        dvm = configured(relay, keys)
        dvm.process = process
        DVM(dvm.dvm_config, dvm.admin_config, lambda: False)


if __name__ == "__main__":
    main()
